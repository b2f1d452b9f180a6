//! Reads the key file of a segment: in which rows may a key value be? The filter answers "in none" for 255
//! of 256 values that are not there; behind it are entries sorted by 32 bits of the hash, in pages that
//! are checked before their first use. The caller compares the rows named.

use std::path::{Path, PathBuf};

use xorf::Filter;

use super::hash::KeyHash;
use crate::format::{ByteReader, ByteWriter, FileId, FileKind, Malformed, Seal};
use crate::fs::FileSystem;
use crate::hash_file::{Descriptor, HashFile, Part, check_filter};
use crate::history::ColumnId;
use crate::{Error, Result};

/// Entries of a page.
pub(super) const PAGE_ENTRIES: usize = 8192;
pub(super) const TRAILER_MAGIC: [u8; 8] = *b"STORNOKE";

/// Name of the key file of a segment directly below the data directory.
pub(crate) fn key_path(dir: &Path, segment: FileId) -> PathBuf {
    dir.join(format!("{:016x}.key", segment.0))
}

/// The part of a hash that the file works with.
pub(super) fn short_hash(hash: KeyHash) -> u64 {
    (hash >> 64) as u64
}

/// The upper half of the short hash, and the row.
pub(super) fn entry_of(hash: u64, row: u32) -> u64 {
    (hash & 0xFFFF_FFFF_0000_0000) | u64::from(row)
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Directory {
    /// Fingerprint of the secret that the hashes were made with.
    pub(super) secret: u64,
    pub(super) keys: Vec<KeyEntry>,
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct KeyEntry {
    pub(super) columns: Vec<ColumnId>,
    /// Rows whose key has no NULL.
    pub(super) count: u64,
    pub(super) entries_offset: u64,
    pub(super) filter_offset: u64,
    /// 0 without a filter.
    pub(super) filter_length: u64,
    pub(super) filter_checksum: u64,
    pub(super) descriptor: Descriptor,
    pub(super) pages: Vec<PageEntry>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct PageEntry {
    pub(super) checksum: u64,
    /// Upper half of the first short hash.
    pub(super) first: u32,
}

impl Directory {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.secret);
        out.put_length(self.keys.len());
        for key in &self.keys {
            out.put_length(key.columns.len());
            key.columns.iter().for_each(|id| out.put_u32(id.0));
            for number in [
                key.count,
                key.entries_offset,
                key.filter_offset,
                key.filter_length,
                key.filter_checksum,
            ] {
                out.put_u64(number);
            }
            out.put(&key.descriptor);
            out.put_length(key.pages.len());
            for page in &key.pages {
                out.put_u64(page.checksum);
                out.put_u32(page.first);
            }
        }
        out
    }

    fn decode(bytes: &[u8]) -> std::result::Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let secret = reader.u64()?;
        let mut keys = Vec::new();
        for _ in 0..reader.count(68)? {
            let count = reader.count(4)?;
            let columns = (0..count).map(|_| reader.u32().map(ColumnId));
            let columns = columns.collect::<std::result::Result<_, _>>()?;
            let mut key = KeyEntry {
                columns,
                count: reader.u64()?,
                entries_offset: reader.u64()?,
                filter_offset: reader.u64()?,
                filter_length: reader.u64()?,
                filter_checksum: reader.u64()?,
                descriptor: reader.array()?,
                pages: Vec::new(),
            };
            for _ in 0..reader.count(12)? {
                let (checksum, first) = (reader.u64()?, reader.u32()?);
                key.pages.push(PageEntry { checksum, first });
            }
            key.check()?;
            keys.push(key);
        }
        reader.finish()?;
        Ok(Self { secret, keys })
    }
}

impl KeyEntry {
    /// Whether the filter stays within its fingerprints, and the pages fit the count.
    fn check(&self) -> std::result::Result<(), Malformed> {
        if self.count.div_ceil(PAGE_ENTRIES as u64) != self.pages.len() as u64 {
            return Err(Malformed("another number of pages"));
        }
        match self.filter_length {
            0 => Ok(()),
            length => check_filter(&self.descriptor, length),
        }
    }

