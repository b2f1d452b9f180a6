//! Statements without the secrets in them, for lists that others read and for errors.
//!
//! A secret is a string behind CREDENTIALS, and one with a key of CREDENTIALS in it wherever it stands: statements that
//! are slightly wrong are shown most of all. Another kind stands before the host in a URL.

mod urls;

use std::borrow::Cow;

use urls::users;

/// How a word begins behind which a string is a secret: CREDENTIALS '..', credentials => '..'.
const WORD: &[u8] = b"credential";
/// Ends of the names that secrets have in CREDENTIALS and in a service account.
const KEYS: [&[u8]; 7] = [
    b"secret_access_key",
    b"secret_key",
    b"session_token",
    b"account_key",
    b"sas_token",
    b"private_key",
    b"service_account",
];
/// Bytes behind strings side by side that may tell that they end with a name.
const BEHIND: usize = 16;
const SHOWN: &str = "'***'";
const SHOWN_IN_URL: &str = "***";

/// The text without its secrets. Also of a text that is cut or is no statement.
pub(super) fn hidden(text: &str) -> Cow<'_, str> {
    match blotted(text, &users(text.as_bytes()), SHOWN_IN_URL) {
        Cow::Borrowed(text) => without_strings(text),
        Cow::Owned(text) => Cow::Owned(without_strings(&text).into_owned()),
    }
}

/// The same of an error's message. What a syntax error repeats may begin behind the word that tells a secret: it shows
/// no string that `statement`, without its own secrets, does not.
pub(super) fn hidden_in_error<'a>(message: &'a str, statement: &str) -> Cow<'a, str> {
    let part = repeated(message).filter(|_| statement.contains(SHOWN));
    let Some((head, part, tail)) = part else {
        return hidden(message);
    };
    let mut unseen = Vec::new();
    let mut at = 0;
    while let Some((start, end)) = next_string(part.as_bytes(), at) {
        let string = part.get(start..end).unwrap_or_default();
        if !statement.contains(string) {
            unseen.push((start, end));
        }
        at = end;
    }
    let part = blotted(part, &unseen, SHOWN);
    Cow::Owned(hidden(&format!("{head}{part}{tail}")).into_owned())
}

fn without_strings(text: &str) -> Cow<'_, str> {
    let bytes = text.as_bytes();
    if find(bytes, 0).is_none() && keys(bytes).next().is_none() {
        return Cow::Borrowed(text);
    }
    // The quotes around what a syntax error repeats are not the statement's.
    match repeated(text) {
        None => blotted(text, &secrets(bytes), SHOWN),
        Some((head, statement, tail)) => {
            match blotted(statement, &secrets(statement.as_bytes()), SHOWN) {
                Cow::Borrowed(_) => Cow::Borrowed(text),
                Cow::Owned(statement) => Cow::Owned(format!("{head}{statement}{tail}")),
            }
        }
    }
}

/// What is before the part of the statement that a syntax error repeats, that part, and what is behind it.
fn repeated(message: &str) -> Option<(&str, &str, &str)> {
    const NEAR: &str = "syntax to use near '";
    let start = message.find(NEAR)? + NEAR.len();
    let end = message.rfind("' at line ").filter(|end| *end >= start)?;
    let (head, rest) = message.split_at_checked(start)?;
    let (statement, tail) = rest.split_at_checked(end - start)?;
    Some((head, statement, tail))
}

fn blotted<'a>(text: &'a str, places: &[(usize, usize)], shown: &str) -> Cow<'a, str> {
    if places.is_empty() {
        return Cow::Borrowed(text);
    }
    let mut out = String::new();
    let mut kept = 0;
    for (start, end) in places {
        // What was found twice is blotted out once.
        if *start >= kept {
            out.push_str(text.get(kept..*start).unwrap_or_default());
            out.push_str(shown);
        }
        kept = kept.max(*end);
    }
    out.push_str(text.get(kept..).unwrap_or_default());
    Cow::Owned(out)
}

