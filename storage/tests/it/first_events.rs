//! An event key for a table that has rows, and loads into tables with one: what was there counts as having
//! arrived, whatever fails meanwhile, and a load is there as a whole or not at all.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use storno_storage::fs::{Fault, FaultKind};
use storno_storage::{
    Alteration, ColumnOrigin, Error, OnDuplicate, Options, Result, Store, SyncMode, TableSpec,
};

use crate::event_world::{EventWorld, Row, SCHEMA, TABLE, arrivals, batch, read, spec, table};
use crate::workload::rounds;

fn altered(store: &Store, change: impl Fn(&mut TableSpec)) -> Result<()> {
    let mut spec = table(store).meta().spec.clone();
    change(&mut spec);
    let columns = (0..spec.columns.len()).map(ColumnOrigin::Existing);
    let columns = columns.collect();
    store.alter_table(SCHEMA, TABLE, Alteration { spec, columns })
}

fn without_key(store: &Store) -> Result<()> {
    altered(store, |spec| spec.event_key = None)
}

fn with_key(store: &Store) -> Result<()> {
    altered(store, |to| to.event_key = spec().event_key)
}

/// Rows with these events; their serials are their own.
fn rows(events: impl IntoIterator<Item = u64>, serial: u64) -> Vec<Row> {
    let events = events.into_iter();
    events.map(|event| (Some(event), serial + event)).collect()
}

/// Inserted and left out.
fn send(store: &Store, rows: &[Row]) -> Result<(u64, u64)> {
    let done = store.commit(arrivals(&table(store), rows, SyncMode::Durable))?;
    Ok((done.rows_inserted, done.rows_resent()))
}

#[test]
fn rows_in_segments_and_in_memory_count_as_arrived() {
    let mut world = EventWorld::new(1);
    world.start().unwrap();
    without_key(world.store()).unwrap();
    send(world.store(), &rows(0..100, 0)).unwrap();
    world.store().flush().unwrap();
    // Twice the same, and one that is no event.
    send(world.store(), &rows(90..150, 1000)).unwrap();
    send(world.store(), &[(None, 5000)]).unwrap();
    with_key(world.store()).unwrap();
    assert_eq!(send(world.store(), &rows(0..200, 2000)).unwrap(), (50, 150));
    assert_eq!(send(world.store(), &[(None, 5001)]).unwrap(), (1, 0));
    // Also after a power cut, and when the rows of the log are in segments.
    world.store = None;
    world.fs.power_cut();
    world.open().unwrap();
    assert_eq!(send(world.store(), &rows(0..200, 3000)).unwrap(), (0, 200));
    world.store().flush().unwrap();
    while world.store().run_job() {
        world.store().run_writer();
    }
    world.open().unwrap();
    assert_eq!(send(world.store(), &rows(0..210, 4000)).unwrap(), (10, 200));
    assert_eq!(table(world.store()).rows(), 100 + 60 + 1 + 50 + 1 + 10);
    assert_eq!(world.store().check().unwrap().problems.len(), 0);
}

#[test]
fn a_fault_while_an_event_key_is_added_leaves_the_table_with_or_without_it() {
    let (mut with, mut without) = (0, 0);
    for at in 0.. {
        let mut world = EventWorld::new(at);
        world.start().unwrap();
        without_key(world.store()).unwrap();
        send(world.store(), &rows(0..80, 0)).unwrap();
        world.store().flush().unwrap();
        send(world.store(), &rows(80..100, 0)).unwrap();
        let kind = [FaultKind::Crash, FaultKind::Io, FaultKind::NoSpace][at as usize % 3];
        world
            .fs
            .arm(Fault::once(world.fs.operations() + at / 3, kind));
        let done = with_key(world.store());
        world.fs.halt();
        world.store = None;
        world.fs.power_cut();
        world.open().unwrap();
        let keyed = table(world.store()).meta().spec.event_key.is_some();
        assert!(keyed || done.is_err(), "operation {at}");
        assert_eq!(read(&table(world.store())).unwrap().len(), 100);
        let again = send(world.store(), &rows(70..110, 1000)).unwrap();
        let expected = if keyed { (10, 30) } else { (40, 0) };
        assert_eq!(again, expected, "operation {at}");
        assert_eq!(world.store().check().unwrap().problems.len(), 0);
        (with, without) = (with + u64::from(keyed), without + u64::from(!keyed));
        if done.is_ok() && kind == FaultKind::NoSpace {
            break;
        }
    }
    assert!(with > 0 && without > 5, "{with} with, {without} without");
}

