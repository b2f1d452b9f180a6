//! The column types of the format: which Arrow types there are, their tags in files, and dispatch from
//! a type known at run time to code that is generic over it. What the types mean to SQL is not known here.

use arrow::datatypes::{ArrowPrimitiveType, DataType, TimeUnit};

use crate::format::Malformed;

/// Bytes of a type tag in a file: kind, precision, scale, 0.
pub(crate) const TYPE_TAG_BYTES: usize = 4;

/// The tag of a supported type; `None` for any other.
pub(crate) fn type_tag(data_type: &DataType) -> Option<[u8; TYPE_TAG_BYTES]> {
    let kind = match data_type {
        DataType::Boolean => 1,
        DataType::Int8 => 2,
        DataType::Int16 => 3,
        DataType::Int32 => 4,
        DataType::Int64 => 5,
        DataType::UInt8 => 6,
        DataType::UInt16 => 7,
        DataType::UInt32 => 8,
        DataType::UInt64 => 9,
        DataType::Float32 => 10,
        DataType::Float64 => 11,
        DataType::Decimal128(precision, scale) => {
            return Some([12, *precision, scale.to_le_bytes()[0], 0]);
        }
        DataType::Date32 => 13,
        DataType::Timestamp(TimeUnit::Microsecond, None) => 14,
        DataType::Duration(TimeUnit::Microsecond) => 15,
        DataType::Utf8View => 16,
        DataType::BinaryView => 17,
        _ => return None,
    };
    Some([kind, 0, 0, 0])
}

/// The type a tag stands for.
pub(crate) fn type_of_tag(tag: [u8; TYPE_TAG_BYTES]) -> Result<DataType, Malformed> {
    let [kind, precision, scale, zero] = tag;
    let scale = i8::from_le_bytes([scale]);
    if kind == 12 && (1..=38).contains(&precision) && scale.unsigned_abs() <= precision && zero == 0
    {
        return Ok(DataType::Decimal128(precision, scale));
    }
    if (precision, scale, zero) != (0, 0, 0) {
        return Err(Malformed("a type tag is out of range"));
    }
    Ok(match kind {
        1 => DataType::Boolean,
        2 => DataType::Int8,
        3 => DataType::Int16,
        4 => DataType::Int32,
        5 => DataType::Int64,
        6 => DataType::UInt8,
        7 => DataType::UInt16,
        8 => DataType::UInt32,
        9 => DataType::UInt64,
        10 => DataType::Float32,
        11 => DataType::Float64,
        13 => DataType::Date32,
        14 => DataType::Timestamp(TimeUnit::Microsecond, None),
        15 => DataType::Duration(TimeUnit::Microsecond),
        16 => DataType::Utf8View,
        17 => DataType::BinaryView,
        _ => return Err(Malformed("an unknown type tag")),
    })
}

/// A primitive Arrow type whose values have a fixed little-endian form of `WIDTH` bytes.
pub(crate) trait FixedType: ArrowPrimitiveType {
    const WIDTH: usize;
    fn put_le(value: Self::Native, out: &mut Vec<u8>);
    /// `bytes` has `WIDTH` bytes; anything else reads as zero.
    fn from_le(bytes: &[u8]) -> Self::Native;
}

/// An integer-like type: at most 64 bits, ordered by value.
pub(crate) trait IntegerType: FixedType {
    const SIGNED: bool;
    /// The value modulo 2^64, sign-extended.
    fn widen(value: Self::Native) -> u64;
    /// The low bits; the inverse of `widen`.
    fn narrow(value: u64) -> Self::Native;
}

macro_rules! fixed_type {
    ($($arrow:ident: $native:ty),* $(,)?) => {$(
        impl FixedType for arrow::datatypes::$arrow {
            const WIDTH: usize = size_of::<$native>();
            fn put_le(value: $native, out: &mut Vec<u8>) {
                out.extend_from_slice(&value.to_le_bytes());
            }
            fn from_le(bytes: &[u8]) -> $native {
                bytes.try_into().map_or(<$native>::default(), <$native>::from_le_bytes)
            }
        }
    )*};
}

macro_rules! integer_type {
    ($($arrow:ident: $native:ty),* $(,)?) => {
        fixed_type!($($arrow: $native),*);
        $(impl IntegerType for arrow::datatypes::$arrow {
            const SIGNED: bool = <$native>::MIN != 0;
            fn widen(value: $native) -> u64 {
                value as i64 as u64
            }
            fn narrow(value: u64) -> $native {
                value as $native
            }
        })*
    };
}

fixed_type!(Float32Type: f32, Float64Type: f64, Decimal128Type: i128);
integer_type!(
    Int8Type: i8,
    Int16Type: i16,
    Int32Type: i32,
    Int64Type: i64,
    UInt8Type: u8,
    UInt16Type: u16,
    UInt32Type: u32,
    UInt64Type: u64,
    Date32Type: i32,
    TimestampMicrosecondType: i64,
    DurationMicrosecondType: i64,
);

/// Runs `$body` with `$T` bound to the integer type of `$data_type`, else `$other`.
macro_rules! with_integer_type {
    ($data_type:expr, $T:ident => $body:expr, else $other:expr) => {{
        use arrow::datatypes as dt;
        use dt::TimeUnit::Microsecond;
        macro_rules! run {
            ($arrow:ty) => {{
                type $T = $arrow;
                $body
            }};
        }
        match $data_type {
            dt::DataType::Int8 => run!(dt::Int8Type),
            dt::DataType::Int16 => run!(dt::Int16Type),
            dt::DataType::Int32 => run!(dt::Int32Type),
            dt::DataType::Int64 => run!(dt::Int64Type),
            dt::DataType::UInt8 => run!(dt::UInt8Type),
            dt::DataType::UInt16 => run!(dt::UInt16Type),
            dt::DataType::UInt32 => run!(dt::UInt32Type),
            dt::DataType::UInt64 => run!(dt::UInt64Type),
            dt::DataType::Date32 => run!(dt::Date32Type),
            dt::DataType::Timestamp(Microsecond, None) => run!(dt::TimestampMicrosecondType),
            dt::DataType::Duration(Microsecond) => run!(dt::DurationMicrosecondType),
            _ => $other,
        }
    }};
}

/// Runs `$body` with `$T` bound to the fixed-width type of `$data_type` (not Boolean), else `$other`.
macro_rules! with_fixed_type {
    ($data_type:expr, $T:ident => $body:expr, else $other:expr) => {{
        use arrow::datatypes as fixed;
        macro_rules! run_fixed { ($arrow:ty) => {{ type $T = $arrow; $body }}; }
        match $data_type {
            fixed::DataType::Float32 => run_fixed!(fixed::Float32Type),
            fixed::DataType::Float64 => run_fixed!(fixed::Float64Type),
            fixed::DataType::Decimal128(..) => run_fixed!(fixed::Decimal128Type),
            other => $crate::column_type::with_integer_type!(other, $T => $body, else $other),
        }
    }};
}

pub(crate) use with_fixed_type;
pub(crate) use with_integer_type;

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    #[test]
    fn every_tag_names_one_type_and_back() {
        let mut types = 0;
        for kind in 0..=255u8 {
            for (precision, scale) in [(0, 0), (38, 10), (5, 255)] {
                let tag = [kind, precision, scale, 0];
                if let Ok(data_type) = type_of_tag(tag) {
                    assert_eq!(type_tag(&data_type), Some(tag));
                    types += 1;
                }
            }
        }
        assert_eq!(types, 18);
    }
}
