//! Stored values as MySQL prints them, and the calendar arithmetic for it.
//!
//! For messages, defaults and numbers that become text; result sets are encoded elsewhere.

use arrow::array::{Array, ArrowPrimitiveType, AsArray};
use arrow::datatypes::{self as dt, DataType};
use chrono::{Datelike, NaiveDate};

use super::{MysqlType, TimeZone};

pub const MICROS_PER_SECOND: i64 = 1_000_000;
pub const MICROS_PER_DAY: i64 = 86_400 * MICROS_PER_SECOND;

/// Days from year 1 to 1970, in chrono's count.
const EPOCH_DAYS_FROM_CE: i32 = 719_163;

/// Days since 1970-01-01; `None` when there is no such day. Year 0 is the year before 1.
pub fn days_from_civil(year: i32, month: u32, day: u32) -> Option<i32> {
    let date = NaiveDate::from_ymd_opt(year, month, day)?;
    Some(date.num_days_from_ce() - EPOCH_DAYS_FROM_CE)
}

/// Year, month and day.
pub fn civil_from_days(days: i32) -> (i32, u32, u32) {
    let date = days
        .checked_add(EPOCH_DAYS_FROM_CE)
        .and_then(NaiveDate::from_num_days_from_ce_opt);
    date.map_or((0, 1, 1), |date| (date.year(), date.month(), date.day()))
}

pub(crate) fn digit(byte: u8) -> Option<u32> {
    byte.is_ascii_digit().then(|| u32::from(byte - b'0'))
}

/// The value in `row` of a column's array (of exactly the type's Arrow type); `None` for NULL.
/// Bytes that are no UTF-8 appear as `\xFF`. `zone` is for TIMESTAMP.
pub fn value_text(
    mysql_type: &MysqlType,
    array: &dyn Array,
    row: usize,
    zone: TimeZone,
) -> Option<String> {
    if array.is_null(row) {
        return None;
    }
    Some(match mysql_type {
        MysqlType::Date => date_text(primitive::<dt::Date32Type>(array, row)),
        MysqlType::DateTime { fsp } => {
            datetime_text(primitive::<dt::TimestampMicrosecondType>(array, row), *fsp)
        }
        MysqlType::Timestamp { fsp } => {
            let utc = primitive::<dt::TimestampMicrosecondType>(array, row);
            datetime_text(zone.from_utc(utc), *fsp)
        }
        MysqlType::Time { fsp } => {
            time_text(primitive::<dt::DurationMicrosecondType>(array, row), *fsp)
        }
        MysqlType::Year => format!("{:04}", primitive::<dt::UInt16Type>(array, row)),
        MysqlType::Decimal { scale, .. } => {
            decimal_text(primitive::<dt::Decimal128Type>(array, row), *scale)
        }
        MysqlType::Float {
            digits: Some((_, d)),
            ..
        } => {
            format!(
                "{:.*}",
                usize::from(*d),
                primitive::<dt::Float32Type>(array, row)
            )
        }
        MysqlType::Double {
            digits: Some((_, d)),
            ..
        } => {
            format!(
                "{:.*}",
                usize::from(*d),
                primitive::<dt::Float64Type>(array, row)
            )
        }
        _ => plain_text(array, row),
    })
}

/// As `value_text`, but such that the same value is read back: FLOAT with all its digits, and
/// nothing for bytes that are no UTF-8.
pub(crate) fn exact_text(
    mysql_type: &MysqlType,
    array: &dyn Array,
    row: usize,
    zone: TimeZone,
) -> Option<String> {
    match array.data_type() {
        DataType::Float32 if array.is_valid(row) => {
            let value = primitive::<dt::Float32Type>(array, row);
            Some(layout(&format!("{value:e}"), true))
        }
        DataType::BinaryView if array.is_valid(row) => {
            let bytes = array.as_binary_view().value(row);
            std::str::from_utf8(bytes).ok().map(str::to_owned)
        }
        _ => value_text(mysql_type, array, row, zone),
    }
}

/// Types that print the same whatever they were declared.
fn plain_text(array: &dyn Array, row: usize) -> String {
    match array.data_type() {
        DataType::Int8 => primitive::<dt::Int8Type>(array, row).to_string(),
        DataType::Int16 => primitive::<dt::Int16Type>(array, row).to_string(),
        DataType::Int32 => primitive::<dt::Int32Type>(array, row).to_string(),
        DataType::Int64 => primitive::<dt::Int64Type>(array, row).to_string(),
        DataType::UInt8 => primitive::<dt::UInt8Type>(array, row).to_string(),
        DataType::UInt16 => primitive::<dt::UInt16Type>(array, row).to_string(),
        DataType::UInt32 => primitive::<dt::UInt32Type>(array, row).to_string(),
        DataType::UInt64 => primitive::<dt::UInt64Type>(array, row).to_string(),
        DataType::Float32 => float_text(primitive::<dt::Float32Type>(array, row)),
        DataType::Float64 => double_text(primitive::<dt::Float64Type>(array, row)),
        DataType::Utf8View => array.as_string_view().value(row).to_owned(),
        DataType::BinaryView => escaped(array.as_binary_view().value(row)),
        other => unreachable!("no column is held as {other}"),
    }
}

fn primitive<T: ArrowPrimitiveType>(array: &dyn Array, row: usize) -> T::Native {
    array.as_primitive::<T>().value(row)
}

/// Bytes as text, with `\xFF` for what is no UTF-8.
pub(crate) fn escaped(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        for byte in chunk.invalid() {
            text.push_str(&format!("\\x{byte:02X}"));
        }
    }
    text
}

pub(crate) fn date_text(days: i32) -> String {
    let (year, month, day) = civil_from_days(days);
    format!("{year:04}-{month:02}-{day:02}")
}

