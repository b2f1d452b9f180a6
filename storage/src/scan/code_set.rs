//! A predicate over one column of one segment as the set of codes that satisfy it: found once, without
//! reading rows, and then a comparison of small integers per block and per row.

use std::cmp::Ordering;

use arrow::datatypes::DataType;

use super::compare::{compare_bytes, compare_int};
use crate::segment::{Bounds, ChunkCache, ColumnKind, SegmentReader};
use crate::{CompareOp, Predicate, Result, Value};

/// So many ranges are faster tested one after the other, many rows at a time.
pub(crate) const RANGES_MAX: usize = 8;

/// A set of codes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CodeSet {
    /// From the first to the second, both included; ascending and apart. Empty: nothing.
    Ranges(Vec<(u64, u64)>),
    /// One bit per code.
    Bits(Vec<u64>),
}

impl CodeSet {
    /// The codes from `low` to `high` that pass, each asked once.
    pub fn collect(high: u64, mut test: impl FnMut(u64) -> bool) -> Self {
        let words = (high / 64 + 1) as usize;
        let word = |number: u64, test: &mut dyn FnMut(u64) -> bool| {
            let codes = (number * 64)..=(number * 64 + 63).min(high);
            codes.fold(0, |bits, code| bits | u64::from(test(code)) << (code % 64))
        };
        let bits = (0..words as u64).map(|number| word(number, &mut test));
        Self::Bits(bits.collect())
    }

    /// These codes, which ascend: as ranges where there are few.
    pub(crate) fn of_ascending(high: u64, codes: &[u64]) -> Self {
        let mut runs = codes.chunk_by(|a, b| a + 1 == *b);
        let ends = |run: &[u64]| Some((*run.first()?, *run.last()?));
        let ranges: Option<Vec<_>> = runs.by_ref().take(RANGES_MAX).map(ends).collect();
        if let (Some(ranges), None) = (ranges, runs.next()) {
            return Self::Ranges(ranges);
        }
        let mut bits = vec![0; (high / 64 + 1) as usize];
        for code in codes {
            if let Some(word) = bits.get_mut((code / 64) as usize) {
                *word |= 1 << (code % 64);
            }
        }
        Self::Bits(bits)
    }

    /// These codes, which ascend, of those from `low` to `high`, or all but them.
    pub(crate) fn without((low, high): (u64, u64), codes: &[u64], these: bool) -> Self {
        if these {
            return Self::of_ascending(high, codes);
        }
        let (mut from, mut ranges) = (low, Vec::with_capacity(codes.len() + 1));
        for &code in codes {
            if from < code {
                ranges.push((from, code - 1));
            }
            from = code + 1;
        }
        if from <= high {
            ranges.push((from, high));
        }
        match ranges.len() <= RANGES_MAX {
            true => Self::Ranges(ranges),
            false => Self::collect(high, |code| {
                code >= low && codes.binary_search(&code).is_err()
            }),
        }
    }

    /// Bytes that it takes.
    pub(super) fn memory(&self) -> usize {
        match self {
            Self::Ranges(ranges) => ranges.capacity() * size_of::<(u64, u64)>(),
            Self::Bits(bits) => bits.capacity() * size_of::<u64>(),
        }
    }

    /// Whether it has no code.
    pub fn is_empty(&self) -> bool {
        match self {
            Self::Ranges(ranges) => ranges.is_empty(),
            Self::Bits(bits) => bits.iter().all(|&word| word == 0),
        }
    }

    /// Whether it has this code.
    pub fn contains(&self, code: u64) -> bool {
        match self {
            Self::Ranges(_) => self.intersects(code, code),
            Self::Bits(bits) => {
                let word = bits.get((code / 64) as usize).copied().unwrap_or(0);
                word >> (code % 64) & 1 == 1
            }
        }
    }

