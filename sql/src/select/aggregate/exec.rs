//! The operator at work: storage aggregates on as many threads as there are, one batch after another
//! comes out.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions};
use arrow::compute::cast;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::Session;
use datafusion::common::ScalarValue;
use datafusion::common::runtime::JoinSet;
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryConsumer, MemoryReservation};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::physical_planning_context::PhysicalPlanningContext;
use datafusion::logical_expr::{BinaryExpr, Expr, LogicalPlan, UserDefinedLogicalNode};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use datafusion::physical_planner::{ExtensionPlanner, PhysicalPlanner};
use futures::TryStreamExt;
use storno_storage::{
    AggregateRequest, Aggregation, Condition, GroupKey, Groups, KeyFunction, Merging, Predicate,
    ScanStats, TableSnapshot, ValueMap, Worker,
};

use super::finish::column_of;
use super::functions::{OfColumn, error_of};
use super::granule::granule;
use super::node::AggregateScan;
use super::shape::Output;
use crate::functions::failure::internal;
use crate::select::prune::predicates;
use crate::select::table::SnapshotTable;

/// Fewer rows are not worth a second thread.
const ROWS_PER_THREAD: u64 = 100_000;
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
        _: &[Arc<dyn ExecutionPlan>],
        session: &dyn Session,
        _: &PhysicalPlanningContext,
    ) -> Result<Option<Arc<dyn ExecutionPlan>>> {
        let Some(node) = node.as_any().downcast_ref::<AggregateScan>() else {
            return Ok(None);
        };
        let table = node.table().ok_or_else(|| internal("a table of others"))?;
        let request = request_of(node, table, session)?;
        let threads = session.config().target_partitions();
        let schema = Arc::clone(node.schema.inner());
        let exec = AggregateScanExec::try_new(Source {
            table: table.stored().clone(),
            request,
            outputs: node.shape.outputs.clone(),
            threads,
            schema,
        })?;
        Ok(Some(Arc::new(exec)))
    }
}

fn request_of(
    node: &AggregateScan,
    table: &SnapshotTable,
    session: &dyn Session,
) -> Result<AggregateRequest> {
    let schema = table.arrow_schema();
    let of_column = |column: usize, expr: &Expr| {
        OfColumn::new(expr, schema.field(column), session.execution_props())
    };
    let condition = |(column, expr): &(usize, Expr)| {
        let (implies, exact) = implied(expr, *column, schema);
        Ok(Condition {
            column: *column,
            test: Arc::new(of_column(*column, expr)?),
            implies,
            exact,
        })
    };
    let key = |(column, function): &(usize, Option<Expr>)| {
        let function = match function {
            Some(expr) => {
                let map = of_column(*column, expr)?;
                Some(KeyFunction {
                    data_type: map.data_type()?,
                    map: Arc::new(map) as Arc<dyn ValueMap>,
                    granule: granule(expr),
                })
            }
            None => None,
        };
        Ok(GroupKey {
            column: *column,
            function,
        })
    };
    Ok(AggregateRequest {
        conditions: node
            .conditions
            .iter()
            .map(condition)
            .collect::<Result<_>>()?,
        cases: node
            .shape
            .cases
            .iter()
            .map(condition)
            .collect::<Result<_>>()?,
        keys: node.shape.keys.iter().map(key).collect::<Result<_>>()?,
        measures: node.shape.measures.clone(),
        having: node.having.clone(),
        top: node.top,
    })
}

/// What a condition implies for storage, and whether that is all it says.
fn implied(expr: &Expr, column: usize, schema: &Schema) -> (Vec<Predicate>, bool) {
    let implies = predicates(expr, schema);
    let own_type = schema.field(column).data_type();
    let same = |e: &Expr| match e {
        Expr::Literal(value, _) => !value.is_null() && is_same(value, own_type),
        _ => false,
    };
    let is_column = |e: &Expr| matches!(e, Expr::Column(_));
    let exact = match expr {
        Expr::BinaryExpr(BinaryExpr { left, right, .. }) => {
            is_column(left) && same(right) || same(left) && is_column(right)
        }
        Expr::InList(list) => !list.negated && is_column(&list.expr) && list.list.iter().all(same),
        Expr::IsNull(e) | Expr::IsNotNull(e) => is_column(e),
        _ => false,
    };
    let exact = exact && implies.len() == 1;
    (implies, exact)
}

fn is_same(value: &ScalarValue, data_type: &arrow::datatypes::DataType) -> bool {
    use arrow::datatypes::DataType::{LargeUtf8, Utf8, Utf8View};
    let own = value.data_type();
    own == *data_type || matches!((own, data_type), (Utf8 | LargeUtf8, Utf8View))
}

/// Enough to start over.
#[derive(Debug, Clone)]
struct Source {
    table: TableSnapshot,
    request: AggregateRequest,
    outputs: Vec<Output>,
    threads: usize,
    schema: SchemaRef,
}

impl Source {
    fn aggregation(&self) -> Result<Arc<Aggregation>> {
        let started = self.table.aggregate(self.request.clone(), self.threads);
        started
            .map(Arc::new)
            .map_err(|e| DataFusionError::External(Box::new(e)))
    }
}

