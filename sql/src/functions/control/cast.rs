//! CAST and CONVERT as functions: `cast_signed(x)`, `cast_decimal(x, p, s)`, `cast_datetime(x, fsp)` ...
//!
//! Values that do not fit are cut or saturate, as in a SELECT in MySQL: a cast never fails.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{
    DataType, Date32Type, DurationMicrosecondType, FieldRef, Float32Type, Float64Type, Int64Type,
    TimestampMicrosecondType, UInt64Type,
};
use datafusion::common::Result;
use datafusion::logical_expr::{
    ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature,
    Volatility,
};

use super::unify::{convert, spread};
use crate::functions::argument::Call;
use crate::functions::builtin::constant_or_unordered;
use crate::functions::builtin::{Declared, Definition, Shape, declared_field};
use crate::functions::convert::arrays::{self, Source, source};
use crate::functions::convert::number::{clamp_i64, text_to_integer};
use crate::functions::datetime::calendar::{TIME_MAX_US, in_calendar};
use crate::functions::datetime::{DATETIME, TIME};
use crate::functions::failure::{not_supported, raise, wrong_arguments};
use crate::functions::string::slice::offset;
use crate::functions::string::types::is_binary;
use datafusion::logical_expr::sort_properties::{ExprProperties, SortProperties};

/// Large unsigned integers wrap to negative ones.
fn cast_signed(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    let wrap = |text: &str| match text_to_integer(text) {
        value if value > i128::from(i64::MAX) => value.min(i128::from(u64::MAX)) as u64 as i64,
        value => clamp_i64(value),
    };
    Ok(match source(&array)? {
        Source::UInt(values) => Arc::new(values.unary::<_, Int64Type>(|v| v as i64)),
        Source::Text(_) => {
            let texts = call.text(0)?;
            Arc::new(call.collect::<Int64Type>(|row| texts.get(row).map(wrap)))
        }
        _ => Arc::new(arrays::to_int(&array)?),
    })
}

/// Negative integers and doubles wrap to large ones; negative decimals become 0.
fn cast_unsigned(call: &Call<'_>) -> Result<ArrayRef> {
    let array = call.array(0)?;
    Ok(match source(&array)? {
        Source::Decimal(values, scale) => {
            let whole = |v| arrays::decimal_to_integer(v, scale).clamp(0, u64::MAX.into()) as u64;
            Arc::new(values.unary::<_, UInt64Type>(whole))
        }
        _ => Arc::new(arrays::to_uint_bits(&array)?),
    })
}

fn decimal_type(shape: &Shape<'_>) -> Result<Declared> {
    let precision = if shape.len() > 1 {
        shape.literal_int(1)
    } else {
        Some(10)
    };
    let scale = if shape.len() > 2 {
        shape.literal_int(2)
    } else {
        Some(0)
    };
    let (Some(precision), Some(scale)) = (precision, scale) else {
        return Err(wrong_arguments("cast_decimal"));
    };
    // DECIMAL(0) is DECIMAL(10).
    let precision = if precision == 0 { 10 } else { precision };
    if scale > precision {
        let message = "For float(M,D), double(M,D) or decimal(M,D), M must be >= D (column '').";
        return Err(raise(crate::error::SqlError::new(1427, "42000", message)));
    }
    if !(1..=38).contains(&precision) || !(0..=30).contains(&scale) {
        return Err(not_supported("DECIMAL with more than 38 digits"));
    }
    Ok(DataType::Decimal128(precision as u8, scale as i8).into())
}

fn cast_decimal(call: &Call<'_>) -> Result<ArrayRef> {
    let DataType::Decimal128(precision, scale) = *call.return_type() else {
        return Err(wrong_arguments("cast_decimal"));
    };
    Ok(Arc::new(arrays::to_decimal(
        &call.array(0)?,
        precision,
        scale,
    )?))
}

fn cast_char(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    if call.len() == 1 {
        return Ok(Arc::new(call.collect_str(|row| texts.get(row))));
    }
    let lengths = call.int(1)?;
    Ok(Arc::new(call.collect_str(|row| {
        let (text, length) = (texts.get(row)?, lengths.get(row)?);
        Some(&text[..offset(text, usize::try_from(length).unwrap_or(0))])
    })))
}

/// Binary strings that are no text cannot become a text.
fn char_type(shape: &Shape<'_>) -> Result<Declared> {
    let _ = is_binary(shape.data_type(0));
    Ok(DataType::Utf8View.into())
}

/// With a length, shorter values are filled with zero bytes.
fn cast_binary(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.bytes(0)?;
    let lengths = if call.len() > 1 {
        Some(call.int(1)?)
    } else {
        None
    };
    Ok(Arc::new(call.bounded_bytes(|row, out| {
        let Some(value) = values.get(row) else {
            return false;
        };
        out.extend_from_slice(value);
        if let Some(length) = lengths.as_ref().and_then(|lengths| lengths.get(row)) {
            out.resize(usize::try_from(length).unwrap_or(0).min(64 << 20), 0);
        }
        true
    })?))
}

