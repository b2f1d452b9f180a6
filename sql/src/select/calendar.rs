//! CALENDAR(from, to, INTERVAL n unit) in FROM: a table of moments, for what has no rows of its own. Its one
//! column `bucket` goes from the first moment to before the last one.

use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{RecordBatch, TimestampMicrosecondArray};
use arrow::datatypes::{Field, Schema};
use datafusion::common::TableReference;
use sqlparser::ast::{
    Expr, FunctionArg, FunctionArgExpr, Ident, ObjectName, Query, TableAlias, TableFactor,
    VisitMut, VisitorMut,
};

use super::buckets::{Width, width_of, wrong_arguments};
use super::evaluate::Evaluator;
use super::expr::{call, number};
use crate::error::{Result, SqlError};
use crate::functions::FSP_KEY;
use crate::functions::datetime::DATETIME;
use crate::functions::datetime::calendar::{Date, join, split};
use crate::insert::Scalar;

const NAME: &str = "CALENDAR";
/// Moments that one call may give.
const ROWS_MAX: usize = 1_000_000;

/// Whether a table factor is a call of CALENDAR.
pub(crate) fn is_calendar(factor: &TableFactor) -> bool {
    let TableFactor::Table {
        name,
        args: Some(_),
        ..
    } = factor
    else {
        return false;
    };
    name.to_string().eq_ignore_ascii_case(NAME)
}

/// Rows by the names that stand for them in the query from now on.
pub(super) type Calendars = Vec<(TableReference, RecordBatch)>;

/// Computes the calls of CALENDAR in a query.
pub(super) fn expand(query: &mut Query, evaluator: &Evaluator<'_>) -> Result<Calendars> {
    let mut expander = Expander {
        evaluator,
        found: Vec::new(),
    };
    match query.visit(&mut expander) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(expander.found),
    }
}

struct Expander<'a> {
    evaluator: &'a Evaluator<'a>,
    found: Calendars,
}

impl VisitorMut for Expander<'_> {
    type Break = SqlError;

    fn pre_visit_table_factor(&mut self, factor: &mut TableFactor) -> ControlFlow<SqlError> {
        if !is_calendar(factor) {
            return ControlFlow::Continue(());
        }
        match self.expand(factor) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => ControlFlow::Break(error),
        }
    }
}

impl Expander<'_> {
    fn expand(&mut self, factor: &mut TableFactor) -> Result<()> {
        let TableFactor::Table {
            name, args, alias, ..
        } = factor
        else {
            return Ok(());
        };
        let given = args.take().map(|args| args.args).unwrap_or_default();
        let [from, to, step] = given.as_slice() else {
            return Err(wrong_arguments(NAME));
        };
        let (from, to) = (self.moment(from)?, self.moment(to)?);
        let step = width_of(expression(step)?, NAME)?;
        let moments = moments(from, to, step).ok_or_else(|| wrong_arguments(NAME))?;
        // No parser accepts the name as typed.
        let table = format!("\u{2}calendar {}", self.found.len());
        *name = ObjectName::from(vec![Ident::with_quote('`', &table)]);
        alias.get_or_insert_with(|| TableAlias {
            explicit: true,
            name: Ident::with_quote('`', NAME.to_lowercase()),
            columns: Vec::new(),
            at: None,
        });
        self.found
            .push((TableReference::bare(table), rows(moments)?));
        Ok(())
    }

    fn moment(&self, arg: &FunctionArg) -> Result<i64> {
        let moment = call("cast_datetime", vec![expression(arg)?.clone(), number(6)]);
        match self.evaluator.evaluate(&moment)? {
            Scalar::DateTime { micros, .. } => Ok(micros),
            _ => Err(wrong_arguments(NAME)),
        }
    }
}

fn expression(arg: &FunctionArg) -> Result<&Expr> {
    match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Ok(expr),
        _ => Err(wrong_arguments(NAME)),
    }
}

/// `None` when there are too many.
fn moments(from: i64, to: i64, step: Width) -> Option<Vec<i64>> {
    let (days, time) = split(from);
    let first = Date::from_days(days);
    let mut moments = Vec::new();
    for i in 0.. {
        // Steps of months are counted from the first moment: the 31st stays the last day of a month.
        let moment = match step {
            Width::Micros(micros) => from.checked_add(micros.checked_mul(i)?)?,
            Width::Months(months) => join(first.add_months(months.checked_mul(i)?)?.days(), time),
        };
        if moment >= to {
            break;
        }
        if moments.len() == ROWS_MAX {
            return None;
        }
        moments.push(moment);
    }
    Some(moments)
}

fn rows(moments: Vec<i64>) -> Result<RecordBatch> {
    let whole = moments.iter().all(|moment| moment % 1_000_000 == 0);
    let digits = if whole { "0" } else { "6" };
    let digits = [(FSP_KEY.to_owned(), digits.to_owned())];
    let field = Field::new("bucket", DATETIME, false).with_metadata(digits.into());
    let column = Arc::new(TimestampMicrosecondArray::from(moments));
    RecordBatch::try_new(Arc::new(Schema::new(vec![field])), vec![column])
        .map_err(|e| SqlError::internal(format!("Internal error: {e}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn moments_end_before_the_last_one() {
        assert_eq!(moments(0, 10, Width::Micros(4)), Some(vec![0, 4, 8]));
        assert_eq!(moments(0, 0, Width::Micros(4)), Some(vec![]));
        assert_eq!(moments(0, i64::MAX, Width::Micros(1)), None);
        let day = |y, m, d| join(Date::new(y, m, d).expect("a day").days(), 0);
        let months = moments(day(2026, 1, 31), day(2026, 4, 1), Width::Months(1));
        let expected = vec![day(2026, 1, 31), day(2026, 2, 28), day(2026, 3, 31)];
        assert_eq!(months, Some(expected));
    }
}
