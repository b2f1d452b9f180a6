//! UPDATE and DELETE as a query: the positions of the rows concerned, then the assigned values.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Function, FunctionArg, FunctionArgExpr,
    FunctionArguments, Ident, LimitClause, ObjectName, ObjectNamePart, OrderBy, OrderByExpr,
    OrderByKind, Query, SelectItem, SetExpr, Statement, TableAlias, TableFactor, TableWithJoins,
    Update, Value, VisitMut, VisitorMut,
};

use super::targets::{Targets, identifiers, is_single, last, tables};
use crate::dialect::{lex, parse_query};
use crate::error::{Result, SqlError};
use crate::select::expr::value;
use crate::select::planner::{POSITION, POSITIONS, View};
use crate::types::same_name;

/// What changes, and the query that finds it: the row's position first, then one column for each
/// assignment.
#[derive(Debug, Clone)]
pub struct Change {
    pub schema: Option<String>,
    pub table: String,
    pub query: Query,
    /// `None` for DELETE.
    pub assignments: Option<Vec<Assigned>>,
}

/// `column = expression`, or `column = DEFAULT`.
#[derive(Debug, Clone)]
pub struct Assigned {
    pub column: String,
    pub default: bool,
    /// Columns of the same table of which the value is one as it is, whichever; `None`: of something else.
    pub taken_from: Option<Vec<String>>,
}

/// The table that changes, under the name by which the statement refers to it.
struct Target {
    schema: Option<String>,
    table: String,
    alias: Ident,
}

impl Change {
    /// 1235 for clauses that are not there, 1288 for what is no table.
    pub fn from_ast(statement: Statement, view: &View) -> Result<Self> {
        match statement {
            Statement::Update(update) => Self::update(update, view),
            Statement::Delete(delete) => Self::delete(delete, view),
            other => Err(SqlError::not_supported(&other.to_string())),
        }
    }

    fn update(update: Update, view: &View) -> Result<Self> {
        if update.from.is_some() || update.returning.is_some() || update.or.is_some() {
            return Err(SqlError::not_supported("UPDATE ... FROM or RETURNING"));
        }
        let mut from = vec![update.table];
        let single = is_single(&from);
        let (names, mut values) = assignments(update.assignments)?;
        let (mut selection, mut order_by) = (update.selection, update.order_by);
        let mut position = 0;
        if !single {
            let targets = Targets::of(&mut from, view)?;
            position = targets.updated(&names)?;
            let mut exprs: Vec<&mut Expr> = values.iter_mut().chain(&mut selection).collect();
            exprs.extend(order_by.iter_mut().map(|by| &mut by.expr));
            targets.separate(&mut from, exprs)?;
        }
        let target = mark(&mut from, position)?;
        let mut columns: Vec<String> = names.iter().map(|parts| last(parts)).collect();
        if single {
            let schema = target.schema.as_ref().or(view.database.as_ref());
            for parts in &names {
                let is_target = match parts.as_slice() {
                    [own, table, _] => Some(own) == schema && same_name(table, &target.alias.value),
                    [table, _] => same_name(table, &target.alias.value),
                    _ => true,
                };
                if !is_target {
                    return Err(SqlError::unknown_column(&parts.join("."), "field list"));
                }
            }
            in_sequence(&target.alias.value, &columns, &mut values);
        }
        keep_last(&mut columns, &mut values);
        let defaults = values.iter_mut().map(|expr| {
            let default = is_default(expr);
            if default {
                *expr = value(Value::Null);
            }
            default
        });
        let defaults: Vec<bool> = defaults.collect();
        let own = |expr: &Expr| match expr {
            Expr::Identifier(column) if single => Some(column.value.clone()),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if same_name(&table.value, &target.alias.value) => {
                    Some(column.value.clone())
                }
                _ => None,
            },
            _ => None,
        };
        let assignments = columns.into_iter().zip(defaults).zip(&values);
        let assignments = assignments.map(|((column, default), value)| Assigned {
            column,
            default,
            taken_from: taken_from(value, &own).filter(|_| !default),
        });
        let assignments = Some(assignments.collect());
        let query = Clauses {
            from,
            values,
            selection,
            order_by,
            limit: update.limit,
        };
        query.change(target, assignments)
    }

    fn delete(delete: Delete, view: &View) -> Result<Self> {
        if delete.returning.is_some() {
            return Err(SqlError::not_supported("DELETE ... RETURNING"));
        }
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = delete.from;
        // DELETE a FROM a JOIN b, or DELETE FROM a USING a JOIN b.
        let (mut from, targets) = match (delete.using, delete.tables) {
            (Some(using), tables) if tables.is_empty() => (using, names_of(&from)?),
            (None, tables) => (from, tables),
            _ => return Err(SqlError::syntax("USING", 1)),
        };
        let mut selection = delete.selection;
        let position = match targets.as_slice() {
            [] if is_single(&from) => 0,
            [target] => {
                let targets = Targets::of(&mut from, view)?;
                let position = targets.deleted(target)?;
                targets.separate(&mut from, selection.iter_mut().collect())?;
                position
            }
            _ => return Err(SqlError::not_supported("DELETE from several tables")),
        };
        let target = mark(&mut from, position)?;
        let query = Clauses {
            from,
            values: Vec::new(),
            selection,
            order_by: delete.order_by,
            limit: delete.limit,
        };
        query.change(target, None)
    }
}

