//! DataFusion's errors as MySQL's.

use std::error::Error;
use std::ops::ControlFlow;

use arrow::error::ArrowError;
use datafusion::common::Column;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use sqlparser::ast::{Expr, GroupByExpr, OrderByKind, Query, Select, SetExpr, Visit, Visitor};

use crate::dialect::{Lexed, parse_query};
use crate::error::SqlError;

/// What an error may refer to: the statement as it was written, the default database.
#[derive(Debug, Clone, Copy, Default)]
pub struct Origin<'a> {
    pub lexed: Option<&'a Lexed>,
    /// Instead of the text, where a statement is run as another one.
    pub written: Option<&'a Query>,
    pub database: Option<&'a str>,
}

impl Origin<'_> {
    /// The statement's tree before anything was rewritten.
    fn query(&self) -> Option<Query> {
        match self.written {
            Some(query) => Some(query.clone()),
            None => self.lexed.and_then(|lexed| parse_query(lexed).ok()),
        }
    }
}

/// The client's view of a planning or execution error.
pub fn client_error(error: DataFusionError, origin: Origin<'_>) -> SqlError {
    if let Some(own) = own_error(&error) {
        return own;
    }
    match root(&error) {
        DataFusionError::SchemaError(schema, _) => schema_error(schema, origin),
        DataFusionError::ResourcesExhausted(_) => SqlError::out_of_memory(),
        DataFusionError::NotImplemented(what) => SqlError::not_supported(what),
        DataFusionError::ArrowError(e, _) => arrow_error(e),
        DataFusionError::Plan(message) => plan_error(message, origin),
        DataFusionError::Execution(text) if text.contains("returned more than one row") => {
            SqlError::new(1242, "21000", "Subquery returns more than 1 row")
        }
        other => {
            let text = other.strip_backtrace();
            wrapped(&text).unwrap_or_else(|| {
                tracing::warn!(error = %other, "statement failed");
                SqlError::internal(first_line(&text))
            })
        }
    }
}

/// An error of ours of which DataFusion kept only the text, as it does when argument types are
/// coerced: "... External error: ERROR 1582 (42000): Incorrect ... 'LENGTH'. No function matches ...".
fn wrapped(text: &str) -> Option<SqlError> {
    let own = text.split_once("External error: ERROR ")?.1;
    let own = own.split(". No function matches").next()?;
    let (code, rest) = own.split_once(" (")?;
    let (state, message) = rest.split_once("): ")?;
    let state = match state {
        "42000" => "42000",
        "22003" => "22003",
        _ => "HY000",
    };
    Some(SqlError::new(
        code.parse().ok()?,
        state,
        first_line(message),
    ))
}

fn first_line(text: &str) -> String {
    text.lines().next().unwrap_or_default().to_string()
}

fn root(error: &DataFusionError) -> &DataFusionError {
    match error {
        DataFusionError::Context(_, inner) | DataFusionError::Diagnostic(_, inner) => root(inner),
        DataFusionError::Shared(inner) => root(inner),
        DataFusionError::Collection(all) => all.first().map_or(error, root),
        DataFusionError::ArrowError(arrow, _) => match arrow.as_ref() {
            ArrowError::ExternalError(e) => e.downcast_ref().map_or(error, root),
            _ => error,
        },
        other => other,
    }
}

/// An error that was ours to begin with, wherever it is wrapped.
fn own_error(error: &DataFusionError) -> Option<SqlError> {
    let mut next: Option<&(dyn Error + 'static)> = Some(root(error));
    while let Some(e) = next {
        if let Some(own) = e.downcast_ref::<SqlError>() {
            return Some(own.clone());
        }
        if let Some(storage) = e.downcast_ref::<storno_storage::Error>() {
            return Some(SqlError::from(storage.clone()));
        }
        next = match e.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            _ => e.source(),
        };
    }
    None
}

fn arrow_error(error: &ArrowError) -> SqlError {
    match error {
        ArrowError::ArithmeticOverflow(_) => {
            SqlError::new(1690, "22003", "DECIMAL value is out of range")
        }
        ArrowError::DivideByZero => SqlError::new(1365, "22012", "Division by 0"),
        other => {
            tracing::warn!(error = %other, "statement failed");
            SqlError::internal(first_line(&other.to_string()))
        }
    }
}

fn schema_error(error: &SchemaError, origin: Origin<'_>) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let (name, clause) = place_of(field, origin);
            SqlError::unknown_column(&name, clause)
        }
        SchemaError::AmbiguousReference { field } => {
            let (name, clause) = place_of(field, origin);
            let text = format!("Column '{name}' in {clause} is ambiguous");
            SqlError::new(1052, "23000", text)
        }
        SchemaError::DuplicateQualifiedField { qualifier, .. } => SqlError::new(
            1066,
            "42000",
            format!("Not unique table/alias: '{}'", qualifier.table()),
        ),
        SchemaError::DuplicateUnqualifiedField { name } => {
            SqlError::new(1060, "42S21", format!("Duplicate column name '{name}'"))
        }
    }
}

