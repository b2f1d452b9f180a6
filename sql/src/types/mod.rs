//! MySQL's column types: the declared type of a column or result, and its Arrow representation.
//!
//! `declared` reads a type from SQL, `display` writes it back, `field` says how it looks on the
//! wire, `text` prints a stored value. How a value gets into a column is `insert`'s part.

mod attributes;
pub mod charset;
mod declared;
mod display;
mod field;
mod text;
mod time_zone;

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

pub use attributes::{
    Check, ColumnAttributes, DefaultValue, Generated, Key, KeyKind, KeyPart, Privacy,
    TableAttributes, TableDefinition,
};
pub(crate) use attributes::{folded_name, same_name};
pub use declared::declared_type;
pub(crate) use display::{QuotedLiteral, QuotedName};
pub use field::{FieldType, flags, type_byte};
pub use text::{
    MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, days_from_civil, double_text, value_text,
};
pub(crate) use text::{
    date_text, datetime_text, decimal_text, double_text_within, escaped, exact_text, time_text,
};
pub(crate) use time_zone::parse_offset;
pub use time_zone::{LocalTime, TimeZone};

/// Digits of the widest DECIMAL; MySQL has 65.
pub const DECIMAL_PRECISION_MAX: u8 = 38;
/// As in MySQL.
pub const DECIMAL_SCALE_MAX: u8 = 30;

/// Width of an integer type in bytes; MEDIUMINT is 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntWidth {
    Tiny = 1,
    Small = 2,
    Medium = 3,
    Int = 4,
    Big = 8,
}

impl IntWidth {
    /// Smallest and largest value.
    pub fn range(self, unsigned: bool) -> (i128, i128) {
        let bits = self as u32 * 8;
        if unsigned {
            (0, (1 << bits) - 1)
        } else {
            (-(1 << (bits - 1)), (1 << (bits - 1)) - 1)
        }
    }
}

/// A declared MySQL type. Serialised (JSON) into `ColumnAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MysqlType {
    /// TINYINT .. BIGINT. `display_width` is kept only for TINYINT(1), MySQL's BOOLEAN.
    Int {
        width: IntWidth,
        unsigned: bool,
        display_width: Option<u8>,
    },
    /// `digits`: (M, D) of FLOAT(M,D), which rounds to D decimals and bounds the value.
    Float {
        unsigned: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<(u8, u8)>,
    },
    /// As `Float`.
    Double {
        unsigned: bool,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        digits: Option<(u8, u8)>,
    },
    Decimal {
        precision: u8,
        scale: u8,
        unsigned: bool,
    },
    Date,
    /// `fsp`: fractional digits, 0 to 6.
    DateTime {
        fsp: u8,
    },
    /// Stored in UTC, shown in the session's time zone.
    Timestamp {
        fsp: u8,
    },
    Time {
        fsp: u8,
    },
    Year,
    /// Length in characters.
    Char {
        length: u32,
    },
    VarChar {
        length: u32,
    },
    /// Maximum length in bytes: 255, 65,535, 16,777,215 or 4,294,967,295.
    Text {
        max_bytes: u32,
    },
    Binary {
        length: u32,
    },
    VarBinary {
        length: u32,
    },
    Blob {
        max_bytes: u32,
    },
    Enum {
        values: Vec<String>,
    },
    Set {
        values: Vec<String>,
    },
    Json,
}

impl MysqlType {
    /// Fractional digits of a type that has them.
    pub fn fraction(&self) -> Option<u8> {
        match self {
            Self::DateTime { fsp } | Self::Timestamp { fsp } | Self::Time { fsp } => Some(*fsp),
            _ => None,
        }
    }

    /// How values are held in record batches and in storage.
    pub fn arrow(&self) -> DataType {
        use IntWidth::*;
        match self {
            Self::Int {
                width: Tiny,
                unsigned: false,
                ..
            } => DataType::Int8,
            Self::Int {
                width: Tiny,
                unsigned: true,
                ..
            } => DataType::UInt8,
            Self::Int {
                width: Small,
                unsigned: false,
                ..
            } => DataType::Int16,
            Self::Int {
                width: Small,
                unsigned: true,
                ..
            } => DataType::UInt16,
            Self::Int {
                width: Medium | Int,
                unsigned: false,
                ..
            } => DataType::Int32,
            Self::Int {
                width: Medium | Int,
                unsigned: true,
                ..
            } => DataType::UInt32,
            Self::Int {
                width: Big,
                unsigned: false,
                ..
            } => DataType::Int64,
            Self::Int {
                width: Big,
                unsigned: true,
                ..
            } => DataType::UInt64,
            Self::Float { .. } => DataType::Float32,
            Self::Double { .. } => DataType::Float64,
            Self::Decimal {
                precision, scale, ..
            } => DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(0)),
            Self::Date => DataType::Date32,
            Self::DateTime { .. } | Self::Timestamp { .. } => {
                DataType::Timestamp(TimeUnit::Microsecond, None)
            }
            Self::Time { .. } => DataType::Duration(TimeUnit::Microsecond),
            Self::Year => DataType::UInt16,
            Self::Char { .. }
            | Self::VarChar { .. }
            | Self::Text { .. }
            | Self::Enum { .. }
            | Self::Set { .. }
            | Self::Json => DataType::Utf8View,
            Self::Binary { .. } | Self::VarBinary { .. } | Self::Blob { .. } => {
                DataType::BinaryView
            }
        }
    }

    /// Has a character set and a collation of its own. JSON has not, as in MySQL.
    pub fn is_character(&self) -> bool {
        matches!(
            self,
            Self::Char { .. }
                | Self::VarChar { .. }
                | Self::Text { .. }
                | Self::Enum { .. }
                | Self::Set { .. }
        )
    }

    /// The types that MySQL gives no DEFAULT and no full-length key.
    pub fn is_blob(&self) -> bool {
        matches!(self, Self::Text { .. } | Self::Blob { .. } | Self::Json)
    }

    /// May be AUTO_INCREMENT here. (MySQL also has it for FLOAT and DOUBLE, deprecated.)
    pub fn is_integer(&self) -> bool {
        matches!(self, Self::Int { .. })
    }
}
