//! `+ - * / DIV %` as DataFusion functions whose types and errors are MySQL's.
//!
//! Types are decided in `types`, values in `integer` and `decimal`; doubles are done here.

use std::sync::Arc;

use arrow::array::{ArrayRef, Decimal128Array, Float64Array};
use arrow::datatypes::{DataType, Field, FieldRef, Int64Type, UInt64Type};
use datafusion::common::{DataFusionError, Result, ScalarValue};
use datafusion::logical_expr::{
    ColumnarValue, Expr, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::decimal::{Scales, calculate};
use super::expression_text::{binary_text, name_of};
use super::integer::{Operand, Pair};
use super::types::{Digits, Kind, Op, field, result};
use crate::functions::argument::Call;
use crate::functions::builtin::columnar;
use crate::functions::builtin::constant_or_unordered;
use crate::functions::convert::arrays::{self, Source, source};
use crate::functions::convert::number::double_to_decimal;
use crate::functions::failure::{out_of_range, wrong_argument_count};
use crate::functions::warnings::division_by_zero;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};

/// An arithmetic operator between two expressions.
#[derive(Debug, PartialEq, Eq, Hash)]
pub(crate) struct Arithmetic {
    op: Op,
    digits: Digits,
    name: &'static str,
    signature: Signature,
}

impl Arithmetic {
    /// `name`: how the operator is written.
    pub(crate) fn new(op: Op, name: &'static str) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self {
            op,
            digits: Digits::Declared,
            name,
            signature,
        }
    }

    /// The same operator, its decimals kept with the digits that MySQL calculates with.
    pub(crate) fn with_internal_digits(&self) -> Self {
        let signature = Signature::user_defined(Volatility::Immutable);
        Self {
            op: self.op,
            digits: Digits::Internal,
            name: self.name,
            signature,
        }
    }

    pub(crate) fn divides(&self) -> bool {
        self.op == Op::Div
    }

    pub(crate) fn keeps_digits(&self) -> bool {
        self.digits == Digits::Internal
    }

    pub(crate) fn udf(self) -> Arc<ScalarUDF> {
        Arc::new(ScalarUDF::new_from_impl(self))
    }

    fn kinds(fields: &[FieldRef], literals: &[Option<&ScalarValue>]) -> Result<[Kind; 2]> {
        let [left, right] = fields else {
            return Err(wrong_argument_count("operator"));
        };
        let literal = |index: usize| literals.get(index).copied().flatten();
        Ok([Kind::of(left, literal(0)), Kind::of(right, literal(1))])
    }

    fn text(&self, args: &ScalarFunctionArgs) -> String {
        let scalar = |index: usize| match args.args.get(index) {
            Some(ColumnarValue::Scalar(value)) => Some(value),
            _ => None,
        };
        let name = |index: usize| {
            args.arg_fields
                .get(index)
                .map_or_else(String::new, |f| name_of(f, scalar(index)))
        };
        binary_text(&name(0), self.name, &name(1))
    }

    fn integers(&self, call: &Call<'_>, unsigned: bool) -> Result<Option<ArrayRef>> {
        let left = integer_operand(&call.array(0)?)?;
        let right = integer_operand(&call.array(1)?)?;
        let (Some(left), Some(right)) = (left, right) else {
            return Ok(None);
        };
        let pair = Pair {
            left: &left,
            right: &right,
            rows: call.rows,
        };
        match pair.evaluate(self.op, unsigned) {
            Ok(array) => Ok(Some(array)),
            Err(_) => Err(DataFusionError::Internal(String::new())),
        }
    }

    fn decimals(&self, call: &Call<'_>, scales: Scales) -> Result<Decimal128Array> {
        let left = call.decimal(0, 38, scales.left)?;
        let right = call.decimal(1, 38, scales.right)?;
        let overflow = |_| DataFusionError::Internal(String::new());
        let array: Decimal128Array =
            call.try_collect(|row| match (left.get(row), right.get(row)) {
                (Some(x), Some(y)) => calculate(self.op, x, y, scales).map_err(overflow),
                _ => Ok(None),
            })?;
        Ok(array)
    }

    fn doubles(&self, call: &Call<'_>) -> Result<Float64Array> {
        let (left, right) = (call.double(0)?, call.double(1)?);
        call.try_collect(|row| match (left.get(row), right.get(row)) {
            (Some(x), Some(y)) => double_result(self.op, x, y),
            _ => Ok(None),
        })
    }

    /// DIV of operands that are no integers.
    fn integer_quotients(&self, call: &Call<'_>, unsigned: bool) -> Result<ArrayRef> {
        let quotient = integer_quotient(call)?;
        let overflow = || DataFusionError::Internal(String::new());
        Ok(if unsigned {
            Arc::new(call.try_collect::<UInt64Type>(|row| {
                quotient(row)?
                    .map(|v| u64::try_from(v).map_err(|_| overflow()))
                    .transpose()
            })?)
        } else {
            Arc::new(call.try_collect::<Int64Type>(|row| {
                quotient(row)?
                    .map(|v| i64::try_from(v).map_err(|_| overflow()))
                    .transpose()
            })?)
        })
    }

    fn evaluate(&self, call: &Call<'_>, args: &ScalarFunctionArgs) -> Result<ArrayRef> {
        let fields = operand_fields(call, &args.arg_fields);
        let [left, right] = Self::kinds(&fields, &[])?;
        match args.return_type() {
            DataType::Float64 => Ok(Arc::new(self.doubles(call)?)),
            DataType::Decimal128(precision, scale) => {
                let truncate = self.digits == Digits::Internal;
                let scales = Scales {
                    left: left.scale(),
                    right: right.scale(),
                    result: *scale,
                    truncate,
                };
                let array = self.decimals(call, scales)?;
                Ok(Arc::new(
                    array.with_precision_and_scale(*precision, *scale)?,
                ))
            }
            integer => {
                let unsigned = *integer == DataType::UInt64;
                match self.integers(call, unsigned)? {
                    Some(array) => Ok(array),
                    None => self.integer_quotients(call, unsigned),
                }
            }
        }
    }

    fn overflow(&self, args: &ScalarFunctionArgs) -> DataFusionError {
        let kind = match args.return_type() {
            DataType::Float64 => "DOUBLE",
            DataType::Decimal128(..) => "DECIMAL",
            DataType::UInt64 => "BIGINT UNSIGNED",
            _ => "BIGINT",
        };
        out_of_range(kind, &self.text(args))
    }
}

