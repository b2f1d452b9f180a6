//! The engine: one store, the pools that plan and execute, and what all sessions share.

use std::net::IpAddr;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};
use std::time::{Duration, Instant};

use datafusion::execution::disk_manager::{DiskManagerBuilder, DiskManagerMode};
use datafusion::execution::runtime_env::RuntimeEnvBuilder;
use datafusion::execution::session_state::{SessionState, SessionStateBuilder};
use datafusion::prelude::SessionConfig;
use storno_storage::{Store, SyncMode};
use storno_transfer::{CellText, Reach};
use tokio::runtime::{Handle, Runtime};

use crate::accounts::{self, AccountName, Accounts, Secret};
use crate::backup::{Continuous, Place};
use crate::error::{Result, SqlError};
use crate::export::{Asked, JobKind, Jobs, Summary};
use crate::functions::warnings::follow_tasks;
use crate::ingest::{Grant, Tokens};
use crate::known::KnownTables;
use crate::memory::{self, Budget};
use crate::planning::PlanningPool;
use crate::privacy::Keys;
use crate::result::ResultColumn;
use crate::select::aggregate::StornoPlanner;
use crate::select::reuse::Plans;
use crate::select::{coerce, sort_keys};
use crate::session::fill::is_marked;
use crate::session::process::Processes;
use crate::session::variables::{self, GlobalVariables, known};
use crate::session::{Session, SessionContext};
use crate::views::Views;

/// Stack of the threads that execute plans. Expressions are evaluated recursively.
const STACK_BYTES: usize = 64 << 20;

/// How an engine is set up.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Threads that execute queries.
    pub threads: usize,
    /// Bytes that all running queries together may take for sorting, grouping and joining.
    pub memory_bytes: usize,
    /// Bytes that the process may take altogether, mapped files aside: statements are ended before it takes
    /// more. `None`: nobody looks, as in a program of which the engine is but a part.
    pub process_memory_bytes: Option<usize>,
    /// Where sorting and grouping spill what does not fit in memory; `None`: the system's place for
    /// temporary files.
    pub temporary_dir: Option<PathBuf>,
    /// VERSION(); clients parse its beginning.
    pub version: String,
    /// System variables that differ from their defaults (port, max_connections ...).
    pub variables: Vec<(String, String)>,
    /// Servers of files that exports and imports may reach.
    pub reach: Reach,
    /// How the values of a result are printed into files; `None`: exports are refused.
    pub cells: Option<PrintCells>,
    /// Where the keys of pseudonyms are kept: the data directory. `None`: they end with the engine.
    pub directory: Option<PathBuf>,
}

/// Makes the printer of a result's values.
pub type PrintCells = fn(Vec<ResultColumn>) -> Arc<dyn CellText>;

impl Default for EngineOptions {
    fn default() -> Self {
        Self {
            threads: std::thread::available_parallelism().map_or(2, usize::from),
            memory_bytes: 4 << 30,
            process_memory_bytes: None,
            temporary_dir: None,
            version: concat!("8.4.0-storno-", env!("CARGO_PKG_VERSION")).into(),
            variables: Vec::new(),
            reach: Reach::default(),
            cells: None,
            directory: None,
        }
    }
}

/// A database that sessions are opened on. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Engine {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    store: Store,
    /// `None` only while dropping.
    pool: Option<Runtime>,
    planning: PlanningPool,
    state: SessionState,
    budget: Arc<Budget>,
    globals: GlobalVariables,
    accounts: Accounts,
    processes: Processes,
    plans: Plans,
    jobs: Jobs,
    continuous: OnceLock<Arc<Continuous>>,
    reach: Reach,
    cells: Option<PrintCells>,
    threads: usize,
    tables: KnownTables,
    pseudonym_keys: Keys,
    /// Rows left out because their event was known.
    resent: AtomicU64,
    /// Held while a definition is changed.
    definitions: tokio::sync::Mutex<()>,
    views: RwLock<Arc<Views>>,
    started: Instant,
}

