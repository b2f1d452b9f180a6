//! Group commit: the commits that queued while the last group was synced are checked in order, logged as
//! one frame, made durable by one sync, applied together and acknowledged.
//!
//! INVARIANT: nothing becomes visible or acknowledged before it is as durable as its mode asks, and a
//! commit that fails leaves nothing behind: not in the log, the keys, or the memtables.

use std::collections::BTreeMap;
use std::sync::Arc;

use arrow::array::RecordBatch;

use super::Done;
use super::delete::{Parts, StagedDeletes};
use super::writer::{Waiting, Writer};
use crate::commit::{Commit, OnDuplicate, PreparedCommit, PreparedInsert, largest_counted};
use crate::unique::KeyHash;
use crate::version::Version;
use crate::wal::{put_commit, put_delete, put_insert};
use crate::{Error, Result, SyncMode, TableId, TableName};

/// Encoded bytes a group takes on beyond its first commit.
const GROUP_BYTES: usize = 32 << 20;

/// Unwritten bytes at which buffered commits are written all the same.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// Changes of the sets of key values, to be taken back in reverse order.
#[derive(Default)]
struct KeyChanges(Vec<(TableId, usize, KeyHash, Change)>);

#[derive(Clone, Copy)]
enum Change {
    Added,
    Removed,
}

/// Payload of a frame, rows to apply and keys to take back, as commits are staged one by one.
#[derive(Default)]
struct Stage {
    payload: Vec<u8>,
    commits: u32,
    rows: BTreeMap<TableId, Vec<RecordBatch>>,
    deleted: StagedDeletes,
    keys: KeyChanges,
    sync: Option<SyncMode>,
}

/// What a commit does after all checks.
#[derive(Default)]
struct Changes {
    accepted: Vec<Accepted>,
    deletes: Vec<(TableId, Parts)>,
}

/// One insert of a commit after the unique keys had their say.
struct Accepted {
    table: TableId,
    rows: RecordBatch,
    body: Vec<u8>,
}

impl Writer {
    /// Commits the next group of what is waiting.
    pub(super) fn commit_group(&mut self) {
        let mut stage = Stage::default();
        let mut answers: Vec<(Done, Result<Commit>)> = Vec::new();
        while let Some(Waiting { commit, done }) = self.waiting.pop_front() {
            let result = self.stage(&mut stage, commit);
            answers.push((done, result));
            if stage.payload.len() >= GROUP_BYTES {
                break;
            }
        }
        let logged = self.log(&stage).and_then(|()| self.apply(&mut stage));
        if let Err(error) = &logged {
            self.restore_keys(&stage.keys);
            for (_, result) in &mut answers {
                // Also of those that failed by themselves: what they ran into is not there.
                *result = Err(error.clone());
            }
        }
        self.note_unsynced();
        answers
            .into_iter()
            .for_each(|(done, result)| done.call(result));
    }

    /// Checks one commit against everything before it and adds it to the frame.
    fn stage(&mut self, stage: &mut Stage, commit: PreparedCommit) -> Result<Commit> {
        let keys_before = stage.keys.0.len();
        let staged = self.stage_changes(stage, &commit);
        stage.sync = stage.sync.max(Some(commit.sync));
        if staged.is_err() {
            let changes = stage.keys.0.split_off(keys_before);
            self.restore_keys(&KeyChanges(changes));
        }
        let Changes { accepted, deletes } = staged?;
        let given: u64 = commit
            .inserts
            .iter()
            .map(|i| i.rows.num_rows() as u64)
            .sum();
        let rows_inserted = accepted.iter().map(|a| a.rows.num_rows() as u64).sum();
        let rows = deletes.iter().flat_map(|(_, parts)| parts);
        let rows_deleted = rows.map(|(_, rows)| rows.len()).sum();
        if rows_inserted + rows_deleted > 0 {
            self.add(stage, accepted, deletes);
        }
        let sequence = self.version.sequence + u64::from(stage.commits);
        Ok(Commit {
            sequence,
            rows_inserted,
            rows_skipped: given - rows_inserted,
            rows_deleted,
        })
    }

    /// Finds the rows to delete, then checks the rows to insert, with the keys in pace. After an error
    /// the keys are still to be restored.
    fn stage_changes(&mut self, stage: &mut Stage, commit: &PreparedCommit) -> Result<Changes> {
        let mut changes = Changes::default();
        for delete in &commit.deletes {
            let (parts, keys) = self.find_rows(&stage.deleted, delete)?;
            let table = delete.rows.table();
            for (key, hashes) in keys.into_iter().enumerate() {
                for hash in hashes {
                    self.change_key(&mut stage.keys, table, (key, hash), Change::Removed);
                }
            }
            changes.deletes.push((table, parts));
        }
        for (index, insert) in commit.inserts.iter().enumerate() {
            let accepted = self.accept(stage, index, insert, commit.on_duplicate)?;
            changes.accepted.push(accepted);
        }
        Ok(changes)
    }

    fn add(&mut self, stage: &mut Stage, accepted: Vec<Accepted>, deletes: Vec<(TableId, Parts)>) {
        let accepted: Vec<_> = accepted
            .into_iter()
            .filter(|a| a.rows.num_rows() > 0)
            .collect();
        put_commit(&mut stage.payload, accepted.len(), deletes.len());
        for Accepted { table, rows, body } in accepted {
            put_insert(&mut stage.payload, table, &body);
            if let Ok(version) = self.version.table(table)
                && let Some(largest) = largest_counted(&version.meta, &rows)
            {
                version.counter.pass(largest);
            }
            stage.rows.entry(table).or_default().push(rows);
        }
        for (table, parts) in deletes {
            put_delete(&mut stage.payload, table, &parts);
            stage.deleted.add(table, &parts);
        }
        stage.commits += 1;
    }

