//! Values of Arrow arrays (results of expressions and SELECTs) as scalars for a column.

use arrow::array::{Array, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{self as dt, DataType, TimeUnit};

use super::Scalar;
use crate::error::{Result, SqlError};
use crate::types::decimal_text;

impl Scalar {
    /// The value in `row`. Timestamps are taken as the session's wall clock. 1235 for nested types.
    pub fn from_array(array: &dyn Array, row: usize) -> Result<Self> {
        if array.is_null(row) {
            return Ok(Self::Null);
        }
        if let Some(integer) = integer(array, row) {
            return Ok(Self::Int(integer));
        }
        Ok(match array.data_type() {
            DataType::Null => Self::Null,
            DataType::Float16 => Self::Double(primitive::<dt::Float16Type>(array, row).to_f64()),
            DataType::Float32 => Self::Double(f64::from(primitive::<dt::Float32Type>(array, row))),
            DataType::Float64 => Self::Double(primitive::<dt::Float64Type>(array, row)),
            DataType::Decimal128(_, scale) => {
                let scale = u8::try_from(*scale).unwrap_or(0);
                Self::Decimal(decimal_text(
                    primitive::<dt::Decimal128Type>(array, row),
                    scale,
                ))
            }
            DataType::Decimal256(..) => Self::Decimal(
                array
                    .as_primitive::<dt::Decimal256Type>()
                    .value_as_string(row),
            ),
            DataType::Utf8 => Self::Text(array.as_string::<i32>().value(row).to_owned()),
            DataType::LargeUtf8 => Self::Text(array.as_string::<i64>().value(row).to_owned()),
            DataType::Utf8View => Self::Text(array.as_string_view().value(row).to_owned()),
            DataType::Binary => Self::Bytes(array.as_binary::<i32>().value(row).to_vec()),
            DataType::LargeBinary => Self::Bytes(array.as_binary::<i64>().value(row).to_vec()),
            DataType::FixedSizeBinary(_) => {
                Self::Bytes(array.as_fixed_size_binary().value(row).to_vec())
            }
            DataType::BinaryView => Self::Bytes(array.as_binary_view().value(row).to_vec()),
            DataType::Date32 => Self::Date(primitive::<dt::Date32Type>(array, row)),
            DataType::Timestamp(unit, _) => Self::date_time(timestamp(array, row, *unit)),
            DataType::Duration(TimeUnit::Microsecond) => {
                let micros = primitive::<dt::DurationMicrosecondType>(array, row);
                Self::Time {
                    micros,
                    fsp: shown_digits(micros),
                }
            }
            DataType::Dictionary(..) => {
                let dictionary = array.as_any_dictionary();
                let key = dictionary.normalized_keys().get(row).copied().unwrap_or(0);
                return Self::from_array(dictionary.values().as_ref(), key);
            }
            other => return Err(SqlError::not_supported(&format!("values of type {other}"))),
        })
    }

    fn date_time(micros: i64) -> Self {
        Self::DateTime {
            micros,
            fsp: shown_digits(micros),
        }
    }
}

/// Fractional digits that are shown of a value whose declaration is not known.
fn shown_digits(micros: i64) -> u8 {
    if micros % 1_000_000 == 0 { 0 } else { 6 }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

fn integer(array: &dyn Array, row: usize) -> Option<i128> {
    Some(match array.data_type() {
        DataType::Boolean => array.as_boolean().value(row).into(),
        DataType::Int8 => primitive::<dt::Int8Type>(array, row).into(),
        DataType::Int16 => primitive::<dt::Int16Type>(array, row).into(),
        DataType::Int32 => primitive::<dt::Int32Type>(array, row).into(),
        DataType::Int64 => primitive::<dt::Int64Type>(array, row).into(),
        DataType::UInt8 => primitive::<dt::UInt8Type>(array, row).into(),
        DataType::UInt16 => primitive::<dt::UInt16Type>(array, row).into(),
        DataType::UInt32 => primitive::<dt::UInt32Type>(array, row).into(),
        DataType::UInt64 => primitive::<dt::UInt64Type>(array, row).into(),
        _ => return None,
    })
}

/// In microseconds; finer parts are cut.
fn timestamp(array: &dyn Array, row: usize, unit: TimeUnit) -> i64 {
    match unit {
        TimeUnit::Second => {
            primitive::<dt::TimestampSecondType>(array, row).saturating_mul(1_000_000)
        }
        TimeUnit::Millisecond => {
            primitive::<dt::TimestampMillisecondType>(array, row).saturating_mul(1000)
        }
        TimeUnit::Microsecond => primitive::<dt::TimestampMicrosecondType>(array, row),
        TimeUnit::Nanosecond => {
            primitive::<dt::TimestampNanosecondType>(array, row).div_euclid(1000)
        }
    }
}
