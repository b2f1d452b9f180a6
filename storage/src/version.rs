//! One committed state of the whole store: catalog, and per table its segments and memtables. Immutable
//! and shared; the writer publishes a new one for every change.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use roaring::RoaringBitmap;

use crate::column_type::with_integer_type;
use crate::events::EventRuns;
use crate::format::FileId;
use crate::history::History;
use crate::home::{Home, Place};
use crate::memtable::Memtable;
use crate::segment::PublishedSegment;
use crate::view::SegmentView;
use crate::{Error, Result, TableId, TableMeta, TableName};

#[derive(Debug, Clone, Default)]
pub(crate) struct Version {
    /// Sequence of the last commit in it.
    pub(crate) sequence: u64,
    pub(crate) schemas: Arc<BTreeMap<String, SchemaVersion>>,
    pub(crate) properties: Arc<BTreeMap<String, String>>,
    pub(crate) tables: BTreeMap<TableId, Arc<TableVersion>>,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct SchemaVersion {
    pub(crate) attributes: String,
    pub(crate) tables: BTreeMap<String, TableId>,
}

#[derive(Debug, Clone)]
pub(crate) struct TableVersion {
    pub(crate) meta: Arc<TableMeta>,
    pub(crate) history: Arc<History>,
    pub(crate) segments: Arc<Vec<LiveSegment>>,
    /// Event keys of the rows that are not in memtables.
    pub(crate) events: Arc<EventRuns>,
    /// Full memtables waiting to be flushed, oldest first.
    pub(crate) sealed: Vec<Arc<Memtable>>,
    pub(crate) active: Arc<Memtable>,
    pub(crate) counter: Arc<Counter>,
}

/// A segment and which of its rows are deleted.
#[derive(Debug, Clone)]
pub(crate) struct LiveSegment {
    pub(crate) view: SegmentView,
    pub(crate) deleted: Arc<RoaringBitmap>,
    /// Those of `deleted` that the manifest has.
    pub(crate) saved: Arc<RoaringBitmap>,
    /// The first WAL file with the others, if there are any.
    pub(crate) unsaved_since: Option<FileId>,
}

impl std::ops::Deref for LiveSegment {
    type Target = SegmentView;

    fn deref(&self) -> &SegmentView {
        &self.view
    }
}

impl LiveSegment {
    /// A segment of a table with this history, whose deleted rows the manifest has.
    pub(crate) fn new(
        segment: Arc<PublishedSegment>,
        history: &History,
        deleted: RoaringBitmap,
    ) -> Result<Self> {
        let deleted = Arc::new(deleted);
        let conversion = history.conversion(history.shape_of_file(segment.record.file))?;
        Ok(Self {
            view: SegmentView::new(segment, conversion),
            saved: Arc::clone(&deleted),
            deleted,
            unsaved_since: None,
        })
    }

    /// The same segment after a change of the table.
    pub(crate) fn seen_by(&self, history: &History) -> Result<Self> {
        let conversion = history.conversion(history.shape_of_file(self.record.file))?;
        Ok(Self {
            view: SegmentView::new(Arc::clone(&self.view.segment), conversion),
            ..self.clone()
        })
    }

    /// Deletes rows; the WAL file `wal` says so.
    pub(crate) fn delete(&mut self, rows: &RoaringBitmap, wal: FileId) {
        *Arc::make_mut(&mut self.deleted) |= rows;
        self.unsaved_since = self.unsaved_since.or(Some(wal));
    }

    pub(crate) fn live_rows(&self) -> u64 {
        self.record.rows - self.deleted.len()
    }
}

impl Version {
    pub(crate) fn find(&self, schema: &str, table: &str) -> Option<&Arc<TableVersion>> {
        self.tables
            .get(self.schemas.get(schema)?.tables.get(table)?)
    }

    pub(crate) fn table(&self, id: TableId) -> Result<&Arc<TableVersion>> {
        self.tables
            .get(&id)
            .ok_or_else(|| Error::UnknownTable(String::new(), format!("#{}", id.0)))
    }

    /// `TableChanged` when a table has another definition than one that rows were made for.
    pub(crate) fn check_definitions(&self, made_for: &[Arc<TableMeta>]) -> Result<()> {
        for meta in made_for {
            let (schema, table) = (meta.schema.clone(), meta.spec.name.clone());
            match self.tables.get(&meta.id) {
                None => return Err(Error::UnknownTable(schema, table)),
                Some(now) if now.meta.is_same(meta) => {}
                Some(_) => {
                    let table = TableName { schema, table };
                    return Err(Error::TableChanged { table });
                }
            }
        }
        Ok(())
    }

    /// Changes one table of this version, if it is there.
    pub(crate) fn change<T>(
        &mut self,
        id: TableId,
        change: impl FnOnce(&mut TableVersion) -> T,
    ) -> Option<T> {
        self.tables.get_mut(&id).map(Arc::make_mut).map(change)
    }
}

impl TableVersion {
    /// `next` is the next value of the counter, `arrived` how many rows the table has taken so far.
    pub(crate) fn new(
        meta: TableMeta,
        history: Arc<History>,
        segments: Vec<LiveSegment>,
        (next, arrived): (u64, u64),
    ) -> Self {
        let counter = Arc::new(Counter::new(&meta, next));
        Self {
            meta: Arc::new(meta),
            history,
            segments: Arc::new(segments),
            events: Arc::default(),
            sealed: Vec::new(),
            active: Arc::new(Memtable::starting_at(arrived)),
            counter,
        }
    }

