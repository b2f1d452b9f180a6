//! TABLES, TABLES_EXTENSIONS and PARTITIONS.
//!
//! Storage keeps no times of creation and change: those columns are NULL. Index bytes are 0, since keys
//! are found through the columns themselves.

use std::sync::Arc;

use super::column::{
    Cell, bigint, choice, datetime, json, name, row, text, timestamp, ubigint, uint, varchar,
};
use super::{CATALOG, INFORMATION_SCHEMA, Row, Scope, VirtualTable, schemata};
use crate::error::Result;
use crate::select::planner::View;
use crate::show::{ENGINE, lifetime_text};
use crate::types::TableDefinition;

const ROW_FORMATS: &[&str] = &[
    "Fixed",
    "Dynamic",
    "Compressed",
    "Redundant",
    "Compact",
    "Paged",
];

pub static TABLES: VirtualTable = VirtualTable {
    name: "TABLES",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        choice("TABLE_TYPE", &["BASE TABLE", "VIEW", "SYSTEM VIEW"]),
        name("ENGINE").or_null(),
        super::column::int("VERSION").or_null(),
        choice("ROW_FORMAT", ROW_FORMATS).or_null(),
        ubigint("TABLE_ROWS").or_null(),
        ubigint("AVG_ROW_LENGTH").or_null(),
        ubigint("DATA_LENGTH").or_null(),
        ubigint("MAX_DATA_LENGTH").or_null(),
        ubigint("INDEX_LENGTH").or_null(),
        ubigint("DATA_FREE").or_null(),
        ubigint("AUTO_INCREMENT").or_null(),
        timestamp("CREATE_TIME").or_null(),
        datetime("UPDATE_TIME").or_null(),
        datetime("CHECK_TIME").or_null(),
        name("TABLE_COLLATION").or_null(),
        bigint("CHECKSUM").or_null(),
        varchar("CREATE_OPTIONS", 256).or_null(),
        text("TABLE_COMMENT").or_null(),
    ],
    rows: |view, scope| over_tables(view, scope, table_row),
};

pub static TABLES_EXTENSIONS: VirtualTable = VirtualTable {
    name: "TABLES_EXTENSIONS",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        json("ENGINE_ATTRIBUTE").or_null(),
        json("SECONDARY_ENGINE_ATTRIBUTE").or_null(),
    ],
    rows: |view, scope| {
        over_tables(view, scope, |table| {
            let null = Option::<u32>::None;
            row![CATALOG, table.schema, table.name, null, null]
        })
    },
};

pub static PARTITIONS: VirtualTable = VirtualTable {
    name: "PARTITIONS",
    columns: &[
        name("TABLE_CATALOG"),
        name("TABLE_SCHEMA"),
        name("TABLE_NAME"),
        name("PARTITION_NAME").or_null(),
        name("SUBPARTITION_NAME").or_null(),
        uint("PARTITION_ORDINAL_POSITION").or_null(),
        uint("SUBPARTITION_ORDINAL_POSITION").or_null(),
        varchar("PARTITION_METHOD", 13).or_null(),
        varchar("SUBPARTITION_METHOD", 13).or_null(),
        varchar("PARTITION_EXPRESSION", 2048).or_null(),
        varchar("SUBPARTITION_EXPRESSION", 2048).or_null(),
        text("PARTITION_DESCRIPTION").or_null(),
        ubigint("TABLE_ROWS").or_null(),
        ubigint("AVG_ROW_LENGTH").or_null(),
        ubigint("DATA_LENGTH").or_null(),
        ubigint("MAX_DATA_LENGTH").or_null(),
        ubigint("INDEX_LENGTH").or_null(),
        ubigint("DATA_FREE").or_null(),
        timestamp("CREATE_TIME").or_null(),
        datetime("UPDATE_TIME").or_null(),
        datetime("CHECK_TIME").or_null(),
        bigint("CHECKSUM").or_null(),
        text("PARTITION_COMMENT"),
        varchar("NODEGROUP", 256).or_null(),
        varchar("TABLESPACE_NAME", 268).or_null(),
    ],
    rows: |view, scope| over_tables(view, scope, partition_row),
};

/// A table with what is known of its size.
pub struct Sized {
    pub schema: String,
    pub name: String,
    pub definition: Arc<TableDefinition>,
    /// Rows and bytes; `None` for a view or a table of information_schema.
    size: Option<(u64, u64)>,
}

