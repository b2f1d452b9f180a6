//! The protocol over the real server: what `wire`'s own tests show against a toy, where the session behind it
//! has a part in it. docs/testing.md lists which test is for which trap.

use std::time::{Duration, Instant};

use libtest_mimic::Trial;

use crate::harness::raw::{RawConnection, refusal_of};
use crate::harness::{Outcome, Refusal, Server, Session, ensure, same, trials};

/// Seconds a test gives what takes one at most.
const PATIENCE: Duration = Duration::from_secs(20);
/// Minutes at the least, on any machine: rows without end, and a condition that no row fulfils.
const ENDLESS: [&str; 2] = [
    "SELECT SUM(a.id * b.id % 7 + c.id) FROM big a, big b, big c, big d",
    "SELECT COUNT(*) FROM (SELECT a.id + b.id AS n FROM big a, big b) ab JOIN big c ON ab.n * c.id = -1",
];
const INTERACTIVE: u32 = 1 << 10;
const MULTI_STATEMENTS: u32 = 1 << 16;

pub fn trials() -> Vec<Trial> {
    trials!(
        "protocol",
        [
            the_greeting_is_that_of_mysql_8,
            a_client_that_vanishes_takes_its_query_with_it,
            kill_ends_queries_and_connections,
            fields_of_a_table_are_listed,
            a_reset_leaves_nothing_but_the_database,
            changing_the_user_begins_anew,
            silent_clients_are_told_so,
            the_limit_of_connections_can_be_set,
            packets_above_16_mib_go_both_ways,
            several_results_end_at_the_first_error,
        ]
    )
}

fn code(packet: &[u8]) -> u16 {
    match refusal_of(packet) {
        Refusal::Server { code, .. } => code,
        Refusal::Broken(_) => 0,
    }
}

async fn the_greeting_is_that_of_mysql_8(server: &mut Server) -> Outcome {
    let mut scrambles = Vec::new();
    for _ in 0..2 {
        let connection = RawConnection::greeted(server.port()).await?;
        let greeting = connection.greeting();
        let end = greeting
            .iter()
            .position(|byte| *byte == 0)
            .ok_or("no version")?;
        let version = String::from_utf8_lossy(&greeting[1..end]).into_owned();
        let rest = &greeting[end + 1..];
        let scramble = [&rest[4..12], &rest[31..43]].concat();
        ensure(!scramble.contains(&0), || format!("{scramble:?}"))?;
        scrambles.push(scramble);
        if !server.is_judge() {
            ensure(
                version.starts_with("8.4.") && !version.contains("MariaDB"),
                || version.clone(),
            )?;
            same(
                "character set, autocommit",
                &[255, 2, 0],
                &[rest[15], rest[16], rest[17]],
            )?;
            ensure(rest.ends_with(b"caching_sha2_password\0"), || {
                format!("{rest:?}")
            })?;
        }
    }
    ensure(scrambles[0] != scrambles[1], || {
        "a scramble came twice".to_owned()
    })
}

/// A table whose product with itself takes for ever, and a session beside those that are ended.
async fn big(server: &Server) -> Outcome<Session> {
    let mut root = server.connect_to("protocol").await?;
    root.run("CREATE TABLE big (id INT NOT NULL)").await?;
    let rows: Vec<String> = (0..3000).map(|id| format!("({id})")).collect();
    root.run(&format!("INSERT INTO big VALUES {}", rows.join(",")))
        .await?;
    Ok(root)
}

