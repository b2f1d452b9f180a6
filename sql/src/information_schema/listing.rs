//! The rows of a SHOW statement: a table without a place in any schema.

use std::sync::Arc;

use arrow::array::RecordBatch;
use datafusion::catalog::MemTable;

use super::column::{Heading, Row, batch, definition};
use crate::error::{Result, SqlError};
use crate::result::{ResultColumn, Rows};
use crate::select::table::plan_schema;
use crate::types::{FieldType, TableDefinition};

/// Columns and rows that WHERE can be applied to.
#[derive(Debug, Clone)]
pub struct Listing {
    definition: TableDefinition,
    batch: RecordBatch,
}

impl Listing {
    /// Stands for the rows in the statement that SHOW .. WHERE is turned into. No parser accepts it
    /// as a name that was typed.
    pub const NAME: &'static str = "\u{1}";

    /// `table`: what the wire calls the table that the columns come from.
    pub fn new(table: &str, headings: &[Heading], rows: &[Row]) -> Result<Self> {
        let definition = definition(table, headings)?;
        let batch = batch(plan_schema(&definition), rows)?;
        Ok(Self { definition, batch })
    }

    pub fn definition(&self) -> &TableDefinition {
        &self.definition
    }

    pub fn columns(&self) -> Vec<ResultColumn> {
        let meta = &self.definition.meta;
        let columns = meta.spec.columns.iter().enumerate();
        let described = columns.filter_map(|(i, column)| {
            let field = FieldType::of_column(&self.definition, i)?;
            Some(ResultColumn {
                schema: meta.schema.clone(),
                table: meta.spec.name.clone(),
                org_table: meta.spec.name.clone(),
                name: column.name.clone(),
                org_name: column.name.clone(),
                field,
                collation: None,
            })
        });
        described.collect()
    }

    /// All rows as the answer to a client.
    pub fn into_rows(self) -> Rows {
        Rows::of_batch(self.columns(), self.batch)
    }

    pub fn provider(&self) -> Result<Arc<MemTable>> {
        let partitions = vec![vec![self.batch.clone()]];
        MemTable::try_new(self.batch.schema(), partitions)
            .map(Arc::new)
            .map_err(|e| SqlError::internal(e.to_string()))
    }
}