impl Drop for Inner {
    fn drop(&mut self) {
        // Jobs clean up while what they read from is there.
        self.jobs.shut_down();
        // Dropping a runtime blocks, which is forbidden on the threads of another runtime.
        if let Some(pool) = self.pool.take() {
            pool.shutdown_background();
        }
    }
}

impl Engine {
    /// Sets up pools over an open store.
    pub fn new(store: Store, options: EngineOptions) -> Result<Self> {
        let internal = |e: &dyn std::fmt::Display| SqlError::internal(e.to_string());
        let globals = GlobalVariables::default();
        let version = ("version".to_string(), options.version.clone());
        for (name, value) in options.variables.iter().chain([&version]) {
            let variable = variables::find(name)?;
            globals.set(variable, variables::check(variable, value)?);
        }
        for (name, value) in variables::persisted(&store)? {
            // A variable that a later version has no more, or bounds otherwise, is left as it is.
            if let Ok(variable) = variables::find(&name)
                && let Ok(value) = variables::check(variable, &value)
            {
                globals.set(variable, value);
            }
        }
        let accounts = Accounts::open(&store)?;
        follow_tasks();
        let pool = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(options.threads.max(1))
            .thread_name("storno-cpu")
            .thread_stack_size(STACK_BYTES)
            .enable_time()
            .build()
            .map_err(|e| internal(&e))?;
        let planning = PlanningPool::new(options.threads.max(2)).map_err(|e| internal(&e))?;
        let budget = Arc::new(Budget::new(options.memory_bytes));
        if let Some(limit) = options.process_memory_bytes {
            memory::watch(&budget, limit).map_err(|e| internal(&e))?;
        }
        let state = session_state(&options, &budget).map_err(|e| internal(&e))?;
        let views = RwLock::new(Arc::new(Views::read(&store)?));
        let inner = Inner {
            store,
            pool: Some(pool),
            planning,
            state,
            budget,
            globals,
            accounts,
            processes: Processes::default(),
            plans: Plans::default(),
            jobs: Jobs::default(),
            continuous: OnceLock::new(),
            reach: options.reach.clone(),
            cells: options.cells,
            threads: options.threads.max(1),
            tables: KnownTables::default(),
            pseudonym_keys: Keys::new(options.directory),
            resent: AtomicU64::new(0),
            definitions: tokio::sync::Mutex::default(),
            views,
            started: Instant::now(),
        };
        let engine = Self {
            inner: Arc::new(inner),
        };
        engine.finish_fills()?;
        Ok(engine)
    }

    /// Columns that a crash has left without the values of older rows get them before anybody looks.
    fn finish_fills(&self) -> Result<()> {
        let snapshot = self.store().snapshot();
        let schemas = snapshot.schemas().into_iter();
        let mut tables = schemas.flat_map(|(s, _)| snapshot.tables(&s).unwrap_or_default());
        if !tables.any(|meta| is_marked(&meta)) {
            return Ok(());
        }
        let engine = self.clone();
        // The caller may be a thread of another runtime, on which nothing may wait for this one.
        let work = move || {
            let mut session = engine.session(SessionContext {
                connection_id: 0,
                user: String::new(),
                host: String::new(),
                database: None,
                found_rows: false,
                local_files: false,
                multi_statements: false,
                interrupt: None,
            });
            engine.pool()?.block_on(session.finish_fills())
        };
        let done = std::thread::spawn(work).join();
        done.map_err(|_| SqlError::internal("filling generated columns panicked"))?
    }

    /// Opens a session. The caller has authenticated the user.
    pub fn session(&self, context: SessionContext) -> Session {
        Session::new(self.clone(), context)
    }

    /// What `user` must prove to log in from `peer`; `None`: access denied.
    pub fn account(&self, user: &str, peer: IpAddr) -> Option<Secret> {
        self.inner.accounts.secret(user, peer)
    }

    /// The name of the account by which `user` comes in from `host`, as the session's context has it.
    pub(crate) fn account_of(&self, user: &str, host: &str) -> AccountName {
        let list = self.inner.accounts.list();
        let account = list
            .admitted(user, host)
            .map(|account| account.name.clone());
        account.unwrap_or_else(|| AccountName::new(user, host))
    }

