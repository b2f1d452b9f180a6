//! One file on its way to the store: in pieces, several at once, in memory only.
//!
//! A file of one piece is put whole. A larger one is a multipart upload, which either is completed or
//! leaves nothing.
//!
//! INVARIANT: a request that makes something at the store (begins an upload, puts or completes a file) is never
//! dropped: who cancels waits for it, a while, and then removes what it has made.

use std::time::Duration;

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::{JoinHandle, JoinSet};

use super::pieces::{PIECE_BYTES, piece_bytes};
use super::progress::Progress;
use crate::backup::hex;
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::place::Place;

/// Pieces of one file under way, and their bytes together, if it is more than one.
const AT_ONCE: u64 = 4;
const AT_ONCE_BYTES: u64 = 32 << 20;
/// How long somebody who cancels waits for the answer to a request.
const LAST_WAIT: Duration = Duration::from_secs(30);
/// Times that giving up is tried, each with the retries of a request.
const ROUNDS: usize = 3;

/// How files are sent.
#[derive(Debug, Clone)]
pub(crate) struct Sender {
    pub(crate) place: Place,
    pub(crate) handle: Handle,
    pub(crate) cancel: Cancel,
    pub(crate) progress: std::sync::Arc<Progress>,
}

/// A file being written. Blocking, for threads that encode.
pub(crate) struct Upload {
    sender: Sender,
    path: Path,
    bytes_max: u64,
    buffer: Vec<u8>,
    multipart: Option<Box<dyn MultipartUpload>>,
    /// A request whose answer nobody has seen yet.
    asked: Option<Asked>,
    pieces: JoinSet<object_store::Result<()>>,
    piece_bytes: u64,
    sha256: Sha256,
    bytes: u64,
    sent: u64,
}

/// What makes something at the store.
enum Asked {
    Begin(JoinHandle<Result<Box<dyn MultipartUpload>>>),
    Put(JoinHandle<Result<()>>),
    Complete(JoinHandle<(Box<dyn MultipartUpload>, object_store::Result<()>)>),
}

/// What arrived.
#[derive(Debug)]
pub(crate) struct Uploaded {
    pub(crate) bytes: u64,
    pub(crate) sha256: String,
}

impl Upload {
    /// `bytes_max`: about how large the file may become.
    pub(crate) fn new(sender: Sender, path: Path, bytes_max: u64) -> Self {
        // Files of this machine are not counted in pieces.
        let bytes_max = match sender.place.is_atomic() {
            true => bytes_max,
            false => 0,
        };
        Self {
            sender,
            path,
            bytes_max,
            buffer: Vec::new(),
            multipart: None,
            asked: None,
            pieces: JoinSet::new(),
            piece_bytes: PIECE_BYTES,
            sha256: Sha256::new(),
            bytes: 0,
            sent: 0,
        }
    }

    /// Bytes taken so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes in memory, pieces under way included.
    pub(crate) fn held(&self) -> u64 {
        self.buffer.capacity() as u64 + self.pieces.len() as u64 * self.piece_bytes
    }

