//! Sorting rows by a sort key: ascending, NULLs first, strings by their bytes, equal rows in order of
//! arrival.

use arrow::array::{Array, ArrayRef, AsArray, PrimitiveArray};
use arrow::row::{RowConverter, SortField};

use crate::column_type::{IntegerType, with_integer_type};
use crate::{Error, Result};

/// The order of the rows of the key `columns`; `None` when they are in order already.
pub(crate) fn sorted_order(columns: &[ArrayRef]) -> Result<Option<Vec<u32>>> {
    let Some(first) = columns.first() else {
        return Ok(None);
    };
    let count = u32::try_from(first.len())
        .map_err(|_| Error::Invalid("too many rows to sort at once".into()))?;
    if let Some(keys) = packed_keys(columns) {
        if keys.is_sorted() {
            return Ok(None);
        }
        let mut order: Vec<(u64, u32)> = keys.into_iter().zip(0..count).collect();
        // Stable, and quick where sorted stretches follow each other, as when segments are merged.
        order.sort_by_key(|(key, _)| *key);
        return Ok(Some(order.into_iter().map(|(_, row)| row).collect()));
    }
    let invalid = |e: arrow::error::ArrowError| Error::Invalid(e.to_string());
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields).map_err(invalid)?;
    let rows = converter.convert_columns(columns).map_err(invalid)?;
    if rows.iter().zip(rows.iter().skip(1)).all(|(a, b)| a <= b) {
        return Ok(None);
    }
    // The first bytes decide most comparisons without leaving the array that is sorted.
    let mut order: Vec<(u64, u32)> = rows
        .iter()
        .map(|row| leading(row.data()))
        .zip(0..count)
        .collect();
    order.sort_unstable_by(|&(a_lead, a), &(b_lead, b)| {
        a_lead
            .cmp(&b_lead)
            .then_with(|| rows.row(a as usize).cmp(&rows.row(b as usize)))
            .then_with(|| a.cmp(&b))
    });
    Ok(Some(order.into_iter().map(|(_, row)| row).collect()))
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
    fn rows_in_order_need_no_permutation() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
        assert!(sorted_order(&[numbers]).unwrap().is_none());
        assert!(sorted_order(&[]).unwrap().is_none());
    }
}
