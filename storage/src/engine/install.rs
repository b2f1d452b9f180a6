//! Taking over what background jobs wrote: one manifest record names the new files and drops the old
//! ones; only then do versions change and files go.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use roaring::RoaringBitmap;

use super::background::JobResult;
use super::events::abandon_runs;
use super::flush::FlushJob;
use super::merge::{MergeJob, placement_of};
use super::policy::{self, Size};
use super::segments::Written;
use super::writer::Writer;
use crate::history::History;
use crate::home::Part;
use crate::manifest::Edit;
use crate::placement::{Placement, period_column};
use crate::segment::{Bounds, PublishedSegment};
use crate::version::{LiveSegment, TableVersion};
use crate::{Error, Result};

/// Pause before a job that found the disk full is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// When nothing new has come for so long, segments too few for a full one are merged, too.
const REST_AFTER: Duration = Duration::from_secs(5);

/// Gives up new files that are certain not to be named by the manifest. After any other error the
/// record that names them may or may not be on the disk, and the files must stay.
fn abandon_unless_named(installed: &Result<bool>, written: &Written) {
    let unnamed = match installed {
        Ok(named) => !named,
        Err(error) => error.is_no_space(),
    };
    if unnamed {
        let segments = &written.segments;
        segments.iter().for_each(|segment| segment.make_obsolete());
        abandon_runs(&written.events);
    }
}

impl Writer {
    pub(super) fn install(&mut self, result: JobResult) {
        match result {
            JobResult::Flush(job, result) => self.install_flush(job, result),
            JobResult::Merge(job, result) => self.install_merge(job, result),
            JobResult::Care(result) => self.install_care(result),
        }
        self.queue_merge();
        self.queue_care();
    }

    fn retry_at(&self) -> Duration {
        self.shared.environment.clock.now() + RETRY_INTERVAL
    }

    fn install_flush(&mut self, job: FlushJob, result: Result<Written>) {
        self.flushing.retain(|m| !m.is(&job.memtable));
        let installed = result.and_then(|written| {
            let installed = self.add_flushed(&job, &written);
            abandon_unless_named(&installed, &written);
            installed
        });
        if let Err(error) = installed {
            self.flush_failed(error);
        }
        if self.flush_retry.is_none() {
            self.queue_flushes();
        }
        self.answer_flush_waiters();
    }

    /// A full disk is waited out; anything else leaves rows that will never be flushed.
    fn flush_failed(&mut self, error: Error) {
        if !error.may_pass() {
            self.stop(&format!("a flush failed: {error}"));
            return;
        }
        tracing::warn!(%error, "a flush will be tried again");
        for waiter in self.flush_waiters.drain(..) {
            let _ = waiter.reply.send(Err(error.clone()));
        }
        self.flush_retry = Some((error, self.retry_at()));
    }

    /// Names the segments of a flush. `false` when the memtable is no longer wanted.
    fn add_flushed(&mut self, job: &FlushJob, written: &Written) -> Result<bool> {
        let id = job.meta.id;
        let table = self.version.table(id);
        // Dropped, truncated or altered while it was written.
        let Some(at) = table
            .ok()
            .filter(|t| Arc::ptr_eq(&t.meta, &job.meta))
            .and_then(|t| t.sealed.iter().position(|m| m.is(&job.memtable)))
        else {
            return Ok(false);
        };
        // INVARIANT: the memtables of a table become segments in the order they were sealed, so that
        // "flushed up to a sequence" says all. This one overtook another that had to be tried again.
        if at != 0 {
            return Ok(false);
        }
        let mut next = self.version.clone();
        let moved = written.as_move(job.memtable.rows() as usize);
        next.change(id, |table| {
            let memtable = table.sealed.remove(0);
            let late = &**memtable.deleted() - &**job.memtable.deleted();
            let added = live_segments(written, &table.history, moved.translate(0, &late))?;
            Arc::make_mut(&mut table.segments).extend(added);
            if let Some(run) = &written.events {
                Arc::make_mut(&mut table.events).add(Arc::clone(run));
            }
            Ok(())
        })
        .transpose()?;
        let counter = next.table(id)?.counter.next();
        let mut edits = vec![Edit::Segments {
            id,
            removed: Vec::new(),
            added: written.segments.iter().map(|s| s.record).collect(),
        }];
        edits.extend(deleted_edits(next.table(id)?, written));
        edits.extend(written.events.iter().map(|run| Edit::Runs {
            id,
            removed: Vec::new(),
            added: vec![run.record],
        }));
        edits.extend([
            Edit::Flushed {
                id,
                sequence: job.memtable.last_sequence(),
            },
            Edit::Arrived {
                id,
                rows: job.memtable.end(),
            },
            Edit::Counter { id, next: counter },
        ]);
        edits.extend(Self::unsaved_deletes(&next));
        Self::note_saved(&mut next);
        let wal = self.unneeded_wal(&next);
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        job.memtable.home().move_away(0, &moved);
        self.note_arrival();
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        Ok(true)
    }

