//! Record batches to and from files in object stores and local directories.
//!
//! Knows neither SQL nor the column store: it is handed streams of Arrow batches and places to put them.

#![forbid(unsafe_code)]

mod backup;
mod cancel;
mod error;
mod export;
mod import;
mod place;
mod text;

pub use backup::{
    BackedUp, BackupHeader, BackupSpec, Backups, Listed, Pruned, Restored, Shipper, SinkFile,
    SourceFile, backup, prune, restore,
};
pub use cancel::Cancel;
pub use error::{BoxError, Result, TransferError};
pub use export::{
    Compression, Delivery, Encoding, ExportSpec, Exported, Layout, Names, PartFile, Progress,
    export,
};
pub use import::{FileReader, ParquetFile, Which, files_of};
pub use place::{Credentials, Endpoint, Found, Location, Patience, Place, Reach, Said, Scheme};
pub use text::{CellText, ColumnText, TextRules};
