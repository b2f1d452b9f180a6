//! What a table is made of: columns, keys and the attributes that only the layer above understands.

use arrow::datatypes::{DataType, SchemaRef};

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
    /// Opaque to storage, kept and given back as is (JSON by convention: declared type, default ...).
    pub attributes: String,
}

/// A unique key: column positions in key order. Rows with a NULL in any of them never collide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeySpec {
    pub name: String,
    pub columns: Vec<usize>,
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
}
