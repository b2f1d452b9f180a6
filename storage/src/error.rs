//! What can go wrong in storage. Which MySQL error a client sees is decided in `sql`.

use std::path::{Path, PathBuf};

use arrow::array::RecordBatch;

/// Result of every fallible storage call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// One enum for the crate; `Clone`, because a failed group commit is reported to all its members.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    #[error("the data directory {0} is in use by another process")]
    Locked(PathBuf),
    #[error("{operation} {path}: {message}")]
    Io {
        operation: &'static str,
        path: PathBuf,
        kind: std::io::ErrorKind,
        message: String,
    },
    /// Stored bytes are not what was written. Never served as data.
    #[error("{path} is damaged at byte {offset}: {what}")]
    Corruption {
        path: PathBuf,
        offset: u64,
        what: String,
    },
    /// The directory was written by a newer format.
    #[error("{path} has format version {found}; this build reads up to {supported}")]
    UnsupportedVersion {
        path: PathBuf,
        found: u32,
        supported: u32,
    },
    /// Files are being put together here, or were and it was not finished.
    #[error("a restore into {0} was not finished: run it again, or empty the directory")]
    Unfinished(PathBuf),
    /// A write or sync failed earlier; nothing is accepted until the store is opened again.
    #[error("writes are stopped until restart: {0}")]
    ReadOnly(String),
    #[error("schema {0} does not exist")]
    UnknownSchema(String),
    #[error("schema {0} exists")]
    SchemaExists(String),
    #[error("table {0}.{1} does not exist")]
    UnknownTable(String, String),
    #[error("table {0}.{1} exists")]
    TableExists(String, String),
    /// Row `row` of the `batch`-th insert of a write batch repeats a unique key.
    #[error("row {row} of insert {batch} repeats a key of {key}")]
    DuplicateKey {
        table: TableName,
        key: String,
        batch: usize,
        row: usize,
    },
    /// Rows that are there repeat a value of a key that the table was to get.
    #[error("two rows have the same value of the new key {key}")]
    NotUnique {
        table: TableName,
        key: String,
        /// The value: one row of the key's columns.
        row: RecordBatch,
    },
    /// Rows to be deleted or replaced had been deleted since they were read: the statement has to read
    /// them again.
    #[error("rows of {table:?} have been changed since they were read")]
    Conflict { table: TableName },
    /// The table was altered after the rows were made for it.
    #[error("the definition of {table:?} has changed")]
    TableChanged { table: TableName },
    /// A change of a table that storage cannot make yet.
    #[error("not supported: {0}")]
    NotSupported(String),
    /// The caller broke the contract (wrong schema, unknown column ...).
    #[error("invalid request: {0}")]
    Invalid(String),
}

/// The kind of errors for want of memory, and of those for want of what the system has so many of.
const OUT_OF_HANDLES: std::io::ErrorKind = std::io::ErrorKind::OutOfMemory;

/// `schema.table` as data, so that the layer above can word its own message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: String,
    pub table: String,
}

impl Error {
    pub(crate) fn io(operation: &'static str, path: &Path, error: &std::io::Error) -> Self {
        let path = path.to_path_buf();
        let kind = match error.raw_os_error() {
            // Too many open files, of the process or of the system: the library has no kind for it.
            Some(libc::EMFILE | libc::ENFILE) => OUT_OF_HANDLES,
            _ => error.kind(),
        };
        Self::Io {
            operation,
            path,
            kind,
            message: error.to_string(),
        }
    }

    pub(crate) fn corruption(path: &Path, offset: u64, what: impl Into<String>) -> Self {
        Self::Corruption {
            path: path.to_path_buf(),
            offset,
            what: what.into(),
        }
    }

    /// Whether it may pass by itself and has left nothing behind: a full disk, or no room in memory or in the table of
    /// open files for one more.
    pub(crate) fn may_pass(&self) -> bool {
        let for_want = |error: &Self| match error {
            Self::Io {
                operation, kind, ..
            } => *kind == OUT_OF_HANDLES && matches!(*operation, "create" | "open" | "map"),
            _ => false,
        };
        self.is_no_space() || for_want(self)
    }

    /// The file it is about.
    pub(crate) fn path(&self) -> Option<&Path> {
        match self {
            Self::Io { path, .. }
            | Self::Corruption { path, .. }
            | Self::UnsupportedVersion { path, .. } => Some(path),
            _ => None,
        }
    }

    /// Whether the disk is full.
    pub(crate) fn is_no_space(&self) -> bool {
        use std::io::ErrorKind::{QuotaExceeded, StorageFull};
        matches!(
            self,
            Self::Io {
                kind: StorageFull | QuotaExceeded,
                ..
            }
        )
    }
}
