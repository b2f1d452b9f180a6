//! What is told of exports and of files that are read: how a job ended, names that repeat, secrets in odd places.

use std::path::Path;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::harness::{Outcome, Server, Session, block_on, ensure, same};

const PATIENCE: Duration = Duration::from_secs(60);

pub fn trials() -> Vec<Trial> {
    let plain =
        |name: &str, test: fn() -> Outcome| Trial::test(format!("export_jobs::{name}"), test);
    vec![
        plain("a_join_of_ranges_outlives_its_statement", || {
            block_on(outliving())
        }),
        plain("a_state_says_how_an_export_ended", || block_on(states())),
        plain("the_same_rows_make_the_same_files", || {
            block_on(same_files())
        }),
        plain("names_that_repeat_in_files_are_told", || {
            block_on(repeated_names())
        }),
        plain("secrets_in_odd_places_are_shown_nowhere", || {
            block_on(secrets())
        }),
    ]
}

fn start(directory: &Path) -> Outcome<Server> {
    Server::start_with(&[("STORNO_SECURE_FILE_PRIV", &directory.to_string_lossy())])
}

/// A table with the numbers from 1 on.
async fn numbers(session: &mut Session, table: &str, last: u32) -> Outcome {
    session
        .run(format!("CREATE TABLE {table} (id INT NOT NULL)"))
        .await?;
    let rows: Vec<String> = (1..=last).map(|id| format!("({id})")).collect();
    session
        .run(format!("INSERT INTO {table} VALUES {}", rows.join(",")))
        .await?;
    Ok(())
}

/// Number and state of all jobs.
async fn shown(session: &mut Session) -> Outcome<Vec<String>> {
    let lines = session.lines("SHOW EXPORTS").await?;
    let number_and_state = |line: &String| {
        let cells: Vec<&str> = line.split('|').collect();
        format!("{} {}", cells[0], cells[3])
    };
    Ok(lines.iter().map(number_and_state).collect())
}

async fn wait_for(session: &mut Session, expected: &[&str]) -> Outcome {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let states = shown(session).await?;
        if states == expected {
            return Ok(());
        }
        ensure(Instant::now() < deadline, || {
            format!("{states:?}, not {expected:?}")
        })?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn outliving() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = start(dir.path())?;
    let mut session = server.connect_to("db").await?;
    numbers(&mut session, "big", 4_000).await?;
    numbers(&mut session, "ov", 200).await?;
    let export = "SELECT a.id FROM big a JOIN ov b ON b.id < a.id INTO OUTFILE URL 'n' FORMAT CSV";
    session.run(format!("{export} ASYNC")).await?;
    wait_for(&mut session, &["1 done"]).await?;
    let told = session.lines("SHOW EXPORTS").await?;
    let rows = 200 * 199 / 2 + 3_800 * 200;
    ensure(told[0].contains(&format!("|{rows}|")), || told[0].clone())
}

async fn states() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = start(dir.path())?;
    let mut session = server.connect_to("db").await?;
    numbers(&mut session, "big", 4_000).await?;
    let two = "SELECT id, (SELECT id FROM big) FROM big INTO OUTFILE URL 'two' FORMAT CSV";
    session.refused(two).await?;
    let once = "SELECT id FROM big INTO OUTFILE URL 'once' FORMAT CSV";
    session.run(once).await?;
    session.refused(once).await?;
    wait_for(&mut session, &["1 failed", "2 done", "3 failed"]).await?;
    // Not a row comes of it, for a long time.
    let endless = "SELECT a.id FROM big a JOIN big b ON b.id < a.id JOIN big c ON c.id < b.id \
                   WHERE a.id * b.id + c.id < 0 INTO OUTFILE URL 'endless' FORMAT CSV ASYNC";
    session.run(endless).await?;
    let running = ["1 failed", "2 done", "3 failed", "4 running"];
    wait_for(&mut session, &running).await?;
    session.run("KILL EXPORT 4").await?;
    let ended = ["1 failed", "2 done", "3 failed", "4 stopped"];
    wait_for(&mut session, &ended).await?;
    for id in 1..=5 {
        let refused = session.refused(format!("KILL EXPORT {id}")).await?;
        let told = format!("ERROR 1094 (HY000): Unknown thread id: {id}");
        same("KILL", &told, &refused.to_string())?;
    }
    wait_for(&mut session, &ended).await
}

