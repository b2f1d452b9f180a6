//! A source of rows as columns of codes: the rows of a segment that a scan left, or a batch.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::ArrayRef;

use super::batch::BatchSource;
use super::request::ValueMap;
use crate::scan::{BlockRows, CodeSet, CodedColumn, Codes, Rows, SegmentScan, SelectBuffers};
use crate::segment::{FoldedDictionary, Lane};
use crate::{Error, Result};

#[derive(Debug)]
pub(super) enum Source {
    /// With the codes that pass each case: of which column, and which.
    Segment(SegmentScan, Vec<(usize, CodeSet)>),
    Batch(BatchSource),
}

/// The codes of a column in one block.
pub(super) struct ColumnCodes<'a> {
    source: &'a Source,
    column: usize,
    at: &'a BlockRows,
}

impl Codes for ColumnCodes<'_> {
    fn read<T: Lane>(&self, out: &mut Vec<T>) -> Result<()> {
        self.source.codes(self.column, self.at, out)
    }
}

/// Which rows of a block pass a case.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CaseRows {
    All,
    None,
    /// Those that the mask says.
    Some,
}

impl Source {
    /// What the codes of a column mean.
    pub(super) fn column(&self, column: usize) -> Result<CodedColumn> {
        match self {
            Self::Segment(segment, _) => {
                let coded = segment.column(column)?;
                coded.ok_or_else(|| Error::Invalid("a column without codes".into()))
            }
            Self::Batch(batch) => Ok(batch.column(column)?.coded),
        }
    }

    /// Whether rows come in the order of a column's codes.
    pub(super) fn is_sorted_by(&self, column: usize) -> bool {
        match self {
            Self::Segment(segment, _) => segment.is_sorted_by(column),
            Self::Batch(_) => false,
        }
    }

