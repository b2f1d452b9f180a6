//! What the server drives: a [`Backend`] that opens a [`Session`] per login.
//!
//! This is the crate's whole view of a database. It says nothing of SQL: statements are bytes, errors
//! are numbers, rows are Arrow batches.

use std::future::Future;
use std::net::SocketAddr;

use arrow_array::RecordBatch;
use bytes::Bytes;
use futures::stream::BoxStream;

use crate::auth::Credential;
use crate::column::Column;
use crate::control::Control;
use crate::error::SqlError;
use crate::limits::Timeouts;
use crate::param::Param;

/// A database that clients can log in to.
pub trait Backend: Send + Sync + 'static {
    /// What one logged-in connection talks to.
    type Session: Session;

    /// Version for the greeting, for example `8.4.0-storno-0.1.0`. ASCII without NUL. The word
    /// MariaDB in it changes how clients behave, so it must not be there.
    fn server_version(&self) -> String;

    /// How many connections there may be from now on, where the backend lets that change while the server
    /// runs; else it is [`Limits::max_connections`](crate::Limits).
    fn max_connections(&self) -> Option<usize> {
        None
    }

    /// The stored credential of the account that matches this user and client address, or None. An
    /// unknown user costs the client the same exchange and ends in the same error 1045.
    fn account(&self, user: &str, peer: SocketAddr) -> Option<Account>;

    /// Opens a session for an authenticated client. It checks the database named in `login`: errors
    /// 1044 and 1049 are sent as they are, then the connection is closed. Dropping the session ends
    /// it: open transactions roll back.
    fn open(&self, login: Login) -> impl Future<Output = Result<Self::Session, SqlError>> + Send;
}

/// The account a user name and an address lead to.
#[derive(Debug, Clone)]
pub struct Account {
    /// How the client proves who it is.
    pub credential: Credential,
}

/// Everything known about a client that has proved who it is.
#[derive(Debug, Clone)]
pub struct Login {
    /// CONNECTION_ID(); unique in this server's life time, 0 never occurs.
    pub connection_id: u32,
    /// User name as sent, invalid UTF-8 replaced.
    pub user: String,
    /// The client's address.
    pub peer: SocketAddr,
    /// Database to start in, never empty.
    pub database: Option<String>,
    /// Connection attributes (`_client_name`, `program_name`, ...), at most 64 KiB in all.
    pub attributes: Vec<(String, String)>,
    /// Collation id the client asked for; unknown ids are possible.
    pub charset: u16,
    /// CLIENT_FOUND_ROWS: affected rows of UPDATE are the rows matched.
    pub found_rows: bool,
    /// CLIENT_IGNORE_SPACE: spaces before `(` of functions, as in that SQL mode.
    pub ignore_space: bool,
    /// CLIENT_LOCAL_FILES: the client sends files for LOAD DATA LOCAL INFILE when asked to.
    pub local_files: bool,
    /// CLIENT_MULTI_STATEMENTS: one text may hold several statements.
    pub multi_statements: bool,
    /// CLIENT_INTERACTIVE: interactive_timeout takes the place of wait_timeout.
    pub interactive: bool,
    /// The connection is encrypted by TLS.
    pub encrypted: bool,
    /// Ends this connection or its running statement; for KILL and the process list.
    pub control: Control,
}

