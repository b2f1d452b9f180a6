//! Reads a segment: metadata at open, blocks on demand, each verified before its first use. What is
//! returned never points into the mapped file.

use std::path::{Path, PathBuf};

use arrow::array::{ArrayRef, new_null_array};
use arrow::buffer::{BooleanBuffer, Buffer, NullBuffer};
use arrow::datatypes::{DataType, SchemaRef};

use xxhash_rust::xxh3::xxh3_64_with_seed;

use super::arrays::{self, Numbers};
use super::codes::CodeBlock;
use super::dictionary::ChunkCache;
use super::integers::Frame;
use super::layout::{
    BLOCK_ENTRY_BYTES, BLOCK_ROWS, BlockEntry, CHUNK_ENTRIES, CHUNK_ENTRY_BYTES, ChunkEntry, Codec,
    ColumnEntry, Content, Encoding, Extent, Footer, TRAILER_BYTES, Trailer,
};
use super::selection::Selection;
use super::string_views::{CheckedStrings, ChunkSet, StringKind};
use super::verified::Verified;
use super::zone::Zone;
use crate::format::{FileHeader, FileId, FileKind, Malformed, Seal};
use crate::fs::{FileSystem, Mapping};
use crate::manifest::SegmentRecord;
use crate::placement::Placement;
use crate::{Error, Result, TableId};

/// An open segment file.
#[derive(Debug)]
pub(crate) struct SegmentReader {
    path: PathBuf,
    map: Mapping,
    seal: Seal,
    footer: Footer,
    /// Per column: its index, its chunk entries, its blocks, its chunks of integers, the hashes of its chunks.
    verified: Vec<Verified>,
}

