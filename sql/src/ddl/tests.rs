//! CREATE TABLE as frameworks and dumps write it, what is refused, and the way back through SHOW.

use proptest::prelude::*;
use storno_storage::{KeySpec, TableSpec};

use super::{CreateTable, DdlContext, NewTable, create_table};
use crate::insert::testing::{CONTEXT, table, table_of};
use crate::show::create_table_text;
use crate::types::{ColumnAttributes, DefaultValue, TableDefinition, TimeZone};

fn create(sql: &str) -> CreateTable {
    create_table(sql, &CONTEXT).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn spec(sql: &str) -> TableSpec {
    match create(sql).table {
        NewTable::Defined { spec, .. } => spec,
        NewTable::Like { .. } => panic!("{sql}"),
    }
}

fn attributes(spec: &TableSpec, column: usize) -> ColumnAttributes {
    ColumnAttributes::from_json(&spec.columns[column].attributes).unwrap()
}

fn shown(sql: &str) -> String {
    create_table_text(&table(sql), None)
}

fn code(sql: &str) -> u16 {
    create_table(sql, &CONTEXT)
        .map(|_| 0)
        .unwrap_or_else(|error| error.code)
}

fn warnings(sql: &str) -> Vec<u16> {
    create(sql)
        .warnings
        .iter()
        .map(|warning| warning.code)
        .collect()
}

#[test]
fn laravel_migrations_are_read() {
    let text = shown(
        "create table `users` (`id` bigint unsigned not null auto_increment primary key, \
         `name` varchar(255) not null, `email_verified_at` timestamp null, \
         `options` json null, `active` tinyint(1) not null default '1', \
         `score` double(8, 2) not null default '0') \
         default character set utf8mb4 collate 'utf8mb4_unicode_ci' engine = InnoDB",
    );
    let expected = "\
CREATE TABLE `users` (
  `id` bigint unsigned NOT NULL AUTO_INCREMENT,
  `name` varchar(255) NOT NULL,
  `email_verified_at` timestamp NULL DEFAULT NULL,
  `options` json,
  `active` tinyint(1) NOT NULL DEFAULT '1',
  `score` double(8,2) NOT NULL DEFAULT '0.00',
  PRIMARY KEY (`id`)
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_unicode_ci";
    assert_eq!(text, expected);
}

#[test]
fn everything_mysql_writes_is_read_back_as_mysql_shows_it() {
    let text = shown(
        "CREATE TABLE t (id INT UNSIGNED NOT NULL AUTO_INCREMENT, \
         a VARCHAR(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci DEFAULT 'x' \
         COMMENT 'c''d', \
         b DECIMAL(10,2) UNSIGNED ZEROFILL DEFAULT 1, c ENUM('a','b') NOT NULL, d SET('x'), \
         f DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
         g BOOL, h MEDIUMTEXT, i YEAR(4), k DOUBLE PRECISION, l LONGBLOB, \
         PRIMARY KEY (id), UNIQUE KEY uk (a) USING HASH, KEY k (b DESC) USING BTREE COMMENT 'kc', \
         INDEX (a(10), b), FULLTEXT KEY ft (h), \
         CONSTRAINT fk FOREIGN KEY (id) REFERENCES u (id) ON DELETE CASCADE ON UPDATE SET NULL, \
         CHECK (b > 0)) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=utf8mb4 \
         COLLATE=utf8mb4_bin ROW_FORMAT=DYNAMIC COMMENT='t''s'",
    );
    let expected = "\
CREATE TABLE `t` (
  `id` int unsigned NOT NULL AUTO_INCREMENT,
  `a` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci DEFAULT 'x' COMMENT 'c''d',
  `b` decimal(10,2) unsigned DEFAULT '1.00',
  `c` enum('a','b') NOT NULL,
  `d` set('x') DEFAULT NULL,
  `f` datetime(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),
  `g` tinyint(1) DEFAULT NULL,
  `h` mediumtext,
  `i` year DEFAULT NULL,
  `k` double DEFAULT NULL,
  `l` longblob,
  PRIMARY KEY (`id`),
  UNIQUE KEY `uk` (`a`) USING HASH,
  KEY `k` (`b` DESC) USING BTREE COMMENT 'kc',
  KEY `a` (`a`(10),`b`),
  CONSTRAINT `t_chk_1` CHECK ((`b` > 0))
) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin COMMENT='t''s'";
    assert_eq!(text, expected);
}

