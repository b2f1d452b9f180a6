//! Warnings of one statement, and the decision whether a bad value is one or an error.

use super::Mode;
use crate::error::{Result, SqlError, Warning};

/// MySQL's default `max_error_count`: more warnings than this are counted, not kept.
const KEPT_MAX: usize = 1024;

/// Collects while rows are written.
#[derive(Debug)]
pub(crate) struct Diagnostics {
    mode: Mode,
    /// Row being written, from 1.
    pub(super) row: u64,
    warnings: Vec<Warning>,
    count: u64,
}

impl Diagnostics {
    pub(crate) fn new(mode: Mode) -> Self {
        Self {
            mode,
            row: 1,
            warnings: Vec::new(),
            count: 0,
        }
    }

    /// A value that does not fit: ends the statement, or warns with the same text.
    pub(super) fn raise(&mut self, error: SqlError) -> Result<()> {
        self.raise_or(error.clone(), error)
    }

    /// As `raise`, where the warning of the lenient modes differs from the error.
    pub(super) fn raise_or(&mut self, error: SqlError, lenient: SqlError) -> Result<()> {
        if self.mode.is_fatal() {
            return Err(error);
        }
        self.push(lenient.into());
        Ok(())
    }

    pub(super) fn note_truncated(&mut self, column: &str) {
        let SqlError { code, message, .. } = SqlError::data_truncated(column, self.row);
        self.push(Warning::note(code, message));
    }

    pub(super) fn push(&mut self, warning: Warning) {
        self.count += 1;
        if self.warnings.len() < KEPT_MAX {
            self.warnings.push(warning);
        }
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// The warnings kept, and how many there were.
    pub(crate) fn finish(self) -> (Vec<Warning>, u64) {
        (self.warnings, self.count)
    }
}
