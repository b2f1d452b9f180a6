//! ROUND, TRUNCATE, FLOOR, CEILING, ABS and SIGN, which keep the kind of their argument.
//!
//! Decimals round half away from zero and exactly; doubles as C's `rint` (ties to even), as MySQL does.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::common::Result;

use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::convert::number::{DECIMAL_MAX, divide_half_up, pow10, rescale};
use crate::functions::failure::out_of_range;
use crate::functions::operators::types::{Kind, PRECISION_MAX, SCALE_MAX};

fn kind(shape: &Shape<'_>) -> Kind {
    Kind::of(&shape.fields[0], shape.literals.first().copied().flatten())
}

fn same_kind(shape: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::of_kind(kind(shape)))
}

/// The second argument decides the scale when it is a literal.
fn round_type(shape: &Shape<'_>) -> Result<Declared> {
    let digits = if shape.len() == 1 {
        Some(0)
    } else {
        shape.literal_int(1)
    };
    let Kind::Decimal {
        precision, scale, ..
    } = kind(shape)
    else {
        return fixed(same_kind(shape)?, digits);
    };
    let new_scale = match digits {
        Some(digits) => digits.clamp(0, SCALE_MAX.into()) as i8,
        None => scale,
    };
    let integer = i16::from(precision) - i16::from(scale) + i16::from(new_scale < scale);
    // With more digits than a decimal has here, those behind the point go.
    let room = (i16::from(PRECISION_MAX) - integer).max(i16::from(scale.min(new_scale)));
    let new_scale = i16::from(new_scale).min(room) as i8;
    let precision = (integer + i16::from(new_scale)).clamp(1, PRECISION_MAX.into()) as u8;
    Ok(DataType::Decimal128(precision.max(new_scale.unsigned_abs()), new_scale).into())
}

/// Doubles rounded to a literal number of digits are printed with exactly these.
fn fixed(declared: Declared, digits: Option<i64>) -> Result<Declared> {
    let double = declared.data_type == DataType::Float64;
    let fsp = digits.map(|digits| digits.clamp(0, SCALE_MAX.into()) as u8);
    Ok(if double {
        Declared { fsp, ..declared }
    } else {
        declared
    })
}

/// 10^digits as a double, the way that MySQL's tables give it.
fn power(digits: i64) -> f64 {
    10_f64.powi(digits.clamp(-400, 400) as i32)
}

/// A double rounded (or cut off) at `digits` behind the point.
pub(crate) fn round_double(value: f64, digits: i64, truncate: bool) -> f64 {
    let step = power(digits.unsigned_abs().min(400) as i64);
    let scaled = if digits < 0 {
        value / step
    } else {
        value * step
    };
    if digits < 0 && step.is_infinite() {
        return 0.0;
    }
    if digits >= 0 && (!step.is_finite() || !scaled.is_finite()) {
        return value;
    }
    let whole = if truncate {
        scaled.trunc()
    } else {
        scaled.round_ties_even()
    };
    if digits < 0 {
        whole * step
    } else {
        whole / step
    }
}

/// An integer rounded at a power of ten; `None` beyond i128's reach.
fn round_integer(value: i128, digits: i64, truncate: bool) -> i128 {
    if digits >= 0 {
        return value;
    }
    if digits < -38 {
        return 0;
    }
    let step = pow10(digits.unsigned_abs() as u32);
    if truncate {
        value / step * step
    } else {
        divide_half_up(value, step) * step
    }
}

/// A decimal of `scale` rounded at `digits`, held with `result` digits behind the point.
fn round_decimal(
    value: i128,
    scale: i8,
    digits: i64,
    (result, truncate): (i8, bool),
) -> Option<i128> {
    let digits = digits.clamp(-38, i64::from(scale));
    let drop = i64::from(scale) - digits;
    let rounded = if drop > 38 {
        0
    } else {
        let step = pow10(drop as u32);
        let whole = if truncate {
            value / step
        } else {
            divide_half_up(value, step)
        };
        whole.checked_mul(step)?
    };
    rescale(rounded, scale, result).filter(|v| v.unsigned_abs() <= DECIMAL_MAX.unsigned_abs())
}

