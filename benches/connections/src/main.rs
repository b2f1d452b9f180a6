//! What connections cost, on any servers that speak MySQL's protocol, one after the other in one run:
//!
//! - round trips of `SELECT 1` a second over 1, 16 and 256 connections, and how long one takes;
//! - connect, `SELECT 1` and close, a second;
//! - memory of the server for each idle session, and `SELECT 1` beside them.
//!
//! ```sh
//! cargo run --release --manifest-path benches/connections/Cargo.toml -- \
//!     [--idle N] [--seconds N] URL[#PID] [URL[#PID] ...]
//! ```
//!
//! A URL is `mysql://root@127.0.0.1:3306`; with `#PID` the resident memory of that process is read. The server must
//! let that many connections in (`max_connections`), and both processes open that many files (`ulimit -n`).

use std::error::Error;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const CONNECTIONS: [usize; 3] = [1, 16, 256];

struct Arguments {
    idle: usize,
    span: Duration,
    servers: Vec<String>,
}

fn arguments() -> Result<Arguments> {
    let mut found = Arguments {
        idle: 10_000,
        span: Duration::from_secs(5),
        servers: Vec::new(),
    };
    let mut words = std::env::args().skip(1);
    while let Some(word) = words.next() {
        let mut number = || -> Result<u64> {
            let word = words.next().ok_or("a number is missing")?;
            Ok(word.parse()?)
        };
        match word.as_str() {
            "--idle" => found.idle = number()? as usize,
            "--seconds" => found.span = Duration::from_secs(number()?),
            _ => found.servers.push(word),
        }
    }
    match found.servers.is_empty() {
        true => Err("name at least one server: mysql://root@127.0.0.1:3306".into()),
        false => Ok(found),
    }
}

/// Times of all rounds of work, done by so many tasks at once until the time is over.
async fn measure<F, W>(tasks: usize, work: F) -> Result<Vec<Duration>>
where
    F: Fn() -> W,
    W: Future<Output = Result<Vec<Duration>>> + Send + 'static,
{
    let running: Vec<_> = (0..tasks).map(|_| tokio::spawn(work())).collect();
    let mut all = Vec::new();
    for task in running {
        all.extend(task.await??);
    }
    all.sort_unstable();
    Ok(all)
}

async fn select(mut conn: Conn, until: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        conn.query_drop("SELECT 1").await?;
        times.push(started.elapsed());
    }
    conn.disconnect().await?;
    Ok(times)
}

async fn come_and_go(opts: Opts, until: Instant) -> Result<Vec<Duration>> {
    let mut times = Vec::new();
    while Instant::now() < until {
        let started = Instant::now();
        let mut conn = Conn::new(opts.clone()).await?;
        conn.query_drop("SELECT 1").await?;
        conn.disconnect().await?;
        times.push(started.elapsed());
    }
    Ok(times)
}

fn report(what: &str, times: &[Duration], span: Duration) {
    let at = |share: f64| {
        let index = ((times.len() as f64 * share) as usize).min(times.len().saturating_sub(1));
        times
            .get(index)
            .map_or(0.0, |time| time.as_secs_f64() * 1000.0)
    };
    let rate = times.len() as f64 / span.as_secs_f64();
    println!(
        "{what:44} {rate:>9.0}/s   median {:.3} ms   p99 {:.3} ms",
        at(0.5),
        at(0.99)
    );
}

/// Resident memory of a process in bytes.
fn memory(pid: &str) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.trim()
        .trim_end_matches(" kB")
        .parse::<u64>()
        .ok()
        .map(|kb| kb * 1024)
}

async fn idle(opts: &Opts, count: usize, pid: Option<&str>, span: Duration) -> Result<()> {
    let before = pid.and_then(memory);
    let mut sessions = Vec::with_capacity(count);
    for _ in 0..count {
        let mut conn = Conn::new(opts.clone()).await?;
        conn.query_drop("SELECT 1").await?;
        sessions.push(conn);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    if let (Some(before), Some(after)) = (before, pid.and_then(memory)) {
        let each = after.saturating_sub(before) as f64 / count as f64 / 1024.0;
        println!(
            "{count} idle sessions: {each:.1} KiB each, {} MiB in all",
            after >> 20
        );
    }
    let until = Instant::now() + span;
    let times = measure(1, || select_new(opts.clone(), until)).await?;
    report(
        &format!("SELECT 1 beside {count} idle sessions"),
        &times,
        span,
    );
    for conn in sessions {
        conn.disconnect().await?;
    }
    Ok(())
}

async fn select_new(opts: Opts, until: Instant) -> Result<Vec<Duration>> {
    select(Conn::new(opts).await?, until).await
}

#[tokio::main]
async fn main() -> Result<()> {
    let Arguments {
        idle: count,
        span,
        servers,
    } = arguments()?;
    for server in &servers {
        let (url, pid) = server
            .split_once('#')
            .map_or((server.as_str(), None), |(u, p)| (u, Some(p)));
        let opts = Opts::from_url(url)?;
        let version: Option<String> = Conn::new(opts.clone())
            .await?
            .query_first("SELECT VERSION()")
            .await?;
        println!(
            "\n{} at {}:{}",
            version.unwrap_or_default(),
            opts.ip_or_hostname(),
            opts.tcp_port()
        );
        for connections in CONNECTIONS {
            let until = Instant::now() + span + Duration::from_millis(connections as u64);
            let times = measure(connections, || select_new(opts.clone(), until)).await?;
            report(
                &format!("SELECT 1 over {connections} connections"),
                &times,
                span,
            );
        }
        for clients in [1, 16] {
            let until = Instant::now() + span;
            let times = measure(clients, || come_and_go(opts.clone(), until)).await?;
            report(
                &format!("connect, SELECT 1, close by {clients}"),
                &times,
                span,
            );
        }
        if count > 0 {
            idle(&opts, count, pid, span).await?;
        }
    }
    Ok(())
}
