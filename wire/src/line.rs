//! A client's line while statements run: waits that end when the client vanishes, is killed, or the
//! server stops.
//!
//! While a statement works, the socket is read on: the end of the stream ends the statement, and bytes
//! that a pipelining client sent ahead stay in the inbox for the next command.

use std::future::Future;
use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures::FutureExt;
use tokio::sync::watch;
use tokio::time::timeout;

use crate::channel::{Channel, Stream};
use crate::control::{Kill, KillListener};
use crate::error::SqlError;
use crate::frame::FrameError;
use crate::limits::Timeouts;
use crate::reply::put_error;

/// Bytes a client may send ahead of the answer before they are left in the socket.
const LOOK_AHEAD: usize = 64 << 10;

/// How far a server's shutdown has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Phase {
    Serving,
    /// Idle connections close; running statements go on.
    Stopping,
    /// Running statements end, too.
    Stopped,
}

/// Why a connection ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Hangup {
    /// The client left, or cannot be spoken to any more.
    Gone,
    /// The client is told, then the connection is closed.
    Refused(SqlError),
}

/// What keeps a command from its ordinary end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Broken {
    /// An ERR packet; the connection lives on.
    Statement(SqlError),
    /// The backend panicked.
    Panic,
    Connection(Hangup),
}

impl<E: Into<SqlError>> From<E> for Broken {
    fn from(error: E) -> Self {
        Broken::Statement(error.into())
    }
}

pub(crate) struct Line<S> {
    pub(crate) channel: Channel<S>,
    kills: KillListener,
    phase: watch::Receiver<Phase>,
}

impl<S: Stream> Line<S> {
    pub(crate) fn new(
        channel: Channel<S>,
        kills: KillListener,
        phase: watch::Receiver<Phase>,
    ) -> Self {
        Line {
            channel,
            kills,
            phase,
        }
    }

    /// Waits for the next command. A message above the limit is [`Broken::Statement`].
    pub(crate) async fn next_command(&mut self, timeouts: Timeouts) -> Result<Bytes, Broken> {
        self.channel.begin_command();
        self.channel.outbox.shrink();
        self.channel.write_timeout = timeouts.write;
        loop {
            match self.channel.decoded() {
                Ok(Some(message)) => {
                    self.kills.rearm();
                    return Ok(message);
                }
                Ok(None) => self
                    .wait_for_bytes(timeouts)
                    .await
                    .map_err(Broken::Connection)?,
                Err(FrameError::TooLarge) => return Err(FrameError::TooLarge.into()),
                Err(error) => return Err(Broken::Connection(Hangup::Refused(error.into()))),
            }
        }
    }

    async fn wait_for_bytes(&mut self, timeouts: Timeouts) -> Result<(), Hangup> {
        let is_idle = !self.channel.is_mid_message();
        let patience = if is_idle {
            timeouts.idle
        } else {
            timeouts.read
        };
        tokio::select! {
            biased;
            () = self.kills.connection_killed() => Err(Hangup::Refused(SqlError::interrupted())),
            () = reached(&mut self.phase, Phase::Stopping) => {
                Err(Hangup::Refused(SqlError::shutdown()))
            }
            read = timeout(patience, self.channel.fill()) => match read {
                Ok(Ok(1..)) => Ok(()),
                Ok(_) => match self.channel.decoded() {
                    Err(error) => Err(Hangup::Refused(error.into())),
                    Ok(_) => Err(Hangup::Gone),
                },
                Err(_) if is_idle => Err(Hangup::Refused(SqlError::inactive())),
                Err(_) => Err(Hangup::Gone),
            }
        }
    }

