//! A plan that is kept answers for other values as a new plan would.
//!
//! A condition that is always true and different every time keeps the judge's plans from being kept.

use libtest_mimic::Trial;

use crate::doors::{HINDRANCE, in_lower_case, with_traffic};
use crate::harness::compare::{Order, difference};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, block_on, ensure};

const QUERIES: u64 = 60;
/// Statements that differ from a query in values alone.
const VARIANTS: u64 = 8;
const PROBLEMS_SHOWN: usize = 8;

pub fn trials() -> Vec<Trial> {
    vec![
        Trial::test("kept::plans_answer_for_other_values", || {
            block_on(other_values())
        }),
        Trial::test("kept::conditions_that_merge_keep_their_values", || {
            block_on(merging_conditions())
        }),
        Trial::test("kept::plans_follow_data_and_definitions", || {
            block_on(other_states())
        }),
    ]
}

const ITEMS: [&str; 7] = [
    "SUM(visits)",
    "COUNT(*), SUM(duration)",
    "COUNT(DISTINCT client_id)",
    "MIN(timestamp), MAX(timestamp)",
    "SUM(CASE WHEN site_id = 412 THEN 1 ELSE 0 END)",
    "100.0 * SUM(bounces) / NULLIF(SUM(visits), 0)",
    "COUNT(CASE WHEN browser = 'Chrome' THEN 1 END)",
];

const KEYS: [&str; 5] = [
    "browser",
    "DATE(timestamp)",
    "site_id",
    "SUBSTRING_INDEX(pathname, '/', 2)",
    "country_code",
];

/// Conditions with places for values.
const CONDITIONS: [&str; 20] = [
    "site_id = {site}",
    "pageviews.site_id = {site}",
    "site_id = '{site}'",
    "site_id IN ({site}, {site})",
    "site_id IN ({site}, {site}, {site}, {site}, {site})",
    "site_id <> {site} AND site_id > {small}",
    "timestamp >= '{day}' AND timestamp < '{day}'",
    "timestamp >= '{day} 00:00:00' AND timestamp < '{day} 12:30:00'",
    "timestamp BETWEEN '{day}' AND '{day}'",
    "duration > {small}",
    "duration BETWEEN {small} AND {small}",
    "duration < {huge}",
    "bounces = {small}",
    "country_code = '{country}'",
    "browser <> '{browser}'",
    "browser IN ('{browser}', '{browser}')",
    "(site_id = 412 OR browser = '{browser}')",
    "(site_id = 412 OR site_id = 175 OR browser = 'Chrome')",
    "NOT browser = '{browser}'",
    "pathname LIKE '%pri%'",
];

/// Places filled with values, some of them odd.
fn filled(sql: &str, random: &mut Random) -> String {
    let mut out = String::new();
    let mut rest = sql;
    while let Some((head, tail)) = rest.split_once('{') {
        let (name, tail) = tail.split_once('}').unwrap_or((tail, ""));
        out.push_str(head);
        let value = match name {
            "site" => (*random.pick(&["412", "1626", "175", "7", "412"])).to_string(),
            "day" => format!(
                "2025-{:02}-{:02}",
                1 + random.below(12),
                1 + random.below(28)
            ),
            "small" => random.below(4).to_string(),
            "huge" => (*random.pick(&["10", "300", "70000", "5000000000"])).to_string(),
            "country" => (*random.pick(&["US", "DE", "us", "2025-01-01", "7", ""])).to_string(),
            _ => (*random.pick(&[
                "Chrome", "Firefox", "O''Brien", "Safari", "CHROME", "firefox ",
            ]))
            .to_string(),
        };
        out.push_str(&value);
        rest = tail;
    }
    out + rest
}

fn query(random: &mut Random) -> String {
    let key = random.pick(&KEYS);
    let items = random.pick(&ITEMS);
    let conditions = (0..=random.below(3)).map(|_| *random.pick(&CONDITIONS));
    let conditions: Vec<&str> = conditions.collect();
    let conditions = conditions.join(" AND ");
    format!("SELECT {key} AS k, {items} FROM pageviews WHERE {conditions} GROUP BY k ORDER BY k")
}

async fn reused(session: &mut Session) -> Outcome<u64> {
    let status = session
        .run("SHOW STATUS LIKE 'Storno_plans_reused'")
        .await?;
    let line = status.lines().concat();
    let name = line.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let count = line.get(name..).and_then(|digits| digits.parse().ok());
    count.ok_or_else(|| format!("no counter: {line}").into())
}

async fn other_values() -> Outcome {
    let (mut server, mut session) = with_traffic(&[], "utf8mb4_0900_ai_ci").await?;
    let mut random = Random::new(5);
    let mut problems = Vec::new();
    for _ in 0..QUERIES {
        let template = query(&mut random);
        for _ in 0..VARIANTS {
            let sql = filled(&template, &mut random);
            let judged = sql.replace(" GROUP BY", &format!(" AND {HINDRANCE} GROUP BY"));
            let mut expected = session.run(&judged).await;
            let mut actual = session.run(&sql).await;
            expected
                .iter_mut()
                .chain(&mut actual)
                .for_each(in_lower_case);
            if let Some(text) = difference(&expected, &actual, Order::Given) {
                problems.push(format!("{sql}\n  {text}"));
            }
        }
    }
    server.must_be_running()?;
    ensure(problems.is_empty(), || {
        let shown = problems.iter().take(PROBLEMS_SHOWN).cloned();
        let shown = shown.collect::<Vec<_>>().join("\n");
        format!("{} differ\n{shown}", problems.len())
    })?;
    let reused = reused(&mut session).await?;
    let most = QUERIES * VARIANTS;
    ensure(reused > most / 4, || {
        format!("only {reused} of {most} plans were reused")
    })
}

