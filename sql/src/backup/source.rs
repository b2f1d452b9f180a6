//! One backup: a state of the store, handed over file by file.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use storno_storage::{Backup, BackupFile, Store};
use storno_transfer::{
    BackedUp, BackupSpec, BoxError, Cancel, Place, Progress, SourceFile, TransferError, backup,
};

use super::scope::scope;
use crate::error::{Result, SqlError};

/// Bytes handed over at once.
const PIECE_BYTES: u64 = 4 << 20;
/// Files on their way at once, each with a few pieces in memory.
const AT_ONCE: usize = 4;

/// What is backed up, and where to.
#[derive(Debug)]
pub(crate) struct Of {
    pub(crate) store: Store,
    /// `None`: everything.
    pub(crate) database: Option<String>,
    pub(crate) place: Place,
}

/// A backup that is there, and the moment that it is of.
#[derive(Debug, Clone)]
pub(crate) struct Taken {
    pub(crate) done: BackedUp,
    pub(crate) sequence: u64,
    pub(crate) moment: DateTime<Utc>,
    pub(crate) rows: u64,
}

/// Takes the newest state and brings it there. On a runtime that waits for sockets.
pub(crate) async fn copy(of: Of, progress: Arc<Progress>, cancel: Cancel) -> Result<Taken> {
    let title = of.database.clone().unwrap_or_else(|| "ALL".into());
    let taken = take(of.store, of.database, true).await?;
    let (sequence, rows) = (taken.sequence, taken.rows);
    let spec = spec(taken, of.place, title);
    let moment = spec.moment;
    let done = backup(spec, progress, cancel).await?;
    Ok(Taken {
        done,
        sequence,
        moment,
        rows,
    })
}

/// The newest state, on a thread that may wait for the disk.
pub(super) async fn take(store: Store, database: Option<String>, flush: bool) -> Result<Backup> {
    let scope = scope(database, flush);
    let taken = tokio::task::spawn_blocking(move || store.backup(&scope)).await;
    Ok(taken.map_err(|e| SqlError::internal(e.to_string()))??)
}

/// A state on its way to a place.
pub(super) fn spec(taken: Backup, place: Place, title: String) -> BackupSpec {
    let micros = i64::try_from(taken.moment.as_micros()).unwrap_or(i64::MAX);
    let files = taken.files.into_iter();
    BackupSpec {
        place,
        title,
        database: taken.database,
        sequence: taken.sequence,
        moment: DateTime::from_timestamp_micros(micros).unwrap_or_default(),
        version: env!("CARGO_PKG_VERSION").into(),
        files: files.map(|file| Box::new(Stored(file)) as _).collect(),
        threads: AT_ONCE,
    }
}

/// A file of the store.
struct Stored(BackupFile);

impl SourceFile for Stored {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn identity(&self) -> Option<String> {
        self.0.identity()
    }

    fn bytes(&self) -> u64 {
        self.0.bytes()
    }

    fn grows(&self) -> bool {
        self.0.name().starts_with("wal/")
    }

    fn read(
        &self,
        from: u64,
        take: &mut dyn FnMut(&[u8]) -> std::result::Result<(), TransferError>,
    ) -> std::result::Result<(), BoxError> {
        let failed = |error: storno_storage::Error| {
            tracing::error!(%error, "a file cannot be backed up");
            BoxError::from(SqlError::from(error))
        };
        let (bytes, end) = (self.0.open().map_err(failed)?, self.0.bytes());
        let mut at = from;
        while at < end {
            let length = PIECE_BYTES.min(end - at);
            take(&bytes.read(at, length as usize).map_err(failed)?)?;
            at += length;
        }
        Ok(())
    }
}
