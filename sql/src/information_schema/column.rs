//! Columns of virtual tables and the cells of their rows.
//!
//! Types are a small subset of MySQL's, enough for what MySQL 8 declares in information_schema.

use std::borrow::Cow;
use std::sync::Arc;

use arrow::array::{
    ArrayRef, Int32Array, Int64Array, RecordBatch, RecordBatchOptions, StringViewArray,
    TimestampMicrosecondArray, UInt32Array, UInt64Array,
};
use arrow::datatypes::{DataType, SchemaRef};
use storno_storage::{ColumnSpec, TableSpec};

use super::INFORMATION_SCHEMA;
use crate::error::{Result, SqlError};
use crate::types::charset::{BIN_COLLATION, BINARY};
use crate::types::{ColumnAttributes, IntWidth, MysqlType, TableAttributes, TableDefinition};

/// Type of a virtual column.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Length in characters.
    VarChar(u32),
    /// Maximum length in bytes: 65,535 and up.
    Text(u32),
    Enum(&'static [&'static str]),
    Int {
        width: IntWidth,
        unsigned: bool,
    },
    DateTime,
    Timestamp,
    Json,
}

impl Kind {
    pub fn mysql_type(self) -> MysqlType {
        match self {
            Self::VarChar(length) => MysqlType::VarChar { length },
            Self::Text(max_bytes) => MysqlType::Text { max_bytes },
            Self::Enum(values) => MysqlType::Enum {
                values: values.iter().map(ToString::to_string).collect(),
            },
            Self::Int { width, unsigned } => MysqlType::Int {
                width,
                unsigned,
                display_width: None,
            },
            Self::DateTime => MysqlType::DateTime { fsp: 0 },
            Self::Timestamp => MysqlType::Timestamp { fsp: 0 },
            Self::Json => MysqlType::Json,
        }
    }
}

/// A column of a virtual table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
}

const fn column(name: &'static str, kind: Kind) -> Column {
    Column {
        name,
        kind,
        nullable: false,
    }
}

impl Column {
    pub const fn or_null(mut self) -> Self {
        self.nullable = true;
        self
    }
}

/// A name: VARCHAR(64) NOT NULL.
pub const fn name(name: &'static str) -> Column {
    column(name, Kind::VarChar(64))
}

/// VARCHAR(length) NOT NULL.
pub const fn varchar(name: &'static str, length: u32) -> Column {
    column(name, Kind::VarChar(length))
}

/// TEXT NOT NULL.
pub const fn text(name: &'static str) -> Column {
    column(name, Kind::Text(65_535))
}

/// MEDIUMTEXT NOT NULL.
pub const fn mediumtext(name: &'static str) -> Column {
    column(name, Kind::Text(16_777_215))
}

/// LONGTEXT NOT NULL.
pub const fn longtext(name: &'static str) -> Column {
    column(name, Kind::Text(u32::MAX))
}

pub const fn choice(name: &'static str, values: &'static [&'static str]) -> Column {
    column(name, Kind::Enum(values))
}

pub const fn int(name: &'static str) -> Column {
    let width = IntWidth::Int;
    column(
        name,
        Kind::Int {
            width,
            unsigned: false,
        },
    )
}

pub const fn uint(name: &'static str) -> Column {
    let width = IntWidth::Int;
    column(
        name,
        Kind::Int {
            width,
            unsigned: true,
        },
    )
}

pub const fn bigint(name: &'static str) -> Column {
    let width = IntWidth::Big;
    column(
        name,
        Kind::Int {
            width,
            unsigned: false,
        },
    )
}

pub const fn ubigint(name: &'static str) -> Column {
    let width = IntWidth::Big;
    column(
        name,
        Kind::Int {
            width,
            unsigned: true,
        },
    )
}

pub const fn datetime(name: &'static str) -> Column {
    column(name, Kind::DateTime)
}

pub const fn timestamp(name: &'static str) -> Column {
    column(name, Kind::Timestamp)
}

pub const fn json(name: &'static str) -> Column {
    column(name, Kind::Json)
}

/// One value of a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cell {
    Null,
    Text(Cow<'static, str>),
    Integer(i128),
}

/// A row of a virtual table, in the order of its columns.
pub type Row = Vec<Cell>;

impl Cell {
    /// The text of a cell; numbers as digits, NULL as `None`.
    pub fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Null => None,
            Self::Text(t) => Some(Cow::Borrowed(t)),
            Self::Integer(i) => Some(Cow::Owned(i.to_string())),
        }
    }
}

impl From<&'static str> for Cell {
    fn from(text: &'static str) -> Self {
        Self::Text(Cow::Borrowed(text))
    }
}

impl From<String> for Cell {
    fn from(text: String) -> Self {
        Self::Text(Cow::Owned(text))
    }
}

