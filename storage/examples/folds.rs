//! Measures groups and comparisons of strings under a fold, by bytes beside it: what a fold costs where nothing may be kept
//! of it, where its dictionaries have yet to be made, and where they are there.
//!
//! `cargo run --release -p storno-storage --example folds -- <empty directory> [rows [different strings]]`

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use arrow::array::{
    Array, ArrayRef, AsArray, BinaryViewBuilder, BooleanArray, Int64Array, RecordBatch,
    StringViewArray,
};
use arrow::datatypes::DataType;
use storno_storage::{
    AggregateRequest, BoxError, ColumnSpec, Condition, Fold, FoldedEquality, GroupKey, Measure,
    OnDuplicate, Options, Store, SyncMode, TableSnapshot, TableSpec, Top, ValueMap, ValueTest,
    WriteBatch,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const COMMIT_ROWS: u64 = 1 << 20;
const ROUNDS: usize = 7;

/// Two bytes a character, those of capitals as those of small letters.
#[derive(Debug, Clone, Copy)]
struct Caseless {
    kept: bool,
}

fn put_key(text: &[u8], key: &mut Vec<u8>) {
    key.clear();
    key.extend(text.iter().flat_map(|b| [28, b.to_ascii_lowercase()]));
}

impl ValueMap for Caseless {
    fn map(&self, values: &ArrayRef) -> std::result::Result<ArrayRef, BoxError> {
        let strings = values.as_string_view();
        let mut keys = BinaryViewBuilder::with_capacity(strings.len());
        let mut key = Vec::new();
        for string in strings.iter() {
            keys.append_option(string.map(|string| {
                put_key(string.as_bytes(), &mut key);
                &key
            }));
        }
        Ok(Arc::new(keys.finish()))
    }

    fn name(&self) -> Option<&str> {
        self.kept.then_some("caseless")
    }
}

#[derive(Debug)]
struct Equals(&'static str, Caseless);

impl ValueTest for Equals {
    fn test(&self, values: &ArrayRef) -> std::result::Result<BooleanArray, BoxError> {
        let strings = values.as_string_view().iter();
        Ok(strings
            .map(|s| s.map(|s| s.eq_ignore_ascii_case(self.0)))
            .collect())
    }

    fn equality(&self) -> Option<FoldedEquality> {
        let mut key = Vec::new();
        put_key(self.0.as_bytes(), &mut key);
        Some(FoldedEquality {
            fold: Arc::new(self.1),
            keys: vec![key],
            equal: true,
        })
    }
}

fn spec() -> TableSpec {
    let column = |(name, data_type): (&str, DataType)| ColumnSpec {
        name: name.into(),
        data_type,
        nullable: false,
        attributes: String::new(),
    };
    let columns = [
        ("day", DataType::Int64),
        ("page", DataType::Utf8View),
        ("views", DataType::Int64),
    ];
    TableSpec {
        name: "t".into(),
        columns: columns.map(column).into(),
        sort_key: vec![0],
        shard_key: vec![],
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

/// Some pages have most rows; one in a hundred rows has its page in capitals.
fn rows(table: &TableSnapshot, from: u64, to: u64, different: u64) -> Result<RecordBatch> {
    let mixed = |n: u64| n.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 11;
    let page = |n: u64| {
        let part = (mixed(n) % (1 << 20)) as f64 / f64::from(1 << 20);
        let number = (part.powi(2) * different as f64) as u64;
        let page = format!(
            "/articles/2026/the-story-of-{number}/of-{}",
            mixed(number) % 1000
        );
        match n % 100 {
            0 => page.to_uppercase(),
            _ => page,
        }
    };
    let columns: Vec<ArrayRef> = vec![
        Arc::new((from..to).map(|n| (n >> 12) as i64).collect::<Int64Array>()),
        Arc::new(StringViewArray::from_iter_values((from..to).map(page))),
        Arc::new((from..to).map(|n| (n % 3) as i64).collect::<Int64Array>()),
    ];
    Ok(RecordBatch::try_new(
        Arc::clone(&table.meta().arrow),
        columns,
    )?)
}

fn answer(table: &TableSnapshot, request: &AggregateRequest) -> Result<usize> {
    let aggregation = Arc::new(table.aggregate(request.clone(), 1)?);
    let mut worker = aggregation.worker();
    while aggregation.work(&mut worker)? {}
    let merging = aggregation.merging(vec![worker])?;
    for stage in 0..merging.stages() {
        while merging.work(stage)? {}
    }
    Ok(merging.finish()?.rows)
}

/// Prints how long the first rounds take, and the median of the others.
fn time(name: &str, table: &TableSnapshot, request: &AggregateRequest) -> Result<()> {
    let (mut times, mut groups) = (Vec::new(), 0);
    for _ in 0..ROUNDS + 2 {
        let started = Instant::now();
        groups = answer(table, request)?;
        times.push(started.elapsed().as_secs_f64() * 1e3);
    }
    let first: Vec<f64> = times.drain(..2).collect();
    times.sort_by(f64::total_cmp);
    println!(
        "{name:<26} {groups:>9} {:>10.1} {:>10.1} {:>10.1}",
        first[0],
        first[1],
        times[ROUNDS / 2]
    );
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("expected: <empty directory> [rows [strings]]")?;
    let count: u64 = arguments.next().map_or(Ok(4 << 20), |n| n.parse())?;
    let different: u64 = arguments.next().map_or(Ok(3 << 20), |n| n.parse())?;
    let store = Store::open(Options::new(dir))?;
    store.create_schema("s", "")?;
    store.create_table("s", spec())?;
    let table = || store.snapshot().table("s", "t").ok_or("no table");
    for from in (0..count).step_by(COMMIT_ROWS as usize) {
        let rows = rows(&table()?, from, count.min(from + COMMIT_ROWS), different)?;
        store.commit(WriteBatch {
            inserts: vec![(table()?.meta().id, rows)],
            deletes: Vec::new(),
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: SyncMode::Written,
        })?;
        store.flush()?;
    }
    let table = table()?;
    println!("{} rows, {} segments", table.rows(), table.segments());
    println!(
        "{:<26} {:>9} {:>10} {:>10} {:>10}",
        "ms, one thread", "groups", "first", "second", "median"
    );
    let page = GroupKey {
        column: 1,
        function: None,
    };
    let sum = Measure::Sum {
        column: 2,
        case: None,
    };
    let first = Top {
        measure: 0,
        descending: true,
        count: 10,
    };
    let grouped = |fold: Option<Caseless>, top: Option<Top>| AggregateRequest {
        keys: vec![page.clone()],
        measures: vec![sum],
        top,
        folds: fold
            .map(|fold| Fold {
                column: 1,
                map: Arc::new(fold),
            })
            .into_iter()
            .collect(),
        ..Default::default()
    };
    let equal = |fold: Caseless| AggregateRequest {
        conditions: vec![Condition {
            column: 1,
            test: Arc::new(Equals("/articles/2026/THE-story-of-7/of-519", fold)),
            implies: vec![],
            exact: false,
        }],
        measures: vec![sum],
        ..Default::default()
    };
    let (anew, kept) = (Caseless { kept: false }, Caseless { kept: true });
    time("ten pages, bytes", &table, &grouped(None, Some(first)))?;
    time(
        "ten pages, folded anew",
        &table,
        &grouped(Some(anew), Some(first)),
    )?;
    time("equal, asked", &table, &equal(anew))?;
    time(
        "ten pages, fold kept",
        &table,
        &grouped(Some(kept), Some(first)),
    )?;
    time("equal, fold kept", &table, &equal(kept))?;
    Ok(())
}
