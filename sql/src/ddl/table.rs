//! From a table's definition as written to storage's `TableSpec`: names, keys, collations and
//! limits.

use std::collections::{HashMap, HashSet};

use storno_storage::{ColumnSpec, KeySpec, TableSpec};

use super::DdlContext;
use super::column::ColumnDefinition;
use super::default;
use super::generated::{self, GeneratedDefinition};
use super::key::KeyDefinition;
use super::key_rules::{auto_increment, key_name, key_prefix};
use super::options::TableOptions;
use crate::check::{self, CheckDefinition, named_checks};
use crate::error::{Result, SqlError, Warning};
use crate::invalid::is_own_column;
use crate::types::{
    Check, ColumnAttributes, Key, KeyKind, KeyPart, MysqlType, Privacy, TableAttributes, charset,
    folded_name, same_name,
};

/// Characters of a name; of a comment on a column, a key and a table.
const NAME_MAX: usize = 64;
const COLUMNS_MAX: usize = 4096;
/// MySQL has 64; tables here have a key on every column that is filtered by.
const KEYS_MAX: usize = 1024;
const KEY_PARTS_MAX: usize = 16;
/// A table as written.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Definition {
    pub(super) name: String,
    pub(super) columns: Vec<ColumnDefinition>,
    pub(super) keys: Vec<KeyDefinition>,
    pub(super) shard_key: Option<Vec<KeyPart>>,
    pub(super) sort_key: Option<Vec<KeyPart>>,
    pub(super) checks: Vec<CheckDefinition>,
    pub(super) options: TableOptions,
}

/// Checks everything that can be checked without the catalog.
pub(super) fn build(
    definition: &Definition,
    context: &DdlContext<'_>,
) -> Result<(TableSpec, Vec<Warning>)> {
    check_names(definition)?;
    generated::check(definition)?;
    let names = definition.columns.iter().enumerate();
    let mut builder = Builder {
        definition,
        context,
        positions: names
            .map(|(at, column)| (folded_name(&column.name), at))
            .collect(),
        warnings: Vec::new(),
    };
    let options = &definition.options;
    let collation = builder.collation(
        (options.charset.as_deref(), options.collation.as_deref()),
        context.collation,
    )?;
    let keys = builder.keys()?;
    let columns = builder.columns(&keys, &collation)?;
    let auto_increment = auto_increment(definition, &keys)?;
    let spec = TableSpec {
        name: definition.name.clone(),
        unique_keys: builder.unique_keys(&keys)?,
        sort_key: builder.placement(&definition.sort_key, &definition.shard_key, &keys)?,
        shard_key: builder.placement(&definition.shard_key, &definition.sort_key, &keys)?,
        event_key: options.lifetime.event_key(&builder)?,
        retention: options.lifetime.retention(&builder)?,
        division: options.lifetime.division.division(),
        auto_increment,
        attributes: TableAttributes {
            keys,
            shard_key: builder.named(&definition.shard_key),
            sort_key: builder.named(&definition.sort_key),
            collation,
            comment: options.comment.clone().unwrap_or_default(),
            checks: checks(definition)?,
            on_invalid: on_invalid(definition)?,
        }
        .to_json(),
        columns,
    };
    builder.note_options();
    Ok((spec, builder.finish()))
}

pub(super) struct Builder<'a> {
    definition: &'a Definition,
    context: &'a DdlContext<'a>,
    /// Columns by folded name.
    positions: HashMap<String, usize>,
    warnings: Vec<Warning>,
}

