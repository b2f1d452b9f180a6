//! What a filter on one value of a column with many values costs, and what an index of row numbers per value
//! would save: the time to plan (finding the value in the dictionaries), the time to find its rows among
//! the codes of the blocks that are left, and the size such an index would have.
//!
//! `cargo run --release -p storno-storage --example selective -- <data directory> [column ...]`
//! with a directory that `load_page_views` has made; columns are `client_id` and `pathname` if none is given.

use std::collections::HashMap;
use std::error::Error;
use std::time::{Duration, Instant};

use arrow::array::AsArray;
use storno_storage::{
    CompareOp, Meaning, Options, Predicate, Rows, ScanRequest, SegmentScan, SelectBuffers, Store,
    TableSnapshot, Value,
};

type Result<T> = std::result::Result<T, Box<dyn Error>>;

const ROUNDS: u32 = 20;

fn equals(column: usize, value: &str) -> Predicate {
    Predicate::Compare {
        column,
        op: CompareOp::Eq,
        value: Value::Str(value.into()),
    }
}

/// Rows of one value, and what it took: planning, finding; blocks looked at.
fn find(table: &TableSnapshot, predicates: &[Predicate]) -> Result<(u64, Duration, Duration, u64)> {
    let started = Instant::now();
    let request = ScanRequest {
        columns: Vec::new(),
        predicates: predicates.to_vec(),
    };
    let scan = table.scan(request)?.into_coded();
    let planned = started.elapsed();
    let (mut rows, mut blocks, mut buffers) = (0, 0, SelectBuffers::default());
    for segment in &scan.segments {
        for at in segment.blocks() {
            blocks += 1;
            rows += match segment.select(&at, &mut buffers)? {
                Rows::Range(from, to) => (to - from) as u64,
                Rows::Picked(rows) => rows.len() as u64,
            };
        }
    }
    Ok((rows, planned, started.elapsed() - planned, blocks))
}

/// Values of a column and how many rows each has, from the codes of some segments.
fn frequencies(segments: &[SegmentScan], column: usize) -> Result<Vec<(String, u64)>> {
    let mut all: HashMap<String, u64> = HashMap::new();
    for segment in segments {
        let Some(coded) = segment
            .column(column)?
            .filter(|c| c.meaning == Meaning::String)
        else {
            continue;
        };
        let mut counts = vec![0u64; coded.high as usize + 1];
        let mut codes: Vec<u32> = Vec::new();
        for at in segment.blocks() {
            segment.codes(column, &at, &mut codes)?;
            codes.iter().for_each(|&code| counts[code as usize] += 1);
        }
        let used: Vec<u64> = (u64::from(coded.null_code)..=coded.high).collect();
        let values = segment.values(column, &used)?;
        let values = values.as_string_view();
        for (value, &code) in values.iter().zip(&used) {
            if let Some(value) = value {
                *all.entry(value.to_owned()).or_default() += counts[code as usize];
            }
        }
    }
    let mut all: Vec<_> = all.into_iter().collect();
    all.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.cmp(&b.0)));
    Ok(all)
}

/// Bytes of an index of row numbers by value: a start per value and packed row numbers.
fn index_bytes(segments: &[SegmentScan], column: usize) -> Result<u64> {
    let mut bits = 0;
    for segment in segments {
        if let Some(coded) = segment.column(column)? {
            let rows = segment.rows();
            let row_bits = u64::from(rows.max(2).ilog2()) + 1;
            bits += rows * row_bits + (coded.high + 1) * row_bits;
        }
    }
    Ok(bits / 8)
}

fn report(table: &TableSnapshot, what: &str, predicates: &[Predicate]) -> Result<()> {
    let (mut planned, mut found) = (Duration::MAX, Duration::MAX);
    let (rows, _, _, blocks) = find(table, predicates)?;
    for _ in 0..ROUNDS {
        let (_, plan, scan, _) = find(table, predicates)?;
        (planned, found) = (planned.min(plan), found.min(scan));
    }
    let millis = |time: Duration| 1e3 * time.as_secs_f64();
    println!(
        "  {what:<34} {rows:>8} rows {blocks:>6} blocks   plan {:>7.3} ms   find {:>7.3} ms",
        millis(planned),
        millis(found)
    );
    Ok(())
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("expected: <data directory> [column ...]")?;
    let mut names: Vec<String> = arguments.collect();
    if names.is_empty() {
        names = vec!["client_id".into(), "pathname".into()];
    }
    let store = Store::open(Options::new(dir))?;
    let table = store.snapshot().table("bench", "pageviews");
    let table = table.ok_or("no table bench.pageviews")?;
    let schema = table.meta().arrow.clone();
    let site = schema.index_of("site_id")?;
    let all = table.scan(ScanRequest::default())?.into_coded().segments;
    println!(
        "{} rows in {} segments, {} bytes",
        table.rows(),
        all.len(),
        table.bytes()
    );
    for name in &names {
        let column = schema.index_of(name)?;
        let values = frequencies(&all, column)?;
        let (stored, index) = (table.column_bytes(column), index_bytes(&all, column)?);
        println!(
            "{name}: {} values, {stored} bytes; an index of row numbers would take {index} bytes",
            values.len()
        );
        let picks = [
            ("most frequent", 0),
            ("in the middle", values.len() / 2),
            ("rarest", values.len() - 1),
        ];
        for (what, at) in picks {
            let Some((value, count)) = values.get(at) else {
                continue;
            };
            report(
                &table,
                &format!("{what} ({count})"),
                &[equals(column, value)],
            )?;
        }
        report(&table, "not there", &[equals(column, "no such value")])?;
        let Some((value, _)) = values.get(values.len() / 1000) else {
            continue;
        };
        for number in [1, 20] {
            let one_site = Predicate::Compare {
                column: site,
                op: CompareOp::Eq,
                value: Value::Int(number),
            };
            let both = [one_site, equals(column, value)];
            report(&table, &format!("a frequent one of site {number}"), &both)?;
        }
    }
    Ok(())
}
