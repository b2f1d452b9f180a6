//! A table with an event key on the simulated file system, beside a model of its rows and of the events it
//! must know. What it knows is asked on a fork of the disk, by sending every event once more.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use arrow::array::{ArrayRef, AsArray, RecordBatch, StringViewArray, UInt64Array};
use arrow::datatypes::{DataType, UInt64Type};
use storno_storage::fs::SimFs;
use storno_storage::{
    ColumnSpec, Commit, Delete, Environment, Error, EventKeySpec, IfGone, ManualClock, OnDuplicate,
    Options, Result, ScanRequest, Schedule, Store, SyncMode, TableSnapshot, TableSpec, WriteBatch,
};

use crate::workload::Random;
use crate::world::options;

pub(crate) const SCHEMA: &str = "shop";
pub(crate) const TABLE: &str = "events";
/// Events have numbers below this.
pub(crate) const EVENTS: u64 = 400;
pub(crate) const WINDOW: u64 = 86_400;

/// The number of the event, if it has one, and a number that no two rows share.
pub(crate) type Row = (Option<u64>, u64);

#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct State {
    pub(crate) rows: BTreeSet<Row>,
    /// When each event came last, in seconds.
    pub(crate) seen: BTreeMap<u64, u64>,
}

#[derive(Debug, Clone)]
pub(crate) enum Step {
    /// Commits that are queued together.
    Arrive(Vec<(Vec<Option<u64>>, SyncMode)>),
    /// New rows in the place of those of some events.
    Update(u64, u64),
    Delete(u64, u64),
    Flush,
    Job,
    /// Seconds pass.
    Pass(u64),
    Truncate,
    Reopen,
}

pub(crate) struct EventWorld {
    pub(crate) fs: SimFs,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) options: Options,
    pub(crate) store: Option<Store>,
    pub(crate) states: Vec<State>,
    pub(crate) durable: usize,
    pub(crate) in_doubt: Option<State>,
    serial: u64,
}

pub(crate) fn spec() -> TableSpec {
    let column = |name: &str, data_type, nullable| ColumnSpec {
        name: name.into(),
        data_type,
        nullable,
        attributes: String::new(),
    };
    TableSpec {
        name: TABLE.into(),
        columns: vec![
            column("serial", DataType::UInt64, false),
            column("event", DataType::Utf8View, true),
            column("kind", DataType::UInt32, false),
        ],
        sort_key: vec![2],
        shard_key: vec![2],
        unique_keys: Vec::new(),
        event_key: Some(EventKeySpec {
            columns: vec![2, 1],
            retain_days: 1,
        }),
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

pub(crate) fn batch(table: &TableSnapshot, rows: &[Row]) -> RecordBatch {
    let serials = rows.iter().map(|row| row.1);
    let event = |row: &Row| row.0.map(|event| format!("an event with number {event}"));
    let kinds = rows.iter().map(|row| (row.0.unwrap_or(row.1) % 3) as u32);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt64Array::from_iter_values(serials)),
        Arc::new(rows.iter().map(event).collect::<StringViewArray>()),
        Arc::new(arrow::array::UInt32Array::from_iter_values(kinds)),
    ];
    let schema = &table.meta().arrow;
    let columns = columns.iter().zip(schema.fields());
    let cast = |(column, field): (&ArrayRef, &Arc<arrow::datatypes::Field>)| {
        arrow::compute::cast(column, field.data_type()).unwrap()
    };
    RecordBatch::try_new(Arc::clone(schema), columns.map(cast).collect()).unwrap()
}

pub(crate) fn table(store: &Store) -> TableSnapshot {
    store.snapshot().table(SCHEMA, TABLE).unwrap()
}

/// A write of rows as they arrive.
pub(crate) fn arrivals(table: &TableSnapshot, rows: &[Row], sync: SyncMode) -> WriteBatch {
    WriteBatch {
        inserts: Vec::new(),
        arrivals: vec![(table.meta().id, batch(table, rows))],
        deletes: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync,
    }
}

fn rows_of(batch: &RecordBatch) -> Vec<Row> {
    let events = batch.column(0).as_string_view();
    let serials = batch.column(1).as_primitive::<UInt64Type>();
    let number = |event: &str| event.rsplit(' ').next().unwrap().parse().unwrap();
    let rows = events.iter().zip(serials.values());
    rows.map(|(event, serial)| (event.map(number), *serial))
        .collect()
}

pub(crate) fn read(table: &TableSnapshot) -> Result<BTreeSet<Row>> {
    let request = ScanRequest {
        columns: vec![1, 0],
        predicates: Vec::new(),
    };
    let batches = table.scan(request)?.into_morsels().into_iter().flatten();
    let mut rows = BTreeSet::new();
    for batch in batches {
        for row in rows_of(&batch?) {
            assert!(rows.insert(row), "{row:?} is there twice");
        }
    }
    Ok(rows)
}

