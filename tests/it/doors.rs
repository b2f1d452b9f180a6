//! Aggregates give the same answers whether storage computes them on codes or DataFusion on rows.
//!
//! The second way is forced by a condition that is always true and may not be handed down. EXPLAIN tells
//! which way was taken.

use libtest_mimic::Trial;
use mysql_async::Value;

use crate::data::literal::insert;
use crate::data::pageview::{PageView, column_names, create_table};
use crate::data::traffic::year_of_traffic;
use crate::harness::compare::{Order, difference};
use crate::harness::random::Random;
use crate::harness::{Answer, Outcome, Server, Session, block_on, ensure};

const ROWS: usize = 8_000;
const BATCH_ROWS: usize = 500;
const QUERIES: u64 = 200;
const PROBLEMS_SHOWN: usize = 8;

/// Always true, and different for every row as far as anyone can tell.
pub const HINDRANCE: &str = "RAND() >= 0";

pub fn trials() -> Vec<Trial> {
    let small = [
        ("STORNO_MEMTABLE_BYTES", "1048576"),
        ("STORNO_SEGMENT_ROWS", "2048"),
    ];
    let trial = |name: &str, seed: u64, settings: Vec<(&'static str, &'static str)>, collation| {
        Trial::test(format!("doors::{name}"), move || {
            block_on(run(seed, &settings, collation))
        })
    };
    let (bytes, any_case) = ("utf8mb4_0900_bin", "utf8mb4_0900_ai_ci");
    vec![
        trial("answers_from_memory_are_the_same", 1, Vec::new(), bytes),
        trial(
            "answers_from_segments_are_the_same",
            2,
            small.to_vec(),
            bytes,
        ),
        trial(
            "answers_in_any_case_are_the_same",
            3,
            small.to_vec(),
            any_case,
        ),
        trial(
            "answers_with_padding_are_the_same",
            4,
            small.to_vec(),
            "utf8mb4_bin",
        ),
    ]
}

const KEYS: [&str; 15] = [
    "site_id",
    "pathname",
    "browser",
    "country_code",
    "referrer_hostname",
    "utm_source",
    "client_id",
    "DATE(timestamp)",
    "DATE_FORMAT(timestamp, '%Y-%m-%d %H:00:00')",
    "HOUR(timestamp)",
    "DAYOFWEEK(timestamp)",
    "SUBSTRING_INDEX(pathname, '/', 2)",
    "CASE WHEN browser = 'Chrome' THEN 'C' ELSE 'other' END",
    "UPPER(referrer_hostname)",
    "duration",
];

const MEASURES: [&str; 16] = [
    "COUNT(*)",
    "SUM(pageviews)",
    "SUM(bounces)",
    "SUM(duration)",
    "AVG(duration)",
    "COUNT(referrer_hostname)",
    "COUNT(DISTINCT client_id)",
    "COUNT(DISTINCT pathname)",
    "COUNT(DISTINCT utm_source)",
    "MIN(timestamp)",
    "MAX(timestamp)",
    "MIN(duration)",
    "SUM(CASE WHEN timestamp >= '2025-07-01' THEN pageviews ELSE 0 END)",
    "SUM(CASE WHEN browser = 'Chrome' THEN visits END)",
    "COUNT(CASE WHEN device_type <> 'Mobile' THEN 1 END)",
    "100.0 * SUM(bounces) / NULLIF(SUM(visits), 0)",
];

const CONDITIONS: [&str; 17] = [
    "site_id = 412",
    "site_id IN (412, 1626, 175)",
    "timestamp >= '2025-06-01' AND timestamp < '2025-12-01'",
    "timestamp >= '2025-11-11 11:11:11'",
    "country_code = 'US'",
    "browser <> 'Chrome'",
    "pathname LIKE '/blog/%'",
    "pathname LIKE '%pri%'",
    "referrer_hostname IS NOT NULL",
    "utm_source IS NULL",
    "bounces < 0",
    "NOT (browser = 'Firefox' OR browser LIKE 'S%')",
    "LENGTH(pathname) > 12",
    "browser = 'chrome  '",
    "browser IN ('CHROME', 'safari', 'x')",
    "country_code BETWEEN 'de' AND 'fr'",
    "pathname LIKE '%PRI%'",
];

/// What else may decide which rows count: joins, of which some have keys that repeat.
const JOINS: [&str; 5] = [
    "JOIN picks ON page = pathname",
    "JOIN (SELECT DISTINCT visitor FROM seen) v ON visitor = client_id",
    "JOIN picks ON page = pathname AND no = site_id AND site_id = 412",
    "JOIN seen ON visitor = client_id",
    "JOIN (SELECT agent FROM seen) s ON agent = browser",
];

const SUBQUERIES: [&str; 3] = [
    "client_id IN (SELECT visitor FROM seen)",
    "EXISTS (SELECT 1 FROM picks WHERE page = pathname)",
    "referrer_hostname IN (SELECT LOWER(page) FROM seen)",
];

