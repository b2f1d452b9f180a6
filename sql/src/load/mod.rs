//! LOAD DATA: from the bytes of a file to record batches in the table's Arrow schema.
//!
//! `statement` reads the statement, `lines` cuts the file into lines and fields, `rows` has each field
//! coerced by MySQL's assignment rules, `expressions` computes SET. `typed` and `json_rows` read files
//! whose values have names. Where the bytes come from and how batches are committed is the session's part.

mod arrow_values;
mod compression;
mod directories;
mod expressions;
mod field;
mod json_rows;
mod lines;
mod rows;
mod statement;
mod stored;
mod text_rows;
mod typed;
mod window;

pub(crate) use arrow_values::of_session;
pub(crate) use compression::{Compression, decoded};
pub(crate) use directories::{Given, given, values_in};
pub(crate) use json_rows::{JsonRows, json_names};
pub(crate) use rows::{LoadWriter, Progress};
pub(crate) use statement::{Assigned, ClauseReader, Format, LoadStatement, OnRepeatedKey, Target};
pub(crate) use stored::FileFormat;
pub(crate) use text_rows::TextRows;
pub(crate) use typed::{BatchRows, Described, Matching, Origin, TypedRows};
pub(crate) use window::{Window, unreadable};
