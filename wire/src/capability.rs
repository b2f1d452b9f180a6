//! Capability flags, server status flags and command numbers of the protocol.

bitflags::bitflags! {
    /// Capabilities exchanged in the handshake.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct Capabilities: u32 {
        const LONG_PASSWORD = 1;
        const FOUND_ROWS = 1 << 1;
        const LONG_FLAG = 1 << 2;
        const CONNECT_WITH_DB = 1 << 3;
        const COMPRESS = 1 << 5;
        const LOCAL_FILES = 1 << 7;
        const IGNORE_SPACE = 1 << 8;
        const PROTOCOL_41 = 1 << 9;
        const INTERACTIVE = 1 << 10;
        const SSL = 1 << 11;
        const TRANSACTIONS = 1 << 13;
        const SECURE_CONNECTION = 1 << 15;
        const MULTI_STATEMENTS = 1 << 16;
        const MULTI_RESULTS = 1 << 17;
        const PS_MULTI_RESULTS = 1 << 18;
        const PLUGIN_AUTH = 1 << 19;
        const CONNECT_ATTRS = 1 << 20;
        const PLUGIN_AUTH_LENENC = 1 << 21;
        const SESSION_TRACK = 1 << 23;
        const DEPRECATE_EOF = 1 << 24;
        const ZSTD_COMPRESSION = 1 << 26;
    }

    /// Status flags of OK and EOF packets.
    #[derive(Debug, Clone, Copy, PartialEq, Eq)]
    pub(crate) struct StatusFlags: u16 {
        const IN_TRANS = 1;
        const AUTOCOMMIT = 1 << 1;
        const MORE_RESULTS_EXISTS = 1 << 3;
        const CURSOR_EXISTS = 1 << 6;
        const LAST_ROW_SENT = 1 << 7;
        const NO_BACKSLASH_ESCAPES = 1 << 9;
        const IN_TRANS_READONLY = 1 << 13;
        const SESSION_STATE_CHANGED = 1 << 14;
    }
}

/// What the greeting always offers: everything that has a name above, TLS apart. What is not
/// implemented (query attributes) has no name.
pub(crate) const OFFERED: Capabilities = Capabilities::all().difference(Capabilities::SSL);
