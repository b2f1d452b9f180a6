//! How a store is opened, and what of the world it is given: files, time, randomness, threads.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use parking_lot::Mutex;

use crate::fs::{Disk, FileSystem};
use crate::keys::KeyFolds;
use crate::{Division, Error, Result, TableSpec};

/// When a commit is acknowledged. `Durable` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SyncMode {
    /// Once queued; written and synced about once a second.
    Buffered,
    /// After write(2); fdatasync about once a second.
    Written,
    /// After fdatasync.
    Durable,
}

/// How a directory is opened.
#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    /// Memtable bytes that trigger a flush. About four times as much is held in memory before commits
    /// are made to wait.
    pub memtable_bytes: usize,
    /// A memtable that has taken no rows for so long is flushed, unless it has less than a 64th of
    /// `memtable_bytes`. Queries encode the rows of memtables anew each time.
    pub flush_at_rest: Duration,
    /// A memtable is flushed when its first row is so old, however few rows it has.
    pub flush_at_age: Duration,
    /// A commit with so many bytes of rows is written into segments on the thread that commits it, and
    /// the logs only name them: memory and the log then do not grow with it.
    pub bulk_bytes: usize,
    /// Zeros written into the log ahead of small commits, whose syncs are faster for it; 0: none.
    pub wal_ahead_bytes: usize,
    /// Rows of a full segment, of tables that do not say it.
    pub segment_rows: usize,
    /// Shards that the rows of a table with a shard key are parted into once there are enough of them, of
    /// tables that do not say it. May change between opens: files say where they belong.
    pub shards: u32,
    /// Bytes of decoded dictionaries kept for later scans.
    pub dictionary_cache_bytes: usize,
    /// Bytes of folded dictionaries kept for later queries: 8 for each entry and fold. Without them strings under
    /// a fold are folded whenever a query meets them. Sets of codes that passed a test take an eighth as much besides.
    pub folded_cache_bytes: usize,
    /// Bytes set aside for when the disk is full; 0: none.
    pub reserve_bytes: usize,
    /// How fast files are read in the background to compare them with their checksums; 0: not at all.
    pub scrub_bytes_per_second: u64,
    /// From the beginning of one pass through all files to that of the next, if it is over by then.
    pub scrub_interval: Duration,
    /// Which columns' values count in keys as something else than they are. A directory is always to be
    /// opened with the same.
    pub folds: Option<Arc<dyn KeyFolds>>,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            memtable_bytes: 64 << 20,
            flush_at_rest: Duration::from_secs(10),
            flush_at_age: Duration::from_secs(300),
            bulk_bytes: 64 << 20,
            wal_ahead_bytes: 256 << 10,
            segment_rows: 1 << 20,
            shards: 8,
            dictionary_cache_bytes: 256 << 20,
            folded_cache_bytes: 256 << 20,
            reserve_bytes: 4 << 20,
            scrub_bytes_per_second: 8 << 20,
            scrub_interval: Duration::from_secs(7 * 86_400),
            folds: None,
        }
    }

    pub(crate) fn check(&self) -> Result<()> {
        let division = Division {
            shards: Some(self.shards),
            segment_rows: Some(u32::try_from(self.segment_rows).unwrap_or(u32::MAX)),
        };
        division.check()
    }

    /// Rows of a full segment of a table.
    pub(crate) fn segment_rows_of(&self, spec: &TableSpec) -> u64 {
        let own = spec.division.segment_rows.map(u64::from);
        own.unwrap_or(self.segment_rows as u64)
    }

    /// Shards of a table.
    pub(crate) fn shards_of(&self, spec: &TableSpec) -> u32 {
        spec.division.shards.unwrap_or(self.shards)
    }
}

/// The time, for waiting and for the calendar.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Monotonic time since some fixed moment.
    fn now(&self) -> Duration;

    /// Time since 1970, which people set and may set back.
    fn wall(&self) -> Duration;
}

/// Where background work runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Schedule {
    /// On threads of the store.
    Threads,
    /// When the owner says so (`Store::run_writer`, `Store::run_job`), on the calling thread: one
    /// sequence of calls then always does the same.
    Manual,
}

/// What the store is given of the world. The default is the real one.
#[derive(Debug, Clone)]
pub struct Environment {
    pub fs: Arc<dyn FileSystem>,
    pub clock: Arc<dyn Clock>,
    /// Source of the database's number and of hash keys; `None` draws from the operating system.
    pub seed: Option<u64>,
    pub schedule: Schedule,
}

impl Default for Environment {
    fn default() -> Self {
        Self {
            fs: Arc::new(Disk),
            clock: Arc::new(SystemClock(Instant::now())),
            seed: None,
            schedule: Schedule::Threads,
        }
    }
}

impl Environment {
    /// A number nobody can foretell, unless a seed was given. `purpose` separates the numbers drawn.
    pub(crate) fn random(&self, purpose: u64) -> Result<u64> {
        match self.seed {
            Some(seed) => Ok(xxhash_rust::xxh3::xxh3_64_with_seed(
                &purpose.to_le_bytes(),
                seed,
            )),
            None => getrandom::u64().map_err(|e| Error::Io {
                operation: "draw random numbers from",
                path: PathBuf::from("the operating system"),
                kind: std::io::ErrorKind::Other,
                message: e.to_string(),
            }),
        }
    }
}

#[derive(Debug)]
struct SystemClock(Instant);

impl Clock for SystemClock {
    fn now(&self) -> Duration {
        self.0.elapsed()
    }

    fn wall(&self) -> Duration {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
        since.unwrap_or_default()
    }
}

/// Where the calendar of a `ManualClock` begins: 2026-01-01.
const MANUAL_START: Duration = Duration::from_secs(1_767_225_600);

/// A clock that moves when told to, from 2026-01-01 on.
#[derive(Debug, Default)]
pub struct ManualClock(Mutex<Duration>);

impl ManualClock {
    pub fn advance(&self, by: Duration) {
        *self.0.lock() += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Duration {
        *self.0.lock()
    }

    fn wall(&self) -> Duration {
        MANUAL_START + self.now()
    }
}
