//! A toy database behind the protocol: it understands a handful of words, none of them SQL.
//!
//! | statement | answer |
//! |---|---|
//! | `rows N` | N rows of a BIGINT, a DOUBLE and a VARCHAR |
//! | `big N` | one row of one string of N bytes |
//! | `types` | a row of every type, then a row of NULLs |
//! | `echo TEXT` | one row with TEXT |
//! | `fail N` | error N; `fail after N` gives N rows before the error |
//! | `sleep` | never ends; `sleep MS` ends after MS milliseconds; `stall` sends one batch, then nothing |
//! | `panic`, `panic in stream` | panics |
//! | `load NAME` | asks for that file; one row affected per byte; `load and fail` fails in the middle |
//! | `several` | one row: whether one text may hold several statements |
//! | `results N` | N results, each one row |
//! | `begin`, `commit`, `autocommit 0`, `autocommit 1`, `warn N`, `use DB`, `idle MS` | session state |
//! | `... ? ...` | prepared: one row with the parameters as text |
//! | anything else | OK, one row affected |

#![allow(dead_code)]

use std::collections::HashMap;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow_array::types::Int32Type;
use arrow_array::*;
use arrow_schema::{Field, Schema};
use futures::stream::{self, StreamExt};
use storno_wire::*;

/// Rows of one batch.
const BATCH: usize = 8192;

#[derive(Default)]
pub struct Toy {
    /// Sessions open now.
    pub sessions: AtomicUsize,
    /// Statements that were dropped before their end.
    pub cancelled: AtomicUsize,
    /// Statements begun.
    pub begun: AtomicUsize,
    /// The last login of each connection.
    pub logins: Mutex<HashMap<u32, Login>>,
}

impl Toy {
    pub fn login(&self, connection: u32) -> Login {
        self.logins.lock().unwrap()[&connection].clone()
    }
}

/// The backend; tests look at the [`Toy`] in it.
pub struct ToyBackend(pub Arc<Toy>);

impl Backend for ToyBackend {
    type Session = ToySession;

    fn server_version(&self) -> String {
        "8.4.0-storno-toy".into()
    }

    fn account(&self, user: &str, _peer: SocketAddr) -> Option<Account> {
        let credential = match user {
            "root" => Credential::None,
            "native" => Credential::native(b"secret"),
            "sha2" => Credential::caching_sha2(b"secret"),
            _ => return None,
        };
        Some(Account { credential })
    }

    async fn open(&self, login: Login) -> Result<ToySession, SqlError> {
        let database = login.database.clone().unwrap_or_default();
        check_database(&database, &login.user)?;
        if login.user == "native" && database == "panic" {
            panic!("the toy panics at login");
        }
        self.0.sessions.fetch_add(1, Ordering::SeqCst);
        self.0
            .logins
            .lock()
            .unwrap()
            .insert(login.connection_id, login.clone());
        Ok(ToySession {
            toy: self.0.clone(),
            user: login.user,
            status: Status {
                autocommit: true,
                ..Status::default()
            },
            idle: Duration::from_secs(60),
            statements: HashMap::new(),
            next_statement: 1,
            results_left: 0,
            changes: Vec::new(),
            file: (0, false),
            multi_statements: login.multi_statements,
        })
    }
}

fn check_database(name: &str, user: &str) -> Result<(), SqlError> {
    match name {
        "nodb" => Err(SqlError::unknown_database(name)),
        "forbidden" => Err(SqlError::database_denied(user, "127.0.0.1", name)),
        _ => Ok(()),
    }
}

pub struct ToySession {
    toy: Arc<Toy>,
    user: String,
    status: Status,
    idle: Duration,
    statements: HashMap<u32, String>,
    next_statement: u32,
    results_left: u32,
    changes: Vec<Change>,
    /// Bytes of the file so far, and whether it fails.
    file: (u64, bool),
    multi_statements: bool,
}

impl Drop for ToySession {
    fn drop(&mut self) {
        self.toy.sessions.fetch_sub(1, Ordering::SeqCst);
    }
}

/// Counts a statement that is dropped unfinished.
struct Running(Arc<Toy>, bool);

impl Running {
    fn new(toy: &Arc<Toy>) -> Self {
        toy.begun.fetch_add(1, Ordering::SeqCst);
        Running(toy.clone(), false)
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.1 {
            self.0.cancelled.fetch_add(1, Ordering::SeqCst);
        }
    }
}

impl Session for ToySession {
    async fn query(&mut self, text: &[u8]) -> Result<Outcome, SqlError> {
        let text = String::from_utf8_lossy(text).into_owned();
        let mut running = Running::new(&self.toy);
        let outcome = self.run(&text).await;
        running.1 = true;
        outcome
    }

