//! Connections of the receiver. axum's own loop knows no time-outs: a sender that begins a request and does not go on
//! would stay for ever.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::ConnectInfo;
use axum::{Extension, Router};
use futures::StreamExt;
use hyper::server::conn::http1;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::service::TowerToHyperService;
use storno_sql::ingest::Room;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};

use super::BODY_BYTES_MAX;
use super::answer::Refusal;
use super::room::Claim;

/// For the head of a request, the next one of a connection included.
const HEAD_WAIT: Duration = Duration::from_secs(30);
/// Between two pieces of a body, and for all of it.
const PIECE_WAIT: Duration = Duration::from_secs(10);
const BODY_WAIT: Duration = Duration::from_secs(120);
/// After a connection that could not be accepted: there are too many files open.
const PAUSE: Duration = Duration::from_millis(50);

/// Serves until told to stop, or until nobody can tell any more; returns when all requests are answered.
pub(super) async fn serve(
    listener: TcpListener,
    router: Router,
    mut stopped: oneshot::Receiver<()>,
) {
    let (stop, stopping) = watch::channel(());
    let (open, mut all_closed) = mpsc::channel::<()>(1);
    loop {
        let accepted = tokio::select! {
            biased;
            _ = &mut stopped => break,
            accepted = listener.accept() => accepted,
        };
        let Ok((stream, peer)) = accepted else {
            tokio::time::sleep(PAUSE).await;
            continue;
        };
        let router = router.clone().layer(Extension(ConnectInfo(peer)));
        let (stopping, open) = (stopping.clone(), open.clone());
        tokio::spawn(async move {
            connection(stream, router, stopping).await;
            drop(open);
        });
    }
    drop((listener, stop, open));
    let _ = all_closed.recv().await;
}

async fn connection(stream: TcpStream, router: Router, mut stopping: watch::Receiver<()>) {
    let _ = stream.set_nodelay(true);
    let mut http = http1::Builder::new();
    http.timer(TokioTimer::new()).header_read_timeout(HEAD_WAIT);
    let service = TowerToHyperService::new(router);
    let mut serving = std::pin::pin!(http.serve_connection(TokioIo::new(stream), service));
    tokio::select! {
        // How it ended is between the client and the network.
        _ = serving.as_mut() => return,
        // The sender is gone: no value ever comes.
        _ = stopping.changed() => serving.as_mut().graceful_shutdown(),
    }
    let _ = serving.await;
}

/// A whole body; takes room for each piece as it comes.
pub(super) async fn receive(body: Body, claim: &Arc<Claim>) -> Result<Bytes, Refusal> {
    let end = Instant::now() + BODY_WAIT;
    let mut pieces = body.into_data_stream();
    let mut bytes = Vec::new();
    loop {
        let next = timeout_at(end, timeout(PIECE_WAIT, pieces.next())).await;
        let piece = match next {
            Ok(Ok(Some(piece))) => piece.map_err(|why| Refusal::Unreadable(why.to_string()))?,
            Ok(Ok(None)) => return Ok(bytes.into()),
            Ok(Err(_)) | Err(_) => return Err(Refusal::TooSlow),
        };
        if bytes.len() + piece.len() > BODY_BYTES_MAX {
            return Err(Refusal::TooLarge);
        }
        claim.take(piece.len())?;
        bytes.extend_from_slice(&piece);
    }
}
