//! EVENT KEY and TTL over the wire: a row that is sent again is kept once, whichever way it comes, across
//! restarts and kills, and says so. tests/slt/storno has the grammar and the semantics of statements.

use bytes::Bytes;
use futures::StreamExt;
use libtest_mimic::Trial;
use mysql_async::Value;

use crate::harness::{Answer, Outcome, Server, Session, block_on, ensure, same};

pub fn trials() -> Vec<Trial> {
    let plain =
        |name: &str, test: fn() -> Outcome| Trial::test(format!("event_keys::{name}"), test);
    vec![
        plain("a_row_that_comes_again_by_any_way_is_left_out", || {
            block_on(every_way())
        }),
        plain("rivals_that_send_the_same_keep_it_once", || {
            block_on(rivals())
        }),
        plain("what_was_acknowledged_is_known_after_a_kill", || {
            block_on(killed())
        }),
        plain("a_load_that_is_repeated_adds_what_is_missing", || {
            block_on(load_again())
        }),
        plain("commit_leaves_out_what_came_meanwhile", || {
            block_on(commit_late())
        }),
        plain("rows_that_are_too_old_go_by_themselves", || {
            block_on(expired())
        }),
    ]
}

const TABLE: &str = "CREATE TABLE t (id VARCHAR(20) NOT NULL, site INT NOT NULL, n BIGINT NOT NULL, \
                     SORT KEY (site), EVENT KEY (id)) \
                     DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin";

/// Everything small, so that keys are in memory, in runs and in merged runs.
fn small() -> Outcome<Server> {
    Server::start_with(&[
        ("STORNO_MEMTABLE_BYTES", "1048576"),
        ("STORNO_SEGMENT_ROWS", "1024"),
        ("STORNO_LOCAL_INFILE", "true"),
    ])
}

fn row(i: u64) -> String {
    format!("('event-{i:08}', {}, {i})", i % 7)
}

fn rows(range: std::ops::Range<u64>) -> String {
    range.map(row).collect::<Vec<_>>().join(",")
}

fn file(range: std::ops::Range<u64>) -> Bytes {
    let line = |i| format!("event-{i:08}\t{}\t{i}\n", i % 7);
    range.map(line).collect::<String>().into()
}

fn offer(session: &mut Session, content: Bytes) {
    let stream = futures::stream::iter([Ok(content)]);
    session
        .conn()
        .set_infile_handler(async move { Ok(stream.boxed()) });
}

async fn sums(session: &mut Session) -> Outcome<Vec<String>> {
    let sql = "SELECT COUNT(*), COUNT(DISTINCT id), SUM(n) FROM t";
    Ok(session.lines(sql).await?)
}

fn expected_sums(count: u64) -> Vec<String> {
    vec![format!("{count}|{count}|{}", count * (count - 1) / 2)]
}

async fn resent(session: &mut Session) -> Outcome<u64> {
    let lines = session
        .lines("SHOW GLOBAL STATUS LIKE 'Storno_rows_resent'")
        .await?;
    let value = lines.first().and_then(|line| line.split('|').nth(1));
    Ok(value.unwrap_or_default().parse()?)
}

fn says(answer: &Answer, affected: u64, warnings: u16, info: &str) -> Outcome {
    same("affected", &affected, &answer.affected_rows)?;
    same("warnings", &warnings, &answer.warnings)?;
    same("info", &info.to_owned(), &answer.info)
}

