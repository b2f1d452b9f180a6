//! What the public face promises, on real files with real threads.

use std::sync::mpsc::channel;

use storno_storage::{
    CompareOp, Error, OnDuplicate, Options, Predicate, ScanRequest, Store, SyncMode, Value,
    WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, scan, spec};

fn options(dir: &tempfile::TempDir) -> Options {
    let mut options = Options::new(dir.path().join("data"));
    options.memtable_bytes = 64 << 10;
    options.segment_rows = 4096;
    options.shards = 1;
    options
}

fn store_with_table(dir: &tempfile::TempDir) -> Store {
    let store = Store::open(options(dir)).unwrap();
    store.create_schema(SCHEMA, "schema attributes").unwrap();
    store.create_table(SCHEMA, spec("t")).unwrap();
    store
}

fn insert(store: &Store, table: &str, rows: &[Row], on_duplicate: OnDuplicate) -> WriteBatch {
    let table = store.snapshot().table(SCHEMA, table).unwrap();
    WriteBatch {
        inserts: vec![(table.meta().id, batch(table.meta(), rows))],
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate,
        sync: SyncMode::Durable,
    }
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

fn stored(store: &Store) -> Vec<Row> {
    read(&store.snapshot().table(SCHEMA, "t").unwrap()).unwrap()
}

#[test]
fn rows_survive_reopening_from_the_log_and_from_segments() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store
        .commit(insert(&store, "t", &rows(0..100), OnDuplicate::Fail))
        .unwrap();
    store.flush().unwrap();
    store
        .commit(insert(&store, "t", &rows(100..150), OnDuplicate::Fail))
        .unwrap();
    let sequence = store.snapshot().sequence();
    drop(store);
    let store = Store::open(options(&dir)).unwrap();
    assert_eq!(stored(&store), rows(0..150));
    assert_eq!(store.snapshot().sequence(), sequence);
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    assert_eq!(table.meta().spec, spec("t"));
    assert_eq!(
        store.snapshot().schemas(),
        [(SCHEMA.into(), "schema attributes".into())]
    );
}

#[test]
fn a_directory_is_open_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    assert!(matches!(Store::open(options(&dir)), Err(Error::Locked(_))));
    drop(store);
    Store::open(options(&dir)).unwrap();
}

#[test]
fn a_snapshot_never_changes() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store
        .commit(insert(&store, "t", &rows(0..500), OnDuplicate::Fail))
        .unwrap();
    let before = store.snapshot().table(SCHEMA, "t").unwrap();
    for i in 1..20 {
        let more = rows(i * 500..(i + 1) * 500);
        store
            .commit(insert(&store, "t", &more, OnDuplicate::Fail))
            .unwrap();
    }
    store.flush().unwrap();
    let middle = store.snapshot();
    store.truncate_table(SCHEMA, "t").unwrap();
    store.drop_table(SCHEMA, "t").unwrap();
    assert_eq!(read(&before).unwrap(), rows(0..500));
    assert_eq!(
        read(&middle.table(SCHEMA, "t").unwrap()).unwrap(),
        rows(0..10_000)
    );
    assert!(store.snapshot().table(SCHEMA, "t").is_none());
}

#[test]
fn files_of_a_dropped_table_go_with_the_last_reader() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store
        .commit(insert(&store, "t", &rows(0..100), OnDuplicate::Fail))
        .unwrap();
    store.flush().unwrap();
    let segments = || {
        let names = std::fs::read_dir(dir.path().join("data")).unwrap();
        names
            .filter(|n| {
                n.as_ref()
                    .unwrap()
                    .path()
                    .extension()
                    .is_some_and(|e| e == "seg")
            })
            .count()
    };
    let snapshot = store.snapshot();
    store.drop_table(SCHEMA, "t").unwrap();
    assert_eq!(segments(), 1);
    assert_eq!(
        read(&snapshot.table(SCHEMA, "t").unwrap()).unwrap(),
        rows(0..100)
    );
    drop(snapshot);
    assert_eq!(segments(), 0);
}

#[test]
fn a_repeated_key_fails_or_is_skipped_in_memory_in_segments_and_within_the_batch() {
    let dir = tempfile::tempdir().unwrap();
    let mut store = store_with_table(&dir);
    store
        .commit(insert(&store, "t", &rows([1, 2, 9]), OnDuplicate::Fail))
        .unwrap();
    for round in 0..3 {
        let error = store.commit(insert(&store, "t", &rows([50, 9, 60]), OnDuplicate::Fail));
        match error.unwrap_err() {
            Error::DuplicateKey {
                table,
                key,
                batch,
                row,
            } => {
                assert_eq!((key.as_str(), batch, row), ("PRIMARY", 0, 1));
                assert_eq!((table.schema.as_str(), table.table.as_str()), (SCHEMA, "t"));
            }
            other => panic!("{other}"),
        }
        let twice = insert(&store, "t", &rows([70, 71, 70]), OnDuplicate::Fail);
        let error = store.commit(twice).unwrap_err();
        assert!(
            matches!(error, Error::DuplicateKey { row: 2, .. }),
            "{error}"
        );
        let new = 100 + round;
        let skip = insert(&store, "t", &rows([new, 2, new, 9]), OnDuplicate::Skip);
        let commit = store.commit(skip).unwrap();
        assert_eq!((commit.rows_inserted, commit.rows_skipped), (1, 3));
        let left_out: Vec<usize> = commit.repeated.iter().map(|r| r.row).collect();
        assert_eq!(left_out, [1, 2, 3]);
        match round {
            0 => store.flush().unwrap(),
            _ => {
                drop(store);
                store = Store::open(options(&dir)).unwrap();
            }
        }
    }
    assert_eq!(stored(&store), rows([1, 2, 9, 100, 101, 102]));
}

