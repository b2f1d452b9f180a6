//! Opening a directory: from the manifest, the segments it names and the WAL files it names to a writer
//! and a version. Nothing is served before everything that was read back is durable again.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::compute::concat;
use parking_lot::{Mutex, RwLock};
use roaring::RoaringBitmap;

use super::activity::Counters;
use super::directory::{self, Present, io};
use super::queue::Queue;
use super::reserve;
use super::writer::Writer;
use super::{Engine, Shared};
use crate::commit::largest_counted;
use crate::events::{Arriving, EventRun, EventRuns};
use crate::format::{FileId, Malformed, Seal};
use crate::fs::FileSystem;
use crate::history::History;
use crate::home::Place;
use crate::keys::{KeyColumns, KeyHasher, key_columns};
use crate::manifest::{
    FileIds, ManifestLog, ManifestState, Recovered, TableState, WalRecord, decode_manifest,
    manifest_path,
};
use crate::segment::{Bounds, ChunkCache, ColumnCursor, PublishedSegment};
use crate::version::{LiveSegment, SchemaVersion, TableVersion, Version};
use crate::view::SegmentView;
use crate::wal::{
    LoggedDelete, ReplayedCommit, WAL_DIR, WalContents, WalLog, decode_batch, read_wal, wal_path,
};
use crate::{Environment, Error, Options, Result, TableId, TableMeta};

/// What `Environment::random` draws numbers for.
const RANDOM_DATABASE: u64 = 1;
const RANDOM_HASH_FIRST: u64 = 2;
const RANDOM_HASH_SECOND: u64 = 3;

impl Engine {
    /// Locks the directory, recovers what is in it, and starts a new WAL file. Starts no threads.
    pub(crate) fn open(options: Options, environment: Environment) -> Result<Self> {
        let opened = Self::open_once(options.clone(), environment.clone());
        match opened {
            Err(error)
                if error.is_no_space() && reserve::give_up(&*environment.fs, &options.dir) =>
            {
                Self::open_once(options, environment)
            }
            opened => opened,
        }
    }

    fn open_once(options: Options, environment: Environment) -> Result<Self> {
        options.check()?;
        let fs = Arc::clone(&environment.fs);
        let dir = options.dir.clone();
        let (present, lock) = directory::prepare(&*fs, &dir)?;
        let mut recovered = read_manifest(&*fs, &dir, &present, &environment)?;
        let file_ids = FileIds::starting_at(present.next_file(recovered.state.next_file));
        let secret = match recovered.state.secret {
            Some(secret) => secret,
            None => [
                environment.random(RANDOM_HASH_FIRST)?,
                environment.random(RANDOM_HASH_SECOND)?,
            ],
        };
        recovered.state.secret = Some(secret);
        let hasher = KeyHasher::new(secret);
        let (chunks, folded) = (options.dictionary_cache_bytes, options.folded_cache_bytes);
        let cache = Arc::new(ChunkCache::with_folded(chunks, folded));
        let shared = Shared {
            fs,
            dir,
            options,
            environment,
            database: recovered.database,
            hasher,
            cache,
            file_ids,
            counters: Counters::default(),
            published: RwLock::default(),
            queue: Queue::default(),
            flushes: Queue::default(),
            merges: Queue::default(),
            cares: Queue::default(),
            care_stats: Mutex::default(),
            quarantine: Mutex::default(),
        };
        let writer = Recovery::new(Arc::new(shared), recovered).run(present)?;
        let shared = Arc::clone(&writer.shared);
        Ok(Self {
            shared,
            writer: Mutex::new(writer),
            altering: Mutex::new(()),
            _lock: lock,
        })
    }
}

fn read_manifest(
    fs: &dyn FileSystem,
    dir: &Path,
    present: &Present,
    environment: &Environment,
) -> Result<Recovered> {
    let path = manifest_path(dir);
    if present.manifest {
        return decode_manifest(&path, &io("read", &path, fs.read(&path))?);
    }
    // The manifest is the first file of a new directory and never goes: data without it is damage.
    if !present.segments.is_empty() || !present.wal.is_empty() {
        return Err(Error::corruption(&path, 0, "the manifest is missing"));
    }
    let database = environment.random(RANDOM_DATABASE)?;
    Ok(Recovered {
        database,
        state: ManifestState::default(),
        edit: 0,
        sequence: 0,
    })
}

/// The steps of an open, and what they have found so far.
struct Recovery {
    shared: Arc<Shared>,
    recovered: Recovered,
    version: Version,
}

impl Recovery {
    fn new(shared: Arc<Shared>, recovered: Recovered) -> Self {
        Self {
            shared,
            recovered,
            version: Version::default(),
        }
    }

