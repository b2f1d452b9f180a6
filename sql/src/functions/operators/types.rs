//! Result types of MySQL's arithmetic: which operands make integers, decimals or doubles, and the
//! precision and scale of decimals.
//!
//! MySQL's decimals have 65 digits, ours 38: a precision is cut there and values that need more raise
//! 1690. Source: MySQL manual, "Arithmetic Operators" and "Precision Math".

use arrow::datatypes::{DataType, FieldRef};
use datafusion::common::ScalarValue;

use crate::functions::builtin::{Declared, declared_field, field_fsp};

/// Digits that a division adds to the scale of its dividend (`div_precision_increment`).
pub(crate) const DIVISION_DIGITS: i8 = 4;
/// Most digits behind the point (`DECIMAL_MAX_SCALE`).
pub(crate) const SCALE_MAX: i8 = 30;
/// Most digits of a decimal here.
pub(crate) const PRECISION_MAX: u8 = 38;

/// Field metadata: the scale that MySQL declares for a decimal which is kept with more digits, or the
/// digits behind the point that a double is printed with (ROUND).
pub const DECIMALS_KEY: &str = "storno.decimals";

/// What an operand is to arithmetic.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Int {
        digits: u8,
    },
    UInt {
        digits: u8,
    },
    /// `scale`: digits held; `decimals`: digits that MySQL declares, fewer within a division chain.
    Decimal {
        precision: u8,
        scale: i8,
        decimals: i8,
    },
    Double,
}

impl Kind {
    /// `literal` narrows the digits of an integer to those written.
    pub(crate) fn of(field: &FieldRef, literal: Option<&ScalarValue>) -> Self {
        let digits = |most: u8| written_digits(literal).unwrap_or(most);
        let temporal = |digits: u8| match field_fsp(field) {
            Some(fsp @ 1..=6) => Self::decimal(digits + fsp, fsp as i8),
            _ => Self::Int { digits },
        };
        match field.data_type() {
            DataType::Null | DataType::Boolean => Self::Int { digits: digits(1) },
            DataType::Int8 => Self::Int { digits: digits(3) },
            DataType::Int16 => Self::Int { digits: digits(5) },
            DataType::Int32 => Self::Int { digits: digits(10) },
            DataType::Int64 => Self::Int { digits: digits(19) },
            DataType::UInt8 => Self::UInt { digits: digits(3) },
            DataType::UInt16 => Self::UInt { digits: digits(5) },
            DataType::UInt32 => Self::UInt { digits: digits(10) },
            DataType::UInt64 => Self::UInt { digits: digits(20) },
            DataType::Decimal128(precision, scale) => {
                let decimals = field
                    .metadata()
                    .get(DECIMALS_KEY)
                    .and_then(|d| d.parse().ok());
                let decimals = decimals.unwrap_or(*scale);
                Self::Decimal {
                    precision: *precision,
                    scale: *scale,
                    decimals,
                }
            }
            DataType::Decimal256(_, scale) => Self::decimal(PRECISION_MAX, *scale),
            DataType::Date32 => Self::Int { digits: 8 },
            DataType::Timestamp(..) => temporal(14),
            DataType::Duration(_) => temporal(7),
            _ => Self::Double,
        }
    }

    fn decimal(precision: u8, scale: i8) -> Self {
        Self::Decimal {
            precision,
            scale,
            decimals: scale,
        }
    }

    /// How values of this kind are held.
    pub(crate) fn data_type(self) -> DataType {
        match self {
            Self::Int { .. } => DataType::Int64,
            Self::UInt { .. } => DataType::UInt64,
            Self::Decimal {
                precision, scale, ..
            } => DataType::Decimal128(precision, scale),
            Self::Double => DataType::Float64,
        }
    }

    pub(crate) fn is_unsigned(self) -> bool {
        matches!(self, Self::UInt { .. })
    }

    /// (digits before the point, digits behind it as declared, digits behind it as held)
    fn digits(self) -> (i16, i8, i8) {
        match self {
            Self::Int { digits } | Self::UInt { digits } => (digits.into(), 0, 0),
            Self::Decimal {
                precision,
                scale,
                decimals,
            } => (i16::from(precision) - i16::from(scale), decimals, scale),
            Self::Double => (0, 0, 0),
        }
    }

    /// Scale of the values held; 0 for integers.
    pub(crate) fn scale(self) -> i8 {
        self.digits().2
    }
}

fn written_digits(literal: Option<&ScalarValue>) -> Option<u8> {
    let text = match literal? {
        ScalarValue::Int64(Some(value)) => value.unsigned_abs().to_string(),
        ScalarValue::UInt64(Some(value)) => value.to_string(),
        ScalarValue::Boolean(Some(_)) => return Some(1),
        _ => return None,
    };
    u8::try_from(text.len()).ok()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Op {
    Add,
    Sub,
    Mul,
    Div,
    IntDiv,
    Mod,
}

/// How many digits a decimal result keeps.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Digits {
    /// Those that MySQL declares: for results that leave the expression.
    Declared,
    /// Those that MySQL calculates with: for operands, so that `2/3*100` is 66.6667.
    Internal,
}

