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
                Err(other) => printing(&other.to_string()),
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

/// What prints values has errors of a type that is not known here; the words of it begin with the number.
fn printing(text: &str) -> SqlError {
    let parts = || {
        let (code, rest) = text.strip_prefix("ERROR ")?.split_once(" (")?;
        let (_, message) = rest.split_once("): ")?;
        Some((code.parse::<u16>().ok()?, message))
    };
    match parts() {
        Some((code, message)) => SqlError::new(code, "HY000", message),
        None => SqlError::internal(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_of_the_rows_is_told_as_it_is() {
        let text = "ERROR 1105 (HY000): A value of column 'y' does not fit type Year";
        let printed = SqlError::from(TransferError::Source(text.into()));
        let expected = SqlError::internal("A value of column 'y' does not fit type Year");
        assert_eq!(printed, expected);
        let own = SqlError::no_database_selected();
        let source = TransferError::Source(Box::new(own.clone()));
        assert_eq!(SqlError::from(source), own);
        let other = TransferError::Source("ERROR of a kind (x): y".into());
        assert_eq!(SqlError::from(other).message, "ERROR of a kind (x): y");
    }
}
