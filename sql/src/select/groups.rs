//! Columns beside groups that are not grouped by: MySQL takes them when they depend on what is grouped by (a
//! key of their table is), and any of them when sql_mode lacks ONLY_FULL_GROUP_BY. Here they become
//! ANY_VALUE(column). Others are left for the planner, which refuses them.

use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, GroupByExpr, Ident,
    OrderByExpr, Query, Select, SelectItem, SelectItemQualifiedWildcardKind, TableFactor, VisitMut,
    VisitorMut,
};

use super::expr::{binary, call, number};
use super::rewrite::{Scope, has_aggregate, has_aggregate_item};
use crate::error::{Result, SqlError};

/// A table in FROM.
struct Source {
    /// Lower case.
    name: String,
    columns: Vec<String>,
    /// A key of it is grouped by: its other columns have one value in a group.
    determined: bool,
}

/// What of a SELECT decides about its columns.
pub(super) struct Groups {
    expressions: Vec<Expr>,
    sources: Vec<Source>,
    /// Any column is taken.
    loose: bool,
}

impl Groups {
    /// `None`: the SELECT has no groups, or nothing has to be done.
    pub(super) fn of(select: &Select, scope: &dyn Scope) -> Option<Self> {
        let GroupByExpr::Expressions(items, _) = &select.group_by else {
            return None;
        };
        let aggregates = select.projection.iter().any(has_aggregate_item)
            || select.having.as_ref().is_some_and(has_aggregate);
        if items.is_empty() && !aggregates {
            return None;
        }
        let mut expressions = Vec::new();
        for item in items {
            match item {
                Expr::Rollup(sets) => expressions.extend(sets.iter().flatten().cloned()),
                other => expressions.push(other.clone()),
            }
        }
        let mut groups = Self {
            expressions,
            sources: Vec::new(),
            loose: scope.groups_loosely(),
        };
        let is_rollup = matches!(items.as_slice(), [Expr::Rollup(_)]);
        for from in &select.from {
            let joined = from.joins.iter().map(|join| &join.relation);
            for factor in std::iter::once(&from.relation).chain(joined) {
                let source = groups.source(factor, scope);
                groups.sources.extend(source);
            }
        }
        // A row of sub-totals has rows of several keys.
        let determined = !is_rollup && groups.sources.iter().any(|source| source.determined);
        (groups.loose || determined).then_some(groups)
    }

    fn source(&self, factor: &TableFactor, scope: &dyn Scope) -> Option<Source> {
        let TableFactor::Table { name, alias, .. } = factor else {
            return None;
        };
        let called = match alias {
            Some(alias) => alias.name.value.to_lowercase(),
            None => name.0.last()?.as_ident()?.value.to_lowercase(),
        };
        let columns = scope.columns(name)?;
        let is_grouped = |column: &String| {
            self.expressions.iter().any(|expr| match expr {
                Expr::Identifier(ident) => ident.value == *column,
                Expr::CompoundIdentifier(parts) => {
                    let [.., table, last] = parts.as_slice() else {
                        return false;
                    };
                    last.value == *column && table.value.to_lowercase() == called
                }
                _ => false,
            })
        };
        let keys = scope.keys(name);
        let determined = keys.iter().any(|key| key.iter().all(is_grouped));
        Some(Source {
            name: called,
            columns,
            determined,
        })
    }

    /// Rewrites the SELECT list and HAVING. 1054 for a column in HAVING that is neither grouped by nor selected.
    pub(super) fn select(&self, select: &mut Select) -> Result<()> {
        self.expand(&mut select.projection);
        if let Some(having) = &mut select.having {
            let selected = select.projection.iter().filter_map(|item| match item {
                SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } => {
                    Some(expr)
                }
                _ => None,
            });
            self.having(having, &selected.cloned().collect::<Vec<_>>())?;
        }
        for item in &mut select.projection {
            if let SelectItem::UnnamedExpr(expr) | SelectItem::ExprWithAlias { expr, .. } = item {
                self.expression(expr);
            }
        }
        Ok(())
    }

    fn having(&self, having: &mut Expr, selected: &[Expr]) -> Result<()> {
        let mut wrap = Wrap {
            groups: self,
            kept: Vec::new(),
            selected: Some(selected),
        };
        match having.visit(&mut wrap) {
            ControlFlow::Break(column) => Err(SqlError::unknown_column(&column, "having clause")),
            ControlFlow::Continue(()) => Ok(()),
        }
    }

    pub(super) fn order_by(&self, items: &mut [OrderByExpr]) {
        for item in items {
            self.expression(&mut item.expr);
        }
    }

    /// Wildcards become the columns they stand for, where these are known.
    fn expand(&self, projection: &mut Vec<SelectItem>) {
        let column = |source: &Source, name: &String| {
            let parts = [&source.name, name].map(|part| Ident::with_quote('`', part));
            SelectItem::ExprWithAlias {
                expr: Expr::CompoundIdentifier(parts.to_vec()),
                alias: Ident::with_quote('`', name),
            }
        };
        let columns = |source: &Source| -> Vec<SelectItem> {
            let columns = source.columns.iter();
            columns.map(|name| column(source, name)).collect()
        };
        let items = std::mem::take(projection);
        for item in items {
            match &item {
                SelectItem::Wildcard(_) if !self.sources.is_empty() => {
                    projection.extend(self.sources.iter().flat_map(columns));
                }
                SelectItem::QualifiedWildcard(
                    SelectItemQualifiedWildcardKind::ObjectName(of),
                    _,
                ) => {
                    let last = of.0.last().and_then(|part| part.as_ident());
                    let called = last.map(|ident| ident.value.to_lowercase());
                    let found = self
                        .sources
                        .iter()
                        .find(|s| Some(&s.name) == called.as_ref());
                    match found {
                        Some(source) => projection.extend(columns(source)),
                        None => projection.push(item),
                    }
                }
                _ => projection.push(item),
            }
        }
    }

    fn expression(&self, expr: &mut Expr) {
        let mut wrap = Wrap {
            groups: self,
            kept: Vec::new(),
            selected: None,
        };
        let _ = expr.visit(&mut wrap);
    }

    /// Whether it is grouped by, or may be taken for it: then it stays as it is.
    fn is_grouped(&self, expr: &Expr) -> bool {
        self.expressions
            .iter()
            .any(|group| same_column(group, expr))
    }

    /// Whether ANY_VALUE of a column says what the column does.
    fn may_be_any(&self, expr: &Expr) -> bool {
        if self.loose {
            return true;
        }
        match expr {
            Expr::Identifier(ident) => {
                let mut with = self
                    .sources
                    .iter()
                    .filter(|s| s.columns.contains(&ident.value));
                with.next().is_some_and(|source| source.determined) && with.next().is_none()
            }
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [.., table, _] => {
                    let table = table.value.to_lowercase();
                    self.sources.iter().any(|s| s.name == table && s.determined)
                }
                _ => false,
            },
            _ => false,
        }
    }
}

