//! INSERT: from the statement, or its parameters, to a record batch in the table's Arrow schema.
//!
//! `statement` reads the parsed statement, `literal_insert` the text itself when it holds nothing
//! but literals; both feed `rows`, which coerces each value by MySQL's assignment rules (`coerce`).
//! Committing the batch, evaluating expressions and looking tables up are the caller's part, passed
//! in as closures.

mod auto_increment;
mod coerce;
mod column;
mod default;
mod diagnostics;
mod duplicate;
mod from_arrow;
mod invalid;
mod literal;
mod literal_insert;
mod mode;
mod rows;
mod scalar;
mod statement;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;

pub(crate) use default::default_text;
pub(crate) use diagnostics::Diagnostics;
pub use duplicate::{duplicate_entry, not_unique, note_resent, warn_repeated};
pub use invalid::InvalidRow;
pub(crate) use literal::{hex, literal};
pub use literal_insert::LiteralInsert;
pub use mode::Mode;
pub use rows::{InsertBatch, Reserve, RowWriter};
pub(crate) use scalar::Datum;
pub use scalar::Scalar;
pub use statement::{Evaluate, InsertPlan, Rows, Source};

use crate::types::TimeZone;

/// What of the session decides how values are stored.
#[derive(Debug, Clone, Copy)]
pub struct Settings {
    pub mode: Mode,
    /// Zone of TIMESTAMP values and of the clock.
    pub time_zone: TimeZone,
    /// The statement's time: microseconds since 1970 in UTC.
    pub now_utc: i64,
}
