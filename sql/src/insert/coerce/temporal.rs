//! Values for DATE, DATETIME, TIMESTAMP and TIME columns.
//!
//! MySQL's zero date is not representable in a column of days or microseconds. Where MySQL would
//! store it (lenient modes), NULL is stored; where the column takes no NULL, the value is an error
//! in any mode. A TIME has a zero.

use super::moment::{Moment, Unreadable};
use super::numeral::Numeral;
use super::span::{Span, TIME_MAX_MICROS};
use super::{Cell, shown};
use crate::error::{Result, SqlError};
use crate::insert::{Datum, Scalar};
use crate::types::{
    LocalTime, MICROS_PER_DAY, MICROS_PER_SECOND, civil_from_days, date_text, datetime_text,
    double_text, time_text,
};

/// Bounds of a TIMESTAMP in UTC: 1970-01-01 00:00:01 to 2038-01-19 03:14:07.999999.
const TIMESTAMP_MIN: i64 = MICROS_PER_SECOND;
const TIMESTAMP_MAX: i64 = (1_i64 << 31) * MICROS_PER_SECOND - 1;

/// Days since 1970-01-01.
pub(in crate::insert) fn date(datum: Datum<'_>, cell: &mut Cell<'_>) -> Result<Option<i32>> {
    let moment = match read_moment(datum, "date", cell)? {
        Some(moment) => moment,
        None => return Ok(None),
    };
    if moment.micros != 0 {
        cell.note_truncated();
    }
    Ok(Some(moment.days))
}

/// Microseconds of the wall clock since 1970.
pub(in crate::insert) fn datetime(
    datum: Datum<'_>,
    fsp: u8,
    cell: &mut Cell<'_>,
) -> Result<Option<i64>> {
    let Some(moment) = read_moment(datum, "datetime", cell)? else {
        return Ok(None);
    };
    let local = match moment.offset {
        None => moment.wall_clock(),
        // A string with an offset names a moment; it is stored as the session's clock shows it.
        Some(_) => cell.settings.time_zone.from_utc(utc_of(&moment)),
    };
    let rounded = round(local, moment.next_digit, fsp, cell);
    if !DAYS.contains(&days_of(rounded)) {
        return unreadable("datetime", datum, Unreadable::Invalid, cell);
    }
    Ok(Some(rounded))
}

/// Microseconds since 1970 in UTC.
pub(in crate::insert) fn timestamp(
    datum: Datum<'_>,
    fsp: u8,
    cell: &mut Cell<'_>,
) -> Result<Option<i64>> {
    let Some(moment) = read_moment(datum, "datetime", cell)? else {
        return Ok(None);
    };
    let utc = if moment.offset.is_some() {
        utc_of(&moment)
    } else {
        match cell.settings.time_zone.to_utc(moment.wall_clock()) {
            LocalTime::At(utc) => utc,
            LocalTime::InGap(end) => {
                let (column, row) = (cell.column, cell.diagnostics.row);
                let error = incorrect("datetime", datum, cell);
                let message = format!("Invalid TIMESTAMP value in column '{column}' at row {row}");
                cell.diagnostics
                    .raise_or(error, SqlError::new(1299, "HY000", message))?;
                end
            }
        }
    };
    let rounded = round(utc, moment.next_digit, fsp, cell);
    if !(TIMESTAMP_MIN..=TIMESTAMP_MAX).contains(&rounded) {
        return unreadable("datetime", datum, Unreadable::Invalid, cell);
    }
    Ok(Some(rounded))
}

/// Microseconds, within ±838:59:59.
pub(in crate::insert) fn time(datum: Datum<'_>, fsp: u8, cell: &mut Cell<'_>) -> Result<i64> {
    let span = match read_span(datum) {
        Ok(span) => span,
        Err(Unreadable::TooLong { negative }) => return time_too_long(negative, datum, cell),
        Err(_) => {
            garbage_behind("time", datum, cell)?;
            return Ok(0);
        }
    };
    if span.trailing {
        garbage_behind("time", datum, cell)?;
    } else if span.had_date {
        cell.note_truncated();
    }
    let negative = span.micros < 0;
    let rounded = round(span.micros.abs(), span.next_digit, fsp, cell);
    if rounded > TIME_MAX_MICROS {
        return time_too_long(negative, datum, cell);
    }
    Ok(if negative { -rounded } else { rounded })
}

