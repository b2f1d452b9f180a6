//! The figures on the dashboard, and the same figures worked out from the rows without any engine.
//!
//! The demo itself shows only what the server answers; `expected` is there for tests to compare
//! with.

use std::cmp::Reverse;
use std::collections::BTreeMap;

use chrono::{Datelike, NaiveDate};

use super::row::{Measures, Row};

/// Lines in a list of the dashboard.
pub const TOP: usize = 8;

/// Which site and which days the dashboard shows: `from` is the first, `to` the day after the last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Scope {
    pub site_id: u32,
    pub from: NaiveDate,
    pub to: NaiveDate,
}

impl Scope {
    fn contains(&self, row: &Row<'_>) -> bool {
        row.site_id == self.site_id && (self.from..self.to).contains(&row.date)
    }
}

/// Sums, and the two ratios as MySQL writes them (DECIMAL with four digits), NULL when there are no
/// visits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Totals {
    pub pageviews: i64,
    pub visits: i64,
    pub uniques: i64,
    /// Percent of visits that saw one page.
    pub bounce_rate: Option<String>,
    /// Seconds of a visit.
    pub average_duration: Option<String>,
}

/// One line of a list: a name with one or two sums.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub name: String,
    pub first: i64,
    pub second: i64,
}

/// Everything on the dashboard.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Figures {
    /// All rows of the table, and those of them that are corrections.
    pub rows: i64,
    pub corrections: i64,
    pub totals: Totals,
    /// Views and visits by day, in order.
    pub days: Vec<Line>,
    /// Views and visits of the site by month, over all data, in order.
    pub months: Vec<Line>,
    /// Views and visits.
    pub pages: Vec<Line>,
    /// Visits and views.
    pub referrers: Vec<Line>,
    /// Visitors and views.
    pub browsers: Vec<Line>,
    /// Visitors and views.
    pub countries: Vec<Line>,
    /// Views and visits of every site (its id), over all data.
    pub sites: Vec<Line>,
}

/// Works the figures out from all rows of the table, in any order.
pub fn expected<'r, 'w: 'r>(rows: impl IntoIterator<Item = &'r Row<'w>>, scope: &Scope) -> Figures {
    let mut counts = Counts::default();
    rows.into_iter().for_each(|row| counts.add(row, scope));
    let sum = &counts.scope;
    Figures {
        rows: counts.rows,
        corrections: counts.corrections,
        totals: Totals {
            pageviews: sum.pageviews,
            visits: sum.visits,
            uniques: sum.uniques,
            bounce_rate: ratio(100 * sum.bounces, sum.visits),
            average_duration: ratio(sum.duration, sum.visits),
        },
        days: in_order(counts.days),
        months: in_order(counts.months),
        pages: top(counts.pages),
        referrers: top(counts.referrers),
        browsers: top(counts.browsers),
        countries: top(counts.countries),
        sites: top(counts.sites),
    }
}

type Pairs = BTreeMap<String, (i64, i64)>;

#[derive(Default)]
struct Sums {
    pageviews: i64,
    visits: i64,
    uniques: i64,
    bounces: i64,
    duration: i64,
}

#[derive(Default)]
struct Counts {
    rows: i64,
    corrections: i64,
    scope: Sums,
    days: Pairs,
    months: Pairs,
    pages: Pairs,
    referrers: Pairs,
    browsers: Pairs,
    countries: Pairs,
    sites: Pairs,
}

impl Counts {
    fn add(&mut self, row: &Row<'_>, scope: &Scope) {
        let m = &row.measures;
        let (views, visits) = (i64::from(m.pageviews), i64::from(m.visits));
        self.rows += 1;
        self.corrections += i64::from(m.pageviews == 0);
        bump(&mut self.sites, &row.site_id.to_string(), views, visits);
        if row.site_id == scope.site_id {
            let month = format!("{}-{:02}", row.date.year(), row.date.month());
            bump(&mut self.months, &month, views, visits);
        }
        if scope.contains(row) {
            self.add_in_scope(row, m);
        }
    }

