//! Truth, NOT, unary minus and the bit operators as table entries.

use std::sync::Arc;

use arrow::array::{ArrayRef, BooleanArray};
use arrow::datatypes::{DataType, Decimal128Type, Float64Type, Int64Type, UInt64Type};
use datafusion::common::Result;

use super::expression_text::name_of;
use super::types::Kind;
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};
use crate::functions::failure::{not_supported, out_of_range};

fn boolean(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Boolean.into())
}

/// Bit operators on two binary strings work byte by byte in MySQL 8; refused.
fn bits(shape: &Shape<'_>) -> Result<Declared> {
    let binary = |t: &DataType| {
        matches!(
            t,
            DataType::Binary | DataType::LargeBinary | DataType::BinaryView
        )
    };
    if shape.types().all(binary) {
        return Err(not_supported("bit operators on binary strings"));
    }
    Ok(DataType::UInt64.into())
}

fn truth(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.truth(0)?;
    Ok(Arc::new(call.collect_bool(|row| value.get(row))))
}

fn not(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.truth(0)?;
    Ok(Arc::new(
        call.collect_bool(|row| value.get(row).map(|truth| !truth)),
    ))
}

fn xor(call: &Call<'_>) -> Result<ArrayRef> {
    let (left, right) = (call.truth(0)?, call.truth(1)?);
    let array: BooleanArray = call.collect_bool(|row| Some(left.get(row)? != right.get(row)?));
    Ok(Arc::new(array))
}

fn bit_op(call: &Call<'_>, op: fn(u64, u64) -> u64) -> Result<ArrayRef> {
    let (left, right) = (call.bits(0)?, call.bits(1)?);
    Ok(Arc::new(call.collect::<UInt64Type>(|row| {
        Some(op(left.get(row)?, right.get(row)?))
    })))
}

fn shift_left(x: u64, by: u64) -> u64 {
    if by < 64 { x << by } else { 0 }
}

fn shift_right(x: u64, by: u64) -> u64 {
    if by < 64 { x >> by } else { 0 }
}

fn bit_not(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.bits(0)?;
    Ok(Arc::new(call.collect::<UInt64Type>(|row| {
        value.get(row).map(|bits| !bits)
    })))
}

fn bit_count(call: &Call<'_>) -> Result<ArrayRef> {
    let value = call.bits(0)?;
    Ok(Arc::new(call.collect::<Int64Type>(|row| {
        value.get(row).map(|b| b.count_ones().into())
    })))
}

fn minus_type(shape: &Shape<'_>) -> Result<Declared> {
    let literal = shape.literals.first().copied().flatten();
    Ok(match Kind::of(&shape.fields[0], literal) {
        Kind::Int { .. } | Kind::UInt { .. } => DataType::Int64.into(),
        kind => Declared::of_kind(kind),
    })
}

fn minus(call: &Call<'_>) -> Result<ArrayRef> {
    match call.return_type() {
        DataType::Float64 => {
            let value = call.double(0)?;
            Ok(Arc::new(
                call.collect::<Float64Type>(|row| value.get(row).map(|v| -v)),
            ))
        }
        DataType::Decimal128(precision, scale) => {
            let value = call.decimal(0, *precision, *scale)?;
            let array = call.collect::<Decimal128Type>(|row| value.get(row).map(|v| -v));
            Ok(Arc::new(
                array.with_precision_and_scale(*precision, *scale)?,
            ))
        }
        _ => {
            let name = || name_of(call.field(0), call.scalar(0));
            let overflow = || out_of_range("BIGINT", &format!("-({})", name()));
            if call.data_type(0) == DataType::UInt64 {
                let value = call.bits(0)?;
                return Ok(Arc::new(call.try_collect::<Int64Type>(|row| {
                    let Some(value) = value.get(row) else {
                        return Ok(None);
                    };
                    i64::try_from(-i128::from(value))
                        .map(Some)
                        .map_err(|_| overflow())
                })?));
            }
            let value = call.int(0)?;
            Ok(Arc::new(call.try_collect::<Int64Type>(|row| {
                let Some(value) = value.get(row) else {
                    return Ok(None);
                };
                value.checked_neg().map(Some).ok_or_else(overflow)
            })?))
        }
    }
}

/// What the planner and the statement rewriter call by name.
pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("truth", (1, 1), boolean, truth),
    Definition::new("logical_not", (1, 1), boolean, not),
    Definition::new("logical_xor", (2, 2), boolean, xor),
    Definition::new("bit_and_op", (2, 2), bits, |call| {
        bit_op(call, |x, y| x & y)
    }),
    Definition::new("bit_or_op", (2, 2), bits, |call| bit_op(call, |x, y| x | y)),
    Definition::new("bit_xor_op", (2, 2), bits, |call| {
        bit_op(call, |x, y| x ^ y)
    }),
    Definition::new("shift_left", (2, 2), bits, |call| bit_op(call, shift_left)),
    Definition::new("shift_right", (2, 2), bits, |call| {
        bit_op(call, shift_right)
    }),
    Definition::new("bit_not", (1, 1), bits, bit_not),
    Definition::new(
        "bit_count",
        (1, 1),
        |_| Ok(DataType::Int64.into()),
        bit_count,
    ),
    Definition::new("unary_minus", (1, 1), minus_type, minus),
];
