//! How a column or an expression is described to clients: type, length, decimals, charset and
//! flags.
//!
//! The numbers are those of MySQL 8; encoding them into a packet is the wire's part. One deviation
//! is on purpose: MySQL flags text under a `_bin` collation as BINARY, and some drivers then return
//! bytes. All of Storno's text compares so, hence the flag is kept for what has the character set
//! `binary`.

use arrow::datatypes::DataType;

use super::charset::{BINARY_ID, UTF8MB4_ID};
use super::{DefaultValue, IntWidth, KeyKind, MysqlType, TableDefinition};

/// Bytes of MYSQL_TYPE_*.
pub mod type_byte {
    pub const TINY: u8 = 1;
    pub const SHORT: u8 = 2;
    pub const LONG: u8 = 3;
    pub const FLOAT: u8 = 4;
    pub const DOUBLE: u8 = 5;
    pub const NULL: u8 = 6;
    pub const TIMESTAMP: u8 = 7;
    pub const LONGLONG: u8 = 8;
    pub const INT24: u8 = 9;
    pub const DATE: u8 = 10;
    pub const TIME: u8 = 11;
    pub const DATETIME: u8 = 12;
    pub const YEAR: u8 = 13;
    pub const JSON: u8 = 245;
    pub const NEWDECIMAL: u8 = 246;
    pub const BLOB: u8 = 252;
    pub const VAR_STRING: u8 = 253;
    pub const STRING: u8 = 254;
}

/// Bits of the column flags. MySQL's NUM flag is set by its client library, never sent.
pub mod flags {
    pub const NOT_NULL: u16 = 1;
    pub const PRI_KEY: u16 = 2;
    pub const UNIQUE_KEY: u16 = 4;
    pub const MULTIPLE_KEY: u16 = 8;
    pub const BLOB: u16 = 16;
    pub const UNSIGNED: u16 = 32;
    pub const ZEROFILL: u16 = 64;
    pub const BINARY: u16 = 128;
    pub const ENUM: u16 = 256;
    pub const AUTO_INCREMENT: u16 = 512;
    pub const TIMESTAMP: u16 = 1024;
    pub const SET: u16 = 2048;
    pub const NO_DEFAULT_VALUE: u16 = 4096;
    pub const ON_UPDATE_NOW: u16 = 8192;
    pub const PART_KEY: u16 = 16384;
}

/// Decimals of floating-point numbers without a fixed scale.
const NOT_FIXED: u8 = 31;
/// Bytes of a character in utf8mb4.
const CHARACTER_BYTES: u32 = 4;
/// Length given for text whose longest value is not known: 65,535 characters.
const OPEN_TEXT_LENGTH: u32 = 65_535 * CHARACTER_BYTES;

/// What a column definition packet says, apart from the names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FieldType {
    pub type_byte: u8,
    /// Display length in bytes: characters times four for text.
    pub length: u32,
    pub decimals: u8,
    /// Collation id: 63 for what is not text, else utf8mb4's, to be replaced by the connection's.
    pub charset: u16,
    pub flags: u16,
}

impl FieldType {
    /// A number, date or byte string.
    const fn binary(type_byte: u8, length: u32, decimals: u8) -> Self {
        Self {
            type_byte,
            length,
            decimals,
            charset: BINARY_ID,
            flags: flags::BINARY,
        }
    }

    const fn text(type_byte: u8, length: u32) -> Self {
        Self {
            type_byte,
            length,
            decimals: 0,
            charset: UTF8MB4_ID,
            flags: 0,
        }
    }

    const fn with(self, flags: u16) -> Self {
        Self {
            flags: self.flags | flags,
            ..self
        }
    }

    const fn without(self, flags: u16) -> Self {
        Self {
            flags: self.flags & !flags,
            ..self
        }
    }

