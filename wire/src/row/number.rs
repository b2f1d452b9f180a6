//! Numbers in MySQL's text form.

use std::io::Write;

use arrow_buffer::i256;

use crate::column::DECIMALS_NOT_FIXED;

/// Above this exponent MySQL writes a DOUBLE as 1e16, not 10000000000000000 (`my_gcvt`).
const MAX_POINT_FOR_PLAIN: i32 = 15;

pub(super) fn put_int(out: &mut Vec<u8>, value: i64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

pub(super) fn put_uint(out: &mut Vec<u8>, value: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(value).as_bytes());
}

/// YEAR always has four digits.
pub(super) fn put_year(out: &mut Vec<u8>, value: i64) {
    put_padded(out, itoa::Buffer::new().format(value).as_bytes(), 4);
}

fn put_padded(out: &mut Vec<u8>, digits: &[u8], width: usize) {
    out.extend(std::iter::repeat_n(
        b'0',
        width.saturating_sub(digits.len()),
    ));
    out.extend_from_slice(digits);
}

/// A decimal with exactly `scale` digits after the point; a negative scale appends zeros.
pub(super) fn put_decimal(out: &mut Vec<u8>, value: i128, scale: i8) {
    let mut buffer = itoa::Buffer::new();
    put_scaled(
        out,
        value < 0,
        buffer.format(value.unsigned_abs()).as_bytes(),
        scale,
    );
}

/// As [`put_decimal`], for more than 38 digits.
pub(super) fn put_wide_decimal(out: &mut Vec<u8>, value: i256, scale: i8) {
    let text = value.to_string();
    let digits = text.strip_prefix('-').unwrap_or(&text);
    put_scaled(out, value.is_negative(), digits.as_bytes(), scale);
}

fn put_scaled(out: &mut Vec<u8>, negative: bool, digits: &[u8], scale: i8) {
    if negative {
        out.push(b'-');
    }
    let scale = match usize::try_from(scale) {
        Ok(0) => return out.extend_from_slice(digits),
        Ok(scale) => scale,
        Err(_) => {
            out.extend_from_slice(digits);
            let zeros = if digits == b"0" {
                0
            } else {
                scale.unsigned_abs().into()
            };
            return out.extend(std::iter::repeat_n(b'0', zeros));
        }
    };
    let (whole, fraction) = digits.split_at(digits.len().saturating_sub(scale));
    out.extend_from_slice(if whole.is_empty() { b"0" } else { whole });
    out.push(b'.');
    put_padded(out, fraction, scale);
}

/// DOUBLE: the shortest digits that read back as the same value, or a fixed number of decimals.
/// `value` is finite.
pub(super) fn put_double(out: &mut Vec<u8>, value: f64, decimals: u8) {
    if decimals < DECIMALS_NOT_FIXED {
        return put_fixed(out, value, decimals);
    }
    put_general(out, ryu::Buffer::new().format_finite(value).as_bytes());
}

/// FLOAT: at most six significant digits, as MySQL shows it, or a fixed number of decimals.
/// `value` is finite.
pub(super) fn put_float(out: &mut Vec<u8>, value: f32, decimals: u8) {
    if decimals < DECIMALS_NOT_FIXED {
        return put_fixed(out, value.into(), decimals);
    }
    let mut buffer = [0; 32];
    let mut rest = buffer.as_mut_slice();
    // Sign, 6 digits, point and exponent are at most 13 bytes, so there is room.
    let _ = write!(rest, "{:.5e}", f64::from(value));
    let unused = rest.len();
    put_general(out, buffer.get(..buffer.len() - unused).unwrap_or_default());
}

fn put_fixed(out: &mut Vec<u8>, value: f64, decimals: u8) {
    // Writing to a Vec cannot fail.
    let _ = write!(out, "{value:.*}", usize::from(decimals));
}

/// Rewrites `[-]ddd[.ddd][e[-]dd]` the way MySQL's `my_gcvt` chooses between plain and exponent form.
fn put_general(out: &mut Vec<u8>, number: &[u8]) {
    let (negative, number) = match number.strip_prefix(b"-") {
        Some(rest) => (true, rest),
        None => (false, number),
    };
    let mut parts = number.splitn(2, |&byte| byte == b'e');
    let mantissa = parts.next().unwrap_or_default();
    let exponent = parts.next().map_or(0, parse_exponent);
    let mut digits = [0u8; 24];
    let (mut length, mut point) = (0, None);
    for &byte in mantissa {
        match byte {
            b'.' => point = Some(length),
            digit => {
                if let Some(place) = digits.get_mut(length) {
                    *place = digit;
                    length += 1;
                }
            }
        }
    }
    let point = point.unwrap_or(length) as i32 + exponent;
    let digits = digits.get(..length).unwrap_or_default();
    let leading = digits.iter().take_while(|&&digit| digit == b'0').count();
    let trailing = digits
        .iter()
        .rev()
        .take_while(|&&digit| digit == b'0')
        .count();
    if negative {
        out.push(b'-');
    }
    match digits.get(leading..length - trailing.min(length - leading)) {
        Some(digits) if !digits.is_empty() => put_digits(out, digits, point - leading as i32),
        _ => out.push(b'0'),
    }
}

