//! The results of a statement on their way to the client: one after the other, rows as fast as they
//! are read, files that a statement asks for.

use arrow_array::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;

use crate::backend::{Backend, Outcome, Rows, Session};
use crate::capability::{Capabilities, StatusFlags};
use crate::channel::Stream;
use crate::column::Column;
use crate::connection::{Connection, panicked};
use crate::error::SqlError;
use crate::line::Broken;
use crate::payload::put_lenenc;
use crate::reply::{Trailer, put_column, put_end_of_rows, put_eof};
use crate::row::{BatchRows, RowFormat};

/// Rows are sent when so many bytes of them are ready.
pub(crate) const FLUSH_BYTES: usize = 64 << 10;

/// Rows as a session gives them.
pub(crate) type Batches = BoxStream<'static, Result<RecordBatch, SqlError>>;

impl<B: Backend, S: Stream> Connection<B, S> {
    pub(crate) async fn send_results(
        &mut self,
        first: Outcome,
        format: RowFormat,
    ) -> Result<(), Broken> {
        let mut outcome = first;
        loop {
            match outcome {
                Outcome::Done(done) => self.put_ok(&done),
                Outcome::Rows(rows) => self.send_rows(rows, format).await?,
                Outcome::File(name) => {
                    outcome = self.receive_file(&name).await?;
                    continue;
                }
            }
            if !self.session.status().more_results {
                return Ok(());
            }
            outcome = self.line.run(self.session.next_result()).await?;
        }
    }

    /// Asks for a file and hands it to the session. What goes wrong meanwhile is reported when the
    /// client has sent all of it: before, it would not read the error.
    async fn receive_file(&mut self, name: &[u8]) -> Result<Outcome, Broken> {
        let channel = &mut self.line.channel;
        channel.outbox.message(|out| {
            out.push(0xFB);
            out.extend_from_slice(name);
        });
        self.line.flush().await.map_err(Broken::Connection)?;
        let channel = &mut self.line.channel;
        channel.inbox.set_sequence(channel.outbox.sequence());
        channel.inbox.expect_file();
        let received = self.receive_data().await;
        self.line.channel.inbox.expect_commands();
        received?;
        self.line.run(self.session.file_end()).await
    }

    async fn receive_data(&mut self) -> Result<(), Broken> {
        let timeouts = self.session.timeouts();
        let mut lost = None;
        loop {
            let data = match self.line.next_data(timeouts, lost.is_some()).await {
                // The empty packet ends the file.
                Ok(data) if data.is_empty() => return lost.map_or(Ok(()), Err),
                Ok(data) => data,
                Err(Broken::Connection(reason)) => return Err(Broken::Connection(reason)),
                Err(broken) => {
                    lost.get_or_insert(broken);
                    continue;
                }
            };
            if lost.is_some() {
                continue;
            }
            match self.line.run(self.session.file_data(data)).await {
                Ok(()) => {}
                Err(Broken::Connection(reason)) => return Err(Broken::Connection(reason)),
                Err(broken) => lost = Some(broken),
            }
        }
    }

    async fn send_rows(&mut self, rows: Rows, format: RowFormat) -> Result<(), Broken> {
        let Rows {
            columns,
            mut batches,
        } = rows;
        if columns.is_empty() {
            return Err(SqlError::internal("Result set without columns").into());
        }
        self.put_heading(&columns, StatusFlags::empty());
        loop {
            let Some(batch) = self.next_batch(&mut batches).await? else {
                break;
            };
            let rows = BatchRows::bind(&batch, &columns)?;
            for row in 0..rows.len() {
                let outbox = &mut self.line.channel.outbox;
                outbox.try_message(|out| rows.put(row, format, out))?;
                if outbox.bytes().len() >= FLUSH_BYTES {
                    self.line.flush().await.map_err(Broken::Connection)?;
                }
            }
        }
        let trailer = self.trailer();
        self.line
            .channel
            .outbox
            .message(|out| put_end_of_rows(out, &trailer));
        Ok(())
    }

    /// What comes before the rows. False: the definitions are not followed by an EOF.
    pub(crate) fn put_heading(&mut self, columns: &[Column], cursor: StatusFlags) -> bool {
        let outbox = &mut self.line.channel.outbox;
        outbox.message(|out| put_lenenc(out, columns.len() as u64));
        self.put_definitions(columns, cursor)
    }

    pub(crate) async fn next_batch(
        &mut self,
        batches: &mut Batches,
    ) -> Result<Option<RecordBatch>, Broken> {
        let next = async { batches.next().await.transpose() };
        self.line
            .run_next(next)
            .await
            .map_err(|broken| match broken {
                // The stream will be dropped; the session was not involved.
                Broken::Panic => panicked().into(),
                other => other,
            })
    }

    /// Column definitions and, for clients that want it, the EOF behind them; whether there is one.
    pub(crate) fn put_definitions(&mut self, columns: &[Column], cursor: StatusFlags) -> bool {
        let capabilities = self.client.capabilities;
        let trailer = Trailer {
            status: self.session.status(),
            changes: Vec::new(),
            cursor,
            capabilities,
        };
        let outbox = &mut self.line.channel.outbox;
        for column in columns {
            outbox.message(|out| put_column(out, column));
        }
        let has_eof = !columns.is_empty() && !capabilities.contains(Capabilities::DEPRECATE_EOF);
        if has_eof {
            outbox.message(|out| put_eof(out, &trailer));
        }
        has_eof
    }
}
