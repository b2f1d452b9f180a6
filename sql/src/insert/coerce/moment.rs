//! Dates with times of day, from strings and numbers in every form that MySQL accepts.
//!
//! The forms are those of the MySQL manual, "Date and Time Literals". Whether an unreadable value
//! is an error, and what a column makes of a readable one, is decided in `temporal`.

use crate::types::{MICROS_PER_DAY, MICROS_PER_SECOND, days_from_civil, parse_offset};

/// A calendar date with a time of day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Moment {
    /// Days since 1970-01-01.
    pub(super) days: i32,
    /// Microseconds since midnight.
    pub(super) micros: i64,
    /// The seventh digit of the fraction, for rounding.
    pub(super) next_digit: u8,
    /// Seconds east of UTC, where the string ends in `+05:30`.
    pub(super) offset: Option<i32>,
    /// There was a time of day, at least its hour.
    pub(super) has_time: bool,
    /// Something that is neither date nor time stands behind.
    pub(super) trailing: bool,
}

/// Why there is no value.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unreadable {
    /// Not of any form.
    Garbage,
    /// Of a form, but there is no such day or time: month 13, 2024-02-30, 0000-00-00.
    Invalid,
    /// A TIME beyond ±838:59:59; the sign.
    TooLong { negative: bool },
}

use Unreadable::{Garbage, Invalid};

/// Year, month, day, hour, minute, second, microsecond.
type Fields = [u32; 7];
const SECOND: usize = 5;
const FRACTION: usize = 6;

impl Moment {
    pub(super) fn at(days: i32, micros: i64) -> Self {
        Self {
            days,
            micros,
            next_digit: 0,
            offset: None,
            has_time: true,
            trailing: false,
        }
    }

    /// Microseconds since 1970 of the wall clock.
    pub(super) fn wall_clock(&self) -> i64 {
        i64::from(self.days) * MICROS_PER_DAY + self.micros
    }

    /// Reads a string.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        if let Some(moment) = parse_canonical(text) {
            return Ok(moment);
        }
        let text = text.trim_ascii_start();
        let lead = text.iter().position(|b| !b.is_ascii_digit() && *b != b'T');
        let lead = lead.unwrap_or(text.len());
        if !text.first().is_some_and(u8::is_ascii_digit) {
            return Err(Garbage);
        }
        // Digits alone, or digits and a fraction: fields of fixed width.
        let compact = matches!(text.get(lead), None | Some(b'.'));
        let mut scan = Scan {
            text,
            at: 0,
            fields: [0; 7],
            count: 0,
            year_digits: 0,
            next_digit: 0,
        };
        let year_width = if matches!(lead, 4 | 8) || lead >= 14 {
            4
        } else {
            2
        };
        scan.fields(compact.then_some(year_width))?;
        scan.finish()
    }

    /// Reads a number such as 20240229 or 20240229131415; `micros` is the fraction of a second,
    /// which means nothing without a time of day.
    pub(super) fn of_number(number: i64, micros: u32) -> Result<Self, Unreadable> {
        const DAY: i64 = 1_000_000;
        let full = match number {
            0..=100 => return Err(Invalid),
            101..=691_231 => (number + 20_000_000) * DAY,
            691_232..=700_100 => return Err(Invalid),
            700_101..=991_231 => (number + 19_000_000) * DAY,
            991_232..=10_000_100 => return Err(Invalid),
            10_000_101..=99_991_231 => number * DAY,
            99_991_232..=100_999_999 => return Err(Invalid),
            101_000_000..=691_231_235_959 => number + 20_000_000 * DAY,
            691_231_235_960..=700_100_999_999 => return Err(Invalid),
            700_101_000_000..=991_231_235_959 => number + 19_000_000 * DAY,
            991_231_235_960..=99_991_231_235_959 => number,
            _ => return Err(Invalid),
        };
        let micros = if number < 101_000_000 { 0 } else { micros };
        let (date, time) = (full / DAY, full % DAY);
        let field = |number: i64| u32::try_from(number).unwrap_or(0);
        let fields = [
            field(date / 10_000),
            field(date / 100 % 100),
            field(date % 100),
            field(time / 10_000),
            field(time / 100 % 100),
            field(time % 100),
            micros,
        ];
        of_fields(&fields)
    }
}

/// The form that programs write, read without the general scanner: `YYYY-MM-DD[ hh:mm:ss]`.
fn parse_canonical(text: &[u8]) -> Option<Moment> {
    let (date, time) = match text.len() {
        10 => (text, None),
        19 => (text.get(..10)?, Some(text.get(10..)?)),
        _ => return None,
    };
    let &[y1, y2, y3, y4, b'-', m1, m2, b'-', d1, d2] = date else {
        return None;
    };
    let year = two(y1, y2)? * 100 + two(y3, y4)?;
    let mut fields = [year, two(m1, m2)?, two(d1, d2)?, 0, 0, 0, 0];
    if let Some(time) = time {
        let &[b' ' | b'T', h1, h2, b':', m1, m2, b':', s1, s2] = time else {
            return None;
        };
        (fields[3], fields[4], fields[5]) = (two(h1, h2)?, two(m1, m2)?, two(s1, s2)?);
    }
    let moment = of_fields(&fields).ok()?;
    Some(Moment {
        has_time: time.is_some(),
        ..moment
    })
}

