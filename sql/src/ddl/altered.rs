//! What becomes of a table by an ALTER TABLE: its new definition, and where the columns come from.
//!
//! The table's definition is read again from its own text and changed; so a changed table obeys the same
//! rules as a new one. Columns that are not touched keep what is stored of them to the letter.

use arrow::array::ArrayRef;
use storno_storage::{Alteration, ColumnOrigin, TableSpec};

use super::DdlContext;
use super::alter::{Action, AlterTable, PRIMARY, Place};
use super::column::ColumnDefinition;
use super::create_table;
use super::cursor::Cursor;
use super::key::KeyDefinition;
use super::lifetime::EVENT_KEY;
use super::table::{Definition, build};
use super::wider::holds;
use crate::check::CheckDefinition;
use crate::error::{Result, SqlError, Warning};
use crate::insert::{Mode, RowWriter, Settings};
use crate::show::definition_text;
use crate::types::{ColumnAttributes, KeyKind, TableDefinition, TimeZone, same_name};

/// A table as it will be.
#[derive(Debug, Clone)]
pub struct Altered {
    pub alteration: Alteration,
    /// AUTO_INCREMENT = n: the first value to be generated.
    pub auto_increment: Option<u64>,
    /// A column becomes the counted one that was not: its values are not known to the counter.
    pub counts_anew: bool,
    /// A change that would ask for other values of rows that are there: 1235 unless the table is empty.
    pub narrows: Option<String>,
    /// There are new generated columns: rows that are there are to be given their values.
    pub fills: bool,
    pub warnings: Vec<Warning>,
}

/// A column while the actions are applied.
#[derive(Debug, Clone)]
struct Column {
    definition: ColumnDefinition,
    /// Its position before.
    origin: Option<usize>,
    touched: bool,
}

impl AlterTable {
    /// `now_utc`: the statement's time, for DEFAULT CURRENT_TIMESTAMP of new columns.
    pub fn apply(
        &self,
        table: &TableDefinition,
        context: &DdlContext<'_>,
        now_utc: i64,
    ) -> Result<Altered> {
        let mut shape = Shape::of(table)?;
        let (_, known) = build(&shape.definition(), &utc(context))?;
        for action in &self.actions {
            shape.apply(action)?;
        }
        shape.options(self);
        let (mut spec, mut warnings) = build(&shape.definition(), context)?;
        warnings.retain(|warning| !known.contains(warning));
        warnings.extend(self.warnings.iter().cloned());
        let mut narrows = shape.keep_untouched(table, &mut spec)?;
        let fills = shape.generates(table, &mut spec, &mut narrows)?;
        spec.sort_key = shape.moved(&table.meta.spec.sort_key, "SORT KEY")?;
        spec.shard_key = shape.moved(&table.meta.spec.shard_key, "SHARD KEY")?;
        let counted = spec.auto_increment.and_then(|c| shape.origin(c));
        let counts_anew =
            spec.auto_increment.is_some() && counted != table.meta.spec.auto_increment;
        let columns = shape.origins(table, &spec, now_utc, context.time_zone)?;
        Ok(Altered {
            alteration: Alteration { spec, columns },
            auto_increment: self.options.auto_increment.filter(|n| *n > 0),
            counts_anew,
            narrows,
            fills,
            warnings,
        })
    }
}

/// Defaults of TIMESTAMP columns are stored, and shown, in UTC.
fn utc<'a>(context: &DdlContext<'a>) -> DdlContext<'a> {
    DdlContext {
        time_zone: TimeZone::UTC,
        ..*context
    }
}

struct Shape {
    name: String,
    columns: Vec<Column>,
    rest: Definition,
}

impl Shape {
    fn of(table: &TableDefinition) -> Result<Self> {
        let text = definition_text(table);
        let mut cursor = Cursor::new(&text)?;
        cursor.expect("CREATE TABLE")?;
        let name = cursor.name()?;
        let mut definition = create_table::definition(&mut cursor, name)?;
        let columns = std::mem::take(&mut definition.columns).into_iter();
        let columns = columns.enumerate().map(|(at, definition)| Column {
            definition,
            origin: Some(at),
            touched: false,
        });
        Ok(Self {
            name: definition.name.clone(),
            columns: columns.collect(),
            rest: definition,
        })
    }

    fn definition(&self) -> Definition {
        Definition {
            columns: self.columns.iter().map(|c| c.definition.clone()).collect(),
            ..self.rest.clone()
        }
    }

    fn origin(&self, column: usize) -> Option<usize> {
        self.columns.get(column).and_then(|c| c.origin)
    }

