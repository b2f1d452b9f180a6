//! Sequential output to a new file: buffered, aligned, aware of its position.

use std::path::{Path, PathBuf};

use crate::fs::{File, FileSystem};
use crate::{Error, Result};

/// Bytes gathered before a write.
const BUFFER_BYTES: usize = 1 << 20;

#[derive(Debug)]
pub(crate) struct Sink {
    file: Box<dyn File>,
    path: PathBuf,
    written: u64,
    buffer: Vec<u8>,
}

impl Sink {
    pub(crate) fn create(fs: &dyn FileSystem, path: &Path) -> Result<Self> {
        let file = fs.create(path).map_err(|e| Error::io("create", path, &e))?;
        Ok(Self {
            file,
            path: path.to_path_buf(),
            written: 0,
            buffer: Vec::new(),
        })
    }

    /// Offset of the next byte.
    pub(crate) fn position(&self) -> u64 {
        self.written + self.buffer.len() as u64
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(bytes);
        if self.buffer.len() >= BUFFER_BYTES {
            self.flush()
        } else {
            Ok(())
        }
    }

    /// Pads with zeros to a multiple of `alignment`.
    pub(crate) fn align(&mut self, alignment: usize) {
        let padding = (self.position() as usize).next_multiple_of(alignment);
        self.buffer
            .resize(self.buffer.len() + padding - self.position() as usize, 0);
    }

    fn flush(&mut self) -> Result<()> {
        self.file
            .write_at(self.written, &self.buffer)
            .map_err(|e| Error::io("write", &self.path, &e))?;
        self.written += self.buffer.len() as u64;
        self.buffer.clear();
        Ok(())
    }

    /// Writes what is left and makes the content durable; the length of the file. The name is durable
    /// only after the directory has been synced.
    pub(crate) fn finish(mut self) -> Result<u64> {
        self.flush()?;
        self.file
            .sync()
            .map_err(|e| Error::io("sync", &self.path, &e))?;
        Ok(self.written)
    }
}
