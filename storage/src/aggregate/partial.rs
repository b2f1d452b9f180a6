//! Records of the groups of one source: their keys by identities that hold in all sources, and their
//! sums as values.

use arrow::array::{Array, ArrayRef, AsArray};

use super::domain::Domain;
use super::fields::Totals;
use super::folded::FoldedKeys;
use super::numbering::Numbering;
use super::places::Places;
use super::plan::{GroupSet, Identity, Local, Plan, Slot, Target};
use super::request::{AggregateError, Measure};
use super::source::Source;
use super::values::{array_of, hash_of, integers_of};
use crate::scan::Meaning;
use crate::{Error, Result};

/// Records are parted by hash, so that the parts can be merged side by side.
pub(super) const PARTS: usize = 256;

/// Bits of a header: which keys are NULL, the source, the code of the first string.
pub(super) const SOURCE_SHIFT: u32 = 32;
pub(super) const NULL_SHIFT: u32 = 56;
/// Sources that a header can name.
pub(super) const SOURCES_MAX: usize = 1 << 24;

/// Groups made into records at a time.
const CHUNK: usize = 65_536;

/// Records of one set.
#[derive(Debug, Default)]
pub(super) struct Records {
    pub(super) parts: Vec<Vec<u64>>,
}

/// Parts over which the values of one group are spread, where these are counted: few, so that a part counts many
/// of a group, and more than one, since a group may have nearly all.
const SPREAD: usize = 4;

/// The part of the records whose identities have this hash.
fn part_of(hash: u64) -> usize {
    // The low bits choose a place within the part.
    (hash >> 56) as usize % PARTS
}

/// The part of a record with such keys.
fn part_of_keys(set: &GroupSet, keys: &[u64]) -> usize {
    match set.own.and_then(|own| keys.get(..own)) {
        None | Some([]) => part_of(hash_of(keys)),
        Some(own) => {
            let part = part_of(hash_of(own));
            part - part % SPREAD + part_of(hash_of(keys)) % SPREAD
        }
    }
}

impl Records {
    pub(super) fn push(&mut self, set: &GroupSet, record: &[u64]) {
        if self.parts.is_empty() {
            self.parts.resize_with(PARTS, Vec::new);
        }
        let keys = record.get(..set.header()).unwrap_or_default();
        if let Some(part) = self.parts.get_mut(part_of_keys(set, keys)) {
            append(part, record);
        }
    }

    /// Bytes that they take.
    pub(super) fn memory(&self) -> usize {
        let parts = self.parts.iter().map(|part| part.capacity());
        parts.sum::<usize>() * size_of::<u64>()
    }

    /// Makes room for so many records that spread evenly.
    fn reserve(&mut self, set: &GroupSet, records: usize) {
        if records >= 4 * PARTS {
            self.parts.resize_with(PARTS, Vec::new);
            let words = (records / PARTS + records / PARTS / 8) * set.width();
            self.parts.iter_mut().for_each(|part| part.reserve(words));
        }
    }
}

/// `extend_from_slice`, but short records are not copied by a call.
fn append(part: &mut Vec<u64>, record: &[u64]) {
    fn whole<const W: usize>(part: &mut Vec<u64>, record: &[u64]) {
        if let Some(record) = record.first_chunk::<W>() {
            part.extend_from_slice(record);
        }
    }
    match record.len() {
        2 => whole::<2>(part, record),
        3 => whole::<3>(part, record),
        4 => whole::<4>(part, record),
        5 => whole::<5>(part, record),
        6 => whole::<6>(part, record),
        7 => whole::<7>(part, record),
        8 => whole::<8>(part, record),
        _ => part.extend_from_slice(record),
    }
}

/// Groups that records are wanted of, by the hashes of their identities. Some others may be taken for wanted, but
/// then in all sources.
#[derive(Debug)]
pub(super) struct Wanted {
    bits: Vec<u64>,
}

/// Bits per group, so that one in so many others is taken for wanted.
const WANTED_SHARE: usize = 64;

impl Wanted {
    pub(super) fn new(identities: &[u64]) -> Self {
        let bits = (identities.len() * WANTED_SHARE)
            .max(4096)
            .next_power_of_two();
        let mut wanted = Self {
            bits: vec![0; bits / 64],
        };
        for &identity in identities {
            let (word, bit) = wanted.place(identity);
            if let Some(word) = wanted.bits.get_mut(word) {
                *word |= bit;
            }
        }
        wanted
    }

    fn place(&self, identity: u64) -> (usize, u64) {
        (
            (identity as usize / 64) & (self.bits.len() - 1),
            1 << (identity % 64),
        )
    }

