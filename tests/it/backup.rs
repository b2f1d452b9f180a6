//! BACKUP DATABASE to an S3 server in this process and to a directory, `storno restore`, `storno backups`: under
//! writers, faults, SIGKILL and damage.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::harness::random::Random;
use crate::harness::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::harness::session::options;
use crate::harness::{Outcome, Refusal, Server, Session, block_on, ensure, same};

pub fn trials() -> Vec<Trial> {
    let plain = |name: &str, test: fn() -> Outcome| Trial::test(format!("backup::{name}"), test);
    vec![
        plain("what_is_restored_is_what_was_there", || {
            block_on(round_trip())
        }),
        plain("a_small_change_sends_little", || block_on(incremental())),
        plain("a_backup_is_one_moment_while_others_write", || {
            block_on(one_moment())
        }),
        plain("one_database_goes_without_the_others", || {
            block_on(one_database())
        }),
        plain("faults_of_the_store_are_survived", || block_on(faults())),
        plain("a_killed_server_leaves_backups_whole", || {
            block_on(killed_server())
        }),
        plain("damage_is_refused", || block_on(damage())),
        plain("a_killed_backup_stops", || block_on(killed_backup())),
        plain("a_backup_follows_the_server", || block_on(continuous())),
        plain("old_backups_are_removed", || block_on(pruned())),
        plain("privileges_and_secrets", || block_on(privileges())),
    ]
}

const ROWS: u64 = 20_000;

/// Where backups go in a test: an S3 server, or a directory of the server's.
struct Place {
    s3: Option<S3Server>,
    dir: tempfile::TempDir,
}

impl Place {
    fn s3() -> Outcome<Self> {
        let (s3, dir) = (Some(S3Server::start()), tempfile::tempdir()?);
        Ok(Self { s3, dir })
    }

    fn local() -> Outcome<Self> {
        let (s3, dir) = (None, tempfile::tempdir()?);
        Ok(Self { s3, dir })
    }

    fn server(&self) -> &S3Server {
        self.s3.as_ref().expect("a place in S3")
    }

    /// A server that may write there, with small segments.
    fn start(&self) -> Outcome<Server> {
        let endpoint = self.s3.as_ref().map(S3Server::endpoint).unwrap_or_default();
        let dir = self.dir.path().to_string_lossy();
        let mut settings = vec![
            ("STORNO_SECURE_FILE_PRIV", &*dir),
            ("STORNO_SEGMENT_ROWS", "1024"),
        ];
        if self.s3.is_some() {
            settings.push(("STORNO_STORE_ENDPOINTS", &endpoint));
        }
        Server::start_with(&settings)
    }

    fn backup(&self, of: &str) -> String {
        match &self.s3 {
            Some(s3) => format!(
                "BACKUP DATABASE {of} TO S3 '{BUCKET}/all' CONFIG '{{\"endpoint_url\": \"{}\"}}' \
                 CREDENTIALS '{{\"aws_access_key_id\": \"{ACCESS_KEY}\", \
                 \"aws_secret_access_key\": \"{SECRET_KEY}\"}}'",
                s3.endpoint()
            ),
            None => format!("BACKUP DATABASE {of} TO 'all'"),
        }
    }

    fn url(&self) -> String {
        match &self.s3 {
            Some(_) => format!("s3://{BUCKET}/all"),
            None => self.dir.path().join("all").to_string_lossy().into_owned(),
        }
    }

    /// Where an object is.
    fn object(&self, path: &str) -> PathBuf {
        match &self.s3 {
            Some(s3) => s3.file(&format!("all/{path}")),
            None => self.dir.path().join("all").join(path),
        }
    }

    /// Runs the program on this place.
    fn storno(&self, command: &str, more: &[&str]) -> Outcome<Output> {
        let mut storno = Command::new(Server::program());
        let names = std::env::vars_os().map(|(name, _)| name);
        for name in names.filter(|name| name.to_string_lossy().starts_with("STORNO_")) {
            storno.env_remove(name);
        }
        storno.arg(command).arg(self.url()).args(more);
        if let Some(s3) = &self.s3 {
            storno.env("AWS_ENDPOINT_URL", s3.endpoint());
            storno.env("AWS_ACCESS_KEY_ID", ACCESS_KEY);
            storno.env("AWS_SECRET_ACCESS_KEY", SECRET_KEY);
        }
        Ok(storno.output()?)
    }

