//! What ALTER TABLE asks of the rows that are there: that they keep new constraints and have values for new generated
//! columns, or that there are none.
//!
//! Others write meanwhile. A survey goes on from snapshot to snapshot, each time with the rows that have come
//! since; the last look is the storage writer's, while commits wait.

use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, RecordBatchOptions, UInt32Array, new_null_array};
use arrow::compute::{cast, take};
use arrow::datatypes::SchemaRef;
use arrow::error::ArrowError;
use storno_storage::{Alteration, ColumnOrigin, ScanRequest, TableMeta, TableSnapshot};

use super::Checks;
use crate::computed::GeneratedColumns;
use crate::error::{Result, SqlError};
use crate::insert::Settings;
use crate::types::{Check, TableDefinition};

/// Rows that may be left to the last look.
const BACKLOG_MAX: u64 = 20_000;

/// After so many looks the last one takes all that is left.
const LOOKS_MAX: usize = 30;

/// What the rows of one table must be before it is altered.
#[derive(Debug)]
pub(crate) struct Survey {
    /// The table as it is.
    pub(crate) meta: Arc<TableMeta>,
    /// Constraints of the altered table that are new.
    pub(crate) checks: Option<Checks>,
    /// Generated columns of the altered table, if there are new ones.
    pub(crate) generated: Option<GeneratedColumns>,
    /// Why the table must be empty.
    pub(crate) only_empty: Option<String>,
    pub(crate) alteration: Alteration,
    /// The altered table.
    pub(crate) table: TableDefinition,
    pub(crate) settings: Settings,
    /// What has been looked at.
    pub(crate) seen: Option<TableSnapshot>,
}

impl Survey {
    /// Whether there is nothing to look at.
    pub(crate) fn is_needless(&self) -> bool {
        self.checks.is_none() && self.generated.is_none() && self.only_empty.is_none()
    }

    /// Looks until few rows are left; `newest` gives the table.
    pub(crate) fn look_at_most(
        &mut self,
        newest: impl Fn() -> Result<TableSnapshot>,
    ) -> Result<()> {
        for _ in 0..LOOKS_MAX {
            let table = newest()?;
            let seen = self.seen.as_ref();
            if seen.is_some_and(|seen| table.count_since(seen) <= BACKLOG_MAX) {
                break;
            }
            self.look(&table)?;
        }
        Ok(())
    }

    /// Looks at the rows that have come since the last look: 3819 for the first that violates a constraint, the
    /// error of the first that has no value for a generated column, 1235 where there must be none.
    pub(crate) fn look(&mut self, table: &TableSnapshot) -> Result<()> {
        if !self.meta.is_same(table.meta()) {
            return Err(SqlError::table_changed());
        }
        if let Some(what) = self.only_empty.as_ref().filter(|_| table.rows() > 0) {
            return Err(SqlError::not_supported(what));
        }
        if self.checks.is_some() || self.generated.is_some() {
            self.require(table)?;
        }
        self.seen = Some(table.clone());
        Ok(())
    }

    /// Reads the columns that the expressions name.
    fn require(&self, table: &TableSnapshot) -> Result<()> {
        let checked = self.checks.iter().flat_map(|c| c.compiled.columns());
        let computed = self.generated.iter().flat_map(GeneratedColumns::columns);
        let used: Vec<usize> = checked.chain(computed).collect();
        let origin = |at: &usize| match self.alteration.columns.get(*at) {
            Some(ColumnOrigin::Existing(before)) => Some(*before),
            _ => None,
        };
        let mut columns: Vec<usize> = used.iter().filter_map(origin).collect();
        columns.sort_unstable();
        columns.dedup();
        let scan = match &self.seen {
            Some(seen) => table.scan_since(seen, columns.clone())?,
            None => table.scan(ScanRequest {
                columns: columns.clone(),
                predicates: Vec::new(),
            })?,
        };
        for batch in scan.into_morsels().into_iter().flatten() {
            self.require_rows(self.as_altered(&batch?, (&used, &columns))?)?;
        }
        Ok(())
    }

    fn require_rows(&self, rows: RecordBatch) -> Result<()> {
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

    /// Rows of `columns` under the altered table's schema; columns that are not `used` are NULL.
    fn as_altered(
        &self,
        batch: &RecordBatch,
        (used, columns): (&[usize], &[usize]),
    ) -> Result<RecordBatch> {
        let rows = batch.num_rows();
        let altered = &self.table.meta.arrow;
        let arrays = altered.fields().iter().enumerate();
        let arrays = arrays.map(|(at, field)| {
            if !used.contains(&at) {
                return Ok(new_null_array(field.data_type(), rows));
            }
            match self.alteration.columns.get(at) {
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
        batch.map_err(failed)
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
