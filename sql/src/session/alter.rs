//! ALTER TABLE, RENAME TABLE and the statements for single indexes, carried out.
//!
//! Definitions are changed one at a time (`Engine::definitions`): what a change is computed from is still
//! the table when it is made.

use std::sync::{Arc, Mutex, PoisonError};

use storno_storage::{ColumnOrigin, Error as StorageError, LastLook, Store, TableMeta};

use super::aside::{check_aside_table, make_aside_table};
use super::insert::now_utc;
use super::{Session, done};
use crate::check::{Checks, Survey, enforces_more, unique_check_names, verify};
use crate::computed::GeneratedColumns;
use crate::ddl::{AlterTable, Altered, DdlContext, TableName};
use crate::error::{Result, SqlError};
use crate::functions::warnings::Sink;
use crate::information_schema::is_information_schema;
use crate::insert::not_unique;
use crate::planning::on_large_stack;
use crate::privacy::{Keys, Veil};
use crate::result::{Done, Outcome};
use crate::types::{TableDefinition, TimeZone};

/// `(schema, table)`
type Name = (String, String);

impl Session {
    pub(super) async fn alter_table(&mut self, alter: Box<AlterTable>) -> Result<Outcome> {
        let name = self.full_name(alter.name.clone())?;
        let rename = alter.rename.clone();
        let rename = rename
            .map(|to| self.full_name_beside(to, &name.0))
            .transpose()?;
        if !alter.only_renames() {
            self.change_definition(alter, &name).await?;
        } else if self
            .engine
            .store()
            .snapshot()
            .table(&name.0, &name.1)
            .is_none()
        {
            return Err(SqlError::unknown_table(&name.0, &name.1));
        } else {
            self.warn(alter.warnings.iter().cloned());
        }
        if let Some(to) = rename.filter(|to| *to != name) {
            self.rename(vec![(name, to)]).await?;
        }
        let warnings = self.sink.total();
        Ok(Outcome::Done(Done {
            info: format!("Records: 0  Duplicates: 0  Warnings: {warnings}"),
            ..Done::default()
        }))
    }

    async fn change_definition(&mut self, alter: Box<AlterTable>, name: &Name) -> Result<()> {
        let (collation, time_zone) = (self.database_collation(), self.time_zone());
        let (name, now, settings) = (name.clone(), now_utc(), self.settings());
        let of = name.clone();
        let view = self.catalog_view();
        let work = move || {
            let table = view.table(Some(&of.0), &of.1)?;
            let definition = TableDefinition::read(Arc::clone(table.meta()))?;
            let context = DdlContext {
                collation: &collation,
                time_zone,
            };
            let mut altered = alter.apply(&definition, &context, now)?;
            let after = TableDefinition::of_spec(&of.0, altered.alteration.spec.clone())?;
            let state = view.session.engine.state();
            verify(&after, time_zone, (&view, &state))?;
            veil_new(
                &after,
                &mut altered,
                view.session.engine.pseudonym_keys(),
                now,
            )?;
            unique_check_names(&view, &after, Some(definition.meta.id))?;
            let refused = match &altered.narrows {
                Some(what) => Some(what.as_str()),
                None if altered.counts_anew => Some("AUTO_INCREMENT for a column with values"),
                None => None,
            };
            let only_empty = refused.map(str::to_owned);
            let checks = match enforces_more(&definition, &after) {
                true => Checks::compile(&after, time_zone, (&view, &state))?,
                false => None,
            };
            let generated = GeneratedColumns::compile(&after, time_zone, (&view, &state))?;
            let survey = Survey {
                meta: Arc::clone(table.meta()),
                checks,
                generated: generated.filter(|_| altered.fills),
                only_empty,
                alteration: altered.alteration.clone(),
                table: after,
                settings,
                seen: None,
            };
            Ok((Arc::clone(table.meta()), altered, survey))
        };
        let (meta, altered, survey) = self.engine.planning().run(work).await?;
        let (after, before) = (survey.table.clone(), self.engine.tables().get(&meta)?);
        if after.attributes.on_invalid != before.attributes.on_invalid {
            self.authorize_aside(&after)?;
            check_aside_table(&self.engine, &after)?;
        }
        self.warn(altered.warnings.clone());
        let (fills, sink) = (altered.fills, self.sink.clone());
        let change = move |store: &Store| change(store, &meta, altered, (survey, &sink), time_zone);
        self.engine.blocking_sql(change).await?;
        if fills {
            self.fill_generated(&name).await?;
        }
        make_aside_table(&self.engine, &after).await
    }

    pub(super) async fn rename_tables(
        &mut self,
        pairs: Vec<(TableName, TableName)>,
    ) -> Result<Outcome> {
        let mut names = Vec::with_capacity(pairs.len());
        for (from, to) in pairs {
            names.push((self.full_name(from)?, self.full_name(to)?));
        }
        self.rename(names).await?;
        Ok(done(0))
    }

