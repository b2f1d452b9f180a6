//! Differences and conversions that count: DATEDIFF, TIMEDIFF, TIMESTAMPDIFF, TO_DAYS, PERIOD_DIFF,
//! MAKEDATE and their relatives.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Date32Type, DurationMicrosecondType, Int64Type};
use datafusion::common::Result;

use super::arithmetic::{TIME, day_in_calendar};
use super::calendar::{DAY_MAX, Date, EPOCH_FROM_YEAR_0, TIME_MAX_US, split};
use super::interval::Unit;
use super::literal::{self, Moment, moment};
use super::parts::{date, integer};
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::failure::wrong_arguments;

fn datediff(call: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (call.date(0)?, call.date(1)?);
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        Some(i64::from(a.get(row)?) - i64::from(b.get(row)?))
    })))
}

fn time_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, shape.larger_fsp(0, 1)))
}

/// An argument of TIMEDIFF; a difference of unlike kinds is NULL.
#[derive(Debug, Clone, Copy)]
enum Operand {
    Date(i64),
    DateTime(i64),
    Time(i64),
}

/// Reads an argument. `dated`: the other one, or this one, is a DATE or DATETIME, so that text is read as
/// a date too.
fn operands(
    call: &Call<'_>,
    index: usize,
    dated: bool,
) -> Result<Box<dyn Fn(usize) -> Option<Operand>>> {
    Ok(match call.data_type(index) {
        DataType::Date32 => {
            let values = call.datetime(index)?;
            Box::new(move |row| values.get(row).map(Operand::Date))
        }
        DataType::Timestamp(..) => {
            let values = call.datetime(index)?;
            Box::new(move |row| values.get(row).map(Operand::DateTime))
        }
        t if t.is_string() && dated => {
            let values = call.text(index)?;
            Box::new(move |row| {
                let text = values.get(row)?;
                let micros = literal::datetime(text)?;
                let kind = if literal::has_time(text) {
                    Operand::DateTime
                } else {
                    Operand::Date
                };
                Some(kind(micros))
            })
        }
        t if t.is_string() => {
            let values = call.text(index)?;
            Box::new(move |row| match moment(values.get(row)?)? {
                Moment::DateTime(micros) => Some(Operand::DateTime(micros)),
                Moment::Time(micros) => Some(Operand::Time(micros)),
            })
        }
        _ => {
            let values = call.time(index)?;
            Box::new(move |row| values.get(row).map(Operand::Time))
        }
    })
}

fn timediff(call: &Call<'_>) -> Result<ArrayRef> {
    let dated = |index| {
        matches!(
            call.data_type(index),
            DataType::Timestamp(..) | DataType::Date32
        )
    };
    let dated = dated(0) || dated(1);
    let (a, b) = (operands(call, 0, dated)?, operands(call, 1, dated)?);
    Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
        let difference = match (a(row)?, b(row)?) {
            (Operand::DateTime(a), Operand::DateTime(b))
            | (Operand::Date(a), Operand::Date(b))
            | (Operand::Time(a), Operand::Time(b)) => a.checked_sub(b)?,
            _ => return None,
        };
        Some(difference.clamp(-TIME_MAX_US, TIME_MAX_US))
    })))
}

/// Whole months from `a` to `b`, negative when `b` is earlier.
fn months_between(a: i64, b: i64) -> i64 {
    if b < a {
        return -months_between(b, a);
    }
    let ((a_days, a_clock), (b_days, b_clock)) = (split(a), split(b));
    let (from, to) = (Date::from_days(a_days), Date::from_days(b_days));
    let months = i64::from(to.year - from.year) * 12 + i64::from(to.month) - i64::from(from.month);
    let short = to.day < from.day || (to.day == from.day && b_clock < a_clock);
    months - i64::from(short)
}

/// `timestampdiff('UNIT', a, b)`: b - a in whole units.
fn timestampdiff(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = call.text(0)?;
    let unit = unit
        .get(0)
        .and_then(Unit::parse)
        .filter(|unit| !unit.is_composite());
    let unit = unit.ok_or_else(|| wrong_arguments("TIMESTAMPDIFF"))?;
    let (a, b) = (call.datetime(1)?, call.datetime(2)?);
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let (a, b) = (a.get(row)?, b.get(row)?);
        Some(match unit.micros() {
            Some(micros) => (b - a) / micros,
            None => months_between(a, b) / unit.months(),
        })
    })))
}

fn to_days(call: &Call<'_>) -> Result<ArrayRef> {
    let days = call.date(0)?;
    let number = |days: i32| i64::from(days) + EPOCH_FROM_YEAR_0;
    Ok(Arc::new(
        call.collect::<Int64Type>(|row| days.get(row).map(number)),
    ))
}

