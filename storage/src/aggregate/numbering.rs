//! Numbers for the groups of one source: by position in the product of its keys' ranges where that is
//! small, in order of appearance otherwise (`sorted` does without hashing).

use hashbrown::HashTable;

use super::adding::count_of;
use super::domain::Domain;
use super::sorted::SortedKeys;
use super::source::Source;
use super::values::hash_of;
use crate::scan::{BlockRows, Rows};
use crate::{Error, Result};

/// Numbered by position: so many groups always, or twice as many as there are rows up to the second.
const DENSE_ALWAYS: u64 = 1 << 16;
const DENSE_MAX: u64 = 1 << 24;
/// What is guessed of groups that are numbered in order of appearance, to make room for them.
const ROWS_PER_GROUP: u64 = 8;

/// Has the keys of sets number only what there is, where there would be too many combinations otherwise.
pub(super) fn number_seen<'s>(
    domains: &mut [Domain],
    sets: impl Iterator<Item = &'s [usize]>,
    (source, blocks): (&Source, &[BlockRows]),
    (rows, sorted): (u64, Option<usize>),
) -> Result<()> {
    for locals in sets {
        let most = positions_max(rows);
        let by_sorted = |leading| SortedKeys::fits(domains, locals, (leading, most));
        if strides_of(domains, locals, rows).is_some() || sorted.is_some_and(by_sorted) {
            continue;
        }
        for local in locals {
            if let Some(domain) = domains.get_mut(*local) {
                domain.number_seen(source, blocks)?;
            }
        }
    }
    Ok(())
}

/// How many positions are few enough for so many rows.
fn positions_max(rows: u64) -> u64 {
    DENSE_ALWAYS.max((2 * rows).min(DENSE_MAX))
}

/// The factor of each key and how many positions there are, if those are few enough for so many rows.
fn strides_of(domains: &[Domain], locals: &[usize], rows: u64) -> Option<(Vec<u64>, usize)> {
    let (mut strides, mut groups) = (Vec::with_capacity(locals.len()), 1u64);
    for local in locals {
        let size = domains.get(*local).map_or(1, |d| d.size);
        strides.push(groups);
        groups = groups.saturating_mul(size);
    }
    (groups <= positions_max(rows)).then_some((strides, groups as usize))
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
    /// For each group a number per key, or one for all keys together.
    keys: Vec<u64>,
    width: usize,
    /// By how many bits each key is shifted, where one number holds all.
    shifts: Option<Vec<u32>>,
    /// In place of the table, where rows are sorted by one of the keys.
    sorted: Option<SortedKeys>,
    /// Whether a combination may be several groups: that is left to whom they are handed to.
    repeats: Repeats,
    /// Combinations handed on last; no combination is all ones.
    recent: Vec<u64>,
}

/// Combinations that are mostly new cost more to be found again than to be handed on twice.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
enum Repeats {
    #[default]
    Never,
    /// Once so many rows have been numbered, if most of them were new.
    After(usize),
    Always,
}

