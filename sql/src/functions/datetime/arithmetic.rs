//! Dates plus intervals: DATE_ADD and DATE_SUB (as `date_add_unit(x, n, 'UNIT')`), ADDDATE, TIMESTAMPADD,
//! ADDTIME.
//!
//! A DATE stays a DATE when the unit is a day or longer; text stays text, as MySQL returns it; a TIME
//! stays a TIME when the unit is shorter than a day. Results outside the years 0 to 9999 are NULL.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, TimeUnit, TimestampMicrosecondType,
};
use datafusion::common::{Result, ScalarValue};

use super::calendar::{DAY_US, Date, TIME_MAX_US, in_calendar, join, split};
use super::interval::{Interval, Unit};
use super::literal;
use crate::functions::argument::{Call, Column};
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::convert::text::{push_date, push_datetime, push_time};
use crate::functions::failure::wrong_arguments;

pub(crate) const DATETIME: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
pub(crate) const TIME: DataType = DataType::Duration(TimeUnit::Microsecond);

fn is_text(data_type: &DataType) -> bool {
    use DataType::*;
    matches!(
        data_type,
        Utf8 | LargeUtf8 | Utf8View | Binary | LargeBinary | BinaryView
    )
}

/// The unit given as a literal.
fn literal_unit(value: Option<&ScalarValue>) -> Result<Unit> {
    let text = match value {
        Some(ScalarValue::Utf8(Some(t)) | ScalarValue::Utf8View(Some(t))) => t.as_str(),
        _ => "",
    };
    Unit::parse(text).ok_or_else(|| wrong_arguments("INTERVAL"))
}

/// The type of `x` plus an interval of `unit`.
fn sum_type(shape: &Shape<'_>, x: usize, unit: Unit, value: usize) -> Declared {
    let micro = unit == Unit::Microsecond
        || matches!(unit, Unit::SecondMicrosecond | Unit::MinuteMicrosecond)
        || matches!(unit, Unit::HourMicrosecond | Unit::DayMicrosecond)
        || (unit == Unit::Second && second_fraction(shape.data_type(value)));
    let fsp = |own: Option<u8>| if micro { Some(6) } else { own };
    match shape.data_type(x) {
        DataType::Date32 if unit.is_calendar() => DataType::Date32.into(),
        DataType::Date32 => Declared::temporal(DATETIME, fsp(Some(0))),
        DataType::Timestamp(..) => Declared::temporal(DATETIME, fsp(shape.fsp(x))),
        DataType::Duration(_) if unit.is_clock() => Declared::temporal(TIME, fsp(shape.fsp(x))),
        DataType::Duration(_) => Declared::temporal(DATETIME, fsp(shape.fsp(x))),
        // Text and numbers.
        _ => DataType::Utf8View.into(),
    }
}

fn second_fraction(data_type: &DataType) -> bool {
    match data_type {
        DataType::Decimal128(_, scale) => *scale > 0,
        t => t.is_floating() || is_text(t),
    }
}

fn date_add_type(shape: &Shape<'_>) -> Result<Declared> {
    let unit = literal_unit(shape.literals.get(2).copied().flatten())?;
    Ok(sum_type(shape, 0, unit, 1))
}

fn timestampadd_type(shape: &Shape<'_>) -> Result<Declared> {
    let unit = literal_unit(shape.literals.first().copied().flatten())?;
    Ok(sum_type(shape, 2, unit, 1))
}

fn days_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(sum_type(shape, 0, Unit::Day, 1))
}

/// The numbers of an INTERVAL, read as its unit asks.
enum Amounts {
    /// Months or a fixed number of microseconds per unit.
    Units(Column<arrow::array::Int64Array>),
    /// SECOND: millionths count.
    Micros(Column<arrow::array::Decimal128Array>),
    Text(Column<arrow::array::StringViewArray>),
}

struct Intervals {
    unit: Unit,
    negative: bool,
    amounts: Amounts,
}

impl Intervals {
    fn new(call: &Call<'_>, index: usize, unit: Unit, negative: bool) -> Result<Self> {
        let amounts = if unit.is_composite() {
            Amounts::Text(call.text(index)?)
        } else if unit == Unit::Second && second_fraction(&call.data_type(index)) {
            Amounts::Micros(call.decimal(index, 38, 6)?)
        } else {
            Amounts::Units(call.int(index)?)
        };
        Ok(Self {
            unit,
            negative,
            amounts,
        })
    }

