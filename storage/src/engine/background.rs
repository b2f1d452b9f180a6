//! The threads: one runs the writer, one flushes, one merges. With the manual schedule there are none
//! and the owner of the store runs the same steps.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::{self, JoinHandle};

use super::care::{CareJob, CareResult};
use super::flush::FlushJob;
use super::merge::MergeJob;
use super::segments::Written;
use super::{Engine, Message, Shared};
use crate::{Error, Result};

/// What a job brings to the writer.
#[derive(Debug)]
pub(super) enum JobResult {
    Flush(FlushJob, Result<Written>),
    Merge(MergeJob, Result<Written>),
    Care(CareResult),
}

/// Runs a job; a panic in it is an error that stops writing.
pub(super) fn guarded<T>(job: impl FnOnce() -> Result<T>) -> Result<T> {
    catch_unwind(AssertUnwindSafe(job))
        .unwrap_or_else(|_| Err(Error::ReadOnly("a panic in a background job".into())))
}

impl Shared {
    fn run_flush(&self, job: FlushJob) {
        let result = self.counted(&self.counters.flush, || guarded(|| job.run(self)));
        self.queue
            .push(Message::JobDone(JobResult::Flush(job, result)));
    }

    fn run_merge(&self, job: MergeJob) {
        let result = self.counted(&self.counters.merge, || guarded(|| job.run(self)));
        self.queue
            .push(Message::JobDone(JobResult::Merge(job, result)));
    }

    fn run_care(&self, job: CareJob) {
        let result = job.run(self);
        self.queue.push(Message::JobDone(JobResult::Care(result)));
    }

    /// Runs the oldest flush that is queued, on this thread.
    pub(crate) fn run_one_flush(&self) -> bool {
        self.flushes.pop().map(|job| self.run_flush(job)).is_some()
    }

    /// Runs the job of care that is queued, on this thread.
    pub(crate) fn run_one_care(&self) -> bool {
        self.cares.pop().map(|job| self.run_care(job)).is_some()
    }

    /// Runs the merge that is queued, on this thread.
    pub(crate) fn run_one_merge(&self) -> bool {
        self.merges.pop().map(|job| self.run_merge(job)).is_some()
    }
}

/// The running threads of a store.
#[derive(Debug, Default)]
pub(crate) struct Threads(Vec<JoinHandle<()>>);

impl Threads {
    /// Starts them. After an error `Engine::close` ends those that run.
    pub(crate) fn start(&mut self, engine: &Arc<Engine>) -> Result<()> {
        let writer = Arc::clone(engine);
        self.spawn("storno-wal", move || run_writer(&writer))?;
        let shared = Arc::clone(&engine.shared);
        self.spawn("storno-flush", move || {
            while let Some(job) = shared.flushes.wait_one() {
                shared.run_flush(job);
            }
        })?;
        let shared = Arc::clone(&engine.shared);
        self.spawn("storno-care", move || {
            while let Some(job) = shared.cares.wait_one() {
                shared.run_care(job);
            }
        })?;
        let shared = Arc::clone(&engine.shared);
        self.spawn("storno-merge", move || {
            while let Some(job) = shared.merges.wait_one() {
                shared.run_merge(job);
            }
        })
    }

    fn spawn(&mut self, name: &str, run: impl FnOnce() + Send + 'static) -> Result<()> {
        let thread = thread::Builder::new().name(name.into()).spawn(run);
        let thread = thread.map_err(|e| Error::io("start", std::path::Path::new(name), &e))?;
        self.0.push(thread);
        Ok(())
    }

    /// Waits for the threads to end; the queues have been closed. The last handle of a store may be
    /// dropped by a callback, on the writer's own thread: that one ends by itself.
    pub(crate) fn join(&mut self) {
        for thread in self.0.drain(..) {
            if thread.thread().id() != thread::current().id() {
                // The threads catch panics; if one died all the same there is nothing left to do.
                let _ = thread.join();
            }
        }
    }
}

fn run_writer(engine: &Engine) {
    loop {
        let clock = &engine.shared.environment.clock;
        let deadline = {
            let mut writer = engine.writer.lock();
            writer.wakes_at = writer.deadline();
            writer.wakes_at
        };
        let timeout = deadline.map(|due| due.saturating_sub(clock.now()));
        let (messages, closed) = engine.shared.queue.wait(timeout);
        let last = closed && messages.is_empty();
        engine.writer.lock().process(messages);
        if last {
            engine.writer.lock().close();
            return;
        }
    }
}

impl Engine {
    /// Ends the background work: queued commits are still done, queued jobs are not.
    pub(crate) fn close(&self, threads: &mut Threads) {
        self.shared.flushes.abandon();
        self.shared.merges.abandon();
        self.shared.cares.abandon();
        self.shared.queue.close();
        if threads.0.is_empty() {
            self.run_writer();
            self.writer.lock().close();
        }
        threads.join();
    }
}
