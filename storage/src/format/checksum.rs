//! Checksums: XXH3-64, seeded with the database, the file and the offset of the bytes, so that a block
//! that is whole but in the wrong place, file or database is as wrong as a damaged one.

use xxhash_rust::xxh3::{xxh3_64, xxh3_64_with_seed};

use super::FileId;

/// Computes and verifies the checksums of one file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Seal {
    /// The random number drawn when the database was created.
    pub(crate) database: u64,
    pub(crate) file: FileId,
}

impl Seal {
    /// Checksum of `bytes` at `offset` of the file.
    pub(crate) fn checksum(&self, offset: u64, bytes: &[u8]) -> u64 {
        let mut place = [0; 24];
        let parts = [self.database, self.file.0, offset];
        for (target, part) in place.chunks_exact_mut(8).zip(parts) {
            target.copy_from_slice(&part.to_le_bytes());
        }
        xxh3_64_with_seed(bytes, xxh3_64(&place))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_depends_on_content_offset_file_and_database() {
        let seal = Seal {
            database: 1,
            file: FileId(2),
        };
        let sum = seal.checksum(3, b"bytes");
        assert_ne!(sum, seal.checksum(3, b"byteS"));
        assert_ne!(sum, seal.checksum(4, b"bytes"));
        assert_ne!(
            sum,
            Seal {
                file: FileId(3),
                ..seal
            }
            .checksum(3, b"bytes")
        );
        assert_ne!(
            sum,
            Seal {
                database: 2,
                ..seal
            }
            .checksum(3, b"bytes")
        );
    }
}
