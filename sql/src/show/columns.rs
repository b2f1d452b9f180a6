//! The rows of SHOW [FULL] COLUMNS and DESCRIBE.

use super::create_table::current_timestamp;
use crate::types::{ColumnAttributes, DefaultValue, KeyKind, TableDefinition};

/// One row of SHOW FULL COLUMNS; SHOW COLUMNS and DESCRIBE leave out collation, privileges and
/// comment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ColumnRow {
    pub field: String,
    pub column_type: String,
    /// `None` for what is not text.
    pub collation: Option<String>,
    /// "YES" or "NO".
    pub null: &'static str,
    /// "PRI", "UNI", "MUL" or "".
    pub key: &'static str,
    pub default: Option<String>,
    /// "auto_increment", "DEFAULT_GENERATED on update CURRENT_TIMESTAMP" ...
    pub extra: String,
    pub privileges: &'static str,
    pub comment: String,
    /// The expression of a generated column.
    pub generation: String,
}

/// All columns in the table's order.
pub fn column_rows(table: &TableDefinition) -> Vec<ColumnRow> {
    let columns = table.meta.spec.columns.iter().zip(&table.columns);
    columns
        .map(|(column, attributes)| ColumnRow {
            field: column.name.clone(),
            column_type: attributes.mysql_type.to_string(),
            collation: attributes
                .mysql_type
                .is_character()
                .then(|| attributes.collation.clone()),
            null: if column.nullable { "YES" } else { "NO" },
            key: key_of(table, &column.name),
            default: default_of(attributes),
            extra: extra_of(attributes),
            privileges: "select,insert,update,references",
            comment: attributes.comment.clone(),
            generation: attributes
                .generated
                .as_ref()
                .map_or(String::new(), |g| g.expression.clone()),
        })
        .collect()
}

/// The strongest of the keys a column is in; of plain and composite keys only where it comes first.
fn key_of(table: &TableDefinition, column: &str) -> &'static str {
    let identifying = table.identifying_key().map(|key| key.name.as_str());
    let mut strongest = "";
    for (key, first) in table.keys_of(column) {
        if identifying == Some(key.name.as_str()) {
            return "PRI";
        }
        if !first {
            continue;
        }
        if key.kind == KeyKind::Unique && key.parts.len() == 1 {
            strongest = "UNI";
        } else if strongest.is_empty() {
            strongest = "MUL";
        }
    }
    strongest
}

fn default_of(attributes: &ColumnAttributes) -> Option<String> {
    match attributes.default.as_ref()? {
        DefaultValue::Null => None,
        DefaultValue::Literal(text) => Some(text.clone()),
        DefaultValue::Now { fsp } => Some(current_timestamp(*fsp)),
    }
}

fn extra_of(attributes: &ColumnAttributes) -> String {
    let mut parts = Vec::new();
    if let Some(generated) = &attributes.generated {
        let kind = if generated.stored {
            "STORED"
        } else {
            "VIRTUAL"
        };
        parts.push(format!("{kind} GENERATED"));
    }
    if attributes.auto_increment {
        parts.push("auto_increment".to_owned());
    }
    if let Some(DefaultValue::Now { .. }) = attributes.default {
        parts.push("DEFAULT_GENERATED".to_owned());
    }
    if let Some(fsp) = attributes.on_update_now {
        parts.push(format!("on update {}", current_timestamp(fsp)));
    }
    parts.join(" ")
}
