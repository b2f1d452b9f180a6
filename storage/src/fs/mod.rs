//! The files the store stands on: one trait with two implementations, the disk and a simulation that
//! forgets what was not synced. It offers exactly the operations the durability argument in
//! docs/durability.md uses; it is not a general file API.

mod disk;
mod mapping;
mod overlay;
mod sigbus;
mod sim;
mod sim_disk;

use std::fmt;
use std::io;
use std::path::Path;

pub use disk::Disk;
pub use mapping::Mapping;
pub(crate) use overlay::Overlay;
pub use sim::SimFs;
pub use sim_disk::{Fault, FaultKind};

/// Operations on paths. All paths are absolute or relative to the process, as the caller likes; the
/// store only ever uses names directly below its data directory and below `wal/` in it.
pub trait FileSystem: Send + Sync + fmt::Debug + 'static {
    /// Creates one directory. Its entry is durable only after `sync_dir` of the parent.
    fn create_dir(&self, dir: &Path) -> io::Result<()>;

    /// Removes an empty directory.
    fn remove_dir(&self, dir: &Path) -> io::Result<()>;

    /// Whether a file or directory of this name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;

    /// Names in a directory, files and directories alike, in no particular order.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;

    /// Creates an empty file, replacing what had the name.
    fn create(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// Opens an existing file for writing.
    fn open(&self, path: &Path) -> io::Result<Box<dyn File>>;

    /// The whole content of a file.
    fn read(&self, path: &Path) -> io::Result<Vec<u8>>;

    /// A read-only view of a file that is never written again.
    fn map(&self, path: &Path) -> io::Result<Mapping>;

    /// Replaces `to` by `from`; after a crash either the old or the new file has the name.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;

    fn remove(&self, path: &Path) -> io::Result<()>;

    /// Makes the entries of a directory durable: creations, renames, removals.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;

    /// Locks a file (created when missing) against other processes until the result is dropped.
    /// `ErrorKind::WouldBlock` when another holds it.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>>;
}

/// A file open for writing.
pub trait File: Send + fmt::Debug {
    /// Writes all of `bytes` at `offset`; on an error any part of it may have been written.
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()>;

    /// Makes content and length durable (fdatasync). After an error nothing is known about what was
    /// written since the last success, and a second call proves nothing.
    fn sync(&self) -> io::Result<()>;

    fn set_len(&self, length: u64) -> io::Result<()>;
}

/// A held lock; dropping it gives it back.
pub trait Lock: Send + Sync + fmt::Debug {}
