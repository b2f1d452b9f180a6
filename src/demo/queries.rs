//! The dashboard's questions in SQL, as a web application would ask them, and reading the answers.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use mysql_async::{Conn, Row, Value};

use super::figures::{Figures, Line, Scope, TOP, Totals};
use crate::error::{Error, Result};

/// A part of the dashboard that one query fills.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Panel {
    Table,
    Totals,
    Days,
    Months,
    Pages,
    Referrers,
    Browsers,
    Countries,
    Sites,
}

impl Panel {
    pub const ALL: [Self; 9] = [
        Self::Table,
        Self::Totals,
        Self::Days,
        Self::Months,
        Self::Pages,
        Self::Referrers,
        Self::Browsers,
        Self::Countries,
        Self::Sites,
    ];

    /// The statement for the site and days of `scope`.
    pub fn sql(self, scope: &Scope) -> String {
        let site = format!("site_id = {}", scope.site_id);
        let period = format!(
            "WHERE {site} AND timestamp >= '{} 00:00:00' AND timestamp < '{} 00:00:00'",
            scope.from, scope.to
        );
        let views = "SUM(pageviews) AS views, SUM(visits) AS visits";
        let people = "SUM(uniques) AS visitors, SUM(pageviews) AS views";
        match self {
            Self::Table => {
                "SELECT COUNT(*) AS all_rows, SUM(CASE WHEN pageviews = 0 THEN 1 ELSE 0 END) \
                 AS corrections FROM demo.pageviews"
                    .into()
            }
            Self::Totals => format!(
                "SELECT SUM(pageviews) AS views, SUM(visits) AS visits, SUM(uniques) AS visitors, \
                 100 * SUM(bounces) / NULLIF(SUM(visits), 0) AS bounce_rate, \
                 SUM(duration) / NULLIF(SUM(visits), 0) AS average_duration \
                 FROM demo.pageviews {period}"
            ),
            Self::Days => series("DATE(timestamp)", views, &period),
            Self::Months => series(
                "DATE_FORMAT(timestamp, '%Y-%m')",
                views,
                &format!("WHERE {site}"),
            ),
            Self::Pages => list("pathname", views, &period),
            Self::Referrers => list(
                "referrer_hostname",
                "SUM(visits) AS visits, SUM(pageviews) AS views",
                &format!("{period} AND referrer_hostname IS NOT NULL"),
            ),
            Self::Browsers => list("browser", people, &period),
            Self::Countries => list("country_code", people, &period),
            Self::Sites => list("site_id", views, ""),
        }
    }
}

fn series(bucket: &str, sums: &str, filter: &str) -> String {
    format!(
        "SELECT {bucket} AS bucket, {sums} FROM demo.pageviews {filter} \
         GROUP BY bucket ORDER BY bucket"
    )
}

fn list(column: &str, sums: &str, filter: &str) -> String {
    format!(
        "SELECT {column}, {sums} FROM demo.pageviews {filter} \
         GROUP BY {column} ORDER BY 2 DESC, 1 LIMIT {TOP}"
    )
}

/// The server's answers.
#[derive(Debug, Clone)]
pub struct Answers {
    pub figures: Figures,
    /// How long each took, from sending the statement to the last row.
    pub times: Vec<(Panel, Duration)>,
}

impl Answers {
    pub fn time(&self, panel: Panel) -> Option<Duration> {
        self.times
            .iter()
            .find(|(p, _)| *p == panel)
            .map(|(_, time)| *time)
    }
}

/// Asks everything, one after the other, over one connection.
pub async fn ask(conn: &mut Conn, scope: &Scope) -> Result<Answers> {
    let mut answers = Answers {
        figures: Figures::default(),
        times: Vec::new(),
    };
    for panel in Panel::ALL {
        let sql = panel.sql(scope);
        let start = Instant::now();
        let rows: Vec<Row> = conn
            .query(&sql)
            .await
            .map_err(|why| Error::Demo(format!("{why}\n  in: {sql}")))?;
        answers.times.push((panel, start.elapsed()));
        fill(&mut answers.figures, panel, &rows)
            .map_err(|what| Error::Demo(format!("{what}\n  in the answer to: {sql}")))?;
    }
    Ok(answers)
}

type Cells<T> = std::result::Result<T, String>;

fn fill(figures: &mut Figures, panel: Panel, rows: &[Row]) -> Cells<()> {
    let lines = || rows.iter().map(line).collect::<Cells<Vec<Line>>>();
    let only = || {
        rows.first()
            .filter(|_| rows.len() == 1)
            .ok_or("expected one row".to_string())
    };
    match panel {
        Panel::Table => {
            figures.rows = number(only()?, 0)?;
            figures.corrections = number(only()?, 1)?;
        }
        Panel::Totals => figures.totals = totals(only()?)?,
        Panel::Days => figures.days = lines()?,
        Panel::Months => figures.months = lines()?,
        Panel::Pages => figures.pages = lines()?,
        Panel::Referrers => figures.referrers = lines()?,
        Panel::Browsers => figures.browsers = lines()?,
        Panel::Countries => figures.countries = lines()?,
        Panel::Sites => figures.sites = lines()?,
    }
    Ok(())
}

fn totals(row: &Row) -> Cells<Totals> {
    Ok(Totals {
        pageviews: number(row, 0)?,
        visits: number(row, 1)?,
        uniques: number(row, 2)?,
        bounce_rate: text(row, 3)?,
        average_duration: text(row, 4)?,
    })
}

fn line(row: &Row) -> Cells<Line> {
    let name = text(row, 0)?.unwrap_or_default();
    Ok(Line {
        name,
        first: number(row, 1)?,
        second: number(row, 2)?,
    })
}

/// A sum; NULL (no rows) is 0.
fn number(row: &Row, i: usize) -> Cells<i64> {
    match text(row, i)? {
        None => Ok(0),
        Some(text) => text
            .parse()
            .map_err(|_| format!("expected a whole number in column {i}, got '{text}'")),
    }
}

/// A cell of the text protocol as text.
fn text(row: &Row, i: usize) -> Cells<Option<String>> {
    match row.as_ref(i) {
        Some(Value::NULL) => Ok(None),
        Some(Value::Bytes(bytes)) => Ok(Some(String::from_utf8_lossy(bytes).into_owned())),
        Some(other) => Err(format!("column {i} is not text but {other:?}")),
        None => Err(format!("there is no column {i}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use chrono::NaiveDate;

    #[test]
    fn statements_name_site_and_half_open_period() {
        let from = NaiveDate::from_ymd_opt(2026, 1, 30).unwrap();
        let to = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let scope = Scope {
            site_id: 7,
            from,
            to,
        };
        for panel in [
            Panel::Totals,
            Panel::Days,
            Panel::Pages,
            Panel::Referrers,
            Panel::Browsers,
        ] {
            let sql = panel.sql(&scope);
            assert!(
                sql.contains(
                    "site_id = 7 AND timestamp >= '2026-01-30 00:00:00' \
                     AND timestamp < '2026-03-01 00:00:00'"
                ),
                "{sql}"
            );
        }
    }
}
