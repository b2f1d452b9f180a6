//! sqlx.

use std::str::FromStr;

use chrono::{NaiveDate, NaiveDateTime};
use futures::TryStreamExt;
use rust_decimal::Decimal;
use sqlx::mysql::{MySqlConnectOptions, MySqlConnection, MySqlDatabaseError, MySqlSslMode};
use sqlx::{Connection, Executor, Row};

use crate::{Driver, Failure, Outcome, TEXT, env, failed, same};

pub struct Client(MySqlConnection);

impl From<sqlx::Error> for Failure {
    fn from(error: sqlx::Error) -> Self {
        let database = error.as_database_error();
        let code = database
            .and_then(|e| e.try_downcast_ref::<MySqlDatabaseError>())
            .map_or(0, |e| e.number());
        let text = error.to_string();
        Failure { code, text }
    }
}

impl Driver for Client {
    const VERSION: &'static str = "0.8";

    async fn connect(password: &str) -> Outcome<Self> {
        let options = MySqlConnectOptions::new()
            .host(&env("HOST"))
            .port(env("PORT").parse().unwrap_or(3306))
            .username(&env("USER"))
            .password(password)
            .database(&env("DATABASE"))
            // Its proof of a password is wrong; encrypted, it is asked for the password.
            .ssl_mode(MySqlSslMode::Preferred);
        Ok(Client(MySqlConnection::connect_with(&options).await?))
    }

    async fn run(&mut self, sql: &str) -> Outcome<u64> {
        Ok(self.0.execute(sql).await?.rows_affected())
    }

    async fn count_rows(&mut self, sql: &str) -> Outcome<usize> {
        Ok(self.0.fetch_all(sql).await?.len())
    }

    async fn number(&mut self, sql: &str) -> Outcome<i64> {
        Ok(sqlx::query_scalar(sql).fetch_one(&mut self.0).await?)
    }

    async fn text(&mut self, sql: &str, parameter: &str) -> Outcome<String> {
        let found = sqlx::query_scalar(sql).bind(parameter);
        Ok(found.fetch_one(&mut self.0).await?)
    }

    async fn sum(&mut self, sql: &str) -> Outcome<i64> {
        let mut sum = 0;
        let mut rows = sqlx::query_scalar::<_, i32>(sql).fetch(&mut self.0);
        while let Some(id) = rows.try_next().await? {
            sum += i64::from(id);
        }
        Ok(sum)
    }

    async fn in_transaction(&mut self, sql: &str, commits: bool) -> Outcome {
        let mut transaction = self.0.begin().await?;
        transaction.execute(sql).await?;
        match commits {
            true => transaction.commit().await?,
            false => transaction.rollback().await?,
        }
        Ok(())
    }

    async fn kinds(&mut self) -> Outcome {
        let binary: Vec<u8> = (0..=255).collect();
        let money =
            Decimal::from_str("-12345678901234.567891").map_err(|e| failed(e.to_string()))?;
        let day = NaiveDate::from_ymd_opt(2024, 2, 29).ok_or_else(|| failed("no day"))?;
        let moment = "2024-02-29T23:59:58.123456";
        let moment = NaiveDateTime::from_str(moment).map_err(|e| failed(e.to_string()))?;
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
            .execute(&mut self.0)
            .await?;
        let select = sqlx::query("SELECT * FROM kinds WHERE id = ?").bind(1);
        let row = select.fetch_one(&mut self.0).await?;
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

    async fn thousand(&mut self) -> Outcome {
        let mut insert = sqlx::QueryBuilder::new("INSERT INTO batch ");
        insert.push_values(0..1000, |mut row, i| {
            row.push_bind(i).push_bind(format!("é{i}"));
        });
        same(
            insert.build().execute(&mut self.0).await?.rows_affected(),
            1000,
        )
    }

    async fn refresh(&mut self) -> Outcome {
        Ok(self.0.ping().await?)
    }
}