impl Builder<'_> {
    fn finish(self) -> Vec<Warning> {
        // A hundred columns of one character set are one warning.
        let mut seen = HashSet::new();
        let mut warnings = self.warnings;
        warnings.retain(|warning| seen.insert((warning.code, warning.message.clone())));
        warnings
    }

    fn note_options(&mut self) {
        let options = &self.definition.options;
        self.warnings.extend(options.warnings.iter().cloned());
        let own = ["InnoDB", "Storno"];
        if let Some(engine) = &options.engine
            && !own.iter().any(|own| own.eq_ignore_ascii_case(engine))
        {
            self.warnings.push(Warning::new(
                1266,
                format!(
                    "Using storage engine InnoDB for table '{}'",
                    self.definition.name
                ),
            ));
        }
        let parts = self
            .definition
            .sort_key
            .iter()
            .chain(&self.definition.shard_key)
            .flatten();
        if parts.into_iter().any(|part| part.descending) {
            self.warnings.push(Warning::no_effect("DESC"));
        }
    }

    fn collation(
        &mut self,
        (charset, collation): (Option<&str>, Option<&str>),
        inherited: &str,
    ) -> Result<String> {
        let resolved = charset::resolve(charset, collation, inherited)?;
        self.warnings.extend(resolved.warnings);
        Ok(resolved.collation)
    }

    /// Position of a column, by a name in any case.
    pub(super) fn position(&self, name: &str) -> Result<usize> {
        let position = self.positions.get(&folded_name(name)).copied();
        position.ok_or_else(|| SqlError::key_column_does_not_exist(name))
    }

    pub(super) fn column(&self, name: &str) -> Result<&ColumnDefinition> {
        let position = self.position(name)?;
        let column = self.definition.columns.get(position);
        column.ok_or_else(|| SqlError::key_column_does_not_exist(name))
    }

    /// All keys, named, in the order in which MySQL lists them.
    fn keys(&mut self) -> Result<Vec<Key>> {
        let of_columns = self.definition.columns.iter().flat_map(|column| {
            column.keys.iter().map(|kind| KeyDefinition {
                name: None,
                kind: *kind,
                parts: vec![KeyPart {
                    column: column.name.clone(),
                    prefix: None,
                    descending: false,
                }],
                comment: String::new(),
                using: None,
            })
        });
        let written: Vec<KeyDefinition> = of_columns
            .chain(self.definition.keys.iter().cloned())
            .collect();
        if written.len() > KEYS_MAX {
            return Err(SqlError::too_many_keys(KEYS_MAX));
        }
        let mut keys: Vec<Key> = Vec::with_capacity(written.len());
        let mut taken = HashSet::new();
        for key in written {
            let parts = self.key_parts(&key)?;
            let name = key_name(&key, &taken, &parts)?;
            taken.insert(folded_name(&name));
            let KeyDefinition {
                kind,
                comment,
                using,
                ..
            } = key;
            keys.push(Key {
                name,
                kind,
                parts,
                comment,
                using,
            });
        }
        let nullable = |part: &KeyPart| {
            self.column(&part.column)
                .is_ok_and(|column| column.nullable != Some(false))
        };
        keys.sort_by_key(|key| match key.kind {
            KeyKind::Primary => 0,
            KeyKind::Unique => 1 + u8::from(key.parts.iter().any(nullable)),
            KeyKind::Plain => 3,
        });
        Ok(keys)
    }

    /// The parts with the columns' own spelling.
    fn key_parts(&self, key: &KeyDefinition) -> Result<Vec<KeyPart>> {
        if key.parts.len() > KEY_PARTS_MAX {
            return Err(SqlError::too_many_key_parts(KEY_PARTS_MAX));
        }
        let mut parts: Vec<KeyPart> = Vec::with_capacity(key.parts.len());
        for part in &key.parts {
            let column = self.column(&part.column)?;
            if parts
                .iter()
                .any(|other| same_name(&other.column, &part.column))
            {
                return Err(SqlError::duplicate_column_name(&part.column));
            }
            let prefix = key_prefix(part.prefix, &column.mysql_type)?;
            if prefix.is_some() && key.kind != KeyKind::Plain {
                return Err(SqlError::not_supported(
                    "unique keys over a prefix of a column",
                ));
            }
            let (column, descending) = (column.name.clone(), part.descending);
            parts.push(KeyPart {
                column,
                prefix,
                descending,
            });
        }
        Ok(parts)
    }

    fn columns(&mut self, keys: &[Key], table_collation: &str) -> Result<Vec<ColumnSpec>> {
        let primary = keys.iter().find(|key| key.kind == KeyKind::Primary);
        let in_primary = |name: &str| {
            primary.is_some_and(|key| key.parts.iter().any(|part| same_name(&part.column, name)))
        };
        let mut columns = Vec::with_capacity(self.definition.columns.len());
        for column in &self.definition.columns {
            columns.push(self.column_spec(column, in_primary(&column.name), table_collation)?);
        }
        Ok(columns)
    }

    fn column_spec(
        &mut self,
        column: &ColumnDefinition,
        in_primary: bool,
        table_collation: &str,
    ) -> Result<ColumnSpec> {
        if in_primary && column.nullable == Some(true) {
            return Err(SqlError::nullable_primary_key());
        }
        if in_primary && column.generated.as_ref().is_some_and(|g| !g.stored) {
            let what = "Defining a virtual generated column as primary key";
            return Err(SqlError::unsupported_of_generated(what));
        }
        let not_null = in_primary || column.auto_increment || column.nullable == Some(false);
        self.warnings.extend(column.warnings.iter().cloned());
        let (mysql_type, collation) = self.typed(column, table_collation)?;
        let mut attributes = ColumnAttributes {
            mysql_type,
            default: None,
            on_update_now: column.on_update,
            comment: column.comment.clone(),
            auto_increment: column.auto_increment,
            collated: collation != charset::BINARY,
            collation,
            privacy: None,
            generated: column.generated.as_ref().map(GeneratedDefinition::stored),
        };
        attributes.privacy = privacy(column, &attributes.mysql_type)?;
        check_on_update(column)?;
        if let Some(default) = &column.default {
            let declared = (&attributes, !not_null);
            attributes.default = default::check(default, &column.name, declared, self.context)?;
        }
        Ok(ColumnSpec {
            name: column.name.clone(),
            data_type: attributes.mysql_type.arrow(),
            nullable: !not_null,
            attributes: attributes.to_json(),
        })
    }

    /// The type and the collation; CHARACTER SET binary makes text types binary ones.
    fn typed(&mut self, column: &ColumnDefinition, table: &str) -> Result<(MysqlType, String)> {
        let mysql_type = column.mysql_type.clone();
        if !mysql_type.is_character() {
            return Ok((mysql_type, charset::BINARY.to_owned()));
        }
        let written = (column.charset.as_deref(), column.collation.as_deref());
        let collation = self.collation(written, table)?;
        if collation != charset::BINARY {
            return Ok((mysql_type, collation));
        }
        let mysql_type = match mysql_type {
            MysqlType::Char { length } => MysqlType::Binary { length },
            MysqlType::VarChar { length } => MysqlType::VarBinary { length },
            MysqlType::Text { max_bytes } => MysqlType::Blob { max_bytes },
            // Members are text in any case.
            other => return Ok((other, charset::BIN_COLLATION.to_owned())),
        };
        Ok((mysql_type, collation))
    }

    fn unique_keys(&self, keys: &[Key]) -> Result<Vec<KeySpec>> {
        let unique = keys.iter().filter(|key| key.kind != KeyKind::Plain);
        let spec = |key: &Key| {
            let columns = self.positions(&key.parts)?;
            Ok(KeySpec {
                name: key.name.clone(),
                columns,
            })
        };
        unique.map(spec).collect()
    }

    fn positions(&self, parts: &[KeyPart]) -> Result<Vec<usize>> {
        self.named_positions(parts.iter().map(|part| part.column.as_str()))
    }

    /// 1072 for a column that is not there, 1060 for one that comes twice.
    pub(super) fn named_positions<'n>(
        &self,
        names: impl Iterator<Item = &'n str>,
    ) -> Result<Vec<usize>> {
        let mut positions = Vec::new();
        for name in names {
            let position = self.position(name)?;
            if positions.contains(&position) {
                return Err(SqlError::duplicate_column_name(name));
            }
            positions.push(position);
        }
        Ok(positions)
    }

    /// Columns of the sort or the shard key: its own, else those of the other, else the primary
    /// key's.
    fn placement(
        &self,
        own: &Option<Vec<KeyPart>>,
        other: &Option<Vec<KeyPart>>,
        keys: &[Key],
    ) -> Result<Vec<usize>> {
        let primary = keys.iter().find(|key| key.kind == KeyKind::Primary);
        let written = own.as_ref().or(other.as_ref());
        match written.or(primary.map(|key| &key.parts)) {
            Some(parts) => self.positions(parts),
            None => Ok(Vec::new()),
        }
    }

    /// A SHARD or SORT KEY for SHOW, with the columns' own spelling.
    fn named(&self, parts: &Option<Vec<KeyPart>>) -> Option<Vec<KeyPart>> {
        let named = |part: &KeyPart| {
            let column = self
                .column(&part.column)
                .map_or(&part.column, |column| &column.name);
            KeyPart {
                column: column.clone(),
                prefix: None,
                descending: part.descending,
            }
        };
        parts
            .as_ref()
            .map(|parts| parts.iter().map(named).collect())
    }
}

