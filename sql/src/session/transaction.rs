//! A session's open transaction: changes not yet committed and the snapshot its reads see.
//!
//! Changes wait in memory and go to storage as one write batch at COMMIT, so that a transaction over
//! several tables is there as a whole or not at all. Unique keys are checked then.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{
    IfGone, OnDuplicate, PendingChanges, RowSelection, Snapshot, SyncMode, TableId, TableMeta,
    TableSnapshot, WriteBatch,
};

use crate::error::{Result, SqlError};
use crate::memory::rows_limit;

type Changes = BTreeMap<TableId, PendingChanges>;

#[derive(Debug, Default)]
pub struct Transaction {
    changes: Changes,
    /// Name and changes at that time.
    savepoints: Vec<(String, Changes)>,
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
        self.explicit || self.snapshot.is_some() || !self.changes.is_empty()
    }

    pub fn is_explicit(&self) -> bool {
        self.explicit
    }

    /// Has it read?
    pub fn has_read(&self) -> bool {
        self.snapshot.is_some()
    }

    /// Has it written?
    pub fn has_written(&self) -> bool {
        !self.changes.is_empty()
    }

    /// The snapshot of this transaction's statements, taken by the first one.
    pub fn snapshot(&mut self, newest: impl FnOnce() -> Snapshot) -> Snapshot {
        self.snapshot.get_or_insert_with(newest).clone()
    }

    /// The tables it has changed, as it sees them itself.
    pub fn changed(&self) -> Arc<HashMap<TableId, TableSnapshot>> {
        let changed = self.changes.iter();
        Arc::new(changed.map(|(id, c)| (*id, c.snapshot())).collect())
    }

    /// Their definitions.
    pub fn tables(&self) -> Vec<Arc<TableMeta>> {
        let changed = self.changes.values();
        changed.map(|c| Arc::clone(c.definition())).collect()
    }

    /// 1792 when it may only read.
    pub fn check_writable(&self) -> Result<()> {
        match self.read_only {
            true => {
                let text = "Cannot execute statement in a READ ONLY transaction.";
                Err(SqlError::new(1792, "25006", text))
            }
            false => Ok(()),
        }
    }

    /// Adds rows that come from outside to `table`, as the snapshot has it. Gives the numbers of those that
    /// are left out because their event is known.
    pub fn insert(&mut self, table: &TableSnapshot, rows: &RecordBatch) -> Result<Vec<u32>> {
        self.write(table, |pending| pending.arrive(rows))
    }

    /// Deletes rows chosen in what `changed` or the snapshot has of `table`, and adds others.
    pub fn replace(
        &mut self,
        table: &TableSnapshot,
        gone: &RowSelection,
        rows: Option<&RecordBatch>,
    ) -> Result<()> {
        self.write(table, |pending| {
            pending.delete(gone, IfGone::Conflict)?;
            rows.map_or(Ok(()), |rows| pending.insert(rows))
        })
    }

    /// The changes of a table so far, to be changed further and given back to `set_changes`; 1412 when
    /// those are of another definition of it.
    pub fn changes(&self, table: &TableSnapshot) -> Result<PendingChanges> {
        match self.changes.get(&table.meta().id) {
            None => Ok(table.pending()),
            Some(known) if known.definition().is_same(table.meta()) => Ok(known.clone()),
            Some(_) => Err(SqlError::table_changed()),
        }
    }

    fn write<T>(
        &mut self,
        table: &TableSnapshot,
        change: impl FnOnce(&mut PendingChanges) -> storno_storage::Result<T>,
    ) -> Result<T> {
        self.check_writable()?;
        // A value: what fails half-way leaves no trace.
        let mut pending = self.changes(table)?;
        let done = change(&mut pending)?;
        self.set_changes(pending)?;
        Ok(done)
    }

    /// 1197 when they are too many.
    pub fn set_changes(&mut self, pending: PendingChanges) -> Result<()> {
        let id = pending.table();
        let others = self.changes.iter().filter(|(other, _)| **other != id);
        let bytes = others.map(|(_, c)| c.bytes()).sum::<u64>() + pending.bytes();
        if bytes > rows_limit() as u64 {
            let mib = rows_limit() >> 20;
            let text = format!(
                "Multi-statement transaction required more than {mib} MiB of memory; commit in smaller steps"
            );
            return Err(SqlError::new(1197, "HY000", text));
        }
        self.changes.insert(id, pending);
        Ok(())
    }

    /// Sets a savepoint; one of the same name is replaced.
    pub fn savepoint(&mut self, name: String) {
        self.savepoints
            .retain(|(n, _)| !n.eq_ignore_ascii_case(&name));
        self.savepoints.push((name, self.changes.clone()));
    }

    /// 1305 when there is no such savepoint.
    pub fn rollback_to(&mut self, name: &str) -> Result<()> {
        let at = self.find(name)?;
        self.savepoints.truncate(at + 1);
        if let Some((_, changes)) = self.savepoints.get(at) {
            self.changes = changes.clone();
        }
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
    pub fn into_batch(self, sync: SyncMode) -> Result<Option<WriteBatch>> {
        let mut batch = WriteBatch {
            inserts: Vec::new(),
            deletes: Vec::new(),
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync,
        };
        for changes in self.changes.values() {
            changes.add_to(&mut batch)?;
        }
        let nothing =
            batch.inserts.is_empty() && batch.arrivals.is_empty() && batch.deletes.is_empty();
        Ok((!nothing).then_some(batch))
    }
}
