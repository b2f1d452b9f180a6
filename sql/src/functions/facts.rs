//! Facts: what a MySQL server answers. Where MariaDB 10.11 and MySQL 8 differ, MySQL's answer stands.
//!
//! Expressions that need a collation, and syntax that the planner rewrites before it reaches the functions
//! (INTERVAL, EXTRACT of composite units), are written as the calls that the planner makes.

use super::testing::Database;

/// Values joined by " | ".
fn check(facts: &[(&str, &str)]) {
    for (expressions, expected) in facts {
        let rows = Database::new().query(&format!("SELECT {expressions}"));
        let values = rows.first().map(|row| row.join(" | ")).unwrap_or_default();
        assert_eq!(values, *expected, "{expressions}");
    }
}

#[test]
fn numbers() {
    check(&[
        ("7/2, 1/3, 1/0", "3.5000 | 0.3333 | NULL"),
        ("7 DIV 2, -7 DIV 2, 7.5 DIV 2, -7 % 3", "3 | -3 | 3 | -1"),
        ("'10'+5, '10abc'+5, 2+TRUE", "15 | 15 | 3"),
        ("5 & 3, ~0, 1.1+1.2", "1 | 18446744073709551615 | 2.3"),
        ("0.1e0+0.2e0", "0.30000000000000004"),
        ("round(2.5), round(-2.5), round(2.5e0)", "3 | -3 | 2"),
        ("round(1234.567,-2), truncate(1.999,1)", "1200 | 1.9"),
        (
            "round(1e0,2), round('1.005',2), round(1.5,3)",
            "1.00 | 1.00 | 1.500",
        ),
        (
            "pow(2,10), sqrt(-1), ln(0), log(1,5), log2(8)",
            "1024 | NULL | NULL | NULL | 3",
        ),
        ("mod(10,3.3), floor(-1.5), ceil(1.2)", "0.1 | -2 | 2"),
        ("abs(-1.50), sign(-3), pi() > 3", "1.50 | -1 | 1"),
        (
            "format(1234567.891,2), format(-0.4,0), conv('ff',16,10)",
            "1,234,567.89 | 0 | 255",
        ),
        ("bin(5), oct(9), conv(-17,10,-16)", "101 | 11 | -11"),
        (
            "greatest(1,'2',3.5), least('a','b'), greatest(1,NULL)",
            "3.5 | a | NULL",
        ),
        ("rand(3) = rand(3), rand(1) < 1", "1 | 1"),
    ]);
}

