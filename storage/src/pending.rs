//! The changes a transaction has made to one table and not committed: what its own statements see, and
//! what its COMMIT writes. It is a value: a savepoint is a clone of it. Nothing here is durable, and
//! nobody else sees any of it.

use std::sync::Arc;

use arrow::array::{BooleanArray, RecordBatch};
use arrow::compute::{filter_record_batch, not};
use arrow::error::ArrowError;
use roaring::RoaringBitmap;

use crate::commit::{Delete, IfGone, WriteBatch, fit};
use crate::events::Arriving;
use crate::format::FileId;
use crate::keys::{KeySet, key_columns};
use crate::memtable::Memtable;
use crate::rows::compact;
use crate::version::TableVersion;
use crate::{Error, Result, RowSelection, TableId, TableMeta, TableSnapshot};

/// Arrival number of the first pending row: not one that a committed row can have.
const PENDING: u64 = u64::MAX;

/// Uncommitted changes of one table, based on one snapshot of it.
#[derive(Debug)]
pub struct PendingChanges {
    base: TableSnapshot,
    /// Inserted rows; those deleted again are marked.
    rows: Memtable,
    /// Deleted rows of the snapshot.
    deletes: RowSelection,
    if_gone: IfGone,
    /// Events that have come in this transaction, those of its other rows not among them.
    arrived: Arc<KeySet>,
}

impl Clone for PendingChanges {
    /// A savepoint. Shares the rows and copies their unique keys.
    fn clone(&self) -> Self {
        Self {
            base: self.base.clone(),
            rows: self.rows.fork(),
            deletes: self.deletes.clone(),
            if_gone: self.if_gone,
            arrived: Arc::clone(&self.arrived),
        }
    }
}

impl TableSnapshot {
    /// No changes yet.
    pub fn pending(&self) -> PendingChanges {
        PendingChanges {
            base: self.clone(),
            rows: Memtable::starting_at(PENDING),
            deletes: self.selection(),
            if_gone: IfGone::Ignore,
            arrived: Arc::default(),
        }
    }
}

impl PendingChanges {
    pub fn table(&self) -> TableId {
        self.deletes.table()
    }

    /// The definition of the table that the changes are made for.
    pub fn definition(&self) -> &Arc<TableMeta> {
        self.base.meta()
    }

    pub fn is_empty(&self) -> bool {
        self.rows.live_rows() == 0 && self.deletes.is_empty()
    }

    /// Memory of the rows, deleted ones too.
    pub fn bytes(&self) -> u64 {
        self.rows.bytes()
    }

    /// Adds rows that come from outside: as `insert`, but in a table with an event key those are left out
    /// whose event is known to the table or to the transaction. The numbers of those rows, ascending. The
    /// commit looks again: others may have come by then.
    pub fn arrive(&mut self, rows: &RecordBatch) -> Result<Vec<u32>> {
        let (meta, hasher) = (self.base.meta(), &self.base.hasher);
        let rows = fit(meta, rows)?;
        let Some(events) = Arriving::prepare(hasher, &self.base.table, rows, true)? else {
            self.insert(rows)?;
            return Ok(Vec::new());
        };
        let mut seen = events.repeated(&self.base.table)?;
        self.rows.events().find(&events.hashes, &mut seen);
        let keep: Vec<bool> = seen.iter().map(|seen| !seen).collect();
        Arc::make_mut(&mut self.arrived).extend(events.kept(&keep).into_iter().flatten());
        let kept = filter_record_batch(rows, &keep.into());
        self.insert(&kept.map_err(invalid)?)?;
        let numbered = (0u32..).zip(seen);
        Ok(numbered
            .filter_map(|(row, seen)| seen.then_some(row))
            .collect())
    }

    /// Adds rows, which must have exactly the table's arrow schema. Unique keys are not looked at:
    /// `TableSnapshot::find_duplicates` is for that. In a table with an event key they stay whether or not
    /// their events are known.
    pub fn insert(&mut self, rows: &RecordBatch) -> Result<()> {
        let meta = self.base.meta();
        let rows = compact(&meta.arrow, fit(meta, rows)?)?;
        if let Some(events) = self.events_of(&rows)? {
            self.rows.events().add(&events.hashes, 0);
        }
        let unique = key_columns(
            &self.base.table.history,
            &meta.spec.unique_keys,
            &meta.folds,
        );
        let keys = self.base.hasher.hash_keys(meta, &rows)?;
        for (key, hashes) in unique.iter().zip(&keys) {
            self.rows.keys().add(&key.ids, self.rows.rows(), hashes);
        }
        self.rows = self.rows.append(&meta.arrow, &[rows], 0, FileId(0))?;
        Ok(())
    }

