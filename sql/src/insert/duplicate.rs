//! Messages for keys that rows repeat: unique keys, and the event key of rows that were sent once more.

use arrow::array::{ArrayRef, RecordBatch};
use storno_storage::{Error as StorageError, Repeated, TableSpec};

use crate::ddl::EVENT_KEY;
use crate::error::{SqlError, Warning};
use crate::functions::warnings::Sink;
use crate::types::{ColumnAttributes, TableDefinition, TimeZone, value_text};

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
    let mut keys = table.meta.spec.unique_keys.iter();
    match keys.find(|key| key.name == *name) {
        Some(key) if *row < batch.num_rows() => {
            let entry = entry(table, &key.columns, (batch, *row), time_zone);
            SqlError::duplicate_entry(&entry, &qualified(table, name))
        }
        _ => error.into(),
    }
}

/// 1062 for two stored rows with the same value of a key that the table was to get; any other error as it
/// is. `spec`: the table as it was to be.
pub fn not_unique(error: StorageError, spec: &TableSpec, time_zone: TimeZone) -> SqlError {
    let StorageError::NotUnique {
        key: name,
        row: values,
        ..
    } = &error
    else {
        return error.into();
    };
    let mut keys = spec.unique_keys.iter();
    let Some(key) = keys.find(|key| key.name == *name) else {
        return error.into();
    };
    let text = |(position, array): (usize, &ArrayRef)| {
        let column = spec.columns.get(position)?;
        let attributes = ColumnAttributes::from_json(&column.attributes).ok()?;
        value_text(&attributes.mysql_type, array, 0, time_zone)
    };
    let columns = key.columns.iter().copied().zip(values.columns());
    let entry: Vec<String> = columns
        .map(|column| text(column).unwrap_or_else(|| "NULL".into()))
        .collect();
    SqlError::duplicate_entry(&entry.join("-"), &format!("{}.{name}", spec.name))
}

/// Leaves a note for each row of a batch that had come before, by its event key.
pub fn note_resent(
    sink: &Sink,
    table: &TableDefinition,
    (batch, rows): (&RecordBatch, &[u32]),
    time_zone: TimeZone,
) {
    let key = table.meta.spec.event_key.as_ref();
    let columns = key.map_or(&[][..], |key| &key.columns);
    for row in rows {
        sink.push_with(|| {
            let entry = entry(table, columns, (batch, *row as usize), time_zone);
            let error = SqlError::duplicate_entry(&entry, &qualified(table, EVENT_KEY));
            Warning::note(error.code, error.message)
        });
    }
}

/// Leaves a warning for each row of a commit that was left out for a unique key, as far as the rows are at
/// hand: `batches` are all inserts of the commit into `table`, or the first of them.
pub fn warn_repeated(
    sink: &Sink,
    table: &TableDefinition,
    (batches, repeated): (&[RecordBatch], &[Repeated]),
    time_zone: TimeZone,
) {
    for repeated in repeated {
        if let Some(batch) = batches.get(repeated.insert) {
            let row = (batch, repeated.row);
            sink.push_with(|| repeated_warning(table, row, repeated.key, time_zone));
        }
    }
}

/// A warning for a row that was left out for the unique key of that number.
fn repeated_warning(
    table: &TableDefinition,
    row: (&RecordBatch, usize),
    key: usize,
    time_zone: TimeZone,
) -> Warning {
    let key = table.meta.spec.unique_keys.get(key);
    let (name, columns) = key.map_or(("", &[][..]), |key| (&key.name, &key.columns));
    let entry = entry(table, columns, row, time_zone);
    SqlError::duplicate_entry(&entry, &qualified(table, name)).into()
}

fn qualified(table: &TableDefinition, key: &str) -> String {
    format!("{}.{key}", table.meta.spec.name)
}

/// The values of a row in some columns, as MySQL joins them.
fn entry(
    table: &TableDefinition,
    columns: &[usize],
    (batch, row): (&RecordBatch, usize),
    time_zone: TimeZone,
) -> String {
    let text = |position: &usize| {
        let attributes = table.columns.get(*position)?;
        let array = batch.columns().get(*position)?;
        value_text(&attributes.mysql_type, array, row, time_zone)
    };
    let values = columns.iter().map(text);
    let values: Vec<String> = values
        .map(|value| value.unwrap_or_else(|| "NULL".into()))
        .collect();
    values.join("-")
}
