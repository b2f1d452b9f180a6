//! One commit in the WAL: columnar batches, uncompressed, readable only with the table's column types
//! (the tags are repeated so that a mismatch is noticed). Framing and checksums are the frame log's.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, BooleanArray, GenericByteViewArray, PrimitiveArray,
    RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{ByteViewType, DataType, SchemaRef};

use roaring::RoaringBitmap;

use crate::TableId;
use crate::column_type::{FixedType, TYPE_TAG_BYTES, type_tag, with_fixed_type};
use crate::format::{ByteReader, ByteWriter, FileId, Malformed, put_bitmap, read_bitmap};
use crate::home::Place;

/// One insert of a commit as it stands in the WAL, its rows still encoded.
#[derive(Debug, Clone, Copy)]
pub(crate) struct EncodedInsert<'a> {
    pub(crate) table: TableId,
    /// Seconds since 1970; 0 in tables without an event key.
    pub(crate) arrival: u32,
    pub(crate) body: &'a [u8],
    /// Where the body begins in the file.
    pub(crate) offset: u64,
}

/// A delete of a commit: rows of one table, by where they were when it was logged.
#[derive(Debug, Clone)]
pub(crate) struct LoggedDelete {
    pub(crate) table: TableId,
    pub(crate) parts: Vec<(Place, RoaringBitmap)>,
    /// Where it begins in the file.
    pub(crate) offset: u64,
}

const PLACE_SEGMENT: u32 = 0;
const PLACE_MEMTABLE: u32 = 1;

/// Starts a commit record of so many inserts and deletes.
pub(crate) fn put_commit(out: &mut Vec<u8>, inserts: usize, deletes: usize) {
    out.put_length(inserts);
    out.put_length(deletes);
}

/// Appends a delete; the deletes follow the inserts.
pub(crate) fn put_delete(out: &mut Vec<u8>, table: TableId, parts: &[(Place, RoaringBitmap)]) {
    let start = out.len();
    out.put_u64(table.0);
    out.put_length(parts.len());
    out.put_u32(0);
    for (place, rows) in parts {
        let (kind, number) = match place {
            Place::Segment(file) => (PLACE_SEGMENT, file.0),
            Place::Memtable(first) => (PLACE_MEMTABLE, *first),
        };
        out.put_u64(number);
        out.put_u32(kind);
        put_bitmap(out, rows);
        out.put_align8(start);
    }
}

fn read_delete(reader: &mut ByteReader<'_>, offset: u64) -> Result<LoggedDelete, Malformed> {
    let table = TableId(reader.u64()?);
    let count = reader.count(16)?;
    if reader.u32()? != 0 {
        return Err(Malformed("reserved bytes of a delete are set"));
    }
    let mut parts = Vec::with_capacity(count);
    for _ in 0..count {
        let number = reader.u64()?;
        let place = match reader.u32()? {
            PLACE_SEGMENT => Place::Segment(FileId(number)),
            PLACE_MEMTABLE => Place::Memtable(number),
            _ => return Err(Malformed("an unknown kind of place")),
        };
        parts.push((place, read_bitmap(reader)?));
        reader.align8()?;
    }
    Ok(LoggedDelete {
        table,
        parts,
        offset,
    })
}

/// Appends an insert that arrived at a time, in seconds since 1970, or 0 in a table without an event key;
/// `body` comes from [`encode_batch`] and is a multiple of 8 long.
pub(crate) fn put_insert(out: &mut Vec<u8>, table: TableId, arrival: u32, body: &[u8]) {
    out.put_u64(table.0);
    out.put_length(body.len());
    out.put_u32(arrival);
    out.put(body);
}

/// What a commit record says.
#[derive(Debug, Default)]
pub(crate) struct LoggedCommit<'a> {
    pub(crate) inserts: Vec<EncodedInsert<'a>>,
    pub(crate) deletes: Vec<LoggedDelete>,
}

