//! From the type in a CREATE TABLE to a `MysqlType`, by MySQL's rules for lengths and synonyms.
//!
//! Input is sqlparser's `DataType`; UNSIGNED, ZEROFILL and character sets, which stand behind the
//! type, are the column definition's part. Types of other databases are syntax errors, as in MySQL.

use sqlparser::ast::{
    BinaryLength, CharacterLength, DataType, EnumMember, ExactNumberInfo, TimezoneInfo,
};

use super::{DECIMAL_PRECISION_MAX, DECIMAL_SCALE_MAX, IntWidth, MysqlType};
use crate::error::{Result, SqlError};

/// Characters of CHAR, bytes of BINARY.
const CHAR_MAX: u64 = 255;
/// What is left of a 65,535 byte row for characters of four bytes.
const VARCHAR_MAX: u64 = 16_383;
const VARBINARY_MAX: u64 = 65_535;
/// Limits of TINYTEXT, TEXT, MEDIUMTEXT, LONGTEXT and the BLOBs, in bytes.
const BLOB_BYTES: [u32; 4] = [255, 65_535, 16_777_215, u32::MAX];
const ENUM_VALUES_MAX: usize = 65_535;
const SET_VALUES_MAX: usize = 64;

/// The type that `data_type` declares for `column` (named in errors). `Ok(None)`: MySQL has no such
/// type. 1235 for those that only Storno lacks.
pub fn declared_type(data_type: &DataType, column: &str) -> Result<Option<MysqlType>> {
    let declared = Declaration { column };
    Ok(Some(match data_type {
        DataType::Bool | DataType::Boolean => declared.boolean(),
        DataType::Float(_)
        | DataType::FloatUnsigned(_)
        | DataType::Float4
        | DataType::Float8
        | DataType::Real
        | DataType::RealUnsigned
        | DataType::Double(_)
        | DataType::DoubleUnsigned(_)
        | DataType::DoublePrecision
        | DataType::DoublePrecisionUnsigned => return declared.floating(data_type).map(Some),
        DataType::Decimal(info) | DataType::Dec(info) | DataType::Numeric(info) => {
            declared.decimal(info, false)?
        }
        DataType::DecimalUnsigned(info) | DataType::DecUnsigned(info) => {
            declared.decimal(info, true)?
        }
        DataType::Date => MysqlType::Date,
        DataType::Datetime(fsp) => MysqlType::DateTime {
            fsp: declared.fsp(*fsp)?,
        },
        DataType::Timestamp(fsp, TimezoneInfo::None) => MysqlType::Timestamp {
            fsp: declared.fsp(*fsp)?,
        },
        DataType::Time(fsp, TimezoneInfo::None) => MysqlType::Time {
            fsp: declared.fsp(*fsp)?,
        },
        DataType::Enum(members, None) => declared.enumeration(members)?,
        DataType::Set(values) => declared.set(values)?,
        DataType::JSON => MysqlType::Json,
        DataType::Bit(_) => return Err(SqlError::not_supported("BIT columns")),
        DataType::GeometricType(_) => return Err(SqlError::not_supported("spatial columns")),
        DataType::Custom(name, modifiers) => {
            return declared.custom(&name.to_string(), modifiers);
        }
        other => match declared.integer(other)? {
            Some(integer) => integer,
            None => return declared.string(other),
        },
    }))
}

struct Declaration<'a> {
    column: &'a str,
}