    /// A value of the type, without a table's flags.
    pub fn of_type(mysql_type: &MysqlType) -> Self {
        use type_byte as t;
        let unsigned = if mysql_type.is_unsigned() {
            flags::UNSIGNED
        } else {
            0
        };
        match mysql_type {
            MysqlType::Int { .. }
            | MysqlType::Float { .. }
            | MysqlType::Double { .. }
            | MysqlType::Decimal { .. } => {
                // Columns of numbers, unlike expressions, do not carry the flag.
                Self::of_number(mysql_type)
                    .without(flags::BINARY)
                    .with(unsigned)
            }
            MysqlType::Date => Self::binary(t::DATE, 10, 0),
            MysqlType::DateTime { fsp } => Self::binary(t::DATETIME, 19 + fraction(*fsp), *fsp),
            MysqlType::Timestamp { fsp } => Self::binary(t::TIMESTAMP, 19 + fraction(*fsp), *fsp),
            MysqlType::Time { fsp } => Self::binary(t::TIME, 10 + fraction(*fsp), *fsp),
            MysqlType::Year => Self::binary(t::YEAR, 4, 0)
                .without(flags::BINARY)
                .with(flags::UNSIGNED | flags::ZEROFILL),
            MysqlType::Char { length } => Self::text(t::STRING, length * CHARACTER_BYTES),
            MysqlType::VarChar { length } => Self::text(t::VAR_STRING, length * CHARACTER_BYTES),
            MysqlType::Text { max_bytes } => {
                Self::text(t::BLOB, max_bytes.saturating_mul(CHARACTER_BYTES)).with(flags::BLOB)
            }
            MysqlType::Binary { length } => Self::binary(t::STRING, *length, 0),
            MysqlType::VarBinary { length } => Self::binary(t::VAR_STRING, *length, 0),
            MysqlType::Blob { max_bytes } => Self::binary(t::BLOB, *max_bytes, 0).with(flags::BLOB),
            MysqlType::Enum { values } => {
                let longest = values
                    .iter()
                    .map(|value| characters(value))
                    .max()
                    .unwrap_or(0);
                Self::text(t::STRING, longest * CHARACTER_BYTES).with(flags::ENUM)
            }
            MysqlType::Set { values } => {
                let all: u32 = values.iter().map(|value| characters(value) + 1).sum();
                let length = all.saturating_sub(1) * CHARACTER_BYTES;
                Self::text(t::STRING, length).with(flags::SET)
            }
            MysqlType::Json => Self::binary(t::JSON, u32::MAX, 0).with(flags::BLOB),
        }
    }

    fn of_number(mysql_type: &MysqlType) -> Self {
        use type_byte as t;
        match mysql_type {
            MysqlType::Int {
                display_width: Some(width),
                ..
            } => Self::binary(t::TINY, u32::from(*width), 0),
            MysqlType::Int {
                width, unsigned, ..
            } => {
                let (type_byte, length) = match width {
                    IntWidth::Tiny => (t::TINY, 4),
                    IntWidth::Small => (t::SHORT, 6),
                    IntWidth::Medium => (t::INT24, 9),
                    IntWidth::Int => (t::LONG, 11),
                    IntWidth::Big => (t::LONGLONG, 20),
                };
                // No room for a sign; BIGINT needs its 20th place for a digit.
                let sign = u32::from(*unsigned && *width != IntWidth::Big);
                Self::binary(type_byte, length - sign, 0)
            }
            MysqlType::Float {
                digits: Some((m, d)),
                ..
            } => Self::binary(t::FLOAT, u32::from(*m), *d),
            MysqlType::Double {
                digits: Some((m, d)),
                ..
            } => Self::binary(t::DOUBLE, u32::from(*m), *d),
            MysqlType::Float { .. } => Self::binary(t::FLOAT, 12, NOT_FIXED),
            MysqlType::Decimal {
                precision,
                scale,
                unsigned,
            } => decimal(*precision, *scale, *unsigned),
            _ => Self::binary(t::DOUBLE, 22, NOT_FIXED),
        }
    }

    /// Column `position` of a table, with the flags of its keys and default.
    pub fn of_column(table: &TableDefinition, position: usize) -> Option<Self> {
        let spec = table.meta.spec.columns.get(position)?;
        let attributes = table.columns.get(position)?;
        let mut bits = 0;
        if !spec.nullable {
            bits |= flags::NOT_NULL;
            if attributes.default.is_none() && !attributes.auto_increment {
                bits |= flags::NO_DEFAULT_VALUE;
            }
        }
        if attributes.auto_increment {
            bits |= flags::AUTO_INCREMENT;
        }
        if matches!(attributes.mysql_type, MysqlType::Timestamp { .. }) {
            let now = matches!(attributes.default, Some(DefaultValue::Now { .. }));
            let automatic = now || attributes.on_update_now.is_some();
            bits |= if automatic { flags::TIMESTAMP } else { 0 };
        }
        if attributes.on_update_now.is_some() {
            bits |= flags::ON_UPDATE_NOW;
        }
        bits |= key_flags(table, &spec.name);
        Some(Self::of_type(&attributes.mysql_type).with(bits))
    }

