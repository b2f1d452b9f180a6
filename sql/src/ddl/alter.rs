//! ALTER TABLE, RENAME TABLE, CREATE INDEX and DROP INDEX as written.
//!
//! What becomes of a table by them is `altered`'s part.

use sqlparser::ast::Expr;
use sqlparser::tokenizer::Token;

use super::TableName;
use super::column::ColumnDefinition;
use super::cursor::Cursor;
use super::key::{Element, KeyDefinition};
use super::lifetime::{EVENT_KEY, EventKey};
use super::options::{TableOptions, charset_option, take_equals};
use crate::check::CheckDefinition;
use crate::error::{Result, SqlError, Warning};
use crate::types::KeyKind;

/// An ALTER TABLE.
#[derive(Debug, Clone, PartialEq)]
pub struct AlterTable {
    pub name: TableName,
    pub(super) actions: Vec<Action>,
    pub(super) options: TableOptions,
    /// RENAME TO.
    pub rename: Option<TableName>,
    pub warnings: Vec<Warning>,
}

/// One change of a table.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Action {
    AddColumn(Box<ColumnDefinition>, Place),
    DropColumn(String),
    /// CHANGE, and MODIFY, which keeps the name.
    ChangeColumn(String, Box<ColumnDefinition>, Place),
    RenameColumn(String, String),
    /// ALTER COLUMN SET DEFAULT; `None`: DROP DEFAULT.
    SetDefault(String, Option<Box<Expr>>),
    AddKey(KeyDefinition),
    DropKey(String),
    RenameKey(String, String),
    AddCheck(Box<CheckDefinition>),
    DropCheck(String),
    /// DROP CONSTRAINT: a key or a CHECK.
    DropConstraint(String),
    /// ALTER CHECK, ALTER CONSTRAINT: enforced from now on, or not.
    EnforceCheck(String, bool),
    AddEventKey(EventKey),
    DropEventKey,
    /// REMOVE TTL
    RemoveTtl,
    /// REMOVE ERASE AFTER
    RemoveEraseAfter,
    /// REMOVE ON INVALID
    RemoveOnInvalid,
    /// CONVERT TO CHARACTER SET: character set and collation.
    Convert(Option<String>, Option<String>),
}

/// Where a column goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Place {
    /// To the end, or where it is.
    Unsaid,
    First,
    After(String),
}

/// Name of the primary key.
pub(super) const PRIMARY: &str = "PRIMARY";

/// Behind ALTER TABLE.
pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<AlterTable> {
    let (schema, table) = cursor.qualified_name()?;
    let mut alter = AlterTable::of(TableName { schema, table });
    if cursor.at_end() || cursor.is_symbol(&Token::SemiColon) {
        return Ok(alter);
    }
    loop {
        alter.action(cursor)?;
        if !cursor.take_symbol(&Token::Comma) {
            return Ok(alter);
        }
    }
}

/// Behind CREATE, if it creates an index.
pub(super) fn create_index(cursor: &mut Cursor<'_>) -> Result<Option<AlterTable>> {
    let kind = if cursor.take("UNIQUE INDEX") {
        KeyKind::Unique
    } else if cursor.take("INDEX") {
        KeyKind::Plain
    } else if cursor.take_any(&["FULLTEXT INDEX", "SPATIAL INDEX"]) {
        cursor.name()?;
        cursor.expect("ON")?;
        let (schema, table) = cursor.qualified_name()?;
        let mut alter = AlterTable::of(TableName { schema, table });
        cursor.skip_parentheses()?;
        alter.warnings.push(Warning::no_effect("FULLTEXT"));
        return Ok(Some(alter));
    } else {
        return Ok(None);
    };
    let name = cursor.name()?;
    let using = super::key::key_using(cursor)?;
    cursor.expect("ON")?;
    let (schema, table) = cursor.qualified_name()?;
    let mut alter = AlterTable::of(TableName { schema, table });
    let element = super::key::key_of(cursor, kind, Some(name), using)?;
    alter.add_element(element)?;
    while lock_or_algorithm(cursor)? {}
    Ok(Some(alter))
}

/// Behind DROP INDEX.
pub(super) fn drop_index(cursor: &mut Cursor<'_>) -> Result<AlterTable> {
    let name = cursor.name()?;
    cursor.expect("ON")?;
    let (schema, table) = cursor.qualified_name()?;
    let mut alter = AlterTable::of(TableName { schema, table });
    alter.actions.push(Action::DropKey(name));
    while lock_or_algorithm(cursor)? {}
    Ok(alter)
}

