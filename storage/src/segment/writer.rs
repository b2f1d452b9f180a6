//! Writes a segment column by column, rows already in order. It chooses each column's encoding from the
//! data. It neither sorts nor publishes: flush and merge do.

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::codes::Shape;
use super::integers::{Frame, FrameCodes, distances};
use super::layout::{
    BLOCK_ROWS, BlockEntry, CHUNK_ENTRIES, ChunkEntry, Codec, ColumnEntry, Content, Encoding,
    Extent, Footer, SECTION_ALIGNMENT, Trailer,
};
use super::numbers::{ENTRY_BYTES, NumberDictionary};
use super::sink::Sink;
use super::strings::{Dictionary, put_strings, rows_of, string_bounds};
use super::zone::{Bounds, Zone};
use crate::column_type::{FixedType, with_fixed_type};
use crate::format::{ByteWriter, FileHeader, FileId, FileKind, Seal};
use crate::fs::FileSystem;
use crate::manifest::SegmentRecord;
use crate::placement::Placement;
use crate::rows::column_bytes;
use crate::{Error, Result, TableId};

/// Name of a segment file directly below the data directory.
pub(crate) fn segment_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(format!("{:016x}.seg", file.0))
}

/// Shorter stretches are not worth compressing.
const COMPRESS_BYTES_MIN: usize = 512;
const DICTIONARY_LEVEL: i32 = 3;
const BLOCK_LEVEL: i32 = 1;

#[derive(Debug)]
pub(crate) struct SegmentWriter {
    sink: Sink,
    seal: Seal,
    footer: Footer,
}

/// Blocks of one column, being written.
struct Column {
    encoding: Encoding,
    start: u64,
    null_code: bool,
    ascending: bool,
    /// The greatest code.
    high: u64,
    blocks: Vec<BlockEntry>,
    chunks: Vec<ChunkEntry>,
    /// Of a dictionary of strings.
    hashes: Vec<u64>,
    bounds: Bounds,
}

impl SegmentWriter {
    pub(crate) fn create(
        fs: &dyn FileSystem,
        path: &Path,
        seal: Seal,
        table: TableId,
        sort_key: &[usize],
    ) -> Result<Self> {
        let mut sink = Sink::create(fs, path)?;
        sink.put(
            &FileHeader {
                kind: FileKind::Segment,
                seal,
            }
            .encode(),
        )?;
        let sort_key = sort_key.to_vec();
        let footer = Footer {
            table,
            rows: 0,
            raw_bytes: 0,
            placement: Placement::Mixed,
            sort_key,
            columns: Vec::new(),
        };
        Ok(Self { sink, seal, footer })
    }

    /// Says where the rows belong.
    pub(crate) fn place(&mut self, placement: Placement) {
        self.footer.placement = placement;
    }

    /// Appends the next column; every column has the same rows in the same order.
    pub(crate) fn column(&mut self, array: &dyn Array) -> Result<()> {
        debug_assert!(self.footer.columns.is_empty() || self.footer.rows == array.len() as u64);
        self.footer.rows = array.len() as u64;
        self.sink.align(SECTION_ALIGNMENT);
        let mut column = Column {
            encoding: Encoding::AllNull,
            start: self.sink.position(),
            null_code: false,
            ascending: false,
            high: 0,
            blocks: Vec::new(),
            chunks: Vec::new(),
            hashes: Vec::new(),
            bounds: Bounds::Unknown,
        };
        if array.null_count() == array.len() {
            // Nothing to store.
        } else if matches!(array.data_type(), DataType::Utf8View | DataType::BinaryView) {
            self.strings(&mut column, array)?;
        } else if let Some(frame) = frame_codes(array) {
            self.integers(&mut column, array, frame)?;
        } else {
            self.plain(&mut column, array)?;
        }
        self.finish_column(column, array)
    }

    /// Integers: as distances from the least, or as a dictionary where that is much smaller.
    fn integers(
        &mut self,
        column: &mut Column,
        array: &dyn Array,
        frame: FrameCodes,
    ) -> Result<()> {
        let FrameCodes { base, scale, codes } = frame;
        column.null_code = array.null_count() > 0;
        let shapes: Vec<Shape> = codes.chunks(BLOCK_ROWS).map(Shape::of).collect();
        let size = code_bytes(&shapes, codes.len());
        let high = shapes.iter().map(|s| s.high).max().unwrap_or(0);
        let frame = Frame::new(base, scale, column.null_code);
        column.bounds = Bounds::Int(base, frame.value(high));
        if let Some((dictionary, shapes)) = smaller_dictionary(&codes, column.null_code, size) {
            column.encoding = Encoding::Numbers { base };
            self.codes(column, &dictionary.codes, shapes, false)?;
            return self.number_entries(column, &dictionary.entries, scale);
        }
        column.encoding = Encoding::Frame { base, scale };
        self.codes(column, &codes, shapes, true)
    }

