//! Files as DataFusion reads them: one partition per file, only the columns that are asked for.

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
        let parts = self.opened.files.iter().map(|file| {
            Arc::new(FilePart {
                opened: self.opened.clone(),
                file: file.clone(),
                columns: columns.clone(),
                schema: Arc::clone(&schema),
            }) as Arc<dyn PartitionStream>
        });
        let parts = parts.collect();
        let plan = StreamingTableExec::try_new(schema, parts, None, Vec::new(), false, limit)?;
        Ok(Arc::new(plan))
    }
}

/// One file.
#[derive(Debug)]
struct FilePart {
    opened: Opened,
    file: Found,
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
        let (opened, file) = (self.opened.clone(), self.file.clone());
        let columns = self.columns.clone();
        let read = move || {
            let mut take = |batch| sender.blocking_send(Ok(batch)).is_ok();
            if let Err(error) = opened.read(&file, &columns, &cancel, &mut take) {
                // A query that is gone needs no reason.
                let _ = sender.blocking_send(Err(raise(error)));
            }
        };
        self.opened.spawn(read);
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
