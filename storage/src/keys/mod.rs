//! Unique keys: which key values exist, and in which rows. Rows in memory are found through a map
//! (`recent`), rows in segments through a file beside each segment (`build`, `index`); `find` asks
//! both. Keys are compared by a 128-bit keyed hash (`hash`).
//!
//! The files are derived from the segments: one that is missing or was written for other keys is made
//! again at open. What is deleted is not known here: whoever asks looks whether a row found still counts.

mod build;
mod find;
mod fold;
mod hash;
mod index;
mod recent;

pub(crate) use build::write_index;
pub(crate) use find::{KeyColumns, Range, find_in_segment, key_columns, range};
pub use fold::{ColumnFolds, KeyFold, KeyFolds};
pub(crate) use hash::{KeyHash, KeyHasher, KeySet, LowHalf};
pub(crate) use index::{KeyIndex, key_path};
pub(crate) use recent::RecentKeys;
