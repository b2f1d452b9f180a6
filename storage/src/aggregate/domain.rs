//! Numbers for the groups of one source: by position in the product of its keys' ranges where that is
//! small, in order of appearance otherwise.

use hashbrown::HashTable;
use multiversion::multiversion;

use super::plan::Local;
use super::source::Source;
use super::values::hash_of;
use crate::scan::{BlockRows, CodedColumn, Meaning, Rows};
use crate::{Error, Result};

/// Numbered by position: so many groups always, or twice as many as there are rows up to the second.
const DENSE_ALWAYS: u64 = 1 << 16;
const DENSE_MAX: u64 = 1 << 24;
/// What is guessed of groups that are numbered in order of appearance, to make room for them.
const ROWS_PER_GROUP: u64 = 8;

/// Runs that are shorter on average are not worth to be found.
const RUN_ROWS_MIN: usize = 64;

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
}

/// Moments by granule: number 0 is NULL where there is a code for it.
#[derive(Debug, Clone, Copy)]
struct Granules {
    origin: i64,
    step: i64,
    width: i64,
    /// Of the least value.
    first: i64,
    null: u64,
}

impl Granules {
    /// Moments have 64 bits, and so has every code's.
    fn of(&self, code: u64) -> i64 {
        let moment = (code as i64).wrapping_mul(self.step);
        self.origin.wrapping_add(moment).div_euclid(self.width)
    }

    fn number(&self, code: u64) -> u64 {
        if code < self.null {
            return 0;
        }
        self.of(code).wrapping_sub(self.first) as u64 + self.null
    }