/// Rows 0 to 99 are there and come again, together with ten new ones each time.
async fn every_way() -> Outcome {
    let mut server = small()?;
    let mut session = server.connect_to("db").await?;
    session.run(TABLE).await?;
    session
        .run("CREATE TABLE source (id VARCHAR(20) NOT NULL, site INT NOT NULL, n BIGINT NOT NULL)")
        .await?;
    let first = session
        .run(format!("INSERT INTO t VALUES {}", rows(0..100)))
        .await?;
    says(&first, 100, 0, "Records: 100  Duplicates: 0  Warnings: 0")?;
    server.restart()?;
    let mut session = server.connect_to("db").await?;
    let info = "Records: 110  Duplicates: 100  Warnings: 100";

    let literal = format!("INSERT INTO t (id, site, n) VALUES {}", rows(0..110));
    says(&session.run(literal).await?, 10, 100, info)?;

    let general = format!(
        "INSERT INTO t VALUES {},(CONCAT('event-', LPAD(119, 8, '0')), 0, 119)",
        rows(10..119)
    );
    says(&session.run(general).await?, 10, 100, info)?;

    let marks = vec!["(?, ?, ?)"; 110].join(",");
    let values: Vec<Value> = (20..130)
        .flat_map(|i: u64| [format!("event-{i:08}").into(), (i % 7).into(), i.into()])
        .collect();
    let prepared = format!("INSERT INTO t VALUES {marks}");
    says(&session.execute(&prepared, values).await?, 10, 100, info)?;

    session
        .run(format!("INSERT INTO source VALUES {}", rows(30..140)))
        .await?;
    let query = session
        .run("INSERT INTO t SELECT * FROM source ORDER BY n")
        .await?;
    says(&query, 10, 100, info)?;

    let load = "LOAD DATA LOCAL INFILE 'x' INTO TABLE t";
    offer(&mut session, file(40..150));
    let loaded = session.run(load).await?;
    let text = "Records: 110  Deleted: 0  Skipped: 100  Warnings: 100";
    says(&loaded, 10, 100, text)?;

    session.run("BEGIN").await?;
    let within = format!("INSERT INTO t VALUES {}", rows(50..155));
    says(
        &session.run(within).await?,
        5,
        100,
        "Records: 105  Duplicates: 100  Warnings: 100",
    )?;
    offer(&mut session, file(150..160));
    says(
        &session.run(load).await?,
        5,
        5,
        "Records: 10  Deleted: 0  Skipped: 5  Warnings: 5",
    )?;
    session.run("COMMIT").await?;

    same("counted", &605, &resent(&mut session).await?)?;
    same("sums", &expected_sums(160), &sums(&mut session).await?)?;
    server.restart()?;
    let mut session = server.connect_to("db").await?;
    let again = session
        .run(format!("INSERT INTO t VALUES {}", rows(0..160)))
        .await?;
    same("affected", &0, &again.affected_rows)?;
    same("sums", &expected_sums(160), &sums(&mut session).await?)
}

/// Four sessions send the same thousand rows at the same time, one by one and in batches.
async fn rivals() -> Outcome {
    let server = small()?;
    let mut session = server.connect_to("db").await?;
    session.run(TABLE).await?;
    let mut tasks = Vec::new();
    for step in [1, 1, 10, 100] {
        let mut session = server.connect_to("db").await?;
        tasks.push(tokio::spawn(async move {
            let mut kept = 0;
            for first in (0..1_000).step_by(step as usize) {
                let sql = format!("INSERT INTO t VALUES {}", rows(first..first + step));
                kept += session.run(sql).await?.affected_rows;
            }
            Ok::<u64, crate::harness::Refusal>(kept)
        }));
    }
    let mut kept = 0;
    for task in tasks {
        kept += task.await??;
    }
    same("kept by all", &1_000, &kept)?;
    same("counted", &3_000, &resent(&mut session).await?)?;
    same("sums", &expected_sums(1_000), &sums(&mut session).await?)
}

async fn killed() -> Outcome {
    let mut server = small()?;
    let mut session = server.connect_to("db").await?;
    session.run(TABLE).await?;
    let mut sent = 0;
    for round in 0..5_u64 {
        for _ in 0..20 {
            let sql = format!("INSERT INTO t VALUES {}", rows(sent..sent + 400));
            same("affected", &400, &session.run(sql).await?.affected_rows)?;
            sent += 400;
        }
        server.kill()?;
        server.start_again()?;
        session = server.connect_to("db").await?;
        let again = (round * 1_000)..(round * 1_000 + 3_000);
        let sql = format!("INSERT INTO t VALUES {}", rows(again));
        same("sent again", &0, &session.run(sql).await?.affected_rows)?;
        let last = format!("INSERT INTO t VALUES {}", rows(sent - 1_000..sent));
        same("the last", &0, &session.run(last).await?.affected_rows)?;
    }
    same("sums", &expected_sums(sent), &sums(&mut session).await?)
}

