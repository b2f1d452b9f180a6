//! Keys whose values count by what a fold makes of them: in the log, in memory, in segments, after reopening,
//! and when a table is altered.

use std::sync::Arc;

use arrow::array::{ArrayRef, AsArray, StringViewArray};
use arrow::datatypes::DataType;
use storno_storage::fs::SimFs;
use storno_storage::{
    Alteration, BoxError, ColumnOrigin, ColumnSpec, Environment, Error, EventKeySpec, KeyFold,
    KeyFolds, KeySpec, ManualClock, OnDuplicate, Options, Result, Schedule, Store, SyncMode,
    WriteBatch,
};

use crate::fixture::{Row, SCHEMA, batch, row, spec};
use crate::world::options;

const PATH: usize = 3;

#[derive(Debug)]
struct LowerCase;

impl KeyFold for LowerCase {
    fn name(&self) -> &str {
        "lower case"
    }

    fn fold(&self, values: &ArrayRef) -> std::result::Result<ArrayRef, BoxError> {
        let values = values.as_string_view().iter();
        let folded = values.map(|v| v.map(str::to_lowercase));
        Ok(Arc::new(folded.collect::<StringViewArray>()))
    }
}

/// Columns of text fold unless their attributes say otherwise.
#[derive(Debug)]
struct TextFolds;

impl KeyFolds for TextFolds {
    fn of(&self, column: &ColumnSpec) -> Option<Arc<dyn KeyFold>> {
        let folds = column.data_type == DataType::Utf8View && column.attributes != "exact";
        folds.then(|| Arc::new(LowerCase) as Arc<dyn KeyFold>)
    }
}

fn open(fs: &SimFs) -> Store {
    let environment = Environment {
        fs: Arc::new(fs.clone()),
        clock: Arc::new(ManualClock::default()),
        seed: Some(7),
        schedule: Schedule::Threads,
    };
    let options = Options {
        folds: Some(Arc::new(TextFolds)),
        ..options()
    };
    Store::open_in(options, environment).unwrap()
}

fn create(store: &Store, event_key: bool) {
    store.create_schema(SCHEMA, "").unwrap();
    let mut spec = spec("a");
    spec.unique_keys = vec![KeySpec {
        name: "path".into(),
        columns: vec![PATH],
    }];
    if event_key {
        spec.unique_keys.clear();
        spec.event_key = Some(EventKeySpec {
            columns: vec![PATH],
            retain_days: 35,
        });
    }
    store.create_table(SCHEMA, spec).unwrap();
}

fn with_path(id: u64, path: Option<&str>) -> Row {
    Row {
        path: path.map(str::to_owned),
        ..row(id)
    }
}

fn insert(store: &Store, rows: &[Row]) -> Result<u64> {
    let table = store.snapshot().table(SCHEMA, "a").unwrap();
    let rows = vec![(table.meta().id, batch(table.meta(), rows))];
    let (inserts, arrivals) = match table.meta().spec.event_key {
        Some(_) => (Vec::new(), rows),
        None => (rows, Vec::new()),
    };
    let done = store.commit(WriteBatch {
        inserts,
        arrivals,
        deletes: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    Ok(done.rows_inserted)
}

#[test]
fn values_with_one_fold_are_one_key_wherever_the_other_row_is() {
    let fs = SimFs::new(1);
    let mut store = open(&fs);
    create(&store, false);
    insert(&store, &[with_path(1, Some("/Home")), with_path(2, None)]).unwrap();
    for round in 0..4 {
        let taken = insert(&store, &[with_path(10 + round, Some("/HOME"))]);
        assert!(
            matches!(taken, Err(Error::DuplicateKey { .. })),
            "{taken:?}"
        );
        insert(&store, &[with_path(20 + round, None)]).unwrap();
        match round {
            0 => {
                drop(store);
                store = open(&fs);
            }
            1 => store.flush().unwrap(),
            2 => {
                drop(store);
                store = open(&fs);
                let table = store.snapshot().table(SCHEMA, "a").unwrap();
                assert!(table.check().unwrap().problems.is_empty());
            }
            _ => {}
        }
    }
    insert(&store, &[with_path(3, Some("/other"))]).unwrap();
}

#[test]
fn an_event_is_known_by_its_fold() {
    let fs = SimFs::new(1);
    let store = open(&fs);
    create(&store, true);
    assert_eq!(insert(&store, &[with_path(1, Some("X-1"))]).unwrap(), 1);
    assert_eq!(insert(&store, &[with_path(2, Some("x-1"))]).unwrap(), 0);
    store.flush().unwrap();
    assert_eq!(insert(&store, &[with_path(3, Some("X-1"))]).unwrap(), 0);
    assert_eq!(insert(&store, &[with_path(4, Some("x-2"))]).unwrap(), 1);
}

#[test]
fn a_column_of_a_key_does_not_change_its_fold_under_rows() {
    let fs = SimFs::new(1);
    let store = open(&fs);
    create(&store, false);
    let alter = || {
        let table = store.snapshot().table(SCHEMA, "a").unwrap();
        let mut spec = table.meta().spec.clone();
        spec.columns[PATH].attributes = "exact".into();
        let columns = (0..spec.columns.len()).map(ColumnOrigin::Existing);
        let columns = columns.collect();
        store.alter_table(SCHEMA, "a", Alteration { spec, columns })
    };
    insert(&store, &[with_path(1, Some("a"))]).unwrap();
    assert!(matches!(alter(), Err(Error::NotSupported(_))));
    store.truncate_table(SCHEMA, "a").unwrap();
    alter().unwrap();
    insert(&store, &[with_path(1, Some("a")), with_path(2, Some("A"))]).unwrap();
}