    fn add_in_scope(&mut self, row: &Row<'_>, m: &Measures) {
        let [views, visits, uniques] = [m.pageviews, m.visits, m.uniques].map(i64::from);
        self.scope.pageviews += views;
        self.scope.visits += visits;
        self.scope.uniques += uniques;
        self.scope.bounces += i64::from(m.bounces);
        self.scope.duration += i64::from(m.duration);
        bump(&mut self.days, &row.date.to_string(), views, visits);
        bump(&mut self.pages, row.pathname, views, visits);
        bump(&mut self.browsers, row.visitor.browser, uniques, views);
        bump(
            &mut self.countries,
            row.visitor.country_code,
            uniques,
            views,
        );
        if let Some(referrer) = &row.referrer {
            bump(&mut self.referrers, referrer.hostname, visits, views);
        }
    }
}

fn bump(pairs: &mut Pairs, name: &str, first: i64, second: i64) {
    if !pairs.contains_key(name) {
        pairs.insert(name.to_string(), (0, 0));
    }
    if let Some(pair) = pairs.get_mut(name) {
        pair.0 += first;
        pair.1 += second;
    }
}

fn in_order(pairs: Pairs) -> Vec<Line> {
    pairs
        .into_iter()
        .map(|(name, (first, second))| Line {
            name,
            first,
            second,
        })
        .collect()
}

/// The largest by the first sum; equals in the order of their names.
fn top(pairs: Pairs) -> Vec<Line> {
    let mut lines = in_order(pairs);
    lines.sort_by_key(|line| Reverse(line.first));
    lines.truncate(TOP);
    lines
}

/// `a / b` as MySQL divides integers: four digits, half away from zero; NULL by zero.
fn ratio(a: i64, b: i64) -> Option<String> {
    if b == 0 {
        return None;
    }
    let (a, b) = (i128::from(a) * 10_000, i128::from(b));
    let negative = (a < 0) != (b < 0) && a != 0;
    let (a, b) = (a.abs(), b.abs());
    let units = (2 * a + b) / (2 * b);
    let sign = if negative && units != 0 { "-" } else { "" };
    Some(format!("{sign}{}.{:04}", units / 10_000, units % 10_000))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::{DAYS, Plan, Traffic};

    #[test]
    fn ratios_are_rounded_as_mysql_rounds_decimals() {
        assert_eq!(ratio(1, 3).unwrap(), "0.3333");
        assert_eq!(ratio(2, 3).unwrap(), "0.6667");
        assert_eq!(ratio(100, 8).unwrap(), "12.5000");
        assert_eq!(ratio(1, 20_000).unwrap(), "0.0001");
        assert_eq!(ratio(-1, 3).unwrap(), "-0.3333");
        assert_eq!(ratio(-1, 1_000_000).unwrap(), "0.0000");
        assert_eq!(ratio(0, 5).unwrap(), "0.0000");
        assert_eq!(ratio(5, 0), None);
    }

    #[test]
    fn parts_add_up_to_the_whole() {
        let today = NaiveDate::from_ymd_opt(2026, 3, 1).unwrap();
        let traffic = Traffic::new(Plan {
            rows: 50_000,
            seed: 1,
            today,
        });
        let rows: Vec<_> = (0..DAYS).flat_map(|day| traffic.day(day)).collect();
        let from = NaiveDate::from_ymd_opt(2026, 1, 30).unwrap();
        let scope = Scope {
            site_id: 1,
            from,
            to: today,
        };
        let figures = expected(&rows, &scope);
        assert_eq!(figures.rows, rows.len() as i64);
        assert_eq!(figures.days.len(), 30);
        assert_eq!(figures.months.len(), 12);
        let views = |lines: &[Line]| lines.iter().map(|line| line.first).sum::<i64>();
        assert_eq!(views(&figures.days), figures.totals.pageviews);
        assert!(views(&figures.pages) < figures.totals.pageviews);
        assert_eq!(figures.pages[0].name, "/");
        assert!(
            figures
                .pages
                .windows(2)
                .all(|pair| pair[0].first >= pair[1].first)
        );
        let rate: f64 = figures.totals.bounce_rate.unwrap().parse().unwrap();
        assert!((40.0..60.0).contains(&rate), "{rate}");
    }

    #[test]
    fn equals_are_ordered_by_name() {
        let pairs = Pairs::from([
            ("b".into(), (1, 0)),
            ("a".into(), (1, 0)),
            ("c".into(), (2, 0)),
        ]);
        let names: Vec<_> = top(pairs).into_iter().map(|line| line.name).collect();
        assert_eq!(names, ["c", "a", "b"]);
    }
}
