//! What an account must not get at by names that may mean two things: tables of one name, names of WITH, views,
//! tables for invalid rows.

use libtest_mimic::Trial;

use crate::accounts::{login, refused, run};
use crate::harness::{Outcome, Server, Session, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "rights",
        [
            of_two_tables_of_one_name_the_one_meant_changes,
            no_table_is_reached_by_the_name_of_another,
            names_of_with_open_no_table,
            views_read_what_those_they_speak_for_may_read,
            names_in_views_mean_what_they_meant_when_they_were_made,
            views_are_granted_and_their_text_is_shown_to_those_who_may,
            invalid_rows_go_where_the_account_may_write,
            tokens_are_made_by_those_who_may_let_others_write,
        ]
    )
}

async fn eve(server: &Server) -> Outcome<Session> {
    let session = login(server, "eve", "e").await;
    Ok(session.map_err(|code| code.to_string())?)
}

/// Two databases with tables of the same names; eve may do what she likes in `mine` alone.
async fn two_databases(root: &mut Session) -> Outcome {
    run(
        root,
        &[
            "CREATE DATABASE victim",
            "CREATE DATABASE mine",
            "CREATE TABLE victim.secret (id INT PRIMARY KEY, x INT)",
            "CREATE TABLE victim.pub (id INT PRIMARY KEY, x INT)",
            "CREATE TABLE mine.secret (id INT PRIMARY KEY, x INT)",
            "INSERT INTO victim.secret VALUES (1, 100), (2, 200)",
            "INSERT INTO victim.pub VALUES (1, 1)",
            "INSERT INTO mine.secret VALUES (1, 7), (3, 9)",
            "CREATE USER eve IDENTIFIED BY 'e'",
            "GRANT ALL ON mine.* TO eve",
            "GRANT SELECT ON victim.pub TO eve",
        ],
    )
    .await
}

async fn rows(session: &mut Session, sql: &str, expected: &[&str]) -> Outcome {
    let expected: Vec<String> = expected.iter().map(ToString::to_string).collect();
    same(sql, &expected, &session.lines(sql).await?)
}

const VICTIM: &str = "SELECT id, x FROM victim.secret ORDER BY id";
const MINE: &str = "SELECT id, x FROM mine.secret ORDER BY id";

async fn of_two_tables_of_one_name_the_one_meant_changes(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    let join = "victim.secret JOIN mine.secret ON victim.secret.id = mine.secret.id";
    root.run(format!(
        "UPDATE {join} SET mine.secret.x = victim.secret.x + 1"
    ))
    .await?;
    rows(&mut root, VICTIM, &["1|100", "2|200"]).await?;
    rows(&mut root, MINE, &["1|101", "3|9"]).await?;
    root.run(format!(
        "UPDATE {join} SET victim.secret.x = 5 WHERE mine.secret.x > 100 AND victim.secret.x < 150"
    ))
    .await?;
    rows(&mut root, VICTIM, &["1|5", "2|200"]).await?;
    rows(&mut root, MINE, &["1|101", "3|9"]).await?;
    root.run(format!("DELETE mine.secret FROM {join}")).await?;
    rows(&mut root, VICTIM, &["1|5", "2|200"]).await?;
    rows(&mut root, MINE, &["3|9"]).await?;
    root.run("DELETE FROM victim.secret USING victim.secret JOIN mine.secret ON mine.secret.id = 3 WHERE victim.secret.id = 2")
        .await?;
    rows(&mut root, VICTIM, &["1|5"]).await?;
    if server.is_judge() {
        return Ok(());
    }
    for (sql, code) in [
        ("UPDATE victim.secret JOIN mine.secret SET x = 1", 1052),
        (
            "UPDATE victim.secret JOIN mine.secret SET secret.x = 1",
            1052,
        ),
        (
            "DELETE secret FROM victim.secret JOIN mine.secret ON 1 = 1",
            1066,
        ),
        ("UPDATE mine.secret JOIN mine.secret SET secret.x = 1", 1066),
        (
            "UPDATE mine.secret AS a JOIN victim.secret AS a SET a.x = 1",
            1066,
        ),
        ("UPDATE mine.secret SET victim.secret.x = 1", 1054),
        (
            "DELETE other.secret FROM victim.secret JOIN mine.secret",
            1109,
        ),
    ] {
        refused(&mut root, sql, code).await?;
    }
    rows(&mut root, VICTIM, &["1|5"]).await?;
    rows(&mut root, MINE, &["3|9"]).await
}

