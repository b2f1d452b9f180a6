//! UPDATE and DELETE: which rows, by position in a snapshot, and what they become.
//!
//! `statement` turns the statement into a query that finds the rows, `rows` makes the new ones. Running
//! the query and committing are the session's part.

mod rows;
mod statement;

pub use rows::{Updated, Updater};
pub use statement::{Assigned, Change};
