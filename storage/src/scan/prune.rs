//! Pruning: which rows of a sorted segment, and which blocks, cannot satisfy the predicates. Every answer
//! is conservative; where a comparison is not certain under both exact and rounded arithmetic the block
//! is kept.

use std::cmp::Ordering;
use std::ops::Range;
use std::sync::Arc;

use arrow::datatypes::DataType;

use super::code_set::{CodeSet, ColumnTest, test_of};
use super::compare::{compare_float, compare_int, compare_prefix};
use super::equality::ScanFolds;
use crate::placement::Placement;
use crate::segment::{BLOCK_ROWS, Bounds, ChunkCache, SegmentReader, Zone};
use crate::view::SegmentView;
use crate::{CompareOp, Error, Predicate, Result, TableMeta, Value};

/// The predicates of one scan with the types of their columns.
#[derive(Debug)]
pub(super) struct Pruner {
    tests: Vec<(usize, DataType, Predicate)>,
    /// The column whose values place the rows.
    shard_column: Option<usize>,
    folds: ScanFolds,
}

/// What a segment has for a scan.
#[derive(Debug, Clone)]
pub(super) struct SegmentPlan {
    /// Outside of these no row satisfies the predicates.
    pub(super) rows: Range<usize>,
    /// Blocks with rows that may, ascending; each overlaps `rows`.
    pub(super) blocks: Vec<usize>,
    /// What is left to be tested row by row; columns as the segment numbers them.
    pub(super) tests: Arc<[(usize, CodeSet)]>,
}

impl Pruner {
    pub(super) fn new(table: &TableMeta, predicates: Vec<Predicate>) -> Result<Self> {
        let test = |predicate: Predicate| {
            let column = column_of(&predicate);
            let field = table.arrow.fields().get(column);
            let field = field.ok_or_else(|| Error::Invalid("no such column to test".into()))?;
            Ok((column, field.data_type().clone(), predicate))
        };
        Ok(Self {
            tests: predicates.into_iter().map(test).collect::<Result<_>>()?,
            shard_column: table.spec.shard_key.first().copied(),
            folds: ScanFolds::default(),
        })
    }

    /// `None` when no row of the segment satisfies the predicates.
    pub(super) fn plan(
        &self,
        segment: &SegmentView,
        cache: &ChunkCache,
    ) -> Result<Option<SegmentPlan>> {
        let reader = segment.reader()?;
        let (mut tests, mut by_value) = (Vec::new(), Vec::new());
        for (column, data_type, predicate) in &self.tests {
            let zone = segment.zone(*column)?;
            if zone.is_some_and(|zone| !may_match(&zone, data_type, predicate)) {
                return Ok(None);
            }
            let is_key = self.shard_column == Some(*column);
            if is_key && !may_be_placed(reader.placement(), data_type, predicate) {
                return Ok(None);
            }
            // The tests name columns as the segment does. One value in all rows has passed by now.
            let Some(column) = segment.stored(*column) else {
                continue;
            };
            let equal = match predicate {
                Predicate::Passes { test, .. } => {
                    self.folds.set((reader, column), cache, test.0.as_ref())?
                }
                _ => None,
            };
            let test = match equal {
                Some(set) => ColumnTest::Codes(set),
                None => test_of(reader, cache, (column, data_type), predicate)?,
            };
            match test {
                ColumnTest::Unknown => by_value.push((column, data_type, predicate)),
                ColumnTest::Codes(set) if set.is_empty() => return Ok(None),
                ColumnTest::Codes(set) => {
                    let info = reader.codes_info(column)?;
                    if !info.is_some_and(|info| set.covers(0, info.high)) {
                        tests.push((column, set));
                    }
                }
            }
        }
        let rows = sorted_rows(reader, &mut tests)?;
        let mut blocks = Vec::new();
        if !rows.is_empty() {
            'blocks: for block in rows.start / BLOCK_ROWS..rows.end.div_ceil(BLOCK_ROWS) {
                for (column, set) in &tests {
                    let (low, high) = reader.block(*column, block)?.code_range();
                    if !set.intersects(low, high) {
                        continue 'blocks;
                    }
                }
                for (column, data_type, predicate) in &by_value {
                    let zone = reader.block_zone(*column, block)?;
                    if !may_match(&zone, data_type, predicate) {
                        continue 'blocks;
                    }
                }
                blocks.push(block);
            }
        }
        let tests = tests.into();
        Ok((!blocks.is_empty()).then_some(SegmentPlan {
            rows,
            blocks,
            tests,
        }))
    }
}

/// Whether a row that satisfies a predicate over the leading column of the shard key may be in a segment.
fn may_be_placed(placement: Placement, data_type: &DataType, predicate: &Predicate) -> bool {
    match predicate {
        Predicate::Compare {
            op: CompareOp::Eq,
            value,
            ..
        } => placement.may_hold(value, data_type),
        Predicate::In { values, .. } => values.iter().any(|v| placement.may_hold(v, data_type)),
        _ => true,
    }
}

