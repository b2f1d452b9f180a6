//! Testing the rows of a block by their codes, before any value is decoded.

use std::ops::Range;

use super::code_set::CodeSet;
use crate::Result;
use crate::segment::{SegmentReader, Selection};

/// Buffers that one thread uses again for block after block.
#[derive(Debug, Default)]
pub(super) struct FilterBuffers {
    codes: Vec<u32>,
    wide: Vec<u64>,
    ends: Vec<u32>,
}

/// The rows of `rows` of a block whose codes are in all the sets.
pub(super) fn select(
    reader: &SegmentReader,
    (block, rows): (usize, Range<usize>),
    tests: &[(usize, CodeSet)],
    buffers: &mut FilterBuffers,
) -> Result<Selection> {
    let mut selection = Selection::Range(rows);
    for (column, set) in tests {
        let (low, high) = reader.block(*column, block)?.code_range();
        if set.covers_range(low, high) {
            continue;
        }
        selection = if u32::try_from(high).is_ok() {
            let FilterBuffers { codes, ends, .. } = buffers;
            let in_runs = reader.run_values((*column, block), codes)?;
            if !in_runs {
                reader.codes(*column, block, codes)?;
            }
            if has_none(codes, set) {
                Selection::Picked(Vec::new())
            } else if in_runs {
                reader.code_runs((*column, block), codes, ends)?;
                keep_runs(selection, codes, ends, |code| set.contains(code.into()))
            } else {
                keep(selection, codes, set)
            }
        } else {
            reader.codes(*column, block, &mut buffers.wide)?;
            keep_if(selection, &buffers.wide, |code| set.contains(code))
        };
        if selection.len() == 0 {
            break;
        }
    }
    Ok(selection)
}

/// Whether no code is in a set of one range: most blocks have no row with a rare value, though their bounds
/// do not say so. Other sets are not looked at.
fn has_none(codes: &[u32], set: &CodeSet) -> bool {
    let Some((from, to)) = set.single_range() else {
        return false;
    };
    // Without an early end, so that it is done in wide registers.
    let (Ok(from), to) = (u32::try_from(from), to.min(u32::MAX.into()) as u32) else {
        return true;
    };
    let length = to.wrapping_sub(from);
    let hit = |any: bool, code: &u32| any | (code.wrapping_sub(from) <= length);
    !codes.iter().fold(false, hit)
}

/// The commonest kinds of sets, each with a loop of its own.
fn keep(selection: Selection, codes: &[u32], set: &CodeSet) -> Selection {
    match set {
        CodeSet::Ranges(ranges) => {
            if let [(from, to)] = ranges.as_slice() {
                // Codes of this block fit 32 bits: so does what of the range matters.
                let (from, to) = ((*from).min(u32::MAX.into()), (*to).min(u32::MAX.into()));
                let (from, length) = (from as u32, (to - from) as u32);
                return keep_if(selection, codes, |code| code.wrapping_sub(from) <= length);
            }
            keep_if(selection, codes, |code| set.contains(code.into()))
        }
        CodeSet::Bits(bits) => keep_if(selection, codes, |code| {
            let word = bits.get(code as usize / 64).copied().unwrap_or(0);
            word >> (code % 64) & 1 == 1
        }),
    }
}

/// Without branches: which rows pass cannot be foretold.
fn keep_if<T: Copy>(selection: Selection, codes: &[T], test: impl Fn(T) -> bool) -> Selection {
    let mut kept = vec![0u32; selection.len()];
    let mut count = 0;
    let mut ask = |row: u32, code: T| {
        if let Some(slot) = kept.get_mut(count) {
            *slot = row;
        }
        count += usize::from(test(code));
    };
    match &selection {
        Selection::Range(range) => {
            let codes = codes.get(range.clone()).unwrap_or_default();
            (range.start as u32..)
                .zip(codes)
                .for_each(|(row, &code)| ask(row, code));
        }
        Selection::Picked(rows) => {
            let rows = rows
                .iter()
                .filter_map(|&row| Some((row, *codes.get(row as usize)?)));
            rows.for_each(|(row, code)| ask(row, code));
        }
    }
    kept.truncate(count);
    Selection::Picked(kept)
}

/// One test per run.
fn keep_runs<T: Copy>(
    selection: Selection,
    values: &[T],
    ends: &[u32],
    test: impl Fn(T) -> bool,
) -> Selection {
    let mut kept = Vec::new();
    match &selection {
        Selection::Range(range) => {
            let (mut start, last) = (range.start as u32, range.end as u32);
            for (&value, &end) in values.iter().zip(ends) {
                if end > start && start < last {
                    if test(value) {
                        kept.extend(start..end.min(last));
                    }
                    start = end;
                }
            }
        }
        Selection::Picked(rows) => {
            let mut runs = values.iter().zip(ends);
            let mut run = runs.next().map(|(&value, &end)| (test(value), end));
            for &row in rows {
                while run.is_some_and(|(_, end)| end <= row) {
                    run = runs.next().map(|(&value, &end)| (test(value), end));
                }
                if run.is_some_and(|(passes, _)| passes) {
                    kept.push(row);
                }
            }
        }
    }
    Selection::Picked(kept)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn rows(selection: &Selection) -> Vec<u32> {
        match selection {
            Selection::Range(range) => range.clone().map(|row| row as u32).collect(),
            Selection::Picked(rows) => rows.clone(),
        }
    }

    proptest! {
        #[test]
        fn exactly_the_rows_that_pass_are_kept(
            runs in prop::collection::vec((0u32..9, 1usize..5), 1..60), from in 0u64..9, length in 0u64..4,
            start: prop::sample::Index, as_bits: bool,
        ) {
            let codes: Vec<u32> = runs.iter().flat_map(|&(c, n)| std::iter::repeat_n(c, n)).collect();
            let values: Vec<u32> = runs.iter().map(|r| r.0).collect();
            let mut end = 0;
            let ends: Vec<u32> = runs.iter().map(|r| { end += r.1 as u32; end }).collect();
            let range = start.index(codes.len())..codes.len();
            let in_set = |code: u64| (from..=from + length).contains(&code);
            let set = if as_bits {
                CodeSet::collect(8, in_set)
            } else {
                CodeSet::Ranges(vec![(from, from + length)])
            };
            let picked = range.clone().filter(|row| row % 3 != 0).map(|row| row as u32).collect();
            for before in [Selection::Range(range.clone()), Selection::Picked(picked)] {
                let expected: Vec<u32> = rows(&before).into_iter()
                    .filter(|&row| in_set(codes[row as usize].into())).collect();
                prop_assert_eq!(rows(&keep(before.clone(), &codes, &set)), expected.clone());
                let none = codes.iter().all(|&code| !in_set(code.into()));
                prop_assert_eq!(has_none(&codes, &set), none && !as_bits);
                let by_runs = keep_runs(before, &values, &ends, |c| set.contains(c.into()));
                prop_assert_eq!(rows(&by_runs), expected);
            }
        }
    }
}
