//! What changed of a session's state since the client was last told: session tracking.
//!
//! Which changes are told is chosen by the variables `session_track_...`.

use super::variables::{Variable, known};
use super::{Session, Transaction};

/// A change that a client may track.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// The current database; empty: none.
    Database(String),
    /// A system variable and its value.
    Variable(String, String),
    /// Something of the state, whatever it was.
    State,
    /// The statement that would begin the open transaction elsewhere; empty: none is open.
    TransactionCharacteristics(String),
    /// Eight letters for what the open transaction has done.
    TransactionState(String),
}

/// What the client knows, and what it does not yet.
#[derive(Debug, Default)]
pub(super) struct Told {
    database: Option<String>,
    transaction: Option<String>,
    characteristics: Option<String>,
    /// Variables set since.
    set: Vec<&'static Variable>,
}

impl Told {
    pub(super) fn is_set(&mut self, variable: &'static Variable) {
        if self.set.iter().all(|other| other.name != variable.name) {
            self.set.push(variable);
        }
    }
}

impl Session {
    /// The client knows the state as it is, from its own login.
    pub fn begin_tracking(&mut self) {
        self.told = Told {
            database: self.database.clone(),
            ..Told::default()
        };
    }

    /// What changed since the last call.
    pub fn take_changes(&mut self) -> Vec<Change> {
        let mut changes = Vec::new();
        let mut is_changed = !self.told.set.is_empty();
        if self.told.database != self.database {
            self.told.database.clone_from(&self.database);
            is_changed = true;
            if self.variables.is_on(known!("session_track_schema")) {
                let name = self.database.clone().unwrap_or_default();
                changes.push(Change::Database(name));
            }
        }
        let set = std::mem::take(&mut self.told.set);
        if !set.is_empty() {
            let list = self.variables.get(known!("session_track_system_variables"));
            let is_tracked = |name: &str| {
                let mut tracked = list.split(',').map(str::trim);
                tracked.any(|one| one == "*" || one.eq_ignore_ascii_case(name))
            };
            for variable in set.into_iter().filter(|one| is_tracked(one.name)) {
                let value = self.variables.get(variable).into_owned();
                changes.push(Change::Variable(variable.name.into(), value));
            }
        }
        if is_changed && self.variables.is_on(known!("session_track_state_change")) {
            changes.push(Change::State);
        }
        self.transaction_changes(&mut changes);
        changes
    }

    fn transaction_changes(&mut self, changes: &mut Vec<Change>) {
        let tracked = self.variables.get(known!("session_track_transaction_info"));
        let with_characteristics = tracked.eq_ignore_ascii_case("CHARACTERISTICS");
        if !with_characteristics && !tracked.eq_ignore_ascii_case("STATE") {
            (self.told.transaction, self.told.characteristics) = (None, None);
            return;
        }
        let open = self.transaction.as_ref().filter(|t| t.has_begun());
        let state = state(open);
        if with_characteristics {
            let text = characteristics(open);
            let known = self.told.characteristics.replace(text.clone());
            if known.unwrap_or_default() != text {
                changes.push(Change::TransactionCharacteristics(text));
            }
        }
        let known = self.told.transaction.replace(state.clone());
        if known.is_none_or(|known| known != state) {
            changes.push(Change::TransactionState(state));
        }
    }
}

/// In MySQL's letters: begun by hand or by itself, reads and writes of tables with transactions.
fn state(open: Option<&Transaction>) -> String {
    let Some(open) = open else {
        return "________".into();
    };
    let begun = if open.is_explicit() { 'T' } else { 'I' };
    let read = if open.has_read() { 'R' } else { '_' };
    let written = if open.has_written() { 'W' } else { '_' };
    format!("{begun}_{read}_{written}___")
}

fn characteristics(open: Option<&Transaction>) -> String {
    match open.filter(|t| t.is_explicit()) {
        Some(open) if open.read_only => "START TRANSACTION READ ONLY;".into(),
        Some(_) => "START TRANSACTION;".into(),
        None => String::new(),
    }
}
