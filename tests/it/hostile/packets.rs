//! Packets no driver sends: cut, bent, out of place.

use crate::harness::raw::{RawConnection, refusal_of};
use crate::harness::{Outcome, Server, ensure, same};

pub async fn malformed_packets_end_at_most_their_connection(server: &mut Server) -> Outcome {
    let packets: &[(&str, &[u8])] = &[
        ("an empty packet", &[]),
        ("execute without an id", &[0x17]),
        ("execute cut in its id", &[0x17, 1, 0]),
        ("execute cut after its id", &[0x17, 1, 0, 0, 0]),
        ("long data without a parameter", &[0x18, 1, 0, 0, 0]),
        ("close without an id", &[0x19]),
        ("reset without an id", &[0x1A]),
        ("fetch without a count", &[0x1C, 1, 0, 0, 0]),
        ("set option without one", &[0x1B]),
        ("set option unknown", &[0x1B, 9, 9]),
        ("kill without a number", &[0x0C]),
        ("field list without a name", &[0x04]),
        ("change user with nothing", &[0x11]),
        ("change user cut", &[0x11, b'r', b'o', b'o', b't']),
        ("init db with no name", &[0x02]),
        ("binlog dump", &[0x12, 1, 2, 3]),
    ];
    for (name, packet) in packets {
        let mut connection = RawConnection::open(server).await?;
        let sent = connection.command_unless_silent(packet).await?;
        server.must_be_running()?;
        if let Some(answer) = sent.filter(|_| !server.is_judge()) {
            let is_answer = matches!(answer.first(), Some(0x00 | 0xFF | 0xFE) | None);
            ensure(is_answer, || format!("{name}: {}", refusal_of(&answer)))?;
        }
        server.connect().await?.must_answer().await?;
    }
    execute_with_bad_parameters(server).await
}

/// COM_STMT_EXECUTE of a statement with two parameters, cut or bent at every place.
async fn execute_with_bad_parameters(server: &mut Server) -> Outcome {
    let mut good = vec![0x17];
    good.extend(0u32.to_le_bytes()); // the id, filled in below
    good.extend([0, 1, 0, 0, 0, 0, 1]); // no cursor, one iteration, no NULLs, types follow
    good.extend([0x08, 0, 0xFD, 0]); // LONGLONG, VAR_STRING
    good.extend(7i64.to_le_bytes());
    good.extend(b"\x03abc");
    for length in 6..good.len() {
        send_execute(server, &good[..length], false).await?;
    }
    for (position, byte) in [
        (10, 0xFF),
        (11, 0),
        (12, 0x77),
        (14, 0x7F),
        (24, 0xFE),
        (24, 0xFB),
    ] {
        let mut bent = good.clone();
        bent[position] = byte;
        send_execute(server, &bent, false).await?;
    }
    send_execute(server, &good, true).await
}

async fn send_execute(server: &mut Server, packet: &[u8], is_good: bool) -> Outcome {
    let mut connection = RawConnection::open(server).await?;
    let prepared = connection.command(b"\x16SELECT ?, ?").await?;
    ensure(prepared.first() == Some(&0), || {
        format!("prepare: {}", refusal_of(&prepared))
    })?;
    let id: [u8; 4] = prepared
        .get(1..5)
        .and_then(|id| id.try_into().ok())
        .ok_or("no id")?;
    connection.skip_prepare_definitions(&prepared).await?;
    let mut packet = packet.to_vec();
    if let Some(place) = packet.get_mut(1..5) {
        place.copy_from_slice(&id);
    }
    let answer = connection.command_unless_silent(&packet).await?;
    server.must_be_running()?;
    if is_good {
        same("columns of the good one", &Some(vec![2]), &answer)?;
    }
    server.connect().await?.must_answer().await
}

pub async fn truncated_logins_do_not_disturb_others(server: &mut Server) -> Outcome {
    let mut session = server.connect().await?;
    let pieces: &[&[u8]] = &[
        b"",
        b"\x01",
        b"\x00\x00\x00\x01",
        b"\xFF\xFF\xFF\x01",
        b"\x20\x00\x00\x01\x85\xA6\xFF\x01",
        b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n",
        &[0xFF; 600],
        b"\x04\x00\x00\x09\x00\x00\x00\x00",
    ];
    for piece in pieces {
        RawConnection::knock(server, piece).await?;
        session.must_answer().await?;
    }
    server.must_be_running()?;
    server.connect().await?.must_answer().await
}
