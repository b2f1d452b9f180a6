//! Batches of rows in memory: their size, copies that pin nothing else, concatenation.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, GenericByteViewArray, RecordBatch,
    RecordBatchOptions, StringViewBuilder,
};
use arrow::compute;
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};

use crate::column_type::{FixedType, with_fixed_type};
use crate::{Error, Result};

/// Bytes of a column's values in memory, shared or spare space not counted.
pub(crate) fn column_bytes(array: &dyn Array) -> u64 {
    let rows = array.len() as u64;
    let values = match array.data_type() {
        DataType::Boolean => rows.div_ceil(8),
        DataType::Utf8View => view_bytes(array.as_string_view()),
        DataType::BinaryView => view_bytes(array.as_binary_view()),
        other => with_fixed_type!(other, T => rows * T::WIDTH as u64, else 0),
    };
    values
        + if array.nulls().is_some() {
            rows.div_ceil(8)
        } else {
            0
        }
}

fn view_bytes<T: ByteViewType>(array: &GenericByteViewArray<T>) -> u64 {
    array
        .views()
        .iter()
        .map(|&view| 16 + u64::from(outside_bytes(view)))
        .sum()
}

/// Bytes of a value outside its view.
fn outside_bytes(view: u128) -> u32 {
    let length = view as u32;
    if length > 12 { length } else { 0 }
}

pub(crate) fn batch_bytes(batch: &RecordBatch) -> u64 {
    batch.columns().iter().map(|c| column_bytes(c)).sum()
}

/// The batch under the table's schema, without memory it does not use: a slice of something larger
/// is copied.
pub(crate) fn compact(schema: &SchemaRef, batch: &RecordBatch) -> Result<RecordBatch> {
    compact_sized(schema, batch).map(|(batch, _)| batch)
}

/// `compact`, and the bytes of the rows.
pub(crate) fn compact_sized(schema: &SchemaRef, batch: &RecordBatch) -> Result<(RecordBatch, u64)> {
    let mut bytes = 0;
    let mut compact = |column: &ArrayRef| {
        let used = column_bytes(column);
        bytes += used;
        let held = column.get_buffer_memory_size() as u64;
        match held <= 2 * used + 1024 {
            true => Ok(Arc::clone(column)),
            false => concat_columns(&[column.as_ref()]),
        }
    };
    let columns = batch.columns().iter().map(&mut compact);
    let columns = columns.collect::<Result<Vec<_>>>()?;
    Ok((make_batch(schema, columns, batch.num_rows())?, bytes))
}

/// One batch of all of `batches`, which have the schema.
pub(crate) fn concat_batches(schema: &SchemaRef, batches: &[&RecordBatch]) -> Result<RecordBatch> {
    let rows = batches.iter().map(|b| b.num_rows()).sum();
    let columns = (0..schema.fields().len()).map(|i| {
        let parts: Vec<&dyn Array> = batches
            .iter()
            .filter_map(|b| b.columns().get(i))
            .map(|c| c.as_ref())
            .collect();
        concat_columns(&parts)
    });
    make_batch(schema, columns.collect::<Result<_>>()?, rows)
}

/// Concatenates into buffers of their own. Arrow's kernel would keep every buffer of every view array
/// alive: thousands, when each holds one row.
fn concat_columns(parts: &[&dyn Array]) -> Result<ArrayRef> {
    let Some(first) = parts.first() else {
        return Err(Error::Invalid("no rows to join".into()));
    };
    let rows = parts.iter().map(|part| part.len()).sum();
    match first.data_type() {
        DataType::Utf8View => {
            let mut builder =
                StringViewBuilder::with_capacity(rows).with_fixed_block_size(block_bytes(parts));
            for part in parts {
                part.as_string_view()
                    .iter()
                    .for_each(|v| builder.append_option(v));
            }
            Ok(Arc::new(builder.finish()))
        }
        DataType::BinaryView => {
            let mut builder =
                BinaryViewBuilder::with_capacity(rows).with_fixed_block_size(block_bytes(parts));
            for part in parts {
                part.as_binary_view()
                    .iter()
                    .for_each(|v| builder.append_option(v));
            }
            Ok(Arc::new(builder.finish()))
        }
        _ => compute::concat(parts).map_err(|e| Error::Invalid(e.to_string())),
    }
}

/// One buffer of just the right size, unless there is much.
fn block_bytes(parts: &[&dyn Array]) -> u32 {
    let bytes: u64 = parts.iter().map(|part| column_bytes(*part)).sum();
    bytes.clamp(16, 16 << 20) as u32
}

pub(crate) fn make_batch(
    schema: &SchemaRef,
    columns: Vec<ArrayRef>,
    rows: usize,
) -> Result<RecordBatch> {
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|e| Error::Invalid(e.to_string()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::testing::arbitrary_batch;
    use proptest::prelude::*;

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(40))]

        #[test]
        fn parts_joined_are_the_whole(batch in arbitrary_batch(2..60), cut: prop::sample::Index) {
            let cut = 1 + cut.index(batch.num_rows() - 1);
            let parts = [batch.slice(0, cut), batch.slice(cut, batch.num_rows() - cut)];
            let joined = concat_batches(&batch.schema(), &parts.each_ref()).unwrap();
            prop_assert_eq!(&joined, &batch);
            prop_assert_eq!(compact(&batch.schema(), &batch.slice(0, 1)).unwrap(), batch.slice(0, 1));
        }
    }

    #[test]
    fn a_small_slice_does_not_pin_the_whole() {
        use arrow::array::StringViewArray;
        let long: StringViewArray = (0..1000)
            .map(|i| Some(format!("a long string {i:08}")))
            .collect();
        let batch = RecordBatch::try_from_iter([("s", Arc::new(long) as ArrayRef)]).unwrap();
        let slice = compact(&batch.schema(), &batch.slice(500, 2)).unwrap();
        assert!(
            slice.get_array_memory_size() < 4096,
            "{}",
            slice.get_array_memory_size()
        );
    }
}