/// A row of sub-totals of no rows at all is none: MySQL gives it only when there are groups.
pub(super) fn without_empty_totals(select: &mut Select) {
    let GroupByExpr::Expressions(items, _) = &select.group_by else {
        return;
    };
    if !matches!(items.as_slice(), [Expr::Rollup(_)]) {
        return;
    }
    let mut count = call("count", Vec::new());
    if let Expr::Function(function) = &mut count
        && let FunctionArguments::List(list) = &mut function.args
    {
        list.args = vec![FunctionArg::Unnamed(FunctionArgExpr::Wildcard)];
    }
    let some = binary(count, BinaryOperator::Gt, number(0));
    select.having = Some(match select.having.take() {
        Some(having) => binary(Expr::Nested(Box::new(having)), BinaryOperator::And, some),
        None => some,
    });
}

/// Whether two expressions are the same, or may be names of one column.
fn same_column(one: &Expr, other: &Expr) -> bool {
    match (plain(one), plain(other)) {
        (Expr::Identifier(a), Expr::Identifier(b)) => a.value == b.value,
        (Expr::CompoundIdentifier(parts), Expr::Identifier(name))
        | (Expr::Identifier(name), Expr::CompoundIdentifier(parts)) => {
            parts.last().is_some_and(|last| last.value == name.value)
        }
        (Expr::CompoundIdentifier(a), Expr::CompoundIdentifier(b)) => {
            let values = |parts: &[Ident]| -> Vec<String> {
                let last = parts.iter().rev().take(2);
                last.map(|part| part.value.to_lowercase()).collect()
            };
            values(a) == values(b)
        }
        (a, b) => a == b,
    }
}

fn plain(expr: &Expr) -> &Expr {
    match expr {
        Expr::Nested(inner) => plain(inner),
        other => other,
    }
}

struct Wrap<'a> {
    groups: &'a Groups,
    /// For each expression around whether what is inside stays as it is.
    kept: Vec<bool>,
    /// The only columns that may be named.
    selected: Option<&'a [Expr]>,
}

impl Wrap<'_> {
    fn is_kept(&self) -> bool {
        self.kept.last().is_some_and(|kept| *kept)
    }
}

impl VisitorMut for Wrap<'_> {
    type Break = String;

    fn pre_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.kept.push(true);
        ControlFlow::Continue(())
    }

    fn post_visit_query(&mut self, _: &mut Query) -> ControlFlow<String> {
        self.kept.pop();
        ControlFlow::Continue(())
    }

    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let aggregate = match expr {
            Expr::Function(function) => {
                let name = function.name.to_string().to_lowercase();
                function.over.is_none() && crate::functions::aggregate(&name).is_some()
            }
            _ => false,
        };
        let kept = self.is_kept() || aggregate || self.groups.is_grouped(expr);
        self.kept.push(kept);
        ControlFlow::Continue(())
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<String> {
        let kept = self.kept.pop().unwrap_or(true);
        let is_column = matches!(expr, Expr::Identifier(_) | Expr::CompoundIdentifier(_));
        if !is_column || kept {
            return ControlFlow::Continue(());
        }
        if let Some(selected) = self.selected
            && !selected.iter().any(|item| same_column(item, expr))
        {
            return ControlFlow::Break(expr.to_string().replace('`', ""));
        }
        if self.groups.may_be_any(expr) {
            *expr = call("any_value", vec![expr.clone()]);
        }
        ControlFlow::Continue(())
    }
}
