//! JSON values as MySQL prints and compares them: keys by length, then by bytes; a blank behind `:` and
//! `,`.

use std::cmp::Ordering;

use serde_json::{Map, Value};

use crate::functions::convert::text::push_double;

/// Members in MySQL's order.
pub(crate) fn sorted(members: &Map<String, Value>) -> impl Iterator<Item = (&String, &Value)> {
    let mut members: Vec<_> = members.iter().collect();
    members.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| a.0.cmp(b.0)));
    members.into_iter()
}

pub(crate) fn push_value(out: &mut String, value: &Value) {
    match value {
        Value::Null => out.push_str("null"),
        Value::Bool(truth) => out.push_str(if *truth { "true" } else { "false" }),
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            Some(double) => {
                let from = out.len();
                push_double(out, double);
                // A double stays recognisable as one.
                if !out[from..].contains(['.', 'e']) {
                    out.push_str(".0");
                }
            }
            None => out.push_str(&number.to_string()),
        },
        Value::String(text) => push_quoted(out, text),
        Value::Array(elements) => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_value(out, element);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (index, (name, member)) in sorted(members).enumerate() {
                if index > 0 {
                    out.push_str(", ");
                }
                push_quoted(out, name);
                out.push_str(": ");
                push_value(out, member);
            }
            out.push('}');
        }
    }
}

/// As JSON_PRETTY prints it: one element a line, two blanks for each level.
pub(crate) fn push_pretty(out: &mut String, value: &Value, level: usize) {
    let line = |out: &mut String, level: usize| {
        out.push('\n');
        out.extend(std::iter::repeat_n("  ", level));
    };
    match value {
        Value::Array(elements) if !elements.is_empty() => {
            out.push('[');
            for (index, element) in elements.iter().enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                push_pretty(out, element, level + 1);
            }
            line(out, level);
            out.push(']');
        }
        Value::Object(members) if !members.is_empty() => {
            out.push('{');
            for (index, (name, member)) in sorted(members).enumerate() {
                if index > 0 {
                    out.push(',');
                }
                line(out, level + 1);
                push_quoted(out, name);
                out.push_str(": ");
                push_pretty(out, member, level + 1);
            }
            line(out, level);
            out.push('}');
        }
        other => push_value(out, other),
    }
}

pub(crate) fn push_quoted(out: &mut String, text: &str) {
    use std::fmt::Write;
    out.push('"');
    for c in text.chars() {
        match c {
            '"' | '\\' => out.extend(['\\', c]),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            c if c < ' ' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
}

/// What JSON_TYPE says.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(number) if number.is_f64() => "DOUBLE",
        Value::Number(number) if number.is_i64() => "INTEGER",
        Value::Number(_) => "UNSIGNED INTEGER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }
}

/// Whether `target` contains `candidate` (JSON_CONTAINS).
pub(crate) fn contains(target: &Value, candidate: &Value) -> bool {
    match (target, candidate) {
        (Value::Object(target), Value::Object(candidate)) => {
            candidate.iter().all(|(name, value)| {
                target
                    .get(name)
                    .is_some_and(|member| contains(member, value))
            })
        }
        (Value::Array(target), Value::Array(candidate)) => candidate
            .iter()
            .all(|value| target.iter().any(|element| contains(element, value))),
        (Value::Array(target), candidate) => {
            target.iter().any(|element| contains(element, candidate))
        }
        (Value::Number(a), Value::Number(b)) => numbers(a, b) == Some(Ordering::Equal),
        (target, candidate) => target == candidate,
    }
}

fn numbers(a: &serde_json::Number, b: &serde_json::Number) -> Option<Ordering> {
    match (a.as_i64(), b.as_i64()) {
        (Some(a), Some(b)) => Some(a.cmp(&b)),
        _ => a.as_f64()?.partial_cmp(&b.as_f64()?),
    }
}

/// Greatest nesting (JSON_DEPTH): a scalar has depth 1.
pub(crate) fn depth(value: &Value) -> usize {
    let below = match value {
        Value::Array(elements) => elements.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => None,
    };
    1 + below.unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_print_with_keys_by_length() {
        let value: Value = serde_json::from_str(r#"{"bb":1,"c":[1.0,"x\n"],"a":null}"#).unwrap();
        let mut out = String::new();
        push_value(&mut out, &value);
        assert_eq!(out, r#"{"a": null, "c": [1.0, "x\n"], "bb": 1}"#);
    }
}
