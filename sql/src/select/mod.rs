//! SELECT: text -> syntax tree -> MySQL's clauses rewritten -> logical plan -> physical plan -> batches.
//!
//! `rewrite` and `expr` make the tree say what MySQL means, `planner` and `coerce` give names and types
//! their meaning, `table`, `prune` and `scan` read storage, `aggregate` has it compute, `reuse` keeps
//! plans, `run` executes.

pub mod aggregate;
mod aliases;
mod balance;
pub mod bind;
mod buckets;
pub(crate) mod calendar;
mod calls;
mod casts;
pub mod coerce;
mod collate;
mod ctes;
pub mod evaluate;
mod exists;
pub(crate) mod expr;
pub mod failure;
pub mod found_rows;
mod fraction;
mod groups;
mod in_order;
mod names;
pub mod planner;
pub(crate) mod prune;
pub mod reuse;
pub mod rewrite;
mod rows;
pub mod run;
mod scan;
pub mod sort_keys;
mod stoppable;
pub(crate) mod table;
mod totals;
mod views;

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, SchemaRef};
use datafusion::common::TableReference;
use datafusion::execution::TaskContext;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_plan::display::DisplayableExecutionPlan;
use datafusion::physical_plan::{ExecutionPlan, displayable};
use sqlparser::ast::{Expr, Ident, Query, SelectItem, SetExpr};
use storno_storage::{KeySpec, TableSpec};

use crate::dialect::{Lexed, parse_query};
use crate::error::{Result, SqlError};
use crate::functions::{DECIMALS_KEY, FSP_KEY};
use crate::information_schema::INFORMATION_SCHEMA;
use crate::insert::Scalar;
use crate::result::ResultColumn;
use crate::session::variables::known;
use crate::types::{FieldType, TableDefinition, type_byte};
use evaluate::Evaluator;
use found_rows::Window;
use names::ItemName;
use planner::{Planner, Relation, View};
use reuse::{Asked, Statement, Template};
use rewrite::Scope;

pub(crate) use collate::collated;
pub(crate) use ctes::Scopes;
pub use expr::Environment;
pub(crate) use in_order::in_order;
pub(crate) use views::check_recursion;

/// A query ready to run. Free of syntax trees: it may be dropped on any thread.
#[derive(Debug)]
pub struct Compiled {
    pub columns: Vec<ResultColumn>,
    pub plan: Arc<dyn ExecutionPlan>,
    pub context: Arc<TaskContext>,
    /// With SQL_CALC_FOUND_ROWS: which of the plan's rows are sent.
    pub window: Option<Window>,
}

impl Compiled {
    pub fn schema(&self) -> SchemaRef {
        self.plan.schema()
    }
}

/// A plan as EXPLAIN shows it; as EXPLAIN ANALYZE does when it has been run.
pub fn explanation(plan: &dyn ExecutionPlan, analyzed: bool) -> String {
    let shown = match analyzed {
        true => DisplayableExecutionPlan::with_metrics(plan),
        false => displayable(plan),
    };
    shown.indent(false).to_string()
}

/// A query as it came.
#[derive(Debug)]
pub struct QueryText<'a> {
    pub lexed: &'a Lexed,
    /// What its placeholders stand for, in order.
    pub params: &'a [Scalar],
    /// Under what its plan may be kept.
    pub kept_as: Option<&'a Statement>,
}

