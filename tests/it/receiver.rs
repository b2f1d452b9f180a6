//! Rows over HTTP: who may send them, what becomes of each, what is refused as a whole; and private columns,
//! of whose values no file of the data directory may hold anything.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use libtest_mimic::Trial;
use mysql_async::Value;

use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, same};

pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("receiver::{name}"), test);
    vec![
        plain("rows_are_stored_counted_and_named", || block_on(rows())),
        plain("a_token_is_for_one_table_and_one_site", || {
            block_on(tokens())
        }),
        plain("what_is_too_much_or_no_rows_is_refused", || {
            block_on(refusals())
        }),
        plain("senders_that_stall_hold_up_nobody", || block_on(stalled())),
        plain("small_packed_bodies_come_side_by_side", || {
            block_on(side_by_side())
        }),
        plain("many_short_rows_are_bounded", || block_on(short_rows())),
        plain("numbers_keep_their_digits", || block_on(digits())),
        plain("an_answer_is_no_promise_to_commit", || {
            block_on(autocommit())
        }),
        plain("rows_sent_again_after_a_kill_are_known", || {
            block_on(killed())
        }),
        plain("no_file_holds_what_a_private_column_was_given", || {
            block_on(canary())
        }),
    ]
}

fn receiving() -> Outcome<Server> {
    Server::start_with(&[
        ("STORNO_HTTP_LISTEN", "127.0.0.1:0"),
        ("STORNO_LOCAL_INFILE", "true"),
    ])
}

/// Where the server takes rows, as it says last in its log.
fn port(server: &Server) -> Outcome<u16> {
    let log = server.log_tail();
    let line = log.lines().rfind(|line| line.contains("Rows over HTTP"));
    let address = line.and_then(|line| line.split("http://").nth(1)?.split('/').next());
    let port = address.and_then(|address| address.rsplit(':').next()?.parse().ok());
    Ok(port.ok_or_else(|| format!("no HTTP address in {log}"))?)
}

struct Answer {
    status: u16,
    head: String,
    body: String,
}

/// One request on a connection of its own.
fn post(
    server: &Server,
    path: &str,
    token: Option<&str>,
    (headers, body): (&str, &[u8]),
) -> Outcome<Answer> {
    let mut stream = TcpStream::connect(("127.0.0.1", port(server)?))?;
    stream.set_read_timeout(Some(Duration::from_secs(60)))?;
    let token = token.map_or(String::new(), |t| format!("Authorization: Bearer {t}\r\n"));
    let head = format!(
        "POST {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{token}{headers}\
         Content-Length: {}\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes())?;
    // A refused body may not be read to its end.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let text = String::from_utf8_lossy(&answer).into_owned();
    let (head, body) = text
        .split_once("\r\n\r\n")
        .ok_or(format!("no answer: {text}"))?;
    let status = head.split(' ').nth(1).unwrap_or_default().parse()?;
    Ok(Answer {
        status,
        head: head.to_ascii_lowercase(),
        body: body.to_owned(),
    })
}

async fn token(session: &mut Session, sql: &str) -> Outcome<String> {
    let lines = session.lines(sql).await?;
    Ok(lines.first().cloned().ok_or("no token")?)
}

fn code(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Server { code, .. } => *code,
        Refusal::Broken(_) => 0,
    }
}

const TABLE: &str = "CREATE TABLE hits (id VARCHAR(36) NOT NULL, site INT NOT NULL, \
                     at TIMESTAMP(3) NOT NULL, kind ENUM('view', 'click') NOT NULL DEFAULT 'view', \
                     ms SMALLINT, extra JSON, CHECK (ms >= 0), EVENT KEY (id)) \
                     ON INVALID INTO hits_bad";

