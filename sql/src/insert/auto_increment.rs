//! AUTO_INCREMENT: which rows want a value, and values that differ from those given explicitly.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, ArrowPrimitiveType, PrimitiveArray, downcast_integer_array};
use arrow::datatypes::ArrowNativeType;

use super::rows::Reserve;
use crate::error::{Result, SqlError};

/// The AUTO_INCREMENT column of the rows being written.
#[derive(Debug)]
pub(super) struct AutoIncrement {
    /// Position in the table.
    pub(super) column: usize,
    name: String,
    /// Largest value of its type.
    max: i128,
    /// Rows to be numbered, ascending.
    rows: Vec<usize>,
}

impl AutoIncrement {
    pub(super) fn new(column: usize, name: String, max: i128) -> Self {
        Self {
            column,
            name,
            max,
            rows: Vec::new(),
        }
    }

    /// The rows that come are the first of another batch.
    pub(super) fn begin_batch(&mut self) {
        self.rows.clear();
    }

    /// These rows, ascending, are no part of the batch after all; the others move up.
    pub(super) fn leave_out(&mut self, gone: &[usize]) {
        self.rows.retain(|row| gone.binary_search(row).is_err());
        for row in &mut self.rows {
            *row -= gone.partition_point(|before| before < row);
        }
    }

    pub(super) fn generate_at(&mut self, row: usize) {
        self.rows.push(row);
    }
}

/// Attempts to get a run of values beyond those given explicitly, while others take values as well.
const ATTEMPTS: usize = 16;

/// The column with its values filled in, and the first of them.
pub(super) fn fill(
    auto: &AutoIncrement,
    array: &ArrayRef,
    reserve: Reserve<'_>,
) -> Result<(ArrayRef, Option<u64>)> {
    if auto.rows.is_empty() {
        return Ok((Arc::clone(array), None));
    }
    let explicit = explicit_values(auto, array);
    let mut count = auto.rows.len() as u64;
    let mut next = reserve(count)?;
    for _ in 0..ATTEMPTS {
        let (values, end) = number(auto, &explicit, next);
        let reserved = next.saturating_add(count);
        if end <= reserved {
            return place(auto, array, &values).map(|array| (array, values.first().copied()));
        }
        // An explicit value moved the numbers beyond what was taken. Take the difference; when
        // nobody came between, the two runs are one.
        let behind = reserve(end - reserved)?;
        if behind == reserved {
            count = end - next;
        } else {
            count = end - reserved;
            next = behind;
        }
    }
    Err(SqlError::auto_increment_exhausted())
}

/// Explicit values by row; rows to be numbered are left out.
fn explicit_values(auto: &AutoIncrement, array: &ArrayRef) -> Vec<(usize, u64)> {
    let mut generated = auto.rows.iter().copied().peekable();
    let mut values = Vec::new();
    for row in 0..array.len() {
        if generated.next_if_eq(&row).is_none() {
            values.push((row, integer_at(array, row)));
        }
    }
    values
}

/// Zero for NULL and for what is negative: neither moves the counter.
fn integer_at(array: &ArrayRef, row: usize) -> u64 {
    downcast_integer_array!(
        array => {
            if array.is_null(row) { 0 } else { unsigned(array.value(row)) }
        }
        _ => 0
    )
}

fn unsigned(value: impl TryInto<u64>) -> u64 {
    value.try_into().unwrap_or(0)
}

/// Numbers the rows from `next` on, in their order, each above every explicit value before it.
/// Returns the numbers and the value after the last.
fn number(auto: &AutoIncrement, explicit: &[(usize, u64)], mut next: u64) -> (Vec<u64>, u64) {
    let mut explicit = explicit.iter().peekable();
    let mut values = Vec::with_capacity(auto.rows.len());
    for row in &auto.rows {
        while let Some((_, value)) = explicit.next_if(|(at, _)| at < row) {
            next = next.max(value.saturating_add(1));
        }
        values.push(next);
        next = next.saturating_add(1);
    }
    (values, next)
}

fn place(auto: &AutoIncrement, array: &ArrayRef, values: &[u64]) -> Result<ArrayRef> {
    let too_large = |value: &u64| i128::from(*value) > auto.max || *value == u64::MAX;
    if let Some(position) = values.iter().position(too_large) {
        let row = auto.rows.get(position).map_or(1, |row| *row as u64 + 1);
        return Err(SqlError::auto_increment_out_of_range(&auto.name, row));
    }
    let placed = downcast_integer_array!(
        array => replace(array, &auto.rows, values),
        _ => Arc::clone(array)
    );
    Ok(placed)
}

fn replace<T: ArrowPrimitiveType>(
    array: &PrimitiveArray<T>,
    rows: &[usize],
    values: &[u64],
) -> ArrayRef {
    let mut natives = array.values().to_vec();
    for (row, value) in rows.iter().zip(values) {
        if let (Some(native), Some(value)) = (
            natives.get_mut(*row),
            T::Native::from_usize(*value as usize),
        ) {
            *native = value;
        }
    }
    Arc::new(PrimitiveArray::<T>::new(
        natives.into(),
        array.nulls().cloned(),
    ))
}