fn time_too_long(negative: bool, datum: Datum<'_>, cell: &mut Cell<'_>) -> Result<i64> {
    let error = incorrect("time", datum, cell);
    let lenient = SqlError::out_of_range(cell.column, cell.diagnostics.row);
    cell.diagnostics.raise_or(error, lenient)?;
    Ok(if negative {
        -TIME_MAX_MICROS
    } else {
        TIME_MAX_MICROS
    })
}

/// YYYYMMDDhhmmss of a DATETIME, its fraction rounded.
pub(super) fn datetime_number(micros: i64) -> i64 {
    let micros = round_half_up(micros, 0, 0);
    let (year, month, day) = civil_from_days(days_of(micros));
    let date = i64::from(year) * 10_000 + i64::from(month * 100 + day);
    date * 1_000_000 + time_number(micros.rem_euclid(MICROS_PER_DAY))
}

/// hhmmss of a TIME, its fraction rounded.
pub(super) fn time_number(micros: i64) -> i64 {
    let seconds = round_half_up(micros.abs(), 0, 0) / MICROS_PER_SECOND;
    let number = seconds / 3600 * 10_000 + seconds / 60 % 60 * 100 + seconds % 60;
    if micros < 0 { -number } else { number }
}

/// Day numbers of 0000-01-01 and 9999-12-31.
const DAYS: std::ops::RangeInclusive<i32> = -719_528..=2_932_896;

fn days_of(micros: i64) -> i32 {
    i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(i32::MAX)
}

fn utc_of(moment: &Moment) -> i64 {
    moment.wall_clock() - i64::from(moment.offset.unwrap_or(0)) * MICROS_PER_SECOND
}

/// To `fsp` fractional digits.
fn round(micros: i64, next_digit: u8, fsp: u8, cell: &Cell<'_>) -> i64 {
    if cell.settings.mode.truncate_fractional {
        return micros - micros.rem_euclid(10_i64.pow(u32::from(6 - fsp)));
    }
    round_half_up(micros, next_digit, fsp)
}

fn round_half_up(micros: i64, next_digit: u8, fsp: u8) -> i64 {
    if fsp >= 6 {
        return micros + i64::from(next_digit >= 5);
    }
    let unit = 10_i64.pow(u32::from(6 - fsp));
    (micros + unit / 2).div_euclid(unit) * unit
}

/// A date with a time of day from any value; raises what is wrong with it.
fn read_moment(datum: Datum<'_>, kind: &str, cell: &mut Cell<'_>) -> Result<Option<Moment>> {
    let moment = match datum {
        Datum::Text(bytes) | Datum::Bytes(bytes) | Datum::Bits(bytes) => Moment::parse(bytes),
        Datum::Int(number) => match i64::try_from(number) {
            Ok(number) => Moment::of_number(number, 0),
            Err(_) => Err(Unreadable::Invalid),
        },
        Datum::Decimal(text) => moment_of_decimal(text),
        Datum::Double(value) => moment_of_decimal(&double_decimal(value)),
        Datum::Date(days) => known_moment(days, 0),
        Datum::DateTime { micros, .. } => {
            known_moment(days_of(micros), micros.rem_euclid(MICROS_PER_DAY))
        }
        // A time of day is today's.
        Datum::Time { micros, .. } => {
            let now = cell.settings.time_zone.from_utc(cell.settings.now_utc);
            Ok(moment_of_micros(
                now - now.rem_euclid(MICROS_PER_DAY) + micros,
            ))
        }
        Datum::Null => Err(Unreadable::Garbage),
    };
    match moment {
        Ok(moment) => {
            if moment.trailing {
                garbage_behind(kind, datum, cell)?;
            }
            Ok(Some(moment))
        }
        Err(why) => unreadable(kind, datum, why, cell),
    }
}

/// Files have moments that MySQL has not.
fn known_moment(days: i32, micros: i64) -> std::result::Result<Moment, Unreadable> {
    match DAYS.contains(&days) {
        true => Ok(Moment::at(days, micros)),
        false => Err(Unreadable::Invalid),
    }
}

fn moment_of_micros(micros: i64) -> Moment {
    Moment::at(days_of(micros), micros.rem_euclid(MICROS_PER_DAY))
}

/// Whole part and microseconds of a decimal's text.
fn split_decimal(text: &str) -> Option<(i64, u32)> {
    let micros = Numeral::prefix(text.as_bytes())?.rounded(6).ok()?.unscaled;
    let whole = i64::try_from(micros / 1_000_000).ok()?;
    Some((
        whole,
        u32::try_from((micros % 1_000_000).unsigned_abs()).unwrap_or(0),
    ))
}

