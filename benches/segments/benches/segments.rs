//! Encoding, decoding and filtering of segments, probes of unique keys, commits to the log:
//! `cargo bench --manifest-path benches/segments/Cargo.toml [-- name]`. The disk is that of the temporary
//! directory: a sync costs what it costs there.

use std::hint::black_box;
use std::sync::Arc;

use arrow::array::{ArrayRef, Int32Array, RecordBatch, StringViewArray, UInt32Array, UInt64Array};
use arrow::datatypes::DataType;
use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use storno_storage::{
    ColumnSpec, CompareOp, KeySpec, OnDuplicate, Options, Predicate, ScanRequest, SegmentScan,
    SelectBuffers, Store, SyncMode, TableSnapshot, TableSpec, Value, WriteBatch,
};

const ROWS: u32 = 500_000;
/// Rows with equal dimensions that follow each other: a page view and its corrections.
const REPEATS: u32 = 3;

fn spec() -> TableSpec {
    let column = |name: &str, data_type| ColumnSpec {
        name: name.into(),
        data_type,
        nullable: false,
        attributes: String::new(),
    };
    TableSpec {
        name: "views".into(),
        columns: vec![
            column("site", DataType::UInt32),
            column("second", DataType::UInt32),
            column("client", DataType::UInt64),
            column("page", DataType::Utf8View),
            column("country", DataType::Utf8View),
            column("duration", DataType::Int32),
        ],
        sort_key: vec![0, 1],
        shard_key: vec![],
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

fn mixed(number: u32) -> u64 {
    (u64::from(number) + 1)
        .wrapping_mul(0x9E37_79B9_7F4A_7C15)
        .rotate_left(31)
}

fn rows(table: &TableSnapshot) -> RecordBatch {
    let views = || (0..ROWS).map(|row| row / REPEATS);
    let page = |view| format!("/articles/2025/some-page-{}", mixed(view) % 20_000);
    let country = |view| format!("{:02}", mixed(view).count_ones() % 64);
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(
            views().map(|v| (mixed(v) % 7) as u32),
        )),
        Arc::new(UInt32Array::from_iter_values(views().map(|v| v * 2))),
        Arc::new(UInt64Array::from_iter_values(views().map(|v| mixed(v / 4)))),
        Arc::new(views().map(|v| Some(page(v))).collect::<StringViewArray>()),
        Arc::new(
            views()
                .map(|v| Some(country(v)))
                .collect::<StringViewArray>(),
        ),
        Arc::new(Int32Array::from_iter_values(
            (0..ROWS).map(|r| (mixed(r) % 900) as i32),
        )),
    ];
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).expect("fits the table")
}

fn table(store: &Store) -> TableSnapshot {
    store
        .snapshot()
        .table("bench", "views")
        .expect("it was created")
}

fn insert(store: &Store, rows: RecordBatch) {
    let batch = WriteBatch {
        inserts: vec![(table(store).meta().id, rows)],
        deletes: vec![],
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Written,
    };
    store.commit(batch).expect("a commit");
}

fn segments(store: &Store, predicates: Vec<Predicate>) -> Vec<SegmentScan> {
    let scan = table(store).scan(ScanRequest {
        columns: vec![],
        predicates,
    });
    scan.expect("a scan").into_coded().segments
}

fn encode(criterion: &mut Criterion, store: &Store) {
    let batch = rows(&table(store));
    let mut group = criterion.benchmark_group("encode");
    group
        .throughput(Throughput::Elements(ROWS.into()))
        .sample_size(10);
    group.bench_function("sort, encode and sync 500 k rows of 6 columns", |bencher| {
        bencher.iter_batched(
            || {
                store.truncate_table("bench", "views").expect("it is there");
                insert(store, batch.clone());
            },
            |()| store.flush().expect("a flush"),
            BatchSize::PerIteration,
        );
    });
    group.finish();
}

fn decode(criterion: &mut Criterion, store: &Store) {
    let segments = segments(store, vec![]);
    let mut group = criterion.benchmark_group("decode");
    group.throughput(Throughput::Elements(ROWS.into()));
    for (number, column) in spec().columns.iter().enumerate() {
        let mut codes: Vec<u32> = Vec::new();
        group.bench_function(format!("codes of {}", column.name), |bencher| {
            bencher.iter(|| {
                for segment in &segments {
                    for block in segment.blocks() {
                        segment.codes(number, &block, &mut codes).expect("codes");
                        black_box(&codes);
                    }
                }
            });
        });
    }
    group.bench_function("all columns as arrays", |bencher| {
        bencher.iter(|| {
            for segment in &segments {
                for batch in segment.read(&[0, 1, 2, 3, 4, 5]).expect("columns") {
                    black_box(batch.expect("a batch"));
                }
            }
        });
    });
    group.finish();
}