/// Behind RENAME TABLE: old and new names.
pub(super) fn rename_tables(cursor: &mut Cursor<'_>) -> Result<Vec<(TableName, TableName)>> {
    let mut pairs = Vec::new();
    loop {
        let (schema, table) = cursor.qualified_name()?;
        let from = TableName { schema, table };
        cursor.expect("TO")?;
        let (schema, table) = cursor.qualified_name()?;
        pairs.push((from, TableName { schema, table }));
        if !cursor.take_symbol(&Token::Comma) {
            return Ok(pairs);
        }
    }
}

/// ALGORITHM and LOCK: every change here is done at once, and nobody waits for it.
fn lock_or_algorithm(cursor: &mut Cursor<'_>) -> Result<bool> {
    if !cursor.take_any(&["ALGORITHM", "LOCK"]) {
        return Ok(false);
    }
    take_equals(cursor);
    cursor.name()?;
    Ok(true)
}

impl AlterTable {
    fn of(name: TableName) -> Self {
        Self {
            name,
            actions: Vec::new(),
            options: TableOptions::default(),
            rename: None,
            warnings: Vec::new(),
        }
    }

    /// Nothing but the name changes.
    pub fn only_renames(&self) -> bool {
        self.actions.is_empty() && self.options == TableOptions::default()
    }

    fn action(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.take("ADD") {
            self.add(cursor)
        } else if cursor.take("DROP") {
            self.drop(cursor)
        } else if cursor.take("CHANGE") {
            cursor.take("COLUMN");
            let name = cursor.name()?;
            self.change(cursor, Some(name))
        } else if cursor.take("MODIFY") {
            cursor.take("COLUMN");
            self.change(cursor, None)
        } else if cursor.take("RENAME") {
            self.rename(cursor)
        } else if cursor.take("ALTER") {
            self.alter_column(cursor)
        } else if cursor.take("CONVERT TO") {
            let (mut charset, mut collation) = (None, None);
            while charset_option(cursor, &mut charset, &mut collation)? {}
            self.actions.push(Action::Convert(charset, collation));
            Ok(())
        } else if cursor.take("ORDER BY") {
            loop {
                cursor.name()?;
                cursor.take_any(&["ASC", "DESC"]);
                if !cursor.take_symbol(&Token::Comma) {
                    break;
                }
            }
            self.warnings.push(Warning::no_effect("ORDER BY"));
            Ok(())
        } else if cursor.take("REMOVE TTL") {
            self.actions.push(Action::RemoveTtl);
            Ok(())
        } else if cursor.take("REMOVE ERASE AFTER") {
            self.actions.push(Action::RemoveEraseAfter);
            Ok(())
        } else if cursor.take("REMOVE ON INVALID") {
            self.actions.push(Action::RemoveOnInvalid);
            Ok(())
        } else {
            self.without_effect(cursor)
        }
    }

    fn without_effect(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let accepted = [
            "FORCE",
            "ENABLE KEYS",
            "DISABLE KEYS",
            "WITH VALIDATION",
            "WITHOUT VALIDATION",
        ];
        if cursor.take_any(&accepted) || lock_or_algorithm(cursor)? {
            return Ok(());
        }
        let others = [
            "PARTITION",
            "REMOVE",
            "COALESCE",
            "EXCHANGE",
            "REORGANIZE",
            "TRUNCATE",
            "ANALYZE",
            "CHECK",
            "OPTIMIZE",
            "REBUILD",
            "REPAIR",
            "DISCARD",
            "IMPORT",
        ];
        if let Some(word) = others.iter().find(|word| cursor.is_word(word)) {
            return Err(SqlError::not_supported(&format!("ALTER TABLE .. {word}")));
        }
        match self.options.read_some(cursor)? {
            true => Ok(()),
            false => Err(cursor.error()),
        }
    }

    fn add(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if !cursor.is_word("COLUMN")
            && let Some(element) = Element::read(cursor)?
        {
            return self.add_element(element);
        }
        cursor.take("COLUMN");
        if !cursor.take_symbol(&Token::LParen) {
            let column = ColumnDefinition::read(cursor)?;
            let place = place(cursor)?;
            self.actions
                .push(Action::AddColumn(Box::new(column), place));
            return Ok(());
        }
        loop {
            match Element::read(cursor)? {
                Some(element) => self.add_element(element)?,
                None => {
                    let column = Box::new(ColumnDefinition::read(cursor)?);
                    self.actions.push(Action::AddColumn(column, Place::Unsaid));
                }
            }
            if !cursor.take_symbol(&Token::Comma) {
                return cursor.expect_symbol(&Token::RParen);
            }
        }
    }

