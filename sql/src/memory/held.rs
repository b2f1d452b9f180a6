//! Rows that statements gather before they are written.
//!
//! They are written as one commit, which sorts and encodes them: that takes several times the memory of the rows
//! themselves, and cannot be given up half-way. So they are bounded, one statement's and all together.

use std::sync::atomic::{AtomicUsize, Ordering};

use super::brake;
use crate::error::{Result, SqlError};

/// Most bytes of rows for one commit, however much memory there is.
const ROWS_MAX: usize = 1 << 30;
/// The share of the process's memory that the rows of all statements may take, and that of one.
const ALL_SHARE: usize = 6;
const ONE_SHARE: usize = 8;

/// What all hold.
static HELD: AtomicUsize = AtomicUsize::new(0);

/// Bytes of rows that a statement holds, until it is dropped.
#[derive(Debug, Default)]
pub struct Held(usize);

/// Bytes of rows that one commit may have.
pub(crate) fn rows_limit() -> usize {
    ROWS_MAX.min(brake::limit() / ONE_SHARE)
}

impl Held {
    /// Counts so many bytes more. `what` names the rows, as in "an UPDATE may change".
    ///
    /// # Errors
    /// 1041 beyond the bounds.
    pub fn add(&mut self, bytes: usize, what: &str) -> Result<()> {
        let limit = rows_limit();
        if self.0.saturating_add(bytes) > limit {
            let mib = limit >> 20;
            let text =
                format!("Out of memory; {what} {mib} MiB of rows at once, do it in several steps");
            return Err(SqlError::new(1041, "HY000", text));
        }
        let all = brake::limit() / ALL_SHARE;
        // One alone always fits.
        let grown = |held: usize| {
            (held == self.0 || held.saturating_add(bytes) <= all)
                .then(|| held.saturating_add(bytes))
        };
        if HELD
            .fetch_update(Ordering::Relaxed, Ordering::Relaxed, grown)
            .is_err()
        {
            return Err(SqlError::server_out_of_memory());
        }
        self.0 += bytes;
        Ok(())
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        HELD.fetch_sub(self.0, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_statement_may_hold_a_gibibyte_where_memory_is_not_bounded() {
        let mut held = Held::default();
        held.add(ROWS_MAX - 1, "a test may hold").expect("fits");
        let error = held.add(2, "a test may hold").expect_err("too much");
        assert_eq!(error.code, 1041);
        assert_eq!(
            error.message,
            "Out of memory; a test may hold 1024 MiB of rows at once, do it in several steps"
        );
        assert!(HELD.load(Ordering::Relaxed) >= ROWS_MAX - 1);
    }
}
