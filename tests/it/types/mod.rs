//! Every column type gives back what was written: as literals and as bound parameters, read in the
//! text and in the binary protocol, before and after a restart.

mod round_trip;

use libtest_mimic::Trial;
use mysql_async::Value;

use self::round_trip::{Column, exact, round_trip};
use crate::harness::{Outcome, Refusal, Server, same, trials};

pub fn trials() -> Vec<Trial> {
    trials!(
        "types",
        [
            integers_keep_their_limits,
            decimals_keep_every_digit,
            floating_point_numbers_keep_their_value,
            dates_and_times_keep_their_fraction,
            years_and_booleans_are_small_integers,
            strings_keep_every_character,
            large_strings_come_back_whole,
            binary_strings_keep_every_byte,
            strings_that_are_no_text_are_values_and_warned_of,
            enums_sets_and_json_come_back_as_text,
        ]
    )
}

async fn integers_keep_their_limits(server: &mut Server) -> Outcome {
    let column = |mysql_type, low: i64, high: u64| Column {
        mysql_type,
        values: vec![
            exact(Value::Int(low)),
            exact(Value::UInt(high)),
            exact(Value::Int(0)),
            exact(Value::Int(1)),
            (Value::from("12"), "12".to_owned()),
        ],
    };
    round_trip(
        server,
        vec![
            column("TINYINT", -128, 127),
            column("TINYINT UNSIGNED", 0, 255),
            column("SMALLINT", -32_768, 32_767),
            column("SMALLINT UNSIGNED", 0, 65_535),
            column("MEDIUMINT", -8_388_608, 8_388_607),
            column("MEDIUMINT UNSIGNED", 0, 16_777_215),
            column("INT", -2_147_483_648, 2_147_483_647),
            column("INT UNSIGNED", 0, 4_294_967_295),
            column("BIGINT", i64::MIN, i64::MAX as u64),
            column("BIGINT UNSIGNED", 0, u64::MAX),
        ],
    )
    .await
}

async fn decimals_keep_every_digit(server: &mut Server) -> Outcome {
    let text = |input: &str, output: &str| (Value::from(input), output.to_owned());
    let column = |mysql_type, values| Column { mysql_type, values };
    round_trip(
        server,
        vec![
            column(
                "DECIMAL(10,2)",
                vec![
                    text("12345678.91", "12345678.91"),
                    text("-99999999.99", "-99999999.99"),
                    text("0", "0.00"),
                    text("0.005", "0.01"),
                    text("-0.005", "-0.01"),
                    (Value::Int(7), "7.00".to_owned()),
                    (Value::Double(2.5), "2.50".to_owned()),
                ],
            ),
            column(
                "DECIMAL(38,10)",
                vec![
                    text(
                        "1234567890123456789012345678.0123456789",
                        "1234567890123456789012345678.0123456789",
                    ),
                    text("-0.0000000001", "-0.0000000001"),
                ],
            ),
            column(
                "DECIMAL(38,0)",
                vec![
                    text(
                        "99999999999999999999999999999999999999",
                        "99999999999999999999999999999999999999",
                    ),
                    text(
                        "-99999999999999999999999999999999999999",
                        "-99999999999999999999999999999999999999",
                    ),
                ],
            ),
            column(
                "DECIMAL(5,5)",
                vec![text("0.99999", "0.99999"), text(".5", "0.50000")],
            ),
            column(
                "DECIMAL",
                vec![text("1234567890", "1234567890"), text("0.5", "1")],
            ),
        ],
    )
    .await
}

async fn floating_point_numbers_keep_their_value(server: &mut Server) -> Outcome {
    let column = |mysql_type, values: &[f64]| Column {
        mysql_type,
        values: values
            .iter()
            .map(|v| (Value::Double(*v), v.to_string()))
            .collect(),
    };
    round_trip(
        server,
        vec![
            column(
                "FLOAT",
                &[0.0, 1.5, -0.25, 3.25e-3, 1e10, 1.17549e-38, -3.40282e38],
            ),
            column(
                "DOUBLE",
                &[
                    0.0,
                    0.1,
                    -1.5,
                    1e100,
                    1.7976931348623157e308,
                    2.2250738585072014e-308,
                    123_456_789.012_345_67,
                    -1e-7,
                ],
            ),
        ],
    )
    .await
}

