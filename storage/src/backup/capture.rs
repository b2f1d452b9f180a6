//! Fixing a state: what the manifest says, which segments and runs there are, and how far the log goes, all
//! at one moment between two commits.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use super::Backup;
use super::file::{BackupFile, Content};
use super::log::filtered;
use crate::engine::{Shared, Writer};
use crate::format::{FileId, Seal};
use crate::fs::Mapping;
use crate::manifest::{ManifestState, Recovered, checkpoint_file};
use crate::version::Version;
use crate::wal::wal_path;
use crate::{Error, Result, Store};

/// What is kept of a property, by key and value; `None`: it is left out.
pub type PropertyOf = Box<dyn Fn(&str, &str) -> Option<String> + Send>;

/// What a copy takes along.
pub struct BackupScope {
    /// Only this schema; `None`: everything.
    pub schema: Option<String>,
    /// Whether what is in memory is written into segments before. Otherwise its log is taken along.
    pub flush: bool,
    /// What is kept of a property, by key and value.
    pub property: PropertyOf,
}

impl BackupScope {
    /// Everything as it is.
    pub fn all() -> Self {
        Self {
            schema: None,
            flush: true,
            property: Box::new(|_, value| Some(value.to_owned())),
        }
    }
}

impl fmt::Debug for BackupScope {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BackupScope")
            .field("schema", &self.schema)
            .finish_non_exhaustive()
    }
}

/// A state as the writer hands it over. Holding the version keeps its files.
#[derive(Debug)]
pub(crate) struct Capture {
    version: Version,
    state: ManifestState,
    edit: u64,
    manifest: FileId,
    moment: Duration,
    /// The files of the log: they may be removed and are kept by being mapped.
    logs: Vec<Mapping>,
}

impl Writer {
    /// Makes everything durable and says what it consists of.
    pub(crate) fn capture(&mut self) -> Result<Capture> {
        self.log_synced()?;
        let unneeded = self.unneeded_wal(&self.version);
        let mut state = self.manifest.state().clone();
        state.wal.retain(|record| !unneeded.contains(&record.file));
        if self.wal.is_empty() {
            state.wal.retain(|record| record.file != self.wal.id());
        }
        let shared = &self.shared;
        let mut logs = Vec::with_capacity(state.wal.len());
        for record in &mut state.wal {
            record.length.get_or_insert(self.wal.length());
            let path = wal_path(&shared.dir, record.file);
            let map = shared.fs.map(&path);
            logs.push(map.map_err(|e| Error::io("map", &path, &e))?);
        }
        let manifest = shared.file_ids.take();
        state.next_file = state.next_file.max(FileId(manifest.0.saturating_add(1)));
        Ok(Capture {
            version: self.version.clone(),
            state,
            edit: self.manifest.edit(),
            manifest,
            moment: shared.environment.clock.wall(),
            logs,
        })
    }
}

impl Capture {
    /// The files, with nothing in them but what is in scope.
    fn into_backup(mut self, shared: &Arc<Shared>, scope: &BackupScope) -> Result<Backup> {
        if let Some(schema) = &scope.schema {
            if !self.state.schemas.contains_key(schema) {
                return Err(Error::UnknownSchema(schema.clone()));
            }
            self.state.schemas.retain(|name, _| name == schema);
            self.state.tables.retain(|_, table| &table.schema == schema);
        }
        let properties = std::mem::take(&mut self.state.properties);
        let kept = properties.into_iter().filter_map(|(key, value)| {
            let value = (scope.property)(&key, &value)?;
            Some((key, value))
        });
        self.state.properties = kept.collect();
        let (mut files, mut rows) = (Vec::new(), 0);
        for id in self.state.tables.keys() {
            let table = self.version.table(*id)?;
            for segment in table.segments.iter() {
                rows += segment.record.rows;
                files.push(BackupFile::of_segment(shared, table, segment));
            }
            let runs = table.events.iter().cloned();
            files.extend(runs.map(|run| BackupFile::of_run(shared, run)));
        }
        self.add_logs(shared, scope, &mut files)?;
        let seal = Seal {
            database: shared.database,
            file: self.manifest,
        };
        let recovered = Recovered {
            database: shared.database,
            sequence: self.version.sequence,
            edit: self.edit.saturating_add(1),
            state: self.state,
        };
        let tables = recovered.state.tables.len() as u64;
        let bytes = checkpoint_file(&recovered, seal);
        files.push(BackupFile::new(
            "MANIFEST".into(),
            Content::Bytes(bytes.into()),
        ));
        Ok(Backup {
            sequence: recovered.sequence,
            edit: self.edit,
            moment: self.moment,
            database: shared.database,
            tables,
            rows,
            files,
        })
    }

    /// The log up to the moment; of one schema, without what concerns others.
    fn add_logs(
        &mut self,
        shared: &Shared,
        scope: &BackupScope,
        files: &mut Vec<BackupFile>,
    ) -> Result<()> {
        for (record, map) in self
            .state
            .wal
            .iter_mut()
            .zip(std::mem::take(&mut self.logs))
        {
            let length = record.length.unwrap_or_default();
            let path = wal_path(&shared.dir, record.file);
            let content = match scope.schema {
                None => Content::Log(map, path, length),
                Some(_) => {
                    let tables = &self.state.tables;
                    let seal = Seal {
                        database: shared.database,
                        file: record.file,
                    };
                    let keep = |table| tables.contains_key(&table);
                    let bytes = filtered(&path, &map, (seal, *record), keep)?;
                    record.length = Some(bytes.len() as u64);
                    Content::Bytes(bytes.into())
                }
            };
            let name = format!("wal/{:016x}.wal", record.file.0);
            files.push(BackupFile::new(name, content));
        }
        Ok(())
    }
}

impl Store {
    /// The newest committed state as files to be copied, while the store goes on. What comes while memory is
    /// flushed, or cannot be, is taken along in the log.
    pub fn backup(&self, scope: &BackupScope) -> Result<Backup> {
        if scope.flush
            && let Err(error) = self.flush()
        {
            tracing::warn!(%error, "a backup takes along the log of rows that could not be flushed");
        }
        let capture = self.ask(Writer::capture)?;
        capture.into_backup(&self.engine().shared, scope)
    }
}
