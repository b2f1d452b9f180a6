//! A storage table as DataFusion sees it: one snapshot, lower-case column names, pruning by filters.
//!
//! MySQL's column names are case-insensitive; inside plans they are lower case. The names that a
//! client sees are put back by `names`.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{AsArray, RecordBatch};
use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimestampMicrosecondType};
use async_trait::async_trait;
use datafusion::catalog::{Session, TableProvider};
use datafusion::error::{DataFusionError, Result as DfResult};
use datafusion::logical_expr::{Expr, TableProviderFilterPushDown, TableType};
use datafusion::physical_plan::ExecutionPlan;
use storno_storage::{Predicate, ScanRequest, TableMeta, TableSnapshot};

use super::collate::COLLATION_KEY;
use super::planner::POSITION;
use super::prune;
use super::scan::{Source, StorageScan};
use crate::error::Result;
use crate::functions::FSP_KEY;
use crate::information_schema::is_information_schema;
use crate::types::charset::BIN_COLLATION;
use crate::types::{ColumnAttributes, MysqlType, TableDefinition, TimeZone};

/// Field metadata: the column's original name, table and schema.
pub const META_COLUMN: &str = "storno.column";
pub const META_TABLE: &str = "storno.table";
pub const META_SCHEMA: &str = "storno.schema";

/// One table in the snapshot of one statement, its own transaction's changes included.
#[derive(Debug)]
pub struct SnapshotTable {
    table: TableSnapshot,
    schema: SchemaRef,
    zone: TimeZone,
    /// TIMESTAMP columns to be shown in a zone that is not UTC.
    zoned: Vec<usize>,
}

impl SnapshotTable {
    pub fn try_new(table: TableSnapshot, zone: TimeZone) -> Result<Self> {
        let meta = table.meta();
        let definition = TableDefinition::read(Arc::clone(meta))?;
        let is_zoned = |c: &ColumnAttributes| matches!(c.mysql_type, MysqlType::Timestamp { .. });
        let zoned = definition.columns.iter().enumerate();
        let zoned = zoned.filter(|(_, c)| zone != TimeZone::UTC && is_zoned(c));
        let zoned = zoned.map(|(i, _)| i).collect();
        Ok(Self {
            schema: plan_schema(&definition),
            table,
            zone,
            zoned,
        })
    }
}

/// A table's columns as plans name them, with what they are called outside.
pub fn plan_schema(definition: &TableDefinition) -> SchemaRef {
    let meta = &definition.meta;
    let columns = meta.spec.columns.iter().zip(&definition.columns);
    let fields = columns.map(|(column, declared)| {
        let mut metadata = HashMap::from([
            (META_COLUMN.to_string(), column.name.clone()),
            (META_TABLE.to_string(), meta.spec.name.clone()),
            (META_SCHEMA.to_string(), meta.schema.clone()),
        ]);
        if let Some(fsp) = declared.mysql_type.fraction() {
            metadata.insert(FSP_KEY.to_string(), fsp.to_string());
        }
        metadata.extend(collation_of(meta, declared).map(|c| (COLLATION_KEY.to_string(), c)));
        let name = column.name.to_lowercase();
        Field::new(name, column.data_type.clone(), column.nullable).with_metadata(metadata)
    });
    Arc::new(Schema::new(fields.collect::<Vec<_>>()))
}

/// The collation that plans give to a column of a table.
pub(super) fn collation_at(table: &TableDefinition, column: usize) -> Option<String> {
    collation_of(&table.meta, table.columns.get(column)?)
}

/// The collation of a column's text.
fn collation_of(meta: &TableMeta, declared: &ColumnAttributes) -> Option<String> {
    let by_bytes = "utf8mb4_0900_bin";
    match declared.mysql_type {
        MysqlType::Json => Some(by_bytes.into()),
        _ if !declared.mysql_type.is_character() => None,
        // Names of databases and tables end in no spaces.
        _ if is_information_schema(&meta.schema) && declared.collation == BIN_COLLATION => {
            Some(by_bytes.into())
        }
        _ => Some(declared.collation.clone()),
    }
}

impl SnapshotTable {
    /// Names and types as queries see them.
    pub fn arrow_schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// How many rows the sort key and the bounds of blocks leave.
    pub(crate) fn rows_within(&self, filters: &[Expr]) -> DfResult<u64> {
        let predicates = filters.iter().flat_map(|filter| self.predicates(filter));
        let request = ScanRequest {
            columns: Vec::new(),
            predicates: predicates.collect(),
        };
        let scan = self.table.scan(request);
        let scan = scan.map_err(|e| DataFusionError::External(Box::new(e)))?;
        Ok(scan.stats().rows)
    }

    /// The rows below.
    pub fn stored(&self) -> &TableSnapshot {
        &self.table
    }

    /// Whether a column is one of storage's, and its values mean to queries what they mean there.
    pub fn is_stored_as_shown(&self, column: usize) -> bool {
        column < self.table.meta().arrow.fields().len() && !self.zoned.contains(&column)
    }

    /// Stored rows as queries see them: TIMESTAMP columns in the session's zone.
    pub fn localized(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for i in &self.zoned {
            let Some(column) = columns.get_mut(*i) else {
                continue;
            };
            let utc = column.as_primitive::<TimestampMicrosecondType>();
            let local = utc.unary::<_, TimestampMicrosecondType>(|t| self.zone.from_utc(t));
            *column = Arc::new(local);
        }
        RecordBatch::try_new(rows.schema(), columns)
            .map_err(|e| crate::SqlError::internal(e.to_string()))
    }

    /// The same rows with their positions as one more column, [`POSITION`].
    #[must_use]
    pub fn with_positions(mut self) -> Self {
        let mut fields = self.schema.fields().to_vec();
        fields.push(Arc::new(Field::new(POSITION, DataType::UInt64, false)));
        self.schema = Arc::new(Schema::new(fields));
        self
    }

    /// What of a filter storage can use. It keeps TIMESTAMP in UTC; the filter speaks local time.
    fn predicates(&self, filter: &Expr) -> Vec<Predicate> {
        let mut found = prune::predicates(filter, &self.schema);
        let column = |p: &Predicate| match p {
            Predicate::Compare { column, .. }
            | Predicate::In { column, .. }
            | Predicate::IsNull { column }
            | Predicate::IsNotNull { column }
            | Predicate::Passes { column, .. } => *column,
        };
        found.retain(|p| !self.zoned.contains(&column(p)));
        found
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
        let predicates = filters.iter().flat_map(|f| self.predicates(f)).collect();
        let stored = self.table.meta().arrow.fields().len();
        let schema = Arc::new(self.schema.project(&columns)?);
        let source = Source {
            table: self.table.clone(),
            partitions: state.config().target_partitions(),
            zone: self.zone,
            zoned: (0..columns.len())
                .filter(|i| self.zoned.contains(&columns[*i]))
                .collect(),
            position: columns.iter().position(|c| *c == stored),
            request: ScanRequest {
                columns: columns.into_iter().filter(|c| *c < stored).collect(),
                predicates,
            },
        };
        Ok(Arc::new(StorageScan::try_new(source, schema)?))
    }

    fn supports_filters_pushdown(
        &self,
        filters: &[&Expr],
    ) -> DfResult<Vec<TableProviderFilterPushDown>> {
        // Storage leaves out what cannot match; the filter above decides row by row.
        let answer = |f: &&Expr| match self.predicates(f).is_empty() {
            true => TableProviderFilterPushDown::Unsupported,
            false => TableProviderFilterPushDown::Inexact,
        };
        Ok(filters.iter().map(answer).collect())
    }
}
