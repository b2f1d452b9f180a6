//! A literal of a condition, and what it becomes where a column of some type meets it.
//!
//! The rules are those of `coerce`, for the plainest forms alone. What is not said here is planned.

use datafusion::common::ScalarValue;

use crate::functions::datetime::literal::datetime;
use crate::insert::Scalar;

const DAY_MICROS: i64 = 86_400_000_000;
/// Integers up to here are doubles, too.
const EXACT_DOUBLE: i64 = 1 << 53;

#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Literal {
    /// Digits.
    Int(i64),
    /// A string, and what else its characters say.
    Text(String, Reading),
    /// A DATETIME bound to a placeholder, microseconds since 1970.
    DateTime(i64),
    /// A DATE bound to a placeholder, days since 1970.
    Date(i32),
}

/// What a string is read as by a column that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reading {
    Int(i64),
    /// `2024-01-31`, in microseconds since 1970.
    Date(i64),
    /// `2024-01-31 12:30:45`, in microseconds since 1970.
    DateTime(i64),
    Other,
}

impl Literal {
    pub(super) fn of_digits(digits: &str) -> Option<Self> {
        let plain = digits.len() < 19 && digits.bytes().all(|b| b.is_ascii_digit());
        plain.then(|| digits.parse().ok().map(Self::Int))?
    }

    pub(super) fn of_text(text: String) -> Self {
        let reading = Reading::of(&text);
        Self::Text(text, reading)
    }

    pub(super) fn of_param(param: &Scalar) -> Option<Self> {
        match param {
            // Its negative form is an expression.
            Scalar::Int(i) => i64::try_from(*i).ok().filter(|i| *i >= 0).map(Self::Int),
            Scalar::Text(text) => Some(Self::of_text(text.clone())),
            Scalar::DateTime { micros, fsp: 0 } => Some(Self::DateTime(*micros)),
            Scalar::Date(days) => Some(Self::Date(*days)),
            _ => None,
        }
    }

    /// Literals of one class are planned alike, but for values that do not fit into a column.
    pub(super) fn class(&self) -> u8 {
        match self {
            Self::Int(_) => b'i',
            Self::Text(_, Reading::Int(_)) => b'n',
            Self::Text(_, Reading::Date(_)) => b'd',
            Self::Text(_, Reading::DateTime(_)) => b't',
            Self::Text(_, Reading::Other) => b's',
            Self::DateTime(_) => b'T',
            Self::Date(_) => b'D',
        }
    }

    /// The value as one of the type of `like`; `None` if that takes more than is known here.
    pub(super) fn as_value(&self, like: &ScalarValue) -> Option<ScalarValue> {
        use ScalarValue as V;
        if let (Self::Text(text, _), V::Utf8(_) | V::LargeUtf8(_) | V::Utf8View(_)) = (self, like) {
            let text = Some(text.clone());
            return Some(match like {
                V::Utf8(_) => V::Utf8(text),
                V::LargeUtf8(_) => V::LargeUtf8(text),
                _ => V::Utf8View(text),
            });
        }
        let (day, micros) = match self {
            Self::Int(i) | Self::Text(_, Reading::Int(i)) => return integer(*i, like),
            Self::Text(_, Reading::Date(micros)) => {
                (i32::try_from(micros / DAY_MICROS).ok(), *micros)
            }
            Self::Text(_, Reading::DateTime(micros)) | Self::DateTime(micros) => (None, *micros),
            Self::Date(days) => (Some(*days), i64::from(*days) * DAY_MICROS),
            Self::Text(_, Reading::Other) => return None,
        };
        match like {
            V::Date32(_) => day.map(|day| V::Date32(Some(day))),
            V::TimestampMicrosecond(_, None) => Some(V::TimestampMicrosecond(Some(micros), None)),
            _ => None,
        }
    }
}

