//! What can go wrong between this process and a store of files.
//!
//! No MySQL numbers: those are chosen by the caller. No secrets either: what a server answers is cut down
//! to its status and its own words, and the credentials in use are blotted out of them.

use std::io;

/// What a source of batches, or a caller's callback, failed with.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

pub type Result<T, E = TransferError> = std::result::Result<T, E>;

/// An export, import or backup failed.
#[derive(Debug, thiserror::Error)]
pub enum TransferError {
    /// A URL or an option of it cannot be used.
    #[error("{place}: {why}")]
    Place { place: String, why: String },
    /// The configuration does not let this server be reached.
    #[error("{0}")]
    Refused(String),
    /// Credentials are missing, or not of the kind that the place takes.
    #[error("{0}")]
    Credentials(String),
    /// Something is there already.
    #[error("'{0}' already exists")]
    Exists(String),
    #[error("'{0}' was not found")]
    Missing(String),
    /// The store refused, or did not answer in time; retries are over.
    #[error("{what} '{name}' failed: {why}")]
    Store {
        what: &'static str,
        name: String,
        why: String,
    },
    /// A file's content is not what its format says.
    #[error("'{name}' cannot be read: {why}")]
    Content { name: String, why: String },
    /// Two columns of a typed file have one name.
    #[error("Duplicate column name '{0}'")]
    DuplicateColumn(String),
    /// A dump is of one row.
    #[error("Result consisted of more than one row")]
    MoreThanOneRow,
    #[error("No data - zero rows fetched, selected, or processed")]
    NoRow,
    /// Rows cannot be put into the format.
    #[error("{0}")]
    Encode(String),
    #[error("{0}")]
    Io(#[from] io::Error),
    /// The rows themselves failed to come.
    #[error("{0}")]
    Source(BoxError),
    #[error("the transfer was cancelled")]
    Cancelled,
    /// A thread panicked.
    #[error("internal error: {0}")]
    Internal(String),
}

impl TransferError {
    pub(crate) fn content(name: impl Into<String>, why: impl std::fmt::Display) -> Self {
        Self::Content {
            name: name.into(),
            why: why.to_string(),
        }
    }
}

impl From<parquet::errors::ParquetError> for TransferError {
    fn from(error: parquet::errors::ParquetError) -> Self {
        Self::Encode(error.to_string())
    }
}

impl From<arrow::error::ArrowError> for TransferError {
    fn from(error: arrow::error::ArrowError) -> Self {
        Self::Encode(error.to_string())
    }
}
