//! A piece of a scan: reads blocks and memtable chunks one after the other.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;

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
    Block(Arc<PublishedSegment>, usize),
    /// Part of a memtable's chunk, from a row on.
    Chunk(Arc<RecordBatch>, usize),
}

impl Piece {
    pub(super) fn block(segment: &Arc<PublishedSegment>, block: usize, rows: usize) -> Self {
        Self {
            source: Source::Block(Arc::clone(segment), block),
            rows,
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
        }
    }

    /// Rows the morsel still has.
    pub fn rows(&self) -> usize {
        self.pieces.as_slice().iter().map(Piece::rows).sum()
    }

    fn read(&mut self, piece: &Piece) -> Result<RecordBatch> {
        let columns = match &piece.source {
            Source::Chunk(chunk, from) => {
                let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
                columns.map(|c| c.slice(*from, piece.rows)).collect()
            }
            Source::Block(segment, block) => {
                self.enter(segment);
                let reader = segment.reader()?;
                let columns = self.columns.iter().zip(&mut self.cursors);
                columns
                    .map(|(&column, cursor)| reader.read(column, *block, &self.cache, cursor))
                    .collect::<Result<_>>()?
            }
        };
        make_batch(&self.schema, columns, piece.rows)
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
        let piece = self.pieces.next()?;
        let batch = self.read(&piece);
        if batch.is_err() {
            self.pieces = Vec::new().into_iter();
        }
        Some(batch)
    }
}