    fn run(mut self, present: Present) -> Result<Writer> {
        self.load_catalog()?;
        self.replay_wal()?;
        let (manifest, wal) = self.start_logs()?;
        let files = (&*self.shared.fs, self.shared.dir.as_path());
        present.remove_unnamed(files, manifest.state(), wal.id());
        let writer = Writer::new(self.shared, manifest, wal, self.version);
        writer.publish();
        Ok(writer)
    }

    fn load_catalog(&mut self) -> Result<()> {
        let state = &self.recovered.state;
        let mut schemas: BTreeMap<String, SchemaVersion> = BTreeMap::new();
        for (name, attributes) in &state.schemas {
            let schema = SchemaVersion {
                attributes: attributes.clone(),
                ..Default::default()
            };
            schemas.insert(name.clone(), schema);
        }
        for (&id, table) in &state.tables {
            if let Some(schema) = schemas.get_mut(&table.schema) {
                schema.tables.insert(table.spec.name.clone(), id);
            }
            let version = open_table(&self.shared, id, table)?;
            self.version.tables.insert(id, Arc::new(version));
        }
        self.version.schemas = Arc::new(schemas);
        self.version.properties = Arc::new(state.properties.clone());
        Ok(())
    }

    /// Reads every WAL file into the memtables, and makes the end of the last one durable.
    fn replay_wal(&mut self) -> Result<()> {
        let records = std::mem::take(&mut self.recovered.state.wal);
        let mut next = None;
        for record in records {
            let path = wal_path(&self.shared.dir, record.file);
            let file = io("read", &path, self.shared.fs.read(&path))?;
            let contents = read_wal(&path, &file, self.recovered.database, record)?;
            if next.is_some_and(|next| next != record.first_sequence) {
                return Err(Error::corruption(
                    &path,
                    0,
                    "commits between the files are missing",
                ));
            }
            if contents.edit > self.recovered.edit {
                let path = manifest_path(&self.shared.dir);
                return Err(Error::corruption(&path, 0, "the last records are missing"));
            }
            next = Some(contents.next_sequence);
            for commit in &contents.commits {
                self.apply(&path, record.file, commit)?;
            }
            self.settle(&path, &file, record, &contents)?;
            let length = Some(contents.end);
            self.recovered
                .state
                .wal
                .push(WalRecord { length, ..record });
        }
        let last = next.map_or(self.recovered.sequence, |next| next.saturating_sub(1));
        if last < self.recovered.sequence {
            let path = self.shared.dir.join(WAL_DIR);
            return Err(Error::corruption(
                &path,
                0,
                "commits that had been synced are missing",
            ));
        }
        self.version.sequence = last;
        self.recovered.sequence = last;
        Ok(())
    }

    fn apply(&mut self, path: &Path, file: FileId, commit: &ReplayedCommit<'_>) -> Result<()> {
        for delete in &commit.logged.deletes {
            self.apply_delete(path, file, delete)?;
        }
        for insert in &commit.logged.inserts {
            let corrupt = |what: &str| Error::corruption(path, insert.offset, what);
            let Some(state) = self.recovered.state.tables.get(&insert.table) else {
                if insert.table >= self.recovered.state.next_table {
                    return Err(corrupt("rows of a table that was never created"));
                }
                continue;
            };
            if commit.sequence <= state.flushed {
                continue;
            }
            let table = self.version.table(insert.table)?;
            let rows = decode_rows(table, commit.sequence, insert.body).map_err(|e| match e {
                Error::Invalid(what) => corrupt(&what),
                other => other,
            })?;
            if let Some(largest) = largest_counted(&table.meta, &rows) {
                table.counter.pass(largest);
            }
            let unique = key_columns(
                &table.history,
                &table.meta.spec.unique_keys,
                &table.meta.folds,
            );
            let keys = self.shared.hasher.hash_keys(&table.meta, &rows)?;
            for (key, hashes) in unique.iter().zip(&keys) {
                let first = table.active.rows();
                table.active.keys().add(&key.ids, first, hashes);
            }
            if insert.arrival > 0 && commit.sequence > state.events_since {
                let events = Arriving::prepare(&self.shared.hasher, table, &rows, false)?;
                let hashes = events.map(|events| events.hashes).unwrap_or_default();
                table.active.events().add(&hashes, insert.arrival);
            }
            let schema = table.history.schema(table.history.current());
            let memtable = table
                .active
                .append(&schema, &[rows], commit.sequence, file)?
                .filled_at(self.shared.environment.clock.now());
            self.version
                .change(insert.table, |table| table.active = Arc::new(memtable));
        }
        Ok(())
    }

