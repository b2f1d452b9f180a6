//! A small SQL door for tests: MySQL text through sqlparser, our functions and DataFusion, to text.
//!
//! The statement rewrites here (unary operators, CAST, INTERVAL ...) are the least that tests need; the
//! real ones are the planner's.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::config::ConfigOptions;
use datafusion::common::{DataFusionError, Result, TableReference, plan_err};
use datafusion::datasource::{MemTable, provider_as_source};
use datafusion::execution::config::SessionConfig;
use datafusion::execution::context::SessionContext;
use datafusion::logical_expr::planner::{ContextProvider, ExprPlanner};
use datafusion::logical_expr::{
    AggregateUDF, HigherOrderUDF, LogicalPlan, ScalarUDF, TableSource, WindowUDF,
};
use datafusion::optimizer::AnalyzerRule;
use datafusion::sql::planner::{ParserOptions, SqlToRel};
use datafusion::sql::sqlparser::ast::{self, VisitMut, VisitorMut};
use datafusion::sql::sqlparser::dialect::MySqlDialect;
use datafusion::sql::sqlparser::parser::Parser;

use super::builtin::field_fsp;
use super::convert::arrays;
use crate::error::SqlError;

/// Tables by name for [`Database::query`].
pub(crate) struct Database {
    tables: HashMap<String, Arc<MemTable>>,
    options: ConfigOptions,
    planners: Vec<Arc<dyn ExprPlanner>>,
    partitions: usize,
}

impl Database {
    pub(crate) fn new() -> Self {
        Self {
            tables: HashMap::new(),
            options: ConfigOptions::default(),
            planners: vec![Arc::new(super::MysqlExprPlanner)],
            partitions: 1,
        }
    }

    /// Runs with partial and final aggregation over this many partitions.
    pub(crate) fn with_partitions(mut self, partitions: usize) -> Self {
        self.partitions = partitions;
        self
    }

    /// A table of one batch per partition, cut evenly.
    pub(crate) fn with_table(mut self, name: &str, columns: Vec<(&str, ArrayRef)>) -> Self {
        let fields: Vec<Field> = columns
            .iter()
            .map(|(n, c)| Field::new(*n, c.data_type().clone(), true))
            .collect();
        let schema = Arc::new(Schema::new(fields));
        let columns = columns.into_iter().map(|(_, column)| column).collect();
        let batch = RecordBatch::try_new(Arc::clone(&schema), columns).unwrap();
        let size = batch.num_rows().div_ceil(self.partitions).max(1);
        let parts = (0..self.partitions)
            .map(|part| {
                let from = (part * size).min(batch.num_rows());
                vec![batch.slice(from, size.min(batch.num_rows() - from))]
            })
            .collect();
        let table = MemTable::try_new(schema, parts).unwrap();
        self.tables.insert(name.to_owned(), Arc::new(table));
        self
    }

    pub(crate) fn plan(&self, sql: &str) -> Result<LogicalPlan> {
        let mut statements = Parser::parse_sql(&MySqlDialect {}, sql)
            .map_err(|error| DataFusionError::Plan(error.to_string()))?;
        let mut statement = statements.remove(0);
        let _ = statement.visit(&mut Rewrite);
        let options = ParserOptions {
            parse_float_as_decimal: true,
            ..Default::default()
        };
        SqlToRel::new_with_options(self, options).sql_statement_to_plan(statement)
    }

    /// Runs a plan and returns its batches.
    pub(crate) fn run(&self, plan: LogicalPlan) -> Result<Vec<RecordBatch>> {
        let config = SessionConfig::new().with_target_partitions(self.partitions);
        let context = SessionContext::new_with_config(config);
        let plan = super::KeepDivisionDigits.analyze(plan, &self.options)?;
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .thread_stack_size(16 << 20)
            .enable_all()
            .build()?;
        runtime.block_on(async { context.execute_logical_plan(plan).await?.collect().await })
    }

