//! Rust drivers: matrix mysql_async|sqlx

mod asynchronous;
mod with_sqlx;

use std::fmt::Debug;
use std::future::Future;

pub type Outcome = Result<(), Box<dyn std::error::Error>>;

pub const TEXT: &str = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_";
pub const KINDS: &str = "CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), \
    half DOUBLE, label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), flag TINYINT(1), nothing INT)";
pub const ROWS: i64 = 100_000;

pub fn env(name: &str) -> String {
    std::env::var(format!("MATRIX_{name}")).unwrap_or_default()
}

pub fn same<T: PartialEq + Debug>(got: T, expected: T) -> Outcome {
    match got == expected {
        true => Ok(()),
        false => Err(format!("got {got:?}, expected {expected:?}").into()),
    }
}

/// Statements that fill a table with 0 .. ROWS - 1.
pub fn numbers() -> Vec<String> {
    let rows: Vec<String> = (0..1000).map(|i| format!("({i},'row {i}')")).collect();
    let mut all = vec![
        "CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))".to_owned(),
        format!("INSERT INTO numbers VALUES {}", rows.join(",")),
    ];
    let mut step = 1000;
    while step < ROWS {
        let limit = ROWS - step;
        all.push(format!(
            "INSERT INTO numbers SELECT id + {step}, label FROM numbers WHERE id < {limit}"
        ));
        step *= 2;
    }
    all
}

pub struct Report {
    pub failed: bool,
}

impl Report {
    pub async fn check(&mut self, name: &str, work: impl Future<Output = Outcome>) {
        match work.await {
            Ok(()) => println!("pass {name}"),
            Err(why) => {
                self.failed = true;
                let text: String = why
                    .to_string()
                    .replace('\n', " ")
                    .chars()
                    .take(400)
                    .collect();
                println!("fail {name}: {text}");
            }
        }
    }
}

#[tokio::main]
async fn main() {
    let mut report = Report { failed: false };
    match std::env::args().nth(1).as_deref() {
        Some("mysql_async") => asynchronous::run(&mut report).await,
        _ => with_sqlx::run(&mut report).await,
    }
    std::process::exit(report.failed.into());
}
