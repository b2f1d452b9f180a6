//! A session: one client's state, and the statements it runs.
//!
//! Nothing here recurses over syntax: trees are built, used and dropped on the planning threads.

mod access;
mod account;
mod alter;
mod aside;
mod assign;
mod backup;
mod change;
mod command;
mod create_select;
mod diagnostics;
mod export;
mod field_list;
mod files;
pub(crate) mod fill;
mod ingest;
mod insert;
mod into;
mod kill;
mod link;
mod load;
mod maintain;
mod named;
mod numbers;
mod patience;
mod prepared;
pub mod process;
mod query;
mod replacing;
mod schema;
mod secrets;
mod set;
mod several;
mod show;
#[cfg(test)]
mod tests;
mod track;
mod transaction;
mod upsert;
pub mod variables;
mod view;
mod views;
mod written;

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU64;

use crate::accounts::AccountName;
use crate::dialect::{Lexed, lex, readable};
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::files::FilesTable;
use crate::functions::warnings::Sink;
use crate::information_schema::{INFORMATION_SCHEMA, is_information_schema};
use crate::insert::Scalar;
use crate::result::{Done, Outcome};
use command::Command;
pub(crate) use command::account_name;
use diagnostics::asks_for_counts;
use load::Upload;
use prepared::Statements;
use process::Process;
use several::{Several, first_of_several};
use track::Told;
use transaction::Transaction;
use variables::{SessionVariables, known};

pub use access::Rights;
pub(crate) use access::{PERFORMANCE_SCHEMA, relations};
pub use kill::{Interrupt, Kill};
pub use prepared::Prepared;
pub use track::Change;

/// Who the session belongs to.
#[derive(Debug, Clone)]
pub struct SessionContext {
    pub connection_id: u32,
    pub user: String,
    pub host: String,
    pub database: Option<String>,
    /// CLIENT_FOUND_ROWS: UPDATE counts the rows it finds, not those it changes.
    pub found_rows: bool,
    /// CLIENT_LOCAL_FILES: the client sends files when asked to.
    pub local_files: bool,
    /// CLIENT_MULTI_STATEMENTS: one text may hold several statements.
    pub multi_statements: bool,
    /// How KILL reaches the session; `None`: it cannot.
    pub interrupt: Option<Arc<dyn Interrupt>>,
}

/// What goes with every OK packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Status {
    pub autocommit: bool,
    pub in_transaction: bool,
    pub read_only: bool,
    /// Another statement of the same text follows: `Session::next_result`.
    pub more_results: bool,
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
    context: Arc<SessionContext>,
    /// The account by which the user came in.
    account: AccountName,
    /// What others see of this session.
    process: Arc<Process>,
    database: Option<String>,
    variables: SessionVariables,
    user_variables: HashMap<String, Scalar>,
    statements: Statements,
    /// Those of PREPARE, by folded name.
    named_statements: HashMap<String, u32>,
    multi_statements: bool,
    several: Several,
    /// What the client knows of the session's state.
    told: Told,
    /// The load whose file the client is sending.
    upload: Option<Upload>,
    transaction: Option<Transaction>,
    /// The calls of FILES in the statement that runs.
    files: Arc<[Arc<FilesTable>]>,
    /// Warnings of the last statement, and of the one that runs.
    sink: Sink,
    /// Warnings and errors of the statement before the queries for their counts.
    counts: Option<(u64, u64)>,
    last_insert_id: u64,
    row_count: i64,
    /// Rows of the last query, counted while they are sent.
    found_rows: Arc<AtomicU64>,
}

impl Session {
    pub(crate) fn new(engine: Engine, context: SessionContext) -> Self {
        let process = engine.processes().open(&context);
        let variables = SessionVariables::new(engine.globals().clone());
        let account = engine.account_of(&context.user, &context.host);
        Self {
            account,
            database: context.database.clone(),
            engine,
            process,
            variables,
            user_variables: HashMap::new(),
            statements: Statements::default(),
            named_statements: HashMap::new(),
            multi_statements: context.multi_statements,
            context: Arc::new(context),
            several: Several::default(),
            told: Told::default(),
            upload: None,
            transaction: None,
            files: Arc::default(),
            sink: Sink::default(),
            counts: None,
            last_insert_id: 0,
            row_count: -1,
            found_rows: Arc::default(),
        }
    }

    /// DATABASE()
    pub fn database(&self) -> Option<&str> {
        self.database.as_deref()
    }

