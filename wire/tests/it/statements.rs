//! Commands of a logged-in client, right and wrong ones.

use storno_wire::Limits;
use tokio::io::AsyncWriteExt;

use crate::raw::*;
use crate::toy::{start, until};

fn code(answer: Answer) -> u16 {
    match answer {
        Answer::Error(code, _) => code,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_unknown_command_is_1047_and_the_connection_lives_on() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let known = [
        1, 2, 3, 4, 9, 0x0C, 0x0E, 0x11, 0x16, 0x17, 0x18, 0x19, 0x1A, 0x1B, 0x1C, 0x1F,
    ];
    for number in (0..=255u8).filter(|number| !known.contains(number)) {
        assert_eq!(
            code(raw.command(&[number, 1, 2, 3]).await),
            1047,
            "{number}"
        );
    }
    assert_eq!(code(raw.command(&[]).await), 1047);
    assert_eq!(
        code(raw.command(b"\x04table\0").await),
        1047,
        "FIELD_LIST is optional"
    );
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn truncated_commands_are_1835_and_the_connection_lives_on() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    for command in [
        &b"\x17\x01"[..],
        b"\x18\x01",
        b"\x19\x01",
        b"\x1A",
        b"\x1C\0\0",
        b"\x04t",
    ] {
        assert_eq!(code(raw.command(command).await), 1835, "{command:?}");
    }
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn malformed_executes_are_1835_and_the_statement_lives_on() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let id = raw.prepare("echo ? ?").await;
    let execute = |body: &[u8]| [&b"\x17"[..], &id.to_le_bytes(), &[0, 1, 0, 0, 0], body].concat();
    let malformed: [&[u8]; 8] = [
        b"",
        b"\0",
        b"\0\0",
        b"\0\x01",
        b"\0\x01\xFD\0",
        b"\0\x01\xFD\0\xFD\0",
        b"\0\x01\xFD\0\xFD\0\x01a\xFE\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF",
        b"\0\x01\x0C\0\xFD\0\x05aaaaa\x01a",
    ];
    for body in malformed {
        assert_eq!(code(raw.command(&execute(body)).await), 1835, "{body:?}");
    }
    raw.send(0, &execute(b"\0\x01\xFD\0\xFD\0\x01a\x02bc"))
        .await;
    assert_eq!(raw.rows().await.0, [b"\0\0\x01a\x02bc".to_vec()]);
    raw.send(0, &execute(b"\x01\0\x02zz")).await;
    assert_eq!(
        raw.rows().await.0,
        [b"\0\x04\x02zz".to_vec()],
        "types of the first time"
    );
}

#[tokio::test]
async fn statements_that_do_not_exist_are_1243() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let id = 77u32.to_le_bytes();
    for (head, tail) in [
        (0x17u8, &[0, 1, 0, 0, 0][..]),
        (0x1A, &[]),
        (0x1C, &[1, 0, 0, 0]),
    ] {
        assert_eq!(
            code(raw.command(&[&[head], &id[..], tail].concat()).await),
            1243,
            "{head}"
        );
    }
    raw.send(0, &[&b"\x18"[..], &id, &[0, 0, 1, 2]].concat())
        .await;
    raw.send(0, &[&b"\x19"[..], &id].concat()).await;
    assert_eq!(
        raw.ping().await,
        Answer::Ok,
        "no answer to long data or close"
    );
    let id = raw.prepare("echo ?").await.to_le_bytes();
    assert_eq!(
        code(
            raw.command(&[&b"\x1C"[..], &id, &[1, 0, 0, 0]].concat())
                .await
        ),
        1421
    );
}