/// The fields as planned, with the types of the values that really came.
fn operand_fields(call: &Call<'_>, fields: &[FieldRef]) -> Vec<FieldRef> {
    let with_type = |(index, field): (usize, &FieldRef)| {
        let field: Field = field.as_ref().clone();
        Arc::new(field.with_data_type(call.data_type(index)))
    };
    fields.iter().enumerate().map(with_type).collect()
}

/// `None` for operands that are no integers.
fn integer_operand(array: &ArrayRef) -> Result<Option<Operand>> {
    Ok(match source(array)? {
        Source::Int(a) => Some(Operand::Signed(a)),
        Source::UInt(a) => Some(Operand::Unsigned(a)),
        Source::Null(_) | Source::Date(_) | Source::DateTime(_) | Source::Time(_) => {
            Some(Operand::Signed(arrays::to_int(array)?))
        }
        _ => None,
    })
}

/// Whole quotients of decimals, or of doubles where one operand is a double or text.
#[allow(clippy::type_complexity)] // named once, here
fn integer_quotient<'a>(
    call: &'a Call<'_>,
) -> Result<Box<dyn Fn(usize) -> Result<Option<i128>> + 'a>> {
    let overflow = || DataFusionError::Internal(String::new());
    let exact_scale = |index: usize| match call.data_type(index) {
        DataType::Decimal128(_, scale) => Some(scale),
        t if t.is_integer() || t.is_null() || t == DataType::Boolean => Some(0),
        _ => None,
    };
    if let (Some(left_scale), Some(right_scale)) = (exact_scale(0), exact_scale(1)) {
        let scales = Scales {
            left: left_scale,
            right: right_scale,
            result: 0,
            truncate: true,
        };
        let (left, right) = (
            call.decimal(0, 38, left_scale)?,
            call.decimal(1, 38, right_scale)?,
        );
        return Ok(Box::new(move |row| {
            let (Some(x), Some(y)) = (left.get(row), right.get(row)) else {
                return Ok(None);
            };
            calculate(Op::IntDiv, x, y, scales).map_err(|_| overflow())
        }));
    }
    let (left, right) = (call.double(0)?, call.double(1)?);
    Ok(Box::new(move |row| {
        let (Some(x), Some(y)) = (left.get(row), right.get(row)) else {
            return Ok(None);
        };
        if y == 0.0 {
            return Ok(division_by_zero());
        }
        // MySQL divides decimals here: 0.3 DIV 0.1 is 3, which doubles would miss.
        let scales = Scales {
            left: DIV_SCALE,
            right: DIV_SCALE,
            result: 0,
            truncate: true,
        };
        let decimal = |v: f64| {
            let decimal = double_to_decimal(v, DIV_SCALE)?;
            (arrays::decimal_to_double(decimal, DIV_SCALE) == v).then_some(decimal)
        };
        if let (Some(x), Some(y)) = (decimal(x), decimal(y)) {
            return calculate(Op::IntDiv, x, y, scales).map_err(|_| overflow());
        }
        let quotient = (x / y).trunc();
        if quotient.abs() < 1e38 {
            Ok(Some(quotient as i128))
        } else {
            Err(overflow())
        }
    }))
}

