//! One value before it is in a column: from a literal, a parameter, an expression or a file.
//!
//! It carries no column type; `column` coerces it by MySQL's assignment rules.

/// An owned value. Parameters of prepared statements and results of expressions come as these.
#[derive(Debug, Clone, PartialEq)]
pub enum Scalar {
    Null,
    /// Any integer, signed or not.
    Int(i128),
    /// An exact decimal as text: `-?digits[.digits]`. It may have any number of digits.
    Decimal(String),
    Double(f64),
    /// A character string.
    Text(String),
    /// A binary string. Also text that is not known to be UTF-8.
    Bytes(Vec<u8>),
    /// `0x41`, `X'41'`, `b'01'`: a binary string that is a number where a number is wanted.
    Bits(Vec<u8>),
    /// Days since 1970-01-01.
    Date(i32),
    /// Microseconds since 1970-01-01 00:00:00 on the session's wall clock; `fsp` digits are shown.
    DateTime {
        micros: i64,
        fsp: u8,
    },
    /// Microseconds, within ±838:59:59.
    Time {
        micros: i64,
        fsp: u8,
    },
}

/// A borrowed `Scalar`; what the builders take.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Datum<'a> {
    Null,
    Int(i128),
    Decimal(&'a str),
    Double(f64),
    /// A string; checked to be UTF-8 where a column needs it.
    Text(&'a [u8]),
    Bits(&'a [u8]),
    Date(i32),
    DateTime {
        micros: i64,
        fsp: u8,
    },
    Time {
        micros: i64,
        fsp: u8,
    },
    /// A binary string, which JSON refuses; otherwise like `Text`.
    Bytes(&'a [u8]),
}

impl Scalar {
    pub(crate) fn datum(&self) -> Datum<'_> {
        match self {
            Self::Null => Datum::Null,
            Self::Int(value) => Datum::Int(*value),
            Self::Decimal(text) => Datum::Decimal(text),
            Self::Double(value) => Datum::Double(*value),
            Self::Text(text) => Datum::Text(text.as_bytes()),
            Self::Bytes(bytes) => Datum::Bytes(bytes),
            Self::Bits(bytes) => Datum::Bits(bytes),
            Self::Date(days) => Datum::Date(*days),
            Self::DateTime { micros, fsp } => Datum::DateTime {
                micros: *micros,
                fsp: *fsp,
            },
            Self::Time { micros, fsp } => Datum::Time {
                micros: *micros,
                fsp: *fsp,
            },
        }
    }
}
