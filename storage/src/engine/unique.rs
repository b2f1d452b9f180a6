//! Unique keys at commit. The submitting thread has looked through the segments it saw; the writer looks
//! through those that are newer, the memtables and the commits staged before, and decides. What counts
//! is whether a row found is there at this moment, the deletes of the commit itself taken into account.

use std::collections::{HashMap, HashSet};

use super::delete::{StagedDeletes, is_there};
use super::writer::Writer;
use crate::commit::{OnDuplicate, PreparedInsert, REPEATED_MAX};
use crate::keys::{KeyHash, KeySet, find_in_segment, key_columns};
use crate::{Result, TableId};

/// The number of the event key among the keys of a table.
const EVENT_KEY: usize = usize::MAX;

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
        if self.0.entry((table, key)).or_default().insert(hash) {
            added.push((table, key, hash));
        }
    }

    pub(super) fn take_back(&mut self, added: &Added) {
        for (table, key, hash) in added {
            if let Some(set) = self.0.get_mut(&(*table, *key)) {
                set.remove(hash);
            }
        }
    }
}

/// Decides which rows of an insert stay.
pub(super) struct Sieve<'a> {
    pub(super) insert: &'a PreparedInsert,
    /// Per unique key, per row, whether a committed row has its value.
    pub(super) taken: Vec<Vec<bool>>,
    /// Per row, whether its event is known; `None` when that does not matter.
    pub(super) seen: Option<Vec<bool>>,
    pub(super) on_duplicate: OnDuplicate,
}

pub(super) struct Sifted {
    /// Per row.
    pub(super) keep: Vec<bool>,
    /// Numbers of the rows that are left out for their event key.
    pub(super) resent: Vec<u32>,
    /// Rows that are left out for a unique key, and its number; not all if there are very many.
    pub(super) repeated: Vec<(usize, usize)>,
}

impl Sieve<'_> {
    /// Reserves the keys of the rows that stay. An error is the number of a unique key and of a row that
    /// must not repeat it. Event keys come first: what was sent once more is no conflict.
    pub(super) fn sift(
        &self,
        staged: &mut StagedKeys,
        added: &mut Added,
    ) -> std::result::Result<Sifted, (usize, usize)> {
        let id = self.insert.meta.id;
        let mut keep = vec![true; self.insert.count];
        let (mut resent, mut repeated) = (Vec::new(), Vec::new());
        let hash_of = |key: &[Option<KeyHash>], row: usize| key.get(row).copied().flatten();
        let events = self.insert.events.as_ref();
        for (row, keep) in keep.iter_mut().enumerate() {
            let event = events.and_then(|events| hash_of(&events.hashes, row));
            if self.is_resent(row, event, staged) {
                *keep = false;
                resent.push(row as u32);
                continue;
            }
            let hashes = || {
                self.insert
                    .keys
                    .iter()
                    .map(|key| hash_of(key, row))
                    .enumerate()
            };
            let is_repeated = |(key, hash): (usize, Option<KeyHash>)| {
                let taken = self.taken.get(key).and_then(|t| t.get(row)).copied();
                taken == Some(true) || hash.is_some_and(|h| staged.contains(id, key, &h))
            };
            match (hashes().position(is_repeated), self.on_duplicate) {
                (None, _) => {
                    for (key, hash) in hashes().chain([(EVENT_KEY, event)]) {
                        if let Some(hash) = hash {
                            staged.add(id, key, hash, added);
                        }
                    }
                }
                (Some(key), OnDuplicate::Skip) => {
                    *keep = false;
                    if repeated.len() < REPEATED_MAX {
                        repeated.push((row, key));
                    }
                }
                (Some(key), OnDuplicate::Fail) => return Err((key, row)),
            }
        }
        Ok(Sifted {
            keep,
            resent,
            repeated,
        })
    }

    fn is_resent(&self, row: usize, event: Option<KeyHash>, staged: &StagedKeys) -> bool {
        let Some(seen) = &self.seen else {
            return false;
        };
        let staged = |hash| staged.contains(self.insert.meta.id, EVENT_KEY, &hash);
        seen.get(row) == Some(&true) || event.is_some_and(staged)
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
        let keys = key_columns(
            &table.history,
            &insert.meta.spec.unique_keys,
            &insert.meta.folds,
        );
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
        let columns = key_columns(
            &table.history,
            &table.meta.spec.unique_keys,
            &table.meta.folds,
        );
        for (key, hashes) in columns.iter().zip(keys) {
            table.active.keys().add(&key.ids, first, hashes);
        }
    }
}
