//! The clauses of a table that MySQL does not have: EVENT KEY, TTL and ERASE AFTER, which say how long events
//! and rows are remembered, ON INVALID INTO, where rows go that cannot be stored, and those of `division`.
//!
//! They are read from three places: as elements and options of a table, from a version comment of Storno's
//! own, in which SHOW CREATE TABLE writes them, and from a COMMENT that begins with `storno:`, for schema
//! builders that know MySQL's options only. What they come to in storage is checked here, too.

use sqlparser::tokenizer::Token;
use storno_storage::{EventKeySpec, Keep, Retention};

use super::cursor::Cursor;
use super::division::DivisionOptions;
use super::options::take_equals;
use super::table::{Builder, check_length};
use crate::error::{Result, SqlError};
use crate::types::{MysqlType, same_name};

/// What errors call an event key.
pub(crate) const EVENT_KEY: &str = "EVENT KEY";

/// How a COMMENT begins that holds clauses.
pub(super) const MARK: &str = "storno:";

const SECONDS_PER_DAY: u64 = 86_400;

/// The clauses as written.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Lifetime {
    pub(super) event_key: Option<EventKey>,
    pub(super) ttl: Option<Ttl>,
    pub(super) erase_after_seconds: Option<u64>,
    pub(super) division: DivisionOptions,
    /// ON INVALID INTO
    pub(super) on_invalid: Option<String>,
}

/// `EVENT KEY (a, b) [RETAIN n DAYS]`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct EventKey {
    pub(super) columns: Vec<String>,
    retain_days: u32,
}

/// `TTL [=] a + INTERVAL n DAY`
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Ttl {
    pub(super) column: String,
    seconds: u64,
}

impl Lifetime {
    /// Reads one clause; whether there was one.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if cursor.take(EVENT_KEY) {
            self.event_key = Some(EventKey::read(cursor)?);
        } else if cursor.take("TTL") {
            take_equals(cursor);
            let column = cursor.name()?;
            cursor.expect_symbol(&Token::Plus)?;
            cursor.expect("INTERVAL")?;
            let seconds = seconds(cursor)?;
            self.ttl = Some(Ttl { column, seconds });
        } else if cursor.take("ERASE AFTER") {
            take_equals(cursor);
            cursor.take("INTERVAL");
            self.erase_after_seconds = Some(seconds(cursor)?);
        } else if cursor.take("ON INVALID INTO") {
            let name = cursor.name()?;
            if cursor.is_symbol(&Token::Period) {
                let what = "ON INVALID INTO a table of another database";
                return Err(SqlError::not_supported(what));
            }
            check_length(&name)?;
            self.on_invalid = Some(name);
        } else {
            return self.division.read(cursor);
        }
        Ok(true)
    }

    /// Takes the clauses out of a comment: `storno: EVENT KEY (a); the rest`.
    pub(super) fn take_from(&mut self, comment: &str) -> Result<String> {
        let mut comment = comment;
        while let Some((mark, clauses)) = comment.split_at_checked(MARK.len())
            && mark.eq_ignore_ascii_case(MARK)
        {
            let (clauses, rest) = clauses.split_once(';').unwrap_or((clauses, ""));
            let mut cursor = Cursor::new(clauses)?;
            while self.read(&mut cursor)? {
                cursor.take_symbol(&Token::Comma);
            }
            cursor.expect_end()?;
            comment = rest.trim();
        }
        Ok(comment.to_owned())
    }

    /// What ALTER TABLE says takes the place of what was.
    pub(super) fn change(&mut self, new: &Self) {
        if new.event_key.is_some() {
            self.event_key.clone_from(&new.event_key);
        }
        if new.ttl.is_some() {
            self.ttl.clone_from(&new.ttl);
        }
        if new.erase_after_seconds.is_some() {
            self.erase_after_seconds = new.erase_after_seconds;
        }
        self.division.change(&new.division);
        if new.on_invalid.is_some() {
            self.on_invalid.clone_from(&new.on_invalid);
        }
    }

    pub(super) fn rename_column(&mut self, old: &str, new: &str) {
        let key = self.event_key.iter_mut().flat_map(|key| &mut key.columns);
        let columns = key.chain(self.ttl.iter_mut().map(|ttl| &mut ttl.column));
        for column in columns.filter(|column| same_name(column, old)) {
            new.clone_into(column);
        }
    }

    /// 3959 when a clause needs the column.
    pub(super) fn check_drop(&self, column: &str) -> Result<()> {
        let in_key = self.event_key.iter().flat_map(|key| &key.columns);
        let user = if in_key.into_iter().any(|c| same_name(c, column)) {
            EVENT_KEY
        } else if self.ttl.iter().any(|ttl| same_name(&ttl.column, column)) {
            "TTL"
        } else {
            return Ok(());
        };
        Err(SqlError::column_is_used(user, column, "dropped"))
    }

    /// 1072 for a column that is not there, 1060 for one named twice.
    pub(super) fn event_key(&self, builder: &Builder<'_>) -> Result<Option<EventKeySpec>> {
        let Some(key) = &self.event_key else {
            return Ok(None);
        };
        Ok(Some(EventKeySpec {
            columns: builder.named_positions(key.columns.iter().map(String::as_str))?,
            retain_days: key.retain_days,
        }))
    }

    /// 1210 for a column that is no time.
    pub(super) fn retention(&self, builder: &Builder<'_>) -> Result<Retention> {
        let keep = |ttl: &Ttl| {
            let column = builder.position(&ttl.column)?;
            match builder.column(&ttl.column)?.mysql_type {
                MysqlType::Date | MysqlType::DateTime { .. } | MysqlType::Timestamp { .. } => {
                    let seconds = ttl.seconds;
                    Ok(Keep { column, seconds })
                }
                _ => Err(SqlError::new(1210, "HY000", "Incorrect arguments to TTL")),
            }
        };
        Ok(Retention {
            keep: self.ttl.as_ref().map(keep).transpose()?,
            erase_after: self.erase_after_seconds,
        })
    }
}