impl Declaration<'_> {
    fn boolean(&self) -> MysqlType {
        MysqlType::Int {
            width: IntWidth::Tiny,
            unsigned: false,
            display_width: Some(1),
        }
    }

    fn integer(&self, data_type: &DataType) -> Result<Option<MysqlType>> {
        use DataType as T;
        let (width, unsigned, display) = match data_type {
            T::TinyInt(w) => (IntWidth::Tiny, false, w),
            T::TinyIntUnsigned(w) => (IntWidth::Tiny, true, w),
            T::SmallInt(w) | T::Int2(w) => (IntWidth::Small, false, w),
            T::SmallIntUnsigned(w) | T::Int2Unsigned(w) => (IntWidth::Small, true, w),
            T::MediumInt(w) => (IntWidth::Medium, false, w),
            T::MediumIntUnsigned(w) => (IntWidth::Medium, true, w),
            T::Int(w) | T::Integer(w) | T::Int4(w) => (IntWidth::Int, false, w),
            T::IntUnsigned(w) | T::IntegerUnsigned(w) | T::Int4Unsigned(w) => {
                (IntWidth::Int, true, w)
            }
            T::BigInt(w) | T::Int8(w) => (IntWidth::Big, false, w),
            T::BigIntUnsigned(w) | T::Int8Unsigned(w) => (IntWidth::Big, true, w),
            _ => return Ok(None),
        };
        self.display_width(*display)?;
        // MySQL 8 forgets display widths, except the one that says BOOLEAN.
        let boolean = width == IntWidth::Tiny && !unsigned && *display == Some(1);
        Ok(Some(MysqlType::Int {
            width,
            unsigned,
            display_width: boolean.then_some(1),
        }))
    }

    fn display_width(&self, width: Option<u64>) -> Result<()> {
        match width {
            Some(width) if width > 255 => {
                Err(SqlError::display_width_out_of_range(self.column, 255))
            }
            _ => Ok(()),
        }
    }

    /// FLOAT(p) picks by precision; FLOAT(M,D), DOUBLE(M,D) round and bound.
    fn floating(&self, data_type: &DataType) -> Result<MysqlType> {
        use DataType as T;
        let unsigned = matches!(
            data_type,
            T::FloatUnsigned(_)
                | T::RealUnsigned
                | T::DoubleUnsigned(_)
                | T::DoublePrecisionUnsigned
        );
        let (single, info) = match data_type {
            T::Float(info) | T::FloatUnsigned(info) => (true, info),
            T::Double(info) | T::DoubleUnsigned(info) => (false, info),
            T::Float4 => (true, &ExactNumberInfo::None),
            _ => (false, &ExactNumberInfo::None),
        };
        Ok(match (info, single) {
            (ExactNumberInfo::None, true) => MysqlType::Float {
                unsigned,
                digits: None,
            },
            (ExactNumberInfo::None, false) => MysqlType::Double {
                unsigned,
                digits: None,
            },
            (ExactNumberInfo::Precision(0..=24), true) => MysqlType::Float {
                unsigned,
                digits: None,
            },
            (ExactNumberInfo::Precision(25..=53), true) => MysqlType::Double {
                unsigned,
                digits: None,
            },
            // FLOAT(54), and DOUBLE(n), which is no MySQL syntax.
            (ExactNumberInfo::Precision(_), _) => {
                return Err(SqlError::incorrect_column_specifier(self.column));
            }
            (ExactNumberInfo::PrecisionAndScale(m, d), single) => {
                let digits = Some(self.digits(*m, *d, 255)?);
                if single {
                    MysqlType::Float { unsigned, digits }
                } else {
                    MysqlType::Double { unsigned, digits }
                }
            }
        })
    }

    fn decimal(&self, info: &ExactNumberInfo, unsigned: bool) -> Result<MysqlType> {
        let (precision, scale) = match info {
            ExactNumberInfo::None => (10, 0),
            ExactNumberInfo::Precision(precision) => (*precision, 0),
            ExactNumberInfo::PrecisionAndScale(precision, scale) => (*precision, *scale),
        };
        // DECIMAL(0) is DECIMAL(10).
        let precision = if precision == 0 && scale == 0 {
            10
        } else {
            precision
        };
        let (precision, scale) = self.digits(precision, scale, DECIMAL_PRECISION_MAX)?;
        Ok(MysqlType::Decimal {
            precision,
            scale,
            unsigned,
        })
    }

    fn digits(&self, m: u64, d: i64, m_max: u8) -> Result<(u8, u8)> {
        let scale = u8::try_from(d)
            .ok()
            .filter(|scale| *scale <= DECIMAL_SCALE_MAX);
        let scale = scale.ok_or_else(|| {
            SqlError::scale_too_big(d.unsigned_abs(), self.column, DECIMAL_SCALE_MAX)
        })?;
        let precision = u8::try_from(m).ok().filter(|precision| *precision <= m_max);
        let precision =
            precision.ok_or_else(|| SqlError::precision_too_big(m, self.column, m_max))?;
        if precision < scale {
            return Err(SqlError::scale_larger_than_precision(self.column));
        }
        Ok((precision, scale))
    }

    fn fsp(&self, fsp: Option<u64>) -> Result<u8> {
        let fsp = fsp.unwrap_or(0);
        u8::try_from(fsp)
            .ok()
            .filter(|fsp| *fsp <= 6)
            .ok_or_else(|| SqlError::precision_too_big(fsp, self.column, 6))
    }

    /// CHAR, VARCHAR, BINARY, VARBINARY and the TEXT and BLOB families.
    fn string(&self, data_type: &DataType) -> Result<Option<MysqlType>> {
        use DataType as T;
        Ok(Some(match data_type {
            T::Char(length) | T::Character(length) => self.char(characters(length.as_ref()))?,
            T::Varchar(length)
            | T::Nvarchar(length)
            | T::CharVarying(length)
            | T::CharacterVarying(length) => match characters(length.as_ref()) {
                Some(length) => self.varchar(length)?,
                // VARCHAR without a length is no MySQL syntax.
                None => return Ok(None),
            },
            T::Binary(length) => MysqlType::Binary {
                length: self.bounded(length.unwrap_or(1), CHAR_MAX)?,
            },
            T::Varbinary(Some(BinaryLength::IntegerLength { length })) => MysqlType::VarBinary {
                length: self.bounded(*length, VARBINARY_MAX)?,
            },
            T::TinyText => MysqlType::Text {
                max_bytes: BLOB_BYTES[0],
            },
            T::Text => MysqlType::Text {
                max_bytes: BLOB_BYTES[1],
            },
            T::MediumText => MysqlType::Text {
                max_bytes: BLOB_BYTES[2],
            },
            T::LongText => MysqlType::Text {
                max_bytes: BLOB_BYTES[3],
            },
            T::TinyBlob => MysqlType::Blob {
                max_bytes: BLOB_BYTES[0],
            },
            T::Blob(None) => MysqlType::Blob {
                max_bytes: BLOB_BYTES[1],
            },
            T::Blob(Some(length)) => MysqlType::Blob {
                max_bytes: self.smallest_blob(*length)?,
            },
            T::MediumBlob => MysqlType::Blob {
                max_bytes: BLOB_BYTES[2],
            },
            T::LongBlob => MysqlType::Blob {
                max_bytes: BLOB_BYTES[3],
            },
            _ => return Ok(None),
        }))
    }

    fn char(&self, length: Option<u64>) -> Result<MysqlType> {
        Ok(MysqlType::Char {
            length: self.bounded(length.unwrap_or(1), CHAR_MAX)?,
        })
    }

    fn varchar(&self, length: u64) -> Result<MysqlType> {
        Ok(MysqlType::VarChar {
            length: self.bounded(length, VARCHAR_MAX)?,
        })
    }

    fn bounded(&self, length: u64, max: u64) -> Result<u32> {
        match u32::try_from(length) {
            Ok(short) if length <= max => Ok(short),
            _ => Err(SqlError::column_too_long(self.column, max as u32)),
        }
    }

    /// BLOB(n) and TEXT(n) are the smallest type that holds n bytes.
    fn smallest_blob(&self, bytes: u64) -> Result<u32> {
        BLOB_BYTES
            .into_iter()
            .find(|max| bytes <= u64::from(*max))
            .ok_or_else(|| SqlError::display_width_out_of_range(self.column, u64::from(u32::MAX)))
    }

    fn enumeration(&self, members: &[EnumMember]) -> Result<MysqlType> {
        let mut values = Vec::with_capacity(members.len());
        for member in members {
            match member {
                EnumMember::Name(name) => values.push(name.trim_end_matches(' ').to_owned()),
                EnumMember::NamedValue(..) => {
                    return Err(SqlError::not_supported("ENUM members with values"));
                }
            }
        }
        self.distinct(&values, "ENUM", ENUM_VALUES_MAX)?;
        Ok(MysqlType::Enum { values })
    }

    fn set(&self, values: &[String]) -> Result<MysqlType> {
        let values: Vec<String> = values
            .iter()
            .map(|value| value.trim_end_matches(' ').to_owned())
            .collect();
        if let Some(value) = values.iter().find(|value| value.contains(',')) {
            return Err(SqlError::illegal_set_value(value));
        }
        self.distinct(&values, "SET", SET_VALUES_MAX)?;
        Ok(MysqlType::Set { values })
    }

    fn distinct(&self, values: &[String], kind: &str, max: usize) -> Result<()> {
        if values.len() > max {
            return Err(SqlError::too_many_type_values(self.column, kind));
        }
        let mut seen = std::collections::HashSet::new();
        match values.iter().find(|value| !seen.insert(value.as_str())) {
            Some(twice) => Err(SqlError::duplicated_type_value(self.column, twice, kind)),
            None => Ok(()),
        }
    }

    /// Names that sqlparser does not know as types.
    fn custom(&self, name: &str, modifiers: &[String]) -> Result<Option<MysqlType>> {
        let numbers: Option<Vec<u64>> = modifiers.iter().map(|m| m.parse().ok()).collect();
        let Some(numbers) = numbers else {
            return Ok(None);
        };
        let first = numbers.first().copied();
        let int = |width| {
            self.display_width(first)?;
            Ok(Some(MysqlType::Int {
                width,
                unsigned: false,
                display_width: None,
            }))
        };
        match (name.to_ascii_uppercase().as_str(), numbers.len()) {
            ("INT1", 0 | 1) => self.integer(&DataType::TinyInt(first)),
            ("INT3" | "MIDDLEINT", 0 | 1) => int(IntWidth::Medium),
            ("SERIAL", 0) => Ok(Some(MysqlType::Int {
                width: IntWidth::Big,
                unsigned: true,
                display_width: None,
            })),
            ("FIXED", 0) => self.decimal(&ExactNumberInfo::None, false).map(Some),
            ("FIXED", 1 | 2) => {
                let scale = numbers
                    .get(1)
                    .map_or(0, |s| i64::try_from(*s).unwrap_or(i64::MAX));
                let info = ExactNumberInfo::PrecisionAndScale(first.unwrap_or(10), scale);
                self.decimal(&info, false).map(Some)
            }
            ("YEAR", 0) | ("YEAR", 1) => match first {
                None | Some(4) => Ok(Some(MysqlType::Year)),
                Some(_) => Err(SqlError::new(
                    1818,
                    "HY000",
                    "Supports only YEAR or YEAR(4) column.",
                )),
            },
            ("NCHAR", 0 | 1) => self.char(first).map(Some),
            ("TEXT", 1) => {
                let bytes = first.unwrap_or(0).saturating_mul(4);
                Ok(Some(MysqlType::Text {
                    max_bytes: self.smallest_blob(bytes)?,
                }))
            }
            (
                "GEOMETRY" | "POINT" | "LINESTRING" | "POLYGON" | "MULTIPOINT" | "MULTILINESTRING"
                | "MULTIPOLYGON" | "GEOMETRYCOLLECTION" | "GEOMCOLLECTION",
                0,
            ) => Err(SqlError::not_supported("spatial columns")),
            ("VECTOR", _) => Err(SqlError::not_supported("VECTOR columns")),
            _ => Ok(None),
        }
    }
}

