//! A row of the demo's table `pageviews`, and its SQL: the table and the INSERT that carries rows.

use std::fmt::Write;

use chrono::NaiveDate;

/// The table. A site's rows lie together in the order of time; so do the rows a dashboard reads.
pub const CREATE_TABLE: &str = "\
CREATE TABLE demo.pageviews (
  `site_id` INT UNSIGNED NOT NULL,
  `timestamp` DATETIME NOT NULL,
  `client_id` BIGINT UNSIGNED NOT NULL,
  `hostname` VARCHAR(255) NOT NULL,
  `pathname` VARCHAR(2048) NOT NULL,
  `referrer_hostname` VARCHAR(255) NULL,
  `referrer_pathname` VARCHAR(1024) NULL,
  `referrer_type` VARCHAR(32) NULL,
  `country_code` CHAR(2) NOT NULL,
  `region` VARCHAR(128) NULL,
  `city` VARCHAR(128) NULL,
  `browser` VARCHAR(64) NOT NULL,
  `operating_system` VARCHAR(64) NOT NULL,
  `device_type` VARCHAR(16) NOT NULL,
  `utm_source` VARCHAR(255) NULL,
  `utm_medium` VARCHAR(255) NULL,
  `utm_campaign` VARCHAR(255) NULL,
  `utm_content` VARCHAR(255) NULL,
  `utm_term` VARCHAR(255) NULL,
  `pageviews` INT NOT NULL,
  `visits` INT NOT NULL,
  `uniques` INT NOT NULL,
  `bounces` INT NOT NULL,
  `exits` INT NOT NULL,
  `duration` INT NOT NULL,
  SHARD KEY (`site_id`, `timestamp`),
  SORT KEY (`site_id`, `timestamp`)
)";

const INSERT: &str = "INSERT INTO demo.pageviews (`site_id`,`timestamp`,`client_id`,`hostname`,\
`pathname`,`referrer_hostname`,`referrer_pathname`,`referrer_type`,`country_code`,`region`,`city`,\
`browser`,`operating_system`,`device_type`,`utm_source`,`utm_medium`,`utm_campaign`,`utm_content`,\
`utm_term`,`pageviews`,`visits`,`uniques`,`bounces`,`exits`,`duration`) VALUES ";

/// What a row adds to the sums; negative in corrections.
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

/// Where a visitor came from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Referrer<'w> {
    pub hostname: &'w str,
    pub pathname: &'w str,
    pub kind: &'w str,
}

/// The campaign parameters of the link a visitor followed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Campaign<'w> {
    pub source: &'w str,
    pub medium: &'w str,
    pub name: &'w str,
}

/// Who looked: the same in all rows of a visit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Visitor<'w> {
    /// Changes at midnight, so that a person cannot be followed from day to day.
    pub client_id: u64,
    pub country_code: &'w str,
    /// Region and city, where known.
    pub place: Option<(&'w str, &'w str)>,
    pub browser: &'w str,
    pub operating_system: &'w str,
    pub device_type: &'w str,
}

/// One row: a page view, or the correction of one, which repeats its dimensions and its time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Row<'w> {
    pub site_id: u32,
    pub date: NaiveDate,
    /// Minute of the day; seconds are not kept, for privacy.
    pub minute: u16,
    pub visitor: Visitor<'w>,
    pub hostname: &'w str,
    pub pathname: &'w str,
    pub referrer: Option<Referrer<'w>>,
    pub campaign: Option<Campaign<'w>>,
    pub measures: Measures,
}

/// One INSERT statement with all `rows`.
pub fn insert(rows: &[Row<'_>]) -> String {
    let mut sql = String::with_capacity(INSERT.len() + rows.len() * 260);
    sql.push_str(INSERT);
    let mut date = (NaiveDate::MIN, String::new());
    for (i, row) in rows.iter().enumerate() {
        if date.0 != row.date {
            date = (row.date, row.date.to_string());
        }
        sql.push_str(if i == 0 { "(" } else { ",(" });
        values(&mut sql, row, &date.1);
        sql.push(')');
    }
    sql
}

fn values(sql: &mut String, row: &Row<'_>, date: &str) {
    let (hour, minute) = (row.minute / 60, row.minute % 60);
    let visitor = &row.visitor;
    // INVARIANT: writing to a String does not fail.
    let _ = write!(
        sql,
        "{},'{date} {hour:02}:{minute:02}:00',{}",
        row.site_id, visitor.client_id
    );
    let texts = [
        Some(row.hostname),
        Some(row.pathname),
        row.referrer.map(|r| r.hostname),
        row.referrer.map(|r| r.pathname),
        row.referrer.map(|r| r.kind),
        Some(visitor.country_code),
        visitor.place.map(|place| place.0),
        visitor.place.map(|place| place.1),
        Some(visitor.browser),
        Some(visitor.operating_system),
        Some(visitor.device_type),
        row.campaign.map(|c| c.source),
        row.campaign.map(|c| c.medium),
        row.campaign.map(|c| c.name),
        None, // utm_content
        None, // utm_term
    ];
    texts.into_iter().for_each(|value| text(sql, value));
    let m = &row.measures;
    for number in [
        m.pageviews,
        m.visits,
        m.uniques,
        m.bounces,
        m.exits,
        m.duration,
    ] {
        let _ = write!(sql, ",{number}");
    }
}

/// A string literal that every sql_mode reads the same: quotes doubled, no backslash in it.
fn text(sql: &mut String, value: Option<&str>) {
    let Some(value) = value else {
        sql.push_str(",NULL");
        return;
    };
    debug_assert!(
        !value.contains('\\'),
        "reads differently under NO_BACKSLASH_ESCAPES: {value}"
    );
    sql.push_str(",'");
    if value.contains('\'') {
        sql.push_str(&value.replace('\'', "''"));
    } else {
        sql.push_str(value);
    }
    sql.push('\'');
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(pathname: &'static str) -> Row<'static> {
        let visitor = Visitor {
            client_id: u64::MAX,
            country_code: "FR",
            place: Some(("Île-de-France", "Paris")),
            browser: "Firefox",
            operating_system: "Linux",
            device_type: "Desktop",
        };
        Row {
            site_id: 3,
            date: NaiveDate::from_ymd_opt(2026, 2, 28).unwrap(),
            minute: 23 * 60 + 5,
            visitor,
            hostname: "h.example",
            pathname,
            referrer: None,
            campaign: Some(Campaign {
                source: "a",
                medium: "b",
                name: "c",
            }),
            measures: Measures {
                bounces: -1,
                duration: 61,
                ..Measures::default()
            },
        }
    }

    #[test]
    fn an_insert_names_every_column_once_and_gives_each_a_value() {
        let sql = insert(&[row("/a"), row("/it's")]);
        let (head, tail) = sql.split_once(" VALUES ").unwrap();
        for line in CREATE_TABLE.lines().filter(|line| line.starts_with("  `")) {
            let column = line.trim().split(' ').next().unwrap();
            assert_eq!(head.matches(column).count(), 1, "{column}");
        }
        assert_eq!(head.matches('`').count() / 2, 25);
        let values = |path: &str| {
            format!(
                "(3,'2026-02-28 23:05:00',18446744073709551615,'h.example','{path}',NULL,NULL,NULL,\
                 'FR','Île-de-France','Paris','Firefox','Linux','Desktop','a','b','c',NULL,NULL,\
                 0,0,0,-1,0,61)"
            )
        };
        assert_eq!(tail, format!("{},{}", values("/a"), values("/it''s")));
    }
}