fn two(tens: u8, ones: u8) -> Option<u32> {
    let (tens, ones) = (tens.wrapping_sub(b'0'), ones.wrapping_sub(b'0'));
    (tens < 10 && ones < 10).then(|| u32::from(tens * 10 + ones))
}

/// Fails where the calendar has no such day or the day no such time.
fn of_fields(fields: &Fields) -> Result<Moment, Unreadable> {
    let [year, month, day, hour, minute, second, micros] = *fields;
    if year > 9999 || hour > 23 || minute > 59 || second > 59 {
        return Err(Invalid);
    }
    let days = days_from_civil(year.cast_signed(), month, day).ok_or(Invalid)?;
    let seconds = i64::from(hour * 3600 + minute * 60 + second);
    let micros = seconds * MICROS_PER_SECOND + i64::from(micros);
    Ok(Moment {
        days,
        micros,
        next_digit: 0,
        offset: None,
        has_time: false,
        trailing: false,
    })
}

/// Reads fields from left to right.
struct Scan<'a> {
    text: &'a [u8],
    at: usize,
    fields: Fields,
    /// Fields read.
    count: usize,
    year_digits: usize,
    next_digit: u8,
}

impl Scan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn skip_while(&mut self, accept: impl Fn(u8) -> bool) {
        while self.peek().is_some_and(&accept) {
            self.at += 1;
        }
    }

    /// A run of at most `width` digits.
    fn number(&mut self, width: usize) -> Result<(u32, usize), Unreadable> {
        let start = self.at;
        let mut value = 0_u32;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            if self.at - start == width {
                break;
            }
            value = value * 10 + u32::from(digit - b'0');
            if value > 999_999 {
                return Err(Garbage);
            }
            self.at += 1;
        }
        Ok((value, self.at - start))
    }

    fn store(&mut self, value: u32, digits: usize) {
        if self.count == 0 {
            self.year_digits = digits;
        }
        if let Some(field) = self.fields.get_mut(self.count) {
            *field = value;
            self.count += 1;
        }
    }

    /// All fields up to the second. `year_width`: fields have a fixed width, and need nothing
    /// between.
    fn fields(&mut self, year_width: Option<usize>) -> Result<(), Unreadable> {
        while self.count <= SECOND && self.peek().is_some_and(|b| b.is_ascii_digit()) {
            let width = match year_width {
                None => usize::MAX,
                Some(width) if self.count == 0 => width,
                Some(_) => 2,
            };
            let (value, digits) = self.number(width)?;
            self.store(value, digits);
            match self.count {
                SECOND_READ => break,
                3 if self.peek() == Some(b'T') => self.at += 1,
                // A space parts date from time; elsewhere only punctuation parts fields.
                3 => self.skip_while(|b| b.is_ascii_punctuation() || b.is_ascii_whitespace()),
                _ => self.skip_while(|b| b.is_ascii_punctuation()),
            }
        }
        if let Some(width) = year_width {
            self.year_digits = width;
        }
        self.fraction()
    }

    /// Up to six digits count, the seventh rounds, the rest is skipped.
    fn fraction(&mut self) -> Result<(), Unreadable> {
        if self.count != SECOND_READ || self.peek() != Some(b'.') {
            return Ok(());
        }
        self.at += 1;
        let (micros, next_digit, end) = read_fraction(self.text, self.at);
        (self.fields[FRACTION], self.next_digit, self.at) = (micros, next_digit, end);
        Ok(())
    }

    fn finish(mut self) -> Result<Moment, Unreadable> {
        let zero = self.fields.iter().all(|field| *field == 0);
        if self.count < 3 {
            return Err(if zero { Invalid } else { Garbage });
        }
        if self.year_digits == 2 && !zero {
            self.fields[0] += if self.fields[0] < 70 { 2000 } else { 1900 };
        }
        let mut moment = of_fields(&self.fields)?;
        moment.next_digit = self.next_digit;
        moment.has_time = self.count > 3;
        let rest = self.text.get(self.at..).unwrap_or_default();
        if self.count >= SECOND_READ {
            moment.offset = parse_offset(rest.trim_ascii_end());
        }
        moment.trailing = moment.offset.is_none() && !rest.trim_ascii().is_empty();
        Ok(moment)
    }
}

/// Fields read once the second is.
const SECOND_READ: usize = SECOND + 1;