    /// Puts an empty memtable in the place of the active one; that one.
    pub(crate) fn take_active(&mut self) -> Arc<Memtable> {
        let next = Memtable::starting_at(self.active.end());
        std::mem::replace(&mut self.active, Arc::new(next))
    }

    /// The homes of the rows: segments, then memtables.
    pub(crate) fn homes(&self) -> impl Iterator<Item = &Arc<Home>> {
        let segments = self.segments.iter().map(|s| s.home());
        segments.chain(self.memtables().map(|m| m.home()))
    }

    /// Rows of the `index`-th home, deleted ones too.
    pub(crate) fn home_rows(&self, index: usize) -> Option<u64> {
        match self.segments.get(index) {
            Some(segment) => Some(segment.record.rows),
            None => {
                let index = index - self.segments.len();
                self.memtables().nth(index).map(|m| m.rows())
            }
        }
    }

    /// Rows of a home, and which of them are deleted; `None` when it is not here any more.
    pub(crate) fn rows_at(&self, place: Place) -> Option<(u64, &Arc<RoaringBitmap>)> {
        match place {
            Place::Segment(file) => {
                let segment = self.segments.iter().find(|s| s.record.file == file)?;
                Some((segment.record.rows, &segment.deleted))
            }
            Place::Memtable(_) => {
                let memtable = self.memtables().find(|m| m.home().place() == place)?;
                Some((memtable.rows(), memtable.deleted()))
            }
        }
    }

    /// Deletes rows of a home that is here; `wal` is the WAL file that says so.
    pub(crate) fn delete(&mut self, place: Place, rows: &RoaringBitmap, wal: FileId) {
        match place {
            Place::Segment(file) => {
                let segments = Arc::make_mut(&mut self.segments);
                let segment = segments.iter_mut().find(|s| s.record.file == file);
                if let Some(segment) = segment {
                    segment.delete(rows, wal);
                }
            }
            Place::Memtable(_) => {
                let memtables = self.sealed.iter_mut().chain([&mut self.active]);
                for memtable in memtables.filter(|m| m.home().place() == place) {
                    *memtable = Arc::new(memtable.delete(rows));
                }
            }
        }
    }

    /// Memtables, oldest first.
    pub(crate) fn memtables(&self) -> impl Iterator<Item = &Arc<Memtable>> {
        self.sealed.iter().chain([&self.active])
    }
}

/// The next value of a table's counter. Shared by all versions: a number handed out is handed out.
#[derive(Debug)]
pub(crate) struct Counter {
    next: Mutex<u64>,
    /// Largest value the column can hold; 0 without a counted column.
    max: AtomicU64,
}

impl Counter {
    fn new(meta: &TableMeta, next: u64) -> Self {
        Self {
            next: Mutex::new(next),
            max: AtomicU64::new(largest_of(meta)),
        }
    }

    /// The column may have become another, or wider.
    pub(crate) fn set_type(&self, meta: &TableMeta) {
        self.max.store(largest_of(meta), Ordering::Relaxed);
    }

    /// Takes `count` values; the first of them.
    pub(crate) fn take(&self, count: u64) -> Result<u64> {
        let max = self.max.load(Ordering::Relaxed);
        if max == 0 {
            return Err(Error::Invalid("the table has no counted column".into()));
        }
        let mut next = self.next.lock();
        let first = *next;
        let last = first
            .checked_add(count.saturating_sub(1))
            .filter(|&last| last <= max);
        if last.is_none() {
            return Err(Error::Invalid("the table's counter is exhausted".into()));
        }
        *next = first.saturating_add(count);
        Ok(first)
    }

    /// Makes the next value larger than one that is stored.
    pub(crate) fn pass(&self, stored: u64) {
        let mut next = self.next.lock();
        *next = (*next).max(stored.saturating_add(1));
    }

    pub(crate) fn next(&self) -> u64 {
        *self.next.lock()
    }

    pub(crate) fn restart(&self) {
        *self.next.lock() = 1;
    }
}

fn largest_of(meta: &TableMeta) -> u64 {
    let column = meta.spec.auto_increment;
    let column = column.and_then(|c| meta.spec.columns.get(c));
    column.map_or(0, |c| max_of(&c.data_type))
}

fn max_of(data_type: &arrow::datatypes::DataType) -> u64 {
    use crate::column_type::IntegerType;
    with_integer_type!(data_type, T => {
        let all = T::narrow(u64::MAX);
        // All bits set is the largest unsigned value, and -1 of the signed types.
        let bits = 8 * size_of_val(&all) as u32;
        u64::MAX >> (64 - bits) >> u32::from(T::SIGNED)
    }, else 0)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use arrow::datatypes::DataType;

    #[test]
    fn the_largest_value_of_each_integer_type() {
        assert_eq!(max_of(&DataType::Int8), 127);
        assert_eq!(max_of(&DataType::UInt16), 65_535);
        assert_eq!(max_of(&DataType::Int64), i64::MAX as u64);
        assert_eq!(max_of(&DataType::UInt64), u64::MAX);
        assert_eq!(max_of(&DataType::Utf8View), 0);
    }

    #[test]
    fn a_counter_never_hands_out_what_is_stored_and_ends_at_the_types_end() {
        let counter = Counter {
            next: Mutex::new(1),
            max: AtomicU64::new(127),
        };
        assert_eq!(counter.take(3).unwrap(), 1);
        counter.pass(100);
        counter.pass(50);
        assert_eq!(counter.take(27).unwrap(), 101);
        assert!(counter.take(1).is_err());
    }
}
