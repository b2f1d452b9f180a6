//! Column definitions: what a result set or a prepared statement says about each of its columns.
//!
//! Only the vocabulary. Which type an expression has is the backend's business; how a value of that
//! type is written is in `row`.

/// A column's type byte on the wire (`enum_field_types` of the MySQL client library).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[repr(u8)]
#[allow(missing_docs)]
pub enum ColumnType {
    Decimal = 0,
    Tiny = 1,
    Short = 2,
    Long = 3,
    Float = 4,
    Double = 5,
    Null = 6,
    Timestamp = 7,
    LongLong = 8,
    Int24 = 9,
    Date = 10,
    Time = 11,
    DateTime = 12,
    Year = 13,
    VarChar = 15,
    Bit = 16,
    Json = 245,
    NewDecimal = 246,
    Enum = 247,
    Set = 248,
    TinyBlob = 249,
    MediumBlob = 250,
    LongBlob = 251,
    Blob = 252,
    VarString = 253,
    String = 254,
    Geometry = 255,
}

bitflags::bitflags! {
    /// Flags of a column definition.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
    pub struct ColumnFlags: u16 {
        /// Never NULL.
        const NOT_NULL = 1;
        /// Part of the primary key.
        const PRI_KEY = 1 << 1;
        /// Part of a unique key.
        const UNIQUE_KEY = 1 << 2;
        /// Part of a key that is not unique.
        const MULTIPLE_KEY = 1 << 3;
        /// One of the BLOB and TEXT types.
        const BLOB = 1 << 4;
        /// Unsigned number.
        const UNSIGNED = 1 << 5;
        /// ZEROFILL.
        const ZEROFILL = 1 << 6;
        /// Binary collation.
        const BINARY = 1 << 7;
        /// ENUM.
        const ENUM = 1 << 8;
        /// AUTO_INCREMENT.
        const AUTO_INCREMENT = 1 << 9;
        /// TIMESTAMP.
        const TIMESTAMP = 1 << 10;
        /// SET.
        const SET = 1 << 11;
        /// Has no default value.
        const NO_DEFAULT_VALUE = 1 << 12;
        /// Set to the current time on UPDATE.
        const ON_UPDATE_NOW = 1 << 13;
        /// Numeric.
        const NUM = 1 << 15;
    }
}

/// Collation id of utf8mb4_0900_ai_ci, MySQL 8's default and the one our greeting names.
pub const UTF8MB4_0900_AI_CI: u16 = 255;
/// Collation id of utf8mb4_general_ci.
pub const UTF8MB4_GENERAL_CI: u16 = 45;
/// Collation id of binary: what every column that is not text carries.
pub const BINARY: u16 = 63;
/// The value of [`Column::decimals`] that means "no fixed number of digits" (DOUBLE, FLOAT).
pub const DECIMALS_NOT_FIXED: u8 = 31;

/// A column definition packet's content.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Database of the table, empty for an expression.
    pub schema: String,
    /// Table name as aliased, empty for an expression.
    pub table: String,
    /// Table name as stored, empty for an expression.
    pub org_table: String,
    /// Name shown to the client: the alias, or the expression's source text.
    pub name: String,
    /// Column name as stored, empty for an expression.
    pub org_name: String,
    /// Collation id: [`BINARY`] for everything that is not text.
    pub charset: u16,
    /// Display width; for text, characters times the character set's bytes per character.
    pub length: u32,
    /// The wire type, which also decides the binary protocol's form of each value.
    pub column_type: ColumnType,
    /// Flags as MySQL sets them.
    pub flags: ColumnFlags,
    /// Digits after the point: scale of DECIMAL, 0 to 6 of times, [`DECIMALS_NOT_FIXED`] of DOUBLE.
    pub decimals: u8,
}

impl Column {
    /// A column of an expression: no table, charset [`BINARY`], no flags, length and decimals 0.
    pub fn expression(name: impl Into<String>, column_type: ColumnType) -> Self {
        Column {
            schema: String::new(),
            table: String::new(),
            org_table: String::new(),
            name: name.into(),
            org_name: String::new(),
            charset: BINARY,
            length: 0,
            column_type,
            flags: ColumnFlags::empty(),
            decimals: 0,
        }
    }
}