    /// Whether a client that has proved its password may have a session: 3118 if the account is
    /// locked, 1045 if it wants encryption.
    pub fn admit(&self, user: &str, peer: IpAddr, encrypted: bool) -> Result<()> {
        let host = accounts::client(peer);
        let list = self.inner.accounts.list();
        let account = list.admitted(user, &host);
        if account.is_some_and(|account| account.locked) {
            let name = AccountName::new(user, &host);
            let text = format!("Access denied for user {name}. Account is locked.");
            return Err(SqlError::new(3118, "HY000", text));
        }
        if account.is_none_or(|account| account.encrypted_only && !encrypted) {
            let name = AccountName::new(user, &host);
            let text = format!("Access denied for user {name} (using password: YES)");
            return Err(SqlError::new(1045, "28000", text));
        }
        Ok(())
    }

    pub(crate) fn accounts(&self) -> &Accounts {
        &self.inner.accounts
    }

    /// The store below.
    pub fn store(&self) -> &Store {
        &self.inner.store
    }

    /// VERSION().
    pub fn version(&self) -> String {
        self.globals().get(known!("version"))
    }

    /// The system variable `max_connections`, if it has been set.
    pub fn max_connections(&self) -> Option<usize> {
        let chosen = self.globals().chosen(known!("max_connections"));
        chosen?.parse().ok()
    }

    /// Sessions open now.
    pub fn open_sessions(&self) -> usize {
        self.inner.processes.count()
    }

    /// Time since the engine was set up.
    pub fn uptime(&self) -> Duration {
        self.inner.started.elapsed()
    }

    /// Rows left out since the engine was set up because their event was known.
    pub fn rows_resent(&self) -> u64 {
        self.inner.resent.load(Ordering::Relaxed)
    }

    pub(crate) fn count_resent(&self, rows: u64) {
        self.inner.resent.fetch_add(rows, Ordering::Relaxed);
    }

    pub(crate) fn processes(&self) -> &Processes {
        &self.inner.processes
    }

    /// Plans of earlier statements.
    pub(crate) fn plans(&self) -> &Plans {
        &self.inner.plans
    }

