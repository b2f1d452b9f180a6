//! Generated columns: their values, computed for whole batches on the way to storage and converted to the
//! column's type as any assigned value is.

use arrow::array::{Array, ArrayRef, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute::filter;
use datafusion::execution::session_state::SessionState;

use super::{Compiled, columns_of, parse};
use crate::error::{Result, SqlError, Warning};
use crate::insert::{RowWriter, Scalar, Settings};
use crate::select::planner::View;
use crate::types::{TableDefinition, TimeZone};

/// The generated columns of one table, compiled for one time zone.
#[derive(Debug)]
pub(crate) struct GeneratedColumns {
    /// Columns of one step are made of others than each other.
    steps: Vec<Step>,
}

#[derive(Debug)]
struct Step {
    columns: Vec<usize>,
    compiled: Compiled,
}

/// Rows with the values of generated columns.
#[derive(Debug)]
pub(crate) struct Filled {
    pub(crate) rows: RecordBatch,
    /// Rows left out because a value cannot be stored: their numbers, ascending.
    pub(crate) failed: Vec<(usize, SqlError)>,
    /// At most 1,024 of `warning_count`.
    pub(crate) warnings: Vec<Warning>,
    pub(crate) warning_count: u64,
}

impl GeneratedColumns {
    /// `None`: the table has none. On a planning thread.
    pub(crate) fn compile(
        table: &TableDefinition,
        zone: TimeZone,
        with: (&View, &SessionState),
    ) -> Result<Option<Self>> {
        let mut steps = Vec::new();
        for (columns, expressions) in steps_of(table)? {
            let compiled = Compiled::new(table, expressions, zone, with)?;
            steps.push(Step { columns, compiled });
        }
        Ok((!steps.is_empty()).then_some(Self { steps }))
    }

    /// Positions of the columns that are named, some of them more than once.
    pub(crate) fn columns(&self) -> Vec<usize> {
        self.steps
            .iter()
            .flat_map(|s| s.compiled.columns())
            .collect()
    }

    /// Computes the generated columns of rows, whatever stands there. `aside`: rows whose values cannot be
    /// stored are left out; otherwise the first one ends the statement.
    pub(crate) fn fill(
        &self,
        table: &TableDefinition,
        rows: RecordBatch,
        (settings, aside): (Settings, bool),
    ) -> Result<Filled> {
        let mut filled = Filled {
            rows,
            failed: Vec::new(),
            warnings: Vec::new(),
            warning_count: 0,
        };
        for step in &self.steps {
            step.fill(table, &mut filled, (settings, aside))?;
        }
        filled.failed.sort_by_key(|(row, _)| *row);
        Ok(filled)
    }
}

/// Generated columns in the order in which they can be computed, several at once.
fn steps_of(table: &TableDefinition) -> Result<Vec<(Vec<usize>, Vec<sqlparser::ast::Expr>)>> {
    let mut steps: Vec<(Vec<usize>, Vec<sqlparser::ast::Expr>)> = Vec::new();
    let mut step_of = vec![None; table.columns.len()];
    for (at, column) in table.columns.iter().enumerate() {
        let Some(generated) = &column.generated else {
            continue;
        };
        let expression = parse(&generated.expression)?;
        let used = columns_of(&expression);
        let used = used.iter().filter_map(|name| table.position(name));
        let before = used
            .filter_map(|at| step_of.get(at).copied().flatten())
            .max();
        let step = before.map_or(0, |step: usize| step + 1);
        if let Some(slot) = step_of.get_mut(at) {
            *slot = Some(step);
        }
        match steps.get_mut(step) {
            Some((columns, expressions)) => {
                columns.push(at);
                expressions.push(expression);
            }
            None => steps.push((vec![at], vec![expression])),
        }
    }
    Ok(steps)
}

impl Step {
    fn fill(
        &self,
        table: &TableDefinition,
        filled: &mut Filled,
        (settings, aside): (Settings, bool),
    ) -> Result<()> {
        let rows = &filled.rows;
        let count = rows.num_rows();
        let mut writer = RowWriter::for_generated(table, &self.columns, settings, count)?;
        if aside {
            writer.set_invalid_aside(false);
        }
        match self.compiled.evaluate(rows) {
            Ok(values) => {
                for row in 0..count {
                    append(&mut writer, &values, row)?;
                }
            }
            // One value that cannot be computed spoils those of the others.
            Err(_) if aside => {
                for row in 0..count {
                    match self.compiled.evaluate(&rows.slice(row, 1)) {
                        Ok(values) => append(&mut writer, &values, 0)?,
                        Err(error) => {
                            writer.fail_row(error);
                            let nulls: Vec<Scalar> = vec![Scalar::Null; self.columns.len()];
                            writer.append_row(&nulls)?;
                        }
                    }
                }
            }
            Err(error) => return Err(error),
        }
        let (failed, _) = writer.take_invalid();
        let (values, warnings, warning_count) = writer.finish_columns()?;
        filled.warnings.extend(warnings);
        filled.warning_count += warning_count;
        let mut columns = rows.columns().to_vec();
        for (at, values) in self.columns.iter().zip(values) {
            if let Some(column) = columns.get_mut(*at) {
                *column = values;
            }
        }
        let mut keep = vec![true; count];
        for row in &failed {
            if let Some(keep) = keep.get_mut(row.row as usize) {
                *keep = false;
            }
        }
        let failed = failed.into_iter();
        let failed: Vec<_> = failed.map(|r| (r.row as usize, r.error)).collect();
        filled.rows = batch(rows, columns, &keep)?;
        filled.leave_out(failed);
        Ok(())
    }
}

impl Filled {
    /// Notes rows of a step's batch, in which rows that failed before are missing.
    fn leave_out(&mut self, failed: Vec<(usize, SqlError)>) {
        let mut before: Vec<usize> = self.failed.iter().map(|(row, _)| *row).collect();
        before.sort_unstable();
        for (at, error) in failed {
            let mut row = at;
            for gone in &before {
                if *gone <= row {
                    row += 1;
                }
            }
            self.failed.push((row, error));
        }
    }
}

fn append(writer: &mut RowWriter, values: &[ArrayRef], row: usize) -> Result<()> {
    for (position, array) in values.iter().enumerate() {
        let value = Scalar::from_array(array.as_ref(), row)?;
        writer.append(position, value.datum())?;
    }
    writer.finish_row()
}

/// The rows with other columns, but for those that are not kept.
fn batch(rows: &RecordBatch, mut columns: Vec<ArrayRef>, keep: &[bool]) -> Result<RecordBatch> {
    let failed = |e: arrow::error::ArrowError| SqlError::internal(format!("Internal error: {e}"));
    let count = keep.iter().filter(|keep| **keep).count();
    if count < keep.len() {
        let keep = BooleanArray::from(keep.to_vec());
        for column in &mut columns {
            *column = filter(column, &keep).map_err(failed)?;
        }
    }
    debug_assert!(columns.iter().all(|column| column.len() == count));
    let options = RecordBatchOptions::new().with_row_count(Some(count));
    RecordBatch::try_new_with_options(rows.schema(), columns, &options).map_err(failed)
}
