//! What clients send, statement by statement: each works, or is answered with the error that the golden file
//! says. Every statement has a session and a database of its own.

use std::fmt::Write;
use std::path::{Path, PathBuf};

use libtest_mimic::Trial;

use crate::harness::{Answer, Outcome, Server, trials};

pub fn trials() -> Vec<Trial> {
    trials!("statements", [clients_are_answered_as_written])
}

/// The golden file, part by part in its order.
enum Part {
    /// Comments and the headers of sections, as they stand there.
    Text(String),
    Statement {
        sql: String,
        answer: String,
        setup: Vec<String>,
    },
}

fn path() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/statements/clients.txt")
}

/// Records are separated by empty lines.
fn parts(file: &str) -> Vec<Part> {
    let mut setup = Vec::new();
    let blocks = file.split("\n\n").map(str::trim).filter(|b| !b.is_empty());
    let part = |block: &str| match block.split_once("\n----\n") {
        Some((sql, answer)) => Part::Statement {
            sql: sql.to_owned(),
            answer: answer.to_owned(),
            setup: setup.clone(),
        },
        None => {
            let lines = block.lines().filter_map(|line| line.strip_prefix("setup "));
            setup = lines.map(str::to_owned).collect();
            Part::Text(block.to_owned())
        }
    };
    blocks.map(part).collect()
}

/// Names of the columns and the number of rows, or what was changed.
fn summary(answer: &Answer) -> String {
    if answer.columns.is_empty() {
        return format!("OK, {} affected", answer.affected_rows);
    }
    let names = answer.column_names().join(", ");
    names.replace('\n', " ")
}

async fn answer_to(server: &Server, number: usize, part: (&str, &[String])) -> Outcome<String> {
    let (sql, setup) = part;
    let mut session = server.connect_to(&format!("statement_{number}")).await?;
    for statement in setup {
        session.run(statement).await?;
    }
    Ok(match session.run(sql).await {
        Ok(answer) => summary(&answer),
        Err(refusal) => server.words(&refusal),
    })
}

async fn clients_are_answered_as_written(server: &mut Server) -> Outcome {
    let file = std::fs::read_to_string(path())?;
    let mut written = String::new();
    let mut different = String::new();
    for (number, part) in parts(&file).into_iter().enumerate() {
        match part {
            Part::Text(text) => write!(written, "{text}\n\n")?,
            Part::Statement { sql, answer, setup } => {
                let actual = answer_to(server, number, (&sql, &setup)).await?;
                write!(written, "{sql}\n----\n{actual}\n\n")?;
                if actual != answer {
                    writeln!(different, "{sql}\n  expected {answer}\n  was      {actual}")?;
                }
            }
        }
    }
    if std::env::var_os("STORNO_STATEMENTS_REWRITE").is_some() {
        std::fs::write(path(), written)?;
        return Ok(());
    }
    match different.is_empty() {
        true => Ok(()),
        false => Err(different.into()),
    }
}
