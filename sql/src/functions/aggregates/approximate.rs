//! APPROX_COUNT_DISTINCT: the number of different values, in bounded memory and mergeable.
//!
//! Up to [`FEW`] different values are counted exactly, by their hashes. Beyond that a HyperLogLog of 2^14
//! registers takes over: a standard error of 0.8 percent in 16 KiB.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::hash_utils::{HLL_RANDOM_STATE, create_hashes};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, ReversedUDAF, Signature, Volatility,
};

use super::input::state_column;
use crate::functions::failure::{internal, wrong_argument_count};

/// Different values that are counted exactly.
const FEW: usize = 1024;
/// Bits of a hash that choose the register.
const REGISTER_BITS: u32 = 14;
const REGISTERS: usize = 1 << REGISTER_BITS;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct ApproxCountDistinct {
    signature: Signature,
}

impl ApproxCountDistinct {
    pub(crate) fn new() -> Self {
        Self {
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for ApproxCountDistinct {
    fn name(&self) -> &str {
        "approx_count_distinct"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [_] => Ok(arg_types.to_vec()),
            _ => Err(wrong_argument_count(self.name())),
        }
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Int64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(0)))
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(Sketch::default()))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "sketch");
        Ok(vec![Arc::new(Field::new(name, DataType::Binary, true))])
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

/// What is known of the values so far.
#[derive(Debug)]
enum Sketch {
    /// All hashes.
    Few(HashSet<u64>),
    /// For each register the longest run of zeros, plus one, that a hash for it had.
    Many(Box<[u8]>),
}

impl Default for Sketch {
    fn default() -> Self {
        Self::Few(HashSet::new())
    }
}

impl Sketch {
    fn add(&mut self, hash: u64) {
        match self {
            Self::Few(hashes) => {
                hashes.insert(hash);
                if hashes.len() > FEW {
                    self.grow();
                }
            }
            Self::Many(registers) => note(registers, hash),
        }
    }

    /// Registers from now on.
    fn grow(&mut self) -> &mut [u8] {
        if let Self::Few(hashes) = self {
            let mut registers = vec![0; REGISTERS].into_boxed_slice();
            hashes.iter().for_each(|hash| note(&mut registers, *hash));
            *self = Self::Many(registers);
        }
        match self {
            Self::Many(registers) => registers,
            Self::Few(_) => &mut [],
        }
    }

    fn count(&self) -> i64 {
        match self {
            Self::Few(hashes) => hashes.len() as i64,
            Self::Many(registers) => estimate(registers).round() as i64,
        }
    }

    /// One byte that says which kind it is, then hashes or registers.
    fn to_bytes(&self) -> Vec<u8> {
        match self {
            Self::Few(hashes) => {
                let hashes = hashes.iter().flat_map(|hash| hash.to_le_bytes());
                std::iter::once(0).chain(hashes).collect()
            }
            Self::Many(registers) => std::iter::once(1)
                .chain(registers.iter().copied())
                .collect(),
        }
    }

    fn merge(&mut self, bytes: &[u8]) -> Result<()> {
        match bytes.split_first() {
            Some((0, hashes)) => {
                let (hashes, _) = hashes.as_chunks::<8>();
                hashes.iter().for_each(|h| self.add(u64::from_le_bytes(*h)));
                Ok(())
            }
            Some((1, other)) if other.len() == REGISTERS => {
                for (own, other) in self.grow().iter_mut().zip(other) {
                    *own = (*own).max(*other);
                }
                Ok(())
            }
            _ => Err(internal("a sketch that is none")),
        }
    }
}

fn note(registers: &mut [u8], hash: u64) {
    let register = (hash & (REGISTERS as u64 - 1)) as usize;
    // The bit above the rest ends the run of an all-zero hash.
    let rest = hash >> REGISTER_BITS | 1 << (64 - REGISTER_BITS);
    let run = rest.trailing_zeros() as u8 + 1;
    if let Some(longest) = registers.get_mut(register) {
        *longest = (*longest).max(run);
    }
}

