//! Server side of the MySQL client/server protocol.
//!
//! A [`Server`] takes connections, authenticates them, decodes commands, drives a [`Backend`] and
//! encodes its answers, result rows straight from Arrow arrays. It contains no SQL and knows no
//! storage: statements are bytes to it. Every byte from a client is checked before it is used.

#![forbid(unsafe_code)]
#![warn(missing_docs)]
#![cfg_attr(
    not(test),
    deny(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)
)]

mod auth;
mod backend;
mod capability;
mod channel;
mod column;
mod command;
mod compress;
mod connection;
mod control;
mod cursor;
mod error;
mod execute;
mod frame;
#[cfg(any(test, feature = "fuzzing"))]
#[doc(hidden)]
pub mod fuzzing;
mod handshake;
mod limits;
mod line;
mod login;
mod param;
mod payload;
mod reply;
mod results;
mod row;
mod server;
mod statement;
mod throttle;
mod tls;

pub use auth::Credential;
pub use backend::{
    Account, Backend, Change, Done, Login, Outcome, Prepared, Rows, Session, Status,
};
pub use column::{
    BINARY, Column, ColumnFlags, ColumnType, DECIMALS_NOT_FIXED, UTF8MB4_0900_AI_CI,
    UTF8MB4_GENERAL_CI,
};
pub use control::{Control, Kill};
pub use error::SqlError;
pub use limits::{Limits, Timeouts};
pub use param::Param;
pub use row::ColumnText;
pub use server::Server;
pub use tls::Tls;
