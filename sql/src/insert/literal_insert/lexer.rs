//! Tokens of a plain INSERT: names, punctuation and literals, from bytes.
//!
//! `None` from any method means: not plain. It never means a syntax error.

use crate::insert::literal::{bits, hex, number};
use crate::insert::{Datum, Scalar};

/// One value of a row.
pub(super) enum Lexed<'a> {
    Datum(Datum<'a>),
    Default,
}

/// Reads from left to right. Every method skips white space and plain comments first.
pub(super) struct Lexer<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Lexer<'a> {
    pub(super) fn new(bytes: &'a [u8]) -> Self {
        Self { bytes, at: 0 }
    }

    /// Nothing but white space and plain comments is left.
    pub(super) fn at_end(&mut self) -> bool {
        self.skip_space().is_some() && self.at == self.bytes.len()
    }

    fn peek(&self) -> Option<u8> {
        self.bytes.get(self.at).copied()
    }

    pub(super) fn rest(&self) -> &'a [u8] {
        self.bytes.get(self.at..).unwrap_or_default()
    }

    /// `None` at a comment that is not plain: a hint, a version comment, `--`, `#`.
    fn skip_space(&mut self) -> Option<()> {
        loop {
            match self.peek() {
                Some(b' ' | b'\n' | b'\r' | b'\t') => self.at += 1,
                Some(b'/') => match self.rest() {
                    [b'/', b'*', b'!' | b'+' | b'M', ..] => return None,
                    [b'/', b'*', rest @ ..] => {
                        self.at += 4 + rest.windows(2).position(|pair| pair == b"*/")?;
                    }
                    _ => return Some(()),
                },
                Some(b'-' | b'#') => {
                    let comment = self.rest().starts_with(b"--") || self.peek() == Some(b'#');
                    return if comment { None } else { Some(()) };
                }
                _ => return Some(()),
            }
        }
    }

    pub(super) fn symbol(&mut self, symbol: u8) -> bool {
        let there = self.skip_space().is_some() && self.peek() == Some(symbol);
        self.at += usize::from(there);
        there
    }

    /// An unquoted word; nothing is taken when there is none.
    pub(super) fn word(&mut self) -> Option<&'a [u8]> {
        self.skip_space()?;
        let rest = self.rest();
        let end = rest
            .iter()
            .position(|byte| !is_word(*byte))
            .unwrap_or(rest.len());
        self.at += end;
        (end > 0).then(|| &rest[..end])
    }

    pub(super) fn keyword(&mut self, keyword: &[u8]) -> bool {
        let start = self.at;
        let there = self
            .word()
            .is_some_and(|word| word.eq_ignore_ascii_case(keyword));
        if !there {
            self.at = start;
        }
        there
    }

    /// A name, quoted or not. `None` for words that may be something else here.
    pub(super) fn name(&mut self) -> Option<String> {
        self.skip_space()?;
        if self.peek() != Some(b'`') {
            let word = std::str::from_utf8(self.word()?).ok()?;
            let other = [
                "VALUES",
                "VALUE",
                "SET",
                "SELECT",
                "TABLE",
                "PARTITION",
                "AS",
                "LOW_PRIORITY",
                "DELAYED",
                "HIGH_PRIORITY",
                "IGNORE",
                "INTO",
                "WITH",
                "OVERWRITE",
                "DEFAULT",
                "DIRECTORY",
                "LOCAL",
                "FUNCTION",
            ];
            let plain = !other.iter().any(|other| word.eq_ignore_ascii_case(other));
            // A name with a digit in front may turn out to be a number.
            let letter = !word.starts_with(|c: char| c.is_ascii_digit());
            return (plain && letter).then(|| word.to_owned());
        }
        let start = self.at + 1;
        let length = self
            .bytes
            .get(start..)?
            .iter()
            .position(|byte| *byte == b'`')?;
        self.at = start + length + 1;
        // A back quote inside a name is doubled; rare enough.
        if self.peek() == Some(b'`') || length == 0 {
            return None;
        }
        String::from_utf8(self.bytes.get(start..start + length)?.to_vec()).ok()
    }

    /// `(a, b)`; the outer `None` is: not plain.
    pub(super) fn columns(&mut self) -> Option<Option<Vec<String>>> {
        if !self.symbol(b'(') {
            return Some(None);
        }
        let mut columns = Vec::new();
        loop {
            columns.push(self.name()?);
            if self.symbol(b')') {
                return Some(Some(columns));
            }
            self.symbol(b',').then_some(())?;
        }
    }

    /// One literal. `scratch` holds what differs from the statement's own bytes.
    pub(super) fn value<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Option<Lexed<'s>>
    where
        'a: 's,
    {
        self.skip_space()?;
        Some(Lexed::Datum(match self.peek()? {
            quote @ (b'\'' | b'"') => Datum::Text(self.string(quote, scratch)?),
            b'0'..=b'9' | b'-' | b'+' | b'.' => self.number(scratch)?,
            _ => return self.word_value(scratch),
        }))
    }

    /// The content of a string, unescaped.
    fn string<'s>(&mut self, quote: u8, scratch: &'s mut Vec<u8>) -> Option<&'s [u8]>
    where
        'a: 's,
    {
        let start = self.at + 1;
        let rest = self.bytes.get(start..)?;
        let end = rest
            .iter()
            .position(|byte| *byte == quote || *byte == b'\\')?;
        let string = if rest.get(end) == Some(&quote) && rest.get(end + 1) != Some(&quote) {
            self.at = start + end + 1;
            &rest[..end]
        } else {
            self.at = start + unescape(rest, quote, scratch)?;
            scratch.as_slice()
        };
        // Adjacent strings are one.
        self.skip_space()?;
        (!matches!(self.peek(), Some(b'\'' | b'"'))).then_some(string)
    }

    fn number<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Option<Datum<'s>>
    where
        'a: 's,
    {
        let rest = self.rest();
        if let [b'0', b'x', ..] = rest {
            return self.prefixed_bits(scratch, hex);
        }
        if let [b'0', b'b', ..] = rest {
            return self.prefixed_bits(scratch, binary);
        }
        let signed = matches!(rest.first(), Some(b'-' | b'+'));
        let negative = rest.first() == Some(&b'-');
        let mut end = usize::from(signed);
        let mut value = 0_i64;
        while let Some(digit) = rest.get(end).filter(|byte| byte.is_ascii_digit()) {
            value = value.wrapping_mul(10).wrapping_add(i64::from(digit - b'0'));
            end += 1;
        }
        // Up to 18 digits cannot have overflown.
        if end <= 18 && end > usize::from(signed) && !is_number_part(rest.get(end)) {
            self.at += end;
            return Some(Datum::Int(i128::from(if negative {
                -value
            } else {
                value
            })));
        }
        self.long_number(usize::from(signed), negative, scratch)
    }

    /// Decimals, doubles and integers of many digits.
    fn long_number<'s>(
        &mut self,
        sign: usize,
        negative: bool,
        scratch: &'s mut Vec<u8>,
    ) -> Option<Datum<'s>>
    where
        'a: 's,
    {
        let rest = self.rest();
        let digits = rest.get(sign..)?;
        let end = number_end(digits)?;
        let text = std::str::from_utf8(&digits[..end]).ok()?;
        if is_number_part(digits.get(end)) {
            return None;
        }
        self.at += sign + end;
        match number(text, negative).ok()? {
            Scalar::Int(value) => Some(Datum::Int(value)),
            Scalar::Double(value) => Some(Datum::Double(value)),
            Scalar::Decimal(decimal) => {
                *scratch = decimal.into_bytes();
                Some(Datum::Decimal(std::str::from_utf8(scratch).ok()?))
            }
            _ => None,
        }
    }

    /// `0x41` and `0b01`.
    fn prefixed_bits<'s>(
        &mut self,
        scratch: &'s mut Vec<u8>,
        read: fn(&[u8]) -> Option<Vec<u8>>,
    ) -> Option<Datum<'s>> {
        self.at += 2;
        let digits = self.bytes.get(self.at..)?;
        let end = digits
            .iter()
            .position(|byte| !is_word(*byte))
            .unwrap_or(digits.len());
        if end == 0 {
            return None;
        }
        self.at += end;
        *scratch = read(&digits[..end])?;
        Some(Datum::Bits(scratch))
    }

    /// NULL, TRUE, FALSE, DEFAULT, `X'41'`, `b'01'`, `_binary'..'`, `N'..'`.
    fn word_value<'s>(&mut self, scratch: &'s mut Vec<u8>) -> Option<Lexed<'s>>
    where
        'a: 's,
    {
        let word = self.word()?;
        let quote = self.peek().filter(|byte| matches!(byte, b'\'' | b'"'));
        let Some(quote) = quote else {
            return plain_word(word);
        };
        if word.eq_ignore_ascii_case(b"_binary") {
            return Some(Lexed::Datum(Datum::Bytes(self.string(quote, scratch)?)));
        }
        if word.eq_ignore_ascii_case(b"_utf8mb4") || word.eq_ignore_ascii_case(b"N") {
            let string = self.string(quote, scratch)?;
            return std::str::from_utf8(string)
                .ok()
                .map(|_| Lexed::Datum(Datum::Text(string)));
        }
        let read: fn(&[u8]) -> Option<Vec<u8>> = match word {
            b"x" | b"X" => |digits| {
                if digits.len() % 2 == 0 {
                    hex(digits)
                } else {
                    None
                }
            },
            b"b" | b"B" => binary,
            _ => return None,
        };
        let digits = self.string(quote, scratch)?.to_vec();
        *scratch = read(&digits)?;
        Some(Lexed::Datum(Datum::Bits(scratch)))
    }
}

