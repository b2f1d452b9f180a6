//! Event keys: what arrives once more is left out and counted, for as long as the window says, whatever has
//! become of the first row, and through every crash.

use std::sync::Arc;
use std::time::Duration;

use arrow::array::AsArray;
use arrow::datatypes::{DataType, UInt64Type};
use storno_storage::fs::{Fault, FaultKind, FileSystem};
use storno_storage::{
    Alteration, ColumnOrigin, Error, EventKeySpec, KeySpec, OnDuplicate, Options, Store, SyncMode,
    check_directory,
};

use crate::event_world::{
    EVENTS, EventWorld, Row, SCHEMA, Step, TABLE, arrivals, batch, is_fault, read, spec, table,
    workload,
};
use crate::workload::rounds;

fn started(seed: u64) -> EventWorld {
    let mut world = EventWorld::new(seed);
    world.start().unwrap();
    world
}

fn events(numbers: std::ops::Range<u64>) -> Step {
    let numbers = numbers.map(Some).collect();
    Step::Arrive(vec![(numbers, SyncMode::Durable)])
}

#[test]
fn every_answer_and_state_is_the_models() {
    for seed in 0..rounds("STORNO_EVENT_SEEDS", 60) {
        let mut world = started(seed);
        for (number, step) in workload(seed, 150).iter().enumerate() {
            let done = world.step(step);
            done.unwrap_or_else(|e| panic!("seed {seed}, step {number} {step:?}: {e}"));
            let rows = read(&table(world.store())).unwrap();
            assert_eq!(
                rows,
                world.current().rows,
                "seed {seed}, step {number} {step:?}"
            );
        }
        let problems = world.store().check().unwrap().problems;
        assert!(problems.is_empty(), "seed {seed}: {problems:?}");
    }
}

#[test]
fn a_crash_at_a_random_operation_neither_forgets_nor_invents_an_event() {
    let mut crashes = 0;
    for seed in 0..rounds("STORNO_EVENT_CRASH_SEEDS", 300) {
        let mut world = EventWorld::new(seed);
        let at = seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 32;
        world.fs.arm(Fault::once(at % 500, FaultKind::Crash));
        let steps = workload(seed, 80);
        let _ = world
            .start()
            .and_then(|()| steps.iter().try_for_each(|step| world.step(step)));
        crashes += u64::from(world.fs.is_dead());
        world.fs.halt();
        world.store = None;
        match seed % 4 {
            0 => world.fs.kill(),
            _ => world.fs.power_cut(),
        }
        world.recover();
        if world.store().snapshot().table(SCHEMA, TABLE).is_none() {
            continue;
        }
        world.step(&events(0..30)).unwrap();
        world.fs.halt();
        world.store = None;
        world.fs.power_cut();
        world.recover();
    }
    assert!(
        crashes > 100,
        "only {crashes} workloads were long enough to be hit"
    );
}

#[test]
fn an_error_of_any_operation_neither_forgets_nor_invents_an_event() {
    let mut fired = 0;
    for seed in 0..rounds("STORNO_EVENT_FAULT_SEEDS", 1) {
        let steps = workload(seed, 50);
        for operation in 0..rounds("STORNO_EVENT_FAULT_OPERATIONS", 250) {
            for kind in [FaultKind::Io, FaultKind::NoSpace] {
                let mut world = EventWorld::new(seed ^ operation);
                world.fs.arm(Fault::once(operation, kind));
                let done = world.start();
                let done = done.and_then(|()| steps.iter().try_for_each(|step| world.step(step)));
                if let Err(error) = done {
                    assert!(is_fault(&error), "{operation}: {error}");
                    fired += 1;
                }
                world.fs.halt();
                world.store = None;
                world.fs.power_cut();
                world.recover();
            }
        }
    }
    assert!(fired > 100, "only {fired} faults were noticed");
}

