//! Deletes and updates through the public face, on real files with real threads.

use std::time::{Duration, Instant};

use arrow::array::AsArray;
use arrow::datatypes::{Int64Type, UInt64Type};
use storno_storage::{
    Delete, Error, IfGone, OnDuplicate, Options, RowSelection, ScanRequest, Store, SyncMode,
    TableSnapshot, TableSpec, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, scan, spec};

fn store(dir: &tempfile::TempDir, spec: TableSpec) -> Store {
    let mut options = Options::new(dir.path().join("data"));
    options.memtable_bytes = 64 << 10;
    options.segment_rows = 4096;
    options.shards = 1;
    let store = Store::open(options).unwrap();
    if store.snapshot().tables(SCHEMA).is_none() {
        store.create_schema(SCHEMA, "").unwrap();
        store.create_table(SCHEMA, spec).unwrap();
    }
    store
}

fn table(store: &Store) -> TableSnapshot {
    store.snapshot().table(SCHEMA, "t").unwrap()
}

/// The rows whose id passes, and their amounts.
fn choose(table: &TableSnapshot, wanted: impl Fn(u64) -> bool) -> (RowSelection, Vec<Option<i64>>) {
    let request = ScanRequest {
        columns: vec![0, 4],
        predicates: Vec::new(),
    };
    let (mut selection, mut amounts) = (table.selection(), Vec::new());
    for batch in table
        .scan(request)
        .unwrap()
        .with_row_positions()
        .into_morsels()
        .into_iter()
        .flatten()
    {
        let batch = batch.unwrap();
        let ids = batch.column(0).as_primitive::<UInt64Type>();
        let positions = batch.column(2).as_primitive::<UInt64Type>();
        for (at, id) in ids.values().iter().enumerate() {
            if wanted(*id) {
                selection.extend(&[positions.value(at)]).unwrap();
                amounts.push(
                    batch
                        .column(1)
                        .as_primitive::<Int64Type>()
                        .iter()
                        .nth(at)
                        .unwrap(),
                );
            }
        }
    }
    (selection, amounts)
}

fn change(table: &TableSnapshot, rows: Option<RowSelection>, new: &[Row]) -> WriteBatch {
    let delete = |rows| Delete {
        rows,
        if_gone: IfGone::Conflict,
    };
    WriteBatch {
        inserts: vec![(table.meta().id, batch(table.meta(), new))],
        deletes: rows.map(delete).into_iter().collect(),
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Written,
    }
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

#[test]
fn an_update_may_keep_the_key_and_takes_effect_once() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    store
        .commit(change(&table(&store), None, &rows(0..50)))
        .unwrap();
    let before = table(&store);
    let (chosen, _) = choose(&before, |id| id == 7);
    let new = Row {
        amount: Some(1),
        ..row(7)
    };
    let update = || change(&before, Some(chosen.clone()), std::slice::from_ref(&new));
    let done = store.commit(update()).unwrap();
    assert_eq!((done.rows_inserted, done.rows_deleted), (1, 1));
    let error = store.commit(update()).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    let mut expected = rows((0..50).filter(|&id| id != 7));
    expected.push(new);
    expected.sort();
    assert_eq!(read(&table(&store)).unwrap(), expected);
    assert_eq!(
        read(&before).unwrap(),
        rows(0..50),
        "a snapshot never changes"
    );
    assert_eq!(
        (table(&store).rows(), table(&store).deleted_rows()),
        (50, 1)
    );
}

#[test]
fn rows_of_a_failed_update_are_still_there_and_so_are_their_keys() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    store
        .commit(change(&table(&store), None, &rows(0..50)))
        .unwrap();
    store.flush().unwrap();
    let (chosen, _) = choose(&table(&store), |id| id < 10);
    let update = change(&table(&store), Some(chosen), &rows((0..10).chain([20])));
    let error = store.commit(update).unwrap_err();
    assert!(
        matches!(error, Error::DuplicateKey { row: 10, .. }),
        "{error}"
    );
    assert_eq!(read(&table(&store)).unwrap(), rows(0..50));
    let error = store
        .commit(change(&table(&store), None, &rows([3])))
        .unwrap_err();
    assert!(matches!(error, Error::DuplicateKey { .. }), "{error}");
}

