//! Reads a run: which of some keys does it have? A filter answers "not this one" for 255 of 256 that
//! are not there; behind it the upper bits of the hash lead to a page of some two hundred entries. Filters,
//! page tables and pages are checked before their first use.

use std::path::{Path, PathBuf};

use xorf::{BinaryFuse8Ref, Filter, FilterRef};

use super::build::RunKey;
use super::layout::{
    Directory, PAGE_ENTRY_BYTES, Partition, Prefix, TRAILER_BYTES, TRAILER_MAGIC, entry_value,
    filter_hash, prefix_of,
};
use crate::format::{ByteReader, FILE_HEADER_BYTES, FileHeader, FileKind, Malformed, Seal};
use crate::fs::{FileSystem, Mapping};
use crate::keys::KeyHash;
use crate::manifest::RunRecord;
use crate::segment::Verified;
use crate::{Error, Result};

/// Keys to look for, in ascending order of their hashes, each with its row.
pub(crate) type Probe = Vec<(Prefix, u32)>;

/// The keys of rows, as runs are asked for them. Rows without a key are left out.
pub(crate) fn sorted_probe(hashes: &[Option<KeyHash>]) -> Probe {
    let numbered = (0u32..).zip(hashes);
    let mut probe: Probe = numbered
        .filter_map(|(row, hash)| hash.map(|hash| (prefix_of(hash), row)))
        .collect();
    probe.sort_unstable();
    probe
}

/// An open run.
#[derive(Debug)]
pub(crate) struct RunReader {
    path: PathBuf,
    map: Mapping,
    seal: Seal,
    directory: Directory,
    /// Per partition: its filter, its page table, then its pages.
    verified: Vec<Verified>,
}

impl RunReader {
    /// Opens the file that a record of the manifest names; reads and checks header, trailer and directory.
    pub(crate) fn open(
        fs: &dyn FileSystem,
        path: &Path,
        seal: Seal,
        (record, key): (&RunRecord, &RunKey),
    ) -> Result<Self> {
        let map = fs.map(path).map_err(|e| Error::io("map", path, &e))?;
        let corrupt = |offset: usize, what: &str| Error::corruption(path, offset as u64, what);
        let header = FileHeader::decode(FileKind::Events, path, &map)?;
        if header.seal != seal {
            return Err(corrupt(0, "the file belongs elsewhere"));
        }
        if map.len() as u64 != record.bytes {
            return Err(corrupt(map.len(), "another length than the manifest has"));
        }
        let end = map.len().saturating_sub(TRAILER_BYTES);
        let at = end.max(FILE_HEADER_BYTES);
        let directory = read_directory(&map, at, seal, record);
        let directory = directory.map_err(|e| corrupt(at, e.0))?;
        let table = directory.table == key.table.0 && directory.columns == key.columns;
        if !table || directory.secret != key.secret || directory.keys != record.keys {
            return Err(corrupt(at, "the keys of another table"));
        }
        // Bounds the memory that a damaged directory can ask for.
        let tables = directory.grid.partitions() * directory.grid.pages() * PAGE_ENTRY_BYTES;
        if tables > map.len() {
            return Err(corrupt(at, "page tables beyond the end"));
        }
        let parts = 2 + directory.grid.pages();
        let verified = directory.partitions.iter();
        let verified = verified.map(|_| Verified::none_of(parts)).collect();
        let reader = Self {
            path: path.to_path_buf(),
            map,
            seal,
            directory,
            verified,
        };
        reader.intact(())?;
        Ok(reader)
    }

