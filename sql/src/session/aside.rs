//! ON INVALID INTO: rows that a statement could not store, on their way into the table for them.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{Error as StorageError, Store, TableSnapshot};

use super::Session;
use super::insert::now_utc;
use crate::engine::Engine;
use crate::error::Result;
use crate::insert::InvalidRow;
use crate::invalid::{self, Sender};
use crate::known::KnownTable;

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
    /// The invalid rows of a statement; `None` when there are none, or the table says nothing of them.
    pub(super) async fn aside(
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
                let unknown = || crate::SqlError::unknown_table(schema, name);
                find(engine.store()).ok_or_else(unknown)?
            }
        };
        let known = self.engine.tables().get(found.meta())?;
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

/// Makes the table for the invalid rows of a table, unless it is there. Definitions must be locked.
pub(super) async fn make_aside_table(
    engine: &Engine,
    table: &crate::types::TableDefinition,
) -> Result<()> {
    let Some(name) = table.attributes.on_invalid.clone() else {
        return Ok(());
    };
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
