//! DATE_FORMAT and TIME_FORMAT: a format is compiled once, then printed per row.
//!
//! Formats that print nothing finer than an hour or a day print the same text for all of it: the last
//! text is kept while the value stays within.

use std::fmt::Write;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef, StringViewBuilder};
use arrow::datatypes::DataType;
use datafusion::common::Result;

use super::calendar::{Clock, DAY_US, Date, WeekMode, split, weekday};
use super::parts::{MONTHS, WEEKDAYS, text};
use crate::functions::argument::Call;
use crate::functions::builtin::Definition;
use crate::functions::convert::text::push_padded;

/// A piece of a format.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Item {
    Text(String),
    Code(char),
}

/// A compiled format.
#[derive(Debug, Clone)]
pub(crate) struct Format {
    items: Vec<Item>,
    /// Values within the same multiple of this print the same text.
    grain_us: i64,
}

/// A value to print: a DATETIME, or a TIME, which has no date.
#[derive(Debug, Clone, Copy)]
struct Moment {
    days: Option<i32>,
    date: Date,
    clock: Clock,
}

impl Format {
    pub(crate) fn new(format: &str) -> Self {
        let mut items = Vec::new();
        let mut grain_us = i64::MAX;
        let push_text = |items: &mut Vec<Item>, c: char| match items.last_mut() {
            Some(Item::Text(text)) => text.push(c),
            _ => items.push(Item::Text(c.into())),
        };
        let mut chars = format.chars();
        while let Some(c) = chars.next() {
            match (c, chars.clone().next()) {
                ('%', Some(code)) => {
                    chars.next();
                    match grain(code) {
                        Some(us) => {
                            grain_us = grain_us.min(us);
                            items.push(Item::Code(code));
                        }
                        None => push_text(&mut items, code),
                    }
                }
                _ => push_text(&mut items, c),
            }
        }
        Self {
            items,
            grain_us: if grain_us == i64::MAX {
                DAY_US
            } else {
                grain_us
            },
        }
    }

    /// A DATETIME; every code prints something.
    pub(crate) fn push_datetime(&self, out: &mut String, micros: i64) {
        let (days, micros) = split(micros);
        let moment = Moment {
            days: Some(days),
            date: Date::from_days(days),
            clock: Clock::from_micros(micros),
        };
        for item in &self.items {
            push_item(out, item, &moment);
        }
    }

    /// A TIME; `false` when the format asks for what only a date has.
    fn push_time(&self, out: &mut String, micros: i64) -> bool {
        let clock = Clock::from_micros(micros.abs());
        let moment = Moment {
            days: None,
            date: Date {
                year: 0,
                month: 0,
                day: 0,
            },
            clock,
        };
        if micros < 0 {
            out.push('-');
        }
        self.items.iter().all(|item| push_item(out, item, &moment))
    }
}

/// Microseconds within which a code prints the same text; `None` for what is no code.
fn grain(code: char) -> Option<i64> {
    Some(match code {
        'f' => 1,
        'S' | 's' | 'T' | 'r' => 1_000_000,
        'i' => 60_000_000,
        'H' | 'h' | 'I' | 'k' | 'l' | 'p' => 3_600_000_000,
        'a' | 'b' | 'c' | 'D' | 'd' | 'e' | 'j' | 'M' | 'm' | 'U' | 'u' | 'V' | 'v' | 'W' | 'w'
        | 'X' | 'x' | 'Y' | 'y' => DAY_US,
        _ => return None,
    })
}

/// `false`: a TIME has no such part.
fn push_item(out: &mut String, item: &Item, moment: &Moment) -> bool {
    match item {
        Item::Text(text) => {
            out.push_str(text);
            true
        }
        Item::Code(code) => match moment.days {
            _ if grain(*code) != Some(DAY_US) => {
                push_clock(out, *code, moment.clock);
                true
            }
            Some(days) => {
                push_day(out, *code, days, moment.date);
                true
            }
            None => push_zero_date(out, *code),
        },
    }
}

fn push_clock(out: &mut String, code: char, clock: Clock) {
    let Clock {
        hour,
        minute,
        second,
        micro,
    } = clock;
    let hour_12 = (hour % 24 + 11) % 12 + 1;
    let half = if hour % 24 >= 12 { "PM" } else { "AM" };
    match code {
        'H' => push_padded(out, hour, 2),
        'k' => push_number(out, hour),
        'h' | 'I' => push_padded(out, hour_12, 2),
        'l' => push_number(out, hour_12),
        'i' => push_padded(out, minute, 2),
        'S' | 's' => push_padded(out, second, 2),
        'f' => push_padded(out, micro, 6),
        'p' => out.push_str(half),
        'r' | 'T' => {
            push_padded(out, if code == 'r' { hour_12 } else { hour }, 2);
            out.push(':');
            push_padded(out, minute, 2);
            out.push(':');
            push_padded(out, second, 2);
            if code == 'r' {
                out.push(' ');
                out.push_str(half);
            }
        }
        _ => {}
    }
}

