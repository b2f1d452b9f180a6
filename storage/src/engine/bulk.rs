//! Large commits: their rows are sorted and written into segments on the submitting thread, before they
//! are queued. The commit itself is then one record of the manifest that names the segments and lists the
//! rows it deletes; the WAL holds a commit without rows in its place, so that sequences stay consecutive.
//!
//! INVARIANT: until that record is durable nothing names the files. They go with the commit that fails,
//! or at the next open.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::thread::available_parallelism;

use arrow::array::{ArrayRef, RecordBatch};
use roaring::RoaringBitmap;

use super::group::{Changes, Stage, listed};
use super::install::{deleted_edits, live_segments};
use super::segments::{RowSource, Written};
use super::writer::Writer;
use super::{Engine, Shared};
use crate::commit::{Commit, PreparedCommit, REPEATED_MAX, Repeated, WriteBatch};
use crate::events::{EventRun, Prefix, RunKey, prefix_of};
use crate::home::Place;
use crate::manifest::Edit;
use crate::options::Schedule;
use crate::placement::Placement;
use crate::rows::batch_bytes;
use crate::segment::PublishedSegment;
use crate::version::Version;
use crate::wal::put_commit;
use crate::{Error, Result, SyncMode, TableId};

/// Threads that encode one large commit at most.
const THREADS_MAX: usize = 8;

/// The segments of a large commit, by table. All rows of the first inserts for the table are in what was
/// written first, and so on.
#[derive(Debug, Default)]
pub(crate) struct Bulk {
    tables: BTreeMap<TableId, Vec<Written>>,
    unnamed: Unnamed,
    events: UnnamedEvents,
}

/// Runs of the event keys of a large commit, one for each table with an event key: like the segments, they go
/// with this unless they are named.
#[derive(Debug, Default)]
struct UnnamedEvents(Vec<(TableId, Arc<EventRun>)>);

impl Drop for UnnamedEvents {
    fn drop(&mut self) {
        self.0.iter().for_each(|(_, run)| run.make_obsolete());
    }
}

impl Bulk {
    /// Adds what was written of later inserts.
    pub(crate) fn append(&mut self, mut more: Self) {
        for (id, written) in std::mem::take(&mut more.tables) {
            self.tables.entry(id).or_default().extend(written);
        }
        self.unnamed.0.append(&mut more.unnamed.0);
    }
}

/// Files that no record names: they go when this is dropped.
#[derive(Debug, Default)]
struct Unnamed(Vec<Arc<PublishedSegment>>);

impl Drop for Unnamed {
    fn drop(&mut self) {
        self.0.iter().for_each(|segment| segment.make_obsolete());
    }
}

/// All rows that a commit brings for one table.
struct Batches<'a> {
    batches: Vec<&'a RecordBatch>,
    rows: usize,
    bytes: u64,
}

impl RowSource for Batches<'_> {
    fn rows(&self) -> usize {
        self.rows
    }

    fn raw_bytes(&self) -> u64 {
        self.bytes
    }

    fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        let batches = self.batches.iter();
        let columns = batches.filter_map(|b| b.columns().get(column));
        Ok(columns.cloned().collect())
    }

    fn deleted(&self) -> RoaringBitmap {
        RoaringBitmap::new()
    }

    fn placement(&self) -> Placement {
        Placement::Mixed
    }
}

impl Shared {
    /// Whether a commit is to be written into segments at once. Rows of a table with an event key are not:
    /// their keys are noted where they come into memory.
    pub(crate) fn is_bulk(&self, version: &Version, batch: &WriteBatch) -> bool {
        let has_events = |(id, _): &(TableId, RecordBatch)| {
            let table = version.table(*id);
            table.is_ok_and(|t| t.meta.spec.event_key.is_some())
        };
        if !batch.arrivals.is_empty() || batch.inserts.iter().any(has_events) {
            return false;
        }
        let mut bytes = 0;
        let inserts = batch.inserts.iter();
        let large = |(_, rows): &(TableId, RecordBatch)| {
            bytes += batch_bytes(rows);
            bytes >= self.options.bulk_bytes as u64
        };
        inserts.filter(|(_, rows)| rows.num_rows() > 0).any(large)
    }

    /// Writes the rows of a commit into segments.
    fn write_bulk(&self, commit: &PreparedCommit) -> Result<Bulk> {
        let threads = match self.environment.schedule {
            Schedule::Manual => 1,
            Schedule::Threads => available_parallelism().map_or(1, |n| n.get().min(THREADS_MAX)),
        };
        let mut bulk = Bulk::default();
        for insert in &commit.inserts {
            let id = insert.meta.id;
            if bulk.tables.contains_key(&id) {
                continue;
            }
            let same = || commit.inserts.iter().filter(|i| i.meta.id == id);
            let source = Batches {
                batches: same().map(|i| &i.rows).collect(),
                rows: same().map(|i| i.count).sum(),
                bytes: same().map(|i| i.bytes).sum(),
            };
            let table = (&*insert.meta, &*insert.history);
            let write = || self.write_segments(table, &source, threads);
            let written = self.counted(&self.counters.bulk, write)?;
            bulk.unnamed.0.extend(written.segments.iter().cloned());
            bulk.tables.insert(id, vec![written]);
        }
        Ok(bulk)
    }
}

