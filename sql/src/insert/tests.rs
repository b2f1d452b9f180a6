//! INSERT as a whole: columns, defaults, NULL, AUTO_INCREMENT, parameters, and both ways of reading
//! it.

use proptest::prelude::*;
use storno_storage::{Error as StorageError, TableName};

use super::testing::{
    LENIENT, NOW_UTC, STRICT, counter, insert_as, literal_insert_as, parse_insert, rows, table,
};
use super::{
    InsertBatch, InsertPlan, LiteralInsert, Mode, Rows, Scalar, Settings, duplicate_entry,
};
use crate::error::Result;
use crate::types::{TableDefinition, TimeZone};

fn texts(table: &TableDefinition, sql: &str, settings: Settings) -> Vec<Vec<String>> {
    let batch = insert_as(table, sql, settings, &[]).expect(sql);
    rows(table, &batch)
}

fn code(table: &TableDefinition, sql: &str, settings: Settings) -> u16 {
    insert_as(table, sql, settings, &[])
        .map(|_| 0)
        .unwrap_or_else(|error| error.code)
}

#[test]
fn columns_left_out_get_their_defaults() {
    let table = table(
        "CREATE TABLE t (a INT NOT NULL, b INT DEFAULT 5, c VARCHAR(9) NOT NULL DEFAULT 'x', \
         d DATETIME(3) DEFAULT CURRENT_TIMESTAMP(3), e ENUM('p','q') NOT NULL, \
         ts TIMESTAMP DEFAULT '2024-01-01 00:00:00')",
    );
    let written = [
        "1",
        "5",
        "x",
        "2026-11-22 12:00:00.987",
        "p",
        "2024-01-01 00:00:00",
    ];
    for sql in [
        "INSERT INTO t (a) VALUES (1)",
        "INSERT INTO t (A, C) VALUES (1, DEFAULT)",
        "INSERT INTO t SET a = 1, b = DEFAULT(b)",
        "INSERT t SET t.a = 1",
        "REPLACE INTO t (a) VALUES (1)",
        "INSERT INTO t (a) VALUES ROW(1)",
    ] {
        assert_eq!(texts(&table, sql, STRICT), [written], "{sql}");
    }
    let berlin = Settings {
        time_zone: TimeZone::parse("Europe/Berlin").unwrap(),
        ..STRICT
    };
    let row = texts(&table, "INSERT INTO t (a) VALUES (1)", berlin).remove(0);
    // The clock shows the zone's time; a TIMESTAMP's default is a moment.
    assert_eq!(row[3], "2026-11-22 13:00:00.987");
    assert_eq!(row[5], "2024-01-01 00:00:00");
}

#[test]
fn errors_before_the_first_row_come_in_mysqls_order() {
    let table = table("CREATE TABLE t (a INT NOT NULL, b INT)");
    for (sql, expected) in [
        ("INSERT INTO t (nope) VALUES (1, 2)", 1136),
        ("INSERT INTO t (nope) VALUES (1)", 1054),
        ("INSERT INTO t (a, A) VALUES (1, 2)", 1110),
        ("INSERT INTO t (a, b) VALUES (1, 2), (1)", 1136),
        ("INSERT INTO t VALUES (), (1, 2)", 1136),
        ("INSERT INTO t VALUES (1, 2), ()", 1136),
        ("INSERT INTO t (b) VALUES ('x')", 1364),
        ("INSERT INTO t VALUES ()", 1364),
        ("INSERT INTO t (a) VALUES (DEFAULT)", 1364),
        ("INSERT INTO t (u.a) VALUES (1)", 1054),
        ("INSERT INTO t (a) VALUES (NULL)", 1048),
        ("INSERT INTO t (a) VALUES (1), (NULL)", 1048),
    ] {
        assert_eq!(code(&table, sql, STRICT), expected, "{sql}");
    }
    let error = insert_as(&table, "INSERT INTO t VALUES (1, 2), (1)", STRICT, &[]).unwrap_err();
    assert_eq!(
        error.message,
        "Column count doesn't match value count at row 2"
    );
}