struct Clauses {
    from: Vec<TableWithJoins>,
    values: Vec<Expr>,
    selection: Option<Expr>,
    order_by: Vec<OrderByExpr>,
    limit: Option<Expr>,
}

impl Clauses {
    fn change(self, target: Target, assignments: Option<Vec<Assigned>>) -> Result<Change> {
        if !is_single(&self.from) && (!self.order_by.is_empty() || self.limit.is_some()) {
            let text = "Incorrect usage of UPDATE and ORDER BY";
            return Err(SqlError::new(1221, "HY000", text));
        }
        let mut query = parse_query(&lex("SELECT 1")?)?;
        let SetExpr::Select(select) = query.body.as_mut() else {
            return Err(SqlError::internal("SELECT is no SELECT"));
        };
        let position = vec![target.alias, Ident::with_quote('`', POSITION)];
        let position = SelectItem::UnnamedExpr(Expr::CompoundIdentifier(position));
        let values = self.values.into_iter().enumerate();
        let values = values.map(|(i, expr)| SelectItem::ExprWithAlias {
            expr,
            alias: Ident::with_quote('`', format!("assigned {i}")),
        });
        select.projection = std::iter::once(position).chain(values).collect();
        select.from = self.from;
        select.selection = self.selection;
        query.order_by = (!self.order_by.is_empty()).then_some(OrderBy {
            kind: OrderByKind::Expressions(self.order_by),
            interpolate: None,
        });
        query.limit_clause = self.limit.map(|limit| LimitClause::LimitOffset {
            limit: Some(limit),
            offset: None,
            limit_by: Vec::new(),
        });
        Ok(Change {
            schema: target.schema,
            table: target.table,
            query,
            assignments,
        })
    }
}

fn names_of(from: &[TableWithJoins]) -> Result<Vec<ObjectName>> {
    let name = |table: &TableWithJoins| match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => Ok(name.clone()),
        other => Err(SqlError::syntax(&other.to_string(), 1)),
    };
    from.iter().map(name).collect()
}

/// Has the planner give the positions of a table's rows.
fn mark(from: &mut [TableWithJoins], position: usize) -> Result<Target> {
    let mut all = tables(from);
    let factor = all.get_mut(position).map(|f| &mut **f);
    let Some(TableFactor::Table { name, alias, .. }) = factor else {
        let text = "The target table of the UPDATE is not updatable";
        return Err(SqlError::new(1288, "HY000", text));
    };
    let parts = identifiers(name);
    let (schema, table) = match parts.as_slice() {
        [table] => (None, table.clone()),
        [schema, table] => (Some(schema.clone()), table.clone()),
        _ => return Err(SqlError::syntax(&name.to_string(), 1)),
    };
    let alias = alias.get_or_insert_with(|| TableAlias {
        explicit: true,
        name: Ident::with_quote('`', &table),
        columns: Vec::new(),
        at: None,
    });
    let alias = alias.name.clone();
    if let Some(ObjectNamePart::Identifier(ident)) = name.0.last_mut() {
        *ident = Ident::with_quote('`', format!("{table}{POSITIONS}"));
    }
    Ok(Target {
        schema,
        table,
        alias,
    })
}

