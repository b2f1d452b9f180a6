//! Values in the text protocol's form, without its framing: for whoever writes rows elsewhere.

use arrow_array::Array;

use super::cell::{Cell, Source};
use super::{misfit, put_text_value, source};
use crate::column::Column;
use crate::error::SqlError;

/// One column of a batch.
pub struct ColumnText<'a> {
    source: Source<'a>,
    column: &'a Column,
}

impl<'a> ColumnText<'a> {
    /// # Errors
    /// 1105 if the array does not fit the column's type.
    pub fn bind(array: &'a dyn Array, column: &'a Column) -> Result<Self, SqlError> {
        Ok(Self {
            source: source(array, column)?,
            column,
        })
    }

    /// Appends the value at `row`, which is below the array's length. False: it is NULL.
    ///
    /// # Errors
    /// 1105 for a value that MySQL does not have.
    #[inline]
    pub fn put(&self, row: usize, out: &mut Vec<u8>) -> Result<bool, SqlError> {
        match self.source.cell(row) {
            Cell::Null => return Ok(false),
            Cell::Bytes(bytes) => out.extend_from_slice(bytes),
            cell => {
                put_text_value(out, cell, self.column).map_err(|_| misfit(self.column))?;
            }
        }
        Ok(true)
    }
}
