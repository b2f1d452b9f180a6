//! Exports to an S3 server in this process, and back: SELECT .. INTO, SHOW EXPORTS, KILL, links, LOAD
//! DATA FROM S3, FILES.

use std::path::Path;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use libtest_mimic::Trial;
use mysql_async::prelude::Queryable;

use crate::data::kinds::{COLUMNS, insert};
use crate::harness::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, judge, same};

pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("export::{name}"), test);
    vec![
        plain("three_spellings_are_one_export", || block_on(spellings())),
        plain("what_is_exported_comes_back", || block_on(round_trip())),
        plain("a_killed_export_leaves_nothing", || block_on(killed())),
        plain("an_export_outlives_its_client", || block_on(detached())),
        plain("a_name_is_one_exports_at_a_time", || block_on(same_name())),
        plain("overwriting_that_fails_changes_nothing", || {
            block_on(overwriting())
        }),
        plain("a_slow_reader_of_many_files_holds_up_nobody", || {
            block_on(slow_reader())
        }),
        plain("numbers_of_json_lines_keep_their_digits", || {
            block_on(json_lines())
        }),
        plain("secrets_are_shown_nowhere", || block_on(secrets())),
        plain("endpoints_and_files_elsewhere_are_refused", || {
            block_on(refusals())
        }),
        plain("files_are_written_as_mysql_writes_them", || {
            block_on(outfile())
        })
        .with_ignored_flag(!judge::is_installed()),
    ]
}

fn start(s3: &S3Server, directory: &Path) -> Outcome<Server> {
    Server::start_with(&[
        ("STORNO_STORE_ENDPOINTS", &s3.endpoint()),
        ("STORNO_SECURE_FILE_PRIV", &directory.to_string_lossy()),
    ])
}

fn access(s3: &S3Server) -> String {
    format!(
        "CONFIG '{{\"endpoint_url\": \"{}\"}}' CREDENTIALS '{{\"aws_access_key_id\": \
         \"{ACCESS_KEY}\", \"aws_secret_access_key\": \"{SECRET_KEY}\"}}'",
        s3.endpoint()
    )
}

async fn link(s3: &S3Server, session: &mut Session) -> Outcome {
    session
        .run(format!("CREATE LINK store AS S3 {}", access(s3)))
        .await?;
    Ok(())
}

async fn fill(session: &mut Session, rows: u64) -> Outcome {
    session.run(format!("CREATE TABLE t ({COLUMNS})")).await?;
    insert(session, 0..rows).await
}

async fn spellings() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session, 1_000).await?;
    link(&s3, &mut session).await?;
    let access = access(&s3);
    for (name, statement) in [
        (
            "a",
            format!(
                "SELECT id, s FROM t ORDER BY id INTO OUTFILE S3 's3://{BUCKET}/a' MANIFEST ON {access}"
            ),
        ),
        (
            "b",
            format!(
                "SELECT id, s INTO S3 '{BUCKET}/b' {access} FIELDS TERMINATED BY '\\t' FROM t ORDER BY id"
            ),
        ),
        (
            "c",
            format!(
                "SELECT id, s FROM t ORDER BY id INTO OUTFILE URL 's3://{BUCKET}/c' FORMAT TEXT {access}"
            ),
        ),
        (
            "d",
            format!("SELECT id, s FROM t ORDER BY id INTO LINK store '{BUCKET}/d'"),
        ),
    ] {
        let answer = session.run(statement.as_str()).await?;
        let line = answer.lines().remove(0);
        let cells: Vec<&str> = line.split('|').collect();
        let length = std::fs::metadata(s3.file(&format!("{name}.part_00000")))?
            .len()
            .to_string();
        same(
            name,
            &vec!["1", "1000", length.as_str()],
            &cells[..3].to_vec(),
        )?;
        same(
            name,
            &format!("s3://{BUCKET}/{name}.manifest").as_str(),
            &cells[4],
        )?;
    }
    let read = |name: &str| std::fs::read(s3.file(&format!("{name}.part_00000")));
    let first = read("a")?;
    for other in ["b", "c", "d"] {
        ensure(read(other)? == first, || format!("{other} differs"))?;
    }
    let refused = session
        .refused(format!("SELECT 1 INTO LINK store '{BUCKET}/a'"))
        .await?;
    same("there is one", &Some(1086), &code(&refused))?;
    s3.faults.expired.store(true, Ordering::Relaxed);
    let refused = session
        .refused(format!("SELECT id, s FROM t INTO LINK store '{BUCKET}/e'"))
        .await?;
    ensure(!format!("{refused:?}").contains(SECRET_KEY), || {
        "the secret is told".to_owned()
    })?;
    ensure(!s3.file("e.part_00000").exists(), || {
        "a part is left".to_owned()
    })
}

