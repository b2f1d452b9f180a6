//! JSON_SET and its like: documents with a value at a path set, put in or taken out; and documents merged.
//!
//! Source: MySQL manual, "Functions That Modify JSON Values".

use arrow::array::ArrayRef;
use datafusion::common::Result;
use serde_json::{Map, Value};

use super::path::Path;
use super::value::{contains, push_pretty, push_value};
use super::{Paths, boolean, json, parse, text, try_text, values};
use crate::error::SqlError;
use crate::functions::argument::Call;
use crate::functions::builtin::{ANY, Definition};
use crate::functions::failure::{raise, wrong_argument_count};

/// What is done at a path.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Edit {
    /// There or not.
    Set,
    /// Only what is not there.
    Insert,
    /// Only what is there.
    Replace,
    Remove,
    /// To the end of the array there; what is none becomes one.
    Append,
    /// Before an element of an array.
    ArrayInsert,
}

/// 3149
fn wild() -> SqlError {
    let text = "In this situation, path expressions may not contain the * and ** tokens or an array range.";
    SqlError::new(3149, "42000", text)
}

fn changed(document: &mut Value, path: &Path, edit: Edit, value: Value) -> Result<()> {
    if path.is_wild() {
        return Err(raise(wild()));
    }
    path.edit(document, edit, value).map_err(raise)
}

/// Document, then pairs of a path and a value.
fn edited(call: &Call<'_>, edit: Edit) -> Result<ArrayRef> {
    if call.len().is_multiple_of(2) {
        return Err(wrong_argument_count(call.name));
    }
    let documents = call.text(0)?;
    let mut pairs = Vec::new();
    for at in (1..call.len()).step_by(2) {
        pairs.push((call.text(at)?, values(call, at + 1)?));
    }
    try_text(call, |row, out| {
        let Some(document) = documents.get(row) else {
            return Ok(false);
        };
        let mut document = parse(call, 1, document)?;
        for (paths, values) in &pairs {
            let Some(path) = paths.get(row) else {
                return Ok(false);
            };
            let value = values.get(row).cloned().unwrap_or(Value::Null);
            changed(&mut document, &super::parse_path(path)?, edit, value)?;
        }
        push_value(out, &document);
        Ok(true)
    })
}

/// JSON_REMOVE(document, path ...)
fn remove(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, paths) = (call.text(0)?, Paths::new(call, 1)?);
    try_text(call, |row, out| {
        let (Some(document), Some(paths)) = (documents.get(row), paths.get(row)?) else {
            return Ok(false);
        };
        let mut document = parse(call, 1, document)?;
        for path in &paths {
            changed(&mut document, path, Edit::Remove, Value::Null)?;
        }
        push_value(out, &document);
        Ok(true)
    })
}

/// Two documents or more, one by one into the first; NULL when one is.
fn merged(call: &Call<'_>, merge: fn(Value, Value) -> Value) -> Result<ArrayRef> {
    let documents = (0..call.len()).map(|i| call.text(i));
    let documents = documents.collect::<Result<Vec<_>>>()?;
    try_text(call, |row, out| {
        let mut result: Option<Value> = None;
        for (at, texts) in documents.iter().enumerate() {
            let Some(text) = texts.get(row) else {
                return Ok(false);
            };
            let next = parse(call, at + 1, text)?;
            result = Some(match result {
                Some(before) => merge(before, next),
                None => next,
            });
        }
        push_value(out, &result.unwrap_or(Value::Null));
        Ok(true)
    })
}

/// RFC 7396
fn patched(target: Value, patch: Value) -> Value {
    let Value::Object(patch) = patch else {
        return patch;
    };
    let mut target = match target {
        Value::Object(members) => members,
        _ => Map::new(),
    };
    for (name, value) in patch {
        match value {
            Value::Null => drop(target.remove(&name)),
            value => {
                let before = target.remove(&name).unwrap_or(Value::Null);
                target.insert(name, patched(before, value));
            }
        }
    }
    Value::Object(target)
}

