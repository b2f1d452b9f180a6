//! The door of a table: what happens to converted rows before anything of them is written. Private columns
//! are veiled first, then generated columns are computed; constraints see what will be stored; rows that are
//! not let in are set aside, left out with a warning (IGNORE), or end the statement.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::change::Warnings;
use crate::check::{Checks, without};
use crate::computed::{Filled, GeneratedColumns};
use crate::error::{Result, SqlError};
use crate::insert::{InsertBatch, InvalidRow, Settings};
use crate::known::KnownTable;
use crate::privacy::Veil;
use crate::select::planner::View;
use crate::types::{TimeZone, value_text};

/// The door of one table, for one statement.
#[derive(Debug)]
pub(crate) struct Door {
    table: Arc<KnownTable>,
    veil: Option<Veil>,
    generated: Option<Arc<GeneratedColumns>>,
    checks: Option<Arc<Checks>>,
    settings: Settings,
    /// Rows that are not let in are left out with a warning.
    ignore: bool,
    /// They are set aside.
    aside: bool,
    zone: TimeZone,
}

impl Door {
    /// On a planning thread, unless the table computes nothing.
    pub(crate) fn new(
        table: &Arc<KnownTable>,
        view: &View,
        settings: Settings,
        ignore: bool,
    ) -> Result<Self> {
        let keys = view.session.engine.pseudonym_keys();
        Ok(Self {
            veil: Veil::new(table, keys, settings.now_utc)?,
            generated: table.generated(view)?,
            checks: table.checks(view)?,
            settings: Settings {
                mode: settings.mode.with_ignore(ignore),
                ..settings
            },
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
        self.veil.is_none() && self.generated.is_none() && self.checks.is_none()
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
        built.warning_count += warnings.count;
        built.warnings.extend(warnings.list);
        Ok(built)
    }

    /// The rows that are let in, and what there is to say of them and of each other one. `invalid` are those
    /// that were set aside before, in the order of the statement, `texts` the rows as they came.
    pub(crate) fn admit_rows(
        &self,
        rows: RecordBatch,
        invalid: &mut Vec<InvalidRow>,
        mut texts: Vec<Vec<u8>>,
    ) -> Result<(RecordBatch, Warnings)> {
        let mut rows = rows;
        let mut warnings = Warnings::default();
        if let Some(veil) = &self.veil {
            rows = veil.rows(&rows)?;
            invalid.iter_mut().for_each(|row| veil.invalid(row));
        }
        if let Some(generated) = &self.generated {
            let given = rows.clone();
            let filled = generated.fill(&self.table, rows, (self.settings, self.aside))?;
            let Filled { failed, .. } = filled;
            rows = filled.rows;
            warnings.list.extend(filled.warnings);
            warnings.count += filled.warning_count;
            self.set_aside((&given, &mut texts), failed, invalid);
        }
        let Some(checks) = &self.checks else {
            return Ok((rows, warnings));
        };
        let violations = checks.violations(&rows)?;
        let Some(first) = violations.first() else {
            return Ok((rows, warnings));
        };
        if !self.aside && !self.ignore {
            return Err(checks.error(*first));
        }
        let errors = violations.iter().map(|v| (v.row, checks.error(*v)));
        let errors: Vec<(usize, SqlError)> = errors.collect();
        for (_, error) in &errors {
            warnings.count += 1;
            warnings.list.push(error.clone().into());
        }
        if self.aside {
            self.set_aside((&rows, &mut texts), errors, invalid);
        }
        let left_out: Vec<usize> = violations.iter().map(|violation| violation.row).collect();
        Ok((without(&rows, &left_out)?, warnings))
    }

    /// Adds rows of a batch to the invalid ones; their texts are no longer among those of the batch.
    fn set_aside(
        &self,
        (rows, texts): (&RecordBatch, &mut Vec<Vec<u8>>),
        errors: Vec<(usize, SqlError)>,
        invalid: &mut Vec<InvalidRow>,
    ) {
        let mut found = Vec::with_capacity(errors.len());
        for (at, error) in errors {
            found.push((
                at,
                InvalidRow {
                    row: number(at, invalid),
                    error,
                    values: self.values(rows, at),
                    raw: texts.get(at).cloned(),
                },
            ));
        }
        let mut gone = vec![false; texts.len()];
        for (at, _) in &found {
            if let Some(gone) = gone.get_mut(*at) {
                *gone = true;
            }
        }
        let mut gone = gone.into_iter();
        texts.retain(|_| gone.next() != Some(true));
        invalid.extend(found.into_iter().map(|(_, row)| row));
        invalid.sort_by_key(|row| row.row);
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
