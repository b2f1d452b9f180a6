//! The writer: the one owner of the manifest and of the newest WAL file, and of what decides about
//! commits. It takes messages in order; the parts of its work are in the neighbouring files.

use std::collections::{HashSet, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::Sender;
use std::time::Duration;

use super::care::Care;
use super::{Done, Message, Shared, reserve};
use crate::commit::PreparedCommit;
use crate::format::FileId;
use crate::manifest::{Edit, ManifestLog};
use crate::memtable::Memtable;
use crate::version::{TableVersion, Version};
use crate::wal::WalLog;
use crate::{Error, Result, TableId};

/// How long written but unsynced commits may stay so.
const SYNC_INTERVAL: Duration = Duration::from_secs(1);

/// Small segments of a table beyond which commits wait for merges.
const SMALL_SEGMENTS_MAX: usize = 1000;
/// And those of each of its shards, if that is more.
const SHARD_SMALL_MAX: usize = 16;

/// A caller of `Store::flush`, waiting until none of the memtables is left.
#[derive(Debug)]
pub(crate) struct FlushWaiter {
    pub(crate) memtables: Vec<Arc<Memtable>>,
    pub(crate) reply: Sender<Result<()>>,
}

#[derive(Debug)]
pub(crate) struct Writer {
    pub(crate) shared: Arc<Shared>,
    pub(crate) manifest: ManifestLog,
    pub(crate) wal: WalLog,
    /// What is published, kept to make the next one of.
    pub(crate) version: Version,
    /// Commits that have to wait for memory or for their turn.
    pub(crate) waiting: VecDeque<Waiting>,
    /// Commits of the last group.
    pub(crate) group_size: usize,
    /// How long the last sync of a group took.
    pub(crate) sync_time: Duration,
    /// Until when the writer's thread waits for something to do.
    pub(crate) wakes_at: Option<Duration>,
    /// Sealed memtables whose flush is queued or under way.
    pub(crate) flushing: Vec<Arc<Memtable>>,
    pub(crate) flush_waiters: Vec<FlushWaiter>,
    /// When the WAL must be synced at the latest.
    pub(crate) sync_due: Option<Duration>,
    /// The flush that failed for want of space, and when to try again.
    pub(crate) flush_retry: Option<(Error, Duration)>,
    /// The same for merges.
    pub(crate) merge_retry: Option<Duration>,
    pub(crate) merging: bool,
    /// The table of the last merge.
    pub(crate) merged_last: Option<TableId>,
    /// When nothing will have come for long enough to merge what is left.
    pub(crate) rest_due: Option<Duration>,
    /// Whether that is so.
    pub(crate) resting: bool,
    /// Before this moment no memtable is flushed for having rested or being old.
    pub(crate) idle_not_before: Duration,
    /// Segments that could not be read for a merge.
    pub(crate) unmergeable: HashSet<FileId>,
    /// Since when commits have had to wait for flushes or merges.
    pub(crate) stalled_since: Option<Duration>,
    /// Segments to be rewritten for every deleted row.
    pub(crate) erasing: HashSet<FileId>,
    pub(crate) care: Care,
    /// Why writing has stopped, once it has.
    pub(crate) stopped: Option<String>,
}

pub(crate) struct Waiting {
    pub(crate) commit: PreparedCommit,
    pub(crate) done: Done,
}

impl std::fmt::Debug for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.commit.fmt(f)
    }
}

impl Writer {
    pub(super) fn new(
        shared: Arc<Shared>,
        manifest: ManifestLog,
        wal: WalLog,
        version: Version,
    ) -> Self {
        Self {
            shared,
            manifest,
            wal,
            version,
            waiting: VecDeque::new(),
            group_size: 0,
            sync_time: Duration::ZERO,
            wakes_at: None,
            flushing: Vec::new(),
            flush_waiters: Vec::new(),
            sync_due: None,
            flush_retry: None,
            merge_retry: None,
            merging: false,
            merged_last: None,
            rest_due: None,
            resting: false,
            idle_not_before: Duration::ZERO,
            stalled_since: None,
            unmergeable: HashSet::new(),
            erasing: HashSet::new(),
            care: Care::default(),
            stopped: None,
        }
    }

