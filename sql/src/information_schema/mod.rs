//! information_schema: tables that are computed when a statement names them.
//!
//! Each table is a list of columns (names and types as in MySQL 8) and a function that makes its
//! rows from a statement's view. They are read like any table; nothing writes to them. What Storno
//! does not have (views, routines, triggers, events) has its table all the same, without rows.

mod charsets;
mod column;
mod columns;
mod keys;
mod keywords;
mod listing;
mod objects;
mod privileges;
mod provider;
mod schemata;
mod server;
mod system;
mod tables;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

pub use charsets::{CHARACTER_SETS, COLLATIONS};
pub(crate) use column::row;
pub use column::{Cell, Column, Heading, Row};
pub use column::{bigint, int, mediumtext, name, text, ubigint, uint, varchar};
pub use columns::COLUMNS;
pub use keys::STATISTICS;
pub use listing::Listing;
pub use objects::{EVENTS, ROUTINES, TRIGGERS};
pub use privileges::PRIVILEGES;
pub use provider::VirtualSource;
pub use schemata::schemas;
pub use server::{ENGINES, PLUGINS, PROCESSLIST, Status, status_values, variable_values};
pub use system::{find_in, is_server_schema};
pub use tables::TABLES as TABLE_LIST;

use crate::error::Result;
use crate::select::planner::View;
use crate::types::TableDefinition;

/// Name of the schema, as SHOW DATABASES prints it.
pub const INFORMATION_SCHEMA: &str = "information_schema";
/// Value of every `.._CATALOG` column.
pub const CATALOG: &str = "def";

/// Is this the schema's name? It is found in any case.
pub fn is_information_schema(schema: &str) -> bool {
    schema.eq_ignore_ascii_case(INFORMATION_SCHEMA)
}

/// What of a table is asked for. Rows outside may be left out and are filtered again above.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Scope {
    pub schema: Option<String>,
    pub table: Option<String>,
}

impl Scope {
    pub fn schema(schema: &str) -> Self {
        Self {
            schema: Some(schema.into()),
            table: None,
        }
    }

    pub fn table(schema: &str, table: &str) -> Self {
        Self {
            schema: Some(schema.into()),
            table: Some(table.into()),
        }
    }

    fn has_schema(&self, schema: &str) -> bool {
        self.schema.as_ref().is_none_or(|s| s == schema)
    }

    fn has_table(&self, table: &str) -> bool {
        self.table.as_ref().is_none_or(|t| t == table)
    }
}

/// A table of information_schema.
#[derive(Debug)]
pub struct VirtualTable {
    /// In upper case, as MySQL shows it.
    pub name: &'static str,
    pub columns: &'static [Column],
    pub rows: fn(&View, &Scope) -> Result<Vec<Row>>,
}

impl VirtualTable {
    /// The table's description, as of a table in the catalog.
    pub fn definition(&self) -> Result<Arc<TableDefinition>> {
        let known = DEFINITIONS.get(self.name).cloned();
        known.ok_or_else(|| crate::SqlError::internal("Internal error: a table without columns"))
    }
}

fn no_rows(_: &View, _: &Scope) -> Result<Vec<Row>> {
    Ok(Vec::new())
}

/// All tables, sorted by name.
pub static TABLES: [&VirtualTable; 37] = [
    &privileges::APPLICABLE_ROLES,
    &charsets::CHARACTER_SETS,
    &keys::CHECK_CONSTRAINTS,
    &charsets::COLLATIONS,
    &charsets::COLLATION_CHARACTER_SET_APPLICABILITY,
    &columns::COLUMNS,
    &privileges::COLUMN_PRIVILEGES,
    &columns::COLUMN_STATISTICS,
    &privileges::ENABLED_ROLES,
    &server::ENGINES,
    &objects::EVENTS,
    &objects::FILES,
    &server::GLOBAL_STATUS,
    &server::GLOBAL_VARIABLES,
    &keywords::KEYWORDS,
    &keys::KEY_COLUMN_USAGE,
    &objects::PARAMETERS,
    &tables::PARTITIONS,
    &server::PLUGINS,
    &server::PROCESSLIST,
    &keys::REFERENTIAL_CONSTRAINTS,
    &objects::ROUTINES,
    &schemata::SCHEMATA,
    &privileges::SCHEMA_PRIVILEGES,
    &server::SESSION_STATUS,
    &server::SESSION_VARIABLES,
    &keys::STATISTICS,
    &tables::TABLES,
    &objects::TABLESPACES,
    &tables::TABLES_EXTENSIONS,
    &keys::TABLE_CONSTRAINTS,
    &privileges::TABLE_PRIVILEGES,
    &objects::TRIGGERS,
    &privileges::USER_ATTRIBUTES,
    &privileges::USER_PRIVILEGES,
    &objects::VIEWS,
    &objects::VIEW_TABLE_USAGE,
];

static DEFINITIONS: LazyLock<HashMap<&'static str, Arc<TableDefinition>>> = LazyLock::new(|| {
    let definition = |table: &&'static VirtualTable| {
        let headings: Vec<Heading> = table.columns.iter().map(|c| Heading::from(*c)).collect();
        let definition = column::definition(table.name, &headings).ok()?;
        Some((table.name, Arc::new(definition)))
    };
    let all = TABLES
        .iter()
        .chain(&system::MYSQL)
        .chain(&system::PERFORMANCE);
    all.filter_map(definition).collect()
});

/// Finds a table by name, any case.
pub fn find(table: &str) -> Option<&'static VirtualTable> {
    TABLES
        .iter()
        .find(|t| t.name.eq_ignore_ascii_case(table))
        .copied()
}
