//! Unique keys at commit. The submitting thread has looked through the segments it saw; the writer looks
//! through those that are newer, the memtables and the commits staged before, and decides. What counts
//! is whether a row found is there at this moment, the deletes of the commit itself taken into account.

use std::collections::{HashMap, HashSet};

use super::delete::{StagedDeletes, is_there};
use super::writer::Writer;
use crate::commit::PreparedInsert;
use crate::keys::{KeyHash, KeySet, find_in_segment, key_columns};
use crate::{Result, TableId};

/// Key values that the commits staged so far bring.
#[derive(Debug, Default)]
pub(super) struct StagedKeys(HashMap<(TableId, usize), KeySet>);

/// Values that one commit has added, to be taken back if it fails.
pub(super) type Added = Vec<(TableId, usize, KeyHash)>;

impl StagedKeys {
    pub(super) fn contains(&self, table: TableId, key: usize, hash: &KeyHash) -> bool {
        self.0
            .get(&(table, key))
            .is_some_and(|set| set.contains(hash))
    }

    pub(super) fn add(&mut self, table: TableId, key: usize, hash: KeyHash, added: &mut Added) {
        self.0.entry((table, key)).or_default().insert(hash);
        added.push((table, key, hash));
    }

    pub(super) fn take_back(&mut self, added: &Added) {
        for (table, key, hash) in added {
            if let Some(set) = self.0.get_mut(&(*table, *key)) {
                set.remove(hash);
            }
        }
    }
}

impl Writer {
    /// Per key, per row of an insert, whether a committed row that is not being deleted has its value.
    pub(super) fn taken(
        &self,
        insert: &PreparedInsert,
        deletes: [&StagedDeletes; 2],
    ) -> Result<Vec<Vec<bool>>> {
        let table = self.version.table(insert.meta.id)?;
        let keys = key_columns(&table.history, &insert.meta.spec.unique_keys);
        let seen: HashSet<_> = insert.probe.seen.iter().copied().collect();
        let newer = table
            .segments
            .iter()
            .filter(|s| !seen.contains(&s.record.file));
        let newer: Vec<_> = newer.collect();
        let tools = (&self.shared.hasher, &*self.shared.cache);
        let mut all = Vec::with_capacity(keys.len());
        for (number, (key, hashes)) in keys.iter().zip(&insert.keys).enumerate() {
            let mut taken = vec![false; hashes.len()];
            let mut take = |position: usize, there: bool| {
                if let Some(taken) = taken.get_mut(position).filter(|_| there) {
                    *taken = true;
                }
            };
            for (position, home, row) in insert.probe.found.get(number).into_iter().flatten() {
                take(*position, is_there(table, home, *row, deletes));
            }
            for segment in &newer {
                for (position, row) in find_in_segment(segment, key, hashes, &[], tools)? {
                    take(position, is_there(table, segment.home(), row, deletes));
                }
            }
            for memtable in table.memtables() {
                let found = memtable.keys().find(&key.ids, hashes);
                for (position, row) in found.into_iter().enumerate() {
                    let there = row.is_some_and(|r| is_there(table, memtable.home(), r, deletes));
                    take(position, there);
                }
            }
            all.push(taken);
        }
        Ok(all)
    }

    /// Tells the memtables which keys they have got. `first` is the number of the first of the rows.
    pub(super) fn note_keys(&self, id: TableId, first: u64, keys: &[Vec<Option<KeyHash>>]) {
        let Ok(table) = self.version.table(id) else {
            return;
        };
        let columns = key_columns(&table.history, &table.meta.spec.unique_keys);
        for (key, hashes) in columns.iter().zip(keys) {
            table.active.keys().add(&key.ids, first, hashes);
        }
    }
}
