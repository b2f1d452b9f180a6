//! INSERT and REPLACE: rows built on a planning thread, then committed or added to the transaction.

use std::collections::HashSet;
use std::sync::Arc;

use datafusion::physical_plan::ExecutionPlan;
use futures::StreamExt;
use storno_storage::{Commit, OnDuplicate, TableId, TableMeta, TableSnapshot, WriteBatch};
use tokio::sync::oneshot;

use super::Session;
use super::aside::Aside;
use super::numbers::{Numbers, written_numbers};
use super::patience::Patience;
use super::upsert::{Counts, Upsert};
use super::variables::known;
use crate::change::{Assignments, OnConflict};
use crate::dialect::{Lexed, parse_statement};
use crate::door::Door;
use crate::error::{Result, SqlError};
use crate::insert::{
    InsertBatch, InsertPlan, LiteralInsert, Mode, RowWriter, Rows, Scalar, Settings,
    duplicate_entry, warn_repeated,
};
use crate::known::KnownTable;
use crate::memory::{Held, copied_bytes};
use crate::result::{Done, Outcome};
use crate::select::evaluate::Evaluator;
use crate::select::planner::View;
use crate::select::{bind, compile_change};
use crate::types::{TableDefinition, TimeZone};

/// A plain INSERT up to this length is read on the connection's own thread.
const DIRECT_BYTES_MAX: usize = 16 << 10;

/// So is a prepared one with as many parameters at most.
const DIRECT_PARAMS_MAX: usize = 1024;

/// Rows ready to be written.
pub(super) struct Prepared {
    /// As the transaction sees it.
    pub(super) snapshot: TableSnapshot,
    pub(super) table: Arc<KnownTable>,
    /// What becomes of rows whose key is there; `None`: the statement fails.
    pub(super) on_conflict: Option<OnConflict>,
    pub(super) assignments: Option<Assignments>,
    /// The rows come from a query.
    pub(super) from_query: bool,
    /// Several rows: the OK carries "Records: ...".
    pub(super) multi_row: bool,
    pub(super) built: InsertBatch,
}

/// The rows of INSERT .. SELECT, before its query has run.
struct QueryRows {
    writer: RowWriter,
    query: Arc<dyn ExecutionPlan>,
    door: Door,
}

impl Session {
    pub(super) fn time_zone(&self) -> TimeZone {
        TimeZone::parse(&self.variables.get(known!("time_zone"))).unwrap_or(TimeZone::UTC)
    }

    pub(super) fn settings(&self) -> Settings {
        Settings {
            mode: Mode::of_sql_mode(&self.variables.get(known!("sql_mode"))),
            time_zone: self.time_zone(),
            now_utc: now_utc(),
        }
    }

    /// INSERT of literals, read straight from the bytes. `None`: some other statement, or one that needs
    /// the general way.
    pub(super) async fn literal_insert(&mut self, sql: &[u8]) -> Result<Option<Outcome>> {
        let mut patience = Patience::new(self.context.connection_id);
        loop {
            match self.literal_insert_once(sql).await {
                Err(error) if self.was_overtaken(&error) => patience.wait().await?,
                other => return other,
            }
        }
    }

    /// Whether a statement was in vain because others were faster, and may run again: rows that it read
    /// have changed, or the definition of its table. In a transaction, whose snapshot stays, it may not.
    pub(super) fn was_overtaken(&mut self, error: &SqlError) -> bool {
        matches!(error.code, 1213 | 1412) && self.open_transaction().is_none()
    }

    async fn literal_insert_once(&mut self, sql: &[u8]) -> Result<Option<Outcome>> {
        let settings = self.settings();
        let Some(insert) = LiteralInsert::parse(sql, settings.mode) else {
            return Ok(None);
        };
        self.authorize_insert(insert.schema.as_deref(), &insert.table, insert.replace)?;
        self.counts = None;
        self.forget_warnings();
        let (view, sink) = (self.read_view(), self.sink.clone());
        let found = view.table(insert.schema.as_deref(), &insert.table)?;
        let table = self.engine.tables().get(found.meta())?;
        // A few rows are read sooner than another thread wakes up. There is no tree to recurse over, unless
        // expressions of the table have one.
        let prepared = if sql.len() <= DIRECT_BYTES_MAX && !table.computes() {
            prepare_literal(&insert, (found, table), &view, settings)?
        } else {
            let sql = sql.to_vec();
            let work = move || match LiteralInsert::parse(&sql, settings.mode) {
                Some(insert) => {
                    sink.within(|| prepare_literal(&insert, (found, table), &view, settings))
                }
                None => Ok(None),
            };
            self.engine.planning().run(work).await?
        };
        match prepared {
            Some(prepared) => self.write_rows(prepared).await.map(Some),
            None => Ok(None),
        }
    }

