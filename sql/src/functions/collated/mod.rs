//! Functions of strings under a collation that is not by bytes: comparisons with literals, keys to compare
//! and group by, LIKE, functions that look for a string in another, MIN and MAX.
//!
//! SQL does not name them: `select::collate` puts them in the place of operators and functions, once it
//! knows the collation. Each is a function of its own for each order of strings.

mod chosen;
mod compare;
mod search;

use std::sync::Arc;

use arrow::array::StringViewArray;
use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::Result;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::argument::{Call, Column};
use super::builtin::{Definition, constant_or_unordered, declared_field};
use super::convert::arrays::to_text;
use crate::collation::Order;

pub(crate) use chosen::{Choice, chosen, is_first};
pub(crate) use compare::{Comparison, SameStrings};

/// What is done with strings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Operation {
    /// Bytes that are equal and ordered as the strings are.
    Key,
    /// Bytes that are equal where the strings are.
    Same,
    /// A key as text, a character for each byte: windows have ranges of text, but not of bytes.
    TextKey,
    Compare(Comparison),
    /// The first argument is among the others.
    In,
    Like,
    Locate,
    Instr,
    FindInSet,
    Field,
    Strcmp,
    Greatest,
    Least,
}

impl Operation {
    fn name(self) -> &'static str {
        match self {
            Self::Key => "collation_key",
            Self::Same => "collation_same",
            Self::TextKey => "collation_text_key",
            Self::Compare(comparison) => comparison.name(),
            Self::In => "collated_in",
            Self::Like => "collated_like",
            Self::Locate => "locate",
            Self::Instr => "instr",
            Self::FindInSet => "find_in_set",
            Self::Field => "field",
            Self::Strcmp => "strcmp",
            Self::Greatest => "greatest",
            Self::Least => "least",
        }
    }

    fn returns(self) -> DataType {
        match self {
            Self::Key | Self::Same => DataType::BinaryView,
            Self::Compare(_) | Self::In | Self::Like => DataType::Boolean,
            Self::Locate | Self::Instr | Self::FindInSet | Self::Field | Self::Strcmp => {
                DataType::Int64
            }
            Self::Greatest | Self::Least | Self::TextKey => DataType::Utf8View,
        }
    }
}

/// An operation under an order.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Collated {
    pub(crate) operation: Operation,
    pub(crate) order: Order,
    signature: Signature,
}

impl Collated {
    /// A call of the operation.
    pub(crate) fn call(operation: Operation, order: Order, args: Vec<Expr>) -> Expr {
        let function = Self {
            operation,
            order,
            signature: Signature::user_defined(Volatility::Immutable),
        };
        Arc::new(ScalarUDF::new_from_impl(function)).call(args)
    }

    /// Whether what it makes stands for a string when it is compared.
    pub(crate) fn makes_keys(&self) -> bool {
        matches!(self.operation, Operation::Key | Operation::Same)
    }

    /// The operation that an expression is a call of.
    pub(crate) fn of(expr: &Expr) -> Option<&Self> {
        match expr {
            Expr::ScalarFunction(call) => call.func.inner().downcast_ref::<Self>(),
            _ => None,
        }
    }
}

impl ScalarUDFImpl for Collated {
    fn name(&self) -> &str {
        self.operation.name()
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    /// Two orders are two functions also where expressions are told apart by their names.
    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let args: Vec<String> = args.iter().map(|a| a.schema_name().to_string()).collect();
        Ok(format!(
            "{}[{:?}]({})",
            self.name(),
            self.order,
            args.join(",")
        ))
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(self.operation.returns())
    }

    fn return_field_from_args(&self, _: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(declared_field(self.name(), self.operation.returns().into()))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(constant_or_unordered(inputs))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(self.operation.name(), &args);
        let texts = (0..call.len()).map(|index| call.text(index));
        let texts = texts.collect::<Result<Vec<_>>>()?;
        let texts = Texts {
            order: self.order,
            rows: call.rows,
            texts: &texts,
        };
        call.finish(match self.operation {
            Operation::Key => texts.keys(),
            Operation::Same => texts.same(),
            Operation::TextKey => texts.text_keys(),
            Operation::Compare(comparison) => texts.compared(comparison),
            Operation::In => texts.found_in_list(),
            Operation::Like => texts.like(),
            Operation::Locate if call.len() > 2 => texts.located((0, 1), Some(call.int(2)?)),
            Operation::Locate => texts.located((0, 1), None),
            Operation::Instr => texts.located((1, 0), None),
            Operation::FindInSet => texts.found_in_set(),
            Operation::Field => texts.field(),
            Operation::Strcmp => texts.strcmp(),
            Operation::Greatest => texts.extreme(true),
            Operation::Least => texts.extreme(false),
        })
    }
}

/// What COLLATE becomes: its first argument, marked with the collation that the second names.
pub(crate) const FUNCTIONS: &[Definition] = &[Definition::new(
    "collate",
    (2, 2),
    |_| Ok(DataType::Utf8View.into()),
    |call| Ok(Arc::new(to_text(&call.array(0)?, call.fsp(0))?)),
)];

/// The arguments of a call as text.
struct Texts<'a> {
    order: Order,
    rows: usize,
    texts: &'a [Column<StringViewArray>],
}

impl Texts<'_> {
    fn get(&self, argument: usize, row: usize) -> Option<&str> {
        self.texts.get(argument)?.get(row)
    }

    /// An argument that is the same in all rows.
    fn scalar(&self, argument: usize) -> Option<Option<&str>> {
        let text = self.texts.get(argument)?;
        text.is_scalar().then(|| text.get(0))
    }
}
