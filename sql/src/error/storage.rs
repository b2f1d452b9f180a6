//! What a client sees of a failure in storage: the kind, never paths, offsets or texts for
//! developers.

use storno_storage::Error as StorageError;

use super::SqlError;

impl From<StorageError> for SqlError {
    /// A unique key repeated by rows at hand is worded better by `insert::duplicate_entry`.
    fn from(error: StorageError) -> Self {
        match error {
            StorageError::UnknownSchema(schema) => Self::unknown_database(&schema),
            StorageError::SchemaExists(schema) => Self::database_exists(&schema),
            StorageError::UnknownTable(schema, table) => Self::unknown_table(&schema, &table),
            StorageError::TableExists(_, table) => Self::table_exists(&table),
            StorageError::DuplicateKey { table, key, .. } => Self::new(
                1022,
                "23000",
                format!(
                    "Can't write; duplicate key in table '{}.{key}'",
                    table.table
                ),
            ),
            // Clients know by this number that the transaction may be tried again.
            StorageError::Conflict { .. } => Self::new(
                1213,
                "40001",
                "Deadlock found when trying to get lock; try restarting transaction",
            ),
            StorageError::Io {
                kind: std::io::ErrorKind::StorageFull,
                ..
            }
            | StorageError::Io {
                kind: std::io::ErrorKind::QuotaExceeded,
                ..
            } => Self::new(
                1021,
                "HY000",
                "Disk full (data directory); free some space and run the statement again",
            ),
            StorageError::Io {
                kind, operation, ..
            } => Self::new(
                1030,
                "HY000",
                format!("Got error '{kind}' from storage engine ({operation})"),
            ),
            StorageError::Corruption { .. } => Self::new(
                1877,
                "HY000",
                "Operation cannot be performed. A table that it reads is missing, corrupt or \
                 contains bad data.",
            ),
            StorageError::ReadOnly(_) => Self::new(
                1836,
                "HY000",
                "Running in read-only mode: a write to disk has failed; restart the server",
            ),
            StorageError::Locked(_) => Self::new(
                1015,
                "HY000",
                "Can't lock the data directory: another process uses it",
            ),
            StorageError::UnsupportedVersion {
                found, supported, ..
            } => Self::internal(format!(
                "The data directory has format version {found}; this build reads up to {supported}"
            )),
            StorageError::TableChanged { .. } => Self::table_changed(),
            StorageError::NotSupported(what) => Self::not_supported(&what),
            // The texts of these are written for a developer; a client gets no more than the kind.
            StorageError::Invalid(what) => Self::internal(format!("Internal error: {what}")),
            _ => Self::new(1030, "HY000", "Got error 'unknown' from storage engine"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn storage_errors_do_not_show_paths() {
        let path = std::path::PathBuf::from("/srv/data/secret.seg");
        let errors = [
            StorageError::Corruption {
                path: path.clone(),
                offset: 7,
                what: "crc".into(),
            },
            StorageError::Locked(path.clone()),
            StorageError::UnsupportedVersion {
                path: path.clone(),
                found: 9,
                supported: 1,
            },
            StorageError::Io {
                operation: "write",
                path,
                kind: std::io::ErrorKind::Other,
                message: "/srv/data/secret.seg: weird".into(),
            },
        ];
        for error in errors {
            let shown = SqlError::from(error).to_string();
            assert!(!shown.contains("secret"), "{shown}");
        }
    }

    #[test]
    fn a_full_disk_is_1021() {
        let error = StorageError::Io {
            operation: "write",
            path: "wal".into(),
            kind: std::io::ErrorKind::StorageFull,
            message: String::new(),
        };
        assert_eq!(SqlError::from(error).code, 1021);
    }
}
