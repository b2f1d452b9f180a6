//! Page views written one by one and in batches are read back whole, and their sums are right, also
//! after restarts and under corrections.

use std::collections::BTreeMap;

use libtest_mimic::Trial;
use mysql_async::Value;

use crate::data::literal::{insert, insert_with_placeholders};
use crate::data::pageview::{Measures, column_names, create_table};
use crate::data::traffic::year_of_traffic;
use crate::data::{PageView, literal};
use crate::harness::{Outcome, Server, Session, ensure, same, trials};

const TABLE: &str = "pageviews";
const BATCH_ROWS: usize = 1_000;

pub fn trials() -> Vec<Trial> {
    trials!(
        "writes",
        [
            single_rows_in_the_text_protocol_are_read_back,
            single_rows_as_prepared_statements_are_read_back,
            batches_of_a_thousand_text_rows_are_read_back,
            batches_of_a_thousand_bound_rows_are_read_back,
            sums_per_site_and_day_equal_those_of_the_rows,
            a_correction_changes_bounces_and_duration_and_nothing_else,
            a_multi_row_insert_with_one_bad_row_leaves_nothing,
            rows_are_visible_to_other_sessions_at_once,
            everything_is_there_after_an_orderly_restart,
            everything_is_there_after_sigkill,
            rows_of_a_join_are_counted_as_what_they_need,
        ]
    )
}

async fn session_with_table(server: &Server) -> Outcome<Session> {
    let mut session = server.connect_to("web").await?;
    session.run(create_table(TABLE, "")).await?;
    Ok(session)
}

async fn single_rows_in_the_text_protocol_are_read_back(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let views = year_of_traffic(1, 60);
    for view in &views {
        let answer = session
            .run(insert(TABLE, &column_names(), &[view.values()]))
            .await?;
        same("affected rows", &1, &answer.affected_rows)?;
        same("warnings", &0, &answer.warnings)?;
    }
    must_hold(&mut session, &views).await
}

async fn single_rows_as_prepared_statements_are_read_back(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let views = year_of_traffic(2, 60);
    let sql = insert_with_placeholders(TABLE, &column_names(), 1);
    for view in &views {
        let answer = session.execute(&sql, view.values()).await?;
        same("affected rows", &1, &answer.affected_rows)?;
    }
    must_hold(&mut session, &views).await
}

async fn batches_of_a_thousand_text_rows_are_read_back(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let views = year_of_traffic(3, 3 * BATCH_ROWS);
    write_text(&mut session, &views).await?;
    must_hold(&mut session, &views).await
}

async fn batches_of_a_thousand_bound_rows_are_read_back(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let mut views = year_of_traffic(4, 3 * BATCH_ROWS);
    views.truncate(3 * BATCH_ROWS);
    let sql = insert_with_placeholders(TABLE, &column_names(), BATCH_ROWS);
    for batch in views.chunks(BATCH_ROWS) {
        let values: Vec<Value> = batch.iter().flat_map(PageView::values).collect();
        let answer = session.execute(&sql, values).await?;
        same("affected rows", &(BATCH_ROWS as u64), &answer.affected_rows)?;
    }
    must_hold(&mut session, &views).await
}

async fn sums_per_site_and_day_equal_those_of_the_rows(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let views = year_of_traffic(5, 4_000);
    write_text(&mut session, &views).await?;
    let sums = "COUNT(*), SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), \
                SUM(duration)";

    let whole = session.lines(format!("SELECT {sums} FROM {TABLE}")).await?;
    same("totals", &vec![sums_line(views.iter())], &whole)?;

    let by_site = grouped(&views, |view| view.site_id.to_string());
    let sql = format!("SELECT site_id, {sums} FROM {TABLE} GROUP BY site_id");
    same("by site", &by_site, &sorted(session.lines(sql).await?))?;

    let by_day = grouped(&views, |view| {
        let t = view.timestamp;
        format!("{}|{:04}-{:02}-{:02}", view.site_id, t.year, t.month, t.day)
    });
    let sql = format!(
        "SELECT site_id, DATE(timestamp) AS day, {sums} FROM {TABLE} GROUP BY site_id, day"
    );
    same(
        "by site and day",
        &by_day,
        &sorted(session.lines(sql).await?),
    )?;

    let by_path = grouped(views.iter().filter(|v| v.site_id == 412), |v| {
        v.pathname.clone()
    });
    let sql = format!("SELECT pathname, {sums} FROM {TABLE} WHERE site_id = 412 GROUP BY pathname");
    same(
        "by path of one site",
        &by_path,
        &sorted(session.lines(sql).await?),
    )
}

