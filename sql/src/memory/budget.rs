//! The memory that all running statements share, as DataFusion's operators see it.

use std::fmt;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::time::Duration;

use datafusion::error::{DataFusionError, Result};
use datafusion::execution::memory_pool::{MemoryLimit, MemoryPool, MemoryReservation};

use super::{Account, brake};
use crate::error::SqlError;
use crate::functions::warnings::current_account;

/// How long a new statement waits while the process is short of memory.
const PATIENCE: Duration = Duration::from_secs(2);
const PAUSE: Duration = Duration::from_millis(10);

/// Bytes for grouping, sorting and joining. A statement gets three quarters at most, so that one alone
/// does not starve the others.
#[derive(Debug)]
pub struct Budget {
    limit: usize,
    reserved: AtomicUsize,
    /// Statements whose plans are executed, and some that have ended.
    started: Mutex<Vec<Weak<Account>>>,
}

impl Budget {
    /// A budget of `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self {
            limit,
            reserved: AtomicUsize::new(0),
            started: Mutex::default(),
        }
    }

    fn statement_limit(&self) -> usize {
        self.limit / 4 * 3
    }

    /// A statement's plan is about to be executed.
    pub fn begin(&self, account: &Arc<Account>) {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        if started.len() == started.capacity() {
            started.retain(|a| a.upgrade().is_some_and(|a| a.is_running()));
        }
        started.push(Arc::downgrade(account));
    }

    /// The statements whose plans are executed now, the last begun last.
    pub(super) fn running(&self) -> Vec<Arc<Account>> {
        let mut started = self.started.lock().unwrap_or_else(PoisonError::into_inner);
        // One whose task is not known yet is kept.
        started.retain(|account| account.strong_count() > 0);
        let all = started.iter().filter_map(Weak::upgrade);
        all.filter(|account| account.is_running()).collect()
    }

    /// Whether the process takes more memory than it may.
    pub fn is_short(&self) -> bool {
        brake::is_short()
    }

    /// Lets a statement that will take memory begin.
    ///
    /// # Errors
    /// 1041 when the process has been short of memory for two seconds.
    pub async fn admit(&self) -> crate::Result<()> {
        let mut waited = Duration::ZERO;
        while self.is_short() {
            if waited >= PATIENCE {
                return Err(SqlError::server_out_of_memory());
            }
            tokio::time::sleep(PAUSE).await;
            waited += PAUSE;
        }
        Ok(())
    }
}

impl fmt::Display for Budget {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let reserved = self.reserved.load(Ordering::Relaxed);
        write!(f, "budget: {reserved} of {} bytes", self.limit)
    }
}

impl MemoryPool for Budget {
    fn name(&self) -> &str {
        "budget"
    }

    fn grow(&self, _: &MemoryReservation, additional: usize) {
        self.reserved.fetch_add(additional, Ordering::Relaxed);
        if let Some(account) = current_account() {
            account.grow(additional);
        }
    }

    fn shrink(&self, _: &MemoryReservation, shrink: usize) {
        self.reserved.fetch_sub(shrink, Ordering::Relaxed);
        if let Some(account) = current_account() {
            account.shrink(shrink);
        }
    }

    fn try_grow(&self, _: &MemoryReservation, additional: usize) -> Result<()> {
        let account = current_account();
        if let Some(account) = &account
            && !account.try_grow(additional, self.statement_limit())
        {
            let text = format!("{additional} bytes more than the statement's share");
            return Err(DataFusionError::ResourcesExhausted(text));
        }
        let grown = |now: usize| now.checked_add(additional).filter(|sum| *sum <= self.limit);
        let order = Ordering::Relaxed;
        if self.reserved.fetch_update(order, order, grown).is_ok() {
            return Ok(());
        }
        if let Some(account) = account {
            account.shrink(additional);
        }
        let text = format!("{additional} bytes more than all statements may take");
        Err(DataFusionError::ResourcesExhausted(text))
    }

    fn reserved(&self) -> usize {
        self.reserved.load(Ordering::Relaxed)
    }

    fn memory_limit(&self) -> MemoryLimit {
        MemoryLimit::Finite(self.limit)
    }
}

#[cfg(test)]
mod tests {
    use datafusion::execution::memory_pool::MemoryConsumer;

    use super::*;
    use crate::functions::warnings::Sink;

    #[test]
    fn a_statement_gets_three_quarters_and_all_together_the_whole() {
        let budget = Arc::new(Budget::new(1_000));
        let pool: Arc<dyn MemoryPool> = Arc::clone(&budget) as _;
        let (one, two) = (Sink::new(0, false), Sink::new(0, false));
        let reserve = |sink: &Sink, bytes| {
            let reservation = MemoryConsumer::new("test").register(&pool);
            let result = sink.within(|| reservation.try_grow(bytes));
            result.map(|()| reservation)
        };
        assert!(reserve(&one, 751).is_err());
        let first = reserve(&one, 700).expect("fits");
        assert!(reserve(&one, 100).is_err(), "more than its share");
        assert!(reserve(&two, 301).is_err(), "more than there is");
        assert_eq!(two.account().reserved(), 0);
        let second = reserve(&two, 300).expect("fits");
        assert_eq!(budget.reserved(), 1_000);
        one.within(|| drop(first));
        drop(second);
        assert_eq!((budget.reserved(), one.account().reserved()), (0, 0));
    }
}
