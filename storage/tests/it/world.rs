//! A store on the simulated file system, run step by step, beside a model of what it must hold. The
//! model keeps every state the store went through, so that after a crash the state found can be judged:
//! it must be one of them, and none older than the last one that was promised to be durable.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, UInt64Type};
use storno_storage::fs::SimFs;
use storno_storage::{
    Alteration, Delete, Environment, Error, IfGone, ManualClock, OnDuplicate, Options, Result,
    RowSelection, ScanRequest, Schedule, Snapshot, Store, SyncMode, TableMeta, TableSpec,
    WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read_all, spec, table_id, widened, with_extra};
use crate::states::{Applied, Insert, Refused, State, Step, apply, expect};

/// Rows chosen by an earlier step.
struct Chosen {
    table: &'static str,
    /// The ids, and which of all rows with that id it is.
    rows: Vec<(u64, u64)>,
    selection: RowSelection,
}

pub(crate) struct World {
    pub(crate) fs: SimFs,
    clock: Arc<ManualClock>,
    chosen: Option<Chosen>,
    /// Which of all rows with that id is in the table.
    births: BTreeMap<(String, u64), u64>,
    born: u64,
    pub(crate) store: Option<Store>,
    /// States in order; the last is the current one.
    pub(crate) states: Vec<State>,
    /// Index of the oldest state that may be found after a power cut.
    pub(crate) durable: usize,
    /// The states that the step that failed may have made, if any.
    pub(crate) in_doubt: Vec<State>,
}

fn metas(snapshot: &Snapshot) -> Vec<Arc<TableMeta>> {
    snapshot.tables(SCHEMA).unwrap_or_default()
}

fn extras(snapshot: &Snapshot) -> BTreeMap<String, i64> {
    let extra = |meta: &Arc<TableMeta>| {
        let column = meta.spec.columns.iter().find(|c| c.name == "extra")?;
        Some((meta.spec.name.clone(), column.attributes.parse().unwrap()))
    };
    metas(snapshot).iter().filter_map(extra).collect()
}

fn wide(snapshot: &Snapshot) -> BTreeSet<String> {
    let is_wide = |meta: &&Arc<TableMeta>| {
        let mut columns = meta.spec.columns.iter();
        columns.any(|c| c.name == "site" && c.data_type == DataType::UInt64)
    };
    let metas = metas(snapshot);
    metas
        .iter()
        .filter(is_wide)
        .map(|m| m.spec.name.clone())
        .collect()
}

pub(crate) fn options() -> Options {
    let mut options = Options::new("/db");
    options.memtable_bytes = 1500;
    options.bulk_bytes = 1200;
    options.wal_ahead_bytes = 1000;
    options.reserve_bytes = 700;
    options.segment_rows = 40;
    options.dictionary_cache_bytes = 1 << 16;
    options
}

