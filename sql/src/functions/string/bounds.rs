//! Limits on the text that one call makes: `max_allowed_packet` per value, a budget per batch.
//!
//! A longer value is NULL with a warning, as in MySQL. A batch beyond the budget ends the query: nested
//! REPEAT() of thousands of rows must not end the process.

use arrow::array::{BinaryViewArray, BinaryViewBuilder, StringViewArray, StringViewBuilder};
use datafusion::common::Result;

use crate::error::SqlError;
use crate::functions::argument::Call;
use crate::functions::failure::raise;
use crate::functions::warnings::{Notice, warn};

/// MySQL's default `max_allowed_packet`, in bytes.
pub(crate) const VALUE_MAX: usize = 64 << 20;
/// Most bytes that one call returns for one batch.
const BATCH_MAX: usize = 1 << 30;

/// Whether `function` may make a value of that many bytes.
pub(crate) fn fits(function: &'static str, bytes: usize) -> bool {
    if bytes > VALUE_MAX {
        warn(Notice::ResultTooLong { function });
    }
    bytes <= VALUE_MAX
}

fn too_much(function: &str) -> datafusion::common::DataFusionError {
    let message = format!("Out of memory; {function} made more than {BATCH_MAX} bytes of text");
    raise(SqlError::new(1038, "HY001", message))
}

impl Call<'_> {
    /// A text result within the limits: `push` appends one row's text and tells whether it is not NULL.
    pub(crate) fn bounded_text(
        &self,
        mut push: impl FnMut(usize, &mut String) -> bool,
    ) -> Result<StringViewArray> {
        let mut builder = StringViewBuilder::with_capacity(self.rows);
        let mut text = String::new();
        let mut total = 0_usize;
        for row in 0..self.rows {
            text.clear();
            if push(row, &mut text) && fits(self.name, text.len()) {
                total += text.len();
                if total > BATCH_MAX {
                    return Err(too_much(self.name));
                }
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
        let mut total = 0_usize;
        for row in 0..self.rows {
            bytes.clear();
            if push(row, &mut bytes) && fits(self.name, bytes.len()) {
                total += bytes.len();
                if total > BATCH_MAX {
                    return Err(too_much(self.name));
                }
                builder.append_value(&bytes);
            } else {
                builder.append_null();
            }
        }
        Ok(builder.finish())
    }
}