#[tokio::test]
async fn long_data_is_joined_and_its_errors_come_with_the_execute() {
    let server = start(Limits {
        max_allowed_packet: 1000,
        ..Limits::default()
    })
    .await;
    let mut raw = Raw::login(server.address).await;
    let id = raw.prepare("echo ?").await.to_le_bytes();
    let long = |param: u16, data: &[u8]| [b"\x18", &id[..], &param.to_le_bytes(), data].concat();
    let execute = [&b"\x17"[..], &id, &[0, 1, 0, 0, 0], b"\0\x01\xFC\0"].concat();
    raw.send(0, &long(0, b"ab")).await;
    raw.send(0, &long(0, b"cd")).await;
    raw.send(0, &execute).await;
    assert_eq!(raw.rows().await.0, [b"\0\0\x04abcd".to_vec()]);
    raw.send(0, &long(9, b"ab")).await;
    assert_eq!(code(raw.command(&execute).await), 1210);
    for _ in 0..2 {
        raw.send(0, &long(0, &[b'x'; 900])).await;
    }
    assert_eq!(code(raw.command(&execute).await), 1105);
    raw.send(0, &long(0, b"gone")).await;
    assert_eq!(raw.command(&[&b"\x1A"[..], &id].concat()).await, Answer::Ok);
    assert_eq!(
        code(raw.command(&execute).await),
        1835,
        "RESET forgets long data"
    );
}

#[tokio::test]
async fn a_message_above_max_allowed_packet_is_1153_and_the_next_one_works() {
    let server = start(Limits {
        max_allowed_packet: 20 << 20,
        ..Limits::default()
    })
    .await;
    let mut raw = Raw::login(server.address).await;
    let mut first = packet(0, &vec![b'x'; 0xFF_FFFF]);
    first[4] = 3;
    raw.stream.write_all(&first).await.unwrap();
    raw.stream
        .write_all(&packet(1, &vec![b'x'; 5 << 20]))
        .await
        .unwrap();
    let (sequence, refusal) = raw.packet().await.unwrap();
    assert_eq!(sequence, 2);
    assert_eq!(code(answer(Some((sequence, refusal)))), 1153);
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn messages_of_an_exact_multiple_of_the_packet_size_go_both_ways() {
    let server = start(Limits {
        max_allowed_packet: 40 << 20,
        ..Limits::default()
    })
    .await;
    let mut raw = Raw::login(server.address).await;
    let mut first = packet(0, &vec![b'y'; 0xFF_FFFF]);
    first[4..9].copy_from_slice(b"\x03echo");
    first[9] = b' ';
    raw.stream.write_all(&first).await.unwrap();
    raw.stream.write_all(&packet(1, b"")).await.unwrap();
    raw.packet().await.unwrap();
    raw.packet().await.unwrap();
    raw.packet().await.unwrap();
    let row = raw.packet().await.unwrap().1;
    assert_eq!(row.len(), 0xFF_FFFF - 6 + 4);
    raw.packet().await.unwrap();
    // A row of one string whose payload, length included, is exactly one full packet.
    raw.send(0, format!("\x03big {}", 0xFF_FFFF - 4).as_bytes())
        .await;
    for _ in 0..3 {
        raw.packet().await.unwrap();
    }
    let (sequence, full) = raw.packet().await.unwrap();
    assert_eq!((sequence, full.len()), (4, 0xFF_FFFF));
    assert_eq!(raw.packet().await, Some((5, vec![])));
    assert_eq!(raw.packet().await.unwrap().1.len(), 5);
}

#[tokio::test]
async fn packets_out_of_order_are_1156_and_the_end() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(3, b"\x0E").await;
    assert_eq!(code(raw.answer().await), 1156);
    assert_eq!(raw.answer().await, Answer::End);
}

#[tokio::test]
async fn errors_between_rows_end_the_result_and_not_the_connection() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let (rows, end) = raw.query("fail after 3").await;
    assert_eq!((rows.len(), code(end)), (3, 1317));
    let (rows, end) = raw.query("panic in stream").await;
    assert_eq!((rows.len(), code(end)), (1, 1105));
    assert_eq!(code(raw.query("fail 1064").await.1), 1064);
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn a_panic_ends_its_connection_and_no_other() {
    let server = start(Limits::default()).await;
    let mut other = Raw::login(server.address).await;
    let mut raw = Raw::login(server.address).await;
    assert_eq!(code(raw.query("panic").await.1), 1105);
    assert_eq!(raw.answer().await, Answer::End);
    assert_eq!(other.ping().await, Answer::Ok);
    until("its session is gone", || async {
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst)
            == 1
    })
    .await;
}