/// Groups and aggregates the rows of a table.
struct AggregateScanExec {
    source: Source,
    stats: ScanStats,
    /// Pruned already; taken when executed.
    prepared: Mutex<Option<Arc<Aggregation>>>,
    properties: Arc<PlanProperties>,
}

impl AggregateScanExec {
    fn try_new(source: Source) -> Result<Self> {
        let prepared = source.aggregation()?;
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&source.schema)),
            Partitioning::UnknownPartitioning(1),
            EmissionType::Final,
            Boundedness::Bounded,
        );
        Ok(Self {
            stats: prepared.stats(),
            prepared: Mutex::new(Some(prepared)),
            properties: Arc::new(properties),
            source,
        })
    }
}

impl fmt::Debug for AggregateScanExec {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "AggregateScan")
    }
}

impl DisplayAs for AggregateScanExec {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (s, source) = (&self.stats, &self.source);
        let meta = source.table.meta();
        write!(
            f,
            "AggregateScan: table={}.{}, keys={}, aggregates={}, conditions={}",
            meta.schema,
            meta.spec.name,
            source.request.keys.len(),
            source.outputs.len(),
            source.request.conditions.len(),
        )?;
        if let Some(top) = source.request.top {
            write!(f, ", top={}", top.count)?;
        }
        write!(
            f,
            ", segments={}/{}, blocks={}/{}, rows={}, bytes={}",
            s.segments_kept, s.segments_total, s.blocks_kept, s.blocks_total, s.rows, s.bytes
        )
    }
}

impl ExecutionPlan for AggregateScanExec {
    fn name(&self) -> &str {
        "AggregateScan"
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

    fn reset_state(self: Arc<Self>) -> Result<Arc<dyn ExecutionPlan>> {
        Ok(Arc::new(Self::try_new(self.source.clone())?))
    }

    fn execute(&self, _: usize, context: Arc<TaskContext>) -> Result<SendableRecordBatchStream> {
        let prepared = self.prepared.lock();
        let prepared = prepared.unwrap_or_else(PoisonError::into_inner).take();
        let aggregation = prepared.map_or_else(|| self.source.aggregation(), Ok)?;
        let memory = MemoryConsumer::new("AggregateScan").register(context.memory_pool());
        let source = self.source.clone();
        let threads = self.stats.rows.div_ceil(ROWS_PER_THREAD);
        let threads = source.threads.min(threads as usize);
        let work = async move {
            let groups = run(aggregation, threads, Arc::new(Mutex::new(memory))).await?;
            let batches = batches(&source, &groups)?;
            Ok::<_, DataFusionError>(futures::stream::iter(batches.into_iter().map(Ok)))
        };
        let stream = futures::stream::once(work).try_flatten();
        let schema = Arc::clone(&self.source.schema);
        Ok(Box::pin(RecordBatchStreamAdapter::new(schema, stream)))
    }
}

type Memory = Arc<Mutex<MemoryReservation>>;

/// Runs an aggregation to its end.
async fn run(aggregation: Arc<Aggregation>, threads: usize, memory: Memory) -> Result<Groups> {
    let threads = threads.min(aggregation.parallelism()).max(1);
    let mut tasks = JoinSet::new();
    for _ in 1..threads {
        tasks.spawn(worker(Arc::clone(&aggregation), Arc::clone(&memory)));
    }
    let mut workers = vec![worker(Arc::clone(&aggregation), Arc::clone(&memory)).await?];
    while let Some(done) = tasks.join_next().await {
        workers.push(done.map_err(|e| internal(e.to_string()))??);
    }
    let merging = Arc::new(aggregation.merging(workers));
    for stage in 0..merging.stages() {
        let mut tasks = JoinSet::new();
        for _ in 1..threads {
            tasks.spawn(merge(Arc::clone(&merging), stage));
        }
        merge(Arc::clone(&merging), stage).await?;
        while let Some(done) = tasks.join_next().await {
            done.map_err(|e| internal(e.to_string()))??;
        }
    }
    merging.finish().map_err(error_of)
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

async fn merge(merging: Arc<Merging>, stage: usize) -> Result<()> {
    while merging.work(stage).map_err(error_of)? {
        tokio::task::yield_now().await;
    }
    Ok(())
}

/// The result in batches.
fn batches(source: &Source, groups: &Groups) -> Result<Vec<RecordBatch>> {
    let fields = source.schema.fields();
    let keys = groups.keys.len();
    let mut columns: Vec<ArrayRef> = Vec::with_capacity(fields.len());
    for (key, field) in groups.keys.iter().zip(fields) {
        columns.push(as_declared(key, field)?);
    }
    for (output, field) in source.outputs.iter().zip(fields.iter().skip(keys)) {
        columns.push(column_of(output, groups, field)?);
    }
    let options = RecordBatchOptions::new().with_row_count(Some(groups.rows));
    let all = RecordBatch::try_new_with_options(Arc::clone(&source.schema), columns, &options)?;
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
