//! UPDATE IGNORE of a table with unique keys: which of the new rows would repeat a key. As in MySQL the rows are taken
//! one after the other, each with the keys that those before it have been given, and those behind it still have; but in
//! the order in which they are stored.

use std::collections::HashMap;

use arrow::array::{ArrayRef, RecordBatch};
use arrow::compute::concat;
use storno_storage::{KeySpec, Repeated, TableSnapshot};

use super::rows::{failed, read};
use super::upsert::{Keys, key_columns};
use crate::error::{Result, SqlError};

/// Who has which value of one key among the rows that change.
struct Holders {
    /// Of all rows as they are, then of all as they are to be.
    keys: Keys,
    rows: usize,
    /// Per row, whether a stored row that does not change has its new key.
    taken: Vec<bool>,
    holders: HashMap<Box<[u8]>, usize>,
}

/// The rows that stay as they are, ascending, each with the key that it would repeat. `positions`: where the rows lie
/// that `rows` are to take the place of, ascending.
pub fn repeating(
    table: &TableSnapshot,
    positions: &[u64],
    rows: &RecordBatch,
) -> Result<Vec<Repeated>> {
    let meta = table.meta();
    let (old, _held) = read(table, positions)?;
    if old.num_rows() != rows.num_rows() {
        return Err(SqlError::internal("rows to be updated are not there"));
    }
    let folded = |key: &KeySpec, rows: &RecordBatch| -> Result<Vec<ArrayRef>> {
        Ok(meta.folds.folded(&key.columns, &key_columns(key, rows)?)?)
    };
    let stored = table.find_keys(rows)?;
    let keys = meta
        .spec
        .unique_keys
        .iter()
        .zip(stored)
        .map(|(key, stored)| {
            let other =
                |at: &Option<u64>| at.is_some_and(|at| positions.binary_search(&at).is_err());
            let taken = stored.iter().map(other).collect();
            Holders::new(&folded(key, &old)?, &folded(key, rows)?, taken)
        });
    let mut keys = keys.collect::<Result<Vec<_>>>()?;
    let mut repeating = Vec::new();
    for row in 0..rows.num_rows() {
        match keys.iter().position(|key| key.is_repeated(row)) {
            Some(key) => repeating.push(Repeated {
                insert: 0,
                row,
                key,
            }),
            None => keys.iter_mut().for_each(|key| key.change(row)),
        }
    }
    Ok(repeating)
}

impl Holders {
    fn new(before: &[ArrayRef], after: &[ArrayRef], taken: Vec<bool>) -> Result<Self> {
        let both = before.iter().zip(after);
        let both = both.map(|(before, after)| concat(&[before.as_ref(), after.as_ref()]));
        let keys = Keys::of(
            &both
                .collect::<std::result::Result<Vec<_>, _>>()
                .map_err(failed)?,
        )?;
        let rows = before.first().map_or(0, |column| column.len());
        let mut holders = HashMap::new();
        for row in 0..rows {
            keys.with(row, |key| holders.insert(key.into(), row));
        }
        Ok(Self {
            keys,
            rows,
            taken,
            holders,
        })
    }

    fn is_repeated(&self, row: usize) -> bool {
        let by_other = |key: &[u8]| self.holders.get(key).is_some_and(|holder| *holder != row);
        let repeated = self.keys.with(self.rows + row, by_other);
        self.taken.get(row) == Some(&true) || repeated == Some(true)
    }

    /// Gives a row its new key.
    fn change(&mut self, row: usize) {
        self.keys.with(row, |key| self.holders.remove(key));
        let new = self.rows + row;
        self.keys
            .with(new, |key| self.holders.insert(key.into(), row));
    }
}