    /// Whether it has a code from `low` to `high`.
    pub(crate) fn intersects(&self, low: u64, high: u64) -> bool {
        match self {
            Self::Ranges(ranges) => {
                let first = ranges.partition_point(|&(_, to)| to < low);
                ranges.get(first).is_some_and(|&(from, _)| from <= high)
            }
            Self::Bits(bits) => {
                let (first, last) = ((low / 64) as usize, (high / 64) as usize);
                let words = bits
                    .get(first..bits.len().min(last + 1))
                    .unwrap_or_default();
                words.iter().enumerate().any(|(at, &word)| {
                    let from = if at == 0 {
                        u64::MAX << (low % 64)
                    } else {
                        u64::MAX
                    };
                    let to = if first + at == last {
                        u64::MAX >> (63 - high % 64)
                    } else {
                        u64::MAX
                    };
                    word & from & to != 0
                })
            }
        }
    }

    /// Whether it has every code from `low` to `high`.
    pub(crate) fn covers(&self, low: u64, high: u64) -> bool {
        match self {
            Self::Ranges(ranges) => {
                let first = ranges.partition_point(|&(_, to)| to < low);
                let range = ranges.get(first);
                range.is_some_and(|&(from, to)| from <= low && high <= to)
            }
            Self::Bits(_) => (low..=high).all(|code| self.contains(code)),
        }
    }

    /// `covers`, where that is found without looking at every code.
    pub(crate) fn covers_range(&self, low: u64, high: u64) -> bool {
        high.saturating_sub(low) < 64 && self.covers(low, high) || {
            matches!(self, Self::Ranges(_)) && self.covers(low, high)
        }
    }

    /// Its only range.
    pub(super) fn single_range(&self) -> Option<(u64, u64)> {
        match self {
            Self::Ranges(ranges) => match ranges.as_slice() {
                [range] => Some(*range),
                _ => None,
            },
            Self::Bits(_) => None,
        }
    }
}

/// How a predicate is tested in one segment.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum ColumnTest {
    /// Every row may satisfy it; none can be told apart without its value.
    Unknown,
    Codes(CodeSet),
}

/// What of a segment's column, which is of `data_type` in the table, can satisfy `predicate`. May read the
/// dictionary.
pub(super) fn test_of(
    reader: &SegmentReader,
    cache: &ChunkCache,
    (column, data_type): (usize, &DataType),
    predicate: &Predicate,
) -> Result<ColumnTest> {
    let info = reader.codes_info(column)?;
    let Some(info) = info else {
        return Ok(ColumnTest::Unknown);
    };
    let null = u64::from(info.null_code);
    // Values have the codes from `null` on.
    let values = |from: u64, to: u64| {
        if from <= to {
            vec![(from, to)]
        } else {
            Vec::new()
        }
    };
    let not_null = values(null, info.high);
    let is_dictionary = matches!(info.kind, ColumnKind::Dictionary);
    let ranges = match predicate {
        // A test of strings says nothing about numbers.
        Predicate::Passes { .. } if !is_dictionary => return Ok(ColumnTest::Unknown),
        Predicate::IsNull { .. } if info.null_code => vec![(0, 0)],
        Predicate::IsNull { .. } => Vec::new(),
        Predicate::IsNotNull { .. } => not_null,
        _ if info.high < null => Vec::new(),
        _ => match info.kind {
            ColumnKind::Frame(frame) => {
                let compare =
                    |code: u64, value: &Value| compare_int(frame.value(code), data_type, value);
                ranges_of(predicate, (null, info.high), compare)
            }
            ColumnKind::Numbers { base } => {
                // Found among all numbers there may be, so that entries are compared as they are stored.
                let compare = |distance: u64, value: &Value| {
                    compare_int(base.saturating_add(distance.into()), data_type, value)
                };
                let farthest = match reader.zone(column).map(|zone| zone.bounds) {
                    Some(Bounds::Int(_, max)) => u64::try_from(max.saturating_sub(base)),
                    _ => Ok(u64::MAX),
                };
                let farthest = farthest.unwrap_or(u64::MAX);
                let distances = ranges_of(predicate, (0, farthest), compare);
                let set = reader.number_set(column, &distances)?;
                return Ok(ColumnTest::Codes(set));
            }
            ColumnKind::Dictionary => {
                let set = strings_set(reader, cache, column, predicate)?;
                return Ok(ColumnTest::Codes(set));
            }
        },
    };
    Ok(ColumnTest::Codes(CodeSet::Ranges(ranges)))
}

