//! The bytes of a run: how hashes are spread over partitions and pages, and the directory at the end.
//! docs/format.md has the same in words.
//!
//! Hashes are uniform, so their upper bits say where they are: no search leads to a page. An entry holds
//! the bits that its page does not imply, 96 of a hash in all. Of two different keys in a run of 2^27
//! one in 2^69 pairs is taken for equal.

use std::path::{Path, PathBuf};

use crate::format::{ByteReader, ByteWriter, FileId, Malformed};
use crate::hash_file::{DESCRIPTOR_BYTES, Descriptor, Part, check_filter};
use crate::history::ColumnId;
use crate::keys::KeyHash;

pub(super) const TRAILER_MAGIC: [u8; 8] = *b"STORNOVE";
/// A start and a checksum.
pub(super) const PAGE_ENTRY_BYTES: usize = 12;

/// Bits of a hash that are stored.
const PREFIX_BITS: u32 = 96;
/// More keys than this, on average, are parted once more. Bounds the memory of writing a run.
const PARTITION_KEYS: u64 = 1 << 19;
/// Pages have at least so many keys on average.
const PAGE_KEYS: u64 = 128;
/// Bounds what a damaged directory can ask for.
const PARTITION_BITS_MAX: u32 = 20;
const PAGE_BITS_MAX: u32 = 20;

/// The upper 96 bits of a key's hash.
pub(crate) type Prefix = u128;

pub(crate) fn prefix_of(hash: KeyHash) -> Prefix {
    hash >> (KeyHash::BITS - PREFIX_BITS)
}

/// What the filters know of a hash.
pub(super) fn filter_hash(prefix: Prefix) -> u64 {
    (prefix >> (PREFIX_BITS - u64::BITS)) as u64
}

/// Name of a run directly below the data directory.
pub(crate) fn run_path(dir: &Path, file: FileId) -> PathBuf {
    dir.join(format!("{:016x}.evt", file.0))
}

/// Where the hashes of a run are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Grid {
    partition_bits: u32,
    /// Beyond those of the partition.
    page_bits: u32,
}

impl Grid {
    /// That of a run of about so many keys.
    pub(super) fn for_keys(keys: u64) -> Self {
        let partitions = keys.div_ceil(PARTITION_KEYS).next_power_of_two();
        let partition_bits = partitions.ilog2().min(PARTITION_BITS_MAX);
        let pages = (keys >> partition_bits) / PAGE_KEYS;
        let page_bits = pages.checked_ilog2().unwrap_or(0).min(PAGE_BITS_MAX);
        Self {
            partition_bits,
            page_bits,
        }
    }

    pub(super) fn partitions(self) -> usize {
        1 << self.partition_bits
    }

    /// Of a partition.
    pub(super) fn pages(self) -> usize {
        1 << self.page_bits
    }

    fn entry_bits(self) -> u32 {
        PREFIX_BITS - self.partition_bits - self.page_bits
    }

    pub(super) fn entry_bytes(self) -> usize {
        self.entry_bits().div_ceil(8) as usize
    }

    pub(super) fn partition(self, prefix: Prefix) -> usize {
        (prefix >> (PREFIX_BITS - self.partition_bits)) as usize
    }

    /// Number of the page in its partition.
    pub(super) fn page(self, prefix: Prefix) -> usize {
        (prefix >> self.entry_bits()) as usize & (self.pages() - 1)
    }

    /// What an entry holds.
    pub(super) fn entry(self, prefix: Prefix) -> u128 {
        prefix & ((1 << self.entry_bits()) - 1)
    }

    pub(super) fn prefix(self, (partition, page): (usize, usize), entry: u128) -> Prefix {
        let above = (partition as u128) << self.page_bits | page as u128;
        above << self.entry_bits() | entry
    }
}

/// The value of an entry's bytes.
pub(super) fn entry_value(bytes: &[u8]) -> u128 {
    let mut whole = [0; 16];
    for (to, from) in whole.iter_mut().zip(bytes) {
        *to = *from;
    }
    u128::from_le_bytes(whole)
}

