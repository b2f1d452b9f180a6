//! What a session's next statement sees: a state of the store, and the session itself.

use std::sync::Arc;

use super::Session;
use crate::select::planner::{SessionView, View};

impl Session {
    /// The newest catalog, for statements that read no rows.
    pub(super) fn catalog_view(&self) -> View {
        View {
            snapshot: self.engine.store().snapshot(),
            changed: Arc::default(),
            database: self.database.clone(),
            time_zone: self.time_zone(),
            session: self.session_view(),
            listing: None,
        }
    }

    fn session_view(&self) -> SessionView {
        SessionView {
            engine: self.engine.clone(),
            context: Arc::clone(&self.context),
            process: Arc::clone(&self.process),
            variables: self.variables.clone(),
        }
    }

    /// What a query sees now: the transaction's snapshot and rows, or the newest state.
    pub(super) fn read_view(&mut self) -> View {
        let store = self.engine.store().clone();
        let (database, time_zone) = (self.database.clone(), self.time_zone());
        let (snapshot, changed) = match self.open_transaction() {
            Some(t) => (t.snapshot(|| store.snapshot()), t.changed()),
            None => (store.snapshot(), Arc::default()),
        };
        View {
            snapshot,
            changed,
            database,
            time_zone,
            session: self.session_view(),
            listing: None,
        }
    }
}
