//! Dashboard queries as kernels over a segment's codes, on a directory that `load_page_views` filled:
//! totals, a series by day, top pages. Shows how to aggregate in place, and measures it.
//!
//! `cargo run --release -p storno-storage --example dashboard_kernels -- <data directory> [site]`

use std::error::Error;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use storno_storage::{
    CompareOp, Lane, Meaning, Options, Predicate, Rows, ScanRequest, ScanStats, SegmentScan,
    SelectBuffers, Store, TableSnapshot, Value,
};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const DAY_MICROS: i128 = 86_400_000_000;
/// 2025-01-01 and the days of the year.
const YEAR_START: i128 = 20_089;
const YEAR_DAYS: usize = 365;
const ROUNDS: usize = 9;

/// Positions of the columns the queries use.
struct Columns {
    site: usize,
    time: usize,
    path: usize,
    measures: Vec<usize>,
}

/// Buffers of one thread.
#[derive(Default)]
struct Buffers {
    select: SelectBuffers,
    keys: Vec<u32>,
    ends: Vec<u32>,
    small: Vec<u16>,
    first: Vec<u32>,
    second: Vec<u32>,
}

/// `origin + code * step` of a column of numbers.
fn steps(segment: &SegmentScan, column: usize) -> Result<(i128, u64)> {
    match segment
        .column(column)?
        .map(|column| (column.meaning, column.null_code))
    {
        Some((Meaning::Steps { origin, step }, false)) => Ok((origin, step)),
        _ => Err("expected a column of numbers without NULLs".into()),
    }
}

fn sum_of<T: Lane>(codes: &[T], rows: Rows<'_>) -> (u64, u64) {
    let code = |row: usize| codes.get(row).map_or(0, |&code| code.into());
    match rows {
        Rows::Range(from, to) => {
            let codes = codes.get(from..to).unwrap_or_default();
            (
                codes.iter().map(|&code| code.into()).sum(),
                codes.len() as u64,
            )
        }
        Rows::Picked(rows) => (
            rows.iter().map(|&row| code(row as usize)).sum(),
            rows.len() as u64,
        ),
    }
}

/// The sums of some measures; whole blocks give theirs without being read.
fn totals(segment: &SegmentScan, columns: &Columns, buffers: &mut Buffers) -> Result<Vec<i128>> {
    let mut sums = vec![0; columns.measures.len()];
    for block in segment.blocks() {
        for (sum, &column) in sums.iter_mut().zip(&columns.measures) {
            if let Some((known, _)) = segment.sum(column, &block)? {
                *sum += known;
                continue;
            }
            let (origin, step) = steps(segment, column)?;
            segment.codes(column, &block, &mut buffers.small)?;
            let rows = segment.select(&block, &mut buffers.select)?;
            let (codes, count) = sum_of(&buffers.small, rows);
            *sum += origin * i128::from(count) + i128::from(codes) * i128::from(step);
        }
    }
    Ok(sums)
}

/// The sum of the first measure per day of the year. Rows of equal time lie together: a day is found
/// once per run of them.
fn by_day(segment: &SegmentScan, columns: &Columns, buffers: &mut Buffers) -> Result<Vec<i128>> {
    let measure = *columns.measures.first().ok_or("no measure")?;
    let (origin, step) = steps(segment, columns.time)?;
    let (base, measure_step) = steps(segment, measure)?;
    // Codes of one day follow each other: the day is computed when they leave it.
    let mut current = (1u32, 0u32, 0usize);
    let mut day = |code: u32| {
        if code < current.0 || current.1 < code {
            let micros = origin + i128::from(code) * i128::from(step);
            let number = micros.div_euclid(DAY_MICROS);
            let code_at = |micros: i128| (micros - origin).div_euclid(step.into());
            let first = (code_at(number * DAY_MICROS - 1) + 1).max(0) as u32;
            let last = code_at((number + 1) * DAY_MICROS - 1) as u32;
            current = (first, last, (number - YEAR_START) as usize);
        }
        current.2
    };
    let mut days = vec![0i128; YEAR_DAYS];
    let mut add = |day: usize, (codes, count): (u64, u64)| {
        if let Some(sum) = days.get_mut(day) {
            *sum += base * i128::from(count) + i128::from(codes) * i128::from(measure_step);
        }
    };
    for block in segment.blocks() {
        let (low, high) = segment.code_range(columns.time, &block)?;
        segment.codes(measure, &block, &mut buffers.small)?;
        let rows = segment.select(&block, &mut buffers.select)?;
        if day(low as u32) == day(high as u32) {
            add(day(low as u32), sum_of(&buffers.small, rows));
            continue;
        }
        let Rows::Range(from, to) = rows else {
            return Err("no other filters here".into());
        };
        let (keys, ends) = (&mut buffers.keys, &mut buffers.ends);
        if segment.runs(columns.time, &block, (keys, ends))? {
            let mut start = from;
            for (&code, &end) in keys.iter().zip(ends.iter()) {
                let end = (end as usize).min(to);
                if end > start {
                    add(day(code), sum_of(&buffers.small, Rows::Range(start, end)));
                    start = end;
                }
            }
            continue;
        }
        segment.codes(columns.time, &block, keys)?;
        for (row, &code) in (from..to).zip(&keys[from..to]) {
            add(day(code), (buffers.small[row].into(), 1));
        }
    }
    Ok(days)
}