/// Parts of a column in its `Verified` set before the blocks.
const INDEX_PART: usize = 0;
const CHUNKS_PART: usize = 1;
pub(super) const BLOCK_PARTS: usize = 2;

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
            .map(|c| Verified::none_of(BLOCK_PARTS + blocks + 2 * c.chunk_count()))
            .collect();
        Ok(Self {
            path: path.to_path_buf(),
            map,
            seal,
            footer,
            verified,
        })
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn columns(&self) -> usize {
        self.footer.columns.len()
    }

    /// Whether bytes at an offset have a checksum.
    pub(super) fn is_sealed(&self, offset: u64, bytes: &[u8], checksum: u64) -> bool {
        self.seal.checksum(offset, bytes) == checksum
    }

    /// Nothing counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        self.verified.iter().for_each(Verified::clear);
    }

    pub(crate) fn rows(&self) -> usize {
        self.footer.rows as usize
    }

    /// The file's number in its database.
    pub(crate) fn file(&self) -> FileId {
        self.seal.file
    }

    /// The hash of a string as dictionaries of this database have it.
    pub(crate) fn string_hash(&self, string: &[u8]) -> u64 {
        xxh3_64_with_seed(string, self.seal.database)
    }

    /// What `string_hash` starts from, the same in all segments of a database.
    pub(crate) fn string_seed(&self) -> u64 {
        self.seal.database
    }

    /// The part of a column's `Verified` set that stands for the hashes of a chunk.
    pub(super) fn hashes_part(&self, column: usize, chunk: usize) -> usize {
        let chunks = self
            .footer
            .columns
            .get(column)
            .map_or(0, ColumnEntry::chunk_count);
        BLOCK_PARTS + self.blocks() + chunks + chunk
    }

    pub(crate) fn blocks(&self) -> usize {
        self.rows().div_ceil(BLOCK_ROWS)
    }

    /// Where the rows belong.
    pub(crate) fn placement(&self) -> Placement {
        self.footer.placement
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
    pub(super) fn intact<T>(&self, read: T) -> Result<T> {
        if self.map.is_intact() {
            return Ok(read);
        }
        Err(Error::corruption(
            &self.path,
            0,
            "a page cannot be read: a bad disk or a cut file",
        ))
    }

    pub(super) fn corrupt(&self, offset: u64, what: Malformed) -> Error {
        Error::corruption(&self.path, offset, what.0)
    }

    pub(super) fn column(&self, column: usize) -> Result<&ColumnEntry> {
        self.footer
            .columns
            .get(column)
            .ok_or_else(|| Error::Invalid("a column that is not there".into()))
    }

    /// Bytes of the file; an offset beyond its end is damage.
    pub(super) fn bytes(&self, offset: u64, length: usize) -> Result<&[u8]> {
        usize::try_from(offset)
            .ok()
            .and_then(|start| self.map.get(start..start.checked_add(length)?))
            .ok_or_else(|| self.corrupt(offset, Malformed("a stretch beyond the end of the file")))
    }

    /// Bytes of the file that must have a checksum, unless `part` of the column has been found good.
    pub(super) fn checked(
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
                return Err(self.differs((column, part), offset));
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

    pub(super) fn chunk(&self, column: usize, chunk: usize) -> Result<ChunkEntry> {
        let entry = self.column(column)?;
        let length = entry.chunk_count().saturating_mul(CHUNK_ENTRY_BYTES);
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
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn read(
        &self,
        column: usize,
        block: usize,
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        let all = Selection::Range(0..self.block_rows(block));
        self.read_rows(column, (block, &all), cache, cursor)
    }

    /// Some rows of one block of one column; only their strings are touched.
    pub(crate) fn read_rows(
        &self,
        column: usize,
        rows: (usize, &Selection),
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        // After decoding: nothing in the array points into the file.
        self.decode(column, rows, cache, cursor)
            .and_then(|array| self.intact(array))
    }

    fn decode(
        &self,
        column: usize,
        (block, selection): (usize, &Selection),
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        let entry = self.column(column)?;
        if entry.encoding == Encoding::AllNull {
            return Ok(new_null_array(&entry.data_type, selection.len()));
        }
        let info = self.block(column, block)?;
        let corrupt = |e| self.corrupt(info.data.offset, e);
        let Some(codes) = self.code_block_of(column, block, &info)? else {
            return selection.keep_rows(self.decode_values(column, block, &info)?);
        };
        if let Encoding::Frame { base, scale } = entry.encoding {
            let frame = Frame::new(base, scale, entry.null_code);
            return arrays::of_frame(&codes, selection, frame, entry).map_err(corrupt);
        }
        let mut rows: Vec<u32> = Vec::new();
        codes.rows(&mut rows).map_err(corrupt)?;
        let rows = selection.keep(rows);
        let nulls = arrays::nulls_of(&rows, entry.null_code);
        let entries = arrays::entries_of(rows, entry.null_code);
        if let Encoding::Numbers { base } = entry.encoding {
            let distances = self.numbers(column)?.gather(&entries).map_err(corrupt)?;
            let frame = Frame::new(base, 1, false);
            return arrays::of_codes(&distances, frame, &entry.data_type, nulls).map_err(corrupt);
        }
        let chunks = self.load_chunks(column, &entries, cache, cursor)?;
        chunks
            .gather::<CHUNK_ENTRIES>(&entries, nulls)
            .map_err(corrupt)
    }

    /// A block that is not codes.
    fn decode_values(&self, column: usize, block: usize, info: &BlockEntry) -> Result<ArrayRef> {
        let entry = self.column(column)?;
        let rows = self.block_rows(block);
        let nulls = self.nulls(entry, block, rows, info.nulls_checksum)?;
        let (data, corrupt) = (info.data, |e| self.corrupt(info.data.offset, e));
        let part = (column, BLOCK_PARTS + block);
        let bytes = self.checked(part, data.offset, data.stored as usize, data.checksum)?;
        let raw = unpack(bytes, &data).map_err(corrupt)?;
        if entry.encoding == Encoding::Strings {
            let kind = string_kind(&entry.data_type).map_err(corrupt)?;
            let strings = CheckedStrings::parse(raw, rows, kind, 0).map_err(corrupt)?;
            return strings.into_array(nulls).map_err(corrupt);
        }
        arrays::of_plain(&raw, rows, &entry.data_type, nulls).map_err(corrupt)
    }

    /// Rows of a block.
    pub(crate) fn block_rows(&self, block: usize) -> usize {
        BLOCK_ROWS.min(self.rows().saturating_sub(block * BLOCK_ROWS))
    }

    /// The codes of a block; `None` when it holds values. What is decoded from it counts only once
    /// `intact` has been asked.
    pub(super) fn code_block_of(
        &self,
        column: usize,
        block: usize,
        info: &BlockEntry,
    ) -> Result<Option<CodeBlock<'_>>> {
        let entry = self.column(column)?;
        let corrupt = |e| self.corrupt(info.data.offset, e);
        let shape = match info.content {
            Content::Codes(shape, _) if entry.encoding.has_codes() => shape,
            Content::Values(_) if !entry.encoding.has_codes() => return Ok(None),
            _ => return Err(corrupt(Malformed("a block of another encoding"))),
        };
        if shape.high > entry.high {
            return Err(corrupt(Malformed("a code beyond the column's greatest")));
        }
        let data = info.data;
        let part = (column, BLOCK_PARTS + block);
        let bytes = self.checked(part, data.offset, data.stored as usize, data.checksum)?;
        CodeBlock::new(shape, self.block_rows(block), bytes)
            .map(Some)
            .map_err(corrupt)
    }

    /// The entries of a dictionary of integers, verified.
    pub(super) fn numbers(&self, column: usize) -> Result<Numbers<'_>> {
        let entry = self.column(column)?;
        let mut chunks = Vec::with_capacity(entry.chunk_count());
        for number in 0..entry.chunk_count() {
            let chunk = self.chunk(column, number)?;
            let part = (column, BLOCK_PARTS + self.blocks() + number);
            let (offset, length) = (chunk.data.offset, chunk.data.stored as usize);
            let bytes = self.checked(part, offset, length, chunk.data.checksum)?;
            chunks.push(bytes.as_chunks().0);
        }
        Ok(Numbers::new(chunks))
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
    pub(super) fn load_chunks<'c>(
        &self,
        column: usize,
        codes: &[u32],
        cache: &ChunkCache,
        cursor: &'c mut ColumnCursor,
    ) -> Result<&'c ChunkSet> {
        let entry = self.column(column)?;
        let kind = string_kind(&entry.data_type).map_err(|e| self.corrupt(0, e))?;
        let count = entry.chunk_count();
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
            let strings = self.strings_chunk(column, chunk, cache)?;
            set.load(strings)
                .map_err(|e| self.corrupt(entry.chunks_offset, e))?;
        }
        Ok(set)
    }

    pub(super) fn read_chunk(&self, column: usize, chunk: usize) -> Result<CheckedStrings> {
        let kind = string_kind(&self.column(column)?.data_type).map_err(|e| self.corrupt(0, e))?;
        let ChunkEntry { data, entries, .. } = self.chunk(column, chunk)?;
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
