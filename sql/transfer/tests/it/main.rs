//! Exports and imports over HTTP, against an S3 server in this process.

mod exports;
mod faults;
mod imports;
mod setting;

#[path = "../../../../tests/it/harness/s3.rs"]
mod s3;
