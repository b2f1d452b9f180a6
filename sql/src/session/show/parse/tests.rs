//! Which statements are which form, and which are none.

use super::*;
use crate::dialect::lex;

fn show(sql: &str) -> Result<Show> {
    parse(&lex(sql).expect("lexes"))
}

fn form(sql: &str) -> Form {
    show(sql).expect(sql).form
}

fn target(schema: Option<&str>, table: &str) -> Target {
    Target {
        schema: schema.map(str::to_string),
        table: table.into(),
    }
}

#[test]
fn clients_forms_parse() {
    let full = false;
    assert_eq!(
        form("SHOW COLUMNS FROM t FROM app"),
        Form::Columns {
            target: target(Some("app"), "t"),
            full
        }
    );
    assert_eq!(
        show("SHOW TABLE STATUS FROM `app` LIKE 't'"),
        Ok(Show {
            form: Form::TableStatus {
                schema: Some("app".into())
            },
            filter: Filter::Like("t".into())
        })
    );
    assert_eq!(
        show("SHOW KEYS FROM `t` WHERE Key_name='PRIMARY'"),
        Ok(Show {
            form: Form::Index {
                target: target(None, "t")
            },
            filter: Filter::Where { from: 25 }
        })
    );
    assert_eq!(
        form("SHOW GRANTS FOR CURRENT_USER()"),
        Form::Grants { account: None }
    );
    assert_eq!(
        form("show warnings limit 2, 5"),
        Form::Warnings {
            errors: false,
            offset: 2,
            count: 5
        }
    );
    assert_eq!(form("SHOW COUNT(*) ERRORS"), Form::Count { errors: true });
    for sql in [
        "SHOW FULL PROCESSLIST",
        "SHOW EXTENDED FULL COLUMNS IN a.b",
        "SHOW GLOBAL STATUS LIKE 'x'",
        "SHOW FUNCTION STATUS WHERE Db = 'app'",
        "SHOW ENGINE INNODB STATUS",
        "SHOW SLAVE STATUS",
        "SHOW REPLICA STATUS FOR CHANNEL 'x'",
        "SHOW CREATE DATABASE IF NOT EXISTS `t`",
        "SHOW STORAGE ENGINES;",
    ] {
        assert!(show(sql).is_ok(), "{sql}");
    }
}

#[test]
fn what_mysql_does_not_parse_is_a_syntax_error() {
    for sql in [
        "SHOW",
        "SHOW NOTHING",
        "SHOW TABLES x",
        "SHOW FULL DATABASES",
        "SHOW INDEX FROM t LIKE 'x'",
        "SHOW GLOBAL TABLES",
        "SHOW COLUMNS",
        "SHOW TABLES LIKE x",
        "SHOW TABLES WHERE",
        "SHOW PLUGINS LIKE 'x'",
        "SHOW CREATE x",
    ] {
        assert_eq!(show(sql).expect_err(sql).code, 1064, "{sql}");
    }
}
