//! Rows at a fixed rate while dashboards ask: the latency of both, and that a committed row is in the very next
//! query.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use mysql_async::Conn;
use mysql_async::prelude::Queryable;

use crate::row::{COLUMNS, Rows, push_tuple};
use crate::ways::{options, reset};
use crate::{Result, Target};

/// Rows of a statement of the stream.
const BATCH: usize = 1_000;
/// Rows that are there before, so that questions have something to add up.
const BEFORE: usize = 2_000_000;
const DASHBOARDS: u64 = 2;
const IDLE: Duration = Duration::from_secs(20);

pub async fn run(target: &Target, rate: u64, span: Duration) -> Result<()> {
    let options = options(&target.url)?;
    let mut conn = Conn::new(options.clone()).await?;
    reset(&mut conn).await?;
    let statements = Arc::new(statements());
    for i in 0..BEFORE / BATCH {
        conn.query_drop(statements[i % statements.len()].as_str()).await?;
    }
    let idle = ask_all(target, IDLE).await?;
    report(&target.url, "queries, idle", &idle);
    let sent = Arc::new(AtomicU64::new(0));
    let stream = tokio::spawn(stream(conn, Arc::clone(&statements), (rate, span), Arc::clone(&sent)));
    let asked = ask_all(target, span).await?;
    let times = stream.await??;
    report(&target.url, "queries, streaming", &asked);
    report(&target.url, &format!("statements of {BATCH} rows"), &times);
    let rows = sent.load(Ordering::Relaxed);
    println!(
        "{:<34} {rows} rows in {:.0} s, {:.0} rows/s of {rate} asked for",
        target.url,
        span.as_secs_f64(),
        rows as f64 / span.as_secs_f64()
    );
    Ok(())
}

fn statements() -> Vec<String> {
    let mut rows = Rows::new(7);
    let names = COLUMNS.map(|(name, _)| format!("`{name}`")).join(", ");
    let mut statement = || {
        let mut sql = format!("INSERT INTO ingest ({names}) VALUES ");
        for i in 0..BATCH {
            if i > 0 {
                sql.push(',');
            }
            push_tuple(&mut sql, &rows.next());
        }
        sql
    };
    (0..200).map(|_| statement()).collect()
}

/// Sends statements when they are due; one that is late is sent at once, and its delay counts.
async fn stream(
    mut conn: Conn,
    statements: Arc<Vec<String>>,
    (rate, span): (u64, Duration),
    sent: Arc<AtomicU64>,
) -> Result<Vec<Duration>> {
    let started = Instant::now();
    let each = Duration::from_secs_f64(BATCH as f64 / rate as f64);
    let mut times = Vec::new();
    let mut before: u64 = conn.query_first("SELECT COUNT(*) FROM ingest").await?.unwrap_or(0);
    for turn in 0.. {
        let due = started + each * turn as u32;
        if due.duration_since(started) >= span {
            break;
        }
        tokio::time::sleep_until(due.into()).await;
        conn.query_drop(statements[turn % statements.len()].as_str()).await?;
        times.push(due.elapsed());
        sent.fetch_add(BATCH as u64, Ordering::Relaxed);
        before += BATCH as u64;
        if turn % 100 == 0 {
            let now: Option<u64> = conn.query_first("SELECT COUNT(*) FROM ingest").await?;
            if now != Some(before) {
                return Err(format!("{before} rows were committed, {now:?} are seen").into());
            }
        }
    }
    times.sort_unstable();
    Ok(times)
}

async fn ask_all(target: &Target, span: Duration) -> Result<Vec<Duration>> {
    let mut tasks = Vec::new();
    for seed in 0..DASHBOARDS {
        let conn = Conn::new(options(&target.url)?).await?;
        tasks.push(tokio::spawn(ask(conn, seed, span)));
    }
    let mut times = Vec::new();
    for task in tasks {
        times.extend(task.await??);
    }
    times.sort_unstable();
    Ok(times)
}

async fn ask(mut conn: Conn, seed: u64, span: Duration) -> Result<Vec<Duration>> {
    const QUESTIONS: [&str; 3] = [
        "SELECT SUM(pageviews), SUM(visits), SUM(bounces), SUM(duration) FROM ingest WHERE site_id = ",
        "SELECT DATE(timestamp) AS t, SUM(pageviews) FROM ingest WHERE site_id = ",
        "SELECT pathname, SUM(pageviews) AS pv FROM ingest WHERE site_id = ",
    ];
    const ENDS: [&str; 3] = [
        "",
        " GROUP BY t ORDER BY t",
        " GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 10",
    ];
    let until = Instant::now() + span;
    let mut times = Vec::new();
    for turn in seed.. {
        if Instant::now() >= until {
            break;
        }
        let (kind, site) = (turn as usize % QUESTIONS.len(), turn * 7 % 20 + 1);
        let sql = format!("{}{site}{}", QUESTIONS[kind], ENDS[kind]);
        let started = Instant::now();
        conn.query_drop(sql).await?;
        times.push(started.elapsed());
        // People look at what they see.
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    conn.disconnect().await?;
    Ok(times)
}

fn report(url: &str, what: &str, times: &[Duration]) {
    let at = |share: f64| {
        let index = (times.len() as f64 * share) as usize;
        let time = times.get(index).or(times.last());
        time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
    };
    println!(
        "{url:<34} {what:<26} {:>8} times, ms: median {:.2}, p95 {:.2}, p99 {:.2}, longest {:.2}",
        times.len(),
        at(0.5),
        at(0.95),
        at(0.99),
        at(1.0)
    );
}
