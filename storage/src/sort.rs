//! Sorting rows by a sort key: ascending, NULLs first, strings by their bytes, equal rows in order of
//! arrival.

use arrow::array::{ArrayRef, UInt32Array};
use arrow::row::{RowConverter, SortField};

use crate::{Error, Result};

/// The order of the rows of the key `columns`; `None` when they are in order already.
pub(crate) fn sorted_order(columns: &[ArrayRef]) -> Result<Option<UInt32Array>> {
    let Some(first) = columns.first() else {
        return Ok(None);
    };
    let invalid = |e: arrow::error::ArrowError| Error::Invalid(e.to_string());
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    let converter = RowConverter::new(fields).map_err(invalid)?;
    let rows = converter.convert_columns(columns).map_err(invalid)?;
    let count = u32::try_from(first.len())
        .map_err(|_| Error::Invalid("too many rows to sort at once".into()))?;
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
    use arrow::array::{Int64Array, StringViewArray};
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
        assert_eq!(order.values(), &[1, 4, 2, 3, 0]);
    }

    #[test]
    fn rows_in_order_need_no_permutation() {
        let numbers: ArrayRef = Arc::new(Int64Array::from(vec![1, 1, 2]));
        assert!(sorted_order(&[numbers]).unwrap().is_none());
        assert!(sorted_order(&[]).unwrap().is_none());
    }
}
