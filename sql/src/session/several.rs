//! Several statements in one text: which of them are still to run.

use std::collections::VecDeque;

use super::Session;
use crate::dialect::{Kind, lex, readable};
use crate::error::{Result, SqlError};
use crate::result::Outcome;

/// Statements that follow the one that runs.
#[derive(Debug, Default)]
pub(super) struct Several {
    waiting: VecDeque<Vec<u8>>,
}

impl Several {
    pub(super) fn are_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    pub(super) fn wait(&mut self, statements: VecDeque<Vec<u8>>) {
        self.waiting = statements;
    }

    pub(super) fn forget(&mut self) {
        self.waiting = VecDeque::new();
    }
}

impl Session {
    /// CLIENT_MULTI_STATEMENTS or COM_SET_OPTION.
    pub fn set_multi_statements(&mut self, on: bool) {
        self.multi_statements = on;
    }

    /// Results that were announced are not wanted any more.
    pub fn abandon_results(&mut self) {
        self.several.forget();
    }

    /// The next statement of a text with several; called while `Status::more_results`.
    pub async fn next_result(&mut self) -> Result<Outcome> {
        match self.several.waiting.pop_front() {
            Some(statement) => self.query_one(&statement).await,
            None => Err(SqlError::internal("no more results")),
        }
    }

    pub(super) fn may_be_several(&self, sql: &[u8]) -> bool {
        let inner = sql.trim_ascii_end();
        let inner = inner.strip_suffix(b";").unwrap_or(inner);
        self.multi_statements && inner.contains(&b';')
    }

    /// Large INSERTs have semicolons in their strings; they need not be cut into tokens to be told apart.
    pub(super) async fn plain_insert(&mut self, sql: &[u8]) -> Result<Option<Outcome>> {
        let _running = self.process.begin("Query", sql);
        let result = self.literal_insert(sql).await;
        let outcome = self.finished(result)?;
        if let Some(outcome) = &outcome {
            self.row_count = outcome.row_count();
        }
        Ok(outcome)
    }
}

/// A statement as it was written.
type Text = Vec<u8>;

/// A text's first statement and the others; `None`: there is but one.
pub(super) fn first_of_several(sql: &[u8]) -> Result<Option<(Text, VecDeque<Text>)>> {
    let mut statements = split(&readable(sql)?.0)?;
    if statements.len() < 2 {
        return Ok(None);
    }
    Ok(statements.pop_front().map(|first| (first, statements)))
}

/// Statements with anything in them.
fn split(text: &str) -> Result<VecDeque<Text>> {
    let lexed = lex(text)?;
    let (mut statements, mut start, mut is_empty) = (VecDeque::new(), 0, true);
    let mut add = |range: std::ops::Range<usize>, is_empty: bool| {
        // The text as it was written: version comments are opened once more.
        let part = text.get(range).unwrap_or_default();
        if !is_empty {
            statements.push_back(part.as_bytes().to_vec());
        }
    };
    for token in &lexed.tokens {
        if token.kind == Kind::Symbol && lexed.slice(*token) == ";" {
            add(start..token.start, is_empty);
            (start, is_empty) = (token.end, true);
        } else {
            is_empty = false;
        }
    }
    add(start..text.len(), is_empty);
    Ok(statements)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_end_at_semicolons_outside_strings_and_comments() {
        let parts = |text: &str| -> Vec<String> {
            let parts = split(text).expect(text);
            let text = |part: &Vec<u8>| String::from_utf8_lossy(part).trim().to_owned();
            parts.iter().map(text).collect()
        };
        assert_eq!(
            parts("select ';' ; ; insert into `a;b` values (1) /* ; */;\n-- x;\n"),
            ["select ';'", "insert into `a;b` values (1) /* ; */"]
        );
        assert_eq!(parts("/*!40101 SET NAMES utf8 */; select 1").len(), 2);
        assert_eq!(parts(";;"), Vec::<String>::new());
    }
}
