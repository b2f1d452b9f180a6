//! Rows that come without SQL: named values from a program or an HTTP request, stored as INSERT stores
//! them. A row that cannot be stored is told by its number and does not hold up the others.
//!
//! `json` reads rows from a body, `token` says who may send them. The session commits (`session::ingest`).

mod json;
mod token;

pub use json::{Body, BodyError, Room};
pub(crate) use json::{Stop, read_rows};
pub use token::{Binding, Grant};
pub(crate) use token::{Tokens, create_token, drop_token, list_tokens};

use crate::error::SqlError;
use crate::insert::Scalar;

/// One row: values by column name, in any case and order. Columns without a value get their default.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GivenRow<'a> {
    pub(crate) values: Vec<(String, Scalar)>,
    /// The row as it came.
    pub(crate) text: &'a [u8],
    /// Why it is no row at all.
    pub(crate) unreadable: Option<String>,
}

/// A row that was not stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rejected {
    /// From 0.
    pub row: u64,
    /// MySQL's number of the error.
    pub code: u16,
    pub reason: String,
}

/// What became of rows. It is given when what was accepted is durable.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Ingested {
    pub accepted: u64,
    /// Rows whose event or unique key was known.
    pub duplicate: u64,
    /// The first `REJECTED_MAX` of the rows that were not stored.
    pub rejected: Vec<Rejected>,
    /// How many there were besides.
    pub unlisted: u64,
}

/// Rejected rows that are told one by one, and characters of what is told of each.
pub(crate) const REJECTED_MAX: usize = 1_000;
pub(crate) const REASON_MAX: usize = 300;

/// Why nothing of a body was stored.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IngestError {
    #[error(transparent)]
    Body(#[from] BodyError),
    #[error(transparent)]
    Sql(#[from] SqlError),
}

/// 3140, as of any text that is not JSON.
pub(crate) fn unreadable(why: &str) -> SqlError {
    SqlError::new(3140, "22032", format!("Invalid JSON text: {why}"))
}