    /// Takes bytes; waits while enough of them are under way.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = usize::try_from(self.piece_bytes).unwrap_or(usize::MAX);
            let room = room.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() as u64 >= self.piece_bytes {
                let handle = self.sender.handle.clone();
                handle.block_on(self.send_piece())?;
            }
        }
        Ok(())
    }

    async fn send_piece(&mut self) -> Result<()> {
        let payload: PutPayload = Bytes::from(std::mem::take(&mut self.buffer)).into();
        let at_once = (AT_ONCE_BYTES / self.piece_bytes).clamp(1, AT_ONCE);
        self.wait_below(at_once).await?;
        if self.multipart.is_none() {
            self.begin().await?;
        }
        let length = payload.content_length() as u64;
        if let Some(multipart) = &mut self.multipart {
            let (piece, progress) = (multipart.put_part(payload), self.sender.progress.clone());
            self.pieces.spawn(async move {
                piece.await?;
                progress.add_bytes(length);
                Ok(())
            });
        }
        self.sent += length;
        self.piece_bytes = piece_bytes(self.sent, self.bytes_max);
        Ok(())
    }

    async fn begin(&mut self) -> Result<()> {
        let (place, path) = (self.sender.place.clone(), self.path.clone());
        let begun = tokio::spawn(async move { place.put_multipart(&path).await });
        let Asked::Begin(begun) = self.asked.insert(Asked::Begin(begun)) else {
            return Ok(());
        };
        let begun = self.sender.cancel.or(begun).await?;
        self.asked = None;
        self.multipart = Some(answered(begun)??);
        Ok(())
    }

    async fn wait_below(&mut self, count: u64) -> Result<()> {
        let cancel = self.sender.cancel.clone();
        while self.pieces.len() as u64 >= count.max(1) {
            match cancel.or(self.pieces.join_next()).await? {
                Some(Ok(Ok(()))) => {}
                Some(Ok(Err(e))) => {
                    return Err(self.sender.place.error("writing", &self.path, &e));
                }
                Some(Err(e)) => return Err(TransferError::Internal(e.to_string())),
                None => break,
            }
        }
        Ok(())
    }

    /// Sends the rest, and makes sure that the file is there, whole.
    pub(crate) async fn finish(&mut self) -> Result<Uploaded> {
        let cancel = self.sender.cancel.clone();
        let place = self.sender.place.clone();
        cancel.check()?;
        if self.multipart.is_none() {
            self.put().await?;
        } else {
            if !self.buffer.is_empty() {
                self.send_piece().await?;
            }
            self.wait_below(1).await?;
            self.complete().await?;
        }
        let size = cancel.or(place.size(&self.path)).await??;
        if size != self.bytes {
            return Err(TransferError::Store {
                what: "writing",
                name: place.url_of(&self.path),
                why: format!("{size} bytes arrived of {}", self.bytes),
            });
        }
        self.sender.progress.add_file();
        let digest = std::mem::take(&mut self.sha256).finalize();
        Ok(Uploaded {
            bytes: self.bytes,
            sha256: hex(&digest),
        })
    }

    async fn put(&mut self) -> Result<()> {
        let payload: PutPayload = Bytes::from(std::mem::take(&mut self.buffer)).into();
        let length = payload.content_length() as u64;
        let (place, path) = (self.sender.place.clone(), self.path.clone());
        let put = tokio::spawn(async move { place.put(&path, payload).await });
        let Asked::Put(put) = self.asked.insert(Asked::Put(put)) else {
            return Ok(());
        };
        let put = self.sender.cancel.or(put).await?;
        self.asked = None;
        answered(put)??;
        self.sender.progress.add_bytes(length);
        Ok(())
    }

    async fn complete(&mut self) -> Result<()> {
        let Some(mut multipart) = self.multipart.take() else {
            return Ok(());
        };
        let completed = tokio::spawn(async move {
            let completed = multipart.complete().await.map(|_| ());
            (multipart, completed)
        });
        let Asked::Complete(completed) = self.asked.insert(Asked::Complete(completed)) else {
            return Ok(());
        };
        let completed = self.sender.cancel.or(completed).await?;
        self.asked = None;
        let (multipart, completed) = answered(completed)?;
        let Err(error) = completed else {
            return Ok(());
        };
        self.multipart = Some(multipart);
        // An answer that was lost on its way: tried again, the store knows of no such upload.
        let place = &self.sender.place;
        match self.sender.cancel.or(place.size(&self.path)).await? {
            Ok(size) if size == self.bytes => {
                self.multipart = None;
                Ok(())
            }
            _ => Err(place.error("writing", &self.path, &error)),
        }
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Gives the file up. What has become a file is removed by its name, elsewhere, and behind this.
    ///
    /// # Errors
    /// Something may still be at the store, or appear there.
    pub(crate) async fn abort(mut self) -> Result<()> {
        self.pieces.shutdown().await;
        self.settle().await?;
        let Some(mut multipart) = self.multipart.take() else {
            return Ok(());
        };
        let mut failed = None;
        for _ in 0..ROUNDS {
            match multipart.abort().await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => return Ok(()),
                Err(e) => {
                    failed.get_or_insert(self.sender.place.error("giving up", &self.path, &e));
                }
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Waits for the answer to what was asked for when the file was given up.
    async fn settle(&mut self) -> Result<()> {
        let unanswered = |_| TransferError::Store {
            what: "giving up",
            name: self.sender.place.url_of(&self.path),
            why: "the store does not answer".into(),
        };
        match self.asked.take() {
            None => {}
            Some(Asked::Put(mut put)) => {
                let put = tokio::time::timeout(LAST_WAIT, &mut put).await;
                let _ = answered(put.map_err(unanswered)?)?;
            }
            Some(Asked::Begin(mut begun)) => {
                match tokio::time::timeout(LAST_WAIT, &mut begun).await {
                    Ok(begun) => self.multipart = answered(begun)?.ok(),
                    Err(late) => {
                        // Nobody else will know of it.
                        tokio::spawn(async move {
                            if let Ok(Ok(mut multipart)) = begun.await {
                                let _ = multipart.abort().await;
                            }
                        });
                        return Err(unanswered(late));
                    }
                }
            }
            Some(Asked::Complete(mut completed)) => {
                let completed = tokio::time::timeout(LAST_WAIT, &mut completed).await;
                let (multipart, completed) = answered(completed.map_err(unanswered)?)?;
                self.multipart = completed.is_err().then_some(multipart);
            }
        }
        Ok(())
    }
}

fn answered<T>(joined: std::result::Result<T, tokio::task::JoinError>) -> Result<T> {
    joined.map_err(|e| TransferError::Internal(e.to_string()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::fake::{Fake, Fate};

    fn sender(place: Place) -> Sender {
        Sender {
            place,
            handle: Handle::current(),
            cancel: Cancel::default(),
            progress: Default::default(),
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_file_of_unknown_size_is_sent_from_the_first_piece_on() {
        let dir = tempfile::tempdir().expect("a directory");
        let local = Place::local(dir.path(), "").expect("opens");
        for place in [local, Fake::default().place("")] {
            let path = Path::from("f");
            let mut upload = Upload::new(sender(place), path.clone(), u64::MAX);
            let write = move || {
                for _ in 0..30 {
                    upload.write(&[7; 3 << 20]).expect("written");
                    assert!(upload.held() <= 56 << 20, "{}", upload.held());
                }
                upload
            };
            let mut upload = tokio::task::spawn_blocking(write).await.expect("ends");
            assert_eq!(upload.finish().await.expect("arrives").bytes, 90 << 20);
        }
    }

    /// Cancels while a request is under way; what is left is told by the store.
    async fn cancelled_during(request: &'static str, bytes: usize) -> (Fake, Result<()>) {
        let fake = Fake::default();
        fake.rule(move |asked| match asked.starts_with(request) {
            true => Fate::Late(Duration::from_millis(300)),
            false => Fate::Done,
        });
        let sender = sender(fake.place(""));
        let cancel = sender.cancel.clone();
        let mut upload = Upload::new(sender, Path::from("f"), u64::MAX);
        let write = move || {
            let written = upload.write(&vec![7; bytes]);
            (upload, written)
        };
        let stopper = tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(100)).await;
            cancel.cancel();
        });
        let (mut upload, written) = tokio::task::spawn_blocking(write).await.expect("ends");
        let ended = match written {
            Ok(()) => upload.finish().await.map(drop),
            failed => failed,
        };
        assert!(matches!(ended, Err(TransferError::Cancelled)), "{ended:?}");
        stopper.await.expect("ends");
        let given_up = upload.abort().await;
        (fake, given_up)
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn who_cancels_waits_for_what_is_under_way() {
        let (fake, given_up) = cancelled_during("begin", 9 << 20).await;
        given_up.expect("given up");
        assert_eq!(fake.done(), ["begin f", "abort f"]);
        for (request, bytes) in [("put", 10), ("complete", 9 << 20)] {
            let (fake, given_up) = cancelled_during(request, bytes).await;
            given_up.expect("nothing is under way");
            assert_eq!(fake.open_uploads(), 0);
            // It is there, and so is found by who removes files.
            assert_eq!(fake.keys().await, ["f"], "{request}");
        }
    }
}