#[derive(Debug, Default, PartialEq)]
pub(super) struct Directory {
    /// Fingerprint of the secret that the hashes were made with.
    pub(super) secret: u64,
    pub(super) table: u64,
    pub(super) columns: Vec<ColumnId>,
    pub(super) keys: u64,
    pub(super) grid: Grid,
    pub(super) partitions: Vec<Partition>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Partition {
    pub(super) keys: u64,
    pub(super) entries_offset: u64,
    pub(super) pages_offset: u64,
    pub(super) pages_checksum: u64,
    pub(super) filter_offset: u64,
    /// 0 without a filter.
    pub(super) filter_length: u64,
    pub(super) filter_checksum: u64,
    pub(super) descriptor: Descriptor,
}

const PARTITION_BYTES: usize = 7 * 8 + DESCRIPTOR_BYTES;

impl Directory {
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::new();
        out.put_u64(self.secret);
        out.put_u64(self.table);
        out.put_length(self.columns.len());
        self.columns.iter().for_each(|id| out.put_u32(id.0));
        out.put_u64(self.keys);
        out.put_u32(self.grid.partition_bits);
        out.put_u32(self.grid.page_bits);
        for partition in &self.partitions {
            for number in [
                partition.keys,
                partition.entries_offset,
                partition.pages_offset,
                partition.pages_checksum,
                partition.filter_offset,
                partition.filter_length,
                partition.filter_checksum,
            ] {
                out.put_u64(number);
            }
            out.put(&partition.descriptor);
        }
        out
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<Self, Malformed> {
        let mut reader = ByteReader::new(bytes);
        let (secret, table) = (reader.u64()?, reader.u64()?);
        let columns = (0..reader.count(4)?).map(|_| reader.u32().map(ColumnId));
        let columns = columns.collect::<Result<_, _>>()?;
        let keys = reader.u64()?;
        let grid = Grid {
            partition_bits: reader.u32()?,
            page_bits: reader.u32()?,
        };
        if grid.partition_bits > PARTITION_BITS_MAX || grid.page_bits > PAGE_BITS_MAX {
            return Err(Malformed("a run is parted too finely"));
        }
        let rest = bytes.len().saturating_sub(reader.position());
        if rest != grid.partitions() * PARTITION_BYTES {
            return Err(Malformed("another number of partitions"));
        }
        let mut partitions = Vec::with_capacity(grid.partitions());
        for _ in 0..grid.partitions() {
            partitions.push(Partition::decode(&mut reader)?);
        }
        reader.finish()?;
        let sum = partitions
            .iter()
            .try_fold(0u64, |sum, p| sum.checked_add(p.keys));
        if sum != Some(keys) {
            return Err(Malformed("the partitions have other keys than the run"));
        }
        Ok(Self {
            secret,
            table,
            columns,
            keys,
            grid,
            partitions,
        })
    }
}

impl Partition {
    /// The fingerprints of the filter of partition `number`.
    pub(super) fn filter(&self, number: usize) -> Part {
        Part {
            number: (number, 0),
            offset: self.filter_offset,
            length: self.filter_length,
            checksum: self.filter_checksum,
        }
    }

    fn decode(reader: &mut ByteReader<'_>) -> Result<Self, Malformed> {
        let partition = Self {
            keys: reader.u64()?,
            entries_offset: reader.u64()?,
            pages_offset: reader.u64()?,
            pages_checksum: reader.u64()?,
            filter_offset: reader.u64()?,
            filter_length: reader.u64()?,
            filter_checksum: reader.u64()?,
            descriptor: reader.array()?,
        };
        if partition.filter_length > 0 {
            check_filter(&partition.descriptor, partition.filter_length)?;
        }
        Ok(partition)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_grid_gives_back_what_it_takes_apart() {
        for keys in [0, 1, 300, 100_000, 5_000_000, 2_000_000_000] {
            let grid = Grid::for_keys(keys);
            for seed in 0..1000u64 {
                let low = xxhash_rust::xxh3::xxh3_128(&seed.to_le_bytes());
                let prefix = prefix_of(low);
                let place = (grid.partition(prefix), grid.page(prefix));
                assert!(place.0 < grid.partitions() && place.1 < grid.pages());
                assert_eq!(grid.prefix(place, grid.entry(prefix)), prefix);
                assert!(grid.entry(prefix) < 1 << (8 * grid.entry_bytes()));
            }
        }
    }

    #[test]
    fn pages_and_partitions_have_a_bounded_number_of_keys() {
        for keys in [1 << 8, 1 << 19, (1 << 19) + 1, 100_000_000, 3_000_000_000] {
            let grid = Grid::for_keys(keys);
            let (partitions, pages) = (grid.partitions() as u64, grid.pages() as u64);
            assert!(keys / partitions <= PARTITION_KEYS);
            assert!((128..=512).contains(&(keys / partitions / pages)), "{keys}");
        }
    }
}
