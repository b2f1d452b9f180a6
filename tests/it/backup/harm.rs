//! Stores that fail, servers and backups that are killed, files that are damaged.

use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use super::place::{Place, back_up, cell, code, number, told};
use super::rows::{ROWS, fill, insert, sums};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, ensure, same};

pub(super) async fn faults() -> Outcome {
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

pub(super) async fn killed_server() -> Outcome {
    for place in [Place::s3()?, Place::local()?] {
        let mut server = place.start()?;
        let mut session = server.connect_to("db").await?;
        fill(&mut session).await?;
        back_up(&mut session, &place, "ALL").await?;
        let (mut random, mut interrupted) = (Random::new(1), 0_u32);
        let mut next = ROWS;
        // Milliseconds before a kill: fewer as long as backups are done by then.
        let mut most = 150;
        for _ in 0..8 {
            insert(&mut session, next..next + 3000).await?;
            next += 3000;
            let statement = place.backup("ALL");
            let running = tokio::spawn(async move { session.run(statement).await.is_ok() });
            tokio::time::sleep(Duration::from_millis(random.below(most))).await;
            server.kill()?;
            match running.await? {
                true => most = most / 2 + 1,
                false => interrupted += 1,
            }
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

pub(super) async fn damage() -> Outcome {
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

pub(super) async fn killed_backup() -> Outcome {
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
