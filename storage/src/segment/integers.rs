//! Frame-of-reference integers: every value is `base + distance * scale`. The distance is the code or,
//! where the column has NULLs, one less: code 0 is then NULL. Booleans, integers, dates, times and
//! decimals are stored so; how codes are packed is in `codes`.

use arrow::array::{Array, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::buffer::NullBuffer;
use arrow::datatypes::{DataType, Decimal128Type};

use super::packing::Lane;
use crate::column_type::{IntegerType, with_integer_type};

/// A column as distances from its smallest value; the distance of a NULL is 0.
pub(crate) struct Distances {
    pub(crate) base: i128,
    pub(crate) values: Vec<u64>,
}

/// `None` when the type is not integer-like or the range of decimals exceeds 64 bits. The array has at
/// least one value that is not NULL.
pub(crate) fn distances(array: &dyn Array) -> Option<Distances> {
    match array.data_type() {
        DataType::Boolean => Some(of_booleans(array.as_boolean())),
        DataType::Decimal128(..) => of_decimals(array.as_primitive::<Decimal128Type>()),
        other => with_integer_type!(
            other,
            T => Some(of_integers::<T>(array.as_primitive::<T>())),
            else None
        ),
    }
}

fn of_booleans(array: &BooleanArray) -> Distances {
    let base = array.iter().flatten().all(|v| v);
    let values = array
        .iter()
        .map(|v| u64::from(v.is_some_and(|v| v != base)))
        .collect();
    Distances {
        base: i128::from(base),
        values,
    }
}

fn of_integers<T: IntegerType>(array: &PrimitiveArray<T>) -> Distances {
    // Flipping the sign bit makes the order of the unsigned numbers that of the values.
    let sign = if T::SIGNED { 1 << 63 } else { 0 };
    let key = |v| T::widen(v) ^ sign;
    if array.null_count() == 0 {
        let min = array.values().iter().map(|&v| key(v)).min().unwrap_or(0);
        let values = array.values().iter().map(|&v| key(v) - min).collect();
        return Distances {
            base: key_value::<T>(min),
            values,
        };
    }
    let min = array.iter().flatten().map(key).min().unwrap_or(0);
    let values = array
        .iter()
        .map(|v| v.map_or(0, |v| key(v) - min))
        .collect();
    Distances {
        base: key_value::<T>(min),
        values,
    }
}

fn key_value<T: IntegerType>(key: u64) -> i128 {
    if T::SIGNED {
        i128::from((key ^ (1 << 63)) as i64)
    } else {
        i128::from(key)
    }
}

fn of_decimals(array: &Decimal128Array) -> Option<Distances> {
    let min = array.iter().flatten().min()?;
    let max = array.iter().flatten().max()?;
    // As unsigned numbers the distance of any two i128 is exact.
    u64::try_from(max.wrapping_sub(min) as u128).ok()?;
    let values = array
        .iter()
        .map(|v| v.map_or(0, |v| v.wrapping_sub(min) as u64))
        .collect();
    Some(Distances { base: min, values })
}

/// Codes of a column and what they stand for.
pub(crate) struct FrameCodes {
    pub(crate) base: i128,
    pub(crate) scale: u64,
    pub(crate) codes: Vec<u64>,
}

impl Distances {
    /// Divides by the common divisor and makes room for the code of NULL. `None` when 64 bits do not
    /// hold the codes.
    pub(crate) fn into_codes(self, nulls: Option<&NullBuffer>) -> Option<FrameCodes> {
        let Self { base, mut values } = self;
        let scale = common_divisor(&values);
        if scale > 1 {
            values.iter_mut().for_each(|v| *v /= scale);
        }
        if let Some(nulls) = nulls {
            values.iter().max()?.checked_add(1)?;
            let rows = values.iter_mut().zip(nulls.iter());
            rows.for_each(|(v, valid)| *v = if valid { *v + 1 } else { 0 });
        }
        Some(FrameCodes {
            base,
            scale,
            codes: values,
        })
    }
}

/// The greatest common divisor; 1 when there is none above it.
fn common_divisor(values: &[u64]) -> u64 {
    let mut divisor = 0;
    for &value in values {
        // Almost always either the divisor still divides or it soon reaches 1.
        if divisor == 0 || value % divisor != 0 {
            divisor = gcd(divisor, value);
            if divisor == 1 {
                return 1;
            }
        }
    }
    divisor.max(1)
}

fn gcd(mut a: u64, mut b: u64) -> u64 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
}

