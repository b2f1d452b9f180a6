//! CREATE, DROP and TRUNCATE of databases and tables.

use storno_storage::{Error as StorageError, Store, TableSpec};

use super::aside::{check_aside_table, make_aside_table};
use super::{Session, done};
use crate::check::{unique_check_names, verify};
use crate::computed::GeneratedColumns;
use crate::ddl::{
    CreateDatabase, CreateTable, Ddl, DdlContext, DropDatabase, DropTable, NewTable,
    SchemaAttributes, TableName, parse,
};
use crate::dialect::Lexed;
use crate::error::{Result, SqlError, Warning};
use crate::information_schema::is_information_schema;
use crate::result::Outcome;
use crate::types::{Check, TableAttributes, TableDefinition};

impl Session {
    /// Definitions commit what is open before they take effect, as in MySQL.
    pub(super) async fn define(&mut self, lexed: Lexed) -> Result<Outcome> {
        let collation = self.database_collation();
        let time_zone = self.time_zone();
        let view = self.catalog_view();
        let work = move || {
            let context = DdlContext {
                collation: &collation,
                time_zone,
            };
            let text = lexed.text.trim_end().trim_end_matches(';');
            let ddl = parse(text, &context)?.ok_or_else(|| lexed.error_at(0))?;
            if let Ddl::CreateTable(create) = &ddl
                && let NewTable::Defined { spec, .. } = &create.table
            {
                let schema = create.schema.as_deref().or(view.database.as_deref());
                let table = TableDefinition::of_spec(schema.unwrap_or(""), spec.clone())?;
                let state = view.session.engine.state();
                verify(&table, time_zone, (&view, &state))?;
                GeneratedColumns::compile(&table, time_zone, (&view, &state))?;
            }
            Ok(ddl)
        };
        let ddl = self.engine.planning().run(work).await?;
        self.commit().await?;
        let engine = self.engine.clone();
        let _alone = engine.definitions().lock().await;
        match ddl {
            Ddl::CreateTable(create) => self.create_table(*create).await,
            Ddl::DropTable(drop) => self.drop_tables(drop).await,
            Ddl::TruncateTable(name) => self.truncate(name).await,
            Ddl::AlterTable(alter) => self.alter_table(alter).await,
            Ddl::RenameTables(pairs) => self.rename_tables(pairs).await,
            Ddl::CreateDatabase(create) => self.create_database(create).await,
            Ddl::DropDatabase(drop) => self.drop_database(drop).await,
        }
    }

    pub(super) fn database_collation(&self) -> String {
        let schemas = self.engine.store().snapshot().schemas();
        let own = schemas
            .into_iter()
            .find(|(name, _)| Some(name) == self.database.as_ref());
        let json = own.map(|(_, json)| json).unwrap_or_default();
        SchemaAttributes::from_json(&json)
            .map(|a| a.collation)
            .unwrap_or_default()
    }

    pub(super) fn schema_of(&self, schema: Option<String>) -> Result<String> {
        let schema = schema.or_else(|| self.database.clone());
        let schema = schema.ok_or_else(SqlError::no_database_selected)?;
        self.check_writable(&schema)?;
        Ok(schema)
    }

    /// 1044 for information_schema, in which nothing is defined.
    fn check_writable(&self, schema: &str) -> Result<()> {
        match is_information_schema(schema) {
            true => Err(SqlError::database_access_denied(&self.context.user, schema)),
            false => Ok(()),
        }
    }

    async fn create_table(&mut self, create: CreateTable) -> Result<Outcome> {
        let schema = self.schema_of(create.schema)?;
        let (spec, first_id) = match create.table {
            NewTable::Defined {
                spec,
                auto_increment,
            } => (spec, auto_increment),
            NewTable::Like { name, source } => (self.like(name, source)?, None),
        };
        let name = spec.name.clone();
        if self.engine.views().get(&schema, &name).is_some() {
            return Err(SqlError::table_exists(&name));
        }
        let view = self.catalog_view();
        // That the table is there weighs more.
        if view.snapshot.table(&schema, &name).is_none() {
            let table = TableDefinition::of_spec(&schema, spec.clone())?;
            unique_check_names(&view, &table, None)?;
        }
        let made = TableDefinition::of_spec(&schema, spec.clone())?;
        self.authorize_aside(&made)?;
        check_aside_table(&self.engine, &made)?;
        let result = self
            .engine
            .blocking_sql(move |store| create_in(store, &schema, spec, first_id))
            .await;
        match result {
            Err(error) if error.code == 1050 && create.if_not_exists => {
                self.warn([Warning::note(
                    error.code,
                    format!("Table '{name}' already exists"),
                )]);
            }
            other => {
                other?;
                make_aside_table(&self.engine, &made).await?;
            }
        }
        self.warn(create.warnings);
        Ok(done(0))
    }

