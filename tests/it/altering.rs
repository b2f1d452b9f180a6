//! ALTER TABLE beside transactions, loads and single statements: what was made for the old definition is never
//! taken for the new one, and a constraint holds for every row from its OK on.

use bytes::Bytes;
use futures::StreamExt;
use futures::stream;
use libtest_mimic::Trial;
use tokio::sync::oneshot;

use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, same, trials};

pub fn trials() -> Vec<Trial> {
    let mut all = trials!(
        "altering",
        [
            a_transaction_meets_another_definition,
            statements_beside_moving_columns_keep_them_apart,
            a_new_constraint_holds_for_rows_that_come_meanwhile,
        ]
    );
    all.push(Trial::test(
        "altering::a_load_meets_another_definition",
        || block_on(loads()),
    ));
    all
}

fn code(result: &Result<impl Sized, Refusal>) -> u16 {
    match result {
        Ok(_) => 0,
        Err(Refusal::Server { code, .. }) => *code,
        Err(Refusal::Broken(_)) => u16::MAX,
    }
}

async fn lines(session: &mut Session, sql: &str, expected: &[&str]) -> Outcome {
    let expected: Vec<String> = expected.iter().map(|line| (*line).to_owned()).collect();
    same(sql, &expected, &session.lines(sql).await?)
}

async fn a_transaction_meets_another_definition(server: &mut Server) -> Outcome {
    let mut a = server.connect_to("altering").await?;
    let mut b = server.connect_to("altering").await?;
    let moved = "ALTER TABLE t MODIFY a VARCHAR(20) AFTER b";
    // What the transaction does, what changes meanwhile, and what is there after both.
    let cases: [(&str, &[&str], &[&str]); 8] = [
        ("UPDATE t SET n = 1", &[moved], &["x|y|0"]),
        ("INSERT INTO t VALUES ('a', 'b', 1)", &[moved], &["x|y|0"]),
        ("DELETE FROM t", &[moved], &["x|y|0"]),
        (
            "REPLACE INTO t VALUES ('a', 'b', 0)",
            &["ALTER TABLE t ADD CHECK (n < 5)"],
            &["x|y|0"],
        ),
        (
            "INSERT INTO t (a, b) VALUES ('a', 'b')",
            &[
                "ALTER TABLE t DROP COLUMN a",
                "ALTER TABLE t ADD COLUMN a VARCHAR(20) FIRST",
            ],
            &["NULL|y|0"],
        ),
        (
            "INSERT INTO t VALUES ('raw', 'b', 1)",
            &["ALTER TABLE t MODIFY a VARCHAR(80) PSEUDONYMISE"],
            &["x|y|0"],
        ),
        (
            "INSERT INTO t VALUES ('a', 'b', 9)",
            &["ALTER TABLE t ADD CHECK (n < 5)"],
            &["x|y|0"],
        ),
        // Another name is no other definition.
        (
            "INSERT INTO t VALUES ('a', 'b', 2)",
            &["RENAME TABLE t TO u", "RENAME TABLE u TO t"],
            &["a|b|2", "x|y|0"],
        ),
    ];
    for (change, alterations, expected) in cases {
        a.run("DROP TABLE IF EXISTS t").await?;
        a.run("CREATE TABLE t (a VARCHAR(20), b VARCHAR(20), n INT, UNIQUE KEY (n))")
            .await?;
        a.run("INSERT INTO t VALUES ('x', 'y', 0)").await?;
        a.run("BEGIN").await?;
        a.run(change).await?;
        for alteration in alterations {
            b.run(*alteration).await?;
        }
        let committed = a.run("COMMIT").await;
        let renamed = alterations[0].starts_with("RENAME");
        let wanted = if renamed { 0 } else { 1412 };
        same(change, &wanted, &code(&committed))?;
        lines(&mut a, "SELECT a, b, n FROM t ORDER BY a", expected).await?;
    }
    // Tried again it works; and a savepoint does not bring the old definition back.
    a.run("BEGIN").await?;
    a.run("SAVEPOINT s").await?;
    a.run("INSERT INTO t VALUES ('c', 'd', 3)").await?;
    a.run("COMMIT").await?;
    lines(&mut b, "SELECT COUNT(*) FROM t", &["3"]).await
}

/// A load whose file stops in the middle until the table is altered.
async fn loads() -> Outcome {
    let server = Server::start_with(&[("STORNO_LOCAL_INFILE", "true")])?;
    let mut a = server.connect_to("altering").await?;
    let mut b = server.connect_to("altering").await?;
    for (definition, alteration, wanted) in [
        ("a INT, b INT", "ALTER TABLE t MODIFY a INT AFTER b", 1412),
        (
            "a INT, b INT, EVENT KEY (a)",
            "ALTER TABLE t MODIFY a INT AFTER b",
            1412,
        ),
        ("a INT, b INT", "ALTER TABLE t ADD CHECK (b < 0)", 1412),
        (
            "a INT, b INT, UNIQUE KEY (a)",
            "ALTER TABLE t MODIFY a INT AFTER b",
            1412,
        ),
        ("a INT, b INT", "RENAME TABLE t TO u", 0),
    ] {
        for how in ["", "REPLACE"] {
            a.run("DROP TABLE IF EXISTS t, u").await?;
            a.run(format!("CREATE TABLE t ({definition})")).await?;
            let (altered, wait) = oneshot::channel::<()>();
            let (begun, begins) = oneshot::channel::<()>();
            let part = |from: u32| {
                let lines = (from..from + 20_000).map(|i| format!("{i}\t{}\n", i + 1_000_000));
                Bytes::from(lines.collect::<String>())
            };
            let (first, last) = (part(0), part(20_000));
            let first = stream::once(async move { Ok(first) });
            let last = stream::once(async move {
                let _ = begun.send(());
                let _ = wait.await;
                Ok(last)
            });
            a.conn()
                .set_infile_handler(async move { Ok(first.chain(last).boxed()) });
            let sql = format!("LOAD DATA LOCAL INFILE 'x' {how} INTO TABLE t");
            let load = tokio::spawn(async move { (a.run(sql).await, a) });
            begins.await?;
            b.run(alteration).await?;
            let _ = altered.send(());
            let (loaded, session) = load.await?;
            a = session;
            same(
                &format!("{definition}, {alteration} {how}"),
                &wanted,
                &code(&loaded),
            )?;
            let (table, rows) = match wanted {
                0 => ("u", "40000|0"),
                _ => ("t", "0|0"),
            };
            let sql = format!("SELECT COUNT(*), COUNT(IF(b < a, 1, NULL)) FROM {table}");
            lines(&mut a, &sql, &[rows]).await?;
        }
    }
    Ok(())
}

