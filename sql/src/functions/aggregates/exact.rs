//! Accumulators of SUM and AVG over integers and decimals: i128 sums, exact to the last digit.
//!
//! State: the sum as DECIMAL(38, scale), for AVG followed by the count. Doubles: `double`.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Decimal128Type, UInt64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::input::{Rows, for_each, for_each_exact, mask, state_column, sum_exact, with_exact};
use crate::functions::convert::number::{DECIMAL_MAX, rescale};
use crate::functions::failure::out_of_range;
use crate::functions::operators::types::Op;
use crate::functions::operators::{Scales, calculate};

/// What SUM and AVG over exact numbers share.
#[derive(Debug, Clone)]
pub(crate) struct Exact {
    /// The aggregate as error 1690 prints it.
    pub(crate) text: String,
    pub(crate) average: bool,
    /// Scale of the values that are summed.
    pub(crate) scale: i8,
    pub(crate) result_precision: u8,
    pub(crate) result_scale: i8,
}

impl Exact {
    fn overflow(&self) -> DataFusionError {
        out_of_range("DECIMAL", &self.text)
    }

    /// The result for a group of `count` values (any positive number for SUM).
    pub(crate) fn result(&self, sum: i128, count: u64) -> Result<i128> {
        let value = if self.average {
            let scales = Scales {
                left: self.scale,
                right: 0,
                result: self.result_scale,
                truncate: false,
            };
            calculate(Op::Div, sum, count.into(), scales).ok().flatten()
        } else {
            rescale(sum, self.scale, self.result_scale)
        };
        value
            .filter(|v| v.unsigned_abs() <= DECIMAL_MAX.unsigned_abs())
            .ok_or_else(|| self.overflow())
    }

    fn sums(
        &self,
        sums: impl IntoIterator<Item = i128>,
        nulls: Option<NullBuffer>,
    ) -> Result<ArrayRef> {
        let values: Vec<i128> = sums.into_iter().collect();
        let array = Decimal128Array::new(values.into(), nulls);
        Ok(Arc::new(array.with_precision_and_scale(38, self.scale)?))
    }

    pub(crate) fn result_scalar(&self, value: Option<i128>) -> ScalarValue {
        ScalarValue::Decimal128(value, self.result_precision, self.result_scale)
    }
}

/// One group: queries without GROUP BY, and window frames.
#[derive(Debug)]
pub(crate) struct ExactAccumulator {
    exact: Exact,
    sum: i128,
    count: u64,
}

impl ExactAccumulator {
    pub(crate) fn new(exact: Exact) -> Self {
        Self {
            exact,
            sum: 0,
            count: 0,
        }
    }
}

impl Accumulator for ExactAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let batch = sum_exact(state_column(values, 0)?)?;
        let (sum, count) = batch.ok_or_else(|| self.exact.overflow())?;
        self.sum = self
            .sum
            .checked_add(sum)
            .ok_or_else(|| self.exact.overflow())?;
        self.count += count;
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let batch = sum_exact(state_column(values, 0)?)?;
        let (sum, count) = batch.ok_or_else(|| self.exact.overflow())?;
        self.sum -= sum;
        self.count -= count;
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(self.exact.result_scalar(None));
        }
        Ok(self
            .exact
            .result_scalar(Some(self.exact.result(self.sum, self.count)?)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let sum = (self.count > 0).then_some(self.sum);
        let mut state = vec![ScalarValue::Decimal128(sum, 38, self.exact.scale)];
        if self.exact.average {
            state.push(ScalarValue::UInt64(Some(self.count)));
        }
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sums = state_column(states, 0)?;
        let (sum, groups) = sum_exact(sums)?.ok_or_else(|| self.exact.overflow())?;
        self.sum = self
            .sum
            .checked_add(sum)
            .ok_or_else(|| self.exact.overflow())?;
        self.count += if self.exact.average {
            let counts = state_column(states, 1)?.as_primitive::<UInt64Type>();
            counts.iter().flatten().sum()
        } else {
            groups
        };
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.exact.text.capacity()
    }
}

/// Many groups. The group's index is its place in `sums`.
#[derive(Debug)]
pub(crate) struct ExactGroups {
    exact: Exact,
    sums: Vec<i128>,
    /// AVG: values per group. SUM: empty.
    counts: Vec<u64>,
    /// SUM: groups that have seen a value; `None` while every one has.
    seen: Option<Vec<bool>>,
}

impl ExactGroups {
    pub(crate) fn new(exact: Exact) -> Self {
        Self {
            exact,
            sums: Vec::new(),
            counts: Vec::new(),
            seen: None,
        }
    }

