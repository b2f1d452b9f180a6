//! MySQL's column types: the declared type of a column or result, and its Arrow representation.

use arrow::datatypes::{DataType, TimeUnit};
use serde::{Deserialize, Serialize};

/// Width of an integer type in bytes; MEDIUMINT is 3.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum IntWidth {
    Tiny = 1,
    Small = 2,
    Medium = 3,
    Int = 4,
    Big = 8,
}

/// A declared MySQL type. Serialised (JSON) into `ColumnAttributes`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MysqlType {
    /// TINYINT .. BIGINT. `display_width` is kept only for TINYINT(1), MySQL's BOOLEAN.
    Int { width: IntWidth, unsigned: bool, display_width: Option<u8> },
    Float { unsigned: bool },
    Double { unsigned: bool },
    Decimal { precision: u8, scale: u8, unsigned: bool },
    Date,
    /// `fsp`: fractional digits, 0 to 6.
    DateTime { fsp: u8 },
    /// Stored in UTC, shown in the session's time zone.
    Timestamp { fsp: u8 },
    Time { fsp: u8 },
    Year,
    /// Length in characters.
    Char { length: u32 },
    VarChar { length: u32 },
    /// Maximum length in bytes: 255, 65,535, 16,777,215 or 4,294,967,295.
    Text { max_bytes: u32 },
    Binary { length: u32 },
    VarBinary { length: u32 },
    Blob { max_bytes: u32 },
    Enum { values: Vec<String> },
    Set { values: Vec<String> },
    Json,
}

impl MysqlType {
    /// How values are held in record batches and in storage.
    pub fn arrow(&self) -> DataType {
        use IntWidth::*;
        match self {
            Self::Int { width: Tiny, unsigned: false, .. } => DataType::Int8,
            Self::Int { width: Tiny, unsigned: true, .. } => DataType::UInt8,
            Self::Int { width: Small, unsigned: false, .. } => DataType::Int16,
            Self::Int { width: Small, unsigned: true, .. } => DataType::UInt16,
            Self::Int { width: Medium | Int, unsigned: false, .. } => DataType::Int32,
            Self::Int { width: Medium | Int, unsigned: true, .. } => DataType::UInt32,
            Self::Int { width: Big, unsigned: false, .. } => DataType::Int64,
            Self::Int { width: Big, unsigned: true, .. } => DataType::UInt64,
            Self::Float { .. } => DataType::Float32,
            Self::Double { .. } => DataType::Float64,
            Self::Decimal { precision, scale, .. } => {
                DataType::Decimal128(*precision, i8::try_from(*scale).unwrap_or(0))
            }
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
            Self::Binary { .. } | Self::VarBinary { .. } | Self::Blob { .. } => DataType::BinaryView,
        }
    }
}

/// How a column's default is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultValue {
    Null,
    /// A literal as MySQL prints it in SHOW CREATE TABLE, without quotes.
    Literal(String),
    /// CURRENT_TIMESTAMP(fsp)
    Now { fsp: u8 },
}

/// What `storage::ColumnSpec::attributes` holds, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnAttributes {
    #[serde(rename = "type")]
    pub mysql_type: MysqlType,
    /// `None`: no DEFAULT clause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_update_now: Option<u8>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(default)]
    pub auto_increment: bool,
    /// For character columns; others have "binary".
    pub collation: String,
}