#[test]
fn a_table_without_keys_loses_exactly_the_chosen_copies() {
    let dir = tempfile::tempdir().unwrap();
    let mut without = spec("t");
    without.unique_keys.clear();
    let store = store(&dir, without);
    for _ in 0..3 {
        store
            .commit(change(&table(&store), None, &rows(0..5)))
            .unwrap();
        store.flush().unwrap();
    }
    store
        .commit(change(&table(&store), None, &rows(0..5)))
        .unwrap();
    let (chosen, _) = choose(&table(&store), |id| id == 2);
    assert_eq!(chosen.len(), 4);
    let found = scan_ids(&chosen);
    assert_eq!(found, [2, 2, 2, 2]);
    store
        .commit(change(&table(&store), Some(chosen), &[]))
        .unwrap();
    assert_eq!(table(&store).rows(), 16);
}

fn scan_ids(rows: &RowSelection) -> Vec<u64> {
    let batches = rows.scan(vec![0]).unwrap().into_morsels();
    let batches = batches.into_iter().flatten().map(Result::unwrap);
    let ids =
        |b: arrow::array::RecordBatch| b.column(0).as_primitive::<UInt64Type>().values().to_vec();
    batches.flat_map(ids).collect()
}

#[test]
fn positions_are_checked_against_their_snapshot() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    store
        .commit(change(&table(&store), None, &rows(0..5)))
        .unwrap();
    let mut chosen = table(&store).selection();
    assert!(chosen.extend(&[5]).is_err() && chosen.extend(&[1 << 32]).is_err());
    chosen.extend(&[4, 0, 4]).unwrap();
    assert_eq!(chosen.len(), 2);
    store
        .commit(change(&table(&store), None, &rows(5..6)))
        .unwrap();
    assert!(chosen.merge(&table(&store).selection()).is_err());
    let mut twice = change(&table(&store), Some(chosen), &[]);
    twice.deletes.push(twice.deletes[0].clone());
    assert!(matches!(store.commit(twice), Err(Error::Invalid(_))));
}

/// Counters that many threads add to, each by replacing the row, while memtables are flushed and
/// segments merged: no addition is lost, and none is counted twice.
#[test]
fn concurrent_updates_of_the_same_rows_lose_nothing() {
    const THREADS: u64 = 4;
    const ADDITIONS: u64 = 60;
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    let zero = |id| Row {
        amount: Some(0),
        ..row(id)
    };
    let counters: Vec<Row> = (0..3).map(zero).collect();
    store
        .commit(change(&table(&store), None, &counters))
        .unwrap();
    let conflicts: u64 = std::thread::scope(|scope| {
        let threads = (0..THREADS).map(|thread| {
            let store = store.clone();
            scope.spawn(move || {
                let mut conflicts = 0;
                for n in 0..ADDITIONS {
                    let id = (thread + n) % 3;
                    loop {
                        let table = table(&store);
                        let (chosen, amounts) = choose(&table, |found| found == id);
                        assert_eq!(amounts.len(), 1, "one version of the row is visible");
                        let new = Row {
                            amount: amounts[0].map(|a| a + 1),
                            ..row(id)
                        };
                        match store.commit(change(&table, Some(chosen), &[new])) {
                            Ok(_) => break,
                            Err(Error::Conflict { .. }) => conflicts += 1,
                            Err(error) => panic!("{error}"),
                        }
                    }
                    // Others fill memtables and segments meanwhile.
                    let filler = 1000 + (thread * ADDITIONS + n) * 40;
                    let more = rows(filler..filler + 40);
                    store.commit(change(&table(&store), None, &more)).unwrap();
                    if n % 16 == 0 {
                        store.flush().unwrap();
                    }
                }
                conflicts
            })
        });
        let threads: Vec<_> = threads.collect();
        threads.into_iter().map(|t| t.join().unwrap()).sum()
    });
    let (_, amounts) = choose(&table(&store), |id| id < 3);
    let sum: i64 = amounts.into_iter().flatten().sum();
    assert_eq!(sum as u64, THREADS * ADDITIONS);
    assert!(conflicts > 0, "nothing was contended");
}