fn code(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::Server { code, .. } => Some(*code),
        _ => None,
    }
}

async fn sums(session: &mut Session, table: &str) -> Outcome<Vec<String>> {
    let sql = format!(
        "SELECT COUNT(*), SUM(id), COUNT(s), SUM(LENGTH(s)), SUM(d), ROUND(SUM(f), 3), COUNT(DISTINCT b), \
         MIN(at), MAX(at), MIN(day), MAX(took), SUM(y), SUM(n) FROM {table}"
    );
    Ok(session.lines(sql).await?)
}

async fn round_trip() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session, 20_000).await?;
    link(&s3, &mut session).await?;
    let expected = sums(&mut session, "t").await?;
    let mut number = 0;
    for (export, import) in [
        ("FORMAT PARQUET", "FORMAT PARQUET"),
        ("FORMAT CSV", "FORMAT CSV"),
        ("FORMAT TEXT WITH COMPRESSION", ""),
        (
            "FORMAT TEXT HEADER COMPRESSION zstd MAXFILESIZE '100KB'",
            "IGNORE 1 LINES",
        ),
        ("FORMAT PARQUET PARTITION BY (y)", ""),
        ("FORMAT PARQUET PARTITION BY (s, y)", "FORMAT PARQUET"),
    ] {
        number += 1;
        let path = format!("{BUCKET}/x{number}");
        session
            .run(format!("SELECT * FROM t INTO LINK store '{path}' {export}"))
            .await?;
        session
            .run(format!("CREATE TABLE t{number} LIKE t"))
            .await?;
        match import {
            "" if number == 5 => {
                let insert = format!(
                    "INSERT INTO t5 (id, s, d, f, b, at, day, took, n, y) SELECT id, s, d, f, b, at, day, \
                     took, n, y FROM FILES('{path}/', files => PREFIX, format => parquet, \
                     link => store)"
                );
                session.run(insert).await?;
            }
            _ => {
                let (format, rest) = match import.starts_with("FORMAT") {
                    true => (import, ""),
                    false => ("", import),
                };
                let load = format!(
                    "LOAD DATA LINK store MANIFEST '{path}.manifest' {format} INTO TABLE t{number} {rest}"
                );
                session.run(load).await?;
            }
        }
        let back = sums(&mut session, &format!("t{number}")).await?;
        same(export, &expected, &back)?;
    }
    let count = format!(
        "SELECT COUNT(*), MAX(`id`) FROM FILES('{BUCKET}/x2', files => PREFIX, header => OFF, link => store) f"
    );
    let refused = session.refused(count).await?;
    same(
        "CSV without a header names its columns c1 ..",
        &Some(1054),
        &code(&refused),
    )?;
    let parquet = format!(
        "SELECT COUNT(*), SUM(d) FROM FILES('{BUCKET}/x1.part_00000.parquet', link => store)"
    );
    let of_table = session.lines("SELECT COUNT(*), SUM(d) FROM t").await?;
    same(
        "aggregates over files",
        &of_table,
        &session.lines(parquet).await?,
    )
}

