//! ALTER TABLE with new keys. Of unique ones: key files that have them, the proof that the rows do not repeat them, and
//! only then the change itself. Most of it runs on the caller's thread while others write; the writer
//! looks at the last rows.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::first_events::FirstEvents;
use super::proof::Proof;
use super::{Engine, Shared, Writer};
use crate::keys::{KeyColumns, KeyIndex, key_path};
use crate::version::{LiveSegment, TableVersion};
use crate::{Alteration, ColumnOrigin, Error, KeySpec, LastLook, Result};

/// Rows that the writer looks at itself, while commits wait.
pub(super) const BACKLOG_MAX: u64 = 20_000;

/// After so many rounds the writer looks at all that is left.
const ROUNDS_MAX: usize = 30;

/// Where a key's columns are in the table as it is; `None` when one is new.
pub(super) fn columns_before(columns: &[usize], origins: &[ColumnOrigin]) -> Option<Vec<usize>> {
    let origin = |&column: &usize| match origins.get(column) {
        Some(ColumnOrigin::Existing(at)) => Some(*at),
        _ => None,
    };
    columns.iter().map(origin).collect()
}

/// What was made of a table's rows before it is altered.
#[derive(Debug)]
pub(crate) struct Prepared {
    /// Of new unique keys.
    pub(super) proof: Option<Proof>,
    /// Of a new event key.
    pub(super) events: Option<FirstEvents>,
    /// What the caller has to look at.
    pub(super) look: Option<LastLook>,
}

/// What the writer is asked for: what was prepared is given back if it has to go on.
pub(crate) type Request = Box<dyn FnOnce(&mut Writer) -> Result<Option<Prepared>> + Send>;

/// The unique keys that a table is to get, of columns that it has, by the positions these have now.
fn new_keys(table: &TableVersion, alteration: &Alteration) -> Vec<KeySpec> {
    let there: BTreeSet<_> = table
        .meta
        .spec
        .unique_keys
        .iter()
        .map(|k| &k.columns)
        .collect();
    let keys = alteration.spec.unique_keys.iter().filter_map(|key| {
        let columns = columns_before(&key.columns, &alteration.columns)?;
        let fields = table.meta.spec.columns.len();
        let known = columns.iter().all(|&column| column < fields) && !there.contains(&columns);
        known.then(|| KeySpec {
            name: key.name.clone(),
            columns,
        })
    });
    keys.collect()
}

impl Engine {
    /// Changes a table; `ask` has the writer do something and waits.
    pub(crate) fn alter_table(
        &self,
        (schema, table): (&str, &str),
        alteration: Alteration,
        mut look: Option<LastLook>,
        ask: impl Fn(Request) -> Result<Option<Prepared>>,
    ) -> Result<()> {
        // One after the other: a proof is about the maps of the memtables, too.
        let _alone = self.altering.lock();
        let find = || {
            let found = self.shared.version().find(schema, table).cloned();
            found.ok_or_else(|| Error::UnknownTable(schema.into(), table.into()))
        };
        let memory = 4 * self.shared.options.memtable_bytes;
        let now = find()?;
        let keys = new_keys(&now, &alteration);
        let mut proof = (!keys.is_empty()).then(|| Proof::new(&now, keys, memory));
        let mut events = FirstEvents::new(&self.shared, &now, &alteration)?;
        if let Some(events) = &mut events {
            events.go_on(&self.shared, &now, self.shared.arrival())?;
        }
        drop(now);
        for round in 1.. {
            if let Some(proof) = &mut proof {
                let version = find()?;
                if !proof.is_about(&version) {
                    let (schema, table) = (schema.to_owned(), table.to_owned());
                    let table = crate::TableName { schema, table };
                    return Err(Error::TableChanged { table });
                }
                self.shared
                    .extend_keys(&version, &proof.all_keys(&version))?;
                proof.go_on(&version, &self.shared)?;
            }
            let backlog_max = if round < ROUNDS_MAX {
                BACKLOG_MAX
            } else {
                u64::MAX
            };
            let (schema, table) = (schema.to_owned(), table.to_owned());
            let alteration = alteration.clone();
            let prepared = Prepared {
                proof: proof.take(),
                events: events.take(),
                look: look.take(),
            };
            match ask(Box::new(move |writer| {
                writer.alter_table((&schema, &table), alteration, prepared, backlog_max)
            }))? {
                Some(more) => (proof, events, look) = (more.proof, more.events, more.look),
                None => break,
            }
        }
        Ok(())
    }
}

impl Shared {
    /// Sees to it that the key files of all segments of a table have these keys.
    pub(super) fn extend_keys(&self, table: &TableVersion, keys: &[KeyColumns]) -> Result<()> {
        for segment in table.segments.iter() {
            let index = match segment.has_keys() {
                true => Some(segment.keys()?),
                false => None,
            };
            let has = |key: &KeyColumns| index.as_ref().is_some_and(|i| i.slot(&key.ids).is_some());
            if !keys.iter().all(has) {
                segment.set_keys(self.make_key_file(segment, keys)?);
            }
        }
        Ok(())
    }

    /// Writes another key file in the place of the one that may be there. Whichever a crash leaves is good
    /// for the table as it then is.
    pub(super) fn make_key_file(
        &self,
        segment: &LiveSegment,
        keys: &[KeyColumns],
    ) -> Result<Arc<KeyIndex>> {
        let file = segment.record.file;
        let path = key_path(&self.dir, file);
        let new = path.with_extension("key.new");
        let written = self
            .write_keys_to(&new, file, keys, |column| {
                super::recovery::whole(segment, column)
            })
            .and_then(|()| {
                let renamed = self.fs.rename(&new, &path);
                renamed.map_err(|e| Error::io("rename", &new, &e))?;
                let synced = self.fs.sync_dir(&self.dir);
                synced.map_err(|e| Error::io("sync", &self.dir, &e))
            });
        if let Err(error) = written {
            drop(self.fs.remove(&new));
            return Err(error);
        }
        self.open_keys(file, keys).map(Arc::new)
    }
}
