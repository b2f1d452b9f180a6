//! Statements that are not UTF-8: drivers write binary values as they are between quotes.
//!
//! Such strings become hexadecimal literals, which mean the same bytes. Those without `_binary` before them MySQL
//! takes, too, with a warning. What comments hold means nothing; the rest has to be UTF-8.

use std::borrow::Cow;

use crate::error::{Result, SqlError, Warning};

const INTRODUCER: &[u8] = b"_binary";
/// Warnings of one statement; no client is told of more.
const WARNINGS_MAX: usize = 65_535;

/// A statement as text, and the warnings 1300 of strings that are none. It is an error for bytes outside of strings
/// and comments.
pub fn readable(sql: &[u8]) -> Result<(Cow<'_, str>, Vec<Warning>)> {
    match std::str::from_utf8(sql) {
        Ok(text) => Ok((Cow::Borrowed(text), Vec::new())),
        Err(_) => {
            let mut warnings = Vec::new();
            let text = rewritten(sql, &mut warnings)?;
            Ok((Cow::Owned(text), warnings))
        }
    }
}

fn rewritten(sql: &[u8], warnings: &mut Vec<Warning>) -> Result<String> {
    let mut out: Vec<u8> = Vec::with_capacity(sql.len() * 2);
    let mut at = 0;
    while let Some(&byte) = sql.get(at) {
        let rest = sql.get(at..).unwrap_or_default();
        let comment = comment(rest);
        if comment > 0 {
            let text = rest.get(..comment).unwrap_or_default();
            out.extend_from_slice(String::from_utf8_lossy(text).as_bytes());
            at += comment;
            continue;
        }
        let length = match byte {
            b'\'' | b'"' => {
                let length = quoted(rest).ok_or_else(|| invalid(rest))?;
                let literal = rest.get(..length).unwrap_or_default();
                if std::str::from_utf8(literal).is_ok() {
                    out.extend_from_slice(literal);
                } else {
                    if !take_introducer(&mut out) && warnings.len() < WARNINGS_MAX {
                        let SqlError { code, message, .. } = invalid(&unescaped(literal));
                        warnings.push(Warning::new(code, message));
                    }
                    put_hex(&mut out, literal);
                }
                at += length;
                continue;
            }
            b'`' => rest
                .iter()
                .skip(1)
                .position(|b| *b == b'`')
                .map_or(rest.len(), |i| i + 2),
            _ => 1,
        };
        out.extend_from_slice(rest.get(..length).unwrap_or_default());
        at += length;
    }
    String::from_utf8(out).map_err(|error| invalid(error.as_bytes()))
}

/// Length of the comment that begins here, or 0. What a version comment holds is part of the statement.
fn comment(rest: &[u8]) -> usize {
    match rest {
        [b'#', ..] => line(rest),
        // `1--1` is a sum.
        [b'-', b'-'] => line(rest),
        [b'-', b'-', next, ..] if next.is_ascii_whitespace() || next.is_ascii_control() => {
            line(rest)
        }
        [b'/', b'*', b'!', ..] => 0,
        [b'/', b'*', ..] => {
            let end = rest.windows(2).skip(2).position(|w| w == b"*/");
            end.map_or(rest.len(), |i| i + 4)
        }
        _ => 0,
    }
}

/// Length of a string with its quotes; `None`: it has no end.
fn quoted(bytes: &[u8]) -> Option<usize> {
    let quote = bytes.first().copied().unwrap_or_default();
    let mut at = 1;
    while let Some(&byte) = bytes.get(at) {
        at += match byte {
            b'\\' => 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => 2,
            b if b == quote => return Some(at + 1),
            _ => 1,
        };
    }
    None
}

fn line(bytes: &[u8]) -> usize {
    let end = bytes.iter().position(|b| *b == b'\n');
    end.unwrap_or(bytes.len())
}

