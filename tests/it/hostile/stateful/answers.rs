//! Reading whatever answer a command has, to its end.

use super::packets::Known;
use crate::harness::random::Random;
use crate::harness::raw::{RawConnection, refusal_of};
use crate::harness::{Outcome, ensure};

const DEPRECATE_EOF: u32 = 1 << 24;
const MORE_RESULTS: u16 = 8;
const CURSOR_EXISTS: u16 = 64;

/// How an exchange ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ending {
    Open,
    Closed,
}

/// How a part of an answer ended.
enum Part {
    /// With these status flags.
    Done(u16),
    Refused,
    Closed,
}

pub async fn login(connection: &mut RawConnection, random: &mut Random) -> Outcome<Ending> {
    loop {
        let Ok(packet) = connection.receive().await else {
            return Ok(Ending::Closed);
        };
        match packet.as_slice() {
            [0, ..] => return Ok(Ending::Open),
            [0xFF, ..] => return Ok(Ending::Closed),
            [1, 3] => {}
            [0xFE, ..] => {
                let proof: Vec<u8> = match random.chance(80) {
                    true => Vec::new(),
                    false => (0..random.below(40)).map(|_| random.next() as u8).collect(),
                };
                connection.send(&proof).await?;
            }
            other => return Err(format!("in a login: {other:?}").into()),
        }
    }
}

/// Reads the answer to `packet`, and remembers what the client learns from it.
pub async fn of(
    connection: &mut RawConnection,
    random: &mut Random,
    known: &mut Known,
    packet: &[u8],
) -> Outcome<Ending> {
    let part = match packet.first() {
        Some(0x01) => Part::Closed,
        Some(0x03 | 0x17) => results(connection, random).await?,
        Some(0x04) => rows(connection).await?,
        Some(0x09) => match connection.receive().await {
            Ok(text) => {
                ensure(text.starts_with(b"Uptime"), || {
                    format!("statistics: {text:?}")
                })?;
                Part::Done(0)
            }
            Err(_) => Part::Closed,
        },
        Some(0x11) => {
            known.statements.clear();
            return login(connection, random).await;
        }
        Some(0x16) => prepared(connection, known).await?,
        // Never answered, unless they are too short to say what they are about.
        Some(0x18) if packet.len() >= 7 => Part::Done(0),
        Some(0x19) if packet.len() >= 5 => {
            let closed = packet.get(1..5).map(|id| id.to_vec()).unwrap_or_default();
            known
                .statements
                .retain(|(id, _)| id.to_le_bytes() != closed[..]);
            Part::Done(0)
        }
        Some(0x1C) => rows(connection).await?,
        Some(0x1F) => {
            known.statements.clear();
            one(connection).await?
        }
        _ => one(connection).await?,
    };
    Ok(match part {
        Part::Closed => Ending::Closed,
        Part::Done(_) | Part::Refused => Ending::Open,
    })
}

/// OK or an error.
async fn one(connection: &mut RawConnection) -> Outcome<Part> {
    let Ok(packet) = connection.receive().await else {
        return Ok(Part::Closed);
    };
    match packet.first() {
        Some(0 | 0xFE) => Ok(Part::Done(0)),
        Some(0xFF) => refused(&packet),
        _ => Err(format!("neither OK nor an error: {packet:?}").into()),
    }
}

/// An error must be a whole one: number, state, text.
fn refused(packet: &[u8]) -> Outcome<Part> {
    let text = packet
        .get(9..)
        .map(String::from_utf8_lossy)
        .unwrap_or_default();
    ensure(packet.get(3) == Some(&b'#') && !text.is_empty(), || {
        format!("{:?}", refusal_of(packet))
    })?;
    ensure(!text.contains("nternal error"), || {
        text.clone().into_owned()
    })?;
    Ok(Part::Refused)
}

async fn results(connection: &mut RawConnection, random: &mut Random) -> Outcome<Part> {
    loop {
        let part = result(connection, random).await?;
        match part {
            Part::Done(status) if status & MORE_RESULTS != 0 => {}
            other => return Ok(other),
        }
    }
}