    fn has(&self, identity: u64) -> bool {
        let (word, bit) = self.place(identity);
        self.bits.get(word).is_some_and(|word| word & bit != 0)
    }
}

/// Of which of some groups records are made, and where their sums are.
#[derive(Debug, Clone, Copy)]
pub(super) enum Chosen<'a> {
    /// Of all, sums by the group's number.
    Numbered,
    /// Of those that are wanted, or all if nothing is said; sums by the place among the groups.
    Kept(Option<&'a Wanted>),
}

/// One set of groups of one source.
pub(super) struct Partial<'a> {
    pub(super) plan: &'a Plan,
    pub(super) set: &'a GroupSet,
    pub(super) source: &'a Source,
    pub(super) number: u64,
    pub(super) domains: &'a [Domain],
    pub(super) numbering: &'a Numbering,
    /// Of the first set.
    pub(super) totals: Option<&'a Totals>,
    /// Per output of the plan, of those that are folded.
    pub(super) folded: &'a [Option<FoldedKeys>],
}

/// A key of many groups.
pub(super) struct KeyColumn {
    pub(super) words: Vec<u64>,
    pub(super) nulls: Vec<bool>,
    /// Of strings.
    pub(super) codes: Vec<u32>,
}

impl KeyColumn {
    fn word(&self, at: usize) -> u64 {
        self.words.get(at).copied().unwrap_or(0)
    }
}

