//! Verifies the checksums of a whole segment without decoding it. That the values are those that were
//! written is what checksums say; whether they make sense is for `check`.

use roaring::RoaringBitmap;

use super::layout::{BLOCK_ROWS, CHUNK_ENTRIES, Encoding, Extent};
use super::reader::{BLOCK_PARTS, SegmentReader};
use crate::{Error, Result};

/// What is wrong with a segment.
#[derive(Debug, Clone)]
pub(crate) struct Damage {
    /// The first thing that was found.
    pub(crate) error: Error,
    /// Rows some column of which cannot be read.
    pub(crate) rows: u64,
}

/// Damage found so far.
#[derive(Default)]
struct Found {
    first: Option<Error>,
    blocks: RoaringBitmap,
}

impl Found {
    fn note<T>(&mut self, blocks: std::ops::Range<usize>, result: Result<T>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.first.get_or_insert(error);
                self.blocks
                    .insert_range(blocks.start as u32..blocks.end as u32);
                None
            }
        }
    }
}

impl SegmentReader {
    /// Compares every stretch that has a checksum with it; `None` when all is well. Meant for a reader
    /// that has just been opened: what an older one has found good it does not look at.
    pub(crate) fn damage(&self) -> Option<Damage> {
        let mut found = Found::default();
        for column in 0..self.columns() {
            self.scrub_column(column, &mut found);
        }
        found.note(0..self.blocks(), self.intact(()));
        let rows = found
            .blocks
            .iter()
            .map(|block| self.block_rows(block as usize) as u64);
        let rows = rows.sum();
        found.first.map(|error| Damage { error, rows })
    }

    fn scrub_column(&self, column: usize, found: &mut Found) {
        let all = 0..self.blocks();
        let Some(entry) = found.note(all.clone(), self.column(column)) else {
            return;
        };
        let has_blocks = entry.encoding != Encoding::AllNull;
        for block in all.clone().filter(|_| has_blocks) {
            let here = block..block + 1;
            let Some(info) = found.note(here.clone(), self.block(column, block)) else {
                continue;
            };
            found.note(
                here.clone(),
                self.scrub(&info.data, (column, BLOCK_PARTS + block)),
            );
            let nulls = self.scrub_nulls((column, block), info.nulls_checksum);
            found.note(here, nulls);
        }
        for chunk in 0..entry.chunk_count() {
            let result = self.scrub_chunk(column, chunk);
            found.note(all.clone(), result);
        }
    }

    fn scrub_nulls(&self, (column, block): (usize, usize), checksum: u64) -> Result<()> {
        let Some(start) = self.column(column)?.nulls_offset else {
            return Ok(());
        };
        let offset = start.saturating_add((block * BLOCK_ROWS / 8) as u64);
        let bytes = self.bytes(offset, self.block_rows(block).div_ceil(8))?;
        match self.is_sealed(offset, bytes, checksum) {
            true => Ok(()),
            false => Err(self.differs((column, BLOCK_PARTS + block), offset)),
        }
    }

    fn scrub_chunk(&self, column: usize, chunk: usize) -> Result<()> {
        let entry = self.column(column)?;
        let info = self.chunk(column, chunk)?;
        let part = (column, self.hashes_part(column, chunk));
        self.scrub(&info.data, part)?;
        if entry.encoding != Encoding::Dictionary {
            return Ok(());
        }
        let offset = entry
            .hashes_offset
            .saturating_add(8 * (chunk * CHUNK_ENTRIES) as u64);
        let bytes = self.bytes(offset, 8 * info.entries as usize)?;
        match self.is_sealed(offset, bytes, info.hashes_checksum) {
            true => Ok(()),
            false => Err(self.differs(part, offset)),
        }
    }

    fn scrub(&self, data: &Extent, part: (usize, usize)) -> Result<()> {
        let bytes = self.bytes(data.offset, data.stored as usize)?;
        match self.is_sealed(data.offset, bytes, data.checksum) {
            true => Ok(()),
            false => Err(self.differs(part, data.offset)),
        }
    }

    /// That a part of a column is damaged, and which rows that concerns.
    pub(super) fn differs(&self, (column, part): (usize, usize), offset: u64) -> Error {
        let block = part
            .checked_sub(BLOCK_PARTS)
            .filter(|&block| block < self.blocks());
        let rows = match block {
            Some(block) => {
                let first = block * BLOCK_ROWS;
                format!("rows {first} to {}", first + self.block_rows(block))
            }
            None => "any row".into(),
        };
        let total = self.rows();
        let what =
            format!("a checksum differs: column {column} of {rows} of {total} cannot be read");
        Error::corruption(self.path(), offset, what)
    }
}