/// Whether a value may satisfy a predicate, given how it compares with a literal; what cannot be told
/// may.
fn may_satisfy(predicate: &Predicate, compare: impl Fn(&Value) -> Option<Ordering>) -> bool {
    let holds = |op: &CompareOp, value: &Value| compare(value).is_none_or(|o| op.holds(o));
    match predicate {
        Predicate::Compare { op, value, .. } => holds(op, value),
        Predicate::In { values, .. } => values.iter().any(|value| holds(&CompareOp::Eq, value)),
        Predicate::IsNull { .. } => false,
        Predicate::IsNotNull { .. } | Predicate::Passes { .. } => true,
    }
}

/// The codes of a frame of reference, whose values ascend with them, that may satisfy a comparison.
fn ranges_of(
    predicate: &Predicate,
    (low, high): (u64, u64),
    compare: impl Fn(u64, &Value) -> Option<Ordering>,
) -> Vec<(u64, u64)> {
    let not_less = |value: &Value| {
        first_code(low, high, |code| {
            compare(code, value) != Some(Ordering::Less)
        })
    };
    let greater = |value: &Value| {
        first_code(low, high, |code| {
            compare(code, value) == Some(Ordering::Greater)
        })
    };
    let last = |before: Option<u64>| match before {
        None => Some(high),
        Some(code) => code.checked_sub(1).filter(|&code| code >= low),
    };
    let range = |from: Option<u64>, to: Option<u64>| from.zip(to).filter(|(from, to)| from <= to);
    let equal = |value: &Value| range(not_less(value), last(greater(value)));
    // Codes that are neither less nor greater are equal only where the comparison says so.
    let certain = |value: &Value| {
        equal(value).is_none_or(|(from, to)| {
            [from, to]
                .iter()
                .all(|&code| compare(code, value) == Some(Ordering::Equal))
        })
    };
    match predicate {
        Predicate::Compare { op, value, .. } => {
            let (from, after) = (not_less(value), greater(value));
            let ranges = match op {
                CompareOp::Eq => [equal(value), None],
                CompareOp::Lt if certain(value) => [range(Some(low), last(from)), None],
                CompareOp::Gt if certain(value) => [range(after, Some(high)), None],
                CompareOp::NotEq if certain(value) => {
                    [range(Some(low), last(from)), range(after, Some(high))]
                }
                CompareOp::Lt | CompareOp::LtEq => [range(Some(low), last(after)), None],
                CompareOp::Gt | CompareOp::GtEq => [range(from, Some(high)), None],
                CompareOp::NotEq => [Some((low, high)), None],
            };
            // Without a value that is greater, or not less, both ranges of NotEq may be the same.
            apart(ranges.into_iter().flatten().collect())
        }
        Predicate::In { values, .. } => apart(values.iter().filter_map(equal).collect()),
        _ => vec![(low, high)],
    }
}

/// Ranges that ascend and do not overlap, with the same codes.
fn apart(mut ranges: Vec<(u64, u64)>) -> Vec<(u64, u64)> {
    ranges.sort_unstable();
    ranges.dedup_by(|next, last| {
        let meets = next.0 <= last.1;
        if meets {
            last.1 = last.1.max(next.1);
        }
        meets
    });
    ranges
}

/// The first code for which `test`, false up to some code, is true.
fn first_code(low: u64, high: u64, test: impl Fn(u64) -> bool) -> Option<u64> {
    if !test(high) {
        return None;
    }
    let (mut low, mut high) = (low, high);
    while low < high {
        let middle = low + (high - low) / 2;
        if test(middle) {
            high = middle;
        } else {
            low = middle + 1;
        }
    }
    Some(low)
}

