//! How what is stored compares with a literal: exactly, or not at all.

use std::cmp::Ordering;

use arrow::datatypes::DataType;

use crate::Value;
use crate::segment::Prefix;

/// Integers up to this size are exact as f64.
const EXACT_INTEGER_MAX: u128 = 1 << 53;

/// A bound of an integer-like column (unscaled, for decimals) against a literal; `None` when storage
/// cannot tell.
pub(super) fn compare_int(bound: i128, data_type: &DataType, value: &Value) -> Option<Ordering> {
    let scale = match data_type {
        DataType::Decimal128(_, scale) => *scale,
        _ => 0,
    };
    match value {
        Value::Bool(value) => compare_decimals((bound, scale), (i128::from(*value), 0)),
        Value::Int(value) => compare_decimals((bound, scale), (*value, 0)),
        Value::Decimal(value, value_scale) => {
            compare_decimals((bound, scale), (*value, *value_scale))
        }
        Value::Float(value) => compare_decimal_float((bound, scale), *value),
        Value::Str(_) | Value::Bytes(_) => None,
    }
}

pub(super) fn compare_float(bound: f64, value: &Value) -> Option<Ordering> {
    match value {
        Value::Float(value) => bound.partial_cmp(value),
        Value::Int(value) => compare_decimal_float((*value, 0), bound).map(Ordering::reverse),
        Value::Decimal(value, scale) => {
            compare_decimal_float((*value, *scale), bound).map(Ordering::reverse)
        }
        Value::Bool(value) => bound.partial_cmp(&f64::from(u8::from(*value))),
        Value::Str(_) | Value::Bytes(_) => None,
    }
}

fn compare_decimals((a, a_scale): (i128, i8), (b, b_scale): (i128, i8)) -> Option<Ordering> {
    let scale = a_scale.max(b_scale);
    let scaled = |value: i128, from: i8| {
        let power = u32::try_from(i16::from(scale) - i16::from(from)).ok()?;
        value.checked_mul(10i128.checked_pow(power)?)
    };
    Some(scaled(a, a_scale)?.cmp(&scaled(b, b_scale)?))
}

/// Rounding to f64 is monotone: where the rounded number differs from `b`, so does the exact one, in
/// the same direction; where they are equal, only an exact conversion decides.
fn compare_decimal_float((a, scale): (i128, i8), b: f64) -> Option<Ordering> {
    let exact = a.unsigned_abs() <= EXACT_INTEGER_MAX;
    if scale == 0 {
        return match (a as f64).partial_cmp(&b)? {
            Ordering::Equal if !exact => None,
            ordering => Some(ordering),
        };
    }
    // Numerator and power of ten are exact, so the quotient is rounded once.
    if !exact || !(1..=22).contains(&scale) {
        return None;
    }
    let quotient = a as f64 / 10f64.powi(scale.into());
    quotient
        .partial_cmp(&b)
        .filter(|&ordering| ordering != Ordering::Equal)
}

/// A string against a literal; `None` when that is not one.
pub(super) fn compare_bytes(bytes: &[u8], value: &Value) -> Option<Ordering> {
    match value {
        Value::Str(value) => Some(bytes.cmp(value.as_bytes())),
        Value::Bytes(value) => Some(bytes.cmp(value)),
        _ => None,
    }
}

pub(super) fn compare_prefix(prefix: &Prefix, value: &Value) -> Option<Ordering> {
    let value = match value {
        Value::Str(value) => value.as_bytes(),
        Value::Bytes(value) => value.as_slice(),
        _ => return None,
    };
    let known = prefix.bytes();
    if !prefix.truncated {
        return Some(known.cmp(value));
    }
    if known.starts_with(value) {
        return Some(Ordering::Greater);
    }
    // The literal goes on where the prefix ends: the rest of the bound would decide.
    if value.starts_with(known) {
        None
    } else {
        Some(known.cmp(value))
    }
}
