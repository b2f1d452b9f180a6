//! Limits on the text that one call makes: `max_allowed_packet` per value, a budget per batch.
//!
//! A longer value is NULL with a warning, as in MySQL. A batch beyond the budget ends the query: nested
//! REPEAT() of thousands of rows must not end the process.

use arrow::array::{BinaryViewArray, BinaryViewBuilder, StringViewArray, StringViewBuilder};
use datafusion::common::Result;

use crate::error::SqlError;
use crate::functions::argument::Call;
use crate::functions::failure::raise;
use crate::functions::warnings::{Notice, current_account, warn};
use crate::memory::brake;

/// MySQL's default `max_allowed_packet`, in bytes.
pub(crate) const VALUE_MAX: usize = 64 << 20;
/// Most bytes that one call returns for one batch, however much memory the statement may take.
const BATCH_MAX: usize = 1 << 30;

/// Whether `function` may make a value of that many bytes.
pub(crate) fn fits(function: &'static str, bytes: usize) -> bool {
    let fits = bytes <= VALUE_MAX.min(brake::value_limit());
    if !fits {
        warn(Notice::ResultTooLong { function });
    }
    fits
}

/// The text of one call for one batch, as far as it is bounded.
struct Bound {
    function: &'static str,
    total: usize,
    /// At which total to look next whether the statement is to go on.
    look_at: usize,
}

/// Bytes between two looks.
const LOOK_EVERY: usize = 1 << 20;

impl Bound {
    fn new(function: &'static str) -> Self {
        Self {
            function,
            total: 0,
            look_at: LOOK_EVERY,
        }
    }

    /// Counts a value. 1038 beyond the budget, 1041 if the statement was ended for its memory: a batch
    /// may take longer than it takes to fill the machine.
    fn add(&mut self, bytes: usize) -> Result<()> {
        self.total += bytes;
        if self.total < self.look_at {
            return Ok(());
        }
        self.look_at = self.total + LOOK_EVERY;
        let account = current_account().unwrap_or_default();
        if !brake::may_go_on(&account) {
            return Err(raise(SqlError::out_of_memory()));
        }
        let max = BATCH_MAX.min(account.limit()).min(brake::call_limit());
        if self.total > max {
            let (function, text) = (self.function, "bytes of text");
            let message = format!("Out of memory; {function} made more than {max} {text}");
            return Err(raise(SqlError::new(1038, "HY001", message)));
        }
        Ok(())
    }
}

impl Call<'_> {
    /// A text result within the limits: `push` appends one row's text and tells whether it is not NULL.
    pub(crate) fn bounded_text(
        &self,
        mut push: impl FnMut(usize, &mut String) -> bool,
    ) -> Result<StringViewArray> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut text = String::new();
        let mut bound = Bound::new(self.name);
        for row in 0..self.rows {
            text.clear();
            if push(row, &mut text) && fits(self.name, text.len()) {
                bound.add(text.len())?;
                builder.append_value(&text);
            } else {
                builder.append_null();
            }
        }
        Ok(builder.finish())
    }

    /// The same for binary strings.
    pub(crate) fn bounded_bytes(
        &self,
        mut push: impl FnMut(usize, &mut Vec<u8>) -> bool,
    ) -> Result<BinaryViewArray> {
        let mut builder = BinaryViewBuilder::with_capacity(self.rows);
        let mut bytes = Vec::new();
        let mut bound = Bound::new(self.name);
        for row in 0..self.rows {
            bytes.clear();
            if push(row, &mut bytes) && fits(self.name, bytes.len()) {
                bound.add(bytes.len())?;
                builder.append_value(&bytes);
            } else {
                builder.append_null();
            }
        }
        Ok(builder.finish())
    }
}