#[test]
fn clauses_without_effect_are_warned_of_once() {
    let sql = "CREATE TABLE t (a INT, b INT, FOREIGN KEY (a) REFERENCES u (x), \
               CONSTRAINT f2 FOREIGN KEY (b) REFERENCES u (y), CHECK (a > 0) NOT ENFORCED, \
               FULLTEXT (b)) ROW_FORMAT=COMPRESSED KEY_BLOCK_SIZE=8 \
               /*!50100 PARTITION BY HASH (a) PARTITIONS 4 */";
    assert_eq!(warnings(sql), [1618; 5]);
    assert_eq!(warnings("CREATE TABLE t (a INT) ENGINE=MyISAM"), [1266]);
    assert!(warnings("CREATE TABLE t (a INT) ENGINE=InnoDB CHARSET=utf8mb4").is_empty());
    assert_eq!(
        warnings("CREATE TABLE t (a TEXT, b TEXT) CHARSET=latin1"),
        [1115]
    );
    assert!(warnings("CREATE TABLE t (a TEXT) COLLATE=utf8mb4_general_ci").is_empty());
    assert!(warnings("CREATE TABLE t (a TEXT COLLATE utf8mb4_unicode_ci)").is_empty());
}

#[test]
fn sort_and_shard_keys_stand_anywhere_and_default_to_each_other() {
    for (clauses, sort, shard) in [
        (
            "SHARD KEY (site, ts), a INT, SORT KEY (ts)",
            vec![1],
            vec![0, 1],
        ),
        ("a INT, SHARD KEY (site, ts)", vec![0, 1], vec![0, 1]),
        ("a INT, SORT KEY (site, ts DESC)", vec![0, 1], vec![0, 1]),
        (
            "a INT, KEY (site, ts) USING CLUSTERED COLUMNSTORE, SHARD KEY ()",
            vec![0, 1],
            vec![],
        ),
        (
            "a INT, KEY `x` (ts) USING CLUSTERED COLUMNSTORE",
            vec![1],
            vec![1],
        ),
        ("a INT, PRIMARY KEY (a, site)", vec![2, 0], vec![2, 0]),
        ("a INT, PRIMARY KEY (a), SORT KEY ()", vec![], vec![]),
        ("a INT", vec![], vec![]),
    ] {
        let spec = spec(&format!(
            "CREATE TABLE t (site INT, ts DATETIME, {clauses})"
        ));
        assert_eq!((spec.sort_key, spec.shard_key), (sort, shard), "{clauses}");
    }
    let text = shown(
        "CREATE TABLE t (site INT, SHARD KEY (site), ts DATETIME, SORT KEY (site, ts), \
         KEY (ts) USING HASH)",
    );
    let expected =
        "  KEY `ts` (`ts`) USING HASH,\n  SHARD KEY (`site`),\n  SORT KEY (`site`,`ts`)\n)";
    assert!(text.contains(expected), "{text}");
    assert_eq!(
        code("CREATE TABLE t (a INT, SORT KEY (a), SORT KEY (a))"),
        1064
    );
}

#[test]
fn columns_may_be_named_like_the_clauses() {
    let spec = spec("CREATE TABLE t (shard INT, sort INT, `key` INT, `primary` INT, `check` INT)");
    let names: Vec<&str> = spec
        .columns
        .iter()
        .map(|column| column.name.as_str())
        .collect();
    assert_eq!(names, ["shard", "sort", "key", "primary", "check"]);
}

