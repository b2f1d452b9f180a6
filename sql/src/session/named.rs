//! PREPARE, EXECUTE and DEALLOCATE PREPARE as statements: prepared statements with names.

use super::{Session, done};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::result::Outcome;

use super::query::scalar_text;

impl Session {
    /// `PREPARE name FROM {'text' | @variable}`
    pub(super) async fn prepare_named(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let name = lexed.identifier(1).ok_or_else(|| lexed.error_at(1))?;
        if !lexed.is(2, "FROM") {
            return Err(lexed.error_at(2));
        }
        let (text, end) = match (lexed.string(3), self.variable_at(lexed, 3)) {
            (Some(text), _) => (text, 4),
            (None, Some((value, end))) => (scalar_text(&value), end),
            (None, None) => return Err(lexed.error_at(3)),
        };
        self.expect_end(lexed, end)?;
        // A statement of that name is gone, also when the new one cannot be prepared.
        self.forget_named(&name);
        let prepared = Box::pin(self.prepare_statement(text.as_bytes())).await?;
        self.named_statements
            .insert(name.to_lowercase(), prepared.id);
        Ok(done(0))
    }

    /// `EXECUTE name [USING @a, @b]`
    pub(super) async fn execute_named(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let name = lexed.identifier(1).ok_or_else(|| lexed.error_at(1))?;
        let mut params = Vec::new();
        let mut at = 2;
        if lexed.is(at, "USING") {
            loop {
                let (value, next) = self
                    .variable_at(lexed, at + 1)
                    .ok_or_else(|| lexed.error_at(at + 1))?;
                params.push(value);
                at = next;
                if !lexed.is(at, ",") {
                    break;
                }
            }
        }
        self.expect_end(lexed, at)?;
        let id = self.named_statements.get(&name.to_lowercase()).copied();
        let id = id.ok_or_else(|| unknown(&name, "EXECUTE"))?;
        let text = self.statements.find(id, params.len())?.text;
        Box::pin(self.dispatch(&text, Some(params))).await
    }

    /// `{DEALLOCATE | DROP} PREPARE name`
    pub(super) fn deallocate(&mut self, lexed: &Lexed) -> Result<Outcome> {
        let name = lexed.identifier(2).ok_or_else(|| lexed.error_at(2))?;
        self.expect_end(lexed, 3)?;
        match self.forget_named(&name) {
            true => Ok(done(0)),
            false => Err(unknown(&name, "DEALLOCATE PREPARE")),
        }
    }

    fn forget_named(&mut self, name: &str) -> bool {
        let id = self.named_statements.remove(&name.to_lowercase());
        id.inspect(|id| self.statements.close(*id)).is_some()
    }

    fn expect_end(&self, lexed: &Lexed, at: usize) -> Result<()> {
        let end = at + usize::from(lexed.is(at, ";"));
        match end < lexed.tokens.len() {
            true => Err(lexed.error_at(end)),
            false => Ok(()),
        }
    }

    /// The value of the user variable at a token, and the token behind it.
    fn variable_at(&self, lexed: &Lexed, at: usize) -> Option<(Scalar, usize)> {
        let name = lexed.word(at).strip_prefix('@')?;
        let (name, end) = match name.is_empty() {
            // @`name` and @'name' come as two tokens.
            true => {
                let quoted = lexed.string(at + 1).or_else(|| lexed.identifier(at + 1))?;
                (quoted, at + 2)
            }
            false => (name.to_owned(), at + 1),
        };
        let value = self.user_variables.get(&name.to_lowercase()).cloned();
        Some((value.unwrap_or(Scalar::Null), end))
    }
}

fn unknown(name: &str, given_to: &str) -> SqlError {
    let text = format!("Unknown prepared statement handler ({name}) given to {given_to}");
    SqlError::new(1243, "HY000", text)
}
