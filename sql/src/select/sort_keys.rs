//! ORDER BY over expressions becomes ORDER BY over columns that hold their values.
//!
//! A key is then computed once a row, not once in every operator that keeps the order. It is also a
//! matter of correctness: DataFusion 55 forgets what it knows of an expression's order when a
//! comparison meets a function without bounds, and refuses its own plan.

use std::sync::Arc;

use datafusion::common::Column;
use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, Projection, Sort};
use datafusion::optimizer::single_distinct_to_groupby::SingleDistinctToGroupBy;
use datafusion::optimizer::{ApplyOrder, OptimizerConfig, OptimizerRule};

use super::aggregate::AggregateInStorage;

/// The rule; stateless. It runs last: other rules look for a limit above a sort.
#[derive(Debug)]
pub struct SortKeysAsColumns;

impl OptimizerRule for SortKeysAsColumns {
    fn name(&self) -> &str {
        "sort_keys_as_columns"
    }

    fn apply_order(&self) -> Option<ApplyOrder> {
        Some(ApplyOrder::BottomUp)
    }

    fn supports_rewrite(&self) -> bool {
        true
    }

    fn rewrite(
        &self,
        plan: LogicalPlan,
        _: &dyn OptimizerConfig,
    ) -> Result<Transformed<LogicalPlan>> {
        match plan {
            LogicalPlan::Sort(sort) if !sort.expr.iter().all(|key| is_column(&key.expr)) => {
                over_columns(sort).map(Transformed::yes)
            }
            other => Ok(Transformed::no(other)),
        }
    }
}

fn is_column(expr: &Expr) -> bool {
    matches!(expr, Expr::Column(_) | Expr::Literal(..))
}

/// Projection(columns) over Sort(columns) over Projection(columns and keys).
fn over_columns(sort: Sort) -> Result<LogicalPlan> {
    let columns: Vec<Expr> = sort.input.schema().iter().map(Expr::from).collect();
    let mut projected = columns.clone();
    let mut keys = sort.expr;
    for (i, key) in keys.iter_mut().enumerate() {
        if !is_column(&key.expr) {
            let name = format!("__sort_key_{i}");
            let column = Expr::Column(Column::new_unqualified(&name));
            projected.push(std::mem::replace(&mut key.expr, column).alias(name));
        }
    }
    let computed = Projection::try_new(projected, sort.input)?;
    let sorted = LogicalPlan::Sort(Sort {
        expr: keys,
        input: Arc::new(LogicalPlan::Projection(computed)),
        fetch: sort.fetch,
    });
    Projection::try_new(columns, Arc::new(sorted)).map(LogicalPlan::Projection)
}

/// DataFusion's rules, then ours. COUNT(DISTINCT) is taken apart only where storage does not compute it.
pub fn optimizer_rules() -> Vec<Arc<dyn OptimizerRule + Send + Sync>> {
    let mut rules = datafusion::optimizer::Optimizer::new().rules;
    let distinct = SingleDistinctToGroupBy::new();
    rules.retain(|rule| rule.name() != distinct.name());
    rules.push(Arc::new(AggregateInStorage));
    rules.push(Arc::new(distinct));
    rules.push(Arc::new(SortKeysAsColumns));
    rules
}