    /// The interval to add; `None` for NULL and for amounts beyond any calendar.
    fn get(&self, row: usize) -> Option<Interval> {
        let mut interval = match &self.amounts {
            Amounts::Units(numbers) => {
                let number = numbers.get(row)?;
                match self.unit.micros() {
                    Some(us) => Interval {
                        months: 0,
                        micros: number.checked_mul(us)?,
                    },
                    None => Interval {
                        months: number.checked_mul(self.unit.months())?,
                        micros: 0,
                    },
                }
            }
            Amounts::Micros(numbers) => Interval {
                months: 0,
                micros: i64::try_from(numbers.get(row)?).ok()?,
            },
            Amounts::Text(texts) => self.unit.composite(texts.get(row)?)?,
        };
        if self.negative {
            interval = Interval {
                months: -interval.months,
                micros: interval.micros.checked_neg()?,
            };
        }
        Some(interval)
    }
}

/// A DATETIME plus an interval; `None` outside the calendar.
pub(crate) fn add(micros: i64, interval: Interval) -> Option<i64> {
    if interval.months != 0 {
        let (days, clock) = split(micros);
        return Some(join(
            Date::from_days(days).add_months(interval.months)?.days(),
            clock,
        ));
    }
    let moved = micros.checked_add(interval.micros)?;
    // Counting in days MySQL has no year 0.
    (in_calendar(moved) && moved >= YEAR_1_US).then_some(moved)
}

/// 0001-01-01
const YEAR_1_US: i64 = -719_162 * DAY_US;

fn add_intervals(call: &Call<'_>, x: usize, intervals: &Intervals) -> Result<ArrayRef> {
    match call.return_type() {
        DataType::Date32 => {
            let days = call.date(x)?;
            Ok(Arc::new(call.collect::<Date32Type>(|row| {
                let moment = join(days.get(row)?, 0);
                add(moment, intervals.get(row)?).map(|micros| split(micros).0)
            })))
        }
        DataType::Duration(_) => {
            let time = call.time(x)?;
            Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
                let sum = time.get(row)?.checked_add(intervals.get(row)?.micros)?;
                (sum.abs() <= TIME_MAX_US).then_some(sum)
            })))
        }
        DataType::Timestamp(..) => {
            let datetime = call.datetime(x)?;
            let array = match fixed(intervals, &datetime) {
                Some((values, micros)) => {
                    let interval = Interval { months: 0, micros };
                    let moved = |value: i64| add(value, interval);
                    values.unary_opt::<_, TimestampMicrosecondType>(moved)
                }
                None => call.collect::<TimestampMicrosecondType>(|row| {
                    add(datetime.get(row)?, intervals.get(row)?)
                }),
            };
            Ok(Arc::new(array))
        }
        _ => add_to_text(call, x, intervals),
    }
}

/// A whole column plus one interval of fixed length.
fn fixed<'a>(
    intervals: &Intervals,
    datetime: &'a Column<arrow::array::TimestampMicrosecondArray>,
) -> Option<(&'a arrow::array::TimestampMicrosecondArray, i64)> {
    let scalar = match &intervals.amounts {
        Amounts::Units(numbers) => numbers.is_scalar(),
        Amounts::Micros(numbers) => numbers.is_scalar(),
        Amounts::Text(texts) => texts.is_scalar(),
    };
    let interval = if scalar {
        intervals.get(0)?
    } else {
        return None;
    };
    (interval.months == 0).then_some((datetime.values()?, interval.micros))
}

/// Text that is a date stays a date when the unit is a day or longer.
fn add_to_text(call: &Call<'_>, x: usize, intervals: &Intervals) -> Result<ArrayRef> {
    let (texts, numbers) = (call.text(x)?, !is_text(&call.data_type(x)));
    let moments = call.datetime(x)?;
    Ok(Arc::new(call.collect_text(|row, out| {
        let (Some(text), Some(moment)) = (texts.get(row), moments.get(row)) else {
            return false;
        };
        let Some(sum) = intervals
            .get(row)
            .and_then(|interval| add(moment, interval))
        else {
            return false;
        };
        let date = if numbers {
            text.trim().len() <= 8
        } else {
            !literal::has_time(text)
        };
        if date && intervals.unit.is_calendar() {
            push_date(out, split(sum).0);
        } else {
            push_datetime(out, sum, None);
        }
        true
    })))
}

fn date_add(call: &Call<'_>, negative: bool) -> Result<ArrayRef> {
    let unit = literal_unit(call.scalar(2))?;
    add_intervals(call, 0, &Intervals::new(call, 1, unit, negative)?)
}