    fn find(&self, name: &str) -> Option<usize> {
        let is_it = |column: &Column| same_name(&column.definition.name, name);
        self.columns.iter().position(is_it)
    }

    /// 1054, which here names the table.
    fn column(&self, name: &str) -> Result<usize> {
        let unknown = || SqlError::unknown_column(name, &self.name);
        self.find(name).ok_or_else(unknown)
    }

    fn apply(&mut self, action: &Action) -> Result<()> {
        match action {
            Action::AddColumn(definition, place) => {
                let mut column = Column {
                    definition: definition.as_ref().clone(),
                    origin: None,
                    touched: true,
                };
                self.rest.checks.append(&mut column.definition.checks);
                self.insert(column, place)
            }
            Action::DropColumn(name) => self.drop_column(name),
            Action::ChangeColumn(name, definition, place) => self.change(name, definition, place),
            Action::RenameColumn(old, new) => {
                let at = self.column(old)?;
                self.rename_column(at, new)
            }
            Action::SetDefault(name, value) => {
                let at = self.column(name)?;
                if let Some(column) = self.columns.get_mut(at) {
                    column.definition.default = value.as_deref().cloned();
                    column.touched = true;
                }
                Ok(())
            }
            Action::AddCheck(check) => {
                self.rest.checks.push(check.as_ref().clone());
                Ok(())
            }
            Action::DropCheck(name) => {
                let at = self.check(name)?;
                self.rest.checks.remove(at);
                Ok(())
            }
            Action::DropConstraint(name) => self.drop_constraint(name),
            Action::EnforceCheck(name, enforced) => {
                let at = self.check(name)?;
                if let Some(check) = self.rest.checks.get_mut(at) {
                    check.enforced = *enforced;
                }
                Ok(())
            }
            Action::AddKey(key) => {
                self.rest.keys.push(key.clone());
                Ok(())
            }
            Action::DropKey(name) => self.drop_key(name),
            Action::RenameKey(old, new) => self.rename_key(old, new),
            Action::Convert(charset, collation) => self.convert(charset, collation),
            action => self.change_lifetime(action),
        }
    }

    fn insert(&mut self, column: Column, place: &Place) -> Result<()> {
        let at = match place {
            Place::Unsaid => self.columns.len(),
            Place::First => 0,
            Place::After(name) => self.column(name)? + 1,
        };
        self.columns.insert(at, column);
        Ok(())
    }

    /// Keys lose the column, and are gone when it was their last.
    fn drop_column(&mut self, name: &str) -> Result<()> {
        let at = self.find(name).ok_or_else(|| SqlError::cannot_drop(name))?;
        if self.columns.len() == 1 {
            return Err(SqlError::cannot_drop_all_columns());
        }
        self.rest.options.lifetime.check_drop(name)?;
        self.drop_checks_of(name)?;
        self.columns.remove(at);
        self.check_not_used(name)?;
        for key in &mut self.rest.keys {
            key.parts.retain(|part| !same_name(&part.column, name));
        }
        self.rest.keys.retain(|key| !key.parts.is_empty());
        Ok(())
    }

    fn change(&mut self, name: &str, new: &ColumnDefinition, place: &Place) -> Result<()> {
        let at = self.column(name)?;
        self.rename_column(at, &new.name)?;
        let mut column = self.columns.remove(at);
        // A key or a CHECK written with the column is one more.
        column.definition = new.clone();
        self.rest.checks.append(&mut column.definition.checks);
        column.touched = true;
        match place {
            Place::Unsaid => self.columns.insert(at, column),
            place => self.insert(column, place)?,
        }
        Ok(())
    }

    /// 3108 when a generated column is computed from this one.
    fn check_not_used(&self, column: &str) -> Result<()> {
        let mut generated = self
            .columns
            .iter()
            .filter_map(|c| c.definition.generated.as_ref());
        match generated.any(|generated| generated.uses(column)) {
            true => Err(SqlError::used_by_generated(column)),
            false => Ok(()),
        }
    }