fn characters(length: Option<&CharacterLength>) -> Option<u64> {
    match length {
        Some(CharacterLength::IntegerLength { length, .. }) => Some(*length),
        // VARCHAR(MAX) is another database's.
        Some(CharacterLength::Max) => Some(u64::MAX),
        None => None,
    }
}

#[cfg(test)]
mod tests {
    use sqlparser::{dialect::MySqlDialect, parser::Parser};

    use super::*;

    fn declare(sql: &str) -> Result<Option<MysqlType>> {
        let mut parser = Parser::new(&MySqlDialect {})
            .try_with_sql(sql)
            .expect("tokens");
        declared_type(&parser.parse_data_type().expect("data type"), "c")
    }

    fn shown(sql: &str) -> String {
        declare(sql).expect(sql).expect(sql).to_string()
    }

    #[test]
    fn synonyms_are_the_same_type() {
        for (sql, canonical) in [
            ("BOOL", "tinyint(1)"),
            ("BOOLEAN", "tinyint(1)"),
            ("TINYINT(1)", "tinyint(1)"),
            ("TINYINT(1) UNSIGNED", "tinyint unsigned"),
            ("TINYINT(4)", "tinyint"),
            ("INTEGER", "int"),
            ("INT(11) UNSIGNED", "int unsigned"),
            ("MIDDLEINT", "mediumint"),
            ("INT1", "tinyint"),
            ("INT2", "smallint"),
            ("INT3", "mediumint"),
            ("INT4", "int"),
            ("INT8", "bigint"),
            ("SERIAL", "bigint unsigned"),
            ("DEC", "decimal(10,0)"),
            ("NUMERIC(12)", "decimal(12,0)"),
            ("FIXED(12,3)", "decimal(12,3)"),
            ("DECIMAL(0)", "decimal(10,0)"),
            ("REAL", "double"),
            ("DOUBLE PRECISION", "double"),
            ("FLOAT4", "float"),
            ("FLOAT8", "double"),
            ("FLOAT(24)", "float"),
            ("FLOAT(25)", "double"),
            ("FLOAT(8,2)", "float(8,2)"),
            ("DOUBLE(8,2) UNSIGNED", "double(8,2) unsigned"),
            ("CHAR", "char(1)"),
            ("CHARACTER(3)", "char(3)"),
            ("NCHAR(3)", "char(3)"),
            ("CHARACTER VARYING(9)", "varchar(9)"),
            ("NVARCHAR(9)", "varchar(9)"),
            ("TEXT(10)", "tinytext"),
            ("TEXT(64)", "text"),
            ("BLOB(255)", "tinyblob"),
            ("BLOB(65536)", "mediumblob"),
            ("BINARY", "binary(1)"),
            ("YEAR(4)", "year"),
            ("TIMESTAMP(3)", "timestamp(3)"),
            ("DATETIME(0)", "datetime"),
            ("ENUM('a','b ')", "enum('a','b')"),
            ("SET('x','it''s')", "set('x','it''s')"),
        ] {
            assert_eq!(shown(sql), canonical, "{sql}");
        }
    }

