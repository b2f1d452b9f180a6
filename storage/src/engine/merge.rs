//! A merge: the rows of several segments of one table become one larger segment, or a few.

use std::sync::Arc;

use arrow::array::ArrayRef;
use roaring::RoaringBitmap;

use super::Shared;
use super::segments::{RowSource, Written};
use crate::history::History;
use crate::placement::Placement;
use crate::segment::{ChunkCache, ColumnCursor};
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
    /// Its own, so that a merge does not push the dictionaries of queries out of theirs.
    cache: ChunkCache,
}

/// Where the rows of a segment belong; anywhere, when it is damaged.
pub(super) fn placement_of(segment: &LiveSegment) -> Placement {
    let reader = segment.reader();
    reader.map_or(Placement::Mixed, |reader| reader.placement())
}

impl RowSource for Inputs<'_> {
    fn rows(&self) -> usize {
        self.segments.iter().map(|s| s.record.rows as usize).sum()
    }

    fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        let mut parts = Vec::new();
        for segment in self.segments {
            let reader = segment.reader()?;
            let mut cursor = ColumnCursor::default();
            for block in 0..reader.blocks() {
                parts.push(segment.read(column, block, &self.cache, &mut cursor)?);
            }
        }
        Ok(parts)
    }

    fn placement(&self) -> Placement {
        let mut placements = self.segments.iter().map(placement_of);
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

impl MergeJob {
    pub(super) fn run(&self, shared: &Shared) -> Result<Written> {
        let inputs = Inputs {
            segments: &self.inputs,
            cache: ChunkCache::new(16 << 20),
        };
        shared.write_segments(&self.meta, &self.history, &inputs)
    }
}