/// Microseconds, the seventh digit and the position behind the digits.
pub(super) fn read_fraction(text: &[u8], start: usize) -> (u32, u8, usize) {
    let digits = text.get(start..).unwrap_or_default();
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let digit = |i: usize| if i < count { digits[i] - b'0' } else { 0 };
    let micros = (0..6).fold(0, |micros, i| micros * 10 + u32::from(digit(i)));
    (micros, digit(6), start + count)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::datetime_text;

    fn moment(text: &str) -> String {
        match Moment::parse(text.as_bytes()) {
            Ok(m) => {
                let mut shown = datetime_text(m.wall_clock(), 6);
                if m.next_digit > 0 {
                    shown.push_str(&format!("+{}", m.next_digit));
                }
                if let Some(offset) = m.offset {
                    shown.push_str(&format!(" offset {offset}"));
                }
                if m.trailing {
                    shown.push_str(" trailing");
                }
                shown
            }
            Err(e) => format!("{e:?}"),
        }
    }

    #[test]
    fn every_form_of_a_date_is_read() {
        for text in [
            "2024-02-29",
            "2024-2-29",
            "24-02-29",
            "240229",
            "20240229",
            "2024/02/29",
            "2024.02.29",
            "2024@02^29",
            " 2024-02-29 ",
            "2024-02-29T",
            "2024--02--29",
        ] {
            assert_eq!(moment(text), "2024-02-29 00:00:00.000000", "{text}");
        }
        assert_eq!(moment("1-1-1"), "0001-01-01 00:00:00.000000");
        assert_eq!(moment("69-1-1"), "2069-01-01 00:00:00.000000");
        assert_eq!(moment("70-1-1"), "1970-01-01 00:00:00.000000");
        assert_eq!(moment("0000-01-01"), "0000-01-01 00:00:00.000000");
    }

    #[test]
    fn every_form_of_a_date_with_time_is_read() {
        for text in [
            "2024-02-29 13:14:15",
            "2024-02-29T13:14:15",
            "20240229131415",
            "240229131415",
            "20240229T131415",
            "2024-02-29-13-14-15",
            "2024-02-29 13-14-15",
            "2024-02-29  13:14:15",
            "2024-02-29,13:14:15",
            "2024-02-29 13:14:15.",
            "2024-2-29 13:14:15 ",
            "20240229131415.",
        ] {
            assert_eq!(moment(text), "2024-02-29 13:14:15.000000", "{text}");
        }
        assert_eq!(moment("2024-02-29 13:14"), "2024-02-29 13:14:00.000000");
        assert_eq!(moment("2024-02-29 13"), "2024-02-29 13:00:00.000000");
        assert_eq!(moment("2024-02-29 1:2:3.5"), "2024-02-29 01:02:03.500000");
        assert_eq!(
            moment("2024-02-29 1:2:3.1234567"),
            "2024-02-29 01:02:03.123456+7"
        );
        assert_eq!(
            moment("20240229010203.1234567"),
            "2024-02-29 01:02:03.123456+7"
        );
        assert_eq!(moment("2024-01-01 10:20.5"), "2024-01-01 10:20:05.000000");
        let offset = "2024-02-29 13:14:15.000000 offset 19800";
        assert_eq!(moment("2024-02-29 13:14:15+05:30"), offset);
    }

    #[test]
    fn what_is_no_date_is_refused() {
        for text in [
            "",
            "abc",
            "2024",
            "2024-02",
            "20240229 131415",
            "2024 02 29",
            "+2024-01-01",
            "12345678-01-01",
        ] {
            assert_eq!(moment(text), "Garbage", "{text}");
        }
        for text in [
            "2024-02-30",
            "2024-00-10",
            "2024-13-01 00:00:00",
            "0000-00-00",
            "2023-02-29",
            "2024-02-29 24:00:00",
            "2024-02-29 13:60:00",
            "12024-01-01",
            "2024022913",
        ] {
            assert_eq!(moment(text), "Invalid", "{text}");
        }
        for text in [
            "2024-02-29x",
            "2024-02-29 13:14:15Z",
            "2024-02-29 13:14:15 x",
        ] {
            assert!(moment(text).ends_with(" trailing"), "{text}");
        }
    }

    #[test]
    fn numbers_are_dates() {
        let read = |number| {
            Moment::of_number(number, 0)
                .map(|m| datetime_text(m.wall_clock(), 0))
                .ok()
        };
        assert_eq!(read(101).as_deref(), Some("2000-01-01 00:00:00"));
        assert_eq!(read(691_231).as_deref(), Some("2069-12-31 00:00:00"));
        assert_eq!(
            read(700_101_000_000).as_deref(),
            Some("1970-01-01 00:00:00")
        );
        assert_eq!(read(20_240_229).as_deref(), Some("2024-02-29 00:00:00"));
        assert_eq!(
            read(20_240_229_131_415).as_deref(),
            Some("2024-02-29 13:14:15")
        );
        for number in [
            0,
            1,
            10_000,
            691_232,
            9_991_231,
            1_000_000_000,
            -20_240_101,
            i64::MAX,
        ] {
            assert_eq!(read(number), None, "{number}");
        }
    }
}