/// Compiles a query on a planning thread. With it comes its plan for later statements, if it may be kept.
pub fn compile(
    text: &QueryText<'_>,
    view: &View,
    state: &SessionState,
    env: &dyn Environment,
) -> Result<(Compiled, Option<Template>)> {
    let lexed = text.lexed;
    let mut query = parse_query(lexed)?;
    bind::parameters(&mut query, text.params)?;
    let window = found_rows::take_window(&mut query)?;
    let aliases = output_aliases(&query);
    let origin = failure::Origin {
        lexed: Some(lexed),
        database: view.database.as_deref(),
        ..Default::default()
    };
    let env = Asked::new(env);
    let planned = plan_query(query, origin, view, state, &env)?;
    let names = output_names(&planned.logical, &aliases, &names::item_texts(lexed));
    let compiled = Compiled {
        columns: columns(&planned.logical, names, view)?,
        plan: planned.plan,
        context: state.task_ctx(),
        window,
    };
    let kept_as = text.kept_as.filter(|_| planned.reusable && !env.anything());
    let template = kept_as.map(|statement| Template::of(statement, &compiled));
    let template = template.transpose();
    let template = template.map_err(|e| failure::client_error(e, origin))?;
    Ok((compiled, template.flatten()))
}

/// Compiles the query that finds the rows of an UPDATE or DELETE, its parameters already in place.
pub fn compile_change(
    query: &Query,
    view: &View,
    state: &SessionState,
    env: &dyn Environment,
) -> Result<Arc<dyn ExecutionPlan>> {
    let origin = failure::Origin {
        written: Some(query),
        database: view.database.as_deref(),
        ..Default::default()
    };
    plan_query(query.clone(), origin, view, state, env).map(|planned| planned.plan)
}

/// Compiles a query whose table `name` stands for `rows`.
pub fn compile_over(
    query: &Query,
    (name, rows): (TableReference, RecordBatch),
    view: &View,
    state: &SessionState,
    env: &dyn Environment,
) -> Result<Arc<dyn ExecutionPlan>> {
    let origin = failure::Origin {
        written: Some(query),
        database: view.database.as_deref(),
        ..Default::default()
    };
    let planner = Planner::new(view, state.config_options()).with_rows(name, rows);
    let planner = planner.map_err(|e| failure::client_error(e, origin))?;
    let scope = QueryScope { view, env };
    plan_with(planner, query.clone(), origin, &scope, state).map(|planned| planned.plan)
}

struct Planned {
    /// Optimised.
    logical: LogicalPlan,
    plan: Arc<dyn ExecutionPlan>,
    /// See `reuse::is_reusable`.
    reusable: bool,
}

fn plan_query(
    query: Query,
    origin: failure::Origin<'_>,
    view: &View,
    state: &SessionState,
    env: &dyn Environment,
) -> Result<Planned> {
    let planner = Planner::new(view, state.config_options());
    plan_with(planner, query, origin, &QueryScope { view, env }, state)
}

fn plan_with(
    planner: Planner<'_>,
    mut query: Query,
    origin: failure::Origin<'_>,
    scope: &QueryScope<'_>,
    state: &SessionState,
) -> Result<Planned> {
    planner.allow(views::expand(&mut query, scope.view)?);
    ctes::arrange_recursion(&mut query)?;
    let client_error = |e| failure::client_error(e, origin);
    let evaluator = Evaluator::new(scope.view, state, scope.env);
    let calendars = calendar::expand(&mut query, &evaluator)?;
    let computed = !calendars.is_empty();
    let mut planner = planner;
    for (name, rows) in calendars {
        planner = planner.with_rows(name, rows).map_err(client_error)?;
    }
    rewrite::rewrite_query(&mut query, scope)?;
    let logical = planner.plan(query).and_then(totals::behind_their_rows);
    let logical = logical.map_err(client_error)?;
    let connection = scope.view.collation_connection();
    let logical = collate::collated(logical, &connection).map_err(client_error)?;
    let reusable = !computed && reuse::is_reusable(&logical).map_err(client_error)?;
    let logical = state.optimize(&logical).map_err(client_error)?;
    // Our planning does not wait for anything, it only has DataFusion's async signature.
    let physical = state.query_planner().create_physical_plan(&logical, state);
    let plan = futures::executor::block_on(physical).map_err(client_error)?;
    Ok(Planned {
        logical,
        plan,
        reusable,
    })
}

/// The session and the catalog together.
pub(crate) struct QueryScope<'a> {
    pub view: &'a View,
    pub env: &'a dyn Environment,
}

