//! ALTER TABLE through the public face, on real files.

use arrow::datatypes::DataType;
use std::sync::Arc;
use std::sync::mpsc::channel;

use storno_storage::{
    Alteration, ColumnOrigin, Commit, CompareOp, Error, LastLook, OnDuplicate, Options, Predicate,
    ScanRequest, Store, SyncMode, TableMeta, TableSnapshot, Value, WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, read, row, rows_of, scan, spec, widened, with_extra};

fn store(dir: &tempfile::TempDir) -> Store {
    let mut options = Options::new(dir.path().join("data"));
    options.segment_rows = 50_000;
    Store::open(options).unwrap()
}

fn table(store: &Store) -> TableSnapshot {
    store.snapshot().table(SCHEMA, "t").unwrap()
}

fn insert(table: &TableSnapshot, rows: &[Row]) -> WriteBatch {
    WriteBatch {
        inserts: vec![(table.meta().id, batch(table.meta(), rows))],
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Written,
    }
}

/// A table of 30,000 rows in a segment, 7 sites.
fn filled(dir: &tempfile::TempDir) -> Store {
    let store = store(dir);
    store.create_schema(SCHEMA, "").unwrap();
    store.create_table(SCHEMA, spec("t")).unwrap();
    let rows: Vec<Row> = (0..30_000).map(row).collect();
    store.commit(insert(&table(&store), &rows)).unwrap();
    store.flush().unwrap();
    store
}

fn alter(store: &Store, alteration: Alteration) -> Result<(), Error> {
    store.alter_table(SCHEMA, "t", alteration)
}

fn current(store: &Store) -> storno_storage::TableSpec {
    table(store).meta().spec.clone()
}

/// Rows that a scan with a condition returns, and those of them that meet it.
fn matching(store: &Store, predicate: Predicate, meets: impl Fn(&Row) -> bool) -> (usize, usize) {
    let request = ScanRequest {
        columns: (0..current(store).columns.len()).collect(),
        predicates: vec![predicate],
    };
    let batches = scan(&table(store), request).unwrap();
    let rows: Vec<Row> = batches.iter().flat_map(rows_of).collect();
    (rows.len(), rows.iter().filter(|r| meets(r)).count())
}

#[test]
fn an_altered_table_prunes_its_old_segments_and_misses_no_row() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    alter(&store, with_extra(&current(&store), Some(7))).unwrap();
    alter(&store, widened(&current(&store))).unwrap();
    let compare = |column, op, value| Predicate::Compare {
        column,
        op,
        value: Value::Int(value),
    };
    // `site` is the third column now, `at` the fourth; the segment is sorted by them.
    let of_site = (0..30_000).filter(|id| id % 7 == 3).count();
    let (read, met) = matching(&store, compare(2, CompareOp::Eq, 3), |r| r.site == 3);
    assert!(
        met == of_site && read <= 2 * 8192,
        "{met} of {read}, {of_site} expected"
    );
    let (read, met) = matching(&store, compare(2, CompareOp::GtEq, 6), |r| r.site == 6);
    assert!(met == (0..30_000).filter(|id| id % 7 == 6).count() && read < 15_000);
    let early = row(0).at as i128;
    let wanted = (0..30_000).filter(|id| id % 13 == 0).count();
    let (_, met) = matching(&store, compare(3, CompareOp::LtEq, early), |r| {
        r.at as i128 <= early
    });
    assert_eq!(met, wanted);
    let (read, _) = matching(&store, Predicate::IsNull { column: 1 }, |_| true);
    assert_eq!(read, 0);
    let (_, met) = matching(&store, compare(1, CompareOp::Eq, 7), |r| r.extra == Some(7));
    assert_eq!(met, 30_000);
}

