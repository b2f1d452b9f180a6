//! Expressions of one column, as storage calls them.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::common::{Column, DFSchema};
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::ExecutionProps;
use datafusion::logical_expr::Expr;
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::physical_expr::{PhysicalExpr, create_physical_expr};
use storno_storage::{
    AggregateError, BoxError, FoldedEquality, Predicate, StringTest, ValueMap, ValueTest,
};

use crate::select::prune::predicates;

/// An expression whose only column is given as an array.
#[derive(Debug)]
pub(super) struct OfColumn {
    expr: Arc<dyn PhysicalExpr>,
    schema: SchemaRef,
    /// What it is, if it is a comparison of strings for equality under a collation.
    equality: Option<FoldedEquality>,
    /// If it is a comparison of strings with literals under a collation.
    name: Option<String>,
}

impl OfColumn {
    pub(super) fn new(expr: &Expr, field: &Field, props: &ExecutionProps) -> Result<Self> {
        let unqualified = |e: Expr| {
            Ok(match e {
                Expr::Column(c) => Transformed::yes(Expr::Column(Column::new_unqualified(c.name))),
                other => Transformed::no(other),
            })
        };
        let expr = expr.clone().transform(unqualified)?.data;
        // NULL may come, whatever the column says: not every segment has all values.
        let field = field.clone().with_nullable(true);
        let schema = Arc::new(Schema::new(vec![field]));
        let df_schema = DFSchema::try_from(Arc::clone(&schema))?;
        let comparison = comparison(&expr, &schema);
        let context = PhysicalPlanningContext::default();
        Ok(Self {
            expr: create_physical_expr(&expr, &df_schema, props, &context)?,
            schema,
            equality: comparison.as_ref().and_then(|test| test.0.equality()),
            name: comparison.and_then(|test| test.0.name()),
        })
    }

    /// What it returns.
    pub(super) fn data_type(&self) -> Result<DataType> {
        self.expr.data_type(&self.schema)
    }

    fn evaluate(&self, values: &ArrayRef) -> Result<ArrayRef> {
        let batch = RecordBatch::try_new(Arc::clone(&self.schema), vec![Arc::clone(values)])?;
        self.expr.evaluate(&batch)?.into_array(values.len())
    }
}

impl ValueTest for OfColumn {
    fn test(&self, values: &ArrayRef) -> std::result::Result<BooleanArray, BoxError> {
        let answers = self.evaluate(values)?;
        match answers.as_boolean_opt() {
            Some(answers) => Ok(answers.clone()),
            None => Err("a condition that is not boolean".into()),
        }
    }

    fn equality(&self) -> Option<FoldedEquality> {
        self.equality.clone()
    }

    fn name(&self) -> Option<&str> {
        self.name.as_deref()
    }
}

impl ValueMap for OfColumn {
    fn map(&self, values: &ArrayRef) -> std::result::Result<ArrayRef, BoxError> {
        Ok(self.evaluate(values)?)
    }
}

/// What an expression of the only column of a schema comes to, if that is a comparison with literals under a collation.
fn comparison(expr: &Expr, schema: &Schema) -> Option<StringTest> {
    let Expr::ScalarFunction(_) = expr else {
        return None;
    };
    match predicates(expr, schema).pop() {
        Some(Predicate::Passes { test, .. }) => Some(test),
        _ => None,
    }
}

/// The error of an expression as it was.
pub(super) fn error_of(error: AggregateError) -> DataFusionError {
    match error {
        AggregateError::Caller(error) => match error.downcast::<DataFusionError>() {
            Ok(error) => *error,
            Err(error) => DataFusionError::External(error),
        },
        AggregateError::Storage(error) => DataFusionError::External(Box::new(error)),
    }
}