#[test]
fn keys_are_named_and_ordered_as_in_mysql() {
    let text = shown(
        "CREATE TABLE t (a INT, b INT UNIQUE, c INT NOT NULL, KEY (a), KEY (a, b), \
         UNIQUE KEY (c), CONSTRAINT sym UNIQUE (a, c), PRIMARY KEY (b, c), INDEX A_2x (a))",
    );
    let keys: Vec<&str> = text.lines().filter(|line| line.contains("KEY")).collect();
    assert_eq!(
        keys,
        [
            "  PRIMARY KEY (`b`,`c`),",
            "  UNIQUE KEY `c` (`c`),",
            "  UNIQUE KEY `b` (`b`),",
            "  UNIQUE KEY `sym` (`a`,`c`),",
            "  KEY `a` (`a`),",
            "  KEY `a_2` (`a`,`b`),",
            "  KEY `A_2x` (`a`)",
        ]
    );
    let spec = spec("CREATE TABLE t (a INT, B INT, PRIMARY KEY (b), UNIQUE u (A, b))");
    assert!(!spec.columns[1].nullable && spec.columns[0].nullable);
    let key = |name: &str, columns: &[usize]| KeySpec {
        name: name.into(),
        columns: columns.into(),
    };
    assert_eq!(spec.unique_keys, [key("PRIMARY", &[1]), key("u", &[0, 1])]);
}

#[test]
fn defaults_are_checked_and_shown_as_they_are_stored() {
    for (column, default) in [
        ("INT DEFAULT '5'", "5"),
        ("INT DEFAULT -1", "-1"),
        ("INT DEFAULT TRUE", "1"),
        ("DECIMAL(5,2) DEFAULT 1", "1.00"),
        ("DOUBLE DEFAULT 0.1", "0.1"),
        ("FLOAT DEFAULT 1.23456789", "1.2345679"),
        ("DATE DEFAULT '2024-1-2'", "2024-01-02"),
        (
            "DATETIME(3) DEFAULT '2024-01-02 03:04:05.5'",
            "2024-01-02 03:04:05.500",
        ),
        ("CHAR(5) DEFAULT 'a  '", "a"),
        ("ENUM('a','b') DEFAULT 'b'", "b"),
        ("SET('a','b') DEFAULT 'b,a'", "a,b"),
        ("VARCHAR(9) DEFAULT \"dq\"", "dq"),
        ("VARCHAR(9) DEFAULT 'a' 'b'", "ab"),
        ("VARCHAR(9) DEFAULT _utf8mb4'é'", "é"),
        ("VARCHAR(9) DEFAULT ''", ""),
        ("TEXT DEFAULT ('x')", "x"),
        ("BINARY(2) DEFAULT 'a'", "a\0"),
        ("YEAR DEFAULT 24", "2024"),
    ] {
        let spec = spec(&format!("CREATE TABLE t (a {column})"));
        let expected = Some(DefaultValue::Literal(default.into()));
        assert_eq!(attributes(&spec, 0).default, expected, "{column}");
    }
    for now in [
        "CURRENT_TIMESTAMP",
        "NOW()",
        "current_timestamp()",
        "LOCALTIME",
        "(now())",
    ] {
        let spec = spec(&format!("CREATE TABLE t (a TIMESTAMP DEFAULT {now})"));
        assert_eq!(
            attributes(&spec, 0).default,
            Some(DefaultValue::Now { fsp: 0 }),
            "{now}"
        );
    }
    let berlin = DdlContext {
        time_zone: TimeZone::parse("Europe/Berlin").unwrap(),
        ..CONTEXT
    };
    let sql = "CREATE TABLE t (a TIMESTAMP DEFAULT '2024-07-01 12:00:00')";
    let create = create_table(sql, &berlin).unwrap();
    let NewTable::Defined { spec, .. } = create.table else {
        panic!("{sql}")
    };
    let utc = Some(DefaultValue::Literal("2024-07-01 10:00:00".into()));
    assert_eq!(attributes(&spec, 0).default, utc);
}

