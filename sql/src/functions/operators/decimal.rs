//! Kernels of exact decimal arithmetic on i128, through i256 where a product needs it.

use arrow::datatypes::i256;

use super::types::Op;
use crate::functions::convert::number::{DECIMAL_MAX, divide_half_up, pow10, rescale};
use crate::functions::warnings::division_by_zero;

/// Scales of the operands and of the result.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Scales {
    pub(crate) left: i8,
    pub(crate) right: i8,
    pub(crate) result: i8,
    /// A quotient is cut off instead of rounded: MySQL rounds only at the end of the expression.
    pub(crate) truncate: bool,
}

/// A result with more than 38 digits.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// One value; `Ok(None)` is division by zero.
pub(crate) fn calculate(
    op: Op,
    x: i128,
    y: i128,
    scales: Scales,
) -> Result<Option<i128>, TooLarge> {
    let Scales {
        left,
        right,
        result,
        ..
    } = scales;
    match op {
        Op::Add | Op::Sub => {
            let scale = left.max(right);
            let x = rescale(x, left, scale).ok_or(TooLarge)?;
            let y = rescale(y, right, scale).ok_or(TooLarge)?;
            let sum = if op == Op::Add { x + y } else { x - y };
            fit(rescale(sum, scale, result))
        }
        Op::Mul => match x.checked_mul(y) {
            Some(product) => fit(rescale(product, left + right, result)),
            None => {
                let product = i256::from_i128(x) * i256::from_i128(y);
                fit(narrow(product, left + right - result))
            }
        },
        Op::Div if y == 0 => Ok(division_by_zero()),
        Op::Div => fit(divide(x, y, scales)),
        Op::IntDiv if y == 0 => Ok(division_by_zero()),
        Op::IntDiv => {
            let scales = Scales {
                result: 0,
                truncate: true,
                ..scales
            };
            fit(divide(x, y, scales))
        }
        Op::Mod if y == 0 => Ok(division_by_zero()),
        Op::Mod => {
            let scale = left.max(right);
            // Moving up to a common scale can need more than 38 digits only for absurd operands.
            let x = rescale(x, left, scale).ok_or(TooLarge)?;
            let y = rescale(y, right, scale).ok_or(TooLarge)?;
            fit(rescale(x % y, scale, result))
        }
    }
}

fn fit(value: Option<i128>) -> Result<Option<i128>, TooLarge> {
    match value {
        Some(value) if value.unsigned_abs() <= DECIMAL_MAX.unsigned_abs() => Ok(Some(value)),
        _ => Err(TooLarge),
    }
}

/// `x / y` at the scale of the result; `None` beyond 38 digits.
fn divide(x: i128, y: i128, scales: Scales) -> Option<i128> {
    let shift = i32::from(scales.result) + i32::from(scales.right) - i32::from(scales.left);
    if shift < 0 {
        // The dividend has more digits than the quotient keeps.
        let y = y.checked_mul(pow10(shift.unsigned_abs()))?;
        return Some(quotient(x, y, scales.truncate));
    }
    if let Some(x) = small_product(x, shift.unsigned_abs())
        && let Ok(y) = i64::try_from(y)
    {
        return Some(quotient64(x, y, scales.truncate));
    }
    let scaled = if shift <= 38 {
        x.checked_mul(pow10(shift.unsigned_abs()))
    } else {
        None
    };
    match scaled {
        Some(x) => Some(quotient(x, y, scales.truncate)),
        None => divide_wide(x, y, shift.unsigned_abs(), scales.truncate),
    }
}

/// `x * 10^shift` when that surely fits an i64, whose division is many times faster.
fn small_product(x: i128, shift: u32) -> Option<i64> {
    if shift > 9 {
        return None;
    }
    i64::try_from(x).ok()?.checked_mul(10_i64.pow(shift))
}

fn quotient64(x: i64, y: i64, truncate: bool) -> i128 {
    let (x, y) = (i128::from(x), y);
    if let (Ok(x), false) = (i64::try_from(x), y == -1) {
        let quotient = x / y;
        let rest = (x % y).unsigned_abs();
        let up = !truncate && rest >= y.unsigned_abs() - rest;
        let sign = if (x < 0) == (y < 0) { 1 } else { -1 };
        return i128::from(quotient) + if up { sign } else { 0 };
    }
    quotient(x, y.into(), truncate)
}

fn quotient(x: i128, y: i128, truncate: bool) -> i128 {
    if truncate {
        x / y
    } else if y < 0 {
        divide_half_up(-x, -y)
    } else {
        divide_half_up(x, y)
    }
}

