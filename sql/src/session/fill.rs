//! New generated columns of a table that has rows: the rows are written again with their values, a part at a
//! time, while others read and write. Until then the columns are marked in the table's definition; a crash
//! in between leaves the mark, and the next start goes on.

use std::sync::Arc;

use arrow::array::{AsArray, BooleanArray, RecordBatch};
use arrow::compute::kernels::cmp::distinct;
use arrow::compute::{concat_batches, filter, filter_record_batch, or};
use arrow::datatypes::UInt64Type;
use arrow::error::ArrowError;
use storno_storage::{
    Alteration, ColumnOrigin, Delete, Error as Storage, IfGone, OnDuplicate, RowSelection,
    ScanRequest, Store, SyncMode, TableMeta, TableSnapshot, WriteBatch,
};

use super::Session;
use crate::computed::GeneratedColumns;
use crate::error::{Result, SqlError};
use crate::insert::Settings;
use crate::known::KnownTable;
use crate::memory::held_bytes;
use crate::types::{ColumnAttributes, TableDefinition};

/// Rows that are written again in one commit: about so many bytes.
const PART_BYTES: usize = 64 << 20;

impl Session {
    /// Gives the rows of a table the values of its marked columns, and takes the mark away.
    pub(super) async fn fill_generated(&mut self, name: &(String, String)) -> Result<()> {
        let (view, name, settings) = (self.catalog_view(), name.clone(), self.settings());
        let work = move || {
            let table = view.table(Some(&name.0), &name.1)?;
            let known = view.session.engine.tables().get(table.meta())?;
            let generated = known.generated(&view)?;
            Ok((known, generated))
        };
        let (table, generated) = self.engine.planning().run(work).await?;
        let Some(generated) = generated else {
            return Ok(());
        };
        let (sink, sync) = (self.sink.clone(), self.engine.sync_mode());
        let filler = Filler {
            table,
            generated,
            settings,
            sync,
        };
        let fill = move |store: &Store| {
            sink.within(|| filler.fill(store))?;
            unmark(store, &filler.table.meta)
        };
        self.engine.blocking_sql(fill).await
    }

    /// Goes on with what a crash has interrupted.
    pub(crate) async fn finish_fills(&mut self) -> Result<()> {
        let snapshot = self.engine.store().snapshot();
        let mut names = Vec::new();
        for (schema, _) in snapshot.schemas() {
            let tables = snapshot.tables(&schema).unwrap_or_default();
            let marked = tables.iter().filter(|meta| is_marked(meta));
            names.extend(marked.map(|meta| (schema.clone(), meta.spec.name.clone())));
        }
        for name in names {
            self.fill_generated(&name).await?;
        }
        Ok(())
    }
}

/// Whether a crash has left new columns without the values of the rows before.
pub(crate) fn is_marked(meta: &TableMeta) -> bool {
    // Most tables have none: reading all attributes would be dear.
    let maybe = |json: &str| json.contains("\"filling\":true");
    meta.spec.columns.iter().any(|column| {
        maybe(&column.attributes)
            && ColumnAttributes::from_json(&column.attributes)
                .is_ok_and(|a| a.generated.is_some_and(|g| g.filling))
    })
}

struct Filler {
    table: Arc<KnownTable>,
    generated: Arc<GeneratedColumns>,
    settings: Settings,
    sync: SyncMode,
}

impl Filler {
    fn fill(&self, store: &Store) -> Result<()> {
        let meta = &self.table.meta;
        loop {
            let snapshot = store.snapshot().table(&meta.schema, &meta.spec.name);
            let Some(table) = snapshot.filter(|table| table.meta().id == meta.id) else {
                return Ok(());
            };
            // Rows that others have changed meanwhile are others now: they are looked at again.
            if self.pass(store, &table)? {
                return Ok(());
            }
        }
    }

