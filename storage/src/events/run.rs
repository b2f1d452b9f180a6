//! Reads a run: which of some keys does it have? A filter answers "not this one" for 255 of 256 that
//! are not there; behind it the upper bits of the hash lead to a page of some two hundred entries. Filters,
//! page tables and pages are checked before their first use.

use std::path::Path;

use xorf::Filter;

use super::build::RunKey;
use super::layout::{
    Directory, PAGE_ENTRY_BYTES, Partition, Prefix, TRAILER_MAGIC, entry_value, filter_hash,
    prefix_of,
};
use crate::Result;
use crate::format::{ByteReader, FileKind, Malformed, Seal};
use crate::fs::FileSystem;
use crate::hash_file::{HashFile, Part};
use crate::keys::KeyHash;
use crate::manifest::RunRecord;

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

/// An open run. Its groups of parts are the partitions: the filter, the page table, then the pages.
#[derive(Debug)]
pub(crate) struct RunReader {
    file: HashFile,
    directory: Directory,
}

impl RunReader {
    /// Opens the file that a record of the manifest names; reads and checks header, trailer and directory.
    pub(crate) fn open(
        fs: &dyn FileSystem,
        path: &Path,
        seal: Seal,
        (record, key): (&RunRecord, &RunKey),
    ) -> Result<Self> {
        let mut file = HashFile::open(fs, path, FileKind::Events, seal)?;
        if file.bytes() != record.bytes {
            return Err(file.corruption(file.bytes(), "another length than the manifest has"));
        }
        let (checksum, bytes) = file.directory(TRAILER_MAGIC)?;
        if checksum != record.checksum {
            return Err(file.malformed(Malformed("not the run that the manifest names")));
        }
        let directory = Directory::decode(bytes).map_err(|e| file.malformed(e))?;
        let table = directory.table == key.table.0 && directory.columns == key.columns;
        if !table || directory.secret != key.secret || directory.keys != record.keys {
            return Err(file.malformed(Malformed("the keys of another table")));
        }
        // Bounds the memory that a damaged directory can ask for.
        let tables = directory.grid.partitions() * directory.grid.pages() * PAGE_ENTRY_BYTES;
        if tables as u64 > file.bytes() {
            return Err(file.malformed(Malformed("page tables beyond the end")));
        }
        let parts = 2 + directory.grid.pages();
        file.set_parts(directory.partitions.iter().map(|_| parts));
        file.intact(())?;
        Ok(Self { file, directory })
    }

    /// Nothing counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        self.file.forget_checked();
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
        self.file.intact(())
    }

    fn filter(
        &self,
        number: usize,
        partition: &Partition,
        keys: &[(Prefix, u32)],
        found: &mut Vec<(Prefix, u32)>,
    ) -> Result<()> {
        if partition.filter_length == 0 {
            if partition.keys > 0 {
                found.extend(keys);
            }
            return Ok(());
        }
        let part = partition.filter(number);
        let filter = self.file.filter(&partition.descriptor, part)?;
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
        let table = self.file.part(Part {
            number: (number, 1),
            offset: partition.pages_offset,
            length: (grid.pages() * PAGE_ENTRY_BYTES) as u64,
            checksum: partition.pages_checksum,
        })?;
        let (table, _) = table.as_chunks::<PAGE_ENTRY_BYTES>();
        let malformed = |e: Malformed| self.file.corruption(partition.pages_offset, e.0);
        let entry = |page: usize| {
            let mut reader = ByteReader::new(table.get(page).map_or(&[], |e| e.as_slice()));
            Ok((u64::from(reader.u32()?), reader.u64()?))
        };
        let (start, checksum) = entry(page).map_err(malformed)?;
        let end = match page + 1 < grid.pages() {
            true => entry(page + 1).map_err(malformed)?.0,
            false => partition.keys,
        };
        if start > end || end > partition.keys {
            return Err(malformed(Malformed("a page is out of range")));
        }
        let width = grid.entry_bytes() as u64;
        self.file.part(Part {
            number: (number, 2 + page),
            offset: partition.entries_offset.saturating_add(start * width),
            length: (end - start) * width,
            checksum,
        })
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
                return Err(self.file.corruption(0, "keys are not in order"));
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
            true => self.file.intact(()),
            false => Err(self.file.corruption(0, "another number of keys")),
        }
    }

    fn check_found(&self, probe: &Probe) -> Result<()> {
        let mut seen = vec![false; probe.len()];
        self.find(probe, &mut seen)?;
        match seen.contains(&false) {
            true => Err(self.file.corruption(0, "a key is not found")),
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
                return self.run.file.intact(None);
            };
            let (grid, place) = (directory.grid, (self.partition, self.page));
            let entries = self.run.page(self.partition, partition, self.page)?;
            let entries = entries.chunks_exact(grid.entry_bytes());
            let keys: Vec<_> = entries
                .map(|e| grid.prefix(place, entry_value(e)))
                .collect();
            self.run.file.intact(())?;
            self.keys = keys.into_iter();
            self.page += 1;
            if self.page == grid.pages() {
                (self.partition, self.page) = (self.partition + 1, 0);
            }
        }
    }
}
