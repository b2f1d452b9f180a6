//! Write batches, and what can be done to one before it is queued: checking it against the table,
//! encoding it for the WAL, hashing its keys. This runs on the submitting thread, in parallel.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, AsArray, RecordBatch};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type, UInt64Type};

use crate::engine::Bulk;
use crate::events::Arriving;
use crate::format::FileId;
use crate::history::History;
use crate::home::Home;
use crate::keys::{KeyColumns, KeyHash, Range, find_in_segment, key_columns, range};
use crate::rows::compact_sized;
use crate::version::TableVersion;
use crate::wal::encode_batch;
use crate::{Error, Result, RowSelection, Snapshot, SyncMode, TableId, TableMeta};

/// Longest commit, encoded. Bounds frames, blocks and the memory of one request.
pub(crate) const COMMIT_BYTES_MAX: usize = 1 << 30;

/// What to do with a row whose unique key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The whole write batch fails with `Error::DuplicateKey`.
    Fail,
    /// The row is left out and counted.
    Skip,
}

/// What to do about rows to be deleted that another commit has deleted since they were chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum IfGone {
    /// The whole write batch fails with `Error::Conflict`: for UPDATE, whose new rows were made of those.
    Conflict,
    /// They are not counted: for DELETE.
    Ignore,
}

/// Rows of one table to be deleted. Where they are does not matter: rows that a flush or a merge has
/// moved since are found.
#[derive(Debug, Clone)]
pub struct Delete {
    pub rows: RowSelection,
    pub if_gone: IfGone,
}

/// Changes of any number of tables, committed together or not at all. Deletes come first: a row inserted
/// may have the unique key of one that is deleted.
#[derive(Debug)]
pub struct WriteBatch {
    /// The batch must have exactly the table's arrow schema. In a table with an event key the rows stay
    /// whether or not their events are known, and the events are known from then on: for rows that take
    /// the place of others.
    pub inserts: Vec<(TableId, RecordBatch)>,
    /// Rows that come from outside: as `inserts`, but in a table with an event key those whose event is
    /// known, from earlier commits or from rows before them, are left out and counted. They follow the
    /// `inserts` in order and in the numbers that errors give.
    pub arrivals: Vec<(TableId, RecordBatch)>,
    /// At most one for each table.
    pub deletes: Vec<Delete>,
    pub on_duplicate: OnDuplicate,
    pub sync: SyncMode,
}

/// What a commit did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Commit {
    /// Of the newest commit when no row was inserted or deleted.
    pub sequence: u64,
    pub rows_inserted: u64,
    /// Rows left out, for a unique key or an event key.
    pub rows_skipped: u64,
    pub rows_deleted: u64,
    /// Those left out for their event key: per element of `WriteBatch::arrivals` the numbers of the rows,
    /// ascending.
    pub resent: Vec<Vec<u32>>,
    /// Those left out for a unique key, the first `REPEATED_MAX` of them.
    pub repeated: Vec<Repeated>,
}

/// A row that was left out for a unique key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Repeated {
    /// Number of the insert, arrivals counted after inserts; of the row in it.
    pub insert: usize,
    pub row: usize,
    /// Number of the key in `TableSpec::unique_keys`.
    pub key: usize,
}

/// How many rows a commit lists that were left out for a unique key.
pub(crate) const REPEATED_MAX: usize = 65_535;

impl Commit {
    /// Rows left out because their event was known.
    pub fn rows_resent(&self) -> u64 {
        self.resent.iter().map(|rows| rows.len() as u64).sum()
    }
}

/// One insert, ready for the writer.
#[derive(Debug)]
pub(crate) struct PreparedInsert {
    pub(crate) meta: Arc<TableMeta>,
    pub(crate) history: Arc<History>,
    /// Number of the shape of the rows.
    pub(crate) shape: usize,
    /// How many rows there are, and their bytes in memory.
    pub(crate) count: usize,
    pub(crate) bytes: u64,
    /// The largest value of the counted column.
    pub(crate) largest: Option<u64>,
    /// The rows; none when they have been written into segments.
    pub(crate) rows: RecordBatch,
    /// The rows as the WAL holds them; empty of a large commit.
    pub(crate) body: Vec<u8>,
    /// Per unique key, per row.
    pub(crate) keys: Vec<Vec<Option<KeyHash>>>,
    pub(crate) probe: Probe,
    /// In a table with an event key.
    pub(crate) events: Option<Arriving>,
}

/// What the segments that the submitting thread saw have of an insert's keys.
#[derive(Debug, Default)]
pub(crate) struct Probe {
    /// The segments.
    pub(crate) seen: Vec<FileId>,
    /// Per unique key: rows of the insert and stored rows with the same value.
    pub(crate) found: Vec<Vec<(usize, Arc<Home>, u32)>>,
}

#[derive(Debug)]
pub(crate) struct PreparedCommit {
    /// Inserts, then arrivals.
    pub(crate) inserts: Vec<PreparedInsert>,
    /// How many of them are arrivals.
    pub(crate) arrivals: usize,
    /// Definitions that the rows were made for, as far as that was said.
    pub(crate) made_for: Vec<Arc<TableMeta>>,
    pub(crate) deletes: Vec<Delete>,
    pub(crate) on_duplicate: OnDuplicate,
    pub(crate) sync: SyncMode,
    /// Of a large commit: the segments its rows have been written into.
    pub(crate) bulk: Option<Bulk>,
}

