//! The codes of a block in the narrowest type that holds them, and what is done with many at once.

use std::ops::Range;

use multiversion::multiversion;

use crate::Result;
use crate::scan::Rows;
use crate::segment::Lane;

/// Where the codes of a block can be had from.
pub(crate) trait Codes {
    /// Puts them in place of what `out` holds; `T` holds the greatest.
    fn read<T: Lane>(&self, out: &mut Vec<T>) -> Result<()>;
}

/// Memory for the codes of a block.
#[derive(Debug, Default)]
pub(crate) struct LaneBuffer {
    bytes: Vec<u8>,
    halves: Vec<u16>,
    words: Vec<u32>,
    longs: Vec<u64>,
}

/// The codes of all rows of a block.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Lanes<'a> {
    Bytes(&'a [u8]),
    Halves(&'a [u16]),
    Words(&'a [u32]),
    Longs(&'a [u64]),
}

impl LaneBuffer {
    /// Reads codes of which none is above `high`.
    pub(crate) fn read(&mut self, codes: &impl Codes, high: u64) -> Result<Lanes<'_>> {
        let fits = |greatest: u64| high <= greatest;
        Ok(if fits(u8::MAX.into()) {
            codes.read(&mut self.bytes)?;
            Lanes::Bytes(&self.bytes)
        } else if fits(u16::MAX.into()) {
            codes.read(&mut self.halves)?;
            Lanes::Halves(&self.halves)
        } else if fits(u32::MAX.into()) {
            codes.read(&mut self.words)?;
            Lanes::Words(&self.words)
        } else {
            codes.read(&mut self.longs)?;
            Lanes::Longs(&self.longs)
        })
    }

    /// Reads what stands in the places of codes.
    pub(crate) fn read_mapped(&mut self, codes: &impl Codes, lanes: &[u64]) -> Result<Lanes<'_>> {
        codes.read(&mut self.longs)?;
        for code in &mut self.longs {
            *code = lanes.get(*code as usize).copied().unwrap_or(0);
        }
        Ok(Lanes::Longs(&self.longs))
    }

    /// The same number for every row.
    pub(crate) fn repeat(&mut self, number: u8, rows: usize) -> Lanes<'_> {
        self.bytes.clear();
        self.bytes.resize(rows, number);
        Lanes::Bytes(&self.bytes)
    }
}

macro_rules! each {
    ($lanes:expr, $slice:ident => $do:expr) => {
        match $lanes {
            Lanes::Bytes($slice) => $do,
            Lanes::Halves($slice) => $do,
            Lanes::Words($slice) => $do,
            Lanes::Longs($slice) => $do,
        }
    };
}

impl Lanes<'_> {
    pub(crate) fn get(self, row: usize) -> u64 {
        each!(self, lanes => lanes.get(row).map_or(0, wide))
    }

    /// The sum over some rows.
    pub(crate) fn sum(self, rows: Rows<'_>) -> u64 {
        each!(self, lanes => match rows {
            Rows::Range(from, to) => sum(lanes.get(from..to).unwrap_or_default()),
            Rows::Picked(rows) => picked(lanes, rows).sum(),
        })
    }

    pub(crate) fn is_empty(self) -> bool {
        each!(self, lanes => lanes.is_empty())
    }

    /// Whether any lane is between two numbers.
    pub(crate) fn any_within(self, (from, to): (u64, u64)) -> bool {
        each!(self, lanes => any_within(lanes, (from, to)))
    }

    /// Puts a 1 for every row whose lane is between two numbers, a 0 for others.
    pub(crate) fn within(self, (from, to): (u64, u64), rows: Range<usize>, out: &mut Vec<u8>) {
        each!(self, lanes => within(lanes.get(rows).unwrap_or_default(), (from, to), out));
    }

    /// The same with a 1 in addition for those that are.
    pub(crate) fn or_within(self, (from, to): (u64, u64), rows: Range<usize>, out: &mut [u8]) {
        each!(self, lanes => or_within(lanes.get(rows).unwrap_or_default(), (from, to), out));
    }

    /// How many of some rows are not 0.
    pub(crate) fn present(self, rows: Rows<'_>) -> u64 {
        each!(self, lanes => match rows {
            Rows::Range(from, to) => present(lanes.get(from..to).unwrap_or_default()),
            Rows::Picked(rows) => picked(lanes, rows).filter(|&lane| lane != 0).count() as u64,
        })
    }

    /// The least and the greatest of some rows; with `null` those that are 0 are left out.
    pub(crate) fn range(self, rows: Rows<'_>, null: bool) -> Option<(u64, u64)> {
        let mut range: Option<(u64, u64)> = None;
        let mut put = |lane: u64| {
            if !(null && lane == 0) {
                let (low, high) = range.unwrap_or((lane, lane));
                range = Some((low.min(lane), high.max(lane)));
            }
        };
        each!(self, lanes => match rows {
            Rows::Range(from, to) => {
                let lanes = lanes.get(from..to).unwrap_or_default();
                lanes.iter().map(wide).for_each(&mut put);
            }
            Rows::Picked(rows) => picked(lanes, rows).for_each(&mut put),
        });
        range
    }

    /// Adds every lane, moved up, to its row's word.
    pub(crate) fn add_to(self, words: &mut [u64], shift: u32) {
        each!(self, lanes => add(words, lanes, shift));
    }

    /// Adds 1, moved up, to the words of rows that are not 0.
    pub(crate) fn add_presence_to(self, words: &mut [u64], shift: u32) {
        each!(self, lanes => add_presence(words, lanes, shift));
    }
}

