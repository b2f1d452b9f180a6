//! Testing the rows of a block by their codes, before any value is decoded.

use std::ops::Range;

use super::code_set::{CodeSet, RANGES_MAX};
use super::lanes::{Codes, LaneBuffer, Lanes};
use crate::Result;
use crate::segment::{Lane, SegmentReader, Selection};

/// Buffers that one thread uses again for block after block.
#[derive(Debug, Default)]
pub(super) struct FilterBuffers {
    lanes: LaneBuffer,
    runs: Vec<u64>,
    ends: Vec<u32>,
    passing: Vec<u8>,
}

/// The codes of a column in one block.
struct ColumnCodes<'a>(&'a SegmentReader, usize, usize);

impl Codes for ColumnCodes<'_> {
    fn read<T: Lane>(&self, out: &mut Vec<T>) -> Result<()> {
        let Self(reader, column, block) = *self;
        reader.codes(column, block, out)
    }
}

/// The codes of its runs, none where it is not laid out in runs.
struct RunValues<'a>(&'a ColumnCodes<'a>);

impl Codes for RunValues<'_> {
    fn read<T: Lane>(&self, out: &mut Vec<T>) -> Result<()> {
        let ColumnCodes(reader, column, block) = *self.0;
        if !reader.run_values((column, block), out)? {
            out.clear();
        }
        Ok(())
    }
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
        let FilterBuffers {
            lanes,
            runs,
            ends,
            passing,
        } = buffers;
        let codes = ColumnCodes(reader, *column, block);
        selection = if has_none(&codes, (set, high), lanes)? {
            Selection::Picked(Vec::new())
        } else if reader.code_runs((*column, block), runs, ends)? {
            keep_runs(selection, runs, ends, |code| set.contains(code))
        } else {
            keep(selection, lanes.read(&codes, high)?, set, passing)
        };
        if selection.len() == 0 {
            break;
        }
    }
    Ok(selection)
}

/// Whether no run of a block has a code of a set of one range: most blocks have no row with a rare value, though
/// their bounds do not say so. Other sets and blocks are not looked at.
fn has_none(
    codes: &ColumnCodes<'_>,
    (set, high): (&CodeSet, u64),
    lanes: &mut LaneBuffer,
) -> Result<bool> {
    let Some(range) = set.single_range() else {
        return Ok(false);
    };
    let values = lanes.read(&RunValues(codes), high)?;
    Ok(!values.is_empty() && !values.any_within(range))
}

fn keep(selection: Selection, lanes: Lanes<'_>, set: &CodeSet, passing: &mut Vec<u8>) -> Selection {
    let (ranges, range) = match (set, &selection) {
        (CodeSet::Ranges(ranges), Selection::Range(range)) if ranges.len() <= RANGES_MAX => {
            (ranges, range.clone())
        }
        _ => return keep_if(selection, |row| set.contains(lanes.get(row))),
    };
    match ranges.split_first() {
        Some((first, rest)) => {
            lanes.within(*first, range.clone(), passing);
            for other in rest {
                lanes.or_within(*other, range.clone(), passing);
            }
            Selection::Picked(positions(passing, range.start as u32))
        }
        None => Selection::Picked(Vec::new()),
    }
}

/// Without branches: which rows pass cannot be foretold.
fn keep_if(selection: Selection, test: impl Fn(usize) -> bool) -> Selection {
    let mut kept = vec![0u32; selection.len()];
    let mut count = 0;
    let mut ask = |row: u32| {
        if let Some(slot) = kept.get_mut(count) {
            *slot = row;
        }
        count += usize::from(test(row as usize));
    };
    match &selection {
        Selection::Range(range) => (range.start as u32..range.end as u32).for_each(&mut ask),
        Selection::Picked(rows) => rows.iter().for_each(|&row| ask(row)),
    }
    kept.truncate(count);
    Selection::Picked(kept)
}

/// Of each byte the positions of its bits that are set, in order.
// Made while compiling, where a wrong index is an error.
#[allow(clippy::indexing_slicing)]
const POSITIONS: [[u8; 8]; 256] = {
    let mut all = [[0; 8]; 256];
    let mut byte = 0;
    while byte < 256 {
        let (mut bit, mut count) = (0, 0);
        while bit < 8 {
            if byte >> bit & 1 == 1 {
                all[byte][count] = bit as u8;
                count += 1;
            }
            bit += 1;
        }
        byte += 1;
    }
    all
};

/// The positions of the ones among zeros and ones, counted from `first`: eight at a time, none or all quickly.
fn positions(ones: &[u8], first: u32) -> Vec<u32> {
    // Eight are written whether they are positions or not.
    let mut kept = vec![0u32; ones.len() + 8];
    let (mut count, mut row) = (0, first);
    let (eights, rest) = ones.as_chunks::<8>();
    for eight in eights {
        // Gathers the lowest bit of each byte.
        let byte = u64::from_le_bytes(*eight).wrapping_mul(0x0102_0408_1020_4080) >> 56;
        let slots = kept.get_mut(count..).and_then(|k| k.first_chunk_mut::<8>());
        if let (Some(slots), Some(places)) = (slots, POSITIONS.get(byte as usize)) {
            *slots = places.map(|place| row + u32::from(place));
        }
        count += byte.count_ones() as usize;
        row += 8;
    }
    for (row, one) in (row..).zip(rest) {
        if let Some(slot) = kept.get_mut(count) {
            *slot = row;
        }
        count += usize::from(*one);
    }
    kept.truncate(count);
    kept
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
                let mut passing = Vec::new();
                let lanes = Lanes::Words(&codes);
                let kept = keep(before.clone(), lanes, &set, &mut passing);
                prop_assert_eq!(rows(&kept), expected.clone());
                let any = codes.iter().any(|&code| in_set(code.into()));
                prop_assert_eq!(lanes.any_within((from, from + length)), any);
                let by_runs = keep_runs(before, &values, &ends, |c| set.contains(c.into()));
                prop_assert_eq!(rows(&by_runs), expected);
            }
        }
    }
}
