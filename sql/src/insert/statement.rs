//! INSERT and REPLACE from sqlparser's AST: what they name, and the values they give.
//!
//! Literals and DEFAULT are read here; any other expression goes to the caller's evaluator, so that
//! this needs no planner. Placeholders are numbered in the order of the text.

use std::ops::ControlFlow;

use sqlparser::ast::{
    Assignment, AssignmentTarget, Expr, FunctionArg, FunctionArgExpr, FunctionArguments, Insert,
    ObjectName, ObjectNamePart, OnInsert, Query, SetExpr, TableObject, Value, VisitMut, VisitorMut,
};

use super::literal::literal;
use super::{InsertBatch, Reserve, RowWriter, Scalar, Settings};
use crate::change::{Assigned, Assignments, in_sequence, is_default};
use crate::error::{Result, SqlError};
use crate::types::{TableDefinition, same_name};

/// Computes an expression that is no literal. Its placeholders are named `$1`, `$2` ... after their
/// place among all parameters of the statement.
pub type Evaluate<'a> = &'a dyn Fn(&Expr) -> Result<Scalar>;

/// An INSERT, ready to be run any number of times.
#[derive(Debug, Clone)]
pub struct InsertPlan {
    pub schema: Option<String>,
    pub table: String,
    /// `None`: all columns in the table's order.
    pub columns: Option<Vec<String>>,
    pub rows: Rows,
    /// INSERT IGNORE: rows that repeat a unique key are left out, values that do not fit are
    /// clipped.
    pub ignore: bool,
    pub replace: bool,
    /// ON DUPLICATE KEY UPDATE; placeholders in it are numbered on from those of the rows.
    pub on_duplicate: Option<Assignments>,
    /// Placeholders in VALUES or SET, and in ON DUPLICATE KEY UPDATE.
    pub parameters: usize,
}

/// Where the rows come from.
#[derive(Debug, Clone)]
pub enum Rows {
    Values(Vec<Vec<Source>>),
    /// INSERT .. SELECT: run by the caller, its rows appended to a `RowWriter`.
    Query(Box<Query>),
}

/// One value of a row.
#[derive(Debug, Clone)]
pub enum Source {
    Literal(Scalar),
    /// Position among the parameters.
    Parameter(usize),
    Default,
    DefaultOf(String),
    Expression(Box<Expr>),
}

impl InsertPlan {
    /// 1235 for clauses that are not there yet.
    pub fn from_ast(insert: &Insert) -> Result<Self> {
        refuse_clauses(insert)?;
        let (schema, table) = table_name(&insert.table)?;
        let mut reader = Reader { parameters: 0 };
        let (columns, rows) = match &insert.source {
            Some(query) => {
                let columns = insert.columns.iter().map(|name| column_name(name, &table));
                let columns = columns.collect::<Result<Vec<_>>>()?;
                let columns = (!columns.is_empty()).then_some(columns);
                (columns, reader.rows(query)?)
            }
            None if !insert.assignments.is_empty() => {
                let (columns, row) = reader.assignments(&insert.assignments, &table)?;
                (Some(columns), Rows::Values(vec![row]))
            }
            // DEFAULT VALUES is another database's way to say VALUES ().
            None => (None, Rows::Values(vec![Vec::new()])),
        };
        let on_duplicate = reader.on_duplicate(insert, columns.as_deref(), &table)?;
        Ok(Self {
            schema,
            table,
            columns,
            rows,
            on_duplicate,
            ignore: insert.ignore,
            replace: insert.replace_into,
            parameters: reader.parameters,
        })
    }

    /// Whether it is nothing but literals, parameters and defaults: a plan without syntax trees.
    pub fn is_plain(&self) -> bool {
        let Rows::Values(rows) = &self.rows else {
            return false;
        };
        let is_tree = |source: &Source| matches!(source, Source::Expression(_));
        self.on_duplicate.is_none() && !rows.iter().flatten().any(is_tree)
    }

