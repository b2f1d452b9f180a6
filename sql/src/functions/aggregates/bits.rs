//! BIT_AND, BIT_OR and BIT_XOR: BIGINT UNSIGNED, never NULL (no rows give the neutral value).

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray, UInt64Array};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{
    Accumulator, AggregateUDFImpl, EmitTo, GroupsAccumulator, ReversedUDAF, Signature, Volatility,
};

use super::input::{Rows, for_each, mask, state_column};
use crate::functions::convert::arrays::{canonical, to_uint_bits};
use crate::functions::failure::{not_supported, wrong_argument_count};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum BitOp {
    And,
    Or,
    Xor,
}

impl BitOp {
    fn neutral(self) -> u64 {
        if self == Self::And { u64::MAX } else { 0 }
    }

    fn apply(self, x: u64, y: u64) -> u64 {
        match self {
            Self::And => x & y,
            Self::Or => x | y,
            Self::Xor => x ^ y,
        }
    }
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct BitAggregate {
    op: BitOp,
    signature: Signature,
}

impl BitAggregate {
    pub(crate) fn new(op: BitOp) -> Self {
        Self {
            op,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for BitAggregate {
    fn name(&self) -> &str {
        match self.op {
            BitOp::And => "bit_and",
            BitOp::Or => "bit_or",
            BitOp::Xor => "bit_xor",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types {
            [DataType::Binary | DataType::LargeBinary | DataType::BinaryView] => {
                Err(not_supported("bit aggregates of binary strings"))
            }
            [_] => Ok(arg_types.to_vec()),
            _ => Err(wrong_argument_count(self.name())),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::UInt64)
    }

    fn is_nullable(&self) -> bool {
        false
    }

    fn default_value(&self, _data_type: &DataType) -> Result<ScalarValue> {
        Ok(ScalarValue::UInt64(Some(self.op.neutral())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        // DISTINCT changes nothing for AND and OR; MySQL does not allow it for any of them.
        if args.is_distinct {
            return Err(not_supported("bit aggregates with DISTINCT"));
        }
        Ok(Box::new(BitAccumulator {
            op: self.op,
            value: self.op.neutral(),
        }))
    }

    fn create_sliding_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(BitFrame {
            op: self.op,
            ones: [0; 64],
            count: 0,
        }))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "bits");
        Ok(vec![Arc::new(Field::new(name, DataType::UInt64, true))])
    }

    fn groups_accumulator_supported(&self, args: AccumulatorArgs) -> bool {
        !args.is_distinct
    }

    fn create_groups_accumulator(
        &self,
        _args: AccumulatorArgs,
    ) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(BitGroups {
            op: self.op,
            values: Vec::new(),
        }))
    }

    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Insensitive
    }

    fn reverse_expr(&self) -> ReversedUDAF {
        ReversedUDAF::Identical
    }
}

fn input(values: &[ArrayRef]) -> Result<UInt64Array> {
    to_uint_bits(canonical(state_column(values, 0)?)?.as_ref())
}

#[derive(Debug)]
struct BitAccumulator {
    op: BitOp,
    value: u64,
}

impl Accumulator for BitAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let op = self.op;
        self.value = input(values)?
            .iter()
            .flatten()
            .fold(self.value, |x, y| op.apply(x, y));
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        Ok(ScalarValue::UInt64(Some(self.value)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

/// A window frame: how many of its values have each bit, so that values can leave again.
#[derive(Debug)]
struct BitFrame {
    op: BitOp,
    ones: [u64; 64],
    count: u64,
}

impl BitFrame {
    fn count(&mut self, values: &[ArrayRef], change: i64) -> Result<()> {
        for value in input(values)?.iter().flatten() {
            self.count = self.count.wrapping_add_signed(change);
            for (bit, ones) in self.ones.iter_mut().enumerate() {
                if value >> bit & 1 == 1 {
                    *ones = ones.wrapping_add_signed(change);
                }
            }
        }
        Ok(())
    }
}

impl Accumulator for BitFrame {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count(values, 1)
    }

    fn retract_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        self.count(values, -1)
    }

    fn supports_retract_batch(&self) -> bool {
        true
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let bit = |ones: u64| match self.op {
            BitOp::And => ones == self.count,
            BitOp::Or => ones > 0,
            BitOp::Xor => ones % 2 == 1,
        };
        let bits = self
            .ones
            .iter()
            .enumerate()
            .map(|(index, ones)| u64::from(bit(*ones)) << index);
        Ok(ScalarValue::UInt64(Some(bits.sum())))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>()
    }
}

#[derive(Debug)]
struct BitGroups {
    op: BitOp,
    values: Vec<u64>,
}

impl GroupsAccumulator for BitGroups {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        opt_filter: Option<&BooleanArray>,
        total_num_groups: usize,
    ) -> Result<()> {
        self.values.resize(total_num_groups, self.op.neutral());
        let rows = Rows {
            groups: group_indices,
            filter: opt_filter,
        };
        for_each(&input(values)?, rows, |group, value| {
            self.values[group] = self.op.apply(self.values[group], value);
        });
        Ok(())
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(Arc::new(UInt64Array::from(
            emit_to.take_needed(&mut self.values),
        )))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.evaluate(emit_to)?])
    }

    fn merge_batch(
        &mut self,
        values: &[ArrayRef],
        group_indices: &[usize],
        total_num_groups: usize,
    ) -> Result<()> {
        self.update_batch(values, group_indices, None, total_num_groups)
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        opt_filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let values: ArrayRef = Arc::new(input(values)?);
        Ok(vec![mask(&values, opt_filter)?])
    }

    fn size(&self) -> usize {
        self.values.capacity() * size_of::<u64>()
    }
}