    async fn next_result(&mut self) -> Result<Outcome, SqlError> {
        self.results_left -= 1;
        self.status.more_results = self.results_left > 0;
        Ok(one_text(format!("{} left", self.results_left).into_bytes()))
    }

    async fn file_data(&mut self, data: bytes::Bytes) -> Result<(), SqlError> {
        self.file.0 += data.len() as u64;
        match self.file.1 {
            true => Err(SqlError::new(1261, *b"01000", "The toy dislikes the file")),
            false => Ok(()),
        }
    }

    async fn file_end(&mut self) -> Result<Outcome, SqlError> {
        Ok(Outcome::Done(Done {
            affected_rows: self.file.0,
            ..Done::default()
        }))
    }

    async fn kill(&mut self, connection: u32) -> Result<(), SqlError> {
        let logins = self.toy.logins.lock().unwrap();
        let text = format!("Unknown thread id: {connection}");
        let login = logins.get(&connection);
        let login = login.ok_or(SqlError::new(1094, *b"HY000", text))?;
        login.control.kill(Kill::Connection);
        Ok(())
    }

    fn set_multi_statements(&mut self, on: bool) {
        self.multi_statements = on;
    }

    async fn prepare(&mut self, text: &[u8]) -> Result<Prepared, SqlError> {
        let text = String::from_utf8_lossy(text).into_owned();
        if text == "unpreparable" {
            let message = "This command is not supported in the prepared statement protocol yet";
            return Err(SqlError::new(1295, *b"HY000", message));
        }
        let id = self.next_statement;
        self.next_statement += 1;
        let params = text
            .matches('?')
            .map(|_| text_column("?"))
            .collect::<Vec<_>>();
        let columns = match text.split(' ').next() {
            _ if !params.is_empty() => param_columns(params.len()),
            Some("types") => type_columns_and_arrays().0,
            Some("rows") => number_columns(),
            Some("echo" | "big" | "select") => vec![text_column("text")],
            _ => Vec::new(),
        };
        self.statements.insert(id, text);
        Ok(Prepared {
            id,
            params,
            columns,
        })
    }

    async fn execute(&mut self, id: u32, params: Vec<Param>) -> Result<Outcome, SqlError> {
        if params.is_empty() {
            let text = self.statements[&id].clone();
            return self.query(text.as_bytes()).await;
        }
        let columns = param_columns(params.len());
        let arrays = params.iter().map(|param| match param {
            Param::Null => Arc::new(StringArray::from(vec![None::<&str>])) as ArrayRef,
            Param::Text(bytes) | Param::Decimal(bytes) | Param::Bytes(bytes) => {
                Arc::new(BinaryArray::from(vec![bytes.as_slice()]))
            }
            other => Arc::new(StringArray::from(vec![format!("{other:?}")])),
        });
        Ok(rows(columns, vec![batch(arrays.collect())]))
    }

    fn close_statement(&mut self, id: u32) {
        self.statements.remove(&id);
    }

    async fn use_database(&mut self, name: &str) -> Result<(), SqlError> {
        check_database(name, &self.user)?;
        self.changes.push(Change::Database(name.into()));
        Ok(())
    }

    async fn reset(&mut self) -> Result<(), SqlError> {
        self.status = Status {
            autocommit: true,
            ..Status::default()
        };
        self.statements.clear();
        Ok(())
    }

    fn status(&self) -> Status {
        self.status
    }

    fn take_changes(&mut self) -> Vec<Change> {
        std::mem::take(&mut self.changes)
    }

    fn timeouts(&self) -> Timeouts {
        let (read, write) = (Duration::from_secs(1), Duration::from_secs(3));
        Timeouts {
            idle: self.idle,
            read,
            write,
        }
    }
}