    /// Nothing counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        self.verified.iter().for_each(Verified::clear);
    }

    fn intact<T>(&self, read: T) -> Result<T> {
        match self.map.is_intact() {
            true => Ok(read),
            false => Err(Error::corruption(&self.path, 0, "a page cannot be read")),
        }
    }

    /// Bytes of the file that have been checked once.
    fn checked(&self, part: (usize, usize), offset: u64, length: usize, sum: u64) -> Result<&[u8]> {
        let corrupt = |what: &str| Error::corruption(&self.path, offset, what);
        let start = usize::try_from(offset).unwrap_or(usize::MAX);
        let bytes = self.map.get(start..start.saturating_add(length));
        let bytes = bytes.ok_or_else(|| corrupt("beyond the end"))?;
        let seen = self.verified.get(part.0);
        if !seen.is_some_and(|v| v.contains(part.1)) {
            if self.seal.checksum(offset, bytes) != sum {
                return Err(corrupt("a checksum differs"));
            }
            if let Some(seen) = seen {
                seen.insert(part.1);
            }
        }
        Ok(bytes)
    }

    /// Notes which of some keys the run has. `seen` is per row.
    pub(crate) fn find(&self, probe: &Probe, seen: &mut [bool]) -> Result<()> {
        let partition_of = |key: &(Prefix, u32)| self.directory.grid.partition(key.0);
        let mut candidates: Vec<(Prefix, u32)> = Vec::new();
        for same in probe.chunk_by(|a, b| partition_of(a) == partition_of(b)) {
            let number = same.first().map_or(0, partition_of);
            let Some(partition) = self.directory.partitions.get(number) else {
                continue;
            };
            candidates.clear();
            self.filter(number, partition, same, &mut candidates)?;
            for &(prefix, row) in &candidates {
                if let Some(seen) = seen.get_mut(row as usize).filter(|seen| !**seen) {
                    *seen = self.contains(number, partition, prefix)?;
                }
            }
        }
        self.intact(())
    }

    fn filter(
        &self,
        number: usize,
        partition: &Partition,
        keys: &[(Prefix, u32)],
        found: &mut Vec<(Prefix, u32)>,
    ) -> Result<()> {
        let length = usize::try_from(partition.filter_length).unwrap_or(usize::MAX);
        if length == 0 {
            if partition.keys > 0 {
                found.extend(keys);
            }
            return Ok(());
        }
        let (offset, sum) = (partition.filter_offset, partition.filter_checksum);
        let bytes = self.checked((number, 0), offset, length, sum)?;
        let filter = BinaryFuse8Ref::from_dma(&partition.descriptor, bytes);
        let passes = |key: &&(Prefix, u32)| filter.contains(&filter_hash(key.0));
        found.extend(keys.iter().filter(passes));
        Ok(())
    }

    fn contains(&self, number: usize, partition: &Partition, prefix: Prefix) -> Result<bool> {
        let grid = self.directory.grid;
        let entries = self.page(number, partition, grid.page(prefix))?;
        let (wanted, width) = (grid.entry(prefix), grid.entry_bytes());
        let (mut low, mut high) = (0, entries.len() / width);
        while low < high {
            let middle = low.midpoint(high);
            let entry = entries.get(middle * width..).unwrap_or_default();
            let value = entry_value(entry.get(..width).unwrap_or_default());
            match value.cmp(&wanted) {
                std::cmp::Ordering::Equal => return Ok(true),
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        Ok(false)
    }

    /// The entries of a page.
    fn page(&self, number: usize, partition: &Partition, page: usize) -> Result<&[u8]> {
        let grid = self.directory.grid;
        let (offset, sum) = (partition.pages_offset, partition.pages_checksum);
        let length = grid.pages() * PAGE_ENTRY_BYTES;
        let table = self.checked((number, 1), offset, length, sum)?;
        let (table, _) = table.as_chunks::<PAGE_ENTRY_BYTES>();
        let malformed = |e: Malformed| Error::corruption(&self.path, offset, e.0);
        let entry = |page: usize| {
            let mut reader = ByteReader::new(table.get(page).map_or(&[], |e| e.as_slice()));
            Ok((u64::from(reader.u32()?), reader.u64()?))
        };
        let (start, sum) = entry(page).map_err(malformed)?;
        let end = match page + 1 < grid.pages() {
            true => entry(page + 1).map_err(malformed)?.0,
            false => partition.keys,
        };
        if start > end || end > partition.keys {
            return Err(malformed(Malformed("a page is out of range")));
        }
        let width = grid.entry_bytes() as u64;
        let from = partition.entries_offset.saturating_add(start * width);
        let length = usize::try_from((end - start) * width).unwrap_or(usize::MAX);
        self.checked((number, 2 + page), from, length, sum)
    }

    /// All keys in ascending order.
    pub(super) fn keys(&self) -> RunKeys<'_> {
        RunKeys {
            run: self,
            partition: 0,
            page: 0,
            keys: Vec::new().into_iter(),
        }
    }

    /// Reads everything: the keys are in order and all of them are found.
    pub(crate) fn check(&self) -> Result<()> {
        let (mut keys, mut last, mut count) = (self.keys(), None, 0);
        let mut probe = Probe::new();
        while let Some(prefix) = keys.next_key()? {
            if last.is_some_and(|last| last >= prefix) {
                return Err(Error::corruption(&self.path, 0, "keys are not in order"));
            }
            (last, count) = (Some(prefix), count + 1);
            probe.push((prefix, probe.len() as u32));
            if probe.len() == 4096 {
                self.check_found(&probe)?;
                probe.clear();
            }
        }
        self.check_found(&probe)?;
        match count == self.directory.keys {
            true => self.intact(()),
            false => Err(Error::corruption(&self.path, 0, "another number of keys")),
        }
    }

    fn check_found(&self, probe: &Probe) -> Result<()> {
        let mut seen = vec![false; probe.len()];
        self.find(probe, &mut seen)?;
        match seen.contains(&false) {
            true => Err(Error::corruption(&self.path, 0, "a key is not found")),
            false => Ok(()),
        }
    }
}

