//! The fields of a date text: numbers in fixed widths or between delimiters, a fraction, an offset.
//!
//! What they mean is decided in `literal`.

use super::calendar::{Clock, Date, in_calendar, join};

/// Numbers found in a date text: year, month, day, hour, minute, second, microsecond.
struct Scan<'a> {
    text: &'a [u8],
    pos: usize,
    values: [u32; 7],
    fields: usize,
    year_digits: usize,
    /// Hundreds of nanoseconds round the microseconds up.
    round_up: bool,
}

impl<'a> Scan<'a> {
    fn new(text: &'a [u8]) -> Self {
        Self {
            text,
            pos: 0,
            values: [0; 7],
            fields: 0,
            year_digits: 0,
            round_up: false,
        }
    }

    fn digit(&self) -> Option<u32> {
        let byte = *self.text.get(self.pos)?;
        byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
    }

    /// Up to `limit` digits; `None` when there is none or the number is absurd.
    fn number(&mut self, limit: usize) -> Option<(u32, usize)> {
        let from = self.pos;
        let mut value = 0;
        while let Some(digit) = self.digit() {
            if self.pos - from == limit {
                break;
            }
            value = value * 10 + digit;
            if value > 999_999 {
                return None;
            }
            self.pos += 1;
        }
        (self.pos > from).then_some((value, self.pos - from))
    }

    /// The digits behind the point, padded to six, the seventh rounding.
    fn fraction(&mut self) {
        if let Some((value, digits)) = self.number(6) {
            self.values[6] = value * 10_u32.pow(6 - digits.min(6) as u32);
            self.round_up = self.digit().is_some_and(|digit| digit >= 5);
            while self.digit().is_some() {
                self.pos += 1;
            }
            self.fields = 7;
        }
    }

    /// Reads the fields. `packed`: `20240131123045.5`, of fixed widths, the year's given; otherwise
    /// `2024-01-31 12:30:45.5`: any punctuation delimits, spaces or a T precede the time.
    fn fields(&mut self, packed: Option<usize>) -> Option<()> {
        for index in 0..6 {
            let width = match (packed, index) {
                (None, _) => usize::MAX,
                (Some(year), 0) => year,
                _ => 2,
            };
            if self.digit().is_none() {
                break;
            }
            let (value, digits) = self.number(width)?;
            if index == 0 {
                self.year_digits = digits;
            }
            self.values[index] = value;
            self.fields = index + 1;
            let next = self.text.get(self.pos);
            if index == 2 && next == Some(&b'T') {
                self.pos += 1;
                continue;
            }
            if index == 5 {
                if next == Some(&b'.') {
                    self.pos += 1;
                    self.fraction();
                }
                break;
            }
            self.delimiters(index == 2)?;
        }
        Some(())
    }

    /// Skips punctuation and, only behind the day, spaces.
    fn delimiters(&mut self, spaces: bool) -> Option<()> {
        while let Some(byte) = self.text.get(self.pos) {
            if byte.is_ascii_whitespace() {
                if !spaces {
                    return None;
                }
            } else if !byte.is_ascii_punctuation() {
                break;
            }
            self.pos += 1;
        }
        Some(())
    }

    /// The fields as microseconds since 1970; `None` for a day or time that does not exist.
    fn micros(&self) -> Option<i64> {
        let date = Date::new(self.year(), self.values[1], self.values[2])?;
        let [_, _, _, hour, minute, second, micro] = self.values;
        if hour > 23 || minute > 59 || second > 59 {
            return None;
        }
        let clock = Clock {
            hour,
            minute,
            second,
            micro,
        };
        let micros = join(date.days(), clock.micros()) + i64::from(self.round_up);
        let micros = micros - offset_us(self)?;
        in_calendar(micros).then_some(micros)
    }

    fn year(&self) -> i32 {
        let year = self.values[0] as i32;
        match self.year_digits {
            2 if year < 70 => year + 2000,
            2 => year + 1900,
            _ => year,
        }
    }
}

/// A text read as a date.
pub(crate) enum Parsed {
    /// Microseconds, and the number of fields that the text had (3: a date alone).
    Value(i64, usize),
    /// The fields of a date, but no such date or time of day.
    Invalid,
    NoDate,
}

pub(crate) fn parse(text: &str) -> Parsed {
    let text = text.trim_start().as_bytes();
    let mut scan = Scan::new(text);
    let digits = text
        .iter()
        .take_while(|b| b.is_ascii_digit() || **b == b'T')
        .count();
    if digits == 0 {
        return Parsed::NoDate;
    }
    let packed = digits == text.len() || text[digits] == b'.';
    let year_width = if digits == 4 || digits == 8 || digits >= 14 {
        4
    } else {
        2
    };
    if scan.fields(packed.then_some(year_width)).is_none() || scan.fields < 3 {
        return Parsed::NoDate;
    }
    match scan.micros() {
        Some(micros) => Parsed::Value(micros, scan.fields),
        None => Parsed::Invalid,
    }
}

/// A time zone offset such as `+05:30` behind the time, in microseconds; 0 without one.
fn offset_us(scan: &Scan<'_>) -> Option<i64> {
    if scan.fields < 6 {
        return Some(0);
    }
    let rest = &scan.text[scan.pos..];
    match rest {
        [sign @ (b'+' | b'-'), h1, h2, b':', m1, m2]
            if [h1, h2, m1, m2].iter().all(|b| b.is_ascii_digit()) =>
        {
            let number = |a: &u8, b: &u8| i64::from(a - b'0') * 10 + i64::from(b - b'0');
            let (hours, minutes) = (number(h1, h2), number(m1, m2));
            let total = hours * 60 + minutes;
            let negative_zero = *sign == b'-' && total == 0;
            if minutes > 59 || total > 14 * 60 || negative_zero {
                return None;
            }
            let total = total * 60_000_000;
            Some(if *sign == b'-' { -total } else { total })
        }
        _ => Some(0),
    }
}
