//! Uncommitted changes: what a transaction sees of its own, and what becomes of it.

use arrow::array::AsArray;
use arrow::datatypes::UInt64Type;
use storno_storage::{
    Error, IfGone, OnDuplicate, Options, PendingChanges, RowSelection, ScanRequest, Store,
    SyncMode, TableSnapshot, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, spec};
use crate::world::{Random, rounds};

fn store(dir: &tempfile::TempDir) -> Store {
    let mut options = Options::new(dir.path().join("data"));
    options.memtable_bytes = 64 << 10;
    let store = Store::open(options).unwrap();
    store.create_schema(SCHEMA, "").unwrap();
    store.create_table(SCHEMA, spec("t")).unwrap();
    store
}

fn table(store: &Store) -> TableSnapshot {
    store.snapshot().table(SCHEMA, "t").unwrap()
}

fn rows(ids: impl IntoIterator<Item = u64>) -> Vec<Row> {
    ids.into_iter().map(row).collect()
}

fn insert(pending: &mut PendingChanges, table: &TableSnapshot, new: &[Row]) {
    pending.insert(&batch(table.meta(), new)).unwrap();
}

fn choose(table: &TableSnapshot, wanted: impl Fn(u64) -> bool) -> RowSelection {
    let request = ScanRequest {
        columns: vec![0],
        predicates: Vec::new(),
    };
    let mut chosen = table.selection();
    let scan = table.scan(request).unwrap().with_row_positions();
    for batch in scan.into_morsels().into_iter().flatten() {
        let batch = batch.unwrap();
        let ids = batch.column(0).as_primitive::<UInt64Type>().values();
        let positions = batch.column(1).as_primitive::<UInt64Type>().values();
        for (_, position) in ids.iter().zip(positions).filter(|(id, _)| wanted(**id)) {
            chosen.extend(&[*position]).unwrap();
        }
    }
    chosen
}

fn commit(store: &Store, pending: &PendingChanges) -> Result<(u64, u64), Error> {
    let mut batch = WriteBatch {
        inserts: Vec::new(),
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Written,
    };
    pending.add_to(&mut batch).unwrap();
    let done = store.commit(batch)?;
    Ok((done.rows_inserted, done.rows_deleted))
}

fn filled(store: &Store) {
    let mut pending = table(store).pending();
    insert(&mut pending, &table(store), &rows(0..60));
    commit(store, &pending).unwrap();
    store.flush().unwrap();
    let mut pending = table(store).pending();
    insert(&mut pending, &table(store), &rows(60..100));
    commit(store, &pending).unwrap();
}

#[test]
fn a_transaction_sees_its_own_changes_and_nobody_else_does_before_the_commit() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    filled(&store);
    let base = table(&store);
    let mut pending = base.pending();
    assert!(pending.is_empty());
    insert(&mut pending, &base, &rows(200..210));
    pending
        .delete(
            &choose(&pending.snapshot(), |id| id % 10 == 5),
            IfGone::Conflict,
        )
        .unwrap();
    let mut expected: Vec<u64> = (0..100).chain(200..210).filter(|id| id % 10 != 5).collect();
    assert_eq!(read(&pending.snapshot()).unwrap(), rows(expected.clone()));
    assert_eq!(pending.snapshot().rows(), expected.len() as u64);
    assert_eq!(read(&table(&store)).unwrap(), rows(0..100));
    // A savepoint is a clone.
    let savepoint = pending.clone();
    insert(&mut pending, &base, &rows([5]));
    pending
        .delete(&choose(&pending.snapshot(), |_| true), IfGone::Ignore)
        .unwrap();
    assert_eq!(read(&pending.snapshot()).unwrap(), []);
    // What others do meanwhile is not seen, and not touched.
    let mut other = table(&store).pending();
    insert(&mut other, &base, &rows([300]));
    commit(&store, &other).unwrap();
    store.flush().unwrap();
    assert_eq!(read(&savepoint.snapshot()).unwrap(), rows(expected.clone()));
    assert_eq!(commit(&store, &savepoint).unwrap(), (9, 10));
    expected.push(300);
    assert_eq!(read(&table(&store)).unwrap(), rows(expected));
}