/// Where secrets are, in their order; they may overlap.
fn secrets(bytes: &[u8]) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(word) = find(bytes, at) {
        at = word + WORD.len();
        let rest = bytes.get(at..).unwrap_or_default();
        at += rest.iter().take_while(|b| b.is_ascii_alphabetic()).count();
        strings_behind((bytes, at), b"=>(:,", &mut found);
    }
    let mut at = 0;
    while let Some(first) = next_string(bytes, at) {
        let mut strings = vec![first];
        while let Some(beside) = string_beside(bytes, strings.last().map_or(0, |s| s.1)) {
            strings.push(beside);
        }
        at = strings.last().map_or(bytes.len(), |s| s.1);
        if holds_secret(bytes, &strings) {
            found.extend(strings);
            // Of JSON without quotes around it, the value is another string.
            strings_behind((bytes, at), b"=>(:", &mut found);
        }
    }
    found.sort_unstable();
    found
}

/// Whether strings that are one to MySQL have a name of a key in them, with a colon behind it.
fn holds_secret(bytes: &[u8], strings: &[(usize, usize)]) -> bool {
    let mut content = Vec::new();
    for (start, end) in strings {
        let end = end.saturating_sub(1).max(start + 1);
        content.extend_from_slice(bytes.get(start + 1..end).unwrap_or_default());
    }
    let behind = strings.last().map_or(0, |s| s.1.saturating_sub(1));
    let rest = bytes.get(behind..).unwrap_or_default();
    content.extend(rest.iter().take(BEHIND));
    keys(&content).any(|end| {
        let rest = content.get(end..).unwrap_or_default().iter();
        let mut rest =
            rest.filter(|b| !matches!(b, b'"' | b'\'' | b'\\') && !b.is_ascii_whitespace());
        rest.next() == Some(&b':')
    })
}

