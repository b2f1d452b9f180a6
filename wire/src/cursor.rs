//! Cursors of prepared statements: EXECUTE sends the columns alone, FETCH some rows at a time.
//!
//! A cursor is the statement's stream of batches, left open: nothing is copied aside, and rows are made
//! when they are fetched. They are those of the moment of the EXECUTE.

use std::fmt;

use arrow_array::RecordBatch;

use crate::backend::{Backend, Rows};
use crate::capability::StatusFlags;
use crate::channel::Stream;
use crate::column::Column;
use crate::connection::Connection;
use crate::error::SqlError;
use crate::line::Broken;
use crate::reply::put_end_of_rows;
use crate::results::{Batches, FLUSH_BYTES};
use crate::row::{BatchRows, RowFormat};

/// An open cursor.
pub(crate) struct Cursor {
    columns: Vec<Column>,
    batches: Batches,
    /// Rows that are there, those of them sent already first.
    batch: Option<RecordBatch>,
    sent: usize,
}

impl fmt::Debug for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Cursor")
            .field("columns", &self.columns.len())
            .finish_non_exhaustive()
    }
}

impl<B: Backend, S: Stream> Connection<B, S> {
    /// Answers an EXECUTE whose rows are to be fetched.
    pub(crate) fn open_cursor(&mut self, id: u32, rows: Rows) -> Result<(), Broken> {
        let Rows { columns, batches } = rows;
        if columns.is_empty() {
            return Err(SqlError::internal("Result set without columns").into());
        }
        let has_eof = self.put_heading(&columns, StatusFlags::CURSOR_EXISTS);
        if !has_eof {
            // What tells the client that no rows follow.
            self.put_end_of_fetch(StatusFlags::CURSOR_EXISTS);
        }
        self.statements.get(id, "mysqld_stmt_execute")?.cursor = Some(Cursor {
            columns,
            batches,
            batch: None,
            sent: 0,
        });
        Ok(())
    }

    /// Sends so many rows of a cursor. Behind the last one, and after an error, it is closed.
    pub(crate) async fn fetch(&mut self, id: u32, rows: u32) -> Result<(), Broken> {
        let statement = self.statements.get(id, "mysqld_stmt_fetch")?;
        let cursor = statement.cursor.take();
        let mut cursor = cursor.ok_or_else(|| SqlError::no_cursor(id))?;
        let mut left = rows as usize;
        while left > 0 {
            let batch = match cursor.batch.take() {
                Some(batch) => batch,
                None => match self.next_batch(&mut cursor.batches).await? {
                    Some(batch) => batch,
                    None => {
                        self.put_end_of_fetch(StatusFlags::LAST_ROW_SENT);
                        return Ok(());
                    }
                },
            };
            let ready = BatchRows::bind(&batch, &cursor.columns)?;
            let end = ready.len().min(cursor.sent.saturating_add(left));
            for row in cursor.sent..end {
                let outbox = &mut self.line.channel.outbox;
                outbox.try_message(|out| ready.put(row, RowFormat::Binary, out))?;
                if outbox.bytes().len() >= FLUSH_BYTES {
                    self.line.flush().await.map_err(Broken::Connection)?;
                }
            }
            left -= end - cursor.sent;
            if end < ready.len() {
                cursor.sent = end;
                cursor.batch = Some(batch);
            } else {
                cursor.sent = 0;
            }
        }
        self.put_end_of_fetch(StatusFlags::CURSOR_EXISTS);
        self.statements.get(id, "mysqld_stmt_fetch")?.cursor = Some(cursor);
        Ok(())
    }

    fn put_end_of_fetch(&mut self, flags: StatusFlags) {
        let mut trailer = self.trailer();
        trailer.cursor = flags;
        let outbox = &mut self.line.channel.outbox;
        outbox.message(|out| put_end_of_rows(out, &trailer));
    }
}
