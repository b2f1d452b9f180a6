//! Keys and constraints among the elements of a table.

use sqlparser::tokenizer::Token;

use super::cursor::Cursor;
use super::lifetime::{EVENT_KEY, EventKey};
use super::table::check_length;
use crate::check::CheckDefinition;
use crate::computed;
use crate::error::{Result, SqlError, Warning};
use crate::types::{KeyKind, KeyPart};

/// A key as written; its name may still have to be made up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct KeyDefinition {
    pub(super) name: Option<String>,
    pub(super) kind: KeyKind,
    pub(super) parts: Vec<KeyPart>,
    pub(super) comment: String,
    pub(super) using: Option<String>,
}

/// One element of a table that is no column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Element {
    Key(KeyDefinition),
    ShardKey(Vec<KeyPart>),
    SortKey(Vec<KeyPart>),
    EventKey(EventKey),
    Check(Box<CheckDefinition>),
    /// Accepted, without effect.
    Ignored(Warning),
}

impl Element {
    /// `Ok(None)`: a column.
    pub(super) fn read(cursor: &mut Cursor<'_>) -> Result<Option<Self>> {
        if cursor.take("SHARD KEY") {
            return sharding(cursor).map(|parts| Some(Self::ShardKey(parts)));
        }
        if cursor.take("SORT KEY") {
            return sharding(cursor).map(|parts| Some(Self::SortKey(parts)));
        }
        if cursor.take(EVENT_KEY) {
            return EventKey::read(cursor).map(|key| Some(Self::EventKey(key)));
        }
        let symbol = constraint_name(cursor)?;
        let constraint = symbol.is_some();
        if cursor.take("PRIMARY KEY") {
            return named_key(cursor, KeyKind::Primary, None).map(Some);
        }
        if cursor.take("UNIQUE") {
            cursor.take_any(&["INDEX", "KEY"]);
            return named_key(cursor, KeyKind::Unique, symbol.flatten()).map(Some);
        }
        if cursor.take("FOREIGN KEY") {
            return foreign_key(cursor).map(Some);
        }
        if cursor.take("CHECK") {
            let check = check(cursor, symbol.flatten())?;
            return Ok(Some(Self::Check(Box::new(check))));
        }
        if constraint {
            return Err(cursor.error());
        }
        if starts_key(cursor) && cursor.take_any(&["INDEX", "KEY"]) {
            return named_key(cursor, KeyKind::Plain, None).map(Some);
        }
        for kind in ["FULLTEXT", "SPATIAL"] {
            if cursor.take(kind) {
                cursor.take_any(&["INDEX", "KEY"]);
                named_key(cursor, KeyKind::Plain, None)?;
                return Ok(Some(Self::Ignored(Warning::no_effect(kind))));
            }
        }
        Ok(None)
    }
}

fn starts_key(cursor: &Cursor<'_>) -> bool {
    cursor.is_word("INDEX") || cursor.is_word("KEY")
}

/// `CONSTRAINT [symbol]`; the outer `None`: there is none.
pub(super) fn constraint_name(cursor: &mut Cursor<'_>) -> Result<Option<Option<String>>> {
    if !cursor.take("CONSTRAINT") {
        return Ok(None);
    }
    let unnamed = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]
        .iter()
        .any(|word| cursor.is_word(word));
    if unnamed {
        Ok(Some(None))
    } else {
        cursor.name().map(|name| Some(Some(name)))
    }
}

/// SHARD KEY and SORT KEY: `[name] (columns)`, possibly none.
fn sharding(cursor: &mut Cursor<'_>) -> Result<Vec<KeyPart>> {
    cursor.optional_name();
    let parts = key_parts(cursor, true)?;
    cursor.take("METADATA_ONLY");
    Ok(parts)
}

fn named_key(cursor: &mut Cursor<'_>, kind: KeyKind, symbol: Option<String>) -> Result<Element> {
    let name = cursor.optional_name().or(symbol);
    let using = key_using(cursor)?;
    key_of(cursor, kind, name, using)
}

/// The columns of a key, and what stands behind them.
pub(super) fn key_of(
    cursor: &mut Cursor<'_>,
    kind: KeyKind,
    name: Option<String>,
    using: Option<String>,
) -> Result<Element> {
    let mut key = KeyDefinition {
        name,
        kind,
        parts: Vec::new(),
        comment: String::new(),
        using,
    };
    key.parts = key_parts(cursor, true)?;
    let columnstore = key_options(cursor, &mut key)?;
    if columnstore {
        return Ok(Element::SortKey(key.parts));
    }
    // Only SHARD, SORT and columnstore keys may have no columns.
    if key.parts.is_empty() {
        Err(cursor.error())
    } else {
        Ok(Element::Key(key))
    }
}

