//! Values for integer, DECIMAL, floating-point and YEAR columns.

use super::numeral::{Numeral, Overflow};
use super::{Cell, temporal};
use crate::error::{Result, SqlError};
use crate::insert::Datum;
use crate::types::{IntWidth, civil_from_days};

/// For TINYINT to BIGINT: within the type's range.
pub(in crate::insert) fn integer(
    datum: Datum<'_>,
    width: IntWidth,
    unsigned: bool,
    cell: &mut Cell<'_>,
) -> Result<i128> {
    let (min, max) = width.range(unsigned);
    let value = match datum {
        Datum::Int(value) => Ok(value),
        Datum::Double(value) => Ok(whole_double(value)),
        // -0.4 is out of range of an unsigned column, although '-0.4' is not.
        Datum::Decimal(text) => match Numeral::prefix(text.as_bytes()) {
            Some(n) if n.negative && unsigned && !n.is_zero() => Ok(-1),
            Some(n) => whole_numeral(&n),
            None => Ok(0),
        },
        Datum::Text(bytes) | Datum::Bytes(bytes) => integer_of_text(bytes, (min, max), cell)?,
        other => whole(other),
    };
    clipped(value, (min, max), cell)
}

fn clipped(
    value: std::result::Result<i128, OutOfRange>,
    (min, max): (i128, i128),
    cell: &mut Cell<'_>,
) -> Result<i128> {
    match value {
        Ok(value) if (min..=max).contains(&value) => Ok(value),
        Ok(value) => cell.out_of_range().map(|()| value.clamp(min, max)),
        Err(OutOfRange { negative }) => cell
            .out_of_range()
            .map(|()| if negative { min } else { max }),
    }
}

/// More digits than an `i128` holds.
#[derive(Clone, Copy)]
struct OutOfRange {
    negative: bool,
}

fn whole_numeral(numeral: &Numeral<'_>) -> std::result::Result<i128, OutOfRange> {
    let rounded = numeral.rounded(0);
    rounded.map(|r| r.unscaled).map_err(|Overflow| OutOfRange {
        negative: numeral.negative,
    })
}

/// Half to even, as C's rint(): `1.5e0` and `2.5e0` are both 2. The cast saturates.
fn whole_double(value: f64) -> i128 {
    value.round_ties_even() as i128
}

/// Values that are no strings, as numbers.
fn whole(datum: Datum<'_>) -> std::result::Result<i128, OutOfRange> {
    Ok(match datum {
        Datum::Bits(bytes) => bits(bytes).ok_or(OutOfRange { negative: false })?,
        Datum::Date(days) => {
            let (year, month, day) = civil_from_days(days);
            i128::from(i64::from(year) * 10_000 + i64::from(month * 100 + day))
        }
        Datum::DateTime { micros, .. } => i128::from(temporal::datetime_number(micros)),
        Datum::Time { micros, .. } => i128::from(temporal::time_number(micros)),
        _ => 0,
    })
}

/// Big-endian.
fn bits(bytes: &[u8]) -> Option<i128> {
    let start = bytes
        .iter()
        .position(|byte| *byte != 0)
        .unwrap_or(bytes.len());
    let significant = &bytes[start..];
    if significant.len() > 8 {
        return None;
    }
    Some(
        significant
            .iter()
            .fold(0, |value, byte| value << 8 | i128::from(*byte)),
    )
}

fn integer_of_text(
    bytes: &[u8],
    range: (i128, i128),
    cell: &mut Cell<'_>,
) -> Result<std::result::Result<i128, OutOfRange>> {
    let Some(numeral) = Numeral::prefix(bytes) else {
        cell.incorrect("integer", bytes)?;
        return Ok(Ok(0));
    };
    let value = whole_numeral(&numeral);
    // A value out of range is reported as such, whatever stands behind it.
    let fits = value.is_ok_and(|value| (range.0..=range.1).contains(&value));
    if fits && !numeral.rest.trim_ascii().is_empty() {
        cell.truncated()?;
    }
    Ok(value)
}

/// For DECIMAL: the unscaled value.
pub(in crate::insert) fn decimal(
    datum: Datum<'_>,
    (precision, scale, unsigned): (u8, u8, bool),
    cell: &mut Cell<'_>,
) -> Result<i128> {
    let max = 10_i128.pow(u32::from(precision)) - 1;
    let text;
    let numeral = match datum {
        Datum::Int(value) => {
            let unscaled = value.checked_mul(10_i128.pow(u32::from(scale)));
            let unscaled = unscaled.ok_or(OutOfRange {
                negative: value < 0,
            });
            return clipped(unscaled, (if unsigned { 0 } else { -max }, max), cell);
        }
        Datum::Decimal(text) => Numeral::prefix(text.as_bytes()),
        Datum::Text(bytes) | Datum::Bytes(bytes) => decimal_prefix(bytes, cell)?,
        other => {
            text = number_text(other);
            Numeral::prefix(text.as_bytes())
        }
    };
    let Some(numeral) = numeral else { return Ok(0) };
    if numeral.negative && unsigned && !numeral.is_zero() {
        return cell.out_of_range().map(|()| 0);
    }
    match numeral.rounded(scale) {
        Ok(rounded) if rounded.unscaled.abs() <= max => {
            if rounded.inexact {
                cell.note_truncated();
            }
            Ok(rounded.unscaled)
        }
        _ => cell
            .out_of_range()
            .map(|()| if numeral.negative { -max } else { max }),
    }
}