    fn like(&self, name: String, source: TableName) -> Result<TableSpec> {
        let view = self.catalog_view();
        let table = view.table(source.schema.as_deref(), &source.table)?;
        let spec = table.meta().spec.clone();
        let mut attributes = TableAttributes::from_json(&spec.attributes)?;
        // Their names are unique in a database: all are made up anew.
        for (n, check) in (1..).zip(&mut attributes.checks) {
            check.name = Check::generated_name(&name, n);
        }
        Ok(TableSpec {
            name,
            attributes: attributes.to_json(),
            ..spec
        })
    }

    /// All or none: a missing table is found before anything is dropped.
    async fn drop_tables(&mut self, drop: DropTable) -> Result<Outcome> {
        let snapshot = self.engine.store().snapshot();
        let mut found = Vec::new();
        let mut missing = Vec::new();
        for TableName { schema, table } in drop.tables {
            let schema = self.schema_of(schema)?;
            match snapshot.table(&schema, &table) {
                Some(_) => found.push((schema, table)),
                None => missing.push(format!("{schema}.{table}")),
            }
        }
        if !missing.is_empty() && !drop.if_exists {
            return Err(SqlError::unknown_tables_to_drop(&missing.join(",")));
        }
        let notes = missing
            .iter()
            .map(|name| Warning::note(1051, format!("Unknown table '{name}'")));
        self.warn(notes.collect::<Vec<_>>());
        let all = move |store: &Store| {
            for (schema, table) in &found {
                store.drop_table(schema, table)?;
            }
            Ok(())
        };
        self.engine.blocking(all).await?;
        Ok(done(0))
    }

    async fn truncate(&mut self, name: TableName) -> Result<Outcome> {
        let schema = self.schema_of(name.schema)?;
        let table = name.table;
        self.engine
            .blocking(move |store| store.truncate_table(&schema, &table))
            .await?;
        Ok(done(0))
    }

    async fn create_database(&mut self, create: CreateDatabase) -> Result<Outcome> {
        let CreateDatabase {
            name,
            if_not_exists,
            attributes,
            warnings,
        } = create;
        if is_reserved(&name) {
            return Err(SqlError::database_access_denied(&self.context.user, &name));
        }
        let (json, created) = (attributes.to_json(), name.clone());
        let result = self
            .engine
            .blocking(move |store| store.create_schema(&created, &json))
            .await;
        match result {
            Err(error) if error.code == 1007 && if_not_exists => {
                self.warn([Warning::note(error.code, error.message)]);
            }
            other => other?,
        }
        self.warn(warnings);
        Ok(done(1))
    }

    async fn drop_database(&mut self, drop: DropDatabase) -> Result<Outcome> {
        let name = drop.name.clone();
        self.check_writable(&name)?;
        let snapshot = self.engine.store().snapshot();
        let tables = snapshot.tables(&name).map_or(0, |t| t.len() as u64);
        let dropped = name.clone();
        let result = self
            .engine
            .blocking_sql(move |store| match store.drop_schema(&dropped) {
                Err(StorageError::UnknownSchema(_)) => {
                    Err(SqlError::database_to_drop_does_not_exist(&dropped))
                }
                other => Ok(other?),
            });
        match result.await {
            Err(error) if error.code == 1008 && drop.if_exists => {
                self.warn([Warning::note(error.code, error.message)]);
                return Ok(done(0));
            }
            other => other?,
        }
        if self.engine.views().of(&name).next().is_some() {
            self.change_views(|views| views.remove_database(&name))
                .await?;
        }
        if self.database.as_deref() == Some(name.as_str()) {
            self.set_database(None);
        }
        Ok(done(tables))
    }
}

/// Names under which MySQL keeps its own tables.
fn is_reserved(name: &str) -> bool {
    const NAMES: [&str; 4] = ["information_schema", "performance_schema", "mysql", "sys"];
    NAMES.iter().any(|n| name.eq_ignore_ascii_case(n))
}

fn create_in(store: &Store, schema: &str, spec: TableSpec, first_id: Option<u64>) -> Result<()> {
    let name = spec.name.clone();
    let id = match store.create_table(schema, spec) {
        Err(StorageError::UnknownSchema(_)) => return Err(SqlError::unknown_database(schema)),
        Err(StorageError::TableExists(..)) => return Err(SqlError::table_exists(&name)),
        other => other?,
    };
    // AUTO_INCREMENT = n: the values before it count as taken.
    if let Some(taken) = first_id
        .and_then(|first| first.checked_sub(1))
        .filter(|n| *n > 0)
    {
        store.reserve_ids(id, taken)?;
    }
    Ok(())
}
