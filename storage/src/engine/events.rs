//! Event keys in the engine: asked at commit, written beside the segments of a flush, merged and dropped in
//! the background.

use std::sync::Arc;

use super::Shared;
use super::writer::Writer;
use crate::commit::PreparedInsert;
use crate::events::{
    EventRun, Opened, Prefix, RunKey, RunSummary, RunWriter, choose, is_forgotten, merge_runs,
    run_path,
};
use crate::format::{FileId, Seal};
use crate::history::History;
use crate::keys::{KeyHash, key_columns};
use crate::manifest::{Edit, RunRecord};
use crate::memtable::Memtable;
use crate::{Error, KeySpec, Result, TableId, TableMeta};

impl Shared {
    /// Whose keys the runs of a table have; `None` without an event key.
    pub(super) fn run_key(&self, meta: &TableMeta, history: &History) -> Option<RunKey> {
        let key = meta.spec.event_key.as_ref()?;
        let key = KeySpec {
            name: String::new(),
            columns: key.columns.clone(),
        };
        let columns = key_columns(history, &[key], &meta.folds).pop()?;
        Some(RunKey {
            table: meta.id,
            columns: columns.ids,
            secret: self.hasher.fingerprint(),
        })
    }

    pub(super) fn open_run(&self, record: RunRecord, key: &RunKey) -> Result<EventRun> {
        let at = Opened {
            fs: &self.fs,
            dir: &self.dir,
            database: self.database,
        };
        EventRun::open(at, record, key)
    }

    /// Writes a run of the event keys of a memtable, durable and unnamed; `None` when it has none.
    pub(super) fn write_events(
        &self,
        (meta, history): (&TableMeta, &History),
        memtable: &Memtable,
    ) -> Result<Option<Arc<EventRun>>> {
        let (Some(key), Some((keys, arrivals))) =
            (self.run_key(meta, history), memtable.events().sorted())
        else {
            return Ok(None);
        };
        let run = self.write_run(&key, keys.len() as u64, arrivals, |mut writer| {
            keys.iter()
                .try_for_each(|&prefix: &Prefix| writer.push(prefix))?;
            writer.finish()
        });
        run.map(Some)
    }

    /// Writes a run of at most `keys` keys and opens it.
    pub(super) fn write_run(
        &self,
        key: &RunKey,
        keys: u64,
        (first_arrival, last_arrival): (u32, u32),
        write: impl FnOnce(RunWriter) -> Result<RunSummary>,
    ) -> Result<Arc<EventRun>> {
        let seal = Seal {
            database: self.database,
            file: self.file_ids.take(),
        };
        let path = run_path(&self.dir, seal.file);
        let writer = RunWriter::create(&*self.fs, &path, seal, key, keys);
        let written = writer.and_then(write).and_then(|summary| {
            let synced = self.fs.sync_dir(&self.dir);
            synced.map_err(|e| Error::io("sync", &self.dir, &e))?;
            let record = RunRecord {
                file: seal.file,
                keys: summary.keys,
                bytes: summary.bytes,
                first_arrival,
                last_arrival,
                checksum: summary.checksum,
            };
            let run = self.open_run(record, key)?;
            run.reader()?;
            Ok(Arc::new(run))
        });
        if written.is_err() {
            // Room for others; if it stays, the next open removes it.
            drop(self.fs.remove(&path));
        }
        written
    }
}

impl Writer {
    /// The time that commits arrive at, in seconds since 1970.
    pub(super) fn arrival(&self) -> u32 {
        self.shared.arrival()
    }

    /// Per row of an insert whether its event is known; `None` when the rows stay all the same.
    pub(super) fn seen(&self, insert: &PreparedInsert) -> Result<Option<Vec<bool>>> {
        let Some(events) = &insert.events else {
            return Ok(None);
        };
        events.seen(self.version.table(insert.meta.id)?)
    }

    /// Tells a memtable which events it has got.
    pub(super) fn note_events(&self, id: TableId, events: &[Option<KeyHash>], arrival: u32) {
        if !events.is_empty()
            && let Ok(table) = self.version.table(id)
        {
            table.active.events().add(events, arrival);
        }
    }
}

/// Gives up runs that the manifest no longer names.
pub(super) fn abandon_runs<'a>(runs: impl IntoIterator<Item = &'a Arc<EventRun>>) {
    runs.into_iter().for_each(|run| run.make_obsolete());
}

/// Runs of a table that are to become one.
#[derive(Debug)]
pub(crate) struct MergeRuns {
    key: RunKey,
    runs: Vec<Arc<EventRun>>,
}

