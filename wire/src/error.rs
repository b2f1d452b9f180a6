//! The error a client sees: MySQL error number, SQLSTATE and message.
//!
//! The constructors here are only those errors which the protocol itself raises (bad packets, refused
//! logins, unknown statement handles). Errors of statements are made by the backend.

use std::fmt;

use crate::payload::Malformed;

/// An ERR packet's content.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("ERROR {code} ({}): {message}", SqlState(.state))]
pub struct SqlError {
    /// MySQL error number, for example 1064.
    pub code: u16,
    /// SQLSTATE, five ASCII characters, for example `*b"42000"`.
    pub state: [u8; 5],
    /// Text for the user, UTF-8. The protocol cuts it at 512 bytes, as MySQL does.
    pub message: String,
}

struct SqlState<'a>(&'a [u8; 5]);

impl fmt::Display for SqlState<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(self.0).unwrap_or("HY000"))
    }
}

impl SqlError {
    /// An error with any number, SQLSTATE and text.
    pub fn new(code: u16, state: [u8; 5], message: impl Into<String>) -> Self {
        SqlError {
            code,
            state,
            message: message.into(),
        }
    }

    /// 1105: something went wrong inside the server; the message must not disclose internals.
    pub fn internal(message: impl Into<String>) -> Self {
        SqlError::new(1105, *b"HY000", message)
    }

    /// 1044: the account exists but may not use that database.
    pub fn database_denied(user: &str, host: &str, database: &str) -> Self {
        let message = format!("Access denied for user '{user}'@'{host}' to database '{database}'");
        SqlError::new(1044, *b"42000", message)
    }

    /// 1045: wrong password or unknown account; the two are told apart by nothing.
    pub fn access_denied(user: &str, host: &str, using_password: bool) -> Self {
        let using = if using_password { "YES" } else { "NO" };
        let message = format!("Access denied for user '{user}'@'{host}' (using password: {using})");
        SqlError::new(1045, *b"28000", message)
    }

    /// 1049: no such database.
    pub fn unknown_database(database: &str) -> Self {
        SqlError::new(1049, *b"42000", format!("Unknown database '{database}'"))
    }

    /// 1047: a command this server does not speak.
    pub fn unknown_command() -> Self {
        SqlError::new(1047, *b"08S01", "Unknown command")
    }

    /// 1251: the account's plugin cannot be used with a client this old.
    pub(crate) fn old_client() -> Self {
        let text = "Client does not support authentication protocol requested by server; \
                    consider upgrading MySQL client";
        SqlError::new(1251, *b"08004", text)
    }

    /// 3159: the server insists on TLS and the client did not ask for it.
    pub(crate) fn insecure_transport() -> Self {
        let text = "Connections using insecure transport are prohibited while \
                    --require_secure_transport=ON.";
        SqlError::new(3159, *b"HY000", text)
    }

    /// 1043: the first packet is no handshake response.
    pub(crate) fn bad_handshake() -> Self {
        SqlError::new(1043, *b"08S01", "Bad handshake")
    }

    /// 1040: no connection is free.
    pub(crate) fn too_many_connections() -> Self {
        SqlError::new(1040, *b"08004", "Too many connections")
    }

    /// 1317: KILL.
    pub(crate) fn interrupted() -> Self {
        SqlError::new(1317, *b"70100", "Query execution was interrupted")
    }

    /// 1053: the server stops.
    pub(crate) fn shutdown() -> Self {
        SqlError::new(1053, *b"08S01", "Server shutdown in progress")
    }

    /// 4031: silent for longer than the idle time-out.
    pub(crate) fn inactive() -> Self {
        let text = "The client was disconnected by the server because of inactivity. \
                    See wait_timeout and interactive_timeout for configuring this behavior.";
        SqlError::new(4031, *b"HY000", text)
    }

    /// 1390: more placeholders than the protocol can count.
    pub(crate) fn too_many_placeholders() -> Self {
        SqlError::new(
            1390,
            *b"HY000",
            "Prepared statement contains too many placeholders",
        )
    }

    /// 1117: more columns than the protocol can count.
    pub(crate) fn too_many_columns() -> Self {
        SqlError::new(1117, *b"HY000", "Too many columns")
    }

    /// 1421: a FETCH, but no cursor was opened.
    pub(crate) fn no_cursor(statement: u32) -> Self {
        let text = format!("The statement ({statement}) has no open cursor.");
        SqlError::new(1421, *b"HY000", text)
    }
}

impl From<Malformed> for SqlError {
    fn from(Malformed: Malformed) -> Self {
        SqlError::new(1835, *b"HY000", "Malformed communication packet")
    }
}
