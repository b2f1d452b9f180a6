//! From records to arrays: the groups that are wanted, strings decoded last.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, new_empty_array};
use arrow::compute::{concat, interleave, take};
use arrow::datatypes::DataType;

use super::merge::wide;
use super::partial::{NULL_SHIFT, SOURCE_SHIFT, SOURCES_MAX};
use super::plan::{GroupSet, Identity, Plan, Slot, Target};
use super::request::AggregateRequest;
use super::source::Source;
use super::values::{array_of, value_of_word};
use crate::column_type::{FixedType, with_fixed_type};
use crate::{Error, Result};

/// The groups of an aggregation, in no order.
#[derive(Debug)]
pub struct Groups {
    pub rows: usize,
    /// Per key an array of that many values.
    pub keys: Vec<ArrayRef>,
    /// Per measure.
    pub measures: Vec<MeasureValues>,
}

/// One measure of all groups.
#[derive(Debug)]
pub enum MeasureValues {
    Counts(Vec<u64>),
    /// Sums (of decimals: unscaled) and of how many values; of none it is 0.
    Sums {
        sums: Vec<i128>,
        counts: Vec<u64>,
    },
    /// `None` where a group has no value.
    Extremes(Vec<Option<i128>>),
}

/// The results of a key's function, numbered.
#[derive(Debug, Default)]
pub(super) struct Interner {
    numbers: HashMap<Option<Vec<u8>>, u32>,
    chunks: Vec<ArrayRef>,
    /// Chunk and row of each number.
    places: Vec<(usize, usize)>,
}

impl Interner {
    /// The number of each value; `shown`, as many, is what it shows.
    pub(super) fn intern(&mut self, values: &ArrayRef, shown: &ArrayRef) -> Result<Vec<u32>> {
        let (mut numbers, mut bytes) = (Vec::with_capacity(values.len()), Vec::new());
        let chunk = self.chunks.len();
        for row in 0..values.len() {
            bytes.clear();
            let key = (!values.is_null(row)).then(|| {
                put_value(values, row, &mut bytes)?;
                Ok::<_, Error>(bytes.clone())
            });
            let key = key.transpose()?;
            let next = self.places.len() as u32;
            let number = *self.numbers.entry(key).or_insert(next);
            if number == next {
                self.places.push((chunk, row));
            }
            numbers.push(number);
        }
        self.chunks.push(Arc::clone(shown));
        Ok(numbers)
    }

    fn values(&self, data_type: &DataType, numbers: &[u64]) -> Result<ArrayRef> {
        if self.chunks.is_empty() {
            return Ok(new_empty_array(data_type));
        }
        let place = |&number: &u64| self.places.get(number as usize).copied();
        let places: Option<Vec<_>> = numbers.iter().map(place).collect();
        let places = places.ok_or_else(|| Error::Invalid("a number that is not there".into()))?;
        let chunks: Vec<&dyn Array> = self.chunks.iter().map(|c| c.as_ref()).collect();
        interleave(&chunks, &places).map_err(|e| Error::Invalid(e.to_string()))
    }
}

/// Bytes that tell a value from others of its type.
fn put_value(values: &ArrayRef, row: usize, out: &mut Vec<u8>) -> Result<()> {
    match values.data_type() {
        DataType::Boolean => out.push(values.as_boolean().value(row).into()),
        DataType::Utf8View => out.extend_from_slice(values.as_string_view().value(row).as_bytes()),
        DataType::Utf8 => out.extend_from_slice(values.as_string::<i32>().value(row).as_bytes()),
        DataType::LargeUtf8 => {
            out.extend_from_slice(values.as_string::<i64>().value(row).as_bytes());
        }
        DataType::BinaryView => out.extend_from_slice(values.as_binary_view().value(row)),
        DataType::Binary => out.extend_from_slice(values.as_binary::<i32>().value(row)),
        other => with_fixed_type!(
            other,
            T => T::put_le(values.as_primitive::<T>().value(row), out),
            else return Err(Error::NotSupported(format!("grouping by {other}")))
        ),
    }
    Ok(())
}

