//! MySQL's tokens with their byte positions, and the statement text with comments blanked out.
//!
//! It cuts text into words, strings, numbers and punctuation and unwraps version comments
//! (`/*!80000 ... */`). It does not judge grammar: that is left to the statement parsers.

use crate::error::{Result, SqlError};

/// Version comments up to this number are executed, as a MySQL 8.4 server does.
const VERSION_ID: u32 = 80_400;

/// The version of comments that Storno alone executes: MySQL is not there yet, and MariaDB skips what
/// lies between MySQL 5.7 and its own 10.0.
pub const OWN_VERSION: u32 = 99_770;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Keyword or bare identifier, `@user` and `@@system` variables included.
    Word,
    /// Back-quoted identifier; the span includes the quotes.
    QuotedWord,
    /// String in single or double quotes; the span includes them.
    Text,
    Number,
    /// `?`
    Placeholder,
    /// Any other single character; `:=`, `<=`, `>=`, `<>`, `!=`, `||`, `&&` are one token each.
    Symbol,
}

/// A token: its kind and its byte range in the cleaned text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Token {
    pub kind: Kind,
    pub start: usize,
    pub end: usize,
}

/// Tokens over a text of the same length as the input: comments are spaces, version comments opened.
#[derive(Debug, Clone)]
pub struct Lexed {
    pub text: String,
    pub tokens: Vec<Token>,
    /// Whether there were comments.
    pub commented: bool,
}

impl Lexed {
    pub fn slice(&self, token: Token) -> &str {
        self.text.get(token.start..token.end).unwrap_or_default()
    }
    /// The `i`-th token's text, or "" past the end.
    pub fn word(&self, i: usize) -> &str {
        self.tokens.get(i).map_or("", |t| self.slice(*t))
    }
    /// Is the `i`-th token the bare word `keyword` (any case)?
    pub fn is(&self, i: usize, keyword: &str) -> bool {
        self.tokens.get(i).is_some_and(|t| {
            matches!(t.kind, Kind::Word | Kind::Symbol)
                && self.slice(*t).eq_ignore_ascii_case(keyword)
        })
    }
    /// Do the tokens from `i` on spell `keywords`?
    pub fn are(&self, i: usize, keywords: &[&str]) -> bool {
        keywords.iter().enumerate().all(|(n, k)| self.is(i + n, k))
    }
    /// Text from token `i` to the end of the statement.
    pub fn rest(&self, i: usize) -> &str {
        self.tokens
            .get(i)
            .map_or("", |t| self.text.get(t.start..).unwrap_or_default())
    }
    /// 1064 near token `i`.
    pub fn error_at(&self, i: usize) -> SqlError {
        let start = self.tokens.get(i).map_or(self.text.len(), |t| t.start);
        syntax_error_at(&self.text, start)
    }
    /// An identifier token without its quotes, or `None` when token `i` is none.
    pub fn identifier(&self, i: usize) -> Option<String> {
        let token = *self.tokens.get(i)?;
        let text = self.slice(token);
        match token.kind {
            Kind::Word => Some(text.to_string()),
            Kind::QuotedWord => Some(unquote(text, '`')),
            _ => None,
        }
    }
    /// A string token's value, escapes resolved.
    pub fn string(&self, i: usize) -> Option<String> {
        let token = *self.tokens.get(i)?;
        (token.kind == Kind::Text).then(|| unescape(self.slice(token)))
    }
}

/// Is a comment of this version part of the statement?
fn is_executed(version: u32) -> bool {
    version <= VERSION_ID || version == OWN_VERSION
}

/// 1064 with the text from byte `start` on and its line number.
pub fn syntax_error_at(text: &str, start: usize) -> SqlError {
    let head = text.get(..start).unwrap_or(text);
    let line = head.matches('\n').count() + 1;
    SqlError::syntax(text.get(start..).unwrap_or("").trim_end(), line)
}

fn unquote(text: &str, quote: char) -> String {
    let inner = text
        .strip_prefix(quote)
        .and_then(|t| t.strip_suffix(quote))
        .unwrap_or(text);
    inner.replace(&format!("{quote}{quote}"), &quote.to_string())
}

/// Value of a quoted string: doubled quotes and backslash escapes as MySQL reads them.
pub fn unescape(text: &str) -> String {
    let Some(quote) = text.chars().next() else {
        return String::new();
    };
    let inner = text.get(1..text.len().saturating_sub(1)).unwrap_or("");
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => match chars.next() {
                Some('0') => out.push('\0'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('b') => out.push('\u{8}'),
                Some('Z') => out.push('\u{1a}'),
                // `\%` and `\_` keep their backslash: they mean something to LIKE.
                Some(c @ ('%' | '_')) => out.extend(['\\', c]),
                Some(c) => out.push(c),
                None => {}
            },
            c if c == quote => {
                out.push(c);
                chars.next();
            }
            c => out.push(c),
        }
    }
    out
}

