//! The thread that hands a load's rows to storage while the next ones are read. All of them become visible in
//! one commit, or none; into a table with an event key, whose keys are held in memory, in one for every so many.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{Commit, Error as StorageError, Load, OnDuplicate, TableMeta};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::loader::Built;
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::functions::warnings::Sink;
use crate::insert::{duplicate_entry, note_resent, warn_repeated};
use crate::known::KnownTable;
use crate::memory::held_bytes;
use crate::types::TimeZone;

/// Batches between the two threads.
const QUEUE: usize = 2;

/// Bytes of invalid rows that one load may have: they are committed with the others at its end.
const INVALID_BYTES_MAX: usize = 256 << 20;

/// Rows of one commit into a table with an event key: each has some 64 bytes of keys in memory.
const EVENTS_MAX: u64 = 8 << 20;

/// Rows kept to name a repeated key by its values; later ones are named without.
const KEPT_BYTES: usize = 32 << 20;

/// Takes batches until it is told to commit. Dropped before, it leaves nothing behind but parts that are
/// committed.
pub(super) struct Committer {
    /// `None`: commit.
    batches: mpsc::Sender<Option<Built>>,
    task: JoinHandle<Result<Total>>,
    engine: Engine,
}

/// Rows of a load.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Total {
    pub(super) inserted: u64,
    pub(super) skipped: u64,
}

/// What a load goes into.
pub(super) struct Target {
    pub(super) table: Arc<KnownTable>,
    /// The table for rows that cannot be stored.
    pub(super) aside: Option<Arc<TableMeta>>,
    pub(super) on_duplicate: OnDuplicate,
    pub(super) time_zone: TimeZone,
    /// Where rows that are left out are listed.
    pub(super) sink: Sink,
    /// Whether those that had come before are (`sql_notes`).
    pub(super) notes: bool,
}

impl Committer {
    pub(super) fn start(engine: &Engine, target: Target) -> Result<Self> {
        let (batches, receiver) = mpsc::channel(QUEUE);
        let engine = engine.clone();
        let pool = engine.pool()?.clone();
        let own = engine.clone();
        let task = pool.spawn_blocking(move || Way::new(own, target)?.run(receiver));
        Ok(Self {
            batches,
            task,
            engine,
        })
    }

    /// Waits until there is room.
    pub(super) fn push(self, batch: Built) -> Result<Self> {
        match self.batches.blocking_send(Some(batch)) {
            Ok(()) => Ok(self),
            // It has ended and says why.
            Err(_) => self
                .join()
                .and(Err(SqlError::internal("a commit too early"))),
        }
    }

    pub(super) fn commit(self) -> Result<Total> {
        // One that has ended says so below.
        let _ = self.batches.blocking_send(None);
        self.join()
    }

    /// Waits until it has ended. There is an error already: what ended it does not matter.
    pub(super) fn give_up(self) {
        drop(self.batches);
        if let Ok(pool) = self.engine.pool() {
            let _ = pool.block_on(self.task);
        }
    }

    fn join(self) -> Result<Total> {
        let joined = self.engine.pool()?.block_on(self.task);
        joined.map_err(|e| SqlError::internal(e.to_string()))?
    }
}

/// Rows on their way into storage.
struct Way {
    engine: Engine,
    target: Target,
    load: Load,
    /// Rows of the commit under way.
    rows: u64,
    /// The first of them, whose values errors and notes name.
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
    /// Rows that cannot be stored: few, or the file is another table's.
    invalid: Vec<RecordBatch>,
    invalid_bytes: usize,
    total: Total,
}

impl Way {
    fn new(engine: Engine, target: Target) -> Result<Self> {
        Ok(Self {
            load: begin(&engine, &target)?,
            engine,
            target,
            rows: 0,
            kept: Vec::new(),
            kept_bytes: 0,
            invalid: Vec::new(),
            invalid_bytes: 0,
            total: Total::default(),
        })
    }

    fn run(mut self, mut batches: mpsc::Receiver<Option<Built>>) -> Result<Total> {
        loop {
            match batches.blocking_recv() {
                Some(Some(batch)) => self.push(batch)?,
                Some(None) => return self.commit().map(|way| way.total),
                None => return Err(SqlError::interrupted()),
            }
            if self.rows >= EVENTS_MAX && self.target.table.meta.spec.event_key.is_some() {
                self = self.commit()?;
            }
        }
    }

    fn push(&mut self, batch: Built) -> Result<()> {
        if let Some(invalid) = batch.aside {
            self.invalid_bytes += held_bytes(&invalid);
            self.invalid.push(invalid);
            if self.invalid_bytes > INVALID_BYTES_MAX {
                let text = "Out of memory; the file has more than 256 MiB of invalid rows, \
                            load it in smaller parts";
                return Err(SqlError::new(1041, "HY000", text));
            }
        }
        let batch = batch.rows;
        self.rows += batch.num_rows() as u64;
        if self.kept_bytes < KEPT_BYTES {
            self.kept_bytes += held_bytes(&batch);
            self.kept.push(batch.clone());
        }
        let pushed = self.load.push(batch);
        pushed.map_err(|error| named(error, &self.target, &self.kept))
    }

    /// Commits what has come, and begins anew.
    fn commit(self) -> Result<Self> {
        let Self {
            engine,
            target,
            load,
            kept,
            invalid,
            mut total,
            ..
        } = self;
        let aside: u64 = invalid.iter().map(|b| b.num_rows() as u64).sum();
        let others = invalid.into_iter();
        let others = others.filter_map(|rows| Some((target.aside.as_ref()?.id, rows)));
        let commit = load.commit_with(others.collect());
        let commit = commit.map_err(|error| named(error, &target, &kept))?;
        engine.count_resent(commit.rows_resent());
        tell(&target, &kept, &commit);
        total.inserted += commit.rows_inserted - aside;
        total.skipped += commit.rows_skipped;
        let total_so_far = total;
        let mut next = Self::new(engine, target)?;
        next.total = total_so_far;
        Ok(next)
    }
}

fn begin(engine: &Engine, target: &Target) -> Result<Load> {
    let (table, aside) = (&target.table.meta, target.aside.clone());
    let store = engine.store();
    Ok(store.load_made_for(table, aside, target.on_duplicate)?)
}

/// Lists the rows that were left out, as far as they are at hand, and counts the others.
fn tell(target: &Target, kept: &[RecordBatch], commit: &Commit) {
    let (sink, table, zone) = (&target.sink, &target.table, target.time_zone);
    let before = sink.total();
    warn_repeated(sink, table, (kept, &commit.repeated), zone);
    let mut expected = commit.rows_skipped - commit.rows_resent();
    if target.notes {
        expected += commit.rows_resent();
        for (rows, resent) in kept.iter().zip(&commit.resent) {
            note_resent(sink, table, (rows, resent), zone);
        }
    }
    let listed = sink.total() - before;
    sink.count_more(expected.saturating_sub(listed));
}

/// 1062 where the row that repeats a key is at hand.
fn named(error: StorageError, target: &Target, batches: &[RecordBatch]) -> SqlError {
    let rows = match &error {
        StorageError::DuplicateKey { batch, .. } => batches.get(*batch),
        _ => None,
    };
    match rows {
        Some(rows) => duplicate_entry(error, &target.table, rows, target.time_zone),
        None => error.into(),
    }
}
