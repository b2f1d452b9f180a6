//! The public face of the store. This version keeps everything in memory: it settles the behaviour
//! of the contract while the files below it are built. It is deliberately not durable.

use std::collections::{BTreeMap, HashSet};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use arrow::array::{Array, ArrayRef, AsArray, BooleanArray, RecordBatch, RecordBatchOptions};
use arrow::compute;
use arrow::datatypes::{DataType, Field, Int64Type, Schema, UInt64Type};
use arrow::row::{RowConverter, SortField};

use crate::{Error, Predicate, Result, TableId, TableMeta, TableName, TableSpec};

/// When a commit is acknowledged. `Durable` is the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SyncMode {
    /// After fdatasync.
    Durable,
    /// After write(2); fdatasync about once a second.
    Written,
    /// Once queued; written and synced about once a second.
    Buffered,
}

/// How a directory is opened.
#[derive(Debug, Clone)]
pub struct Options {
    pub dir: PathBuf,
    /// Memtable bytes that trigger a flush.
    pub memtable_bytes: usize,
    /// Rows of a full segment.
    pub segment_rows: usize,
}

impl Options {
    pub fn new(dir: impl Into<PathBuf>) -> Self {
        Self {
            dir: dir.into(),
            memtable_bytes: 64 << 20,
            segment_rows: 1 << 20,
        }
    }
}

/// An open data directory. Cheap to clone; the last clone dropped flushes nothing but stops the threads
/// cleanly (the WAL holds what is not flushed).
#[derive(Debug, Clone)]
pub struct Store {
    state: Arc<Mutex<State>>,
}

/// What to do with a row whose unique key exists.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnDuplicate {
    /// The whole write batch fails with `Error::DuplicateKey`.
    Fail,
    /// The row is left out and counted.
    Skip,
}

/// Rows for any number of tables, committed together or not at all.
#[derive(Debug)]
pub struct WriteBatch {
    /// The batch must have exactly the table's arrow schema.
    pub inserts: Vec<(TableId, RecordBatch)>,
    pub on_duplicate: OnDuplicate,
    pub sync: SyncMode,
}

/// What a commit did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Commit {
    pub sequence: u64,
    pub rows_inserted: u64,
    pub rows_skipped: u64,
}

#[derive(Debug, Default)]
struct State {
    version: Arc<Version>,
    next_table: u64,
    live: BTreeMap<TableId, Live>,
}

/// What only the writer needs of a table.
#[derive(Debug, Default)]
struct Live {
    keys: Vec<HashSet<Vec<u8>>>,
    next_id: u64,
}

#[derive(Debug, Clone, Default)]
struct Version {
    sequence: u64,
    schemas: BTreeMap<String, SchemaVersion>,
    properties: BTreeMap<String, String>,
}

#[derive(Debug, Clone, Default)]
struct SchemaVersion {
    attributes: String,
    tables: BTreeMap<String, TableSnapshot>,
}

impl Version {
    fn table_mut(&mut self, id: TableId) -> Option<&mut TableSnapshot> {
        self.schemas
            .values_mut()
            .flat_map(|s| s.tables.values_mut())
            .find(|t| t.meta.id == id)
    }
}

