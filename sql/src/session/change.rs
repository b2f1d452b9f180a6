//! UPDATE and DELETE of a session: the rows are found by a query, then replaced by position.
//!
//! A statement that met rows changed by somebody else since it read them, or whose table has another
//! definition since, is run again; inside a transaction, whose snapshot stays, that shows at COMMIT as
//! error 1213 or 1412.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::UInt64Type;
use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use storno_storage::{
    Delete, Error as Storage, IfGone, OnDuplicate, RowSelection, TableSnapshot, WriteBatch,
};

use super::Session;
use super::patience::Patience;
use super::replacing::{PART_ROWS, Replaced, Replacing};
use super::variables::known;
use crate::change::{Assigned, Change, Updated, Updater, Warnings, repeating};
use crate::check::without;
use crate::dialect::{Lexed, parse_statement};
use crate::error::{Result, SqlError};
use crate::insert::{Scalar, Settings, duplicate_entry, warn_repeated};
use crate::known::KnownTable;
use crate::privacy::Veil;
use crate::result::{Done, Outcome};
use crate::select::planner::View;
use crate::select::{bind, compile_change, run};
use crate::types::TableDefinition;

/// A statement ready to run.
struct Prepared {
    table: TableSnapshot,
    assignments: Option<Vec<Assigned>>,
    plan: Arc<dyn ExecutionPlan>,
    /// IGNORE was written.
    ignore: bool,
}

impl Session {
    pub(super) async fn change(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        if let Some(transaction) = self.open_transaction() {
            transaction.check_writable()?;
            return self.change_once(lexed, params).await;
        }
        let mut patience = Patience::new(self.context.connection_id);
        loop {
            match self.change_once(lexed.clone(), params.clone()).await {
                Err(error) if self.was_overtaken(&error) => {}
                other => return other,
            }
            patience.wait().await?;
            self.forget_warnings();
        }
    }

    /// What PREPARE can tell: that the statement can be planned.
    pub(super) async fn check_change(&mut self, lexed: Lexed, params: usize) -> Result<()> {
        let nulls = vec![Scalar::Null; params];
        self.prepare_change(lexed, nulls).await.map(drop)
    }

    async fn prepare_change(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Prepared> {
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let settings = self.settings();
        let ignore = (1..=3).any(|at| lexed.is(at, "IGNORE"));
        let work = move || {
            let mut statement = parse_statement(&lexed)?;
            bind::parameters(&mut statement, &params)?;
            let change = Change::from_ast(statement, &view)?;
            let table = view.table(change.schema.as_deref(), &change.table)?;
            if let Some(assignments) = &change.assignments {
                check_columns(&table, assignments, settings)?;
            }
            let plan = compile_change(&change.query, &view, &state, &env)?;
            Ok(Prepared {
                table,
                assignments: change.assignments,
                plan,
                ignore,
            })
        };
        let sink = self.sink.clone();
        let work = move || sink.within(work);
        self.engine.planning().run(work).await
    }

    async fn change_once(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let Prepared {
            table,
            assignments,
            plan,
            ignore,
        } = self.prepare_change(lexed, params).await?;
        match assignments {
            Some(assignments) => self.update(table, assignments, (plan, ignore)).await,
            None => self.delete(table, plan).await,
        }
    }

    async fn delete(
        &mut self,
        table: TableSnapshot,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Outcome> {
        let mut gone = table.selection();
        let mut batches = self.found(plan)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            let positions = batch.column(0).as_primitive::<UInt64Type>();
            gone.extend(positions.values())?;
        }
        self.check_division()?;
        let mut count = gone.len();
        match self.open_transaction() {
            Some(transaction) => transaction.replace(&table, &gone, None)?,
            None if gone.is_empty() => {}
            None => {
                let batch = self.batch(gone);
                count = self.submit(batch, Vec::new()).await??.rows_deleted;
            }
        }
        Ok(self.changed(count, String::new()))
    }

    async fn update(
        &mut self,
        table: TableSnapshot,
        assignments: Vec<Assigned>,
        (plan, ignore): (Arc<dyn ExecutionPlan>, bool),
    ) -> Result<Outcome> {
        let definition = self.engine.tables().get(table.meta())?;
        let settings = self.settings();
        let settings = Settings {
            mode: settings.mode.with_ignore(ignore),
            ..settings
        };
        let engine = self.engine.clone();
        let begin = || {
            let veil = Veil::new(&definition, engine.pseudonym_keys(), settings.now_utc)?;
            let updater = Updater::new(&definition, assignments.clone(), settings)?;
            Ok::<_, SqlError>(updater.veiled(veil))
        };
        let mut updater = begin()?;
        // What a transaction changes, and what IGNORE looks through, is in memory as a whole.
        let by_parts = !ignore && self.open_transaction().is_none();
        let mut replacing = None;
        let mut batches = self.found(plan)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            if !ignore {
                self.check_division()?;
            }
            updater.push(&batch)?;
            if by_parts && updater.rows() >= PART_ROWS {
                let part = std::mem::replace(&mut updater, begin()?);
                let written = match replacing.take() {
                    Some(written) => written,
                    None => Replacing::begin(self, &table)?,
                };
                replacing = Some(self.replace_part(written, part).await?);
            }
        }
        if let Some(written) = replacing {
            let written = self.replace_part(written, updater).await?;
            let Replaced {
                matched,
                changed,
                warnings,
            } = self.replace_written(written).await?;
            return Ok(self.updated(matched, changed, warnings));
        }
        let snapshot = table.clone();
        let work = move || updater.finish(&snapshot, &snapshot.selection());
        let Updated {
            found,
            gone,
            positions,
            rows,
            held: _held,
            warnings,
        } = self.blocking(work).await?;
        let unkept = warnings.count.saturating_sub(warnings.list.len() as u64);
        self.warn(warnings.list);
        self.sink.count_more(unkept);
        let mut warning_count = warnings.count;
        let changed = if ignore {
            let before = self.sink.total();
            let changed = self.update_ignoring(&table, positions, rows).await?;
            warning_count += self.sink.total() - before;
            changed
        } else {
            self.replace_rows(&table, gone, rows).await?
        };
        Ok(self.updated(found.len(), changed, warning_count))
    }

