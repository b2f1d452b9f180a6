//! ON INVALID INTO: rows that a statement could not store, on their way into the table for them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{Error as StorageError, Store, TableSnapshot};

use super::Session;
use super::access::Need;
use super::insert::now_utc;
use crate::accounts::Privileges;
use crate::engine::Engine;
use crate::error::{Result, SqlError};
use crate::insert::InvalidRow;
use crate::invalid::{self, Sender};
use crate::known::KnownTable;
use crate::types::TableDefinition;

/// Rows to be written in the commit of those that are valid.
#[derive(Clone)]
pub(super) struct Aside {
    pub(super) table: TableSnapshot,
    pub(super) rows: RecordBatch,
}

/// Where the invalid rows of one table go.
pub(super) struct AsideTable {
    pub(super) table: TableSnapshot,
    known: Arc<KnownTable>,
    sender: Sender,
}

impl AsideTable {
    pub(super) fn rows(&self, table: &KnownTable, rows: &[InvalidRow]) -> Result<RecordBatch> {
        invalid::batch(table, &self.known, rows, &self.sender)
    }
}

impl Session {
    /// The invalid rows of a statement; `None` when there are none, or the table says nothing of them. 1142 unless the
    /// account may write there.
    pub(super) async fn aside(
        &mut self,
        table: &KnownTable,
        rows: &[InvalidRow],
    ) -> Result<Option<Aside>> {
        if !rows.is_empty() {
            self.authorize_rows_aside(table)?;
        }
        self.aside_of_token(table, rows).await
    }

    /// The same for rows of who has a token: that they may go there was asked of who made it.
    pub(super) async fn aside_of_token(
        &mut self,
        table: &KnownTable,
        rows: &[InvalidRow],
    ) -> Result<Option<Aside>> {
        if rows.is_empty() {
            return Ok(None);
        }
        let Some(aside) = self.aside_table(table).await? else {
            return Ok(None);
        };
        Ok(Some(Aside {
            rows: aside.rows(table, rows)?,
            table: aside.table,
        }))
    }

    /// To name a table for invalid rows takes what it takes to make it and to write into it.
    pub(super) fn authorize_aside(&self, table: &TableDefinition) -> Result<()> {
        self.authorize_on_aside(table, Privileges::CREATE | Privileges::INSERT)
    }

    pub(super) fn authorize_rows_aside(&self, table: &TableDefinition) -> Result<()> {
        self.authorize_on_aside(table, Privileges::INSERT)
    }

    fn authorize_on_aside(&self, table: &TableDefinition, privileges: Privileges) -> Result<()> {
        let Some(name) = &table.attributes.on_invalid else {
            return Ok(());
        };
        self.authorize_needs(&[Need::Table {
            schema: table.meta.schema.clone(),
            table: name.clone(),
            privileges,
        }])
    }

    /// Where invalid rows of a table go, if the table says so. It is made when it is missing.
    pub(super) async fn aside_table(&mut self, table: &KnownTable) -> Result<Option<AsideTable>> {
        let Some(name) = &table.attributes.on_invalid else {
            return Ok(None);
        };
        let schema = &table.meta.schema;
        let find = |store: &Store| store.snapshot().table(schema, name);
        let found = match find(self.engine.store()) {
            Some(found) => found,
            None => {
                let engine = self.engine.clone();
                let _alone = engine.definitions().lock().await;
                make_aside_table(&engine, table).await?;
                let unknown = || SqlError::unknown_table(schema, name);
                find(engine.store()).ok_or_else(unknown)?
            }
        };
        let known = self.engine.tables().get(found.meta())?;
        invalid::check(&known)?;
        let client = &self.context;
        Ok(Some(AsideTable {
            table: found,
            known,
            sender: Sender {
                client: format!("{}@{} ({})", client.user, client.host, client.connection_id),
                now_utc: now_utc(),
            },
        }))
    }
}

/// An error when the name that a table gives for invalid rows has something else: their table has no door of its own.
pub(super) fn check_aside_table(engine: &Engine, table: &TableDefinition) -> Result<()> {
    let Some(name) = &table.attributes.on_invalid else {
        return Ok(());
    };
    let schema = &table.meta.schema;
    if engine.views().get(schema, name).is_some() {
        return Err(SqlError::table_exists(name));
    }
    match engine.store().snapshot().table(schema, name) {
        Some(found) => invalid::check(&*engine.tables().get(found.meta())?),
        None => Ok(()),
    }
}

/// Makes the table for the invalid rows of a table, unless it is there. Definitions must be locked.
pub(super) async fn make_aside_table(engine: &Engine, table: &TableDefinition) -> Result<()> {
    let Some(name) = table.attributes.on_invalid.clone() else {
        return Ok(());
    };
    check_aside_table(engine, table)?;
    let schema = table.meta.schema.clone();
    if engine.store().snapshot().table(&schema, &name).is_some() {
        return Ok(());
    }
    let table = table.clone();
    let spec = engine
        .planning()
        .run(move || invalid::spec(&table, &name))
        .await?;
    let create = move |store: &Store| match store.create_table(&schema, spec) {
        Err(StorageError::TableExists(..)) => Ok(()),
        other => Ok(other.map(drop)?),
    };
    engine.blocking_sql(create).await
}