    /// The codes of a block run by run, with the row each run ends before; `false` when there are more than
    /// `most`, or that is not known.
    pub(super) fn runs(
        &self,
        (column, at): (usize, &BlockRows),
        most: usize,
        (codes, ends): (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool> {
        match self {
            Self::Segment(segment, _) => {
                Ok(segment.runs(column, at, (codes, ends))? && ends.len() <= most)
            }
            Self::Batch(_) => Ok(false),
        }
    }

    /// The same of stretches of codes, where rows come in the order of codes. `last` says where the stretch of a code
    /// ends; the codes that come out are the first of each.
    pub(super) fn ascending_runs(
        &self,
        at: (usize, &BlockRows),
        most: usize,
        last: impl Fn(u64) -> u64,
        runs: (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool> {
        match self {
            Self::Segment(segment, _) => segment.ascending_runs(at, most, last, runs),
            Self::Batch(_) => Ok(false),
        }
    }

    pub(super) fn blocks(&self) -> Vec<BlockRows> {
        match self {
            Self::Segment(segment, _) => segment.blocks().collect(),
            Self::Batch(batch) => vec![BlockRows::only(batch.rows)],
        }
    }

    pub(super) fn select<'b>(
        &self,
        at: &BlockRows,
        buffers: &'b mut SelectBuffers,
    ) -> Result<Rows<'b>> {
        match self {
            Self::Segment(segment, _) => segment.select(at, buffers),
            Self::Batch(batch) => Ok(Rows::Range(0, batch.rows)),
        }
    }

    pub(super) fn codes_of<'a>(&'a self, column: usize, at: &'a BlockRows) -> ColumnCodes<'a> {
        ColumnCodes {
            source: self,
            column,
            at,
        }
    }

    /// The codes of all rows of a block.
    pub(super) fn codes<T: Lane>(
        &self,
        column: usize,
        at: &BlockRows,
        out: &mut Vec<T>,
    ) -> Result<()> {
        match self {
            Self::Segment(segment, _) => segment.codes(column, at, out),
            Self::Batch(batch) => {
                out.clear();
                let codes = batch.column(column)?.codes.iter();
                out.extend(codes.map(|&code| T::wrap(code)));
                Ok(())
            }
        }
    }

    pub(super) fn code_range(&self, column: usize, at: &BlockRows) -> Result<(u64, u64)> {
        match self {
            Self::Segment(segment, _) => segment.code_range(column, at),
            Self::Batch(batch) => Ok((0, batch.column(column)?.coded.high)),
        }
    }

    /// The sum and number of the values of a block that are not NULL, where it is known beforehand.
    pub(super) fn sum(&self, column: usize, at: &BlockRows) -> Result<Option<(i128, u64)>> {
        match self {
            Self::Segment(segment, _) => segment.sum(column, at),
            Self::Batch(_) => Ok(None),
        }
    }

    /// The entries of a dictionary of integers.
    pub(super) fn numbers(&self, column: usize) -> Result<Vec<i128>> {
        match self {
            Self::Segment(segment, _) => segment.numbers(column),
            Self::Batch(_) => Ok(Vec::new()),
        }
    }

    /// The low 64 bits of some entries of a dictionary of integers.
    pub(super) fn number_words(&self, column: usize, entries: &[u32]) -> Result<Vec<u64>> {
        match self {
            Self::Segment(segment, _) => segment.number_words(column, entries),
            Self::Batch(_) => Ok(vec![0; entries.len()]),
        }
    }

    /// Hashes of entries of a dictionary of strings.
    pub(super) fn hashes_of(
        &self,
        column: usize,
        entries: Range<usize>,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        match self {
            Self::Segment(segment, _) => segment.hashes_of(column, entries, out),
            Self::Batch(batch) => {
                let hashes = batch.column(column)?.hashes.get(entries);
                let hashes = hashes.ok_or_else(|| Error::Invalid("no such entries".into()))?;
                out.clear();
                out.extend_from_slice(hashes);
                Ok(())
            }
        }
    }

    /// A column's folded dictionary, if it is kept or made now that so many of its entries are met.
    pub(super) fn folded(
        &self,
        column: usize,
        fold: &dyn ValueMap,
        met: u64,
    ) -> Result<Option<Arc<FoldedDictionary>>> {
        match self {
            Self::Segment(segment, _) => segment.folded(column, fold, met),
            Self::Batch(_) => Ok(None),
        }
    }

    /// What codes stand for, one row per code.
    pub(super) fn values(&self, column: usize, codes: &[u64]) -> Result<ArrayRef> {
        match self {
            Self::Segment(segment, _) => segment.values(column, codes),
            Self::Batch(batch) => batch.column(column)?.values(codes),
        }
    }

    /// Gives back the memory of what is no more needed once the rows are grouped.
    pub(super) fn forget_codes(&mut self) {
        if let Self::Batch(batch) = self {
            batch.forget_codes();
        }
    }

    /// Which rows of a block pass a case, as far as that is known without reading any.
    pub(super) fn case_of_block(&self, case: usize, at: &BlockRows) -> Result<CaseRows> {
        let Self::Segment(segment, cases) = self else {
            return Ok(CaseRows::Some);
        };
        let no_case = || Error::Invalid("no such case".into());
        let (column, set) = cases.get(case).ok_or_else(no_case)?;
        let (low, high) = segment.code_range(*column, at)?;
        Ok(match set.intersects(low, high) {
            _ if set.covers_range(low, high) => CaseRows::All,
            true => CaseRows::Some,
            false => CaseRows::None,
        })
    }

    /// Which rows of a block pass a case; `mask` has ones for those when only some do.
    pub(super) fn case(
        &self,
        case: usize,
        at: &BlockRows,
        (codes, mask): (&mut Vec<u64>, &mut Vec<u64>),
    ) -> Result<CaseRows> {
        let ones = |passes: bool| if passes { u64::MAX } else { 0 };
        mask.clear();
        let known = self.case_of_block(case, at)?;
        if known != CaseRows::Some {
            return Ok(known);
        }
        match self {
            Self::Segment(segment, cases) => {
                let no_case = || Error::Invalid("no such case".into());
                let (column, set) = cases.get(case).ok_or_else(no_case)?;
                segment.codes(*column, at, codes)?;
                mask.extend(codes.iter().map(|&code| ones(set.contains(code))));
            }
            Self::Batch(batch) => {
                mask.extend(batch.case(case)?.iter().map(|&passes| ones(passes)));
            }
        }
        Ok(CaseRows::Some)
    }
}
