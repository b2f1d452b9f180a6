//! The codes of one block: numbers packed at one width above the block's least, every row for itself or
//! one per run of equal rows. Which of the forms, the data decides. What a code stands for is in
//! `integers` and `dictionary`.

use super::packing::{Lane, append, bits_of, pack, packed_bytes, unpack};
use super::spread::{spread_bits, spread_bytes};
use crate::format::Malformed;

/// How the codes of a block are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// A code per row.
    Packed,
    /// The first rows of all runs but the first, 16 bits each, then a code per run.
    RunStarts,
    /// A bit per row, set where a run begins, then a code per run.
    RunBits,
}

impl Layout {
    pub(crate) fn tag(self) -> u8 {
        match self {
            Self::Packed => 0,
            Self::RunStarts => 1,
            Self::RunBits => 2,
        }
    }

    pub(crate) fn of_tag(tag: u8) -> Result<Self, Malformed> {
        match tag {
            0 => Ok(Self::Packed),
            1 => Ok(Self::RunStarts),
            2 => Ok(Self::RunBits),
            _ => Err(Malformed("an unknown layout of codes")),
        }
    }
}

/// What is known of the codes of a block.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Shape {
    pub(crate) layout: Layout,
    /// Bits of a packed code; what is packed is the distance from `low`.
    pub(crate) bits: u8,
    /// Runs of equal rows; 0 when they are packed row by row.
    pub(crate) runs: u32,
    pub(crate) low: u64,
    pub(crate) high: u64,
}

/// Runs are chosen when they save this many bytes of a block, and a fifth of it: spreading them over
/// the rows costs more than unpacking.
const RUNS_SAVE_MIN: usize = 512;

impl Shape {
    /// The smallest layout for `codes`.
    pub(crate) fn of<T: Lane>(codes: &[T]) -> Self {
        let (low, high, changes) = T::survey(codes);
        let (low, high): (u64, u64) = (low.into(), high.into());
        let (runs, bits) = (changes + 1, bits_of(high - low));
        let packed = packed_bytes(codes.len(), bits);
        let (starts, bitmap) = (2 * (runs - 1), codes.len().div_ceil(8));
        let as_runs = starts.min(bitmap) + packed_bytes(runs, bits);
        let pays = as_runs + packed / 5 <= packed && as_runs + RUNS_SAVE_MIN <= packed;
        let layout = match pays {
            false => Layout::Packed,
            true if starts <= bitmap => Layout::RunStarts,
            true => Layout::RunBits,
        };
        let runs = if pays { runs as u32 } else { 0 };
        Self {
            layout,
            bits,
            runs,
            low,
            high,
        }
    }

    /// Bytes of the block's data.
    pub(crate) fn bytes(&self, rows: usize) -> usize {
        let runs = self.runs as usize;
        match self.layout {
            Layout::Packed => packed_bytes(rows, self.bits),
            Layout::RunStarts => 2 * runs.saturating_sub(1) + packed_bytes(runs, self.bits),
            Layout::RunBits => rows.div_ceil(8) + packed_bytes(runs, self.bits),
        }
    }

    /// Appends the data of the block whose shape this is.
    pub(crate) fn encode<T: Lane>(&self, codes: &[T], out: &mut Vec<u8>) {
        if self.layout == Layout::Packed {
            return pack(codes, self.low, self.bits, out);
        }
        let mut values: Vec<T> = Vec::with_capacity(self.runs as usize);
        values.extend(codes.first());
        let pairs = codes.iter().zip(codes.iter().skip(1)).zip(1usize..);
        let starts = pairs.filter(|((a, b), _)| a != b);
        if self.layout == Layout::RunStarts {
            for ((_, &code), row) in starts {
                out.extend_from_slice(&(row as u16).to_le_bytes());
                values.push(code);
            }
        } else {
            let mut bits = vec![0u8; codes.len().div_ceil(8)];
            if let Some(first) = bits.first_mut() {
                *first = 1;
            }
            for ((_, &code), row) in starts {
                if let Some(byte) = bits.get_mut(row / 8) {
                    *byte |= 1 << (row % 8);
                }
                values.push(code);
            }
            out.extend(bits);
        }
        pack(&values, self.low, self.bits, out);
    }
}

/// The stored codes of a block; lengths have been checked.
#[derive(Debug, Clone, Copy)]
pub(crate) struct CodeBlock<'a> {
    pub(super) shape: Shape,
    pub(super) rows: usize,
    /// Of the runs' starts or bits, before the codes.
    pub(super) heads: &'a [u8],
    pub(super) packed: &'a [u8],
}