    pub fn status(&self) -> Status {
        Status {
            autocommit: self.variables.is_on(known!("autocommit")),
            in_transaction: self
                .transaction
                .as_ref()
                .is_some_and(Transaction::has_begun),
            read_only: self.transaction.as_ref().is_some_and(|t| t.read_only),
            more_results: self.several.are_waiting(),
            warnings: u16::try_from(self.sink.total()).unwrap_or(u16::MAX),
        }
    }

    pub fn timeouts(&self) -> Timeouts {
        Timeouts {
            idle: self.variables.integer(known!("wait_timeout")),
            interactive: self.variables.integer(known!("interactive_timeout")),
            read: self.variables.integer(known!("net_read_timeout")),
            write: self.variables.integer(known!("net_write_timeout")),
        }
    }

    /// What the client said of itself at its login, for others to see.
    pub fn set_attributes(&self, attributes: Vec<(String, String)>) {
        self.process.set_attributes(attributes);
    }

    /// Runs one statement, or the first of several, which `Status::more_results` then says. The text is
    /// UTF-8, but for strings and comments, or an error 1300.
    pub async fn query(&mut self, sql: &[u8]) -> Result<Outcome> {
        self.several.forget();
        if !self.may_be_several(sql) {
            return self.query_one(sql).await;
        }
        if let Some(outcome) = self.plain_insert(sql).await? {
            return Ok(outcome);
        }
        let first = first_of_several(sql);
        match self.finished(first)? {
            Some((first, others)) => {
                self.several.wait(others);
                self.query_one(&first).await
            }
            None => self.query_one(sql).await,
        }
    }

    async fn query_one(&mut self, sql: &[u8]) -> Result<Outcome> {
        let running = self.process.begin("Query", sql);
        let result = self.dispatch(sql, None).await;
        let sink = self.sink.clone();
        let outcome = self.finished(result)?;
        self.row_count = outcome.row_count();
        if let Outcome::File(name) = outcome {
            self.upload_runs(running);
            return Ok(Outcome::File(name));
        }
        Ok(outcome.during(running, sink))
    }

    /// Prepares a statement: its placeholders and the columns EXECUTE will give.
    pub async fn prepare(&mut self, sql: &[u8]) -> Result<Prepared> {
        let _running = self.process.begin("Prepare", sql);
        let result = self.prepare_statement(sql).await;
        self.finished(result)
    }

    /// Runs a prepared statement with one value per placeholder.
    pub async fn execute(&mut self, id: u32, params: Vec<Scalar>) -> Result<Outcome> {
        let found = match self.statements.find(id, params.len()) {
            Ok(found) => found,
            Err(e) => return self.finished(Err(e)),
        };
        let running = self.process.begin("Execute", &found.text);
        let result = match found.insert {
            Some(insert) => self.prepared_insert(insert, params).await,
            None => self.dispatch(&found.text, Some(params)).await,
        };
        let sink = self.sink.clone();
        let outcome = self.finished(result)?;
        self.row_count = outcome.row_count();
        Ok(outcome.during(running, sink))
    }

    pub fn close_statement(&mut self, id: u32) {
        self.statements.close(id);
    }

    /// COM_INIT_DB and USE.
    pub async fn use_database(&mut self, name: &str) -> Result<()> {
        self.authorize_needs(&[access::Need::SeenSchema(name.to_string())])?;
        let name = match is_information_schema(name) {
            true => INFORMATION_SCHEMA,
            false if self.engine.store().snapshot().tables(name).is_some() => name,
            false => return Err(SqlError::unknown_database(name)),
        };
        self.set_database(Some(name.to_string()));
        Ok(())
    }

    fn set_database(&mut self, database: Option<String>) {
        self.process.set_database(database.as_deref());
        self.database = database;
    }

    /// COM_RESET_CONNECTION: everything but the login and the database.
    pub fn reset(&mut self) {
        self.variables = SessionVariables::new(self.engine.globals().clone());
        self.user_variables.clear();
        self.statements = Statements::default();
        self.named_statements.clear();
        self.several.forget();
        self.upload = None;
        self.transaction = None;
        self.forget_warnings();
        self.last_insert_id = 0;
        self.found_rows = Arc::default();
        self.row_count = -1;
    }

    fn finished<T>(&mut self, mut result: Result<T>) -> Result<T> {
        if let Err(error) = &mut result {
            // A syntax error quotes the statement.
            let state = self.process.state();
            if let Cow::Owned(message) = secrets::hidden_in_error(&error.message, &state.shown()) {
                error.message = message;
            }
            drop(state);
            self.several.forget();
            self.row_count = -1;
            self.sink.push_error(error);
        }
        result
    }