impl Store {
    /// Locks the directory (created when missing), recovers, starts the background threads.
    pub fn open(options: Options) -> Result<Self> {
        let _ = options;
        Ok(Self {
            state: Arc::default(),
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Pins the newest committed state: catalog and rows.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot {
            version: Arc::clone(&self.state().version),
        }
    }

    pub fn create_schema(&self, name: &str, attributes: &str) -> Result<()> {
        let mut state = self.state();
        let version = Arc::make_mut(&mut state.version);
        if version.schemas.contains_key(name) {
            return Err(Error::SchemaExists(name.into()));
        }
        let schema = SchemaVersion {
            attributes: attributes.into(),
            ..Default::default()
        };
        version.schemas.insert(name.into(), schema);
        Ok(())
    }

    /// Drops the schema and its tables.
    pub fn drop_schema(&self, name: &str) -> Result<()> {
        let mut state = self.state();
        let removed = Arc::make_mut(&mut state.version).schemas.remove(name);
        let schema = removed.ok_or_else(|| Error::UnknownSchema(name.into()))?;
        for table in schema.tables.values() {
            state.live.remove(&table.meta.id);
        }
        Ok(())
    }

    pub fn create_table(&self, schema: &str, spec: TableSpec) -> Result<TableId> {
        let mut state = self.state();
        let id = TableId(state.next_table + 1);
        let version = Arc::make_mut(&mut state.version);
        let tables = match version.schemas.get_mut(schema) {
            Some(schema) => &mut schema.tables,
            None => return Err(Error::UnknownSchema(schema.into())),
        };
        if tables.contains_key(&spec.name) {
            return Err(Error::TableExists(schema.into(), spec.name));
        }
        let fields: Vec<Field> = spec
            .columns
            .iter()
            .map(|c| Field::new(&c.name, c.data_type.clone(), c.nullable))
            .collect();
        let (name, keys) = (spec.name.clone(), spec.unique_keys.len());
        let arrow = Arc::new(Schema::new(fields));
        let meta = Arc::new(TableMeta {
            id,
            schema: schema.into(),
            spec,
            arrow,
        });
        tables.insert(
            name,
            TableSnapshot {
                meta,
                chunks: Vec::new(),
            },
        );
        state.next_table = id.0;
        state.live.insert(
            id,
            Live {
                keys: vec![HashSet::new(); keys],
                next_id: 1,
            },
        );
        Ok(id)
    }

    pub fn drop_table(&self, schema: &str, table: &str) -> Result<()> {
        let mut state = self.state();
        let schema_version = Arc::make_mut(&mut state.version).schemas.get_mut(schema);
        let removed = schema_version.and_then(|s| s.tables.remove(table));
        let removed = removed.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        state.live.remove(&removed.meta.id);
        Ok(())
    }

    /// Empties the table at once.
    pub fn truncate_table(&self, schema: &str, table: &str) -> Result<()> {
        let mut state = self.state();
        let schema_version = Arc::make_mut(&mut state.version).schemas.get_mut(schema);
        let found = schema_version.and_then(|s| s.tables.get_mut(table));
        let found = found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        found.chunks.clear();
        let id = found.meta.id;
        if let Some(live) = state.live.get_mut(&id) {
            live.keys.iter_mut().for_each(HashSet::clear);
            live.next_id = 1;
        }
        Ok(())
    }

    /// A durable key-value pair of the layer above (accounts, settings). `None` removes it.
    pub fn set_property(&self, key: &str, value: Option<&str>) -> Result<()> {
        let mut state = self.state();
        let properties = &mut Arc::make_mut(&mut state.version).properties;
        match value {
            Some(value) => properties.insert(key.into(), value.into()),
            None => properties.remove(key),
        };
        Ok(())
    }

    pub fn property(&self, key: &str) -> Option<String> {
        self.state().version.properties.get(key).cloned()
    }

    /// Takes the next `count` values of the table's counter; returns the first. Never hands out a value
    /// at or below one that is stored.
    pub fn reserve_ids(&self, table: TableId, count: u64) -> Result<u64> {
        let mut state = self.state();
        let live = state.live.get_mut(&table).ok_or_else(|| unknown(table))?;
        let first = live.next_id;
        live.next_id = first.saturating_add(count);
        Ok(first)
    }

    /// Queues a commit; `done` is called once from the WAL thread when it is durable and visible, or has failed.
    pub fn submit(&self, batch: WriteBatch, done: Box<dyn FnOnce(Result<Commit>) + Send>) {
        let result = commit(&mut self.state(), batch);
        done(result);
    }

    /// `submit` and wait.
    pub fn commit(&self, batch: WriteBatch) -> Result<Commit> {
        commit(&mut self.state(), batch)
    }

    /// Writes every memtable into segments and waits for it.
    pub fn flush(&self) -> Result<()> {
        Ok(())
    }
}

fn unknown(table: TableId) -> Error {
    Error::UnknownTable(String::new(), format!("#{}", table.0))
}

/// Rows of one insert that survived the unique keys, and the keys they add.
struct Checked {
    table: TableId,
    rows: RecordBatch,
    skipped: u64,
    next_id: u64,
}

fn commit(state: &mut State, batch: WriteBatch) -> Result<Commit> {
    let mut version = (*state.version).clone();
    let mut undo = Vec::new();
    let mut done = Vec::new();
    for (index, (table, rows)) in batch.inserts.into_iter().enumerate() {
        let checked = check(
            state,
            &mut version,
            &mut undo,
            (index, table, rows),
            batch.on_duplicate,
        );
        match checked {
            Ok(checked) => done.push(checked),
            Err(error) => {
                for (table, key, value) in undo {
                    let live = state.live.get_mut(&table);
                    if let Some(set) = live.and_then(|l| l.keys.get_mut(key)) {
                        set.remove(&value);
                    }
                }
                return Err(error);
            }
        }
    }
    let mut commit = Commit {
        sequence: version.sequence + 1,
        rows_inserted: 0,
        rows_skipped: 0,
    };
    version.sequence = commit.sequence;
    for checked in done {
        commit.rows_inserted += checked.rows.num_rows() as u64;
        commit.rows_skipped += checked.skipped;
        if let Some(live) = state.live.get_mut(&checked.table) {
            live.next_id = live.next_id.max(checked.next_id);
        }
        if let Some(table) = version.table_mut(checked.table) {
            table.chunks.push(checked.rows);
        }
    }
    state.version = Arc::new(version);
    Ok(commit)
}

type Undo = Vec<(TableId, usize, Vec<u8>)>;

fn check(
    state: &mut State,
    version: &mut Version,
    undo: &mut Undo,
    (index, table, rows): (usize, TableId, RecordBatch),
    on_duplicate: OnDuplicate,
) -> Result<Checked> {
    let meta = Arc::clone(&version.table_mut(table).ok_or_else(|| unknown(table))?.meta);
    let types = |s: &Schema| {
        s.fields()
            .iter()
            .map(|f| f.data_type().clone())
            .collect::<Vec<_>>()
    };
    if types(&meta.arrow) != types(&rows.schema()) {
        return Err(Error::Invalid(format!("insert {index} has another schema")));
    }
    let rows = RecordBatch::try_new(Arc::clone(&meta.arrow), rows.columns().to_vec())
        .map_err(|e| Error::Invalid(e.to_string()))?;
    let encoded = encode_keys(&meta, &rows)?;
    let live = state.live.get_mut(&table).ok_or_else(|| unknown(table))?;
    let mut keep = Vec::with_capacity(rows.num_rows());
    for row in 0..rows.num_rows() {
        let mut values = encoded.iter().map(|key| key.get(row).cloned().flatten());
        let clash = values
            .by_ref()
            .zip(&live.keys)
            .position(|(v, set)| v.is_some_and(|v| set.contains(&v)));
        keep.push(clash.is_none());
        match (clash, on_duplicate) {
            (Some(key), OnDuplicate::Fail) => {
                let name = meta.spec.unique_keys.get(key).map(|k| k.name.clone());
                let table = TableName {
                    schema: meta.schema.clone(),
                    table: meta.spec.name.clone(),
                };
                let key = name.unwrap_or_default();
                return Err(Error::DuplicateKey {
                    table,
                    key,
                    batch: index,
                    row,
                });
            }
            (Some(_), OnDuplicate::Skip) => {}
            (None, _) => {
                for (key, (column, set)) in encoded.iter().zip(&mut live.keys).enumerate() {
                    if let Some(value) = column.get(row).cloned().flatten() {
                        set.insert(value.clone());
                        undo.push((table, key, value));
                    }
                }
            }
        }
    }
    let kept = compute::filter_record_batch(&rows, &BooleanArray::from(keep)).map_err(invalid)?;
    let skipped = (rows.num_rows() - kept.num_rows()) as u64;
    let next_id = next_id(&meta, &kept)?;
    Ok(Checked {
        table,
        rows: kept,
        skipped,
        next_id,
    })
}

/// Per unique key and row its bytes; `None` when one of its columns is NULL.
fn encode_keys(meta: &TableMeta, rows: &RecordBatch) -> Result<Vec<Vec<Option<Vec<u8>>>>> {
    let mut result = Vec::new();
    for key in &meta.spec.unique_keys {
        let columns: Vec<ArrayRef> = rows
            .project(&key.columns)
            .map_err(invalid)?
            .columns()
            .to_vec();
        let fields = columns
            .iter()
            .map(|c| SortField::new(c.data_type().clone()))
            .collect();
        let converter = RowConverter::new(fields).map_err(invalid)?;
        let encoded = converter.convert_columns(&columns).map_err(invalid)?;
        let null = |row| columns.iter().any(|c| c.is_null(row));
        result.push(
            encoded
                .iter()
                .enumerate()
                .map(|(row, value)| (!null(row)).then(|| value.as_ref().to_vec()))
                .collect(),
        );
    }
    Ok(result)
}

fn next_id(meta: &TableMeta, rows: &RecordBatch) -> Result<u64> {
    let Some(column) = meta.spec.auto_increment.and_then(|c| rows.columns().get(c)) else {
        return Ok(1);
    };
    let largest = if matches!(column.data_type(), DataType::UInt64) {
        compute::max(column.as_primitive::<UInt64Type>()).unwrap_or(0)
    } else {
        let wide = compute::cast(column, &DataType::Int64).map_err(invalid)?;
        compute::max(wide.as_primitive::<Int64Type>())
            .unwrap_or(0)
            .max(0) as u64
    };
    Ok(largest.saturating_add(1))
}

fn invalid(error: arrow::error::ArrowError) -> Error {
    Error::Invalid(error.to_string())
}

/// One committed state; never changes.
#[derive(Debug, Clone)]
pub struct Snapshot {
    version: Arc<Version>,
}

impl Snapshot {
    /// Commit sequence the snapshot stands at.
    pub fn sequence(&self) -> u64 {
        self.version.sequence
    }

    /// Schema names with their attributes, sorted by name.
    pub fn schemas(&self) -> Vec<(String, String)> {
        self.version
            .schemas
            .iter()
            .map(|(n, s)| (n.clone(), s.attributes.clone()))
            .collect()
    }

    /// `None` when the schema does not exist; else its tables sorted by name.
    pub fn tables(&self, schema: &str) -> Option<Vec<Arc<TableMeta>>> {
        let schema = self.version.schemas.get(schema)?;
        Some(
            schema
                .tables
                .values()
                .map(|t| Arc::clone(&t.meta))
                .collect(),
        )
    }

    pub fn table(&self, schema: &str, table: &str) -> Option<TableSnapshot> {
        self.version.schemas.get(schema)?.tables.get(table).cloned()
    }
}

/// One table in one snapshot.
#[derive(Debug, Clone)]
pub struct TableSnapshot {
    meta: Arc<TableMeta>,
    chunks: Vec<RecordBatch>,
}

impl TableSnapshot {
    pub fn meta(&self) -> &Arc<TableMeta> {
        &self.meta
    }

    pub fn rows(&self) -> u64 {
        self.chunks.iter().map(|c| c.num_rows() as u64).sum()
    }

    /// Bytes on disk.
    pub fn bytes(&self) -> u64 {
        0
    }

    /// Prunes at once; reads nothing but metadata.
    pub fn scan(&self, request: ScanRequest) -> Result<Scan> {
        let columns = self.meta.arrow.fields().len();
        if request.columns.iter().any(|&c| c >= columns) {
            return Err(Error::Invalid("a scanned column does not exist".into()));
        }
        Ok(Scan {
            chunks: self.chunks.clone(),
            columns: request.columns,
        })
    }
}

/// Which columns (positions in the table, in output order; may be empty to count rows) and which conditions.
#[derive(Debug, Clone, Default)]
pub struct ScanRequest {
    pub columns: Vec<usize>,
    /// A conjunction. The scan returns a superset of the rows that satisfy it.
    pub predicates: Vec<Predicate>,
}

#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ScanStats {
    pub segments_total: u64,
    pub segments_kept: u64,
    pub blocks_total: u64,
    pub blocks_kept: u64,
    /// Rows and (encoded) bytes after pruning.
    pub rows: u64,
    pub bytes: u64,
}

/// A pruned scan, cut into pieces for parallel reading.
#[derive(Debug)]
pub struct Scan {
    chunks: Vec<RecordBatch>,
    columns: Vec<usize>,
}

impl Scan {
    pub fn stats(&self) -> ScanStats {
        let rows = self.chunks.iter().map(|c| c.num_rows() as u64).sum();
        ScanStats {
            rows,
            ..Default::default()
        }
    }

