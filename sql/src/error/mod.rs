//! Every MySQL error number, SQLSTATE and message text that Storno sends, in one place.
//!
//! It decides what a client sees, also of a failure in storage, whose internals (paths, offsets)
//! stay in the server's log. It does not decide when something is an error: that is the caller's
//! part.

mod definition;
mod storage;
mod transfer;
mod value;
mod warning;

use std::fmt;

pub use warning::{Level, Warning};

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
    /// 1412: what was made for a table's definition meets another one.
    pub fn table_changed() -> Self {
        let text = "Table definition has changed, please retry transaction";
        Self::new(1412, "HY000", text)
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
    pub fn unknown_information_schema_table(table: &str) -> Self {
        let text = format!("Unknown table '{table}' in information_schema");
        Self::new(1109, "42S02", text)
    }
    pub fn database_access_denied(user: &str, database: &str) -> Self {
        let text = format!("Access denied for user '{user}'@'%' to database '{database}'");
        Self::new(1044, "42000", text)
    }
    /// `clause` as MySQL words it: "field list", "where clause", "group statement", "order clause"
    /// ...
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
    /// 1317: KILL, or a client that has gone.
    pub fn interrupted() -> Self {
        Self::new(1317, "70100", "Query execution was interrupted")
    }
    /// 1094: KILL of a connection that is not there.
    pub fn unknown_thread(id: &str) -> Self {
        Self::new(1094, "HY000", format!("Unknown thread id: {id}"))
    }
    /// 3948: LOAD DATA LOCAL that the client or `local_infile` does not allow.
    pub fn local_files_disabled() -> Self {
        let text = "Loading local data is disabled; this must be enabled on both the client and \
                    server sides";
        Self::new(3948, "42000", text)
    }
    /// 1290: a file outside `secure_file_priv`.
    pub fn secure_file_priv() -> Self {
        let text = "The MySQL server is running with the --secure-file-priv option so it cannot \
                    execute this statement";
        Self::new(1290, "HY000", text)
    }
    /// 29: a file that cannot be opened.
    pub fn file_not_found(path: &std::path::Path, error: &std::io::Error) -> Self {
        let number = error.raw_os_error().unwrap_or(0);
        let reason = error.to_string();
        let reason = reason.split(" (os error").next().unwrap_or_default();
        let path = path.display();
        let text = format!("File '{path}' not found (OS errno {number} - {reason})");
        Self::new(29, "HY000", text)
    }
    /// 1525: an option with a value that it does not take.
    pub fn wrong_value(what: &str, value: &str) -> Self {
        Self::new(1525, "HY000", format!("Incorrect {what} value: '{value}'"))
    }
    /// 1041 for a statement that needs more than it may have.
    pub fn out_of_memory() -> Self {
        let text = "Out of memory; the statement needs more than its share of the server's memory";
        Self::new(1041, "HY000", text)
    }
    /// 1041 for a statement that is not begun because others have taken the memory.
    pub fn server_out_of_memory() -> Self {
        let text = "Out of memory; the server is short of memory, try again later";
        Self::new(1041, "HY000", text)
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(1105, "HY000", message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn near_text_is_cut_at_a_character_boundary() {
        let error = SqlError::syntax(&"é".repeat(100), 1);
        assert!(error.message.contains(&"é".repeat(80)));
        assert!(!error.message.contains(&"é".repeat(81)));
    }
}
