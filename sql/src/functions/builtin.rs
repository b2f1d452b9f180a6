//! One DataFusion scalar function per table entry: name, number of arguments, return type, evaluation.
//!
//! DataFusion casts no argument of ours (the signature accepts every type): conversions are MySQL's
//! and happen in `Call`. What the functions do is in the sibling modules.

use std::collections::HashMap;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Field, FieldRef};
use datafusion::common::{Result, ScalarValue};
use datafusion::logical_expr::simplify::{ExprSimplifyResult, SimplifyContext};
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::argument::Call;
use super::failure::wrong_argument_count;
use super::json::JSON_KEY;
use super::operators::types::{DECIMALS_KEY, Kind};

/// Field metadata: fractional digits ("0" to "6") of a DATETIME or TIME; absent when undeclared.
pub const FSP_KEY: &str = "storno.fsp";

/// What a function returns, decided when it is planned.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Declared {
    pub(crate) data_type: DataType,
    /// Digits behind the point of a DATETIME or TIME, when known; of a double, when MySQL fixes them; of a
    /// decimal that is kept with more.
    pub(crate) fsp: Option<u8>,
    /// Text that is a JSON document in MySQL.
    pub(crate) json: bool,
}

impl From<DataType> for Declared {
    fn from(data_type: DataType) -> Self {
        Self {
            data_type,
            fsp: None,
            json: false,
        }
    }
}

impl Declared {
    /// The type of a number, with its declared digits where it is kept with more.
    pub(crate) fn of_kind(kind: Kind) -> Self {
        let fsp = match kind {
            Kind::Decimal {
                scale, decimals, ..
            } if scale != decimals => Some(decimals.unsigned_abs()),
            _ => None,
        };
        Self {
            fsp,
            ..kind.data_type().into()
        }
    }

    /// A DATETIME or TIME with its digits.
    pub(crate) fn temporal(data_type: DataType, fsp: Option<u8>) -> Self {
        Self {
            fsp,
            ..data_type.into()
        }
    }

    pub(crate) fn json() -> Self {
        Self {
            json: true,
            ..DataType::Utf8View.into()
        }
    }
}

/// What is known of a call when it is planned.
pub(crate) struct Shape<'a> {
    pub(crate) name: &'static str,
    pub(crate) fields: &'a [FieldRef],
    pub(crate) literals: &'a [Option<&'a ScalarValue>],
}

impl Shape<'_> {
    pub(crate) fn len(&self) -> usize {
        self.fields.len()
    }

    pub(crate) fn data_type(&self, index: usize) -> &DataType {
        self.fields
            .get(index)
            .map_or(&DataType::Null, |field| field.data_type())
    }

    pub(crate) fn types(&self) -> impl Iterator<Item = &DataType> {
        self.fields.iter().map(|field| field.data_type())
    }

    /// An integer literal argument; `None` for columns, NULL and missing arguments.
    pub(crate) fn literal_int(&self, index: usize) -> Option<i64> {
        let value = (*self.literals.get(index)?)?;
        if value.is_null() {
            return None;
        }
        let array = value.to_array_of_size(1).ok()?;
        let array = super::convert::arrays::to_int(array.as_ref()).ok()?;
        Some(array.value(0))
    }

    pub(crate) fn fsp(&self, index: usize) -> Option<u8> {
        self.fields.get(index).and_then(field_fsp)
    }
}

impl Shape<'_> {
    /// Fractional digits of a second that argument `index` has when it is read as a date or time;
    /// `None` for a column whose declaration is not known.
    pub(crate) fn temporal_fsp(&self, index: usize) -> Option<u8> {
        let literal = self.literals.get(index).copied().flatten();
        match self.data_type(index) {
            DataType::Timestamp(..) | DataType::Duration(_) => self.fsp(index),
            DataType::Date32 | DataType::Null | DataType::Boolean => Some(0),
            DataType::Decimal128(_, scale) => Some((*scale).clamp(0, 6) as u8),
            t if t.is_integer() => Some(0),
            _ => match literal {
                Some(ScalarValue::Utf8(Some(t)) | ScalarValue::Utf8View(Some(t))) => {
                    let digits = |tail: &str| tail.bytes().take_while(u8::is_ascii_digit).count();
                    // Only behind a time of day or a plain number is the point a decimal point.
                    let number = |head: &str| head.contains(':') || !head.contains(is_delimiter);
                    let tail = t.rsplit_once('.').filter(|(head, _)| number(head));
                    Some(tail.map_or(0, |(_, tail)| digits(tail).min(6) as u8))
                }
                _ => Some(6),
            },
        }
    }

    /// Fractional digits of a number of seconds; text has all six.
    pub(crate) fn seconds_fsp(&self, index: usize) -> u8 {
        match self.data_type(index) {
            t if t.is_string() => 6,
            _ => self.temporal_fsp(index).unwrap_or(6),
        }
    }

    /// The larger of two arguments' fractional digits.
    pub(crate) fn larger_fsp(&self, a: usize, b: usize) -> Option<u8> {
        Some(self.temporal_fsp(a)?.max(self.temporal_fsp(b)?))
    }
}

fn is_delimiter(c: char) -> bool {
    c.is_ascii_punctuation()
}

/// Of a field's metadata the declared digits (and whether it is JSON), for a result that keeps its argument's values.
pub(crate) fn declared_digits(field: &FieldRef) -> HashMap<String, String> {
    let digits = |key: &str| key == FSP_KEY || key == DECIMALS_KEY || key == JSON_KEY;
    let metadata = field.metadata().iter().filter(|(key, _)| digits(key));
    metadata
        .map(|(key, value)| (key.clone(), value.clone()))
        .collect()
}

