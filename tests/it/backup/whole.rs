//! What is restored is what was there: everything, one database, one moment, after a small change.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use super::place::{Place, back_up, cell, code, number, tells, told};
use super::rows::{ROWS, fill, insert, sums};
use crate::harness::session::options;
use crate::harness::{Outcome, Session, ensure, same};

pub(super) async fn round_trip() -> Outcome {
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

pub(super) async fn incremental() -> Outcome {
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
pub(super) async fn one_moment() -> Outcome {
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

pub(super) async fn one_database() -> Outcome {
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
