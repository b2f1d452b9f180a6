//! Scalar functions that aggregates are planned with: a key of several columns, the separator's mark.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BinaryViewBuilder};
use arrow::datatypes::DataType;
use arrow::row::{RowConverter, SortField};
use datafusion::common::Result;

use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Definition};

/// One binary value per row, equal for equal arguments; NULL when any argument is NULL.
fn row_key(call: &Call<'_>) -> Result<ArrayRef> {
    let columns: Vec<ArrayRef> = (0..call.len())
        .map(|index| {
            let array = call.array(index)?;
            if call.rows == array.len() {
                return Ok(array);
            }
            let rows = arrow::array::UInt64Array::from(vec![0; call.rows]);
            Ok(arrow::compute::take(&array, &rows, None)?)
        })
        .collect::<Result<_>>()?;
    let fields = columns
        .iter()
        .map(|c| SortField::new(c.data_type().clone()))
        .collect();
    let rows = RowConverter::new(fields)?.convert_columns(&columns)?;
    let mut keys = BinaryViewBuilder::with_capacity(call.rows);
    for (row, key) in rows.iter().enumerate() {
        if columns.iter().any(|column| column.is_null(row)) {
            keys.append_null();
        } else {
            keys.append_value(key.as_ref());
        }
    }
    Ok(Arc::new(keys.finish()))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new(
        "row_key",
        (1, ANY),
        |_| Ok(DataType::BinaryView.into()),
        row_key,
    ),
    Definition::new(
        "group_concat_separator",
        (1, 1),
        |shape| Ok(shape.data_type(0).clone().into()),
        |call| call.array(0),
    ),
];
