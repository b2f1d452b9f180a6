//! Writes values in both ways a client can, reads them in both protocols, twice with a restart
//! between.

use mysql_async::Value;

use crate::data::literal::literal;
use crate::harness::answer::class_of;
use crate::harness::{Answer, Outcome, Server, Session, ensure, same};

/// A declared type and the values for it, each with the text it must be read back as.
pub struct Column {
    pub mysql_type: &'static str,
    pub values: Vec<(Value, String)>,
}

/// A value whose text is its literal.
pub fn exact(value: Value) -> (Value, String) {
    let text = literal(&value);
    (value, text)
}

/// Writes every value twice (literal, then bound), and NULL, and reads all of it back.
pub async fn round_trip(server: &mut Server, columns: Vec<Column>) -> Outcome {
    let mut session = server.connect_to("types").await?;
    let mut problems = Vec::new();
    for (index, column) in columns.iter().enumerate() {
        if let Err(failure) = write_column(&mut session, index, column).await {
            problems.push(format!(
                "{}: {}",
                column.mysql_type,
                failure.message().unwrap_or("")
            ));
        }
    }
    read_columns(&mut session, &columns, &mut problems).await?;
    server.restart()?;
    let mut session = server.connect_to("types").await?;
    read_columns(&mut session, &columns, &mut problems).await?;
    ensure(problems.is_empty(), || problems.join("\n"))
}

async fn write_column(session: &mut Session, index: usize, column: &Column) -> Outcome {
    let mysql_type = column.mysql_type;
    session
        .run(format!(
            "CREATE TABLE t{index} (id INT NOT NULL, v {mysql_type} NULL) \
             DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin"
        ))
        .await?;
    session
        .run(format!("INSERT INTO t{index} VALUES (-1, NULL)"))
        .await?;
    session
        .execute(
            &format!("INSERT INTO t{index} VALUES (-2, ?)"),
            (Value::NULL,),
        )
        .await?;
    for (row, (value, _)) in column.values.iter().enumerate() {
        let sql = format!("INSERT INTO t{index} VALUES ({row}, {})", literal_of(value));
        session.run(sql).await?;
        let sql = format!("INSERT INTO t{index} VALUES (?, ?)");
        session.execute(&sql, (1_000 + row, value)).await?;
    }
    Ok(())
}

/// Bytes that are no text are written as X'..'.
fn literal_of(value: &Value) -> String {
    match value {
        Value::Bytes(bytes) if std::str::from_utf8(bytes).is_err() => {
            format!(
                "X'{}'",
                bytes
                    .iter()
                    .map(|byte| format!("{byte:02x}"))
                    .collect::<String>()
            )
        }
        other => literal(other),
    }
}

async fn read_columns(
    session: &mut Session,
    columns: &[Column],
    problems: &mut Vec<String>,
) -> Outcome {
    for (index, column) in columns.iter().enumerate() {
        let sql = format!("SELECT id, v FROM t{index} ORDER BY id");
        let expected = expected_rows(column);
        for (protocol, answer) in [
            ("text", session.run(&sql).await),
            ("binary", session.execute(&sql, ()).await),
        ] {
            let checked = match answer {
                Ok(answer) => same(protocol, &expected, &rows_of(&answer)),
                Err(refusal) => Err(refusal.into()),
            };
            if let Err(failure) = checked {
                let text: String = failure
                    .message()
                    .unwrap_or("")
                    .chars()
                    .take(2_000)
                    .collect();
                problems.push(format!("{}: {text}", column.mysql_type));
            }
        }
    }
    Ok(())
}

fn expected_rows(column: &Column) -> Vec<String> {
    let is_number = column.mysql_type == "FLOAT" || column.mysql_type == "DOUBLE";
    let texts: Vec<String> = column
        .values
        .iter()
        .map(|(_, text)| {
            if is_number {
                number(column.mysql_type, text)
            } else {
                text.clone()
            }
        })
        .collect();
    let row = |id: usize, text: &String| format!("{id}|{text}");
    let mut rows = vec!["-2|NULL".to_owned(), "-1|NULL".to_owned()];
    rows.extend(texts.iter().enumerate().map(|(id, text)| row(id, text)));
    rows.extend(
        texts
            .iter()
            .enumerate()
            .map(|(id, text)| row(1_000 + id, text)),
    );
    rows
}

/// The rows, floating point numbers by value rather than by spelling.
fn rows_of(answer: &Answer) -> Vec<String> {
    let is_float = answer
        .columns
        .last()
        .is_some_and(|column| class_of(column) == 'R');
    let spell = |line: String| match line.split_once('|') {
        Some((id, text)) if is_float && text != "NULL" => {
            let single = format!("{:?}", answer.columns[1].column_type()).contains("FLOAT");
            format!(
                "{id}|{}",
                number(if single { "FLOAT" } else { "DOUBLE" }, text)
            )
        }
        _ => line,
    };
    answer.lines().into_iter().map(spell).collect()
}

/// MySQL shows a FLOAT with six digits: that many are compared.
fn number(mysql_type: &str, text: &str) -> String {
    let value: f64 = text.parse().unwrap_or(f64::NAN);
    if mysql_type == "FLOAT" {
        format!("{value:.5e}")
    } else {
        format!("{value:e}")
    }
}
