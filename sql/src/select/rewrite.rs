//! MySQL's query clauses, rewritten on the tree: names, aliases, ordinals, HAVING, LIMIT.
//!
//! MySQL looks a name in GROUP BY and HAVING up among the columns first and the aliases second, a
//! plain name in ORDER BY the other way round; the planner only knows parts of this, so aliases are
//! replaced by what they stand for.

use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{
    BinaryOperator, Expr, GroupByExpr, GroupByWithModifier, Ident, JoinConstraint, JoinOperator,
    LimitClause, ObjectName, OrderByKind, Query, Select, SelectItem, SetExpr, TableAlias,
    TableFactor, TableWithJoins, Value, VisitMut, VisitorMut,
};

use super::aliases::{Aliases, aliases_of, first_aliases};
use super::balance::{balance, balance_unions};
use super::exists;
use super::expr::{self, Environment, binary, number, truth};
use super::groups::{self, Groups};
use super::rows;
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::types::QuotedName;

/// Adds to the session what name look-up needs from the catalog.
pub trait Scope: Environment {
    /// Lower-case column names of a table; `None` when it is not in the catalog (a CTE, say).
    fn columns(&self, table: &ObjectName) -> Option<Vec<String>>;
    /// The same of its unique keys without NULL.
    fn keys(&self, table: &ObjectName) -> Vec<Vec<String>>;
    /// sql_mode lacks ONLY_FULL_GROUP_BY.
    fn groups_loosely(&self) -> bool;
}

/// Rewrites a whole query, sub-queries included.
pub fn rewrite_query(query: &mut Query, scope: &dyn Scope) -> Result<()> {
    let flow = query.visit(&mut Rewriter { scope });
    match flow {
        ControlFlow::Break(error) => return Err(error),
        ControlFlow::Continue(()) => {}
    }
    unique_names(query);
    Ok(())
}

/// Rewrites a free-standing expression (SET, DEFAULT, VALUES).
pub fn rewrite_expression(expr: &mut Expr, scope: &dyn Scope) -> Result<()> {
    match expr.visit(&mut Rewriter { scope }) {
        ControlFlow::Break(error) => Err(error),
        ControlFlow::Continue(()) => Ok(()),
    }
}

struct Rewriter<'a> {
    scope: &'a dyn Scope,
}

impl VisitorMut for Rewriter<'_> {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        match tables_as_selects(&mut query.body) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        }
    }

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<SqlError> {
        match expr::rewrite(expr, self.scope) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        }
    }

    fn post_visit_query(&mut self, query: &mut Query) -> ControlFlow<SqlError> {
        match self.query(query) {
            Ok(()) => ControlFlow::Continue(()),
            Err(e) => ControlFlow::Break(e),
        }
    }
}