async fn no_table_is_reached_by_the_name_of_another(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    let mut eve = eve(server).await?;
    for sql in [
        "UPDATE victim.secret JOIN mine.secret ON 1 = 1 SET x = 5",
        "UPDATE mine.secret JOIN victim.secret ON 1 = 1 SET x = 5",
        "UPDATE victim.secret JOIN mine.secret ON 1 = 1 SET victim.secret.x = 5",
        "UPDATE mine.secret JOIN victim.secret ON 1 = 1 SET mine.secret.x = victim.secret.x",
        "DELETE victim.secret FROM victim.secret JOIN mine.secret ON 1 = 1",
        // To read a table is not enough, however its alias is written.
        "UPDATE victim.pub JOIN mine.secret ON 1 = 1 SET pub.x = 5",
    ] {
        refused(&mut eve, sql, 1142).await?;
    }
    if !server.is_judge() {
        for sql in [
            "DELETE secret FROM victim.secret JOIN mine.secret ON 1 = 1",
            "DELETE FROM secret USING victim.secret JOIN mine.secret ON 1 = 1",
            "UPDATE victim.pub AS `É` SET `é`.x = 44",
            "UPDATE victim.pub AS `É` JOIN mine.secret AS s SET `é`.x = 44",
            "DELETE `é` FROM victim.pub AS `É`",
            "DELETE `é` FROM victim.pub AS `É` JOIN mine.secret AS s",
        ] {
            refused(&mut eve, sql, 1142).await?;
        }
    }
    rows(&mut root, VICTIM, &["1|100", "2|200"]).await?;
    rows(&mut root, MINE, &["1|7", "3|9"]).await?;
    rows(&mut root, "SELECT * FROM victim.pub", &["1|1"]).await
}

async fn names_of_with_open_no_table(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    let mut eve = eve(server).await?;
    run(&mut eve, &["USE victim"]).await?;
    for sql in [
        "WITH secret AS (SELECT * FROM secret) SELECT * FROM secret",
        "SELECT * FROM (WITH RECURSIVE secret AS (SELECT 1) SELECT * FROM secret) a, secret",
    ] {
        refused(&mut eve, sql, 1142).await?;
    }
    if server.is_judge() {
        return Ok(());
    }
    // MariaDB lets queries of one WITH name each other.
    for (sql, code) in [
        (
            "WITH RECURSIVE b AS (SELECT * FROM secret), secret AS (SELECT 1 AS z) SELECT * FROM b",
            1142,
        ),
        (
            "WITH RECURSIVE b AS (SELECT * FROM secret UNION SELECT 1, 2), secret AS (SELECT 1 AS z) SELECT * FROM b",
            1142,
        ),
        (
            "WITH RECURSIVE secret AS (SELECT * FROM secret) SELECT * FROM secret",
            3573,
        ),
        (
            "WITH RECURSIVE secret AS (SELECT id, x FROM secret UNION SELECT 1, 2) SELECT * FROM secret",
            3574,
        ),
        (
            "WITH RECURSIVE s AS (WITH secret AS (SELECT 1 AS id) SELECT id FROM secret UNION SELECT id + 1 FROM s \
             WHERE id < 3) SELECT * FROM s",
            1235,
        ),
    ] {
        refused(&mut eve, sql, code).await?;
    }
    let counted = "WITH RECURSIVE s (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 3) SELECT SUM(n) FROM s";
    rows(&mut eve, counted, &["6"]).await?;
    let cut = "WITH RECURSIVE s AS (WITH secret AS (SELECT 8 AS id) SELECT id FROM secret UNION SELECT 9 ORDER BY 1 DESC \
               LIMIT 1) SELECT * FROM s";
    rows(&mut eve, cut, &["9"]).await
}