/// Sums of two measures per page of one segment, by entry of its dictionary: in the lower and the upper
/// half of a number, as distances.
struct Pages {
    /// The entry of the first sum: pages of one site have near codes.
    first: usize,
    sums: Vec<u64>,
    hashes: Vec<u64>,
}

fn add_pages(
    (sums, base): (&mut [u64], u32),
    (keys, first, second): (&[u32], &[u32], &[u32]),
    rows: Rows<'_>,
) {
    let mut add = |key: u32, first: u32, second: u32| {
        if let Some(sum) = sums.get_mut(key.wrapping_sub(base) as usize) {
            *sum += u64::from(first) | u64::from(second) << 32;
        }
    };
    match rows {
        Rows::Range(from, to) => {
            let measures = first[from..to].iter().zip(&second[from..to]);
            keys[from..to]
                .iter()
                .zip(measures)
                .for_each(|(&k, (&a, &b))| add(k, a, b));
        }
        Rows::Picked(rows) => {
            let rows = rows.iter().map(|&row| row as usize);
            rows.for_each(|row| add(keys[row], first[row], second[row]));
        }
    }
}

fn pages(segment: &SegmentScan, columns: &Columns, buffers: &mut Buffers) -> Result<Pages> {
    let column = segment.column(columns.path)?.ok_or("pages have no codes")?;
    if column.null_code {
        return Err("pages are not NULL".into());
    }
    let (mut low, mut high) = (u64::MAX, 0);
    for block in segment.blocks() {
        let range = segment.code_range(columns.path, &block)?;
        (low, high) = (low.min(range.0), high.max(range.1));
    }
    let first = low.min(high) as usize;
    let mut sums = vec![0u64; high as usize + 1 - first];
    for block in segment.blocks() {
        segment.codes(columns.path, &block, &mut buffers.keys)?;
        segment.codes(columns.measures[0], &block, &mut buffers.first)?;
        segment.codes(columns.measures[1], &block, &mut buffers.second)?;
        let rows = segment.select(&block, &mut buffers.select)?;
        add_pages(
            (&mut sums, first as u32),
            (&buffers.keys, &buffers.first, &buffers.second),
            rows,
        );
    }
    let mut hashes = Vec::new();
    let entries = 0..high as usize + 1;
    segment.hashes_of(columns.path, entries, &mut hashes)?;
    Ok(Pages {
        first,
        sums,
        hashes,
    })
}

