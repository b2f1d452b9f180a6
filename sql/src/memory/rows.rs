//! What rows need of the memory of the arrays that they are in.
//!
//! Arrays share buffers: a slice has those of the whole, and strings of many batches may be in one buffer. To count
//! buffers with every batch would count them many times, and to hold a batch may hold much that it does not show.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, GenericByteViewArray, RecordBatch, RecordBatchOptions,
};
use arrow::datatypes::{ByteViewType, DataType};

/// Bytes of a string's view, which has short strings in itself.
const VIEW_BYTES: usize = 16;

/// Bytes that a batch's rows need where they are copied, each with its strings.
pub(crate) fn copied_bytes(batch: &RecordBatch) -> usize {
    bytes(batch, |strings| strings.long)
}

/// Bytes that a batch needs while it is held as it is: strings that repeat one are that one.
pub(crate) fn held_bytes(batch: &RecordBatch) -> usize {
    bytes(batch, |strings| strings.long.min(strings.buffers))
}

/// The batch, to be held: where its strings are the smaller part of their buffers they get buffers of their own.
pub(crate) fn compacted(batch: RecordBatch) -> RecordBatch {
    let columns = batch.columns().iter().map(compacted_column).collect();
    let options = RecordBatchOptions::new().with_row_count(Some(batch.num_rows()));
    let compact = RecordBatch::try_new_with_options(batch.schema(), columns, &options);
    compact.unwrap_or(batch)
}

/// Strings of an array that are too long for their views.
struct Strings {
    /// Bytes of all of them, however often one repeats.
    long: usize,
    /// Bytes of the buffers that they are in.
    buffers: usize,
}

impl Strings {
    fn of<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Self {
        let buffers = array.data_buffers().iter();
        Self {
            long: array.total_buffer_bytes_used(),
            buffers: buffers.map(|b| b.capacity().max(b.len())).sum(),
        }
    }
}

fn bytes(batch: &RecordBatch, strings: impl Fn(Strings) -> usize) -> usize {
    let column = |column: &ArrayRef| {
        let (rows, has_nulls) = (column.len(), column.nulls().is_some());
        let views = rows * VIEW_BYTES + usize::from(has_nulls) * rows.div_ceil(8);
        match column.data_type() {
            DataType::Utf8View => views + strings(Strings::of(column.as_string_view())),
            DataType::BinaryView => views + strings(Strings::of(column.as_binary_view())),
            _ => {
                let slice = column.to_data().get_slice_memory_size();
                slice.unwrap_or_else(|_| column.get_buffer_memory_size())
            }
        }
    };
    batch.columns().iter().map(column).sum()
}

fn compacted_column(column: &ArrayRef) -> ArrayRef {
    let compact = match column.data_type() {
        DataType::Utf8View => compacted_views(column.as_string_view()),
        DataType::BinaryView => compacted_views(column.as_binary_view()),
        _ => None,
    };
    compact.unwrap_or_else(|| Arc::clone(column))
}

/// `None`: there is little to be gained.
fn compacted_views<T: ByteViewType>(array: &GenericByteViewArray<T>) -> Option<ArrayRef> {
    let Strings { long, buffers } = Strings::of(array);
    (buffers / 2 > long).then(|| Arc::new(array.gc()) as ArrayRef)
}

#[cfg(test)]
mod tests {
    use arrow::array::{Int64Array, StringArray, StringViewArray};

    use super::*;

    const TEXT: &str = "a text of thirty-two characters.";

    fn batch(rows: usize) -> RecordBatch {
        let numbers: ArrayRef = Arc::new(Int64Array::from_iter_values(0..rows as i64));
        let texts = (0..rows).map(|row| format!("{TEXT}{row:08}"));
        let plain: ArrayRef = Arc::new(StringArray::from_iter_values(texts.clone()));
        let views: ArrayRef = Arc::new(StringViewArray::from_iter_values(texts));
        let columns = [("n", numbers), ("p", plain), ("v", views)];
        RecordBatch::try_from_iter(columns).expect("a batch")
    }

    #[test]
    fn slices_count_as_what_they_show() {
        let whole = batch(100_000);
        let slices = (0..1_000).map(|at| whole.slice(at * 100, 100));
        let counted: usize = slices.map(|slice| copied_bytes(&slice)).sum();
        // A number, a text with its offset, a view with its text; each slice has an offset more.
        let expected = 100_000 * (8 + 4 + 40 + 16 + 40) + 1_000 * 4;
        assert_eq!(counted, expected);
        assert_eq!(copied_bytes(&whole.slice(0, 0)), 4);
        assert_eq!(copied_bytes(&RecordBatch::new_empty(whole.schema())), 4);
    }

    #[test]
    fn strings_that_repeat_count_once_where_they_are_held() {
        let one = StringViewArray::from_iter_values([TEXT]);
        let again = StringViewArray::new(
            vec![one.views()[0]; 4_000].into(),
            one.data_buffers().to_vec(),
            None,
        );
        let batch = RecordBatch::try_from_iter([("v", Arc::new(again) as ArrayRef)]);
        let batch = batch.expect("a batch");
        assert_eq!(copied_bytes(&batch), 4_000 * (16 + TEXT.len()));
        assert!(held_bytes(&batch) < 4_000 * 16 + 64_000);
        let held = compacted(batch.clone());
        assert!(held.get_array_memory_size() <= batch.get_array_memory_size());
    }

    #[test]
    fn a_few_rows_of_many_do_not_hold_the_others() {
        let few = batch(100_000)
            .slice(500, 10)
            .project(&[2])
            .expect("is there");
        assert!(few.column(0).get_buffer_memory_size() > 4_000_000);
        let held = compacted(few.clone());
        assert_eq!(held, few);
        let buffers = held.column(0).as_string_view().data_buffers().iter();
        assert_eq!(buffers.map(|b| b.len()).sum::<usize>(), 10 * 40);
        assert_eq!(held_bytes(&held), 10 * (16 + 40));
        let whole = batch(1_000);
        let same = compacted(whole.clone());
        assert!(Arc::ptr_eq(whole.column(2), same.column(2)));
    }
}
