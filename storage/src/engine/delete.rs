//! Deletes of a commit: finding the rows where they are now, refusing rows that are gone, and keeping
//! the manifest's lists of deleted rows in pace with the WAL.
//!
//! INVARIANT: a position names one row for good. It is followed through every flush and merge since the
//! selection was made; a row that cannot be found has been deleted, and only then is it a conflict.

use std::collections::HashMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::writer::Writer;
use crate::commit::{Delete, IfGone};
use crate::format::FileId;
use crate::home::{Home, Part, Place};
use crate::manifest::Edit;
use crate::version::{TableVersion, Version};
use crate::{Error, Result, TableId, TableName};

/// Rows to be deleted, where they are now; not empty, and none of them deleted.
pub(super) type Parts = Vec<(Place, RoaringBitmap)>;

/// What the commits staged so far delete, beyond the version.
#[derive(Debug, Default)]
pub(super) struct StagedDeletes(HashMap<(TableId, Place), RoaringBitmap>);

impl StagedDeletes {
    pub(super) fn add(&mut self, table: TableId, parts: &Parts) {
        for (place, rows) in parts {
            *self.0.entry((table, *place)).or_default() |= rows;
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Applies them; the WAL file `wal` says so.
    pub(super) fn apply(self, version: &mut Version, wal: FileId) {
        for ((table, place), rows) in self.0 {
            version.change(table, |table| table.delete(place, &rows, wal));
        }
    }

    /// Whether a row of a place that is here is deleted.
    fn contains(&self, table: &TableVersion, place: Place, row: u32) -> bool {
        let staged = self.0.get(&(table.meta.id, place));
        let (_, deleted) = table.rows_at(place).unzip();
        staged.is_some_and(|rows| rows.contains(row)) || deleted.is_some_and(|d| d.contains(row))
    }
}

/// Where rows of a home are in this version; those that are nowhere are missing in it.
fn locate(table: &TableVersion, home: &Arc<Home>, rows: RoaringBitmap) -> Parts {
    let mut found: Parts = Vec::new();
    let mut open: Vec<Part> = vec![(Arc::clone(home), rows)];
    while let Some((home, rows)) = open.pop() {
        if table.rows_at(home.place()).is_some() {
            found.push((home.place(), rows));
        } else if let Some(moved) = home.follow(&rows) {
            open.extend(moved);
        }
        // Else the table was truncated.
    }
    found
}

/// Where one row of a home is in this version.
fn locate_row(table: &TableVersion, home: &Arc<Home>, mut row: u32) -> Option<(Place, u32)> {
    let mut home = Arc::clone(home);
    loop {
        if table.rows_at(home.place()).is_some() {
            return Some((home.place(), row));
        }
        (home, row) = home.follow_row(row)??;
    }
}

/// Whether a row of a home is there, unless one of these deletes it.
pub(super) fn is_there(
    table: &TableVersion,
    home: &Arc<Home>,
    row: u32,
    deletes: [&StagedDeletes; 2],
) -> bool {
    let there = |(place, row)| !deletes.iter().any(|d| d.contains(table, place, row));
    locate_row(table, home, row).is_some_and(there)
}

impl Writer {
    /// The rows of a delete that are there.
    pub(super) fn find_rows(&self, staged: &StagedDeletes, delete: &Delete) -> Result<Parts> {
        let meta = delete.rows.snapshot.meta();
        let name = || (meta.schema.clone(), meta.spec.name.clone());
        let Ok(table) = self.version.table(meta.id) else {
            let (schema, table) = name();
            return Err(Error::UnknownTable(schema, table));
        };
        let mut parts: HashMap<Place, RoaringBitmap> = HashMap::new();
        let homes = delete.rows.snapshot.table.homes();
        for (home, rows) in homes.zip(&delete.rows.rows).filter(|(_, r)| !r.is_empty()) {
            for (place, rows) in locate(table, home, rows.clone()) {
                *parts.entry(place).or_default() |= rows;
            }
        }
        for (place, rows) in &mut parts {
            if let Some((_, deleted)) = table.rows_at(*place) {
                *rows -= &**deleted;
            }
            if let Some(deleted) = staged.0.get(&(meta.id, *place)) {
                *rows -= deleted;
            }
        }
        parts.retain(|_, rows| !rows.is_empty());
        let found: u64 = parts.values().map(RoaringBitmap::len).sum();
        if found < delete.rows.len() && delete.if_gone == IfGone::Conflict {
            let (schema, table) = name();
            let table = TableName { schema, table };
            return Err(Error::Conflict { table });
        }
        Ok(sorted(parts))
    }

    /// Edits that tell the manifest of deleted rows that only the WAL has.
    pub(super) fn unsaved_deletes(version: &Version) -> Vec<Edit> {
        let segments = version.tables.values().flat_map(|table| {
            let id = table.meta.id;
            table.segments.iter().map(move |segment| (id, segment))
        });
        let unsaved = segments.filter(|(_, segment)| segment.unsaved_since.is_some());
        unsaved
            .map(|(id, segment)| Edit::Deleted {
                id,
                file: segment.record.file,
                rows: Arc::new(&*segment.deleted - &*segment.saved),
            })
            .collect()
    }

    /// Notes in a version that the manifest has all deleted rows.
    pub(super) fn note_saved(version: &mut Version) {
        let dirty = |t: &&Arc<TableVersion>| t.segments.iter().any(|s| s.unsaved_since.is_some());
        let tables = version.tables.values().filter(dirty).map(|t| t.meta.id);
        for id in tables.collect::<Vec<_>>() {
            version.change(id, |table| {
                for segment in Arc::make_mut(&mut table.segments) {
                    segment.saved = Arc::clone(&segment.deleted);
                    segment.unsaved_since = None;
                }
            });
        }
    }

    /// Has the manifest list the deleted rows that only the WAL has, so that it can be dropped.
    pub(super) fn save_deletes(&mut self) -> Result<()> {
        let mut edits = Self::unsaved_deletes(&self.version);
        if edits.is_empty() {
            return Ok(());
        }
        let mut next = self.version.clone();
        Self::note_saved(&mut next);
        let wal = self.unneeded_wal(&next);
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        Ok(())
    }
}

/// In an order that does not change from run to run.
fn sorted(parts: HashMap<Place, RoaringBitmap>) -> Parts {
    let mut parts: Parts = parts.into_iter().collect();
    parts.sort_by_key(|(place, _)| *place);
    parts
}
