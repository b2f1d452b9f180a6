//! Values of runs spread over their rows, where a bit per row says that a run begins.
// The fast way takes an instruction that not every processor has.
#![allow(unsafe_code)]

use super::packing::Lane;

/// A value per row: the next one wherever a bit is set. Without branches, as runs are short here.
pub(super) fn spread_bits<T: Lane>(bits: &[u8], values: &[T], out: &mut Vec<T>) {
    let mut next = 0usize;
    for &byte in bits {
        // At most eight values are needed for eight rows; near the end fewer are there.
        let mut window = [T::default(); 9];
        let from = next.saturating_sub(1);
        let there = values
            .get(from..values.len().min(from + 9))
            .unwrap_or_default();
        for (slot, value) in window.iter_mut().zip(there) {
            *slot = *value;
        }
        let mut at = usize::from(next > 0);
        let spread: [T; 8] = std::array::from_fn(|row| {
            at += usize::from(byte >> row & 1);
            window.get(at.wrapping_sub(1)).copied().unwrap_or_default()
        });
        out.extend_from_slice(&spread);
        next += byte.count_ones() as usize;
    }
}

/// The same for bytes, eight rows at a time; `values` is spoilt. As many bits are set as there are values, the
/// first among them; eight rows come out per byte of bits.
pub(super) fn spread_bytes(bits: &[u8], values: &mut Vec<u8>, out: &mut Vec<u8>) {
    #[cfg(target_arch = "x86_64")]
    if std::arch::is_x86_feature_detected!("bmi2") && std::arch::is_x86_feature_detected!("popcnt")
    {
        // SAFETY: the processor has been asked for both.
        return unsafe { deposit(bits, values, out) };
    }
    spread_bits(bits, values, out);
}

/// Puts what a value differs by from the one before where its run begins, and adds up (without carry) the
/// differences before each row.
#[cfg(target_arch = "x86_64")]
#[target_feature(enable = "bmi2,popcnt")]
fn deposit(bits: &[u8], values: &mut Vec<u8>, out: &mut Vec<u8>) {
    const ONES: u64 = 0x0101_0101_0101_0101;
    let mut before = 0;
    for value in values.iter_mut() {
        before = std::mem::replace(value, *value ^ before);
    }
    // Eight are read at a time.
    values.extend([0; 8]);
    let (mut next, mut carry) = (0, 0u64);
    for &byte in bits {
        let there = values.get(next..).and_then(|v| v.first_chunk::<8>());
        let differences = u64::from_le_bytes(there.copied().unwrap_or_default());
        let places = std::arch::x86_64::_pdep_u64(byte.into(), ONES).wrapping_mul(0xFF);
        let mut rows = std::arch::x86_64::_pdep_u64(differences, places);
        rows ^= rows << 8;
        rows ^= rows << 16;
        rows ^= rows << 32;
        rows ^= carry;
        out.extend_from_slice(&rows.to_le_bytes());
        carry = (rows >> 56).wrapping_mul(ONES);
        next += byte.count_ones() as usize;
    }
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn both_ways_spread_alike(bits: Vec<u8>, values: [u8; 7]) {
            let mut bits = bits;
            bits.insert(0, 1);
            let set = bits.iter().map(|b| b.count_ones()).sum::<u32>() as usize;
            let mut values: Vec<u8> = values.iter().copied().cycle().take(set).collect();
            let (mut slow, mut fast) = (Vec::new(), Vec::new());
            spread_bits(&bits, &values, &mut slow);
            spread_bytes(&bits, &mut values, &mut fast);
            prop_assert_eq!(slow, fast);
        }
    }
}
