//! Statements without the secrets in them, for lists that others read and for errors.

use std::borrow::Cow;

/// A word behind which a string is a secret: CREDENTIALS '..', credentials => '..'.
const WORD: &[u8] = b"credentials";
const SHOWN: &str = "'***'";

/// The text with the strings behind CREDENTIALS replaced. Also of a text that is cut or is no statement.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    let mut out = String::new();
    let mut kept = 0;
    let mut at = 0;
    while let Some(found) = find(bytes, at) {
        at = found + WORD.len();
        let Some((start, end)) = string_behind(bytes, at) else {
            continue;
        };
        out.push_str(text.get(kept..start).unwrap_or_default());
        out.push_str(SHOWN);
        (kept, at) = (end, end);
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

fn find(bytes: &[u8], from: usize) -> Option<usize> {
    let rest = bytes.get(from..)?;
    let mut at = 0;
    loop {
        let next = rest.get(at..)?.iter().position(|b| b | 0x20 == b'c')?;
        at += next;
        let word = rest.get(at..at + WORD.len())?;
        if word.eq_ignore_ascii_case(WORD) {
            return Some(from + at);
        }
        at += 1;
    }
}

/// The first string behind `at`, if nothing but blanks, comments, `=`, `=>` or `(` stands between.
fn string_behind(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        match bytes.get(at..)? {
            [b'/', b'*', rest @ ..] => {
                let end = rest.windows(2).position(|pair| pair == b"*/");
                at += end.map_or(bytes.len(), |end| end + 4);
            }
            [b'#', rest @ ..] | [b'-', b'-', rest @ ..] => {
                let end = rest.iter().position(|b| *b == b'\n');
                at += end.map_or(bytes.len(), |end| end + 2);
            }
            [quote @ (b'\'' | b'"'), ..] => return Some((at, string_end(bytes, at, *quote))),
            [b' ' | b'\t' | b'\r' | b'\n' | b'=' | b'>' | b'(' | b':', ..] => at += 1,
            _ => return None,
        }
    }
}

/// Behind the closing quote, or the end of a text that was cut.
fn string_end(bytes: &[u8], start: usize, quote: u8) -> usize {
    let mut at = start + 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'\\' => at += 2,
            b if *b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if *b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_behind_credentials_is_hidden() {
        for (text, shown) in [
            (
                "INTO S3 'b' CREDENTIALS '{\"k\": \"CANARY\"}' X",
                "INTO S3 'b' CREDENTIALS '***' X",
            ),
            ("credentials=\"CANARY\"", "credentials='***'"),
            (
                "Credentials => 'it''s \\' CANARY', a",
                "Credentials => '***', a",
            ),
            ("CREDENTIALS /* ' */ 'CANARY", "CREDENTIALS /* ' */ '***'"),
            ("credentials -- x\n'CANARY'", "credentials -- x\n'***'"),
            (
                "CREDENTIALS 'CANARY' CREDENTIALS 'CANARY'",
                "CREDENTIALS '***' CREDENTIALS '***'",
            ),
            ("credentials 'CANARYé", "credentials '***'"),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
        for text in [
            "SELECT 'c'",
            "SELECT credentials FROM t",
            "",
            "credentials",
            "c",
        ] {
            assert_eq!(hidden(text), text);
        }
    }
}
