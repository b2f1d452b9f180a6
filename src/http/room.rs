//! How much may be worked on at once: bytes of bodies, and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// Room that requests share.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: usize,
    requests_max: usize,
    bytes: AtomicUsize,
    requests: AtomicUsize,
}

/// A request's part of it, given back when dropped.
#[derive(Debug)]
pub(super) struct Claim {
    room: Arc<Room>,
    bytes: usize,
}

impl Room {
    pub(super) fn new(bytes_max: usize, requests_max: usize) -> Self {
        Self {
            bytes_max,
            requests_max,
            bytes: AtomicUsize::new(0),
            requests: AtomicUsize::new(0),
        }
    }

    /// `None`: there is no room now.
    pub(super) fn claim(self: &Arc<Self>, bytes: usize) -> Option<Claim> {
        let more = |used: usize, claimed: usize, max: usize| {
            used.checked_add(claimed).filter(|sum| *sum <= max)
        };
        let order = Ordering::Relaxed;
        let add = |used| more(used, bytes, self.bytes_max);
        self.bytes.fetch_update(order, order, add).ok()?;
        let add = |used| more(used, 1, self.requests_max);
        if self.requests.fetch_update(order, order, add).is_err() {
            self.bytes.fetch_sub(bytes, order);
            return None;
        }
        Some(Claim {
            room: Arc::clone(self),
            bytes,
        })
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        self.room.bytes.fetch_sub(self.bytes, Ordering::Relaxed);
        self.room.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_is_room_again_when_a_claim_is_dropped() {
        let room = Arc::new(Room::new(100, 2));
        let first = room.claim(60).expect("room");
        assert!(room.claim(41).is_none());
        let second = room.claim(40).expect("room");
        assert!(room.claim(0).is_none());
        drop(second);
        assert!(room.claim(40).is_some());
        drop(first);
        assert!(room.claim(100).is_some());
    }
}
