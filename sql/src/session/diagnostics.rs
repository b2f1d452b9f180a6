//! The warnings of a session's last statement: counted, kept, forgotten.

use super::Session;
use super::variables::known;
use crate::dialect::Lexed;
use crate::error::{Level, Warning};
use crate::functions::warnings::Sink;

impl Session {
    /// @@warning_count and @@error_count.
    pub(super) fn diagnostics(&self) -> (u64, u64) {
        let now = (self.sink.total(), self.sink.errors());
        self.counts.filter(|_| now.0 == 0).unwrap_or(now)
    }

    /// Begins the list of a new statement.
    pub(super) fn forget_warnings(&mut self) {
        self.last_insert_id = self.sink.insert_id().unwrap_or(self.last_insert_id);
        let kept = usize::try_from(self.variables.integer(known!("max_error_count"))).unwrap_or(0);
        let modes = self.variables.get(known!("sql_mode"));
        let mut modes = modes.split(',');
        let by_zero = modes.any(|mode| mode == "ERROR_FOR_DIVISION_BY_ZERO");
        let memory = self.variables.integer(known!("connection_memory_limit"));
        let memory = usize::try_from(memory).unwrap_or(usize::MAX);
        self.sink = Sink::of_statement(kept, by_zero, memory, self.process.over());
    }

    pub(super) fn warn(&mut self, warnings: impl IntoIterator<Item = Warning>) {
        let notes = self.variables.is_on(known!("sql_notes"));
        let wanted = |w: &Warning| notes || w.level != Level::Note;
        for warning in warnings.into_iter().filter(wanted) {
            self.sink.push(warning);
        }
    }
}

/// Does a query ask for @@warning_count or @@error_count?
pub(super) fn asks_for_counts(lexed: &Lexed) -> bool {
    let is_count = |word: &str| {
        let word = word.trim_start_matches('@');
        word.eq_ignore_ascii_case("warning_count") || word.eq_ignore_ascii_case("error_count")
    };
    (0..lexed.tokens.len()).any(|i| is_count(lexed.word(i)))
}
