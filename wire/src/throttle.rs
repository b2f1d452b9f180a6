//! Failed logins slow down the ones after them.
//!
//! Whoever guesses passwords waits longer and longer for each answer; whoever knows the password waits
//! as long once and is in. Counted by address and user, and for addresses of other machines also
//! over all users. Nobody is locked out for good, and what is remembered is bounded.

use std::collections::HashMap;
use std::net::IpAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::time::Instant;

/// Failures of one user from one address before the first wait.
const FREE_BY_USER: u32 = 3;
/// Failures of all users from one address of another machine before the first wait.
const FREE_BY_ADDRESS: u32 = 30;
/// The first wait; every further failure doubles it.
const FIRST_WAIT: Duration = Duration::from_millis(100);
/// Below any client's patience: the shortest known time-out of a connect is a second (Node mariadb). A pool
/// that keeps trying a wrong password must not keep those out who know the right one.
const LONGEST_WAIT: Duration = Duration::from_millis(700);
/// A failure is forgotten after so much time without another.
const MEMORY: Duration = Duration::from_secs(600);
/// Addresses and users remembered.
const RECORDS_MAX: usize = 10_000;
/// Logins that wait at once: each holds a connection. More are refused.
const WAITING_MAX: usize = 64;

type Key = (IpAddr, Option<String>);

#[derive(Debug, Clone, Copy)]
struct Record {
    failures: u32,
    last: Instant,
}

/// What a server remembers of failed logins.
#[derive(Debug, Default)]
pub(crate) struct Throttle {
    records: Mutex<HashMap<Key, Record>>,
    waiting: AtomicUsize,
}

/// A login's place among those that wait.
pub(crate) struct Turn<'a>(Option<&'a AtomicUsize>);

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if let Some(waiting) = self.0 {
            waiting.fetch_sub(1, Ordering::Relaxed);
        }
    }
}

impl Throttle {
    /// Returns when a login may be checked; None: too many wait already.
    pub(crate) async fn wait(&self, address: IpAddr, user: &str) -> Option<Turn<'_>> {
        let wait = self.due(address, user);
        if wait.is_zero() {
            return Some(Turn(None));
        }
        let turn = self.waiting.fetch_add(1, Ordering::Relaxed);
        let turn = (turn < WAITING_MAX, Turn(Some(&self.waiting)));
        let (true, turn) = turn else { return None };
        tokio::time::sleep(wait).await;
        Some(turn)
    }

    fn due(&self, address: IpAddr, user: &str) -> Duration {
        let address = address.to_canonical();
        let records = self.records();
        if records.is_empty() {
            return Duration::ZERO;
        }
        let wait = |key: &Key, free: u32| match records.get(key) {
            Some(record) if record.last.elapsed() < MEMORY => wait_after(record.failures, free),
            _ => Duration::ZERO,
        };
        let by_user = wait(&(address, Some(user.to_owned())), FREE_BY_USER);
        by_user.max(wait(&(address, None), FREE_BY_ADDRESS))
    }

    /// A proof was wrong, or there is no such user.
    pub(crate) fn failed(&self, address: IpAddr, user: &str) {
        let address = address.to_canonical();
        let mut records = self.records();
        if records.len() >= RECORDS_MAX {
            records.retain(|_, record| record.last.elapsed() < MEMORY);
        }
        // Whoever fills the list by inventing users is known by address.
        let is_full = records.len() >= RECORDS_MAX;
        let by_user = (!is_full).then(|| (address, Some(user.to_owned())));
        let by_address = (!address.is_loopback()).then_some((address, None));
        for key in by_user.into_iter().chain(by_address) {
            if is_full && !records.contains_key(&key) {
                continue;
            }
            let fresh = Record {
                failures: 0,
                last: Instant::now(),
            };
            let record = records.entry(key).or_insert(fresh);
            if record.last.elapsed() >= MEMORY {
                record.failures = 0;
            }
            record.failures = record.failures.saturating_add(1);
            record.last = Instant::now();
        }
    }

    /// The password was right.
    pub(crate) fn passed(&self, address: IpAddr, user: &str) {
        let mut records = self.records();
        if !records.is_empty() {
            records.remove(&(address.to_canonical(), Some(user.to_owned())));
        }
    }

    fn records(&self) -> MutexGuard<'_, HashMap<Key, Record>> {
        self.records.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn wait_after(failures: u32, free: u32) -> Duration {
    match failures.checked_sub(free) {
        None => Duration::ZERO,
        Some(more) => FIRST_WAIT
            .saturating_mul(1 << more.min(16))
            .min(LONGEST_WAIT),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const THERE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[tokio::test(start_paused = true)]
    async fn waits_double_up_to_a_bound_and_end_with_a_success() {
        let throttle = Throttle::default();
        let mut waits = Vec::new();
        for _ in 0..12 {
            waits.push(throttle.due(HERE, "u").as_millis());
            throttle.failed(HERE, "u");
        }
        assert_eq!(
            waits,
            [0, 0, 0, 100, 200, 400, 700, 700, 700, 700, 700, 700]
        );
        assert!(throttle.due(HERE, "other").is_zero());
        assert!(throttle.due(THERE, "u").is_zero());
        let before = Instant::now();
        assert!(throttle.wait(HERE, "u").await.is_some());
        assert_eq!(before.elapsed(), LONGEST_WAIT);
        throttle.passed(HERE, "u");
        assert!(throttle.due(HERE, "u").is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn guessing_with_many_users_is_slowed_by_address_and_forgotten_in_time() {
        let throttle = Throttle::default();
        for i in 0..FREE_BY_ADDRESS {
            throttle.failed(THERE, &format!("u{i}"));
            throttle.failed(HERE, &format!("u{i}"));
        }
        assert_eq!(throttle.due(THERE, "root"), FIRST_WAIT);
        assert!(throttle.due(HERE, "root").is_zero());
        tokio::time::advance(MEMORY).await;
        assert!(throttle.due(THERE, "root").is_zero());
    }

    #[tokio::test(start_paused = true)]
    async fn what_is_remembered_and_who_waits_is_bounded() {
        let throttle = Throttle::default();
        for i in 0..RECORDS_MAX + 100 {
            throttle.failed(THERE, &format!("u{i}"));
        }
        assert_eq!(throttle.records().len(), RECORDS_MAX);
        let waits: Vec<_> = (0..WAITING_MAX + 1)
            .map(|_| throttle.wait(THERE, "u"))
            .collect();
        let turns = futures::future::join_all(waits).await;
        assert_eq!(turns.iter().filter(|turn| turn.is_none()).count(), 1);
        drop(turns);
        assert_eq!(throttle.waiting.load(Ordering::Relaxed), 0);
    }
}
