//! Reads a segment: metadata at open, blocks on demand, each verified before its first use. What is
//! returned never points into the mapped file.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, PrimitiveArray, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer, ScalarBuffer};
use arrow::datatypes::{DataType, Decimal128Type, SchemaRef};

use super::dictionary::{ChunkCache, ChunkKey};
use super::integers::{decode_decimals, decode_integers, map_codes};
use super::layout::{
    BLOCK_ENTRY_BYTES, BLOCK_ROWS, BlockEntry, CHUNK_ENTRIES, CHUNK_ENTRY_BYTES, ChunkEntry, Codec,
    ColumnEntry, Encoding, Extent, Footer, TRAILER_BYTES, Trailer,
};
use super::string_views::{CheckedStrings, ChunkSet, StringKind};
use super::verified::Verified;
use super::zone::Zone;
use crate::column_type::{FixedType, with_fixed_type, with_integer_type};
use crate::format::{FileHeader, FileKind, Malformed, Seal};
use crate::fs::{FileSystem, Mapping};
use crate::manifest::SegmentRecord;
use crate::{Error, Result, TableId};

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    path: PathBuf,
    map: Mapping,
    seal: Seal,
    footer: Footer,
    /// Per column: its index, its chunk entries, then its blocks.
    verified: Vec<Verified>,
}

/// Parts of a column in its `Verified` set before the blocks.
const INDEX_PART: usize = 0;
const CHUNKS_PART: usize = 1;
const BLOCK_PARTS: usize = 2;

/// Strings of one column that a scan has loaded so far.
#[derive(Debug, Default)]
pub(crate) struct ColumnCursor {
    chunks: Option<ChunkSet>,
}