    fn install_merge(&mut self, job: MergeJob, result: Result<Written>) {
        self.merging = false;
        let installed = result.and_then(|written| {
            let installed = self.replace_merged(&job, &written);
            abandon_unless_named(&installed, &written);
            installed
        });
        match installed {
            Ok(_) => {}
            Err(error) if error.may_pass() => self.merge_retry = Some(self.retry_at()),
            Err(error @ (Error::Corruption { .. } | Error::UnsupportedVersion { .. })) => {
                tracing::error!(%error, "a segment cannot be merged");
                let inputs = job.inputs.iter();
                let bad = inputs.clone().find(|s| error.path() == Some(s.path()));
                let file = |s: &LiveSegment| s.record.file;
                match bad {
                    Some(bad) => self.unmergeable.extend([file(bad)]),
                    None => self.unmergeable.extend(inputs.map(file)),
                }
            }
            Err(error) => self.stop(&format!("a merge failed: {error}")),
        }
    }

    /// Replaces the inputs of a merge. `false` when they are no longer all there.
    fn replace_merged(&mut self, job: &MergeJob, written: &Written) -> Result<bool> {
        let id = job.meta.id;
        let input = |s: &LiveSegment| {
            let same = |i: &&LiveSegment| i.is(s);
            job.inputs.iter().find(same)
        };
        let Ok(table) = self.version.table(id) else {
            return Ok(false);
        };
        let all_there = table.segments.iter().filter_map(input).count() == job.inputs.len();
        if !all_there || !Arc::ptr_eq(&table.meta, &job.meta) {
            return Ok(false);
        }
        let rows = job.inputs.iter().map(|i| i.record.rows as usize).sum();
        let moved = written.as_move(rows);
        let (mut first, mut late) = (0, Vec::new());
        for input in &job.inputs {
            let now = table.rows_at(input.home().place());
            let now = now.map(|(_, deleted)| &**deleted - &*input.deleted);
            late.extend(moved.translate(first, &now.unwrap_or_default()));
            first += input.record.rows as u32;
        }
        let mut next = self.version.clone();
        next.change(id, |table| {
            let segments = Arc::make_mut(&mut table.segments);
            segments.retain(|s| input(s).is_none());
            segments.extend(live_segments(written, &table.history, late)?);
            Ok(())
        })
        .transpose()?;
        let mut edits = vec![Edit::Segments {
            id,
            removed: job.inputs.iter().map(|s| s.record.file).collect(),
            added: written.segments.iter().map(|s| s.record).collect(),
        }];
        edits.extend(deleted_edits(next.table(id)?, written));
        // What was deleted for good may have had the largest values.
        let counter = next.table(id)?.counter.next();
        edits.push(Edit::Counter { id, next: counter });
        self.log_edits(&edits)?;
        let mut first = 0;
        for input in &job.inputs {
            input.home().move_away(first, &moved);
            first += input.record.rows as u32;
            input.make_obsolete();
        }
        self.version = next;
        self.publish();
        Ok(true)
    }

    /// Has all segments of a table with deleted rows rewritten.
    pub(crate) fn erase_deleted(&mut self, schema: &str, table: &str) -> Result<()> {
        self.writable()?;
        let found = self.version.find(schema, table);
        let found = found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        let worn = found.segments.iter().filter(|s| !s.deleted.is_empty());
        let worn: Vec<_> = worn.map(|s| s.record.file).collect();
        // Of those that were asked for before, some are gone.
        let tables = self.version.tables.values();
        let there = |file: &crate::format::FileId| {
            let mut segments = tables.clone().flat_map(|t| t.segments.iter());
            segments.any(|s| s.record.file == *file)
        };
        self.erasing.retain(there);
        self.erasing.extend(worn);
        self.queue_merge();
        Ok(())
    }