impl MergeRuns {
    fn files(&self) -> Vec<FileId> {
        self.runs.iter().map(|run| run.record.file).collect()
    }

    pub(super) fn run(&self, shared: &Shared) -> Result<Arc<EventRun>> {
        let records = || self.runs.iter().map(|run| run.record);
        let keys = records().map(|run| run.keys).sum();
        let first = records().map(|run| run.first_arrival).min();
        let last = records().map(|run| run.last_arrival).max();
        let arrivals = (first.unwrap_or_default(), last.unwrap_or_default());
        let readers = self.runs.iter().map(|run| run.reader());
        let readers = readers.collect::<Result<Vec<_>>>()?;
        shared.write_run(&self.key, keys, arrivals, |writer| {
            merge_runs(&readers, writer)
        })
    }
}

impl Writer {
    pub(super) fn wall(&self) -> u64 {
        self.shared.environment.clock.wall().as_secs()
    }

    /// Drops the runs whose keys have all left the window.
    pub(super) fn forget_events(&mut self) -> Result<()> {
        let now = self.wall();
        let mut next = self.version.clone();
        let (mut edits, mut gone) = (Vec::new(), Vec::new());
        for (&id, table) in &self.version.tables {
            let Some(key) = &table.meta.spec.event_key else {
                continue;
            };
            let records = table.events.records().into_iter();
            let old = records.filter(|run| is_forgotten(run, key.window(), now));
            let removed: Vec<FileId> = old.map(|run| run.file).collect();
            if removed.is_empty() {
                continue;
            }
            let runs = next.change(id, |table| {
                Arc::make_mut(&mut table.events).remove(&removed)
            });
            gone.extend(runs.unwrap_or_default());
            let added = Vec::new();
            edits.push(Edit::Runs { id, removed, added });
        }
        if edits.is_empty() {
            return Ok(());
        }
        self.log_edits(&edits)?;
        abandon_runs(&gone);
        self.count_care(|stats| stats.runs_forgotten += gone.len() as u64);
        self.version = next;
        self.publish();
        Ok(())
    }

    /// The runs to merge next, if it is worth it.
    pub(super) fn choose_runs(&self) -> Option<MergeRuns> {
        let now = self.wall();
        self.version.tables.values().find_map(|table| {
            let window = table.meta.spec.event_key.as_ref()?.window();
            let unreadable = &self.care.unreadable_runs;
            let mut records = table.events.records();
            records.retain(|run| !unreadable.contains(&run.file));
            let chosen = choose(&records, window, now)?;
            let runs = table
                .events
                .iter()
                .filter(|run| chosen.contains(&run.record.file));
            Some(MergeRuns {
                key: self.shared.run_key(&table.meta, &table.history)?,
                runs: runs.cloned().collect(),
            })
        })
    }

    pub(super) fn install_runs(&mut self, job: &MergeRuns, result: Result<Arc<EventRun>>) {
        let installed = result.and_then(|run| {
            let installed = self.replace_runs(job, &run);
            let unnamed = match &installed {
                Ok(named) => !named,
                Err(error) => error.is_no_space(),
            };
            if unnamed {
                run.make_obsolete();
            }
            installed
        });
        match installed {
            Ok(_) => {}
            // The next round tries again.
            Err(error) if error.may_pass() => self.care.full = true,
            Err(error @ (Error::Corruption { .. } | Error::UnsupportedVersion { .. })) => {
                tracing::error!(%error, "event keys cannot be merged");
                self.care.unreadable_runs.extend(job.files());
            }
            Err(error) => self.stop(&format!("a merge of event keys failed: {error}")),
        }
    }

    /// Puts a merged run in the place of its sources. `false` when they are no longer all there.
    fn replace_runs(&mut self, job: &MergeRuns, run: &Arc<EventRun>) -> Result<bool> {
        let (id, files) = (job.key.table, job.files());
        let mut next = self.version.clone();
        let replaced = next.change(id, |table| {
            Arc::make_mut(&mut table.events).replace(&files, Arc::clone(run))
        });
        let Some(gone) = replaced.flatten() else {
            return Ok(false);
        };
        self.log_edits(&[Edit::Runs {
            id,
            removed: files,
            added: vec![run.record],
        }])?;
        abandon_runs(&gone);
        self.count_care(|stats| stats.runs_merged += gone.len() as u64);
        self.version = next;
        self.publish();
        Ok(true)
    }
}