/// Runs a query until its plan is kept, and once more.
async fn kept(session: &mut Session, sql: &str) -> Outcome<String> {
    for _ in 0..2 {
        session.run(sql).await?;
    }
    let before = reused(session).await?;
    let lines = session.run(sql).await?.lines().join(" ");
    let after = reused(session).await?;
    ensure(after > before, || format!("planned anew: {sql}"))?;
    Ok(lines)
}

async fn other_states() -> Outcome {
    let (server, mut session) = with_traffic(&[], "utf8mb4_0900_ai_ci").await?;
    let sql = "SELECT COUNT(*) FROM notes WHERE site_id = 3";
    session
        .run("CREATE TABLE notes (site_id INT NOT NULL, v INT, SORT KEY (site_id))")
        .await?;
    session
        .run("INSERT INTO notes VALUES (3, 1), (4, 1)")
        .await?;
    let expect = |found: String, wanted: &str| {
        ensure(found.contains(wanted), || {
            format!("{found} is not {wanted}")
        })
    };
    expect(kept(&mut session, sql).await?, "1")?;
    session.run("INSERT INTO notes VALUES (3, 2)").await?;
    expect(kept(&mut session, sql).await?, "2")?;
    // Rows that only the transaction sees.
    session.run("BEGIN").await?;
    session.run("INSERT INTO notes VALUES (3, 3)").await?;
    expect(kept(&mut session, sql).await?, "3")?;
    session.run("ROLLBACK").await?;
    expect(kept(&mut session, sql).await?, "2")?;
    session
        .run("ALTER TABLE notes CHANGE site_id place INT NOT NULL")
        .await?;
    ensure(session.run(sql).await.is_err(), || {
        "a column that is gone".into()
    })?;
    session
        .run("ALTER TABLE notes CHANGE place site_id INT NOT NULL")
        .await?;
    expect(kept(&mut session, sql).await?, "2")?;
    session.run("TRUNCATE notes").await?;
    expect(kept(&mut session, sql).await?, "0")?;
    session.run("DROP TABLE notes").await?;
    ensure(session.run(sql).await.is_err(), || {
        "a table that is gone".into()
    })?;
    // The same text in another database is another statement.
    session.run("CREATE DATABASE other").await?;
    let mut elsewhere = server.connect_to("other").await?;
    let everything = "SELECT COUNT(*) FROM pageviews";
    kept(&mut session, everything).await?;
    ensure(elsewhere.run(everything).await.is_err(), || {
        "a table of another database".into()
    })
}

/// Conditions that the planner merges, or moves to columns of other names: what is left of them depends on the
/// values.
async fn merging_conditions() -> Outcome {
    let server = Server::start()?;
    let mut session = server.connect_to("web").await?;
    session
        .run("CREATE TABLE t (a INT, b INT, u BIGINT UNSIGNED NOT NULL, i BIGINT NOT NULL)")
        .await?;
    let row = |n: u64| {
        let (u, i) = match n {
            1 => (u64::MAX, i64::MAX),
            2 => (0, i64::MIN),
            _ => (n, n as i64),
        };
        format!("({n}, {}, {u}, {i})", n / 2)
    };
    let rows: Vec<String> = (0..10).map(row).collect();
    session
        .run(format!("INSERT INTO t VALUES {}", rows.join(", ")))
        .await?;
    let mut problems = Vec::new();
    for template in [
        "SELECT a, COUNT(*) FROM t WHERE a > {} AND RAND GROUP BY a HAVING a > 5",
        "SELECT a, COUNT(*) FROM t WHERE a > {} AND RAND GROUP BY a HAVING a >= 5 ORDER BY a LIMIT 8",
        "SELECT a AS x, COUNT(*) FROM t WHERE a > {} AND RAND GROUP BY x HAVING x > 5",
        "SELECT a, COUNT(*) FROM (SELECT a, b FROM t HAVING a > 4) v WHERE a > {} AND RAND GROUP BY a",
        "SELECT a, COUNT(*) FROM (SELECT a AS b, b AS a FROM t) v WHERE b = {} AND a = {} AND RAND GROUP BY a",
        "SELECT a, COUNT(*) FROM (SELECT a AS b, b AS a FROM t) v WHERE b >= {} AND a >= 2 AND RAND GROUP BY a",
        "SELECT u, b, COUNT(*), MAX(u) FROM t WHERE a > {} AND RAND GROUP BY u, b",
        "SELECT i, b, COUNT(*), MIN(i) FROM t WHERE a > {} AND RAND GROUP BY i, b",
        "SELECT u, COUNT(*) FROM t WHERE a > {} AND RAND GROUP BY u",
        "SELECT u, i, COUNT(*) FROM t WHERE a > {} AND RAND GROUP BY u, i",
    ] {
        for value in [5, 7, 3, 4, 0, 1, 2, 6, -1] {
            let sql = template.replace("{}", &value.to_string());
            let expected = session.run(sql.replace("RAND", HINDRANCE)).await;
            let actual = session.run(sql.replace(" AND RAND", "")).await;
            if let Some(text) = difference(&expected, &actual, Order::Any) {
                problems.push(format!("{sql}\n  {text}"));
            }
        }
    }
    ensure(problems.is_empty(), || problems.join("\n"))
}
