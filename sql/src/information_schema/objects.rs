//! VIEWS, and tables about what Storno does not have: routines, triggers, events, files. Those
//! are without rows, with MySQL 8's columns, so that clients that ask find nothing.

use super::column::{
    bigint, choice, datetime, int, longtext, mediumtext, name, text, timestamp, ubigint, uint,
    varchar,
};
use super::{CATALOG, Row, VirtualTable, no_rows, row, schemata};
use crate::views::StoredView;

const YES_NO: &[&str] = &["NO", "YES"];
const ROUTINE_TYPES: &[&str] = &["FUNCTION", "PROCEDURE"];
const STATUS: &[&str] = &["ENABLED", "DISABLED", "SLAVESIDE_DISABLED"];

pub static VIEWS: VirtualTable = VirtualTable {
    name: "VIEWS",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        longtext("VIEW_DEFINITION").or_null(),
        choice("CHECK_OPTION", &["NONE", "LOCAL", "CASCADED"]).or_null(),
        choice("IS_UPDATABLE", YES_NO).or_null(),
        varchar("DEFINER", 288).or_null(),
        varchar("SECURITY_TYPE", 7).or_null(),
        name("CHARACTER_SET_CLIENT"),
        name("COLLATION_CONNECTION"),
    ],
    rows: |view, scope| {
        let mut rows = Vec::new();
        let rights = view.rights();
        for (schema, _) in schemata::schemas(view)? {
            let views = view.views.of(&schema).filter(|(name, _)| {
                let is_asked = scope.has_schema(&schema) && scope.has_table(name);
                is_asked && rights.see_table(&schema, name)
            });
            rows.extend(views.map(|(name, stored)| {
                // As in MySQL, the text is for those who may SHOW CREATE VIEW.
                let is_shown = rights.may_show_view(&schema, name);
                view_row(&schema, name, stored, is_shown)
            }));
        }
        Ok(rows)
    },
};

fn view_row(schema: &str, name: &str, view: &StoredView, is_shown: bool) -> Row {
    let query = match is_shown {
        true => view.query.clone(),
        false => String::new(),
    };
    let definer = view.definer.replace('`', "");
    row![
        CATALOG,
        schema.to_owned(),
        name.to_owned(),
        query,
        "NONE",
        "NO",
        definer,
        &view.security,
        "utf8mb4",
        &view.collation,
    ]
}

pub static VIEW_TABLE_USAGE: VirtualTable = VirtualTable {
    name: "VIEW_TABLE_USAGE",
    columns: &[
        name("VIEW_CATALOG"),
        name("VIEW_SCHEMA"),
        name("VIEW_NAME"),
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
    ],
    rows: no_rows,
};

pub static ROUTINES: VirtualTable = VirtualTable {
    name: "ROUTINES",
    columns: &[
        name("SPECIFIC_NAME"),
        name("ROUTINE_CATALOG"),
        name("ROUTINE_SCHEMA"),
        name("ROUTINE_NAME"),
        choice("ROUTINE_TYPE", ROUTINE_TYPES),
        longtext("DATA_TYPE").or_null(),
        bigint("CHARACTER_MAXIMUM_LENGTH").or_null(),
        bigint("CHARACTER_OCTET_LENGTH").or_null(),
        uint("NUMERIC_PRECISION").or_null(),
        uint("NUMERIC_SCALE").or_null(),
        uint("DATETIME_PRECISION").or_null(),
        name("CHARACTER_SET_NAME").or_null(),
        name("COLLATION_NAME").or_null(),
        longtext("DTD_IDENTIFIER").or_null(),
        varchar("ROUTINE_BODY", 8),
        longtext("ROUTINE_DEFINITION").or_null(),
        varchar("EXTERNAL_NAME", 0).or_null(),
        name("EXTERNAL_LANGUAGE"),
        varchar("PARAMETER_STYLE", 3),
        varchar("IS_DETERMINISTIC", 3),
        choice(
            "SQL_DATA_ACCESS",
            &[
                "CONTAINS SQL",
                "NO SQL",
                "READS SQL DATA",
                "MODIFIES SQL DATA",
            ],
        ),
        varchar("SQL_PATH", 0).or_null(),
        choice("SECURITY_TYPE", &["DEFAULT", "INVOKER", "DEFINER"]),
        timestamp("CREATED"),
        timestamp("LAST_ALTERED"),
        varchar("SQL_MODE", 520),
        text("ROUTINE_COMMENT"),
        varchar("DEFINER", 288),
        name("CHARACTER_SET_CLIENT"),
        name("COLLATION_CONNECTION"),
        name("DATABASE_COLLATION"),
    ],
    rows: no_rows,
};

pub static PARAMETERS: VirtualTable = VirtualTable {
    name: "PARAMETERS",
    columns: &[
        name("SPECIFIC_CATALOG"),
        name("SPECIFIC_SCHEMA"),
        name("SPECIFIC_NAME"),
        ubigint("ORDINAL_POSITION"),
        varchar("PARAMETER_MODE", 5).or_null(),
        name("PARAMETER_NAME").or_null(),
        longtext("DATA_TYPE").or_null(),
        bigint("CHARACTER_MAXIMUM_LENGTH").or_null(),
        bigint("CHARACTER_OCTET_LENGTH").or_null(),
        uint("NUMERIC_PRECISION").or_null(),
        bigint("NUMERIC_SCALE").or_null(),
        uint("DATETIME_PRECISION").or_null(),
        name("CHARACTER_SET_NAME").or_null(),
        name("COLLATION_NAME").or_null(),
        mediumtext("DTD_IDENTIFIER"),
        choice("ROUTINE_TYPE", ROUTINE_TYPES),
    ],
    rows: no_rows,
};

