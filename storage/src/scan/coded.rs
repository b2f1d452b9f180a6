//! A scan by codes, for computing in place: what the columns of each segment's codes mean, which rows
//! remain, the codes of a block in buffers of the caller. No string is decoded unless it is asked for.
//! What is not in segments yet comes as ordinary batches.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, new_null_array};
use arrow::datatypes::SchemaRef;

use super::code_set::{CodeSet, ColumnTest, test_of};
use super::filter::{FilterBuffers, select};
use super::kept_sets::SetKey;
use super::prune::SegmentPlan;
use super::{Morsel, PlannedSegment, Scan, project};
use crate::history::Source;
use crate::segment::{
    BLOCK_ROWS, ChunkCache, ColumnKind, FoldedDictionary, Lane, SegmentReader, Selection,
};
use crate::{Error, Predicate, Result, ValueMap};

/// A scan cut into its segments.
#[derive(Debug)]
pub struct CodedScan {
    pub segments: Vec<SegmentScan>,
    /// Rows that are not in segments, as batches of the requested columns; not filtered.
    pub rest: Vec<Morsel>,
}

/// One segment of a scan. Cheap to clone; every method may be called on any thread.
#[derive(Debug, Clone)]
pub struct SegmentScan {
    planned: PlannedSegment,
    table: SchemaRef,
    cache: Arc<ChunkCache>,
}

/// What the codes of a column of one segment stand for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CodedColumn {
    pub meaning: Meaning,
    /// Code 0 is NULL; entries of dictionaries have one more than their position.
    pub null_code: bool,
    /// The greatest code.
    pub high: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Meaning {
    /// `origin + code * step`: booleans, integers, dates (days), moments and durations (microseconds),
    /// decimals (unscaled).
    Steps { origin: i128, step: u64 },
    /// An entry of `SegmentScan::numbers`.
    Number,
    /// An entry of a dictionary of strings.
    String,
    /// Nothing but code 0, which stands for the one value, perhaps NULL, of all rows.
    Constant,
}

/// Rows of one block of a segment that the sort key and the blocks' bounds leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockRows {
    block: usize,
    /// Positions in the block, which indexes its codes.
    pub rows: Range<usize>,
    whole: bool,
}

/// Rows of a block that passed every test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rows<'a> {
    /// From one position in the block up to another.
    Range(usize, usize),
    /// Positions in the block, ascending.
    Picked(&'a [u32]),
}

/// Memory that `SegmentScan::select` uses again from block to block.
#[derive(Debug, Default)]
pub struct SelectBuffers {
    filter: FilterBuffers,
    selection: Option<Selection>,
}

impl Scan {
    /// The scan by codes.
    pub fn into_coded(self) -> CodedScan {
        let Self {
            snapshot,
            columns,
            schema,
            segments,
            chunks,
            ..
        } = self;
        let segment = |planned| SegmentScan {
            planned,
            table: Arc::clone(&snapshot.meta().arrow),
            cache: Arc::clone(&snapshot.cache),
        };
        CodedScan {
            segments: segments.into_iter().map(segment).collect(),
            rest: super::cut(chunks, (&columns, &schema), &snapshot.cache),
        }
    }
}

impl SegmentScan {
    /// Rows that may have to be read.
    pub fn rows(&self) -> u64 {
        self.blocks().map(|block| block.rows.len() as u64).sum()
    }

    /// The blocks that may have rows, ascending.
    pub fn blocks(&self) -> impl ExactSizeIterator<Item = BlockRows> {
        let rows = self.planned.segment.record.rows as usize;
        self.planned.plan.block_rows(rows)
    }

    /// Whether rows of `blocks` are left to be tested one by one, or some of them are deleted.
    pub fn has_tests(&self) -> bool {
        !self.planned.plan.tests.is_empty() || self.planned.filter.is_some()
    }

    /// The rows of this segment as batches of some columns, for what has no codes.
    pub fn read(&self, columns: &[usize]) -> Result<Morsel> {
        let schema = Arc::new(project(&self.table, columns)?);
        let pieces = self.planned.pieces().collect();
        Ok(Morsel::new(
            pieces,
            columns.to_vec(),
            schema,
            Arc::clone(&self.cache),
        ))
    }

    fn reader(&self) -> Result<&SegmentReader> {
        self.planned.segment.reader()
    }