/// Otmar Ertl's estimator ("New cardinality estimation algorithms for HyperLogLog sketches", 2017), which needs
/// no tables of corrections.
fn estimate(registers: &[u8]) -> f64 {
    const RUN_MAX: usize = (64 - REGISTER_BITS) as usize;
    let mut counts = [0_u32; RUN_MAX + 2];
    for run in registers {
        if let Some(count) = counts.get_mut(usize::from(*run)) {
            *count += 1;
        }
    }
    let m = REGISTERS as f64;
    let of = |run: usize| f64::from(counts.get(run).copied().unwrap_or(0));
    let mut z = m * tau((m - of(RUN_MAX + 1)) / m);
    for run in (1..=RUN_MAX).rev() {
        z = 0.5 * (z + of(run));
    }
    z += m * sigma(of(0) / m);
    0.5 / std::f64::consts::LN_2 * m * m / z
}

fn sigma(mut x: f64) -> f64 {
    if x == 1.0 {
        return f64::INFINITY;
    }
    let (mut y, mut z) = (1.0, x);
    loop {
        x *= x;
        let before = z;
        z += x * y;
        y += y;
        if z == before {
            return z;
        }
    }
}

fn tau(mut x: f64) -> f64 {
    if x == 0.0 || x == 1.0 {
        return 0.0;
    }
    let (mut y, mut z) = (1.0, 1.0 - x);
    loop {
        x = x.sqrt();
        let before = z;
        y *= 0.5;
        z -= (1.0 - x).powi(2) * y;
        if z == before {
            return z / 3.0;
        }
    }
}

impl Accumulator for Sketch {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = state_column(values, 0)?;
        let mut hashes = vec![0; values.len()];
        create_hashes([values], &HLL_RANDOM_STATE, &mut hashes)?;
        let nulls = values.logical_nulls();
        for (row, hash) in hashes.into_iter().enumerate() {
            if nulls.as_ref().is_none_or(|nulls| nulls.is_valid(row)) {
                self.add(hash);
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::Int64(Some(self.count())))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![ScalarValue::Binary(Some(self.to_bytes()))])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        let states = state_column(states, 0)?.as_binary::<i32>();
        states
            .iter()
            .flatten()
            .try_for_each(|state| self.merge(state))
    }

    fn size(&self) -> usize {
        let owned = match self {
            Self::Few(hashes) => hashes.capacity() * 2 * size_of::<u64>(),
            Self::Many(registers) => registers.len(),
        };
        size_of::<Self>() + owned
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::Int64Array;

    use super::*;

    fn sketch(values: std::ops::Range<i64>) -> Sketch {
        let mut sketch = Sketch::default();
        let values: ArrayRef = Arc::new(Int64Array::from_iter_values(values));
        sketch.update_batch(&[values]).expect("hashes");
        sketch
    }

    #[test]
    fn few_values_are_counted_exactly_and_many_nearly() {
        assert_eq!(sketch(0..0).count(), 0);
        assert_eq!(sketch(0..1000).count(), 1000);
        for n in [1_100_i64, 5_000, 20_000, 300_000] {
            let found = sketch(0..n).count();
            let error = (found - n).abs() as f64 / n as f64;
            assert!(error < 0.03, "{n}: {found}");
        }
    }

    #[test]
    fn merged_sketches_are_those_of_all_values() {
        for (one, other, all) in [
            (0..10, 5..20, 0..20),
            (0..10, 5..30_000, 0..30_000),
            (0..40_000, 100..200, 0..40_000),
            (0..40_000, 20_000..60_000, 0..60_000),
        ] {
            let (mut merged, other) = (sketch(one), sketch(other));
            merged.merge(&other.to_bytes()).expect("merges");
            assert_eq!(merged.count(), sketch(all).count());
        }
    }
}