pub(crate) fn datetime_text(micros: i64, fsp: u8) -> String {
    let days = i32::try_from(micros.div_euclid(MICROS_PER_DAY)).unwrap_or(0);
    let time = time_text(micros.rem_euclid(MICROS_PER_DAY), fsp);
    format!("{} {time}", date_text(days))
}

pub(crate) fn time_text(micros: i64, fsp: u8) -> String {
    let sign = if micros < 0 { "-" } else { "" };
    let micros = micros.unsigned_abs();
    let seconds = micros / MICROS_PER_SECOND.unsigned_abs();
    let (hour, minute, second) = (seconds / 3600, seconds / 60 % 60, seconds % 60);
    let mut text = format!("{sign}{hour:02}:{minute:02}:{second:02}");
    if fsp > 0 {
        let fraction = format!("{:06}", micros % MICROS_PER_SECOND.unsigned_abs());
        text.push('.');
        text.push_str(fraction.get(..usize::from(fsp)).unwrap_or(&fraction));
    }
    text
}

pub(crate) fn decimal_text(unscaled: i128, scale: u8) -> String {
    let digits = unscaled.unsigned_abs().to_string();
    let scale = usize::from(scale);
    let sign = if unscaled < 0 { "-" } else { "" };
    if scale == 0 {
        return format!("{sign}{digits}");
    }
    let digits = format!("{digits:0>width$}", width = scale + 1);
    let (whole, fraction) = digits.split_at(digits.len() - scale);
    format!("{sign}{whole}.{fraction}")
}

/// Powers of ten that MySQL writes without an exponent.
const POSITIONAL: std::ops::Range<i32> = -15..15;

/// A DOUBLE: the shortest digits that read back as the same number.
pub fn double_text(value: f64) -> String {
    layout(&format!("{value:e}"), true)
}

/// A FLOAT: six significant digits, as MySQL shows it.
pub(crate) fn float_text(value: f32) -> String {
    layout(&format!("{value:.5e}"), true)
}

/// A DOUBLE in at most `width` characters, with fewer digits when need be; `None` when no way fits.
pub(crate) fn double_text_within(value: f64, width: usize) -> Option<String> {
    let full = double_text(value);
    if full.len() <= width {
        return Some(full);
    }
    (0..17).rev().find_map(|digits| {
        let scientific = format!("{value:.digits$e}");
        let candidates = [layout(&scientific, true), layout(&scientific, false)];
        candidates.into_iter().find(|text| text.len() <= width)
    })
}

/// Lays out Rust's `d.ddde±x` as MySQL does: positional if that is allowed and not too long, else
/// `d.ddde±x` without trailing zeros.
fn layout(scientific: &str, positional: bool) -> String {
    let Some((mantissa, exponent)) = scientific.split_once('e') else {
        return scientific.to_owned(); // inf, NaN: never stored
    };
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => ("-", rest),
        None => ("", mantissa),
    };
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    let digits = digits.trim_end_matches('0');
    if digits.is_empty() {
        return format!("{sign}0");
    }
    if !positional || !POSITIONAL.contains(&exponent) {
        let (first, rest) = digits.split_at(1);
        let point = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{point}{rest}e{exponent}");
    }
    let point = exponent + 1;
    if point <= 0 {
        let zeros = "0".repeat(point.unsigned_abs() as usize);
        return format!("{sign}0.{zeros}{digits}");
    }
    let point = point as usize;
    if digits.len() <= point {
        return format!("{sign}{digits}{}", "0".repeat(point - digits.len()));
    }
    let (whole, fraction) = digits.split_at(point);
    format!("{sign}{whole}.{fraction}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_print_as_mysql_prints_them() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "-0"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1.5e-20, "1.5e-20"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (1.5e20, "1.5e20"),
            (1_234_567_890_123_456.0, "1.234567890123456e15"),
            (0.1 + 0.2, "0.30000000000000004"),
            (f64::MAX, "1.7976931348623157e308"),
            (-1234.5, "-1234.5"),
        ] {
            assert_eq!(double_text(value), text);
        }
        assert_eq!(float_text(16_777_217.0), "16777200");
        assert_eq!(float_text(1.1), "1.1");
        assert_eq!(float_text(3.4e38), "3.4e38");
    }

    #[test]
    fn doubles_lose_digits_to_fit() {
        assert_eq!(double_text_within(0.333_333, 5).as_deref(), Some("0.333"));
        assert_eq!(double_text_within(123_456.0, 5).as_deref(), Some("1.2e5"));
        assert_eq!(double_text_within(1e100, 5).as_deref(), Some("1e100"));
        assert_eq!(double_text_within(-1e100, 5), None);
    }

    #[test]
    fn temporal_values_print_with_their_fraction() {
        assert_eq!(datetime_text(-1, 6), "1969-12-31 23:59:59.999999");
        assert_eq!(datetime_text(0, 0), "1970-01-01 00:00:00");
        assert_eq!(time_text(-3_020_399_000_000, 0), "-838:59:59");
        assert_eq!(time_text(1_500_000, 3), "00:00:01.500");
        assert_eq!(date_text(days_from_civil(0, 1, 1).unwrap()), "0000-01-01");
        assert_eq!(
            date_text(days_from_civil(9999, 12, 31).unwrap()),
            "9999-12-31"
        );
    }

    #[test]
    fn decimals_keep_their_scale() {
        assert_eq!(decimal_text(-5, 2), "-0.05");
        assert_eq!(decimal_text(1234, 2), "12.34");
        assert_eq!(decimal_text(0, 3), "0.000");
        assert_eq!(decimal_text(i128::MAX, 0), i128::MAX.to_string());
    }
}
