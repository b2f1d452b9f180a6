//! sqlx.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{Connection, Executor, Row};

use crate::{KINDS, Outcome, ROWS, Report, TEXT, env, numbers, same};

fn options(password: &str) -> MySqlConnectOptions {
    MySqlConnectOptions::new()
        .host(&env("HOST"))
        .port(env("PORT").parse().unwrap_or(3306))
        .username(&env("USER"))
        .password(password)
        .database(&env("DATABASE"))
        .ssl_mode(MySqlSslMode::Disabled)
}

fn code<T>(result: Result<T, sqlx::Error>) -> u16 {
    let error = result.err();
    let database = error.as_ref().and_then(|error| error.as_database_error());
    database
        .and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>())
        .map_or(0, |e| e.number())
}

pub async fn run(report: &mut Report) {
    println!("version 0.8");
    let mut conn = None;
    report
        .check("connect", async {
            same(
                code(MySqlConnection::connect_with(&options("wrong")).await),
                1045,
            )?;
            conn = Some(MySqlConnection::connect_with(&options(&env("PASSWORD"))).await?);
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

async fn ddl(conn: &mut MySqlConnection) -> Outcome {
    conn.execute(KINDS).await?;
    let columns = sqlx::query("SHOW COLUMNS FROM kinds")
        .fetch_all(&mut *conn)
        .await?;
    same(columns.len(), 10)
}

async fn types(conn: &mut MySqlConnection) -> Outcome {
    let binary: Vec<u8> = (0..=255).collect();
    let money = Decimal::from_str("-12345678901234.567891")?;
    let day = NaiveDate::from_ymd_opt(2024, 2, 29).ok_or("no day")?;
    let moment =
        NaiveDateTime::parse_from_str("2024-02-29 23:59:58.123456", "%Y-%m-%d %H:%M:%S%.f")?;
    sqlx::query("INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?)")
        .bind(1)
        .bind(u64::MAX)
        .bind(money)
        .bind(0.1)
        .bind(TEXT)
        .bind(&binary)
        .bind(day)
        .bind(moment)
        .bind(true)
        .bind(None::<i32>)
        .execute(&mut *conn)
        .await?;
    let row = sqlx::query("SELECT * FROM kinds WHERE id = ?")
        .bind(1)
        .fetch_one(&mut *conn)
        .await?;
    same(row.try_get::<u64, _>(1)?, u64::MAX)?;
    same(row.try_get::<Decimal, _>(2)?, money)?;
    same(row.try_get::<f64, _>(3)?, 0.1)?;
    same(row.try_get::<String, _>(4)?, TEXT.to_owned())?;
    same(row.try_get::<Vec<u8>, _>(5)?, binary)?;
    same(row.try_get::<NaiveDate, _>(6)?, day)?;
    same(row.try_get::<NaiveDateTime, _>(7)?, moment)?;
    same(row.try_get::<bool, _>(8)?, true)?;
    same(row.try_get::<Option<i32>, _>(9)?, None)
}

async fn batch(conn: &mut MySqlConnection) -> Outcome {
    conn.execute("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
        .await?;
    let mut insert = sqlx::QueryBuilder::new("INSERT INTO batch ");
    insert.push_values(0..1000, |mut row, i| {
        row.push_bind(i).push_bind(format!("é{i}"));
    });
    same(
        insert.build().execute(&mut *conn).await?.rows_affected(),
        1000,
    )
}

async fn prepared(conn: &mut MySqlConnection) -> Outcome {
    for id in [3, 4] {
        let label: String = sqlx::query_scalar("SELECT label FROM batch WHERE id = ?")
            .bind(id)
            .fetch_one(&mut *conn)
            .await?;
        same(label, format!("é{id}"))?;
    }
    Ok(())
}

async fn transaction(conn: &mut MySqlConnection) -> Outcome {
    let mut transaction = conn.begin().await?;
    transaction.execute("DELETE FROM batch").await?;
    transaction.rollback().await?;
    let mut transaction = conn.begin().await?;
    transaction
        .execute("DELETE FROM batch WHERE id < 10")
        .await?;
    transaction.commit().await?;
    same(
        sqlx::query_scalar::<_, i64>("SELECT COUNT(*) FROM batch")
            .fetch_one(conn)
            .await?,
        990,
    )
}

async fn errors(conn: &mut MySqlConnection) -> Outcome {
    same(
        code(conn.execute("INSERT INTO batch VALUES (500, 'x')").await),
        1062,
    )?;
    same(code(conn.execute("SELECT * FROM missing").await), 1146)?;
    same(
        code(sqlx::query("SELEC ?").bind(1).execute(&mut *conn).await),
        1064,
    )?;
    conn.ping().await?;
    Ok(())
}

async fn large(conn: &mut MySqlConnection) -> Outcome {
    for sql in numbers() {
        conn.execute(sql.as_str()).await?;
    }
    let mut sum = 0;
    let mut rows = sqlx::query_scalar::<_, i32>("SELECT id FROM numbers").fetch(conn);
    while let Some(id) = rows.try_next().await? {
        sum += i64::from(id);
    }
    same(sum, ROWS * (ROWS - 1) / 2)
}
