//! Accounts over the wire: who gets in, what each may do, and that it is so after a restart.

use libtest_mimic::Trial;

use crate::harness::session::options;
use crate::harness::{Outcome, Refusal, Server, Session, ensure, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "accounts",
        [
            logins_follow_the_accounts_also_after_a_restart,
            privileges_are_enforced_and_seen,
            passwords_are_shown_nowhere,
            open_sessions_feel_changes_at_once,
            show_and_information_schema_leave_out_the_rest,
            connections_of_others_are_theirs,
        ]
    )
}

/// Number and text; 0 if the connection broke.
fn parts(refusal: &Refusal) -> (u16, String) {
    match refusal {
        Refusal::Server { code, message, .. } => (*code, message.clone()),
        Refusal::Broken(why) => (0, why.clone()),
    }
}

pub(crate) async fn login(server: &Server, user: &str, password: &str) -> Result<Session, u16> {
    let options = options(server.port()).user(Some(user)).pass(Some(password));
    Session::open_with(options)
        .await
        .map_err(|refusal| parts(&refusal).0)
}

pub(crate) async fn run(session: &mut Session, statements: &[&str]) -> Outcome {
    for sql in statements {
        session
            .run(*sql)
            .await
            .map_err(|why| format!("{sql}: {why:?}"))?;
    }
    Ok(())
}

pub(crate) async fn refused(session: &mut Session, sql: &str, code: u16) -> Outcome {
    let refusal = session.refused(sql).await?;
    same(sql, &code, &parts(&refusal).0)
}

async fn logins_follow_the_accounts_also_after_a_restart(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    let native = match server.is_judge() {
        true => "IDENTIFIED VIA mysql_native_password USING PASSWORD('two')",
        false => "IDENTIFIED WITH mysql_native_password BY 'two'",
    };
    let native = format!("CREATE USER 'b'@'127.0.0.1' {native}");
    run(
        &mut root,
        &[
            "CREATE USER a IDENTIFIED BY 'one'",
            &native,
            "CREATE USER 'c'@'192.0.2.%' IDENTIFIED BY 'three'",
            "CREATE USER d IDENTIFIED BY 'four' ACCOUNT LOCK",
            "CREATE USER IF NOT EXISTS a IDENTIFIED BY 'other'",
        ],
    )
    .await?;
    refused(&mut root, "CREATE USER a, e", 1396).await?;
    for _ in 0..2 {
        for (user, password, expected) in [
            ("a", "one", None),
            ("a", "two", Some(1045)),
            ("b", "two", None),
            ("c", "three", Some(1045)),
            ("e", "", Some(1045)),
        ] {
            let code = login(server, user, password).await.err();
            same(&format!("{user} {password}"), &expected, &code)?;
        }
        let locked = login(server, "d", "four").await.err();
        // MariaDB has another number for it.
        let expected = if server.is_judge() { 4151 } else { 3118 };
        same("locked", &Some(expected), &locked)?;
        server.restart()?;
    }
    let mut root = server.connect().await?;
    run(
        &mut root,
        &[
            "ALTER USER a IDENTIFIED BY 'new'",
            "RENAME USER 'b'@'127.0.0.1' TO 'bb'@'%'",
            "SET PASSWORD FOR bb = 'three'",
            "DROP USER 'c'@'192.0.2.%', d",
        ],
    )
    .await?;
    same(
        "new password",
        &None,
        &login(server, "a", "new").await.err(),
    )?;
    same("renamed", &None, &login(server, "bb", "three").await.err())?;
    same(
        "old name",
        &Some(1045),
        &login(server, "b", "two").await.err(),
    )?;
    refused(&mut root, "DROP USER d", 1396).await
}

