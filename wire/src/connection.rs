//! One logged-in connection: takes commands in order, drives the session, sends the results.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use futures::StreamExt;

use crate::backend::{Backend, Done, Outcome, Prepared, Rows, Session};
use crate::capability::Capabilities;
use crate::channel::Stream;
use crate::column::Column;
use crate::command::Command;
use crate::error::SqlError;
use crate::execute::decode_params;
use crate::line::{Broken, Hangup, Line};
use crate::login::{Client, change_user};
use crate::payload::{Payload, put_lenenc};
use crate::reply::{Trailer, put_column, put_end_of_rows, put_eof, put_error, put_ok};
use crate::row::{BatchRows, RowFormat};
use crate::server::Shared;
use crate::statement::Statements;

/// Rows are sent when so many bytes of them are ready.
const FLUSH_BYTES: usize = 64 << 10;

pub(crate) struct Connection<B: Backend, S> {
    shared: Arc<Shared<B>>,
    line: Line<S>,
    client: Client,
    session: B::Session,
    statements: Statements,
}

impl<B: Backend, S: Stream> Connection<B, S> {
    pub(crate) fn new(
        shared: Arc<Shared<B>>,
        line: Line<S>,
        client: Client,
        session: B::Session,
    ) -> Self {
        let limits = &shared.limits;
        let statements = Statements::new(
            limits.max_statements,
            limits.max_long_data,
            limits.max_allowed_packet,
        );
        Connection {
            shared,
            line,
            client,
            session,
            statements,
        }
    }

    /// Says OK to the login and serves commands until the connection ends.
    pub(crate) async fn serve(mut self) {
        self.put_ok(&Done::default());
        let reason = match self.line.flush().await {
            Ok(()) => self.serve_commands().await,
            Err(reason) => reason,
        };
        let Connection { line, session, .. } = self;
        // The session's locks and its open transaction must not wait for a slow client.
        drop(session);
        line.hang_up(reason).await;
    }

    async fn serve_commands(&mut self) -> Hangup {
        loop {
            let timeouts = self.session.timeouts();
            let result = match self.line.next_command(timeouts).await {
                Ok(message) => {
                    self.shared.questions.fetch_add(1, Ordering::Relaxed);
                    self.command(&message).await
                }
                Err(broken) => Err(broken),
            };
            match result {
                Ok(()) => {}
                Err(Broken::Statement(error)) => {
                    self.session.abandon_results();
                    self.line
                        .channel
                        .outbox
                        .message(|out| put_error(out, &error));
                }
                // The session may be half changed, so it cannot be used further.
                Err(Broken::Panic) => return Hangup::Refused(panicked()),
                Err(Broken::Connection(reason)) => return reason,
            }
            if let Err(reason) = self.line.flush().await {
                return reason;
            }
        }
    }

    async fn command(&mut self, message: &[u8]) -> Result<(), Broken> {
        match Command::decode(message)? {
            Command::Quit => return Err(Broken::Connection(Hangup::Gone)),
            Command::Ping => self.put_ok(&Done::default()),
            Command::Query(text) => {
                let outcome = self.line.run(self.session.query(text)).await?;
                self.send_results(outcome, RowFormat::Text).await?;
            }
            Command::InitDb(name) => self.use_database(name).await?,
            Command::FieldList { table, pattern } => self.field_list(table, pattern).await?,
            Command::Statistics => {
                let text = self.shared.statistics();
                self.line
                    .channel
                    .outbox
                    .message(|out| out.extend_from_slice(text.as_bytes()));
            }
            Command::ChangeUser(body) => self.change_user(body).await?,
            Command::ResetConnection => {
                self.line.run(self.session.reset()).await?;
                self.statements.clear();
                self.put_ok(&Done::default());
            }
            Command::Prepare(text) => self.prepare(text).await?,
            Command::Execute { statement, body } => self.execute(statement, body).await?,
            Command::LongData {
                statement,
                param,
                data,
            } => {
                self.statements.append_long_data(statement, param, data);
            }
            Command::CloseStatement(id) => {
                if self.statements.remove(id) {
                    self.session.close_statement(id);
                }
            }
            Command::ResetStatement(id) => {
                self.statements.get(id, "mysqld_stmt_reset")?;
                self.statements.forget_long_data(id);
                self.put_ok(&Done::default());
            }
            Command::Fetch(id) => {
                self.statements.get(id, "mysqld_stmt_fetch")?;
                return Err(SqlError::no_cursor(id).into());
            }
            Command::ProcessKill(id) => {
                self.line.run(self.session.kill(id)).await?;
                self.put_ok(&Done::default());
            }
            Command::SetOption(option) => self.set_option(option)?,
            Command::Unknown => return Err(SqlError::unknown_command().into()),
        }
        Ok(())
    }

    fn set_option(&mut self, option: u16) -> Result<(), Broken> {
        if option > 1 {
            return Err(SqlError::unknown_command().into());
        }
        self.session.set_multi_statements(option == 0);
        let trailer = self.trailer();
        self.line
            .channel
            .outbox
            .message(|out| put_end_of_rows(out, &trailer));
        Ok(())
    }

