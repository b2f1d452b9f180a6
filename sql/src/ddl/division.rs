//! SHARDS and SEGMENT_ROWS: among how many shards and into how large segments a table's rows are divided.

use storno_storage::Division;

use super::cursor::Cursor;
use super::options::take_equals;
use crate::error::{Result, SqlError};

/// Fewer rows are not worth a file.
const SEGMENT_ROWS_MIN: u32 = 1024;

/// The options as written; `None`: not said.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct DivisionOptions {
    shards: Option<Amount>,
    segment_rows: Option<Amount>,
}

/// `SHARDS [=] n`, `SHARDS [=] DEFAULT`
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Amount {
    /// What the server has for tables that say nothing.
    Default,
    Number(u32),
}

impl DivisionOptions {
    /// Reads one option; whether there was one.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.take("SHARDS") {
            let bounds = (1, Division::SHARDS_MAX);
            self.shards = Some(amount(cursor, "SHARDS", bounds)?);
        } else if cursor.take("SEGMENT_ROWS") {
            let bounds = (SEGMENT_ROWS_MIN, Division::SEGMENT_ROWS_MAX);
            self.segment_rows = Some(amount(cursor, "SEGMENT_ROWS", bounds)?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// What ALTER TABLE says takes the place of what was.
    pub(super) fn change(&mut self, new: &Self) {
        self.shards = new.shards.or(self.shards);
        self.segment_rows = new.segment_rows.or(self.segment_rows);
    }

    pub(super) fn division(&self) -> Division {
        let number = |amount| match amount {
            Some(Amount::Number(number)) => Some(number),
            Some(Amount::Default) | None => None,
        };
        Division {
            shards: number(self.shards),
            segment_rows: number(self.segment_rows),
        }
    }
}

/// 1525 for a number out of bounds.
fn amount(cursor: &mut Cursor<'_>, option: &str, (least, most): (u32, u32)) -> Result<Amount> {
    take_equals(cursor);
    if cursor.take("DEFAULT") {
        return Ok(Amount::Default);
    }
    let number = cursor.unsigned()?;
    match u32::try_from(number) {
        Ok(number) if (least..=most).contains(&number) => Ok(Amount::Number(number)),
        _ => {
            let text = format!("Incorrect {option} value: '{number}' (from {least} to {most})");
            Err(SqlError::new(1525, "HY000", text))
        }
    }
}
