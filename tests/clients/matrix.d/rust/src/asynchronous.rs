//! mysql_async, compressed.

use mysql_async::prelude::*;
use mysql_async::{Compression, Conn, Error, OptsBuilder, TxOpts, Value};

use crate::{Driver, Failure, Outcome, TEXT, env, failed, same};

pub struct Client(Conn);

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let code = match &error {
            Error::Server(error) => error.code,
            _ => 0,
        };
        let text = error.to_string();
        Failure { code, text }
    }
}

impl Driver for Client {
    const VERSION: &'static str = "0.37";

    async fn connect(password: &str) -> Outcome<Self> {
        let options = OptsBuilder::default()
            .ip_or_hostname(env("HOST"))
            .tcp_port(env("PORT").parse().unwrap_or(3306))
            .user(Some(env("USER")))
            .pass(Some(password))
            .db_name(Some(env("DATABASE")))
            .prefer_socket(false)
            .compression(Compression::fast());
        Ok(Client(Conn::new(options).await?))
    }

    async fn run(&mut self, sql: &str) -> Outcome<u64> {
        self.0.query_drop(sql).await?;
        Ok(self.0.affected_rows())
    }

    async fn count_rows(&mut self, sql: &str) -> Outcome<usize> {
        let rows: Vec<mysql_async::Row> = self.0.query(sql).await?;
        Ok(rows.len())
    }

    async fn number(&mut self, sql: &str) -> Outcome<i64> {
        self.0
            .query_first(sql)
            .await?
            .ok_or_else(|| failed("no row"))
    }

    async fn text(&mut self, sql: &str, parameter: &str) -> Outcome<String> {
        let found = self.0.exec_first(sql, (parameter,)).await?;
        found.ok_or_else(|| failed("no row"))
    }

    async fn sum(&mut self, sql: &str) -> Outcome<i64> {
        Ok(self.0.query_fold(sql, 0, |sum, id: i64| sum + id).await?)
    }

    async fn in_transaction(&mut self, sql: &str, commits: bool) -> Outcome {
        let mut transaction = self.0.start_transaction(TxOpts::default()).await?;
        transaction.query_drop(sql).await?;
        match commits {
            true => transaction.commit().await?,
            false => transaction.rollback().await?,
        }
        Ok(())
    }

    async fn kinds(&mut self) -> Outcome {
        let row = vec![
            Value::Int(1),
            Value::UInt(u64::MAX),
            Value::Bytes(b"-12345678901234.567891".to_vec()),
            Value::Double(0.1),
            Value::Bytes(TEXT.into()),
            Value::Bytes((0..=255).collect()),
            Value::Date(2024, 2, 29, 0, 0, 0, 0),
            Value::Date(2024, 2, 29, 23, 59, 58, 123_456),
            Value::Int(1),
            Value::NULL,
        ];
        let insert = "INSERT INTO kinds VALUES (?,?,?,?,?,?,?,?,?,?)";
        self.0.exec_drop(insert, row.clone()).await?;
        let got: Option<mysql_async::Row> = self
            .0
            .exec_first("SELECT * FROM kinds WHERE id = ?", (1,))
            .await?;
        same(got.map(mysql_async::Row::unwrap), Some(row))
    }

    async fn thousand(&mut self) -> Outcome {
        let rows = (0..1000).map(|i| (i, format!("é{i}")));
        Ok(self
            .0
            .exec_batch("INSERT INTO batch VALUES (?, ?)", rows)
            .await?)
    }

    async fn refresh(&mut self) -> Outcome {
        self.0.reset().await?;
        Ok(self.0.ping().await?)
    }
}