fn moment_of_decimal(text: &str) -> std::result::Result<Moment, Unreadable> {
    let (whole, micros) = split_decimal(text).ok_or(Unreadable::Invalid)?;
    Moment::of_number(whole, micros)
}

fn double_decimal(value: f64) -> String {
    format!("{value:.6}")
}

fn read_span(datum: Datum<'_>) -> std::result::Result<Span, Unreadable> {
    match datum {
        Datum::Text(bytes) | Datum::Bytes(bytes) | Datum::Bits(bytes) => Span::parse(bytes),
        Datum::Int(number) => {
            let clamped = number.clamp(i128::from(i64::MIN / 2), i128::from(i64::MAX));
            Span::of_number(i64::try_from(clamped).unwrap_or(i64::MAX), 0)
        }
        Datum::Decimal(text) => span_of_decimal(text),
        Datum::Double(value) => span_of_decimal(&double_decimal(value)),
        Datum::Date(_) => Ok(Span {
            micros: 0,
            next_digit: 0,
            trailing: false,
            had_date: true,
        }),
        Datum::DateTime { micros, .. } => Ok(Span {
            micros: micros.rem_euclid(MICROS_PER_DAY),
            next_digit: 0,
            trailing: false,
            had_date: true,
        }),
        Datum::Time { micros, .. } => Ok(Span {
            micros,
            next_digit: 0,
            trailing: false,
            had_date: false,
        }),
        Datum::Null => Err(Unreadable::Garbage),
    }
}

fn span_of_decimal(text: &str) -> std::result::Result<Span, Unreadable> {
    let negative = text.starts_with('-');
    let (whole, micros) = split_decimal(text).ok_or(Unreadable::TooLong { negative })?;
    let mut span = Span::of_number(whole, micros)?;
    if negative && whole == 0 {
        span.micros = -span.micros;
    }
    Ok(span)
}

/// The value of `DATE '..'`, `TIMESTAMP '..'` or `TIME '..'`; `None` when there is none.
pub(in crate::insert) fn typed_literal(kind: &str, text: &str) -> Option<Scalar> {
    let digits = text
        .trim_end()
        .rsplit_once('.')
        .map_or(0, |(_, fraction)| fraction.len().min(6));
    let fsp = u8::try_from(digits).unwrap_or(6);
    if kind == "TIME" {
        let span = Span::parse(text.as_bytes())
            .ok()
            .filter(|span| !span.trailing)?;
        return Some(Scalar::Time {
            micros: span.micros,
            fsp,
        });
    }
    let moment = Moment::parse(text.as_bytes())
        .ok()
        .filter(|moment| !moment.trailing)?;
    if kind == "DATE" {
        return (moment.micros == 0).then_some(Scalar::Date(moment.days));
    }
    moment.offset.is_none().then(|| Scalar::DateTime {
        micros: moment.wall_clock(),
        fsp,
    })
}

/// No value: an error, or NULL with a warning where the mode and the column allow it.
fn unreadable<T>(
    kind: &str,
    datum: Datum<'_>,
    why: Unreadable,
    cell: &mut Cell<'_>,
) -> Result<Option<T>> {
    let error = incorrect(kind, datum, cell);
    if !cell.nullable {
        return Err(error);
    }
    let row = cell.diagnostics.row;
    let lenient = match why {
        Unreadable::Garbage => SqlError::data_truncated(cell.column, row),
        _ => SqlError::out_of_range(cell.column, row),
    };
    cell.diagnostics.raise_or(error, lenient)?;
    Ok(None)
}

/// A value with something unreadable in it: an error, or what could be read with a warning.
fn garbage_behind(kind: &str, datum: Datum<'_>, cell: &mut Cell<'_>) -> Result<()> {
    let error = incorrect(kind, datum, cell);
    let lenient = SqlError::data_truncated(cell.column, cell.diagnostics.row);
    cell.diagnostics.raise_or(error, lenient)
}

fn incorrect(kind: &str, datum: Datum<'_>, cell: &Cell<'_>) -> SqlError {
    let value = match datum {
        Datum::Text(bytes) | Datum::Bytes(bytes) | Datum::Bits(bytes) => shown(bytes),
        Datum::Int(number) => number.to_string(),
        Datum::Decimal(text) => shown(text.as_bytes()),
        Datum::Double(value) => double_text(value),
        Datum::Date(days) => date_text(days),
        Datum::DateTime { micros, fsp } => datetime_text(micros, fsp),
        Datum::Time { micros, fsp } => time_text(micros, fsp),
        Datum::Null => String::new(),
    };
    SqlError::incorrect_temporal(kind, &value, cell.column, cell.diagnostics.row)
}
