//! One logged-in connection: takes commands in order, drives the session, sends the results.

use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::backend::{Backend, Change, Done, Outcome, Prepared, Session};
use crate::capability::{Capabilities, StatusFlags};
use crate::channel::Stream;
use crate::command::Command;
use crate::error::SqlError;
use crate::execute::decode_params;
use crate::line::{Broken, Hangup, Line};
use crate::login::{Client, change_user};
use crate::payload::Payload;
use crate::reply::{Trailer, put_column, put_end_of_rows, put_error, put_ok};
use crate::row::RowFormat;
use crate::server::Shared;
use crate::statement::Statements;

pub(crate) struct Connection<B: Backend, S> {
    pub(crate) shared: Arc<Shared<B>>,
    pub(crate) line: Line<S>,
    pub(crate) client: Client,
    pub(crate) session: B::Session,
    pub(crate) statements: Statements,
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
            Ok(()) => {
                if let Some(algorithm) = self.client.compression {
                    self.line.channel.compress(algorithm);
                }
                self.serve_commands().await
            }
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
            Command::Execute {
                statement,
                cursor,
                body,
            } => self.execute(statement, cursor, body).await?,
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
                self.statements.get(id, "mysqld_stmt_reset")?.cursor = None;
                self.statements.forget_long_data(id);
                self.put_ok(&Done::default());
            }
            Command::Fetch { statement, rows } => self.fetch(statement, rows).await?,
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
        self.put_definitions(&params, StatusFlags::empty());
        self.put_definitions(&columns, StatusFlags::empty());
        Ok(())
    }

    async fn execute(&mut self, id: u32, cursor: bool, body: Payload<'_>) -> Result<(), Broken> {
        self.statements.get(id, "mysqld_stmt_execute")?.cursor = None;
        let long_data = self.statements.take_long_data(id)?;
        let statement = self.statements.get(id, "mysqld_stmt_execute")?;
        let params = decode_params(body, statement.params, &mut statement.types, long_data)?;
        match self.line.run(self.session.execute(id, params)).await? {
            Outcome::Rows(rows) if cursor => self.open_cursor(id, rows),
            outcome => self.send_results(outcome, RowFormat::Binary).await,
        }
    }

    pub(crate) fn put_ok(&mut self, done: &Done) {
        let trailer = self.trailer();
        self.line
            .channel
            .outbox
            .message(|out| put_ok(out, done, &trailer));
    }

    /// For clients that track them; the others would not read them.
    fn changes(&mut self) -> Vec<Change> {
        match self
            .client
            .capabilities
            .contains(Capabilities::SESSION_TRACK)
        {
            true => self.session.take_changes(),
            false => Vec::new(),
        }
    }

    /// What ends an answer: the state of the session, and its changes.
    pub(crate) fn trailer(&mut self) -> Trailer {
        Trailer {
            status: self.session.status(),
            changes: self.changes(),
            cursor: StatusFlags::empty(),
            capabilities: self.client.capabilities,
        }
    }
}

pub(crate) fn panicked() -> SqlError {
    SqlError::internal("Internal error: the statement was ended")
}
