//! What holds loops back that take memory nobody reserved, while the process has too much of it.
//!
//! The guard looks every few milliseconds, and a loop over strings fills a hundred megabytes meanwhile. Such loops
//! ask here after each megabyte: above the limit they wait until the guard has ended the statement that took most, and
//! go on if it was another one.

use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use super::Account;

/// The process takes more than it may. One for the process, as its memory is.
static SHORT: AtomicBool = AtomicBool::new(false);
/// Bytes that the process may take.
static LIMIT: AtomicUsize = AtomicUsize::new(usize::MAX);

const PAUSE: Duration = Duration::from_millis(1);
/// A loop that holds what others wait for must not wait for ever.
const PATIENCE: u32 = 300;

pub(super) fn set_limit(bytes: usize) {
    LIMIT.store(bytes, Ordering::Relaxed);
}

pub(super) fn set_short(short: bool) {
    SHORT.store(short, Ordering::Relaxed);
}

/// Whether the process takes more memory than it may.
pub(super) fn is_short() -> bool {
    SHORT.load(Ordering::Relaxed)
}

/// Bytes that the process may take.
pub(super) fn limit() -> usize {
    LIMIT.load(Ordering::Relaxed)
}

/// Most bytes that one call should make at once.
pub(crate) fn call_limit() -> usize {
    limit() / 8
}

/// Most bytes of one value that a function makes: plans hold several copies of a constant.
pub(crate) fn value_limit() -> usize {
    limit() / 64
}

/// Waits while the process is short. `false`: the statement was ended for its memory and is to stop.
pub(crate) fn may_go_on(account: &Account) -> bool {
    for _ in 0..PATIENCE {
        if account.is_stopped() || !is_short() {
            break;
        }
        thread::sleep(PAUSE);
    }
    !account.is_stopped()
}
