//! REPLACE, ON DUPLICATE KEY UPDATE and, inside transactions, INSERT IGNORE: rounds over the changes of
//! a table until no row is left.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch, UInt64Array};
use arrow::compute::{filter, filter_record_batch};
use arrow::datatypes::UInt64Type;
use datafusion::common::TableReference;
use futures::StreamExt;
use storno_storage::Error as Storage;
use storno_storage::{IfGone, OnDuplicate, PendingChanges, Repeated, TableSnapshot, WriteBatch};

use super::Session;
use super::aside::Aside;
use super::numbers::{Numbers, first_made, number_at, numbers};
use super::patience::Patience;
use super::written::Written;
use crate::change::{Assignments, Met, OnConflict, Updater, round, table_of};
use crate::error::{Result, SqlError};
use crate::insert::warn_repeated;
use crate::memory::Held;
use crate::privacy::Veil;
use crate::select::compile_over;
use crate::select::table::SnapshotTable;

/// How often a key may be found taken at the commit before it counts as the statement's own fault.
const REPEATED_MAX: u32 = 3;

/// Rows to be inserted into a table with unique keys.
#[derive(Clone)]
pub(super) struct Upsert {
    /// As the transaction sees it.
    pub table: TableSnapshot,
    pub rows: RecordBatch,
    /// The first AUTO_INCREMENT value made for them.
    pub first_id: Option<u64>,
    pub on_conflict: OnConflict,
    pub assignments: Option<Assignments>,
    /// The rows come from a query.
    pub from_query: bool,
    /// Invalid ones, which go elsewhere.
    pub aside: Option<Aside>,
}

/// What the client is told.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Counts {
    pub affected: u64,
    /// Of the affected ones.
    pub inserted: u64,
    pub duplicates: u64,
    pub warnings: u64,
    pub numbers: Numbers,
}

/// A row of a round, and its AUTO_INCREMENT value.
type Numbered = (usize, Option<u64>);

impl Counts {
    pub fn inserted(rows: u64, numbers: Numbers) -> Self {
        Self {
            affected: rows,
            inserted: rows,
            numbers,
            ..Self::default()
        }
    }

    /// These rows of a round were inserted; the last of them.
    fn came_in(&mut self, upsert: &Upsert, rows: &RecordBatch, which: &[u32]) -> Option<Numbered> {
        self.inserted += which.len() as u64;
        let which = which.iter().map(|row| *row as usize);
        let last = which.clone().max()?;
        let Some(numbers) = numbers(rows, upsert.table.meta().spec.auto_increment) else {
            return Some((last, None));
        };
        let made = first_made(&numbers, which, upsert.first_id);
        self.numbers.made = self.numbers.made.into_iter().chain(made).min();
        Some((last, number_at(&numbers, last)))
    }

    /// Some of them were left out after all, and there are so many warnings about it.
    pub fn without(self, rows: u64, warnings: u64) -> Self {
        Self {
            affected: self.affected.saturating_sub(rows),
            inserted: self.inserted.saturating_sub(rows),
            ..self.besides(rows, warnings)
        }
    }

    /// Others were left out, and there are so many warnings about it.
    fn besides(self, rows: u64, warnings: u64) -> Self {
        Self {
            duplicates: self.duplicates + rows,
            warnings: self.warnings + warnings,
            ..self
        }
    }
}

