//! A run that the manifest names, as versions share it, and the runs of a table. The last one to let go of a run
//! that has been replaced or forgotten removes its file.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::build::RunKey;
use super::layout::run_path;
use super::run::{Probe, RunReader};
use crate::format::{FileId, Seal};
use crate::fs::FileSystem;
use crate::manifest::RunRecord;
use crate::{Error, Result};

#[derive(Debug)]
pub(crate) struct EventRun {
    pub(crate) record: RunRecord,
    path: PathBuf,
    seal: Seal,
    key: RunKey,
    fs: Arc<dyn FileSystem>,
    /// The error, when the file is damaged: rows can then not be compared with it, and none are taken.
    reader: Result<RunReader>,
    obsolete: AtomicBool,
}

/// Where runs are opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Opened<'a> {
    pub(crate) fs: &'a Arc<dyn FileSystem>,
    pub(crate) dir: &'a Path,
    pub(crate) database: u64,
}

impl EventRun {
    /// Opens a run. A file that is missing or damaged fails when it is asked; only an input/output
    /// error, which may pass, is returned here.
    pub(crate) fn open(at: Opened<'_>, record: RunRecord, key: &RunKey) -> Result<Self> {
        let path = run_path(at.dir, record.file);
        let seal = Seal {
            database: at.database,
            file: record.file,
        };
        let reader = match RunReader::open(&**at.fs, &path, seal, (&record, key)) {
            Err(Error::Io {
                kind: std::io::ErrorKind::NotFound,
                ..
            }) => Err(Error::corruption(&path, 0, "the run is missing")),
            Err(error @ Error::Io { .. }) => return Err(error),
            reader => reader,
        };
        Ok(Self {
            record,
            path,
            seal,
            key: key.clone(),
            fs: Arc::clone(at.fs),
            reader,
            obsolete: AtomicBool::new(false),
        })
    }

    pub(crate) fn reader(&self) -> Result<&RunReader> {
        self.reader.as_ref().map_err(Error::clone)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Nothing of the file counts as checked any more.
    pub(crate) fn forget_checked(&self) {
        if let Ok(reader) = &self.reader {
            reader.forget_checked();
        }
    }

    /// Opens the file once more and reads all of it.
    pub(crate) fn check(&self) -> Result<()> {
        RunReader::open(&*self.fs, &self.path, self.seal, (&self.record, &self.key))?.check()
    }

    /// The manifest no longer names the file: it goes with the last reference.
    pub(crate) fn make_obsolete(&self) {
        self.obsolete.store(true, Ordering::Release);
    }
}

impl Drop for EventRun {
    fn drop(&mut self) {
        if self.obsolete.load(Ordering::Acquire)
            && let Err(error) = self.fs.remove(&self.path)
        {
            // What cannot be removed now is found unnamed, and removed, at the next open.
            tracing::warn!(path = %self.path.display(), %error, "an obsolete file stays");
        }
    }
}

/// The runs of a table. Each has the number of the step in which its newest keys came, so that who has
/// asked all runs of one version need only ask the newer ones of a later version.
#[derive(Debug, Clone, Default)]
pub(crate) struct EventRuns {
    /// Another one after the table has forgotten everything.
    epoch: Arc<()>,
    steps: u64,
    runs: Vec<(u64, Arc<EventRun>)>,
}

/// How far the runs of a table have been asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    epoch: Arc<()>,
    steps: u64,
}

impl EventRuns {
    /// Those of a table that has just been opened.
    pub(crate) fn opened(runs: Vec<EventRun>) -> Self {
        let runs = runs.into_iter().map(|run| (0, Arc::new(run)));
        Self {
            epoch: Arc::default(),
            steps: 1,
            runs: runs.collect(),
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<EventRun>> {
        self.runs.iter().map(|(_, run)| run)
    }

    pub(crate) fn records(&self) -> Vec<RunRecord> {
        self.iter().map(|run| run.record).collect()
    }

    /// Adds a run of keys that have not been in one.
    pub(crate) fn add(&mut self, run: Arc<EventRun>) {
        self.runs.push((self.steps, run));
        self.steps += 1;
    }

    /// Takes runs away; those.
    pub(crate) fn remove(&mut self, files: &[FileId]) -> Vec<Arc<EventRun>> {
        let gone = |(_, run): &(u64, Arc<EventRun>)| files.contains(&run.record.file);
        let (gone, kept) = std::mem::take(&mut self.runs).into_iter().partition(gone);
        self.runs = kept;
        let gone: Vec<(u64, Arc<EventRun>)> = gone;
        gone.into_iter().map(|(_, run)| run).collect()
    }

    /// Puts one run in the place of those it was made of; those. `None` when they are not all there.
    pub(crate) fn replace(
        &mut self,
        files: &[FileId],
        run: Arc<EventRun>,
    ) -> Option<Vec<Arc<EventRun>>> {
        let is_old = |run: &EventRun| files.contains(&run.record.file);
        let old = self.runs.iter().filter(|(_, run)| is_old(run));
        let steps: Vec<u64> = old.map(|(step, _)| *step).collect();
        let newest = *steps.iter().max()?;
        if steps.len() < files.len() {
            return None;
        }
        let gone = self.remove(files);
        self.runs.push((newest, run));
        Some(gone)
    }

    /// Forgets everything; the runs that were there.
    pub(crate) fn forget(&mut self) -> Vec<Arc<EventRun>> {
        let gone = std::mem::take(self);
        gone.runs.into_iter().map(|(_, run)| run).collect()
    }

    /// Asks all runs. `seen` is per row.
    pub(crate) fn find(&self, probe: &Probe, seen: &mut [bool]) -> Result<Asked> {
        for run in self.iter() {
            run.reader()?.find(probe, seen)?;
        }
        Ok(Asked {
            epoch: Arc::clone(&self.epoch),
            steps: self.steps,
        })
    }

    /// Whether what was found in the runs of an earlier version still counts.
    pub(crate) fn still_counts(&self, asked: &Asked) -> bool {
        Arc::ptr_eq(&self.epoch, &asked.epoch)
    }

    /// Asks the runs that are newer, or all when nothing counts any more.
    pub(crate) fn find_newer(&self, asked: &Asked, probe: &Probe, seen: &mut [bool]) -> Result<()> {
        let from = if self.still_counts(asked) {
            asked.steps
        } else {
            0
        };
        let newer = self.runs.iter().filter(|(step, _)| *step >= from);
        for (_, run) in newer {
            run.reader()?.find(probe, seen)?;
        }
        Ok(())
    }
}