impl From<&String> for Cell {
    fn from(text: &String) -> Self {
        Self::Text(Cow::Owned(text.clone()))
    }
}

macro_rules! from_integer {
    ($($t:ty)*) => {$(
        impl From<$t> for Cell {
            fn from(value: $t) -> Self {
                Self::Integer(value.into())
            }
        }
    )*};
}
from_integer!(i32 u8 u32 i64 u64);

impl<T: Into<Cell>> From<Option<T>> for Cell {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Into::into)
    }
}

/// A row from values of different types.
macro_rules! row {
    ($($value:expr),* $(,)?) => { vec![$($crate::information_schema::Cell::from($value)),*] };
}
pub(crate) use row;

/// A heading of a result that looks like a table: SHOW makes some of them while it runs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heading {
    pub name: String,
    pub kind: Kind,
    pub nullable: bool,
}

impl From<Column> for Heading {
    fn from(column: Column) -> Self {
        Self {
            name: column.name.into(),
            kind: column.kind,
            nullable: column.nullable,
        }
    }
}

fn is_name(heading: &str) -> bool {
    let heading = heading.to_ascii_uppercase();
    let parts = ["SCHEMA", "SCHEMA_NAME", "TABLE_NAME"];
    parts.iter().any(|part| heading.ends_with(part))
}

/// A table of information_schema that is in no catalog, described as if it were.
pub fn definition(table: &str, headings: &[Heading]) -> Result<TableDefinition> {
    let specs = headings.iter().map(|heading| {
        let mysql_type = heading.kind.mysql_type();
        let collation = match mysql_type.is_character() {
            // Names of databases and tables are what they are, everything else in any case.
            true if is_name(&heading.name) => BIN_COLLATION,
            true => "utf8mb4_general_ci",
            false => BINARY,
        };
        ColumnSpec {
            name: heading.name.clone(),
            data_type: mysql_type.arrow(),
            nullable: heading.nullable,
            attributes: ColumnAttributes {
                mysql_type,
                default: None,
                on_update_now: None,
                comment: String::new(),
                auto_increment: false,
                collation: collation.into(),
                collated: collation != BINARY,
                privacy: None,
                generated: None,
            }
            .to_json(),
        }
    });
    let attributes = TableAttributes {
        keys: Vec::new(),
        shard_key: None,
        sort_key: None,
        collation: "utf8mb4_general_ci".into(),
        comment: String::new(),
        checks: Vec::new(),
        on_invalid: None,
    };
    let spec = TableSpec {
        name: table.into(),
        columns: specs.collect(),
        sort_key: Vec::new(),
        shard_key: Vec::new(),
        unique_keys: Vec::new(),
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: attributes.to_json(),
    };
    TableDefinition::of_spec(INFORMATION_SCHEMA, spec)
}

/// Rows as a batch of the given schema. Missing cells are NULL.
pub fn batch(schema: SchemaRef, rows: &[Row]) -> Result<RecordBatch> {
    let arrays = schema.fields().iter().enumerate();
    let arrays = arrays.map(|(i, field)| {
        let cells = rows.iter().map(|row| row.get(i).unwrap_or(&Cell::Null));
        array(field.data_type(), cells)
    });
    let arrays = arrays.collect::<Result<Vec<_>>>()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows.len()));
    RecordBatch::try_new_with_options(schema, arrays, &options)
        .map_err(|e| SqlError::internal(e.to_string()))
}

fn array<'a>(data_type: &DataType, cells: impl Iterator<Item = &'a Cell>) -> Result<ArrayRef> {
    fn integers<'a, T: TryFrom<i128>>(
        cells: impl Iterator<Item = &'a Cell>,
    ) -> impl Iterator<Item = Option<T>> {
        cells.map(|cell| match cell {
            Cell::Integer(i) => T::try_from(*i).ok(),
            _ => None,
        })
    }
    Ok(match data_type {
        DataType::Utf8View => Arc::new(cells.map(Cell::text).collect::<StringViewArray>()),
        DataType::Int32 => Arc::new(integers::<i32>(cells).collect::<Int32Array>()),
        DataType::UInt32 => Arc::new(integers::<u32>(cells).collect::<UInt32Array>()),
        DataType::Int64 => Arc::new(integers::<i64>(cells).collect::<Int64Array>()),
        DataType::UInt64 => Arc::new(integers::<u64>(cells).collect::<UInt64Array>()),
        DataType::Timestamp(..) => {
            Arc::new(integers::<i64>(cells).collect::<TimestampMicrosecondArray>())
        }
        other => {
            let text = format!("Internal error: a virtual column of type {other}");
            return Err(SqlError::internal(text));
        }
    })
}
