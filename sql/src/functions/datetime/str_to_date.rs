//! STR_TO_DATE: reads a text by a format of DATE_FORMAT's codes.
//!
//! The result is a DATE, a TIME or a DATETIME by the codes in the format. What does not fit the format,
//! or names no whole date where one is due, is NULL.

use std::sync::Arc;

use arrow::array::ArrayRef;
use arrow::datatypes::{DataType, Date32Type, DurationMicrosecondType, TimestampMicrosecondType};
use datafusion::common::{Result, ScalarValue};

use super::arithmetic::{DATETIME, TIME, day_in_calendar};
use super::calendar::{Clock, Date, join, weekday};
use super::parts::{MONTHS, WEEKDAYS};
use crate::functions::argument::Call;
use crate::functions::builtin::{Declared, Definition, Shape};

/// What has been read so far.
#[derive(Debug, Clone, Copy, Default)]
struct Parts {
    year: i32,
    month: u32,
    day: u32,
    clock: [u32; 4],
    /// 12 for PM.
    half: u32,
    twelve_hours: bool,
    /// 1 is Monday, 7 Sunday.
    weekday: u32,
    day_of_year: u32,
    week: Option<Week>,
    /// (year, from %X).
    week_year: Option<(i32, bool)>,
}

#[derive(Debug, Clone, Copy)]
struct Week {
    number: u32,
    sunday_first: bool,
    /// %V and %v, which need %X and %x.
    strict: bool,
}

struct Reader<'a> {
    text: &'a str,
    parts: Parts,
}

impl Reader<'_> {
    fn digits(&mut self, most: usize) -> Option<(u32, usize)> {
        let count = self
            .text
            .bytes()
            .take(most)
            .take_while(u8::is_ascii_digit)
            .count();
        let (digits, rest) = self.text.split_at(count);
        let value = digits.parse().ok()?;
        self.text = rest;
        Some((value, count))
    }

    fn number(&mut self, most: usize) -> Option<u32> {
        self.digits(most).map(|(value, _)| value)
    }

    fn year(&mut self, most: usize) -> Option<i32> {
        let (value, count) = self.digits(most)?;
        let value = value as i32;
        Some(match (count, value) {
            (0..=2, 0..=69) => value + 2000,
            (0..=2, _) => value + 1900,
            _ => value,
        })
    }

    /// The index of the name that the text begins with, any case.
    fn word(&mut self, names: &[&str], letters: usize) -> Option<u32> {
        let begins = |name: &&str| {
            let name = &name[..name.len().min(letters)];
            self.text
                .get(..name.len())
                .is_some_and(|head| head.eq_ignore_ascii_case(name))
        };
        let index = names.iter().position(begins)?;
        self.text = &self.text[names[index].len().min(letters)..];
        Some(index as u32)
    }

    fn skip(&mut self, skipped: impl Fn(char) -> bool) {
        self.text = self.text.trim_start_matches(skipped);
    }

    /// Follows a format; `None` when the text does not fit it.
    fn read(&mut self, format: &str) -> Option<()> {
        let mut codes = format.chars();
        while let Some(c) = codes.next() {
            self.skip(|c| c.is_ascii_whitespace());
            if self.text.is_empty() {
                break;
            }
            match (c, codes.clone().next()) {
                ('%', Some(code)) => {
                    codes.next();
                    self.code(code)?;
                }
                (c, _) if c.is_ascii_whitespace() => {}
                (c, _) => self.text = self.text.strip_prefix(c)?,
            }
        }
        Some(())
    }

    fn code(&mut self, code: char) -> Option<()> {
        match code {
            'Y' => self.parts.year = self.year(4)?,
            'y' => self.parts.year = self.year(2)?,
            'm' | 'c' => self.parts.month = self.number(2)?,
            'M' => self.parts.month = self.word(&MONTHS, usize::MAX)? + 1,
            'b' => self.parts.month = self.word(&MONTHS, 3)? + 1,
            'd' | 'e' => self.parts.day = self.number(2)?,
            'D' => {
                self.parts.day = self.number(2)?;
                // The suffix is skipped unread, as MySQL does.
                let mut rest = self.text.chars();
                rest.next();
                rest.next();
                self.text = rest.as_str();
            }
            'h' | 'I' | 'l' => {
                self.parts.twelve_hours = true;
                self.parts.clock[0] = self.number(2)?;
            }
            'k' | 'H' => self.parts.clock[0] = self.number(2)?,
            'i' => self.parts.clock[1] = self.number(2)?,
            's' | 'S' => self.parts.clock[2] = self.number(2)?,
            'f' => {
                let (value, digits) = self.digits(6)?;
                self.parts.clock[3] = value * 10_u32.pow(6 - digits as u32);
            }
            'p' if self.parts.twelve_hours => self.parts.half = self.word(&["AM", "PM"], 2)? * 12,
            'W' => self.parts.weekday = self.word(&WEEKDAYS, usize::MAX)? + 1,
            'a' => self.parts.weekday = self.word(&WEEKDAYS, 3)? + 1,
            'w' => {
                let day = self.number(1).filter(|day| *day < 7)?;
                self.parts.weekday = if day == 0 { 7 } else { day };
            }
            'j' => self.parts.day_of_year = self.number(3)?,
            'U' | 'u' | 'V' | 'v' => {
                let strict = matches!(code, 'V' | 'v');
                let valid = |week: &u32| *week <= 53 && !(strict && *week == 0);
                let number = self.number(2).filter(valid)?;
                let sunday_first = matches!(code, 'U' | 'V');
                self.parts.week = Some(Week {
                    number,
                    sunday_first,
                    strict,
                });
            }
            'X' | 'x' => {
                let (year, _) = self.digits(4)?;
                self.parts.week_year = Some((year as i32, code == 'X'));
            }
            'r' => self.read("%I:%i:%S %p")?,
            'T' => self.read("%H:%i:%S")?,
            '.' => self.skip(|c| c.is_ascii_punctuation()),
            '@' => self.skip(|c| c.is_ascii_alphabetic()),
            '#' => self.skip(|c| c.is_ascii_digit()),
            _ => return None,
        }
        Some(())
    }
}