/// Reads one commit record from a frame's payload, which begins at `start` of the file.
pub(crate) fn read_commit<'a>(
    reader: &mut ByteReader<'a>,
    start: u64,
) -> Result<LoggedCommit<'a>, Malformed> {
    let (inserts, deletes) = (reader.count(16)?, reader.count(16)?);
    let mut commit = LoggedCommit::default();
    for _ in 0..inserts {
        let table = TableId(reader.u64()?);
        let (length, arrival) = (reader.length()?, reader.u32()?);
        let offset = start + reader.position() as u64;
        commit.inserts.push(EncodedInsert {
            table,
            arrival,
            body: reader.bytes(length)?,
            offset,
        });
    }
    for _ in 0..deletes {
        let offset = start + reader.position() as u64;
        commit.deletes.push(read_delete(reader, offset)?);
    }
    Ok(commit)
}

/// Encodes rows of supported types.
pub(crate) fn encode_batch(batch: &RecordBatch) -> Vec<u8> {
    let mut out = Vec::with_capacity(64 + batch.get_array_memory_size().min(1 << 24));
    out.put_length(batch.num_rows());
    out.put_length(batch.num_columns());
    for column in batch.columns() {
        encode_column(&mut out, column);
    }
    out
}

fn encode_column(out: &mut Vec<u8>, column: &ArrayRef) {
    out.put(&type_tag(column.data_type()).unwrap_or_default());
    let nulls = column.nulls().filter(|n| n.null_count() > 0);
    out.put_u32(u32::from(nulls.is_some()));
    if let Some(nulls) = nulls {
        put_bits(out, nulls.inner());
    }
    let start = out.len();
    match column.data_type() {
        DataType::Boolean => put_bits(out, column.as_boolean().values()),
        DataType::Utf8View => encode_views(out, column.as_string_view()),
        DataType::BinaryView => encode_views(out, column.as_binary_view()),
        other => with_fixed_type!(other, T => {
            for &value in column.as_primitive::<T>().values().iter() {
                T::put_le(value, out);
            }
        }, else {}),
    }
    out.put_align8(start);
}

fn put_bits(out: &mut Vec<u8>, bits: &BooleanBuffer) {
    let start = out.len();
    let packed = bits.sliced();
    let used = bits.len().div_ceil(8);
    out.put(packed.as_slice().get(..used).unwrap_or_default());
    clear_spare_bits(out, bits.len());
    out.put_align8(start);
}

/// Zeros the bits of the last byte beyond `bits`, so that equal rows have equal bytes.
fn clear_spare_bits(out: &mut [u8], bits: usize) {
    if let (Some(last), spare @ 1..) = (out.last_mut(), bits.wrapping_neg() & 7) {
        *last &= 0xFF >> spare;
    }
}

fn encode_views<T: ByteViewType>(out: &mut Vec<u8>, array: &GenericByteViewArray<T>) {
    let start = out.len();
    for row in 0..array.len() {
        let length = if array.is_null(row) {
            0
        } else {
            view_length(array, row)
        };
        out.put_u32(length);
    }
    out.put_align8(start);
    for value in array.iter().flatten() {
        out.put(value.as_ref());
    }
}

fn view_length<T: ByteViewType>(array: &GenericByteViewArray<T>, row: usize) -> u32 {
    // The low 32 bits of a view are its length.
    array.views().get(row).map_or(0, |&view| view as u32)
}

/// Decodes rows of a table with the columns of `schema`.
pub(crate) fn decode_batch(schema: &SchemaRef, body: &[u8]) -> Result<RecordBatch, Malformed> {
    let mut reader = ByteReader::new(body);
    let rows = reader.length()?;
    if reader.length()? != schema.fields().len() {
        return Err(Malformed("the number of columns differs from the table's"));
    }
    let mut columns = Vec::with_capacity(schema.fields().len());
    for field in schema.fields() {
        let column = decode_column(&mut reader, field.data_type(), rows)?;
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Malformed("a NULL in a column without NULLs"));
        }
        columns.push(column);
    }
    reader.finish()?;
    let options = RecordBatchOptions::new().with_row_count(Some(rows));
    RecordBatch::try_new_with_options(Arc::clone(schema), columns, &options)
        .map_err(|_| Malformed("the columns do not make a batch"))
}

