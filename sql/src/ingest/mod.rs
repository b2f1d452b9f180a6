//! Rows that come without SQL: named values from a program or an HTTP request, stored as INSERT stores
//! them. A row that cannot be stored is told by its number and does not hold up the others.
//!
//! `json` reads rows from a body, `token` says who may send them. The session commits (`session::ingest`).

mod json;
mod token;

pub use json::{Body, BodyError, rows_of_json};
pub use token::{Binding, Grant};
pub(crate) use token::{Tokens, create_token, drop_token, list_tokens};

use crate::error::SqlError;
use crate::insert::Scalar;

/// One row: values by column name, in any case and order. Columns without a value get their default.
#[derive(Debug, Clone, PartialEq)]
pub struct GivenRow {
    pub values: Vec<(String, Scalar)>,
    /// The row as it came.
    pub text: Option<Vec<u8>>,
    /// Why it is no row at all.
    pub unreadable: Option<String>,
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
    pub rejected: Vec<Rejected>,
}

/// 3140, as of any text that is not JSON.
pub(crate) fn unreadable(why: &str) -> SqlError {
    SqlError::new(3140, "22032", format!("Invalid JSON text: {why}"))
}
