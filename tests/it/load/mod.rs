//! LOAD DATA: the same files into Storno and into MariaDB give the same rows, counts and warnings; and what MariaDB
//! cannot read.

mod cases;
mod named;
mod random;

use std::io::Write;
use std::path::Path;

use bytes::Bytes;
use futures::StreamExt;
use libtest_mimic::Trial;

use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, judge, same};

/// Bytes that the driver sends in one packet.
const PIECE: usize = 1000;

pub fn trials() -> Vec<Trial> {
    let judged = |name: &str, test: fn() -> Outcome| {
        Trial::test(format!("load::{name}"), test).with_ignored_flag(!judge::is_installed())
    };
    let mut trials = vec![
        judged("cases_from_the_client", || block_on(cases::run(true))),
        judged("cases_from_the_server", || block_on(cases::run(false))),
    ];
    for seed in 1..=3 {
        let test = move || block_on(random::run(seed));
        let trial = Trial::test(format!("load::random_{seed}"), test);
        trials.push(trial.with_ignored_flag(!judge::is_installed()));
    }
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("load::{name}"), test);
    trials.push(plain("what_is_not_allowed_is_refused", || {
        block_on(refusals())
    }));
    trials.push(plain("a_large_file_comes_in_whole", || block_on(large())));
    trials.push(plain("a_compressed_file_is_what_was_packed", || {
        block_on(compressed())
    }));
    trials.push(plain("a_transaction_takes_its_load_back", || {
        block_on(transaction())
    }));
    trials.extend(named::trials());
    trials
}

/// A Storno that takes files from clients and reads those below `directory`.
fn storno(directory: &Path) -> Outcome<Server> {
    let directory = directory.to_string_lossy();
    Server::start_with(&[
        ("STORNO_LOCAL_INFILE", "true"),
        ("STORNO_SECURE_FILE_PRIV", &directory),
    ])
}

/// The bytes that the client sends for the next file it is asked for.
fn offer(session: &mut Session, content: &[u8]) {
    let pieces: Vec<_> = content.chunks(PIECE).map(Bytes::copy_from_slice).collect();
    let stream = futures::stream::iter(pieces.into_iter().map(Ok).collect::<Vec<_>>());
    session
        .conn()
        .set_infile_handler(async move { Ok(stream.boxed()) });
}

/// Everything a statement says: OK or error, then its warnings.
async fn said(server: &Server, session: &mut Session, sql: &str) -> Outcome<Vec<String>> {
    let mut lines = Vec::new();
    match session.run(sql).await {
        Ok(answer) => lines.push(format!(
            "OK {} affected, {} warnings: {}",
            answer.affected_rows, answer.warnings, answer.info
        )),
        Err(refusal @ Refusal::Server { .. }) => {
            lines.push(with_table(server.words(&refusal)));
        }
        Err(broken) => return Err(broken.into()),
    }
    let warnings = session.lines("SHOW WARNINGS").await?;
    let warnings = warnings.iter().map(|line| server.warning_words(line));
    lines.extend(warnings.map(with_table));
    Ok(lines)
}

/// MySQL 8 names the table with the key.
fn with_table(text: String) -> String {
    text.replace("for key 'PRIMARY'", "for key 't.PRIMARY'")
}

async fn refusals() -> Outcome {
    let server = Server::start()?;
    let mut session = server.connect_to("db").await?;
    session.run("CREATE TABLE t (a INT)").await?;
    let code = async |session: &mut Session, sql: &str| match session.refused(sql).await? {
        Refusal::Server { code, .. } => Ok::<u16, libtest_mimic::Failed>(code),
        other => Err(other.into()),
    };
    let local = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t";
    same(
        "local_infile is off",
        &3948,
        &code(&mut session, local).await?,
    )?;
    let remote = "LOAD DATA INFILE '/etc/passwd' INTO TABLE t";
    same("no directory", &1290, &code(&mut session, remote).await?)?;
    session.run("SET GLOBAL local_infile = 1").await?;
    let unknown = "LOAD DATA LOCAL INFILE 'x' INTO TABLE missing";
    same("table", &1146, &code(&mut session, unknown).await?)?;
    let column = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, b)";
    same("column", &1054, &code(&mut session, column).await?)?;
    let twice = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t (a, a)";
    same("column", &1110, &code(&mut session, twice).await?)?;
    offer(&mut session, b"1\n2\n");
    session.run(local).await?;
    session.must_answer().await?;
    same(
        "rows",
        &vec!["1".to_owned(), "2".to_owned()],
        &session.lines("SELECT a FROM t ORDER BY a").await?,
    )
}

