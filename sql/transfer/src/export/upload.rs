//! One file on its way to the store: pieces of a fixed size, several at once, in memory only.
//!
//! A file of one piece is put whole. A larger one is a multipart upload, which either is completed or
//! leaves nothing.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{MultipartUpload, PutPayload};
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinSet;

use super::progress::Progress;
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::place::Place;

/// Smallest piece. Stores take at most 10,000 of them.
pub(crate) const PIECE_BYTES: usize = 8 << 20;
const PIECES_MAX: u64 = 9_000;
/// Pieces of one file under way.
const AT_ONCE: usize = 4;

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
    piece_bytes: usize,
    buffer: Vec<u8>,
    multipart: Option<Box<dyn MultipartUpload>>,
    pieces: JoinSet<object_store::Result<()>>,
    sha256: Sha256,
    bytes: u64,
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
        let needed = bytes_max.div_ceil(PIECES_MAX).min(1 << 30);
        let needed = usize::try_from(needed).unwrap_or(PIECE_BYTES);
        Self {
            sender,
            path,
            piece_bytes: needed.next_multiple_of(1 << 20).max(PIECE_BYTES),
            buffer: Vec::new(),
            multipart: None,
            pieces: JoinSet::new(),
            sha256: Sha256::new(),
            bytes: 0,
        }
    }

    /// Bytes taken so far.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Bytes in memory, pieces under way included.
    pub(crate) fn held(&self) -> u64 {
        (self.buffer.capacity() + self.pieces.len() * self.piece_bytes) as u64
    }

    /// Takes bytes; waits while enough of them are under way.
    pub(crate) fn write(&mut self, mut bytes: &[u8]) -> Result<()> {
        self.sha256.update(bytes);
        self.bytes += bytes.len() as u64;
        while !bytes.is_empty() {
            let room = self.piece_bytes.saturating_sub(self.buffer.len());
            let (now, later) = bytes.split_at(room.min(bytes.len()));
            self.buffer.extend_from_slice(now);
            bytes = later;
            if self.buffer.len() >= self.piece_bytes {
                let handle = self.sender.handle.clone();
                handle.block_on(self.send_piece())?;
            }
        }
        Ok(())
    }

    async fn send_piece(&mut self) -> Result<()> {
        let cancel = self.sender.cancel.clone();
        let payload: PutPayload = Bytes::from(std::mem::take(&mut self.buffer)).into();
        self.wait_below(AT_ONCE).await?;
        if self.multipart.is_none() {
            let begun = self.sender.place.put_multipart(&self.path);
            self.multipart = Some(cancel.or(begun).await??);
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
        Ok(())
    }

    async fn wait_below(&mut self, count: usize) -> Result<()> {
        let cancel = self.sender.cancel.clone();
        while self.pieces.len() >= count.max(1) {
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
        if self.multipart.is_none() {
            let payload: PutPayload = Bytes::from(std::mem::take(&mut self.buffer)).into();
            let length = payload.content_length() as u64;
            cancel.or(place.put(&self.path, payload)).await??;
            self.sender.progress.add_bytes(length);
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
            sha256: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
        })
    }

    async fn complete(&mut self) -> Result<()> {
        let Some(multipart) = &mut self.multipart else {
            return Ok(());
        };
        let completed = self.sender.cancel.or(multipart.complete()).await?;
        let Err(error) = completed else {
            self.multipart = None;
            return Ok(());
        };
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

    /// Gives the file up. What has become a file is removed by its name, elsewhere.
    pub(crate) async fn abort(mut self) -> Result<()> {
        self.pieces.shutdown().await;
        let Some(mut multipart) = self.multipart.take() else {
            return Ok(());
        };
        match multipart.abort().await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.sender.place.error("giving up", &self.path, &e)),
        }
    }
}
