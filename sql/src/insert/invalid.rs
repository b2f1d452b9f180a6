//! Rows that cannot be stored, set aside with the reason instead of ending the statement.
//!
//! It keeps what was given for each column of the current row. Where the rows go is the caller's part.

use super::Datum;
use crate::error::SqlError;
use crate::functions::convert::text::{push_date, push_datetime, push_double, push_time};

/// A row that was set aside.
#[derive(Debug, Clone, PartialEq)]
pub struct InvalidRow {
    /// Its number among the rows of the statement, from 0.
    pub row: u64,
    pub error: SqlError,
    /// What was given, by the table's column: `None` for NULL and for nothing.
    pub values: Vec<Option<Vec<u8>>>,
    /// The row as it came, where it came as text.
    pub raw: Option<Vec<u8>>,
}

/// Rows set aside, while a batch is written.
#[derive(Debug)]
pub(super) struct Invalid {
    /// Bytes given in the current row, and for each column its part of them.
    bytes: Vec<u8>,
    values: Vec<Option<(usize, usize)>>,
    /// What is wrong with the current row.
    error: Option<SqlError>,
    /// What is wrong with every row.
    of_all: Option<SqlError>,
    /// Texts of all rows of the batch, one after the other.
    texts: Vec<u8>,
    ends: Vec<usize>,
    keeps_texts: bool,
    /// Numbers of those set aside, in the batch.
    failed: Vec<usize>,
    rows: Vec<InvalidRow>,
}

impl Invalid {
    pub(super) fn new(columns: usize, keeps_texts: bool) -> Self {
        Self {
            bytes: Vec::new(),
            values: vec![None; columns],
            error: None,
            of_all: None,
            texts: Vec::new(),
            ends: Vec::new(),
            keeps_texts,
            failed: Vec::new(),
            rows: Vec::new(),
        }
    }

    /// Every row will be invalid for this reason.
    pub(super) fn fail_all(&mut self, error: SqlError) {
        self.error = Some(error.clone());
        self.of_all = Some(error);
    }

    /// Whether the current row is to be set aside.
    pub(super) fn row_failed(&self) -> bool {
        self.error.is_some()
    }

    /// The first error of a row is its reason.
    pub(super) fn fail(&mut self, error: SqlError) {
        self.error.get_or_insert(error);
    }

    /// Notes what is given for a column.
    pub(super) fn note(&mut self, column: usize, datum: Datum<'_>) {
        let start = self.bytes.len();
        let given = push_text(&mut self.bytes, datum);
        if let Some(slot) = self.values.get_mut(column) {
            *slot = given.then_some((start, self.bytes.len()));
        }
    }

    /// The text of the current row, before it ends.
    pub(super) fn note_text(&mut self, text: &[u8]) {
        if self.keeps_texts {
            self.texts.extend_from_slice(text);
            self.ends.push(self.texts.len());
        }
    }

    /// Ends the current row; its error if it is set aside. `at`: its numbers in the batch and in the
    /// statement.
    pub(super) fn end_row(&mut self, (at, row): (usize, u64)) -> Option<SqlError> {
        let error = self.error.take();
        if let Some(error) = &error {
            let part = |span: &Option<(usize, usize)>| {
                let (from, to) = (*span)?;
                self.bytes.get(from..to).map(<[u8]>::to_vec)
            };
            self.rows.push(InvalidRow {
                row,
                error: error.clone(),
                values: self.values.iter().map(part).collect(),
                raw: self.text(at),
            });
            self.failed.push(at);
        }
        self.bytes.clear();
        self.values.fill(None);
        self.error.clone_from(&self.of_all);
        error
    }

    fn text(&self, at: usize) -> Option<Vec<u8>> {
        let end = *self.ends.get(at)?;
        let start = match at.checked_sub(1) {
            Some(before) => *self.ends.get(before)?,
            None => 0,
        };
        self.texts.get(start..end).map(<[u8]>::to_vec)
    }

    /// Numbers of the rows that are not part of the batch, ascending.
    pub(super) fn failed(&self) -> &[usize] {
        &self.failed
    }

    /// Ends a batch: the rows set aside, and the texts of those that were not.
    pub(super) fn take(&mut self) -> (Vec<InvalidRow>, Vec<Vec<u8>>) {
        let failed = std::mem::take(&mut self.failed);
        let stays = |at: &usize| failed.binary_search(at).is_err();
        let kept = (0..self.ends.len()).filter(stays);
        let texts = kept.filter_map(|at| self.text(at)).collect();
        self.texts.clear();
        self.ends.clear();
        (std::mem::take(&mut self.rows), texts)
    }
}

/// A value as text; false for NULL.
fn push_text(out: &mut Vec<u8>, datum: Datum<'_>) -> bool {
    let mut text = String::new();
    match datum {
        Datum::Null => return false,
        Datum::Int(value) => text = value.to_string(),
        Datum::Decimal(digits) => text.push_str(digits),
        Datum::Double(value) => push_double(&mut text, value),
        Datum::Date(days) => push_date(&mut text, days),
        Datum::DateTime { micros, fsp } => push_datetime(&mut text, micros, Some(fsp)),
        Datum::Time { micros, fsp } => push_time(&mut text, micros, Some(fsp)),
        Datum::Text(bytes) | Datum::Bits(bytes) | Datum::Bytes(bytes) => {
            out.extend_from_slice(bytes);
        }
    }
    out.extend_from_slice(text.as_bytes());
    true
}

/// Whether an error is one of a row's values, so that the next row may be all right.
pub(super) fn is_of_row(error: &SqlError) -> bool {
    const VALUES: [u16; 18] = [
        1048, 1261, 1262, 1263, 1264, 1265, 1292, 1300, 1364, 1366, 1367, 1406, 1411, 3105, 3140,
        3144, 3157, 3819,
    ];
    VALUES.contains(&error.code)
}
