//! MySQL's SQL on DataFusion: sessions, dialect, catalog, types, planning and execution.
//!
//! It knows `storage` and Arrow; it knows nothing of sockets and packets.

#![forbid(unsafe_code)]

pub mod error;
pub mod functions;
pub mod types;

pub use error::{Result, SqlError};