fn divide_wide(x: i128, y: i128, shift: u32, truncate: bool) -> Option<i128> {
    // 10^76 is the most that i256 holds.
    let scaled = i256::from_i128(x).checked_mul(i256::from_i128(10).checked_pow(shift)?)?;
    let divisor = i256::from_i128(y);
    let quotient = scaled.checked_div(divisor)?;
    let rest = scaled.checked_rem(divisor)?.wrapping_abs();
    let up = !truncate && rest >= divisor.wrapping_abs() - rest;
    let one = i256::from_i128(if (x < 0) == (y < 0) { 1 } else { -1 });
    let quotient = if up {
        quotient.checked_add(one)?
    } else {
        quotient
    };
    quotient.to_i128()
}

/// A wide product with `drop` digits fewer, rounded.
fn narrow(product: i256, drop: i8) -> Option<i128> {
    if drop <= 0 {
        return product.to_i128();
    }
    let divisor = i256::from_i128(10).checked_pow(u32::from(drop.unsigned_abs()))?;
    let quotient = product.checked_div(divisor)?;
    let rest = product.checked_rem(divisor)?.wrapping_abs();
    let one = i256::from_i128(if product.is_negative() { -1 } else { 1 });
    let up = rest >= divisor - rest;
    (if up {
        quotient.checked_add(one)?
    } else {
        quotient
    })
    .to_i128()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scales(left: i8, right: i8, result: i8) -> Scales {
        Scales {
            left,
            right,
            result,
            truncate: false,
        }
    }

    #[test]
    fn sums_and_products_are_exact() {
        // 1.1 + 1.25
        assert_eq!(calculate(Op::Add, 11, 125, scales(1, 2, 2)), Ok(Some(235)));
        assert_eq!(calculate(Op::Sub, 11, 125, scales(1, 2, 2)), Ok(Some(-15)));
        assert_eq!(calculate(Op::Mul, 11, 125, scales(1, 2, 3)), Ok(Some(1375)));
        assert_eq!(
            calculate(Op::Add, DECIMAL_MAX, 1, scales(0, 0, 0)),
            Err(TooLarge)
        );
    }

    #[test]
    fn wide_products_round_into_their_scale() {
        let x = 10_i128.pow(30) + 5 * 10_i128.pow(14);
        // (10^15 + 0.5) * 10^15, both with 15 digits behind the point
        let product = calculate(Op::Mul, x, 10_i128.pow(30), scales(15, 15, 0));
        assert_eq!(product, Ok(Some(10_i128.pow(30) + 5 * 10_i128.pow(14))));
    }

    #[test]
    fn quotients_round_half_away_from_zero() {
        assert_eq!(calculate(Op::Div, 7, 2, scales(0, 0, 4)), Ok(Some(35_000)));
        assert_eq!(calculate(Op::Div, 2, 3, scales(0, 0, 4)), Ok(Some(6667)));
        assert_eq!(calculate(Op::Div, -2, 3, scales(0, 0, 4)), Ok(Some(-6667)));
        assert_eq!(calculate(Op::Div, 2, -3, scales(0, 0, 4)), Ok(Some(-6667)));
        assert_eq!(calculate(Op::Div, 1, 0, scales(0, 0, 4)), Ok(None));
        let cut = Scales {
            truncate: true,
            ..scales(0, 0, 9)
        };
        assert_eq!(calculate(Op::Div, 2, 3, cut), Ok(Some(666_666_666)));
        let large = 10_i128.pow(37);
        assert_eq!(
            calculate(Op::Div, large, 10_i128.pow(5), scales(0, 0, 4)),
            Ok(Some(10_i128.pow(36)))
        );
        assert_eq!(
            calculate(Op::Div, i64::MIN.into(), -1, scales(0, 0, 0)),
            Ok(Some(1 << 63))
        );
    }

    #[test]
    fn rests_take_the_dividends_sign() {
        assert_eq!(calculate(Op::Mod, 100, 33, scales(1, 1, 1)), Ok(Some(1)));
        assert_eq!(calculate(Op::Mod, -100, 33, scales(1, 1, 1)), Ok(Some(-1)));
        assert_eq!(calculate(Op::Mod, 10, 33, scales(0, 1, 1)), Ok(Some(1)));
        assert_eq!(calculate(Op::IntDiv, 75, 2, scales(1, 0, 0)), Ok(Some(3)));
    }
}
