//! The event keys of one memtable: those of its rows, deleted ones too, and when they came. Shared by all
//! values that the memtable grows into; only the writer adds to it and asks it.

use std::collections::HashSet;
use std::hash::BuildHasherDefault;

use parking_lot::RwLock;

use super::layout::{Prefix, prefix_of};
use crate::keys::{KeyHash, LowHalf};

#[derive(Debug, Clone, Default)]
struct Keys {
    hashes: HashSet<KeyHash, BuildHasherDefault<LowHalf>>,
    /// First and last arrival, in seconds since 1970.
    arrivals: Option<(u32, u32)>,
}

#[derive(Debug, Default)]
pub(crate) struct RecentEvents(RwLock<Keys>);

impl RecentEvents {
    /// Adds keys that arrived at a time, in seconds since 1970.
    pub(crate) fn add(&self, hashes: &[Option<KeyHash>], arrival: u32) {
        let mut keys = self.0.write();
        keys.hashes.extend(hashes.iter().flatten());
        if !keys.hashes.is_empty() {
            let (first, last) = keys.arrivals.unwrap_or((arrival, arrival));
            keys.arrivals = Some((first.min(arrival), last.max(arrival)));
        }
    }

    /// Notes which of some keys are there. `seen` is per row.
    pub(crate) fn find(&self, hashes: &[Option<KeyHash>], seen: &mut [bool]) {
        let keys = self.0.read();
        if keys.hashes.is_empty() {
            return;
        }
        for (hash, seen) in hashes.iter().zip(seen) {
            *seen |= hash.is_some_and(|hash| keys.hashes.contains(&hash));
        }
    }

    /// The keys in ascending order, each once, and their first and last arrival; `None` without any.
    pub(crate) fn sorted(&self) -> Option<(Vec<Prefix>, (u32, u32))> {
        let keys = self.0.read();
        let arrivals = keys.arrivals?;
        let mut sorted: Vec<Prefix> = keys.hashes.iter().map(|&hash| prefix_of(hash)).collect();
        drop(keys);
        sorted.sort_unstable();
        Some((sorted, arrivals))
    }

    /// A copy, which others do not add to.
    pub(crate) fn fork(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }
}
