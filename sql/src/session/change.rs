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
use storno_storage::{Delete, IfGone, OnDuplicate, RowSelection, TableSnapshot, WriteBatch};

use super::Session;
use super::patience::Patience;
use crate::change::{Assigned, Change, Updated, Updater};
use crate::dialect::{Lexed, parse_statement};
use crate::error::{Result, SqlError};
use crate::insert::{Scalar, Settings, duplicate_entry};
use crate::privacy::Veil;
use crate::result::{Done, Outcome};
use crate::select::{bind, compile_change, run};
use crate::types::TableDefinition;

/// A statement ready to run.
struct Prepared {
    table: TableSnapshot,
    assignments: Option<Vec<Assigned>>,
    plan: Arc<dyn ExecutionPlan>,
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
        } = self.prepare_change(lexed, params).await?;
        match assignments {
            Some(assignments) => self.update(table, assignments, plan).await,
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
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<Outcome> {
        let definition = self.engine.tables().get(table.meta())?;
        let settings = self.settings();
        let veil = Veil::new(&definition, self.engine.pseudonym_keys(), settings.now_utc)?;
        let mut updater = Updater::new(&definition, assignments, settings)?.veiled(veil);
        let mut batches = self.found(plan)?;
        while let Some(batch) = batches.next().await {
            let batch = batch?;
            self.check_division()?;
            updater.push(&batch)?;
        }
        let snapshot = table.clone();
        let work = move || updater.finish(&snapshot);
        let updated = self.engine.pool()?.spawn_blocking(work).await;
        let updated = updated.map_err(|e| SqlError::internal(e.to_string()))??;
        let Updated {
            matched,
            gone,
            rows,
            warnings,
        } = updated;
        let unkept = warnings.count.saturating_sub(warnings.list.len() as u64);
        self.warn(warnings.list);
        self.sink.count_more(unkept);
        let warning_count = warnings.count;
        self.require_checks(&table, &rows).await?;
        let changed = rows.num_rows() as u64;
        match self.open_transaction() {
            _ if changed == 0 => {}
            Some(transaction) => transaction.replace(&table, &gone, Some(&rows))?,
            None => {
                let mut batch = self.batch(gone);
                batch.inserts.push((table.meta().id, rows.clone()));
                let zone = self.time_zone();
                let made_for = vec![Arc::clone(table.meta())];
                let committed = self.submit(batch, made_for).await?;
                committed.map_err(|e| duplicate_entry(e, &definition, &rows, zone))?;
            }
        }
        let info =
            format!("Rows matched: {matched}  Changed: {changed}  Warnings: {warning_count}");
        let count = match self.context.found_rows {
            true => matched,
            false => changed,
        };
        Ok(self.changed(count, info))
    }

    /// 3819 when new rows of a table violate a constraint.
    pub(super) async fn require_checks(
        &mut self,
        table: &TableSnapshot,
        rows: &RecordBatch,
    ) -> Result<()> {
        let known = self.engine.tables().get(table.meta())?;
        if rows.num_rows() == 0 || !known.has_checks() {
            return Ok(());
        }
        let (view, rows, sink) = (self.catalog_view(), rows.clone(), self.sink.clone());
        let work = move || match known.checks(&view)? {
            Some(checks) => sink.within(|| checks.require(&rows)),
            None => Ok(()),
        };
        self.engine.planning().run(work).await
    }

    pub(super) fn found(
        &self,
        plan: Arc<dyn ExecutionPlan>,
    ) -> Result<futures::stream::BoxStream<'static, Result<RecordBatch>>> {
        let limit = match self.variables.integer("max_execution_time") {
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
