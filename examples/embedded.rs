//! Storno inside a Rust program: rows in, Arrow record batches out, no socket. Then the same engine is
//! opened to MySQL clients.
//!
//! Run it with `cargo run --example embedded [DIR]`. Without DIR the data is gone at the end.

use std::error::Error;
use std::path::PathBuf;

use arrow::util::pretty::pretty_format_batches;
use storno::{Engine, Scalar, Server, ServerOptions};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let dir = std::env::args_os()
        .nth(1)
        .map_or(temporary.path().join("data"), PathBuf::from);

    let engine = Engine::open(&dir)?;
    let mut session = engine.session();
    session.query("CREATE DATABASE IF NOT EXISTS shop").await?;
    session.query("USE shop").await?;
    session
        .query(
            "CREATE TABLE IF NOT EXISTS sales (
                 shop_id INT UNSIGNED NOT NULL,
                 sold_at DATETIME NOT NULL,
                 product VARCHAR(64) NOT NULL,
                 amount DECIMAL(10,2) NOT NULL,
                 SORT KEY (shop_id, sold_at)
             )",
        )
        .await?;

    // An INSERT is on disk when this returns. A correction is a row with a negative amount.
    let insert = "INSERT INTO sales VALUES (?, ?, ?, ?)";
    for (time, product, amount) in [
        ("2026-11-02 09:10:00", "tea", "4.50"),
        ("2026-11-02 09:12:00", "coffee", "3.20"),
        ("2026-11-02 09:15:00", "tea", "4.50"),
        ("2026-11-02 09:40:00", "tea", "-4.50"),
    ] {
        let values = [time, product, amount].map(|text| Scalar::Text(text.into()));
        let params = [Scalar::Int(1)].into_iter().chain(values).collect();
        let done = session.query_with(insert, params).await?;
        assert_eq!(done.affected_rows, 1);
    }

    let sql = "SELECT product, SUM(amount) AS amount FROM sales WHERE shop_id = 1 \
               GROUP BY product ORDER BY product";
    let result = session.query(sql).await?;
    println!("{}", pretty_format_batches(&result.batches)?);

    // A result of any size, batch by batch.
    let mut rows = session.stream("SELECT sold_at, amount FROM sales").await?;
    let mut count = 0;
    while let Some(batch) = rows.next().await {
        count += batch?.num_rows();
    }
    println!("{count} rows");

    // The same engine for MySQL clients, on a port that the system chooses.
    let options = ServerOptions {
        listen: Some("127.0.0.1:0".parse()?),
        ..ServerOptions::default()
    };
    let server = Server::start(engine, options).await?;
    println!("MySQL clients would connect to {}", server.local_addr());
    server.shutdown().await?;
    Ok(())
}
