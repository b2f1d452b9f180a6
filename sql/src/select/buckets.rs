//! TIME_BUCKET(width, moment [, zone]) and FIRST and LAST by time, as calls of ours.
//!
//! A width is an INTERVAL or a text such as '5m', '1 hour' or '3 months', and a constant: intervals of months
//! are another function than those of a fixed length.

use sqlparser::ast::{
    Expr, FunctionArgumentClause, FunctionArguments, Interval, OrderByExpr, OrderByOptions, Value,
};

use super::expr::{call, number, text};
use crate::error::{Result, SqlError};
use crate::functions::datetime::bucket::{FIXED, MONTHS};
use crate::functions::datetime::interval::Unit;
use crate::functions::{FIRST, LAST};

/// Intervals of one length.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Width {
    Micros(i64),
    Months(i64),
}

/// `None`: neither TIME_BUCKET nor FIRST nor LAST. `zone`: the session's.
pub(super) fn bucket_call(name: &str, args: &[Expr], zone: &str) -> Option<Result<Expr>> {
    match (name, args) {
        ("time_bucket", [width, moment]) => Some(time_bucket(width, moment.clone())),
        ("time_bucket", [width, moment, other]) => {
            let from = match zone {
                "SYSTEM" => "+00:00",
                zone => zone,
            };
            let there = vec![moment.clone(), text(from), other.clone()];
            Some(time_bucket(width, call("convert_tz", there)))
        }
        ("first", [value, time]) => Some(Ok(by_time(FIRST, value, time))),
        ("last", [value, time]) => Some(Ok(by_time(LAST, value, time))),
        _ => None,
    }
}

fn time_bucket(width: &Expr, moment: Expr) -> Result<Expr> {
    let (name, width) = match width_of(width, "TIME_BUCKET")? {
        Width::Micros(micros) => (FIXED, micros),
        Width::Months(months) => (MONTHS, months),
    };
    Ok(call(name, vec![number(width), moment]))
}

/// 1210 unless it is a positive constant. `function`: whose argument it is.
pub(super) fn width_of(width: &Expr, function: &str) -> Result<Width> {
    let found = match width {
        Expr::Nested(inner) => return width_of(inner, function),
        Expr::Interval(Interval {
            value,
            leading_field: Some(unit),
            last_field: None,
            ..
        }) => count_of(value).and_then(|n| width_in(n, Unit::parse(&unit.to_string())?)),
        Expr::Value(v) => match &v.value {
            Value::SingleQuotedString(s) | Value::DoubleQuotedString(s) => width_of_text(s),
            _ => None,
        },
        _ => None,
    };
    found.ok_or_else(|| wrong_arguments(function))
}

pub(super) fn wrong_arguments(function: &str) -> SqlError {
    SqlError::new(1210, "HY000", format!("Incorrect arguments to {function}"))
}

fn count_of(value: &Expr) -> Option<i64> {
    let Expr::Value(value) = value else {
        return None;
    };
    match &value.value {
        Value::Number(n, _) | Value::SingleQuotedString(n) => n.trim().parse().ok(),
        _ => None,
    }
}

/// '5m', '1 hour', 'day'
fn width_of_text(text: &str) -> Option<Width> {
    let text = text.trim();
    let end = text.find(|c: char| !c.is_ascii_digit());
    let (count, unit) = text.split_at(end.unwrap_or(text.len()));
    let count = if count.is_empty() {
        1
    } else {
        count.parse().ok()?
    };
    let unit = unit.trim().to_ascii_lowercase();
    let unit = match unit.as_str() {
        "us" => Unit::Microsecond,
        "s" | "sec" => Unit::Second,
        "m" | "min" => Unit::Minute,
        "h" => Unit::Hour,
        "d" => Unit::Day,
        "w" => Unit::Week,
        "mo" | "mon" => Unit::Month,
        "q" => Unit::Quarter,
        "y" => Unit::Year,
        name => Unit::parse(name.strip_suffix('s').unwrap_or(name))?,
    };
    width_in(count, unit)
}

fn width_in(count: i64, unit: Unit) -> Option<Width> {
    let width = match unit.months() {
        0 => Width::Micros(count.checked_mul(unit.micros()?)?),
        months => Width::Months(count.checked_mul(months)?),
    };
    (count > 0).then_some(width)
}

/// The value of the row with the least, or the greatest, time; rows without a time do not count.
fn by_time(name: &str, value: &Expr, time: &Expr) -> Expr {
    let order = OrderByExpr {
        expr: time.clone(),
        options: OrderByOptions {
            asc: Some(true),
            nulls_first: None,
        },
        with_fill: None,
    };
    let mut call = call(name, vec![value.clone()]);
    if let Expr::Function(function) = &mut call {
        if let FunctionArguments::List(list) = &mut function.args {
            list.clauses = vec![FunctionArgumentClause::OrderBy(vec![order])];
        }
        function.filter = Some(Box::new(Expr::IsNotNull(Box::new(time.clone()))));
    }
    call
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn widths_are_read_as_they_are_written() {
        let minute = 60_000_000;
        for (text, expected) in [
            ("5m", Some(Width::Micros(5 * minute))),
            ("1 hour", Some(Width::Micros(60 * minute))),
            ("15 MINUTES", Some(Width::Micros(15 * minute))),
            ("day", Some(Width::Micros(1440 * minute))),
            ("2w", Some(Width::Micros(14 * 1440 * minute))),
            ("1 month", Some(Width::Months(1))),
            ("1q", Some(Width::Months(3))),
            ("2 years", Some(Width::Months(24))),
            ("0 days", None),
            ("five days", None),
            ("1 day_hour", None),
            ("", None),
        ] {
            assert_eq!(width_of_text(text), expected, "{text}");
        }
    }
}