#[test]
fn a_commit_of_several_tables_is_whole_or_absent() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store.create_table(SCHEMA, spec("u")).unwrap();
    store
        .commit(insert(&store, "u", &rows([5]), OnDuplicate::Fail))
        .unwrap();
    let mut both = insert(&store, "t", &rows([1, 2]), OnDuplicate::Fail);
    both.inserts
        .extend(insert(&store, "u", &rows([4, 5]), OnDuplicate::Fail).inserts);
    let error = store.commit(both).unwrap_err();
    assert!(
        matches!(
            error,
            Error::DuplicateKey {
                batch: 1,
                row: 1,
                ..
            }
        ),
        "{error}"
    );
    assert!(stored(&store).is_empty());
    let mut both = insert(&store, "t", &rows([1, 2]), OnDuplicate::Fail);
    both.inserts
        .extend(insert(&store, "u", &rows([4]), OnDuplicate::Fail).inserts);
    assert_eq!(store.commit(both).unwrap().rows_inserted, 3);
    assert_eq!(stored(&store), rows([1, 2]));
}

#[test]
fn the_counter_passes_every_stored_value() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    let id = store.snapshot().table(SCHEMA, "t").unwrap().meta().id;
    assert_eq!(store.reserve_ids(id, 10).unwrap(), 1);
    assert_eq!(store.reserve_ids(id, 1).unwrap(), 11);
    store
        .commit(insert(&store, "t", &rows([5000]), OnDuplicate::Fail))
        .unwrap();
    assert_eq!(store.reserve_ids(id, 1).unwrap(), 5001);
    store.flush().unwrap();
    store
        .commit(insert(&store, "t", &rows([7000]), OnDuplicate::Fail))
        .unwrap();
    drop(store);
    let store = Store::open(options(&dir)).unwrap();
    assert_eq!(store.reserve_ids(id, 1).unwrap(), 7001);
    store.truncate_table(SCHEMA, "t").unwrap();
    assert_eq!(store.reserve_ids(id, 1).unwrap(), 1);
}

#[test]
fn catalog_errors_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    assert!(matches!(
        store.create_schema(SCHEMA, ""),
        Err(Error::SchemaExists(_))
    ));
    assert!(matches!(
        store.drop_schema("none"),
        Err(Error::UnknownSchema(_))
    ));
    assert!(matches!(
        store.create_table("none", spec("t")),
        Err(Error::UnknownSchema(_))
    ));
    assert!(matches!(
        store.create_table(SCHEMA, spec("t")),
        Err(Error::TableExists(..))
    ));
    assert!(matches!(
        store.drop_table(SCHEMA, "none"),
        Err(Error::UnknownTable(..))
    ));
    let late = insert(&store, "t", &rows([1]), OnDuplicate::Fail);
    store.drop_table(SCHEMA, "t").unwrap();
    assert!(matches!(store.commit(late), Err(Error::UnknownTable(..))));
    let mut wrong = spec("w");
    wrong.columns[0].data_type = arrow::datatypes::DataType::Utf8;
    assert!(matches!(
        store.create_table(SCHEMA, wrong),
        Err(Error::Invalid(_))
    ));
}

#[test]
fn properties_are_kept() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store.set_property("user", Some("root")).unwrap();
    store.set_property("gone", Some("x")).unwrap();
    store.set_property("gone", None).unwrap();
    drop(store);
    let store = Store::open(options(&dir)).unwrap();
    assert_eq!(store.property("user").as_deref(), Some("root"));
    assert_eq!(store.property("gone"), None);
}

#[test]
fn many_commits_from_many_threads_are_all_there() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    std::thread::scope(|scope| {
        for thread in 0..4u64 {
            let store = store.clone();
            scope.spawn(move || {
                for i in 0..100 {
                    let id = thread * 10_000 + i;
                    store
                        .commit(insert(&store, "t", &rows([id]), OnDuplicate::Fail))
                        .unwrap();
                }
            });
        }
    });
    let all: Vec<u64> = (0..4).flat_map(|t| t * 10_000..t * 10_000 + 100).collect();
    assert_eq!(stored(&store), rows(all.clone()));
    drop(store);
    let store = Store::open(options(&dir)).unwrap();
    assert_eq!(stored(&store), rows(all));
}

