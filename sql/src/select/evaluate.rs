//! Values of expressions outside queries: SET, DEFAULT, VALUES (NOW()), DO.
//!
//! An expression is planned once per statement and kept by its text; stable functions are constants by
//! then, volatile ones (UUID(), RAND()) run again for every row.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Int8Array, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema};
use datafusion::common::ScalarValue;
use datafusion::error::DataFusionError;
use datafusion::execution::session_state::SessionState;
use datafusion::logical_expr::{Expr as PlanExpr, LogicalPlan, LogicalPlanBuilder};
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use datafusion::sql::planner::PlannerContext;
use sqlparser::ast::Expr;

use super::collate::collated;
use super::planner::{Planner, View};
use super::{Environment, QueryScope, bind, failure, rewrite};
use crate::error::{Result, SqlError};
use crate::insert::Scalar;

/// Evaluates expressions of one statement.
pub struct Evaluator<'a> {
    view: &'a View,
    state: &'a SessionState,
    env: &'a dyn Environment,
    planned: RefCell<HashMap<String, Planned>>,
}

#[derive(Clone)]
enum Planned {
    Constant(Scalar),
    Volatile(Arc<dyn PhysicalExpr>),
}

impl<'a> Evaluator<'a> {
    pub fn new(view: &'a View, state: &'a SessionState, env: &'a dyn Environment) -> Self {
        Self {
            view,
            state,
            env,
            planned: RefCell::default(),
        }
    }

    /// The value of an expression without columns; 1054 when it names one.
    pub fn evaluate(&self, expr: &Expr) -> Result<Scalar> {
        let key = expr.to_string();
        let known = self.planned.borrow().get(&key).cloned();
        let planned = match known {
            Some(planned) => planned,
            None => {
                let planned = self.plan(expr.clone())?;
                self.planned.borrow_mut().insert(key, planned.clone());
                planned
            }
        };
        match planned {
            Planned::Constant(scalar) => Ok(scalar),
            Planned::Volatile(physical) => compute(&physical),
        }
    }

    fn plan(&self, mut expr: Expr) -> Result<Planned> {
        let scope = QueryScope {
            view: self.view,
            env: self.env,
        };
        rewrite::rewrite_expression(&mut expr, &scope)?;
        let error = |e: DataFusionError| failure::client_error(e, failure::Origin::default());
        let planner = Planner::new(self.view, self.state.config_options());
        let logical = planner
            .sql_to_rel()
            .sql_to_expr(
                expr,
                &datafusion::common::DFSchema::empty(),
                &mut PlannerContext::new(),
            )
            .and_then(|e| LogicalPlanBuilder::empty(true).project([e])?.build())
            .and_then(|plan| collated(plan, &self.view.collation_connection()))
            .and_then(|plan| self.state.optimize(&plan))
            .map_err(error)?;
        let LogicalPlan::Projection(projection) = &logical else {
            return Err(SqlError::not_supported("sub-query in this place"));
        };
        let [planned] = projection.expr.as_slice() else {
            return Err(SqlError::internal("one expression became several"));
        };
        if let Some(literal) = constant(planned) {
            return bind::scalar(literal).map(Planned::Constant);
        }
        let schema = projection.input.schema();
        let context =
            datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext::default();
        create_physical_expr(planned, schema, self.state.execution_props(), &context)
            .map(Planned::Volatile)
            .map_err(error)
    }
}

fn constant(expr: &PlanExpr) -> Option<&ScalarValue> {
    match expr {
        PlanExpr::Alias(alias) => constant(&alias.expr),
        PlanExpr::Literal(value, _) => Some(value),
        _ => None,
    }
}

fn compute(expr: &Arc<dyn PhysicalExpr>) -> Result<Scalar> {
    let error = |e: DataFusionError| failure::client_error(e, failure::Origin::default());
    let one_row: RecordBatch = {
        let schema = Schema::new(vec![Field::new("row", DataType::Int8, false)]);
        RecordBatch::try_new(Arc::new(schema), vec![Arc::new(Int8Array::from(vec![0]))])
            .map_err(|e| SqlError::internal(e.to_string()))?
    };
    let array = expr
        .evaluate(&one_row)
        .and_then(|v| v.into_array(1))
        .map_err(error)?;
    ScalarValue::try_from_array(&array, 0)
        .map_err(error)
        .and_then(|v| bind::scalar(&v))
}
