//! Writes a run from ascending hashes, partition by partition: memory does not grow with the run.

use std::path::Path;

use xorf::{BinaryFuse8, DmaSerializable};

use super::layout::{Directory, Grid, Partition, Prefix, TRAILER_MAGIC, filter_hash};
use crate::format::{ByteWriter, FileHeader, FileKind, Seal};
use crate::fs::FileSystem;
use crate::history::ColumnId;
use crate::segment::Sink;
use crate::{Error, Result, TableId};

/// With fewer keys a filter saves nothing.
const FILTER_KEYS_MIN: usize = 64;

/// Whose keys a run has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct RunKey {
    pub(crate) table: TableId,
    pub(crate) columns: Vec<ColumnId>,
    /// Fingerprint of the secret of the hashes.
    pub(crate) secret: u64,
}

/// What there is to say of a run that has been written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct RunSummary {
    pub(crate) keys: u64,
    pub(crate) bytes: u64,
    pub(crate) checksum: u64,
}

#[derive(Debug)]
pub(crate) struct RunWriter {
    sink: Sink,
    seal: Seal,
    directory: Directory,
    /// Of the partition under way.
    pending: Vec<Prefix>,
}

impl RunWriter {
    /// Begins a run of at most `keys` keys; with much fewer it is only less well parted.
    pub(crate) fn create(
        fs: &dyn FileSystem,
        path: &Path,
        seal: Seal,
        key: &RunKey,
        keys: u64,
    ) -> Result<Self> {
        let mut sink = Sink::create(fs, path)?;
        let kind = FileKind::Events;
        sink.put(&FileHeader { kind, seal }.encode())?;
        Ok(Self {
            sink,
            seal,
            directory: Directory {
                secret: key.secret,
                table: key.table.0,
                columns: key.columns.clone(),
                grid: Grid::for_keys(keys),
                ..Directory::default()
            },
            pending: Vec::new(),
        })
    }

    /// Adds a key. They come in ascending order; one that repeats the last is left out.
    pub(crate) fn push(&mut self, prefix: Prefix) -> Result<()> {
        let partition = self.directory.grid.partition(prefix);
        while self.directory.partitions.len() < partition {
            self.end_partition()?;
        }
        if self.pending.last() != Some(&prefix) {
            debug_assert!(self.pending.last().is_none_or(|last| *last < prefix));
            self.pending.push(prefix);
        }
        Ok(())
    }

    fn end_partition(&mut self) -> Result<()> {
        let keys = std::mem::take(&mut self.pending);
        let mut partition = Partition {
            keys: keys.len() as u64,
            ..Partition::default()
        };
        self.put_filter(&keys, &mut partition)?;
        self.put_entries(&keys, &mut partition)?;
        self.directory.keys += partition.keys;
        self.directory.partitions.push(partition);
        self.pending = keys;
        self.pending.clear();
        Ok(())
    }

    fn put_filter(&mut self, keys: &[Prefix], partition: &mut Partition) -> Result<()> {
        if keys.len() < FILTER_KEYS_MIN {
            return Ok(());
        }
        let mut hashes: Vec<u64> = keys.iter().map(|&prefix| filter_hash(prefix)).collect();
        hashes.dedup();
        let filter = BinaryFuse8::try_from(&hashes).map_err(|e| Error::Invalid(e.into()))?;
        self.sink.align(64);
        filter.dma_copy_descriptor_to(&mut partition.descriptor);
        let bytes = filter.dma_fingerprints();
        partition.filter_offset = self.sink.position();
        partition.filter_length = bytes.len() as u64;
        partition.filter_checksum = self.seal.checksum(partition.filter_offset, bytes);
        self.sink.put(bytes)
    }

    fn put_entries(&mut self, keys: &[Prefix], partition: &mut Partition) -> Result<()> {
        let grid = self.directory.grid;
        let (mut table, mut page, mut rest) = (Vec::new(), Vec::new(), keys);
        self.sink.align(8);
        partition.entries_offset = self.sink.position();
        for number in 0..grid.pages() {
            let here = rest.partition_point(|&prefix| grid.page(prefix) <= number);
            let (these, beyond) = rest.split_at(here);
            table.put_length(keys.len() - rest.len());
            rest = beyond;
            page.clear();
            for &prefix in these {
                let bytes = grid.entry(prefix).to_le_bytes();
                page.put(bytes.get(..grid.entry_bytes()).unwrap_or_default());
            }
            table.put_u64(self.seal.checksum(self.sink.position(), &page));
            self.sink.put(&page)?;
        }
        self.sink.align(8);
        partition.pages_offset = self.sink.position();
        partition.pages_checksum = self.seal.checksum(partition.pages_offset, &table);
        self.sink.put(&table)
    }

    /// Writes what is left and makes the file durable; the directory is the caller's to sync.
    pub(crate) fn finish(mut self) -> Result<RunSummary> {
        while self.directory.partitions.len() < self.directory.grid.partitions() {
            self.end_partition()?;
        }
        self.sink.align(8);
        let bytes = self.directory.encode();
        let offset = self.sink.position();
        let checksum = self.seal.checksum(offset, &bytes);
        self.sink.put(&bytes)?;
        let mut trailer = Vec::new();
        trailer.put_u64(offset);
        trailer.put_length(bytes.len());
        trailer.put_u32(0);
        trailer.put_u64(checksum);
        trailer.put(&TRAILER_MAGIC);
        self.sink.put(&trailer)?;
        Ok(RunSummary {
            keys: self.directory.keys,
            bytes: self.sink.finish()?,
            checksum,
        })
    }
}