    fn updated(&mut self, matched: u64, changed: u64, warnings: u64) -> Outcome {
        let info = format!("Rows matched: {matched}  Changed: {changed}  Warnings: {warnings}");
        let count = match self.context.found_rows {
            true => matched,
            false => changed,
        };
        self.changed(count, info)
    }

    /// Puts rows in the place of others; how many.
    async fn replace_rows(
        &mut self,
        table: &TableSnapshot,
        gone: RowSelection,
        rows: RecordBatch,
    ) -> Result<u64> {
        let definition = self.engine.tables().get(table.meta())?;
        let rows = self.complete(table, rows).await?;
        let changed = rows.num_rows() as u64;
        match self.open_transaction() {
            _ if changed == 0 => {}
            Some(transaction) => transaction.replace(table, &gone, Some(&rows))?,
            None => {
                let mut batch = self.batch(gone);
                batch.inserts.push((table.meta().id, rows.clone()));
                let zone = self.time_zone();
                let made_for = vec![Arc::clone(table.meta())];
                let committed = self.submit(batch, made_for).await?;
                committed.map_err(|e| duplicate_entry(e, &definition, &rows, zone))?;
            }
        }
        Ok(changed)
    }

    /// The same with IGNORE: rows that violate a constraint or repeat a key stay as they are, with a warning.
    async fn update_ignoring(
        &mut self,
        table: &TableSnapshot,
        mut positions: Vec<u64>,
        rows: RecordBatch,
    ) -> Result<u64> {
        let definition = self.engine.tables().get(table.meta())?;
        let has_keys = !definition.meta.spec.unique_keys.is_empty();
        if self.open_transaction().is_some() && has_keys {
            // Keys are looked at by COMMIT only.
            let what = "UPDATE IGNORE of a table with unique keys inside a transaction";
            return Err(SqlError::not_supported(what));
        }
        let (mut rows, left_out) = self.completed(table, rows, true).await?;
        keep_others(&mut positions, &left_out);
        if has_keys && rows.num_rows() > 0 {
            let (snapshot, all, at) = (table.clone(), rows.clone(), positions.clone());
            let work = move || repeating(&snapshot, &at, &all);
            let repeating = self.engine.planning().run(work).await?;
            let all = std::slice::from_ref(&rows);
            warn_repeated(&self.sink, &definition, (all, &repeating), self.time_zone());
            let left_out: Vec<usize> = repeating.iter().map(|repeated| repeated.row).collect();
            keep_others(&mut positions, &left_out);
            rows = without(&rows, &left_out)?;
        }
        loop {
            let count = rows.num_rows() as u64;
            let mut gone = table.selection();
            gone.extend(&positions)?;
            if let Some(transaction) = self.open_transaction() {
                transaction.replace(table, &gone, Some(&rows))?;
                return Ok(count);
            }
            if count == 0 {
                return Ok(0);
            }
            let mut batch = self.batch(gone);
            batch.inserts.push((table.meta().id, rows.clone()));
            match self.submit(batch, vec![Arc::clone(table.meta())]).await? {
                Ok(_) => return Ok(count),
                // Somebody has taken the key since.
                Err(error @ Storage::DuplicateKey { row, .. }) if row < positions.len() => {
                    let error = duplicate_entry(error, &definition, &rows, self.time_zone());
                    self.warn([error.into()]);
                    keep_others(&mut positions, &[row]);
                    rows = without(&rows, &[row])?;
                }
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// New rows of a table with their generated columns; 3819 when they violate a constraint.
    pub(super) async fn complete(
        &mut self,
        table: &TableSnapshot,
        rows: RecordBatch,
    ) -> Result<RecordBatch> {
        let (rows, _) = self.completed(table, rows, false).await?;
        Ok(rows)
    }

    /// The same; with IGNORE rows that violate one are left out with a warning: their numbers, ascending.
    async fn completed(
        &mut self,
        table: &TableSnapshot,
        rows: RecordBatch,
        ignore: bool,
    ) -> Result<(RecordBatch, Vec<usize>)> {
        let known = self.engine.tables().get(table.meta())?;
        if rows.num_rows() == 0 || !known.computes() {
            return Ok((rows, Vec::new()));
        }
        let (view, sink, settings) = (self.catalog_view(), self.sink.clone(), self.settings());
        let settings = Settings {
            mode: settings.mode.with_ignore(ignore),
            ..settings
        };
        let work = move || sink.within(|| completed(&known, &view, rows, settings));
        let (rows, left_out, warnings) = self.engine.planning().run(work).await?;
        if !ignore {
            self.check_division()?;
        }
        let unkept = warnings.count.saturating_sub(warnings.list.len() as u64);
        self.warn(warnings.list);
        self.sink.count_more(unkept);
        Ok((rows, left_out))
    }

    pub(super) fn found(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<futures::stream::BoxStream<'static, Result<RecordBatch>>> {
        let limit = match self.variables.integer(known!("max_execution_time")) {
            0 => None,
            millis => Some(Duration::from_millis(millis)),
        };
        let context = self.engine.state().task_ctx();
        Ok(run::run(
            self.engine.pool()?,
            plan,
            context,
            limit,
            &self.sink,
        ))
    }

    /// A row that somebody else has changed is not simply gone: it may still match, under another position.
    fn batch(&self, rows: RowSelection) -> WriteBatch {
        let if_gone = IfGone::Conflict;
        WriteBatch {
            inserts: Vec::new(),
            deletes: vec![Delete { rows, if_gone }],
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: self.engine.sync_mode(),
        }
    }

    pub(super) fn changed(&mut self, affected_rows: u64, info: String) -> Outcome {
        Outcome::Done(Done {
            affected_rows,
            last_insert_id: 0,
            info,
        })
    }
}

/// 1054 for an assignment to an unknown column, before the query is planned.
fn check_columns(
    table: &TableSnapshot,
    assignments: &[Assigned],
    settings: Settings,
) -> Result<()> {
    let definition = TableDefinition::read(Arc::clone(table.meta()))?;
    Updater::new(&definition, assignments.to_vec(), settings).map(drop)
}

/// See `Session::completed`.
fn completed(
    table: &KnownTable,
    view: &View,
    rows: RecordBatch,
    settings: Settings,
) -> Result<(RecordBatch, Vec<usize>, Warnings)> {
    let mut warnings = Warnings::default();
    let mut rows = rows;
    if let Some(generated) = table.generated(view)? {
        let filled = generated.fill(table, rows, (settings, false))?;
        rows = filled.rows;
        (warnings.list, warnings.count) = (filled.warnings, filled.warning_count);
    }
    let Some(checks) = table.checks(view)? else {
        return Ok((rows, Vec::new(), warnings));
    };
    if !settings.mode.ignore {
        checks.require(&rows)?;
        return Ok((rows, Vec::new(), warnings));
    }
    let violations = checks.violations(&rows)?;
    for violation in &violations {
        warnings.count += 1;
        warnings.list.push(checks.error(*violation).into());
    }
    let left_out: Vec<usize> = violations.iter().map(|violation| violation.row).collect();
    let rows = without(&rows, &left_out)?;
    Ok((rows, left_out, warnings))
}

/// Takes out the elements with some numbers, which ascend.
fn keep_others(positions: &mut Vec<u64>, left_out: &[usize]) {
    let (mut left_out, mut at) = (left_out.iter().peekable(), 0);
    positions.retain(|_| {
        let keep = left_out.next_if_eq(&&at).is_none();
        at += 1;
        keep
    });
}
