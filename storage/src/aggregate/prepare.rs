//! Conditions as sets of a segment's codes: each is asked about every value once, not about every row.

use super::request::{AggregateError, Condition};
use super::source::Source;
use crate::scan::{CodeSet, CodedColumn, Meaning, SegmentScan, equal_set, met_by_tests};

/// What can be done with a segment.
pub(super) enum Prepared {
    Coded(Source),
    /// Not all that is asked can be answered by codes: its rows have to be read.
    Uncoded(SegmentScan),
    /// No row passes.
    Nothing,
}

/// Values tested at a time.
const TEST_ROWS: usize = 65_536;
/// So many values are asked about without looking which of them occur.
const TEST_VALUES: u64 = 1 << 12;
/// Numbers with codes above this are tested row by row.
const CODES_MAX: u64 = 1 << 26;

/// Makes a segment ready: conditions become tests, cases become sets. `columns` have to have codes.
pub(super) fn prepare(
    segment: SegmentScan,
    columns: &[usize],
    conditions: &[Condition],
    cases: &[Condition],
) -> Result<Prepared, AggregateError> {
    let asked = conditions.iter().chain(cases).map(|c| c.column);
    for column in columns.iter().copied().chain(asked) {
        if segment.column(column)?.is_none() {
            return Ok(Prepared::Uncoded(segment));
        }
    }
    let mut prepared = segment;
    for condition in conditions.iter().filter(|c| !c.exact) {
        let Some(set) = passing_values(&prepared, condition)? else {
            return Ok(Prepared::Uncoded(prepared));
        };
        match prepared.with_test(condition.column, set)? {
            Some(tested) => prepared = tested,
            None => return Ok(Prepared::Nothing),
        }
    }
    let mut sets = Vec::with_capacity(cases.len());
    for case in cases {
        let Some(set) = case_set(&prepared, case)? else {
            return Ok(Prepared::Uncoded(prepared));
        };
        sets.push((case.column, set));
    }
    Ok(Prepared::Coded(Source::Segment(prepared, sets)))
}

/// The codes that pass a case.
fn case_set(segment: &SegmentScan, case: &Condition) -> Result<Option<CodeSet>, AggregateError> {
    if let (true, [predicate]) = (case.exact, case.implies.as_slice())
        && let Some(set) = segment.predicate_set(case.column, predicate)?
    {
        return Ok(Some(set));
    }
    passing_values(segment, case)
}

/// The codes, of those in the blocks at hand, whose values pass; `None` when there are too many to ask.
fn passing_values(
    segment: &SegmentScan,
    condition: &Condition,
) -> Result<Option<CodeSet>, AggregateError> {
    let column = condition.column;
    let Some(coded) = segment.column(column)? else {
        return Ok(None);
    };
    let (mut low, mut high) = (u64::MAX, 0);
    for block in segment.blocks() {
        let range = segment.code_range(column, &block)?;
        (low, high) = (low.min(range.0), high.max(range.1));
    }
    let low = low.min(high);
    let count = (high - low).saturating_add(1);
    if let Some(set) = equal_values(segment, condition, (coded, count.min(segment.rows())))? {
        return Ok(Some(set));
    }
    let strings = coded.meaning == Meaning::String;
    let test = condition.test.name().filter(|_| strings);
    if let Some(test) = test
        && let Some(set) = segment.kept_set(column, test, (low, high))?
    {
        return Ok(Some(set));
    }
    let is_dictionary = !matches!(coded.meaning, Meaning::Steps { .. });
    if high > CODES_MAX && !is_dictionary {
        return Ok(None);
    }
    let mut bits = vec![0u64; (high / 64 + 1) as usize];
    if count > TEST_VALUES && count / 4 > segment.rows() {
        let codes = used_codes(segment, column)?;
        mark_passing(segment, condition, codes.into_iter(), &mut bits)?;
        return Ok(Some(CodeSet::Bits(bits)));
    }
    mark_passing(segment, condition, low..=high, &mut bits)?;
    let set = CodeSet::Bits(bits);
    if let Some(test) = test {
        segment.keep_set(column, test, ((low, high), &set))?;
    }
    Ok(Some(set))
}

/// The codes whose values pass, where a folded dictionary knows. `asked`: of how many it would be asked otherwise.
fn equal_values(
    segment: &SegmentScan,
    condition: &Condition,
    (coded, asked): (CodedColumn, u64),
) -> Result<Option<CodeSet>, AggregateError> {
    let column = condition.column;
    let equality = condition.test.equality();
    let Some(equality) = equality.filter(|_| coded.meaning == Meaning::String) else {
        return Ok(None);
    };
    let folded = segment.folded(column, equality.fold.as_ref(), met_by_tests(asked))?;
    let Some(folded) = folded else {
        return Ok(None);
    };
    let passes = |codes: &[u64]| {
        let values = segment.values(column, codes)?;
        let passes = condition.test.test(&values);
        let passes = passes.map_err(AggregateError::Caller)?;
        Ok(passes.iter().map(|passes| passes == Some(true)).collect())
    };
    let folded = (&*folded, segment.string_seed()?);
    let codes = (u64::from(coded.null_code), coded.high);
    equal_set(folded, &equality, codes, passes).map(Some)
}

/// The different codes in the rows at hand, ascending.
fn used_codes(segment: &SegmentScan, column: usize) -> crate::Result<Vec<u64>> {
    let (mut all, mut codes) = (Vec::new(), Vec::<u64>::new());
    for block in segment.blocks() {
        segment.codes(column, &block, &mut codes)?;
        all.extend_from_slice(codes.get(block.rows.clone()).unwrap_or_default());
    }
    all.sort_unstable();
    all.dedup();
    Ok(all)
}

/// Sets the bits of those codes whose values pass.
fn mark_passing(
    segment: &SegmentScan,
    condition: &Condition,
    mut codes: impl Iterator<Item = u64>,
    bits: &mut [u64],
) -> Result<(), AggregateError> {
    loop {
        let some: Vec<u64> = codes.by_ref().take(TEST_ROWS).collect();
        if some.is_empty() {
            return Ok(());
        }
        let values = segment.values(condition.column, &some)?;
        let passes = condition
            .test
            .test(&values)
            .map_err(AggregateError::Caller)?;
        for (&code, passes) in some.iter().zip(passes.iter()) {
            if let (Some(true), Some(word)) = (passes, bits.get_mut((code / 64) as usize)) {
                *word |= 1 << (code % 64);
            }
        }
    }
}
