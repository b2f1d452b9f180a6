//! CONTRACT STUB, to be replaced: the public face of the store.
#![allow(clippy::unimplemented, unused_variables)]

use std::path::PathBuf;
use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::{Predicate, Result, TableId, TableMeta, TableSpec};

/// When a commit is acknowledged. `Durable` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// After fdatasync.
    Durable,
    /// After write(2); fdatasync about once a second.
    Written,
    /// Once queued; written and synced about once a second.
    Buffered,
}

/// How a directory is opened.
#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    /// Memtable bytes that trigger a flush.
    pub memtable_bytes: usize,
    /// Rows of a full segment.
    pub segment_rows: usize,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self { dir: dir.into(), memtable_bytes: 64 << 20, segment_rows: 1 << 20 }
    }
}

/// An open data directory. Cheap to clone; the last clone dropped flushes nothing but stops the threads
/// cleanly (the WAL holds what is not flushed).
#[derive(Debug, Clone)]
pub struct Store {}

/// What to do with a row whose unique key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The whole write batch fails with `Error::DuplicateKey`.
    Fail,
    /// The row is left out and counted.
    Skip,
}

/// Rows for any number of tables, committed together or not at all.
#[derive(Debug)]
pub struct WriteBatch {
    /// The batch must have exactly the table's arrow schema.
    pub inserts: Vec<(TableId, RecordBatch)>,
    pub on_duplicate: OnDuplicate,
    pub sync: SyncMode,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub sequence: u64,
    pub rows_inserted: u64,
    pub rows_skipped: u64,
}

impl Store {
    /// Locks the directory (created when missing), recovers, starts the background threads.
    pub fn open(options: Options) -> Result<Self> {
        unimplemented!()
    }
    /// Pins the newest committed state: catalog and rows.
    pub fn snapshot(&self) -> Snapshot {
        unimplemented!()
    }
    pub fn create_schema(&self, name: &str, attributes: &str) -> Result<()> {
        unimplemented!()
    }
    /// Drops the schema and its tables.
    pub fn drop_schema(&self, name: &str) -> Result<()> {
        unimplemented!()
    }
    pub fn create_table(&self, schema: &str, spec: TableSpec) -> Result<TableId> {
        unimplemented!()
    }
    pub fn drop_table(&self, schema: &str, table: &str) -> Result<()> {
        unimplemented!()
    }
    /// Empties the table at once.
    pub fn truncate_table(&self, schema: &str, table: &str) -> Result<()> {
        unimplemented!()
    }
    /// A durable key-value pair of the layer above (accounts, settings). `None` removes it.
    pub fn set_property(&self, key: &str, value: Option<&str>) -> Result<()> {
        unimplemented!()
    }
    pub fn property(&self, key: &str) -> Option<String> {
        unimplemented!()
    }
    /// Takes the next `count` values of the table's counter; returns the first. Never hands out a value
    /// at or below one that is stored.
    pub fn reserve_ids(&self, table: TableId, count: u64) -> Result<u64> {
        unimplemented!()
    }
    /// Queues a commit; `done` is called once from the WAL thread when it is durable and visible, or has failed.
    pub fn submit(&self, batch: WriteBatch, done: Box<dyn FnOnce(Result<Commit>) + Send>) {
        unimplemented!()
    }
    /// `submit` and wait.
    pub fn commit(&self, batch: WriteBatch) -> Result<Commit> {
        unimplemented!()
    }
    /// Writes every memtable into segments and waits for it.
    pub fn flush(&self) -> Result<()> {
        unimplemented!()
    }
}

/// One committed state; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {}

impl Snapshot {
    /// Commit sequence the snapshot stands at.
    pub fn sequence(&self) -> u64 {
        unimplemented!()
    }
    /// Schema names with their attributes, sorted by name.
    pub fn schemas(&self) -> Vec<(String, String)> {
        unimplemented!()
    }
    /// `None` when the schema does not exist; else its tables sorted by name.
    pub fn tables(&self, schema: &str) -> Option<Vec<Arc<TableMeta>>> {
        unimplemented!()
    }
    pub fn table(&self, schema: &str, table: &str) -> Option<TableSnapshot> {
        unimplemented!()
    }
}

/// One table in one snapshot.
#[derive(Debug, Clone)]
pub struct TableSnapshot {}

impl TableSnapshot {
    pub fn meta(&self) -> &Arc<TableMeta> {
        unimplemented!()
    }
    pub fn rows(&self) -> u64 {
        unimplemented!()
    }
    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        unimplemented!()
    }
    /// Prunes at once; reads nothing but metadata.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        unimplemented!()
    }
}

/// Which columns (positions in the table, in output order; may be empty to count rows) and which conditions.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    pub columns: Vec<usize>,
    /// A conjunction. The scan returns a superset of the rows that satisfy it.
    pub predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    pub segments_total: u64,
    pub segments_kept: u64,
    pub blocks_total: u64,
    pub blocks_kept: u64,
    /// Rows and (encoded) bytes after pruning.
    pub rows: u64,
    pub bytes: u64,
}

/// A pruned scan, cut into pieces for parallel reading.
#[derive(Debug)]
pub struct Scan {}

impl Scan {
    pub fn stats(&self) -> ScanStats {
        unimplemented!()
    }
    /// Pieces of about 64 Ki rows, each readable on any thread.
    pub fn into_morsels(self) -> Vec<Morsel> {
        unimplemented!()
    }
}

/// A piece of a scan; an iterator of record batches (at most 8,192 rows each).
#[derive(Debug)]
pub struct Morsel {}

impl Iterator for Morsel {
    type Item = Result<RecordBatch>;
    fn next(&mut self) -> Option<Self::Item> {
        unimplemented!()
    }
}
