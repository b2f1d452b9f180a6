//! Exports under way, and those that ended lately: what SHOW EXPORTS shows and KILL EXPORT stops.
//!
//! Jobs run on threads of their own, which may wait for sockets; neither a session's end nor a dropped
//! future stops one before it has cleaned up.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use futures::StreamExt;
use storno_transfer::{BoxError, Cancel, ExportSpec, Names, Progress, TransferError, export};
use tokio::runtime::{Handle, Runtime};
use tokio::sync::watch;

use crate::error::{Result, SqlError};
use crate::result::Rows;

/// Ended jobs that are still shown.
const ENDED_MAX: usize = 100;
/// Threads that wait for stores. They do not encode.
const THREADS: usize = 2;
/// What `TransferError::Cancelled` is to clients.
const INTERRUPTED: u16 = 1317;
/// How long the engine's end waits for jobs to clean up.
const LAST_WAIT: Duration = Duration::from_secs(8);

/// One export, as others see it.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) id: u64,
    /// The connection that began it.
    pub(crate) connection: u32,
    pub(crate) user: String,
    pub(crate) url: String,
    /// Without secrets.
    pub(crate) statement: String,
    pub(crate) began: chrono::DateTime<chrono::Utc>,
    pub(crate) kind: JobKind,
    pub(crate) progress: Arc<Progress>,
    pub(crate) cancel: Cancel,
    started: Instant,
    end: watch::Sender<Option<JobEnd>>,
}

/// What a job does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum JobKind {
    /// What its files are called: nobody else's, until it has ended and cleaned up.
    Export(Names),
    Backup,
}

impl JobKind {
    /// Whether files of the two could have one name.
    fn meets(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Export(names), Self::Export(others)) => names.meet(others),
            _ => false,
        }
    }
}

/// How a job ended.
#[derive(Debug, Clone)]
pub(crate) struct JobEnd {
    pub(crate) took: Duration,
    pub(crate) result: Result<Summary>,
    /// It ended because somebody cancelled it.
    pub(crate) stopped: bool,
}

/// What was exported.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Summary {
    pub(crate) files: u64,
    pub(crate) rows: u64,
    pub(crate) bytes: u64,
    pub(crate) manifest: Option<String>,
}

/// Who asks for an export, and where it goes.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) connection: u32,
    pub(crate) user: String,
    pub(crate) url: String,
    pub(crate) statement: String,
}

/// All exports of an engine.
#[derive(Debug, Default)]
pub(crate) struct Jobs {
    runtime: OnceLock<Runtime>,
    list: Mutex<List>,
}

#[derive(Debug, Default)]
struct List {
    last_id: u64,
    jobs: VecDeque<Arc<Job>>,
}

impl Job {
    pub(crate) fn ended(&self) -> Option<JobEnd> {
        self.end.borrow().clone()
    }

    pub(crate) fn seconds(&self) -> f64 {
        let took = self
            .ended()
            .map_or_else(|| self.started.elapsed(), |end| end.took);
        took.as_secs_f64()
    }

    /// Has it end soon; 1094 for one that has ended.
    pub(crate) fn stop(&self) -> Result<()> {
        if self.ended().is_some() {
            return Err(SqlError::unknown_thread(&self.id.to_string()));
        }
        self.cancel.cancel();
        Ok(())
    }

    /// Waits for the end.
    pub(crate) async fn wait(&self) -> Result<JobEnd> {
        let mut receiver = self.end.subscribe();
        let end = receiver.wait_for(Option::is_some).await;
        let end = end.map_err(|_| SqlError::interrupted())?.clone();
        end.ok_or_else(SqlError::interrupted)
    }
}

impl Jobs {
    fn list(&self) -> MutexGuard<'_, List> {
        self.list.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where sockets are waited for; begun with the first need of it.
    pub(crate) fn handle(&self) -> Result<Handle> {
        if let Some(runtime) = self.runtime.get() {
            return Ok(runtime.handle().clone());
        }
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(THREADS)
            .thread_name("storno-transfer")
            .enable_all()
            .build()
            .map_err(|e| SqlError::internal(e.to_string()))?;
        // Two that come first at once: one runtime is dropped, where that is allowed.
        if let Err(other) = self.runtime.set(runtime) {
            other.shutdown_background();
        }
        let runtime = self.runtime.get().ok_or_else(SqlError::interrupted)?;
        Ok(runtime.handle().clone())
    }

    /// Begins an export of a query's rows; 1086 while another one is on its way to the same name.
    pub(crate) fn begin(&self, asked: Asked, spec: ExportSpec, rows: Rows) -> Result<Arc<Job>> {
        let batches = rows
            .batches
            .map(|batch| batch.map_err(BoxError::from))
            .boxed();
        let kind = JobKind::Export(spec.names());
        self.start(asked, kind, |progress, cancel| async move {
            let delivery = export(spec, batches, progress, cancel).await;
            let result = delivery.result.map(|exported| Summary {
                files: exported.files.len() as u64,
                rows: exported.rows,
                bytes: exported.bytes,
                manifest: exported.manifest,
            });
            result.map_err(|error| told(error.into(), &delivery.left))
        })
    }