    /// A prepared INSERT that needs nothing but its parameters.
    pub(super) async fn prepared_insert(
        &mut self,
        plan: Arc<InsertPlan>,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        self.upload = None;
        self.authorize_insert(plan.schema.as_deref(), &plan.table, plan.replace)?;
        if self.engine.budget().is_short() {
            self.engine.budget().admit().await?;
        }
        let (params, mut patience) = (Arc::from(params), Patience::new(self.context.connection_id));
        loop {
            match self.prepared_insert_once(&plan, &params).await {
                Err(error) if self.was_overtaken(&error) => patience.wait().await?,
                other => return other,
            }
        }
    }

    async fn prepared_insert_once(
        &mut self,
        plan: &Arc<InsertPlan>,
        params: &Arc<[Scalar]>,
    ) -> Result<Outcome> {
        self.counts = None;
        self.forget_warnings();
        let settings = self.settings();
        let (plan, params) = (Arc::clone(plan), Arc::clone(params));
        let (view, sink) = (self.read_view(), self.sink.clone());
        let found = view.table(plan.schema.as_deref(), &plan.table)?;
        let table = self.engine.tables().get(found.meta())?;
        let is_direct = params.len() <= DIRECT_PARAMS_MAX && !table.computes();
        let work =
            move || sink.within(|| bind_rows(&plan, &params, (found, table), (&view, settings)));
        let prepared = match is_direct {
            true => work()?,
            false => self.engine.planning().run(work).await?,
        };
        self.write_rows(prepared).await
    }

    /// INSERT through the syntax tree: expressions, parameters, SET, SELECT.
    pub(super) async fn insert(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let mut patience = Patience::new(self.context.connection_id);
        loop {
            match self.insert_once(lexed.clone(), params.clone()).await {
                Err(error) if self.was_overtaken(&error) => {}
                other => return other,
            }
            patience.wait().await?;
            self.forget_warnings();
        }
    }

    async fn insert_once(&mut self, lexed: Lexed, params: Vec<Scalar>) -> Result<Outcome> {
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let (settings, store) = (self.settings(), self.engine.store().clone());
        let divisions = self.sink.clone();
        let work = move || {
            let mut statement = parse_statement(&lexed)?;
            let mut plan = insert_plan(&statement, &lexed)?;
            let snapshot = view.table(plan.schema.as_deref(), &plan.table)?;
            let table = view.session.engine.tables().get(snapshot.meta())?;
            if matches!(plan.rows, Rows::Query(_)) {
                bind::parameters(&mut statement, &params)?;
                plan = insert_plan(&statement, &lexed)?;
                let writer = plan.writer(&table, settings)?;
                let Rows::Query(query) = &plan.rows else {
                    return Err(SqlError::internal("a query became something else"));
                };
                let query = compile_change(query, &view, &state, &env)?;
                if query.schema().fields().len() != writer.width() {
                    return Err(SqlError::value_count_mismatch(1));
                }
                let door = Door::new(&table, &view, settings, plan.ignore)?;
                let rows = QueryRows {
                    writer,
                    query,
                    door,
                };
                let prepared = prepared(snapshot, table, plan, InsertBatch::nothing());
                return Ok((prepared, Some(rows)));
            }
            if params.len() != plan.parameters {
                return Err(SqlError::new(
                    1210,
                    "HY000",
                    "Incorrect arguments to EXECUTE",
                ));
            }
            let evaluator = Evaluator::new(&view, &state, &env);
            let ignore = plan.ignore;
            let evaluate = |expr: &sqlparser::ast::Expr| {
                let mut expr = expr.clone();
                bind::numbered(&mut expr, &params)?;
                let value = evaluator.evaluate(&expr)?;
                // Before the NULL that it gives meets a NOT NULL column.
                divisions.check_division(settings.mode.strict && !ignore)?;
                Ok(value)
            };
            let id = table.meta.id;
            let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
            let built = plan.run(&table, settings, &params, &evaluate, &mut reserve)?;
            let built = Door::new(&table, &view, settings, ignore)?.admit(built)?;
            let updates = plan.on_duplicate.iter_mut();
            for value in updates.flat_map(|a| &mut a.values) {
                bind::numbered(value, &params)?;
            }
            Ok((prepared(snapshot, table, plan, built), None))
        };
        let sink = self.sink.clone();
        let work = move || sink.within(work);
        let (mut prepared, query) = self.engine.planning().run(work).await?;
        if let Some(rows) = query {
            let (built, held) = self.rows_of(rows, prepared.table.meta.id).await?;
            prepared.built = built;
            prepared.from_query = true;
            let written = self.write_rows(prepared).await;
            drop(held);
            return written;
        }
        self.write_rows(prepared).await
    }

