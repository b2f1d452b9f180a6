//! SHOW CREATE TABLE in the exact shape of MySQL 8, which clients read with regular expressions.
//!
//! SHARD KEY and SORT KEY lines are Storno's own and appear only where they were written. Event key,
//! retention and division stand in a version comment that other servers skip. The text, given to CREATE TABLE, makes
//! the same table.

use std::fmt::Write;

use storno_storage::ColumnSpec;

use super::lifetime::lifetime_text;
use crate::dialect::OWN_VERSION;
use crate::types::{
    ColumnAttributes, DefaultValue, Key, KeyKind, KeyPart, MysqlType, Privacy, QuotedLiteral,
    QuotedName, TableDefinition, charset,
};

/// The engine named in definitions: clients look for a transactional engine by its name, and a dump
/// loads into MySQL again.
pub const ENGINE: &str = "InnoDB";

/// The definition as `ddl` reads it again, without comments.
pub fn definition_text(table: &TableDefinition) -> String {
    let lifetime = lifetime_text(table);
    format!("{} {lifetime}", table_text(table, None, false))
}

/// `auto_increment`: the next generated value, shown when it is not the first.
pub fn create_table_text(table: &TableDefinition, auto_increment: Option<u64>) -> String {
    let mut text = table_text(table, auto_increment, true);
    let lifetime = lifetime_text(table);
    let _ = match lifetime.as_str() {
        "" => Ok(()),
        // A column's name would end the comment.
        bare if bare.contains("*/") => write!(text, " {bare}"),
        clauses => write!(text, " /*!{OWN_VERSION} {clauses} */"),
    };
    text
}

fn table_text(table: &TableDefinition, auto_increment: Option<u64>, own_comments: bool) -> String {
    let not_enforced = match own_comments {
        true => " /*!80016 NOT ENFORCED */",
        false => " NOT ENFORCED",
    };
    let spec = &table.meta.spec;
    let mut lines = Vec::new();
    for (column, attributes) in spec.columns.iter().zip(&table.columns) {
        let mut line = column_line(column, attributes, &table.attributes.collation);
        if let Some(privacy) = attributes.privacy {
            let clause = privacy_text(privacy);
            // Without the comment where the definition is only read here again.
            let _ = match own_comments {
                true => write!(line, " /*!{OWN_VERSION} {clause} */"),
                false => write!(line, " {clause}"),
            };
        }
        lines.push(line);
    }
    lines.extend(table.attributes.keys.iter().map(key_line));
    if let Some(parts) = &table.attributes.shard_key {
        lines.push(format!("SHARD KEY {}", part_list(parts)));
    }
    if let Some(parts) = &table.attributes.sort_key {
        lines.push(format!("SORT KEY {}", part_list(parts)));
    }
    lines.extend(table.attributes.checks.iter().map(|check| {
        let suffix = if check.enforced { "" } else { not_enforced };
        let name = QuotedName(&check.name);
        format!("CONSTRAINT {name} CHECK ({}){suffix}", check.clause)
    }));
    let mut text = format!("CREATE TABLE {} (\n  ", QuotedName(&spec.name));
    text.push_str(&lines.join(",\n  "));
    text.push_str("\n)");
    push_options(&mut text, table, auto_increment);
    text
}

// Writing to a String cannot fail, here and below.
fn push_options(text: &mut String, table: &TableDefinition, auto_increment: Option<u64>) {
    let collation = &table.attributes.collation;
    let _ = write!(text, " ENGINE={ENGINE}");
    if let Some(next) = auto_increment.filter(|next| *next > 1) {
        let _ = write!(text, " AUTO_INCREMENT={next}");
    }
    let charset = charset::stored_charset(collation);
    let _ = write!(text, " DEFAULT CHARSET={charset}");
    if collation != charset::BINARY {
        let _ = write!(text, " COLLATE={collation}");
    }
    if !table.attributes.comment.is_empty() {
        let _ = write!(
            text,
            " COMMENT={}",
            QuotedLiteral(&table.attributes.comment)
        );
    }
}

