//! Background care: what keeps a store in order besides flushes and merges, one job at a time, on a thread
//! of its own. A round begins every minute; what a job brings is taken over by the writer like any
//! other result. What the jobs do is in the neighbouring files.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::background::guarded;
use super::events::MergeRuns;
use super::retention::{Expire, Sweep};
use super::scrub::{Scrub, Scrubbed};
use super::writer::Writer;
use crate::care::CareStats;
use crate::events::EventRun;
use crate::expire::Expired;
use crate::format::FileId;
use crate::{Result, TableId};

/// Time between rounds.
const ROUND: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) enum CareJob {
    MergeRuns(MergeRuns),
    Expire(Expire),
    Scrub(Box<Scrub>),
}

#[derive(Debug)]
pub(crate) enum CareResult {
    MergeRuns(MergeRuns, Result<Arc<EventRun>>),
    Expire(Expire, Result<Expired>),
    Scrub(Box<Scrub>, Result<Scrubbed>),
}

/// What the writer knows of it.
#[derive(Debug, Default)]
pub(crate) struct Care {
    /// When the next round begins.
    due: Duration,
    busy: bool,
    /// Whether a round has been begun.
    has_begun: bool,
    /// A job found the disk full, or no handle for a file: event keys are not merged in this round.
    pub(super) full: bool,
    /// Runs of event keys that could not be read for a merge.
    pub(super) unreadable_runs: HashSet<FileId>,
    /// When tables were last looked at for rows that are too old, in seconds since 1970.
    pub(super) looked: BTreeMap<TableId, u64>,
    /// Sweeps under way.
    pub(super) sweeps: Vec<Sweep>,
    /// When the next file is to be scrubbed.
    pub(super) scrub_due: Duration,
    /// Files that this pass has read, when it began, and what puts them in order.
    pub(super) scrubbed: HashSet<FileId>,
    pub(super) pass_began: Option<Duration>,
    pub(super) salt: u64,
}

impl CareJob {
    pub(super) fn run(self, shared: &Shared) -> CareResult {
        match self {
            Self::MergeRuns(job) => {
                let result = guarded(|| job.run(shared));
                CareResult::MergeRuns(job, result)
            }
            Self::Expire(job) => {
                let result = guarded(|| job.run(shared));
                CareResult::Expire(job, result)
            }
            Self::Scrub(job) => {
                let result = guarded(|| job.run(shared));
                CareResult::Scrub(job, result)
            }
        }
    }
}

impl Writer {
    /// When something is to be done next.
    pub(super) fn care_due(&self) -> Duration {
        match self.care.busy || self.shared.options.scrub_bytes_per_second == 0 {
            true => self.care.due,
            false => self.care.due.min(self.care.scrub_due),
        }
    }

    /// Does what is due.
    pub(super) fn keep_care(&mut self, now: Duration) {
        if self.stopped.is_some() {
            return;
        }
        self.go_on_sweeping();
        if self.care.due <= now {
            self.care.due = now + ROUND;
            self.care.full = false;
            // Not at once: many a store is open for a moment only.
            if std::mem::replace(&mut self.care.has_begun, true) {
                self.keep_reserve();
            }
            if let Err(error) = self.forget_events() {
                tracing::warn!(%error, "event keys that are out of their window stay");
            }
            self.begin_sweeps();
        }
        self.queue_care();
    }

    /// Starts the next job if one is due and none is under way.
    pub(super) fn queue_care(&mut self) {
        if self.care.busy || self.stopped.is_some() {
            return;
        }
        // What gives space back comes first.
        let expire = self.choose_expire().map(CareJob::Expire);
        let runs = |writer: &mut Self| match writer.care.full {
            true => None,
            false => writer.choose_runs().map(CareJob::MergeRuns),
        };
        let scrub = |writer: &mut Self| writer.choose_scrub().map(|job| CareJob::Scrub(job.into()));
        let job = expire.or_else(|| runs(self)).or_else(|| scrub(self));
        if let Some(job) = job {
            self.care.busy = true;
            self.shared.cares.push(job);
        }
    }

    pub(super) fn install_care(&mut self, result: CareResult) {
        self.care.busy = false;
        match result {
            CareResult::MergeRuns(job, result) => self.install_runs(&job, result),
            CareResult::Expire(job, result) => self.install_expired(&job, result),
            CareResult::Scrub(job, result) => self.install_scrubbed(&job, result),
        }
        self.queue_care();
    }

    pub(super) fn count_care(&self, count: impl FnOnce(&mut CareStats)) {
        count(&mut self.shared.care_stats.lock());
    }
}
