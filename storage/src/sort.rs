//! Sorting rows by a sort key: ascending, NULLs first, strings by their bytes, equal rows in order of
//! arrival unless another column is to bring them into order.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::row::{RowConverter, SortField};

use crate::column_type::{IntegerType, with_integer_type};
use crate::{Error, Result};

/// Rows in the order of a key.
#[derive(Debug, Default)]
pub(crate) struct Sorted {
    pub(crate) order: Vec<u32>,
    /// Where in `order` each stretch of rows with equal keys ends.
    pub(crate) ends: Vec<u32>,
}

/// The order of the rows of the key `columns`; `None` when they are in order already.
pub(crate) fn sorted_order(columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    let Some(first) = columns.first() else {
        return Ok(None);
    };
    let order = sorted_rows(columns, first.len())?.order;
    Ok(Some(order).filter(|order| !order.is_sorted()))
}

/// `rows` rows in the order of the key `columns`. Without a key they are in order, and no two are equal.
pub(crate) fn sorted_rows(columns: &[ArrayRef], rows: usize) -> Result<Sorted> {
    let count = u32::try_from(rows);
    let count = count.map_err(|_| Error::Invalid("too many rows to sort at once".into()))?;
    if columns.is_empty() {
        return Ok(Sorted {
            order: (0..count).collect(),
            ends: (1..=count).collect(),
        });
    }
    if let Some(keys) = packed_keys(columns) {
        let mut order: Vec<(u64, u32)> = keys.into_iter().zip(0..count).collect();
        // Stable, and quick where sorted stretches follow each other, as when segments are merged.
        order.sort_by_key(|(key, _)| *key);
        return Ok(grouped(&order, |a, b| a.0 == b.0));
    }
    let invalid = |e: arrow::error::ArrowError| Error::Invalid(e.to_string());
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields).map_err(invalid)?;
    let rows = converter.convert_columns(columns).map_err(invalid)?;
    // The first bytes decide most comparisons without leaving the array that is sorted.
    let mut order: Vec<(u64, u32)> = rows
        .iter()
        .map(|row| leading(row.data()))
        .zip(0..count)
        .collect();
    order.sort_by(|&(a_lead, a), &(b_lead, b)| {
        a_lead
            .cmp(&b_lead)
            .then_with(|| rows.row(a as usize).cmp(&rows.row(b as usize)))
    });
    Ok(grouped(&order, |a, b| {
        a.0 == b.0 && rows.row(a.1 as usize) == rows.row(b.1 as usize)
    }))
}

fn grouped(sorted: &[(u64, u32)], same: impl Fn(&(u64, u32), &(u64, u32)) -> bool) -> Sorted {
    let order = sorted.iter().map(|(_, row)| *row).collect();
    let pairs = sorted.iter().zip(sorted.iter().skip(1)).zip(1..);
    let mut ends: Vec<u32> = pairs
        .filter(|((a, b), _)| !same(a, b))
        .map(|(_, at)| at)
        .collect();
    if !sorted.is_empty() {
        ends.push(sorted.len() as u32);
    }
    Sorted { order, ends }
}

impl Sorted {
    /// Brings rows with equal keys into the order of their numbers.
    pub(crate) fn sort_groups(&mut self, number: impl Fn(u32) -> u64) {
        let mut numbered: Vec<(u64, u32)> = Vec::new();
        let mut rest = self.order.as_mut_slice();
        let mut start = 0;
        for &end in &self.ends {
            let Some((group, after)) = rest.split_at_mut_checked((end - start) as usize) else {
                return;
            };
            (rest, start) = (after, end);
            if group.len() < 3 {
                continue;
            }
            numbered.clear();
            numbered.extend(group.iter().map(|&row| (number(row), row)));
            // Equal numbers stay in order of arrival.
            numbered.sort_by_key(|(number, _)| *number);
            for (slot, (_, row)) in group.iter_mut().zip(&numbered) {
                *slot = *row;
            }
        }
    }
}

/// The key of each row as one number, where all columns are integers, dates or times and their ranges
/// fit into 64 bits together.
fn packed_keys(columns: &[ArrayRef]) -> Option<Vec<u64>> {
    let mut keys = vec![0u64; columns.first()?.len()];
    let mut room = u64::BITS;
    for column in columns {
        let bits = with_integer_type!(
            column.data_type(),
            T => append_key::<T>(column.as_primitive::<T>(), &mut keys, room)?,
            else return None
        );
        room -= bits;
    }
    Some(keys)
}