impl Partial<'_> {
    /// Makes records of some groups.
    pub(super) fn emit(
        &self,
        groups: &[u32],
        chosen: Chosen<'_>,
        records: &mut Records,
    ) -> Result<(), AggregateError> {
        if !matches!(chosen, Chosen::Kept(Some(_))) {
            records.reserve(self.set, groups.len());
        }
        let chunks = groups.chunks(CHUNK).zip((0..).step_by(CHUNK));
        for (groups, first) in chunks {
            self.emit_some((groups, first), chosen, records)?;
        }
        Ok(())
    }

    /// The hashes of the identities of some groups.
    pub(super) fn identities(&self, groups: &[u32]) -> Result<Vec<u64>, AggregateError> {
        let keys = self.keys(groups)?;
        let mut words = Vec::with_capacity(keys.len());
        let identity = |at: usize| {
            words.clear();
            words.extend(keys.iter().map(|key| key.word(at)));
            hash_of(&words)
        };
        Ok((0..groups.len()).map(identity).collect())
    }

    /// Of each of some groups the words of its keys, and one that says which of them are NULL.
    pub(super) fn whole_keys(&self, groups: &[u32]) -> Result<Vec<u64>, AggregateError> {
        let keys = self.keys(groups)?;
        let mut words = Vec::with_capacity((keys.len() + 1) * groups.len());
        for at in 0..groups.len() {
            words.extend(keys.iter().map(|key| key.word(at)));
            words.push(nulls_of(&keys, at));
        }
        Ok(words)
    }

    fn emit_some(
        &self,
        (groups, first): (&[u32], usize),
        chosen: Chosen<'_>,
        records: &mut Records,
    ) -> Result<(), AggregateError> {
        let keys = self.keys(groups)?;
        let mut record = Vec::with_capacity(self.set.width());
        for (at, &group) in groups.iter().enumerate() {
            record.clear();
            record.extend(keys.iter().map(|key| key.word(at)));
            let place = match chosen {
                Chosen::Kept(Some(wanted)) if !wanted.has(hash_of(&record)) => continue,
                Chosen::Kept(_) => first + at,
                Chosen::Numbered => group as usize,
            };
            self.put_header(&keys, at, &mut record);
            if let Some(totals) = self.totals {
                for target in &self.plan.targets {
                    put_slot(totals, target, place, &mut record);
                }
            }
            records.push(self.set, &record);
        }
        Ok(())
    }

    /// The keys of some groups.
    fn keys(&self, groups: &[u32]) -> Result<Vec<KeyColumn>, AggregateError> {
        let numbers = self.numbers(groups);
        let mut keys = Vec::with_capacity(self.set.outputs.len());
        for &number in &self.set.outputs {
            let output = self.plan.outputs.get(number);
            let output = output.ok_or_else(|| Error::Invalid("no such key".into()))?;
            let at = self.set.locals.iter().position(|l| *l == output.local);
            let numbers = at.and_then(|at| numbers.get(at));
            let numbers = numbers.ok_or_else(|| Error::Invalid("no such key".into()))?;
            keys.push(self.key(number, numbers)?);
        }
        Ok(keys)
    }

    /// Per local of the set, the numbers of the groups' keys.
    fn numbers(&self, groups: &[u32]) -> Vec<Vec<u64>> {
        let size = |local: usize| self.domains.get(local).map_or(1, |d| d.size);
        let locals = self.set.locals.iter().enumerate();
        locals
            .map(|(key, local)| self.numbering.numbers(key, size(*local), groups))
            .collect()
    }

    /// What of a record follows the words of its keys.
    fn put_header(&self, keys: &[KeyColumn], at: usize, record: &mut Vec<u64>) {
        let header = self.number << SOURCE_SHIFT | nulls_of(keys, at) << NULL_SHIFT;
        let strings = self.set.strings.iter().filter_map(|&s| keys.get(s));
        let mut codes = strings.map(|key| u64::from(key.codes.get(at).copied().unwrap_or(0)));
        record.push(header | codes.next().unwrap_or(0));
        record.extend(codes);
    }

    /// The key of an output of the plan, given by its number.
    fn key(&self, number: usize, numbers: &[u64]) -> Result<KeyColumn, AggregateError> {
        let missing = || Error::Invalid("no such key".into());
        let output = self.plan.outputs.get(number).ok_or_else(missing)?;
        let local = self.plan.locals.get(output.local).ok_or_else(missing)?;
        let domain = self.domains.get(output.local).ok_or_else(missing)?;
        Ok(match &output.identity {
            Identity::Word { .. } => self.word_key(local, domain, numbers)?,
            Identity::String => self.string_key(local, domain, numbers)?,
            Identity::Folded(_) => {
                let folded = self.folded.get(number).and_then(Option::as_ref);
                folded.ok_or_else(missing)?.key(domain, numbers)
            }
            Identity::Mapped(function, interner) => {
                let (places, used) = Places::of(numbers, domain.size);
                let values = self.values(local, domain, &used)?;
                let mapped = function.map.map(&values).map_err(AggregateError::Caller)?;
                if mapped.len() != used.len() || *mapped.data_type() != function.data_type {
                    return Err(Error::Invalid("a function gave another array".into()).into());
                }
                let folded = function.fold.as_ref().map(|fold| fold.map(&mapped));
                let folded = folded.transpose().map_err(AggregateError::Caller)?;
                let told_apart = folded.as_ref().unwrap_or(&mapped);
                if told_apart.len() != mapped.len() {
                    return Err(Error::Invalid("a fold gave another array".into()).into());
                }
                let words = interner.lock().intern(told_apart, &mapped)?;
                let word = |&number: &u64| words.get(places.place(number)).copied().unwrap_or(0);
                KeyColumn {
                    words: numbers.iter().map(|number| word(number).into()).collect(),
                    nulls: Vec::new(),
                    codes: Vec::new(),
                }
            }
        })
    }

    /// What numbers of a domain stand for.
    fn values(&self, local: &Local, domain: &Domain, numbers: &[u64]) -> Result<ArrayRef> {
        if domain.has_codes() {
            let codes: Vec<u64> = numbers.iter().map(|&n| domain.code(n)).collect();
            return self.source.values(local.column, &codes);
        }
        let moments: Vec<_> = numbers.iter().map(|&n| domain.moment(n)).collect();
        array_of(&local.data_type, &moments)
    }

    fn word_key(&self, local: &Local, domain: &Domain, numbers: &[u64]) -> Result<KeyColumn> {
        let null = u64::from(domain.coded.null_code);
        let codes = numbers.iter().map(|&n| domain.code(n));
        // Words are the low 64 bits of values, and so are their sums.
        let words: Vec<u64> = match domain.coded.meaning {
            Meaning::Steps { origin, step } => codes
                .map(|code| (origin as u64).wrapping_add(code.wrapping_mul(step)))
                .collect(),
            Meaning::Number => {
                // Of NULL any entry, which is overwritten.
                let entries: Vec<u32> = codes.map(|c| c.saturating_sub(null) as u32).collect();
                self.source.number_words(local.column, &entries)?
            }
            Meaning::Constant => {
                let value = integers_of(&self.source.values(local.column, &[0])?)?;
                let value = value.first().copied().flatten();
                return Ok(KeyColumn {
                    words: vec![value.unwrap_or(0) as u64; numbers.len()],
                    nulls: vec![value.is_none(); numbers.len()],
                    codes: Vec::new(),
                });
            }
            Meaning::String => return Err(Error::Invalid("strings are no words".into())),
        };
        let mut column = KeyColumn {
            words,
            nulls: Vec::new(),
            codes: Vec::new(),
        };
        if null > 0 {
            column.nulls = numbers.iter().map(|&n| domain.code(n) < null).collect();
            let nulls = column.words.iter_mut().zip(&column.nulls);
            nulls
                .filter(|(_, null)| **null)
                .for_each(|(word, _)| *word = 0);
        }
        Ok(column)
    }

    fn string_key(&self, local: &Local, domain: &Domain, numbers: &[u64]) -> Result<KeyColumn> {
        let codes: Vec<u64> = numbers.iter().map(|&n| domain.code(n)).collect();
        let null = u64::from(domain.coded.null_code);
        if domain.coded.meaning == Meaning::Constant {
            let (hash, is_null) = self.constant(local)?;
            return Ok(KeyColumn {
                words: vec![hash; numbers.len()],
                nulls: vec![is_null; numbers.len()],
                codes: vec![0; numbers.len()],
            });
        }
        let entries = || codes.iter().filter_map(|c| c.checked_sub(null));
        let first = entries().min().unwrap_or(0);
        let end = entries().max().map_or(0, |last| last + 1);
        let mut hashes = Vec::new();
        let mut words = vec![0; codes.len()];
        let sparse = end.saturating_sub(first) / 32 > codes.len() as u64;
        if !sparse && end > first {
            let range = first as usize..end as usize;
            self.source.hashes_of(local.column, range, &mut hashes)?;
        }
        for (word, code) in words.iter_mut().zip(&codes) {
            let Some(entry) = code.checked_sub(null) else {
                continue;
            };
            let at = if sparse {
                let range = entry as usize..entry as usize + 1;
                self.source.hashes_of(local.column, range, &mut hashes)?;
                0
            } else {
                (entry - first) as usize
            };
            *word = hashes.get(at).copied().unwrap_or(0);
        }
        Ok(KeyColumn {
            words,
            nulls: codes.iter().map(|&c| c < null).collect(),
            codes: codes.iter().map(|&c| c as u32).collect(),
        })
    }

    /// The hash of the string that all rows have, and whether it is NULL.
    fn constant(&self, local: &Local) -> Result<(u64, bool)> {
        let value = self.source.values(local.column, &[0])?;
        if value.null_count() > 0 {
            return Ok((0, true));
        }
        let text = value.as_string_view_opt().map(|v| v.value(0).as_bytes());
        let bytes = text.or_else(|| value.as_binary_view_opt().map(|v| v.value(0)));
        let bytes = bytes.ok_or_else(|| Error::Invalid("no string".into()))?;
        let hash = match self.source {
            Source::Segment(segment, _) => segment.string_hash(bytes)?,
            Source::Batch(_) => 0,
        };
        Ok((hash, false))
    }
}

