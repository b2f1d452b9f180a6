//! Measures ingest and scan rates on a table of page views: 25 columns, half of them strings that
//! repeat. `cargo run --release -p storno-storage --example page_views -- [rows] [directory]`

use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::{
    ArrayRef, Int32Array, RecordBatch, StringViewArray, TimestampMicrosecondArray, UInt32Array,
    UInt64Array,
};
use arrow::datatypes::{DataType, TimeUnit};
use storno_storage::{
    ColumnSpec, CompareOp, OnDuplicate, Options, Predicate, Result, ScanRequest, Store, SyncMode,
    TableMeta, TableSnapshot, TableSpec, Value, WriteBatch,
};

const SITES: u64 = 2000;
const START_MICROS: i64 = 1_735_689_600_000_000;
const YEAR_SECONDS: u64 = 365 * 86_400;

/// Strings: name, distinct values (per site where marked), length of their fixed part, share of NULLs.
const STRINGS: [(&str, u64, bool, usize, f64); 16] = [
    ("hostname", 3, true, 10, 0.0),
    ("pathname", 150, true, 24, 0.0),
    ("referrer_hostname", 20_000, false, 14, 0.45),
    ("referrer_pathname", 60_000, false, 16, 0.45),
    ("referrer_type", 5, false, 4, 0.45),
    ("country_code", 200, false, 0, 0.0),
    ("region", 3000, false, 6, 0.08),
    ("city", 40_000, false, 6, 0.08),
    ("browser", 14, false, 6, 0.0),
    ("operating_system", 8, false, 5, 0.0),
    ("device_type", 4, false, 5, 0.0),
    ("utm_source", 30, false, 6, 0.85),
    ("utm_medium", 8, false, 5, 0.85),
    ("utm_campaign", 5000, false, 12, 0.85),
    ("utm_content", 2000, false, 10, 0.92),
    ("utm_term", 3000, false, 8, 0.95),
];
const MEASURES: [&str; 6] = [
    "pageviews",
    "visits",
    "uniques",
    "bounces",
    "exits",
    "duration",
];

fn spec() -> TableSpec {
    let column = |name: &str, data_type, nullable| ColumnSpec {
        name: name.into(),
        data_type,
        nullable,
        attributes: String::new(),
    };
    let mut columns = vec![
        column("site_id", DataType::UInt32, false),
        column(
            "timestamp",
            DataType::Timestamp(TimeUnit::Microsecond, None),
            false,
        ),
        column("client_id", DataType::UInt64, false),
    ];
    let strings = STRINGS.iter();
    columns.extend(strings.map(|(name, .., nulls)| column(name, DataType::Utf8View, *nulls > 0.0)));
    columns.extend(
        MEASURES
            .iter()
            .map(|name| column(name, DataType::Int32, false)),
    );
    TableSpec {
        name: "pageviews".into(),
        columns,
        sort_key: vec![0, 1],
        shard_key: vec![0],
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    }
}

struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }

    fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1u64 << 53) as f64
    }

    /// Skewed towards small numbers, as sites, pages and cities are.
    fn skewed(&mut self, bound: u64) -> u64 {
        let u = self.unit();
        ((u * u * u) * bound as f64) as u64
    }
}

/// Rows in order of arrival: the clock goes forward, sites and the rest are drawn.
fn rows(meta: &TableMeta, random: &mut Random, at: f64, count: usize) -> RecordBatch {
    let sites: Vec<u64> = (0..count).map(|_| random.skewed(SITES)).collect();
    let seconds = (at * YEAR_SECONDS as f64) as i64;
    let minute = (START_MICROS / 60_000_000 + seconds / 60) * 60_000_000;
    let mut columns: Vec<ArrayRef> = vec![
        Arc::new(UInt32Array::from_iter_values(
            sites.iter().map(|&s| s as u32),
        )),
        Arc::new(TimestampMicrosecondArray::from_value(minute, count)),
        Arc::new(UInt64Array::from_iter_values(
            (0..count).map(|_| random.next()),
        )),
    ];
    for (name, distinct, per_site, length, nulls) in STRINGS {
        let strings: StringViewArray = sites
            .iter()
            .map(|site| {
                let value = random.skewed(distinct);
                let value = if per_site {
                    site * distinct + value
                } else {
                    value
                };
                let text = || format!("{:.length$}{value}", "/articles/of/some/length/");
                (random.unit() >= nulls).then(text)
            })
            .collect();
        debug_assert!(!name.is_empty());
        columns.push(Arc::new(strings));
    }
    for name in MEASURES {
        let bound = if name == "duration" { 600 } else { 2 };
        let values = (0..count).map(|_| random.skewed(bound) as i32);
        columns.push(Arc::new(Int32Array::from_iter_values(values)));
    }
    RecordBatch::try_new(Arc::clone(&meta.arrow), columns).expect("the columns fit the table")
}