    fn add_element(&mut self, element: Element) -> Result<()> {
        match element {
            Element::Key(key) => self.actions.push(Action::AddKey(key)),
            Element::Check(check) => self.actions.push(Action::AddCheck(check)),
            Element::EventKey(key) => self.actions.push(Action::AddEventKey(key)),
            Element::Ignored(warning) => self.warnings.push(warning),
            Element::ShardKey(_) => return Err(SqlError::not_supported("ADD SHARD KEY")),
            Element::SortKey(_) => return Err(SqlError::not_supported("ADD SORT KEY")),
        }
        Ok(())
    }

    fn drop(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.take("PRIMARY KEY") {
            self.actions.push(Action::DropKey(PRIMARY.into()));
        } else if cursor.take(EVENT_KEY) {
            self.actions.push(Action::DropEventKey);
        } else if cursor.take_any(&["INDEX", "KEY"]) {
            let name = cursor.name()?;
            self.actions.push(Action::DropKey(name));
        } else if cursor.take("FOREIGN KEY") {
            cursor.name()?;
            // There was a warning when it was made: nothing was kept of it.
            self.warnings.push(Warning::no_effect("FOREIGN KEY"));
        } else if cursor.take("CHECK") {
            let name = cursor.name()?;
            self.actions.push(Action::DropCheck(name));
        } else if cursor.take("CONSTRAINT") {
            let name = cursor.name()?;
            self.actions.push(Action::DropConstraint(name));
        } else if cursor.is_word("PARTITION") {
            return Err(SqlError::not_supported("ALTER TABLE .. PARTITION"));
        } else {
            cursor.take("COLUMN");
            let name = cursor.name()?;
            cursor.take_any(&["RESTRICT", "CASCADE"]);
            self.actions.push(Action::DropColumn(name));
        }
        Ok(())
    }

    /// `old`: CHANGE; MODIFY names the column only once.
    fn change(&mut self, cursor: &mut Cursor<'_>, old: Option<String>) -> Result<()> {
        let column = ColumnDefinition::read(cursor)?;
        let place = place(cursor)?;
        let old = old.unwrap_or_else(|| column.name.clone());
        let action = Action::ChangeColumn(old, Box::new(column), place);
        self.actions.push(action);
        Ok(())
    }

    fn rename(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        let pair = |cursor: &mut Cursor<'_>| -> Result<(String, String)> {
            let old = cursor.name()?;
            cursor.expect("TO")?;
            Ok((old, cursor.name()?))
        };
        if cursor.take("COLUMN") {
            let (old, new) = pair(cursor)?;
            self.actions.push(Action::RenameColumn(old, new));
        } else if cursor.take_any(&["INDEX", "KEY"]) {
            let (old, new) = pair(cursor)?;
            self.actions.push(Action::RenameKey(old, new));
        } else {
            if !cursor.take_any(&["TO", "AS"]) {
                cursor.take_symbol(&Token::Eq);
            }
            let (schema, table) = cursor.qualified_name()?;
            self.rename = Some(TableName { schema, table });
        }
        Ok(())
    }

    /// ALTER COLUMN c SET DEFAULT x, DROP DEFAULT; ALTER INDEX i VISIBLE; ALTER CHECK c NOT ENFORCED.
    fn alter_column(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        if cursor.take("INDEX") {
            cursor.name()?;
            return match cursor.take_any(&["VISIBLE", "INVISIBLE"]) {
                true => Ok(()),
                false => Err(cursor.error()),
            };
        }
        if cursor.take_any(&["CHECK", "CONSTRAINT"]) {
            let name = cursor.name()?;
            let enforced = !cursor.take("NOT ENFORCED");
            if enforced {
                cursor.expect("ENFORCED")?;
            }
            self.actions.push(Action::EnforceCheck(name, enforced));
            return Ok(());
        }
        cursor.take("COLUMN");
        let name = cursor.name()?;
        if cursor.take("DROP DEFAULT") {
            self.actions.push(Action::SetDefault(name, None));
        } else if cursor.take("SET DEFAULT") {
            let value = Box::new(cursor.operand()?);
            self.actions.push(Action::SetDefault(name, Some(value)));
        } else if !cursor.take("SET VISIBLE") {
            return Err(cursor.error());
        }
        Ok(())
    }
}

fn place(cursor: &mut Cursor<'_>) -> Result<Place> {
    if cursor.take("FIRST") {
        return Ok(Place::First);
    }
    match cursor.take("AFTER") {
        true => cursor.name().map(Place::After),
        false => Ok(Place::Unsaid),
    }
}
