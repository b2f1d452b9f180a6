//! `storno demo`: what it loads and shows is what its generator made.

use std::process::{Command, Stdio};

use libtest_mimic::Trial;
use storno::demo::{self, Plan, Row, Traffic};

use crate::harness::{Outcome, Server, block_on, ensure, same};

const ROWS: u64 = 20_000;

pub fn trials() -> Vec<Trial> {
    let under_judge = Server::kind_under_test() == crate::harness::server::Kind::MariaDb;
    vec![
        Trial::test("demo::figures_equal_those_worked_out_from_the_rows", || {
            block_on(figures())
        })
        .with_ignored_flag(under_judge),
    ]
}

async fn figures() -> Outcome {
    let plan = Plan {
        rows: ROWS,
        seed: 7,
        today: demo::DEFAULT_TODAY,
    };
    let traffic = Traffic::new(plan);
    let rows: Vec<Row<'_>> = (0..demo::DAYS).flat_map(|day| traffic.day(day)).collect();
    let scope = demo::scope(&traffic);
    let expected = demo::expected(&rows, &scope);

    let mut server = Server::prepare()?;
    let text = run_demo(&server)?;
    let views = expected.totals.pageviews;
    ensure(views > 100, || {
        format!("the dashboard shows only {views} views")
    })?;
    for figure in [
        views,
        expected.totals.visits,
        expected.totals.uniques,
        expected.rows,
    ] {
        let shown = with_separators(figure);
        ensure(text.contains(&shown), || {
            format!("{shown} is not on the dashboard:\n{text}")
        })?;
    }
    // A second run shows what is there and loads nothing again.
    let again = run_demo(&server)?;
    let all_rows = with_separators(expected.rows);
    ensure(again.contains(&all_rows), || {
        format!("{all_rows} is not in the second run:\n{again}")
    })?;

    server.start_again()?;
    let mut session = server.connect().await?;
    let answers = demo::ask(session.conn(), &scope).await?;
    same("figures", &expected, &answers.figures)?;
    let sql = "SELECT COUNT(*), SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), \
               SUM(duration), COUNT(DISTINCT client_id), COUNT(utm_source) FROM demo.pageviews";
    same(
        "sums of all rows",
        &vec![sums(&rows)],
        &session.lines(sql).await?,
    )
}

fn run_demo(server: &Server) -> Outcome<String> {
    let mut command = Command::new(Server::program());
    command
        .arg("demo")
        .args(["--rows", &ROWS.to_string(), "--seed", "7", "--exit"]);
    command
        .arg("--data-dir")
        .arg(server.data_dir())
        .args(["--listen", "127.0.0.1:0"]);
    let output = command.stdin(Stdio::null()).output()?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    ensure(output.status.success(), || {
        format!(
            "{}\n{text}\n{}",
            output.status,
            String::from_utf8_lossy(&output.stderr)
        )
    })?;
    Ok(text)
}

/// The same as the statement, from the rows.
fn sums(rows: &[Row<'_>]) -> String {
    let sum = |measure: fn(&Row<'_>) -> i32| rows.iter().map(|row| i64::from(measure(row))).sum();
    let clients: std::collections::BTreeSet<u64> =
        rows.iter().map(|row| row.visitor.client_id).collect();
    let campaigns = rows.iter().filter(|row| row.campaign.is_some()).count();
    let figures: [i64; 9] = [
        rows.len() as i64,
        sum(|row| row.measures.pageviews),
        sum(|row| row.measures.visits),
        sum(|row| row.measures.uniques),
        sum(|row| row.measures.bounces),
        sum(|row| row.measures.exits),
        sum(|row| row.measures.duration),
        clients.len() as i64,
        campaigns as i64,
    ];
    figures.map(|figure| figure.to_string()).join("|")
}

/// 1234567 as the dashboard writes it: 1,234,567.
fn with_separators(number: i64) -> String {
    let digits = number.to_string();
    let groups: Vec<&str> = digits
        .as_bytes()
        .rchunks(3)
        .rev()
        .map(|group| std::str::from_utf8(group).unwrap_or("?"))
        .collect();
    groups.join(",")
}
