//! Reads MySQL clauses from sqlparser's tokens: words, names, literals, and errors with MySQL's
//! near text.
//!
//! sqlparser tokenizes, and parses data types and expressions; MySQL's clauses around them are read
//! by the files beside this one, because sqlparser's CREATE TABLE knows too few of them.

use sqlparser::ast::{DataType, Expr};
use sqlparser::dialect::MySqlDialect;
use sqlparser::parser::Parser;
use sqlparser::tokenizer::{Location, Token, Tokenizer, Word};

use crate::error::{Result, SqlError};

static DIALECT: MySqlDialect = MySqlDialect {};

/// A statement being read.
pub(super) struct Cursor<'a> {
    text: &'a str,
    parser: Parser<'static>,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(text: &'a str) -> Result<Self> {
        let tokens = Tokenizer::new(&DIALECT, text)
            .tokenize_with_location()
            .map_err(|error| syntax_at(text, error.location))?;
        Ok(Self {
            text,
            parser: Parser::new(&DIALECT).with_tokens_with_locations(tokens),
        })
    }

    /// 1064 at the next token.
    pub(super) fn error(&self) -> SqlError {
        self.error_at(self.location())
    }

    /// Place of the next token; `None` at the end.
    pub(super) fn location(&self) -> Option<Location> {
        let token = self.parser.peek_token_ref();
        (token.token != Token::EOF).then_some(token.span.start)
    }

    pub(super) fn error_at(&self, location: Option<Location>) -> SqlError {
        match location {
            None => SqlError::syntax("", 1 + self.text.trim_end().matches('\n').count()),
            Some(location) => syntax_at(self.text, location),
        }
    }

    fn nth(&self, n: usize) -> &Token {
        &self.parser.peek_nth_token_ref(n).token
    }

    pub(super) fn at_end(&self) -> bool {
        *self.nth(0) == Token::EOF
    }

    /// A final `;` and nothing behind.
    pub(super) fn expect_end(&mut self) -> Result<()> {
        self.take_symbol(&Token::SemiColon);
        if self.at_end() {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    pub(super) fn advance(&mut self) {
        self.parser.advance_token();
    }

    /// The next token is this unquoted word.
    pub(super) fn is_word(&self, word: &str) -> bool {
        is_word(self.nth(0), word)
    }

    /// The next tokens are these unquoted words.
    pub(super) fn are_words(&self, words: &[&str]) -> bool {
        words
            .iter()
            .enumerate()
            .all(|(n, word)| is_word(self.nth(n), word))
    }

    pub(super) fn nth_is_word(&self, n: usize, word: &str) -> bool {
        is_word(self.nth(n), word)
    }

    /// Takes these words, all or none. One string may hold several: `"NOT NULL"`.
    pub(super) fn take(&mut self, words: &str) -> bool {
        let words: Vec<&str> = words.split(' ').collect();
        let there = self.are_words(&words);
        if there {
            words.iter().for_each(|_| self.advance());
        }
        there
    }

    pub(super) fn take_any(&mut self, alternatives: &[&str]) -> bool {
        alternatives.iter().any(|words| self.take(words))
    }

    pub(super) fn expect(&mut self, words: &str) -> Result<()> {
        if self.take(words) {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    pub(super) fn is_symbol(&self, symbol: &Token) -> bool {
        self.nth(0) == symbol
    }

    pub(super) fn take_symbol(&mut self, symbol: &Token) -> bool {
        let there = self.is_symbol(symbol);
        if there {
            self.advance();
        }
        there
    }

    pub(super) fn expect_symbol(&mut self, symbol: &Token) -> Result<()> {
        if self.take_symbol(symbol) {
            Ok(())
        } else {
            Err(self.error())
        }
    }

    /// `name` or `` `name` ``.
    pub(super) fn name(&mut self) -> Result<String> {
        match self.nth(0) {
            Token::Word(Word {
                value,
                quote_style: None | Some('`'),
                ..
            }) => {
                let name = value.clone();
                self.advance();
                Ok(name)
            }
            _ => Err(self.error()),
        }
    }

    /// A name where one may be left out before `(` or USING.
    pub(super) fn optional_name(&mut self) -> Option<String> {
        let quoted = matches!(
            self.nth(0),
            Token::Word(Word {
                quote_style: Some('`'),
                ..
            })
        );
        if !quoted && (self.is_word("USING") || self.is_word("TYPE")) {
            return None;
        }
        self.name().ok()
    }

    /// `[schema.]table`.
    pub(super) fn qualified_name(&mut self) -> Result<(Option<String>, String)> {
        let first = self.name()?;
        if self.take_symbol(&Token::Period) {
            return Ok((Some(first), self.name()?));
        }
        Ok((None, first))
    }

    /// A string in single or double quotes; adjacent ones are one.
    pub(super) fn string(&mut self) -> Result<String> {
        let mut string = match self.take_string() {
            Some(string) => string,
            None => return Err(self.error()),
        };
        while let Some(more) = self.take_string() {
            string.push_str(&more);
        }
        Ok(string)
    }

    fn take_string(&mut self) -> Option<String> {
        match self.nth(0) {
            Token::SingleQuotedString(string) | Token::DoubleQuotedString(string) => {
                let string = string.clone();
                self.advance();
                Some(string)
            }
            _ => None,
        }
    }

    /// A word, or the same in quotes: names of character sets, collations, engines.
    pub(super) fn word_or_string(&mut self) -> Result<String> {
        match self.take_string() {
            Some(string) => Ok(string),
            None => self.name(),
        }
    }

    pub(super) fn unsigned(&mut self) -> Result<u64> {
        let number = match self.nth(0) {
            Token::Number(digits, _) => digits.parse().ok(),
            _ => None,
        };
        let number = number.ok_or_else(|| self.error())?;
        self.advance();
        Ok(number)
    }

    /// `( number )`.
    pub(super) fn parenthesized_number(&mut self) -> Result<u64> {
        self.expect_symbol(&Token::LParen)?;
        let number = self.unsigned()?;
        self.expect_symbol(&Token::RParen)?;
        Ok(number)
    }

    /// Skips `( .. )` with everything inside.
    pub(super) fn skip_parentheses(&mut self) -> Result<()> {
        self.expect_symbol(&Token::LParen)?;
        let mut depth = 1;
        while depth > 0 {
            match self.nth(0) {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return Err(self.error()),
                _ => {}
            }
            self.advance();
        }
        Ok(())
    }

    /// The text inside `( .. )`.
    pub(super) fn parenthesized(&mut self) -> Result<&'a str> {
        self.expect_symbol(&Token::LParen)?;
        let start = self.location();
        let mut depth = 1;
        loop {
            match self.nth(0) {
                Token::LParen => depth += 1,
                Token::RParen => depth -= 1,
                Token::EOF => return Err(self.error()),
                _ => {}
            }
            let here = self.location();
            if depth == 0
                && let (Some(start), Some(end)) = (start, here)
            {
                self.advance();
                let range = offset_of(self.text, start)..offset_of(self.text, end);
                return Ok(self.text.get(range).unwrap_or_default());
            }
            self.advance();
        }
    }

    pub(super) fn data_type(&mut self) -> Result<DataType> {
        let start = self.location();
        self.parser
            .parse_data_type()
            .map_err(|_| self.error_at(start))
    }

    /// A literal, a function call or an expression in parentheses: what may follow DEFAULT.
    pub(super) fn operand(&mut self) -> Result<Expr> {
        let start = self.location();
        self.parser.parse_prefix().map_err(|_| self.error_at(start))
    }
}

fn is_word(token: &Token, expected: &str) -> bool {
    match token {
        Token::Word(Word {
            value,
            quote_style: None,
            ..
        }) => value.eq_ignore_ascii_case(expected),
        _ => false,
    }
}

/// 1064 with the text from a place on. sqlparser counts lines and characters from 1.
fn syntax_at(text: &str, location: Location) -> SqlError {
    let line = usize::try_from(location.line).unwrap_or(1).max(1);
    let offset = offset_of(text, location);
    SqlError::syntax(text.get(offset..).unwrap_or_default(), line)
}

/// Byte of a place in the text.
fn offset_of(text: &str, location: Location) -> usize {
    let line = usize::try_from(location.line).unwrap_or(1).max(1);
    let column = usize::try_from(location.column).unwrap_or(1).max(1);
    let line_start: usize = text
        .split_inclusive('\n')
        .take(line - 1)
        .map(str::len)
        .sum();
    let from_line = text.get(line_start..).unwrap_or_default();
    let offset = from_line
        .char_indices()
        .nth(column - 1)
        .map_or(from_line.len(), |(at, _)| at);
    line_start + offset
}
