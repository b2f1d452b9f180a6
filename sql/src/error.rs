//! Every MySQL error number, SQLSTATE and message text that Storno sends, in one place.

use std::fmt;

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

impl SqlError {
    pub(crate) fn new(code: u16, state: &'static str, message: impl Into<String>) -> Self {
        Self { code, state, message: message.into() }
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
        Self::new(1235, "42000", format!("This version of Storno doesn't yet support '{what}'"))
    }
    pub fn no_database_selected() -> Self {
        Self::new(1046, "3D000", "No database selected")
    }
    pub fn unknown_database(name: &str) -> Self {
        Self::new(1049, "42000", format!("Unknown database '{name}'"))
    }
    pub fn unknown_table(schema: &str, table: &str) -> Self {
        Self::new(1146, "42S02", format!("Table '{schema}.{table}' doesn't exist"))
    }
    /// `clause` as MySQL words it: "field list", "where clause", "group statement", "order clause" ...
    pub fn unknown_column(column: &str, clause: &str) -> Self {
        Self::new(1054, "42S22", format!("Unknown column '{column}' in '{clause}'"))
    }
    pub fn unknown_variable(name: &str) -> Self {
        Self::new(1193, "HY000", format!("Unknown system variable '{name}'"))
    }
    pub fn internal(message: impl Into<String>) -> Self {
        Self::new(1105, "HY000", message)
    }
}

/// A warning (or note) of the last statement, as SHOW WARNINGS lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub level: Level,
    pub code: u16,
    pub message: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    Note,
    Warning,
    Error,
}
