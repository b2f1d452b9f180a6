//! Time zones as MySQL names them, and the two conversions a TIMESTAMP needs.
//!
//! The zones are built in (chrono-tz); nothing has to be loaded. SYSTEM is UTC: the server's
//! results do not depend on the machine it runs on.

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, Offset, TimeZone as _};
use chrono_tz::Tz;

use super::{MICROS_PER_SECOND, text};
use crate::error::{Result, SqlError};

/// A zone that `SET time_zone` accepts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TimeZone {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(Tz),
}

/// What a time of day on the wall is in UTC. Microseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LocalTime {
    /// The earlier moment, where clocks were put back and the time of day came twice.
    At(i64),
    /// Clocks were put forward over it; the moment at which that happened.
    InGap(i64),
}

impl TimeZone {
    pub const UTC: Self = Self::Fixed(0);

    /// Reads `+05:30`, `SYSTEM` or a name of the time-zone database in any case. 1298 otherwise.
    pub fn parse(name: &str) -> Result<Self> {
        if name.eq_ignore_ascii_case("SYSTEM") {
            return Ok(Self::UTC);
        }
        if let Some(seconds) = parse_offset(name.as_bytes()) {
            return Ok(Self::Fixed(seconds));
        }
        chrono_tz::TZ_VARIANTS
            .iter()
            .find(|tz| tz.name().eq_ignore_ascii_case(name))
            .map(|tz| Self::Named(*tz))
            .ok_or_else(|| SqlError::unknown_time_zone(name))
    }

    /// Microseconds of the wall clock (as if it were UTC) to UTC.
    pub fn to_utc(self, local: i64) -> LocalTime {
        let tz = match self {
            Self::Fixed(seconds) => {
                return LocalTime::At(local - i64::from(seconds) * MICROS_PER_SECOND);
            }
            Self::Named(tz) => tz,
        };
        let Some(naive) = naive(local) else {
            return LocalTime::At(local);
        };
        match tz.offset_from_local_datetime(&naive) {
            MappedLocalTime::Single(offset) | MappedLocalTime::Ambiguous(offset, _) => {
                LocalTime::At(local - seconds_of(&offset) * MICROS_PER_SECOND)
            }
            MappedLocalTime::None => LocalTime::InGap(end_of_gap(tz, local)),
        }
    }

    /// Microseconds in UTC to those of the wall clock.
    pub fn from_utc(self, utc: i64) -> i64 {
        let seconds = match self {
            Self::Fixed(seconds) => i64::from(seconds),
            Self::Named(tz) => match naive(utc) {
                Some(naive) => seconds_of(&tz.offset_from_utc_datetime(&naive)),
                None => 0,
            },
        };
        utc + seconds * MICROS_PER_SECOND
    }
}

impl std::fmt::Display for TimeZone {
    /// As `@@time_zone` shows it.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Fixed(seconds) => {
                let sign = if *seconds < 0 { '-' } else { '+' };
                let minutes = seconds.unsigned_abs() / 60;
                write!(f, "{sign}{:02}:{:02}", minutes / 60, minutes % 60)
            }
            Self::Named(tz) => f.write_str(tz.name()),
        }
    }
}

/// `[+-]H:MM` or `[+-]HH:MM` between -13:59 and +14:00, in seconds.
pub(crate) fn parse_offset(text: &[u8]) -> Option<i32> {
    let (negative, rest) = match text {
        [b'+', rest @ ..] => (false, rest),
        [b'-', rest @ ..] => (true, rest),
        _ => return None,
    };
    let (hours, minutes) = match rest {
        [h, b':', m1, m2] => (text::digit(*h)?, text::digit(*m1)? * 10 + text::digit(*m2)?),
        [h1, h2, b':', m1, m2] => (
            text::digit(*h1)? * 10 + text::digit(*h2)?,
            text::digit(*m1)? * 10 + text::digit(*m2)?,
        ),
        _ => return None,
    };
    let total = hours * 60 + minutes;
    let limit = if negative { 13 * 60 + 59 } else { 14 * 60 };
    if minutes > 59 || total > limit {
        return None;
    }
    let seconds = i32::try_from(total).ok()? * 60;
    Some(if negative { -seconds } else { seconds })
}

fn naive(micros: i64) -> Option<NaiveDateTime> {
    DateTime::from_timestamp_micros(micros).map(|moment| moment.naive_utc())
}

fn seconds_of(offset: &impl Offset) -> i64 {
    i64::from(offset.fix().local_minus_utc())
}

/// The moment at which the clock was put forward over `local`.
fn end_of_gap(tz: Tz, local: i64) -> i64 {
    // A gap is at most a day long (Samoa left out 30 December 2011), so the moment lies within
    // [local - offset before - 24 h, local - offset after + 24 h]. Search it by bisection.
    let offset_at =
        |utc: i64| naive(utc).map_or(0, |naive| seconds_of(&tz.offset_from_utc_datetime(&naive)));
    let day = 2 * super::MICROS_PER_DAY;
    let (mut before, mut after) = (local - day, local + day);
    let first = offset_at(before);
    while after - before > MICROS_PER_SECOND {
        let middle = before + (after - before) / 2;
        if offset_at(middle) == first {
            before = middle;
        } else {
            after = middle;
        }
    }
    after - after.rem_euclid(MICROS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn micros(text: &str) -> i64 {
        NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S")
            .expect(text)
            .and_utc()
            .timestamp_micros()
    }

    #[test]
    fn a_time_that_came_twice_is_the_earlier_one() {
        let berlin = TimeZone::parse("europe/berlin").unwrap();
        let expected = LocalTime::At(1_729_989_000 * MICROS_PER_SECOND);
        assert_eq!(berlin.to_utc(micros("2024-10-27 02:30:00")), expected);
    }

    #[test]
    fn a_time_that_never_was_names_the_moment_of_the_change() {
        let berlin = TimeZone::parse("Europe/Berlin").unwrap();
        for local in [
            "2024-03-31 02:00:00",
            "2024-03-31 02:30:00",
            "2024-03-31 02:59:59",
        ] {
            let expected = LocalTime::InGap(1_711_846_800 * MICROS_PER_SECOND);
            assert_eq!(berlin.to_utc(micros(local)), expected, "{local}");
        }
        let apia = TimeZone::parse("Pacific/Apia").unwrap();
        let expected = LocalTime::InGap(micros("2011-12-30 10:00:00"));
        assert_eq!(apia.to_utc(micros("2011-12-30 12:00:00")), expected);
    }

    #[test]
    fn conversion_there_and_back_is_the_identity() {
        for name in [
            "+05:30",
            "-13:59",
            "+14:00",
            "America/New_York",
            "UTC",
            "SYSTEM",
        ] {
            let zone = TimeZone::parse(name).unwrap();
            for utc in [
                0,
                micros("2024-07-01 12:00:00"),
                micros("2024-01-01 00:00:00") + 7,
            ] {
                assert_eq!(
                    zone.to_utc(zone.from_utc(utc)),
                    LocalTime::At(utc),
                    "{name}"
                );
            }
        }
    }

    #[test]
    fn unknown_zones_and_offsets_out_of_range_are_1298() {
        for name in [
            "",
            "Nope/Zone",
            "+14:01",
            "-14:00",
            "+5",
            "+05:60",
            "05:30",
            "+005:30",
        ] {
            assert_eq!(TimeZone::parse(name).unwrap_err().code, 1298, "{name}");
        }
    }
}