/// Digits behind the point with which DIV reads doubles as decimals.
const DIV_SCALE: i8 = 15;

fn double_result(op: Op, x: f64, y: f64) -> Result<Option<f64>> {
    let value = match op {
        Op::Add => x + y,
        Op::Sub => x - y,
        Op::Mul => x * y,
        Op::Div | Op::IntDiv | Op::Mod if y == 0.0 => return Ok(division_by_zero()),
        Op::Div | Op::IntDiv => x / y,
        Op::Mod => x % y,
    };
    // Adding 0 makes positive what is -0.
    if value.is_finite() {
        Ok(Some(value + 0.0))
    } else {
        Err(DataFusionError::Internal(String::new()))
    }
}

impl ScalarUDFImpl for Arithmetic {
    fn name(&self) -> &str {
        self.name
    }

    fn schema_name(&self, args: &[Expr]) -> Result<String> {
        let name = |index: usize| {
            args.get(index)
                .map_or_else(String::new, |arg| arg.schema_name().to_string())
        };
        Ok(format!("{} {} {}", name(0), self.name, name(1)))
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(constant_or_unordered(inputs))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        match arg_types.len() {
            2 => Ok(arg_types.to_vec()),
            _ => Err(wrong_argument_count(self.name)),
        }
    }

    fn return_type(&self, arg_types: &[DataType]) -> Result<DataType> {
        let fields: Vec<FieldRef> = arg_types
            .iter()
            .map(|t| Arc::new(Field::new("", t.clone(), true)))
            .collect();
        let [left, right] = Self::kinds(&fields, &[])?;
        Ok(field("", result(self.op, left, right, self.digits))
            .data_type()
            .clone())
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let [left, right] = Self::kinds(args.arg_fields, args.scalar_arguments)?;
        let literal = |index: usize| args.scalar_arguments.get(index).copied().flatten();
        let name = |index: usize| name_of(&args.arg_fields[index], literal(index));
        let text = binary_text(&name(0), self.name, &name(1));
        Ok(field(&text, result(self.op, left, right, self.digits)))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new(self.name, &args);
        match self.evaluate(&call, &args) {
            Ok(array) => columnar(
                array,
                call.rows == 1 && call.is_scalar(0) && call.is_scalar(1),
            ),
            // The kernels report overflow without a text; it is made here, once.
            Err(DataFusionError::Internal(text)) if text.is_empty() => Err(self.overflow(&args)),
            Err(other) => Err(other),
        }
    }
}
