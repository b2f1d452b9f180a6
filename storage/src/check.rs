//! Verifies what is stored: every block of every column, the order of the rows, what the zones say, the
//! key files, and the logs. It reads everything and changes nothing. `Store::check` and
//! `TableSnapshot::check` look at a running store, `check_directory` at one that is not open.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::compute::concat;

use crate::fs::{FileSystem, Overlay};
use crate::keys::{KeyColumns, KeyHasher, key_columns};
use crate::segment::{Bounds, ChunkCache, ColumnCursor};
use crate::sort::sorted_order;
use crate::version::{LiveSegment, TableVersion};
use crate::view::SegmentView;
use crate::{
    Environment, Error, ManualClock, Options, Result, Schedule, Store, TableName, TableSnapshot,
};

/// Something that is not as it should be.
#[derive(Debug, Clone)]
pub struct Problem {
    /// The table concerned; none, if it is the store as a whole.
    pub table: Option<TableName>,
    /// Names the file and the place in it.
    pub error: Error,
}

/// What a check has looked at, and what it has found.
#[derive(Debug, Clone, Default)]
pub struct CheckReport {
    pub tables: u64,
    pub files: u64,
    pub bytes: u64,
    /// Rows in segments that were read, deleted ones too.
    pub rows: u64,
    pub problems: Vec<Problem>,
}

impl Store {
    /// Checks all tables as they are now. Takes as long as reading them; nothing waits for it.
    pub fn check(&self) -> Result<CheckReport> {
        let snapshot = self.snapshot();
        let mut report = CheckReport::default();
        for (schema, _) in snapshot.schemas() {
            for meta in snapshot.tables(&schema).unwrap_or_default() {
                if let Some(table) = snapshot.table(&schema, &meta.spec.name) {
                    report.add(table.check()?);
                }
            }
        }
        Ok(report)
    }
}

impl TableSnapshot {
    /// Checks the files of one table. Reads them anew, whatever has been read before.
    pub fn check(&self) -> Result<CheckReport> {
        Ok(check_table(&self.table, self.hasher))
    }
}

impl CheckReport {
    fn add(&mut self, other: Self) {
        self.tables += other.tables;
        self.files += other.files;
        self.bytes += other.bytes;
        self.rows += other.rows;
        self.problems.extend(other.problems);
    }

    pub(crate) fn problem(&mut self, table: Option<TableName>, error: Error) {
        self.problems.push(Problem { table, error });
    }
}

/// Checks the segments of a table and their key files.
pub(crate) fn check_table(table: &TableVersion, hasher: KeyHasher) -> CheckReport {
    let mut report = CheckReport {
        tables: 1,
        ..CheckReport::default()
    };
    let keys = key_columns(
        &table.history,
        &table.meta.spec.unique_keys,
        &table.meta.folds,
    );
    for segment in table.segments.iter() {
        report.files += 1;
        report.bytes += segment.record.bytes;
        let checked = reopened(segment, table).and_then(|view| {
            let check = SegmentCheck::new(&view, table);
            check.columns()?;
            check.order(&table.meta.spec.sort_key)?;
            report.rows += segment.record.rows;
            if !keys.is_empty() {
                report.files += 1;
                report.bytes += check.keys(&keys, &hasher)?;
            }
            Ok(())
        });
        if let Err(error) = checked {
            report.problem(Some(table_name(table)), error);
        }
    }
    for run in table.events.iter() {
        report.files += 1;
        report.bytes += run.record.bytes;
        if let Err(error) = run.check() {
            report.problem(Some(table_name(table)), error);
        }
    }
    report
}

fn table_name(table: &TableVersion) -> TableName {
    TableName {
        schema: table.meta.schema.clone(),
        table: table.meta.spec.name.clone(),
    }
}

/// The segment opened once more: nothing of it counts as checked.
fn reopened(segment: &LiveSegment, table: &TableVersion) -> Result<SegmentView> {
    let shape = table.history.shape_of_file(segment.record.file);
    let again = segment.open_again((table.meta.id, &table.history.schema(shape)))?;
    let conversion = table.history.conversion(shape)?;
    Ok(SegmentView::new(Arc::new(again), conversion))
}

struct SegmentCheck<'a> {
    view: &'a SegmentView,
    table: &'a TableVersion,
    /// Its own, small: what is cached is not read.
    cache: ChunkCache,
}

