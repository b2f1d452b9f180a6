//! Table options behind the closing parenthesis: those that mean something here, and those that do
//! not.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::lifetime::Lifetime;
use crate::error::{Result, SqlError, Warning};

/// What the options say.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct TableOptions {
    pub(super) engine: Option<String>,
    pub(super) auto_increment: Option<u64>,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) comment: Option<String>,
    pub(super) lifetime: Lifetime,
    pub(super) warnings: Vec<Warning>,
}

/// Engines whose name in a definition is accepted: all get Storno's.
const ENGINES: [&str; 17] = [
    "InnoDB",
    "MyISAM",
    "MEMORY",
    "HEAP",
    "CSV",
    "ARCHIVE",
    "BLACKHOLE",
    "MERGE",
    "MRG_MYISAM",
    "FEDERATED",
    "NDB",
    "NDBCLUSTER",
    "Aria",
    "ColumnStore",
    "RocksDB",
    "TokuDB",
    "Storno",
];

/// Options that are accepted and do nothing: `name [=] value`.
const WITHOUT_EFFECT: [&str; 31] = [
    "AUTOEXTEND_SIZE",
    "AUTOSTATS_CARDINALITY_MODE",
    "AUTOSTATS_ENABLED",
    "AUTOSTATS_HISTOGRAM_MODE",
    "AUTOSTATS_SAMPLING",
    "AVG_ROW_LENGTH",
    "CHECKSUM",
    "COMPRESSION",
    "CONNECTION",
    "DATA DIRECTORY",
    "DELAY_KEY_WRITE",
    "ENCRYPTION",
    "ENGINE_ATTRIBUTE",
    "INDEX DIRECTORY",
    "INSERT_METHOD",
    "KEY_BLOCK_SIZE",
    "MAX_ROWS",
    "MIN_ROWS",
    "PACK_KEYS",
    "PAGE_CHECKSUM",
    "PASSWORD",
    "ROW_FORMAT",
    "SECONDARY_ENGINE",
    "SECONDARY_ENGINE_ATTRIBUTE",
    "SQL_MODE",
    "STATS_AUTO_RECALC",
    "STATS_PERSISTENT",
    "STATS_SAMPLE_PAGES",
    "TABLESPACE",
    "TRANSACTIONAL",
    "PAGE_COMPRESSED",
];

impl TableOptions {
    /// Reads options until something that is none.
    pub(super) fn read(&mut self, cursor: &mut Cursor<'_>) -> Result<()> {
        loop {
            cursor.take_symbol(&Token::Comma);
            if cursor.take("DEFAULT") {
                if !charset_option(cursor, &mut self.charset, &mut self.collation)? {
                    return Err(cursor.error());
                }
            } else if !self.read_one(cursor)? {
                return Ok(());
            }
        }
    }

    /// Reads options up to the next comma; whether there were any.
    pub(super) fn read_some(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        let mut any = false;
        loop {
            let read = if cursor.take("DEFAULT") {
                charset_option(cursor, &mut self.charset, &mut self.collation)?
            } else {
                self.read_one(cursor)?
            };
            if !read {
                return Ok(any);
            }
            any = true;
        }
    }

    fn read_one(&mut self, cursor: &mut Cursor<'_>) -> Result<bool> {
        if charset_option(cursor, &mut self.charset, &mut self.collation)?
            || self.lifetime.read(cursor)?
        {
            return Ok(true);
        }
        if cursor.take_any(&["ENGINE", "TYPE"]) {
            take_equals(cursor);
            self.engine = Some(known_engine(cursor.word_or_string()?)?);
        } else if cursor.take("AUTO_INCREMENT") {
            take_equals(cursor);
            self.auto_increment = Some(cursor.unsigned()?);
        } else if cursor.take("COMMENT") {
            take_equals(cursor);
            let comment = cursor.string()?;
            self.comment = Some(self.lifetime.take_from(&comment)?);
        } else if cursor.take("UNION") {
            take_equals(cursor);
            cursor.skip_parentheses()?;
            self.warnings.push(Warning::no_effect("UNION"));
        } else if let Some(option) = WITHOUT_EFFECT.iter().find(|option| cursor.take(option)) {
            take_equals(cursor);
            skip_value(cursor)?;
            self.warnings.push(Warning::no_effect(option));
        } else {
            return Ok(false);
        }
        Ok(true)
    }
}

fn known_engine(name: String) -> Result<String> {
    match ENGINES
        .iter()
        .any(|engine| engine.eq_ignore_ascii_case(&name))
    {
        true => Ok(name),
        false => Err(SqlError::unknown_storage_engine(&name)),
    }
}

/// A word, a string or a number.
fn skip_value(cursor: &mut Cursor<'_>) -> Result<()> {
    if cursor.word_or_string().is_err() {
        cursor.unsigned()?;
    }
    Ok(())
}

pub(super) fn take_equals(cursor: &mut Cursor<'_>) {
    cursor.take_symbol(&Token::Eq);
}

/// `CHARACTER SET [=] x`, `CHARSET [=] x`, `COLLATE [=] x`, the value with or without quotes.
pub(super) fn charset_option(
    cursor: &mut Cursor<'_>,
    charset: &mut Option<String>,
    collation: &mut Option<String>,
) -> Result<bool> {
    let target = if cursor.take_any(&["CHARACTER SET", "CHAR SET", "CHARSET"]) {
        charset
    } else if cursor.take("COLLATE") {
        collation
    } else {
        return Ok(false);
    };
    take_equals(cursor);
    *target = Some(cursor.word_or_string()?);
    Ok(true)
}
