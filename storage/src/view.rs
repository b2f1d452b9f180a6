//! A segment as a version of its table sees it: with the columns that the table has now. This is the way to
//! read segments; their own column numbers mean something only inside them.

use std::ops::Deref;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use crate::Result;
use crate::history::{Conversion, Source, repeat};
use crate::segment::{
    BLOCK_ROWS, Bounds, ChunkCache, ColumnCursor, PublishedSegment, Selection, Zone,
};

#[derive(Debug, Clone)]
pub(crate) struct SegmentView {
    pub(crate) segment: Arc<PublishedSegment>,
    /// Given when the table has changed since the segment was written.
    conversion: Option<Arc<Conversion>>,
}

impl Deref for SegmentView {
    type Target = PublishedSegment;

    fn deref(&self) -> &PublishedSegment {
        &self.segment
    }
}

impl SegmentView {
    pub(crate) fn new(segment: Arc<PublishedSegment>, conversion: Option<Arc<Conversion>>) -> Self {
        Self {
            segment,
            conversion,
        }
    }

    /// Whether both are views of the same segment.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.segment, &other.segment)
    }

    /// Where a column of the table comes from.
    pub(crate) fn source(&self, column: usize) -> Source {
        match self.conversion.as_ref().map(|c| c.source(column)) {
            None => Source::Stored(column),
            Some(Some(source)) => source.clone(),
            // No such column: the segment says so.
            Some(None) => Source::Stored(usize::MAX),
        }
    }

    /// The rows of one block of a column of the table.
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

    /// Some rows of one block of a column of the table.
    pub(crate) fn read_rows(
        &self,
        column: usize,
        rows: (usize, &Selection),
        cache: &ChunkCache,
        cursor: &mut ColumnCursor,
    ) -> Result<ArrayRef> {
        let reader = self.reader()?;
        let source = self.source(column);
        match &source {
            Source::Stored(at) | Source::Widened(at, _) => {
                source.widened(reader.read_rows(*at, rows, cache, cursor)?)
            }
            Source::Constant(value) => repeat(value, rows.1.len()),
        }
    }

    /// What codes of a column of the table stand for, one row per code. In a column without codes of its
    /// own, code 0 stands for the value of all rows.
    pub(crate) fn code_values(
        &self,
        column: usize,
        codes: &[u64],
        cache: &ChunkCache,
    ) -> Result<ArrayRef> {
        let reader = self.reader()?;
        let source = self.source(column);
        match &source {
            Source::Stored(at) | Source::Widened(at, _) => {
                source.widened(reader.code_values(*at, codes, cache)?)
            }
            Source::Constant(value) => repeat(value, codes.len()),
        }
    }

    /// The segment's own number of a column of the table; `None` when all its rows have one value.
    pub(crate) fn stored(&self, column: usize) -> Option<usize> {
        match self.source(column) {
            Source::Stored(at) | Source::Widened(at, _) => Some(at),
            Source::Constant(_) => None,
        }
    }

    fn block_rows(&self, block: usize) -> usize {
        let rows = self.record.rows as usize;
        BLOCK_ROWS.min(rows.saturating_sub(block * BLOCK_ROWS))
    }

    /// What is known of a column of the table in all rows.
    pub(crate) fn zone(&self, column: usize) -> Result<Option<Zone>> {
        let reader = self.reader()?;
        Ok(match self.source(column) {
            Source::Stored(at) | Source::Widened(at, _) => reader.zone(at),
            Source::Constant(value) => Some(constant_zone(&value, self.record.rows as usize)),
        })
    }

    /// What is known of a column of the table in one block.
    pub(crate) fn block_zone(&self, column: usize, block: usize) -> Result<Zone> {
        let reader = self.reader()?;
        match self.source(column) {
            Source::Stored(at) | Source::Widened(at, _) => reader.block_zone(at, block),
            Source::Constant(value) => Ok(constant_zone(&value, self.block_rows(block))),
        }
    }

    /// Bytes of a column of the table in the file.
    pub(crate) fn column_bytes(&self, column: usize) -> u64 {
        match (self.reader(), self.source(column)) {
            (Ok(reader), Source::Stored(at) | Source::Widened(at, _)) => reader.column_bytes(at),
            _ => 0,
        }
    }
}

fn constant_zone(value: &ArrayRef, rows: usize) -> Zone {
    let rows = rows as u32;
    Zone {
        rows,
        nulls: if value.null_count() > 0 { rows } else { 0 },
        bounds: Bounds::Unknown,
    }
}
