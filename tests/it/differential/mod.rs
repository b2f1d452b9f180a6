//! Generated statements: the same data and the same SELECTs on Storno and on MariaDB, compared cell
//! by cell, with the types of the columns.
//!
//! A seed gives the same statements for ever; a failure names its seed and the statement. What is
//! not generated, and why: see `expression`.

mod expression;
mod query;
mod schema;

use libtest_mimic::Trial;

use crate::data::literal::insert;
use crate::harness::compare::{Order, difference};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, block_on, ensure, judge};

use self::query::Query;
use self::schema::Table;

/// Each seed makes its own tables, data and statements.
const SEEDS: [u64; 4] = [1, 2, 3, 4];
const QUERIES_PER_SEED: u64 = 150;
const PROBLEMS_SHOWN: usize = 12;
/// After so many queries rows are changed.
const CHANGE_EVERY: u64 = 25;

pub fn trials() -> Vec<Trial> {
    let trial = |seed: u64| {
        Trial::test(format!("differential::seed_{seed}"), move || {
            block_on(run(seed))
        })
        .with_ignored_flag(!judge::is_installed())
    };
    let mut seeds = SEEDS.to_vec();
    // A seed of one's own: STORNO_DIFFERENTIAL_SEED=12345.
    seeds.extend(number_from_environment("STORNO_DIFFERENTIAL_SEED"));
    seeds.dedup();
    seeds.into_iter().map(trial).collect()
}

fn number_from_environment(name: &str) -> Option<u64> {
    std::env::var(name).ok()?.parse().ok()
}

async fn run(seed: u64) -> Outcome {
    let count = number_from_environment("STORNO_DIFFERENTIAL_QUERIES").unwrap_or(QUERIES_PER_SEED);
    // Half of the seeds read from segments of a few rows, half from memory.
    let small = [
        ("STORNO_MEMTABLE_BYTES", "1048576"),
        ("STORNO_SEGMENT_ROWS", "1024"),
    ];
    let settings: &[_] = if seed.is_multiple_of(2) { &small } else { &[] };
    let mut server = Server::start_with(settings)?;
    let judge = Server::start_judge()?;
    let mut session = server.connect_to("differential").await?;
    let mut expected_session = judge.connect_to("differential").await?;
    // The judge's.
    session.run("SET group_concat_max_len = 1048576").await?;
    let mut random = Random::new(seed);
    let tables = [
        Table::generate("t0", &mut random),
        Table::generate("t1", &mut random),
    ];
    for table in &tables {
        create(&mut session, table).await?;
        create(&mut expected_session, table).await?;
    }
    let mut problems = Vec::new();
    let (mut refused, mut found) = (0, 0);
    for number in 0..count {
        if number % CHANGE_EVERY == CHANGE_EVERY - 1 {
            let sql = query::change(&mut random, number);
            let sessions = (&mut expected_session, &mut session);
            if let Some(text) = changed(sessions, &sql).await? {
                problems.push(format!("seed {seed}, statement {number}: {sql}\n  {text}"));
                // What follows would differ, too.
                break;
            }
        }
        let query = Query::generate(&tables, &mut random);
        let expected = expected_session.run(&query.sql).await;
        let actual = session.run(&query.sql).await;
        refused += u64::from(expected.is_err());
        found += u64::from(
            expected
                .as_ref()
                .is_ok_and(|answer| !answer.rows.is_empty()),
        );
        if let Some(text) = difference(&expected, &actual, query.order) {
            problems.push(format!(
                "seed {seed}, statement {number}: {}\n  {text}",
                query.sql
            ));
        }
    }
    server.must_be_running()?;
    // Statements that are refused or find nothing prove little: the generator must make sense.
    ensure(refused * 20 <= count, || {
        format!("{refused} of {count} statements are refused")
    })?;
    ensure(found * 10 >= count * 7, || {
        format!("only {found} of {count} statements find rows")
    })?;
    let shown: Vec<&String> = problems.iter().take(PROBLEMS_SHOWN).collect();
    ensure(problems.is_empty(), || {
        let shown = shown
            .iter()
            .map(|text| text.as_str())
            .collect::<Vec<_>>()
            .join("\n");
        format!("{} of {count} statements differ\n{shown}", problems.len())
    })
}

/// Runs a statement that changes rows on both, and compares all rows.
async fn changed(
    (expected, actual): (&mut Session, &mut Session),
    sql: &str,
) -> Outcome<Option<String>> {
    let (one, other) = (expected.run(sql).await, actual.run(sql).await);
    if let Some(text) = difference(&one, &other, Order::Given) {
        return Ok(Some(text));
    }
    if let (Ok(one), Ok(other)) = (one, other)
        && one.affected_rows != other.affected_rows
    {
        let (one, other) = (one.affected_rows, other.affected_rows);
        return Ok(Some(format!("expected {one} rows changed, were {other}")));
    }
    for table in ["t0", "t1"] {
        let all = format!("SELECT * FROM {table} ORDER BY id");
        let (one, other) = (expected.run(&all).await, actual.run(&all).await);
        if let Some(text) = difference(&one, &other, Order::Given) {
            return Ok(Some(text));
        }
    }
    Ok(None)
}

async fn create(session: &mut Session, table: &Table) -> Outcome {
    session.run(table.create()).await?;
    for batch in table.rows.chunks(100) {
        session
            .run(insert(&table.name, &table.column_names(), batch))
            .await?;
    }
    Ok(())
}
