//! The proleptic Gregorian calendar in plain integers: days since 1970-01-01, microseconds of a day.
//!
//! No time zones, no text. Formulas: Howard Hinnant, "chrono-Compatible Low-Level Date Algorithms".

/// Microseconds in a day.
pub(crate) const DAY_US: i64 = 86_400_000_000;
/// Days from year 0 (MySQL's TO_DAYS) to 1970-01-01.
pub(crate) const EPOCH_FROM_YEAR_0: i64 = 719_528;
/// 0000-01-01 and 9999-12-31, the ends of MySQL's calendar.
pub(crate) const DAY_MIN: i32 = -719_528;
pub(crate) const DAY_MAX: i32 = 2_932_896;
/// Largest TIME, 838:59:59, in microseconds.
pub(crate) const TIME_MAX_US: i64 = 3_020_399_000_000;

/// A calendar day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Date {
    pub(crate) year: i32,
    pub(crate) month: u32,
    pub(crate) day: u32,
}

/// A time of day, or the absolute value of a TIME (then `hour` reaches 838).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Clock {
    pub(crate) hour: u32,
    pub(crate) minute: u32,
    pub(crate) second: u32,
    pub(crate) micro: u32,
}

impl Date {
    /// `None` when there is no such day, or when it is outside the years 0 to 9999.
    pub(crate) fn new(year: i32, month: u32, day: u32) -> Option<Self> {
        let known = (0..=9999).contains(&year) && (1..=12).contains(&month) && day >= 1;
        (known && day <= days_in_month(year, month)).then_some(Self { year, month, day })
    }

    pub(crate) fn from_days(days: i32) -> Self {
        let z = i64::from(days) + 719_468;
        let era = z.div_euclid(146_097);
        let doe = z.rem_euclid(146_097);
        let yoe = (doe - doe / 1460 + doe / 36_524 - doe / 146_096) / 365;
        let doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
        let mp = (5 * doy + 2) / 153;
        let month = if mp < 10 { mp + 3 } else { mp - 9 };
        let year = yoe + era * 400 + i64::from(month <= 2);
        Self {
            year: year as i32,
            month: month as u32,
            day: (doy - (153 * mp + 2) / 5 + 1) as u32,
        }
    }

    pub(crate) fn days(self) -> i32 {
        let year = i64::from(self.year) - i64::from(self.month <= 2);
        let era = year.div_euclid(400);
        let yoe = year.rem_euclid(400);
        let month = i64::from(self.month);
        let mp = if month > 2 { month - 3 } else { month + 9 };
        let doy = (153 * mp + 2) / 5 + i64::from(self.day) - 1;
        let doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
        (era * 146_097 + doe - 719_468) as i32
    }

    /// 1 to 366.
    pub(crate) fn day_of_year(self) -> u32 {
        let first = Self {
            year: self.year,
            month: 1,
            day: 1,
        };
        (self.days() - first.days() + 1) as u32
    }

    /// The same day `months` later, or that month's last day; `None` outside the calendar.
    pub(crate) fn add_months(self, months: i64) -> Option<Self> {
        let index = i64::from(self.year) * 12 + i64::from(self.month) - 1;
        let index = index.checked_add(months)?;
        let year = i32::try_from(index.div_euclid(12)).ok()?;
        let month = index.rem_euclid(12) as u32 + 1;
        if !(0..=9999).contains(&year) {
            return None;
        }
        Some(Self {
            year,
            month,
            day: self.day.min(days_in_month(year, month)),
        })
    }
}

impl Clock {
    /// From microseconds since midnight (or the absolute value of a TIME).
    pub(crate) fn from_micros(micros: i64) -> Self {
        let seconds = micros / 1_000_000;
        Self {
            hour: (seconds / 3600) as u32,
            minute: (seconds / 60 % 60) as u32,
            second: (seconds % 60) as u32,
            micro: (micros % 1_000_000) as u32,
        }
    }

    pub(crate) fn micros(self) -> i64 {
        let seconds =
            i64::from(self.hour) * 3600 + i64::from(self.minute) * 60 + i64::from(self.second);
        seconds * 1_000_000 + i64::from(self.micro)
    }
}

pub(crate) fn is_leap(year: i32) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

