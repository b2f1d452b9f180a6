//! How connections and statements end: vanished clients, KILL, time-outs, shutdown.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use storno_wire::{Kill, Limits};
use tokio::io::AsyncWriteExt;

use crate::raw::*;
use crate::toy::{ToyServer, start, until};

fn code(answer: Answer) -> u16 {
    match answer {
        Answer::Error(code, _) => code,
        other => panic!("{other:?}"),
    }
}

async fn begun(server: &ToyServer, count: usize) {
    until("a statement begins", || async {
        server.toy.begun.load(Ordering::SeqCst) >= count
    })
    .await;
}

async fn cancelled(server: &ToyServer) {
    until("a statement is dropped", || async {
        server.toy.cancelled.load(Ordering::SeqCst) == 1
    })
    .await;
}

#[tokio::test]
async fn a_client_that_vanishes_takes_its_statement_with_it() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(0, b"\x03sleep").await;
    begun(&server, 1).await;
    drop(raw);
    cancelled(&server).await;
    until("its session ends", || async {
        server.toy.sessions.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn a_client_that_vanishes_between_rows_takes_the_stream_with_it() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(0, b"\x03stall").await;
    begun(&server, 1).await;
    raw.packet().await.unwrap();
    drop(raw);
    until("the stream is dropped", || async {
        server.toy.sessions.load(Ordering::SeqCst) == 0
    })
    .await;
    assert_eq!(server.toy.cancelled.load(Ordering::SeqCst), 1);
}

#[tokio::test]
async fn commands_sent_ahead_of_an_answer_are_kept() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(0, b"\x03sleep 100").await;
    begun(&server, 1).await;
    raw.send(0, b"\x03echo one").await;
    tokio::time::sleep(Duration::from_millis(20)).await;
    raw.send(0, b"\x03echo two").await;
    assert_eq!(raw.answer().await, Answer::Ok);
    assert_eq!(raw.rows().await.0, [b"\x03one".to_vec()]);
    assert_eq!(raw.rows().await.0, [b"\x03two".to_vec()]);
}

#[tokio::test]
async fn more_bytes_ahead_than_are_read_are_kept_too() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(0, b"\x03sleep 200").await;
    let ahead = [b"\x03echo ", vec![b'z'; 300_000].as_slice()].concat();
    let sent = packet(0, &ahead);
    raw.stream.write_all(&sent).await.unwrap();
    assert_eq!(raw.answer().await, Answer::Ok);
    assert_eq!(raw.rows().await.0[0].len(), 300_004);
}

#[tokio::test]
async fn kill_query_ends_the_statement_and_not_the_connection() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let control = server.toy.login(raw.connection_id).control;
    control.kill(Kill::Query);
    assert_eq!(raw.ping().await, Answer::Ok, "nothing was running");
    raw.send(0, b"\x03sleep").await;
    begun(&server, 1).await;
    control.kill(Kill::Query);
    assert_eq!(code(raw.answer().await), 1317);
    cancelled(&server).await;
    assert_eq!(raw.ping().await, Answer::Ok);
    raw.send(0, b"\x03stall").await;
    raw.packet().await.unwrap();
    control.kill(Kill::Query);
    assert_eq!(raw.ping_after_rows().await, 1317);
}

impl Raw {
    /// Skips packets to an error, checks that the connection lives, and gives the error's number.
    async fn ping_after_rows(&mut self) -> u16 {
        loop {
            match self.answer().await {
                Answer::Error(code, _) => {
                    assert_eq!(self.ping().await, Answer::Ok);
                    return code;
                }
                Answer::End => panic!("closed without an error"),
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn kill_query_ends_a_stream_that_never_waits() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    let control = server.toy.login(raw.connection_id).control;
    raw.send(0, b"\x03rows 1000000000").await;
    raw.packet().await.unwrap();
    control.kill(Kill::Query);
    assert_eq!(raw.ping_after_rows().await, 1317);
}

#[tokio::test]
async fn kill_ends_busy_and_idle_connections() {
    let server = start(Limits::default()).await;
    let mut busy = Raw::login(server.address).await;
    let mut idle = Raw::login(server.address).await;
    busy.send(0, b"\x03sleep").await;
    begun(&server, 1).await;
    for raw in [&mut busy, &mut idle] {
        server
            .toy
            .login(raw.connection_id)
            .control
            .kill(Kill::Connection);
        assert_eq!(code(raw.answer().await), 1317);
        assert_eq!(raw.answer().await, Answer::End);
    }
    until("sessions end", || async {
        server.toy.sessions.load(Ordering::SeqCst) == 0
    })
    .await;
}

#[tokio::test]
async fn an_idle_client_is_told_4031_after_the_time_its_session_allows() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.query("idle 200").await;
    let since = Instant::now();
    assert_eq!(code(raw.answer().await), 4031);
    assert!(since.elapsed() >= Duration::from_millis(150));
    assert_eq!(raw.answer().await, Answer::End);
}

#[tokio::test]
async fn half_a_packet_is_waited_for_no_longer_than_the_read_timeout() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.stream.write_all(&[5, 0, 0, 0, 3]).await.unwrap();
    let since = Instant::now();
    assert_eq!(raw.answer().await, Answer::End);
    assert!(since.elapsed() >= Duration::from_millis(900));
}

#[tokio::test]
async fn a_client_that_reads_nothing_is_given_up_and_its_stream_dropped() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login(server.address).await;
    raw.send(0, b"\x03rows 100000000").await;
    let since = Instant::now();
    until("the session ends", || async {
        server.toy.sessions.load(Ordering::SeqCst) == 0
    })
    .await;
    assert!(since.elapsed() >= Duration::from_millis(2900));
}

#[tokio::test]
async fn shutdown_closes_idle_clients_lets_statements_finish_and_ends_the_rest() {
    let limits = Limits {
        shutdown_grace: Duration::from_millis(600),
        ..Limits::default()
    };
    let server = start(limits).await;
    let mut idle = Raw::login(server.address).await;
    let mut finishing = Raw::login(server.address).await;
    let mut endless = Raw::login(server.address).await;
    finishing.send(0, b"\x03sleep 200").await;
    endless.send(0, b"\x03sleep").await;
    begun(&server, 2).await;
    server.stop.send(()).unwrap();
    assert_eq!(code(idle.answer().await), 1053);
    assert_eq!(idle.answer().await, Answer::End);
    assert_eq!(finishing.answer().await, Answer::Ok);
    assert_eq!(code(finishing.answer().await), 1053);
    assert_eq!(code(endless.answer().await), 1053);
    assert_eq!(endless.answer().await, Answer::End);
    drop((idle, finishing, endless));
    tokio::time::timeout(Duration::from_secs(5), server.task)
        .await
        .unwrap()
        .unwrap();
    assert_eq!(server.toy.sessions.load(Ordering::SeqCst), 0);
    assert!(
        tokio::net::TcpStream::connect(server.address)
            .await
            .is_err()
    );
}
