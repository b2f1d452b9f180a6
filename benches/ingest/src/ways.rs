//! The ways in: statements are made before the clock starts, and sent until the time is over.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts, OptsBuilder, Params, Value};
use tokio::sync::Barrier;

use crate::row::{COLUMNS, Rows, push_line, push_tuple};
use crate::{Result, Target};

/// Statements that a connection has at hand, and sends over and over.
const STATEMENTS: usize = 64;
/// Rows of the file of LOAD DATA.
const FILE_ROWS: usize = 1_000_000;

#[derive(Debug, Clone, Copy)]
pub enum Way {
    /// Rows of a statement, connections.
    Text(usize, usize),
    Prepared(usize, usize),
    Load,
}

impl Way {
    pub fn all() -> Vec<Self> {
        let single = [1, 16, 64];
        let mut ways: Vec<Self> = single.iter().map(|c| Self::Text(1, *c)).collect();
        ways.extend(single.iter().map(|c| Self::Prepared(1, *c)));
        for rows in [1_000, 30_000] {
            ways.extend([1, 2].map(|connections| Self::Text(rows, connections)));
        }
        // 65,535 placeholders are 2,621 rows.
        ways.extend([Self::Prepared(1_000, 1), Self::Prepared(2_600, 1), Self::Load]);
        ways
    }

    pub fn is(&self, only: &str) -> bool {
        match self {
            Self::Text(1, _) | Self::Prepared(1, _) => only == "single",
            Self::Text(..) | Self::Prepared(..) => only == "many",
            Self::Load => only == "load",
        }
    }

    pub fn name(&self) -> String {
        match self {
            Self::Text(rows, connections) => format!("text {rows} x {connections}"),
            Self::Prepared(rows, connections) => format!("prepared {rows} x {connections}"),
            Self::Load => "LOAD DATA LOCAL".into(),
        }
    }

    fn connections(&self) -> usize {
        match self {
            Self::Text(_, connections) | Self::Prepared(_, connections) => *connections,
            Self::Load => 1,
        }
    }
}

/// What one connection sends.
enum Work {
    Text(Vec<String>, usize),
    Prepared(Vec<Vec<Value>>, usize),
    Load(Bytes),
}

impl Work {
    fn new(way: Way, seed: u64) -> Self {
        let mut rows = Rows::new(seed);
        match way {
            Way::Text(count, _) => {
                let mut statement = || {
                    let mut sql = format!("INSERT INTO ingest ({}) VALUES ", names());
                    for i in 0..count {
                        if i > 0 {
                            sql.push(',');
                        }
                        push_tuple(&mut sql, &rows.next());
                    }
                    sql
                };
                let statements = (STATEMENTS / count.min(16)).max(4);
                Self::Text((0..statements).map(|_| statement()).collect(), count)
            }
            Way::Prepared(count, _) => {
                let mut values = || (0..count).flat_map(|_| rows.next()).collect();
                let statements = (STATEMENTS / count.min(16)).max(4);
                Self::Prepared((0..statements).map(|_| values()).collect(), count)
            }
            Way::Load => {
                let mut text = String::new();
                for _ in 0..FILE_ROWS {
                    push_line(&mut text, &rows.next());
                }
                Self::Load(text.into())
            }
        }
    }
}

fn names() -> String {
    COLUMNS.map(|(name, _)| format!("`{name}`")).join(", ")
}

/// What a way came to.
#[derive(Debug, Default)]
pub struct Done {
    rows: u64,
    bytes: u64,
    /// Of each statement, ascending.
    times: Vec<Duration>,
    wall: Duration,
    cpu: Option<Duration>,
    syncs: Option<u64>,
}

impl Done {
    pub fn line(&self, url: &str, way: &str) -> String {
        let seconds = self.wall.as_secs_f64();
        let at = |share: f64| {
            let index = (self.times.len() as f64 * share) as usize;
            let time = self.times.get(index).or(self.times.last());
            time.map_or(0.0, |time| time.as_secs_f64() * 1e3)
        };
        let cpu = self.cpu.map_or("-".into(), |cpu| {
            format!("{:.2}", cpu.as_secs_f64() * 1e6 / self.rows.max(1) as f64)
        });
        let syncs = self.syncs.map_or("-".into(), |syncs| {
            format!("{:.0}", syncs as f64 / seconds)
        });
        format!(
            "{url:<34} {way:<26} {:>10.0} {:>8.1} {:>9.2} {:>9.2} {cpu:>11} {syncs:>9}",
            self.rows as f64 / seconds,
            self.bytes as f64 / 1e6 / seconds,
            at(0.5),
            at(0.99),
        )
    }
}

pub fn options(url: &str) -> Result<OptsBuilder> {
    let options = OptsBuilder::from_opts(Opts::from_url(url)?);
    Ok(options.max_allowed_packet(Some(64 << 20)).prefer_socket(false))
}

