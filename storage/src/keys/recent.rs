//! The keys of the rows of one memtable. The writer adds to it while readers ask; a reader ignores rows
//! beyond the end of the memtable it holds.

use std::collections::HashMap;
use std::hash::BuildHasherDefault;

use parking_lot::RwLock;

use super::hash::{KeyHash, LowHalf};
use crate::history::ColumnId;

type Rows = HashMap<KeyHash, u32, BuildHasherDefault<LowHalf>>;

/// Per key, given by its columns, the last row with each value.
#[derive(Debug, Default)]
pub(crate) struct RecentKeys(RwLock<Vec<(Vec<ColumnId>, Rows)>>);

impl RecentKeys {
    /// Adds the keys of the rows from number `first` on.
    pub(crate) fn add(&self, columns: &[ColumnId], first: u64, hashes: &[Option<KeyHash>]) {
        let mut all = self.0.write();
        let at = match all.iter().position(|(c, _)| c == columns) {
            Some(at) => at,
            None => {
                all.push((columns.to_vec(), Rows::default()));
                all.len() - 1
            }
        };
        if let Some((_, rows)) = all.get_mut(at) {
            let numbered = (first as u32..).zip(hashes);
            rows.extend(numbered.filter_map(|(row, hash)| hash.map(|hash| (hash, row))));
        }
    }

    /// Forgets a key.
    pub(crate) fn forget(&self, columns: &[ColumnId]) {
        self.0.write().retain(|(c, _)| c != columns);
    }

    /// A copy, which others do not add to.
    pub(crate) fn fork(&self) -> Self {
        Self(RwLock::new(self.0.read().clone()))
    }

    /// The last row with each of some key values.
    pub(crate) fn find(
        &self,
        columns: &[ColumnId],
        hashes: &[Option<KeyHash>],
    ) -> Vec<Option<u32>> {
        let all = self.0.read();
        let rows = all.iter().find(|(c, _)| c == columns).map(|(_, rows)| rows);
        let find = |hash: &Option<KeyHash>| rows?.get(hash.as_ref()?).copied();
        hashes.iter().map(find).collect()
    }
}