async fn views_read_what_those_they_speak_for_may_read(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    run(
        &mut root,
        &[
            "CREATE SQL SECURITY INVOKER VIEW mine.asks AS SELECT id FROM victim.secret",
            "CREATE VIEW mine.opens AS SELECT id FROM victim.secret",
            "CREATE VIEW mine.opens_too AS SELECT id FROM mine.asks",
            "GRANT SELECT ON victim.secret TO eve",
        ],
    )
    .await?;
    let mut eve = eve(server).await?;
    run(
        &mut eve,
        &[
            "CREATE VIEW mine.keepsake AS SELECT id, x FROM victim.secret",
            "SELECT * FROM mine.asks",
        ],
    )
    .await?;
    let kept = "SELECT SUM(x) FROM mine.keepsake WHERE id = 1";
    for session in [&mut eve, &mut root] {
        for _ in 0..4 {
            rows(session, kept, &["100"]).await?;
        }
    }
    run(&mut root, &["REVOKE SELECT ON victim.secret FROM eve"]).await?;
    for session in [&mut eve, &mut root] {
        refused(session, kept, 1356).await?;
    }
    rows(&mut root, "SELECT COUNT(*) FROM mine.asks", &["2"]).await?;
    refused(&mut eve, "SELECT COUNT(*) FROM mine.asks", 1356).await?;
    // Views of those who may speak for others.
    rows(&mut eve, "SELECT COUNT(*) FROM mine.opens", &["2"]).await?;
    rows(&mut eve, "SELECT COUNT(*) FROM mine.opens_too", &["2"]).await?;
    // What a view may read its reader may not.
    refused(
        &mut eve,
        "SELECT * FROM mine.opens JOIN victim.secret USING (id)",
        1142,
    )
    .await?;
    run(&mut root, &["GRANT SELECT ON victim.* TO eve"]).await?;
    rows(&mut root, kept, &["100"]).await?;
    drop(eve);
    run(&mut root, &["DROP USER eve"]).await?;
    refused(&mut root, kept, 1449).await
}

async fn names_in_views_mean_what_they_meant_when_they_were_made(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    let mut eve = eve(server).await?;
    run(
        &mut eve,
        &[
            "USE mine",
            "CREATE VIEW v AS WITH secret AS (SELECT id, x FROM secret) SELECT id, x FROM secret",
            "CREATE VIEW w AS SELECT a.id FROM (WITH secret AS (SELECT 1 AS id) SELECT id FROM secret) a \
             JOIN secret b ON a.id = b.id",
            "USE victim",
        ],
    )
    .await?;
    for session in [&mut eve, &mut root] {
        rows(
            session,
            "SELECT id, x FROM mine.v ORDER BY id",
            &["1|7", "3|9"],
        )
        .await?;
        rows(session, "SELECT id FROM mine.w", &["1"]).await?;
    }
    run(&mut eve, &["USE mine"]).await?;
    let own = "WITH v AS (SELECT id FROM v WHERE x > 7) SELECT id FROM v";
    rows(&mut eve, own, &["3"]).await?;
    // A name that a view has is no table's; a view is none of itself.
    run(&mut root, &["USE mine"]).await?;
    for (sql, code) in [
        ("RENAME TABLE secret TO v", 1050),
        ("ALTER TABLE secret RENAME TO v", 1050),
        ("CREATE OR REPLACE VIEW v AS SELECT id, x FROM v", 1146),
        (
            "ALTER VIEW v AS SELECT id FROM w WHERE id IN (SELECT id FROM v)",
            1146,
        ),
    ] {
        refused(&mut root, sql, code).await?;
    }
    rows(
        &mut root,
        "SELECT id, x FROM v ORDER BY id",
        &["1|7", "3|9"],
    )
    .await?;
    if server.is_judge() {
        return Ok(());
    }
    // Literals compare as they did where the view was made.
    let same_letters = "SELECT 'a' = 'A' AS x";
    let bytes = "SET collation_connection = 'utf8mb4_0900_bin'";
    let create = format!("CREATE VIEW folds AS {same_letters}");
    run(&mut root, &[&create, bytes]).await?;
    rows(&mut root, same_letters, &["0"]).await?;
    rows(&mut root, "SELECT x FROM folds", &["1"]).await?;
    rows(
        &mut root,
        "SELECT x, 'a' = 'A' FROM folds WHERE x = 1",
        &["1|0"],
    )
    .await?;
    let create = format!(
        "CREATE VIEW differs AS {same_letters}, (SELECT COUNT(*) FROM secret WHERE 'a' = 'A') AS n"
    );
    run(&mut root, &[&create]).await?;
    rows(&mut eve, "SELECT x, n FROM differs", &["0|0"]).await?;
    // Each level names the one below twice.
    run(&mut root, &["CREATE VIEW twice0 AS SELECT id FROM secret"]).await?;
    for level in 1..9 {
        let below = level - 1;
        root.run(format!(
            "CREATE VIEW twice{level} AS SELECT id FROM twice{below} UNION SELECT id FROM twice{below}"
        ))
        .await?;
    }
    refused(
        &mut root,
        "CREATE VIEW twice9 AS SELECT id FROM twice8 UNION SELECT id FROM twice8",
        1116,
    )
    .await
}

