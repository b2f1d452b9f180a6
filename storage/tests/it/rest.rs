//! Where a table comes to rest: few, full segments, each row written a few times, and periods that do not
//! overlap more than they must.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use storno_storage::{
    Alteration, ColumnOrigin, CompareOp, Division, Environment, ManualClock, OnDuplicate, Options,
    Predicate, ScanRequest, Schedule, Store, SyncMode, TableSnapshot, Value, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, scan, spec};

const FULL: u64 = 4096;
const MEMTABLE: usize = 4 << 20;
const DAY_MICROS: i64 = 86_400_000_000;

struct World {
    store: Store,
    clock: Arc<ManualClock>,
    _dir: tempfile::TempDir,
}

impl World {
    fn new(shards: u32) -> Self {
        Self::divided(shards, Division::default())
    }

    /// A table that may say otherwise than the store, which has so many shards.
    fn divided(shards: u32, division: Division) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path().join("data"));
        options.segment_rows = FULL as usize;
        options.shards = shards;
        options.bulk_bytes = 200 << 10;
        options.memtable_bytes = MEMTABLE;
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
        spec.division = division;
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

    fn divide(&self, division: Division) {
        let mut spec = self.table().meta().spec.clone();
        spec.division = division;
        let columns = (0..spec.columns.len()).map(ColumnOrigin::Existing);
        let columns = columns.collect();
        let alteration = Alteration { spec, columns };
        self.store.alter_table(SCHEMA, "t", alteration).unwrap();
        assert_eq!(self.table().meta().spec.division, division);
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

/// Segments that a scan of one site opens.
fn segments_of_site(table: &TableSnapshot, site: u32) -> u64 {
    let request = ScanRequest {
        columns: vec![0],
        predicates: vec![Predicate::Compare {
            column: 1,
            op: CompareOp::Eq,
            value: Value::Int(site.into()),
        }],
    };
    table.scan(request).unwrap().stats().segments_kept
}

#[test]
fn what_a_table_says_of_its_division_comes_before_the_store() {
    let small = Division {
        shards: Some(1),
        segment_rows: Some(512),
    };
    for (division, least, most) in [(Division::default(), 1, 8), (small, 16, 24)] {
        let world = World::divided(3, division);
        for flush in 0..10 {
            world.insert(&rows(flush * 1000..(flush + 1) * 1000, 0));
            world.store.flush().unwrap();
            world.work();
        }
        world.rest();
        let segments = world.table().segments();
        assert!(
            (least..=most).contains(&segments),
            "{division:?}: {segments}"
        );
        assert_eq!(read(&world.table()).unwrap().len(), 10_000);
    }
}

#[test]
fn many_shards_are_parted_from_what_a_merge_gathers() {
    let many = Division {
        shards: Some(64),
        segment_rows: None,
    };
    let world = World::divided(1, many);
    for flush in 0..40 {
        world.insert(&rows(flush * 500..(flush + 1) * 500, 0));
        world.store.flush().unwrap();
        world.work();
    }
    world.rest();
    let table = world.table();
    // All sites lie in shards of their own, but for rows too few to be parted.
    let sites: BTreeSet<u32> = (0..20_000).map(|id| row(id).site).collect();
    let opened: u64 = sites
        .iter()
        .map(|&site| segments_of_site(&table, site))
        .sum();
    let segments = table.segments() as u64;
    assert!(segments >= 5, "{segments}");
    assert!(
        opened < sites.len() as u64 * segments,
        "{opened} of {segments}"
    );
    assert!(world.store.activity().merge.rows <= 4 * 20_000);
}

#[test]
fn another_number_of_shards_takes_hold_of_small_segments_and_leaves_full_ones() {
    let shards = |number| Division {
        shards: Some(number),
        segment_rows: None,
    };
    let world = World::divided(1, shards(4));
    world.insert(&rows(0..20_000, 0));
    let before = world.table().segments();
    for few in 0..4 {
        world.insert(&rows(500_000 + few * 600..500_600 + few * 600, 0));
        world.store.flush().unwrap();
        world.rest();
    }
    world.divide(shards(2));
    world.insert(&rows(600_000..602_500, 0));
    world.store.flush().unwrap();
    world.rest();
    let mut all: Vec<u64> = read(&world.table()).unwrap().iter().map(|r| r.id).collect();
    all.sort_unstable();
    let expected = (0..20_000).chain(500_000..502_400).chain(600_000..602_500);
    assert_eq!(all, expected.collect::<Vec<_>>());
    assert!(
        world.table().segments() <= before + 3,
        "{}",
        world.table().segments()
    );
    let sites: BTreeSet<u32> = (0..20_000).map(|id| row(id).site).collect();
    for site in sites {
        let request = ScanRequest {
            columns: vec![0],
            predicates: vec![Predicate::Compare {
                column: 1,
                op: CompareOp::Eq,
                value: Value::Int(site.into()),
            }],
        };
        let batches = scan(&world.table(), request).unwrap();
        let found: usize = batches.iter().map(|b| b.num_rows()).sum();
        let expected = all.iter().filter(|&&id| row(id).site == site).count();
        assert_eq!(found, expected, "site {site}");
    }
    // They are kept over a restart, where the numbers of the store are others.
    let World { store, clock, _dir } = world;
    drop(store);
    let environment = Environment {
        clock: clock.clone(),
        schedule: Schedule::Manual,
        ..Environment::default()
    };
    let store = Store::open_in(Options::new(_dir.path().join("data")), environment).unwrap();
    let world = World { store, clock, _dir };
    assert_eq!(world.table().meta().spec.division, shards(2));
    assert_eq!(read(&world.table()).unwrap().len(), all.len());
    let excessive = Division {
        shards: Some(257),
        segment_rows: None,
    };
    let mut spec = spec("u");
    spec.division = excessive;
    assert!(world.store.create_table(SCHEMA, spec).is_err());
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

impl World {
    /// Time passes in which nobody commits.
    fn idle(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.work();
    }

    fn flushes(&self) -> u64 {
        self.store.activity().flush.runs
    }
}

/// So few rows wait for their age, so many do not.
const FEW: u64 = 10;
const MANY: u64 = 2000;

#[test]
fn a_memtable_is_flushed_once_it_rests_and_not_while_rows_come() {
    let world = World::new(1);
    for commit in 0..20 {
        let from = commit * MANY / 20;
        world.insert(&rows(from..from + MANY / 20, 0));
        world.idle(9);
        assert_eq!((world.flushes(), world.table().segments()), (0, 0));
    }
    world.idle(1);
    assert_eq!(world.flushes(), 1);
    assert!(world.table().segments() > 0);
    assert_eq!(read(&world.table()).unwrap().len() as u64, MANY);
}

#[test]
fn hardly_any_rows_wait_for_their_age_also_while_more_come() {
    let world = World::new(1);
    for commit in 0..30 {
        assert_eq!(world.flushes(), 0, "after {commit} commits");
        world.insert(&rows(commit * FEW..(commit + 1) * FEW, 0));
        world.idle(10);
    }
    assert_eq!((world.flushes(), world.table().segments()), (1, 1));
}

#[test]
fn rows_that_are_replayed_rest_from_the_open_on() {
    let world = World::new(1);
    world.insert(&rows(0..MANY, 0));
    let World { store, clock, _dir } = world;
    drop(store);
    clock.advance(Duration::from_secs(100));
    let environment = Environment {
        clock: clock.clone(),
        schedule: Schedule::Manual,
        ..Environment::default()
    };
    let mut options = Options::new(_dir.path().join("data"));
    options.segment_rows = FULL as usize;
    options.memtable_bytes = MEMTABLE;
    let store = Store::open_in(options, environment).unwrap();
    let world = World { store, clock, _dir };
    world.idle(9);
    assert_eq!(world.flushes(), 0);
    world.idle(1);
    assert_eq!(world.flushes(), 1);
    assert_eq!(read(&world.table()).unwrap().len() as u64, MANY);
}

/// A day of a few rows in each minute, each of which rests.
#[test]
fn a_day_of_trickling_rows_leaves_few_segments_and_writes_each_row_a_few_times() {
    let world = World::new(4);
    let (minutes, mut most) = (24 * 60, 0);
    for minute in 0..minutes {
        world.insert(&rows(minute * FEW..(minute + 1) * FEW, 0));
        for _ in 0..6 {
            world.idle(10);
        }
        most = most.max(world.table().segments());
    }
    world.idle(600);
    let activity = world.store.activity();
    let total = minutes * FEW;
    assert_eq!(activity.flush.rows, total);
    // One in five minutes.
    assert!(activity.flush.runs <= minutes / 4, "{activity:?}");
    // Sizes grow by half at least from merge to merge.
    let growths = f64::ln(FULL as f64 / (5 * FEW) as f64) / f64::ln(1.5);
    let written = activity.merge.rows as f64 / total as f64;
    assert!(written <= 2.0 + growths, "{written} {activity:?}");
    assert!(most <= 24, "{most} segments");
    assert_eq!(read(&world.table()).unwrap().len() as u64, total);
}

/// Many tables take turns in resting: each is flushed, but logs are not begun for each of them.
#[test]
fn tables_that_rest_one_after_the_other_are_flushed_together() {
    let world = World::new(1);
    let names: Vec<String> = (0..20).map(|n| format!("t{n}")).collect();
    for name in &names {
        let mut spec = spec(name);
        spec.unique_keys.clear();
        world.store.create_table(SCHEMA, spec).unwrap();
    }
    let some = rows(0..MANY, 0);
    for round in 0..3 {
        for name in &names {
            let table = world.store.snapshot().table(SCHEMA, name).unwrap();
            let insert = (table.meta().id, batch(table.meta(), &some));
            let batch = WriteBatch {
                inserts: vec![insert],
                arrivals: vec![],
                deletes: Vec::new(),
                on_duplicate: OnDuplicate::Skip,
                sync: SyncMode::Durable,
            };
            world.store.commit(batch).unwrap();
            world.idle(1);
        }
        world.idle(20);
        assert_eq!(world.flushes(), (round + 1) * names.len() as u64);
    }
}
