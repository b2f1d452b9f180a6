//! DESCRIBE and SHOW FULL COLUMNS.

use super::column_rows;
use crate::insert::testing::table;

#[test]
fn describe_shows_what_mysql_shows() {
    let table = table(
        "CREATE TABLE t (id BIGINT UNSIGNED NOT NULL AUTO_INCREMENT PRIMARY KEY, \
         a VARCHAR(20) UNIQUE DEFAULT 'x' COMMENT 'note', b INT NOT NULL, c DATE, \
         d DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6) ON UPDATE CURRENT_TIMESTAMP(6), \
         e TIMESTAMP NULL ON UPDATE CURRENT_TIMESTAMP, KEY (b, c))",
    );
    let rows: Vec<_> = column_rows(&table)
        .into_iter()
        .map(|r| {
            let default = r.default.unwrap_or_else(|| "NULL".into());
            [
                r.field,
                r.column_type,
                r.null.into(),
                r.key.into(),
                default,
                r.extra,
            ]
            .join("|")
        })
        .collect();
    assert_eq!(
        rows,
        [
            "id|bigint unsigned|NO|PRI|NULL|auto_increment",
            "a|varchar(20)|YES|UNI|x|",
            "b|int|NO|MUL|NULL|",
            "c|date|YES||NULL|",
            "d|datetime(6)|YES||CURRENT_TIMESTAMP(6)|\
             DEFAULT_GENERATED on update CURRENT_TIMESTAMP(6)",
            "e|timestamp|YES||NULL|on update CURRENT_TIMESTAMP",
        ]
    );
    let full = column_rows(&table);
    assert_eq!(full[1].collation.as_deref(), Some("utf8mb4_bin"));
    assert_eq!(
        (full[0].collation.as_deref(), full[1].comment.as_str()),
        (None, "note")
    );
}

#[test]
fn a_unique_key_without_null_stands_in_for_the_primary_key() {
    let keys = |sql: &str| -> Vec<&str> {
        column_rows(&table(sql))
            .into_iter()
            .map(|row| row.key)
            .collect()
    };
    assert_eq!(
        keys("CREATE TABLE t (a INT NOT NULL UNIQUE, b INT)"),
        ["PRI", ""]
    );
    assert_eq!(keys("CREATE TABLE t (a INT UNIQUE, b INT)"), ["UNI", ""]);
    assert_eq!(
        keys("CREATE TABLE t (a INT, b INT, UNIQUE (a, b))"),
        ["MUL", ""]
    );
    assert_eq!(
        keys("CREATE TABLE t (a INT, b INT, PRIMARY KEY (a, b))"),
        ["PRI", "PRI"]
    );
}