    /// The rows of a query as text, NULL as "NULL"; an error as "ERROR code message".
    pub(crate) fn query(&self, sql: &str) -> Vec<Vec<String>> {
        match self.plan(sql).and_then(|plan| self.run(plan)) {
            Ok(batches) => batches.iter().flat_map(print).collect(),
            Err(error) => vec![vec![describe(&error)]],
        }
    }

    /// One value.
    pub(crate) fn value(&self, sql: &str) -> String {
        self.query(sql)
            .into_iter()
            .flatten()
            .next()
            .unwrap_or_else(|| "no rows".to_owned())
    }
}

/// One value of an expression without a table.
pub(crate) fn eval(expression: &str) -> String {
    Database::new().value(&format!("SELECT {expression}"))
}

/// The Arrow type of an expression.
pub(crate) fn type_of(expression: &str) -> DataType {
    let plan = Database::new()
        .plan(&format!("SELECT {expression}"))
        .unwrap();
    plan.schema().field(0).data_type().clone()
}

/// "ERROR code message" for a MySQL error anywhere in the chain, else DataFusion's own text.
pub(crate) fn describe(error: &DataFusionError) -> String {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(current) = source {
        if let Some(sql) = current.downcast_ref::<SqlError>() {
            return format!("ERROR {} {}", sql.code, sql.message);
        }
        source = match current.downcast_ref::<DataFusionError>() {
            Some(DataFusionError::External(inner)) => Some(inner.as_ref()),
            _ => current.source(),
        };
    }
    // DataFusion keeps only the text of what fails while argument types are coerced.
    let text = error.to_string();
    match text.split_once("External error: ERROR ") {
        Some((_, own)) => format!("ERROR {own}"),
        None => format!("ERROR {text}"),
    }
}

fn print(batch: &RecordBatch) -> Vec<Vec<String>> {
    let schema = batch.schema();
    let columns: Vec<_> = batch
        .columns()
        .iter()
        .zip(schema.fields())
        .map(|(column, field)| arrays::to_text(column.as_ref(), field_fsp(field)).unwrap())
        .collect();
    let cell = |column: &arrow::array::StringViewArray, row| {
        use arrow::array::Array;
        if column.is_null(row) {
            "NULL".to_owned()
        } else {
            column.value(row).to_owned()
        }
    };
    (0..batch.num_rows())
        .map(|row| columns.iter().map(|column| cell(column, row)).collect())
        .collect()
}

impl ContextProvider for Database {
    fn get_table_source(&self, name: TableReference) -> Result<Arc<dyn TableSource>> {
        match self.tables.get(name.table()) {
            Some(table) => Ok(provider_as_source(Arc::clone(table) as _)),
            None => plan_err!("no table {name}"),
        }
    }

    fn get_expr_planners(&self) -> &[Arc<dyn ExprPlanner>] {
        &self.planners
    }

    fn get_function_meta(&self, name: &str) -> Option<Arc<ScalarUDF>> {
        super::scalar(name)
    }

    fn get_higher_order_meta(&self, _name: &str) -> Option<Arc<HigherOrderUDF>> {
        None
    }

    fn get_aggregate_meta(&self, name: &str) -> Option<Arc<AggregateUDF>> {
        super::aggregate(name)
    }

    fn get_window_meta(&self, name: &str) -> Option<Arc<WindowUDF>> {
        super::window(name)
    }

    fn get_variable_type(&self, _names: &[String]) -> Option<DataType> {
        None
    }

    fn options(&self) -> &ConfigOptions {
        &self.options
    }

    fn udf_names(&self) -> Vec<String> {
        super::scalar_names()
    }

    fn higher_order_function_names(&self) -> Vec<String> {
        Vec::new()
    }

    fn udaf_names(&self) -> Vec<String> {
        super::aggregate_names()
    }

    fn udwf_names(&self) -> Vec<String> {
        super::window_names()
    }
}

