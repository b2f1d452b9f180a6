//! Whole columns to DATE, DATETIME and TIME: from text, from numbers, from one another.
//!
//! What is no date gives NULL. A TIME has no date of its own: the arguments of a call get the current
//! day's (`argument`), here it is NULL.

use arrow::array::{
    Array, Date32Array, DurationMicrosecondArray, PrimitiveArray, TimestampMicrosecondArray,
};
use arrow::datatypes::{
    ArrowPrimitiveType, Date32Type, DurationMicrosecondType, TimestampMicrosecondType,
};
use datafusion::common::Result;

use super::arrays::{Source, source};
use crate::functions::datetime::calendar::{DAY_US, join, split};
use crate::functions::datetime::literal;

/// Remembers the last text read: neighbouring rows repeat.
fn from_text<'a, T: ArrowPrimitiveType>(
    values: impl Iterator<Item = Option<&'a str>>,
    read: impl Fn(&str) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    let mut last: Option<(&'a str, Option<T::Native>)> = None;
    values
        .map(|value| {
            let text = value?;
            match last {
                Some((seen, result)) if seen == text => result,
                _ => {
                    let result = read(text);
                    last = Some((text, result));
                    result
                }
            }
        })
        .collect()
}

/// A number with a fraction as (whole part, microseconds), both with its sign; the seventh digit rounds.
fn double_parts(value: f64) -> Option<(i64, i32)> {
    if !value.is_finite() || value.abs() >= 1e15 {
        return None;
    }
    let micros = (value * 1e6).round() as i128;
    let number = i64::try_from(micros / 1_000_000).ok()?;
    Some((number, (micros % 1_000_000) as i32))
}

fn decimal_parts(value: i128, scale: i8) -> Option<(i64, i32)> {
    let micros = super::number::rescale(value, scale, 6)?;
    let number = i64::try_from(micros / 1_000_000).ok()?;
    Some((number, (micros % 1_000_000) as i32))
}

/// Numbers of any kind through `read`(whole part, microseconds).
fn from_numbers<T: ArrowPrimitiveType>(
    source: Source<'_>,
    read: impl Fn(i64, i32) -> Option<T::Native>,
) -> PrimitiveArray<T> {
    let parts = |parts: Option<(i64, i32)>| parts.and_then(|(number, micro)| read(number, micro));
    match source {
        Source::Int(a) => a.iter().map(|v| v.and_then(|v| read(v, 0))).collect(),
        Source::UInt(a) => a
            .iter()
            .map(|v| v.and_then(|v| read(i64::try_from(v).ok()?, 0)))
            .collect(),
        Source::Float(a) => a
            .iter()
            .map(|v| v.and_then(|v| parts(double_parts(v.into()))))
            .collect(),
        Source::Double(a) => a
            .iter()
            .map(|v| v.and_then(|v| parts(double_parts(v))))
            .collect(),
        Source::Decimal(a, scale) => a
            .iter()
            .map(|v| v.and_then(|v| parts(decimal_parts(v, scale))))
            .collect(),
        Source::Null(rows) => PrimitiveArray::new_null(rows),
        // The callers have dealt with text and dates.
        Source::Text(_)
        | Source::Bytes(_)
        | Source::Date(_)
        | Source::DateTime(_)
        | Source::Time(_) => PrimitiveArray::new_null(0),
    }
}

fn utf8(bytes: Option<&[u8]>) -> Option<&str> {
    bytes.and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// Any column as DATETIME, microseconds since 1970.
pub(crate) fn to_datetime(array: &dyn Array) -> Result<TimestampMicrosecondArray> {
    let read = literal::datetime;
    Ok(match source(array)? {
        Source::DateTime(a) => a.clone(),
        Source::Date(a) => a.unary(|days| join(days, 0)),
        Source::Time(a) => TimestampMicrosecondArray::new_null(a.len()),
        Source::Text(a) => from_text::<TimestampMicrosecondType>(a.iter(), read),
        Source::Bytes(a) => from_text::<TimestampMicrosecondType>(a.iter().map(utf8), read),
        numbers => from_numbers::<TimestampMicrosecondType>(numbers, |number, micro| {
            literal::datetime_from_number(number, u32::try_from(micro).ok()?)
        }),
    })
}

/// Any column as DATE, days since 1970; the time of day is cut off.
pub(crate) fn to_date(array: &dyn Array) -> Result<Date32Array> {
    let read = |text: &str| literal::datetime(text).map(|micros| split(micros).0);
    Ok(match source(array)? {
        Source::Date(a) => a.clone(),
        Source::DateTime(a) => a.unary(|micros| split(micros).0),
        Source::Time(a) => Date32Array::new_null(a.len()),
        Source::Text(a) => from_text::<Date32Type>(a.iter(), read),
        Source::Bytes(a) => from_text::<Date32Type>(a.iter().map(utf8), read),
        numbers => from_numbers::<Date32Type>(numbers, |number, _| {
            literal::datetime_from_number(number, 0).map(|micros| split(micros).0)
        }),
    })
}

/// Any column as TIME, microseconds; a DATETIME gives its time of day, a DATE midnight.
pub(crate) fn to_time(array: &dyn Array) -> Result<DurationMicrosecondArray> {
    Ok(match source(array)? {
        Source::Time(a) => a.clone(),
        Source::DateTime(a) => a.unary(|micros| micros.rem_euclid(DAY_US)),
        Source::Date(a) => a.unary(|_| 0),
        Source::Text(a) => from_text::<DurationMicrosecondType>(a.iter(), literal::time),
        Source::Bytes(a) => from_text::<DurationMicrosecondType>(a.iter().map(utf8), literal::time),
        numbers => from_numbers::<DurationMicrosecondType>(numbers, literal::time_from_number),
    })
}
