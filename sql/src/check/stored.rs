//! New constraints of a table that has rows: all of them must keep them.

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use storno_storage::{Alteration, ColumnOrigin, ScanRequest, TableSnapshot};

use super::Checks;
use crate::error::{Result, SqlError};
use crate::types::{Check, TableDefinition};

impl Checks {
    /// 3819 for the first row of a table that violates a constraint, `alteration` being what the table is to
    /// become. Reads the columns that the constraints name.
    pub(crate) fn require_of_stored(
        &self,
        table: &TableSnapshot,
        alteration: &Alteration,
        altered: &SchemaRef,
    ) -> Result<()> {
        let used = self.compiled.columns();
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
            let shown = nullable(altered);
            let batch = RecordBatch::try_new_with_options(shown, arrays, &options);
            self.require(&batch.map_err(failed)?)?;
        }
        Ok(())
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