#[test]
fn an_event_is_known_for_the_whole_window_and_forgotten_soon_after() {
    let mut world = started(1);
    let day = Duration::from_secs(86_400);
    world.step(&events(0..50)).unwrap();
    world.step(&Step::Flush).unwrap();
    // Deleting and rewriting rows changes nothing.
    world.step(&Step::Delete(0, 50)).unwrap();
    world.step(&Step::Flush).unwrap();
    while world.store().run_job() {
        world.store().run_writer();
    }
    assert_eq!(table(world.store()).rows(), 0);
    world.clock.advance(day);
    world.step(&Step::Reopen).unwrap();
    world.step(&events(0..50)).unwrap();
    assert_eq!(table(world.store()).rows(), 0);
    world.clock.advance(day / 8 + Duration::from_secs(120));
    world.store().run_writer();
    // Scrubbing may hold a file a little longer.
    while world.store().run_job() {
        world.store().run_writer();
    }
    assert!(world.known(&world.fs).unwrap().is_empty());
    let runs = |world: &EventWorld| {
        let files = world.fs.files().into_iter();
        files
            .filter(|f| f.extension().is_some_and(|e| e == "evt"))
            .count()
    };
    assert_eq!(runs(&world), 0);
    let row: Row = (Some(7), 9_000);
    let again = arrivals(&table(world.store()), &[row], SyncMode::Durable);
    assert_eq!(world.store().commit(again).unwrap().rows_inserted, 1);
}

#[test]
fn runs_are_merged_into_few_and_old_files_go() {
    let mut world = started(1);
    for number in 0..40 {
        world.step(&events(10 * number..10 * number + 10)).unwrap();
        world.step(&Step::Flush).unwrap();
        while world.store().run_job() {
            world.store().run_writer();
        }
    }
    let files = world.fs.files();
    let runs = files
        .iter()
        .filter(|f| f.extension().is_some_and(|e| e == "evt"));
    assert!(runs.count() <= 9);
    assert_eq!(world.known(&world.fs).unwrap().len() as u64, EVENTS);
}

/// An empty table whose serials are unique.
fn with_a_unique_key() -> EventWorld {
    let mut world = EventWorld::new(1);
    world.open().unwrap();
    let mut spec = spec();
    spec.unique_keys = vec![KeySpec {
        name: "serial".into(),
        columns: vec![0],
    }];
    world.store().create_schema(SCHEMA, "").unwrap();
    world.store().create_table(SCHEMA, spec).unwrap();
    world
}

#[test]
fn an_event_comes_before_unique_keys_and_nulls_are_no_events() {
    let world = with_a_unique_key();
    let store = world.store();
    let send = |rows: &[Row], on_duplicate| {
        let batch = arrivals(&table(store), rows, SyncMode::Durable);
        store.commit(storno_storage::WriteBatch {
            on_duplicate,
            ..batch
        })
    };
    let first = send(
        &[(Some(1), 1), (Some(1), 2), (None, 3), (None, 4)],
        OnDuplicate::Fail,
    );
    assert_eq!(first.unwrap().resent, [vec![1]]);
    // The same row once more repeats the unique key, too, and is no conflict.
    let again = send(&[(Some(1), 1), (Some(2), 5)], OnDuplicate::Fail).unwrap();
    assert_eq!((again.resent, again.rows_inserted), (vec![vec![0]], 1));
    // A row left out for a unique key has not arrived; nor has one whose commit failed.
    let skipped = send(&[(Some(3), 1)], OnDuplicate::Skip).unwrap();
    assert_eq!((skipped.rows_resent(), skipped.rows_skipped), (0, 1));
    let failed = send(&[(Some(4), 6), (Some(5), 1)], OnDuplicate::Fail);
    assert!(matches!(failed, Err(Error::DuplicateKey { row: 1, .. })));
    let after = send(&[(Some(3), 7), (Some(4), 6), (None, 8)], OnDuplicate::Fail).unwrap();
    assert_eq!((after.rows_inserted, after.rows_skipped), (3, 0));
}

#[test]
fn a_row_that_a_unique_key_keeps_out_of_a_large_load_has_not_arrived() {
    let world = with_a_unique_key();
    let store = world.store();
    let table = table(store);
    let mut load = store.load(table.meta().id, OnDuplicate::Skip).unwrap();
    let many: Vec<Row> = (0..300).map(|n| (Some(n), n % 200)).collect();
    for part in many.chunks(50) {
        load.push(batch(&table, part)).unwrap();
    }
    let done = load.commit().unwrap();
    assert_eq!((done.rows_inserted, done.rows_skipped), (200, 100));
    assert!(store.activity().bulk.runs > 0);
    let again: Vec<Row> = (0..300).map(|n| (Some(n), 1000 + n)).collect();
    let done = store.commit(arrivals(&table, &again, SyncMode::Durable));
    assert_eq!(done.unwrap().rows_inserted, 100);
}

