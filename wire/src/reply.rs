//! OK, EOF, ERR and column definition packets: the payloads, without framing.

use crate::backend::{Change, Done, Status};
use crate::capability::{Capabilities, StatusFlags};
use crate::column::Column;
use crate::error::SqlError;
use crate::payload::{put_lenenc, put_lenenc_bytes};

/// Bytes of an error message, as MySQL cuts it.
const MESSAGE_MAX: usize = 512;

/// What an OK or EOF packet says besides its own content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) status: Status,
    pub(crate) changes: Vec<Change>,
    /// What is said of a cursor.
    pub(crate) cursor: StatusFlags,
    pub(crate) capabilities: Capabilities,
}

impl Trailer {
    fn flags(&self) -> StatusFlags {
        let status = &self.status;
        let pairs = [
            (status.autocommit, StatusFlags::AUTOCOMMIT),
            (status.in_transaction, StatusFlags::IN_TRANS),
            (
                status.in_transaction && status.read_only,
                StatusFlags::IN_TRANS_READONLY,
            ),
            (
                status.no_backslash_escapes,
                StatusFlags::NO_BACKSLASH_ESCAPES,
            ),
            (status.more_results, StatusFlags::MORE_RESULTS_EXISTS),
        ];
        pairs
            .iter()
            .filter(|(on, _)| *on)
            .fold(self.cursor, |sum, (_, f)| sum | *f)
    }

    fn tracks(&self) -> bool {
        self.capabilities.contains(Capabilities::SESSION_TRACK)
    }
}

/// The greeting's status: a session that does not exist yet has autocommit on.
pub(crate) const GREETING_STATUS: u16 = StatusFlags::AUTOCOMMIT.bits();

/// An OK packet.
pub(crate) fn put_ok(out: &mut Vec<u8>, done: &Done, trailer: &Trailer) {
    put_ok_with(out, 0x00, done, trailer);
}

/// The packet after a result set's last row.
pub(crate) fn put_end_of_rows(out: &mut Vec<u8>, trailer: &Trailer) {
    if trailer.capabilities.contains(Capabilities::DEPRECATE_EOF) {
        put_ok_with(out, 0xFE, &Done::default(), trailer);
    } else {
        put_eof(out, trailer);
    }
}

/// The classic EOF packet; also ends lists of definitions, unless the client deprecates it.
pub(crate) fn put_eof(out: &mut Vec<u8>, trailer: &Trailer) {
    out.push(0xFE);
    out.extend_from_slice(&trailer.status.warnings.to_le_bytes());
    out.extend_from_slice(&trailer.flags().bits().to_le_bytes());
}

fn put_ok_with(out: &mut Vec<u8>, header: u8, done: &Done, trailer: &Trailer) {
    let changes: &[Change] = if trailer.tracks() {
        &trailer.changes
    } else {
        &[]
    };
    let mut flags = trailer.flags();
    flags.set(StatusFlags::SESSION_STATE_CHANGED, !changes.is_empty());
    out.push(header);
    put_lenenc(out, done.affected_rows);
    put_lenenc(out, done.last_insert_id);
    out.extend_from_slice(&flags.bits().to_le_bytes());
    out.extend_from_slice(&trailer.status.warnings.to_le_bytes());
    // The manual says that the text runs to the packet's end; servers have always sent a length, and
    // client libraries read one.
    if !done.info.is_empty() || !changes.is_empty() {
        put_lenenc_bytes(out, done.info.as_bytes());
    }
    if !changes.is_empty() {
        put_lenenc_bytes(out, &state_changes(changes));
    }
}

fn state_changes(changes: &[Change]) -> Vec<u8> {
    let mut all = Vec::new();
    for change in changes {
        let mut data = Vec::new();
        let kind = match change {
            Change::Variable(name, value) => {
                put_lenenc_bytes(&mut data, name.as_bytes());
                put_lenenc_bytes(&mut data, value.as_bytes());
                0
            }
            Change::Database(name) => {
                put_lenenc_bytes(&mut data, name.as_bytes());
                1
            }
            Change::State => {
                put_lenenc_bytes(&mut data, b"1");
                2
            }
            Change::TransactionCharacteristics(text) => {
                put_lenenc_bytes(&mut data, text.as_bytes());
                4
            }
            Change::TransactionState(text) => {
                put_lenenc_bytes(&mut data, text.as_bytes());
                5
            }
        };
        all.push(kind);
        put_lenenc_bytes(&mut all, &data);
    }
    all
}

/// An ERR packet as clients get it once the capabilities are known.
pub(crate) fn put_error(out: &mut Vec<u8>, error: &SqlError) {
    out.push(0xFF);
    out.extend_from_slice(&error.code.to_le_bytes());
    out.push(b'#');
    out.extend_from_slice(&error.state);
    put_error_text(out, &error.message);
}

