//! A view of other files that can be written without changing them: what is written stays in memory and goes
//! with the view. For looking at a directory by opening it, without leaving a trace.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;

use super::{File, FileSystem, Lock, Mapping};

type Content = Arc<Mutex<Vec<u8>>>;

/// The view. Clones are the same view.
#[derive(Debug, Clone)]
pub(crate) struct Overlay {
    below: Arc<dyn FileSystem>,
    /// Files that were written, and `None` for those that were removed.
    changed: Arc<Mutex<BTreeMap<PathBuf, Option<Content>>>>,
}

impl Overlay {
    pub(crate) fn new(below: Arc<dyn FileSystem>) -> Self {
        let changed = Arc::default();
        Self { below, changed }
    }

    /// Files that were created or written.
    pub(crate) fn written(&self) -> Vec<PathBuf> {
        let changed = self.changed.lock();
        let written = changed.iter().filter(|(_, content)| content.is_some());
        written.map(|(path, _)| path.clone()).collect()
    }

    /// What was done to a file: nothing, removed, or written.
    fn change(&self, path: &Path) -> Option<Option<Content>> {
        self.changed.lock().get(path).cloned()
    }
}

fn missing() -> io::Error {
    io::ErrorKind::NotFound.into()
}

impl FileSystem for Overlay {
    /// Directories are there already in what is worth looking at, but for one that was just removed.
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut changed = self.changed.lock();
        match changed.get(dir) {
            Some(None) => {
                changed.remove(dir);
                Ok(())
            }
            _ => Err(io::ErrorKind::ReadOnlyFilesystem.into()),
        }
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        if !self.list(dir)?.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        self.changed.lock().insert(dir.to_path_buf(), None);
        Ok(())
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        match self.change(path) {
            Some(content) => Ok(content.is_some()),
            None => self.below.exists(path),
        }
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = self.below.list(dir)?;
        for (path, content) in self.changed.lock().iter() {
            if path.parent() == Some(dir)
                && let Some(name) = path.file_name().and_then(|n| n.to_str())
            {
                names.retain(|n| n != name);
                names.extend(content.is_some().then(|| name.to_owned()));
            }
        }
        Ok(names)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let content = Content::default();
        let mut changed = self.changed.lock();
        changed.insert(path.to_path_buf(), Some(Arc::clone(&content)));
        Ok(Box::new(OverlayFile(content)))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let content = match self.change(path) {
            Some(content) => content.ok_or_else(missing)?,
            None => {
                let content: Content = Arc::new(Mutex::new(self.below.read(path)?));
                let mut changed = self.changed.lock();
                changed.insert(path.to_path_buf(), Some(Arc::clone(&content)));
                content
            }
        };
        Ok(Box::new(OverlayFile(content)))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        match self.change(path) {
            Some(content) => Ok(content.ok_or_else(missing)?.lock().clone()),
            None => self.below.read(path),
        }
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        match self.change(path) {
            Some(_) => Ok(Mapping::of_bytes(self.read(path)?)),
            None => self.below.map(path),
        }
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let content = Arc::new(Mutex::new(self.read(from)?));
        let mut changed = self.changed.lock();
        changed.insert(from.to_path_buf(), None);
        changed.insert(to.to_path_buf(), Some(content));
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        if !self.exists(path)? {
            return Err(missing());
        }
        self.changed.lock().insert(path.to_path_buf(), None);
        Ok(())
    }

    fn sync_dir(&self, _: &Path) -> io::Result<()> {
        Ok(())
    }

    /// The lock is the real one: nobody may change the files meanwhile.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        self.below.lock(path)
    }
}

#[derive(Debug)]
struct OverlayFile(Content);

impl File for OverlayFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let start = usize::try_from(offset).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut content = self.0.lock();
        let end = start.saturating_add(bytes.len());
        if content.len() < end {
            content.resize(end, 0);
        }
        let target = content.get_mut(start..end);
        target.ok_or_else(missing)?.copy_from_slice(bytes);
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let length = usize::try_from(length).map_err(|_| io::ErrorKind::InvalidInput)?;
        self.0.lock().resize(length, 0);
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::super::SimFs;
    use super::*;

    #[test]
    fn what_is_written_is_seen_and_leaves_no_trace_below() {
        let below = SimFs::new(1);
        let path = |name: &str| Path::new("/").join(name);
        for name in ["kept", "changed", "removed"] {
            below
                .create(&path(name))
                .unwrap()
                .write_at(0, b"below")
                .unwrap();
        }
        let view = Overlay::new(Arc::new(below.clone()));
        view.open(&path("changed"))
            .unwrap()
            .write_at(3, b"XYZ")
            .unwrap();
        view.remove(&path("removed")).unwrap();
        view.create(&path("temporary"))
            .unwrap()
            .write_at(0, b"new")
            .unwrap();
        view.rename(&path("temporary"), &path("new")).unwrap();
        assert_eq!(view.read(&path("kept")).unwrap(), b"below");
        assert_eq!(view.read(&path("changed")).unwrap(), b"belXYZ");
        assert_eq!(&*view.map(&path("new")).unwrap(), b"new");
        assert!(view.read(&path("removed")).is_err() && view.remove(&path("removed")).is_err());
        let mut names = view.list(Path::new("/")).unwrap();
        names.sort();
        assert_eq!(names, ["changed", "kept", "new"]);
        assert_eq!(view.written(), [path("changed"), path("new")]);
        assert_eq!(below.read(&path("changed")).unwrap(), b"below");
        assert!(below.exists(&path("removed")).unwrap() && !below.exists(&path("new")).unwrap());
    }
}