impl Environment for QueryScope<'_> {
    fn variable(&self, name: &str) -> Result<Expr> {
        self.env.variable(name)
    }
    fn now(&self) -> i64 {
        self.env.now()
    }
    fn time_zone(&self) -> String {
        self.env.time_zone()
    }
    fn session_function(&self, name: &str) -> Option<Expr> {
        self.env.session_function(name)
    }
}

impl Scope for QueryScope<'_> {
    fn columns(&self, table: &sqlparser::ast::ObjectName) -> Option<Vec<String>> {
        let last = table.0.last().and_then(|part| part.as_ident());
        if let Some(files) = last.and_then(|last| self.view.files(&last.value)) {
            return Some(files.names());
        }
        let names = |spec: &TableSpec| {
            let columns = spec.columns.iter();
            columns.map(|c| c.name.to_lowercase()).collect()
        };
        match (&self.view.listing, self.view.relation_named(table)) {
            // Its attributes need not be decoded.
            (_, Ok(Relation::Stored(table))) => Some(names(&table.meta().spec)),
            (_, Ok(relation)) => Some(names(&relation.definition().ok()?.meta.spec)),
            (Some(listing), Err(_)) => Some(names(&listing.definition().meta.spec)),
            (None, Err(_)) => None,
        }
    }

    fn keys(&self, table: &sqlparser::ast::ObjectName) -> Vec<Vec<String>> {
        let Ok(Relation::Stored(table)) = self.view.relation_named(table) else {
            return Vec::new();
        };
        let spec = &table.meta().spec;
        let column = |at: &usize| spec.columns.get(*at).filter(|column| !column.nullable);
        let names = |key: &KeySpec| {
            let columns = key.columns.iter().map(column);
            columns.map(|c| c.map(|c| c.name.to_lowercase())).collect()
        };
        spec.unique_keys.iter().filter_map(names).collect()
    }

    fn groups_loosely(&self) -> bool {
        let modes = self.view.session.variables.get(known!("sql_mode"));
        !modes.contains("ONLY_FULL_GROUP_BY")
    }
}

/// What a select item that is not an expression is called.
struct OutputName {
    name: String,
    /// By an alias, not by the column's name.
    aliased: bool,
}

/// The aliases and column names of the first SELECT as they were written, `None` for expressions.
fn output_aliases(query: &Query) -> Vec<Option<OutputName>> {
    let mut body = query.body.as_ref();
    let select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::SetOperation { left, .. } => body = left,
            SetExpr::Query(inner) => body = inner.body.as_ref(),
            _ => return Vec::new(),
        }
    };
    let named = |ident: &Ident, aliased| OutputName {
        name: ident.value.clone(),
        aliased,
    };
    let alias = |item: &SelectItem| match item {
        SelectItem::ExprWithAlias { alias, .. } => Some(named(alias, true)),
        SelectItem::UnnamedExpr(Expr::Identifier(i)) if !i.value.starts_with('@') => {
            Some(named(i, false))
        }
        SelectItem::UnnamedExpr(Expr::CompoundIdentifier(parts))
            if parts.first().is_some_and(|p| !p.value.starts_with('@')) =>
        {
            parts.last().map(|i| named(i, false))
        }
        _ => None,
    };
    select.projection.iter().map(alias).collect()
}

