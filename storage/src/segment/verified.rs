//! Remembers which parts of a file have passed their checksum, so that each is checked once.

use std::sync::atomic::{AtomicU64, Ordering};

/// A set of numbers below a bound; concurrent marking is harmless.
#[derive(Debug)]
pub(crate) struct Verified(Box<[AtomicU64]>);

impl Verified {
    pub(crate) fn none_of(parts: usize) -> Self {
        Self((0..parts.div_ceil(64)).map(|_| AtomicU64::new(0)).collect())
    }

    pub(crate) fn contains(&self, part: usize) -> bool {
        let word = self
            .0
            .get(part / 64)
            .map_or(0, |w| w.load(Ordering::Relaxed));
        word >> (part % 64) & 1 == 1
    }

    /// Nothing counts as checked any more.
    pub(crate) fn clear(&self) {
        self.0
            .iter()
            .for_each(|word| word.store(0, Ordering::Relaxed));
    }

    pub(crate) fn insert(&self, part: usize) {
        if let Some(word) = self.0.get(part / 64) {
            // Relaxed: the bytes are immutable, the mark publishes nothing but itself.
            word.fetch_or(1 << (part % 64), Ordering::Relaxed);
        }
    }
}
