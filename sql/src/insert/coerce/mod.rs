//! MySQL's assignment rules: what becomes of a value in a column of another type.
//!
//! One file per group of column types. Each function either returns what to store, or raises
//! through `Cell`, which ends the statement in strict mode and otherwise warns and stores the
//! nearest value.

mod choice;
mod json;
mod moment;
mod number;
mod numeral;
mod span;
mod temporal;
#[cfg(test)]
mod tests;
mod text;

pub(super) use choice::{Choice, enum_value, set_value};
pub(super) use json::json;
pub(super) use number::{decimal, double, integer, year};
pub(super) use numeral::canonical_decimal;
pub(super) use temporal::{date, datetime, time, timestamp, typed_literal};
pub(super) use text::{binary, character, limit_blob, limit_text};

use super::{Diagnostics, Settings};
use crate::error::{Result, SqlError};
use crate::types::escaped;

/// The place a value goes to.
pub(super) struct Cell<'a> {
    pub(super) column: &'a str,
    pub(super) table: &'a str,
    pub(super) nullable: bool,
    pub(super) settings: &'a Settings,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl Cell<'_> {
    fn row(&self) -> u64 {
        self.diagnostics.row
    }

    fn out_of_range(&mut self) -> Result<()> {
        self.diagnostics
            .raise(SqlError::out_of_range(self.column, self.row()))
    }

    fn truncated(&mut self) -> Result<()> {
        self.diagnostics
            .raise(SqlError::data_truncated(self.column, self.row()))
    }

    fn note_truncated(&mut self) {
        self.diagnostics.note_truncated(self.column);
    }

    fn incorrect(&mut self, kind: &str, value: &[u8]) -> Result<()> {
        let value = shown(value);
        self.diagnostics.raise(SqlError::incorrect_value(
            kind,
            &value,
            self.column,
            self.row(),
        ))
    }

    fn too_long(&mut self) -> Result<()> {
        let (column, row) = (self.column, self.row());
        self.diagnostics.raise_or(
            SqlError::data_too_long(column, row),
            SqlError::data_truncated(column, row),
        )
    }
}

/// A value in a message: at most 128 characters, as MySQL cuts it.
fn shown(value: &[u8]) -> String {
    const SHOWN_MAX: usize = 128;
    let text = escaped(value.get(..4 * SHOWN_MAX).unwrap_or(value));
    match text.char_indices().nth(SHOWN_MAX) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text,
    }
}
