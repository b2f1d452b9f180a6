//! Rows of files with named values, and how the columns of a Parquet file are found.

use arrow::array::RecordBatch;
use arrow::datatypes::Schema;

use super::directories::{Given, given};
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::types::same_name;

/// Rows of files with named values.
pub(crate) trait TypedRows: Send {
    /// The next row's values, in the order of the columns asked for; false at the end. `None`: the row says
    /// nothing of the column.
    fn next(&mut self, row: &mut Vec<Option<Scalar>>) -> Result<bool>;
}

/// How a file's values find the columns of a load.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Matching {
    /// By their names; what has another name is an error, because nobody said that it should be left out.
    All,
    /// By their names; others are left out.
    Listed,
    /// By their places, whatever they are called.
    Placed,
}

/// Where the value of a column is.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Origin {
    /// In a column of the file, or of its batches.
    Column(usize),
    /// In the names of the file's directories.
    Directory(Scalar),
}

/// What is known of a Parquet file before its rows are read.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Described<'a> {
    /// The file's name in errors.
    pub(crate) url: &'a str,
    pub(crate) schema: &'a Schema,
    /// What its directories say.
    pub(crate) given: &'a [Given],
}

impl Described<'_> {
    /// Where the values of columns of these names are; 1054 for one that is not there, and with `Matching::All` for
    /// a column of the file that is none of them.
    pub(crate) fn origins(&self, names: &[String], matching: Matching) -> Result<Vec<Origin>> {
        if matching == Matching::All {
            let is_known = |field: &str| names.iter().any(|name| same_name(name, field));
            let mut fields = self.schema.fields().iter();
            if let Some(other) = fields.find(|field| !is_known(field.name())) {
                let (other, url) = (other.name(), self.url);
                let text = format!(
                    "Unknown column '{other}' in 'first file', which '{url}' has: list the columns to load"
                );
                return Err(SqlError::new(1054, "42S22", text));
            }
        }
        let mut next = 0..self.schema.fields().len();
        let origin = |name: &String| {
            let directory = given(self.given, name).cloned().map(Origin::Directory);
            let column = match matching {
                Matching::Placed if directory.is_some() => None,
                Matching::Placed => next.next(),
                Matching::All | Matching::Listed => self.position(name),
            };
            let origin = column.map(Origin::Column).or(directory);
            origin.ok_or_else(|| SqlError::unknown_column(name, self.url))
        };
        names.iter().map(origin).collect()
    }

    fn position(&self, name: &str) -> Option<usize> {
        let mut fields = self.schema.fields().iter();
        fields.position(|field| same_name(field.name(), name))
    }
}

/// Rows of record batches.
pub(crate) struct BatchRows<I> {
    batches: I,
    current: Option<(RecordBatch, usize)>,
    origins: Vec<Origin>,
}

impl<I: Iterator<Item = Result<RecordBatch>>> BatchRows<I> {
    pub(crate) fn new(batches: I, origins: Vec<Origin>) -> Self {
        Self {
            batches,
            current: None,
            origins,
        }
    }
}

impl<I: Iterator<Item = Result<RecordBatch>> + Send> TypedRows for BatchRows<I> {
    fn next(&mut self, row: &mut Vec<Option<Scalar>>) -> Result<bool> {
        loop {
            if let Some((batch, at)) = &mut self.current
                && *at < batch.num_rows()
            {
                row.clear();
                for origin in &self.origins {
                    row.push(Some(value(batch, *at, origin)?));
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

fn value(batch: &RecordBatch, row: usize, origin: &Origin) -> Result<Scalar> {
    match origin {
        Origin::Directory(value) => Ok(value.clone()),
        Origin::Column(place) => {
            let column = batch.columns().get(*place);
            let column = column.ok_or_else(|| SqlError::internal("a column is missing"))?;
            Scalar::from_array(column.as_ref(), row)
        }
    }
}

#[cfg(test)]
mod tests {
    use arrow::datatypes::{DataType, Field};

    use super::*;

    fn origins(names: &[&str], matching: Matching) -> Result<Vec<Origin>> {
        let field = |name: &str| Field::new(name, DataType::Int64, true);
        let schema = Schema::new(vec![field("Id"), field("b"), field("c")]);
        let described = Described {
            url: "s3://x/2",
            schema: &schema,
            given: &[
                ("day".into(), Scalar::Text("5".into())),
                ("b".into(), Scalar::Null),
            ],
        };
        let names: Vec<String> = names.iter().map(|n| (*n).to_owned()).collect();
        described.origins(&names, matching)
    }

    #[test]
    fn columns_are_found_by_name_in_the_file_or_in_its_directories() {
        let day = Origin::Directory(Scalar::Text("5".into()));
        let expected = vec![Origin::Column(2), day.clone(), Origin::Column(0)];
        assert_eq!(origins(&["C", "day", "id"], Matching::Listed), Ok(expected));
        // What the file itself says weighs more.
        let own = origins(&["b"], Matching::Listed);
        assert_eq!(own, Ok(vec![Origin::Column(1)]));
        let placed = origins(&["x", "Day", "y"], Matching::Placed);
        let expected = vec![Origin::Column(0), day, Origin::Column(1)];
        assert_eq!(placed, Ok(expected));
    }

    #[test]
    fn a_file_with_other_columns_is_named() {
        for (names, matching, what) in [
            (&["id", "z"][..], Matching::Listed, "'z' in 's3://x/2'"),
            (
                &["id", "b"],
                Matching::All,
                "'c' in 'first file', which 's3://x/2' has",
            ),
            (&["id", "b", "c", "z"], Matching::All, "'z' in 's3://x/2'"),
            (&["p", "q", "r", "s"], Matching::Placed, "'s' in 's3://x/2'"),
        ] {
            let error = origins(names, matching).expect_err(what);
            assert_eq!(error.code, 1054);
            assert!(error.message.contains(what), "{}", error.message);
        }
    }
}