fn wide<N: Copy + Into<u64>>(lane: &N) -> u64 {
    (*lane).into()
}

fn picked<'a, N: Copy + Into<u64>>(lanes: &'a [N], rows: &'a [u32]) -> impl Iterator<Item = u64> {
    let lane = |&row: &u32| lanes.get(row as usize).map(|&lane| lane.into());
    rows.iter().filter_map(lane)
}

/// A range of numbers as its least and its length in a narrower type; `None` when no number is in it.
fn narrowed<N: Lane>((from, to): (u64, u64)) -> Option<(N, N)> {
    let from_lane = N::try_from(from).ok()?;
    let to = N::try_from(to).map_or_else(|_| N::wrap(u64::MAX).into(), Into::into);
    (from <= to).then(|| (from_lane, N::wrap(to - from)))
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn any_within<N: Lane>(lanes: &[N], range: (u64, u64)) -> bool {
    let Some((from, length)) = narrowed::<N>(range) else {
        return false;
    };
    // Without an early end, so that it is done in wide registers.
    let hit = |any: bool, lane: &N| any | (lane.wrapping_sub(from) <= length);
    lanes.iter().fold(false, hit)
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn within<N: Lane>(lanes: &[N], range: (u64, u64), out: &mut Vec<u8>) {
    out.clear();
    let Some((from, length)) = narrowed::<N>(range) else {
        out.resize(lanes.len(), 0);
        return;
    };
    out.extend(
        lanes
            .iter()
            .map(|lane| u8::from(lane.wrapping_sub(from) <= length)),
    );
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn or_within<N: Lane>(lanes: &[N], range: (u64, u64), out: &mut [u8]) {
    if let Some((from, length)) = narrowed::<N>(range) {
        for (out, lane) in out.iter_mut().zip(lanes) {
            *out |= u8::from(lane.wrapping_sub(from) <= length);
        }
    }
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn sum<N: Copy + Into<u64>>(lanes: &[N]) -> u64 {
    if size_of::<N>() > 2 {
        return lanes.iter().map(|&lane| lane.into()).sum();
    }
    // So many narrow lanes do not exceed 32 bits, of which a register holds more.
    let part = |lanes: &[N]| {
        let lanes = lanes.iter().map(|&lane| lane.into() as u32);
        u64::from(lanes.fold(0, u32::wrapping_add))
    };
    lanes.chunks(1 << 15).map(part).sum()
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn present<N: Copy + Into<u64>>(lanes: &[N]) -> u64 {
    let present = lanes.iter().map(|&lane| u32::from(lane.into() != 0));
    u64::from(present.sum::<u32>())
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn add<N: Copy + Into<u64>>(words: &mut [u64], lanes: &[N], shift: u32) {
    for (word, &lane) in words.iter_mut().zip(lanes) {
        *word += lane.into() << shift;
    }
}

#[multiversion(targets("x86_64+avx+avx2+bmi1+bmi2+fma"))]
fn add_presence<N: Copy + Into<u64>>(words: &mut [u64], lanes: &[N], shift: u32) {
    for (word, &lane) in words.iter_mut().zip(lanes) {
        *word += u64::from(lane.into() != 0) << shift;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wide_sums_of_narrow_lanes_do_not_overflow() {
        let rows = 200_000;
        let all = Rows::Range(0, rows);
        let bytes = vec![u8::MAX; rows];
        assert_eq!(Lanes::Bytes(&bytes).sum(all), 255 * rows as u64);
        let halves = vec![u16::MAX; rows];
        assert_eq!(Lanes::Halves(&halves).sum(all), 65_535 * rows as u64);
        assert_eq!(Lanes::Halves(&halves).sum(Rows::Picked(&[1, 5])), 131_070);
    }

    #[test]
    fn ranges_beyond_a_type_are_cut_to_it() {
        let (lanes, mut out) = (Lanes::Bytes(&[0, 7, 200, 255]), Vec::new());
        for (range, expected) in [
            ((7, 200), [0, 1, 1, 0]),
            ((200, 70_000), [0, 0, 1, 1]),
            ((256, 256), [0, 0, 0, 0]),
            ((0, u64::MAX), [1, 1, 1, 1]),
        ] {
            lanes.within(range, 0..4, &mut out);
            assert_eq!(out, expected, "{range:?}");
        }
        lanes.within((0, 0), 0..4, &mut out);
        lanes.or_within((255, 300), 0..4, &mut out);
        assert_eq!(out, [1, 0, 0, 1]);
    }

    #[test]
    fn rows_that_are_null_are_no_part_of_a_range() {
        let lanes = Lanes::Words(&[0, 7, 3, 0]);
        assert_eq!(lanes.range(Rows::Range(0, 4), true), Some((3, 7)));
        assert_eq!(lanes.range(Rows::Range(0, 4), false), Some((0, 7)));
        assert_eq!(lanes.range(Rows::Picked(&[0, 3]), true), None);
        assert_eq!(lanes.present(Rows::Range(0, 4)), 2);
    }
}
