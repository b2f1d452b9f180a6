//! A bound parameter of the protocol as a value of `sql`.
//!
//! The protocol hands over what the client sent, checked by nobody. What is no date, time, decimal
//! or UTF-8 goes on as the text or bytes it would be in a statement, so that `sql` treats both
//! alike.

use chrono::{NaiveDate, NaiveTime, Timelike};
use storno_sql::Scalar;
use storno_wire::Param;

/// Hours of MySQL's largest TIME and one more.
const TIME_HOURS: i64 = 839;

pub(super) fn scalar(param: Param) -> Scalar {
    match param {
        Param::Null => Scalar::Null,
        Param::Int(value) => Scalar::Int(value.into()),
        Param::UInt(value) => Scalar::Int(value.into()),
        Param::Float(value) => Scalar::Double(value.into()),
        Param::Double(value) => Scalar::Double(value),
        Param::Decimal(text) => decimal(text),
        Param::Text(bytes) => text(bytes),
        Param::Bytes(bytes) => Scalar::Bytes(bytes),
        Param::Date { year, month, day } => date(year, month, day),
        Param::DateTime {
            year,
            month,
            day,
            hour,
            minute,
            second,
            micros,
        } => date_time((year, month, day), [hour, minute, second], micros),
        Param::Time {
            negative,
            days,
            hours,
            minutes,
            seconds,
            micros,
        } => time(negative, days, [hours, minutes, seconds], micros),
    }
}

fn text(bytes: Vec<u8>) -> Scalar {
    match String::from_utf8(bytes) {
        Ok(text) => Scalar::Text(text),
        Err(not_text) => Scalar::Bytes(not_text.into_bytes()),
    }
}

fn decimal(bytes: Vec<u8>) -> Scalar {
    let digits = |part: &[u8]| !part.is_empty() && part.iter().all(u8::is_ascii_digit);
    let unsigned = bytes.strip_prefix(b"-").unwrap_or(&bytes);
    let plain = match unsigned.iter().position(|byte| *byte == b'.') {
        Some(point) => digits(&unsigned[..point]) && digits(&unsigned[point + 1..]),
        None => digits(unsigned),
    };
    match text(bytes) {
        Scalar::Text(text) if plain => Scalar::Decimal(text),
        other => other,
    }
}

fn date(year: u16, month: u8, day: u8) -> Scalar {
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    match date.filter(|_| (1..=9999).contains(&year)) {
        Some(date) => Scalar::Date(date.to_epoch_days()),
        None => Scalar::Text(format!("{year:04}-{month:02}-{day:02}")),
    }
}

fn date_time(
    (year, month, day): (u16, u8, u8),
    [hour, minute, second]: [u8; 3],
    micros: u32,
) -> Scalar {
    let date = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into());
    let time = NaiveTime::from_hms_micro_opt(hour.into(), minute.into(), second.into(), micros);
    // chrono's leap second is a microsecond above 999,999.
    let time = time.filter(|_| micros < 1_000_000);
    match (date.filter(|_| (1..=9999).contains(&year)), time) {
        (Some(date), Some(time)) => {
            let seconds = i64::from(date.to_epoch_days()) * 86_400
                + i64::from(time.num_seconds_from_midnight());
            Scalar::DateTime {
                micros: seconds * 1_000_000 + i64::from(micros),
                fsp: fsp(micros),
            }
        }
        _ => Scalar::Text(format!(
            "{year:04}-{month:02}-{day:02} {hour:02}:{minute:02}:{second:02}{}",
            fraction(micros)
        )),
    }
}

fn time(negative: bool, days: u32, [hours, minutes, seconds]: [u8; 3], micros: u32) -> Scalar {
    let all_hours = i64::from(days) * 24 + i64::from(hours);
    if all_hours >= TIME_HOURS || minutes > 59 || seconds > 59 || micros > 999_999 {
        let sign = if negative { "-" } else { "" };
        let text = format!(
            "{sign}{all_hours:02}:{minutes:02}:{seconds:02}{}",
            fraction(micros)
        );
        return Scalar::Text(text);
    }
    let seconds = all_hours * 3600 + i64::from(minutes) * 60 + i64::from(seconds);
    let size = seconds * 1_000_000 + i64::from(micros);
    Scalar::Time {
        micros: if negative { -size } else { size },
        fsp: fsp(micros),
    }
}