impl Reading {
    fn of(text: &str) -> Self {
        let bytes = text.as_bytes();
        let has_form = |form: &[u8]| {
            let fits = |(b, f): (&u8, &u8)| match f {
                b'0' => b.is_ascii_digit(),
                other => b == other,
            };
            bytes.len() == form.len() && bytes.iter().zip(form).all(fits)
        };
        if has_form(b"0000-00-00") {
            // Before 1970 division would round up.
            let micros = datetime(text).filter(|micros| *micros >= 0);
            return micros.map_or(Self::Other, Self::Date);
        }
        if has_form(b"0000-00-00 00:00:00") {
            return datetime(text).map_or(Self::Other, Self::DateTime);
        }
        match Literal::of_digits(text) {
            Some(Literal::Int(i)) => Self::Int(i),
            _ => Self::Other,
        }
    }
}

fn integer(value: i64, like: &ScalarValue) -> Option<ScalarValue> {
    use ScalarValue as V;
    Some(match like {
        V::Int8(_) => V::Int8(Some(value.try_into().ok()?)),
        V::Int16(_) => V::Int16(Some(value.try_into().ok()?)),
        V::Int32(_) => V::Int32(Some(value.try_into().ok()?)),
        V::Int64(_) => V::Int64(Some(value)),
        V::UInt8(_) => V::UInt8(Some(value.try_into().ok()?)),
        V::UInt16(_) => V::UInt16(Some(value.try_into().ok()?)),
        V::UInt32(_) => V::UInt32(Some(value.try_into().ok()?)),
        V::UInt64(_) => V::UInt64(Some(value.try_into().ok()?)),
        V::Float64(_) if value <= EXACT_DOUBLE => V::Float64(Some(value as f64)),
        V::Decimal128(_, precision, scale) => {
            let factor = 10_i128.checked_pow(u32::try_from(*scale).ok()?)?;
            let value = i128::from(value).checked_mul(factor)?;
            let most = 10_i128.checked_pow(u32::from(*precision))?;
            (value < most).then_some(V::Decimal128(Some(value), *precision, *scale))?
        }
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(s: &str) -> Literal {
        Literal::of_text(s.into())
    }

    #[test]
    fn a_string_is_what_the_column_wants() {
        let moment = ScalarValue::TimestampMicrosecond(Some(0), None);
        let micros = |l: &Literal| match l.as_value(&moment) {
            Some(ScalarValue::TimestampMicrosecond(micros, None)) => micros,
            _ => None,
        };
        assert_eq!(micros(&text("1970-01-02")), Some(DAY_MICROS));
        assert_eq!(
            micros(&text("1970-01-02 00:00:01")),
            Some(DAY_MICROS + 1_000_000)
        );
        assert_eq!(micros(&text("1970-13-02")), None);
        assert_eq!(micros(&text("1970-01-02 00:00:01.5")), None);
        let day = ScalarValue::Date32(Some(0));
        assert_eq!(
            text("1970-01-02").as_value(&day),
            Some(ScalarValue::Date32(Some(1)))
        );
        assert_eq!(text("1970-01-02 00:00:00").as_value(&day), None);
        let number = ScalarValue::Int32(Some(0));
        assert_eq!(
            text("17").as_value(&number),
            Some(ScalarValue::Int32(Some(17)))
        );
        assert_eq!(text("1.7").as_value(&number), None);
        let string = ScalarValue::Utf8View(Some(String::new()));
        let same = |s: &str| Some(ScalarValue::Utf8View(Some(s.into())));
        assert_eq!(text("1970-01-02").as_value(&string), same("1970-01-02"));
    }

    #[test]
    fn a_number_that_does_not_fit_is_left_to_planning() {
        let int = |i: i64, like: ScalarValue| Literal::Int(i).as_value(&like);
        assert_eq!(int(300, ScalarValue::Int8(Some(1))), None);
        assert_eq!(int(i64::MAX, ScalarValue::Float64(Some(1.0))), None);
        let decimal = |v| ScalarValue::Decimal128(Some(v), 5, 2);
        assert_eq!(int(999, decimal(1)), Some(decimal(99_900)));
        assert_eq!(int(1000, decimal(1)), None);
        assert_eq!(int(1, ScalarValue::Utf8View(None)), None);
    }
}