    fn restore(&self, dir: &Path, more: &[&str]) -> Outcome<Output> {
        let dir = dir.to_string_lossy();
        let options = [&["--data-dir", &*dir], more].concat();
        self.storno("restore", &options)
    }

    /// A server on a directory restored from here.
    fn restored(&self, more: &[&str]) -> Outcome<Server> {
        let mut server = Server::prepare()?;
        let output = self.restore(&server.data_dir(), more)?;
        ensure(output.status.success(), || told(&output))?;
        server.start_again()?;
        Ok(server)
    }

    /// Lines of `storno backups` without the first.
    fn listed(&self) -> Outcome<Vec<String>> {
        let output = self.storno("backups", &[])?;
        ensure(output.status.success(), || told(&output))?;
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        Ok(text.lines().skip(1).map(str::to_owned).collect())
    }
}

fn told(output: &Output) -> String {
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    format!(
        "{}: {}{}",
        output.status,
        text(&output.stdout),
        text(&output.stderr)
    )
}

fn code(refusal: &Refusal) -> Option<u16> {
    match refusal {
        Refusal::Server { code, .. } => Some(*code),
        _ => None,
    }
}

async fn fill(session: &mut Session) -> Outcome {
    session
        .run(
            "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL, s VARCHAR(40), d DECIMAL(12,3), f DOUBLE, \
             b VARBINARY(9), at DATETIME(3), day DATE, took TIME(2), y YEAR, n TINYINT, \
             PRIMARY KEY (id), SORT KEY (id))",
        )
        .await?;
    insert(session, 0..ROWS).await
}

async fn insert(session: &mut Session, ids: std::ops::Range<u64>) -> Outcome {
    let values = ids.map(|i| {
        let text = match i % 11 {
            0 => "NULL".to_owned(),
            _ => format!("'line {}\\n\\t\"q\" é'", i % 50),
        };
        format!(
            "({i}, {text}, {}.125, {}e-3, X'00{:02X}0A', '2024-02-29 12:00:{:02}.250', \
             '2024-01-{:02}', '-0{}:10:00.5', {}, {})",
            i % 1000,
            i * 7,
            i % 256,
            i % 60,
            i % 28 + 1,
            i % 9,
            1970 + i % 100,
            i % 100
        )
    });
    let values: Vec<String> = values.collect();
    for chunk in values.chunks(5_000) {
        session
            .run(format!("INSERT INTO t VALUES {}", chunk.join(",")))
            .await?;
    }
    Ok(())
}

/// Aggregates over all columns, one of which tells every other set of rows.
async fn sums(session: &mut Session) -> Outcome<Vec<String>> {
    let sql = "SELECT COUNT(*), SUM(id), COUNT(s), SUM(CRC32(CONCAT_WS('|', id, s, d, f, HEX(b), at, day, \
               took, y, n))), SUM(d), ROUND(SUM(f), 3), COUNT(DISTINCT b), MIN(at), MAX(at), MIN(day), \
               MAX(took), SUM(y), SUM(n) FROM t";
    Ok(session.lines(sql).await?)
}

/// A cell of a backup's result: backup, files, bytes, new_files, new_bytes, seconds, sequence, moment, manifest.
fn cell(line: &str, number: usize) -> &str {
    line.split('|').nth(number).unwrap_or_default()
}

fn number(line: &str, cell_number: usize) -> u64 {
    cell(line, cell_number).parse().unwrap_or_default()
}

async fn back_up(session: &mut Session, place: &Place, of: &str) -> Outcome<String> {
    Ok(session.lines(place.backup(of)).await?.remove(0))
}

