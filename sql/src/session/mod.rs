//! A session: one client's state, and the statements it runs.
//!
//! Nothing here recurses over syntax: trees are built, used and dropped on the planning threads.

mod account;
mod assign;
mod change;
mod command;
mod insert;
mod prepared;
mod query;
mod schema;
mod set;
mod show;
#[cfg(test)]
mod tests;
mod transaction;
mod upsert;
pub mod variables;

use std::collections::HashMap;
use std::sync::Arc;

use crate::dialect::{Lexed, lex};
use crate::engine::Engine;
use crate::error::{Level, Result, SqlError, Warning};
use crate::insert::Scalar;
use crate::result::{Done, Outcome};
use crate::select::planner::View;
use command::{Command, account_name};
use prepared::Statements;
use transaction::Transaction;
use variables::SessionVariables;

pub use prepared::Prepared;

/// Warnings kept of one statement (max_error_count).
const WARNINGS_MAX: usize = 1_024;

/// Who the session belongs to.
#[derive(Debug, Clone)]
pub struct SessionContext {
    pub connection_id: u32,
    pub user: String,
    pub host: String,
    pub database: Option<String>,
    /// CLIENT_FOUND_ROWS: UPDATE counts the rows it finds, not those it changes.
    pub found_rows: bool,
}

/// What goes with every OK packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub autocommit: bool,
    pub in_transaction: bool,
    pub read_only: bool,
    pub warnings: u16,
}

/// Time-outs that the session's variables name, in seconds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    pub idle: u64,
    pub interactive: u64,
    pub read: u64,
    pub write: u64,
}

/// One client's session.
#[derive(Debug)]
pub struct Session {
    engine: Engine,
    context: SessionContext,
    database: Option<String>,
    variables: SessionVariables,
    user_variables: HashMap<String, Scalar>,
    statements: Statements,
    transaction: Option<Transaction>,
    warnings: Vec<Warning>,
    last_insert_id: u64,
    row_count: i64,
}