    /// The codes around `code` that share its number.
    fn codes_like(&self, code: u64) -> (u64, u64) {
        if code < self.null {
            return (0, 0);
        }
        let start =
            i128::from(self.of(code)) * i128::from(self.width) - i128::from(self.origin) - 1;
        let end = start + i128::from(self.width);
        // Division of 128 bits takes long, and is hardly ever needed.
        let step = |distance: i128| match i64::try_from(distance) {
            Ok(distance) => distance.div_euclid(self.step).into(),
            Err(_) => distance.div_euclid(self.step.into()),
        };
        let (before, last) = (step(start), step(end));
        ((before + 1).max(self.null.into()) as u64, last as u64)
    }
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
        };
        if let (Meaning::Steps { origin, step }, Some(width)) = (coded.meaning, local.granule)
            && let (Ok(origin), Ok(step)) = (i64::try_from(origin), i64::try_from(step))
            && let Ok(width) = i64::try_from(width)
        {
            let null = u64::from(coded.null_code && low == 0);
            let mut granules = Granules {
                origin,
                step: step.max(1),
                width: width.max(1),
                first: 0,
                null,
            };
            granules.first = granules.of(low.max(coded.null_code.into()).min(high));
            domain.size = granules.number(high.max(coded.null_code.into())) + 1;
            domain.granules = Some(granules);
        }
        Ok(domain)
    }

    fn number(&self, code: u64) -> u64 {
        match &self.granules {
            Some(granules) => granules.number(code),
            None => code - self.low,
        }
    }

    /// The number of all rows of a block, if they share one.
    fn of_block(&self, source: &Source, at: &BlockRows) -> Result<Option<u64>> {
        let (low, high) = source.code_range(self.column, at)?;
        let number = self.number(low);
        Ok((number == self.number(high)).then_some(number))
    }

    /// The numbers of all rows of a block.
    fn numbers(&self, source: &Source, at: &BlockRows, out: &mut Vec<u64>) -> Result<()> {
        source.codes(self.column, at, out)?;
        let Some(granules) = &self.granules else {
            if self.low > 0 {
                out.iter_mut().for_each(|code| *code -= self.low);
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
    fn add_numbers(
        &self,
        (source, at): (&Source, &BlockRows),
        (stride, buffers): (u32, &mut NumberBuffers),
        out: &mut Vec<u32>,
    ) -> Result<()> {
        if self.granules.is_some() || self.coded.high > u32::MAX.into() {
            let NumberBuffers { codes, narrow, .. } = buffers;
            self.numbers(source, at, codes)?;
            narrow.clear();
            narrow.extend(codes.iter().map(|&number| number as u32));
            add_scaled(narrow, (0, stride), out);
        } else if out.is_empty() && stride == 1 && self.low == 0 {
            source.codes(self.column, at, out)?;
        } else {
            source.codes(self.column, at, &mut buffers.narrow)?;
            add_scaled(&buffers.narrow, (self.low as u32, stride), out);
        }
        Ok(())
    }

    /// The numbers of the rows of a block in runs of equal ones, if they lie in few.
    fn number_runs(
        &self,
        source: &Source,
        at: &BlockRows,
        (codes, runs): (&mut Vec<u64>, &mut Vec<(u64, u32)>),
    ) -> Result<bool> {
        let Some(granules) = &self.granules else {
            return Ok(false);
        };
        source.codes(self.column, at, codes)?;
        runs.clear();
        let (mut start, most) = (0, codes.len() / RUN_ROWS_MIN + 1);
        while let Some(&code) = codes.get(start) {
            if runs.len() == most {
                return Ok(false);
            }
            let (from, to) = granules.codes_like(code);
            let rest = codes.get(start..).unwrap_or_default();
            start += leading_within(rest, from, to);
            runs.push((granules.number(code), start as u32));
        }
        Ok(true)
    }

    /// Whether its numbers stand for codes, not for granules.
    pub(super) fn has_codes(&self) -> bool {
        self.granules.is_none()
    }

    /// The code that a number stands for, when they are codes.
    pub(super) fn code(&self, number: u64) -> u64 {
        self.low.saturating_add(number)
    }

    /// A moment of the granule that a number stands for; `None` for NULL.
    pub(super) fn moment(&self, number: u64) -> Option<i128> {
        let granules = self.granules.as_ref()?;
        let number = number.checked_sub(granules.null)?;
        Some((i128::from(granules.first) + i128::from(number)) * i128::from(granules.width))
    }
}

/// How the groups of a set are numbered in one source.
#[derive(Debug)]
pub(super) enum Numbering {
    /// There is one group.
    One,
    /// By position; the factor per key.
    Dense { strides: Vec<u64>, groups: usize },
    /// In order of appearance.
    Interned(Interned),
}

/// Combinations of keys seen so far.
#[derive(Debug, Default)]
pub(super) struct Interned {
    table: HashTable<u32>,
    /// A number per key for each group.
    keys: Vec<u64>,
    width: usize,
}

/// The groups of the rows of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BlockGroups<'a> {
    /// All rows are in one.
    One(u32),
    /// Each with the row it ends before.
    Runs(&'a [(u32, u32)]),
    PerRow(&'a [u32]),
}

impl BlockGroups<'_> {
    /// Calls for every group with the rows of it among the selected ones. Runs are of ranges; nothing is called
    /// where each row has a group of its own.
    pub(super) fn each_run(&self, rows: Rows<'_>, mut call: impl FnMut(u32, Rows<'_>)) {
        match (self, rows) {
            (Self::One(group), rows) => call(*group, rows),
            (Self::Runs(runs), Rows::Range(from, to)) => {
                let mut start = from;
                for &(group, end) in *runs {
                    let end = (end as usize).min(to);
                    if start < end {
                        call(group, Rows::Range(start, end));
                        start = end;
                    }
                }
            }
            (Self::Runs(_), Rows::Picked(_)) | (Self::PerRow(_), _) => {}
        }
    }
}

/// Memory for the groups of a block.
#[derive(Debug, Default)]
pub(super) struct GroupBuffer {
    per_row: Vec<u32>,
    runs: Vec<(u32, u32)>,
}

/// Memory that is used again from block to block.
#[derive(Debug, Default)]
pub(super) struct NumberBuffers {
    /// Per local: which block it holds, and the numbers of its rows.
    locals: Vec<Vec<u64>>,
    filled: Vec<bool>,
    key: Vec<u64>,
    codes: Vec<u64>,
    narrow: Vec<u32>,
    runs: Vec<(u64, u32)>,
}

impl NumberBuffers {
    /// Forgets the block before.
    pub(super) fn next_block(&mut self, locals: usize) {
        self.locals.resize_with(locals, Vec::new);
        self.filled.clear();
        self.filled.resize(locals, false);
    }

    fn fill(&mut self, local: usize, domain: &Domain, block: (&Source, &BlockRows)) -> Result<()> {
        if let (Some(filled), Some(numbers)) =
            (self.filled.get_mut(local), self.locals.get_mut(local))
            && !*filled
        {
            domain.numbers(block.0, block.1, numbers)?;
            *filled = true;
        }
        Ok(())
    }
}

/// The domains of all locals and the numbering of one set of them.
pub(super) struct Numberer<'a> {
    pub(super) source: &'a Source,
    pub(super) domains: &'a [Domain],
    /// Which of the domains.
    pub(super) locals: &'a [usize],
}