impl<'a> CodeBlock<'a> {
    /// `bytes` is the data of a block of `rows` rows, at most 65,536.
    pub(crate) fn new(shape: Shape, rows: usize, bytes: &'a [u8]) -> Result<Self, Malformed> {
        let runs = shape.runs as usize;
        let in_range = shape.bits <= 64 && shape.low <= shape.high && runs <= rows;
        let has_runs = (shape.layout == Layout::Packed) == (runs == 0);
        if !in_range || !has_runs || bytes.len() != shape.bytes(rows) {
            return Err(Malformed("a block of codes contradicts itself"));
        }
        let heads = match shape.layout {
            Layout::Packed => 0,
            Layout::RunStarts => 2 * (runs - 1),
            Layout::RunBits => rows.div_ceil(8),
        };
        let (heads, packed) = bytes.split_at_checked(heads).unwrap_or((bytes, &[]));
        Ok(Self {
            shape,
            rows,
            heads,
            packed,
        })
    }

    /// The codes row by row, in place of what `out` holds. `T` must hold `high`, else this is damage,
    /// as is a code above it.
    pub(crate) fn rows<T: Lane>(&self, out: &mut Vec<T>) -> Result<(), Malformed> {
        if self.shape.layout == Layout::Packed {
            return self.unpack(self.rows, out);
        }
        let runs = self.shape.runs as usize;
        out.clear();
        out.reserve(self.rows);
        if self.shape.layout == Layout::RunStarts {
            let mut values = Vec::new();
            self.unpack(runs, &mut values)?;
            return self.spread_starts(&values, out);
        }
        let set: u32 = self.heads.iter().map(|byte| byte.count_ones()).sum();
        if set as usize != runs || !bit(self.heads, 0) {
            return Err(Malformed("runs beyond their block"));
        }
        if self.shape.bits <= 8 {
            let (mut distances, mut spread) = (Vec::new(), Vec::with_capacity(self.rows + 8));
            let base = self.base::<T>()?;
            self.unpack_from(0, runs, &mut distances)?;
            spread_bytes(self.heads, &mut distances, &mut spread);
            append(spread.get(..self.rows).unwrap_or_default(), base, out);
            return Ok(());
        }
        let mut values = Vec::new();
        self.unpack(runs, &mut values)?;
        spread_bits(self.heads, &values, out);
        out.truncate(self.rows);
        Ok(())
    }

    /// The codes of the runs and the row each run ends before, in place of what `values` and `ends`
    /// hold. `false` when the block is not laid out in runs worth to be looked at one by one.
    pub(crate) fn runs<T: Lane>(
        &self,
        values: &mut Vec<T>,
        ends: &mut Vec<u32>,
    ) -> Result<bool, Malformed> {
        ends.clear();
        if self.shape.layout != Layout::RunStarts {
            return Ok(false);
        }
        ends.extend(self.starts());
        ends.push(self.rows as u32);
        self.unpack(self.shape.runs as usize, values)?;
        let ascending = ends.is_sorted() && ends.last() == Some(&(self.rows as u32));
        if ends.len() != values.len() || !ascending {
            return Err(Malformed("runs beyond their block"));
        }
        Ok(true)
    }

    /// The codes of the runs without where they are: quickly, and enough to see that none is wanted. `false`
    /// when the block is not laid out in runs.
    pub(crate) fn run_values<T: Lane>(&self, values: &mut Vec<T>) -> Result<bool, Malformed> {
        if self.shape.layout == Layout::Packed {
            return Ok(false);
        }
        self.unpack(self.shape.runs as usize, values)?;
        Ok(true)
    }

    pub(super) fn starts(&self) -> impl Iterator<Item = u32> {
        let (starts, _) = self.heads.as_chunks();
        starts.iter().map(|&start| u16::from_le_bytes(start).into())
    }

    /// The least code as a `T`, which the greatest fits, too.
    fn base<T: Lane>(&self) -> Result<T, Malformed> {
        match (T::try_from(self.shape.low), T::try_from(self.shape.high)) {
            (Ok(base), Ok(_)) => Ok(base),
            _ => Err(Malformed("a code is out of range")),
        }
    }

    fn unpack<T: Lane>(&self, count: usize, out: &mut Vec<T>) -> Result<(), Malformed> {
        self.unpack_from(self.base()?, count, out)
    }

    /// Unpacks the codes' distances from the least, `base` added.
    fn unpack_from<T: Lane>(
        &self,
        base: T,
        count: usize,
        out: &mut Vec<T>,
    ) -> Result<(), Malformed> {
        let Shape {
            bits, low, high, ..
        } = self.shape;
        out.clear();
        out.reserve(count);
        let greatest = unpack(self.packed, bits, count, base, out);
        let within = bits_of(high - low) == bits && greatest <= high - low;
        if within && out.len() == count {
            Ok(())
        } else {
            Err(Malformed("a code is out of range"))
        }
    }

