//! Taking over what background jobs wrote: one manifest record names the new files and drops the old
//! ones; only then do versions change and files go.

use std::sync::Arc;
use std::time::Duration;

use super::background::JobResult;
use super::flush::FlushJob;
use super::merge::MergeJob;
use super::policy;
use super::writer::Writer;
use crate::manifest::{Edit, SegmentRecord};
use crate::segment::PublishedSegment;
use crate::{Error, Result};

/// Pause before a job that found the disk full is tried again.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

type Segments = Vec<Arc<PublishedSegment>>;

/// Gives up new files that are certain not to be named by the manifest. After any other error the
/// record that names them may or may not be on the disk, and the files must stay.
fn abandon_unless_named(installed: &Result<bool>, segments: &Segments) {
    let unnamed = match installed {
        Ok(named) => !named,
        Err(error) => error.is_no_space(),
    };
    if unnamed {
        segments.iter().for_each(|segment| segment.make_obsolete());
    }
}

impl Writer {
    pub(super) fn install(&mut self, result: JobResult) {
        match result {
            JobResult::Flush(job, result) => self.install_flush(job, result),
            JobResult::Merge(job, result) => self.install_merge(job, result),
        }
        self.queue_merge();
    }

    fn retry_at(&self) -> Duration {
        self.shared.environment.clock.now() + RETRY_INTERVAL
    }

    fn install_flush(&mut self, job: FlushJob, result: Result<Segments>) {
        self.flushing.retain(|m| !Arc::ptr_eq(m, &job.memtable));
        let installed = result.and_then(|segments| {
            let installed = self.add_flushed(&job, &segments);
            abandon_unless_named(&installed, &segments);
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
        if !error.is_no_space() {
            self.stop(&format!("a flush failed: {error}"));
            return;
        }
        tracing::warn!(%error, "a flush found the disk full and will be tried again");
        for waiter in self.flush_waiters.drain(..) {
            let _ = waiter.reply.send(Err(error.clone()));
        }
        self.flush_retry = Some((error, self.retry_at()));
    }

    /// Names the segments of a flush. `false` when the memtable is no longer wanted.
    fn add_flushed(&mut self, job: &FlushJob, segments: &[Arc<PublishedSegment>]) -> Result<bool> {
        let id = job.meta.id;
        let wanted = |s: &Arc<_>| Arc::ptr_eq(s, &job.memtable);
        let table = self.version.table(id);
        // Dropped or truncated while it was written.
        let Some(at) = table.ok().and_then(|t| t.sealed.iter().position(wanted)) else {
            return Ok(false);
        };
        // INVARIANT: the memtables of a table become segments in the order they were sealed, so that
        // "flushed up to a sequence" says all. This one overtook another that had to be tried again.
        if at != 0 {
            return Ok(false);
        }
        let mut next = self.version.clone();
        next.change(id, |table| {
            table.sealed.remove(0);
            Arc::make_mut(&mut table.segments).extend(segments.iter().cloned());
        });
        let counter = next.table(id)?.counter.next();
        let added = segments.iter().map(|s| s.record).collect();
        let wal = self.unneeded_wal(&next);
        let mut edits = vec![
            Edit::Segments {
                id,
                removed: Vec::new(),
                added,
            },
            Edit::Flushed {
                id,
                sequence: job.memtable.last_sequence(),
            },
            Edit::Counter { id, next: counter },
        ];
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        Ok(true)
    }

    fn install_merge(&mut self, job: MergeJob, result: Result<Segments>) {
        self.merging = false;
        let installed = result.and_then(|segments| {
            let installed = self.replace_merged(&job, &segments);
            abandon_unless_named(&installed, &segments);
            installed
        });
        match installed {
            Ok(_) => {}
            Err(error) if error.is_no_space() => self.merge_retry = Some(self.retry_at()),
            Err(error @ (Error::Corruption { .. } | Error::UnsupportedVersion { .. })) => {
                tracing::error!(%error, "a segment cannot be merged");
                self.unmergeable
                    .extend(job.inputs.iter().map(|s| s.record.file));
            }
            Err(error) => self.stop(&format!("a merge failed: {error}")),
        }
    }

    /// Replaces the inputs of a merge. `false` when they are no longer all there.
    fn replace_merged(&mut self, job: &MergeJob, merged: &[Arc<PublishedSegment>]) -> Result<bool> {
        let id = job.meta.id;
        let is_input = |s: &Arc<PublishedSegment>| job.inputs.iter().any(|i| Arc::ptr_eq(i, s));
        let Ok(table) = self.version.table(id) else {
            return Ok(false);
        };
        if table.segments.iter().filter(|s| is_input(s)).count() != job.inputs.len() {
            return Ok(false);
        }
        let removed = job.inputs.iter().map(|s| s.record.file).collect();
        let added = merged.iter().map(|s| s.record).collect();
        self.log_edits(&[Edit::Segments { id, removed, added }])?;
        self.version.change(id, |table| {
            let segments = Arc::make_mut(&mut table.segments);
            segments.retain(|s| !is_input(s));
            segments.extend(merged.iter().cloned());
        });
        self.publish();
        job.inputs.iter().for_each(|s| s.make_obsolete());
        Ok(true)
    }

    /// Starts a merge if one is worth it and none is under way.
    pub(super) fn queue_merge(&mut self) {
        if self.merging || self.merge_retry.is_some() || self.stopped.is_some() {
            return;
        }
        let segment_rows = self.shared.options.segment_rows as u64;
        for table in self.version.tables.values() {
            let good = table
                .segments
                .iter()
                .filter(|s| s.reader().is_ok() && !self.unmergeable.contains(&s.record.file));
            let records: Vec<SegmentRecord> = good.map(|s| s.record).collect();
            let Some(chosen) = policy::choose(&records, segment_rows) else {
                continue;
            };
            let inputs = table.segments.iter().filter(|s| chosen.contains(&s.record));
            let inputs = inputs.cloned().collect();
            self.merging = true;
            self.shared.merges.push(MergeJob {
                meta: Arc::clone(&table.meta),
                inputs,
            });
            return;
        }
    }
}
