//! Loads page views from Parquet files (`gen_pageviews.py` of the yardstick, or any of the same columns)
//! and reports the rate, the bytes a row takes column by column, and peak memory.
//!
//! `cargo run --release -p storno-storage --example load_page_views -- <parquet directory> <data directory> [rows of a commit]`

use std::error::Error;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arrow::array::RecordBatch;
use arrow::compute::cast;
use arrow::datatypes::{DataType, SchemaRef};
use parquet::arrow::arrow_reader::ParquetRecordBatchReaderBuilder;
use storno_storage::{
    ColumnSpec, OnDuplicate, Options, Store, SyncMode, TableMeta, TableSnapshot, TableSpec,
    WriteBatch,
};

/// Rows of a batch, as they are read.
const BATCH_ROWS: usize = 65_536;
/// Rows of a commit unless it is said otherwise.
const COMMIT_ROWS: usize = 1_000_000;

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

fn parquet_files(dir: &Path) -> Result<Vec<PathBuf>> {
    let mut files: Vec<PathBuf> = std::fs::read_dir(dir)?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension().is_some_and(|e| e == "parquet"))
        .collect();
    files.sort();
    Ok(files)
}

fn stored_type(data_type: &DataType) -> DataType {
    match data_type {
        DataType::Utf8 | DataType::LargeUtf8 => DataType::Utf8View,
        other => other.clone(),
    }
}

/// The columns as they come, sorted and placed by site and time.
fn spec(schema: &SchemaRef) -> Result<TableSpec> {
    let column = |field: &Arc<arrow::datatypes::Field>| ColumnSpec {
        name: field.name().clone(),
        data_type: stored_type(field.data_type()),
        nullable: field.is_nullable(),
        attributes: String::new(),
    };
    let key = vec![schema.index_of("site_id")?, schema.index_of("timestamp")?];
    Ok(TableSpec {
        name: "pageviews".into(),
        columns: schema.fields().iter().map(column).collect(),
        sort_key: key.clone(),
        shard_key: key,
        unique_keys: vec![],
        event_key: None,
        retention: Default::default(),
        division: Default::default(),
        auto_increment: None,
        attributes: String::new(),
    })
}

/// The rows of a file under the table's schema, batch by batch.
fn read(path: &Path, meta: &Arc<TableMeta>) -> Result<impl Iterator<Item = Result<RecordBatch>>> {
    let reader = ParquetRecordBatchReaderBuilder::try_new(File::open(path)?)?;
    let reader = reader.with_batch_size(BATCH_ROWS).build()?;
    let meta = Arc::clone(meta);
    Ok(reader.map(move |batch| {
        let batch: RecordBatch = batch?;
        let fields = meta.arrow.fields().iter();
        let columns = batch.columns().iter().zip(fields);
        let columns = columns.map(|(column, field)| cast(column, field.data_type()));
        let columns = columns.collect::<std::result::Result<_, _>>()?;
        Ok(RecordBatch::try_new(meta.arrow.clone(), columns)?)
    }))
}

/// Commits some batches together; how long that took.
fn commit(store: &Store, table: &TableSnapshot, batches: Vec<RecordBatch>) -> Result<Duration> {
    let id = table.meta().id;
    let batch = WriteBatch {
        inserts: batches.into_iter().map(|batch| (id, batch)).collect(),
        deletes: vec![],
        arrivals: vec![],
        on_duplicate: OnDuplicate::Fail,
        sync: SyncMode::Durable,
    };
    let started = Instant::now();
    store.commit(batch)?;
    Ok(started.elapsed())
}

fn table(store: &Store) -> Result<TableSnapshot> {
    let table = store.snapshot().table("bench", "pageviews");
    table.ok_or_else(|| "the table is missing".into())
}

/// Waits until merging has come to rest: on a busy machine one merge may take long.
fn settle(store: &Store) -> Result<Duration> {
    let started = Instant::now();
    let (mut bytes, mut since) = (0, Instant::now());
    while since.elapsed() < Duration::from_secs(20) {
        std::thread::sleep(Duration::from_millis(50));
        let now = table(store)?.bytes();
        if now != bytes {
            (bytes, since) = (now, Instant::now());
        }
    }
    Ok(since.duration_since(started))
}

fn peak_memory() -> Option<String> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmHWM"))?;
    Some(line.trim_start_matches("VmHWM:").trim().into())
}

fn report_steps(store: &Store) {
    let activity = store.activity();
    let steps = [
        ("large commits", activity.bulk),
        ("flushes", activity.flush),
        ("merges", activity.merge),
    ];
    for (what, step) in steps {
        let (rows, time) = (step.rows, step.time.as_secs_f64());
        println!(
            "{what:<14} {:>5} runs {rows:>10} rows {:>6.0} MB {time:>7.2} s {:>9.0} rows/s",
            step.runs,
            step.bytes as f64 / 1e6,
            rows as f64 / time.max(1e-9)
        );
    }
    println!("stalled {} times, {:?}", activity.stalls, activity.stalled);
}

fn report(store: &Store) -> Result<()> {
    let table = table(store)?;
    let rows = table.rows() as f64;
    println!("{:<20} {:>10}", "column", "bytes/row");
    for (number, column) in table.meta().spec.columns.iter().enumerate() {
        println!(
            "{:<20} {:>10.3}",
            column.name,
            table.column_bytes(number) as f64 / rows
        );
    }
    let bytes = table.bytes() as f64;
    let segments = table.segments();
    println!(
        "{:<20} {:>10.3}   {rows} rows, {segments} segments",
        "all",
        bytes / rows
    );
    Ok(())
}

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let (from, to, rows_max) = match arguments.as_slice() {
        [from, to] => (from, to, COMMIT_ROWS),
        [from, to, rows] => (from, to, rows.parse()?),
        _ => {
            return Err("expected: <parquet directory> <data directory> [rows of a commit]".into());
        }
    };
    let files = parquet_files(Path::new(from))?;
    let first = files.first().ok_or("no Parquet files there")?;
    let store = Store::open(Options::new(to))?;
    store.create_schema("bench", "")?;
    let schema = ParquetRecordBatchReaderBuilder::try_new(File::open(first)?)?;
    store.create_table("bench", spec(schema.schema())?)?;
    let table = table(&store)?;
    let (mut rows, mut elapsed) = (0, Duration::ZERO);
    let (mut batches, mut count, started) = (Vec::new(), 0, Instant::now());
    for file in &files {
        for batch in read(file, table.meta())? {
            let batch = batch?;
            count += batch.num_rows();
            batches.push(batch);
            if count >= rows_max {
                elapsed += commit(&store, &table, std::mem::take(&mut batches))?;
                rows += std::mem::take(&mut count);
            }
        }
    }
    elapsed += commit(&store, &table, batches)?;
    rows += count;
    let flushing = Instant::now();
    store.flush()?;
    elapsed += flushing.elapsed();
    let rate = rows as f64 / elapsed.as_secs_f64();
    println!(
        "loaded {rows} rows in {:.2} s of commits: {rate:.0} rows/s ({:.2} s with reading)",
        elapsed.as_secs_f64(),
        started.elapsed().as_secs_f64()
    );
    println!("peak memory so far: {}", peak_memory().unwrap_or_default());
    report_steps(&store);
    report(&store)?;
    let merged = settle(&store)?;
    println!("merged for another {:.2} s", merged.as_secs_f64());
    report_steps(&store);
    report(&store)?;
    println!(
        "peak memory (with the input): {}",
        peak_memory().unwrap_or_default()
    );
    Ok(())
}
