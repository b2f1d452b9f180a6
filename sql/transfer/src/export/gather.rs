//! Batches gathered into loads that are worth handing to several threads.

use arrow::array::RecordBatch;

/// Rows and bytes of a load. Arrays that share buffers count them each, which errs on the small side.
const LOAD_ROWS: usize = 32_768;
const LOAD_BYTES: usize = 16 << 20;
/// Rows that one thread takes at a time.
const SLICE_ROWS: usize = 8_192;

#[derive(Debug, Default)]
pub(super) struct Load {
    batches: Vec<RecordBatch>,
    rows: usize,
    bytes: usize,
}

impl Load {
    pub(super) fn push(&mut self, batch: RecordBatch) {
        self.rows += batch.num_rows();
        self.bytes += batch.get_array_memory_size();
        // A batch that came in one piece is cut, so that threads can share it.
        let mut at = 0;
        while at < batch.num_rows() {
            let length = SLICE_ROWS.min(batch.num_rows() - at);
            self.batches.push(batch.slice(at, length));
            at += length;
        }
    }

    pub(super) fn is_full(&self) -> bool {
        self.rows >= LOAD_ROWS || self.bytes >= LOAD_BYTES
    }

    pub(super) fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// Batches of at most `SLICE_ROWS` rows.
    pub(super) fn take(&mut self) -> Vec<RecordBatch> {
        (self.rows, self.bytes) = (0, 0);
        std::mem::take(&mut self.batches)
    }
}