    /// 1050 for a name that a view has; storage knows those of tables.
    async fn rename(&mut self, pairs: Vec<(Name, Name)>) -> Result<()> {
        let views = self.engine.views();
        let taken = pairs
            .iter()
            .find(|(_, to)| views.get(&to.0, &to.1).is_some());
        if let Some((_, to)) = taken {
            return Err(SqlError::table_exists(&to.1));
        }
        self.engine
            .blocking_sql(|store| rename_all(store, pairs))
            .await
    }

    fn full_name(&self, name: TableName) -> Result<Name> {
        Ok((self.schema_of(name.schema)?, name.table))
    }

    /// ALTER TABLE a.t RENAME TO u: into the current database, as in MySQL.
    fn full_name_beside(&self, name: TableName, beside: &str) -> Result<Name> {
        let schema = name.schema.or_else(|| self.database.clone());
        let schema = schema.unwrap_or_else(|| beside.to_owned());
        match is_information_schema(&schema) {
            true => self.full_name(TableName {
                schema: Some(schema),
                table: name.table,
            }),
            false => Ok((schema, name.table)),
        }
    }
}

/// What rows that are there get in new private columns is private, too.
fn veil_new(
    after: &TableDefinition,
    altered: &mut Altered,
    keys: &Keys,
    now_utc: i64,
) -> Result<()> {
    let Some(veil) = Veil::new(after, keys, now_utc)? else {
        return Ok(());
    };
    for (at, origin) in altered.alteration.columns.iter_mut().enumerate() {
        if let ColumnOrigin::New { fill: Some(fill) } = origin {
            *fill = veil.column(at, fill);
        }
    }
    Ok(())
}

fn change(
    store: &Store,
    meta: &TableMeta,
    altered: Altered,
    (mut survey, sink): (Survey, &Sink),
    time_zone: TimeZone,
) -> Result<()> {
    let (spec, id) = (altered.alteration.spec.clone(), meta.id);
    let name = (meta.schema.as_str(), meta.spec.name.as_str());
    let mut look = None;
    let said: Arc<Mutex<Option<SqlError>>> = Arc::default();
    if !survey.is_needless() {
        let unknown = || SqlError::unknown_table(name.0, name.1);
        let newest = || store.snapshot().table(name.0, name.1).ok_or_else(unknown);
        on_large_stack(|| sink.within(|| survey.look_at_most(newest)))?;
        sink.check_division(survey.settings.mode.strict)?;
        look = Some(last_look(survey, Arc::clone(&said)));
    }
    let done = store.alter_table_after(name, altered.alteration, look);
    if let Some(error) = said.lock().unwrap_or_else(PoisonError::into_inner).take() {
        return Err(error);
    }
    match done {
        // The one thing about a definition that depends on the rows.
        Err(StorageError::Invalid(_)) => return Err(SqlError::invalid_use_of_null()),
        Err(error @ StorageError::NotUnique { .. }) => {
            return Err(not_unique(error, &spec, time_zone));
        }
        other => other?,
    }
    let counts = spec.auto_increment.is_some();
    if let Some(first) = altered.auto_increment.filter(|_| counts) {
        // The value taken to see where the counter stands is the price of it.
        let next = store.reserve_ids(id, 1)?;
        let missing = first.saturating_sub(next.saturating_add(1));
        if missing > 0 {
            store.reserve_ids(id, missing)?;
        }
    }
    Ok(())
}

/// Looks at the rest of the rows when nobody can write any more. What it finds is `said`.
fn last_look(mut survey: Survey, said: Arc<Mutex<Option<SqlError>>>) -> LastLook {
    LastLook(Box::new(move |table| {
        let refused = match on_large_stack(|| survey.look(table)) {
            Ok(()) => return Ok(()),
            Err(error) => error,
        };
        *said.lock().unwrap_or_else(PoisonError::into_inner) = Some(refused);
        Err(StorageError::Invalid("refused at the last look".into()))
    }))
}

/// All or none: what was renamed is renamed back when one cannot be.
fn rename_all(store: &Store, pairs: Vec<(Name, Name)>) -> Result<()> {
    let mut renamed: Vec<(Name, Name)> = Vec::with_capacity(pairs.len());
    for (from, to) in pairs {
        match store.rename_table((&from.0, &from.1), (&to.0, &to.1)) {
            Ok(()) => renamed.push((from, to)),
            Err(error) => {
                for (from, to) in renamed.iter().rev() {
                    store.rename_table((&to.0, &to.1), (&from.0, &from.1))?;
                }
                return Err(error.into());
            }
        }
    }
    Ok(())
}