#[test]
fn strings() {
    check(&[
        (
            "concat('a',NULL), concat_ws(',','a',NULL,'b')",
            "NULL | a,b",
        ),
        ("concat(1,2.5,true)", "12.51"),
        (
            "length('é'), char_length('é'), bit_length('é')",
            "2 | 1 | 16",
        ),
        ("substring('hello',-3), substring('hello',2,3)", "llo | ell"),
        ("concat('<', substring('hello',0), '>')", "<>"),
        (
            "substring_index('a.b.c','.',2), substring_index('a.b.c','.',-1)",
            "a.b | c",
        ),
        (
            "find_in_set('b','a,b,c'), field('b','a','b'), elt(2,'a','b')",
            "2 | 2 | b",
        ),
        (
            "left('abc',2), right('abc',2), lpad('5',3,'0')",
            "ab | bc | 005",
        ),
        ("instr('foobar','bar'), locate('bar','foobar',2)", "4 | 4"),
        (
            "replace('AbAb','a','x'), insert('abcd',2,2,'XYZ')",
            "AbAb | aXYZd",
        ),
        (
            "regexp_replace('abc','b','X'), regexp_substr('abc123','[0-9]+')",
            "aXc | 123",
        ),
        ("regexp_replace('ab12','([a-z]+)([0-9]+)','$2-$1')", "12-ab"),
        (
            "regexp_like('abc','^A'), regexp_like('abc','^A','i')",
            "0 | 1",
        ),
        (
            "regexp_instr('aXbX','X',1,2), regexp_instr('aXbX','X',1,1,1)",
            "4 | 3",
        ),
        (
            "hex('abc'), unhex('616263'), hex(255), hex(-1)",
            "616263 | abc | FF | FFFFFFFFFFFFFFFF",
        ),
        (
            "inet_aton('1.2.3.4'), inet_ntoa(16909060)",
            "16909060 | 1.2.3.4",
        ),
        (
            "inet6_ntoa(inet6_aton('::1')), hex(inet6_aton('1.2.3.4'))",
            "::1 | 01020304",
        ),
        (
            "md5('a'), crc32('a')",
            "0cc175b9c0f1b6a831c399e269772661 | 3904355907",
        ),
        (
            "sha2('a',256), sha2('a',1)",
            "ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb | NULL",
        ),
        ("to_base64('abc'), from_base64('YWJj')", "YWJj | abc"),
        (
            "trim('x' from 'xxaxx'), trim(leading 'x' from 'xxa'), ltrim('  a')",
            "a | a | a",
        ),
        ("quote('it''s'), quote(NULL)", r"'it\'s' | NULL"),
        (
            "reverse('añb'), upper('straße'), repeat('ab',3)",
            "bña | STRAßE | ababab",
        ),
        (
            "strcmp('a','b'), ascii('a'), ord('é'), soundex('hello')",
            "-1 | 97 | 50089 | H400",
        ),
        (
            "bin_to_uuid(uuid_to_bin('6ccd780c-baba-1026-9564-5b8c656024db',1),1)",
            "6ccd780c-baba-1026-9564-5b8c656024db",
        ),
        (
            "length(uuid()), is_uuid('x'), make_set(5,'a','b','c')",
            "36 | 0 | a,c",
        ),
        ("repeat('x', 100000000) is null, space(2) = '  '", "1 | 1"),
    ]);
}

