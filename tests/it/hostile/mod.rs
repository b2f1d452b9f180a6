//! No text and no packet ends the server: each is answered, with rows or with an error, and the
//! server still works afterwards.
//!
//! What exactly is answered is not the point here (a limit may be lower or higher than another
//! server's); that the answer is right when there is one is.

use std::fmt::Write as _;
use std::time::Duration;

mod packets;
mod stateful;

use libtest_mimic::Trial;
use tokio::time::timeout;

use self::packets::{
    malformed_packets_end_at_most_their_connection, truncated_logins_do_not_disturb_others,
};
use self::stateful::conversations_with_bent_packets_end_at_most_their_connection;
use crate::harness::{Answer, Outcome, Refusal, Server, ensure, same, trials};

/// No text here takes a minute on any machine; reached only when the server hangs.
const PATIENCE: Duration = Duration::from_secs(120);

pub fn trials() -> Vec<Trial> {
    trials!(
        "hostile",
        [
            unterminated_and_empty_statements_are_refused,
            bytes_that_are_no_text_are_answered,
            deep_nesting_is_answered,
            long_chains_are_answered,
            a_list_of_a_hundred_thousand_elements_is_answered,
            a_statement_of_ten_megabytes_is_answered,
            a_packet_above_the_limit_is_refused,
            thousands_of_unions_are_answered,
            malformed_packets_end_at_most_their_connection,
            truncated_logins_do_not_disturb_others,
            conversations_with_bent_packets_end_at_most_their_connection,
        ]
    )
}

/// How a text may be answered.
enum Answerable {
    /// With this single value, or with an error.
    Value(String),
    /// With this error number.
    Code(u16),
    /// With anything.
    Anything,
}

/// Runs the text in a fresh session. The connection may be closed by the server (Broken), the
/// server may not end.
async fn answer(server: &mut Server, name: &str, sql: Vec<u8>, expected: Answerable) -> Outcome {
    let mut session = server.connect_to("hostile").await?;
    let answer = timeout(PATIENCE, session.run(sql))
        .await
        .map_err(|_| format!("{name} hangs"))?;
    server.must_be_running()?;
    let text = describe(&answer);
    match (&expected, &answer) {
        (Answerable::Value(value), Ok(answer)) => {
            same(name, &Some(value.clone()), &answer.single())?;
        }
        (Answerable::Code(code), answer) => {
            let actual = match answer {
                Err(Refusal::Server { code, .. }) => Some(*code),
                _ => None,
            };
            ensure(actual == Some(*code), || {
                format!("{name}: expected {code}, got {text}")
            })?;
        }
        (_, Err(Refusal::Broken(what))) => {
            return Err(format!("{name}: the connection broke: {what}").into());
        }
        _ => {}
    }
    session.must_answer().await.map_err(|failure| {
        format!(
            "{name} (answered {text}): {}",
            failure.message().unwrap_or("")
        )
    })?;
    server.connect().await?.must_answer().await
}

fn describe(answer: &Result<Answer, Refusal>) -> String {
    let text = match answer {
        Ok(answer) => format!("{:?}", answer.lines()),
        Err(refusal) => refusal.to_string(),
    };
    text.chars().take(300).collect()
}

async fn unterminated_and_empty_statements_are_refused(server: &mut Server) -> Outcome {
    let refused: &[(&str, &str, u16)] = &[
        ("single quote", "SELECT 'abc", 1064),
        ("double quote", "SELECT \"abc", 1064),
        ("backtick", "SELECT `abc", 1064),
        ("escaped end", "SELECT 'abc\\'", 1064),
        ("comment", "SELECT 1 + /* never ends", 1064),
        ("parenthesis", "SELECT ((((1)", 1064),
        ("a lone quote", "'", 1064),
        ("a lone parenthesis", ")", 1064),
        ("operators", "SELECT * / % FROM", 1064),
        ("nothing", "", 1065),
        ("blanks", "  \t\r\n ", 1065),
        ("a semicolon only", ";", 1065),
    ];
    for (name, sql, code) in refused {
        answer(
            server,
            name,
            sql.as_bytes().to_vec(),
            Answerable::Code(*code),
        )
        .await?;
    }
    // MySQL takes a statement of comments alone as one that does nothing.
    for comment in ["/* nothing */", "-- nothing", "# nothing\n", "/* a */ -- b"] {
        let answer = server.connect().await?.run(comment).await?;
        same(comment, &(0, 0), &(answer.columns.len(), answer.rows.len()))?;
    }
    for (name, sql) in [
        ("comment before", "/* hello */ SELECT 1"),
        ("line comment before", "-- hello\nSELECT 1"),
        ("comment inside", "SELECT /* 2 */ 1 -- three"),
        ("hash comment after", "SELECT 1 # two"),
        ("semicolon after", "SELECT 1;"),
        ("nested-looking comment", "SELECT /* /* */ 1"),
        ("version comment", "SELECT /*!40101 1 */"),
    ] {
        answer(
            server,
            name,
            sql.as_bytes().to_vec(),
            Answerable::Value("1".into()),
        )
        .await?;
    }
    Ok(())
}

