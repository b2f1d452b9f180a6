//! Random numbers that are the same on every platform and in every version of Storno. Not for
//! secrets.
//!
//! SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", 2014). Only
//! IEEE additions, multiplications and divisions are used on floats, never `ln` or `powf`, whose
//! last bit depends on the C library.

/// One sequence; copies of it run apart from there on.
#[derive(Debug, Clone)]
pub(super) struct Rng(u64);

/// A 64-bit hash of a number: one step of the generator.
pub(super) fn mix(x: u64) -> u64 {
    let x = x.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let x = (x ^ (x >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    x ^ (x >> 31)
}

impl Rng {
    /// The sequence named by `parts`, in this order.
    pub(super) fn named(parts: &[u64]) -> Self {
        Self(parts.iter().fold(0, |state, part| mix(state ^ mix(*part))))
    }

    pub(super) fn next(&mut self) -> u64 {
        let out = mix(self.0);
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        out
    }

    /// Uniform in [0, 1), 53 bits.
    pub(super) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, probability: f64) -> bool {
        self.unit() < probability
    }

    /// Uniform in [0, n); 0 when `n` is 0.
    pub(super) fn below(&mut self, n: usize) -> usize {
        ((u128::from(self.next()) * n as u128) >> 64) as usize
    }
}

/// Draws positions with fixed odds.
#[derive(Debug)]
pub(super) struct Odds(Vec<f64>);

impl Odds {
    pub(super) fn new(weights: impl IntoIterator<Item = f64>) -> Self {
        let mut sum = 0.0;
        let sums = weights.into_iter().map(|weight| {
            sum += weight;
            sum
        });
        Self(sums.collect())
    }

    /// Zipf's law with exponent 1 over `n` ranks, the first of which is as rare as rank `skip`.
    pub(super) fn zipf(n: usize, skip: usize) -> Self {
        Self::new((0..n).map(|rank| 1.0 / (rank + skip + 1) as f64))
    }

    /// A position; 0 when there are none.
    pub(super) fn pick(&self, rng: &mut Rng) -> usize {
        let point = rng.unit() * self.0.last().copied().unwrap_or(0.0);
        self.0
            .partition_point(|sum| *sum <= point)
            .min(self.0.len().saturating_sub(1))
    }

    /// The share of position `i`, from 0 to 1.
    pub(super) fn share(&self, i: usize) -> f64 {
        let below = if i == 0 { 0.0 } else { self.0[i - 1] };
        (self.0[i] - below) / self.0.last().copied().unwrap_or(1.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_is_the_published_one() {
        // First outputs of SplitMix64 from state 0, as the reference implementation gives them.
        let mut rng = Rng(0);
        assert_eq!(rng.next(), 0xE220_A839_7B1D_CDAF);
        assert_eq!(rng.next(), 0x6E78_9E6A_A1B9_65F4);
        assert_eq!(rng.next(), 0x06C4_5D18_8009_454F);
    }

    #[test]
    fn odds_are_kept() {
        let odds = Odds::new([1.0, 0.0, 3.0]);
        let mut rng = Rng::named(&[7]);
        let mut counts = [0u32; 3];
        for _ in 0..40_000 {
            counts[odds.pick(&mut rng)] += 1;
        }
        assert_eq!(counts[1], 0);
        assert!((9_500..10_500).contains(&counts[0]), "{counts:?}");
        assert!((odds.share(2) - 0.75).abs() < 1e-12);
    }

    #[test]
    fn below_covers_the_range_and_never_leaves_it() {
        let mut rng = Rng::named(&[1, 2]);
        let mut seen = [false; 7];
        for _ in 0..1_000 {
            seen[rng.below(7)] = true;
        }
        assert_eq!(seen, [true; 7]);
        assert_eq!(rng.below(0), 0);
    }
}
