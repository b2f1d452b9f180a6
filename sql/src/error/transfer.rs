//! What a client is told of an export, import or backup that failed.

use storno_transfer::TransferError;

use super::SqlError;

/// Aurora's number for what S3 answers.
const STORE: u16 = 63_985;

impl From<TransferError> for SqlError {
    fn from(error: TransferError) -> Self {
        let text = error.to_string();
        match error {
            // Rows that failed to come have an error of their own.
            TransferError::Source(source) => match source.downcast::<SqlError>() {
                Ok(error) => *error,
                Err(other) => Self::internal(other.to_string()),
            },
            TransferError::Cancelled => Self::interrupted(),
            TransferError::Exists(name) => {
                Self::new(1086, "HY000", format!("File '{name}' already exists"))
            }
            TransferError::Missing(name) => {
                Self::new(29, "HY000", format!("File '{name}' not found"))
            }
            TransferError::Refused(_) => Self::new(1290, "HY000", text),
            TransferError::Place { .. } => Self::new(1525, "HY000", text),
            TransferError::Credentials(_) | TransferError::Store { .. } => {
                Self::new(STORE, "HY000", text)
            }
            TransferError::Content { .. } => Self::new(3000, "HY000", text),
            TransferError::DuplicateColumn(_) => Self::new(1060, "42S21", text),
            TransferError::MoreThanOneRow => Self::new(1172, "42000", text),
            TransferError::NoRow => Self::new(1329, "02000", text),
            TransferError::Io(error) => {
                let number = error.raw_os_error().unwrap_or(0);
                let text = format!("Error writing file (OS errno {number} - {error})");
                Self::new(1026, "HY000", text)
            }
            TransferError::Encode(_) => Self::internal(text),
            TransferError::Internal(why) => {
                tracing::error!(why, "a transfer failed inside");
                Self::internal("Internal error while moving files")
            }
        }
    }
}