impl Numbering {
    pub(super) fn new(domains: &[Domain], locals: &[usize], rows: u64) -> Self {
        if locals.is_empty() {
            return Self::One;
        }
        let limit = DENSE_ALWAYS.max((2 * rows).min(DENSE_MAX));
        let (mut strides, mut groups) = (Vec::with_capacity(locals.len()), 1u64);
        for local in locals {
            let size = domains.get(*local).map_or(1, |d| d.size);
            strides.push(groups);
            groups = groups.saturating_mul(size);
        }
        if groups <= limit {
            let groups = groups as usize;
            return Self::Dense { strides, groups };
        }
        let likely = (rows / ROWS_PER_GROUP).min(DENSE_MAX) as usize;
        Self::Interned(Interned {
            table: HashTable::with_capacity(likely),
            keys: Vec::with_capacity(likely * locals.len()),
            width: locals.len(),
        })
    }

    /// Groups there may be, so far.
    pub(super) fn groups(&self) -> usize {
        match self {
            Self::One => 1,
            Self::Dense { groups, .. } => *groups,
            Self::Interned(interned) => interned.groups(),
        }
    }

    /// The numbers of some groups for one of their keys; `size` is that of its domain.
    pub(super) fn numbers(&self, key: usize, size: u64, groups: &[u32]) -> Vec<u64> {
        let groups = groups.iter().copied();
        match self {
            Self::One => groups.map(|_| 0).collect(),
            Self::Dense { strides, .. } if strides.len() == 1 => groups.map(u64::from).collect(),
            Self::Dense { strides, .. } => {
                let stride = strides.get(key).copied().unwrap_or(1);
                groups.map(|g| u64::from(g) / stride % size).collect()
            }
            Self::Interned(interned) => {
                let number = |g: u32| interned.key(g as usize).get(key).copied();
                groups.map(|g| number(g).unwrap_or(0)).collect()
            }
        }
    }

    /// Numbers the groups of the selected rows of a block; the others' numbers are of no meaning.
    pub(super) fn number<'b>(
        &mut self,
        by: &Numberer<'_>,
        (at, rows): (&BlockRows, Rows<'_>),
        buffers: &mut NumberBuffers,
        out: &'b mut GroupBuffer,
    ) -> Result<BlockGroups<'b>> {
        let mut shared = Vec::with_capacity(by.locals.len());
        for local in by.locals {
            shared.push(domain(by.domains, *local)?.of_block(by.source, at)?);
        }
        if let Some(shared) = shared.iter().copied().collect::<Option<Vec<u64>>>() {
            return Ok(BlockGroups::One(match self {
                Self::One => 0,
                Self::Dense { strides, .. } => {
                    let parts = strides.iter().zip(&shared);
                    parts.map(|(stride, number)| stride * number).sum::<u64>() as u32
                }
                Self::Interned(interned) => interned.insert(&shared),
            }));
        }
        match self {
            Self::One => return Ok(BlockGroups::One(0)),
            Self::Dense { strides, .. } => {
                let strides: Vec<(u64, Option<u64>)> =
                    strides.iter().copied().zip(shared).collect();
                if let Rows::Range(..) = rows
                    && dense_runs(by, at, &strides, (buffers, &mut out.runs))?
                {
                    return Ok(BlockGroups::Runs(&out.runs));
                }
                dense_rows(by, at, &strides, (buffers, &mut out.per_row))?;
            }
            Self::Interned(interned) => {
                for local in by.locals {
                    let domain = domain(by.domains, *local)?;
                    buffers.fill(*local, domain, (by.source, at))?;
                }
                interned.number(by.locals, rows, buffers, &mut out.per_row);
            }
        }
        Ok(BlockGroups::PerRow(&out.per_row))
    }
}

