//! One column of the rows being written: the table's type, and the Arrow builder that grows.
//!
//! It coerces and appends. Which value goes to which column is `rows`' part.

use std::sync::Arc;

use arrow::array::{
    ArrayRef, BinaryViewBuilder, Date32Builder, Decimal128Builder, DurationMicrosecondBuilder,
    Float32Builder, Float64Builder, Int8Builder, Int16Builder, Int32Builder, Int64Builder,
    StringViewBuilder, TimestampMicrosecondBuilder, UInt8Builder, UInt16Builder, UInt32Builder,
    UInt64Builder,
};
use arrow::datatypes::DataType;

use storno_storage::TableMeta;

use super::coerce::{self, Cell, Choice};
use super::{Datum, Diagnostics, Settings};
use crate::error::{Result, SqlError};
use crate::types::{ColumnAttributes, IntWidth, MysqlType, TableDefinition};
use crate::types::{MICROS_PER_DAY, days_from_civil};

/// A column while rows are appended.
#[derive(Debug)]
pub(super) struct ColumnWriter {
    names: Names,
    pub(super) mysql_type: MysqlType,
    /// Of ENUM and SET; others do not compare.
    collation: String,
    pub(super) nullable: bool,
    builder: Builder,
}

/// What a column is called. A statement of one row makes a writer for each column: names are not copied for it.
#[derive(Debug)]
enum Names {
    /// Table and position.
    Of(Arc<TableMeta>, usize),
    /// A column of no table.
    Alone(String),
}

impl Names {
    fn column(&self) -> &str {
        match self {
            Self::Of(meta, position) => {
                let column = meta.spec.columns.get(*position);
                column.map_or("", |column| &column.name)
            }
            Self::Alone(name) => name,
        }
    }

    fn table(&self) -> &str {
        match self {
            Self::Of(meta, _) => &meta.spec.name,
            Self::Alone(_) => "",
        }
    }
}

#[derive(Debug)]
enum Builder {
    Int8(Int8Builder),
    Int16(Int16Builder),
    Int32(Int32Builder),
    Int64(Int64Builder),
    UInt8(UInt8Builder),
    UInt16(UInt16Builder),
    UInt32(UInt32Builder),
    UInt64(UInt64Builder),
    Float32(Float32Builder),
    Float64(Float64Builder),
    Decimal(Decimal128Builder),
    Date(Date32Builder),
    Timestamp(TimestampMicrosecondBuilder),
    Duration(DurationMicrosecondBuilder),
    Text(StringViewBuilder),
    Bytes(BinaryViewBuilder),
}

/// Runs `$body` with `$builder` bound to whichever builder it is.
macro_rules! each_builder {
    ($value:expr, $builder:ident => $body:expr) => {
        match $value {
            Builder::Int8($builder) => $body,
            Builder::Int16($builder) => $body,
            Builder::Int32($builder) => $body,
            Builder::Int64($builder) => $body,
            Builder::UInt8($builder) => $body,
            Builder::UInt16($builder) => $body,
            Builder::UInt32($builder) => $body,
            Builder::UInt64($builder) => $body,
            Builder::Float32($builder) => $body,
            Builder::Float64($builder) => $body,
            Builder::Decimal($builder) => $body,
            Builder::Date($builder) => $body,
            Builder::Timestamp($builder) => $body,
            Builder::Duration($builder) => $body,
            Builder::Text($builder) => $body,
            Builder::Bytes($builder) => $body,
        }
    };
}