    /// An expression whose result is held as `data_type`.
    pub fn of_expression(data_type: &DataType, nullable: bool) -> Self {
        use type_byte as t;
        let field = match data_type {
            DataType::Null => Self::binary(t::NULL, 0, 0),
            // MySQL computes conditions as BIGINT and shows one digit.
            DataType::Boolean => Self::binary(t::LONGLONG, 1, 0),
            DataType::Int8 => Self::binary(t::TINY, 4, 0),
            DataType::Int16 => Self::binary(t::SHORT, 6, 0),
            DataType::Int32 => Self::binary(t::LONG, 11, 0),
            DataType::Int64 => Self::binary(t::LONGLONG, 21, 0),
            DataType::UInt8 => Self::binary(t::TINY, 3, 0).with(flags::UNSIGNED),
            DataType::UInt16 => Self::binary(t::SHORT, 5, 0).with(flags::UNSIGNED),
            DataType::UInt32 => Self::binary(t::LONG, 10, 0).with(flags::UNSIGNED),
            DataType::UInt64 => Self::binary(t::LONGLONG, 21, 0).with(flags::UNSIGNED),
            DataType::Float16 | DataType::Float32 => Self::binary(t::FLOAT, 12, NOT_FIXED),
            DataType::Float64 => Self::binary(t::DOUBLE, 23, NOT_FIXED),
            DataType::Decimal32(p, s)
            | DataType::Decimal64(p, s)
            | DataType::Decimal128(p, s)
            | DataType::Decimal256(p, s) => decimal(*p, u8::try_from(*s).unwrap_or(0), false),
            DataType::Date32 | DataType::Date64 => Self::binary(t::DATE, 10, 0),
            DataType::Timestamp(..) => Self::binary(t::DATETIME, 26, 6),
            DataType::Time32(_) | DataType::Time64(_) | DataType::Duration(_) => {
                Self::binary(t::TIME, 17, 6)
            }
            DataType::Binary
            | DataType::LargeBinary
            | DataType::BinaryView
            | DataType::FixedSizeBinary(_) => Self::binary(t::VAR_STRING, OPEN_TEXT_LENGTH, 0),
            DataType::Dictionary(_, values) => return Self::of_expression(values, nullable),
            _ => Self::text(t::VAR_STRING, OPEN_TEXT_LENGTH),
        };
        if nullable {
            field
        } else {
            field.with(flags::NOT_NULL)
        }
    }
}

/// Characters of a fraction with its point.
fn fraction(fsp: u8) -> u32 {
    if fsp == 0 { 0 } else { u32::from(fsp) + 1 }
}

fn characters(text: &str) -> u32 {
    u32::try_from(text.chars().count()).unwrap_or(u32::MAX)
}

fn decimal(precision: u8, scale: u8, unsigned: bool) -> FieldType {
    let sign = u32::from(!unsigned);
    let point = u32::from(scale > 0);
    FieldType::binary(
        type_byte::NEWDECIMAL,
        u32::from(precision) + sign + point,
        scale,
    )
}