/// Starts the endless query on a connection of its own; its id.
async fn endless(
    server: &Server,
    root: &mut Session,
    query: &str,
) -> Outcome<(RawConnection, String)> {
    let mut raw = RawConnection::open(server).await?;
    raw.command(b"\x02protocol").await?;
    raw.send_command(&[b"\x03", query.as_bytes()].concat())
        .await?;
    let running = "SELECT id FROM information_schema.processlist \
        WHERE info LIKE '% big a, %' AND info NOT LIKE '%processlist%'";
    let started = Instant::now();
    loop {
        if let Some(id) = root.lines(running).await?.pop() {
            return Ok((raw, id));
        }
        ensure(started.elapsed() < PATIENCE, || {
            "it does not run".to_owned()
        })?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// Waits until the connection is not in the process list any more, and nobody computes.
async fn ended(server: &Server, root: &mut Session, id: &str) -> Outcome {
    let there = format!("SELECT COUNT(*) FROM information_schema.processlist WHERE id = {id}");
    let started = Instant::now();
    while root.lines(&*there).await? != ["0"] {
        ensure(started.elapsed() < PATIENCE, || "it goes on".to_owned())?;
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    const MOMENT: Duration = Duration::from_millis(300);
    loop {
        let before = server.computed()?;
        tokio::time::sleep(MOMENT).await;
        if server.computed()? - before < MOMENT / 2 {
            return Ok(());
        }
        ensure(started.elapsed() < PATIENCE, || {
            "its threads go on".to_owned()
        })?;
    }
}

async fn a_client_that_vanishes_takes_its_query_with_it(server: &mut Server) -> Outcome {
    let mut root = big(server).await?;
    for query in ENDLESS {
        let (raw, id) = endless(server, &mut root, query).await?;
        drop(raw);
        ended(server, &mut root, &id).await?;
    }
    root.must_answer().await
}

async fn kill_ends_queries_and_connections(server: &mut Server) -> Outcome {
    let mut root = big(server).await?;
    let (mut raw, id) = endless(server, &mut root, ENDLESS[0]).await?;
    root.run(&format!("KILL QUERY {id}")).await?;
    let mut answer = raw.receive().await?;
    while answer.first() != Some(&0xFF) {
        answer = raw.receive().await?;
    }
    same("killed query", &1317, &code(&answer))?;
    same("lives on", &Some(&0), &raw.command(&[0x0E]).await?.first())?;
    drop(raw);
    let (mut raw, id) = endless(server, &mut root, ENDLESS[0]).await?;
    root.run(&format!("KILL {id}")).await?;
    while raw.receive().await.is_ok() {}
    ended(server, &mut root, &id).await?;
    // COM_PROCESS_KILL, the old way.
    let (mut raw, id) = endless(server, &mut root, ENDLESS[0]).await?;
    let number: u32 = id.parse()?;
    let mut killer = RawConnection::open(server).await?;
    let answer = killer
        .command(&[&[0x0C], &number.to_le_bytes()[..]].concat())
        .await?;
    same("COM_PROCESS_KILL", &Some(&0), &answer.first())?;
    while raw.receive().await.is_ok() {}
    ended(server, &mut root, &id).await
}

async fn fields_of_a_table_are_listed(server: &mut Server) -> Outcome {
    let mut root = server.connect_to("protocol").await?;
    root.run("CREATE TABLE listed (id INT NOT NULL, name VARCHAR(5), nick VARCHAR(5))")
        .await?;
    let mut raw = RawConnection::open(server).await?;
    raw.command(b"\x02protocol").await?;
    for (command, expected) in [
        (&b"\x04listed\0"[..], 3),
        (b"\x04listed\0n%", 2),
        (b"\x04listed\0x", 0),
    ] {
        let mut fields = 0;
        let mut packet = raw.command(command).await?;
        while packet.first() != Some(&0xFE) {
            ensure(packet.starts_with(b"\x03def\x08protocol\x06listed"), || {
                format!("{packet:?}")
            })?;
            fields += 1;
            packet = raw.receive().await?;
        }
        same(&command.escape_ascii().to_string(), &expected, &fields)?;
    }
    same(
        "missing",
        &1146,
        &code(&raw.command(b"\x04nothing\0").await?),
    )
}

async fn a_reset_leaves_nothing_but_the_database(server: &mut Server) -> Outcome {
    let mut root = server.connect_to("protocol").await?;
    root.run("CREATE TABLE kept (id INT PRIMARY KEY)").await?;
    let mut raw = RawConnection::open(server).await?;
    raw.command(b"\x02protocol").await?;
    for sql in [
        "SET @a = 5",
        "SET SESSION sql_mode = '', SESSION time_zone = '+03:00'",
        "PREPARE p FROM 'SELECT 1'",
        "SET autocommit = 0",
        "INSERT INTO kept VALUES (1)",
    ] {
        let answer = raw.command(&[b"\x03", sql.as_bytes()].concat()).await?;
        same(sql, &Some(&0), &answer.first())?;
    }
    let prepared = raw.command(b"\x16SELECT ?").await?;
    raw.skip_prepare_definitions(&prepared).await?;
    let reset = raw.command(&[0x1F]).await?;
    // Autocommit is on, no transaction is open.
    same("status", &Some(&[2u8, 0][..]), &reset.get(3..5))?;
    let execute = [&[0x17], &prepared[1..5], b"\0\x01\0\0\0\0\x01\xFD\0\x01a"].concat();
    same("statement", &1243, &code(&raw.command(&execute).await?))?;
    same(
        "by name",
        &1243,
        &code(&raw.command(b"\x03EXECUTE p").await?),
    )?;
    let ask = b"\x03SELECT CONCAT_WS('|', DATABASE(), @a IS NULL, @@autocommit, @@time_zone, @@sql_mode = @@global.sql_mode, (SELECT COUNT(*) FROM kept))";
    same(
        "session",
        &"protocol|1|1|SYSTEM|1|0".to_owned(),
        &raw.text(ask).await?,
    )
}

async fn changing_the_user_begins_anew(server: &mut Server) -> Outcome {
    let mut root = server.connect_to("protocol").await?;
    root.run("CREATE USER guest").await?;
    let mut raw = RawConnection::open(server).await?;
    raw.command(b"\x03SET @a = 5").await?;
    let as_user = |name: &str| {
        let head = [b"\x11", name.as_bytes(), b"\0\0\0\x2D\0"].concat();
        [&head[..], b"mysql_native_password\0"].concat()
    };
    raw.log_in_again(&as_user("guest")).await?;
    let session = raw
        .text(b"\x03SELECT CONCAT(CURRENT_USER(), '|', @a IS NULL)")
        .await?;
    same("session", &"guest@%|1".to_owned(), &session)?;
    let refused = raw.command(b"\x03CREATE DATABASE mine").await?;
    same("rights", &1044, &code(&refused))?;
    let refusal = raw.log_in_again(&as_user("nobody")).await;
    ensure(refusal.is_err(), || "a stranger was let in".to_owned())?;
    ensure(raw.command(&[0x0E]).await.is_err(), || {
        "the old session goes on".to_owned()
    })
}

async fn silent_clients_are_told_so(server: &mut Server) -> Outcome {
    for (capabilities, variable, other) in [
        (0, "wait_timeout", "interactive_timeout"),
        (INTERACTIVE, "interactive_timeout", "wait_timeout"),
    ] {
        let mut raw = RawConnection::open_with(server, capabilities).await?;
        let set = format!("\x03SET SESSION {variable} = 1, SESSION {other} = 1000");
        if server.is_judge() && capabilities != 0 {
            continue; // MariaDB takes the time-out at login
        }
        same(
            variable,
            &Some(&0),
            &raw.command(set.as_bytes()).await?.first(),
        )?;
        let last = raw.receive().await;
        if !server.is_judge() {
            same(variable, &4031, &code(&last?))?;
        }
        ensure(raw.receive().await.is_err(), || "still open".to_owned())?;
    }
    Ok(())
}

async fn the_limit_of_connections_can_be_set(server: &mut Server) -> Outcome {
    if server.is_judge() {
        return Ok(()); // Its least limit is 10, and one more is let in
    }
    let mut first = server.connect().await?;
    first.run("SET GLOBAL max_connections = 2").await?;
    let second = server.connect().await?;
    let refused = format!("{:?}", server.connect().await.err());
    ensure(refused.contains("Too many connections"), || refused)?;
    first.run("SET GLOBAL max_connections = 3").await?;
    server.connect().await?.must_answer().await?;
    drop(second);
    first.run("SET GLOBAL max_connections = DEFAULT").await?;
    Ok(())
}

async fn packets_above_16_mib_go_both_ways(server: &mut Server) -> Outcome {
    const FULL: usize = 0xFF_FFFF;
    let mut session = server.connect_to("protocol").await?;
    session
        .run("CREATE TABLE longs (id INT, body LONGTEXT)")
        .await?;
    // A row of one such text is as long as the text and four bytes, up to 16 MiB.
    for length in [FULL - 5, FULL - 4, FULL - 3, FULL, 2 * FULL - 9, 40_000_000] {
        let body = "x".repeat(length);
        session
            .execute("INSERT INTO longs VALUES (1, ?)", (&body,))
            .await?;
        for answer in [
            session.run("SELECT body FROM longs").await?,
            session.execute("SELECT body FROM longs", ()).await?,
            session.run(&format!("SELECT '{body}'")).await?,
        ] {
            let got = answer.single().unwrap_or_default();
            ensure(got == body, || {
                format!("{length}: {} bytes came back", got.len())
            })?;
        }
        session.run("TRUNCATE TABLE longs").await?;
    }
    session.must_answer().await
}

async fn several_results_end_at_the_first_error(server: &mut Server) -> Outcome {
    const MORE: u8 = 8;
    let mut raw = RawConnection::open_with(server, MULTI_STATEMENTS).await?;
    let first = raw
        .command(b"\x03SET @a = 1; SELECT @a; SELECT * FROM nowhere.t; SELECT 2")
        .await?;
    ensure(first[0] == 0 && first[3] & MORE != 0, || {
        format!("{first:?}")
    })?;
    // Count, definition, EOF, row, EOF.
    let mut packets = Vec::new();
    for _ in 0..5 {
        packets.push(raw.receive().await?);
    }
    same("row", &b"\x011".to_vec(), &packets[3])?;
    ensure(packets[4][3] & MORE != 0, || format!("{packets:?}"))?;
    let error = code(&raw.receive().await?);
    ensure([1049, 1146].contains(&error), || error.to_string())?;
    same("ping", &Some(&0), &raw.command(&[0x0E]).await?.first())?;
    // Without the capability it is one statement, and none that can be read.
    let mut raw = RawConnection::open(server).await?;
    same(
        "one",
        &1064,
        &code(&raw.command(b"\x03SELECT 1; SELECT 2").await?),
    )
}
