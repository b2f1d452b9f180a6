//! What ALTER TABLE asks of the store: a new specification, and where its columns come from.

use arrow::array::ArrayRef;

use crate::{Result, TableSnapshot, TableSpec};

/// Where a column of an altered table comes from.
#[derive(Debug, Clone)]
pub enum ColumnOrigin {
    /// The column at this position before. It may have another name, position, nullability and
    /// attributes, and a type that holds all values of the old one: a wider integer, Float64 for
    /// Float32, a decimal of more digits and the same scale.
    Existing(usize),
    /// A new column. Rows that are there have this value (an array of length 1 and of the column's
    /// type), or NULL.
    New { fill: Option<ArrayRef> },
}

/// How a table is to look. Nothing is rewritten: it takes as long as one write to the disk.
///
/// Sort key and shard key must consist of the columns they had; a unique key must be one that was there,
/// under whatever name, or one of columns that are there. Keys that are missing are dropped.
#[derive(Debug, Clone)]
pub struct Alteration {
    pub spec: TableSpec,
    /// For each column of `spec`.
    pub columns: Vec<ColumnOrigin>,
}

/// Looks at a table right before it is altered, while nobody can write to it. An error leaves the table as
/// it is. All commits wait: what can be looked at before is to be looked at before.
pub struct LastLook(pub Look);

/// Looks at a table; an error refuses the change.
pub type Look = Box<dyn FnMut(&TableSnapshot) -> Result<()> + Send>;

impl std::fmt::Debug for LastLook {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LastLook")
    }
}
