//! Plans kept for statements to come: a dashboard asks the same questions of other sites and days.
//!
//! `statement` cuts the literals of plain conditions out of a text, and makes a key of what is left.
//! `template` is a plan that was made for it, with a `hole` for each table it reads, and knows which
//! values may take the places of its own; `literal` says what they are to a column.
//!
//! INVARIANT: a kept plan gives what planning would give. What is not certain is planned.

mod hole;
mod literal;
mod statement;
mod template;

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::sync::Cache;
use sqlparser::ast::Expr;
use storno_storage::{TableMeta, TableSnapshot};

use super::{Compiled, Environment};
use crate::error::Result;

pub use statement::{Setting, Statement};
pub use template::{Template, is_reusable};

/// Plans that are kept.
const CAPACITY: usize = 1024;

/// The plans of an engine.
#[derive(Debug)]
pub struct Plans {
    kept: Cache<Vec<u8>, Arc<Template>>,
    reused: AtomicU64,
}

impl Default for Plans {
    fn default() -> Self {
        Self {
            kept: Cache::new(CAPACITY),
            reused: AtomicU64::new(0),
        }
    }
}

impl Plans {
    /// A plan for the statement, if one is kept. `current` finds the statement's snapshot of a table.
    pub fn find(
        &self,
        statement: &Statement,
        current: impl Fn(&TableMeta) -> Option<TableSnapshot>,
    ) -> Result<Option<Compiled>> {
        let Some(template) = self.kept.get(&statement.key) else {
            return Ok(None);
        };
        let found = template.reuse(statement, current);
        let found = found.map_err(|e| super::failure::client_error(e, Default::default()))?;
        if found.is_some() {
            self.reused.fetch_add(1, Ordering::Relaxed);
        }
        Ok(found)
    }

    /// Keeps a statement's plan.
    pub fn keep(&self, statement: Statement, template: Template) {
        let template = match self.kept.get(&statement.key) {
            Some(earlier) => template.learned_from(&earlier),
            None => Some(template),
        };
        if let Some(template) = template {
            self.kept.insert(statement.key, Arc::new(template));
        }
    }

    /// Statements that were not planned since the start.
    pub fn reused(&self) -> u64 {
        self.reused.load(Ordering::Relaxed)
    }
}

/// Passes on what a statement asks of its session, and remembers that it did: the answer may be another
/// one next time.
pub struct Asked<'a> {
    env: &'a dyn Environment,
    asked: Cell<bool>,
}

impl<'a> Asked<'a> {
    pub fn new(env: &'a dyn Environment) -> Self {
        Self {
            env,
            asked: Cell::new(false),
        }
    }

    pub fn anything(&self) -> bool {
        self.asked.get()
    }
}

impl Environment for Asked<'_> {
    fn variable(&self, name: &str) -> Result<Expr> {
        self.asked.set(true);
        self.env.variable(name)
    }

    fn now(&self) -> i64 {
        self.asked.set(true);
        self.env.now()
    }

    /// Part of the key.
    fn time_zone(&self) -> String {
        self.env.time_zone()
    }

    fn session_function(&self, name: &str) -> Option<Expr> {
        let found = self.env.session_function(name);
        self.asked.set(self.asked.get() || found.is_some());
        found
    }
}
