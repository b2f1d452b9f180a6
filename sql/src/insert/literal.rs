//! Literals of a parsed statement as values.
//!
//! MySQL tells numbers apart by how they are written; strings may carry a character set;
//! hexadecimal and binary literals are both. Anything that has to be computed is no literal.

use sqlparser::ast::{DataType, Expr, TimezoneInfo, TypedString, UnaryOperator, Value};

use super::Scalar;
use super::coerce::{canonical_decimal, typed_literal};
use crate::error::{Result, SqlError};

/// The value of a literal; `None` for any other expression.
pub(crate) fn literal(expr: &Expr) -> Result<Option<Scalar>> {
    Ok(match expr {
        Expr::Value(value) => literal_value(&value.value)?,
        Expr::UnaryOp { op, expr } => {
            let Expr::Value(value) = &**expr else {
                return Ok(None);
            };
            match (op, &value.value) {
                (UnaryOperator::Plus, Value::Number(digits, _)) => Some(number(digits, false)?),
                (UnaryOperator::Minus, Value::Number(digits, _)) => Some(number(digits, true)?),
                _ => None,
            }
        }
        // 0b01 is read as a name.
        Expr::Identifier(name) if name.quote_style.is_none() => {
            let digits = name.value.strip_prefix("0b");
            digits
                .filter(|digits| is_binary(digits))
                .map(|digits| Scalar::Bits(bits(digits)))
        }
        Expr::Prefixed { prefix, value } => {
            let Expr::Value(value) = &**value else {
                return Ok(None);
            };
            introduced(&prefix.value, &value.value)?
        }
        Expr::TypedString(TypedString {
            data_type, value, ..
        }) => typed(data_type, &value.value)?,
        _ => None,
    })
}

/// `DATE '..'`, `TIME '..'` and `TIMESTAMP '..'`.
fn typed(data_type: &DataType, value: &Value) -> Result<Option<Scalar>> {
    let kind = match data_type {
        DataType::Date => "DATE",
        DataType::Time(None, TimezoneInfo::None) => "TIME",
        DataType::Timestamp(None, TimezoneInfo::None) => "DATETIME",
        _ => return Ok(None),
    };
    let (Value::SingleQuotedString(text) | Value::DoubleQuotedString(text)) = value else {
        return Ok(None);
    };
    typed_literal(kind, text)
        .map(Some)
        .ok_or_else(|| SqlError::incorrect_typed_literal(kind, text))
}

fn literal_value(value: &Value) -> Result<Option<Scalar>> {
    Ok(Some(match value {
        Value::Null => Scalar::Null,
        Value::Boolean(value) => Scalar::Int((*value).into()),
        Value::Number(digits, _) => number(digits, false)?,
        Value::SingleQuotedString(text)
        | Value::DoubleQuotedString(text)
        | Value::NationalStringLiteral(text) => Scalar::Text(text.clone()),
        Value::HexStringLiteral(digits) => match hex(digits.as_bytes()) {
            Some(bytes) => Scalar::Bits(bytes),
            None => return Err(SqlError::syntax(&format!("X'{digits}'"), 1)),
        },
        Value::SingleQuotedByteStringLiteral(digits)
        | Value::DoubleQuotedByteStringLiteral(digits)
            if is_binary(digits) =>
        {
            Scalar::Bits(bits(digits))
        }
        _ => return Ok(None),
    }))
}

/// A number as MySQL classifies it by its form: integer, exact decimal or, with an exponent,
/// double.
pub(super) fn number(digits: &str, negative: bool) -> Result<Scalar> {
    if digits.contains(['e', 'E']) {
        let value = digits.parse().ok().filter(|value: &f64| value.is_finite());
        let value = value.ok_or_else(|| SqlError::illegal_double(digits))?;
        return Ok(Scalar::Double(if negative { -value } else { value }));
    }
    if !digits.contains('.')
        && let Ok(value) = digits.parse::<i128>()
    {
        return Ok(Scalar::Int(if negative { -value } else { value }));
    }
    let sign = if negative { "-" } else { "" };
    Ok(Scalar::Decimal(canonical_decimal(&format!(
        "{sign}{digits}"
    ))))
}

/// `_charset'..'`.
fn introduced(charset: &str, value: &Value) -> Result<Option<Scalar>> {
    let bytes = match value {
        Value::SingleQuotedString(text) | Value::DoubleQuotedString(text) => {
            text.clone().into_bytes()
        }
        Value::HexStringLiteral(digits) => match hex(digits.as_bytes()) {
            Some(bytes) => bytes,
            None => return Err(SqlError::syntax(&format!("X'{digits}'"), 1)),
        },
        _ => return Ok(None),
    };
    introduce(charset, bytes).map(Some)
}

/// A string under a character set introducer.
pub(super) fn introduce(charset: &str, bytes: Vec<u8>) -> Result<Scalar> {
    match charset.to_ascii_lowercase().as_str() {
        "_binary" => Ok(Scalar::Bytes(bytes)),
        "_utf8mb4" | "_utf8mb3" | "_utf8" => match String::from_utf8(bytes) {
            Ok(text) => Ok(Scalar::Text(text)),
            Err(error) => {
                let at = error.utf8_error().valid_up_to();
                let bad = error.as_bytes().iter().skip(at).take(3);
                let shown: String = bad.map(|byte| format!("{byte:02X}")).collect();
                Err(SqlError::invalid_character_string(&shown))
            }
        },
        // The first 256 characters of Unicode are those of latin1 (but for 0x80 to 0x9F, which
        // MySQL takes from cp1252 and nobody writes).
        "_latin1" => Ok(Scalar::Text(bytes.into_iter().map(char::from).collect())),
        "_ascii" if bytes.is_ascii() => {
            Ok(Scalar::Text(String::from_utf8(bytes).unwrap_or_default()))
        }
        other => Err(SqlError::not_supported(&format!("the introducer {other}"))),
    }
}

fn is_binary(digits: &str) -> bool {
    digits.bytes().all(|digit| matches!(digit, b'0' | b'1'))
}

/// Bytes of binary digits, filled up with zeros on the left.
pub(super) fn bits(digits: &str) -> Vec<u8> {
    let first = digits.len() % 8;
    let (head, rest) = digits.as_bytes().split_at(first);
    let byte = |digits: &[u8]| {
        digits
            .iter()
            .fold(0, |byte, digit| byte << 1 | (digit - b'0'))
    };
    let head = (!head.is_empty()).then(|| byte(head));
    head.into_iter().chain(rest.chunks(8).map(byte)).collect()
}

/// Bytes of hexadecimal digits, with a zero on the left of an odd number of them.
pub(crate) fn hex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|value| value as u8);
    let (head, rest) = digits.split_at(digits.len() % 2);
    let mut bytes = Vec::with_capacity(digits.len().div_ceil(2));
    for byte in head {
        bytes.push(digit(*byte)?);
    }
    for pair in rest.chunks_exact(2) {
        bytes.push(digit(pair[0])? << 4 | digit(pair[1])?);
    }
    Some(bytes)
}
