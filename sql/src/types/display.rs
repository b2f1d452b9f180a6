//! A type as SHOW CREATE TABLE and information_schema print it: lower case, MySQL 8, no display
//! widths.

use std::fmt::{self, Display, Formatter, Write};

use super::{IntWidth, MysqlType};

impl Display for MysqlType {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        match self {
            Self::Int {
                display_width: Some(width),
                ..
            } => write!(f, "({width})")?,
            Self::Float {
                digits: Some((m, d)),
                ..
            }
            | Self::Double {
                digits: Some((m, d)),
                ..
            } => {
                write!(f, "({m},{d})")?;
            }
            Self::Decimal {
                precision, scale, ..
            } => write!(f, "({precision},{scale})")?,
            Self::DateTime { fsp } | Self::Timestamp { fsp } | Self::Time { fsp } if *fsp > 0 => {
                write!(f, "({fsp})")?;
            }
            Self::Char { length }
            | Self::VarChar { length }
            | Self::Binary { length }
            | Self::VarBinary { length } => write!(f, "({length})")?,
            Self::Enum { values } | Self::Set { values } => write_values(f, values)?,
            _ => {}
        }
        f.write_str(if self.is_unsigned() { " unsigned" } else { "" })
    }
}

impl MysqlType {
    /// information_schema's DATA_TYPE: the bare name.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Int {
                width: IntWidth::Tiny,
                ..
            } => "tinyint",
            Self::Int {
                width: IntWidth::Small,
                ..
            } => "smallint",
            Self::Int {
                width: IntWidth::Medium,
                ..
            } => "mediumint",
            Self::Int {
                width: IntWidth::Int,
                ..
            } => "int",
            Self::Int {
                width: IntWidth::Big,
                ..
            } => "bigint",
            Self::Float { .. } => "float",
            Self::Double { .. } => "double",
            Self::Decimal { .. } => "decimal",
            Self::Date => "date",
            Self::DateTime { .. } => "datetime",
            Self::Timestamp { .. } => "timestamp",
            Self::Time { .. } => "time",
            Self::Year => "year",
            Self::Char { .. } => "char",
            Self::VarChar { .. } => "varchar",
            Self::Text { max_bytes } => match max_bytes {
                0..=255 => "tinytext",
                256..=65_535 => "text",
                65_536..=16_777_215 => "mediumtext",
                _ => "longtext",
            },
            Self::Binary { .. } => "binary",
            Self::VarBinary { .. } => "varbinary",
            Self::Blob { max_bytes } => match max_bytes {
                0..=255 => "tinyblob",
                256..=65_535 => "blob",
                65_536..=16_777_215 => "mediumblob",
                _ => "longblob",
            },
            Self::Enum { .. } => "enum",
            Self::Set { .. } => "set",
            Self::Json => "json",
        }
    }

    pub fn is_unsigned(&self) -> bool {
        match self {
            Self::Int { unsigned, .. }
            | Self::Float { unsigned, .. }
            | Self::Double { unsigned, .. }
            | Self::Decimal { unsigned, .. } => *unsigned,
            _ => false,
        }
    }
}

fn write_values(f: &mut Formatter<'_>, values: &[String]) -> fmt::Result {
    f.write_char('(')?;
    for (position, value) in values.iter().enumerate() {
        if position > 0 {
            f.write_char(',')?;
        }
        write!(f, "{}", QuotedLiteral(value))?;
    }
    f.write_char(')')
}

/// A string in single quotes, such that the tokenizer reads it back unchanged.
pub(crate) struct QuotedLiteral<'a>(pub(crate) &'a str);

impl Display for QuotedLiteral<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_char('\'')?;
        for c in self.0.chars() {
            match c {
                '\'' => f.write_str("''")?,
                '\\' => f.write_str("\\\\")?,
                '\n' => f.write_str("\\n")?,
                '\r' => f.write_str("\\r")?,
                '\0' => f.write_str("\\0")?,
                c => f.write_char(c)?,
            }
        }
        f.write_char('\'')
    }
}

/// A name in back quotes.
pub(crate) struct QuotedName<'a>(pub(crate) &'a str);

impl Display for QuotedName<'_> {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        write!(f, "`{}`", self.0.replace('`', "``"))
    }
}