async fn rows() -> Outcome {
    let mut server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN tracker ON hits").await?;
    let path = "/v1/ingest/web/hits";
    let body =
        br#"[{"id":"a","site":1,"at":"2026-11-30T10:00:00.5Z","ms":3,"extra":{"x":[1,null]}},
        {"ID":"b","site":"2","at":"2026-11-30 10:00:01"},
        {"id":"c","site":1,"at":"2026-11-30T12:00:02+02:00","kind":"scroll"},
        {"id":"d","site":1,"at":"2026-11-30 10:00:03","ms":-1},
        {"id":"e","site":1,"at":"2026-11-30 10:00:03","colour":"red"},
        {"id":"a","site":1,"at":"2026-11-30T10:00:00Z"}]"#;
    let answer = post(&server, path, Some(&token), ("", body))?;
    same("status", &200, &answer.status)?;
    let expected = r#"{"accepted":2,"duplicate":1,"rejected":[{"row":2,"code":1265,"reason":"Data truncated for column 'kind' at row 3"},{"row":3,"code":3819,"reason":"Check constraint 'hits_chk_1' is violated."},{"row":4,"code":1054,"reason":"Unknown column 'colour' in 'field list'"}]}"#;
    same("body", &expected.to_owned(), &answer.body)?;
    let stored = session
        .lines("SELECT id, site, at, kind, ms, extra FROM hits ORDER BY id")
        .await?;
    let expected = [
        "a|1|2026-11-30 10:00:00.500|view|3|{\"x\": [1, null]}",
        "b|2|2026-11-30 10:00:01.000|view|NULL|NULL",
    ];
    same("stored", &expected.map(String::from).to_vec(), &stored)?;
    let sql = "SELECT id, invalid_code, SUBSTRING_INDEX(invalid_client, ' ', 2), \
               JSON_EXTRACT(CONVERT(invalid_row USING utf8mb4), '$.site') FROM hits_bad ORDER BY id";
    let aside = session.lines(sql).await?;
    let expected = [
        "c|1265|token tracker@127.0.0.1|1",
        "d|3819|token tracker@127.0.0.1|1",
        "e|1054|token tracker@127.0.0.1|1",
    ];
    same("aside", &expected.map(String::from).to_vec(), &aside)?;
    // Lines, packed, one of them no JSON.
    let lines = b"{\"id\":\"f\",\"site\":1,\"at\":\"2026-11-30 10:00:04\"}\nnot json\n";
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(lines)?;
    let packed = gzip.finish()?;
    let headers = "Content-Encoding: gzip\r\nContent-Type: application/x-ndjson\r\n";
    let answer = post(&server, path, Some(&token), (headers, &packed))?;
    let counted = answer
        .body
        .starts_with(r#"{"accepted":1,"duplicate":0,"rejected":[{"row":1,"code":3140,"#);
    ensure(answer.status == 200 && counted, || answer.body.clone())?;
    let answer = post(&server, path, Some(&token), ("", b"{\"id\":\"g\"}"))?;
    same("nothing stored", &422, &answer.status)?;
    server.restart()?;
    let mut session = server.connect_to("web").await?;
    let count = session
        .lines("SELECT COUNT(*), (SELECT COUNT(*) FROM hits_bad) FROM hits")
        .await?;
    same("after a restart", &vec!["3|5".to_owned()], &count)?;
    let answer = post(&server, path, Some(&token), (headers, &packed))?;
    let counted = answer.body.starts_with(r#"{"accepted":0,"duplicate":1,"#);
    ensure(answer.status == 200 && counted, || answer.body.clone())
}

async fn tokens() -> Outcome {
    let server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    session.run("CREATE TABLE other (site INT, n INT)").await?;
    let one = token(
        &mut session,
        "CREATE INGEST TOKEN `shop 7` ON web.other FOR site = 7",
    )
    .await?;
    let again = session
        .refused("CREATE INGEST TOKEN 'SHOP 7' ON other")
        .await?;
    same("again", &1396, &code(&again))?;
    let missing = session
        .refused("CREATE INGEST TOKEN x ON other FOR shop = 7")
        .await?;
    same("no column", &1054, &code(&missing))?;
    let listed = session.lines("SHOW INGEST TOKENS").await?;
    same(
        "listed",
        &vec!["shop 7|web|other|site = 7".to_owned()],
        &listed,
    )?;
    let status = |path: &str, token: Option<&str>| -> Outcome<u16> {
        Ok(post(&server, path, token, ("", b"{\"n\":1}"))?.status)
    };
    same("nobody", &401, &status("/v1/ingest/web/other", None)?)?;
    same(
        "unknown",
        &401,
        &status("/v1/ingest/web/other", Some("sti_00"))?,
    )?;
    same(
        "another table",
        &403,
        &status("/v1/ingest/web/hits", Some(&one))?,
    )?;
    same("another path", &404, &status("/v1/other", Some(&one))?)?;
    let body = b"{\"n\":1}\n{\"n\":2,\"site\":7}\n{\"n\":3,\"site\":\"7\"}\n{\"n\":4,\"site\":8}";
    let answer = post(&server, "/v1/ingest/web/other", Some(&one), ("", body))?;
    let counted = answer
        .body
        .starts_with(r#"{"accepted":3,"duplicate":0,"rejected":[{"row":3,"code":1143,"#);
    ensure(counted, || answer.body.clone())?;
    let stored = session
        .lines("SELECT n, site FROM other ORDER BY n")
        .await?;
    same(
        "stored",
        &["1|7", "2|7", "3|7"].map(String::from).to_vec(),
        &stored,
    )?;
    session.run("DROP INGEST TOKEN `shop 7`").await?;
    same(
        "dropped",
        &401,
        &status("/v1/ingest/web/other", Some(&one))?,
    )?;
    let files = files_with(&server, one.as_bytes())?;
    same("files with the token", &Vec::<String>::new(), &files)
}

async fn refusals() -> Outcome {
    let server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON hits").await?;
    let post = |headers: &str, body: &[u8]| {
        post(
            &server,
            "/v1/ingest/web/hits",
            Some(&token),
            (headers, body),
        )
    };
    same("no array", &400, &post("", b"[{\"id\":")?.status)?;
    same(
        "no gzip",
        &400,
        &post("Content-Encoding: gzip\r\n", b"{}")?.status,
    )?;
    same(
        "zstd",
        &415,
        &post("Content-Encoding: zstd\r\n", b"{}")?.status,
    )?;
    same("empty", &200, &post("", b"")?.status)?;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    gzip.write_all(&vec![b' '; 100 << 20])?;
    let packed = gzip.finish()?;
    same(
        "a bomb",
        &413,
        &post("Content-Encoding: gzip\r\n", &packed)?.status,
    )?;
    let large = vec![b' '; 33 << 20];
    same("large", &413, &post("", &large)?.status)?;
    Ok(())
}

const ROW: &[u8] = b"{\"id\":\"z\",\"site\":1,\"at\":\"2026-11-30 10:00:04\"}";

/// Senders that announce 32 MiB and send so many bytes of them.
fn begin(server: &Server, token: &str, senders: usize, bytes: usize) -> Outcome<Vec<TcpStream>> {
    let head = format!(
        "POST /v1/ingest/web/hits HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\
         Content-Length: {}\r\n\r\n",
        32 << 20
    );
    let sender = |_| {
        let mut stream = TcpStream::connect(("127.0.0.1", port(server)?))?;
        stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        stream.write_all(head.as_bytes())?;
        stream.write_all(&vec![b' '; bytes])?;
        Ok(stream)
    };
    (0..senders).map(sender).collect()
}

async fn stalled() -> Outcome {
    let server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON hits").await?;
    let post = || post(&server, "/v1/ingest/web/hits", Some(&token), ("", ROW));
    let mut waiting = begin(&server, &token, 40, 1)?;
    same("beside senders that stall", &200, &post()?.status)?;
    // They are told to try again, and not waited for; who is told has given back its room.
    for stream in &mut waiting {
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        ensure(answer.starts_with("HTTP/1.1 408 "), || answer.clone())?;
    }
    // What has come takes room. A sender whose last bytes come beside others' may be the one that is refused.
    let busy = (0..10).find_map(|_| {
        let waiting = begin(&server, &token, 8, (32 << 20) - 1).ok()?;
        std::thread::sleep(Duration::from_millis(500));
        let refused = |_| {
            std::thread::sleep(Duration::from_millis(100));
            post().ok().filter(|answer| answer.status == 429)
        };
        let busy = (0..10).find_map(refused);
        drop(waiting);
        busy
    });
    let busy = busy.ok_or("never busy")?;
    ensure(busy.head.contains("retry-after: 1"), || busy.head.clone())?;
    for _ in 0..200 {
        if post()?.status == 200 {
            return session.must_answer().await;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Err("still busy".into())
}

fn packed(bytes: &[u8]) -> Outcome<Vec<u8>> {
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(bytes)?;
    Ok(gzip.finish()?)
}

const GZIP: &str = "Content-Encoding: gzip\r\n";

async fn side_by_side() -> Outcome {
    let server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run("CREATE TABLE n (n INT)").await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON n").await?;
    let body = packed(b"{\"n\":1}")?;
    let statuses = std::thread::scope(|scope| {
        let send = || post(&server, "/v1/ingest/web/n", Some(&token), (GZIP, &body));
        let threads: Vec<_> = (0..40).map(|_| scope.spawn(send)).collect();
        let joined = threads.into_iter().map(|thread| thread.join());
        let status = |joined: std::thread::Result<Outcome<Answer>>| match joined {
            Ok(Ok(answer)) => answer.status,
            _ => 0,
        };
        joined.map(status).collect::<Vec<u16>>()
    });
    same("statuses", &vec![200; 40], &statuses)?;
    let count = session.lines("SELECT COUNT(*) FROM n").await?;
    same("rows", &vec!["40".to_owned()], &count)
}

async fn short_rows() -> Outcome {
    let mut server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON hits").await?;
    let post = |body: &[u8]| post(&server, "/v1/ingest/web/hits", Some(&token), (GZIP, body));
    let zeros = |count: usize| packed(format!("[0{}]", ",0".repeat(count - 1)).as_bytes());
    // Four million rows in 8 KB.
    let answer = post(&zeros(4 << 20)?)?;
    same("a bomb of rows", &413, &answer.status)?;
    let objects = packed("{}\n".repeat(8 << 20).as_bytes())?;
    same("empty objects", &413, &post(&objects)?.status)?;
    let answer = post(&zeros(5_000)?)?;
    same("no rows", &422, &answer.status)?;
    let listed = answer.body.matches("\"code\":3140").count();
    same("listed", &1_000, &listed)?;
    ensure(answer.body.ends_with(",\"unlisted\":4000}"), || {
        answer.body.chars().rev().take(50).collect()
    })?;
    let long = format!("{{\"{}\":1}}", "x".repeat(1 << 20));
    let answer = post(&packed(long.as_bytes())?)?;
    ensure(answer.status == 422 && answer.body.len() < 1_000, || {
        format!("{} {}", answer.status, answer.body.len())
    })?;
    let many: Vec<String> = (0..20_000).map(|i| format!("\"c{i}\":1")).collect();
    let answer = post(&packed(format!("{{{}}}", many.join(",")).as_bytes())?)?;
    ensure(answer.body.contains("more than 10000 values"), || {
        answer.body.clone()
    })?;
    server.must_be_running()?;
    let count = session.lines("SELECT COUNT(*) FROM hits").await?;
    same("rows", &vec!["0".to_owned()], &count)
}

async fn digits() -> Outcome {
    let server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session
        .run("CREATE TABLE d (id INT, d DECIMAL(20,4), big DECIMAL(38,0), n BIGINT UNSIGNED, f DOUBLE, s VARCHAR(60), j JSON)")
        .await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON d").await?;
    let body = br#"[{"id":1,"d":1234567890123456.7891,"big":12345678901234567890123456789,"n":18446744073709551615,"f":0.1,"s":1.10,"j":{"a":1.5}},
        {"id":2,"d":12345678901234567891e-4,"big":1.2E30,"f":1e300,"s":12345678901234567890.5,"j":2.50}]"#;
    let answer = post(&server, "/v1/ingest/web/d", Some(&token), ("", body))?;
    same(
        "body",
        &r#"{"accepted":2,"duplicate":0,"rejected":[]}"#.to_owned(),
        &answer.body,
    )?;
    let stored = session.lines("SELECT * FROM d ORDER BY id").await?;
    let expected = [
        "1|1234567890123456.7891|12345678901234567890123456789|18446744073709551615|0.1|1.10|{\"a\": 1.5}",
        "2|1234567890123456.7891|1200000000000000000000000000000|NULL|1e300|12345678901234567890.5|2.5",
    ];
    same("stored", &expected.map(String::from).to_vec(), &stored)
}

async fn autocommit() -> Outcome {
    let mut server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON hits").await?;
    session.run("SET GLOBAL autocommit = 0").await?;
    let body = [ROW, b"\n{\"id\":\"y\"}"].concat();
    let answer = post(&server, "/v1/ingest/web/hits", Some(&token), ("", &body))?;
    ensure(answer.body.starts_with("{\"accepted\":1,"), || {
        answer.body.clone()
    })?;
    server.restart()?;
    let mut session = server.connect_to("web").await?;
    let count = "SELECT COUNT(*), (SELECT COUNT(*) FROM hits_bad) FROM hits";
    same(
        "rows",
        &vec!["1|1".to_owned()],
        &session.lines(count).await?,
    )
}

/// A sender that does not hear of its last rows sends them again.
async fn killed() -> Outcome {
    let mut server = receiving()?;
    let mut session = server.connect_to("web").await?;
    session.run(TABLE).await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON hits").await?;
    let body = |from: u64| -> Vec<u8> {
        let line = |i: u64| {
            format!(
                "{{\"id\":\"e{i}\",\"site\":1,\"at\":\"2026-11-30 10:00:00\",\"ms\":{}}}\n",
                i % 40_000
            )
        };
        (from..from + 500)
            .map(line)
            .collect::<String>()
            .into_bytes()
    };
    let path = "/v1/ingest/web/hits";
    let mut sent = 0;
    for _ in 0..4 {
        for _ in 0..6 {
            let answer = post(&server, path, Some(&token), ("", &body(sent)))?;
            same("status", &200, &answer.status)?;
            sent += 500;
        }
        server.kill()?;
        server.start_again()?;
        let answer = post(&server, path, Some(&token), ("", &body(sent - 500)))?;
        let known = answer.body.starts_with(r#"{"accepted":0,"duplicate":500,"#);
        ensure(known, || answer.body.clone())?;
    }
    let mut session = server.connect_to("web").await?;
    let count = session
        .lines("SELECT COUNT(*), COUNT(DISTINCT id) FROM hits")
        .await?;
    same("rows", &vec![format!("{sent}|{sent}")], &count)
}

const CANARY: &str = "canary-ada-lovelace-1815";

async fn canary() -> Outcome {
    let mut server = receiving()?;
    let mut session = server.connect_to("db").await?;
    session
        .run(
            "CREATE TABLE t (id INT NOT NULL, who VARCHAR(64) PSEUDONYMISE, \
             raw VARBINARY(40) PSEUDONYMISE ROTATE NEVER, n TINYINT, UNIQUE KEY (id)) \
             ON INVALID INTO t_bad",
        )
        .await?;
    let c = CANARY;
    session
        .run(format!(
            "INSERT INTO t VALUES (1, '{c}', '{c}', 1), (2, '{c}', '{c}', 999)"
        ))
        .await?;
    session
        .run(format!(
            "INSERT INTO t VALUES (3, CONCAT('{c}', ''), '{c}', 1)"
        ))
        .await?;
    let values: Vec<Value> = vec![4.into(), c.into(), c.into(), 1.into()];
    session
        .execute("INSERT INTO t VALUES (?, ?, ?, ?)", values)
        .await?;
    session
        .run(format!("INSERT INTO t SELECT 5, '{c}', '{c}', 1"))
        .await?;
    session
        .run(format!("REPLACE INTO t VALUES (5, '{c}', '{c}', 2)"))
        .await?;
    let upsert =
        format!("INSERT INTO t VALUES (5, 'x', 'x', 3) ON DUPLICATE KEY UPDATE who = '{c}'");
    session.run(upsert).await?;
    session
        .run(format!(
            "UPDATE t SET who = '{c}', raw = '{c}' WHERE id = 1"
        ))
        .await?;
    session.run("BEGIN").await?;
    session
        .run(format!("INSERT INTO t VALUES (6, '{c}', '{c}', 1)"))
        .await?;
    session.run("COMMIT").await?;
    let content = Bytes::from(format!("7\t{c}\t{c}\t1\n8\t{c}\t{c}\tmany\n"));
    session
        .conn()
        .set_infile_handler(async move { Ok(futures::stream::iter([Ok(content)]).boxed()) });
    session
        .run("LOAD DATA LOCAL INFILE 'x' REPLACE INTO TABLE t")
        .await?;
    let token = token(&mut session, "CREATE INGEST TOKEN t ON t").await?;
    let body =
        format!("{{\"id\":9,\"who\":\"{c}\",\"raw\":\"{c}\"}}\n{{\"id\":\"ten\",\"who\":\"{c}\"}}");
    let answer = post(
        &server,
        "/v1/ingest/db/t",
        Some(&token),
        ("", body.as_bytes()),
    )?;
    ensure(answer.body.starts_with(r#"{"accepted":1,"#), || {
        answer.body.clone()
    })?;
    let counts = session
        .lines("SELECT COUNT(*), COUNT(DISTINCT who), COUNT(DISTINCT raw) FROM t")
        .await?;
    same("rows", &vec!["7|1|1".to_owned()], &counts)?;
    let aside = session.lines("SELECT COUNT(*) FROM t_bad").await?;
    same("aside", &vec!["3".to_owned()], &aside)?;
    same(
        "in the log",
        &Vec::<String>::new(),
        &files_with(&server, c.as_bytes())?,
    )?;
    // Segments, too.
    session.run("OPTIMIZE TABLE t").await?;
    server.restart()?;
    let session = server.connect_to("db").await;
    session?.must_answer().await?;
    same(
        "in files",
        &Vec::<String>::new(),
        &files_with(&server, c.as_bytes())?,
    )
}

/// Files below the data directory that hold these bytes.
fn files_with(server: &Server, bytes: &[u8]) -> Outcome<Vec<String>> {
    let mut found = Vec::new();
    let mut directories = vec![server.data_dir()];
    let mut files = 0;
    while let Some(directory) = directories.pop() {
        for entry in std::fs::read_dir(directory)? {
            let path = entry?.path();
            if path.is_dir() {
                directories.push(path);
                continue;
            }
            files += 1;
            let content = std::fs::read(&path)?;
            if content.windows(bytes.len()).any(|window| window == bytes) {
                found.push(path.display().to_string());
            }
        }
    }
    ensure(files > 1, || "no files were looked at".to_owned())?;
    Ok(found)
}
