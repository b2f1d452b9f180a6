//! Commands of the command phase: from a message to what it asks.

use crate::payload::{Malformed, Payload};

/// A decoded command; its arguments borrow the message.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Command<'a> {
    Quit,
    InitDb(&'a [u8]),
    Query(&'a [u8]),
    FieldList {
        table: &'a [u8],
        pattern: &'a [u8],
    },
    Statistics,
    Ping,
    ProcessKill(u32),
    /// 0: several statements in one text, 1: not.
    SetOption(u16),
    /// Decoded further by `handshake`, which needs the capabilities for it.
    ChangeUser(&'a [u8]),
    ResetConnection,
    Prepare(&'a [u8]),
    /// Decoded further by `execute`, which needs the statement for it.
    Execute {
        statement: u32,
        /// The rows are to be fetched, not sent.
        cursor: bool,
        body: Payload<'a>,
    },
    LongData {
        statement: u32,
        param: u16,
        data: &'a [u8],
    },
    CloseStatement(u32),
    ResetStatement(u32),
    /// So many rows at most of a statement's cursor.
    Fetch {
        statement: u32,
        rows: u32,
    },
    /// A number that is no command here; error 1047.
    Unknown,
}

impl<'a> Command<'a> {
    pub(crate) fn decode(message: &'a [u8]) -> Result<Self, Malformed> {
        let mut payload = Payload::new(message);
        // An empty message has always been taken for COM_SLEEP, which nobody may send.
        let number = payload.u8().unwrap_or(0);
        Ok(match number {
            0x01 => Command::Quit,
            0x02 => Command::InitDb(payload.rest()),
            0x03 => Command::Query(payload.rest()),
            0x04 => {
                let table = payload.nul_bytes()?;
                Command::FieldList {
                    table,
                    pattern: payload.rest(),
                }
            }
            0x09 => Command::Statistics,
            0x0C => Command::ProcessKill(payload.u32()?),
            0x0E => Command::Ping,
            0x11 => Command::ChangeUser(payload.rest()),
            0x16 => Command::Prepare(payload.rest()),
            0x17 => {
                let statement = payload.u32()?;
                const CURSOR_TYPE_READ_ONLY: u8 = 1;
                let cursor = payload.u8()? & CURSOR_TYPE_READ_ONLY != 0;
                // The iteration count, which is always 1.
                payload.u32()?;
                Command::Execute {
                    statement,
                    cursor,
                    body: payload,
                }
            }
            0x18 => {
                let (statement, param) = (payload.u32()?, payload.u16()?);
                Command::LongData {
                    statement,
                    param,
                    data: payload.rest(),
                }
            }
            0x19 => Command::CloseStatement(payload.u32()?),
            0x1A => Command::ResetStatement(payload.u32()?),
            0x1B => Command::SetOption(payload.u16()?),
            0x1C => {
                let (statement, rows) = (payload.u32()?, payload.u32()?);
                Command::Fetch { statement, rows }
            }
            0x1F => Command::ResetConnection,
            _ => Command::Unknown,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_too_short_for_their_command_are_malformed() {
        for (number, shortest) in [
            (0x0C, 4),
            (0x17, 9),
            (0x18, 6),
            (0x19, 4),
            (0x1A, 4),
            (0x1B, 2),
            (0x1C, 8),
        ] {
            let mut message = vec![number];
            for _ in 0..shortest {
                assert!(Command::decode(&message).is_err(), "{message:?}");
                message.push(0);
            }
            assert!(Command::decode(&message).is_ok(), "{message:?}");
        }
        assert!(Command::decode(b"\x04table without end").is_err());
    }

    #[test]
    fn an_empty_message_is_an_unknown_command() {
        assert!(matches!(Command::decode(&[]), Ok(Command::Unknown)));
    }

    #[test]
    fn statement_text_may_be_any_bytes() {
        let Ok(Command::Query(text)) = Command::decode(b"\x03\xFF\x00\xFE") else {
            panic!()
        };
        assert_eq!(text, b"\xFF\x00\xFE");
    }
}
