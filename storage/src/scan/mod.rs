//! Scans: which rows of which segments a request needs (`prune`, with `code_set` for what a predicate
//! means in one segment, `equality` for what equality under a fold does), and reading them piece by piece (`morsel`), rows tested by their codes before
//! values are decoded (`filter`, `lanes`). What cannot be ruled out so is returned: the caller tests again.
//! `coded` is the other way to read, by codes.

mod code_set;
mod coded;
mod compare;
mod equality;
mod filter;
mod kept_sets;
mod lanes;
mod morsel;
mod prune;

use std::ops::Range;
use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::{DataType, Field, Schema, SchemaRef};
use roaring::RoaringBitmap;

use crate::rows::column_bytes;
use crate::segment::{BLOCK_ROWS, ChunkCache};
use crate::version::LiveSegment;
use crate::{Error, Predicate, Result, TableSnapshot};

pub use code_set::CodeSet;
pub use coded::{BlockRows, CodedColumn, CodedScan, Meaning, Rows, SegmentScan, SelectBuffers};
pub(crate) use equality::{equal_set, met_by_tests};
pub(crate) use kept_sets::KeptSets;
pub(crate) use lanes::{Codes, LaneBuffer, Lanes};
pub use morsel::Morsel;
use morsel::{Filter, Piece, Source};
use prune::{Pruner, SegmentPlan};

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
    segments: Vec<PlannedSegment>,
    /// Of the memtables.
    chunks: Vec<Piece>,
    stats: ScanStats,
}

/// What is to be read of one segment.
#[derive(Debug, Clone)]
struct PlannedSegment {
    segment: LiveSegment,
    /// Which of the snapshot's homes it is.
    home: usize,
    plan: SegmentPlan,
    filter: Option<Filter>,
}

impl TableSnapshot {
    /// Prunes at once; reads nothing but metadata.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        let pruner = Pruner::new(self.meta(), request.predicates)?;
        let mut scan = self.empty_scan(request.columns)?;
        for (home, segment) in self.table.segments.iter().enumerate() {
            scan.add_segment(home, segment, &pruner)?;
        }
        scan.add_memtables(None);
        Ok(scan)
    }

    fn empty_scan(&self, columns: Vec<usize>) -> Result<Scan> {
        let schema = project(&self.meta().arrow, &columns)?;
        Ok(Scan {
            snapshot: self.clone(),
            columns,
            schema: Arc::new(schema),
            segments: Vec::new(),
            chunks: Vec::new(),
            stats: ScanStats::default(),
        })
    }

    /// A scan of some rows, given per home; deleted ones are left out.
    pub(crate) fn scan_rows(&self, columns: Vec<usize>, rows: &[RoaringBitmap]) -> Result<Scan> {
        let mut scan = self.empty_scan(columns)?;
        for (home, (segment, rows)) in self.table.segments.iter().zip(rows).enumerate() {
            if !rows.is_empty() {
                let filter = Filter::Only(Arc::new(rows - &*segment.deleted));
                let plan = SegmentPlan::everything(segment.reader()?);
                scan.add_planned(home, segment, plan, Some(filter))?;
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
        let Some(plan) = pruner.plan(segment, &self.snapshot.cache)? else {
            return Ok(());
        };
        let filter =
            (!segment.deleted.is_empty()).then(|| Filter::Without(Arc::clone(&segment.deleted)));
        self.add_planned(home, segment, plan, filter)
    }

    /// Adds the blocks of a plan of which rows count.
    fn add_planned(
        &mut self,
        home: usize,
        segment: &LiveSegment,
        mut plan: SegmentPlan,
        filter: Option<Filter>,
    ) -> Result<()> {
        let reader = segment.reader()?;
        let (mut rows, mut read, mut kept) = (0, 0, Vec::new());
        for at in plan.block_rows(reader.rows()) {
            let range = at.in_segment();
            let counted = filter.as_ref().map_or(range.len(), |f| f.count(range));
            if counted > 0 {
                rows += counted as u64;
                read += at.rows.len() as u64;
                kept.push(at.block());
            }
        }
        // A column's share by rows: exact for codes, an estimate for the dictionary behind them.
        for &column in &self.columns {
            let bytes = u128::from(segment.column_bytes(column)) * u128::from(read);
            self.stats.bytes += (bytes / reader.rows().max(1) as u128) as u64;
        }
        self.stats.rows += rows;
        self.stats.blocks_kept += kept.len() as u64;
        if kept.is_empty() {
            return Ok(());
        }
        self.stats.segments_kept += 1;
        plan.blocks = kept;
        self.segments.push(PlannedSegment {
            segment: segment.clone(),
            home,
            plan,
            filter,
        });
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
        self.chunks.push(Piece {
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
        let blocks = self.segments.iter().flat_map(PlannedSegment::pieces);
        let pieces = blocks.chain(self.chunks).collect();
        cut(pieces, (&self.columns, &self.schema), &self.snapshot.cache)
    }
}

impl PlannedSegment {
    fn pieces(&self) -> impl Iterator<Item = Piece> {
        let blocks = self.plan.block_rows(self.segment.record.rows as usize);
        blocks.map(|at| {
            let (view, tests) = (self.segment.view.clone(), Arc::clone(&self.plan.tests));
            let range = at.in_segment();
            let rows = self
                .filter
                .as_ref()
                .map_or(range.len(), |f| f.count(range.clone()));
            Piece {
                source: Source::Block(view, at.block(), tests),
                home: self.home,
                filter: self.filter.clone().filter(|_| rows < range.len()),
                range,
                rows,
            }
        })
    }
}

/// The schema of some columns.
fn project(schema: &SchemaRef, columns: &[usize]) -> Result<Schema> {
    let wanted = columns.iter().map(|&c| schema.fields().get(c).cloned());
    let wanted = wanted.collect::<Option<Vec<_>>>();
    let wanted = wanted.ok_or_else(|| Error::Invalid("no such column to scan".into()))?;
    Ok(Schema::new(wanted))
}

/// Morsels of some pieces.
fn cut(
    pieces: Vec<Piece>,
    (columns, schema): (&[usize], &SchemaRef),
    cache: &Arc<ChunkCache>,
) -> Vec<Morsel> {
    let (mut morsels, mut gathered, mut rows) = (Vec::new(), Vec::new(), 0);
    let morsel = |pieces| {
        Morsel::new(
            pieces,
            columns.to_vec(),
            Arc::clone(schema),
            Arc::clone(cache),
        )
    };
    for piece in pieces {
        rows += piece.rows;
        gathered.push(piece);
        if rows >= MORSEL_ROWS {
            morsels.push(morsel(std::mem::take(&mut gathered)));
            rows = 0;
        }
    }
    if !gathered.is_empty() {
        morsels.push(morsel(gathered));
    }
    morsels
}
