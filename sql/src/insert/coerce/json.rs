//! Values for JSON columns: checked, and stored in the text form in which MySQL shows documents.
//!
//! That form: object keys by length, then by bytes, the last of equal keys winning; `", "` and `":
//! "`.

use serde_json::Value;

use super::Cell;
use super::text::as_text;
use crate::error::{Result, SqlError};
use crate::insert::Datum;
use crate::types::double_text;

/// As in MySQL.
const DEPTH_MAX: usize = 100;

/// An invalid document is an error in every mode: there is nothing near it to store.
pub(in crate::insert) fn json(datum: Datum<'_>, cell: &mut Cell<'_>) -> Result<String> {
    if let Datum::Bytes(_) | Datum::Bits(_) = datum {
        return Err(SqlError::json_from_binary());
    }
    let text = as_text(datum, cell)?;
    let text: &str = match datum {
        // Dates become JSON strings.
        Datum::Date(_) | Datum::DateTime { .. } | Datum::Time { .. } => {
            return Ok(Value::from(&*text).to_string());
        }
        _ => &text,
    };
    let document: Value =
        serde_json::from_str(text).map_err(|error| invalid(text, &error, cell))?;
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    write(&document, 1, &mut out)?;
    Ok(out)
}

fn write(value: &Value, depth: usize, out: &mut String) -> Result<()> {
    if depth > DEPTH_MAX {
        return Err(SqlError::json_too_deep());
    }
    match value {
        Value::Array(items) => {
            out.push('[');
            for (position, item) in items.iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                write(item, depth + 1, out)?;
            }
            out.push(']');
        }
        Value::Object(members) => {
            let mut members: Vec<_> = members.iter().collect();
            members.sort_by(|(a, _), (b, _)| (a.len(), a.as_str()).cmp(&(b.len(), b.as_str())));
            out.push('{');
            for (position, (key, item)) in members.into_iter().enumerate() {
                out.push_str(if position > 0 { ", " } else { "" });
                out.push_str(&Value::from(key.as_str()).to_string());
                out.push_str(": ");
                write(item, depth + 1, out)?;
            }
            out.push('}');
        }
        Value::Number(number) => match number.as_f64().filter(|_| number.is_f64()) {
            // A double shows that it is one.
            Some(double) if double.fract() == 0.0 && double.abs() < 1e15 => {
                out.push_str(&format!("{double:.1}"));
            }
            Some(double) => out.push_str(&double_text(double)),
            None => out.push_str(&number.to_string()),
        },
        other => out.push_str(&other.to_string()),
    }
    Ok(())
}

/// MySQL's words for what is wrong, by what serde_json found, and the byte position.
fn invalid(text: &str, error: &serde_json::Error, cell: &Cell<'_>) -> SqlError {
    let found = error.to_string();
    if found.starts_with("recursion limit") {
        return SqlError::json_too_deep();
    }
    let position = position(text, error);
    let in_array = text.as_bytes().get(position) == Some(&b']');
    let what = if text.trim_ascii().is_empty() {
        "The document is empty."
    } else if found.starts_with("trailing characters") {
        "The document root must not be followed by other values."
    } else if found.starts_with("EOF while parsing a string") {
        "Missing a closing quotation mark in string."
    } else if found.starts_with("trailing comma") && in_array {
        "Invalid value."
    } else if found.starts_with("key must be a string") || found.starts_with("trailing comma") {
        "Missing a name for object member."
    } else if found.starts_with("expected `:`") {
        "Missing a colon after a name of object member."
    } else if found.starts_with("expected `,` or `}`")
        || found.starts_with("EOF while parsing an object")
    {
        "Missing a comma or } after an object member."
    } else if found.starts_with("expected `,` or `]`")
        || found.starts_with("EOF while parsing a list")
    {
        "Missing a comma or ] after an array element."
    } else if found.starts_with("invalid escape") {
        "Invalid escape character in string."
    } else if found.starts_with("number out of range") {
        "Number too big to be stored in double."
    } else {
        "Invalid value."
    };
    let column = format!("{}.{}", cell.table, cell.column);
    SqlError::invalid_json(what, position, &column)
}

/// serde_json counts lines and columns; MySQL counts bytes.
fn position(text: &str, error: &serde_json::Error) -> usize {
    let line_start: usize = text
        .split_inclusive('\n')
        .take(error.line().saturating_sub(1))
        .map(str::len)
        .sum();
    (line_start + error.column().saturating_sub(1)).min(text.len())
}
