//! Measures changes of stored rows: a DELETE of a quarter of a table, what a unique key costs at commit and
//! for rows that are there already, ALTER TABLE, and opening.
//! `cargo run --release -p storno-storage --example changes -- [rows] [directory]`

use std::sync::Arc;
use std::time::Instant;

use arrow::array::{ArrayRef, RecordBatch, TimestampMicrosecondArray, UInt32Array, UInt64Array};
use arrow::datatypes::{DataType, TimeUnit};
use storno_storage::{
    Alteration, ColumnOrigin, ColumnSpec, CompareOp, Delete, IfGone, KeySpec, OnDuplicate, Options,
    Predicate, Result, ScanRequest, Store, SyncMode, TableSnapshot, TableSpec, Value, WriteBatch,
};

const BATCH_ROWS: usize = 50_000;

fn spec() -> TableSpec {
    let column = |name: &str, data_type| ColumnSpec {
        name: name.into(),
        data_type,
        nullable: false,
        attributes: String::new(),
    };
    TableSpec {
        name: "events".into(),
        columns: vec![
            column("site", DataType::UInt32),
            column("at", DataType::Timestamp(TimeUnit::Microsecond, None)),
            column("event", DataType::UInt64),
            column("views", DataType::UInt32),
        ],
        sort_key: vec![0, 1],
        shard_key: vec![0],
        unique_keys: vec![KeySpec {
            name: "event".into(),
            columns: vec![2],
        }],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

/// Rows `from..from + count`: the event is a mix of the number, so that nothing but the filters tells
/// where it is; one row in four is of site 0.
fn rows(table: &TableSnapshot, from: usize, count: usize) -> RecordBatch {
    let all = || (from..from + count).map(|n| n as u64);
    let mix = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29);
    let site = |n: u64| {
        if n.is_multiple_of(4) {
            0
        } else {
            1 + (mix(n) % 1000) as u32
        }
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(all().map(site))),
        Arc::new(TimestampMicrosecondArray::from_iter_values(
            all().map(|n| n as i64 * 1000),
        )),
        Arc::new(UInt64Array::from_iter_values(all().map(mix))),
        Arc::new(UInt32Array::from_iter_values(all().map(|n| (n % 3) as u32))),
    ];
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).expect("the table's columns")
}

fn table(store: &Store) -> TableSnapshot {
    let snapshot = store.snapshot();
    snapshot.table("bench", "events").expect("it was created")
}

fn timed<T>(what: &str, items: u64, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let started = Instant::now();
    let result = work()?;
    let seconds = started.elapsed().as_secs_f64();
    let each = 1e9 * seconds / items.max(1) as f64;
    println!("{what:<58} {:>10.1} ms {each:>9.0} ns each", 1e3 * seconds);
    Ok(result)
}

fn insert(store: &Store, from: usize, count: usize, on_duplicate: OnDuplicate) -> Result<u64> {
    let table = table(store);
    let done = store.commit(WriteBatch {
        inserts: vec![(table.meta().id, rows(&table, from, count))],
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate,
        sync: SyncMode::Durable,
    })?;
    Ok(done.rows_inserted)
}

/// Chooses all rows of site 0 as the layer above would: it tests the rows a scan returns.
fn delete_site(store: &Store) -> Result<u64> {
    let table = table(store);
    let request = ScanRequest {
        columns: vec![0],
        predicates: vec![Predicate::Compare {
            column: 0,
            op: CompareOp::Eq,
            value: Value::Int(0),
        }],
    };
    let mut chosen = table.selection();
    for batch in table
        .scan(request)?
        .with_row_positions()
        .into_morsels()
        .into_iter()
        .flatten()
    {
        let batch = batch?;
        let sites = batch.column(0).as_any().downcast_ref::<UInt32Array>();
        let positions = batch.column(1).as_any().downcast_ref::<UInt64Array>();
        let (sites, positions) = sites.zip(positions).expect("the requested columns");
        let both = sites.values().iter().zip(positions.values());
        let found: Vec<u64> = both
            .filter(|(site, _)| **site == 0)
            .map(|(_, p)| *p)
            .collect();
        chosen.extend(&found)?;
    }
    let done = store.commit(WriteBatch {
        inserts: Vec::new(),
        deletes: vec![Delete {
            rows: chosen,
            if_gone: IfGone::Ignore,
        }],
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    Ok(done.rows_deleted)
}

fn add_column(store: &Store) -> Result<()> {
    let mut spec = table(store).meta().spec.clone();
    let mut columns: Vec<_> = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    spec.columns.push(ColumnSpec {
        name: "note".into(),
        data_type: DataType::Utf8View,
        nullable: true,
        attributes: String::new(),
    });
    columns.push(ColumnOrigin::New { fill: None });
    store.alter_table("bench", "events", Alteration { spec, columns })
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments
        .next()
        .and_then(|a| a.parse().ok())
        .unwrap_or(4_000_000);
    let temporary = std::env::temp_dir().join(format!("storno-changes-{}", std::process::id()));
    let dir = arguments.next().map_or(temporary, Into::into);
    let store = Store::open(Options::new(&dir))?;
    store.create_schema("bench", "")?;
    store.create_table("bench", spec())?;
    let all = count as u64;
    timed("insert with a unique key of random values", all, || {
        let starts = (0..count).step_by(BATCH_ROWS);
        starts
            .map(|from| {
                insert(
                    &store,
                    from,
                    BATCH_ROWS.min(count - from),
                    OnDuplicate::Fail,
                )
            })
            .sum::<Result<u64>>()
    })?;
    timed("flush what is left", 1, || store.flush())?;
    let (segments, bytes) = {
        let scan = table(&store).scan(ScanRequest::default())?;
        (scan.stats().segments_total, table(&store).bytes())
    };
    println!(
        "{all} rows, {segments} segments, {:.1} bytes a row",
        bytes as f64 / count as f64
    );
    let some = BATCH_ROWS.min(count) as u64;
    let new = timed("one commit of new rows", some, || {
        insert(&store, count, some as usize, OnDuplicate::Skip)
    })?;
    let again = timed("one commit of rows that are there", some, || {
        insert(&store, 0, some as usize, OnDuplicate::Skip)
    })?;
    assert_eq!((new, again), (some, 0));
    let table_before = table(&store);
    let probe = rows(&table_before, 2 * count, some as usize);
    timed("find_duplicates of rows that are not there", some, || {
        table_before.find_duplicates(&probe)
    })?;
    drop(table_before);
    let deleted = timed("DELETE of one row in four", all / 4, || delete_site(&store))?;
    println!("{deleted} rows deleted");
    timed("ADD COLUMN", 1, || add_column(&store))?;
    let started = Instant::now();
    while table(&store).deleted_rows() > 0 {
        std::thread::sleep(std::time::Duration::from_millis(20));
    }
    let bytes = table(&store).bytes() as f64 / table(&store).rows() as f64;
    println!(
        "rewritten after {:.1} s, {bytes:.1} bytes a row",
        started.elapsed().as_secs_f64()
    );
    drop(store);
    let store = timed("open", 1, || Store::open(Options::new(&dir)))?;
    let report = timed("check", all, || store.check())?;
    println!(
        "{} rows checked, {} problems",
        report.rows,
        report.problems.len()
    );
    drop(store);
    std::fs::remove_dir_all(&dir).expect("the directory can be removed");
    Ok(())
}
