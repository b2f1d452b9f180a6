//! Text and numbers to DATE, DATETIME and TIME, in every delimited and undelimited form MySQL reads.
//!
//! Invalid text gives `None` (NULL with a warning in MySQL). The zero date and dates with a zero month
//! or day have no Arrow representation and are invalid too. Source: MySQL manual, "Date and Time
//! Literals".

use super::calendar::{Clock, DAY_US, Date, TIME_MAX_US, join};
use super::scan::{Parsed, parse};

/// `"2024-01-31 12:30:45.123"` and its relatives to microseconds since 1970.
pub(crate) fn datetime(text: &str) -> Option<i64> {
    match parse(text) {
        Parsed::Value(micros, _) => Some(micros),
        Parsed::Invalid | Parsed::NoDate => None,
    }
}

/// Whether a date text also names a time of day.
pub(crate) fn has_time(text: &str) -> bool {
    matches!(parse(text), Parsed::Value(_, fields) if fields > 3)
}

/// What a text names when either a DATETIME or a TIME will do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moment {
    DateTime(i64),
    Time(i64),
}

/// A text long enough for a DATETIME is one if it can be, everything else is a TIME.
pub(crate) fn moment(text: &str) -> Option<Moment> {
    let trimmed = text.trim_start();
    // `01:02:03.000004` could be read as a date with odd delimiters; a colon first means a time.
    let clock = trimmed
        .trim_start_matches(|c: char| c.is_ascii_digit())
        .starts_with(':');
    if trimmed.len() >= 12 && !trimmed.starts_with('-') && !clock {
        let packed = trimmed.as_bytes().iter().take(12).all(u8::is_ascii_digit);
        match parse(trimmed) {
            Parsed::Value(micros, fields) if fields > 3 || packed => {
                return Some(Moment::DateTime(micros));
            }
            Parsed::Invalid if packed || trimmed.contains(char::is_whitespace) => return None,
            _ => {}
        }
    }
    clock_time(trimmed).map(Moment::Time)
}

/// Numbers such as 20240131, 240131 or 20240131123045 to microseconds since 1970.
pub(crate) fn datetime_from_number(number: i64, micro: u32) -> Option<i64> {
    let number = match number {
        ..=100 => return None,
        101..=691_231 => (number + 20_000_000) * 1_000_000,
        691_232..=700_100 => return None,
        700_101..=991_231 => (number + 19_000_000) * 1_000_000,
        991_232..=9_999_999 => return None,
        10_000_000..=99_991_231 => number * 1_000_000,
        99_991_232..=100_999_999 => return None,
        101_000_000..=691_231_235_959 => number + 20_000_000_000_000,
        691_231_235_960..=700_100_999_999 => return None,
        700_101_000_000..=991_231_235_959 => number + 19_000_000_000_000,
        _ => number,
    };
    let (days, seconds) = (number / 1_000_000, (number % 1_000_000) as u32);
    let year = i32::try_from(days / 10_000).ok()?;
    let date = Date::new(year, (days / 100 % 100) as u32, (days % 100) as u32)?;
    let clock = Clock {
        hour: seconds / 10_000,
        minute: seconds / 100 % 100,
        second: seconds % 100,
        micro,
    };
    let valid = clock.hour <= 23 && clock.minute <= 59 && clock.second <= 59;
    valid.then(|| join(date.days(), clock.micros()))
}

/// `"[-][D ]HH:MM:SS.f"`, `"HHMMSS"` or a full datetime to the microseconds of a TIME.
pub(crate) fn time(text: &str) -> Option<i64> {
    Some(match moment(text)? {
        Moment::DateTime(micros) => micros.rem_euclid(DAY_US),
        Moment::Time(micros) => micros,
    })
}

fn clock_time(text: &str) -> Option<i64> {
    let (negative, body) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let micros = time_body(body.as_bytes())?.min(TIME_MAX_US);
    Some(if negative { -micros } else { micros })
}

