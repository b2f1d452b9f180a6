//! An aggregate that gives one of the strings of a group: the first that comes, or the least or greatest
//! under a collation.
//!
//! State: the string.

use std::cmp::Ordering;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, BooleanArray, StringViewArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::{
    Accumulator, AggregateUDF, AggregateUDFImpl, EmitTo, GroupsAccumulator, Signature, Volatility,
};

use crate::collation::Order;
use crate::functions::aggregates::input::{mask, state_column};
use crate::functions::convert::arrays::to_text;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Choice {
    First,
    Least,
    Greatest,
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Chosen {
    choice: Choice,
    order: Order,
    signature: Signature,
}

/// The aggregate.
pub(crate) fn chosen(choice: Choice, order: Order) -> Arc<AggregateUDF> {
    Arc::new(AggregateUDF::new_from_impl(Chosen {
        choice,
        order,
        signature: Signature::any(1, Volatility::Immutable),
    }))
}

/// Whether an aggregate gives the first string that comes.
pub(crate) fn is_first(function: &AggregateUDF) -> bool {
    let chosen = function.inner().downcast_ref::<Chosen>();
    chosen.is_some_and(|chosen| chosen.choice == Choice::First)
}

impl AggregateUDFImpl for Chosen {
    fn name(&self) -> &str {
        match self.choice {
            Choice::First => "first",
            Choice::Least => "min",
            Choice::Greatest => "max",
        }
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format!("{}[chosen]", args.name);
        Ok(vec![Arc::new(Field::new(name, DataType::Utf8View, true))])
    }

    fn accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Ok(Box::new(One(Strings::new(self))))
    }

    fn groups_accumulator_supported(&self, _: AccumulatorArgs) -> bool {
        true
    }

    fn create_groups_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn GroupsAccumulator>> {
        Ok(Box::new(Strings::new(self)))
    }
}

/// The string chosen so far of each group, and its key where that matters.
#[derive(Debug)]
struct Strings {
    choice: Choice,
    order: Order,
    chosen: Vec<Option<(Box<str>, Vec<u8>)>>,
    bytes: usize,
}

impl Strings {
    fn new(of: &Chosen) -> Self {
        Self {
            choice: of.choice,
            order: of.order,
            chosen: Vec::new(),
            bytes: 0,
        }
    }

    fn meet(&mut self, group: usize, text: &str, key: &mut Vec<u8>) {
        let Some(slot) = self.chosen.get_mut(group) else {
            return;
        };
        let wanted = match self.choice {
            Choice::First if slot.is_some() => return,
            Choice::First => None,
            Choice::Least => Some(Ordering::Less),
            Choice::Greatest => Some(Ordering::Greater),
        };
        key.clear();
        if let Some(wanted) = wanted {
            self.order.put_key(text, key);
            let better = |(_, known): &(_, Vec<u8>)| key.as_slice().cmp(known.as_slice()) == wanted;
            if !slot.as_ref().is_none_or(better) {
                return;
            }
        }
        self.bytes += text.len() + key.len();
        *slot = Some((text.into(), key.clone()));
    }

    fn meet_all(
        &mut self,
        values: &ArrayRef,
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.chosen
            .resize_with(total.max(self.chosen.len()), || None);
        let texts = to_text(values, None)?;
        let mut key = Vec::new();
        for (row, &group) in groups.iter().enumerate() {
            let counts = filter.is_none_or(|f| f.is_valid(row) && f.value(row));
            if counts && texts.is_valid(row) {
                self.meet(group, texts.value(row), &mut key);
            }
        }
        Ok(())
    }

    fn emit(&mut self, emit_to: EmitTo) -> ArrayRef {
        let chosen = emit_to.take_needed(&mut self.chosen);
        let texts = chosen.iter().map(|c| c.as_ref().map(|(text, _)| text));
        Arc::new(texts.collect::<StringViewArray>())
    }
}

impl GroupsAccumulator for Strings {
    fn update_batch(
        &mut self,
        values: &[ArrayRef],
        groups: &[usize],
        filter: Option<&BooleanArray>,
        total: usize,
    ) -> Result<()> {
        self.meet_all(state_column(values, 0)?, groups, filter, total)
    }

    fn merge_batch(&mut self, values: &[ArrayRef], groups: &[usize], total: usize) -> Result<()> {
        self.meet_all(state_column(values, 0)?, groups, None, total)
    }

    fn evaluate(&mut self, emit_to: EmitTo) -> Result<ArrayRef> {
        Ok(self.emit(emit_to))
    }

    fn state(&mut self, emit_to: EmitTo) -> Result<Vec<ArrayRef>> {
        Ok(vec![self.emit(emit_to)])
    }

    fn convert_to_state(
        &self,
        values: &[ArrayRef],
        filter: Option<&BooleanArray>,
    ) -> Result<Vec<ArrayRef>> {
        let masked = mask(state_column(values, 0)?, filter)?;
        Ok(vec![Arc::new(to_text(&masked, None)?)])
    }

    fn size(&self) -> usize {
        self.bytes + self.chosen.capacity() * size_of::<Option<(Box<str>, Vec<u8>)>>()
    }
}

/// The same for a single group.
#[derive(Debug)]
struct One(Strings);

impl Accumulator for One {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let values = state_column(values, 0)?;
        let groups = vec![0; values.len()];
        self.0.meet_all(values, &groups, None, 1)
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let chosen = self.0.chosen.first().and_then(Option::as_ref);
        Ok(ScalarValue::Utf8View(
            chosen.map(|(text, _)| text.to_string()),
        ))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn size(&self) -> usize {
        self.0.size()
    }
}