/// Merged records of the first set.
pub(super) struct Merged<'a> {
    pub(super) plan: &'a Plan,
    pub(super) set: &'a GroupSet,
    pub(super) parts: Vec<Vec<u64>>,
    pub(super) sources: &'a [Option<Arc<Source>>],
}

impl Merged<'_> {
    pub(super) fn groups(&self, request: &AggregateRequest) -> Result<Groups> {
        let width = self.set.width().max(1);
        let empty = vec![0; width];
        let parts = self.parts.iter();
        let mut records: Vec<&[u64]> = parts.flat_map(|p| p.chunks_exact(width)).collect();
        if records.is_empty() && self.plan.keys == 0 {
            records.push(&empty);
        }
        keep_wanted(self.plan, self.set, &mut records, request);
        let keys = (0..self.plan.keys).map(|key| self.key(key, &records));
        let measures = self.plan.targets.iter().map(|t| self.measure(t, &records));
        Ok(Groups {
            rows: records.len(),
            keys: keys.collect::<Result<_>>()?,
            measures: measures.collect(),
        })
    }

    /// What of one part may be wanted in the end.
    pub(super) fn wanted(
        plan: &Plan,
        set: &GroupSet,
        part: Vec<u64>,
        request: &AggregateRequest,
    ) -> Vec<u64> {
        if request.top.is_none() && request.having.is_empty() || plan.keys == 0 {
            return part;
        }
        let mut records: Vec<&[u64]> = part.chunks_exact(set.width().max(1)).collect();
        keep_wanted(plan, set, &mut records, request);
        records.concat()
    }

    /// What the groups of merged records come to by a target; NULL is less than any value.
    pub(super) fn values(plan: &Plan, target: usize, parts: &[Vec<u64>]) -> Vec<i128> {
        let (Some(set), Some(target)) = (plan.sets.first(), plan.targets.get(target)) else {
            return Vec::new();
        };
        let records = parts
            .iter()
            .flat_map(|p| p.chunks_exact(set.width().max(1)));
        let value = |record| value(plan, set, target, record).unwrap_or(i128::MIN);
        records.map(value).collect()
    }

    fn measure(&self, target: &Target, records: &[&[u64]]) -> MeasureValues {
        let values = records
            .iter()
            .map(|r| value(self.plan, self.set, target, r));
        match target.slot {
            Slot::Count => MeasureValues::Counts(values.map(|v| v.unwrap_or(0) as u64).collect()),
            Slot::Narrow | Slot::Wide => MeasureValues::Sums {
                sums: values.map(|v| v.unwrap_or(0)).collect(),
                counts: records
                    .iter()
                    .map(|r| slots(self.set, target, r).last().copied().unwrap_or(0))
                    .collect(),
            },
            Slot::Least | Slot::Greatest => MeasureValues::Extremes(values.collect()),
        }
    }

    fn key(&self, key: usize, records: &[&[u64]]) -> Result<ArrayRef> {
        let output = self.plan.outputs.get(key);
        let output = output.ok_or_else(|| Error::Invalid("no such key".into()))?;
        let word = |record: &&[u64]| record.get(key).copied().unwrap_or(0);
        match &output.identity {
            Identity::Mapped(_, interner) => {
                let numbers: Vec<u64> = records.iter().map(word).collect();
                interner.lock().values(&output.data_type, &numbers)
            }
            Identity::Word { signed } => {
                let bit = NULL_SHIFT + key as u32;
                let value = |record: &&[u64]| {
                    let header = record.get(self.set.header()).copied().unwrap_or(0);
                    (header >> bit & 1 == 0).then(|| value_of_word(word(record), *signed))
                };
                let values: Vec<_> = records.iter().map(value).collect();
                array_of(&output.data_type, &values)
            }
            Identity::String | Identity::Folded(_) => {
                let local = self.plan.locals.get(output.local);
                let column = local.map_or(usize::MAX, |l| l.column);
                let string = self.set.strings.iter().position(|s| *s == key).unwrap_or(0);
                self.strings(column, string, &output.data_type, records)
            }
        }
    }

    /// A key of strings: decoded source by source, then put in the records' order.
    fn strings(
        &self,
        column: usize,
        string: usize,
        data_type: &DataType,
        records: &[&[u64]],
    ) -> Result<ArrayRef> {
        let mut found: Vec<(u64, u64, u64)> = Vec::with_capacity(records.len());
        for (at, record) in (0..).zip(records) {
            let header = record.get(self.set.header()).copied().unwrap_or(0);
            let source = header >> SOURCE_SHIFT & (SOURCES_MAX as u64 - 1);
            let code = match string {
                0 => header & 0xFFFF_FFFF,
                more => record.get(self.set.header() + more).copied().unwrap_or(0),
            };
            found.push((source, code, at));
        }
        found.sort_unstable();
        let (mut parts, mut order) = (Vec::new(), vec![0u64; records.len()]);
        for same in found.chunk_by(|a, b| a.0 == b.0) {
            let number = same.first().map_or(0, |f| f.0);
            let source = self.sources.get(number as usize).and_then(Option::as_ref);
            let source = source.ok_or_else(|| Error::Invalid("no such source".into()))?;
            let codes: Vec<u64> = same.iter().map(|f| f.1).collect();
            parts.push(source.values(column, &codes)?);
        }
        for (place, (_, _, at)) in (0..).zip(&found) {
            if let Some(slot) = order.get_mut(*at as usize) {
                *slot = place;
            }
        }
        let parts: Vec<&dyn Array> = parts.iter().map(|p| p.as_ref()).collect();
        let invalid = |e: arrow::error::ArrowError| Error::Invalid(e.to_string());
        let all = match parts.as_slice() {
            [] => return Ok(new_empty_array(data_type)),
            parts => concat(parts).map_err(invalid)?,
        };
        let order = arrow::array::UInt64Array::from(order);
        take(&all, &order, None).map_err(invalid)
    }
}

