//! How many rows a second servers take, by each way in, and what that costs them.
//!
//! For servers that speak MySQL's protocol, one after the other, each way: a row a statement from 1, 16 and 64
//! connections; 1,000 and 30,000 rows a statement, as text and prepared; LOAD DATA LOCAL. With `--sustain` rows
//! are streamed at a fixed rate while dashboards ask, and the latency of both is told. Only ratios of one run on
//! one quiet machine mean anything. DuckDB and ClickHouse, which have no server here: embedded.py.
//!
//! ```text
//! cargo run --release --manifest-path benches/ingest/Cargo.toml -- \
//!     mysql://root@127.0.0.1:3306/bench@PID mysql://root@127.0.0.1:3307/bench@PID [--seconds 10]
//!     [--only single|many|load] [--sustain 100000 --minutes 10]
//! ```
//!
//! PID is the server's process, whose time on the processor, writes and syncs are counted: syncs by
//! the server's own counters where it has some, else with `strace -f -c -e fsync,fdatasync -p PID` beside it.

mod process;
mod row;
mod sustain;
mod ways;

use std::error::Error;
use std::time::Duration;

use process::Process;
use ways::Way;

pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// A server, as named on the command line.
#[derive(Debug, Clone)]
pub struct Target {
    pub url: String,
    pub process: Option<Process>,
}

struct Settings {
    targets: Vec<Target>,
    seconds: u64,
    only: Option<String>,
    sustain: Option<u64>,
    minutes: u64,
}

fn settings() -> Result<Settings> {
    let mut settings = Settings {
        targets: Vec::new(),
        seconds: 10,
        only: None,
        sustain: None,
        minutes: 10,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or(format!("{argument}: a value"));
        match argument.as_str() {
            "--seconds" => settings.seconds = value()?.parse()?,
            "--only" => settings.only = Some(value()?),
            "--sustain" => settings.sustain = Some(value()?.parse()?),
            "--minutes" => settings.minutes = value()?.parse()?,
            url => settings.targets.push(target(url)?),
        }
    }
    match settings.targets.is_empty() {
        true => Err("expected: mysql://user@host:port/database[@PID] ...".into()),
        false => Ok(settings),
    }
}

fn target(text: &str) -> Result<Target> {
    let (url, pid) = match text.rsplit_once('@') {
        Some((url, pid)) if pid.parse::<u32>().is_ok() => (url, Some(pid.parse()?)),
        _ => (text, None),
    };
    Ok(Target {
        url: url.to_owned(),
        process: pid.map(Process::new),
    })
}

#[tokio::main]
async fn main() -> Result<()> {
    let settings = settings()?;
    if let Some(rate) = settings.sustain {
        for target in &settings.targets {
            sustain::run(target, rate, Duration::from_secs(60 * settings.minutes)).await?;
        }
        return Ok(());
    }
    println!(
        "{:<34} {:<26} {:>10} {:>8} {:>9} {:>9} {:>11} {:>9}",
        "server", "way", "rows/s", "MB/s", "median ms", "p99 ms", "CPU us/row", "syncs/s"
    );
    let span = Duration::from_secs(settings.seconds);
    for way in Way::all() {
        if settings.only.as_ref().is_some_and(|only| !way.is(only)) {
            continue;
        }
        for target in &settings.targets {
            let done = ways::run(target, way, span).await?;
            println!("{}", done.line(&target.url, &way.name()));
        }
    }
    Ok(())
}
