//! Rust drivers: matrix mysql_async|sqlx
//!
//! The cases are here, what each driver does for them in `asynchronous` and `with_sqlx`.

mod asynchronous;
mod with_sqlx;

use std::fmt::Debug;
use std::future::Future;

const KINDS: &str = "CREATE TABLE kinds (id INT PRIMARY KEY, big BIGINT UNSIGNED, money DECIMAL(20,6), \
    half DOUBLE, label VARCHAR(100), raw VARBINARY(300), day DATE, moment DATETIME(6), flag TINYINT(1), nothing INT)";
const TEXT: &str = "Zürich 🚀 'quoted' \\ \"x\"\n\t%_";
const ROWS: i64 = 100_000;

/// What went wrong; `code` is the server's error number, or 0.
#[derive(Debug)]
struct Failure {
    code: u16,
    text: String,
}

type Outcome<T = ()> = Result<T, Failure>;

fn failed(text: impl Into<String>) -> Failure {
    let text = text.into();
    Failure { code: 0, text }
}

fn env(name: &str) -> String {
    std::env::var(format!("MATRIX_{name}")).unwrap_or_default()
}

fn same<T: PartialEq + Debug>(got: T, expected: T) -> Outcome {
    match got == expected {
        true => Ok(()),
        false => Err(failed(format!("got {got:?}, expected {expected:?}"))),
    }
}

/// A driver, as the cases see it.
trait Driver: Sized {
    const VERSION: &'static str;

    async fn connect(password: &str) -> Outcome<Self>;
    /// Rows of a text statement that were changed.
    async fn run(&mut self, sql: &str) -> Outcome<u64>;
    /// Rows of a text statement that came.
    async fn count_rows(&mut self, sql: &str) -> Outcome<usize>;
    /// The one number of a text statement.
    async fn number(&mut self, sql: &str) -> Outcome<i64>;
    /// The one text of a prepared statement with one parameter.
    async fn text(&mut self, sql: &str, parameter: &str) -> Outcome<String>;
    /// Numbers of the rows of a text statement, added up while they stream.
    async fn sum(&mut self, sql: &str) -> Outcome<i64>;
    /// Runs a statement in a transaction by the driver's means.
    async fn in_transaction(&mut self, sql: &str, commits: bool) -> Outcome;
    /// Writes a value of each kind to `kinds` through parameters and reads them back.
    async fn kinds(&mut self) -> Outcome;
    /// Writes (i, "é{i}") for i in 0 .. 1000 to `batch` by the driver's way of many rows.
    async fn thousand(&mut self) -> Outcome;
    /// Whatever puts the connection back to its beginning.
    async fn refresh(&mut self) -> Outcome;
}

struct Report {
    failed: bool,
}

impl Report {
    async fn check(&mut self, name: &str, work: impl Future<Output = Outcome>) {
        match work.await {
            Ok(()) => println!("pass {name}"),
            Err(why) => {
                self.failed = true;
                let text: String = why.text.replace('\n', " ").chars().take(400).collect();
                println!("fail {name}: {text}");
            }
        }
    }
}

async fn run<D: Driver>(report: &mut Report) {
    println!("version {}", D::VERSION);
    let mut driver = None;
    report
        .check("connect", async {
            refused(D::connect("wrong").await.map(drop), 1045)?;
            driver = Some(D::connect(&env("PASSWORD")).await?);
            Ok(())
        })
        .await;
    let Some(mut driver) = driver else { return };
    report.check("ddl", ddl(&mut driver)).await;
    report.check("types", driver.kinds()).await;
    report.check("batch", batch(&mut driver)).await;
    report.check("prepared", prepared(&mut driver)).await;
    report.check("transaction", transaction(&mut driver)).await;
    report.check("errors", errors(&mut driver)).await;
    report.check("large", large(&mut driver)).await;
}

fn refused(outcome: Outcome, code: u16) -> Outcome {
    match outcome {
        Ok(()) => Err(failed(format!("{code} did not happen"))),
        Err(why) if why.code == code => Ok(()),
        Err(why) => Err(why),
    }
}

async fn ddl<D: Driver>(driver: &mut D) -> Outcome {
    driver.run(KINDS).await?;
    same(driver.count_rows("SHOW COLUMNS FROM kinds").await?, 10)
}

async fn batch<D: Driver>(driver: &mut D) -> Outcome {
    driver
        .run("CREATE TABLE batch (id INT PRIMARY KEY, label VARCHAR(100))")
        .await?;
    driver.thousand().await?;
    let sum = driver
        .number("SELECT CAST(SUM(id) AS SIGNED) FROM batch")
        .await?;
    same(
        (
            sum,
            driver
                .text("SELECT MAX(label) FROM batch WHERE id <> ?", "7")
                .await?,
        ),
        (499_500, "é999".to_owned()),
    )
}

async fn prepared<D: Driver>(driver: &mut D) -> Outcome {
    for id in ["3", "4"] {
        let label = driver
            .text("SELECT label FROM batch WHERE id = ?", id)
            .await?;
        same(label, format!("é{id}"))?;
    }
    Ok(())
}

async fn transaction<D: Driver>(driver: &mut D) -> Outcome {
    driver.in_transaction("DELETE FROM batch", false).await?;
    same(driver.number("SELECT COUNT(*) FROM batch").await?, 1000)?;
    driver
        .in_transaction("DELETE FROM batch WHERE id < 10", true)
        .await?;
    same(driver.number("SELECT COUNT(*) FROM batch").await?, 990)
}

async fn errors<D: Driver>(driver: &mut D) -> Outcome {
    refused(
        driver
            .run("INSERT INTO batch VALUES (500, 'x')")
            .await
            .map(drop),
        1062,
    )?;
    refused(driver.run("SELECT * FROM missing").await.map(drop), 1146)?;
    refused(driver.text("SELEC ?", "1").await.map(drop), 1064)?;
    driver.refresh().await
}

async fn large<D: Driver>(driver: &mut D) -> Outcome {
    let rows: Vec<String> = (0..1000).map(|i| format!("({i},'row {i}')")).collect();
    driver
        .run("CREATE TABLE numbers (id INT PRIMARY KEY, label VARCHAR(40))")
        .await?;
    driver
        .run(&format!("INSERT INTO numbers VALUES {}", rows.join(",")))
        .await?;
    let mut step = 1000;
    while step < ROWS {
        let limit = ROWS - step;
        driver
            .run(&format!(
                "INSERT INTO numbers SELECT id + {step}, label FROM numbers WHERE id < {limit}"
            ))
            .await?;
        step *= 2;
    }
    same(
        driver.sum("SELECT id FROM numbers").await?,
        ROWS * (ROWS - 1) / 2,
    )?;
    // More than one packet holds, both ways.
    let long = "long é ".repeat(3_000_000);
    same(driver.text("SELECT ?", &long).await? == long, true)
}

#[tokio::main]
async fn main() {
    let mut report = Report { failed: false };
    match std::env::args().nth(1).as_deref() {
        Some("mysql_async") => run::<asynchronous::Client>(&mut report).await,
        _ => run::<with_sqlx::Client>(&mut report).await,
    }
    std::process::exit(report.failed.into());
}