#[test]
fn dates() {
    check(&[
        (
            "date_format('2024-02-29 13:04:05.06','%Y-%m-%d %H:%i:%s.%f %p %W %a %b %M %j %U %u %V %v \
             %X %x %y %e %D %T %r %h %k %l %w %%')",
            "2024-02-29 13:04:05.060000 PM Thursday Thu Feb February 060 08 09 08 09 2024 2024 24 29 \
             29th 13:04:05 01:04:05 PM 01 13 1 4 %",
        ),
        ("date_add_unit('2024-01-31', 1, 'MONTH')", "2024-02-29"),
        (
            "date_add_unit('2024-01-31 10:00:00', '1:30', 'MINUTE_SECOND')",
            "2024-01-31 10:01:30",
        ),
        ("date_sub_unit(date('2024-03-01'), 1, 'DAY')", "2024-02-29"),
        (
            "date_add_unit(date('2024-03-01'), 1, 'SECOND')",
            "2024-03-01 00:00:01",
        ),
        ("date_add_unit('9999-12-31', 1, 'DAY')", "NULL"),
        (
            "timestampdiff('MONTH','2024-01-31','2024-02-29'), datediff('2024-03-01','2024-02-28')",
            "0 | 2",
        ),
        (
            "unix_timestamp('2024-01-01 00:00:00'), unix_timestamp('2024-01-01 00:00:00.5')",
            "1704067200 | 1704067200.5",
        ),
        (
            "from_unixtime(0), from_unixtime(1704067200.5), from_unixtime(1704067200,'%Y')",
            "1970-01-01 00:00:00 | 2024-01-01 00:00:00.5 | 2024",
        ),
        (
            "from_unixtime(-1), convert_tz('2024-01-01 00:00:00','+00:00','+05:30')",
            "NULL | 2024-01-01 05:30:00",
        ),
        (
            "convert_tz('2024-07-01 12:00:00','UTC','Europe/Berlin'), convert_tz('2024-01-01','UTC','No/Where')",
            "2024-07-01 14:00:00 | NULL",
        ),
        (
            "week('2024-12-30',0), week('2024-12-30',1), week('2024-12-30',3), week('2024-12-30',6)",
            "52 | 53 | 1 | 1",
        ),
        (
            "yearweek('2024-12-30'), yearweek('2024-12-30',3), weekofyear('2024-12-30')",
            "202452 | 202501 | 1",
        ),
        (
            "dayofweek('2024-12-30'), weekday('2024-12-30'), dayofyear('2024-12-31')",
            "2 | 0 | 366",
        ),
        (
            "extract_unit('YEAR_MONTH','2024-02-03'), extract_unit('DAY_HOUR','2024-02-03 04:05:06')",
            "202402 | 304",
        ),
        (
            "last_day('2024-02-01'), makedate(2024,60), quarter('2024-05-01')",
            "2024-02-29 | 2024-02-29 | 2",
        ),
        (
            "str_to_date('03/02/2024','%d/%m/%Y'), str_to_date('2024-W05','%x-W%v')",
            "2024-02-03 | NULL",
        ),
        (
            "str_to_date('202405 Sunday','%X%V %W'), str_to_date('10:11:12 PM','%r')",
            "2024-02-04 | 22:11:12",
        ),
        (
            "date('2024-02-29 13:00:00'), time('2024-02-29 13:00:01.5'), time_to_sec('01:00:00')",
            "2024-02-29 | 13:00:01.5 | 3600",
        ),
        (
            "sec_to_time(3661), maketime(12,15,30), timediff('10:00:00','12:30:00')",
            "01:01:01 | 12:15:30 | -02:30:00",
        ),
        (
            "addtime('23:59:59','0:0:2'), microsecond('10:00:00.000123'), hour('100:00:00')",
            "24:00:01 | 123 | 100",
        ),
        (
            "date('0000-00-00'), date('2024-13-01'), cast('2024-02-30' as date)",
            "NULL | NULL | NULL",
        ),
        (
            "to_days('2024-01-01'), from_days(739251), period_add(202401,2), period_diff(202403,202401)",
            "739251 | 2024-01-01 | 202403 | 2",
        ),
        (
            "now() = current_timestamp(), utc_timestamp() = now(), curdate() = date(now())",
            "1 | 1 | 1",
        ),
        (
            "year('2024-02-29'), monthname('2024-02-29'), dayname('2024-02-29')",
            "2024 | February | Thursday",
        ),
        (
            "date('2024-02-29')+1, timestamp('2024-02-29 01:02:03')+0",
            "20240230 | 20240229010203",
        ),
    ]);
}

#[test]
fn casts_and_control() {
    check(&[
        (
            "cast('12abc' as signed), cast('2024-01-01x' as date)",
            "12 | 2024-01-01",
        ),
        (
            "cast(3.7 as signed), cast(-1 as unsigned), cast(2.5e0 as signed)",
            "4 | 18446744073709551615 | 2",
        ),
        (
            "cast('1.55' as decimal(5,1)), cast(123456 as decimal(5,1))",
            "1.6 | 9999.9",
        ),
        (
            "cast(9999999999999999999999 as signed), cast(1 as char), cast('abc' as char(2))",
            "9223372036854775807 | 1 | ab",
        ),
        (
            "cast('2024-01-01 10:11:12.6' as datetime), cast('10:11:12.345' as time(2))",
            "2024-01-01 10:11:13 | 10:11:12.35",
        ),
        (
            "if(1,2,'a'), ifnull(null,1), nullif(1,1), coalesce(null,2)",
            "2 | 1 | NULL | 2",
        ),
        (
            "if(NULL,1,2), nullif('a','b'), isnull(NULL), isnull(0)",
            "2 | a | 1 | 0",
        ),
        ("if(1, 5, 9223372036854775807 + 1)", "5"),
        ("coalesce(1, 9223372036854775807 + 1)", "1"),
    ]);
}

