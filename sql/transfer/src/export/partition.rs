//! Rows by the values of the columns that name directories.

use std::collections::HashMap;

use arrow::array::{RecordBatch, UInt32Array};
use arrow::compute::take_record_batch;

use super::spec::ExportSpec;
use crate::error::{Result, TransferError};
use crate::text::ColumnText;

/// Values, as they are printed; `None`: NULL.
pub(super) type Key = Vec<Option<String>>;

/// Splits batches by the values of the columns that name directories, which are left out of what comes. In the
/// order in which the values first appear.
pub(super) fn split(
    batches: &[RecordBatch],
    spec: &ExportSpec,
) -> Result<Vec<(Key, Vec<RecordBatch>)>> {
    let columns = &spec.partition_by;
    let mut found: Vec<(Key, Vec<RecordBatch>)> = Vec::new();
    let mut places: HashMap<Key, usize> = HashMap::new();
    for batch in batches {
        let others: Vec<usize> = (0..batch.num_columns())
            .filter(|at| !columns.contains(at))
            .collect();
        let rest = batch.project(&others)?;
        for (key, rows) in rows_by_key(batch, spec)? {
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

fn rows_by_key(batch: &RecordBatch, spec: &ExportSpec) -> Result<Vec<(Key, Vec<u32>)>> {
    let columns = &spec.partition_by;
    let keys = batch.project(columns)?;
    let printers = spec.cells.bind(&keys, columns);
    let printers = printers.map_err(TransferError::Source)?;
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
                found.push((key_of(&printers, row, spec)?, Vec::new()));
                found.len() - 1
            }
        };
        if let Some((_, rows)) = found.get_mut(place) {
            rows.push(number);
        }
    }
    Ok(found)
}

fn key_of(printers: &[ColumnText<'_>], row: usize, spec: &ExportSpec) -> Result<Key> {
    let mut key = Vec::with_capacity(printers.len());
    for (printer, column) in printers.iter().zip(&spec.partition_by) {
        let mut value = Vec::new();
        let is_there = printer(row, &mut value).map_err(TransferError::Source)?;
        // Two values must not become one.
        let value = String::from_utf8(value).map_err(|_| {
            let name = spec.schema.field(*column).name();
            TransferError::Encode(format!(
                "PARTITION BY column '{name}' has a value that is not UTF-8, which no directory can be \
                 named after; HEX() of it can"
            ))
        })?;
        key.push(is_there.then_some(value));
    }
    Ok(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::export::testing::{rows, spec};
    use crate::place::fake::Fake;

    #[test]
    fn two_values_never_share_a_directory() {
        let spec = ExportSpec {
            partition_by: vec![1],
            ..spec(Fake::default().place("p"))
        };
        let found = split(&[rows(&[b"a", b"\xC3\xBC", b"a"])], &spec).expect("splits");
        let keys: Vec<Key> = found.into_iter().map(|(key, _)| key).collect();
        assert_eq!(keys, [vec![Some("a".into())], vec![Some("ü".into())]]);
        let error = split(&[rows(&[b"a", b"\xFF", b"\xFE"])], &spec).expect_err("no text");
        assert!(error.to_string().contains("'b'"), "{error}");
    }
}
