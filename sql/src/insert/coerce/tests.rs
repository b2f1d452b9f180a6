//! The coercion matrix: what a literal becomes in a column, in strict and in lenient mode.
//!
//! Every line was run against MariaDB 10.11 (TIME_ROUND_FRACTIONAL, which is how MySQL rounds).
//! Where it differs from MySQL 8, MySQL's answer stands here:
//! - MariaDB notes trailing spaces and a seventh fractional digit (Note 1265); MySQL does not;
//! - X'41' is a number where a number is wanted, as 0x41; in MariaDB it is a string;
//! - 'abc' for DOUBLE is 1265, for DECIMAL trailing characters are 1366; MariaDB has 1366 and 1265;
//! - '+' before a date or time, and hours behind `YYYYMMDD `, are not read; MariaDB reads some;
//! - several delimiters in a row, and an offset behind a DATETIME, are read; MariaDB refuses them;
//! - JSON is stored in MySQL's form; in MariaDB it is plain text.
//!
//! Storno alone: lenient modes store NULL for a date that does not exist, where both have
//! 0000-00-00.

use crate::insert::testing::{LENIENT, STRICT, insert_as, rows, table};
use crate::insert::{RowWriter, Scalar, Settings};
use crate::types::TableDefinition;

/// Value and warning codes, or the error's code.
fn store(table: &TableDefinition, literal: &str, settings: Settings) -> String {
    let sql = format!("INSERT INTO t VALUES ({literal})");
    match insert_as(table, &sql, settings, &[]) {
        Err(error) => format!("error {}", error.code),
        Ok(batch) => {
            let value = rows(table, &batch).remove(0).remove(0);
            let codes: Vec<String> = batch.warnings.iter().map(|w| w.code.to_string()).collect();
            if codes.is_empty() {
                value
            } else {
                format!("{value} ({})", codes.join(" "))
            }
        }
    }
}

/// `lenient`: `None` when it is the same in both modes.
fn check(column: &str, cases: &[(&str, &str, Option<&str>)]) {
    let table = table(&format!("CREATE TABLE t (x {column})"));
    for (literal, strict, lenient) in cases {
        assert_eq!(
            store(&table, literal, STRICT),
            *strict,
            "{literal} for {column}"
        );
        let lenient = lenient.unwrap_or(strict);
        assert_eq!(
            store(&table, literal, LENIENT),
            lenient,
            "{literal} for {column}, lenient"
        );
    }
}

#[test]
fn integers_from_everything() {
    check(
        "INT",
        &[
            ("'12'", "12", None),
            ("' 12 '", "12", None),
            ("'+5'", "5", None),
            ("'12abc'", "error 1265", Some("12 (1265)")),
            ("'abc'", "error 1366", Some("0 (1366)")),
            ("''", "error 1366", Some("0 (1366)")),
            ("'-'", "error 1366", Some("0 (1366)")),
            ("'1.5'", "2", None),
            ("'.5'", "1", None),
            ("'1e2'", "100", None),
            ("'1e'", "error 1265", Some("1 (1265)")),
            ("'0x41'", "error 1265", Some("0 (1265)")),
            ("2.5", "3", None),
            ("-2.5", "-3", None),
            ("2.5e0", "2", None),
            ("1.5e0", "2", None),
            ("0x41", "65", None),
            ("X'41'", "65", None),
            ("b'101'", "5", None),
            ("TRUE", "1", None),
            ("99999999999", "error 1264", Some("2147483647 (1264)")),
            ("-1e30", "error 1264", Some("-2147483648 (1264)")),
            (
                "99999999999999999999999999999999999999999999",
                "error 1264",
                Some("2147483647 (1264)"),
            ),
            ("DATE '2024-01-02'", "20240102", None),
            ("TIME '10:11:12'", "101112", None),
            ("NULL", "NULL", None),
        ],
    );
    check(
        "TINYINT",
        &[
            ("'300abc'", "error 1264", Some("127 (1264)")),
            ("-129", "error 1264", Some("-128 (1264)")),
        ],
    );
    check(
        "INT UNSIGNED",
        &[
            ("-1", "error 1264", Some("0 (1264)")),
            ("-0.4", "error 1264", Some("0 (1264)")),
            ("'-0.4'", "0", None),
            ("-0.4e0", "0", None),
            ("4294967295", "4294967295", None),
        ],
    );
    check(
        "BIGINT",
        &[
            ("'9223372036854775807.4'", "9223372036854775807", None),
            (
                "'9223372036854775807.5'",
                "error 1264",
                Some("9223372036854775807 (1264)"),
            ),
            ("-9223372036854775808", "-9223372036854775808", None),
        ],
    );
    check(
        "BIGINT UNSIGNED",
        &[
            ("18446744073709551615", "18446744073709551615", None),
            (
                "18446744073709551616",
                "error 1264",
                Some("18446744073709551615 (1264)"),
            ),
            ("0xFFFFFFFFFFFFFFFF", "18446744073709551615", None),
            (
                "0x1FFFFFFFFFFFFFFFF",
                "error 1264",
                Some("18446744073709551615 (1264)"),
            ),
        ],
    );
}

