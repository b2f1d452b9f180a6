//! Files as DataFusion reads them: in a few partitions, only the columns that are asked for.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::stream;
use storno_transfer::{Cancel, Found};
use tokio::sync::mpsc;

use super::read::Opened;
use crate::functions::failure::raise;

/// Batches between the thread that reads and the query.
const QUEUE: usize = 2;
/// Threads that read for one call, however many files there are: each waits when the query does not take more.
const PARTS_MAX: usize = 16;

/// The files of one call.
#[derive(Debug)]
pub(crate) struct FilesTable {
    opened: Opened,
}

impl FilesTable {
    pub(crate) fn new(opened: Opened) -> Self {
        Self { opened }
    }

    /// Names of the columns, folded.
    pub(crate) fn names(&self) -> Vec<String> {
        let fields = self.opened.schema.fields().iter();
        fields.map(|field| field.name().clone()).collect()
    }
}

#[async_trait]
impl TableProvider for FilesTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.opened.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Temporary
    }

    async fn scan(
        &self,
        _state: &dyn Session,
        projection: Option<&Vec<usize>>,
        _filters: &[Expr],
        limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let all = || (0..self.opened.schema.fields().len()).collect();
        let columns: Vec<usize> = projection.cloned().unwrap_or_else(all);
        let schema = Arc::new(self.opened.schema.project(&columns)?);
        let files = &self.opened.files;
        let count = files.len().min(PARTS_MAX);
        let parts = (0..count).map(|part| {
            let files = files.iter().skip(part).step_by(count);
            Arc::new(FilePart {
                opened: self.opened.clone(),
                files: files.cloned().collect(),
                columns: columns.clone(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        let parts = parts.collect();
        let plan = StreamingTableExec::try_new(schema, parts, None, Vec::new(), false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// Some of the files, one after the other.
#[derive(Debug)]
struct FilePart {
    opened: Opened,
    files: Vec<Found>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

/// What the query holds of the thread that reads: dropped, it ends the reading.
struct Reading {
    batches: mpsc::Receiver<DfResult<RecordBatch>>,
    cancel: Cancel,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

impl PartitionStream for FilePart {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let (sender, batches) = mpsc::channel(QUEUE);
        let cancel = Cancel::default();
        let reading = Reading {
            batches,
            cancel: cancel.clone(),
        };
        let (opened, files) = (self.opened.clone(), self.files.clone());
        let (columns, last) = (self.columns.clone(), sender.clone());
        let read = move || {
            let mut take = |batch| sender.blocking_send(Ok(batch)).is_ok();
            for file in &files {
                match opened.read(file, &columns, &cancel, &mut take) {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        // A query that is gone needs no reason.
                        let _ = sender.blocking_send(Err(raise(error)));
                        break;
                    }
                }
            }
        };
        if let Err(error) = Opened::spawn(read) {
            // Nothing else is in the queue.
            let _ = last.try_send(Err(raise(error)));
        }
        drop(last);
        let batches = stream::unfold(reading, |mut reading: Reading| async move {
            let batch: Result<RecordBatch, DataFusionError> = reading.batches.recv().await?;
            Some((batch, reading))
        });
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}