async fn killed() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    let mut other = server.connect_to("db").await?;
    fill(&mut session, 3_000).await?;
    link(&s3, &mut session).await?;
    // Nine million rows, or twenty-seven thousand million: it does not end by itself.
    let endless = format!(
        "SELECT a.* FROM t a JOIN t b JOIN t c INTO LINK store '{BUCKET}/k' FORMAT CSV MAXFILESIZE 9 MB"
    );
    let id = session.lines("SELECT CONNECTION_ID()").await?.remove(0);
    let running = tokio::spawn(async move { (session.run(endless).await, session) });
    let deadline = Instant::now() + Duration::from_secs(60);
    while s3.keys().is_empty() && Instant::now() < deadline {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let shown = other.lines("SHOW EXPORTS").await?;
    ensure(shown.len() == 1 && shown[0].contains("|running|"), || {
        format!("{shown:?}")
    })?;
    let state = format!("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {id}");
    let state = other.lines(state).await?;
    ensure(state[0].starts_with("exporting: "), || format!("{state:?}"))?;
    other.run(format!("KILL QUERY {id}")).await?;
    let (result, mut session) = running.await?;
    let code_of_kill = result.err().as_ref().and_then(code);
    same("KILL", &Some(1317), &code_of_kill)?;
    let deadline = Instant::now() + Duration::from_secs(30);
    while !(s3.keys().is_empty() && s3.open_uploads().is_empty()) {
        ensure(Instant::now() < deadline, || {
            format!("left: {:?} {:?}", s3.keys(), s3.open_uploads())
        })?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    session.must_answer().await
}

async fn same_name() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    let mut other = server.connect_to("db").await?;
    fill(&mut session, 3_000).await?;
    let endless = "SELECT a.* FROM t a JOIN t b JOIN t c INTO OUTFILE 'one.part_00000'";
    let id = session.lines("SELECT CONNECTION_ID()").await?.remove(0);
    let running = tokio::spawn(async move { (session.run(endless).await, session) });
    let deadline = Instant::now() + Duration::from_secs(60);
    while other.lines("SHOW EXPORTS").await?.is_empty() {
        ensure(Instant::now() < deadline, || "not running".into())?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let mine = [
        "SELECT 'mine' INTO OUTFILE 'one.part_00000'",
        "SELECT 'mine' INTO OUTFILE URL 'one' FORMAT TEXT OVERWRITE ON",
    ];
    for mine in mine {
        let refused = other.refused(mine).await?;
        same(mine, &Some(1086), &code(&refused))?;
    }
    other.run("SELECT 'mine' INTO OUTFILE 'one'").await?;
    other.run(format!("KILL QUERY {id}")).await?;
    let (killed, _session) = running.await?;
    same("KILL", &Some(1317), &killed.err().as_ref().and_then(code))?;
    // The killed one has its name until its files are gone, which nobody waits for.
    while let Err(refused) = other.run(mine[0]).await {
        same("while it cleans up", &Some(1086), &code(&refused))?;
        ensure(Instant::now() < deadline, || {
            "the name is never free".into()
        })?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let content = std::fs::read_to_string(dir.path().join("one.part_00000"))?;
    same("content", &"mine\n".to_owned(), &content)?;
    // Two at once: one of them is there, whole.
    let export = "SELECT id, s FROM t INTO OUTFILE URL 'both' FORMAT CSV MAXFILESIZE '64KB'";
    let mut third = server.connect_to("db").await?;
    let (a, b) = futures::future::join(other.run(export), third.run(export)).await;
    let mut codes = [a, b].map(|result| result.err().as_ref().map(code));
    codes.sort();
    same("one of two", &[None, Some(Some(1086))], &codes)?;
    let sql = "SELECT COUNT(*) FROM FILES('both.manifest', files => MANIFEST, header => OFF, \
               format => CSV)";
    same("rows", &vec!["3000".to_owned()], &other.lines(sql).await?)
}

async fn overwriting() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session, 2_000).await?;
    let files = || -> Outcome<Vec<(String, Vec<u8>)>> {
        let mut files = Vec::new();
        for entry in std::fs::read_dir(dir.path())? {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            files.push((name, std::fs::read(entry.path())?));
        }
        files.sort();
        Ok(files)
    };
    let options = "INTO OUTFILE URL 'keep' FORMAT CSV MAXFILESIZE '64KB'";
    session.run(format!("SELECT id FROM t {options}")).await?;
    let before = files()?;
    let broken = format!("SELECT id, (SELECT id FROM t) FROM t {options} OVERWRITE ON");
    let refused = session.refused(broken).await?;
    same("two rows in one place", &Some(1242), &code(&refused))?;
    ensure(files()? == before, || "the old export has changed".into())?;
    let again = format!("SELECT id FROM t WHERE id < 500 {options} OVERWRITE ON");
    session.run(&again).await?;
    let count =
        "SELECT COUNT(*) FROM FILES('keep.part_', files => PREFIX, header => OFF, format => CSV)";
    let rows = session.lines(count).await?;
    same("rows that are there", &vec!["500".to_owned()], &rows)
}

