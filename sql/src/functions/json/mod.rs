//! JSON functions over text. JSON columns are text here: results that MySQL types as JSON carry the
//! metadata key [`JSON_KEY`], so that a comparison can tell `"x"` the document from `"x"` the text.

mod edit;
mod path;
mod value;

use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::{DataType, Int64Type};
use datafusion::common::{DataFusionError, Result};
use serde_json::{Map, Value};

use super::argument::Call;
use super::builtin::{ANY, Declared, Definition, Shape};
use super::convert::arrays::{Source, source};
use super::failure::{not_supported, raise, wrong_argument_count};
use crate::error::SqlError;
use path::Path;
pub(crate) use value::push_value;
use value::{contains, depth, push_quoted, type_name};

/// Field metadata of results that are JSON documents in MySQL.
pub const JSON_KEY: &str = "storno.json";

fn json(_: &Shape<'_>) -> Result<Declared> {
    Ok(Declared::json())
}

fn text(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Utf8View.into())
}

fn integer(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Int64.into())
}

fn boolean(_: &Shape<'_>) -> Result<Declared> {
    Ok(DataType::Boolean.into())
}

fn parse(call: &Call<'_>, argument: usize, text: &str) -> Result<Value> {
    serde_json::from_str(text).map_err(|error| {
        let message = format!(
            "Invalid JSON text in argument {argument} to function {}: \"{error}\" at position {}.",
            call.name,
            error.column().saturating_sub(1)
        );
        raise(SqlError::new(3141, "22032", message))
    })
}

fn parse_path(text: &str) -> Result<Path> {
    Path::parse(text).ok_or_else(|| {
        let message = format!(
            "Invalid JSON path expression. The error is around character position {}.",
            text.len()
        );
        raise(SqlError::new(3143, "42000", message))
    })
}

/// The paths of the arguments from `first` on, literals parsed once. `get`: `None` when one is NULL.
struct Paths {
    texts: Vec<super::argument::Column<arrow::array::StringViewArray>>,
    literals: Vec<Option<Path>>,
}

impl Paths {
    fn new(call: &Call<'_>, first: usize) -> Result<Self> {
        let texts = (first..call.len())
            .map(|i| call.text(i))
            .collect::<Result<Vec<_>>>()?;
        let literals = texts
            .iter()
            .map(|texts| match (texts.is_scalar(), texts.get(0)) {
                (true, Some(text)) => parse_path(text).map(Some),
                _ => Ok(None),
            })
            .collect::<Result<Vec<_>>>()?;
        Ok(Self { texts, literals })
    }

    fn get(&self, row: usize) -> Result<Option<Vec<Path>>> {
        let mut paths = Vec::with_capacity(self.texts.len());
        for (texts, literal) in self.texts.iter().zip(&self.literals) {
            match (literal, texts.get(row)) {
                (Some(path), _) => paths.push(path.clone()),
                (None, Some(text)) => paths.push(parse_path(text)?),
                (None, None) => return Ok(None),
            }
        }
        Ok(Some(paths))
    }
}

/// Collects text whose rows can fail.
fn try_text(
    call: &Call<'_>,
    mut push: impl FnMut(usize, &mut String) -> Result<bool>,
) -> Result<ArrayRef> {
    let mut failure: Option<DataFusionError> = None;
    let array = call.bounded_text(|row, out| {
        failure.is_none()
            && push(row, out).unwrap_or_else(|error| {
                failure = Some(error);
                false
            })
    })?;
    match failure {
        Some(error) => Err(error),
        None => Ok(Arc::new(array)),
    }
}

fn extract(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, paths) = (call.text(0)?, Paths::new(call, 1)?);
    try_text(call, |row, out| {
        let (Some(document), Some(paths)) = (documents.get(row), paths.get(row)?) else {
            return Ok(false);
        };
        let document = parse(call, 1, document)?;
        let found: Vec<&Value> = paths.iter().flat_map(|path| path.find(&document)).collect();
        let several = paths.len() > 1 || paths.iter().any(Path::is_wild);
        match found.as_slice() {
            [] => return Ok(false),
            [one] if !several => push_value(out, one),
            many => push_value(
                out,
                &Value::Array(many.iter().map(|v| (*v).clone()).collect()),
            ),
        }
        Ok(true)
    })
}

/// JSON_VALUE(document, path): a scalar as text; objects and arrays as their JSON.
fn json_value(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, paths) = (call.text(0)?, Paths::new(call, 1)?);
    try_text(call, |row, out| {
        let (Some(document), Some(paths)) = (documents.get(row), paths.get(row)?) else {
            return Ok(false);
        };
        let document = parse(call, 1, document)?;
        match paths
            .first()
            .map(|path| path.find(&document))
            .unwrap_or_default()
            .as_slice()
        {
            [Value::Null] | [] => return Ok(false),
            [Value::String(text)] => out.push_str(text),
            [Value::Bool(truth)] => out.push_str(if *truth { "1" } else { "0" }),
            [one, ..] => push_value(out, one),
        }
        Ok(true)
    })
}

