//! Batches gathered into loads that are worth handing to several threads.

use arrow::array::RecordBatch;

/// Rows and bytes of a load. Arrays that share buffers count them each, which errs on the small side.
const LOAD_ROWS: usize = 65_536;
const LOAD_BYTES: usize = 32 << 20;
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

/// Runs `work` on every item, on several threads; results in the order of the items.
pub(super) fn parallel<I: Send, T: Send>(
    threads: usize,
    items: Vec<I>,
    work: impl Fn(I) -> crate::Result<T> + Sync,
) -> crate::Result<Vec<T>> {
    use std::sync::{Mutex, PoisonError};
    let threads = threads.clamp(1, items.len().max(1));
    if threads == 1 {
        return items.into_iter().map(work).collect();
    }
    let done: Mutex<Vec<Option<crate::Result<T>>>> =
        Mutex::new(items.iter().map(|_| None).collect());
    let queue = Mutex::new(items.into_iter().enumerate());
    let turn = || {
        loop {
            let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some((at, item)) = next else { return };
            let result = work(item);
            let mut done = done.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(place) = done.get_mut(at) {
                *place = Some(result);
            }
        }
    };
    std::thread::scope(|scope| {
        let others: Vec<_> = (1..threads).map(|_| scope.spawn(turn)).collect();
        turn();
        for other in others {
            other
                .join()
                .map_err(|_| crate::TransferError::Internal("an encoder panicked".into()))?;
        }
        Ok::<(), crate::TransferError>(())
    })?;
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    done.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_come_in_the_order_of_the_items() {
        let squares = parallel(4, (0..1000_u64).collect(), |n| Ok(n * n)).expect("works");
        assert!(
            squares
                .iter()
                .zip(0..)
                .all(|(square, n): (&u64, u64)| *square == n * n)
        );
        let failed = parallel(4, vec![1, 2, 3], |n| match n {
            2 => Err(crate::TransferError::Cancelled),
            n => Ok(n),
        });
        assert!(failed.is_err());
    }
}
