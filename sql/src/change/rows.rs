//! The rows of an UPDATE: assigned values are coerced as INSERT does it, and put in place of the old
//! ones in whole columns.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BooleanArray, RecordBatch, UInt32Array, UInt64Array};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{concat_batches, filter, filter_record_batch, or, take};
use arrow::datatypes::UInt64Type;
use arrow::error::ArrowError;
use storno_storage::{RowSelection, TableSnapshot};

use super::Assigned;
use crate::error::{Result, SqlError, Warning};
use crate::insert::{RowWriter, Scalar, Settings};
use crate::memory::{Held, compacted, held_bytes};
use crate::privacy::Veil;
use crate::types::TableDefinition;

/// Collects what the query of an UPDATE gives.
#[derive(Debug)]
pub struct Updater {
    writer: RowWriter,
    /// Table positions of the columns that the writer fills: the assigned ones, then those that keep
    /// the time of the last change.
    columns: Vec<usize>,
    /// Which of them are set to DEFAULT without effect: they are computed when the others are known.
    generated: Vec<bool>,
    assigned: Vec<Assigned>,
    positions: Vec<u64>,
    /// What is done to private columns that are assigned.
    veil: Option<Veil>,
    /// By number of the assignment: whether its values are veiled as the column's are.
    are_veiled: Vec<bool>,
}

/// What an UPDATE comes to.
#[derive(Debug)]
pub struct Updated {
    /// Rows that the condition found.
    pub found: RowSelection,
    /// Those of them that change.
    pub gone: RowSelection,
    /// Their positions.
    pub positions: Vec<u64>,
    /// What they become; as many rows as `gone` has.
    pub rows: RecordBatch,
    /// To be kept until they are written.
    pub held: Held,
    pub warnings: Warnings,
}

/// What a statement has to say besides.
#[derive(Debug, Default)]
pub struct Warnings {
    /// At most 1,024 of them.
    pub list: Vec<Warning>,
    pub count: u64,
}

impl Updater {
    /// 1054 for an unknown column, 3105 for a value of a generated one.
    pub fn new(
        table: &TableDefinition,
        assigned: Vec<Assigned>,
        settings: Settings,
    ) -> Result<Self> {
        let position = |a: &Assigned| {
            let unknown = || SqlError::unknown_column(&a.column, "field list");
            table.position(&a.column).ok_or_else(unknown)
        };
        let mut columns = assigned.iter().map(position).collect::<Result<Vec<_>>>()?;
        let given = assigned.iter().zip(&columns);
        let mut given = given.filter(|(a, at)| !a.default && table.is_generated(**at));
        if let Some((assigned, _)) = given.next() {
            let name = &table.meta.spec.name;
            return Err(SqlError::value_for_generated(&assigned.column, name));
        }
        let touched = table.columns.iter().enumerate();
        let touched = touched.filter(|(_, c)| c.on_update_now.is_some());
        let touched: Vec<usize> = touched.map(|(i, _)| i).collect();
        columns.extend(
            touched
                .into_iter()
                .filter(|i| !columns[..].contains(i))
                .collect::<Vec<_>>(),
        );
        Ok(Self {
            writer: RowWriter::for_columns(table, &columns, settings)?,
            generated: columns.iter().map(|at| table.is_generated(*at)).collect(),
            are_veiled: assigned.iter().map(|a| is_veiled(table, a)).collect(),
            columns,
            assigned,
            positions: Vec::new(),
            veil: None,
        })
    }

    /// Has assigned values of private columns veiled.
    #[must_use]
    pub fn veiled(self, veil: Option<Veil>) -> Self {
        Self { veil, ..self }
    }

    /// A batch of the query: positions first, then the assigned values.
    pub fn push(&mut self, batch: &RecordBatch) -> Result<()> {
        let Some((positions, values)) = batch.columns().split_first() else {
            return Err(SqlError::internal("an UPDATE without positions"));
        };
        self.positions
            .extend(positions.as_primitive::<UInt64Type>().values());
        for row in 0..batch.num_rows() {
            for (i, (assigned, array)) in self.assigned.iter().zip(values).enumerate() {
                match assigned.default {
                    true => self.writer.append_default(i)?,
                    false => {
                        let value = Scalar::from_array(array.as_ref(), row)?;
                        self.writer.append(i, value.datum())?;
                    }
                }
            }
            for i in self.assigned.len()..self.columns.len() {
                self.writer.append_time_of_change(i);
            }
            self.writer.finish_row()?;
        }
        Ok(())
    }

