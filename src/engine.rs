//! The engine for Rust programs: a data directory, and sessions on it without a socket.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use arrow::array::RecordBatch;
use arrow::datatypes::{Schema, SchemaRef};
use futures::StreamExt;
use futures::stream::BoxStream;
use storno_sql::{Outcome, Scalar, SessionContext};
use storno_storage::Store;

use crate::error::{Error, Result};

/// How an engine is set up. The defaults are those of the program `storno`.
#[derive(Debug, Clone)]
pub struct EngineOptions {
    /// Bytes of rows held in memory before they are written as a segment.
    pub memtable_bytes: usize,
    /// Rows of a full segment.
    pub segment_rows: usize,
    /// Threads that execute queries. `None`: one per core.
    pub threads: Option<usize>,
    /// Bytes that all running queries together may take. `None`: the default of `storno_sql`.
    pub memory_bytes: Option<usize>,
    /// Bytes that the process may take altogether: statements are ended before it takes more. `None`: nobody
    /// looks, as it should be where the engine is but a part of the program.
    pub process_memory_bytes: Option<usize>,
    /// Bytes of dictionaries of strings that are kept decoded, and as many of what collations make of them. `None`: the
    /// default of `storno_storage`.
    pub dictionary_bytes: Option<usize>,
    /// MySQL system variables that differ from their defaults, by name.
    pub variables: Vec<(String, String)>,
    /// Servers of files that exports and imports may reach.
    pub reach: storno_sql::transfer::Reach,
}

impl Default for EngineOptions {
    fn default() -> Self {
        let storage = storno_storage::Options::new("");
        Self {
            memtable_bytes: storage.memtable_bytes,
            segment_rows: storage.segment_rows,
            threads: None,
            memory_bytes: None,
            process_memory_bytes: None,
            dictionary_bytes: None,
            variables: Vec::new(),
            reach: storno_sql::transfer::Reach::default(),
        }
    }
}

/// An open data directory. Cheap to clone; the directory is let go when the last clone, and the
/// last session, is dropped. Nothing needs to be called before: what was committed is on disk.
#[derive(Debug, Clone)]
pub struct Engine {
    sql: storno_sql::Engine,
    sessions: Arc<AtomicU32>,
}

impl Engine {
    /// Opens `dir`, which is made when missing, and recovers what a crash left.
    ///
    /// # Errors
    /// `Locked` when another process has it, `Damaged` when it cannot be trusted, `DiskFull`,
    /// `DataDir` for anything else.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self> {
        Self::open_with(dir, EngineOptions::default())
    }

    /// `open` with options.
    ///
    /// # Errors
    /// Those of `open`, and `Sql` for a system variable that does not exist.
    pub fn open_with(dir: impl AsRef<Path>, options: EngineOptions) -> Result<Self> {
        let dir = dir.as_ref();
        let mut storage = storno_storage::Options::new(dir);
        storage.memtable_bytes = options.memtable_bytes;
        storage.segment_rows = options.segment_rows;
        if let Some(bytes) = options.dictionary_bytes {
            storage.dictionary_cache_bytes = bytes;
            storage.folded_cache_bytes = bytes;
        }
        storage.folds = Some(storno_sql::key_folds());
        let store = Store::open(storage).map_err(|error| Error::opening(dir.into(), error))?;
        let mut sql = storno_sql::EngineOptions {
            variables: options.variables,
            reach: options.reach,
            cells: Some(crate::adapter::cells),
            process_memory_bytes: options.process_memory_bytes,
            temporary_dir: Some(empty_dir(dir.join("tmp"))?),
            directory: Some(dir.into()),
            ..Default::default()
        };
        sql.threads = options.threads.unwrap_or(sql.threads);
        sql.memory_bytes = options.memory_bytes.unwrap_or(sql.memory_bytes);
        let sql = storno_sql::Engine::new(store, sql)?;
        Ok(Self {
            sql,
            sessions: Arc::default(),
        })
    }

    /// A session as `root`, with no database chosen.
    pub fn session(&self) -> Session {
        let context = SessionContext {
            // Ids of sessions without a socket count down, those of connections up.
            connection_id: u32::MAX - self.sessions.fetch_add(1, Ordering::Relaxed),
            user: "root".into(),
            host: "localhost".into(),
            database: None,
            found_rows: false,
            local_files: false,
            multi_statements: false,
            interrupt: None,
        };
        Session {
            sql: self.sql.session(context),
        }
    }

    /// Whether `root` may log in from this machine only, as it may before it has a password.
    #[cfg(feature = "cli")]
    pub(crate) fn is_local_only(&self) -> bool {
        let elsewhere = std::net::Ipv4Addr::new(192, 0, 2, 1).into();
        self.sql.account("root", elsewhere).is_none()
    }

    pub(crate) fn sql(&self) -> &storno_sql::Engine {
        &self.sql
    }
}

