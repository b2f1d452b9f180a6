//! Where functions leave the warnings of the statement they run for, and find its memory account.
//!
//! A statement has one [`Sink`]. It is current on a thread while that thread works for the statement:
//! during a call (`within`), during each poll of a future (`carry`), and, by a tracer that DataFusion
//! asks, in the tasks which a plan spawns. Work for no statement leaves its warnings nowhere.

use std::any::Any;
use std::cell::RefCell;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use datafusion::common::runtime::{JoinSetTracer, set_join_set_tracer};
use futures::future::{BoxFuture, FutureExt};

use crate::error::{Level, SqlError, Warning};
use crate::memory::Account;

thread_local! {
    static CURRENT: RefCell<Option<Sink>> = const { RefCell::new(None) };
}

/// The warnings of one statement, from all of its threads. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Sink(Arc<Inner>);

#[derive(Debug, Default)]
struct Inner {
    /// max_error_count: more warnings are counted, not kept.
    kept_max: usize,
    /// Is a division by zero worth a warning (sql_mode ERROR_FOR_DIVISION_BY_ZERO)?
    division_by_zero: bool,
    /// Did one happen that is?
    divided: AtomicBool,
    warnings: AtomicU64,
    errors: AtomicU64,
    kept: Mutex<Vec<Warning>>,
    /// What LAST_INSERT_ID(expr) was given last.
    insert_id: Mutex<Option<u64>>,
    account: Arc<Account>,
    over: Over,
}

/// Whether a statement is over: nobody waits for its answer any more, nor for what it has begun. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Over(Arc<End>);

#[derive(Debug, Default)]
struct End {
    is_over: AtomicBool,
    /// The statement has begun what does not end with its answer.
    goes_on: AtomicBool,
}

impl Over {
    /// The statement was answered, or nobody waits for that any more.
    pub(crate) fn answered(&self) {
        if !self.0.goes_on.load(Ordering::Relaxed) {
            self.0.is_over.store(true, Ordering::Relaxed);
        }
    }
}

/// What a statement has begun and may be longer than its answer: it is over when this is dropped.
#[derive(Debug)]
pub(crate) struct GoingOn(Over);

impl Drop for GoingOn {
    fn drop(&mut self) {
        self.0.0.is_over.store(true, Ordering::Relaxed);
    }
}

impl Sink {
    pub fn new(kept_max: usize, division_by_zero: bool) -> Self {
        Self(Arc::new(Inner {
            kept_max,
            division_by_zero,
            ..Inner::default()
        }))
    }

    /// The same with a bound on the memory that the statement may reserve, and with its end.
    pub(crate) fn of_statement(
        kept_max: usize,
        division_by_zero: bool,
        memory: usize,
        over: Over,
    ) -> Self {
        Self(Arc::new(Inner {
            kept_max,
            division_by_zero,
            account: Arc::new(Account::new(memory)),
            over,
            ..Inner::default()
        }))
    }

    /// What runs for the statement is over with the result of this, not with the statement's answer.
    pub(crate) fn outlive(&self) -> GoingOn {
        self.0.over.0.goes_on.store(true, Ordering::Relaxed);
        GoingOn(self.0.over.clone())
    }

    /// The statement's memory.
    pub fn account(&self) -> &Arc<Account> {
        &self.0.account
    }

    /// Warnings, notes and errors that came, kept or not.
    pub fn total(&self) -> u64 {
        self.0.warnings.load(Ordering::Relaxed)
    }

    /// Errors among them.
    pub fn errors(&self) -> u64 {
        self.0.errors.load(Ordering::Relaxed)
    }