fn parse_exponent(text: &[u8]) -> i32 {
    std::str::from_utf8(text)
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}

/// Writes 0.DIGITS times ten to the power of `point`; neither end of `digits` is a zero.
fn put_digits(out: &mut Vec<u8>, digits: &[u8], point: i32) {
    let length = digits.len() as i32;
    let plain = point > -MAX_POINT_FOR_PLAIN && (point <= MAX_POINT_FOR_PLAIN || length > point);
    if !plain {
        let (first, rest) = digits.split_at(1);
        out.extend_from_slice(first);
        if !rest.is_empty() {
            out.push(b'.');
            out.extend_from_slice(rest);
        }
        out.push(b'e');
        put_int(out, i64::from(point - 1));
    } else if point <= 0 {
        out.extend_from_slice(b"0.");
        out.extend(std::iter::repeat_n(b'0', point.unsigned_abs() as usize));
        out.extend_from_slice(digits);
    } else if let Some((whole, fraction)) = digits.split_at_checked(point as usize) {
        out.extend_from_slice(whole);
        if !fraction.is_empty() {
            out.push(b'.');
            out.extend_from_slice(fraction);
        }
    } else {
        out.extend_from_slice(digits);
        out.extend(std::iter::repeat_n(b'0', (point - length) as usize));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn text(put: impl FnOnce(&mut Vec<u8>)) -> String {
        let mut out = Vec::new();
        put(&mut out);
        String::from_utf8(out).unwrap()
    }

    fn double(value: f64) -> String {
        text(|out| put_double(out, value, DECIMALS_NOT_FIXED))
    }

    fn float(value: f32) -> String {
        text(|out| put_float(out, value, DECIMALS_NOT_FIXED))
    }

    #[test]
    fn doubles_have_mysqls_text_form() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (1024.0, "1024"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (-1e300, "-1e300"),
            (1e-5, "0.00001"),
            (1e-14, "0.00000000000001"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.2345e-20, "1.2345e-20"),
            (123456789012345680.0, "1.2345678901234568e17"),
            (1234567890123456.7, "1234567890123456.8"),
            (999999999999999.0, "999999999999999"),
            (9007199254740993.0, "9.007199254740992e15"),
            (1.7976931348623157e308, "1.7976931348623157e308"),
            (5e-324, "5e-324"),
        ];
        for (value, expected) in cases {
            assert_eq!(double(value), expected, "{value:e}");
        }
    }

    #[test]
    fn floats_have_six_digits() {
        let cases = [
            (0.1, "0.1"),
            (1.0 / 3.0, "0.333333"),
            (16777216.0, "16777200"),
            (-2.5, "-2.5"),
            (0.0, "0"),
            (3.4028235e38, "3.40282e38"),
            (1e-20, "1e-20"),
        ];
        for (value, expected) in cases {
            assert_eq!(float(value), expected, "{value:e}");
        }
    }

    #[test]
    fn fixed_decimals_are_padded() {
        assert_eq!(text(|out| put_double(out, 2.0, 1)), "2.0");
        assert_eq!(
            text(|out| put_double(out, 1e22, 2)),
            "10000000000000000000000.00"
        );
        assert_eq!(text(|out| put_float(out, 1.25, 4)), "1.2500");
    }

    #[test]
    fn decimals_have_exactly_their_scale() {
        let cases = [
            (0, 0, "0"),
            (0, 2, "0.00"),
            (-5, 2, "-0.05"),
            (12345, 2, "123.45"),
            (12345, 5, "0.12345"),
            (-12345, 7, "-0.0012345"),
            (12, -3, "12000"),
            (0, -3, "0"),
        ];
        for (value, scale, expected) in cases {
            assert_eq!(text(|out| put_decimal(out, value, scale)), expected);
            let wide = i256::from_i128(value);
            assert_eq!(text(|out| put_wide_decimal(out, wide, scale)), expected);
        }
        let max = text(|out| put_decimal(out, i128::MIN, 38));
        assert_eq!(max, "-1.70141183460469231731687303715884105728");
    }

    proptest! {
        #[test]
        fn doubles_read_back_exactly(bits: u64) {
            let value = f64::from_bits(bits);
            prop_assume!(value.is_finite());
            prop_assert_eq!(double(value).parse::<f64>().unwrap().to_bits(), bits);
        }

        #[test]
        fn floats_read_back_to_six_digits(value in -1e30f32..1e30) {
            let back: f64 = float(value).parse().unwrap();
            prop_assert!((back - f64::from(value)).abs() <= f64::from(value).abs() * 1e-5);
        }
    }
}
