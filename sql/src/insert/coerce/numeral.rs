//! Numbers written as text: the longest numeric prefix of a string, and its exact rounding.
//!
//! MySQL reads as much of a string as looks like a number. Deciding whether what is left over is an
//! error is the column's part.

/// The numeric prefix of a string: `[+-]digits[.digits][e[+-]digits]`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Numeral<'a> {
    pub(super) negative: bool,
    whole: &'a [u8],
    fraction: &'a [u8],
    exponent: i32,
    /// The prefix itself, from the sign on; readable by `str::parse::<f64>`.
    pub(super) text: &'a [u8],
    /// What stands behind it.
    pub(super) rest: &'a [u8],
}

/// A value was not representable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Overflow;

/// A decimal rounded to a scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Rounded {
    /// Value times ten to the power of the scale.
    pub(super) unscaled: i128,
    /// Digits other than zero were dropped.
    pub(super) inexact: bool,
}

/// Exponents beyond this change nothing: no column has as many digits.
const EXPONENT_MAX: i32 = 100_000;

impl<'a> Numeral<'a> {
    /// `None` when the string does not begin (after white space) with a number.
    pub(super) fn prefix(string: &'a [u8]) -> Option<Self> {
        let string = string.trim_ascii_start();
        let (negative, digits) = match string {
            [b'-', digits @ ..] => (true, digits),
            [b'+', digits @ ..] => (false, digits),
            digits => (false, digits),
        };
        let (whole, mut rest) = take_digits(digits);
        let mut fraction: &[u8] = &[];
        if let [b'.', behind @ ..] = rest {
            (fraction, rest) = take_digits(behind);
        }
        if whole.is_empty() && fraction.is_empty() {
            return None;
        }
        let mut exponent = 0;
        if let Some((value, behind)) = take_exponent(rest) {
            (exponent, rest) = (value, behind);
        }
        let text = &string[..string.len() - rest.len()];
        Some(Self {
            negative,
            whole,
            fraction,
            exponent,
            text,
            rest,
        })
    }

    pub(super) fn is_zero(&self) -> bool {
        self.whole
            .iter()
            .chain(self.fraction)
            .all(|digit| *digit == b'0')
    }

    /// The value at `scale`, half rounded away from zero.
    pub(super) fn rounded(&self, scale: u8) -> Result<Rounded, Overflow> {
        // Position in the run of all digits behind which the rounded value ends.
        let end = self.whole.len() as i64 + i64::from(self.exponent) + i64::from(scale);
        let digits = || self.whole.iter().chain(self.fraction);
        let mut unscaled: i128 = 0;
        let mut taken = 0;
        for digit in digits().take(usize::try_from(end.max(0)).unwrap_or(usize::MAX)) {
            unscaled = push_digit(unscaled, digit - b'0').ok_or(Overflow)?;
            taken += 1;
        }
        while taken < end && unscaled != 0 {
            unscaled = push_digit(unscaled, 0).ok_or(Overflow)?;
            taken += 1;
        }
        let dropped = || digits().skip(usize::try_from(end.max(0)).unwrap_or(usize::MAX));
        let inexact = dropped().any(|digit| *digit != b'0');
        if end >= 0 && dropped().next().is_some_and(|digit| *digit >= b'5') {
            unscaled = unscaled.checked_add(1).ok_or(Overflow)?;
        }
        Ok(Rounded {
            unscaled: if self.negative { -unscaled } else { unscaled },
            inexact,
        })
    }

    /// The nearest double; infinite when there is none.
    pub(super) fn double(&self) -> f64 {
        // Digits, sign, point and exponent are ASCII and in Rust's own form.
        std::str::from_utf8(self.text)
            .ok()
            .and_then(|text| text.parse().ok())
            .unwrap_or(0.0)
    }
}

fn push_digit(value: i128, digit: u8) -> Option<i128> {
    value.checked_mul(10)?.checked_add(i128::from(digit))
}

fn take_digits(text: &[u8]) -> (&[u8], &[u8]) {
    let end = text
        .iter()
        .position(|byte| !byte.is_ascii_digit())
        .unwrap_or(text.len());
    text.split_at(end)
}

