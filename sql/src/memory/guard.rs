//! Ends statements before the operating system ends the process.
//!
//! It looks at the process's own memory (mapped files do not count: the system takes their pages back by itself). Above the
//! limit, new statements wait, long loops are held back, and the statement that has reserved most is ended; of those that have
//! reserved nothing the youngest. It is given a moment to end, since memory is given back with a delay, before the next one
//! is. Above the last limit all are ended at once.

use std::fs;
use std::sync::{Arc, Weak};
use std::thread;
use std::time::Duration;

use super::{Account, Budget, brake};

/// Between two looks while statements run, and while none does.
const BUSY: Duration = Duration::from_millis(2);
const IDLE: Duration = Duration::from_millis(20);
/// Looks after the end of a statement in which no other is ended.
const GRACE: u32 = 15;

/// Starts the guard of a process that may take `limit` bytes. It ends with the budget. Where the system does
/// not tell a process's memory, there is no guard.
pub fn watch(budget: &Arc<Budget>, limit: usize) -> std::io::Result<()> {
    if own_memory().is_none() {
        return Ok(());
    }
    brake::set_limit(limit);
    let budget = Arc::downgrade(budget);
    thread::Builder::new()
        .name("storno-memory".into())
        .spawn(move || look_and_act(&budget, limit))?;
    Ok(())
}

fn look_and_act(budget: &Weak<Budget>, limit: usize) {
    let last = limit + limit / 10;
    let mut grace = 0_u32;
    while let Some(budget) = budget.upgrade() {
        let running = budget.running();
        let taken = own_memory().unwrap_or(0);
        brake::set_short(taken > limit);
        grace = grace.saturating_sub(1);
        if taken > last {
            running
                .iter()
                .for_each(|account| end(account, taken, limit));
            grace = GRACE;
        } else if taken > limit
            && grace == 0
            && let Some(victim) = largest(&running)
        {
            end(victim, taken, limit);
            grace = GRACE;
        }
        let pause = if running.is_empty() && taken <= limit {
            IDLE
        } else {
            BUSY
        };
        drop((budget, running));
        thread::sleep(pause);
    }
}

fn end(account: &Account, taken: usize, limit: usize) {
    if !account.is_stopped() {
        let reserved = account.reserved();
        tracing::warn!(
            taken,
            limit,
            reserved,
            "a statement is ended for its memory"
        );
        account.stop();
    }
}

/// The one that has reserved most; of equals the last.
fn largest(running: &[Arc<Account>]) -> Option<&Arc<Account>> {
    let alive = running.iter().filter(|account| !account.is_stopped());
    alive.max_by_key(|account| account.reserved())
}

/// Bytes that the process holds and that are no mapped files.
fn own_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"))?;
    let kilobytes = line.trim().strip_suffix("kB")?.trim().parse::<usize>();
    kilobytes.ok()?.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_largest_is_ended_and_of_equals_the_youngest() {
        let accounts: Vec<_> = (0..3).map(|_| Arc::new(Account::default())).collect();
        let chosen = |all: &[Arc<Account>]| {
            let chosen = largest(all).expect("one");
            all.iter().position(|a| Arc::ptr_eq(a, chosen))
        };
        assert_eq!(chosen(&accounts), Some(2));
        accounts[0].grow(10);
        assert_eq!(chosen(&accounts), Some(0));
        accounts[0].stop();
        assert_eq!(chosen(&accounts), Some(2));
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn own_memory_follows_what_is_allocated() {
        let before = own_memory().expect("Linux tells");
        let block = vec![1_u8; 64 << 20];
        let after = own_memory().expect("Linux tells");
        assert!(after >= before + (60 << 20), "{before} {after}");
        drop(block);
    }
}