#[test]
fn replace_is_insert_where_no_key_is_unique() {
    let plain = table("CREATE TABLE t (a INT)");
    assert_eq!(texts(&plain, "REPLACE INTO t VALUES (1)", STRICT), [["1"]]);
}

#[test]
fn ignore_turns_errors_into_warnings() {
    let table = table("CREATE TABLE t (a INT NOT NULL, b VARCHAR(3))");
    for (sql, row, warning) in [
        (
            "INSERT IGNORE INTO t (a) VALUES (NULL)",
            ["0", "NULL"],
            1048,
        ),
        ("INSERT IGNORE INTO t (b) VALUES ('x')", ["0", "x"], 1364),
        ("INSERT IGNORE INTO t VALUES ('y', 'x')", ["0", "x"], 1366),
        (
            "INSERT IGNORE INTO t VALUES (1, 'abcdef')",
            ["1", "abc"],
            1265,
        ),
    ] {
        let batch = insert_as(&table, sql, STRICT, &[]).expect(sql);
        assert_eq!(rows(&table, &batch), [row], "{sql}");
        assert_eq!(batch.warnings[0].code, warning, "{sql}");
    }
}

#[test]
fn null_in_one_row_is_an_error_also_in_lenient_mode() {
    let table = table("CREATE TABLE t (a INT NOT NULL)");
    assert_eq!(code(&table, "INSERT INTO t VALUES (NULL)", LENIENT), 1048);
    assert_eq!(
        texts(&table, "INSERT INTO t VALUES (1), (NULL)", LENIENT),
        [["1"], ["0"]]
    );
    // Whichever way the statement is read.
    assert!(literal_insert_as(&table, b"INSERT INTO t VALUES (NULL)", LENIENT).is_none());
}

#[test]
fn warnings_beyond_the_limit_are_counted() {
    let table = table("CREATE TABLE t (a TINYINT)");
    let sql = format!("INSERT INTO t VALUES {}", vec!["(999)"; 3000].join(","));
    let batch = insert_as(&table, &sql, LENIENT, &[]).unwrap();
    assert_eq!((batch.warnings.len(), batch.warning_count), (1024, 3000));
    assert_eq!(
        batch.warnings[1023].message,
        "Out of range value for column 'a' at row 1024"
    );
}

#[test]
fn parameters_and_literals_are_stored_alike() {
    let table = table(
        "CREATE TABLE t (i INT, d DECIMAL(9,2), f DOUBLE, v VARCHAR(9), b VARBINARY(9), \
         dt DATETIME(6), ti TIME, da DATE)",
    );
    let literal = "INSERT INTO t VALUES ('7', 1.255, 2.5e0, 12, 0xFF00, \
                   '2024-02-29 01:02:03.000004', '-01:00:00', '2024-02-29')";
    let parameters = [
        Scalar::Text("7".into()),
        Scalar::Decimal("1.255".into()),
        Scalar::Double(2.5),
        Scalar::Int(12),
        Scalar::Bytes(vec![0xff, 0]),
        Scalar::DateTime {
            micros: 1_709_168_523_000_004,
            fsp: 6,
        },
        Scalar::Time {
            micros: -3_600_000_000,
            fsp: 0,
        },
        Scalar::Date(19_782),
    ];
    let sql = "INSERT INTO t VALUES (?,?,?,?,?,?,?,?)";
    let prepared = insert_as(&table, sql, STRICT, &parameters).unwrap();
    let direct = insert_as(&table, literal, STRICT, &[]).unwrap();
    assert_eq!(prepared.batch, direct.batch);
    assert_eq!(code(&table, sql, STRICT), 1210);
}