impl Shared {
    /// Writes a run of the event keys that a large commit brings, also of rows that turn out to be known. `refused`:
    /// per insert, rows whose keys do not count.
    fn write_bulk_events(
        &self,
        commit: &PreparedCommit,
        refused: &[RoaringBitmap],
    ) -> Result<UnnamedEvents> {
        let mut keys: BTreeMap<TableId, (RunKey, Vec<Prefix>)> = BTreeMap::new();
        for (index, insert) in commit.inserts.iter().enumerate() {
            let Some(events) = &insert.events else {
                continue;
            };
            let Some(key) = self.run_key(&insert.meta, &insert.history) else {
                continue;
            };
            let (_, keys) = keys
                .entry(insert.meta.id)
                .or_insert_with(|| (key, Vec::new()));
            let refused = refused.get(index);
            let counts = |row: u32| refused.is_none_or(|refused| !refused.contains(row));
            let hashes = (0..).zip(&events.hashes);
            let hashes = hashes.filter_map(|(row, hash)| hash.filter(|_| counts(row)));
            keys.extend(hashes.map(prefix_of));
        }
        let mut unnamed = UnnamedEvents::default();
        for (id, (key, keys)) in keys {
            if !keys.is_empty() {
                let run = self.write_sorted_run(&key, keys, self.arrival())?;
                unnamed.0.push((id, run));
            }
        }
        Ok(unnamed)
    }
}

impl Engine {
    /// Writes the event keys of a large commit whose rows are all in segments.
    pub(crate) fn write_bulk_events(&self, commit: &mut PreparedCommit) -> Result<()> {
        let events = self.shared.write_bulk_events(commit, &[])?;
        if let Some(bulk) = &mut commit.bulk {
            bulk.events = events;
        }
        Ok(())
    }

    /// Writes the rows of a commit into segments. An input/output error stops writing: what it has to do
    /// with other files is not known.
    pub(crate) fn write_bulk(&self, commit: &mut PreparedCommit) -> Result<()> {
        match self.shared.write_bulk(commit) {
            Ok(bulk) => {
                commit.bulk = Some(bulk);
                Ok(())
            }
            Err(error) => {
                if matches!(error, Error::Io { .. }) && !error.may_pass() {
                    let reason = error.to_string();
                    self.request(Box::new(move |writer| writer.stop(&reason)));
                }
                Err(error)
            }
        }
    }
}

/// Rows of a large commit that are left out.
struct Skipped {
    /// Per table their numbers, over all its inserts.
    rows: BTreeMap<TableId, RoaringBitmap>,
    /// Those that a unique key keeps out, as the commit lists them.
    repeated: Vec<Repeated>,
    /// Per insert those whose event is known.
    resent: Vec<Vec<u32>>,
    /// Per insert those that a unique key keeps out.
    refused: Vec<RoaringBitmap>,
}

impl Writer {
    /// Commits the segments of a large commit, and its deletes, by one record of the manifest.
    pub(super) fn commit_bulk(&mut self, commit: &PreparedCommit, bulk: Bulk) -> Result<Commit> {
        let Bulk {
            tables,
            unnamed,
            events,
        } = bulk;
        self.version.check_definitions(&commit.made_for)?;
        let mut stage = Stage::default();
        let mut changes = Changes::default();
        self.find_deletes(&stage, commit, &mut changes)?;
        let memory = |(place, _): &(Place, RoaringBitmap)| matches!(place, Place::Memtable(_));
        if changes
            .deletes
            .iter()
            .flat_map(|(_, parts)| parts)
            .any(memory)
        {
            return Err(Error::Invalid("rows that are not in segments".into()));
        }
        let Skipped {
            rows: skipped,
            repeated,
            mut resent,
            refused,
        } = self.skipped(&mut stage, commit, &mut changes)?;
        let given: u64 = commit.inserts.iter().map(|i| i.count as u64).sum();
        let rows_skipped = skipped.values().map(RoaringBitmap::len).sum();
        let parts = changes.deletes.iter().flat_map(|(_, parts)| parts);
        let mut done = Commit {
            sequence: self.version.sequence,
            rows_inserted: given - rows_skipped,
            rows_skipped,
            rows_deleted: parts.map(|(_, rows)| rows.len()).sum(),
            resent: resent.split_off(commit.inserts.len() - commit.arrivals),
            repeated,
        };
        if done.rows_inserted + done.rows_deleted > 0 {
            self.pass_largest(commit);
            let events = self.stored_events(commit, events, &refused)?;
            self.name((&tables, &skipped), changes, (unnamed, events))?;
            done.sequence = self.version.sequence;
        }
        Ok(done)
    }