fn insert(table: &TableSnapshot, rows: RecordBatch) -> WriteBatch {
    WriteBatch {
        inserts: vec![(table.meta().id, rows)],
        deletes: Vec::new(),
        arrivals: Vec::new(),
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    }
}

fn report(what: &str, rows: u64, elapsed: Duration) {
    let rate = rows as f64 / elapsed.as_secs_f64();
    println!(
        "{what:<48} {rows:>10} rows {:>9.1} ms {rate:>13.0} rows/s",
        1e3 * elapsed.as_secs_f64()
    );
}

/// Commits from `clients` threads; rows are made before the clock starts.
fn ingest(store: &Store, rows_total: usize, batch_rows: usize, clients: usize) {
    let table = store
        .snapshot()
        .table("bench", "pageviews")
        .expect("it was created");
    let mut random = Random(0x5EED ^ batch_rows as u64);
    let count = rows_total / batch_rows;
    let mut parts: Vec<Vec<RecordBatch>> = vec![Vec::new(); clients];
    for i in 0..count {
        let batch = rows(
            table.meta(),
            &mut random,
            i as f64 / count as f64,
            batch_rows,
        );
        parts[i % clients].push(batch);
    }
    let started = Instant::now();
    std::thread::scope(|scope| {
        for part in parts {
            let table = &table;
            scope.spawn(move || {
                for batch in part {
                    store.commit(insert(table, batch)).expect("a commit");
                }
            });
        }
    });
    let what = format!("ingest, durable, {batch_rows} rows a commit, {clients} clients");
    report(&what, (count * batch_rows) as u64, started.elapsed());
}

fn scan(
    table: &TableSnapshot,
    what: &str,
    columns: Vec<usize>,
    predicates: Vec<Predicate>,
) -> Result<()> {
    for round in ["first", "again"] {
        let started = Instant::now();
        let request = ScanRequest {
            columns: columns.clone(),
            predicates: predicates.clone(),
        };
        let scan = table.scan(request)?;
        let stats = scan.stats();
        let mut rows = 0;
        for morsel in scan.into_morsels() {
            for batch in morsel {
                rows += batch?.num_rows() as u64;
            }
        }
        report(
            &format!("scan, 1 thread, {what}, {round}"),
            rows,
            started.elapsed(),
        );
        if round == "again" && !predicates.is_empty() {
            println!("    {stats:?}");
        }
    }
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let count = arguments
        .next()
        .and_then(|a| a.parse().ok())
        .unwrap_or(3_000_000);
    let temporary = std::env::temp_dir().join(format!("storno-page-views-{}", std::process::id()));
    let dir = arguments.next().map_or(temporary, Into::into);
    let store = Store::open(Options::new(&dir))?;
    store.create_schema("bench", "")?;
    store.create_table("bench", spec())?;
    ingest(&store, 2_000, 1, 1);
    ingest(&store, 20_000, 1, 16);
    ingest(&store, 200_000, 1000, 2);
    ingest(&store, count, 30_000, 2);
    let started = Instant::now();
    store.flush()?;
    println!(
        "flush of what was left: {:.1} ms",
        1e3 * started.elapsed().as_secs_f64()
    );
    let table = store
        .snapshot()
        .table("bench", "pageviews")
        .expect("it was created");
    println!(
        "{} rows, {:.1} bytes a row",
        table.rows(),
        table.bytes() as f64 / table.rows() as f64
    );
    scan(&table, "all 25 columns", (0..25).collect(), vec![])?;
    scan(&table, "site, pathname, pageviews", vec![0, 4, 19], vec![])?;
    scan(&table, "six measures", (19..25).collect(), vec![])?;
    let site = Predicate::Compare {
        column: 0,
        op: CompareOp::Eq,
        value: Value::Int(1200),
    };
    scan(
        &table,
        "pathname, pageviews of a small site",
        vec![0, 4, 19],
        vec![site],
    )?;
    drop((table, store));
    let started = Instant::now();
    let store = Store::open(Options::new(&dir))?;
    println!("open: {:.1} ms", 1e3 * started.elapsed().as_secs_f64());
    drop(store);
    std::fs::remove_dir_all(&dir).expect("the directory can be removed");
    Ok(())
}
