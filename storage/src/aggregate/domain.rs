//! Numbers for the values of a key in one source: its codes, the granules of its moments, or only the codes
//! that there are.

use multiversion::multiversion;

use super::granules::Granules;
use super::numbering::NumberBuffers;
use super::plan::Local;
use super::source::Source;
use crate::Result;
use crate::scan::{BlockRows, CodedColumn, Meaning};

/// Codes that are not there may be so many times as many as there are rows to be left out.
const SEEN_PER_ROW: u64 = 16;

/// Runs that are shorter on average are not worth to be found.
const RUN_ROWS_MIN: usize = 64;

/// So many short runs are looked at before a block is taken row by row.
const SHORT_RUNS_MAX: usize = 8;

/// A key column in one source: its codes, or the granules of its moments, numbered from 0.
#[derive(Debug)]
pub(super) struct Domain {
    column: usize,
    pub(super) coded: CodedColumn,
    /// The least code.
    low: u64,
    /// How many numbers there are.
    pub(super) size: u64,
    granules: Option<Granules>,
    seen: Option<Seen>,
}

/// The codes that there are among those of a wide range, numbered.
#[derive(Debug)]
struct Seen {
    /// By distance from the least code; of no meaning for those that are not there.
    numbers: Vec<u32>,
    /// Distances by number.
    codes: Vec<u32>,
}

impl Domain {
    pub(super) fn new(source: &Source, local: &Local, blocks: &[BlockRows]) -> Result<Self> {
        let coded = source.column(local.column)?;
        let (mut low, mut high) = (u64::MAX, 0);
        for block in blocks {
            let range = source.code_range(local.column, block)?;
            (low, high) = (low.min(range.0), high.max(range.1));
        }
        let low = low.min(high);
        let mut domain = Self {
            column: local.column,
            coded,
            low,
            size: (high - low).saturating_add(1),
            granules: None,
            seen: None,
        };
        if let (Meaning::Steps { origin, step }, Some(width)) = (coded.meaning, local.granule)
            && let (Ok(origin), Ok(step)) = (i64::try_from(origin), i64::try_from(step))
            && let Ok(width) = i64::try_from(width)
        {
            let codes = (low, high, coded.null_code);
            let granules = Granules::new((origin, step), width, codes);
            domain.size = granules.number(high.max(coded.null_code.into())) + 1;
            domain.granules = Some(granules);
        }
        Ok(domain)
    }

    /// Numbers only the codes that there are, where the range of codes is not much wider than the blocks have rows.
    pub(super) fn number_seen(&mut self, source: &Source, blocks: &[BlockRows]) -> Result<()> {
        let rows: usize = blocks.iter().map(|b| b.rows.len()).sum();
        let wide = self.size > SEEN_PER_ROW * rows as u64 || self.coded.high > u32::MAX.into();
        if self.granules.is_some() || self.seen.is_some() || wide {
            return Ok(());
        }
        let (mut numbers, mut codes) = (vec![0; self.size as usize], Vec::<u32>::new());
        for block in blocks {
            source.codes(self.column, block, &mut codes)?;
            for &code in codes.get(block.rows.clone()).unwrap_or_default() {
                if let Some(number) = numbers.get_mut((code - self.low as u32) as usize) {
                    *number = 1;
                }
            }
        }
        let mut seen = Vec::new();
        for (distance, number) in (0..).zip(&mut numbers) {
            if *number == 1 {
                *number = seen.len() as u32;
                seen.push(distance);
            }
        }
        self.size = (seen.len() as u64).max(1);
        self.seen = Some(Seen {
            numbers,
            codes: seen,
        });
        Ok(())
    }

    fn number(&self, code: u64) -> u64 {
        match (&self.granules, &self.seen) {
            (Some(granules), _) => granules.number(code),
            (None, Some(seen)) => seen.number((code - self.low) as u32).into(),
            (None, None) => code - self.low,
        }
    }

    /// The number of all rows of a block, if they share one.
    pub(super) fn of_block(&self, source: &Source, at: &BlockRows) -> Result<Option<u64>> {
        let (low, high) = source.code_range(self.column, at)?;
        let number = self.number(low);
        // Codes that are not among the rows have no number of their own.
        let shared = match self.granules {
            Some(_) => number == self.number(high),
            None => low == high,
        };
        Ok(shared.then_some(number))
    }

    /// The numbers of all rows of a block.
    pub(super) fn numbers(
        &self,
        source: &Source,
        at: &BlockRows,
        out: &mut Vec<u64>,
    ) -> Result<()> {
        source.codes(self.column, at, out)?;
        let Some(granules) = &self.granules else {
            if self.low > 0 || self.seen.is_some() {
                out.iter_mut().for_each(|code| *code = self.number(*code));
            }
            return Ok(());
        };
        // Neighbours mostly share a granule.
        let (mut from, mut to, mut number) = (1, 0, 0);
        for code in out.iter_mut() {
            if *code < from || to < *code {
                (from, to) = granules.codes_like(*code);
                number = granules.number(*code);
            }
            *code = number;
        }
        Ok(())
    }

