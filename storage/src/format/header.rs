//! The first 64 bytes of every file: what it is, which version, whose, and which one.

use std::path::Path;

use super::{ByteReader, ByteWriter, FileId, Malformed, Seal};
use crate::{Error, Result};

pub(crate) const FILE_HEADER_BYTES: usize = 64;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FileKind {
    Manifest,
    Wal,
    Segment,
    Keys,
    Events,
}

impl FileKind {
    /// The version this build writes, and the only one it reads: of segments, the first was never
    /// released.
    fn version(self) -> u32 {
        match self {
            Self::Manifest | Self::Wal | Self::Keys | Self::Events => 1,
            Self::Segment => 2,
        }
    }

    fn magic(self) -> [u8; 8] {
        match self {
            Self::Manifest => *b"STORNOMF",
            Self::Wal => *b"STORNOWL",
            Self::Segment => *b"STORNOSG",
            Self::Keys => *b"STORNOKY",
            Self::Events => *b"STORNOEV",
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct FileHeader {
    pub(crate) kind: FileKind,
    pub(crate) seal: Seal,
}

impl FileHeader {
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(FILE_HEADER_BYTES);
        bytes.put(&self.kind.magic());
        bytes.put_u32(self.kind.version());
        bytes.put_u32(0);
        bytes.put_u64(self.seal.database);
        bytes.put_u64(self.seal.file.0);
        bytes.resize(FILE_HEADER_BYTES - 8, 0);
        bytes.put_u64(self.seal.checksum(0, &bytes));
        bytes
    }

    /// Reads the header of `file`. Magic and version come first: a newer version may have changed
    /// everything after them.
    pub(crate) fn decode(kind: FileKind, path: &Path, file: &[u8]) -> Result<Self> {
        let corrupt = |what: &str| Error::corruption(path, 0, what);
        let bytes = file
            .get(..FILE_HEADER_BYTES)
            .ok_or_else(|| corrupt("no file header"))?;
        let mut reader = ByteReader::new(bytes);
        let fields = (|| {
            let magic: [u8; 8] = reader.array()?;
            let (version, flags) = (reader.u32()?, reader.u32()?);
            let seal = Seal {
                database: reader.u64()?,
                file: FileId(reader.u64()?),
            };
            let reserved = reader.bytes(24)?.iter().all(|&b| b == 0);
            Ok::<_, Malformed>((magic, version, flags, seal, reserved, reader.u64()?))
        })();
        let (magic, version, flags, seal, reserved, checksum) = fields.map_err(|e| corrupt(e.0))?;
        if magic != kind.magic() {
            return Err(corrupt("not the magic of this kind of file"));
        }
        let covered = bytes.get(..FILE_HEADER_BYTES - 8).unwrap_or_default();
        if checksum != seal.checksum(0, covered) {
            return Err(corrupt("the checksum of the file header differs"));
        }
        if version != kind.version() {
            let path = path.to_path_buf();
            return Err(Error::UnsupportedVersion {
                path,
                found: version,
                supported: kind.version(),
            });
        }
        if flags != 0 || !reserved {
            return Err(corrupt("reserved bytes of the file header are set"));
        }
        Ok(Self { kind, seal })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn any_changed_byte_of_a_header_is_noticed() {
        let seal = Seal {
            database: 0x1234,
            file: FileId(7),
        };
        let header = FileHeader {
            kind: FileKind::Segment,
            seal,
        };
        let bytes = header.encode();
        let decode = |bytes: &[u8]| FileHeader::decode(FileKind::Segment, Path::new("f"), bytes);
        assert_eq!(decode(&bytes).unwrap(), header);
        for i in 0..bytes.len() {
            let mut damaged = bytes.clone();
            damaged[i] ^= 0x10;
            assert!(decode(&damaged).is_err(), "byte {i}");
        }
        assert!(FileHeader::decode(FileKind::Wal, Path::new("f"), &bytes).is_err());
    }

    #[test]
    fn a_newer_version_is_named_as_such() {
        let seal = Seal {
            database: 1,
            file: FileId(1),
        };
        let mut bytes = FileHeader {
            kind: FileKind::Wal,
            seal,
        }
        .encode();
        bytes[8] = 9;
        let sum = seal.checksum(0, &bytes[..56]);
        bytes[56..].copy_from_slice(&sum.to_le_bytes());
        let error = FileHeader::decode(FileKind::Wal, Path::new("f"), &bytes).unwrap_err();
        assert!(matches!(error, Error::UnsupportedVersion { found: 9, .. }));
    }
}