    /// Rows that have left the place they are named at were deleted where they went: the manifest knows.
    fn apply_delete(&mut self, path: &Path, file: FileId, delete: &LoggedDelete) -> Result<()> {
        let corrupt = |what: &str| Error::corruption(path, delete.offset, what);
        let id = delete.table;
        let Some(state) = self.recovered.state.tables.get(&id) else {
            if id >= self.recovered.state.next_table {
                return Err(corrupt("a delete from a table that was never created"));
            }
            return Ok(());
        };
        for (place, rows) in &delete.parts {
            let (place, rows) = match *place {
                Place::Segment(_) => (*place, rows.clone()),
                Place::Memtable(first) => {
                    let arrived = state.arrived;
                    let number = |row| first.saturating_add(u64::from(row)).checked_sub(arrived);
                    let rows = rows.iter().filter_map(number).map(u32::try_from);
                    let rows = rows.collect::<std::result::Result<_, _>>();
                    let rows = rows.map_err(|_| corrupt("a delete of a row that never arrived"))?;
                    (Place::Memtable(arrived), rows)
                }
            };
            let found = self
                .version
                .table(id)?
                .rows_at(place)
                .map(|(length, _)| length);
            let last = rows.max().map_or(0, |last| u64::from(last) + 1);
            match (found, place) {
                (Some(length), _) if last > length => {
                    return Err(corrupt("a delete of a row that is not there"));
                }
                (None, Place::Segment(file)) if file >= self.recovered.state.next_file => {
                    return Err(corrupt("a delete from a segment that never was"));
                }
                (Some(_), _) if !rows.is_empty() => {
                    self.version
                        .change(id, |table| table.delete(place, &rows, file));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// Makes durable what was read from the file that was being written. Bytes that no sync is known
    /// to have covered may be in the page cache only, and after a failed sync would never leave it by
    /// themselves: they are written again. What follows the last good frame is cut off.
    fn settle(
        &self,
        path: &Path,
        bytes: &[u8],
        record: WalRecord,
        contents: &WalContents<'_>,
    ) -> Result<()> {
        if record.length.is_some() {
            return Ok(());
        }
        let fs = &self.shared.fs;
        let tail = bytes
            .get(contents.proved as usize..contents.end as usize)
            .unwrap_or_default();
        let file = io("open", path, fs.open(path))?;
        if !tail.is_empty() {
            io("write", path, file.write_at(contents.proved, tail))?;
        }
        if contents.end < bytes.len() as u64 {
            io("cut", path, file.set_len(contents.end))?;
        }
        io("sync", path, file.sync())
    }

    /// Starts a new WAL file and a new manifest that names it. WAL files none of whose rows are needed
    /// are left out.
    fn start_logs(&mut self) -> Result<(ManifestLog, WalLog)> {
        let shared = &self.shared;
        let memtables = self.version.tables.values().flat_map(|t| t.memtables());
        let segments = self.version.tables.values().flat_map(|t| t.segments.iter());
        let rows = memtables.filter_map(|m| m.first_wal());
        let oldest = rows.chain(segments.filter_map(|s| s.unsaved_since)).min();
        let state = &mut self.recovered.state;
        state
            .wal
            .retain(|record| oldest.is_some_and(|oldest| oldest <= record.file));
        let seal = Seal {
            database: shared.database,
            file: shared.file_ids.take(),
        };
        if self.recovered.edit == 0 {
            // A new directory: the manifest comes before any other file.
            let recovered = self.recovered.clone();
            ManifestLog::create(&shared.fs, &shared.dir, recovered, &shared.file_ids)?;
            self.recovered.edit = 1;
        }
        let wal = WalLog::create(
            (&shared.fs, &shared.dir),
            seal,
            shared.options.wal_ahead_bytes,
        )?;
        self.recovered.state.wal.push(WalRecord {
            file: seal.file,
            first_sequence: self.recovered.sequence + 1,
            length: None,
        });
        let recovered = self.recovered.clone();
        let manifest = ManifestLog::create(&shared.fs, &shared.dir, recovered, &shared.file_ids)?;
        Ok((manifest, wal))
    }
}

/// Rows as the table has them, from a record in the shape it had then.
fn decode_rows(table: &TableVersion, sequence: u64, body: &[u8]) -> Result<RecordBatch> {
    let invalid = |e: Malformed| Error::Invalid(e.0.into());
    let shape = table.history.shape_of_commit(sequence);
    let rows = decode_batch(&table.history.schema(shape), body).map_err(invalid)?;
    match table.history.conversion(shape)? {
        None => Ok(rows),
        Some(conversion) => {
            conversion.convert(&table.history.schema(table.history.current()), &rows)
        }
    }
}

fn open_table(shared: &Shared, id: TableId, state: &TableState) -> Result<TableVersion> {
    let spec = (*state.spec).clone();
    let meta = TableMeta {
        id,
        schema: state.schema.clone(),
        arrow: spec.arrow(),
        folds: shared.folds(&spec),
        spec,
    };
    let mut next = state.counter;
    let unique = key_columns(&state.history, &meta.spec.unique_keys, &meta.folds);
    let mut segments = Vec::with_capacity(state.segments.len());
    for &record in state.segments.values() {
        let shape = state
            .history
            .schema(state.history.shape_of_file(record.file));
        let table = (id, &shape);
        let (fs, dir) = (&shared.fs, &shared.dir);
        let segment = PublishedSegment::open(fs, dir, shared.database, record, table)?;
        let deleted = state.deleted.get(&record.file);
        let deleted = deleted.map_or_else(RoaringBitmap::new, |rows| (**rows).clone());
        let segment = match unique.as_slice() {
            [] => segment,
            unique => with_keys(shared, segment, &state.history, unique)?,
        };
        let segment = LiveSegment::new(Arc::new(segment), &state.history, deleted)?;
        let counted = meta.spec.auto_increment;
        match counted.map(|column| segment.zone(column)).transpose() {
            Ok(zone) => {
                let zone = zone.flatten();
                if let Some(Bounds::Int(_, max)) = zone.map(|z| z.bounds) {
                    let max = u64::try_from(max.max(0)).unwrap_or(u64::MAX);
                    next = next.max(max.saturating_add(1));
                }
            }
            Err(error) => tracing::error!(%error, "a segment cannot be opened"),
        }
        segments.push(segment);
    }
    let history = Arc::clone(&state.history);
    let runs = open_runs(shared, state, &meta)?;
    let numbers = (next, state.arrived);
    let mut table = TableVersion::new(meta, history, segments, numbers);
    table.events = Arc::new(EventRuns::opened(runs));
    Ok(table)
}

fn open_runs(shared: &Shared, state: &TableState, meta: &TableMeta) -> Result<Vec<EventRun>> {
    let Some(key) = shared.run_key(meta, &state.history) else {
        return Ok(Vec::new());
    };
    let open = |record| {
        let run = shared.open_run(record, &key)?;
        if let Err(error) = run.reader() {
            tracing::error!(%error, "event keys cannot be read: the table takes no rows");
        }
        Ok(run)
    };
    state.runs.values().copied().map(open).collect()
}

/// A segment with its key file, made again if it cannot be used. If that fails, too, the table cannot be
/// inserted into, and everything else goes on.
fn with_keys(
    shared: &Shared,
    segment: PublishedSegment,
    history: &History,
    unique: &[KeyColumns],
) -> Result<PublishedSegment> {
    if segment.reader().is_err() {
        return Ok(segment);
    }
    let file = segment.record.file;
    let keys = match shared.open_keys(file, unique) {
        Err(error @ Error::Io { kind, .. }) if kind != std::io::ErrorKind::NotFound => {
            return Err(error);
        }
        Err(error) => {
            tracing::warn!(%error, "the keys of a segment are collected again");
            let conversion = history.conversion(history.shape_of_file(file))?;
            let segment = Arc::new(segment);
            let view = SegmentView::new(Arc::clone(&segment), conversion);
            let made = make_keys(shared, &view, unique);
            drop(view);
            let made = made.and_then(|()| shared.open_keys(file, unique));
            let segment = Arc::into_inner(segment);
            let segment = segment.ok_or_else(|| Error::Invalid("a segment in use".into()))?;
            return match made {
                Err(error @ Error::Io { .. }) if !error.is_no_space() => Err(error),
                made => Ok(segment.with_keys(made)),
            };
        }
        keys => keys,
    };
    Ok(segment.with_keys(keys))
}

fn make_keys(shared: &Shared, segment: &SegmentView, unique: &[KeyColumns]) -> Result<()> {
    let column = |column: usize| whole(segment, column);
    shared.write_keys(segment.record.file, unique, column)?;
    io("sync", &shared.dir, shared.fs.sync_dir(&shared.dir))
}

/// A column of all rows of a segment.
pub(super) fn whole(segment: &SegmentView, column: usize) -> Result<ArrayRef> {
    let (cache, mut cursor) = (ChunkCache::new(1 << 20), ColumnCursor::default());
    let blocks = 0..segment.reader()?.blocks();
    let blocks = blocks.map(|block| segment.read(column, block, &cache, &mut cursor));
    let blocks = blocks.collect::<Result<Vec<_>>>()?;
    let blocks: Vec<&dyn Array> = blocks.iter().map(|b| b.as_ref()).collect();
    concat(&blocks).map_err(|e| Error::Invalid(e.to_string()))
}
