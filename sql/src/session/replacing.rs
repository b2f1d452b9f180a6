//! An UPDATE of more rows than are gathered at once: new rows are written into segments part by part, and take the
//! place of the old ones in one commit.

use arrow::array::RecordBatch;
use storno_storage::{Error as StorageError, Load, RowSelection, TableSnapshot};

use super::Session;
use crate::change::{Updated, Updater};
use crate::error::{Result, SqlError};
use crate::insert::duplicate_entry;
use crate::memory::held_bytes;

/// Rows whose new values are gathered before they are written.
pub(super) const PART_ROWS: usize = 64 << 10;

/// New rows kept to name a repeated key by its values; later ones are named without.
const KEPT_BYTES: usize = 32 << 20;

/// What has been written of an UPDATE. Dropped, it leaves nothing behind.
pub(super) struct Replacing {
    table: TableSnapshot,
    load: Load,
    /// Rows that were found, and those of them that change. A join may find a row again in a later part.
    found: RowSelection,
    gone: RowSelection,
    warnings: u64,
    kept: Vec<RecordBatch>,
    kept_bytes: usize,
}

/// How many rows an UPDATE has found and changed, and its warnings.
pub(super) struct Replaced {
    pub(super) matched: u64,
    pub(super) changed: u64,
    pub(super) warnings: u64,
}

impl Replacing {
    pub(super) fn begin(session: &Session, table: &TableSnapshot) -> Result<Self> {
        Ok(Self {
            table: table.clone(),
            load: session.engine.store().load_replacing(table.meta())?,
            found: table.selection(),
            gone: table.selection(),
            warnings: 0,
            kept: Vec::new(),
            kept_bytes: 0,
        })
    }
}

impl Session {
    /// Makes and writes the new rows of one part.
    pub(super) async fn replace_part(
        &mut self,
        replacing: Replacing,
        part: Updater,
    ) -> Result<Replacing> {
        let made = self.blocking(move || {
            let updated = part.finish(&replacing.table, &replacing.found)?;
            Ok((replacing, updated))
        });
        let (mut replacing, updated) = made.await?;
        let Updated {
            found,
            gone,
            rows,
            held: _held,
            warnings,
            ..
        } = updated;
        replacing.found.merge(&found)?;
        replacing.gone.merge(&gone)?;
        replacing.warnings += warnings.count;
        let unkept = warnings.count.saturating_sub(warnings.list.len() as u64);
        self.warn(warnings.list);
        self.sink.count_more(unkept);
        let rows = self.complete(&replacing.table, rows).await?;
        if rows.num_rows() == 0 {
            return Ok(replacing);
        }
        if replacing.kept_bytes < KEPT_BYTES {
            replacing.kept_bytes += held_bytes(&rows);
            replacing.kept.push(rows.clone());
        }
        let pushed = self.blocking(move || {
            let pushed = replacing.load.push(rows);
            Ok((replacing, pushed))
        });
        let (replacing, pushed) = pushed.await?;
        match pushed {
            Ok(()) => Ok(replacing),
            Err(error) => Err(self.named(error, &replacing.table, &replacing.kept)),
        }
    }

    /// Commits what was written.
    pub(super) async fn replace_written(&mut self, replacing: Replacing) -> Result<Replaced> {
        let Replacing {
            table,
            load,
            found,
            gone,
            warnings,
            kept,
            ..
        } = replacing;
        let replaced = Replaced {
            matched: found.len(),
            changed: gone.len(),
            warnings,
        };
        if gone.is_empty() {
            return Ok(replaced);
        }
        let committed = self.blocking(move || Ok(load.commit_replacing(gone)));
        match committed.await? {
            Ok(_) => Ok(replaced),
            Err(error) => Err(self.named(error, &table, &kept)),
        }
    }

    /// 1062 where the row that repeats a key is at hand.
    fn named(&self, error: StorageError, table: &TableSnapshot, rows: &[RecordBatch]) -> SqlError {
        let at_hand = match &error {
            StorageError::DuplicateKey { batch, .. } => rows.get(*batch),
            _ => None,
        };
        let definition = self.engine.tables().get(table.meta());
        match (at_hand, definition) {
            (Some(rows), Ok(definition)) => {
                duplicate_entry(error, &definition, rows, self.time_zone())
            }
            _ => error.into(),
        }
    }

    /// Does what takes long on a thread that may.
    pub(super) async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let done = self.engine.pool()?.spawn_blocking(work).await;
        done.map_err(|e| SqlError::internal(e.to_string()))?
    }
}
