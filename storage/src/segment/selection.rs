//! Which rows of a block are wanted.

use std::ops::Range;
use std::sync::Arc;

use arrow::array::{ArrayRef, UInt32Array};
use arrow::compute::take;

use crate::{Error, Result};

/// Rows of one block, ascending.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Selection {
    Range(Range<usize>),
    /// Positions in the block.
    Picked(Vec<u32>),
}

impl Selection {
    /// How many they are.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Range(range) => range.len(),
            Self::Picked(rows) => rows.len(),
        }
    }

    /// The rows, ascending.
    pub(crate) fn rows(&self) -> impl Iterator<Item = usize> {
        let (range, picked) = match self {
            Self::Range(range) => (range.clone(), [].as_slice()),
            Self::Picked(rows) => (0..0, rows.as_slice()),
        };
        range.chain(picked.iter().map(|&row| row as usize))
    }

    /// The first row and one more than the last.
    pub(crate) fn bounds(&self) -> (usize, usize) {
        match self {
            Self::Range(range) => (range.start, range.end),
            Self::Picked(rows) => {
                let first = rows.first().map_or(0, |&row| row as usize);
                (first, rows.last().map_or(first, |&row| row as usize + 1))
            }
        }
    }

    /// Those that pass `test`.
    pub(crate) fn filter(self, test: impl Fn(usize) -> bool) -> Self {
        if matches!(&self, Self::Range(range) if range.clone().all(&test)) {
            return self;
        }
        let rows = self.rows().filter(|&row| test(row));
        Self::Picked(rows.map(|row| row as u32).collect())
    }

    /// What `all`, one per row of the block, has for the wanted rows. Rows that are not there are
    /// left out.
    pub(crate) fn keep<T: Copy>(&self, all: Vec<T>) -> Vec<T> {
        match self {
            Self::Range(range) if *range == (0..all.len()) => all,
            Self::Range(range) => all.get(range.clone()).unwrap_or_default().to_vec(),
            Self::Picked(rows) => {
                let row = |&row: &u32| all.get(row as usize).copied();
                rows.iter().filter_map(row).collect()
            }
        }
    }

    pub(crate) fn keep_rows(&self, array: ArrayRef) -> Result<ArrayRef> {
        match self {
            Self::Range(range) if *range == (0..array.len()) => Ok(array),
            Self::Range(range) if range.end <= array.len() => {
                Ok(array.slice(range.start, range.len()))
            }
            Self::Range(_) => Err(Error::Invalid("rows that are not there".into())),
            Self::Picked(rows) => {
                let rows = UInt32Array::from(rows.clone());
                take(&Arc::clone(&array), &rows, None).map_err(|e| Error::Invalid(e.to_string()))
            }
        }
    }
}
