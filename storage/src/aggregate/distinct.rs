//! COUNT(DISTINCT): records of values, and of groups with a value each, become counts of the groups.

use std::borrow::Cow;

use hashbrown::HashTable;

use super::partial::{NULL_SHIFT, Records};
use super::plan::GroupSet;
use super::values::hash_of;

/// How many different values the records of one part have, which have one key and no slots. NULL is none.
pub(super) fn count_values(lists: &[&[u64]]) -> u64 {
    let total: usize = lists.iter().map(|l| l.len() / 2).sum();
    let mut slots = vec![0u64; (2 * total).next_power_of_two()];
    let (mask, mut found, mut zero) = (slots.len() - 1, 0, false);
    for list in lists {
        let (records, _) = list.as_chunks::<2>();
        let values = records
            .iter()
            .filter(|[_, header]| header >> NULL_SHIFT == 0);
        for &[value, _] in values {
            if value == 0 {
                zero = true;
                continue;
            }
            let mut at = hash_of(&[value]) as usize & mask;
            // Half of the slots stay empty.
            while let Some(slot) = slots.get_mut(at) {
                if *slot == 0 {
                    *slot = value;
                    found += 1;
                }
                if *slot == value {
                    break;
                }
                at = (at + 1) & mask;
            }
        }
    }
    found + u64::from(zero)
}

/// The different values of one part as records of the first set, one for each of its groups here, whose target
/// `offset` slot words in is their count.
pub(super) fn count_distinct(
    (from, lists): (&GroupSet, &[&[u64]]),
    (to, offset): (&GroupSet, usize),
) -> Records {
    let all = match lists {
        [only] => Cow::Borrowed(*only),
        lists => Cow::Owned(lists.concat()),
    };
    let mut seen = Seen::new(from, &all);
    let mut counts = Counts::new(from, to, offset);
    for (number, record) in (0..).zip(all.chunks_exact(from.width())) {
        // NULL is no value.
        let header = record.get(from.header()).copied().unwrap_or(0);
        if header >> (NULL_SHIFT + to.header() as u32) & 1 == 0 && seen.is_new(number, record) {
            counts.add(record);
        }
    }
    counts.records()
}

/// The first record of each identity among those of a part.
struct Seen<'a> {
    all: &'a [u64],
    width: usize,
    header: usize,
    /// One more than the number of a record; 0: none. Half of them stay empty.
    slots: Vec<u32>,
}

impl<'a> Seen<'a> {
    fn new(set: &GroupSet, all: &'a [u64]) -> Self {
        let (width, header) = (set.width(), set.header());
        let records = all.len() / width.max(1);
        Self {
            all,
            width,
            header,
            slots: vec![0; (2 * records).next_power_of_two()],
        }
    }

    fn is_new(&mut self, number: u32, record: &[u64]) -> bool {
        let mask = self.slots.len() - 1;
        let mut at = hash_of(record.get(..self.header).unwrap_or_default()) as usize & mask;
        while let Some(slot) = self.slots.get_mut(at) {
            let Some(before) = slot.checked_sub(1) else {
                *slot = number + 1;
                return true;
            };
            let start = before as usize * self.width;
            let before = self.all.get(start..start + self.width).unwrap_or_default();
            if is_same(before, record, self.header) {
                return false;
            }
            at = (at + 1) & mask;
        }
        false
    }
}

/// Records of the first set under way.
struct Counts<'a> {
    to: &'a GroupSet,
    /// Where strings' further codes begin in the records that are counted.
    codes: usize,
    /// Where the count is in a record.
    count: usize,
    /// Which bits of a header are of the groups' own keys.
    mask: u64,
    table: HashTable<u32>,
    records: Vec<u64>,
}

impl<'a> Counts<'a> {
    fn new(from: &GroupSet, to: &'a GroupSet, offset: usize) -> Self {
        Self {
            to,
            codes: from.header() + 1,
            count: to.slots() + offset,
            mask: (1 << (NULL_SHIFT + to.header() as u32)) - 1,
            table: HashTable::new(),
            records: Vec::new(),
        }
    }

    /// Counts one more value of a group.
    fn add(&mut self, record: &[u64]) {
        let (width, keys, mask) = (self.to.width(), self.to.header(), self.mask);
        let own = record.get(..keys).unwrap_or_default();
        let header = record.get(self.codes - 1).copied().unwrap_or(0) & mask;
        let records = &mut self.records;
        let hash = hash_of(own);
        let same = |&at: &u32| {
            let other = records.get(at as usize..).unwrap_or_default();
            other.iter().zip(own).all(|(a, b)| a == b)
                && other.get(keys).map(|h| h >> NULL_SHIFT) == Some(header >> NULL_SHIFT)
        };
        let at = match self.table.find(hash, same) {
            Some(&at) => at,
            None => {
                let at = records.len() as u32;
                records.extend_from_slice(own);
                records.push(header);
                let more = self.to.strings.len().saturating_sub(1);
                let more = record.get(self.codes..self.codes + more);
                records.extend_from_slice(more.unwrap_or_default());
                records.resize(at as usize + width, 0);
                let rehash = |&at: &u32| {
                    let at = at as usize;
                    hash_of(records.get(at..at + keys).unwrap_or_default())
                };
                self.table.insert_unique(hash, at, rehash);
                at
            }
        };
        if let Some(count) = records.get_mut(at as usize + self.count) {
            *count += 1;
        }
    }

    fn records(self) -> Records {
        let mut records = Records::default();
        let all = self.records.chunks_exact(self.to.width());
        all.for_each(|record| records.push(self.to, record));
        records
    }
}

/// Whether two records have the same keys; of the header behind them, its bits for NULL are compared.
fn is_same(one: &[u64], other: &[u64], keys: usize) -> bool {
    // Keys are few: a call to compare memory would cost more.
    let equal = one.iter().zip(other).take(keys).all(|(a, b)| a == b);
    let nulls = |record: &[u64]| record.get(keys).map(|header| header >> NULL_SHIFT);
    equal && nulls(one) == nulls(other)
}

/// A count of values as a record of the first set, where that has no keys.
pub(super) fn counted(count: u64, (to, offset): (&GroupSet, usize)) -> Records {
    let (mut records, mut record) = (Records::default(), vec![0; to.width()]);
    if let Some(slot) = record.get_mut(to.slots() + offset) {
        *slot = count;
    }
    records.push(to, &record);
    records
}
