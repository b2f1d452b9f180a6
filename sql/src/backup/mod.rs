//! Backups as statements and the command line see them; `storno_storage` says what a state consists of,
//! `storno_transfer` moves the files.
//!
//! `statement` reads BACKUP, `source` hands the files of a state over, `scope` says what of the settings goes
//! along, `continuous` follows the server, `offline` is for the command line: listing, pruning, restoring.

mod continuous;
mod offline;
mod scope;
mod source;
mod statement;

pub(crate) use continuous::Continuous;
pub use offline::{Access, Choice, Place, list, open_place, prune_old, restore};
pub(crate) use source::{Of, Taken, copy};
pub(crate) use statement::BackupStatement;
pub use storno_transfer::{BackupHeader, Cancel, Listed, Progress, Pruned, Restored};
