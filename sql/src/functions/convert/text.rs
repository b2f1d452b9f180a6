//! Values to text as MySQL prints them: doubles, decimals, dates and times.
//!
//! Every function appends to a `String`, so that columns are printed without an allocation per value.

use std::fmt::Write;

use crate::functions::datetime::calendar::{Clock, Date, split};

/// A double: shortest digits that read back, exponent form from 1e15 up and below 1e-15.
pub(crate) fn push_double(out: &mut String, value: f64) {
    // 17 significant digits always suffice; `{:e}` prints the fewest that read back.
    push_scientific(out, &format!("{value:e}"));
}

/// A double with exactly `decimals` digits behind the point; digits beyond the shortest text that reads
/// back are zeros.
pub(crate) fn push_fixed(out: &mut String, value: f64, decimals: u8) {
    let shortest = format!("{value:e}");
    let (mantissa, exponent) = shortest.split_once('e').unwrap_or((&shortest, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    let fraction = digits - 1 - exponent;
    if fraction > i32::from(decimals) || !value.is_finite() {
        // Fewer digits than there are: correctly rounded.
        let _ = write!(out, "{:.*}", usize::from(decimals), value);
        return;
    }
    if value < 0.0 {
        out.push('-');
    }
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let whole = (exponent + 1).max(0) as usize;
    if whole == 0 {
        out.push('0');
    } else {
        let padded = whole.saturating_sub(digits.len());
        out.push_str(&digits[..whole.min(digits.len())]);
        out.extend(std::iter::repeat_n('0', padded));
    }
    if decimals == 0 {
        return;
    }
    out.push('.');
    let from = out.len();
    out.extend(std::iter::repeat_n('0', (-exponent - 1).max(0) as usize));
    out.push_str(digits.get(whole..).unwrap_or(""));
    let have = out.len() - from;
    out.extend(std::iter::repeat_n(
        '0',
        usize::from(decimals).saturating_sub(have),
    ));
}

/// A FLOAT: six significant digits.
pub(crate) fn push_float(out: &mut String, value: f32) {
    push_scientific(out, &format!("{value:.5e}"));
}

/// `digits` is Rust's `-1.25e-7` form.
fn push_scientific(out: &mut String, digits: &str) {
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", digits),
    };
    let Some((mantissa, exponent)) = digits.split_once('e') else {
        // inf and NaN never leave an expression; printed for completeness.
        out.push_str(digits);
        return;
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (integer, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let fraction = fraction.trim_end_matches('0');
    if integer == "0" && fraction.is_empty() {
        // Negative zero too.
        out.push('0');
        return;
    }
    out.push_str(sign);
    // From 1e15 on only numbers that have digits behind the point are written out.
    if (0..15).contains(&exponent) || (exponent == 15 && fraction.len() > 15) {
        let exponent = exponent as usize;
        out.push_str(integer);
        if fraction.len() <= exponent {
            out.push_str(fraction);
            out.extend(std::iter::repeat_n('0', exponent - fraction.len()));
        } else {
            out.push_str(&fraction[..exponent]);
            out.push('.');
            out.push_str(&fraction[exponent..]);
        }
    } else if (-15..0).contains(&exponent) {
        out.push_str("0.");
        out.extend(std::iter::repeat_n(
            '0',
            exponent.unsigned_abs() as usize - 1,
        ));
        out.push_str(integer);
        out.push_str(fraction);
    } else {
        out.push_str(integer);
        if !fraction.is_empty() {
            out.push('.');
            out.push_str(fraction);
        }
        let _ = write!(out, "e{exponent}");
    }
}

/// A decimal with all of its `scale` digits.
pub(crate) fn push_decimal(out: &mut String, value: i128, scale: i8) {
    let scale = usize::from(scale.max(0).unsigned_abs());
    if value < 0 {
        out.push('-');
    }
    let digits = value.unsigned_abs().to_string();
    if scale == 0 {
        out.push_str(&digits);
        return;
    }
    if digits.len() > scale {
        let (integer, fraction) = digits.split_at(digits.len() - scale);
        let _ = write!(out, "{integer}.{fraction}");
    } else {
        let _ = write!(out, "0.{digits:0>scale$}");
    }
}

/// `YYYY-MM-DD`
pub(crate) fn push_date(out: &mut String, days: i32) {
    let date = Date::from_days(days);
    push_padded(out, date.year.unsigned_abs(), 4);
    out.push('-');
    push_padded(out, date.month, 2);
    out.push('-');
    push_padded(out, date.day, 2);
}

/// `YYYY-MM-DD HH:MM:SS[.f]`; without `fsp` six digits when there is a fraction, else none.
pub(crate) fn push_datetime(out: &mut String, micros: i64, fsp: Option<u8>) {
    let (days, micros) = split(micros);
    push_date(out, days);
    out.push(' ');
    push_clock(out, Clock::from_micros(micros), fsp);
}

/// `[-]HH:MM:SS[.f]`, the hours with as many digits as they need.
pub(crate) fn push_time(out: &mut String, micros: i64, fsp: Option<u8>) {
    if micros < 0 {
        out.push('-');
    }
    push_clock(out, Clock::from_micros(micros.wrapping_abs()), fsp);
}

fn push_clock(out: &mut String, clock: Clock, fsp: Option<u8>) {
    push_padded(out, clock.hour, 2);
    out.push(':');
    push_padded(out, clock.minute, 2);
    out.push(':');
    push_padded(out, clock.second, 2);
    let fsp = fsp.unwrap_or(if clock.micro == 0 { 0 } else { 6 }).min(6);
    if fsp > 0 {
        out.push('.');
        let digits = clock.micro / 10_u32.pow(6 - u32::from(fsp));
        push_padded(out, digits, usize::from(fsp));
    }
}

/// A number with leading zeros up to `width` digits.
pub(crate) fn push_padded(out: &mut String, value: u32, width: usize) {
    if width == 2 && value < 100 {
        out.push(char::from(b'0' + (value / 10) as u8));
        out.push(char::from(b'0' + (value % 10) as u8));
    } else {
        let _ = write!(out, "{value:0width$}");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn double(value: f64) -> String {
        let mut out = String::new();
        push_double(&mut out, value);
        out
    }

    #[test]
    fn doubles_print_as_mysql_does() {
        for (value, text) in [
            (0.0, "0"),
            (1.0, "1"),
            (-1.5, "-1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (1_234_567_890_123_456.8, "1234567890123456.8"),
            (1.5e300, "1.5e300"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (123_456.789, "123456.789"),
        ] {
            assert_eq!(double(value), text);
        }
    }

    #[test]
    fn fixed_doubles_pad_their_shortest_digits() {
        let fixed = |value: f64, decimals: u8| {
            let mut out = String::new();
            push_fixed(&mut out, value, decimals);
            out
        };
        assert_eq!(fixed(1.0, 2), "1.00");
        assert_eq!(fixed(0.0, 1), "0.0");
        assert_eq!(fixed(-1.5, 0), "-2");
        assert_eq!(fixed(1e20, 2), "100000000000000000000.00");
        assert_eq!(fixed(2.5, 30), "2.500000000000000000000000000000");
        assert_eq!(fixed(1e-16, 5), "0.00000");
        assert_eq!(fixed(0.05, 3), "0.050");
        assert_eq!(fixed(123.456, 2), "123.46");
    }

    #[test]
    fn decimals_keep_every_digit_of_their_scale() {
        let mut out = String::new();
        push_decimal(&mut out, 1200, 2);
        out.push(' ');
        push_decimal(&mut out, -5, 3);
        out.push(' ');
        push_decimal(&mut out, 0, 1);
        out.push(' ');
        push_decimal(&mut out, 7, 0);
        assert_eq!(out, "12.00 -0.005 0.0 7");
    }

    #[test]
    fn fractions_of_a_second_follow_the_fsp() {
        let mut out = String::new();
        push_time(&mut out, -3_600_500_000, None);
        out.push(' ');
        push_datetime(&mut out, 1_500_000, Some(3));
        out.push(' ');
        push_time(&mut out, 838 * 3_600_000_000, Some(0));
        assert_eq!(out, "-01:00:00.500000 1970-01-01 00:00:01.500 838:00:00");
    }
}
