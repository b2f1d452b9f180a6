//! JSON_ARRAYAGG and JSON_OBJECTAGG, as aggregates of small documents: the planner makes `[x]` or
//! `{"name": x}` of each row by JSON_ARRAY and JSON_OBJECT.

use std::mem::size_of;
use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::function::{AccumulatorArgs, StateFieldsArgs};
use datafusion::logical_expr::utils::format_state_name;
use datafusion::logical_expr::{Accumulator, AggregateUDFImpl, Signature, Volatility};
use serde_json::{Map, Value};

use super::input::state_column;
use crate::functions::failure::{internal, not_supported, wrong_argument_count};
use crate::functions::json::{JSON_KEY, push_value};

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Kind {
    Array,
    Object,
}

#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct JsonAggregate {
    kind: Kind,
    signature: Signature,
}

impl JsonAggregate {
    pub(crate) fn new(kind: Kind) -> Self {
        Self {
            kind,
            signature: Signature::user_defined(Volatility::Immutable),
        }
    }
}

impl AggregateUDFImpl for JsonAggregate {
    fn name(&self) -> &str {
        match self.kind {
            Kind::Array => "json_arrayagg",
            Kind::Object => "json_objectagg",
        }
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
        Ok(DataType::Utf8View)
    }

    fn return_field(&self, _: &[FieldRef]) -> Result<FieldRef> {
        let json = [(JSON_KEY.to_owned(), String::new())];
        let field = Field::new(self.name(), DataType::Utf8View, true);
        Ok(Arc::new(field.with_metadata(json.into())))
    }

    fn accumulator(&self, args: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        if args.is_distinct {
            return Err(not_supported("DISTINCT in a JSON aggregate"));
        }
        Ok(match self.kind {
            Kind::Array => Box::new(Elements::default()),
            Kind::Object => Box::new(Members::default()),
        })
    }

    fn create_sliding_accumulator(&self, _: AccumulatorArgs) -> Result<Box<dyn Accumulator>> {
        Err(not_supported("a JSON aggregate as a window function"))
    }

    fn state_fields(&self, args: StateFieldsArgs) -> Result<Vec<FieldRef>> {
        let name = format_state_name(args.name, "document");
        Ok(vec![Arc::new(Field::new(name, DataType::Utf8View, true))])
    }
}

/// The elements of an array as text, in the order of arrival.
#[derive(Debug, Default)]
struct Elements {
    /// `None`: no rows.
    text: Option<String>,
}

impl Accumulator for Elements {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for document in state_column(values, 0)?.as_string_view().iter().flatten() {
            let elements = document.strip_prefix('[').and_then(|d| d.strip_suffix(']'));
            let elements = elements.ok_or_else(|| internal("an array that is none"))?;
            match &mut self.text {
                Some(text) => {
                    text.push_str(", ");
                    text.push_str(elements);
                }
                None => self.text = Some(elements.to_owned()),
            }
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let text = self.text.as_ref().map(|elements| format!("[{elements}]"));
        Ok(ScalarValue::Utf8View(text))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.text.as_ref().map_or(0, String::capacity)
    }
}

/// The members of an object; of several with one name the last one counts.
#[derive(Debug, Default)]
struct Members {
    /// `None`: no rows.
    members: Option<Map<String, Value>>,
    bytes: usize,
}

impl Accumulator for Members {
    fn update_batch(&mut self, values: &[ArrayRef]) -> Result<()> {
        for document in state_column(values, 0)?.as_string_view().iter().flatten() {
            let Ok(Value::Object(found)) = serde_json::from_str(document) else {
                return Err(internal("an object that is none"));
            };
            self.bytes += 2 * document.len();
            self.members.get_or_insert_default().extend(found);
        }
        Ok(())
    }

    fn evaluate(&mut self) -> Result<ScalarValue> {
        let text = self.members.clone().map(|members| {
            let mut text = String::new();
            push_value(&mut text, &Value::Object(members));
            text
        });
        Ok(ScalarValue::Utf8View(text))
    }

    fn state(&mut self) -> Result<Vec<ScalarValue>> {
        Ok(vec![self.evaluate()?])
    }

    fn merge_batch(&mut self, states: &[ArrayRef]) -> Result<()> {
        self.update_batch(states)
    }

    fn size(&self) -> usize {
        size_of::<Self>() + self.bytes
    }
}
