//! The moving parts. One writer owns every mutable file: it drains a queue of commits, catalog changes
//! and results of background jobs, and publishes versions. Jobs (flush, merge) only create new files.
//!
//! Way of a commit: `Store::submit` prepares it, `queue` holds it, `group` stages, logs, syncs, applies
//! and acknowledges it together with its neighbours; one without neighbours skips the queue: `alone`.
//! `rotation` seals memtables and starts WAL files,
//! `install` takes over what jobs wrote, `catalog` does DDL, `recovery` builds all of it at open. A large
//! commit becomes segments before it is queued: `bulk`.
//!
//! Lock order: altering, writer, then published version or a queue; never two of the latter at once.

mod activity;
mod add_key;
mod alone;
mod alter;
mod background;
mod bulk;
mod care;
mod catalog;
mod clustering;
mod cutting;
mod delete;
pub(crate) mod directory;
mod events;
mod first_events;
mod flush;
mod group;
mod idle;
mod install;
mod merge;
mod parallel;
mod policy;
mod proof;
mod queue;
mod recovery;
mod reserve;
mod retention;
mod rotation;
mod scrub;
mod segments;
mod unique;
mod writer;

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;

use parking_lot::{Mutex, RwLock};

use crate::care::{CareStats, Quarantined};
use crate::commit::{Commit, PreparedCommit};
use crate::format::FileId;
use crate::fs::{FileSystem, Lock};
use crate::keys::{ColumnFolds, KeyHasher};
use crate::manifest::FileIds;
use crate::segment::ChunkCache;
use crate::version::Version;
use crate::{Environment, Error, Options, Result, TableSpec};

use activity::Counters;
pub use activity::{Activity, StepActivity};
use background::JobResult;
pub(crate) use background::Threads;
pub(crate) use bulk::Bulk;
use care::CareJob;
use flush::FlushJob;
use merge::MergeJob;
use queue::Queue;
pub(crate) use writer::Writer;

/// What the writer, the jobs and the callers share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) fs: Arc<dyn FileSystem>,
    pub(crate) dir: PathBuf,
    pub(crate) options: Options,
    pub(crate) environment: Environment,
    pub(crate) database: u64,
    pub(crate) hasher: KeyHasher,
    pub(crate) cache: Arc<ChunkCache>,
    pub(crate) file_ids: FileIds,
    counters: Counters,
    published: RwLock<Arc<Version>>,
    queue: Queue<Message>,
    flushes: Queue<FlushJob>,
    merges: Queue<MergeJob>,
    cares: Queue<CareJob>,
    pub(crate) care_stats: Mutex<CareStats>,
    /// Damaged files that were in use when they were found.
    pub(crate) quarantine: Mutex<BTreeMap<FileId, Quarantined>>,
}

impl Shared {
    /// The newest committed state.
    pub(crate) fn version(&self) -> Arc<Version> {
        Arc::clone(&self.published.read())
    }

    /// How the columns of a table count in keys.
    pub(crate) fn folds(&self, spec: &TableSpec) -> ColumnFolds {
        ColumnFolds::new(self.options.folds.as_ref(), spec)
    }

    fn publish(&self, version: Version) {
        *self.published.write() = Arc::new(version);
    }
}

/// The store's inside. The directory stays locked until the last thread has let go of it.
#[derive(Debug)]
pub(crate) struct Engine {
    pub(crate) shared: Arc<Shared>,
    writer: Mutex<Writer>,
    /// Held by whoever changes the definition of a table; taken before all others.
    altering: Mutex<()>,
    _lock: Box<dyn Lock>,
}

/// What the writer is asked to do.
enum Message {
    Commit(PreparedCommit, Done),
    /// A catalog change or another request; it answers through a channel of its own.
    Request(Box<dyn FnOnce(&mut Writer) + Send>),
    JobDone(JobResult),
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Commit(..) => "Commit",
            Self::Request(_) => "Request",
            Self::JobDone(_) => "JobDone",
        })
    }
}

type Callback = Box<dyn FnOnce(Result<Commit>) + Send>;

/// The callback of a commit. It is called exactly once, whatever happens to the writer: dropped
/// unanswered it reports that writing has stopped.
pub(crate) struct Done(Option<Callback>);

impl Done {
    pub(crate) fn new(callback: Callback) -> Self {
        Self(Some(callback))
    }

    pub(crate) fn call(mut self, result: Result<Commit>) {
        if let Some(callback) = self.0.take() {
            callback(result);
        }
    }
}

impl Drop for Done {
    fn drop(&mut self) {
        if let Some(callback) = self.0.take() {
            callback(Err(Error::ReadOnly(
                "the store was closed or its writer has died".into(),
            )));
        }
    }
}

impl Engine {
    /// Queues a commit, or makes it at once.
    pub(crate) fn submit(&self, commit: PreparedCommit, done: Done) {
        if let Some(message) = self.commit_alone(Message::Commit(commit, done)) {
            // A commit refused by a closed queue answers when it is dropped.
            self.shared.queue.push(message);
        }
    }

    /// Queues a request for the writer.
    pub(crate) fn request(&self, request: Box<dyn FnOnce(&mut Writer) + Send>) {
        self.shared.queue.push(Message::Request(request));
    }

    /// Does everything that is queued, on this thread.
    pub(crate) fn run_writer(&self) {
        let messages = self.shared.queue.drain();
        self.writer.lock().process(messages);
    }
}