/// Several batches and several packets; the text is kept to the last byte.
async fn large() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, s VARCHAR(100), n BIGINT)")
        .await?;
    let mut file = Vec::new();
    let rows = 150_000_u64;
    for i in 0..rows {
        file.extend(format!("{i}\tthe page of number {}\\t\\\\\t{}\n", i % 1000, i * i).bytes());
    }
    offer(&mut session, &file);
    let answer = session
        .run("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        .await?;
    same("affected", &rows, &answer.affected_rows)?;
    let sums = "SELECT COUNT(*), SUM(id), SUM(n), COUNT(DISTINCT s), MIN(s) FROM t";
    let squares: u128 = (0..u128::from(rows)).map(|i| i * i).sum();
    let expected = format!(
        "{rows}|{}|{squares}|1000|the page of number 0\t\\",
        rows * (rows - 1) / 2
    );
    same("sums", &vec![expected], &session.lines(sums).await?)?;
    offer(&mut session, &file);
    let answer = session
        .run("LOAD DATA LOCAL INFILE 'x' INTO TABLE t")
        .await?;
    same("all are there", &0, &answer.affected_rows)?;
    let skipped = format!("Skipped: {rows}");
    ensure(answer.info.contains(&skipped), || answer.info.clone())?;
    // From a file of the server, with one line that does not fit: nothing of it stays.
    let path = dir.path().join("strict.tsv");
    file.extend(b"x\ty\tz\n");
    std::fs::write(&path, &file)?;
    session.run("TRUNCATE t").await?;
    let load = format!("LOAD DATA INFILE '{}' INTO TABLE t", path.display());
    session.refused(load.as_str()).await?;
    same(
        "as one",
        &vec!["0".to_owned()],
        &session.lines("SELECT COUNT(*) FROM t").await?,
    )
}

async fn compressed() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, s VARCHAR(100) NOT NULL)")
        .await?;
    let line = |i: u32| format!("{i}\tpage {}\n", i % 10);
    let text: String = (0..50_000).map(line).collect();
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    encoder.write_all(text.as_bytes())?;
    let gzip = encoder.finish()?;
    let zstd = zstd::encode_all(text.as_bytes(), 1)?;
    let sums = "SELECT COUNT(*), SUM(id), COUNT(DISTINCT s) FROM t";
    let whole = vec!["50000|1249975000|10".to_owned()];
    for (file, clause) in [
        (&gzip, ""),
        (&gzip, "COMPRESSION = 'gzip'"),
        (&zstd, ""),
        (&zstd, "COMPRESSION 'zstd'"),
    ] {
        session.run("TRUNCATE t").await?;
        offer(&mut session, file);
        let load = format!("LOAD DATA LOCAL INFILE 'x' INTO TABLE t {clause}");
        same("affected", &50_000, &session.run(load).await?.affected_rows)?;
        same("from the client", &whole, &session.lines(sums).await?)?;
        session.run("TRUNCATE t").await?;
        let path = dir.path().join("file");
        std::fs::write(&path, file)?;
        let load = format!(
            "LOAD DATA INFILE '{}' INTO TABLE t {clause}",
            path.display()
        );
        session.run(&load).await?;
        same("from the server", &whole, &session.lines(sums).await?)?;
        // Half a file is none.
        session.run("TRUNCATE t").await?;
        std::fs::write(&path, file.get(..file.len() - 9).unwrap_or_default())?;
        match session.refused(&load).await? {
            Refusal::Server { code: 1024, .. } => {}
            other => return Err(other.into()),
        }
        let none = vec!["0|NULL|0".to_owned()];
        same("of half a file", &none, &session.lines(sums).await?)?;
    }
    Ok(())
}

async fn transaction() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = storno(dir.path())?;
    let mut session = server.connect_to("db").await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL PRIMARY KEY, s VARCHAR(100))")
        .await?;
    let count = "SELECT COUNT(*) FROM t";
    let load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t";
    for (end, rows) in [("ROLLBACK", "0"), ("COMMIT", "2")] {
        session.run("BEGIN").await?;
        offer(&mut session, b"1\ta\n2\tb\n");
        session.run(load).await?;
        same(
            "within",
            &vec!["2".to_owned()],
            &session.lines(count).await?,
        )?;
        session.run(end).await?;
        same(end, &vec![rows.to_owned()], &session.lines(count).await?)?;
    }
    session.run("BEGIN").await?;
    offer(&mut session, b"2\tc\n3\td\n");
    let replace = "LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE t";
    let answer = session.run(replace).await?;
    let info = "Records: 2  Deleted: 1  Skipped: 0  Warnings: 0".to_owned();
    same("replaced", &info, &answer.info)?;
    session.run("COMMIT").await?;
    let rows = session.lines("SELECT id, s FROM t ORDER BY id").await?;
    same(
        "rows",
        &["1|a", "2|c", "3|d"].map(str::to_owned).to_vec(),
        &rows,
    )
}
