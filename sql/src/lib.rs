//! MySQL's SQL on DataFusion: sessions, dialect, catalog, types, planning and execution.
//!
//! It knows `storage` and Arrow; it knows nothing of sockets and packets.

#![forbid(unsafe_code)]

mod accounts;
mod change;
mod collation;
pub mod ddl;
mod dialect;
mod engine;
pub mod error;
pub mod functions;
mod information_schema;
pub mod insert;
mod load;
mod planning;
mod result;
mod select;
mod session;
pub mod show;
pub mod types;
mod views;

pub use accounts::Secret;
pub use collation::key_folds;
pub use engine::{Engine, EngineOptions};
pub use error::{Result, SqlError};
pub use insert::Scalar;
pub use result::{Done, Outcome, ResultColumn, Rows};
pub use session::{Interrupt, Kill, Prepared, Session, SessionContext, Status, Timeouts};
