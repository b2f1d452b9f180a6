//! Flushing memtables that no commit fills any more, or that fill so slowly that they would stay for hours:
//! their rows are encoded anew by every query, and keep old WAL files. By size they are sealed in
//! `rotation`.
//!
//! Each flush begins a new WAL file, and makes a segment that is to be merged with others. Two things bound
//! how many of them there are: what has hardly any rows waits for its age, and between two rounds there
//! is as much time as a memtable has to rest, however many tables take turns. What small segments come to
//! is merged as usual (`policy`): each row a few times, whatever the size of the flushes.

use std::time::Duration;

use super::writer::Writer;
use crate::Options;
use crate::TableId;
use crate::memtable::Memtable;

/// Memtables of less than this share of a full one do not rest: they cost queries next to nothing.
const RESTING_SHARE: u64 = 64;

/// Pause after a round that failed.
const RETRY_AFTER: Duration = Duration::from_secs(1);

/// When a memtable has rested for long enough or is old.
fn due(memtable: &Memtable, options: &Options) -> Option<Duration> {
    let (first, last) = memtable.filled()?;
    let old = first.saturating_add(options.flush_at_age);
    let worth = memtable.bytes() >= options.memtable_bytes as u64 / RESTING_SHARE;
    Some(match worth {
        true => old.min(last.saturating_add(options.flush_at_rest)),
        false => old,
    })
}

impl Writer {
    /// When a memtable will have rested for long enough, if nothing more comes.
    pub(super) fn idle_due(&self) -> Option<Duration> {
        // While the disk is full the memtables that are sealed come first.
        if self.flush_retry.is_some() {
            return None;
        }
        let tables = self.version.tables.values();
        let due = tables.filter_map(|t| due(&t.active, &self.shared.options));
        due.min().map(|due| due.max(self.idle_not_before))
    }

    /// Has the memtables flushed that have rested for long enough or are old.
    pub(super) fn seal_idle(&mut self, now: Duration) {
        if self.stopped.is_some() || self.idle_due().is_none_or(|due| due > now) {
            return;
        }
        let options = &self.shared.options;
        let is_due = |memtable: &Memtable| due(memtable, options).is_some_and(|due| due <= now);
        let tables = self.version.tables.iter();
        let idle = tables.filter(|(_, table)| is_due(&table.active));
        let idle: Vec<TableId> = idle.map(|(id, _)| *id).collect();
        let pause = match self.seal(&idle) {
            Ok(()) => self.shared.options.flush_at_rest,
            Err(error) => {
                tracing::warn!(%error, "memtables that have rested stay for now");
                RETRY_AFTER
            }
        };
        self.idle_not_before = now.saturating_add(pause);
    }
}
