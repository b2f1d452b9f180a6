//! Fractional digits of an output column that an aggregate hides: `MIN(ts)` has those of `ts`.
//!
//! Aggregates do not hand on the metadata of their argument, so the plan is followed down to it.

use datafusion::common::Column;
use datafusion::logical_expr::{Expr, LogicalPlan};

use crate::functions::FSP_KEY;

/// Digits of output column `index`; `None` when it is computed some other way.
pub fn of_output(plan: &LogicalPlan, index: usize) -> Option<u8> {
    let (qualifier, field) = plan.schema().iter().nth(index)?;
    of_column(plan, &Column::new(qualifier.cloned(), field.name()))
}

fn of_column(plan: &LogicalPlan, column: &Column) -> Option<u8> {
    let index = plan.schema().maybe_index_of_column(column)?;
    let metadata = plan.schema().field(index).metadata();
    if let Some(fsp) = metadata.get(FSP_KEY) {
        return fsp.parse().ok();
    }
    match plan {
        LogicalPlan::Projection(p) => of_expr(&p.input, p.expr.get(index)?),
        LogicalPlan::Aggregate(a) => {
            let aggregate = a
                .aggr_expr
                .get(index.checked_sub(a.group_expr_len().ok()?)?)?;
            of_expr(&a.input, aggregate)
        }
        LogicalPlan::SubqueryAlias(s) => of_output(&s.input, index),
        LogicalPlan::Filter(_) | LogicalPlan::Sort(_) | LogicalPlan::Limit(_) => plan
            .inputs()
            .first()
            .and_then(|input| of_column(input, column)),
        _ => None,
    }
}

fn of_expr(input: &LogicalPlan, expr: &Expr) -> Option<u8> {
    match expr {
        Expr::Alias(alias) => of_expr(input, &alias.expr),
        Expr::Column(column) => of_column(input, column),
        Expr::AggregateFunction(f) if matches!(f.func.name(), "min" | "max" | "any_value") => {
            of_expr(input, f.params.args.first()?)
        }
        _ => None,
    }
}