#[test]
fn json_documents() {
    check(&[
        (r#"json_extract('{"a": {"b": "x"}}','$.a.b')"#, r#""x""#),
        (
            r#"json_unquote(json_extract('{"a": {"b": "x"}}','$.a.b'))"#,
            "x",
        ),
        (
            r#"json_extract('[1, 2, 3]','$[0]','$[2]'), json_extract('[1]','$.a')"#,
            "[1, 3] | NULL",
        ),
        (
            r#"json_extract('{"a":1,"b":[2.0,null]}','$.*')"#,
            "[1, [2.0, null]]",
        ),
        (
            r#"json_value('{"n": 1}','$.n'), json_valid('{'), json_valid('[]')"#,
            "1 | 0 | 1",
        ),
        (
            r#"json_contains('{"n": 1}','1','$.n'), json_contains('[1,[2]]','2')"#,
            "1 | 1",
        ),
        (
            r#"json_length('{"a":1,"b":2}'), json_type('[]'), json_keys('{"bb":1,"a":2}')"#,
            r#"2 | ARRAY | ["a", "bb"]"#,
        ),
        (
            "json_object('a',1,'b',null), json_array(1,'x',true,1.5)",
            r#"{"a": 1, "b": null} | [1, "x", true, 1.5]"#,
        ),
        (r#"json_quote('a"b'), json_depth('[[]]')"#, r#""a\"b" | 2"#),
        (
            "json_extract('nope','$')",
            "ERROR 3141 Invalid JSON text in argument 1 to function json_extract: \
          \"expected ident at line 1 column 2\" at position 1.",
        ),
        (r#"json_object('k', json_array(1))"#, r#"{"k": [1]}"#),
    ]);
}

#[test]
fn wrong_argument_counts_are_error_1582() {
    for call in ["length()", "concat()", "left('a')", "now(1,2)", "if(1,2)"] {
        let error = Database::new().value(&format!("SELECT {call}"));
        assert!(error.starts_with("ERROR 1582"), "{call}: {error}");
    }
}

#[test]
fn columns_give_what_literals_give() {
    use arrow::array::{ArrayRef, StringViewArray};
    use std::sync::Arc;
    let calls = [
        "upper(s)",
        "left(s, 2)",
        "concat(s, '-', s)",
        "date(s)",
        "s + 1",
        "date_format(s, '%Y %M')",
        "cast(s as signed)",
        "cast(s as decimal(10,2))",
        "round(s, 1)",
        "locate('2', s)",
        "md5(s)",
        "if(s, 'yes', 'no')",
        "coalesce(s, 'none')",
        "greatest(s, 'm')",
        "hour(s)",
        "hex(s)",
        "substring_index(s, '-', 1)",
        "timestampdiff('DAY', s, '2024-12-31')",
        "regexp_like(s, '^2')",
        "date_add_unit(s, 1, 'MONTH')",
        "str_to_date(s, '%Y-%m-%d')",
        "s / 3",
        "nullif(s, 'abc')",
    ];
    let values = [
        Some("2024-02-29 10:11:12"),
        Some("abc"),
        None,
        Some(""),
        Some("12.5x"),
        Some("2024-01-31"),
    ];
    let column: ArrayRef = Arc::new(StringViewArray::from(values.to_vec()));
    let database = Database::new().with_table("t", vec![("s", column)]);
    for call in calls {
        let from_column = database.query(&format!("SELECT {call} FROM t")).concat();
        let from_literals: Vec<String> = values
            .iter()
            .map(|value| {
                let literal = value.map_or("NULL".to_owned(), |value| format!("'{value}'"));
                Database::new().value(&format!("SELECT {}", replace_column(call, &literal)))
            })
            .collect();
        assert_eq!(from_column, from_literals, "{call}");
    }
}

/// The column `s` replaced by a literal, also inside other names' arguments.
fn replace_column(call: &str, literal: &str) -> String {
    let mut replaced = String::new();
    let letters: Vec<char> = call.chars().collect();
    for (index, letter) in letters.iter().enumerate() {
        let alone = |at: Option<usize>| {
            at.and_then(|at| letters.get(at))
                .is_none_or(|c| !c.is_alphanumeric() && !"_%'".contains(*c))
        };
        if *letter == 's' && alone(index.checked_sub(1)) && alone(Some(index + 1)) {
            replaced.push_str(literal);
        } else {
            replaced.push(*letter);
        }
    }
    replaced
}
