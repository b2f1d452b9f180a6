//! The demo: a year of page views of invented sites, loaded and asked like a web application would.
//!
//! Nothing in here reaches the engine but through a MySQL connection. The parts: `vocabulary` and
//! `world` (what there is to visit), `traffic` (who visits it), `row` (table and INSERT), `load`,
//! `queries` (what the dashboard asks), `dashboard` and `cells` (how it is drawn), `figures` (the
//! same figures worked out without the engine, for tests).

mod cells;
mod dashboard;
mod figures;
mod load;
mod progress;
mod queries;
mod rng;
mod row;
mod traffic;
mod vocabulary;
mod world;

use chrono::{Days, NaiveDate};

pub use dashboard::{Canvas, render};
pub use figures::{Figures, Line, Scope, Totals, expected};
pub use load::{Found, Loaded, inspect, load};
pub use progress::Progress;
pub use queries::{Answers, Panel, ask};
pub use row::{CREATE_TABLE, Campaign, Measures, Referrer, Row, Visitor, insert};
pub use traffic::{DAYS, Plan, Traffic};

/// Rows of `storno demo`.
pub const DEFAULT_ROWS: u64 = 2_500_000;

/// "Today" of `storno demo`. Fixed, so that the figures are the same whenever it is run.
pub const DEFAULT_TODAY: NaiveDate = NaiveDate::from_ymd_opt(2026, 11, 1).unwrap();

/// Days the dashboard shows.
const DASHBOARD_DAYS: u64 = 30;

/// What the dashboard shows of `traffic`: the largest site's last 30 days.
pub fn scope(traffic: &Traffic) -> Scope {
    let to = traffic.plan().today;
    Scope {
        site_id: traffic.largest_site().0,
        from: to - Days::new(DASHBOARD_DAYS),
        to,
    }
}
