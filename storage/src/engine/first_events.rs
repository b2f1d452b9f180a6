//! An event key for a table that has rows: runs of the keys of all of them, as if they had arrived just now.
//! Most are written on the caller's thread while others write; the writer adds what has come since.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::Shared;
use super::add_key::columns_before;
use crate::events::{EventRun, Prefix, RunKey, prefix_of};
use crate::format::FileId;
use crate::keys::key_columns;
use crate::manifest::RunRecord;
use crate::version::TableVersion;
use crate::{Alteration, Error, KeySpec, Result, ScanRequest, TableSnapshot};

/// Keys that are sorted in memory and written as one run: 128 MiB of them.
const RUN_KEYS_MAX: usize = 8 << 20;

/// Runs of the event keys of rows that were there before the key. Their files go when this is dropped before
/// the manifest names them.
#[derive(Debug)]
pub(crate) struct FirstEvents {
    key: RunKey,
    /// Positions of the key's columns in the table as it is.
    columns: Vec<usize>,
    /// Segments whose rows are in the runs.
    segments: BTreeSet<FileId>,
    runs: Vec<Arc<EventRun>>,
}

impl Drop for FirstEvents {
    fn drop(&mut self) {
        self.runs.iter().for_each(|run| run.make_obsolete());
    }
}

impl FirstEvents {
    /// `None` when the table is to get no event key, or has it.
    pub(crate) fn new(
        shared: &Shared,
        table: &TableVersion,
        alteration: &Alteration,
    ) -> Result<Option<Self>> {
        let Some(key) = &alteration.spec.event_key else {
            return Ok(None);
        };
        let new = || Error::NotSupported("an event key over a new column of old rows".into());
        let columns = columns_before(&key.columns, &alteration.columns);
        let before = table.meta.spec.event_key.as_ref().map(|k| &k.columns);
        if columns.is_some() && columns.as_ref() == before {
            return Ok(None);
        }
        let has_rows = !table.segments.is_empty() || table.memtables().any(|m| !m.is_empty());
        if !has_rows {
            return Ok(None);
        }
        let columns = columns.ok_or_else(new)?;
        let same = |(at, before): (&usize, &usize)| {
            let after = alteration.spec.columns.get(*at);
            let before = table.meta.spec.columns.get(*before);
            matches!((before, after), (Some(b), Some(a)) if b.data_type == a.data_type)
        };
        if !key.columns.iter().zip(&columns).all(same) {
            let what = "an event key over a column that gets another type at once";
            return Err(Error::NotSupported(what.into()));
        }
        let spec = KeySpec {
            name: String::new(),
            columns: columns.clone(),
        };
        let ids = key_columns(&table.history, &[spec]).pop();
        let ids = ids.ok_or_else(new)?.ids;
        Ok(Some(Self {
            key: RunKey {
                table: table.meta.id,
                columns: ids,
                secret: shared.hasher.fingerprint(),
            },
            columns,
            segments: BTreeSet::new(),
            runs: Vec::new(),
        }))
    }

    /// Adds the rows of segments that are not in yet, and of memtables, which have no numbers: what is in
    /// twice is known once.
    pub(crate) fn go_on(
        &mut self,
        shared: &Shared,
        table: &Arc<TableVersion>,
        arrival: u32,
    ) -> Result<()> {
        let is_new = |file: FileId| !self.segments.contains(&file);
        let mut rest = (**table).clone();
        let segments = Arc::make_mut(&mut rest.segments);
        segments.retain(|segment| is_new(segment.record.file));
        let files: Vec<FileId> = segments.iter().map(|s| s.record.file).collect();
        let snapshot = TableSnapshot {
            table: Arc::new(rest),
            cache: Arc::clone(&shared.cache),
            hasher: shared.hasher,
        };
        let scan = snapshot.scan(ScanRequest {
            columns: self.columns.clone(),
            predicates: Vec::new(),
        })?;
        let mut keys: Vec<Prefix> = Vec::new();
        for batch in scan.into_morsels().into_iter().flatten() {
            let hashes = shared.hasher.hash(batch?.columns())?;
            keys.extend(hashes.into_iter().flatten().map(prefix_of));
            if keys.len() >= RUN_KEYS_MAX {
                self.write(shared, &mut keys, arrival)?;
            }
        }
        self.write(shared, &mut keys, arrival)?;
        self.segments.extend(files);
        Ok(())
    }

    fn write(&mut self, shared: &Shared, keys: &mut Vec<Prefix>, arrival: u32) -> Result<()> {
        if keys.is_empty() {
            return Ok(());
        }
        let run = shared.write_sorted_run(&self.key, std::mem::take(keys), arrival)?;
        self.runs.push(run);
        Ok(())
    }

    pub(crate) fn records(&self) -> Vec<RunRecord> {
        self.runs.iter().map(|run| run.record).collect()
    }

    pub(crate) fn runs(&self) -> &[Arc<EventRun>] {
        &self.runs
    }

    /// The manifest names the files, or may do so.
    pub(crate) fn named(mut self) {
        self.runs.clear();
    }
}

impl Shared {
    /// Writes a run of keys in any order.
    pub(crate) fn write_sorted_run(
        &self,
        key: &RunKey,
        mut keys: Vec<Prefix>,
        arrival: u32,
    ) -> Result<Arc<EventRun>> {
        keys.sort_unstable();
        keys.dedup();
        self.write_run(key, keys.len() as u64, (arrival, arrival), |mut writer| {
            keys.iter().try_for_each(|&prefix| writer.push(prefix))?;
            writer.finish()
        })
    }

    /// The time that commits arrive at, in seconds since 1970; 0 stands for rows without an arrival.
    pub(crate) fn arrival(&self) -> u32 {
        let seconds = self.environment.clock.wall().as_secs();
        u32::try_from(seconds).unwrap_or(u32::MAX).max(1)
    }
}
