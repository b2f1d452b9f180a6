//! A commit that meets an idle writer is made on the thread that brings it. Waking the writer's thread and being
//! woken by it takes about as long as the commit.
//!
//! Only while commits come one at a time: those that wait for a sync together are better off in the next group.

use std::time::Duration;

use super::{Engine, Message, Writer};
use crate::Schedule;
use crate::commit::PreparedCommit;

/// Encoded rows of a commit that is small enough.
const SMALL_BYTES: usize = 64 << 10;

/// How long a sync may take for the next one to be waited for on a thread that may have others to serve.
const QUICK: Duration = Duration::from_millis(1);

impl Engine {
    /// Does what is asked on this thread if that is a small commit and nobody is before it; gives it back if not.
    pub(super) fn commit_alone(&self, message: Message) -> Option<Message> {
        let shared = &self.shared;
        let is_small = match &message {
            Message::Commit(commit, _) => is_small(commit),
            _ => false,
        };
        if !is_small || shared.environment.schedule != Schedule::Threads {
            return Some(message);
        }
        let Some(mut writer) = self.writer.try_lock() else {
            return Some(message);
        };
        if !writer.is_at_rest() || !shared.queue.is_idle() {
            return Some(message);
        }
        writer.process(vec![message]);
        let due = writer.deadline();
        let is_sooner = due.is_some_and(|due| writer.wakes_at.is_none_or(|at| due < at));
        drop(writer);
        if is_sooner {
            shared.queue.nudge();
        }
        None
    }
}

impl Writer {
    /// Whether commits come one at a time, and syncs are quick.
    fn is_at_rest(&self) -> bool {
        self.waiting.is_empty() && self.group_size <= 1 && self.sync_time < QUICK
    }
}

fn is_small(commit: &PreparedCommit) -> bool {
    let bytes: usize = commit.inserts.iter().map(|insert| insert.body.len()).sum();
    commit.bulk.is_none() && commit.deletes.is_empty() && bytes <= SMALL_BYTES
}
