//! Group commit: the commits that queued while the last group was synced are checked in order, logged as
//! one frame, made durable by one sync, applied together and acknowledged.
//!
//! INVARIANT: nothing becomes visible or acknowledged before it is as durable as its mode asks, and a
//! commit that fails leaves nothing behind: not in the log, the keys, or the memtables.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use arrow::array::RecordBatch;

use super::Done;
use super::delete::{Parts, StagedDeletes};
use super::unique::{Added, Sieve, Sifted, StagedKeys};
use super::writer::{Waiting, Writer};
use crate::commit::{
    Commit, OnDuplicate, PreparedCommit, PreparedInsert, REPEATED_MAX, Repeated, largest_counted,
};
use crate::format::FileId;
use crate::keys::KeyHash;
use crate::version::Version;
use crate::wal::{put_commit, put_delete, put_insert};
use crate::{Error, Result, SyncMode, TableId, TableMeta, TableName};

/// Encoded bytes a group takes on beyond its first commit.
const GROUP_BYTES: usize = 32 << 20;

/// Unwritten bytes at which buffered commits are written all the same.
const BUFFER_BYTES_MAX: usize = 4 << 20;

/// Payload of a frame, rows to apply and keys to take back, as commits are staged one by one.
#[derive(Default)]
pub(super) struct Stage {
    pub(super) payload: Vec<u8>,
    pub(super) commits: u32,
    pub(super) rows: BTreeMap<TableId, Vec<(RecordBatch, Keys)>>,
    pub(super) deleted: StagedDeletes,
    pub(super) keys: StagedKeys,
    pub(super) sync: Option<SyncMode>,
    /// When the commits came, in seconds since 1970.
    pub(super) arrival: u32,
}

/// Keys of some rows.
#[derive(Default)]
pub(super) struct Keys {
    /// Per unique key, per row.
    unique: Vec<Vec<Option<KeyHash>>>,
    /// Per row, in a table with an event key.
    events: Vec<Option<KeyHash>>,
}

/// What a commit does after all checks.
#[derive(Default)]
pub(super) struct Changes {
    accepted: Vec<Accepted>,
    /// Key values it brings.
    added: Added,
    /// Its deletes, as its own inserts see them.
    own: StagedDeletes,
    pub(super) deletes: Vec<(TableId, Parts)>,
}

/// One insert of a commit after the unique keys had their say.
struct Accepted {
    table: TableId,
    rows: RecordBatch,
    body: Vec<u8>,
    keys: Keys,
    /// Numbers of the rows that were left out for their event key.
    resent: Vec<u32>,
    /// Rows that were left out for a unique key, and its number.
    repeated: Vec<(usize, usize)>,
}

impl Writer {
    /// Commits the next group of what is waiting.
    pub(super) fn commit_group(&mut self) {
        let mut stage = Stage {
            arrival: self.arrival(),
            ..Stage::default()
        };
        let mut answers: Vec<(Done, Result<Commit>)> = Vec::new();
        while let Some(Waiting { mut commit, done }) = self.waiting.pop_front() {
            if let Some(bulk) = commit.bulk.take() {
                if answers.is_empty() {
                    let result = self.commit_bulk(&commit, bulk);
                    return done.call(result);
                }
                // Its turn is after this group.
                commit.bulk = Some(bulk);
                self.waiting.push_front(Waiting { commit, done });
                break;
            }
            let result = self.stage(&mut stage, commit);
            answers.push((done, result));
            if stage.payload.len() >= GROUP_BYTES {
                break;
            }
        }
        let logged = self.log(&stage).and_then(|()| self.apply(&mut stage));
        if let Err(error) = &logged {
            for (_, result) in &mut answers {
                // Also of those that failed by themselves: what they ran into is not there.
                *result = Err(error.clone());
            }
        }
        self.note_unsynced();
        self.group_size = answers.len();
        answers
            .into_iter()
            .for_each(|(done, result)| done.call(result));
    }