/// Objects member by member, everything else as arrays one behind the other.
fn preserved(one: Value, other: Value) -> Value {
    match (one, other) {
        (Value::Object(mut members), Value::Object(others)) => {
            for (name, value) in others {
                let both = match members.remove(&name) {
                    Some(before) => preserved(before, value),
                    None => value,
                };
                members.insert(name, both);
            }
            Value::Object(members)
        }
        (one, other) => {
            let elements = |value: Value| match value {
                Value::Array(elements) => elements,
                value => vec![value],
            };
            let mut all = elements(one);
            all.extend(elements(other));
            Value::Array(all)
        }
    }
}

/// JSON_OVERLAPS: a common element, a common member, or equal scalars.
fn overlaps(call: &Call<'_>) -> Result<ArrayRef> {
    let (ones, others) = (call.text(0)?, call.text(1)?);
    let overlap = |one: &Value, other: &Value| match (one, other) {
        (Value::Object(one), Value::Object(other)) => {
            let same = |(name, value): (&String, &Value)| {
                other
                    .get(name)
                    .is_some_and(|v| contains(v, value) && contains(value, v))
            };
            one.iter().any(same)
        }
        (Value::Array(one), other) => one.iter().any(|v| contains_element(other, v)),
        (one, other) => contains_element(other, one),
    };
    let found = (0..call.rows).map(|row| {
        let (Some(one), Some(other)) = (ones.get(row), others.get(row)) else {
            return Ok(None);
        };
        Ok(Some(overlap(
            &parse(call, 1, one)?,
            &parse(call, 2, other)?,
        )))
    });
    let found = found.collect::<Result<arrow::array::BooleanArray>>()?;
    Ok(std::sync::Arc::new(found))
}

/// Whether a value is an element of an array, or equal to what is none.
fn contains_element(target: &Value, value: &Value) -> bool {
    let same = |a: &Value| contains(a, value) && contains(value, a);
    match target {
        Value::Array(elements) => elements.iter().any(same),
        target => same(target),
    }
}

/// `value MEMBER OF(array)`
fn member_of(call: &Call<'_>) -> Result<ArrayRef> {
    let given = values(call, 0)?;
    let (texts, arrays) = (call.text(0)?, call.text(1)?);
    let found = (0..call.rows).map(|row| {
        let (Some(_), Some(array)) = (texts.get(row), arrays.get(row)) else {
            return Ok(None);
        };
        let array = parse(call, 2, array)?;
        Ok(given.get(row).map(|value| contains_element(&array, value)))
    });
    let found = found.collect::<Result<arrow::array::BooleanArray>>()?;
    Ok(std::sync::Arc::new(found))
}

fn pretty(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    try_text(call, |row, out| {
        let Some(text) = texts.get(row) else {
            return Ok(false);
        };
        push_pretty(out, &parse(call, 1, text)?, 0);
        Ok(true)
    })
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("json_set", (3, ANY), json, |c| edited(c, Edit::Set)),
    Definition::new("json_insert", (3, ANY), json, |c| edited(c, Edit::Insert)),
    Definition::new("json_replace", (3, ANY), json, |c| edited(c, Edit::Replace)),
    Definition::new("json_array_append", (3, ANY), json, |c| {
        edited(c, Edit::Append)
    }),
    Definition::new("json_array_insert", (3, ANY), json, |c| {
        edited(c, Edit::ArrayInsert)
    }),
    Definition::new("json_remove", (2, ANY), json, remove),
    Definition::new("json_merge_patch", (2, ANY), json, |c| merged(c, patched)),
    Definition::new("json_merge_preserve", (2, ANY), json, |c| {
        merged(c, preserved)
    }),
    Definition::new("json_merge", (2, ANY), json, |c| merged(c, preserved)),
    Definition::new("json_overlaps", (2, 2), boolean, overlaps),
    Definition::new("member_of", (2, 2), boolean, member_of),
    Definition::new("json_pretty", (1, 1), text, pretty),
];
