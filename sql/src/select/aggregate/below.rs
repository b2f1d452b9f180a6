//! Expressions on their way down through projections, filters and names.

use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::Result;
use datafusion::logical_expr::{Expr, LogicalPlan, TableScan};

/// Expressions over the operator that was come to, and the filters met on the way there.
#[derive(Debug, Clone, Default)]
pub(super) struct Below {
    pub(super) exprs: Vec<Expr>,
    pub(super) filters: Vec<Expr>,
}

impl Below {
    /// To a table; `None` if there is anything else on the way.
    pub(super) fn descend<'p>(&mut self, plan: &'p LogicalPlan) -> Result<Option<&'p TableScan>> {
        match self.pass(plan)? {
            LogicalPlan::TableScan(scan) if scan.fetch.is_none() => {
                self.filters.extend(scan.filters.iter().cloned());
                Ok(Some(scan))
            }
            _ => Ok(None),
        }
    }

    /// To the first operator that is no filter and gives no columns other names.
    pub(super) fn pass<'p>(&mut self, plan: &'p LogicalPlan) -> Result<&'p LogicalPlan> {
        match plan {
            LogicalPlan::Filter(filter) => {
                self.filters.push(filter.predicate.clone());
                self.pass(&filter.input)
            }
            LogicalPlan::Projection(projection) => {
                self.replace(&projection.schema, |at| {
                    projection.expr.get(at).map(|e| e.clone().unalias())
                })?;
                self.pass(&projection.input)
            }
            LogicalPlan::SubqueryAlias(alias) => {
                let inner = alias.input.schema();
                self.replace(&alias.schema, |at| {
                    (at < inner.fields().len())
                        .then(|| Expr::Column(Column::from(inner.qualified_field(at))))
                })?;
                self.pass(&alias.input)
            }
            other => Ok(other),
        }
    }

    /// Puts what columns of a schema stand for in their place.
    fn replace(&mut self, schema: &DFSchema, of: impl Fn(usize) -> Option<Expr>) -> Result<()> {
        let replaced = |e: Expr| {
            let found = match &e {
                Expr::Column(c) => schema.maybe_index_of_column(c).and_then(&of),
                _ => None,
            };
            Ok(match found {
                Some(found) => Transformed::yes(found),
                None => Transformed::no(e),
            })
        };
        for expr in self.exprs.iter_mut().chain(&mut self.filters) {
            // Upwards: what is put in is not looked at again.
            *expr = std::mem::take(expr).transform_up(replaced)?.data;
        }
        Ok(())
    }
}