/// What a block's codes of a frame of reference stand for.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Frame {
    /// Value of code 0; meaningless when that is NULL.
    origin: i128,
    scale: u64,
}

impl Frame {
    pub(crate) fn new(base: i128, scale: u64, null_code: bool) -> Self {
        let steps = if null_code { i128::from(scale) } else { 0 };
        Self {
            origin: base.wrapping_sub(steps),
            scale,
        }
    }

    /// From one code to the next.
    pub(crate) fn step(&self) -> u64 {
        self.scale
    }

    pub(crate) fn value(&self, code: u64) -> i128 {
        let distance = i128::from(code).wrapping_mul(self.scale.into());
        self.origin.wrapping_add(distance)
    }

    /// The values of an integer type. Arithmetic is modulo 2^64, as the encoder's was.
    pub(crate) fn integers<T: IntegerType, C: Lane>(&self, codes: &[C]) -> Vec<T::Native> {
        let (origin, scale) = (self.origin as u64, self.scale);
        let code = |c: &C| -> u64 { (*c).into() };
        if scale == 1 {
            return codes
                .iter()
                .map(|c| T::narrow(origin.wrapping_add(code(c))))
                .collect();
        }
        let value = |c| T::narrow(origin.wrapping_add(code(c).wrapping_mul(scale)));
        codes.iter().map(value).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMicrosecondArray, UInt64Array};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt64Type};

    fn round_trip<T: IntegerType>(array: &PrimitiveArray<T>) -> FrameCodes {
        let frame = distances(array).unwrap().into_codes(array.nulls()).unwrap();
        let has_nulls = array.null_count() > 0;
        let back = Frame::new(frame.base, frame.scale, has_nulls).integers::<T, _>(&frame.codes);
        let nulls = frame
            .codes
            .iter()
            .map(|&c| !(has_nulls && c == 0))
            .collect::<Vec<_>>();
        let nulls = has_nulls.then(|| NullBuffer::from(nulls));
        assert_eq!(&PrimitiveArray::<T>::new(back.into(), nulls), array);
        frame
    }

    #[test]
    fn seconds_are_counted_not_microseconds() {
        let seconds = (0..1000).map(|i| 1_735_689_600_000_000 + i * 525 * 1_000_000);
        let array = TimestampMicrosecondArray::from_iter_values(seconds);
        let frame = round_trip::<TimestampMicrosecondType>(&array);
        assert_eq!((frame.scale, frame.codes.last()), (525_000_000, Some(&999)));
    }

    #[test]
    fn the_whole_range_of_64_bits_survives() {
        let ends = Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX]);
        assert_eq!(round_trip::<Int64Type>(&ends).base, i64::MIN.into());
        let ends = UInt64Array::from(vec![u64::MAX, 0, 1]);
        assert_eq!(round_trip::<UInt64Type>(&ends).base, 0);
    }

    #[test]
    fn null_is_code_0_and_does_not_fit_beside_all_64_bits() {
        let some = Int64Array::from(vec![Some(-5), None, Some(-3)]);
        assert_eq!(round_trip::<Int64Type>(&some).codes, [1, 0, 2]);
        let ends = UInt64Array::from(vec![Some(u64::MAX), Some(1), Some(0), None]);
        assert!(distances(&ends).unwrap().into_codes(ends.nulls()).is_none());
    }

    #[test]
    fn equal_values_have_code_0() {
        let frame = round_trip::<Int64Type>(&Int64Array::from(vec![-7; 100]));
        assert_eq!(
            (frame.base, frame.scale, frame.codes),
            (-7, 1, vec![0; 100])
        );
    }
}
