//! Writes a segment: encoded columns one after the other, then what is needed to find them. It neither
//! sorts nor publishes: flush and merge do.

use std::path::{Path, PathBuf};

#[cfg(any(test, feature = "fuzzing"))]
use arrow::array::Array;
use arrow::buffer::BooleanBuffer;

use super::encode::{EncodedColumn, Stored};
use super::layout::{
    BLOCK_ROWS, BlockEntry, CHUNK_ENTRIES, ChunkEntry, ColumnEntry, Extent, Footer,
    SECTION_ALIGNMENT, Trailer,
};
use super::sink::Sink;
use crate::format::{ByteWriter, FileHeader, FileId, FileKind, Seal};
use crate::fs::FileSystem;
use crate::manifest::SegmentRecord;
use crate::placement::Placement;
use crate::{Error, Result, TableId};

/// Name of a segment file directly below the data directory.
pub(crate) fn segment_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(format!("{:016x}.seg", file.0))
}

#[derive(Debug)]
pub(crate) struct SegmentWriter {
    sink: Sink,
    seal: Seal,
    footer: Footer,
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

    /// Encodes and appends the next column; every column has the same rows in the same order.
    #[cfg(any(test, feature = "fuzzing"))]
    pub(crate) fn column(&mut self, array: &dyn Array) -> Result<()> {
        self.append(EncodedColumn::of_array(array, self.seal.database))
    }

    /// Appends the next column.
    pub(crate) fn append(&mut self, column: EncodedColumn) -> Result<()> {
        let rows = u64::from(column.zone.rows);
        debug_assert!(self.footer.columns.is_empty() || self.footer.rows == rows);
        self.footer.rows = rows;
        self.sink.align(SECTION_ALIGNMENT);
        let start = self.sink.position();
        let mut bytes = column.bytes.as_slice();
        let mut blocks = Vec::with_capacity(column.blocks.len());
        for &(stored, content, nulls) in &column.blocks {
            blocks.push(BlockEntry {
                data: self.stretch(&mut bytes, stored)?,
                nulls_checksum: 0,
                nulls,
                content,
            });
        }
        let mut chunks = Vec::with_capacity(column.chunks.len());
        for &(stored, entries) in &column.chunks {
            self.sink.align(8);
            chunks.push(ChunkEntry {
                data: self.stretch(&mut bytes, stored)?,
                entries,
                hashes_checksum: 0,
            });
        }
        self.finish_column(&column, start, (blocks, chunks))
    }

    /// Writes the next of the stored bytes.
    fn stretch(&mut self, bytes: &mut &[u8], stored: Stored) -> Result<Extent> {
        let parts = bytes.split_at_checked(stored.length as usize);
        let (here, rest) = parts.unwrap_or_default();
        *bytes = rest;
        let offset = self.sink.position();
        self.sink.put(here)?;
        Ok(Extent {
            offset,
            stored: stored.length,
            raw: stored.raw,
            checksum: self.seal.checksum(offset, here),
            codec: stored.codec,
        })
    }

    /// Writes the NULL bitmap, the hashes, the block entries and the chunk entries.
    fn finish_column(
        &mut self,
        column: &EncodedColumn,
        start: u64,
        (mut blocks, mut chunks): (Vec<BlockEntry>, Vec<ChunkEntry>),
    ) -> Result<()> {
        let nulls_offset = match &column.valid {
            Some(valid) => Some(self.null_bitmap(&mut blocks, valid)?),
            None => None,
        };
        let hashes_offset = self.hashes(&mut chunks, &column.hashes)?;
        let mut index = Vec::new();
        blocks.iter().for_each(|block| block.encode(&mut index));
        let (index_offset, index_checksum) = self.section(&index)?;
        let mut entries = Vec::new();
        chunks.iter().for_each(|chunk| chunk.encode(&mut entries));
        let (chunks_offset, chunks_checksum) = self.section(&entries)?;
        self.footer.columns.push(ColumnEntry {
            data_type: column.data_type.clone(),
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
            dictionary_entries: chunks.iter().map(|c| c.entries).sum(),
            stored_bytes: self.sink.position() - start,
            zone: column.zone,
        });
        self.footer.raw_bytes += column.raw_bytes;
        Ok(())
    }

    fn hashes(&mut self, chunks: &mut [ChunkEntry], hashes: &[u64]) -> Result<u64> {
        self.sink.align(8);
        let start = self.sink.position();
        for (chunk, hashes) in chunks.iter_mut().zip(hashes.chunks(CHUNK_ENTRIES)) {
            let mut bytes = Vec::with_capacity(hashes.len() * 8);
            hashes.iter().for_each(|&hash| bytes.put_u64(hash));
            chunk.hashes_checksum = self.seal.checksum(self.sink.position(), &bytes);
            self.sink.put(&bytes)?;
        }
        Ok(start)
    }

    fn null_bitmap(&mut self, blocks: &mut [BlockEntry], valid: &BooleanBuffer) -> Result<u64> {
        self.sink.align(SECTION_ALIGNMENT);
        let start = self.sink.position();
        for (number, block) in blocks.iter_mut().enumerate() {
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