    /// Pieces of about 64 Ki rows, each readable on any thread.
    pub fn into_morsels(self) -> Vec<Morsel> {
        let mut morsels = Vec::new();
        let (mut open, mut rows) = (Vec::new(), 0);
        for chunk in self.chunks {
            rows += chunk.num_rows();
            open.push(chunk);
            if rows >= 65_536 {
                let chunks = std::mem::take(&mut open);
                morsels.push(Morsel {
                    chunks,
                    columns: self.columns.clone(),
                    next: (0, 0),
                });
                rows = 0;
            }
        }
        if !open.is_empty() {
            morsels.push(Morsel {
                chunks: open,
                columns: self.columns,
                next: (0, 0),
            });
        }
        morsels
    }
}

/// A piece of a scan; an iterator of record batches (at most 8,192 rows each).
#[derive(Debug)]
pub struct Morsel {
    chunks: Vec<RecordBatch>,
    columns: Vec<usize>,
    /// Chunk and row the next batch begins at.
    next: (usize, usize),
}

impl Iterator for Morsel {
    type Item = Result<RecordBatch>;

    fn next(&mut self) -> Option<Self::Item> {
        let (chunk_no, row) = self.next;
        let chunk = self.chunks.get(chunk_no)?;
        if row >= chunk.num_rows() {
            self.next = (chunk_no + 1, 0);
            return self.next();
        }
        let length = (chunk.num_rows() - row).min(8192);
        self.next = (chunk_no, row + length);
        let options = RecordBatchOptions::new().with_row_count(Some(length));
        let batch = chunk
            .slice(row, length)
            .project(&self.columns)
            .and_then(|batch| {
                RecordBatch::try_new_with_options(
                    batch.schema(),
                    batch.columns().to_vec(),
                    &options,
                )
            });
        Some(batch.map_err(invalid))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use crate::{ColumnSpec, KeySpec};
    use arrow::array::{StringViewArray, UInt64Array};

    fn batch(store: &Store, ids: &[u64]) -> WriteBatch {
        let table = store.snapshot().table("s", "t").unwrap();
        let text: StringViewArray = ids.iter().map(|i| Some(format!("row {i}"))).collect();
        let columns: Vec<ArrayRef> =
            vec![Arc::new(UInt64Array::from(ids.to_vec())), Arc::new(text)];
        let rows = RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).unwrap();
        WriteBatch {
            inserts: vec![(table.meta().id, rows)],
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        }
    }

