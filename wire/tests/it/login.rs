//! Logging in: both plugins, every way to fail, and nothing before it.

use std::time::{Duration, Instant};

use storno_wire::Limits;

use crate::raw::*;
use crate::toy::{start, until};

fn error(answer: Answer) -> (u16, String) {
    match answer {
        Answer::Error(code, text) => (code, text),
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn every_account_logs_in_whatever_plugin_the_client_names() {
    let server = start(Limits::default()).await;
    for (user, password) in [("root", ""), ("native", "secret"), ("sha2", "secret")] {
        for plugin in [NATIVE, SHA2, "dialog", ""] {
            let who = Who::new(user, password, plugin);
            let (mut raw, answer) = Raw::try_login(server.address, &who).await;
            assert_eq!(answer, Answer::Ok, "{user} {plugin}");
            assert_eq!(raw.ping().await, Answer::Ok);
        }
    }
}

#[tokio::test]
async fn wrong_passwords_and_unknown_users_are_the_same_error_and_the_end() {
    for plugin in [NATIVE, SHA2, "dialog"] {
        // A server of its own: failures slow down the ones after them.
        let server = start(Limits::default()).await;
        for (user, password) in [
            ("native", "wrong"),
            ("native", ""),
            ("sha2", "wrong"),
            ("sha2", ""),
            ("root", "needless"),
            ("nobody", "secret"),
            ("nobody", ""),
        ] {
            let who = Who::new(user, password, plugin);
            let (mut raw, answer) = Raw::try_login(server.address, &who).await;
            let using = if password.is_empty() { "NO" } else { "YES" };
            let text =
                format!("Access denied for user '{user}'@'localhost' (using password: {using})");
            assert_eq!(error(answer), (1045, text), "{plugin}");
            assert_eq!(raw.answer().await, Answer::End);
        }
        assert_eq!(
            server.toy.begun.load(std::sync::atomic::Ordering::SeqCst),
            0
        );
    }
}

#[tokio::test]
async fn clients_without_plugins_use_the_native_one_or_are_told_to_upgrade() {
    let server = start(Limits::default()).await;
    let capabilities = PROTOCOL_41 | SECURE_CONNECTION;
    let old = |user, password| Who {
        capabilities,
        ..Who::new(user, password, NATIVE)
    };
    let (_, answer) = Raw::try_login(server.address, &old("native", "secret")).await;
    assert_eq!(answer, Answer::Ok);
    let (_, answer) = Raw::try_login(server.address, &old("root", "")).await;
    assert_eq!(answer, Answer::Ok);
    let (_, answer) = Raw::try_login(server.address, &old("sha2", "secret")).await;
    assert_eq!(error(answer).0, 1251);
}

#[tokio::test]
async fn databases_that_cannot_be_used_end_the_login() {
    let server = start(Limits::default()).await;
    for (database, code) in [("nodb", 1049), ("forbidden", 1044), ("panic", 1105)] {
        let who = Who {
            database: Some(database),
            ..Who::new("native", "secret", NATIVE)
        };
        let (mut raw, answer) = Raw::try_login(server.address, &who).await;
        assert_eq!(error(answer).0, code);
        assert_eq!(raw.answer().await, Answer::End);
    }
    let who = Who {
        database: Some("app"),
        ..Who::new("native", "secret", NATIVE)
    };
    let (raw, answer) = Raw::try_login(server.address, &who).await;
    assert_eq!(answer, Answer::Ok);
    assert_eq!(
        server.toy.login(raw.connection_id).database.as_deref(),
        Some("app")
    );
}

#[tokio::test]
async fn no_command_runs_before_login() {
    let server = start(Limits::default()).await;
    for command in [
        &b"\x03rows 1"[..],
        b"\x0E",
        b"\x11root\0\0\0",
        b"\x01",
        b"",
        &[0xFF; 64],
    ] {
        for sequence in [0, 1] {
            let mut raw = Raw::connect(server.address).await;
            raw.send(sequence, command).await;
            let code = error(raw.answer().await).0;
            assert_eq!(code, if sequence == 0 { 1156 } else { 1043 }, "{command:?}");
            assert_eq!(raw.answer().await, Answer::End);
        }
    }
    assert_eq!(
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst),
        0
    );
}

#[tokio::test]
async fn large_packets_before_login_are_refused_at_their_header() {
    let server = start(Limits::default()).await;
    let mut raw = Raw::connect(server.address).await;
    let header = [0, 0, 2, 1];
    tokio::io::AsyncWriteExt::write_all(&mut raw.stream, &header)
        .await
        .unwrap();
    assert_eq!(error(raw.answer().await).0, 1153);
    assert_eq!(raw.answer().await, Answer::End);
}

#[tokio::test]
async fn a_silent_or_slow_client_is_closed_after_the_connect_timeout() {
    let limits = Limits {
        connect_timeout: Duration::from_millis(300),
        ..Limits::default()
    };
    let server = start(limits).await;
    let begun = Instant::now();
    let mut silent = Raw::connect(server.address).await;
    let mut slow = Raw::connect(server.address).await;
    let response = packet(
        1,
        &handshake_response(&Who::new("root", "", SHA2), &slow.scramble),
    );
    let trickle = async {
        for byte in response {
            let _ = tokio::io::AsyncWriteExt::write_all(&mut slow.stream, &[byte]).await;
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    let _ = tokio::time::timeout(Duration::from_secs(1), trickle).await;
    assert_eq!(silent.answer().await, Answer::End);
    assert_eq!(slow.answer().await, Answer::End);
    assert!(begun.elapsed() < Duration::from_secs(5));
    until("seats are free", || async {
        server.server.connections() == 0
    })
    .await;
}

#[tokio::test]
async fn one_connection_too_many_is_told_so_and_others_live_on() {
    let server = start(Limits {
        max_connections: 2,
        ..Limits::default()
    })
    .await;
    let mut first = Raw::login(server.address).await;
    let second = Raw::login(server.address).await;
    let stream = tokio::net::TcpStream::connect(server.address)
        .await
        .unwrap();
    let mut third = Raw::over(stream);
    let (sequence, refusal) = third.packet().await.unwrap();
    assert_eq!(
        (sequence, refusal.as_slice()),
        (0, &b"\xFF\x10\x04Too many connections"[..])
    );
    assert_eq!(third.answer().await, Answer::End);
    assert_eq!(first.ping().await, Answer::Ok);
    drop(second);
    until("a seat is free", || async {
        server.server.connections() == 1
    })
    .await;
    Raw::login(server.address).await;
}

#[tokio::test]
async fn change_user_authenticates_again() {
    let server = start(Limits::default()).await;
    let body = |user: &str, database: &str| {
        let mut body = b"\x11".to_vec();
        body.extend_from_slice(user.as_bytes());
        body.extend_from_slice(b"\0\0");
        body.extend_from_slice(database.as_bytes());
        body.extend_from_slice(b"\0\xFF\0mysql_native_password\0");
        body
    };
    for (user, password, code) in [
        ("sha2", "secret", 0),
        ("native", "secret", 0),
        ("root", "", 0),
    ]
    .into_iter()
    .chain([
        ("sha2", "wrong", 1045),
        ("sha2", "", 1045),
        ("nobody", "secret", 1045),
    ]) {
        let mut raw = Raw::login(server.address).await;
        let statement = raw.prepare("echo ?").await;
        raw.send(0, &body(user, "app")).await;
        let answer = raw.finish_login(password).await;
        if code != 0 {
            assert_eq!(error(answer).0, code, "{user} {password}");
            assert_eq!(raw.answer().await, Answer::End);
            continue;
        }
        assert_eq!(answer, Answer::Ok, "{user}");
        assert_eq!(server.toy.login(raw.connection_id).user, user);
        let execute = [&b"\x17"[..], &statement.to_le_bytes(), &[0, 1, 0, 0, 0]].concat();
        assert_eq!(
            error(raw.command(&execute).await).0,
            1243,
            "statements do not outlive a user"
        );
    }
    let mut raw = Raw::login(server.address).await;
    raw.send(0, &body("root", "nodb")).await;
    assert_eq!(error(raw.finish_login("").await).0, 1049);
    assert_eq!(raw.answer().await, Answer::End);
    until("sessions end", || async {
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst)
            == 0
    })
    .await;
}

#[tokio::test]
async fn failures_slow_down_the_ones_after_them_and_lock_nobody_out() {
    let server = start(Limits::default()).await;
    let wrong = Who::new("sha2", "wrong", SHA2);
    for _ in 0..5 {
        let (_, answer) = Raw::try_login(server.address, &wrong).await;
        assert_eq!(error(answer).0, 1045);
    }
    let other = Who::new("native", "secret", NATIVE);
    assert_eq!(Raw::try_login(server.address, &other).await.1, Answer::Ok);
    let before = Instant::now();
    let right = Who::new("sha2", "secret", SHA2);
    assert_eq!(Raw::try_login(server.address, &right).await.1, Answer::Ok);
    assert!(
        before.elapsed() >= Duration::from_millis(400),
        "the wait of the sixth"
    );
}