/// The rows that tests of the leading columns of the sort key leave, found by binary search. Those
/// tests are settled and removed.
fn sorted_rows(reader: &SegmentReader, tests: &mut Vec<(usize, CodeSet)>) -> Result<Range<usize>> {
    let mut rows = 0..reader.rows();
    for &column in reader.sort_key() {
        let Some(info) = reader.codes_info(column)? else {
            break;
        };
        let mine = tests.iter().filter(|(c, _)| *c == column);
        let ranges: Option<Vec<_>> = mine.map(|(_, set)| set.single_range()).collect();
        let Some(ranges) = ranges.filter(|ranges| info.ascending && !ranges.is_empty()) else {
            break;
        };
        let from = ranges.iter().map(|r| r.0).max().unwrap_or(0);
        let to = ranges.iter().map(|r| r.1).min().unwrap_or(u64::MAX);
        tests.retain(|(c, _)| *c != column);
        if from > to {
            return Ok(0..0);
        }
        let start = first_row(reader, column, rows.clone(), |code| code >= from)?;
        rows = start..first_row(reader, column, start..rows.end, |code| code > to)?;
        // Within rows of different values the next column is not sorted.
        if from != to {
            break;
        }
    }
    Ok(rows)
}

/// The first of `rows`, over which the codes of `column` ascend, whose code passes `test`, false up to
/// some code; the end when there is none.
fn first_row(
    reader: &SegmentReader,
    column: usize,
    rows: Range<usize>,
    test: impl Fn(u64) -> bool,
) -> Result<usize> {
    if rows.is_empty() {
        return Ok(rows.end);
    }
    let (first, last) = (rows.start / BLOCK_ROWS, (rows.end - 1) / BLOCK_ROWS);
    let in_block = |block: usize| {
        let start = block * BLOCK_ROWS;
        let within = rows.start.max(start) - start..rows.end.min(start + BLOCK_ROWS) - start;
        let found = reader.first_in_block(column, block, within.clone(), &test)?;
        Ok::<_, Error>(found.map(|row| start + row))
    };
    // The blocks at the ends may have rows of other values of the columns before.
    if let Some(row) = in_block(first)? {
        return Ok(row);
    }
    let misses = |block: usize| Ok(!test(reader.block(column, block)?.code_range().1));
    let block = partition_point(first + 1..last, misses)?.max(first + 1);
    let found = if block <= last {
        in_block(block)?
    } else {
        None
    };
    Ok(found.unwrap_or(rows.end))
}

fn column_of(predicate: &Predicate) -> usize {
    match predicate {
        Predicate::Compare { column, .. }
        | Predicate::In { column, .. }
        | Predicate::IsNull { column }
        | Predicate::IsNotNull { column }
        | Predicate::Passes { column, .. } => *column,
    }
}

/// The first number of the range for which `test`, true up to some point, is false.
fn partition_point(mut range: Range<usize>, test: impl Fn(usize) -> Result<bool>) -> Result<usize> {
    while range.start < range.end {
        let middle = range.start + (range.end - range.start) / 2;
        if test(middle)? {
            range.start = middle + 1;
        } else {
            range.end = middle;
        }
    }
    Ok(range.start)
}

/// Whether rows of the zone may satisfy the predicate.
pub(super) fn may_match(zone: &Zone, data_type: &DataType, predicate: &Predicate) -> bool {
    let min = |value| compare_min(&zone.bounds, data_type, value);
    let max = |value| compare_max(&zone.bounds, data_type, value);
    let may_equal =
        |value| min(value) != Some(Ordering::Greater) && max(value) != Some(Ordering::Less);
    match predicate {
        Predicate::IsNull { .. } => zone.nulls > 0,
        Predicate::IsNotNull { .. } | Predicate::Passes { .. } => !zone.has_no_values(),
        _ if zone.has_no_values() => false,
        Predicate::In { values, .. } => values.iter().any(may_equal),
        Predicate::Compare { op, value, .. } => match op {
            CompareOp::Eq => may_equal(value),
            CompareOp::NotEq => {
                !(min(value) == Some(Ordering::Equal) && max(value) == Some(Ordering::Equal))
            }
            CompareOp::Lt => !matches!(min(value), Some(Ordering::Greater | Ordering::Equal)),
            CompareOp::LtEq => min(value) != Some(Ordering::Greater),
            CompareOp::Gt => !matches!(max(value), Some(Ordering::Less | Ordering::Equal)),
            CompareOp::GtEq => max(value) != Some(Ordering::Less),
        },
    }
}

fn compare_min(bounds: &Bounds, data_type: &DataType, value: &Value) -> Option<Ordering> {
    match bounds {
        Bounds::Unknown => None,
        Bounds::Int(min, _) => compare_int(*min, data_type, value),
        Bounds::Float(min, _) => compare_float(*min, value),
        Bounds::Bytes(min, _) => compare_prefix(min, value),
    }
}