async fn privileges_are_enforced_and_seen(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    run(
        &mut root,
        &[
            "CREATE DATABASE shop",
            "CREATE TABLE shop.sales (id INT PRIMARY KEY, amount INT)",
            "CREATE TABLE shop.secrets (id INT PRIMARY KEY)",
            "CREATE USER app IDENTIFIED BY 'x'",
            "GRANT SELECT, INSERT ON shop.sales TO app",
        ],
    )
    .await?;
    let mut app = login(server, "app", "x")
        .await
        .map_err(|code| code.to_string())?;
    let grants = app.lines("SHOW GRANTS").await?;
    ensure(
        grants
            .iter()
            .any(|line| line.contains("GRANT SELECT, INSERT ON `shop`.`sales`")),
        || format!("{grants:?}"),
    )?;
    run(
        &mut app,
        &[
            "USE shop",
            "INSERT INTO sales VALUES (1, 2)",
            "SELECT * FROM sales",
        ],
    )
    .await?;
    same(
        "current user",
        &vec!["app@%".to_owned()],
        &app.lines("SELECT CURRENT_USER()").await?,
    )?;
    for (sql, code) in [
        ("SELECT * FROM secrets", 1142),
        ("DELETE FROM sales", 1142),
        ("UPDATE sales SET amount = 1", 1142),
        ("DROP TABLE sales", 1142),
        ("CREATE TABLE t (a INT)", 1142),
        ("CREATE DATABASE other", 1044),
        ("DROP DATABASE shop", 1044),
        ("USE mysql", 1044),
        ("CREATE USER mine", 1227),
        ("SET GLOBAL max_connections = 10", 1227),
        ("SELECT * FROM mysql.user", 1142),
        ("GRANT SELECT ON shop.sales TO app", 1142),
        ("GRANT SELECT ON *.* TO app", 1045),
    ] {
        refused(&mut app, sql, code).await?;
    }
    let refusal = app.refused("SELECT * FROM secrets").await?;
    if !server.is_judge() {
        let text = "SELECT command denied to user 'app'@'localhost' for table 'secrets'";
        same("text", &text.to_owned(), &parts(&refusal).1)?;
    }
    let users = root
        .lines("SELECT user, host FROM mysql.user WHERE user = 'app'")
        .await?;
    same("mysql.user", &vec!["app|%".to_owned()], &users)
}

async fn passwords_are_shown_nowhere(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    run(&mut root, &["CREATE USER a IDENTIFIED BY 'geheim1'"]).await?;
    if server.is_judge() {
        return Ok(());
    }
    let shown = root
        .lines("ALTER USER a IDENTIFIED BY 'geheim2' wrong")
        .await
        .err()
        .map(|refusal| parts(&refusal).1)
        .unwrap_or_default();
    ensure(!shown.contains("geheim"), || shown.clone())?;
    let created = root.lines("SHOW CREATE USER a").await?.join(" ");
    ensure(!created.contains("geheim"), || created.clone())?;
    let log = server.log_tail();
    ensure(!log.contains("geheim"), || log.clone())
}

async fn open_sessions_feel_changes_at_once(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    run(
        &mut root,
        &[
            "CREATE DATABASE d",
            "CREATE TABLE d.t (a INT)",
            "CREATE USER a IDENTIFIED BY 'x'",
            "GRANT SELECT ON d.* TO a",
        ],
    )
    .await?;
    let mut a = login(server, "a", "x")
        .await
        .map_err(|code| code.to_string())?;
    run(&mut a, &["SELECT * FROM d.t"]).await?;
    run(&mut root, &["REVOKE SELECT ON d.* FROM a"]).await?;
    refused(&mut a, "SELECT * FROM d.t", 1142).await?;
    run(&mut root, &["GRANT SELECT ON d.t TO a"]).await?;
    run(&mut a, &["SELECT * FROM d.t"]).await
}

async fn show_and_information_schema_leave_out_the_rest(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    run(
        &mut root,
        &[
            "CREATE DATABASE seen",
            "CREATE DATABASE hidden",
            "CREATE TABLE seen.t (a INT)",
            "CREATE TABLE seen.u (a INT)",
            "CREATE TABLE hidden.t (a INT)",
            "CREATE USER a IDENTIFIED BY 'x'",
            "GRANT SELECT ON seen.t TO a",
        ],
    )
    .await?;
    let mut a = login(server, "a", "x")
        .await
        .map_err(|code| code.to_string())?;
    for (sql, expected) in [
        ("SHOW DATABASES", vec!["information_schema", "seen"]),
        ("SHOW TABLES FROM seen", vec!["t"]),
        (
            "SELECT table_schema, table_name FROM information_schema.tables WHERE table_schema <> 'information_schema'",
            vec!["seen|t"],
        ),
        (
            "SELECT DISTINCT table_name FROM information_schema.columns WHERE table_schema IN ('seen', 'hidden')",
            vec!["t"],
        ),
    ] {
        same(
            sql,
            &expected.iter().map(ToString::to_string).collect(),
            &a.lines(sql).await?,
        )?;
    }
    refused(&mut a, "SHOW TABLES FROM hidden", 1044).await?;
    refused(&mut a, "SHOW CREATE TABLE seen.u", 1142).await?;
    refused(&mut a, "USE hidden", 1044).await
}

async fn connections_of_others_are_theirs(server: &mut Server) -> Outcome {
    let mut root = server.connect().await?;
    run(&mut root, &["CREATE USER a IDENTIFIED BY 'x'"]).await?;
    let id = root.lines("SELECT CONNECTION_ID()").await?.join("");
    let mut a = login(server, "a", "x")
        .await
        .map_err(|code| code.to_string())?;
    refused(&mut a, &format!("KILL {id}"), 1095).await?;
    let users = a
        .lines("SELECT DISTINCT user FROM information_schema.processlist")
        .await?;
    same("processes", &vec!["a".to_owned()], &users)?;
    root.must_answer().await
}
