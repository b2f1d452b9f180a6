//! Privacy at the door: what PSEUDONYMISE and ROUND TO MINUTE make of values before anything of them is
//! written, the log included.
//!
//! A pseudonym is the first half of HMAC-SHA-256 over the value's bytes, under a key that only the data
//! directory has (`keys`): the same value has the same pseudonym until the key is another one, and nothing
//! leads back. Text columns hold it in 32 hexadecimal digits, binary ones in 16 bytes.

mod keys;

pub(crate) use keys::{Keys, Pseudonymiser};

use std::sync::Arc;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewArray, RecordBatch, RecordBatchOptions, StringViewArray,
};
use arrow::datatypes::{DataType, TimestampMicrosecondType};

use crate::error::{Result, SqlError};
use crate::insert::InvalidRow;
use crate::types::{Privacy, TableDefinition};

const MINUTE_MICROS: i64 = 60_000_000;

/// What is done to the columns of one table, in one statement.
#[derive(Debug)]
pub(crate) struct Veil {
    columns: Vec<(usize, Way)>,
}

#[derive(Debug)]
enum Way {
    Minute,
    Pseudonym(Pseudonymiser),
}

impl Veil {
    /// `None`: no column is private. `now_utc`: which key is the current one.
    pub(crate) fn new(table: &TableDefinition, keys: &Keys, now_utc: i64) -> Result<Option<Self>> {
        let mut columns = Vec::new();
        for (at, column) in table.columns.iter().enumerate() {
            let way = match column.privacy {
                None => continue,
                Some(Privacy::Minute) => Way::Minute,
                Some(Privacy::Pseudonym { rotate_days }) => {
                    Way::Pseudonym(keys.current(rotate_days, now_utc)?)
                }
            };
            columns.push((at, way));
        }
        Ok((!columns.is_empty()).then_some(Self { columns }))
    }

    /// Rows as they may be stored.
    pub(crate) fn rows(&self, rows: &RecordBatch) -> Result<RecordBatch> {
        let mut columns = rows.columns().to_vec();
        for (at, way) in &self.columns {
            if let Some(column) = columns.get_mut(*at) {
                *column = way.array(column);
            }
        }
        let options = RecordBatchOptions::new().with_row_count(Some(rows.num_rows()));
        RecordBatch::try_new_with_options(rows.schema(), columns, &options)
            .map_err(|e| SqlError::internal(format!("Internal error: {e}")))
    }

    /// The values of the column at this position of the table as they may be stored.
    pub(crate) fn column(&self, at: usize, values: &ArrayRef) -> ArrayRef {
        match self.columns.iter().find(|(column, _)| *column == at) {
            Some((_, way)) => way.array(values),
            None => Arc::clone(values),
        }
    }

    /// The same for a row that was set aside. Its text, and what the error quotes of it, go.
    pub(crate) fn invalid(&self, row: &mut InvalidRow) {
        row.raw = None;
        row.error.message = without_quotes(&row.error.message);
        for (at, way) in &self.columns {
            if let Some(value) = row.values.get_mut(*at) {
                *value = value.take().and_then(|value| way.text(&value));
            }
        }
    }
}

impl Way {
    fn array(&self, values: &ArrayRef) -> ArrayRef {
        match self {
            Self::Minute => {
                let times = values.as_primitive::<TimestampMicrosecondType>();
                let cut = |t: i64| t - t.rem_euclid(MINUTE_MICROS);
                Arc::new(times.unary::<_, TimestampMicrosecondType>(cut))
            }
            Self::Pseudonym(key) if *values.data_type() == DataType::BinaryView => {
                let values = values.as_binary_view().iter();
                let hashed = values.map(|value| value.map(|v| key.hash(v)));
                Arc::new(hashed.collect::<BinaryViewArray>())
            }
            Self::Pseudonym(key) => {
                let values = values.as_string_view().iter();
                let hashed = values.map(|value| value.map(|v| key.digits(v.as_bytes())));
                Arc::new(hashed.collect::<StringViewArray>())
            }
        }
    }

    /// A value that no column has taken; `None` where it cannot be told what of it is private.
    fn text(&self, value: &[u8]) -> Option<Vec<u8>> {
        match self {
            Self::Pseudonym(key) => Some(key.digits(value).into_bytes()),
            // 2026-11-30 12:34:56
            Self::Minute => {
                let time = value.get(..16)?;
                let like = b"0000-00-00 00:00";
                let fits = |(have, want): (&u8, &u8)| match want {
                    b'0' => have.is_ascii_digit(),
                    b' ' => matches!(have, b' ' | b'T'),
                    other => have == other,
                };
                let fits = time.iter().zip(like).all(fits);
                fits.then(|| [time, b":00"].concat())
            }
        }
    }
}

/// A message without the values that it quotes; names in it are in quotes, too, and stay: they come behind
/// "column", "constraint" or "Field".
fn without_quotes(message: &str) -> String {
    let mut out = String::with_capacity(message.len());
    for (i, part) in message.split('\'').enumerate() {
        let is_name = ["column ", "constraint ", "Column ", "Field ", "table "]
            .iter()
            .any(|word| out.ends_with(word));
        match i % 2 {
            0 => out.push_str(part),
            _ if is_name => {
                out.push('\'');
                out.push_str(part);
                out.push('\'');
            }
            _ => out.push_str("'..'"),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_lose_values_and_keep_names() {
        let message = "Incorrect integer value: 'ada@example.org' for column 'visitor' at row 1";
        let expected = "Incorrect integer value: '..' for column 'visitor' at row 1";
        assert_eq!(without_quotes(message), expected);
        let message = "Data too long for column 'a' at row 1";
        assert_eq!(without_quotes(message), message);
    }

    #[test]
    fn times_that_no_column_took_are_cut_or_dropped() {
        let cut = |text: &str| Way::Minute.text(text.as_bytes());
        assert_eq!(
            cut("2026-11-30 12:34:56.7"),
            Some(b"2026-11-30 12:34:00".to_vec())
        );
        assert_eq!(cut("yesterday at noon, 12:00"), None);
        assert_eq!(cut(""), None);
    }
}