fn timestampadd(call: &Call<'_>) -> Result<ArrayRef> {
    let unit = literal_unit(call.scalar(0))?;
    add_intervals(call, 2, &Intervals::new(call, 1, unit, false)?)
}

fn add_days(call: &Call<'_>, negative: bool) -> Result<ArrayRef> {
    add_intervals(call, 0, &Intervals::new(call, 1, Unit::Day, negative)?)
}

fn addtime_type(shape: &Shape<'_>) -> Result<Declared> {
    let fsp = shape.larger_fsp(0, 1);
    Ok(match shape.data_type(0) {
        DataType::Timestamp(..) | DataType::Date32 => Declared::temporal(DATETIME, fsp),
        DataType::Duration(_) => Declared::temporal(TIME, fsp),
        _ => DataType::Utf8View.into(),
    })
}

/// The time to add; NULL for what names a date.
fn added_time(call: &Call<'_>) -> Result<Box<dyn Fn(usize) -> Option<i64>>> {
    Ok(match call.data_type(1) {
        DataType::Timestamp(..) | DataType::Date32 => Box::new(|_| None),
        t if is_text(&t) => {
            let texts = call.text(1)?;
            Box::new(move |row| match literal::moment(texts.get(row)?)? {
                literal::Moment::Time(micros) => Some(micros),
                literal::Moment::DateTime(_) => None,
            })
        }
        _ => {
            let times = call.time(1)?;
            Box::new(move |row| times.get(row))
        }
    })
}

fn addtime(call: &Call<'_>, sign: i64) -> Result<ArrayRef> {
    let by = added_time(call)?;
    let shifted = |value: i64, row: usize| value.checked_add(by(row)? * sign);
    match call.return_type() {
        DataType::Timestamp(..) => {
            let datetime = call.datetime(0)?;
            Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
                shifted(datetime.get(row)?, row).filter(|value| in_calendar(*value))
            })))
        }
        DataType::Duration(_) => {
            let time = call.time(0)?;
            Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
                shifted(time.get(row)?, row).map(|v| v.clamp(-TIME_MAX_US, TIME_MAX_US))
            })))
        }
        _ => {
            let texts = call.text(0)?;
            Ok(Arc::new(call.collect_text(|row, out| {
                let Some(moment) = texts.get(row).and_then(literal::moment) else {
                    return false;
                };
                match moment {
                    literal::Moment::DateTime(value) => {
                        let sum = shifted(value, row).filter(|value| in_calendar(*value));
                        sum.inspect(|sum| push_datetime(out, *sum, None)).is_some()
                    }
                    literal::Moment::Time(value) => {
                        let sum = shifted(value, row).map(|v| v.clamp(-TIME_MAX_US, TIME_MAX_US));
                        sum.inspect(|sum| push_time(out, *sum, None)).is_some()
                    }
                }
            })))
        }
    }
}

/// TIMESTAMP(x) and TIMESTAMP(x, time).
fn timestamp(call: &Call<'_>) -> Result<ArrayRef> {
    let datetime = call.datetime(0)?;
    if call.len() == 1 {
        return Ok(Arc::new(
            call.collect::<TimestampMicrosecondType>(|row| datetime.get(row)),
        ));
    }
    let time = added_time(call)?;
    Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
        let sum = datetime.get(row)?.checked_add(time(row)?)?;
        in_calendar(sum).then_some(sum)
    })))
}

fn timestamp_type(shape: &Shape<'_>) -> Result<Declared> {
    let fsp = if shape.len() == 1 {
        shape.temporal_fsp(0)
    } else {
        shape.larger_fsp(0, 1)
    };
    Ok(Declared::temporal(DATETIME, fsp))
}

/// FROM_DAYS, and the day number that MAKEDATE counts from.
pub(crate) fn day_in_calendar(days: i64) -> Option<i32> {
    let days = i32::try_from(days).ok()?;
    in_calendar(i64::from(days) * DAY_US).then_some(days)
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("date_add_unit", (3, 3), date_add_type, |c| {
        date_add(c, false)
    }),
    Definition::new("date_sub_unit", (3, 3), date_add_type, |c| {
        date_add(c, true)
    }),
    Definition::new("timestampadd", (3, 3), timestampadd_type, timestampadd),
    Definition::new("adddate", (2, 2), days_type, |c| add_days(c, false)),
    Definition::new("subdate", (2, 2), days_type, |c| add_days(c, true)),
    Definition::new("addtime", (2, 2), addtime_type, |c| addtime(c, 1)),
    Definition::new("subtime", (2, 2), addtime_type, |c| addtime(c, -1)),
    Definition::new("timestamp", (1, 2), timestamp_type, timestamp),
];
