//! The thread that hands a load's rows to storage while the next ones are read. All of them become
//! visible in one commit, or none.

use arrow::array::RecordBatch;
use storno_storage::{Commit, Error as StorageError, OnDuplicate};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::insert::duplicate_entry;
use crate::types::{TableDefinition, TimeZone};

/// Batches between the two threads.
const QUEUE: usize = 2;

/// Rows kept to name a repeated key by its values; later ones are named without.
const KEPT_BYTES: usize = 32 << 20;

/// Takes batches until it is told to commit. Dropped before, it leaves nothing behind.
pub(super) struct Committer {
    /// `None`: commit.
    batches: mpsc::Sender<Option<RecordBatch>>,
    task: JoinHandle<Result<Commit>>,
    engine: Engine,
}

impl Committer {
    pub(super) fn start(
        engine: &Engine,
        table: &TableDefinition,
        on_duplicate: OnDuplicate,
        time_zone: TimeZone,
    ) -> Result<Self> {
        let (batches, receiver) = mpsc::channel(QUEUE);
        let (store, table) = (engine.store().clone(), table.clone());
        let task = engine.pool()?.spawn_blocking(move || {
            let mut named = Named::new(table, time_zone);
            let load = store.load(named.table.meta.id, on_duplicate)?;
            named.run(load, receiver)
        });
        let engine = engine.clone();
        Ok(Self {
            batches,
            task,
            engine,
        })
    }

    /// Waits until there is room.
    pub(super) fn push(self, batch: RecordBatch) -> Result<Self> {
        match self.batches.blocking_send(Some(batch)) {
            Ok(()) => Ok(self),
            // It has ended and says why.
            Err(_) => self
                .join()
                .and(Err(SqlError::internal("a commit too early"))),
        }
    }

    pub(super) fn commit(self) -> Result<Commit> {
        // One that has ended says so below.
        let _ = self.batches.blocking_send(None);
        self.join()
    }

    fn join(self) -> Result<Commit> {
        let joined = self.engine.pool()?.block_on(self.task);
        joined.map_err(|e| SqlError::internal(e.to_string()))?
    }
}

/// A table whose errors name values of the first rows.
struct Named {
    table: TableDefinition,
    time_zone: TimeZone,
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
}

impl Named {
    fn new(table: TableDefinition, time_zone: TimeZone) -> Self {
        Self {
            table,
            time_zone,
            kept: Vec::new(),
            kept_bytes: 0,
        }
    }

    fn run(
        &mut self,
        mut load: storno_storage::Load,
        mut batches: mpsc::Receiver<Option<RecordBatch>>,
    ) -> Result<Commit> {
        loop {
            match batches.blocking_recv() {
                Some(Some(batch)) => {
                    if self.kept_bytes < KEPT_BYTES {
                        self.kept_bytes += batch.get_array_memory_size();
                        self.kept.push(batch.clone());
                    }
                    load.push(batch).map_err(|e| self.error(e))?;
                }
                Some(None) => return load.commit().map_err(|e| self.error(e)),
                None => return Err(SqlError::interrupted()),
            }
        }
    }

    fn error(&self, error: StorageError) -> SqlError {
        let rows = match &error {
            StorageError::DuplicateKey { batch, .. } => self.kept.get(*batch),
            _ => None,
        };
        match rows {
            Some(rows) => duplicate_entry(error, &self.table, rows, self.time_zone),
            None => error.into(),
        }
    }
}