    /// Starts a merge if one is worth it and none is under way. Tables take turns.
    pub(super) fn queue_merge(&mut self) {
        if self.merging || self.merge_retry.is_some() || self.stopped.is_some() {
            return;
        }
        let after = self.merged_last.map_or(0, |last| {
            let older = self.version.tables.range(..=last);
            older.count()
        });
        let tables = self.version.tables.values();
        let turns = tables.clone().skip(after).chain(tables.take(after));
        let Some((table, inputs)) = turns.into_iter().find_map(|t| Some((t, self.inputs(t)?)))
        else {
            return;
        };
        let job = MergeJob {
            meta: Arc::clone(&table.meta),
            history: Arc::clone(&table.history),
            inputs,
        };
        self.merging = true;
        self.merged_last = Some(job.meta.id);
        self.shared.merges.push(job);
    }

    /// What to merge next of a table.
    fn inputs(&self, table: &TableVersion) -> Option<Vec<LiveSegment>> {
        let (options, spec) = (&self.shared.options, &table.meta.spec);
        let segment_rows = options.segment_rows_of(spec);
        let period = period_column(spec);
        let good =
            |s: &&LiveSegment| s.reader().is_ok() && !self.unmergeable.contains(&s.record.file);
        let mut groups: BTreeMap<Placement, Vec<Size>> = BTreeMap::new();
        for segment in table.segments.iter().filter(good) {
            let group = groups.entry(placement_of(segment, options.shards_of(spec)));
            let group = group.or_default();
            group.push(size_of(segment, period));
        }
        let erase = |s: &&Size| s.live < s.rows && self.erasing.contains(&s.file);
        let erase = groups.values().flatten().find(erase).map(|s| vec![s.file]);
        let mut groups = groups.values();
        let at_rest = self.resting;
        let choose = || groups.find_map(|group| policy::choose(group, segment_rows, at_rest));
        let chosen = erase.or_else(choose)?;
        let inputs = table.segments.iter();
        let inputs = inputs.filter(|s| chosen.contains(&s.record.file));
        Some(inputs.cloned().collect())
    }

    /// Notes that rows have come, so that merging waits for more of them.
    pub(super) fn note_arrival(&mut self) {
        self.resting = false;
        self.rest_due = Some(self.shared.environment.clock.now() + REST_AFTER);
    }
}

/// New segments of which some rows, given by home, have been deleted while they were written.
pub(super) fn live_segments(
    written: &Written,
    history: &History,
    late: Vec<Part>,
) -> Result<Vec<LiveSegment>> {
    let live = |segment: &Arc<PublishedSegment>| {
        let here = late
            .iter()
            .filter(|(home, _)| Arc::ptr_eq(home, segment.home()));
        let deleted = here.fold(RoaringBitmap::new(), |all, (_, rows)| all | rows);
        LiveSegment::new(Arc::clone(segment), history, deleted)
    };
    written.segments.iter().map(live).collect()
}

/// Edits that tell of the deleted rows of new segments, which are in `table` already.
pub(super) fn deleted_edits(table: &TableVersion, written: &Written) -> Vec<Edit> {
    let is_new = |s: &&LiveSegment| {
        written
            .segments
            .iter()
            .any(|w| Arc::ptr_eq(w, &s.view.segment))
    };
    let new = table.segments.iter().filter(is_new);
    new.filter(|s| !s.deleted.is_empty())
        .map(|segment| Edit::Deleted {
            id: table.meta.id,
            file: segment.record.file,
            rows: Arc::clone(&segment.deleted),
        })
        .collect()
}

fn size_of(segment: &LiveSegment, period: Option<usize>) -> Size {
    let zone = period.and_then(|column| segment.zone(column).ok().flatten());
    let period = zone.and_then(|zone| match zone.bounds {
        Bounds::Int(first, last) => Some((first, last)),
        _ => None,
    });
    let (rows, live) = (segment.record.rows, segment.live_rows());
    let raw_bytes = u128::from(segment.record.raw_bytes) * u128::from(live);
    Size {
        file: segment.record.file,
        rows,
        live,
        raw_bytes: (raw_bytes / u128::from(rows.max(1))) as u64,
        period,
    }
}
