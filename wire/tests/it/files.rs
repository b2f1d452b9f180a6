//! Files that clients send (LOAD DATA LOCAL INFILE), and the small commands of version 8.

use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use mysql_async::prelude::*;
use mysql_async::{Conn, Opts, OptsBuilder};
use storno_wire::{Kill, Limits};

use crate::raw::*;
use crate::toy::{start, until};

const LOCAL_FILES: u32 = 1 << 7;
const MULTI_STATEMENTS: u32 = 1 << 16;

fn affected(answer: Option<(u8, Vec<u8>)>) -> (u8, u8) {
    let (sequence, packet) = answer.unwrap();
    assert_eq!(packet[0], 0, "{packet:?}");
    (sequence, packet[1])
}

async fn asked(raw: &mut Raw, statement: &str) {
    raw.send(0, &[b"\x03", statement.as_bytes()].concat()).await;
    let (sequence, request) = raw.packet().await.unwrap();
    let name = statement.strip_prefix("load ").unwrap();
    assert_eq!(
        (sequence, request),
        (1, [b"\xFB", name.as_bytes()].concat())
    );
}

#[tokio::test]
async fn a_file_comes_in_packets_up_to_the_empty_one() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
    assert!(server.toy.login(raw.connection_id).local_files);
    asked(&mut raw, "load /tmp/x").await;
    raw.send(2, b"abc").await;
    raw.send(3, b"de").await;
    raw.send(4, b"").await;
    assert_eq!(affected(raw.packet().await), (5, 5));
    asked(&mut raw, "load nothing").await;
    raw.send(2, b"").await;
    assert_eq!(affected(raw.packet().await), (3, 0));
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn sequence_ids_of_a_long_file_wrap() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
    asked(&mut raw, "load longer").await;
    for i in 2..600_u32 {
        raw.send(i as u8, b"x").await;
    }
    raw.send((600_u32 % 256) as u8, b"").await;
    let (sequence, packet) = raw.packet().await.unwrap();
    let expected = [0, 0xFC, 598_u16.to_le_bytes()[0], 598_u16.to_le_bytes()[1]];
    assert_eq!(
        (sequence, &packet[..4]),
        ((601_u32 % 256) as u8, &expected[..])
    );
}

#[tokio::test]
async fn an_error_is_sent_once_the_whole_file_has_come() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
    asked(&mut raw, "load and fail").await;
    for i in 2..200 {
        raw.send(i, &[b'x'; 1000]).await;
    }
    raw.send(200, b"").await;
    let (sequence, packet) = raw.packet().await.unwrap();
    assert_eq!(sequence, 201);
    assert!(matches!(
        answer(Some((sequence, packet))),
        Answer::Error(1261, _)
    ));
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn a_killed_load_ends_when_the_client_has_sent_all() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
    let control = server.toy.login(raw.connection_id).control;
    asked(&mut raw, "load x").await;
    raw.send(2, b"abc").await;
    control.kill(Kill::Query);
    tokio::time::sleep(Duration::from_millis(20)).await;
    raw.send(3, b"abc").await;
    raw.send(4, b"").await;
    assert!(matches!(raw.answer().await, Answer::Error(1317, _)));
    asked(&mut raw, "load y").await;
    raw.send(2, b"abc").await;
    control.kill(Kill::Connection);
    assert!(matches!(raw.answer().await, Answer::Error(1317, _)));
    assert_eq!(raw.answer().await, Answer::End);
}

#[tokio::test]
async fn a_packet_above_the_limit_fails_the_load_and_not_the_connection() {
    let limits = Limits {
        max_allowed_packet: 1000,
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
    asked(&mut raw, "load x").await;
    raw.send(2, &[b'x'; 1001]).await;
    raw.send(3, b"abc").await;
    raw.send(4, b"").await;
    assert!(matches!(raw.answer().await, Answer::Error(1153, _)));
    assert_eq!(raw.ping().await, Answer::Ok);
}

#[tokio::test]
async fn a_client_that_vanishes_or_falls_silent_in_its_file_is_given_up() {
    let server = start(Limits::default()).await;
    for vanish in [true, false] {
        let mut raw = Raw::login_with(server.address, BASIC | LOCAL_FILES).await;
        asked(&mut raw, "load x").await;
        raw.send(2, b"abc").await;
        if vanish {
            drop(raw);
        } else {
            // The toy waits a second for the next byte.
            assert_eq!(raw.answer().await, Answer::End);
        }
        until("its session ends", || async {
            server
                .toy
                .sessions
                .load(std::sync::atomic::Ordering::SeqCst)
                == 0
        })
        .await;
    }
}

#[tokio::test]
async fn a_driver_sends_its_file() {
    let server = start(Limits::default()).await;
    let pieces = (0..300).map(|_| Ok(Bytes::from_static(&[b'y'; 50_000])));
    let stream = futures::stream::iter(pieces.collect::<Vec<_>>());
    let options = OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.address.port())
        .user(Some("root"))
        .prefer_socket(false)
        .max_allowed_packet(Some(64 << 20))
        .wait_timeout(Some(1000));
    let mut conn = Conn::new(Opts::from(options)).await.unwrap();
    conn.set_infile_handler(async move { Ok(stream.boxed()) });
    conn.query_drop("load big").await.unwrap();
    assert_eq!(conn.affected_rows(), 15_000_000);
    conn.ping().await.unwrap();
}

#[tokio::test]
async fn several_statements_are_asked_for_at_login_or_later() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | MULTI_STATEMENTS).await;
    assert_eq!(raw.query("several").await.0, [b"\x04true".to_vec()]);
    let eof = raw.command(b"\x1B\x01\x00").await;
    assert!(matches!(eof, Answer::Other(packet) if packet[0] == 0xFE && packet.len() == 5));
    assert_eq!(raw.query("several").await.0, [b"\x05false".to_vec()]);
    raw.command(b"\x1B\x00\x00").await;
    assert_eq!(raw.query("several").await.0, [b"\x04true".to_vec()]);
    let refused = raw.command(b"\x1B\x02\x00").await;
    assert!(matches!(refused, Answer::Error(1047, _)));
}

#[tokio::test]
async fn a_connection_is_ended_by_the_command_for_it() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let mut other = Raw::login(server.address).await;
    let id = other.connection_id.to_le_bytes();
    assert_eq!(raw.command(&[&[0x0C], &id[..]].concat()).await, Answer::Ok);
    assert!(matches!(other.answer().await, Answer::Error(1317, _)));
    let unknown = raw.command(&[0x0C, 0xFF, 0xFF, 0, 0]).await;
    assert!(matches!(unknown, Answer::Error(1094, _)));
}