#[test]
fn an_alteration_takes_no_longer_for_many_rows_and_survives_reopening() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let before = table(&store).bytes();
    alter(&store, with_extra(&current(&store), Some(8))).unwrap();
    assert_eq!(table(&store).bytes(), before, "no segment was rewritten");
    let old = table(&store);
    alter(&store, with_extra(&current(&store), None)).unwrap();
    store.rename_table((SCHEMA, "t"), (SCHEMA, "u")).unwrap();
    let extra = |rows: &[Row]| rows.iter().filter(|r| r.extra == Some(8)).count();
    assert_eq!(
        extra(&read(&old).unwrap()),
        30_000,
        "a snapshot never changes"
    );
    drop(store);
    let store = self::store(&dir);
    let renamed = store.snapshot().table(SCHEMA, "u").unwrap();
    assert_eq!(renamed.meta().spec.columns.len(), 5);
    assert_eq!(
        read(&renamed).unwrap(),
        (0..30_000).map(row).collect::<Vec<_>>()
    );
    // The keys are those of before.
    let error = store.commit(insert(&renamed, &[row(29_999)])).unwrap_err();
    assert!(matches!(error, Error::DuplicateKey { .. }), "{error}");
}

#[test]
fn what_would_need_a_rewrite_or_lose_something_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let same = current(&store);
    let origins: Vec<ColumnOrigin> = (0..5).map(ColumnOrigin::Existing).collect();
    let refuse = |change: &dyn Fn(&mut Alteration)| {
        let mut alteration = Alteration {
            spec: same.clone(),
            columns: origins.clone(),
        };
        change(&mut alteration);
        alter(&store, alteration).unwrap_err()
    };
    let error = refuse(&|a| a.spec.columns[4].data_type = DataType::Int32);
    assert!(matches!(error, Error::NotSupported(_)), "{error}");
    let error = refuse(&|a| a.spec.columns[3].data_type = DataType::BinaryView);
    assert!(matches!(error, Error::NotSupported(_)), "{error}");
    let error = refuse(&|a| a.spec.sort_key = vec![2, 1]);
    assert!(matches!(error, Error::NotSupported(_)), "{error}");
    let error = refuse(&|a| a.spec.unique_keys[0].columns = vec![2]);
    assert!(matches!(error, Error::NotUnique { .. }), "{error}");
    let error = refuse(&|a| {
        a.columns[4] = ColumnOrigin::New { fill: None };
        a.spec.unique_keys[0].columns = vec![4];
    });
    assert!(matches!(error, Error::NotSupported(_)), "{error}");
    // `amount` has NULLs.
    let error = refuse(&|a| a.spec.columns[4].nullable = false);
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let error = refuse(&|a| {
        a.columns[4] = ColumnOrigin::New { fill: None };
        a.spec.columns[4].nullable = false;
    });
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    let error = refuse(&|a| a.columns[4] = ColumnOrigin::Existing(3));
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    assert_eq!(current(&store), same);
}

#[test]
fn rows_made_for_the_table_as_it_was_are_refused_and_dropped_keys_no_longer_hold() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let late = insert(&table(&store), &[row(50_000)]);
    alter(&store, with_extra(&current(&store), Some(7))).unwrap();
    assert!(
        matches!(store.commit(late), Err(Error::Invalid(_))),
        "other columns"
    );
    let mut without = widened(&current(&store));
    without.spec.unique_keys.clear();
    without.spec.columns[1].nullable = true;
    alter(&store, without).unwrap();
    store
        .commit(insert(&table(&store), &[row(1), row(1)]))
        .unwrap();
    assert_eq!(table(&store).rows(), 30_002);
    // One of the new rows has NULL there.
    let mut never_null = widened(&current(&store));
    never_null.spec.columns[1].nullable = false;
    let error = alter(&store, never_null.clone()).unwrap_err();
    assert!(matches!(error, Error::Invalid(_)), "{error}");
    store.truncate_table(SCHEMA, "t").unwrap();
    alter(&store, never_null).unwrap();
}

/// Nothing but an attribute changes.
fn described(old: &storno_storage::TableSpec, attributes: &str) -> Alteration {
    let mut spec = old.clone();
    spec.attributes = attributes.into();
    let columns = (0..spec.columns.len()).map(ColumnOrigin::Existing);
    Alteration {
        columns: columns.collect(),
        spec,
    }
}

fn commit_made_for(
    store: &Store,
    batch: WriteBatch,
    made_for: &Arc<TableMeta>,
) -> Result<Commit, Error> {
    let (sender, receiver) = channel();
    let done = Box::new(move |result| sender.send(result).unwrap());
    store.submit_made_for(batch, vec![Arc::clone(made_for)], done);
    receiver.recv().unwrap()
}

