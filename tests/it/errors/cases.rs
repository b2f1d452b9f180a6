//! Statements that are refused, with number, state and text as MySQL 8 sends them. No code.

/// A statement, and how it must be refused.
pub struct Case {
    pub sql: &'static str,
    pub expected: &'static str,
    /// MariaDB's text, where it is another.
    pub mariadb: Option<&'static str>,
}

const fn case(sql: &'static str, expected: &'static str) -> Case {
    Case {
        sql,
        expected,
        mariadb: None,
    }
}

pub const SETUP: &[&str] = &[
    "CREATE TABLE t (id INT NOT NULL, tiny TINYINT UNSIGNED, name VARCHAR(5) DEFAULT 'x', \
     d DATE, dt DATETIME, amount DECIMAL(5,2), body TEXT, f DOUBLE, needed INT NOT NULL DEFAULT 0) \
     DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "CREATE TABLE u (id INT NOT NULL PRIMARY KEY, code VARCHAR(10) NOT NULL, \
     UNIQUE KEY code_key (code)) DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
    "INSERT INTO u VALUES (1, 'one')",
];

pub const SYNTAX: &str = "ERROR 1064 (42000): You have an error in your SQL syntax; check the manual \
                      that corresponds to your MySQL server version for the right syntax to use near ";

pub const STATEMENTS: &[Case] = &[
    case(
        "SELECT * FROM nope",
        "ERROR 1146 (42S02): Table 'err.nope' doesn't exist",
    ),
    Case {
        sql: "SELECT * FROM nodb.nope",
        expected: "ERROR 1049 (42000): Unknown database 'nodb'",
        mariadb: Some("ERROR 1146 (42S02): Table 'nodb.nope' doesn't exist"),
    },
    case(
        "INSERT INTO nope VALUES (1)",
        "ERROR 1146 (42S02): Table 'err.nope' doesn't exist",
    ),
    case(
        "DESCRIBE nope",
        "ERROR 1146 (42S02): Table 'err.nope' doesn't exist",
    ),
    case(
        "SHOW CREATE TABLE nope",
        "ERROR 1146 (42S02): Table 'err.nope' doesn't exist",
    ),
    case(
        "SELECT zzz FROM t",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'field list'",
    ),
    case(
        "SELECT t.zzz FROM t",
        "ERROR 1054 (42S22): Unknown column 't.zzz' in 'field list'",
    ),
    case(
        "SELECT zzz",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'field list'",
    ),
    case(
        "SELECT id FROM t WHERE zzz = 1",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'where clause'",
    ),
    case(
        "SELECT COUNT(*) FROM t GROUP BY zzz",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'group statement'",
    ),
    case(
        "SELECT id FROM t ORDER BY zzz",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'order clause'",
    ),
    case(
        "SELECT id FROM t HAVING zzz = 1",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'having clause'",
    ),
    case(
        "SELECT t.id FROM t JOIN u ON t.id = u.zzz",
        "ERROR 1054 (42S22): Unknown column 'u.zzz' in 'on clause'",
    ),
    case(
        "INSERT INTO t (id, zzz) VALUES (1, 2)",
        "ERROR 1054 (42S22): Unknown column 'zzz' in 'field list'",
    ),
    case(
        "SELECT id FROM t JOIN u ON t.id = u.id",
        "ERROR 1052 (23000): Column 'id' in field list is ambiguous",
    ),
    case(
        "INSERT INTO t (id, id) VALUES (1, 2)",
        "ERROR 1110 (42000): Column 'id' specified twice",
    ),
    case(
        "INSERT INTO u VALUES (2)",
        "ERROR 1136 (21S01): Column count doesn't match value count at row 1",
    ),
    case(
        "INSERT INTO u VALUES (2, 'b'), (3)",
        "ERROR 1136 (21S01): Column count doesn't match value count at row 2",
    ),
    case(
        "INSERT INTO u (id) VALUES (2, 'b')",
        "ERROR 1136 (21S01): Column count doesn't match value count at row 1",
    ),
    case(
        "INSERT INTO u (id) VALUES (2)",
        "ERROR 1364 (HY000): Field 'code' doesn't have a default value",
    ),
    case(
        "INSERT INTO t (id) VALUES (NULL)",
        "ERROR 1048 (23000): Column 'id' cannot be null",
    ),
    Case {
        sql: "INSERT INTO u VALUES (1, 'two')",
        expected: "ERROR 1062 (23000): Duplicate entry '1' for key 'u.PRIMARY'",
        mariadb: Some("ERROR 1062 (23000): Duplicate entry '1' for key 'PRIMARY'"),
    },
    Case {
        sql: "INSERT INTO u VALUES (2, 'two'), (3, 'one')",
        expected: "ERROR 1062 (23000): Duplicate entry 'one' for key 'u.code_key'",
        mariadb: Some("ERROR 1062 (23000): Duplicate entry 'one' for key 'code_key'"),
    },
    case(
        "CREATE TABLE t (a INT)",
        "ERROR 1050 (42S01): Table 't' already exists",
    ),
    case(
        "CREATE DATABASE err",
        "ERROR 1007 (HY000): Can't create database 'err'; database exists",
    ),
    case(
        "DROP DATABASE nodb",
        "ERROR 1008 (HY000): Can't drop database 'nodb'; database doesn't exist",
    ),
    case(
        "DROP TABLE nope",
        "ERROR 1051 (42S02): Unknown table 'err.nope'",
    ),
    case("USE nodb", "ERROR 1049 (42000): Unknown database 'nodb'"),
    case(
        "CREATE TABLE nodb.t (a INT)",
        "ERROR 1049 (42000): Unknown database 'nodb'",
    ),
    case(
        "CREATE TABLE dup (a INT, A INT)",
        "ERROR 1060 (42S21): Duplicate column name 'A'",
    ),
    case(
        "SET nonsense_variable = 1",
        "ERROR 1193 (HY000): Unknown system variable 'nonsense_variable'",
    ),
    case(
        "SELECT @@nonsense_variable",
        "ERROR 1193 (HY000): Unknown system variable 'nonsense_variable'",
    ),
    case(
        "SET SESSION sql_mode = 'NONSENSE'",
        "ERROR 1231 (42000): Variable 'sql_mode' can't be set to the value of 'NONSENSE'",
    ),
    case(
        "SELECT SUM(SUM(id)) FROM t",
        "ERROR 1111 (HY000): Invalid use of group function",
    ),
    case(
        "SELECT id FROM t WHERE SUM(id) > 1",
        "ERROR 1111 (HY000): Invalid use of group function",
    ),
    case(
        "SELECT no_such_function(1)",
        "ERROR 1305 (42000): FUNCTION err.no_such_function does not exist",
    ),
    case(
        "SELECT 1 UNION SELECT 1, 2",
        "ERROR 1222 (21000): The used SELECT statements have a different number of columns",
    ),
    Case {
        sql: "SELECT 9223372036854775807 + 1",
        expected: "ERROR 1690 (22003): BIGINT value is out of range in '(9223372036854775807 + 1)'",
        mariadb: Some(
            "ERROR 1690 (22003): BIGINT value is out of range in '9223372036854775807 + 1'",
        ),
    },
];

