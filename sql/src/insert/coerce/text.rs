//! Values for CHAR, VARCHAR, TEXT, BINARY, VARBINARY and BLOB columns.
//!
//! Text is checked to be UTF-8 here and nowhere else. Nothing is compared or folded.

use std::borrow::Cow;

use super::Cell;
use crate::error::{Result, SqlError};
use crate::insert::Datum;
use crate::types::{date_text, datetime_text, double_text, double_text_within, time_text};

/// For CHAR and VARCHAR of `length` characters. `pad`: CHAR, whose trailing spaces do not count.
pub(in crate::insert) fn character<'a>(
    datum: Datum<'a>,
    (length, pad): (u32, bool),
    cell: &mut Cell<'_>,
) -> Result<Cow<'a, str>> {
    let length = length as usize;
    let mut text = match datum {
        // A double loses digits rather than be too long.
        Datum::Double(value) => {
            Cow::Owned(double_text_within(value, length).unwrap_or_else(|| double_text(value)))
        }
        other => as_text(other, cell)?,
    };
    if text.len() > length
        && let Some((end, _)) = text.char_indices().nth(length)
    {
        if !only_spaces(&text.as_bytes()[end..]) {
            cell.too_long()?;
        } else if !pad {
            cell.note_truncated();
        }
        truncate(&mut text, end);
    }
    if pad && text.ends_with(' ') {
        let end = text.trim_end_matches(' ').len();
        truncate(&mut text, end);
    }
    Ok(text)
}

/// For TEXT of `max_bytes`.
pub(in crate::insert) fn limit_text<'a>(
    datum: Datum<'a>,
    max_bytes: u32,
    cell: &mut Cell<'_>,
) -> Result<Cow<'a, str>> {
    let mut text = as_text(datum, cell)?;
    let max = max_bytes as usize;
    if text.len() > max {
        let end = text.floor_char_boundary(max);
        if only_spaces(&text.as_bytes()[end..]) {
            cell.note_truncated();
        } else {
            cell.too_long()?;
        }
        truncate(&mut text, end);
    }
    Ok(text)
}

/// For BINARY (`pad`, filled up with zero bytes) and VARBINARY of `length` bytes.
pub(in crate::insert) fn binary<'a>(
    datum: Datum<'a>,
    (length, pad): (u32, bool),
    cell: &mut Cell<'_>,
) -> Result<Cow<'a, [u8]>> {
    let mut bytes = limit_blob(datum, length, cell)?;
    if pad && bytes.len() < length as usize {
        bytes.to_mut().resize(length as usize, 0);
    }
    Ok(bytes)
}

/// For BLOB of `max_bytes`.
pub(in crate::insert) fn limit_blob<'a>(
    datum: Datum<'a>,
    max_bytes: u32,
    cell: &mut Cell<'_>,
) -> Result<Cow<'a, [u8]>> {
    let bytes = as_bytes(datum);
    let max = max_bytes as usize;
    if bytes.len() <= max {
        return Ok(bytes);
    }
    cell.too_long()?;
    Ok(match bytes {
        Cow::Borrowed(bytes) => Cow::Borrowed(&bytes[..max]),
        Cow::Owned(mut bytes) => {
            bytes.truncate(max);
            Cow::Owned(bytes)
        }
    })
}

fn only_spaces(bytes: &[u8]) -> bool {
    bytes.iter().all(|byte| *byte == b' ')
}

fn truncate(text: &mut Cow<'_, str>, end: usize) {
    match text {
        Cow::Borrowed(text) => *text = &text[..end],
        Cow::Owned(text) => text.truncate(end),
    }
}

/// Any value as bytes; nothing can be wrong with them.
pub(super) fn as_bytes(datum: Datum<'_>) -> Cow<'_, [u8]> {
    match datum {
        Datum::Text(bytes) | Datum::Bytes(bytes) | Datum::Bits(bytes) => Cow::Borrowed(bytes),
        Datum::Decimal(text) => Cow::Borrowed(text.as_bytes()),
        Datum::Int(value) => Cow::Owned(value.to_string().into_bytes()),
        Datum::Double(value) => Cow::Owned(double_text(value).into_bytes()),
        Datum::Date(days) => Cow::Owned(date_text(days).into_bytes()),
        Datum::DateTime { micros, fsp } => Cow::Owned(datetime_text(micros, fsp).into_bytes()),
        Datum::Time { micros, fsp } => Cow::Owned(time_text(micros, fsp).into_bytes()),
        Datum::Null => Cow::Borrowed(&[]),
    }
}

/// Any value as text; bytes that are no UTF-8 are an error, or become `?` with a warning.
pub(super) fn as_text<'a>(datum: Datum<'a>, cell: &mut Cell<'_>) -> Result<Cow<'a, str>> {
    match as_bytes(datum) {
        Cow::Borrowed(bytes) => match std::str::from_utf8(bytes) {
            Ok(text) => Ok(Cow::Borrowed(text)),
            Err(error) => {
                incorrect_string(&bytes[error.valid_up_to()..], cell)?;
                Ok(Cow::Owned(question_marks(bytes)))
            }
        },
        // Made above from numbers and dates.
        Cow::Owned(bytes) => Ok(Cow::Owned(String::from_utf8(bytes).unwrap_or_default())),
    }
}

fn question_marks(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        text.extend(chunk.invalid().iter().map(|_| '?'));
    }
    text
}

/// 1366 with the first bytes that are wrong, as MySQL shows them.
fn incorrect_string(invalid: &[u8], cell: &mut Cell<'_>) -> Result<()> {
    const SHOWN_BYTES: usize = 6;
    let mut value = String::new();
    for byte in invalid.iter().take(SHOWN_BYTES) {
        if (0x20..0x7f).contains(byte) {
            value.push(char::from(*byte));
        } else {
            value.push_str(&format!("\\x{byte:02X}"));
        }
    }
    if invalid.len() > SHOWN_BYTES {
        value.push_str("...");
    }
    let (column, row) = (cell.column, cell.diagnostics.row);
    cell.diagnostics
        .raise(SqlError::incorrect_value("string", &value, column, row))
}
