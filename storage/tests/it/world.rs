//! A store on the simulated file system, run step by step, beside a model of what it must hold. The
//! model keeps every state the store went through, so that after a crash the state found can be judged:
//! it must be one of them, and none older than the last one that was promised to be durable.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use storno_storage::fs::SimFs;
use storno_storage::{
    Commit, Environment, Error, ManualClock, OnDuplicate, Options, Result, Schedule, Store,
    SyncMode, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read_all, row, spec, table_id};

/// Everything a reader can see.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) schema: bool,
    pub(crate) tables: BTreeMap<String, Vec<Row>>,
    pub(crate) property: Option<String>,
}

/// One thing a workload does.
#[derive(Debug, Clone)]
pub(crate) enum Step {
    CreateSchema,
    CreateTable(&'static str),
    DropTable(&'static str),
    Truncate(&'static str),
    SetProperty(Option<String>),
    /// Commits that are queued together: table and ids of each.
    #[allow(clippy::type_complexity)]
    Commits(Vec<(Vec<(&'static str, Vec<u64>)>, SyncMode, OnDuplicate)>),
    Flush,
    /// One background job, then the writer.
    Job,
    /// A second passes.
    Tick,
    Reopen,
}

pub(crate) struct World {
    pub(crate) fs: SimFs,
    clock: Arc<ManualClock>,
    pub(crate) store: Option<Store>,
    /// States in order; the last is the current one.
    pub(crate) states: Vec<State>,
    /// Index of the oldest state that may be found after a power cut.
    pub(crate) durable: usize,
    /// The state that the step that failed would have made, if any.
    pub(crate) in_doubt: Option<State>,
}

pub(crate) fn options() -> Options {
    let mut options = Options::new("/db");
    options.memtable_bytes = 1500;
    options.segment_rows = 40;
    options.dictionary_cache_bytes = 1 << 16;
    options
}

impl World {
    pub(crate) fn new(seed: u64) -> Self {
        Self::on(SimFs::new(seed))
    }

    pub(crate) fn on(fs: SimFs) -> Self {
        Self {
            fs,
            clock: Arc::default(),
            store: None,
            states: vec![State::default()],
            durable: 0,
            in_doubt: None,
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
        let snapshot = self.store().snapshot();
        Ok(State {
            schema: snapshot.tables(SCHEMA).is_some(),
            tables: read_all(&snapshot)?,
            property: self.store().property("p"),
        })
    }

    /// Does one step and keeps the model in pace. An error is returned after the model has noted what
    /// is now in doubt; `DuplicateKey` and the like that the model expects are not errors.
    pub(crate) fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Commits(commits) => return self.commits(commits),
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
            Step::Reopen => {
                self.open()?;
                self.durable = self.states.len() - 1;
                return Ok(());
            }
            _ => {}
        }
        let mut next = self.current().clone();
        let expected = expect(&mut next, step);
        self.in_doubt = Some(next.clone());
        let result = self.catalog(step);
        if expected {
            result?;
            self.states.push(next);
            // A catalog change syncs the log first.
            self.durable = self.states.len() - 1;
        } else {
            let error = result.unwrap_err();
            if matches!(error, Error::Io { .. } | Error::ReadOnly(_)) {
                self.in_doubt = None;
                return Err(error);
            }
        }
        self.in_doubt = None;
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
            other => unreachable!("{other:?}"),
        }
    }

    /// Queues commits together and compares every answer with the model's.
    #[allow(clippy::type_complexity)]
    fn commits(
        &mut self,
        commits: &[(Vec<(&'static str, Vec<u64>)>, SyncMode, OnDuplicate)],
    ) -> Result<()> {
        let snapshot = self.store().snapshot();
        let (sender, receiver) = channel();
        for (number, (inserts, sync, on_duplicate)) in commits.iter().enumerate() {
            let known = inserts
                .iter()
                .filter(|(name, _)| self.current().tables.contains_key(*name));
            let inserts = known.map(|(name, ids)| {
                let table = snapshot.table(SCHEMA, name).unwrap();
                let rows: Vec<Row> = ids.iter().map(|&id| row(id)).collect();
                (table_id(&snapshot, name), batch(table.meta(), &rows))
            });
            let batch = WriteBatch {
                inserts: inserts.collect(),
                on_duplicate: *on_duplicate,
                sync: *sync,
            };
            let sender = sender.clone();
            let done = move |result| sender.send((number, result)).unwrap();
            self.store().submit(batch, Box::new(done));
        }
        drop(sender);
        while self.answers_missing() && self.store().run_job() {}
        self.store().run_writer();
        let mut failed = None;
        let mut doubt = self.current().clone();
        for (number, result) in receiver.iter() {
            let (inserts, sync, on_duplicate) = &commits[number];
            let mut next = self.current().clone();
            let expected = insert(&mut next, inserts, *on_duplicate);
            let _ = insert(&mut doubt, inserts, *on_duplicate);
            match (result, expected) {
                (Err(error @ (Error::Io { .. } | Error::ReadOnly(_))), _) => {
                    failed = Some(error);
                    continue;
                }
                (Ok(commit), Some(expected)) => {
                    let Commit {
                        rows_inserted,
                        rows_skipped,
                        ..
                    } = commit;
                    assert_eq!((rows_inserted, rows_skipped), expected);
                }
                (Err(Error::DuplicateKey { .. }), None) => continue,
                (result, expected) => panic!("{result:?} where {expected:?} was expected"),
            }
            assert!(
                failed.is_none(),
                "a commit succeeded after an earlier one had failed"
            );
            self.states.push(next);
            if *sync == SyncMode::Durable {
                self.durable = self.states.len() - 1;
            }
        }
        match failed {
            Some(error) => {
                self.in_doubt = Some(doubt);
                Err(error)
            }
            None => Ok(()),
        }
    }

    /// Runs the writer; whether it is waiting for a flush.
    fn answers_missing(&self) -> bool {
        self.store().run_writer();
        true
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
        self.states = vec![found];
        self.durable = 0;
        self.in_doubt = None;
    }
}

/// Applies a catalog change to the model; whether it succeeds.
fn expect(state: &mut State, step: &Step) -> bool {
    match step {
        Step::CreateSchema => !std::mem::replace(&mut state.schema, true),
        Step::CreateTable(name) => {
            let new = state.schema && !state.tables.contains_key(*name);
            if new {
                state.tables.insert((*name).into(), Vec::new());
            }
            new
        }
        Step::DropTable(name) => state.tables.remove(*name).is_some(),
        Step::Truncate(name) => state.tables.get_mut(*name).map(Vec::clear).is_some(),
        Step::SetProperty(value) => {
            state.property.clone_from(value);
            true
        }
        other => unreachable!("{other:?}"),
    }
}

/// Applies a commit to the model; rows inserted and skipped, or `None` when it fails.
fn insert(
    state: &mut State,
    inserts: &[(&'static str, Vec<u64>)],
    on_duplicate: OnDuplicate,
) -> Option<(u64, u64)> {
    let mut tables = state.tables.clone();
    let (mut inserted, mut skipped) = (0, 0);
    for (name, ids) in inserts {
        let Some(rows) = tables.get_mut(*name) else {
            continue;
        };
        for &id in ids {
            if rows.iter().any(|r| r.id == id) {
                if on_duplicate == OnDuplicate::Fail {
                    return None;
                }
                skipped += 1;
            } else {
                rows.push(row(id));
                inserted += 1;
            }
        }
        rows.sort();
    }
    state.tables = tables;
    Some((inserted, skipped))
}

/// A small random generator for workloads.
pub(crate) struct Random(pub u64);

impl Random {
    pub(crate) fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

const TABLES: [&str; 3] = ["a", "b", "c"];

/// A workload that follows from the seed.
pub(crate) fn workload(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = Random(seed);
    let mut all = vec![
        Step::CreateSchema,
        Step::CreateTable("a"),
        Step::CreateTable("b"),
    ];
    while all.len() < steps {
        all.push(random_step(&mut random));
    }
    all
}

fn random_step(random: &mut Random) -> Step {
    let table = |random: &mut Random| TABLES[random.below(3) as usize];
    match random.below(40) {
        0 => Step::CreateTable(table(random)),
        1 => Step::DropTable(table(random)),
        2 => Step::Truncate(table(random)),
        3 => {
            let value = random.below(100);
            Step::SetProperty((value > 20).then(|| value.to_string()))
        }
        4..=6 => Step::Flush,
        7..=14 => Step::Job,
        15 | 16 => Step::Tick,
        17 => Step::Reopen,
        _ => Step::Commits(
            (0..1 + random.below(3))
                .map(|_| random_commit(random))
                .collect(),
        ),
    }
}

fn random_commit(random: &mut Random) -> (Vec<(&'static str, Vec<u64>)>, SyncMode, OnDuplicate) {
    let inserts = (0..1 + random.below(2)).map(|_| {
        let table = TABLES[random.below(3) as usize];
        let count = [1, 1, 3, 12][random.below(4) as usize];
        (table, (0..count).map(|_| random.below(5000)).collect())
    });
    let inserts = inserts.collect();
    let sync = match random.below(8) {
        0 => SyncMode::Buffered,
        1 => SyncMode::Written,
        _ => SyncMode::Durable,
    };
    let on_duplicate = if random.below(2) == 0 {
        OnDuplicate::Fail
    } else {
        OnDuplicate::Skip
    };
    (inserts, sync, on_duplicate)
}

/// How often to repeat what can be repeated: a number given in the environment, or a default that
/// keeps the normal run short.
pub(crate) fn rounds(variable: &str, default: u64) -> u64 {
    std::env::var(variable)
        .ok()
        .and_then(|v| v.parse().ok())
        .unwrap_or(default)
}

/// Whether the path is below the WAL directory, a segment, or the manifest.
pub(crate) fn kind(path: &Path) -> &'static str {
    match path.extension().and_then(|e| e.to_str()) {
        Some("wal") => "wal",
        Some("seg") => "segment",
        _ => "manifest",
    }
}