/// Cuts a statement into tokens. Unterminated strings and comments are 1064.
pub fn lex(input: &str) -> Result<Lexed> {
    let mut lexer = Lexer {
        bytes: input.as_bytes(),
        input,
        text: input.as_bytes().to_vec(),
        tokens: Vec::new(),
        at: 0,
        open: false,
    };
    lexer.run()?;
    lexer.blank_clauses();
    // Only whole ASCII runs and whole comments were overwritten with spaces.
    let text = String::from_utf8(lexer.text).map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(Lexed {
        commented: text != input,
        text,
        tokens: lexer.tokens,
    })
}

struct Lexer<'a> {
    bytes: &'a [u8],
    input: &'a str,
    text: Vec<u8>,
    tokens: Vec<Token>,
    at: usize,
    /// Inside an executed version comment, whose `*/` is to be blanked.
    open: bool,
}

impl Lexer<'_> {
    fn peek(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn blank(&mut self, end: usize) {
        if let Some(range) = self.text.get_mut(self.at..end) {
            range
                .iter_mut()
                .filter(|b| **b != b'\n')
                .for_each(|b| *b = b' ');
        }
        self.at = end;
    }

    fn push(&mut self, kind: Kind, end: usize) {
        self.tokens.push(Token {
            kind,
            start: self.at,
            end,
        });
        self.at = end;
    }

    fn run(&mut self) -> Result<()> {
        while let Some(&b) = self.bytes.get(self.at) {
            match b {
                b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c => self.at += 1,
                b'#' => self.line_comment(),
                b'-' if self.peek(1) == b'-' && (self.peek(2) <= b' ') => self.line_comment(),
                b'/' if self.peek(1) == b'*' => self.block_comment()?,
                b'*' if self.open && self.peek(1) == b'/' => {
                    self.open = false;
                    self.blank(self.at + 2);
                }
                b'\'' | b'"' => {
                    let end = self.quoted_end(b, true)?;
                    self.push(Kind::Text, end);
                }
                b'`' => {
                    let end = self.quoted_end(b, false)?;
                    self.push(Kind::QuotedWord, end);
                }
                b'?' => self.push(Kind::Placeholder, self.at + 1),
                b'0'..=b'9' => self.number(),
                b'.' if self.peek(1).is_ascii_digit() && !self.after_name() => self.number(),
                b if is_word(b) || b == b'@' => self.word(),
                _ => self.symbol(),
            }
        }
        if self.open {
            return Err(syntax_error_at(self.input, self.bytes.len()));
        }
        Ok(())
    }

    /// Clauses without effect that sqlparser does not know: LOCK IN SHARE MODE, and the character set in
    /// CAST(x AS CHAR(10) CHARACTER SET y).
    fn blank_clauses(&mut self) {
        let mut at = 0;
        while at < self.tokens.len() {
            let length = if self.are(at, &["LOCK", "IN", "SHARE", "MODE"]) {
                4
            } else {
                self.charset_of_cast(at)
            };
            if length == 0 {
                at += 1;
                continue;
            }
            for token in self.tokens.drain(at..at + length) {
                if let Some(range) = self.text.get_mut(token.start..token.end) {
                    range.fill(b' ');
                }
            }
        }
    }

    /// How many tokens the clause has that begins here, behind `AS CHAR` or `AS CHAR(10)`.
    fn charset_of_cast(&self, at: usize) -> usize {
        let length = if self.are(at, &["CHARACTER", "SET"]) {
            3
        } else if self.are(at, &["CHARSET"]) {
            2
        } else {
            return 0;
        };
        let is_char = |at: Option<usize>| {
            at.is_some_and(|at| self.are(at, &["AS", "CHAR"]) || self.are(at, &["AS", "CHARACTER"]))
        };
        let behind = is_char(at.checked_sub(2))
            || (at.checked_sub(1).is_some_and(|at| self.are(at, &[")"]))
                && is_char(at.checked_sub(5)));
        match behind && at + length <= self.tokens.len() {
            true => length,
            false => 0,
        }
    }

    /// Whether these words, unquoted, or symbols begin at a token.
    fn are(&self, at: usize, words: &[&str]) -> bool {
        words.iter().enumerate().all(|(i, word)| {
            self.tokens.get(at + i).is_some_and(|token| {
                matches!(token.kind, Kind::Word | Kind::Symbol)
                    && self
                        .input
                        .get(token.start..token.end)
                        .is_some_and(|text| text.eq_ignore_ascii_case(word))
            })
        })
    }

    /// Does the previous token end right here, so that a dot is a qualifier and no decimal point?
    fn after_name(&self) -> bool {
        self.tokens
            .last()
            .is_some_and(|t| t.end == self.at && matches!(t.kind, Kind::Word | Kind::QuotedWord))
    }

    fn line_comment(&mut self) {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\n').unwrap_or(rest.len());
        self.blank(self.at + length);
    }

    fn block_comment(&mut self) -> Result<()> {
        if self.peek(2) == b'!' && !self.open {
            let digits = (3..9)
                .take_while(|i| self.peek(*i).is_ascii_digit())
                .count();
            let digits = if digits >= 5 { digits } else { 0 };
            let number = self
                .input
                .get(self.at + 3..self.at + 3 + digits)
                .unwrap_or("");
            if digits == 0 || number.parse().is_ok_and(is_executed) {
                self.open = true;
                self.blank(self.at + 3 + digits);
                return Ok(());
            }
        }
        let rest = self.bytes.get(self.at + 2..).unwrap_or_default();
        match rest.windows(2).position(|w| w == b"*/") {
            Some(i) => {
                self.blank(self.at + i + 4);
                Ok(())
            }
            None => Err(syntax_error_at(self.input, self.at)),
        }
    }

    fn quoted_end(&self, quote: u8, escapes: bool) -> Result<usize> {
        let mut i = self.at + 1;
        while let Some(&b) = self.bytes.get(i) {
            let doubled = b == quote && self.bytes.get(i + 1) == Some(&quote);
            if doubled || (b == b'\\' && escapes) {
                i += 2;
            } else if b == quote {
                return Ok(i + 1);
            } else {
                i += 1;
            }
        }
        Err(syntax_error_at(self.input, self.at))
    }

    fn word(&mut self) {
        let mut end = self.at;
        while self.bytes.get(end) == Some(&b'@') {
            end += 1;
        }
        while self.bytes.get(end).is_some_and(|b| is_word(*b)) {
            end += 1;
        }
        // X'41', N'..', _utf8mb4'..' keep prefix and string as two tokens; sqlparser joins them again.
        self.push(Kind::Word, end.max(self.at + 1));
    }

    fn number(&mut self) {
        let mut end = self.at;
        let digit = |end: usize| self.bytes.get(end).is_some_and(u8::is_ascii_digit);
        while digit(end) {
            end += 1;
        }
        // `0x41`, `1abc`: an identifier may begin with digits.
        let exponent = matches!(self.bytes.get(end), Some(b'e' | b'E'))
            && (digit(end + 1)
                || (matches!(self.bytes.get(end + 1), Some(b'+' | b'-')) && digit(end + 2)));
        if !exponent && self.bytes.get(end).is_some_and(|b| is_word(*b)) {
            return self.word();
        }
        if self.bytes.get(end) == Some(&b'.') {
            end += 1;
            while digit(end) {
                end += 1;
            }
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            if digit(end + 1 + sign) {
                end += 1 + sign;
                while digit(end) {
                    end += 1;
                }
            }
        }
        self.push(Kind::Number, end);
    }

    fn symbol(&mut self) {
        let pair = [self.peek(0), self.peek(1)];
        let long = matches!(&pair, b":=" | b"<=" | b">=" | b"<>" | b"!=" | b"||" | b"&&");
        let length = if long {
            2
        } else {
            self.input
                .get(self.at..)
                .and_then(|t| t.chars().next())
                .map_or(1, char::len_utf8)
        };
        self.push(Kind::Symbol, self.at + length);
    }
}