/// The groups of a block in runs, where all keys but one are the same in all rows and that one lies in
/// runs. Of each key its stride, and its number if all rows share it.
fn dense_runs(
    by: &Numberer<'_>,
    at: &BlockRows,
    strides: &[(u64, Option<u64>)],
    (buffers, out): (&mut NumberBuffers, &mut Vec<(u32, u32)>),
) -> Result<bool> {
    let mut varying = by
        .locals
        .iter()
        .zip(strides)
        .filter(|(_, (_, n))| n.is_none());
    let (Some((local, (stride, _))), None) = (varying.next(), varying.next()) else {
        return Ok(false);
    };
    let NumberBuffers { codes, runs, .. } = buffers;
    if !domain(by.domains, *local)?.number_runs(by.source, at, (codes, runs))? {
        return Ok(false);
    }
    let base = base_of(strides);
    let group = |(number, end): &(u64, u32)| ((base + number * stride) as u32, *end);
    out.clear();
    out.extend(runs.iter().map(group));
    Ok(true)
}

/// The group of every row of a block.
fn dense_rows(
    by: &Numberer<'_>,
    at: &BlockRows,
    strides: &[(u64, Option<u64>)],
    (buffers, out): (&mut NumberBuffers, &mut Vec<u32>),
) -> Result<()> {
    out.clear();
    for (local, (stride, number)) in by.locals.iter().zip(strides) {
        if number.is_none() {
            let domain = domain(by.domains, *local)?;
            domain.add_numbers((by.source, at), (*stride as u32, buffers), out)?;
        }
    }
    let base = base_of(strides) as u32;
    if base > 0 {
        out.iter_mut().for_each(|group| *group += base);
    }
    Ok(())
}

/// What the keys that all rows share add to their groups.
fn base_of(strides: &[(u64, Option<u64>)]) -> u64 {
    let shared = strides
        .iter()
        .filter_map(|(stride, n)| Some(stride * (*n)?));
    shared.sum()
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

fn domain(domains: &[Domain], local: usize) -> Result<&Domain> {
    let domain = domains.get(local);
    domain.ok_or_else(|| Error::Invalid("no such key".into()))
}

impl Interned {
    fn groups(&self) -> usize {
        self.keys.len() / self.width.max(1)
    }

    fn key(&self, group: usize) -> &[u64] {
        let start = group * self.width;
        self.keys.get(start..start + self.width).unwrap_or_default()
    }

    /// The group of a combination, perhaps a new one.
    fn insert(&mut self, key: &[u64]) -> u32 {
        let (keys, width) = (&mut self.keys, self.width);
        fn stored(keys: &[u64], width: usize, group: u32) -> &[u64] {
            let start = group as usize * width;
            keys.get(start..start + width).unwrap_or_default()
        }
        let hash = hash_of(key);
        // Keys are few: a call to compare memory would cost more.
        let same = |&group: &u32| {
            let stored = stored(keys, width, group);
            stored.iter().zip(key).all(|(a, b)| a == b)
        };
        if let Some(&group) = self.table.find(hash, same) {
            return group;
        }
        let group = (keys.len() / width.max(1)) as u32;
        keys.extend_from_slice(key);
        let rehash = |&group: &u32| hash_of(stored(keys, width, group));
        self.table.insert_unique(hash, group, rehash);
        group
    }

    fn number(
        &mut self,
        locals: &[usize],
        rows: Rows<'_>,
        buffers: &mut NumberBuffers,
        out: &mut Vec<u32>,
    ) {
        let NumberBuffers {
            locals: all, key, ..
        } = buffers;
        let columns: Vec<&[u64]> = locals
            .iter()
            .map(|&l| all.get(l).map_or(&[][..], Vec::as_slice))
            .collect();
        let length = columns.first().map_or(0, |c| c.len());
        out.clear();
        out.resize(length, 0);
        let mut last: Option<u32> = None;
        let mut number = |row: usize| {
            let before = last.map(|group| self.key(group as usize));
            key.clear();
            key.extend(columns.iter().filter_map(|c| c.get(row)));
            let group = match before {
                Some(before) if before.iter().zip(&*key).all(|(a, b)| a == b) => last.unwrap_or(0),
                _ => self.insert(key),
            };
            last = Some(group);
            if let Some(slot) = out.get_mut(row) {
                *slot = group;
            }
        };
        match rows {
            Rows::Range(from, to) => (from..to).for_each(&mut number),
            Rows::Picked(rows) => rows.iter().for_each(|&row| number(row as usize)),
        }
    }
}