fn slots<'r>(set: &GroupSet, target: &Target, record: &'r [u64]) -> &'r [u64] {
    let start = set.slots() + target.offset;
    let end = start + target.slot.words();
    record.get(start..end).unwrap_or_default()
}

/// A measure as a number; `None` where SQL says NULL.
fn value(plan: &Plan, set: &GroupSet, target: &Target, record: &[u64]) -> Option<i128> {
    match (target.slot, slots(set, target, record)) {
        (Slot::Count, [count]) => Some((*count).into()),
        (Slot::Narrow, [sum, count]) => (*count > 0).then_some(i128::from(*sum as i64)),
        (Slot::Wide, [low, high, count]) => (*count > 0).then(|| wide(*low, *high)),
        (Slot::Least | Slot::Greatest, [has, value]) => {
            let signed = plan.signed.get(target.input).copied().unwrap_or(true);
            let word = value ^ (u64::from(signed) << 63);
            (*has == 1).then(|| value_of_word(word, signed))
        }
        _ => None,
    }
}

/// Leaves the records that HAVING holds for and that are among the first by a measure, and those equal to
/// the last of them.
fn keep_wanted(plan: &Plan, set: &GroupSet, records: &mut Vec<&[u64]>, request: &AggregateRequest) {
    let of = |measure: usize, record: &[u64]| {
        let target = plan.targets.get(measure)?;
        value(plan, set, target, record)
    };
    for having in &request.having {
        records.retain(|record| having.holds(of(having.measure, record)));
    }
    let Some(top) = request.top else { return };
    if top.count >= records.len() || top.count == 0 {
        return;
    }
    // NULL is less than any value.
    let rank = |record: &[u64]| {
        let value = of(top.measure, record).unwrap_or(i128::MIN);
        if top.descending { !value } else { value }
    };
    let mut ranks: Vec<i128> = records.iter().map(|r| rank(r)).collect();
    let (_, last, _) = ranks.select_nth_unstable(top.count - 1);
    let last = *last;
    records.retain(|record| rank(record) <= last);
}
