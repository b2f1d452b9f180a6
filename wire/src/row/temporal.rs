//! DATE, DATETIME, TIMESTAMP and TIME in text and binary form.
//!
//! Proleptic Gregorian calendar, years 0 to 9999 as MySQL has them; anything else is a [`Misfit`].

use super::Misfit;
use super::cell::Instant;

const SECONDS_PER_DAY: i64 = 86_400;
const MICROS_PER_SECOND: i64 = 1_000_000;
/// 838:59:59.999999, the largest magnitude of a TIME.
const TIME_MAX_MICROS: u64 = (839 * 3600) * 1_000_000 - 1;
const DECIMALS_MAX: u8 = 6;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Day {
    year: u16,
    month: u8,
    day: u8,
}

/// The calendar day that is `days` after 1970-01-01. Counts years from March, so that the leap day
/// is the last of its year (H. Hinnant, "chrono-compatible low-level date algorithms").
fn day_from(days: i64) -> Result<Day, Misfit> {
    const DAYS_PER_ERA: i64 = 146_097;
    let days = days.checked_add(719_468).ok_or(Misfit)?;
    let era = days.div_euclid(DAYS_PER_ERA);
    let of_era = days.rem_euclid(DAYS_PER_ERA);
    let year_of_era = (of_era - of_era / 1_460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let month_from_march = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month_from_march + 2) / 5 + 1;
    let month = if month_from_march < 10 {
        month_from_march + 3
    } else {
        month_from_march - 9
    };
    let year = year_of_era + era * 400 + i64::from(month <= 2);
    let year = u16::try_from(year)
        .ok()
        .filter(|year| *year <= 9_999)
        .ok_or(Misfit)?;
    Ok(Day {
        year,
        month: month as u8,
        day: day as u8,
    })
}

/// Hour, minute and second of a number of seconds below a day.
fn clock(seconds: i64) -> [u8; 3] {
    [
        (seconds / 3_600) as u8,
        (seconds / 60 % 60) as u8,
        (seconds % 60) as u8,
    ]
}

/// Keeps `decimals` digits of a fraction given in microseconds.
fn truncated(micros: u32, decimals: u8) -> u32 {
    let dropped = 10u32.pow(u32::from(DECIMALS_MAX.saturating_sub(decimals)));
    micros - micros % dropped
}

fn put_two(out: &mut Vec<u8>, value: u8) {
    out.extend_from_slice(&[b'0' + value / 10 % 10, b'0' + value % 10]);
}

fn put_day(out: &mut Vec<u8>, day: Day) {
    put_two(out, (day.year / 100) as u8);
    put_two(out, (day.year % 100) as u8);
    out.push(b'-');
    put_two(out, day.month);
    out.push(b'-');
    put_two(out, day.day);
}

/// `.` and the first `decimals` digits of the microseconds; nothing for no decimals.
fn put_fraction(out: &mut Vec<u8>, micros: u32, decimals: u8) {
    if decimals == 0 {
        return;
    }
    out.push(b'.');
    let mut unit = 100_000;
    for _ in 0..decimals.min(DECIMALS_MAX) {
        out.push(b'0' + (micros / unit % 10) as u8);
        unit /= 10;
    }
}

/// `2024-02-29`
pub(super) fn put_text_date(out: &mut Vec<u8>, days: i32) -> Result<(), Misfit> {
    put_day(out, day_from(days.into())?);
    Ok(())
}

/// `2024-02-29 13:04:05.123`
pub(super) fn put_text_datetime(
    out: &mut Vec<u8>,
    at: Instant,
    decimals: u8,
) -> Result<(), Misfit> {
    put_day(out, day_from(at.seconds.div_euclid(SECONDS_PER_DAY))?);
    let [hour, minute, second] = clock(at.seconds.rem_euclid(SECONDS_PER_DAY));
    out.push(b' ');
    put_clock(out, minute, second, |out| put_two(out, hour));
    put_fraction(out, at.micros, decimals);
    Ok(())
}

fn put_clock(out: &mut Vec<u8>, minute: u8, second: u8, put_hour: impl FnOnce(&mut Vec<u8>)) {
    put_hour(out);
    out.push(b':');
    put_two(out, minute);
    out.push(b':');
    put_two(out, second);
}

/// Whole seconds and microseconds of a TIME's magnitude.
fn magnitude(micros: i64, decimals: u8) -> Result<(i64, u32), Misfit> {
    let all = micros.unsigned_abs();
    if all > TIME_MAX_MICROS {
        return Err(Misfit);
    }
    let (all, per_second) = (all as i64, MICROS_PER_SECOND);
    Ok((
        all / per_second,
        truncated((all % per_second) as u32, decimals),
    ))
}

/// `-101:02:03.5`, hours with at least two digits.
pub(super) fn put_text_time(out: &mut Vec<u8>, micros: i64, decimals: u8) -> Result<(), Misfit> {
    let (seconds, fraction) = magnitude(micros, decimals)?;
    if micros < 0 && (seconds, fraction) != (0, 0) {
        out.push(b'-');
    }
    let hours = seconds / 3_600;
    let [_, minute, second] = clock(seconds % 3_600);
    put_clock(out, minute, second, |out| {
        if hours >= 100 {
            out.push(b'0' + (hours / 100) as u8);
        }
        put_two(out, (hours % 100) as u8);
    });
    put_fraction(out, fraction, decimals);
    Ok(())
}

fn put_binary_day(out: &mut Vec<u8>, length: u8, day: Day) {
    let [low, high] = day.year.to_le_bytes();
    out.extend_from_slice(&[length, low, high, day.month, day.day]);
}

pub(super) fn put_binary_date(out: &mut Vec<u8>, days: i32) -> Result<(), Misfit> {
    put_binary_day(out, 4, day_from(days.into())?);
    Ok(())
}

