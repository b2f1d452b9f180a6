//! The protocol's view of a database, implemented over `sql`'s sessions.
//!
//! Copies fields from one vocabulary to the other and decides nothing: what an answer is belongs in
//! `sql`, how it is sent in `wire`.

mod cells;
mod column;
mod param;

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use storno_sql::Secret;
use storno_wire as wire;

use crate::engine::Engine;

pub(crate) use cells::cells;

/// An engine that MySQL clients can log in to.
pub(crate) struct SqlBackend {
    engine: Engine,
}

impl SqlBackend {
    pub(crate) fn new(engine: Engine) -> Self {
        Self { engine }
    }
}

impl wire::Backend for SqlBackend {
    type Session = SqlSession;

    fn server_version(&self) -> String {
        self.engine.sql().version()
    }

    fn max_connections(&self) -> Option<usize> {
        self.engine.sql().max_connections()
    }

    fn account(&self, user: &str, peer: SocketAddr) -> Option<wire::Account> {
        let credential = match self.engine.sql().account(user, peer.ip())? {
            Secret::None => wire::Credential::None,
            Secret::Native(hash) => wire::Credential::Native(hash),
            Secret::CachingSha2(hash) => wire::Credential::CachingSha2(hash),
        };
        Some(wire::Account { credential })
    }

    async fn open(&self, login: wire::Login) -> Result<SqlSession, wire::SqlError> {
        let (peer, encrypted) = (login.peer.ip(), login.encrypted);
        let admitted = self.engine.sql().admit(&login.user, peer, encrypted);
        admitted.map_err(error)?;
        let context = storno_sql::SessionContext {
            connection_id: login.connection_id,
            user: login.user,
            host: host(login.peer.ip()),
            database: None,
            found_rows: login.found_rows,
            local_files: login.local_files,
            multi_statements: login.multi_statements,
            interrupt: Some(Arc::new(Handle(login.control))),
        };
        let mut session = self.engine.sql().session(context);
        session.set_client_collation(login.charset);
        if let Some(database) = &login.database {
            session.use_database(database).await.map_err(error)?;
        }
        session.set_attributes(login.attributes);
        session.begin_tracking();
        Ok(SqlSession {
            session,
            interactive: login.interactive,
        })
    }
}

/// A connection as KILL reaches it.
#[derive(Debug)]
struct Handle(wire::Control);

impl storno_sql::Interrupt for Handle {
    fn interrupt(&self, kill: storno_sql::Kill) {
        self.0.kill(match kill {
            storno_sql::Kill::Query => wire::Kill::Query,
            storno_sql::Kill::Connection => wire::Kill::Connection,
        });
    }
}

/// The client's host as MySQL shows it in USER().
fn host(ip: IpAddr) -> String {
    let ip = ip.to_canonical();
    if ip.is_loopback() {
        "localhost".into()
    } else {
        ip.to_string()
    }
}

/// One client's session.
pub(crate) struct SqlSession {
    session: storno_sql::Session,
    /// The client sits at a keyboard: another idle time-out holds.
    interactive: bool,
}

impl wire::Session for SqlSession {
    async fn query(&mut self, text: &[u8]) -> Result<wire::Outcome, wire::SqlError> {
        self.session.query(text).await.map(outcome).map_err(error)
    }

    async fn next_result(&mut self) -> Result<wire::Outcome, wire::SqlError> {
        self.session.next_result().await.map(outcome).map_err(error)
    }

    fn abandon_results(&mut self) {
        self.session.abandon_results();
    }

    async fn kill(&mut self, connection: u32) -> Result<(), wire::SqlError> {
        self.session.kill(connection).await.map_err(error)
    }

    fn set_multi_statements(&mut self, on: bool) {
        self.session.set_multi_statements(on);
    }

    async fn file_data(&mut self, data: Bytes) -> Result<(), wire::SqlError> {
        self.session.file_data(data).await.map_err(error)
    }

    async fn file_end(&mut self) -> Result<wire::Outcome, wire::SqlError> {
        self.session.file_end().await.map(outcome).map_err(error)
    }