fn filter(criterion: &mut Criterion, store: &Store) {
    let compare = |column, op, value| Predicate::Compare { column, op, value };
    let country = compare(4, CompareOp::Eq, Value::Str("31".into()));
    let long = compare(5, CompareOp::Gt, Value::Int(600));
    let rare = Value::Str("/articles/2025/some-page-77".into());
    let mut group = criterion.benchmark_group("filter");
    group.throughput(Throughput::Elements(ROWS.into()));
    for (name, predicates) in [
        ("a string", vec![country.clone()]),
        ("a number", vec![long.clone()]),
        ("both", vec![country, long]),
        ("a rare string", vec![compare(3, CompareOp::Eq, rare)]),
    ] {
        let segments = segments(store, predicates);
        let mut buffers = SelectBuffers::default();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                for segment in &segments {
                    for block in segment.blocks() {
                        black_box(segment.select(&block, &mut buffers).expect("rows"));
                    }
                }
            });
        });
    }
    group.bench_function("planning a scan of a site and a period", |bencher| {
        let predicates = vec![
            compare(0, CompareOp::Eq, Value::Int(5)),
            compare(1, CompareOp::GtEq, Value::Int(100_000)),
            compare(1, CompareOp::Lt, Value::Int(110_000)),
        ];
        bencher.iter(|| black_box(self::segments(store, predicates.clone())));
    });
    group.finish();
}

/// A table of one unique number, with the numbers below `ROWS` in a segment.
fn keyed_table(store: &Store) -> TableSnapshot {
    let mut spec = spec();
    spec.name = "keyed".into();
    spec.columns.truncate(3);
    spec.unique_keys = vec![KeySpec {
        name: "PRIMARY".into(),
        columns: vec![2],
    }];
    store.create_table("bench", spec).expect("a table");
    store
        .snapshot()
        .table("bench", "keyed")
        .expect("it was created")
}

fn keyed_rows(table: &TableSnapshot, numbers: std::ops::Range<u32>) -> WriteBatch {
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(
            numbers.clone().map(|n| n % 7),
        )),
        Arc::new(UInt32Array::from_iter_values(numbers.clone())),
        Arc::new(UInt64Array::from_iter_values(numbers.map(mixed))),
    ];
    let rows = RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns);
    WriteBatch {
        inserts: vec![(table.meta().id, rows.expect("fits the table"))],
        deletes: vec![],
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Skip,
        sync: SyncMode::Written,
    }
}

/// Commits of which every row is there already: what is left is the probe.
fn probe(criterion: &mut Criterion, store: &Store) {
    const PROBED: u32 = 10_000;
    let table = keyed_table(store);
    store.commit(keyed_rows(&table, 0..ROWS)).expect("a commit");
    store.flush().expect("a flush");
    let mut group = criterion.benchmark_group("probe");
    group.throughput(Throughput::Elements(PROBED.into()));
    let mut from = 0;
    group.bench_function("10 k rows whose keys are in a segment", |bencher| {
        bencher.iter(|| {
            from = (from + PROBED) % (ROWS - PROBED);
            let done = store.commit(keyed_rows(&table, from..from + PROBED));
            assert_eq!(done.expect("a commit").rows_inserted, 0);
        });
    });
    group.finish();
}

/// One commit after the other, each waited for.
fn commit(criterion: &mut Criterion, store: &Store) {
    let batch = rows(&table(store));
    let mut group = criterion.benchmark_group("commit");
    group.sample_size(20);
    for count in [1, 1000] {
        group.throughput(Throughput::Elements(count as u64));
        for sync in [SyncMode::Durable, SyncMode::Written, SyncMode::Buffered] {
            group.bench_function(format!("{count} rows, {sync:?}"), |bencher| {
                bencher.iter(|| {
                    let batch = WriteBatch {
                        inserts: vec![(table(store).meta().id, batch.slice(0, count))],
                        deletes: vec![],
                        arrivals: Vec::new(),
                        on_duplicate: OnDuplicate::Fail,
                        sync,
                    };
                    store.commit(batch).expect("a commit")
                });
            });
        }
    }
    group.finish();
}

fn all(criterion: &mut Criterion) {
    let dir = tempfile::tempdir().expect("a directory");
    let mut options = Options::new(dir.path().join("data"));
    options.memtable_bytes = 1 << 30;
    let store = Store::open(options).expect("a store");
    store.create_schema("bench", "").expect("a schema");
    store.create_table("bench", spec()).expect("a table");
    encode(criterion, &store);
    decode(criterion, &store);
    filter(criterion, &store);
    probe(criterion, &store);
    commit(criterion, &store);
}

criterion_group!(benches, all);
criterion_main!(benches);
