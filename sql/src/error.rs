//! Every MySQL error number, SQLSTATE and message text that Storno sends, in one place.
//!
//! It decides what a client sees, also of a failure in storage, whose internals (paths, offsets) stay
//! in the server's log. It does not decide when something is an error: that is the caller's part.

use std::fmt;

use storno_storage::Error as StorageError;

/// Result of every fallible call in this crate.
pub type Result<T> = std::result::Result<T, SqlError>;

/// An error as a MySQL client sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SqlError {
    pub code: u16,
    pub state: &'static str,
    pub message: String,
}

impl fmt::Display for SqlError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ERROR {} ({}): {}", self.code, self.state, self.message)
    }
}

impl std::error::Error for SqlError {}

/// Statements as a whole, names and what does not exist.
impl SqlError {
    pub(crate) fn new(code: u16, state: &'static str, message: impl Into<String>) -> Self {
        Self {
            code,
            state,
            message: message.into(),
        }
    }
    /// 1064: `near` is the statement's text from the offending token on.
    pub fn syntax(near: &str, line: usize) -> Self {
        let near: String = near.chars().take(80).collect();
        Self::new(
            1064,
            "42000",
            format!(
                "You have an error in your SQL syntax; check the manual that corresponds to your \
                 MySQL server version for the right syntax to use near '{near}' at line {line}"
            ),
        )
    }
    /// 1235: known to MySQL, not there in Storno (yet).
    pub fn not_supported(what: &str) -> Self {
        Self::new(
            1235,
            "42000",
            format!("This version of Storno doesn't yet support '{what}'"),
        )
    }
    pub fn no_database_selected() -> Self {
        Self::new(1046, "3D000", "No database selected")
    }
    pub fn database_exists(name: &str) -> Self {
        Self::new(
            1007,
            "HY000",
            format!("Can't create database '{name}'; database exists"),
        )
    }
    /// 1008: DROP DATABASE of one that is not there; any other use of it is `unknown_database`.
    pub fn database_to_drop_does_not_exist(name: &str) -> Self {
        Self::new(
            1008,
            "HY000",
            format!("Can't drop database '{name}'; database doesn't exist"),
        )
    }
    pub fn unknown_database(name: &str) -> Self {
        Self::new(1049, "42000", format!("Unknown database '{name}'"))
    }
    pub fn table_exists(table: &str) -> Self {
        Self::new(1050, "42S01", format!("Table '{table}' already exists"))
    }
    /// 1051: DROP TABLE of tables that are not there, as `schema.table` joined by commas.
    pub fn unknown_tables_to_drop(tables: &str) -> Self {
        Self::new(1051, "42S02", format!("Unknown table '{tables}'"))
    }
    pub fn unknown_table(schema: &str, table: &str) -> Self {
        Self::new(
            1146,
            "42S02",
            format!("Table '{schema}.{table}' doesn't exist"),
        )
    }
    /// `clause` as MySQL words it: "field list", "where clause", "group statement", "order clause" ...
    pub fn unknown_column(column: &str, clause: &str) -> Self {
        Self::new(
            1054,
            "42S22",
            format!("Unknown column '{column}' in '{clause}'"),
        )
    }
    pub fn unknown_variable(name: &str) -> Self {
        Self::new(1193, "HY000", format!("Unknown system variable '{name}'"))
    }
    pub fn unknown_time_zone(name: &str) -> Self {
        Self::new(
            1298,
            "HY000",
            format!("Unknown or incorrect time zone: '{name}'"),
        )
    }
    pub fn unknown_character_set(name: &str) -> Self {
        Self::new(1115, "42000", format!("Unknown character set: '{name}'"))
    }
    pub fn unknown_collation(name: &str) -> Self {
        Self::new(1273, "HY000", format!("Unknown collation: '{name}'"))
    }
    pub fn collation_of_other_charset(collation: &str, charset: &str) -> Self {
        Self::new(
            1253,
            "42000",
            format!("COLLATION '{collation}' is not valid for CHARACTER SET '{charset}'"),
        )
    }
    pub fn unknown_storage_engine(name: &str) -> Self {
        Self::new(1286, "42000", format!("Unknown storage engine '{name}'"))
    }
    pub fn identifier_too_long(name: &str) -> Self {
        Self::new(
            1059,
            "42000",
            format!("Identifier name '{name}' is too long"),
        )
    }
    pub fn incorrect_database_name(name: &str) -> Self {
        Self::new(1102, "42000", format!("Incorrect database name '{name}'"))
    }
    pub fn incorrect_table_name(name: &str) -> Self {
        Self::new(1103, "42000", format!("Incorrect table name '{name}'"))
    }
    pub fn incorrect_column_name(name: &str) -> Self {
        Self::new(1166, "42000", format!("Incorrect column name '{name}'"))
    }
    pub fn incorrect_index_name(name: &str) -> Self {
        Self::new(1280, "42000", format!("Incorrect index name '{name}'"))
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(1105, "HY000", message)
    }
}

