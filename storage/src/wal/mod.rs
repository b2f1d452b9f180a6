//! The write-ahead log: what is committed but not yet in segments. `record` encodes rows, `log` writes
//! the newest file, `replay` reads all of them at open. Grouping commits and recovery are above it.

mod log;
mod record;
mod replay;

pub(crate) use log::{WAL_DIR, WalLog, wal_path};
pub(crate) use record::{
    LoggedDelete, decode_batch, encode_batch, put_commit, put_delete, put_insert, read_commit,
};
pub(crate) use replay::{ReplayedCommit, WalContents, read_wal};
