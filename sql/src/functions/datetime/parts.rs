//! Parts of dates and times: YEAR() to MICROSECOND(), weeks, names, EXTRACT.
//!
//! Dates are read as days; the last day's answer is kept, for neighbouring rows repeat.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, Int64Array};
use arrow::datatypes::{DataType, Date32Type, DurationMicrosecondType, Int64Type};
use datafusion::common::Result;

use super::arithmetic::TIME;
use super::calendar::{Clock, DAY_US, Date, WeekMode, days_in_month, split, weekday};
use super::interval::Unit;
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::convert::temporal;
use crate::functions::failure::wrong_arguments;

pub(crate) const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];
/// Monday first.
pub(crate) const WEEKDAYS: [&str; 7] = [
    "Monday",
    "Tuesday",
    "Wednesday",
    "Thursday",
    "Friday",
    "Saturday",
    "Sunday",
];

pub(crate) fn integer(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Int64.into())
}

pub(crate) fn text(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Utf8View.into())
}

pub(crate) fn date(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Date32.into())
}

/// Calls `part` once for runs of equal days.
fn of_day(call: &Call<'_>, part: impl Fn(i32) -> i64) -> Result<ArrayRef> {
    let days = call.date(0)?;
    let mut last = None;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let day = days.get(row)?;
        match last {
            Some((seen, value)) if seen == day => Some(value),
            _ => {
                let value = part(day);
                last = Some((day, value));
                Some(value)
            }
        }
    })))
}

fn of_date(call: &Call<'_>, part: impl Fn(Date) -> i64) -> Result<ArrayRef> {
    of_day(call, |days| part(Date::from_days(days)))
}

/// Parts of a time of day; whole columns of DATETIME take a loop without branches.
fn of_time(call: &Call<'_>, unit_us: i64, modulus: i64) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let part = |micros: i64| micros.wrapping_abs() / unit_us % modulus;
    let result: Int64Array = match array.data_type() {
        DataType::Timestamp(..) => {
            use arrow::array::AsArray;
            let array = array.as_primitive::<arrow::datatypes::TimestampMicrosecondType>();
            array.unary(|micros| micros.rem_euclid(DAY_US) / unit_us % modulus)
        }
        _ => temporal::to_time(&array)?.unary::<_, Int64Type>(part),
    };
    Ok(Arc::new(result))
}

fn hour(call: &Call<'_>) -> Result<ArrayRef> {
    of_time(call, 3_600_000_000, 1000)
}

fn week_mode(call: &Call<'_>) -> Result<Option<i64>> {
    if call.len() < 2 {
        return Ok(Some(0));
    }
    if !call.is_scalar(1) {
        return Err(wrong_arguments(call.name));
    }
    Ok(call.int(1)?.get(0))
}

fn nulls(call: &Call<'_>) -> ArrayRef {
    Arc::new(Int64Array::new_null(call.rows))
}

fn week(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(mode) = week_mode(call)? else {
        return Ok(nulls(call));
    };
    of_day(call, |days| WeekMode::new(mode).week(days).1.into())
}

fn year_week(call: &Call<'_>) -> Result<ArrayRef> {
    let Some(mode) = week_mode(call)? else {
        return Ok(nulls(call));
    };
    of_day(call, |days| {
        // Every week has a year here: the bit that allows week 0 is ignored.
        let (year, week) = WeekMode::new(mode | 2).week(days);
        i64::from(year) * 100 + i64::from(week)
    })
}

fn day_name(call: &Call<'_>) -> Result<ArrayRef> {
    let days = call.date(0)?;
    Ok(Arc::new(call.collect_str(|row| {
        Some(WEEKDAYS[weekday(days.get(row)?) as usize])
    })))
}

fn month_name(call: &Call<'_>) -> Result<ArrayRef> {
    let days = call.date(0)?;
    let name = |days: i32| MONTHS[Date::from_days(days).month as usize - 1];
    Ok(Arc::new(call.collect_str(|row| days.get(row).map(name))))
}

fn date_of(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    Ok(Arc::new(temporal::to_date(&array)?))
}

fn time_of(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    Ok(Arc::new(temporal::to_time(&array)?))
}

/// TIME keeps the fractional digits of its argument.
pub(crate) fn time_like(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, shape.temporal_fsp(0)))
}

fn last_day(call: &Call<'_>) -> Result<ArrayRef> {
    let days = call.date(0)?;
    Ok(Arc::new(call.collect::<Date32Type>(|row| {
        let date = Date::from_days(days.get(row)?);
        Some(
            Date {
                day: days_in_month(date.year, date.month),
                ..date
            }
            .days(),
        )
    })))
}

