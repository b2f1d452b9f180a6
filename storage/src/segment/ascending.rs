//! Where codes that ascend pass some bounds, found by bisection: of the thousands of moments of a block a few are unpacked
//! to tell its hours apart.

use std::ops::Range;

use super::codes::{CodeBlock, Layout};
use super::packing::number_at;
use crate::format::Malformed;

const BEYOND: Malformed = Malformed("runs beyond their block");

impl CodeBlock<'_> {
    /// Some rows, whose codes ascend, in runs of codes that are in one stretch: the first code of each run in place of
    /// what `codes` holds, the row it ends before in `ends`. `last` says where the stretch ends that a code is in.
    /// `false` when there are more than `most` runs.
    pub(crate) fn ascending_runs(
        &self,
        (rows, most): (Range<usize>, usize),
        last: impl Fn(u64) -> u64,
        (codes, ends): (&mut Vec<u64>, &mut Vec<u32>),
    ) -> Result<bool, Malformed> {
        codes.clear();
        ends.clear();
        let rows = rows.start..rows.end.min(self.rows);
        if rows.is_empty() {
            return Ok(true);
        }
        self.check_runs()?;
        let mut entry = self.entry_of(rows.start);
        let to = self.entry_of(rows.end - 1) + 1;
        while entry < to {
            if codes.len() >= most {
                return Ok(false);
            }
            let code = self.entry(entry)?;
            entry = self.first_above(entry + 1..to, last(code))?;
            let end = if entry < to {
                self.start_of(entry)
            } else {
                rows.end
            };
            codes.push(code);
            ends.push(end as u32);
        }
        match ends.is_sorted() && ends.last() == Some(&(rows.end as u32)) {
            true => Ok(true),
            false => Err(BEYOND),
        }
    }

    /// Whether as many runs begin as there are codes.
    fn check_runs(&self) -> Result<(), Malformed> {
        if self.shape.layout != Layout::RunBits {
            return Ok(());
        }
        let set: u32 = self.heads.iter().map(|byte| byte.count_ones()).sum();
        match set == self.shape.runs && self.heads.first().is_some_and(|byte| byte & 1 == 1) {
            true => Ok(()),
            false => Err(BEYOND),
        }
    }

    /// The code of a row, or of a run where they are stored by run.
    fn entry(&self, entry: usize) -> Result<u64, Malformed> {
        let count = match self.shape.layout {
            Layout::Packed => self.rows,
            _ => self.shape.runs as usize,
        };
        let distance = number_at(self.packed, self.shape.bits, count, entry);
        let most = self.shape.high - self.shape.low;
        let distance = distance.filter(|distance| entry < count && *distance <= most);
        distance
            .map(|distance| self.shape.low + distance)
            .ok_or(Malformed("a code is out of range"))
    }

    /// The first of some entries whose code is greater; the end where none is.
    fn first_above(&self, entries: Range<usize>, code: u64) -> Result<usize, Malformed> {
        let Range {
            start: mut from,
            end: mut to,
        } = entries;
        while from < to {
            let middle = from.midpoint(to);
            match self.entry(middle)? > code {
                true => to = middle,
                false => from = middle + 1,
            }
        }
        Ok(from)
    }

    /// The entry of a row.
    fn entry_of(&self, row: usize) -> usize {
        match self.shape.layout {
            Layout::Packed => row,
            Layout::RunStarts => self.starts().filter(|start| *start as usize <= row).count(),
            Layout::RunBits => {
                let (whole, rest) = self.heads.split_at_checked(row / 8).unwrap_or_default();
                let whole: u32 = whole.iter().map(|byte| byte.count_ones()).sum();
                let mask = u8::MAX >> (7 - row % 8);
                let rest = rest.first().map_or(0, |byte| (byte & mask).count_ones());
                ((whole + rest) as usize).saturating_sub(1)
            }
        }
    }

    /// The first row of an entry; the number of rows where there is none.
    fn start_of(&self, entry: usize) -> usize {
        match self.shape.layout {
            Layout::Packed => entry,
            Layout::RunStarts => match entry.checked_sub(1) {
                Some(at) => self
                    .starts()
                    .nth(at)
                    .map_or(self.rows, |start| start as usize),
                None => 0,
            },
            Layout::RunBits => nth_set(self.heads, entry).unwrap_or(self.rows),
        }
    }
}

