//! Hosting an engine for MySQL clients: listening, serving, stopping.

#[cfg(feature = "cli")]
pub(crate) mod certificate;
pub(crate) mod port;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::adapter::SqlBackend;
use crate::engine::Engine;
use crate::error::{Error, Result};

/// How a server listens, and what it lets clients take.
#[derive(Debug, Clone)]
pub struct ServerOptions {
    /// `None`: 127.0.0.1:3306, or the next free port after it. Port 0: one the system chooses.
    pub listen: Option<SocketAddr>,
    /// Connections at once; one more is refused with error 1040.
    pub max_connections: usize,
    /// Bytes of one statement; more is error 1153.
    pub max_allowed_packet: usize,
    /// How long `Server::shutdown` waits for running statements before it ends them.
    pub shutdown_grace: Duration,
    /// `None`: clients cannot encrypt.
    pub tls: Option<TlsFiles>,
}

/// Where the certificate for TLS lies. Read once, at the start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate chain, PEM.
    pub certificate: PathBuf,
    /// Its private key, PEM.
    pub key: PathBuf,
    /// Refuse clients that do not encrypt, with error 3159.
    pub required: bool,
}

impl TlsFiles {
    fn read(&self) -> Result<storno_wire::Tls> {
        let read = |path: &Path| {
            std::fs::read(path)
                .map_err(|why| Error::Config(format!("cannot read {}: {why}", path.display())))
        };
        let (certificate, key) = (read(&self.certificate)?, read(&self.key)?);
        storno_wire::Tls::from_pem(&certificate, &key, self.required).map_err(|why| {
            let (certificate, key) = (self.certificate.display(), self.key.display());
            Error::Config(format!("cannot use {certificate} and {key} for TLS: {why}"))
        })
    }
}

impl Default for ServerOptions {
    fn default() -> Self {
        let limits = storno_wire::Limits::default();
        Self {
            listen: None,
            max_connections: limits.max_connections,
            max_allowed_packet: limits.max_allowed_packet,
            shutdown_grace: limits.shutdown_grace,
            tls: None,
        }
    }
}

/// A running MySQL server. Dropping it stops it without waiting for running statements.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    serving: JoinHandle<()>,
}

impl Server {
    /// Listens and serves `engine` on the current tokio runtime (multi-threaded, with I/O and
    /// time).
    ///
    /// # Errors
    /// `AddressInUse` when `options.listen` names a port that is taken, `Listen` for any other
    /// reason not to get it, `Config` when the files for TLS cannot be used.
    pub async fn start(engine: Engine, options: ServerOptions) -> Result<Self> {
        let tls = options.tls.as_ref().map(TlsFiles::read).transpose()?;
        let listener = port::listen(options.listen)?;
        let address = listener
            .local_addr()
            .map_err(|why| Error::Server(why.to_string()))?;
        let limits = storno_wire::Limits {
            max_connections: options.max_connections,
            max_allowed_packet: options.max_allowed_packet,
            shutdown_grace: options.shutdown_grace,
            ..storno_wire::Limits::default()
        };
        let server = storno_wire::Server::new(Arc::new(SqlBackend::new(engine)), limits, tls)
            .map_err(|why| Error::Server(why.to_string()))?;
        let (stop, stopped) = oneshot::channel::<()>();
        let serving = tokio::spawn(async move {
            // An error here means that the Server was dropped: stop as well.
            server.serve(listener, async { drop(stopped.await) }).await
        });
        Ok(Self {
            address,
            stop: Some(stop),
            serving,
        })
    }

    /// Where clients connect to.
    pub fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Stops accepting, closes idle connections, lets running statements finish within the grace
    /// time, ends the rest, and returns when the last connection is closed.
    pub async fn shutdown(mut self) -> Result<()> {
        self.stop.take();
        self.ended().await
    }

    /// Waits until serving ends without being asked to, which is always an error.
    pub async fn failed(&mut self) -> Error {
        match self.ended().await {
            Ok(()) => Error::Server("the server stopped on its own".into()),
            Err(error) => error,
        }
    }

    async fn ended(&mut self) -> Result<()> {
        match (&mut self.serving).await {
            Ok(()) => Ok(()),
            Err(why) => Err(Error::Server(format!("serving ended: {why}"))),
        }
    }
}