async fn a_correction_changes_bounces_and_duration_and_nothing_else(
    server: &mut Server,
) -> Outcome {
    let mut session = session_with_table(server).await?;
    let view = &year_of_traffic(6, 1)[0];
    session
        .run(insert(TABLE, &column_names(), &[view.values()]))
        .await?;
    let sums = format!(
        "SELECT SUM(pageviews), SUM(visits), SUM(uniques), SUM(bounces), SUM(exits), SUM(duration) \
         FROM {TABLE} WHERE pathname = {}",
        literal(&Value::from(&view.pathname)),
    );
    let uniques = view.measures.uniques;
    same(
        "before",
        &vec![format!("1|1|{uniques}|1|1|0")],
        &session.lines(&sums).await?,
    )?;

    let measures = Measures {
        bounces: -1,
        duration: 42,
        ..Measures::default()
    };
    let correction = PageView {
        measures,
        ..view.clone()
    };
    session
        .run(insert(TABLE, &column_names(), &[correction.values()]))
        .await?;
    same(
        "after",
        &vec![format!("1|1|{uniques}|0|1|42")],
        &session.lines(&sums).await?,
    )?;

    server.restart()?;
    let mut session = server.connect_to("web").await?;
    same(
        "after a restart",
        &vec![format!("1|1|{uniques}|0|1|42")],
        &session.lines(&sums).await?,
    )?;
    let negative = format!("SELECT bounces, duration FROM {TABLE} WHERE bounces < 0");
    same(
        "the row itself",
        &vec!["-1|42".to_owned()],
        &session.lines(negative).await?,
    )
}

async fn a_multi_row_insert_with_one_bad_row_leaves_nothing(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let views = year_of_traffic(7, 50);
    let mut rows: Vec<Vec<Value>> = views.iter().map(PageView::values).collect();
    rows[40][0] = Value::NULL;
    let refusal = session
        .refused(insert(TABLE, &column_names(), &rows))
        .await?;
    ensure(
        refusal.to_string().starts_with("ERROR 1048 (23000)"),
        || refusal.to_string(),
    )?;
    must_hold(&mut session, &[]).await?;
    rows[40][0] = Value::Int(-1);
    let refusal = session
        .refused(insert(TABLE, &column_names(), &rows))
        .await?;
    ensure(
        refusal.to_string().starts_with("ERROR 1264 (22003)"),
        || refusal.to_string(),
    )?;
    must_hold(&mut session, &[]).await
}

async fn rows_are_visible_to_other_sessions_at_once(server: &mut Server) -> Outcome {
    let mut writer = session_with_table(server).await?;
    let mut reader = server.connect_to("web").await?;
    let views = year_of_traffic(8, 30);
    for (written, view) in views.iter().enumerate() {
        writer
            .run(insert(TABLE, &column_names(), &[view.values()]))
            .await?;
        let count = reader
            .run(format!("SELECT COUNT(*) FROM {TABLE}"))
            .await?
            .single();
        same(
            "rows seen by the reader",
            &Some((written + 1).to_string()),
            &count,
        )?;
    }
    Ok(())
}

async fn everything_is_there_after_an_orderly_restart(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let mut views = Vec::new();
    for round in 0..3 {
        let more = year_of_traffic(100 + round, 500);
        write_text(&mut session, &more).await?;
        views.extend(more);
        drop(session);
        server.restart()?;
        session = server.connect_to("web").await?;
        must_hold(&mut session, &views).await?;
    }
    Ok(())
}

