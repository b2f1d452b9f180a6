//! Numbers for the groups of one source: by position in the product of its keys' ranges where that is
//! small, in order of appearance otherwise.

use hashbrown::HashTable;

use super::plan::Local;
use super::source::Source;
use super::values::hash_of;
use crate::scan::{BlockRows, CodedColumn, Meaning, Rows};
use crate::{Error, Result};

/// Numbered by position: so many groups always, or twice as many as there are rows up to the second.
const DENSE_ALWAYS: u64 = 1 << 16;
const DENSE_MAX: u64 = 1 << 24;

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
    origin: i128,
    step: i128,
    width: i128,
    /// Of the least value.
    first: i128,
    null: u64,
}

impl Granules {
    fn of(&self, code: u64) -> i128 {
        (self.origin + i128::from(code) * self.step).div_euclid(self.width)
    }

    fn number(&self, code: u64) -> u64 {
        if code < self.null {
            return 0;
        }
        (self.of(code) - self.first) as u64 + self.null
    }

    /// The codes around `code` that share its number.
    fn codes_like(&self, code: u64) -> (u64, u64) {
        if code < self.null {
            return (0, 0);
        }
        let granule = self.of(code);
        let before = (granule * self.width - self.origin - 1).div_euclid(self.step);
        let last = ((granule + 1) * self.width - self.origin - 1).div_euclid(self.step);
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
        if let (Meaning::Steps { origin, step }, Some(width)) = (coded.meaning, local.granule) {
            let null = u64::from(coded.null_code && low == 0);
            let mut granules = Granules {
                origin,
                step: step.max(1).into(),
                width: width.max(1).into(),
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
        Some((granules.first + i128::from(number)) * granules.width)
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
pub(super) enum BlockGroups {
    /// All rows are in one.
    One(u32),
    /// Each row is in the group that the buffer says.
    PerRow,
}

/// Memory that is used again from block to block.
#[derive(Debug, Default)]
pub(super) struct NumberBuffers {
    /// Per local: which block it holds, and the numbers of its rows.
    locals: Vec<Vec<u64>>,
    filled: Vec<bool>,
    key: Vec<u64>,
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
        Self::Interned(Interned {
            width: locals.len(),
            ..Interned::default()
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
    pub(super) fn number(
        &mut self,
        by: &Numberer<'_>,
        (at, rows): (&BlockRows, Rows<'_>),
        buffers: &mut NumberBuffers,
        out: &mut Vec<u32>,
    ) -> Result<BlockGroups> {
        if matches!(self, Self::One) {
            return Ok(BlockGroups::One(0));
        }
        let mut shared = Vec::with_capacity(by.locals.len());
        for local in by.locals {
            let domain = domain(by.domains, *local)?;
            match domain.of_block(by.source, at)? {
                Some(number) => shared.push(number),
                None => break,
            }
        }
        if shared.len() == by.locals.len() {
            return Ok(BlockGroups::One(match self {
                Self::One => 0,
                Self::Dense { strides, .. } => {
                    let parts = strides.iter().zip(&shared);
                    parts.map(|(stride, number)| stride * number).sum::<u64>() as u32
                }
                Self::Interned(interned) => interned.insert(&shared),
            }));
        }
        for local in by.locals {
            let domain = domain(by.domains, *local)?;
            buffers.fill(*local, domain, (by.source, at))?;
        }
        match self {
            Self::One => {}
            Self::Dense { strides, .. } => {
                out.clear();
                for (local, &stride) in by.locals.iter().zip(strides.iter()) {
                    let numbers = buffers.locals.get(*local).map_or(&[][..], Vec::as_slice);
                    if out.is_empty() {
                        out.extend(numbers.iter().map(|&n| (n * stride) as u32));
                    } else {
                        let rows = out.iter_mut().zip(numbers);
                        rows.for_each(|(group, &n)| *group += (n * stride) as u32);
                    }
                }
            }
            Self::Interned(interned) => interned.number(by.locals, rows, buffers, out),
        }
        Ok(BlockGroups::PerRow)
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
        let same = |&group: &u32| stored(keys, width, group) == key;
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
                Some(before) if before == key.as_slice() => last.unwrap_or(0),
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