/// `extract_unit('UNIT', value)`
fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = call.text(0)?;
    let Some(unit) = unit.get(0).and_then(Unit::parse) else {
        return Err(wrong_arguments("EXTRACT"));
    };
    if unit.is_clock() {
        let time = call.time(1)?;
        return Ok(Arc::new(call.collect::<Int64Type>(|row| {
            let micros = time.get(row)?;
            let value = extract_clock(unit, Clock::from_micros(micros.abs()));
            Some(if micros < 0 { -value } else { value })
        })));
    }
    let datetime = call.datetime(1)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        let (days, micros) = split(datetime.get(row)?);
        Some(extract_date(unit, days, Clock::from_micros(micros)))
    })))
}

fn extract_clock(unit: Unit, clock: Clock) -> i64 {
    let Clock {
        hour,
        minute,
        second,
        micro,
    } = clock;
    let [hour, minute, second, micro] = [hour, minute, second, micro].map(i64::from);
    match unit {
        Unit::Hour => hour,
        Unit::Minute => minute,
        Unit::Second => second,
        Unit::HourMinute => hour * 100 + minute,
        Unit::HourSecond => (hour * 100 + minute) * 100 + second,
        Unit::HourMicrosecond => ((hour * 100 + minute) * 100 + second) * 1_000_000 + micro,
        Unit::MinuteSecond => minute * 100 + second,
        Unit::MinuteMicrosecond => (minute * 100 + second) * 1_000_000 + micro,
        Unit::SecondMicrosecond => second * 1_000_000 + micro,
        _ => micro,
    }
}

fn extract_date(unit: Unit, days: i32, clock: Clock) -> i64 {
    let date = Date::from_days(days);
    let (year, month, day) = (
        i64::from(date.year),
        i64::from(date.month),
        i64::from(date.day),
    );
    match unit {
        Unit::Year => year,
        Unit::YearMonth => year * 100 + month,
        Unit::Quarter => (month + 2) / 3,
        Unit::Month => month,
        Unit::Week => WeekMode::new(0).week(days).1.into(),
        Unit::DayHour => day * 100 + i64::from(clock.hour),
        Unit::DayMinute => day * 10_000 + extract_clock(Unit::HourMinute, clock),
        Unit::DaySecond => day * 1_000_000 + extract_clock(Unit::HourSecond, clock),
        Unit::DayMicrosecond => {
            day * 1_000_000_000_000 + extract_clock(Unit::HourMicrosecond, clock)
        }
        _ => day,
    }
}

fn time_to_sec(call: &Call<'_>) -> Result<ArrayRef> {
    let time = call.time(0)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        time.get(row).map(|micros| micros / 1_000_000)
    })))
}

fn sec_to_time_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, Some(shape.seconds_fsp(0))))
}

fn sec_to_time(call: &Call<'_>) -> Result<ArrayRef> {
    let seconds = call.decimal(0, 38, 6)?;
    let max = i128::from(super::calendar::TIME_MAX_US);
    Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
        seconds
            .get(row)
            .map(|micros| micros.clamp(-max, max) as i64)
    })))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("date", (1, 1), date, date_of),
    Definition::new("time", (1, 1), time_like, time_of),
    Definition::new("year", (1, 1), integer, |c| of_date(c, |d| d.year.into())),
    Definition::new("month", (1, 1), integer, |c| of_date(c, |d| d.month.into())),
    Definition::new("day", (1, 1), integer, |c| of_date(c, |d| d.day.into())),
    Definition::new("dayofmonth", (1, 1), integer, |c| {
        of_date(c, |d| d.day.into())
    }),
    Definition::new("dayofweek", (1, 1), integer, |c| {
        of_day(c, |days| i64::from(weekday(days) + 1) % 7 + 1)
    }),
    Definition::new("weekday", (1, 1), integer, |c| {
        of_day(c, |days| weekday(days).into())
    }),
    Definition::new("dayofyear", (1, 1), integer, |c| {
        of_date(c, |d| d.day_of_year().into())
    }),
    Definition::new("quarter", (1, 1), integer, |c| {
        of_date(c, |d| i64::from(d.month + 2) / 3)
    }),
    Definition::new("week", (1, 2), integer, week),
    Definition::new("weekofyear", (1, 1), integer, |c| {
        of_day(c, |days| WeekMode::new(3).week(days).1.into())
    }),
    Definition::new("yearweek", (1, 2), integer, year_week),
    Definition::new("hour", (1, 1), integer, hour),
    Definition::new("minute", (1, 1), integer, |c| of_time(c, 60_000_000, 60)),
    Definition::new("second", (1, 1), integer, |c| of_time(c, 1_000_000, 60)),
    Definition::new("microsecond", (1, 1), integer, |c| of_time(c, 1, 1_000_000)),
    Definition::new("dayname", (1, 1), text, day_name),
    Definition::new("monthname", (1, 1), text, month_name),
    Definition::new("last_day", (1, 1), date, last_day),
    Definition::new("extract_unit", (2, 2), integer, extract),
    Definition::new("time_to_sec", (1, 1), integer, time_to_sec),
    Definition::new("sec_to_time", (1, 1), sec_to_time_type, sec_to_time),
];