    /// The views there are.
    pub(crate) fn views(&self) -> Arc<Views> {
        Arc::clone(
            &self
                .inner
                .views
                .read()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Held is the lock of definitions.
    pub(crate) fn set_views(&self, views: Views) {
        let mut now = self
            .inner
            .views
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        *now = Arc::new(views);
    }

    /// Exports under way.
    pub(crate) fn jobs(&self) -> &Jobs {
        &self.inner.jobs
    }

    /// Keeps a backup of everything in a place that follows this engine until it ends. Once.
    ///
    /// # Errors
    /// No threads can be had.
    pub fn back_up_continuously(&self, place: Place, every: Duration) -> Result<()> {
        let continuous = Arc::new(Continuous::new(self.inner.store.clone()));
        if self.inner.continuous.set(Arc::clone(&continuous)).is_err() {
            return Err(SqlError::internal("there is a continuous backup"));
        }
        let asked = Asked {
            connection: 0,
            user: String::new(),
            url: place.url(),
            statement: "continuous backup".into(),
        };
        let work = |progress, cancel| async move {
            continuous.run(place, every, progress, cancel).await;
            Ok(Summary {
                files: 0,
                rows: 0,
                bytes: 0,
                manifest: None,
            })
        };
        self.jobs().start(asked, JobKind::Backup, work)?;
        Ok(())
    }

    /// How far the continuous backup has come, if there is one.
    pub(crate) fn continuous(&self) -> Option<&Continuous> {
        self.inner.continuous.get().map(Arc::as_ref)
    }

    pub(crate) fn reach(&self) -> &Reach {
        &self.inner.reach
    }

    /// Threads that a statement may use.
    pub(crate) fn threads(&self) -> usize {
        self.inner.threads
    }

    pub(crate) fn cells(&self, columns: Vec<ResultColumn>) -> Result<Arc<dyn CellText>> {
        let print = self.inner.cells;
        let print = print.ok_or_else(|| SqlError::not_supported("SELECT .. INTO OUTFILE"))?;
        Ok(print(columns))
    }

    /// The memory that statements share.
    pub(crate) fn budget(&self) -> &Budget {
        &self.inner.budget
    }

    /// Definitions of tables, decoded.
    pub(crate) fn tables(&self) -> &KnownTables {
        &self.inner.tables
    }

    /// Who sends rows with this token, and where they may go; `None`: nobody.
    pub fn ingest_grant(&self, token: &str) -> Result<Option<(String, Grant)>> {
        Tokens::find(&self.inner.store, token)
    }

    /// The keys of private columns.
    pub(crate) fn pseudonym_keys(&self) -> &Keys {
        &self.inner.pseudonym_keys
    }

    /// Definitions are changed one at a time.
    pub(crate) fn definitions(&self) -> &tokio::sync::Mutex<()> {
        &self.inner.definitions
    }

    pub(crate) fn globals(&self) -> &GlobalVariables {
        &self.inner.globals
    }

    pub(crate) fn planning(&self) -> &PlanningPool {
        &self.inner.planning
    }

    /// Where plans and blocking calls run.
    pub(crate) fn pool(&self) -> Result<&Handle> {
        let stopped = || SqlError::new(1053, "08S01", "Server shutdown in progress");
        self.inner
            .pool
            .as_ref()
            .map(Runtime::handle)
            .ok_or_else(stopped)
    }

    /// DataFusion's state for one statement; its clock starts now.
    pub(crate) fn state(&self) -> SessionState {
        let mut state = self.inner.state.clone();
        state.mark_start_execution();
        state
    }

    /// When a commit is acknowledged (innodb_flush_log_at_trx_commit).
    pub(crate) fn sync_mode(&self) -> SyncMode {
        let chosen = self.globals().get(known!("innodb_flush_log_at_trx_commit"));
        match chosen.as_str() {
            "0" => SyncMode::Buffered,
            "2" => SyncMode::Written,
            _ => SyncMode::Durable,
        }
    }

    /// Runs a call into storage that may wait for the disk.
    pub(crate) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> storno_storage::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.blocking_sql(move |store| Ok(work(store)?)).await
    }

    /// The same for work that fails as SQL does.
    pub(crate) async fn blocking_sql<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let store = self.inner.store.clone();
        let joined = self.pool()?.spawn_blocking(move || work(&store)).await;
        joined.map_err(|e| SqlError::internal(e.to_string()))?
    }
}

/// No catalog, no file formats, no object stores: only rules and limits.
fn session_state(
    options: &EngineOptions,
    budget: &Arc<Budget>,
) -> datafusion::error::Result<SessionState> {
    let spill = match &options.temporary_dir {
        Some(dir) => DiskManagerMode::Directories(vec![dir.clone()]),
        None => DiskManagerMode::OsTmpDirectory,
    };
    let runtime = RuntimeEnvBuilder::new()
        .with_memory_pool(Arc::clone(budget) as _)
        .with_disk_manager_builder(DiskManagerBuilder::default().with_mode(spill))
        .build_arc()?;
    let mut config = SessionConfig::new()
        .with_target_partitions(options.threads.max(1))
        // Our scans hand out their work themselves.
        .with_round_robin_repartition(false)
        .with_create_default_catalog_and_schema(false)
        .with_information_schema(false);
    // It compares metadata of fields, too, which columns that are computed lose when they are executed.
    config
        .options_mut()
        .execution
        .skip_physical_aggregate_schema_check = true;
    Ok(SessionStateBuilder::new()
        .with_config(config)
        .with_runtime_env(runtime)
        .with_analyzer_rules(coerce::analyzer_rules())
        .with_optimizer_rules(sort_keys::optimizer_rules())
        .with_query_planner(Arc::new(StornoPlanner))
        .build())
}