#[test]
fn of_many_writers_sending_the_same_events_each_event_is_taken_once() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = Options::new(dir.path());
    options.memtable_bytes = 20_000;
    let store = Store::open(options.clone()).unwrap();
    store.create_schema(SCHEMA, "").unwrap();
    store.create_table(SCHEMA, spec()).unwrap();
    let (writers, batches, size) = (4, 60, 25);
    let taken: u64 = std::thread::scope(|scope| {
        let write = |writer: u64| {
            let store = store.clone();
            move || {
                (0..batches)
                    .map(|number| {
                        let from = number * size;
                        let rows = from..from + size;
                        let rows = rows.map(|event| (Some(event), writer << 32 | event));
                        let rows: Vec<Row> = rows.collect();
                        let batch = arrivals(&table(&store), &rows, SyncMode::Written);
                        let done = store.commit(batch).unwrap();
                        assert_eq!(done.rows_inserted + done.rows_resent(), size);
                        done.rows_inserted
                    })
                    .sum::<u64>()
            }
        };
        let threads: Vec<_> = (0..writers).map(|w| scope.spawn(write(w))).collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    assert_eq!(taken, batches * size);
    drop(store);
    let store = Store::open(options).unwrap();
    assert_eq!(read(&table(&store)).unwrap().len() as u64, batches * size);
    let rows: Vec<Row> = (0..batches * size)
        .map(|event| (Some(event), event))
        .collect();
    let again = store.commit(arrivals(&table(&store), &rows, SyncMode::Durable));
    assert_eq!(again.unwrap().rows_resent(), batches * size);
}

#[test]
fn a_transaction_leaves_out_what_is_known_and_looks_again_when_it_commits() {
    let mut world = started(1);
    world.step(&events(0..5)).unwrap();
    let store = world.store();
    let before = table(store);
    let mut pending = before.pending();
    let rows: Vec<Row> = vec![
        (Some(3), 100),
        (Some(9), 101),
        (Some(9), 102),
        (Some(10), 103),
    ];
    assert_eq!(pending.arrive(&batch(&before, &rows)).unwrap(), [0, 2]);
    let savepoint = pending.clone();
    assert_eq!(
        pending.arrive(&batch(&before, &[(Some(11), 104)])).unwrap(),
        [0u32; 0]
    );
    assert_eq!(
        pending.arrive(&batch(&before, &[(Some(10), 105)])).unwrap(),
        [0]
    );
    // An update of a row that was there keeps its event.
    pending.insert(&batch(&before, &[(Some(4), 106)])).unwrap();
    let mut pending_again = savepoint;
    assert_eq!(
        pending_again
            .arrive(&batch(&before, &[(Some(11), 107)]))
            .unwrap(),
        [0u32; 0]
    );
    // Somebody else is faster with one of them.
    let other = arrivals(&before, &[(Some(10), 200)], SyncMode::Durable);
    assert_eq!(store.commit(other).unwrap().rows_inserted, 1);
    let mut write = arrivals(&before, &[], SyncMode::Durable);
    write.arrivals.clear();
    pending.add_to(&mut write).unwrap();
    let done = store.commit(write).unwrap();
    assert_eq!((done.rows_inserted, done.rows_resent()), (3, 1));
    let rows = read(&table(store)).unwrap();
    for row in [
        (Some(9), 101),
        (Some(11), 104),
        (Some(4), 106),
        (Some(10), 200),
    ] {
        assert!(rows.contains(&row), "{row:?}");
    }
    assert_eq!(rows.len(), 9);
}

fn altered(store: &Store, change: impl Fn(&mut storno_storage::TableSpec)) -> Result<(), Error> {
    let mut spec = table(store).meta().spec.clone();
    change(&mut spec);
    let columns = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    store.alter_table(SCHEMA, TABLE, Alteration { spec, columns })
}

#[test]
fn altering_the_table_keeps_its_events_and_another_key_starts_anew() {
    let mut world = started(1);
    world.step(&events(0..20)).unwrap();
    world.step(&Step::Flush).unwrap();
    world.step(&events(20..30)).unwrap();
    let store = world.store();
    // A wider column has the same values.
    altered(store, |spec| spec.columns[2].data_type = DataType::UInt64).unwrap();
    altered(store, |spec| {
        spec.event_key.as_mut().unwrap().retain_days = 9
    })
    .unwrap();
    world.step(&Step::Reopen).unwrap();
    world.step(&events(0..40)).unwrap();
    assert_eq!(table(world.store()).rows(), 40);
    let other = |spec: &mut storno_storage::TableSpec| {
        spec.event_key = Some(EventKeySpec {
            columns: vec![0],
            retain_days: 35,
        });
    };
    // Another key knows the rows that are there, by their serials.
    altered(world.store(), other).unwrap();
    let rows: Vec<Row> = vec![(Some(900), 0), (Some(901), 900)];
    let done = world
        .store()
        .commit(arrivals(&table(world.store()), &rows, SyncMode::Durable))
        .unwrap();
    assert_eq!((done.rows_inserted, done.rows_resent()), (1, 1));
    altered(world.store(), |spec| spec.event_key = None).unwrap();
    let rows: Vec<Row> = vec![(Some(1), 500), (Some(1), 501)];
    let send = |store: &Store| store.commit(arrivals(&table(store), &rows, SyncMode::Durable));
    assert_eq!(send(world.store()).unwrap().rows_inserted, 2);
    // Nothing of the old key, in files or in the log, counts for a new one.
    delete_all(world.store());
    world.store().flush().unwrap();
    while world.store().run_job() {
        world.store().run_writer();
    }
    let serial = |spec: &mut storno_storage::TableSpec| {
        spec.event_key = Some(EventKeySpec {
            columns: vec![0],
            retain_days: 35,
        });
    };
    altered(world.store(), serial).unwrap();
    world.open().unwrap();
    let done = send(world.store()).unwrap();
    assert_eq!((done.rows_inserted, done.rows_resent()), (2, 0));
    world.open().unwrap();
    assert_eq!(send(world.store()).unwrap().rows_resent(), 2);
    let files = world.fs.files();
    assert!(
        !files
            .iter()
            .any(|f| f.extension().is_some_and(|e| e == "evt"))
    );
}

fn delete_all(store: &Store) {
    let all = table(store);
    let mut rows = all.selection();
    let scan = all.scan(Default::default()).unwrap().with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = batch.unwrap();
        let positions = batch.columns().last().unwrap().as_primitive::<UInt64Type>();
        rows.extend(positions.values()).unwrap();
    }
    let mut write = arrivals(&all, &[], SyncMode::Durable);
    let if_gone = storno_storage::IfGone::Conflict;
    write.deletes.push(storno_storage::Delete { rows, if_gone });
    store.commit(write).unwrap();
    assert_eq!(table(store).rows(), 0);
}