async fn round_trip() -> Outcome {
    for place in [Place::s3()?, Place::local()?] {
        let server = place.start()?;
        let mut session = server.connect_to("db").await?;
        fill(&mut session).await?;
        for sql in [
            "DELETE FROM t WHERE id % 17 = 3",
            "UPDATE t SET s = 'changed' WHERE id % 1000 = 5",
            "ALTER TABLE t ADD COLUMN later INT NOT NULL DEFAULT 7",
            "CREATE VIEW v AS SELECT id FROM t WHERE id < 10",
            "CREATE USER 'app'@'%' IDENTIFIED BY 'word'",
            "GRANT SELECT ON db.* TO 'app'@'%'",
            "SET PERSIST max_allowed_packet = 33554432",
            "CREATE TABLE e (k VARCHAR(20) NOT NULL, v INT, EVENT KEY (k) RETAIN 30 DAYS)",
            "INSERT INTO e VALUES ('once', 1), ('twice', 2)",
        ] {
            session.run(sql).await?;
        }
        let line = back_up(&mut session, &place, "ALL").await?;
        let expected = sums(&mut session).await?;
        same("new files", &number(&line, 1), &number(&line, 3))?;
        let copy = place.restored(&[])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        same("rows", &expected, &sums(&mut back).await?)?;
        let of_views = back.lines("SELECT COUNT(*) FROM v").await?;
        same(
            "views",
            &session.lines("SELECT COUNT(*) FROM v").await?,
            &of_views,
        )?;
        same(
            "columns",
            &vec!["7".to_owned()],
            &back.lines("SELECT DISTINCT later FROM t").await?,
        )?;
        let packet = back.lines("SELECT @@global.max_allowed_packet").await?;
        same("variables", &vec!["33554432".to_owned()], &packet)?;
        let app = options(copy.port()).user(Some("app")).pass(Some("word"));
        let mut app = Session::open_with(app).await?;
        same(
            "accounts",
            &vec!["2".to_owned()],
            &app.lines("SELECT COUNT(*) FROM db.e").await?,
        )?;
        let again = back
            .refused("INSERT INTO t SELECT * FROM t WHERE id = 1")
            .await?;
        same("unique keys", &Some(1062), &code(&again))?;
        back.run("INSERT INTO e VALUES ('once', 1), ('new', 3)")
            .await?;
        same(
            "event keys",
            &vec!["3".to_owned()],
            &back.lines("SELECT COUNT(*) FROM e").await?,
        )?;
        // What was restored is a place to back up from, too.
        let restored = place.restore(&copy.data_dir(), &[])?;
        ensure(!restored.status.success(), || {
            "a used directory was restored into".to_owned()
        })?;
    }
    Ok(())
}

async fn incremental() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session).await?;
    // Merging may go on for some time; afterwards nothing is there to be sent.
    back_up(&mut session, &place, "ALL").await?;
    let deadline = Instant::now() + Duration::from_secs(60);
    let line = loop {
        tokio::time::sleep(Duration::from_millis(500)).await;
        let line = back_up(&mut session, &place, "ALL").await?;
        // The manifest of the store itself is sent each time.
        if number(&line, 3) == 1 {
            break line;
        }
        ensure(Instant::now() < deadline, || {
            format!("always something new: {line}")
        })?;
    };
    insert(&mut session, ROWS..ROWS + ROWS / 100).await?;
    let line_of_change = back_up(&mut session, &place, "ALL").await?;
    let (all, new, unchanged) = (
        number(&line_of_change, 2),
        number(&line_of_change, 4),
        number(&line, 4),
    );
    let share = (new - unchanged) as f64 / all as f64;
    eprintln!("a change of 1 % sent {share:.4} of {all} bytes, beside {unchanged} of the manifest");
    ensure((0.002..0.03).contains(&share), || {
        format!("{line_of_change}, after {line}")
    })?;
    let expected = sums(&mut session).await?;
    let copy = place.restored(&[])?;
    let mut back = Session::open(copy.port(), Some("db")).await?;
    same("rows", &expected, &sums(&mut back).await?)?;
    // Each backup is of its own moment.
    let first = place.listed()?.remove(0);
    let id = first.split('\t').next().unwrap_or_default().to_owned();
    let moment = first.split('\t').next_back().unwrap_or_default().to_owned();
    for choice in [["--backup", &id], ["--at", &moment]] {
        let copy = place.restored(&choice)?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        let rows = back.lines("SELECT COUNT(*) FROM t").await?;
        same(choice[0], &vec![ROWS.to_string()], &rows)?;
    }
    Ok(())
}

