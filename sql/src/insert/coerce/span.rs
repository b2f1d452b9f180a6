//! Durations of TIME columns, from strings and numbers in every form that MySQL accepts.
//!
//! The forms are those of the MySQL manual, "The TIME Type".

use super::moment::{Moment, Unreadable, read_fraction};
use crate::types::MICROS_PER_SECOND;

use Unreadable::{Garbage, Invalid};

pub(super) const TIME_MAX_MICROS: i64 = (838 * 3600 + 59 * 60 + 59) * MICROS_PER_SECOND;

/// A signed duration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Span {
    /// Microseconds, within ±838:59:59.999999.
    pub(super) micros: i64,
    pub(super) next_digit: u8,
    pub(super) trailing: bool,
    /// Read from a date with a time; the date was left out.
    pub(super) had_date: bool,
}

impl Span {
    /// Reads a string.
    pub(super) fn parse(text: &[u8]) -> Result<Self, Unreadable> {
        let text = text.trim_ascii_start();
        // As long as a date with a time of day: try that first. But `01:02:03.000004`, though it could
        // be a date with odd delimiters, is a time.
        let digits = text.iter().take_while(|b| b.is_ascii_digit()).count();
        if text.len() >= 12
            && text.get(digits) != Some(&b':')
            && let Ok(moment) = Moment::parse(text)
            && moment.has_time
        {
            let Moment {
                micros,
                next_digit,
                trailing,
                ..
            } = moment;
            return Ok(Self {
                micros,
                next_digit,
                trailing,
                had_date: true,
            });
        }
        let (negative, text) = match text {
            [b'-', rest @ ..] => (true, rest),
            rest => (false, rest),
        };
        let mut scan = SpanScan { text, at: 0 };
        let seconds = scan.seconds()?;
        let mut fraction = (0, 0);
        if scan.peek() == Some(b'.') {
            let (micros, next_digit, end) = read_fraction(text, scan.at + 1);
            (fraction, scan.at) = ((micros, next_digit), end);
        }
        let rest = text.get(scan.at..).unwrap_or_default();
        let micros = seconds * MICROS_PER_SECOND + i64::from(fraction.0);
        if seconds * MICROS_PER_SECOND > TIME_MAX_MICROS {
            return Err(Unreadable::TooLong { negative });
        }
        Ok(Self {
            micros: if negative { -micros } else { micros },
            next_digit: fraction.1,
            trailing: !rest.trim_ascii().is_empty(),
            had_date: false,
        })
    }

    /// Reads a number such as 101112 (hhmmss), or that of a date with a time of day.
    pub(super) fn of_number(number: i64, micros: u32) -> Result<Self, Unreadable> {
        const DATE_TIME_MIN: i64 = 10_000_000_000;
        if number >= DATE_TIME_MIN {
            let moment = Moment::of_number(number, micros)?;
            return Ok(Self {
                micros: moment.micros,
                next_digit: 0,
                trailing: false,
                had_date: true,
            });
        }
        let (negative, digits) = (number < 0, number.abs());
        if digits > 8_385_959 {
            return Err(Unreadable::TooLong { negative });
        }
        let seconds = hhmmss(digits).ok_or(Invalid)?;
        let total = seconds * MICROS_PER_SECOND + i64::from(micros);
        let micros = if negative { -total } else { total };
        Ok(Self {
            micros,
            next_digit: 0,
            trailing: false,
            had_date: false,
        })
    }
}

/// Seconds of hhmmss; `None` for more than 59 minutes or seconds.
fn hhmmss(digits: i64) -> Option<i64> {
    let (hour, minute, second) = (digits / 10_000, digits / 100 % 100, digits % 100);
    (minute < 60 && second < 60).then_some(hour * 3600 + minute * 60 + second)
}

struct SpanScan<'a> {
    text: &'a [u8],
    at: usize,
}

impl SpanScan<'_> {
    fn peek(&self) -> Option<u8> {
        self.text.get(self.at).copied()
    }

    fn number(&mut self) -> Option<i64> {
        let start = self.at;
        let mut value = 0_i64;
        while let Some(digit) = self.peek().filter(u8::is_ascii_digit) {
            value = value
                .saturating_mul(10)
                .saturating_add(i64::from(digit - b'0'));
            self.at += 1;
        }
        (self.at > start).then_some(value)
    }

    fn next_is_digit(&self) -> bool {
        self.text.get(self.at + 1).is_some_and(u8::is_ascii_digit)
    }

    /// `[D ]hh:mm[:ss]`, `D hh` or `hhmmss`, up to the fraction.
    fn seconds(&mut self) -> Result<i64, Unreadable> {
        let first = self.number().ok_or(Garbage)?;
        let spaces = self.at;
        while self.peek().is_some_and(|b| b.is_ascii_whitespace()) {
            self.at += 1;
        }
        if self.peek() == Some(b':') && self.next_is_digit() {
            return self.minutes_and_seconds(first);
        }
        if self.at > spaces && self.peek().is_some_and(|b| b.is_ascii_digit()) {
            let hours = self.number().ok_or(Garbage)?;
            let hours = first.saturating_mul(24).saturating_add(hours);
            return self.minutes_and_seconds(hours);
        }
        self.at = spaces;
        hhmmss(first).ok_or(Invalid)
    }

    fn minutes_and_seconds(&mut self, hours: i64) -> Result<i64, Unreadable> {
        let mut parts = [0, 0];
        for part in &mut parts {
            if self.peek() == Some(b':') && self.next_is_digit() {
                self.at += 1;
                *part = self.number().ok_or(Garbage)?;
            }
        }
        let [minute, second] = parts;
        if minute > 59 || second > 59 {
            return Err(Invalid);
        }
        // Bounded here so that the product below cannot overflow.
        Ok(hours.min(1_000_000) * 3600 + minute * 60 + second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::time_text;

    #[test]
    fn every_form_of_a_time_is_read() {
        let read = |text: &str| Span::parse(text.as_bytes()).map(|s| time_text(s.micros, 6));
        for text in [
            "10:11:12",
            "101112",
            "10:11:12.0",
            " 10:11:12",
            "2024-02-29 10:11:12",
        ] {
            assert_eq!(read(text).as_deref(), Ok("10:11:12.000000"), "{text}");
        }
        for (text, time) in [
            ("10:11", "10:11:00.000000"),
            ("10", "00:00:10.000000"),
            ("1011", "00:10:11.000000"),
            ("1 10:11:12", "34:11:12.000000"),
            ("1 10", "34:00:00.000000"),
            ("34 22:59:59", "838:59:59.000000"),
            ("-10:11:12.5", "-10:11:12.500000"),
            ("10.5", "00:00:10.500000"),
            ("10 :11", "10:11:00.000000"),
        ] {
            assert_eq!(read(text).as_deref(), Ok(time), "{text}");
        }
        assert_eq!(
            read("839:00:00"),
            Err(Unreadable::TooLong { negative: false })
        );
        assert_eq!(
            read("-99999999999:00:00"),
            Err(Unreadable::TooLong { negative: true })
        );
        assert_eq!(read("10:60:00"), Err(Invalid));
        for text in ["", "abc", "-"] {
            assert_eq!(read(text), Err(Garbage), "{text}");
        }
        for text in ["10: 11", "1 2 3", "10:11:12x", "1e3", "10:11:12 PM"] {
            assert!(
                Span::parse(text.as_bytes()).is_ok_and(|s| s.trailing),
                "{text}"
            );
        }
    }
}
