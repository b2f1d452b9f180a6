//! The event keys of rows on their way in. The submitting thread asks the runs it sees; the writer asks what
//! is newer and the memtables, and decides.

use arrow::array::RecordBatch;

use super::published::Asked;
use super::run::{Probe, sorted_probe};
use crate::keys::{KeyHash, KeyHasher, KeySet};
use crate::version::TableVersion;
use crate::{Error, Result};

#[derive(Debug)]
pub(crate) struct Arriving {
    /// Per row; `None` with a NULL in the key.
    pub(crate) hashes: Vec<Option<KeyHash>>,
    /// `None` for rows that stay whether or not their event is known.
    asked: Option<(Asked, Probe, Vec<bool>)>,
}

impl Arriving {
    /// The keys of rows for a table, if it has an event key. `checked`: known ones are to be left out.
    pub(crate) fn prepare(
        hasher: &KeyHasher,
        table: &TableVersion,
        rows: &RecordBatch,
        checked: bool,
    ) -> Result<Option<Self>> {
        let Some(key) = &table.meta.spec.event_key else {
            return Ok(None);
        };
        let columns = rows.project(&key.columns);
        let columns = columns.map_err(|e| Error::Invalid(e.to_string()))?;
        let columns = table.meta.folds.folded(&key.columns, columns.columns())?;
        let hashes = hasher.hash(&columns)?;
        let asked = checked.then(|| {
            let (probe, mut seen) = (sorted_probe(&hashes), vec![false; hashes.len()]);
            let asked = table.events.find(&probe, &mut seen)?;
            Ok::<_, Error>((asked, probe, seen))
        });
        Ok(Some(Self {
            asked: asked.transpose()?,
            hashes,
        }))
    }

    /// Per row whether the table has seen its event; `None` for rows that stay all the same.
    pub(crate) fn seen(&self, table: &TableVersion) -> Result<Option<Vec<bool>>> {
        let Some((asked, probe, seen)) = &self.asked else {
            return Ok(None);
        };
        let mut seen = match table.events.still_counts(asked) {
            true => seen.clone(),
            false => vec![false; seen.len()],
        };
        table.events.find_newer(asked, probe, &mut seen)?;
        for memtable in table.memtables() {
            memtable.events().find(&self.hashes, &mut seen);
        }
        Ok(Some(seen))
    }

    /// Per row whether the table has seen its event, or an earlier one of these rows has it.
    pub(crate) fn repeated(&self, table: &TableVersion) -> Result<Vec<bool>> {
        let mut seen = match self.seen(table)? {
            Some(seen) => seen,
            None => return Ok(vec![false; self.hashes.len()]),
        };
        let mut own = KeySet::default();
        for (hash, seen) in self.hashes.iter().zip(&mut seen) {
            *seen |= hash.is_some_and(|hash| !own.insert(hash));
        }
        Ok(seen)
    }

    /// The keys of the rows to keep.
    pub(crate) fn kept(&self, keep: &[bool]) -> Vec<Option<KeyHash>> {
        let both = self.hashes.iter().zip(keep);
        both.filter(|(_, keep)| **keep)
            .map(|(hash, _)| *hash)
            .collect()
    }
}
