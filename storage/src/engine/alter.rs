//! ALTER TABLE: one manifest record with the new specification and the history of shapes. Memtables are
//! converted at once, segments when they are read; jobs under way for the old shape are done again.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};
use arrow::datatypes::DataType;

use super::add_key::{Prepared, columns_before};
use super::events::abandon_runs;
use super::first_events::FirstEvents;
use super::proof::Proof;
use super::writer::Writer;
use crate::history::{ColumnId, History, Shape, widens};
use crate::keys::ColumnFolds;
use crate::manifest::Edit;
use crate::version::{TableVersion, Version};
use crate::{
    Alteration, ColumnOrigin, Error, LastLook, Result, ScanRequest, TableMeta, TableName,
    TableSnapshot, TableSpec,
};

type Column = (ColumnId, DataType);

/// A new column and the value that stands in for it in older rows.
type Fill = (ColumnId, ArrayRef);

impl Writer {
    /// Changes a table. New unique keys need a proof; it is given back when more rows than `backlog_max`
    /// have come since it was made.
    pub(crate) fn alter_table(
        &mut self,
        (schema, table): (&str, &str),
        alteration: Alteration,
        prepared: Prepared,
        backlog_max: u64,
    ) -> Result<Option<Prepared>> {
        let Prepared {
            proof,
            mut events,
            look,
        } = prepared;
        let found = self.version.find(schema, table);
        let found = found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))?;
        let old = Arc::clone(found);
        let Alteration { spec, columns } = alteration;
        spec.check()?;
        if spec.name != table && self.version.find(schema, &spec.name).is_some() {
            return Err(Error::TableExists(schema.into(), spec.name));
        }
        let (shape, fills) = new_shape(&old, &spec, &columns)?;
        check_keys(
            &old,
            (&spec, &self.shared.folds(&spec)),
            &columns,
            proof.as_ref(),
        )?;
        self.check_nulls(&old, &spec, &columns)?;
        let rows = old.segments.len() as u64 + old.memtables().map(|m| m.live_rows()).sum::<u64>();
        let history = if shape == old.history.columns() {
            Arc::clone(&old.history)
        } else {
            let shape = Shape {
                sequence: self.version.sequence,
                file: self.shared.file_ids.take(),
                columns: shape,
            };
            Arc::new(old.history.extended(shape, fills)?)
        };
        let meta = TableMeta {
            id: old.meta.id,
            schema: schema.to_owned(),
            arrow: spec.arrow(),
            folds: self.shared.folds(&spec),
            spec,
        };
        let new_events = meta.spec.event_key.is_some() && !same_events(&old, &meta, &history);
        if new_events && rows > 0 && events.is_none() {
            // It was empty, or had another key, when this began.
            let (schema, table) = (schema.to_owned(), table.to_owned());
            let table = TableName { schema, table };
            return Err(Error::TableChanged { table });
        }
        if let Some(mut proof) = proof
            && !self.finish_proof(&old, &mut proof, backlog_max)?
        {
            return Ok(Some(Prepared {
                proof: Some(proof),
                events,
                look,
            }));
        }
        if let Some(LastLook(mut look)) = look {
            look(&self.snapshot_of(&old))?;
        }
        if let Some(events) = &mut events {
            events.go_on(&self.shared, &old, self.shared.arrival())?;
        }
        self.define(&old, meta, (&history, events.filter(|_| new_events)))?;
        self.queue_flushes();
        self.queue_merge();
        Ok(None)
    }

    /// Looks at the last rows. `false` when they are too many.
    fn finish_proof(
        &self,
        table: &TableVersion,
        proof: &mut Proof,
        backlog_max: u64,
    ) -> Result<bool> {
        if !proof.is_about(table) {
            let (schema, name) = (table.meta.schema.clone(), table.meta.spec.name.clone());
            let table = TableName {
                schema,
                table: name,
            };
            return Err(Error::TableChanged { table });
        }
        if proof.backlog(table) > backlog_max {
            return Ok(false);
        }
        self.shared.extend_keys(table, &proof.all_keys(table))?;
        proof.go_on(table, &self.shared)?;
        Ok(true)
    }

    /// Gives a table another name, possibly in another schema.
    pub(crate) fn rename_table(&mut self, from: (&str, &str), to: (&str, &str)) -> Result<()> {
        let found = self.version.find(from.0, from.1);
        let found = found.ok_or_else(|| Error::UnknownTable(from.0.into(), from.1.into()))?;
        let old = Arc::clone(found);
        if !self.version.schemas.contains_key(to.0) {
            return Err(Error::UnknownSchema(to.0.into()));
        }
        if self.version.find(to.0, to.1).is_some() {
            return Err(Error::TableExists(to.0.into(), to.1.into()));
        }
        let mut spec = old.meta.spec.clone();
        spec.name = to.1.into();
        let meta = TableMeta {
            id: old.meta.id,
            schema: to.0.into(),
            arrow: Arc::clone(&old.meta.arrow),
            folds: old.meta.folds.clone(),
            spec,
        };
        let history = Arc::clone(&old.history);
        self.define(&old, meta, (&history, None))?;
        self.queue_flushes();
        self.queue_merge();
        Ok(())
    }

    /// Logs and publishes what a table is from now on.
    fn define(
        &mut self,
        old: &TableVersion,
        meta: TableMeta,
        (history, events): (&Arc<History>, Option<FirstEvents>),
    ) -> Result<()> {
        let id = meta.id;
        let mut next = self.version.clone();
        rename(&mut next, &old.meta, &meta);
        let mut edits = vec![Edit::Define {
            id,
            schema: meta.schema.clone(),
            spec: meta.spec.clone(),
            history: Arc::clone(history),
        }];
        let other_events = !same_events(old, &meta, history);
        if other_events {
            let sequence = self.version.sequence;
            edits.push(Edit::EventsSince { id, sequence });
        }
        if let Some(events) = &events {
            let (removed, added) = (Vec::new(), events.records());
            edits.push(Edit::Runs { id, removed, added });
        }
        let mut altered = old.altered(meta, history)?;
        if other_events {
            altered.forget_events();
        }
        for run in events.iter().flat_map(FirstEvents::runs) {
            Arc::make_mut(&mut altered.events).add(Arc::clone(run));
        }
        next.change(id, |table| *table = altered);
        let logged = self.log_edits(&edits);
        if let Some(events) = events
            && logged.as_ref().err().is_none_or(|e| !e.is_no_space())
        {
            // After an error the record may be on the disk all the same: the files must stay.
            events.named();
        }
        logged?;
        if other_events {
            abandon_runs(old.events.iter());
        }
        if let Ok(table) = next.table(id) {
            table.counter.set_type(&table.meta);
        }
        self.version = next;
        self.publish();
        Ok(())
    }

    fn snapshot_of(&self, table: &Arc<TableVersion>) -> TableSnapshot {
        TableSnapshot {
            table: Arc::clone(table),
            cache: Arc::clone(&self.shared.cache),
            hasher: self.shared.hasher,
        }
    }

    /// Columns that may not be NULL from now on must not have any.
    fn check_nulls(
        &self,
        old: &Arc<TableVersion>,
        spec: &TableSpec,
        columns: &[ColumnOrigin],
    ) -> Result<()> {
        let snapshot = self.snapshot_of(old);
        for (column, origin) in spec.columns.iter().zip(columns) {
            let nulls = match origin {
                _ if column.nullable => false,
                ColumnOrigin::New { fill: Some(fill) } => fill.null_count() > 0,
                ColumnOrigin::New { fill: None } => snapshot.rows() > 0,
                ColumnOrigin::Existing(at) => has_nulls(&snapshot, *at)?,
            };
            if nulls {
                return Err(Error::Invalid(format!("NULL in column {}", column.name)));
            }
        }
        Ok(())
    }
}