    /// Those that were kept, in the order in which they came.
    pub fn kept(&self) -> Vec<Warning> {
        let kept = self.0.kept.lock();
        kept.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// 1365 for a statement that writes in strict mode, where a division by zero is no mere warning.
    pub fn check_division(&self, strict: bool) -> crate::Result<()> {
        match strict && self.0.divided.load(Ordering::Relaxed) {
            true => Err(SqlError::new(1365, "22012", "Division by 0")),
            false => Ok(()),
        }
    }

    /// What the statement gave to LAST_INSERT_ID(expr), if it did.
    pub fn insert_id(&self) -> Option<u64> {
        let insert_id = self.0.insert_id.lock();
        *insert_id.unwrap_or_else(PoisonError::into_inner)
    }

    pub fn push(&self, warning: Warning) {
        if warning.level == Level::Error {
            self.0.errors.fetch_add(1, Ordering::Relaxed);
        }
        self.push_with(|| warning);
    }

    /// The same, for a warning that costs something to make: it is made when it is kept.
    pub(crate) fn push_with(&self, make: impl FnOnce() -> Warning) {
        let before = self.0.warnings.fetch_add(1, Ordering::Relaxed);
        if before < self.0.kept_max as u64 {
            let kept = self.0.kept.lock();
            kept.unwrap_or_else(PoisonError::into_inner).push(make());
        }
    }

    /// The statement's error, as SHOW WARNINGS lists it.
    pub fn push_error(&self, error: &SqlError) {
        self.push(Warning {
            level: Level::Error,
            code: error.code,
            message: error.message.clone(),
        });
    }

    /// Counts warnings that were kept no more elsewhere.
    pub fn count_more(&self, warnings: u64) {
        self.0.warnings.fetch_add(warnings, Ordering::Relaxed);
    }

    /// Runs `work` on this thread for this statement.
    pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
        let _restored = enter(Some(self.clone()));
        work()
    }

    /// Polls a future for this statement.
    pub fn carry<T: 'static>(&self, future: BoxFuture<'static, T>) -> BoxFuture<'static, T> {
        let sink = Some(self.clone());
        Carried { sink, future }.boxed()
    }
}

/// Puts the sink back that was current before, also when the work panics.
struct Restore(Option<Sink>);

impl Drop for Restore {
    fn drop(&mut self) {
        let before = self.0.take();
        // A thread that ends has no more use for it.
        let _ = CURRENT.try_with(|current| *current.borrow_mut() = before);
    }
}

fn enter(sink: Option<Sink>) -> Restore {
    Restore(CURRENT.with(|current| current.replace(sink)))
}

fn current() -> Option<Sink> {
    CURRENT.with(|current| current.borrow().clone())
}

/// The account of the statement that this thread works for.
pub(crate) fn current_account() -> Option<Arc<Account>> {
    CURRENT.with(|current| {
        let current = current.borrow();
        current.as_ref().map(|sink| Arc::clone(&sink.0.account))
    })
}

/// Whether the statement that this thread works for is over: its client is gone, or it was killed.
pub(crate) fn is_over() -> bool {
    CURRENT.with(|current| {
        let current = current.borrow();
        current
            .as_ref()
            .is_some_and(|sink| sink.0.over.0.is_over.load(Ordering::Relaxed))
    })
}

struct Carried<T> {
    sink: Option<Sink>,
    future: BoxFuture<'static, T>,
}

impl<T> Future for Carried<T> {
    type Output = T;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<T> {
        let _restored = enter(self.sink.clone());
        self.future.as_mut().poll(context)
    }
}

/// Hands the sink on to what DataFusion spawns.
struct Tracer;

type Output = Box<dyn Any + Send>;