impl EventKey {
    /// Behind EVENT KEY.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Self> {
        take_equals(cursor);
        cursor.expect_symbol(&Token::LParen)?;
        let mut columns = vec![cursor.name()?];
        while cursor.take_symbol(&Token::Comma) {
            columns.push(cursor.name()?);
        }
        if cursor.is_symbol(&Token::LParen) {
            return Err(SqlError::not_supported(
                "event keys over a prefix of a column",
            ));
        }
        cursor.expect_symbol(&Token::RParen)?;
        let mut retain_days = EventKeySpec::RETAIN_DAYS;
        if cursor.take("RETAIN") {
            take_equals(cursor);
            let days = seconds(cursor)? / SECONDS_PER_DAY;
            retain_days = u32::try_from(days).unwrap_or(0);
            if !(1..=EventKeySpec::RETAIN_DAYS_MAX).contains(&retain_days) {
                let text = format!("Incorrect RETAIN value: '{days}'");
                return Err(SqlError::new(1525, "HY000", text));
            }
        }
        Ok(Self {
            columns,
            retain_days,
        })
    }
}

/// `90 DAY`, `'90' DAYS`: in seconds. Months and years have no fixed length.
fn seconds(cursor: &mut Cursor<'_>) -> Result<u64> {
    let number: u64 = match cursor.string() {
        Ok(text) => text.trim().parse().map_err(|_| cursor.error())?,
        Err(_) => cursor.unsigned()?,
    };
    if number == 0 {
        return Err(SqlError::new(
            1525,
            "HY000",
            "Incorrect INTERVAL value: '0'",
        ));
    }
    let units = [
        ("SECOND", 1),
        ("MINUTE", 60),
        ("HOUR", 3_600),
        ("DAY", SECONDS_PER_DAY),
        ("WEEK", 7 * SECONDS_PER_DAY),
    ];
    for (unit, seconds) in units {
        if cursor.take(unit) || cursor.take(&format!("{unit}S")) {
            return Ok(seconds.saturating_mul(number));
        }
    }
    let uneven = ["MONTH", "MONTHS", "QUARTER", "YEAR", "YEARS"];
    match uneven.iter().find(|unit| cursor.is_word(unit)) {
        Some(unit) => Err(SqlError::not_supported(&format!(
            "an interval of {unit} here; write it in days"
        ))),
        None => Err(cursor.error()),
    }
}