fn column_line(column: &ColumnSpec, attributes: &ColumnAttributes, collation: &str) -> String {
    let mut line = format!("{} {}", QuotedName(&column.name), attributes.mysql_type);
    if attributes.mysql_type.is_character() && attributes.collation != collation {
        let charset = charset::stored_charset(&attributes.collation);
        let _ = write!(
            line,
            " CHARACTER SET {charset} COLLATE {}",
            attributes.collation
        );
    }
    if let Some(generated) = &attributes.generated {
        let kind = if generated.stored {
            "STORED"
        } else {
            "VIRTUAL"
        };
        let expression = &generated.expression;
        let _ = write!(line, " GENERATED ALWAYS AS ({expression}) {kind}");
    }
    if !column.nullable {
        line.push_str(" NOT NULL");
    } else if matches!(attributes.mysql_type, MysqlType::Timestamp { .. }) {
        line.push_str(" NULL");
    }
    if attributes.generated.is_none() {
        push_default(&mut line, column, attributes);
    }
    if let Some(fsp) = attributes.on_update_now {
        let _ = write!(line, " ON UPDATE {}", current_timestamp(fsp));
    }
    if attributes.auto_increment {
        line.push_str(" AUTO_INCREMENT");
    }
    if !attributes.comment.is_empty() {
        let _ = write!(line, " COMMENT {}", QuotedLiteral(&attributes.comment));
    }
    line
}

fn privacy_text(privacy: Privacy) -> String {
    match privacy {
        Privacy::Minute => "ROUND TO MINUTE".into(),
        Privacy::Pseudonym { rotate_days: None } => "PSEUDONYMISE ROTATE NEVER".into(),
        Privacy::Pseudonym {
            rotate_days: Some(days),
        } => format!("PSEUDONYMISE ROTATE {days} DAYS"),
    }
}

fn push_default(line: &mut String, column: &ColumnSpec, attributes: &ColumnAttributes) {
    let blob = attributes.mysql_type.is_blob();
    let _ = match &attributes.default {
        // TEXT and BLOB take their default, as MySQL 8 has it, as an expression.
        Some(DefaultValue::Literal(text)) if blob => {
            write!(line, " DEFAULT (_utf8mb4{})", QuotedLiteral(text))
        }
        Some(DefaultValue::Literal(text)) => write!(line, " DEFAULT {}", QuotedLiteral(text)),
        Some(DefaultValue::Now { fsp }) => write!(line, " DEFAULT {}", current_timestamp(*fsp)),
        Some(DefaultValue::Null) | None if column.nullable && !blob => {
            line.push_str(" DEFAULT NULL");
            Ok(())
        }
        Some(DefaultValue::Null) | None => Ok(()),
    };
}

/// As MySQL writes the function in definitions.
pub(super) fn current_timestamp(fsp: u8) -> String {
    if fsp == 0 {
        "CURRENT_TIMESTAMP".into()
    } else {
        format!("CURRENT_TIMESTAMP({fsp})")
    }
}

fn key_line(key: &Key) -> String {
    let mut line = match key.kind {
        KeyKind::Primary => "PRIMARY KEY".to_owned(),
        KeyKind::Unique => format!("UNIQUE KEY {}", QuotedName(&key.name)),
        KeyKind::Plain => format!("KEY {}", QuotedName(&key.name)),
    };
    let _ = write!(line, " {}", part_list(&key.parts));
    if let Some(using) = &key.using {
        let _ = write!(line, " USING {using}");
    }
    if !key.comment.is_empty() {
        let _ = write!(line, " COMMENT {}", QuotedLiteral(&key.comment));
    }
    line
}

fn part_list(parts: &[KeyPart]) -> String {
    let part = |part: &KeyPart| {
        let prefix = part
            .prefix
            .map_or(String::new(), |prefix| format!("({prefix})"));
        let direction = if part.descending { " DESC" } else { "" };
        format!("{}{prefix}{direction}", QuotedName(&part.column))
    };
    format!("({})", parts.iter().map(part).collect::<Vec<_>>().join(","))
}
