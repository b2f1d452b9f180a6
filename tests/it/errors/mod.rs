//! Errors have MySQL's number, SQLSTATE and text, and the connection lives on after each of them.
//!
//! Texts are those of MySQL 8. `judge::in_mysql_words` brings MariaDB's to them where it can; where
//! it cannot, the case names MariaDB's, so that the number and the occasion are still proved.

mod cases;

use libtest_mimic::Trial;
use mysql_async::{ChangeUserOpts, Error};

use self::cases::{Case, SETUP, STATEMENTS, SYNTAX, SYNTAX_ERRORS, VALUES};
use crate::harness::raw::{RawConnection, refusal_of};
use crate::harness::session::options;
use crate::harness::{Outcome, Refusal, Server, Session, ensure, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "errors",
        [
            statements_are_refused_with_mysql_numbers_and_texts,
            values_out_of_range_are_refused_under_strict_mode,
            a_refused_prepare_leaves_the_connection_usable,
            a_wrong_password_is_1045_and_ends_the_connection,
            an_unknown_user_is_1045,
            an_unknown_database_at_login_is_1049,
            a_missing_database_is_1046,
            unknown_and_unsupported_commands_are_1047,
            an_unknown_statement_id_is_1243,
            change_user_checks_the_password,
            errors_do_not_use_up_the_connection,
        ]
    )
}

async fn prepared_session(server: &Server) -> Outcome<Session> {
    let mut session = server.connect_to("err").await?;
    for sql in SETUP {
        session.run(*sql).await?;
    }
    Ok(session)
}

/// Every case is refused as it says; all that are not are reported together.
async fn check(server: &Server, cases: &[Case]) -> Outcome {
    let mut session = prepared_session(server).await?;
    let mut problems = Vec::new();
    for case in cases {
        let expected = case
            .mariadb
            .filter(|_| server.is_judge())
            .unwrap_or(case.expected);
        let actual = match session.run(case.sql).await {
            Ok(answer) => format!("no error, but {:?}", answer.lines()),
            Err(refusal) => server.words(&refusal),
        };
        if actual != expected {
            problems.push(format!(
                "{}\n  expected: {expected}\n  actual:   {actual}",
                case.sql
            ));
        }
        session.must_answer().await?;
    }
    ensure(problems.is_empty(), || problems.join("\n"))?;
    for (table, rows) in [("t", "0"), ("u", "1")] {
        let count = session
            .run(format!("SELECT COUNT(*) FROM {table}"))
            .await?
            .single();
        same(
            "rows after refused statements",
            &Some(rows.to_owned()),
            &count,
        )?;
    }
    Ok(())
}

async fn statements_are_refused_with_mysql_numbers_and_texts(server: &mut Server) -> Outcome {
    check(server, STATEMENTS).await?;
    let mut session = server.connect_to("err").await?;
    let mut problems = Vec::new();
    for (sql, near) in SYNTAX_ERRORS {
        let actual = server.words(&session.refused(*sql).await?);
        let expected = format!("{SYNTAX}{near}");
        // MariaDB parses any word as a type and answers 4161.
        let other_in_mariadb = server.is_judge() && sql.contains("NOTATYPE");
        if actual != expected && !other_in_mariadb {
            problems.push(format!(
                "{sql}\n  expected: {expected}\n  actual:   {actual}"
            ));
        }
        session.must_answer().await?;
    }
    ensure(problems.is_empty(), || problems.join("\n"))
}

async fn values_out_of_range_are_refused_under_strict_mode(server: &mut Server) -> Outcome {
    check(server, VALUES).await
}

async fn a_refused_prepare_leaves_the_connection_usable(server: &mut Server) -> Outcome {
    let mut session = prepared_session(server).await?;
    for (sql, code) in [
        ("SELECT * FROM nope WHERE id = ?", 1146),
        ("SELECT zzz FROM t WHERE id = ?", 1054),
        ("SELECT ? FROM", 1064),
        ("INSERT INTO u VALUES (?)", 1136),
    ] {
        let refusal = session
            .execute(sql, (1,))
            .await
            .err()
            .ok_or(format!("accepted: {sql}"))?;
        same(sql, &code, &code_of(&refusal))?;
        session.must_answer().await?;
    }
    let duplicate = session
        .execute("INSERT INTO u VALUES (?, ?)", (1, "x"))
        .await;
    same(
        "a duplicate key at execute",
        &Some(1062),
        &duplicate.err().map(|e| code_of(&e)),
    )?;
    let wrong = session
        .execute("INSERT INTO t (id, tiny) VALUES (?, ?)", (1, 300))
        .await;
    same(
        "out of range at execute",
        &Some(1264),
        &wrong.err().map(|e| code_of(&e)),
    )?;
    session.must_answer().await
}

fn code_of(refusal: &Refusal) -> u16 {
    match refusal {
        Refusal::Server { code, .. } => *code,
        Refusal::Broken(_) => 0,
    }
}