    async fn use_database(&mut self, name: &[u8]) -> Result<(), Broken> {
        let name = std::str::from_utf8(name)
            .map_err(|_| SqlError::unknown_database(&String::from_utf8_lossy(name)))?;
        self.line.run(self.session.use_database(name)).await?;
        self.put_ok(&Done::default());
        Ok(())
    }

    async fn field_list(&mut self, table: &[u8], pattern: &[u8]) -> Result<(), Broken> {
        let (table, pattern) = (
            String::from_utf8_lossy(table),
            String::from_utf8_lossy(pattern),
        );
        let columns = self
            .line
            .run(self.session.field_list(&table, &pattern))
            .await?;
        for column in &columns {
            self.line.channel.outbox.message(|out| {
                put_column(out, column);
                // The column's default value: NULL.
                out.push(0xFB);
            });
        }
        let trailer = self.trailer();
        self.line
            .channel
            .outbox
            .message(|out| put_end_of_rows(out, &trailer));
        Ok(())
    }

    async fn change_user(&mut self, body: &[u8]) -> Result<(), Broken> {
        // What the old user left open ends before the new one begins. A failure ends the connection.
        self.line
            .run(self.session.reset())
            .await
            .map_err(|broken| match broken {
                Broken::Statement(error) => Broken::Connection(Hangup::Refused(error)),
                other => other,
            })?;
        self.statements.clear();
        let opened = change_user(&self.shared, &mut self.line, &mut self.client, body).await;
        self.session = opened.map_err(Broken::Connection)?;
        self.put_ok(&Done::default());
        Ok(())
    }

    async fn prepare(&mut self, text: &[u8]) -> Result<(), Broken> {
        self.statements.admit()?;
        let prepared = self.line.run(self.session.prepare(text)).await?;
        let Prepared {
            id,
            params,
            columns,
        } = prepared;
        let counts = match (u16::try_from(columns.len()), u16::try_from(params.len())) {
            (Ok(columns), Ok(params)) => Ok((columns, params)),
            (_, Err(_)) => Err(SqlError::too_many_placeholders()),
            (Err(_), _) => Err(SqlError::too_many_columns()),
        };
        let (column_count, param_count) = match counts {
            Ok(counts) => counts,
            Err(error) => {
                self.session.close_statement(id);
                return Err(error.into());
            }
        };
        self.statements.insert(id, param_count);
        let warnings = self.session.status().warnings;
        self.line.channel.outbox.message(|out| {
            out.push(0);
            out.extend_from_slice(&id.to_le_bytes());
            out.extend_from_slice(&column_count.to_le_bytes());
            out.extend_from_slice(&param_count.to_le_bytes());
            out.push(0);
            out.extend_from_slice(&warnings.to_le_bytes());
        });
        self.put_definitions(&params);
        self.put_definitions(&columns);
        Ok(())
    }

    async fn execute(&mut self, id: u32, body: Payload<'_>) -> Result<(), Broken> {
        self.statements.get(id, "mysqld_stmt_execute")?;
        let long_data = self.statements.take_long_data(id)?;
        let statement = self.statements.get(id, "mysqld_stmt_execute")?;
        let params = decode_params(body, statement.params, &mut statement.types, long_data)?;
        let outcome = self.line.run(self.session.execute(id, params)).await?;
        self.send_results(outcome, RowFormat::Binary).await
    }

    async fn send_results(&mut self, first: Outcome, format: RowFormat) -> Result<(), Broken> {
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
        let count = columns.len() as u64;
        self.line
            .channel
            .outbox
            .message(|out| put_lenenc(out, count));
        self.put_definitions(&columns);
        loop {
            let next = async { batches.next().await.transpose() };
            let next = self.line.run_next(next).await;
            let batch = match next {
                Ok(Some(batch)) => batch,
                Ok(None) => break,
                // The stream is dropped; the session was not involved.
                Err(Broken::Panic) => return Err(panicked().into()),
                Err(broken) => return Err(broken),
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

    /// Column definitions and, for clients that want it, the EOF behind them.
    fn put_definitions(&mut self, columns: &[Column]) {
        let deprecates = self
            .client
            .capabilities
            .contains(Capabilities::DEPRECATE_EOF);
        let trailer = Trailer {
            status: self.session.status(),
            changes: Vec::new(),
            capabilities: self.client.capabilities,
        };
        let outbox = &mut self.line.channel.outbox;
        for column in columns {
            outbox.message(|out| put_column(out, column));
        }
        if !columns.is_empty() && !deprecates {
            outbox.message(|out| put_eof(out, &trailer));
        }
    }

    fn put_ok(&mut self, done: &Done) {
        let trailer = self.trailer();
        self.line
            .channel
            .outbox
            .message(|out| put_ok(out, done, &trailer));
    }

    fn trailer(&mut self) -> Trailer {
        Trailer {
            status: self.session.status(),
            changes: self.session.take_changes(),
            capabilities: self.client.capabilities,
        }
    }
}

fn panicked() -> SqlError {
    SqlError::internal("Internal error: the statement was ended")
}
