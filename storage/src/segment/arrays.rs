//! Arrow arrays of decoded blocks of fixed width: codes of a frame of reference, entries of a dictionary
//! of integers, plain values.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray};
use arrow::buffer::{BooleanBuffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Decimal128Type};

use super::codes::CodeBlock;
use super::integers::Frame;
use super::layout::{CHUNK_ENTRIES, ColumnEntry};
use super::packing::Lane;
use super::selection::Selection;
use crate::column_type::{FixedType, with_fixed_type, with_integer_type};
use crate::format::Malformed;

const NO_SUCH_ENCODING: Malformed = Malformed("an encoding that the type does not have");

/// Which rows are not NULL; `None` when all are.
pub(super) fn nulls_of<C: Lane>(codes: &[C], null_code: bool) -> Option<NullBuffer> {
    if !null_code {
        return None;
    }
    let valid = |&code: &C| -> bool { code > C::default() };
    let bits = BooleanBuffer::from_iter(codes.iter().map(valid));
    Some(NullBuffer::new(bits)).filter(|nulls| nulls.null_count() > 0)
}

/// Positions in the dictionary; of any entry for NULL.
pub(super) fn entries_of(mut codes: Vec<u32>, null_code: bool) -> Vec<u32> {
    if null_code {
        codes
            .iter_mut()
            .for_each(|code| *code = code.saturating_sub(1));
    }
    codes
}

/// The entries of a dictionary of integers, in place.
pub(super) struct Numbers<'a>(Vec<&'a [[u8; 8]]>);

impl<'a> Numbers<'a> {
    /// Every chunk but the last has `CHUNK_ENTRIES` entries.
    pub(super) fn new(chunks: Vec<&'a [[u8; 8]]>) -> Self {
        Self(chunks)
    }

    pub(super) fn get(&self, entry: u32) -> Option<u64> {
        let entry = entry as usize;
        let bytes = self
            .0
            .get(entry / CHUNK_ENTRIES)?
            .get(entry % CHUNK_ENTRIES)?;
        Some(u64::from_le_bytes(*bytes))
    }

    pub(super) fn chunks(&self) -> impl Iterator<Item = &'a [[u8; 8]]> {
        self.0.iter().copied()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = u64> {
        let entries = self.0.iter().flat_map(|chunk| chunk.iter());
        entries.map(|&bytes| u64::from_le_bytes(bytes))
    }

    pub(super) fn gather(&self, entries: &[u32]) -> Result<Vec<u64>, Malformed> {
        let numbers = entries.iter().map(|&entry| self.get(entry));
        let numbers: Option<Vec<u64>> = numbers.collect();
        numbers.ok_or(Malformed("a code is beyond the dictionary"))
    }
}

/// Values of a block of a frame of reference.
pub(super) fn of_frame(
    block: &CodeBlock<'_>,
    selection: &Selection,
    frame: Frame,
    entry: &ColumnEntry,
) -> Result<ArrayRef, Malformed> {
    macro_rules! decode {
        ($lane:ty) => {{
            let mut codes: Vec<$lane> = Vec::new();
            block.rows(&mut codes)?;
            let codes = selection.keep(codes);
            let nulls = nulls_of(&codes, entry.null_code);
            of_codes(&codes, frame, &entry.data_type, nulls)
        }};
    }
    match entry.high {
        0..=0xFF => decode!(u8),
        0x100..=0xFFFF => decode!(u16),
        0x1_0000..=0xFFFF_FFFF => decode!(u32),
        _ => decode!(u64),
    }
}

/// The values that codes stand for.
pub(super) fn of_codes<C: Lane>(
    codes: &[C],
    frame: Frame,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Malformed> {
    let value = |&code: &C| frame.value(code.into());
    match data_type {
        DataType::Boolean => {
            let bits = BooleanBuffer::from_iter(codes.iter().map(|c| value(c) & 1 == 1));
            Ok(Arc::new(BooleanArray::new(bits, nulls)))
        }
        DataType::Decimal128(..) => {
            let values = codes.iter().map(value).collect();
            Ok(primitive::<Decimal128Type>(values, data_type, nulls))
        }
        other => with_integer_type!(
            other,
            T => Ok(primitive::<T>(frame.integers::<T, C>(codes), data_type, nulls)),
            else Err(NO_SUCH_ENCODING)
        ),
    }
}

/// Values stored as they are.
pub(super) fn of_plain(
    bytes: &[u8],
    rows: usize,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> Result<ArrayRef, Malformed> {
    with_fixed_type!(
        data_type,
        T => {
            if bytes.len() != rows * T::WIDTH {
                return Err(Malformed("a block with another length"));
            }
            let values = bytes.chunks_exact(T::WIDTH).map(T::from_le).collect();
            Ok(primitive::<T>(values, data_type, nulls))
        },
        else Err(NO_SUCH_ENCODING)
    )
}

fn primitive<T: FixedType>(
    values: Vec<T::Native>,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Arc::new(array.with_data_type(data_type.clone()))
}