impl<'a> SegmentCheck<'a> {
    fn new(view: &'a SegmentView, table: &'a TableVersion) -> Self {
        let cache = ChunkCache::new(1 << 16);
        Self { view, table, cache }
    }

    fn wrong(&self, what: &str) -> Error {
        Error::corruption(self.view.path(), 0, what)
    }

    /// Reads every block and compares it with what its zone says.
    fn columns(&self) -> Result<()> {
        for column in 0..self.table.meta.spec.columns.len() {
            let mut cursor = ColumnCursor::default();
            for block in 0..self.view.reader()?.blocks() {
                let rows = self.view.read(column, block, &self.cache, &mut cursor)?;
                let zone = self.view.block_zone(column, block)?;
                if zone.rows as usize != rows.len() || zone.nulls as usize != rows.null_count() {
                    return Err(self.wrong("a zone counts other rows"));
                }
                if !within(&rows, &zone.bounds) {
                    return Err(self.wrong("a value is beyond the bounds of its zone"));
                }
            }
        }
        Ok(())
    }

    fn whole(&self, column: usize) -> Result<ArrayRef> {
        let mut cursor = ColumnCursor::default();
        let blocks = 0..self.view.reader()?.blocks();
        let blocks = blocks.map(|block| self.view.read(column, block, &self.cache, &mut cursor));
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        let blocks: Vec<&dyn Array> = blocks.iter().map(|b| b.as_ref()).collect();
        concat(&blocks).map_err(|e| Error::Invalid(e.to_string()))
    }

    fn order(&self, sort_key: &[usize]) -> Result<()> {
        let columns = sort_key.iter().map(|&column| self.whole(column));
        match sorted_order(&columns.collect::<Result<Vec<_>>>()?)? {
            None => Ok(()),
            Some(_) => Err(self.wrong("the rows are not in order")),
        }
    }

    /// Looks for every row that is not deleted in the key file; the bytes of the file.
    fn keys(&self, keys: &[KeyColumns], hasher: &KeyHasher) -> Result<u64> {
        let index = self.view.keys()?;
        for key in keys {
            let slot = index
                .slot(&key.ids)
                .ok_or_else(|| self.wrong("a key is missing"))?;
            let columns = key.positions.iter().map(|&column| self.whole(column));
            let hashes = hasher.hash(&key.folded(&columns.collect::<Result<Vec<_>>>()?)?)?;
            let mut rows: Vec<bool> = hashes.iter().map(Option::is_none).collect();
            for (position, row) in index.candidates(slot, &hashes)? {
                if let Some(found) = rows.get_mut(position).filter(|_| position == row as usize) {
                    *found = true;
                }
            }
            if rows.contains(&false) {
                return Err(self.wrong("a row is missing in the key file"));
            }
        }
        Ok(index.bytes())
    }
}

/// Whether the values lie within bounds; only integers are looked at.
fn within(values: &ArrayRef, bounds: &Bounds) -> bool {
    match (crate::keys::range(values), bounds) {
        (Some((min, max)), Bounds::Int(from, to)) => from <= &min && &max <= to,
        _ => true,
    }
}

/// Checks a directory that is not open, without changing it, by recovering it in memory: manifest, logs,
/// segments, key files (of tables without folds). An error is returned only if that cannot even begin: another process has the
/// directory, or there is none.
pub fn check_directory(fs: Arc<dyn FileSystem>, dir: &Path) -> Result<CheckReport> {
    let present = fs.exists(dir).map_err(|e| Error::io("look for", dir, &e))?;
    if !present {
        let error = std::io::ErrorKind::NotFound.into();
        return Err(Error::io("look for", dir, &error));
    }
    let overlay = Overlay::new(fs);
    let environment = Environment {
        fs: Arc::new(overlay.clone()),
        schedule: Schedule::Manual,
        // No time passes: what is due to go is still looked at.
        clock: Arc::<ManualClock>::default(),
        ..Environment::default()
    };
    let mut report = CheckReport::default();
    match Store::open_in(Options::new(dir), environment) {
        Err(error @ Error::Locked(_)) => return Err(error),
        Err(error) => report.problem(None, error),
        Ok(store) => {
            report.add(store.check()?);
            let is_keys = |path: &PathBuf| path.extension().is_some_and(|e| e == "key");
            for path in overlay.written().into_iter().filter(is_keys) {
                let what = "missing or damaged; the next open makes it again";
                report.problem(None, Error::corruption(&path, 0, what));
            }
        }
    }
    Ok(report)
}