    /// The fingerprints of the filter of key number `slot`.
    fn filter(&self, slot: usize) -> Part {
        Part {
            number: (slot, 0),
            offset: self.filter_offset,
            length: self.filter_length,
            checksum: self.filter_checksum,
        }
    }

    /// One of the pages.
    fn page(&self, slot: usize, number: usize) -> Part {
        let before = (number * PAGE_ENTRIES) as u64;
        let rest = self.count.saturating_sub(before);
        Part {
            number: (slot, 1 + number),
            offset: self.entries_offset.saturating_add(8 * before),
            length: 8 * rest.min(PAGE_ENTRIES as u64),
            checksum: self.pages.get(number).map_or(0, |page| page.checksum),
        }
    }
}

/// An open key file. Its groups of parts are the keys: the filter, then the pages.
#[derive(Debug)]
pub(crate) struct KeyIndex {
    file: HashFile,
    directory: Directory,
}

impl KeyIndex {
    /// Opens the file; reads and checks header, trailer and directory.
    pub(crate) fn open(fs: &dyn FileSystem, path: &Path, seal: Seal) -> Result<Self> {
        let mut file = HashFile::open(fs, path, FileKind::Keys, seal)?;
        let (_, bytes) = file.directory(TRAILER_MAGIC)?;
        let directory = Directory::decode(bytes).map_err(|e| file.malformed(e))?;
        file.set_parts(directory.keys.iter().map(|k| 1 + k.pages.len()));
        file.intact(())?;
        Ok(Self { file, directory })
    }

    /// The file opened once more: nothing of it counts as checked.
    pub(crate) fn open_again(&self, fs: &dyn FileSystem) -> Result<Self> {
        Self::open(fs, self.file.path(), self.file.seal())
    }

    /// Compares everything with its checksum.
    pub(crate) fn check(&self) -> Result<()> {
        for (slot, key) in self.directory.keys.iter().enumerate() {
            if key.filter_length > 0 {
                self.file.part(key.filter(slot))?;
            }
            for number in 0..key.pages.len() {
                self.file.part(key.page(slot, number))?;
            }
        }
        self.file.intact(())
    }

    /// Fingerprint of the secret that the hashes were made with.
    pub(crate) fn secret(&self) -> u64 {
        self.directory.secret
    }

    /// The number in this file of the key with these columns.
    pub(crate) fn slot(&self, columns: &[ColumnId]) -> Option<usize> {
        self.directory
            .keys
            .iter()
            .position(|k| k.columns == columns)
    }

