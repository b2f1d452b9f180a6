//! Sealing memtables and starting WAL files. A sealed memtable is complete: it holds every row of its
//! table up to its last sequence that is not in segments, and all of them are synced in older WAL files.

use std::sync::Arc;
use std::sync::mpsc::Sender;

use super::flush::FlushJob;
use super::writer::{FlushWaiter, Writer};
use crate::format::{FileId, Seal};
use crate::manifest::Edit;
use crate::version::Version;
use crate::wal::{WalLog, wal_path};
use crate::{Result, TableId};

/// WAL files kept before the tables that need the oldest are flushed, however small they are.
const WAL_FILES_MAX: usize = 16;

/// A WAL file so many times as long as the memtable bytes is the last one to be added to.
const WAL_LENGTH_FACTOR: u64 = 4;

impl Writer {
    /// Seals the memtables that are full, and those that keep the WAL from being dropped.
    pub(super) fn seal_full(&mut self) {
        let options = &self.shared.options;
        let bytes_max = options.memtable_bytes as u64;
        let mut full: Vec<TableId> = Vec::new();
        let mut total = 0;
        for (id, table) in &self.version.tables {
            total += table.active.bytes();
            let rows_max = options.segment_rows_of(&table.meta.spec);
            if table.active.bytes() >= bytes_max || table.active.rows() >= rows_max {
                full.push(*id);
            }
        }
        if full.is_empty() && total >= 2 * bytes_max {
            let largest = self
                .version
                .tables
                .iter()
                .max_by_key(|(_, t)| t.active.bytes());
            full.extend(largest.map(|(id, _)| *id));
        }
        let files = self.manifest.state().wal.len();
        // Deletes make the log grow, and no memtable.
        let long = self.wal.length() >= WAL_LENGTH_FACTOR * bytes_max;
        if files >= WAL_FILES_MAX || long {
            full.extend(self.tables_of_oldest_wal());
        }
        full.sort_unstable();
        full.dedup();
        let sealed = match full.as_slice() {
            [] if !long => Ok(()),
            full => self.seal(full),
        };
        let saved = match files >= WAL_FILES_MAX || long {
            true => sealed.and_then(|()| self.save_deletes()),
            false => sealed,
        };
        if let Err(error) = saved {
            // The rows stay where they are; the next commit tries again.
            tracing::warn!(%error, "memtables could not be sealed");
        }
    }

    /// Tables whose unsealed rows are what the oldest WAL file is needed for.
    fn tables_of_oldest_wal(&self) -> Vec<TableId> {
        let oldest = self.manifest.state().wal.first().map(|w| w.file);
        let tables = self.version.tables.iter();
        let needing = tables.filter(|(_, t)| oldest.is_some() && t.active.first_wal() == oldest);
        needing.map(|(id, _)| *id).collect()
    }

    /// Seals the memtables of some tables and has them flushed.
    pub(super) fn seal(&mut self, tables: &[TableId]) -> Result<()> {
        self.rotate()?;
        for &id in tables {
            self.version.change(id, |table| {
                if !table.active.is_empty() {
                    let full = table.take_active();
                    table.sealed.push(full);
                }
            });
        }
        self.publish();
        self.queue_flushes();
        Ok(())
    }

    /// Starts a new WAL file after making everything in the old one durable.
    fn rotate(&mut self) -> Result<()> {
        if self.wal.is_empty() {
            return Ok(());
        }
        let synced = self.wal.sync();
        self.check(synced)?;
        let shared = Arc::clone(&self.shared);
        let seal = Seal {
            database: shared.database,
            file: shared.file_ids.take(),
        };
        let wal = WalLog::create(
            (&shared.fs, &shared.dir),
            seal,
            shared.options.wal_ahead_bytes,
        );
        let wal = match wal {
            // Nobody refers to the file yet: without space for it the old one goes on.
            Err(error) => return Err(self.give_up_file(seal.file, error)),
            Ok(wal) => wal,
        };
        let added = Edit::WalAdded {
            file: seal.file,
            first_sequence: self.version.sequence + 1,
            previous_length: self.wal.length(),
        };
        if let Err(error) = self.log_edits(&[added]) {
            return Err(self.give_up_file(seal.file, error));
        }
        std::mem::replace(&mut self.wal, wal).trim();
        Ok(())
    }

