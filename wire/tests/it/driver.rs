//! A real driver against the toy.

use mysql_async::prelude::*;
use mysql_async::{Conn, Error, Opts, OptsBuilder, Value};
use storno_wire::Limits;

use crate::toy::{ToyServer, start, until};

fn options(server: &ToyServer, user: &str, password: &str) -> OptsBuilder {
    OptsBuilder::default()
        .ip_or_hostname("127.0.0.1")
        .tcp_port(server.address.port())
        .user(Some(user))
        .pass(Some(password))
        .prefer_socket(false)
        .max_allowed_packet(Some(64 << 20))
        .wait_timeout(Some(1000))
}

async fn connect(server: &ToyServer) -> Conn {
    Conn::new(Opts::from(options(server, "sha2", "secret")))
        .await
        .unwrap()
}

fn server_error(error: Error) -> u16 {
    match error {
        Error::Server(error) => error.code,
        other => panic!("{other}"),
    }
}

#[tokio::test]
async fn logs_in_with_both_plugins_and_sends_its_attributes() {
    let server = start(Limits::default()).await;
    for (user, password) in [("root", ""), ("native", "secret"), ("sha2", "secret")] {
        let options = options(&server, user, password).db_name(Some("app"));
        let options = options.connect_attribute("program_name", "it");
        let mut conn = Conn::new(Opts::from(options)).await.unwrap();
        conn.ping().await.unwrap();
        let login = server.toy.login(conn.id());
        assert_eq!(login.database.as_deref(), Some("app"));
        assert!(
            login
                .attributes
                .contains(&("program_name".into(), "it".into()))
        );
    }
    let refused = Conn::new(Opts::from(options(&server, "sha2", "wrong")))
        .await
        .unwrap_err();
    assert_eq!(server_error(refused), 1045);
}

#[tokio::test]
async fn reads_typed_rows_the_same_in_both_protocols() {
    let server = start(Limits::default()).await;
    let mut conn = connect(&server).await;
    let binary: Vec<mysql_async::Row> = conn.exec("types", ()).await.unwrap();
    let binary: Vec<Vec<Value>> = binary.into_iter().map(mysql_async::Row::unwrap).collect();
    let at = Value::Date(2024, 2, 29, 13, 14, 15, 123_456);
    let expected = vec![
        Value::Int(1),
        Value::Int(-128),
        Value::Int(-32_768),
        Value::Int(-7),
        Value::Int(i64::MIN),
        Value::UInt(u64::MAX),
        Value::Float(0.5),
        Value::Double(1e300),
        Value::Bytes(b"-12345678901234567890.123456".to_vec()),
        Value::Date(2024, 2, 29, 0, 0, 0, 0),
        at,
        Value::Time(true, 4, 4, 42, 3, 500_000),
        Value::Int(2024),
        Value::Bytes("héllo".into()),
        Value::Bytes(vec![0, 255]),
    ];
    assert_eq!(
        binary,
        [expected.clone(), vec![Value::NULL; expected.len()]]
    );
    let text: Vec<mysql_async::Row> = conn.query("types").await.unwrap();
    let text: Vec<Vec<Value>> = text.into_iter().map(mysql_async::Row::unwrap).collect();
    let words = [
        "1",
        "-128",
        "-32768",
        "-7",
        "-9223372036854775808",
        "18446744073709551615",
        "0.5",
        "1e300",
        "-12345678901234567890.123456",
        "2024-02-29",
        "2024-02-29 13:14:15.123456",
        "-100:42:03.500",
        "2024",
        "héllo",
    ];
    let mut words: Vec<Value> = words
        .iter()
        .map(|word| Value::Bytes((*word).into()))
        .collect();
    words.push(Value::Bytes(vec![0, 255]));
    assert_eq!(text, [words, vec![Value::NULL; expected.len()]]);
}

#[tokio::test]
async fn parameters_arrive_as_they_were_bound() {
    let server = start(Limits::default()).await;
    let mut conn = connect(&server).await;
    let statement = conn.prep("echo ? ? ? ?").await.unwrap();
    for round in 0..3i64 {
        let values = (round, "text", None::<i64>, 1.5);
        let row: (String, String, Option<String>, String) =
            conn.exec_first(&statement, values).await.unwrap().unwrap();
        let number = format!("Int({round})");
        assert_eq!(row, (number, "text".into(), None, "Double(1.5)".into()));
    }
    conn.close(statement).await.unwrap();
    assert_eq!(
        server_error(conn.prep("unpreparable").await.unwrap_err()),
        1295
    );
    conn.ping().await.unwrap();
}

#[tokio::test]
async fn a_large_result_is_streamed_whole() {
    let server = start(Limits::default()).await;
    let mut conn = connect(&server).await;
    let mut sum = 0u64;
    let mut stream = conn.query_iter("rows 200000").await.unwrap();
    stream
        .for_each(|row| sum += row.get::<u64, _>(0).unwrap())
        .await
        .unwrap();
    drop(stream);
    assert_eq!(sum, (0..200_000).sum::<u64>());
    let big: Vec<u8> = conn.query_first("big 40000000").await.unwrap().unwrap();
    assert_eq!(big.len(), 40_000_000);
}

#[tokio::test]
async fn a_large_statement_arrives_whole() {
    let server = start(Limits::default()).await;
    let mut conn = connect(&server).await;
    let text = "é".repeat(20_000_000);
    let echo: String = conn
        .query_first(format!("echo {text}"))
        .await
        .unwrap()
        .unwrap();
    assert!(echo == text);
}

#[tokio::test]
async fn several_results_reset_and_change_user_work() {
    let server = start(Limits::default()).await;
    let mut conn = connect(&server).await;
    let result = conn.query_iter("begin").await.unwrap();
    assert_eq!(
        (result.affected_rows(), result.last_insert_id()),
        (1, Some(7))
    );
    assert_eq!(result.info(), "Toy");
    drop(result);
    let mut results = conn.query_iter("results 3").await.unwrap();
    for left in (0..3).rev() {
        let rows: Vec<String> = results.collect().await.unwrap();
        assert_eq!(rows, [format!("{left} left")]);
    }
    drop(results);
    assert!(conn.reset().await.unwrap());
    let other = mysql_async::ChangeUserOpts::default()
        .with_user(Some("native".into()))
        .with_pass(Some("secret".into()))
        .with_db_name(Some("other".into()));
    conn.change_user(other).await.unwrap();
    let login = server.toy.login(conn.id());
    assert_eq!(
        (login.user.as_str(), login.database.as_deref()),
        ("native", Some("other"))
    );
    conn.disconnect().await.unwrap();
    until("the session ends", || async {
        server
            .toy
            .sessions
            .load(std::sync::atomic::Ordering::SeqCst)
            == 0
    })
    .await;
}
