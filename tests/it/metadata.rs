//! What a result set and an OK say about themselves: names, types, lengths, flags, counts.
//!
//! Expected are MySQL 8's values. Lengths of computed columns are left out where MySQL and MariaDB
//! compute them differently.

use libtest_mimic::Trial;
use mysql_async::Column;
use mysql_async::consts::ColumnFlags;

use crate::harness::{Outcome, Server, Session, ensure, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "metadata",
        [
            columns_of_a_table_describe_their_declaration,
            computed_columns_have_mysql_types,
            names_are_the_text_of_the_expression,
            ok_packets_count_what_was_done,
            rows_end_with_the_number_of_their_warnings,
            functions_remember_the_statement_before,
            auto_increment_values_are_reported,
            transactions_and_autocommit_show_in_the_status,
        ]
    )
}

/// Wire type, length (bytes, or columns of display), decimals, character set.
fn shape(column: &Column) -> String {
    let kind = format!("{:?}", column.column_type()).replace("MYSQL_TYPE_", "");
    let charset = if column.character_set() == 63 {
        "binary"
    } else {
        "text"
    };
    format!(
        "{kind}({},{}) {charset}",
        column.column_length(),
        column.decimals()
    )
}

async fn session_with_table(server: &Server) -> Outcome<Session> {
    let mut session = server.connect_to("meta").await?;
    session
        .run(
            "CREATE TABLE m (a TINYINT NOT NULL, b SMALLINT UNSIGNED, c INT, d BIGINT UNSIGNED NOT NULL, \
             e DECIMAL(10,2), f FLOAT, g DOUBLE, h DATE, i DATETIME NOT NULL, j DATETIME(3), k TIMESTAMP(6) NULL, \
             l TIME, n CHAR(2), o VARCHAR(255) NOT NULL, p TEXT, q VARBINARY(16), r BLOB, s BOOLEAN, \
             t ENUM('x','longer'), u YEAR, v MEDIUMINT) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        )
        .await?;
    Ok(session)
}

async fn columns_of_a_table_describe_their_declaration(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let answer = session.run("SELECT * FROM m").await?;
    let actual: Vec<String> = answer
        .columns
        .iter()
        .map(|column| format!("{} {}", column.name_str(), shape(column)))
        .collect();
    let expected = [
        "a TINY(4,0) binary",
        "b SHORT(5,0) binary",
        "c LONG(11,0) binary",
        "d LONGLONG(20,0) binary",
        "e NEWDECIMAL(12,2) binary",
        "f FLOAT(12,31) binary",
        "g DOUBLE(22,31) binary",
        "h DATE(10,0) binary",
        "i DATETIME(19,0) binary",
        "j DATETIME(23,3) binary",
        "k TIMESTAMP(26,6) binary",
        "l TIME(10,0) binary",
        "n STRING(8,0) text",
        "o VAR_STRING(1020,0) text",
        "p BLOB(262140,0) text",
        "q VAR_STRING(16,0) binary",
        "r BLOB(65535,0) binary",
        "s TINY(1,0) binary",
        "t STRING(24,0) text",
        "u YEAR(4,0) binary",
        "v INT24(9,0) binary",
    ];
    same("shapes", &expected.map(str::to_owned).to_vec(), &actual)?;
    for column in &answer.columns {
        let places = (
            column.schema_str(),
            column.table_str(),
            column.org_table_str(),
        );
        same("place", &("meta".into(), "m".into(), "m".into()), &places)?;
        same("original name", &column.name_str(), &column.org_name_str())?;
    }
    let flagged = |flag: ColumnFlags| -> String {
        let columns = answer
            .columns
            .iter()
            .filter(|column| column.flags().contains(flag));
        columns
            .map(|column| column.name_str().into_owned())
            .collect()
    };
    same(
        "NOT NULL",
        &"adio".to_owned(),
        &flagged(ColumnFlags::NOT_NULL_FLAG),
    )?;
    // A TIMESTAMP is marked unsigned by some servers and not by others; no driver looks.
    let unsigned = flagged(ColumnFlags::UNSIGNED_FLAG).replace('k', "");
    same("UNSIGNED", &"bdu".to_owned(), &unsigned)?;
    same("BLOB", &"pr".to_owned(), &flagged(ColumnFlags::BLOB_FLAG))?;
    same("ENUM", &"t".to_owned(), &flagged(ColumnFlags::ENUM_FLAG))
}

async fn computed_columns_have_mysql_types(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let cases = [
        ("COUNT(*)", "LONGLONG", 0),
        ("COUNT(DISTINCT o)", "LONGLONG", 0),
        ("SUM(c)", "NEWDECIMAL", 0),
        ("SUM(d)", "NEWDECIMAL", 0),
        ("SUM(e)", "NEWDECIMAL", 2),
        ("SUM(g)", "DOUBLE", 31),
        ("SUM(f)", "DOUBLE", 31),
        ("SUM(s)", "NEWDECIMAL", 0),
        ("AVG(c)", "NEWDECIMAL", 4),
        ("AVG(e)", "NEWDECIMAL", 6),
        ("AVG(g)", "DOUBLE", 31),
        ("MIN(c)", "LONG", 0),
        ("MAX(i)", "DATETIME", 0),
        ("MAX(j)", "DATETIME", 3),
        ("MIN(h)", "DATE", 0),
        ("MAX(e)", "NEWDECIMAL", 2),
        ("MIN(o)", "VAR_STRING", 0),
        ("SUM(c) / 2", "NEWDECIMAL", 4),
        ("100.0 * SUM(c) / NULLIF(SUM(b), 0)", "NEWDECIMAL", 5),
        ("SUM(c) / SUM(g)", "DOUBLE", 31),
    ];
    let mut problems = Vec::new();
    for (expression, kind, decimals) in cases {
        let answer = session
            .run(format!("SELECT {expression} AS x FROM m"))
            .await?;
        let shown = shape(&answer.columns[0]);
        let actual_decimals = answer.columns[0].decimals();
        // MariaDB gives 39 ("not fixed") for the decimals of computed strings.
        let decimals_agree = actual_decimals == decimals || kind == "VAR_STRING";
        if !shown.starts_with(&format!("{kind}(")) || !decimals_agree {
            problems.push(format!(
                "{expression}: expected {kind} with {decimals} decimals, got {shown}"
            ));
        }
    }
    ensure(problems.is_empty(), || problems.join("\n"))
}

async fn names_are_the_text_of_the_expression(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let sql = "SELECT COUNT(*), sum(c), Sum( c ), c+1, c + 1, m.c, C, `c` AS `odd name`, 'text', 1.50, \
               NULL, c AS Größe, MAX(c) AS max_c, CASE WHEN 1 THEN 2 END FROM m GROUP BY c";
    let expected = [
        "COUNT(*)",
        "sum(c)",
        "Sum( c )",
        "c+1",
        "c + 1",
        "c",
        "C",
        "odd name",
        "text",
        "1.50",
        "NULL",
        "Größe",
        "max_c",
        "CASE WHEN 1 THEN 2 END",
    ];
    same(
        "names",
        &expected.map(str::to_owned).to_vec(),
        &session.run(sql).await?.column_names(),
    )
}

async fn ok_packets_count_what_was_done(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    session
        .run("CREATE TABLE n (id INT NOT NULL, v INT)")
        .await?;
    let cases = [
        ("INSERT INTO n VALUES (1, 1)", 1, ""),
        (
            "INSERT INTO n VALUES (2, 2), (3, 3)",
            2,
            "Records: 2  Duplicates: 0  Warnings: 0",
        ),
        ("SET @x = 1", 0, ""),
        ("USE meta", 0, ""),
        ("CREATE TABLE IF NOT EXISTS n (id INT)", 0, ""),
    ];
    for (sql, affected, info) in cases {
        let answer = session.run(sql).await?;
        same(
            sql,
            &(affected, info.to_owned()),
            &(answer.affected_rows, answer.info),
        )?;
    }
    let answer = session.run("CREATE TABLE IF NOT EXISTS n (id INT)").await?;
    same("warnings of IF NOT EXISTS", &1, &answer.warnings)?;
    let lines = session.lines("SHOW WARNINGS").await?;
    same(
        "note",
        &vec!["Note|1050|Table 'n' already exists".to_owned()],
        &lines,
    )?;
    let answer = session.run("DROP TABLE IF EXISTS nope").await?;
    same("warnings of IF EXISTS", &1, &answer.warnings)?;
    let lines = session.lines("SHOW WARNINGS").await?;
    same(
        "note",
        &vec!["Note|1051|Unknown table 'meta.nope'".to_owned()],
        &lines,
    )
}

async fn functions_remember_the_statement_before(server: &mut Server) -> Outcome {
    let mut session = server.connect_to("meta").await?;
    session
        .run("CREATE TABLE v (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, a INT)")
        .await?;
    session
        .run("INSERT INTO v (a) VALUES (10), (20), (30), (40), (50)")
        .await?;
    for (sql, expected) in [
        (
            "SELECT ROW_COUNT(), LAST_INSERT_ID(), @@last_insert_id",
            "5|1|1",
        ),
        ("SELECT ROW_COUNT()", "-1"),
        ("SELECT a FROM v WHERE a > 35 ORDER BY a", "40 50"),
        ("SELECT FOUND_ROWS()", "2"),
        (
            "SELECT SQL_CALC_FOUND_ROWS a FROM v WHERE a > 15 ORDER BY a LIMIT 1, 2",
            "30 40",
        ),
        ("SELECT FOUND_ROWS()", "4"),
        ("SELECT FOUND_ROWS()", "1"),
        ("SELECT SQL_CALC_FOUND_ROWS a FROM v LIMIT 2 OFFSET 10", ""),
        ("SELECT FOUND_ROWS()", "5"),
        ("SELECT LAST_INSERT_ID(77)", "77"),
        ("SELECT LAST_INSERT_ID()", "77"),
    ] {
        let lines = session.lines(sql).await?.join(" ");
        same(sql, &expected.to_owned(), &lines)?;
    }
    Ok(())
}

async fn rows_end_with_the_number_of_their_warnings(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    session.run("CREATE TABLE texts (s VARCHAR(9))").await?;
    session
        .run("INSERT INTO texts VALUES ('1'), ('2x'), ('y'), ('4')")
        .await?;
    for (sql, warnings) in [
        ("SELECT 1", 0),
        ("SELECT 'abc' + 1", 1),
        ("SELECT s + 0 FROM texts", 2),
        ("SELECT SUM(s), COUNT(*) / 0 FROM texts GROUP BY s > ''", 3),
        ("SELECT s FROM texts", 0),
    ] {
        let answer = session.run(sql).await?;
        same(sql, &warnings, &answer.warnings)?;
    }
    Ok(())
}

async fn auto_increment_values_are_reported(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    session
        .run("CREATE TABLE ai (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, v INT)")
        .await?;
    let first = session.run("INSERT INTO ai (v) VALUES (1)").await?;
    same("first", &Some(1), &first.last_insert_id)?;
    let three = session
        .run("INSERT INTO ai (v) VALUES (2), (3), (4)")
        .await?;
    same("first of three", &Some(2), &three.last_insert_id)?;
    same(
        "LAST_INSERT_ID()",
        &vec!["2".to_owned()],
        &session.lines("SELECT LAST_INSERT_ID()").await?,
    )?;
    session
        .run("INSERT INTO ai (id, v) VALUES (100, 5)")
        .await?;
    let after = session.run("INSERT INTO ai (v) VALUES (6)").await?;
    same("after a given value", &Some(101), &after.last_insert_id)?;
    numbers_of_rows_that_met_others(&mut session).await?;
    server.restart()?;
    let mut session = server.connect_to("meta").await?;
    let answer = session.run("INSERT INTO ai (v) VALUES (7)").await?;
    let id = answer.last_insert_id.unwrap_or(0);
    ensure(id > 101, || {
        format!("an id given out twice after a restart: {id}")
    })?;
    let lines = session
        .lines("SELECT COUNT(*), COUNT(DISTINCT id) FROM ai")
        .await?;
    same("ids", &vec!["7|7".to_owned()], &lines)
}

/// Where no number was made, the client is told the one of the last row written; LAST_INSERT_ID() stays.
async fn numbers_of_rows_that_met_others(session: &mut Session) -> Outcome {
    session
        .run("CREATE TABLE met (id INT AUTO_INCREMENT PRIMARY KEY, u VARCHAR(9) UNIQUE, v INT)")
        .await?;
    let update = "ON DUPLICATE KEY UPDATE v = VALUES(v)";
    for (sql, told) in [
        ("INSERT INTO met (u, v) VALUES ('a', 1)".to_owned(), Some(1)),
        (
            "INSERT INTO met VALUES (30, 'c', 1), (20, 'b', 1)".to_owned(),
            Some(20),
        ),
        (
            format!("INSERT INTO met (u, v) VALUES ('a', 2) {update}"),
            Some(1),
        ),
        (
            format!("INSERT INTO met (u, v) VALUES ('a', 2) {update}"),
            None,
        ),
        (
            format!("INSERT INTO met (u, v) VALUES ('a', 3), ('b', 3) {update}"),
            Some(20),
        ),
        ("REPLACE INTO met VALUES (30, 'c', 9)".to_owned(), Some(30)),
        (
            "INSERT IGNORE INTO met (u, v) VALUES ('b', 3)".to_owned(),
            None,
        ),
        ("INSERT INTO met SELECT 29, 'd', 1".to_owned(), Some(29)),
    ] {
        let answer = session.run(sql.as_str()).await?;
        same(&sql, &told, &answer.last_insert_id.filter(|id| *id > 0))?;
        let last = session.lines("SELECT LAST_INSERT_ID()").await?;
        same(&sql, &vec!["1".to_owned()], &last)?;
    }
    // The first row of these is not the first that came in.
    for sql in [
        format!("INSERT INTO met (u, v) VALUES ('a', 4), ('e', 4) {update}"),
        "INSERT IGNORE INTO met (u, v) VALUES ('a', 5), ('f', 5)".to_owned(),
    ] {
        let told = session.run(sql.as_str()).await?.last_insert_id;
        let newest = session
            .lines("SELECT MAX(id), LAST_INSERT_ID() FROM met")
            .await?;
        let told = told.unwrap_or(0);
        same(&sql, &vec![format!("{told}|{told}")], &newest)?;
    }
    Ok(())
}

async fn transactions_and_autocommit_show_in_the_status(server: &mut Server) -> Outcome {
    use mysql_async::consts::StatusFlags;
    let mut session = server.connect_to("meta").await?;
    let mut status = async |sql: &str| -> Outcome<(bool, bool)> {
        session.run(sql).await?;
        let flags = session.conn().last_ok_packet().map(|ok| ok.status_flags());
        let flags = flags.ok_or("no OK packet")?;
        Ok((
            flags.contains(StatusFlags::SERVER_STATUS_AUTOCOMMIT),
            flags.contains(StatusFlags::SERVER_STATUS_IN_TRANS),
        ))
    };
    same("at first", &(true, false), &status("SELECT 1").await?)?;
    same(
        "SET autocommit=0",
        &(false, false),
        &status("SET autocommit=0").await?,
    )?;
    same(
        "SET autocommit=1",
        &(true, false),
        &status("SET autocommit=1").await?,
    )?;
    same(
        "START TRANSACTION",
        &(true, true),
        &status("START TRANSACTION").await?,
    )?;
    same("COMMIT", &(true, false), &status("COMMIT").await?)?;
    same("BEGIN", &(true, true), &status("BEGIN").await?)?;
    same("ROLLBACK", &(true, false), &status("ROLLBACK").await?)
}
