//! Event keys: which events have arrived lately, whatever has become of their rows. The keys of rows in
//! memory are a set per memtable (`recent`); a flush writes them into a run, a file of sorted hashes with
//! filters (`build`, `run`; `layout` has the bytes). Runs are merged as they age (`tiers`, `merge`) and dropped
//! whole when all of their keys have left the window.
//!
//! A run knows nothing of rows: deleting or rewriting rows changes nothing here. What is in no run and in
//! no memtable is forgotten. docs/adr/0007-event-keys.md says why.

mod arriving;
mod build;
mod layout;
mod merge;
mod published;
mod recent;
mod run;
#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests;
mod tiers;

pub(crate) use arriving::Arriving;
pub(crate) use build::{RunKey, RunSummary, RunWriter};
pub(crate) use layout::{Prefix, prefix_of, run_path};
pub(crate) use merge::merge_runs;
pub(crate) use published::{EventRun, EventRuns, Opened};
pub(crate) use recent::RecentEvents;
#[cfg(any(test, feature = "fuzzing"))]
pub(crate) use run::{RunReader, sorted_probe};
pub(crate) use tiers::{choose, is_forgotten};