/// More files than there are threads that wait for files, and a client that takes one row.
async fn slow_reader() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    std::fs::create_dir(dir.path().join("many"))?;
    let content = "a\n".to_owned() + &"1\n".repeat(60_000);
    for number in 0..600 {
        std::fs::write(dir.path().join(format!("many/f{number:03}.csv")), &content)?;
    }
    let mut slow = server.connect_to("db").await?;
    let sql = "SELECT a, REPEAT('x', 200) FROM FILES('many/', files => PREFIX)";
    let mut rows = slow.conn().query_iter(sql).await?;
    ensure(rows.next().await?.is_some(), || "no row".into())?;
    tokio::time::sleep(Duration::from_secs(3)).await;
    let mut other = server.connect_to("db").await?;
    for sql in [
        "SELECT COUNT(*) FROM FILES('many/f000.csv')",
        "SELECT COUNT(*) FROM FILES('many/f00', files => PREFIX)",
        "SELECT 1 INTO OUTFILE 'out.txt'",
    ] {
        let answer = tokio::time::timeout(Duration::from_secs(40), other.run(sql)).await;
        answer.map_err(|_| format!("no answer: {sql}"))??;
    }
    // Without waiting for all the rows.
    drop(rows);
    std::mem::forget(slow);
    Ok(())
}

async fn json_lines() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    let lines = "{\"d\":1234567890123456.7891,\"big\":12345678901234567890123456789}\n\
                 {\"d\":1e3,\"big\":-0.50}\n";
    std::fs::write(dir.path().join("n.ndjson"), lines)?;
    session
        .run("CREATE TABLE d (d DECIMAL(20,4), big DECIMAL(38,2))")
        .await?;
    session
        .run("LOAD DATA INFILE 'n.ndjson' INTO TABLE d FORMAT NDJSON")
        .await?;
    let stored = session.lines("SELECT d, big FROM d ORDER BY big").await?;
    let expected = [
        "1000.0000|-0.50",
        "1234567890123456.7891|12345678901234567890123456789.00",
    ];
    same("loaded", &expected.map(String::from).to_vec(), &stored)?;
    let sql = "SELECT d, big FROM FILES('n.ndjson', format => ndjson)";
    let read = session.lines(sql).await?;
    let expected = [
        "1234567890123456.7891|12345678901234567890123456789",
        "1000|-0.50",
    ];
    same("read", &expected.map(String::from).to_vec(), &read)
}

async fn detached() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session, 5_000).await?;
    link(&s3, &mut session).await?;
    let begun = session
        .lines(format!("SELECT a.* FROM t a JOIN (SELECT 1 FROM t LIMIT 20) b INTO LINK store '{BUCKET}/n' FORMAT PARQUET ASYNC"))
        .await?;
    same("id and url", &vec![format!("1|s3://{BUCKET}/n")], &begun)?;
    drop(session);
    let mut other = server.connect_to("db").await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let shown = other.lines("SHOW EXPORTS").await?.remove(0);
        if shown.contains("|done|") {
            ensure(shown.contains("|100000|"), || shown.clone())?;
            break;
        }
        ensure(
            shown.contains("|running|") && Instant::now() < deadline,
            || shown.clone(),
        )?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    same("manifest", &true, &s3.file("n.manifest").exists())
}

