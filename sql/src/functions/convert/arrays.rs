//! Whole columns from one Arrow type to another by MySQL's implicit conversion rules.
//!
//! Input: every type that a column, a literal or a function of ours can have. Nothing here fails on a
//! value: text that is no number is 0, text that is no date is NULL. Dates: see `convert::temporal`.

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, Decimal128Array, Float64Array, Int64Array,
    StringViewArray, StringViewBuilder, UInt64Array, new_null_array,
};
use arrow::compute::cast;
use arrow::datatypes::{
    DataType, Date32Type, Decimal128Type, DurationMicrosecondType, Float32Type, Float64Type,
    Int64Type, TimeUnit, TimestampMicrosecondType, UInt64Type,
};
use datafusion::common::Result;

use super::number::{
    clamp_i64, divide_half_up, double_to_decimal, double_to_integer, pow10, rescale,
    text_to_decimal, text_to_double, text_to_integer, to_bits,
};
use super::text::{
    push_date, push_datetime, push_decimal, push_double, push_fixed, push_float, push_time,
};
use crate::functions::datetime::calendar::{Clock, Date, split};
use crate::functions::failure::internal;

const TIMESTAMP: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);
const DURATION: DataType = DataType::Duration(TimeUnit::Microsecond);

/// The few types that the conversions below tell apart, with the array already brought there.
pub(crate) enum Source<'a> {
    Null(usize),
    Int(Int64Array),
    UInt(UInt64Array),
    Float(&'a arrow::array::Float32Array),
    Double(&'a Float64Array),
    Decimal(&'a Decimal128Array, i8),
    Text(StringViewArray),
    Bytes(BinaryViewArray),
    Date(&'a arrow::array::Date32Array),
    DateTime(&'a arrow::array::TimestampMicrosecondArray),
    Time(&'a arrow::array::DurationMicrosecondArray),
}

/// Sorts an array into one of the kinds that MySQL's conversions know.
pub(crate) fn source(array: &dyn Array) -> Result<Source<'_>> {
    use DataType::*;
    let widen = |to: &DataType| cast(array, to);
    Ok(match array.data_type() {
        Null => Source::Null(array.len()),
        Boolean | Int8 | Int16 | Int32 => Source::Int(widen(&Int64)?.as_primitive().clone()),
        Int64 => Source::Int(array.as_primitive::<Int64Type>().clone()),
        UInt8 | UInt16 | UInt32 => Source::UInt(widen(&UInt64)?.as_primitive().clone()),
        UInt64 => Source::UInt(array.as_primitive::<UInt64Type>().clone()),
        Float32 => Source::Float(array.as_primitive::<Float32Type>()),
        Float64 => Source::Double(array.as_primitive::<Float64Type>()),
        Decimal128(_, scale) => Source::Decimal(array.as_primitive::<Decimal128Type>(), *scale),
        Utf8View => Source::Text(array.as_string_view().clone()),
        Utf8 | LargeUtf8 => Source::Text(widen(&Utf8View)?.as_string_view().clone()),
        BinaryView => Source::Bytes(array.as_binary_view().clone()),
        Binary | LargeBinary => Source::Bytes(widen(&BinaryView)?.as_binary_view().clone()),
        FixedSizeBinary(_) => {
            let binary = widen(&Binary)?;
            Source::Bytes(cast(&binary, &BinaryView)?.as_binary_view().clone())
        }
        Date32 => Source::Date(array.as_primitive::<Date32Type>()),
        t if *t == TIMESTAMP => Source::DateTime(array.as_primitive::<TimestampMicrosecondType>()),
        t if *t == DURATION => Source::Time(array.as_primitive::<DurationMicrosecondType>()),
        other => return Err(internal(format!("values of type {other} in an expression"))),
    })
}

/// Brings types that only DataFusion's own expressions make (dictionaries, other time units) to ours.
pub(crate) fn canonical(array: &ArrayRef) -> Result<ArrayRef> {
    let to = match array.data_type() {
        DataType::Dictionary(_, value) => (**value).clone(),
        DataType::Timestamp(..) if *array.data_type() != TIMESTAMP => TIMESTAMP,
        DataType::Duration(_) if *array.data_type() != DURATION => DURATION,
        DataType::Decimal256(_, scale) => DataType::Decimal128(38, *scale),
        DataType::Decimal32(p, s) | DataType::Decimal64(p, s) => DataType::Decimal128(*p, *s),
        DataType::Float16 => DataType::Float32,
        _ => return Ok(Arc::clone(array)),
    };
    Ok(cast(array, &to)?)
}

/// A DATE as the number 20250131.
pub(crate) fn date_number(days: i32) -> i64 {
    let date = Date::from_days(days);
    i64::from(date.year) * 10_000 + i64::from(date.month) * 100 + i64::from(date.day)
}

/// A DATETIME as the number 20250131123045, without its microseconds.
pub(crate) fn datetime_number(micros: i64) -> i64 {
    let (days, micros) = split(micros);
    date_number(days) * 1_000_000 + clock_number(Clock::from_micros(micros))
}

/// A TIME as the number 123045, without its microseconds.
pub(crate) fn time_number(micros: i64) -> i64 {
    let number = clock_number(Clock::from_micros(micros.wrapping_abs()));
    if micros < 0 { -number } else { number }
}

fn clock_number(clock: Clock) -> i64 {
    i64::from(clock.hour) * 10_000 + i64::from(clock.minute) * 100 + i64::from(clock.second)
}

fn with_fraction(number: i64, micros: i64) -> f64 {
    let fraction = (micros.unsigned_abs() % 1_000_000) as f64 / 1e6;
    number as f64 + if micros < 0 { -fraction } else { fraction }
}

fn bytes_text(bytes: &[u8]) -> std::borrow::Cow<'_, str> {
    String::from_utf8_lossy(bytes)
}

/// Any column as doubles.
pub(crate) fn to_double(array: &dyn Array) -> Result<Float64Array> {
    Ok(match source(array)? {
        Source::Null(rows) => Float64Array::new_null(rows),
        Source::Int(a) => a.unary(|v| v as f64),
        Source::UInt(a) => a.unary(|v| v as f64),
        Source::Float(a) => a.unary(f64::from),
        Source::Double(a) => a.clone(),
        Source::Decimal(a, scale) => a.unary(|v| decimal_to_double(v, scale)),
        Source::Text(a) => a.iter().map(|v| v.map(text_to_double)).collect(),
        Source::Bytes(a) => a
            .iter()
            .map(|v| v.map(|b| text_to_double(&bytes_text(b))))
            .collect(),
        Source::Date(a) => a.unary(|v| date_number(v) as f64),
        Source::DateTime(a) => {
            a.unary(|v| with_fraction(datetime_number(v), v.rem_euclid(1_000_000)))
        }
        Source::Time(a) => a.unary(|v| with_fraction(time_number(v), v)),
    })
}

/// The double nearest to a decimal.
pub(crate) fn decimal_to_double(value: i128, scale: i8) -> f64 {
    if value.unsigned_abs() < 1 << 53 && (0..=22).contains(&scale) {
        // Both sides are exact doubles, so that the division rounds correctly.
        return value as f64 / 10_f64.powi(i32::from(scale));
    }
    let mut text = String::new();
    push_decimal(&mut text, value, scale);
    text.parse().unwrap_or(0.0)
}

/// A decimal rounded to an integer, half away from zero.
pub(crate) fn decimal_to_integer(value: i128, scale: i8) -> i128 {
    if scale <= 0 {
        value
    } else {
        divide_half_up(value, pow10(u32::from(scale.unsigned_abs())))
    }
}

/// Any column as whole numbers, rounded as MySQL's `val_int` does; `keep` maps them into the result.
fn whole<T>(
    array: &dyn Array,
    keep: impl Fn(i128) -> T::Native,
) -> Result<arrow::array::PrimitiveArray<T>>
where
    T: arrow::datatypes::ArrowPrimitiveType,
{
    Ok(match source(array)? {
        Source::Null(rows) => arrow::array::PrimitiveArray::<T>::new_null(rows),
        Source::Int(a) => a.unary(|v| keep(v.into())),
        Source::UInt(a) => a.unary(|v| keep(v.into())),
        Source::Float(a) => a.unary(|v| keep(double_to_integer(v.into()))),
        Source::Double(a) => a.unary(|v| keep(double_to_integer(v))),
        Source::Decimal(a, scale) => a.unary(|v| keep(decimal_to_integer(v, scale))),
        Source::Text(a) => a
            .iter()
            .map(|v| v.map(|t| keep(text_to_integer(t))))
            .collect(),
        Source::Bytes(a) => a
            .iter()
            .map(|v| v.map(|b| keep(text_to_integer(&bytes_text(b)))))
            .collect(),
        Source::Date(a) => a.unary(|v| keep(date_number(v).into())),
        Source::DateTime(a) => a.unary(|v| keep(datetime_number(v).into())),
        Source::Time(a) => a.unary(|v| keep(time_number(v).into())),
    })
}

/// Any column as BIGINT, saturating.
pub(crate) fn to_int(array: &dyn Array) -> Result<Int64Array> {
    if let DataType::Int64 = array.data_type() {
        return Ok(array.as_primitive().clone());
    }
    whole::<Int64Type>(array, clamp_i64)
}

/// Any column as the 64 bits of MySQL's bit operators: negative numbers wrap, large ones saturate.
pub(crate) fn to_uint_bits(array: &dyn Array) -> Result<UInt64Array> {
    whole::<UInt64Type>(array, to_bits)
}

/// Any column as decimals of (precision, scale), rounded; what does not fit becomes the largest value.
pub(crate) fn to_decimal(array: &dyn Array, precision: u8, scale: i8) -> Result<Decimal128Array> {
    let max = pow10(u32::from(precision)) - 1;
    let fit = |value: Option<i128>, negative: bool| match value {
        Some(value) => value.clamp(-max, max),
        None if negative => -max,
        None => max,
    };
    let shift = |v: i128, from: i8| fit(rescale(v, from, scale), v < 0);
    let text = |t: &str| fit(text_to_decimal(t, scale), t.trim_start().starts_with('-'));
    let double = |v: f64| fit(double_to_decimal(v, scale), v < 0.0);
    let with_micros = |number: i64, micros: i64| {
        shift(
            i128::from(number) * 1_000_000 + i128::from(micros % 1_000_000),
            6,
        )
    };
    let array: Decimal128Array = match source(array)? {
        Source::Null(rows) => Decimal128Array::new_null(rows),
        Source::Int(a) => a.unary(|v| shift(v.into(), 0)),
        Source::UInt(a) => a.unary(|v| shift(v.into(), 0)),
        Source::Float(a) => a.unary(|v| double(v.into())),
        Source::Double(a) => a.unary(double),
        Source::Decimal(a, from) => a.unary(|v| shift(v, from)),
        Source::Text(a) => a.iter().map(|v| v.map(text)).collect(),
        Source::Bytes(a) => a.iter().map(|v| v.map(|b| text(&bytes_text(b)))).collect(),
        Source::Date(a) => a.unary(|v| shift(date_number(v).into(), 0)),
        Source::DateTime(a) => {
            a.unary(|v| with_micros(datetime_number(v), v.rem_euclid(1_000_000)))
        }
        Source::Time(a) => a.unary(|v| with_micros(time_number(v), v)),
    };
    Ok(array.with_precision_and_scale(precision, scale)?)
}

/// Any column as text. `fsp`: digits behind the point that are declared for the seconds of a date or time,
/// or for a double; without them seconds print what they have and doubles their shortest text.
pub(crate) fn to_text(array: &dyn Array, fsp: Option<u8>) -> Result<StringViewArray> {
    macro_rules! print {
        ($array:expr, $push:expr) => {{
            let mut builder = StringViewBuilder::with_capacity($array.len());
            let mut text = String::new();
            for value in $array.iter() {
                match value {
                    None => builder.append_null(),
                    Some(value) => {
                        text.clear();
                        $push(&mut text, value);
                        builder.append_value(&text);
                    }
                }
            }
            builder.finish()
        }};
    }
    let integer = |out: &mut String, value: i128| {
        use std::fmt::Write;
        let _ = write!(out, "{value}");
    };
    Ok(match source(array)? {
        Source::Null(rows) => new_null_array(&DataType::Utf8View, rows)
            .as_string_view()
            .clone(),
        Source::Int(a) => print!(a, |out: &mut String, v: i64| integer(out, v.into())),
        Source::UInt(a) => print!(a, |out: &mut String, v: u64| integer(out, v.into())),
        Source::Float(a) => print!(a, push_float),
        Source::Double(a) => match fsp {
            Some(decimals) => {
                print!(a, |out: &mut String, v: f64| push_fixed(out, v, decimals))
            }
            None => print!(a, push_double),
        },
        Source::Decimal(a, scale) => {
            print!(a, |out: &mut String, v| push_decimal(out, v, scale))
        }
        Source::Text(a) => a,
        Source::Bytes(a) => match a.clone().to_string_view() {
            Ok(text) => text,
            Err(_) => print!(a, |out: &mut String, v: &[u8]| out.push_str(&bytes_text(v))),
        },
        Source::Date(a) => print!(a, push_date),
        Source::DateTime(a) => print!(a, |out: &mut String, v| push_datetime(out, v, fsp)),
        Source::Time(a) => print!(a, |out: &mut String, v| push_time(out, v, fsp)),
    })
}

/// Any column as the bytes of its text.
pub(crate) fn to_bytes(array: &dyn Array, fsp: Option<u8>) -> Result<BinaryViewArray> {
    match source(array)? {
        Source::Bytes(a) => Ok(a),
        _ => Ok(to_text(array, fsp)?.to_binary_view()),
    }
}

/// Truth as WHERE and AND see it: NULL stays NULL, everything that is not 0 is true.
pub(crate) fn to_truth(array: &dyn Array) -> Result<arrow::array::BooleanArray> {
    if let DataType::Boolean = array.data_type() {
        return Ok(array.as_boolean().clone());
    }
    Ok(match source(array)? {
        Source::Int(a) => arrow::array::BooleanArray::from_unary(&a, |v| v != 0),
        Source::UInt(a) => arrow::array::BooleanArray::from_unary(&a, |v| v != 0),
        Source::Decimal(a, _) => arrow::array::BooleanArray::from_unary(a, |v| v != 0),
        _ => arrow::array::BooleanArray::from_unary(&to_double(array)?, |v| v != 0.0),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{BooleanArray, Date32Array, StringArray, TimestampMicrosecondArray};

    #[test]
    fn every_kind_becomes_a_double() {
        let text = StringArray::from(vec![Some("10abc"), None]);
        assert_eq!(
            to_double(&text).unwrap(),
            Float64Array::from(vec![Some(10.0), None])
        );
        let truth = BooleanArray::from(vec![true, false]);
        assert_eq!(
            to_double(&truth).unwrap(),
            Float64Array::from(vec![1.0, 0.0])
        );
        let day = Date32Array::from(vec![0]);
        assert_eq!(
            to_double(&day).unwrap(),
            Float64Array::from(vec![19_700_101.0])
        );
        let instant = TimestampMicrosecondArray::from(vec![1_500_000]);
        assert_eq!(to_double(&instant).unwrap().value(0), 19_700_101_000_001.5);
    }

    #[test]
    fn integers_round_and_saturate() {
        let doubles = Float64Array::from(vec![2.5, 3.5, -1.6, 1e30]);
        let expected = Int64Array::from(vec![2, 4, -2, i64::MAX]);
        assert_eq!(to_int(&doubles).unwrap(), expected);
        let bits = to_uint_bits(&Int64Array::from(vec![-1])).unwrap();
        assert_eq!(bits.value(0), u64::MAX);
    }

    #[test]
    fn decimals_that_do_not_fit_become_the_largest_value() {
        let text = StringArray::from(vec!["1.55", "999999", "-999999"]);
        let decimals = to_decimal(&text, 5, 1).unwrap();
        assert_eq!(decimals.values().as_ref(), &[16, 99_999, -99_999]);
    }

    #[test]
    fn text_of_numbers_and_dates() {
        let days = Date32Array::from(vec![Some(19_782), None]);
        let text = to_text(&days, None).unwrap();
        assert_eq!(text.value(0), "2024-02-29");
        assert!(text.is_null(1));
        let decimals = Decimal128Array::from(vec![250])
            .with_precision_and_scale(5, 2)
            .unwrap();
        assert_eq!(to_text(&decimals, None).unwrap().value(0), "2.50");
    }
}
