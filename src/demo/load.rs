//! Loads the traffic over MySQL connections, and finds out whether that has been done before.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use chrono::NaiveDate;
use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Opts};

use super::progress::Progress;
use super::row::{self, CREATE_TABLE};
use super::traffic::{DAYS, Plan, Traffic};
use crate::error::{Error, Result};

const CONNECTIONS: usize = 4;
/// Rows of one INSERT; about 1 MB of text.
const ROWS_PER_INSERT: usize = 5_000;

/// Written before the first row of the demo ('started') and after the last ('finished'), so that an
/// interrupted load is told from a whole one, and the demo's table from one of the user's.
const CREATE_LOADS: &str = "\
CREATE TABLE demo.loads (
  `state` VARCHAR(16) NOT NULL,
  `seed` BIGINT UNSIGNED NOT NULL,
  `rows_asked` BIGINT UNSIGNED NOT NULL,
  `today` VARCHAR(10) NOT NULL
)";

/// What a data directory has of the demo.
#[derive(Debug, PartialEq, Eq)]
pub enum Found {
    Nothing,
    /// A load that did not come to its end.
    Interrupted,
    Whole(Plan),
}

/// What a load did.
#[derive(Debug, Clone, Copy)]
pub struct Loaded {
    pub rows: u64,
    pub time: Duration,
}

fn failed(why: mysql_async::Error) -> Error {
    Error::Demo(why.to_string())
}

/// The answer to `sql`, or `None` when its table or database does not exist.
fn if_exists<T>(answer: mysql_async::Result<T>) -> Result<Option<T>> {
    match answer {
        Ok(rows) => Ok(Some(rows)),
        Err(mysql_async::Error::Server(why)) if matches!(why.code, 1049 | 1146) => Ok(None),
        Err(why) => Err(failed(why)),
    }
}

/// Looks for the demo's tables. An error if `demo.pageviews` is there but not the demo's own.
pub async fn inspect(conn: &mut Conn) -> Result<Found> {
    type LoadRow = (String, u64, u64, String);
    let sql = "SELECT state, seed, rows_asked, today FROM demo.loads";
    let loads: Option<Vec<LoadRow>> = if_exists(conn.query(sql).await)?;
    let Some(loads) = loads else {
        let sql = "SELECT COUNT(*) FROM demo.pageviews";
        let rows: Option<Vec<u64>> = if_exists(conn.query(sql).await)?;
        return match rows {
            None => Ok(Found::Nothing),
            Some(_) => Err(Error::Demo(
                "this data directory has a table demo.pageviews that the demo did not make; \
                 choose another directory with --data-dir"
                    .into(),
            )),
        };
    };
    let Some((_, seed, rows, today)) = loads.into_iter().find(|load| load.0 == "finished") else {
        return Ok(Found::Interrupted);
    };
    let today: NaiveDate = today
        .parse()
        .map_err(|_| Error::Demo(format!("demo.loads has the date '{today}'")))?;
    Ok(Found::Whole(Plan { rows, seed, today }))
}

/// Makes the tables anew and fills them over several connections at once.
pub async fn load(opts: &Opts, traffic: &Arc<Traffic>, progress: Progress) -> Result<Loaded> {
    let mut conn = Conn::new(opts.clone()).await.map_err(failed)?;
    for sql in [
        "CREATE DATABASE IF NOT EXISTS demo",
        "DROP TABLE IF EXISTS demo.loads",
        CREATE_LOADS,
        &state_row("started", traffic.plan()),
        "DROP TABLE IF EXISTS demo.pageviews",
        CREATE_TABLE,
    ] {
        conn.query_drop(sql)
            .await
            .map_err(|why| Error::Demo(format!("{why}\n  in: {sql}")))?;
    }
    let progress = Arc::new(progress);
    let day = Arc::new(AtomicU32::new(0));
    let mut tasks = tokio::task::JoinSet::new();
    for _ in 0..CONNECTIONS {
        let conn = Conn::new(opts.clone()).await.map_err(failed)?;
        tasks.spawn(load_days(
            conn,
            traffic.clone(),
            day.clone(),
            progress.clone(),
        ));
    }
    let mut rows = 0;
    while let Some(task) = tasks.join_next().await {
        rows += task.map_err(|why| Error::Demo(why.to_string()))??;
    }
    conn.query_drop(state_row("finished", traffic.plan()))
        .await
        .map_err(failed)?;
    let time = progress.finish();
    conn.disconnect().await.map_err(failed)?;
    Ok(Loaded { rows, time })
}

fn state_row(state: &str, plan: &Plan) -> String {
    let Plan { rows, seed, today } = plan;
    format!(
        "INSERT INTO demo.loads (state, seed, rows_asked, today) \
         VALUES ('{state}', {seed}, {rows}, '{today}')"
    )
}

/// One connection's work: the next day that nobody has taken, until there is none.
async fn load_days(
    mut conn: Conn,
    traffic: Arc<Traffic>,
    next_day: Arc<AtomicU32>,
    progress: Arc<Progress>,
) -> Result<u64> {
    let mut loaded = 0;
    loop {
        let day = next_day.fetch_add(1, Ordering::Relaxed);
        if day >= DAYS {
            break;
        }
        let traffic = traffic.clone();
        let statements = tokio::task::spawn_blocking(move || statements(&traffic, day))
            .await
            .map_err(|why| Error::Demo(why.to_string()))?;
        for (sql, rows) in statements {
            let answer = conn.query_iter(sql).await.map_err(failed)?;
            let stored = answer.affected_rows();
            answer.drop_result().await.map_err(failed)?;
            if stored != rows {
                return Err(Error::Demo(format!(
                    "sent {rows} rows, {stored} were stored"
                )));
            }
            loaded += rows;
            progress.add(rows);
        }
    }
    conn.disconnect().await.map_err(failed)?;
    Ok(loaded)
}

/// The INSERTs of one day, each with its number of rows.
fn statements(traffic: &Traffic, day: u32) -> Vec<(String, u64)> {
    let rows = traffic.day(day);
    rows.chunks(ROWS_PER_INSERT)
        .map(|rows| (row::insert(rows), rows.len() as u64))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statements_carry_every_row_of_the_day_and_stay_below_a_packet() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let traffic = Traffic::new(Plan {
            rows: 5_000_000,
            seed: 1,
            today,
        });
        let statements = statements(&traffic, 300);
        let rows: u64 = statements.iter().map(|(_, rows)| rows).sum();
        assert_eq!(rows, traffic.day(300).len() as u64);
        assert!(statements.len() > 1);
        assert!(statements.iter().all(|(sql, _)| sql.len() < 4 << 20));
    }
}
