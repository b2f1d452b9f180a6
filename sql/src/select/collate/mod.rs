//! Collations in logical plans: which one applies where, and what becomes of operators under it.
//!
//! Before DataFusion's rules see a plan, whatever compares, groups or orders strings is put in terms of
//! `functions::collated`: a string meets a literal in a function of the collation, other strings meet as
//! keys. `derive` finds the collation of an expression, `expr` rewrites expressions and `node` the
//! operators of a plan. Strings that compare by their bytes alone stay as they are, and prune.

mod derive;
mod expr;
mod node;

use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;

pub(crate) use derive::COLLATION_KEY;

/// A plan in terms of keys. `connection`: the collation of literals.
pub(crate) fn collated(plan: LogicalPlan, connection: &str) -> Result<LogicalPlan> {
    let rewrite = |plan| node::rewrite(plan, connection);
    Ok(plan.transform_up_with_subqueries(rewrite)?.data)
}