    #[test]
    fn a_commit_is_seen_by_later_snapshots_only() {
        let store = Store::open(Options::new("unused")).unwrap();
        store.create_schema("s", "").unwrap();
        let column = |name: &str, data_type| ColumnSpec {
            name: name.into(),
            data_type,
            nullable: false,
            attributes: String::new(),
        };
        let spec = TableSpec {
            name: "t".into(),
            columns: vec![
                column("id", DataType::UInt64),
                column("text", DataType::Utf8View),
            ],
            sort_key: vec![0],
            shard_key: vec![],
            unique_keys: vec![KeySpec {
                name: "PRIMARY".into(),
                columns: vec![0],
            }],
            auto_increment: Some(0),
            attributes: String::new(),
        };
        store.create_table("s", spec).unwrap();
        let before = store.snapshot();
        store.commit(batch(&store, &[1, 2, 9])).unwrap();
        assert_eq!(before.table("s", "t").unwrap().rows(), 0);
        assert_eq!(store.snapshot().table("s", "t").unwrap().rows(), 3);
        let error = store.commit(batch(&store, &[5, 9, 6])).unwrap_err();
        assert!(matches!(
            error,
            Error::DuplicateKey {
                row: 1,
                batch: 0,
                ..
            }
        ));
        let id = before.table("s", "t").unwrap().meta().id;
        assert_eq!(store.reserve_ids(id, 1).unwrap(), 10);
        let ignore = WriteBatch {
            on_duplicate: OnDuplicate::Skip,
            ..batch(&store, &[5, 5, 9])
        };
        let commit = store.commit(ignore).unwrap();
        assert_eq!((commit.rows_inserted, commit.rows_skipped), (1, 2));
        let request = ScanRequest {
            columns: vec![],
            predicates: vec![],
        };
        let scan = store
            .snapshot()
            .table("s", "t")
            .unwrap()
            .scan(request)
            .unwrap();
        let rows: usize = scan
            .into_morsels()
            .into_iter()
            .flatten()
            .map(|b| b.unwrap().num_rows())
            .sum();
        assert_eq!(rows, 4);
    }
}
