//! Result rows: from Arrow arrays to text or binary protocol rows.
//!
//! One batch is bound to its column definitions once ([`BatchRows::bind`]); after that each value goes
//! array -> [`Cell`] -> bytes in the output buffer, without an allocation. An array that does not fit
//! its column's wire type is an error when the batch is bound, a value that does not fit (an integer
//! too large for the column, a year that MySQL does not have) is an error at its row.

mod cell;
mod number;
mod temporal;
mod text;

use arrow_array::{Array, RecordBatch};

use crate::column::{Column, ColumnFlags, ColumnType};
use crate::error::SqlError;
use crate::payload::put_lenenc_bytes;
use cell::{Cell, Source, Wide};

pub use text::ColumnText;

/// Which of the protocol's two row forms.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum RowFormat {
    /// Answers to COM_QUERY.
    Text,
    /// Answers to COM_STMT_EXECUTE.
    Binary,
}

/// A value does not fit its column's wire type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Misfit;

/// A batch ready to be written row by row.
pub(crate) struct BatchRows<'a> {
    columns: Vec<(Source<'a>, &'a Column)>,
    rows: usize,
}

impl<'a> BatchRows<'a> {
    /// Pairs arrays and definitions; error 1105 if they do not fit each other.
    pub(crate) fn bind(batch: &'a RecordBatch, columns: &'a [Column]) -> Result<Self, SqlError> {
        if batch.num_columns() != columns.len() {
            let (got, want) = (batch.num_columns(), columns.len());
            let text = format!("Result has {got} columns where {want} were announced");
            return Err(SqlError::internal(text));
        }
        let bind = |(array, column)| Ok((source(array, column)?, column));
        let arrays = batch.columns().iter().map(|array| array.as_ref());
        let columns = arrays
            .zip(columns)
            .map(bind)
            .collect::<Result<Vec<_>, SqlError>>()?;
        Ok(BatchRows {
            columns,
            rows: batch.num_rows(),
        })
    }

    pub(crate) fn len(&self) -> usize {
        self.rows
    }

    /// Appends one row's payload; `row` is below [`Self::len`].
    pub(crate) fn put(
        &self,
        row: usize,
        format: RowFormat,
        out: &mut Vec<u8>,
    ) -> Result<(), SqlError> {
        match format {
            RowFormat::Text => self.put_text(row, out),
            RowFormat::Binary => self.put_binary(row, out),
        }
    }

    fn put_text(&self, row: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
        for (source, column) in &self.columns {
            match source.cell(row) {
                Cell::Null => out.push(0xFB),
                Cell::Bytes(bytes) => put_lenenc_bytes(out, bytes),
                cell => put_short(out, |out| put_text_value(out, cell, column))
                    .map_err(|Misfit| misfit(column))?,
            }
        }
        Ok(())
    }

    fn put_binary(&self, row: usize, out: &mut Vec<u8>) -> Result<(), SqlError> {
        // The null bitmap's first two bits are reserved.
        let bitmap = out.len() + 1;
        out.resize(bitmap + (self.columns.len() + 2).div_ceil(8), 0);
        for (index, (source, column)) in self.columns.iter().enumerate() {
            match source.cell(row) {
                Cell::Null => {
                    let bit = index + 2;
                    if let Some(byte) = out.get_mut(bitmap + bit / 8) {
                        *byte |= 1 << (bit % 8);
                    }
                }
                Cell::Bytes(bytes) => put_lenenc_bytes(out, bytes),
                cell => {
                    put_binary_value(out, cell, column).map_err(|Misfit| misfit(column))?;
                }
            }
        }
        Ok(())
    }
}

/// An array as values of a column; 1105 if they are no such values.
fn source<'a>(array: &'a dyn Array, column: &Column) -> Result<Source<'a>, SqlError> {
    let source = Source::new(array).filter(|source| source.fits(column.column_type));
    source.ok_or_else(|| {
        let (name, kind) = (&column.name, column.column_type);
        let held = array.data_type();
        SqlError::internal(format!(
            "Column '{name}' of type {kind:?} cannot carry {held}"
        ))
    })
}

fn misfit(column: &Column) -> SqlError {
    let (name, kind) = (&column.name, column.column_type);
    SqlError::internal(format!(
        "A value of column '{name}' does not fit type {kind:?}"
    ))
}

