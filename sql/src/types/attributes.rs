//! What is kept of a table's definition beyond names and Arrow types: JSON in storage's opaque
//! fields.
//!
//! Only what changes results or what SHOW prints; clauses without effect leave no trace.

use std::collections::HashMap;
use std::sync::Arc;

use arrow::datatypes::{Field, Schema};
use serde::{Deserialize, Serialize};
use storno_storage::{ColumnSpec, TableId, TableMeta, TableSpec};

use super::{MysqlType, charset};
use crate::collation::Order;
use crate::error::{Result, SqlError};

/// How a column's default is given.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum DefaultValue {
    Null,
    /// A literal as MySQL prints it in SHOW CREATE TABLE, without quotes. That of a TIMESTAMP is in
    /// UTC.
    Literal(String),
    /// CURRENT_TIMESTAMP(fsp)
    Now {
        fsp: u8,
    },
}

/// What `storage::ColumnSpec::attributes` holds, as JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ColumnAttributes {
    #[serde(rename = "type")]
    pub mysql_type: MysqlType,
    /// `None`: no DEFAULT clause.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub default: Option<DefaultValue>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_update_now: Option<u8>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    #[serde(default)]
    pub auto_increment: bool,
    /// For character columns; others have "binary".
    pub collation: String,
    /// Whether the collation is applied. Columns from before collations were compare as utf8mb4_bin, and
    /// their keys by all bytes, whatever was asked for.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub collated: bool,
    /// What is done to values before they are stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub privacy: Option<Privacy>,
    /// Computed from other columns of the row when it is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generated: Option<Generated>,
}

/// GENERATED ALWAYS AS (expression)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// As MySQL prints it, in parentheses unless it is a call or a column.
    pub expression: String,
    /// STORED was written. Values are stored in any case.
    pub stored: bool,
    /// Rows that were there before the column are being given their values. A column that a crash leaves so
    /// is none.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub filling: bool,
}

/// What is done to a column's values at the door, so that the server keeps nothing of what they were.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Privacy {
    /// ROUND TO MINUTE: seconds and their fractions are cut off.
    Minute,
    /// PSEUDONYMISE: a keyed hash in the place of the value. The key is another one after so many days;
    /// `None`: never.
    Pseudonym { rotate_days: Option<u32> },
}

/// What `storage::TableSpec::attributes` holds, as JSON. Columns are named as in the table.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TableAttributes {
    /// In the order in which SHOW lists them: primary, unique, others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub keys: Vec<Key>,
    /// `None`: no SHARD KEY clause. An empty one places rows anywhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shard_key: Option<Vec<KeyPart>>,
    /// `None`: neither SORT KEY nor KEY .. USING CLUSTERED COLUMNSTORE.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sort_key: Option<Vec<KeyPart>>,
    /// Default of character columns.
    pub collation: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// CHECK constraints in the order in which SHOW lists them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub checks: Vec<Check>,
    /// ON INVALID INTO: the table, in the same database, for rows that cannot be stored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_invalid: Option<String>,
}

/// CONSTRAINT name CHECK (clause)
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    /// As MySQL prints it, in parentheses unless it is a call: `(`a` > 0)`.
    pub clause: String,
    pub enforced: bool,
}

impl Check {
    /// The name that MySQL makes up for the n-th constraint without one.
    pub fn generated_name(table: &str, n: usize) -> String {
        format!("{table}_chk_{n}")
    }

    /// The n of a name that was made up for this table.
    pub fn generated_number(&self, table: &str) -> Option<usize> {
        let rest = self.name.strip_prefix(table)?.strip_prefix("_chk_")?;
        rest.parse().ok()
    }
}

/// PRIMARY KEY, UNIQUE KEY or KEY.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key {
    /// "PRIMARY" for the primary key.
    pub name: String,
    pub kind: KeyKind,
    pub parts: Vec<KeyPart>,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub comment: String,
    /// USING HASH or USING BTREE was written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub using: Option<String>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum KeyKind {
    Primary,
    Unique,
    Plain,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyPart {
    pub column: String,
    /// Characters (bytes of binary columns) of `column(10)`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefix: Option<u32>,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub descending: bool,
}

/// A table of the catalog with its attributes decoded. Decoding costs microseconds per column: keep
/// it beside the `Arc<TableMeta>` it was made from.
#[derive(Debug, Clone)]
pub struct TableDefinition {
    pub meta: Arc<TableMeta>,
    pub attributes: TableAttributes,
    /// One for each of `meta.spec.columns`.
    pub columns: Vec<ColumnAttributes>,
    /// Positions by folded name.
    positions: HashMap<String, usize>,
}