fn decimal_prefix<'a>(bytes: &'a [u8], cell: &mut Cell<'_>) -> Result<Option<Numeral<'a>>> {
    let numeral = Numeral::prefix(bytes);
    let garbage = numeral.is_none_or(|n| !n.rest.trim_ascii().is_empty());
    if garbage {
        let (column, row) = (cell.column, cell.diagnostics.row);
        let error = SqlError::incorrect_value("decimal", &super::shown(bytes), column, row);
        match numeral {
            Some(_) => {
                let lenient = SqlError::data_truncated(column, row);
                cell.diagnostics.raise_or(error, lenient)?;
            }
            None => cell.diagnostics.raise(error)?,
        }
    }
    Ok(numeral)
}

/// A value that is no string, as the text of a number.
fn number_text(datum: Datum<'_>) -> String {
    match datum {
        // The shortest digits, as MySQL converts a DOUBLE to DECIMAL: 1.005e0 is 1.005.
        Datum::Double(value) => format!("{value:e}"),
        Datum::DateTime { micros, fsp } if fsp > 0 => {
            let fraction = micros.rem_euclid(1_000_000);
            format!(
                "{}.{fraction:06}",
                temporal::datetime_number(micros - fraction)
            )
        }
        Datum::Time { micros, fsp } if fsp > 0 => {
            let (sign, micros) = (if micros < 0 { "-" } else { "" }, micros.abs());
            let fraction = micros % 1_000_000;
            format!(
                "{sign}{}.{fraction:06}",
                temporal::time_number(micros - fraction)
            )
        }
        other => match whole(other) {
            Ok(value) => value.to_string(),
            Err(OutOfRange { negative }) => format!("{}1e99", if negative { "-" } else { "" }),
        },
    }
}

/// For DOUBLE, and for FLOAT with `max` being the largest FLOAT. `digits`: (M, D) of FLOAT(M,D).
pub(in crate::insert) fn double(
    datum: Datum<'_>,
    (unsigned, digits, max): (bool, Option<(u8, u8)>, f64),
    cell: &mut Cell<'_>,
) -> Result<f64> {
    let value = match datum {
        Datum::Double(value) => value,
        Datum::Int(value) => value as f64,
        Datum::Decimal(text) => Numeral::prefix(text.as_bytes()).map_or(0.0, |n| n.double()),
        Datum::Text(bytes) | Datum::Bytes(bytes) => match Numeral::prefix(bytes) {
            Some(numeral) => {
                let value = numeral.double();
                if value.is_finite() && !numeral.rest.trim_ascii().is_empty() {
                    cell.truncated()?;
                }
                value
            }
            None => {
                cell.truncated()?;
                0.0
            }
        },
        other => Numeral::prefix(number_text(other).as_bytes()).map_or(0.0, |n| n.double()),
    };
    bounded(value, (unsigned, digits, max), cell)
}

fn bounded(
    value: f64,
    (unsigned, digits, max): (bool, Option<(u8, u8)>, f64),
    cell: &mut Cell<'_>,
) -> Result<f64> {
    let (max, value) = match digits {
        None => (max, value),
        Some((m, d)) => {
            let unit = 10_f64.powi(i32::from(d));
            let max = 10_f64.powi(i32::from(m) - i32::from(d)) - 1.0 / unit;
            // Beyond 2^53 there is no fraction left to round.
            let rounded = if value.abs() * unit < 9e15 {
                (value * unit).round_ties_even() / unit
            } else {
                value
            };
            (max, rounded)
        }
    };
    // No negative zero where nothing is negative.
    let value = if unsigned && value == 0.0 { 0.0 } else { value };
    let min = if unsigned { 0.0 } else { -max };
    if value.is_nan() || value < min || value > max {
        cell.out_of_range()?;
        return Ok(if value.is_nan() {
            0.0
        } else {
            value.clamp(min, max)
        });
    }
    Ok(value)
}

/// For YEAR: 0 or 1901 to 2155.
pub(in crate::insert) fn year(datum: Datum<'_>, cell: &mut Cell<'_>) -> Result<u16> {
    const ALL: (i128, i128) = (i64::MIN as i128, i64::MAX as i128);
    let (number, zero_is_2000) = match datum {
        Datum::Text(bytes) | Datum::Bytes(bytes) => {
            let number = integer_of_text(bytes, ALL, cell)?;
            // '0' and '00' are 2000; '0000' is no year, nor is what is no number.
            let digits = bytes.trim_ascii();
            (
                number,
                digits.len() != 4 && digits.first().is_some_and(u8::is_ascii_digit),
            )
        }
        Datum::Date(days) => (Ok(i128::from(civil_from_days(days).0)), false),
        Datum::DateTime { micros, .. } => (
            Ok(i128::from(temporal::datetime_number(micros)) / 10_000_000_000),
            false,
        ),
        Datum::Decimal(text) => (
            Numeral::prefix(text.as_bytes()).map_or(Ok(0), |n| whole_numeral(&n)),
            false,
        ),
        Datum::Int(value) => (Ok(value), false),
        Datum::Double(value) => (Ok(whole_double(value)), false),
        other => (whole(other), false),
    };
    let year = match number {
        Ok(0) if !zero_is_2000 => 0,
        Ok(year @ 0..=69) => year + 2000,
        Ok(year @ 70..=99) => year + 1900,
        Ok(year @ 1901..=2155) => year,
        _ => {
            cell.out_of_range()?;
            0
        }
    };
    Ok(u16::try_from(year).unwrap_or(0))
}
