//! Frame-of-reference integers: every value is `base + code * scale`, the codes as narrow as their range
//! allows. Booleans, integers, dates, times and decimals are stored so. Codes keep a whole number of
//! bytes: sums over them run at memory speed.

use arrow::array::{Array, AsArray, BooleanArray, Decimal128Array, PrimitiveArray};
use arrow::datatypes::{DataType, Decimal128Type};

use super::layout::Encoding;
use super::zone::{Bounds, Zone};
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

impl Distances {
    /// Chooses scale and width and turns the distances into codes.
    pub(crate) fn into_codes(self) -> (Encoding, Vec<u64>) {
        let Self { base, mut values } = self;
        let max = values.iter().copied().max().unwrap_or(0);
        let divisor = common_divisor(&values);
        let width = width_of(max / divisor);
        // A scale that saves no byte only costs multiplications.
        let scale = if width < width_of(max) { divisor } else { 1 };
        if scale > 1 {
            values.iter_mut().for_each(|v| *v /= scale);
        }
        (Encoding::Frame { width, base, scale }, values)
    }
}

/// Bytes that codes up to `max` need.
pub(crate) fn width_of(max: u64) -> u8 {
    match max {
        0 => 0,
        1..=0xFF => 1,
        0x100..=0xFFFF => 2,
        0x1_0000..=0xFFFF_FFFF => 4,
        _ => 8,
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

/// Appends codes as little-endian numbers of `width` bytes.
pub(crate) fn put_codes(out: &mut Vec<u8>, codes: impl Iterator<Item = u64>, width: u8) {
    match width {
        0 => {}
        1 => out.extend(codes.map(|c| c as u8)),
        2 => codes.for_each(|c| out.extend_from_slice(&(c as u16).to_le_bytes())),
        4 => codes.for_each(|c| out.extend_from_slice(&(c as u32).to_le_bytes())),
        _ => codes.for_each(|c| out.extend_from_slice(&c.to_le_bytes())),
    }
}

/// Runs a function on every code of a block of `rows` rows.
pub(crate) fn map_codes<R>(
    bytes: &[u8],
    width: u8,
    rows: usize,
    mut f: impl FnMut(u64) -> R,
) -> Vec<R> {
    match width {
        0 => std::iter::repeat_with(|| f(0)).take(rows).collect(),
        1 => bytes.iter().map(|&b| f(u64::from(b))).collect(),
        2 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f(u16::from_le_bytes(b).into()))
            .collect(),
        4 => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f(u32::from_le_bytes(b).into()))
            .collect(),
        _ => bytes
            .as_chunks()
            .0
            .iter()
            .map(|&b| f(u64::from_le_bytes(b)))
            .collect(),
    }
}

/// Decodes a block of an integer type. Arithmetic is modulo 2^64, as the encoder's was.
pub(crate) fn decode_integers<T: IntegerType>(
    bytes: &[u8],
    width: u8,
    rows: usize,
    (base, scale): (i128, u64),
) -> Vec<T::Native> {
    let base = base as u64;
    if scale == 1 {
        return map_codes(bytes, width, rows, |c| T::narrow(base.wrapping_add(c)));
    }
    map_codes(bytes, width, rows, |c| {
        T::narrow(base.wrapping_add(c.wrapping_mul(scale)))
    })
}

/// Decodes a block of decimals.
pub(crate) fn decode_decimals(
    bytes: &[u8],
    width: u8,
    rows: usize,
    (base, scale): (i128, u64),
) -> Vec<i128> {
    let scale = i128::from(scale);
    map_codes(bytes, width, rows, |c| {
        base.wrapping_add(i128::from(c).wrapping_mul(scale))
    })
}

/// The zone of one block of codes; `valid` tells which rows are not NULL.
pub(crate) fn code_zone(
    codes: &[u64],
    valid: impl Fn(usize) -> bool,
    bound: impl Fn(u64) -> Bounds,
) -> Zone {
    let (mut min, mut max, mut nulls) = (u64::MAX, 0, 0);
    for (row, &code) in codes.iter().enumerate() {
        if valid(row) {
            min = min.min(code);
            max = max.max(code);
        } else {
            nulls += 1;
        }
    }
    let zone = |bounds| Zone {
        rows: codes.len() as u32,
        nulls,
        bounds,
    };
    if nulls as usize == codes.len() {
        return zone(Bounds::Unknown);
    }
    let ends = |code| Zone {
        rows: 1,
        nulls: 0,
        bounds: bound(code),
    };
    zone(ends(min).and(&ends(max)).bounds)
}

/// The bounds of a single frame-of-reference code.
pub(crate) fn frame_bounds(encoding: Encoding) -> impl Fn(u64) -> Bounds {
    let (base, scale) = match encoding {
        Encoding::Frame { base, scale, .. } => (base, i128::from(scale)),
        _ => (0, 1),
    };
    move |code| {
        let value = base.wrapping_add(i128::from(code).wrapping_mul(scale));
        Bounds::Int(value, value)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::array::{Int64Array, TimestampMicrosecondArray, UInt64Array};
    use arrow::datatypes::{Int64Type, TimestampMicrosecondType, UInt64Type};

    fn round_trip<T: IntegerType>(array: &PrimitiveArray<T>) -> Encoding {
        let (encoding, codes) = distances(array).unwrap().into_codes();
        let Encoding::Frame { width, base, scale } = encoding else {
            unreachable!()
        };
        let mut bytes = Vec::new();
        put_codes(&mut bytes, codes.iter().copied(), width);
        let back = decode_integers::<T>(&bytes, width, array.len(), (base, scale));
        assert_eq!(back, array.values().to_vec());
        encoding
    }

    #[test]
    fn minutes_over_a_year_take_four_bytes_not_eight() {
        let minutes = (0..1000).map(|i| 1_735_689_600_000_000 + i * 525 * 60_000_000);
        let encoding = round_trip::<TimestampMicrosecondType>(
            &TimestampMicrosecondArray::from_iter_values(minutes),
        );
        assert!(
            matches!(
                encoding,
                Encoding::Frame {
                    width: 4,
                    scale: 31_500_000_000,
                    ..
                } | Encoding::Frame { width: 2, .. }
            ),
            "{encoding:?}"
        );
    }

    #[test]
    fn the_whole_range_of_64_bits_survives() {
        let ends = Int64Array::from(vec![i64::MIN, -1, 0, i64::MAX]);
        assert!(matches!(
            round_trip::<Int64Type>(&ends),
            Encoding::Frame { width: 8, .. }
        ));
        let ends = UInt64Array::from(vec![u64::MAX, 0, 1]);
        assert!(matches!(
            round_trip::<UInt64Type>(&ends),
            Encoding::Frame { base: 0, .. }
        ));
    }

    #[test]
    fn equal_values_take_no_bytes() {
        let encoding = round_trip::<Int64Type>(&Int64Array::from(vec![-7; 100]));
        assert_eq!(
            encoding,
            Encoding::Frame {
                width: 0,
                base: -7,
                scale: 1
            }
        );
    }
}
