//! Accepting connections, counting them, and stopping.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use socket2::{SockRef, TcpKeepalive};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::auth::Credential;
use crate::backend::Backend;
use crate::capability::{Capabilities, OFFERED};
use crate::connection::Connection;
use crate::error::SqlError;
use crate::frame::Outbox;
use crate::limits::Limits;
use crate::line::Phase;
use crate::login::login;
use crate::reply::put_error_before_greeting;
use crate::throttle::Throttle;
use crate::tls::Tls;

/// A pause after accept failed: mostly no file descriptors are left, and retrying at once would spin.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);
/// Silence after which TCP asks whether the client still exists.
const KEEPALIVE: Duration = Duration::from_secs(60);
/// For a last word to connections that were ended at the end of a shutdown.
const CLOSING_TIME: Duration = Duration::from_secs(3);

/// A MySQL server over one backend.
pub struct Server<B> {
    shared: Arc<Shared<B>>,
}

/// What the connections of a server share.
pub(crate) struct Shared<B> {
    pub(crate) backend: Arc<B>,
    pub(crate) limits: Limits,
    pub(crate) tls: Option<Tls>,
    /// Checked in place of the credential of a user that does not exist.
    pub(crate) decoy: Credential,
    pub(crate) questions: AtomicU64,
    pub(crate) throttle: Throttle,
    started: Instant,
    last_connection_id: AtomicU32,
    connections: AtomicUsize,
}

impl<B> Shared<B> {
    /// Fails if the system gives no random bytes.
    pub(crate) fn new(backend: Arc<B>, limits: Limits, tls: Option<Tls>) -> io::Result<Self> {
        Ok(Shared {
            backend,
            limits,
            tls,
            decoy: Credential::unprovable().map_err(io::Error::other)?,
            questions: AtomicU64::new(0),
            throttle: Throttle::default(),
            started: Instant::now(),
            last_connection_id: AtomicU32::new(0),
            connections: AtomicUsize::new(0),
        })
    }

    /// What the greeting offers.
    pub(crate) fn offered(&self) -> Capabilities {
        match self.tls {
            Some(_) => OFFERED | Capabilities::SSL,
            None => OFFERED,
        }
    }

    /// Never 0, which clients take for "no id".
    pub(crate) fn next_connection_id(&self) -> u32 {
        match self
            .last_connection_id
            .fetch_add(1, Ordering::Relaxed)
            .wrapping_add(1)
        {
            0 => self.next_connection_id(),
            id => id,
        }
    }

    /// The line COM_STATISTICS answers, in MySQL's wording.
    pub(crate) fn statistics(&self) -> String {
        let uptime = self.started.elapsed();
        let threads = self.connections.load(Ordering::Relaxed);
        let questions = self.questions.load(Ordering::Relaxed);
        let rate = questions as f64 / uptime.as_secs_f64().max(1.0);
        format!(
            "Uptime: {}  Threads: {threads}  Questions: {questions}  Slow queries: 0  Opens: 0  \
             Flush tables: 0  Open tables: 0  Queries per second avg: {rate:.3}",
            uptime.as_secs()
        )
    }
}

/// One of the server's connections, counted until dropped.
struct Seat<B>(Arc<Shared<B>>);

impl<B: Backend> Seat<B> {
    fn take(shared: &Arc<Shared<B>>) -> Option<Self> {
        let max = shared.backend.max_connections();
        let max = max.unwrap_or(shared.limits.max_connections);
        let take = |taken: usize| (taken < max).then_some(taken + 1);
        let taken = shared
            .connections
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.ok().map(|_| Seat(shared.clone()))
    }
}

impl<B> Drop for Seat<B> {
    fn drop(&mut self) {
        self.0.connections.fetch_sub(1, Ordering::Relaxed);
    }
}

impl<B: Backend> Server<B> {
    /// A server that is not listening yet; without `tls` it does not offer encryption. Fails if the system gives no random bytes.
    pub fn new(backend: Arc<B>, limits: Limits, tls: Option<Tls>) -> io::Result<Self> {
        Ok(Server {
            shared: Arc::new(Shared::new(backend, limits, tls)?),
        })
    }

    /// Connections now open, logged in or not.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// Serves clients of `listener` until `shutdown` resolves. Then stops accepting, closes idle
    /// connections, gives running statements [`Limits::shutdown_grace`] to finish, ends the rest
    /// with error 1053, and returns when the last connection is closed.
    pub async fn serve(&self, listener: TcpListener, shutdown: impl Future<Output = ()> + Send) {
        let phase = watch::Sender::new(Phase::Serving);
        let mut tasks = JoinSet::new();
        let mut shutdown = std::pin::pin!(shutdown);
        loop {
            tokio::select! {
                biased;
                () = &mut shutdown => break,
                Some(ended) = tasks.join_next() => log_panic(ended),
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.admit(&mut tasks, stream, peer, &phase),
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
            }
        }
        drop(listener);
        phase.send_replace(Phase::Stopping);
        let _ = tokio::time::timeout(self.shared.limits.shutdown_grace, drain(&mut tasks)).await;
        phase.send_replace(Phase::Stopped);
        let _ = tokio::time::timeout(CLOSING_TIME, drain(&mut tasks)).await;
        tasks.shutdown().await;
    }

    fn admit(
        &self,
        tasks: &mut JoinSet<()>,
        stream: TcpStream,
        peer: SocketAddr,
        phase: &watch::Sender<Phase>,
    ) {
        let Some(seat) = Seat::take(&self.shared) else {
            return refuse(stream);
        };
        let keepalive = TcpKeepalive::new()
            .with_time(KEEPALIVE)
            .with_interval(KEEPALIVE / 4);
        // Both only make a good connection better.
        let _ = stream.set_nodelay(true);
        let _ = SockRef::from(&stream).set_tcp_keepalive(&keepalive);
        let (shared, phase) = (self.shared.clone(), phase.subscribe());
        tasks.spawn(async move {
            let _seat = seat;
            let login = Box::pin(login(&shared, stream, peer, phase)).await;
            if let Some((line, client, session)) = login {
                Connection::new(shared, line, client, session).serve().await;
            }
        });
    }
}

/// Tells a client that there is no connection for it. A new socket's send buffer has room for this.
fn refuse(stream: TcpStream) {
    let mut outbox = Outbox::default();
    let error = SqlError::too_many_connections();
    outbox.message(|out| put_error_before_greeting(out, &error));
    let _ = stream.try_write(outbox.bytes());
}

async fn drain(tasks: &mut JoinSet<()>) {
    while let Some(ended) = tasks.join_next().await {
        log_panic(ended);
    }
}

fn log_panic(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "a connection ended in a panic");
    }
}
