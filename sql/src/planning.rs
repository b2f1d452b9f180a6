//! Threads with large stacks on which statements are parsed and planned.
//!
//! Syntax trees and logical plans are recursive; their depth is limited (`dialect::limits`), but what
//! the limits allow would still overflow a 2 MiB stack. Trees never leave these threads.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use tokio::sync::oneshot;

use crate::error::{Result, SqlError};

/// Reserved, not committed: pages are taken as they are touched.
const STACK_BYTES: usize = 256 << 20;

type Job = Box<dyn FnOnce() + Send>;

/// Runs `work` on a large stack and waits, where no thread of a pool may be waited for. A panic in it is an
/// error.
pub(crate) fn on_large_stack<T: Send>(work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
    let failed = |why: String| SqlError::internal(format!("Internal error: {why}"));
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(STACK_BYTES);
        let thread = thread.spawn_scoped(scope, work);
        let thread = thread.map_err(|why| failed(why.to_string()))?;
        thread
            .join()
            .unwrap_or_else(|_| Err(failed("a panic".into())))
    })
}

/// A fixed number of planning threads. They end when the pool is dropped.
#[derive(Debug)]
pub struct PlanningPool {
    jobs: mpsc::Sender<Job>,
}

impl PlanningPool {
    pub fn new(threads: usize) -> std::io::Result<Self> {
        let (jobs, receiver) = mpsc::channel::<Job>();
        let receiver = Arc::new(Mutex::new(receiver));
        for i in 0..threads.max(1) {
            let receiver = Arc::clone(&receiver);
            std::thread::Builder::new()
                .name(format!("storno-plan-{i}"))
                .stack_size(STACK_BYTES)
                .spawn(move || {
                    loop {
                        let job = receiver
                            .lock()
                            .unwrap_or_else(PoisonError::into_inner)
                            .recv();
                        match job {
                            Ok(job) => job(),
                            Err(_) => return,
                        }
                    }
                })?;
        }
        Ok(Self { jobs })
    }

    /// Runs `work` on a planning thread. A panic in it is an error of this statement alone.
    pub async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (sender, receiver) = oneshot::channel();
        let job = Box::new(move || {
            let result = catch_unwind(AssertUnwindSafe(work)).unwrap_or_else(|_| {
                tracing::error!("planning a statement panicked");
                Err(SqlError::internal(
                    "Internal error while planning the statement",
                ))
            });
            // The statement may have been cancelled meanwhile.
            let _ = sender.send(result);
        });
        let gone = || SqlError::new(1053, "08S01", "Server shutdown in progress");
        self.jobs.send(job).map_err(|_| gone())?;
        receiver.await.map_err(|_| gone())?
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_panic_ends_the_statement_and_not_the_thread() {
        let pool = PlanningPool::new(1).expect("starts");
        let failed: Result<()> = pool.run(|| panic!("planned to fail")).await;
        assert_eq!(failed.expect_err("panicked").code, 1105);
        assert_eq!(pool.run(|| Ok(7)).await, Ok(7));
    }
}