fn plan_error(message: &str, origin: Origin<'_>) -> SqlError {
    let between = |start: &str, end: char| -> Option<String> {
        let rest = message.split_once(start)?.1;
        rest.split(end).next().map(str::to_string)
    };
    if let Some(name) = between("Invalid function '", '\'') {
        let database = origin.database.map(|d| format!("{d}.")).unwrap_or_default();
        let text = format!("FUNCTION {database}{name} does not exist");
        return SqlError::new(1305, "42000", text);
    }
    if let Some(own) = wrapped(message) {
        return own;
    }
    if let Some(name) = message.strip_prefix("Invalid qualifier ") {
        let name = first_line(name);
        return SqlError::new(1051, "42S02", format!("Unknown table '{name}'"));
    }
    if message.starts_with("Too many columns! The subquery should only return one column") {
        return SqlError::new(1241, "21000", "Operand should contain 1 column(s)");
    }
    if message.contains("cannot be nested") || message.contains("not allowed in the WHERE") {
        return SqlError::new(1111, "HY000", "Invalid use of group function");
    }
    if message.contains("must appear in the GROUP BY clause")
        && origin.query().is_some_and(|q| has_no_groups(&q))
    {
        return SqlError::new(
            1140,
            "42000",
            "In aggregated query without GROUP BY, an expression of SELECT list contains \
             nonaggregated column; this is incompatible with sql_mode=only_full_group_by",
        );
    }
    if message.contains("must appear in the GROUP BY clause") || message.contains("GROUP BY") {
        return SqlError::new(
            1055,
            "42000",
            format!(
                "Expression of SELECT list is not in GROUP BY clause and contains nonaggregated \
                 column; this is incompatible with sql_mode=only_full_group_by ({})",
                first_line(message)
            ),
        );
    }
    if message.contains("different number of columns") {
        let text = "The used SELECT statements have a different number of columns";
        return SqlError::new(1222, "21000", text);
    }
    if message.contains("Projections require unique") || message.contains("same name") {
        let name = between("\"", '"').unwrap_or_default();
        return SqlError::new(1060, "42S21", format!("Duplicate column name '{name}'"));
    }
    SqlError::internal(first_line(message))
}

fn has_no_groups(query: &Query) -> bool {
    match query.body.as_ref() {
        SetExpr::Select(select) => {
            matches!(&select.group_by, GroupByExpr::Expressions(items, _) if items.is_empty())
        }
        _ => false,
    }
}

/// A column's name as it was written and the clause, as MySQL words it, in which it stands first:
/// inner queries are looked at before the outer ones.
fn place_of(column: &Column, origin: Origin<'_>) -> (String, &'static str) {
    let name = match &column.relation {
        Some(relation) => format!("{}.{}", relation.table(), column.name),
        None => column.name.clone(),
    };
    let found = origin.query().and_then(|query| {
        let mut search = InQueries(&name);
        match query.visit(&mut search) {
            ControlFlow::Break(found) => Some(found),
            ControlFlow::Continue(()) => None,
        }
    });
    found.unwrap_or((name, "field list"))
}

type Place = (String, &'static str);

struct InQueries<'a>(&'a str);

impl Visitor for InQueries<'_> {
    type Break = Place;

    fn post_visit_query(&mut self, query: &Query) -> ControlFlow<Place> {
        let place = body_place(&query.body, self.0).or_else(|| {
            let order = query.order_by.as_ref()?;
            match &order.kind {
                OrderByKind::Expressions(items) => mention(items, self.0, "order clause"),
                _ => None,
            }
        });
        match place {
            Some(place) => ControlFlow::Break(place),
            None => ControlFlow::Continue(()),
        }
    }
}

fn body_place(body: &SetExpr, name: &str) -> Option<Place> {
    match body {
        SetExpr::Select(select) => select_place(select, name),
        SetExpr::SetOperation { left, right, .. } => {
            body_place(left, name).or_else(|| body_place(right, name))
        }
        // Visited by itself.
        _ => None,
    }
}

fn select_place(select: &Select, name: &str) -> Option<Place> {
    let groups = match &select.group_by {
        GroupByExpr::Expressions(items, _) => items.as_slice(),
        _ => &[],
    };
    mention(&select.projection, name, "field list")
        .or_else(|| mention(&select.from, name, "on clause"))
        .or_else(|| mention(&select.selection, name, "where clause"))
        .or_else(|| mention(&groups.to_vec(), name, "group statement"))
        .or_else(|| mention(&select.having, name, "having clause"))
}

/// The column `name` ("table.column" or "column") where a part of a query names it itself.
fn mention(part: &impl Visit, name: &str, clause: &'static str) -> Option<Place> {
    struct Find<'a> {
        name: &'a str,
        queries: usize,
    }
    impl Visitor for Find<'_> {
        type Break = String;
        fn pre_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
            self.queries += 1;
            ControlFlow::Continue(())
        }
        fn post_visit_query(&mut self, _: &Query) -> ControlFlow<String> {
            self.queries -= 1;
            ControlFlow::Continue(())
        }
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
            let written = match expr {
                Expr::Identifier(ident) => ident.value.clone(),
                Expr::CompoundIdentifier(parts) => {
                    let parts: Vec<&str> = parts.iter().map(|i| i.value.as_str()).collect();
                    parts.join(".")
                }
                _ => return ControlFlow::Continue(()),
            };
            match self.queries == 0 && written.eq_ignore_ascii_case(self.name) {
                true => ControlFlow::Break(written),
                false => ControlFlow::Continue(()),
            }
        }
    }
    match part.visit(&mut Find { name, queries: 0 }) {
        ControlFlow::Break(written) => Some((written, clause)),
        ControlFlow::Continue(()) => None,
    }
}