    fn events_of(&self, rows: &RecordBatch) -> Result<Option<Arriving>> {
        Arriving::prepare(&self.base.hasher, &self.base.table, rows, false)
    }

    /// Deletes rows chosen in `snapshot()`, or in an earlier one of the same transaction.
    pub fn delete(&mut self, rows: &RowSelection, if_gone: IfGone) -> Result<()> {
        let base = self.deletes.rows.len();
        let (stored, pending) = rows.rows.split_at(base.min(rows.rows.len()));
        let homes = || rows.snapshot.table.homes().zip(self.base.table.homes());
        if stored.len() < base || !homes().all(|(a, b)| Arc::ptr_eq(a, b)) {
            return Err(Error::Invalid("rows chosen in another snapshot".into()));
        }
        if let Some(pending) = pending.first() {
            let same = rows.snapshot.table.homes().nth(base);
            let same = same.is_some_and(|home| Arc::ptr_eq(home, self.rows.home()));
            let last = pending.max().map_or(0, |last| u64::from(last) + 1);
            if !same || last > self.rows.rows() {
                return Err(Error::Invalid("rows of another transaction".into()));
            }
            self.rows = self.rows.delete(pending);
        }
        for (all, more) in self.deletes.rows.iter_mut().zip(stored) {
            *all |= more;
        }
        if if_gone == IfGone::Conflict && stored.iter().any(|rows| !rows.is_empty()) {
            self.if_gone = IfGone::Conflict;
        }
        Ok(())
    }

    /// The table as the transaction sees it: the snapshot it is based on with these changes. Positions
    /// that its scans give are for `delete`.
    pub fn snapshot(&self) -> TableSnapshot {
        if self.rows.is_empty() && self.deletes.is_empty() {
            return self.base.clone();
        }
        let mut table: TableVersion = (*self.base.table).clone();
        self.hide_deleted(&mut table);
        let active = std::mem::replace(&mut table.active, Arc::new(self.rows.clone()));
        table.sealed.push(active);
        TableSnapshot {
            table: Arc::new(table),
            cache: Arc::clone(&self.base.cache),
            hasher: self.base.hasher,
        }
    }

    fn hide_deleted(&self, table: &mut TableVersion) {
        let places: Vec<_> = table.homes().map(|home| home.place()).collect();
        for (place, rows) in places.into_iter().zip(&self.deletes.rows) {
            if !rows.is_empty() {
                table.delete(place, rows, FileId(0));
            }
        }
    }

    /// The rows that COMMIT inserts.
    pub fn inserted(&self) -> Result<Vec<RecordBatch>> {
        let table = self.snapshot();
        let columns = (0..table.meta().arrow.fields().len()).collect::<Vec<_>>();
        let mut rows = vec![RoaringBitmap::new(); self.deletes.rows.len()];
        let mut all = RoaringBitmap::new();
        all.insert_range(0..self.rows.rows() as u32);
        rows.push(all);
        if self.rows.is_empty() {
            return Ok(Vec::new());
        }
        let scan = table.scan_rows(columns, &rows)?;
        scan.into_morsels().into_iter().flatten().collect()
    }

    /// The deleted rows of the snapshot.
    pub fn deleted(&self) -> &RowSelection {
        &self.deletes
    }

    /// Adds the changes to what a commit writes. Deletes of rows that somebody else has deleted since
    /// fail as the strictest of the statements asked.
    pub fn add_to(&self, batch: &mut WriteBatch) -> Result<()> {
        for rows in self.inserted()? {
            let Some(events) = self.events_of(&rows)? else {
                batch.inserts.push((self.table(), rows));
                continue;
            };
            let arrived = |hash: &Option<_>| hash.is_some_and(|hash| self.arrived.contains(&hash));
            let arrived = BooleanArray::from_iter(events.hashes.iter().map(|h| Some(arrived(h))));
            let others = not(&arrived).map_err(invalid)?;
            for (mask, list) in [(others, &mut batch.inserts), (arrived, &mut batch.arrivals)] {
                let rows = filter_record_batch(&rows, &mask).map_err(invalid)?;
                if rows.num_rows() > 0 {
                    list.push((self.table(), rows));
                }
            }
        }
        if !self.deletes.is_empty() {
            batch.deletes.push(Delete {
                rows: self.deletes.clone(),
                if_gone: self.if_gone,
            });
        }
        Ok(())
    }
}

fn invalid(error: ArrowError) -> Error {
    Error::Invalid(error.to_string())
}
