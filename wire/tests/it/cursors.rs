//! Cursors: EXECUTE without rows, then FETCH.

use storno_wire::Limits;

use crate::raw::*;
use crate::toy::{ToyServer, start, until};

const CURSOR_EXISTS: u16 = 1 << 6;
const LAST_ROW_SENT: u16 = 1 << 7;

fn code(answer: Answer) -> u16 {
    match answer {
        Answer::Error(code, _) => code,
        other => panic!("{other:?}"),
    }
}

async fn execute(raw: &mut Raw, id: u32, flags: u8) {
    let command = [&b"\x17"[..], &id.to_le_bytes(), &[flags, 1, 0, 0, 0]].concat();
    raw.send(0, &command).await;
}

/// The status of an EOF, classic or not.
fn status(eof: &[u8]) -> u16 {
    assert_eq!(eof[0], 0xFE);
    match eof.len() {
        5 => u16::from_le_bytes([eof[3], eof[4]]),
        _ => u16::from_le_bytes([eof[3], eof[4]]),
    }
}

/// Opens a cursor; the status that says so.
async fn open(raw: &mut Raw, id: u32, capabilities: u32) -> u16 {
    execute(raw, id, 1).await;
    let (_, head) = raw.packet().await.unwrap();
    for _ in 0..head[0] {
        raw.packet().await.unwrap();
    }
    let (_, eof) = raw.packet().await.unwrap();
    assert_eq!(eof.len() == 5, capabilities & DEPRECATE_EOF == 0);
    status(&eof)
}

/// Rows of a FETCH, and the status behind them.
async fn fetch(raw: &mut Raw, id: u32, rows: u32) -> (usize, u16) {
    raw.send(
        0,
        &[&b"\x1C"[..], &id.to_le_bytes(), &rows.to_le_bytes()].concat(),
    )
    .await;
    let mut count = 0;
    loop {
        let (_, packet) = raw.packet().await.unwrap();
        match packet[0] {
            0 => count += 1,
            0xFE => return (count, status(&packet)),
            _ => panic!("{packet:?}"),
        }
    }
}

async fn opened(capabilities: u32, text: &str) -> (ToyServer, Raw, u32) {
    let server = start(Limits::default()).await;
    let mut raw = Raw::login_with(server.address, BASIC | capabilities).await;
    raw.send(0, &[b"\x16", text.as_bytes()].concat()).await;
    let (_, head) = raw.packet().await.unwrap();
    let id = u32::from_le_bytes(head[1..5].try_into().unwrap());
    let columns = u16::from_le_bytes([head[5], head[6]]);
    let eof = u16::from(capabilities & DEPRECATE_EOF == 0 && columns > 0);
    for _ in 0..columns + eof {
        raw.packet().await.unwrap();
    }
    (server, raw, id)
}

#[tokio::test]
async fn rows_come_as_they_are_fetched_in_both_forms_of_eof() {
    for capabilities in [0, DEPRECATE_EOF] {
        let (_server, mut raw, id) = opened(capabilities, "rows 20000").await;
        let flags = open(&mut raw, id, capabilities).await;
        assert_eq!(flags & (CURSOR_EXISTS | LAST_ROW_SENT), CURSOR_EXISTS);
        // Other commands go between.
        assert_eq!(raw.ping().await, Answer::Ok);
        let mut left = 20_000;
        for rows in [1, 8_190, 1, 5, 11_000, 803] {
            let (count, flags) = fetch(&mut raw, id, rows).await;
            assert_eq!(count, rows as usize);
            assert_eq!(flags & (CURSOR_EXISTS | LAST_ROW_SENT), CURSOR_EXISTS);
            left -= count;
        }
        assert_eq!(left, 0);
        let (count, flags) = fetch(&mut raw, id, 10).await;
        assert_eq!(
            (count, flags & (CURSOR_EXISTS | LAST_ROW_SENT)),
            (0, LAST_ROW_SENT)
        );
        let command = [&b"\x1C"[..], &id.to_le_bytes(), &[1, 0, 0, 0]].concat();
        assert_eq!(code(raw.command(&command).await), 1421, "it is closed");
    }
}

#[tokio::test]
async fn fetching_more_than_there_is_ends_the_cursor() {
    let (_server, mut raw, id) = opened(0, "rows 10").await;
    open(&mut raw, id, 0).await;
    let (count, flags) = fetch(&mut raw, id, u32::MAX).await;
    assert_eq!((count, flags & LAST_ROW_SENT), (10, LAST_ROW_SENT));
}

#[tokio::test]
async fn executing_resetting_and_closing_end_the_cursor() {
    let (server, mut raw, id) = opened(0, "stall").await;
    let fetch_one = [&b"\x1C"[..], &id.to_le_bytes(), &[1, 0, 0, 0]].concat();
    for (turn, command) in [b"\x1A", b"\x1F"].into_iter().enumerate() {
        let again = raw.prepare("stall").await;
        let id = if turn == 0 { id } else { again };
        open(&mut raw, id, 0).await;
        let command = match command {
            b"\x1A" => [&command[..], &id.to_le_bytes()].concat(),
            other => other.to_vec(),
        };
        assert_eq!(raw.command(&command).await, Answer::Ok);
        until("the rows are given up", || async {
            server
                .toy
                .cancelled
                .load(std::sync::atomic::Ordering::SeqCst)
                == turn + 1
        })
        .await;
    }
    assert_eq!(
        code(raw.command(&fetch_one).await),
        1243,
        "reset forgets statements"
    );
}

#[tokio::test]
async fn a_statement_without_rows_opens_no_cursor() {
    let (_server, mut raw, id) = opened(0, "do").await;
    execute(&mut raw, id, 1).await;
    assert_eq!(raw.answer().await, Answer::Ok);
    let command = [&b"\x1C"[..], &id.to_le_bytes(), &[1, 0, 0, 0]].concat();
    assert_eq!(code(raw.command(&command).await), 1421);
}

#[tokio::test]
async fn an_error_between_rows_ends_the_cursor_and_nothing_else() {
    let (_server, mut raw, id) = opened(0, "fail after 5").await;
    open(&mut raw, id, 0).await;
    assert_eq!(fetch(&mut raw, id, 5).await.0, 5);
    let command = [&b"\x1C"[..], &id.to_le_bytes(), &[1, 0, 0, 0]].concat();
    assert_eq!(code(raw.command(&command).await), 1317);
    assert_eq!(code(raw.command(&command).await), 1421);
    assert_eq!(raw.ping().await, Answer::Ok);
}