async fn dates_and_times_keep_their_fraction(server: &mut Server) -> Outcome {
    let text = |input: &str, output: &str| (Value::from(input), output.to_owned());
    let moment = Value::Date(2025, 12, 31, 23, 59, 58, 123_456);
    round_trip(
        server,
        vec![
            Column {
                mysql_type: "DATE",
                values: vec![
                    text("2025-02-28", "2025-02-28"),
                    text("1000-01-01", "1000-01-01"),
                    text("9999-12-31", "9999-12-31"),
                    (
                        Value::Date(2024, 2, 29, 0, 0, 0, 0),
                        "2024-02-29".to_owned(),
                    ),
                ],
            },
            Column {
                mysql_type: "DATETIME",
                values: vec![
                    text("2025-01-02 03:04:05", "2025-01-02 03:04:05"),
                    text("2025-01-02", "2025-01-02 00:00:00"),
                    text("2025-01-02T03:04:05", "2025-01-02 03:04:05"),
                    text("1000-01-01 00:00:00", "1000-01-01 00:00:00"),
                    text("9999-12-31 23:59:59", "9999-12-31 23:59:59"),
                    (
                        Value::Date(2025, 6, 1, 12, 30, 0, 0),
                        "2025-06-01 12:30:00".to_owned(),
                    ),
                ],
            },
            Column {
                mysql_type: "DATETIME(6)",
                values: vec![
                    text("2025-01-02 03:04:05.000001", "2025-01-02 03:04:05.000001"),
                    text("2025-01-02 03:04:05", "2025-01-02 03:04:05.000000"),
                    (moment.clone(), "2025-12-31 23:59:58.123456".to_owned()),
                ],
            },
            Column {
                mysql_type: "TIMESTAMP",
                values: vec![
                    text("2025-01-02 03:04:05", "2025-01-02 03:04:05"),
                    text("1970-01-02 00:00:01", "1970-01-02 00:00:01"),
                    (
                        Value::Date(2037, 12, 31, 1, 2, 3, 0),
                        "2037-12-31 01:02:03".to_owned(),
                    ),
                ],
            },
            Column {
                mysql_type: "TIMESTAMP(3)",
                values: vec![text("2025-01-02 03:04:05.678", "2025-01-02 03:04:05.678")],
            },
            Column {
                mysql_type: "TIME",
                values: vec![
                    text("12:34:56", "12:34:56"),
                    text("-838:59:59", "-838:59:59"),
                    text("838:59:59", "838:59:59"),
                ],
            },
            Column {
                mysql_type: "TIME(6)",
                values: vec![
                    text("01:02:03.000004", "01:02:03.000004"),
                    text("-00:00:00.500000", "-00:00:00.500000"),
                ],
            },
        ],
    )
    .await
}

async fn years_and_booleans_are_small_integers(server: &mut Server) -> Outcome {
    let years = [1901, 1970, 2025, 2155].map(|year| exact(Value::Int(year)));
    let truths = [0, 1, 2, -1].map(|number| exact(Value::Int(number)));
    round_trip(
        server,
        vec![
            Column {
                mysql_type: "YEAR",
                values: years.to_vec(),
            },
            Column {
                mysql_type: "BOOLEAN",
                values: truths.to_vec(),
            },
            Column {
                mysql_type: "TINYINT(1)",
                values: truths.to_vec(),
            },
        ],
    )
    .await
}

async fn strings_keep_every_character(server: &mut Server) -> Outcome {
    let all = [
        "",
        "a",
        "it's \"quoted\"",
        "back\\slash \\n \\' \\%",
        "percent % and under_score",
        "line\nbreak\r\n\ttab",
        "nul\0inside",
        "\u{1a}control-z\u{7f}",
        "Zürich Ångström ß ﬁ",
        "日本語テキスト",
        "🚀👩‍👩‍👧‍👦🇨🇭",
        "e\u{301} combining",
        "NULL",
        "0",
    ];
    let values = || {
        all.map(|text| (Value::from(text), text.to_owned()))
            .to_vec()
    };
    let mut padded = values();
    padded.push((Value::from("trailing  "), "trailing".to_owned()));
    padded.push((Value::from("  leading"), "  leading".to_owned()));
    let mut unpadded = values();
    unpadded.push((Value::from("trailing  "), "trailing  ".to_owned()));
    let column = |mysql_type, values| Column { mysql_type, values };
    round_trip(
        server,
        vec![
            column("CHAR(40)", padded),
            column("VARCHAR(40)", unpadded.clone()),
            column("TINYTEXT", unpadded.clone()),
            column("TEXT", unpadded.clone()),
            column("MEDIUMTEXT", unpadded.clone()),
            column("LONGTEXT", unpadded),
        ],
    )
    .await
}

async fn large_strings_come_back_whole(server: &mut Server) -> Outcome {
    let long = |text: &str, times: usize| {
        let text = text.repeat(times);
        (Value::from(&text), text)
    };
    round_trip(
        server,
        vec![
            Column {
                mysql_type: "VARCHAR(2048)",
                values: vec![long("🚀", 2048), long("x", 2048)],
            },
            Column {
                mysql_type: "TEXT",
                values: vec![long("a", 65_535), long("é", 32_767)],
            },
            Column {
                mysql_type: "LONGTEXT",
                values: vec![long("0123456789", 400_000)],
            },
            Column {
                mysql_type: "LONGBLOB",
                values: vec![long("\u{0}\u{1}bin", 1_000_000)],
            },
        ],
    )
    .await
}

