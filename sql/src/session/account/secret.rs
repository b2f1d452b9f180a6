//! Passwords stay out of what others see: the process list, logs, texts of errors.

use std::borrow::Cow;

use crate::dialect::{Kind, lex};

/// What stands in place of a string.
const HIDDEN: &str = "'<secret>'";
/// Bytes of a statement that are looked at: the process list shows no more.
const LOOKED_AT: usize = 65_536;

/// A statement's text as others may see it.
pub fn shown(sql: &[u8]) -> Cow<'_, str> {
    let text = String::from_utf8_lossy(sql.get(..LOOKED_AT).unwrap_or(sql));
    if !may_hold_password(&text) {
        return text;
    }
    match lex(&text) {
        Ok(lexed) => {
            let strings = lexed.tokens.iter().filter(|t| t.kind == Kind::Text);
            let mut hidden = String::new();
            let mut from = 0;
            for token in strings {
                hidden.push_str(lexed.text.get(from..token.start).unwrap_or_default());
                hidden.push_str(HIDDEN);
                from = token.end;
            }
            hidden.push_str(lexed.text.get(from..).unwrap_or_default());
            hidden.into()
        }
        // What cannot be told apart is not shown.
        Err(_) => "<not shown>".into(),
    }
}

/// Statements that set passwords begin with one of a few words, or with a comment that may hide one.
fn may_hold_password(text: &str) -> bool {
    let start = text.trim_start();
    let word = |w: &str| {
        let head = start.get(..w.len());
        head.is_some_and(|head| head.eq_ignore_ascii_case(w))
    };
    let begins = [
        "CREATE", "ALTER", "SET", "GRANT", "PREPARE", "/*", "--", "#",
    ]
    .iter()
    .any(|w| word(w));
    begins && (contains(start, b"IDENTIFIED") || contains(start, b"PASSWORD"))
}

fn contains(text: &str, word: &[u8]) -> bool {
    let mut windows = text.as_bytes().windows(word.len());
    windows.any(|window| window.eq_ignore_ascii_case(word))
}

/// The text of a syntax error, which quotes the statement from somewhere on to somewhere else: from
/// the first quote behind its beginning to its end nothing is kept.
pub fn hidden_in_error(message: &str) -> String {
    const NEAR: &str = "near '";
    const LINE: &str = "' at line ";
    let (Some(start), Some(end)) = (message.find(NEAR), message.rfind(LINE)) else {
        return message.to_owned();
    };
    let quoted = message.get(start + NEAR.len()..end).unwrap_or_default();
    let Some(first) = quoted.find(['\'', '"']) else {
        return message.to_owned();
    };
    let head = message
        .get(..start + NEAR.len() + first)
        .unwrap_or_default();
    format!("{head}<secret>{}", message.get(end..).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_with_passwords_show_none() {
        for sql in [
            "ALTER USER 'u'@'%' IDENTIFIED BY 'geheim'",
            "  create user u identified with mysql_native_password by \"geheim\"",
            "SET PASSWORD = 'geheim'",
            "set password for u = 'geheim'",
            "/* x */ ALTER USER u IDENTIFIED BY 'geheim'",
            "PREPARE s FROM 'ALTER USER u IDENTIFIED BY ''geheim'''",
            "ALTER USER u IDENTIFIED BY 'geheim",
        ] {
            assert!(
                !shown(sql.as_bytes()).contains("geheim"),
                "{}",
                shown(sql.as_bytes())
            );
        }
        for sql in [
            "SELECT 'password'",
            "INSERT INTO t VALUES ('identified')",
            "SET @a = 'x'",
        ] {
            assert_eq!(shown(sql.as_bytes()), sql);
        }
    }

    #[test]
    fn syntax_errors_quote_no_string() {
        let error = "... near 'BY 'geheim'' at line 1";
        assert_eq!(hidden_in_error(error), "... near 'BY <secret>' at line 1");
        assert_eq!(
            hidden_in_error("... near 'x' at line 1"),
            "... near 'x' at line 1"
        );
    }
}
