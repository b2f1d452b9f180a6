//! TIME_BUCKET: the start of the interval that a moment lies in. The planner tells widths of fixed length
//! from those of months (`select::buckets`).

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::TimestampMicrosecondType;
use datafusion::common::Result;

use super::arithmetic::DATETIME;
use super::calendar::{DAY_US, Date, in_calendar, join, split};
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};

/// 1970-01-05, a Monday: where weeks begin.
const MONDAY: i64 = 4 * DAY_US;

fn returns(shape: &Shape<'_>) -> Result<Declared> {
    let whole = shape
        .literal_int(0)
        .is_none_or(|width| width % 1_000_000 == 0);
    let months = shape.name == MONTHS;
    Ok(Declared::temporal(
        DATETIME,
        Some(if whole || months { 0 } else { 6 }),
    ))
}

/// The start of the interval of `width` microseconds; intervals of whole weeks begin on Mondays, others at
/// midnight of the first day of 1970.
pub(crate) fn fixed(moment: i64, width: i64) -> Option<i64> {
    let origin = if width % (7 * DAY_US) == 0 { MONDAY } else { 0 };
    let from_origin = moment.checked_sub(origin)?;
    let start = moment.checked_sub(from_origin.checked_rem_euclid(width)?)?;
    in_calendar(start).then_some(start)
}

/// The start of the interval of `width` months, counted from January of the year 0.
pub(crate) fn months(moment: i64, width: i64) -> Option<i64> {
    let (days, _) = split(moment);
    let date = Date::from_days(days);
    let month = i64::from(date.year) * 12 + i64::from(date.month) - 1;
    let start = month - month.checked_rem_euclid(width)?;
    let year = i32::try_from(start.div_euclid(12)).ok()?;
    let start = Date::new(year, start.rem_euclid(12) as u32 + 1, 1)?;
    Some(join(start.days(), 0)).filter(|start| in_calendar(*start))
}

fn run(call: &Call<'_>, start: fn(i64, i64) -> Option<i64>) -> Result<ArrayRef> {
    let (widths, moments) = (call.int(0)?, call.datetime(1)?);
    Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
        start(moments.get(row)?, widths.get(row)?)
    })))
}

/// Of so many microseconds.
pub(crate) const FIXED: &str = "time_bucket_micros";
/// Of so many months.
pub(crate) const MONTHS: &str = "time_bucket_months";

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new(FIXED, (2, 2), returns, |call| run(call, fixed)),
    Definition::new(MONTHS, (2, 2), returns, |call| run(call, months)),
];

#[cfg(test)]
mod tests {
    use super::*;

    fn at(days: i32, seconds: i64) -> i64 {
        join(days, seconds * 1_000_000)
    }

    #[test]
    fn intervals_begin_where_calendars_do() {
        let noon = |year, month, day| {
            let days = Date::new(year, month, day).expect("a day").days();
            at(days, 43_200)
        };
        let day = |year, month, day| at(Date::new(year, month, day).expect("a day").days(), 0);
        let thursday = noon(2026, 1, 1);
        assert_eq!(fixed(thursday, DAY_US), Some(day(2026, 1, 1)));
        assert_eq!(fixed(thursday, 7 * DAY_US), Some(day(2025, 12, 29)));
        assert_eq!(fixed(noon(1969, 12, 31), DAY_US), Some(day(1969, 12, 31)));
        assert_eq!(
            fixed(thursday + 61_000_000, 60_000_000),
            Some(thursday + 60_000_000)
        );
        assert_eq!(months(noon(2026, 5, 31), 1), Some(day(2026, 5, 1)));
        assert_eq!(months(noon(2026, 5, 31), 3), Some(day(2026, 4, 1)));
        assert_eq!(months(noon(2026, 5, 31), 12), Some(day(2026, 1, 1)));
        assert_eq!(fixed(thursday, 0), None);
    }
}