/// Table definitions.
impl SqlError {
    pub fn duplicate_column_name(column: &str) -> Self {
        Self::new(1060, "42S21", format!("Duplicate column name '{column}'"))
    }
    pub fn duplicate_key_name(key: &str) -> Self {
        Self::new(1061, "42000", format!("Duplicate key name '{key}'"))
    }
    pub fn incorrect_column_specifier(column: &str) -> Self {
        Self::new(
            1063,
            "42000",
            format!("Incorrect column specifier for column '{column}'"),
        )
    }
    pub fn invalid_default(column: &str) -> Self {
        Self::new(
            1067,
            "42000",
            format!("Invalid default value for '{column}'"),
        )
    }
    pub fn multiple_primary_key() -> Self {
        Self::new(1068, "42000", "Multiple primary key defined")
    }
    pub fn key_column_does_not_exist(column: &str) -> Self {
        Self::new(
            1072,
            "42000",
            format!("Key column '{column}' doesn't exist in table"),
        )
    }
    /// `max`: characters for CHAR and VARCHAR, bytes for BINARY and VARBINARY.
    pub fn column_too_long(column: &str, max: u32) -> Self {
        Self::new(
            1074,
            "42000",
            format!(
                "Column length too big for column '{column}' (max = {max}); \
                 use BLOB or TEXT instead"
            ),
        )
    }
    pub fn wrong_auto_column() -> Self {
        Self::new(
            1075,
            "42000",
            "Incorrect table definition; there can be only one auto column and it must be \
             defined as a key",
        )
    }
    pub fn incorrect_prefix_key() -> Self {
        Self::new(
            1089,
            "HY000",
            "Incorrect prefix key; the used key part isn't a string, the used length is longer \
             than the key part, or the storage engine doesn't support unique prefix keys",
        )
    }
    pub fn blob_cannot_have_default(column: &str) -> Self {
        Self::new(
            1101,
            "42000",
            format!("BLOB, TEXT, GEOMETRY or JSON column '{column}' can't have a default value"),
        )
    }
    pub fn table_without_columns() -> Self {
        Self::new(1113, "42000", "A table must have at least 1 column")
    }
    pub fn too_many_columns() -> Self {
        Self::new(1117, "HY000", "Too many columns")
    }
    pub fn nullable_primary_key() -> Self {
        Self::new(
            1171,
            "42000",
            "All parts of a PRIMARY KEY must be NOT NULL; if you need NULL in a key, use UNIQUE \
             instead",
        )
    }
    /// `kind`: "ENUM" or "SET".
    pub fn duplicated_type_value(column: &str, value: &str, kind: &str) -> Self {
        Self::new(
            1291,
            "HY000",
            format!("Column '{column}' has duplicated value '{value}' in {kind}"),
        )
    }
    /// `kind`: "ENUM" or "SET".
    pub fn too_many_type_values(column: &str, kind: &str) -> Self {
        Self::new(
            1097,
            "HY000",
            format!("Too many strings for column {column} and {kind}"),
        )
    }
    /// 1367: a member of a SET contains a comma.
    pub fn illegal_set_value(value: &str) -> Self {
        Self::new(
            1367,
            "22007",
            format!("Illegal set '{value}' value found during parsing"),
        )
    }
    pub fn invalid_on_update(column: &str) -> Self {
        Self::new(
            1294,
            "HY000",
            format!("Invalid ON UPDATE clause for '{column}' column"),
        )
    }
    /// `number` as written: it may be larger than any integer type.
    pub fn scale_too_big(number: u64, column: &str, max: u8) -> Self {
        Self::new(
            1425,
            "42000",
            format!("Too big scale {number} specified for column '{column}'. Maximum is {max}."),
        )
    }
    pub fn precision_too_big(number: u64, column: &str, max: u8) -> Self {
        Self::new(
            1426,
            "42000",
            format!("Too-big precision {number} specified for '{column}'. Maximum is {max}."),
        )
    }
    pub fn scale_larger_than_precision(column: &str) -> Self {
        Self::new(
            1427,
            "42000",
            format!(
                "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '{column}')."
            ),
        )
    }
    pub fn display_width_out_of_range(column: &str, max: u64) -> Self {
        Self::new(
            1439,
            "42000",
            format!("Display width out of range for column '{column}' (max = {max})"),
        )
    }
}