/// Where names of keys end.
fn keys(bytes: &[u8]) -> impl Iterator<Item = usize> {
    let underscores = bytes.iter().enumerate().filter(|(_, b)| **b == b'_');
    underscores.filter_map(move |(at, _)| {
        let end_of = |key: &[u8]| {
            let start = at.checked_sub(key.iter().position(|b| *b == b'_')?)?;
            let end = start + key.len();
            let is_there = bytes.get(start..end)?.eq_ignore_ascii_case(key);
            is_there.then_some(end)
        };
        KEYS.iter().find_map(|key| end_of(key))
    })
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

/// The next string of a statement, from a place on that is in none.
fn next_string(bytes: &[u8], mut at: usize) -> Option<(usize, usize)> {
    loop {
        match bytes.get(at..)? {
            [quote @ (b'\'' | b'"'), ..] => return Some((at, string_end(bytes, at, *quote))),
            [b'`', ..] => at = string_end(bytes, at, b'`'),
            // What stands in a comment with a version is a part of the statement.
            [b'/', b'*', b'!', ..] => at += 3,
            [] => return None,
            rest => at += comment(rest).unwrap_or(1),
        }
    }
}

/// All strings behind `at` between which nothing stands but blanks, comments and what is `passed`.
fn strings_behind((bytes, mut at): (&[u8], usize), passed: &[u8], found: &mut Vec<(usize, usize)>) {
    while let Some((start, end)) = string_after(bytes, at, passed) {
        found.push((start, end));
        at = end;
    }
}

/// The string behind `at`, if nothing but blanks and comments stands between.
fn string_beside(bytes: &[u8], at: usize) -> Option<(usize, usize)> {
    string_after(bytes, at, b"")
}

fn string_after(bytes: &[u8], mut at: usize, passed: &[u8]) -> Option<(usize, usize)> {
    loop {
        match bytes.get(at..)? {
            [quote @ (b'\'' | b'"'), ..] => return Some((at, string_end(bytes, at, *quote))),
            [b' ' | b'\t' | b'\r' | b'\n', ..] => at += 1,
            [other, ..] if passed.contains(other) => at += 1,
            rest => at += comment(rest)?,
        }
    }
}

/// The length of the comment with which a text begins.
fn comment(text: &[u8]) -> Option<usize> {
    match text {
        [b'/', b'*', rest @ ..] => {
            let end = rest.windows(2).position(|pair| pair == b"*/");
            Some(end.map_or(text.len(), |end| end + 4))
        }
        [b'#', rest @ ..] => Some(line(rest) + 1),
        [b'-', b'-', rest @ ..] if rest.first().is_none_or(|b| *b <= b' ') => Some(line(rest) + 2),
        _ => None,
    }
}

/// The length of a line, with its end.
fn line(text: &[u8]) -> usize {
    let end = text.iter().position(|b| *b == b'\n');
    end.map_or(text.len(), |end| end + 1)
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
            "SELECT secret_key FROM t WHERE name = 'private_key'",
            "Unknown column 'secret_key' in 'field list'",
            "",
            "credentials",
            "c",
        ] {
            assert_eq!(hidden(text), text);
        }
    }

    #[test]
    fn keys_are_hidden_where_the_statement_is_wrong() {
        for (text, shown) in [
            (
                "CREDENTIAL '{\"aws_secret_access_key\": \"CANARY\"}' X",
                "CREDENTIAL '***' X",
            ),
            (
                "KEYS '{\"account_key\" : \"CANARY\"}' INTO `it's` X",
                "KEYS '***' INTO `it's` X",
            ),
            (
                "CREDENTIALS '{' '\"CANARY\"}' X",
                "CREDENTIALS '***' '***' X",
            ),
            (
                "KEYS '{\"secret_key' /* ' */ '\": ' \"CANARY\" X",
                "KEYS '***' /* ' */ '***' '***' X",
            ),
            ("CREDENTIALS = = ('CANARY')", "CREDENTIALS = = ('***')"),
            ("CREDENTIALS = , 'CANARY' X", "CREDENTIALS = , '***' X"),
            ("CREDENTIALS 'AK', 'CANARY'", "CREDENTIALS '***', '***'"),
            (
                "KEYS {\"sas_token\": \"CANARY\", \"a\": \"b\"}",
                "KEYS {'***': '***', \"a\": \"b\"}",
            ),
            (
                "-- it's\nKEYS '{\"private_key\":\"CANARY",
                "-- it's\nKEYS '***'",
            ),
            (
                "/*!99770 KEYS '{\"session_token\":\"CANARY\"}' */",
                "/*!99770 KEYS '***' */",
            ),
            (
                "PREPARE s FROM '.. KEYS ''{\\\"SECRET_KEY\\\": \\\"CANARY\\\"}'' X'",
                "PREPARE s FROM '***'",
            ),
        ] {
            assert_eq!(hidden(text), shown, "{text}");
        }
    }

    #[test]
    fn a_syntax_error_shows_no_more_than_the_list_of_statements() {
        let error = |near: &str| crate::error::SqlError::syntax(near, 1).message;
        for (statement, near, shown) in [
            ("LINK x CREDENTIALS = , 'CANARY'", ", 'CANARY'", ", '***'"),
            (
                "FILES('x', credentials => , 'CANARY', a => 'x'",
                ", 'CANARY', a => 'x'",
                ", '***', a => 'x'",
            ),
            ("CREDENTIALS 'AK' 'CANARY' X", "'CANA", "'***'"),
            ("SELECT 'a' FROM FROM 'b'", "FROM 'b'", "FROM 'b'"),
        ] {
            let told = hidden_in_error(&error(near), &hidden(statement)).into_owned();
            assert_eq!(told, error(shown), "{statement}");
        }
    }

    #[test]
    fn what_a_syntax_error_repeats_is_hidden() {
        let error = |near: &str| crate::error::SqlError::syntax(near, 1).message;
        for (near, shown) in [
            ("= '{\"aws_secret_access_key\": \"CANARY\"}' X", "= '***' X"),
            ("'{\"aws_secret_access_key\": \"CANARY", "'***'"),
            (
                "'{\"secret_key\": ' '\"CANARY\"}', a => 'b'",
                "'***' '***', a => 'b'",
            ),
            ("CREDENTIALS 'CANARY", "CREDENTIALS '***'"),
        ] {
            assert_eq!(hidden(&error(near)), error(shown), "{near}");
        }
    }
}