/// Puts a column below the keys so far; the bits it took, or `None` when there is no room for them.
fn append_key<T: IntegerType>(
    column: &PrimitiveArray<T>,
    keys: &mut [u64],
    room: u32,
) -> Option<u32> {
    // Flipping the sign bit makes the order of the unsigned numbers that of the values.
    let sign = if T::SIGNED { 1 << 63 } else { 0 };
    let number = |value| T::widen(value) ^ sign;
    let nulls = column.nulls().filter(|n| n.null_count() > 0);
    let values = || column.values().iter().map(|&value| number(value));
    // What stands for a NULL may be anything: it may widen the range.
    let (low, high) = values().fold((u64::MAX, 0), |(low, high), v| (low.min(v), high.max(v)));
    let range = high
        .saturating_sub(low)
        .checked_add(u64::from(nulls.is_some()))?;
    let bits = u64::BITS - range.leading_zeros();
    if bits > room {
        return None;
    }
    let shift = |key: u64| key.checked_shl(bits).unwrap_or(0);
    match nulls {
        None => {
            for (key, value) in keys.iter_mut().zip(values()) {
                *key = shift(*key) | (value - low);
            }
        }
        Some(nulls) => {
            for ((key, value), valid) in keys.iter_mut().zip(values()).zip(nulls.iter()) {
                *key = shift(*key) | if valid { value - low + 1 } else { 0 };
            }
        }
    }
    Some(bits)
}

/// The first 8 bytes of a row in an order-preserving form.
fn leading(row: &[u8]) -> u64 {
    let mut bytes = [0; 8];
    for (target, source) in bytes.iter_mut().zip(row) {
        *target = *source;
    }
    u64::from_be_bytes(bytes)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, StringViewArray, UInt32Array};
    use std::sync::Arc;

    #[test]
    fn rows_are_ordered_nulls_first_bytewise_and_stable() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![
            Some(2),
            None,
            Some(-1),
            Some(2),
            None,
        ]));
        let text: StringViewArray = ["b", "a", "x", "B", "a"].iter().map(|s| Some(*s)).collect();
        let order = sorted_order(&[numbers, Arc::new(text)]).unwrap().unwrap();
        assert_eq!(order, [1, 4, 2, 3, 0]);
    }

    #[test]
    fn integers_of_any_range_are_ordered_as_rows_are() {
        let sites: ArrayRef = Arc::new(UInt32Array::from(vec![7, 2, 7, 2, 9, 2]));
        let numbers = [
            Some(i64::MAX),
            None,
            Some(-4),
            Some(i64::MIN),
            Some(0),
            None,
        ];
        let small = [Some(3), None, Some(-4), Some(-9), Some(0), None];
        for values in [numbers, small] {
            let values: ArrayRef = Arc::new(Int64Array::from(values.to_vec()));
            let order = sorted_order(&[Arc::clone(&sites), values])
                .unwrap()
                .unwrap();
            assert_eq!(order, [1, 5, 3, 2, 0, 4]);
        }
        let ends: ArrayRef = Arc::new(Int64Array::from(vec![i64::MAX, 0, i64::MIN]));
        assert_eq!(sorted_order(&[ends]).unwrap().unwrap(), [2, 1, 0]);
    }

    #[test]
    fn equal_rows_are_grouped_and_can_be_brought_into_another_order() {
        let sites: ArrayRef = Arc::new(UInt32Array::from(vec![5, 2, 5, 5, 2, 9, 5]));
        let text: StringViewArray = ["a", "b", "a", "a", "b", "c", "a"]
            .map(Some)
            .into_iter()
            .collect();
        let text: ArrayRef = Arc::new(text);
        for columns in [vec![Arc::clone(&sites)], vec![sites, text]] {
            let mut sorted = sorted_rows(&columns, 7).unwrap();
            assert_eq!(sorted.order, [1, 4, 0, 2, 3, 6, 5]);
            assert_eq!(sorted.ends, [2, 6, 7]);
            let numbers = [4, 0, 7, 4, 0, 0, 1];
            sorted.sort_groups(|row| numbers[row as usize]);
            assert_eq!(sorted.order, [1, 4, 6, 0, 3, 2, 5]);
        }
        assert_eq!(sorted_rows(&[], 3).unwrap().ends, [1, 2, 3]);
    }

    #[test]
    fn rows_in_order_need_no_permutation() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
        assert!(sorted_order(&[numbers]).unwrap().is_none());
        assert!(sorted_order(&[]).unwrap().is_none());
    }
}