impl Builder {
    fn new(data_type: &DataType, rows: usize) -> Option<Self> {
        Some(match data_type {
            DataType::Int8 => Self::Int8(Int8Builder::with_capacity(rows)),
            DataType::Int16 => Self::Int16(Int16Builder::with_capacity(rows)),
            DataType::Int32 => Self::Int32(Int32Builder::with_capacity(rows)),
            DataType::Int64 => Self::Int64(Int64Builder::with_capacity(rows)),
            DataType::UInt8 => Self::UInt8(UInt8Builder::with_capacity(rows)),
            DataType::UInt16 => Self::UInt16(UInt16Builder::with_capacity(rows)),
            DataType::UInt32 => Self::UInt32(UInt32Builder::with_capacity(rows)),
            DataType::UInt64 => Self::UInt64(UInt64Builder::with_capacity(rows)),
            DataType::Float32 => Self::Float32(Float32Builder::with_capacity(rows)),
            DataType::Float64 => Self::Float64(Float64Builder::with_capacity(rows)),
            DataType::Decimal128(..) => Self::Decimal(
                Decimal128Builder::with_capacity(rows).with_data_type(data_type.clone()),
            ),
            DataType::Date32 => Self::Date(Date32Builder::with_capacity(rows)),
            DataType::Timestamp(..) => {
                Self::Timestamp(TimestampMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Duration(_) => {
                Self::Duration(DurationMicrosecondBuilder::with_capacity(rows))
            }
            DataType::Utf8View => Self::Text(StringViewBuilder::with_capacity(rows)),
            DataType::BinaryView => Self::Bytes(BinaryViewBuilder::with_capacity(rows)),
            _ => return None,
        })
    }

    /// A value already within the column's range.
    fn append_integer(&mut self, value: i128) {
        match self {
            Self::Int8(builder) => builder.append_value(value as i8),
            Self::Int16(builder) => builder.append_value(value as i16),
            Self::Int32(builder) => builder.append_value(value as i32),
            Self::Int64(builder) => builder.append_value(value as i64),
            Self::UInt8(builder) => builder.append_value(value as u8),
            Self::UInt16(builder) => builder.append_value(value as u16),
            Self::UInt32(builder) => builder.append_value(value as u32),
            Self::UInt64(builder) => builder.append_value(value as u64),
            Self::Timestamp(builder) => builder.append_value(value as i64),
            Self::Duration(builder) => builder.append_value(value as i64),
            Self::Date(builder) => builder.append_value(value as i32),
            Self::Decimal(builder) => builder.append_value(value),
            _ => debug_assert!(false, "an integer for a column of another type"),
        }
    }

    /// False for a value beyond the builder's type, or of another type.
    fn append_if_fits(&mut self, value: i64) -> bool {
        macro_rules! fits {
            ($builder:expr) => {
                value.try_into().map(|v| $builder.append_value(v)).is_ok()
            };
        }
        match self {
            Self::Int8(builder) => fits!(builder),
            Self::Int16(builder) => fits!(builder),
            Self::Int32(builder) => fits!(builder),
            Self::Int64(builder) => fits!(builder),
            Self::UInt8(builder) => fits!(builder),
            Self::UInt16(builder) => fits!(builder),
            Self::UInt32(builder) => fits!(builder),
            Self::UInt64(builder) => fits!(builder),
            _ => false,
        }
    }

    /// False for more bytes than `max`, and for what is no UTF-8.
    fn append_short_text(&mut self, text: &[u8], max: u32) -> bool {
        match (self, std::str::from_utf8(text)) {
            (Self::Text(builder), Ok(text)) if text.len() <= max as usize => {
                builder.append_value(text);
                true
            }
            _ => false,
        }
    }

    fn append_text(&mut self, value: &str) {
        match self {
            Self::Text(builder) => builder.append_value(value),
            _ => debug_assert!(false, "a text for a column of another type"),
        }
    }

    fn append_bytes(&mut self, value: &[u8]) {
        match self {
            Self::Bytes(builder) => builder.append_value(value),
            _ => debug_assert!(false, "bytes for a column of another type"),
        }
    }
}

/// What is the same for all columns of a statement.
pub(super) struct Surroundings<'a> {
    pub(super) settings: &'a Settings,
    pub(super) diagnostics: &'a mut Diagnostics,
}

impl ColumnWriter {
    /// A column of a table, for about so many rows.
    pub(super) fn of_table(table: &TableDefinition, position: usize, rows: usize) -> Result<Self> {
        let missing = || SqlError::internal("Internal error: a column that is not there");
        let column = table.meta.spec.columns.get(position).ok_or_else(missing)?;
        let attributes = table.columns.get(position).ok_or_else(missing)?;
        let names = Names::Of(Arc::clone(&table.meta), position);
        Self::make(names, attributes, column.nullable, rows)
    }