impl ToySession {
    async fn run(&mut self, text: &str) -> Result<Outcome, SqlError> {
        let (word, rest) = text.split_once(' ').unwrap_or((text, ""));
        let number = rest
            .rsplit(' ')
            .next()
            .and_then(|n| n.parse::<usize>().ok());
        self.status.warnings = 0;
        match (word.to_ascii_lowercase().as_str(), number) {
            ("rows", Some(count)) => return Ok(numbers(count)),
            ("big", Some(count)) => return Ok(one_text(vec![b'x'; count])),
            ("types", _) => return Ok(types()),
            ("echo", _) => return Ok(one_text(rest.as_bytes().to_vec())),
            ("select", _) => return Ok(one_text(b"1".to_vec())),
            ("fail", Some(count)) if rest.starts_with("after") => return Ok(failing(count)),
            ("fail", Some(code)) => {
                return Err(SqlError::new(code as u16, *b"42000", "The toy fails"));
            }
            ("sleep", Some(millis)) => {
                tokio::time::sleep(Duration::from_millis(millis as u64)).await;
            }
            ("sleep", None) => std::future::pending().await,
            ("stall", _) => return Ok(stalling(&self.toy)),
            ("panic", _) if rest == "in stream" => return Ok(panicking()),
            ("panic", _) => panic!("the toy panics"),
            ("results", Some(count)) => {
                self.results_left = count as u32;
                return self.next_result().await;
            }
            ("load", _) => {
                self.file = (0, rest == "and fail");
                return Ok(Outcome::File(rest.as_bytes().to_vec()));
            }
            ("several", _) => return Ok(one_text(format!("{}", self.multi_statements).into())),
            ("begin" | "start", _) => self.status.in_transaction = true,
            ("commit" | "rollback", _) => self.status.in_transaction = false,
            ("autocommit", Some(on)) => self.status.autocommit = on != 0,
            ("set", _) if rest.eq_ignore_ascii_case("autocommit=0") => {
                self.status.autocommit = false;
            }
            ("warn", Some(count)) => self.status.warnings = count as u16,
            ("idle", Some(millis)) => self.idle = Duration::from_millis(millis as u64),
            ("use", _) => self.use_database(rest).await?,
            _ => {}
        }
        Ok(Outcome::Done(Done {
            affected_rows: 1,
            last_insert_id: 7,
            info: "Toy".into(),
        }))
    }
}

fn batch(arrays: Vec<ArrayRef>) -> RecordBatch {
    let field = |array: &ArrayRef| Field::new("c", array.data_type().clone(), true);
    let schema = Schema::new(arrays.iter().map(field).collect::<Vec<_>>());
    RecordBatch::try_new(Arc::new(schema), arrays).unwrap()
}

fn rows(columns: Vec<Column>, batches: Vec<RecordBatch>) -> Outcome {
    let batches = stream::iter(batches.into_iter().map(Ok)).boxed();
    Outcome::Rows(Rows { columns, batches })
}

fn text_column(name: &str) -> Column {
    let mut column = Column::expression(name, ColumnType::VarString);
    column.charset = UTF8MB4_0900_AI_CI;
    column.length = 1024;
    column
}

fn param_columns(count: usize) -> Vec<Column> {
    (1..=count)
        .map(|index| text_column(&format!("p{index}")))
        .collect()
}

fn one_text(text: Vec<u8>) -> Outcome {
    let array: ArrayRef = Arc::new(LargeBinaryArray::from(vec![text.as_slice()]));
    rows(vec![text_column("text")], vec![batch(vec![array])])
}

fn number_columns() -> Vec<Column> {
    let id = Column {
        length: 20,
        ..Column::expression("id", ColumnType::LongLong)
    };
    let mut half = Column::expression("half", ColumnType::Double);
    (half.length, half.decimals) = (22, DECIMALS_NOT_FIXED);
    vec![id, half, text_column("page")]
}

fn number_batch(from: usize, to: usize) -> RecordBatch {
    let ids = Int64Array::from_iter_values(from as i64..to as i64);
    let halves = Float64Array::from_iter_values((from..to).map(|i| i as f64 / 2.0));
    let pages: Vec<String> = (0..16).map(|page| format!("/docs/page-{page}")).collect();
    let keys = Int32Array::from_iter_values((from..to).map(|i| (i % 16) as i32));
    let pages = DictionaryArray::<Int32Type>::new(keys, Arc::new(StringArray::from(pages)));
    batch(vec![Arc::new(ids), Arc::new(halves), Arc::new(pages)])
}

fn numbers(count: usize) -> Outcome {
    let starts = stream::iter((0..count).step_by(BATCH));
    let batches = starts
        .map(move |from| Ok(number_batch(from, count.min(from + BATCH))))
        .boxed();
    Outcome::Rows(Rows {
        columns: number_columns(),
        batches,
    })
}

fn failing(count: usize) -> Outcome {
    let error = SqlError::new(1317, *b"70100", "The toy fails between rows");
    let batches = stream::iter([Ok(number_batch(0, count)), Err(error)]).boxed();
    Outcome::Rows(Rows {
        columns: number_columns(),
        batches,
    })
}

fn panicking() -> Outcome {
    let batches = stream::iter(0..2).map(|turn| match turn {
        0 => Ok(number_batch(0, 1)),
        _ => panic!("the toy panics in a stream"),
    });
    Outcome::Rows(Rows {
        columns: number_columns(),
        batches: batches.boxed(),
    })
}