async fn a_wrong_password_is_1045_and_ends_the_connection(server: &mut Server) -> Outcome {
    let refusal = refused_login(options(server.port()).pass(Some("wrong"))).await?;
    must_be_access_denied(&refusal, "root", "YES")?;
    server.connect().await?.must_answer().await
}

async fn an_unknown_user_is_1045(server: &mut Server) -> Outcome {
    let refusal = refused_login(options(server.port()).user(Some("mallory"))).await?;
    must_be_access_denied(&refusal, "mallory", "NO")?;
    let with_password = options(server.port())
        .user(Some("mallory"))
        .pass(Some("guess"));
    must_be_access_denied(&refused_login(with_password).await?, "mallory", "YES")
}

/// The host is how the server sees the client: 127.0.0.1 or localhost.
fn must_be_access_denied(refusal: &Refusal, user: &str, using_password: &str) -> Outcome {
    let text = refusal.to_string();
    let expected = ["127.0.0.1", "localhost"].map(|host| {
        format!(
            "ERROR 1045 (28000): Access denied for user '{user}'@'{host}' \
             (using password: {using_password})"
        )
    });
    ensure(expected.contains(&text), || text)
}

async fn refused_login(options: mysql_async::OptsBuilder) -> Outcome<Refusal> {
    match Session::open_with(options).await {
        Ok(_) => Err("the login was accepted".into()),
        Err(refusal) => Ok(refusal),
    }
}

async fn an_unknown_database_at_login_is_1049(server: &mut Server) -> Outcome {
    let refusal = refused_login(options(server.port()).db_name(Some("nodb"))).await?;
    let expected = "ERROR 1049 (42000): Unknown database 'nodb'";
    same("login", &expected.to_owned(), &refusal.to_string())
}

async fn a_missing_database_is_1046(server: &mut Server) -> Outcome {
    let mut session = server.connect().await?;
    for sql in [
        "SELECT * FROM t",
        "CREATE TABLE t (a INT)",
        "INSERT INTO t VALUES (1)",
        "SHOW TABLES",
    ] {
        let refusal = session.refused(sql).await?;
        same(
            sql,
            &"ERROR 1046 (3D000): No database selected".to_owned(),
            &refusal.to_string(),
        )?;
        session.must_answer().await?;
    }
    Ok(())
}

async fn unknown_and_unsupported_commands_are_1047(server: &mut Server) -> Outcome {
    let mut connection = RawConnection::open(server).await?;
    // COM_SLEEP, COM_CONNECT, COM_TIME, COM_DELAYED_INSERT, COM_DAEMON and numbers nobody has
    // given.
    for command in [0x00, 0x0B, 0x0F, 0x10, 0x1D, 0x55, 0x7F] {
        let answer = connection.command(&[command, 1, 2, 3]).await?;
        let refusal = refusal_of(&answer);
        same(
            &format!("command {command:#04x}"),
            &1047,
            &code_of(&refusal),
        )?;
        ensure(
            refusal
                .to_string()
                .starts_with("ERROR 1047 (08S01): Unknown command"),
            || refusal.to_string(),
        )?;
    }
    let pong = connection.command(&[0x0E]).await?;
    same("COM_PING after them", &Some(&0), &pong.first())
}

async fn an_unknown_statement_id_is_1243(server: &mut Server) -> Outcome {
    let mut connection = RawConnection::open(server).await?;
    let mut execute = vec![0x17];
    execute.extend(77u32.to_le_bytes());
    execute.extend([0, 1, 0, 0, 0]);
    let text = refusal_of(&connection.command(&execute).await?).to_string();
    let expected = "ERROR 1243 (HY000): Unknown prepared statement handler (77) given to ";
    ensure(text.starts_with(expected), || text.clone())?;
    let mut reset = vec![0x1A];
    reset.extend(78u32.to_le_bytes());
    let text = refusal_of(&connection.command(&reset).await?).to_string();
    ensure(
        text.starts_with("ERROR 1243 (HY000): Unknown prepared statement handler (78)"),
        || text,
    )?;
    // COM_STMT_CLOSE has no answer, not even for an unknown statement.
    connection.send_close(79).await?;
    same(
        "COM_PING after them",
        &Some(&0),
        &connection.command(&[0x0E]).await?.first(),
    )
}

async fn change_user_checks_the_password(server: &mut Server) -> Outcome {
    let mut session = server.connect().await?;
    let wrong = ChangeUserOpts::default()
        .with_user(Some("root".into()))
        .with_pass(Some("no".into()));
    match session.conn().change_user(wrong).await {
        Err(Error::Server(error)) => same("code", &1045, &error.code)?,
        other => return Err(format!("expected 1045, got {other:?}").into()),
    }
    let mut session = server.connect().await?;
    session
        .conn()
        .change_user(ChangeUserOpts::default().with_user(Some("root".into())))
        .await?;
    session.must_answer().await
}

async fn errors_do_not_use_up_the_connection(server: &mut Server) -> Outcome {
    let mut session = prepared_session(server).await?;
    for _ in 0..300 {
        session.refused("SELECT * FROM nope").await?;
        session.refused("SELECT 1 +").await?;
    }
    session.must_answer().await
}
