//! What a store goes through in a simulated run: the steps, and the states they lead to. The model knows
//! nothing of files; `world` runs the steps and compares.

use std::collections::{BTreeMap, BTreeSet};

use storno_storage::{IfGone, OnDuplicate, SyncMode};

use crate::fixture::{Row, row};

/// Everything a reader can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) schema: bool,
    pub(crate) tables: BTreeMap<String, Vec<Row>>,
    pub(crate) property: Option<String>,
    /// What rows get in the column `extra`, of the tables that have it.
    pub(crate) extras: BTreeMap<String, i64>,
    /// Tables with wider columns.
    pub(crate) wide: BTreeSet<String>,
}

/// One commit: tables and the ids of the rows for them, and of rows to be deleted before.
#[derive(Debug, Clone)]
pub(crate) struct Insert {
    pub(crate) rows: Vec<(&'static str, Vec<u64>)>,
    /// At most one for each table.
    pub(crate) deletes: Vec<(&'static str, Vec<u64>, IfGone)>,
    pub(crate) sync: SyncMode,
    pub(crate) on_duplicate: OnDuplicate,
}

impl Insert {
    pub(crate) fn durable(rows: Vec<(&'static str, Vec<u64>)>) -> Self {
        Self {
            rows,
            deletes: Vec::new(),
            sync: SyncMode::Durable,
            on_duplicate: OnDuplicate::Fail,
        }
    }

    pub(crate) fn delete(table: &'static str, ids: Vec<u64>) -> Self {
        Self {
            deletes: vec![(table, ids, IfGone::Ignore)],
            ..Self::durable(Vec::new())
        }
    }

    /// Deletes rows and puts the same ones back.
    pub(crate) fn update(table: &'static str, ids: Vec<u64>) -> Self {
        Self {
            deletes: vec![(table, ids.clone(), IfGone::Conflict)],
            rows: vec![(table, ids)],
            sync: SyncMode::Durable,
            on_duplicate: OnDuplicate::Skip,
        }
    }
}

/// One thing a workload does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    CreateSchema,
    CreateTable(&'static str),
    DropTable(&'static str),
    Truncate(&'static str),
    SetProperty(Option<String>),
    /// Adds the column `extra` with this value in all rows, in the place of one that may be there.
    AddColumn(&'static str, i64),
    DropColumn(&'static str),
    Widen(&'static str),
    Rename(&'static str, &'static str),
    /// Commits that are queued together.
    Commits(Vec<Insert>),
    /// Chooses rows, whose places are remembered.
    Choose(&'static str, Vec<u64>),
    /// Deletes what was chosen last, wherever it is now.
    DeleteChosen(IfGone),
    Flush,
    /// One background job, then the writer.
    Job,
    /// A second passes.
    Tick,
    /// So many seconds pass in which nobody commits: what is in memory is flushed.
    Rest(u64),
    Reopen,
}

impl State {
    /// The row with an id, as the table would take it now.
    pub(crate) fn row(&self, table: &str, id: u64) -> Row {
        let extra = self.extras.get(table).map(|fill| fill + id as i64);
        Row { extra, ..row(id) }
    }
}

/// Applies a catalog change to the model; whether it succeeds.
pub(crate) fn expect(state: &mut State, step: &Step) -> bool {
    match step {
        Step::CreateSchema => !std::mem::replace(&mut state.schema, true),
        Step::CreateTable(name) => {
            let new = state.schema && !state.tables.contains_key(*name);
            if new {
                state.tables.insert((*name).into(), Vec::new());
            }
            new
        }
        Step::DropTable(name) => {
            state.extras.remove(*name);
            state.wide.remove(*name);
            state.tables.remove(*name).is_some()
        }
        Step::AddColumn(name, fill) => {
            let Some(rows) = state.tables.get_mut(*name) else {
                return false;
            };
            let value = (fill % 3 > 0).then_some(*fill);
            rows.iter_mut().for_each(|row| row.extra = value);
            state.extras.insert((*name).into(), *fill);
            true
        }
        Step::DropColumn(name) => {
            let Some(rows) = state.tables.get_mut(*name) else {
                return false;
            };
            rows.iter_mut().for_each(|row| row.extra = None);
            state.extras.remove(*name);
            true
        }
        Step::Widen(name) => {
            let there = state.tables.contains_key(*name);
            if there {
                state.wide.insert((*name).into());
            }
            there
        }
        Step::Rename(from, to) => {
            if !state.tables.contains_key(*from) || state.tables.contains_key(*to) {
                return false;
            }
            let to = (*to).to_owned();
            if let Some(rows) = state.tables.remove(*from) {
                state.tables.insert(to.clone(), rows);
            }
            if let Some(fill) = state.extras.remove(*from) {
                state.extras.insert(to.clone(), fill);
            }
            if state.wide.remove(*from) {
                state.wide.insert(to);
            }
            true
        }
        Step::Truncate(name) => state.tables.get_mut(*name).map(Vec::clear).is_some(),
        Step::SetProperty(value) => {
            state.property.clone_from(value);
            true
        }
        other => unreachable!("{other:?}"),
    }
}

/// Why a commit fails.
#[derive(Debug, PartialEq)]
pub(crate) enum Refused {
    Duplicate,
    Conflict,
    UnknownTable,
}

/// What a commit does.
#[derive(Debug, Default)]
pub(crate) struct Applied {
    /// Tables and ids of the rows.
    pub(crate) inserted: Vec<(&'static str, u64)>,
    pub(crate) deleted: Vec<(&'static str, u64)>,
    pub(crate) skipped: u64,
}

/// Applies a commit to the model. The rows to delete were chosen in the state `base`; `gone` are those of
/// them that commits since have deleted.
pub(crate) fn apply(
    state: &mut State,
    gone: &mut BTreeSet<(&'static str, u64)>,
    commit: &Insert,
    base: &State,
) -> std::result::Result<Applied, Refused> {
    let mut tables = state.tables.clone();
    let mut gone_now = gone.clone();
    let mut applied = Applied::default();
    for (name, ids, if_gone) in &commit.deletes {
        let (Some(rows), Some(chosen)) = (tables.get_mut(*name), base.tables.get(*name)) else {
            continue;
        };
        for row in chosen.iter().filter(|r| ids.contains(&r.id)) {
            if gone_now.insert((name, row.id)) {
                rows.retain(|r| r.id != row.id);
                applied.deleted.push((name, row.id));
            } else if *if_gone == IfGone::Conflict {
                return Err(Refused::Conflict);
            }
        }
    }
    for (name, ids) in &commit.rows {
        let Some(rows) = tables.get_mut(*name) else {
            continue;
        };
        for &id in ids {
            if rows.iter().any(|r| r.id == id) {
                if commit.on_duplicate == OnDuplicate::Fail {
                    return Err(Refused::Duplicate);
                }
                applied.skipped += 1;
            } else {
                rows.push(state.row(name, id));
                applied.inserted.push((name, id));
            }
        }
        rows.sort();
    }
    state.tables = tables;
    *gone = gone_now;
    Ok(applied)
}
