//! Tables as statements meet them again and again: their decoded definitions and compiled expressions,
//! kept as long as the catalog's entry is the same.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::{Arc, Mutex, PoisonError, RwLock};

use storno_storage::{TableId, TableMeta};

use crate::check::Checks;
use crate::computed::GeneratedColumns;
use crate::error::Result;
use crate::select::planner::View;
use crate::types::{TableDefinition, TimeZone};

/// Tables kept at most; a database with more of them decodes some anew.
const KEPT_MAX: usize = 4096;
/// Time zones that the expressions of one table are kept for.
const ZONES_MAX: usize = 16;

/// What was compiled for each time zone, which decides what a TIMESTAMP looks like.
type Zoned<T> = Mutex<Vec<(TimeZone, Arc<T>)>>;

/// A table's definition and what was made of it.
#[derive(Debug)]
pub(crate) struct KnownTable {
    definition: TableDefinition,
    checks: Zoned<Checks>,
    generated: Zoned<GeneratedColumns>,
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
            generated: Mutex::default(),
        })
    }

    /// Whether rows that come in are computed with: then it is done on a planning thread.
    pub(crate) fn computes(&self) -> bool {
        self.has_checks() || self.has_generated()
    }

    fn has_checks(&self) -> bool {
        self.attributes.checks.iter().any(|check| check.enforced)
    }

    fn has_generated(&self) -> bool {
        self.columns.iter().any(|column| column.generated.is_some())
    }

    /// The enforced constraints in the view's time zone; `None` when there are none. On a planning thread.
    pub(crate) fn checks(&self, view: &View) -> Result<Option<Arc<Checks>>> {
        if !self.has_checks() {
            return Ok(None);
        }
        let state = view.session.engine.state();
        kept(&self.checks, view.time_zone, || {
            Checks::compile(self, view.time_zone, (view, &state))
        })
    }

    /// The generated columns in the view's time zone; `None` when there are none. On a planning thread.
    pub(crate) fn generated(&self, view: &View) -> Result<Option<Arc<GeneratedColumns>>> {
        if !self.has_generated() {
            return Ok(None);
        }
        let state = view.session.engine.state();
        kept(&self.generated, view.time_zone, || {
            GeneratedColumns::compile(self, view.time_zone, (view, &state))
        })
    }
}

fn kept<T>(
    known: &Zoned<T>,
    zone: TimeZone,
    compile: impl FnOnce() -> Result<Option<T>>,
) -> Result<Option<Arc<T>>> {
    let mut known = known.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some((_, compiled)) = known.iter().find(|(of, _)| *of == zone) {
        return Ok(Some(Arc::clone(compiled)));
    }
    let Some(compiled) = compile()? else {
        return Ok(None);
    };
    let compiled = Arc::new(compiled);
    if known.len() >= ZONES_MAX {
        known.clear();
    }
    known.push((zone, Arc::clone(&compiled)));
    Ok(Some(compiled))
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
