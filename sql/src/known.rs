//! Tables as statements meet them again and again: their decoded definitions and compiled constraints,
//! kept as long as the catalog's entry is the same.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use storno_storage::{TableId, TableMeta};

use crate::check::Checks;
use crate::error::Result;
use crate::select::planner::View;
use crate::types::{TableDefinition, TimeZone};

/// Tables kept at most; a database with more of them decodes some anew.
const KEPT_MAX: usize = 4096;
/// Time zones that the constraints of one table are kept for.
const ZONES_MAX: usize = 16;

/// A table's definition and what was made of it.
#[derive(Debug)]
pub(crate) struct KnownTable {
    definition: TableDefinition,
    /// Constraints are kept for each time zone, which decides what a TIMESTAMP looks like.
    checks: Mutex<Vec<(TimeZone, Arc<Checks>)>>,
}

impl Deref for KnownTable {
    type Target = TableDefinition;

    fn deref(&self) -> &TableDefinition {
        &self.definition
    }
}

impl KnownTable {
    fn read(meta: &Arc<TableMeta>) -> Result<Self> {
        Ok(Self {
            definition: TableDefinition::read(Arc::clone(meta))?,
            checks: Mutex::default(),
        })
    }

    /// Whether `checks` gives any.
    pub(crate) fn has_checks(&self) -> bool {
        self.attributes.checks.iter().any(|check| check.enforced)
    }

    /// The enforced constraints in the view's time zone; `None` when there are none. On a planning thread.
    pub(crate) fn checks(&self, view: &View) -> Result<Option<Arc<Checks>>> {
        if !self.has_checks() {
            return Ok(None);
        }
        let zone = view.time_zone;
        let mut kept = self.checks.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, checks)) = kept.iter().find(|(known, _)| *known == zone) {
            return Ok(Some(Arc::clone(checks)));
        }
        let state = view.session.engine.state();
        let Some(checks) = Checks::compile(self, zone, (view, &state))? else {
            return Ok(None);
        };
        let checks = Arc::new(checks);
        if kept.len() >= ZONES_MAX {
            kept.clear();
        }
        kept.push((zone, Arc::clone(&checks)));
        Ok(Some(checks))
    }
}

/// The tables that are known.
#[derive(Debug, Default)]
pub(crate) struct KnownTables(RwLock<HashMap<TableId, Arc<KnownTable>>>);

impl KnownTables {
    /// The table of a catalog entry. Decodes it when this entry was not met before.
    pub(crate) fn get(&self, meta: &Arc<TableMeta>) -> Result<Arc<KnownTable>> {
        let kept = self.0.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(known) = kept.get(&meta.id)
            && Arc::ptr_eq(&known.meta, meta)
        {
            return Ok(Arc::clone(known));
        }
        drop(kept);
        let known = Arc::new(KnownTable::read(meta)?);
        let mut kept = self.0.write().unwrap_or_else(PoisonError::into_inner);
        if kept.len() >= KEPT_MAX {
            kept.clear();
        }
        kept.insert(meta.id, Arc::clone(&known));
        Ok(known)
    }
}
