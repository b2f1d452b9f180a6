//! One JSON object as values by name, as HTTP and NDJSON files bring rows.
//!
//! Numbers keep their digits: they are read as text, never as doubles. Objects and arrays inside are the text of
//! a document, without white space between its parts.

use std::fmt;

use serde::Deserializer;
use serde::de::{Error, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::insert::Scalar;

/// More values than a table can have columns by far: an object with more is no row.
const VALUES_MAX: usize = 10_000;

/// Powers of ten that are written out as zeros.
const ZEROS_MAX: i64 = 100;

/// Names and values in their order; a name may be there twice. Of text that is JSON but no object, the error is
/// of the category `Data`.
pub(crate) fn values_of(text: &[u8]) -> serde_json::Result<Vec<(String, Scalar)>> {
    let mut reader = serde_json::Deserializer::from_slice(text);
    let values = reader.deserialize_map(Values)?;
    reader.end()?;
    Ok(values)
}

struct Values;

impl<'de> Visitor<'de> for Values {
    type Value = Vec<(String, Scalar)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut values = Vec::new();
        while let Some(name) = map.next_key::<String>()? {
            if values.len() == VALUES_MAX {
                let text = format!("more than {VALUES_MAX} values");
                return Err(A::Error::custom(text));
            }
            let value = map.next_value::<&RawValue>()?;
            values.push((name, scalar(value.get()).map_err(A::Error::custom)?));
        }
        Ok(values)
    }
}

/// A value by its text, which is JSON without white space around it.
fn scalar(text: &str) -> serde_json::Result<Scalar> {
    Ok(match text.as_bytes().first() {
        Some(b'n') => Scalar::Null,
        Some(b't') => Scalar::Int(1),
        Some(b'f') => Scalar::Int(0),
        Some(b'"') => Scalar::Text(serde_json::from_str(text)?),
        Some(b'{' | b'[') => Scalar::Text(compact(text)),
        _ => number(text),
    })
}

fn number(text: &str) -> Scalar {
    let written_out = match text.split_once(['e', 'E']) {
        None => text.to_owned(),
        Some((digits, exponent)) => match shifted(digits, exponent) {
            Some(text) => text,
            // Too large or too small for anything but a double.
            None => return Scalar::Double(text.parse().unwrap_or(0.0)),
        },
    };
    match written_out.parse::<i128>() {
        Ok(integer) => Scalar::Int(integer),
        Err(_) => Scalar::Decimal(written_out),
    }
}

/// Digits with their point moved.
fn shifted(digits: &str, exponent: &str) -> Option<String> {
    let exponent: i64 = exponent.parse().ok()?;
    let (sign, digits) = match digits.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", digits),
    };
    let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
    let all = format!("{whole}{fraction}");
    let point = i64::try_from(whole.len()).ok()?.checked_add(exponent)?;
    let zeros = |count: i64| match (0..=ZEROS_MAX).contains(&count) {
        true => Some("0".repeat(usize::try_from(count).ok()?)),
        false => None,
    };
    let (whole, fraction) = match usize::try_from(point) {
        Ok(at) if at < all.len() => all
            .split_at_checked(at)
            .map(|(w, f)| (w.into(), f.into()))?,
        Ok(at) => (
            all.clone() + &zeros((at - all.len()) as i64)?,
            String::new(),
        ),
        Err(_) => (String::new(), zeros(point.checked_neg()?)? + &all),
    };
    let whole = whole.trim_start_matches('0');
    let whole = if whole.is_empty() { "0" } else { whole };
    Some(match fraction.is_empty() {
        true => format!("{sign}{whole}"),
        false => format!("{sign}{whole}.{fraction}"),
    })
}

/// A document without white space outside its strings.
fn compact(text: &str) -> String {
    let (mut in_string, mut escaped) = (false, false);
    let keeps = |c: &char| {
        let keep = in_string || !c.is_ascii_whitespace();
        in_string ^= *c == '"' && !escaped;
        escaped = in_string && *c == '\\' && !escaped;
        keep
    };
    text.chars().filter(keeps).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(text: &str) -> Scalar {
        let object = format!("{{\"a\": {text} }}");
        let values = values_of(object.as_bytes()).expect(text);
        assert_eq!(values.len(), 1);
        values[0].1.clone()
    }

    #[test]
    fn numbers_keep_their_digits() {
        let decimal = |text: &str| Scalar::Decimal(text.into());
        for (text, expected) in [
            ("1234567890123456.7891", decimal("1234567890123456.7891")),
            (
                "12345678901234567890123456789",
                Scalar::Int(12_345_678_901_234_567_890_123_456_789),
            ),
            ("-0.50", decimal("-0.50")),
            ("1.5e3", Scalar::Int(1500)),
            ("-1.25E+1", decimal("-12.5")),
            ("12e-3", decimal("0.012")),
            ("0.5e1", Scalar::Int(5)),
            ("1e2", Scalar::Int(100)),
            ("1e300", Scalar::Double(1e300)),
            ("1e-300", Scalar::Double(1e-300)),
            ("true", Scalar::Int(1)),
            ("null", Scalar::Null),
        ] {
            assert_eq!(value(text), expected, "{text}");
        }
        let digits = "9".repeat(60);
        assert_eq!(value(&digits), Scalar::Decimal(digits.clone()));
    }

    #[test]
    fn documents_keep_their_text_but_for_white_space() {
        let text = value("[ 1.10 , {\"a b\" : \" \\\" x\\\\\" , \"c\":\n null} ]");
        let expected = "[1.10,{\"a b\":\" \\\" x\\\\\",\"c\":null}]";
        assert_eq!(text, Scalar::Text(expected.into()));
        assert_eq!(value("\"x\\u00e9 \\n\""), Scalar::Text("x\u{e9} \n".into()));
    }

    #[test]
    fn what_is_no_object_is_an_error() {
        for text in [
            "",
            "{",
            "{\"a\":1}x",
            "{\"a\":\"\\ud800\"}",
            "{\"a\":01}",
            "{'a':1}",
        ] {
            assert!(values_of(text.as_bytes()).is_err(), "{text}");
        }
        for text in ["17", "[1]", "null"] {
            let error = values_of(text.as_bytes()).expect_err(text);
            assert_eq!(
                error.classify(),
                serde_json::error::Category::Data,
                "{text}"
            );
        }
        let many = (0..=VALUES_MAX)
            .map(|i| format!("\"{i}\":0"))
            .collect::<Vec<_>>();
        let error = values_of(format!("{{{}}}", many.join(",")).as_bytes());
        assert!(
            error
                .expect_err("too many")
                .to_string()
                .contains("more than")
        );
    }
}
