//! What readers hold: a version of the store, and a table in it.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::commit::{fit, key_ranges};
use crate::keys::{KeyColumns, KeyHash, KeyHasher, find_in_segment, key_columns};
use crate::segment::ChunkCache;
use crate::selection::position;
use crate::version::{TableVersion, Version};
use crate::{Result, TableMeta};

/// One committed state; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) version: Arc<Version>,
    pub(crate) cache: Arc<ChunkCache>,
    pub(crate) hasher: KeyHasher,
}

impl Snapshot {
    /// Commit sequence the snapshot stands at.
    pub fn sequence(&self) -> u64 {
        self.version.sequence
    }

    /// Schema names with their attributes, sorted by name.
    pub fn schemas(&self) -> Vec<(String, String)> {
        self.version
            .schemas
            .iter()
            .map(|(n, s)| (n.clone(), s.attributes.clone()))
            .collect()
    }

    /// `None` when the schema does not exist; else its tables sorted by name.
    pub fn tables(&self, schema: &str) -> Option<Vec<Arc<TableMeta>>> {
        let schema = self.version.schemas.get(schema)?;
        let tables = schema
            .tables
            .values()
            .filter_map(|id| self.version.tables.get(id));
        Some(tables.map(|t| Arc::clone(&t.meta)).collect())
    }

    /// The same state, read with a cache of decoded dictionaries of its own, so large: for who reads
    /// everything once, and would drive out of the store's cache what others read again and again.
    #[must_use]
    pub fn read_apart(self, cache_bytes: usize) -> Self {
        Self {
            cache: Arc::new(ChunkCache::new(cache_bytes)),
            ..self
        }
    }

    pub fn table(&self, schema: &str, table: &str) -> Option<TableSnapshot> {
        let table = Arc::clone(self.version.find(schema, table)?);
        Some(TableSnapshot {
            table,
            cache: Arc::clone(&self.cache),
            hasher: self.hasher,
        })
    }
}

/// One table in one snapshot.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    pub(crate) table: Arc<TableVersion>,
    pub(crate) cache: Arc<ChunkCache>,
    pub(crate) hasher: KeyHasher,
}

impl TableSnapshot {
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.table.meta
    }

    pub fn rows(&self) -> u64 {
        let stored: u64 = self.table.segments.iter().map(|s| s.live_rows()).sum();
        stored + self.table.memtables().map(|m| m.live_rows()).sum::<u64>()
    }

    /// Rows that are deleted and still take up space.
    pub fn deleted_rows(&self) -> u64 {
        let stored: u64 = self.table.segments.iter().map(|s| s.deleted.len()).sum();
        stored
            + self
                .table
                .memtables()
                .map(|m| m.deleted().len())
                .sum::<u64>()
    }

    /// Segments on disk.
    pub fn segments(&self) -> usize {
        self.table.segments.len()
    }

    /// Bytes of a column (its position) on disk, of all segments that can be read.
    pub fn column_bytes(&self, column: usize) -> u64 {
        let readers = self.table.segments.iter().filter_map(|s| s.reader().ok());
        readers.map(|reader| reader.column_bytes(column)).sum()
    }

    /// Bytes on disk, the WAL not counted.
    pub fn bytes(&self) -> u64 {
        let segments = self.table.segments.iter();
        segments.map(|s| s.record.bytes + s.key_bytes()).sum()
    }
}

/// A stored row that has a unique key of a row at hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Duplicate {
    /// Number of the key in `TableSpec::unique_keys`.
    pub key: usize,
    /// Position of the stored row, as scans give it.
    pub position: u64,
}

impl TableSnapshot {
    /// For each of some rows, which need not be in the table, the first of its unique keys that a row of
    /// this snapshot has. Rows at hand are not compared with each other. The commit decides: others may
    /// have come or gone by then, and a row that was deleted and put back since may be missed here.
    pub fn find_duplicates(&self, rows: &RecordBatch) -> Result<Vec<Option<Duplicate>>> {
        let mut duplicates = vec![None; rows.num_rows()];
        for (key, found) in self.find_keys(rows)?.into_iter().enumerate() {
            for (duplicate, position) in duplicates.iter_mut().zip(found) {
                let found = position.map(|position| Duplicate { key, position });
                *duplicate = duplicate.or(found);
            }
        }
        Ok(duplicates)
    }

    /// The same for every unique key by itself: by number of the key, then by row, the position of the stored
    /// row that has it.
    pub fn find_keys(&self, rows: &RecordBatch) -> Result<Vec<Vec<Option<u64>>>> {
        let meta = self.meta();
        let rows = fit(meta, rows)?;
        let hashes = self.hasher.hash_keys(meta, rows)?;
        let keys = key_columns(&self.table.history, &meta.spec.unique_keys, &meta.folds);
        let each = keys.iter().zip(&hashes);
        each.map(|(key, hashes)| self.find_key(key, hashes, rows))
            .collect()
    }

    fn find_key(
        &self,
        key: &KeyColumns,
        hashes: &[Option<KeyHash>],
        rows: &RecordBatch,
    ) -> Result<Vec<Option<u64>>> {
        let mut positions = vec![None; rows.num_rows()];
        let mut note = |at: usize, home: usize, row: u32| {
            if let Some(found @ None) = positions.get_mut(at) {
                *found = Some(position(home, row as usize));
            }
        };
        let ranges = key_ranges(key, rows);
        let tools = (&self.hasher, &*self.cache);
        for (home, segment) in self.table.segments.iter().enumerate() {
            for (at, row) in find_in_segment(segment, key, hashes, &ranges, tools)? {
                if !segment.deleted.contains(row) {
                    note(at, home, row);
                }
            }
        }
        for (home, memtable) in (self.table.segments.len()..).zip(self.table.memtables()) {
            let found = memtable.keys().find(&key.ids, hashes);
            for (at, row) in found.into_iter().enumerate() {
                let Some(row) = row else { continue };
                let counts = u64::from(row) < memtable.rows();
                if counts && !memtable.deleted().contains(row) {
                    note(at, home, row);
                }
            }
        }
        Ok(positions)
    }
}
