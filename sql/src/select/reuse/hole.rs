//! Where a kept plan reads its table: a place for an operator over the snapshot of some statement.

use std::fmt;
use std::sync::Arc;

use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::Result;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::coop::CooperativeExec;
use datafusion::physical_plan::execution_plan::ChildrenPropertiesMode;
use datafusion::physical_plan::filter::FilterExec;
use datafusion::physical_plan::limit::{GlobalLimitExec, LocalLimitExec};
use datafusion::physical_plan::placeholder_row::PlaceholderRowExec;
use datafusion::physical_plan::projection::ProjectionExec;
use datafusion::physical_plan::sorts::sort::SortExec;
use datafusion::physical_plan::sorts::sort_preserving_merge::SortPreservingMergeExec;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use storno_storage::TableSnapshot;

use crate::functions::failure::internal;
use crate::select::aggregate::{AggregateScanExec, Recipe};

/// Plans that are deeper are not kept: they are filled by recursion on a connection's thread.
const DEPTH_MAX: usize = 32;

/// Stands for the operator of this number.
#[derive(Debug)]
struct Hole {
    number: usize,
    properties: Arc<PlanProperties>,
}

impl DisplayAs for Hole {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Hole: {}", self.number)
    }
}

impl ExecutionPlan for Hole {
    fn name(&self) -> &'static str {
        "Hole"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn execute(&self, _: usize, _: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        Err(internal("a plan with holes is not for execution"))
    }
}

/// A table that a plan reads, and what it computes of it.
#[derive(Debug, Clone)]
pub(super) struct Read {
    pub(super) table: TableSnapshot,
    pub(super) recipe: Arc<Recipe>,
}

/// The plan with holes where it reads tables; `None` if there is anything in it that is not known to work
/// again: copies of an operator must not share what they do.
pub(super) fn with_holes(
    plan: &Arc<dyn ExecutionPlan>,
    reads: &mut Vec<Read>,
    depth: usize,
) -> Result<Option<Arc<dyn ExecutionPlan>>> {
    if let Some(scan) = plan.downcast_ref::<AggregateScanExec>() {
        let hole = Hole {
            number: reads.len(),
            properties: Arc::clone(plan.properties()),
        };
        reads.push(Read {
            table: scan.table().clone(),
            recipe: Arc::clone(scan.recipe()),
        });
        return Ok(Some(Arc::new(hole)));
    }
    if depth >= DEPTH_MAX || !is_known(plan.as_ref()) {
        return Ok(None);
    }
    let mut children = Vec::new();
    for child in plan.children() {
        match with_holes(child, reads, depth + 1)? {
            Some(child) => children.push(child),
            None => return Ok(None),
        }
    }
    again(plan, children).map(Some)
}

/// The plan with operators in its holes.
pub(super) fn filled(
    plan: &Arc<dyn ExecutionPlan>,
    reads: &[Read],
) -> Result<Arc<dyn ExecutionPlan>> {
    if let Some(hole) = plan.downcast_ref::<Hole>() {
        let read = reads.get(hole.number).cloned();
        let Read { table, recipe } = read.ok_or_else(|| internal("a hole of no plan"))?;
        return Ok(Arc::new(AggregateScanExec::new(table, recipe)));
    }
    let children = plan.children().into_iter().map(|c| filled(c, reads));
    again(plan, children.collect::<Result<_>>()?)
}

/// A copy of the operator that shares no state with it.
fn again(
    plan: &Arc<dyn ExecutionPlan>,
    children: Vec<Arc<dyn ExecutionPlan>>,
) -> Result<Arc<dyn ExecutionPlan>> {
    // A hole and what fills it have the same properties.
    let options = ReplaceChildrenOptions::new(ChildrenPropertiesMode::Keep);
    Arc::clone(plan)
        .replace_children(children, options)?
        .reset_state()
}

fn is_known(plan: &dyn ExecutionPlan) -> bool {
    plan.is::<ProjectionExec>()
        || plan.is::<FilterExec>()
        || plan.is::<SortExec>()
        || plan.is::<SortPreservingMergeExec>()
        || plan.is::<CoalescePartitionsExec>()
        || plan.is::<CooperativeExec>()
        || plan.is::<GlobalLimitExec>()
        || plan.is::<LocalLimitExec>()
        || plan.is::<PlaceholderRowExec>()
}
