//! A connection through a Rust driver, with answers in the harness's own form.
//!
//! It deliberately does not pool, retry or reconnect: a broken connection is a finding.

use mysql_async::prelude::{AsQuery, Protocol, Queryable};
use mysql_async::{Conn, Opts, OptsBuilder, Params, QueryResult, Row};

use super::{Answer, Outcome, Refusal};

pub struct Session {
    conn: Conn,
}

/// The options every test connects with; a test may build upon them.
pub fn options(port: u16) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(port)
        .user(Some("root"))
        .prefer_socket(false)
        .max_allowed_packet(Some(64 << 20))
        .wait_timeout(Some(28_800))
}

impl Session {
    pub async fn open(port: u16, database: Option<&str>) -> Outcome<Self> {
        Ok(Self::open_with(options(port).db_name(database)).await?)
    }

    pub async fn open_with(options: impl Into<Opts>) -> Result<Self, Refusal> {
        Ok(Self {
            conn: Conn::new(options).await?,
        })
    }

    /// A statement in the text protocol (COM_QUERY). Text need not be UTF-8.
    pub async fn run(&mut self, sql: impl AsQuery) -> Result<Answer, Refusal> {
        collect(self.conn.query_iter(sql).await?).await
    }

    /// Prepared on the server and executed with the parameters; the result is binary.
    pub async fn execute<P>(&mut self, sql: &str, params: P) -> Result<Answer, Refusal>
    where
        P: Into<Params> + Send,
    {
        collect(self.conn.exec_iter(sql, params).await?).await
    }

    /// The rows of a text query as lines, cells separated by `|`.
    pub async fn lines(&mut self, sql: impl AsQuery) -> Result<Vec<String>, Refusal> {
        Ok(self.run(sql).await?.lines())
    }

    /// The error a statement must end in.
    pub async fn refused(&mut self, sql: impl AsQuery) -> Outcome<Refusal> {
        let text = String::from_utf8_lossy(&sql.as_query())
            .chars()
            .take(200)
            .collect::<String>();
        match self.run(sql).await {
            Ok(answer) => {
                Err(format!("expected an error, got {:?} for {text}", answer.lines()).into())
            }
            Err(refusal) => Ok(refusal),
        }
    }

    /// The connection still answers, and with the right thing.
    pub async fn must_answer(&mut self) -> Outcome {
        let lines = self.lines("SELECT 6*7").await?;
        super::same("SELECT 6*7", &vec!["42".to_owned()], &lines)
    }

    pub fn conn(&mut self) -> &mut Conn {
        &mut self.conn
    }
}

async fn collect<P: Protocol>(mut result: QueryResult<'_, '_, P>) -> Result<Answer, Refusal> {
    let columns = result
        .columns()
        .map(|columns| columns.to_vec())
        .unwrap_or_default();
    let rows: Vec<Row> = result.collect().await?;
    let answer = Answer {
        columns,
        rows: rows.into_iter().map(Row::unwrap).collect(),
        affected_rows: result.affected_rows(),
        last_insert_id: result.last_insert_id(),
        warnings: result.warnings(),
        info: result.info().into_owned(),
    };
    result.drop_result().await?;
    Ok(answer)
}