impl Sized {
    pub fn rows(&self) -> u64 {
        self.size.map_or(0, |(rows, _)| rows)
    }
}

/// Rows made from every table in scope, those of information_schema included.
fn over_tables(view: &View, scope: &Scope, row: fn(Sized) -> Row) -> Result<Vec<Row>> {
    let mut rows = Vec::new();
    each_table(view, scope, &mut |table| {
        rows.push(row(table));
        Ok(())
    })?;
    Ok(rows)
}

/// Calls `visit` for every table in scope, by schema and name.
pub fn each_table(
    view: &View,
    scope: &Scope,
    visit: &mut dyn FnMut(Sized) -> Result<()>,
) -> Result<()> {
    for (schema, _) in schemata::schemas(view)? {
        if !scope.has_schema(&schema) {
            continue;
        }
        if schema == INFORMATION_SCHEMA {
            for table in super::TABLES.iter().filter(|t| scope.has_table(t.name)) {
                visit(Sized {
                    schema: schema.clone(),
                    name: table.name.into(),
                    definition: table.definition()?,
                    size: None,
                })?;
            }
            continue;
        }
        let mut found = stored_tables(view, scope, &schema)?;
        found.sort_by(|a, b| a.name.cmp(&b.name));
        found.into_iter().try_for_each(&mut *visit)?;
    }
    Ok(())
}

/// Tables and views of a schema that the user may see.
fn stored_tables(view: &View, scope: &Scope, schema: &str) -> Result<Vec<Sized>> {
    let rights = view.rights();
    let is_seen = |name: &str| scope.has_table(name) && rights.see_table(schema, name);
    let mut found = Vec::new();
    let tables = view.snapshot.tables(schema).unwrap_or_default();
    for meta in tables.iter().filter(|meta| is_seen(&meta.spec.name)) {
        // A table of the same snapshot: it is there.
        let Some(table) = view.snapshot.table(schema, &meta.spec.name) else {
            continue;
        };
        found.push(Sized {
            schema: schema.to_owned(),
            name: meta.spec.name.clone(),
            definition: Arc::new(TableDefinition::read(Arc::clone(meta))?),
            size: Some((table.rows(), table.bytes())),
        });
    }
    for (name, stored) in view.views.of(schema).filter(|(name, _)| is_seen(name)) {
        found.push(Sized {
            schema: schema.to_owned(),
            name: name.clone(),
            definition: Arc::new(stored.definition(schema, name)?),
            size: None,
        });
    }
    Ok(found)
}

fn table_row(table: Sized) -> Row {
    let is_system = table.definition.meta.schema == INFORMATION_SCHEMA;
    if table.size.is_none() && !is_system {
        return view_row(table);
    }
    let (rows, bytes) = table.size.unwrap_or_default();
    let attributes = &table.definition.attributes;
    let stored = |text: &'static str| (!is_system).then_some(text);
    let null = Option::<u32>::None;
    let mut row = row![
        CATALOG,
        table.schema,
        table.name,
        if is_system {
            "SYSTEM VIEW"
        } else {
            "BASE TABLE"
        },
        stored(ENGINE),
        10,
        stored("Dynamic"),
    ];
    row.extend(sizes(rows, bytes));
    row.extend(row![
        null,
        null,
        null,
        null,
        (!is_system).then_some(&attributes.collation),
        null,
        lifetime_text(&table.definition),
        &attributes.comment,
    ]);
    row
}

/// A view has a name, and nothing else to say here.
fn view_row(table: Sized) -> Row {
    let mut row = row![CATALOG, table.schema, table.name, "VIEW"];
    row.extend(std::iter::repeat_n(
        Cell::Null,
        TABLES.columns.len() - row.len() - 1,
    ));
    row.extend(row!["VIEW"]);
    row
}

/// Rows, bytes of a row, of the data, at most, of indexes, not used.
fn sizes(rows: u64, bytes: u64) -> [Cell; 6] {
    let average = bytes.checked_div(rows).unwrap_or(0);
    [rows, average, bytes, 0, 0, 0].map(Cell::from)
}

fn partition_row(table: Sized) -> Row {
    let (rows, bytes) = table.size.unwrap_or_default();
    let mut row = row![CATALOG, table.schema, table.name];
    row.extend(std::iter::repeat_n(Cell::Null, 9));
    row.extend(sizes(rows, bytes));
    row.extend(std::iter::repeat_n(Cell::Null, 4));
    row.extend(row!["", Cell::Null, Cell::Null]);
    row
}