    /// Bytes of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.file.bytes()
    }

    /// Rows that may have one of some key values of key `slot`: pairs of the value's position and the
    /// row. Every row that has one is among them.
    pub(crate) fn candidates(
        &self,
        slot: usize,
        hashes: &[Option<KeyHash>],
    ) -> Result<Vec<(usize, u32)>> {
        let Some(key) = self.directory.keys.get(slot) else {
            return Err(Error::Invalid("a key that is not there".into()));
        };
        let filter = match key.filter_length {
            0 => None,
            _ => Some(self.file.filter(&key.descriptor, key.filter(slot))?),
        };
        let mut found = Vec::new();
        for (position, hash) in hashes.iter().enumerate() {
            let Some(hash) = hash.map(short_hash) else {
                continue;
            };
            if filter.as_ref().is_none_or(|f| f.contains(&hash)) {
                self.look_up(slot, key, (position, hash), &mut found)?;
            }
        }
        self.file.intact(found)
    }

    fn look_up(
        &self,
        slot: usize,
        key: &KeyEntry,
        (position, hash): (usize, u64),
        found: &mut Vec<(usize, u32)>,
    ) -> Result<()> {
        let wanted = (hash >> 32) as u32;
        // The page before the first one that begins at the hash may end with it.
        let from = key
            .pages
            .partition_point(|p| p.first < wanted)
            .saturating_sub(1);
        for (number, page) in key.pages.iter().enumerate().skip(from) {
            if page.first > wanted {
                break;
            }
            let bytes = self.file.part(key.page(slot, number))?;
            let (entries, _) = bytes.as_chunks::<8>();
            let hash_of = |e: &[u8; 8]| (u64::from_le_bytes(*e) >> 32) as u32;
            let start = entries.partition_point(|e| hash_of(e) < wanted);
            let same = entries.get(start..).unwrap_or_default().iter();
            let same = same.take_while(|e| hash_of(e) == wanted);
            found.extend(same.map(|e| (position, u64::from_le_bytes(*e) as u32)));
        }
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::super::write_index;
    use super::*;
    use crate::fs::SimFs;
    use proptest::prelude::*;

    const SEAL: Seal = Seal {
        database: 3,
        file: FileId(9),
    };

    fn index(keys: &[Option<KeyHash>]) -> (SimFs, PathBuf) {
        let fs = SimFs::new(1);
        let path = key_path(Path::new("/"), SEAL.file);
        let none = vec![None; keys.len()];
        let keys = [
            (vec![ColumnId(4)], keys.to_vec()),
            (vec![ColumnId(1), ColumnId(2)], none),
        ];
        write_index(&fs, &path, (SEAL, 5), &keys).unwrap();
        (fs, path)
    }

    fn hash(n: u64) -> KeyHash {
        u128::from(xxhash_rust::xxh3::xxh3_64(&n.to_le_bytes())) << 64 | u128::from(n)
    }

    #[test]
    fn every_key_is_found_and_few_others_are() {
        for count in [0, 1, 5, 63, 64, 8192, 8193, 30_000] {
            let keys: Vec<_> = (0..count).map(|n| (n % 7 != 3).then(|| hash(n))).collect();
            let (fs, path) = index(&keys);
            let index = KeyIndex::open(&fs, &path, SEAL).unwrap();
            let slot = index.slot(&[ColumnId(4)]).unwrap();
            let found = index.candidates(slot, &keys).unwrap();
            for (row, _) in keys.iter().enumerate().filter(|(_, k)| k.is_some()) {
                assert!(found.contains(&(row, row as u32)), "{row} of {count}");
            }
            let others: Vec<_> = (0..10_000).map(|n| Some(hash(1_000_000 + n))).collect();
            assert!(index.candidates(slot, &others).unwrap().len() < 5);
            let empty = index.slot(&[ColumnId(1), ColumnId(2)]).unwrap();
            assert_eq!(index.candidates(empty, &others).unwrap(), []);
            assert!(index.slot(&[ColumnId(2)]).is_none());
        }
    }

    #[test]
    fn equal_halves_over_a_page_boundary_are_all_found() {
        let same = |n: u64| Some(u128::from(5u64 << 32 | n) << 64);
        let keys: Vec<_> = (0..20_000).map(same).collect();
        let (fs, path) = index(&keys);
        let index = KeyIndex::open(&fs, &path, SEAL).unwrap();
        assert_eq!(index.candidates(0, &keys[..1]).unwrap().len(), 20_000);
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(60))]

        #[test]
        fn a_flipped_bit_is_an_error_or_changes_nothing(
            count in 1u64..200,
            place: prop::sample::Index,
            bit in 0u8..8,
        ) {
            let keys: Vec<_> = (0..count).map(|n| Some(hash(n))).collect();
            let (fs, path) = index(&keys);
            let read = |fs: &SimFs| KeyIndex::open(fs, &path, SEAL)?.candidates(0, &keys);
            let before = read(&fs).unwrap();
            let mut bytes = fs.read(&path).unwrap();
            let at = place.index(bytes.len());
            bytes[at] ^= 1 << bit;
            fs.damage(&path, bytes);
            if let Ok(found) = read(&fs) {
                prop_assert_eq!(found, before);
            }
        }
    }
}
