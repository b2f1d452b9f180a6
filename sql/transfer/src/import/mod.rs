//! Imports: which files are meant, and their bytes and rows.
//!
//! Blocking readers for threads of their own; how a field becomes a column's value is the caller's.

mod blocks;
mod parquet;
mod reader;
mod which;

pub use parquet::ParquetFile;
pub use reader::FileReader;
pub use which::{Which, files_of};
