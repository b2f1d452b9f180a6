//! INTERVAL units and their values: `'1:30' MINUTE_SECOND` as months and microseconds.
//!
//! Source: MySQL manual, "Temporal Intervals". Adding them to dates: `arithmetic`.

use super::calendar::DAY_US;

/// The units of INTERVAL, EXTRACT and TIMESTAMPDIFF.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    Microsecond,
    Second,
    Minute,
    Hour,
    Day,
    Week,
    Month,
    Quarter,
    Year,
    SecondMicrosecond,
    MinuteMicrosecond,
    MinuteSecond,
    HourMicrosecond,
    HourSecond,
    HourMinute,
    DayMicrosecond,
    DaySecond,
    DayMinute,
    DayHour,
    YearMonth,
}

impl Unit {
    /// Upper or lower case, with or without the `SQL_TSI_` of TIMESTAMPADD.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_uppercase();
        Some(match name.strip_prefix("SQL_TSI_").unwrap_or(&name) {
            "MICROSECOND" | "FRAC_SECOND" => Self::Microsecond,
            "SECOND" => Self::Second,
            "MINUTE" => Self::Minute,
            "HOUR" => Self::Hour,
            "DAY" => Self::Day,
            "WEEK" => Self::Week,
            "MONTH" => Self::Month,
            "QUARTER" => Self::Quarter,
            "YEAR" => Self::Year,
            "SECOND_MICROSECOND" => Self::SecondMicrosecond,
            "MINUTE_MICROSECOND" => Self::MinuteMicrosecond,
            "MINUTE_SECOND" => Self::MinuteSecond,
            "HOUR_MICROSECOND" => Self::HourMicrosecond,
            "HOUR_SECOND" => Self::HourSecond,
            "HOUR_MINUTE" => Self::HourMinute,
            "DAY_MICROSECOND" => Self::DayMicrosecond,
            "DAY_SECOND" => Self::DaySecond,
            "DAY_MINUTE" => Self::DayMinute,
            "DAY_HOUR" => Self::DayHour,
            "YEAR_MONTH" => Self::YearMonth,
            _ => return None,
        })
    }

    /// Made of hours and less: EXTRACT reads a TIME.
    pub(crate) fn is_clock(self) -> bool {
        use Unit::*;
        matches!(
            self,
            Microsecond
                | Second
                | Minute
                | Hour
                | SecondMicrosecond
                | MinuteMicrosecond
                | MinuteSecond
                | HourMicrosecond
                | HourSecond
                | HourMinute
        )
    }

    /// Made of days and more: adding it to a DATE gives a DATE.
    pub(crate) fn is_calendar(self) -> bool {
        use Unit::*;
        matches!(self, Day | Week | Month | Quarter | Year | YearMonth)
    }

    /// Months in one unit; 0 for those of fixed length.
    pub(crate) fn months(self) -> i64 {
        match self {
            Self::Month => 1,
            Self::Quarter => 3,
            Self::Year => 12,
            _ => 0,
        }
    }

    /// Microseconds in one unit; `None` for months and for composite units.
    pub(crate) fn micros(self) -> Option<i64> {
        Some(match self {
            Self::Microsecond => 1,
            Self::Second => 1_000_000,
            Self::Minute => 60_000_000,
            Self::Hour => 3_600_000_000,
            Self::Day => DAY_US,
            Self::Week => 7 * DAY_US,
            _ => return None,
        })
    }

    /// The parts of a composite unit, by the microseconds (or months, for YEAR_MONTH) of each.
    fn parts(self) -> &'static [i64] {
        const D: i64 = DAY_US;
        const H: i64 = 3_600_000_000;
        const M: i64 = 60_000_000;
        const S: i64 = 1_000_000;
        match self {
            Self::SecondMicrosecond => &[S, 1],
            Self::MinuteMicrosecond => &[M, S, 1],
            Self::MinuteSecond => &[M, S],
            Self::HourMicrosecond => &[H, M, S, 1],
            Self::HourSecond => &[H, M, S],
            Self::HourMinute => &[H, M],
            Self::DayMicrosecond => &[D, H, M, S, 1],
            Self::DaySecond => &[D, H, M, S],
            Self::DayMinute => &[D, H, M],
            Self::DayHour => &[D, H],
            Self::YearMonth => &[12, 1],
            _ => &[],
        }
    }

    /// Written as several numbers in one text.
    pub(crate) fn is_composite(self) -> bool {
        !self.parts().is_empty()
    }

    /// A composite interval's text as an [`Interval`]; `None` when a number is absurdly large.
    pub(crate) fn composite(self, text: &str) -> Option<Interval> {
        let parts = self.parts();
        let fraction = parts.last() == Some(&1) && self != Self::YearMonth;
        let (negative, numbers) = numbers(text, parts.len(), fraction)?;
        // With fewer numbers than parts, the leading parts are missing.
        let skipped = parts.len() - numbers.len();
        let mut total = 0_i64;
        for (part, number) in parts[skipped..].iter().zip(numbers) {
            total = total.checked_add(part.checked_mul(number)?)?;
        }
        let total = if negative { -total } else { total };
        Some(if self == Self::YearMonth {
            Interval {
                months: total,
                micros: 0,
            }
        } else {
            Interval {
                months: 0,
                micros: total,
            }
        })
    }
}

/// An interval: exactly one of the two is not 0.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interval {
    pub(crate) months: i64,
    pub(crate) micros: i64,
}

/// Up to `count` numbers with anything between them; `None` when there are more. `fraction`: the last of `count` is a fraction of
/// a second and is scaled to microseconds by its digits.
fn numbers(text: &str, count: usize, fraction: bool) -> Option<(bool, Vec<i64>)> {
    let text = text.trim_start();
    let (negative, text) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let mut numbers = Vec::with_capacity(count);
    let bytes = text.as_bytes();
    let mut pos = bytes.iter().take_while(|b| !b.is_ascii_digit()).count();
    let mut last_digits = 0;
    while numbers.len() < count && pos < bytes.len() {
        let digits = bytes[pos..]
            .iter()
            .take_while(|b| b.is_ascii_digit())
            .count();
        let mut value = 0_i64;
        for byte in &bytes[pos..pos + digits] {
            value = value.checked_mul(10)?.checked_add(i64::from(byte - b'0'))?;
        }
        numbers.push(value);
        last_digits = digits;
        pos += digits;
        pos += bytes[pos..]
            .iter()
            .take_while(|b| !b.is_ascii_digit())
            .count();
    }
    // More numbers than the unit has parts: no interval.
    if pos < bytes.len() {
        return None;
    }
    if fraction && let Some(last) = numbers.last_mut() {
        for _ in last_digits..6 {
            *last *= 10;
        }
    }
    Some((negative, numbers))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn composite_texts_fill_their_parts_from_the_right() {
        let micros = |unit: Unit, text: &str| unit.composite(text).map(|i| i.micros);
        assert_eq!(micros(Unit::MinuteSecond, "1:30"), Some(90_000_000));
        assert_eq!(micros(Unit::MinuteSecond, "30"), Some(30_000_000));
        assert_eq!(micros(Unit::DaySecond, "-1 2:3:4"), Some(-93_784_000_000));
        assert_eq!(micros(Unit::SecondMicrosecond, "1.5"), Some(1_500_000));
        assert_eq!(micros(Unit::DayHour, "1 x 2"), Some(93_600_000_000));
        assert_eq!(Unit::YearMonth.composite("1-2").map(|i| i.months), Some(14));
    }
}