#[test]
fn wrong_definitions_have_mysqls_error_numbers() {
    let long = "x".repeat(65);
    for (elements, expected) in [
        ("a INT, A INT", 1060),
        ("a INT, KEY (a, A)", 1060),
        ("a INT, KEY k (a), KEY K (a)", 1061),
        ("a VARCHAR(5) AUTO_INCREMENT PRIMARY KEY", 1063),
        ("a INT DEFAULT 'x'", 1067),
        ("a INT NOT NULL DEFAULT NULL", 1067),
        ("a TINYINT DEFAULT 999", 1067),
        ("a VARCHAR(2) DEFAULT 'abc'", 1067),
        ("a DATE DEFAULT '0000-00-00'", 1067),
        ("a DATETIME DEFAULT CURRENT_TIMESTAMP(3)", 1067),
        ("a INT DEFAULT CURRENT_TIMESTAMP", 1067),
        ("a INT AUTO_INCREMENT PRIMARY KEY DEFAULT 1", 1067),
        ("a INT PRIMARY KEY, b INT, PRIMARY KEY (b)", 1068),
        ("a INT, KEY (b)", 1072),
        ("a INT, SORT KEY (b)", 1072),
        ("a VARCHAR(20000)", 1074),
        ("a INT AUTO_INCREMENT", 1075),
        (
            "a INT AUTO_INCREMENT PRIMARY KEY, b INT AUTO_INCREMENT UNIQUE",
            1075,
        ),
        ("a INT AUTO_INCREMENT, b INT, KEY (b, a)", 1075),
        ("a INT, KEY (a(5))", 1089),
        ("a CHAR(5), KEY (a(6))", 1089),
        ("a TEXT DEFAULT 'x'", 1101),
        ("a JSON DEFAULT '{}'", 1101),
        ("KEY (a)", 1113),
        ("a VARCHAR(5) CHARACTER SET nope", 1115),
        ("`a ` INT", 1166),
        ("`` INT", 1166),
        ("a INT NULL PRIMARY KEY", 1171),
        ("a VARCHAR(5) COLLATE nope_ci", 1273),
        ("a INT, KEY `primary` (a)", 1280),
        ("a INT ON UPDATE CURRENT_TIMESTAMP", 1294),
        ("a INT CHARACTER SET utf8mb4", 1064),
        ("a ENUM('a') DEFAULT 1", 1067),
        ("a TIMESTAMP(3) ON UPDATE CURRENT_TIMESTAMP", 1294),
        ("a DECIMAL(70,2)", 1426),
        ("a INT, KEY (a(0))", 1391),
        ("a INT GENERATED ALWAYS AS (b + 1) STORED", 1054),
        ("a INT DEFAULT (1 + 1)", 1235),
        ("a CHAR(36) DEFAULT (UUID())", 1235),
        ("a INT, KEY ((a + 1))", 1235),
        ("a VARCHAR(20), UNIQUE (a(10))", 1235),
        ("a BIT(1)", 1235),
        ("a UUID", 1064),
        ("a VARCHAR", 1064),
        ("a INT,", 1064),
        ("a INT, KEY ()", 1064),
        ("", 1064),
    ] {
        assert_eq!(
            code(&format!("CREATE TABLE t ({elements})")),
            expected,
            "{elements}"
        );
    }
    for (sql, expected) in [
        (format!("CREATE TABLE {long} (a INT)"), 1059),
        (format!("CREATE TABLE t ({long} INT)"), 1059),
        (format!("CREATE TABLE t (a INT, KEY {long} (a))"), 1059),
        ("CREATE TABLE `t ` (a INT)".into(), 1103),
        ("CREATE TABLE t (a INT) ENGINE=nope".into(), 1286),
        ("CREATE TEMPORARY TABLE t (a INT)".into(), 1235),
        ("CREATE TABLE t AS SELECT 1".into(), 1235),
        ("CREATE TABLE t (a INT) SELECT 1".into(), 1235),
        ("CREATE TABLE t (a INT) nonsense".into(), 1064),
    ] {
        assert_eq!(code(&sql), expected, "{sql}");
    }
    let columns: Vec<String> = (0..4097).map(|n| format!("c{n} INT")).collect();
    assert_eq!(
        code(&format!("CREATE TABLE t ({})", columns.join(","))),
        1117
    );
}