/// Makes the table, the same in every engine but for where rows lie.
pub async fn reset(conn: &mut Conn) -> Result<()> {
    let columns = COLUMNS.map(|(name, kind)| format!("`{name}` {kind}")).join(", ");
    conn.query_drop("DROP TABLE IF EXISTS ingest").await?;
    let version: Option<String> = conn.query_first("SELECT VERSION()").await?;
    let own = version.is_some_and(|version| version.contains("storno"));
    let sql = match own {
        true => format!("CREATE TABLE ingest ({columns}, SORT KEY (site_id, timestamp))"),
        false => format!(
            "CREATE TABLE ingest (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, {columns}, \
             KEY k (site_id, timestamp)) ENGINE = InnoDB"
        ),
    };
    conn.query_drop(sql).await?;
    conn.query_drop("SET GLOBAL local_infile = 1").await?;
    Ok(())
}

/// Syncs of the log since the start, where the server counts them.
async fn syncs(conn: &mut Conn) -> Result<Option<u64>> {
    let sql = "SHOW GLOBAL STATUS WHERE Variable_name IN ('Innodb_os_log_fsyncs', 'Storno_log_syncs')";
    let row: Option<(String, u64)> = conn.query_first(sql).await?;
    Ok(row.map(|(_, count)| count))
}

pub async fn run(target: &Target, way: Way, span: Duration) -> Result<Done> {
    let options = options(&target.url)?;
    let mut first = Conn::new(options.clone()).await?;
    reset(&mut first).await?;
    let start = Arc::new(Barrier::new(way.connections() + 1));
    let mut tasks = Vec::new();
    for seed in 0..way.connections() as u64 {
        let conn = Conn::new(options.clone()).await?;
        let work = Work::new(way, seed);
        tasks.push(tokio::spawn(send(conn, work, span, Arc::clone(&start))));
    }
    let (syncs_before, cpu_before) = (syncs(&mut first).await?, target.process.and_then(|p| p.cpu()));
    start.wait().await;
    let started = Instant::now();
    let mut done = Done::default();
    for task in tasks {
        let (rows, bytes, times) = task.await??;
        done.rows += rows;
        done.bytes += bytes;
        done.times.extend(times);
    }
    done.wall = started.elapsed();
    done.times.sort_unstable();
    let cpu = target.process.and_then(|p| p.cpu());
    done.cpu = cpu.zip(cpu_before).map(|(now, before)| now - before);
    done.syncs = syncs(&mut first).await?.zip(syncs_before).map(|(now, before)| now - before);
    let stored: Option<u64> = first.query_first("SELECT COUNT(*) FROM ingest").await?;
    if stored != Some(done.rows) {
        return Err(format!("{} rows were sent, {stored:?} are there", done.rows).into());
    }
    first.disconnect().await?;
    Ok(done)
}

type Sent = (u64, u64, Vec<Duration>);

async fn send(mut conn: Conn, work: Work, span: Duration, start: Arc<Barrier>) -> Result<Sent> {
    let (mut rows, mut bytes, mut times) = (0, 0, Vec::new());
    let prepared = match &work {
        Work::Prepared(_, count) => {
            let marks = format!("({})", vec!["?"; COLUMNS.len()].join(","));
            let marks = vec![marks; *count].join(",");
            let sql = format!("INSERT INTO ingest ({}) VALUES {marks}", names());
            Some(conn.prep(sql).await?)
        }
        _ => None,
    };
    start.wait().await;
    let until = Instant::now() + span;
    for turn in 0.. {
        let now = Instant::now();
        if now >= until {
            break;
        }
        match (&work, &prepared) {
            (Work::Text(statements, count), _) => {
                let sql = &statements[turn % statements.len()];
                conn.query_drop(sql.as_str()).await?;
                (rows, bytes) = (rows + *count as u64, bytes + sql.len() as u64);
            }
            (Work::Prepared(values, count), Some(statement)) => {
                let values = values[turn % values.len()].clone();
                bytes += values.iter().map(|v| v.as_sql(true).len() as u64).sum::<u64>();
                conn.exec_drop(statement, Params::Positional(values)).await?;
                rows += *count as u64;
            }
            (Work::Load(content), _) => {
                let pieces = content.clone();
                conn.set_infile_handler(async move {
                    let pieces: Vec<_> = pieces.chunks(1 << 20).map(Bytes::copy_from_slice).collect();
                    Ok(futures::stream::iter(pieces.into_iter().map(Ok)).boxed())
                });
                let sql = format!("LOAD DATA LOCAL INFILE 'x' INTO TABLE ingest ({})", names());
                conn.query_drop(sql).await?;
                (rows, bytes) = (rows + FILE_ROWS as u64, bytes + content.len() as u64);
            }
            (Work::Prepared(..), None) => return Err("not prepared".into()),
        }
        times.push(now.elapsed());
    }
    conn.disconnect().await?;
    Ok((rows, bytes, times))
}
