//! What is there under an export's name before it, and what of it goes when the export is whole.

use std::collections::BTreeSet;

use object_store::path::Path;

use super::Layout;
use super::layout::{DELTA_LOG, inner, manifest_beside};
use super::spec::{ExportSpec, PartFile};
use super::table::Table;
use crate::error::{Result, TransferError};
use crate::place::{Place, target_of};

/// What was there under an export's name before it.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// Goes when the new is there.
    old: BTreeSet<Path>,
    /// Stays, and takes names.
    kept: BTreeSet<Path>,
    /// What writing has left that was killed.
    unfinished: Vec<Path>,
    table: Table,
}

impl Before {
    /// `Exists` when there is something and it is not to be overwritten: the first that is found is enough.
    pub(super) async fn look(spec: &ExportSpec) -> Result<Self> {
        let (place, prefix) = (&spec.place, spec.place.prefix());
        let mut before = Self::default();
        let single = match spec.layout {
            Layout::Single => Some(place.path().clone()),
            Layout::Parts { .. } => Some(manifest_beside(prefix)),
            Layout::Delta => None,
        };
        // The first thing that is asked for is a list: what is wrong is said in words then.
        let mut begins = spec.layout.beginnings(prefix);
        before.list(spec, &begins).await?;
        if let Some(path) = &single
            && is_there(place, path).await?
        {
            before.take(spec, path.clone())?;
        }
        let partitions = partitions(spec).await?;
        before.list(spec, &partitions).await?;
        begins.extend(partitions);
        begins.extend(single.map(|path| path.to_string()));
        if spec.overwrite {
            before.find_unfinished(spec, &begins).await?;
            if matches!(spec.layout, Layout::Delta) {
                before.read_table(spec).await?;
            }
        }
        Ok(before)
    }

    fn take(&mut self, spec: &ExportSpec, path: Path) -> Result<()> {
        if !spec.overwrite {
            return Err(TransferError::Exists(spec.place.url_of(&path)));
        }
        self.old.insert(path);
        Ok(())
    }

    /// Takes what belongs to an export of this name of all that begins so.
    async fn list(&mut self, spec: &ExportSpec, begins: &[String]) -> Result<()> {
        for begin in begins {
            let mut taken = Ok(());
            let take = |found: crate::place::Found| {
                if spec.layout.owns(spec.place.prefix(), &found.path) {
                    taken = self.take(spec, found.path);
                }
                taken.is_ok()
            };
            spec.place.each(begin, take).await?;
            taken?;
        }
        Ok(())
    }

    async fn find_unfinished(&mut self, spec: &ExportSpec, begins: &[String]) -> Result<()> {
        for begin in begins {
            let found = spec.place.unfinished(begin).await?.into_iter();
            let own = found.filter(|path| {
                let target = target_of(path.as_ref()).unwrap_or_default();
                spec.layout.owns_name(spec.place.prefix(), target)
            });
            self.unfinished.extend(own);
        }
        Ok(())
    }

    /// The log of a table goes on; its files are those that the log names.
    async fn read_table(&mut self, spec: &ExportSpec) -> Result<()> {
        let place = &spec.place;
        let directory = inner(place.prefix());
        let log = format!("{directory}{DELTA_LOG}/");
        let old = std::mem::take(&mut self.old).into_iter();
        let (log, parts) = old.partition(|path| path.as_ref().starts_with(&log));
        self.kept = log;
        self.table = Table::read(place, &self.kept).await?;
        self.table.check_overwritable(place)?;
        // What the log does not name is of an export that failed, unless somebody else names it.
        let beside = manifest_beside(directory.trim_end_matches('/'));
        let is_others = is_there(place, &beside).await?
            || is_there(place, &manifest_beside(&directory)).await?;
        match is_others {
            true => self.kept.extend(parts),
            false => self.old = parts,
        }
        self.old.extend(self.table.paths.iter().cloned());
        Ok(())
    }

    /// Whether a name is taken.
    pub(super) fn has(&self, path: &Path) -> bool {
        self.old.contains(path) || self.kept.contains(path)
    }

    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// The manifest that was there.
    pub(super) fn manifest(&self, spec: &ExportSpec) -> Option<Path> {
        let manifest = manifest_beside(spec.place.prefix());
        let is_kind = matches!(spec.layout, Layout::Parts { .. });
        (is_kind && self.old.contains(&manifest)).then_some(manifest)
    }

    /// Where the new manifest is written, if there is to be one.
    pub(super) fn next_manifest(&self, spec: &ExportSpec) -> Result<Option<Path>> {
        let prefix = spec.place.prefix();
        match spec.layout {
            Layout::Delta => self.table.next_path(prefix).map(Some),
            _ => Ok(spec.layout.manifest(prefix)),
        }
    }

    /// What is to go now that the new files are there.
    pub(super) fn gone(&self, spec: &ExportSpec, files: &[PartFile]) -> Vec<Path> {
        let mut old = self.old.clone();
        for file in files {
            old.remove(&file.path);
        }
        if let Some(manifest) = spec.layout.manifest(spec.place.prefix()) {
            old.remove(&manifest);
        }
        old.into_iter().chain(self.unfinished.clone()).collect()
    }
}

async fn is_there(place: &Place, path: &Path) -> Result<bool> {
    match place.size(path).await {
        Ok(_) => Ok(true),
        Err(TransferError::Missing(_)) => Ok(false),
        Err(error) => Err(error),
    }
}

/// What the paths of files in directories of partitions begin with. Other directories may have millions of files
/// and are not looked into.
async fn partitions(spec: &ExportSpec) -> Result<Vec<String>> {
    if matches!(spec.layout, Layout::Single) {
        return Ok(Vec::new());
    }
    let (place, prefix) = (&spec.place, spec.place.prefix());
    let directory = inner(prefix);
    let names = place.directories(&directory).await?;
    let is_parts = matches!(spec.layout, Layout::Parts { .. });
    if is_parts && names.iter().any(|name| name == DELTA_LOG) {
        // All directories there are the table's.
        let is_inside = prefix.ends_with('/') || !spec.partition_by.is_empty();
        let log = format!("{directory}{DELTA_LOG}");
        return match (is_inside, Path::parse(log)) {
            (true, Ok(log)) => Err(TransferError::Exists(place.url_of(&log))),
            _ => Ok(Vec::new()),
        };
    }
    let columns = names.iter().filter_map(|name| name.split_once('='));
    let begins: BTreeSet<String> = columns
        .map(|(column, _)| format!("{directory}{column}="))
        .collect();
    Ok(begins.into_iter().collect())
}
