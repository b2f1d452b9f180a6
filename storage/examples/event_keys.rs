//! Measures event keys: what a row of a table with one costs, how long it takes to find out that rows were
//! sent once more, and what the runs take on disk and in memory.
//! `cargo run --release -p storno-storage --example event_keys -- [rows] [directory]`
//!
//! Events have random 16-byte identifiers written as text, like the UUIDs that trackers send. Every tenth
//! batch is followed by one that was sent before, at a random distance.

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{ArrayRef, RecordBatch, StringViewArray, UInt32Array};
use arrow::datatypes::DataType;
use storno_storage::{
    ColumnSpec, Commit, EventKeySpec, OnDuplicate, Options, Result, Store, SyncMode, TableSnapshot,
    TableSpec, WriteBatch,
};

const BATCH_ROWS: u64 = 30_000;

fn spec(name: &str, event_key: bool) -> TableSpec {
    let column = |name: &str, data_type| ColumnSpec {
        name: name.into(),
        data_type,
        nullable: false,
        attributes: String::new(),
    };
    TableSpec {
        name: name.into(),
        columns: vec![
            column("site", DataType::UInt32),
            column("event", DataType::Utf8View),
            column("views", DataType::UInt32),
        ],
        sort_key: vec![0],
        shard_key: vec![0],
        unique_keys: Vec::new(),
        event_key: event_key.then(|| EventKeySpec {
            columns: vec![1],
            retain_days: EventKeySpec::RETAIN_DAYS,
        }),
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

fn mix(n: u64) -> u64 {
    let n = (n ^ n >> 31).wrapping_mul(0x7FB5_D329_728E_A185);
    (n ^ n >> 27).wrapping_mul(0x81DA_DEF4_BC2D_D44D) ^ n >> 33
}

fn rows(table: &TableSnapshot, from: u64, count: u64) -> RecordBatch {
    let all = || from..from + count;
    let event = |n: u64| format!("{:016x}{:016x}", mix(n), mix(!n));
    let columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(
            all().map(|n| (mix(n) % 1000) as u32),
        )),
        Arc::new(StringViewArray::from_iter_values(all().map(event))),
        Arc::new(UInt32Array::from_iter_values(all().map(|n| (n % 3) as u32))),
    ];
    RecordBatch::try_new(Arc::clone(&table.meta().arrow), columns).expect("the table's columns")
}

fn send(store: &Store, table: &str, from: u64, count: u64) -> Result<(Commit, Duration)> {
    let table = store
        .snapshot()
        .table("bench", table)
        .expect("it was created");
    let rows = rows(&table, from, count);
    let started = Instant::now();
    let done = store.commit(WriteBatch {
        inserts: Vec::new(),
        arrivals: vec![(table.meta().id, rows)],
        deletes: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    })?;
    Ok((done, started.elapsed()))
}

/// Loads the rows; every tenth batch is followed by an old one. The time of new and of old rows.
fn load(store: &Store, table: &str, count: u64, resend: bool) -> Result<(Duration, Duration, u64)> {
    let (mut new, mut old, mut resent) = (Duration::ZERO, Duration::ZERO, 0);
    for (number, from) in (0..).zip((0..count).step_by(BATCH_ROWS as usize)) {
        let (done, took) = send(store, table, from, BATCH_ROWS.min(count - from))?;
        assert_eq!(done.rows_skipped, 0, "an event was taken for another");
        new += took;
        if resend && number % 10 == 9 {
            let (done, took) = send(store, table, mix(number) % from, BATCH_ROWS)?;
            assert_eq!(done.rows_inserted, 0, "a row was taken twice");
            (old, resent) = (old + took, resent + done.rows_resent());
        }
    }
    Ok((new, old, resent))
}

fn report(what: &str, rows: u64, took: Duration) {
    let seconds = took.as_secs_f64();
    let (rate, each) = (
        rows as f64 / seconds / 1e6,
        1e9 * seconds / rows.max(1) as f64,
    );
    println!("{what:<52} {rows:>11} rows {seconds:>8.2} s {rate:>6.2} M/s {each:>6.0} ns each");
}

/// Resident memory, in MB; 0 where that cannot be told.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("RssAnon:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    number.unwrap_or(0) / 1024
}

fn runs(dir: &std::path::Path) -> (usize, u64) {
    let files = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let runs = files.filter(|f| f.path().extension().is_some_and(|e| e == "evt"));
    let bytes = runs.filter_map(|f| f.metadata().ok()).map(|m| m.len());
    bytes.fold((0, 0), |(count, sum), bytes| (count + 1, sum + bytes))
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments
        .next()
        .and_then(|a| a.parse().ok())
        .unwrap_or(20_000_000u64);
    let temporary = std::env::temp_dir().join(format!("storno-events-{}", std::process::id()));
    let dir: std::path::PathBuf = arguments.next().map_or(temporary, Into::into);
    let store = Store::open(Options::new(&dir))?;
    store.create_schema("bench", "")?;
    store.create_table("bench", spec("plain", false))?;
    store.create_table("bench", spec("events", true))?;
    let some = count.min(3_000_000);
    let (plain, ..) = load(&store, "plain", some, false)?;
    report("commits without an event key", some, plain);
    store.drop_table("bench", "plain")?;
    let started = Instant::now();
    let (new, old, resent) = load(&store, "events", count, true)?;
    report("commits of new events", count, new);
    report("commits of events sent once more", resent, old);
    store.flush()?;
    println!(
        "loaded in {:.0} s, {} MB of memory",
        started.elapsed().as_secs_f64(),
        memory()
    );
    std::thread::sleep(Duration::from_secs(5));
    let (files, bytes) = runs(&dir);
    let each = bytes as f64 / count as f64;
    println!("{files} runs, {each:.1} bytes an event");
    let (mut took, mut asked) = (Duration::ZERO, 0);
    for number in 0..20 {
        let from = mix(number) % count.saturating_sub(BATCH_ROWS).max(1);
        let (done, time) = send(&store, "events", from, BATCH_ROWS.min(count))?;
        assert_eq!(done.rows_inserted, 0, "a row was taken twice");
        (took, asked) = (took + time, asked + done.rows_resent());
    }
    report("events sent once more, from anywhere", asked, took);
    let started = Instant::now();
    drop(store);
    let store = Store::open(Options::new(&dir))?;
    println!(
        "closed and opened in {:.0} ms",
        1e3 * started.elapsed().as_secs_f64()
    );
    let (done, took) = send(&store, "events", count / 2, BATCH_ROWS.min(count / 2))?;
    report(
        "the first batch after that, sent before",
        done.rows_resent(),
        took,
    );
    assert_eq!(done.rows_inserted, 0, "a row was taken twice");
    let (done, took) = send(&store, "events", 2 * count, BATCH_ROWS)?;
    report("a batch of new events", done.rows_inserted, took);
    drop(store);
    std::fs::remove_dir_all(&dir).expect("the directory can be removed");
    Ok(())
}