impl SegmentReader {
    /// Opens the file `record` describes, of a table with the columns of `schema`. Reads and checks
    /// header, trailer and footer only.
    pub(crate) fn open(
        fs: &dyn FileSystem,
        path: &Path,
        database: u64,
        record: &SegmentRecord,
        (table, schema): (TableId, &SchemaRef),
    ) -> Result<Self> {
        let map = fs.map(path).map_err(|e| Error::io("map", path, &e))?;
        let corrupt = |offset: u64, what: &str| Error::corruption(path, offset, what);
        if map.len() as u64 != record.bytes {
            return Err(corrupt(
                map.len() as u64,
                "the length differs from the manifest's",
            ));
        }
        let header = FileHeader::decode(FileKind::Segment, path, &map)?;
        let seal = Seal {
            database,
            file: record.file,
        };
        if header.seal != seal {
            return Err(corrupt(0, "the file belongs elsewhere"));
        }
        let (footer, offset) = read_footer(&map, seal, record.footer_checksum)
            .map_err(|(offset, e)| corrupt(offset, e.0))?;
        let types = schema.fields().iter().map(|f| f.data_type());
        let same_types = footer.columns.iter().map(|c| &c.data_type).eq(types);
        if footer.table != table || footer.rows != record.rows || !same_types {
            return Err(corrupt(offset, "the footer does not fit the table"));
        }
        let blocks = (footer.rows as usize).div_ceil(BLOCK_ROWS);
        let verified = footer
            .columns
            .iter()
            .map(|_| Verified::none_of(BLOCK_PARTS + blocks))
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            map,
            seal,
            footer,
            verified,
        })
    }

    pub(crate) fn rows(&self) -> usize {
        self.footer.rows as usize
    }

    pub(crate) fn blocks(&self) -> usize {
        self.rows().div_ceil(BLOCK_ROWS)
    }

    /// Columns the rows are sorted by.
    pub(crate) fn sort_key(&self) -> &[usize] {
        &self.footer.sort_key
    }

    /// What is known of a whole column.
    pub(crate) fn zone(&self, column: usize) -> Option<Zone> {
        self.footer.columns.get(column).map(|c| c.zone)
    }

    /// Bytes of a column in the file.
    pub(crate) fn column_bytes(&self, column: usize) -> u64 {
        self.footer
            .columns
            .get(column)
            .map_or(0, |c| c.stored_bytes)
    }

    /// Passes on what has been read, unless a page of the file turned out to be unreadable.
    fn intact<T>(&self, read: T) -> Result<T> {
        if self.map.is_intact() {
            return Ok(read);
        }
        Err(Error::corruption(
            &self.path,
            0,
            "a page cannot be read: a bad disk or a cut file",
        ))
    }

    fn corrupt(&self, offset: u64, what: Malformed) -> Error {
        Error::corruption(&self.path, offset, what.0)
    }

    fn column(&self, column: usize) -> Result<&ColumnEntry> {
        self.footer
            .columns
            .get(column)
            .ok_or_else(|| Error::Invalid("a column that is not there".into()))
    }

    /// Bytes of the file; an offset beyond its end is damage.
    fn bytes(&self, offset: u64, length: usize) -> Result<&[u8]> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.map.get(start..start.checked_add(length)?))
            .ok_or_else(|| self.corrupt(offset, Malformed("a stretch beyond the end of the file")))
    }

    /// Bytes of the file that must have a checksum, unless `part` of the column has been found good.
    fn checked(
        &self,
        (column, part): (usize, usize),
        offset: u64,
        length: usize,
        checksum: u64,
    ) -> Result<&[u8]> {
        let bytes = self.bytes(offset, length)?;
        let seen = self.verified.get(column);
        if !seen.is_some_and(|v| v.contains(part)) {
            if self.seal.checksum(offset, bytes) != checksum {
                return Err(self.corrupt(offset, Malformed("a checksum differs")));
            }
            if let Some(seen) = seen {
                seen.insert(part);
            }
        }
        Ok(bytes)
    }

    /// The entry of one block of one column.
    pub(crate) fn block(&self, column: usize, block: usize) -> Result<BlockEntry> {
        let entry = self.column(column)?;
        let length = self.blocks().saturating_mul(BLOCK_ENTRY_BYTES);
        let offset = entry.index_offset;
        let index = self.checked((column, INDEX_PART), offset, length, entry.index_checksum)?;
        let at = block * BLOCK_ENTRY_BYTES;
        let bytes = index.get(at..at + BLOCK_ENTRY_BYTES);
        let block = bytes
            .ok_or(Malformed("a block that is not there"))
            .and_then(BlockEntry::decode);
        self.intact(block)?
            .map_err(|e| self.corrupt(offset + at as u64, e))
    }

    fn chunk(&self, column: usize, chunk: usize) -> Result<ChunkEntry> {
        let entry = self.column(column)?;
        let length = (entry.chunk_count as usize).saturating_mul(CHUNK_ENTRY_BYTES);
        let offset = entry.chunks_offset;
        let chunks = self.checked((column, CHUNKS_PART), offset, length, entry.chunks_checksum)?;
        let at = chunk * CHUNK_ENTRY_BYTES;
        let bytes = chunks.get(at..at + CHUNK_ENTRY_BYTES);
        let chunk = bytes
            .ok_or(Malformed("a chunk that is not there"))
            .and_then(ChunkEntry::decode);
        self.intact(chunk)?
            .map_err(|e| self.corrupt(offset + at as u64, e))
    }

    /// The rows of one block of one column.
    pub(crate) fn read(
        &self,
        column: usize,
        block: usize,
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        // After decoding: nothing in the array points into the file.
        self.decode(column, block, cache, cursor)
            .and_then(|array| self.intact(array))
    }

    fn decode(
        &self,
        column: usize,
        block: usize,
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        let entry = self.column(column)?;
        let rows = BLOCK_ROWS.min(self.rows().saturating_sub(block * BLOCK_ROWS));
        if entry.encoding == Encoding::AllNull {
            return Ok(new_null_array(&entry.data_type, rows));
        }
        let info = self.block(column, block)?;
        let corrupt = |e| self.corrupt(info.data.offset, e);
        if info.zone.rows as usize != rows {
            return Err(corrupt(Malformed("a block with another number of rows")));
        }
        let nulls = self.nulls(entry, block, rows, info.nulls_checksum)?;
        let data = info.data;
        let (offset, stored) = (data.offset, data.stored as usize);
        let part = (column, BLOCK_PARTS + block);
        let bytes = self.checked(part, offset, stored, data.checksum)?;
        match entry.encoding {
            Encoding::Dictionary { width } => {
                expect_codes(bytes, width, rows).map_err(corrupt)?;
                let codes = map_codes(bytes, width, rows, |c| c as u32);
                let chunks = self.load_chunks(column, &codes, cache, cursor)?;
                chunks
                    .gather::<CHUNK_ENTRIES>(&codes, nulls)
                    .map_err(corrupt)
            }
            Encoding::Strings => {
                let raw = unpack(bytes, &data).map_err(corrupt)?;
                let kind = string_kind(&entry.data_type).map_err(corrupt)?;
                let strings = CheckedStrings::parse(raw, rows, kind, 0).map_err(corrupt)?;
                strings.into_array(nulls).map_err(corrupt)
            }
            _ => decode_fixed(bytes, rows, entry, nulls).map_err(corrupt),
        }
    }

    fn nulls(
        &self,
        entry: &ColumnEntry,
        block: usize,
        rows: usize,
        checksum: u64,
    ) -> Result<Option<NullBuffer>> {
        let Some(start) = entry.nulls_offset else {
            return Ok(None);
        };
        let offset = start.saturating_add((block * BLOCK_ROWS / 8) as u64);
        let bytes = self.bytes(offset, rows.div_ceil(8))?;
        // At most 1 KiB: cheaper to check each time than to remember.
        if self.seal.checksum(offset, bytes) != checksum {
            return Err(self.corrupt(offset, Malformed("a checksum differs")));
        }
        Ok(Some(NullBuffer::new(BooleanBuffer::new(
            Buffer::from(bytes),
            0,
            rows,
        ))))
    }

    /// Makes the dictionary chunks of `codes` available.
    fn load_chunks<'c>(
        &self,
        column: usize,
        codes: &[u32],
        cache: &ChunkCache,
        cursor: &'c mut ColumnCursor,
    ) -> Result<&'c ChunkSet> {
        let entry = self.column(column)?;
        let kind = string_kind(&entry.data_type).map_err(|e| self.corrupt(0, e))?;
        let count = entry.chunk_count as usize;
        if cursor.chunks.is_none() {
            // A count that the file has no room for must not ask for memory.
            self.bytes(entry.chunks_offset, count.saturating_mul(CHUNK_ENTRY_BYTES))?;
        }
        let set = cursor
            .chunks
            .get_or_insert_with(|| ChunkSet::new(count, kind));
        if set.is_complete() {
            return Ok(set);
        }
        for &code in codes {
            let chunk = code as usize / CHUNK_ENTRIES;
            if set.is_loaded(chunk) {
                continue;
            }
            let key = ChunkKey {
                file: self.seal.file,
                column: column as u32,
                chunk: chunk as u32,
            };
            let strings = cache.get(key, || self.read_chunk(column, chunk, kind))?;
            set.load(strings)
                .map_err(|e| self.corrupt(entry.chunks_offset, e))?;
        }
        Ok(set)
    }

    fn read_chunk(&self, column: usize, chunk: usize, kind: StringKind) -> Result<CheckedStrings> {
        let ChunkEntry { data, entries } = self.chunk(column, chunk)?;
        let bytes = self.bytes(data.offset, data.stored as usize)?;
        let corrupt = |e| self.corrupt(data.offset, e);
        // Verified on every load: the cache in front remembers what has been loaded.
        if self.seal.checksum(data.offset, bytes) != data.checksum {
            return Err(corrupt(Malformed("a checksum differs")));
        }
        let raw = unpack(bytes, &data).map_err(corrupt)?;
        // What goes into the cache must not hold zeros of an unreadable page.
        self.intact(())?;
        CheckedStrings::parse(raw, entries as usize, kind, chunk as u32).map_err(corrupt)
    }
}