/// The ten largest by the first measure, over all segments: merged by hash, strings last.
fn top(segments: &[SegmentScan], parts: &[Pages], path: usize) -> Result<Vec<(u64, String)>> {
    let mut merged = Merged::new();
    for (number, part) in parts.iter().enumerate() {
        for (at, &sum) in part.sums.iter().enumerate().filter(|(_, sum)| **sum != 0) {
            let entry = part.first + at;
            merged.add(part.hashes[entry], (sum, number as u32, entry as u32));
        }
    }
    let mut all = merged.slots;
    all.retain(|group| group.1.0 != 0);
    let mut all: Vec<_> = all.into_iter().map(|(_, group)| group).collect();
    let first = |sum: u64| std::cmp::Reverse(sum & 0xFFFF_FFFF);
    let count = all.len().min(10);
    if count == 0 {
        return Ok(Vec::new());
    }
    all.select_nth_unstable_by_key(count - 1, |group| first(group.0));
    all.truncate(count);
    all.sort_by_key(|group| first(group.0));
    let named = all.into_iter().map(|(sum, segment, entry)| {
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        let name = segments[segment as usize].string(path, entry as usize, text)?;
        Ok((sum & 0xFFFF_FFFF, name))
    });
    named.collect()
}

/// Groups by hash: open addressing, the hash is good as it is. A sum of 0 is a free slot.
struct Merged {
    slots: Vec<(u64, (u64, u32, u32))>,
    groups: usize,
}

impl Merged {
    fn new() -> Self {
        let slots = vec![(0, (0, 0, 0)); 1 << 16];
        Self { slots, groups: 0 }
    }

    fn add(&mut self, hash: u64, group: (u64, u32, u32)) {
        let mask = self.slots.len() - 1;
        let mut at = hash as usize & mask;
        while self.slots[at].1.0 != 0 && self.slots[at].0 != hash {
            at = (at + 1) & mask;
        }
        if self.slots[at].1.0 != 0 {
            self.slots[at].1.0 += group.0;
            return;
        }
        self.slots[at] = (hash, group);
        self.groups += 1;
        if 2 * self.groups > self.slots.len() {
            self.grow();
        }
    }

    fn grow(&mut self) {
        let larger = vec![(0, (0, 0, 0)); 4 * self.slots.len()];
        let before = std::mem::replace(&mut self.slots, larger);
        self.groups = 0;
        for (hash, group) in before.into_iter().filter(|slot| slot.1.0 != 0) {
            self.add(hash, group);
        }
    }
}

/// Runs a kernel over all segments from some threads; the results in order.
fn each<R: Send>(
    segments: &[SegmentScan],
    threads: usize,
    kernel: impl Fn(&SegmentScan, &mut Buffers) -> Result<R> + Sync,
) -> Result<Vec<R>> {
    let next = AtomicUsize::new(0);
    let work = || {
        let (mut buffers, mut done) = (Buffers::default(), Vec::new());
        loop {
            let number = next.fetch_add(1, Ordering::Relaxed);
            let Some(segment) = segments.get(number) else {
                return Ok(done);
            };
            done.push((number, kernel(segment, &mut buffers)?));
        }
    };
    let parts: Vec<Result<Vec<(usize, R)>>> = if threads == 1 {
        vec![work()]
    } else {
        std::thread::scope(|scope| {
            let threads: Vec<_> = (0..threads).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|t| t.join().expect("no panic"))
                .collect()
        })
    };
    let mut all = Vec::new();
    for part in parts {
        all.extend(part?);
    }
    all.sort_by_key(|(number, _)| *number);
    Ok(all.into_iter().map(|(_, result)| result).collect())
}

/// Rows of a site in the last days of the year.
fn of_site(columns: &Columns, site: Option<i128>, days: usize) -> Vec<Predicate> {
    let Some(site) = site else { return Vec::new() };
    let from = (YEAR_START + (YEAR_DAYS - days) as i128) * DAY_MICROS;
    let compare = |column, op, value| Predicate::Compare {
        column,
        op,
        value: Value::Int(value),
    };
    vec![
        compare(columns.site, CompareOp::Eq, site),
        compare(columns.time, CompareOp::GtEq, from),
        compare(
            columns.time,
            CompareOp::Lt,
            (YEAR_START + YEAR_DAYS as i128) * DAY_MICROS,
        ),
    ]
}

