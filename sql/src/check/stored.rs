//! New constraints and new generated columns of a table that has rows: all rows must keep the ones and have
//! values for the others.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use storno_storage::{Alteration, ColumnOrigin, ScanRequest, TableSnapshot};

use super::Checks;
use crate::computed::GeneratedColumns;
use crate::error::{Result, SqlError};
use crate::insert::Settings;
use crate::types::{Check, TableDefinition};

/// What an altered table asks of the rows that are there.
#[derive(Debug)]
pub(crate) struct Demands {
    pub(crate) table: TableDefinition,
    pub(crate) checks: Option<Checks>,
    pub(crate) generated: Option<GeneratedColumns>,
    pub(crate) settings: Settings,
}

impl Demands {
    /// The error of the first row that violates a constraint (3819) or has no value for a generated column.
    /// `alteration`: what the table is to become. Reads the columns that the expressions name.
    pub(crate) fn require_of_stored(
        &self,
        table: &TableSnapshot,
        alteration: &Alteration,
    ) -> Result<()> {
        if self.checks.is_none() && self.generated.is_none() {
            return Ok(());
        }
        let mut used = self
            .checks
            .as_ref()
            .map_or(Vec::new(), |c| c.compiled.columns());
        used.extend(self.generated.iter().flat_map(GeneratedColumns::columns));
        let origin = |at: &usize| match alteration.columns.get(*at) {
            Some(ColumnOrigin::Existing(before)) => Some(*before),
            _ => None,
        };
        let mut columns: Vec<usize> = used.iter().filter_map(origin).collect();
        columns.sort_unstable();
        columns.dedup();
        let scan = table.scan(ScanRequest {
            columns: columns.clone(),
            predicates: Vec::new(),
        })?;
        let altered = &self.table.meta.arrow;
        for batch in scan.into_morsels().into_iter().flatten() {
            let batch = batch?;
            let rows = batch.num_rows();
            let arrays = altered.fields().iter().enumerate().map(|(at, field)| {
                if !used.contains(&at) {
                    return Ok(new_null_array(field.data_type(), rows));
                }
                match alteration.columns.get(at) {
                    Some(ColumnOrigin::Existing(before)) => {
                        let found = columns.binary_search(before).ok();
                        let array = found.and_then(|i| batch.columns().get(i));
                        let array = array.ok_or_else(missing)?;
                        cast(array, field.data_type()).map_err(failed)
                    }
                    Some(ColumnOrigin::New { fill: Some(fill) }) => repeated(fill, rows),
                    _ => Ok(new_null_array(field.data_type(), rows)),
                }
            });
            let arrays = arrays.collect::<Result<Vec<_>>>()?;
            let options = RecordBatchOptions::new().with_row_count(Some(rows));
            let batch = RecordBatch::try_new_with_options(nullable(altered), arrays, &options);
            self.require(batch.map_err(failed)?)?;
        }
        Ok(())
    }

    fn require(&self, rows: RecordBatch) -> Result<()> {
        let rows = match &self.generated {
            Some(generated) => {
                let how = (self.settings, false);
                generated.fill(&self.table, rows, how)?.rows
            }
            None => rows,
        };
        match &self.checks {
            Some(checks) => checks.require(&rows),
            None => Ok(()),
        }
    }
}

/// Whether a table enforces a constraint that it did not before.
pub(crate) fn enforces_more(before: &TableDefinition, after: &TableDefinition) -> bool {
    let known = |check: &&Check| !before.attributes.checks.contains(check);
    after
        .attributes
        .checks
        .iter()
        .filter(|c| c.enforced)
        .any(|c| known(&c))
}

fn nullable(schema: &SchemaRef) -> SchemaRef {
    let fields = schema.fields().iter();
    let fields = fields.map(|field| field.as_ref().clone().with_nullable(true));
    arrow::datatypes::Schema::new(fields.collect::<Vec<_>>()).into()
}

fn repeated(fill: &ArrayRef, rows: usize) -> Result<ArrayRef> {
    take(fill, &UInt32Array::from(vec![0; rows]), None).map_err(failed)
}

fn missing() -> SqlError {
    SqlError::internal("Internal error: a column that was not read")
}

fn failed(error: ArrowError) -> SqlError {
    SqlError::internal(format!("Internal error: {error}"))
}
