//! mysql_async, compressed.

use mysql_async::prelude::*;
use mysql_async::{Compression, Conn, Error, OptsBuilder, TxOpts, Value};

use crate::{KINDS, Outcome, ROWS, Report, TEXT, env, numbers, same};

fn options(password: &str) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname(env("HOST"))
        .tcp_port(env("PORT").parse().unwrap_or(3306))
        .user(Some(env("USER")))
        .pass(Some(password))
        .db_name(Some(env("DATABASE")))
        .prefer_socket(false)
        .compression(Compression::fast())
}

fn code<T>(result: Result<T, Error>) -> u16 {
    match result {
        Err(Error::Server(error)) => error.code,
        _ => 0,
    }
}

pub async fn run(report: &mut Report) {
    println!("version 0.37");
    let mut conn = None;
    report
        .check("connect", async {
            same(code(Conn::new(options("wrong")).await), 1045)?;
            conn = Some(Conn::new(options(&env("PASSWORD"))).await?);
            Ok(())
        })
        .await;
    let Some(mut conn) = conn else { return };
    report.check("ddl", ddl(&mut conn)).await;
    report.check("types", types(&mut conn)).await;
    report.check("batch", batch(&mut conn)).await;
    report.check("prepared", prepared(&mut conn)).await;
    report.check("transaction", transaction(&mut conn)).await;
    report.check("errors", errors(&mut conn)).await;
    report.check("large", large(&mut conn)).await;
}

async fn ddl(conn: &mut Conn) -> Outcome {
    conn.query_drop(KINDS).await?;
    let columns: Vec<mysql_async::Row> = conn.query("SHOW COLUMNS FROM kinds").await?;
    same(columns.len(), 10)
}

async fn types(conn: &mut Conn) -> Outcome {
    let binary: Vec<u8> = (0..=255).collect();
    let row = vec![
        Value::Int(1),
        Value::UInt(u64::MAX),
        Value::Bytes(b"-12345678901234.567891".to_vec()),
        Value::Double(0.1),
        Value::Bytes(TEXT.into()),
        Value::Bytes(binary),
        Value::Date(2024, 2, 29, 0, 0, 0, 0),
        Value::Date(2024, 2, 29, 23, 59, 58, 123_456),
        Value::Int(1),
        Value::NULL,
    ];
    conn.exec_drop(
        "INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?)",
        row.clone(),
    )
    .await?;
    let got: Option<mysql_async::Row> = conn
        .exec_first("SELECT * FROM kinds WHERE id = ?", (1,))
        .await?;
    same(got.map(mysql_async::Row::unwrap), Some(row))
}

async fn batch(conn: &mut Conn) -> Outcome {
    conn.query_drop("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
        .await?;
    let rows = (0..1000).map(|i| (i, format!("é{i}")));
    conn.exec_batch("INSERT INTO batch VALUES (?, ?)", rows)
        .await?;
    same(
        conn.query_first("SELECT COUNT(*), MAX(label) FROM batch")
            .await?,
        Some((1000, "é999".to_owned())),
    )
}

async fn prepared(conn: &mut Conn) -> Outcome {
    for id in [3, 4] {
        let label: Option<String> = conn
            .exec_first("SELECT label FROM batch WHERE id = ?", (id,))
            .await?;
        same(label, Some(format!("é{id}")))?;
    }
    Ok(())
}

async fn transaction(conn: &mut Conn) -> Outcome {
    let mut transaction = conn.start_transaction(TxOpts::default()).await?;
    transaction.query_drop("DELETE FROM batch").await?;
    transaction.rollback().await?;
    let mut transaction = conn.start_transaction(TxOpts::default()).await?;
    transaction
        .query_drop("DELETE FROM batch WHERE id < 10")
        .await?;
    transaction.commit().await?;
    same(
        conn.query_first("SELECT COUNT(*) FROM batch").await?,
        Some(990),
    )
}

async fn errors(conn: &mut Conn) -> Outcome {
    same(
        code(conn.query_drop("INSERT INTO batch VALUES (500, 'x')").await),
        1062,
    )?;
    same(code(conn.query_drop("SELECT * FROM missing").await), 1146)?;
    same(code(conn.exec_drop("SELEC ?", (1,)).await), 1064)?;
    conn.reset().await?;
    conn.ping().await?;
    Ok(())
}

async fn large(conn: &mut Conn) -> Outcome {
    for sql in numbers() {
        conn.query_drop(sql).await?;
    }
    let sum = conn
        .query_fold("SELECT id FROM numbers", 0, |sum, id: i64| sum + id)
        .await?;
    same(sum, ROWS * (ROWS - 1) / 2)?;
    let long = "long é ".repeat(3_000_000);
    let back: Option<String> = conn.exec_first("SELECT ?", (&long,)).await?;
    same(back.map(|text| text.len()), Some(long.len()))
}
