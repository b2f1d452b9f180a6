//! A session's open transaction: rows not yet committed and the snapshot its reads see.
//!
//! Rows wait in memory and go to storage as one write batch at COMMIT, so that a transaction over
//! several tables is there as a whole or not at all. Unique keys are checked then.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{OnDuplicate, Snapshot, SyncMode, TableId, WriteBatch};

use crate::error::{Result, SqlError};

/// Bytes that one transaction may hold before it must commit.
const PENDING_BYTES_MAX: usize = 1 << 30;

#[derive(Debug, Default)]
pub struct Transaction {
    inserts: Vec<(TableId, RecordBatch)>,
    bytes: usize,
    /// Name and number of inserts at that time.
    savepoints: Vec<(String, usize)>,
    snapshot: Option<Snapshot>,
    /// Begun by BEGIN, not by the first statement without autocommit.
    explicit: bool,
    pub read_only: bool,
}

impl Transaction {
    pub fn explicit(read_only: bool) -> Self {
        Self {
            explicit: true,
            read_only,
            ..Self::default()
        }
    }

    pub fn implicit(read_only: bool) -> Self {
        Self {
            read_only,
            ..Self::default()
        }
    }

    /// Has it read or written, or was it begun by hand?
    pub fn has_begun(&self) -> bool {
        self.explicit || self.snapshot.is_some() || !self.inserts.is_empty()
    }

    /// The snapshot of this transaction's reads, taken by the first one.
    pub fn snapshot(&mut self, newest: impl FnOnce() -> Snapshot) -> Snapshot {
        self.snapshot.get_or_insert_with(newest).clone()
    }

    /// Rows not yet committed, by table.
    pub fn pending(&self) -> Arc<HashMap<TableId, Vec<RecordBatch>>> {
        let mut pending: HashMap<TableId, Vec<RecordBatch>> = HashMap::new();
        for (table, batch) in &self.inserts {
            pending.entry(*table).or_default().push(batch.clone());
        }
        Arc::new(pending)
    }

    pub fn insert(&mut self, table: TableId, batch: RecordBatch) -> Result<()> {
        if self.read_only {
            let text = "Cannot execute statement in a READ ONLY transaction.";
            return Err(SqlError::new(1792, "25006", text));
        }
        let bytes = self.bytes + batch.get_array_memory_size();
        if bytes > PENDING_BYTES_MAX {
            let text = "Multi-statement transaction required more than 1 GiB of memory; \
                        commit in smaller steps";
            return Err(SqlError::new(1197, "HY000", text));
        }
        self.bytes = bytes;
        self.inserts.push((table, batch));
        Ok(())
    }

    /// Sets a savepoint; one of the same name is replaced.
    pub fn savepoint(&mut self, name: String) {
        self.savepoints
            .retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
        self.savepoints.push((name, self.inserts.len()));
    }

    /// 1305 when there is no such savepoint.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at + 1);
        let length = self.savepoints.get(at).map_or(0, |(_, n)| *n);
        self.inserts.truncate(length);
        self.bytes = self
            .inserts
            .iter()
            .map(|(_, b)| b.get_array_memory_size())
            .sum();
        Ok(())
    }

    pub fn release(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at);
        Ok(())
    }

    fn find(&self, name: &str) -> Result<usize> {
        let found = self
            .savepoints
            .iter()
            .position(|(n, _)| n.eq_ignore_ascii_case(name));
        found
            .ok_or_else(|| SqlError::new(1305, "42000", format!("SAVEPOINT {name} does not exist")))
    }

    /// What COMMIT writes; `None` when there is nothing.
    pub fn into_batch(self, sync: SyncMode) -> Option<WriteBatch> {
        (!self.inserts.is_empty()).then_some(WriteBatch {
            inserts: self.inserts,
            deletes: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync,
        })
    }
}
