//! The write-ahead log.

mod record;
