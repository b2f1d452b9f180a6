//! The manifest: the single root of a data directory. It names every table, segment and WAL file that
//! counts; a file it does not name does not exist.

mod edit;
mod log;
mod spec;
mod state;

pub(crate) use edit::{Edit, RunRecord, SegmentRecord, WalRecord};
pub(crate) use log::{
    FileIds, ManifestLog, Recovered, checkpoint_file, decode_manifest, manifest_path,
};
pub(crate) use state::{ManifestState, TableState};
