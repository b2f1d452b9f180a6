//! A storage table as DataFusion sees it: one snapshot, lower-case column names, pruning by filters.
//!
//! MySQL's column names are case-insensitive; inside plans they are lower case. The names that a
//! client sees are put back by `names`.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{Field, Schema, SchemaRef};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::Result as DfResult;
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storno_storage::{ScanRequest, TableSnapshot};

use super::prune;
use super::scan::{Source, StorageScan};

/// Field metadata: the column's attributes (JSON), its original name, table and schema.
pub const META_ATTRIBUTES: &str = "storno.attributes";
pub const META_COLUMN: &str = "storno.column";
pub const META_TABLE: &str = "storno.table";
pub const META_SCHEMA: &str = "storno.schema";

/// One table in the snapshot of one statement, plus the rows its own transaction has not committed.
#[derive(Debug)]
pub struct SnapshotTable {
    table: TableSnapshot,
    pending: Vec<RecordBatch>,
    schema: SchemaRef,
}

impl SnapshotTable {
    pub fn new(table: TableSnapshot, pending: Vec<RecordBatch>) -> Self {
        let meta = table.meta();
        let fields = meta.arrow.fields().iter().zip(&meta.spec.columns).map(|(field, column)| {
            let metadata = [
                (META_ATTRIBUTES, column.attributes.clone()),
                (META_COLUMN, column.name.clone()),
                (META_TABLE, meta.spec.name.clone()),
                (META_SCHEMA, meta.schema.clone()),
            ];
            let metadata = metadata.map(|(k, v)| (k.to_string(), v)).into_iter().collect();
            Field::new(column.name.to_lowercase(), field.data_type().clone(), field.is_nullable())
                .with_metadata(metadata)
        });
        let schema = Arc::new(Schema::new(fields.collect::<Vec<_>>()));
        Self { table, pending, schema }
    }
}

#[async_trait]
impl TableProvider for SnapshotTable {
    fn schema(&self) -> SchemaRef {
        Arc::clone(&self.schema)
    }

    fn table_type(&self) -> TableType {
        TableType::Base
    }

    async fn scan(
        &self,
        state: &dyn Session,
        projection: Option<&Vec<usize>>,
        filters: &[Expr],
        _limit: Option<usize>,
    ) -> DfResult<Arc<dyn ExecutionPlan>> {
        let columns = match projection {
            Some(columns) => columns.clone(),
            None => (0..self.schema.fields().len()).collect(),
        };
        let predicates =
            filters.iter().flat_map(|f| prune::predicates(f, &self.schema)).collect();
        let source = Source {
            table: self.table.clone(),
            pending: self.pending.iter().map(|b| b.project(&columns)).collect::<Result<_, _>>()?,
            partitions: state.config().target_partitions(),
            request: ScanRequest { columns: columns.clone(), predicates },
        };
        let schema = Arc::new(self.schema.project(&columns)?);
        Ok(Arc::new(StorageScan::try_new(source, schema)?))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        // Storage leaves out what cannot match; the filter above decides row by row.
        let answer = |f: &&Expr| match prune::predicates(f, &self.schema).is_empty() {
            true => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(answer).collect())
    }
}