impl Parts {
    fn clock(&self) -> Option<Clock> {
        let [mut hour, minute, second, micro] = self.clock;
        if self.twelve_hours {
            if !(1..=12).contains(&hour) {
                return None;
            }
            hour = hour % 12 + self.half;
        }
        let valid = hour <= 23 && minute <= 59 && second <= 59;
        valid.then_some(Clock {
            hour,
            minute,
            second,
            micro,
        })
    }

    /// The day by month and day, by the day of the year, or by week and weekday.
    fn days(&self) -> Option<i32> {
        if let (Some(week), true) = (self.week, self.weekday > 0) {
            return self.week_days(week);
        }
        if self.day_of_year > 0 {
            let first = Date::new(self.year, 1, 1)?.days();
            return day_in_calendar(i64::from(first) + i64::from(self.day_of_year) - 1);
        }
        Date::new(self.year, self.month, self.day).map(Date::days)
    }

    fn week_days(&self, week: Week) -> Option<i32> {
        let year = match (week.strict, self.week_year) {
            (true, Some((year, sunday_first))) if sunday_first == week.sunday_first => year,
            (false, None) => self.year,
            _ => return None,
        };
        let first = Date::new(year, 1, 1)?.days();
        let weeks = (i64::from(week.number) - 1) * 7;
        let offset = if week.sunday_first {
            let column = i64::from((weekday(first) + 1) % 7);
            (if column == 0 { 0 } else { 7 }) - column + weeks + i64::from(self.weekday % 7)
        } else {
            let column = i64::from(weekday(first));
            (if column <= 3 { 0 } else { 7 }) - column + weeks + i64::from(self.weekday) - 1
        };
        day_in_calendar(i64::from(first) + offset)
    }
}

fn read(text: &str, format: &str) -> Option<Parts> {
    let mut reader = Reader {
        text,
        parts: Parts::default(),
    };
    reader.read(format)?;
    Some(reader.parts)
}

/// Which parts a format names: (date, time, microseconds).
fn named_parts(format: &str) -> (bool, bool, bool) {
    let (mut date, mut time, mut micro) = (false, false, false);
    let mut chars = format.chars();
    while let Some(c) = chars.next() {
        if c == '%' {
            match chars.next() {
                Some('f') => (time, micro) = (true, true),
                Some(c) if "HISThiklrsp".contains(c) => time = true,
                Some(c) if "MVUXYWabcjmvuxywdDe".contains(c) => date = true,
                _ => {}
            }
        }
    }
    (date, time, micro)
}

fn result_type(shape: &Shape<'_>) -> Result<Declared> {
    let format = match shape.literals.get(1).copied().flatten() {
        Some(ScalarValue::Utf8(Some(t)) | ScalarValue::Utf8View(Some(t))) => t,
        _ => {
            return Ok(Declared::temporal(DATETIME, Some(6)));
        }
    };
    let (date, time, micro) = named_parts(format);
    let fsp = Some(if micro { 6 } else { 0 });
    Ok(match (date, time) {
        (true, true) => Declared::temporal(DATETIME, fsp),
        (false, true) => Declared::temporal(TIME, fsp),
        _ => DataType::Date32.into(),
    })
}

fn str_to_date(call: &Call<'_>) -> Result<ArrayRef> {
    let (texts, formats) = (call.text(0)?, call.text(1)?);
    let parts = |row: usize| read(texts.get(row)?, formats.get(row)?);
    Ok(match call.return_type() {
        DataType::Date32 => Arc::new(call.collect::<Date32Type>(|row| {
            let parts = parts(row)?;
            parts.clock()?;
            parts.days()
        })),
        DataType::Duration(_) => Arc::new(
            call.collect::<DurationMicrosecondType>(|row| Some(parts(row)?.clock()?.micros())),
        ),
        _ => Arc::new(call.collect::<TimestampMicrosecondType>(|row| {
            let parts = parts(row)?;
            Some(join(parts.days()?, parts.clock()?.micros()))
        })),
    })
}

pub(crate) const FUNCTIONS: &[Definition] = &[Definition::new(
    "str_to_date",
    (2, 2),
    result_type,
    str_to_date,
)];