    #[test]
    fn limits_are_those_of_mysql() {
        for (sql, code) in [
            ("DECIMAL(39)", 1426),
            ("DECIMAL(20,31)", 1425),
            ("DECIMAL(5,6)", 1427),
            ("FLOAT(54)", 1063),
            ("FLOAT(5,6)", 1427),
            ("INT(256)", 1439),
            ("CHAR(256)", 1074),
            ("VARCHAR(16384)", 1074),
            ("VARBINARY(65536)", 1074),
            ("DATETIME(7)", 1426),
            ("YEAR(2)", 1818),
            ("ENUM('a','a')", 1291),
            ("SET('a,b')", 1367),
            ("BIT(1)", 1235),
            ("POINT", 1235),
        ] {
            assert_eq!(declare(sql).expect_err(sql).code, code, "{sql}");
        }
        assert_eq!(shown("VARCHAR(16383)"), "varchar(16383)");
        assert_eq!(shown("DECIMAL(38,30)"), "decimal(38,30)");
    }

    #[test]
    fn types_of_other_databases_are_refused() {
        for sql in [
            "UUID",
            "BYTEA",
            "VARCHAR",
            "STRING",
            "TIMESTAMP WITH TIME ZONE",
            "INT128",
        ] {
            assert_eq!(declare(sql), Ok(None), "{sql}");
        }
    }
}
