//! Scans: which rows of which segments a request needs (`prune`, with `code_set` for what a predicate
//! means in one segment), and reading them piece by piece (`morsel`), rows tested by their codes before
//! values are decoded (`filter`). What cannot be ruled out so is returned: the caller tests again.

mod code_set;
mod coded;
mod filter;
mod morsel;
mod prune;

use std::sync::Arc;

use arrow::datatypes::{Schema, SchemaRef};

use crate::rows::column_bytes;
use crate::segment::{BLOCK_ROWS, ChunkCache, PublishedSegment};
use crate::{Error, Predicate, Result, TableSnapshot};

pub use code_set::CodeSet;
pub use coded::{BlockRows, CodedColumn, CodedScan, Meaning, Rows, SegmentScan, SelectBuffers};
pub use morsel::Morsel;
use morsel::Piece;
use prune::{Pruner, SegmentPlan};

/// Rows a morsel aims at.
const MORSEL_ROWS: usize = 65_536;

/// Which columns (positions in the table, in output order; may be empty to count rows) and which
/// conditions.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    pub columns: Vec<usize>,
    /// A conjunction. The scan returns a superset of the rows that satisfy it.
    pub predicates: Vec<Predicate>,
}

/// What pruning left. Segments and blocks count what is in segment files; rows and bytes include the
/// memtables, which are never pruned.
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
    plans: Vec<(Arc<PublishedSegment>, SegmentPlan)>,
    /// Of the memtables.
    chunks: Vec<Piece>,
    stats: ScanStats,
}

impl TableSnapshot {
    /// Prunes at once; reads nothing but metadata.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        let fields = self.meta().arrow.fields();
        let wanted = request.columns.iter().map(|&c| fields.get(c).cloned());
        let wanted = wanted.collect::<Option<Vec<_>>>();
        let wanted = wanted.ok_or_else(|| Error::Invalid("no such column to scan".into()))?;
        let pruner = Pruner::new(&self.meta().arrow, request.predicates)?;
        let mut scan = Scan {
            snapshot: self.clone(),
            columns: request.columns,
            schema: Arc::new(Schema::new(wanted)),
            plans: Vec::new(),
            chunks: Vec::new(),
            stats: ScanStats::default(),
        };
        for segment in self.table.segments.iter() {
            scan.add_segment(segment, &pruner)?;
        }
        scan.add_memtables();
        Ok(scan)
    }
}

impl Scan {
    fn add_segment(&mut self, segment: &Arc<PublishedSegment>, pruner: &Pruner) -> Result<()> {
        let reader = segment.reader()?;
        self.stats.segments_total += 1;
        self.stats.blocks_total += reader.blocks() as u64;
        let Some(plan) = pruner.plan(reader, &self.snapshot.cache)? else {
            return Ok(());
        };
        self.stats.segments_kept += 1;
        self.stats.blocks_kept += plan.blocks.len() as u64;
        let rows: usize = plan.block_rows(reader.rows()).map(|b| b.rows.len()).sum();
        let rows = rows as u64;
        self.stats.rows += rows;
        // A column's share by rows: exact for codes, an estimate for the dictionary behind them.
        for &column in &self.columns {
            let bytes = u128::from(reader.column_bytes(column)) * u128::from(rows);
            self.stats.bytes += (bytes / reader.rows().max(1) as u128) as u64;
        }
        self.plans.push((Arc::clone(segment), plan));
        Ok(())
    }

    fn add_memtables(&mut self) {
        let table = Arc::clone(&self.snapshot.table);
        for chunk in table.memtables().flat_map(|m| m.chunks()) {
            for from in (0..chunk.num_rows()).step_by(BLOCK_ROWS) {
                let length = BLOCK_ROWS.min(chunk.num_rows() - from);
                self.chunks.push(Piece::chunk(chunk, from, length));
            }
            self.stats.rows += chunk.num_rows() as u64;
            let columns = self.columns.iter().filter_map(|&c| chunk.columns().get(c));
            self.stats.bytes += columns.map(|c| column_bytes(c)).sum::<u64>();
        }
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
        let blocks = self.plans.iter().flat_map(|(segment, plan)| {
            let blocks = plan.block_rows(segment.record.rows as usize);
            blocks.map(|at| Piece::block(segment, at.block(), at.rows, &plan.tests))
        });
        let pieces = blocks.chain(self.chunks).collect();
        cut(pieces, (&self.columns, &self.schema), &self.snapshot.cache)
    }
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
        rows += piece.rows();
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
