//! What a field of a file means: NULL, or bytes with escapes resolved.

use super::lines::Span;
use super::statement::{FileCharset, Format};

/// A field's value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Field<'a> {
    Null,
    Text(&'a [u8]),
}

/// Reads a field. `scratch` holds what differs from the file's own bytes.
pub(super) fn decode<'a>(
    format: &Format,
    text: &'a [u8],
    span: Span,
    scratch: &'a mut Vec<u8>,
) -> Field<'a> {
    let raw = text.get(span.start..span.end).unwrap_or_default();
    if !span.escaped {
        // With quotes around strings, the bare word is NULL.
        let is_null = format.enclosed.is_some() && !span.enclosed && raw == b"NULL";
        return if is_null {
            Field::Null
        } else {
            Field::Text(raw)
        };
    }
    scratch.clear();
    let mut says_null = false;
    let mut at = 0;
    if span.unclosed {
        scratch.extend(raw.first());
        at = 1;
    }
    let in_quotes = span.enclosed || span.unclosed;
    while let Some(byte) = raw.get(at).copied() {
        let next = raw.get(at + 1).copied();
        at += 1;
        match next {
            Some(next) if escapes(format, byte, next) => {
                at += 1;
                says_null |= next == b'N';
                scratch.push(unescaped(next));
            }
            // Quotes in an enclosed field are doubled.
            Some(next) if in_quotes && format.enclosed == Some(byte) && next == byte => {
                at += 1;
                scratch.push(byte);
            }
            _ => scratch.push(byte),
        }
    }
    match says_null && scratch.len() == 1 {
        true => Field::Null,
        false => Field::Text(scratch),
    }
}

fn escapes(format: &Format, byte: u8, next: u8) -> bool {
    format.escape == Some(byte) && (format.enclosed != Some(byte) || next == byte)
}

fn unescaped(byte: u8) -> u8 {
    match byte {
        b'0' => 0,
        b'b' => 8,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'Z' => 0x1a,
        other => other,
    }
}

/// A text field in UTF-8. Bytes that are none stay: the columns say what is wrong with them.
pub(super) fn in_utf8<'a>(
    charset: FileCharset,
    text: &'a [u8],
    scratch: &'a mut Vec<u8>,
) -> &'a [u8] {
    if charset == FileCharset::Utf8 || text.is_ascii() {
        return text;
    }
    scratch.clear();
    for byte in text {
        let mut bytes = [0; 4];
        scratch.extend_from_slice(windows_1252(*byte).encode_utf8(&mut bytes).as_bytes());
    }
    scratch
}

/// The five codes that have no character stand for the control characters of their number.
fn windows_1252(byte: u8) -> char {
    const HIGH: [char; 32] = [
        '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž',
        '\u{8f}', '\u{90}', '‘', '’', '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}',
        'ž', 'Ÿ',
    ];
    match byte {
        0x80..=0x9f => HIGH[usize::from(byte - 0x80)],
        other => char::from(other),
    }
}