fn time_body(text: &[u8]) -> Option<i64> {
    let number = |from: usize| -> Option<(i64, usize)> {
        let digits = text[from..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        if digits == 0 {
            return None;
        }
        let mut value = 0_i64;
        for byte in &text[from..from + digits] {
            value = (value * 10 + i64::from(byte - b'0')).min(99_999_999_999);
        }
        Some((value, from + digits))
    };
    let (first, mut pos) = number(0)?;
    let spaces = text[pos..]
        .iter()
        .take_while(|b| b.is_ascii_whitespace())
        .count();
    let at = |pos: usize| text.get(pos).copied().unwrap_or(0);
    let (days, hours);
    let (mut minutes, mut seconds) = (0, 0);
    if spaces > 0 && at(pos + spaces).is_ascii_digit() {
        days = first;
        (hours, pos) = number(pos + spaces)?;
        if at(pos) == b':' && at(pos + 1).is_ascii_digit() {
            (minutes, pos) = number(pos + 1)?;
            if at(pos) == b':' && at(pos + 1).is_ascii_digit() {
                (seconds, pos) = number(pos + 1)?;
            }
        }
    } else if at(pos) == b':' && at(pos + 1).is_ascii_digit() {
        (days, hours) = (0, first);
        (minutes, pos) = number(pos + 1)?;
        if at(pos) == b':' && at(pos + 1).is_ascii_digit() {
            (seconds, pos) = number(pos + 1)?;
        }
    } else {
        days = 0;
        (hours, minutes, seconds) = (first / 10_000, first / 100 % 100, first % 100);
    }
    if minutes > 59 || seconds > 59 {
        return None;
    }
    let (micro, round_up, rest) = time_fraction(&text[pos..]);
    // MySQL takes no number with an exponent for a time.
    if let [b'e' | b'E', b'0'..=b'9', ..] | [b'e' | b'E', b'+' | b'-', b'0'..=b'9', ..] = rest {
        return None;
    }
    let total = days
        .checked_mul(24)?
        .checked_add(hours)?
        .checked_mul(3600)?;
    let total = (total + minutes * 60 + seconds).checked_mul(1_000_000)?;
    Some(total + micro + i64::from(round_up))
}

/// (microseconds, whether the seventh digit rounds up, the text behind the fraction)
fn time_fraction(text: &[u8]) -> (i64, bool, &[u8]) {
    let Some((b'.', digits)) = text.split_first() else {
        return (0, false, text);
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let (digits, rest) = digits.split_at(count);
    let mut value = 0;
    for index in 0..6 {
        value = value * 10 + digits.get(index).map_or(0, |b| i64::from(b - b'0'));
    }
    (value, digits.get(6).is_some_and(|b| *b >= b'5'), rest)
}

/// Numbers such as 101112 (10:11:12) to the microseconds of a TIME; whole datetimes give their time.
/// `micro` has the sign of the number.
pub(crate) fn time_from_number(number: i64, micro: i32) -> Option<i64> {
    let negative = number < 0 || micro < 0;
    let micro = micro.unsigned_abs();
    let magnitude = number.unsigned_abs();
    if number > 9_999_999_999 {
        return datetime_from_number(number, micro).map(|us| us.rem_euclid(DAY_US));
    }
    if magnitude > 8_385_959 {
        return Some(if negative { -TIME_MAX_US } else { TIME_MAX_US });
    }
    let magnitude = magnitude as u32;
    let clock = Clock {
        hour: magnitude / 10_000,
        minute: magnitude / 100 % 100,
        second: magnitude % 100,
        micro,
    };
    if clock.minute > 59 || clock.second > 59 {
        return None;
    }
    let micros = clock.micros().min(TIME_MAX_US);
    Some(if negative { -micros } else { micros })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: i32, month: u32, day: u32, clock: (u32, u32, u32, u32)) -> Option<i64> {
        let (hour, minute, second, micro) = clock;
        let date = Date { year, month, day };
        Some(join(
            date.days(),
            Clock {
                hour,
                minute,
                second,
                micro,
            }
            .micros(),
        ))
    }

    #[test]
    fn datetimes_are_read_in_every_delimiter_form() {
        let noon = at(2024, 2, 29, (12, 30, 45, 0));
        for text in [
            "2024-02-29 12:30:45",
            "2024-02-29T12:30:45",
            "2024/02/29 12:30:45",
            "24-2-29 12:30:45",
            "20240229123045",
            "240229123045",
            "2024.02.29 12.30.45",
            "  2024-02-29   12:30:45xyz",
            "20240229T123045",
            "2024^02^29 12+30+45",
        ] {
            assert_eq!(datetime(text), noon, "{text}");
        }
        assert_eq!(datetime("2024-02-29"), at(2024, 2, 29, (0, 0, 0, 0)));
        assert_eq!(datetime("2024-02-29 12"), at(2024, 2, 29, (12, 0, 0, 0)));
        assert_eq!(
            datetime("2024-02-29 1:2:3.5"),
            at(2024, 2, 29, (1, 2, 3, 500_000))
        );
        assert_eq!(
            datetime("2024-02-29 1:2:3.1234567"),
            at(2024, 2, 29, (1, 2, 3, 123_457))
        );
        assert_eq!(
            datetime("2024-01-01 05:30:00+05:30"),
            at(2024, 1, 1, (0, 0, 0, 0))
        );
    }

    #[test]
    fn invalid_datetimes_are_none() {
        for text in [
            "",
            "abc",
            "2024-02-30",
            "2024-13-01",
            "2024-00-01",
            "0000-00-00",
            "2024-01",
        ] {
            assert_eq!(datetime(text), None, "{text}");
        }
        assert_eq!(datetime("2024-01-01 25:00:00"), None);
    }

    #[test]
    fn numbers_are_dates_by_their_digits() {
        assert_eq!(
            datetime_from_number(20_240_229, 0),
            at(2024, 2, 29, (0, 0, 0, 0))
        );
        assert_eq!(
            datetime_from_number(240_229, 0),
            at(2024, 2, 29, (0, 0, 0, 0))
        );
        assert_eq!(
            datetime_from_number(991_231, 0),
            at(1999, 12, 31, (0, 0, 0, 0))
        );
        let late = at(2024, 2, 29, (23, 59, 58, 0));
        assert_eq!(datetime_from_number(20_240_229_235_958, 0), late);
        assert_eq!(datetime_from_number(20_240_230, 0), None);
        assert_eq!(datetime_from_number(0, 0), None);
    }

    #[test]
    fn times_carry_days_signs_and_limits() {
        let hms = |h: i64, m: i64, s: i64| Some((h * 3600 + m * 60 + s) * 1_000_000);
        assert_eq!(time("10:11:12"), hms(10, 11, 12));
        assert_eq!(time("101112"), hms(10, 11, 12));
        assert_eq!(time("10:11"), hms(10, 11, 0));
        assert_eq!(time("12"), hms(0, 0, 12));
        assert_eq!(time("1 10:11:12"), hms(34, 11, 12));
        assert_eq!(time("-01:00:00"), hms(-1, 0, 0));
        assert_eq!(time("900:00:00"), Some(TIME_MAX_US));
        assert_eq!(time("10:60:00"), None);
        assert_eq!(time("2024-02-29 13:00:01.5"), Some(46_801_500_000));
        assert_eq!(time_from_number(101_112, 0), hms(10, 11, 12));
        assert_eq!(time_from_number(-101_112, 0), hms(-10, -11, -12));
    }
}
