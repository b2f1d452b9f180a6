//! The tables that a syntax tree names, less the names that WITH gives to queries.

use std::ops::ControlFlow;

use sqlparser::ast::{Expr, ObjectName, Query, SetExpr, TableFactor, Visit, Visitor};

use crate::error::{Result, SqlError};
use crate::select::Scopes;
use crate::select::calendar::is_calendar;

/// A table's name as written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    pub schema: Option<String>,
    pub table: String,
}

impl Relation {
    pub fn named(name: &ObjectName) -> Result<Self> {
        let parts: Vec<&str> = name
            .0
            .iter()
            .filter_map(|part| part.as_ident())
            .map(|ident| ident.value.as_str())
            .collect();
        match (parts.as_slice(), name.0.len()) {
            ([table], 1) => Ok(Self {
                schema: None,
                table: (*table).into(),
            }),
            ([schema, table], 2) => Ok(Self {
                schema: Some((*schema).into()),
                table: (*table).into(),
            }),
            _ => Err(SqlError::syntax(&name.to_string(), 1)),
        }
    }
}

/// Every table in a tree, each time it is named.
pub fn relations(tree: &impl Visit) -> Result<Vec<Relation>> {
    let mut finder = Finder::default();
    match tree.visit(&mut finder) {
        ControlFlow::Continue(()) => Ok(finder.found),
        ControlFlow::Break(error) => Err(error),
    }
}

/// The first column that an expression names.
pub fn first_column(tree: &impl Visit) -> Option<String> {
    match tree.visit(&mut FirstColumn) {
        ControlFlow::Break(column) => Some(column),
        ControlFlow::Continue(()) => None,
    }
}

struct FirstColumn;

impl Visitor for FirstColumn {
    type Break = String;

    fn pre_visit_expr(&mut self, expr: &Expr) -> ControlFlow<String> {
        match expr {
            // Variables are no columns.
            Expr::Identifier(ident) if !ident.value.starts_with('@') => {
                ControlFlow::Break(ident.value.clone())
            }
            Expr::CompoundIdentifier(parts) if !parts.iter().any(|p| p.value.starts_with('@')) => {
                let last = parts.last().map(|part| part.value.clone());
                ControlFlow::Break(last.unwrap_or_default())
            }
            _ => ControlFlow::Continue(()),
        }
    }
}

#[derive(Default)]
struct Finder {
    found: Vec<Relation>,
    scopes: Scopes,
    /// The next name is that of a function.
    function: bool,
}

impl Finder {
    fn add(&mut self, relation: Relation) {
        let is_query = relation.schema.is_none() && self.scopes.has(&relation.table);
        let is_dual = relation.schema.is_none() && relation.table.eq_ignore_ascii_case("dual");
        // Files were asked about before they were opened; no parser accepts their names as typed.
        let is_file = crate::files::number_of(&relation.table).is_some();
        if !is_query && !is_dual && !is_file {
            self.found.push(relation);
        }
    }

    /// `TABLE t`, which the tree holds as texts.
    fn add_tables(&mut self, body: &SetExpr) -> ControlFlow<SqlError> {
        let mut bodies = vec![body];
        while let Some(body) = bodies.pop() {
            match body {
                SetExpr::SetOperation { left, right, .. } => bodies.extend([&**left, &**right]),
                SetExpr::Table(table) => self.add(Relation {
                    schema: table.schema_name.clone(),
                    table: table.table_name.clone().unwrap_or_default(),
                }),
                SetExpr::Select(_) | SetExpr::Query(_) | SetExpr::Values(_) => {}
                // Changes by a WITH are not there; here they would be taken for reading.
                _ => return ControlFlow::Break(SqlError::not_supported("WITH ... UPDATE")),
            }
        }
        ControlFlow::Continue(())
    }
}

impl Visitor for Finder {
    type Break = SqlError;

    fn pre_visit_query(&mut self, query: &Query) -> ControlFlow<SqlError> {
        self.scopes.enter(query);
        self.add_tables(&query.body)
    }

    fn post_visit_query(&mut self, _: &Query) -> ControlFlow<SqlError> {
        self.scopes.leave();
        ControlFlow::Continue(())
    }

    fn pre_visit_table_factor(&mut self, factor: &TableFactor) -> ControlFlow<SqlError> {
        self.function = is_calendar(factor);
        ControlFlow::Continue(())
    }

    fn pre_visit_relation(&mut self, name: &ObjectName) -> ControlFlow<SqlError> {
        if std::mem::take(&mut self.function) {
            return ControlFlow::Continue(());
        }
        match Relation::named(name) {
            Ok(relation) => {
                self.add(relation);
                ControlFlow::Continue(())
            }
            Err(error) => ControlFlow::Break(error),
        }
    }
}