fn plain_word<'s>(word: &[u8]) -> Option<Lexed<'s>> {
    let is = |keyword: &[u8]| word.eq_ignore_ascii_case(keyword);
    Some(match word {
        _ if is(b"NULL") => Lexed::Datum(Datum::Null),
        _ if is(b"TRUE") => Lexed::Datum(Datum::Int(1)),
        _ if is(b"FALSE") => Lexed::Datum(Datum::Int(0)),
        _ if is(b"DEFAULT") => Lexed::Default,
        _ => return None,
    })
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || byte >= 0x80
}

/// What may not stand directly behind a number that has ended.
fn is_number_part(byte: Option<&u8>) -> bool {
    byte.is_some_and(|byte| is_word(*byte) || *byte == b'.')
}

/// End of `digits[.digits][e[+-]digits]`.
fn number_end(text: &[u8]) -> Option<usize> {
    let digits = |from: usize| {
        text.get(from..)
            .unwrap_or_default()
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let whole = digits(0);
    let mut end = whole;
    let mut fraction = 0;
    if text.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        end += 1 + fraction;
    }
    if whole + fraction == 0 {
        return None;
    }
    if let Some(b'e' | b'E') = text.get(end) {
        let sign = usize::from(matches!(text.get(end + 1), Some(b'+' | b'-')));
        let exponent = digits(end + 1 + sign);
        if exponent == 0 {
            return None;
        }
        end += 1 + sign + exponent;
    }
    Some(end)
}