/// A query with a place for the hindrance.
fn query(random: &mut Random) -> (String, Order) {
    let some = |random: &mut Random, from: &[&'static str], most: u64| -> Vec<&'static str> {
        (0..random.below(most + 1))
            .map(|_| *random.pick(from))
            .collect()
    };
    let keys = some(random, &KEYS, 3);
    let mut measures = some(random, &MEASURES, 3);
    if measures.is_empty() {
        measures.push("COUNT(*)");
    }
    let mut conditions = some(random, &CONDITIONS, 3);
    let join = match random.below(4) {
        0 => *random.pick(&JOINS),
        1 => {
            conditions.push(*random.pick(&SUBQUERIES));
            ""
        }
        _ => "",
    };
    conditions.push("/*door*/");
    let items = keys
        .iter()
        .enumerate()
        .map(|(i, key)| format!("{key} AS k{i}"));
    let sums = measures
        .iter()
        .enumerate()
        .map(|(i, m)| format!("{m} AS m{i}"));
    let items: Vec<String> = items.chain(sums).collect();
    let mut sql = format!(
        "SELECT {} FROM pageviews {join} WHERE {}",
        items.join(", "),
        conditions.join(" AND ")
    );
    if keys.is_empty() {
        return (sql, Order::Any);
    }
    let names: Vec<String> = (0..keys.len()).map(|i| format!("k{i}")).collect();
    sql.push_str(&format!(" GROUP BY {}", names.join(", ")));
    if random.chance(30) {
        let least = random.between(-2, 4);
        sql.push_str(&format!(" HAVING m0 > {least}"));
    }
    let direction = if random.chance(70) { "DESC" } else { "ASC" };
    let limit = 1 + random.below(40);
    let order = names.join(", ");
    sql.push_str(&format!(" ORDER BY m0 {direction}, {order} LIMIT {limit}"));
    (sql, Order::Given)
}

/// A server with a year of traffic, some of it deleted again.
pub async fn with_traffic(
    settings: &[(&str, &str)],
    collation: &str,
) -> Outcome<(Server, Session)> {
    let server = Server::start_with(settings)?;
    let mut session = server.connect_to("web").await?;
    let keys = ", SORT KEY (site_id, timestamp)";
    let create = create_table("pageviews", keys).replace("utf8mb4_bin", collation);
    session.run(create).await?;
    let views = year_of_traffic(2025, ROWS);
    let rows: Vec<_> = views.iter().map(PageView::values).collect();
    for batch in rows.chunks(BATCH_ROWS) {
        let insert = insert("pageviews", &column_names(), batch);
        session.run(insert).await?;
    }
    let seen = "client_id AS visitor, pathname AS page, browser AS agent";
    for sql in [
        "DELETE FROM pageviews WHERE browser = 'Safari' AND HOUR(timestamp) = 7".to_owned(),
        "CREATE TABLE picks SELECT MIN(site_id) AS no, IF(CRC32(pathname) % 2, UPPER(pathname), \
         CONCAT(pathname, ' ')) AS page FROM pageviews WHERE site_id = 412 GROUP BY pathname"
            .to_owned(),
        format!("CREATE TABLE seen SELECT {seen} FROM pageviews WHERE client_id % 40 = 7"),
    ] {
        session.run(sql).await?;
    }
    Ok((server, session))
}

async fn run(seed: u64, settings: &[(&str, &str)], collation: &str) -> Outcome {
    let (mut server, mut session) = with_traffic(settings, collation).await?;
    let mut random = Random::new(seed);
    let mut problems = Vec::new();
    for _ in 0..QUERIES {
        let (sql, order) = query(&mut random);
        let fast = sql.replace("/*door*/", "1 = 1");
        let slow = sql.replace("/*door*/", HINDRANCE);
        if !is_in_storage(&mut session, &fast).await? {
            problems.push(format!("not in storage: {fast}"));
        }
        ensure(!is_in_storage(&mut session, &slow).await?, || {
            format!("not hindered: {slow}")
        })?;
        let mut expected = session.run(&slow).await;
        let mut actual = session.run(&fast).await;
        if collation.ends_with("_ci") {
            expected
                .iter_mut()
                .chain(&mut actual)
                .for_each(in_lower_case);
        }
        if let Some(text) = difference(&expected, &actual, order) {
            problems.push(format!("{fast}\n  {text}"));
        }
    }
    server.must_be_running()?;
    ensure(problems.is_empty(), || {
        let shown = problems.iter().take(PROBLEMS_SHOWN).cloned();
        let shown = shown.collect::<Vec<_>>().join("\n");
        format!("{} of {QUERIES} are wrong\n{shown}", problems.len())
    })
}

/// For answers under a collation without case, where a group shows any of its strings.
pub fn in_lower_case(answer: &mut Answer) {
    for cell in answer.rows.iter_mut().flatten() {
        if let Value::Bytes(bytes) = cell {
            bytes.make_ascii_lowercase();
        }
    }
}

async fn is_in_storage(session: &mut Session, sql: &str) -> Outcome<bool> {
    let plan = session.run(format!("EXPLAIN {sql}")).await?;
    Ok(plan
        .lines()
        .iter()
        .any(|line| line.contains("AggregateScan: table=web.pageviews")))
}
