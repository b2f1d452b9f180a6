//! How many dashboard questions a second servers answer to many sessions at once, and how long one waits.
//!
//! Asks any servers that speak MySQL's protocol and hold the page views of `benches/dashboards`, one after the
//! other, with 1, 8, 64 and 256 sessions. Every session asks for totals, a series, and top pages and countries
//! of a random site in a random span of the year, as text with the values in it.
//!
//! `cargo run --release --manifest-path benches/sessions/Cargo.toml -- mysql://root@127.0.0.1:3306/bench [another URL ...]`

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

const SESSIONS: [usize; 4] = [1, 8, 64, 256];

/// How long each number of sessions asks.
const SPAN: Duration = Duration::from_secs(5);

/// A question about one site.
fn question(random: &mut StdRng, sites: &[u32]) -> String {
    const QUESTIONS: [(&str, &str); 4] = [
        (
            "SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(duration)",
            "",
        ),
        (
            "DATE(timestamp) AS t, SUM(pageviews), SUM(visits)",
            "GROUP BY t ORDER BY t",
        ),
        (
            "pathname, SUM(pageviews) AS pv",
            "GROUP BY pathname ORDER BY pv DESC, pathname LIMIT 10",
        ),
        (
            "country_code, SUM(visits) AS v",
            "GROUP BY country_code ORDER BY v DESC, country_code LIMIT 10",
        ),
    ];
    let (items, rest) = QUESTIONS[random.random_range(0..QUESTIONS.len())];
    let site = sites[random.random_range(0..sites.len())];
    let (first, last) = (random.random_range(1..=12), random.random_range(1..=12));
    let (first, last) = (first.min(last), first.max(last));
    format!(
        "SELECT {items} FROM pageviews WHERE site_id = {site} AND timestamp >= '2025-{first:02}-01' \
         AND timestamp < '2025-{last:02}-28' {rest}"
    )
}

/// Asks until the time is over; how long each answer took.
async fn ask(
    mut conn: Conn,
    seed: u64,
    sites: Arc<Vec<u32>>,
    until: Instant,
) -> Result<Vec<Duration>> {
    let mut random = StdRng::seed_from_u64(seed);
    let mut times = Vec::new();
    while Instant::now() < until {
        let sql = question(&mut random, &sites);
        let started = Instant::now();
        conn.query_drop(sql).await?;
        times.push(started.elapsed());
    }
    conn.disconnect().await?;
    Ok(times)
}

async fn run(url: &str, sessions: usize) -> Result<Vec<Duration>> {
    let opts = Opts::from_url(url)?;
    let mut first = Conn::new(opts.clone()).await?;
    let sites: Vec<u32> = first
        .query("SELECT site_id FROM pageviews GROUP BY site_id")
        .await?;
    let sites = Arc::new(sites);
    let mut conns = vec![first];
    while conns.len() < sessions {
        conns.push(Conn::new(opts.clone()).await?);
    }
    let until = Instant::now() + SPAN;
    let asking = conns.into_iter().zip(1..);
    let asking =
        asking.map(|(conn, seed)| tokio::spawn(ask(conn, seed, Arc::clone(&sites), until)));
    let mut times = Vec::new();
    for task in asking.collect::<Vec<_>>() {
        times.extend(task.await??);
    }
    times.sort_unstable();
    Ok(times)
}

#[tokio::main]
async fn main() -> Result<()> {
    let urls: Vec<String> = std::env::args().skip(1).collect();
    if urls.is_empty() {
        return Err("expected: mysql://user@host:port/database ...".into());
    }
    println!(
        "{:<44} {:>8} {:>10} {:>10} {:>10}",
        "server", "sessions", "queries/s", "median ms", "p99 ms"
    );
    for sessions in SESSIONS {
        for url in &urls {
            let times = run(url, sessions).await?;
            let at = |share: f64| {
                let time = times
                    .get((times.len() as f64 * share) as usize)
                    .or(times.last());
                time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
            };
            let rate = times.len() as f64 / SPAN.as_secs_f64();
            println!(
                "{url:<44} {sessions:>8} {rate:>10.0} {:>10.2} {:>10.2}",
                at(0.5),
                at(0.99)
            );
        }
    }
    Ok(())
}