/// Digits shown of a fraction: all or none, as the client sent one or not.
fn fsp(micros: u32) -> u8 {
    if micros == 0 { 0 } else { 6 }
}

fn fraction(micros: u32) -> String {
    if micros == 0 {
        String::new()
    } else {
        format!(".{micros:06}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(year: u16, month: u8, day: u8, hour: u8, micros: u32) -> Param {
        Param::DateTime {
            year,
            month,
            day,
            hour,
            minute: 2,
            second: 3,
            micros,
        }
    }

    #[test]
    fn dates_and_times_count_from_the_epoch() {
        assert_eq!(
            scalar(Param::Date {
                year: 1970,
                month: 1,
                day: 2
            }),
            Scalar::Date(1)
        );
        assert_eq!(
            scalar(Param::Date {
                year: 1969,
                month: 12,
                day: 31
            }),
            Scalar::Date(-1)
        );
        let micros = ((86_400 + 3_600 + 123) * 1_000_000) + 5;
        assert_eq!(
            scalar(at(1970, 1, 2, 1, 5)),
            Scalar::DateTime { micros, fsp: 6 }
        );
        assert_eq!(
            scalar(at(1969, 12, 31, 23, 0)),
            Scalar::DateTime {
                micros: (-3_600 + 123) * 1_000_000,
                fsp: 0
            }
        );
        let time = Param::Time {
            negative: true,
            days: 1,
            hours: 1,
            minutes: 0,
            seconds: 1,
            micros: 0,
        };
        assert_eq!(
            scalar(time),
            Scalar::Time {
                micros: -90_001_000_000,
                fsp: 0
            }
        );
    }

    #[test]
    fn what_is_no_date_goes_on_as_its_text() {
        let zero = scalar(Param::Date {
            year: 0,
            month: 0,
            day: 0,
        });
        assert_eq!(zero, Scalar::Text("0000-00-00".into()));
        assert_eq!(
            scalar(at(2026, 2, 30, 1, 0)),
            Scalar::Text("2026-02-30 01:02:03".into())
        );
        assert_eq!(
            scalar(at(2026, 2, 3, 25, 7)),
            Scalar::Text("2026-02-03 25:02:03.000007".into())
        );
        let nonsense = scalar(at(2026, 2, 3, 1, 1_500_000));
        assert_eq!(nonsense, Scalar::Text("2026-02-03 01:02:03.1500000".into()));
        let time = Param::Time {
            negative: true,
            days: 40,
            hours: 0,
            minutes: 1,
            seconds: 2,
            micros: 0,
        };
        assert_eq!(scalar(time), Scalar::Text("-960:01:02".into()));
    }

    #[test]
    fn numbers_keep_their_value_and_text_its_bytes() {
        assert_eq!(scalar(Param::UInt(u64::MAX)), Scalar::Int(u64::MAX.into()));
        assert_eq!(scalar(Param::Int(-1)), Scalar::Int(-1));
        assert_eq!(
            scalar(Param::Decimal(b"-12.50".to_vec())),
            Scalar::Decimal("-12.50".into())
        );
        for odd in ["", "-", "1.", ".5", "1e3", "1.2.3", "+1"] {
            assert_eq!(
                scalar(Param::Decimal(odd.into())),
                Scalar::Text(odd.into()),
                "{odd}"
            );
        }
        assert_eq!(scalar(Param::Text("ü".into())), Scalar::Text("ü".into()));
        assert_eq!(scalar(Param::Text(vec![0xff])), Scalar::Bytes(vec![0xff]));
        assert_eq!(
            scalar(Param::Bytes(b"a".to_vec())),
            Scalar::Bytes(b"a".to_vec())
        );
    }
}