/// The file breaks off the first time: nothing of it is there. Half of its rows come otherwise meanwhile.
async fn load_again() -> Outcome {
    let wide = |i: u64| format!("{i:01500}\t{}\t{i}\n", i % 7);
    let lines: String = (0..60_000).map(wide).collect();
    let broken = format!("{lines}60000\tno number\t60000\n");
    let dir = tempfile::tempdir()?;
    let path = dir.path().join("events.tsv");
    std::fs::write(&path, &broken)?;
    let mut server =
        Server::start_with(&[("STORNO_SECURE_FILE_PRIV", &dir.path().to_string_lossy())])?;
    let mut session = server.connect_to("db").await?;
    session
        .run(TABLE.replace("VARCHAR(20)", "VARCHAR(2000)"))
        .await?;
    let sql = format!("LOAD DATA INFILE '{}' INTO TABLE t", path.display());
    let refused = session.refused(&sql).await?.to_string();
    ensure(refused.contains("at row 60001"), || refused)?;
    let kept = session.lines("SELECT COUNT(*) FROM t").await?;
    same("rows after the first attempt", &vec!["0".to_owned()], &kept)?;
    let some = |i: u64| format!("('{:01500}', {}, {i})", i, i % 7);
    let some: Vec<String> = (0..60_000).step_by(100).map(some).collect();
    session
        .run(format!("INSERT INTO t VALUES {}", some.join(",")))
        .await?;
    std::fs::write(&path, &lines)?;
    let answer = session.run(&sql).await?;
    same("the rest", &59_400, &answer.affected_rows)?;
    same("left out", &600, &resent(&mut session).await?)?;
    same("sums", &expected_sums(60_000), &sums(&mut session).await?)?;
    server.kill()?;
    server.start_again()?;
    let mut session = server.connect_to("db").await?;
    same("again", &0, &session.run(&sql).await?.affected_rows)?;
    same("sums", &expected_sums(60_000), &sums(&mut session).await?)
}

async fn commit_late() -> Outcome {
    let server = small()?;
    let mut first = server.connect_to("db").await?;
    let mut second = server.connect_to("db").await?;
    first.run(TABLE).await?;
    first.run("BEGIN").await?;
    let sql = format!("INSERT INTO t VALUES {}", rows(0..10));
    same("at first", &10, &first.run(&sql).await?.affected_rows)?;
    let sql = format!("INSERT INTO t VALUES {}", rows(5..15));
    same("at once", &10, &second.run(&sql).await?.affected_rows)?;
    let commit = first.run("COMMIT").await?;
    same("notes", &5, &commit.warnings)?;
    let notes = first.lines("SHOW WARNINGS LIMIT 1").await?;
    let note = "Note|1062|Duplicate entry 'event-00000005' for key 't.EVENT KEY'";
    same("note", &vec![note.to_owned()], &notes)?;
    same("counted", &5, &resent(&mut first).await?)?;
    same("sums", &expected_sums(15), &sums(&mut first).await?)
}

/// A table that gets a TTL is looked at within a minute, later every hour. Their events stay known.
async fn expired() -> Outcome {
    let server = Server::start()?;
    let mut session = server.connect_to("db").await?;
    let create = "CREATE TABLE t (id INT NOT NULL, at TIMESTAMP NULL, EVENT KEY (id))";
    session.run(create).await?;
    let insert = "INSERT INTO t VALUES (1, NOW() - INTERVAL 31 DAY), (2, NOW() - INTERVAL 29 DAY), \
                  (3, NULL), (4, NOW())";
    same("came", &4, &session.run(insert).await?.affected_rows)?;
    session
        .run("ALTER TABLE t TTL = at + INTERVAL 30 DAY")
        .await?;
    let left = vec!["2".to_owned(), "3".to_owned(), "4".to_owned()];
    let begun = std::time::Instant::now();
    while session.lines("SELECT id FROM t ORDER BY id").await? != left {
        ensure(begun.elapsed().as_secs() < 200, || {
            "nothing expired".to_owned()
        })?;
        tokio::time::sleep(std::time::Duration::from_millis(500)).await;
    }
    same("again", &0, &session.run(insert).await?.affected_rows)
}