impl Session {
    pub(super) async fn upsert(&mut self, upsert: Upsert) -> Result<Counts> {
        if let Some(transaction) = self.open_transaction() {
            let pending = transaction.changes(&upsert.table)?;
            let (pending, counts, resent) = self.rounds(&upsert, pending).await?;
            if let Some(transaction) = self.open_transaction() {
                transaction.set_changes(pending)?;
                if let Some(Aside { table, rows }) = &upsert.aside {
                    transaction.insert(table, rows)?;
                }
            }
            return self.left_out(&upsert, counts, &resent);
        }
        let (mut upsert, mut repeated) = (upsert, 0);
        let mut patience = Patience::new(self.context.connection_id);
        loop {
            let pending = upsert.table.pending();
            let (pending, counts, resent) = self.rounds(&upsert, pending).await?;
            let mut batch = WriteBatch {
                inserts: Vec::new(),
                deletes: Vec::new(),
                arrivals: Vec::new(),
                on_duplicate: OnDuplicate::Fail,
                sync: self.engine.sync_mode(),
            };
            pending.add_to(&mut batch)?;
            let mut tables = vec![Arc::clone(upsert.table.meta())];
            if let Some(Aside { table, rows }) = &upsert.aside {
                batch.inserts.push((table.meta().id, rows.clone()));
                tables.push(Arc::clone(table.meta()));
            }
            let nothing = batch.inserts.is_empty() && batch.arrivals.is_empty();
            if nothing && batch.deletes.is_empty() {
                return self.left_out(&upsert, counts, &resent);
            }
            let written = Written::of(&batch, tables.clone());
            match self.submit(batch, tables).await? {
                Ok(commit) => {
                    let before = self.sink.total();
                    let later = self.note_all_resent(&written, &commit)?;
                    let counts = counts.without(later, self.sink.total() - before);
                    return self.left_out(&upsert, counts, &resent);
                }
                // Somebody else was faster.
                Err(Storage::Conflict { .. }) => {}
                Err(error @ Storage::DuplicateKey { .. }) => {
                    repeated += 1;
                    // Not another writer, but the statement's own assignments.
                    if repeated > REPEATED_MAX {
                        return Err(self.repeated_key(error, &written));
                    }
                }
                Err(error) => return Err(error.into()),
            }
            if upsert.from_query {
                // Its rows are of an old snapshot, too: the caller begins anew.
                let text = "Deadlock found when trying to get lock; try restarting transaction";
                return Err(SqlError::new(1213, "40001", text));
            }
            patience.wait().await?;
            self.forget_warnings();
            let meta = upsert.table.meta();
            let view = self.catalog_view();
            let now = view.table(Some(&meta.schema), &meta.spec.name)?;
            if !now.meta().is_same(meta) {
                return Err(SqlError::table_changed());
            }
            upsert.table = now;
        }
    }

    /// Counts and lists the rows whose event was known.
    fn left_out(&mut self, upsert: &Upsert, counts: Counts, resent: &[u32]) -> Result<Counts> {
        if resent.is_empty() {
            return Ok(counts);
        }
        let table = self.engine.tables().get(upsert.table.meta())?;
        let notes = self.note_resent(&table, &upsert.rows, resent);
        Ok(counts.besides(resent.len() as u64, notes))
    }

    /// Lists those of the rows that INSERT IGNORE leaves out; how many warnings there are.
    fn left_out_for_keys(
        &mut self,
        upsert: &Upsert,
        rows: &RecordBatch,
        skipped: &[Repeated],
    ) -> Result<u64> {
        if skipped.is_empty() {
            return Ok(0);
        }
        let table = self.engine.tables().get(upsert.table.meta())?;
        let (zone, before) = (self.time_zone(), self.sink.total());
        let rows = std::slice::from_ref(rows);
        warn_repeated(&self.sink, &table, (rows, skipped), zone);
        Ok(self.sink.total() - before)
    }

    /// The rows without those whose event is known, and the numbers of these. REPLACE takes all: what it
    /// writes twice is there once.
    async fn new_rows(
        &self,
        upsert: &Upsert,
        pending: &PendingChanges,
    ) -> Result<(RecordBatch, Vec<u32>)> {
        let rows = upsert.rows.clone();
        let has_events = upsert.table.meta().spec.event_key.is_some();
        if !has_events || upsert.on_conflict == OnConflict::Replace {
            return Ok((rows, Vec::new()));
        }
        let mut trial = pending.clone();
        let work = move || {
            let resent = trial.arrive(&rows)?;
            let mut keep = vec![true; rows.num_rows()];
            for row in &resent {
                if let Some(keep) = keep.get_mut(*row as usize) {
                    *keep = false;
                }
            }
            let kept = filter_record_batch(&rows, &keep.into());
            Ok((kept.map_err(|e| SqlError::internal(e.to_string()))?, resent))
        };
        let done = self.engine.pool()?.spawn_blocking(work).await;
        done.map_err(|e| SqlError::internal(e.to_string()))?
    }

