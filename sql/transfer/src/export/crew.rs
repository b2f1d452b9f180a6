//! The threads that encode an export. They live as long as it does: what one has freed it uses again.

use std::panic::{AssertUnwindSafe, catch_unwind};

use rayon::iter::{IntoParallelIterator, ParallelIterator};
use rayon::{ThreadPool, ThreadPoolBuilder};

use crate::error::{Result, TransferError};

pub(super) struct Crew(ThreadPool);

impl Crew {
    pub(super) fn new(threads: usize) -> Result<Self> {
        let pool = ThreadPoolBuilder::new()
            .num_threads(threads.max(1))
            .thread_name(|number| format!("storno-export-{number}"))
            .build();
        let pool = pool.map_err(|e| TransferError::Internal(e.to_string()))?;
        Ok(Self(pool))
    }

    /// Runs `work` on every item; results in the order of the items. A panic is an error.
    pub(super) fn each<I: Send, T: Send>(
        &self,
        items: Vec<I>,
        work: impl Fn(I) -> Result<T> + Send + Sync,
    ) -> Result<Vec<T>> {
        let all = || self.0.install(|| items.into_par_iter().map(work).collect());
        catch_unwind(AssertUnwindSafe(all))
            .unwrap_or_else(|_| Err(TransferError::Internal("an encoder panicked".into())))
    }
}

impl std::fmt::Debug for Crew {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Crew({})", self.0.current_num_threads())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let crew = Crew::new(4).expect("threads");
        let squares = crew.each((0..1000_u64).collect(), |n| Ok(n * n));
        let expected = (0..1000_u64).map(|n| n * n).collect::<Vec<_>>();
        assert_eq!(squares.expect("works"), expected);
        let failed = crew.each(vec![1, 2, 3], |n| match n {
            2 => Err(TransferError::Cancelled),
            n => Ok(n),
        });
        assert!(failed.is_err());
    }

    #[test]
    fn a_panic_is_an_error_and_the_threads_go_on() {
        let crew = Crew::new(2).expect("threads");
        let failed = crew.each(vec![1, 2], |n| match n {
            2 => panic!("on purpose"),
            n => Ok(n),
        });
        assert!(matches!(failed, Err(TransferError::Internal(_))));
        assert_eq!(crew.each(vec![5], Ok).expect("works"), [5]);
    }
}
