//! A golden file's connection: statements over the wire, with restarts in between or prepared as
//! well when the configuration asks for it.

use std::fmt;
use std::sync::Arc;

use async_trait::async_trait;
use mysql_async::Value;
use sqllogictest::{AsyncDB, DBOutput};
use tokio::sync::Mutex;

use super::Configuration;
use super::column::Class;
use crate::harness::answer::class_of;
use crate::harness::{Answer, Outcome, Refusal, Server, Session};

const DATABASE: &str = "slt";

/// An error as the golden files spell it: `ERROR 1064 (42000): ...`.
#[derive(Debug)]
pub struct Spelled(String);

impl fmt::Display for Spelled {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Spelled {}

pub struct Wire {
    server: Arc<Mutex<Server>>,
    session: Session,
    configuration: Configuration,
    is_judge: bool,
    /// Something was written since the last query.
    changed: bool,
    /// Inside a transaction, which no restart survives.
    in_transaction: bool,
    /// USE and SET statements, to bring a new session to the state of the old one.
    state: Vec<String>,
}

impl Wire {
    pub async fn open(
        server: Arc<Mutex<Server>>,
        configuration: Configuration,
    ) -> Result<Self, Spelled> {
        let locked = server.lock().await;
        let session = locked.connect_to(DATABASE).await.map_err(spell_failure)?;
        let is_judge = locked.is_judge();
        drop(locked);
        let state = vec![format!("USE {DATABASE}")];
        Ok(Self {
            server,
            session,
            configuration,
            is_judge,
            changed: false,
            in_transaction: false,
            state,
        })
    }

    async fn restart(&mut self) -> Outcome {
        let mut server = self.server.lock().await;
        server.restart()?;
        self.session = server.connect().await?;
        for statement in &self.state {
            // A database used before may be gone by now.
            if let Err(refusal) = self.session.run(statement).await
                && !matches!(refusal, Refusal::Server { code: 1049, .. })
            {
                return Err(refusal.into());
            }
        }
        Ok(())
    }

    /// The same query as a prepared statement: values must agree, whatever their encoding.
    async fn compare_with_binary(&mut self, sql: &str, text: &Answer) -> Result<(), Spelled> {
        if self.is_judge && sql.contains("DATABASE()") {
            return Ok(()); // MariaDB answers with the database of the statement's first preparation
        }
        let binary = match self.session.execute(sql, ()).await {
            Ok(answer) => answer,
            // "This command is not supported in the prepared statement protocol yet"
            Err(Refusal::Server { code: 1295, .. }) => return Ok(()),
            Err(refusal) => return Err(Spelled(format!("prepared: {refusal}"))),
        };
        let classes = |answer: &Answer| answer.columns.iter().map(class_of).collect::<String>();
        if classes(text) != classes(&binary) {
            let (text, binary) = (classes(text), classes(&binary));
            return Err(Spelled(format!(
                "types differ: text {text}, binary {binary}"
            )));
        }
        let (mut rows, mut values) = (text.texts(), binary.rows.clone());
        if !sql.contains("ORDER BY") {
            rows.sort();
            values.sort_by_cached_key(|row| binary.row_text(row));
        }
        let agree = |(row, values): (&Vec<Option<String>>, &Vec<Value>)| {
            let cells = row.iter().zip(binary.row_text(values)).zip(values);
            cells
                .into_iter()
                .all(|((text, binary), value)| agree(text, &binary, value))
        };
        if rows.len() == values.len() && rows.iter().zip(&values).all(agree) {
            return Ok(());
        }
        let (text, binary) = (text.lines(), binary.lines());
        Err(Spelled(format!(
            "results differ:\n  text   {text:?}\n  binary {binary:?}"
        )))
    }
}

/// Floating point numbers are compared by value; the text of a FLOAT has six digits.
fn agree(text: &Option<String>, binary: &Option<String>, value: &Value) -> bool {
    let parse = |text: &Option<String>| text.as_deref().and_then(|text| text.parse::<f64>().ok());
    match value {
        Value::Float(number) => {
            parse(text).is_some_and(|text| format!("{text:.5e}") == format!("{number:.5e}"))
        }
        Value::Double(number) => parse(text) == Some(*number),
        _ => text == binary,
    }
}

fn spell_failure(failure: libtest_mimic::Failed) -> Spelled {
    Spelled(failure.message().unwrap_or("failed").to_owned())
}

fn starts_with_word(sql: &str, words: &[&str]) -> bool {
    let first = sql.split_whitespace().next().unwrap_or("");
    words.iter().any(|word| first.eq_ignore_ascii_case(word))
}

#[async_trait]
impl AsyncDB for Wire {
    type Error = Spelled;
    type ColumnType = Class;

    async fn run(&mut self, sql: &str) -> Result<DBOutput<Class>, Spelled> {
        if starts_with_word(sql, &["BEGIN", "START"]) {
            self.in_transaction = true;
        } else if starts_with_word(sql, &["COMMIT", "ROLLBACK"]) && !sql.contains(" TO ") {
            self.in_transaction = false;
        }
        if self.configuration == Configuration::Restart
            && self.changed
            && !self.in_transaction
            && starts_with_word(sql, &["SELECT", "WITH", "DESCRIBE", "DESC"])
        {
            self.restart().await.map_err(spell_failure)?;
            self.changed = false;
        }
        if starts_with_word(
            sql,
            &[
                "INSERT", "REPLACE", "CREATE", "DROP", "TRUNCATE", "UPDATE", "DELETE",
            ],
        ) {
            self.changed = true;
        }
        let answer = match self.session.run(sql).await {
            Ok(answer) => answer,
            Err(refusal) => return Err(Spelled(self.server.lock().await.words(&refusal))),
        };
        if starts_with_word(sql, &["USE", "SET"]) {
            self.state.push(sql.to_owned());
        }
        if answer.columns.is_empty() {
            return Ok(DBOutput::StatementComplete(answer.affected_rows));
        }
        if self.configuration == Configuration::Prepared
            && starts_with_word(sql, &["SELECT", "WITH"])
        {
            self.compare_with_binary(sql, &answer).await?;
        }
        let types = answer
            .columns
            .iter()
            .map(|column| Class(class_of(column)))
            .collect();
        let rows = answer
            .texts()
            .into_iter()
            .map(|row| row.into_iter().map(cell).collect());
        Ok(DBOutput::Rows {
            types,
            rows: rows.collect(),
        })
    }

    async fn shutdown(&mut self) {}

    fn engine_name(&self) -> &str {
        ""
    }
}

/// A cell on one line: what a line cannot show is escaped, blanks at the ends are made visible.
fn cell(value: Option<String>) -> String {
    let Some(text) = value else {
        return "NULL".to_owned();
    };
    if text.is_empty() {
        return "(empty)".to_owned();
    }
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match c {
            '\n' => shown.push_str("\\n"),
            '\t' => shown.push_str("\\t"),
            '\r' => shown.push_str("\\r"),
            '\0' => shown.push_str("\\0"),
            other => shown.push(other),
        }
    }
    if shown.starts_with(' ') || shown.ends_with(' ') {
        format!("[{shown}]")
    } else {
        shown
    }
}
