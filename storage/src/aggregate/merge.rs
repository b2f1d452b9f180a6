//! Bringing the records of all sources together, part by part.

use hashbrown::HashTable;

use super::partial::{NULL_SHIFT, PARTS, Records};
use super::plan::{GroupSet, Plan, Slot};
use super::values::hash_of;

/// Merges the records of one part; the result has one record per group.
pub(super) fn merge_part(set: &GroupSet, plan: &Plan, lists: &[&[u64]]) -> Vec<u64> {
    let (width, header) = (set.width(), set.header());
    let total: usize = lists.iter().map(|l| l.len()).sum();
    let slots: &[_] = if set.slot_words > 0 {
        &plan.targets
    } else {
        &[]
    };
    let mut merged: Vec<u64> = Vec::with_capacity(total);
    let mut table: HashTable<u32> = HashTable::with_capacity(total / width.max(1));
    for record in lists.iter().flat_map(|list| list.chunks_exact(width)) {
        let (keys, rest) = record.split_at_checked(header).unwrap_or((record, &[]));
        let nulls = rest.first().map_or(0, |header| header >> NULL_SHIFT);
        let hash = hash_of(keys);
        let same = |&at: &u32| {
            let start = at as usize * width;
            let other = merged.get(start..start + header + 1).unwrap_or_default();
            let (other, rest) = other.split_at_checked(header).unwrap_or((other, &[]));
            is_same(other, keys) && rest.first().map_or(0, |h| h >> NULL_SHIFT) == nulls
        };
        if let Some(&at) = table.find(hash, same) {
            let start = at as usize * width + set.slots();
            let to = merged.get_mut(start..start + set.slot_words);
            let from = record.get(set.slots()..).unwrap_or_default();
            combine(slots.iter().map(|t| t.slot), to.unwrap_or_default(), from);
            continue;
        }
        let at = (merged.len() / width) as u32;
        merged.extend_from_slice(record);
        let rehash = |&at: &u32| {
            let start = at as usize * width;
            hash_of(merged.get(start..start + header).unwrap_or_default())
        };
        table.insert_unique(hash, at, rehash);
    }
    merged
}

/// Keys are few: a call to compare memory would cost more.
fn is_same(one: &[u64], other: &[u64]) -> bool {
    one.iter().zip(other).all(|(a, b)| a == b)
}

/// Adds the slots of one record to those of another.
fn combine(slots: impl Iterator<Item = Slot>, to: &mut [u64], from: &[u64]) {
    let (mut to, mut from) = (to, from);
    for slot in slots {
        let Some((mine, more)) = to.split_at_mut_checked(slot.words()) else {
            return;
        };
        let Some((other, rest)) = from.split_at_checked(slot.words()) else {
            return;
        };
        match (slot, &mut *mine, other) {
            (Slot::Count, [a], [b]) => *a += b,
            (Slot::Narrow, [a, n], [b, m]) => {
                *a = a.wrapping_add(*b);
                *n += m;
            }
            (Slot::Wide, [low, high, n], [b_low, b_high, m]) => {
                let sum = wide(*low, *high).wrapping_add(wide(*b_low, *b_high)) as u128;
                (*low, *high) = (sum as u64, (sum >> 64) as u64);
                *n += m;
            }
            (Slot::Least, [has, a], [1, b]) => {
                *a = if *has == 1 { (*a).min(*b) } else { *b };
                *has = 1;
            }
            (Slot::Greatest, [has, a], [1, b]) => {
                *a = if *has == 1 { (*a).max(*b) } else { *b };
                *has = 1;
            }
            _ => {}
        }
        (to, from) = (more, rest);
    }
}

/// An i128 of its two halves.
pub(super) fn wide(low: u64, high: u64) -> i128 {
    (u128::from(low) | u128::from(high) << 64) as i128
}

/// Parts that any of the lists has records in.
pub(super) fn parts_with_records(lists: &[Records]) -> Vec<usize> {
    let has = |part: &usize| {
        let mut parts = lists.iter().filter_map(|l| l.parts.get(*part));
        parts.any(|records| !records.is_empty())
    };
    (0..PARTS).filter(has).collect()
}
