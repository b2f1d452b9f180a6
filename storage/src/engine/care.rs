//! Background care: what keeps a store in order besides flushes and merges, one job at a time, on a thread
//! of its own. A round begins every minute; what a job brings is taken over by the writer like any
//! other result. What the jobs do is in the neighbouring files.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::events::MergeRuns;
use super::writer::Writer;
use crate::Result;
use crate::events::EventRun;
use crate::format::FileId;

/// Time between rounds.
const ROUND: Duration = Duration::from_secs(60);

#[derive(Debug)]
pub(crate) enum CareJob {
    MergeRuns(MergeRuns),
}

#[derive(Debug)]
pub(crate) enum CareResult {
    MergeRuns(MergeRuns, Result<Arc<EventRun>>),
}

/// What the writer knows of it.
#[derive(Debug, Default)]
pub(crate) struct Care {
    /// When the next round begins.
    due: Duration,
    busy: bool,
    /// A job found the disk full: nothing more is tried in this round.
    pub(super) full: bool,
    /// Runs of event keys that could not be read for a merge.
    pub(super) unreadable_runs: HashSet<FileId>,
}

impl CareJob {
    pub(super) fn run(self, shared: &Shared) -> CareResult {
        match self {
            Self::MergeRuns(job) => {
                let result = super::background::guarded(|| job.run(shared));
                CareResult::MergeRuns(job, result)
            }
        }
    }
}

impl Writer {
    /// When the next round begins.
    pub(super) fn care_due(&self) -> Duration {
        self.care.due
    }

    /// Begins a round if it is time.
    pub(super) fn keep_care(&mut self, now: Duration) {
        if self.care.due > now || self.stopped.is_some() {
            return;
        }
        self.care.due = now + ROUND;
        self.care.full = false;
        if let Err(error) = self.forget_events() {
            tracing::warn!(%error, "event keys that are out of their window stay");
        }
        self.queue_care();
    }

    /// Starts the next job if one is due and none is under way.
    pub(super) fn queue_care(&mut self) {
        if self.care.busy || self.care.full || self.stopped.is_some() {
            return;
        }
        let job = self.choose_runs().map(CareJob::MergeRuns);
        if let Some(job) = job {
            self.care.busy = true;
            self.shared.cares.push(job);
        }
    }

    pub(super) fn install_care(&mut self, result: CareResult) {
        self.care.busy = false;
        match result {
            CareResult::MergeRuns(job, result) => self.install_runs(&job, result),
        }
        self.queue_care();
    }
}
