//! A flush: the rows of one sealed memtable become segments.

use std::sync::Arc;

use arrow::array::ArrayRef;

use super::Shared;
use super::segments::RowSource;
use crate::memtable::Memtable;
use crate::segment::PublishedSegment;
use crate::{Result, TableMeta};

#[derive(Debug)]
pub(crate) struct FlushJob {
    pub(super) meta: Arc<TableMeta>,
    pub(super) memtable: Arc<Memtable>,
}

impl RowSource for Memtable {
    fn rows(&self) -> usize {
        self.rows() as usize
    }

    fn column(&self, column: usize) -> Result<Vec<ArrayRef>> {
        Ok(self
            .chunks()
            .iter()
            .filter_map(|c| c.columns().get(column))
            .cloned()
            .collect())
    }
}

impl FlushJob {
    pub(super) fn run(&self, shared: &Shared) -> Result<Vec<Arc<PublishedSegment>>> {
        shared.write_segments(&self.meta, &*self.memtable)
    }
}
