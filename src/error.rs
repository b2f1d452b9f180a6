//! What can stop Storno from starting or serving, worded for the person at the terminal.
//!
//! Errors of a statement are not here: they are MySQL errors and belong to `storno_sql`.

use std::net::SocketAddr;
use std::path::PathBuf;

use storno_storage::Error as StorageError;

/// Result of the fallible calls of this crate.
pub type Result<T> = std::result::Result<T, Error>;

/// One enum for the crate. Every message says what to do next where that is known.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The configuration file or an environment variable cannot be used; names file, line and key.
    #[error("{0}")]
    Config(String),
    #[error(
        "port {} of {} is taken by another program; choose another with --listen, or leave \
         --listen out to take the next free port",
        .0.port(), .0.ip()
    )]
    AddressInUse(SocketAddr),
    #[error("cannot listen on {address}: {source}")]
    Listen {
        address: SocketAddr,
        source: std::io::Error,
    },
    #[error(
        "the data directory {} is in use by another Storno process; stop that one, or choose \
         another directory with --data-dir", .0.display()
    )]
    Locked(PathBuf),
    #[error("the disk is full: {0}")]
    DiskFull(String),
    /// Stored bytes are not what was written, or were written by a newer version.
    #[error("the data directory {} cannot be served: {message}", .dir.display())]
    Damaged { dir: PathBuf, message: String },
    #[error("cannot open the data directory {}: {message}", .dir.display())]
    DataDir { dir: PathBuf, message: String },
    /// A statement failed; carries MySQL's error number and SQLSTATE.
    #[error(transparent)]
    Sql(#[from] storno_sql::SqlError),
    #[error("{0}")]
    Server(String),
    /// The demo found something it will not touch, or lost its connection.
    #[error("demo: {0}")]
    Demo(String),
}

impl Error {
    /// The process's exit code; docs/configuration.md lists them. 2 is clap's, for bad arguments.
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Config(_) => 3,
            Self::AddressInUse(_) | Self::Listen { .. } => 4,
            Self::Locked(_) => 5,
            Self::Damaged { .. } => 6,
            Self::DiskFull(_) => 7,
            Self::DataDir { .. } => 8,
            Self::Sql(_) | Self::Server(_) | Self::Demo(_) => 1,
        }
    }

    /// Words a failure to open `dir`.
    pub(crate) fn opening(dir: PathBuf, error: StorageError) -> Self {
        match error {
            StorageError::Locked(path) => Self::Locked(path),
            StorageError::Io {
                kind: std::io::ErrorKind::StorageFull,
                ..
            } => Self::DiskFull(error.to_string()),
            StorageError::Corruption { .. }
            | StorageError::UnsupportedVersion { .. }
            | StorageError::Unfinished(_) => Self::Damaged {
                dir,
                message: error.to_string(),
            },
            other => Self::DataDir {
                dir,
                message: other.to_string(),
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn io(kind: std::io::ErrorKind) -> StorageError {
        let message = kind.to_string();
        StorageError::Io {
            operation: "write",
            path: "db/wal/1".into(),
            kind,
            message,
        }
    }

    #[test]
    fn each_way_of_not_opening_has_its_own_exit_code() {
        let damaged = StorageError::Corruption {
            path: "db/MANIFEST".into(),
            offset: 7,
            what: "crc".into(),
        };
        let newer = StorageError::UnsupportedVersion {
            path: "db/MANIFEST".into(),
            found: 9,
            supported: 1,
        };
        let cases = [
            (StorageError::Locked("db".into()), 5),
            (damaged, 6),
            (newer, 6),
            (StorageError::Unfinished("db".into()), 6),
            (io(std::io::ErrorKind::StorageFull), 7),
            (io(std::io::ErrorKind::PermissionDenied), 8),
        ];
        for (error, code) in cases {
            let text = error.to_string();
            let opened = Error::opening("db".into(), error);
            assert_eq!(opened.exit_code(), code, "{text}");
            assert!(
                opened.to_string().contains("db"),
                "names the place: {opened}"
            );
        }
    }

    #[test]
    fn a_damaged_directory_names_file_and_offset() {
        let error = StorageError::Corruption {
            path: "db/a.seg".into(),
            offset: 4096,
            what: "crc".into(),
        };
        let text = Error::opening("db".into(), error).to_string();
        assert!(text.contains("db/a.seg") && text.contains("4096"), "{text}");
    }
}