    /// Writes codes block by block.
    fn codes(
        &mut self,
        column: &mut Column,
        codes: &[u64],
        shapes: Vec<Shape>,
        with_sums: bool,
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for (block, shape) in codes.chunks(BLOCK_ROWS).zip(shapes) {
            bytes.clear();
            shape.encode(block, &mut bytes);
            column.high = column.high.max(shape.high);
            let nulls = if column.null_code {
                block.iter().filter(|&&c| c == 0).count()
            } else {
                0
            };
            let distances = block.iter().map(|&c| u128::from(c)).sum::<u128>();
            let values = if column.null_code {
                block.len() - nulls
            } else {
                0
            };
            let sum = u64::try_from(distances - values as u128).ok();
            let content = Content::Codes(shape, sum.filter(|_| with_sums));
            self.block(column, &bytes, (content, nulls), None)?;
        }
        Ok(())
    }

    fn plain(&mut self, column: &mut Column, array: &dyn Array) -> Result<()> {
        column.encoding = Encoding::Plain;
        column.bounds = plain_bounds(array);
        let mut bytes = Vec::new();
        for first in (0..array.len()).step_by(BLOCK_ROWS) {
            let block = array.slice(first, BLOCK_ROWS.min(array.len() - first));
            bytes.clear();
            with_fixed_type!(block.data_type(), T => {
                let values = block.as_primitive::<T>();
                values.values().iter().for_each(|&v| T::put_le(v, &mut bytes));
            }, else {});
            let content = Content::Values(plain_bounds(&block));
            self.block(
                column,
                &bytes,
                (content, block.null_count()),
                Some(BLOCK_LEVEL),
            )?;
        }
        Ok(())
    }

    fn strings(&mut self, column: &mut Column, array: &dyn Array) -> Result<()> {
        let rows = rows_of(array);
        if let Some(dictionary) = Dictionary::build(&rows, self.seal.database) {
            column.encoding = Encoding::Dictionary;
            column.null_code = array.null_count() > 0;
            column.ascending = dictionary.entries.is_sorted();
            column.bounds = dictionary.bounds();
            let shapes = dictionary.codes.chunks(BLOCK_ROWS).map(Shape::of).collect();
            self.codes(column, &dictionary.codes, shapes, false)?;
            self.string_entries(column, &dictionary.entries)?;
            column.hashes = dictionary.hashes;
            return Ok(());
        }
        column.encoding = Encoding::Strings;
        column.bounds = string_bounds(&rows);
        for block in rows.chunks(BLOCK_ROWS) {
            let mut raw = Vec::new();
            put_strings(&mut raw, block.iter().map(|row| row.unwrap_or_default()));
            let nulls = block.iter().filter(|row| row.is_none()).count();
            let content = Content::Values(string_bounds(block));
            self.block(column, &raw, (content, nulls), Some(BLOCK_LEVEL))?;
        }
        Ok(())
    }

    fn string_entries(&mut self, column: &mut Column, entries: &[&[u8]]) -> Result<()> {
        for chunk in entries.chunks(CHUNK_ENTRIES) {
            let mut raw = Vec::new();
            put_strings(&mut raw, chunk.iter().copied());
            self.chunk(column, &raw, chunk.len(), Some(DICTIONARY_LEVEL))?;
        }
        Ok(())
    }

    /// Never compressed: they are read in place, and repeat nothing.
    fn number_entries(&mut self, column: &mut Column, entries: &[u64], scale: u64) -> Result<()> {
        for chunk in entries.chunks(CHUNK_ENTRIES) {
            let mut raw = Vec::with_capacity(chunk.len() * ENTRY_BYTES);
            chunk.iter().for_each(|entry| raw.put_u64(entry * scale));
            self.chunk(column, &raw, chunk.len(), None)?;
        }
        Ok(())
    }

    fn chunk(
        &mut self,
        column: &mut Column,
        raw: &[u8],
        entries: usize,
        level: Option<i32>,
    ) -> Result<()> {
        self.sink.align(8);
        let data = self.extent(raw, level)?;
        column.chunks.push(ChunkEntry {
            data,
            entries: entries as u32,
            hashes_checksum: 0,
        });
        Ok(())
    }

    fn block(
        &mut self,
        column: &mut Column,
        bytes: &[u8],
        (content, nulls): (Content, usize),
        level: Option<i32>,
    ) -> Result<()> {
        let data = self.extent(bytes, level)?;
        column.blocks.push(BlockEntry {
            data,
            nulls_checksum: 0,
            nulls: nulls as u16,
            content,
        });
        Ok(())
    }