    /// Runs the query of INSERT ... SELECT.
    async fn rows_of(&mut self, rows: QueryRows, table: TableId) -> Result<(InsertBatch, Held)> {
        let QueryRows {
            mut writer,
            query,
            door,
        } = rows;
        let mut held = Held::default();
        let mut batches = self.found(query)?;
        let mut row: Vec<Scalar> = Vec::new();
        while let Some(batch) = batches.next().await {
            // A kill is seen where this lets go, and rows may come faster than they are taken.
            tokio::task::yield_now().await;
            let batch = batch?;
            held.add(copied_bytes(&batch), "INSERT ... SELECT may insert")?;
            for i in 0..batch.num_rows() {
                row.clear();
                for column in batch.columns() {
                    row.push(Scalar::from_array(column.as_ref(), i)?);
                }
                writer.append_row(&row)?;
            }
        }
        let store = self.engine.store().clone();
        let built = writer.finish(&mut |count| Ok(store.reserve_ids(table, count)?))?;
        if door.is_open() {
            return Ok((built, held));
        }
        let sink = self.sink.clone();
        let work = move || sink.within(|| door.admit(built));
        Ok((self.engine.planning().run(work).await?, held))
    }

    /// What PREPARE can tell of an INSERT: that it parses, that its table and columns exist, and that
    /// its query can be planned.
    pub(super) async fn check_insert(
        &mut self,
        lexed: Lexed,
        params: usize,
    ) -> Result<Option<Arc<InsertPlan>>> {
        let (view, env, state) = (self.read_view(), self.environment(), self.engine.state());
        let settings = self.settings();
        let work = move || {
            let mut statement = parse_statement(&lexed)?;
            let mut plan = insert_plan(&statement, &lexed)?;
            let table = target(&plan, &view)?;
            plan.writer(&table, settings)?;
            if matches!(plan.rows, Rows::Query(_)) {
                bind::parameters(&mut statement, &vec![Scalar::Null; params])?;
                plan = insert_plan(&statement, &lexed)?;
            }
            match &plan.rows {
                Rows::Query(query) => {
                    compile_change(query, &view, &state, &env)?;
                    Ok(None)
                }
                Rows::Values(_) => Ok(plan.is_plain().then(|| Arc::new(plan))),
            }
        };
        self.engine.planning().run(work).await
    }

    /// In strict mode a division by zero is an error of a statement that writes, no warning.
    pub(super) fn check_division(&self) -> Result<()> {
        self.sink.check_division(self.settings().mode.strict)
    }

