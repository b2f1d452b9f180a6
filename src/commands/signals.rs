//! Being told to stop: SIGINT (Ctrl-C) and SIGTERM.

use crate::error::{Error, Result};

/// Receives the signals from when it is made; they no longer end the process by themselves.
pub(super) struct Signals {
    #[cfg(unix)]
    interrupt: tokio::signal::unix::Signal,
    #[cfg(unix)]
    terminate: tokio::signal::unix::Signal,
}

#[cfg(unix)]
impl Signals {
    pub(super) fn new() -> Result<Self> {
        use tokio::signal::unix::{SignalKind, signal};
        let signal = |kind| signal(kind).map_err(|why| Error::Server(format!("signals: {why}")));
        Ok(Self {
            interrupt: signal(SignalKind::interrupt())?,
            terminate: signal(SignalKind::terminate())?,
        })
    }

    /// Waits for the next one. Safe to drop and call again.
    pub(super) async fn next(&mut self) {
        tokio::select! {
            _ = self.interrupt.recv() => {}
            _ = self.terminate.recv() => {}
        }
    }
}

#[cfg(not(unix))]
impl Signals {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {})
    }

    pub(super) async fn next(&mut self) {
        if tokio::signal::ctrl_c().await.is_err() {
            std::future::pending::<()>().await;
        }
    }
}

/// Runs `ending` to its end, unless another signal comes: then the process ends at once. What was
/// acknowledged is on disk; the next start recovers.
pub(super) async fn end_or_exit<T>(
    signals: &mut Signals,
    ending: impl Future<Output = Result<T>>,
) -> Result<T> {
    tokio::select! {
        ended = ending => ended,
        () = signals.next() => {
            eprintln!("storno: stopped at once");
            std::process::exit(130)
        }
    }
}