#[test]
fn decimals_round_half_away_from_zero_with_a_note() {
    check(
        "DECIMAL(10,2)",
        &[
            ("1.5", "1.50", None),
            ("1.239", "1.24 (1265)", None),
            ("'1.235'", "1.24 (1265)", None),
            ("-1.235", "-1.24 (1265)", None),
            ("'1.005e0'", "1.01 (1265)", None),
            ("'1e3'", "1000.00", None),
            ("'1e-400'", "0.00 (1265)", None),
            ("'5.'", "5.00", None),
            ("'abc'", "error 1366", Some("0.00 (1366)")),
            ("''", "error 1366", Some("0.00 (1366)")),
            ("'.'", "error 1366", Some("0.00 (1366)")),
            ("'12abc'", "error 1366", Some("12.00 (1265)")),
            ("123456789", "error 1264", Some("99999999.99 (1264)")),
            ("99999999.999", "error 1264", Some("99999999.99 (1264)")),
            ("-1e30", "error 1264", Some("-99999999.99 (1264)")),
            ("0x41", "65.00", None),
        ],
    );
    check(
        "DECIMAL(10,2) UNSIGNED",
        &[
            ("-0.001", "error 1264", Some("0.00 (1264)")),
            ("'-0'", "0.00", None),
        ],
    );
    check(
        "DECIMAL(38,0)",
        &[
            (
                "99999999999999999999999999999999999999",
                "99999999999999999999999999999999999999",
                None,
            ),
            (
                "100000000000000000000000000000000000000",
                "error 1264",
                Some("99999999999999999999999999999999999999 (1264)"),
            ),
        ],
    );
}

#[test]
fn floating_point_numbers_are_bounded() {
    check(
        "DOUBLE",
        &[
            ("1e308", "1e308", None),
            (
                "'1e400'",
                "error 1264",
                Some("1.7976931348623157e308 (1264)"),
            ),
            ("'1e-400'", "0", None),
            ("'.5e1'", "5", None),
            ("' 5 '", "5", None),
            ("'abc'", "error 1265", Some("0 (1265)")),
            ("'12abc'", "error 1265", Some("12 (1265)")),
            ("'inf'", "error 1265", Some("0 (1265)")),
        ],
    );
    check(
        "DOUBLE UNSIGNED",
        &[
            ("-1", "error 1264", Some("0 (1264)")),
            ("'-0.0'", "0", None),
        ],
    );
    check(
        "FLOAT",
        &[
            ("16777217", "16777200", None),
            ("1e39", "error 1264", Some("3.40282e38 (1264)")),
        ],
    );
    check(
        "FLOAT(7,2)",
        &[
            ("1.239", "1.24", None),
            ("123456.789", "error 1264", Some("99999.99 (1264)")),
        ],
    );
}

#[test]
fn text_is_measured_in_characters() {
    check(
        "VARCHAR(3)",
        &[
            ("'é€😀'", "é€😀", None),
            ("'abcd'", "error 1406", Some("abc (1265)")),
            ("'abc  '", "abc (1265)", None),
            ("'ab '", "ab ", None),
            ("1.50", "error 1406", Some("1.5 (1265)")),
            ("0.333333e0", "0.3", None),
            ("0x4142", "AB", None),
            ("0xFF41", "error 1366", Some("?A (1366)")),
        ],
    );
    check(
        "VARCHAR(30)",
        &[
            (".5", "0.5", None),
            ("007", "7", None),
            ("-0.0", "0.0", None),
            ("1e15", "1e15", None),
            ("1e14", "100000000000000", None),
            ("TRUE", "1", None),
            (
                "TIMESTAMP '2024-01-02 03:04:05.6'",
                "2024-01-02 03:04:05.6",
                None,
            ),
            ("_latin1'é'", "Ã©", None),
            (r"'a\0b\n\'\\'", "a\0b\n'\\", None),
        ],
    );
    check(
        "CHAR(3)",
        &[
            ("'a  '", "a", None),
            ("'abc   '", "abc", None),
            ("'abcd'", "error 1406", Some("abc (1265)")),
        ],
    );
}

