//! Rows as lines of text, by the rules of MySQL's FIELDS and LINES clauses.
//!
//! How a value is printed is the caller's business ([`CellText`]): there is one such encoding, the one
//! that clients are sent.

mod rules;
mod writer;

use arrow::array::RecordBatch;

pub use rules::TextRules;
pub(crate) use writer::TextWriter;

use crate::error::BoxError;

/// Appends the value at a row; `Ok(false)`: it is NULL, and nothing was appended.
pub type ColumnText<'a> =
    Box<dyn Fn(usize, &mut Vec<u8>) -> std::result::Result<bool, BoxError> + 'a>;

/// Prints values as clients are sent them.
pub trait CellText: Send + Sync + std::fmt::Debug {
    /// One printer per column of the batch; `places` says which columns of the result they are.
    ///
    /// # Errors
    /// A column that has no text form.
    fn bind<'a>(
        &'a self,
        batch: &'a RecordBatch,
        places: &[usize],
    ) -> std::result::Result<Vec<ColumnText<'a>>, BoxError>;
}
