//! EXISTS outside of WHERE: the planner knows it as a filter only, so elsewhere rows are counted.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, Ident, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, VisitMut, VisitorMut,
};

use super::expr::{binary, number};
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};

/// Replaces every EXISTS of a select item by `(SELECT COUNT(*) ..) <> 0`.
pub fn as_counts(item: &mut SelectItem) -> Result<()> {
    match item.visit(&mut Counts { depth: 0 }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Counts {
    /// Sub-queries around the expression: their EXISTS are their own affair.
    depth: usize,
}

impl VisitorMut for Counts {
    type Break = SqlError;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth += 1;
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<SqlError> {
        self.depth -= 1;
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        let Expr::Exists { subquery, negated } = expr else {
            return ControlFlow::Continue(());
        };
        if self.depth > 0 {
            return ControlFlow::Continue(());
        }
        match counted(subquery) {
            Ok(query) => {
                let op = match negated {
                    true => BinaryOperator::Eq,
                    false => BinaryOperator::NotEq,
                };
                let test = binary(Expr::Subquery(Box::new(query)), op, number(0));
                *expr = Expr::Nested(Box::new(test));
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}

/// The number of rows of a query, as a query.
fn counted(query: &Query) -> Result<Query> {
    let mut count = parse_query(&lex("SELECT COUNT(*)")?)?;
    let SetExpr::Select(outer) = count.body.as_mut() else {
        return Err(SqlError::internal("Internal error: a SELECT is none"));
    };
    match query.body.as_ref() {
        // A plain SELECT keeps its FROM and WHERE, which may name columns from outside.
        SetExpr::Select(inner) if is_plain(query, inner) => {
            outer.from = inner.from.clone();
            outer.selection = inner.selection.clone();
        }
        _ => {
            outer.from = vec![TableWithJoins {
                relation: TableFactor::Derived {
                    lateral: false,
                    subquery: Box::new(query.clone()),
                    alias: Some(TableAlias {
                        explicit: true,
                        name: Ident::with_quote('`', "exists"),
                        columns: Vec::new(),
                        at: None,
                    }),
                    sample: None,
                },
                joins: Vec::new(),
            }];
        }
    }
    Ok(count)
}

/// As many rows as its FROM and WHERE give?
fn is_plain(query: &Query, select: &Select) -> bool {
    let grouped =
        !matches!(&select.group_by, GroupByExpr::Expressions(items, _) if items.is_empty());
    query.with.is_none()
        && query.limit_clause.is_none()
        && !grouped
        && select.having.is_none()
        && select.distinct.is_none()
        && !select
            .projection
            .iter()
            .any(super::rewrite::has_aggregate_item)
}
