//! The column store: segments, write-ahead log, manifest, snapshots and scans.
//!
//! It knows Arrow arrays and files. It knows no SQL, no MySQL, no tokio and no DataFusion: what a
//! column's type is called, which errno an error gets and how a query is planned is decided above.

#![deny(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::indexing_slicing,
    unsafe_code
)]

mod column_type;
mod error;
mod format;
pub mod fs;
mod manifest;
mod predicate;
mod schema;
mod segment;
mod store;
#[cfg(test)]
mod testing;
mod wal;

pub use error::{Error, Result, TableName};
pub use predicate::{CompareOp, Predicate, Value};
pub use schema::{ColumnSpec, KeySpec, TableId, TableMeta, TableSpec};
pub use store::{
    Commit, Morsel, OnDuplicate, Options, Scan, ScanRequest, ScanStats, Snapshot, Store, SyncMode,
    TableSnapshot, WriteBatch,
};
