//! The physical scan: morsels of one snapshot, handed to whichever partition is free.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{SchemaRef, TimestampMicrosecondType};
use datafusion::common::tree_node::TreeNodeRecursion;
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::physical_expr::{EquivalenceProperties, PhysicalExpr};
use datafusion::physical_plan::execution_plan::{Boundedness, EmissionType};
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::{
    DisplayAs, DisplayFormatType, ExecutionPlan, Partitioning, PlanProperties,
    ReplaceChildrenOptions,
};
use storno_storage::{Morsel, ScanRequest, ScanStats, TableSnapshot};

use crate::types::TimeZone;

type Queue = Arc<Mutex<VecDeque<Morsel>>>;

/// Reads a pruned scan. Its partitions share one queue of morsels, so that none idles while
/// another has work left; or each has its own, so that rows come in the order in which they are stored.
pub struct StorageScan {
    source: Source,
    schema: SchemaRef,
    stats: ScanStats,
    /// One, or one for each partition.
    queues: Vec<Queue>,
    properties: Arc<PlanProperties>,
}

/// What is read: enough to start over, as a recursive query does.
#[derive(Debug, Clone)]
pub struct Source {
    pub table: TableSnapshot,
    pub request: ScanRequest,
    /// Where in the output the row positions go, which storage gives last; `None`: not wanted.
    pub position: Option<usize>,
    /// Upper bound.
    pub partitions: usize,
    /// Zone of the output columns at `zoned`, which storage keeps in UTC.
    pub zone: TimeZone,
    pub zoned: Vec<usize>,
}

impl StorageScan {
    /// `schema` is the projected schema.
    pub fn try_new(source: Source, schema: SchemaRef) -> DfResult<Self> {
        Self::parted(source, schema, false)
    }

    /// The same scan with a partition for each morsel.
    pub(super) fn piece_by_piece(&self) -> DfResult<Self> {
        Self::parted(self.source.clone(), Arc::clone(&self.schema), true)
    }

    fn parted(source: Source, schema: SchemaRef, piece_by_piece: bool) -> DfResult<Self> {
        let scan = source.table.scan(source.request.clone());
        let scan = scan.map_err(|e| DataFusionError::External(Box::new(e)))?;
        let stats = scan.stats();
        let scan = match source.position {
            Some(_) => scan.with_row_positions(),
            None => scan,
        };
        let morsels = VecDeque::from(scan.into_morsels());
        let queue = |morsels| Arc::new(Mutex::new(morsels));
        let (queues, partitions): (Vec<Queue>, usize) = match piece_by_piece {
            true if !morsels.is_empty() => {
                let count = morsels.len();
                let each = morsels.into_iter();
                (
                    each.map(|one| queue(VecDeque::from([one]))).collect(),
                    count,
                )
            }
            _ => {
                let partitions = source.partitions.min(morsels.len()).max(1);
                (vec![queue(morsels)], partitions)
            }
        };
        let properties = PlanProperties::new(
            EquivalenceProperties::new(Arc::clone(&schema)),
            Partitioning::UnknownPartitioning(partitions),
            EmissionType::Incremental,
            Boundedness::Bounded,
        );
        Ok(Self {
            source,
            schema,
            stats,
            queues,
            properties: Arc::new(properties),
        })
    }

    fn table_name(&self) -> String {
        let meta = self.source.table.meta();
        format!("{}.{}", meta.schema, meta.spec.name)
    }
}

impl fmt::Debug for StorageScan {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "StorageScan({})", self.table_name())
    }
}

impl DisplayAs for StorageScan {
    fn fmt_as(&self, _: DisplayFormatType, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let s = &self.stats;
        write!(
            f,
            "StorageScan: table={}, segments={}/{}, blocks={}/{}, rows={}, bytes={}",
            self.table_name(),
            s.segments_kept,
            s.segments_total,
            s.blocks_kept,
            s.blocks_total,
            s.rows,
            s.bytes
        )
    }
}

/// Batches of one partition: takes pieces off the shared queue until it is empty.
struct Pieces {
    queue: Queue,
    current: Option<Morsel>,
    schema: SchemaRef,
    zone: TimeZone,
    zoned: Vec<usize>,
    position: Option<usize>,
}

impl Iterator for Pieces {
    type Item = DfResult<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            if let Some(morsel) = &mut self.current {
                match morsel.next() {
                    Some(Ok(batch)) => return Some(self.renamed(batch)),
                    Some(Err(e)) => {
                        // A damaged block ends the query; nothing after it is served.
                        self.current = None;
                        return Some(Err(DataFusionError::External(Box::new(e))));
                    }
                    None => self.current = None,
                }
            }
            let next = self
                .queue
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .pop_front();
            self.current = Some(next?);
        }
    }
}

impl Pieces {
    /// Storage's batch under the plan's (lower-case) column names.
    fn renamed(&self, batch: RecordBatch) -> DfResult<RecordBatch> {
        let options =
            arrow::array::RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
        let schema = Arc::clone(&self.schema);
        let mut columns = batch.columns().to_vec();
        if let Some(at) = self.position
            && let Some(positions) = columns.pop()
        {
            columns.insert(at.min(columns.len()), positions);
        }
        for i in &self.zoned {
            let Some(column) = columns.get_mut(*i) else {
                continue;
            };
            let utc = column.as_primitive::<TimestampMicrosecondType>();
            let local = utc.unary::<_, TimestampMicrosecondType>(|t| self.zone.from_utc(t));
            *column = Arc::new(local);
        }
        Ok(RecordBatch::try_new_with_options(
            schema, columns, &options,
        )?)
    }
}

impl ExecutionPlan for StorageScan {
    fn name(&self) -> &str {
        "StorageScan"
    }

    fn properties(&self) -> &Arc<PlanProperties> {
        &self.properties
    }

    fn children(&self) -> Vec<&Arc<dyn ExecutionPlan>> {
        Vec::new()
    }

    fn apply_expressions(
        &self,
        _: &mut dyn FnMut(&Arc<dyn PhysicalExpr>) -> DfResult<TreeNodeRecursion>,
    ) -> DfResult<TreeNodeRecursion> {
        Ok(TreeNodeRecursion::Continue)
    }

    fn replace_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
        _: ReplaceChildrenOptions,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn with_new_children(
        self: Arc<Self>,
        _: Vec<Arc<dyn ExecutionPlan>>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        Ok(self)
    }

    fn reset_state(self: Arc<Self>) -> DfResult<Arc<dyn ExecutionPlan>> {
        let (source, schema) = (self.source.clone(), Arc::clone(&self.schema));
        let piece_by_piece = self.queues.len() > 1;
        Ok(Arc::new(Self::parted(source, schema, piece_by_piece)?))
    }

    fn execute(
        &self,
        partition: usize,
        _: Arc<TaskContext>,
    ) -> DfResult<SendableRecordBatchStream> {
        let queue = self.queues.get(partition % self.queues.len().max(1));
        let pieces = Pieces {
            queue: queue.map(Arc::clone).unwrap_or_default(),
            current: None,
            schema: Arc::clone(&self.schema),
            zone: self.source.zone,
            zoned: self.source.zoned.clone(),
            position: self.source.position,
        };
        let stream = futures::stream::iter(pieces);
        Ok(Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            stream,
        )))
    }
}
