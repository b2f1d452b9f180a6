//! A column of a segment encoded: its blocks and dictionary, not yet at a place in a file. The encoding is
//! chosen from the data. Columns are encoded side by side on several threads; `writer` puts them into the
//! file one after the other.

use arrow::array::{Array, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::codes::Shape;
use super::integers::{Frame, FrameCodes, distances};
use super::layout::{BLOCK_ROWS, CHUNK_ENTRIES, Codec, Content, Encoding};
use super::numbers::{ENTRY_BYTES, NumberDictionary};
use super::packing::Lane;
use super::strings::{CodedStrings, Dictionary, StringCoder, put_strings, string_bounds};
use super::zone::{Bounds, Zone};
use crate::column_type::{FixedType, with_fixed_type};
use crate::format::ByteWriter;
use crate::rows::column_bytes;

/// Shorter stretches are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 512;
const DICTIONARY_LEVEL: i32 = 3;
const BLOCK_LEVEL: i32 = 1;

#[derive(Debug)]
pub(crate) struct EncodedColumn {
    pub(super) data_type: DataType,
    pub(super) encoding: Encoding,
    pub(super) null_code: bool,
    pub(super) ascending: bool,
    /// The greatest code.
    pub(super) high: u64,
    pub(super) zone: Zone,
    /// Bytes of the rows in memory.
    pub(super) raw_bytes: u64,
    /// What is stored of the blocks, and then of the chunks, one after the other.
    pub(super) bytes: Vec<u8>,
    /// With the NULL rows of each.
    pub(super) blocks: Vec<(Stored, Content, u16)>,
    /// With the entries of each.
    pub(super) chunks: Vec<(Stored, u32)>,
    /// Of a dictionary of strings.
    pub(super) hashes: Vec<u64>,
    /// Rows that are not NULL, of a column without codes that has some.
    pub(super) valid: Option<BooleanBuffer>,
}

/// A stretch of stored bytes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stored {
    pub(super) length: u32,
    /// Length after decompression.
    pub(super) raw: u32,
    pub(super) codec: Codec,
}

impl EncodedColumn {
    fn new(data_type: &DataType, rows: usize, nulls: usize, raw_bytes: u64) -> Self {
        Self {
            data_type: data_type.clone(),
            encoding: Encoding::AllNull,
            null_code: false,
            ascending: false,
            high: 0,
            zone: Zone {
                rows: rows as u32,
                nulls: nulls as u32,
                bounds: Bounds::Unknown,
            },
            raw_bytes,
            bytes: Vec::new(),
            blocks: Vec::new(),
            chunks: Vec::new(),
            hashes: Vec::new(),
            valid: None,
        }
    }

    /// Encodes an array whose rows are in order. `seed` is that of the hashes of strings.
    pub(crate) fn of_array(array: &dyn Array, seed: u64) -> Self {
        let data_type = array.data_type();
        if matches!(data_type, DataType::Utf8View | DataType::BinaryView) {
            let mut coder = StringCoder::new(array.len(), seed);
            coder.add_array(array);
            let order: Vec<u32> = (0..array.len() as u32).collect();
            return Self::of_strings(data_type, &coder.finish(), &order);
        }
        let (rows, nulls) = (array.len(), array.null_count());
        let mut column = Self::new(data_type, rows, nulls, column_bytes(array));
        if nulls == rows {
            // Nothing to store.
        } else if let Some(frame) = frame_codes(array) {
            column.integers(frame, nulls > 0);
        } else {
            column.plain(array);
        }
        column
    }

    /// Encodes the strings of some rows in an order.
    pub(crate) fn of_strings(
        data_type: &DataType,
        strings: &CodedStrings<'_>,
        order: &[u32],
    ) -> Self {
        let dictionary = strings.in_order(order);
        let (rows, nulls) = (order.len(), dictionary.nulls);
        let mut column = Self::new(data_type, rows, nulls, dictionary.raw_bytes());
        if nulls == rows {
            // Nothing to store.
        } else if dictionary.suits() {
            column.dictionary(dictionary);
        } else {
            column.strings(&dictionary.rows());
        }
        column
    }

