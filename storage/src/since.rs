//! What has come into a table since an earlier snapshot of it, for those who have looked at that one.

use std::collections::HashMap;

use roaring::RoaringBitmap;

use crate::{Result, Scan, TableSnapshot};

impl TableSnapshot {
    /// How many rows `before`, an earlier snapshot of the same table, may not have. Rows that a flush or a
    /// merge has moved since are among them.
    pub fn count_since(&self, before: &Self) -> u64 {
        self.since(before).iter().map(RoaringBitmap::len).sum()
    }

    /// Reads those of them that are not deleted.
    pub fn scan_since(&self, before: &Self, columns: Vec<usize>) -> Result<Scan> {
        self.scan_rows(columns, &self.since(before))
    }

    /// Per home.
    fn since(&self, before: &Self) -> Vec<RoaringBitmap> {
        let rows = |table: &Self, home: usize| table.table.home_rows(home).unwrap_or(0);
        let places = before.table.homes().map(|home| home.place());
        let known = places.enumerate();
        let known: HashMap<_, _> = known.map(|(at, place)| (place, rows(before, at))).collect();
        let homes = self.table.homes().map(|home| home.place()).enumerate();
        let more = homes.map(|(at, place)| {
            let from = known.get(&place).copied().unwrap_or(0);
            let mut more = RoaringBitmap::new();
            more.insert_range(from as u32..rows(self, at) as u32);
            more
        });
        more.collect()
    }
}