/// What a store shows.
pub(crate) fn observe(store: &Store) -> Result<State> {
    let snapshot = store.snapshot();
    Ok(State {
        schema: snapshot.tables(SCHEMA).is_some(),
        tables: read_all(&snapshot)?,
        property: store.property("p"),
        extras: extras(&snapshot),
        wide: wide(&snapshot),
    })
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::on(SimFs::new(seed))
    }

    pub(crate) fn on(fs: SimFs) -> Self {
        Self {
            fs,
            clock: Arc::default(),
            chosen: None,
            births: BTreeMap::new(),
            born: 0,
            store: None,
            states: vec![State::default()],
            durable: 0,
            in_doubt: Vec::new(),
        }
    }

    pub(crate) fn open(&mut self) -> Result<()> {
        let clock = Arc::clone(&self.clock);
        let environment = Environment {
            fs: Arc::new(self.fs.clone()),
            clock,
            seed: Some(7),
            schedule: Schedule::Manual,
        };
        self.chosen = None;
        self.store = None;
        self.store = Some(Store::open_in(options(), environment)?);
        Ok(())
    }

    fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn current(&self) -> &State {
        self.states.last().unwrap()
    }

    /// What the store shows.
    pub(crate) fn observe(&self) -> Result<State> {
        observe(self.store())
    }

    /// Does one step and keeps the model in pace. An error is returned after the model has noted what
    /// is now in doubt; `DuplicateKey` and the like that the model expects are not errors.
    pub(crate) fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Commits(commits) => return self.commits(commits),
            Step::Choose(table, ids) => {
                self.choose(table, ids);
                return Ok(());
            }
            Step::DeleteChosen(if_gone) => return self.delete_chosen(*if_gone),
            Step::Flush => {
                self.store().flush()?;
                // A flush syncs the log first.
                self.durable = self.states.len() - 1;
                return Ok(());
            }
            Step::Job => {
                self.store().run_job();
                self.store().run_writer();
                return Ok(());
            }
            Step::Tick => {
                self.clock.advance(Duration::from_secs(1));
                self.store().run_writer();
                return Ok(());
            }
            Step::Rest(seconds) => {
                self.clock.advance(Duration::from_secs(*seconds));
                self.store().run_writer();
                return Ok(());
            }
            Step::Reopen => {
                self.open()?;
                self.durable = self.states.len() - 1;
                return Ok(());
            }
            _ => {}
        }
        let mut next = self.current().clone();
        let expected = expect(&mut next, step);
        self.in_doubt = vec![next.clone()];
        let result = self.catalog(step);
        if expected {
            result?;
            if let Step::Truncate(name) | Step::DropTable(name) = step {
                self.births.retain(|(table, _), _| table != name);
            }
            if let Step::Rename(from, to) = step {
                self.note_rename(from, to);
            }
            self.states.push(next);
            // A catalog change syncs the log first.
            self.durable = self.states.len() - 1;
        } else {
            let error = result.unwrap_err();
            if matches!(error, Error::Io { .. } | Error::ReadOnly(_)) {
                self.in_doubt.clear();
                return Err(error);
            }
        }
        self.in_doubt.clear();
        Ok(())
    }

    fn catalog(&self, step: &Step) -> Result<()> {
        let store = self.store();
        match step {
            Step::CreateSchema => store.create_schema(SCHEMA, "attributes"),
            Step::CreateTable(name) => store.create_table(SCHEMA, spec(name)).map(drop),
            Step::DropTable(name) => store.drop_table(SCHEMA, name),
            Step::Truncate(name) => store.truncate_table(SCHEMA, name),
            Step::SetProperty(value) => store.set_property("p", value.as_deref()),
            Step::AddColumn(name, fill) => self.alter(name, |spec| with_extra(spec, Some(*fill))),
            Step::DropColumn(name) => self.alter(name, |spec| with_extra(spec, None)),
            Step::Widen(name) => self.alter(name, widened),
            Step::Rename(from, to) => store.rename_table((SCHEMA, from), (SCHEMA, to)),
            other => unreachable!("{other:?}"),
        }
    }

    fn alter(&self, name: &str, alter: impl Fn(&TableSpec) -> Alteration) -> Result<()> {
        let table = self.store().snapshot().table(SCHEMA, name);
        let unknown = || Error::UnknownTable(SCHEMA.into(), name.into());
        let alteration = alter(&table.ok_or_else(unknown)?.meta().spec);
        self.store().alter_table(SCHEMA, name, alteration)
    }

    fn note_rename(&mut self, from: &'static str, to: &'static str) {
        let births = std::mem::take(&mut self.births).into_iter();
        let renamed = |((table, id), birth): ((String, u64), u64)| match table == from {
            true => ((to.to_owned(), id), birth),
            false => ((table, id), birth),
        };
        self.births = births.map(renamed).collect();
        if let Some(chosen) = self.chosen.as_mut().filter(|c| c.table == from) {
            chosen.table = to;
        }
    }

    /// Queues commits together and compares every answer with the model's.
    fn commits(&mut self, commits: &[Insert]) -> Result<()> {
        // All choose their rows now: submitting a large one may do those before it.
        let batches: Vec<WriteBatch> = commits.iter().map(|c| self.write_batch(c)).collect();
        // One that cannot be prepared is answered before those that are queued.
        let answers = Arc::new(Mutex::new(BTreeMap::new()));
        for (number, batch) in batches.into_iter().enumerate() {
            let answers = Arc::clone(&answers);
            let done = move |result| drop(answers.lock().unwrap().insert(number, result));
            self.store().submit(batch, Box::new(done));
        }
        self.store().run_writer();
        // They may have to wait for a flush.
        while answers.lock().unwrap().len() < commits.len() && self.store().run_job() {
            self.store().run_writer();
        }
        let answers = std::mem::take(&mut *answers.lock().unwrap());
        assert_eq!(answers.len(), commits.len(), "a commit was not answered");
        let base = self.current().clone();
        let mut failed = None;
        let mut gone = BTreeSet::new();
        // Of those that fail each may have happened.
        let mut doubts = vec![(base.clone(), gone.clone())];
        for (commit, result) in commits.iter().zip(answers.into_values()) {
            let mut next = self.current().clone();
            let expected = apply(&mut next, &mut gone, commit, &base);
            let applied = match (result, expected) {
                (Err(error @ (Error::Io { .. } | Error::ReadOnly(_))), _) => {
                    failed = Some(error);
                    for (mut state, mut gone) in doubts.clone() {
                        if apply(&mut state, &mut gone, commit, &base).is_ok() {
                            doubts.push((state, gone));
                        }
                    }
                    continue;
                }
                (Ok(done), Ok(expected)) => {
                    let found = (done.rows_inserted, done.rows_skipped, done.rows_deleted);
                    let (inserted, deleted) = (&expected.inserted, &expected.deleted);
                    let counts = (inserted.len(), expected.skipped, deleted.len());
                    assert_eq!(found, (counts.0 as u64, counts.1, counts.2 as u64));
                    expected
                }
                (Err(Error::DuplicateKey { .. }), Err(Refused::Duplicate)) => continue,
                (Err(Error::Conflict { .. }), Err(Refused::Conflict)) => continue,
                (result, expected) => panic!("{result:?} where {expected:?} was expected"),
            };
            if let Some(error) = &failed {
                // Only a full disk passes; what met it has left nothing behind.
                assert!(is_full(error), "a commit succeeded after {error}");
            }
            doubts = vec![(next.clone(), gone.clone())];
            self.note_births(&applied);
            self.states.push(next);
            if commit.sync == SyncMode::Durable {
                self.durable = self.states.len() - 1;
            }
        }
        match failed {
            Some(error) => {
                self.in_doubt = doubts.into_iter().map(|(state, _)| state).collect();
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Every row that a commit has put there is a new one.
    fn note_births(&mut self, applied: &Applied) {
        for &(table, id) in &applied.deleted {
            self.births.remove(&(table.into(), id));
        }
        for &(table, id) in &applied.inserted {
            self.born += 1;
            self.births.insert((table.into(), id), self.born);
        }
    }

    /// The rows with some ids, where they are now.
    fn selection(&self, table: &str, ids: &[u64]) -> RowSelection {
        let table = self.store().snapshot().table(SCHEMA, table).unwrap();
        let mut selection = table.selection();
        let request = ScanRequest {
            columns: vec![0],
            predicates: Vec::new(),
        };
        let scan = table.scan(request).unwrap().with_row_positions();
        for batch in scan.into_morsels().into_iter().flatten() {
            let batch = batch.unwrap();
            let (found, positions) = (batch.column(0), batch.column(1));
            let found = found.as_primitive::<UInt64Type>().values();
            let positions = positions.as_primitive::<UInt64Type>().values();
            for (_, position) in found
                .iter()
                .zip(positions)
                .filter(|(id, _)| ids.contains(id))
            {
                selection.extend(&[*position]).unwrap();
            }
        }
        selection
    }

    fn choose(&mut self, table: &'static str, ids: &[u64]) {
        let Some(rows) = self.current().tables.get(table) else {
            return;
        };
        let there = ids
            .iter()
            .copied()
            .filter(|id| rows.iter().any(|r| r.id == *id));
        let birth = |id| *self.births.get(&(table.to_owned(), id)).unwrap_or(&0);
        let rows: BTreeSet<(u64, u64)> = there.map(|id| (id, birth(id))).collect();
        let selection = self.selection(table, ids);
        assert_eq!(selection.len(), rows.len() as u64);
        self.chosen = Some(Chosen {
            table,
            rows: rows.into_iter().collect(),
            selection,
        });
    }

    fn delete_chosen(&mut self, if_gone: IfGone) -> Result<()> {
        let Some(chosen) = self.chosen.take() else {
            return Ok(());
        };
        let (table, rows) = (chosen.table, chosen.selection);
        let there = |(id, birth): &(u64, u64)| {
            let is_there = self.current().tables.get(table);
            let is_there = is_there.is_some_and(|rows| rows.iter().any(|r| r.id == *id));
            is_there && *self.births.get(&(table.to_owned(), *id)).unwrap_or(&0) == *birth
        };
        let ids: Vec<u64> = chosen
            .rows
            .iter()
            .filter(|r| there(r))
            .map(|r| r.0)
            .collect();
        let snapshot = self.store().snapshot();
        let known = snapshot.table(SCHEMA, table);
        let same_table = known.is_some_and(|t| t.meta().id == rows.table());
        let expected = match if_gone {
            _ if !same_table => Err(Refused::UnknownTable),
            IfGone::Conflict if ids.len() < chosen.rows.len() => Err(Refused::Conflict),
            _ => Ok(ids.len() as u64),
        };
        let mut next = self.current().clone();
        if let Some(rows) = next.tables.get_mut(table).filter(|_| expected.is_ok()) {
            rows.retain(|r| !ids.contains(&r.id));
        }
        self.in_doubt = vec![next.clone()];
        let result = self.store().commit(WriteBatch {
            inserts: Vec::new(),
            deletes: vec![Delete { rows, if_gone }],
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        });
        match (result, expected) {
            (Err(error @ (Error::Io { .. } | Error::ReadOnly(_))), _) => return Err(error),
            (Ok(done), Ok(expected)) => {
                assert_eq!(done.rows_deleted, expected);
                for id in ids {
                    self.births.remove(&(table.to_owned(), id));
                }
                self.states.push(next);
                self.durable = self.states.len() - 1;
            }
            (Err(Error::Conflict { .. }), Err(Refused::Conflict)) => {}
            (Err(Error::UnknownTable(..)), Err(Refused::UnknownTable)) => {}
            (result, expected) => panic!("{result:?} where {expected:?} was expected"),
        }
        self.in_doubt.clear();
        Ok(())
    }

    fn write_batch(&self, commit: &Insert) -> WriteBatch {
        let snapshot = self.store().snapshot();
        let known = commit
            .rows
            .iter()
            .filter(|(t, _)| self.current().tables.contains_key(*t));
        let inserts = known.map(|(name, ids)| {
            let table = snapshot.table(SCHEMA, name).unwrap();
            let rows: Vec<Row> = ids.iter().map(|&id| self.current().row(name, id)).collect();
            (table_id(&snapshot, name), batch(table.meta(), &rows))
        });
        let inserts = inserts.collect();
        let deletes = commit.deletes.iter();
        let deletes = deletes.filter(|(t, ..)| self.current().tables.contains_key(*t));
        let deletes = deletes.map(|(table, ids, if_gone)| Delete {
            rows: self.selection(table, ids),
            if_gone: *if_gone,
        });
        let deletes = deletes.collect();
        WriteBatch {
            inserts,
            deletes,
            arrivals: Vec::new(),
            on_duplicate: commit.on_duplicate,
            sync: commit.sync,
        }
    }

    /// Stops the store as a crash does: nothing more reaches the files.
    pub(crate) fn halt(&mut self) {
        self.fs.halt();
        self.store = None;
    }

    /// Opens after a crash and checks that a state is found that may be. That becomes the current one.
    pub(crate) fn recover(&mut self) {
        self.open()
            .unwrap_or_else(|e| panic!("the directory does not open: {e}"));
        let found = self.observe().unwrap();
        let mut allowed = self.states[self.durable..].iter().chain(&self.in_doubt);
        assert!(
            allowed.any(|state| *state == found),
            "found {found:#?}\nwhere one of these was expected: {:#?}\nor in doubt {:#?}",
            &self.states[self.durable..],
            self.in_doubt,
        );
        self.births.clear();
        self.states = vec![found];
        self.durable = 0;
        self.in_doubt.clear();
    }
}

fn is_full(error: &Error) -> bool {
    let full = std::io::ErrorKind::StorageFull;
    matches!(error, Error::Io { kind, .. } if *kind == full)
}
