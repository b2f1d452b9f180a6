//! Scans: which blocks of which segments a request needs (`prune`), and reading them piece by piece
//! (`morsel`). Rows are not filtered here: what cannot be ruled out is returned.

mod morsel;
mod prune;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use roaring::RoaringBitmap;

use crate::rows::column_bytes;
use crate::segment::BLOCK_ROWS;
use crate::version::LiveSegment;
use crate::{Error, Predicate, Result, TableSnapshot};

pub use morsel::Morsel;
use morsel::{Filter, Piece, Source};
use prune::Pruner;

/// Rows a morsel aims at.
const MORSEL_ROWS: usize = 65_536;

/// Name of the column that `Scan::with_row_positions` adds.
const POSITION_COLUMN: &str = "row position";

/// Which columns (positions in the table, in output order; may be empty to count rows) and which
/// conditions.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    pub columns: Vec<usize>,
    /// A conjunction. The scan returns a superset of the rows that satisfy it.
    pub predicates: Vec<Predicate>,
}

/// What pruning left. Segments and blocks count what is in segment files; rows and bytes include the
/// memtables, which are never pruned. Blocks whose rows are all deleted are left out, too.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    pub segments_total: u64,
    pub segments_kept: u64,
    pub blocks_total: u64,
    pub blocks_kept: u64,
    /// Rows and (encoded) bytes after pruning.
    pub rows: u64,
    pub bytes: u64,
}

/// A pruned scan, cut into pieces for parallel reading.
#[derive(Debug)]
pub struct Scan {
    snapshot: TableSnapshot,
    columns: Vec<usize>,
    schema: SchemaRef,
    pieces: Vec<Piece>,
    stats: ScanStats,
}

impl TableSnapshot {
    /// Prunes at once; reads nothing but metadata.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        let pruner = Pruner::new(&self.meta().arrow, request.predicates)?;
        let mut scan = self.empty_scan(request.columns)?;
        for (home, segment) in self.table.segments.iter().enumerate() {
            scan.add_segment(home, segment, &pruner)?;
        }
        scan.add_memtables(None);
        Ok(scan)
    }

    fn empty_scan(&self, columns: Vec<usize>) -> Result<Scan> {
        let fields = self.meta().arrow.fields();
        let wanted = columns.iter().map(|&c| fields.get(c).cloned());
        let wanted = wanted.collect::<Option<Vec<_>>>();
        let wanted = wanted.ok_or_else(|| Error::Invalid("no such column to scan".into()))?;
        Ok(Scan {
            snapshot: self.clone(),
            columns,
            schema: Arc::new(Schema::new(wanted)),
            pieces: Vec::new(),
            stats: ScanStats::default(),
        })
    }

    /// A scan of some rows, given per home; deleted ones are left out.
    pub(crate) fn scan_rows(&self, columns: Vec<usize>, rows: &[RoaringBitmap]) -> Result<Scan> {
        let mut scan = self.empty_scan(columns)?;
        for (home, (segment, rows)) in self.table.segments.iter().zip(rows).enumerate() {
            if !rows.is_empty() {
                let filter = Filter::Only(Arc::new(rows - &*segment.deleted));
                let blocks = 0..segment.reader()?.blocks();
                scan.add_blocks(home, segment, &blocks.collect::<Vec<_>>(), Some(filter))?;
            }
        }
        let segments = self.table.segments.len();
        scan.add_memtables(Some(rows.get(segments..).unwrap_or_default()));
        Ok(scan)
    }
}

impl Scan {
    fn add_segment(&mut self, home: usize, segment: &LiveSegment, pruner: &Pruner) -> Result<()> {
        let reader = segment.reader()?;
        self.stats.segments_total += 1;
        self.stats.blocks_total += reader.blocks() as u64;
        let blocks = pruner.blocks(segment)?;
        let filter =
            (!segment.deleted.is_empty()).then(|| Filter::Without(Arc::clone(&segment.deleted)));
        self.add_blocks(home, segment, &blocks, filter)
    }

