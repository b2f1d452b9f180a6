//! LOAD DATA: from the bytes of a file to record batches in the table's Arrow schema.
//!
//! `statement` reads the statement, `lines` cuts the file into lines and fields, `rows` has each field
//! coerced by MySQL's assignment rules, `expressions` computes SET. Where the bytes come from and how
//! batches are committed is the session's part.

mod compression;
mod expressions;
mod field;
mod lines;
mod rows;
mod statement;
mod window;

pub(crate) use compression::{Compression, decoded};
pub(crate) use rows::{LoadWriter, Progress};
pub(crate) use statement::{Assigned, Format, LoadStatement, OnRepeatedKey};
pub(crate) use window::{Window, unreadable};
