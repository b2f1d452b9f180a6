//! Rows that are committed but not yet in a segment. A memtable is an immutable value: appending makes a
//! new one that shares the chunks, so a snapshot keeps exactly the prefix it was taken at.

use std::sync::Arc;

use arrow::array::RecordBatch;
use arrow::datatypes::SchemaRef;
use roaring::RoaringBitmap;

use crate::Result;
use crate::events::RecentEvents;
use crate::format::FileId;
use crate::history::Conversion;
use crate::home::{Home, Place};
use crate::keys::RecentKeys;
use crate::rows::{batch_bytes, concat_batches};

/// Chunks are joined up to this many rows.
const CHUNK_ROWS_MAX: usize = 16_384;

#[derive(Debug, Clone)]
pub(crate) struct Memtable {
    /// All values that one grew into share it: a row keeps its number while the memtable grows.
    home: Arc<Home>,
    /// Arrival number of the first row.
    first: u64,
    deleted: Arc<RoaringBitmap>,
    /// Unique keys of the rows, and perhaps of later ones.
    keys: Arc<RecentKeys>,
    /// The same of event keys, and when they came.
    events: Arc<RecentEvents>,
    /// In order of arrival; their schemas only agree in the types. Small chunks are joined as they come, each at most about half as long as
    /// the one before, so that there are few of them and each row is copied few times.
    chunks: Vec<Arc<RecordBatch>>,
    rows: u64,
    bytes: u64,
    /// Sequence of the last commit in it.
    last_sequence: u64,
    /// The WAL file its first commit is in.
    first_wal: Option<FileId>,
}

impl Memtable {
    /// An empty memtable of a table that has taken `arrived` rows so far.
    pub(crate) fn starting_at(arrived: u64) -> Self {
        Self {
            home: Home::new(Place::Memtable(arrived)),
            first: arrived,
            deleted: Arc::default(),
            keys: Arc::default(),
            events: Arc::default(),
            chunks: Vec::new(),
            rows: 0,
            bytes: 0,
            last_sequence: 0,
            first_wal: None,
        }
    }

    pub(crate) fn home(&self) -> &Arc<Home> {
        &self.home
    }

    pub(crate) fn keys(&self) -> &RecentKeys {
        &self.keys
    }

    pub(crate) fn events(&self) -> &RecentEvents {
        &self.events
    }

    /// The same rows, none of whose events is known.
    pub(crate) fn without_events(&self) -> Self {
        Self {
            events: Arc::default(),
            ..self.clone()
        }
    }

    /// A copy that can grow another way.
    pub(crate) fn fork(&self) -> Self {
        Self {
            keys: Arc::new(self.keys.fork()),
            events: Arc::new(self.events.fork()),
            ..self.clone()
        }
    }

    /// Whether they are the same memtable, possibly at different times.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.home, &other.home)
    }

    /// Arrival number of the row that would come next.
    pub(crate) fn end(&self) -> u64 {
        self.first.saturating_add(self.rows)
    }

    /// Numbers of the deleted rows. They stay in the chunks.
    pub(crate) fn deleted(&self) -> &Arc<RoaringBitmap> {
        &self.deleted
    }

    /// This memtable without some rows.
    pub(crate) fn delete(&self, rows: &RoaringBitmap) -> Self {
        let mut next = self.clone();
        *Arc::make_mut(&mut next.deleted) |= rows;
        next
    }

    /// This memtable and the rows of some commits, the last of them `sequence`, logged in `wal`.
    pub(crate) fn append(
        &self,
        schema: &SchemaRef,
        batches: &[RecordBatch],
        sequence: u64,
        wal: FileId,
    ) -> Result<Self> {
        let mut next = self.clone();
        let arrived: Vec<&RecordBatch> = batches.iter().filter(|b| b.num_rows() > 0).collect();
        next.chunks.extend(match arrived.as_slice() {
            [] => None,
            [one] => Some(Arc::new((*one).clone())),
            many => Some(Arc::new(concat_batches(schema, many)?)),
        });
        while let [.., before, last] = next.chunks.as_slice() {
            let (rows, last_rows) = (before.num_rows(), last.num_rows());
            if rows > 2 * last_rows || rows + last_rows > CHUNK_ROWS_MAX {
                break;
            }
            let joined = concat_batches(schema, &[before, last])?;
            next.chunks.truncate(next.chunks.len() - 2);
            next.chunks.push(Arc::new(joined));
        }
        next.rows += arrived.iter().map(|b| b.num_rows() as u64).sum::<u64>();
        next.bytes += arrived.iter().map(|b| batch_bytes(b)).sum::<u64>();
        next.last_sequence = sequence;
        next.first_wal = next.first_wal.or(Some(wal));
        Ok(next)
    }

    /// This memtable after a change of its table.
    pub(crate) fn converted(&self, conversion: &Conversion, schema: &SchemaRef) -> Result<Self> {
        let convert = |chunk: &Arc<RecordBatch>| conversion.convert(schema, chunk).map(Arc::new);
        let chunks = self
            .chunks
            .iter()
            .map(convert)
            .collect::<Result<Vec<_>>>()?;
        let bytes = chunks.iter().map(|c| batch_bytes(c)).sum();
        Ok(Self {
            chunks,
            bytes,
            ..self.clone()
        })
    }

    pub(crate) fn chunks(&self) -> &[Arc<RecordBatch>] {
        &self.chunks
    }

    /// Rows, deleted ones too.
    pub(crate) fn rows(&self) -> u64 {
        self.rows
    }

    pub(crate) fn live_rows(&self) -> u64 {
        self.rows - self.deleted.len()
    }

    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    pub(crate) fn last_sequence(&self) -> u64 {
        self.last_sequence
    }

    /// The oldest WAL file that holds rows of this memtable.
    pub(crate) fn first_wal(&self) -> Option<FileId> {
        self.first_wal.filter(|_| !self.is_empty())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use arrow::array::{ArrayRef, AsArray, UInt64Array};
    use arrow::datatypes::UInt64Type;

    fn row(i: u64) -> RecordBatch {
        let column: ArrayRef = Arc::new(UInt64Array::from(vec![i]));
        RecordBatch::try_from_iter([("i", column)]).unwrap()
    }

    fn values(memtable: &Memtable) -> Vec<u64> {
        let chunks = memtable.chunks().iter();
        chunks
            .flat_map(|c| c.column(0).as_primitive::<UInt64Type>().values().to_vec())
            .collect()
    }

    #[test]
    fn single_rows_end_up_in_few_chunks_and_old_values_stay() {
        let schema = row(0).schema();
        let mut memtable = Memtable::starting_at(0);
        let mut old = Vec::new();
        for i in 0..1000 {
            memtable = memtable.append(&schema, &[row(i)], i, FileId(1)).unwrap();
            old.push(memtable.clone());
        }
        assert!(memtable.chunks().len() <= 10, "{}", memtable.chunks().len());
        for (i, old) in old.iter().enumerate() {
            assert_eq!(values(old), (0..=i as u64).collect::<Vec<_>>());
        }
    }

    #[test]
    fn chunks_stop_growing() {
        let column: ArrayRef = Arc::new(UInt64Array::from_iter_values(0..10_000));
        let batch = RecordBatch::try_from_iter([("i", column)]).unwrap();
        let mut memtable = Memtable::starting_at(0);
        for i in 0..5 {
            memtable = memtable
                .append(&batch.schema(), std::slice::from_ref(&batch), i, FileId(1))
                .unwrap();
        }
        assert_eq!((memtable.chunks().len(), memtable.rows()), (5, 50_000));
    }
}
