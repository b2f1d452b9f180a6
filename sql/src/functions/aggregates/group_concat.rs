//! GROUP_CONCAT as an aggregate of (text, separator), with DISTINCT and ORDER BY.
//!
//! Values are kept with their sort keys and sorted at the end, so the input may come in any order and
//! from many partitions. State: one list of texts and one list of sort keys.

use std::collections::HashSet;
use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, BinaryArray, ListArray, StringViewArray};
use arrow::buffer::OffsetBuffer;
use arrow::datatypes::{DataType, Field, FieldRef};
use arrow::row::{RowConverter, SortField};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::{AggregateOrderSensitivity, format_state_name};
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};

use super::input::state_column;
use crate::collation::Order;
use crate::functions::convert::arrays;
use crate::functions::failure::{not_supported, wrong_argument_count};
use crate::functions::warnings::{Notice, warn};

/// `group_concat_max_len` unless the session sets it: MySQL's default, in bytes.
pub(crate) const LENGTH_MAX: usize = 1024;

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct GroupConcat {
    /// Longer results are cut off.
    length_max: usize,
    /// What tells strings apart for DISTINCT.
    order: Order,
    signature: Signature,
}

impl GroupConcat {
    pub(crate) fn new(length_max: usize) -> Self {
        Self {
            length_max,
            order: Order::Bytes,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }

    /// The same with strings told apart in an order.
    pub(crate) fn in_order(&self, order: Order) -> Self {
        Self {
            order,
            ..Self::new(self.length_max)
        }
    }
}

impl AggregateUDFImpl for GroupConcat {
    fn name(&self) -> &str {
        "group_concat"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types.len() {
            2 => Ok(arg_types.to_vec()),
            _ => Err(wrong_argument_count(self.name())),
        }
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(DataType::Utf8View)
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        let order = args
            .order_bys
            .iter()
            .map(|sort| {
                let data_type = sort.expr.data_type(args.schema)?;
                Ok(SortField::new_with_options(data_type, sort.options))
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Box::new(GroupConcatAccumulator {
            length_max: self.length_max,
            order: self.order,
            distinct: args.is_distinct,
            keys: if order.is_empty() {
                None
            } else {
                Some(RowConverter::new(order)?)
            },
            separator: None,
            values: Vec::new(),
            bytes: 0,
        }))
    }

    fn create_sliding_accumulator(&self, _args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(not_supported("GROUP_CONCAT as a window function"))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let list = |part: &str, item: DataType| {
            let item = Field::new_list_field(item, true);
            Arc::new(Field::new_list(
                format_state_name(args.name, part),
                item,
                true,
            ))
        };
        let separator = format_state_name(args.name, "separator");
        Ok(vec![
            list("texts", DataType::Utf8View),
            list("keys", DataType::Binary),
            Arc::new(Field::new(separator, DataType::Utf8View, true)),
        ])
    }

    /// Sort expressions are handed over, but the input need not be sorted by them.
    fn order_sensitivity(&self) -> AggregateOrderSensitivity {
        AggregateOrderSensitivity::Beneficial
    }

    fn with_beneficial_ordering(
        self: Arc<Self>,
        _beneficial_ordering: bool,
    ) -> Result<Option<Arc<dyn AggregateUDFImpl>>> {
        Ok(Some(self))
    }
}

#[derive(Debug)]
struct GroupConcatAccumulator {
    length_max: usize,
    order: Order,
    distinct: bool,
    keys: Option<RowConverter>,
    separator: Option<String>,
    /// (sort key, text), in the order of arrival.
    values: Vec<(Box<[u8]>, Box<str>)>,
    bytes: usize,
}

impl GroupConcatAccumulator {
    fn push(&mut self, key: &[u8], text: &str) {
        self.bytes += key.len() + text.len();
        self.values.push((key.into(), text.into()));
    }

    fn learn_separator(&mut self, separators: &StringViewArray) {
        if self.separator.is_none() {
            self.separator = separators.iter().flatten().next().map(str::to_owned);
        }
    }
}

impl Accumulator for GroupConcatAccumulator {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        let texts = arrays::to_text(arrays::canonical(state_column(values, 0)?)?.as_ref(), None)?;
        self.learn_separator(&arrays::to_text(state_column(values, 1)?, None)?);
        let rows = match &self.keys {
            Some(keys) => Some(keys.convert_columns(&values[2..])?),
            None => None,
        };
        for (row, text) in texts.iter().enumerate() {
            let Some(text) = text else { continue };
            match &rows {
                Some(rows) => self.push(rows.row(row).as_ref(), text),
                None => self.push(&[], text),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        if self.values.is_empty() {
            return Ok(ScalarValue::Utf8View(None));
        }
        if self.keys.is_some() {
            self.values.sort_by(|a, b| a.0.cmp(&b.0));
        }
        let separator = self.separator.as_deref().unwrap_or_default();
        let mut seen = HashSet::new();
        let mut result = String::new();
        let mut first = true;
        for (_, text) in &self.values {
            if self.distinct && !seen.insert(self.order.key(text)) {
                continue;
            }
            if !first {
                result.push_str(separator);
            }
            first = false;
            result.push_str(text);
            if result.len() > self.length_max {
                warn(Notice::GroupConcatCut);
                let end = (0..=self.length_max)
                    .rev()
                    .find(|end| result.is_char_boundary(*end));
                result.truncate(end.unwrap_or(0));
                break;
            }
        }
        Ok(ScalarValue::Utf8View(Some(result)))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        let offsets = || OffsetBuffer::from_lengths([self.values.len()]);
        let item = |data_type: DataType| Arc::new(Field::new_list_field(data_type, true));
        let texts: StringViewArray = self.values.iter().map(|(_, text)| Some(text)).collect();
        let keys: BinaryArray = self.values.iter().map(|(key, _)| Some(key)).collect();
        let texts = ListArray::try_new(item(DataType::Utf8View), offsets(), Arc::new(texts), None)?;
        let keys = ListArray::try_new(item(DataType::Binary), offsets(), Arc::new(keys), None)?;
        Ok(vec![
            ScalarValue::List(Arc::new(texts)),
            ScalarValue::List(Arc::new(keys)),
            ScalarValue::Utf8View(self.separator.clone()),
        ])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.learn_separator(state_column(states, 2)?.as_string_view());
        let texts = state_column(states, 0)?.as_list::<i32>();
        let keys = state_column(states, 1)?.as_list::<i32>();
        for (texts, keys) in texts.iter().zip(keys.iter()) {
            let (Some(texts), Some(keys)) = (texts, keys) else {
                continue;
            };
            let (texts, keys) = (texts.as_string_view(), keys.as_binary::<i32>());
            for (text, key) in texts.iter().zip(keys.iter()) {
                if let (Some(text), Some(key)) = (text, key) {
                    self.push(key, text);
                }
            }
        }
        Ok(())
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes + self.values.capacity() * 4 * size_of::<usize>()
    }
}