    /// The numbers of all rows of a block, times a factor, added to what `out` holds; put there if that is
    /// nothing. All products and sums fit.
    pub(super) fn add_numbers(
        &self,
        (source, at): (&Source, &BlockRows),
        (stride, buffers): (u32, &mut NumberBuffers),
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if let Some(quick) = self.granules.as_ref().and_then(Granules::quick) {
            source.codes(self.column, at, &mut buffers.narrow)?;
            quick.number_all(&mut buffers.narrow);
            add_scaled(&buffers.narrow, (0, stride), out);
        } else if self.granules.is_some() || self.coded.high > u32::MAX.into() {
            let NumberBuffers { codes, narrow, .. } = buffers;
            self.numbers(source, at, codes)?;
            narrow.clear();
            narrow.extend(codes.iter().map(|&number| number as u32));
            add_scaled(narrow, (0, stride), out);
        } else if out.is_empty() && stride == 1 && self.low == 0 && self.seen.is_none() {
            source.codes(self.column, at, out)?;
        } else {
            source.codes(self.column, at, &mut buffers.narrow)?;
            if let Some(seen) = &self.seen {
                let low = self.low as u32;
                let codes = buffers.narrow.iter_mut();
                codes.for_each(|code| *code = seen.number(*code - low) + low);
            }
            add_scaled(&buffers.narrow, (self.low as u32, stride), out);
        }
        Ok(())
    }

    /// The numbers of the rows of a block in runs of equal ones, if they lie in few.
    pub(super) fn number_runs(
        &self,
        source: &Source,
        at: &BlockRows,
        (codes, ends, runs): (&mut Vec<u64>, &mut Vec<u32>, &mut Vec<(u64, u32)>),
    ) -> Result<bool> {
        let most = at.rows.len() / RUN_ROWS_MIN + 1;
        runs.clear();
        let Some(granules) = &self.granules else {
            if !source.runs((self.column, at), most, (codes, ends))? {
                return Ok(false);
            }
            let numbers = codes.iter().map(|&code| self.number(code));
            runs.extend(numbers.zip(ends.iter().copied()));
            return Ok(true);
        };
        let last = |code: u64| granules.codes_like(code).1;
        if source.ascending_runs((self.column, at), most, last, (codes, ends))? {
            let numbers = codes.iter().map(|&code| granules.number(code));
            runs.extend(numbers.zip(ends.iter().copied()));
            return Ok(true);
        }
        source.codes(self.column, at, codes)?;
        let mut start = 0;
        while let Some(&code) = codes.get(start) {
            // Early, where runs are short from the beginning on.
            if runs.len() > start / RUN_ROWS_MIN + SHORT_RUNS_MAX {
                return Ok(false);
            }
            let (from, to) = granules.codes_like(code);
            let rest = codes.get(start..).unwrap_or_default();
            start += leading_within(rest, from, to);
            runs.push((granules.number(code), start as u32));
        }
        Ok(true)
    }

    /// Gives back the memory that only new rows need.
    pub(super) fn forget_numbers(&mut self) {
        if let Some(seen) = &mut self.seen {
            seen.numbers = Vec::new();
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        let seen = self.seen.as_ref();
        seen.map_or(0, |s| {
            (s.numbers.capacity() + s.codes.capacity()) * size_of::<u32>()
        })
    }

    /// Whether its numbers stand for codes, not for granules.
    pub(super) fn has_codes(&self) -> bool {
        self.granules.is_none()
    }

    /// The code that a number stands for, when they are codes.
    pub(super) fn code(&self, number: u64) -> u64 {
        let distance = match &self.seen {
            Some(seen) => seen.codes.get(number as usize).copied().unwrap_or(0).into(),
            None => number,
        };
        self.low.saturating_add(distance)
    }

    /// A moment of the granule that a number stands for; `None` for NULL.
    pub(super) fn moment(&self, number: u64) -> Option<i128> {
        self.granules.as_ref()?.moment(number)
    }
}

impl Seen {
    fn number(&self, distance: u32) -> u32 {
        self.numbers.get(distance as usize).copied().unwrap_or(0)
    }
}

/// How many numbers lie between two before the first that does not.
fn leading_within(numbers: &[u64], from: u64, to: u64) -> usize {
    let within = |n: &u64| (from..=to).contains(n);
    // Many at a time without a branch.
    let chunks = numbers.chunks(64);
    let whole = chunks.take_while(|c| c.iter().fold(true, |all, n| all & within(n)));
    let whole: usize = whole.map(<[u64]>::len).sum();
    let rest = numbers.get(whole..).unwrap_or_default();
    whole + rest.iter().take_while(|n| within(n)).count()
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn add_scaled(numbers: &[u32], (low, stride): (u32, u32), out: &mut Vec<u32>) {
    let scaled = |&number: &u32| number.wrapping_sub(low).wrapping_mul(stride);
    if out.is_empty() {
        out.extend(numbers.iter().map(scaled));
        return;
    }
    for (group, number) in out.iter_mut().zip(numbers) {
        *group += scaled(number);
    }
}
