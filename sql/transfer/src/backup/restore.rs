//! From a backup's manifest to its files, every one of them compared with its SHA-256.

use std::io::Read;
use std::sync::{Arc, Mutex, PoisonError};

use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::Backups;
use super::manifest::{BackupHeader, FileEntry, hex};
use crate::cancel::Cancel;
use crate::error::{BoxError, Result, TransferError};
use crate::export::Progress;
use crate::import::FileReader;
use crate::place::{Found, Place};

/// Files on their way at once.
const AT_ONCE: usize = 4;
const PIECE_BYTES: usize = 1 << 20;
/// The directory of objects that all backups share.
const SHARED: &str = "files/";

/// A file being written.
pub trait SinkFile: Send {
    /// # Errors
    /// What the disk says.
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError>;

    /// Makes it durable.
    ///
    /// # Errors
    /// What the disk says.
    fn finish(self: Box<Self>) -> Result<(), BoxError>;
}

type Create = dyn FnMut(&str) -> Result<Box<dyn SinkFile>, BoxError> + Send;

/// What was brought back.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Restored {
    pub header: BackupHeader,
    pub files: u64,
    pub bytes: u64,
}

/// Brings all files of a backup. `create` begins a file by its name.
///
/// # Errors
/// `Content` names the first file that is not what was put there. What has come by then is of no use.
pub async fn restore(
    place: Place,
    id: &str,
    create: Box<Create>,
    progress: Arc<Progress>,
    cancel: Cancel,
) -> Result<Restored> {
    let backups = Backups::new(place);
    let mut manifest = cancel.or(backups.manifest(id)).await??;
    // A backup that is renewed meanwhile keeps its own objects for some time only, others for good.
    let is_shared = |file: &FileEntry| file.objects.iter().all(|o| o.path.starts_with(SHARED));
    manifest.files.sort_by_key(is_shared);
    let (files, bytes) = (manifest.files.len() as u64, manifest.bytes());
    let work = Arc::new(Work {
        backups,
        create: Mutex::new(create),
        handle: Handle::current(),
        cancel,
        progress,
        queue: Mutex::new(manifest.files.into_iter()),
    });
    let threads: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let work = Arc::clone(&work);
            tokio::task::spawn_blocking(move || work.take_all())
        })
        .collect();
    let mut failed = None;
    for thread in threads {
        let ended = thread.await;
        let ended = ended.map_err(|e| TransferError::Internal(e.to_string()));
        if let Err(error) | Ok(Err(error)) = ended
            && matches!(failed, None | Some(TransferError::Cancelled))
        {
            failed = Some(error);
        }
    }
    match failed {
        Some(error) => Err(error),
        None => Ok(Restored {
            header: manifest.header,
            files,
            bytes,
        }),
    }
}

struct Work {
    backups: Backups,
    create: Mutex<Box<Create>>,
    handle: Handle,
    cancel: Cancel,
    progress: Arc<Progress>,
    queue: Mutex<std::vec::IntoIter<FileEntry>>,
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Work {
    fn take_all(&self) -> Result<()> {
        loop {
            let next = locked(&self.queue).next();
            let Some(entry) = next else { return Ok(()) };
            if let Err(error) = self.take(&entry) {
                // The others stop at their next file.
                locked(&self.queue).by_ref().for_each(drop);
                return Err(error);
            }
        }
    }

    fn take(&self, entry: &FileEntry) -> Result<()> {
        let pieces: Vec<Found> = entry
            .objects
            .iter()
            .map(|piece| Found::new(self.backups.path(&piece.path), piece.bytes))
            .collect();
        let first = pieces
            .first()
            .map_or_else(Path::default, |found| found.path.clone());
        let damaged = |why: String| {
            let url = self.backups.place.url_of(&first);
            TransferError::content(url, format!("{why}; it is '{}' of the backup", entry.name))
        };
        let mut file = locked(&self.create)(&entry.name).map_err(TransferError::Source)?;
        let place = self.backups.place.clone();
        let mut reader = FileReader::new(place, pieces, self.handle.clone(), self.cancel.clone());
        let (mut sha256, mut length) = (Sha256::new(), 0_u64);
        let mut buffer = vec![0; PIECE_BYTES];
        loop {
            let count =
                reader
                    .read(&mut buffer)
                    .map_err(|e| match e.downcast::<TransferError>() {
                        Ok(TransferError::Missing(_)) => damaged("the file is missing".into()),
                        Ok(own) => own,
                        Err(other) => TransferError::Io(other),
                    })?;
            let Some(piece) = buffer.get(..count).filter(|piece| !piece.is_empty()) else {
                break;
            };
            sha256.update(piece);
            length += count as u64;
            file.write(piece).map_err(TransferError::Source)?;
            self.progress.add_bytes(count as u64);
        }
        if length != entry.bytes {
            return Err(damaged(format!("{length} bytes came of {}", entry.bytes)));
        }
        if hex(&sha256.finalize()) != entry.sha256 {
            return Err(damaged("the file is damaged: its SHA-256 differs".into()));
        }
        file.finish().map_err(TransferError::Source)?;
        self.progress.add_file();
        Ok(())
    }
}