impl Session {
    pub(crate) fn new(engine: Engine, context: SessionContext) -> Self {
        engine.session_opened();
        let variables = SessionVariables::new(engine.globals().clone());
        Self {
            database: context.database.clone(),
            engine,
            context,
            variables,
            user_variables: HashMap::new(),
            statements: Statements::default(),
            transaction: None,
            warnings: Vec::new(),
            last_insert_id: 0,
            row_count: -1,
        }
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.engine
    }
    pub(crate) fn variables(&self) -> &SessionVariables {
        &self.variables
    }
    pub(crate) fn context(&self) -> &SessionContext {
        &self.context
    }
    pub(crate) fn warnings(&self) -> &[Warning] {
        &self.warnings
    }
    /// DATABASE()
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub fn status(&self) -> Status {
        Status {
            autocommit: self.variables.is_on("autocommit"),
            in_transaction: self
                .transaction
                .as_ref()
                .is_some_and(Transaction::has_begun),
            read_only: self.transaction.as_ref().is_some_and(|t| t.read_only),
            warnings: u16::try_from(self.warnings.len()).unwrap_or(u16::MAX),
        }
    }

    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            idle: self.variables.integer("wait_timeout"),
            interactive: self.variables.integer("interactive_timeout"),
            read: self.variables.integer("net_read_timeout"),
            write: self.variables.integer("net_write_timeout"),
        }
    }

    /// Runs one statement. The text is UTF-8 or an error 1300.
    pub async fn query(&mut self, sql: &[u8]) -> Result<Outcome> {
        let result = self.dispatch(sql, None).await;
        self.finished(result)
    }

    /// Prepares a statement: its placeholders and the columns EXECUTE will give.
    pub async fn prepare(&mut self, sql: &[u8]) -> Result<Prepared> {
        let result = self.prepare_statement(sql).await;
        self.finished(result)
    }

    /// Runs a prepared statement with one value per placeholder.
    pub async fn execute(&mut self, id: u32, params: Vec<Scalar>) -> Result<Outcome> {
        let result = match self.statements.text(id, params.len()) {
            Ok(text) => self.dispatch(&text, Some(params)).await,
            Err(e) => Err(e),
        };
        self.finished(result)
    }

    pub fn close_statement(&mut self, id: u32) {
        self.statements.close(id);
    }

    /// COM_INIT_DB and USE.
    pub async fn use_database(&mut self, name: &str) -> Result<()> {
        if self.engine.store().snapshot().tables(name).is_none() {
            return Err(SqlError::unknown_database(name));
        }
        self.database = Some(name.to_string());
        Ok(())
    }

    /// COM_RESET_CONNECTION: everything but the login and the database.
    pub fn reset(&mut self) {
        self.variables = SessionVariables::new(self.engine.globals().clone());
        self.user_variables.clear();
        self.statements = Statements::default();
        self.transaction = None;
        self.warnings.clear();
        self.last_insert_id = 0;
        self.row_count = -1;
    }

    fn finished<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result {
            self.row_count = -1;
            let message = error.message.clone();
            self.warnings.push(Warning {
                level: Level::Error,
                code: error.code,
                message,
            });
        }
        result
    }

    pub(crate) fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        let room = WARNINGS_MAX.saturating_sub(self.warnings.len());
        self.warnings.extend(warnings.into_iter().take(room));
    }

    async fn dispatch(&mut self, sql: &[u8], params: Option<Vec<Scalar>>) -> Result<Outcome> {
        if params.is_none()
            && let Some(outcome) = self.literal_insert(sql).await?
        {
            return Ok(outcome);
        }
        let lexed = lex(utf8(sql)?)?;
        let command = command::classify(&lexed)?;
        // SHOW WARNINGS shows those of the statement before it.
        if !matches!(command, Command::Show) {
            self.warnings.clear();
        }
        if params.is_none() && command::placeholders(&lexed) > 0 {
            return Err(placeholder_error(&lexed));
        }
        self.run(lexed, command, params.unwrap_or_default()).await
    }

    async fn run(
        &mut self,
        lexed: Lexed,
        command: Command,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        match command {
            Command::Empty => Err(SqlError::new(1065, "42000", "Query was empty")),
            Command::Query => self.select(lexed, params).await,
            Command::Explain { from } => self.explain(&lexed, from, params).await,
            Command::Insert => self.insert(lexed, params).await,
            Command::Change => self.change(lexed, params).await,
            Command::Define => self.define(lexed).await,
            Command::Set => self.set(&lexed).await,
            Command::Show => {
                let rows = show::show(self, &lexed, &self.catalog_view());
                if !lexed.is(1, "WARNINGS") && !lexed.is(1, "ERRORS") && !lexed.is(1, "COUNT") {
                    self.warnings.clear();
                }
                rows.map(Outcome::Rows)
            }
            Command::Describe => show::describe(&lexed, &self.catalog_view()).map(Outcome::Rows),
            Command::Use(name) => self.use_database(&name).await.map(|()| done(0)),
            Command::Begin { read_only } => {
                self.commit().await?;
                self.transaction = Some(Transaction::explicit(read_only));
                Ok(done(0))
            }
            Command::Commit { chain } => {
                let read_only = self.transaction.as_ref().is_some_and(|t| t.read_only);
                self.commit().await?;
                self.transaction = chain.then(|| Transaction::explicit(read_only));
                Ok(done(0))
            }
            Command::Rollback { chain } => {
                self.transaction = chain.then(|| Transaction::explicit(false));
                Ok(done(0))
            }
            Command::Savepoint(name) => {
                if let Some(t) = self.open_transaction() {
                    t.savepoint(name);
                }
                Ok(done(0))
            }
            Command::RollbackTo(name) => self.savepoints()?.rollback_to(&name).map(|()| done(0)),
            Command::Release(name) => self.savepoints()?.release(&name).map(|()| done(0)),
            Command::AlterUser => self.alter_user(&lexed).await,
            Command::Nothing => Ok(done(0)),
            Command::Do => self.do_expressions(&lexed).await,
        }
    }

    /// The newest catalog, for statements that read no rows.
    fn catalog_view(&self) -> View {
        View {
            snapshot: self.engine.store().snapshot(),
            changed: Arc::default(),
            database: self.database.clone(),
            time_zone: self.time_zone(),
        }
    }

    /// What a query sees now: the transaction's snapshot and rows, or the newest state.
    fn read_view(&mut self) -> View {
        let store = self.engine.store().clone();
        let (database, time_zone) = (self.database.clone(), self.time_zone());
        let (snapshot, changed) = match self.open_transaction() {
            Some(t) => (t.snapshot(|| store.snapshot()), t.changed()),
            None => (store.snapshot(), Arc::default()),
        };
        View {
            snapshot,
            changed,
            database,
            time_zone,
        }
    }

    /// The open transaction; without autocommit one begins by itself.
    fn open_transaction(&mut self) -> Option<&mut Transaction> {
        if self.transaction.is_none() && !self.variables.is_on("autocommit") {
            self.transaction = Some(Transaction::implicit(
                self.variables.is_on("transaction_read_only"),
            ));
        }
        self.transaction.as_mut()
    }

    fn savepoints(&mut self) -> Result<&mut Transaction> {
        let missing = || SqlError::new(1305, "42000", "SAVEPOINT does not exist");
        self.open_transaction().ok_or_else(missing)
    }

    /// Commits what is pending; the transaction is over whether that works or not.
    async fn commit(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        match transaction.into_batch(self.engine.sync_mode())? {
            Some(batch) => self.write(batch).await.map(drop),
            None => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.session_closed();
    }
}

fn done(affected_rows: u64) -> Outcome {
    Outcome::Done(Done {
        affected_rows,
        ..Done::default()
    })
}

/// 1300 names the first bytes that are no UTF-8.
pub(crate) fn utf8(sql: &[u8]) -> Result<&str> {
    std::str::from_utf8(sql).map_err(|e| {
        let bad = sql
            .get(e.valid_up_to()..)
            .unwrap_or_default()
            .iter()
            .take(6);
        let hex: String = bad.map(|b| format!("{b:02X}")).collect();
        SqlError::new(
            1300,
            "HY000",
            format!("Invalid utf8mb4 character string: '{hex}'"),
        )
    })
}

fn placeholder_error(lexed: &Lexed) -> SqlError {
    let is_placeholder = |i: &usize| lexed.word(*i) == "?";
    let at = (0..lexed.tokens.len()).find(is_placeholder).unwrap_or(0);
    lexed.error_at(at)
}

/// The user whose password is meant: the one named, else one's own.
fn accounts_of(context: &SessionContext, account: Option<(String, String)>) -> String {
    account.map_or_else(|| context.user.clone(), |(user, _host)| user)
}