#[test]
fn deleted_rows_give_their_space_back() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    store
        .commit(change(&table(&store), None, &rows(0..20_000)))
        .unwrap();
    store.flush().unwrap();
    let before = table(&store).bytes();
    let (chosen, _) = choose(&table(&store), |id| id % 10 != 0);
    assert_eq!(
        store
            .commit(change(&table(&store), Some(chosen), &[]))
            .unwrap()
            .rows_deleted,
        18_000
    );
    store.flush().unwrap();
    // Merges run by themselves, one after the other.
    let deadline = Instant::now() + Duration::from_secs(60);
    while table(&store).deleted_rows() > 0 {
        assert!(Instant::now() < deadline, "the segments were not rewritten");
        std::thread::sleep(Duration::from_millis(5));
    }
    assert!(
        table(&store).bytes() < before / 4,
        "{} of {before}",
        table(&store).bytes()
    );
    let expected = rows((0..20_000).filter(|id| id % 10 == 0));
    assert_eq!(read(&table(&store)).unwrap(), expected);
    drop(store);
    let store = self::store(&dir, spec("t"));
    assert_eq!(read(&table(&store)).unwrap(), expected);
    let files = std::fs::read_dir(dir.path().join("data")).unwrap();
    let segments = files.filter(|f| {
        f.as_ref()
            .unwrap()
            .path()
            .extension()
            .is_some_and(|e| e == "seg")
    });
    assert!(segments.count() <= 6);
    let all = scan(&table(&store), ScanRequest::default()).unwrap();
    assert_eq!(all.iter().map(|b| b.num_rows()).sum::<usize>(), 2000);
}

#[test]
fn expired_rows_go_and_all_others_stay() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    store
        .commit(change(&table(&store), None, &rows(0..20_000)))
        .unwrap();
    store.flush().unwrap();
    store
        .commit(change(&table(&store), None, &rows(20_000..20_050)))
        .unwrap();
    let bound = row(6).at;
    let old = |id: &u64| row(*id).at < bound;
    let expected = (0..20_050).filter(old).count() as u64;
    assert_eq!(store.expire(SCHEMA, "t", 2, bound).unwrap(), expected);
    assert_eq!(store.expire(SCHEMA, "t", 2, bound).unwrap(), 0);
    assert_eq!(
        read(&table(&store)).unwrap(),
        rows((0..20_050).filter(|id| !old(id)))
    );
    // A NULL is not below anything.
    let nulls = (0..20_050)
        .filter(|id| !old(id) && row(*id).amount.is_none())
        .count() as u64;
    store.expire(SCHEMA, "t", 4, i64::MAX).unwrap();
    assert_eq!(table(&store).rows(), nulls);
    assert!(
        store.expire(SCHEMA, "t", 3, 0).is_err(),
        "text has no bound"
    );
    assert!(matches!(
        store.expire(SCHEMA, "none", 3, 0),
        Err(Error::UnknownTable(..))
    ));
}

#[test]
fn a_few_deleted_rows_are_erased_from_every_file_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir, spec("t"));
    let secret = |id: u64| Row {
        path: Some(format!("/a/secret/of/visitor/{id}")),
        ..row(id)
    };
    let new: Vec<Row> = (0..9000)
        .map(|id| if id % 1000 == 7 { secret(id) } else { row(id) })
        .collect();
    store.commit(change(&table(&store), None, &new)).unwrap();
    store.flush().unwrap();
    store
        .commit(change(&table(&store), None, &[secret(10_007)]))
        .unwrap();
    let (chosen, _) = choose(&table(&store), |id| id % 1000 == 7);
    store
        .commit(change(&table(&store), Some(chosen), &[]))
        .unwrap();
    let found = || {
        let files = walk(&dir.path().join("data"));
        let has = |path: &std::path::PathBuf| {
            let bytes = std::fs::read(path).unwrap();
            bytes.windows(17).any(|w| w == b"/a/secret/of/visi")
        };
        files.iter().filter(|path| has(path)).count()
    };
    assert!(found() > 0);
    store.erase_deleted(SCHEMA, "t").unwrap();
    let deadline = Instant::now() + Duration::from_secs(60);
    while table(&store).deleted_rows() > 0 {
        assert!(Instant::now() < deadline, "the segments were not rewritten");
        std::thread::sleep(Duration::from_millis(5));
    }
    store.flush().unwrap();
    let kept: Vec<Row> = new.into_iter().filter(|r| r.id % 1000 != 7).collect();
    assert_eq!(read(&table(&store)).unwrap(), kept);
    assert_eq!(found(), 0, "a secret is still on the disk");
}

/// Files below a directory.
fn walk(dir: &std::path::Path) -> Vec<std::path::PathBuf> {
    let entries = std::fs::read_dir(dir).unwrap().map(|e| e.unwrap().path());
    let below = |path: std::path::PathBuf| match path.is_dir() {
        true => walk(&path),
        false => vec![path],
    };
    entries.flat_map(below).collect()
}