/// Removes `_binary` from the end.
fn take_introducer(out: &mut Vec<u8>) -> bool {
    let before = out.trim_ascii_end();
    let start = before.len().checked_sub(INTRODUCER.len());
    let found = start.filter(|start| {
        let word = before.get(*start..).unwrap_or_default();
        word.eq_ignore_ascii_case(INTRODUCER)
    });
    if let Some(start) = found {
        out.truncate(start);
    }
    found.is_some()
}

fn put_hex(out: &mut Vec<u8>, literal: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"X'");
    for byte in unescaped(literal) {
        for digit in [byte >> 4, byte & 15] {
            out.extend(DIGITS.get(usize::from(digit)));
        }
    }
    out.push(b'\'');
}

/// The value of a string, as the lexer reads it.
fn unescaped(literal: &[u8]) -> Vec<u8> {
    let quote = literal.first().copied().unwrap_or_default();
    let inner = literal
        .get(1..literal.len().saturating_sub(1))
        .unwrap_or_default();
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\\' => match bytes.next() {
                Some(b'0') => out.push(0),
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(b't') => out.push(b'\t'),
                Some(b'b') => out.push(8),
                Some(b'Z') => out.push(0x1A),
                Some(b @ (b'%' | b'_')) => out.extend([b'\\', b]),
                Some(b) => out.push(b),
                None => {}
            },
            b if b == quote => {
                out.push(b);
                bytes.next();
            }
            b => out.push(b),
        }
    }
    out
}

/// 1300 names the first three bytes that are no UTF-8.
fn invalid(bytes: &[u8]) -> SqlError {
    let valid = std::str::from_utf8(bytes)
        .err()
        .map_or(0, |e| e.valid_up_to());
    let bad = bytes.get(valid..).unwrap_or_default().iter().take(3);
    let hex: String = bad.map(|b| format!("{b:02X}")).collect();
    let text = format!("Invalid utf8mb4 character string: '{hex}'");
    SqlError::new(1300, "HY000", text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(sql: &[u8]) -> String {
        readable(sql).expect("readable").0.into_owned()
    }

    #[test]
    fn binary_strings_become_hexadecimal_and_the_rest_stays() {
        assert_eq!(
            text(b"INSERT INTO t VALUES (_binary'\xFF\\0\\'\\\\', 'caf\xC3\xA9', _BINARY \"\x80\"\"x\")"),
            "INSERT INTO t VALUES (X'FF00275C', 'caf\u{e9}', X'802278')"
        );
        assert_eq!(
            text(b"UPDATE t SET a = '\xFE' -- it's\n"),
            "UPDATE t SET a = X'FE' -- it's\n"
        );
        assert_eq!(
            text(b"SELECT `a'b`, /* ' */ _binary'\xFE' # '"),
            "SELECT `a'b`, /* ' */ X'FE' # '"
        );
    }

    #[test]
    fn strings_without_an_introducer_are_warned_of() {
        let sql = b"SELECT 1--'a\xF9\x87jS', _binary '\xFE', '\\'\xFF' /* \xFE ' */ -- \xFE";
        let (text, warnings) = readable(sql).expect("readable");
        assert_eq!(
            text,
            "SELECT 1--X'61F9876A53', X'FE', X'27FF' /* \u{FFFD} ' */ -- \u{FFFD}"
        );
        let messages: Vec<_> = warnings
            .iter()
            .map(|w| (w.code, w.message.as_str()))
            .collect();
        assert_eq!(
            messages,
            [
                (1300, "Invalid utf8mb4 character string: 'F9876A'"),
                (1300, "Invalid utf8mb4 character string: 'FF'")
            ]
        );
    }

    #[test]
    fn text_that_is_none_is_1300() {
        for sql in [
            &b"SELECT \xFE"[..],
            b"SELECT 1 /*! \xFE */",
            b"INSERT INTO t VALUES (\xFE)",
            b"INSERT INTO t VALUES ('\xFE",
            b"INSERT INTO t VALUES ('\xFE\\'",
        ] {
            assert_eq!(readable(sql).expect_err("no text").code, 1300);
        }
    }
}