    async fn write_rows(&mut self, mut prepared: Prepared) -> Result<Outcome> {
        if prepared.on_conflict != Some(OnConflict::Skip) {
            self.check_division()?;
        }
        let rows = prepared.built.batch.num_rows() as u64;
        let invalid = std::mem::take(&mut prepared.built.invalid);
        let aside = self.aside(&prepared.table, &invalid).await?;
        let invalid = invalid.len() as u64;
        let first_id = prepared.built.first_insert_id;
        let mut warning_count = prepared.built.warning_count;
        let multi_row = prepared.multi_row;
        let warnings = std::mem::take(&mut prepared.built.warnings);
        let unkept = warning_count.saturating_sub(warnings.len() as u64);
        self.warn(warnings);
        self.sink.count_more(unkept);
        if let Some(transaction) = self.open_transaction() {
            transaction.check_writable()?;
        }
        let in_transaction = self.open_transaction().is_some();
        let counts = match prepared.on_conflict {
            // Storage leaves the rows out itself, as it knows all keys.
            Some(OnConflict::Skip) if !in_transaction => self.insert_rows(prepared, aside).await?,
            Some(on_conflict) => {
                let upsert = Upsert {
                    table: prepared.snapshot,
                    rows: prepared.built.batch,
                    first_id,
                    on_conflict,
                    assignments: prepared.assignments,
                    from_query: prepared.from_query,
                    aside,
                };
                self.upsert(upsert).await?
            }
            None => self.insert_rows(prepared, aside).await?,
        };
        warning_count += counts.warnings;
        let Numbers { made, last } = counts.numbers;
        if let Some(id) = made {
            self.last_insert_id = id;
        }
        let mut info = match multi_row || invalid > 0 {
            true => format!(
                "Records: {}  Duplicates: {}  Warnings: {warning_count}",
                rows + invalid,
                counts.duplicates
            ),
            false => String::new(),
        };
        if invalid > 0 {
            info.push_str(&format!("  Invalid: {invalid}"));
        }
        Ok(Outcome::Done(Done {
            affected_rows: counts.affected,
            last_insert_id: made.or(self.sink.insert_id()).or(last).unwrap_or(0),
            info,
        }))
    }

    pub(super) async fn insert_rows(
        &mut self,
        prepared: Prepared,
        aside: Option<Aside>,
    ) -> Result<Counts> {
        let Some(transaction) = self.open_transaction() else {
            return self.commit_rows(prepared, aside).await;
        };
        let Prepared {
            snapshot,
            table,
            built,
            ..
        } = prepared;
        let resent = transaction.insert(&snapshot, &built.batch)?;
        if let Some(Aside { table, rows }) = &aside {
            transaction.insert(table, rows)?;
        }
        let notes = self.note_resent(&table, &built.batch, &resent);
        let numbers = written_numbers(&table, &built, |row| {
            resent.binary_search(&(row as u32)).is_err()
        });
        let counts = Counts::inserted(built.batch.num_rows() as u64, numbers);
        Ok(counts.without(resent.len() as u64, notes))
    }

    /// Commits rows by themselves, whether or not a transaction is open.
    pub(super) async fn commit_rows(
        &mut self,
        prepared: Prepared,
        aside: Option<Aside>,
    ) -> Result<Counts> {
        let Prepared {
            table,
            on_conflict,
            built,
            ..
        } = prepared;
        let rows = built.batch.num_rows() as u64;
        let zone = self.time_zone();
        let on_duplicate = match on_conflict {
            Some(_) => OnDuplicate::Skip,
            None => OnDuplicate::Fail,
        };
        let mut rows_in = vec![(table.meta.id, built.batch.clone())];
        let mut made_for = vec![Arc::clone(&table.meta)];
        if let Some(Aside { table, rows }) = aside {
            rows_in.push((table.meta().id, rows));
            made_for.push(Arc::clone(table.meta()));
        }
        let (inserts, arrivals) = match table.meta.spec.event_key {
            None => (rows_in, Vec::new()),
            Some(_) => (Vec::new(), rows_in),
        };
        let batch = WriteBatch {
            inserts,
            deletes: Vec::new(),
            arrivals,
            on_duplicate,
            sync: self.engine.sync_mode(),
        };
        let committed = self.submit(batch, made_for).await?;
        let commit = committed.map_err(|e| duplicate_entry(e, &table, &built.batch, zone))?;
        let resent = commit.resent.first().map_or(&[][..], Vec::as_slice);
        let notes = self.note_resent(&table, &built.batch, resent);
        let before = self.sink.total();
        let batches = std::slice::from_ref(&built.batch);
        warn_repeated(&self.sink, &table, (batches, &commit.repeated), zone);
        let warnings = notes + self.sink.total() - before;
        let gone: HashSet<usize> = commit
            .repeated
            .iter()
            .map(|repeated| repeated.row)
            .collect();
        let is_in =
            |row: usize| !gone.contains(&row) && resent.binary_search(&(row as u32)).is_err();
        let numbers = written_numbers(&table, &built, is_in);
        Ok(Counts::inserted(rows, numbers).without(commit.rows_skipped, warnings))
    }