fn take_exponent(text: &[u8]) -> Option<(i32, &[u8])> {
    let [b'e' | b'E', behind @ ..] = text else {
        return None;
    };
    let (negative, behind) = match behind {
        [b'-', digits @ ..] => (true, digits),
        [b'+', digits @ ..] => (false, digits),
        digits => (false, digits),
    };
    let (digits, rest) = take_digits(behind);
    if digits.is_empty() {
        return None;
    }
    let value = digits.iter().fold(0_i32, |value, digit| {
        (value * 10 + i32::from(digit - b'0')).min(EXPONENT_MAX)
    });
    Some((if negative { -value } else { value }, rest))
}

/// The canonical text of a decimal literal such as `.5`, `5.` or `007.10`, as MySQL prints it.
pub(in crate::insert) fn canonical_decimal(literal: &str) -> String {
    let (negative, digits) = match literal.strip_prefix('-') {
        Some(digits) => (true, digits),
        None => (false, literal.strip_prefix('+').unwrap_or(literal)),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    let zero = whole == "0" && fraction.bytes().all(|digit| digit == b'0');
    let sign = if negative && !zero { "-" } else { "" };
    if fraction.is_empty() {
        format!("{sign}{whole}")
    } else {
        format!("{sign}{whole}.{fraction}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rounded(text: &str, scale: u8) -> Result<(i128, bool), Overflow> {
        let numeral = Numeral::prefix(text.as_bytes()).expect(text);
        numeral.rounded(scale).map(|r| (r.unscaled, r.inexact))
    }

    #[test]
    fn half_is_rounded_away_from_zero_exactly() {
        assert_eq!(rounded("2.5", 0), Ok((3, true)));
        assert_eq!(rounded("-2.5", 0), Ok((-3, true)));
        assert_eq!(rounded("2.4999999999999999999999", 0), Ok((2, true)));
        assert_eq!(rounded("1.235", 2), Ok((124, true)));
        assert_eq!(rounded("5e-1", 0), Ok((1, true)));
        assert_eq!(rounded("5e-2", 0), Ok((0, true)));
        assert_eq!(rounded("99.5", 0), Ok((100, true)));
    }

    #[test]
    fn exponents_move_the_point() {
        assert_eq!(rounded("1.5e3", 0), Ok((1500, false)));
        assert_eq!(rounded("15e-1", 1), Ok((15, false)));
        assert_eq!(rounded("1e-400", 2), Ok((0, true)));
        assert_eq!(rounded("0e999999999999", 2), Ok((0, false)));
        assert_eq!(rounded("1e400", 2), Err(Overflow));
        assert_eq!(
            rounded("000000000000000000000000000000000000000000001", 0),
            Ok((1, false))
        );
    }

    #[test]
    fn the_prefix_ends_where_the_number_ends() {
        for (text, prefix, rest) in [
            ("12abc", "12", "abc"),
            ("  -1.5e2 x", "-1.5e2", " x"),
            ("1e", "1", "e"),
            ("1e+", "1", "e+"),
            (".5.", ".5", "."),
            ("5.", "5.", ""),
            ("0x41", "0", "x41"),
        ] {
            let numeral = Numeral::prefix(text.as_bytes()).expect(text);
            assert_eq!(numeral.text, prefix.as_bytes(), "{text}");
            assert_eq!(numeral.rest, rest.as_bytes(), "{text}");
        }
        for text in ["", "abc", "-", ".", "+-5", "e5", "inf", "nan"] {
            assert_eq!(Numeral::prefix(text.as_bytes()), None, "{text}");
        }
    }

    #[test]
    fn decimal_literals_have_one_text() {
        for (literal, text) in [
            (".5", "0.5"),
            ("5.", "5"),
            ("007.10", "7.10"),
            ("-0.0", "0.0"),
            ("-.5", "-0.5"),
            ("0", "0"),
        ] {
            assert_eq!(canonical_decimal(literal), text);
        }
    }
}
