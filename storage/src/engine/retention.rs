//! Retention in the background: rows that are too old are deleted, whole segments at once where all of their rows
//! are; and what has been deleted for long is removed from the files.
//!
//! Erasure goes by sweeps: twice within the time allowed, everything that is deleted by then is rewritten.
//! So nothing has to remember when each row was deleted. When a sweep began is in the manifest, so that
//! restarts do not put it off.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};

use super::writer::{Waiting, Writer};
use super::{Done, Shared};
use crate::commit::{Delete, IfGone, OnDuplicate, PreparedCommit};
use crate::expire::Expired;
use crate::format::FileId;
use crate::manifest::Edit;
use crate::version::TableVersion;
use crate::{Keep, Result, SyncMode, TableId, TableSnapshot};

/// Seconds between two looks at a table with a retention; less for short ones.
const LOOK_SECONDS: u64 = 3600;

/// The rows of a table that are too old are to be found.
#[derive(Debug)]
pub(crate) struct Expire {
    snapshot: TableSnapshot,
    keep: Keep,
    /// Seconds since 1970.
    now: u64,
}

impl Expire {
    pub(super) fn run(&self, _: &Shared) -> Result<Expired> {
        let bound = self.keep.bound(self.snapshot.meta(), self.now);
        self.snapshot.expired(self.keep.column, bound)
    }
}

/// A sweep that waits for what is in memory to be flushed.
#[derive(Debug)]
pub(crate) struct Sweep {
    table: TableId,
    flushed: Receiver<Result<()>>,
    /// Seconds since 1970.
    began: u64,
}

impl Writer {
    pub(super) fn table_snapshot(&self, table: &Arc<TableVersion>) -> TableSnapshot {
        TableSnapshot {
            table: Arc::clone(table),
            cache: Arc::clone(&self.shared.cache),
            hasher: self.shared.hasher,
        }
    }

    /// The next table in which rows may be too old.
    pub(super) fn choose_expire(&mut self) -> Option<Expire> {
        let now = self.wall();
        let looked = |id| self.care.looked.get(id).copied();
        let kept = self.version.tables.iter();
        let kept = kept.filter_map(|(id, t)| Some((id, t, t.meta.spec.retention.keep?)));
        let due = kept.filter(|(id, _, keep)| {
            let every = (keep.seconds / 32).clamp(1, LOOK_SECONDS);
            // A clock that was set back is no reason to wait.
            !looked(id).is_some_and(|at| (at..at.saturating_add(every)).contains(&now))
        });
        // The one that has waited longest: tables that are looked at often leave the others their turns.
        let (&id, table, keep) = due.min_by_key(|(id, ..)| looked(id))?;
        let snapshot = self.table_snapshot(table);
        self.care.looked.insert(id, now);
        Some(Expire {
            snapshot,
            keep,
            now,
        })
    }

    /// Deletes what has been found to be too old.
    pub(super) fn install_expired(&mut self, job: &Expire, result: Result<Expired>) {
        let id = job.snapshot.meta().id;
        let table = self.version.table(id);
        let same = table.is_ok_and(|t| Arc::ptr_eq(&t.meta, job.snapshot.meta()));
        let Ok(mut expired) = result.inspect_err(|error| {
            tracing::error!(%error, "rows that are too old could not be found");
        }) else {
            return;
        };
        for error in &expired.unreadable {
            tracing::error!(%error, "a segment may have rows that are too old");
        }
        if !same {
            return;
        }
        // A merge was faster with some: their rows are found where they are now.
        let there = self.version.table(id).map(|t| Arc::clone(&t.segments));
        let there = there.unwrap_or_default();
        expired.put_back(|file| !there.iter().any(|s| s.record.file == file));
        match self.drop_segments(id, &expired.segments) {
            Ok(0) => {}
            Ok(rows) => self.count_care(|stats| {
                stats.segments_expired += expired.segments.len() as u64;
                stats.rows_expired += rows;
            }),
            Err(error) => tracing::warn!(%error, "segments that are too old stay for now"),
        }
        if expired.rows.is_empty() {
            return;
        }
        let stats = Arc::clone(&self.shared);
        let done = move |result: Result<crate::Commit>| match result {
            Ok(done) => stats.care_stats.lock().rows_expired += done.rows_deleted,
            Err(error) => tracing::warn!(%error, "rows that are too old stay for now"),
        };
        let commit = PreparedCommit {
            inserts: Vec::new(),
            arrivals: 0,
            made_for: Vec::new(),
            deletes: vec![Delete {
                rows: expired.rows,
                if_gone: IfGone::Ignore,
            }],
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
            bulk: None,
        };
        let done = Done::new(Box::new(done));
        self.waiting.push_back(Waiting { commit, done });
    }