/// 1060 when a column has the name of one of those that the other table has besides.
fn on_invalid(definition: &Definition) -> Result<Option<String>> {
    let Some(name) = &definition.options.lifetime.on_invalid else {
        return Ok(None);
    };
    if same_name(name, &definition.name) {
        return Err(SqlError::new(
            1210,
            "HY000",
            "Incorrect arguments to ON INVALID INTO",
        ));
    }
    let is_taken = |column: &&ColumnDefinition| is_own_column(&column.name);
    match definition.columns.iter().find(is_taken) {
        Some(column) => Err(SqlError::duplicate_column_name(&column.name)),
        None => Ok(Some(name.clone())),
    }
}

fn checks(definition: &Definition) -> Result<Vec<Check>> {
    let columns = definition.columns.iter().map(|column| check::Column {
        name: &column.name,
        auto_increment: column.auto_increment,
    });
    let columns: Vec<check::Column<'_>> = columns.collect();
    named_checks(&definition.name, &definition.checks, &columns)
}

fn check_names(definition: &Definition) -> Result<()> {
    let table = &definition.name;
    if table.is_empty() || table.ends_with(' ') {
        return Err(SqlError::incorrect_table_name(table));
    }
    check_length(table)?;
    if definition.columns.is_empty() {
        return Err(SqlError::table_without_columns());
    }
    if definition.columns.len() > COLUMNS_MAX {
        return Err(SqlError::too_many_columns());
    }
    let mut seen = HashSet::new();
    for column in &definition.columns {
        if column.name.is_empty() || column.name.ends_with(' ') {
            return Err(SqlError::incorrect_column_name(&column.name));
        }
        check_length(&column.name)?;
        if !seen.insert(folded_name(&column.name)) {
            return Err(SqlError::duplicate_column_name(&column.name));
        }
    }
    Ok(())
}