fn push_day(out: &mut String, code: char, days: i32, date: Date) {
    let Date { year, month, day } = date;
    let year = year.unsigned_abs();
    let week = |mode: i64| WeekMode::new(mode).week(days);
    match code {
        'Y' => push_padded(out, year, 4),
        'y' => push_padded(out, year % 100, 2),
        'm' => push_padded(out, month, 2),
        'c' => push_number(out, month),
        'd' => push_padded(out, day, 2),
        'e' => push_number(out, day),
        'D' => {
            push_number(out, day);
            out.push_str(ordinal(day));
        }
        'j' => push_padded(out, date.day_of_year(), 3),
        'M' => out.push_str(MONTHS[month as usize - 1]),
        'b' => out.push_str(&MONTHS[month as usize - 1][..3]),
        'W' => out.push_str(WEEKDAYS[weekday(days) as usize]),
        'a' => out.push_str(&WEEKDAYS[weekday(days) as usize][..3]),
        'w' => push_number(out, (weekday(days) + 1) % 7),
        'U' => push_padded(out, week(0).1, 2),
        'u' => push_padded(out, week(1).1, 2),
        'V' => push_padded(out, week(2).1, 2),
        'v' => push_padded(out, week(3).1, 2),
        'X' => push_padded(out, week(2).0.unsigned_abs(), 4),
        'x' => push_padded(out, week(3).0.unsigned_abs(), 4),
        _ => {}
    }
}

/// The date codes of TIME_FORMAT: numbers print zeros, names and weeks make the result NULL.
fn push_zero_date(out: &mut String, code: char) -> bool {
    match code {
        'Y' => out.push_str("0000"),
        'y' | 'm' | 'd' => out.push_str("00"),
        'c' | 'e' => out.push('0'),
        'D' => out.push_str("0th"),
        _ => return false,
    }
    true
}

fn ordinal(day: u32) -> &'static str {
    match day {
        1 | 21 | 31 => "st",
        2 | 22 => "nd",
        3 | 23 => "rd",
        _ => "th",
    }
}

fn push_number(out: &mut String, value: u32) {
    let _ = write!(out, "{value}");
}

/// `value` printed by the format in argument 1, compiled once when it is a literal.
pub(crate) fn print(call: &Call<'_>, value: impl Fn(usize) -> Option<i64>) -> Result<ArrayRef> {
    let formats = call.text(1)?;
    let mut builder = StringViewBuilder::with_capacity(call.rows);
    let mut text = String::new();
    if formats.is_scalar() {
        let Some(format) = formats.get(0).map(Format::new) else {
            return Ok(arrow::array::new_null_array(&DataType::Utf8View, call.rows));
        };
        let mut last = None;
        for row in 0..call.rows {
            let Some(micros) = value(row) else {
                builder.append_null();
                continue;
            };
            let grain = micros.div_euclid(format.grain_us);
            if last != Some(grain) {
                text.clear();
                format.push_datetime(&mut text, micros);
                last = Some(grain);
            }
            builder.append_value(&text);
        }
    } else {
        for row in 0..call.rows {
            match (value(row), formats.get(row)) {
                (Some(micros), Some(format)) => {
                    text.clear();
                    Format::new(format).push_datetime(&mut text, micros);
                    builder.append_value(&text);
                }
                _ => builder.append_null(),
            }
        }
    }
    Ok(Arc::new(builder.finish()))
}

fn date_format(call: &Call<'_>) -> Result<ArrayRef> {
    let datetime = call.datetime(0)?;
    match datetime.values() {
        Some(values) if values.null_count() == 0 => {
            let values = values.values();
            print(call, |row| Some(values[row]))
        }
        _ => print(call, |row| datetime.get(row)),
    }
}

fn time_format(call: &Call<'_>) -> Result<ArrayRef> {
    let (time, formats) = (call.time(0)?, call.text(1)?);
    let compiled = if formats.is_scalar() {
        formats.get(0).map(Format::new)
    } else {
        None
    };
    Ok(Arc::new(call.collect_text(|row, out| {
        let (Some(micros), Some(format)) = (time.get(row), formats.get(row)) else {
            return false;
        };
        match &compiled {
            Some(format) => format.push_time(out, micros),
            None => Format::new(format).push_time(out, micros),
        }
    })))
}

pub(crate) const FUNCTIONS: &[Definition] = &[
    Definition::new("date_format", (2, 2), text, date_format),
    Definition::new("time_format", (2, 2), text, time_format),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grain_is_the_finest_code() {
        assert_eq!(Format::new("%Y-%m-%d %H:00:00").grain_us, 3_600_000_000);
        assert_eq!(Format::new("%Y-%m-01").grain_us, DAY_US);
        assert_eq!(Format::new("%T.%f").grain_us, 1);
        assert_eq!(Format::new("plain").grain_us, DAY_US);
    }

    #[test]
    fn unknown_codes_print_themselves() {
        let mut out = String::new();
        Format::new("%%%Q%").push_datetime(&mut out, 0);
        assert_eq!(out, "%Q%");
    }
}