/// A JSON string without its quotes; anything else as it is.
fn unquote(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    try_text(call, |row, out| {
        let Some(text) = texts.get(row) else {
            return Ok(false);
        };
        if text.len() >= 2 && text.starts_with('"') && text.ends_with('"') {
            match parse(call, 1, text)? {
                Value::String(inner) => out.push_str(&inner),
                _ => out.push_str(text),
            }
        } else {
            out.push_str(text);
        }
        Ok(true)
    })
}

fn quote(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        texts.get(row).map(|text| push_quoted(out, text)).is_some()
    })?))
}

fn valid(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    let valid = |text: &str| serde_json::from_str::<serde::de::IgnoredAny>(text).is_ok();
    // Only text can be JSON: the number 1 is not.
    let is_text = call.data_type(0).is_string() || call.data_type(0).is_null();
    Ok(Arc::new(call.collect_bool(|row| {
        texts.get(row).map(|text| is_text && valid(text))
    })))
}

fn json_type(call: &Call<'_>) -> Result<ArrayRef> {
    let texts = call.text(0)?;
    try_text(call, |row, out| {
        let Some(text) = texts.get(row) else {
            return Ok(false);
        };
        out.push_str(type_name(&parse(call, 1, text)?));
        Ok(true)
    })
}

/// Calls `answer` with the part of the document that an optional path names.
fn of_part<T>(call: &Call<'_>, answer: impl Fn(&Value) -> Option<T>) -> Result<Vec<Option<T>>> {
    let (documents, paths) = (call.text(0)?, Paths::new(call, 1)?);
    (0..call.rows)
        .map(|row| {
            let (Some(document), Some(paths)) = (documents.get(row), paths.get(row)?) else {
                return Ok(None);
            };
            let document = parse(call, 1, document)?;
            Ok(match paths.first() {
                None => answer(&document),
                Some(path) if path.is_wild() => {
                    return Err(not_supported("wildcards in this JSON path"));
                }
                Some(path) => path.find(&document).first().and_then(|value| answer(value)),
            })
        })
        .collect()
}

fn length(call: &Call<'_>) -> Result<ArrayRef> {
    let lengths = of_part(call, |value| {
        Some(match value {
            Value::Array(elements) => elements.len() as i64,
            Value::Object(members) => members.len() as i64,
            _ => 1,
        })
    })?;
    Ok(Arc::new(arrow::array::PrimitiveArray::<Int64Type>::from(
        lengths,
    )))
}

fn json_depth(call: &Call<'_>) -> Result<ArrayRef> {
    let depths = of_part(call, |value| Some(depth(value) as i64))?;
    Ok(Arc::new(arrow::array::PrimitiveArray::<Int64Type>::from(
        depths,
    )))
}

fn keys(call: &Call<'_>) -> Result<ArrayRef> {
    let keys = of_part(call, |value| {
        let Value::Object(members) = value else {
            return None;
        };
        let names = value::sorted(members).map(|(name, _)| Value::String(name.clone()));
        let mut out = String::new();
        push_value(&mut out, &Value::Array(names.collect()));
        Some(out)
    })?;
    Ok(Arc::new(arrow::array::StringViewArray::from_iter(keys)))
}

/// JSON_CONTAINS(document, candidate[, path])
fn json_contains(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, candidates) = (call.text(0)?, call.text(1)?);
    let paths = Paths::new(call, 2)?;
    let contained = (0..call.rows)
        .map(|row| {
            let (Some(document), Some(candidate)) = (documents.get(row), candidates.get(row))
            else {
                return Ok(None);
            };
            let Some(paths) = paths.get(row)? else {
                return Ok(None);
            };
            let (document, candidate) = (parse(call, 1, document)?, parse(call, 2, candidate)?);
            Ok(match paths.first() {
                None => Some(contains(&document, &candidate)),
                Some(path) => path
                    .find(&document)
                    .first()
                    .map(|part| contains(part, &candidate)),
            })
        })
        .collect::<Result<arrow::array::BooleanArray>>()?;
    Ok(Arc::new(contained))
}

/// JSON_CONTAINS_PATH(document, 'one' | 'all', path ...)
fn contains_path(call: &Call<'_>) -> Result<ArrayRef> {
    let (documents, modes, paths) = (call.text(0)?, call.text(1)?, Paths::new(call, 2)?);
    let contained = (0..call.rows)
        .map(|row| {
            let (Some(document), Some(mode)) = (documents.get(row), modes.get(row)) else {
                return Ok(None);
            };
            let Some(paths) = paths.get(row)? else { return Ok(None) };
            let document = parse(call, 1, document)?;
            let there = |path: &Path| !path.find(&document).is_empty();
            match mode.to_ascii_lowercase().as_str() {
                "one" => Ok(Some(paths.iter().any(there))),
                "all" => Ok(Some(paths.iter().all(there))),
                _ => {
                    let message = "The oneOrAll argument to json_contains_path may take these values: 'one' or 'all'.";
                    Err(raise(SqlError::new(3150, "42000", message)))
                }
            }
        })
        .collect::<Result<arrow::array::BooleanArray>>()?;
    Ok(Arc::new(contained))
}

