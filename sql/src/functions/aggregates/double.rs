//! Accumulators of SUM and AVG over doubles and text (which counts as doubles).
//!
//! State: the sum as DOUBLE, for AVG followed by the count.

use std::collections::VecDeque;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Float64Array, UInt64Array};
use arrow::buffer::NullBuffer;
use arrow::compute::cast;
use arrow::datatypes::{DataType, Float64Type, UInt64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::{Accumulator, EmitTo, GroupsAccumulator};

use super::input::{Rows, doubles, for_each, mask, state_column};
use crate::functions::failure::out_of_range;

/// What SUM and AVG over doubles share.
#[derive(Debug, Clone)]
pub(crate) struct Double {
    /// The aggregate as error 1690 prints it.
    pub(crate) text: String,
    pub(crate) average: bool,
}

impl Double {
    fn result(&self, sum: f64, count: u64) -> Result<f64> {
        let value = if self.average {
            sum / count as f64
        } else {
            sum
        };
        if value.is_finite() {
            Ok(value)
        } else {
            Err(out_of_range("DOUBLE", &self.text))
        }
    }
}

/// One group.
#[derive(Debug)]
pub(crate) struct DoubleAccumulator {
    double: Double,
    sum: f64,
    count: u64,
}

impl DoubleAccumulator {
    pub(crate) fn new(double: Double) -> Self {
        Self {
            double,
            sum: 0.0,
            count: 0,
        }
    }
}

impl Accumulator for DoubleAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = doubles(state_column(values, 0)?)?;
        self.sum += values.iter().flatten().sum::<f64>();
        self.count += (values.len() - values.null_count()) as u64;
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.count == 0 {
            return Ok(ScalarValue::Float64(None));
        }
        Ok(ScalarValue::Float64(Some(
            self.double.result(self.sum, self.count)?,
        )))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let mut state = vec![ScalarValue::Float64((self.count > 0).then_some(self.sum))];
        if self.double.average {
            state.push(ScalarValue::UInt64(Some(self.count)));
        }
        Ok(state)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let sums = state_column(states, 0)?.as_primitive::<Float64Type>();
        self.sum += sums.iter().flatten().sum::<f64>();
        self.count += if self.double.average {
            state_column(states, 1)?
                .as_primitive::<UInt64Type>()
                .iter()
                .flatten()
                .sum()
        } else {
            (sums.len() - sums.null_count()) as u64
        };
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// A window frame. The values are kept and summed anew: subtracting doubles loses digits.
#[derive(Debug)]
pub(crate) struct DoubleFrame {
    double: Double,
    values: VecDeque<Option<f64>>,
}

impl DoubleFrame {
    pub(crate) fn new(double: Double) -> Self {
        Self {
            double,
            values: VecDeque::new(),
        }
    }
}

impl Accumulator for DoubleFrame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.values
            .extend(doubles(state_column(values, 0)?)?.iter());
        Ok(())
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        // Rows leave a frame in the order in which they entered it.
        self.values
            .drain(..state_column(values, 0)?.len().min(self.values.len()));
        Ok(())
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let count = self.values.iter().flatten().count() as u64;
        if count == 0 {
            return Ok(ScalarValue::Float64(None));
        }
        let sum = self.values.iter().flatten().sum();
        Ok(ScalarValue::Float64(Some(self.double.result(sum, count)?)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.values.capacity() * size_of::<Option<f64>>()
    }
}

/// Many groups.
#[derive(Debug)]
pub(crate) struct DoubleGroups {
    double: Double,
    sums: Vec<f64>,
    counts: Vec<u64>,
}

impl DoubleGroups {
    pub(crate) fn new(double: Double) -> Self {
        Self {
            double,
            sums: Vec::new(),
            counts: Vec::new(),
        }
    }

    fn grow(&mut self, groups: usize) {
        self.sums.resize(groups, 0.0);
        self.counts.resize(groups, 0);
    }

    fn take(&mut self, emit: EmitTo) -> (Vec<f64>, Vec<u64>, NullBuffer) {
        let counts = emit.take_needed(&mut self.counts);
        let nulls = counts.iter().map(|count| *count > 0).collect();
        (emit.take_needed(&mut self.sums), counts, nulls)
    }
}

impl GroupsAccumulator for DoubleGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.grow(total_num_groups);
        let values = doubles(state_column(values, 0)?)?;
        for_each(
            &values,
            Rows {
                groups: group_indices,
                filter: opt_filter,
            },
            |group, value| {
                self.sums[group] += value;
                self.counts[group] += 1;
            },
        );
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        let (sums, counts, nulls) = self.take(emit_to);
        let result = |(sum, count): (f64, u64)| self.double.result(sum, count.max(1));
        let values: Vec<f64> = sums
            .into_iter()
            .zip(counts)
            .map(result)
            .collect::<Result<_>>()?;
        Ok(Arc::new(Float64Array::new(values.into(), Some(nulls))))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        let (sums, counts, nulls) = self.take(emit_to);
        let mut state: Vec<ArrayRef> = vec![Arc::new(Float64Array::new(sums.into(), Some(nulls)))];
        if self.double.average {
            state.push(Arc::new(UInt64Array::from(counts)));
        }
        Ok(state)
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        if !self.double.average {
            return self.update_batch(values, group_indices, None, total_num_groups);
        }
        self.grow(total_num_groups);
        let rows = Rows {
            groups: group_indices,
            filter: None,
        };
        let sums = state_column(values, 0)?.as_primitive::<Float64Type>();
        for_each(sums, rows, |group, sum| self.sums[group] += sum);
        let counts = state_column(values, 1)?.as_primitive::<UInt64Type>();
        for_each(counts, rows, |group, count| self.counts[group] += count);
        Ok(())
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let input: ArrayRef = Arc::new(doubles(state_column(values, 0)?)?);
        let sums = mask(&input, opt_filter)?;
        if !self.double.average {
            return Ok(vec![sums]);
        }
        let ones = arrow::compute::is_not_null(&sums)?;
        Ok(vec![sums, cast(&ones, &DataType::UInt64)?])
    }

    fn size(&self) -> usize {
        self.sums.capacity() * size_of::<f64>() + self.counts.capacity() * size_of::<u64>()
    }
}
