//! Finds stored rows by key: candidates from the key file, then the rows themselves.

use arrow::array::{ArrayRef, AsArray, UInt32Array};
use arrow::compute;
use arrow::datatypes::{DataType, Int64Type};

use super::fold::ColumnFolds;
use super::hash::{KeyHash, KeyHasher};
use crate::history::{ColumnId, History};
use crate::segment::{BLOCK_ROWS, Bounds, ChunkCache, ColumnCursor};
use crate::view::SegmentView;
use crate::{Error, KeySpec, Result};

/// A stored row with a key value that was looked for: the value's position and the row's number.
pub(crate) type Found = (usize, u32);

/// Columns of a key: positions in the table, and their identities.
#[derive(Debug, Clone)]
pub(crate) struct KeyColumns {
    pub(crate) positions: Vec<usize>,
    pub(crate) ids: Vec<ColumnId>,
    /// Of the table.
    pub(crate) folds: ColumnFolds,
}

impl KeyColumns {
    /// Values of the key's columns as they count.
    pub(crate) fn folded(&self, columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        self.folds.folded(&self.positions, columns)
    }
}

/// The keys of a table.
pub(crate) fn key_columns(
    history: &History,
    keys: &[KeySpec],
    folds: &ColumnFolds,
) -> Vec<KeyColumns> {
    let id = |&column: &usize| history.columns().get(column).map(|(id, _)| *id);
    keys.iter()
        .map(|key| KeyColumns {
            ids: key.columns.iter().filter_map(id).collect(),
            positions: key.columns.clone(),
            folds: folds.clone(),
        })
        .collect()
}

/// Least and greatest value of a column, if it is one of integers.
pub(crate) type Range = Option<(i128, i128)>;

/// Finds the rows of a segment whose key is one of `hashes`. `ranges` are those of the key's columns in
/// the rows that are looked for, when at hand: a segment beyond them is left out.
pub(crate) fn find_in_segment(
    segment: &SegmentView,
    key: &KeyColumns,
    hashes: &[Option<KeyHash>],
    ranges: &[Range],
    (hasher, cache): (&KeyHasher, &ChunkCache),
) -> Result<Vec<Found>> {
    if is_beyond(segment, key, ranges)? {
        return Ok(Vec::new());
    }
    let index = segment.keys()?;
    let slot = index.slot(&key.ids);
    let slot = slot.ok_or_else(|| Error::Invalid("a segment without a key".into()))?;
    let mut candidates = index.candidates(slot, hashes)?;
    candidates.sort_unstable_by_key(|&(_, row)| row);
    let mut cursors: Vec<ColumnCursor> = key.positions.iter().map(|_| <_>::default()).collect();
    let mut found = Vec::new();
    let block_of = |row: u32| row as usize / BLOCK_ROWS;
    for same in candidates.chunk_by(|a, b| block_of(a.1) == block_of(b.1)) {
        let block = same.first().map_or(0, |&(_, row)| block_of(row));
        let rows = same.iter().map(|&(_, row)| row % BLOCK_ROWS as u32);
        let rows: UInt32Array = rows.collect();
        let columns = key
            .positions
            .iter()
            .zip(&mut cursors)
            .map(|(&column, cursor)| {
                let column = segment.read(column, block, cache, cursor)?;
                compute::take(&column, &rows, None).map_err(|e| Error::Invalid(e.to_string()))
            });
        let stored = hasher.hash(&key.folded(&columns.collect::<Result<Vec<_>>>()?)?)?;
        for (&(position, row), stored) in same.iter().zip(stored) {
            if stored.is_some() && hashes.get(position).is_some_and(|hash| *hash == stored) {
                found.push((position, row));
            }
        }
    }
    Ok(found)
}

/// Whether a column of the key has no value in common with the segment.
fn is_beyond(segment: &SegmentView, key: &KeyColumns, ranges: &[Range]) -> Result<bool> {
    for (&position, range) in key.positions.iter().zip(ranges) {
        let zone = segment.zone(position)?;
        let (Some((min, max)), Some(Bounds::Int(from, to))) = (*range, zone.map(|z| z.bounds))
        else {
            continue;
        };
        if max < from || min > to {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Least and greatest value of a column of integers, dates or moments.
pub(crate) fn range(column: &ArrayRef) -> Range {
    let data_type = column.data_type();
    if !data_type.is_integer() && !matches!(data_type, DataType::Timestamp(..) | DataType::Date32) {
        return None;
    }
    if let DataType::UInt64 = data_type {
        let values = column.as_primitive::<arrow::datatypes::UInt64Type>();
        return Some((compute::min(values)?.into(), compute::max(values)?.into()));
    }
    let wide = match data_type {
        DataType::Date32 => compute::cast(
            &compute::cast(column, &DataType::Int32).ok()?,
            &DataType::Int64,
        ),
        _ => compute::cast(column, &DataType::Int64),
    };
    let wide = wide.ok()?;
    let values = wide.as_primitive::<Int64Type>();
    Some((compute::min(values)?.into(), compute::max(values)?.into()))
}
