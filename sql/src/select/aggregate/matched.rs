//! Aggregates on the rows whose key is among those of a query: first the query, then storage's part.

use std::fmt;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewArray, RecordBatch};
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::context::QueryPlanner;
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, SessionState, TaskContext};
use datafusion::logical_expr::LogicalPlan;
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::coalesce_partitions::CoalescePartitionsExec;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use futures::{StreamExt, TryStreamExt};
use storno_storage::{Condition, Predicate, TableSnapshot};

use super::StornoPlanner;
use super::exec::aggregated;
use super::keys::{Keys, Sameness};
use super::node::Matching;
use super::recipe::Recipe;
use crate::functions::failure::internal;
use crate::memory::{compacted, held_bytes};

/// More values are not compared with the bounds of each block.
const VALUES_MAX: usize = 1_000;

/// What is computed of which rows.
#[derive(Debug, Clone)]
pub(super) struct Matched {
    table: TableSnapshot,
    recipe: Arc<Recipe>,
    column: usize,
    sameness: Sameness,
    /// Where a row counts as often as its key occurs: what computes that.
    otherwise: Option<Otherwise>,
}

/// A plan that is made only if it is needed.
#[derive(Debug, Clone)]
struct Otherwise {
    plan: Arc<LogicalPlan>,
    state: Arc<SessionState>,
}

impl Matched {
    pub(super) fn new(
        table: TableSnapshot,
        recipe: Arc<Recipe>,
        matching: &Matching,
        session: &dyn Session,
    ) -> Result<Self> {
        let state = || {
            let state = session.as_any().downcast_ref::<SessionState>();
            let state = state.ok_or_else(|| internal("a session of others"))?;
            Ok::<_, DataFusionError>(Arc::new(state.clone()))
        };
        let otherwise = match &matching.otherwise {
            Some(plan) => Some(Otherwise {
                plan: Arc::clone(plan),
                state: state()?,
            }),
            None => None,
        };
        Ok(Self {
            table,
            recipe,
            column: matching.column,
            sameness: Sameness(matching.order),
            otherwise,
        })
    }

    async fn run(
        self,
        keys: Arc<dyn ExecutionPlan>,
        context: Arc<TaskContext>,
    ) -> Result<SendableRecordBatchStream> {
        let reserve = || MemoryConsumer::new("AggregateScan").register(context.memory_pool());
        let held = reserve();
        let data_type = keys.schema().field(0).data_type().clone();
        let found = all_keys(&keys, &context, self.sameness, &held).await?;
        let (arrays, values): (Vec<_>, Vec<_>) = found.into_iter().unzip();
        let implies = self.implied(&values)?;
        drop(values);
        let keys = Keys::new((self.sameness, data_type), &arrays)?;
        drop(arrays);
        held.try_resize(keys.memory())?;
        if let (true, Some(otherwise)) = (keys.repeat, self.otherwise) {
            drop((keys, held));
            return otherwise.run(context).await;
        }
        let condition = Condition {
            column: self.column,
            test: Arc::new(keys),
            implies,
            exact: false,
        };
        let aggregation = self.recipe.aggregation_of(&self.table, condition)?;
        let batches = aggregated(&self.recipe, aggregation, reserve()).await?;
        drop(held);
        let schema = Arc::clone(&self.recipe.schema);
        let batches = futures::stream::iter(batches.into_iter().map(Ok));
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, batches)))
    }

    /// Few values leave out blocks. Strings under a collation say nothing of where they are.
    fn implied(&self, arrays: &[ArrayRef]) -> Result<Vec<Predicate>> {
        let count: usize = arrays.iter().map(|array| array.len()).sum();
        if self.sameness.0.is_some() || count > VALUES_MAX {
            return Ok(Vec::new());
        }
        let rows = arrays
            .iter()
            .flat_map(|a| (0..a.len()).map(move |at| (a, at)));
        let rows = rows.filter(|(array, at)| array.is_valid(*at));
        let values = rows.map(|(array, at)| ScalarValue::try_from_array(array, at));
        Ok(self
            .recipe
            .one_of(self.column, values.collect::<Result<_>>()?))
    }
}

impl Otherwise {
    async fn run(self, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let plan = StornoPlanner.create_physical_plan(&self.plan, &*self.state);
        CoalescePartitionsExec::new(plan.await?).execute(0, context)
    }
}

/// What a query gives, its partitions side by side: what is equal, and of what.
async fn all_keys(
    keys: &Arc<dyn ExecutionPlan>,
    context: &Arc<TaskContext>,
    sameness: Sameness,
    held: &MemoryReservation,
) -> Result<Vec<(BinaryViewArray, ArrayRef)>> {
    let mut tasks = JoinSet::new();
    for partition in 0..keys.properties().partitioning.partition_count() {
        let mut batches = keys.execute(partition, Arc::clone(context))?;
        let held = held.new_empty();
        tasks.spawn(async move {
            let mut arrays = Vec::new();
            while let Some(batch) = batches.next().await {
                let batch: RecordBatch = compacted(batch?);
                held.try_grow(held_bytes(&batch))?;
                let Some(values) = batch.columns().first() else {
                    return Err(internal("keys without a column"));
                };
                arrays.push((sameness.of(values)?, Arc::clone(values)));
            }
            Ok((arrays, held))
        });
    }
    let mut arrays = Vec::new();
    while let Some(one) = tasks.join_next().await {
        let (some, own) = one.map_err(|e| internal(e.to_string()))??;
        arrays.extend(some);
        held.grow(own.free());
    }
    Ok(arrays)
}

/// The operator.
pub(super) struct MatchedScanExec {
    matched: Matched,
    keys: Arc<dyn ExecutionPlan>,
}

impl MatchedScanExec {
    pub(super) fn new(matched: Matched, keys: Arc<dyn ExecutionPlan>) -> Self {
        Self { matched, keys }
    }

    fn over(&self, mut children: Vec<Arc<dyn ExecutionPlan>>) -> Result<Arc<dyn ExecutionPlan>> {
        let keys = children.pop().ok_or_else(|| internal("keys of no query"))?;
        Ok(Arc::new(Self::new(self.matched.clone(), keys)))
    }
}

impl fmt::Debug for MatchedScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MatchedScan")
    }
}

impl DisplayAs for MatchedScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (meta, recipe) = (self.matched.table.meta(), &self.matched.recipe);
        write!(
            f,
            "AggregateScan: table={}.{}, keys={}, aggregates={}, conditions={}, matching={}",
            meta.schema,
            meta.spec.name,
            recipe.request.keys.len(),
            recipe.shape.outputs.len(),
            recipe.request.conditions.len(),
            recipe.column_name(self.matched.column).unwrap_or_default(),
        )?;
        match recipe.request.top {
            Some(top) => write!(f, ", top={}", top.count),
            None => Ok(()),
        }
    }
}

impl ExecutionPlan for MatchedScanExec {
    fn name(&self) -> &str {
        "AggregateScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.matched.recipe.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        vec![&self.keys]
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> Result<TreeNodeRecursion>,
    ) -> Result<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn with_new_children(
        self: Arc<Self>,
        children: Vec<Arc<dyn ExecutionPlan>>,
    ) -> Result<Arc<dyn ExecutionPlan>> {
        self.over(children)
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let (matched, keys) = (self.matched.clone(), Arc::clone(&self.keys));
        let stream = futures::stream::once(matched.run(keys, context)).try_flatten();
        let schema = Arc::clone(&self.matched.recipe.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}
