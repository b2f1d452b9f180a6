//! Text to number as MySQL reads it: the longest numeric prefix counts, anything else is 0.
//!
//! Also the roundings between the numeric kinds. Knows nothing of Arrow.

use crate::functions::warnings::{Notice, warn};

/// Largest value of a decimal with 38 digits, the widest that an i128 holds.
pub(crate) const DECIMAL_MAX: i128 = 99_999_999_999_999_999_999_999_999_999_999_999_999;

/// 10^n for n <= 38.
pub(crate) fn pow10(n: u32) -> i128 {
    10_i128.pow(n.min(38))
}

/// The parts of a numeric prefix: byte lengths within the trimmed text.
struct Prefix<'a> {
    /// Sign, digits and decimal point, without the exponent.
    mantissa: &'a [u8],
    exponent: i32,
    /// Everything up to and including the exponent.
    whole: &'a str,
    /// Something follows that is no part of a number, or nothing is one.
    truncated: bool,
}

impl Prefix<'_> {
    /// Warns, as MySQL does, of a text that is not as a whole a number.
    fn or_warn(self, kind: &'static str, value: &str) -> Self {
        if self.truncated {
            warn(Notice::Truncated { kind, value });
        }
        self
    }
}

fn numeric_prefix(text: &str) -> Prefix<'_> {
    let text = text.trim_start_matches([' ', '\t', '\n', '\r', '\u{b}', '\u{c}']);
    let bytes = text.as_bytes();
    let mut end = usize::from(matches!(bytes.first(), Some(b'+' | b'-')));
    let digits_from = end;
    let digits = |from: usize| {
        bytes[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count()
    };
    let integer = digits(end);
    end += integer;
    let mut fraction = 0;
    if bytes.get(end) == Some(&b'.') {
        fraction = digits(end + 1);
        if integer + fraction > 0 {
            end += 1 + fraction;
        }
    }
    if integer + fraction == 0 {
        end = 0;
    }
    let mantissa = &bytes[..end];
    let mut exponent = 0;
    let mut whole_end = end;
    if end > digits_from && matches!(bytes.get(end), Some(b'e' | b'E')) {
        let signed = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
        let count = digits(end + 1 + signed);
        if count > 0 {
            whole_end = end + 1 + signed + count;
            let value = &text[end + 1 + signed..whole_end];
            let value = value.parse::<i32>().unwrap_or(i32::MAX / 2);
            exponent = if bytes[end + 1] == b'-' {
                -value
            } else {
                value
            };
        }
    }
    Prefix {
        mantissa,
        exponent,
        whole: &text[..whole_end],
        truncated: whole_end < text.trim_end().len() || end == 0,
    }
}

/// `'12.5abc'` is 12.5, `'abc'` is 0, out of range saturates at the largest double.
pub(crate) fn text_to_double(text: &str) -> f64 {
    let prefix = numeric_prefix(text).or_warn("DOUBLE", text);
    let value = prefix.whole.parse::<f64>().unwrap_or(0.0);
    if value.is_infinite() {
        f64::MAX.copysign(value)
    } else {
        value
    }
}

/// The integer prefix, saturating: `'12.9'` is 12 and `'1e3'` is 1.
pub(crate) fn text_to_integer(text: &str) -> i128 {
    let prefix = numeric_prefix(text).or_warn("INTEGER", text);
    let mut value = 0_i128;
    for byte in prefix
        .mantissa
        .iter()
        .skip_while(|b| matches!(b, b'+' | b'-'))
    {
        if *byte == b'.' {
            break;
        }
        value = (value * 10 + i128::from(byte - b'0')).min(i128::from(u64::MAX) + 1);
    }
    if prefix.mantissa.first() == Some(&b'-') {
        -value
    } else {
        value
    }
}

/// Text to a decimal of `scale` digits, rounded half away from zero; `None` beyond 38 digits.
pub(crate) fn text_to_decimal(text: &str, scale: i8) -> Option<i128> {
    let prefix = numeric_prefix(text).or_warn("DECIMAL", text);
    let negative = prefix.mantissa.first() == Some(&b'-');
    let mut value = 0_i128;
    let mut fraction: Option<i32> = None;
    let mut dropped = 0_i32;
    for byte in prefix
        .mantissa
        .iter()
        .skip_while(|b| matches!(b, b'+' | b'-'))
    {
        if *byte == b'.' {
            fraction = Some(0);
            continue;
        }
        if value > DECIMAL_MAX / 10 {
            // Further digits cannot be held; those of the fraction do not matter.
            dropped += i32::from(fraction.is_none());
            continue;
        }
        value = value * 10 + i128::from(byte - b'0');
        fraction = fraction.map(|digits| digits + 1);
    }
    let exponent = prefix
        .exponent
        .saturating_add(dropped)
        .saturating_sub(fraction.unwrap_or(0));
    let shift = exponent.saturating_add(i32::from(scale));
    let value = if value == 0 {
        0
    } else if shift >= 0 {
        if shift > 38 {
            return None;
        }
        value.checked_mul(pow10(shift.unsigned_abs()))?
    } else if shift < -39 {
        0
    } else {
        divide_half_up(value, pow10(shift.unsigned_abs()))
    };
    if value > DECIMAL_MAX {
        return None;
    }
    Some(if negative { -value } else { value })
}