/// The codes of strings that satisfy a predicate. Equality goes by the stored hashes.
fn strings_set(
    reader: &SegmentReader,
    cache: &ChunkCache,
    column: usize,
    predicate: &Predicate,
) -> Result<CodeSet> {
    let literals: Option<Vec<&[u8]>> = match predicate {
        Predicate::Compare {
            op: CompareOp::Eq,
            value,
            ..
        } => bytes_of(value).map(|v| vec![v]),
        Predicate::In { values, .. } => values.iter().map(bytes_of).collect(),
        _ => None,
    };
    if let Some(literals) = literals {
        let codes = reader.find_strings(column, cache, &literals)?;
        return Ok(CodeSet::Ranges(codes.into_iter().map(|c| (c, c)).collect()));
    }
    let test = |entry: &[u8]| match predicate {
        Predicate::Passes { test, .. } => test.0.passes(entry),
        _ => may_satisfy(predicate, |literal| compare_bytes(entry, literal)),
    };
    reader.string_set(column, cache, test)
}

fn bytes_of(value: &Value) -> Option<&[u8]> {
    match value {
        Value::Str(text) => Some(text.as_bytes()),
        Value::Bytes(bytes) => Some(bytes),
        _ => None,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ranges_are_exactly_the_codes_that_satisfy_an_integer_comparison(
            base in -10i128..10, step in 1i128..4, high in 0u64..12, literal in -20i128..40, half: bool,
        ) {
            let value = if half { Value::Decimal(literal * 10 + 5, 1) } else { Value::Int(literal) };
            let compare = |code: u64, value: &Value| {
                compare_int(base + step * i128::from(code), &DataType::Int64, value)
            };
            for op in CompareOp::ALL {
                let predicate = Predicate::Compare { column: 0, op, value: value.clone() };
                let set = CodeSet::Ranges(ranges_of(&predicate, (0, high), compare));
                for code in 0..=high {
                    let expected = may_satisfy(&predicate, |literal| compare(code, literal));
                    prop_assert_eq!(set.contains(code), expected, "{:?} {}", predicate, code);
                }
            }
        }

        #[test]
        fn lists_of_values_of_which_some_cannot_be_compared_are_ranges_apart(
            high in 0u64..12, literals in prop::collection::vec(-2i128..14, 0..6), unknown: bool,
        ) {
            let compare = |code: u64, value: &Value| {
                compare_int(code.into(), &DataType::Int64, value)
            };
            let mut values: Vec<Value> = literals.iter().map(|&v| Value::Int(v)).collect();
            if unknown {
                values.push(Value::Str("1".into()));
            }
            let predicate = Predicate::In { column: 0, values };
            let ranges = ranges_of(&predicate, (0, high), compare);
            prop_assert!(ranges.windows(2).all(|w| w[0].1 < w[1].0), "{:?}", ranges);
            let set = CodeSet::Ranges(ranges);
            for code in 0..=high {
                let expected = may_satisfy(&predicate, |literal| compare(code, literal));
                prop_assert_eq!(set.contains(code), expected, "{:?} {}", predicate, code);
            }
        }

        #[test]
        fn sets_answer_for_ranges_as_for_their_codes(
            bits in prop::collection::vec(any::<bool>(), 1..200), low in 0u64..200, length in 0u64..100,
        ) {
            let high = (low + length).min(bits.len() as u64 - 1);
            prop_assume!(low <= high);
            let has = |code: u64| bits.get(code as usize).copied().unwrap_or(false);
            let mut ranges: Vec<(u64, u64)> = Vec::new();
            for code in (0..bits.len() as u64).filter(|&code| has(code)) {
                match ranges.last_mut() {
                    Some((_, to)) if *to + 1 == code => *to = code,
                    _ => ranges.push((code, code)),
                }
            }
            for set in [CodeSet::collect(bits.len() as u64 - 1, has), CodeSet::Ranges(ranges)] {
                prop_assert_eq!(set.intersects(low, high), (low..=high).any(has));
                prop_assert_eq!(set.covers(low, high), (low..=high).all(has));
                prop_assert_eq!(set.is_empty(), !bits.contains(&true));
                prop_assert_eq!(set.contains(low), has(low));
            }
        }
    }
}
