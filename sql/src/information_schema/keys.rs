//! Keys and constraints: STATISTICS, KEY_COLUMN_USAGE, TABLE_CONSTRAINTS and their like.
//!
//! Foreign keys are accepted in definitions and not kept: their table is empty.

use super::column::{Cell, bigint, choice, int, longtext, name, row, uint, varchar};
use super::tables::{Sized, each_table};
use super::{CATALOG, Row, Scope, VirtualTable, no_rows};
use crate::error::Result;
use crate::select::planner::View;
use crate::types::{Key, KeyKind};

pub static STATISTICS: VirtualTable = VirtualTable {
    name: "STATISTICS",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        int("NON_UNIQUE"),
        name("INDEX_SCHEMA"),
        name("INDEX_NAME").or_null(),
        uint("SEQ_IN_INDEX"),
        name("COLUMN_NAME").or_null(),
        varchar("COLLATION", 1).or_null(),
        bigint("CARDINALITY").or_null(),
        bigint("SUB_PART").or_null(),
        varchar("PACKED", 0).or_null(),
        varchar("NULLABLE", 3),
        varchar("INDEX_TYPE", 11),
        varchar("COMMENT", 8),
        varchar("INDEX_COMMENT", 2048),
        varchar("IS_VISIBLE", 3),
        longtext("EXPRESSION").or_null(),
    ],
    rows: |view, scope| over_keys(view, scope, statistics_rows),
};

pub static KEY_COLUMN_USAGE: VirtualTable = VirtualTable {
    name: "KEY_COLUMN_USAGE",
    columns: &[
        name("CONSTRAINT_CATALOG"),
        name("CONSTRAINT_SCHEMA"),
        name("CONSTRAINT_NAME").or_null(),
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        name("COLUMN_NAME").or_null(),
        uint("ORDINAL_POSITION"),
        uint("POSITION_IN_UNIQUE_CONSTRAINT").or_null(),
        name("REFERENCED_TABLE_SCHEMA").or_null(),
        name("REFERENCED_TABLE_NAME").or_null(),
        name("REFERENCED_COLUMN_NAME").or_null(),
    ],
    rows: |view, scope| over_keys(view, scope, usage_rows),
};

pub static TABLE_CONSTRAINTS: VirtualTable = VirtualTable {
    name: "TABLE_CONSTRAINTS",
    columns: &[
        name("CONSTRAINT_CATALOG"),
        name("CONSTRAINT_SCHEMA"),
        name("CONSTRAINT_NAME").or_null(),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        varchar("CONSTRAINT_TYPE", 11),
        varchar("ENFORCED", 3),
    ],
    rows: |view, scope| {
        let mut rows = Vec::new();
        each_table(view, scope, &mut |table| {
            for key in &table.definition.attributes.keys {
                constraint_rows(&table, key, &mut rows);
            }
            for check in &table.definition.attributes.checks {
                rows.push(row![
                    CATALOG,
                    &table.schema,
                    &check.name,
                    &table.schema,
                    &table.name,
                    "CHECK",
                    if check.enforced { "YES" } else { "NO" },
                ]);
            }
            Ok(())
        })?;
        Ok(rows)
    },
};

const RULES: &[&str] = &[
    "NO ACTION",
    "RESTRICT",
    "CASCADE",
    "SET NULL",
    "SET DEFAULT",
];

pub static REFERENTIAL_CONSTRAINTS: VirtualTable = VirtualTable {
    name: "REFERENTIAL_CONSTRAINTS",
    columns: &[
        name("CONSTRAINT_CATALOG"),
        name("CONSTRAINT_SCHEMA"),
        name("CONSTRAINT_NAME").or_null(),
        name("UNIQUE_CONSTRAINT_CATALOG"),
        name("UNIQUE_CONSTRAINT_SCHEMA"),
        name("UNIQUE_CONSTRAINT_NAME").or_null(),
        choice("MATCH_OPTION", &["NONE", "PARTIAL", "FULL"]),
        choice("UPDATE_RULE", RULES),
        choice("DELETE_RULE", RULES),
        name("TABLE_NAME"),
        name("REFERENCED_TABLE_NAME"),
    ],
    rows: no_rows,
};

pub static CHECK_CONSTRAINTS: VirtualTable = VirtualTable {
    name: "CHECK_CONSTRAINTS",
    columns: &[
        name("CONSTRAINT_CATALOG"),
        name("CONSTRAINT_SCHEMA"),
        name("CONSTRAINT_NAME"),
        longtext("CHECK_CLAUSE"),
    ],
    rows: |view, scope| {
        let mut rows = Vec::new();
        each_table(view, scope, &mut |table| {
            let checks = table.definition.attributes.checks.iter();
            rows.extend(
                checks.map(|check| row![CATALOG, &table.schema, &check.name, &check.clause]),
            );
            Ok(())
        })?;
        Ok(rows)
    },
};

fn over_keys(
    view: &View,
    scope: &Scope,
    rows_of: fn(&Sized, &Key, &mut Vec<Row>),
) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    each_table(view, scope, &mut |table| {
        for key in &table.definition.attributes.keys {
            rows_of(&table, key, &mut rows);
        }
        Ok(())
    })?;
    Ok(rows)
}

fn statistics_rows(table: &Sized, key: &Key, rows: &mut Vec<Row>) {
    for (i, part) in (1u32..).zip(&key.parts) {
        let position = table.definition.position(&part.column);
        let column = position.and_then(|p| table.definition.meta.spec.columns.get(p));
        let nullable = column.is_some_and(|c| c.nullable);
        // Values are not counted; of a unique key the number of them all is known.
        let whole = key.kind != KeyKind::Plain && i as usize == key.parts.len();
        rows.push(row![
            CATALOG,
            &table.schema,
            &table.name,
            u32::from(key.kind == KeyKind::Plain),
            &table.schema,
            &key.name,
            i,
            &part.column,
            if part.descending { "D" } else { "A" },
            if whole {
                table.rows().into()
            } else {
                Cell::Null
            },
            part.prefix,
            Cell::Null,
            if nullable { "YES" } else { "" },
            key.using.clone().unwrap_or_else(|| "BTREE".into()),
            "",
            &key.comment,
            "YES",
            Cell::Null,
        ]);
    }
}

fn usage_rows(table: &Sized, key: &Key, rows: &mut Vec<Row>) {
    if key.kind == KeyKind::Plain {
        return;
    }
    for (i, part) in (1u32..).zip(&key.parts) {
        let mut row = row![
            CATALOG,
            &table.schema,
            &key.name,
            CATALOG,
            &table.schema,
            &table.name,
            &part.column,
            i,
        ];
        row.extend(std::iter::repeat_n(Cell::Null, 4));
        rows.push(row);
    }
}

fn constraint_rows(table: &Sized, key: &Key, rows: &mut Vec<Row>) {
    let kind = match key.kind {
        KeyKind::Primary => "PRIMARY KEY",
        KeyKind::Unique => "UNIQUE",
        KeyKind::Plain => return,
    };
    rows.push(row![
        CATALOG,
        &table.schema,
        &key.name,
        &table.schema,
        &table.name,
        kind,
        "YES",
    ]);
}
