//! Bounds on what clients may take: memory, time and connections.

use std::time::Duration;

/// Bounds of one server. All of them hold from the first byte a client sends.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Connections at once, logged in or not; one more is refused with error 1040.
    pub max_connections: usize,
    /// Bytes of one message after login (`max_allowed_packet`); more is error 1153.
    pub max_allowed_packet: usize,
    /// Bytes of one message before login.
    pub max_login_packet: usize,
    /// From accept to the end of the authentication exchange (`connect_timeout`).
    pub connect_timeout: Duration,
    /// Prepared statements of one connection; one more is error 1461.
    pub max_statements: usize,
    /// Bytes of COM_STMT_SEND_LONG_DATA that one connection may have waiting for an EXECUTE.
    pub max_long_data: usize,
    /// How long running statements may go on after a shutdown was asked for.
    pub shutdown_grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            max_connections: 10_000,
            max_allowed_packet: 64 << 20,
            max_login_packet: 64 << 10,
            connect_timeout: Duration::from_secs(10),
            max_statements: 16_382,
            max_long_data: 256 << 20,
            shutdown_grace: Duration::from_secs(10),
        }
    }
}

/// Time a connection may stay silent or stuck. A session names them, because SQL variables set them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timeouts {
    /// Between two commands (`wait_timeout`, or `interactive_timeout` of interactive clients);
    /// then error 4031 and close.
    pub idle: Duration,
    /// Without one byte arriving in the middle of a packet (`net_read_timeout`); then close.
    pub read: Duration,
    /// Without one byte taken by the client (`net_write_timeout`); then close.
    pub write: Duration,
}

impl Default for Timeouts {
    fn default() -> Self {
        Timeouts {
            idle: Duration::from_secs(28_800),
            read: Duration::from_secs(30),
            write: Duration::from_secs(60),
        }
    }
}
