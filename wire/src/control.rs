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

    /// The receiving end, seeing only what is sent from now on, and a killed connection always.
    pub(crate) fn listen(&self) -> KillListener {
        let receiver = self.signal.subscribe();
        let seen = receiver.borrow().queries_killed;
        KillListener { receiver, seen }
    }
}

/// Waits for a [`Kill`].
pub(crate) struct KillListener {
    receiver: watch::Receiver<Signal>,
    seen: u64,
}

impl KillListener {
    /// Forgets kills of earlier statements; call it when a statement begins.
    pub(crate) fn rearm(&mut self) {
        self.seen = self.receiver.borrow_and_update().queries_killed;
    }

    /// Resolves when the connection or, since the last `rearm`, its statement was killed.
    pub(crate) async fn killed(&mut self) -> Kill {
        let seen = self.seen;
        let hit = self
            .receiver
            .wait_for(|signal| signal.connection_killed || signal.queries_killed > seen)
            .await
            .map(|signal| signal.connection_killed);
        match hit {
            Ok(true) => Kill::Connection,
            Ok(false) => Kill::Query,
            Err(_) => std::future::pending().await,
        }
    }
}
