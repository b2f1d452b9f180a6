//! The operator at work: storage aggregates on as many threads as there are, one batch after another
//! comes out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::Field;
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::PhysicalExpr;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, PlanProperties, ReplaceChildrenOptions,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::TryStreamExt;
use storno_storage::{Aggregation, Groups, Merging, ScanStats, TableSnapshot, Worker};

use super::finish::column_of;
use super::functions::error_of;
use super::matched::{Matched, MatchedScanExec};
use super::node::AggregateScan;
use super::recipe::Recipe;
use crate::functions::failure::internal;

/// Fewer rows are not worth a second thread.
const ROWS_PER_THREAD: u64 = 100_000;
/// Fewer bytes of groups are merged sooner than another thread would wake up, once for each stage.
const BYTES_TO_SHARE: usize = 512 << 10;
/// Rows of a batch that comes out.
const BATCH_ROWS: usize = 8192;

/// Makes the operator of the node.
pub(super) struct AggregateScanPlanner;

#[async_trait]
impl ExtensionPlanner for AggregateScanPlanner {
    async fn plan_extension(
        &self,
        _: &dyn PhysicalPlanner,
        node: &dyn UserDefinedLogicalNode,
        _: &[&LogicalPlan],
        inputs: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<AggregateScan>() else {
            return Ok(None);
        };
        let table = node.table().ok_or_else(|| internal("a table of others"))?;
        let threads = session.config().target_partitions();
        let recipe = Arc::new(Recipe::of(node, table, threads)?);
        let (stored, matching) = (table.stored().clone(), node.matching.as_ref());
        Ok(Some(match (matching, inputs) {
            (Some(matching), [keys]) => Arc::new(MatchedScanExec::new(
                Matched::new(stored, recipe, matching, session)?,
                Arc::clone(keys),
            )),
            (None, _) => Arc::new(AggregateScanExec::new(stored, recipe)),
            _ => return Err(internal("keys of no query")),
        }))
    }
}

/// Groups and aggregates the rows of a table.
pub(in crate::select) struct AggregateScanExec {
    table: TableSnapshot,
    recipe: Arc<Recipe>,
    /// Pruned when first asked about; taken when executed.
    prepared: Mutex<Option<Arc<Aggregation>>>,
}

impl AggregateScanExec {
    pub(in crate::select) fn new(table: TableSnapshot, recipe: Arc<Recipe>) -> Self {
        Self {
            table,
            recipe,
            prepared: Mutex::new(None),
        }
    }

    pub(in crate::select) fn table(&self) -> &TableSnapshot {
        &self.table
    }

    pub(in crate::select) fn recipe(&self) -> &Arc<Recipe> {
        &self.recipe
    }

    /// What pruning leaves.
    fn stats(&self) -> Result<ScanStats> {
        let mut prepared = self.prepared.lock().unwrap_or_else(PoisonError::into_inner);
        let aggregation = match prepared.take() {
            Some(aggregation) => aggregation,
            None => self.recipe.aggregation(&self.table)?,
        };
        let stats = aggregation.stats();
        *prepared = Some(aggregation);
        Ok(stats)
    }
}

impl fmt::Debug for AggregateScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AggregateScan")
    }
}

impl DisplayAs for AggregateScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (meta, request) = (self.table.meta(), &self.recipe.request);
        write!(
            f,
            "AggregateScan: table={}.{}, keys={}, aggregates={}, conditions={}",
            meta.schema,
            meta.spec.name,
            request.keys.len(),
            self.recipe.shape.outputs.len(),
            request.conditions.len(),
        )?;
        if let Some(top) = request.top {
            write!(f, ", top={}", top.count)?;
        }
        match self.stats() {
            Ok(s) => write!(
                f,
                ", segments={}/{}, blocks={}/{}, rows={}, bytes={}",
                s.segments_kept, s.segments_total, s.blocks_kept, s.blocks_total, s.rows, s.bytes
            ),
            Err(error) => write!(f, ", error={error}"),
        }
    }
}