fn binary(digits: &[u8]) -> Option<Vec<u8>> {
    let text = std::str::from_utf8(digits).ok()?;
    text.bytes()
        .all(|digit| matches!(digit, b'0' | b'1'))
        .then(|| bits(text))
}

/// Unescapes a string up to its closing quote into `out`; returns the length read with the quote.
fn unescape(text: &[u8], quote: u8, out: &mut Vec<u8>) -> Option<usize> {
    out.clear();
    let mut at = 0;
    loop {
        let rest = text.get(at..)?;
        let run = rest
            .iter()
            .position(|byte| *byte == quote || *byte == b'\\')?;
        out.extend_from_slice(&rest[..run]);
        at += run;
        match (rest[run], rest.get(run + 1)) {
            (b'\\', Some(escaped)) => {
                match escaped {
                    b'0' => out.push(0),
                    b'b' => out.push(8),
                    b'n' => out.push(b'\n'),
                    b'r' => out.push(b'\r'),
                    b't' => out.push(b'\t'),
                    b'Z' => out.push(0x1a),
                    // Kept for LIKE, as MySQL does.
                    b'%' | b'_' => out.extend([b'\\', *escaped]),
                    other => out.push(*other),
                }
                at += 2;
            }
            (b'\\', None) => return None,
            (_, Some(next)) if *next == quote => {
                out.push(quote);
                at += 2;
            }
            _ => return Some(at + 1),
        }
    }
}