    /// Builds the batch. `table` must be the one named; `parameters` as many as there are
    /// placeholders.
    pub fn run(
        &self,
        table: &TableDefinition,
        settings: Settings,
        parameters: &[Scalar],
        evaluate: Evaluate<'_>,
        reserve: Reserve<'_>,
    ) -> Result<InsertBatch> {
        let Rows::Values(rows) = &self.rows else {
            return Err(SqlError::internal("Internal error: rows of a query"));
        };
        let mut writer = self.writer(table, settings)?;
        if rows.len() == 1 {
            writer.single_row();
        }
        for row in rows {
            for (position, source) in row.iter().enumerate() {
                match source {
                    Source::Literal(value) => writer.append(position, value.datum())?,
                    Source::Parameter(number) => {
                        let value = parameters.get(*number).ok_or_else(missing_parameter)?;
                        writer.append(position, value.datum())?;
                    }
                    Source::Default => writer.append_default(position)?,
                    Source::DefaultOf(column) => {
                        writer.append_default_of(position, table, column)?;
                    }
                    Source::Expression(expression) => {
                        writer.append(position, evaluate(expression)?.datum())?;
                    }
                }
            }
            writer.finish_row()?;
        }
        writer.finish(reserve)
    }

    /// A writer for the plan's columns, for rows that come from elsewhere.
    pub fn writer(&self, table: &TableDefinition, settings: Settings) -> Result<RowWriter> {
        let mut columns = self.columns.as_deref();
        if let Rows::Values(rows) = &self.rows {
            let width = columns.map_or(table.columns.len(), <[String]>::len);
            // VALUES () is a row of defaults.
            let empty = columns.is_none() && rows.first().is_some_and(Vec::is_empty);
            let width = if empty { 0 } else { width };
            if empty {
                columns = Some(&[]);
            }
            // Counted before names are looked up, as MySQL does.
            if let Some(row) = rows.iter().position(|row| row.len() != width) {
                return Err(SqlError::value_count_mismatch(row as u64 + 1));
            }
        }
        let settings = Settings {
            mode: settings.mode.with_ignore(self.ignore),
            ..settings
        };
        match &self.rows {
            Rows::Values(rows) => RowWriter::for_rows(table, columns, settings, rows.len()),
            Rows::Query(_) => RowWriter::new(table, columns, settings),
        }
    }
}

fn missing_parameter() -> SqlError {
    SqlError::new(1210, "HY000", "Incorrect arguments to EXECUTE")
}

fn refuse_clauses(insert: &Insert) -> Result<()> {
    let refused = [
        (
            matches!(insert.on, Some(OnInsert::OnConflict(_))),
            "ON CONFLICT",
        ),
        (insert.returning.is_some(), "INSERT .. RETURNING"),
        (insert.or.is_some(), "INSERT OR"),
        (insert.overwrite, "INSERT OVERWRITE"),
        (insert.partitioned.is_some(), "INSERT .. PARTITION"),
        (insert.table_alias.is_some(), "a table alias in INSERT"),
        (
            insert.multi_table_insert_type.is_some(),
            "INSERT into several tables",
        ),
    ];
    match refused.into_iter().find(|(there, _)| *there) {
        Some((_, what)) => Err(SqlError::not_supported(what)),
        None => Ok(()),
    }
}

fn table_name(table: &TableObject) -> Result<(Option<String>, String)> {
    let TableObject::TableName(name) = table else {
        return Err(SqlError::not_supported("INSERT into a function"));
    };
    match parts(name)?.as_slice() {
        [table] => Ok((None, table.clone())),
        [schema, table] => Ok((Some(schema.clone()), table.clone())),
        _ => Err(SqlError::incorrect_table_name(&name.to_string())),
    }
}

fn parts(name: &ObjectName) -> Result<Vec<String>> {
    let part = |part: &ObjectNamePart| match part {
        ObjectNamePart::Identifier(identifier) => Ok(identifier.value.clone()),
        ObjectNamePart::Function(_) => Err(SqlError::incorrect_table_name(&name.to_string())),
    };
    name.0.iter().map(part).collect()
}

/// `column`, `table.column` or `schema.table.column`.
fn column_name(name: &ObjectName, table: &str) -> Result<String> {
    let parts = parts(name)?;
    let qualified = match parts.as_slice() {
        [column] => return Ok(column.clone()),
        [.., qualifier, column] if same_name(qualifier, table) => Some(column.clone()),
        _ => None,
    };
    qualified.ok_or_else(|| SqlError::unknown_column(&parts.join("."), "field list"))
}

/// Reads values, counting placeholders.
struct Reader {
    parameters: usize,
}

impl Reader {
    fn rows(&mut self, query: &Query) -> Result<Rows> {
        let SetExpr::Values(values) = &*query.body else {
            return Ok(Rows::Query(Box::new(query.clone())));
        };
        let mut rows = Vec::with_capacity(values.rows.len());
        for row in &values.rows {
            rows.push(
                row.content
                    .iter()
                    .map(|expr| self.source(expr))
                    .collect::<Result<_>>()?,
            );
        }
        Ok(Rows::Values(rows))
    }

