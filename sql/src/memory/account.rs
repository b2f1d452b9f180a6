//! What one statement has reserved, and the way to end it.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tokio::task::AbortHandle;

/// A statement's memory. It is found by its threads through the statement's `Sink`.
#[derive(Debug)]
pub struct Account {
    /// Most bytes the statement may reserve.
    limit: usize,
    reserved: AtomicUsize,
    stopped: AtomicBool,
    /// What executes the statement's plan; `None` before it starts.
    task: Mutex<Option<AbortHandle>>,
}

impl Default for Account {
    fn default() -> Self {
        Self::new(usize::MAX)
    }
}

impl Account {
    /// An account of `limit` bytes (MySQL's connection_memory_limit).
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            reserved: AtomicUsize::new(0),
            stopped: AtomicBool::new(false),
            task: Mutex::new(None),
        }
    }

    /// Bytes that operators have reserved.
    pub fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    /// Most bytes the statement may reserve.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Whether the statement was ended for its memory. Long loops ask, since a task ends only between
    /// its polls.
    pub fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Relaxed)
    }

    /// The statement runs in this task from now on.
    pub fn runs_in(&self, task: AbortHandle) {
        if self.is_stopped() {
            task.abort();
        }
        *self.task.lock().unwrap_or_else(PoisonError::into_inner) = Some(task);
    }

    /// Whether the statement's plan is being executed.
    pub fn is_running(&self) -> bool {
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        task.as_ref().is_some_and(|task| !task.is_finished())
    }

    /// Ends the statement.
    pub(super) fn stop(&self) {
        self.stopped.store(true, Ordering::Relaxed);
        let task = self.task.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(task) = task.as_ref() {
            task.abort();
        }
    }

    /// Whether so many more bytes fit; they are counted if so.
    pub(super) fn try_grow(&self, bytes: usize, limit: usize) -> bool {
        let limit = limit.min(self.limit);
        let grown = |now: usize| now.checked_add(bytes).filter(|sum| *sum <= limit);
        let order = Ordering::Relaxed;
        !self.is_stopped() && self.reserved.fetch_update(order, order, grown).is_ok()
    }

    pub(super) fn grow(&self, bytes: usize) {
        self.reserved.fetch_add(bytes, Ordering::Relaxed);
    }

    /// A reservation may be given back by a thread that works for another statement, or for none: the
    /// count is an estimate that never goes below zero.
    pub(super) fn shrink(&self, bytes: usize) {
        let less = |now: usize| Some(now.saturating_sub(bytes));
        let order = Ordering::Relaxed;
        let _ = self.reserved.fetch_update(order, order, less);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_refuses_what_is_above_its_limit_and_everything_once_stopped() {
        let account = Account::new(100);
        assert!(account.try_grow(60, 1_000));
        assert!(!account.try_grow(41, 1_000), "its own limit");
        assert!(!account.try_grow(20, 70), "the limit of all statements");
        assert!(account.try_grow(40, 1_000));
        account.shrink(500);
        assert_eq!(account.reserved(), 0);
        account.stop();
        assert!(!account.try_grow(1, 1_000));
    }

    #[tokio::test]
    async fn a_stopped_statement_ends_also_if_it_is_stopped_before_it_starts() {
        let account = Account::default();
        account.stop();
        let task = tokio::spawn(std::future::pending::<()>());
        account.runs_in(task.abort_handle());
        assert!(task.await.expect_err("aborted").is_cancelled());
        assert!(!account.is_running());
    }
}
