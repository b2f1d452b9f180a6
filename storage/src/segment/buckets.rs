//! Positions of hashes by their first bits: which of many have some hash takes a look at a few.

/// Hashes of a bucket, about.
const BUCKET: usize = 4;

#[derive(Debug)]
pub(super) struct Buckets {
    /// Where each begins in `positions`; one more than there are.
    starts: Vec<u32>,
    /// Of each bucket those of equal hashes together, ascending.
    positions: Vec<u32>,
    /// All but the first bits.
    shift: u32,
}

impl Buckets {
    /// Of fewer hashes than 32 bits count.
    pub(super) fn of(hashes: &[u64]) -> Self {
        let buckets = (hashes.len() / BUCKET).next_power_of_two().max(2);
        let shift = u64::BITS - buckets.trailing_zeros();
        let mut starts = vec![0u32; buckets + 1];
        for hash in hashes {
            if let Some(count) = starts.get_mut((hash >> shift) as usize + 1) {
                *count += 1;
            }
        }
        let mut before = 0;
        for start in &mut starts {
            before += *start;
            *start = before;
        }
        let (mut next, mut positions) = (starts.clone(), vec![0; hashes.len()]);
        for (at, hash) in (0..).zip(hashes) {
            if let Some(next) = next.get_mut((hash >> shift) as usize)
                && let Some(slot) = positions.get_mut(*next as usize)
            {
                *slot = at;
                *next += 1;
            }
        }
        for bounds in starts.windows(2) {
            if let [from, to] = *bounds
                && let Some(bucket) = positions.get_mut(from as usize..to as usize)
            {
                bucket.sort_by_key(|&at| hashes.get(at as usize));
            }
        }
        Self {
            starts,
            positions,
            shift,
        }
    }

    /// The positions of the hashes that begin as one does.
    pub(super) fn near(&self, hash: u64) -> &[u32] {
        self.bucket((hash >> self.shift) as usize)
    }

    pub(super) fn all(&self) -> impl Iterator<Item = &[u32]> {
        (0..self.starts.len().saturating_sub(1)).map(|bucket| self.bucket(bucket))
    }

    fn bucket(&self, bucket: usize) -> &[u32] {
        let bounds = self.starts.get(bucket..bucket + 2);
        let Some([from, to]) = bounds else {
            return &[];
        };
        let found = self.positions.get(*from as usize..*to as usize);
        found.unwrap_or_default()
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        (self.starts.capacity() + self.positions.capacity()) * size_of::<u32>()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn every_hash_is_found_and_equal_ones_are_together(
            seeds in prop::collection::vec((0u64..40, any::<bool>()), 0..300),
        ) {
            let hash = |(n, spread): (u64, bool)| if spread { n.wrapping_mul(0x9E37_79B9_7F4A_7C15) } else { n };
            let hashes: Vec<u64> = seeds.into_iter().map(hash).collect();
            let buckets = Buckets::of(&hashes);
            let mut all: Vec<u32> = buckets.all().flatten().copied().collect();
            all.sort_unstable();
            prop_assert!(all.into_iter().eq(0..hashes.len() as u32));
            for sought in hashes.iter().copied().chain([0, 1, u64::MAX]) {
                let found: Vec<u32> =
                    buckets.near(sought).iter().copied().filter(|&at| hashes[at as usize] == sought).collect();
                let expected: Vec<u32> =
                    (0..).zip(&hashes).filter(|(_, h)| **h == sought).map(|(at, _)| at).collect();
                prop_assert_eq!(found, expected);
            }
        }
    }
}
