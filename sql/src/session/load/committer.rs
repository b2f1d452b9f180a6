//! The thread that hands a load's rows to storage while the next ones are read. Of a table without an
//! event key all of them become visible in one commit, or none.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{Error as StorageError, Load, OnDuplicate, TableId};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use super::loader::Built;
use super::parts::Parts;
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::functions::warnings::Sink;
use crate::insert::{duplicate_entry, warn_repeated};
use crate::known::KnownTable;
use crate::types::{TableDefinition, TimeZone};

/// Batches between the two threads.
const QUEUE: usize = 2;

/// Bytes of invalid rows that one load may have: they are committed with the others at its end.
const INVALID_BYTES_MAX: usize = 256 << 20;

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
    pub(super) aside: Option<TableId>,
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
        let task = pool.spawn_blocking(move || Way::new(&own, target)?.run(receiver));
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

/// The way into storage.
enum Way {
    Whole(Box<Whole>),
    Parts(Box<Parts>),
}

impl Way {
    fn new(engine: &Engine, target: Target) -> Result<Self> {
        let Target {
            table,
            aside,
            on_duplicate,
            time_zone,
            sink,
            notes,
        } = target;
        if table.meta.spec.event_key.is_none() {
            let load = engine.store().load(table.meta.id, on_duplicate)?;
            return Ok(Self::Whole(Box::new(Whole {
                load,
                table,
                time_zone,
                sink,
                kept: Vec::new(),
                kept_bytes: 0,
                aside,
                invalid: Vec::new(),
                invalid_bytes: 0,
            })));
        }
        Ok(Self::Parts(Box::new(Parts {
            engine: engine.clone(),
            table,
            time_zone,
            aside,
            on_duplicate,
            sync: engine.sync_mode(),
            sink,
            notes,
            gathered: Vec::new(),
            invalid: Vec::new(),
            bytes: 0,
            total: Total::default(),
        })))
    }

    fn run(mut self, mut batches: mpsc::Receiver<Option<Built>>) -> Result<Total> {
        loop {
            match (batches.blocking_recv(), &mut self) {
                (Some(Some(batch)), Self::Whole(whole)) => whole.push(batch)?,
                (Some(Some(batch)), Self::Parts(parts)) => parts.push(batch)?,
                (Some(None), _) => break,
                (None, _) => return Err(SqlError::interrupted()),
            }
        }
        match self {
            Self::Whole(whole) => whole.commit(),
            Self::Parts(parts) => parts.commit(),
        }
    }
}

/// One commit whose errors name values of the first rows.
struct Whole {
    load: Load,
    table: Arc<KnownTable>,
    time_zone: TimeZone,
    sink: Sink,
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
    aside: Option<TableId>,
    /// Rows that cannot be stored: few, or the file is another table's.
    invalid: Vec<RecordBatch>,
    invalid_bytes: usize,
}

impl Whole {
    fn push(&mut self, batch: Built) -> Result<()> {
        if let Some(invalid) = batch.aside {
            self.invalid_bytes += invalid.get_array_memory_size();
            self.invalid.push(invalid);
            if self.invalid_bytes > INVALID_BYTES_MAX {
                let text = "Out of memory; the file has more than 256 MiB of invalid rows, \
                            load it in smaller parts";
                return Err(SqlError::new(1041, "HY000", text));
            }
        }
        let batch = batch.rows;
        if self.kept_bytes < KEPT_BYTES {
            self.kept_bytes += batch.get_array_memory_size();
            self.kept.push(batch.clone());
        }
        let pushed = self.load.push(batch);
        pushed.map_err(|error| named(error, &self.table, &self.kept, self.time_zone))
    }

    fn commit(self) -> Result<Total> {
        let invalid: u64 = self.invalid.iter().map(|b| b.num_rows() as u64).sum();
        let others = self.invalid.into_iter();
        let others = others.filter_map(|rows| Some((self.aside?, rows)));
        let commit = self.load.commit_with(others.collect());
        let commit =
            commit.map_err(|error| named(error, &self.table, &self.kept, self.time_zone))?;
        let repeated = (self.kept.as_slice(), commit.repeated.as_slice());
        let before = self.sink.total();
        warn_repeated(&self.sink, &self.table, repeated, self.time_zone);
        // The others are counted.
        let listed = self.sink.total() - before;
        self.sink.count_more(commit.rows_skipped - listed);
        Ok(Total {
            inserted: commit.rows_inserted - invalid,
            skipped: commit.rows_skipped,
        })
    }
}

/// 1062 where the row that repeats a key is at hand.
pub(super) fn named(
    error: StorageError,
    table: &TableDefinition,
    batches: &[RecordBatch],
    time_zone: TimeZone,
) -> SqlError {
    let rows = match &error {
        StorageError::DuplicateKey { batch, .. } => batches.get(*batch),
        _ => None,
    };
    match rows {
        Some(rows) => duplicate_entry(error, table, rows, time_zone),
        None => error.into(),
    }
}