#[test]
fn placeholders_inside_expressions_are_numbered_in_the_order_of_the_text() {
    let sql = "INSERT INTO t VALUES (?, 1 + ?, ?), (?, ABS(?), DEFAULT)";
    let plan = InsertPlan::from_ast(&parse_insert(sql)).unwrap();
    assert_eq!(plan.parameters, 5);
    let table = table("CREATE TABLE t (a INT, b INT, c INT)");
    let seen = std::cell::RefCell::new(Vec::new());
    let evaluate = |expr: &sqlparser::ast::Expr| {
        seen.borrow_mut().push(expr.to_string());
        Ok(Scalar::Int(0))
    };
    let parameters: Vec<Scalar> = (1..=5).map(Scalar::Int).collect();
    let batch = plan
        .run(&table, STRICT, &parameters, &evaluate, &mut counter())
        .unwrap();
    assert_eq!(rows(&table, &batch), [["1", "0", "3"], ["4", "0", "NULL"]]);
    assert_eq!(*seen.borrow(), ["1 + $2", "ABS($5)"]);
}

#[test]
fn rows_of_a_query_are_left_to_the_caller() {
    let plan = InsertPlan::from_ast(&parse_insert("INSERT INTO t (a) SELECT b FROM u")).unwrap();
    assert!(matches!(plan.rows, Rows::Query(_)));
    let table = table("CREATE TABLE t (a INT, b INT DEFAULT 7)");
    let mut writer = plan.writer(&table, STRICT).unwrap();
    writer.append_row(&[Scalar::Text("5".into())]).unwrap();
    let batch = writer.finish(&mut counter()).unwrap();
    assert_eq!(rows(&table, &batch), [["5", "7"]]);
}

/// Generated values and LAST_INSERT_ID.
fn generated(sql: &str, reserve: super::Reserve<'_>) -> Result<(Vec<String>, Option<u64>)> {
    let table = table("CREATE TABLE t (id TINYINT AUTO_INCREMENT PRIMARY KEY, b INT)");
    let plan = InsertPlan::from_ast(&parse_insert(sql))?;
    let batch = plan.run(&table, STRICT, &[], &|_| Ok(Scalar::Null), reserve)?;
    let ids = rows(&table, &batch)
        .into_iter()
        .map(|mut row| row.remove(0))
        .collect();
    Ok((ids, batch.first_insert_id))
}

#[test]
fn null_zero_default_and_absence_generate_values() {
    let sql = "INSERT INTO t VALUES (NULL, 1), (0, 1), (DEFAULT, 1), ('0', 1)";
    let (ids, first) = generated(sql, &mut counter()).unwrap();
    assert_eq!((ids.join(" "), first), ("1 2 3 4".into(), Some(1)));
    let (ids, first) = generated("INSERT INTO t (b) VALUES (1), (2)", &mut counter()).unwrap();
    assert_eq!((ids.join(" "), first), ("1 2".into(), Some(1)));
    let (ids, first) = generated("INSERT INTO t VALUES (7, 1)", &mut counter()).unwrap();
    assert_eq!((ids.join(" "), first), ("7".into(), None));
}

#[test]
fn generated_values_keep_clear_of_explicit_ones() {
    let sql = "INSERT INTO t VALUES (NULL,1),(10,1),(NULL,1),(5,1),(-3,1),(NULL,1)";
    let (ids, first) = generated(sql, &mut counter()).unwrap();
    assert_eq!((ids.join(" "), first), ("1 10 11 5 -3 12".into(), Some(1)));
    // Another session takes values between the two reservations.
    let mut next = 1;
    let mut reserve = |count: u64| {
        next += count + 20;
        Ok(next - count)
    };
    let (ids, _) = generated(sql, &mut reserve).unwrap();
    let mut distinct = ids.clone();
    distinct.sort_unstable();
    distinct.dedup();
    assert_eq!(distinct.len(), ids.len(), "{ids:?}");
}

#[test]
fn an_exhausted_counter_is_an_error() {
    let error = generated("INSERT INTO t VALUES (1,1),(NULL,1)", &mut |_| Ok(128)).unwrap_err();
    assert_eq!((error.code, error.state), (167, "22003"));
    assert_eq!(error.message, "Out of range value for column 'id' at row 2");
}