    /// Adds blocks of a segment as far as rows of them count.
    fn add_blocks(
        &mut self,
        home: usize,
        segment: &LiveSegment,
        blocks: &[usize],
        filter: Option<Filter>,
    ) -> Result<()> {
        let reader = segment.reader()?;
        let (mut rows, mut read) = (0, 0);
        for &block in blocks {
            let from = block * BLOCK_ROWS;
            let range = from..reader.rows().min(from + BLOCK_ROWS);
            let length = range.len() as u64;
            let source = Source::Block(segment.view.clone(), block);
            if let Some(counted) = self.add_piece(source, home, range, filter.as_ref()) {
                rows += counted as u64;
                read += length;
                self.stats.blocks_kept += 1;
            }
        }
        self.stats.segments_kept += u64::from(rows > 0);
        self.stats.rows += rows;
        // A column's share by rows: exact for codes, an estimate for the dictionary behind them.
        for &column in &self.columns {
            let bytes = u128::from(segment.column_bytes(column)) * u128::from(read);
            self.stats.bytes += (bytes / reader.rows().max(1) as u128) as u64;
        }
        Ok(())
    }

    /// Adds a piece unless none of its rows counts; how many do.
    fn add_piece(
        &mut self,
        source: Source,
        home: usize,
        range: Range<usize>,
        filter: Option<&Filter>,
    ) -> Option<usize> {
        let rows = filter.map_or(range.len(), |f| f.count(range.clone()));
        let filter = filter.filter(|_| rows < range.len()).cloned();
        if rows == 0 {
            return None;
        }
        self.pieces.push(Piece {
            source,
            home,
            range,
            filter,
            rows,
        });
        Some(rows)
    }

    /// Adds the rows of the memtables, or `only` some of them, given per memtable.
    fn add_memtables(&mut self, only: Option<&[RoaringBitmap]>) {
        let table = Arc::clone(&self.snapshot.table);
        for (number, memtable) in table.memtables().enumerate() {
            let deleted = memtable.deleted();
            let filter = match only {
                Some(only) => {
                    let rows = only.get(number).map(|rows| rows - &**deleted);
                    Some(Filter::Only(Arc::new(rows.unwrap_or_default())))
                }
                None if deleted.is_empty() => None,
                None => Some(Filter::Without(Arc::clone(deleted))),
            };
            let home = table.segments.len() + number;
            let mut row = 0;
            for chunk in memtable.chunks() {
                self.add_chunk(chunk, (home, row), filter.as_ref());
                row += chunk.num_rows();
            }
        }
    }

    /// Adds a chunk of a memtable that begins at row `first` of the home.
    fn add_chunk(
        &mut self,
        chunk: &Arc<RecordBatch>,
        (home, first): (usize, usize),
        filter: Option<&Filter>,
    ) {
        let mut rows = 0;
        for from in (0..chunk.num_rows()).step_by(BLOCK_ROWS) {
            let length = BLOCK_ROWS.min(chunk.num_rows() - from);
            let range = first + from..first + from + length;
            let source = Source::Chunk(Arc::clone(chunk), from);
            rows += self.add_piece(source, home, range, filter).unwrap_or(0);
        }
        self.stats.rows += rows as u64;
        if rows > 0 {
            let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
            self.stats.bytes += columns.map(|c| column_bytes(c)).sum::<u64>();
        }
    }

    /// Has the batches end with one more column, UInt64: the positions of the rows, which
    /// `RowSelection::extend` understands. They mean something only for this `TableSnapshot`.
    #[must_use]
    pub fn with_row_positions(mut self) -> Self {
        if self.schema.fields().len() == self.columns.len() {
            let mut fields = self.schema.fields().to_vec();
            let field = Field::new(POSITION_COLUMN, DataType::UInt64, false);
            fields.push(Arc::new(field));
            self.schema = Arc::new(Schema::new(fields));
        }
        self
    }

    pub fn stats(&self) -> ScanStats {
        self.stats
    }

    /// Schema of the batches: the requested columns.
    pub fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    /// Pieces of about 64 Ki rows, each readable on any thread.
    pub fn into_morsels(self) -> Vec<Morsel> {
        let mut morsels = Vec::new();
        let mut pieces = Vec::new();
        let mut rows = 0;
        let morsel = |pieces| {
            let cache = Arc::clone(&self.snapshot.cache);
            Morsel::new(
                pieces,
                self.columns.clone(),
                Arc::clone(&self.schema),
                cache,
            )
        };
        for piece in self.pieces {
            rows += piece.rows;
            pieces.push(piece);
            if rows >= MORSEL_ROWS {
                morsels.push(morsel(std::mem::take(&mut pieces)));
                rows = 0;
            }
        }
        if !pieces.is_empty() {
            morsels.push(morsel(pieces));
        }
        morsels
    }
}