fn round(call: &Call<'_>, truncate: bool) -> Result<ArrayRef> {
    let digits = if call.len() > 1 {
        Some(call.int(1)?)
    } else {
        None
    };
    let digits = |row: usize| match &digits {
        Some(digits) => digits.get(row),
        None => Some(0),
    };
    let overflow = |kind: &str| out_of_range(kind, &call.text_of_call());
    Ok(match call.return_type() {
        DataType::Int64 => {
            let values = call.int(0)?;
            Arc::new(call.try_collect::<Int64Type>(|row| {
                let (Some(value), Some(digits)) = (values.get(row), digits(row)) else {
                    return Ok(None);
                };
                let rounded = round_integer(value.into(), digits, truncate);
                i64::try_from(rounded)
                    .map(Some)
                    .map_err(|_| overflow("BIGINT"))
            })?)
        }
        DataType::UInt64 => {
            let values = call.bits(0)?;
            Arc::new(call.try_collect::<UInt64Type>(|row| {
                let (Some(value), Some(digits)) = (values.get(row), digits(row)) else {
                    return Ok(None);
                };
                let rounded = round_integer(value.into(), digits, truncate);
                u64::try_from(rounded)
                    .map(Some)
                    .map_err(|_| overflow("BIGINT UNSIGNED"))
            })?)
        }
        DataType::Decimal128(precision, scale) => {
            let from = decimal_scale(call)?;
            let values = call.decimal(0, 38, from)?;
            let array = call.try_collect::<Decimal128Type>(|row| {
                let (Some(value), Some(digits)) = (values.get(row), digits(row)) else {
                    return Ok(None);
                };
                round_decimal(value, from, digits, (*scale, truncate))
                    .map(Some)
                    .ok_or_else(|| overflow("DECIMAL"))
            })?;
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        _ => {
            let values = call.double(0)?;
            Arc::new(call.collect::<Float64Type>(|row| {
                Some(round_double(values.get(row)?, digits(row)?, truncate))
            }))
        }
    })
}

/// Scale in which the first argument is exact.
fn decimal_scale(call: &Call<'_>) -> Result<i8> {
    Ok(match call.array(0)?.data_type() {
        DataType::Decimal128(_, scale) => *scale,
        DataType::Timestamp(..) | DataType::Duration(_) => 6,
        _ => 0,
    })
}

/// FLOOR and CEILING of decimals are integers while those hold them.
fn whole_type(shape: &Shape<'_>) -> Result<Declared> {
    let Kind::Decimal {
        precision, scale, ..
    } = kind(shape)
    else {
        return fixed(same_kind(shape)?, Some(0));
    };
    let integer = (i16::from(precision) - i16::from(scale)).max(0) as u8;
    Ok(if integer < 18 {
        DataType::Int64
    } else {
        DataType::Decimal128((integer + 1).min(PRECISION_MAX), 0)
    }
    .into())
}

fn whole(call: &Call<'_>, up: bool) -> Result<ArrayRef> {
    if *call.return_type() == DataType::Float64 {
        let values = call.double(0)?;
        let whole = |v: f64| if up { v.ceil() } else { v.floor() };
        return Ok(Arc::new(
            call.collect::<Float64Type>(|row| values.get(row).map(whole)),
        ));
    }
    let array = call.array(0)?;
    if !array.data_type().is_decimal()
        && !matches!(
            array.data_type(),
            DataType::Timestamp(..) | DataType::Duration(_)
        )
    {
        return round(call, false);
    }
    let scale = decimal_scale(call)?;
    let values = call.decimal(0, 38, scale)?;
    let step = pow10(u32::from(scale.unsigned_abs()));
    let whole = |v: i128| v.div_euclid(step) + i128::from(up && v.rem_euclid(step) != 0);
    Ok(match call.return_type() {
        DataType::Decimal128(precision, scale) => {
            let array = call.collect::<Decimal128Type>(|row| values.get(row).map(whole));
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        _ => Arc::new(call.try_collect::<Int64Type>(|row| {
            let Some(value) = values.get(row) else {
                return Ok(None);
            };
            let overflow = |_| out_of_range("BIGINT", &call.text_of_call());
            i64::try_from(whole(value)).map(Some).map_err(overflow)
        })?),
    })
}

fn abs(call: &Call<'_>) -> Result<ArrayRef> {
    Ok(match call.return_type() {
        DataType::Int64 => {
            let values = call.int(0)?;
            let overflow = || out_of_range("BIGINT", &call.text_of_call());
            Arc::new(call.try_collect::<Int64Type>(|row| {
                let Some(value) = values.get(row) else {
                    return Ok(None);
                };
                value.checked_abs().map(Some).ok_or_else(overflow)
            })?)
        }
        DataType::UInt64 => {
            let values = call.bits(0)?;
            Arc::new(call.collect::<UInt64Type>(|row| values.get(row)))
        }
        DataType::Decimal128(precision, scale) => {
            let values = call.decimal(0, *precision, *scale)?;
            let array = call.collect::<Decimal128Type>(|row| values.get(row).map(i128::abs));
            Arc::new(array.with_precision_and_scale(*precision, *scale)?)
        }
        _ => {
            let values = call.double(0)?;
            Arc::new(call.collect::<Float64Type>(|row| values.get(row).map(f64::abs)))
        }
    })
}

fn sign(call: &Call<'_>) -> Result<ArrayRef> {
    let values = call.double(0)?;
    let sign = |v: f64| i64::from(v > 0.0) - i64::from(v < 0.0);
    Ok(Arc::new(
        call.collect::<Int64Type>(|row| values.get(row).map(sign)),
    ))
}

const CEILING: Definition =
    Definition::new("ceiling", (1, 1), whole_type, |call| whole(call, true));

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("round", (1, 2), round_type, |call| round(call, false)),
    Definition::new("truncate", (2, 2), round_type, |call| round(call, true)),
    Definition::new("floor", (1, 1), whole_type, |call| whole(call, false)),
    CEILING,
    CEILING.named("ceil"),
    Definition::new("abs", (1, 1), same_kind, abs),
    Definition::new("sign", (1, 1), |_| Ok(DataType::Int64.into()), sign),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_round_ties_to_even_and_survive_large_digits() {
        assert_eq!(round_double(2.5, 0, false), 2.0);
        assert_eq!(round_double(-2.5, 0, false), -2.0);
        assert_eq!(round_double(1.005, 400, false), 1.005);
        assert_eq!(round_double(1234.5, -2, false), 1200.0);
        assert_eq!(round_double(1234.5, -400, false), 0.0);
        assert_eq!(round_double(-1.999, 1, true), -1.9);
    }

    #[test]
    fn integers_and_decimals_round_half_away_from_zero() {
        assert_eq!(round_integer(-1250, -2, false), -1300);
        assert_eq!(round_integer(-1250, -2, true), -1200);
        assert_eq!(round_integer(5, -40, false), 0);
        assert_eq!(round_decimal(250, 2, 0, (0, false)), Some(3));
        assert_eq!(round_decimal(1_234_567, 3, -2, (0, false)), Some(1200));
        assert_eq!(round_decimal(15, 1, 3, (3, false)), Some(1500));
    }
}