impl PreparedCommit {
    /// Prepares a commit for the log, or, when `is_bulk`, without what the log would hold of its rows.
    /// `made_for`: as `Store::submit_made_for` has it.
    pub(crate) fn new(
        snapshot: &Snapshot,
        batch: WriteBatch,
        made_for: Vec<Arc<TableMeta>>,
        is_bulk: bool,
    ) -> Result<Self> {
        snapshot.version.check_definitions(&made_for)?;
        let arrivals = batch.arrivals.len();
        let prepare = |((table, rows), arrives): ((TableId, RecordBatch), bool)| {
            let table = snapshot.version.table(table)?;
            let (meta, shape) = (Arc::clone(&table.meta), table.history.current());
            let (rows, bytes) = compact_sized(&meta.arrow, fit(&meta, &rows)?)?;
            let keys = snapshot.hasher.hash_keys(&meta, &rows)?;
            let probe = Probe::new(snapshot, table, &rows, &keys)?;
            let events = Arriving::prepare(&snapshot.hasher, table, &rows, arrives)?;
            Ok(PreparedInsert {
                body: match is_bulk {
                    true => Vec::new(),
                    false => encode_batch(&rows),
                },
                history: Arc::clone(&table.history),
                shape,
                count: rows.num_rows(),
                bytes,
                largest: largest_counted(&meta, &rows),
                meta,
                rows,
                keys,
                probe,
                events,
            })
        };
        let inserts = batch.inserts.into_iter().map(|insert| (insert, false));
        let inserts = inserts
            .chain(batch.arrivals.into_iter().map(|insert| (insert, true)))
            .map(prepare)
            .collect::<Result<Vec<_>>>()?;
        let mut tables = BTreeSet::new();
        if !batch.deletes.iter().all(|d| tables.insert(d.rows.table())) {
            return Err(Error::Invalid("two deletes of one table".into()));
        }
        let prepared = Self {
            inserts,
            arrivals,
            made_for,
            deletes: batch.deletes,
            on_duplicate: batch.on_duplicate,
            sync: batch.sync,
            bulk: None,
        };
        if prepared.bytes() > COMMIT_BYTES_MAX {
            return Err(Error::Invalid(format!(
                "a commit is limited to {COMMIT_BYTES_MAX} bytes"
            )));
        }
        Ok(prepared)
    }

    /// Encoded size.
    pub(crate) fn bytes(&self) -> usize {
        self.inserts.iter().map(|insert| insert.body.len()).sum()
    }
}

impl Probe {
    fn new(
        snapshot: &Snapshot,
        table: &TableVersion,
        rows: &RecordBatch,
        keys: &[Vec<Option<KeyHash>>],
    ) -> Result<Self> {
        let mut probe = Self::default();
        if keys.is_empty() || rows.num_rows() == 0 {
            return Ok(probe);
        }
        probe.seen = table.segments.iter().map(|s| s.record.file).collect();
        let columns = key_columns(
            &table.history,
            &table.meta.spec.unique_keys,
            &table.meta.folds,
        );
        let tools = (&snapshot.hasher, &*snapshot.cache);
        for (key, hashes) in columns.iter().zip(keys) {
            let ranges = key_ranges(key, rows);
            let mut found = Vec::new();
            for segment in table.segments.iter() {
                let here = find_in_segment(segment, key, hashes, &ranges, tools)?;
                let home = segment.home();
                found.extend(
                    here.into_iter()
                        .map(|(at, row)| (at, Arc::clone(home), row)),
                );
            }
            probe.found.push(found);
        }
        Ok(probe)
    }
}

/// The ranges of a key's columns in some rows.
pub(crate) fn key_ranges(key: &KeyColumns, rows: &RecordBatch) -> Vec<Range> {
    let columns = key.positions.iter().map(|&c| rows.columns().get(c));
    columns.map(|column| column.and_then(range)).collect()
}

/// Whether the rows fit the table. Only types and NULLs count; names are the table's.
pub(crate) fn fit<'a>(meta: &TableMeta, rows: &'a RecordBatch) -> Result<&'a RecordBatch> {
    let fields = meta.arrow.fields();
    let types = rows.columns().iter().map(|c| c.data_type());
    if !types.eq(fields.iter().map(|f| f.data_type())) {
        return Err(Error::Invalid(format!(
            "rows for {} have other columns",
            meta.spec.name
        )));
    }
    for (column, field) in rows.columns().iter().zip(fields) {
        if !field.is_nullable() && column.null_count() > 0 {
            return Err(Error::Invalid(format!("NULL in column {}", field.name())));
        }
    }
    Ok(rows)
}

impl PreparedInsert {
    /// The hashes of the keys of the rows to keep.
    pub(crate) fn kept_keys(&self, keep: &[bool]) -> Vec<Vec<Option<KeyHash>>> {
        let kept = |key: &Vec<Option<KeyHash>>| {
            let both = key.iter().zip(keep).filter(|(_, keep)| **keep);
            both.map(|(hash, _)| *hash).collect()
        };
        self.keys.iter().map(kept).collect()
    }

    /// The same insert with only the rows to keep.
    pub(crate) fn filter(&self, keep: Vec<bool>) -> Result<(RecordBatch, Vec<u8>)> {
        let rows = compute::filter_record_batch(&self.rows, &keep.into())
            .map_err(|e| Error::Invalid(e.to_string()))?;
        let body = encode_batch(&rows);
        Ok((rows, body))
    }
}

/// The largest value of the counted column, if there is one above zero.
pub(crate) fn largest_counted(meta: &TableMeta, rows: &RecordBatch) -> Option<u64> {
    let column = rows.columns().get(meta.spec.auto_increment?)?;
    if let DataType::UInt64 = column.data_type() {
        return compute::max(column.as_primitive::<UInt64Type>());
    }
    let wide = compute::cast(column, &DataType::Int64).ok()?;
    compute::max(wide.as_primitive::<Int64Type>()).and_then(|v| u64::try_from(v).ok())
}
