//! Exports: a stream of batches becomes files of bounded size, and a manifest once all are whole.
//!
//! Way of a batch: gathered into a load of some 32 K rows -> encoded by all threads at once -> pieces of
//! 8 MiB -> uploaded while the next load is encoded. What waits anywhere is bounded, so that an export
//! takes the same memory whatever its size.

mod before;
mod commit;
mod crew;
mod delta;
mod encoder;
mod finish;
mod gather;
mod job;
mod layout;
mod parquet;
mod part;
mod partition;
mod parts;
mod pieces;
mod progress;
mod schema;
mod spec;
mod table;
#[cfg(test)]
mod testing;
pub(crate) mod upload;

pub use job::export;
pub use layout::Layout;
pub use progress::Progress;
pub use spec::{Compression, Delivery, Encoding, ExportSpec, Exported, Names, PartFile};