#[test]
fn a_syntax_error_names_the_text_from_the_offending_word() {
    for (sql, near, line) in [
        ("CREATE TABLE t (a INT NOPE, b INT)", "NOPE, b INT)", 1),
        ("CREATE TABLE t (\n  a INT,\n  é TXET\n)", "TXET\n)", 3),
        ("CREATE TABLE t (a INT", "", 1),
        ("CREATE TABLE t (a INT) x y", "x y", 1),
        ("CREATE TABLE t (a VARCHAR(x))", "VARCHAR(x))", 1),
        ("CREATE TABLE t (a INT DEFAULT 'x)", "'x)", 1),
    ] {
        let message = create_table(sql, &CONTEXT).unwrap_err().message;
        assert!(
            message.ends_with(&format!("near '{near}' at line {line}")),
            "{message}"
        );
    }
}

#[test]
fn national_long_and_serial_types_are_read() {
    for (column, expected) in [
        ("NATIONAL VARCHAR(5)", "`a` varchar(5) DEFAULT NULL"),
        ("NATIONAL CHAR VARYING(5)", "`a` varchar(5) DEFAULT NULL"),
        ("NCHAR(5)", "`a` char(5) DEFAULT NULL"),
        ("NCHAR VARYING(5)", "`a` varchar(5) DEFAULT NULL"),
        ("LONG VARCHAR", "`a` mediumtext"),
        ("LONG VARBINARY", "`a` mediumblob"),
        ("LONG", "`a` mediumtext"),
        ("REAL(8,2)", "`a` double(8,2) DEFAULT NULL"),
        (
            "DOUBLE PRECISION(8,2) UNSIGNED",
            "`a` double(8,2) unsigned DEFAULT NULL",
        ),
        (
            "NUMERIC(8,2) UNSIGNED",
            "`a` decimal(8,2) unsigned DEFAULT NULL",
        ),
        ("CHAR(5) BYTE", "`a` binary(5) DEFAULT NULL"),
        (
            "VARCHAR(5) CHARACTER SET binary",
            "`a` varbinary(5) DEFAULT NULL",
        ),
        ("VARCHAR(5) BINARY", "`a` varchar(5) DEFAULT NULL"),
        ("TINYINT(1) UNSIGNED", "`a` tinyint unsigned DEFAULT NULL"),
        ("SERIAL", "`a` bigint unsigned NOT NULL AUTO_INCREMENT"),
        (
            "BIGINT UNSIGNED SERIAL DEFAULT VALUE",
            "`a` bigint unsigned NOT NULL AUTO_INCREMENT",
        ),
    ] {
        let text = shown(&format!("CREATE TABLE t (a {column})"));
        let line = text.lines().nth(1).unwrap().trim().trim_end_matches(',');
        assert_eq!(line, expected, "{column}");
    }
}

#[test]
fn like_names_the_table_to_copy() {
    for sql in [
        "CREATE TABLE IF NOT EXISTS a.t LIKE b.u",
        "CREATE TABLE a.t (LIKE b.u)",
    ] {
        let create = create(sql);
        assert_eq!(create.name(), "t");
        let NewTable::Like { source, .. } = create.table else {
            panic!("{sql}")
        };
        assert_eq!(
            (source.schema.as_deref(), source.table.as_str()),
            (Some("b"), "u")
        );
    }
}

#[test]
fn a_mysqldump_of_mysql_8_is_read() {
    let sql = "CREATE TABLE `t` (\n  `id` int NOT NULL AUTO_INCREMENT,\n  \
        `s` varchar(20) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL,\n  \
        `d` datetime(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6),\n  \
        `x` text /*!50606 STORAGE DISK */ /*!50606 COLUMN_FORMAT DYNAMIC */,\n  \
        PRIMARY KEY (`id`),\n  KEY `k` (`s`) /*!80000 INVISIBLE */\n) ENGINE=InnoDB \
        AUTO_INCREMENT=3 DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_0900_ai_ci STATS_PERSISTENT=0\n\
        /*!50100 PARTITION BY RANGE (`id`)\n(PARTITION p0 VALUES LESS THAN (10)) */;";
    let NewTable::Defined { auto_increment, .. } = create(sql).table else {
        panic!("{sql}")
    };
    assert_eq!(auto_increment, Some(3));
}

