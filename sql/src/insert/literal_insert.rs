//! `INSERT INTO t (..) VALUES (..), (..)` read from its bytes straight into column builders.
//!
//! For statements of thousands of rows, where a syntax tree would cost more than everything else.
//! It reads a plain subset; at the first sign of anything else it says so, and the whole statement
//! takes the way of the syntax tree, with which its results must be identical. It reads bytes,
//! because a statement with a binary string in it need not be UTF-8.

use super::{InsertBatch, Mode, Reserve, RowWriter, Settings};
use crate::error::{Result, SqlError};
use crate::types::TableDefinition;

mod lexer;

use lexer::{Lexed, Lexer};

/// Rows that room is made for at once.
const ROWS_MAX: usize = 1024;

/// The part before the rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiteralInsert<'a> {
    pub schema: Option<String>,
    pub table: String,
    pub ignore: bool,
    pub replace: bool,
    columns: Option<Vec<String>>,
    rows: &'a [u8],
}

impl<'a> LiteralInsert<'a> {
    /// `None`: no such statement, or not plain enough.
    pub fn parse(sql: &'a [u8], mode: Mode) -> Option<Self> {
        if mode.ansi_quotes || mode.no_backslash_escapes {
            return None;
        }
        let mut lexer = Lexer::new(sql);
        let replace = match lexer.word()? {
            word if word.eq_ignore_ascii_case(b"INSERT") => false,
            word if word.eq_ignore_ascii_case(b"REPLACE") => true,
            _ => return None,
        };
        let ignore = !replace && lexer.keyword(b"IGNORE");
        lexer.keyword(b"INTO");
        let first = lexer.name()?;
        let (schema, table) = match lexer.symbol(b'.') {
            true => (Some(first), lexer.name()?),
            false => (None, first),
        };
        let columns = lexer.columns()?;
        if !lexer.keyword(b"VALUES") && !lexer.keyword(b"VALUE") {
            return None;
        }
        let rows = lexer.rest();
        Some(Self {
            schema,
            table,
            ignore,
            replace,
            columns,
            rows,
        })
    }

    /// Builds the batch. `Ok(None)`: not plain; nothing was reserved. `table` must be the one
    /// named.
    pub fn run(
        &self,
        table: &TableDefinition,
        settings: Settings,
        reserve: Reserve<'_>,
    ) -> Result<Option<InsertBatch>> {
        let settings = Settings {
            mode: settings.mode.with_ignore(self.ignore),
            ..settings
        };
        // What is wrong before the first row is reported in MySQL's order by the other way.
        let columns = self.columns.as_deref();
        // A row has two bytes for each value at least.
        let rows = self.rows.len() / (2 * table.columns.len().max(1));
        let rows = rows.clamp(1, ROWS_MAX);
        let Ok(mut writer) = RowWriter::for_rows(table, columns, settings, rows) else {
            return Ok(None);
        };
        let mut lexer = Lexer::new(self.rows);
        let Some(read) = read_rows(&mut lexer, &mut writer) else {
            return Ok(None);
        };
        if let Some(row) = read.mismatch {
            return Err(SqlError::value_count_mismatch(row));
        }
        if let Some(error) = read.failure {
            return Err(error);
        }
        // Lenient modes treat one row differently from several.
        let lenient = !settings.mode.is_fatal();
        if lenient && read.rows == 1 && writer.has_warnings() {
            return Ok(None);
        }
        writer.finish(reserve).map(Some)
    }
}

/// How reading the rows went, once they are known to be plain.
#[derive(Default)]
struct ReadRows {
    rows: u64,
    /// First row with another number of values; weighs more than any wrong value.
    mismatch: Option<u64>,
    /// First value that could not be stored.
    failure: Option<SqlError>,
}

/// `None`: not plain. After an error the rest is still read, for what is wrong there may come
/// first.
fn read_rows(lexer: &mut Lexer<'_>, writer: &mut RowWriter) -> Option<ReadRows> {
    let mut read = ReadRows::default();
    let mut scratch = Vec::new();
    let width = writer.width();
    loop {
        let start = lexer.rest();
        lexer.symbol(b'(').then_some(())?;
        read.rows += 1;
        let mut values = 0;
        loop {
            let value = lexer.value(&mut scratch)?;
            if values < width && read.mismatch.is_none() && read.failure.is_none() {
                let appended = match value {
                    Lexed::Datum(datum) => writer.append(values, datum),
                    Lexed::Default => writer.append_default(values),
                };
                read.failure = appended.err();
            }
            values += 1;
            if lexer.symbol(b',') {
                continue;
            }
            lexer.symbol(b')').then_some(())?;
            break;
        }
        if values != width {
            read.mismatch.get_or_insert(read.rows);
        } else if read.mismatch.is_none() && read.failure.is_none() {
            let text = start.get(..start.len() - lexer.rest().len());
            writer.note_text(text.unwrap_or_default().trim_ascii());
            read.failure = writer.finish_row().err();
        }
        if !lexer.symbol(b',') {
            break;
        }
    }
    lexer.symbol(b';');
    lexer.at_end().then_some(read)
}
