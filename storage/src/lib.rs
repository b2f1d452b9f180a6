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

mod aggregate;
mod alter;
mod backup;
mod care;
mod check;
mod column_type;
mod commit;
mod engine;
mod error;
mod events;
mod expire;
mod format;
pub mod fs;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod hash_file;
mod history;
mod home;
mod keys;
mod load;
mod manifest;
mod memtable;
mod options;
mod pending;
mod placement;
mod predicate;
mod rows;
mod scan;
mod schema;
mod segment;
mod selection;
mod since;
mod snapshot;
mod sort;
mod store;
#[cfg(test)]
mod testing;
mod version;
mod view;
mod wal;

pub use aggregate::{
    AggregateError, AggregateRequest, Aggregation, BoxError, Condition, Fold, GroupKey, Groups,
    Having, KeyFunction, Measure, MeasureValues, Merging, Top, ValueMap, ValueTest, Worker,
    integer_array,
};
pub use alter::{Alteration, ColumnOrigin, LastLook};
pub use backup::{Backup, BackupBytes, BackupFile, BackupScope, Restore, RestoreFile};
pub use care::{CareStats, Quarantined};
pub use check::{CheckReport, Problem, check_directory};
pub use commit::{Commit, Delete, IfGone, OnDuplicate, Repeated, WriteBatch};
pub use engine::{Activity, StepActivity};
pub use error::{Error, Result, TableName};
pub use keys::{ColumnFolds, KeyFold, KeyFolds};
pub use load::Load;
pub use options::{Clock, Environment, ManualClock, Options, Schedule, SyncMode};
pub use pending::PendingChanges;
pub use predicate::{CompareOp, FoldedEquality, PassesString, Predicate, StringTest, Value};
pub use scan::{
    BlockRows, CodeSet, CodedColumn, CodedScan, Meaning, Morsel, Rows, Scan, ScanRequest,
    ScanStats, SegmentScan, SelectBuffers,
};
pub use schema::{
    ColumnSpec, Division, EventKeySpec, Keep, KeySpec, Retention, TableId, TableMeta, TableSpec,
};
pub use selection::RowSelection;
pub use snapshot::{Duplicate, Snapshot, TableSnapshot};
pub use store::Store;
