//! The HTTP receiver: rows as JSON over a listener of its own, off unless `http_listen` is set.
//!
//! It checks who sends, bounds what is taken, and hands rows to `sql`; what becomes of a row is decided
//! there. There is no TLS here: put a proxy in front of it.

mod answer;
mod room;
mod serve;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};

use axum::Router;
use axum::body::Body;
use axum::extract::{ConnectInfo, DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, Request, header};
use axum::response::Response;
use axum::routing::post;
use storno_sql::ingest::{self, Grant};
use storno_sql::{SessionContext, SqlError};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::engine::Engine;
use crate::error::{Error, Result};
use crate::server::port;
use answer::{Refusal, accepted};
use room::Room;

/// Bytes of one body, packed and unpacked.
const BODY_BYTES_MAX: usize = 32 << 20;
const UNPACKED_BYTES_MAX: usize = 64 << 20;
/// Bytes of all bodies that are worked on at once, and of their rows; one more has to come again.
const ALL_BYTES_MAX: usize = 256 << 20;
/// Requests that are worked on at once.
const REQUESTS_MAX: usize = 1024;

/// A running receiver. Dropping it stops it without waiting for requests.
#[derive(Debug)]
pub(crate) struct Receiver {
    address: SocketAddr,
    stop: Option<oneshot::Sender<()>>,
    stopping: Arc<AtomicBool>,
    serving: JoinHandle<()>,
}

struct Shared {
    engine: Engine,
    room: Arc<Room>,
    stopping: Arc<AtomicBool>,
    requests: AtomicU32,
}

impl Receiver {
    /// Listens and serves on the current runtime.
    pub(crate) async fn start(engine: Engine, listen: SocketAddr) -> Result<Self> {
        let listener = port::listen(Some(listen))?;
        let address = listener
            .local_addr()
            .map_err(|why| Error::Server(why.to_string()))?;
        let stopping = Arc::new(AtomicBool::new(false));
        let shared = Arc::new(Shared {
            engine,
            room: Arc::new(Room::new(ALL_BYTES_MAX, REQUESTS_MAX)),
            stopping: Arc::clone(&stopping),
            requests: AtomicU32::new(0),
        });
        let router = Router::new()
            .route("/v1/ingest/{schema}/{table}", post(ingest))
            .layer(DefaultBodyLimit::disable())
            .with_state(shared);
        let (stop, stopped) = oneshot::channel::<()>();
        Ok(Self {
            address,
            stop: Some(stop),
            stopping,
            serving: tokio::spawn(serve::serve(listener, router, stopped)),
        })
    }

    /// Where requests go.
    pub(crate) fn local_addr(&self) -> SocketAddr {
        self.address
    }

    /// Refuses what comes from now on, and returns when the requests under way have been answered.
    pub(crate) async fn shutdown(mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.stop.take();
        if let Err(why) = (&mut self.serving).await {
            tracing::warn!(%why, "the HTTP receiver ended badly");
        }
    }
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.stopping.store(true, Ordering::Relaxed);
        self.serving.abort();
    }
}

async fn ingest(
    State(shared): State<Arc<Shared>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path((schema, table)): Path<(String, String)>,
    request: Request<Body>,
) -> Response {
    match take(&shared, peer, (schema, table), request).await {
        Ok(ingested) => accepted(&ingested),
        Err(refusal) => refusal.into(),
    }
}

async fn take(
    shared: &Arc<Shared>,
    peer: SocketAddr,
    (schema, table): (String, String),
    request: Request<Body>,
) -> std::result::Result<ingest::Ingested, Refusal> {
    if shared.stopping.load(Ordering::Relaxed) {
        return Err(Refusal::Stopping);
    }
    let (token, grant) = permitted(shared, request.headers())?;
    if grant.schema != schema || grant.table != table {
        return Err(Refusal::Forbidden);
    }
    let gzip = is_gzip(request.headers())?;
    let length = request.headers().get(header::CONTENT_LENGTH);
    let length = length.and_then(|length| length.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > BODY_BYTES_MAX as u64) {
        return Err(Refusal::TooLarge);
    }
    let room = Arc::new(shared.room.claim().ok_or(Refusal::Busy)?);
    let body = ingest::Body {
        bytes: serve::receive(request.into_body(), &room).await?,
        gzip,
        bytes_max: UNPACKED_BYTES_MAX,
    };
    let context = SessionContext {
        // Connections count from 1 up, sessions of a program from the top down.
        connection_id: (1 << 31) | (shared.requests.fetch_add(1, Ordering::Relaxed) & 0x3fff_ffff),
        user: format!("token {token}"),
        host: peer.ip().to_string(),
        database: None,
        found_rows: false,
        local_files: false,
        multi_statements: false,
        interrupt: None,
    };
    let mut session = shared.engine.sql().session(context);
    let ingested = session.ingest(&grant, body, room).await;
    ingested.map_err(|error| match error {
        ingest::IngestError::Body(error) => error.into(),
        ingest::IngestError::Sql(error) => failed(&error),
    })
}

fn permitted(
    shared: &Shared,
    headers: &HeaderMap,
) -> std::result::Result<(String, Grant), Refusal> {
    let given = headers.get(header::AUTHORIZATION);
    let given = given.and_then(|value| value.to_str().ok());
    let token = given.and_then(|value| {
        let (scheme, token) = value.split_once(' ')?;
        scheme
            .eq_ignore_ascii_case("bearer")
            .then_some(token.trim())
    });
    let token = token.ok_or(Refusal::Unauthorized)?;
    let found = shared.engine.sql().ingest_grant(token);
    found
        .map_err(|error| failed(&error))?
        .ok_or(Refusal::Unauthorized)
}

fn is_gzip(headers: &HeaderMap) -> std::result::Result<bool, Refusal> {
    match headers.get(header::CONTENT_ENCODING).map(|v| v.as_bytes()) {
        None | Some(b"identity") => Ok(false),
        Some(b"gzip" | b"x-gzip") => Ok(true),
        Some(_) => Err(Refusal::Encoding),
    }
}

fn failed(error: &SqlError) -> Refusal {
    match error.code {
        // The table went while the token stayed.
        1146 | 1049 | 1054 => Refusal::NotFound(error.message.clone()),
        // A statement that was overtaken, a server that stops, a full or broken disk: it may work later.
        _ => Refusal::Failed(format!("{}: {}", error.code, error.message)),
    }
}
