//! Codes that passed tests of strings, kept for later queries and bounded in bytes: a segment's dictionary never
//! changes, and dashboards ask the same again.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::code_set::CodeSet;
use crate::format::FileId;

/// A test of the strings of one column of one segment.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct SetKey {
    pub(crate) file: FileId,
    /// The segment's own number.
    pub(crate) column: u32,
    /// The test's name.
    pub(crate) test: String,
}

/// Of the codes from `low` to `high` those that passed.
#[derive(Debug)]
struct KeptSet {
    low: u64,
    high: u64,
    passed: CodeSet,
}

#[derive(Debug, Clone)]
struct ByMemory;

impl Weighter<SetKey, Arc<KeptSet>> for ByMemory {
    fn weight(&self, key: &SetKey, kept: &Arc<KeptSet>) -> u64 {
        // Never 0: an entry without weight would never leave.
        (kept.passed.memory() + key.test.len()) as u64 + 256
    }
}

pub(crate) struct KeptSets(Cache<SetKey, Arc<KeptSet>, ByMemory>);

impl KeptSets {
    pub(crate) fn new(bytes: usize) -> Self {
        // An expectation only: sets of half a million codes.
        let items = (bytes / (64 << 10)).max(64);
        Self(Cache::with_weighter(items, bytes as u64, ByMemory))
    }

    /// What passed, if all codes from the one to the other have been asked about; others may be among it.
    pub(super) fn get(&self, key: &SetKey, (low, high): (u64, u64)) -> Option<CodeSet> {
        let kept = self.0.get(key)?;
        (kept.low <= low && high <= kept.high).then(|| kept.passed.clone())
    }

    /// Keeps which of the codes from the one to the other passed.
    pub(super) fn keep(&self, key: SetKey, (low, high): (u64, u64), passed: CodeSet) {
        self.0.insert(key, Arc::new(KeptSet { low, high, passed }));
    }

    pub(crate) fn weight(&self) -> u64 {
        self.0.weight()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_set_answers_for_the_codes_that_were_asked_about() {
        let sets = KeptSets::new(1 << 20);
        let key = |test: &str| SetKey {
            file: FileId(7),
            column: 1,
            test: test.into(),
        };
        let passed = CodeSet::Bits(vec![0b1010_0000]);
        sets.keep(key("like a%"), (4, 9), passed.clone());
        assert_eq!(sets.get(&key("like a%"), (4, 9)), Some(passed.clone()));
        assert_eq!(sets.get(&key("like a%"), (5, 8)), Some(passed));
        assert_eq!(sets.get(&key("like a%"), (3, 9)), None);
        assert_eq!(sets.get(&key("like a%"), (4, 10)), None);
        assert_eq!(sets.get(&key("like b%"), (4, 9)), None);
    }
}
