//! Scrubbing: every file of segments and event keys is read from time to time and compared with its checksums,
//! at a bounded rate, so that damage is found while there is a copy to restore from. A damaged file is put in
//! quarantine; a damaged key file is made again from its segment.

use std::sync::Arc;
use std::time::Duration;

use super::Shared;
use super::writer::Writer;
use crate::care::Quarantined;
use crate::events::EventRun;
use crate::format::FileId;
use crate::keys::{KeyIndex, key_columns};
use crate::segment::Damage;
use crate::version::{LiveSegment, TableVersion};
use crate::{Error, Result, TableName};

/// How long to wait for there to be files.
const IDLE: Duration = Duration::from_secs(60);

/// A file to be read.
#[derive(Debug)]
pub(crate) struct Scrub {
    table: Arc<TableVersion>,
    target: Target,
}

#[derive(Debug)]
enum Target {
    Segment(LiveSegment),
    Run(Arc<EventRun>),
}

/// What was found.
#[derive(Debug)]
pub(crate) struct Scrubbed {
    bytes: u64,
    damage: Option<Damage>,
    /// In the place of a damaged one.
    keys: Option<Arc<KeyIndex>>,
}

impl Scrub {
    fn file(&self) -> FileId {
        match &self.target {
            Target::Segment(segment) => segment.record.file,
            Target::Run(run) => run.record.file,
        }
    }

    pub(super) fn run(&self, shared: &Shared) -> Result<Scrubbed> {
        match &self.target {
            Target::Run(run) => {
                let damage = match run.check() {
                    Err(Error::Io { kind, .. }) if kind != std::io::ErrorKind::NotFound => None,
                    Err(error) => Some(Damage {
                        error,
                        rows: run.record.keys,
                    }),
                    Ok(()) => None,
                };
                Ok(Scrubbed {
                    bytes: run.record.bytes,
                    damage,
                    keys: None,
                })
            }
            Target::Segment(segment) => self.scrub_segment(segment, shared),
        }
    }

    fn scrub_segment(&self, segment: &LiveSegment, shared: &Shared) -> Result<Scrubbed> {
        let history = &self.table.history;
        let shape = history.schema(history.shape_of_file(segment.record.file));
        let mut bytes = segment.record.bytes;
        let damage = match segment.open_file_again((self.table.meta.id, &shape)) {
            Ok(reader) => reader.damage(),
            // Perhaps it passes: nothing is known about the bytes.
            Err(error @ Error::Io { .. }) => return Err(error),
            Err(error) => Some(Damage {
                error,
                rows: segment.record.rows,
            }),
        };
        let mut keys = None;
        if segment.has_keys() && damage.is_none() {
            bytes += segment.key_bytes();
            if segment.check_keys().is_err() {
                let unique = key_columns(
                    history,
                    &self.table.meta.spec.unique_keys,
                    &self.table.meta.folds,
                );
                keys = Some(shared.make_key_file(segment, &unique)?);
            }
        }
        Ok(Scrubbed {
            bytes,
            damage,
            keys,
        })
    }
}

impl Writer {
    /// The next file to be read, if it is time; the writer is woken when it is.
    pub(super) fn choose_scrub(&mut self) -> Option<Scrub> {
        let (now, rate) = (self.now(), self.shared.options.scrub_bytes_per_second);
        if rate == 0 || self.care.scrub_due > now {
            return None;
        }
        let care = &self.care;
        let left = |file: FileId| !care.scrubbed.contains(&file);
        // Not in the order of their age: what is read first after each start is always another.
        let mixed = |file: FileId| {
            let salt = care.salt;
            xxhash_rust::xxh3::xxh3_64_with_seed(&file.0.to_le_bytes(), salt)
        };
        let tables = self.version.tables.values();
        let targets = tables.flat_map(|table| {
            let segments = table.segments.iter().cloned().map(Target::Segment);
            let runs = table.events.iter().cloned().map(Target::Run);
            segments.chain(runs).map(move |target| Scrub {
                table: Arc::clone(table),
                target,
            })
        });
        let next = targets
            .filter(|t| left(t.file()))
            .min_by_key(|t| mixed(t.file()));
        if next.is_some() {
            self.care.pass_began.get_or_insert(now);
            return next;
        }
        if self.care.scrubbed.is_empty() {
            // No files yet.
            self.care.scrub_due = now + IDLE;
            return None;
        }
        self.care.scrubbed.clear();
        self.count_care(|stats| stats.passes += 1);
        let began = self.care.pass_began.take().unwrap_or(now);
        self.care.scrub_due = (began + self.shared.options.scrub_interval).max(now);
        self.care.salt = self.care.salt.wrapping_add(1);
        None
    }

    pub(super) fn install_scrubbed(&mut self, job: &Scrub, result: Result<Scrubbed>) {
        let file = job.file();
        self.care.scrubbed.insert(file);
        let scrubbed = match result {
            Ok(scrubbed) => scrubbed,
            Err(error) => {
                tracing::warn!(%error, "a file could not be compared with its checksums");
                self.care.scrub_due = self.now() + IDLE;
                return;
            }
        };
        let rate = self.shared.options.scrub_bytes_per_second.max(1);
        let pause = Duration::from_secs_f64(scrubbed.bytes as f64 / rate as f64);
        self.care.scrub_due = self.now() + pause;
        let remade = u64::from(scrubbed.keys.is_some());
        self.count_care(|stats| {
            stats.files_scrubbed += 1;
            stats.bytes_scrubbed += scrubbed.bytes;
            stats.key_files_remade += remade;
        });
        let table = self.version.table(job.table.meta.id);
        let same_keys = table.is_ok_and(|t| Arc::ptr_eq(&t.meta, &job.table.meta));
        if let (Some(keys), Target::Segment(segment), true) =
            (scrubbed.keys, &job.target, same_keys)
        {
            tracing::warn!(path = %segment.path().display(), "damaged keys were made again");
            segment.set_keys(keys);
        }
        match scrubbed.damage {
            Some(damage) => self.quarantine(job, damage),
            // Somebody may have put the file back as it was.
            None if self.shared.quarantine.lock().remove(&file).is_some() => {
                self.unmergeable.remove(&file);
                self.care.unreadable_runs.remove(&file);
            }
            None => {}
        }
    }

    fn quarantine(&mut self, job: &Scrub, damage: Damage) {
        let file = job.file();
        let (path, rows) = match &job.target {
            Target::Segment(segment) => {
                // What was good once may not be any more.
                segment.forget_checked();
                self.unmergeable.insert(file);
                (segment.path().to_path_buf(), segment.record.rows)
            }
            Target::Run(run) => {
                run.forget_checked();
                self.care.unreadable_runs.insert(file);
                (run.path().to_path_buf(), run.record.keys)
            }
        };
        let Damage {
            error,
            rows: at_stake,
        } = damage;
        tracing::error!(%error, rows_at_stake = at_stake, rows, "a damaged file is in quarantine");
        let meta = &job.table.meta;
        let table = TableName {
            schema: meta.schema.clone(),
            table: meta.spec.name.clone(),
        };
        let entry = Quarantined {
            table,
            path,
            error,
            rows_at_stake: at_stake,
            rows,
        };
        self.shared.quarantine.lock().insert(file, entry);
    }
}
