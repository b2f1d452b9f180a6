//! Where a table comes to rest: few, full segments, each row written a few times, and periods that do not
//! overlap more than they must.

use std::sync::Arc;
use std::time::Duration;

use storno_storage::{
    CompareOp, Environment, ManualClock, OnDuplicate, Options, Predicate, ScanRequest, Schedule,
    Store, SyncMode, TableSnapshot, Value, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, spec};

const FULL: u64 = 4096;
const DAY_MICROS: i64 = 86_400_000_000;

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(shards: u32) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("data"));
        options.segment_rows = FULL as usize;
        options.shards = shards;
        options.bulk_bytes = 200 << 10;
        let clock: Arc<ManualClock> = Arc::default();
        let environment = Environment {
            clock: clock.clone(),
            schedule: Schedule::Manual,
            ..Environment::default()
        };
        let store = Store::open_in(options, environment).unwrap();
        store.create_schema(SCHEMA, "").unwrap();
        let mut spec = spec("t");
        spec.unique_keys.clear();
        store.create_table(SCHEMA, spec).unwrap();
        Self {
            store,
            clock,
            _dir: dir,
        }
    }

    fn table(&self) -> TableSnapshot {
        self.store.snapshot().table(SCHEMA, "t").unwrap()
    }

    fn insert(&self, rows: &[Row]) {
        let table = self.table();
        let batch = WriteBatch {
            inserts: vec![(table.meta().id, batch(table.meta(), rows))],
            arrivals: vec![],
            deletes: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Durable,
        };
        self.store.commit(batch).unwrap();
    }

    /// Runs all that is worth doing at once.
    fn work(&self) {
        self.store.run_writer();
        while self.store.run_job() {
            self.store.run_writer();
        }
    }

    fn rest(&self) {
        self.clock.advance(Duration::from_secs(6));
        self.work();
    }
}

fn rows(ids: std::ops::Range<u64>, day: i64) -> Vec<Row> {
    let of_day = |row: Row| Row {
        at: row.at + day * DAY_MICROS,
        ..row
    };
    ids.map(row).map(of_day).collect()
}

#[test]
fn flushes_come_to_rest_in_few_segments_and_rows_are_written_a_few_times() {
    let world = World::new(2);
    for flush in 0..60 {
        world.insert(&rows(flush * 500..(flush + 1) * 500, flush as i64));
        world.store.flush().unwrap();
        world.work();
        let segments = world.table().segments();
        assert!(segments <= 30, "{segments}");
    }
    world.rest();
    let activity = world.store.activity();
    assert_eq!((activity.flush.runs, activity.flush.rows), (60, 30_000));
    // Once into shards, once into full segments, and what is left at rest.
    assert!(activity.merge.rows <= 3 * 30_000, "{activity:?}");
    assert!(activity.merge.bytes > 0 && activity.merge.failures == 0);
    let (full, segments) = (30_000 / FULL as usize, world.table().segments());
    assert!(segments <= full + 4, "{segments}");
    assert_eq!(read(&world.table()).unwrap().len(), 30_000);
}

#[test]
fn a_small_table_rests_in_one_segment() {
    let world = World::new(8);
    for flush in 0..5 {
        world.insert(&rows(flush * 30..(flush + 1) * 30, 0));
        world.store.flush().unwrap();
    }
    world.work();
    assert_eq!(world.table().segments(), 5);
    world.rest();
    assert_eq!(world.table().segments(), 1);
}

#[test]
fn rows_for_several_segments_are_cut_at_midnights() {
    let world = World::new(1);
    let days = (0..16).flat_map(|day| rows(day * 1000..(day + 1) * 1000, day as i64));
    let mut all: Vec<Row> = days.collect();
    // In no order of time.
    all.sort_by_key(|row| row.id.wrapping_mul(0x9E37_79B9_7F4A_7C15));
    world.insert(&all);
    assert_eq!(world.table().segments(), 4);
    let segments_of = |day: i64| {
        let start = row(0).at - row(0).at % DAY_MICROS + day * DAY_MICROS;
        let bound = |op, value: i64| Predicate::Compare {
            column: 2,
            op,
            value: Value::Int(value.into()),
        };
        let request = ScanRequest {
            columns: vec![0],
            predicates: vec![
                bound(CompareOp::GtEq, start),
                bound(CompareOp::Lt, start + DAY_MICROS),
            ],
        };
        world.table().scan(request).unwrap().stats().segments_kept
    };
    for day in 0..16 {
        assert_eq!(segments_of(day), 1, "day {day}");
    }
}