fn stalling(toy: &Arc<Toy>) -> Outcome {
    let running = Running::new(toy);
    let first = stream::iter([Ok(number_batch(0, BATCH))]);
    let stalled = stream::once(async move {
        let _running = running;
        std::future::pending().await
    });
    Outcome::Rows(Rows {
        columns: number_columns(),
        batches: first.chain(stalled).boxed(),
    })
}

fn typed(name: &str, column_type: ColumnType, decimals: u8, length: u32) -> Column {
    Column {
        decimals,
        length,
        ..Column::expression(name, column_type)
    }
}

fn types() -> Outcome {
    let (columns, arrays) = type_columns_and_arrays();
    rows(columns, vec![batch(arrays)])
}

/// A value and a NULL of every type.
fn type_columns_and_arrays() -> (Vec<Column>, Vec<ArrayRef>) {
    use ColumnType::*;
    let decimal = Decimal128Array::from(vec![Some(-12_345_678_901_234_567_890_123_456), None]);
    let decimal = decimal.with_precision_and_scale(38, 6).unwrap();
    let micros = 1_709_212_455_123_456;
    let list: Vec<(Column, ArrayRef)> = vec![
        (
            typed("bool", Tiny, 0, 1),
            Arc::new(BooleanArray::from(vec![Some(true), None])),
        ),
        (
            typed("tiny", Tiny, 0, 4),
            Arc::new(Int8Array::from(vec![Some(-128), None])),
        ),
        (
            typed("short", Short, 0, 6),
            Arc::new(Int16Array::from(vec![Some(-32_768), None])),
        ),
        (
            typed("long", Long, 0, 11),
            Arc::new(Int32Array::from(vec![Some(-7), None])),
        ),
        (
            typed("big", LongLong, 0, 20),
            Arc::new(Int64Array::from(vec![Some(i64::MIN), None])),
        ),
        (
            Column {
                flags: ColumnFlags::UNSIGNED,
                ..typed("ubig", LongLong, 0, 20)
            },
            Arc::new(UInt64Array::from(vec![Some(u64::MAX), None])),
        ),
        (
            typed("float", Float, 31, 12),
            Arc::new(Float32Array::from(vec![Some(0.5), None])),
        ),
        (
            typed("double", Double, 31, 22),
            Arc::new(Float64Array::from(vec![Some(1e300), None])),
        ),
        (typed("decimal", NewDecimal, 6, 40), Arc::new(decimal)),
        (
            typed("date", Date, 0, 10),
            Arc::new(Date32Array::from(vec![Some(19_782), None])),
        ),
        (
            typed("datetime", DateTime, 6, 26),
            Arc::new(TimestampMicrosecondArray::from(vec![Some(micros), None])),
        ),
        (
            typed("time", Time, 3, 14),
            Arc::new(DurationMicrosecondArray::from(vec![
                Some(-362_523_500_000),
                None,
            ])),
        ),
        (
            typed("year", Year, 0, 4),
            Arc::new(Int16Array::from(vec![Some(2024), None])),
        ),
        (
            text_column("text"),
            Arc::new(StringViewArray::from(vec![Some("héllo"), None])),
        ),
        (
            typed("blob", Blob, 0, 100),
            Arc::new(BinaryArray::from(vec![Some(&b"\0\xFF"[..]), None])),
        ),
    ];
    list.into_iter().unzip()
}

/// A toy server on a free port of the loopback interface.
pub struct ToyServer {
    pub toy: Arc<Toy>,
    pub server: Arc<Server<ToyBackend>>,
    pub address: SocketAddr,
    pub stop: tokio::sync::oneshot::Sender<()>,
    pub task: tokio::task::JoinHandle<()>,
}

/// Starts a toy server without TLS.
pub async fn start(limits: Limits) -> ToyServer {
    start_with(limits, None).await
}

/// Starts a toy server.
pub async fn start_with(limits: Limits, tls: Option<Tls>) -> ToyServer {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let toy = Arc::new(Toy::default());
    let server = Arc::new(Server::new(Arc::new(ToyBackend(toy.clone())), limits, tls).unwrap());
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let serving = server.clone();
    let task = tokio::spawn(async move {
        let shutdown = async move {
            let _ = stopped.await;
        };
        serving.serve(listener, shutdown).await;
    });
    ToyServer {
        toy,
        server,
        address,
        stop,
        task,
    }
}

/// Waits until a condition holds; fails the test after ten seconds.
pub async fn until<F: Future<Output = bool>>(what: &str, mut holds: impl FnMut() -> F) {
    for _ in 0..1000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("never happened: {what}");
}
