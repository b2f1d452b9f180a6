//! The table of page views (25 columns) and one row of it.

use mysql_async::Value;

/// Columns and types, in order. Every measure is additive; corrections are rows with negative ones.
pub const COLUMNS: [(&str, &str); 25] = [
    ("site_id", "INT UNSIGNED NOT NULL"),
    ("timestamp", "DATETIME NOT NULL"),
    ("client_id", "BIGINT UNSIGNED NOT NULL"),
    ("hostname", "VARCHAR(255) NOT NULL"),
    ("pathname", "VARCHAR(2048) NOT NULL"),
    ("referrer_hostname", "VARCHAR(255) NULL"),
    ("referrer_pathname", "VARCHAR(1024) NULL"),
    ("referrer_type", "VARCHAR(32) NULL"),
    ("country_code", "CHAR(2) NOT NULL"),
    ("region", "VARCHAR(128) NULL"),
    ("city", "VARCHAR(128) NULL"),
    ("browser", "VARCHAR(64) NOT NULL"),
    ("operating_system", "VARCHAR(64) NOT NULL"),
    ("device_type", "VARCHAR(16) NOT NULL"),
    ("utm_source", "VARCHAR(255) NULL"),
    ("utm_medium", "VARCHAR(255) NULL"),
    ("utm_campaign", "VARCHAR(255) NULL"),
    ("utm_content", "VARCHAR(255) NULL"),
    ("utm_term", "VARCHAR(255) NULL"),
    ("pageviews", "INT NOT NULL"),
    ("visits", "INT NOT NULL"),
    ("uniques", "INT NOT NULL"),
    ("bounces", "INT NOT NULL"),
    ("exits", "INT NOT NULL"),
    ("duration", "INT NOT NULL"),
];

/// `CREATE TABLE`; `keys` is appended to the columns (for example `, SORT KEY (site_id)`).
pub fn create_table(table: &str, keys: &str) -> String {
    let columns: Vec<String> = COLUMNS
        .iter()
        .map(|(name, mysql_type)| format!("  `{name}` {mysql_type}"))
        .collect();
    format!(
        "CREATE TABLE {table} (\n{}{keys}\n) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
        columns.join(",\n")
    )
}

pub fn column_names() -> [&'static str; 25] {
    COLUMNS.map(|(name, _)| name)
}

/// A moment without a zone, to the second.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Moment {
    pub year: u16,
    pub month: u8,
    pub day: u8,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
}

#[derive(Debug, Clone, PartialEq)]
pub struct PageView {
    pub site_id: u32,
    pub timestamp: Moment,
    pub client_id: u64,
    pub hostname: String,
    pub pathname: String,
    pub referrer: Option<Referrer>,
    pub country_code: &'static str,
    pub region: Option<String>,
    pub city: Option<String>,
    pub browser: &'static str,
    pub operating_system: &'static str,
    pub device_type: &'static str,
    pub utm: Option<Utm>,
    pub measures: Measures,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Referrer {
    pub hostname: &'static str,
    pub pathname: Option<String>,
    pub kind: &'static str,
}

#[derive(Debug, Clone, PartialEq)]
pub struct Utm {
    pub source: &'static str,
    pub medium: &'static str,
    pub campaign: Option<String>,
    pub content: Option<String>,
    pub term: Option<String>,
}

/// The additive columns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Measures {
    pub pageviews: i32,
    pub visits: i32,
    pub uniques: i32,
    pub bounces: i32,
    pub exits: i32,
    /// Seconds.
    pub duration: i32,
}

impl PageView {
    /// The row in the order of `COLUMNS`.
    pub fn values(&self) -> Vec<Value> {
        let utm = self.utm.as_ref();
        let referrer = self.referrer.as_ref();
        let m = &self.measures;
        let mut values = vec![
            Value::from(self.site_id),
            self.timestamp.value(),
            Value::from(self.client_id),
            Value::from(&self.hostname),
            Value::from(&self.pathname),
            Value::from(referrer.map(|r| r.hostname)),
            Value::from(referrer.and_then(|r| r.pathname.as_deref())),
            Value::from(referrer.map(|r| r.kind)),
            Value::from(self.country_code),
            Value::from(self.region.as_deref()),
            Value::from(self.city.as_deref()),
            Value::from(self.browser),
            Value::from(self.operating_system),
            Value::from(self.device_type),
            Value::from(utm.map(|u| u.source)),
            Value::from(utm.map(|u| u.medium)),
            Value::from(utm.and_then(|u| u.campaign.as_deref())),
            Value::from(utm.and_then(|u| u.content.as_deref())),
            Value::from(utm.and_then(|u| u.term.as_deref())),
        ];
        let measures = [
            m.pageviews,
            m.visits,
            m.uniques,
            m.bounces,
            m.exits,
            m.duration,
        ];
        values.extend(measures.map(Value::from));
        values
    }

    /// The row that takes a bounce back and adds the time spent: what happened is the same, no new
    /// view, visit or unique.
    pub fn correction(&self, seconds: i32) -> Self {
        let measures = Measures {
            bounces: -1,
            exits: -1,
            duration: seconds,
            ..Measures::default()
        };
        Self {
            measures,
            ..self.clone()
        }
    }
}

impl Moment {
    pub fn value(self) -> Value {
        let Self {
            year,
            month,
            day,
            hour,
            minute,
            second,
        } = self;
        Value::Date(year, month, day, hour, minute, second, 0)
    }
}