#[test]
fn a_damaged_run_is_reported_and_the_table_takes_no_rows_until_it_is_gone() {
    let mut world = started(1);
    world.step(&events(0..300)).unwrap();
    world.step(&Step::Flush).unwrap();
    world.store = None;
    let is_run = |f: &&std::path::PathBuf| f.extension().is_some_and(|e| e == "evt");
    let path = world.fs.files().iter().find(is_run).unwrap().clone();
    let content = world.fs.read(&path).unwrap();
    let (mut refused, mut missed) = (0, 0);
    for at in (0..content.len()).step_by(37) {
        let mut damaged = content.clone();
        damaged[at] ^= 4;
        let copy = world.fs.fork(0);
        copy.damage(&path, damaged);
        let report = check_directory(Arc::new(copy.clone()), &world.options.dir).unwrap();
        missed += u64::from(report.problems.is_empty());
        match world.known(&copy) {
            Ok(known) => assert_eq!(known.len(), 300),
            Err(Error::Corruption { path: named, .. }) => {
                assert_eq!(named, path);
                refused += 1;
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert!(
        refused > 20 && missed < 4,
        "{refused} refused, {missed} not found"
    );
    world.fs.remove(&path).unwrap();
    world.open().unwrap();
    assert_eq!(read(&table(world.store())).unwrap().len(), 300);
    let send = arrivals(&table(world.store()), &[(Some(1), 9000)], SyncMode::Durable);
    assert!(matches!(
        world.store().commit(send),
        Err(Error::Corruption { .. })
    ));
    altered(world.store(), |spec| spec.event_key = None).unwrap();
    let send = arrivals(&table(world.store()), &[(Some(1), 9000)], SyncMode::Durable);
    assert_eq!(world.store().commit(send).unwrap().rows_inserted, 1);
}