    /// Integers: as distances from the least, or as a dictionary where that is much smaller.
    fn integers(&mut self, frame: FrameCodes, null_code: bool) {
        let FrameCodes { base, scale, codes } = frame;
        self.null_code = null_code;
        let shapes: Vec<Shape> = codes.chunks(BLOCK_ROWS).map(Shape::of).collect();
        let size = code_bytes(&shapes, codes.len());
        let high = shapes.iter().map(|s| s.high).max().unwrap_or(0);
        let frame = Frame::new(base, scale, null_code);
        self.zone.bounds = Bounds::Int(base, frame.value(high));
        if let Some((dictionary, shapes)) = smaller_dictionary(&codes, null_code, size) {
            self.encoding = Encoding::Numbers { base };
            self.codes(&dictionary.codes, shapes, false);
            return self.number_entries(&dictionary.entries, scale);
        }
        self.encoding = Encoding::Frame { base, scale };
        self.codes(&codes, shapes, true);
    }

    /// Encodes codes block by block.
    fn codes<T: Lane>(&mut self, codes: &[T], shapes: Vec<Shape>, with_sums: bool) {
        self.bytes.reserve(code_bytes(&shapes, codes.len()));
        for (block, shape) in codes.chunks(BLOCK_ROWS).zip(shapes) {
            let start = self.bytes.len();
            shape.encode(block, &mut self.bytes);
            self.high = self.high.max(shape.high);
            let nulls = match self.null_code {
                true => block.iter().filter(|&&c| c == T::default()).count(),
                false => 0,
            };
            let values = if self.null_code {
                block.len() - nulls
            } else {
                0
            };
            let sum = || {
                let distances = block.iter().map(|&c| u128::from(c.into()));
                u64::try_from(distances.sum::<u128>() - values as u128).ok()
            };
            let content = Content::Codes(shape, with_sums.then(sum).flatten());
            let length = (self.bytes.len() - start) as u32;
            let stored = Stored {
                length,
                raw: length,
                codec: Codec::None,
            };
            self.blocks.push((stored, content, nulls as u16));
        }
    }

    fn plain(&mut self, array: &dyn Array) {
        self.encoding = Encoding::Plain;
        self.zone.bounds = plain_bounds(array);
        let nulls = array.nulls().filter(|n| n.null_count() > 0);
        self.valid = nulls.map(|nulls| nulls.inner().clone());
        let mut raw = Vec::new();
        for first in (0..array.len()).step_by(BLOCK_ROWS) {
            let block = array.slice(first, BLOCK_ROWS.min(array.len() - first));
            raw.clear();
            with_fixed_type!(block.data_type(), T => {
                let values = block.as_primitive::<T>();
                values.values().iter().for_each(|&v| T::put_le(v, &mut raw));
            }, else {});
            let content = Content::Values(plain_bounds(&block));
            let stored = self.store(&raw, Some(BLOCK_LEVEL));
            self.blocks
                .push((stored, content, block.null_count() as u16));
        }
    }

    fn dictionary(&mut self, dictionary: Dictionary<'_>) {
        self.encoding = Encoding::Dictionary;
        self.null_code = dictionary.nulls > 0;
        self.ascending = dictionary.entries.is_sorted();
        self.zone.bounds = dictionary.bounds();
        let shapes = dictionary.codes.chunks(BLOCK_ROWS).map(Shape::of).collect();
        self.codes(&dictionary.codes, shapes, false);
        for chunk in dictionary.entries.chunks(CHUNK_ENTRIES) {
            let mut raw = Vec::new();
            put_strings(&mut raw, chunk.iter().copied());
            let stored = self.store(&raw, Some(DICTIONARY_LEVEL));
            self.chunks.push((stored, chunk.len() as u32));
        }
        self.hashes = dictionary.hashes;
    }

    fn strings(&mut self, rows: &[Option<&[u8]>]) {
        self.encoding = Encoding::Strings;
        self.zone.bounds = string_bounds(rows);
        if self.zone.nulls > 0 {
            let valid = |row: usize| rows.get(row).is_some_and(Option::is_some);
            self.valid = Some(BooleanBuffer::collect_bool(rows.len(), valid));
        }
        for block in rows.chunks(BLOCK_ROWS) {
            let mut raw = Vec::new();
            put_strings(&mut raw, block.iter().map(|row| row.unwrap_or_default()));
            let nulls = block.iter().filter(|row| row.is_none()).count();
            let content = Content::Values(string_bounds(block));
            let stored = self.store(&raw, Some(BLOCK_LEVEL));
            self.blocks.push((stored, content, nulls as u16));
        }
    }