/// What the manifest would know of a segment: table, rows, checksum of the footer, column types.
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) fn segment_summary(file: &[u8]) -> Option<(TableId, u64, u64, Vec<DataType>)> {
    let trailer = file.get(file.len().checked_sub(TRAILER_BYTES)?..)?;
    let trailer = Trailer::decode(trailer).ok()?;
    let start = usize::try_from(trailer.footer_offset).ok()?;
    let bytes = file.get(start..start.checked_add(trailer.footer_length as usize)?)?;
    let footer = Footer::decode(bytes).ok()?;
    let types = footer.columns.into_iter().map(|c| c.data_type).collect();
    Some((footer.table, footer.rows, trailer.footer_checksum, types))
}

/// The footer and its offset, or what is wrong where.
fn read_footer(
    file: &[u8],
    seal: Seal,
    checksum: u64,
) -> std::result::Result<(Footer, u64), (u64, Malformed)> {
    let at = file.len().saturating_sub(TRAILER_BYTES);
    let trailer = Trailer::decode(file.get(at..).unwrap_or_default());
    let trailer = trailer.map_err(|e| (at as u64, e))?;
    let offset = trailer.footer_offset;
    let bytes = usize::try_from(offset)
        .ok()
        .and_then(|start| file.get(start..start.checked_add(trailer.footer_length as usize)?))
        .ok_or((at as u64, Malformed("the footer lies beyond the end")))?;
    // The manifest's copy of the checksum decides: another segment under this name is damage, too.
    if trailer.footer_checksum != checksum || seal.checksum(offset, bytes) != checksum {
        return Err((offset, Malformed("the checksum of the footer differs")));
    }
    Footer::decode(bytes)
        .map(|footer| (footer, offset))
        .map_err(|e| (offset, e))
}

