//! The queries of a web-analytics dashboard answer as MariaDB does, cell by cell.
//!
//! The queries are in tests/dashboard/queries.sql, the data is `data::traffic`'s. The same answers
//! are asked of rows in memory, of rows in many small segments, and after a restart.

use std::path::Path;

use libtest_mimic::{Failed, Trial};
use mysql_async::Value;

use crate::data::events::{
    CREATE_EVENTS, CREATE_PROPERTIES, EVENT_COLUMNS, PROPERTY_COLUMNS, events,
};
use crate::data::literal::insert;
use crate::data::pageview::{Measures, Moment, PageView, column_names, create_table};
use crate::data::traffic::year_of_traffic;
use crate::harness::compare::{Order, difference};
use crate::harness::random::Random;
use crate::harness::{Outcome, Server, Session, block_on, ensure, judge, same};

const PAGE_VIEW_ROWS: usize = 6_000;
const VIRAL_ROWS: usize = 1_500;
const EVENTS: usize = 800;
const BATCH_ROWS: usize = 500;

pub fn trials() -> Vec<Trial> {
    let small = [
        ("STORNO_MEMTABLE_BYTES", "1048576"),
        ("STORNO_SEGMENT_ROWS", "1024"),
    ];
    let with_judge = |name: &str, environment: Vec<(&'static str, &'static str)>| {
        Trial::test(format!("dashboard::{name}"), move || {
            block_on(run(&environment))
        })
        .with_ignored_flag(!judge::is_installed())
    };
    vec![
        with_judge("answers_equal_those_of_mariadb", Vec::new()),
        with_judge(
            "answers_from_small_segments_equal_those_of_mariadb",
            small.to_vec(),
        ),
        Trial::test("dashboard::every_query_is_in_the_file", || {
            let queries = queries()?;
            same("queries", &43, &queries.len())
        }),
    ]
}

async fn run(environment: &[(&str, &str)]) -> Outcome {
    let mut server = Server::start_with(environment)?;
    let judge = Server::start_judge()?;
    let rows = tables();
    let mut expected_session = judge.connect_to("web").await?;
    load(&mut expected_session, &rows).await?;
    let mut session = server.connect_to("web").await?;
    load(&mut session, &rows).await?;

    let mut expected = Vec::new();
    let mut empty = Vec::new();
    for (name, sql) in queries()? {
        let answer = expected_session.run(&sql).await?;
        if answer.rows.is_empty() || answer.rows[0].iter().all(|value| *value == Value::NULL) {
            empty.push(name.clone());
        }
        expected.push((name, sql, Ok(answer)));
    }
    // A query that finds nothing would prove nothing.
    same("queries that find nothing", &Vec::<String>::new(), &empty)?;

    let mut problems = Vec::new();
    for round in ["as loaded", "after a restart"] {
        for (name, sql, expected) in &expected {
            let actual = session.run(sql).await;
            if let Some(text) = difference(expected, &actual, Order::Given) {
                problems.push(format!("{name} ({round})\n  {text}"));
            }
        }
        server.restart()?;
        session = server.connect_to("web").await?;
    }
    ensure(problems.is_empty(), || {
        format!("{}\n{}", problems.join("\n"), server.log_tail())
    })
}

/// Name and text of every query.
fn queries() -> Outcome<Vec<(String, String)>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/dashboard/queries.sql");
    let text = std::fs::read_to_string(path)?;
    let mut queries = Vec::new();
    for part in text.split("\n-- name: ").skip(1) {
        let (head, sql) = part.split_once('\n').ok_or("a name without a query")?;
        let name = head.split_whitespace().next().ok_or("no name")?;
        let (sql, _) = sql
            .split_once(';')
            .ok_or_else(|| Failed::from(format!("{name}: no ';'")))?;
        queries.push((name.to_owned(), sql.trim().to_owned()));
    }
    Ok(queries)
}

/// A table's name, columns and rows.
struct Loaded {
    table: &'static str,
    columns: Vec<&'static str>,
    rows: Vec<Vec<Value>>,
}

fn tables() -> Vec<Loaded> {
    let views = year_of_traffic(2025, PAGE_VIEW_ROWS);
    let (events, properties) = events(7, EVENTS);
    let page_views = views.iter().map(PageView::values).collect();
    let columns = column_names().to_vec();
    vec![
        Loaded {
            table: "pageviews",
            columns: columns.clone(),
            rows: page_views,
        },
        Loaded {
            table: "viral",
            columns,
            rows: viral(&views[0]),
        },
        Loaded {
            table: "events",
            columns: EVENT_COLUMNS.to_vec(),
            rows: events,
        },
        Loaded {
            table: "event_properties",
            columns: PROPERTY_COLUMNS.to_vec(),
            rows: properties,
        },
    ]
}

/// One site, one day, nearly every path seen once.
fn viral(template: &PageView) -> Vec<Vec<Value>> {
    let mut random = Random::new(99);
    let mut rows = Vec::new();
    for number in 0..VIRAL_ROWS {
        let (hour, minute) = (random.below(24) as u8, random.below(60) as u8);
        let timestamp = Moment {
            year: 2025,
            month: 11,
            day: 15,
            hour,
            minute,
            second: 0,
        };
        let path = if random.chance(10) {
            random.below(20)
        } else {
            1_000 + number as u64
        };
        let measures = Measures {
            pageviews: 1,
            visits: 1,
            uniques: 1,
            ..Measures::default()
        };
        let mut view = PageView {
            site_id: 999_999,
            timestamp,
            measures,
            ..template.clone()
        };
        view.pathname = format!("/watch?v={path:08x}");
        if let Some(referrer) = view.referrer.as_mut() {
            referrer.kind = if random.chance(50) {
                "Social"
            } else {
                "Search"
            };
        }
        rows.push(view.values());
    }
    rows
}

async fn load(session: &mut Session, tables: &[Loaded]) -> Outcome {
    session.run(create_table("pageviews", "")).await?;
    session.run(create_table("viral", "")).await?;
    session.run(CREATE_EVENTS).await?;
    session.run(CREATE_PROPERTIES).await?;
    for loaded in tables {
        for batch in loaded.rows.chunks(BATCH_ROWS) {
            session
                .run(insert(loaded.table, &loaded.columns, batch))
                .await?;
        }
    }
    Ok(())
}
