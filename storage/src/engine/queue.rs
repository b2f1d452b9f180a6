//! A queue that is drained as a whole: what came while the consumer worked is its next batch.

use std::time::Duration;

use parking_lot::{Condvar, Mutex};

#[derive(Debug)]
pub(crate) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: Vec<T>,
    closed: bool,
    /// Whether the consumer is to look at once.
    nudged: bool,
    /// Whether what the consumer took last may not be done yet.
    in_hand: bool,
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State {
            items: Vec::new(),
            closed: false,
            nudged: false,
            in_hand: false,
        };
        Self {
            state: Mutex::new(state),
            changed: Condvar::new(),
        }
    }
}

impl<T> Queue<T> {
    /// Adds an item; gives it back when the queue is closed.
    pub(crate) fn push(&self, item: T) -> Option<T> {
        let mut state = self.state.lock();
        if state.closed {
            return Some(item);
        }
        state.items.push(item);
        self.changed.notify_one();
        None
    }

    /// Whether it is open and all that was ever queued is done.
    pub(crate) fn is_idle(&self) -> bool {
        let state = self.state.lock();
        state.items.is_empty() && !state.in_hand && !state.closed
    }

    /// Ends the consumer's `wait`, or the next one, although nothing is queued.
    pub(crate) fn nudge(&self) {
        self.state.lock().nudged = true;
        self.changed.notify_one();
    }

    /// Everything queued so far, without waiting.
    pub(crate) fn drain(&self) -> Vec<T> {
        std::mem::take(&mut self.state.lock().items)
    }

    /// The oldest item, without waiting.
    pub(crate) fn pop(&self) -> Option<T> {
        let mut state = self.state.lock();
        if state.items.is_empty() {
            None
        } else {
            Some(state.items.remove(0))
        }
    }

    /// Waits for an item, at most for `timeout`, and drains the queue. The second part tells whether
    /// the queue is closed, so that nothing will follow.
    pub(crate) fn wait(&self, timeout: Option<Duration>) -> (Vec<T>, bool) {
        let mut state = self.state.lock();
        state.in_hand = false;
        if state.items.is_empty() && !state.closed && !state.nudged {
            match timeout {
                Some(timeout) => {
                    self.changed.wait_for(&mut state, timeout);
                }
                None => self.changed.wait(&mut state),
            }
        }
        state.nudged = false;
        state.in_hand = !state.items.is_empty();
        (std::mem::take(&mut state.items), state.closed)
    }

    /// Waits for the oldest item; `None` once the queue is closed and empty.
    pub(crate) fn wait_one(&self) -> Option<T> {
        let mut state = self.state.lock();
        while state.items.is_empty() {
            if state.closed {
                return None;
            }
            self.changed.wait(&mut state);
        }
        Some(state.items.remove(0))
    }

    /// Refuses items from now on; what is queued stays.
    pub(crate) fn close(&self) {
        self.state.lock().closed = true;
        self.changed.notify_all();
    }

    /// Refuses items and forgets what is queued.
    pub(crate) fn abandon(&self) {
        let mut state = self.state.lock();
        state.closed = true;
        state.items.clear();
        self.changed.notify_all();
    }
}