async fn bytes_that_are_no_text_are_answered(server: &mut Server) -> Outcome {
    let texts: &[(&str, &[u8])] = &[
        ("NUL in a statement", b"SELECT \0 1"),
        ("NUL in a string", b"SELECT 'a\0b'"),
        ("NUL at the end", b"SELECT 1\0"),
        ("only NUL", b"\0\0\0\0"),
        ("invalid UTF-8 in a string", b"SELECT '\xFF\xFE'"),
        ("invalid UTF-8 in a name", b"SELECT `\xC3\x28`"),
        ("invalid UTF-8 outside", b"SELECT \xF0\x28\x8C\x28"),
        ("truncated UTF-8 at the end", b"SELECT 'a\xF0\x9F\x9A"),
        ("surrogates", b"SELECT '\xED\xA0\x80'"),
        ("only high bytes", &[0xFF; 300]),
        ("byte order mark", b"\xEF\xBB\xBFSELECT 1"),
        ("controls", b"SELECT\x01\x02\x03\x1B 1"),
        ("overlong", b"SELECT '\xC0\xAF'"),
    ];
    for (name, bytes) in texts {
        answer(server, name, bytes.to_vec(), Answerable::Anything).await?;
    }
    let value = Answerable::Value("3".into());
    answer(
        server,
        "length with NUL",
        b"SELECT LENGTH('a\\0b')".to_vec(),
        value,
    )
    .await
}

async fn deep_nesting_is_answered(server: &mut Server) -> Outcome {
    for depth in [100, 1_000, 10_000, 200_000] {
        let nested = |open: &str, inner: &str, close: &str| {
            format!(
                "SELECT {}{inner}{}",
                open.repeat(depth),
                close.repeat(depth)
            )
            .into_bytes()
        };
        let one = || Answerable::Value("1".into());
        answer(
            server,
            &format!("{depth} parentheses"),
            nested("(", "1", ")"),
            one(),
        )
        .await?;
        answer(
            server,
            &format!("{depth} abs"),
            nested("ABS(", "1", ")"),
            one(),
        )
        .await?;
        answer(
            server,
            &format!("{depth} sub-queries"),
            nested("(SELECT ", "1", ")"),
            one(),
        )
        .await?;
        answer(
            server,
            &format!("{depth} minus signs"),
            nested("- ", "1", ""),
            one(),
        )
        .await?;
        answer(
            server,
            &format!("{depth} NOT"),
            nested("NOT ", "1", ""),
            one(),
        )
        .await?;
        let cases = nested("CASE WHEN 1 THEN ", "1", " END");
        answer(server, &format!("{depth} CASE"), cases, one()).await?;
        let tables = format!(
            "SELECT COUNT(*) FROM {}(SELECT 1 AS a) t{}",
            "(SELECT * FROM ".repeat(depth),
            ") t".repeat(depth)
        );
        answer(
            server,
            &format!("{depth} derived"),
            tables.into_bytes(),
            one(),
        )
        .await?;
    }
    Ok(())
}

