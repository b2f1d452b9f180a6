//! What a server answered: a result set or an OK, or an error; and its one canonical text form.
//!
//! Values of the text and of the binary protocol are brought to the same text (that of MySQL's text
//! protocol), so that both can be compared with the same expectation.

use std::fmt;

use mysql_async::consts::{ColumnFlags, ColumnType};
use mysql_async::{Column, Value};

/// A result set (`columns` is empty for a statement without one) and what the OK packet said.
#[derive(Debug, Clone, Default)]
pub struct Answer {
    pub columns: Vec<Column>,
    pub rows: Vec<Vec<Value>>,
    pub affected_rows: u64,
    pub last_insert_id: Option<u64>,
    pub warnings: u16,
    pub info: String,
}

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// An error packet.
    Server {
        code: u16,
        state: String,
        message: String,
    },
    /// The connection broke, or the driver could not make sense of what came.
    Broken(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Server {
                code,
                state,
                message,
            } => write!(f, "ERROR {code} ({state}): {message}"),
            Self::Broken(what) => write!(f, "BROKEN: {what}"),
        }
    }
}

impl std::error::Error for Refusal {}

impl From<mysql_async::Error> for Refusal {
    fn from(error: mysql_async::Error) -> Self {
        match error {
            mysql_async::Error::Server(e) => Self::Server {
                code: e.code,
                state: e.state,
                message: e.message,
            },
            other => Self::Broken(other.to_string()),
        }
    }
}

impl Answer {
    /// The rows as text; NULL is `None`.
    pub fn texts(&self) -> Vec<Vec<Option<String>>> {
        self.rows.iter().map(|row| self.row_text(row)).collect()
    }

    pub fn row_text(&self, row: &[Value]) -> Vec<Option<String>> {
        row.iter()
            .zip(&self.columns)
            .map(|(value, column)| text_of(value, column))
            .collect()
    }

    /// The rows with `NULL` for NULL, cells separated by `|`: short in a test and in a failure.
    pub fn lines(&self) -> Vec<String> {
        let cell = |cell: Option<String>| cell.unwrap_or_else(|| "NULL".to_owned());
        let line = |row: Vec<_>| row.into_iter().map(cell).collect::<Vec<_>>().join("|");
        self.texts().into_iter().map(line).collect()
    }

    /// The only cell of the only row, as text; `None` for NULL or any other shape.
    pub fn single(&self) -> Option<String> {
        match self.texts().as_slice() {
            [row] if row.len() == 1 => row[0].clone(),
            _ => None,
        }
    }

    pub fn column_names(&self) -> Vec<String> {
        self.columns
            .iter()
            .map(|column| column.name_str().into_owned())
            .collect()
    }
}

/// The class of a column's wire type, as one letter: what a driver decides its own type by.
pub fn class_of(column: &Column) -> char {
    use ColumnType::*;
    match column.column_type() {
        MYSQL_TYPE_TINY | MYSQL_TYPE_SHORT | MYSQL_TYPE_INT24 | MYSQL_TYPE_LONG
        | MYSQL_TYPE_LONGLONG | MYSQL_TYPE_YEAR => 'I',
        MYSQL_TYPE_DECIMAL | MYSQL_TYPE_NEWDECIMAL => 'D',
        MYSQL_TYPE_FLOAT | MYSQL_TYPE_DOUBLE => 'R',
        MYSQL_TYPE_DATE | MYSQL_TYPE_NEWDATE => 'A',
        MYSQL_TYPE_DATETIME | MYSQL_TYPE_TIMESTAMP => 'S',
        MYSQL_TYPE_TIME => 'M',
        MYSQL_TYPE_NULL => 'N',
        _ if column.character_set() == 63 => 'B',
        _ => 'T',
    }
}

/// A value as MySQL's text protocol shows it. Bytes that are not UTF-8 become `0x...`.
pub fn text_of(value: &Value, column: &Column) -> Option<String> {
    Some(match value {
        Value::NULL => return None,
        Value::Bytes(bytes) => text_of_bytes(bytes),
        Value::Int(number) => with_zerofill(number.to_string(), column),
        Value::UInt(number) => with_zerofill(number.to_string(), column),
        Value::Float(number) => number.to_string(),
        Value::Double(number) => number.to_string(),
        Value::Date(..) | Value::Time(..) => time_text(value, column),
    })
}

pub fn text_of_bytes(bytes: &[u8]) -> String {
    match std::str::from_utf8(bytes) {
        Ok(text) => text.to_owned(),
        Err(_) => {
            let digits: String = bytes.iter().map(|byte| format!("{byte:02X}")).collect();
            format!("0x{digits}")
        }
    }
}

fn with_zerofill(digits: String, column: &Column) -> String {
    if column.flags().contains(ColumnFlags::ZEROFILL_FLAG) {
        let width = column.column_length() as usize;
        format!("{digits:0>width$}")
    } else {
        digits
    }
}

fn time_text(value: &Value, column: &Column) -> String {
    let decimals = usize::from(column.decimals()).min(6);
    let fraction = |micros: u32| match decimals {
        0 => String::new(),
        _ => format!(".{}", &format!("{micros:06}")[..decimals]),
    };
    match *value {
        Value::Date(y, mo, d, ..) if column.column_type() == ColumnType::MYSQL_TYPE_DATE => {
            format!("{y:04}-{mo:02}-{d:02}")
        }
        Value::Date(y, mo, d, h, mi, s, micros) => {
            format!(
                "{y:04}-{mo:02}-{d:02} {h:02}:{mi:02}:{s:02}{}",
                fraction(micros)
            )
        }
        Value::Time(negative, days, h, mi, s, micros) => {
            let sign = if negative { "-" } else { "" };
            let hours = days * 24 + u32::from(h);
            format!("{sign}{hours:02}:{mi:02}:{s:02}{}", fraction(micros))
        }
        _ => unreachable!("only called for temporal values"),
    }
}