    /// Rows so far.
    pub fn rows(&self) -> usize {
        self.positions.len()
    }

    /// Reads the old rows and puts the new values into them. Those of `before` have theirs.
    pub fn finish(mut self, table: &TableSnapshot, before: &RowSelection) -> Result<Updated> {
        let (order, positions) = self.order(|at| !before.contains(at));
        self.positions = Vec::new();
        let mut found = table.selection();
        found.extend(&positions)?;
        let (old, held) = read(table, &positions)?;
        let (rows, changed, warnings) = self.replace(&old, &order)?;
        let positions: ArrayRef = Arc::new(UInt64Array::from(positions));
        let positions = filter(&positions, &changed).map_err(failed)?;
        let mut gone = table.selection();
        let positions = positions.as_primitive::<UInt64Type>().values().to_vec();
        gone.extend(&positions)?;
        Ok(Updated {
            found,
            gone,
            positions,
            rows,
            held,
            warnings,
        })
    }

    /// The same for rows at hand, whose positions are their numbers in `old`: the new rows of those that
    /// change, and which these are.
    pub fn finish_with(self, old: &RecordBatch) -> Result<(RecordBatch, BooleanArray, Warnings)> {
        let (order, _) = self.order(|_| true);
        self.replace(old, &order)
    }

    /// The store reads rows in the order of their positions. A join may have found one twice: then the
    /// first values count.
    fn order(&self, wanted: impl Fn(u64) -> bool) -> (UInt32Array, Vec<u64>) {
        let mut order: Vec<u32> = (0..self.positions.len() as u32).collect();
        let at = |i: &u32| self.positions.get(*i as usize).copied().unwrap_or(u64::MAX);
        order.retain(|i| wanted(at(i)));
        order.sort_by_key(at);
        order.dedup_by_key(|i| at(i));
        let positions = order.iter().map(at).collect();
        (UInt32Array::from(order), positions)
    }

    fn replace(
        self,
        old: &RecordBatch,
        order: &UInt32Array,
    ) -> Result<(RecordBatch, BooleanArray, Warnings)> {
        if old.num_rows() != order.len() {
            return Err(SqlError::internal("rows to be updated are not there"));
        }
        let (values, warnings, count) = self.writer.finish_columns()?;
        let mut columns = old.columns().to_vec();
        let mut changed = BooleanArray::from(vec![false; old.num_rows()]);
        for (i, (column, values)) in self.columns.iter().zip(values).enumerate() {
            if self.generated.get(i) == Some(&true) {
                continue;
            }
            let is_veiled = self.are_veiled.get(i).copied().unwrap_or_default();
            let values = match &self.veil {
                Some(veil) if !is_veiled => veil.column(*column, &values),
                _ => values,
            };
            let new = take(&values, order, None).map_err(failed)?;
            let Some(slot) = columns.get_mut(*column) else {
                continue;
            };
            if i < self.assigned.len() {
                let differs = distinct(slot, &new).map_err(failed)?;
                changed = or(&changed, &differs).map_err(failed)?;
            }
            *slot = new;
        }
        let rows = RecordBatch::try_new(old.schema(), columns).map_err(failed)?;
        let rows = filter_record_batch(&rows, &changed).map_err(failed)?;
        Ok((
            rows,
            changed,
            Warnings {
                list: warnings,
                count,
            },
        ))
    }
}

/// Whether a column is given what private columns of its kind have: it would not be the same if it was veiled again.
fn is_veiled(table: &TableDefinition, assigned: &Assigned) -> bool {
    let privacy = |name: &str| {
        let column = table.columns.get(table.position(name)?)?;
        column.privacy
    };
    let own = privacy(&assigned.column);
    let sources = assigned.taken_from.as_ref();
    own.is_some() && sources.is_some_and(|all| all.iter().all(|source| privacy(source) == own))
}

/// The rows at ascending positions, whole.
pub(super) fn read(table: &TableSnapshot, positions: &[u64]) -> Result<(RecordBatch, Held)> {
    let mut selection = table.selection();
    selection.extend(positions)?;
    let schema = &table.meta().arrow;
    let scan = selection.scan((0..schema.fields().len()).collect())?;
    let mut batches = Vec::new();
    let mut held = Held::default();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = compacted(batch?);
        held.add(held_bytes(&batch), "an UPDATE may change")?;
        batches.push(batch);
    }
    Ok((concat_batches(schema, &batches).map_err(failed)?, held))
}

pub(super) fn failed(error: ArrowError) -> SqlError {
    SqlError::internal(format!("Internal error: {error}"))
}
