//! Rows of a table in the order in which they are stored, read by several threads: what is written to files is to
//! be the same whenever it is, and sorted as the table is.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::common::spawn_buffered;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::{
    Boundedness, ChildrenPropertiesMode, EmissionType,
};
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt, future, stream};

use super::failure::{Origin, client_error};
use super::scan::StorageScan;
use crate::error::Result;
use crate::functions::failure::internal;

/// Batches of a piece that are read before it is its turn.
const AHEAD: usize = 2;

/// The plan with its rows in the order of the table, if it is nothing but filters and projections of one.
pub(crate) fn in_order(plan: Arc<dyn ExecutionPlan>) -> Result<Arc<dyn ExecutionPlan>> {
    let pieces = pieces(&plan).map_err(|e| client_error(e, Origin::default()))?;
    Ok(match pieces {
        Some(pieces) => Arc::new(InOrderExec::new(pieces)),
        None => plan,
    })
}

fn pieces(plan: &Arc<dyn ExecutionPlan>) -> DfResult<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<StorageScan>() {
        return Ok(Some(Arc::new(scan.piece_by_piece()?)));
    }
    let filter = plan.downcast_ref::<FilterExec>();
    let passes = filter.is_some_and(|filter| filter.fetch().is_none())
        || plan.is::<ProjectionExec>()
        || plan.is::<CooperativeExec>();
    match plan.children().as_slice() {
        [input] if passes => match pieces(input)? {
            Some(input) => {
                let anew = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Recompute);
                let plan = Arc::clone(plan).replace_children(vec![input], anew)?;
                Ok(Some(plan))
            }
            None => Ok(None),
        },
        _ => Ok(None),
    }
}

/// One partition after the other, some of them read ahead.
struct InOrderExec {
    input: Arc<dyn ExecutionPlan>,
    properties: Arc<PlanProperties>,
}

impl InOrderExec {
    fn new(input: Arc<dyn ExecutionPlan>) -> Self {
        let properties = PlanProperties::new(
            EquivalenceProperties::new(input.schema()),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Self {
            input,
            properties: Arc::new(properties),
        }
    }

    fn over(mut children: Vec<Arc<dyn ExecutionPlan>>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let input = children.pop().ok_or_else(|| internal("no input"))?;
        Ok(Arc::new(Self::new(input)))
    }
}

impl fmt::Debug for InOrderExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InOrder")
    }
}

impl DisplayAs for InOrderExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "InOrder")
    }
}

impl ExecutionPlan for InOrderExec {
    fn name(&self) -> &str {
        "InOrder"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.input]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Self::over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Self::over(children)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> DfResult<SendableRecordBatchStream> {
        let input = Arc::clone(&self.input);
        let count = input.properties().partitioning.partition_count();
        let threads = context.session_config().target_partitions().max(1);
        let begun = move |piece| {
            let rows = input.execute(piece, Arc::clone(&context));
            future::ready(rows.map(|rows| spawn_buffered(rows, AHEAD)))
        };
        let pieces = stream::iter(0..count).map(begun).buffered(threads);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            self.input.schema(),
            pieces.try_flatten(),
        )))
    }
}