/// The declared digits behind the point of a DATETIME, TIME or DOUBLE field.
pub(crate) fn field_fsp(field: &FieldRef) -> Option<u8> {
    let key = if field.data_type().is_floating() {
        DECIMALS_KEY
    } else {
        FSP_KEY
    };
    field
        .metadata()
        .get(key)
        .and_then(|digits| digits.parse().ok())
}

pub(crate) type Returns = fn(&Shape<'_>) -> Result<Declared>;
pub(crate) type Run = fn(&Call<'_>) -> Result<ArrayRef>;
pub(crate) type Simplify = fn(Vec<Expr>, &SimplifyContext) -> Result<ExprSimplifyResult>;

/// A function of the table. Two are equal when their names are.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Definition {
    pub(crate) name: &'static str,
    pub(crate) arguments: (usize, usize),
    pub(crate) volatility: Volatility,
    pub(crate) returns: Returns,
    pub(crate) run: Run,
    pub(crate) simplify: Option<Simplify>,
    /// Evaluated only where it is needed: the optimiser must not pull its arguments out.
    pub(crate) lazy: bool,
}

impl Definition {
    /// An immutable function that takes `arguments.0` to `arguments.1` arguments.
    pub(crate) const fn new(
        name: &'static str,
        arguments: (usize, usize),
        returns: Returns,
        run: Run,
    ) -> Self {
        Self {
            name,
            arguments,
            volatility: Volatility::Immutable,
            returns,
            run,
            simplify: None,
            lazy: false,
        }
    }

    /// The same under another name.
    pub(crate) const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    pub(crate) const fn volatile(mut self) -> Self {
        self.volatility = Volatility::Volatile;
        self
    }

    /// Constant within a statement, but not for ever.
    pub(crate) const fn stable(mut self) -> Self {
        self.volatility = Volatility::Stable;
        self
    }

    pub(crate) const fn simplified_by(mut self, simplify: Simplify) -> Self {
        self.simplify = Some(simplify);
        self
    }

    pub(crate) const fn lazy(mut self) -> Self {
        self.lazy = true;
        self
    }

    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(Builtin::new(self)))
    }
}

/// The number of arguments has no upper bound.
pub(crate) const ANY: usize = usize::MAX;

/// A `Definition` as DataFusion calls it.
#[derive(Debug)]
pub(crate) struct Builtin {
    definition: Definition,
    signature: Signature,
}

impl Builtin {
    fn new(definition: Definition) -> Self {
        Self {
            definition,
            signature: Signature::user_defined(definition.volatility),
        }
    }
}

impl PartialEq for Builtin {
    fn eq(&self, other: &Self) -> bool {
        self.definition.name == other.definition.name
    }
}

impl Eq for Builtin {}

impl Hash for Builtin {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.definition.name.hash(state);
    }
}

/// The order of a function's results: none, except that constants give a constant. DataFusion takes the
/// latter for granted in one place and asks for it in another.
pub(crate) fn constant_or_unordered(inputs: &[ExprProperties]) -> SortProperties {
    let constant = |p: &ExprProperties| p.sort_properties == SortProperties::Singleton;
    if inputs.iter().all(constant) {
        SortProperties::Singleton
    } else {
        SortProperties::Unordered
    }
}

impl ScalarUDFImpl for Builtin {
    fn name(&self) -> &str {
        self.definition.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(match self.signature.volatility {
            Volatility::Volatile => SortProperties::Unordered,
            _ => constant_or_unordered(inputs),
        })
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        let (min, max) = self.definition.arguments;
        if arg_types.len() < min || arg_types.len() > max {
            return Err(wrong_argument_count(self.definition.name));
        }
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types
            .iter()
            .map(|t| Arc::new(Field::new("", t.clone(), true)))
            .collect();
        let literals = vec![None; fields.len()];
        let shape = Shape {
            name: self.definition.name,
            fields: &fields,
            literals: &literals,
        };
        Ok((self.definition.returns)(&shape)?.data_type)
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let shape = Shape {
            name: self.definition.name,
            fields: args.arg_fields,
            literals: args.scalar_arguments,
        };
        let declared = (self.definition.returns)(&shape)?;
        Ok(declared_field(self.definition.name, declared))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(self.definition.name, &args);
        let array = (self.definition.run)(&call)?;
        call.finish(array)
    }

    fn simplify(&self, args: Vec<Expr>, info: &SimplifyContext) -> Result<ExprSimplifyResult> {
        match self.definition.simplify {
            Some(simplify) => simplify(args, info),
            None => Ok(ExprSimplifyResult::Original(args)),
        }
    }

    fn short_circuits(&self) -> bool {
        self.definition.lazy
    }
}

/// The field of a result, with its digits behind the point as metadata.
pub(crate) fn declared_field(name: &str, declared: Declared) -> FieldRef {
    let number = declared.data_type.is_floating() || declared.data_type.is_decimal();
    let key = if number { DECIMALS_KEY } else { FSP_KEY };
    let mut metadata = HashMap::new();
    if let Some(fsp) = declared.fsp {
        metadata.insert(key.to_owned(), fsp.to_string());
    }
    if declared.json {
        metadata.insert(JSON_KEY.to_owned(), String::new());
    }
    Arc::new(Field::new(name, declared.data_type, true).with_metadata(metadata))
}

/// A result array as DataFusion wants it: one row for a call whose arguments are all scalars.
pub(crate) fn columnar(array: ArrayRef, scalar: bool) -> Result<ColumnarValue> {
    if scalar && array.len() == 1 {
        return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(
            array.as_ref(),
            0,
        )?));
    }
    Ok(ColumnarValue::Array(array))
}