async fn long_chains_are_answered(server: &mut Server) -> Outcome {
    let chain = |head: &str, term: &str, separator: &str, terms: usize| {
        format!("{head} {}", vec![term; terms].join(separator)).into_bytes()
    };
    for terms in [2_000, 3_000, 20_000] {
        let sum = chain("SELECT", "1", "+", terms);
        answer(
            server,
            &format!("{terms} + "),
            sum,
            Answerable::Value(terms.to_string()),
        )
        .await?;
        let one = || Answerable::Value("1".into());
        let and = chain("SELECT", "1=1", " AND ", terms);
        answer(server, &format!("{terms} AND"), and, one()).await?;
        let or = chain("SELECT 1 FROM DUAL WHERE", "1=1", " OR ", terms);
        answer(server, &format!("{terms} OR"), or, one()).await?;
        let concat = format!("SELECT LENGTH(CONCAT({}))", vec!["'x'"; terms].join(","));
        let length = Answerable::Value(terms.to_string());
        answer(
            server,
            &format!("{terms} arguments"),
            concat.into_bytes(),
            length,
        )
        .await?;
        let columns = chain("SELECT", "1", ",", terms);
        answer(
            server,
            &format!("{terms} columns"),
            columns,
            Answerable::Anything,
        )
        .await?;
        if terms > 3_000 {
            continue; // MariaDB's time grows with the square of the tables
        }
        let joins = format!(
            "SELECT COUNT(*) FROM (SELECT 1 a) t0{}",
            (1..terms).fold(String::new(), |mut text, t| {
                let _ = write!(text, ", (SELECT 1 a) t{t}");
                text
            })
        );
        answer(
            server,
            &format!("{terms} tables"),
            joins.into_bytes(),
            one(),
        )
        .await?;
    }
    Ok(())
}

async fn a_list_of_a_hundred_thousand_elements_is_answered(server: &mut Server) -> Outcome {
    let mut session = server.connect_to("hostile").await?;
    session.run("CREATE TABLE few (id INT NOT NULL)").await?;
    session
        .run("INSERT INTO few VALUES (5), (50000), (99999), (100001)")
        .await?;
    let list = (0..100_000)
        .map(|id| id.to_string())
        .collect::<Vec<_>>()
        .join(",");
    let sql = format!("SELECT COUNT(*) FROM few WHERE id IN ({list})");
    answer(
        server,
        "100,000 elements",
        sql.into_bytes(),
        Answerable::Value("3".into()),
    )
    .await
}

async fn a_statement_of_ten_megabytes_is_answered(server: &mut Server) -> Outcome {
    let bytes = 10 << 20;
    let literal = format!("SELECT LENGTH('{}')", "x".repeat(bytes));
    let length = Answerable::Value(bytes.to_string());
    answer(server, "one long literal", literal.into_bytes(), length).await?;
    let blanks = format!("SELECT{}1", " ".repeat(bytes));
    answer(
        server,
        "blanks",
        blanks.into_bytes(),
        Answerable::Value("1".into()),
    )
    .await?;
    let comment = format!("SELECT /* {} */ 1", "c".repeat(bytes));
    answer(
        server,
        "comment",
        comment.into_bytes(),
        Answerable::Value("1".into()),
    )
    .await?;
    let name = format!("SELECT 1 AS `{}`", "n".repeat(bytes));
    answer(server, "name", name.into_bytes(), Answerable::Anything).await?;
    let digits = format!("SELECT {}", "9".repeat(bytes));
    answer(server, "digits", digits.into_bytes(), Answerable::Anything).await?;
    let garbage = vec![b'('; bytes];
    answer(server, "parentheses", garbage, Answerable::Code(1064)).await
}

/// 1153, or the connection is closed: a packet may be refused by its header alone.
async fn a_packet_above_the_limit_is_refused(server: &mut Server) -> Outcome {
    let limit = server
        .connect()
        .await?
        .run("SELECT @@max_allowed_packet")
        .await?
        .single();
    let limit: usize = limit.ok_or("no max_allowed_packet")?.parse()?;
    ensure((1 << 20..=1 << 30).contains(&limit), || {
        format!("limit {limit}")
    })?;
    let mut session = server.connect().await?;
    let sql = format!("SELECT LENGTH('{}')", "x".repeat(limit + 1_000));
    match timeout(PATIENCE, session.run(sql)).await {
        Ok(Err(Refusal::Server { code: 1153, .. } | Refusal::Broken(_))) => {}
        Ok(other) => return Err(format!("answered {}", describe(&other)).into()),
        Err(_) => return Err("hangs".into()),
    }
    server.must_be_running()?;
    server.connect().await?.must_answer().await
}

async fn thousands_of_unions_are_answered(server: &mut Server) -> Outcome {
    for branches in [300, 3_000] {
        let union = vec!["SELECT 1 AS a"; branches].join(" UNION ALL ");
        let sql = format!("SELECT COUNT(*) FROM ({union}) t");
        let value = Answerable::Value(branches.to_string());
        answer(
            server,
            &format!("{branches} branches"),
            sql.into_bytes(),
            value,
        )
        .await?;
    }
    Ok(())
}
