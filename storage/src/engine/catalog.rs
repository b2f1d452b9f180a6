//! Changes of the catalog: one manifest record each, durable when they return. Snapshots taken before
//! keep what they saw.

use std::sync::Arc;

use super::events::abandon_runs;
use super::writer::Writer;
use crate::history::History;
use crate::manifest::Edit;
use crate::version::{SchemaVersion, TableVersion, Version};
use crate::{Error, Result, TableId, TableMeta, TableSpec};

impl Writer {
    pub(crate) fn create_schema(&mut self, name: &str, attributes: &str) -> Result<()> {
        if self.version.schemas.contains_key(name) {
            return Err(Error::SchemaExists(name.into()));
        }
        let (name, attributes) = (name.to_owned(), attributes.to_owned());
        self.log_edits(&[Edit::CreateSchema {
            name: name.clone(),
            attributes: attributes.clone(),
        }])?;
        let schema = SchemaVersion {
            attributes,
            ..Default::default()
        };
        Arc::make_mut(&mut self.version.schemas).insert(name, schema);
        self.publish();
        Ok(())
    }

    pub(crate) fn drop_schema(&mut self, name: &str) -> Result<()> {
        let schema = self.version.schemas.get(name);
        let schema = schema.ok_or_else(|| Error::UnknownSchema(name.into()))?;
        let tables: Vec<TableId> = schema.tables.values().copied().collect();
        let mut next = self.version.clone();
        Arc::make_mut(&mut next.schemas).remove(name);
        let mut edits: Vec<Edit> = tables.iter().map(|&id| Edit::DropTable { id }).collect();
        edits.push(Edit::DropSchema { name: name.into() });
        self.drop_tables(next, &tables, edits)
    }

    pub(crate) fn create_table(&mut self, schema: &str, spec: TableSpec) -> Result<TableId> {
        spec.check()?;
        let found = self.version.schemas.get(schema);
        let found = found.ok_or_else(|| Error::UnknownSchema(schema.into()))?;
        if found.tables.contains_key(&spec.name) {
            return Err(Error::TableExists(schema.into(), spec.name));
        }
        let id = self.manifest.state().next_table;
        let schema = schema.to_owned();
        self.log_edits(&[Edit::CreateTable {
            id,
            schema: schema.clone(),
            spec: spec.clone(),
        }])?;
        if let Some(found) = Arc::make_mut(&mut self.version.schemas).get_mut(&schema) {
            found.tables.insert(spec.name.clone(), id);
        }
        let history = Arc::new(History::new(&spec));
        let meta = TableMeta {
            id,
            schema,
            arrow: spec.arrow(),
            folds: self.shared.folds(&spec),
            spec,
        };
        self.version.tables.insert(
            id,
            Arc::new(TableVersion::new(meta, history, Vec::new(), (1, 0))),
        );
        self.publish();
        Ok(id)
    }

    pub(crate) fn drop_table(&mut self, schema: &str, table: &str) -> Result<()> {
        let id = self.find(schema, table)?;
        let mut next = self.version.clone();
        if let Some(schema) = Arc::make_mut(&mut next.schemas).get_mut(schema) {
            schema.tables.remove(table);
        }
        self.drop_tables(next, &[id], vec![Edit::DropTable { id }])
    }

    fn find(&self, schema: &str, table: &str) -> Result<TableId> {
        let found = self.version.find(schema, table);
        let found = found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        Ok(found.meta.id)
    }

    /// Takes tables out of `next`, which is to be the new version, and logs it.
    fn drop_tables(
        &mut self,
        mut next: Version,
        ids: &[TableId],
        mut edits: Vec<Edit>,
    ) -> Result<()> {
        for id in ids {
            next.tables.remove(id);
        }
        let wal = self.unneeded_wal(&next);
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        for id in ids {
            self.abandon_segments(*id);
        }
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        self.answer_flush_waiters();
        Ok(())
    }

    /// The table's files go when the last reader does.
    fn abandon_segments(&self, id: TableId) {
        if let Ok(table) = self.version.table(id) {
            table
                .segments
                .iter()
                .for_each(|segment| segment.make_obsolete());
            abandon_runs(table.events.iter());
        }
    }

    pub(crate) fn truncate_table(&mut self, schema: &str, table: &str) -> Result<()> {
        let id = self.find(schema, table)?;
        let mut next = self.version.clone();
        next.change(id, |table| {
            table.segments = Arc::default();
            Arc::make_mut(&mut table.events).forget();
            table.sealed = Vec::new();
            table.take_active();
        });
        let wal = self.unneeded_wal(&next);
        let sequence = self.version.sequence;
        let rows = next.table(id)?.active.end();
        let mut edits = vec![Edit::Truncate { id, sequence }, Edit::Arrived { id, rows }];
        edits.extend(wal.iter().map(|&file| Edit::WalRemoved { file }));
        self.log_edits(&edits)?;
        self.abandon_segments(id);
        if let Ok(table) = next.table(id) {
            table.counter.restart();
        }
        self.version = next;
        self.publish();
        self.remove_wal(&wal);
        self.answer_flush_waiters();
        Ok(())
    }

    pub(crate) fn set_property(&mut self, key: &str, value: Option<&str>) -> Result<()> {
        let (key, value) = (key.to_owned(), value.map(str::to_owned));
        self.log_edits(&[Edit::SetProperty {
            key: key.clone(),
            value: value.clone(),
        }])?;
        let properties = Arc::make_mut(&mut self.version.properties);
        match value {
            Some(value) => properties.insert(key, value),
            None => properties.remove(&key),
        };
        self.publish();
        Ok(())
    }
}
