//! Putting a directory together from the files of a copy. Until all of them are there and durable a file
//! `RESTORE` says that they are not, and the directory does not open.

use std::collections::BTreeSet;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::engine::directory::{io, prepare_empty};
use crate::fs::{File, FileSystem, Lock};
use crate::{Error, Result};

const MARKER: &str = "RESTORE";
const MANIFEST: &str = "MANIFEST";
/// The manifest takes its name when everything else is durable.
const MANIFEST_NEW: &str = "MANIFEST.new";
const LOG_DIR: &str = "wal";
/// Of the file system's own, not of anybody's data.
const NOBODYS: &str = "lost+found";

/// A directory being restored. Dropped unfinished it stays one that does not open, and that `begin` takes.
#[derive(Debug)]
pub struct Restore {
    fs: Arc<dyn FileSystem>,
    dir: PathBuf,
    names: BTreeSet<String>,
    /// No server opens it meanwhile.
    _lock: Box<dyn Lock>,
}

/// A file being written.
#[derive(Debug)]
pub struct RestoreFile {
    file: Box<dyn File>,
    path: PathBuf,
    length: u64,
}

/// Fails if a restore into the directory was not finished.
pub(crate) fn refuse_unfinished(fs: &dyn FileSystem, dir: &Path) -> Result<()> {
    let marker = dir.join(MARKER);
    match io("look for", &marker, fs.exists(&marker))? {
        true => Err(Error::Unfinished(dir.to_path_buf())),
        false => Ok(()),
    }
}

impl Restore {
    /// Takes a directory that is missing, empty, or left by a restore that was not finished: what that has
    /// left is removed.
    pub fn begin(fs: Arc<dyn FileSystem>, dir: &Path) -> Result<Self> {
        let lock = prepare_empty(&*fs, dir)?;
        let marker = dir.join(MARKER);
        let names = io("list", dir, fs.list(dir))?;
        let is_ours = names.iter().any(|name| name == MARKER);
        let foreign = names
            .iter()
            .find(|name| !matches!(name.as_str(), "LOCK" | NOBODYS));
        if let Some(name) = foreign.filter(|_| !is_ours) {
            return Err(Error::Io {
                operation: "restore into",
                path: dir.to_path_buf(),
                kind: ErrorKind::DirectoryNotEmpty,
                message: format!("the directory is not empty: '{name}' is in it"),
            });
        }
        if !is_ours {
            let file = io("create", &marker, fs.create(&marker))?;
            io("sync", &marker, file.sync())?;
        }
        io("sync", dir, fs.sync_dir(dir))?;
        let restore = Self {
            fs,
            dir: dir.to_path_buf(),
            names: BTreeSet::new(),
            _lock: lock,
        };
        restore.clear()?;
        Ok(restore)
    }

    /// Removes what an earlier try has left, and makes the directory of the log.
    fn clear(&self) -> Result<()> {
        let log = self.dir.join(LOG_DIR);
        for dir in [&self.dir, &log] {
            if !io("look for", dir, self.fs.exists(dir))? {
                continue;
            }
            for name in io("list", dir, self.fs.list(dir))? {
                let known = is_name(&name) || is_name(&format!("{LOG_DIR}/{name}"));
                if known || name == MANIFEST_NEW || name.ends_with(".key") {
                    let path = dir.join(name);
                    io("remove", &path, self.fs.remove(&path))?;
                }
            }
        }
        if io("look for", &log, self.fs.exists(&log))? {
            io("remove", &log, self.fs.remove_dir(&log))?;
        }
        io("create", &log, self.fs.create_dir(&log))?;
        io("sync", &self.dir, self.fs.sync_dir(&self.dir))
    }

    /// Begins a file of the copy. Names are those of `BackupFile::name`; others are refused, wherever they lead.
    pub fn create(&mut self, name: &str) -> Result<RestoreFile> {
        if !is_name(name) {
            return Err(Error::Invalid(format!(
                "'{name}' is no file of a data directory"
            )));
        }
        if !self.names.insert(name.to_owned()) {
            return Err(Error::Invalid(format!("'{name}' comes twice")));
        }
        let path = match name {
            MANIFEST => self.dir.join(MANIFEST_NEW),
            name => self.dir.join(name),
        };
        let file = io("create", &path, self.fs.create(&path))?;
        Ok(RestoreFile {
            file,
            path,
            length: 0,
        })
    }

    /// Makes a data directory of the files. All of them must have been finished.
    pub fn finish(self) -> Result<()> {
        if !self.names.contains(MANIFEST) {
            return Err(Error::Invalid("the copy has no manifest".into()));
        }
        let (fs, dir) = (&self.fs, &self.dir);
        let log = dir.join(LOG_DIR);
        io("sync", &log, fs.sync_dir(&log))?;
        io("sync", dir, fs.sync_dir(dir))?;
        let manifest = dir.join(MANIFEST);
        io(
            "rename",
            &manifest,
            fs.rename(&dir.join(MANIFEST_NEW), &manifest),
        )?;
        io("sync", dir, fs.sync_dir(dir))?;
        let marker = dir.join(MARKER);
        io("remove", &marker, fs.remove(&marker))?;
        io("sync", dir, fs.sync_dir(dir))
    }
}

/// Whether a copy may have a file of this name.
fn is_name(name: &str) -> bool {
    let is_number = |text: &str| text.len() == 16 && text.bytes().all(|b| b.is_ascii_hexdigit());
    let numbered = |name: &str, suffix| name.strip_suffix(suffix).is_some_and(is_number);
    let in_log = name.strip_prefix("wal/");
    name == MANIFEST
        || numbered(name, ".seg")
        || numbered(name, ".evt")
        || in_log.is_some_and(|name| numbered(name, ".wal"))
}

impl RestoreFile {
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let written = self.file.write_at(self.length, bytes);
        io("write", &self.path, written)?;
        self.length += bytes.len() as u64;
        Ok(())
    }

    /// Makes it durable.
    pub fn finish(self) -> Result<()> {
        io("sync", &self.path, self.file.sync())
    }
}

#[cfg(test)]
mod tests {
    use super::is_name;

    #[test]
    fn only_names_of_a_data_directory_are_written() {
        for name in [
            "MANIFEST",
            "0000000000000001.seg",
            "00000000000000ff.evt",
            "wal/0000000000000002.wal",
        ] {
            assert!(is_name(name), "{name}");
        }
        for name in [
            "",
            "LOCK",
            "RESTORE",
            "../MANIFEST",
            "/etc/passwd",
            "wal/../0000000000000002.wal",
            "0000000000000001.key",
            "wal/0000000000000001.seg",
            "00000000000000é1.seg",
            "1.seg",
        ] {
            assert!(!is_name(name), "{name}");
        }
    }
}