/// One name per output column: items by alias or text, wildcards by their columns.
fn output_names(
    plan: &LogicalPlan,
    aliases: &[Option<OutputName>],
    texts: &[ItemName],
) -> Vec<String> {
    let fields = plan.schema().fields();
    let own = |f: &Field| {
        f.metadata()
            .get(table::META_COLUMN)
            .unwrap_or(f.name())
            .clone()
    };
    // MySQL 8 gives the columns of information_schema in capitals, however they were written.
    let capitals = |f: &Field| {
        f.metadata().get(table::META_SCHEMA).map(String::as_str) == Some(INFORMATION_SCHEMA)
    };
    let mut all: Vec<String> = fields.iter().map(|f| own(f)).collect();
    let wildcards = texts.iter().filter(|t| **t == ItemName::Wildcard).count();
    // With one wildcard its width follows from the others; with more, items after the first keep
    // the planner's names.
    let width = match wildcards {
        0 => 0,
        1 => (fields.len() + 1).saturating_sub(texts.len()),
        _ => fields.len(),
    };
    let mut at = 0;
    for (i, text) in texts.iter().enumerate() {
        match text {
            ItemName::Wildcard => at += width,
            ItemName::Text(text) => {
                let name = match (aliases.get(i), fields.get(at)) {
                    (Some(Some(n)), Some(f)) if !n.aliased && capitals(f) => own(f),
                    (Some(Some(named)), _) => named.name.clone(),
                    _ => text.clone(),
                };
                if let Some(slot) = all.get_mut(at) {
                    *slot = name;
                }
                at += 1;
            }
        }
    }
    all
}

fn columns(plan: &LogicalPlan, names: Vec<String>, view: &View) -> Result<Vec<ResultColumn>> {
    let schema = plan.schema();
    if schema.fields().is_empty() {
        return Err(SqlError::new(1065, "42000", "Query was empty"));
    }
    let fields = schema.iter().enumerate().zip(names);
    let described = fields.map(|((i, (qualifier, field)), name)| {
        let fsp = fraction::of_output(plan, i);
        let mut column = ResultColumn::computed(name, expression_type(field, fsp));
        column.table = qualifier.map(|q| q.table().to_string()).unwrap_or_default();
        let told = field.metadata().get(collate::COLLATION_KEY);
        if let Some((definition, position)) = table_column(field, view) {
            let declared = table::collation_at(&definition, position);
            column.collation = told
                .filter(|told| declared.as_ref() != Some(*told))
                .cloned();
            if let Some(field) = FieldType::of_column(&definition, position) {
                column.field = field;
            }
            column.schema = definition.meta.schema.clone();
            column.org_table = definition.meta.spec.name.clone();
            column.org_name = field
                .metadata()
                .get(table::META_COLUMN)
                .cloned()
                .unwrap_or_default();
            if column.table.is_empty() {
                column.table = column.org_table.clone();
            }
        } else {
            column.table.clear();
            column.collation = told.cloned();
        }
        column
    });
    Ok(described.collect())
}

/// The table column that an output field is a plain reference to.
fn table_column(field: &Field, view: &View) -> Option<(Arc<TableDefinition>, usize)> {
    let metadata = field.metadata();
    let schema = metadata.get(table::META_SCHEMA)?;
    let table = metadata.get(table::META_TABLE)?;
    let definition = view.relation(Some(schema), table).ok()?.definition().ok()?;
    let name = metadata.get(table::META_COLUMN)?;
    let columns = &definition.meta.spec.columns;
    let position = columns.iter().position(|c| c.name == *name)?;
    // An expression may carry a column's metadata along while changing its type.
    let same = columns.get(position)?.data_type == *field.data_type();
    same.then_some((definition, position))
}

fn expression_type(field: &Field, traced: Option<u8>) -> FieldType {
    let mut described = FieldType::of_expression(field.data_type(), field.is_nullable());
    let digits = |key: &str| {
        field
            .metadata()
            .get(key)
            .and_then(|text| text.parse::<u8>().ok())
    };
    // ROUND(double, 2) prints two digits behind the point, whatever the value.
    if let Some(decimals) =
        digits(DECIMALS_KEY).filter(|_| described.type_byte == type_byte::DOUBLE)
    {
        described.decimals = decimals;
    }
    let fsp = digits(FSP_KEY).or(traced);
    let fraction = |fsp: u8| if fsp == 0 { 0 } else { u32::from(fsp) + 1 };
    let whole = match described.type_byte {
        type_byte::DATETIME => 19,
        type_byte::TIME => 10,
        _ => return described,
    };
    if let Some(fsp) = fsp.filter(|f| *f <= 6) {
        described.decimals = fsp;
        described.length = whole + fraction(fsp);
    }
    described
}