/// Values being written. `row` counts from 1.
impl SqlError {
    pub fn cannot_be_null(column: &str) -> Self {
        Self::new(1048, "23000", format!("Column '{column}' cannot be null"))
    }
    /// `entry`: the key's values as text, joined by `-`; `key`: `table.key`.
    pub fn duplicate_entry(entry: &str, key: &str) -> Self {
        // MySQL cuts the entry at 64 characters, so that a long text does not fill the message.
        let entry: String = entry.chars().take(64).collect();
        Self::new(
            1062,
            "23000",
            format!("Duplicate entry '{entry}' for key '{key}'"),
        )
    }
    pub fn column_specified_twice(column: &str) -> Self {
        Self::new(1110, "42000", format!("Column '{column}' specified twice"))
    }
    pub fn value_count_mismatch(row: u64) -> Self {
        Self::new(
            1136,
            "21S01",
            format!("Column count doesn't match value count at row {row}"),
        )
    }
    pub fn out_of_range(column: &str, row: u64) -> Self {
        Self::new(
            1264,
            "22003",
            format!("Out of range value for column '{column}' at row {row}"),
        )
    }
    pub fn data_truncated(column: &str, row: u64) -> Self {
        Self::new(
            1265,
            "01000",
            format!("Data truncated for column '{column}' at row {row}"),
        )
    }
    /// `kind`: "date", "datetime" or "time".
    pub fn incorrect_temporal(kind: &str, value: &str, column: &str, row: u64) -> Self {
        Self::new(
            1292,
            "22007",
            format!("Incorrect {kind} value: '{value}' for column '{column}' at row {row}"),
        )
    }
    /// `kind`: "DATE", "TIME" or "DATETIME".
    pub fn incorrect_typed_literal(kind: &str, value: &str) -> Self {
        Self::new(1525, "HY000", format!("Incorrect {kind} value: '{value}'"))
    }
    pub fn illegal_double(value: &str) -> Self {
        Self::new(
            1367,
            "22007",
            format!("Illegal double '{value}' value found during parsing"),
        )
    }
    pub fn no_default_value(column: &str) -> Self {
        Self::new(
            1364,
            "HY000",
            format!("Field '{column}' doesn't have a default value"),
        )
    }
    /// `kind`: "integer", "decimal", "double" or "string".
    pub fn incorrect_value(kind: &str, value: &str, column: &str, row: u64) -> Self {
        Self::new(
            1366,
            "HY000",
            format!("Incorrect {kind} value: '{value}' for column '{column}' at row {row}"),
        )
    }
    pub fn data_too_long(column: &str, row: u64) -> Self {
        Self::new(
            1406,
            "22001",
            format!("Data too long for column '{column}' at row {row}"),
        )
    }
    pub fn auto_increment_out_of_range(column: &str, row: u64) -> Self {
        Self::new(
            167,
            "22003",
            format!("Out of range value for column '{column}' at row {row}"),
        )
    }
    pub fn auto_increment_exhausted() -> Self {
        Self::new(
            1467,
            "HY000",
            "Failed to read auto-increment value from storage engine",
        )
    }
    /// 1300: `value` is the hexadecimal text of the first offending bytes.
    pub fn invalid_character_string(value: &str) -> Self {
        Self::new(
            1300,
            "HY000",
            format!("Invalid utf8mb4 character string: '{value}'"),
        )
    }
    /// `column` as `table.column`; `what` as MySQL's JSON parser words it, with its full stop.
    pub fn invalid_json(what: &str, position: usize, column: &str) -> Self {
        Self::new(
            3140,
            "22032",
            format!(
                "Invalid JSON text: \"{what}\" at position {position} in value for column \
                 '{column}'."
            ),
        )
    }
    pub fn json_from_binary() -> Self {
        Self::new(
            3144,
            "22032",
            "Cannot create a JSON value from a string with CHARACTER SET 'binary'.",
        )
    }
    pub fn json_too_deep() -> Self {
        Self::new(
            3157,
            "22032",
            "The JSON document exceeds the maximum depth.",
        )
    }
}

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
            // The texts of these are written for a developer; a client gets no more than the kind.
            StorageError::Invalid(what) => Self::internal(format!("Internal error: {what}")),
            _ => Self::new(1030, "HY000", "Got error 'unknown' from storage engine"),
        }
    }
}

/// A warning (or note) of the last statement, as SHOW WARNINGS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub level: Level,
    pub code: u16,
    pub message: String,
}

impl Warning {
    pub fn note(code: u16, message: impl Into<String>) -> Self {
        Self {
            level: Level::Note,
            code,
            message: message.into(),
        }
    }
    pub fn warning(code: u16, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            code,
            message: message.into(),
        }
    }
    /// A clause that is accepted for compatibility and does nothing here.
    pub fn no_effect(clause: &str) -> Self {
        // 1618 is MySQL's "<%s> option ignored".
        Self::warning(
            1618,
            format!("<{clause}> option ignored: it has no effect in Storno"),
        )
    }
    /// A collation that is remembered, while comparison is still binary.
    pub fn collation_not_applied(collation: &str) -> Self {
        Self::warning(
            1273,
            format!("Collation '{collation}' is not applied yet; strings compare as utf8mb4_bin"),
        )
    }
    /// A character set that is remembered, while strings are held in UTF-8.
    pub fn charset_not_applied(charset: &str) -> Self {
        Self::note(
            1115,
            format!("Character set '{charset}' is stored as utf8mb4"),
        )
    }
}

impl From<SqlError> for Warning {
    /// What IGNORE and the non-strict modes make of an error.
    fn from(error: SqlError) -> Self {
        Self {
            level: Level::Warning,
            code: error.code,
            message: error.message,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Note,
    Warning,
    Error,
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

    #[test]
    fn near_text_is_cut_at_a_character_boundary() {
        let error = SqlError::syntax(&"é".repeat(100), 1);
        assert!(error.message.contains(&"é".repeat(80)));
        assert!(!error.message.contains(&"é".repeat(81)));
    }
}
