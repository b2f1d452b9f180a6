//! SUM(DISTINCT) and AVG(DISTINCT): the distinct values are kept, the sum is made at the end.
//!
//! State: one list of the distinct values.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::Accumulator;

use super::double::{Double, DoubleAccumulator};
use super::exact::{Exact, ExactAccumulator};
use super::input::{Rows, doubles, for_each_exact, state_column};

/// The aggregate that the distinct values are handed to.
#[derive(Debug, Clone)]
pub(crate) enum Inner {
    Exact(Exact),
    Double(Double),
}

#[derive(Debug)]
pub(crate) struct DistinctAccumulator {
    inner: Inner,
    exact: HashSet<i128>,
    /// The bits of doubles, -0 as 0.
    doubles: HashSet<u64>,
}

impl DistinctAccumulator {
    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner,
            exact: HashSet::new(),
            doubles: HashSet::new(),
        }
    }

    /// Type of the values in the state's list.
    pub(crate) fn value_type(inner: &Inner) -> DataType {
        match inner {
            Inner::Exact(exact) => DataType::Decimal128(38, exact.scale),
            Inner::Double(_) => DataType::Float64,
        }
    }

    fn values(&self) -> Result<ArrayRef> {
        Ok(match &self.inner {
            Inner::Exact(exact) => {
                let array: Decimal128Array = self.exact.iter().copied().map(Some).collect();
                Arc::new(array.with_precision_and_scale(38, exact.scale)?)
            }
            Inner::Double(_) => {
                let mut values: Vec<f64> =
                    self.doubles.iter().map(|v| f64::from_bits(*v)).collect();
                // The order of a set is random; the sum of doubles depends on it.
                values.sort_by(f64::total_cmp);
                Arc::new(Float64Array::from(values))
            }
        })
    }

    fn add_double(&mut self, value: f64) {
        self.doubles
            .insert(if value == 0.0 { 0 } else { value.to_bits() });
    }
}

impl Accumulator for DistinctAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let input = state_column(values, 0)?;
        match &self.inner {
            Inner::Exact(_) => {
                let groups = vec![0; input.len()];
                let rows = Rows {
                    groups: &groups,
                    filter: None,
                };
                for_each_exact(input, rows, |_, value| {
                    self.exact.insert(value);
                })
            }
            Inner::Double(_) => {
                doubles(input)?
                    .iter()
                    .flatten()
                    .for_each(|value| self.add_double(value));
                Ok(())
            }
        }
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let values = [self.values()?];
        match &self.inner {
            Inner::Exact(exact) => {
                let mut sum = ExactAccumulator::new(exact.clone());
                sum.update_batch(&values)?;
                sum.evaluate()
            }
            Inner::Double(double) => {
                let mut sum = DoubleAccumulator::new(double.clone());
                sum.update_batch(&values)?;
                sum.evaluate()
            }
        }
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let values = self.values()?;
        let field = arrow::datatypes::Field::new_list_field(Self::value_type(&self.inner), true);
        let offsets = arrow::buffer::OffsetBuffer::from_lengths([values.len()]);
        let list = arrow::array::ListArray::try_new(Arc::new(field), offsets, values, None)?;
        Ok(vec![ScalarValue::List(Arc::new(list))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let lists = state_column(states, 0)?.as_list::<i32>();
        for values in lists.iter().flatten() {
            match &self.inner {
                Inner::Exact(_) => {
                    self.exact
                        .extend(values.as_primitive::<Decimal128Type>().iter().flatten());
                }
                Inner::Double(_) => {
                    let values = values.as_primitive::<Float64Type>();
                    values
                        .iter()
                        .flatten()
                        .for_each(|value| self.add_double(value));
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>()
            + self.exact.capacity() * (size_of::<i128>() + 1)
            + self.doubles.capacity() * (size_of::<u64>() + 1)
    }
}
