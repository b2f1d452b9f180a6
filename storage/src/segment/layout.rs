//! The fixed-size structures of a segment file: block entries, dictionary chunk entries, column entries,
//! footer and trailer, and their bytes. docs/format.md has the offsets.

use arrow::datatypes::DataType;

use super::codes::{Layout, Shape};
use super::zone::{Bounds, Prefix, Zone};
use crate::TableId;
use crate::column_type::{type_of_tag, type_tag};
use crate::format::{ByteReader, ByteWriter, Malformed};
use crate::placement::Placement;

/// Rows of a block. Fixed in this version and repeated in the footer.
pub(crate) const BLOCK_ROWS: usize = 8192;
/// Entries of a dictionary chunk.
pub(crate) const CHUNK_ENTRIES: usize = 8192;
/// Sections begin at multiples of this.
pub(crate) const SECTION_ALIGNMENT: usize = 64;

pub(crate) const BLOCK_ENTRY_BYTES: usize = 64;
pub(crate) const CHUNK_ENTRY_BYTES: usize = 40;
const COLUMN_ENTRY_BYTES: usize = 152;
pub(crate) const TRAILER_BYTES: usize = 32;
const TRAILER_MAGIC: [u8; 8] = *b"STORNOSE";

/// Longest decoded block or chunk, a bound for what a damaged length can ask for.
const RAW_BYTES_MAX: usize = 1 << 31;

/// How a stretch of bytes is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Codec {
    None,
    Zstd,
}

/// Where a checksummed stretch of bytes lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Extent {
    pub(crate) offset: u64,
    pub(crate) stored: u32,
    /// Length after decompression.
    pub(crate) raw: u32,
    pub(crate) checksum: u64,
    pub(crate) codec: Codec,
}

impl Extent {
    fn encode(&self, out: &mut Vec<u8>) {
        out.put_u64(self.offset);
        out.put_u32(self.stored);
        out.put_u32(self.raw);
        out.put_u64(self.checksum);
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let (offset, stored, raw) = (reader.u64()?, reader.u32()?, reader.u32()?);
        let checksum = reader.u64()?;
        if raw as usize > RAW_BYTES_MAX {
            return Err(Malformed("a block is out of range"));
        }
        Ok(Self {
            offset,
            stored,
            raw,
            checksum,
            codec: Codec::None,
        })
    }
}

impl Codec {
    fn tag(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Zstd => 1,
        }
    }

    fn of_tag(tag: u8) -> Result<Self, Malformed> {
        match tag {
            0 => Ok(Self::None),
            1 => Ok(Self::Zstd),
            _ => Err(Malformed("an unknown codec")),
        }
    }
}

/// One block of one column.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct BlockEntry {
    pub(crate) data: Extent,
    /// Of the block's part of the NULL bitmap, when the column has one.
    pub(crate) nulls_checksum: u64,
    /// NULL rows of the block.
    pub(crate) nulls: u16,
    pub(crate) content: Content,
}

/// What is in a block, with what is known of it without reading.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Content {
    /// Codes, and the sum of the values' distances from the column's base in steps of its scale (rows
    /// that are not NULL) where 64 bits hold it.
    Codes(Shape, Option<u64>),
    /// Values themselves.
    Values(Bounds),
}

/// Tag of a block of values; below it are the layouts of codes.
const VALUES: u8 = 3;
const SUM_IS_EXACT: u8 = 1;
const MIN_GOES_ON: u8 = 2;
const MAX_GOES_ON: u8 = 4;

