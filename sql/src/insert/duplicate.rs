//! The message for a unique key that a row repeats.

use arrow::array::RecordBatch;
use storno_storage::Error as StorageError;

use crate::error::SqlError;
use crate::types::{TableDefinition, TimeZone, value_text};

/// 1062 for a `DuplicateKey` of the batch that was to be inserted into `table`; any other error as
/// it is.
pub fn duplicate_entry(
    error: StorageError,
    table: &TableDefinition,
    batch: &RecordBatch,
    time_zone: TimeZone,
) -> SqlError {
    let StorageError::DuplicateKey { key: name, row, .. } = &error else {
        return error.into();
    };
    let Some(key) = table
        .meta
        .spec
        .unique_keys
        .iter()
        .find(|key| key.name == *name)
    else {
        return error.into();
    };
    if *row >= batch.num_rows() {
        return error.into();
    }
    let text = |position: &usize| {
        let attributes = table.columns.get(*position)?;
        let array = batch.columns().get(*position)?;
        value_text(&attributes.mysql_type, array, *row, time_zone)
    };
    let values: Vec<String> = key
        .columns
        .iter()
        .map(|column| text(column).unwrap_or_else(|| "NULL".into()))
        .collect();
    SqlError::duplicate_entry(
        &values.join("-"),
        &format!("{}.{name}", table.meta.spec.name),
    )
}