    /// The next packet of a file. What ends it ends the statement; `is_lost`: the file is only read to
    /// its end, so that nothing but the end of the connection ends it sooner.
    pub(crate) async fn next_data(
        &mut self,
        timeouts: Timeouts,
        is_lost: bool,
    ) -> Result<Bytes, Broken> {
        loop {
            match self.channel.decoded() {
                Ok(Some(data)) => return Ok(data),
                Ok(None) => {}
                Err(FrameError::TooLarge) => return Err(FrameError::TooLarge.into()),
                Err(error) => return Err(Broken::Connection(Hangup::Refused(error.into()))),
            }
            tokio::select! {
                biased;
                broken = file_interruption(&mut self.kills, &mut self.phase, is_lost) => {
                    return Err(broken);
                }
                read = timeout(timeouts.read, self.channel.fill()) => {
                    if !matches!(read, Ok(Ok(1..))) {
                        return Err(Broken::Connection(Hangup::Gone));
                    }
                }
            }
        }
    }

    /// Runs backend work to its end, or until something else ends it; then the work is dropped. Work
    /// that is done counts as done, even if a kill came at the same time.
    pub(crate) async fn run<T>(
        &mut self,
        work: impl Future<Output = Result<T, SqlError>>,
    ) -> Result<T, Broken> {
        let mut work = std::pin::pin!(AssertUnwindSafe(work).catch_unwind());
        loop {
            let may_read = self.channel.inbox.pending() < LOOK_AHEAD;
            tokio::select! {
                biased;
                result = &mut work => return match result {
                    Ok(result) => result.map_err(Broken::Statement),
                    Err(_panic) => Err(Broken::Panic),
                },
                broken = interruption(&mut self.kills, &mut self.phase) => return Err(broken),
                read = self.channel.fill(), if may_read => {
                    if !matches!(read, Ok(1..)) {
                        return Err(Broken::Connection(Hangup::Gone));
                    }
                }
            }
        }
    }

    /// As [`Self::run`] for one of many pieces of work: ends also if every piece is ready at once.
    pub(crate) async fn run_next<T>(
        &mut self,
        work: impl Future<Output = Result<T, SqlError>>,
    ) -> Result<T, Broken> {
        match interruption(&mut self.kills, &mut self.phase).now_or_never() {
            Some(broken) => Err(broken),
            None => self.run(work).await,
        }
    }

    /// Sends what is ready. A kill of the statement waits until the client has taken it.
    pub(crate) async fn flush(&mut self) -> Result<(), Hangup> {
        tokio::select! {
            biased;
            result = self.channel.flush() => result.map_err(|_| Hangup::Gone),
            () = self.kills.connection_killed() => Err(Hangup::Gone),
            () = reached(&mut self.phase, Phase::Stopped) => Err(Hangup::Gone),
        }
    }

    /// Ends the connection, telling the client why if there is something to tell.
    pub(crate) async fn hang_up(mut self, reason: Hangup) {
        if let Hangup::Refused(error) = reason {
            self.channel.outbox.message(|out| put_error(out, &error));
            self.channel.close().await;
        }
    }
}

/// Resolves when a running statement has to end.
async fn interruption(kills: &mut KillListener, phase: &mut watch::Receiver<Phase>) -> Broken {
    let refused = |error| Broken::Connection(Hangup::Refused(error));
    tokio::select! {
        biased;
        kill = kills.killed() => match kill {
            Kill::Query => Broken::Statement(SqlError::interrupted()),
            Kill::Connection => refused(SqlError::interrupted()),
        },
        () = reached(phase, Phase::Stopped) => refused(SqlError::shutdown()),
    }
}

/// As `interruption`; while a lost file is read to its end, KILL QUERY has nothing to end.
async fn file_interruption(
    kills: &mut KillListener,
    phase: &mut watch::Receiver<Phase>,
    is_lost: bool,
) -> Broken {
    if !is_lost {
        return interruption(kills, phase).await;
    }
    let error = tokio::select! {
        biased;
        () = kills.connection_killed() => SqlError::interrupted(),
        () = reached(phase, Phase::Stopped) => SqlError::shutdown(),
    };
    Broken::Connection(Hangup::Refused(error))
}

async fn reached(phase: &mut watch::Receiver<Phase>, due: Phase) {
    if phase.wait_for(|phase| *phase >= due).await.is_err() {
        // The server is gone without a word; the runtime is going down.
        std::future::pending().await
    }
}
