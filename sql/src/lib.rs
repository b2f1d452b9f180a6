//! MySQL's SQL on DataFusion: sessions, dialect, catalog, types, planning and execution.
//!
//! It knows `storage` and Arrow; it knows nothing of sockets and packets.

#![forbid(unsafe_code)]

mod accounts;
pub mod backup;
mod change;
mod check;
mod collation;
mod computed;
pub mod ddl;
mod dialect;
mod door;
mod engine;
pub mod error;
mod export;
mod files;
pub mod functions;
mod information_schema;
pub mod ingest;
pub mod insert;
mod invalid;
mod json_object;
mod known;
mod load;
mod memory;
mod planning;
mod privacy;
mod result;
mod select;
mod session;
pub mod show;
pub mod types;
mod views;

/// What the composition root hands over for exports, and gets from them.
pub mod transfer {
    pub use storno_transfer::{BoxError, CellText, ColumnText, Endpoint, Reach};
}

pub use accounts::Secret;
pub use collation::key_folds;
pub use engine::{Engine, EngineOptions};
pub use error::{Result, SqlError};
pub use insert::Scalar;
pub use result::{Done, Outcome, ResultColumn, Rows};
pub use session::{Change, Interrupt, Kill, Prepared, Session, SessionContext, Status, Timeouts};
