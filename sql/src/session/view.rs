//! What a session's next statement sees: a state of the store, and the session itself.

use std::collections::HashMap;
use std::sync::Arc;

use storno_storage::{Snapshot, TableId, TableSnapshot};

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
            views: self.engine.views(),
            files: Arc::clone(&self.files),
        }
    }

    fn session_view(&self) -> SessionView {
        SessionView {
            engine: self.engine.clone(),
            context: Arc::clone(&self.context),
            account: self.account.clone(),
            process: Arc::clone(&self.process),
            variables: self.variables.clone(),
        }
    }

    /// What a query sees now: the transaction's snapshot and rows, or the newest state.
    pub(super) fn read_view(&mut self) -> View {
        let (snapshot, changed) = self.read_state();
        View {
            snapshot,
            changed,
            database: self.database.clone(),
            time_zone: self.time_zone(),
            session: self.session_view(),
            listing: None,
            views: self.engine.views(),
            files: Arc::clone(&self.files),
        }
    }

    /// The rows of that view, by themselves: tables that the transaction has changed come second.
    pub(super) fn read_state(&mut self) -> (Snapshot, Arc<HashMap<TableId, TableSnapshot>>) {
        let store = self.engine.store().clone();
        match self.open_transaction() {
            Some(t) => (t.snapshot(|| store.snapshot()), t.changed()),
            None => (store.snapshot(), Arc::default()),
        }
    }
}
