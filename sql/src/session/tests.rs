//! Statements end to end on a store in a temporary directory, without a socket.

use arrow::util::display::array_value_to_string;
use futures::StreamExt;

use super::SessionContext;
use crate::engine::{Engine, EngineOptions};
use crate::error::{Result, SqlError};
use crate::result::Outcome;
use crate::session::Session;

/// A session on an empty store, and the directory that keeps it alive.
fn session() -> (Session, tempfile::TempDir) {
    let dir = tempfile::tempdir().expect("a directory");
    let store = storno_storage::Store::open(storno_storage::Options {
        folds: Some(crate::key_folds()),
        ..storno_storage::Options::new(dir.path())
    })
    .expect("opens");
    let engine = Engine::new(store, EngineOptions::default()).expect("starts");
    let context = SessionContext {
        connection_id: 7,
        user: "root".into(),
        host: "localhost".into(),
        database: None,
        found_rows: false,
        local_files: false,
        multi_statements: false,
        interrupt: None,
    };
    (engine.session(context), dir)
}

/// Column names and rows as text, NULL as "NULL".
async fn answer(session: &mut Session, sql: &str) -> Result<(Vec<String>, Vec<Vec<String>>)> {
    let mut rows = match session.query(sql.as_bytes()).await? {
        Outcome::Rows(rows) => rows,
        Outcome::Done(done) => {
            return Ok((vec![], vec![vec![done.affected_rows.to_string()]]));
        }
        Outcome::File(name) => return Ok((vec![], vec![vec![name]])),
    };
    let names = rows.columns.iter().map(|c| c.name.clone()).collect();
    let mut out = Vec::new();
    while let Some(batch) = rows.batches.next().await {
        let batch = batch?;
        for i in 0..batch.num_rows() {
            let cell = |c: &arrow::array::ArrayRef| match c
                .logical_nulls()
                .is_some_and(|n| n.is_null(i))
            {
                true => "NULL".to_string(),
                false => array_value_to_string(c, i).unwrap_or_default(),
            };
            out.push(batch.columns().iter().map(cell).collect());
        }
    }
    Ok((names, out))
}

async fn value(session: &mut Session, sql: &str) -> String {
    match answer(session, sql).await {
        Ok((_, rows)) => rows
            .iter()
            .map(|r| r.join(","))
            .collect::<Vec<_>>()
            .join(";"),
        Err(SqlError { code, message, .. }) => format!("{code} {message}"),
    }
}

#[tokio::test]
async fn expressions_without_a_table() {
    let (mut s, _dir) = session();
    for (sql, expected) in [
        ("select 1", "1"),
        ("select 7/2, 7 div 2, 1/0, 5 % 3", "3.5000,3,NULL,2"),
        ("select 1 + 1 as two order by two", "2"),
        ("select 'a' 'b'", "ab"),
        (
            "select @@version_comment limit 1",
            "Storno, columnar analytics database",
        ),
        (
            "select @@session.autocommit, @@max_allowed_packet",
            "1,67108864",
        ),
        ("select database(), connection_id()", "NULL,7"),
        (
            "select if(1, 'x', 'y'), ifnull(null, 3), nullif(1, 1)",
            "x,3,NULL",
        ),
        ("select case 2 when 1 then 'a' when 2 then 'b' end", "b"),
        (
            "select 1 = '1abc', 'a' = 'A', null <=> null",
            "true,true,true",
        ),
        ("select 2 in (1, '2'), 2 between '1' and 3", "true,true"),
        ("select 1 where 0", ""),
        ("select 1 union all select 2 order by 1 desc", "2;1"),
        ("select 1, 1", "1,1"),
        ("select (select 5)", "5"),
        ("select count(*) from (select 1 as a union select 2) t", "2"),
        ("select 1 from dual", "1"),
        (
            "select nosuch",
            "1054 Unknown column 'nosuch' in 'field list'",
        ),
        ("select 1 from t", "1046 No database selected"),
        ("select 1 from d.t", "1049 Unknown database 'd'"),
        ("select nosuch(1)", "1305 FUNCTION nosuch does not exist"),
        ("select @@nosuch", "1193 Unknown system variable 'nosuch'"),
        ("select cast('12' as signed) + 1", "13"),
        ("select 0x41, 1e3", "41,1000.0"),
        (
            "with recursive c as (select 1 n union all select n + 1 from c where n < 4) select sum(n) from c",
            "10",
        ),
    ] {
        assert_eq!(value(&mut s, sql).await, expected, "{sql}");
    }
}

#[tokio::test]
async fn names_are_the_source_text() {
    let (mut s, _dir) = session();
    let (names, _) = answer(&mut s, "SELECT 1+ 1, 'x', 2 AS `B c`, COUNT(*)")
        .await
        .expect("runs");
    assert_eq!(names, ["1+ 1", "x", "B c", "COUNT(*)"]);
}

#[tokio::test]
async fn variables_and_transactions_keep_their_state() {
    let (mut s, _dir) = session();
    for (sql, expected) in [
        (
            "set names 'utf8mb4' collate 'utf8mb4_bin', @a := 2 + 3, sql_mode = 'STRICT_TRANS_TABLES'",
            "0",
        ),
        ("select @a, @@sql_mode, @none", "5,STRICT_TRANS_TABLES,NULL"),
        (
            "set sql_mode = (select concat(@@sql_mode, ',NO_ZERO_DATE')), time_zone = '+00:00'",
            "0",
        ),
        (
            "select @@sql_mode, @@time_zone",
            "STRICT_TRANS_TABLES,NO_ZERO_DATE,+00:00",
        ),
        ("set nosuch = 1", "1193 Unknown system variable 'nosuch'"),
        ("set autocommit = 0", "0"),
        ("select @@autocommit", "0"),
        ("commit", "0"),
        (
            "set global version = 'x'",
            "1238 Variable 'version' is a read only variable",
        ),
        ("show variables like 'autocommit'", "autocommit,OFF"),
        ("", "1065 Query was empty"),
    ] {
        assert_eq!(value(&mut s, sql).await, expected, "{sql}");
    }
}
