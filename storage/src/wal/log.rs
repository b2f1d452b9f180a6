//! The WAL file being written: frames gathered in memory, written, synced. It knows neither commits nor
//! tables, and it never reads.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::format::{
    FILE_HEADER_BYTES, FileHeader, FileId, FileKind, FrameHeader, Seal, encode_frame,
};
use crate::fs::{File, FileSystem};
use crate::{Error, Result};

/// Directory of the WAL files below the data directory.
pub(crate) const WAL_DIR: &str = "wal";

pub(crate) fn wal_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(WAL_DIR).join(format!("{:016x}.wal", file.0))
}

/// Frames of more bytes than this are not written ahead of: their own length costs more than the file's.
const SMALL_BYTES: usize = 16 << 10;

/// The newest WAL file. Behind the last frame may be zeros: a sync of bytes the file already had takes about
/// two thirds of the time of one that has to make its new length durable, too.
///
/// INVARIANT: after an error of `write` or `sync` that is not "disk full", what the file holds beyond `synced` is
/// unknown and the store must stop writing.
#[derive(Debug)]
pub(crate) struct WalLog {
    file: Box<dyn File>,
    path: PathBuf,
    seal: Seal,
    /// Zeros written behind a small frame that reaches beyond the end of the file.
    ahead_bytes: usize,
    /// Length of the file, with the zeros.
    reserved: u64,
    /// Bytes handed to the file.
    written: u64,
    /// Bytes known to be on the disk.
    synced: u64,
    /// Frames that follow `written`.
    pending: Vec<u8>,
}

impl WalLog {
    /// Creates a file that holds nothing yet and is durable under its name.
    pub(crate) fn create(
        (fs, dir): (&Arc<dyn FileSystem>, &Path),
        seal: Seal,
        ahead_bytes: usize,
    ) -> Result<Self> {
        let path = wal_path(dir, seal.file);
        let file = fs
            .create(&path)
            .map_err(|e| Error::io("create", &path, &e))?;
        let header = FileHeader {
            kind: FileKind::Wal,
            seal,
        }
        .encode();
        file.write_at(0, &header)
            .map_err(|e| Error::io("write", &path, &e))?;
        file.sync().map_err(|e| Error::io("sync", &path, &e))?;
        let wal_dir = dir.join(WAL_DIR);
        fs.sync_dir(&wal_dir)
            .map_err(|e| Error::io("sync", &wal_dir, &e))?;
        let length = FILE_HEADER_BYTES as u64;
        Ok(Self {
            file,
            path,
            seal,
            ahead_bytes,
            reserved: length,
            written: length,
            synced: length,
            pending: Vec::new(),
        })
    }

    pub(crate) fn id(&self) -> FileId {
        self.seal.file
    }

    /// Length including frames not yet written, without the zeros.
    pub(crate) fn length(&self) -> u64 {
        self.written + self.pending.len() as u64
    }

    /// Whether it holds no frame.
    pub(crate) fn is_empty(&self) -> bool {
        self.length() == FILE_HEADER_BYTES as u64
    }

    pub(crate) fn is_synced(&self) -> bool {
        self.synced == self.length()
    }

    pub(crate) fn pending_bytes(&self) -> usize {
        self.pending.len()
    }

    /// Queues a frame of `count` commits, the first of which has sequence `first`. Returns what
    /// `withdraw` needs to take it back.
    pub(crate) fn append(&mut self, first: u64, count: u32, edit: u64, payload: &[u8]) -> usize {
        let before = self.pending.len();
        let header = FrameHeader {
            first,
            count,
            synced: self.synced,
            other: edit,
        };
        let offset = self.length();
        encode_frame(&mut self.pending, self.seal, offset, header, payload);
        before
    }

    /// Takes back frames queued since `append` returned `mark`; they must not have been written.
    pub(crate) fn withdraw(&mut self, mark: usize) {
        self.pending.truncate(mark);
    }

    /// Hands all queued frames to the file. When the disk is full the file is cut back to where it was,
    /// the frames stay queued, and the log stays usable.
    pub(crate) fn write(&mut self) -> Result<()> {
        self.write_with_zeros(0)
    }