/// A directory for what queries spill. What an earlier process left in it is removed: the data directory is
/// locked, so nobody else uses it.
fn empty_dir(dir: PathBuf) -> Result<PathBuf> {
    let made = match std::fs::remove_dir_all(&dir) {
        Err(e) if e.kind() != ErrorKind::NotFound => Err(e),
        _ => std::fs::create_dir(&dir),
    };
    match made {
        Ok(()) => Ok(dir),
        Err(why) => Err(Error::DataDir {
            dir,
            message: why.to_string(),
        }),
    }
}

/// One user's session: its database, variables and transaction. One statement at a time.
#[derive(Debug)]
pub struct Session {
    sql: storno_sql::Session,
}

/// What a statement gave.
#[derive(Debug, Clone)]
pub struct QueryResult {
    /// The columns; none when the statement gives no rows.
    pub schema: SchemaRef,
    /// The rows, in order.
    pub batches: Vec<RecordBatch>,
    /// Rows inserted, changed or deleted.
    pub affected_rows: u64,
    /// The first AUTO_INCREMENT value that the statement made, or 0.
    pub last_insert_id: u64,
}

impl QueryResult {
    /// Rows in all batches.
    pub fn row_count(&self) -> usize {
        self.batches.iter().map(RecordBatch::num_rows).sum()
    }
}

/// Rows as they come. Dropping it ends the query.
pub struct RowStream {
    schema: SchemaRef,
    batches: BoxStream<'static, storno_sql::Result<RecordBatch>>,
}

impl RowStream {
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// The next rows; `None` after the last. Computed no faster than asked for.
    pub async fn next(&mut self) -> Option<Result<RecordBatch>> {
        Some(self.batches.next().await?.map_err(Error::from))
    }
}

impl Session {
    /// Runs one statement in MySQL's SQL and keeps all its rows in memory.
    ///
    /// # Errors
    /// `Sql`, with MySQL's error number.
    pub async fn query(&mut self, sql: &str) -> Result<QueryResult> {
        collect(self.sql.query(sql.as_bytes()).await?).await
    }

    /// Runs a statement with a value for each `?` in it.
    ///
    /// # Errors
    /// `Sql`, with MySQL's error number.
    pub async fn query_with(&mut self, sql: &str, params: Vec<Scalar>) -> Result<QueryResult> {
        let statement = self.sql.prepare(sql.as_bytes()).await?;
        let outcome = self.sql.execute(statement.id, params).await;
        self.sql.close_statement(statement.id);
        collect(outcome?).await
    }

    /// Runs a query whose rows need not fit in memory. A statement without rows gives an empty
    /// stream.
    ///
    /// # Errors
    /// `Sql`, with MySQL's error number; also for each batch.
    pub async fn stream(&mut self, sql: &str) -> Result<RowStream> {
        Ok(match self.sql.query(sql.as_bytes()).await? {
            Outcome::Rows(rows) => RowStream {
                schema: rows.schema,
                batches: rows.batches,
            },
            Outcome::Done(_) | Outcome::File(_) => RowStream {
                schema: no_columns(),
                batches: futures::stream::empty().boxed(),
            },
        })
    }
}

fn no_columns() -> SchemaRef {
    Arc::new(Schema::empty())
}

async fn collect(outcome: Outcome) -> Result<QueryResult> {
    Ok(match outcome {
        Outcome::Done(done) => QueryResult {
            schema: no_columns(),
            batches: Vec::new(),
            affected_rows: done.affected_rows,
            last_insert_id: done.last_insert_id,
        },
        // Never asked for: this session says that it sends none.
        Outcome::File(_) => QueryResult {
            schema: no_columns(),
            batches: Vec::new(),
            affected_rows: 0,
            last_insert_id: 0,
        },
        Outcome::Rows(mut rows) => {
            let mut batches = Vec::new();
            while let Some(batch) = rows.batches.next().await {
                batches.push(batch?);
            }
            QueryResult {
                schema: rows.schema,
                batches,
                affected_rows: 0,
                last_insert_id: 0,
            }
        }
    })
}