fn compare_max(bounds: &Bounds, data_type: &DataType, value: &Value) -> Option<Ordering> {
    match bounds {
        Bounds::Unknown => None,
        Bounds::Int(_, max) => compare_int(*max, data_type, value),
        Bounds::Float(_, max) => compare_float(*max, value),
        Bounds::Bytes(_, max) => compare_prefix(max, value),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::segment::Prefix;
    use proptest::prelude::*;

    fn zone(bounds: Bounds, rows: u32, nulls: u32) -> Zone {
        Zone {
            rows,
            nulls,
            bounds,
        }
    }

    proptest! {
        #[test]
        fn no_matching_integer_is_pruned_and_small_ranges_are_pruned_exactly(
            values in prop::collection::vec(-5i64..5, 1..4), literal in -6i64..6,
        ) {
            let (min, max) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            let zone = zone(Bounds::Int((*min).into(), (*max).into()), values.len() as u32, 0);
            for op in CompareOp::ALL {
                let forms = [
                    Value::Int(literal.into()),
                    Value::Float(literal as f64),
                    Value::Decimal(i128::from(literal) * 100, 2),
                ];
                for value in forms {
                    let predicate = Predicate::Compare { column: 0, op, value };
                    let may = may_match(&zone, &DataType::Int64, &predicate);
                    let any = values.iter().any(|v| op.holds(v.cmp(&literal)));
                    prop_assert!(may || !any, "{:?} over {:?}", predicate, values);
                    let between = (*min..=*max).any(|v| op.holds(v.cmp(&literal)));
                    prop_assert_eq!(may, between, "{:?} over {:?}", predicate, values);
                }
            }
        }

        #[test]
        fn no_matching_string_is_pruned(
            values in prop::collection::vec("[ab]{0,20}", 1..4), literal in "[ab]{0,20}",
        ) {
            let (min, max) = (values.iter().min().unwrap(), values.iter().max().unwrap());
            let bounds = Bounds::Bytes(Prefix::of(min.as_bytes()), Prefix::of(max.as_bytes()));
            let zone = zone(bounds, values.len() as u32, 0);
            for op in CompareOp::ALL {
                let value = Value::Str(literal.clone());
                let predicate = Predicate::Compare { column: 0, op, value };
                let any = values.iter().any(|v| op.holds(v.cmp(&literal)));
                prop_assert!(may_match(&zone, &DataType::Utf8View, &predicate) || !any);
            }
        }

        #[test]
        fn large_integers_against_floats_are_safe(value in any::<i64>(), step in -3i64..3) {
            let literal = value.saturating_add(step) as f64;
            let zone = zone(Bounds::Int(value.into(), value.into()), 1, 0);
            for op in CompareOp::ALL {
                let predicate = Predicate::Compare { column: 0, op, value: Value::Float(literal) };
                let rounded = op.holds((value as f64).partial_cmp(&literal).unwrap());
                let exact = op.holds(i128::from(value).cmp(&(literal as i128)));
                let may = may_match(&zone, &DataType::Int64, &predicate);
                prop_assert!(may || !(rounded || exact), "{} {:?} {}", value, op, literal);
            }
        }
    }

    #[test]
    fn nulls_never_satisfy_a_comparison_and_decide_is_null() {
        let nulls = zone(Bounds::Unknown, 3, 3);
        let some = zone(Bounds::Int(1, 2), 3, 1);
        let none = zone(Bounds::Int(1, 2), 3, 0);
        let test = |zone, predicate| may_match(zone, &DataType::Int64, &predicate);
        let differs = Predicate::Compare {
            column: 0,
            op: CompareOp::NotEq,
            value: Value::Int(9),
        };
        assert!(!test(&nulls, differs.clone()) && test(&some, differs));
        assert!(test(&nulls, Predicate::IsNull { column: 0 }));
        assert!(test(&some, Predicate::IsNull { column: 0 }));
        assert!(!test(&none, Predicate::IsNull { column: 0 }));
        assert!(!test(&nulls, Predicate::IsNotNull { column: 0 }));
        let within = |values| Predicate::In { column: 0, values };
        assert!(test(&some, within(vec![Value::Int(7), Value::Int(2)])));
        assert!(!test(&some, within(vec![Value::Int(7), Value::Int(0)])));
        assert!(!test(&some, within(vec![])));
    }

    #[test]
    fn what_cannot_be_compared_prunes_nothing() {
        let some = zone(Bounds::Int(1, 2), 3, 0);
        for value in [
            Value::Str("5".into()),
            Value::Float(f64::NAN),
            Value::Decimal(5, 120),
        ] {
            let predicate = Predicate::Compare {
                column: 0,
                op: CompareOp::Eq,
                value,
            };
            assert!(may_match(&some, &DataType::Int64, &predicate));
        }
        let decimal = DataType::Decimal128(10, 2);
        let predicate = Predicate::Compare {
            column: 0,
            op: CompareOp::Gt,
            value: Value::Float(0.02),
        };
        assert!(
            may_match(&some, &decimal, &predicate),
            "an equal rounded quotient is uncertain"
        );
    }
}