async fn secrets() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    let mut other = server.connect_to("db").await?;
    fill(&mut session, 400).await?;
    link(&s3, &mut session).await?;
    let access = access(&s3);
    let misspelt = access.replace("CREDENTIALS", "CREDENTIAL");
    let mut shown = Vec::new();
    for statement in [
        format!("SELECT * FROM t INTO S3 '{BUCKET}/a' {access} NONSENSE"),
        format!("SELECT * FROM t INTO S3 '{BUCKET}/a' {access} FROM nowhere"),
        format!("SELECT * FROM missing INTO S3 '{BUCKET}/a' {access}"),
        format!("CREATE LINK store AS S3 {access}"),
        format!("CREATE LINK x AS S3 {access} NONSENSE"),
        format!("CREATE LINK x AS S3 CREDENTIALS '{{\"{SECRET_KEY}\": 1}}'"),
        format!(
            "SELECT * FROM FILES('s3://{BUCKET}/none', credentials => '{{\"aws_access_key_id\": \"x\", \"aws_secret_access_key\": \"{SECRET_KEY}\"}}')"
        ),
        format!("LOAD DATA FROM S3 's3://{BUCKET}/none' {access} INTO TABLE t"),
        format!("LOAD DATA FROM S3 's3://{BUCKET}/a' {misspelt} INTO TABLE t"),
        format!("SELECT * FROM t INTO S3 '{BUCKET}/a' {misspelt}"),
        format!(
            "CREATE LINK x AS S3 CREDENTIALS = = '{{\"aws_secret_access_key\": \"{SECRET_KEY}\"}}'"
        ),
        format!(
            "CREATE LINK x AS S3 CREDENTIALS '{{\"aws_secret_access_key\": ' '\"{SECRET_KEY}\"}}'"
        ),
        format!("CREATE LINK x AS S3 CREDENTIALS {{\"aws_secret_access_key\": \"{SECRET_KEY}\"}}"),
        format!(
            "SELECT * FROM FILES('x', credentials => '{{\"aws_secret_access_key\": ' '\"{SECRET_KEY}\"}}')"
        ),
        format!("SELECT SLEEP(1) FROM nowhere KEYS '{{\"secret_key\": \"{SECRET_KEY}\"}}'"),
    ] {
        shown.push(session.refused(statement).await?.to_string());
        shown.extend(session.lines("SHOW WARNINGS").await?);
    }
    session
        .run(format!("SELECT * FROM t INTO S3 '{BUCKET}/ok' {access}"))
        .await?;
    shown.extend(other.lines("SHOW EXPORTS").await?);
    shown.extend(other.lines("SHOW LINKS").await?);
    let sleeping = format!(
        "SELECT COUNT(*), '{{\"secret_key\": \"{SECRET_KEY}\"}}' FROM t a JOIN t b JOIN t c \
         WHERE a.id + b.id > c.id INTO S3 '{BUCKET}/slow' {access}"
    );
    let running = tokio::spawn(async move { session.run(sleeping).await.is_ok() });
    for _ in 0..20 {
        shown.extend(other.lines("SHOW FULL PROCESSLIST").await?);
        tokio::time::sleep(Duration::from_millis(30)).await;
    }
    ensure(
        shown.iter().any(|line| line.contains("CREDENTIALS '***'")),
        || format!("the statement is not seen running: {shown:?}"),
    )?;
    ensure(running.await?, || "the slow export failed".to_owned())?;
    shown.push(server.whole_log());
    for line in &shown {
        ensure(!line.contains("CANARY"), || {
            format!("a secret is shown: {line}")
        })?;
    }
    Ok(())
}