    /// The segment's own number of a column of the table.
    fn stored(&self, column: usize) -> Result<usize> {
        let stored = self.planned.segment.stored(column);
        stored.ok_or_else(|| Error::Invalid("the column has no codes in this segment".into()))
    }

    /// What the codes of a column mean; `None` when it has none and has to be read as an array.
    pub fn column(&self, column: usize) -> Result<Option<CodedColumn>> {
        let constant = |null_code| CodedColumn {
            meaning: Meaning::Constant,
            null_code,
            high: 0,
        };
        let Some(column) = self.planned.segment.stored(column) else {
            return Ok(Some(constant(false)));
        };
        if self.reader()?.is_all_null(column)? {
            return Ok(Some(constant(true)));
        }
        let info = self.reader()?.codes_info(column)?;
        Ok(info.map(|info| CodedColumn {
            meaning: match info.kind {
                ColumnKind::Frame(frame) => Meaning::Steps {
                    origin: frame.value(0),
                    step: frame.step(),
                },
                ColumnKind::Numbers { .. } => Meaning::Number,
                ColumnKind::Dictionary => Meaning::String,
            },
            null_code: info.null_code,
            high: info.high,
        }))
    }

    /// The rows of a block that pass all tests.
    pub fn select<'b>(&self, at: &BlockRows, buffers: &'b mut SelectBuffers) -> Result<Rows<'b>> {
        if !self.has_tests() {
            return Ok(Rows::Range(at.rows.start, at.rows.end));
        }
        let rows = (at.block, at.rows.clone());
        let tests = &self.planned.plan.tests;
        let mut selection = select(self.reader()?, rows, tests, &mut buffers.filter)?;
        if let Some(filter) = &self.planned.filter {
            selection = filter.keep(at.block * BLOCK_ROWS, selection);
        }
        Ok(match buffers.selection.insert(selection) {
            Selection::Range(range) => Rows::Range(range.start, range.end),
            Selection::Picked(rows) => Rows::Picked(rows),
        })
    }

    /// The codes of all rows of a block, in place of what `out` holds. `T` is one of u8, u16, u32, u64
    /// and holds the column's greatest code; no code is above that.
    pub fn codes<T: Lane>(&self, column: usize, at: &BlockRows, out: &mut Vec<T>) -> Result<()> {
        if let Some(column) = self.varying(column)? {
            return self.reader()?.codes(column, at.block, out);
        }
        out.clear();
        out.resize(self.reader()?.block_rows(at.block), T::default());
        Ok(())
    }

    /// The segment's own number of a column of the table that has codes of its own.
    fn varying(&self, column: usize) -> Result<Option<usize>> {
        match self.planned.segment.stored(column) {
            Some(column) if self.reader()?.is_all_null(column)? => Ok(None),
            other => Ok(other),
        }
    }

    /// Whether rows are sorted by a column before all others, and so are its codes.
    pub(crate) fn is_sorted_by(&self, column: usize) -> bool {
        let Ok(reader) = self.reader() else {
            return false;
        };
        let stored = self.planned.segment.stored(column);
        stored.is_some() && reader.sort_key().first().copied() == stored
    }

    /// The codes of a block run by run, with the position each run ends before. `false` when the block
    /// is not stored in runs that are worth to be looked at one by one.
    pub(crate) fn runs(
        &self,
        column: usize,
        at: &BlockRows,
        (codes, ends): (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool> {
        match self.varying(column)? {
            Some(column) => self.reader()?.code_runs((column, at.block), codes, ends),
            None => Ok(false),
        }
    }

    /// Whether the rows of a block come in the order of a column's codes: it is in the sort key, and what is before it
    /// there is the same in the whole block.
    fn ascends(&self, column: usize, at: &BlockRows) -> Result<bool> {
        let (reader, stored) = (self.reader()?, self.planned.segment.stored(column));
        for &earlier in reader.sort_key() {
            if Some(earlier) == stored {
                return Ok(true);
            }
            if reader.is_all_null(earlier)? {
                continue;
            }
            let (low, high) = reader.block(earlier, at.block)?.code_range();
            if low != high || reader.codes_info(earlier)?.is_none() {
                return Ok(false);
            }
        }
        Ok(false)
    }

    /// The rows of a block in runs of codes that are in one stretch, with the position each run ends before, if the
    /// rows come in the order of the codes and the runs are at most so many. `last` says where the stretch of a code
    /// ends.
    pub(crate) fn ascending_runs(
        &self,
        (column, at): (usize, &BlockRows),
        most: usize,
        last: impl Fn(u64) -> u64,
        runs: (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool> {
        match self.varying(column)? {
            Some(stored) if self.ascends(column, at)? => {
                let rows = (at.rows.clone(), most);
                self.reader()?
                    .ascending_runs((stored, at.block), rows, last, runs)
            }
            _ => Ok(false),
        }
    }

    /// The least and the greatest code of a block.
    pub fn code_range(&self, column: usize, at: &BlockRows) -> Result<(u64, u64)> {
        match self.varying(column)? {
            Some(column) => Ok(self.reader()?.block(column, at.block)?.code_range()),
            None => Ok((0, 0)),
        }
    }

    /// The sum of a block's values and how many are not NULL, without reading them; `None` when it is
    /// not known, or not all rows of the block are wanted.
    pub fn sum(&self, column: usize, at: &BlockRows) -> Result<Option<(i128, u64)>> {
        match self.varying(column)? {
            Some(column) if at.whole && !self.has_tests() => {
                self.reader()?.block_sum(column, at.block)
            }
            _ => Ok(None),
        }
    }

    /// Entries of a dictionary of integers as values, by position.
    pub fn numbers(&self, column: usize) -> Result<Vec<i128>> {
        self.reader()?.number_values(self.stored(column)?)
    }

    /// The low 64 bits of the values of some entries of a dictionary of integers.
    pub(crate) fn number_words(&self, column: usize, entries: &[u32]) -> Result<Vec<u64>> {
        self.reader()?.number_words(self.stored(column)?, entries)
    }

    /// The hashes of some entries (positions in the dictionary) of a dictionary of strings, in place of what `out`
    /// holds; only their part of it is touched. Equal strings have equal hashes in all segments of a store.
    pub fn hashes_of(
        &self,
        column: usize,
        entries: Range<usize>,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        self.reader()?.hashes_of(self.stored(column)?, entries, out)
    }

    /// What a fold makes of the entries of a dictionary of strings, if that is kept, or is made now that so many of
    /// them are met; 0: it is not made.
    pub(crate) fn folded(
        &self,
        column: usize,
        fold: &dyn ValueMap,
        met: u64,
    ) -> Result<Option<Arc<FoldedDictionary>>> {
        match self.planned.segment.source(column) {
            Source::Stored(_) => {}
            Source::Widened(..) | Source::Constant(_) => return Ok(None),
        }
        match self.varying(column)? {
            Some(column) => self.reader()?.folded((column, &self.cache), fold, met),
            None => Ok(None),
        }
    }

    /// Where it is kept what passed a test of a dictionary of strings.
    fn set_key(&self, column: usize, test: &str) -> Result<Option<SetKey>> {
        match self.planned.segment.source(column) {
            Source::Stored(_) => {}
            Source::Widened(..) | Source::Constant(_) => return Ok(None),
        }
        let (column, file) = (self.varying(column)?, self.reader()?.file());
        Ok(column.map(|column| SetKey {
            file,
            column: column as u32,
            test: test.to_owned(),
        }))
    }

    /// The codes that pass a test of this name, if all from the one to the other have been asked about before.
    pub(crate) fn kept_set(
        &self,
        column: usize,
        test: &str,
        asked: (u64, u64),
    ) -> Result<Option<CodeSet>> {
        let key = self.set_key(column, test)?;
        Ok(key.and_then(|key| self.cache.sets().get(&key, asked)))
    }

    /// Keeps which codes, of those from the one to the other, passed a test of this name.
    pub(crate) fn keep_set(
        &self,
        column: usize,
        test: &str,
        (asked, passed): ((u64, u64), &CodeSet),
    ) -> Result<()> {
        if let Some(key) = self.set_key(column, test)? {
            self.cache.sets().keep(key, asked, passed.clone());
        }
        Ok(())
    }

    /// What codes of a column stand for, one row per code.
    pub fn values(&self, column: usize, codes: &[u64]) -> Result<ArrayRef> {
        let segment = &self.planned.segment;
        match self.varying(column)? {
            None if segment.stored(column).is_some() => {
                let data_type = self.table.fields().get(column).map(|f| f.data_type());
                let data_type = data_type.ok_or_else(|| Error::Invalid("no such column".into()))?;
                Ok(new_null_array(data_type, codes.len()))
            }
            _ => segment.code_values(column, codes, &self.cache),
        }
    }

    /// What `string_hash` starts from.
    pub(crate) fn string_seed(&self) -> Result<u64> {
        Ok(self.reader()?.string_seed())
    }

    /// Parts of about equal size, at most so many; each has some of the blocks.
    pub fn split(self, parts: usize) -> Vec<Self> {
        let blocks = self.planned.plan.blocks.clone();
        let size = blocks.len().div_ceil(parts.max(1)).max(1);
        let part = |blocks: &[usize]| {
            let mut part = self.clone();
            part.planned.plan.blocks = blocks.to_vec();
            part
        };
        blocks.chunks(size).map(part).collect()
    }

    /// The hash that `hashes_of` has for a string.
    pub fn string_hash(&self, string: &[u8]) -> Result<u64> {
        Ok(self.reader()?.string_hash(string))
    }

    /// The codes of a dictionary of strings whose entries pass `test`, each asked once; NULL does not.
    pub fn string_set(&self, column: usize, test: impl FnMut(&[u8]) -> bool) -> Result<CodeSet> {
        let column = self.stored(column)?;
        self.reader()?.string_set(column, &self.cache, test)
    }

    /// The codes of a column that satisfy a predicate on it, where codes can tell; the set may have more
    /// when the predicate compares with values of another type.
    pub(crate) fn predicate_set(
        &self,
        column: usize,
        predicate: &Predicate,
    ) -> Result<Option<CodeSet>> {
        let Some(stored) = self.varying(column)? else {
            return Ok(None);
        };
        let data_type = self.table.fields().get(column).map(|f| f.data_type());
        let data_type = data_type.ok_or_else(|| Error::Invalid("no such column".into()))?;
        let test = test_of(self.reader()?, &self.cache, (stored, data_type), predicate)?;
        Ok(match test {
            ColumnTest::Unknown => None,
            ColumnTest::Codes(set) => Some(set),
        })
    }

    /// Adds a test: only rows whose code of `column` is in the set. `None` when none is left.
    pub fn with_test(mut self, column: usize, set: CodeSet) -> Result<Option<Self>> {
        let Some(column) = self.varying(column)? else {
            return Ok(set.contains(0).then_some(self));
        };
        let mut blocks = Vec::new();
        for &block in &self.planned.plan.blocks {
            let (low, high) = self.reader()?.block(column, block)?.code_range();
            if set.intersects(low, high) {
                blocks.push(block);
            }
        }
        let plan = &mut self.planned.plan;
        plan.blocks = blocks;
        let tests = plan.tests.iter().cloned().chain([(column, set)]);
        plan.tests = tests.collect();
        Ok((!plan.blocks.is_empty()).then_some(self))
    }
}

impl SegmentPlan {
    /// All rows.
    pub(super) fn everything(reader: &SegmentReader) -> Self {
        Self {
            rows: 0..reader.rows(),
            blocks: (0..reader.blocks()).collect(),
            tests: Arc::default(),
        }
    }

    /// The rows of each block of a segment of `rows` rows.
    pub(super) fn block_rows(&self, rows: usize) -> impl ExactSizeIterator<Item = BlockRows> {
        self.blocks.iter().map(move |&block| {
            let start = block * BLOCK_ROWS;
            let length = BLOCK_ROWS.min(rows.saturating_sub(start));
            let from = self.rows.start.max(start) - start;
            let to = self.rows.end.min(start + length).saturating_sub(start);
            let whole = (from, to) == (0, length);
            BlockRows {
                block,
                rows: from..to.max(from),
                whole,
            }
        })
    }
}

impl BlockRows {
    /// All rows of the only block of something else than a segment.
    pub(crate) fn only(rows: usize) -> Self {
        Self {
            block: 0,
            rows: 0..rows,
            whole: true,
        }
    }

    pub(super) fn block(&self) -> usize {
        self.block
    }

    /// Whether these are all rows of the block.
    pub(crate) fn is_whole(&self) -> bool {
        self.whole
    }

    /// The rows by their numbers in the segment.
    pub(super) fn in_segment(&self) -> Range<usize> {
        let first = self.block * BLOCK_ROWS;
        first + self.rows.start..first + self.rows.end
    }
}
