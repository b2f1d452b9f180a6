//! Sessions that change the same rows at once: no change is lost and none happens twice.

use libtest_mimic::Trial;

use crate::harness::{Outcome, Refusal, Server, ensure, same, trials};

const SESSIONS: usize = 6;
const STATEMENTS: usize = 25;

pub fn trials() -> Vec<Trial> {
    trials!(
        "contention",
        [
            every_increment_counts,
            a_delete_does_not_miss_a_row_that_moved,
            deletes_and_inserts_of_two_transactions_do_not_add_up,
        ]
    )
}

/// Runs a statement `STATEMENTS` times in each of `SESSIONS` sessions at once.
async fn from_all_sessions(server: &Server, sql: &'static str) -> Outcome {
    let mut tasks = Vec::new();
    for _ in 0..SESSIONS {
        let mut session = server.connect_to("contention").await?;
        tasks.push(async move {
            for _ in 0..STATEMENTS {
                session.run(sql).await?;
            }
            Ok::<(), Refusal>(())
        });
    }
    for result in futures::future::join_all(tasks).await {
        result?;
    }
    Ok(())
}

async fn every_increment_counts(server: &mut Server) -> Outcome {
    for sql in [
        "UPDATE c SET v = v + 1 WHERE id = 1",
        "INSERT INTO c VALUES (1, 1) ON DUPLICATE KEY UPDATE v = v + VALUES(v)",
        "INSERT INTO c SELECT id, v + 1 FROM c ON DUPLICATE KEY UPDATE v = VALUES(v)",
        "REPLACE INTO c SELECT id, v + 1 FROM c",
    ] {
        let mut session = server.connect_to("contention").await?;
        session.run("DROP TABLE IF EXISTS c").await?;
        let table = "CREATE TABLE c (id INT NOT NULL PRIMARY KEY, v INT NOT NULL)";
        session.run(table).await?;
        session.run("INSERT INTO c VALUES (1, 0)").await?;
        from_all_sessions(server, sql).await?;
        let sum = session.run("SELECT v FROM c").await?.single();
        same(sql, &Some((SESSIONS * STATEMENTS).to_string()), &sum)?;
    }
    Ok(())
}

async fn a_delete_does_not_miss_a_row_that_moved(server: &mut Server) -> Outcome {
    let mut a = server.connect_to("contention").await?;
    let mut b = server.connect_to("contention").await?;
    a.run("CREATE TABLE w (id INT NOT NULL PRIMARY KEY, v INT NOT NULL)")
        .await?;
    for round in 0..50 {
        a.run(format!("INSERT INTO w VALUES ({round}, 0)")).await?;
        let delete = a.run(format!("DELETE FROM w WHERE id = {round}"));
        let update = b.run(format!("UPDATE w SET v = v + 1 WHERE id = {round}"));
        let (deleted, updated) = futures::future::join(delete, update).await;
        same("deleted", &1, &deleted?.affected_rows)?;
        updated?;
    }
    same(
        "rows",
        &Some("0".into()),
        &a.run("SELECT COUNT(*) FROM w").await?.single(),
    )
}

async fn deletes_and_inserts_of_two_transactions_do_not_add_up(server: &mut Server) -> Outcome {
    let mut a = server.connect_to("contention").await?;
    let mut b = server.connect_to("contention").await?;
    a.run("CREATE TABLE e (d INT NOT NULL, v INT NOT NULL)")
        .await?;
    a.run("INSERT INTO e VALUES (1, 10)").await?;
    for session in [&mut a, &mut b] {
        session.run("BEGIN").await?;
        session.run("DELETE FROM e WHERE d = 1").await?;
        session.run("INSERT INTO e VALUES (1, 10)").await?;
    }
    a.run("COMMIT").await?;
    let late = b.run("COMMIT").await;
    ensure(
        matches!(late, Err(Refusal::Server { code: 1213, .. })),
        || format!("the later COMMIT: {late:?}"),
    )?;
    same(
        "sum",
        &Some("10".into()),
        &a.run("SELECT SUM(v) FROM e").await?.single(),
    )
}