fn assignments(all: Vec<Assignment>) -> Result<(Vec<Vec<String>>, Vec<Expr>)> {
    let mut names = Vec::new();
    let mut values = Vec::new();
    for assignment in all {
        let AssignmentTarget::ColumnName(name) = &assignment.target else {
            return Err(SqlError::syntax(&assignment.to_string(), 1));
        };
        names.push(identifiers(name));
        values.push(assignment.value);
    }
    Ok((names, values))
}

/// The word DEFAULT.
pub fn is_default(expr: &Expr) -> bool {
    matches!(expr, Expr::Identifier(i)
        if i.quote_style.is_none() && i.value.eq_ignore_ascii_case("default"))
}

/// The columns of which an expression gives one as it is, `own` telling what is a column; `None` when it may give
/// something else. NULL is nothing else.
pub fn taken_from(expr: &Expr, own: &dyn Fn(&Expr) -> Option<String>) -> Option<Vec<String>> {
    let all = |exprs: &[&Expr]| {
        let parts = exprs.iter().map(|e| taken_from(e, own));
        let parts: Option<Vec<Vec<String>>> = parts.collect();
        parts.map(|parts| parts.concat())
    };
    if let Some(column) = own(expr) {
        return Some(vec![column]);
    }
    match expr {
        Expr::Nested(inner) => taken_from(inner, own),
        Expr::Value(v) if v.value == Value::Null => Some(Vec::new()),
        Expr::Case {
            conditions,
            else_result,
            ..
        } => {
            let results = conditions.iter().map(|when| &when.result);
            all(&results.chain(else_result.as_deref()).collect::<Vec<_>>())
        }
        Expr::Function(call) => {
            let args = arguments(call)?;
            match (
                call.name.to_string().to_lowercase().as_str(),
                args.as_slice(),
            ) {
                ("if", [_, then, otherwise]) => all(&[then, otherwise]),
                ("ifnull", [_, _]) | ("coalesce", [_, ..]) => all(&args),
                _ => None,
            }
        }
        _ => None,
    }
}

fn arguments(call: &Function) -> Option<Vec<&Expr>> {
    let FunctionArguments::List(list) = &call.args else {
        return None;
    };
    let args = list.args.iter().map(|arg| match arg {
        FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr),
        _ => None,
    });
    args.collect()
}

/// MySQL assigns from left to right: in `SET a = a + 1, b = a` the second `a` is the new one.
pub fn in_sequence(target: &str, columns: &[String], values: &mut [Expr]) {
    for i in 1..values.len() {
        let (before, rest) = values.split_at_mut(i);
        let known = columns.iter().zip(before.iter());
        let mut assigned = Known {
            target,
            // The last assignment to a column counts.
            values: known.rev().collect(),
        };
        if let Some(expr) = rest.first_mut() {
            let _ = expr.visit(&mut assigned);
        }
    }
}

/// Of several assignments to one column the last one counts.
fn keep_last(columns: &mut Vec<String>, values: &mut Vec<Expr>) {
    for i in (0..columns.len()).rev() {
        let later = columns.get(i + 1..).unwrap_or_default();
        if columns
            .get(i)
            .is_some_and(|c| later.iter().any(|l| same_name(l, c)))
        {
            columns.remove(i);
            values.remove(i);
        }
    }
}

struct Known<'a> {
    target: &'a str,
    values: Vec<(&'a String, &'a Expr)>,
}

impl VisitorMut for Known<'_> {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut Expr) -> ControlFlow<()> {
        let column = match &*expr {
            Expr::Identifier(ident) => Some(&ident.value),
            Expr::CompoundIdentifier(parts) => match parts.as_slice() {
                [table, column] if same_name(&table.value, self.target) => Some(&column.value),
                _ => None,
            },
            _ => None,
        };
        let known = column.and_then(|column| {
            let found = self.values.iter().find(|(name, _)| same_name(name, column));
            found.map(|(_, value)| (*value).clone())
        });
        if let Some(value) = known.filter(|value| !is_default(value)) {
            *expr = Expr::Nested(Box::new(value));
        }
        ControlFlow::Continue(())
    }
}
