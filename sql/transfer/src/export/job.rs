//! One export from its first batch to its manifest, or back to nothing.

use std::sync::{Arc, Mutex, PoisonError};

use arrow::array::RecordBatch;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::runtime::Handle;
use tokio::sync::mpsc;

use super::before::Before;
use super::crew::Crew;
use super::finish::{Begun, clean_up, publish, remove_old};
use super::gather::Load;
use super::parts::{Parts, Shared};
use super::progress::Progress;
use super::spec::{Delivery, ExportSpec, Exported, PartFile};
use super::upload::Sender;
use crate::cancel::Cancel;
use crate::error::{BoxError, Result, TransferError};

/// Batches between their source and the thread that encodes.
const QUEUE: usize = 4;

/// `None` is the end of the rows. A queue that closes without it belongs to an export that failed.
type Queue = mpsc::Receiver<Option<RecordBatch>>;

/// Runs an export on the current tokio runtime, which must have I/O and time. When it returns, all of
/// the export is there, or nothing but what is named.
///
/// It must be polled to its end: to stop it, set `cancel`.
pub async fn export(
    spec: ExportSpec,
    batches: BoxStream<'static, std::result::Result<RecordBatch, BoxError>>,
    progress: Arc<Progress>,
    cancel: Cancel,
) -> Delivery {
    let refused = |error| Delivery {
        result: Err(error),
        left: Vec::new(),
    };
    if let Err(error) = spec.check() {
        return refused(error);
    }
    let before = match cancel.or(Before::look(&spec)).await {
        Ok(Ok(before)) => before,
        Ok(Err(error)) | Err(error) => return refused(error),
    };
    let crew = match Crew::new(spec.threads) {
        Ok(crew) => Arc::new(crew),
        Err(error) => return refused(error),
    };
    let shared = Shared {
        crew,
        spec: Arc::new(spec),
        before: Arc::new(before),
        begun: Arc::default(),
    };
    let Shared {
        spec,
        before,
        begun,
        ..
    } = &shared;
    match run(&shared, batches, (progress, cancel)).await {
        Ok(exported) => {
            let left = remove_old(spec, before, &exported.files).await;
            let result = match left.first() {
                // Without a manifest nothing tells the old from the new.
                Some(first) if exported.manifest.is_none() => {
                    Err(TransferError::Exists(first.clone()))
                }
                _ => Ok(exported),
            };
            Delivery { result, left }
        }
        Err(error) => {
            let begun = std::mem::take(&mut *locked(begun));
            Delivery {
                result: Err(error),
                left: clean_up(spec, before, begun).await,
            }
        }
    }
}

fn locked(mutex: &Mutex<Begun>) -> std::sync::MutexGuard<'_, Begun> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn run(
    shared: &Shared,
    batches: BoxStream<'static, std::result::Result<RecordBatch, BoxError>>,
    (progress, cancel): (Arc<Progress>, Cancel),
) -> Result<Exported> {
    let spec = &shared.spec;
    // What fails inside stops the rest of the export, not what the caller's flag belongs to.
    let inner = Cancel::default();
    let sender = Sender {
        place: spec.place.clone(),
        handle: Handle::current(),
        cancel: inner.clone(),
        progress,
    };
    let (queue, received) = mpsc::channel(QUEUE);
    let work = {
        let shared = shared.clone();
        move || encode(shared, sender, received)
    };
    let encoding = tokio::task::spawn_blocking(work);
    let fed = feed(batches, queue, &cancel).await;
    if fed.is_err() {
        inner.cancel();
    }
    // The caller's flag must reach a thread that waits for the store.
    let watch = tokio::spawn(async move {
        cancel.cancelled().await;
        inner.cancel();
    });
    let encoded = encoding.await;
    watch.abort();
    let files = match (fed, encoded) {
        (_, Err(e)) => return Err(TransferError::Internal(e.to_string())),
        (Err(error), Ok(_)) | (Ok(()), Ok(Err(error))) => return Err(error),
        (Ok(()), Ok(Ok(files))) => files,
    };
    let begun = |manifest| locked(&shared.begun).manifest = manifest;
    let manifest = publish(spec, &files, &shared.before, begun).await?;
    Ok(Exported {
        rows: files.iter().map(|file| file.rows).sum(),
        bytes: files.iter().map(|file| file.bytes).sum(),
        files,
        manifest,
    })
}

/// Passes batches on, no faster than they are encoded.
async fn feed(
    mut batches: BoxStream<'static, std::result::Result<RecordBatch, BoxError>>,
    queue: mpsc::Sender<Option<RecordBatch>>,
    cancel: &Cancel,
) -> Result<()> {
    loop {
        let next = tokio::select! {
            biased;
            // A thread that takes nothing more has failed, and says why.
            () = queue.closed() => return Ok(()),
            next = cancel.or(batches.next()) => next?,
        };
        let Some(batch) = next else { break };
        let batch = batch.map_err(TransferError::Source)?;
        if cancel.or(queue.send(Some(batch))).await?.is_err() {
            return Ok(());
        }
    }
    let _ = cancel.or(queue.send(None)).await?;
    Ok(())
}

fn encode(shared: Shared, sender: Sender, mut queue: Queue) -> Result<Vec<PartFile>> {
    let mut parts = Parts::new(shared, sender)?;
    let done = take_all(&mut parts, &mut queue);
    if done.is_err() {
        parts.abandon();
    }
    done
}

fn take_all(parts: &mut Parts, queue: &mut Queue) -> Result<Vec<PartFile>> {
    let mut load = Load::default();
    loop {
        match queue.blocking_recv() {
            Some(Some(batch)) => load.push(batch),
            Some(None) => break,
            None => return Err(TransferError::Cancelled),
        }
        if load.is_full() {
            parts.write(load.take())?;
        }
    }
    if !load.is_empty() {
        parts.write(load.take())?;
    }
    parts.finish()
}