async fn refusals() -> Outcome {
    let (s3, dir) = (S3Server::start(), tempfile::tempdir()?);
    let server = start(&s3, dir.path())?;
    let mut session = server.connect_to("db").await?;
    let keys = format!(
        "CREDENTIALS '{{\"aws_access_key_id\": \"{ACCESS_KEY}\", \"aws_secret_access_key\": \"{SECRET_KEY}\"}}'"
    );
    for (endpoint, expected) in [
        ("http://169.254.169.254", 1290),
        ("http://127.0.0.1:1", 1290),
        ("http://localhost:80", 1290),
        ("https://example.com", 1290),
        ("http://[::1]:9000", 1290),
        ("http://2130706433", 1290),
    ] {
        let sql =
            format!("SELECT 1 INTO S3 'b/p' CONFIG '{{\"endpoint_url\": \"{endpoint}\"}}' {keys}");
        same(
            endpoint,
            &Some(expected),
            &code(&session.refused(sql).await?),
        )?;
    }
    for (sql, expected) in [
        ("SELECT 1 INTO S3 'b/p'", 63_985),
        ("SELECT 1 INTO OUTFILE S3 'ftp://b/p'", 1525),
        ("SELECT 1 INTO OUTFILE '/tmp/storno-outside'", 1290),
        ("SELECT 1 INTO OUTFILE '../outside'", 1290),
        ("SELECT 1 INTO OUTFILE URL '/tmp/storno-outside'", 1290),
        ("SELECT 1 INTO LINK nowhere 'b/p'", 1477),
        (
            "SELECT 1 AS a, 2 AS a INTO OUTFILE URL 'x' FORMAT PARQUET",
            1060,
        ),
        (
            "SELECT 1 INTO OUTFILE URL 'x' FORMAT PARQUET PARTITION BY (z)",
            1054,
        ),
        ("SELECT 1 UNION SELECT 2 INTO DUMPFILE 'two'", 1172),
        ("SELECT * FROM FILES('/etc/passwd')", 1290),
    ] {
        same(sql, &Some(expected), &code(&session.refused(sql).await?))?;
    }
    same(
        "nothing was written",
        &0,
        &std::fs::read_dir(dir.path())?.count(),
    )?;
    session.must_answer().await
}

/// MariaDB and Storno write the same bytes.
async fn outfile() -> Outcome {
    let (s3, dir, other) = (
        S3Server::start(),
        tempfile::tempdir()?,
        tempfile::tempdir()?,
    );
    let server = start(&s3, dir.path())?;
    let judge = Server::start_judge()?;
    let mut storno = server.connect_to("db").await?;
    let mut mariadb = judge.connect_to("db").await?;
    for session in [&mut storno, &mut mariadb] {
        fill(session, 300).await?;
    }
    std::fs::set_permissions(
        other.path(),
        std::os::unix::fs::PermissionsExt::from_mode(0o777),
    )?;
    for (number, rules) in [
        "",
        "FIELDS TERMINATED BY ',' ENCLOSED BY '\"'",
        "FIELDS TERMINATED BY ',' OPTIONALLY ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n'",
        "FIELDS TERMINATED BY '||' ESCAPED BY '!'",
        "FIELDS TERMINATED BY 'n' LINES STARTING BY '>>'",
        "FIELDS ENCLOSED BY 'n' ESCAPED BY '\\\\'",
    ]
    .iter()
    .enumerate()
    {
        let query = |file: &Path| {
            format!(
                "SELECT id, s, d, f, b, at, day, took, y, n FROM t ORDER BY id INTO OUTFILE '{}' {rules}",
                file.display()
            )
        };
        let files = [
            dir.path().join(number.to_string()),
            other.path().join(number.to_string()),
        ];
        let rows = storno.run(query(&files[0])).await?.affected_rows;
        same(rules, &300, &rows)?;
        mariadb.run(query(&files[1])).await?;
        let [own, expected] = [std::fs::read(&files[0])?, std::fs::read(&files[1])?];
        let at = own.iter().zip(&expected).position(|(a, b)| a != b);
        ensure(own == expected, || {
            let near = |bytes: &[u8]| {
                let from = at.unwrap_or(0).saturating_sub(20);
                String::from_utf8_lossy(&bytes[from..bytes.len().min(from + 60)]).into_owned()
            };
            format!("{rules}: {:?}, not {:?}", near(&own), near(&expected))
        })?;
    }
    let again = storno.refused(format!(
        "SELECT 1 INTO OUTFILE '{}'",
        dir.path().join("0").display()
    ));
    same("exists", &Some(1086), &code(&again.await?))?;
    storno.run("SELECT X'0001FF' INTO DUMPFILE 'dump'").await?;
    same(
        "dump",
        &vec![0, 1, 0xFF],
        &std::fs::read(dir.path().join("dump"))?,
    )
}
