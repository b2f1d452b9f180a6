//! Backups: files that make up one state of a database, in a place that holds as many states as were put there.
//!
//! ```text
//! files/<number>-<identity>.seg      a file that never changes, once for all backups that have it
//! backups/<id>/MANIFEST, wal/..      files of one backup
//! backups/<id>.manifest              what the backup consists of; while it is there, so is all of it
//! backups/continuous-<database>..    the same of a backup that is renewed all the time, its log in pieces
//! backups/<id>.running               the backup is under way, or was when it was killed
//! prune.running                      the same of what removes backups
//! ```
//!
//! `manifest` is the list of files, `copy` brings them there, `places` says what is there, `restore` brings them
//! back, `ship` renews a backup, `owner` knows whose it is, `prune` removes what is not wanted any more. What the files
//! mean is the caller's business.
//!
//! INVARIANT: a manifest is written after all files that it names, and removed before any of them.

mod copy;
mod manifest;
mod owner;
mod places;
mod prune;
mod restore;
mod ship;

use chrono::{DateTime, Utc};

use crate::error::{BoxError, Result};
use crate::place::Place;

pub use copy::backup;
pub use manifest::BackupHeader;
pub(crate) use manifest::hex;
pub use places::{Backups, Listed};
pub use prune::{Pruned, prune};
pub use restore::{Restored, SinkFile, restore};
pub use ship::Shipper;

/// A file to be copied.
pub trait SourceFile: Send + Sync {
    /// Below the directory that is backed up.
    fn name(&self) -> &str;

    /// A word that no other content has; `None`: the file is of this backup only.
    fn identity(&self) -> Option<String>;

    fn bytes(&self) -> u64;

    /// Whether a later state has the same bytes, and perhaps more, under this name.
    fn grows(&self) -> bool;

    /// Hands over all bytes from an offset on, piece by piece. A file that is not as it should be fails.
    ///
    /// # Errors
    /// Those of `take`, and what is wrong with the file.
    fn read(&self, from: u64, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<(), BoxError>;
}

/// What is to be backed up, and where to.
pub struct BackupSpec {
    /// Its path is the directory of all backups.
    pub place: Place,
    /// What people are told it is of.
    pub title: String,
    /// The number of the database.
    pub database: u64,
    pub sequence: u64,
    pub moment: DateTime<Utc>,
    /// Of the program.
    pub version: String,
    pub files: Vec<Box<dyn SourceFile>>,
    /// Files on their way at once.
    pub threads: usize,
}

impl std::fmt::Debug for BackupSpec {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("BackupSpec")
            .field("place", &self.place)
            .field("files", &self.files.len())
            .finish_non_exhaustive()
    }
}

/// A backup that is whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackedUp {
    pub id: String,
    pub files: u64,
    pub bytes: u64,
    /// Those that had not been there.
    pub new_files: u64,
    pub new_bytes: u64,
    /// URL of the manifest.
    pub manifest: String,
}