impl BlockEntry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        let (tag, bits, numbers, flags, lengths, raw) = match self.content {
            Content::Codes(shape, sum) => {
                let numbers = [shape.low, shape.high, sum.unwrap_or(0)];
                let flags = if sum.is_some() { SUM_IS_EXACT } else { 0 };
                (
                    shape.layout.tag(),
                    shape.bits,
                    numbers,
                    flags,
                    0,
                    shape.runs,
                )
            }
            Content::Values(Bounds::Float(min, max)) => (
                VALUES,
                1,
                [min.to_bits(), max.to_bits(), 0],
                0,
                0,
                self.data.raw,
            ),
            Content::Values(Bounds::Bytes(min, max)) => {
                let ((min, min_length, min_on), (max, max_length, max_on)) =
                    (min.first_eight(), max.first_eight());
                let flags = u8::from(min_on) * MIN_GOES_ON + u8::from(max_on) * MAX_GOES_ON;
                let lengths = min_length | max_length << 4;
                (VALUES, 2, [min, max, 0], flags, lengths, self.data.raw)
            }
            Content::Values(_) => (VALUES, 0, [0; 3], 0, 0, self.data.raw),
        };
        Extent { raw, ..self.data }.encode(out);
        numbers.into_iter().for_each(|number| out.put_u64(number));
        out.put_u64(self.nulls_checksum);
        out.put(&self.nulls.to_le_bytes());
        out.put(&[tag, bits, self.data.codec.tag(), flags, lengths, 0]);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let mut data = Extent::decode(&mut reader)?;
        let (low, high, sum) = (reader.u64()?, reader.u64()?, reader.u64()?);
        let nulls_checksum = reader.u64()?;
        let nulls = u16::from_le_bytes(reader.array()?);
        let [tag, bits, codec, flags, lengths, _] = reader.array::<6>()?;
        data.codec = Codec::of_tag(codec)?;
        let content = if tag == VALUES {
            let min = Prefix::of_eight(low, lengths & 15, flags & MIN_GOES_ON != 0);
            let max = Prefix::of_eight(high, lengths >> 4, flags & MAX_GOES_ON != 0);
            Content::Values(match bits {
                0 => Bounds::Unknown,
                1 => Bounds::Float(f64::from_bits(low), f64::from_bits(high)),
                2 => Bounds::Bytes(min?, max?),
                _ => return Err(Malformed("an unknown kind of bounds")),
            })
        } else {
            let (layout, runs) = (Layout::of_tag(tag)?, data.raw);
            data.raw = data.stored;
            let shape = Shape {
                layout,
                bits,
                runs,
                low,
                high,
            };
            Content::Codes(shape, (flags & SUM_IS_EXACT != 0).then_some(sum))
        };
        Ok(Self {
            data,
            nulls_checksum,
            nulls,
            content,
        })
    }

    /// The least and the greatest code; everything when there are no codes.
    pub(crate) fn code_range(&self) -> (u64, u64) {
        match self.content {
            Content::Codes(shape, _) => (shape.low, shape.high),
            Content::Values(_) => (0, u64::MAX),
        }
    }

    /// What is known of the values, where it is known as such.
    pub(crate) fn bounds(&self) -> Bounds {
        match self.content {
            Content::Codes(..) => Bounds::Unknown,
            Content::Values(bounds) => bounds,
        }
    }
}

/// One chunk of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) data: Extent,
    pub(crate) entries: u32,
    /// Of the hashes of its entries, where there are hashes.
    pub(crate) hashes_checksum: u64,
}

impl ChunkEntry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.data.encode(out);
        out.put_u32(self.entries);
        out.put(&[self.data.codec.tag(), 0, 0, 0]);
        out.put_u64(self.hashes_checksum);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let mut data = Extent::decode(&mut reader)?;
        let entries = reader.u32()?;
        let [codec, ..] = reader.array::<4>()?;
        data.codec = Codec::of_tag(codec)?;
        Ok(Self {
            data,
            entries,
            hashes_checksum: reader.u64()?,
        })
    }
}

/// How the values of a column are stored in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// No value; no data.
    AllNull,
    /// Codes; a value is `base + distance * scale`.
    Frame { base: i128, scale: u64 },
    /// The bytes of the values.
    Plain,
    /// Codes into a dictionary of strings.
    Dictionary,
    /// Per block: lengths and bytes.
    Strings,
    /// Codes into a dictionary of integers; a value is `base + entry`.
    Numbers { base: i128 },
}

impl Encoding {
    /// Whether the blocks are codes.
    pub(crate) fn has_codes(self) -> bool {
        matches!(
            self,
            Self::Frame { .. } | Self::Dictionary | Self::Numbers { .. }
        )
    }
}

/// One column of the segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnEntry {
    pub(crate) data_type: DataType,
    pub(crate) encoding: Encoding,
    /// Code 0 stands for NULL and the others for one distance or entry less.
    pub(crate) null_code: bool,
    /// The dictionary is in ascending order, so that the order of codes is that of values.
    pub(crate) ascending: bool,
    /// The greatest code.
    pub(crate) high: u64,
    /// Offset of the NULL bitmap of a column without codes; `None` when no row is NULL.
    pub(crate) nulls_offset: Option<u64>,
    /// Block entries.
    pub(crate) index_offset: u64,
    pub(crate) index_checksum: u64,
    /// Chunk entries of the dictionary.
    pub(crate) chunks_offset: u64,
    pub(crate) chunks_checksum: u64,
    /// Hashes of the entries of a dictionary of strings.
    pub(crate) hashes_offset: u64,
    pub(crate) dictionary_entries: u32,
    /// Bytes of the column in the file.
    pub(crate) stored_bytes: u64,
    pub(crate) zone: Zone,
}

const HAS_NULL_CODE: u8 = 1;
const IS_ASCENDING: u8 = 2;