fn decode_column(
    reader: &mut ByteReader<'_>,
    data_type: &DataType,
    rows: usize,
) -> Result<ArrayRef, Malformed> {
    let tag: [u8; TYPE_TAG_BYTES] = reader.array()?;
    if Some(tag) != type_tag(data_type) {
        return Err(Malformed("a column's type differs from the table's"));
    }
    let nulls = match reader.u32()? {
        0 => None,
        1 => Some(NullBuffer::new(read_bits(reader, rows)?)),
        _ => return Err(Malformed("unknown flags of a column")),
    };
    let array: ArrayRef = match data_type {
        DataType::Boolean => Arc::new(BooleanArray::new(read_bits(reader, rows)?, nulls)),
        DataType::Utf8View => Arc::new(decode_strings(reader, rows, nulls)?),
        DataType::BinaryView => Arc::new(decode_views(reader, rows, nulls)?),
        other => with_fixed_type!(
            other,
            T => decode_fixed::<T>(reader, other, rows, nulls)?,
            else return Err(Malformed("a column of an unsupported type"))
        ),
    };
    reader.align8()?;
    Ok(array)
}

fn read_bits(reader: &mut ByteReader<'_>, rows: usize) -> Result<BooleanBuffer, Malformed> {
    let bytes = reader.bytes(rows.div_ceil(8))?;
    reader.align8()?;
    Ok(BooleanBuffer::new(Buffer::from(bytes), 0, rows))
}

fn decode_fixed<T: FixedType>(
    reader: &mut ByteReader<'_>,
    data_type: &DataType,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Malformed> {
    let bytes = reader.bytes(rows.saturating_mul(T::WIDTH))?;
    let values: Vec<T::Native> = bytes.chunks_exact(T::WIDTH).map(T::from_le).collect();
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Ok(Arc::new(array.with_data_type(data_type.clone())))
}

fn decode_views(
    reader: &mut ByteReader<'_>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<BinaryViewArray, Malformed> {
    let lengths = reader.bytes(rows.saturating_mul(4))?;
    reader.align8()?;
    let lengths = lengths
        .as_chunks::<4>()
        .0
        .iter()
        .map(|b| u32::from_le_bytes(*b));
    let total = lengths.clone().map(|l| l as usize).sum();
    let block = Buffer::from(reader.bytes(total)?);
    let mut builder = arrow::array::BinaryViewBuilder::with_capacity(rows);
    let block = builder.append_block(block);
    let mut offset = 0;
    for length in lengths {
        builder
            .try_append_view(block, offset, length)
            .map_err(|_| Malformed("a string is out of range"))?;
        offset += length;
    }
    let (views, buffers, _) = builder.finish().into_parts();
    BinaryViewArray::try_new(views, buffers, nulls).map_err(|_| Malformed("a view is out of range"))
}

fn decode_strings(
    reader: &mut ByteReader<'_>,
    rows: usize,
    nulls: Option<NullBuffer>,
) -> Result<StringViewArray, Malformed> {
    let views = decode_views(reader, rows, nulls)?;
    views
        .to_string_view()
        .map_err(|_| Malformed("text is not UTF-8"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::testing::arbitrary_batch;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn batches_of_every_type_come_back_as_written(batch in arbitrary_batch(0..40)) {
            let body = encode_batch(&batch);
            prop_assert_eq!(body.len() % 8, 0);
            prop_assert_eq!(decode_batch(&batch.schema(), &body).unwrap(), batch);
        }

        #[test]
        fn slices_are_encoded_like_copies(batch in arbitrary_batch(9..40), from in 0usize..9) {
            let slice = batch.slice(from, batch.num_rows() - from);
            let body = encode_batch(&slice);
            prop_assert_eq!(decode_batch(&batch.schema(), &body).unwrap(), slice);
        }

        #[test]
        fn damaged_bodies_do_no_harm(
            batch in arbitrary_batch(0..20),
            place: prop::sample::Index,
            byte: u8,
            cut: prop::sample::Index,
        ) {
            let mut body = encode_batch(&batch);
            let cut = cut.index(body.len() + 1);
            let at = place.index(body.len());
            body[at] = byte;
            let _ = decode_batch(&batch.schema(), &body);
            let _ = decode_batch(&batch.schema(), &body[..cut]);
        }
    }
}
