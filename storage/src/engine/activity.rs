//! What the store has done in the background so far, counted step by step, and what is waiting.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use super::segments::Written;
use super::{Engine, Shared};
use crate::Result;

/// Background work since the store was opened.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Activity {
    /// Memtables written into segments.
    pub flush: StepActivity,
    /// Segments merged or rewritten.
    pub merge: StepActivity,
    /// Large commits written into segments directly.
    pub bulk: StepActivity,
    /// How often commits had to wait for flushes or merges, and how long altogether.
    pub stalls: u64,
    pub stalled: Duration,
    /// Full memtables that are not in segments yet, and their bytes in memory.
    pub memtables_waiting: u64,
    pub bytes_waiting: u64,
}

/// All runs of one kind of step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StepActivity {
    pub runs: u64,
    /// Runs that ended with an error.
    pub failures: u64,
    /// Rows and segments written, and the length of their files.
    pub rows: u64,
    pub segments: u64,
    pub bytes: u64,
    /// From the beginning of each run to its end.
    pub time: Duration,
}

/// Counts one kind of step.
#[derive(Debug, Default)]
pub(super) struct StepCounter([AtomicU64; 6]);

#[derive(Debug, Default)]
pub(super) struct Counters {
    pub(super) flush: StepCounter,
    pub(super) merge: StepCounter,
    pub(super) bulk: StepCounter,
    stalls: AtomicU64,
    stalled_nanos: AtomicU64,
}

fn nanos(time: Duration) -> u64 {
    u64::try_from(time.as_nanos()).unwrap_or(u64::MAX)
}

impl StepCounter {
    fn note(&self, result: &Result<Written>, time: Duration) {
        let segments = result.as_ref().map_or(&[][..], |written| &written.segments);
        let sum = |of: fn(&crate::manifest::SegmentRecord) -> u64| {
            segments.iter().map(|s| of(&s.record)).sum::<u64>()
        };
        let more = [
            1,
            u64::from(result.is_err()),
            sum(|record| record.rows),
            segments.len() as u64,
            sum(|record| record.bytes),
            nanos(time),
        ];
        for (counter, more) in self.0.iter().zip(more) {
            counter.fetch_add(more, Ordering::Relaxed);
        }
    }

    fn read(&self) -> StepActivity {
        let [runs, failures, rows, segments, bytes, nanos] =
            self.0.each_ref().map(|c| c.load(Ordering::Relaxed));
        StepActivity {
            runs,
            failures,
            rows,
            segments,
            bytes,
            time: Duration::from_nanos(nanos),
        }
    }
}

impl Counters {
    /// Notes that commits have had to wait for so long.
    pub(super) fn note_stall(&self, time: Duration) {
        self.stalls.fetch_add(1, Ordering::Relaxed);
        self.stalled_nanos.fetch_add(nanos(time), Ordering::Relaxed);
    }
}

impl Shared {
    /// Does a step and counts it.
    pub(super) fn counted(
        &self,
        counter: &StepCounter,
        step: impl FnOnce() -> Result<Written>,
    ) -> Result<Written> {
        let started = self.environment.clock.now();
        let result = step();
        let now = self.environment.clock.now();
        counter.note(&result, now.saturating_sub(started));
        result
    }
}

impl Engine {
    pub(crate) fn activity(&self) -> Activity {
        let counters = &self.shared.counters;
        let version = self.shared.version();
        let sealed = || version.tables.values().flat_map(|t| &t.sealed);
        Activity {
            flush: counters.flush.read(),
            merge: counters.merge.read(),
            bulk: counters.bulk.read(),
            stalls: counters.stalls.load(Ordering::Relaxed),
            stalled: Duration::from_nanos(counters.stalled_nanos.load(Ordering::Relaxed)),
            memtables_waiting: sealed().count() as u64,
            bytes_waiting: sealed().map(|m| m.bytes()).sum(),
        }
    }
}