/// Appends a value of at most 250 bytes behind its length.
fn put_short(
    out: &mut Vec<u8>,
    put: impl FnOnce(&mut Vec<u8>) -> Result<(), Misfit>,
) -> Result<(), Misfit> {
    let at = out.len();
    out.push(0);
    put(out)?;
    let length = out.len() - at - 1;
    match (out.get_mut(at), u8::try_from(length)) {
        (Some(place), Ok(length @ 0..=250)) => *place = length,
        // DOUBLE with a fixed number of decimals can have more than 300 digits.
        _ => {
            let value = out.split_off(at + 1);
            out.truncate(at);
            put_lenenc_bytes(out, &value);
        }
    }
    Ok(())
}

fn put_text_value(out: &mut Vec<u8>, cell: Cell<'_>, column: &Column) -> Result<(), Misfit> {
    match cell {
        Cell::Null | Cell::Bytes(_) => return Err(Misfit),
        Cell::Int(value) if column.column_type == ColumnType::Year => number::put_year(out, value),
        Cell::UInt(value) if column.column_type == ColumnType::Year => {
            number::put_year(out, i64::try_from(value).map_err(|_| Misfit)?)
        }
        Cell::Int(value) => number::put_int(out, value),
        Cell::UInt(value) => number::put_uint(out, value),
        Cell::Float(value) => match column.column_type {
            ColumnType::Double => number::put_double(out, value.into(), column.decimals),
            _ => number::put_float(out, value, column.decimals),
        },
        Cell::Double(value) => match column.column_type {
            ColumnType::Float => number::put_float(out, value as f32, column.decimals),
            _ => number::put_double(out, value, column.decimals),
        },
        Cell::Decimal(Wide::Small(value), scale) => number::put_decimal(out, value, scale),
        Cell::Decimal(Wide::Large(value), scale) => number::put_wide_decimal(out, value, scale),
        Cell::Date(days) => temporal::put_text_date(out, days)?,
        Cell::DateTime(at) => temporal::put_text_datetime(out, at, column.decimals)?,
        Cell::Time(micros) => temporal::put_text_time(out, micros, column.decimals)?,
    }
    Ok(())
}

fn put_binary_value(out: &mut Vec<u8>, cell: Cell<'_>, column: &Column) -> Result<(), Misfit> {
    use ColumnType::*;
    match (column.column_type, cell) {
        (Tiny | Short | Year | Int24 | Long | LongLong, cell) => put_binary_int(out, cell, column),
        (Float, Cell::Float(value)) => extend(out, &value.to_le_bytes()),
        (Float, Cell::Double(value)) => extend(out, &(value as f32).to_le_bytes()),
        (Double, Cell::Float(value)) => extend(out, &f64::from(value).to_le_bytes()),
        (Double, Cell::Double(value)) => extend(out, &value.to_le_bytes()),
        (_, Cell::Date(days)) => temporal::put_binary_date(out, days),
        (_, Cell::DateTime(at)) => temporal::put_binary_datetime(out, at, column.decimals),
        (_, Cell::Time(micros)) => temporal::put_binary_time(out, micros, column.decimals),
        (_, cell) => put_short(out, |out| put_text_value(out, cell, column)),
    }
}

fn extend(out: &mut Vec<u8>, bytes: &[u8]) -> Result<(), Misfit> {
    out.extend_from_slice(bytes);
    Ok(())
}

fn put_binary_int(out: &mut Vec<u8>, cell: Cell<'_>, column: &Column) -> Result<(), Misfit> {
    let value = match cell {
        Cell::Int(value) => i128::from(value),
        Cell::UInt(value) => i128::from(value),
        Cell::Decimal(Wide::Small(value), 0) => value,
        _ => return Err(Misfit),
    };
    let width = match column.column_type {
        ColumnType::Tiny => 1,
        ColumnType::Short | ColumnType::Year => 2,
        ColumnType::Int24 | ColumnType::Long => 4,
        _ => 8,
    };
    let bits = width * 8;
    let range = if column.flags.contains(ColumnFlags::UNSIGNED) {
        0..1i128 << bits
    } else {
        -(1i128 << (bits - 1))..1i128 << (bits - 1)
    };
    if !range.contains(&value) {
        return Err(Misfit);
    }
    out.extend(value.to_le_bytes().into_iter().take(width));
    Ok(())
}

#[cfg(test)]
mod tests;