/// Writers move amounts between two tables in transactions: of one moment, the sum is always zero.
async fn one_moment() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    session.run("CREATE TABLE a (id BIGINT, v INT)").await?;
    session.run("CREATE TABLE b (id BIGINT, v INT)").await?;
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..3_u64)
        .map(|writer| {
            let (stop, port) = (Arc::clone(&stop), server.port());
            tokio::spawn(async move {
                let mut session = Session::open(port, Some("db")).await?;
                let mut n = 0;
                while !stop.load(Ordering::Relaxed) {
                    n += 1;
                    session.run("BEGIN").await?;
                    let id = writer * 1_000_000 + n;
                    session
                        .run(format!("INSERT INTO a VALUES ({id}, {n})"))
                        .await?;
                    session
                        .run(format!("INSERT INTO b VALUES ({id}, -{n})"))
                        .await?;
                    session.run("COMMIT").await?;
                }
                Outcome::Ok(n)
            })
        })
        .collect();
    let mut seen = Vec::new();
    for _ in 0..5 {
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = session.lines("SELECT COUNT(*) FROM a").await?.remove(0);
        let line = back_up(&mut session, &place, "ALL").await?;
        seen.push((before, cell(&line, 0).to_owned()));
    }
    stop.store(true, Ordering::Relaxed);
    for writer in writers {
        ensure(writer.await?? > 20, || {
            "hardly anything was written".to_owned()
        })?;
    }
    for (before, id) in seen {
        let copy = place.restored(&["--backup", &id])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        let sql = "SELECT SUM(v), COUNT(*), COUNT(DISTINCT id) * 2 FROM (SELECT * FROM a UNION ALL SELECT * FROM b) u";
        let line = back.lines(sql).await?.remove(0);
        same("one moment", &"0", &cell(&line, 0))?;
        same("each once", &cell(&line, 1), &cell(&line, 2))?;
        let before = before.parse::<u64>()? * 2;
        ensure(number(&line, 1) >= before, || {
            format!("{line}: an older state than {before}")
        })?;
    }
    Ok(())
}

async fn one_database() -> Outcome {
    let place = Place::local()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session).await?;
    session.run("CREATE DATABASE other").await?;
    session.run("CREATE TABLE other.t (s TEXT)").await?;
    session
        .run("INSERT INTO other.t VALUES ('CANARY of another database')")
        .await?;
    session.run("CREATE USER canary IDENTIFIED BY 'x'").await?;
    let expected = sums(&mut session).await?;
    back_up(&mut session, &place, "db").await?;
    let missing = session.refused(place.backup("nowhere")).await?;
    same("unknown", &Some(1049), &code(&missing))?;
    let copy = place.restored(&[])?;
    let mut back = Session::open(copy.port(), Some("db")).await?;
    same("rows", &expected, &sums(&mut back).await?)?;
    let databases = back.lines("SHOW DATABASES").await?;
    ensure(!databases.contains(&"other".to_owned()), || {
        format!("{databases:?}")
    })?;
    let users = back
        .lines("SELECT user FROM mysql.user")
        .await
        .unwrap_or_default();
    ensure(!users.contains(&"canary".to_owned()), || {
        format!("{users:?}")
    })?;
    let nothing = !tells(&place.object(""), b"CANARY")?;
    ensure(nothing, || "a backup tells of another database".to_owned())?;
    // With several in one place it must be clear which is meant; everything comes first.
    back_up(&mut session, &place, "other").await?;
    let dir = tempfile::tempdir()?;
    let output = place.restore(&dir.path().join("x"), &[])?;
    ensure(told(&output).contains("db, other"), || told(&output))?;
    ensure(!dir.path().join("x").exists(), || {
        "something was begun".to_owned()
    })?;
    back_up(&mut session, &place, "ALL").await?;
    back_up(&mut session, &place, "other").await?;
    for (more, databases) in [(&[][..], ["1", "1"]), (&["--of", "db"], ["1", "0"])] {
        let copy = place.restored(more)?;
        let mut back = copy.connect().await?;
        let all = back.lines("SHOW DATABASES").await?;
        let there = ["db", "other"].map(|name| all.contains(&name.to_owned()));
        same("databases", &databases.map(|text| text == "1"), &there)?;
    }
    Ok(())
}