async fn repeated_names() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = start(dir.path())?;
    let mut session = server.connect_to("db").await?;
    for (file, header) in [("a.csv", "id,v,id"), ("b.tsv", "id\tID")] {
        std::fs::write(dir.path().join(file), format!("{header}\n1\t2,3\n"))?;
        let refused = session.refused(format!("SELECT * FROM FILES('{file}')"));
        let told = refused.await?.to_string();
        let expected = "ERROR 1060 (42S21): Duplicate column name 'id'".to_owned();
        same(file, &expected, &told)?;
    }
    let lines = "{\"id\": 1}\n{\"ID\": 2, \"v\": \"x\"}\n{\"ID\": 9, \"id\": 3, \"V\": \"y\"}\n";
    std::fs::write(dir.path().join("c.ndjson"), lines)?;
    let read = "SELECT * FROM FILES('c.ndjson') ORDER BY id";
    let expected = ["1|NULL", "2|x", "3|y"].map(String::from).to_vec();
    same("objects", &expected, &session.lines(read).await?)
}

async fn secrets() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = start(dir.path())?;
    let mut session = server.connect_to("db").await?;
    let endpoint = "CONFIG '{\"endpoint_url\": \"http://AK:CANARY/1@127.0.0.1:1\"}'";
    let keys = "CREDENTIALS '{\"aws_access_key_id\": \"AK\", \"aws_secret_access_key\": \"S\"}'";
    let mut shown = Vec::new();
    for (statement, code) in [
        (
            "CREATE LINK x AS S3 CREDENTIALS = , 'CANARY'".to_owned(),
            1064,
        ),
        (
            "CREATE LINK x AS S3 CREDENTIALS 'AK', 'CANARY'".to_owned(),
            1064,
        ),
        (
            "SELECT 1 INTO S3 'b/p' CREDENTIALS = , 'CANARY'".to_owned(),
            1064,
        ),
        (
            "SELECT * FROM FILES('x', credentials => , 'CANARY')".to_owned(),
            1064,
        ),
        (format!("SELECT 1 INTO S3 'b/p' {endpoint} {keys}"), 1290),
        (
            "SELECT 1 INTO OUTFILE URL 'http://AK:CANARY@127.0.0.1:1/b/p'".to_owned(),
            1525,
        ),
    ] {
        let told = session.refused(&statement).await?.to_string();
        let begins = format!("ERROR {code} ");
        ensure(told.starts_with(&begins), || format!("{statement}: {told}"))?;
        shown.push(told);
        shown.extend(session.lines("SHOW WARNINGS").await?);
    }
    session
        .run(format!("CREATE LINK y AS S3 {endpoint}"))
        .await?;
    shown.extend(session.lines("SHOW LINKS").await?);
    shown.extend(session.lines("SHOW EXPORTS").await?);
    shown.push(server.whole_log());
    for line in &shown {
        ensure(!line.contains("CANARY"), || {
            format!("a secret is shown: {line}")
        })?;
    }
    Ok(())
}

/// However many threads read the table: in the order in which it is stored, and so sorted.
async fn same_files() -> Outcome {
    let dir = tempfile::tempdir()?;
    let server = start(dir.path())?;
    let mut session = server.connect_to("db").await?;
    numbers(&mut session, "n", 640).await?;
    session
        .run("CREATE TABLE t (id INT NOT NULL, s VARCHAR(20), SHARD KEY (s), SORT KEY (id))")
        .await?;
    session
        .run(
            "INSERT INTO t SELECT a.id * 1000 + b.id, CONCAT('v', (a.id + b.id) % 7) FROM n a JOIN n b",
        )
        .await?;
    let queries = [
        ("all", "SELECT * FROM t"),
        (
            "some",
            "SELECT id + 1 AS n, s FROM t WHERE s LIKE '%3' OR s > 'v4'",
        ),
    ];
    for (name, query) in queries {
        let mut contents = Vec::new();
        for number in 0..6 {
            let url = format!("{name}{number}");
            session
                .run(format!("{query} INTO OUTFILE URL '{url}' FORMAT CSV"))
                .await?;
            contents.push(std::fs::read(dir.path().join(format!("{url}.part_00000")))?);
        }
        let lines = contents
            .first()
            .map_or(0, |text| text.split(|b| *b == b'\n').count());
        ensure(lines > 150_000, || format!("{name}: only {lines} lines"))?;
        ensure(
            contents
                .windows(2)
                .all(|pair| matches!(pair, [a, b] if a == b)),
            || format!("{name}: files differ"),
        )?;
    }
    Ok(())
}
