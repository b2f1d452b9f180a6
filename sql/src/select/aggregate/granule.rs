//! For how long the value of a function of a moment stays the same: DATE(ts) for a day, HOUR(ts) for an
//! hour, whenever they begin.

use arrow::datatypes::DataType;
use datafusion::common::ScalarValue;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::expr::ScalarFunction;

const SECOND: u64 = 1_000_000;
const MINUTE: u64 = 60 * SECOND;
const HOUR: u64 = 60 * MINUTE;
const DAY: u64 = 24 * HOUR;

/// Microseconds for which `expr`, a function of one DATETIME column, surely keeps its value, counted
/// from 1970 on; `None` when that cannot be told.
pub(super) fn granule(expr: &Expr) -> Option<u64> {
    let own = match expr {
        Expr::Column(_) => None,
        Expr::Alias(alias) => return granule(&alias.expr),
        Expr::ScalarFunction(call) if is_column(call.args.first()) => of_call(call),
        Expr::Cast(cast) if is_column(Some(&cast.expr)) => {
            (*cast.field.data_type() == DataType::Date32).then_some(DAY)
        }
        _ => None,
    };
    own.or_else(|| of_arguments(expr))
}

fn is_column(expr: Option<&Expr>) -> bool {
    matches!(expr, Some(Expr::Column(_)))
}

/// The least of the granules of all parts that depend on the column.
fn of_arguments(expr: &Expr) -> Option<u64> {
    let Expr::ScalarFunction(call) = expr else {
        return None;
    };
    let mut least = None;
    for argument in &call.args {
        if matches!(argument, Expr::Literal(..)) {
            continue;
        }
        let granule = granule(argument)?;
        least = Some(least.map_or(granule, |least: u64| least.min(granule)));
    }
    least
}

fn of_call(call: &ScalarFunction) -> Option<u64> {
    let rest = call.args.get(1..).unwrap_or_default();
    if !rest.iter().all(|arg| matches!(arg, Expr::Literal(..))) {
        return None;
    }
    Some(match call.name() {
        "date" | "day" | "dayname" | "dayofmonth" | "dayofweek" | "dayofyear" | "last_day" => DAY,
        "month" | "monthname" | "quarter" | "to_days" | "week" | "weekday" | "weekofyear" => DAY,
        "year" | "yearweek" => DAY,
        "hour" => HOUR,
        "minute" => MINUTE,
        "second" => SECOND,
        "date_format" => match rest {
            [Expr::Literal(format, _)] => of_format(text(format)?)?,
            _ => return None,
        },
        _ => return None,
    })
}

fn text(value: &ScalarValue) -> Option<&str> {
    match value {
        ScalarValue::Utf8(text) | ScalarValue::Utf8View(text) | ScalarValue::LargeUtf8(text) => {
            text.as_deref()
        }
        _ => None,
    }
}

/// The granule of the finest code in a DATE_FORMAT.
fn of_format(format: &str) -> Option<u64> {
    let (mut least, mut chars) = (DAY, format.chars());
    while let Some(c) = chars.next() {
        if c != '%' {
            continue;
        }
        least = least.min(match chars.next() {
            Some('f') | None => return None,
            Some('r' | 'S' | 's' | 'T') => SECOND,
            Some('i') => MINUTE,
            Some('H' | 'h' | 'I' | 'k' | 'l' | 'p') => HOUR,
            Some(_) => DAY,
        });
    }
    Some(least)
}

#[cfg(test)]
mod tests {
    use datafusion::prelude::{col, lit};

    use super::*;

    fn call(name: &str, args: Vec<Expr>) -> Expr {
        crate::functions::scalar(name).expect("known").call(args)
    }

    #[test]
    fn the_finest_part_decides() {
        let format = |f: &str| granule(&call("date_format", vec![col("ts"), lit(f)]));
        assert_eq!(format("%Y-%m-01"), Some(DAY));
        assert_eq!(format("%Y-%m-%d %H:00:00"), Some(HOUR));
        assert_eq!(format("%H:%i"), Some(MINUTE));
        assert_eq!(format("%T"), Some(SECOND));
        assert_eq!(format("%Y %f"), None);
        let parts = vec![
            call("year", vec![col("ts")]),
            lit("-"),
            call("hour", vec![col("ts")]),
        ];
        assert_eq!(granule(&call("concat", parts)), Some(HOUR));
        assert_eq!(granule(&call("concat", vec![col("ts"), lit("-")])), None);
        assert_eq!(granule(&col("ts")), None);
    }
}
