//! New unique keys of tables that have rows: refused with the value that repeats, enforced from the moment they
//! are there, whoever writes at the same time, and through every crash.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use arrow::array::AsArray;
use arrow::datatypes::Int64Type;
use storno_storage::fs::{Fault, FaultKind, SimFs};
use storno_storage::{
    Alteration, ColumnOrigin, Delete, Environment, Error, IfGone, KeySpec, ManualClock,
    OnDuplicate, Options, Result, Schedule, Store, SyncMode, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, spec};
use crate::world::{Random, options, rounds};

const AMOUNT: usize = 4;

fn open(fs: &SimFs) -> Result<Store> {
    let environment = Environment {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(ManualClock::default()),
        seed: Some(7),
        schedule: Schedule::Manual,
    };
    Store::open_in(options(), environment)
}

fn create(store: &Store) -> Result<()> {
    store.create_schema(SCHEMA, "")?;
    store.create_table(SCHEMA, spec("a")).map(drop)
}

fn with_amount(id: u64, amount: Option<i64>) -> Row {
    Row { amount, ..row(id) }
}

fn insert(store: &Store, rows: &[Row]) -> Result<u64> {
    let table = store.snapshot().table(SCHEMA, "a").unwrap();
    let done = store.commit(WriteBatch {
        inserts: vec![(table.meta().id, batch(table.meta(), rows))],
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    Ok(done.rows_inserted)
}

fn delete(store: &Store, id: u64) -> Result<u64> {
    let table = store.snapshot().table(SCHEMA, "a").unwrap();
    let mut rows = table.selection();
    let request = storno_storage::ScanRequest {
        columns: vec![0],
        predicates: Vec::new(),
    };
    let scan = table.scan(request).unwrap().with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = batch.unwrap();
        let ids = batch
            .column(0)
            .as_primitive::<arrow::datatypes::UInt64Type>();
        let positions = batch
            .column(1)
            .as_primitive::<arrow::datatypes::UInt64Type>();
        let both = ids.values().iter().zip(positions.values());
        let found: Vec<u64> = both.filter(|(i, _)| **i == id).map(|(_, p)| *p).collect();
        rows.extend(&found).unwrap();
    }
    let if_gone = IfGone::Ignore;
    let done = store.commit(WriteBatch {
        inserts: Vec::new(),
        deletes: vec![Delete { rows, if_gone }],
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    Ok(done.rows_deleted)
}

/// The key over `amount` is there from now on, or not.
fn set_key(store: &Store, there: bool) -> Result<()> {
    let table = store.snapshot().table(SCHEMA, "a").unwrap();
    let mut spec = table.meta().spec.clone();
    spec.unique_keys.retain(|key| key.name != "amount");
    if there {
        spec.unique_keys.push(KeySpec {
            name: "amount".into(),
            columns: vec![AMOUNT],
        });
    }
    let columns = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    store.alter_table(SCHEMA, "a", Alteration { spec, columns })
}

fn repeated(result: Result<()>) -> i64 {
    match result {
        Err(Error::NotUnique { table, key, row }) => {
            assert_eq!((table.table.as_str(), key.as_str()), ("a", "amount"));
            assert_eq!(
                (row.num_rows(), row.schema().field(0).name().as_str()),
                (1, "amount")
            );
            row.column(0).as_primitive::<Int64Type>().value(0)
        }
        other => panic!("{other:?}"),
    }
}

fn settle(store: &Store) {
    store.flush().unwrap();
    while store.run_job() {
        store.run_writer();
    }
}

#[test]
fn a_value_that_repeats_is_named_wherever_its_rows_are() {
    // Each step puts a row with the amount 5 somewhere.
    for (first, second) in [(0, 0), (0, 1), (1, 1), (0, 2), (2, 2)] {
        let store = open(&SimFs::new(1)).unwrap();
        create(&store).unwrap();
        let filler: Vec<Row> = (0..150)
            .map(|id| with_amount(id, Some(1000 + id as i64)))
            .collect();
        insert(&store, &filler).unwrap();
        for place in 0..3 {
            let count = u64::from(place == first) + u64::from(place == second);
            for number in 0..count {
                insert(&store, &[with_amount(500 + 10 * place + number, Some(5))]).unwrap();
            }
            match place {
                0 => settle(&store),
                1 => store.flush().unwrap(),
                _ => {}
            }
        }
        assert_eq!(repeated(set_key(&store, true)), 5, "{first} and {second}");
        // Without one of them it is unique.
        let ids = (500..530).filter(|&id| delete(&store, id).unwrap() > 0);
        let deleted: Vec<u64> = ids.take(1).collect();
        assert_eq!(deleted.len(), 1);
        set_key(&store, true).unwrap();
        let again = insert(&store, &[with_amount(900, Some(5))]);
        assert!(matches!(again, Err(Error::DuplicateKey { key, .. }) if key == "amount"));
        assert_eq!(store.check().unwrap().problems.len(), 0);
    }
}

#[test]
fn a_new_key_is_enforced_and_a_dropped_one_is_not_and_comes_back() {
    let fs = SimFs::new(1);
    let mut store = open(&fs).unwrap();
    create(&store).unwrap();
    let rows: Vec<Row> = (0..300)
        .map(|id| with_amount(id, (id % 3 > 0).then_some(id as i64)))
        .collect();
    insert(&store, rows.split_at(100).0).unwrap();
    settle(&store);
    insert(&store, rows.split_at(100).1).unwrap();
    // NULLs do not repeat each other.
    set_key(&store, true).unwrap();
    for round in 0..2 {
        for amount in [1, 50, 101, 299] {
            let taken = insert(&store, &[with_amount(1000, Some(amount))]);
            assert!(
                matches!(taken, Err(Error::DuplicateKey { .. })),
                "{round}: {amount}"
            );
        }
        assert_eq!(
            insert(&store, &[with_amount(1001 + round, None)]).unwrap(),
            1
        );
        drop(store);
        store = open(&fs).unwrap();
    }
    set_key(&store, false).unwrap();
    assert_eq!(insert(&store, &[with_amount(2000, Some(50))]).unwrap(), 1);
    assert_eq!(repeated(set_key(&store, true)), 50);
    // A failed attempt leaves nothing behind: the rows may go on repeating.
    assert_eq!(insert(&store, &[with_amount(2001, Some(50))]).unwrap(), 1);
    assert_eq!(
        delete(&store, 2001).unwrap() + delete(&store, 2000).unwrap(),
        2
    );
    set_key(&store, true).unwrap();
    settle(&store);
    let taken = insert(&store, &[with_amount(3000, Some(50))]);
    assert!(matches!(taken, Err(Error::DuplicateKey { .. })));
    assert_eq!(store.check().unwrap().problems.len(), 0);
}

#[test]
fn a_table_without_unique_keys_gets_its_first() {
    let fs = SimFs::new(1);
    let store = open(&fs).unwrap();
    store.create_schema(SCHEMA, "").unwrap();
    let mut plain = spec("a");
    plain.unique_keys.clear();
    store.create_table(SCHEMA, plain).unwrap();
    let rows: Vec<Row> = (0..200)
        .map(|id| with_amount(id, Some(id as i64)))
        .collect();
    insert(&store, &rows).unwrap();
    settle(&store);
    set_key(&store, true).unwrap();
    let taken = insert(&store, &[with_amount(1000, Some(77))]);
    assert!(matches!(taken, Err(Error::DuplicateKey { .. })));
    drop(store);
    let store = open(&fs).unwrap();
    assert_eq!(store.check().unwrap().problems.len(), 0);
    let taken = insert(&store, &[with_amount(1000, Some(77))]);
    assert!(matches!(taken, Err(Error::DuplicateKey { .. })));
}

/// Writers that nobody stops. Whatever the outcome, the rows and the key agree afterwards.
#[test]
fn a_key_added_while_others_write_holds() {
    let (mut added, mut refused) = (0, 0);
    for seed in 0..rounds("STORNO_ADD_KEY_RUNS", 8) {
        let dir = tempfile::tempdir().unwrap();
        let mut options = Options::new(dir.path());
        (options.memtable_bytes, options.segment_rows) = (30_000, 1000);
        let store = Store::open(options).unwrap();
        create(&store).unwrap();
        let rows: Vec<Row> = (0..3000)
            .map(|id| with_amount(id, Some(id as i64)))
            .collect();
        rows.chunks(100)
            .for_each(|rows| assert_eq!(insert(&store, rows).unwrap(), 100));
        let (stop, next) = (AtomicBool::new(false), AtomicU64::new(10_000));
        // Many values, so that most runs have no duplicate until long after the key is there; or few.
        let values = if seed % 2 == 0 { 1 << 40 } else { 20_000 };
        std::thread::scope(|scope| {
            for writer in 0..2u64 {
                let (store, stop, next) = (store.clone(), &stop, &next);
                scope.spawn(move || {
                    let mut random = Random(seed * 7 + writer + 1);
                    while !stop.load(Ordering::Relaxed) {
                        let id = next.fetch_add(1, Ordering::Relaxed);
                        let amount =
                            5000 + (random.below(1 << 30) << 10 | random.below(1 << 10)) % values;
                        match insert(&store, &[with_amount(id, Some(amount as i64))]) {
                            Ok(_)
                            | Err(Error::DuplicateKey { .. } | Error::TableChanged { .. }) => {}
                            Err(other) => panic!("{other}"),
                        }
                    }
                });
            }
            std::thread::sleep(std::time::Duration::from_millis(100));
            let result = set_key(&store, true);
            std::thread::sleep(std::time::Duration::from_millis(100));
            stop.store(true, Ordering::Relaxed);
            match result {
                Ok(()) => added += 1,
                Err(Error::NotUnique { .. }) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        });
        let table = store.snapshot().table(SCHEMA, "a").unwrap();
        let keyed = table.meta().spec.unique_keys.len() == 3;
        let mut amounts: Vec<_> = read(&table).unwrap().iter().map(|row| row.amount).collect();
        let all = amounts.len();
        amounts.sort_unstable();
        amounts.dedup();
        assert!(!keyed || amounts.len() == all, "seed {seed}");
        assert_eq!(store.check().unwrap().problems.len(), 0);
    }
    assert!(added > 0, "{added} added, {refused} refused");
}

#[test]
fn a_fault_while_a_key_is_added_leaves_the_table_with_or_without_it() {
    let (mut with, mut without) = (0, 0);
    for at in 0.. {
        let fs = SimFs::new(at);
        let store = open(&fs).unwrap();
        create(&store).unwrap();
        let rows: Vec<Row> = (0..120)
            .map(|id| with_amount(id, Some(id as i64)))
            .collect();
        insert(&store, &rows).unwrap();
        settle(&store);
        insert(&store, &[with_amount(200, Some(200))]).unwrap();
        let kind = [FaultKind::Crash, FaultKind::Io, FaultKind::NoSpace][at as usize % 3];
        fs.arm(Fault::once(fs.operations() + at / 3, kind));
        let done = set_key(&store, true);
        fs.halt();
        drop(store);
        fs.power_cut();
        let store = open(&fs).unwrap();
        let table = store.snapshot().table(SCHEMA, "a").unwrap();
        let keyed = table.meta().spec.unique_keys.len() == 3;
        assert!(keyed || done.is_err());
        assert_eq!(read(&table).unwrap().len(), 121);
        assert_eq!(store.check().unwrap().problems.len(), 0);
        assert!(
            !fs.files()
                .iter()
                .any(|f| f.extension().is_some_and(|e| e == "new"))
        );
        let again = insert(
            &store,
            &[with_amount(300, Some(7)), with_amount(301, Some(200))],
        );
        assert_eq!(again.is_err(), keyed);
        (with, without) = (with + u64::from(keyed), without + u64::from(!keyed));
        if done.is_ok() && kind == FaultKind::NoSpace {
            break;
        }
    }
    assert!(with > 0 && without > 10, "{with} with, {without} without");
}