fn to_seconds(call: &Call<'_>) -> Result<ArrayRef> {
    let datetime = call.datetime(0)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let seconds = datetime.get(row)?.div_euclid(1_000_000);
        Some(seconds + EPOCH_FROM_YEAR_0 * 86_400)
    })))
}

fn from_days(call: &Call<'_>) -> Result<ArrayRef> {
    let number = call.int(0)?;
    Ok(Arc::new(call.collect::<Date32Type>(|row| {
        // Below 366 MySQL gives the zero date, which is NULL here.
        let number = number.get(row).filter(|number| *number >= 366)?;
        day_in_calendar(number.checked_sub(EPOCH_FROM_YEAR_0)?)
    })))
}

/// MAKEDATE(year, day of the year)
fn makedate(call: &Call<'_>) -> Result<ArrayRef> {
    let (year, day) = (call.int(0)?, call.int(1)?);
    Ok(Arc::new(call.collect::<Date32Type>(|row| {
        let year = match year.get(row)? {
            year @ 0..=69 => year + 2000,
            year @ 70..=99 => year + 1900,
            year @ 100..=9999 => year,
            _ => return None,
        };
        let day = day
            .get(row)
            .filter(|day| (1..=i64::from(DAY_MAX) * 2).contains(day))?;
        let first = Date {
            year: year as i32,
            month: 1,
            day: 1,
        }
        .days();
        day_in_calendar(i64::from(first) + day - 1)
    })))
}

fn maketime_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, Some(shape.seconds_fsp(2))))
}

/// MAKETIME(hour, minute, second)
fn maketime(call: &Call<'_>) -> Result<ArrayRef> {
    let (hour, minute, second) = (call.int(0)?, call.int(1)?, call.decimal(2, 38, 6)?);
    Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
        let (hour, minute) = (hour.get(row)?, minute.get(row)?);
        let second = i64::try_from(second.get(row)?).ok()?;
        if !(0..60).contains(&minute) || !(0..60_000_000).contains(&second) {
            return None;
        }
        let magnitude = hour.unsigned_abs().min(839) as i64 * 3_600_000_000;
        let micros = (magnitude + minute * 60_000_000 + second).min(TIME_MAX_US);
        Some(if hour < 0 { -micros } else { micros })
    })))
}

/// YYMM or YYYYMM as months since year 0.
fn period_months(period: i64) -> Option<i64> {
    if !(1..=999_912).contains(&period) || !(1..=12).contains(&(period % 100)) {
        return None;
    }
    let year = match period / 100 {
        year @ 0..=69 => year + 2000,
        year @ 70..=99 => year + 1900,
        year => year,
    };
    Some(year * 12 + period % 100 - 1)
}

fn months_period(months: i64) -> i64 {
    if months == 0 {
        return 0;
    }
    let year = match months / 12 {
        year @ 0..=69 => year + 2000,
        year @ 70..=99 => year + 1900,
        year => year,
    };
    year * 100 + months % 12 + 1
}

fn bad_period(call: &Call<'_>) -> datafusion::common::DataFusionError {
    wrong_arguments(call.name)
}

fn period_add(call: &Call<'_>) -> Result<ArrayRef> {
    let (period, months) = (call.int(0)?, call.int(1)?);
    Ok(Arc::new(call.try_collect::<Int64Type>(|row| {
        let (Some(period), Some(months)) = (period.get(row), months.get(row)) else {
            return Ok(None);
        };
        let from = period_months(period).ok_or_else(|| bad_period(call))?;
        Ok(from
            .checked_add(months)
            .map(|sum| months_period(sum.max(0))))
    })?))
}

fn period_diff(call: &Call<'_>) -> Result<ArrayRef> {
    let (a, b) = (call.int(0)?, call.int(1)?);
    Ok(Arc::new(call.try_collect::<Int64Type>(|row| {
        let (Some(a), Some(b)) = (a.get(row), b.get(row)) else {
            return Ok(None);
        };
        let months = |period| period_months(period).ok_or_else(|| bad_period(call));
        Ok(Some(months(a)? - months(b)?))
    })?))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("datediff", (2, 2), integer, datediff),
    Definition::new("timediff", (2, 2), time_type, timediff),
    Definition::new("timestampdiff", (3, 3), integer, timestampdiff),
    Definition::new("to_days", (1, 1), integer, to_days),
    Definition::new("to_seconds", (1, 1), integer, to_seconds),
    Definition::new("from_days", (1, 1), date, from_days),
    Definition::new("makedate", (2, 2), date, makedate),
    Definition::new("maketime", (3, 3), maketime_type, maketime),
    Definition::new("period_add", (2, 2), integer, period_add),
    Definition::new("period_diff", (2, 2), integer, period_diff),
];
