//! How long a statement tries again when other writers were faster: as long as MySQL waits for a lock.

use std::time::{Duration, Instant};

use crate::error::{Result, SqlError};

/// MySQL's default of innodb_lock_wait_timeout.
const LIMIT: Duration = Duration::from_secs(50);
/// Longest pause between two attempts, in milliseconds.
const PAUSE_MAX: u32 = 40;

/// Attempts of one statement.
#[derive(Debug)]
pub(super) struct Patience {
    since: Instant,
    attempts: u32,
    /// Differs between sessions, so that they do not meet again and again.
    seed: u32,
}

impl Patience {
    pub fn new(seed: u32) -> Self {
        Self {
            since: Instant::now(),
            attempts: 0,
            seed,
        }
    }

    /// Waits before the next attempt; 1205 when it has taken too long.
    pub async fn wait(&mut self) -> Result<()> {
        if self.since.elapsed() > LIMIT {
            let text = "Lock wait timeout exceeded; try restarting transaction";
            return Err(SqlError::new(1205, "HY000", text));
        }
        self.attempts += 1;
        self.seed = self
            .seed
            .wrapping_mul(1_664_525)
            .wrapping_add(1_013_904_223);
        let bound = (1_u32 << self.attempts.min(5)).min(PAUSE_MAX);
        let millis = (self.seed >> 16) % bound;
        tokio::time::sleep(Duration::from_millis(millis.into())).await;
        Ok(())
    }
}