    fn write_with_zeros(&mut self, zeros: usize) -> Result<()> {
        if self.pending.is_empty() {
            return Ok(());
        }
        let frames = self.pending.len();
        self.pending.resize(frames + zeros, 0);
        let written = self.file.write_at(self.written, &self.pending);
        self.reserved = self.reserved.max(self.length());
        self.pending.truncate(frames);
        if let Err(error) = written {
            let error = Error::io("write", &self.path, &error);
            if !error.is_no_space() {
                return Err(error);
            }
            self.cut_back()?;
            return match std::mem::take(&mut self.ahead_bytes) {
                // There may be room for the frames alone.
                1.. if zeros > 0 => self.write_with_zeros(0),
                _ => Err(error),
            };
        }
        self.written += self.pending.len() as u64;
        self.pending.clear();
        if self.pending.capacity() > 16 << 20 {
            self.pending = Vec::new();
        }
        Ok(())
    }

    /// Makes the file as long as it was before a write that found the disk full.
    fn cut_back(&mut self) -> Result<()> {
        let cut = self.file.set_len(self.written);
        cut.and_then(|()| self.file.sync()).map_err(|e| Error::Io {
            operation: "cut",
            path: self.path.clone(),
            kind: std::io::ErrorKind::Other,
            message: e.to_string(),
        })?;
        self.synced = self.written;
        self.reserved = self.written;
        Ok(())
    }

    /// Cuts off the zeros behind the last frame, for whoever wants the space; nothing depends on it.
    pub(crate) fn trim(&mut self) {
        if self.reserved > self.written && self.file.set_len(self.written).is_ok() {
            self.reserved = self.written;
        }
    }

    /// Writes what is queued and makes everything durable.
    pub(crate) fn sync(&mut self) -> Result<()> {
        let grows = self.length() > self.reserved && self.pending.len() <= SMALL_BYTES;
        self.write_with_zeros(if grows { self.ahead_bytes } else { 0 })?;
        if self.synced < self.written {
            // A full disk discovered by fdatasync is as bad as any other failure of it.
            self.file.sync().map_err(|e| Error::Io {
                operation: "sync",
                path: self.path.clone(),
                kind: std::io::ErrorKind::Other,
                message: e.to_string(),
            })?;
            self.synced = self.written;
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use crate::fs::{Fault, FaultKind, SimFs};

    fn log(sim: &SimFs) -> WalLog {
        let (fs, dir): (Arc<dyn FileSystem>, _) = (Arc::new(sim.clone()), Path::new("/db"));
        for dir in [dir, &dir.join(WAL_DIR)] {
            fs.create_dir(dir).unwrap();
        }
        let seal = Seal {
            database: 1,
            file: FileId(1),
        };
        WalLog::create((&fs, dir), seal, 4096).unwrap()
    }

    fn length(sim: &SimFs) -> u64 {
        let path = wal_path(Path::new("/db"), FileId(1));
        sim.read(&path).unwrap().len() as u64
    }

    #[test]
    fn zeros_follow_a_small_frame_and_the_next_ones_overwrite_them() {
        let sim = SimFs::new(1);
        let mut log = log(&sim);
        log.append(1, 1, 0, b"first");
        log.sync().unwrap();
        let reserved = length(&sim);
        assert_eq!(reserved, log.length() + 4096);
        log.append(2, 1, 0, b"second");
        log.sync().unwrap();
        assert_eq!(length(&sim), reserved);
        log.append(3, 1, 0, &vec![1; SMALL_BYTES]);
        log.sync().unwrap();
        assert_eq!(length(&sim), log.length());
    }

    #[test]
    fn a_disk_without_room_for_zeros_takes_the_frame_alone() {
        let sim = SimFs::new(1);
        let mut log = log(&sim);
        log.append(1, 1, 0, b"first");
        sim.arm(Fault::once(sim.operations(), FaultKind::NoSpace));
        log.sync().unwrap();
        assert_eq!(length(&sim), log.length());
        assert!(log.is_synced());
    }
}