    /// Checks one commit against everything before it and adds it to the frame.
    fn stage(&mut self, stage: &mut Stage, commit: PreparedCommit) -> Result<Commit> {
        let mut changes = Changes::default();
        let staged = self.stage_changes(stage, &commit, &mut changes);
        stage.sync = stage.sync.max(Some(commit.sync));
        let Changes {
            accepted,
            added,
            deletes,
            ..
        } = changes;
        if let Err(error) = staged {
            stage.keys.take_back(&added);
            return Err(error);
        }
        let given: u64 = commit.inserts.iter().map(|i| i.count as u64).sum();
        let rows_inserted = accepted.iter().map(|a| a.rows.num_rows() as u64).sum();
        let arrivals = accepted.len() - commit.arrivals;
        let resent = accepted.iter().skip(arrivals).map(|a| a.resent.clone());
        let resent = resent.collect();
        let repeated = accepted.iter().enumerate();
        let repeated = repeated.flat_map(|(insert, a)| listed(insert, &a.repeated));
        let repeated = repeated.take(REPEATED_MAX).collect();
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
            resent,
            repeated,
        })
    }

    /// Finds the rows to delete, then checks the rows to insert. After an error the keys that were added
    /// are still to be taken back.
    fn stage_changes(
        &self,
        stage: &mut Stage,
        commit: &PreparedCommit,
        changes: &mut Changes,
    ) -> Result<()> {
        self.version.check_definitions(&commit.made_for)?;
        self.find_deletes(stage, commit, changes)?;
        for (index, insert) in commit.inserts.iter().enumerate() {
            let accepted = self.accept(stage, changes, (index, insert), commit.on_duplicate)?;
            changes.accepted.push(accepted);
        }
        Ok(())
    }

    /// Finds the rows to delete.
    pub(super) fn find_deletes(
        &self,
        stage: &Stage,
        commit: &PreparedCommit,
        changes: &mut Changes,
    ) -> Result<()> {
        for delete in &commit.deletes {
            let parts = self.find_rows(&stage.deleted, delete)?;
            let table = delete.rows.table();
            changes.own.add(table, &parts);
            changes.deletes.push((table, parts));
        }
        Ok(())
    }

    fn add(&mut self, stage: &mut Stage, accepted: Vec<Accepted>, deletes: Vec<(TableId, Parts)>) {
        let accepted: Vec<_> = accepted
            .into_iter()
            .filter(|a| a.rows.num_rows() > 0)
            .collect();
        put_commit(&mut stage.payload, accepted.len(), deletes.len());
        for accepted in accepted {
            let Accepted {
                table,
                rows,
                body,
                keys,
                ..
            } = accepted;
            let arrival = match keys.events.is_empty() {
                true => 0,
                false => stage.arrival,
            };
            put_insert(&mut stage.payload, table, arrival, &body);
            if let Ok(version) = self.version.table(table)
                && let Some(largest) = largest_counted(&version.meta, &rows)
            {
                version.counter.pass(largest);
            }
            stage.rows.entry(table).or_default().push((rows, keys));
        }
        for (table, parts) in deletes {
            put_delete(&mut stage.payload, table, &parts);
            stage.deleted.add(table, &parts);
        }
        stage.commits += 1;
    }

    /// Checks the rows of one insert against the keys of its table and reserves theirs.
    pub(super) fn sift(
        &self,
        stage: &mut Stage,
        changes: &mut Changes,
        (index, insert): (usize, &PreparedInsert),
        on_duplicate: OnDuplicate,
    ) -> Result<Sifted> {
        self.check_unchanged(insert)?;
        let taken = self.taken(insert, [&stage.deleted, &changes.own])?;
        let seen = self.seen(insert)?;
        let sieve = Sieve {
            insert,
            taken,
            seen,
            on_duplicate,
        };
        sieve
            .sift(&mut stage.keys, &mut changes.added)
            .map_err(|(key, row)| duplicate(insert, key, (index, row)))
    }

    /// Checks the rows of one insert; those that are left of it.
    fn accept(
        &self,
        stage: &mut Stage,
        changes: &mut Changes,
        (index, insert): (usize, &PreparedInsert),
        on_duplicate: OnDuplicate,
    ) -> Result<Accepted> {
        let table = insert.meta.id;
        let Sifted {
            keep,
            resent,
            repeated,
        } = self.sift(stage, changes, (index, insert), on_duplicate)?;
        if keep.iter().all(|&k| k) {
            return Ok(Accepted {
                table,
                rows: insert.rows.clone(),
                body: insert.body.clone(),
                keys: Keys {
                    unique: insert.keys.clone(),
                    events: insert
                        .events
                        .as_ref()
                        .map(|e| e.hashes.clone())
                        .unwrap_or_default(),
                },
                resent,
                repeated,
            });
        }
        let keys = Keys {
            unique: insert.kept_keys(&keep),
            events: insert
                .events
                .as_ref()
                .map(|e| e.kept(&keep))
                .unwrap_or_default(),
        };
        let (rows, body) = insert.filter(keep)?;
        Ok(Accepted {
            table,
            rows,
            body,
            keys,
            resent,
            repeated,
        })
    }

    /// Whether the table still is what the rows were made for. Errors name it as the caller knows it.
    fn check_unchanged(&self, insert: &PreparedInsert) -> Result<()> {
        let TableName { schema, table } = name_of(insert);
        let Some(current) = self.version.tables.get(&insert.meta.id) else {
            return Err(Error::UnknownTable(schema, table));
        };
        let keys = |meta: &TableMeta| (meta.spec.unique_keys.clone(), meta.spec.event_key.clone());
        if insert.shape != current.history.current() || keys(&insert.meta) != keys(&current.meta) {
            let table = TableName { schema, table };
            return Err(Error::TableChanged { table });
        }
        Ok(())
    }

    /// Logs the frame and makes it as durable as the strictest of its commits asks.
    pub(super) fn log(&mut self, stage: &Stage) -> Result<()> {
        let mark = self.wal.pending_bytes();
        if stage.commits > 0 {
            let first = self.version.sequence + 1;
            self.wal
                .append(first, stage.commits, self.manifest.edit(), &stage.payload);
        }
        let logged = match stage.sync {
            Some(SyncMode::Durable) => self.sync_timed(),
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

    fn sync_timed(&mut self) -> Result<()> {
        let begun = self.now();
        let synced = self.wal.sync();
        self.sync_time = self.now().saturating_sub(begun);
        synced
    }

    /// Moves the rows into the memtables and publishes the result.
    fn apply(&mut self, stage: &mut Stage) -> Result<()> {
        if stage.commits == 0 {
            return Ok(());
        }
        let mut version = self.version.clone();
        version.sequence += u64::from(stage.commits);
        for (id, rows) in std::mem::take(&mut stage.rows) {
            let (rows, keys): (Vec<RecordBatch>, Vec<Keys>) = rows.into_iter().unzip();
            let mut first = version.table(id).map_or(0, |t| t.active.rows());
            for (rows, keys) in rows.iter().zip(&keys) {
                self.note_keys(id, first, &keys.unique);
                self.note_events(id, &keys.events, stage.arrival);
                first += rows.num_rows() as u64;
            }
            let applied = append(&mut version, id, &rows, (self.wal.id(), self.now()));
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
    (wal, now): (FileId, Duration),
) -> Result<()> {
    let sequence = version.sequence;
    let table = version.table(id)?;
    let schema = table.history.schema(table.history.current());
    let memtable = table.active.append(&schema, rows, sequence, wal)?;
    let memtable = memtable.filled_at(now);
    version.change(id, |table| table.active = Arc::new(memtable));
    Ok(())
}

/// Rows of an insert as a commit lists them.
pub(super) fn listed(
    insert: usize,
    repeated: &[(usize, usize)],
) -> impl Iterator<Item = Repeated> + '_ {
    let rows = repeated.iter();
    rows.map(move |&(row, key)| Repeated { insert, row, key })
}

fn name_of(insert: &PreparedInsert) -> TableName {
    TableName {
        schema: insert.meta.schema.clone(),
        table: insert.meta.spec.name.clone(),
    }
}

fn duplicate(insert: &PreparedInsert, key: usize, (batch, row): (usize, usize)) -> Error {
    let key = insert.meta.spec.unique_keys.get(key);
    Error::DuplicateKey {
        table: name_of(insert),
        key: key.map(|k| k.name.clone()).unwrap_or_default(),
        batch,
        row,
    }
}
