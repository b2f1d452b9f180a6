//! A piece of a scan: reads blocks and memtable chunks one after the other.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, RecordBatch, UInt64Array};
use arrow::datatypes::SchemaRef;
use roaring::RoaringBitmap;

use super::code_set::CodeSet;
use super::filter::{FilterBuffers, select};
use crate::Result;
use crate::rows::make_batch;
use crate::segment::{BLOCK_ROWS, ChunkCache, ColumnCursor, Selection};
use crate::selection::position;
use crate::view::SegmentView;

/// Which rows of a home count.
#[derive(Debug, Clone)]
pub(super) enum Filter {
    Without(Arc<RoaringBitmap>),
    Only(Arc<RoaringBitmap>),
}

impl Filter {
    /// How many of the rows in a range of the home count.
    pub(super) fn count(&self, range: Range<usize>) -> usize {
        let listed = |rows: &RoaringBitmap| {
            rows.range_cardinality(range.start as u32..range.end as u32) as usize
        };
        match self {
            Self::Without(rows) => range.len() - listed(rows),
            Self::Only(rows) => listed(rows),
        }
    }

    /// Those of some rows of a block, which begins at row `first` of the home, that count.
    pub(super) fn keep(&self, first: usize, selection: Selection) -> Selection {
        let (rows, listed) = match self {
            Self::Without(rows) => (rows, false),
            Self::Only(rows) => (rows, true),
        };
        let (from, to) = selection.bounds();
        let mut counts = vec![!listed; to - from];
        for row in rows.range((first + from) as u32..(first + to) as u32) {
            if let Some(counts) = counts.get_mut(row as usize - first - from) {
                *counts = listed;
            }
        }
        let counts = |row: usize| counts.get(row - from).copied().unwrap_or(false);
        selection.filter(counts)
    }
}

/// At most one block's worth of rows.
#[derive(Debug)]
pub(super) struct Piece {
    pub(super) source: Source,
    /// Which home of the snapshot, and the numbers of the rows in it.
    pub(super) home: usize,
    pub(super) range: Range<usize>,
    /// Given when not all rows of the range count.
    pub(super) filter: Option<Filter>,
    /// Rows that count.
    pub(super) rows: usize,
}

#[derive(Debug)]
pub(super) enum Source {
    /// A block, and the tests its rows have to pass.
    Block(SegmentView, usize, Arc<[(usize, CodeSet)]>),
    /// Part of a memtable's chunk, from a row on.
    Chunk(Arc<RecordBatch>, usize),
}

/// A piece of a scan; an iterator of record batches (at most 8,192 rows each). After an error it ends.
#[derive(Debug)]
pub struct Morsel {
    pieces: std::vec::IntoIter<Piece>,
    columns: Vec<usize>,
    schema: SchemaRef,
    cache: Arc<ChunkCache>,
    /// Loaded strings per requested column, of the segment read last.
    cursors: Vec<ColumnCursor>,
    segment: Option<SegmentView>,
    /// Whether the last column of the batches is the rows' positions.
    positions: bool,
    buffers: FilterBuffers,
}

impl Morsel {
    pub(super) fn new(
        pieces: Vec<Piece>,
        columns: Vec<usize>,
        schema: SchemaRef,
        cache: Arc<ChunkCache>,
    ) -> Self {
        let pieces = pieces.into_iter();
        Self {
            pieces,
            positions: schema.fields().len() > columns.len(),
            columns,
            schema,
            cache,
            cursors: Vec::new(),
            segment: None,
            buffers: FilterBuffers::default(),
        }
    }

    /// Rows the morsel still has, before tests of single rows.
    pub fn rows(&self) -> usize {
        self.pieces.as_slice().iter().map(|piece| piece.rows).sum()
    }

    /// `None` when no row of the piece passes its tests.
    fn read(&mut self, piece: &Piece) -> Result<Option<RecordBatch>> {
        // Rows are numbered from here on: from the beginning of the block, or of the piece.
        let first = match &piece.source {
            Source::Block(_, block, _) => block * BLOCK_ROWS,
            Source::Chunk(..) => piece.range.start,
        };
        let rows = piece.range.start - first..piece.range.end - first;
        let mut selection = match &piece.source {
            Source::Block(segment, block, tests) => {
                select(segment.reader()?, (*block, rows), tests, &mut self.buffers)?
            }
            Source::Chunk(..) => Selection::Range(rows),
        };
        if let Some(filter) = &piece.filter {
            selection = filter.keep(first, selection);
        }
        if selection.len() == 0 {
            return Ok(None);
        }
        let mut columns = self.read_columns(piece, &selection)?;
        if self.positions {
            let of_row = |row| position(piece.home, first + row);
            let positions = selection.rows().map(of_row);
            columns.push(Arc::new(UInt64Array::from_iter_values(positions)));
        }
        make_batch(&self.schema, columns, selection.len()).map(Some)
    }

    /// The requested columns of some rows of a piece.
    fn read_columns(&mut self, piece: &Piece, rows: &Selection) -> Result<Vec<ArrayRef>> {
        match &piece.source {
            Source::Chunk(chunk, from) => {
                let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
                let columns = columns.map(|c| c.slice(*from, piece.range.len()));
                columns.map(|column| rows.keep_rows(column)).collect()
            }
            Source::Block(segment, block, _) => {
                self.enter(segment);
                let columns = self.columns.iter().zip(&mut self.cursors);
                let at = (*block, rows);
                columns
                    .map(|(&column, cursor)| segment.read_rows(column, at, &self.cache, cursor))
                    .collect()
            }
        }
    }

    /// Forgets the strings of the segment before.
    fn enter(&mut self, segment: &SegmentView) {
        if !self.segment.as_ref().is_some_and(|s| s.is(segment)) {
            let columns = self.columns.iter();
            self.cursors = columns.map(|_| ColumnCursor::default()).collect();
            self.segment = Some(segment.clone());
        }
    }
}

impl Iterator for Morsel {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let batch = loop {
            let piece = self.pieces.next()?;
            if let Some(batch) = self.read(&piece).transpose() {
                break batch;
            }
        };
        if batch.is_err() {
            self.pieces = Vec::new().into_iter();
        }
        Some(batch)
    }
}
