//! Rows by the values of the columns that name directories.

use std::collections::HashMap;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;

use crate::error::{Result, TransferError};
use crate::text::{CellText, ColumnText};

/// Values, as they are printed; `None`: NULL.
pub(super) type Key = Vec<Option<String>>;

/// Splits batches by the values of `columns`, which are left out of what comes. In the order in which
/// the values first appear.
pub(super) fn split(
    batches: &[RecordBatch],
    columns: &[usize],
    cells: &dyn CellText,
) -> Result<Vec<(Key, Vec<RecordBatch>)>> {
    let mut found: Vec<(Key, Vec<RecordBatch>)> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for batch in batches {
        let others: Vec<usize> = (0..batch.num_columns())
            .filter(|at| !columns.contains(at))
            .collect();
        let rest = batch.project(&others)?;
        for (key, rows) in rows_by_key(batch, columns, cells)? {
            let place = *places.entry(key.clone()).or_insert_with(|| {
                found.push((key, Vec::new()));
                found.len() - 1
            });
            if let Some((_, batches)) = found.get_mut(place) {
                batches.push(take_record_batch(&rest, &UInt32Array::from(rows))?);
            }
        }
    }
    Ok(found)
}

fn rows_by_key(
    batch: &RecordBatch,
    columns: &[usize],
    cells: &dyn CellText,
) -> Result<Vec<(Key, Vec<u32>)>> {
    let keys = batch.project(columns)?;
    let printers = cells.bind(&keys, columns).map_err(TransferError::Source)?;
    let mut found: Vec<(Key, Vec<u32>)> = Vec::new();
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let (mut bytes, mut value) = (Vec::new(), Vec::new());
    for (row, number) in (0..batch.num_rows()).zip(0_u32..) {
        bytes.clear();
        for printer in &printers {
            value.clear();
            let is_there = printer(row, &mut value).map_err(TransferError::Source)?;
            bytes.push(u8::from(is_there));
            bytes.extend_from_slice(&(value.len() as u64).to_le_bytes());
            bytes.extend_from_slice(&value);
        }
        let place = match places.get(&bytes) {
            Some(place) => *place,
            None => {
                places.insert(bytes.clone(), found.len());
                found.push((key_of(&printers, row)?, Vec::new()));
                found.len() - 1
            }
        };
        if let Some((_, rows)) = found.get_mut(place) {
            rows.push(number);
        }
    }
    Ok(found)
}

fn key_of(printers: &[ColumnText<'_>], row: usize) -> Result<Key> {
    let mut key = Vec::with_capacity(printers.len());
    for printer in printers {
        let mut value = Vec::new();
        let is_there = printer(row, &mut value).map_err(TransferError::Source)?;
        key.push(is_there.then(|| String::from_utf8_lossy(&value).into_owned()));
    }
    Ok(key)
}