    /// Looks at all rows once; `false` when some were gone before they could be written again.
    fn pass(&self, store: &Store, table: &TableSnapshot) -> Result<bool> {
        let width = table.meta().arrow.fields().len();
        let scan = table.scan(ScanRequest {
            columns: (0..width).collect(),
            predicates: Vec::new(),
        })?;
        let mut part = Part::of(table);
        for batch in scan
            .with_row_positions()
            .into_morsels()
            .into_iter()
            .flatten()
        {
            self.take(batch?, table, &mut part)?;
            if part.bytes >= PART_BYTES
                && !self.write(store, std::mem::replace(&mut part, Part::of(table)))?
            {
                return Ok(false);
            }
        }
        self.write(store, part)
    }

    /// Adds the rows of a batch whose stored values are not the computed ones.
    fn take(&self, batch: RecordBatch, table: &TableSnapshot, part: &mut Part) -> Result<()> {
        let Some((positions, columns)) = batch.columns().split_last() else {
            return Ok(());
        };
        let schema = Arc::clone(&table.meta().arrow);
        let rows = RecordBatch::try_new(schema, columns.to_vec()).map_err(failed)?;
        let how = (self.settings, false);
        let filled = self.generated.fill(&self.table, rows.clone(), how)?.rows;
        let mut changed = BooleanArray::from(vec![false; rows.num_rows()]);
        for (at, (old, new)) in rows.columns().iter().zip(filled.columns()).enumerate() {
            if self.table.is_generated(at) {
                let differs = distinct(old, new).map_err(failed)?;
                changed = or(&changed, &differs).map_err(failed)?;
            }
        }
        if changed.true_count() == 0 {
            return Ok(());
        }
        let positions = filter(positions, &changed).map_err(failed)?;
        part.gone
            .extend(positions.as_primitive::<UInt64Type>().values())?;
        let filled = filter_record_batch(&filled, &changed).map_err(failed)?;
        part.bytes += held_bytes(&filled);
        part.rows.push(filled);
        Ok(())
    }

    fn write(&self, store: &Store, part: Part) -> Result<bool> {
        let meta = &self.table.meta;
        if part.rows.is_empty() {
            return Ok(true);
        }
        let rows = concat_batches(&meta.arrow, &part.rows).map_err(failed)?;
        let batch = WriteBatch {
            inserts: vec![(meta.id, rows)],
            deletes: vec![Delete {
                rows: part.gone,
                if_gone: IfGone::Conflict,
            }],
            arrivals: Vec::new(),
            on_duplicate: OnDuplicate::Fail,
            sync: self.sync,
        };
        match store.commit(batch) {
            Ok(_) => Ok(true),
            Err(Storage::Conflict { .. }) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// Rows that are to be written again.
struct Part {
    gone: RowSelection,
    rows: Vec<RecordBatch>,
    bytes: usize,
}

impl Part {
    fn of(table: &TableSnapshot) -> Self {
        Self {
            gone: table.selection(),
            rows: Vec::new(),
            bytes: 0,
        }
    }
}

fn unmark(store: &Store, meta: &TableMeta) -> Result<()> {
    let Some(table) = store.snapshot().table(&meta.schema, &meta.spec.name) else {
        return Ok(());
    };
    let definition = TableDefinition::read(Arc::clone(table.meta()))?;
    let mut spec = table.meta().spec.clone();
    for (column, mut attributes) in spec.columns.iter_mut().zip(definition.columns) {
        if let Some(generated) = attributes.generated.as_mut().filter(|g| g.filling) {
            generated.filling = false;
            column.attributes = attributes.to_json();
        }
    }
    let columns = (0..spec.columns.len())
        .map(ColumnOrigin::Existing)
        .collect();
    let alteration = Alteration { spec, columns };
    Ok(store.alter_table(&meta.schema, &meta.spec.name, alteration)?)
}

fn failed(error: ArrowError) -> SqlError {
    SqlError::internal(format!("Internal error: {error}"))
}
