//! Joins that can be stopped: one batch of a join's input may make thousands of its output, and an operator above
//! it that reads them in a loop would let go of its thread only after the last one. A task that is aborted
//! ends where it lets go.
//!
//! So each join gives way after some batches, and the condition of a nested loop, which may let no row through
//! for minutes, asks whether its statement still runs.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use datafusion::arrow::datatypes::{DataType, Schema};
use datafusion::arrow::record_batch::RecordBatch;
use datafusion::common::tree_node::{Transformed, TreeNode};
use datafusion::error::{DataFusionError, Result};
use datafusion::logical_expr::ColumnarValue;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::joins::utils::JoinFilter;
use datafusion::physical_plan::joins::{
    CrossJoinExec, HashJoinExec, NestedLoopJoinExec, NestedLoopJoinExecBuilder, SortMergeJoinExec,
};

use crate::error::SqlError;
use crate::functions::failure::raise;
use crate::functions::warnings::is_over;

/// The plan with joins that can be stopped.
pub(super) fn stoppable(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let done = plan.transform_up(|plan| {
        let plan: Arc<dyn ExecutionPlan> = match plan.downcast_ref::<NestedLoopJoinExec>() {
            Some(join) => Arc::new(watched(join)?),
            None if is_join(&plan) => plan,
            None => return Ok(Transformed::no(plan)),
        };
        Ok(Transformed::yes(Arc::new(CooperativeExec::new(plan)) as _))
    });
    Ok(done?.data)
}

fn is_join(plan: &Arc<dyn ExecutionPlan>) -> bool {
    plan.downcast_ref::<CrossJoinExec>().is_some()
        || plan.downcast_ref::<HashJoinExec>().is_some()
        || plan.downcast_ref::<SortMergeJoinExec>().is_some()
}

fn watched(join: &NestedLoopJoinExec) -> Result<NestedLoopJoinExec> {
    let watched = |filter: &JoinFilter| {
        let expression = Arc::new(Watched(Arc::clone(filter.expression())));
        let columns = filter.column_indices().to_vec();
        JoinFilter::new(expression, columns, Arc::clone(filter.schema()))
    };
    let builder = NestedLoopJoinExecBuilder::from(join);
    builder.with_filter(join.filter().map(watched)).build()
}

/// An expression that fails once the statement is over.
#[derive(Debug)]
struct Watched(Arc<dyn PhysicalExpr>);

impl PartialEq for Watched {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq(&other.0)
    }
}

impl Eq for Watched {}

impl Hash for Watched {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.0.hash(state);
    }
}

impl fmt::Display for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl PhysicalExpr for Watched {
    fn data_type(&self, input: &Schema) -> Result<DataType> {
        self.0.data_type(input)
    }

    fn nullable(&self, input: &Schema) -> Result<bool> {
        self.0.nullable(input)
    }

    fn evaluate(&self, batch: &RecordBatch) -> Result<ColumnarValue> {
        if is_over() {
            return Err(raise(SqlError::interrupted()));
        }
        self.0.evaluate(batch)
    }

    fn children(&self) -> Vec<&Arc<dyn PhysicalExpr>> {
        vec![&self.0]
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn PhysicalExpr>>,
    ) -> Result<Arc<dyn PhysicalExpr>> {
        match children.as_slice() {
            [inner] => Ok(Arc::new(Self(Arc::clone(inner)))),
            _ => Err(DataFusionError::Internal("one child is expected".into())),
        }
    }

    fn fmt_sql(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt_sql(f)
    }
}
