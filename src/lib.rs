//! Storno: a MySQL-compatible, embedded columnar analytics database.
#![forbid(unsafe_code)]
pub mod cli;
pub mod config;
pub mod demo;
mod error;
pub use error::{Error, Result};