    /// A column of no table.
    pub(super) fn alone(name: &str, attributes: &ColumnAttributes) -> Result<Self> {
        Self::make(Names::Alone(name.to_owned()), attributes, false, 1)
    }

    fn make(
        names: Names,
        attributes: &ColumnAttributes,
        nullable: bool,
        rows: usize,
    ) -> Result<Self> {
        let mysql_type = attributes.mysql_type.clone();
        let builder = Builder::new(&mysql_type.arrow(), rows).ok_or_else(|| {
            SqlError::internal(format!("Internal error: type of '{}'", names.column()))
        })?;
        let compares = matches!(mysql_type, MysqlType::Enum { .. } | MysqlType::Set { .. });
        Ok(Self {
            names,
            collation: match compares {
                true => attributes.collation.clone(),
                false => String::new(),
            },
            mysql_type,
            nullable,
            builder,
        })
    }

    pub(super) fn name(&self) -> &str {
        self.names.column()
    }

    pub(super) fn table_name(&self) -> &str {
        self.names.table()
    }

    pub(super) fn len(&self) -> usize {
        use arrow::array::ArrayBuilder;
        each_builder!(&self.builder, builder => builder.len())
    }

    /// The value appended last is the integer 0.
    pub(super) fn ends_in_zero(&self) -> bool {
        match &self.builder {
            Builder::Int8(builder) => builder.values_slice().last() == Some(&0),
            Builder::Int16(builder) => builder.values_slice().last() == Some(&0),
            Builder::Int32(builder) => builder.values_slice().last() == Some(&0),
            Builder::Int64(builder) => builder.values_slice().last() == Some(&0),
            Builder::UInt8(builder) => builder.values_slice().last() == Some(&0),
            Builder::UInt16(builder) => builder.values_slice().last() == Some(&0),
            Builder::UInt32(builder) => builder.values_slice().last() == Some(&0),
            Builder::UInt64(builder) => builder.values_slice().last() == Some(&0),
            _ => false,
        }
    }

    pub(super) fn append_null(&mut self) {
        each_builder!(&mut self.builder, builder => builder.append_null());
    }

    /// A value of an integer or AUTO_INCREMENT column that is known to fit.
    pub(super) fn append_integer(&mut self, value: i128) {
        self.builder.append_integer(value);
    }

    /// Appends a text that needs no rule to become a value of the column; otherwise false, and nothing is
    /// done. Most of what files hold is such.
    pub(super) fn append_plain(&mut self, text: &[u8]) -> bool {
        match &self.mysql_type {
            MysqlType::Int { width, .. } if *width != IntWidth::Medium => {
                plain_integer(text).is_some_and(|value| self.builder.append_if_fits(value))
            }
            MysqlType::VarChar { length } => self.builder.append_short_text(text, *length),
            MysqlType::Char { length } if text.last() != Some(&b' ') => {
                self.builder.append_short_text(text, *length)
            }
            MysqlType::Text { max_bytes } => self.builder.append_short_text(text, *max_bytes),
            MysqlType::DateTime { .. } => match plain_datetime(text) {
                Some(micros) => {
                    self.builder.append_integer(micros.into());
                    true
                }
                None => false,
            },
            MysqlType::Date => match plain_date(text) {
                Some(days) => {
                    self.builder.append_integer(days.into());
                    true
                }
                None => false,
            },
            _ => false,
        }
    }

    /// The same for a value of a statement.
    pub(super) fn append_plain_datum(&mut self, datum: Datum<'_>) -> bool {
        match (datum, &self.mysql_type) {
            // In a statement 20 may be the year 2020, which `append_plain` leaves to others, too.
            (Datum::Text(text), _) => self.append_plain(text),
            (Datum::Int(value), MysqlType::Int { width, .. }) if *width != IntWidth::Medium => {
                i64::try_from(value).is_ok_and(|value| self.builder.append_if_fits(value))
            }
            _ => false,
        }
    }