impl EventWorld {
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            fs: SimFs::new(seed),
            clock: Arc::default(),
            options: options(),
            store: None,
            states: vec![State::default()],
            durable: 0,
            in_doubt: None,
            serial: 0,
        }
    }

    fn open_on(&self, fs: &SimFs) -> Result<Store> {
        let clock = Arc::clone(&self.clock);
        let environment = Environment {
            fs: Arc::new(fs.clone()),
            clock,
            seed: Some(7),
            schedule: Schedule::Manual,
        };
        Store::open_in(self.options.clone(), environment)
    }

    pub(crate) fn open(&mut self) -> Result<()> {
        self.store = None;
        let store = self.open_on(&self.fs)?;
        self.store = Some(store);
        Ok(())
    }

    /// Opens and creates the table.
    pub(crate) fn start(&mut self) -> Result<()> {
        self.open()?;
        self.store().create_schema(SCHEMA, "")?;
        self.store().create_table(SCHEMA, spec()).map(drop)
    }

    pub(crate) fn store(&self) -> &Store {
        self.store.as_ref().unwrap()
    }

    pub(crate) fn now(&self) -> u64 {
        use storno_storage::Clock;
        self.clock.wall().as_secs()
    }

    pub(crate) fn current(&self) -> &State {
        self.states.last().unwrap()
    }

    fn settled(&mut self) {
        self.durable = self.states.len() - 1;
    }

    /// Does one step and compares the answers with the model's.
    pub(crate) fn step(&mut self, step: &Step) -> Result<()> {
        match step {
            Step::Arrive(commits) => self.arrive(commits)?,
            Step::Update(from, to) => self.change((*from, *to), true)?,
            Step::Delete(from, to) => self.change((*from, *to), false)?,
            Step::Flush => {
                self.store().flush()?;
                self.settled();
            }
            Step::Job => {
                self.store().run_job();
                self.store().run_writer();
            }
            Step::Pass(seconds) => {
                self.clock.advance(Duration::from_secs(*seconds));
                self.store().run_writer();
            }
            Step::Truncate => {
                self.in_doubt = Some(State::default());
                self.store().truncate_table(SCHEMA, TABLE)?;
                self.states.push(State::default());
                self.settled();
            }
            Step::Reopen => {
                self.open()?;
                self.settled();
            }
        }
        self.in_doubt = None;
        Ok(())
    }

    /// Whether the model is sure of what becomes of an event that arrives now.
    fn is_sure(&self, event: Option<u64>) -> bool {
        let came = event.and_then(|event| self.current().seen.get(&event));
        came.is_none_or(|came| came + WINDOW >= self.now())
    }

    fn arrive(&mut self, commits: &[(Vec<Option<u64>>, SyncMode)]) -> Result<()> {
        let (now, table) = (self.now(), table(self.store()));
        let answers: Arc<Mutex<BTreeMap<usize, Result<Commit>>>> = Arc::default();
        let (mut sent, mut doubt) = (Vec::new(), self.current().clone());
        for (number, (events, sync)) in commits.iter().enumerate() {
            let rows = events.iter().filter(|event| self.is_sure(**event));
            let numbered = rows
                .zip(self.serial..)
                .map(|(event, serial)| (*event, serial));
            let rows: Vec<Row> = numbered.collect();
            self.serial += rows.len() as u64;
            for &(event, serial) in &rows {
                if event.is_none_or(|event| doubt.seen.insert(event, now).is_none()) {
                    doubt.rows.insert((event, serial));
                }
            }
            let answers = Arc::clone(&answers);
            let done = move |result| drop(answers.lock().unwrap().insert(number, result));
            let batch = arrivals(&table, &rows, *sync);
            self.store().submit(batch, Box::new(done));
            sent.push((rows, *sync));
        }
        self.store().run_writer();
        while answers.lock().unwrap().len() < commits.len() && self.store().run_job() {
            self.store().run_writer();
        }
        self.in_doubt = Some(doubt);
        let answers = std::mem::take(&mut *answers.lock().unwrap());
        assert_eq!(answers.len(), commits.len(), "a commit was not answered");
        for ((rows, sync), result) in sent.into_iter().zip(answers.into_values()) {
            let done = result?;
            let mut next = self.current().clone();
            let resent: BTreeSet<u32> = done.resent[0].iter().copied().collect();
            for (number, (event, serial)) in (0..).zip(rows) {
                let known = event.is_some_and(|event| next.seen.contains_key(&event));
                assert_eq!(resent.contains(&number), known, "event {event:?}");
                if let Some(event) = event {
                    next.seen.entry(event).or_insert(now);
                }
                if !known {
                    next.rows.insert((event, serial));
                }
            }
            assert_eq!(done.rows_resent(), done.rows_skipped);
            self.states.push(next);
            if sync == SyncMode::Durable {
                self.settled();
            }
        }
        Ok(())
    }

    /// Deletes the rows of the events `from..to`, and puts others in their place.
    fn change(&mut self, (from, to): (u64, u64), replace: bool) -> Result<()> {
        let (table, now) = (table(self.store()), self.now());
        let is_chosen = |row: &Row| row.0.is_some_and(|event| (from..to).contains(&event));
        let mut next = self.current().clone();
        let (gone, kept) = next.rows.into_iter().partition::<Vec<_>, _>(is_chosen);
        next.rows = kept.into_iter().collect();
        let mut new = Vec::new();
        if replace {
            new.extend(gone.iter().map(|row| row.0).zip(self.serial..));
            self.serial += new.len() as u64;
            next.rows.extend(&new);
            next.seen
                .extend(new.iter().filter_map(|row| Some((row.0?, now))));
        }
        let mut rows = table.selection();
        let request = ScanRequest {
            columns: vec![1, 0],
            predicates: Vec::new(),
        };
        let scan = table.scan(request).unwrap().with_row_positions();
        for batch in scan.into_morsels().into_iter().flatten() {
            let batch = batch?;
            let positions = batch.column(2).as_primitive::<UInt64Type>();
            let found = rows_of(&batch).into_iter().zip(positions.values());
            let chosen = found.filter(|(row, _)| is_chosen(row)).map(|(_, p)| *p);
            rows.extend(&chosen.collect::<Vec<_>>()).unwrap();
        }
        self.in_doubt = Some(next.clone());
        let done = self.store().commit(WriteBatch {
            inserts: vec![(table.meta().id, batch(&table, &new))],
            arrivals: Vec::new(),
            deletes: vec![Delete {
                rows,
                if_gone: IfGone::Conflict,
            }],
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        })?;
        assert_eq!(done.rows_deleted, gone.len() as u64);
        assert_eq!(done.rows_inserted, new.len() as u64);
        self.states.push(next);
        self.settled();
        Ok(())
    }

    /// The events the store knows, found out on a copy of the disk.
    pub(crate) fn known(&self, fs: &SimFs) -> Result<BTreeSet<u64>> {
        let copy = fs.fork(1);
        copy.kill();
        let store = self.open_on(&copy)?;
        if store.snapshot().table(SCHEMA, TABLE).is_none() {
            return Ok(BTreeSet::new());
        }
        let rows: Vec<Row> = (0..EVENTS)
            .map(|event| (Some(event), 1 << 40 | event))
            .collect();
        let done = store.commit(arrivals(&table(&store), &rows, SyncMode::Durable))?;
        Ok(done.resent[0].iter().map(|&row| u64::from(row)).collect())
    }

    /// Opens after a crash and checks that a state is found that may be.
    pub(crate) fn recover(&mut self) {
        let known = self.known(&self.fs).unwrap();
        self.open().unwrap();
        let created = self.store().snapshot().table(SCHEMA, TABLE);
        let rows = created
            .map(|table| read(&table).unwrap())
            .unwrap_or_default();
        let now = self.now();
        let fits = |state: &&State| {
            let in_window = |(_, came): &(&u64, &u64)| *came + WINDOW >= now;
            let kept = state.seen.iter().filter(in_window).map(|(event, _)| *event);
            state.rows == rows
                && kept.collect::<BTreeSet<_>>().is_subset(&known)
                && known.iter().all(|event| state.seen.contains_key(event))
        };
        let mut allowed = self.states[self.durable..].iter().chain(&self.in_doubt);
        let Some(state) = allowed.rfind(fits) else {
            panic!(
                "found {rows:?}\nwith {known:?}\nwhere one of {:#?} was expected, or {:#?}",
                &self.states[self.durable..],
                self.in_doubt
            );
        };
        self.states = vec![state.clone()];
        self.durable = 0;
        self.in_doubt = None;
    }
}

