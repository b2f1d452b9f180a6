//! The operators through SQL.

use std::sync::Arc;

use arrow::array::{Int64Array, UInt64Array};
use arrow::datatypes::DataType;

use crate::functions::testing::{Database, eval, type_of};

fn check(cases: &[(&str, &str)]) {
    for (expression, expected) in cases {
        assert_eq!(eval(expression), *expected, "{expression}");
    }
}

#[test]
fn division_of_integers_is_decimal_with_four_digits() {
    check(&[
        ("7/2", "3.5000"),
        ("1/3", "0.3333"),
        ("1/0", "NULL"),
        ("-2/3", "-0.6667"),
    ]);
    assert_eq!(type_of("7/2"), DataType::Decimal128(5, 4));
}

#[test]
fn integer_division_and_rest() {
    check(&[
        ("7 DIV 2", "3"),
        ("-7 DIV 2", "-3"),
        ("7.5 DIV 2", "3"),
        ("'7.9' DIV 2", "3"),
        ("0.3 DIV 0.1", "3"),
        ("-7 % 3", "-1"),
        ("7 % 0", "NULL"),
        ("7 DIV 0", "NULL"),
        ("mod(10,3.3)", "0.1"),
        ("5.5e0 % 2", "1.5"),
        (
            "1e300 DIV 1",
            "ERROR 1690 BIGINT value is out of range in '(1e300 DIV 1)'",
        ),
    ]);
}

#[test]
fn text_and_dates_become_numbers() {
    check(&[
        ("'10'+5", "15"),
        ("'10abc'+5", "15"),
        ("2+TRUE", "3"),
        ("NULL+1", "NULL"),
        ("0x41+0", "65"),
        ("1.1+1.2", "2.3"),
        ("0.1e0+0.2e0", "0.30000000000000004"),
    ]);
}

#[test]
fn overflow_is_error_1690() {
    check(&[
        (
            "-9223372036854775808-1",
            "ERROR 1690 BIGINT value is out of range in '(-9223372036854775808 - 1)'",
        ),
        (
            "9223372036854775807+1",
            "ERROR 1690 BIGINT value is out of range in '(9223372036854775807 + 1)'",
        ),
        ("18446744073709551615 + 0", "18446744073709551615"),
        (
            "18446744073709551615 + 1",
            "ERROR 1690 BIGINT UNSIGNED value is out of range in '(18446744073709551615 + 1)'",
        ),
        (
            "1e300*1e300",
            "ERROR 1690 DOUBLE value is out of range in '(1e300 * 1e300)'",
        ),
    ]);
}

#[test]
fn overflow_names_the_columns() {
    let database = Database::new().with_table(
        "t",
        vec![
            ("a", Arc::new(Int64Array::from(vec![i64::MAX]))),
            ("u", Arc::new(UInt64Array::from(vec![2]))),
        ],
    );
    assert_eq!(
        database.value("select a + u * a from t where a > 0"),
        "ERROR 1690 BIGINT UNSIGNED value is out of range in '(a + (u * a))'"
    );
    assert_eq!(
        database.value("select u - 3 from t"),
        "ERROR 1690 BIGINT UNSIGNED value is out of range in '(u - 3)'"
    );
}

#[test]
fn logic_has_three_values() {
    check(&[
        ("1 XOR 1", "0"),
        ("1 XOR 0", "1"),
        ("1 XOR NULL", "NULL"),
        ("'a'||'b'", "0"),
        ("1||0", "1"),
        ("1 AND NULL", "NULL"),
        ("0 AND NULL", "0"),
        ("2 && 3", "1"),
        ("NULL || 1", "1"),
        ("NOT 'abc'", "1"),
        ("NULL <=> NULL", "1"),
        ("1 <=> NULL", "0"),
    ]);
}

#[test]
fn bits_are_unsigned() {
    check(&[
        ("5 & 3", "1"),
        ("5 | 3", "7"),
        ("5 ^ 3", "6"),
        ("~0", "18446744073709551615"),
        ("1 << 63", "9223372036854775808"),
        ("1 << 64", "0"),
        ("-1 >> 1", "9223372036854775807"),
        ("'12abc' | 1", "13"),
        ("1.5 | 0", "2"),
        ("NULL | 1", "NULL"),
    ]);
}

#[test]
fn unary_minus_keeps_the_kind() {
    check(&[
        ("-(1+1)", "-2"),
        ("-(1.5)", "-1.5"),
        ("-('2x')", "-2"),
        ("-(-5)", "5"),
    ]);
    assert_eq!(
        eval("-(-9223372036854775807-1)"),
        "ERROR 1690 BIGINT value is out of range in '-(-9223372036854775808)'"
    );
}

#[test]
fn quotients_keep_their_digits_until_the_end() {
    check(&[
        ("2/3", "0.6667"),
        ("2/3*100", "66.6667"),
        ("(1/3)*3", "1.0000"),
        ("100.0*2/3", "66.66667"),
        ("round(2/3, 6)", "0.666667"),
        ("2/3 = 0.6667", "0"),
        ("abs(-(2/3))*100", "66.6667"),
        ("concat(2/3)", "0.6667"),
        ("ifnull(2/3, 0)", "0.6667"),
        ("1/3+1/3", "0.6667"),
        ("-(1/3)", "-0.3333"),
    ]);
    let database = Database::new().with_table(
        "t",
        vec![
            ("a", Arc::new(Int64Array::from(vec![1, 1, 0]))),
            ("g", Arc::new(Int64Array::from(vec![1, 1, 1]))),
        ],
    );
    let rows = |sql: &str| database.query(sql).concat().join(",");
    assert_eq!(
        rows("select avg(a), avg(a)*100, round(avg(a), 6), sum(a)/3*100, avg(a)+0 from t"),
        "0.6667,66.6667,0.666667,66.6667,0.6667"
    );
    assert_eq!(
        rows("select g, avg(a), round(avg(a)*100, 3) from t group by g having avg(a) > 0.66666"),
        "1,0.6667,66.667"
    );
    assert_eq!(
        rows("select sum(a/3), avg(a/3) from t"),
        "0.6667,0.22222222"
    );
    assert_eq!(
        rows("select x*100 from (select avg(a) x from t) s"),
        "66.6700"
    );
}
