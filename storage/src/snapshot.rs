//! What readers hold: a version of the store, and a table in it.

use std::sync::Arc;

use crate::TableMeta;
use crate::segment::ChunkCache;
use crate::version::{TableVersion, Version};

/// One committed state; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    pub(crate) version: Arc<Version>,
    pub(crate) cache: Arc<ChunkCache>,
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

    pub fn table(&self, schema: &str, table: &str) -> Option<TableSnapshot> {
        let table = Arc::clone(self.version.find(schema, table)?);
        Some(TableSnapshot {
            table,
            cache: Arc::clone(&self.cache),
        })
    }
}

/// One table in one snapshot.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    pub(crate) table: Arc<TableVersion>,
    pub(crate) cache: Arc<ChunkCache>,
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
        self.table.segments.iter().map(|s| s.record.bytes).sum()
    }
}