#[tokio::test]
async fn status_and_warnings_are_in_every_ok_and_eof() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let mut ok = async |text: &str| {
        raw.send(0, &[b"\x03", text.as_bytes()].concat()).await;
        let (_, ok) = raw.packet().await.unwrap();
        (
            u16::from_le_bytes([ok[3], ok[4]]),
            u16::from_le_bytes([ok[5], ok[6]]),
        )
    };
    assert_eq!(ok("begin").await, (3, 0));
    assert_eq!(ok("warn 5").await, (3, 5));
    assert_eq!(ok("autocommit 0").await, (1, 0));
    assert_eq!(ok("commit").await, (0, 0));
    assert_eq!(ok("autocommit 1").await, (2, 0));
    assert_eq!(ok("begin").await, (3, 0));
    assert_eq!(
        raw.query("rows 1").await.1,
        Answer::Other(vec![0xFE, 0, 0, 3, 0])
    );
    assert_eq!(raw.command(&[0x1F]).await, Answer::Ok);
    assert_eq!(
        raw.query("rows 1").await.1,
        Answer::Other(vec![0xFE, 0, 0, 2, 0])
    );
}

#[tokio::test]
async fn results_end_in_an_ok_for_clients_that_deprecate_eof() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | DEPRECATE_EOF).await;
    raw.send(0, b"\x03echo hi").await;
    let packets = [
        raw.packet().await,
        raw.packet().await,
        raw.packet().await,
        raw.packet().await,
    ];
    let [_, _, row, end] = packets.map(|packet| packet.unwrap().1);
    assert_eq!(row, b"\x02hi");
    assert_eq!(end, [0xFE, 0, 0, 2, 0, 0, 0]);
}

#[tokio::test]
async fn the_database_change_is_told_to_clients_that_track_it() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | SESSION_TRACK).await;
    raw.send(0, b"\x02app").await;
    let expected = b"\0\0\0\x02\x40\0\0\0\x06\x01\x04\x03app";
    assert_eq!(raw.packet().await.unwrap().1, expected);
    assert_eq!(code(raw.command(b"\x02nodb").await), 1049);
    assert_eq!(code(raw.command(b"\x02\xFF\xFE").await), 1049);
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn several_results_are_chained_by_their_status() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let (rows, end) = raw.query("results 3").await;
    assert_eq!(
        (rows, end),
        (
            vec![b"\x062 left".to_vec()],
            Answer::Other(vec![0xFE, 0, 0, 10, 0])
        )
    );
    assert_eq!(raw.rows().await.1, Answer::Other(vec![0xFE, 0, 0, 10, 0]));
    let (rows, end) = raw.rows().await;
    assert_eq!(
        (rows, end),
        (
            vec![b"\x060 left".to_vec()],
            Answer::Other(vec![0xFE, 0, 0, 2, 0])
        )
    );
}

#[tokio::test]
async fn too_many_statements_are_1461_until_one_is_closed() {
    let server = start(Limits {
        max_statements: 2,
        ..Limits::default()
    })
    .await;
    let mut raw = Raw::login(server.address).await;
    let id = raw.prepare("echo 1").await;
    raw.prepare("echo 2").await;
    assert_eq!(code(raw.command(b"\x16echo 3").await), 1461);
    raw.send(0, &[&b"\x19"[..], &id.to_le_bytes()].concat())
        .await;
    raw.prepare("echo 3").await;
}

#[tokio::test]
async fn more_placeholders_than_the_protocol_counts_are_1390() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let text = "?".repeat(65_536);
    assert_eq!(
        code(raw.command(&[b"\x16", text.as_bytes()].concat()).await),
        1390
    );
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn statistics_is_one_line_of_text() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let Answer::Other(text) = raw.command(&[9]).await else {
        panic!()
    };
    assert!(text.starts_with(b"Uptime: "), "{text:?}");
}
