//! A merge: the rows of several segments of one table become one larger segment, or a few.

use std::sync::Arc;

use arrow::array::ArrayRef;
use roaring::RoaringBitmap;

use super::Shared;
use super::segments::{RowSource, Strings, Written};
use crate::history::{History, Source};
use crate::placement::Placement;
use crate::segment::{ChunkCache, ColumnCursor, ColumnKind};
use crate::version::LiveSegment;
use crate::{Result, TableMeta};

#[derive(Debug)]
pub(crate) struct MergeJob {
    pub(super) meta: Arc<TableMeta>,
    pub(super) history: Arc<History>,
    /// As they were when the job was queued: rows deleted since are written, too.
    pub(super) inputs: Vec<LiveSegment>,
}

struct Inputs<'a> {
    segments: &'a [LiveSegment],
    /// Of the table as it is now.
    shards: u32,
    /// Its own, so that a merge does not push the dictionaries of queries out of theirs.
    cache: ChunkCache,
}

/// Where the rows of a segment of a table with so many shards belong; anywhere, when it is damaged.
pub(super) fn placement_of(segment: &LiveSegment, shards: u32) -> Placement {
    let reader = segment.reader();
    reader.map_or(Placement::Mixed, |reader| reader.placement().among(shards))
}

impl RowSource for Inputs<'_> {
    fn rows(&self) -> usize {
        self.segments.iter().map(|s| s.record.rows as usize).sum()
    }

    fn raw_bytes(&self) -> u64 {
        self.segments.iter().map(|s| s.record.raw_bytes).sum()
    }

    fn is_new(&self) -> bool {
        false
    }

    fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        let parts = self.segments.iter().map(|s| self.blocks(s, column));
        Ok(parts.collect::<Result<Vec<_>>>()?.concat())
    }

    fn strings(&self, column: usize) -> Result<Vec<Strings>> {
        let mut parts = Vec::new();
        for segment in self.segments {
            match self.codes(segment, column)? {
                Some(codes) => parts.push(codes),
                None => parts.extend(self.blocks(segment, column)?.into_iter().map(Strings::Rows)),
            }
        }
        Ok(parts)
    }

    fn placement(&self) -> Placement {
        let place = |segment| placement_of(segment, self.shards);
        let mut placements = self.segments.iter().map(place);
        let first = placements.next().unwrap_or(Placement::Mixed);
        if placements.all(|placement| placement == first) {
            first
        } else {
            Placement::Mixed
        }
    }

    fn deleted(&self) -> RoaringBitmap {
        let (mut all, mut first) = (RoaringBitmap::new(), 0);
        for segment in self.segments {
            all.extend(segment.deleted.iter().map(|row| first + row));
            first += segment.record.rows as u32;
        }
        all
    }
}

impl Inputs<'_> {
    /// A column of a segment, block by block.
    fn blocks(&self, segment: &LiveSegment, column: usize) -> Result<Vec<ArrayRef>> {
        let mut cursor = ColumnCursor::default();
        let blocks = 0..segment.reader()?.blocks();
        let read = |block| segment.read(column, block, &self.cache, &mut cursor);
        blocks.map(read).collect()
    }

    /// A column of strings by its codes; `None` when the segment has no dictionary of it.
    fn codes(&self, segment: &LiveSegment, column: usize) -> Result<Option<Strings>> {
        let reader = segment.reader()?;
        let Source::Stored(column) = segment.source(column) else {
            return Ok(None);
        };
        let Some(info) = reader.codes_info(column)? else {
            return Ok(None);
        };
        if !matches!(info.kind, ColumnKind::Dictionary) {
            return Ok(None);
        }
        let mut codes = Vec::with_capacity(reader.rows());
        let mut block_codes: Vec<u32> = Vec::new();
        for block in 0..reader.blocks() {
            reader.codes(column, block, &mut block_codes)?;
            codes.extend_from_slice(&block_codes);
        }
        let chunks = 0..reader.dictionary_chunks(column)?;
        let entries = chunks.map(|chunk| reader.strings_chunk(column, chunk, &self.cache));
        let entries = entries.collect::<Result<_>>()?;
        let mut hashes = Vec::new();
        reader.hashes(column, &mut hashes)?;
        Ok(Some(Strings::Codes {
            codes,
            null_code: info.null_code,
            entries,
            hashes,
        }))
    }
}

impl MergeJob {
    pub(super) fn run(&self, shared: &Shared) -> Result<Written> {
        let inputs = Inputs {
            segments: &self.inputs,
            shards: shared.options.shards_of(&self.meta.spec),
            cache: ChunkCache::new(16 << 20),
        };
        shared.write_segments((&self.meta, &self.history), &inputs, 1)
    }
}
