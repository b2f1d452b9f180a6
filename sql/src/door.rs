//! The door of a table: what happens to converted rows before anything of them is written. Private columns
//! are veiled first; constraints see what will be stored; rows that are not let in are set aside, left out
//! with a warning (IGNORE), or end the statement.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::check::{Checks, without};
use crate::error::{Result, Warning};
use crate::insert::{InsertBatch, InvalidRow};
use crate::known::KnownTable;
use crate::privacy::Veil;
use crate::select::planner::View;
use crate::types::{TimeZone, value_text};

/// The door of one table, for one statement.
#[derive(Debug)]
pub(crate) struct Door {
    table: Arc<KnownTable>,
    veil: Option<Veil>,
    checks: Option<Arc<Checks>>,
    /// Rows that are not let in are left out with a warning.
    ignore: bool,
    /// They are set aside.
    aside: bool,
    zone: TimeZone,
}

impl Door {
    /// On a planning thread. `now_utc`: the statement's time.
    pub(crate) fn new(
        table: &Arc<KnownTable>,
        view: &View,
        now_utc: i64,
        ignore: bool,
    ) -> Result<Self> {
        let keys = view.session.engine.pseudonym_keys();
        Ok(Self {
            veil: Veil::new(table, keys, now_utc)?,
            checks: table.checks(view)?,
            ignore,
            aside: table.attributes.on_invalid.is_some(),
            zone: view.time_zone,
            table: Arc::clone(table),
        })
    }

    /// Rows that are not let in are set aside, whatever the table says.
    #[must_use]
    pub(crate) fn setting_aside(self) -> Self {
        Self {
            aside: true,
            ..self
        }
    }

    /// Whether rows pass as they are.
    pub(crate) fn is_open(&self) -> bool {
        self.veil.is_none() && self.checks.is_none()
    }

    /// Lets the rows of an INSERT in.
    pub(crate) fn admit(&self, built: InsertBatch) -> Result<InsertBatch> {
        if self.is_open() {
            return Ok(built);
        }
        let mut built = built;
        let texts = std::mem::take(&mut built.texts);
        let (batch, warnings) = self.admit_rows(built.batch, &mut built.invalid, texts)?;
        built.batch = batch;
        built.warning_count += warnings.len() as u64;
        built.warnings.extend(warnings);
        Ok(built)
    }

    /// The rows that are let in, and a warning for each other. `invalid` are those that were set aside
    /// before, in the order of the statement, `texts` the rows as they came.
    pub(crate) fn admit_rows(
        &self,
        rows: RecordBatch,
        invalid: &mut Vec<InvalidRow>,
        texts: Vec<Vec<u8>>,
    ) -> Result<(RecordBatch, Vec<Warning>)> {
        let mut rows = rows;
        if let Some(veil) = &self.veil {
            rows = veil.rows(&rows)?;
            invalid.iter_mut().for_each(|row| veil.invalid(row));
        }
        let Some(checks) = &self.checks else {
            return Ok((rows, Vec::new()));
        };
        let violations = checks.violations(&rows)?;
        let Some(first) = violations.first() else {
            return Ok((rows, Vec::new()));
        };
        if !self.aside && !self.ignore {
            return Err(checks.error(*first));
        }
        let mut warnings = Vec::with_capacity(violations.len());
        let mut found = Vec::new();
        for violation in &violations {
            let error = checks.error(*violation);
            warnings.push(error.clone().into());
            if self.aside {
                found.push(InvalidRow {
                    row: number(violation.row, invalid),
                    error,
                    values: self.values(&rows, violation.row),
                    raw: texts.get(violation.row).cloned(),
                });
            }
        }
        invalid.extend(found);
        invalid.sort_by_key(|row| row.row);
        Ok((without(&rows, &violations)?, warnings))
    }

    /// A stored row as text.
    fn values(&self, rows: &RecordBatch, row: usize) -> Vec<Option<Vec<u8>>> {
        use arrow::array::{Array, AsArray};
        use arrow::datatypes::DataType;
        let columns = rows.columns().iter().zip(&self.table.columns);
        let value = |(array, attributes): (&Arc<dyn Array>, &crate::types::ColumnAttributes)| {
            if array.is_null(row) {
                return None;
            }
            if *array.data_type() == DataType::BinaryView {
                return Some(array.as_binary_view().value(row).to_vec());
            }
            let text = value_text(&attributes.mysql_type, array, row, self.zone);
            text.map(String::into_bytes)
        };
        columns.map(value).collect()
    }
}

/// The number in the statement of a batch's row, of which those set aside before are no part.
fn number(row: usize, invalid: &[InvalidRow]) -> u64 {
    let mut number = row as u64;
    for before in invalid {
        if before.row > number {
            break;
        }
        number += 1;
    }
    number
}