fn open(dir: &tempfile::TempDir) -> Store {
    let mut options = Options::new(dir.path().join("data"));
    options.memtable_bytes = 100_000;
    options.bulk_bytes = 100 << 10;
    options.segment_rows = 4096;
    let store = Store::open(options).unwrap();
    if store.snapshot().tables(SCHEMA).is_none() {
        store.create_schema(SCHEMA, "").unwrap();
        store.create_table(SCHEMA, spec()).unwrap();
    }
    store
}

#[test]
fn events_that_come_while_the_key_is_added_are_known_once_it_is() {
    for round in 0..rounds("STORNO_FIRST_EVENTS_RUNS", 4) {
        let dir = tempfile::tempdir().unwrap();
        let store = open(&dir);
        without_key(&store).unwrap();
        for part in 0..20 {
            send(&store, &rows(part * 500..(part + 1) * 500, round)).unwrap();
        }
        let (stop, next) = (AtomicBool::new(false), AtomicU64::new(10_000));
        std::thread::scope(|scope| {
            for _ in 0..2 {
                let (store, stop, next) = (store.clone(), &stop, &next);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed) {
                        let first = next.fetch_add(10, Ordering::Relaxed);
                        match send(&store, &rows(first..first + 10, 0)) {
                            Ok(done) => assert_eq!(done, (10, 0)),
                            // Its rows were made for the table as it was.
                            Err(Error::TableChanged { .. }) => {
                                let again = send(&store, &rows(first..first + 10, 0));
                                assert_eq!(again.unwrap(), (10, 0));
                            }
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(50));
            with_key(&store).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(50));
            stop.store(true, Ordering::Relaxed);
        });
        let all = next.load(Ordering::Relaxed);
        assert_eq!(table(&store).rows(), all);
        assert_eq!(send(&store, &rows(0..all + 5, 7)).unwrap(), (5, all));
        drop(store);
        let store = open(&dir);
        assert_eq!(send(&store, &rows(0..all + 5, 9)).unwrap(), (0, all + 5));
        assert_eq!(store.check().unwrap().problems.len(), 0);
    }
}

#[test]
fn a_load_of_many_segments_leaves_out_known_events_and_is_one_commit_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    send(&store, &rows(1_000..1_100, 0)).unwrap();
    let id = table(&store).meta().id;
    let push = |events: std::ops::Range<u64>, serial| {
        let mut load = store.load(id, OnDuplicate::Fail).unwrap();
        let before = table(&store).rows();
        let all = rows(events, serial);
        for part in all.chunks(700) {
            load.push(batch(&table(&store), part)).unwrap();
            assert_eq!(table(&store).rows(), before);
        }
        // A row of the load that repeats another.
        load.push(batch(&table(&store), &all[..1])).unwrap();
        load
    };
    drop(push(0..20_000, 0));
    assert_eq!(table(&store).rows(), 100);
    let load = push(0..20_000, 0);
    // Comes between.
    send(&store, &rows(2_000..2_010, 0)).unwrap();
    let done = load.commit().unwrap();
    assert_eq!((done.rows_inserted, done.rows_resent()), (19_890, 111));
    assert_eq!(table(&store).rows(), 20_000);
    let few = store.load(id, OnDuplicate::Fail).unwrap();
    assert_eq!(few.commit().unwrap().rows_inserted, 0);
    drop(store);
    let store = open(&dir);
    assert_eq!(
        send(&store, &rows(0..20_010, 90_000)).unwrap(),
        (10, 20_000)
    );
    assert_eq!(store.check().unwrap().problems.len(), 0);
    let events: std::collections::BTreeSet<_> = read(&table(&store))
        .unwrap()
        .into_iter()
        .map(|row| row.0)
        .collect();
    assert_eq!(events.len(), 20_010);
}

#[test]
fn a_load_takes_rows_of_other_tables_along() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let mut other = spec();
    (other.name, other.event_key) = ("other".into(), None);
    store.create_table(SCHEMA, other).unwrap();
    let beside = |store: &Store| store.snapshot().table(SCHEMA, "other").unwrap();
    for (size, expected) in [(10_u64, 3_u64), (20_000, 6)] {
        let mut load = store
            .load(table(&store).meta().id, OnDuplicate::Fail)
            .unwrap();
        let all = rows(size..2 * size, 0);
        for part in all.chunks(500) {
            load.push(batch(&table(&store), part)).unwrap();
        }
        let others = batch(&beside(&store), &rows(0..3, size));
        let id = beside(&store).meta().id;
        let done = load.commit_with(vec![(id, others)]).unwrap();
        assert_eq!(done.rows_inserted, size + 3);
        assert_eq!(beside(&store).rows(), expected);
    }
    drop(store);
    let store = open(&dir);
    assert_eq!((table(&store).rows(), beside(&store).rows()), (20_010, 6));
}