/// The type of `left op right`, with its declared scale.
pub(crate) fn result(op: Op, left: Kind, right: Kind, digits: Digits) -> Kind {
    let double = left == Kind::Double || right == Kind::Double;
    let integer = |unsigned: bool| {
        if unsigned {
            Kind::UInt { digits: 20 }
        } else {
            Kind::Int { digits: 19 }
        }
    };
    let decimal = matches!(left, Kind::Decimal { .. }) || matches!(right, Kind::Decimal { .. });
    match op {
        Op::IntDiv => integer(left.is_unsigned() || right.is_unsigned()),
        _ if double => Kind::Double,
        Op::Div => decimal_result(op, left, right, digits),
        _ if decimal => decimal_result(op, left, right, digits),
        Op::Mod => integer(left.is_unsigned()),
        _ => integer(left.is_unsigned() || right.is_unsigned()),
    }
}

fn decimal_result(op: Op, left: Kind, right: Kind, digits: Digits) -> Kind {
    let (left_integer, left_decimals, left_scale) = left.digits();
    let (right_integer, right_decimals, right_scale) = right.digits();
    let (integer, decimals, scale) = match op {
        Op::Mul => {
            let sum = left_scale.saturating_add(right_scale);
            (
                left_integer + right_integer,
                left_decimals + right_decimals,
                sum.min(18),
            )
        }
        Op::Div => (
            left_integer + i16::from(right_decimals),
            left_decimals + DIVISION_DIGITS,
            division_scale(left_scale, right_scale),
        ),
        Op::Mod => (
            left_integer.max(right_integer),
            left_decimals.max(right_decimals),
            left_scale.max(right_scale),
        ),
        Op::Add | Op::Sub | Op::IntDiv => (
            left_integer.max(right_integer) + 1,
            left_decimals.max(right_decimals),
            left_scale.max(right_scale),
        ),
    };
    let decimals = decimals.min(SCALE_MAX);
    let scale = match digits {
        Digits::Declared => decimals,
        Digits::Internal => scale.max(decimals),
    };
    let precision = (integer + i16::from(scale)).clamp(1, PRECISION_MAX.into()) as u8;
    Kind::Decimal {
        precision: precision.max(scale.unsigned_abs()),
        scale,
        decimals,
    }
}

/// Digits behind the point that MySQL's division calculates: whole words of nine digits.
pub(crate) fn division_scale(left: i8, right: i8) -> i8 {
    let words = |scale: i8| (i16::from(scale) + 8) / 9 * 9;
    let (left_words, right_words) = (words(left), words(right));
    let spare = left_words - i16::from(left) + right_words - i16::from(right);
    let more = (i16::from(DIVISION_DIGITS) - spare).max(0);
    let scale = (left_words + right_words + more + 8) / 9 * 9;
    scale.min(18) as i8
}

/// The Arrow field of a result named `name`.
pub(crate) fn field(name: &str, kind: Kind) -> FieldRef {
    declared_field(name, Declared::of_kind(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const INT: Kind = Kind::Int { digits: 10 };
    const UINT: Kind = Kind::UInt { digits: 20 };

    fn decimal(precision: u8, scale: i8) -> Kind {
        Kind::decimal(precision, scale)
    }

    #[test]
    fn integers_stay_integers_except_under_division() {
        assert_eq!(
            result(Op::Add, INT, INT, Digits::Declared),
            Kind::Int { digits: 19 }
        );
        assert_eq!(result(Op::Sub, INT, UINT, Digits::Declared), UINT);
        assert_eq!(
            result(Op::Mod, INT, UINT, Digits::Declared),
            Kind::Int { digits: 19 }
        );
        assert_eq!(result(Op::IntDiv, INT, UINT, Digits::Declared), UINT);
        assert_eq!(result(Op::Div, INT, INT, Digits::Declared), decimal(14, 4));
    }

    #[test]
    fn decimals_follow_mysqls_precision_and_scale() {
        let (a, b) = (decimal(5, 2), decimal(6, 3));
        assert_eq!(result(Op::Add, a, b, Digits::Declared), decimal(7, 3));
        assert_eq!(result(Op::Mul, a, b, Digits::Declared), decimal(11, 5));
        assert_eq!(result(Op::Div, a, b, Digits::Declared), decimal(12, 6));
        assert_eq!(result(Op::Mod, a, b, Digits::Declared), decimal(6, 3));
        assert_eq!(
            result(Op::Mul, decimal(38, 2), a, Digits::Declared),
            decimal(38, 4)
        );
    }

    #[test]
    fn operands_of_division_chains_keep_whole_words_of_digits() {
        let third = result(Op::Div, INT, INT, Digits::Internal);
        assert_eq!(
            third,
            Kind::Decimal {
                precision: 19,
                scale: 9,
                decimals: 4
            }
        );
        let percent = result(Op::Mul, third, INT, Digits::Declared);
        assert_eq!(percent, decimal(24, 4));
    }
}