pub(crate) fn days_in_month(year: i32, month: u32) -> u32 {
    match month {
        2 if is_leap(year) => 29,
        2 => 28,
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

/// A DATETIME as (day, microseconds since midnight).
pub(crate) fn split(micros: i64) -> (i32, i64) {
    (micros.div_euclid(DAY_US) as i32, micros.rem_euclid(DAY_US))
}

pub(crate) fn join(days: i32, micros: i64) -> i64 {
    i64::from(days) * DAY_US + micros
}

/// Whether a DATETIME is within the years 0 to 9999.
pub(crate) fn in_calendar(micros: i64) -> bool {
    (join(DAY_MIN, 0)..join(DAY_MAX + 1, 0)).contains(&micros)
}

/// 0 is Monday.
pub(crate) fn weekday(days: i32) -> u32 {
    (days + 3).rem_euclid(7) as u32
}

/// How WEEK() numbers weeks (MySQL manual, "mode" argument of WEEK).
#[derive(Debug, Clone, Copy)]
pub(crate) struct WeekMode {
    pub(crate) monday_first: bool,
    /// Week 0 does not exist: such days belong to the last week of the year before.
    pub(crate) from_1: bool,
    /// Week 1 is the first that begins in the year, not the first with four days of it.
    pub(crate) first_weekday: bool,
}

impl WeekMode {
    pub(crate) fn new(mode: i64) -> Self {
        let mode = mode & 7;
        let monday_first = mode & 1 != 0;
        // Without Monday first, the meaning of the third bit is turned round.
        Self {
            monday_first,
            from_1: mode & 2 != 0,
            first_weekday: (mode & 4 != 0) == monday_first,
        }
    }

    /// (year that the week belongs to, week number).
    pub(crate) fn week(self, days: i32) -> (i32, u32) {
        let date = Date::from_days(days);
        let day = days;
        let first = Date {
            year: date.year,
            month: 1,
            day: 1,
        }
        .days();
        let first_weekday = self.column(first);
        let mut year = date.year;
        let mut from_1 = self.from_1;
        let mut start = first;
        let mut start_column = first_weekday;
        if date.month == 1 && date.day <= 7 - first_weekday {
            let in_last_year = if self.first_weekday {
                first_weekday != 0
            } else {
                first_weekday >= 4
            };
            if !from_1 && in_last_year {
                return (year, 0);
            }
            if in_last_year {
                from_1 = true;
                year -= 1;
                let length = if is_leap(year) { 366 } else { 365 };
                start = first - length;
                start_column = (first_weekday + 53 * 7 - length as u32) % 7;
            }
        }
        let late_start = if self.first_weekday {
            start_column != 0
        } else {
            start_column >= 4
        };
        let offset = if late_start {
            day - (start + (7 - start_column as i32))
        } else {
            day - (start - start_column as i32)
        };
        if from_1 && offset >= 52 * 7 {
            let length = if is_leap(year) { 366 } else { 365 };
            let next = (start_column + length) % 7;
            let next_has_week = if self.first_weekday {
                next == 0
            } else {
                next < 4
            };
            if next_has_week {
                return (year + 1, 1);
            }
        }
        (year, (offset / 7 + 1) as u32)
    }

    /// Position of a day within its week.
    fn column(self, days: i32) -> u32 {
        if self.monday_first {
            weekday(days)
        } else {
            (weekday(days) + 1) % 7
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn day(year: i32, month: u32, day: u32) -> i32 {
        Date { year, month, day }.days()
    }

    #[test]
    fn days_and_dates_are_inverse_over_the_whole_calendar() {
        assert_eq!(day(0, 1, 1), DAY_MIN);
        assert_eq!(day(9999, 12, 31), DAY_MAX);
        assert_eq!(day(1970, 1, 1), 0);
        let mut expected = Date {
            year: 0,
            month: 1,
            day: 1,
        };
        for days in DAY_MIN..=DAY_MAX {
            let date = Date::from_days(days);
            assert_eq!(date, expected);
            assert_eq!(date.days(), days);
            expected.day += 1;
            if expected.day > days_in_month(expected.year, expected.month) {
                expected.day = 1;
                expected.month += 1;
            }
            if expected.month > 12 {
                expected.month = 1;
                expected.year += 1;
            }
        }
    }

    #[test]
    fn weeks_follow_the_mode() {
        let last = day(2024, 12, 30);
        let weeks: Vec<u32> = (0..8)
            .map(|mode| WeekMode::new(mode).week(last).1)
            .collect();
        assert_eq!(weeks, [52, 53, 52, 1, 53, 53, 1, 53]);
        let first = day(2008, 2, 20);
        assert_eq!(WeekMode::new(0).week(first).1, 7);
        assert_eq!(WeekMode::new(1).week(first).1, 8);
        assert_eq!(WeekMode::new(3).week(day(2005, 1, 1)), (2004, 53));
        assert_eq!(WeekMode::new(2).week(day(1987, 1, 1)), (1986, 52));
    }

    #[test]
    fn months_end_at_their_last_day() {
        let date = Date {
            year: 2024,
            month: 1,
            day: 31,
        };
        assert_eq!(
            date.add_months(1),
            Some(Date {
                year: 2024,
                month: 2,
                day: 29
            })
        );
        assert_eq!(
            date.add_months(-11),
            Some(Date {
                year: 2023,
                month: 2,
                day: 28
            })
        );
        assert_eq!(date.add_months(12 * 8000), None);
    }
}
