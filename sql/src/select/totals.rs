//! The order of a query WITH ROLLUP that asks for none: totals behind the rows they are of, as MySQL gives them.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::error::Result;
use datafusion::functions_aggregate::grouping::grouping_udaf;
use datafusion::logical_expr::expr::{AggregateFunction, GroupingSet};
use datafusion::logical_expr::{
    Aggregate, Expr, Filter, Limit, LogicalPlan, Projection, Sort, SortExpr,
};

/// The plan, sorted where its outermost query groups WITH ROLLUP and has no ORDER BY.
pub(super) fn behind_their_rows(plan: LogicalPlan) -> Result<LogicalPlan> {
    Ok(match plan {
        LogicalPlan::Limit(limit) => {
            let input = Arc::new(behind_their_rows(Arc::unwrap_or_clone(limit.input))?);
            LogicalPlan::Limit(Limit { input, ..limit })
        }
        // Below what it shows, whose names may be those of other columns.
        LogicalPlan::Projection(shown) => {
            let input = sorted(Arc::unwrap_or_clone(shown.input))?;
            LogicalPlan::Projection(Projection::try_new(shown.expr, Arc::new(input))?)
        }
        other => other,
    })
}

/// An aggregate with totals, and the HAVING above it, sorted; others as they are.
fn sorted(plan: LogicalPlan) -> Result<LogicalPlan> {
    let (having, below) = match plan {
        LogicalPlan::Filter(filter) => (Some(filter.predicate), Arc::unwrap_or_clone(filter.input)),
        other => (None, other),
    };
    let (below, order) = match below {
        LogicalPlan::Aggregate(aggregate) => with_levels(aggregate)?,
        other => (other, Vec::new()),
    };
    let filtered = match having {
        Some(having) => LogicalPlan::Filter(Filter::try_new(having, Arc::new(below))?),
        None => below,
    };
    if order.is_empty() {
        return Ok(filtered);
    }
    Ok(LogicalPlan::Sort(Sort {
        expr: order,
        input: Arc::new(filtered),
        fetch: None,
    }))
}

/// The aggregate with columns that tell for each key whether a row is a total over it, and the order by them.
fn with_levels(aggregate: Aggregate) -> Result<(LogicalPlan, Vec<SortExpr>)> {
    let [Expr::GroupingSet(GroupingSet::Rollup(keys))] = aggregate.group_expr.as_slice() else {
        return Ok((LogicalPlan::Aggregate(aggregate), Vec::new()));
    };
    let count = keys.len();
    let levels: Vec<Expr> = keys.iter().cloned().enumerate().map(level).collect();
    let Aggregate {
        input,
        group_expr,
        mut aggr_expr,
        ..
    } = aggregate;
    aggr_expr.extend(levels);
    let aggregate = Aggregate::try_new(input, group_expr, aggr_expr)?;
    let key = |at| Expr::Column(Column::from(aggregate.schema.qualified_field(at)));
    let level = |at| Expr::Column(Column::new_unqualified(level_name(at)));
    let order = (0..count).flat_map(|at| [level(at).sort(true, true), key(at).sort(true, true)]);
    let order = order.collect();
    Ok((LogicalPlan::Aggregate(aggregate), order))
}

fn level((at, key): (usize, Expr)) -> Expr {
    let call =
        AggregateFunction::new_udf(grouping_udaf(), vec![key], false, None, Vec::new(), None);
    Expr::AggregateFunction(call).alias(level_name(at))
}

fn level_name(at: usize) -> String {
    format!("__level_{at}")
}