    fn spread_starts<T: Lane>(&self, values: &[T], out: &mut Vec<T>) -> Result<(), Malformed> {
        let ends = self.starts().chain([self.rows as u32]);
        for (end, &value) in ends.zip(values) {
            // A run that ends before it begins would also leave the last row elsewhere.
            out.resize(out.len().max(end as usize).min(self.rows), value);
        }
        if out.len() == self.rows {
            Ok(())
        } else {
            Err(Malformed("runs beyond their block"))
        }
    }
}

fn bit(bits: &[u8], row: usize) -> bool {
    bits.get(row / 8)
        .is_some_and(|byte| byte >> (row % 8) & 1 == 1)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    /// Runs of any length, so that every layout occurs.
    fn codes() -> impl Strategy<Value = Vec<u64>> {
        let widths = prop_oneof![
            Just(1u64),
            Just(3),
            Just(200),
            Just(1 << 20),
            Just(u64::MAX / 2)
        ];
        let lengths = prop_oneof![Just(1usize), Just(3), Just(40), Just(900)];
        (widths, lengths, 0u64..1000, 1usize..5000).prop_flat_map(|(width, length, base, rows)| {
            let run = (0..width, 1..=length).prop_map(move |(v, n)| (base + v, n));
            prop::collection::vec(run, 1..=5000 / length).prop_map(move |runs| {
                let spread = runs.iter().flat_map(|&(v, n)| std::iter::repeat_n(v, n));
                spread.cycle().take(rows).collect()
            })
        })
    }

    fn encoded(codes: &[u64]) -> (Shape, Vec<u8>) {
        let shape = Shape::of(codes);
        let mut bytes = Vec::new();
        shape.encode(codes, &mut bytes);
        (shape, bytes)
    }

    proptest! {
        #[test]
        fn codes_come_back_from_every_layout(codes in codes()) {
            let (shape, bytes) = encoded(&codes);
            let block = CodeBlock::new(shape, codes.len(), &bytes).unwrap();
            let mut back = vec![1u64];
            block.rows(&mut back).unwrap();
            prop_assert_eq!(&back, &codes);
            let mut narrow: Vec<u32> = Vec::new();
            let fits = u32::try_from(shape.high).is_ok();
            prop_assert_eq!(block.rows(&mut narrow).is_ok(), fits);
            let (mut values, mut ends) = (Vec::<u64>::new(), Vec::new());
            if block.runs(&mut values, &mut ends).unwrap() {
                let mut rows = Vec::new();
                for (&value, &end) in values.iter().zip(&ends) {
                    rows.resize(end as usize, value);
                }
                prop_assert_eq!(rows, codes);
            } else {
                prop_assert_ne!(shape.layout, Layout::RunStarts);
            }
        }

        #[test]
        fn any_bytes_are_an_error_or_rows_within_the_bounds(
            bytes in prop::collection::vec(any::<u8>(), 0..3000), layout in 0u8..3,
            bits in 0u8..=65, rows in 1usize..5000, runs in 0u32..900, low in 0u64..300, high in 0u64..3000,
        ) {
            let layout = Layout::of_tag(layout).unwrap();
            let shape = Shape { layout, bits, runs, low, high };
            let fitting = bytes.iter().copied().cycle();
            let length = if bits <= 64 { shape.bytes(rows) } else { 0 };
            let bytes: Vec<u8> = fitting.take(length).collect();
            if let Ok(block) = CodeBlock::new(shape, rows, &bytes) {
                let (mut out, mut values, mut ends) = (Vec::<u16>::new(), Vec::<u32>::new(), Vec::new());
                if block.rows(&mut out).is_ok() {
                    prop_assert_eq!(out.len(), rows);
                    prop_assert!(out.iter().all(|&c| (low..=high).contains(&c.into())));
                }
                if let Ok(true) = block.runs(&mut values, &mut ends) {
                    prop_assert_eq!(values.len(), ends.len());
                }
            }
        }
    }

    #[test]
    fn a_constant_takes_no_bytes_and_a_sorted_prefix_takes_few() {
        let (shape, bytes) = encoded(&[7; 8192]);
        assert_eq!((shape.layout, bytes.len()), (Layout::Packed, 0));
        let sites: Vec<u64> = (0..8192).map(|row| row / 1000 * 300).collect();
        let (shape, bytes) = encoded(&sites);
        assert_eq!(shape.layout, Layout::RunStarts);
        assert!(bytes.len() < 40, "{}", bytes.len());
    }
}
