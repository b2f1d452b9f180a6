//! Statements that define databases and tables: from their text to what the session has to do.
//!
//! Nothing is executed here and nothing is looked up: whether a table exists is the caller's
//! question.

mod alter;
mod altered;
mod column;
mod create_table;
mod cursor;
mod database;
mod default;
mod division;
mod generated;
mod key;
mod key_rules;
mod lifetime;
mod options;
mod table;
mod view;
mod wider;

pub use alter::AlterTable;
pub use altered::Altered;
pub use create_table::{CreateTable, NewTable};
pub use database::{CreateDatabase, DropDatabase, DropTable, SchemaAttributes};
pub(crate) use lifetime::EVENT_KEY;
pub use view::{CreateView, DropView, ViewStatement, read as view_statement};

use cursor::Cursor;

use crate::error::Result;
use crate::types::TimeZone;

/// What of the session and the database a definition depends on.
#[derive(Debug, Clone, Copy)]
pub struct DdlContext<'a> {
    /// Default collation of the database that the table comes into.
    pub collation: &'a str,
    /// Zone in which defaults of TIMESTAMP columns are written.
    pub time_zone: TimeZone,
}

/// A name that may be qualified.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableName {
    pub schema: Option<String>,
    pub table: String,
}

/// A data-definition statement.
#[derive(Debug, Clone, PartialEq)]
pub enum Ddl {
    CreateTable(Box<CreateTable>),
    DropTable(DropTable),
    TruncateTable(TableName),
    /// ALTER TABLE, CREATE INDEX and DROP INDEX.
    AlterTable(Box<AlterTable>),
    /// Old and new names.
    RenameTables(Vec<(TableName, TableName)>),
    CreateDatabase(CreateDatabase),
    DropDatabase(DropDatabase),
}

/// Reads a statement that begins with CREATE, DROP, TRUNCATE, ALTER or RENAME. `Ok(None)`: it is none
/// of those here.
pub fn parse(text: &str, context: &DdlContext<'_>) -> Result<Option<Ddl>> {
    let mut cursor = Cursor::new(text)?;
    let ddl = if cursor.take("CREATE") {
        if cursor.take_any(&["DATABASE", "SCHEMA"]) {
            Ddl::CreateDatabase(database::create(&mut cursor)?)
        } else if let Some(index) = alter::create_index(&mut cursor)? {
            Ddl::AlterTable(Box::new(index))
        } else if let Some(create) = create_table::read(&mut cursor, context)? {
            Ddl::CreateTable(Box::new(create))
        } else {
            return Ok(None);
        }
    } else if cursor.take("DROP") {
        if cursor.take_any(&["DATABASE", "SCHEMA"]) {
            Ddl::DropDatabase(database::drop(&mut cursor)?)
        } else if cursor.take_any(&["TABLE", "TABLES", "TEMPORARY TABLE", "TEMPORARY TABLES"]) {
            Ddl::DropTable(database::drop_table(&mut cursor)?)
        } else if cursor.take("INDEX") {
            Ddl::AlterTable(Box::new(alter::drop_index(&mut cursor)?))
        } else {
            return Ok(None);
        }
    } else if cursor.take_any(&["ALTER TABLE", "ALTER IGNORE TABLE"]) {
        Ddl::AlterTable(Box::new(alter::read(&mut cursor)?))
    } else if cursor.take_any(&["RENAME TABLE", "RENAME TABLES"]) {
        Ddl::RenameTables(alter::rename_tables(&mut cursor)?)
    } else if cursor.take("TRUNCATE") {
        cursor.take("TABLE");
        let (schema, table) = cursor.qualified_name()?;
        Ddl::TruncateTable(TableName { schema, table })
    } else {
        return Ok(None);
    };
    cursor.expect_end()?;
    Ok(Some(ddl))
}

/// Reads a CREATE TABLE. 1064 for anything else.
pub fn create_table(text: &str, context: &DdlContext<'_>) -> Result<CreateTable> {
    match parse(text, context)? {
        Some(Ddl::CreateTable(create)) => Ok(*create),
        _ => Err(Cursor::new(text)?.error()),
    }
}

#[cfg(test)]
mod tests;