/// Medians for one thread and for two, planning included.
fn measure<R: std::fmt::Debug>(
    what: &str,
    table: &TableSnapshot,
    predicates: Vec<Predicate>,
    query: impl Fn(&[SegmentScan], usize) -> Result<R>,
) -> Result<()> {
    let mut medians = Vec::new();
    let mut last: Option<(R, ScanStats)> = None;
    for threads in [1, 2] {
        let mut times = Vec::new();
        for _ in 0..ROUNDS {
            let started = Instant::now();
            let request = ScanRequest {
                columns: vec![],
                predicates: predicates.clone(),
            };
            let scan = table.scan(request)?;
            let stats = scan.stats();
            let coded = scan.into_coded();
            last = Some((query(&coded.segments, threads)?, stats));
            times.push(started.elapsed().as_secs_f64() * 1e3);
        }
        times.sort_by(f64::total_cmp);
        medians.push((times[0], times[ROUNDS / 2]));
    }
    let (result, stats) = last.ok_or("nothing was run")?;
    let text = format!("{result:?}");
    println!(
        "{what:<34} {:>9} rows {:>3} segments {:>5} blocks | 1 thread {:>7.2} ms (best {:>6.2}) | 2 threads {:>7.2} ms (best {:>6.2}) | {}",
        stats.rows,
        stats.segments_kept,
        stats.blocks_kept,
        medians[0].1,
        medians[0].0,
        medians[1].1,
        medians[1].0,
        text.chars().take(60).collect::<String>(),
    );
    Ok(())
}

fn summed(parts: Vec<Vec<i128>>) -> Vec<i128> {
    let length = parts.first().map_or(0, Vec::len);
    (0..length)
        .map(|at| parts.iter().map(|part| part[at]).sum())
        .collect()
}

fn main() -> Result<()> {
    let mut arguments = std::env::args().skip(1);
    let dir = arguments
        .next()
        .ok_or("expected: <data directory> [site]")?;
    let site: i128 = arguments.next().map_or(Ok(412), |site| site.parse())?;
    let started = Instant::now();
    let store = Store::open(Options::new(dir))?;
    println!("open: {:.1} ms", started.elapsed().as_secs_f64() * 1e3);
    let table = store
        .snapshot()
        .table("bench", "pageviews")
        .ok_or("no such table")?;
    let position = |name: &str| table.meta().arrow.index_of(name);
    let measures = ["pageviews", "visits", "uniques", "bounces", "duration"];
    let columns = Columns {
        site: position("site_id")?,
        time: position("timestamp")?,
        path: position("pathname")?,
        measures: measures
            .into_iter()
            .map(position)
            .collect::<std::result::Result<_, _>>()?,
    };
    println!(
        "{} rows, {} segments, {} bytes",
        table.rows(),
        table.segments(),
        table.bytes()
    );
    let country = |value: &str| Predicate::Compare {
        column: position("country_code").unwrap_or(0),
        op: CompareOp::Eq,
        value: Value::Str(value.into()),
    };
    for (name, site, days) in [
        ("30 days", Some(site), 30),
        ("12 months", Some(site), 365),
        ("all sites", None, 365),
    ] {
        let predicates = of_site(&columns, site, days);
        measure(
            &format!("totals, {name}"),
            &table,
            predicates.clone(),
            |segments, threads| {
                Ok(summed(each(segments, threads, |s, b| {
                    totals(s, &columns, b)
                })?))
            },
        )?;
        measure(
            &format!("series by day, {name}"),
            &table,
            predicates.clone(),
            |segments, threads| {
                Ok(
                    summed(each(segments, threads, |s, b| by_day(s, &columns, b))?)
                        .into_iter()
                        .sum::<i128>(),
                )
            },
        )?;
        let pages_of = |segments: &[SegmentScan], threads: usize| {
            let parts = each(segments, threads, |s, b| pages(s, &columns, b))?;
            top(segments, &parts, columns.path)
        };
        measure(
            &format!("top pages, {name}"),
            &table,
            predicates.clone(),
            pages_of,
        )?;
        if site.is_some() {
            let filtered = predicates.into_iter().chain([country("US")]).collect();
            measure(
                &format!("top pages of a country, {name}"),
                &table,
                filtered,
                pages_of,
            )?;
        }
    }
    let small = of_site(&columns, Some(175), 7);
    measure(
        "totals, small site, 7 days",
        &table,
        small,
        |segments, threads| {
            Ok(summed(each(segments, threads, |s, b| {
                totals(s, &columns, b)
            })?))
        },
    )?;
    Ok(())
}
