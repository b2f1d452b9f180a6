//! The data directory itself, before anything in it is read: it is made, its name made durable, locked, and
//! looked through for our files. What the files hold is read in `recovery`.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::Path;

use crate::backup::refuse_unfinished;
use crate::events::run_path;
use crate::format::FileId;
use crate::fs::{FileSystem, Lock};
use crate::keys::key_path;
use crate::manifest::{ManifestState, manifest_path};
use crate::segment::segment_path;
use crate::wal::{WAL_DIR, wal_path};
use crate::{Error, Result};

const LOCK_NAME: &str = "LOCK";

pub(crate) fn io<T>(operation: &'static str, path: &Path, result: std::io::Result<T>) -> Result<T> {
    result.map_err(|e| Error::io(operation, path, &e))
}

/// Makes and locks the directory; what is in it, and the lock.
pub(super) fn prepare(fs: &dyn FileSystem, dir: &Path) -> Result<(Present, Box<dyn Lock>)> {
    create_dir(fs, dir)?;
    let lock = lock(fs, dir)?;
    refuse_unfinished(fs, dir)?;
    let manifest = manifest_path(dir);
    let has_manifest = io("look for", &manifest, fs.exists(&manifest))?;
    create_wal_dir(fs, &dir.join(WAL_DIR), has_manifest)?;
    Ok((Present::list(fs, dir, has_manifest)?, lock))
}

/// Makes and locks a directory that files are to be put into, whatever is in it.
pub(crate) fn prepare_empty(fs: &dyn FileSystem, dir: &Path) -> Result<Box<dyn Lock>> {
    create_dir(fs, dir)?;
    lock(fs, dir)
}

/// Creates the data directory and what leads to it, each name durable. That of the lowest that is there is
/// made durable, too: whoever created it may have been killed before it was.
fn create_dir(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    let mut names = Vec::new();
    for ancestor in dir.ancestors().filter(|a| !a.as_os_str().is_empty()) {
        let there = io("look for", ancestor, fs.exists(ancestor))?;
        names.push((ancestor, there));
        if there {
            break;
        }
    }
    for (name, there) in names.into_iter().rev() {
        if there {
            match sync_name(fs, name) {
                // Not ours to look into: then we have not created what is in it.
                Err(Error::Io {
                    kind: ErrorKind::PermissionDenied,
                    ..
                }) => {}
                synced => synced?,
            }
        } else {
            make(fs, name)?;
        }
    }
    Ok(())
}

/// `wal/` is made anew as long as there is no manifest: its name may be one that a failed sync has dropped,
/// which later syncs would not bring back. The manifest is created only after a sync of the new name.
fn create_wal_dir(fs: &dyn FileSystem, wal: &Path, has_manifest: bool) -> Result<()> {
    if !io("look for", wal, fs.exists(wal))? {
        return make(fs, wal);
    }
    if has_manifest || !io("list", wal, fs.list(wal))?.is_empty() {
        return sync_name(fs, wal);
    }
    io("remove", wal, fs.remove_dir(wal))?;
    make(fs, wal)
}

/// Creates a directory with a durable name.
fn make(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    io("create", dir, fs.create_dir(dir))?;
    sync_name(fs, dir).inspect_err(|_| {
        // A name that is there looks durable to the next one who comes.
        let _ = fs.remove_dir(dir);
    })
}

/// Makes the name of a file or directory durable.
fn sync_name(fs: &dyn FileSystem, path: &Path) -> Result<()> {
    let Some(parent) = path.parent() else {
        return Ok(());
    };
    let parent = match parent.as_os_str().is_empty() {
        true => Path::new("."),
        false => parent,
    };
    io("sync", parent, fs.sync_dir(parent))
}

fn lock(fs: &dyn FileSystem, dir: &Path) -> Result<Box<dyn Lock>> {
    let path = dir.join(LOCK_NAME);
    fs.lock(&path).map_err(|e| match e.kind() {
        ErrorKind::WouldBlock => Error::Locked(dir.to_path_buf()),
        _ => Error::io("lock", &path, &e),
    })
}

/// Our files in the directory, by the numbers in their names.
#[derive(Debug, Default)]
pub(super) struct Present {
    pub(super) manifest: bool,
    pub(super) segments: BTreeSet<FileId>,
    /// Key files, by the numbers of their segments.
    pub(super) keys: BTreeSet<FileId>,
    /// Runs of event keys.
    pub(super) runs: BTreeSet<FileId>,
    pub(super) wal: BTreeSet<FileId>,
    /// Key files that were not finished.
    pub(super) unfinished: Vec<String>,
}

/// The number in a name that is 16 digits and a suffix.
fn number(name: &str, suffix: &str) -> Option<FileId> {
    let digits = name.strip_suffix(suffix).filter(|d| d.len() == 16)?;
    u64::from_str_radix(digits, 16).ok().map(FileId)
}

fn numbers(names: &[String], suffix: &str) -> BTreeSet<FileId> {
    names.iter().filter_map(|n| number(n, suffix)).collect()
}

impl Present {
    fn list(fs: &dyn FileSystem, dir: &Path, manifest: bool) -> Result<Self> {
        let names = io("list", dir, fs.list(dir))?;
        let wal = dir.join(WAL_DIR);
        let wal = io("list", &wal, fs.list(&wal))?;
        let unfinished = names.iter().filter(|n| number(n, ".key.new").is_some());
        Ok(Self {
            manifest,
            segments: numbers(&names, ".seg"),
            keys: numbers(&names, ".key"),
            runs: numbers(&names, ".evt"),
            wal: numbers(&wal, ".wal"),
            unfinished: unfinished.cloned().collect(),
        })
    }

    /// A number above every one that was ever used: by a file that counts or by one left over.
    pub(super) fn next_file(&self, named: FileId) -> FileId {
        let last = self.segments.last().max(self.keys.last());
        let last = last.max(self.wal.last()).max(self.runs.last());
        let after = last.map_or(FileId(1), |file| FileId(file.0.saturating_add(1)));
        after.max(named)
    }

    /// Removes files that no longer count: of jobs that a crash interrupted, and WAL files whose rows are
    /// in segments. What cannot be removed does no harm.
    pub(super) fn remove_unnamed(
        self,
        (fs, dir): (&dyn FileSystem, &Path),
        state: &ManifestState,
        wal: FileId,
    ) {
        let named = |file: &FileId| state.tables.values().any(|t| t.segments.contains_key(file));
        let segments = self.segments.into_iter().filter(|file| !named(file));
        let mut paths: Vec<_> = segments.map(|file| segment_path(dir, file)).collect();
        let keys = self.keys.into_iter().filter(|file| !named(file));
        paths.extend(keys.map(|file| key_path(dir, file)));
        let named = |file: &FileId| state.tables.values().any(|t| t.runs.contains_key(file));
        let runs = self.runs.into_iter().filter(|file| !named(file));
        paths.extend(runs.map(|file| run_path(dir, file)));
        paths.extend(self.unfinished.iter().map(|name| dir.join(name)));
        let live = |file: &FileId| *file == wal || state.wal.iter().any(|w| w.file == *file);
        let logs = self.wal.into_iter().filter(|file| !live(file));
        paths.extend(logs.map(|file| wal_path(dir, file)));
        for path in paths {
            if let Err(error) = fs.remove(&path) {
                tracing::warn!(path = %path.display(), %error, "a file that does not count stays");
            }
        }
    }
}