/// `USING BTREE` and `USING HASH` before the columns.
pub(super) fn key_using(cursor: &mut Cursor<'_>) -> Result<Option<String>> {
    if cursor.take_any(&["USING", "TYPE"]) {
        return Ok(Some(cursor.name()?.to_ascii_uppercase()));
    }
    Ok(None)
}

/// Options behind the columns. True for `USING CLUSTERED COLUMNSTORE`.
fn key_options(cursor: &mut Cursor<'_>, key: &mut KeyDefinition) -> Result<bool> {
    let mut columnstore = false;
    loop {
        if cursor.take("USING CLUSTERED COLUMNSTORE") {
            columnstore = true;
        } else if cursor.is_word("USING") || cursor.is_word("TYPE") {
            key.using = key_using(cursor)?;
        } else if cursor.take("COMMENT") {
            key.comment = cursor.string()?;
        } else if cursor.take("KEY_BLOCK_SIZE") {
            cursor.take_symbol(&Token::Eq);
            cursor.unsigned()?;
        } else if cursor.take("WITH PARSER") {
            cursor.name()?;
        } else if cursor.take_any(&["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"]) {
            cursor.take_symbol(&Token::Eq);
            cursor.string()?;
        } else if !cursor.take_any(&["VISIBLE", "INVISIBLE", "UNENFORCED", "RELY", "NORELY"]) {
            return Ok(columnstore);
        }
    }
}

/// `(a, b(10) DESC)`.
fn key_parts(cursor: &mut Cursor<'_>, may_be_empty: bool) -> Result<Vec<KeyPart>> {
    cursor.expect_symbol(&Token::LParen)?;
    let mut parts = Vec::new();
    if may_be_empty && cursor.take_symbol(&Token::RParen) {
        return Ok(parts);
    }
    loop {
        if cursor.is_symbol(&Token::LParen) {
            return Err(SqlError::not_supported("keys over expressions"));
        }
        let column = cursor.name()?;
        let prefix = match cursor.is_symbol(&Token::LParen) {
            true => Some(u32::try_from(cursor.parenthesized_number()?).unwrap_or(u32::MAX)),
            false => None,
        };
        if prefix == Some(0) {
            return Err(SqlError::new(
                1391,
                "HY000",
                format!("Key part '{column}' length cannot be 0"),
            ));
        }
        let descending = cursor.take("DESC");
        if !descending {
            cursor.take("ASC");
        }
        parts.push(KeyPart {
            column,
            prefix,
            descending,
        });
        if !cursor.take_symbol(&Token::Comma) {
            break;
        }
    }
    cursor.expect_symbol(&Token::RParen)?;
    Ok(parts)
}

fn foreign_key(cursor: &mut Cursor<'_>) -> Result<Element> {
    cursor.optional_name();
    key_parts(cursor, false)?;
    references(cursor)?;
    Ok(Element::Ignored(Warning::no_effect("FOREIGN KEY")))
}

/// `REFERENCES t [(a, b)] [MATCH x] [ON DELETE x] [ON UPDATE x]`.
pub(super) fn references(cursor: &mut Cursor<'_>) -> Result<()> {
    cursor.expect("REFERENCES")?;
    cursor.qualified_name()?;
    if cursor.is_symbol(&Token::LParen) {
        key_parts(cursor, false)?;
    }
    if cursor.take("MATCH") {
        cursor.name()?;
    }
    while cursor.take_any(&["ON DELETE", "ON UPDATE"]) {
        let actions = [
            "RESTRICT",
            "CASCADE",
            "SET NULL",
            "NO ACTION",
            "SET DEFAULT",
        ];
        if !cursor.take_any(&actions) {
            return Err(cursor.error());
        }
    }
    Ok(())
}

/// `(condition) [[NOT] ENFORCED]`, behind CHECK.
pub(super) fn check(cursor: &mut Cursor<'_>, name: Option<String>) -> Result<CheckDefinition> {
    let start = cursor.location();
    let text = cursor.parenthesized()?;
    if text.trim().is_empty() {
        return Err(cursor.error_at(start));
    }
    let condition = computed::parse(text)?;
    if let Some(name) = &name {
        check_length(name)?;
    }
    let enforced = !cursor.take("NOT ENFORCED");
    if enforced {
        cursor.take("ENFORCED");
    }
    Ok(CheckDefinition {
        name,
        condition,
        enforced,
        column: None,
    })
}