    /// Never compressed: they are read in place, and repeat nothing.
    fn number_entries(&mut self, entries: &[u64], scale: u64) {
        for chunk in entries.chunks(CHUNK_ENTRIES) {
            let mut raw = Vec::with_capacity(chunk.len() * ENTRY_BYTES);
            chunk.iter().for_each(|entry| raw.put_u64(entry * scale));
            let stored = self.store(&raw, None);
            self.chunks.push((stored, chunk.len() as u32));
        }
    }

    /// Adds bytes, compressed if a level is given and it saves a fifth.
    fn store(&mut self, raw: &[u8], level: Option<i32>) -> Stored {
        let packed = level
            .filter(|_| raw.len() >= COMPRESS_BYTES_MIN)
            .and_then(|level| zstd::bulk::compress(raw, level).ok())
            .filter(|packed| packed.len() < raw.len() - raw.len() / 5);
        let bytes = packed.as_deref().unwrap_or(raw);
        self.bytes.extend_from_slice(bytes);
        Stored {
            length: bytes.len() as u32,
            raw: raw.len() as u32,
            codec: match packed {
                Some(_) => Codec::Zstd,
                None => Codec::None,
            },
        }
    }
}

/// The array as codes of a frame of reference; `None` when it cannot be.
fn frame_codes(array: &dyn Array) -> Option<FrameCodes> {
    let nulls = array.nulls().filter(|n| n.null_count() > 0);
    distances(array)?.into_codes(nulls)
}

fn code_bytes(shapes: &[Shape], rows: usize) -> usize {
    let full = |number: usize| BLOCK_ROWS.min(rows - number * BLOCK_ROWS);
    shapes
        .iter()
        .enumerate()
        .map(|(number, shape)| shape.bytes(full(number)))
        .sum()
}

/// A dictionary of the distances, with the shapes of its blocks, if it saves a fifth of `size` bytes.
/// Only tried where a code takes three bytes or more: narrower ones are quick to group by as they are.
fn smaller_dictionary(
    codes: &[u64],
    null_code: bool,
    size: usize,
) -> Option<(NumberDictionary, Vec<Shape>)> {
    if size < 3 * codes.len() {
        return None;
    }
    let entries_max = (size - size / 5) / ENTRY_BYTES;
    let dictionary = NumberDictionary::build(codes, null_code, entries_max)?;
    let shapes: Vec<Shape> = dictionary.codes.chunks(BLOCK_ROWS).map(Shape::of).collect();
    let total = ENTRY_BYTES * dictionary.entries.len() + code_bytes(&shapes, codes.len());
    (total + size / 5 <= size).then_some((dictionary, shapes))
}

/// Bounds of floats and of decimals too far apart for a frame of reference.
fn plain_bounds(block: &dyn Array) -> Bounds {
    use arrow::datatypes::{Decimal128Type, Float32Type, Float64Type};
    let floats: Vec<f64> = match block.data_type() {
        DataType::Decimal128(..) => {
            let values = block.as_primitive::<Decimal128Type>();
            let (min, max) = (values.iter().flatten().min(), values.iter().flatten().max());
            return min
                .zip(max)
                .map_or(Bounds::Unknown, |(min, max)| Bounds::Int(min, max));
        }
        DataType::Float32 => block
            .as_primitive::<Float32Type>()
            .iter()
            .flatten()
            .map(f64::from)
            .collect(),
        DataType::Float64 => block
            .as_primitive::<Float64Type>()
            .iter()
            .flatten()
            .collect(),
        _ => return Bounds::Unknown,
    };
    if floats.is_empty() || floats.iter().any(|v| v.is_nan()) {
        return Bounds::Unknown;
    }
    let min = floats.iter().copied().fold(f64::INFINITY, f64::min);
    let max = floats.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    Bounds::Float(min, max)
}