/// Goes through the keys of a run.
#[derive(Debug)]
pub(super) struct RunKeys<'a> {
    run: &'a RunReader,
    partition: usize,
    page: usize,
    keys: std::vec::IntoIter<Prefix>,
}

impl RunKeys<'_> {
    pub(super) fn next_key(&mut self) -> Result<Option<Prefix>> {
        loop {
            if let Some(key) = self.keys.next() {
                return Ok(Some(key));
            }
            let directory = &self.run.directory;
            let Some(partition) = directory.partitions.get(self.partition) else {
                return self.run.intact(None);
            };
            let (grid, place) = (directory.grid, (self.partition, self.page));
            let entries = self.run.page(self.partition, partition, self.page)?;
            let entries = entries.chunks_exact(grid.entry_bytes());
            let keys: Vec<_> = entries
                .map(|e| grid.prefix(place, entry_value(e)))
                .collect();
            self.run.intact(())?;
            self.keys = keys.into_iter();
            self.page += 1;
            if self.page == grid.pages() {
                (self.partition, self.page) = (self.partition + 1, 0);
            }
        }
    }
}

fn read_directory(
    file: &[u8],
    at: usize,
    seal: Seal,
    record: &RunRecord,
) -> std::result::Result<Directory, Malformed> {
    let mut reader = ByteReader::new(file.get(at..).unwrap_or_default());
    let (offset, length) = (reader.u64()?, reader.length()?);
    let (reserved, checksum) = (reader.u32()?, reader.u64()?);
    if reserved != 0 || reader.array()? != TRAILER_MAGIC {
        return Err(Malformed("not the end of a run"));
    }
    reader.finish()?;
    let start = usize::try_from(offset).unwrap_or(usize::MAX);
    let bytes = file.get(start..start.saturating_add(length));
    let bytes = bytes.ok_or(Malformed("the directory lies beyond the end"))?;
    if checksum != record.checksum {
        return Err(Malformed("not the run that the manifest names"));
    }
    if seal.checksum(offset, bytes) != checksum {
        return Err(Malformed("the checksum of the directory differs"));
    }
    Directory::decode(bytes)
}
