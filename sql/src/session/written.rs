//! What a commit has to say of its rows: keys that they repeat, events that had come before.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{Commit, Error as StorageError, TableId, TableMeta, WriteBatch};

use super::Session;
use super::variables::known;
use crate::error::{Result, SqlError};
use crate::insert::{duplicate_entry, note_resent};
use crate::types::TableDefinition;

/// The rows of a commit, as its errors and its result number them.
pub(super) struct Written {
    rows: Vec<(TableId, RecordBatch)>,
    /// How many of them are no arrivals.
    inserts: usize,
    /// The tables they are of.
    tables: Vec<Arc<TableMeta>>,
}

impl Written {
    pub(super) fn of(batch: &WriteBatch, tables: Vec<Arc<TableMeta>>) -> Self {
        let rows = batch.inserts.iter().chain(&batch.arrivals);
        Self {
            rows: rows.cloned().collect(),
            inserts: batch.inserts.len(),
            tables,
        }
    }

    fn table(&self, id: TableId) -> Result<TableDefinition> {
        let meta = self.tables.iter().find(|meta| meta.id == id);
        let meta = meta.ok_or_else(|| SqlError::internal("rows of an unknown table"))?;
        TableDefinition::read(Arc::clone(meta))
    }
}

impl Session {
    /// Commits the changes of several statements.
    pub(super) async fn write(
        &mut self,
        batch: WriteBatch,
        tables: Vec<Arc<TableMeta>>,
    ) -> Result<()> {
        let written = Written::of(&batch, tables.clone());
        match self.submit(batch, tables).await? {
            Ok(commit) => self.note_all_resent(&written, &commit).map(drop),
            Err(error) => Err(self.repeated_key(error, &written)),
        }
    }

    /// 1062 for a row of a commit that repeats a key; any other error as it is.
    pub(super) fn repeated_key(&self, error: StorageError, written: &Written) -> SqlError {
        let StorageError::DuplicateKey { batch, .. } = &error else {
            return error.into();
        };
        let found = written.rows.get(*batch);
        match found.map(|(id, rows)| (written.table(*id), rows)) {
            Some((Ok(table), rows)) => duplicate_entry(error, &table, rows, self.time_zone()),
            _ => error.into(),
        }
    }

    /// Counts and lists the rows of a commit that had come before; how many there were.
    pub(super) fn note_all_resent(&mut self, written: &Written, commit: &Commit) -> Result<u64> {
        let arrivals = written.rows.get(written.inserts..).unwrap_or_default();
        for ((id, rows), resent) in arrivals.iter().zip(&commit.resent) {
            if !resent.is_empty() {
                self.note_resent(&written.table(*id)?, rows, resent);
            }
        }
        Ok(commit.rows_resent())
    }

    /// Counts rows that had come before, and lists them as notes; how many notes there are.
    pub(super) fn note_resent(
        &mut self,
        table: &TableDefinition,
        batch: &RecordBatch,
        rows: &[u32],
    ) -> u64 {
        self.engine.count_resent(rows.len() as u64);
        let before = self.sink.total();
        let zone = self.time_zone();
        if self.variables.is_on(known!("sql_notes")) {
            note_resent(&self.sink, table, (batch, rows), zone);
        }
        self.sink.total() - before
    }
}