async fn everything_is_there_after_sigkill(server: &mut Server) -> Outcome {
    let mut session = session_with_table(server).await?;
    let mut views = Vec::new();
    for round in 0..3 {
        let more = year_of_traffic(200 + round, 500);
        write_text(&mut session, &more).await?;
        views.extend(more);
        server.kill()?;
        server.start_again()?;
        session = server.connect_to("web").await?;
        must_hold(&mut session, &views).await?;
    }
    Ok(())
}

async fn write_text(session: &mut Session, views: &[PageView]) -> Outcome {
    for batch in views.chunks(BATCH_ROWS) {
        let rows: Vec<Vec<Value>> = batch.iter().map(PageView::values).collect();
        let answer = session.run(insert(TABLE, &column_names(), &rows)).await?;
        same(
            "affected rows",
            &(batch.len() as u64),
            &answer.affected_rows,
        )?;
        let info = format!("Records: {}  Duplicates: 0  Warnings: 0", batch.len());
        if batch.len() > 1 {
            same("info of the insert", &info, &answer.info)?;
        }
    }
    Ok(())
}

/// The table holds exactly these rows, by the text and by the binary protocol.
async fn must_hold(session: &mut Session, views: &[PageView]) -> Outcome {
    let expected = sorted(views.iter().map(line_of).collect());
    let sql = format!("SELECT * FROM {TABLE}");
    same(
        "rows (text)",
        &expected,
        &sorted(session.lines(&sql).await?),
    )?;
    let binary = session.execute(&sql, ()).await?;
    same("rows (binary)", &expected, &sorted(binary.lines()))?;
    same(
        "column names",
        &column_names().map(str::to_owned).to_vec(),
        &binary.column_names(),
    )
}

/// A row as `Answer::lines` shows it, made without any server.
fn line_of(view: &PageView) -> String {
    let cell = |value: Value| match value {
        Value::NULL => "NULL".to_owned(),
        Value::Bytes(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        other => literal(&other).trim_matches('\'').to_owned(),
    };
    view.values()
        .into_iter()
        .map(cell)
        .collect::<Vec<_>>()
        .join("|")
}

fn sorted(mut lines: Vec<String>) -> Vec<String> {
    lines.sort_unstable();
    lines
}

/// `COUNT(*)` and the six sums, as a line.
fn sums_line<'a>(views: impl Iterator<Item = &'a PageView>) -> String {
    let mut sums = [0i64; 7];
    for m in views.map(|view| &view.measures) {
        let row = [
            1,
            m.pageviews,
            m.visits,
            m.uniques,
            m.bounces,
            m.exits,
            m.duration,
        ];
        sums.iter_mut()
            .zip(row)
            .for_each(|(sum, value)| *sum += i64::from(value));
    }
    sums.map(|sum| sum.to_string()).join("|")
}

fn grouped<'a>(
    views: impl IntoIterator<Item = &'a PageView>,
    key: impl Fn(&PageView) -> String,
) -> Vec<String> {
    let mut groups: BTreeMap<String, Vec<&PageView>> = BTreeMap::new();
    for view in views {
        groups.entry(key(view)).or_default().push(view);
    }
    sorted(
        groups
            .iter()
            .map(|(key, g)| format!("{key}|{}", sums_line(g.iter().copied())))
            .collect(),
    )
}

/// A hundred batches of a join share their strings' buffers, and are no gibibyte.
async fn rows_of_a_join_are_counted_as_what_they_need(server: &mut Server) -> Outcome {
    let mut session = server.connect_to("web").await?;
    session
        .run("CREATE TABLE big (id INT NOT NULL, t CHAR(32) NOT NULL)")
        .await?;
    let insert = "INSERT INTO big \
                  WITH RECURSIVE r AS (SELECT 1 n UNION ALL SELECT n + 1 FROM r WHERE n < 1000) \
                  SELECT a.n * 1000 + b.n, MD5(a.n * 1000 + b.n) FROM r a JOIN r b \
                  WHERE a.n <= 100";
    same("rows", &100_000, &session.run(insert).await?.affected_rows)?;
    let sums = session
        .lines("SELECT COUNT(DISTINCT id), MIN(LENGTH(t)), MAX(LENGTH(t)) FROM big")
        .await?;
    same("sums", &vec!["100000|32|32".to_owned()], &sums)
}
