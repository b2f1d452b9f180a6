//! Where a load's bytes come from: a file of the server, or pieces that a client sends.

use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

use crate::error::{Result, SqlError};

/// Pieces of a client's file; `None` is its end.
#[derive(Debug)]
pub(super) struct Arrived {
    pieces: mpsc::Receiver<Option<Bytes>>,
    current: Bytes,
    is_ended: bool,
}

impl Arrived {
    pub(super) fn new(pieces: mpsc::Receiver<Option<Bytes>>) -> Self {
        Self {
            pieces,
            current: Bytes::new(),
            is_ended: false,
        }
    }
}

impl Read for Arrived {
    fn read(&mut self, room: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_ended {
            match self.pieces.blocking_recv() {
                Some(Some(piece)) => self.current = piece,
                Some(None) => self.is_ended = true,
                // Without its end the file is not whole, and the client is gone.
                None => return Err(io::Error::other(SqlError::interrupted())),
            }
        }
        let count = room.len().min(self.current.len());
        let (Some(room), Some(bytes)) = (room.get_mut(..count), self.current.get(..count)) else {
            return Ok(0);
        };
        room.copy_from_slice(bytes);
        self.current.advance(count);
        Ok(count)
    }
}

/// Tells the thread of a load, when dropped, that nobody waits for it any more.
#[derive(Debug)]
pub(super) struct Cancel {
    flag: Arc<AtomicBool>,
    /// What waits for a store.
    waits: Option<storno_transfer::Cancel>,
}

impl Cancel {
    pub(super) fn new(waits: Option<storno_transfer::Cancel>) -> (Self, Arc<AtomicBool>) {
        let flag = Arc::new(AtomicBool::new(false));
        let cancelled = Arc::clone(&flag);
        (Self { flag, waits }, cancelled)
    }
}

impl Drop for Cancel {
    fn drop(&mut self) {
        self.flag.store(true, Ordering::Relaxed);
        if let Some(waits) = &self.waits {
            waits.cancel();
        }
    }
}

/// The path of a file that may be read: with `secure_file_priv` NULL none, with a directory those
/// below it, with the empty string all.
pub(super) fn allowed_path(name: &str, secure_file_priv: &str) -> Option<PathBuf> {
    let path = Path::new(name);
    if secure_file_priv.eq_ignore_ascii_case("NULL") {
        return None;
    }
    if secure_file_priv.is_empty() {
        return Some(path.to_owned());
    }
    let directory = Path::new(secure_file_priv).canonicalize().ok()?;
    let path = directory.join(path);
    // A file that is not there is told apart from one that may not be read by its directory alone.
    let resolved = path.canonicalize().or_else(|_| {
        let climbs = path.components().any(|c| c == Component::ParentDir);
        if climbs { Err(()) } else { Ok(path.clone()) }
    });
    resolved.ok().filter(|path| path.starts_with(&directory))
}

pub(super) fn open(path: &Path) -> Result<File> {
    let failed = |e: io::Error| SqlError::file_not_found(path, &e);
    let file = File::open(path).map_err(failed)?;
    match file.metadata().map_err(failed)?.is_file() {
        true => Ok(file),
        // A pipe could keep the statement waiting for ever; a directory has no lines.
        false => Err(failed(io::Error::from_raw_os_error(22))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_files_below_the_directory_may_be_read() {
        let dir = tempfile::tempdir().expect("directory");
        let inside = dir.path().join("in");
        std::fs::create_dir(&inside).expect("made");
        std::fs::write(inside.join("a.csv"), "1").expect("written");
        std::fs::write(dir.path().join("b.csv"), "1").expect("written");
        let allowed = inside.to_str().expect("UTF-8").to_owned();
        let may = |name: &str| allowed_path(name, &allowed).is_some();
        assert!(may("a.csv") && may(inside.join("a.csv").to_str().expect("UTF-8")));
        assert!(may("missing.csv"), "is not found later");
        assert!(!may("../b.csv") && !may(dir.path().join("b.csv").to_str().expect("UTF-8")));
        assert!(!may("../missing.csv"));
        assert_eq!(allowed_path("/etc/passwd", "NULL"), None);
        assert_eq!(allowed_path("/x", ""), Some("/x".into()));
    }

    #[cfg(unix)]
    #[test]
    fn a_link_out_of_the_directory_is_not_followed() {
        let dir = tempfile::tempdir().expect("directory");
        let inside = dir.path().join("in");
        std::fs::create_dir(&inside).expect("made");
        std::fs::write(dir.path().join("b.csv"), "1").expect("written");
        std::os::unix::fs::symlink(dir.path().join("b.csv"), inside.join("l.csv")).expect("linked");
        assert_eq!(allowed_path("l.csv", inside.to_str().expect("UTF-8")), None);
    }
}