/// One logged-in connection's state in the database.
///
/// Futures are dropped unfinished when the client vanishes, is killed or the server stops: nothing but
/// the statement itself may be lost by that, and the session must be usable afterwards (after KILL
/// QUERY the connection lives on). A panic inside a future ends the statement with error 1105 and
/// closes the connection; a panic inside a stream of batches ends the statement alone.
pub trait Session: Send + 'static {
    /// Runs a statement. The text is in the client's character set, unchecked.
    fn query(&mut self, text: &[u8]) -> impl Future<Output = Result<Outcome, SqlError>> + Send;

    /// The next result of a statement with several; called while [`Status::more_results`] is set.
    fn next_result(&mut self) -> impl Future<Output = Result<Outcome, SqlError>> + Send {
        async { Err(SqlError::internal("No more results")) }
    }

    /// The results still announced are not wanted: the one before them has failed, or was killed.
    fn abandon_results(&mut self) {}

    /// The next bytes of the file that [`Outcome::File`] asked for. After an error the rest of the
    /// file is thrown away and the error is the statement's; the session must have forgotten it.
    fn file_data(&mut self, _data: Bytes) -> impl Future<Output = Result<(), SqlError>> + Send {
        async { Err(SqlError::internal("No file was asked for")) }
    }

    /// The file has come to its end; the result is that of the statement. When the client is gone or
    /// the statement is killed before, this is never called.
    fn file_end(&mut self) -> impl Future<Output = Result<Outcome, SqlError>> + Send {
        async { Err(SqlError::internal("No file was asked for")) }
    }

    /// Ends another connection (COM_PROCESS_KILL): 1094 when there is none, 1095 when it may not be.
    fn kill(&mut self, _connection: u32) -> impl Future<Output = Result<(), SqlError>> + Send {
        async { Err(SqlError::unknown_command()) }
    }

    /// Whether one text may hold several statements from now on (COM_SET_OPTION).
    fn set_multi_statements(&mut self, _on: bool) {}

    /// Prepares a statement. What cannot be prepared must be error 1295 (PDO then emulates), more
    /// than 65,535 placeholders error 1390.
    fn prepare(&mut self, text: &[u8]) -> impl Future<Output = Result<Prepared, SqlError>> + Send;

    /// Runs a prepared statement of this session with exactly as many parameters as it has.
    fn execute(
        &mut self,
        statement: u32,
        params: Vec<Param>,
    ) -> impl Future<Output = Result<Outcome, SqlError>> + Send;

    /// Forgets a prepared statement of this session. There is no answer to the client.
    fn close_statement(&mut self, statement: u32);

    /// Makes a database the current one (COM_INIT_DB): 1044 or 1049 when it cannot be.
    fn use_database(&mut self, name: &str) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// Puts the session back to its state after login (COM_RESET_CONNECTION): transaction rolled
    /// back, variables, temporary tables and prepared statements gone, the database kept.
    fn reset(&mut self) -> impl Future<Output = Result<(), SqlError>> + Send;

    /// The columns of a table whose names match a LIKE pattern (COM_FIELD_LIST, an old command that
    /// command line clients use to complete names). Empty pattern: all columns.
    fn field_list(
        &mut self,
        _table: &str,
        _pattern: &str,
    ) -> impl Future<Output = Result<Vec<Column>, SqlError>> + Send {
        async { Err(SqlError::unknown_command()) }
    }

    /// The state to send with the result just finished. Asked after every command, and after the
    /// last row of a result set.
    fn status(&self) -> Status;

    /// What changed since the last call, for clients that track session state; sent with OK.
    fn take_changes(&mut self) -> Vec<Change> {
        Vec::new()
    }

    /// Time-outs in force now. Asked before every wait.
    fn timeouts(&self) -> Timeouts {
        Timeouts::default()
    }
}

/// What a statement gave.
pub enum Outcome {
    /// No rows: INSERT, SET, DDL ...
    Done(Done),
    /// A result set, possibly empty.
    Rows(Rows),
    /// The client is to send the file of this name, which the server must not ask for unless
    /// [`Login::local_files`]; then [`Session::file_data`] and [`Session::file_end`] follow.
    File(Vec<u8>),
}

/// An OK packet's content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Done {
    /// Rows changed, inserted or deleted (matched, if the login says `found_rows`).
    pub affected_rows: u64,
    /// LAST_INSERT_ID() if this statement generated one, otherwise 0.
    pub last_insert_id: u64,
    /// Text such as `Records: 3  Duplicates: 0  Warnings: 0`, mostly empty.
    pub info: String,
}

/// A result set: definitions, and batches whose arrays are in the order of the definitions.
pub struct Rows {
    /// At least one, at most 65,535.
    pub columns: Vec<Column>,
    /// Pulled only as fast as the client reads. An error ends the result set with an ERR packet.
    pub batches: BoxStream<'static, Result<RecordBatch, SqlError>>,
}

/// A prepared statement.
#[derive(Debug, Clone)]
pub struct Prepared {
    /// Handle, unique in the session, not 0.
    pub id: u32,
    /// One definition per placeholder; at most 65,535.
    pub params: Vec<Column>,
    /// Definitions of the result set as EXECUTE will give them; none if it gives no rows.
    pub columns: Vec<Column>,
}

/// Session state that goes with every OK and EOF packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Status {
    /// Autocommit mode is on.
    pub autocommit: bool,
    /// A transaction is open.
    pub in_transaction: bool,
    /// The transaction is read-only.
    pub read_only: bool,
    /// NO_BACKSLASH_ESCAPES is in sql_mode; client libraries escape strings by it.
    pub no_backslash_escapes: bool,
    /// Another result of the same statement follows.
    pub more_results: bool,
    /// SHOW WARNINGS would give so many rows.
    pub warnings: u16,
}

/// A change of session state that clients may track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The current database.
    Database(String),
    /// A system variable and its new value.
    Variable(String, String),
    /// Something of the session's state, whatever it was.
    State,
    /// The statements that would begin the open transaction elsewhere; empty: none is open.
    TransactionCharacteristics(String),
    /// MySQL's eight letters for what the open transaction has done, such as `T_R_____`.
    TransactionState(String),
}