#[test]
fn zero_is_a_value_under_no_auto_value_on_zero() {
    let mode = Mode::of_sql_mode("STRICT_TRANS_TABLES,NO_AUTO_VALUE_ON_ZERO");
    let table = table("CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY)");
    let settings = Settings { mode, ..STRICT };
    assert_eq!(
        texts(&table, "INSERT INTO t VALUES (0), (NULL)", settings),
        [["0"], ["1"]]
    );
}

#[test]
fn timestamps_are_read_in_the_sessions_zone() {
    let table = table("CREATE TABLE t (ts TIMESTAMP NULL)");
    let zone = |name| Settings {
        time_zone: TimeZone::parse(name).unwrap(),
        ..STRICT
    };
    for (settings, literal, utc) in [
        (zone("+05:30"), "2024-01-01 00:00:00", "2023-12-31 18:30:00"),
        (
            zone("Europe/Berlin"),
            "2024-07-01 12:00:00",
            "2024-07-01 10:00:00",
        ),
        (
            zone("Europe/Berlin"),
            "2024-10-27 02:30:00",
            "2024-10-27 00:30:00",
        ),
        (
            zone("Europe/Berlin"),
            "2024-07-01 12:00:00+00:00",
            "2024-07-01 12:00:00",
        ),
    ] {
        let sql = format!("INSERT INTO t VALUES ('{literal}')");
        assert_eq!(texts(&table, &sql, settings), [[utc]], "{literal}");
    }
    // 02:30 was skipped when clocks were put forward.
    let gap = "INSERT INTO t VALUES ('2024-03-31 02:30:00')";
    assert_eq!(code(&table, gap, zone("Europe/Berlin")), 1292);
    let lenient = Settings {
        mode: LENIENT.mode,
        ..zone("Europe/Berlin")
    };
    assert_eq!(texts(&table, gap, lenient), [["2024-03-31 01:00:00"]]);
}

#[test]
fn a_repeated_key_is_named_with_its_values() {
    let table = table("CREATE TABLE pageviews (a INT, b VARCHAR(9), PRIMARY KEY (a, b))");
    let batch = insert_as(
        &table,
        "INSERT INTO pageviews VALUES (1,'x'),(2,'abc')",
        STRICT,
        &[],
    )
    .unwrap();
    let error = |row| StorageError::DuplicateKey {
        table: TableName {
            schema: "app".into(),
            table: "pageviews".into(),
        },
        key: "PRIMARY".into(),
        batch: 0,
        row,
    };
    let shown = duplicate_entry(error(1), &table, &batch.batch, TimeZone::UTC);
    assert_eq!((shown.code, shown.state), (1062, "23000"));
    assert_eq!(
        shown.message,
        "Duplicate entry '2-abc' for key 'pageviews.PRIMARY'"
    );
    assert_eq!(
        duplicate_entry(error(9), &table, &batch.batch, TimeZone::UTC).code,
        1022
    );
}

#[test]
fn bytes_that_are_no_utf8_are_read_where_they_may_be() {
    let table = table("CREATE TABLE t (b BLOB, v VARCHAR(20))");
    let sql = [
        b"INSERT INTO t VALUES (_binary'\xff\\'\\0', 'x')".as_slice(),
        b"",
    ]
    .concat();
    let batch = literal_insert_as(&table, &sql, STRICT).unwrap().unwrap();
    assert_eq!(rows(&table, &batch), [["\\xFF'\0", "x"]]);
    let error =
        literal_insert_as(&table, b"INSERT INTO t VALUES ('', 'a\xff\xfe')", STRICT).unwrap();
    let message = "Incorrect string value: '\\xFF\\xFE' for column 'v' at row 1";
    assert_eq!(error.unwrap_err().message, message);
}

