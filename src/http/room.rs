//! How much may be worked on at once: bytes of bodies and of their rows, and requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use storno_sql::ingest::{self, BodyError};

/// Room that requests share.
#[derive(Debug)]
pub(super) struct Room {
    bytes_max: usize,
    requests_max: usize,
    bytes: AtomicUsize,
    requests: AtomicUsize,
}

/// A request's part of it, given back when dropped. It begins with no bytes: they are taken as they come, so that
/// a sender that stalls holds up nobody.
#[derive(Debug)]
pub(super) struct Claim {
    room: Arc<Room>,
    bytes: AtomicUsize,
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

    /// `None`: there are as many requests as there may be.
    pub(super) fn claim(self: &Arc<Self>) -> Option<Claim> {
        more(&self.requests, 1, self.requests_max).then(|| Claim {
            room: Arc::clone(self),
            bytes: AtomicUsize::new(0),
        })
    }
}

/// Adds to a sum unless it becomes too large.
fn more(sum: &AtomicUsize, number: usize, max: usize) -> bool {
    let add = |sum: usize| sum.checked_add(number).filter(|sum| *sum <= max);
    let order = Ordering::Relaxed;
    sum.fetch_update(order, order, add).is_ok()
}

impl ingest::Room for Claim {
    fn take(&self, bytes: usize) -> Result<(), BodyError> {
        if !more(&self.bytes, bytes, self.room.bytes_max) {
            // It would not fit alone either.
            return Err(BodyError::TooManyRows);
        }
        if !more(&self.room.bytes, bytes, self.room.bytes_max) {
            self.bytes.fetch_sub(bytes, Ordering::Relaxed);
            return Err(BodyError::Busy);
        }
        Ok(())
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        let bytes = self.bytes.load(Ordering::Relaxed);
        self.room.bytes.fetch_sub(bytes, Ordering::Relaxed);
        self.room.requests.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use storno_sql::ingest::Room as _;

    use super::*;

    #[test]
    fn there_is_room_again_when_a_claim_is_dropped() {
        let room = Arc::new(Room::new(100, 2));
        let first = room.claim().expect("room");
        assert_eq!(first.take(40), Ok(()));
        assert_eq!(first.take(20), Ok(()));
        let second = room.claim().expect("room");
        assert_eq!(second.take(41), Err(BodyError::Busy));
        assert_eq!(second.take(40), Ok(()));
        assert!(room.claim().is_none());
        assert_eq!(first.take(41), Err(BodyError::TooManyRows));
        drop(second);
        assert_eq!(first.take(40), Ok(()));
        drop(first);
        let last = room.claim().expect("room");
        assert_eq!(last.take(100), Ok(()));
    }
}