/// A bit for each key of a group that is NULL.
fn nulls_of(keys: &[KeyColumn], at: usize) -> u64 {
    let nulls = (0..)
        .zip(keys)
        .filter(|(_, k)| k.nulls.get(at) == Some(&true));
    nulls.fold(0, |bits, (bit, _): (u32, _)| bits | 1 << bit)
}

/// A value as its distance from the least of 64-bit numbers: ordered as the values are.
pub(super) fn ordered(value: i128, signed: bool) -> u64 {
    (value as u64) ^ (u64::from(signed) << 63)
}

fn put_slot(totals: &Totals, target: &Target, group: usize, record: &mut Vec<u64>) {
    let input = totals.inputs.get(target.input).and_then(Option::as_ref);
    let values = totals.values(group, target.input);
    let sum = || {
        input.map_or(0, |i| {
            i.value_sum(totals.lanes(group, target.input), values)
        })
    };
    match target.slot {
        Slot::Count => record.push(match target.measure {
            Measure::Distinct { .. } => 0,
            _ => values,
        }),
        Slot::Narrow => record.extend([sum() as u64, values]),
        Slot::Wide => {
            let sum = sum() as u128;
            record.extend([sum as u64, (sum >> 64) as u64, values]);
        }
        Slot::Least | Slot::Greatest => {
            let least = target.slot == Slot::Least;
            let lane = totals.extreme(group, target.input, least);
            let value = lane.zip(input).map(|(lane, input)| input.value(lane));
            let value = value.map(|v| ordered(v, totals.is_signed(target.input)));
            record.extend([u64::from(value.is_some()), value.unwrap_or(0)]);
        }
    }
}

impl Totals {
    fn is_signed(&self, input: usize) -> bool {
        self.signed.get(input).copied().unwrap_or(true)
    }
}
