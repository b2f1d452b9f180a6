//! Warnings and notes, as SHOW WARNINGS lists them.

use super::SqlError;

/// A warning (or note) of the last statement.
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
    pub fn new(code: u16, message: impl Into<String>) -> Self {
        Self {
            level: Level::Warning,
            code,
            message: message.into(),
        }
    }
    /// A clause that is accepted for compatibility and does nothing here.
    pub fn no_effect(clause: &str) -> Self {
        // 1618 is MySQL's "<%s> option ignored".
        Self::new(
            1618,
            format!("<{clause}> option ignored: it has no effect in Storno"),
        )
    }
    /// A collation of a language, which is applied without what the language changes.
    pub fn collation_not_tailored(collation: &str) -> Self {
        Self::new(
            1273,
            format!("Collation '{collation}' is applied without the rules of its language"),
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