#[test]
fn text_types_are_measured_in_bytes() {
    let table = table("CREATE TABLE t (x TINYTEXT)");
    let store = |text: String, settings| store(&table, &format!("'{text}'"), settings);
    let long = "a".repeat(255);
    assert_eq!(store(format!("{long}  "), STRICT), format!("{long} (1265)"));
    assert_eq!(store(format!("{long}b"), STRICT), "error 1406");
    assert_eq!(store(format!("{long}b"), LENIENT), format!("{long} (1265)"));
    // 127 characters of two bytes, and half of one.
    assert_eq!(
        store("é".repeat(128), LENIENT),
        format!("{} (1265)", "é".repeat(127))
    );
}

#[test]
fn binary_strings_are_padded_never_trimmed() {
    check(
        "BINARY(4)",
        &[
            ("'ab'", "ab\0\0", None),
            ("'abcde'", "error 1406", Some("abcd (1265)")),
            ("'abcd '", "error 1406", Some("abcd (1265)")),
            ("0xFF", "\\xFF\0\0\0", None),
        ],
    );
    check(
        "VARBINARY(4)",
        &[
            ("5", "5", None),
            ("'ab '", "ab ", None),
            ("X'00FF'", "\0\\xFF", None),
        ],
    );
}

#[test]
fn members_are_chosen_by_name_or_number() {
    check(
        "ENUM('a','b')",
        &[
            ("'b'", "b", None),
            ("'b '", "b", None),
            ("2", "b", None),
            ("'2'", "b", None),
            ("1.6", "a", None),
            ("'B'", "error 1265", Some(" (1265)")),
            ("''", "error 1265", Some(" (1265)")),
            ("3", "error 1265", Some(" (1265)")),
            ("0", "error 1265", Some(" (1265)")),
            ("'1.0'", "error 1265", Some(" (1265)")),
        ],
    );
    check(
        "ENUM('1','2') COLLATE utf8mb4_general_ci",
        &[("'2'", "2", None)],
    );
    check(
        "ENUM('a','B') COLLATE utf8mb4_general_ci",
        &[("'b'", "B", None)],
    );
    check(
        "SET('a','b','c')",
        &[
            ("'c,a'", "a,c", None),
            ("'a,a'", "a", None),
            ("''", "", None),
            ("5", "a,c", None),
            ("'5'", "a,c", None),
            ("'c,d'", "error 1265", Some("c (1265)")),
            ("'a,,b'", "error 1265", Some("a,b (1265)")),
            ("8", "error 1265", Some(" (1265)")),
        ],
    );
}

#[test]
fn json_is_checked_and_stored_in_one_form() {
    check(
        "JSON",
        &[
            (
                r#"'{"bb":1, "a":[1,2.50,null,true,"x"],"a":2}'"#,
                r#"{"a": 2, "bb": 1}"#,
                None,
            ),
            (
                "'[1.0, 1e20, 18446744073709551615]'",
                "[1.0, 1e20, 18446744073709551615]",
                None,
            ),
            ("5", "5", None),
            ("'abc'", "error 3140", None),
            ("''", "error 3140", None),
            ("'{\"a\":1'", "error 3140", None),
            ("X'5B5D'", "error 3144", None),
            ("_binary'[]'", "error 3144", None),
        ],
    );
    let table = table("CREATE TABLE t (x JSON)");
    let error = insert_as(&table, "INSERT INTO t VALUES ('[1,]')", STRICT, &[]).unwrap_err();
    let message = "Invalid JSON text: \"Invalid value.\" at position 3 in value for column 't.x'.";
    assert_eq!(error.message, message);
    let deep = format!(
        "INSERT INTO t VALUES ('{}{}')",
        "[".repeat(101),
        "]".repeat(101)
    );
    assert_eq!(
        insert_as(&table, &deep, STRICT, &[]).unwrap_err().code,
        3157
    );
}

#[test]
fn dates_take_the_date_of_anything() {
    check(
        "DATE",
        &[
            ("'2024-2-9'", "2024-02-09", None),
            ("20240229", "2024-02-29", None),
            ("'2024-02-29 10:11:12'", "2024-02-29 (1265)", None),
            ("'2024-02-29 00:00:00'", "2024-02-29", None),
            ("20240229101112", "2024-02-29 (1265)", None),
            ("TIME '10:11:12'", "2026-11-22 (1265)", None),
            ("'0000-01-01'", "0000-01-01", None),
            ("'2024-02-29x'", "error 1292", Some("2024-02-29 (1265)")),
            ("'2024-02-30'", "error 1292", Some("NULL (1264)")),
            ("'2024-00-10'", "error 1292", Some("NULL (1264)")),
            ("'0000-00-00'", "error 1292", Some("NULL (1264)")),
            ("0", "error 1292", Some("NULL (1264)")),
            ("'abc'", "error 1292", Some("NULL (1265)")),
            ("''", "error 1292", Some("NULL (1265)")),
        ],
    );
    check(
        "DATE NOT NULL",
        &[
            ("'2024-02-30'", "error 1292", None),
            ("''", "error 1292", None),
        ],
    );
}