    async fn prepare(&mut self, text: &[u8]) -> Result<wire::Prepared, wire::SqlError> {
        let prepared = self.session.prepare(text).await.map_err(error)?;
        Ok(wire::Prepared {
            id: prepared.id,
            params: prepared.params.into_iter().map(column::column).collect(),
            columns: prepared.columns.into_iter().map(column::column).collect(),
        })
    }

    async fn execute(
        &mut self,
        statement: u32,
        params: Vec<wire::Param>,
    ) -> Result<wire::Outcome, wire::SqlError> {
        let params = params.into_iter().map(param::scalar).collect();
        self.session
            .execute(statement, params)
            .await
            .map(outcome)
            .map_err(error)
    }

    fn close_statement(&mut self, statement: u32) {
        self.session.close_statement(statement);
    }

    async fn use_database(&mut self, name: &str) -> Result<(), wire::SqlError> {
        self.session.use_database(name).await.map_err(error)
    }

    async fn reset(&mut self) -> Result<(), wire::SqlError> {
        self.session.reset();
        Ok(())
    }

    async fn field_list(
        &mut self,
        table: &str,
        pattern: &str,
    ) -> Result<Vec<wire::Column>, wire::SqlError> {
        let columns = self.session.field_list(table, pattern).await;
        let columns = columns.map_err(error)?.into_iter();
        Ok(columns.map(column::column).collect())
    }

    fn status(&self) -> wire::Status {
        let status = self.session.status();
        wire::Status {
            autocommit: status.autocommit,
            in_transaction: status.in_transaction,
            read_only: status.read_only,
            more_results: status.more_results,
            warnings: status.warnings,
            ..wire::Status::default()
        }
    }

    fn take_changes(&mut self) -> Vec<wire::Change> {
        let changes = self.session.take_changes().into_iter();
        changes.map(change).collect()
    }

    fn timeouts(&self) -> wire::Timeouts {
        let timeouts = self.session.timeouts();
        let idle = if self.interactive {
            timeouts.interactive
        } else {
            timeouts.idle
        };
        wire::Timeouts {
            idle: Duration::from_secs(idle),
            read: Duration::from_secs(timeouts.read),
            write: Duration::from_secs(timeouts.write),
        }
    }
}

fn change(change: storno_sql::Change) -> wire::Change {
    use storno_sql::Change;
    match change {
        Change::Database(name) => wire::Change::Database(name),
        Change::Variable(name, value) => wire::Change::Variable(name, value),
        Change::State => wire::Change::State,
        Change::TransactionCharacteristics(text) => wire::Change::TransactionCharacteristics(text),
        Change::TransactionState(text) => wire::Change::TransactionState(text),
    }
}

fn outcome(outcome: storno_sql::Outcome) -> wire::Outcome {
    match outcome {
        storno_sql::Outcome::Done(done) => wire::Outcome::Done(wire::Done {
            affected_rows: done.affected_rows,
            last_insert_id: done.last_insert_id,
            info: done.info,
        }),
        storno_sql::Outcome::File(name) => wire::Outcome::File(name.into_bytes()),
        storno_sql::Outcome::Rows(rows) => wire::Outcome::Rows(wire::Rows {
            columns: rows.columns.into_iter().map(column::column).collect(),
            batches: rows.batches.map(|batch| batch.map_err(error)).boxed(),
        }),
    }
}

fn error(error: storno_sql::SqlError) -> wire::SqlError {
    // INVARIANT: `sql` writes every SQLSTATE with five characters.
    let state = error.state.as_bytes().try_into().unwrap_or(*b"HY000");
    wire::SqlError::new(error.code, state, error.message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn clients_of_this_machine_are_localhost_as_in_mysql() {
        assert_eq!(host("127.0.0.1".parse().unwrap()), "localhost");
        assert_eq!(host("::1".parse().unwrap()), "localhost");
        assert_eq!(host("::ffff:127.0.0.1".parse().unwrap()), "localhost");
        assert_eq!(host("192.0.2.1".parse().unwrap()), "192.0.2.1");
    }

    #[test]
    fn number_state_and_text_of_an_error_reach_the_client() {
        let sent = error(storno_sql::SqlError::unknown_database("x"));
        assert_eq!((sent.code, &sent.state), (1049, b"42000"));
        assert_eq!(sent.message, "Unknown database 'x'");
    }
}
