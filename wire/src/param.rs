//! A bound parameter of a prepared statement, as the client sent it.
//!
//! Nothing is converted or validated beyond the packet's own shape: a month may be 13, a text may not
//! be UTF-8. What that means is the backend's business.

/// One parameter value of COM_STMT_EXECUTE.
#[derive(Debug, Clone, PartialEq)]
pub enum Param {
    /// NULL.
    Null,
    /// TINYINT to BIGINT, signed; also YEAR.
    Int(i64),
    /// TINYINT to BIGINT, unsigned.
    UInt(u64),
    /// FLOAT.
    Float(f32),
    /// DOUBLE.
    Double(f64),
    /// DECIMAL in its text form, unchecked.
    Decimal(Vec<u8>),
    /// CHAR, VARCHAR, ENUM, SET, JSON: bytes in the connection's character set, unchecked. Many
    /// drivers send every value that is not a number like this, binary strings included.
    Text(Vec<u8>),
    /// BLOB types: bytes without a character set.
    Bytes(Vec<u8>),
    /// DATE.
    Date {
        /// Year, 0 to 65535 as sent.
        year: u16,
        /// Month, 0 to 255 as sent.
        month: u8,
        /// Day, 0 to 255 as sent.
        day: u8,
    },
    /// DATETIME or TIMESTAMP.
    DateTime {
        /// Year, 0 to 65535 as sent.
        year: u16,
        /// Month, 0 to 255 as sent.
        month: u8,
        /// Day, 0 to 255 as sent.
        day: u8,
        /// Hour, 0 to 255 as sent.
        hour: u8,
        /// Minute, 0 to 255 as sent.
        minute: u8,
        /// Second, 0 to 255 as sent.
        second: u8,
        /// Microseconds, as sent.
        micros: u32,
    },
    /// TIME, a signed duration.
    Time {
        /// True below zero.
        negative: bool,
        /// Days, as sent.
        days: u32,
        /// Hours, 0 to 255 as sent.
        hours: u8,
        /// Minutes, 0 to 255 as sent.
        minutes: u8,
        /// Seconds, 0 to 255 as sent.
        seconds: u8,
        /// Microseconds, as sent.
        micros: u32,
    },
}
