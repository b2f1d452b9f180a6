//! REPLACE, ON DUPLICATE KEY UPDATE and, inside transactions, INSERT IGNORE: rounds over the changes of
//! a table until no row is left.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::filter;
use arrow::datatypes::UInt64Type;
use datafusion::common::TableReference;
use futures::StreamExt;
use storno_storage::{IfGone, OnDuplicate, PendingChanges, TableSnapshot, WriteBatch};

use super::Session;
use crate::change::{Assignments, Met, OnConflict, Updater, round, table_of};
use crate::error::{Result, SqlError};
use crate::select::compile_over;
use crate::select::table::SnapshotTable;
use crate::types::TableDefinition;

/// How often a statement is run before it gives up against other writers.
const ATTEMPTS: usize = 10;

/// Rows to be inserted into a table with unique keys.
#[derive(Clone)]
pub(super) struct Upsert {
    /// As the transaction sees it.
    pub table: TableSnapshot,
    pub rows: RecordBatch,
    pub on_conflict: OnConflict,
    pub assignments: Option<Assignments>,
}

/// What the client is told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub affected: u64,
    pub duplicates: u64,
    pub warnings: u64,
}

impl Counts {
    pub fn inserted(rows: u64) -> Self {
        Self {
            affected: rows,
            ..Self::default()
        }
    }
}

impl Session {
    pub(super) async fn upsert(&mut self, upsert: Upsert) -> Result<Counts> {
        if let Some(transaction) = self.open_transaction() {
            let pending = transaction.changes(&upsert.table);
            let (pending, counts) = self.rounds(&upsert, pending).await?;
            if let Some(transaction) = self.open_transaction() {
                transaction.set_changes(pending)?;
            }
            return Ok(counts);
        }
        let mut upsert = upsert;
        for _ in 0..ATTEMPTS {
            let (pending, counts) = self.rounds(&upsert, upsert.table.pending()).await?;
            let mut batch = WriteBatch {
                inserts: Vec::new(),
                deletes: Vec::new(),
                on_duplicate: OnDuplicate::Fail,
                sync: self.engine.sync_mode(),
            };
            pending.add_to(&mut batch)?;
            if batch.inserts.is_empty() && batch.deletes.is_empty() {
                return Ok(counts);
            }
            use storno_storage::Error as Storage;
            match self.submit(batch).await? {
                Ok(_) => return Ok(counts),
                // Somebody else was faster: look again.
                Err(Storage::Conflict { .. } | Storage::DuplicateKey { .. }) => {
                    let meta = upsert.table.meta();
                    let view = self.catalog_view();
                    upsert.table = view.table(Some(&meta.schema), &meta.spec.name)?;
                }
                Err(error) => return Err(error.into()),
            }
        }
        let text = "Lock wait timeout exceeded; try restarting transaction";
        Err(SqlError::new(1205, "HY000", text))
    }

    async fn rounds(
        &mut self,
        upsert: &Upsert,
        mut pending: PendingChanges,
    ) -> Result<(PendingChanges, Counts)> {
        let mut counts = Counts::default();
        let mut rest = upsert.rows.clone();
        while rest.num_rows() > 0 {
            let (mode, rows) = (upsert.on_conflict, rest);
            let work = move || round(pending, &rows, mode);
            let done = self.engine.pool()?.spawn_blocking(work).await;
            let done = done.map_err(|e| SqlError::internal(e.to_string()))??;
            counts.affected += done.inserted + done.replaced;
            counts.duplicates += done.replaced + done.skipped;
            (pending, rest) = (done.pending, done.rest);
            if let (Some(met), Some(assignments)) = (done.met, &upsert.assignments) {
                let changed = self.update_met(&mut pending, &met, assignments).await?;
                let unchanged = met.positions.len() as u64 - changed;
                counts.affected += 2 * changed;
                counts.affected += if self.context.found_rows {
                    unchanged
                } else {
                    0
                };
                counts.duplicates += changed;
            }
        }
        Ok((pending, counts))
    }

    /// Updates the stored rows that new ones met; how many changed.
    async fn update_met(
        &mut self,
        pending: &mut PendingChanges,
        met: &Met,
        assignments: &Assignments,
    ) -> Result<u64> {
        let table = pending.snapshot();
        let meta = Arc::clone(table.meta());
        let definition = TableDefinition::read(Arc::clone(&meta))?;
        let columns = assignments.columns.clone();
        let mut updater = Updater::new(&definition, columns, self.settings())?;
        let shown = SnapshotTable::try_new(table.clone(), self.time_zone())?;
        let rows = table_of(
            &Met {
                positions: met.positions.clone(),
                old: shown.localized(&met.old)?,
                new: shown.localized(&met.new)?,
            },
            shown.arrow_schema(),
        )?;
        let query = assignments.query(Some(&meta.schema), &meta.spec.name)?;
        let name = TableReference::partial(meta.schema.clone(), meta.spec.name.clone());
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let work = move || compile_over(&query, (name, rows), &view, &state, &env);
        let plan = self.engine.planning().run(work).await?;
        let mut batches = self.found(plan)?;
        while let Some(batch) = batches.next().await {
            updater.push(&batch?)?;
        }
        let (rows, changed, warnings) = updater.finish_with(&met.old)?;
        self.warn(warnings.list);
        if rows.num_rows() > 0 {
            let mut gone = table.selection();
            gone.extend(&kept(&met.positions, &changed)?)?;
            pending.delete(&gone, IfGone::Conflict)?;
            pending.insert(&rows)?;
        }
        Ok(rows.num_rows() as u64)
    }
}

fn kept(positions: &[u64], changed: &BooleanArray) -> Result<Vec<u64>> {
    let positions = UInt64Array::from(positions.to_vec());
    let kept = filter(&positions, changed);
    let kept = kept.map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(kept.as_primitive::<UInt64Type>().values().to_vec())
}