/// More rows than the memory bound: the writer has to wait for flushes and never refuses.
#[test]
fn a_small_commit_that_meets_an_idle_writer_is_made_by_its_own_thread() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    let own = std::thread::current().id();
    let by_itself = (0..1000).any(|id| {
        let (sender, receiver) = channel();
        let mut batch = insert(&store, "t", &rows(id..id + 1), OnDuplicate::Fail);
        // Not to depend on how fast the disk is.
        batch.sync = SyncMode::Buffered;
        let done = move |result: storno_storage::Result<_>| {
            result.unwrap();
            sender.send(std::thread::current().id()).unwrap();
        };
        store.submit(batch, Box::new(done));
        receiver.recv().unwrap() == own
    });
    assert!(by_itself);
}

#[test]
fn commits_wait_for_memory_instead_of_failing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    let (sender, receiver) = channel();
    for i in 0..60u64 {
        let sender = sender.clone();
        let more = insert(
            &store,
            "t",
            &rows(i * 500..(i + 1) * 500),
            OnDuplicate::Fail,
        );
        store.submit(more, Box::new(move |result| sender.send(result).unwrap()));
    }
    drop(sender);
    assert_eq!(
        receiver
            .iter()
            .map(|r| r.unwrap().rows_inserted)
            .sum::<u64>(),
        30_000
    );
    assert_eq!(stored(&store), rows(0..30_000));
}

#[test]
fn a_scan_prunes_segments_and_blocks_and_says_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut options = options(&dir);
    options.memtable_bytes = 1 << 30;
    options.segment_rows = 50_000;
    let store = Store::open(options).unwrap();
    store.create_schema(SCHEMA, "").unwrap();
    store.create_table(SCHEMA, spec("t")).unwrap();
    store
        .commit(insert(&store, "t", &rows(0..70_000), OnDuplicate::Fail))
        .unwrap();
    store.flush().unwrap();
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    let request = |op, value| ScanRequest {
        columns: vec![0, 1, 2, 3, 4],
        predicates: vec![Predicate::Compare {
            column: 1,
            op,
            value: Value::Int(value),
        }],
    };
    let all = table.scan(ScanRequest::default()).unwrap();
    assert_eq!(
        (all.stats().segments_total, all.stats().blocks_total),
        (2, 10)
    );
    assert_eq!(
        (all.stats().segments_kept, all.stats().blocks_kept),
        (2, 10)
    );
    assert_eq!((all.stats().rows, all.stats().bytes), (70_000, 0));
    let counted: usize = all
        .into_morsels()
        .into_iter()
        .flatten()
        .map(|b| b.unwrap().num_rows())
        .sum();
    assert_eq!(counted, 70_000);
    // 10,000 rows of each of 7 sites, sorted by site: site 6 ends the second segment.
    let last = table.scan(request(CompareOp::Eq, 6)).unwrap();
    assert_eq!(
        (last.stats().segments_kept, last.stats().blocks_kept),
        (1, 2)
    );
    let found = scan(&table, request(CompareOp::Eq, 6)).unwrap();
    let found: Vec<Row> = found.iter().flat_map(crate::fixture::rows_of).collect();
    assert_eq!(found.iter().filter(|r| r.site == 6).count(), 10_000);
    assert_eq!(found.len() as u64, last.stats().rows);
    let none = table.scan(request(CompareOp::Gt, 6)).unwrap();
    assert_eq!((none.stats().segments_kept, none.stats().rows), (0, 0));
    assert!(none.into_morsels().is_empty());
}

#[test]
fn flushed_rows_are_sorted_by_the_sort_key() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store
        .commit(insert(
            &store,
            "t",
            &rows((0..1000).rev()),
            OnDuplicate::Fail,
        ))
        .unwrap();
    store.flush().unwrap();
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    let request = ScanRequest {
        columns: (0..5).collect(),
        predicates: Vec::new(),
    };
    let batches = scan(&table, request).unwrap();
    let keys: Vec<_> = batches
        .iter()
        .flat_map(crate::fixture::rows_of)
        .map(|r| (r.site, r.at))
        .collect();
    assert!(keys.is_sorted());
}

/// Someone cuts a segment while it is mapped: the kernel answers reads beyond the end with SIGBUS.
#[test]
fn a_file_that_shrinks_under_its_mapping_is_an_error_and_not_the_end_of_the_process() {
    let dir = tempfile::tempdir().unwrap();
    let store = store_with_table(&dir);
    store
        .commit(insert(&store, "t", &rows(0..4000), OnDuplicate::Fail))
        .unwrap();
    store.flush().unwrap();
    store.create_table(SCHEMA, spec("u")).unwrap();
    store
        .commit(insert(&store, "u", &rows(0..10), OnDuplicate::Fail))
        .unwrap();
    let table = store.snapshot().table(SCHEMA, "t").unwrap();
    for entry in std::fs::read_dir(dir.path().join("data")).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|e| e == "seg") {
            std::fs::OpenOptions::new()
                .write(true)
                .open(path)
                .unwrap()
                .set_len(100)
                .unwrap();
        }
    }
    let error = read(&table).unwrap_err();
    assert!(matches!(error, Error::Corruption { .. }), "{error}");
    let other = store.snapshot().table(SCHEMA, "u").unwrap();
    assert_eq!(read(&other).unwrap(), rows(0..10));
}
