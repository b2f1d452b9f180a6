//! A file's bytes from its beginning to its end, read ahead.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::backup::hex;
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::place::{Found, Place};

/// Bytes of a request, and requests under way.
const PIECE_BYTES: u64 = 4 << 20;
const AHEAD: usize = 3;
/// Times that a piece is asked for: one whose answer breaks off is asked for again.
const TRIES: usize = 4;

/// Reads files one after the other as if they were one. A file whose SHA-256 is known is compared with it before the
/// last of its bytes is handed out: who has read them all has read what was written.
pub struct FileReader {
    place: Place,
    handle: Handle,
    cancel: Cancel,
    files: VecDeque<Found>,
    /// Offset in the first file that is to be asked for next.
    next: u64,
    ahead: VecDeque<Ahead>,
    current: Bytes,
    /// Of the file in the middle of which it is, if that is to be compared.
    digest: Sha256,
}

/// A piece that has been asked for.
struct Ahead {
    bytes: JoinHandle<Result<Bytes>>,
    /// Whether its file is compared with a SHA-256.
    is_digested: bool,
    /// The file, if it is the last piece of one that is compared.
    ends: Option<Found>,
}

impl std::fmt::Debug for FileReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FileReader").finish_non_exhaustive()
    }
}

impl FileReader {
    pub fn new(place: Place, files: Vec<Found>, handle: Handle, cancel: Cancel) -> Self {
        Self {
            place,
            handle,
            cancel,
            files: files.into(),
            next: 0,
            ahead: VecDeque::new(),
            current: Bytes::new(),
            digest: Sha256::new(),
        }
    }

    fn ask_ahead(&mut self) {
        while self.ahead.len() < AHEAD {
            let Some(file) = self.files.front() else {
                return;
            };
            if self.next >= file.bytes {
                self.files.pop_front();
                self.next = 0;
                continue;
            }
            let range = self.next..file.bytes.min(self.next + PIECE_BYTES);
            self.next = range.end;
            let (place, path) = (self.place.clone(), file.path.clone());
            let is_digested = file.said.sha256.is_some();
            let is_last = range.end == file.bytes;
            let ends = (is_digested && is_last).then(|| file.clone());
            let piece = async move { read_range(&place, &path, range).await };
            self.ahead.push_back(Ahead {
                bytes: self.handle.spawn(piece),
                is_digested,
                ends,
            });
        }
    }

    /// The next piece, which is whole, and so is its file if it is the last one. `None`: there is none.
    fn next_piece(&mut self) -> io::Result<Option<Bytes>> {
        self.ask_ahead();
        let Some(ahead) = self.ahead.pop_front() else {
            return Ok(None);
        };
        let (handle, cancel) = (self.handle.clone(), self.cancel.clone());
        let piece = handle
            .block_on(cancel.or(ahead.bytes))
            .map_err(io::Error::other)?;
        let piece = piece.map_err(io::Error::other)?.map_err(io::Error::other)?;
        if ahead.is_digested {
            self.digest.update(&piece);
        }
        if let Some(file) = &ahead.ends {
            self.compare(file).map_err(io::Error::other)?;
        }
        Ok(Some(piece))
    }

    fn compare(&mut self, file: &Found) -> Result<()> {
        let digest = hex(&std::mem::take(&mut self.digest).finalize());
        let expected = file.said.sha256.as_deref().unwrap_or_default();
        match digest.eq_ignore_ascii_case(expected) {
            true => Ok(()),
            false => {
                let why = "the file is damaged: its SHA-256 is not what the manifest says";
                Err(TransferError::content(self.place.url_of(&file.path), why))
            }
        }
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.ahead.iter().for_each(|ahead| ahead.bytes.abort());
    }
}

/// A range of a file, whole.
pub(super) async fn read_range(
    place: &Place,
    path: &Path,
    range: std::ops::Range<u64>,
) -> Result<Bytes> {
    let wanted = range.end - range.start;
    let mut tries = 1;
    loop {
        match place.read_range(path, range.clone()).await {
            Ok(bytes) if bytes.len() as u64 == wanted => return Ok(bytes),
            Ok(bytes) if tries >= TRIES => {
                let why = format!("{} bytes came of {wanted}", bytes.len());
                return Err(TransferError::content(place.url_of(path), why));
            }
            Err(error @ TransferError::Store { .. }) if tries < TRIES => {
                tracing::debug!(%error, "a piece is asked for again");
            }
            Err(error) => return Err(error),
            Ok(_) => {}
        }
        tries += 1;
        tokio::time::sleep(std::time::Duration::from_millis(50) * tries as u32).await;
    }
}

impl Read for FileReader {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            let Some(piece) = self.next_piece()? else {
                return Ok(0);
            };
            self.current = piece;
        }
        let count = room.len().min(self.current.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..count), self.current.get(..count)) {
            room.copy_from_slice(bytes);
        }
        self.current.advance(count);
        Ok(count)
    }
}
