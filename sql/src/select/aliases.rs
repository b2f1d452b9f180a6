//! The names that a SELECT gives its items, and where a clause may mean an item by its name or its position.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Expr, Select, SelectItem, SetExpr, VisitMut, VisitorMut};

use super::rewrite::ordinal;
use crate::error::{Result, SqlError};

/// Output names of a SELECT, in order, each with its expression; and the columns its FROM offers.
pub(super) struct Aliases {
    /// Items before the first wildcard keep their position; `None` marks wildcards.
    pub(super) items: Vec<(String, Option<Expr>)>,
    pub(super) columns: HashSet<String>,
}

impl Aliases {
    /// Which item a plain name in ORDER BY means: positions are known only before a wildcard.
    pub(super) fn position(&self, expr: &Expr) -> Option<usize> {
        let Expr::Identifier(ident) = expr else {
            return None;
        };
        let found = self
            .items
            .iter()
            .position(|(n, e)| *n == ident.value && e.is_some())?;
        self.items
            .iter()
            .take(found)
            .all(|(_, e)| e.is_some())
            .then_some(found)
    }

    /// 1054 for a position behind the last item.
    pub(super) fn check_ordinal(&self, expr: &Expr) -> Result<()> {
        let width = self
            .items
            .iter()
            .all(|(_, e)| e.is_some())
            .then_some(self.items.len());
        match (ordinal(expr), width) {
            (Some(n), Some(width)) if n == 0 || n > width => {
                Err(SqlError::unknown_column(&n.to_string(), "order clause"))
            }
            _ => Ok(()),
        }
    }

    fn expression(&self, name: &str) -> Option<&Expr> {
        if self.columns.contains(name) {
            return None;
        }
        self.items
            .iter()
            .find(|(n, _)| n == name)
            .and_then(|(_, e)| e.as_ref())
    }

    /// Replaces aliases by their expressions, except where a column of that name exists.
    pub(super) fn substitute(&self, expr: &mut Expr) {
        let _ = expr.visit(&mut Substitution(self));
    }
}

struct Substitution<'a>(&'a Aliases);

impl VisitorMut for Substitution<'_> {
    type Break = ();

    // After the children, so that what was put in is not looked at again.
    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        if let Expr::Identifier(ident) = expr
            && let Some(target) = self.0.expression(&ident.value)
        {
            *expr = match target {
                plain @ (Expr::Identifier(_) | Expr::CompoundIdentifier(_) | Expr::Value(_)) => {
                    plain.clone()
                }
                other => Expr::Nested(Box::new(other.clone())),
            };
        }
        ControlFlow::Continue(())
    }
}

pub(super) fn aliases_of(select: &Select) -> Vec<(String, Option<Expr>)> {
    let name = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { expr, alias } => {
            (alias.value.to_lowercase(), Some(expr.clone()))
        }
        SelectItem::UnnamedExpr(e @ Expr::Identifier(i)) => (i.value.clone(), Some(e.clone())),
        SelectItem::UnnamedExpr(e @ Expr::CompoundIdentifier(p)) => (
            p.last().map(|i| i.value.clone()).unwrap_or_default(),
            Some(e.clone()),
        ),
        SelectItem::UnnamedExpr(e) => (e.to_string(), Some(e.clone())),
        _ => (String::new(), None),
    };
    select.projection.iter().map(name).collect()
}

/// Names of a set operation are those of its first SELECT.
pub(super) fn first_aliases(body: &SetExpr) -> Aliases {
    match body {
        SetExpr::Select(select) => Aliases {
            items: aliases_of(select),
            columns: HashSet::new(),
        },
        SetExpr::SetOperation { left, .. } => first_aliases(left),
        SetExpr::Query(query) => first_aliases(&query.body),
        _ => Aliases {
            items: Vec::new(),
            columns: HashSet::new(),
        },
    }
}
