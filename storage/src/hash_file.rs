//! What key files and runs of event keys have in common: a directory at the end, filters, and parts that
//! are checked before their first use. What the parts hold is their readers' part.

use std::path::{Path, PathBuf};

use xorf::{BinaryFuse8Ref, FilterRef};

use crate::format::{ByteReader, FILE_HEADER_BYTES, FileHeader, FileKind, Malformed, Seal};
use crate::fs::{FileSystem, Mapping};
use crate::segment::Verified;
use crate::{Error, Result};

/// The last bytes of a file, which say where its directory is.
pub(crate) const TRAILER_BYTES: usize = 32;

/// Bytes of what a filter needs beyond its fingerprints.
pub(crate) const DESCRIPTOR_BYTES: usize = 20;

pub(crate) type Descriptor = [u8; DESCRIPTOR_BYTES];

/// An open file of hashes.
#[derive(Debug)]
pub(crate) struct HashFile {
    path: PathBuf,
    map: Mapping,
    seal: Seal,
    /// Which parts have passed their checksum, in groups.
    verified: Vec<Verified>,
}

/// A part of a file: its number in its group, where it is, and its checksum.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Part {
    pub(crate) number: (usize, usize),
    pub(crate) offset: u64,
    pub(crate) length: u64,
    pub(crate) checksum: u64,
}

impl HashFile {
    /// Maps a file and checks its header.
    pub(crate) fn open(
        fs: &dyn FileSystem,
        path: &Path,
        kind: FileKind,
        seal: Seal,
    ) -> Result<Self> {
        let map = fs.map(path).map_err(|e| Error::io("map", path, &e))?;
        let header = FileHeader::decode(kind, path, &map)?;
        if header.seal != seal {
            return Err(Error::corruption(path, 0, "the file belongs elsewhere"));
        }
        Ok(Self {
            path: path.to_path_buf(),
            map,
            seal,
            verified: Vec::new(),
        })
    }

    /// The checksum and the bytes of the directory, which have it.
    pub(crate) fn directory(&self, magic: [u8; 8]) -> Result<(u64, &[u8])> {
        let read = |at: usize| {
            let mut reader = ByteReader::new(self.map.get(at..).unwrap_or_default());
            let (offset, length) = (reader.u64()?, reader.length()?);
            let (reserved, checksum) = (reader.u32()?, reader.u64()?);
            if reserved != 0 || reader.array()? != magic {
                return Err(Malformed("not the end of such a file"));
            }
            reader.finish()?;
            let start = usize::try_from(offset).unwrap_or(usize::MAX);
            let bytes = self.map.get(start..start.saturating_add(length));
            let bytes = bytes.ok_or(Malformed("the directory lies beyond the end"))?;
            if self.seal.checksum(offset, bytes) != checksum {
                return Err(Malformed("the checksum of the directory differs"));
            }
            Ok((checksum, bytes))
        };
        read(self.directory_end()).map_err(|e| self.malformed(e))
    }

    fn directory_end(&self) -> usize {
        let end = self.map.len().saturating_sub(TRAILER_BYTES);
        end.max(FILE_HEADER_BYTES)
    }

    /// An error of the directory.
    pub(crate) fn malformed(&self, what: Malformed) -> Error {
        Error::corruption(&self.path, self.directory_end() as u64, what.0)
    }

    /// An error at some place.
    pub(crate) fn corruption(&self, offset: u64, what: &str) -> Error {
        Error::corruption(&self.path, offset, what)
    }

    /// Says how many parts each group has.
    pub(crate) fn set_parts(&mut self, groups: impl Iterator<Item = usize>) {
        self.verified = groups.map(Verified::none_of).collect();
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.map.len() as u64
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn seal(&self) -> Seal {
        self.seal
    }

    /// Nothing counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        self.verified.iter().for_each(Verified::clear);
    }

    /// Passes on what has been read, unless a page of the file turned out to be unreadable.
    pub(crate) fn intact<T>(&self, read: T) -> Result<T> {
        match self.map.is_intact() {
            true => Ok(read),
            false => Err(self.corruption(0, "a page cannot be read")),
        }
    }

    /// A part, which has been checked once.
    pub(crate) fn part(&self, part: Part) -> Result<&[u8]> {
        let Part {
            number: (group, number),
            offset,
            ..
        } = part;
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let length = usize::try_from(part.length).unwrap_or(usize::MAX);
        let bytes = self.map.get(start..start.saturating_add(length));
        let bytes = bytes.ok_or_else(|| self.corruption(offset, "beyond the end"))?;
        let seen = self.verified.get(group);
        if !seen.is_some_and(|v| v.contains(number)) {
            if self.seal.checksum(offset, bytes) != part.checksum {
                return Err(self.corruption(offset, "a checksum differs"));
            }
            if let Some(seen) = seen {
                seen.insert(number);
            }
        }
        Ok(bytes)
    }

    /// The filter whose fingerprints a part holds; `check_filter` has passed its descriptor.
    pub(crate) fn filter<'a>(
        &'a self,
        descriptor: &'a Descriptor,
        part: Part,
    ) -> Result<BinaryFuse8Ref<'a>> {
        Ok(BinaryFuse8Ref::from_dma(descriptor, self.part(part)?))
    }
}

/// Whether a filter with this descriptor stays within so many bytes of fingerprints.
pub(crate) fn check_filter(
    descriptor: &Descriptor,
    bytes: u64,
) -> std::result::Result<(), Malformed> {
    let mut reader = ByteReader::new(descriptor);
    let _seed = reader.u64()?;
    let (length, mask, span) = (reader.u32()?, reader.u32()?, reader.u32()?);
    let needed = u64::from(span) + 2 * u64::from(length);
    if !length.is_power_of_two() || mask != length - 1 || needed > bytes {
        return Err(Malformed("a filter is out of range"));
    }
    Ok(())
}