/// A double to a decimal of `scale` digits by way of its shortest text, as MySQL does.
pub(crate) fn double_to_decimal(value: f64, scale: i8) -> Option<i128> {
    if !value.is_finite() {
        return None;
    }
    text_to_decimal(&format!("{value:e}"), scale)
}

/// Quotient rounded half away from zero; `divisor` is positive.
pub(crate) fn divide_half_up(value: i128, divisor: i128) -> i128 {
    let quotient = value / divisor;
    let rest = (value % divisor).unsigned_abs();
    let up = rest >= divisor.unsigned_abs() - rest;
    if !up {
        quotient
    } else if value < 0 {
        quotient - 1
    } else {
        quotient + 1
    }
}

/// Moves a decimal from one scale to another; `None` beyond 38 digits.
pub(crate) fn rescale(value: i128, from: i8, to: i8) -> Option<i128> {
    let shift = i32::from(to) - i32::from(from);
    if shift == 0 {
        return Some(value);
    }
    if shift > 0 {
        if shift > 38 {
            return (value == 0).then_some(0);
        }
        return value
            .checked_mul(pow10(shift.unsigned_abs()))
            .filter(|v| v.unsigned_abs() <= DECIMAL_MAX.unsigned_abs());
    }
    if shift < -38 {
        return Some(0);
    }
    Some(divide_half_up(value, pow10(shift.unsigned_abs())))
}

/// A double to the nearest integer (ties to even, as `rint`), saturating.
pub(crate) fn double_to_integer(value: f64) -> i128 {
    if value.is_nan() {
        return 0;
    }
    // `as` saturates; i128 holds every integer in question.
    value.round_ties_even() as i128
}

pub(crate) fn clamp_i64(value: i128) -> i64 {
    value.clamp(i128::from(i64::MIN), i128::from(i64::MAX)) as i64
}

/// An integer as the 64 bits that MySQL's bit operators see: negative numbers wrap.
pub(crate) fn to_bits(value: i128) -> u64 {
    if value < 0 {
        clamp_i64(value) as u64
    } else {
        value.min(i128::from(u64::MAX)) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_counts_up_to_its_numeric_prefix() {
        for (text, expected) in [
            ("10", 10.0),
            ("10abc", 10.0),
            ("  -1.5e2x", -150.0),
            ("abc", 0.0),
            ("", 0.0),
            (".5", 0.5),
            ("5.", 5.0),
            (".", 0.0),
            ("-", 0.0),
            ("1e", 1.0),
            ("1e+", 1.0),
            ("+3", 3.0),
            ("1e400", f64::MAX),
            ("-1e400", -f64::MAX),
        ] {
            assert_eq!(text_to_double(text), expected, "{text:?}");
        }
    }

    #[test]
    fn text_to_integer_stops_at_the_point() {
        assert_eq!(clamp_i64(text_to_integer("12.9")), 12);
        assert_eq!(clamp_i64(text_to_integer("-7x")), -7);
        assert_eq!(clamp_i64(text_to_integer("99999999999999999999")), i64::MAX);
        assert_eq!(
            text_to_integer("18446744073709551615"),
            i128::from(u64::MAX)
        );
    }

    #[test]
    fn text_to_decimal_rounds_half_away_from_zero() {
        assert_eq!(text_to_decimal("1.55", 1), Some(16));
        assert_eq!(text_to_decimal("-1.55", 1), Some(-16));
        assert_eq!(text_to_decimal("1.5e3", 0), Some(1500));
        assert_eq!(text_to_decimal("1e-3", 2), Some(0));
        assert_eq!(text_to_decimal("5e-3", 2), Some(1));
        assert_eq!(text_to_decimal("1e39", 0), None);
        assert_eq!(text_to_decimal("abc", 2), Some(0));
    }

    #[test]
    fn doubles_become_decimals_by_their_shortest_text() {
        assert_eq!(double_to_decimal(0.1, 3), Some(100));
        assert_eq!(double_to_decimal(1.005, 2), Some(101));
        assert_eq!(double_to_decimal(f64::INFINITY, 2), None);
    }

    #[test]
    fn rescale_rounds_down_and_refuses_overflow() {
        assert_eq!(rescale(125, 2, 1), Some(13));
        assert_eq!(rescale(-125, 2, 1), Some(-13));
        assert_eq!(rescale(DECIMAL_MAX, 0, 1), None);
        assert_eq!(rescale(5, 0, 3), Some(5000));
    }
}
