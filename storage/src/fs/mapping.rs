//! A read-only view of a whole immutable file: mapped memory, or bytes on the heap. This is the only
//! place that maps memory; what is read through a mapping is verified and copied by the segment reader
//! before it leaves the crate.
#![allow(unsafe_code)]

use std::fmt;
use std::fs::File;
use std::io;
use std::ops::Deref;

/// The bytes of a file.
pub struct Mapping(Kind);

enum Kind {
    Mapped(memmap2::Mmap),
    Heap(Vec<u8>),
}

impl Mapping {
    /// Maps a file of the data directory.
    pub(super) fn of_file(file: &File) -> io::Result<Self> {
        if file.metadata()?.len() == 0 {
            return Ok(Self::of_bytes(Vec::new()));
        }
        // SAFETY: the file is one of our own segments. It was complete and synced before the manifest
        // named it, it is never written again by this process, and the directory lock keeps other
        // processes of ours away. A foreign writer or a failing disk can still change bytes under the
        // mapping: every block is checked against its checksum, and no reference into the mapping is
        // handed out as a `str` or as anything else with an invariant that other bytes could break.
        let map = unsafe { memmap2::Mmap::map(file)? };
        Ok(Self(Kind::Mapped(map)))
    }

    /// Bytes that are already in memory.
    pub fn of_bytes(bytes: Vec<u8>) -> Self {
        Self(Kind::Heap(bytes))
    }
}

impl Deref for Mapping {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match &self.0 {
            Kind::Mapped(map) => map,
            Kind::Heap(bytes) => bytes,
        }
    }
}

impl fmt::Debug for Mapping {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Mapping({} bytes)", self.len())
    }
}