impl JoinSetTracer for Tracer {
    fn trace_future(&self, future: BoxFuture<'static, Output>) -> BoxFuture<'static, Output> {
        match current() {
            Some(sink) => sink.carry(future),
            None => future,
        }
    }

    fn trace_block(
        &self,
        work: Box<dyn FnOnce() -> Output + Send>,
    ) -> Box<dyn FnOnce() -> Output + Send> {
        match current() {
            Some(sink) => Box::new(move || sink.within(work)),
            None => work,
        }
    }
}

/// Makes spawned tasks carry the sink of the one that spawned them. Once per process is enough; where
/// a program that embeds Storno has set a tracer of its own, their warnings are lost.
pub fn follow_tasks() {
    let _ = set_join_set_tracer(&Tracer);
}

/// A warning of a function or an operator.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice<'a> {
    /// 1292: text of which only a prefix is a number. `kind` is "DOUBLE", "INTEGER" or "DECIMAL".
    Truncated { kind: &'static str, value: &'a str },
    /// 1301: a result longer than `max_allowed_packet`, answered with NULL.
    ResultTooLong { function: &'static str },
    /// 1260: a text cut at group_concat_max_len.
    GroupConcatCut,
    /// 1365: NULL, and the sql_mode that warns of it.
    DivisionByZero,
}

/// Characters of a value that a warning quotes.
const VALUE_CHARACTERS: usize = 128;

/// Adds a warning to the statement that this thread works for.
#[cold]
pub(crate) fn warn(notice: Notice<'_>) {
    CURRENT.with(|current| {
        let current = current.borrow();
        let Some(sink) = current.as_ref() else {
            return;
        };
        if notice == Notice::DivisionByZero {
            if !sink.0.division_by_zero {
                return;
            }
            sink.0.divided.store(true, Ordering::Relaxed);
        }
        sink.push_with(|| warning(notice));
    });
}

/// Remembers the value that LAST_INSERT_ID(expr) was given.
pub(crate) fn set_insert_id(id: u64) {
    if let Some(sink) = current() {
        let insert_id = sink.0.insert_id.lock();
        *insert_id.unwrap_or_else(PoisonError::into_inner) = Some(id);
    }
}

/// The NULL of a division by zero, with its warning.
#[cold]
pub(crate) fn division_by_zero<T>() -> Option<T> {
    warn(Notice::DivisionByZero);
    None
}

fn warning(notice: Notice<'_>) -> Warning {
    match notice {
        Notice::Truncated { kind, value } => {
            let value: String = value.chars().take(VALUE_CHARACTERS).collect();
            Warning::new(1292, format!("Truncated incorrect {kind} value: '{value}'"))
        }
        Notice::ResultTooLong { function } => Warning::new(
            1301,
            format!(
                "Result of {function}() was larger than max_allowed_packet (67108864) - truncated"
            ),
        ),
        Notice::GroupConcatCut => Warning::new(1260, "Row 1 was cut by GROUP_CONCAT()"),
        Notice::DivisionByZero => Warning::new(1365, "Division by 0"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTICE: Notice<'_> = Notice::Truncated {
        kind: "DOUBLE",
        value: "abc",
    };

    #[test]
    fn warnings_go_to_the_statement_that_is_current() {
        let (outer, inner) = (Sink::new(2, true), Sink::new(2, false));
        warn(NOTICE);
        outer.within(|| {
            inner.within(|| warn(Notice::DivisionByZero));
            inner.within(|| warn(NOTICE));
            for _ in 0..3 {
                warn(NOTICE);
            }
            warn(Notice::DivisionByZero);
        });
        warn(NOTICE);
        assert_eq!((outer.total(), outer.kept().len()), (4, 2));
        assert_eq!((inner.total(), inner.kept().len()), (1, 1));
        let first = outer.kept().first().map(|w| w.message.clone());
        assert_eq!(
            first.as_deref(),
            Some("Truncated incorrect DOUBLE value: 'abc'")
        );
    }

    #[test]
    fn what_outlives_its_statement_is_over_when_it_is_dropped() {
        let over = Over::default();
        let sink = Sink::of_statement(0, false, usize::MAX, over.clone());
        let going_on = sink.outlive();
        over.answered();
        assert!(!sink.within(is_over));
        drop(going_on);
        assert!(sink.within(is_over));
    }

    #[tokio::test]
    async fn spawned_tasks_warn_for_the_one_that_spawned_them() {
        follow_tasks();
        let sink = Sink::new(8, true);
        let work = async {
            let task = datafusion::common::runtime::SpawnedTask::spawn(async {
                tokio::task::yield_now().await;
                warn(NOTICE);
            });
            task.join().await.expect("runs");
            warn(NOTICE);
        };
        tokio::spawn(sink.carry(work.boxed())).await.expect("runs");
        warn(NOTICE);
        assert_eq!(sink.total(), 2);
    }
}
