//! Page views as the dashboard benchmark has them: 25 columns, few values in most, very many paths.

use mysql_async::Value;
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

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

const BROWSERS: [&str; 5] = ["Chrome", "Safari", "Firefox", "Edge", "Samsung Internet"];
const SYSTEMS: [&str; 5] = ["Windows", "iOS", "Android", "macOS", "Linux"];
const COUNTRIES: [&str; 8] = ["US", "DE", "GB", "FR", "IN", "BR", "JP", "CA"];
const REFERRERS: [&str; 4] = ["www.google.com", "news.ycombinator.com", "t.co", "duckduckgo.com"];

/// Makes rows, the same for the same seed.
pub struct Rows(StdRng);

impl Rows {
    pub fn new(seed: u64) -> Self {
        Self(StdRng::seed_from_u64(seed))
    }

    fn pick(&mut self, from: &[&str]) -> Value {
        from[self.0.random_range(0..from.len())].into()
    }

    /// NULL in nine rows of ten.
    fn seldom(&mut self, text: &str) -> Value {
        match self.0.random_range(0..10) {
            0 => format!("{text}-{}", self.0.random_range(0..20)).into(),
            _ => Value::NULL,
        }
    }

    pub fn next(&mut self) -> Vec<Value> {
        let random = &mut self.0;
        let site = (random.random::<f64>().powi(4) * 500.0) as u32 + 1;
        let (day, second) = (random.random_range(1..=28), random.random_range(0..86_400_u32));
        let time = format!(
            "2026-11-{day:02} {:02}:{:02}:{:02}",
            second / 3600,
            second / 60 % 60,
            second % 60
        );
        let path = (random.random::<f64>().powi(3) * 200_000.0) as u32;
        let client: u64 = random.random();
        let referred = random.random_bool(0.4);
        let country = self.pick(&COUNTRIES);
        let referrer = match referred {
            true => self.pick(&REFERRERS),
            false => Value::NULL,
        };
        let mut row: Vec<Value> = vec![
            site.into(),
            time.into(),
            client.into(),
            format!("site{site}.example.org").into(),
            format!("/articles/{}/{path}-some-words-of-a-title", path % 97).into(),
            referrer,
            if referred { "/".into() } else { Value::NULL },
            if referred { "search".into() } else { Value::NULL },
            country,
            format!("region {}", self.0.random_range(0..40)).into(),
            format!("city {}", self.0.random_range(0..900)).into(),
            self.pick(&BROWSERS),
            self.pick(&SYSTEMS),
            self.pick(&["desktop", "mobile", "tablet"]),
        ];
        for name in ["source", "medium", "campaign", "content", "term"] {
            row.push(self.seldom(name));
        }
        let bounces = self.0.random_range(-1..=1);
        for value in [1, 1, 1, bounces, 0, self.0.random_range(0..300)] {
            row.push(value.into());
        }
        row
    }
}

/// A row in VALUES.
pub fn push_tuple(sql: &mut String, row: &[Value]) {
    sql.push('(');
    for (i, value) in row.iter().enumerate() {
        if i > 0 {
            sql.push(',');
        }
        sql.push_str(&value.as_sql(false));
    }
    sql.push(')');
}

/// A line for LOAD DATA.
pub fn push_line(text: &mut String, row: &[Value]) {
    for (i, value) in row.iter().enumerate() {
        if i > 0 {
            text.push('\t');
        }
        match value {
            Value::NULL => text.push_str("\\N"),
            Value::Bytes(bytes) => text.push_str(&String::from_utf8_lossy(bytes)),
            Value::Int(number) => text.push_str(&number.to_string()),
            Value::UInt(number) => text.push_str(&number.to_string()),
            other => text.push_str(&other.as_sql(false)),
        }
    }
    text.push('\n');
}