    async fn dispatch(&mut self, sql: &[u8], params: Option<Vec<Scalar>>) -> Result<Outcome> {
        // A file that did not come to its end before the next statement never will.
        self.upload = None;
        let short = self.engine.budget().is_short();
        if params.is_none()
            && !short
            && let Some(outcome) = self.literal_insert(sql).await?
        {
            return Ok(outcome);
        }
        let (text, warnings) = readable(sql)?;
        let lexed = lex(&text)?;
        self.check_pipes(&lexed)?;
        let command = command::classify(&lexed)?;
        if short && command.takes_memory() {
            self.engine.budget().admit().await?;
        }
        // SHOW WARNINGS shows those of the statement before it, and so does @@warning_count.
        match command {
            Command::Show if show::is_diagnostic(&lexed) => {}
            Command::Query if asks_for_counts(&lexed) => {
                self.counts = Some(self.diagnostics());
                self.forget_warnings();
            }
            _ => {
                self.counts = None;
                self.forget_warnings();
            }
        }
        self.warn(warnings);
        if params.is_none() && command::placeholders(&lexed) > 0 {
            return Err(placeholder_error(&lexed));
        }
        let (lexed, command) = self.bind_files(lexed, command).await?;
        self.run(lexed, command, params.unwrap_or_default()).await
    }

    async fn run(
        &mut self,
        lexed: Lexed,
        command: Command,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        self.authorize(&command, &lexed).await?;
        match command {
            Command::Empty => Err(SqlError::new(1065, "42000", "Query was empty")),
            Command::Query => self.select(lexed, params).await,
            Command::Explain { from, analyze } => {
                self.explain(&lexed, (from, analyze), params).await
            }
            Command::Insert => self.insert(lexed, params).await,
            Command::Change => self.change(lexed, params).await,
            Command::Define => self.define(lexed).await,
            Command::View(statement) => self.define_view(statement).await,
            Command::Set => self.set(&lexed, params).await,
            Command::Show => self.show(lexed, params).await,
            Command::Describe => self.describe(&lexed),
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
            Command::RollbackTo(name) => {
                self.savepoints(&name)?.rollback_to(&name).map(|()| done(0))
            }
            Command::Release(name) => self.savepoints(&name)?.release(&name).map(|()| done(0)),
            Command::Account => self.account_statement(&lexed).await,
            Command::Nothing => Ok(done(0)),
            Command::CreateSelect(create) => Box::pin(self.create_select(&lexed, create)).await,
            Command::Kill => self.kill_statement(&lexed, params).await,
            Command::Prepare => self.prepare_named(&lexed).await,
            Command::Execute => self.execute_named(&lexed).await,
            Command::Deallocate => self.deallocate(&lexed),
            Command::Maintain => self.maintain(&lexed).await,
            Command::IngestTokens => self.ingest_tokens(&lexed).await,
            Command::Load => self.load(lexed).await,
            Command::Export { at } => Box::pin(self.export(lexed, at, params)).await,
            Command::Link => self.link(&lexed).await,
            Command::Backup => Box::pin(self.backup(&lexed)).await,
            Command::Do => self.do_expressions(&lexed, params).await,
        }
    }

    /// The open transaction; without autocommit one begins by itself.
    fn open_transaction(&mut self) -> Option<&mut Transaction> {
        if self.transaction.is_none() && !self.variables.is_on(known!("autocommit")) {
            self.transaction = Some(Transaction::implicit(
                self.variables.is_on(known!("transaction_read_only")),
            ));
        }
        self.transaction.as_mut()
    }

    fn savepoints(&mut self, name: &str) -> Result<&mut Transaction> {
        let text = format!("SAVEPOINT {name} does not exist");
        let missing = || SqlError::new(1305, "42000", text);
        self.open_transaction().ok_or_else(missing)
    }

    /// Commits what is pending; the transaction is over whether that works or not.
    async fn commit(&mut self) -> Result<()> {
        let Some(transaction) = self.transaction.take() else {
            return Ok(());
        };
        let tables = transaction.tables();
        match transaction.into_batch(self.engine.sync_mode())? {
            Some(batch) => self.write(batch, tables).await,
            None => Ok(()),
        }
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.engine.processes().close(&self.process);
    }
}

fn done(affected_rows: u64) -> Outcome {
    Outcome::Done(Done {
        affected_rows,
        ..Done::default()
    })
}

fn placeholder_error(lexed: &Lexed) -> SqlError {
    let is_placeholder = |i: &usize| lexed.word(*i) == "?";
    let at = (0..lexed.tokens.len()).find(is_placeholder).unwrap_or(0);
    lexed.error_at(at)
}