/// Rows after which it is seen whether most are new.
const ROWS_SEEN: usize = 16_384;
/// So many of them are remembered, by hash.
const RECENT: usize = 8192;

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
    pub(super) codes: Vec<u64>,
    pub(super) narrow: Vec<u32>,
    ends: Vec<u32>,
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
    /// `sorted`: the local that all rows are sorted by.
    pub(super) fn new(
        domains: &[Domain],
        locals: &[usize],
        (rows, sorted): (u64, Option<usize>),
    ) -> Self {
        if locals.is_empty() {
            return Self::One;
        }
        if let Some((strides, groups)) = strides_of(domains, locals, rows) {
            return Self::Dense { strides, groups };
        }
        let likely = (rows / ROWS_PER_GROUP).min(DENSE_MAX) as usize;
        let shifts = word_shifts(domains, locals);
        let width = shifts.as_ref().map_or(locals.len(), |_| 1);
        let sorted = shifts
            .as_ref()
            .and_then(|_| SortedKeys::new(domains, locals, (sorted, positions_max(rows))));
        let table = match sorted {
            Some(_) => HashTable::new(),
            None => HashTable::with_capacity(likely),
        };
        Self::Interned(Interned {
            table,
            keys: Vec::with_capacity(likely * width),
            width,
            shifts,
            sorted,
            repeats: Repeats::Never,
            recent: Vec::new(),
        })
    }

    /// The same where the groups are only handed on to be made different.
    #[must_use]
    pub(super) fn repeating(mut self) -> Self {
        if let Self::Interned(interned) = &mut self {
            interned.repeats = Repeats::After(ROWS_SEEN);
        }
        self
    }

    /// Gives back the memory that only new groups need.
    pub(super) fn forget_table(&mut self) {
        if let Self::Interned(interned) = self {
            interned.table = HashTable::new();
            interned.recent = Vec::new();
            interned.sorted = None;
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::One | Self::Dense { .. } => 0,
            Self::Interned(interned) => {
                let sorted = interned.sorted.as_ref().map_or(0, SortedKeys::memory);
                let keys = interned.keys.capacity() * size_of::<u64>();
                interned.table.allocation_size() + sorted + keys
            }
        }
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
                let number = |g: u32| interned.number_of(g, (key, size)).unwrap_or(0);
                groups.map(number).collect()
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
                Self::Interned(interned) => interned.insert_numbers(&shared),
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
    let NumberBuffers {
        codes, ends, runs, ..
    } = buffers;
    if !domain(by.domains, *local)?.number_runs(by.source, at, (codes, ends, runs))? {
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

    /// The number of one key of a group; `size` is that of its domain.
    fn number_of(&self, group: u32, (key, size): (usize, u64)) -> Option<u64> {
        let numbers = self.key(group as usize);
        match &self.shifts {
            Some(shifts) => {
                let number = numbers.first()? >> shifts.get(key)?;
                Some(number & ((1 << bits_of(size)) - 1))
            }
            None => numbers.get(key).copied(),
        }
    }

    /// The group of a number per key.
    fn insert_numbers(&mut self, numbers: &[u64]) -> u32 {
        match &self.shifts {
            Some(shifts) => {
                let parts = shifts.iter().zip(numbers);
                let word = parts.map(|(shift, number)| number << shift).sum();
                if let Some(sorted) = &mut self.sorted {
                    let number = |key: usize| numbers.get(key).copied().unwrap_or(0);
                    let (group, is_new) = sorted.group(number, self.keys.len() as u32);
                    if is_new {
                        self.keys.push(word);
                    }
                    return group;
                }
                self.insert_word(word)
            }
            None => self.insert(numbers),
        }
    }

    /// The same as `insert` for keys of one number.
    fn insert_word(&mut self, word: u64) -> u32 {
        let keys = &mut self.keys;
        let hash = hash_of(&[word]);
        let same = |&group: &u32| keys.get(group as usize) == Some(&word);
        if let Some(&group) = self.table.find(hash, same) {
            return group;
        }
        let group = keys.len() as u32;
        keys.push(word);
        let rehash = |&group: &u32| hash_of(&[keys.get(group as usize).copied().unwrap_or(0)]);
        self.table.insert_unique(hash, group, rehash);
        group
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
        if let Some(shifts) = self.shifts.clone() {
            key.clear();
            key.resize(length, 0);
            for (column, shift) in columns.iter().zip(shifts) {
                let words = key.iter_mut().zip(*column);
                words.for_each(|(word, &number)| *word |= number << shift);
            }
            match &mut self.sorted {
                Some(sorted) => number_sorted((sorted, &mut self.keys), (&columns, key), rows, out),
                None => self.number_words(key, rows, out),
            }
            return;
        }
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

    /// Makes a group of every row, but for those of a combination that was there a moment ago.
    fn hand_on(&mut self, words: &[u64], rows: Rows<'_>) {
        self.recent.resize(RECENT, u64::MAX);
        let mut add = |word: Option<&u64>| {
            if let Some(&word) = word
                && let Some(recent) = self.recent.get_mut(hash_of(&[word]) as usize % RECENT)
                && *recent != word
            {
                *recent = word;
                self.keys.push(word);
            }
        };
        match rows {
            Rows::Range(from, to) => (from..to).for_each(|row| add(words.get(row))),
            Rows::Picked(rows) => rows.iter().for_each(|&row| add(words.get(row as usize))),
        }
    }

    fn number_words(&mut self, words: &[u64], rows: Rows<'_>, out: &mut [u32]) {
        if let Repeats::After(left) = self.repeats {
            let left = left.saturating_sub(count_of(rows) as usize);
            self.repeats = match left {
                0 if self.keys.len() > ROWS_SEEN / 2 => Repeats::Always,
                0 => Repeats::Never,
                left => Repeats::After(left),
            };
        }
        if self.repeats == Repeats::Always {
            self.hand_on(words, rows);
            return;
        }
        let mut last = None;
        let mut number = |row: usize| {
            let (Some(&word), Some(slot)) = (words.get(row), out.get_mut(row)) else {
                return;
            };
            let group = match last {
                Some((before, group)) if before == word => group,
                _ => self.insert_word(word),
            };
            last = Some((word, group));
            *slot = group;
        };
        match rows {
            Rows::Range(from, to) => (from..to).for_each(&mut number),
            Rows::Picked(rows) => rows.iter().for_each(|&row| number(row as usize)),
        }
    }
}

/// Bits that hold any number of a domain; there may be one more number than the size says.
fn bits_of(size: u64) -> u32 {
    u64::BITS - size.leading_zeros()
}

/// Numbers rows by the columns of their keys, of which one is sorted; `words` are the keys of new groups.
fn number_sorted(
    (sorted, keys): (&mut SortedKeys, &mut Vec<u64>),
    (columns, words): (&[&[u64]], &[u64]),
    rows: Rows<'_>,
    out: &mut [u32],
) {
    let mut number = |row: usize| {
        let number = |key: usize| columns.get(key).and_then(|c| c.get(row)).copied();
        let (group, is_new) = sorted.group(|key| number(key).unwrap_or(0), keys.len() as u32);
        if is_new {
            keys.push(words.get(row).copied().unwrap_or(0));
        }
        if let Some(slot) = out.get_mut(row) {
            *slot = group;
        }
    };
    match rows {
        Rows::Range(from, to) => (from..to).for_each(&mut number),
        Rows::Picked(rows) => rows.iter().for_each(|&row| number(row as usize)),
    }
}

/// By how many bits each key is shifted, if all fit one number.
fn word_shifts(domains: &[Domain], locals: &[usize]) -> Option<Vec<u32>> {
    let (mut shifts, mut used) = (Vec::with_capacity(locals.len()), 0);
    for local in locals {
        shifts.push(used);
        used += bits_of(domains.get(*local)?.size);
    }
    // A shift by all bits is none.
    (used < u64::BITS).then_some(shifts)
}
