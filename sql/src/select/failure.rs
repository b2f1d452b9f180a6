//! DataFusion's errors as MySQL's.

use std::error::Error;
use std::ops::ControlFlow;

use arrow::error::ArrowError;
use datafusion::common::SchemaError;
use datafusion::error::DataFusionError;
use sqlparser::ast::{Expr, GroupByExpr, OrderByKind, Query, Select, SetExpr, Visit, Visitor};

use crate::error::SqlError;

/// The client's view of a planning or execution error. `query` tells in which clause a name stood.
pub fn client_error(error: DataFusionError, query: Option<&Query>) -> SqlError {
    if let Some(own) = own_error(&error) {
        return own;
    }
    match root(&error) {
        DataFusionError::SchemaError(schema, _) => schema_error(schema, query),
        DataFusionError::ResourcesExhausted(_) => SqlError::new(
            1041,
            "HY000",
            "Out of memory; the statement needs more than its share of the server's memory",
        ),
        DataFusionError::NotImplemented(what) => SqlError::not_supported(what),
        DataFusionError::ArrowError(e, _) => arrow_error(e),
        DataFusionError::Plan(message) => plan_error(message, query),
        other => {
            tracing::warn!(error = %other, "statement failed");
            SqlError::internal(first_line(&other.strip_backtrace()))
        }
    }
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

fn schema_error(error: &SchemaError, query: Option<&Query>) -> SqlError {
    match error {
        SchemaError::FieldNotFound { field, .. } => {
            let name = match &field.relation {
                Some(relation) => format!("{}.{}", relation.table(), field.name),
                None => field.name.clone(),
            };
            let clause = query.map_or("field list", |q| clause_of(q, &field.name));
            SqlError::unknown_column(&name, clause)
        }
        SchemaError::AmbiguousReference { field } => {
            let clause = query.map_or("field list", |q| clause_of(q, &field.name));
            let text = format!("Column '{}' in {clause} is ambiguous", field.name);
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

fn plan_error(message: &str, query: Option<&Query>) -> SqlError {
    let between = |start: &str, end: char| -> Option<String> {
        let rest = message.split_once(start)?.1;
        rest.split(end).next().map(str::to_string)
    };
    if let Some(name) = between("Invalid function '", '\'') {
        return SqlError::new(1305, "42000", format!("FUNCTION {name} does not exist"));
    }
    if message.contains("cannot be nested") || message.contains("not allowed in the WHERE") {
        return SqlError::new(1111, "HY000", "Invalid use of group function");
    }
    if message.contains("must appear in the GROUP BY clause") && query.is_some_and(has_no_groups) {
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
    if message.contains("have the same number of columns") || message.contains("unequal number") {
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

/// The clause, as MySQL words it, in which a column of that name stands first.
fn clause_of(query: &Query, name: &str) -> &'static str {
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(inner) => body = inner.body.as_ref(),
            SetExpr::SetOperation { left, .. } => body = left.as_ref(),
            _ => return "field list",
        }
    };
    let order = query.order_by.iter().any(|o| match &o.kind {
        OrderByKind::Expressions(items) => items.iter().any(|i| mentions(&i.expr, name)),
        _ => false,
    });
    select_clause(select, name).unwrap_or(if order { "order clause" } else { "field list" })
}

fn select_clause(select: &Select, name: &str) -> Option<&'static str> {
    if mentions(&select.projection, name) {
        return Some("field list");
    }
    if mentions(&select.from, name) {
        return Some("on clause");
    }
    if select.selection.as_ref().is_some_and(|e| mentions(e, name)) {
        return Some("where clause");
    }
    if let GroupByExpr::Expressions(items, _) = &select.group_by
        && mentions(items, name)
    {
        return Some("group statement");
    }
    let having = select.having.as_ref().is_some_and(|e| mentions(e, name));
    having.then_some("having clause")
}

fn mentions(tree: &impl Visit, name: &str) -> bool {
    struct Find<'a>(&'a str);
    impl Visitor for Find<'_> {
        type Break = ();
        fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<()> {
            let last = match expr {
                Expr::Identifier(i) => Some(i),
                Expr::CompoundIdentifier(parts) => parts.last(),
                _ => None,
            };
            match last {
                Some(i) if i.value.eq_ignore_ascii_case(self.0) => ControlFlow::Break(()),
                _ => ControlFlow::Continue(()),
            }
        }
    }
    tree.visit(&mut Find(name)).is_break()
}