    /// Coerces and appends. NULL must be allowed.
    pub(super) fn append(&mut self, datum: Datum<'_>, around: &mut Surroundings<'_>) -> Result<()> {
        if let Datum::Null = datum {
            self.append_null();
            return Ok(());
        }
        let cell = &mut Cell {
            column: self.names.column(),
            table: self.names.table(),
            nullable: self.nullable,
            settings: around.settings,
            diagnostics: around.diagnostics,
        };
        let builder = &mut self.builder;
        match &self.mysql_type {
            MysqlType::Int { .. }
            | MysqlType::Decimal { .. }
            | MysqlType::Float { .. }
            | MysqlType::Double { .. }
            | MysqlType::Year => append_number(builder, &self.mysql_type, datum, cell),
            MysqlType::Date
            | MysqlType::DateTime { .. }
            | MysqlType::Timestamp { .. }
            | MysqlType::Time { .. } => {
                match coerce_temporal(&self.mysql_type, datum, cell)? {
                    Some(value) => builder.append_integer(value.into()),
                    None => self.append_null(),
                }
                Ok(())
            }
            MysqlType::Enum { values } => {
                let choice = Choice {
                    values,
                    collation: &self.collation,
                };
                builder.append_text(coerce::enum_value(datum, choice, cell)?);
                Ok(())
            }
            MysqlType::Set { values } => {
                let choice = Choice {
                    values,
                    collation: &self.collation,
                };
                builder.append_text(&coerce::set_value(datum, choice, cell)?);
                Ok(())
            }
            _ => append_string(builder, &self.mysql_type, datum, cell),
        }
    }

    /// CURRENT_TIMESTAMP, cut to `fsp` digits as MySQL does, for a DATETIME or TIMESTAMP column.
    pub(super) fn append_now(&mut self, fsp: u8, settings: &Settings) {
        let unit = 10_i64.pow(u32::from(6 - fsp.min(6)));
        let utc = settings.now_utc - settings.now_utc.rem_euclid(unit);
        let value = match self.mysql_type {
            MysqlType::Timestamp { .. } => utc,
            _ => settings.time_zone.from_utc(utc),
        };
        self.append_integer(value.into());
    }

    /// What MySQL stores where the lenient modes miss a value: zero, the empty string, the first
    /// member of an ENUM. There is no such date or JSON here.
    pub(super) fn append_implicit(&mut self) -> Result<()> {
        match &self.mysql_type {
            MysqlType::Int { .. } | MysqlType::Decimal { .. } | MysqlType::Year => {
                self.builder.append_integer(0);
            }
            MysqlType::Time { .. } => self.builder.append_integer(0),
            MysqlType::Float { .. } | MysqlType::Double { .. } => match &mut self.builder {
                Builder::Float32(builder) => builder.append_value(0.0),
                Builder::Float64(builder) => builder.append_value(0.0),
                _ => {}
            },
            MysqlType::Enum { values } => {
                let first = values.first().map_or("", String::as_str);
                self.builder.append_text(first);
            }
            MysqlType::Char { .. }
            | MysqlType::VarChar { .. }
            | MysqlType::Text { .. }
            | MysqlType::Set { .. } => self.builder.append_text(""),
            MysqlType::Json => self.builder.append_text("null"),
            MysqlType::Binary { length } => {
                let zeros = vec![0; *length as usize];
                self.builder.append_bytes(&zeros);
            }
            MysqlType::VarBinary { .. } | MysqlType::Blob { .. } => self.builder.append_bytes(&[]),
            MysqlType::Date | MysqlType::DateTime { .. } | MysqlType::Timestamp { .. } => {
                if self.nullable {
                    self.append_null();
                } else {
                    return Err(SqlError::no_default_value(self.name()));
                }
            }
        }
        Ok(())
    }

    /// What holds the place of a value that is computed later.
    pub(super) fn append_placeholder(&mut self) {
        if self.nullable {
            self.append_null();
        } else if self.append_implicit().is_err() {
            // Dates, which have no implicit value.
            self.append_integer(0);
        }
    }