impl ExecutionPlan for AggregateScanExec {
    fn name(&self) -> &str {
        "AggregateScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.recipe.properties
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

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        let (table, recipe) = (self.table.clone(), Arc::clone(&self.recipe));
        Ok(Arc::new(Self::new(table, recipe)))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let prepared = self.prepared.lock();
        let prepared = prepared.unwrap_or_else(PoisonError::into_inner).take();
        let memory = MemoryConsumer::new("AggregateScan").register(context.memory_pool());
        let (table, recipe) = (self.table.clone(), Arc::clone(&self.recipe));
        let work = async move {
            let aggregation = prepared.map_or_else(|| recipe.aggregation(&table), Ok)?;
            drop(table);
            let batches = aggregated(&recipe, aggregation, memory).await?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches.into_iter().map(Ok)))
        };
        let stream = futures::stream::once(work).try_flatten();
        let schema = Arc::clone(&self.recipe.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

/// The result of an aggregation, in batches.
pub(super) async fn aggregated(
    recipe: &Recipe,
    aggregation: Arc<Aggregation>,
    memory: MemoryReservation,
) -> Result<Vec<RecordBatch>> {
    let threads = aggregation.stats().rows.div_ceil(ROWS_PER_THREAD);
    let threads = recipe.threads.min(threads as usize);
    let groups = run(aggregation, threads, Arc::new(Mutex::new(memory))).await?;
    batches(recipe, &groups)
}

type Memory = Arc<Mutex<MemoryReservation>>;

/// Runs an aggregation to its end.
async fn run(aggregation: Arc<Aggregation>, threads: usize, memory: Memory) -> Result<Groups> {
    let threads = threads.min(aggregation.parallelism()).max(1);
    let work = || worker(Arc::clone(&aggregation), Arc::clone(&memory));
    let workers = side_by_side(threads, work).await?;
    let held: usize = workers.iter().map(Worker::memory).sum();
    let threads = if held < BYTES_TO_SHARE { 1 } else { threads };
    let merging = Arc::new(aggregation.merging(workers).map_err(error_of)?);
    for stage in 0..merging.stages() {
        let work = || merge(Arc::clone(&merging), stage, Arc::clone(&memory));
        side_by_side(threads, work).await?;
    }
    merging.finish().map_err(error_of)
}

/// Does the same work on several threads, none of it in the task at hand: what a task has spawned last waits for
/// its own thread, and no other is woken for it, so that of two halves the second would begin when the first ends.
pub(super) async fn side_by_side<T: Send + 'static, W>(
    threads: usize,
    work: impl Fn() -> W,
) -> Result<Vec<T>>
where
    W: Future<Output = Result<T>> + Send + 'static,
{
    if threads == 1 {
        return Ok(vec![work().await?]);
    }
    let mut tasks = JoinSet::new();
    for _ in 0..threads {
        tasks.spawn(work());
    }
    let mut done = Vec::with_capacity(threads);
    while let Some(one) = tasks.join_next().await {
        done.push(one.map_err(|e| internal(e.to_string()))??);
    }
    Ok(done)
}

/// One thread's part. It yields between sources: a query that is not wanted any more ends there.
async fn worker(aggregation: Arc<Aggregation>, memory: Memory) -> Result<Worker> {
    let mut worker = aggregation.worker();
    let mut held = 0;
    while aggregation.work(&mut worker).map_err(error_of)? {
        let holds = worker.memory();
        if holds > held {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.try_grow(holds - held)?;
            held = holds;
        }
        tokio::task::yield_now().await;
    }
    Ok(worker)
}

async fn merge(merging: Arc<Merging>, stage: usize, memory: Memory) -> Result<()> {
    while merging.work(stage).map_err(error_of)? {
        let more = merging.more_memory();
        if more > 0 {
            let memory = memory.lock().unwrap_or_else(PoisonError::into_inner);
            memory.try_grow(more)?;
        }
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The result in batches.
fn batches(recipe: &Recipe, groups: &Groups) -> Result<Vec<RecordBatch>> {
    let fields = recipe.schema.fields();
    let keys = groups.keys.len();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
    for (key, field) in groups.keys.iter().zip(fields) {
        columns.push(as_declared(key, field)?);
    }
    for (output, field) in recipe.shape.outputs.iter().zip(fields.iter().skip(keys)) {
        columns.push(column_of(output, groups, field)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(groups.rows));
    let all = RecordBatch::try_new_with_options(Arc::clone(&recipe.schema), columns, &options)?;
    let starts = (0..groups.rows).step_by(BATCH_ROWS);
    Ok(starts
        .map(|start| all.slice(start, BATCH_ROWS.min(groups.rows - start)))
        .collect())
}

fn as_declared(array: &ArrayRef, field: &Field) -> Result<ArrayRef> {
    match array.data_type() == field.data_type() {
        true => Ok(Arc::clone(array)),
        false => Ok(cast(array, field.data_type())?),
    }
}
