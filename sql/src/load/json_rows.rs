//! Rows of NDJSON files as values for columns.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Read};

use serde_json::error::Category;

use super::directories::{Given, given};
use super::typed::TypedRows;
use super::window::unreadable;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::json_object::values_of;
use crate::types::folded_name;

/// Longest line of a file.
const LINE_BYTES_MAX: u64 = 64 << 20;
/// Lines that are looked at to find a file's columns.
const LOOK_LINES: usize = 1_000;

/// Rows of a file with a JSON object on each line.
pub(crate) struct JsonRows<R> {
    file: BufReader<R>,
    /// Where a value of a name goes, and of its other spellings.
    exact: HashMap<String, usize>,
    folded: HashMap<String, usize>,
    /// Values of a row that says nothing.
    absent: Vec<Option<Scalar>>,
    /// The file, if a name that is none of the columns is an error.
    refusing: Option<String>,
    line: Vec<u8>,
    number: u64,
}

impl<R: Read> JsonRows<R> {
    pub(crate) fn new(file: R, names: Vec<String>) -> Self {
        let numbered = || names.iter().enumerate().rev();
        Self {
            file: BufReader::with_capacity(1 << 20, file),
            absent: vec![None; names.len()],
            refusing: None,
            folded: numbered().map(|(at, n)| (folded_name(n), at)).collect(),
            exact: numbered().map(|(at, n)| (n.clone(), at)).collect(),
            line: Vec::new(),
            number: 0,
        }
    }

    /// What the file's directories say of columns of which a row says nothing. `names`: those of `new`.
    pub(crate) fn with_directories(mut self, values: &[Given], names: &[String]) -> Self {
        self.absent = names.iter().map(|n| given(values, n).cloned()).collect();
        self
    }

    /// Names that are none of the columns are errors, not left out: 1054, with the name of the file.
    pub(crate) fn refusing_others(mut self, file: String) -> Self {
        self.refusing = Some(file);
        self
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

    /// Error 1054, where that is one.
    fn check_other(&self, name: &str) -> Result<()> {
        match &self.refusing {
            None => Ok(()),
            Some(file) => {
                let place = format!("line {} of {file}", self.number);
                Err(SqlError::unknown_column(name, &place))
            }
        }
    }

    fn invalid(&self, what: &str, column: usize) -> SqlError {
        let line = self.number;
        let text = format!("Invalid JSON text in line {line}: \"{what}\" at position {column}.");
        SqlError::new(3140, "22032", text)
    }
}

impl<R: Read + Send> TypedRows for JsonRows<R> {
    fn next(&mut self, row: &mut Vec<Option<Scalar>>) -> Result<bool> {
        let Some(object) = self.object()? else {
            return Ok(false);
        };
        row.clone_from(&self.absent);
        let mut exact = vec![false; row.len()];
        for (name, value) in object {
            let known = self.exact.get(&name).copied();
            let place = known.or_else(|| self.folded.get(&folded_name(&name)).copied());
            let Some(place) = place else {
                self.check_other(&name)?;
                continue;
            };
            // A name as it is written weighs more than another spelling of it.
            if known.is_none() && exact[place] {
                continue;
            }
            row[place] = Some(value);
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

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(text: &str, names: &[&str]) -> Result<Vec<Vec<Option<Scalar>>>> {
        all_of(JsonRows::new(text.as_bytes(), owned(names)))
    }

    fn owned(names: &[&str]) -> Vec<String> {
        names.iter().map(|n| (*n).to_owned()).collect()
    }

    fn all_of(mut rows: JsonRows<&[u8]>) -> Result<Vec<Vec<Option<Scalar>>>> {
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
            vec![Some(Scalar::Int(1)), Some(Scalar::Text("x".into()))],
            vec![Some(Scalar::Null), None],
            vec![None, Some(Scalar::Text("{\"k\":[1]}".into()))],
        ];
        assert_eq!(rows(text, &["a", "b"]), Ok(expected));
        let names = json_names(text.as_bytes()).expect("names");
        assert_eq!(names, ["b", "A", "a", "c"]);
    }

    #[test]
    fn a_number_is_what_is_written() {
        let text = "{\"a\": 1234567890123456.7891}\n{\"A\": 1, \"a\": 2, \"a\": 3}";
        let expected = vec![
            vec![Some(Scalar::Decimal("1234567890123456.7891".into()))],
            vec![Some(Scalar::Int(3))],
        ];
        assert_eq!(rows(text, &["a"]), Ok(expected));
    }

    #[test]
    fn a_name_that_is_no_column_is_told_with_its_line() {
        let text = "{\"a\": 1}\n\n{\"A\": 1, \"z\": 2}\n";
        let names = owned(&["a"]);
        let refusing = JsonRows::new(text.as_bytes(), names).refusing_others("x.ndjson".into());
        let error = all_of(refusing).expect_err("z is no column");
        assert_eq!(error.code, 1054);
        let what = "'z' in 'line 3 of x.ndjson'";
        assert!(error.message.contains(what), "{}", error.message);
        assert_eq!(rows(text, &["a"]).map(|rows| rows.len()), Ok(2));
    }

    #[test]
    fn directories_say_what_rows_do_not() {
        let text = "{\"a\": 1}\n{\"day\": null}\n";
        let names = owned(&["a", "day"]);
        let values = [("Day".to_owned(), Scalar::Int(5))];
        let read = JsonRows::new(text.as_bytes(), names.clone());
        let expected = vec![
            vec![Some(Scalar::Int(1)), Some(Scalar::Int(5))],
            vec![None, Some(Scalar::Null)],
        ];
        assert_eq!(all_of(read.with_directories(&values, &names)), Ok(expected));
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
