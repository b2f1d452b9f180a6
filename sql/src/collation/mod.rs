//! Collations: when strings are equal, and which comes first.
//!
//! `order` makes keys of strings, `matching` compares character by character (LIKE, LOCATE; `ascii` byte by byte), `weights`
//! holds the tables; `same` has what joins and groups compare. Names and the rules for which collation applies are in
//! `types::charset` and `select::collate`. Nothing here knows of statements.

mod ascii;
mod folds;
mod matching;
mod order;
mod same;
mod weights;

pub use folds::key_folds;
pub(crate) use folds::keys_of;
pub(crate) use matching::{Pattern, find};
pub(crate) use order::{Needle, Order};
pub(crate) use same::same_of;
