//! Of INSERT, UPDATE and DELETE: what changes, and what is read for it.

use sqlparser::ast::{
    Assignment, AssignmentTarget, Delete, Expr, FromTable, Insert, OnInsert, Statement,
    TableFactor, TableObject, TableWithJoins, Update,
};

use super::super::relations::{Relation, first_column};
use super::super::targets::Target;
use super::{Need, Needs};
use crate::accounts::Privileges;
use crate::error::Result;

impl Needs<'_> {
    pub(super) fn change(&mut self, statement: &Statement) -> Result<()> {
        match statement {
            Statement::Insert(insert) => self.insert(insert),
            Statement::Update(update) => self.update(update),
            Statement::Delete(delete) => self.delete(delete),
            _ => {
                self.found.push(Need::Everything);
                Ok(())
            }
        }
    }

    fn insert(&mut self, insert: &Insert) -> Result<()> {
        let TableObject::TableName(name) = &insert.table else {
            self.found.push(Need::Everything);
            return Ok(());
        };
        let target = Relation::named(name)?;
        let mut privileges = Privileges::INSERT;
        if insert.replace_into {
            privileges |= Privileges::DELETE;
        }
        let updates: &[Assignment] = match &insert.on {
            Some(OnInsert::DuplicateKeyUpdate(assignments)) => {
                privileges |= Privileges::UPDATE;
                assignments
            }
            _ => &[],
        };
        self.table(target.schema.clone(), target.table.clone(), privileges)?;
        if let Some(source) = &insert.source {
            self.read(source)?;
        }
        for assignment in insert.assignments.iter().chain(updates) {
            self.read(&assignment.value)?;
        }
        let values = updates.iter().map(|assignment| &assignment.value);
        // VALUES(column) is what would have been inserted, and reads nothing.
        let is_inserted = |value: &&Expr| matches!(value, Expr::Function(f) if f.name.to_string().eq_ignore_ascii_case("values"));
        let read = values
            .filter(|value| !is_inserted(value))
            .find_map(first_column);
        self.column(&target, read)
    }

    /// Columns of a table that is changed are read as well.
    fn column(&mut self, target: &Relation, column: Option<String>) -> Result<()> {
        if let Some(column) = column {
            let schema = self.schema(target.schema.clone())?;
            self.found.push(Need::Column {
                schema,
                table: target.table.clone(),
                column,
            });
        }
        Ok(())
    }

    fn update(&mut self, update: &Update) -> Result<()> {
        let tables = std::slice::from_ref(&update.table);
        let values = update.assignments.iter().map(|a| &a.value);
        let read = values.clone().find_map(first_column);
        let read = read.or_else(|| update.selection.as_ref().and_then(first_column));
        let read = read.or_else(|| update.order_by.iter().find_map(first_column));
        let targets = update.assignments.iter().map(|a| match &a.target {
            AssignmentTarget::ColumnName(name) => Target::of_column(name),
            AssignmentTarget::Tuple(_) => None,
        });
        // A column without its table may be any table's.
        let targets = targets.collect::<Option<Vec<Target>>>();
        let targets = targets.unwrap_or_default();
        self.changed(tables, &targets, Privileges::UPDATE, read)?;
        for value in values {
            self.read(value)?;
        }
        self.read(&update.selection)?;
        self.read(&update.order_by)
    }

    fn delete(&mut self, delete: &Delete) -> Result<()> {
        let (FromTable::WithFromKeyword(from) | FromTable::WithoutKeyword(from)) = &delete.from;
        let read = delete.selection.as_ref().and_then(first_column);
        let read = read.or_else(|| delete.order_by.iter().find_map(first_column));
        let named = delete.tables.iter().map(Target::of_table);
        let (tables, targets): (&[TableWithJoins], Vec<Target>) = match &delete.using {
            Some(using) => {
                let names = from.iter().filter_map(|table| match &table.relation {
                    TableFactor::Table { name, .. } => Some(Target::of_table(name)),
                    _ => None,
                });
                (using, names.collect())
            }
            None => (from, named.collect()),
        };
        self.changed(tables, &targets, Privileges::DELETE, read)?;
        self.read(&delete.selection)?;
        self.read(&delete.order_by)
    }

    /// The tables of UPDATE and DELETE: those that `targets` name change, or without any name all of
    /// them; the others are read.
    fn changed(
        &mut self,
        tables: &[TableWithJoins],
        targets: &[Target],
        privilege: Privileges,
        read: Option<String>,
    ) -> Result<()> {
        let mut aliases: Vec<(String, Relation)> = Vec::new();
        let mut factors = Vec::new();
        for table in tables {
            factors.push(&table.relation);
            factors.extend(table.joins.iter().map(|join| &join.relation));
            // Conditions of joins may hold sub-queries.
            for join in &table.joins {
                self.read(&join.join_operator)?;
            }
        }
        for factor in factors {
            match factor {
                TableFactor::Table { name, alias, .. } => {
                    let relation = Relation::named(name)?;
                    let alias = alias.as_ref().map(|alias| alias.name.value.clone());
                    aliases.push((alias.unwrap_or_else(|| relation.table.clone()), relation));
                }
                other => self.read(other)?,
            }
        }
        let is_single = aliases.len() == 1;
        for (alias, relation) in aliases {
            let schema = self.schema(relation.schema.clone())?;
            let is_target = targets.is_empty() || targets.iter().any(|t| t.may_be(&schema, &alias));
            let privileges = match (is_target, is_single) {
                (true, true) => privilege,
                (true, false) => privilege | Privileges::SELECT,
                (false, _) => Privileges::SELECT,
            };
            self.table(relation.schema.clone(), relation.table.clone(), privileges)?;
            if is_single {
                self.column(&relation, read.clone())?;
            }
        }
        Ok(())
    }
}