/// An SQL value as JSON: numbers and truth as such, everything else as a string; JSON stays JSON.
fn values(call: &Call<'_>, index: usize) -> Result<Vec<Value>> {
    let array = call.array(index)?;
    let is_json = call.field(index).metadata().contains_key(JSON_KEY);
    let boolean = *array.data_type() == DataType::Boolean;
    let texts = call.text(index)?;
    let numbers: Vec<Option<Value>> = match source(&array)? {
        Source::Int(a) if boolean => a.iter().map(|v| v.map(|v| Value::Bool(v != 0))).collect(),
        Source::Int(a) => a.iter().map(|v| v.map(Value::from)).collect(),
        Source::UInt(a) => a.iter().map(|v| v.map(Value::from)).collect(),
        Source::Double(_) | Source::Float(_) | Source::Decimal(..) => {
            let doubles = super::convert::arrays::to_double(&array)?;
            doubles.iter().map(|v| v.map(Value::from)).collect()
        }
        _ => (0..array.len())
            .map(|row| {
                let text = texts.get(row)?;
                let document = if is_json {
                    serde_json::from_str(text).ok()
                } else {
                    None
                };
                Some(document.unwrap_or_else(|| Value::String(text.to_owned())))
            })
            .collect(),
    };
    let step = usize::from(!call.is_scalar(index));
    Ok((0..call.rows)
        .map(|row| {
            numbers
                .get(row * step)
                .cloned()
                .flatten()
                .unwrap_or(Value::Null)
        })
        .collect())
}

fn array(call: &Call<'_>) -> Result<ArrayRef> {
    let columns = (0..call.len())
        .map(|i| values(call, i))
        .collect::<Result<Vec<_>>>()?;
    Ok(Arc::new(call.bounded_text(|row, out| {
        push_value(
            out,
            &Value::Array(columns.iter().map(|column| column[row].clone()).collect()),
        );
        true
    })?))
}

fn object(call: &Call<'_>) -> Result<ArrayRef> {
    if call.len() % 2 == 1 {
        return Err(wrong_argument_count(call.name));
    }
    let names = (0..call.len())
        .step_by(2)
        .map(|i| call.text(i))
        .collect::<Result<Vec<_>>>()?;
    let members = (1..call.len())
        .step_by(2)
        .map(|i| values(call, i))
        .collect::<Result<Vec<_>>>()?;
    try_text(call, |row, out| {
        let mut object = Map::new();
        for (name, member) in names.iter().zip(&members) {
            let Some(name) = name.get(row) else {
                let message = "JSON documents may not contain NULL member names.";
                return Err(raise(SqlError::new(3158, "22032", message)));
            };
            object.insert(name.to_owned(), member[row].clone());
        }
        push_value(out, &Value::Object(object));
        Ok(true)
    })
}

/// CAST(x AS JSON): the normalised document.
fn cast_json(call: &Call<'_>) -> Result<ArrayRef> {
    let data_type = call.data_type(0);
    if !data_type.is_string() {
        let values = values(call, 0)?;
        // An array of nothing but NULL has no bits for them.
        let nulls = call.array(0)?.logical_nulls();
        let step = usize::from(!call.is_scalar(0));
        return try_text(call, |row, out| {
            if nulls
                .as_ref()
                .is_some_and(|nulls| nulls.is_null(row * step))
            {
                return Ok(false);
            }
            push_value(out, &values[row]);
            Ok(true)
        });
    }
    let texts = call.text(0)?;
    try_text(call, |row, out| {
        let Some(text) = texts.get(row) else {
            return Ok(false);
        };
        push_value(out, &parse(call, 1, text)?);
        Ok(true)
    })
}

/// Functions that modify documents.
pub(crate) const EDITS: &[Definition] = edit::FUNCTIONS;

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("json_extract", (2, ANY), json, extract),
    Definition::new("json_value", (2, 2), text, json_value),
    Definition::new("json_unquote", (1, 1), text, unquote),
    Definition::new("json_quote", (1, 1), text, quote),
    Definition::new("json_valid", (1, 1), boolean, valid),
    Definition::new("json_type", (1, 1), text, json_type),
    Definition::new("json_length", (1, 2), integer, length),
    Definition::new("json_depth", (1, 1), integer, json_depth),
    Definition::new("json_keys", (1, 2), json, keys),
    Definition::new("json_contains", (2, 3), boolean, json_contains),
    Definition::new("json_contains_path", (3, ANY), boolean, contains_path),
    Definition::new("json_array", (0, ANY), json, array),
    Definition::new("json_object", (0, ANY), json, object),
    Definition::new("cast_json", (1, 1), json, cast_json),
];
