//! Expressions of a table, ready to be computed over batches of its rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, RecordBatch, RecordBatchOptions};
use arrow::datatypes::{Schema, SchemaRef, TimestampMicrosecondType};
use datafusion::common::{DFSchema, TableReference};
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::planner::ContextProvider;
use datafusion::logical_expr::{LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_expr::utils::collect_columns;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::sql::planner::PlannerContext;
use sqlparser::ast::Expr;

use crate::error::{Result, SqlError};
use crate::select::planner::{Planner, View};
use crate::select::table::plan_schema;
use crate::select::{Environment, QueryScope, failure, rewrite};
use crate::types::{MysqlType, TableDefinition, TimeZone};

/// Expressions over the columns of one table, in one time zone.
#[derive(Debug)]
pub(crate) struct Compiled {
    expressions: Vec<Arc<dyn PhysicalExpr>>,
    /// The table's columns as expressions see them.
    schema: SchemaRef,
    zone: TimeZone,
    /// TIMESTAMP columns that are shown in a zone other than UTC.
    zoned: Vec<usize>,
}

impl Compiled {
    /// Compiles on a planning thread. The expressions must have passed `inspect::forbidden`: what they ask
    /// of a session is refused. 1054, 1305 and the like for what is not there.
    pub(crate) fn new(
        table: &TableDefinition,
        expressions: Vec<Expr>,
        zone: TimeZone,
        (view, state): (&View, &SessionState),
    ) -> Result<Self> {
        let error = |e: DataFusionError| failure::client_error(e, failure::Origin::default());
        let schema = plan_schema(table);
        let meta = &table.meta;
        let name = TableReference::partial(meta.schema.clone(), meta.spec.name.clone());
        let columns = DFSchema::try_from_qualified_schema(name.clone(), &schema).map_err(error)?;
        let no_rows = RecordBatch::new_empty(Arc::clone(&schema));
        let planner = Planner::new(view, state.config_options());
        let planner = planner.with_rows(name.clone(), no_rows).map_err(error)?;
        let env = NoSession(zone);
        let scope = QueryScope { view, env: &env };
        let mut planned = Vec::with_capacity(expressions.len());
        for (i, mut expr) in expressions.into_iter().enumerate() {
            rewrite::rewrite_expression(&mut expr, &scope)?;
            let to_expr = planner.sql_to_rel();
            let expr = to_expr.sql_to_expr(expr, &columns, &mut PlannerContext::new());
            // Two columns of a plan may not have one name.
            planned.push(expr.map_err(error)?.alias(format!("expression {i}")));
        }
        let source = planner.get_table_source(name.clone()).map_err(error)?;
        let plan = LogicalPlanBuilder::scan(name, source, None)
            .and_then(|scan| scan.project(planned)?.build())
            .and_then(|plan| {
                let options = state.config_options();
                state.analyzer().execute_and_check(plan, options, |_, _| {})
            })
            .map_err(error)?;
        // NULL may stand for what is not there (yet).
        let fields = schema.fields().iter();
        let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        let zoned = table.columns.iter().enumerate();
        let zoned = zoned.filter(|(_, c)| matches!(c.mysql_type, MysqlType::Timestamp { .. }));
        Ok(Self {
            expressions: physical(&plan, state).map_err(error)?,
            schema,
            zone,
            zoned: zoned
                .filter(|_| zone != TimeZone::UTC)
                .map(|(i, _)| i)
                .collect(),
        })
    }

    /// Positions of the columns that are named, ascending.
    pub(crate) fn columns(&self) -> Vec<usize> {
        let columns = self.expressions.iter().flat_map(collect_columns);
        let columns: BTreeSet<usize> = columns.map(|column| column.index()).collect();
        columns.into_iter().collect()
    }

    /// The values of each expression for rows in the table's schema, TIMESTAMP columns in UTC.
    pub(crate) fn evaluate(&self, rows: &RecordBatch) -> Result<Vec<ArrayRef>> {
        let error = |e: DataFusionError| failure::client_error(e, failure::Origin::default());
        let mut columns = rows.columns().to_vec();
        for at in &self.zoned {
            let Some(column) = columns.get_mut(*at) else {
                continue;
            };
            let utc = column.as_primitive::<TimestampMicrosecondType>();
            let local = utc.unary::<_, TimestampMicrosecondType>(|t| self.zone.from_utc(t));
            *column = Arc::new(local);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        let schema = Arc::clone(&self.schema);
        let shown = RecordBatch::try_new_with_options(schema, columns, &options)
            .map_err(|e| SqlError::internal(format!("Internal error: {e}")))?;
        let value = |expr: &Arc<dyn PhysicalExpr>| {
            let value = expr.evaluate(&shown).map_err(error)?;
            value.into_array(shown.num_rows()).map_err(error)
        };
        self.expressions.iter().map(value).collect()
    }
}

/// The expressions of a plan's top as they are computed over the table's columns.
fn physical(
    plan: &LogicalPlan,
    state: &SessionState,
) -> datafusion::error::Result<Vec<Arc<dyn PhysicalExpr>>> {
    let LogicalPlan::Projection(projection) = plan else {
        let text = "expressions of a table became another plan";
        return Err(DataFusionError::Internal(text.into()));
    };
    let context = PhysicalPlanningContext::default();
    let (schema, props) = (projection.input.schema(), state.execution_props());
    let compile = |e| create_physical_expr(e, schema, props, &context);
    projection.expr.iter().map(compile).collect()
}

/// No session at all: what a definition says is the same for everybody.
struct NoSession(TimeZone);

impl Environment for NoSession {
    fn variable(&self, name: &str) -> Result<Expr> {
        Err(SqlError::unknown_variable(name))
    }

    fn now(&self) -> i64 {
        0
    }

    fn time_zone(&self) -> String {
        self.0.to_string()
    }

    fn session_function(&self, _: &str) -> Option<Expr> {
        None
    }
}
