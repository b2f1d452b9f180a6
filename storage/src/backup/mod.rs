//! Copies of the store for safe keeping: which files make up one committed state, and putting them together
//! again somewhere else. Where the copies go is decided above.
//!
//! `capture` fixes a state on the writer's thread, `file` reads what it consists of, `log` takes the rows of
//! other schemas out of the log, `restore` makes a directory of files that come one by one.
//!
//! A copy is the data directory as it would be found after a power cut at that moment: a manifest that begins
//! and ends with a checkpoint, the files that it names, and the log up to there. Key files are left out:
//! they are derived, and the next open makes them again.

mod capture;
mod file;
mod log;
mod restore;

use std::time::Duration;

pub use capture::BackupScope;
pub use file::{BackupBytes, BackupFile};
pub use restore::{Restore, RestoreFile};

pub(crate) use restore::refuse_unfinished;

/// One committed state. Its files stay while they are held here, whatever becomes of the tables.
#[derive(Debug)]
pub struct Backup {
    /// The last commit in it.
    pub sequence: u64,
    /// Number of the last change of the catalog or the files: with `sequence` it tells states apart.
    pub edit: u64,
    /// When it was the newest one, since 1970.
    pub moment: Duration,
    /// The number of the database, which a restored copy shares.
    pub database: u64,
    pub tables: u64,
    /// Rows in segments, deleted ones too.
    pub rows: u64,
    /// The manifest comes last.
    pub files: Vec<BackupFile>,
}
