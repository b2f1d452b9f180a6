//! INSERT and REPLACE: rows built on a planning thread, then committed or added to the transaction.

use std::sync::Arc;

use storno_storage::{Commit, OnDuplicate, TableSnapshot, WriteBatch};
use tokio::sync::oneshot;

use super::Session;
use crate::dialect::{Lexed, parse_statement};
use crate::error::{Result, SqlError};
use crate::insert::{
    InsertBatch, InsertPlan, LiteralInsert, Mode, Rows, Scalar, Settings, duplicate_entry,
};
use crate::result::{Done, Outcome};
use crate::select::bind;
use crate::select::evaluate::Evaluator;
use crate::select::planner::View;
use crate::types::{TableDefinition, TimeZone};

/// Rows ready to be written.
struct Prepared {
    /// As the transaction sees it.
    snapshot: TableSnapshot,
    table: TableDefinition,
    ignore: bool,
    /// Several rows: the OK carries "Records: ...".
    multi_row: bool,
    built: InsertBatch,
}

impl Session {
    pub(super) fn time_zone(&self) -> TimeZone {
        TimeZone::parse(&self.variables.text("time_zone")).unwrap_or(TimeZone::UTC)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            mode: Mode::of_sql_mode(&self.variables.text("sql_mode")),
            time_zone: self.time_zone(),
            now_utc: now_utc(),
        }
    }

    /// INSERT of literals, read straight from the bytes. `None`: some other statement, or one that needs
    /// the general way.
    pub(super) async fn literal_insert(&mut self, sql: &[u8]) -> Result<Option<Outcome>> {
        let settings = self.settings();
        if LiteralInsert::parse(sql, settings.mode).is_none() {
            return Ok(None);
        }
        self.warnings.clear();
        let (view, store, sql) = (self.read_view(), self.engine.store().clone(), sql.to_vec());
        let work = move || {
            let Some(insert) = LiteralInsert::parse(&sql, settings.mode) else {
                return Ok(None);
            };
            let found = view.table(insert.schema.as_deref(), &insert.table)?;
            let table = TableDefinition::read(Arc::clone(found.meta()))?;
            let id = table.meta.id;
            let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
            let built = insert.run(&table, settings, &mut reserve)?;
            Ok(built.map(|built| Prepared {
                snapshot: found,
                table,
                ignore: insert.ignore,
                multi_row: built.batch.num_rows() > 1,
                built,
            }))
        };
        match self.engine.planning().run(work).await? {
            Some(prepared) => self.write_rows(prepared).await.map(Some),
            None => Ok(None),
        }
    }

    /// INSERT through the syntax tree: expressions, parameters, SET.
    pub(super) async fn insert(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let (settings, store) = (self.settings(), self.engine.store().clone());
        let work = move || {
            let plan = insert_plan(&lexed)?;
            let snapshot = view.table(plan.schema.as_deref(), &plan.table)?;
            let table = TableDefinition::read(Arc::clone(snapshot.meta()))?;
            if params.len() != plan.parameters {
                return Err(SqlError::new(
                    1210,
                    "HY000",
                    "Incorrect arguments to EXECUTE",
                ));
            }
            let evaluator = Evaluator::new(&view, &state, &env);
            let evaluate = |expr: &sqlparser::ast::Expr| {
                let mut expr = expr.clone();
                bind::numbered(&mut expr, &params)?;
                evaluator.evaluate(&expr)
            };
            let id = table.meta.id;
            let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
            let built = plan.run(&table, settings, &params, &evaluate, &mut reserve)?;
            let multi_row = matches!(&plan.rows, Rows::Values(rows) if rows.len() > 1);
            Ok(Prepared {
                snapshot,
                table,
                ignore: plan.ignore,
                multi_row,
                built,
            })
        };
        let prepared = self.engine.planning().run(work).await?;
        self.write_rows(prepared).await
    }

    /// What PREPARE can tell of an INSERT: that it parses and its table and columns exist.
    pub(super) async fn check_insert(&mut self, lexed: Lexed) -> Result<()> {
        let (view, settings) = (self.read_view(), self.settings());
        let work = move || {
            let plan = insert_plan(&lexed)?;
            plan.writer(&target(&plan, &view)?, settings).map(drop)
        };
        self.engine.planning().run(work).await
    }

    async fn write_rows(&mut self, prepared: Prepared) -> Result<Outcome> {
        let Prepared {
            snapshot,
            table,
            ignore,
            multi_row,
            built,
        } = prepared;
        let rows = built.batch.num_rows() as u64;
        let first_id = built.first_insert_id;
        let warning_count = built.warning_count;
        self.warn(built.warnings);
        let mut skipped = 0;
        match self.open_transaction() {
            Some(_) if ignore && !table.meta.spec.unique_keys.is_empty() => {
                let what = "INSERT IGNORE into a table with a unique key in a transaction";
                return Err(SqlError::not_supported(what));
            }
            Some(transaction) => transaction.insert(&snapshot, &built.batch)?,
            None => {
                let on_duplicate = if ignore {
                    OnDuplicate::Skip
                } else {
                    OnDuplicate::Fail
                };
                let inserts = vec![(table.meta.id, built.batch.clone())];
                let sync = self.engine.sync_mode();
                let batch = WriteBatch {
                    inserts,
                    deletes: Vec::new(),
                    on_duplicate,
                    sync,
                };
                let zone = self.time_zone();
                let committed = self.submit(batch).await?;
                let commit =
                    committed.map_err(|e| duplicate_entry(e, &table, &built.batch, zone))?;
                skipped = commit.rows_skipped;
            }
        }
        if let Some(id) = first_id {
            self.last_insert_id = id;
        }
        let affected_rows = rows - skipped;
        self.row_count = i64::try_from(affected_rows).unwrap_or(i64::MAX);
        let info = match multi_row {
            true => format!("Records: {rows}  Duplicates: {skipped}  Warnings: {warning_count}"),
            false => String::new(),
        };
        Ok(Outcome::Done(Done {
            affected_rows,
            last_insert_id: first_id.unwrap_or(0),
            info,
        }))
    }

    /// Commits a transaction's rows.
    pub(super) async fn write(&mut self, batch: WriteBatch) -> Result<Commit> {
        let view = self.catalog_view();
        let inserts = batch.inserts.clone();
        let zone = self.time_zone();
        self.submit(batch).await?.map_err(|error| match &error {
            storno_storage::Error::DuplicateKey { table, batch, .. } => {
                let found = view.snapshot.table(&table.schema, &table.table);
                let definition =
                    found.and_then(|t| TableDefinition::read(Arc::clone(t.meta())).ok());
                match (definition, inserts.get(*batch)) {
                    (Some(definition), Some((_, rows))) => {
                        duplicate_entry(error, &definition, rows, zone)
                    }
                    _ => error.into(),
                }
            }
            _ => error.into(),
        })
    }

    /// Waits for a commit without holding a thread. Once queued it happens, also if the client goes away.
    pub(super) async fn submit(&self, batch: WriteBatch) -> Result<storno_storage::Result<Commit>> {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| {
            let _ = sender.send(result);
        };
        self.engine.store().submit(batch, Box::new(done));
        let gone = |_| SqlError::new(1053, "08S01", "Server shutdown in progress");
        receiver.await.map_err(gone)
    }
}

fn insert_plan(lexed: &Lexed) -> Result<InsertPlan> {
    match parse_statement(lexed)? {
        sqlparser::ast::Statement::Insert(insert) => {
            let plan = InsertPlan::from_ast(&insert)?;
            match plan.rows {
                Rows::Query(_) => Err(SqlError::not_supported("INSERT ... SELECT")),
                Rows::Values(_) => Ok(plan),
            }
        }
        _ => Err(lexed.error_at(0)),
    }
}

fn target(plan: &InsertPlan, view: &View) -> Result<TableDefinition> {
    let table = view.table(plan.schema.as_deref(), &plan.table)?;
    TableDefinition::read(Arc::clone(table.meta()))
}

/// Microseconds since 1970, now.
pub(super) fn now_utc() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
