//! Generated columns of tables that have rows: filled in parts, beside writers, across SIGKILL.

use std::time::Duration;

use libtest_mimic::Trial;

use crate::harness::{Outcome, Server, Session, ensure, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "generated",
        [
            a_new_column_is_whole_after_sigkill,
            writers_beside_the_alter_are_computed_too,
        ]
    )
}

const COLUMN: &str = "ALTER TABLE t ADD COLUMN r VARCHAR(20) AS (REVERSE(s)) STORED NOT NULL";
const DOUBLINGS: u32 = 7;

/// 64,000 rows.
async fn table(server: &Server) -> Outcome<Session> {
    let mut session = server.connect_to("generated").await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL, s VARCHAR(20) NOT NULL)")
        .await?;
    let first: Vec<String> = (0..500).map(|i| format!("({i}, 'row {i}')")).collect();
    let first = format!("INSERT INTO t VALUES {}", first.join(", "));
    session.run(&first).await?;
    for i in 0..DOUBLINGS {
        let more = 500 << i;
        let sql = format!("INSERT INTO t SELECT id + {more}, CONCAT('row ', id + {more}) FROM t");
        session.run(&sql).await?;
    }
    Ok(session)
}

async fn all_are_computed(session: &mut Session, rows: u64) -> Outcome {
    let check = "SELECT COUNT(*), SUM(r = REVERSE(s)) FROM t";
    let lines = session.lines(check).await?;
    same(
        "rows, and computed ones",
        &vec![format!("{rows}|{rows}")],
        &lines,
    )
}

async fn a_new_column_is_whole_after_sigkill(server: &mut Server) -> Outcome {
    drop(table(server).await?);
    for wait in [5, 60, 250] {
        let mut altering = server.connect_to("generated").await?;
        let alter = tokio::spawn(async move { altering.run(COLUMN).await.is_ok() });
        tokio::time::sleep(Duration::from_millis(wait)).await;
        server.kill()?;
        let finished = alter.await?;
        server.start_again()?;
        let mut session = server.connect_to("generated").await?;
        let columns = session.lines("SHOW COLUMNS FROM t LIKE 'r'").await?;
        ensure(!(finished && columns.is_empty()), || {
            "a column whose ALTER was answered is gone".to_owned()
        })?;
        if !columns.is_empty() {
            all_are_computed(&mut session, 500 << DOUBLINGS).await?;
            session.run("ALTER TABLE t DROP COLUMN r").await?;
        }
    }
    Ok(())
}

async fn writers_beside_the_alter_are_computed_too(server: &mut Server) -> Outcome {
    let mut session = table(server).await?;
    let mut altering = server.connect_to("generated").await?;
    let alter = tokio::spawn(async move { altering.run(COLUMN).await.map(drop) });
    let mut rows: u64 = 500 << DOUBLINGS;
    let mut number = 0;
    while !alter.is_finished() {
        number += 1;
        let insert = format!("INSERT INTO t (id, s) VALUES (-{number}, 'new {number}')");
        // 1412 when the definition changes just then.
        if session.run(&insert).await.is_ok() {
            rows += 1;
        }
        let update = format!("UPDATE t SET s = 'changed' WHERE id = {}", number * 37);
        let _ = session.run(&update).await;
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    alter.await??;
    all_are_computed(&mut session, rows).await
}
