//! The handle by which KILL reaches a connection from outside.
//!
//! It knows nothing of statements or privileges: the backend keeps these handles in its process list
//! and decides who may use them.

use std::sync::Arc;

use tokio::sync::watch;

/// What KILL asks of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kill {
    /// End the running statement with error 1317; without one, nothing happens.
    Query,
    /// End the running statement, then the connection.
    Connection,
}

/// Ends a connection's statement or the connection itself. Cheap to clone; harmless once the
/// connection is gone.
#[derive(Debug, Clone)]
pub struct Control {
    signal: Arc<watch::Sender<Signal>>,
}

#[derive(Debug, Clone, Copy, Default)]
struct Signal {
    queries_killed: u64,
    connection_killed: bool,
}

impl Control {
    pub(crate) fn new() -> Self {
        Control {
            signal: Arc::new(watch::Sender::new(Signal::default())),
        }
    }

    /// Asks the connection to stop what it does. Returns at once.
    pub fn kill(&self, kill: Kill) {
        self.signal.send_modify(|signal| match kill {
            Kill::Query => signal.queries_killed += 1,
            Kill::Connection => signal.connection_killed = true,
        });
    }

    /// The receiving end; kills of statements before [`KillListener::rearm`] are not seen.
    pub(crate) fn listen(&self) -> KillListener {
        KillListener {
            receiver: self.signal.subscribe(),
            seen: 0,
        }
    }
}

/// Waits for a [`Kill`].
#[derive(Debug)]
pub(crate) struct KillListener {
    receiver: watch::Receiver<Signal>,
    seen: u64,
}

impl KillListener {
    /// Forgets kills of earlier statements; called when a statement begins.
    pub(crate) fn rearm(&mut self) {
        self.seen = self.receiver.borrow().queries_killed;
    }

    /// Resolves when the connection or, since the last `rearm`, its statement was killed.
    pub(crate) async fn killed(&mut self) -> Kill {
        let seen = self.seen;
        self.wait(|signal| signal.connection_killed || signal.queries_killed > seen)
            .await
    }

    /// Resolves when the connection was killed.
    pub(crate) async fn connection_killed(&mut self) {
        self.wait(|signal| signal.connection_killed).await;
    }

    async fn wait(&mut self, is_due: impl FnMut(&Signal) -> bool) -> Kill {
        let hit = self
            .receiver
            .wait_for(is_due)
            .await
            .map(|signal| signal.connection_killed);
        match hit {
            Ok(true) => Kill::Connection,
            Ok(false) => Kill::Query,
            // Every handle is gone, so nobody can kill any more.
            Err(_) => std::future::pending().await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;

    #[test]
    fn a_kill_of_an_earlier_statement_does_not_hit_the_next() {
        let control = Control::new();
        let mut listener = control.listen();
        control.kill(Kill::Query);
        listener.rearm();
        assert_eq!(listener.killed().now_or_never(), None);
        control.kill(Kill::Query);
        assert_eq!(listener.killed().now_or_never(), Some(Kill::Query));
        assert_eq!(listener.connection_killed().now_or_never(), None);
    }

    #[test]
    fn a_killed_connection_stays_killed() {
        let control = Control::new();
        let mut listener = control.listen();
        control.kill(Kill::Connection);
        listener.rearm();
        assert_eq!(listener.killed().now_or_never(), Some(Kill::Connection));
        assert_eq!(listener.connection_killed().now_or_never(), Some(()));
    }
}
