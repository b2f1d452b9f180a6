//! Chosen rows of one table, as DELETE and UPDATE name them to the store: by position in a snapshot,
//! never by value. The store finds them also when they have moved to another file since.

use std::sync::Arc;

use roaring::RoaringBitmap;

use crate::{Error, Result, Scan, TableId, TableSnapshot};

/// Bits of a position that are the row's number in its segment or memtable.
const ROW_BITS: u32 = 32;

/// The position of row `row` of the `home`-th segment or memtable of a snapshot.
pub(crate) fn position(home: usize, row: usize) -> u64 {
    (home as u64) << ROW_BITS | row as u64
}

/// A set of rows of one table in one snapshot. It keeps the snapshot's files from being removed. Memory:
/// a bit per row of the segments concerned at most, less where rows are consecutive.
#[derive(Debug, Clone)]
pub struct RowSelection {
    pub(crate) snapshot: TableSnapshot,
    /// Per home of the snapshot.
    pub(crate) rows: Vec<RoaringBitmap>,
}

impl TableSnapshot {
    /// Chooses no rows yet.
    pub fn selection(&self) -> RowSelection {
        let homes = self.table.segments.len() + self.table.memtables().count();
        RowSelection {
            snapshot: self.clone(),
            rows: vec![RoaringBitmap::new(); homes],
        }
    }
}

impl RowSelection {
    pub fn table(&self) -> TableId {
        self.snapshot.meta().id
    }

    /// Number of rows.
    pub fn len(&self) -> u64 {
        self.rows.iter().map(RoaringBitmap::len).sum()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.iter().all(RoaringBitmap::is_empty)
    }

    /// Whether rows of memtables are among them.
    pub(crate) fn is_in_memory(&self) -> bool {
        let memtables = self.rows.get(self.snapshot.table.segments.len()..);
        let memtables = memtables.unwrap_or_default();
        memtables.iter().any(|rows| !rows.is_empty())
    }

    /// Adds rows by the positions that a scan of the same `TableSnapshot`, or of a clone of it, gave.
    /// Cheapest in ascending order.
    pub fn extend(&mut self, positions: &[u64]) -> Result<()> {
        for same in positions.chunk_by(|a, b| a >> ROW_BITS == b >> ROW_BITS) {
            let home = same.first().map_or(0, |p| (p >> ROW_BITS) as usize);
            let length = self.snapshot.table.home_rows(home);
            let rows = self.rows.get_mut(home);
            let (Some(rows), Some(length)) = (rows, length) else {
                return Err(Error::Invalid("a row position of another table".into()));
            };
            for &position in same {
                let row = position as u32;
                if u64::from(row) >= length {
                    return Err(Error::Invalid("a row position beyond the end".into()));
                }
                if rows.try_push(row).is_err() {
                    rows.insert(row);
                }
            }
        }
        Ok(())
    }

    /// Whether the row at a position is among them.
    pub fn contains(&self, position: u64) -> bool {
        let rows = self.rows.get((position >> ROW_BITS) as usize);
        rows.is_some_and(|rows| rows.contains(position as u32))
    }

    /// Adds the rows of another selection of the same snapshot.
    pub fn merge(&mut self, other: &Self) -> Result<()> {
        if !Arc::ptr_eq(&self.snapshot.table, &other.snapshot.table) {
            return Err(Error::Invalid("selections of different snapshots".into()));
        }
        for (rows, more) in self.rows.iter_mut().zip(&other.rows) {
            *rows |= more;
        }
        Ok(())
    }

    /// Reads `columns` (positions in the table) of the chosen rows that are not deleted, in the order of
    /// the snapshot.
    pub fn scan(&self, columns: Vec<usize>) -> Result<Scan> {
        self.snapshot.scan_rows(columns, &self.rows)
    }
}