#[test]
fn days_that_only_files_have_are_no_dates() {
    let table = table("CREATE TABLE t (x DATE, y DATETIME)");
    let stored = |days: i32, hour: i64| {
        let mut writer = RowWriter::new(&table, None, STRICT).expect("a table");
        let micros = (i64::from(days) * 24 + hour).saturating_mul(3_600_000_000);
        let moment = Scalar::DateTime { micros, fsp: 0 };
        let of_date = writer.append_row(&[Scalar::Date(days), Scalar::Null]);
        let of_moment = writer.append_row(&[Scalar::Null, moment]);
        [of_date, of_moment].map(|stored| stored.map_err(|e| e.code))
    };
    assert_eq!(stored(-719_528, 0), [Ok(()), Ok(())]);
    assert_eq!(stored(2_932_896, 23), [Ok(()), Ok(())]);
    for days in [-719_529, 2_932_897, i32::MIN, i32::MAX] {
        assert_eq!(stored(days, 0), [Err(1292), Err(1292)], "{days}");
    }
}

#[test]
fn fractions_are_rounded_to_the_columns_digits() {
    check(
        "DATETIME",
        &[
            ("'2024-02-29 13:14:15.6'", "2024-02-29 13:14:16", None),
            ("'2024-02-29 23:59:59.5'", "2024-03-01 00:00:00", None),
            ("20240229131415.6", "2024-02-29 13:14:16", None),
            ("20240229.7", "2024-02-29 00:00:00", None),
            ("'9999-12-31 23:59:59.4'", "9999-12-31 23:59:59", None),
            ("'9999-12-31 23:59:59.9'", "error 1292", Some("NULL (1264)")),
            ("'2024-02-29 10:00:00+02:00'", "2024-02-29 08:00:00", None),
        ],
    );
    check(
        "DATETIME(3)",
        &[(
            "'2024-02-29 13:14:15.1235'",
            "2024-02-29 13:14:15.124",
            None,
        )],
    );
    check(
        "DATETIME(6)",
        &[
            (
                "'2024-02-29 13:14:15.1234564'",
                "2024-02-29 13:14:15.123456",
                None,
            ),
            (
                "'2024-02-29 13:14:15.9999995'",
                "2024-02-29 13:14:16.000000",
                None,
            ),
        ],
    );
}

#[test]
fn timestamps_stay_within_their_range_in_utc() {
    check(
        "TIMESTAMP NULL",
        &[
            ("'1970-01-01 00:00:01'", "1970-01-01 00:00:01", None),
            ("'1970-01-01 00:00:00'", "error 1292", Some("NULL (1264)")),
            ("'2038-01-19 03:14:07'", "2038-01-19 03:14:07", None),
            ("'2038-01-19 03:14:07.6'", "error 1292", Some("NULL (1264)")),
            ("'2038-01-19 03:14:08'", "error 1292", Some("NULL (1264)")),
            ("0", "error 1292", Some("NULL (1264)")),
        ],
    );
}

#[test]
fn times_run_to_838_hours() {
    check(
        "TIME",
        &[
            ("'10:11:12.6'", "10:11:13", None),
            ("101112", "10:11:12", None),
            ("'1 10'", "34:00:00", None),
            ("-0.5", "-00:00:01", None),
            ("'838:59:59'", "838:59:59", None),
            ("'2024-02-29 10:11:12'", "10:11:12 (1265)", None),
            ("'839:00:00'", "error 1292", Some("838:59:59 (1264)")),
            ("'838:59:59.5'", "error 1292", Some("838:59:59 (1264)")),
            ("-8390000", "error 1292", Some("-838:59:59 (1264)")),
            ("'10:60:00'", "error 1292", Some("00:00:00 (1265)")),
            ("'10:11:12x'", "error 1292", Some("10:11:12 (1265)")),
            ("'abc'", "error 1292", Some("00:00:00 (1265)")),
        ],
    );
}

#[test]
fn years_have_two_digits_or_four() {
    check(
        "YEAR",
        &[
            ("69", "2069", None),
            ("70", "1970", None),
            ("0", "0000", None),
            ("'0'", "2000", None),
            ("'00'", "2000", None),
            ("'0000'", "0000", None),
            ("2024.5", "2025", None),
            ("1901", "1901", None),
            ("1900", "error 1264", Some("0000 (1264)")),
            ("2156", "error 1264", Some("0000 (1264)")),
            ("'2024x'", "error 1265", Some("2024 (1265)")),
            ("'abc'", "error 1366", Some("0000 (1366)")),
        ],
    );
}