async fn binary_strings_keep_every_byte(server: &mut Server) -> Outcome {
    let every_byte: Vec<u8> = (0..=255).collect();
    let hex = |bytes: &[u8]| -> String {
        format!(
            "0x{}",
            bytes.iter().map(|b| format!("{b:02X}")).collect::<String>()
        )
    };
    let value = |bytes: &[u8]| (Value::Bytes(bytes.to_vec()), hex(bytes));
    let columns = vec![
        (
            "BINARY(4)",
            vec![
                (Value::Bytes(vec![0xFF]), hex(&[0xFF, 0, 0, 0])),
                value(&[1, 0xFE, 0, 3]),
            ],
        ),
        ("BINARY(16)", vec![value(&every_byte[200..216])]),
        (
            "VARBINARY(256)",
            vec![value(&every_byte), value(&[0xC0, 0x80])],
        ),
        ("TINYBLOB", vec![value(&every_byte[1..])]),
        ("BLOB", vec![value(&every_byte)]),
        ("MEDIUMBLOB", vec![value(&every_byte)]),
    ];
    let columns = columns.into_iter();
    round_trip(
        server,
        columns
            .map(|(mysql_type, values)| Column { mysql_type, values })
            .collect(),
    )
    .await
}

async fn enums_sets_and_json_come_back_as_text(server: &mut Server) -> Outcome {
    let text = |input: &str, output: &str| (Value::from(input), output.to_owned());
    round_trip(
        server,
        vec![
            Column {
                mysql_type: "ENUM('small','it''s','größer')",
                values: vec![
                    text("small", "small"),
                    text("it's", "it's"),
                    text("größer", "größer"),
                    (Value::Int(2), "it's".to_owned()),
                ],
            },
            Column {
                mysql_type: "SET('a','b','c')",
                values: vec![
                    text("", ""),
                    text("c,a", "a,c"),
                    (Value::Int(3), "a,b".to_owned()),
                ],
            },
            Column {
                mysql_type: "JSON",
                values: vec![
                    text(
                        r#"{"a": 1, "b": [true, null, "x"]}"#,
                        r#"{"a": 1, "b": [true, null, "x"]}"#,
                    ),
                    text("[]", "[]"),
                ],
            },
        ],
    )
    .await
}

/// Drivers write binary values between quotes, some without `_binary`. MySQL 8 warns; MariaDB says nothing.
async fn strings_that_are_no_text_are_values_and_warned_of(server: &mut Server) -> Outcome {
    let mut session = server.connect_to("types").await?;
    session
        .run("CREATE TABLE raws (id INT, raw VARBINARY(20), word VARCHAR(20))")
        .await?;
    let one = |sql: &[u8]| (sql.to_vec(), vec!["1".to_owned()]);
    for (sql, expected) in [
        one(b"SELECT HEX('z\xF9\x87jS') = '7AF9876A53'"),
        (
            b"INSERT INTO raws SELECT 1, '\xF9\x87\\0\\'', 'a'".to_vec(),
            vec![],
        ),
        one(b"SELECT id FROM raws WHERE raw = '\xF9\x87\\0\\''"),
        one(b"SELECT id FROM raws WHERE HEX(raw) = 'F9870027' AND raw > '\xF9\x00'"),
        (
            b"UPDATE raws SET raw = '\xFE' WHERE raw = '\xF9\x87\\0\\''".to_vec(),
            vec![],
        ),
        one(b"SELECT COUNT(*) FROM raws WHERE raw IN ('\xFE', '\xFF')"),
        one(b"SELECT 1 /* \xFE */ -- \xFF"),
    ] {
        let shown = sql.escape_ascii().to_string();
        let answer = session
            .run(sql)
            .await
            .map_err(|why| format!("{shown}: {why}"))?;
        same(&shown, &expected, &answer.lines())?;
    }
    if server.is_judge() {
        return Ok(());
    }
    let answer = session
        .run(b"SELECT 'z\xF9\x87jS', _binary '\xFF'".to_vec())
        .await?;
    same("warnings", &1, &answer.warnings)?;
    let warning = "Warning|1300|Invalid utf8mb4 character string: 'F9876A'".to_owned();
    same(
        "warning",
        &vec![warning],
        &session.lines("SHOW WARNINGS").await?,
    )?;
    // No text column takes what is no text.
    for sql in [
        &b"INSERT INTO raws (word) VALUES ('\xFE')"[..],
        b"INSERT INTO raws (word) SELECT '\xFE'",
    ] {
        match session.refused(sql.to_vec()).await? {
            Refusal::Server { code: 1366, .. } => {}
            other => return Err(format!("{}: {other}", sql.escape_ascii()).into()),
        }
    }
    Ok(())
}