impl ColumnEntry {
    pub(crate) fn chunk_count(&self) -> usize {
        (self.dictionary_entries as usize).div_ceil(CHUNK_ENTRIES)
    }

    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, base, scale) = match self.encoding {
            Encoding::AllNull => (0, 0, 0),
            Encoding::Frame { base, scale } => (1, base, scale),
            Encoding::Plain => (2, 0, 0),
            Encoding::Dictionary => (3, 0, 0),
            Encoding::Strings => (4, 0, 0),
            Encoding::Numbers { base } => (5, base, 1),
        };
        let flags =
            u8::from(self.null_code) * HAS_NULL_CODE + u8::from(self.ascending) * IS_ASCENDING;
        out.put(&type_tag(&self.data_type).unwrap_or_default());
        out.put(&[tag, flags, 0, 0]);
        out.put_i128(base);
        for number in [
            scale,
            self.high,
            self.nulls_offset.unwrap_or(0),
            self.index_offset,
            self.index_checksum,
            self.chunks_offset,
            self.chunks_checksum,
            self.hashes_offset,
        ] {
            out.put_u64(number);
        }
        out.put_u32(self.dictionary_entries);
        out.put_u32(0);
        out.put_u64(self.stored_bytes);
        self.zone.encode(out);
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let data_type = type_of_tag(reader.array()?)?;
        let [tag, flags, ..] = reader.array::<4>()?;
        let (base, scale) = (reader.i128()?, reader.u64()?);
        let encoding = match tag {
            0 => Encoding::AllNull,
            1 => Encoding::Frame { base, scale },
            2 => Encoding::Plain,
            3 => Encoding::Dictionary,
            4 => Encoding::Strings,
            5 => Encoding::Numbers { base },
            _ => return Err(Malformed("an unknown encoding")),
        };
        let column = Self {
            data_type,
            encoding,
            null_code: flags & HAS_NULL_CODE != 0,
            ascending: flags & IS_ASCENDING != 0,
            high: reader.u64()?,
            nulls_offset: Some(reader.u64()?).filter(|&o| o != 0),
            index_offset: reader.u64()?,
            index_checksum: reader.u64()?,
            chunks_offset: reader.u64()?,
            chunks_checksum: reader.u64()?,
            hashes_offset: reader.u64()?,
            dictionary_entries: reader.u64().map(|n| n as u32)?,
            stored_bytes: reader.u64()?,
            zone: Zone::decode(reader)?,
        };
        let codes = u64::from(column.dictionary_entries) + u64::from(column.null_code);
        let has_dictionary = matches!(encoding, Encoding::Dictionary | Encoding::Numbers { .. });
        if has_dictionary && column.high >= codes {
            return Err(Malformed("a code is beyond the dictionary"));
        }
        Ok(column)
    }
}

/// The footer: what the segment holds and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Footer {
    pub(crate) table: TableId,
    pub(crate) rows: u64,
    pub(crate) raw_bytes: u64,
    pub(crate) placement: Placement,
    /// The rows are sorted by these columns; order of arrival when empty.
    pub(crate) sort_key: Vec<usize>,
    pub(crate) columns: Vec<ColumnEntry>,
}

impl Footer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.table.0);
        out.put_u64(self.rows);
        out.put_u64(self.raw_bytes);
        out.put_u32(BLOCK_ROWS as u32);
        out.put_u32(CHUNK_ENTRIES as u32);
        let (shard, shards) = match self.placement {
            Placement::Mixed => (0, 0),
            Placement::Shard { shard, shards } => (shard, shards),
        };
        out.put_u32(shard);
        out.put_u32(shards);
        out.put_length(self.sort_key.len());
        out.put_length(self.columns.len());
        for column in &self.columns {
            column.encode(&mut out);
        }
        for &column in &self.sort_key {
            out.put_length(column);
        }
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let table = TableId(reader.u64()?);
        let (rows, raw_bytes) = (reader.u64()?, reader.u64()?);
        if (reader.length()?, reader.length()?) != (BLOCK_ROWS, CHUNK_ENTRIES) {
            return Err(Malformed(
                "the rows of a block or chunk differ from this format's",
            ));
        }
        let placement = match (reader.u32()?, reader.u32()?) {
            (0, 0) => Placement::Mixed,
            (shard, shards) if shard < shards => Placement::Shard { shard, shards },
            _ => return Err(Malformed("a shard is out of range")),
        };
        let sort_columns = reader.count(4)?;
        let columns = reader.count(COLUMN_ENTRY_BYTES)?;
        let columns = (0..columns)
            .map(|_| ColumnEntry::decode(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let sort_key = (0..sort_columns)
            .map(|_| reader.length())
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let named = sort_key.iter().all(|&c| c < columns.len());
        let fits = |c: &ColumnEntry| {
            u64::from(c.zone.rows) == rows && u64::from(c.dictionary_entries) <= rows
        };
        let counted = columns.iter().all(fits);
        if !named || !counted {
            return Err(Malformed("the footer contradicts itself"));
        }
        Ok(Self {
            table,
            rows,
            raw_bytes,
            placement,
            sort_key,
            columns,
        })
    }
}

/// The last bytes of a segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Trailer {
    pub(crate) footer_offset: u64,
    pub(crate) footer_length: u32,
    pub(crate) footer_checksum: u64,
}

impl Trailer {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.footer_offset);
        out.put_u32(self.footer_length);
        out.put_u32(0);
        out.put_u64(self.footer_checksum);
        out.put(&TRAILER_MAGIC);
        out
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let (footer_offset, footer_length) = (reader.u64()?, reader.u32()?);
        let zero = reader.u32()?;
        let footer_checksum = reader.u64()?;
        if reader.array::<8>()? != TRAILER_MAGIC || zero != 0 {
            return Err(Malformed("no segment trailer"));
        }
        Ok(Self {
            footer_offset,
            footer_length,
            footer_checksum,
        })
    }
}