    /// Takes whole segments out of a table; how many rows that were not deleted they had.
    fn drop_segments(&mut self, id: TableId, files: &[FileId]) -> Result<u64> {
        let table = self.version.table(id)?;
        let chosen = table
            .segments
            .iter()
            .filter(|s| files.contains(&s.record.file));
        let chosen: Vec<_> = chosen.cloned().collect();
        if chosen.is_empty() {
            return Ok(0);
        }
        let removed: Vec<FileId> = chosen.iter().map(|s| s.record.file).collect();
        let mut next = self.version.clone();
        next.change(id, |table| {
            let segments = Arc::make_mut(&mut table.segments);
            segments.retain(|s| !removed.contains(&s.record.file));
        });
        let mut edits = vec![
            Edit::Segments {
                id,
                removed,
                added: Vec::new(),
            },
            // Its column may have had the largest value.
            Edit::Counter {
                id,
                next: table.counter.next(),
            },
        ];
        let wal = self.unneeded_wal(&next);
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        chosen.iter().for_each(|segment| segment.make_obsolete());
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        Ok(chosen.iter().map(|s| s.live_rows()).sum())
    }

    /// Begins the sweeps that are due.
    pub(super) fn begin_sweeps(&mut self) {
        let now = self.wall();
        let due = |(id, table): (&TableId, &Arc<TableVersion>)| {
            let allowed = table.meta.spec.retention.erase_after?;
            let swept = self.manifest.state().tables.get(id)?.swept;
            let rests = (swept..swept.saturating_add(allowed / 2)).contains(&now);
            let under_way = self.care.sweeps.iter().any(|sweep| sweep.table == *id);
            (!rests && !under_way).then_some(*id)
        };
        let due: Vec<TableId> = self.version.tables.iter().filter_map(due).collect();
        for table in due {
            // Rows in memory are in the log, too: a flush leaves deleted ones out and drops it.
            let (sender, flushed) = channel();
            self.flush_all(sender);
            self.care.sweeps.push(Sweep {
                table,
                flushed,
                began: now,
            });
        }
    }

    /// Goes on with the sweeps whose flush is done.
    pub(super) fn go_on_sweeping(&mut self) {
        for sweep in std::mem::take(&mut self.care.sweeps) {
            match sweep.flushed.try_recv() {
                Err(TryRecvError::Empty) => self.care.sweeps.push(sweep),
                Ok(Ok(())) => {
                    if let Err(error) = self.sweep(&sweep) {
                        tracing::warn!(%error, "deleted rows stay in the files for now");
                    }
                }
                Ok(Err(error)) => {
                    tracing::warn!(%error, "deleted rows stay in the files for now");
                }
                Err(TryRecvError::Disconnected) => {}
            }
        }
    }

    fn sweep(&mut self, sweep: &Sweep) -> Result<()> {
        let id = sweep.table;
        let Ok(table) = self.version.table(id) else {
            return Ok(());
        };
        let worn = table.segments.iter().filter(|s| !s.deleted.is_empty());
        let worn: Vec<FileId> = worn.map(|s| s.record.file).collect();
        // The log that says which rows are deleted may have those rows, too.
        self.save_deletes()?;
        let seconds = sweep.began;
        self.log_edits(&[Edit::Swept { id, seconds }])?;
        // Of those that were asked for before, some are gone.
        let tables = self.version.tables.values();
        let there: HashSet<FileId> = tables
            .flat_map(|t| t.segments.iter().map(|s| s.record.file))
            .collect();
        self.erasing.retain(|file| there.contains(file));
        self.erasing.extend(worn);
        self.count_care(|stats| stats.sweeps += 1);
        self.queue_merge();
        Ok(())
    }
}

impl Keep {
    /// The first value of the column that is kept.
    fn bound(&self, meta: &crate::TableMeta, now: u64) -> i64 {
        let oldest = i64::try_from(now).unwrap_or(i64::MAX);
        let oldest = oldest.saturating_sub_unsigned(self.seconds);
        let column = meta.spec.columns.get(self.column);
        match column.map(|c| &c.data_type) {
            // A day counts from its midnight.
            Some(arrow::datatypes::DataType::Date32) => -(-oldest).div_euclid(86_400),
            _ => oldest.saturating_mul(1_000_000),
        }
    }
}
