//! The backup that follows the server, old backups, and who may do what.

use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::place::{Place, back_up, cell, code, tells, told};
use super::rows::{ROWS, fill, insert, sums};
use crate::harness::s3::{ACCESS_KEY, BUCKET, S3Server, SECRET_KEY};
use crate::harness::session::options;
use crate::harness::{Outcome, Server, Session, ensure, same};

pub(super) async fn status(session: &mut Session, name: &str) -> Outcome<f64> {
    let sql = format!("SHOW GLOBAL STATUS LIKE 'Storno_continuous_backup_{name}'");
    let line = session.lines(sql).await?.pop().unwrap_or_default();
    Ok(cell(&line, 1).parse()?)
}

pub(super) async fn caught_up(session: &mut Session) -> Outcome {
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
pub(super) async fn continuous() -> Outcome {
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

pub(super) async fn pruned() -> Outcome {
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

pub(super) async fn privileges() -> Outcome {
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