/// The definition that SHOW gives, read again.
fn shown_again(table: &TableDefinition) -> TableDefinition {
    let text = create_table_text(table, None);
    let create = create_table(&text, &CONTEXT).unwrap_or_else(|e| panic!("{text}: {e}"));
    let NewTable::Defined { spec, .. } = create.table else {
        panic!("{text}")
    };
    table_of(spec)
}

fn column_type() -> impl Strategy<Value = String> {
    let literal = "[a-zA-Z é'\\\\0-9\\n%_\"`]{0,6}";
    prop_oneof![
        prop_oneof![
            Just("TINYINT(1)"),
            Just("INT"),
            Just("BIGINT UNSIGNED"),
            Just("MEDIUMINT"),
            Just("FLOAT"),
            Just("DOUBLE(9,3)"),
            Just("DECIMAL(20,6)"),
            Just("JSON"),
            Just("YEAR"),
            Just("BLOB"),
            Just("LONGTEXT COLLATE utf8mb4_general_ci"),
        ]
        .prop_map(str::to_owned),
        (-100i32..100).prop_map(|n| format!("SMALLINT DEFAULT {n}")),
        (-9999i32..9999, 0u8..4).prop_map(|(n, s)| format!("DECIMAL(12,{s}) DEFAULT '{n}.5'")),
        any::<f32>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| format!("FLOAT DEFAULT {f:e}")),
        any::<f64>()
            .prop_filter("finite", |f| f.is_finite())
            .prop_map(|f| format!("DOUBLE DEFAULT {f:e}")),
        literal.prop_map(|text| format!("VARCHAR(40) DEFAULT {}", quoted(&text))),
        literal.prop_map(|text| format!("CHAR(40) CHARACTER SET ascii DEFAULT {}", quoted(&text))),
        literal.prop_map(|text| format!("BINARY(40) DEFAULT {}", quoted(&text))),
        literal.prop_map(|text| format!("TEXT DEFAULT ({})", quoted(&text))),
        literal.prop_map(|text| format!("ENUM({}, 'zz') DEFAULT 'zz'", quoted(&text))),
        (0u8..7).prop_map(|f| {
            format!("DATETIME({f}) DEFAULT CURRENT_TIMESTAMP({f}) ON UPDATE CURRENT_TIMESTAMP({f})")
        }),
        (0u8..7).prop_map(|f| format!("TIMESTAMP({f}) NULL DEFAULT '2024-02-29 01:02:03.5'")),
        (0u8..7).prop_map(|f| format!("TIME({f}) DEFAULT '-12:34:56.789'")),
        Just("DATE DEFAULT '2024-02-29'".to_owned()),
    ]
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"))
}