impl TableDefinition {
    pub fn read(meta: Arc<TableMeta>) -> Result<Self> {
        let attributes = TableAttributes::from_json(&meta.spec.attributes)?;
        let columns = meta.spec.columns.iter();
        let columns = columns.map(|column| ColumnAttributes::from_json(&column.attributes));
        let names = meta.spec.columns.iter().enumerate();
        Ok(Self {
            columns: columns.collect::<Result<_>>()?,
            positions: names
                .map(|(at, column)| (folded_name(&column.name), at))
                .collect(),
            attributes,
            meta,
        })
    }

    /// Of a table that is not in the catalog, or not yet.
    pub fn of_spec(schema: &str, spec: TableSpec) -> Result<Self> {
        let field = |c: &ColumnSpec| Field::new(&c.name, c.data_type.clone(), c.nullable);
        let fields: Vec<Field> = spec.columns.iter().map(field).collect();
        Self::read(Arc::new(TableMeta {
            // No table of the store has it: ids begin at 1.
            id: TableId(0),
            schema: schema.to_owned(),
            spec,
            folds: Default::default(),
            arrow: Arc::new(Schema::new(fields)),
        }))
    }

    /// Whether a row that cannot be stored may be kept as it came: not when columns are private.
    pub fn keeps_texts(&self) -> bool {
        self.columns.iter().all(|column| column.privacy.is_none())
    }

    /// Whether a column is computed from others.
    pub fn is_generated(&self, position: usize) -> bool {
        self.columns
            .get(position)
            .is_some_and(|column| column.generated.is_some())
    }

    /// Position of a column; names are compared without case.
    pub fn position(&self, column: &str) -> Option<usize> {
        self.positions.get(&folded_name(column)).copied()
    }

    /// The key that identifies rows: PRIMARY, else the first unique key over columns that are NOT
    /// NULL.
    pub fn identifying_key(&self) -> Option<&Key> {
        let not_null = |part: &KeyPart| {
            let position = self.position(&part.column);
            position
                .and_then(|p| self.meta.spec.columns.get(p))
                .is_some_and(|c| !c.nullable)
        };
        let unique = |key: &&Key| key.kind == KeyKind::Unique && key.parts.iter().all(not_null);
        let primary = self
            .attributes
            .keys
            .iter()
            .find(|key| key.kind == KeyKind::Primary);
        primary.or_else(|| self.attributes.keys.iter().find(unique))
    }

    /// The keys that a column is in, and whether it comes first there.
    pub fn keys_of<'a>(&'a self, column: &'a str) -> impl Iterator<Item = (&'a Key, bool)> {
        self.attributes.keys.iter().filter_map(move |key| {
            let position = key
                .parts
                .iter()
                .position(|part| same_name(&part.column, column))?;
            Some((key, position == 0))
        })
    }
}

/// Names of columns and keys are the same when these are.
pub(crate) fn folded_name(name: &str) -> String {
    if name.is_ascii() {
        name.to_ascii_lowercase()
    } else {
        name.to_lowercase()
    }
}

pub(crate) fn same_name(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!left.is_ascii() && folded_name(left) == folded_name(right))
}

impl ColumnAttributes {
    pub fn from_json(json: &str) -> Result<Self> {
        let read: Result<Self> = serde_json::from_str(json).map_err(|e| unreadable("column", &e));
        let mut attributes = read?;
        if !attributes.collated && attributes.collation != charset::BINARY {
            attributes.collation = charset::BIN_COLLATION.to_owned();
        }
        Ok(attributes)
    }

    /// How values count in unique keys and event keys, unless by all their bytes.
    pub(crate) fn key_order(&self) -> Option<Order> {
        use MysqlType::{Char, Text, VarChar};
        let is_text = matches!(self.mysql_type, Char { .. } | VarChar { .. } | Text { .. });
        let order = Order::of(&self.collation);
        (self.collated && is_text && order != Order::Bytes).then_some(order)
    }
    pub fn to_json(&self) -> String {
        // Strings, numbers and enums only: serde_json cannot fail on them.
        serde_json::to_string(self).unwrap_or_default()
    }
}

impl TableAttributes {
    pub fn from_json(json: &str) -> Result<Self> {
        serde_json::from_str(json).map_err(|e| unreadable("table", &e))
    }
    pub fn to_json(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }
}

fn unreadable(what: &str, error: &serde_json::Error) -> SqlError {
    SqlError::internal(format!("Internal error: attributes of a {what}: {error}"))
}
