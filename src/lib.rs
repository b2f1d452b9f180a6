//! Storno: a MySQL-compatible, embedded columnar analytics database.
//!
//! A Rust program opens a data directory with [`Engine::open`] and asks it SQL through a
//! [`Session`], without a socket; [`Server::start`] lets MySQL clients in beside it. The program
//! `storno` is the same two things and a command line (feature `cli`, on by default).
//!
//! This package only puts things together: SQL is `storno_sql`, the column store `storno_storage`,
//! the protocol `storno_wire`. docs/architecture.md shows the whole.

#![forbid(unsafe_code)]

mod adapter;
mod engine;
mod error;
mod server;

#[cfg(feature = "cli")]
pub mod cli;
#[cfg(feature = "cli")]
pub mod commands;
#[cfg(feature = "cli")]
pub mod config;
#[cfg(feature = "cli")]
pub mod demo;
#[cfg(feature = "cli")]
mod http;
#[cfg(feature = "cli")]
mod memory;

pub use engine::{Engine, EngineOptions, QueryResult, RowStream, Session};
pub use error::{Error, Result};
pub use server::{Server, ServerOptions, TlsFiles};
pub use storno_sql::{Scalar, SqlError};

/// Storno's version.
pub const VERSION: &str = env!("CARGO_PKG_VERSION");