pub static TRIGGERS: VirtualTable = VirtualTable {
    name: "TRIGGERS",
    columns: &[
        name("TRIGGER_CATALOG"),
        name("TRIGGER_SCHEMA"),
        name("TRIGGER_NAME"),
        choice("EVENT_MANIPULATION", &["INSERT", "UPDATE", "DELETE"]),
        name("EVENT_OBJECT_CATALOG"),
        name("EVENT_OBJECT_SCHEMA"),
        name("EVENT_OBJECT_TABLE"),
        uint("ACTION_ORDER"),
        varchar("ACTION_CONDITION", 0).or_null(),
        longtext("ACTION_STATEMENT"),
        varchar("ACTION_ORIENTATION", 3),
        choice("ACTION_TIMING", &["BEFORE", "AFTER"]),
        varchar("ACTION_REFERENCE_OLD_TABLE", 0).or_null(),
        varchar("ACTION_REFERENCE_NEW_TABLE", 0).or_null(),
        varchar("ACTION_REFERENCE_OLD_ROW", 3),
        varchar("ACTION_REFERENCE_NEW_ROW", 3),
        timestamp("CREATED"),
        varchar("SQL_MODE", 520),
        varchar("DEFINER", 288),
        name("CHARACTER_SET_CLIENT"),
        name("COLLATION_CONNECTION"),
        name("DATABASE_COLLATION"),
    ],
    rows: no_rows,
};

pub static EVENTS: VirtualTable = VirtualTable {
    name: "EVENTS",
    columns: &[
        name("EVENT_CATALOG"),
        name("EVENT_SCHEMA"),
        name("EVENT_NAME"),
        varchar("DEFINER", 288),
        name("TIME_ZONE"),
        varchar("EVENT_BODY", 3),
        longtext("EVENT_DEFINITION"),
        varchar("EVENT_TYPE", 9),
        datetime("EXECUTE_AT").or_null(),
        varchar("INTERVAL_VALUE", 256).or_null(),
        varchar("INTERVAL_FIELD", 18).or_null(),
        varchar("SQL_MODE", 520),
        datetime("STARTS").or_null(),
        datetime("ENDS").or_null(),
        choice("STATUS", STATUS),
        varchar("ON_COMPLETION", 12),
        timestamp("CREATED"),
        timestamp("LAST_ALTERED"),
        datetime("LAST_EXECUTED").or_null(),
        varchar("EVENT_COMMENT", 2048),
        uint("ORIGINATOR"),
        name("CHARACTER_SET_CLIENT"),
        name("COLLATION_CONNECTION"),
        name("DATABASE_COLLATION"),
    ],
    rows: no_rows,
};

pub static TABLESPACES: VirtualTable = VirtualTable {
    name: "TABLESPACES",
    columns: &[
        name("TABLESPACE_NAME"),
        name("ENGINE"),
        name("TABLESPACE_TYPE").or_null(),
        name("LOGFILE_GROUP_NAME").or_null(),
        ubigint("EXTENT_SIZE").or_null(),
        ubigint("AUTOEXTEND_SIZE").or_null(),
        ubigint("MAXIMUM_SIZE").or_null(),
        ubigint("NODEGROUP_ID").or_null(),
        varchar("TABLESPACE_COMMENT", 2048).or_null(),
    ],
    rows: no_rows,
};

pub static FILES: VirtualTable = VirtualTable {
    name: "FILES",
    columns: &[
        bigint("FILE_ID").or_null(),
        text("FILE_NAME").or_null(),
        varchar("FILE_TYPE", 256).or_null(),
        varchar("TABLESPACE_NAME", 268),
        varchar("TABLE_CATALOG", 0),
        varchar("TABLE_SCHEMA", 0).or_null(),
        varchar("TABLE_NAME", 0).or_null(),
        varchar("LOGFILE_GROUP_NAME", 256).or_null(),
        bigint("LOGFILE_GROUP_NUMBER").or_null(),
        name("ENGINE"),
        varchar("FULLTEXT_KEYS", 0).or_null(),
        int("DELETED_ROWS").or_null(),
        int("UPDATE_COUNT").or_null(),
        bigint("FREE_EXTENTS").or_null(),
        bigint("TOTAL_EXTENTS").or_null(),
        bigint("EXTENT_SIZE").or_null(),
        bigint("INITIAL_SIZE").or_null(),
        bigint("MAXIMUM_SIZE").or_null(),
        bigint("AUTOEXTEND_SIZE").or_null(),
        datetime("CREATION_TIME").or_null(),
        datetime("LAST_UPDATE_TIME").or_null(),
        datetime("LAST_ACCESS_TIME").or_null(),
        int("RECOVER_TIME").or_null(),
        int("TRANSACTION_COUNTER").or_null(),
        bigint("VERSION").or_null(),
        varchar("ROW_FORMAT", 256).or_null(),
        bigint("TABLE_ROWS").or_null(),
        bigint("AVG_ROW_LENGTH").or_null(),
        bigint("DATA_LENGTH").or_null(),
        bigint("MAX_DATA_LENGTH").or_null(),
        bigint("INDEX_LENGTH").or_null(),
        bigint("DATA_FREE").or_null(),
        datetime("CREATE_TIME").or_null(),
        datetime("UPDATE_TIME").or_null(),
        datetime("CHECK_TIME").or_null(),
        bigint("CHECKSUM").or_null(),
        varchar("STATUS", 256).or_null(),
        varchar("EXTRA", 256).or_null(),
    ],
    rows: no_rows,
};