fn rename(version: &mut Version, old: &TableMeta, new: &TableMeta) {
    let schemas = Arc::make_mut(&mut version.schemas);
    if let Some(schema) = schemas.get_mut(&old.schema) {
        schema.tables.remove(&old.spec.name);
    }
    if let Some(schema) = schemas.get_mut(&new.schema) {
        schema.tables.insert(new.spec.name.clone(), new.id);
    }
}

/// Identities and types of the columns of the altered table, and the values of new ones.
fn new_shape(
    old: &TableVersion,
    spec: &TableSpec,
    origins: &[ColumnOrigin],
) -> Result<(Vec<Column>, Vec<Fill>)> {
    let invalid = |what: &str| Err(Error::Invalid(what.into()));
    if origins.len() != spec.columns.len() {
        return invalid("not every column of the altered table has an origin");
    }
    let (mut shape, mut fills, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    let mut next = old.history.next_column();
    for (column, origin) in spec.columns.iter().zip(origins) {
        let data_type = &column.data_type;
        let id = match origin {
            ColumnOrigin::Existing(at) => {
                let Some((id, stored)) = old.history.columns().get(*at).cloned() else {
                    return invalid("an altered column that is not there");
                };
                if !seen.insert(*at) {
                    return invalid("two columns out of one");
                }
                if !widens(&stored, data_type) {
                    let what = format!("column {} from {stored} to {data_type}", column.name);
                    return Err(Error::NotSupported(what));
                }
                id
            }
            ColumnOrigin::New { fill } => {
                let id = next;
                next = ColumnId(next.0 + 1);
                if let Some(fill) = fill {
                    if fill.len() != 1 || fill.data_type() != data_type {
                        return invalid("what fills a new column is not one value of its type");
                    }
                    fills.push((id, Arc::clone(fill)));
                }
                id
            }
        };
        shape.push((id, data_type.clone()));
    }
    Ok((shape, fills))
}

/// Whether the keys are among the old ones, or proved, or of a table without rows. Their files and maps know
/// them by their columns.
fn check_keys(
    table: &TableVersion,
    (new, folds): (&TableSpec, &ColumnFolds),
    origins: &[ColumnOrigin],
    proof: Option<&Proof>,
) -> Result<()> {
    let old = &table.meta.spec;
    let before = |columns: &[usize]| columns_before(columns, origins);
    let same = |new: &[usize], old: &[usize]| before(new).as_deref() == Some(old);
    if !same(&new.sort_key, &old.sort_key) || !same(&new.shard_key, &old.shard_key) {
        return Err(Error::NotSupported("another sort or shard key".into()));
    }
    let counted_before = new.auto_increment.map(|column| before(&[column]));
    if matches!(counted_before, Some(None)) {
        return Err(Error::NotSupported("a new counted column".into()));
    }
    let no_rows = table.segments.is_empty() && table.memtables().all(|m| m.is_empty());
    let event_key = new.event_key.iter().map(|key| &key.columns);
    for &column in new
        .unique_keys
        .iter()
        .map(|key| &key.columns)
        .chain(event_key)
        .flatten()
    {
        // Keys are kept as hashes of folded values.
        let old = before(&[column]).and_then(|c| table.meta.folds.name(*c.first()?));
        if folds.name(column) != old && !no_rows {
            let what = "other rules for when values of a key are equal";
            return Err(Error::NotSupported(what.into()));
        }
    }
    for key in &new.unique_keys {
        let there = old
            .unique_keys
            .iter()
            .any(|o| same(&key.columns, &o.columns));
        let columns = before(&key.columns);
        let proved = columns.is_some_and(|c| proof.is_some_and(|proof| proof.has_key(&c)));
        if !there && !proved && !no_rows {
            let what = format!("the unique key {} over a new column of old rows", key.name);
            return Err(Error::NotSupported(what));
        }
    }
    Ok(())
}

/// Whether a row that is not deleted has NULL in a column.
fn has_nulls(snapshot: &TableSnapshot, column: usize) -> Result<bool> {
    let request = ScanRequest {
        columns: vec![column],
        predicates: vec![crate::Predicate::IsNull { column }],
    };
    // The zones leave only what may have some.
    for morsel in snapshot.scan(request)?.into_morsels() {
        for batch in morsel {
            if batch?.columns().iter().any(|c| c.null_count() > 0) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

/// Whether a table's event key has the columns it had, or it had and has none.
fn same_events(old: &TableVersion, meta: &TableMeta, history: &History) -> bool {
    let ids = |spec: &TableSpec, history: &History| {
        let key = spec.event_key.as_ref();
        let id = |&column: &usize| history.columns().get(column).map(|(id, _)| *id);
        key.map(|key| key.columns.iter().map(id).collect::<Vec<_>>())
    };
    ids(&old.meta.spec, &old.history) == ids(&meta.spec, history)
}

impl TableVersion {
    /// None of the events that have come is known from now on.
    fn forget_events(&mut self) {
        self.events = Arc::default();
        for memtable in self.sealed.iter_mut().chain([&mut self.active]) {
            *memtable = Arc::new(memtable.without_events());
        }
    }

    /// This table with another definition.
    fn altered(&self, meta: TableMeta, history: &Arc<History>) -> Result<Self> {
        let from = self.history.current();
        let conversion = history.conversion(from)?;
        let mut next = self.clone();
        if let Some(conversion) = conversion {
            let schema = history.schema(history.current());
            for memtable in next.sealed.iter_mut().chain([&mut next.active]) {
                *memtable = Arc::new(memtable.converted(&conversion, &schema)?);
            }
        }
        if !Arc::ptr_eq(&self.history, history) {
            for segment in Arc::make_mut(&mut next.segments) {
                *segment = segment.seen_by(history)?;
            }
        }
        next.meta = Arc::new(meta);
        next.history = Arc::clone(history);
        Ok(next)
    }
}
