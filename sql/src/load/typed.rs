//! Rows of Parquet and NDJSON files as values for columns.

use std::io::{BufRead, BufReader, Read};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use serde_json::{Map, Value};

use super::window::unreadable;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::types::same_name;

/// Longest line of an NDJSON file.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Lines that are looked at to find a file's columns.
const LOOK_LINES: usize = 1_000;

/// Rows of files with named values.
pub(crate) trait TypedRows: Send {
    /// The next row's values, in the order of the columns asked for; false at the end.
    fn next(&mut self, row: &mut Vec<Scalar>) -> Result<bool>;
}

/// Rows of record batches.
pub(crate) struct BatchRows<I> {
    batches: I,
    current: Option<(RecordBatch, usize)>,
    /// Where in a batch each value is.
    places: Vec<usize>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> BatchRows<I> {
    pub(crate) fn new(batches: I, places: Vec<usize>) -> Self {
        Self {
            batches,
            current: None,
            places,
        }
    }
}

impl<I: Iterator<Item = Result<RecordBatch>> + Send> TypedRows for BatchRows<I> {
    fn next(&mut self, row: &mut Vec<Scalar>) -> Result<bool> {
        loop {
            if let Some((batch, at)) = &mut self.current
                && *at < batch.num_rows()
            {
                row.clear();
                for place in &self.places {
                    let column = batch.columns().get(*place);
                    let column = column.ok_or_else(|| SqlError::internal("a column is missing"))?;
                    row.push(Scalar::from_array(column.as_ref(), *at)?);
                }
                *at += 1;
                return Ok(true);
            }
            match self.batches.next() {
                None => return Ok(false),
                Some(batch) => self.current = Some((batch?, 0)),
            }
        }
    }
}

/// Rows of a file with a JSON object on each line.
pub(crate) struct JsonRows<R> {
    file: BufReader<R>,
    names: Vec<String>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> JsonRows<R> {
    pub(crate) fn new(file: R, names: Vec<String>) -> Self {
        Self {
            file: BufReader::with_capacity(1 << 20, file),
            names,
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next object; blank lines are none.
    fn object(&mut self) -> Result<Option<Map<String, Value>>> {
        loop {
            self.line.clear();
            let mut limited = (&mut self.file).take(LINE_BYTES_MAX);
            let read = limited.read_until(b'\n', &mut self.line);
            let read = read.map_err(|e| unreadable(&e))? as u64;
            self.number += 1;
            if read == 0 {
                return Ok(None);
            }
            if read == LINE_BYTES_MAX {
                let text = "Got a packet bigger than 'max_allowed_packet' bytes";
                return Err(SqlError::new(1153, "08S01", text));
            }
            if self.line.trim_ascii().is_empty() {
                continue;
            }
            return match serde_json::from_slice(&self.line) {
                Ok(Value::Object(map)) => Ok(Some(map)),
                Ok(_) => Err(self.invalid("The line is not an object.", 0)),
                Err(e) => Err(self.invalid("Invalid JSON.", e.column())),
            };
        }
    }

    fn invalid(&self, what: &str, column: usize) -> SqlError {
        let line = self.number;
        let text = format!("Invalid JSON text in line {line}: \"{what}\" at position {column}.");
        SqlError::new(3140, "22032", text)
    }
}

impl<R: Read + Send> TypedRows for JsonRows<R> {
    fn next(&mut self, row: &mut Vec<Scalar>) -> Result<bool> {
        let Some(mut object) = self.object()? else {
            return Ok(false);
        };
        row.clear();
        for name in &self.names {
            let value = match object.remove(name) {
                Some(value) => value,
                None => {
                    let mut keys = object.keys();
                    let key = keys.find(|key| same_name(key, name)).cloned();
                    key.and_then(|key| object.remove(&key))
                        .unwrap_or(Value::Null)
                }
            };
            row.push(scalar(value));
        }
        Ok(true)
    }
}

/// A JSON value as MySQL would store it: numbers keep their digits, objects and arrays their text.
fn scalar(value: Value) -> Scalar {
    match value {
        Value::Null => Scalar::Null,
        Value::Bool(b) => Scalar::Int(b.into()),
        Value::Number(n) => match (n.as_i64(), n.as_u64(), n.as_f64()) {
            (Some(i), ..) => Scalar::Int(i.into()),
            (_, Some(u), _) => Scalar::Int(u.into()),
            (.., Some(f)) => Scalar::Double(f),
            _ => Scalar::Text(n.to_string()),
        },
        Value::String(text) => Scalar::Text(text),
        other => Scalar::Text(other.to_string()),
    }
}

/// Names of the values in the first lines, in the order in which they appear.
pub(crate) fn json_names(file: impl Read) -> Result<Vec<String>> {
    let mut rows = JsonRows::new(file, Vec::new());
    let mut names: Vec<String> = Vec::new();
    for _ in 0..LOOK_LINES {
        let Some(object) = rows.object()? else { break };
        for name in object.keys() {
            if !names.iter().any(|known| known == name) {
                names.push(name.clone());
            }
        }
    }
    Ok(names)
}

/// Where columns of these names are in a file; 1054 for one that is not.
pub(crate) fn places_of(schema: &Schema, names: &[String]) -> Result<Vec<usize>> {
    let place = |name: &String| {
        let mut fields = schema.fields().iter();
        let place = fields.position(|field| same_name(field.name(), name));
        place.ok_or_else(|| SqlError::unknown_column(name, "file"))
    };
    names.iter().map(place).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, names: &[&str]) -> Result<Vec<Vec<Scalar>>> {
        let names = names.iter().map(|n| (*n).to_owned()).collect();
        let mut rows = JsonRows::new(text.as_bytes(), names);
        let (mut all, mut row) = (Vec::new(), Vec::new());
        while rows.next(&mut row)? {
            all.push(row.clone());
        }
        Ok(all)
    }

    #[test]
    fn objects_become_rows_by_name_in_any_case() {
        let text = "{\"b\": \"x\", \"A\": 1}\n\n{\"a\": null, \"c\": true}\n{\"b\": {\"k\": [1]}}";
        let expected = vec![
            vec![Scalar::Int(1), Scalar::Text("x".into())],
            vec![Scalar::Null, Scalar::Null],
            vec![Scalar::Null, Scalar::Text("{\"k\":[1]}".into())],
        ];
        assert_eq!(rows(text, &["a", "b"]), Ok(expected));
        let names = json_names(text.as_bytes()).expect("names");
        assert_eq!(names.len(), 4);
    }

    #[test]
    fn what_is_no_object_is_an_error_with_its_line() {
        for text in ["{\"a\": 1}\n[1]", "{\"a\": 1}\n{", "{\"a\": 1}\nx"] {
            let error = rows(text, &["a"]).expect_err(text);
            assert_eq!(error.code, 3140);
            assert!(error.message.contains("line 2"), "{}", error.message);
        }
    }
}