#[test]
fn rows_made_for_another_definition_are_refused_whatever_has_changed() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    let old = table(&store);
    let load = |definition: &TableSnapshot, rows: std::ops::Range<u64>| {
        let mut load = store.load_made_for(definition.meta(), [], OnDuplicate::Fail)?;
        let rows: Vec<Row> = rows.map(row).collect();
        load.push(batch(definition.meta(), &rows))?;
        Ok::<_, Error>(load)
    };
    // One that has few rows, and one that has written some.
    let (small, large) = (load(&old, 40_000..40_010), load(&old, 100_000..160_000));
    let late = insert(&old, &[row(50_000)]);
    alter(&store, described(&current(&store), "another")).unwrap();
    let changed = |result: Result<Commit, Error>| match result {
        Err(Error::TableChanged { table }) => assert_eq!(table.table, "t"),
        other => panic!("{other:?}"),
    };
    changed(commit_made_for(&store, late, old.meta()));
    changed(small.unwrap().commit());
    changed(large.unwrap().commit());
    changed(load(&old, 0..1).and_then(storno_storage::Load::commit));
    assert_eq!(table(&store).rows(), 30_000);
    // Another name changes nothing.
    let now = table(&store);
    let (small, large) = (load(&now, 40_000..40_010), load(&now, 100_000..160_000));
    store.rename_table((SCHEMA, "t"), (SCHEMA, "u")).unwrap();
    commit_made_for(&store, insert(&now, &[row(50_000)]), now.meta()).unwrap();
    small.unwrap().commit().unwrap();
    large.unwrap().commit().unwrap();
    let renamed = store.snapshot().table(SCHEMA, "u").unwrap();
    assert_eq!(renamed.rows(), 30_000 + 1 + 10 + 60_000);
    store.drop_table(SCHEMA, "u").unwrap();
    let gone = commit_made_for(&store, insert(&now, &[row(1)]), now.meta());
    assert!(matches!(gone, Err(Error::UnknownTable(..))), "{gone:?}");
}

#[test]
fn a_last_look_sees_what_has_come_and_decides() {
    let dir = tempfile::tempdir().unwrap();
    let store = filled(&dir);
    store
        .commit(insert(&table(&store), &[row(40_000)]))
        .unwrap();
    let before = table(&store);
    assert_eq!(before.count_since(&before), 0);
    store
        .commit(insert(&before, &[row(50_000), row(50_001)]))
        .unwrap();
    let came = move |now: &TableSnapshot| -> Result<Vec<u64>, Error> {
        let morsels = now.scan_since(&before, (0..5).collect())?.into_morsels();
        let batches: Vec<_> = morsels.into_iter().flatten().collect::<Result<_, _>>()?;
        let ids = batches.iter().flat_map(rows_of).map(|row| row.id);
        let mut ids: Vec<u64> = ids.collect();
        ids.sort_unstable();
        assert_eq!(now.count_since(&before), ids.len() as u64);
        Ok(ids)
    };
    let alter = |attributes: &str, passes: bool| {
        let (came, (seen, look)) = (came.clone(), channel());
        let last = LastLook(Box::new(move |now| {
            seen.send(came(now)?).unwrap();
            match passes {
                true => Ok(()),
                false => Err(Error::Invalid("no".into())),
            }
        }));
        let alteration = described(&current(&store), attributes);
        let altered = store.alter_table_after((SCHEMA, "t"), alteration, Some(last));
        (altered, look.recv().unwrap())
    };
    let (altered, seen) = alter("refused", false);
    assert!(matches!(altered, Err(Error::Invalid(_))), "{altered:?}");
    assert_eq!(seen, [50_000, 50_001]);
    assert_ne!(current(&store).attributes, "refused");
    // Rows that have moved are looked at again, rather than missed.
    store.flush().unwrap();
    let (altered, seen) = alter("taken", true);
    altered.unwrap();
    assert!(seen.ends_with(&[40_000, 50_000, 50_001]), "{seen:?}");
    assert_eq!(current(&store).attributes, "taken");
}