/// Whether a file below a directory has these bytes in it.
fn tells(directory: &Path, bytes: &[u8]) -> Outcome<bool> {
    let mut waiting = vec![directory.to_owned()];
    while let Some(directory) = waiting.pop() {
        for entry in std::fs::read_dir(directory)?.flatten() {
            let path = entry.path();
            if path.is_dir() {
                waiting.push(path);
            } else if std::fs::read(&path)?
                .windows(bytes.len())
                .any(|w| w == bytes)
            {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

async fn faults() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session).await?;
    let faults = &place.server().faults;
    for round in 0..6 {
        faults.seed(round + 1);
        faults.per_mille.store(250, Ordering::Relaxed);
        insert(&mut session, ROWS + 300 * round..ROWS + 300 * (round + 1)).await?;
        let expected = sums(&mut session).await?;
        back_up(&mut session, &place, "ALL").await?;
        // Reading meets faults, too.
        let copy = place.restored(&[])?;
        faults.per_mille.store(0, Ordering::Relaxed);
        let mut back = Session::open(copy.port(), Some("db")).await?;
        same("rows", &expected, &sums(&mut back).await?)?;
    }
    let failed = faults.failed.load(Ordering::Relaxed);
    ensure(failed > 40, || format!("only {failed} requests failed"))?;
    same(
        "uploads",
        &Vec::<String>::new(),
        &place.server().open_uploads(),
    )?;
    faults.expired.store(true, Ordering::Relaxed);
    insert(&mut session, 900_000..900_100).await?;
    let refused = session.refused(place.backup("ALL")).await?;
    same("expired", &Some(63_985), &code(&refused))?;
    faults.expired.store(false, Ordering::Relaxed);
    same("backups", &6, &place.listed()?.len())
}

async fn killed_server() -> Outcome {
    for place in [Place::s3()?, Place::local()?] {
        let mut server = place.start()?;
        let mut session = server.connect_to("db").await?;
        fill(&mut session).await?;
        back_up(&mut session, &place, "ALL").await?;
        let (mut random, mut interrupted) = (Random::new(1), 0);
        let mut next = ROWS;
        for _ in 0..8 {
            insert(&mut session, next..next + 3000).await?;
            next += 3000;
            let statement = place.backup("ALL");
            let running = tokio::spawn(async move { session.run(statement).await.is_ok() });
            tokio::time::sleep(Duration::from_millis(random.below(150))).await;
            server.kill()?;
            interrupted += u32::from(!running.await?);
            // Every backup that is listed as whole is whole.
            let copy = place.restored(&[])?;
            let mut back = Session::open(copy.port(), Some("db")).await?;
            let line = back
                .lines("SELECT COUNT(*), SUM(id) FROM t")
                .await?
                .remove(0);
            let rows = number(&line, 0);
            same("rows", &(rows * (rows - 1) / 2), &number(&line, 1))?;
            server.start_again()?;
            session = Session::open(server.port(), Some("db")).await?;
        }
        ensure(interrupted > 0, || "no backup was interrupted".to_owned())?;
        let expected = sums(&mut session).await?;
        back_up(&mut session, &place, "ALL").await?;
        let copy = place.restored(&[])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        same("rows", &expected, &sums(&mut back).await?)?;
        // What killed backups have left goes when it is said that none is under way.
        let pruned = place.storno("backups", &["--keep", "1", "--force"])?;
        ensure(pruned.status.success(), || told(&pruned))?;
        same("left", &1, &place.listed()?.len())?;
        let copy = place.restored(&[])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        same("rows after pruning", &expected, &sums(&mut back).await?)?;
    }
    Ok(())
}

async fn damage() -> Outcome {
    for place in [Place::s3()?, Place::local()?] {
        let server = place.start()?;
        let mut session = server.connect_to("db").await?;
        fill(&mut session).await?;
        let good = back_up(&mut session, &place, "ALL").await?;
        insert(&mut session, ROWS..ROWS + 500).await?;
        let bad = back_up(&mut session, &place, "ALL").await?;
        let manifest =
            std::fs::read_to_string(place.object(&format!("backups/{}.manifest", cell(&bad, 0))))?;
        let old =
            std::fs::read_to_string(place.object(&format!("backups/{}.manifest", cell(&good, 0))))?;
        let object = |line: &str| {
            Some(
                line.split("\"path\":\"")
                    .nth(1)?
                    .split('"')
                    .next()?
                    .to_owned(),
            )
        };
        let new = manifest.lines().filter_map(object);
        let new: Vec<String> = new.filter(|path| !old.contains(path.as_str())).collect();
        let segment = new.iter().find(|path| path.ends_with(".seg"));
        let segment = place.object(segment.ok_or("no new segment")?);
        let whole = std::fs::read(&segment)?;
        let into = tempfile::tempdir()?;
        let into = into.path().join("data");
        let mut changed = whole.clone();
        changed[whole.len() / 2] ^= 1;
        for (content, what) in [
            (Some(changed), "SHA-256 differs"),
            (Some(whole[..whole.len() - 1].to_vec()), ""),
            (None, "missing"),
        ] {
            match content {
                Some(content) => std::fs::write(&segment, content)?,
                None => std::fs::remove_file(&segment)?,
            }
            let output = place.restore(&into, &[])?;
            ensure(
                !output.status.success() && told(&output).contains(what),
                || told(&output),
            )?;
            let named = segment
                .file_name()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            ensure(told(&output).contains(&named), || told(&output))?;
            // What is there now does not open.
            let opened = Command::new(Server::program())
                .args(["serve", "--listen", "127.0.0.1:0", "--data-dir"])
                .arg(&into)
                .output()?;
            same(what, &Some(6), &opened.status.code())?;
            ensure(told(&opened).contains("was not finished"), || told(&opened))?;
        }
        // An older backup is whole, and takes the same directory.
        let output = place.restore(&into, &["--backup", cell(&good, 0)])?;
        ensure(output.status.success(), || told(&output))?;
        let list = place.object(&format!("backups/{}.manifest", cell(&bad, 0)));
        let text = std::fs::read(&list)?;
        std::fs::write(&list, &text[..text.len() - 20])?;
        let listed = place.listed()?;
        ensure(listed.iter().any(|line| line.contains("is cut")), || {
            format!("{listed:?}")
        })?;
        let output = place.restore(&into.with_file_name("x"), &["--backup", cell(&bad, 0)])?;
        ensure(!output.status.success(), || told(&output))?;
        // Without saying which, it is the newest that is whole.
        let output = place.restore(&into.with_file_name("y"), &[])?;
        ensure(
            output.status.success() && told(&output).contains(cell(&good, 0)),
            || told(&output),
        )?;
    }
    Ok(())
}

async fn killed_backup() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    let mut other = server.connect_to("db").await?;
    fill(&mut session).await?;
    // The store does not answer any more: the backup tries and tries.
    place.server().faults.dead.store(true, Ordering::Relaxed);
    let id = session.lines("SELECT CONNECTION_ID()").await?.remove(0);
    let statement = place.backup("ALL");
    let running = tokio::spawn(async move { (session.run(statement).await, session) });
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let shown = other.lines("SHOW EXPORTS").await?;
        if shown.first().is_some_and(|line| line.contains("|running|")) {
            break;
        }
        ensure(Instant::now() < deadline, || format!("{shown:?}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let state = format!("SELECT STATE FROM information_schema.PROCESSLIST WHERE ID = {id}");
    let state = other.lines(state).await?;
    ensure(state[0].starts_with("backing up: "), || {
        format!("{state:?}")
    })?;
    place.server().faults.dead.store(false, Ordering::Relaxed);
    other.run(format!("KILL QUERY {id}")).await?;
    let (result, mut session) = running.await?;
    // It may have been done just then.
    if let Err(refusal) = result {
        same("KILL", &Some(1317), &code(&refusal))?;
        same("none", &0, &place.listed()?.len())?;
    }
    session.run(place.backup("ALL")).await?;
    let begun = session
        .lines(format!("{} ASYNC", place.backup("ALL")))
        .await?;
    ensure(begun[0].ends_with(&format!("|{}", place.url())), || {
        format!("{begun:?}")
    })?;
    let deadline = Instant::now() + Duration::from_secs(60);
    loop {
        let shown = other.lines("SHOW EXPORTS").await?;
        if shown.last().is_some_and(|line| line.contains("|done|")) {
            return Ok(());
        }
        ensure(Instant::now() < deadline, || format!("{shown:?}"))?;
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

async fn pruned() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session).await?;
    let mut expected = Vec::new();
    for round in 0..4_u64 {
        session
            .run(format!("DELETE FROM t WHERE id % 5 = {round}"))
            .await?;
        session.run("OPTIMIZE TABLE t").await?;
        insert(&mut session, ROWS + 100 * round..ROWS + 100 * (round + 1)).await?;
        back_up(&mut session, &place, "ALL").await?;
        expected.push(sums(&mut session).await?);
    }
    let before = place.server().keys().len();
    // A backup under way: nothing may go.
    let mark = place.object("backups/29991231T000000.000Z-00000000.running");
    std::fs::write(
        &mark,
        format!("{{\"began\": \"{}\"}}", "2999-01-01T00:00:00+00:00"),
    )?;
    let refused = place.storno("backups", &["--keep", "2"])?;
    ensure(
        !refused.status.success() && told(&refused).contains("--force"),
        || told(&refused),
    )?;
    same(
        "nothing has gone",
        &(before + 1),
        &place.server().keys().len(),
    )?;
    std::fs::remove_file(&mark)?;
    let done = place.storno("backups", &["--keep", "2"])?;
    ensure(done.status.success(), || told(&done))?;
    let listed = place.listed()?;
    same("kept", &2, &listed.len())?;
    ensure(place.server().keys().len() < before, || {
        "no file has gone".to_owned()
    })?;
    for (line, expected) in listed.iter().zip(&expected[2..]) {
        let id = line.split('\t').next().unwrap_or_default();
        let copy = place.restored(&["--backup", id])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        same("rows", expected, &sums(&mut back).await?)?;
    }
    // While it is being done, backups wait for another time.
    let now = "2999-01-01T00:00:00+00:00";
    std::fs::write(
        place.object("prune.running"),
        format!("{{\"began\": \"{now}\"}}"),
    )?;
    let refused = session.refused(place.backup("ALL")).await?;
    same("pruning", &Some(1525), &code(&refused))
}

async fn privileges() -> Outcome {
    let place = Place::s3()?;
    let server = place.start()?;
    let mut session = server.connect_to("db").await?;
    fill(&mut session).await?;
    session
        .run(format!(
            "CREATE LINK store AS S3 CONFIG '{{\"endpoint_url\": \"{}\"}}' CREDENTIALS \
             '{{\"aws_access_key_id\": \"{ACCESS_KEY}\", \"aws_secret_access_key\": \"{SECRET_KEY}\"}}'",
            place.server().endpoint()
        ))
        .await?;
    session.run("CREATE USER 'u'@'%' IDENTIFIED BY 'w'").await?;
    session.run("GRANT SELECT, FILE ON *.* TO 'u'@'%'").await?;
    let as_u = || options(server.port()).user(Some("u")).pass(Some("w"));
    let mut u = Session::open_with(as_u()).await?;
    let backup = format!("BACKUP DATABASE ALL TO LINK store '{BUCKET}/all'");
    same(
        "BACKUP_ADMIN",
        &Some(1227),
        &code(&u.refused(backup.as_str()).await?),
    )?;
    session.run("GRANT BACKUP_ADMIN ON *.* TO 'u'@'%'").await?;
    let line = u.lines(backup.as_str()).await?.remove(0);
    ensure(
        line.ends_with(&format!(
            "s3://{BUCKET}/all/backups/{}.manifest",
            cell(&line, 0)
        )),
        || line.clone(),
    )?;
    session.run("REVOKE FILE ON *.* FROM 'u'@'%'").await?;
    same(
        "FILE",
        &Some(1227),
        &code(&u.refused(backup.as_str()).await?),
    )?;
    let mut shown = Vec::new();
    for statement in [
        place.backup("ALL") + " NONSENSE",
        place.backup("nowhere"),
        place.backup("ALL").replace(SECRET_KEY, "other-CANARY"),
    ] {
        shown.push(session.refused(statement).await?.to_string());
        shown.extend(session.lines("SHOW WARNINGS").await?);
    }
    session.run(place.backup("ALL")).await?;
    shown.extend(session.lines("SHOW EXPORTS").await?);
    shown.extend(session.lines("SHOW FULL PROCESSLIST").await?);
    shown.push(server.whole_log());
    for line in &shown {
        ensure(!line.contains("CANARY"), || {
            format!("a secret is shown: {line}")
        })?;
    }
    // Nor is the link's key in what was backed up; the link is.
    same(
        "in the backup",
        &false,
        &tells(&place.object(""), SECRET_KEY.as_bytes())?,
    )?;
    let copy = place.restored(&[])?;
    let mut back = copy.connect().await?;
    let links = back.lines("SHOW LINKS").await?;
    ensure(
        links.len() == 1 && links[0].starts_with("store|S3|"),
        || format!("{links:?}"),
    )?;
    let elsewhere = session
        .refused("BACKUP DATABASE ALL TO '/tmp/storno-outside'")
        .await?;
    same("outside", &Some(1290), &code(&elsewhere))
}

async fn status(session: &mut Session, name: &str) -> Outcome<f64> {
    let sql = format!("SHOW GLOBAL STATUS LIKE 'Storno_continuous_backup_{name}'");
    let line = session.lines(sql).await?.pop().unwrap_or_default();
    Ok(cell(&line, 1).parse()?)
}

async fn caught_up(session: &mut Session) -> Outcome {
    let deadline = Instant::now() + Duration::from_secs(60);
    while status(session, "lag").await? > 0.0 {
        ensure(Instant::now() < deadline, || {
            "it never catches up".to_owned()
        })?;
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    Ok(())
}

/// What was there when the lag was nothing is there after the directory is lost.
async fn continuous() -> Outcome {
    for place in [Place::s3()?, Place::local()?] {
        std::fs::create_dir_all(place.dir.path().join("all"))?;
        let (url, endpoint) = (place.url(), place.s3.as_ref().map(S3Server::endpoint));
        let endpoint = endpoint.unwrap_or_default();
        let mut server = Server::start_with(&[
            ("STORNO_BACKUP_TO", &url),
            ("STORNO_BACKUP_EVERY", "1"),
            ("STORNO_SEGMENT_ROWS", "1024"),
            ("STORNO_MEMTABLE_BYTES", "65536"),
            ("STORNO_STORE_ENDPOINTS", &endpoint),
            (
                "STORNO_SECURE_FILE_PRIV",
                &place.dir.path().to_string_lossy(),
            ),
            ("AWS_ENDPOINT_URL", &endpoint),
            ("AWS_ACCESS_KEY_ID", ACCESS_KEY),
            ("AWS_SECRET_ACCESS_KEY", SECRET_KEY),
        ])?;
        let mut session = server.connect_to("db").await?;
        fill(&mut session).await?;
        caught_up(&mut session).await?;
        for round in 0..6_u64 {
            // Small commits, which only the log has, beside flushes and deletes.
            for n in 0..20 {
                let id = 100_000 + round * 1000 + n;
                insert(&mut session, id..id + 1).await?;
            }
            session
                .run(format!("DELETE FROM t WHERE id % 97 = {round}"))
                .await?;
            if round == 2 {
                session.run("OPTIMIZE TABLE t").await?;
                session
                    .run("ALTER TABLE t ADD COLUMN later INT NOT NULL DEFAULT 7")
                    .await?;
                session.run("ALTER TABLE t DROP COLUMN later").await?;
            }
            if round == 3 && place.s3.is_some() {
                let faults = &place.server().faults;
                faults.per_mille.store(200, Ordering::Relaxed);
            }
            if round == 4 {
                // Beside it, one of the moment; and old ones may go.
                back_up(&mut session, &place, "ALL").await?;
                // It waits for its turn: never while files are on their way.
                let deadline = Instant::now() + Duration::from_secs(60);
                loop {
                    let pruned = place.storno("backups", &["--keep", "1"])?;
                    if pruned.status.success() {
                        break;
                    }
                    ensure(Instant::now() < deadline, || told(&pruned))?;
                }
            }
            if round == 5 {
                server.restart()?;
                session = Session::open(server.port(), Some("db")).await?;
                insert(&mut session, 300_000..300_002).await?;
            }
            caught_up(&mut session).await?;
            let (expected, sequence) = (
                sums(&mut session).await?,
                status(&mut session, "sequence").await?,
            );
            let copy = place.restored(&[])?;
            let mut back = Session::open(copy.port(), Some("db")).await?;
            same(
                &format!("round {round}"),
                &expected,
                &sums(&mut back).await?,
            )?;
            ensure(sequence > 0.0, || "no commit is named".to_owned())?;
        }
        let files = place.listed()?;
        ensure(
            files.iter().any(|line| line.starts_with("continuous-")),
            || format!("{files:?}"),
        )?;
        if let Some(s3) = &place.s3 {
            s3.faults.dead.store(true, Ordering::Relaxed);
            insert(&mut session, 400_000..400_001).await?;
            let deadline = Instant::now() + Duration::from_secs(60);
            while status(&mut session, "lag").await? < 2.0 {
                ensure(Instant::now() < deadline, || "no lag is seen".to_owned())?;
                tokio::time::sleep(Duration::from_millis(100)).await;
            }
            s3.faults.dead.store(false, Ordering::Relaxed);
        }
        // Whatever it was at: what is there is a state that was.
        server.kill()?;
        let copy = place.restored(&[])?;
        let mut back = Session::open(copy.port(), Some("db")).await?;
        let sql = "SELECT COUNT(*), SUM(id = 300000), SUM(id = 300001) FROM t";
        let line = back.lines(sql).await?.remove(0);
        same("the last", &("1", "1"), &(cell(&line, 1), cell(&line, 2)))?;
    }
    Ok(())
}
