//! Collations in logical plans: which one applies where, and what becomes of operators under it.
//!
//! Before DataFusion's rules see a plan, whatever compares, groups or orders strings is put in terms of
//! `functions::collated`: a string meets a literal in a function of the collation, other strings meet as
//! keys. `derive` finds the collation of an expression, `expr` rewrites expressions and `node` the
//! operators of a plan. Strings that compare by their bytes alone stay as they are, and prune.

mod derive;
mod expr;
mod node;

use std::cell::RefCell;

use datafusion::common::tree_node::Transformed;
use datafusion::error::Result;
use datafusion::logical_expr::LogicalPlan;

pub(crate) use derive::COLLATION_KEY;

/// Before a collation: the name of a query whose literals have that one, not the connection's.
const LITERALS: &str = "\0literals:";

/// The name that gives a query's literals their collation.
pub(super) fn literals_of(collation: &str) -> String {
    format!("{LITERALS}{collation}")
}

/// A plan in terms of keys. `connection`: the collation of literals.
pub(crate) fn collated(plan: LogicalPlan, connection: &str) -> Result<LogicalPlan> {
    let around = RefCell::new(vec![connection.to_owned()]);
    let enter = |plan: LogicalPlan| {
        around.borrow_mut().extend(own_literals(&plan));
        Ok(Transformed::no(plan))
    };
    let leave = |plan: LogicalPlan| {
        if own_literals(&plan).is_some() {
            around.borrow_mut().pop();
        }
        let connection = around.borrow().last().cloned().unwrap_or_default();
        node::rewrite(plan, &connection)
    };
    Ok(plan.transform_down_up_with_subqueries(enter, leave)?.data)
}

fn own_literals(plan: &LogicalPlan) -> Option<String> {
    match plan {
        LogicalPlan::SubqueryAlias(named) => {
            let name = named.alias.table().strip_prefix(LITERALS)?;
            Some(name.to_owned())
        }
        _ => None,
    }
}