    /// Has the counters pass what is inserted: before the record that notes them. Also of rows that are skipped, which
    /// does no harm.
    fn pass_largest(&self, commit: &PreparedCommit) {
        for insert in &commit.inserts {
            if let Some(largest) = insert.largest
                && let Ok(table) = self.version.table(insert.meta.id)
            {
                table.counter.pass(largest);
            }
        }
    }

    fn skipped(
        &self,
        stage: &mut Stage,
        commit: &PreparedCommit,
        changes: &mut Changes,
    ) -> Result<Skipped> {
        let mut resent = Vec::with_capacity(commit.inserts.len());
        let mut firsts: BTreeMap<TableId, u32> = BTreeMap::new();
        let mut skipped: BTreeMap<TableId, RoaringBitmap> = BTreeMap::new();
        let mut repeated = Vec::new();
        let mut refused = Vec::with_capacity(commit.inserts.len());
        for (index, insert) in commit.inserts.iter().enumerate() {
            let sifted = self.sift(stage, changes, (index, insert), commit.on_duplicate)?;
            let room = REPEATED_MAX.saturating_sub(repeated.len());
            repeated.extend(listed(index, &sifted.repeated).take(room));
            let keep = sifted.keep;
            let first = firsts.entry(insert.meta.id).or_default();
            let mut out: RoaringBitmap = (0..)
                .zip(&keep)
                .filter_map(|(row, keep)| (!keep).then_some(row))
                .collect();
            out -= sifted.resent.iter().copied().collect::<RoaringBitmap>();
            refused.push(out);
            let rows = (*first..).zip(&keep).filter(|(_, keep)| !**keep);
            let rows = rows.map(|(row, _)| row);
            skipped.entry(insert.meta.id).or_default().extend(rows);
            *first += keep.len() as u32;
            resent.push(sifted.resent);
        }
        Ok(Skipped {
            rows: skipped,
            repeated,
            resent,
            refused,
        })
    }

    /// The event keys of a large commit without those of rows that a unique key keeps out: they are not stored, and
    /// their events may come again.
    fn stored_events(
        &mut self,
        commit: &PreparedCommit,
        written: UnnamedEvents,
        refused: &[RoaringBitmap],
    ) -> Result<UnnamedEvents> {
        if written.0.is_empty() || refused.iter().all(RoaringBitmap::is_empty) {
            return Ok(written);
        }
        let anew = self.shared.write_bulk_events(commit, refused);
        self.check(anew)
    }

    /// Has the manifest name the segments, and makes them visible.
    fn name(
        &mut self,
        (tables, skipped): (
            &BTreeMap<TableId, Vec<Written>>,
            &BTreeMap<TableId, RoaringBitmap>,
        ),
        changes: Changes,
        (mut unnamed, mut events): (Unnamed, UnnamedEvents),
    ) -> Result<()> {
        let mut next = self.version.clone();
        next.sequence += 1;
        for (table, parts) in &changes.deletes {
            for (place, rows) in parts {
                next.change(*table, |table| table.delete(*place, rows, self.wal.id()));
            }
        }
        let mut edits = Vec::new();
        for (&id, written) in tables {
            let none = RoaringBitmap::new();
            let skipped = skipped.get(&id).unwrap_or(&none);
            let mut first = 0;
            for written in written {
                let end = first + written.order.len() as u32;
                let here = skipped.range(first..end).map(|row| row - first);
                let late = written.as_move(written.order.len());
                let late = late.translate(0, &here.collect());
                first = end;
                next.change(id, |table| {
                    let added = live_segments(written, &table.history, late)?;
                    Arc::make_mut(&mut table.segments).extend(added);
                    Ok::<(), Error>(())
                })
                .transpose()?;
                edits.push(Edit::Segments {
                    id,
                    removed: Vec::new(),
                    added: written.segments.iter().map(|s| s.record).collect(),
                });
                edits.extend(deleted_edits(next.table(id)?, written));
            }
            let next = next.table(id)?.counter.next();
            edits.push(Edit::Counter { id, next });
        }
        for (id, run) in &events.0 {
            next.change(*id, |table| {
                Arc::make_mut(&mut table.events).add(Arc::clone(run));
            });
            edits.push(Edit::Runs {
                id: *id,
                removed: Vec::new(),
                added: vec![run.record],
            });
        }
        edits.extend(Self::unsaved_deletes(&next));
        Self::note_saved(&mut next);
        let wal = self.unneeded_wal(&next);
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_place()?;
        let named = self.log_edits(&edits);
        if named.as_ref().is_ok() || named.as_ref().is_err_and(|e| !e.is_no_space()) {
            // After an error the record may be on the disk all the same: the files must stay.
            unnamed.0.clear();
            events.0.clear();
        }
        named?;
        self.note_arrival();
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        self.queue_merge();
        Ok(())
    }

    /// Logs a commit without rows, which takes the sequence of one that the manifest holds.
    fn log_place(&mut self) -> Result<()> {
        let mut stage = Stage {
            commits: 1,
            sync: Some(SyncMode::Durable),
            ..Stage::default()
        };
        put_commit(&mut stage.payload, 0, 0);
        self.log(&stage)?;
        self.version.sequence += 1;
        Ok(())
    }
}
