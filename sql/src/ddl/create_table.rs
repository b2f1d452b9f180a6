//! CREATE TABLE: the statement's frame around columns, keys and options.

use sqlparser::tokenizer::Token;
use storno_storage::TableSpec;

use super::column::ColumnDefinition;
use super::cursor::Cursor;
use super::key::Element;
use super::options::TableOptions;
use super::table::{Definition, build};
use super::{DdlContext, TableName};
use crate::error::{Result, SqlError, Warning};

/// A CREATE TABLE, read and checked.
#[derive(Debug, Clone, PartialEq)]
pub struct CreateTable {
    pub schema: Option<String>,
    pub if_not_exists: bool,
    pub table: NewTable,
    pub warnings: Vec<Warning>,
}

/// What the new table is like.
#[derive(Debug, Clone, PartialEq)]
pub enum NewTable {
    Defined {
        spec: TableSpec,
        /// AUTO_INCREMENT=n: the first value to be generated.
        auto_increment: Option<u64>,
    },
    /// CREATE TABLE .. LIKE: the same columns and keys as another's, without its rows.
    Like { name: String, source: TableName },
}

impl CreateTable {
    pub fn name(&self) -> &str {
        match &self.table {
            NewTable::Defined { spec, .. } => &spec.name,
            NewTable::Like { name, .. } => name,
        }
    }
}

/// Behind CREATE. `Ok(None)`: not a table.
pub(super) fn read(
    cursor: &mut Cursor<'_>,
    context: &DdlContext<'_>,
) -> Result<Option<CreateTable>> {
    if cursor.are_words(&["TEMPORARY", "TABLE"]) {
        return Err(SqlError::not_supported("CREATE TEMPORARY TABLE"));
    }
    // ROWSTORE, COLUMNSTORE, REFERENCE: kinds of tables in SingleStore.
    for rowstore in [["ROWSTORE", "TABLE"], ["REFERENCE", "TABLE"]] {
        if cursor.are_words(&rowstore) {
            return Err(SqlError::not_supported(&format!(
                "CREATE {}",
                rowstore.join(" ")
            )));
        }
    }
    if !cursor.take("TABLE") && !cursor.take("COLUMNSTORE TABLE") {
        return Ok(None);
    }
    let if_not_exists = cursor.take("IF NOT EXISTS");
    let (schema, name) = cursor.qualified_name()?;
    if let Some(source) = like(cursor)? {
        let table = NewTable::Like { name, source };
        return Ok(Some(CreateTable {
            schema,
            if_not_exists,
            table,
            warnings: Vec::new(),
        }));
    }
    if cursor.is_word("AS") || cursor.is_word("SELECT") {
        return Err(SqlError::not_supported("CREATE TABLE .. SELECT"));
    }
    let definition = definition(cursor, name)?;
    let (spec, warnings) = build(&definition, context)?;
    let auto_increment = definition.options.auto_increment.filter(|first| *first > 0);
    let table = NewTable::Defined {
        spec,
        auto_increment,
    };
    Ok(Some(CreateTable {
        schema,
        if_not_exists,
        table,
        warnings,
    }))
}

/// Columns, keys and options of a table, behind its name.
pub(super) fn definition(cursor: &mut Cursor<'_>, name: String) -> Result<Definition> {
    let mut definition = Definition {
        name,
        ..Definition::default()
    };
    elements(cursor, &mut definition)?;
    options(cursor, &mut definition.options)?;
    Ok(definition)
}

/// `LIKE t` or `(LIKE t)`.
fn like(cursor: &mut Cursor<'_>) -> Result<Option<TableName>> {
    let parenthesized = cursor.is_symbol(&Token::LParen) && cursor.nth_is_word(1, "LIKE");
    if parenthesized {
        cursor.advance();
    }
    if !cursor.take("LIKE") {
        return Ok(None);
    }
    let (schema, table) = cursor.qualified_name()?;
    if parenthesized {
        cursor.expect_symbol(&Token::RParen)?;
    }
    Ok(Some(TableName { schema, table }))
}

fn elements(cursor: &mut Cursor<'_>, definition: &mut Definition) -> Result<()> {
    cursor.expect_symbol(&Token::LParen)?;
    loop {
        match Element::read(cursor)? {
            Some(Element::Key(key)) => definition.keys.push(key),
            Some(Element::ShardKey(parts)) => set_once(cursor, &mut definition.shard_key, parts)?,
            Some(Element::SortKey(parts)) => set_once(cursor, &mut definition.sort_key, parts)?,
            Some(Element::EventKey(key)) => {
                set_once(cursor, &mut definition.options.lifetime.event_key, key)?;
            }
            Some(Element::Check(check)) => definition.checks.push(*check),
            Some(Element::Ignored(warning)) => definition.options.warnings.push(warning),
            None => {
                let mut column = ColumnDefinition::read(cursor)?;
                // Numbered in the order of the text, wherever they stand.
                definition.checks.append(&mut column.checks);
                definition.columns.push(column);
            }
        }
        if !cursor.take_symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)
}

fn set_once<T>(cursor: &Cursor<'_>, target: &mut Option<T>, value: T) -> Result<()> {
    match target.replace(value) {
        None => Ok(()),
        Some(_) => Err(cursor.error()),
    }
}

fn options(cursor: &mut Cursor<'_>, options: &mut TableOptions) -> Result<()> {
    options.read(cursor)?;
    if cursor.is_word("PARTITION") {
        options.warnings.push(Warning::no_effect("PARTITION BY"));
        while !cursor.at_end() && !cursor.is_symbol(&Token::SemiColon) {
            cursor.advance();
        }
    }
    let query = [
        "AS", "SELECT", "IGNORE", "REPLACE", "WITH", "TABLE", "VALUES",
    ];
    if query.iter().any(|word| cursor.is_word(word)) {
        return Err(SqlError::not_supported("CREATE TABLE .. SELECT"));
    }
    Ok(())
}
