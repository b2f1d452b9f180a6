//! What background care has done and found, for whoever watches a store.

use std::path::PathBuf;

use crate::{Error, Store, TableName};

/// Counts since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct CareStats {
    /// Runs of event keys that were merged into others, and those that were forgotten.
    pub runs_merged: u64,
    pub runs_forgotten: u64,
    /// Rows that retention deleted, and how many segments went as a whole.
    pub rows_expired: u64,
    pub segments_expired: u64,
    /// Sweeps that had deleted rows removed from the files.
    pub sweeps: u64,
    /// Files whose checksums were compared, their bytes, and how often all files were through.
    pub files_scrubbed: u64,
    pub bytes_scrubbed: u64,
    pub passes: u64,
    /// Key files that were damaged and made again.
    pub key_files_remade: u64,
}

/// A damaged file. What needs its damaged parts fails and says so; everything else goes on. Merges and rewrites
/// leave it alone, so that nothing of it is lost before somebody has looked.
#[derive(Debug, Clone)]
pub struct Quarantined {
    pub table: TableName,
    pub path: PathBuf,
    /// The first damage that was found.
    pub error: Error,
    /// Rows some column of which cannot be read, of so many; of a run of event keys, keys.
    pub rows_at_stake: u64,
    pub rows: u64,
}

impl Store {
    pub fn care_stats(&self) -> CareStats {
        *self.engine().shared.care_stats.lock()
    }

    /// Files that scrubbing found damaged and that are still in use.
    pub fn quarantined(&self) -> Vec<Quarantined> {
        let shared = &self.engine().shared;
        let version = shared.version();
        let mut quarantine = shared.quarantine.lock();
        quarantine.retain(|file, _| {
            let mut tables = version.tables.values();
            tables.any(|t| {
                let mut segments = t.segments.iter().map(|s| s.record.file);
                let mut runs = t.events.iter().map(|r| r.record.file);
                segments.any(|f| f == *file) || runs.any(|f| f == *file)
            })
        });
        quarantine.values().cloned().collect()
    }
}