    /// Checks the rows of one insert against the unique keys and reserves theirs.
    fn accept(
        &mut self,
        stage: &mut Stage,
        index: usize,
        insert: &PreparedInsert,
        on_duplicate: OnDuplicate,
    ) -> Result<Accepted> {
        let id = insert.meta.id;
        // Dropped since the commit was prepared? Name it as the caller knows it.
        let name = || (insert.meta.schema.clone(), insert.meta.spec.name.clone());
        let (true, Some(table)) = (
            self.version.tables.contains_key(&id),
            self.tables.get_mut(&id),
        ) else {
            let (schema, table) = name();
            return Err(Error::UnknownTable(schema, table));
        };
        let current = self.version.table(id)?;
        let keys = |meta: &crate::TableMeta| meta.spec.unique_keys.clone();
        if insert.shape != current.history.current() || keys(&insert.meta) != keys(&current.meta) {
            let (schema, table) = name();
            let table = TableName { schema, table };
            return Err(Error::TableChanged { table });
        }
        if let (Some(damage), false) = (&table.damage, insert.keys.is_empty()) {
            return Err(damage.clone());
        }
        let mut keep = vec![true; insert.rows.num_rows()];
        for (row, keep) in keep.iter_mut().enumerate() {
            let hashes = || {
                insert
                    .keys
                    .iter()
                    .map(|key| key.get(row).copied().flatten())
            };
            let repeated = hashes()
                .zip(&table.keys)
                .position(|(hash, set)| hash.is_some_and(|h| set.contains(&h)));
            match (repeated, on_duplicate) {
                (None, _) => {
                    for (key, (hash, set)) in hashes().zip(&mut table.keys).enumerate() {
                        if let Some(hash) = hash {
                            set.insert(hash);
                            stage.keys.0.push((id, key, hash, Change::Added));
                        }
                    }
                }
                (Some(_), OnDuplicate::Skip) => *keep = false,
                (Some(key), OnDuplicate::Fail) => {
                    let key = insert
                        .meta
                        .spec
                        .unique_keys
                        .get(key)
                        .map(|k| k.name.clone());
                    let key = key.unwrap_or_default();
                    let (schema, table) = name();
                    let table = TableName { schema, table };
                    return Err(Error::DuplicateKey {
                        table,
                        key,
                        batch: index,
                        row,
                    });
                }
            }
        }
        if keep.iter().all(|&k| k) {
            return Ok(Accepted {
                table: id,
                rows: insert.rows.clone(),
                body: insert.body.clone(),
            });
        }
        let (rows, body) = insert.filter(keep)?;
        Ok(Accepted {
            table: id,
            rows,
            body,
        })
    }

    fn change_key(
        &mut self,
        changes: &mut KeyChanges,
        table: TableId,
        (key, hash): (usize, KeyHash),
        change: Change,
    ) {
        let keys = self.tables.get_mut(&table).map(|t| &mut t.keys);
        if let Some(set) = keys.and_then(|keys| keys.get_mut(key)) {
            let changed = match change {
                Change::Added => set.insert(hash),
                Change::Removed => set.remove(&hash),
            };
            if changed {
                changes.0.push((table, key, hash, change));
            }
        }
    }

    fn restore_keys(&mut self, changes: &KeyChanges) {
        for &(table, key, hash, change) in changes.0.iter().rev() {
            let back = match change {
                Change::Added => Change::Removed,
                Change::Removed => Change::Added,
            };
            self.change_key(&mut KeyChanges::default(), table, (key, hash), back);
        }
    }

    /// Logs the frame and makes it as durable as the strictest of its commits asks.
    fn log(&mut self, stage: &Stage) -> Result<()> {
        let mark = self.wal.pending_bytes();
        if stage.commits > 0 {
            let first = self.version.sequence + 1;
            self.wal
                .append(first, stage.commits, self.manifest.edit(), &stage.payload);
        }
        let logged = match stage.sync {
            Some(SyncMode::Durable) => self.wal.sync(),
            Some(SyncMode::Written) => self.wal.write(),
            Some(SyncMode::Buffered) if self.wal.pending_bytes() > BUFFER_BYTES_MAX => {
                self.wal.write()
            }
            Some(SyncMode::Buffered) | None => Ok(()),
        };
        let logged = self.check(logged);
        if logged.is_err() {
            // Stopped, or the disk is full and nothing of it was written.
            self.wal.withdraw(mark);
        }
        logged
    }

    /// Moves the rows into the memtables and publishes the result.
    fn apply(&mut self, stage: &mut Stage) -> Result<()> {
        if stage.commits == 0 {
            return Ok(());
        }
        let mut version = self.version.clone();
        version.sequence += u64::from(stage.commits);
        for (id, rows) in std::mem::take(&mut stage.rows) {
            let applied = append(&mut version, id, &rows, self.wal.id());
            // It is in the log and cannot be taken back: a failure here must stop everything.
            self.check(applied)?;
        }
        let (wal, deleted) = (self.wal.id(), std::mem::take(&mut stage.deleted));
        let has_deletes = !deleted.is_empty();
        deleted.apply(&mut version, wal);
        self.version = version;
        self.publish();
        if has_deletes {
            // Segments may have become worth a rewrite.
            self.queue_merge();
        }
        Ok(())
    }
}

fn append(
    version: &mut Version,
    id: TableId,
    rows: &[RecordBatch],
    wal: crate::format::FileId,
) -> Result<()> {
    let sequence = version.sequence;
    let table = version.table(id)?;
    let schema = table.history.schema(table.history.current());
    let memtable = table.active.append(&schema, rows, sequence, wal)?;
    version.change(id, |table| table.active = Arc::new(memtable));
    Ok(())
}