    pub(super) fn finish(&mut self) -> ArrayRef {
        each_builder!(&mut self.builder, builder => Arc::new(builder.finish()) as ArrayRef)
    }
}

/// Up to 18 digits, perhaps behind a minus.
fn plain_integer(text: &[u8]) -> Option<i64> {
    let (negative, digits) = match text {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() || digits.len() > 18 {
        return None;
    }
    let mut value = 0_i64;
    for byte in digits {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        value = value * 10 + i64::from(digit);
    }
    Some(if negative { -value } else { value })
}

/// `2026-11-30`; other spellings are others' business.
fn plain_date(text: &[u8]) -> Option<i32> {
    let [a, b, c, d, b'-', e, f, b'-', g, h] = text else {
        return None;
    };
    let year = two(*a, *b)? * 100 + two(*c, *d)?;
    if year < 1000 {
        return None;
    }
    // A day that a month lacks has none.
    days_from_civil(i32::try_from(year).ok()?, two(*e, *f)?, two(*g, *h)?)
}

/// `2026-11-30 12:34:56`
fn plain_datetime(text: &[u8]) -> Option<i64> {
    let (date, time) = text.split_at_checked(10)?;
    let [b' ', a, b, b':', c, d, b':', e, f] = time else {
        return None;
    };
    let (hour, minute, second) = (two(*a, *b)?, two(*c, *d)?, two(*e, *f)?);
    if hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    Some(i64::from(plain_date(date)?) * MICROS_PER_DAY + seconds * 1_000_000)
}

/// Two digits.
fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens <= 9 && ones <= 9).then(|| u32::from(tens) * 10 + u32::from(ones))
}

fn append_number(
    builder: &mut Builder,
    mysql_type: &MysqlType,
    datum: Datum<'_>,
    cell: &mut Cell<'_>,
) -> Result<()> {
    match (mysql_type, builder) {
        (
            MysqlType::Int {
                width, unsigned, ..
            },
            builder,
        ) => {
            builder.append_integer(coerce::integer(datum, *width, *unsigned, cell)?);
        }
        (
            MysqlType::Decimal {
                precision,
                scale,
                unsigned,
            },
            builder,
        ) => {
            let limits = (*precision, *scale, *unsigned);
            builder.append_integer(coerce::decimal(datum, limits, cell)?);
        }
        (MysqlType::Float { unsigned, digits }, Builder::Float32(builder)) => {
            let limits = (*unsigned, *digits, f64::from(f32::MAX));
            builder.append_value(coerce::double(datum, limits, cell)? as f32);
        }
        (MysqlType::Double { unsigned, digits }, Builder::Float64(builder)) => {
            let limits = (*unsigned, *digits, f64::MAX);
            builder.append_value(coerce::double(datum, limits, cell)?);
        }
        (_, builder) => builder.append_integer(coerce::year(datum, cell)?.into()),
    }
    Ok(())
}

fn append_string(
    builder: &mut Builder,
    mysql_type: &MysqlType,
    datum: Datum<'_>,
    cell: &mut Cell<'_>,
) -> Result<()> {
    match mysql_type {
        MysqlType::Char { length } => {
            builder.append_text(&coerce::character(datum, (*length, true), cell)?);
        }
        MysqlType::VarChar { length } => {
            builder.append_text(&coerce::character(datum, (*length, false), cell)?);
        }
        MysqlType::Text { max_bytes } => {
            builder.append_text(&coerce::limit_text(datum, *max_bytes, cell)?);
        }
        MysqlType::Binary { length } => {
            builder.append_bytes(&coerce::binary(datum, (*length, true), cell)?);
        }
        MysqlType::VarBinary { length } => {
            builder.append_bytes(&coerce::binary(datum, (*length, false), cell)?);
        }
        MysqlType::Blob { max_bytes } => {
            builder.append_bytes(&coerce::limit_blob(datum, *max_bytes, cell)?);
        }
        _ => builder.append_text(&coerce::json(datum, cell)?),
    }
    Ok(())
}

fn coerce_temporal(
    mysql_type: &MysqlType,
    datum: Datum<'_>,
    cell: &mut Cell<'_>,
) -> Result<Option<i64>> {
    match mysql_type {
        MysqlType::Date => Ok(coerce::date(datum, cell)?.map(i64::from)),
        MysqlType::DateTime { fsp } => coerce::datetime(datum, *fsp, cell),
        MysqlType::Timestamp { fsp } => coerce::timestamp(datum, *fsp, cell),
        MysqlType::Time { fsp } => coerce::time(datum, *fsp, cell).map(Some),
        _ => Ok(None),
    }
}