/// 1064 with the text from the offending token on, as MySQL finds it.
pub const SYNTAX_ERRORS: &[(&str, &str)] = &[
    ("SELEKT 1", "'SELEKT 1' at line 1"),
    ("SELECT 1 FROM", "'' at line 1"),
    ("SELECT (1", "'' at line 1"),
    (
        "SELECT 1\nFROM t\nWHERE AND id = 1",
        "'AND id = 1' at line 3",
    ),
    ("INSERT INTO t VALUES (1,)", "')' at line 1"),
    ("SELECT 'unterminated", "''unterminated' at line 1"),
    ("CREATE TABLE x (a NOTATYPE)", "'NOTATYPE)' at line 1"),
];

pub const VALUES: &[Case] = &[
    case(
        "INSERT INTO t (id, tiny) VALUES (1, 256)",
        "ERROR 1264 (22003): Out of range value for column 'tiny' at row 1",
    ),
    case(
        "INSERT INTO t (id, tiny) VALUES (1, 1), (2, -1)",
        "ERROR 1264 (22003): Out of range value for column 'tiny' at row 2",
    ),
    case(
        "INSERT INTO t (id) VALUES (2147483648)",
        "ERROR 1264 (22003): Out of range value for column 'id' at row 1",
    ),
    case(
        "INSERT INTO t (id, amount) VALUES (1, 1000)",
        "ERROR 1264 (22003): Out of range value for column 'amount' at row 1",
    ),
    case(
        "INSERT INTO t (id, name) VALUES (1, 'abcdef')",
        "ERROR 1406 (22001): Data too long for column 'name' at row 1",
    ),
    case(
        "INSERT INTO t (id, name) VALUES (1, 'äöüß€'), (2, 'äöüß€!')",
        "ERROR 1406 (22001): Data too long for column 'name' at row 2",
    ),
    case(
        "INSERT INTO t (id) VALUES ('abc')",
        "ERROR 1366 (HY000): Incorrect integer value: 'abc' for column 'id' at row 1",
    ),
    case(
        "INSERT INTO t (id) VALUES ('')",
        "ERROR 1366 (HY000): Incorrect integer value: '' for column 'id' at row 1",
    ),
    case(
        "INSERT INTO t (id, amount) VALUES (1, 'abc')",
        "ERROR 1366 (HY000): Incorrect decimal value: 'abc' for column 'amount' at row 1",
    ),
    case(
        "INSERT INTO t (id) VALUES ('12abc')",
        "ERROR 1265 (01000): Data truncated for column 'id' at row 1",
    ),
    case(
        "INSERT INTO t (id, d) VALUES (1, '2025-02-30')",
        "ERROR 1292 (22007): Incorrect date value: '2025-02-30' for column 'd' at row 1",
    ),
    case(
        "INSERT INTO t (id, dt) VALUES (1, '2025-01-01 25:00:00')",
        "ERROR 1292 (22007): Incorrect datetime value: '2025-01-01 25:00:00' for column 'dt' at row 1",
    ),
    case(
        "INSERT INTO t (id, dt) VALUES (1, 'not a date')",
        "ERROR 1292 (22007): Incorrect datetime value: 'not a date' for column 'dt' at row 1",
    ),
    case(
        "INSERT INTO t (id, d) VALUES (1, '0000-00-00')",
        "ERROR 1292 (22007): Incorrect date value: '0000-00-00' for column 'd' at row 1",
    ),
    case(
        "INSERT INTO t (id, needed) VALUES (1, NULL)",
        "ERROR 1048 (23000): Column 'needed' cannot be null",
    ),
];