    fn rename_column(&mut self, at: usize, new: &str) -> Result<()> {
        let Some(column) = self.columns.get(at) else {
            return Ok(());
        };
        let old = column.definition.name.clone();
        if !same_name(&old, new) {
            self.check_not_used(&old)?;
        }
        let Some(column) = self.columns.get_mut(at) else {
            return Ok(());
        };
        let old = &column.definition.name;
        let user = self.rest.checks.iter().find(|c| uses(c, old));
        if let Some(check) = user.filter(|_| !same_name(old, new)) {
            return Err(used_by(check, old, "dropped or renamed"));
        }
        let old = std::mem::replace(&mut column.definition.name, new.to_owned());
        let keys = self.rest.keys.iter_mut().map(|key| &mut key.parts);
        let placement = [&mut self.rest.shard_key, &mut self.rest.sort_key];
        for parts in keys.chain(placement.into_iter().flatten()) {
            for part in parts.iter_mut().filter(|p| same_name(&p.column, &old)) {
                part.column = new.to_owned();
            }
        }
        self.rest.options.lifetime.rename_column(&old, new);
        Ok(())
    }

    /// 3821
    fn check(&self, name: &str) -> Result<usize> {
        let is_it =
            |check: &CheckDefinition| check.name.as_deref().is_some_and(|n| same_name(n, name));
        let at = self.rest.checks.iter().position(is_it);
        at.ok_or_else(|| SqlError::check_not_found(name))
    }

    /// Constraints of the column alone go with it; 3959 for others that name it.
    fn drop_checks_of(&mut self, column: &str) -> Result<()> {
        let alone = |check: &CheckDefinition| check.columns().len() == 1;
        let users = || self.rest.checks.iter().filter(|c| uses(c, column));
        if let Some(check) = users().find(|c| !alone(c)) {
            return Err(used_by(check, column, "dropped or renamed"));
        }
        self.rest.checks.retain(|check| !uses(check, column));
        Ok(())
    }

    /// 3940 when it is neither a key nor a CHECK.
    fn drop_constraint(&mut self, name: &str) -> Result<()> {
        match (self.key(name), self.check(name)) {
            (Some(key), _) => drop(self.rest.keys.remove(key)),
            (None, Ok(check)) => drop(self.rest.checks.remove(check)),
            (None, Err(_)) => return Err(SqlError::constraint_not_found(name)),
        }
        Ok(())
    }

    fn key(&self, name: &str) -> Option<usize> {
        let is_it = |key: &KeyDefinition| match key.kind {
            KeyKind::Primary => same_name(name, PRIMARY),
            _ => key.name.as_ref().is_some_and(|own| same_name(own, name)),
        };
        self.rest.keys.iter().position(is_it)
    }

    fn drop_key(&mut self, name: &str) -> Result<()> {
        let at = self.key(name).ok_or_else(|| SqlError::cannot_drop(name))?;
        self.rest.keys.remove(at);
        Ok(())
    }

    fn rename_key(&mut self, old: &str, new: &str) -> Result<()> {
        let missing = || SqlError::unknown_key(old, &self.name);
        let at = self.key(old).ok_or_else(missing)?;
        if let Some(key) = self.rest.keys.get_mut(at) {
            key.name = Some(new.to_owned());
        }
        Ok(())
    }

    fn change_lifetime(&mut self, action: &Action) -> Result<()> {
        let lifetime = &mut self.rest.options.lifetime;
        match action {
            Action::AddEventKey(_) if lifetime.event_key.is_some() => {
                return Err(SqlError::duplicate_key_name(EVENT_KEY));
            }
            Action::AddEventKey(key) => lifetime.event_key = Some(key.clone()),
            Action::DropEventKey if lifetime.event_key.is_none() => {
                return Err(SqlError::cannot_drop(EVENT_KEY));
            }
            Action::DropEventKey => lifetime.event_key = None,
            Action::RemoveTtl => lifetime.ttl = None,
            Action::RemoveEraseAfter => lifetime.erase_after_seconds = None,
            Action::RemoveOnInvalid => lifetime.on_invalid = None,
            _ => {}
        }
        Ok(())
    }

    fn convert(&mut self, charset: &Option<String>, collation: &Option<String>) -> Result<()> {
        (self.rest.options.charset, self.rest.options.collation) =
            (charset.clone(), collation.clone());
        for column in &mut self.columns {
            if column.definition.mysql_type.is_character() {
                (column.definition.charset, column.definition.collation) =
                    (charset.clone(), collation.clone());
                column.touched = true;
            }
        }
        Ok(())
    }

    fn options(&mut self, alter: &AlterTable) {
        let (own, new) = (&mut self.rest.options, &alter.options);
        if new.charset.is_some() || new.collation.is_some() {
            (own.charset, own.collation) = (new.charset.clone(), new.collation.clone());
        }
        if let Some(comment) = &new.comment {
            own.comment = Some(comment.clone());
        }
        own.lifetime.change(&new.lifetime);
        own.engine.clone_from(&new.engine);
        own.warnings.clone_from(&new.warnings);
    }

