//! Record batches to and from files in object stores and local directories.
//!
//! Knows neither SQL nor the column store: it is handed streams of Arrow batches and places to put them.

#![forbid(unsafe_code)]
