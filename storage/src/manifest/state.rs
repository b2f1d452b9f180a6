//! What the edits of the manifest add up to: the catalog, the segments of each table and the WAL files.
//! Pure data; it opens no files.

use std::collections::BTreeMap;
use std::sync::Arc;

use roaring::RoaringBitmap;

use super::edit::{Edit, RunRecord, SegmentRecord, WalRecord};
use crate::format::{FileId, Malformed};
use crate::history::History;
use crate::{TableId, TableSpec};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct TableState {
    pub(crate) schema: String,
    pub(crate) spec: Arc<TableSpec>,
    pub(crate) history: Arc<History>,
    pub(crate) segments: BTreeMap<FileId, SegmentRecord>,
    /// Deleted rows of those segments that have some.
    pub(crate) deleted: BTreeMap<FileId, Arc<RoaringBitmap>>,
    /// Runs of event keys.
    pub(crate) runs: BTreeMap<FileId, RunRecord>,
    /// Commits up to this sequence say nothing of the event key.
    pub(crate) events_since: u64,
    /// When the last sweep began, in seconds since 1970.
    pub(crate) swept: u64,
    /// Arrival number of the first row that only the WAL has.
    pub(crate) arrived: u64,
    /// Commits up to this sequence are in the segments or gone; the WAL's rows of them are ignored.
    pub(crate) flushed: u64,
    /// Lower bound for the next value of the counter.
    pub(crate) counter: u64,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct ManifestState {
    /// Schema names and their attributes.
    pub(crate) schemas: BTreeMap<String, String>,
    pub(crate) tables: BTreeMap<TableId, TableState>,
    pub(crate) properties: BTreeMap<String, String>,
    /// In the order they were written.
    pub(crate) wal: Vec<WalRecord>,
    pub(crate) next_table: TableId,
    pub(crate) next_file: FileId,
    /// Of the hashes of unique keys, once there is one.
    pub(crate) secret: Option<[u64; 2]>,
}

impl Default for ManifestState {
    fn default() -> Self {
        Self {
            schemas: BTreeMap::new(),
            tables: BTreeMap::new(),
            properties: BTreeMap::new(),
            wal: Vec::new(),
            next_table: TableId(1),
            next_file: FileId(1),
            secret: None,
        }
    }
}

impl ManifestState {
    /// Applies one edit; an edit that contradicts the state is damage that the checksums missed, or an
    /// error in this program, and must not be guessed at.
    pub(crate) fn apply(&mut self, edit: Edit) -> Result<(), Malformed> {
        match edit {
            Edit::CreateSchema { name, attributes } => {
                absent(self.schemas.insert(name, attributes))?;
            }
            Edit::DropSchema { name } => {
                if self.tables.values().any(|t| t.schema == name) {
                    return Err(Malformed("a dropped schema has tables"));
                }
                present(self.schemas.remove(&name))?;
            }
            Edit::CreateTable { id, schema, spec } => {
                present(self.schemas.get(&schema))?;
                let (spec, segments) = (Arc::new(spec), BTreeMap::new());
                let history = Arc::new(History::new(&spec));
                let table = TableState {
                    schema,
                    spec,
                    history,
                    segments,
                    deleted: BTreeMap::new(),
                    runs: BTreeMap::new(),
                    events_since: 0,
                    swept: 0,
                    arrived: 0,
                    flushed: 0,
                    counter: 1,
                };
                absent(self.tables.insert(id, table))?;
                self.next_table = self.next_table.max(TableId(id.0.saturating_add(1)));
            }
            Edit::Define {
                id,
                schema,
                spec,
                history,
            } => {
                present(self.schemas.get(&schema))?;
                let table = self.table(id)?;
                let last_file = history.last_file();
                (table.schema, table.spec, table.history) = (schema, Arc::new(spec), history);
                // A segment with this number would pass for one of the shape before.
                self.used(last_file);
            }
            Edit::DropTable { id } => {
                present(self.tables.remove(&id))?;
            }
            Edit::Truncate { id, sequence } => {
                let table = self.table(id)?;
                table.segments.clear();
                table.deleted.clear();
                table.runs.clear();
                table.flushed = table.flushed.max(sequence);
                table.counter = 1;
            }
            Edit::SetProperty {
                key,
                value: Some(value),
            } => {
                self.properties.insert(key, value);
            }
            Edit::SetProperty { key, value: None } => {
                self.properties.remove(&key);
            }
            Edit::Segments { id, removed, added } => self.replace_segments(id, removed, added)?,
            Edit::Runs { id, removed, added } => self.replace_runs(id, removed, added)?,
            Edit::EventsSince { id, sequence } => {
                let table = self.table(id)?;
                table.runs.clear();
                table.events_since = sequence;
            }
            Edit::Swept { id, seconds } => self.table(id)?.swept = seconds,
            Edit::Flushed { id, sequence } => {
                let table = self.table(id)?;
                table.flushed = table.flushed.max(sequence);
            }
            Edit::Deleted { id, file, rows } => self.delete(id, file, &rows)?,
            Edit::Arrived { id, rows } => {
                let table = self.table(id)?;
                table.arrived = table.arrived.max(rows);
            }
            Edit::Counter { id, next } => {
                let table = self.table(id)?;
                table.counter = table.counter.max(next);
            }
            other => self.apply_files(other)?,
        }
        Ok(())
    }

    fn apply_files(&mut self, edit: Edit) -> Result<(), Malformed> {
        match edit {
            Edit::WalAdded {
                file,
                first_sequence,
                previous_length,
            } => {
                if let Some(last) = self.wal.last_mut() {
                    absent(last.length.replace(previous_length))?;
                }
                self.wal.push(WalRecord {
                    file,
                    first_sequence,
                    length: None,
                });
                self.used(file);
            }
            Edit::WalRemoved { file } => {
                let at = present(self.wal.iter().position(|w| w.file == file))?;
                self.wal.remove(at);
            }
            Edit::WalKept { record } => {
                self.wal.push(record);
                self.used(record.file);
            }
            Edit::Secret { words } => self.secret = Some(words),
            Edit::Next { table, file } => {
                self.next_table = self.next_table.max(table);
                self.next_file = self.next_file.max(file);
            }
            _ => {}
        }
        Ok(())
    }

    fn replace_segments(
        &mut self,
        id: TableId,
        removed: Vec<FileId>,
        added: Vec<SegmentRecord>,
    ) -> Result<(), Malformed> {
        let table = self.table(id)?;
        for file in removed {
            present(table.segments.remove(&file))?;
            table.deleted.remove(&file);
        }
        for segment in &added {
            absent(table.segments.insert(segment.file, *segment))?;
        }
        for segment in added {
            self.used(segment.file);
        }
        Ok(())
    }

    fn replace_runs(
        &mut self,
        id: TableId,
        removed: Vec<FileId>,
        added: Vec<RunRecord>,
    ) -> Result<(), Malformed> {
        let table = self.table(id)?;
        for file in removed {
            present(table.runs.remove(&file))?;
        }
        for run in &added {
            absent(table.runs.insert(run.file, *run))?;
        }
        added.iter().for_each(|run| self.used(run.file));
        Ok(())
    }

    fn delete(&mut self, id: TableId, file: FileId, rows: &RoaringBitmap) -> Result<(), Malformed> {
        let table = self.table(id)?;
        let segment = table.segments.get(&file);
        let length = segment
            .ok_or(Malformed("an edit names an unknown segment"))?
            .rows;
        if rows.max().is_some_and(|last| u64::from(last) >= length) {
            return Err(Malformed("an edit deletes rows beyond the end"));
        }
        *Arc::make_mut(table.deleted.entry(file).or_default()) |= rows;
        Ok(())
    }

    fn table(&mut self, id: TableId) -> Result<&mut TableState, Malformed> {
        self.tables
            .get_mut(&id)
            .ok_or(Malformed("an edit names an unknown table"))
    }

    fn used(&mut self, file: FileId) {
        self.next_file = self.next_file.max(FileId(file.0.saturating_add(1)));
    }

    /// Edits that rebuild this state from nothing.
    pub(crate) fn checkpoint(&self) -> Vec<Edit> {
        let mut edits = vec![Edit::Next {
            table: self.next_table,
            file: self.next_file,
        }];
        edits.extend(self.secret.map(|words| Edit::Secret { words }));
        for (name, attributes) in &self.schemas {
            let (name, attributes) = (name.clone(), attributes.clone());
            edits.push(Edit::CreateSchema { name, attributes });
        }
        for (&id, table) in &self.tables {
            let (schema, spec) = (table.schema.clone(), (*table.spec).clone());
            edits.push(Edit::CreateTable { id, schema, spec });
            if !table.history.is_short() {
                edits.push(Edit::Define {
                    id,
                    schema: table.schema.clone(),
                    spec: (*table.spec).clone(),
                    history: Arc::clone(&table.history),
                });
            }
            let added = table.segments.values().copied().collect();
            edits.push(Edit::Segments {
                id,
                removed: Vec::new(),
                added,
            });
            let deleted = table.deleted.iter();
            edits.extend(deleted.map(|(&file, rows)| Edit::Deleted {
                id,
                file,
                rows: Arc::clone(rows),
            }));
            edits.extend(table.care_edits(id));
            edits.push(Edit::Flushed {
                id,
                sequence: table.flushed,
            });
            edits.push(Edit::Arrived {
                id,
                rows: table.arrived,
            });
            edits.push(Edit::Counter {
                id,
                next: table.counter,
            });
        }
        for (key, value) in &self.properties {
            edits.push(Edit::SetProperty {
                key: key.clone(),
                value: Some(value.clone()),
            });
        }
        edits.extend(self.wal.iter().map(|&record| Edit::WalKept { record }));
        edits
    }
}

impl TableState {
    fn care_edits(&self, id: TableId) -> Vec<Edit> {
        let since = Edit::EventsSince {
            id,
            sequence: self.events_since,
        };
        let runs = Edit::Runs {
            id,
            removed: Vec::new(),
            added: self.runs.values().copied().collect(),
        };
        let since = (self.events_since > 0).then_some(since);
        let runs = (!self.runs.is_empty()).then_some(runs);
        let seconds = self.swept;
        let swept = (seconds > 0).then_some(Edit::Swept { id, seconds });
        since.into_iter().chain(runs).chain(swept).collect()
    }
}

fn present<T>(found: Option<T>) -> Result<T, Malformed> {
    found.ok_or(Malformed("an edit removes what is not there"))
}

fn absent<T>(found: Option<T>) -> Result<(), Malformed> {
    if found.is_some() {
        Err(Malformed("an edit adds what is there"))
    } else {
        Ok(())
    }
}