fn string_kind(data_type: &DataType) -> std::result::Result<StringKind, Malformed> {
    match data_type {
        DataType::Utf8View => Ok(StringKind::Text),
        DataType::BinaryView => Ok(StringKind::Bytes),
        _ => Err(Malformed("strings in a column of another type")),
    }
}

fn unpack(bytes: &[u8], extent: &Extent) -> std::result::Result<Vec<u8>, Malformed> {
    let raw = match extent.codec {
        Codec::None => bytes.to_vec(),
        Codec::Zstd => zstd::bulk::decompress(bytes, extent.raw as usize)
            .map_err(|_| Malformed("zstd does not decompress"))?,
    };
    if raw.len() == extent.raw as usize {
        Ok(raw)
    } else {
        Err(Malformed("another raw length"))
    }
}

fn expect_codes(bytes: &[u8], width: u8, rows: usize) -> std::result::Result<(), Malformed> {
    let fits = bytes.len() == rows * usize::from(width);
    if fits {
        Ok(())
    } else {
        Err(Malformed("a block with another length"))
    }
}

fn decode_fixed(
    bytes: &[u8],
    rows: usize,
    entry: &ColumnEntry,
    nulls: Option<NullBuffer>,
) -> std::result::Result<ArrayRef, Malformed> {
    let data_type = &entry.data_type;
    if let Encoding::Plain = entry.encoding {
        return with_fixed_type!(
            data_type,
            T => decode_plain::<T>(bytes, rows, data_type, nulls),
            else Err(Malformed("an encoding that the type does not have"))
        );
    }
    let Encoding::Frame { width, base, scale } = entry.encoding else {
        return Err(Malformed("an encoding that the type does not have"));
    };
    expect_codes(bytes, width, rows)?;
    match data_type {
        DataType::Boolean => {
            let values = map_codes(bytes, width, rows, |c| base.wrapping_add(c.into()) & 1 == 1);
            Ok(Arc::new(BooleanArray::new(
                BooleanBuffer::from(values),
                nulls,
            )))
        }
        DataType::Decimal128(..) => {
            let values = decode_decimals(bytes, width, rows, (base, scale));
            Ok(primitive::<Decimal128Type>(values, data_type, nulls))
        }
        other => with_integer_type!(other, T => {
            let values = decode_integers::<T>(bytes, width, rows, (base, scale));
            Ok(primitive::<T>(values, data_type, nulls))
        }, else Err(Malformed("an encoding that the type does not have"))),
    }
}

fn decode_plain<T: FixedType>(
    bytes: &[u8],
    rows: usize,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> std::result::Result<ArrayRef, Malformed> {
    if bytes.len() != rows * T::WIDTH {
        return Err(Malformed("a block with another length"));
    }
    let values = bytes.chunks_exact(T::WIDTH).map(T::from_le).collect();
    Ok(primitive::<T>(values, data_type, nulls))
}

fn primitive<T: FixedType>(
    values: Vec<T::Native>,
    data_type: &DataType,
    nulls: Option<NullBuffer>,
) -> ArrayRef {
    let array = PrimitiveArray::<T>::new(ScalarBuffer::from(values), nulls);
    Arc::new(array.with_data_type(data_type.clone()))
}