#[test]
fn thirty_thousand_rows_are_read_in_one_pass() {
    let columns: Vec<String> = (0..25).map(|n| format!("c{n} INT")).collect();
    let table = table(&format!("CREATE TABLE t ({})", columns.join(",")));
    let row = format!("({})", vec!["123"; 25].join(","));
    let sql = format!(
        "INSERT INTO t VALUES {}",
        vec![row.as_str(); 30_000].join(",")
    );
    let batch = literal_insert_as(&table, sql.as_bytes(), STRICT)
        .unwrap()
        .unwrap();
    assert_eq!(batch.batch.num_rows(), 30_000);
}

#[test]
fn what_is_not_plain_takes_the_way_of_the_syntax_tree() {
    for sql in [
        "INSERT INTO t (a) SELECT 1",
        "INSERT INTO t SET a = 1",
        "INSERT LOW_PRIORITY INTO t VALUES (1)",
        "INSERT INTO t () VALUES ()",
        "INSERT INTO t PARTITION (p) VALUES (1)",
        "UPDATE t SET a = 1",
        "INSERT INTO `a``b` VALUES (1)",
        "INSERT /*+ hint */ INTO t VALUES (1)",
    ] {
        assert_eq!(
            LiteralInsert::parse(sql.as_bytes(), Mode::STRICT),
            None,
            "{sql}"
        );
    }
    let table = table("CREATE TABLE t (a INT)");
    for sql in [
        "INSERT INTO t VALUES (1+1)",
        "INSERT INTO t VALUES (NOW())",
        "INSERT INTO t VALUES ('a' 'b')",
        "INSERT INTO t VALUES (- 1)",
        "INSERT INTO t VALUES (1) ON DUPLICATE KEY UPDATE a = 1",
        "INSERT INTO t VALUES (1) AS new",
        "INSERT INTO t VALUES (1), ",
        "INSERT INTO t VALUES (1); SELECT 1",
        "INSERT INTO t VALUES (/*!1*/ 1)",
        "INSERT INTO t VALUES (?)",
        "INSERT INTO t VALUES (DATE '2024-01-01')",
        "INSERT INTO t VALUES ('unterminated)",
        "INSERT INTO t VALUES (X'4')",
        "INSERT INTO t VALUES ()",
        "INSERT INTO t (nope) VALUES (1)",
    ] {
        assert!(
            literal_insert_as(&table, sql.as_bytes(), STRICT).is_none(),
            "{sql}"
        );
    }
}

const COLUMNS: [&str; 12] = [
    "i INT NOT NULL",
    "u BIGINT UNSIGNED",
    "d DECIMAL(20,4)",
    "f DOUBLE",
    "v VARCHAR(8)",
    "c CHAR(4) NOT NULL",
    "b VARBINARY(8)",
    "dt DATETIME(3)",
    "ti TIME",
    "e ENUM('a','b')",
    "y YEAR",
    "x TEXT",
];

fn literal() -> impl Strategy<Value = String> {
    prop_oneof![
        8 => any::<i64>().prop_map(|n| n.to_string()),
        4 => (-999i32..999).prop_map(|n| n.to_string()),
        2 => any::<u128>().prop_map(|n| n.to_string()),
        4 => "[+-]?[0-9]{0,6}\\.[0-9]{1,8}",
        2 => "[0-9]{1,40}\\.",
        2 => "-?[0-9]{1,3}(\\.[0-9]{0,3})?[eE][+-]?[0-9]{1,3}",
        8 => "'[a-zé😀 %_0-9.:-]{0,10}'",
        6 => r#"'([ a-b]|\\[0bnrtZ%_'"\\xé]|''|"){0,8}'"#,
        2 => r#""([ a-b']|\\[0bnrtZ%_'"\\x]|""){0,8}""#,
        3 => concat!(
            "'[12][0-9]{3}-[01]?[0-9]-[0-3]?[0-9]",
            "( [0-2]?[0-9]:[0-5]?[0-9](:[0-5][0-9](\\.[0-9]{0,8})?)?)?'"
        ),
        2 => "0x[0-9a-fA-F]{1,20}",
        2 => "[xX]'([0-9a-fA-F]{2}){0,8}'",
        2 => "[bB]'[01]{0,20}'",
        3 => Just("NULL".to_owned()),
        2 => Just("default".to_owned()),
        2 => one_of(&["TRUE", "false", "N'n'", "_utf8mb4'é'", "_binary'b\\0'"]),
        1 => one_of(&["1+1", "- 1", "'a' 'b'", "abs(1)", "0b01"]),
    ]
}