const WRITERS: i64 = 4;
const ROUNDS: i64 = 25;

async fn statements_beside_moving_columns_keep_them_apart(server: &mut Server) -> Outcome {
    let mut owner = server.connect_to("altering").await?;
    owner
        .run("CREATE TABLE m (a BIGINT, b BIGINT, n BIGINT, id BIGINT PRIMARY KEY)")
        .await?;
    let mut writers = Vec::new();
    for writer in 0..WRITERS {
        let mut session = server.connect_to("altering").await?;
        writers.push(tokio::spawn(async move {
            for round in 0..ROUNDS {
                let id = 10 * (WRITERS * round + writer) + 1;
                let (more, most) = (id + 1, id + 2);
                for sql in [
                    format!("INSERT INTO m (id, a, b, n) VALUES ({id}, {id}, -{id}, 0)"),
                    format!("INSERT INTO m (id, a, b, n) VALUES ({more}, 1 + {id}, -{id} - 1, 0)"),
                    format!("REPLACE INTO m (id, a, b, n) VALUES ({id}, {id}, -{id}, 1)"),
                    format!("UPDATE m SET n = n + 1 WHERE id = {id}"),
                    format!(
                        "INSERT INTO m (id, a, b, n) VALUES ({id}, 0, 0, 0) ON DUPLICATE KEY UPDATE n = n + 1"
                    ),
                    format!(
                        "INSERT INTO m (id, a, b, n) SELECT {most}, a + 2, b - 2, n FROM m WHERE id = {id}"
                    ),
                ] {
                    session.run(&sql).await?;
                }
                let prepared = "INSERT INTO m (id, a, b, n) VALUES (?, ?, ?, ?)";
                let id = id + 3;
                session.execute(prepared, (id, id, -id, 3)).await?;
            }
            Ok::<(), Refusal>(())
        }));
    }
    while writers.iter().any(|writer| !writer.is_finished()) {
        owner.run("ALTER TABLE m MODIFY a BIGINT AFTER n").await?;
        owner.run("ALTER TABLE m MODIFY a BIGINT FIRST").await?;
        // Whoever alters all the time leaves others little to do but try again.
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
    }
    for writer in writers {
        writer.await??;
    }
    let sql = "SELECT COUNT(*), COUNT(IF(a = id AND b = -id, 1, NULL)), \
               COUNT(IF(n = CASE id % 10 WHEN 2 THEN 0 ELSE 3 END, 1, NULL)) FROM m";
    let all = 4 * WRITERS * ROUNDS;
    lines(&mut owner, sql, &[&format!("{all}|{all}|{all}")]).await
}

async fn a_new_constraint_holds_for_rows_that_come_meanwhile(server: &mut Server) -> Outcome {
    let mut owner = server.connect_to("altering").await?;
    owner.run("CREATE TABLE c (id INT, v INT)").await?;
    owner.run("INSERT INTO c VALUES (1, 1)").await?;
    for _ in 0..17 {
        owner.run("INSERT INTO c SELECT id + 1, 1 FROM c").await?;
    }
    let mut enforced = 0;
    for wait in [0, 2, 5, 10, 20, 40] {
        let mut altering = server.connect_to("altering").await?;
        let add = "ALTER TABLE c ADD CONSTRAINT positive CHECK (v >= 0)";
        let alter = tokio::spawn(async move { altering.run(add).await });
        tokio::time::sleep(std::time::Duration::from_millis(wait)).await;
        let mut writers = Vec::new();
        for _ in 0..3 {
            let mut session = server.connect_to("altering").await?;
            // Until the constraint is there, or was refused for what they have stored.
            writers.push(tokio::spawn(async move {
                for _ in 0..200 {
                    let inserted = session.run("INSERT INTO c VALUES (7, -1)").await;
                    if code(&inserted) != 0 {
                        return inserted.map(drop);
                    }
                }
                Ok(())
            }));
        }
        let altered = alter.await?;
        for writer in writers {
            let ended = writer.await?;
            ensure([0, 3819].contains(&code(&ended)), || format!("{ended:?}"))?;
        }
        let wrong = owner.lines("SELECT COUNT(*) FROM c WHERE v < 0").await?;
        match code(&altered) {
            0 => {
                enforced += 1;
                same("rows that violate it", &vec!["0".to_owned()], &wrong)?;
                owner.run("ALTER TABLE c DROP CHECK positive").await?;
            }
            3819 => ensure(wrong[0] != "0", || "refused for nothing".to_owned())?,
            other => return Err(format!("ALTER TABLE: {other}").into()),
        }
        owner.run("DELETE FROM c WHERE v < 0").await?;
    }
    println!("{enforced} of 6 were enforced");
    Ok(())
}