    fn assignments(
        &mut self,
        assignments: &[Assignment],
        table: &str,
    ) -> Result<(Vec<String>, Vec<Source>)> {
        let mut columns = Vec::with_capacity(assignments.len());
        let mut row = Vec::with_capacity(assignments.len());
        for Assignment { target, value } in assignments {
            let AssignmentTarget::ColumnName(name) = target else {
                return Err(SqlError::not_supported("a row in SET"));
            };
            columns.push(column_name(name, table)?);
            row.push(self.source(value)?);
        }
        Ok((columns, row))
    }

    fn on_duplicate(
        &mut self,
        insert: &Insert,
        columns: Option<&[String]>,
        table: &str,
    ) -> Result<Option<Assignments>> {
        let Some(OnInsert::DuplicateKeyUpdate(list)) = &insert.on else {
            return Ok(None);
        };
        let mut assignments = Assignments {
            columns: Vec::with_capacity(list.len()),
            values: Vec::with_capacity(list.len()),
            row_alias: None,
            column_aliases: Vec::new(),
        };
        for Assignment { target, value } in list {
            let AssignmentTarget::ColumnName(name) = target else {
                return Err(SqlError::not_supported("a row in ON DUPLICATE KEY UPDATE"));
            };
            let mut value = value.clone();
            let default = is_default(&value);
            // The walk only counts and renames; it never breaks off.
            let _ = VisitMut::visit(&mut value, self);
            assignments.columns.push(Assigned {
                column: column_name(name, table)?,
                default,
                taken_from: None,
            });
            assignments.values.push(value);
        }
        let names: Vec<String> = assignments
            .columns
            .iter()
            .map(|a| a.column.clone())
            .collect();
        in_sequence(table, &names, &mut assignments.values);
        if let Some(aliases) = &insert.insert_alias {
            assignments.row_alias = parts(&aliases.row_alias)?.pop();
            let named = aliases.col_aliases.iter().flatten();
            let named = named.map(|alias| alias.value.clone());
            assignments.column_aliases = named.zip(columns.unwrap_or(&[]).to_vec()).collect();
        }
        assignments.note_sources(table);
        Ok(Some(assignments))
    }

    fn source(&mut self, expr: &Expr) -> Result<Source> {
        if let Expr::Value(value) = expr
            && let Value::Placeholder(_) = value.value
        {
            self.parameters += 1;
            return Ok(Source::Parameter(self.parameters - 1));
        }
        if let Some(source) = default_of(expr) {
            return Ok(source);
        }
        match literal(expr)? {
            Some(value) => Ok(Source::Literal(value)),
            None => {
                let mut expression = expr.clone();
                // The walk only counts and renames; it never breaks off.
                let _ = VisitMut::visit(&mut expression, self);
                Ok(Source::Expression(Box::new(expression)))
            }
        }
    }
}

impl VisitorMut for Reader {
    type Break = ();
    fn pre_visit_value(&mut self, value: &mut sqlparser::ast::ValueWithSpan) -> ControlFlow<()> {
        if let Value::Placeholder(name) = &mut value.value {
            self.parameters += 1;
            *name = format!("${}", self.parameters);
        }
        ControlFlow::Continue(())
    }
}

/// DEFAULT and DEFAULT(column).
fn default_of(expr: &Expr) -> Option<Source> {
    match expr {
        Expr::Identifier(name)
            if name.quote_style.is_none() && name.value.eq_ignore_ascii_case("DEFAULT") =>
        {
            Some(Source::Default)
        }
        Expr::Function(function) => {
            let [ObjectNamePart::Identifier(name)] = function.name.0.as_slice() else {
                return None;
            };
            if name.quote_style.is_some() || !name.value.eq_ignore_ascii_case("DEFAULT") {
                return None;
            }
            let FunctionArguments::List(list) = &function.args else {
                return None;
            };
            let [FunctionArg::Unnamed(FunctionArgExpr::Expr(column))] = list.args.as_slice() else {
                return None;
            };
            match column {
                Expr::Identifier(column) => Some(Source::DefaultOf(column.value.clone())),
                Expr::CompoundIdentifier(path) => path
                    .last()
                    .map(|column| Source::DefaultOf(column.value.clone())),
                _ => None,
            }
        }
        _ => None,
    }
}