    /// Starts what recovery found to be due.
    pub(crate) fn catch_up(&mut self) {
        self.seal_full();
        self.note_arrival();
        self.queue_merge();
    }

    /// Handles messages in order. A panic in here leaves the state in doubt and stops writing.
    pub(super) fn process(&mut self, messages: Vec<Message>) {
        let work = std::panic::AssertUnwindSafe(|| {
            for message in messages {
                match message {
                    Message::Commit(commit, done) => {
                        self.waiting.push_back(Waiting { commit, done });
                    }
                    Message::Request(request) => {
                        self.run_commits();
                        request(self);
                    }
                    Message::JobDone(result) => self.install(result),
                }
            }
            self.run_commits();
            self.keep_time();
        });
        if std::panic::catch_unwind(work).is_err() {
            self.stop("a panic in the writer");
            // Nobody else answers them.
            self.run_commits();
        }
    }

    /// Commits what is waiting, group by group, as far as memory allows.
    fn run_commits(&mut self) {
        while !self.waiting.is_empty() {
            if let Err(error) = self.admit() {
                self.waiting
                    .drain(..)
                    .for_each(|w| w.done.call(Err(error.clone())));
            } else if self.has_room() {
                self.note_room();
                self.commit_group();
                self.seal_full();
            } else {
                let now = self.now();
                self.stalled_since.get_or_insert(now);
                return;
            }
        }
        self.note_room();
    }

    /// Notes that commits have to wait no longer.
    fn note_room(&mut self) {
        if let Some(since) = self.stalled_since.take() {
            let time = self.now().saturating_sub(since);
            self.shared.counters.note_stall(time);
        }
    }

    /// Whether commits may be taken on at all.
    fn admit(&self) -> Result<()> {
        self.writable()?;
        match &self.flush_retry {
            Some((error, _)) if !self.has_room() => Err(error.clone()),
            _ => Ok(()),
        }
    }

    pub(crate) fn writable(&self) -> Result<()> {
        match &self.stopped {
            Some(reason) => Err(Error::ReadOnly(reason.clone())),
            None => Ok(()),
        }
    }

    /// Whether memtables waiting to be flushed, and segments to be merged, leave room for more.
    fn has_room(&self) -> bool {
        let sealed = self.version.tables.values().flat_map(|t| &t.sealed);
        let bytes: u64 = sealed.map(|m| m.bytes()).sum();
        bytes <= 3 * self.shared.options.memtable_bytes as u64 && !self.merging_lags()
    }

    /// Whether merging has fallen far behind, and goes on by itself.
    fn merging_lags(&self) -> bool {
        let options = &self.shared.options;
        let lags = |table: &TableVersion| {
            let spec = &table.meta.spec;
            let small = options.segment_rows_of(spec) / 8;
            let shards = options.shards_of(spec) as usize;
            let small_max = SMALL_SEGMENTS_MAX.max(SHARD_SMALL_MAX * shards);
            let small = table.segments.iter().filter(|s| s.record.rows < small);
            small.count() > small_max
        };
        self.merging && self.version.tables.values().any(|t| lags(t))
    }

    /// Stops writing for good. Reading goes on.
    pub(crate) fn stop(&mut self, reason: &str) {
        if self.stopped.is_none() {
            tracing::error!(reason, "writes are stopped until restart");
            self.stopped = Some(reason.to_owned());
        }
        let error = Error::ReadOnly(reason.to_owned());
        for waiter in self.flush_waiters.drain(..) {
            // A caller that has gone away needs no answer.
            let _ = waiter.reply.send(Err(error.clone()));
        }
    }

