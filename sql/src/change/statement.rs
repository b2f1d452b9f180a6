//! UPDATE and DELETE as a query: the positions of the rows concerned, then the assigned values.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Ident, LimitClause, ObjectName,
    ObjectNamePart, OrderBy, OrderByExpr, OrderByKind, Query, SelectItem, SetExpr, Statement,
    TableAlias, TableFactor, TableWithJoins, Update, Value, VisitMut, VisitorMut,
};

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
            Statement::Delete(delete) => Self::delete(delete),
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
        let position = updated_table(&mut from, &names, view)?;
        let target = mark(&mut from, position)?;
        let mut columns: Vec<String> = names.iter().map(|parts| last(parts)).collect();
        if single {
            for parts in &names {
                let table = parts.len().checked_sub(2).and_then(|i| parts.get(i));
                if table.is_some_and(|t| !same_name(t, &target.alias.value)) {
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
        let assignments = columns
            .into_iter()
            .zip(defaults)
            .map(|(column, default)| Assigned { column, default });
        let assignments = Some(assignments.collect());
        let query = Clauses {
            from,
            values,
            selection: update.selection,
            order_by: update.order_by,
            limit: update.limit,
        };
        query.change(target, assignments)
    }

    fn delete(delete: Delete) -> Result<Self> {
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
        let position = match targets.as_slice() {
            [] if is_single(&from) => 0,
            [target] => named_table(&mut from, &target.to_string())?,
            _ => return Err(SqlError::not_supported("DELETE from several tables")),
        };
        let target = mark(&mut from, position)?;
        let query = Clauses {
            from,
            values: Vec::new(),
            selection: delete.selection,
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

fn is_single(from: &[TableWithJoins]) -> bool {
    matches!(from, [one] if one.joins.is_empty())
}

fn tables(from: &mut [TableWithJoins]) -> Vec<&mut TableFactor> {
    let mut all = Vec::new();
    for table in from {
        all.push(&mut table.relation);
        all.extend(table.joins.iter_mut().map(|join| &mut join.relation));
    }
    all
}

fn identifiers(name: &ObjectName) -> Vec<String> {
    let part = |part: &ObjectNamePart| part.as_ident().map(|i| i.value.clone());
    name.0.iter().filter_map(part).collect()
}

fn last(parts: &[String]) -> String {
    parts.last().cloned().unwrap_or_default()
}

fn names_of(from: &[TableWithJoins]) -> Result<Vec<ObjectName>> {
    let name = |table: &TableWithJoins| match &table.relation {
        TableFactor::Table { name, .. } if table.joins.is_empty() => Ok(name.clone()),
        other => Err(SqlError::syntax(&other.to_string(), 1)),
    };
    from.iter().map(name).collect()
}

/// By which name the statement refers to a table.
fn called(factor: &TableFactor) -> Option<String> {
    match factor {
        TableFactor::Table { name, alias, .. } => Some(match alias {
            Some(alias) => alias.name.value.clone(),
            None => last(&identifiers(name)),
        }),
        TableFactor::Derived { alias, .. } => alias.as_ref().map(|a| a.name.value.clone()),
        _ => None,
    }
}

fn named_table(from: &mut [TableWithJoins], name: &str) -> Result<usize> {
    let plain = name.trim_end_matches(".*").replace('`', "");
    let plain = plain.rsplit('.').next().unwrap_or_default();
    let found = tables(from)
        .iter()
        .position(|t| called(t).is_some_and(|c| same_name(&c, plain)));
    found.ok_or_else(|| {
        let text = format!("Unknown table '{plain}' in MULTI DELETE");
        SqlError::new(1109, "42S02", text)
    })
}

/// The one table that all assignments belong to.
fn updated_table(from: &mut [TableWithJoins], names: &[Vec<String>], view: &View) -> Result<usize> {
    if is_single(from) {
        return Ok(0);
    }
    let all = tables(from);
    let has_column = |factor: &TableFactor, column: &str| match factor {
        TableFactor::Table { name, .. } => {
            let definition = view.relation_named(name).and_then(|r| r.definition());
            definition.is_ok_and(|d| d.position(column).is_some())
        }
        _ => false,
    };
    let mut found = None;
    for parts in names {
        let column = last(parts);
        let at = match parts.len().checked_sub(2).and_then(|i| parts.get(i)) {
            Some(table) => all
                .iter()
                .position(|t| called(t).is_some_and(|c| same_name(&c, table))),
            None => all.iter().position(|t| has_column(t, &column)),
        };
        let at = at.ok_or_else(|| SqlError::unknown_column(&parts.join("."), "field list"))?;
        if found.is_some_and(|before| before != at) {
            return Err(SqlError::not_supported("UPDATE of several tables"));
        }
        found = Some(at);
    }
    Ok(found.unwrap_or(0))
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