fn cast_date(call: &Call<'_>) -> Result<ArrayRef> {
    let days = call.date(0)?;
    Ok(Arc::new(call.collect::<Date32Type>(|row| days.get(row))))
}

fn fsp(shape: &Shape<'_>) -> Result<u8> {
    let fsp = if shape.len() > 1 {
        shape.literal_int(1)
    } else {
        Some(0)
    };
    let fsp = fsp
        .and_then(|fsp| u8::try_from(fsp).ok())
        .filter(|fsp| *fsp <= 6);
    fsp.ok_or_else(|| {
        let message = "Too-big precision specified for 'cast'. Maximum is 6.";
        raise(crate::error::SqlError::new(1426, "42000", message))
    })
}

fn datetime_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(DATETIME, Some(fsp(shape)?)))
}

fn time_type(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::temporal(TIME, Some(fsp(shape)?)))
}

/// Microseconds rounded to `fsp` digits of a second, half up.
fn round_micros(micros: i64, fsp: u8) -> i64 {
    let grain = 10_i64.pow(6 - u32::from(fsp.min(6)));
    let negative = micros < 0;
    let magnitude = micros.unsigned_abs() as i64;
    let rounded = (magnitude + grain / 2) / grain * grain;
    if negative { -rounded } else { rounded }
}

/// The same for instants, which round towards the future.
fn round_instant(micros: i64, fsp: u8) -> i64 {
    let grain = 10_i64.pow(6 - u32::from(fsp.min(6)));
    (micros + grain / 2).div_euclid(grain) * grain
}

fn cast_datetime(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, fsp) = (call.datetime(0)?, call.return_fsp().unwrap_or(0));
    Ok(Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
        Some(round_instant(values.get(row)?, fsp)).filter(|micros| in_calendar(*micros))
    })))
}

fn cast_time(call: &Call<'_>) -> Result<ArrayRef> {
    let (values, fsp) = (call.time(0)?, call.return_fsp().unwrap_or(0));
    Ok(Arc::new(call.collect::<DurationMicrosecondType>(|row| {
        Some(round_micros(values.get(row)?, fsp).clamp(-TIME_MAX_US, TIME_MAX_US))
    })))
}

fn cast_double(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.double(0)?;
    Ok(Arc::new(call.collect::<Float64Type>(|row| values.get(row))))
}

fn cast_float(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.double(0)?;
    Ok(Arc::new(call.collect::<Float32Type>(|row| {
        let max = f64::from(f32::MAX);
        values.get(row).map(|value| value.clamp(-max, max) as f32)
    })))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new(
        "cast_signed",
        (1, 1),
        |_| Ok(DataType::Int64.into()),
        cast_signed,
    ),
    Definition::new(
        "cast_unsigned",
        (1, 1),
        |_| Ok(DataType::UInt64.into()),
        cast_unsigned,
    ),
    Definition::new("cast_decimal", (1, 3), decimal_type, cast_decimal),
    Definition::new("cast_char", (1, 2), char_type, cast_char),
    Definition::new(
        "cast_binary",
        (1, 2),
        |_| Ok(DataType::BinaryView.into()),
        cast_binary,
    ),
    Definition::new(
        "cast_date",
        (1, 1),
        |_| Ok(DataType::Date32.into()),
        cast_date,
    ),
    Definition::new("cast_datetime", (1, 2), datetime_type, cast_datetime),
    Definition::new("cast_time", (1, 2), time_type, cast_time),
    Definition::new(
        "cast_double",
        (1, 1),
        |_| Ok(DataType::Float64.into()),
        cast_double,
    ),
    Definition::new(
        "cast_float",
        (1, 1),
        |_| Ok(DataType::Float32.into()),
        cast_float,
    ),
];

/// A function that brings its argument to a type by MySQL's implicit conversion, for branches of CASE
/// and operands of comparisons. Types: those that [`super::unified_type`] gives.
pub fn convert_to(to: &DataType) -> Arc<ScalarUDF> {
    convert_to_declared(to.clone().into())
}

/// The same with declared digits.
pub(crate) fn convert_to_declared(to: Declared) -> Arc<ScalarUDF> {
    let signature = Signature::user_defined(Volatility::Immutable);
    Arc::new(ScalarUDF::new_from_impl(Convert { to, signature }))
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct Convert {
    to: Declared,
    signature: Signature,
}

impl ScalarUDFImpl for Convert {
    fn name(&self) -> &str {
        "convert_to"
    }

    fn output_ordering(&self, inputs: &[ExprProperties]) -> Result<SortProperties> {
        Ok(constant_or_unordered(inputs))
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn coerce_types(&self, arg_types: &[DataType]) -> Result<Vec<DataType>> {
        Ok(arg_types.to_vec())
    }

    fn return_type(&self, _arg_types: &[DataType]) -> Result<DataType> {
        Ok(self.to.data_type.clone())
    }

    fn return_field_from_args(&self, _args: ReturnFieldArgs) -> Result<FieldRef> {
        Ok(declared_field(self.name(), self.to.clone()))
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let call = Call::new("convert_to", &args);
        let array = convert(&call.array(0)?, &self.to.data_type, call.fsp(0))?;
        call.finish(spread(array, call.rows)?)
    }
}