/// An ERR packet in place of the greeting: no SQLSTATE, as nobody has agreed on protocol 4.1 yet.
pub(crate) fn put_error_before_greeting(out: &mut Vec<u8>, error: &SqlError) {
    out.push(0xFF);
    out.extend_from_slice(&error.code.to_le_bytes());
    put_error_text(out, &error.message);
}

fn put_error_text(out: &mut Vec<u8>, message: &str) {
    let end = message.floor_char_boundary(MESSAGE_MAX);
    out.extend_from_slice(message.get(..end).unwrap_or_default().as_bytes());
}

/// A column definition packet.
pub(crate) fn put_column(out: &mut Vec<u8>, column: &Column) {
    let names = [
        "def",
        &column.schema,
        &column.table,
        &column.org_table,
        &column.name,
        &column.org_name,
    ];
    for name in names {
        put_lenenc_bytes(out, name.as_bytes());
    }
    out.push(0x0C);
    out.extend_from_slice(&column.charset.to_le_bytes());
    out.extend_from_slice(&column.length.to_le_bytes());
    out.push(column.column_type as u8);
    out.extend_from_slice(&column.flags.bits().to_le_bytes());
    out.push(column.decimals);
    out.extend_from_slice(&[0, 0]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::{ColumnFlags, ColumnType};

    fn trailer(capabilities: Capabilities) -> Trailer {
        let status = Status {
            autocommit: true,
            in_transaction: true,
            warnings: 3,
            ..Status::default()
        };
        Trailer {
            status,
            changes: vec![Change::Database("app".into())],
            cursor: StatusFlags::empty(),
            capabilities,
        }
    }

    fn done() -> Done {
        Done {
            affected_rows: 300,
            last_insert_id: 7,
            info: "Records: 3".into(),
        }
    }

    #[test]
    fn ok_carries_status_and_warnings() {
        let mut out = Vec::new();
        put_ok(&mut out, &done(), &trailer(Capabilities::PROTOCOL_41));
        assert_eq!(out, b"\x00\xFC\x2C\x01\x07\x03\x00\x03\x00\x0ARecords: 3");
    }

    #[test]
    fn ok_carries_changes_only_to_clients_that_track_them() {
        let mut out = Vec::new();
        put_ok(&mut out, &done(), &trailer(Capabilities::SESSION_TRACK));
        let expected = b"\x00\xFC\x2C\x01\x07\x03\x40\x03\x00\x0ARecords: 3\x06\x01\x04\x03app";
        assert_eq!(out, expected);
    }

    #[test]
    fn rows_end_in_the_form_the_client_asked_for() {
        let mut classic = Vec::new();
        put_end_of_rows(&mut classic, &trailer(Capabilities::PROTOCOL_41));
        assert_eq!(classic, [0xFE, 3, 0, 3, 0]);
        let mut modern = Vec::new();
        let mut trailer = trailer(Capabilities::DEPRECATE_EOF | Capabilities::SESSION_TRACK);
        trailer.changes.clear();
        put_end_of_rows(&mut modern, &trailer);
        assert_eq!(modern, [0xFE, 0, 0, 3, 0, 3, 0]);
    }

    #[test]
    fn long_error_texts_are_cut_at_a_character() {
        let mut out = Vec::new();
        let error = SqlError::new(1064, *b"42000", "é".repeat(300) + "x");
        put_error(&mut out, &error);
        assert_eq!(out.len(), 9 + 512);
        let error = SqlError::new(1064, *b"42000", "x".to_owned() + &"é".repeat(300));
        let mut out = Vec::new();
        put_error(&mut out, &error);
        assert_eq!(out.len(), 9 + 511);
        assert!(std::str::from_utf8(&out[9..]).is_ok());
    }

    #[test]
    fn errors_before_the_greeting_have_no_sqlstate() {
        let mut out = Vec::new();
        let error = SqlError::new(1040, *b"08004", "Too many connections");
        put_error_before_greeting(&mut out, &error);
        assert_eq!(out, b"\xFF\x10\x04Too many connections");
    }

    #[test]
    fn a_column_definition_has_the_fixed_tail() {
        let mut column = Column::expression("n", ColumnType::LongLong);
        column.length = 21;
        column.flags = ColumnFlags::NOT_NULL | ColumnFlags::BINARY;
        let mut out = Vec::new();
        put_column(&mut out, &column);
        let expected =
            b"\x03def\x00\x00\x00\x01n\x00\x0C\x3F\x00\x15\x00\x00\x00\x08\x81\x00\x00\x00\x00";
        assert_eq!(out, expected);
    }
}