/// Where the bit is that so many others are set before.
fn nth_set(bits: &[u8], mut before: usize) -> Option<usize> {
    for (at, word) in bits.chunks(8).enumerate() {
        let mut bytes = [0; 8];
        bytes
            .iter_mut()
            .zip(word)
            .for_each(|(to, byte)| *to = *byte);
        let mut word = u64::from_le_bytes(bytes);
        let set = word.count_ones() as usize;
        if set <= before {
            before -= set;
            continue;
        }
        for _ in 0..before {
            word &= word - 1;
        }
        return Some(at * 64 + word.trailing_zeros() as usize);
    }
    None
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::codes::Shape;
    use super::*;
    use proptest::prelude::*;

    /// Codes that ascend, with runs of any length, in blocks of every layout.
    fn ascending() -> impl Strategy<Value = Vec<u64>> {
        let steps = prop_oneof![Just(1u64), Just(30), Just(1 << 20), Just(1 << 40)];
        let lengths = prop_oneof![Just(1usize), Just(2), Just(5), Just(700)];
        (steps, lengths, 0u64..1000).prop_flat_map(|(step, length, base)| {
            let run = (0..=step, 1..=length);
            prop::collection::vec(run, 1..=6000 / length).prop_map(move |runs| {
                let mut code = base;
                let mut codes = Vec::new();
                for (more, length) in runs {
                    code += more;
                    codes.extend(std::iter::repeat_n(code, length));
                }
                codes
            })
        })
    }

    proptest! {
        #[test]
        fn runs_are_those_that_rows_make(
            codes in ascending(), width in 1u64..100_000, wide: bool, from: prop::sample::Index, to: prop::sample::Index,
        ) {
            let width = if wide { width << 20 } else { width };
            let shape = Shape::of(&codes);
            let mut bytes = Vec::new();
            shape.encode(&codes, &mut bytes);
            let block = CodeBlock::new(shape, codes.len(), &bytes).unwrap();
            let (from, to) = (from.index(codes.len()), to.index(codes.len()) + 1);
            let last = |code: u64| code / width * width + width - 1;
            let (mut found, mut ends) = (vec![7], vec![7]);
            let most = codes.len();
            let rows = from..to.max(from);
            prop_assert!(block.ascending_runs((rows.clone(), most), last, (&mut found, &mut ends)).unwrap());
            let mut start = from;
            for (code, end) in found.iter().zip(&ends) {
                prop_assert_eq!(*code, codes[start]);
                let own = code / width;
                prop_assert!(codes[start..*end as usize].iter().all(|c| c / width == own));
                prop_assert!(*end as usize == rows.end || codes[*end as usize] / width > own);
                start = *end as usize;
            }
            prop_assert_eq!(start, rows.end);
            let few = found.len().saturating_sub(1);
            let fits = block.ascending_runs((rows, few), last, (&mut found, &mut ends)).unwrap();
            prop_assert_eq!(fits, few == 0 && from >= to);
        }

        #[test]
        fn any_bytes_are_an_error_or_runs_within_the_rows(
            bytes in prop::collection::vec(any::<u8>(), 0..3000), layout in 0u8..3,
            bits in 0u8..=64, rows in 1usize..5000, runs in 0u32..900, low in 0u64..300, high in 0u64..3000,
        ) {
            let layout = Layout::of_tag(layout).unwrap();
            let shape = Shape { layout, bits, runs, low, high };
            let fitting = bytes.iter().copied().cycle();
            let bytes: Vec<u8> = fitting.take(shape.bytes(rows)).collect();
            if let Ok(block) = CodeBlock::new(shape, rows, &bytes) {
                let (mut codes, mut ends) = (Vec::new(), Vec::new());
                let last = |code: u64| code | 63;
                if let Ok(true) = block.ascending_runs((0..rows, rows), last, (&mut codes, &mut ends)) {
                    prop_assert_eq!(codes.len(), ends.len());
                    prop_assert_eq!(ends.last().copied(), Some(rows as u32));
                    prop_assert!(codes.iter().all(|c| (low..=high).contains(c)));
                }
            }
        }
    }
}
