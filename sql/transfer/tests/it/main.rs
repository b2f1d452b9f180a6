//! Exports, imports and backups over HTTP, against an S3 server in this process.

mod backups;
mod exports;
mod faults;
mod imports;
mod setting;

#[path = "../../../../tests/it/harness/s3.rs"]
mod s3;