async fn views_are_granted_and_their_text_is_shown_to_those_who_may(
    server: &mut Server,
) -> Outcome {
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    run(
        &mut root,
        &[
            "CREATE VIEW victim.some AS SELECT id FROM victim.secret WHERE x = 100",
            "GRANT SELECT ON victim.some TO eve",
        ],
    )
    .await?;
    let mut eve = eve(server).await?;
    rows(&mut eve, "SELECT id FROM victim.some", &["1"]).await?;
    refused(&mut eve, "SHOW CREATE VIEW victim.some", 1142).await?;
    refused(&mut eve, "SHOW CREATE TABLE victim.some", 1142).await?;
    refused(&mut eve, "EXPLAIN SELECT id FROM victim.some", 1345).await?;
    let text =
        "SELECT VIEW_DEFINITION <> '' FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'victim'";
    rows(&mut eve, text, &["0"]).await?;
    run(&mut root, &["GRANT SHOW VIEW ON victim.some TO eve"]).await?;
    run(
        &mut eve,
        &[
            "SHOW CREATE VIEW victim.some",
            "SHOW CREATE TABLE victim.some",
        ],
    )
    .await?;
    rows(&mut eve, text, &["1"]).await
}

async fn invalid_rows_go_where_the_account_may_write(server: &mut Server) -> Outcome {
    if server.is_judge() {
        return Ok(());
    }
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    run(
        &mut root,
        &[
            "CREATE TABLE mine.checked (id INT, note VARCHAR(99), CHECK (id > 1000))",
            "CREATE TABLE victim.given (id INT, note VARCHAR(3)) ON INVALID INTO given_bad",
            "GRANT CREATE, INSERT ON victim.own TO eve",
            "GRANT INSERT ON victim.given TO eve",
        ],
    )
    .await?;
    let mut eve = eve(server).await?;
    run(&mut eve, &["USE victim"]).await?;
    refused(
        &mut eve,
        "CREATE TABLE own (id INT, note VARCHAR(3)) ON INVALID INTO secret",
        1142,
    )
    .await?;
    refused(
        &mut eve,
        "CREATE TABLE own (id INT, note VARCHAR(3)) ON INVALID INTO fresh",
        1142,
    )
    .await?;
    let invalid = "INSERT INTO given VALUES (1, 'a'), (2, 'a long note')";
    refused(&mut eve, invalid, 1142).await?;
    rows(&mut root, "SELECT COUNT(*) FROM victim.given", &["0"]).await?;
    run(&mut eve, &["INSERT INTO given VALUES (1, 'a')"]).await?;
    run(&mut root, &["GRANT INSERT ON victim.given_bad TO eve"]).await?;
    run(&mut eve, &[invalid]).await?;
    rows(&mut root, "SELECT id FROM victim.given_bad", &["2"]).await?;
    // Tables that are something else, by every way.
    run(
        &mut root,
        &["USE mine", "CREATE TABLE t (id INT, note VARCHAR(3))"],
    )
    .await?;
    for sql in [
        "CREATE TABLE u (id INT, note VARCHAR(3)) ON INVALID INTO checked",
        "CREATE TABLE u (id INT, note VARCHAR(3)) ON INVALID INTO secret",
        "ALTER TABLE t ON INVALID INTO checked",
    ] {
        refused(&mut root, sql, 1210).await?;
    }
    run(
        &mut root,
        &[
            "ALTER TABLE t ON INVALID INTO t_bad",
            "ALTER TABLE t_bad ADD CHECK (invalid_code = 0)",
        ],
    )
    .await?;
    refused(&mut root, "INSERT INTO t VALUES (1, 'a long note')", 1210).await?;
    rows(&mut root, "SELECT COUNT(*) FROM t_bad", &["0"]).await
}

async fn tokens_are_made_by_those_who_may_let_others_write(server: &mut Server) -> Outcome {
    if server.is_judge() {
        return Ok(());
    }
    let mut root = server.connect().await?;
    two_databases(&mut root).await?;
    run(
        &mut root,
        &[
            "CREATE TABLE victim.hits (id INT) ON INVALID INTO hits_bad",
            "GRANT CREATE USER ON *.* TO eve",
        ],
    )
    .await?;
    let mut eve = eve(server).await?;
    let make = "CREATE INGEST TOKEN esc ON victim.hits";
    refused(&mut eve, make, 1142).await?;
    run(&mut root, &["GRANT INSERT ON victim.hits TO eve"]).await?;
    refused(&mut eve, make, 1142).await?;
    run(
        &mut root,
        &["GRANT INSERT ON victim.hits TO eve WITH GRANT OPTION"],
    )
    .await?;
    refused(&mut eve, make, 1142).await?;
    run(
        &mut root,
        &["GRANT INSERT ON victim.hits_bad TO eve WITH GRANT OPTION"],
    )
    .await?;
    run(&mut eve, &[make, "DROP INGEST TOKEN esc"]).await
}
