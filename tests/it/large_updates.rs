//! UPDATEs of more rows than are gathered at once: one commit, or nothing.

use libtest_mimic::Trial;

use crate::harness::{Outcome, Refusal, Server, Session, same, trials};

const ROWS: u64 = 150_000;
const SUMS: &str = "SELECT COUNT(*), SUM(id), SUM(v), COUNT(DISTINCT id), MAX(LENGTH(s)) FROM t";

pub fn trials() -> Vec<Trial> {
    trials!(
        "large_updates",
        [
            every_row_changes_once_and_stays_so_after_a_restart,
            a_repeated_key_changes_nothing,
            rows_in_memory_and_events_are_replaced_too,
            increments_of_several_sessions_all_count,
        ]
    )
}

async fn filled(server: &Server, more: &str) -> Outcome<Session> {
    let mut session = server.connect_to("large").await?;
    session.run("DROP TABLE IF EXISTS t").await?;
    let columns = "id BIGINT NOT NULL, v INT NOT NULL, s VARCHAR(20)";
    session
        .run(format!("CREATE TABLE t ({columns}{more})"))
        .await?;
    session.run("CREATE TABLE IF NOT EXISTS n (n INT)").await?;
    session.run("TRUNCATE TABLE n").await?;
    let numbers: Vec<String> = (0..400).map(|n| format!("({n})")).collect();
    session
        .run(format!("INSERT INTO n VALUES {}", numbers.join(",")))
        .await?;
    let rows = format!(
        "INSERT INTO t SELECT 400 * a.n + b.n, 1, 'x' FROM n a, n b WHERE 400 * a.n + b.n < {ROWS}"
    );
    same("rows", &ROWS, &session.run(rows).await?.affected_rows)?;
    Ok(session)
}

fn sums(add: u64, v: u64, length: u64) -> Vec<String> {
    let ids = ROWS * (ROWS - 1) / 2 + ROWS * add;
    vec![format!("{ROWS}|{ids}|{v}|{ROWS}|{length}")]
}

fn code(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::Server { code, .. } => Some(*code),
        Refusal::Broken(_) => None,
    }
}

async fn every_row_changes_once_and_stays_so_after_a_restart(server: &mut Server) -> Outcome {
    let mut session = filled(server, ", PRIMARY KEY (id)").await?;
    let answer = session
        .run("UPDATE t SET v = v + 1, s = CONCAT(s, 'y'), id = id + 75000")
        .await?;
    let info = format!("Rows matched: {ROWS}  Changed: {ROWS}  Warnings: 0");
    same("info", &info, &answer.info)?;
    same(
        "sums",
        &sums(75_000, 2 * ROWS, 2),
        &session.lines(SUMS).await?,
    )?;
    let half = session.run("UPDATE t SET v = 2 + id % 2").await?;
    same("changed", &(ROWS / 2), &half.affected_rows)?;
    let none = session.run("UPDATE t SET v = 2 + id % 2").await?;
    same("changed again", &0, &none.affected_rows)?;
    drop(session);
    server.restart()?;
    let mut session = server.connect_to("large").await?;
    let found = session.lines(SUMS).await?;
    same("after a restart", &sums(75_000, ROWS * 5 / 2, 2), &found)
}

async fn a_repeated_key_changes_nothing(server: &mut Server) -> Outcome {
    let mut session = filled(server, ", PRIMARY KEY (id)").await?;
    let refused = session
        .refused("UPDATE t SET v = 9, id = id % 100000")
        .await?;
    same("repeated", &Some(1062), &code(&refused))?;
    let refused = session
        .refused("UPDATE t SET v = 1 / (id - 140000) / 0")
        .await?;
    same("divided", &Some(1365), &code(&refused))?;
    same("sums", &sums(0, ROWS, 1), &session.lines(SUMS).await?)
}

async fn is_known(session: &mut Session) -> Outcome {
    let again = session.run("INSERT INTO t VALUES (5, 1, 'x')").await?;
    same("sent once more", &0, &again.affected_rows)
}

async fn rows_in_memory_and_events_are_replaced_too(server: &mut Server) -> Outcome {
    let mut session = filled(server, ", EVENT KEY (id)").await?;
    is_known(&mut session).await?;
    let all = session.run("UPDATE t SET v = v + 1").await?;
    same("changed", &ROWS, &all.affected_rows)?;
    is_known(&mut session).await?;
    same("sums", &sums(0, 2 * ROWS, 1), &session.lines(SUMS).await?)
}

async fn increments_of_several_sessions_all_count(server: &mut Server) -> Outcome {
    let mut session = filled(server, "").await?;
    let mut tasks = Vec::new();
    for _ in 0..3 {
        let mut session = server.connect_to("large").await?;
        tasks.push(async move { session.run("UPDATE t SET v = v + 1").await });
    }
    for answer in futures::future::join_all(tasks).await {
        same("changed", &ROWS, &answer?.affected_rows)?;
    }
    same("sums", &sums(0, 4 * ROWS, 1), &session.lines(SUMS).await?)
}
