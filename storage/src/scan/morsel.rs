//! A piece of a scan: reads blocks and memtable chunks one after the other.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

use super::code_set::CodeSet;
use super::filter::{FilterBuffers, select};
use crate::Result;
use crate::rows::make_batch;
use crate::segment::{ChunkCache, ColumnCursor, PublishedSegment};

/// At most one block's worth of rows.
#[derive(Debug)]
pub(super) struct Piece {
    source: Source,
    rows: usize,
}

#[derive(Debug)]
enum Source {
    Block(BlockPiece),
    /// Part of a memtable's chunk, from a row on.
    Chunk(Arc<RecordBatch>, usize),
}

/// Rows of a block, and the tests they have to pass.
#[derive(Debug)]
struct BlockPiece {
    segment: Arc<PublishedSegment>,
    block: usize,
    rows: Range<usize>,
    tests: Arc<[(usize, CodeSet)]>,
}

impl Piece {
    pub(super) fn block(
        segment: &Arc<PublishedSegment>,
        block: usize,
        rows: Range<usize>,
        tests: &Arc<[(usize, CodeSet)]>,
    ) -> Self {
        Self {
            rows: rows.len(),
            source: Source::Block(BlockPiece {
                segment: Arc::clone(segment),
                block,
                rows,
                tests: Arc::clone(tests),
            }),
        }
    }

    pub(super) fn chunk(chunk: &Arc<RecordBatch>, from: usize, rows: usize) -> Self {
        Self {
            source: Source::Chunk(Arc::clone(chunk), from),
            rows,
        }
    }

    pub(super) fn rows(&self) -> usize {
        self.rows
    }
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
    segment: Option<Arc<PublishedSegment>>,
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
        self.pieces.as_slice().iter().map(Piece::rows).sum()
    }

    /// `None` when no row of the piece passes the tests.
    fn read(&mut self, piece: &Piece) -> Result<Option<RecordBatch>> {
        let (columns, rows) = match &piece.source {
            Source::Chunk(chunk, from) => {
                let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
                let columns = columns.map(|c| c.slice(*from, piece.rows));
                (columns.collect(), piece.rows)
            }
            Source::Block(piece) => {
                self.enter(&piece.segment);
                let reader = piece.segment.reader()?;
                let rows = (piece.block, piece.rows.clone());
                let selection = select(reader, rows, &piece.tests, &mut self.buffers)?;
                if selection.len() == 0 {
                    return Ok(None);
                }
                let columns = self.columns.iter().zip(&mut self.cursors);
                let at = (piece.block, &selection);
                let columns = columns
                    .map(|(&column, cursor)| reader.read_rows(column, at, &self.cache, cursor))
                    .collect::<Result<_>>()?;
                (columns, selection.len())
            }
        };
        make_batch(&self.schema, columns, rows).map(Some)
    }

    /// Forgets the strings of the segment before.
    fn enter(&mut self, segment: &Arc<PublishedSegment>) {
        if !self
            .segment
            .as_ref()
            .is_some_and(|s| Arc::ptr_eq(s, segment))
        {
            self.cursors = self
                .columns
                .iter()
                .map(|_| ColumnCursor::default())
                .collect();
            self.segment = Some(Arc::clone(segment));
        }
    }
}

impl Iterator for Morsel {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        // Empty ones are passed over; a caller that has given up is asked for between batches only.
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