    /// Passes an error on, after stopping if what it concerns is now in an unknown state. A full disk
    /// leaves both logs as they were.
    pub(crate) fn check<T>(&mut self, result: Result<T>) -> Result<T> {
        if let Err(error) = &result
            && !error.is_no_space()
        {
            self.stop(&error.to_string());
        }
        result
    }

    /// Makes all commits durable.
    pub(crate) fn log_synced(&mut self) -> Result<()> {
        self.writable()?;
        let synced = self.wal.sync();
        self.check(synced)?;
        self.sync_due = None;
        Ok(())
    }

    /// Writes edits to the manifest. What they say of commits must be durable first.
    pub(crate) fn log_edits(&mut self, edits: &[Edit]) -> Result<()> {
        self.log_synced()?;
        let sequence = self.version.sequence;
        if self.manifest.wants_rewrite() {
            let rewritten = self.manifest.rewrite(sequence);
            self.check(rewritten)?;
        }
        let mut appended = self.manifest.append(edits, sequence);
        if appended.as_ref().is_err_and(Error::is_no_space)
            && reserve::give_up(&*self.shared.fs, &self.shared.dir)
        {
            appended = self.manifest.append(edits, sequence);
        }
        self.check(appended)
    }

    /// Makes the writer's version the published one.
    pub(crate) fn publish(&self) {
        self.shared.publish(self.version.clone());
    }

    pub(super) fn now(&self) -> Duration {
        self.shared.environment.clock.now()
    }

    /// Notes that commits are not on the disk yet.
    pub(crate) fn note_unsynced(&mut self) {
        if self.wal.is_synced() {
            self.sync_due = None;
        } else if self.sync_due.is_none() {
            self.sync_due = Some(self.now() + SYNC_INTERVAL);
        }
    }

    /// When `keep_time` has something to do next.
    pub(crate) fn deadline(&self) -> Option<Duration> {
        if self.stopped.is_some() {
            return None;
        }
        let flush = self.flush_retry.as_ref().map(|(_, at)| *at);
        let care = Some(self.care_due());
        let merge = [self.merge_retry, self.rest_due];
        [self.sync_due, flush, self.idle_due(), care]
            .into_iter()
            .chain(merge)
            .flatten()
            .min()
    }

    /// Does what has become due.
    fn keep_time(&mut self) {
        let now = self.now();
        if self.sync_due.is_some_and(|due| due <= now) && self.stopped.is_none() {
            let synced = self.wal.sync();
            // Acknowledged by contract before it was durable: nobody waits for the error.
            if self.check(synced).is_ok() {
                self.sync_due = None;
            } else {
                self.sync_due = self.stopped.is_none().then_some(now + SYNC_INTERVAL);
            }
        }
        if self
            .flush_retry
            .as_ref()
            .is_some_and(|(_, due)| *due <= now)
        {
            self.flush_retry = None;
            self.queue_flushes();
            self.run_commits();
        }
        self.seal_idle(now);
        if self.merge_retry.is_some_and(|due| due <= now) {
            self.merge_retry = None;
            self.queue_merge();
        }
        if self.rest_due.is_some_and(|due| due <= now) {
            self.rest_due = None;
            self.resting = true;
            self.queue_merge();
        }
        self.keep_care(now);
    }

    /// Ends cleanly: everything is made durable, and each log vouches for the other's end, so that
    /// damage to either is noticed at the next open.
    pub(crate) fn close(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        let closed = self.log_edits(&[]).and_then(|()| {
            self.wal
                .append(self.version.sequence + 1, 0, self.manifest.edit(), &[]);
            self.wal.sync()?;
            self.wal.trim();
            Ok(())
        });
        if let Err(error) = closed {
            tracing::warn!(%error, "the store was not closed cleanly");
        }
        self.stopped = Some("the store is closed".into());
    }
}
