//! Accepting connections, counting them, and stopping.

use std::future::Future;
use std::io;
use std::sync::Arc;

use tokio::net::TcpListener;

use crate::backend::Backend;
use crate::limits::Limits;

/// A MySQL server over one backend.
pub struct Server<B> {
    backend: Arc<B>,
    limits: Limits,
}

impl<B: Backend> Server<B> {
    /// A server that is not listening yet.
    pub fn new(backend: Arc<B>, limits: Limits) -> Self {
        Server { backend, limits }
    }

    /// Serves clients of `listener` until `shutdown` resolves; then stops accepting, closes idle
    /// connections, gives running statements [`Limits::shutdown_grace`] to finish, ends the rest
    /// with error 1053, and returns when the last connection is closed.
    pub async fn serve(
        &self,
        listener: TcpListener,
        shutdown: impl Future<Output = ()> + Send,
    ) -> io::Result<()> {
        let _ = (&self.backend, &self.limits, listener);
        shutdown.await;
        Err(io::ErrorKind::Unsupported.into())
    }
}
