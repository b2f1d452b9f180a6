//! Which AUTO_INCREMENT value an INSERT tells its client: the first one that was made for a row that came in; where none
//! was made, the one of the last row written, given or found.

use arrow::array::{Array, AsArray, RecordBatch, UInt64Array};
use arrow::compute::cast;
use arrow::datatypes::{DataType, UInt64Type};

use crate::insert::InsertBatch;
use crate::types::TableDefinition;

/// What an INSERT has written so far.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numbers {
    /// LAST_INSERT_ID() from now on.
    pub made: Option<u64>,
    /// Of the last row, in the statement's order as far as rows go together.
    pub last: Option<u64>,
}

/// What the client is told of a batch of which these rows came in.
pub(super) fn written_numbers(
    table: &TableDefinition,
    built: &InsertBatch,
    is_in: impl Fn(usize) -> bool,
) -> Numbers {
    let column = table.meta.spec.auto_increment;
    let Some(last) = (0..built.batch.num_rows()).rev().find(|row| is_in(*row)) else {
        return Numbers::default();
    };
    let made = match built.first_insert_id {
        None => None,
        // Mostly all of them are in, and the first one needs no looking for.
        first if (0..=last).all(&is_in) => first,
        first => numbers(&built.batch, column)
            .and_then(|numbers| first_made(&numbers, (0..=last).filter(|row| is_in(*row)), first)),
    };
    Numbers {
        made,
        last: last_number(&built.batch.slice(0, last + 1), column),
    }
}

/// The numbers of some rows; negative ones are NULL. `None`: there is no such column.
pub(super) fn numbers(rows: &RecordBatch, column: Option<usize>) -> Option<UInt64Array> {
    let cells = cast(rows.columns().get(column?)?, &DataType::UInt64).ok()?;
    Some(cells.as_primitive_opt::<UInt64Type>()?.clone())
}

/// The number of the last row.
pub(super) fn last_number(rows: &RecordBatch, column: Option<usize>) -> Option<u64> {
    let last = rows.num_rows().checked_sub(1)?;
    number_at(&numbers(&rows.slice(last, 1), column)?, 0)
}

pub(super) fn number_at(numbers: &UInt64Array, row: usize) -> Option<u64> {
    (row < numbers.len() && numbers.is_valid(row)).then(|| numbers.value(row))
}

/// The smallest number of these rows from `first` on, which was the first one made: larger ones were made for
/// later rows.
pub(super) fn first_made(
    numbers: &UInt64Array,
    rows: impl Iterator<Item = usize>,
    first: Option<u64>,
) -> Option<u64> {
    let first = first?;
    let made = rows.filter_map(|row| number_at(numbers, row));
    made.filter(|number| *number >= first).min()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use arrow::array::{ArrayRef, Int8Array};

    use super::*;

    fn rows(values: &[i8]) -> RecordBatch {
        let column: ArrayRef = Arc::new(Int8Array::from(values.to_vec()));
        RecordBatch::try_from_iter([("id", column)]).unwrap()
    }

    #[test]
    fn numbers_are_those_of_the_rows_that_came_in() {
        let all = numbers(&rows(&[7, -1, 8, 9]), Some(0)).unwrap();
        assert_eq!(first_made(&all, [2, 3].into_iter(), Some(7)), Some(8));
        assert_eq!(first_made(&all, 0..4, Some(8)), Some(8));
        assert_eq!(first_made(&all, 0..4, None), None);
        assert_eq!(first_made(&all, 1..2, Some(1)), None);
        assert_eq!(last_number(&rows(&[3, 5]), Some(0)), Some(5));
        assert_eq!(last_number(&rows(&[3, -5]), Some(0)), None);
        assert_eq!(last_number(&rows(&[]), Some(0)), None);
        assert_eq!(last_number(&rows(&[3]), None), None);
    }
}