async fn result(connection: &mut RawConnection, random: &mut Random) -> Outcome<Part> {
    let Ok(packet) = connection.receive().await else {
        return Ok(Part::Closed);
    };
    let count = match packet.as_slice() {
        [0xFF, ..] => return refused(&packet),
        [0, rest @ ..] => return Ok(Part::Done(status_of_ok(rest)?)),
        [0xFB, ..] => {
            file(connection, random).await?;
            return Box::pin(result(connection, random)).await;
        }
        [0xFC, low, high] => usize::from(u16::from_le_bytes([*low, *high])),
        [count] => usize::from(*count),
        other => return Err(format!("the head of a result: {other:?}").into()),
    };
    for _ in 0..count {
        definition(connection).await?;
    }
    if connection.capabilities() & DEPRECATE_EOF == 0 {
        let eof = connection.receive().await?;
        ensure(eof.len() == 5 && eof[0] == 0xFE, || {
            format!("behind definitions: {eof:?}")
        })?;
        if status_of_eof(&eof) & CURSOR_EXISTS != 0 {
            return Ok(Part::Done(0));
        }
    }
    rows(connection).await
}

async fn definition(connection: &mut RawConnection) -> Outcome {
    let packet = connection.receive().await?;
    ensure(packet.starts_with(b"\x03def"), || {
        format!("no definition: {packet:?}")
    })
}

/// Packets up to the one that ends rows, or definitions of FIELD_LIST.
async fn rows(connection: &mut RawConnection) -> Outcome<Part> {
    loop {
        let Ok(packet) = connection.receive().await else {
            return Ok(Part::Closed);
        };
        match packet.as_slice() {
            [0xFF, ..] => return refused(&packet),
            [0xFE, rest @ ..]
                if packet.len() < 9 || connection.capabilities() & DEPRECATE_EOF != 0 =>
            {
                let status = match connection.capabilities() & DEPRECATE_EOF {
                    0 => status_of_eof(&packet),
                    _ => status_of_ok(rest)?,
                };
                return Ok(Part::Done(status));
            }
            _ => {}
        }
    }
}

fn status_of_eof(packet: &[u8]) -> u16 {
    u16::from_le_bytes([
        packet.get(3).copied().unwrap_or(0),
        packet.get(4).copied().unwrap_or(0),
    ])
}

/// Status flags behind the two numbers of an OK packet.
fn status_of_ok(rest: &[u8]) -> Outcome<u16> {
    let mut at = 0;
    for _ in 0..2 {
        at += match rest.get(at) {
            Some(0xFC) => 3,
            Some(0xFD) => 4,
            Some(0xFE) => 9,
            _ => 1,
        };
    }
    match rest.get(at..at + 2) {
        Some(status) => Ok(u16::from_le_bytes([status[0], status[1]])),
        None => Err(format!("a short OK: {rest:?}").into()),
    }
}

/// The file a LOAD DATA asks for, mostly a good one.
async fn file(connection: &mut RawConnection, random: &mut Random) -> Outcome {
    for _ in 0..random.below(4) {
        let data: Vec<u8> = match random.chance(70) {
            true => b"abc,1.5\nd\\,e,\\N\n".to_vec(),
            false => (0..random.below(400))
                .map(|_| random.next() as u8 | 1)
                .collect(),
        };
        if !data.is_empty() {
            connection.send(&data).await?;
        }
    }
    connection.send(&[]).await
}

async fn prepared(connection: &mut RawConnection, known: &mut Known) -> Outcome<Part> {
    let Ok(packet) = connection.receive().await else {
        return Ok(Part::Closed);
    };
    let [
        0,
        a,
        b,
        c,
        d,
        columns_low,
        columns_high,
        params_low,
        params_high,
        ..,
    ] = packet[..]
    else {
        return refused(&packet);
    };
    let params = u16::from_le_bytes([params_low, params_high]);
    for count in [params, u16::from_le_bytes([columns_low, columns_high])] {
        for _ in 0..count {
            definition(connection).await?;
        }
        if count > 0 && connection.capabilities() & DEPRECATE_EOF == 0 {
            connection.receive().await?;
        }
    }
    known
        .statements
        .push((u32::from_le_bytes([a, b, c, d]), params));
    Ok(Part::Done(0))
}
