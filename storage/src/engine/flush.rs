//! A flush: the rows of one sealed memtable become segments.

use std::sync::Arc;

use arrow::array::ArrayRef;
use roaring::RoaringBitmap;

use super::Shared;
use super::segments::{RowSource, Written};
use crate::history::History;
use crate::memtable::Memtable;
use crate::placement::Placement;
use crate::{Result, TableMeta};

#[derive(Debug)]
pub(crate) struct FlushJob {
    pub(super) meta: Arc<TableMeta>,
    pub(super) history: Arc<History>,
    /// As it was when the job was queued: rows deleted since are written, too.
    pub(super) memtable: Arc<Memtable>,
}

impl RowSource for Memtable {
    fn rows(&self) -> usize {
        self.rows() as usize
    }

    fn raw_bytes(&self) -> u64 {
        self.bytes()
    }

    fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        Ok(self
            .chunks()
            .iter()
            .filter_map(|c| c.columns().get(column))
            .cloned()
            .collect())
    }

    fn placement(&self) -> Placement {
        Placement::Mixed
    }

    fn deleted(&self) -> RoaringBitmap {
        (**self.deleted()).clone()
    }
}

impl FlushJob {
    pub(super) fn run(&self, shared: &Shared) -> Result<Written> {
        let written = shared.write_segments((&self.meta, &self.history), &*self.memtable, 1)?;
        let events = shared.write_events((&self.meta, &self.history), &self.memtable);
        if events.is_err() {
            written
                .segments
                .iter()
                .for_each(|segment| segment.make_obsolete());
        }
        Ok(Written {
            events: events?,
            ..written
        })
    }
}
