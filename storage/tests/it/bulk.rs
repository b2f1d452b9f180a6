//! Large commits, which become segments without passing through the log, on real files and threads.

use std::path::Path;

use storno_storage::{
    Delete, Error, IfGone, OnDuplicate, Options, ScanRequest, Store, SyncMode, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, spec};

fn options(dir: &tempfile::TempDir) -> Options {
    let mut options = Options::new(dir.path().join("data"));
    options.bulk_bytes = 100 << 10;
    options.segment_rows = 4096;
    options.shards = 3;
    options
}

fn open(dir: &tempfile::TempDir) -> Store {
    let store = Store::open(options(dir)).unwrap();
    if store.snapshot().tables(SCHEMA).is_none() {
        store.create_schema(SCHEMA, "").unwrap();
        store.create_table(SCHEMA, spec("t")).unwrap();
        store.create_table(SCHEMA, spec("u")).unwrap();
    }
    store
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

fn insert(store: &Store, parts: &[(&str, Vec<Row>)]) -> WriteBatch {
    let snapshot = store.snapshot();
    let part = |(table, rows): &(&str, Vec<Row>)| {
        let table = snapshot.table(SCHEMA, table).unwrap();
        (table.meta().id, batch(table.meta(), rows))
    };
    WriteBatch {
        inserts: parts.iter().map(part).collect(),
        arrivals: vec![],
        deletes: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    }
}

fn stored(store: &Store, table: &str) -> Vec<Row> {
    read(&store.snapshot().table(SCHEMA, table).unwrap()).unwrap()
}

fn files(dir: &Path, suffix: &str) -> usize {
    let names = std::fs::read_dir(dir)
        .unwrap()
        .map(|e| e.unwrap().file_name());
    names
        .filter(|n| n.to_string_lossy().ends_with(suffix))
        .count()
}

fn log_bytes(dir: &Path) -> u64 {
    let files = std::fs::read_dir(dir.join("wal")).unwrap();
    files.map(|f| f.unwrap().metadata().unwrap().len()).sum()
}

#[test]
fn a_large_commit_is_in_segments_at_once_and_survives() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let small = insert(&store, &[("t", rows(0..10))]);
    store.commit(small).unwrap();
    let before = log_bytes(&dir.path().join("data"));
    // In several parts and of two tables, one of them with a few rows only.
    let parts = [
        ("t", rows(10_000..30_000)),
        ("u", rows(0..3)),
        ("t", rows(100..10_000)),
    ];
    let done = store.commit(insert(&store, &parts)).unwrap();
    assert_eq!((done.sequence, done.rows_inserted), (2, 29_903));
    assert!(log_bytes(&dir.path().join("data")) < before + 1000);
    let activity = store.activity();
    assert_eq!((activity.bulk.runs, activity.bulk.rows), (2, 29_903));
    assert_eq!(activity.flush.runs, 0);
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    assert!(table.segments() >= 3, "{}", table.segments());
    let all: Vec<Row> = rows((0..10).chain(100..30_000));
    assert_eq!(stored(&store, "t"), all);
    assert_eq!(stored(&store, "u"), rows(0..3));
    assert!(store.reserve_ids(table.meta().id, 1).unwrap() >= 30_000);
    drop((table, store));
    let store = open(&dir);
    assert_eq!(stored(&store, "t"), all);
    assert_eq!(stored(&store, "u"), rows(0..3));
    let done = store.commit(insert(&store, &[("t", rows([50]))])).unwrap();
    assert_eq!(done.sequence, 3);
}

#[test]
fn a_large_commit_that_fails_leaves_no_row_and_no_file() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store
        .commit(insert(&store, &[("t", rows([20_000]))]))
        .unwrap();
    let parts = [("u", rows(0..5)), ("t", rows(10_000..30_000))];
    match store.commit(insert(&store, &parts)) {
        Err(Error::DuplicateKey { batch, row, .. }) => assert_eq!((batch, row), (1, 10_000)),
        other => panic!("{other:?}"),
    }
    // Within the batch, too.
    let twice = insert(&store, &[("t", rows((0..9000).chain([4000])))]);
    assert!(matches!(
        store.commit(twice),
        Err(Error::DuplicateKey { row: 9000, .. })
    ));
    assert_eq!(stored(&store, "t"), rows([20_000]));
    assert!(stored(&store, "u").is_empty());
    assert_eq!(files(&dir.path().join("data"), ".seg"), 0);
    assert_eq!(files(&dir.path().join("data"), ".key"), 0);
}

#[test]
fn rows_that_are_there_are_left_out_of_a_large_commit_and_counted() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store
        .commit(insert(&store, &[("t", rows(9_990..10_000))]))
        .unwrap();
    store.flush().unwrap();
    store
        .commit(insert(&store, &[("t", rows(10_000..10_010))]))
        .unwrap();
    let mut more = insert(
        &store,
        &[("t", rows(0..20_000)), ("t", rows(15_000..25_000))],
    );
    more.on_duplicate = OnDuplicate::Skip;
    let done = store.commit(more).unwrap();
    assert_eq!((done.rows_inserted, done.rows_skipped), (24_980, 5_020));
    let left_out = done.repeated.iter().map(|r| (r.insert, r.row));
    let (there, twice) = ((9_990..10_010).map(|r| (0, r)), (0..5_000).map(|r| (1, r)));
    assert!(left_out.eq(there.chain(twice)));
    assert_eq!(stored(&store, "t"), rows(0..25_000));
    let mut again = insert(&store, &[("t", rows(0..20_000))]);
    again.on_duplicate = OnDuplicate::Skip;
    let done = store.commit(again).unwrap();
    assert_eq!((done.rows_inserted, done.rows_skipped), (0, 20_000));
    drop(store);
    assert_eq!(stored(&open(&dir), "t"), rows(0..25_000));
}

