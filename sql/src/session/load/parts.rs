//! A load into a table with an event key: commits of bounded size, one after the other.
//!
//! It is no single commit, and needs none: what of it was committed before an error is left out when the
//! file is loaded again.

use std::sync::Arc;

use arrow::array::RecordBatch;
use storno_storage::{OnDuplicate, SyncMode, TableId, WriteBatch};

use super::committer::{Total, named};
use super::loader::Built;
use crate::engine::Engine;
use crate::error::Result;
use crate::functions::warnings::Sink;
use crate::insert::{note_resent, warn_repeated};
use crate::known::KnownTable;
use crate::types::TimeZone;

/// Bytes of rows that are committed together.
const PART_BYTES: usize = 64 << 20;

pub(super) struct Parts {
    pub(super) engine: Engine,
    pub(super) table: Arc<KnownTable>,
    pub(super) time_zone: TimeZone,
    /// The table for rows that cannot be stored.
    pub(super) aside: Option<TableId>,
    pub(super) on_duplicate: OnDuplicate,
    pub(super) sync: SyncMode,
    /// Where rows that are left out are listed.
    pub(super) sink: Sink,
    /// Whether those that had come before are (`sql_notes`).
    pub(super) notes: bool,
    pub(super) gathered: Vec<RecordBatch>,
    /// Rows that cannot be stored.
    pub(super) invalid: Vec<RecordBatch>,
    pub(super) bytes: usize,
    pub(super) total: Total,
}

impl Parts {
    pub(super) fn push(&mut self, batch: Built) -> Result<()> {
        self.bytes += batch.rows.get_array_memory_size();
        self.gathered.push(batch.rows);
        if let Some(invalid) = batch.aside {
            self.bytes += invalid.get_array_memory_size();
            self.invalid.push(invalid);
        }
        match self.bytes >= PART_BYTES {
            true => self.commit_part(),
            false => Ok(()),
        }
    }

    pub(super) fn commit(mut self) -> Result<Total> {
        self.commit_part()?;
        Ok(self.total)
    }

    fn commit_part(&mut self) -> Result<()> {
        self.bytes = 0;
        let batches = std::mem::take(&mut self.gathered);
        if batches.is_empty() {
            return Ok(());
        }
        let id = self.table.meta.id;
        let invalid = std::mem::take(&mut self.invalid);
        let mut arrivals: Vec<_> = batches.iter().map(|rows| (id, rows.clone())).collect();
        let rows_aside: u64 = invalid.iter().map(|b| b.num_rows() as u64).sum();
        // Behind the others, whose numbers results and errors give.
        let others = invalid.into_iter();
        arrivals.extend(others.filter_map(|rows| Some((self.aside?, rows))));
        let committed = self.engine.store().commit(WriteBatch {
            inserts: Vec::new(),
            arrivals,
            deletes: Vec::new(),
            on_duplicate: self.on_duplicate,
            sync: self.sync,
        });
        let commit =
            committed.map_err(|error| named(error, &self.table, &batches, self.time_zone))?;
        self.engine.count_resent(commit.rows_resent());
        self.total.inserted += commit.rows_inserted - rows_aside;
        self.total.skipped += commit.rows_skipped;
        let (sink, table, zone) = (&self.sink, &self.table, self.time_zone);
        warn_repeated(sink, table, (&batches, &commit.repeated), zone);
        if self.notes {
            for (rows, resent) in batches.iter().zip(&commit.resent) {
                note_resent(sink, table, (rows, resent), zone);
            }
        }
        Ok(())
    }
}
