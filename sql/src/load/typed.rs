//! Rows of Parquet and NDJSON files as values for columns.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;
use serde_json::error::Category;

use super::window::unreadable;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::json_object::values_of;
use crate::types::{folded_name, same_name};

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
    width: usize,
    /// Where a value of a name goes, and of its other spellings.
    exact: HashMap<String, usize>,
    folded: HashMap<String, usize>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> JsonRows<R> {
    pub(crate) fn new(file: R, names: Vec<String>) -> Self {
        let numbered = || names.iter().enumerate().rev();
        Self {
            file: BufReader::with_capacity(1 << 20, file),
            width: names.len(),
            folded: numbered().map(|(at, n)| (folded_name(n), at)).collect(),
            exact: numbered().map(|(at, n)| (n.clone(), at)).collect(),
            line: Vec::new(),
            number: 0,
        }
    }

    /// The next object; blank lines are none.
    fn object(&mut self) -> Result<Option<Vec<(String, Scalar)>>> {
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
            return match values_of(&self.line) {
                Ok(values) => Ok(Some(values)),
                Err(e) if e.classify() == Category::Data => {
                    Err(self.invalid("The line is not an object.", 0))
                }
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
        let Some(object) = self.object()? else {
            return Ok(false);
        };
        row.clear();
        row.resize(self.width, Scalar::Null);
        let mut exact = vec![false; self.width];
        for (name, value) in object {
            let known = self.exact.get(&name).copied();
            let place = known.or_else(|| self.folded.get(&folded_name(&name)).copied());
            // A name as it is written weighs more than another spelling of it.
            let Some(place) = place.filter(|at| known.is_some() || !exact[*at]) else {
                continue;
            };
            row[place] = value;
            exact[place] |= known.is_some();
        }
        Ok(true)
    }
}

/// Names of the values in the first lines, in the order in which they appear.
pub(crate) fn json_names(file: impl Read) -> Result<Vec<String>> {
    let mut rows = JsonRows::new(file, Vec::new());
    let mut names: Vec<String> = Vec::new();
    for _ in 0..LOOK_LINES {
        let Some(object) = rows.object()? else { break };
        for (name, _) in object {
            if !names.contains(&name) {
                names.push(name);
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
        assert_eq!(names, ["b", "A", "a", "c"]);
    }

    #[test]
    fn a_number_is_what_is_written() {
        let text = "{\"a\": 1234567890123456.7891}\n{\"A\": 1, \"a\": 2, \"a\": 3}";
        let expected = vec![
            vec![Scalar::Decimal("1234567890123456.7891".into())],
            vec![Scalar::Int(3)],
        ];
        assert_eq!(rows(text, &["a"]), Ok(expected));
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
