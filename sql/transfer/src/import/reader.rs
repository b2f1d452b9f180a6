//! A file's bytes from its beginning to its end, read ahead.

use std::collections::VecDeque;
use std::io::{self, Read};

use bytes::{Buf, Bytes};
use object_store::path::Path;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::place::{Found, Place};

/// Bytes of a request, and requests under way.
const PIECE_BYTES: u64 = 4 << 20;
const AHEAD: usize = 3;
/// Times that a piece is asked for: one whose answer breaks off is asked for again.
const TRIES: usize = 4;

/// Reads files one after the other as if they were one.
pub struct FileReader {
    place: Place,
    handle: Handle,
    cancel: Cancel,
    files: VecDeque<Found>,
    /// Offset in the first file that is to be asked for next.
    next: u64,
    ahead: VecDeque<JoinHandle<Result<Bytes>>>,
    current: Bytes,
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
            let piece = async move { read_range(&place, &path, range).await };
            self.ahead.push_back(self.handle.spawn(piece));
        }
    }
}

impl Drop for FileReader {
    fn drop(&mut self) {
        self.ahead.iter().for_each(JoinHandle::abort);
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
            self.ask_ahead();
            let Some(piece) = self.ahead.pop_front() else {
                return Ok(0);
            };
            let (handle, cancel) = (self.handle.clone(), self.cancel.clone());
            let piece = handle
                .block_on(cancel.or(piece))
                .map_err(io::Error::other)?;
            self.current = piece.map_err(io::Error::other)?.map_err(io::Error::other)?;
        }
        let count = room.len().min(self.current.len());
        if let (Some(room), Some(bytes)) = (room.get_mut(..count), self.current.get(..count)) {
            room.copy_from_slice(bytes);
        }
        self.current.advance(count);
        Ok(count)
    }
}