/// A workload that follows from the seed. Time passes so slowly that little is forgotten.
pub(crate) fn workload(seed: u64, steps: usize) -> Vec<Step> {
    let mut random = Random(seed ^ 0xE7E7);
    (0..steps).map(|_| random_step(&mut random)).collect()
}

fn random_step(random: &mut Random) -> Step {
    let range = |random: &mut Random| {
        let from = random.below(EVENTS);
        (from, from + 1 + random.below(EVENTS / 4))
    };
    match random.below(40) {
        0 => Step::Truncate,
        1 | 2 => Step::Reopen,
        3..=5 => Step::Pass(random.below(2 * 3600)),
        6 => Step::Pass(1 + random.below(120)),
        7..=9 => {
            let (from, to) = range(random);
            Step::Delete(from, to)
        }
        10 | 11 => {
            let (from, to) = range(random);
            Step::Update(from, to)
        }
        12..=16 => Step::Flush,
        17..=25 => Step::Job,
        _ => Step::Arrive(
            (0..1 + random.below(3))
                .map(|_| random_rows(random))
                .collect(),
        ),
    }
}

fn random_rows(random: &mut Random) -> (Vec<Option<u64>>, SyncMode) {
    let count = [1, 2, 5, 30][random.below(4) as usize];
    let event = |random: &mut Random| (random.below(20) > 0).then(|| random.below(EVENTS));
    let events = (0..count).map(|_| event(random)).collect();
    let sync = match random.below(6) {
        0 => SyncMode::Buffered,
        1 => SyncMode::Written,
        _ => SyncMode::Durable,
    };
    (events, sync)
}

/// Whether a step failed as it may under a fault.
pub(crate) fn is_fault(error: &Error) -> bool {
    matches!(error, Error::Io { .. } | Error::ReadOnly(_))
}
