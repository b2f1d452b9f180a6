//! KILL: ends another session's statement, or the session.

use std::fmt;

use super::{Session, done};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError};
use crate::insert::Scalar;
use crate::result::Outcome;

/// What is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// The statement that runs, with error 1317.
    Query,
    /// The session.
    Connection,
}

/// How a session is reached from outside. It is part of `SessionContext`.
pub trait Interrupt: fmt::Debug + Send + Sync {
    /// Returns at once; harmless when the session is gone.
    fn interrupt(&self, kill: Kill);
}

impl Session {
    /// `KILL [CONNECTION | QUERY | EXPORT] id`
    pub(super) async fn kill_statement(
        &mut self,
        lexed: &Lexed,
        params: Vec<Scalar>,
    ) -> Result<Outcome> {
        if lexed.is(1, "EXPORT") {
            let id = lexed.word(2).parse().map_err(|_| lexed.error_at(2))?;
            let job = self.engine.jobs().find(id)?;
            self.authorize_thread(job.connection, &job.user)?;
            return job.stop().map(|()| done(0));
        }
        let at = 1 + usize::from(lexed.is(1, "HARD") || lexed.is(1, "SOFT"));
        let (kill, at) = match () {
            () if lexed.is(at, "QUERY") => (Kill::Query, at + 1),
            () if lexed.is(at, "CONNECTION") => (Kill::Connection, at + 1),
            () => (Kill::Connection, at),
        };
        let text = lexed.rest(at).trim_end().trim_end_matches(';').trim();
        if text.is_empty() {
            return Err(lexed.error_at(at));
        }
        let id = match self.evaluate(text.to_owned(), &mut params.into()).await? {
            Scalar::Int(id) => u32::try_from(id).ok(),
            Scalar::Text(id) => id.trim().parse().ok(),
            _ => None,
        };
        let id = id.ok_or_else(|| SqlError::unknown_thread(text))?;
        self.interrupt(id, kill)?;
        match id == self.context.connection_id {
            // The statement that runs is this one.
            true => Err(SqlError::interrupted()),
            false => Ok(done(0)),
        }
    }

    /// COM_PROCESS_KILL.
    pub async fn kill(&mut self, connection: u32) -> Result<()> {
        let result = self.interrupt(connection, Kill::Connection);
        self.finished(result)
    }

    fn interrupt(&self, id: u32, kill: Kill) -> Result<()> {
        let all = self.engine.processes().all();
        let found = all.iter().find(|process| process.id == id);
        if let Some(process) = found {
            self.authorize_thread(id, &process.user)?;
        }
        let interrupt = found.and_then(|process| process.interrupt.as_ref());
        let interrupt = interrupt.ok_or_else(|| SqlError::unknown_thread(&id.to_string()))?;
        interrupt.interrupt(kill);
        Ok(())
    }
}
