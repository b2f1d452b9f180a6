//! Values that count as one in keys although their bytes differ: a fold makes them equal. What a fold
//! does is the caller's: storage is given it for a column when a table is opened or made.

use std::fmt::Debug;
use std::sync::Arc;

use arrow::array::{Array, ArrayRef};

use crate::{ColumnSpec, Error, Result, TableSpec};

/// Makes values equal that count as one in keys.
pub trait KeyFold: Debug + Send + Sync {
    /// Tells folds apart: keys of columns with equal names are folded alike.
    fn name(&self) -> &str;

    /// The folded values, as many, of a type that keys may have. NULL stays NULL.
    fn fold(&self, values: &ArrayRef) -> std::result::Result<ArrayRef, crate::BoxError>;
}

/// Knows which columns have folds. It must give the same answers whenever a directory is opened: key
/// files hold hashes of folded values.
pub trait KeyFolds: Debug + Send + Sync {
    /// `None`: the column's values count as they are.
    fn of(&self, column: &ColumnSpec) -> Option<Arc<dyn KeyFold>>;
}

/// The folds of a table's columns, by position; columns beyond the end have none.
#[derive(Debug, Clone, Default)]
pub struct ColumnFolds(Vec<Option<Arc<dyn KeyFold>>>);

impl ColumnFolds {
    pub(crate) fn new(folds: Option<&Arc<dyn KeyFolds>>, spec: &TableSpec) -> Self {
        let of = |folds: &Arc<dyn KeyFolds>| spec.columns.iter().map(|c| folds.of(c)).collect();
        Self(folds.map(of).unwrap_or_default())
    }

    /// The name of a column's fold.
    pub(crate) fn name(&self, column: usize) -> Option<&str> {
        Some(self.get(column)?.name())
    }

    pub(crate) fn get(&self, column: usize) -> Option<&Arc<dyn KeyFold>> {
        self.0.get(column)?.as_ref()
    }

    /// Whether values of a column count as something else than they are.
    pub fn folds(&self, column: usize) -> bool {
        self.get(column).is_some()
    }

    /// Columns of a key as they count; `positions` are theirs in the table.
    pub fn folded(&self, positions: &[usize], columns: &[ArrayRef]) -> Result<Vec<ArrayRef>> {
        let one = |(column, values): (&usize, &ArrayRef)| match self.get(*column) {
            Some(fold) => {
                let folded = fold
                    .fold(values)
                    .map_err(|e| Error::Invalid(e.to_string()))?;
                match folded.len() == values.len() {
                    true => Ok(folded),
                    false => Err(Error::Invalid("a fold gave another array".into())),
                }
            }
            None => Ok(Arc::clone(values)),
        };
        positions.iter().zip(columns).map(one).collect()
    }
}
