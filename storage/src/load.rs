//! Loading more rows than memory holds into one table, in one commit: they are written into segments as
//! they come, and become visible together. What is kept in memory is a few hundred megabytes of rows and,
//! of tables with unique keys or an event key, a hash per row and key.

use std::sync::Arc;

use arrow::array::RecordBatch;

use crate::commit::{Commit, Delete, IfGone, OnDuplicate, PreparedCommit, WriteBatch};
use crate::engine::Bulk;
use crate::rows::batch_bytes;
use crate::{Error, Result, RowSelection, Snapshot, Store, SyncMode, TableId, TableMeta};

/// Bytes of rows at which they are written, however few they are.
const CHUNK_BYTES_MAX: u64 = 512 << 20;

/// Rows on their way into a table. Dropped without a commit it leaves nothing behind.
#[derive(Debug)]
pub struct Load {
    store: Store,
    table: TableId,
    /// Definitions that the rows are made for, as far as that was said.
    made_for: Vec<Arc<TableMeta>>,
    has_events: bool,
    /// They take the place of other rows: those whose event is known are not left out.
    replaces: bool,
    /// The table as it was at the beginning: if it is altered meanwhile the commit fails.
    snapshot: Snapshot,
    on_duplicate: OnDuplicate,
    waiting: Vec<RecordBatch>,
    rows: u64,
    bytes: u64,
    /// Of a full segment.
    segment_rows: u64,
    /// Rows so far.
    total: u64,
    /// What has been written.
    written: Option<PreparedCommit>,
}

impl Load {
    pub(crate) fn new(
        store: Store,
        table: TableId,
        made_for: Vec<Arc<TableMeta>>,
        on_duplicate: OnDuplicate,
    ) -> Result<Self> {
        let snapshot = store.snapshot();
        snapshot.version.check_definitions(&made_for)?;
        let meta = &snapshot.version.table(table)?.meta;
        let segment_rows = store.segment_rows_of(&meta.spec);
        let has_events = meta.spec.event_key.is_some();
        Ok(Self {
            segment_rows,
            store,
            table,
            made_for,
            has_events,
            replaces: false,
            snapshot,
            on_duplicate,
            waiting: Vec::new(),
            rows: 0,
            bytes: 0,
            total: 0,
            written: None,
        })
    }

    pub(crate) fn replacing(self) -> Self {
        Self {
            replaces: true,
            ..self
        }
    }

    /// Adds rows, which must have exactly the table's arrow schema. From time to time this writes segments.
    /// After an error the load can only be dropped.
    pub fn push(&mut self, rows: RecordBatch) -> Result<()> {
        self.total += rows.num_rows() as u64;
        if u32::try_from(self.total).is_err() {
            return Err(Error::Invalid("a load is limited to 2^32 - 1 rows".into()));
        }
        self.rows += rows.num_rows() as u64;
        self.bytes += batch_bytes(&rows);
        self.waiting.push(rows);
        let full = self.rows >= self.segment_rows || self.bytes >= CHUNK_BYTES_MAX;
        if full { self.write() } else { Ok(()) }
    }

    fn batch(&mut self) -> WriteBatch {
        (self.rows, self.bytes) = (0, 0);
        let waiting = std::mem::take(&mut self.waiting).into_iter();
        let rows = waiting.map(|rows| (self.table, rows)).collect();
        let (inserts, arrivals) = match self.has_events && !self.replaces {
            true => (Vec::new(), rows),
            false => (rows, Vec::new()),
        };
        WriteBatch {
            inserts,
            deletes: Vec::new(),
            arrivals,
            on_duplicate: self.on_duplicate,
            sync: SyncMode::Durable,
        }
    }

    fn write(&mut self) -> Result<()> {
        let batch = self.batch();
        self.write_batch(batch)
    }

    fn write_batch(&mut self, batch: WriteBatch) -> Result<()> {
        let made_for = self.made_for.clone();
        let mut commit = PreparedCommit::new(&self.snapshot, batch, made_for, true)?;
        self.store.write_bulk(&mut commit)?;
        for insert in &mut commit.inserts {
            insert.rows = RecordBatch::new_empty(insert.rows.schema());
        }
        let Some(written) = &mut self.written else {
            self.written = Some(commit);
            return Ok(());
        };
        written.inserts.append(&mut commit.inserts);
        written.arrivals += commit.arrivals;
        let bulk = written.bulk.get_or_insert_with(Bulk::default);
        bulk.append(commit.bulk.take().unwrap_or_default());
        Ok(())
    }

    /// Makes the rows durable and visible in the place of those of `gone`, or does nothing: `Error::Conflict` when
    /// one of these has been deleted since.
    pub fn commit_replacing(mut self, gone: RowSelection) -> Result<Commit> {
        if !self.waiting.is_empty() {
            self.write()?;
        }
        // A large commit deletes rows of segments only.
        if gone.is_in_memory() {
            self.store.flush()?;
        }
        let delete = Delete {
            rows: gone,
            if_gone: IfGone::Conflict,
        };
        let Some(mut written) = self.written.take() else {
            let mut batch = self.batch();
            batch.deletes.push(delete);
            return self.store.commit_made_for(batch, self.made_for);
        };
        written.deletes.push(delete);
        if self.has_events {
            self.store.write_bulk_events(&mut written)?;
        }
        self.store.commit_prepared(written)
    }

    /// Makes all rows durable and visible, or none.
    pub fn commit(self) -> Result<Commit> {
        self.commit_with(Vec::new())
    }

    /// The same together with rows of other tables, which were there when the load began. In what the
    /// commit lists they come last.
    pub fn commit_with(mut self, others: Vec<(TableId, RecordBatch)>) -> Result<Commit> {
        if self.written.is_some() && !self.waiting.is_empty() {
            self.write()?;
        }
        if self.written.is_some() && !others.is_empty() {
            let mut batch = self.batch();
            match self.has_events {
                true => batch.arrivals = others,
                false => batch.inserts = others,
            }
            self.write_batch(batch)?;
            return self.commit();
        }
        match self.written.take() {
            // Few rows: like any other commit.
            None => {
                let mut batch = self.batch();
                match self.has_events {
                    true => batch.arrivals.extend(others),
                    false => batch.inserts.extend(others),
                }
                self.store.commit_made_for(batch, self.made_for)
            }
            Some(mut written) => {
                if self.has_events {
                    self.store.write_bulk_events(&mut written)?;
                }
                self.store.commit_prepared(written)
            }
        }
    }
}