fn key_flags(table: &TableDefinition, column: &str) -> u16 {
    let identifying = table.identifying_key().map(|key| key.name.as_str());
    let mut bits = 0;
    for (key, first) in table.keys_of(column) {
        bits |= flags::PART_KEY;
        if identifying == Some(key.name.as_str()) {
            bits |= flags::PRI_KEY;
        } else if first {
            let alone = key.kind == KeyKind::Unique && key.parts.len() == 1;
            bits |= if alone {
                flags::UNIQUE_KEY
            } else {
                flags::MULTIPLE_KEY
            };
        }
    }
    bits
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::insert::testing::table;

    /// Type, length, decimals, charset and flags of the first column.
    fn field(definition: &str) -> (u8, u32, u8, u16, u16) {
        let field = FieldType::of_column(&table(&format!("CREATE TABLE t (x {definition})")), 0);
        let field = field.expect(definition);
        (
            field.type_byte,
            field.length,
            field.decimals,
            field.charset,
            field.flags,
        )
    }

    // The numbers are those of MariaDB 10.11, but for what the file's header says, JSON (its own
    // type in MySQL) and TIMESTAMP (not unsigned in MySQL; flagged when automatic).
    #[test]
    fn columns_are_described_as_mysql_describes_them() {
        for (definition, expected) in [
            ("TINYINT", (1, 4, 0, 63, 0)),
            ("TINYINT(1)", (1, 1, 0, 63, 0)),
            ("TINYINT UNSIGNED", (1, 3, 0, 63, 32)),
            ("SMALLINT", (2, 6, 0, 63, 0)),
            ("MEDIUMINT UNSIGNED", (9, 8, 0, 63, 32)),
            ("INT", (3, 11, 0, 63, 0)),
            ("BIGINT", (8, 20, 0, 63, 0)),
            ("BIGINT UNSIGNED", (8, 20, 0, 63, 32)),
            ("FLOAT", (4, 12, 31, 63, 0)),
            ("FLOAT(7,2)", (4, 7, 2, 63, 0)),
            ("DOUBLE", (5, 22, 31, 63, 0)),
            ("DOUBLE(8,2)", (5, 8, 2, 63, 0)),
            ("DECIMAL(10,2)", (246, 12, 2, 63, 0)),
            ("DECIMAL(10)", (246, 11, 0, 63, 0)),
            ("DECIMAL(10,2) UNSIGNED", (246, 11, 2, 63, 32)),
            ("DATE", (10, 10, 0, 63, 128)),
            ("DATETIME", (12, 19, 0, 63, 128)),
            ("DATETIME(6)", (12, 26, 6, 63, 128)),
            ("TIMESTAMP(3)", (7, 23, 3, 63, 128)),
            ("TIME(3)", (11, 14, 3, 63, 128)),
            ("YEAR", (13, 4, 0, 63, 96)),
            ("CHAR(3)", (254, 12, 0, 255, 0)),
            ("VARCHAR(20)", (253, 80, 0, 255, 0)),
            ("TINYTEXT", (252, 1020, 0, 255, 16)),
            ("TEXT", (252, 262_140, 0, 255, 16)),
            ("LONGTEXT", (252, u32::MAX, 0, 255, 16)),
            ("BINARY(3)", (254, 3, 0, 63, 128)),
            ("VARBINARY(20)", (253, 20, 0, 63, 128)),
            ("BLOB", (252, 65_535, 0, 63, 144)),
            ("LONGBLOB", (252, u32::MAX, 0, 63, 144)),
            ("ENUM('a','bcd')", (254, 12, 0, 255, 256)),
            ("SET('a','bcd')", (254, 20, 0, 255, 2048)),
            ("JSON", (245, u32::MAX, 0, 63, 144)),
        ] {
            assert_eq!(field(definition), expected, "{definition}");
        }
    }

    #[test]
    fn flags_tell_keys_defaults_and_counters() {
        for (definition, expected) in [
            ("INT NOT NULL", 4097),
            ("INT NOT NULL DEFAULT 1", 1),
            ("INT NOT NULL AUTO_INCREMENT PRIMARY KEY", 16_899),
            ("INT UNIQUE", 16_388),
            ("INT NOT NULL UNIQUE", 20_483),
            ("INT, KEY (x)", 16_392),
            ("INT, y INT, KEY (y, x)", 16_384),
            ("INT, y INT, UNIQUE (y, x)", 16_384),
            ("INT, y INT, UNIQUE (x, y)", 16_392),
            ("INT, y INT, PRIMARY KEY (x, y)", 20_483),
            ("TIMESTAMP DEFAULT NOW() ON UPDATE NOW()", 128 + 1024 + 8192),
        ] {
            assert_eq!(field(definition).4, expected, "{definition}");
        }
    }

    #[test]
    fn expressions_are_described_by_their_arrow_type() {
        let field = |data_type: DataType| FieldType::of_expression(&data_type, true);
        let count = field(DataType::Int64);
        assert_eq!((count.type_byte, count.length, count.flags), (8, 21, 128));
        let sum = field(DataType::Decimal128(32, 2));
        assert_eq!((sum.type_byte, sum.length, sum.decimals), (246, 34, 2));
        let condition = FieldType::of_expression(&DataType::Boolean, false);
        assert_eq!(
            (condition.type_byte, condition.length, condition.flags),
            (8, 1, 129)
        );
        let text = field(DataType::Utf8View);
        assert_eq!((text.type_byte, text.charset, text.flags), (253, 255, 0));
    }
}
