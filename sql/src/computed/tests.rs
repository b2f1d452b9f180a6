//! Texts of definitions, and what is refused in them.

use super::{Forbidden, columns_of, definition_text, forbidden, is_condition, parse};

fn text(sql: &str) -> String {
    definition_text(&parse(sql).expect("parses"))
}

#[test]
fn expressions_are_printed_as_mysql_prints_them_and_read_back() {
    for (sql, expected) in [
        ("a > 0", "(`a` > 0)"),
        (
            "A>=1 AND b < 5 and c!=3",
            "((`A` >= 1) and (`b` < 5) and (`c` <> 3))",
        ),
        (
            "a = 1 OR (a = 2 OR b <=> NULL)",
            "((`a` = 1) or (`a` = 2) or (`b` <=> NULL))",
        ),
        ("t.a BETWEEN 1 AND 5", "(`a` between 1 and 5)"),
        ("a NOT IN (1, 2)", "(`a` not in (1,2))"),
        ("s LIKE 'a%'", "(`s` like _utf8mb4'a%')"),
        ("s = \"it's\"", "(`s` = _utf8mb4'it''s')"),
        ("CHAR_LENGTH(s) <= 10", "(char_length(`s`) <= 10)"),
        ("s REGEXP '^[a-z]+$'", "regexp_like(`s`,_utf8mb4'^[a-z]+$')"),
        ("a IS NOT NULL", "(`a` is not null)"),
        ("NOT (a = b)", "(not((`a` = `b`)))"),
        ("a > -1", "(`a` > -(1))"),
        ("a + b * 2 > 10 % 3", "((`a` + (`b` * 2)) > (10 % 3))"),
        ("a XOR b", "(`a` xor `b`)"),
        ("json_valid(j)", "json_valid(`j`)"),
        (
            "CASE WHEN a > 1 THEN b ELSE c END = 1",
            "((case when (`a` > 1) then `b` else `c` end) = 1)",
        ),
        ("x = x'4D'", "(`x` = 0x4D)"),
        ("a = TRUE", "(`a` = true)"),
        ("a < b + INTERVAL 1 DAY", "(`a` < (`b` + interval 1 day))"),
        (
            "TIMESTAMPDIFF(hour, a, b) > 5",
            "(timestampdiff(HOUR,`a`,`b`) > 5)",
        ),
        ("DATE(a) = b", "(cast(`a` as date) = `b`)"),
    ] {
        let printed = text(sql);
        assert_eq!(printed, expected, "{sql}");
        assert_eq!(text(&printed), printed, "{sql} read back");
    }
}

#[test]
fn what_depends_on_more_than_the_row_is_found() {
    let found = |sql: &str| forbidden(&parse(sql).expect("parses"));
    let function = |name: &str| Some(Forbidden::Function(name.to_owned()));
    for (sql, expected) in [
        ("a < NOW()", function("now")),
        ("a < current_timestamp", function("now")),
        ("a < CURDATE()", function("curdate")),
        ("a = RAND()", function("rand")),
        ("a = UUID()", function("uuid")),
        ("a = UNIX_TIMESTAMP()", function("unix_timestamp")),
        ("a = UNIX_TIMESTAMP(b)", None),
        ("a = @x", Some(Forbidden::Variable)),
        ("a = @@sql_mode", Some(Forbidden::Variable)),
        ("a IN (SELECT 1)", Some(Forbidden::Query)),
        ("SUM(a) > 1", Some(Forbidden::Query)),
        ("(a, b) = (1, 2)", Some(Forbidden::Row)),
        ("a = ?", Some(Forbidden::Placeholder)),
        ("`now` = 1", None),
        ("`current_date` = 1", None),
    ] {
        assert_eq!(found(sql), expected, "{sql}");
    }
}

#[test]
fn conditions_are_told_from_values() {
    let is = |sql: &str| is_condition(&parse(sql).expect("parses"));
    for sql in [
        "a > 1",
        "(a)=(b)",
        "NOT a",
        "a IS TRUE",
        "json_valid(a)",
        "TRUE",
        "a REGEXP 'x'",
    ] {
        assert!(is(sql), "{sql}");
    }
    for sql in ["a", "a + 1", "1", "ABS(a)", "IF(a, 1, 0)"] {
        assert!(!is(sql), "{sql}");
    }
}

#[test]
fn columns_are_named_once() {
    let columns = columns_of(&parse("a + t.B > a AND `b` = 0b01").expect("parses"));
    assert_eq!(columns, ["a", "B"]);
    let columns = columns_of(&parse("TIMESTAMPDIFF(day, a, day)").expect("parses"));
    assert_eq!(columns, ["a", "day"]);
}