pub(super) fn check_length(name: &str) -> Result<()> {
    if name.chars().count() > NAME_MAX {
        return Err(SqlError::identifier_too_long(name));
    }
    Ok(())
}

/// 1210 for a column whose type cannot hold what is made of its values, or whose values nobody gives.
fn privacy(column: &ColumnDefinition, mysql_type: &MysqlType) -> Result<Option<Privacy>> {
    let fits = match &column.privacy {
        None => true,
        Some(Privacy::Minute) => matches!(
            mysql_type,
            MysqlType::DateTime { .. } | MysqlType::Timestamp { .. }
        ),
        Some(Privacy::Pseudonym { .. }) => match mysql_type {
            MysqlType::Char { length } | MysqlType::VarChar { length } => *length >= 32,
            MysqlType::Binary { length } => *length == 16,
            MysqlType::VarBinary { length } => *length >= 16,
            MysqlType::Text { .. } | MysqlType::Blob { .. } => true,
            _ => false,
        },
    };
    let clause = match &column.privacy {
        Some(Privacy::Minute) => "ROUND TO MINUTE",
        _ => "PSEUDONYMISE",
    };
    match fits && !(column.auto_increment && column.privacy.is_some()) {
        true => Ok(column.privacy),
        false => {
            let text = format!(
                "Incorrect arguments to {clause} of column '{}'",
                column.name
            );
            Err(SqlError::new(1210, "HY000", text))
        }
    }
}

fn check_on_update(column: &ColumnDefinition) -> Result<()> {
    match (column.on_update, &column.mysql_type) {
        (None, _) => Ok(()),
        (Some(fsp), MysqlType::DateTime { fsp: own } | MysqlType::Timestamp { fsp: own })
            if fsp == *own =>
        {
            Ok(())
        }
        _ => Err(SqlError::invalid_on_update(&column.name)),
    }
}