struct Rewrite;

impl VisitorMut for Rewrite {
    type Break = ();

    fn post_visit_expr(&mut self, expr: &mut ast::Expr) -> ControlFlow<()> {
        if let Some(new) = rewritten(expr) {
            *expr = new;
        }
        ControlFlow::Continue(())
    }
}

fn call(name: &str, args: Vec<ast::Expr>) -> ast::Expr {
    let args = args
        .into_iter()
        .map(|arg| ast::FunctionArg::Unnamed(ast::FunctionArgExpr::Expr(arg)))
        .collect();
    ast::Expr::Function(ast::Function {
        name: ast::ObjectName::from(vec![ast::Ident::new(name)]),
        uses_odbc_syntax: false,
        parameters: ast::FunctionArguments::None,
        args: ast::FunctionArguments::List(ast::FunctionArgumentList {
            duplicate_treatment: None,
            args,
            clauses: Vec::new(),
        }),
        filter: None,
        null_treatment: None,
        over: None,
        within_group: Vec::new(),
    })
}

fn number(value: u64) -> ast::Expr {
    ast::Expr::value(ast::Value::Number(value.to_string(), false))
}

fn rewritten(expr: &mut ast::Expr) -> Option<ast::Expr> {
    use ast::Expr::*;
    match expr {
        // DataFusion's planner would make an exact decimal of 1e0.
        Value(value) => match &value.value {
            ast::Value::Number(text, _) if text.contains(['e', 'E']) => {
                let text = ast::Value::SingleQuotedString(text.clone());
                Some(call("cast_double", vec![ast::Expr::value(text)]))
            }
            _ => None,
        },
        UnaryOp {
            op: ast::UnaryOperator::Minus,
            expr,
        } if matches!(**expr, Value(_)) => None,
        UnaryOp { op, expr } => {
            let name = super::unary_function(op)?;
            Some(call(name, vec![(**expr).clone()]))
        }
        RLike {
            negated,
            expr,
            pattern,
            ..
        } => {
            let like = call("regexp_like", vec![(**expr).clone(), (**pattern).clone()]);
            Some(if *negated {
                call("logical_not", vec![like])
            } else {
                like
            })
        }
        Cast {
            expr, data_type, ..
        } => Some(cast((**expr).clone(), data_type)),
        Function(function) => {
            super::move_separator(function);
            None
        }
        _ => None,
    }
}

fn cast(expr: ast::Expr, data_type: &ast::DataType) -> ast::Expr {
    use ast::DataType::*;
    let length = |length: &Option<ast::CharacterLength>| match length {
        Some(ast::CharacterLength::IntegerLength { length, .. }) => vec![number(*length)],
        _ => vec![],
    };
    let with = |more: Vec<ast::Expr>| std::iter::once(expr.clone()).chain(more).collect();
    match data_type {
        Signed | SignedInteger => call("cast_signed", with(vec![])),
        Unsigned | UnsignedInteger => call("cast_unsigned", with(vec![])),
        Decimal(info) | Dec(info) | Numeric(info) => {
            let (p, s) = match info {
                ast::ExactNumberInfo::None => (10, 0),
                ast::ExactNumberInfo::Precision(p) => (*p, 0),
                ast::ExactNumberInfo::PrecisionAndScale(p, s) => (*p, *s),
            };
            call("cast_decimal", with(vec![number(p), number(s as u64)]))
        }
        Char(n) => call("cast_char", with(length(n))),
        Date => call("cast_date", with(vec![])),
        Datetime(fsp) => call("cast_datetime", with(fsp.map(number).into_iter().collect())),
        Time(fsp, _) => call("cast_time", with(fsp.map(number).into_iter().collect())),
        Double(_) => call("cast_double", with(vec![])),
        Binary(_) => call("cast_binary", with(vec![])),
        other => panic!("cast to {other}"),
    }
}
