//! Writes a segment column by column, rows already in order. It chooses each column's encoding from the
//! data. It neither sorts nor publishes: flush and merge do.

use std::path::{Path, PathBuf};

use arrow::array::{Array, AsArray};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::DataType;

use super::integers::{code_zone, distances, frame_bounds, put_codes, width_of};
use super::layout::{
    BLOCK_ROWS, BlockEntry, CHUNK_ENTRIES, ChunkEntry, Codec, ColumnEntry, Encoding, Extent,
    Footer, SECTION_ALIGNMENT, Trailer,
};
use super::sink::Sink;
use super::strings::{Dictionary, put_strings, rows_of, string_zone};
use super::zone::{Bounds, Zone};
use crate::column_type::{FixedType, with_fixed_type};
use crate::format::{FileHeader, FileId, FileKind, Seal};
use crate::fs::FileSystem;
use crate::manifest::SegmentRecord;
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
    blocks: Vec<BlockEntry>,
    chunks: Vec<ChunkEntry>,
    dictionary_entries: u32,
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
            sort_key,
            columns: Vec::new(),
        };
        Ok(Self { sink, seal, footer })
    }

    /// Appends the next column; every column has the same rows in the same order.
    pub(crate) fn column(&mut self, array: &dyn Array) -> Result<()> {
        debug_assert!(self.footer.columns.is_empty() || self.footer.rows == array.len() as u64);
        self.footer.rows = array.len() as u64;
        self.sink.align(SECTION_ALIGNMENT);
        let start = self.sink.position();
        let mut column = Column {
            encoding: Encoding::AllNull,
            start,
            blocks: Vec::new(),
            chunks: Vec::new(),
            dictionary_entries: 0,
        };
        if array.null_count() == array.len() {
            self.all_null(&mut column, array.len())?;
        } else if matches!(array.data_type(), DataType::Utf8View | DataType::BinaryView) {
            self.strings(&mut column, array)?;
        } else if let Some(distances) = distances(array) {
            let (encoding, codes) = distances.into_codes();
            column.encoding = encoding;
            let Encoding::Frame { width, .. } = encoding else {
                return Ok(());
            };
            self.codes(&mut column, array, &codes, (width, &frame_bounds(encoding)))?;
        } else {
            self.plain(&mut column, array)?;
        }
        self.finish_column(column, array)
    }

    fn all_null(&mut self, column: &mut Column, rows: usize) -> Result<()> {
        for first in (0..rows).step_by(BLOCK_ROWS) {
            let rows = BLOCK_ROWS.min(rows - first) as u32;
            let zone = Zone {
                rows,
                nulls: rows,
                bounds: Bounds::Unknown,
            };
            self.block(column, &[], zone, None)?;
        }
        Ok(())
    }

    /// Writes codes of one width, block by block.
    fn codes(
        &mut self,
        column: &mut Column,
        array: &dyn Array,
        codes: &[u64],
        (width, bound): (u8, &dyn Fn(u64) -> Bounds),
    ) -> Result<()> {
        let mut bytes = Vec::new();
        for (number, block) in codes.chunks(BLOCK_ROWS).enumerate() {
            let first = number * BLOCK_ROWS;
            let zone = code_zone(block, |row| array.is_valid(first + row), bound);
            bytes.clear();
            put_codes(&mut bytes, block.iter().copied(), width);
            self.block(column, &bytes, zone, None)?;
        }
        Ok(())
    }

    fn plain(&mut self, column: &mut Column, array: &dyn Array) -> Result<()> {
        column.encoding = Encoding::Plain;
        let mut bytes = Vec::new();
        for first in (0..array.len()).step_by(BLOCK_ROWS) {
            let block = array.slice(first, BLOCK_ROWS.min(array.len() - first));
            bytes.clear();
            with_fixed_type!(block.data_type(), T => {
                let values = block.as_primitive::<T>();
                values.values().iter().for_each(|&v| T::put_le(v, &mut bytes));
            }, else {});
            let bounds = plain_bounds(&block);
            let (rows, nulls) = (block.len() as u32, block.null_count() as u32);
            self.block(
                column,
                &bytes,
                Zone {
                    rows,
                    nulls,
                    bounds,
                },
                None,
            )?;
        }
        Ok(())
    }

    fn strings(&mut self, column: &mut Column, array: &dyn Array) -> Result<()> {
        let rows = rows_of(array);
        if let Some(dictionary) = Dictionary::build(&rows) {
            let width = width_of(dictionary.entries.len().saturating_sub(1) as u64);
            column.encoding = Encoding::Dictionary { width };
            let bound = |code| dictionary.bounds(code);
            self.codes(column, array, &dictionary.codes, (width, &bound))?;
            return self.dictionary(column, &dictionary.entries);
        }
        column.encoding = Encoding::Strings;
        for block in rows.chunks(BLOCK_ROWS) {
            let mut raw = Vec::new();
            put_strings(&mut raw, block.iter().map(|row| row.unwrap_or_default()));
            self.block(column, &raw, string_zone(block), Some(BLOCK_LEVEL))?;
        }
        Ok(())
    }

    fn dictionary(&mut self, column: &mut Column, entries: &[&[u8]]) -> Result<()> {
        column.dictionary_entries = entries.len() as u32;
        for chunk in entries.chunks(CHUNK_ENTRIES) {
            let mut raw = Vec::new();
            put_strings(&mut raw, chunk.iter().copied());
            self.sink.align(8);
            let data = self.extent(&raw, Some(DICTIONARY_LEVEL))?;
            column.chunks.push(ChunkEntry {
                data,
                entries: chunk.len() as u32,
            });
        }
        Ok(())
    }

    fn block(
        &mut self,
        column: &mut Column,
        bytes: &[u8],
        zone: Zone,
        level: Option<i32>,
    ) -> Result<()> {
        let data = self.extent(bytes, level)?;
        column.blocks.push(BlockEntry {
            data,
            nulls_checksum: 0,
            zone,
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

    /// Writes the NULL bitmap, the block entries and the chunk entries.
    fn finish_column(&mut self, mut column: Column, array: &dyn Array) -> Result<()> {
        let nulls = array.nulls().filter(|n| n.null_count() > 0);
        let nulls = nulls.filter(|_| column.encoding != Encoding::AllNull);
        let nulls_offset = match nulls {
            Some(nulls) => Some(self.null_bitmap(&mut column, nulls.inner())?),
            None => None,
        };
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
        let zones = column.blocks.iter().map(|b| b.zone);
        let nothing = Zone {
            rows: 0,
            nulls: 0,
            bounds: Bounds::Unknown,
        };
        self.footer.columns.push(ColumnEntry {
            data_type: array.data_type().clone(),
            encoding: column.encoding,
            nulls_offset,
            index_offset,
            index_checksum,
            chunks_offset,
            chunks_checksum,
            chunk_count: column.chunks.len() as u32,
            dictionary_entries: column.dictionary_entries,
            stored_bytes: self.sink.position() - column.start,
            zone: zones.reduce(|a, b| a.and(&b)).unwrap_or(nothing),
        });
        self.footer.raw_bytes += column_bytes(array);
        Ok(())
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