    /// Begins a job. What it does must end soon after it has been cancelled.
    pub(crate) fn start<F>(
        &self,
        asked: Asked,
        kind: JobKind,
        work: impl FnOnce(Arc<Progress>, Cancel) -> F,
    ) -> Result<Arc<Job>>
    where
        F: Future<Output = Result<Summary>> + Send + 'static,
    {
        let handle = self.handle()?;
        let job = {
            let mut list = self.list();
            let mut under_way = list.jobs.iter().filter(|job| job.ended().is_none());
            if let Some(other) = under_way.find(|job| job.kind.meets(&kind)) {
                return Err(TransferError::Exists(other.url.clone()).into());
            }
            list.last_id += 1;
            let job = Arc::new(Job {
                id: list.last_id,
                connection: asked.connection,
                user: asked.user,
                url: asked.url,
                statement: asked.statement,
                began: chrono::Utc::now(),
                kind,
                progress: Arc::default(),
                cancel: Cancel::default(),
                started: Instant::now(),
                end: watch::Sender::new(None),
            });
            list.jobs.push_back(Arc::clone(&job));
            list.forget_old();
            job
        };
        let own = Arc::clone(&job);
        let work = work(Arc::clone(&job.progress), job.cancel.clone());
        handle.spawn(async move {
            let result = work.await;
            // What has failed by itself was not stopped, also if somebody wanted that.
            let interrupted = result.as_ref().is_err_and(|why| why.code == INTERRUPTED);
            let end = JobEnd {
                took: own.started.elapsed(),
                result,
                stopped: interrupted && own.cancel.is_cancelled(),
            };
            own.end.send_replace(Some(end));
        });
        Ok(job)
    }

    /// In the order in which they began.
    pub(crate) fn all(&self) -> Vec<Arc<Job>> {
        self.list().jobs.iter().cloned().collect()
    }

    /// What the job of this connection does, for the list of processes.
    pub(crate) fn of_connection(&self, connection: u32) -> Option<Arc<Job>> {
        let list = self.list();
        let mut jobs = list.jobs.iter().rev();
        jobs.find(|job| job.connection == connection && job.ended().is_none())
            .cloned()
    }

    /// 1094 for a job that is not there.
    pub(crate) fn find(&self, id: u64) -> Result<Arc<Job>> {
        let list = self.list();
        let job = list.jobs.iter().find(|job| job.id == id).cloned();
        job.ok_or_else(|| SqlError::unknown_thread(&id.to_string()))
    }

    /// Stops all jobs and gives them some time to clean up.
    pub(crate) fn shut_down(&mut self) {
        let jobs = std::mem::take(&mut self.list().jobs);
        jobs.iter().for_each(|job| job.cancel.cancel());
        let deadline = Instant::now() + LAST_WAIT;
        while jobs.iter().any(|job| job.ended().is_none()) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        if let Some(runtime) = self.runtime.take() {
            runtime.shutdown_background();
        }
    }
}

impl List {
    fn forget_old(&mut self) {
        let mut ended = self.jobs.iter().filter(|job| job.ended().is_some()).count();
        self.jobs.retain(|job| {
            let forget = ended > ENDED_MAX && job.ended().is_some();
            ended -= usize::from(forget);
            !forget
        });
    }
}

/// An error, and what it has left behind.
fn told(error: SqlError, left: &[String]) -> SqlError {
    let Some(first) = left.first() else {
        return error;
    };
    let message = match left.len() {
        1 => format!("{}; could not remove '{first}'", error.message),
        n => format!(
            "{}; could not remove {n} files, such as '{first}'",
            error.message
        ),
    };
    SqlError { message, ..error }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked() -> Asked {
        Asked {
            connection: 1,
            user: "root".into(),
            url: "file:///x".into(),
            statement: String::new(),
        }
    }

    #[test]
    fn a_job_was_stopped_only_if_that_ended_it() {
        let jobs = Jobs::default();
        let end_of = |job: &Job| {
            let handle = jobs.handle().expect("a runtime");
            handle.block_on(job.wait()).expect("ends")
        };
        let failing = |_, _| async { Err::<Summary, _>(SqlError::server_out_of_memory()) };
        let failed = jobs.start(asked(), JobKind::Backup, failing);
        let failed = failed.expect("begins");
        assert!(!end_of(&failed).stopped);
        assert_eq!(failed.stop().map_err(|e| e.code), Err(1094));
        failed.cancel.cancel();
        assert!(!end_of(&failed).stopped);
        let waiting = |_, cancel: Cancel| async move {
            cancel.cancelled().await;
            Err::<Summary, _>(SqlError::from(TransferError::Cancelled))
        };
        let killed = jobs.start(asked(), JobKind::Backup, waiting);
        let killed = killed.expect("begins");
        killed.stop().expect("runs");
        assert!(end_of(&killed).stopped);
    }
}
