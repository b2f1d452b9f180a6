//! Files as DataFusion reads them: in a few partitions, only the columns that are asked for.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::execution::{SendableRecordBatchStream, TaskContext};
use datafusion::logical_expr::{Expr, TableType};
use datafusion::physical_plan::ExecutionPlan;
use datafusion::physical_plan::stream::RecordBatchStreamAdapter;
use datafusion::physical_plan::streaming::{PartitionStream, StreamingTableExec};
use futures::{Stream, stream};
use storno_transfer::{Cancel, Found};
use tokio::sync::mpsc;

use super::read::Opened;
use crate::error::{Result, SqlError};
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
#[derive(Debug, Clone)]
struct FilePart {
    opened: Opened,
    files: Vec<Found>,
    columns: Vec<usize>,
    schema: SchemaRef,
}

impl FilePart {
    /// Reads the files, until `take` wants no more.
    fn read(&self, cancel: &Cancel, take: &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> {
        for file in &self.files {
            if !self.opened.read(file, &self.columns, cancel, take)? {
                break;
            }
        }
        Ok(())
    }
}

impl PartitionStream for FilePart {
    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn execute(&self, _context: Arc<TaskContext>) -> SendableRecordBatchStream {
        let part = self.clone();
        let batches = streamed(move |cancel, take| part.read(cancel, take));
        Box::pin(RecordBatchStreamAdapter::new(
            Arc::clone(&self.schema),
            batches,
        ))
    }
}

/// What a thread that reads says: rows, `None` when all are read, or why it cannot go on. A thread that says nothing
/// more without having said `None` has panicked: its rows are not all there are.
type Said = DfResult<Option<RecordBatch>>;

/// What the query holds of the thread that reads: dropped, it ends the reading.
struct Reading {
    said: mpsc::Receiver<Said>,
    cancel: Cancel,
}

impl Drop for Reading {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

/// What `read` gives to its second argument, which says whether it should go on. It runs on a thread of its own.
fn streamed<R>(read: R) -> impl Stream<Item = DfResult<RecordBatch>> + Send
where
    R: FnOnce(&Cancel, &mut dyn FnMut(RecordBatch) -> bool) -> Result<()> + Send + 'static,
{
    let (sender, said) = mpsc::channel(QUEUE);
    let cancel = Cancel::default();
    let reading = Reading {
        said,
        cancel: cancel.clone(),
    };
    let failed = sender.clone();
    let spawned = Opened::spawn(move || {
        let mut take = |batch| sender.blocking_send(Ok(Some(batch))).is_ok();
        let end = read(&cancel, &mut take);
        // A query that is gone needs neither end nor reason.
        let _ = sender.blocking_send(end.map(|()| None).map_err(raise));
    });
    if let Err(error) = spawned {
        // Nothing else is in the queue.
        let _ = failed.try_send(Err(raise(error)));
    }
    drop(failed);
    stream::unfold(Some(reading), |reading| async move {
        let mut reading = reading?;
        match reading.said.recv().await {
            Some(Ok(Some(batch))) => Some((Ok(batch), Some(reading))),
            Some(Ok(None)) => None,
            Some(Err(error)) => Some((Err(error), None)),
            None => {
                let error = SqlError::internal("Internal error while reading files");
                Some((Err(raise(error)), None))
            }
        }
    })
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::Schema;
    use datafusion::error::DataFusionError;
    use futures::StreamExt;

    use super::*;

    fn batch() -> RecordBatch {
        RecordBatch::new_empty(Arc::new(Schema::empty()))
    }

    #[tokio::test]
    async fn a_reader_that_panics_is_an_error_and_no_end() {
        let panics = streamed(|_, take| {
            take(batch());
            panic!("in the middle of a file")
        });
        let said: Vec<bool> = panics.map(|batch| batch.is_ok()).collect().await;
        assert_eq!(said, [true, false]);
    }

    #[tokio::test]
    async fn a_reader_ends_with_its_files_or_with_an_error() {
        let ends = streamed(|_, take| {
            (0..5).for_each(|_| assert!(take(batch())));
            Ok(())
        });
        assert_eq!(
            ends.filter(|b| std::future::ready(b.is_ok())).count().await,
            5
        );
        let fails = streamed(|_, take| {
            take(batch());
            Err(SqlError::interrupted())
        });
        let said: Vec<DfResult<RecordBatch>> = fails.collect().await;
        assert!(
            matches!(&said[..], [Ok(_), Err(DataFusionError::External(_))]),
            "{said:?}"
        );
    }

    #[tokio::test]
    async fn a_query_that_is_gone_ends_the_reading() {
        let (sender, ended) = tokio::sync::oneshot::channel();
        let endless = streamed(move |_, take| {
            while take(batch()) {}
            let _ = sender.send(());
            Ok(())
        });
        assert_eq!(Box::pin(endless).take(3).count().await, 3);
        assert_eq!(ended.await, Ok(()));
    }
}
