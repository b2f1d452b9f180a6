//! Values between arrays and words: integer-like values as i128, arrays of them, and how a value is
//! identified by 64 bits.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type};

use crate::column_type::{IntegerType, with_integer_type};
use crate::{Error, Result};

fn unsupported(data_type: &DataType) -> Error {
    Error::Invalid(format!("no integer-like type: {data_type}"))
}

/// The values of an integer-like array (decimals unscaled); NULL is `None`.
pub(super) fn integers_of(array: &dyn Array) -> Result<Vec<Option<i128>>> {
    fn of<T: IntegerType>(array: &PrimitiveArray<T>) -> Vec<Option<i128>> {
        array.iter().map(|v| v.map(widened::<T>)).collect()
    }
    match array.data_type() {
        DataType::Boolean => {
            let values = array.as_boolean().iter();
            Ok(values.map(|v| v.map(i128::from)).collect())
        }
        DataType::Decimal128(..) => Ok(array.as_primitive::<Decimal128Type>().iter().collect()),
        other => with_integer_type!(
            other,
            T => Ok(of::<T>(array.as_primitive::<T>())),
            else Err(unsupported(other))
        ),
    }
}

fn widened<T: IntegerType>(value: T::Native) -> i128 {
    let word = T::widen(value);
    if T::SIGNED {
        i128::from(word as i64)
    } else {
        i128::from(word)
    }
}

/// An array of an integer-like type (decimals unscaled); `None` becomes NULL.
pub fn array_of(data_type: &DataType, values: &[Option<i128>]) -> Result<ArrayRef> {
    match data_type {
        DataType::Boolean => {
            let values = values.iter().map(|v| v.map(|v| v != 0));
            Ok(Arc::new(values.collect::<BooleanArray>()))
        }
        DataType::Decimal128(..) => {
            let array: Decimal128Array = values.iter().copied().collect();
            Ok(Arc::new(array.with_data_type(data_type.clone())))
        }
        other => with_integer_type!(
            other,
            T => {
                let narrow = |v: &Option<i128>| v.map(|v| T::narrow(v as u64));
                let array: PrimitiveArray<T> = values.iter().map(narrow).collect();
                Ok(Arc::new(array.with_data_type(other.clone())))
            },
            else Err(unsupported(other))
        ),
    }
}

/// Whether 64-bit words of a type hold signed numbers.
pub(super) fn is_signed(data_type: &DataType) -> bool {
    !matches!(data_type, DataType::Boolean) && !data_type.is_unsigned_integer()
}

/// A word back as the value it was made of (by `as u64`).
pub(super) fn value_of_word(word: u64, signed: bool) -> i128 {
    if signed {
        i128::from(word as i64)
    } else {
        i128::from(word)
    }
}

/// Spreads words over all bits: a finaliser of the splitmix kind.
fn mix(word: u64) -> u64 {
    let word = (word ^ (word >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    let word = (word ^ (word >> 32)).wrapping_mul(0xD6E8_FEB8_6659_FD93);
    word ^ (word >> 32)
}

/// The hash of a few words.
pub(super) fn hash_of(words: &[u64]) -> u64 {
    let mix_in = |hash: u64, &word: &u64| mix(hash.rotate_left(23) ^ word);
    words.iter().fold(0, mix_in)
}