impl Rewriter<'_> {
    fn query(&mut self, query: &mut Query) -> Result<()> {
        query.locks.clear();
        if !query.pipe_operators.is_empty() || query.fetch.is_some() || query.settings.is_some() {
            return Err(SqlError::syntax(&query.to_string(), 1));
        }
        for cte in query.with.iter_mut().flat_map(|w| &mut w.cte_tables) {
            alias_columns(&mut cte.alias);
        }
        if let Some(limit) = &mut query.limit_clause {
            limits(limit)?;
        }
        let aliases = match query.body.as_mut() {
            SetExpr::Select(select) => {
                let (names, groups) = self.select(select)?;
                self.order_by(query, &names)?;
                if let (Some(groups), Some(order_by)) = (groups, &mut query.order_by)
                    && let OrderByKind::Expressions(items) = &mut order_by.kind
                {
                    groups.order_by(items);
                }
                return Ok(());
            }
            other => first_aliases(other),
        };
        self.bodies(&mut query.body)?;
        balance_unions(&mut query.body);
        self.order_by(query, &aliases)
    }

    fn bodies(&mut self, body: &mut SetExpr) -> Result<()> {
        match body {
            SetExpr::Select(select) => self.select(select).map(drop),
            SetExpr::SetOperation { left, right, .. } => {
                self.bodies(left)?;
                self.bodies(right)
            }
            // A parenthesised query was visited by itself.
            SetExpr::Query(_) | SetExpr::Values(_) => Ok(()),
            _ => Err(SqlError::not_supported("this kind of query expression")),
        }
    }

    /// Rewrites one SELECT and returns its aliases with what they stand for, and what its ORDER BY may name.
    fn select(&mut self, select: &mut Select) -> Result<(Aliases, Option<Groups>)> {
        if select.into.is_some() {
            return Err(SqlError::not_supported("SELECT ... INTO"));
        }
        select.optimizer_hints.clear();
        select.select_modifiers = None;
        let mut columns = HashSet::new();
        for table in &mut select.from {
            self.table_with_joins(table, &mut columns)?;
        }
        if is_dual(&select.from) {
            select.from.clear();
        }
        for item in &mut select.projection {
            if let SelectItem::ExprWithAlias { alias, .. } = item {
                *alias = expr::column_ident(alias);
            }
            if let SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } = item {
                rows::refuse_row(e)?;
            }
            exists::as_counts(item)?;
        }
        let aliases = Aliases {
            items: aliases_of(select),
            columns,
        };
        if let Some(selection) = select.selection.take() {
            select.selection = Some(balance(truth(selection)));
        }
        group_by(select, &aliases)?;
        having(select, &aliases);
        groups::without_empty_totals(select);
        let groups = Groups::of(select, self.scope);
        if let Some(groups) = &groups {
            groups.select(select)?;
        }
        Ok((aliases, groups))
    }

    fn table_with_joins(
        &mut self,
        table: &mut TableWithJoins,
        columns: &mut HashSet<String>,
    ) -> Result<()> {
        self.table(&mut table.relation, columns)?;
        for join in &mut table.joins {
            self.table(&mut join.relation, columns)?;
            if matches!(join.join_operator, JoinOperator::StraightJoin(_)) {
                let JoinOperator::StraightJoin(constraint) = join.join_operator.clone() else {
                    continue;
                };
                join.join_operator = JoinOperator::Inner(constraint);
            }
            if let Some(constraint) = join_constraint(&mut join.join_operator) {
                match constraint {
                    JoinConstraint::On(condition) => {
                        let old = std::mem::replace(condition, number(1));
                        *condition = balance(truth(old));
                    }
                    JoinConstraint::Using(names) => names.iter_mut().for_each(lower_name),
                    _ => {}
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, table: &mut TableFactor, columns: &mut HashSet<String>) -> Result<()> {
        match table {
            TableFactor::Table {
                name,
                alias,
                args,
                partitions,
                index_hints,
                ..
            } => {
                if args.is_some() {
                    return Err(SqlError::not_supported("table function"));
                }
                if !partitions.is_empty() {
                    return Err(SqlError::not_supported("PARTITION selection"));
                }
                index_hints.clear();
                columns.extend(self.scope.columns(name).unwrap_or_default());
                if let Some(alias) = alias {
                    alias_columns(alias);
                }
                Ok(())
            }
            TableFactor::Derived {
                subquery, alias, ..
            } => {
                let Some(alias) = alias else {
                    let text = "Every derived table must have its own alias";
                    return Err(SqlError::new(1248, "42000", text));
                };
                alias_columns(alias);
                columns.extend(alias.columns.iter().map(|c| c.name.value.to_lowercase()));
                columns.extend(
                    first_aliases(&subquery.body)
                        .items
                        .into_iter()
                        .map(|(n, _)| n),
                );
                Ok(())
            }
            TableFactor::NestedJoin {
                table_with_joins, ..
            } => self.table_with_joins(table_with_joins, columns),
            _ => Err(SqlError::not_supported("this kind of table reference")),
        }
    }

    /// A plain alias or output column becomes its ordinal; aliases inside expressions their expression.
    fn order_by(&mut self, query: &mut Query, aliases: &Aliases) -> Result<()> {
        let Some(order_by) = &mut query.order_by else {
            return Ok(());
        };
        let OrderByKind::Expressions(items) = &mut order_by.kind else {
            return Err(SqlError::syntax("ALL", 1));
        };
        // ORDER BY NULL asks for no order.
        items.retain(|i| !matches!(&i.expr, Expr::Value(v) if v.value == Value::Null));
        for item in items.iter_mut() {
            match aliases.position(&item.expr) {
                Some(position) => item.expr = number(position + 1),
                None if is_number(&item.expr) => aliases.check_ordinal(&item.expr)?,
                None => aliases.substitute(&mut item.expr),
            }
        }
        if items.is_empty() {
            query.order_by = None;
        }
        Ok(())
    }
}

fn group_by(select: &mut Select, aliases: &Aliases) -> Result<()> {
    let GroupByExpr::Expressions(items, modifiers) = &mut select.group_by else {
        return Err(SqlError::syntax("ALL", 1));
    };
    for item in items.iter_mut() {
        match ordinal(item) {
            Some(n) => {
                let target = n.checked_sub(1).and_then(|i| aliases.items.get(i));
                let Some((_, Some(expr))) = target else {
                    let text = format!("Unknown column '{n}' in 'group statement'");
                    return Err(SqlError::new(1054, "42S22", text));
                };
                *item = expr.clone();
            }
            None => aliases.substitute(item),
        }
    }
    if modifiers.as_slice() == [GroupByWithModifier::Rollup] {
        let sets = items.drain(..).map(|e| vec![e]).collect();
        items.push(Expr::Rollup(sets));
        modifiers.clear();
    }
    Ok(())
}

/// HAVING without groups and aggregates filters the rows, as WHERE does.
fn having(select: &mut Select, aliases: &Aliases) {
    let Some(mut condition) = select.having.take() else {
        return;
    };
    aliases.substitute(&mut condition);
    let condition = balance(truth(condition));
    let no_groups =
        matches!(&select.group_by, GroupByExpr::Expressions(items, _) if items.is_empty());
    let projected = select.projection.iter().any(has_aggregate_item);
    if no_groups && !projected && !has_aggregate(&condition) {
        select.selection = Some(match select.selection.take() {
            Some(selection) => binary(selection, BinaryOperator::And, condition),
            None => condition,
        });
    } else {
        select.having = Some(condition);
    }
}

/// `TABLE t` is `SELECT * FROM t`.
fn tables_as_selects(body: &mut SetExpr) -> Result<()> {
    match body {
        SetExpr::SetOperation { left, right, .. } => {
            tables_as_selects(left)?;
            tables_as_selects(right)
        }
        SetExpr::Table(table) => {
            let names = table.schema_name.iter().chain(&table.table_name);
            let names: Vec<String> = names.map(|n| QuotedName(n).to_string()).collect();
            let select = format!("SELECT * FROM {}", names.join("."));
            *body = *parse_query(&lex(&select)?)?.body;
            Ok(())
        }
        _ => Ok(()),
    }
}

/// Does a select item call an aggregate?
pub(super) fn has_aggregate_item(item: &SelectItem) -> bool {
    match item {
        SelectItem::UnnamedExpr(e) | SelectItem::ExprWithAlias { expr: e, .. } => has_aggregate(e),
        _ => false,
    }
}

pub(super) fn has_aggregate(expr: &Expr) -> bool {
    let mut tree = expr.clone();
    tree.visit(&mut FindAggregate).is_break()
}

struct FindAggregate;

impl VisitorMut for FindAggregate {
    type Break = ();
    fn pre_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        match expr {
            Expr::Function(f)
                if f.over.is_none()
                    && crate::functions::aggregate(&f.name.to_string().to_lowercase())
                        .is_some() =>
            {
                ControlFlow::Break(())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

fn join_constraint(operator: &mut JoinOperator) -> Option<&mut JoinConstraint> {
    use JoinOperator as J;
    match operator {
        J::Join(c)
        | J::Inner(c)
        | J::Left(c)
        | J::LeftOuter(c)
        | J::Right(c)
        | J::RightOuter(c)
        | J::CrossJoin(c)
        | J::FullOuter(c) => Some(c),
        _ => None,
    }
}

fn lower_name(name: &mut ObjectName) {
    let idents = name
        .0
        .iter()
        .filter_map(|p| p.as_ident())
        .map(expr::column_ident);
    *name = ObjectName::from(idents.collect::<Vec<_>>());
}

fn alias_columns(alias: &mut TableAlias) {
    for column in &mut alias.columns {
        column.name = expr::column_ident(&column.name);
    }
}

fn is_dual(from: &[TableWithJoins]) -> bool {
    matches!(from, [TableWithJoins { relation: TableFactor::Table { name, .. }, joins }]
        if joins.is_empty() && name.to_string().eq_ignore_ascii_case("dual"))
}

fn is_number(expr: &Expr) -> bool {
    matches!(expr, Expr::Value(v) if matches!(v.value, Value::Number(..)))
}

pub(super) fn ordinal(expr: &Expr) -> Option<usize> {
    match expr {
        Expr::Value(v) => match &v.value {
            Value::Number(n, _) => n.parse().ok(),
            _ => None,
        },
        _ => None,
    }
}

/// `LIMIT 18446744073709551615` means no limit; the planner counts in i64. A parameter may come as text,
/// and as NULL, which counts as 0.
pub(super) fn limits(clause: &mut LimitClause) -> Result<()> {
    let clamp = |e: &mut Expr| {
        let count = match &*e {
            Expr::Value(v) => match &v.value {
                Value::Number(n, _) | Value::SingleQuotedString(n) => n.parse::<u64>().ok(),
                Value::Null => Some(0),
                _ => None,
            },
            _ => None,
        };
        let count = count.ok_or_else(|| SqlError::syntax(&e.to_string(), 1))?;
        *e = number(i64::try_from(count).unwrap_or(i64::MAX));
        Ok(())
    };
    match clause {
        LimitClause::LimitOffset { limit, offset, .. } => {
            limit.as_mut().map_or(Ok(()), clamp)?;
            offset.as_mut().map_or(Ok(()), |o| clamp(&mut o.value))
        }
        LimitClause::OffsetCommaLimit { offset, limit } => {
            clamp(offset)?;
            clamp(limit)
        }
    }
}

/// The planner wants output names to differ; MySQL does not care. Names shown to the client come
/// from the statement's text, so repeated ones may be renamed freely.
fn unique_names(query: &mut Query) {
    let mut body = query.body.as_mut();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(inner) => body = inner.body.as_mut(),
            _ => return,
        }
    };
    let mut seen = HashSet::new();
    for (i, item) in select.projection.iter_mut().enumerate() {
        let (expr, name) = match &*item {
            SelectItem::UnnamedExpr(e @ Expr::Identifier(i)) => (e.clone(), i.value.clone()),
            SelectItem::UnnamedExpr(e @ Expr::CompoundIdentifier(parts)) => (
                e.clone(),
                parts.last().map(|i| i.value.clone()).unwrap_or_default(),
            ),
            SelectItem::UnnamedExpr(e) => (e.clone(), String::new()),
            SelectItem::ExprWithAlias { expr, alias } => (expr.clone(), alias.value.clone()),
            _ => continue,
        };
        if name.is_empty() || !seen.insert(name.clone()) {
            let alias = Ident::with_quote('`', format!("{name}:{}", i + 1));
            *item = SelectItem::ExprWithAlias { expr, alias };
        }
    }
}