fn one_of(texts: &'static [&'static str]) -> impl Strategy<Value = String> {
    prop::sample::select(texts).prop_map(str::to_owned)
}

fn space() -> impl Strategy<Value = &'static str> {
    prop_oneof![6 => Just(""), 2 => Just(" "), 1 => Just("\n\t"), 1 => Just(" /* c */ ")]
}

/// The same outcome, down to the warnings.
fn assert_same(sql: &str, direct: Result<InsertBatch>, tree: Result<InsertBatch>) {
    match (direct, tree) {
        (Ok(direct), Ok(tree)) => {
            assert_eq!(direct.batch, tree.batch, "{sql}");
            assert_eq!(direct.warnings, tree.warnings, "{sql}");
            assert_eq!(direct.first_insert_id, tree.first_insert_id, "{sql}");
        }
        (direct, tree) => {
            assert_eq!(direct.map(|_| ()), tree.map(|_| ()), "{sql}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn both_ways_of_reading_a_statement_store_the_same(
        values in prop::collection::vec(prop::collection::vec((literal(), space()), 12), 1..4),
        spaces in prop::collection::vec(space(), 4),
        lenient in any::<bool>(),
        ignore in any::<bool>(),
    ) {
        let definition = format!("CREATE TABLE t ({})", COLUMNS.join(","));
        let table = table(&definition);
        let row = |row: &Vec<(String, &str)>| {
            let values: Vec<String> = row.iter().map(|(l, s)| format!("{s}{l}{s}")).collect();
            format!("({})", values.join(","))
        };
        let rows: Vec<String> = values.iter().map(row).collect();
        let ignore = if ignore { "IGNORE" } else { "" };
        let [a, b, c, d] = [spaces[0], spaces[1], spaces[2], spaces[3]];
        let sql = format!("insert {ignore} INTO{a} `t`{b}VALUES{c}{}{d};", rows.join(","));
        let settings = if lenient { LENIENT } else { STRICT };
        if let Some(direct) = literal_insert_as(&table, sql.as_bytes(), settings) {
            assert_same(&sql, direct, insert_as(&table, &sql, settings, &[]));
        }
    }

    #[test]
    fn no_bytes_make_the_reader_of_plain_statements_panic(
        bytes in prop::collection::vec(any::<u8>(), 0..60),
        text in "[ -~]{0,40}",
    ) {
        let table = table("CREATE TABLE t (a INT, b TEXT)");
        for tail in [bytes.as_slice(), text.as_bytes()] {
            let _ = literal_insert_as(&table, tail, STRICT);
            let sql = [b"INSERT INTO t VALUES (1, '".as_slice(), tail].concat();
            let _ = literal_insert_as(&table, &sql, STRICT);
            let sql = [b"INSERT INTO t VALUES (".as_slice(), tail].concat();
            let _ = literal_insert_as(&table, &sql, STRICT);
        }
    }
}

#[test]
fn now_is_the_same_for_all_rows_of_a_statement() {
    let table = table("CREATE TABLE t (a INT, d TIMESTAMP(6) DEFAULT CURRENT_TIMESTAMP(6))");
    let rows = texts(&table, "INSERT INTO t (a) VALUES (1), (2)", STRICT);
    assert_eq!(NOW_UTC % 1_000_000, 987_654);
    assert!(
        rows.iter()
            .all(|row| row[1] == "2026-11-22 12:00:00.987654"),
        "{rows:?}"
    );
}