    /// Writes bytes, compressed if a level is given and it saves a fifth.
    fn extent(&mut self, raw: &[u8], level: Option<i32>) -> Result<Extent> {
        let packed = level
            .filter(|_| raw.len() >= COMPRESS_BYTES_MIN)
            .and_then(|level| zstd::bulk::compress(raw, level).ok())
            .filter(|packed| packed.len() < raw.len() - raw.len() / 5);
        let codec = if packed.is_some() {
            Codec::Zstd
        } else {
            Codec::None
        };
        let bytes = packed.as_deref().unwrap_or(raw);
        let offset = self.sink.position();
        self.sink.put(bytes)?;
        Ok(Extent {
            offset,
            stored: bytes.len() as u32,
            raw: raw.len() as u32,
            checksum: self.seal.checksum(offset, bytes),
            codec,
        })
    }

    /// Writes the NULL bitmap, the hashes, the block entries and the chunk entries.
    fn finish_column(&mut self, mut column: Column, array: &dyn Array) -> Result<()> {
        let nulls = array.nulls().filter(|n| n.null_count() > 0);
        let has_bitmap = matches!(column.encoding, Encoding::Plain | Encoding::Strings);
        let nulls_offset = match nulls.filter(|_| has_bitmap) {
            Some(nulls) => Some(self.null_bitmap(&mut column, nulls.inner())?),
            None => None,
        };
        let hashes_offset = self.hashes(&mut column)?;
        let mut index = Vec::new();
        column
            .blocks
            .iter()
            .for_each(|block| block.encode(&mut index));
        let (index_offset, index_checksum) = self.section(&index)?;
        let mut chunks = Vec::new();
        column
            .chunks
            .iter()
            .for_each(|chunk| chunk.encode(&mut chunks));
        let (chunks_offset, chunks_checksum) = self.section(&chunks)?;
        let zone = Zone {
            rows: array.len() as u32,
            nulls: array.null_count() as u32,
            bounds: column.bounds,
        };
        self.footer.columns.push(ColumnEntry {
            data_type: array.data_type().clone(),
            encoding: column.encoding,
            null_code: column.null_code,
            ascending: column.ascending,
            high: column.high,
            nulls_offset,
            index_offset,
            index_checksum,
            chunks_offset,
            chunks_checksum,
            hashes_offset,
            dictionary_entries: column.chunks.iter().map(|c| c.entries).sum(),
            stored_bytes: self.sink.position() - column.start,
            zone,
        });
        self.footer.raw_bytes += column_bytes(array);
        Ok(())
    }

    fn hashes(&mut self, column: &mut Column) -> Result<u64> {
        self.sink.align(8);
        let start = self.sink.position();
        let hashes = column.hashes.chunks(CHUNK_ENTRIES);
        for (chunk, hashes) in column.chunks.iter_mut().zip(hashes) {
            let mut bytes = Vec::with_capacity(hashes.len() * 8);
            hashes.iter().for_each(|&hash| bytes.put_u64(hash));
            chunk.hashes_checksum = self.seal.checksum(self.sink.position(), &bytes);
            self.sink.put(&bytes)?;
        }
        Ok(start)
    }

    fn null_bitmap(&mut self, column: &mut Column, valid: &BooleanBuffer) -> Result<u64> {
        self.sink.align(SECTION_ALIGNMENT);
        let start = self.sink.position();
        for (number, block) in column.blocks.iter_mut().enumerate() {
            let first = number * BLOCK_ROWS;
            let rows = BLOCK_ROWS.min(valid.len() - first);
            // Rebuilt bit by bit so that the bits beyond the last row are zero.
            let bits = valid.slice(first, rows);
            let bits = BooleanBuffer::collect_bool(rows, |row| bits.value(row));
            let bytes = bits
                .inner()
                .as_slice()
                .get(..rows.div_ceil(8))
                .unwrap_or_default();
            block.nulls_checksum = self.seal.checksum(self.sink.position(), bytes);
            self.sink.put(bytes)?;
        }
        Ok(start)
    }

    fn section(&mut self, bytes: &[u8]) -> Result<(u64, u64)> {
        self.sink.align(8);
        let offset = self.sink.position();
        self.sink.put(bytes)?;
        Ok((offset, self.seal.checksum(offset, bytes)))
    }

    /// Writes footer and trailer and syncs the file; its directory is the caller's to sync.
    pub(crate) fn finish(mut self) -> Result<SegmentRecord> {
        if u32::try_from(self.footer.rows).is_err() {
            return Err(Error::Invalid(
                "a segment holds at most 2^32 - 1 rows".into(),
            ));
        }
        let footer = self.footer.encode();
        let (footer_offset, footer_checksum) = self.section(&footer)?;
        let footer_length = footer.len() as u32;
        let trailer = Trailer {
            footer_offset,
            footer_length,
            footer_checksum,
        };
        self.sink.align(8);
        self.sink.put(&trailer.encode())?;
        Ok(SegmentRecord {
            file: self.seal.file,
            rows: self.footer.rows,
            raw_bytes: self.footer.raw_bytes,
            footer_checksum,
            bytes: self.sink.finish()?,
        })
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