proptest! {
    #[test]
    fn what_show_prints_makes_the_same_table(
        columns in prop::collection::vec((column_type(), any::<bool>(), "[a-z'\\\\ é]{0,5}"), 1..8),
        names in prop::collection::vec("[a-zA-Z_ `é][a-z0-9_`$]{0,8}", 8),
        keys in prop::collection::vec((0usize..8, 0usize..8, 0u8..5), 0..5),
        collation in prop_oneof![Just("utf8mb4_bin"), Just("utf8mb4_unicode_ci"), Just("binary")],
        comment in "[a-z'\\\\\\n é]{0,8}",
        (event, days, seconds) in (0usize..16, 1u32..40_000, 1u64..10_000_000),
    ) {
        let name = |n: usize| format!("`{}{n}`", names[n].replace('`', "``"));
        let mut elements: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(n, (column, not_null, comment))| {
                let not_null = if *not_null { "NOT NULL" } else { "" };
                let not_null = if column.contains(" NULL") { "" } else { not_null };
                format!("{} {column} {not_null} COMMENT {}", name(n), quoted(comment))
            })
            .collect();
        for (n, (a, b, kind)) in keys.iter().enumerate() {
            let (a, b) = (a % columns.len(), b % columns.len());
            let parts = if a == b { name(a) } else { format!("{}, {} DESC", name(a), name(b)) };
            let unique = format!("UNIQUE u{n} ({})", name(a));
            elements.push(match kind {
                0 => format!("KEY ({parts}) COMMENT 'x'"),
                1 => format!("KEY k{n} ({parts}) USING HASH"),
                2 => unique,
                3 if n == 0 => format!("SHARD KEY ({parts})"),
                4 if n == 0 => format!("SORT KEY ({parts})"),
                _ => continue,
            });
        }
        elements.push("`a */ t` TIMESTAMP NULL, arrived DATE NULL".into());
        let time = ["`a */ t`", "ARRIVED"][event % 2];
        let mut options = format!("COLLATE={collation} COMMENT={}", quoted(&comment));
        if event < columns.len() {
            options += &format!(" EVENT KEY ({}, {time}) RETAIN {days} DAYS", name(event));
        } else if event < 12 {
            options += &format!(" TTL {time} + INTERVAL {seconds} SECOND, ERASE AFTER {days} HOURS");
        } else {
            options += &format!(" SHARDS {} SEGMENT_ROWS={}", 1 + days % 256, 1024 + seconds % 9999);
        }
        let sql = format!("CREATE TABLE `t``x` ({}) {options}", elements.join(", "));
        let Ok(create) = create_table(&sql, &CONTEXT) else { return Ok(()) };
        let NewTable::Defined { spec, .. } = create.table else { return Ok(()) };
        let table = table_of(spec);
        prop_assert_eq!(&shown_again(&table).meta.spec, &table.meta.spec);
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in "[ -~é\\n]{0,60}") {
        let _ = create_table(&text, &CONTEXT);
        let _ = create_table(&format!("CREATE TABLE t ({text}"), &CONTEXT);
        let _ = create_table(&format!("CREATE TABLE t (a INT {text}"), &CONTEXT);
        let _ = create_table(&format!("CREATE TABLE t (a INT) {text}"), &CONTEXT);
    }
}

#[test]
fn a_comment_may_hold_clauses_of_storno() {
    let shown = |comment: &str| {
        let sql = format!("CREATE TABLE t (a INT, at DATE) COMMENT='{comment}'");
        let text = create_table_text(&table(&sql), None);
        let (_, options) = text.split_once("utf8mb4_bin").expect("a collation");
        options.trim().to_owned()
    };
    assert_eq!(shown("Event key (a)"), "COMMENT='Event key (a)'");
    assert_eq!(
        shown("Storno:event key (a) retain 7 days, ttl at + interval 2 weeks; All of them; here"),
        "COMMENT='All of them; here' /*!99770 EVENT KEY (`a`) RETAIN 7 DAYS \
         TTL=`at` + INTERVAL 14 DAY */"
    );
    assert_eq!(
        shown("storno:;storno: erase after 90 minutes;"),
        "/*!99770 ERASE AFTER 90 MINUTE */"
    );
}

#[test]
fn the_number_of_keys_and_of_their_parts_is_limited() {
    let keys = vec!["KEY (a)"; 1025].join(",");
    assert_eq!(code(&format!("CREATE TABLE t (a INT, {keys})")), 1069);
    let columns: Vec<String> = (0..17).map(|n| format!("c{n} INT")).collect();
    let parts: Vec<String> = (0..17).map(|n| format!("c{n}")).collect();
    let sql = format!(
        "CREATE TABLE t ({}, KEY ({}))",
        columns.join(","),
        parts.join(",")
    );
    assert_eq!(code(&sql), 1070);
    // The largest definition that is allowed takes no time worth mentioning.
    let columns: Vec<String> = (0..4096).map(|n| format!("c{n} INT")).collect();
    let keys: Vec<String> = (0..1024).map(|n| format!("KEY (c4095, c{n})")).collect();
    assert_eq!(
        code(&format!(
            "CREATE TABLE t ({}, {})",
            columns.join(","),
            keys.join(",")
        )),
        0
    );
}