    /// Waits for a commit without holding a thread. Once queued it happens, also if the client goes away.
    /// `made_for`: the definitions of the tables that it has rows for, as these were made for them.
    pub(super) async fn submit(
        &self,
        batch: WriteBatch,
        made_for: Vec<Arc<TableMeta>>,
    ) -> Result<storno_storage::Result<Commit>> {
        let (sender, receiver) = oneshot::channel();
        let done = move |result| {
            let _ = sender.send(result);
        };
        let store = self.engine.store().clone();
        if store.is_large(&batch) {
            // Its rows become segments before it is queued: not on a thread that serves connections.
            let submit = move || store.submit_made_for(batch, made_for, Box::new(done));
            drop(self.engine.pool()?.spawn_blocking(submit));
        } else {
            store.submit_made_for(batch, made_for, Box::new(done));
        }
        let gone = |_| SqlError::new(1053, "08S01", "Server shutdown in progress");
        receiver.await.map_err(gone)
    }
}

/// What an INSERT does about rows whose key is there. Without a unique key there is none.
fn on_conflict(
    table: &TableDefinition,
    replace: bool,
    ignore: bool,
    updates: bool,
) -> Option<OnConflict> {
    if table.meta.spec.unique_keys.is_empty() {
        None
    } else if updates {
        Some(OnConflict::Update)
    } else if replace {
        Some(OnConflict::Replace)
    } else {
        ignore.then_some(OnConflict::Skip)
    }
}

fn insert_plan(statement: &sqlparser::ast::Statement, lexed: &Lexed) -> Result<InsertPlan> {
    match statement {
        sqlparser::ast::Statement::Insert(insert) => InsertPlan::from_ast(insert),
        _ => Err(lexed.error_at(0)),
    }
}

/// Reads the rows of a plain INSERT; `None`: it is not plain.
fn prepare_literal(
    insert: &LiteralInsert<'_>,
    (snapshot, table): (TableSnapshot, Arc<KnownTable>),
    view: &View,
    settings: Settings,
) -> Result<Option<Prepared>> {
    let (id, store) = (table.meta.id, view.session.engine.store());
    let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
    let Some(built) = insert.run(&table, settings, &mut reserve)? else {
        return Ok(None);
    };
    let multi_row = built.batch.num_rows() + built.invalid.len() > 1;
    let door = Door::new(&table, view, settings, insert.ignore)?;
    Ok(Some(Prepared {
        snapshot,
        on_conflict: on_conflict(&table, insert.replace, insert.ignore, false),
        assignments: None,
        from_query: false,
        multi_row,
        built: door.admit(built)?,
        table,
    }))
}

/// The rows of a plain prepared INSERT.
fn bind_rows(
    plan: &InsertPlan,
    params: &[Scalar],
    (snapshot, table): (TableSnapshot, Arc<KnownTable>),
    (view, settings): (&View, Settings),
) -> Result<Prepared> {
    let (id, store) = (table.meta.id, view.session.engine.store());
    let mut reserve = |count| Ok(store.reserve_ids(id, count)?);
    let evaluate = |_: &sqlparser::ast::Expr| {
        Err(SqlError::internal(
            "Internal error: an expression in a plain INSERT",
        ))
    };
    let built = plan.run(&table, settings, params, &evaluate, &mut reserve)?;
    let door = Door::new(&table, view, settings, plan.ignore)?;
    let many = matches!(&plan.rows, Rows::Values(rows) if rows.len() > 1);
    Ok(Prepared {
        snapshot,
        on_conflict: on_conflict(&table, plan.replace, plan.ignore, false),
        assignments: None,
        from_query: false,
        multi_row: many,
        built: door.admit(built)?,
        table,
    })
}

fn prepared(
    snapshot: TableSnapshot,
    table: Arc<KnownTable>,
    plan: InsertPlan,
    built: InsertBatch,
) -> Prepared {
    let updates = plan.on_duplicate.is_some();
    Prepared {
        snapshot,
        on_conflict: on_conflict(&table, plan.replace, plan.ignore, updates),
        assignments: plan.on_duplicate,
        from_query: false,
        multi_row: match &plan.rows {
            Rows::Values(rows) => rows.len() > 1,
            Rows::Query(_) => true,
        },
        table,
        built,
    }
}

fn target(plan: &InsertPlan, view: &View) -> Result<Arc<KnownTable>> {
    let table = view.table(plan.schema.as_deref(), &plan.table)?;
    view.session.engine.tables().get(table.meta())
}

/// Microseconds since 1970, now.
pub(super) fn now_utc() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(0, |d| i64::try_from(d.as_micros()).unwrap_or(i64::MAX))
}