    fn grow(&mut self, groups: usize, all_count: bool) {
        let before = self.sums.len();
        self.sums.resize(groups, 0);
        if self.exact.average {
            self.counts.resize(groups, 0);
        } else if let Some(seen) = &mut self.seen {
            seen.resize(groups, false);
        } else if !all_count {
            // INVARIANT: until now every group had a value, for a group begins with a row.
            let mut seen = vec![true; before];
            seen.resize(groups, false);
            self.seen = Some(seen);
        }
    }

    fn add(&mut self, input: &ArrayRef, rows: Rows<'_>) -> Result<()> {
        let (sums, mut overflow) = (&mut self.sums, false);
        let mut add = |group: usize, value: i128| {
            let (sum, over) = sums[group].overflowing_add(value);
            sums[group] = sum;
            overflow |= over;
        };
        if self.exact.average {
            let counts = &mut self.counts;
            for_each_exact(input, rows, |group, value| {
                add(group, value);
                counts[group] += 1;
            })?;
        } else if let Some(seen) = &mut self.seen {
            for_each_exact(input, rows, |group, value| {
                add(group, value);
                seen[group] = true;
            })?;
        } else {
            for_each_exact(input, rows, add)?;
        }
        if overflow {
            Err(self.exact.overflow())
        } else {
            Ok(())
        }
    }

    fn take_nulls(&mut self, emit: EmitTo) -> Option<NullBuffer> {
        self.seen
            .as_mut()
            .map(|seen| NullBuffer::from(emit.take_needed(seen)))
    }
}

impl GroupsAccumulator for ExactGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        let input = state_column(values, 0)?;
        self.grow(
            total_num_groups,
            input.null_count() == 0 && opt_filter.is_none(),
        );
        self.add(
            input,
            Rows {
                groups: group_indices,
                filter: opt_filter,
            },
        )
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let sums = emit_to.take_needed(&mut self.sums);
        let (precision, scale) = (self.exact.result_precision, self.exact.result_scale);
        let (values, nulls) = if self.exact.average {
            let counts = emit_to.take_needed(&mut self.counts);
            let nulls = NullBuffer::from_iter(counts.iter().map(|count| *count > 0));
            let result = |(sum, count): (i128, u64)| self.exact.result(sum, count.max(1));
            let values: Vec<i128> = sums
                .into_iter()
                .zip(counts)
                .map(result)
                .collect::<Result<_>>()?;
            (values, Some(nulls))
        } else {
            let nulls = self.take_nulls(emit_to);
            for sum in &sums {
                self.exact.result(*sum, 1)?;
            }
            (sums, nulls)
        };
        let array = Decimal128Array::new(values.into(), nulls);
        Ok(Arc::new(array.with_precision_and_scale(precision, scale)?))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let sums = emit_to.take_needed(&mut self.sums);
        if self.exact.average {
            let counts = emit_to.take_needed(&mut self.counts);
            let sums = self.exact.sums(sums, None)?;
            return Ok(vec![sums, Arc::new(UInt64Array::from(counts))]);
        }
        let nulls = self.take_nulls(emit_to);
        Ok(vec![self.exact.sums(sums, nulls)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        let sums = state_column(values, 0)?;
        self.grow(total_num_groups, sums.null_count() == 0);
        let rows = Rows {
            groups: group_indices,
            filter: None,
        };
        if !self.exact.average {
            return self.add(sums, rows);
        }
        let mut overflow = false;
        for_each(
            sums.as_primitive::<Decimal128Type>(),
            rows,
            |group, value| {
                let (sum, over) = self.sums[group].overflowing_add(value);
                self.sums[group] = sum;
                overflow |= over;
            },
        );
        let counts = state_column(values, 1)?.as_primitive::<UInt64Type>();
        for_each(counts, rows, |group, count| self.counts[group] += count);
        if overflow {
            Err(self.exact.overflow())
        } else {
            Ok(())
        }
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let input = mask(state_column(values, 0)?, opt_filter)?;
        let sums = with_exact!(&input, array => {
            #[allow(clippy::useless_conversion)] // the macro also expands for i128
            let sums: Vec<i128> = array.values().iter().map(|value| (*value).into()).collect();
            self.exact.sums(sums, array.nulls().cloned())?
        });
        if !self.exact.average {
            return Ok(vec![sums]);
        }
        let ones = arrow::compute::is_not_null(&input)?;
        Ok(vec![sums, cast(&ones, &DataType::UInt64)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<i128>()
            + self.counts.capacity() * size_of::<u64>()
            + self.seen.as_ref().map_or(0, Vec::capacity)
    }
}
