//! What a table is made of: columns, keys and the attributes that only the layer above understands.

use std::collections::BTreeSet;
use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use crate::column_type::type_tag;
use crate::keys::ColumnFolds;
use crate::{Error, Result};

/// Identifies a table for as long as the directory lives; never reused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct TableId(pub u64);

/// A column. `data_type` is one of: Boolean, Int8..Int64, UInt8..UInt64, Float32, Float64,
/// Decimal128(p, s), Date32, Timestamp(Microsecond, None), Duration(Microsecond), Utf8View, BinaryView.
#[derive(Debug, Clone, PartialEq)]
pub struct ColumnSpec {
    pub name: String,
    pub data_type: DataType,
    pub nullable: bool,
    /// Opaque to storage, kept and given back as is (JSON by convention: declared type, default, the
    /// expression of a generated column ...).
    pub attributes: String,
}

/// A unique key: column positions in key order. Rows with a NULL in any of them never collide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    pub name: String,
    pub columns: Vec<usize>,
}

/// Columns whose values name an event: a row that arrives with the values of one that arrived within the
/// window is left out, whatever has become of that one. A row with a NULL in any of them always stays.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EventKeySpec {
    /// Positions in key order.
    pub columns: Vec<usize>,
    /// How long an event is remembered at least. It may be an eighth longer.
    pub retain_days: u32,
}

impl EventKeySpec {
    /// The window when none is asked for.
    pub const RETAIN_DAYS: u32 = 35;
    /// Longest window: a hundred years.
    pub const RETAIN_DAYS_MAX: u32 = 36_500;

    /// In seconds.
    pub(crate) fn window(&self) -> u64 {
        u64::from(self.retain_days) * 86_400
    }
}

/// How long rows stay without anybody deleting them, and on the disk after that.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Retention {
    /// Rows are deleted when they are older than this, seldom more than an hour later.
    pub keep: Option<Keep>,
    /// Rows that have been deleted for so many seconds are removed from the files.
    pub erase_after: Option<u64>,
}

/// Rows are kept while the time in a column is less than so many seconds ago. NULLs stay.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keep {
    /// A position: a date or a moment (UTC).
    pub column: usize,
    pub seconds: u64,
}

/// How the rows of a table are divided among files. What is not said is as the store's options have it. Either
/// may change at any time: files say where they belong, and those of another number of shards are used as
/// they are until a merge takes them.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Division {
    /// Shards that the rows are parted into once there are enough of them, 1 to `SHARDS_MAX`.
    pub shards: Option<u32>,
    /// Rows of a full segment, 1 to `SEGMENT_ROWS_MAX`.
    pub segment_rows: Option<u32>,
}

impl Division {
    /// With more of them the parts of a lot of rows are too small to be files.
    pub const SHARDS_MAX: u32 = 256;
    /// A merge numbers the rows of several segments with 32 bits.
    pub const SEGMENT_ROWS_MAX: u32 = 1 << 26;

    pub(crate) fn check(self) -> Result<()> {
        let within = |number: Option<u32>, most| number.is_none_or(|n| (1..=most).contains(&n));
        if !within(self.shards, Self::SHARDS_MAX) {
            let what = format!("shards must be between 1 and {}", Self::SHARDS_MAX);
            return Err(Error::Invalid(what));
        }
        if !within(self.segment_rows, Self::SEGMENT_ROWS_MAX) {
            let most = Self::SEGMENT_ROWS_MAX;
            let what = format!("segment_rows must be between 1 and {most}");
            return Err(Error::Invalid(what));
        }
        Ok(())
    }
}

/// What `Store::create_table` is given.
#[derive(Debug, Clone, PartialEq)]
pub struct TableSpec {
    pub name: String,
    pub columns: Vec<ColumnSpec>,
    /// Segments are sorted by these columns (positions), ascending, NULLs first. May be empty: order of arrival.
    pub sort_key: Vec<usize>,
    /// Rows are placed by these columns. May be empty.
    pub shard_key: Vec<usize>,
    pub unique_keys: Vec<KeySpec>,
    pub event_key: Option<EventKeySpec>,
    pub retention: Retention,
    pub division: Division,
    /// An integer column that `Store::reserve_ids` counts for.
    pub auto_increment: Option<usize>,
    /// Opaque to storage.
    pub attributes: String,
}

/// A table in the catalog of one snapshot.
#[derive(Debug)]
pub struct TableMeta {
    pub id: TableId,
    pub schema: String,
    pub spec: TableSpec,
    /// The columns as Arrow sees them, in order, named as in `spec`.
    pub arrow: SchemaRef,
    /// How the columns' values count in keys.
    pub folds: ColumnFolds,
}

impl TableMeta {
    /// Whether this is another's definition of the same table, at most under another name: rows made for
    /// the one are rows of the other.
    pub fn is_same(&self, other: &Self) -> bool {
        // Every change of a definition makes a schema of its own; a name leaves it.
        self.id == other.id && Arc::ptr_eq(&self.arrow, &other.arrow)
    }
}

impl TableSpec {
    /// Whether storage can hold such a table.
    pub(crate) fn check(&self) -> Result<()> {
        let invalid = |what: String| Err(Error::Invalid(what));
        self.division.check()?;
        let mut names = BTreeSet::new();
        for column in &self.columns {
            if type_tag(&column.data_type).is_none() {
                return invalid(format!("no column can have type {}", column.data_type));
            }
            if !names.insert(&column.name) {
                return invalid(format!("two columns are called {}", column.name));
            }
        }
        let keys = self.unique_keys.iter().map(|k| &k.columns);
        let keys = keys.chain(self.event_key.iter().map(|k| &k.columns));
        for key in keys.chain([&self.sort_key, &self.shard_key]) {
            let different: BTreeSet<_> = key.iter().collect();
            if different.len() != key.len() || key.iter().any(|&c| c >= self.columns.len()) {
                return invalid("a key repeats a column or names one that is not there".into());
            }
        }
        if self.unique_keys.iter().any(|k| k.columns.is_empty()) {
            return invalid("a unique key has no columns".into());
        }
        if let Some(key) = &self.event_key
            && (key.columns.is_empty()
                || !(1..=EventKeySpec::RETAIN_DAYS_MAX).contains(&key.retain_days))
        {
            return invalid("an event key needs columns and a window of 1 day to 100 years".into());
        }
        let kept = self
            .retention
            .keep
            .map(|keep| self.columns.get(keep.column));
        let is_time =
            |c: &ColumnSpec| matches!(c.data_type, DataType::Date32 | DataType::Timestamp(..));
        if kept.is_some_and(|column| !column.is_some_and(is_time)) {
            return invalid("retention goes by a column that is no date or time".into());
        }
        let counted = self.auto_increment.map(|c| self.columns.get(c));
        match counted {
            Some(Some(column)) if column.data_type.is_integer() => Ok(()),
            Some(_) => invalid("the counted column is not an integer".into()),
            None => Ok(()),
        }
    }

    /// The columns as Arrow sees them.
    pub(crate) fn arrow(&self) -> SchemaRef {
        let field = |c: &ColumnSpec| Field::new(&c.name, c.data_type.clone(), c.nullable);
        Arc::new(Schema::new(
            self.columns.iter().map(field).collect::<Vec<_>>(),
        ))
    }
}