#[test]
fn ids_of_a_large_commit_never_come_again_though_its_rows_are_gone() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    let many = insert(&store, &[("t", rows(0..20_000))]);
    store.commit(many).unwrap();
    assert_eq!(store.expire(SCHEMA, "t", 0, i64::MAX).unwrap(), 20_000);
    store.erase_deleted(SCHEMA, "t").unwrap();
    while files(&dir.path().join("data"), ".seg") > 0 {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    drop(store);
    let store = open(&dir);
    let id = store.snapshot().table(SCHEMA, "t").unwrap().meta().id;
    assert_eq!(store.reserve_ids(id, 1).unwrap(), 20_000);
}

#[test]
fn a_large_update_replaces_rows_in_memory_and_in_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store
        .commit(insert(&store, &[("t", rows(0..20_000))]))
        .unwrap();
    store
        .commit(insert(&store, &[("t", rows(20_000..21_000))]))
        .unwrap();
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    let mut selection = table.selection();
    let request = ScanRequest {
        columns: vec![0],
        predicates: Vec::new(),
    };
    let scan = table.scan(request).unwrap().with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        use arrow::array::AsArray;
        let positions = batch.unwrap().column(1).clone();
        let positions = positions.as_primitive::<arrow::datatypes::UInt64Type>();
        selection.extend(positions.values()).unwrap();
    }
    let changed: Vec<Row> = rows(0..21_000)
        .into_iter()
        .map(|row| Row {
            amount: Some(7),
            ..row
        })
        .collect();
    let mut update = insert(&store, &[("t", changed.clone())]);
    update.deletes.push(Delete {
        rows: selection.clone(),
        if_gone: IfGone::Conflict,
    });
    let done = store.commit(update).unwrap();
    assert_eq!((done.rows_inserted, done.rows_deleted), (21_000, 21_000));
    assert_eq!(stored(&store, "t"), changed);
    let mut late = insert(&store, &[("t", rows(30_000..50_000))]);
    late.deletes.push(Delete {
        rows: selection,
        if_gone: IfGone::Conflict,
    });
    assert!(matches!(store.commit(late), Err(Error::Conflict { .. })));
    drop(store);
    assert_eq!(stored(&open(&dir), "t"), changed);
}

#[test]
fn large_and_small_commits_of_several_threads_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let store = store.clone();
            scope.spawn(move || {
                for i in 0..6 {
                    let first = (thread * 6 + i) * 10_000;
                    let count = if thread.is_multiple_of(2) { 8_000 } else { 50 };
                    let more = insert(&store, &[("t", rows(first..first + count))]);
                    store.commit(more).unwrap();
                }
            });
        }
    });
    let count = |thread: u64| if thread.is_multiple_of(2) { 8_000 } else { 50 };
    let ids = (0..24).flat_map(|n| n * 10_000..n * 10_000 + count(n / 6));
    let all = rows(ids);
    assert_eq!(stored(&store, "t"), all);
    drop(store);
    assert_eq!(stored(&open(&dir), "t"), all);
}

#[test]
fn a_load_of_many_segments_is_one_commit_or_none() {
    let dir = tempfile::tempdir().unwrap();
    let store = open(&dir);
    store
        .commit(insert(&store, &[("t", rows(5_000..5_010))]))
        .unwrap();
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    let id = table.meta().id;
    let push = |on_duplicate, ids: std::ops::Range<u64>| {
        let mut load = store.load(id, on_duplicate).unwrap();
        let all = rows(ids);
        for part in all.chunks(700) {
            load.push(batch(table.meta(), part)).unwrap();
            assert_eq!(stored(&store, "t").len(), 10);
        }
        load
    };
    drop(push(OnDuplicate::Fail, 0..20_000));
    assert_eq!(files(&dir.path().join("data"), ".seg"), 0);
    let failed = push(OnDuplicate::Fail, 0..20_000).commit();
    assert!(
        matches!(failed, Err(Error::DuplicateKey { row: 100, .. })),
        "{failed:?}"
    );
    assert_eq!(files(&dir.path().join("data"), ".seg"), 0);
    let done = push(OnDuplicate::Skip, 0..20_000).commit().unwrap();
    assert_eq!((done.rows_inserted, done.rows_skipped), (19_990, 10));
    assert_eq!(store.activity().bulk.runs, 4 + 5 + 5);
    assert_eq!(stored(&store, "t"), rows(0..20_000));
    let few = store.load(id, OnDuplicate::Fail).unwrap();
    assert_eq!(few.commit().unwrap().rows_inserted, 0);
    drop(store);
    assert_eq!(stored(&open(&dir), "t"), rows(0..20_000));
}