#[test]
fn the_first_to_commit_wins_and_the_other_changes_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    filled(&store);
    let update = |id| {
        let base = table(&store);
        let mut pending = base.pending();
        pending
            .delete(&choose(&base, |found| found == id), IfGone::Conflict)
            .unwrap();
        insert(&mut pending, &base, &rows([id]));
        pending
    };
    let (first, mut second) = (update(7), update(7));
    insert(&mut second, &table(&store), &rows([500]));
    commit(&store, &first).unwrap();
    let error = commit(&store, &second).unwrap_err();
    assert!(matches!(error, Error::Conflict { .. }), "{error}");
    assert_eq!(read(&table(&store)).unwrap(), rows(0..100));
}

#[test]
fn rows_of_another_snapshot_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    filled(&store);
    let mut pending = table(&store).pending();
    let mut other = table(&store).pending();
    insert(&mut other, &table(&store), &rows([500]));
    let foreign = choose(&other.snapshot(), |id| id == 500);
    assert!(pending.delete(&foreign, IfGone::Ignore).is_err());
    store.flush().unwrap();
    let newer = choose(&table(&store), |id| id == 7);
    assert!(pending.delete(&newer, IfGone::Ignore).is_err());
}

/// Random statements of a transaction, against a list.
#[test]
fn any_sequence_of_statements_reads_what_it_wrote() {
    for seed in 0..rounds("STORNO_PENDING_SEEDS", 20) {
        let mut random = Random(seed);
        let dir = tempfile::tempdir().unwrap();
        let store = store(&dir);
        filled(&store);
        let base = table(&store);
        let mut pending = base.pending();
        let mut model: Vec<u64> = (0..100).collect();
        for _ in 0..15 {
            let from = random.below(120);
            let range = from..from + 1 + random.below(20);
            if random.below(2) == 0 {
                let chosen = choose(&pending.snapshot(), |id| range.contains(&id));
                pending.delete(&chosen, IfGone::Conflict).unwrap();
                model.retain(|id| !range.contains(id));
            } else {
                let new: Vec<u64> = range.filter(|id| !model.contains(id)).collect();
                insert(&mut pending, &base, &rows(new.iter().copied()));
                model.extend(new);
            }
            model.sort_unstable();
            assert_eq!(
                read(&pending.snapshot()).unwrap(),
                rows(model.iter().copied())
            );
        }
        commit(&store, &pending).unwrap();
        assert_eq!(read(&table(&store)).unwrap(), rows(model));
    }
}

#[test]
fn duplicates_are_found_in_segments_memtables_and_pending_rows_by_position() {
    let dir = tempfile::tempdir().unwrap();
    let store = store(&dir);
    filled(&store);
    let base = table(&store);
    let mut pending = base.pending();
    insert(&mut pending, &base, &rows([200, 201]));
    let gone = choose(&pending.snapshot(), |id| [3, 70, 201].contains(&id));
    pending.delete(&gone, IfGone::Ignore).unwrap();
    let asked = [5, 3, 80, 70, 200, 201, 999];
    let found = |table: &TableSnapshot| -> Vec<Option<u64>> {
        let asked = batch(table.meta(), &rows(asked));
        let found = table.find_duplicates(&asked).unwrap();
        let id_of = |duplicate: storno_storage::Duplicate| {
            assert_eq!(duplicate.key, 0);
            let mut chosen = table.selection();
            chosen.extend(&[duplicate.position]).unwrap();
            let batches = chosen.scan(vec![0]).unwrap().into_morsels();
            let batch = batches.into_iter().flatten().next().unwrap().unwrap();
            batch.column(0).as_primitive::<UInt64Type>().value(0)
        };
        found.into_iter().map(|d| d.map(id_of)).collect()
    };
    assert_eq!(
        found(&base),
        [Some(5), Some(3), Some(80), Some(70), None, None, None]
    );
    let seen = [Some(5), None, Some(80), None, Some(200), None, None];
    assert_eq!(found(&pending.snapshot()), seen);
    // After a rollback to a savepoint its rows are not mistaken for those that came instead.
    let savepoint = pending.clone();
    insert(&mut pending, &base, &rows([999]));
    let mut rolled_back = savepoint;
    insert(&mut rolled_back, &base, &rows([300]));
    assert_eq!(found(&rolled_back.snapshot()), seen);
    assert_eq!(found(&pending.snapshot())[6], Some(999));
}
