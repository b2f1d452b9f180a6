//! Rules for keys that a table's definition must keep: names, prefixes, the AUTO_INCREMENT column.

use std::collections::HashSet;

use super::key::KeyDefinition;
use super::table::{Definition, check_length};
use crate::error::{Result, SqlError};
use crate::types::{Key, KeyKind, KeyPart, MysqlType, folded_name, same_name};

/// Name of every primary key.
const PRIMARY: &str = "PRIMARY";

/// The name written, or made up from the first column. 1061, 1068, 1280.
pub(super) fn key_name(
    key: &KeyDefinition,
    taken: &HashSet<String>,
    parts: &[KeyPart],
) -> Result<String> {
    let taken = |name: &str| taken.contains(&folded_name(name));
    if key.kind == KeyKind::Primary {
        return if taken(PRIMARY) {
            Err(SqlError::multiple_primary_key())
        } else {
            Ok(PRIMARY.to_owned())
        };
    }
    if let Some(name) = &key.name {
        if name.is_empty() || name.ends_with(' ') || same_name(name, PRIMARY) {
            return Err(SqlError::incorrect_index_name(name));
        }
        check_length(name)?;
        return if taken(name) {
            Err(SqlError::duplicate_key_name(name))
        } else {
            Ok(name.clone())
        };
    }
    // The first column's name, then that with _2, _3 ...
    let column = parts.first().map_or("", |part| &part.column);
    if !taken(column) && !same_name(column, PRIMARY) {
        return Ok(column.to_owned());
    }
    let name = (2..)
        .map(|n| format!("{column}_{n}"))
        .find(|name| !taken(name));
    Ok(name.unwrap_or_default())
}

/// A prefix, unless it is as long as the column. 1089 where there can be none.
pub(super) fn key_prefix(prefix: Option<u32>, mysql_type: &MysqlType) -> Result<Option<u32>> {
    let Some(prefix) = prefix else {
        return Ok(None);
    };
    let length = match mysql_type {
        MysqlType::Char { length }
        | MysqlType::VarChar { length }
        | MysqlType::Binary { length }
        | MysqlType::VarBinary { length } => *length,
        MysqlType::Text { max_bytes } | MysqlType::Blob { max_bytes } => *max_bytes,
        _ => return Err(SqlError::incorrect_prefix_key()),
    };
    match prefix.cmp(&length) {
        std::cmp::Ordering::Less => Ok(Some(prefix)),
        std::cmp::Ordering::Equal => Ok(None),
        std::cmp::Ordering::Greater => Err(SqlError::incorrect_prefix_key()),
    }
}

/// The one AUTO_INCREMENT column, which must come first in a key.
pub(super) fn auto_increment(definition: &Definition, keys: &[Key]) -> Result<Option<usize>> {
    let mut found = None;
    for (position, column) in definition.columns.iter().enumerate() {
        if !column.auto_increment {
            continue;
        }
        if !column.mysql_type.is_integer() {
            return Err(SqlError::incorrect_column_specifier(&column.name));
        }
        let leads = |parts: &[KeyPart]| {
            parts
                .first()
                .is_some_and(|part| same_name(&part.column, &column.name))
        };
        let placement = [&definition.sort_key, &definition.shard_key];
        let keyed = keys.iter().any(|key| leads(&key.parts))
            || placement.into_iter().flatten().any(|parts| leads(parts));
        if found.is_some() || !keyed {
            return Err(SqlError::wrong_auto_column());
        }
        found = Some(position);
    }
    Ok(found)
}
