//! A piece of a scan: reads blocks and memtable chunks one after the other.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, BooleanBufferBuilder, RecordBatch, UInt64Array};
use arrow::compute;
use arrow::datatypes::SchemaRef;
use roaring::RoaringBitmap;

use crate::rows::make_batch;
use crate::segment::{ChunkCache, ColumnCursor};
use crate::selection::position;
use crate::view::SegmentView;
use crate::{Error, Result};

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

    /// A bit for every row of the range.
    fn mask(&self, range: Range<usize>) -> BooleanArray {
        let (rows, listed) = match self {
            Self::Without(rows) => (rows, false),
            Self::Only(rows) => (rows, true),
        };
        let mut mask = BooleanBufferBuilder::new(range.len());
        mask.append_n(range.len(), !listed);
        for row in rows.range(range.start as u32..range.end as u32) {
            mask.set_bit(row as usize - range.start, listed);
        }
        BooleanArray::new(mask.finish(), None)
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
    Block(SegmentView, usize),
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
        }
    }

    /// Rows the morsel still has.
    pub fn rows(&self) -> usize {
        self.pieces.as_slice().iter().map(|piece| piece.rows).sum()
    }

    fn read(&mut self, piece: &Piece) -> Result<RecordBatch> {
        let mut columns = self.read_columns(piece)?;
        if self.positions {
            let first = position(piece.home, piece.range.start);
            let positions = first..first + piece.range.len() as u64;
            columns.push(Arc::new(UInt64Array::from_iter_values(positions)));
        }
        if let Some(filter) = &piece.filter {
            let mask = filter.mask(piece.range.clone());
            for column in &mut columns {
                *column =
                    compute::filter(column, &mask).map_err(|e| Error::Invalid(e.to_string()))?;
            }
        }
        make_batch(&self.schema, columns, piece.rows)
    }

    /// The requested columns of all rows of a piece.
    fn read_columns(&mut self, piece: &Piece) -> Result<Vec<ArrayRef>> {
        match &piece.source {
            Source::Chunk(chunk, from) => {
                let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
                Ok(columns.map(|c| c.slice(*from, piece.range.len())).collect())
            }
            Source::Block(segment, block) => {
                self.enter(segment);
                let columns = self.columns.iter().zip(&mut self.cursors);
                columns
                    .map(|(&column, cursor)| segment.read(column, *block, &self.cache, cursor))
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
        let piece = self.pieces.next()?;
        let batch = self.read(&piece);
        if batch.is_err() {
            self.pieces = Vec::new().into_iter();
        }
        Some(batch)
    }
}