/// Trailing zero fields are left out, as MySQL does.
pub(super) fn put_binary_datetime(
    out: &mut Vec<u8>,
    at: Instant,
    decimals: u8,
) -> Result<(), Misfit> {
    let day = day_from(at.seconds.div_euclid(SECONDS_PER_DAY))?;
    let clock = clock(at.seconds.rem_euclid(SECONDS_PER_DAY));
    let micros = truncated(at.micros, decimals);
    let length = match (clock, micros) {
        ([0, 0, 0], 0) => 4,
        (_, 0) => 7,
        _ => 11,
    };
    put_binary_day(out, length, day);
    if length >= 7 {
        out.extend_from_slice(&clock);
    }
    if length == 11 {
        out.extend_from_slice(&micros.to_le_bytes());
    }
    Ok(())
}

pub(super) fn put_binary_time(out: &mut Vec<u8>, micros: i64, decimals: u8) -> Result<(), Misfit> {
    let (seconds, fraction) = magnitude(micros, decimals)?;
    if (seconds, fraction) == (0, 0) {
        out.push(0);
        return Ok(());
    }
    out.extend_from_slice(&[if fraction == 0 { 8 } else { 12 }, u8::from(micros < 0)]);
    out.extend_from_slice(&((seconds / SECONDS_PER_DAY) as u32).to_le_bytes());
    out.extend_from_slice(&clock(seconds % SECONDS_PER_DAY));
    if fraction != 0 {
        out.extend_from_slice(&fraction.to_le_bytes());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_day_of_mysqls_years_follows_the_one_before() {
        let is_leap =
            |y: u16| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        let first = -719_528;
        let mut expected = Day {
            year: 0,
            month: 1,
            day: 1,
        };
        for days in first.. {
            let Ok(day) = day_from(days) else {
                assert_eq!((expected.month, expected.day), (1, 1));
                assert_eq!(expected.year, 10_000);
                break;
            };
            assert_eq!(day, expected, "{days}");
            let last = match day.month {
                2 => 28 + u8::from(is_leap(day.year)),
                4 | 6 | 9 | 11 => 30,
                _ => 31,
            };
            expected = match (day.day == last, day.month) {
                (false, _) => Day {
                    day: day.day + 1,
                    ..day
                },
                (true, 12) => Day {
                    year: day.year + 1,
                    month: 1,
                    day: 1,
                },
                (true, month) => Day {
                    month: month + 1,
                    day: 1,
                    ..day
                },
            };
        }
        assert_eq!(day_from(first - 1), Err(Misfit));
        assert_eq!(day_from(i64::MAX), Err(Misfit));
        assert_eq!(day_from(i64::MIN), Err(Misfit));
    }

    fn text(put: impl FnOnce(&mut Vec<u8>) -> Result<(), Misfit>) -> Result<String, Misfit> {
        let mut out = Vec::new();
        put(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn datetimes_have_the_columns_decimals() {
        let at = Instant {
            seconds: 1_709_212_455,
            micros: 123_450,
        };
        let show = |decimals| text(|out| put_text_datetime(out, at, decimals)).unwrap();
        assert_eq!(show(0), "2024-02-29 13:14:15");
        assert_eq!(show(3), "2024-02-29 13:14:15.123");
        assert_eq!(show(6), "2024-02-29 13:14:15.123450");
        let before = Instant {
            seconds: -1,
            micros: 999_999,
        };
        let shown = text(|out| put_text_datetime(out, before, 6));
        assert_eq!(shown.as_deref(), Ok("1969-12-31 23:59:59.999999"));
    }

    #[test]
    fn times_are_signed_and_reach_838_hours() {
        let show = |micros, decimals| text(|out| put_text_time(out, micros, decimals));
        assert_eq!(show(0, 0).as_deref(), Ok("00:00:00"));
        assert_eq!(show(-5_400_000_000, 0).as_deref(), Ok("-01:30:00"));
        assert_eq!(
            show(3_020_399_999_999, 6).as_deref(),
            Ok("838:59:59.999999")
        );
        assert_eq!(show(-3_020_399_000_000, 0).as_deref(), Ok("-838:59:59"));
        assert_eq!(show(-1, 0).as_deref(), Ok("00:00:00"));
        assert_eq!(show(-1, 6).as_deref(), Ok("-00:00:00.000001"));
        assert_eq!(show(3_020_400_000_000, 0), Err(Misfit));
        assert_eq!(show(i64::MIN, 0), Err(Misfit));
    }

    #[test]
    fn binary_forms_leave_trailing_zeros_out() {
        let datetime = |seconds, micros, decimals| {
            let mut out = Vec::new();
            put_binary_datetime(&mut out, Instant { seconds, micros }, decimals).unwrap();
            out
        };
        assert_eq!(datetime(0, 0, 6), [4, 0xB2, 7, 1, 1]);
        assert_eq!(datetime(3661, 0, 6), [7, 0xB2, 7, 1, 1, 1, 1, 1]);
        assert_eq!(datetime(0, 1, 6), [11, 0xB2, 7, 1, 1, 0, 0, 0, 1, 0, 0, 0]);
        assert_eq!(datetime(0, 1, 0), [4, 0xB2, 7, 1, 1]);
        let time = |micros| {
            let mut out = Vec::new();
            put_binary_time(&mut out, micros, 6).unwrap();
            out
        };
        assert_eq!(time(0), [0]);
        assert_eq!(time(-90_061_000_000), [8, 1, 1, 0, 0, 0, 1, 1, 1]);
        assert_eq!(time(2), [12, 0, 0, 0, 0, 0, 0, 0, 0, 2, 0, 0, 0]);
    }
}