    fn give_up_file(&mut self, file: FileId, error: crate::Error) -> crate::Error {
        if error.may_pass() {
            // If it stays, the next open removes it.
            let _ = self.shared.fs.remove(&wal_path(&self.shared.dir, file));
        } else {
            self.stop(&error.to_string());
        }
        error
    }

    /// Queues a flush for every sealed memtable that has none.
    pub(super) fn queue_flushes(&mut self) {
        if self.stopped.is_some() {
            return;
        }
        for table in self.version.tables.values() {
            for memtable in &table.sealed {
                if !self.flushing.iter().any(|m| m.is(memtable)) {
                    self.flushing.push(Arc::clone(memtable));
                    self.shared.flushes.push(FlushJob {
                        meta: Arc::clone(&table.meta),
                        history: Arc::clone(&table.history),
                        memtable: Arc::clone(memtable),
                    });
                }
            }
        }
    }

    /// Seals everything and answers once all of it is in segments.
    pub(crate) fn flush_all(&mut self, reply: Sender<Result<()>>) {
        let filled = self
            .version
            .tables
            .iter()
            .filter(|(_, t)| !t.active.is_empty());
        let filled: Vec<TableId> = filled.map(|(id, _)| *id).collect();
        let sealed = self.writable().and_then(|()| match filled.as_slice() {
            // Of those sealed before, one may be waiting until it is tried again.
            [] => {
                self.queue_flushes();
                Ok(())
            }
            filled => self.seal(filled),
        });
        if let Err(error) = sealed {
            let _ = reply.send(Err(error));
            return;
        }
        let sealed = self
            .version
            .tables
            .values()
            .flat_map(|t| t.sealed.iter().cloned());
        self.flush_waiters.push(FlushWaiter {
            memtables: sealed.collect(),
            reply,
        });
        self.answer_flush_waiters();
    }

    /// Answers those whose memtables are all gone.
    pub(super) fn answer_flush_waiters(&mut self) {
        let tables = &self.version.tables;
        let left = |waiter: &FlushWaiter| {
            let sealed = || tables.values().flat_map(|t| &t.sealed);
            // A delete in one, or a change of its table, makes another value of it.
            waiter.memtables.iter().any(|m| sealed().any(|s| m.is(s)))
        };
        self.flush_waiters.retain(|waiter| {
            let left = left(waiter);
            if !left {
                // A caller that has gone away needs no answer.
                let _ = waiter.reply.send(Ok(()));
            }
            left
        });
    }

    /// Edits that drop the WAL files no memtable of `version` needs, and the files.
    pub(crate) fn unneeded_wal(&self, version: &Version) -> Vec<FileId> {
        let memtables = version.tables.values().flat_map(|t| t.memtables());
        let mut needed: Vec<FileId> = memtables.filter_map(|m| m.first_wal()).collect();
        let segments = version.tables.values().flat_map(|t| t.segments.iter());
        needed.extend(segments.filter_map(|s| s.unsaved_since));
        let files = self.manifest.state().wal.iter().map(|w| w.file);
        files
            .take_while(|file| *file != self.wal.id() && !needed.contains(file))
            .collect()
    }

    /// Removes WAL files that the manifest no longer names.
    pub(super) fn remove_wal(&self, files: &[FileId]) {
        for &file in files {
            let path = wal_path(&self.shared.dir, file);
            if let Err(error) = self.shared.fs.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "an old WAL file stays");
            }
        }
    }
}