fn is_word(b: u8) -> bool {
    b.is_ascii_alphanumeric() || b == b'_' || b == b'$' || b >= 0x80
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(sql: &str) -> Vec<String> {
        let lexed = lex(sql).expect("lexes");
        lexed
            .tokens
            .iter()
            .map(|t| lexed.slice(*t).to_string())
            .collect()
    }

    #[test]
    fn comments_are_blank_and_version_comments_open() {
        assert_eq!(
            words("select -- x\n 1 # y\n + /* z */ 2"),
            ["select", "1", "+", "2"]
        );
        assert_eq!(
            words("/*!40101 SET NAMES utf8 */"),
            ["SET", "NAMES", "utf8"]
        );
        assert_eq!(words("select 1 /*!99999 + 1 */"), ["select", "1"]);
        assert_eq!(words("/*!99770 TTL */"), ["TTL"]);
        assert_eq!(
            words("select /*+ HINT */ 1--1"),
            ["select", "1", "-", "-", "1"]
        );
    }

    #[test]
    fn strings_and_names_keep_their_quotes_and_positions() {
        assert_eq!(
            words(r#"a.`b``c` = 'it''s \' ok' "x""#),
            ["a", ".", "`b``c`", "=", r"'it''s \' ok'", "\"x\""]
        );
        assert_eq!(unescape(r"'it''s \' \n\%'"), "it's ' \n\\%");
        assert_eq!(
            words("t.1 1.5e3 .5 0x41 @@session.a @u:=1"),
            [
                "t",
                ".",
                "1",
                "1.5e3",
                ".5",
                "0x41",
                "@@session",
                ".",
                "a",
                "@u",
                ":=",
                "1"
            ]
        );
    }

    #[test]
    fn unterminated_input_is_a_syntax_error() {
        for sql in [
            "select 'abc",
            "select `a",
            "/* x",
            "/*! select 1",
            "select \"a\\\"",
        ] {
            assert_eq!(lex(sql).expect_err(sql).code, 1064);
        }
    }

    #[test]
    fn multibyte_text_survives() {
        assert_eq!(
            words("select 'é' AS naïve, ‑ /* ü */"),
            ["select", "'é'", "AS", "naïve", ",", "‑"]
        );
    }
}