    async fn rounds(
        &mut self,
        upsert: &Upsert,
        mut pending: PendingChanges,
    ) -> Result<(PendingChanges, Counts, Vec<u32>)> {
        let mut counts = Counts::default();
        let (mut rest, resent) = self.new_rows(upsert, &pending).await?;
        while rest.num_rows() > 0 {
            let (mode, rows) = (upsert.on_conflict, rest.clone());
            let work = move || round(pending, &rows, mode);
            let done = self.engine.pool()?.spawn_blocking(work).await;
            let done = done.map_err(|e| SqlError::internal(e.to_string()))??;
            let mut last = counts.came_in(upsert, &rest, &done.inserted);
            counts.affected += done.inserted.len() as u64 + done.replaced;
            counts.duplicates += done.replaced;
            let warnings = self.left_out_for_keys(upsert, &rest, &done.skipped)?;
            counts = counts.besides(done.skipped.len() as u64, warnings);
            (pending, rest) = (done.pending, done.rest);
            if let (Some(met), Some(assignments)) = (done.met, &upsert.assignments) {
                let (changed, last_changed) =
                    self.update_met(&mut pending, &met, assignments).await?;
                last = last.max(last_changed);
                let unchanged = met.positions.len() as u64 - changed;
                counts.affected += 2 * changed;
                counts.affected += if self.context.found_rows {
                    unchanged
                } else {
                    0
                };
                counts.duplicates += changed;
            }
            if let Some((_, number)) = last {
                counts.numbers.last = number;
            }
        }
        Ok((pending, counts, resent))
    }

    /// Updates the stored rows that new ones met; how many changed, and the last of them.
    async fn update_met(
        &mut self,
        pending: &mut PendingChanges,
        met: &Met,
        assignments: &Assignments,
    ) -> Result<(u64, Option<Numbered>)> {
        let table = pending.snapshot();
        let meta = Arc::clone(table.meta());
        let definition = self.engine.tables().get(&meta)?;
        let columns = assignments.columns.clone();
        let settings = self.settings();
        let veil = Veil::new(&definition, self.engine.pseudonym_keys(), settings.now_utc)?;
        let mut updater = Updater::new(&definition, columns, settings)?.veiled(veil);
        let shown = SnapshotTable::try_new(table.clone(), self.time_zone())?;
        let rows = table_of(
            &Met {
                positions: met.positions.clone(),
                by: met.by.clone(),
                old: shown.localized(&met.old)?,
                held: Held::default(),
                new: shown.localized(&met.new)?,
            },
            shown.arrow_schema(),
        )?;
        let query = assignments.query(Some(&meta.schema), &meta.spec.name)?;
        let name = TableReference::partial(meta.schema.clone(), meta.spec.name.clone());
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let work = move || compile_over(&query, (name, rows), &view, &state, &env);
        let sink = self.sink.clone();
        let work = move || sink.within(work);
        let plan = self.engine.planning().run(work).await?;
        let mut batches = self.found(plan)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.check_division()?;
            updater.push(&batch)?;
        }
        let (rows, changed, warnings) = updater.finish_with(&met.old)?;
        self.warn(warnings.list);
        let rows = self.complete(&table, rows).await?;
        if rows.num_rows() > 0 {
            let mut gone = table.selection();
            gone.extend(&kept(&met.positions, &changed)?)?;
            pending.delete(&gone, IfGone::Conflict)?;
            pending.insert(&rows)?;
        }
        let numbers = numbers(&rows, meta.spec.auto_increment);
        let by = met
            .by
            .iter()
            .zip(changed.values())
            .filter(|(_, changed)| *changed);
        let by = by.map(|(by, _)| *by as usize).enumerate();
        let last = by.max_by_key(|(_, by)| *by).map(|(row, by)| {
            let number = numbers.and_then(|numbers| number_at(&numbers, row));
            (by, number)
        });
        Ok((rows.num_rows() as u64, last))
    }
}

fn kept(positions: &[u64], changed: &BooleanArray) -> Result<Vec<u64>> {
    let positions = UInt64Array::from(positions.to_vec());
    let kept = filter(&positions, changed);
    let kept = kept.map_err(|e| SqlError::internal(e.to_string()))?;
    Ok(kept.as_primitive::<UInt64Type>().values().to_vec())
}
