//! UPDATE and DELETE: which rows, by position in a snapshot, and what they become; and rows of an INSERT
//! that meet others with the same key.
//!
//! `statement` turns the statement into a query that finds the rows, `targets` finds the table that changes,
//! `rows` makes the new ones, `ignoring` says which of them repeat a key. Running the query and committing are the session's part.

mod ignoring;
mod rows;
mod statement;
mod targets;
mod upsert;

pub use ignoring::repeating;
pub use rows::{Updated, Updater, Warnings};
pub use statement::{Assigned, Change, in_sequence, is_default};
pub use upsert::{Assignments, Met, OnConflict, round, table_of};
