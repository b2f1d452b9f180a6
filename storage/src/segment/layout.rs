//! The fixed-size structures of a segment file: block entries, dictionary chunk entries, column entries,
//! footer and trailer, and their bytes. docs/format.md has the offsets.

use arrow::datatypes::DataType;

use super::zone::Zone;
use crate::TableId;
use crate::column_type::{type_of_tag, type_tag};
use crate::format::{ByteReader, ByteWriter, Malformed};

/// Rows of a block. Fixed in this version and repeated in the footer.
pub(crate) const BLOCK_ROWS: usize = 8192;
/// Entries of a dictionary chunk.
pub(crate) const CHUNK_ENTRIES: usize = 8192;
/// Sections begin at multiples of this.
pub(crate) const SECTION_ALIGNMENT: usize = 64;

pub(crate) const BLOCK_ENTRY_BYTES: usize = 88;
pub(crate) const CHUNK_ENTRY_BYTES: usize = 32;
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
    pub(crate) zone: Zone,
}

impl BlockEntry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.data.encode(out);
        out.put_u64(self.nulls_checksum);
        out.put(&[self.data.codec.tag(), 0, 0, 0]);
        out.put_u32(0);
        self.zone.encode(out);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let mut data = Extent::decode(&mut reader)?;
        let nulls_checksum = reader.u64()?;
        let [codec, ..] = reader.array::<8>()?;
        data.codec = Codec::of_tag(codec)?;
        Ok(Self {
            data,
            nulls_checksum,
            zone: Zone::decode(&mut reader)?,
        })
    }
}

/// One chunk of a dictionary.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ChunkEntry {
    pub(crate) data: Extent,
    pub(crate) entries: u32,
}

impl ChunkEntry {
    pub(crate) fn encode(&self, out: &mut Vec<u8>) {
        self.data.encode(out);
        out.put_u32(self.entries);
        out.put(&[self.data.codec.tag(), 0, 0, 0]);
    }

    pub(crate) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let mut data = Extent::decode(&mut reader)?;
        let entries = reader.u32()?;
        let [codec, ..] = reader.array::<4>()?;
        data.codec = Codec::of_tag(codec)?;
        Ok(Self { data, entries })
    }
}

/// How the values of a column are stored in one segment.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Encoding {
    /// No value; no data.
    AllNull,
    /// `base + code * scale`, codes of `width` bytes (0: all rows are `base`).
    Frame { width: u8, base: i128, scale: u64 },
    /// The bytes of the values.
    Plain,
    /// Codes of `width` bytes into the sorted dictionary (0: all rows are entry 0).
    Dictionary { width: u8 },
    /// Per block: offsets and bytes.
    Strings,
}

/// One column of the segment.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ColumnEntry {
    pub(crate) data_type: DataType,
    pub(crate) encoding: Encoding,
    /// Offset of the NULL bitmap; `None` when no row is NULL.
    pub(crate) nulls_offset: Option<u64>,
    /// Block entries.
    pub(crate) index_offset: u64,
    pub(crate) index_checksum: u64,
    /// Chunk entries of the dictionary.
    pub(crate) chunks_offset: u64,
    pub(crate) chunks_checksum: u64,
    pub(crate) chunk_count: u32,
    pub(crate) dictionary_entries: u32,
    /// Bytes of the column in the file.
    pub(crate) stored_bytes: u64,
    pub(crate) zone: Zone,
}

impl ColumnEntry {
    fn encode(&self, out: &mut Vec<u8>) {
        let (tag, width, base, scale) = match self.encoding {
            Encoding::AllNull => (0, 0, 0, 0),
            Encoding::Frame { width, base, scale } => (1, width, base, scale),
            Encoding::Plain => (2, 0, 0, 0),
            Encoding::Dictionary { width } => (3, width, 0, 0),
            Encoding::Strings => (4, 0, 0, 0),
        };
        out.put(&type_tag(&self.data_type).unwrap_or_default());
        out.put(&[tag, width, 0, 0]);
        out.put_i128(base);
        out.put_u64(scale);
        out.put_u64(self.nulls_offset.unwrap_or(0));
        for number in [
            self.index_offset,
            self.index_checksum,
            self.chunks_offset,
            self.chunks_checksum,
        ] {
            out.put_u64(number);
        }
        out.put_u32(self.chunk_count);
        out.put_u32(self.dictionary_entries);
        out.put_u64(self.stored_bytes);
        self.zone.encode(out);
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let data_type = type_of_tag(reader.array()?)?;
        let [tag, width, ..] = reader.array::<4>()?;
        let (base, scale) = (reader.i128()?, reader.u64()?);
        let width_fits = matches!(width, 0 | 1 | 2 | 4) || (tag == 1 && width == 8);
        if !width_fits {
            return Err(Malformed("a code width is out of range"));
        }
        let encoding = match tag {
            0 => Encoding::AllNull,
            1 => Encoding::Frame { width, base, scale },
            2 => Encoding::Plain,
            3 => Encoding::Dictionary { width },
            4 => Encoding::Strings,
            _ => return Err(Malformed("an unknown encoding")),
        };
        Ok(Self {
            data_type,
            encoding,
            nulls_offset: Some(reader.u64()?).filter(|&o| o != 0),
            index_offset: reader.u64()?,
            index_checksum: reader.u64()?,
            chunks_offset: reader.u64()?,
            chunks_checksum: reader.u64()?,
            chunk_count: reader.u32()?,
            dictionary_entries: reader.u32()?,
            stored_bytes: reader.u64()?,
            zone: Zone::decode(reader)?,
        })
    }
}

/// The footer: what the segment holds and where.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Footer {
    pub(crate) table: TableId,
    pub(crate) rows: u64,
    pub(crate) raw_bytes: u64,
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
        let sort_columns = reader.count(4)?;
        let columns = reader.count(100)?;
        let columns = (0..columns)
            .map(|_| ColumnEntry::decode(&mut reader))
            .collect::<Result<Vec<_>, _>>()?;
        let sort_key = (0..sort_columns)
            .map(|_| reader.length())
            .collect::<Result<Vec<_>, _>>()?;
        reader.finish()?;
        let named = sort_key.iter().all(|&c| c < columns.len());
        let counted = columns.iter().all(|c| u64::from(c.zone.rows) == rows);
        if !named || !counted {
            return Err(Malformed("the footer contradicts itself"));
        }
        Ok(Self {
            table,
            rows,
            raw_bytes,
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