    /// What is stored of untouched columns, and whether a touched one loses room.
    fn keep_untouched(
        &self,
        table: &TableDefinition,
        spec: &mut TableSpec,
    ) -> Result<Option<String>> {
        let mut narrows = None;
        for (column, new) in self.columns.iter().zip(&mut spec.columns) {
            let Some(old) = column.origin.and_then(|at| table.meta.spec.columns.get(at)) else {
                continue;
            };
            if !column.touched {
                new.attributes.clone_from(&old.attributes);
                continue;
            }
            let before = ColumnAttributes::from_json(&old.attributes)?.mysql_type;
            let after = ColumnAttributes::from_json(&new.attributes)?.mysql_type;
            if !holds(&after, &before) {
                let what = format!("changing column {} from {before} to {after}", old.name);
                narrows.get_or_insert(what);
            }
        }
        Ok(narrows)
    }

    /// Marks new generated columns, whether there are any, and notes what of other columns would change
    /// stored values of generated ones. 3106 for what MySQL refuses, too.
    fn generates(
        &self,
        table: &TableDefinition,
        spec: &mut TableSpec,
        narrows: &mut Option<String>,
    ) -> Result<bool> {
        let mut fills = false;
        let mut changed = Vec::new();
        for (column, new) in self.columns.iter().zip(&mut spec.columns) {
            let mut after = ColumnAttributes::from_json(&new.attributes)?;
            let Some(before) = column.origin.and_then(|at| table.columns.get(at)) else {
                if let Some(generated) = &mut after.generated {
                    (generated.filling, fills) = (true, true);
                    new.attributes = after.to_json();
                }
                continue;
            };
            let kind = |of: &ColumnAttributes| of.generated.as_ref().map(|g| g.stored);
            match (kind(before), kind(&after)) {
                (before, after) if before == after => {}
                (None, Some(true)) | (Some(true), None) => {}
                _ => {
                    let what = "Changing the STORED status";
                    return Err(SqlError::unsupported_of_generated(what));
                }
            }
            if after.generated.is_some() && after.generated != before.generated {
                let what = format!("another expression of the generated column {}", new.name);
                narrows.get_or_insert(what);
            }
            if (&after.mysql_type, &after.collation) != (&before.mysql_type, &before.collation) {
                changed.push(&new.name);
            }
        }
        let uses = |column: &&&String| self.check_not_used(column).is_err();
        if let Some(column) = changed.iter().find(uses) {
            let what = format!("another type of {column}, which generated columns are made of");
            narrows.get_or_insert(what);
        }
        Ok(fills)
    }

    /// Columns that rows are placed by, at their new positions.
    fn moved(&self, columns: &[usize], what: &str) -> Result<Vec<usize>> {
        let moved = |old: &usize| {
            let at = self.columns.iter().position(|c| c.origin == Some(*old));
            at.ok_or_else(|| SqlError::not_supported(&format!("dropping a column of the {what}")))
        };
        columns.iter().map(moved).collect()
    }

    fn origins(
        &self,
        table: &TableDefinition,
        spec: &TableSpec,
        now_utc: i64,
        time_zone: TimeZone,
    ) -> Result<Vec<ColumnOrigin>> {
        let altered = TableDefinition::of_spec(&table.meta.schema, spec.clone())?;
        let settings = Settings {
            mode: Mode::STRICT.with_ignore(true),
            time_zone,
            now_utc,
        };
        let origin = |(at, column): (usize, &Column)| match column.origin {
            Some(before) => Ok(ColumnOrigin::Existing(before)),
            None => Ok(ColumnOrigin::New {
                fill: fill(&altered, at, settings)?,
            }),
        };
        self.columns.iter().enumerate().map(origin).collect()
    }
}

fn uses(check: &CheckDefinition, column: &str) -> bool {
    check.columns().iter().any(|used| same_name(used, column))
}

fn used_by(check: &CheckDefinition, column: &str, done: &str) -> SqlError {
    let name = check.name.as_deref().unwrap_or_default();
    SqlError::column_is_used(&format!("Check constraint '{name}'"), column, done)
}

/// What rows that are there have in a new column: its default, or the implicit value of its type.
fn fill(table: &TableDefinition, at: usize, settings: Settings) -> Result<Option<ArrayRef>> {
    let mut writer = RowWriter::for_columns(table, &[at], settings)?;
    // A DATE without a default has none: there must be no rows then.
    if writer.append_default(0).is_err() {
        return Ok(None);
    }
    let (columns, _, _) = writer.finish_columns()?;
    Ok(columns.into_iter().next().filter(|c| c.null_count() == 0))
}
