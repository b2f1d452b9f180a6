//! The simulated file system: a handle on a [`SimDisk`] that counts operations, injects faults and
//! crashes. Everything it does follows from the seed and the sequence of calls.

use std::collections::BTreeSet;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::{Mutex, MutexGuard};

use super::sim_disk::{Fault, FaultKind, InodeId, SimDisk};
use super::{File, FileSystem, Lock, Mapping};

/// A file system in memory that loses, tears and reorders what was not synced when the power goes.
/// Clones share the disk.
#[derive(Debug, Clone)]
pub struct SimFs {
    state: Arc<Mutex<State>>,
}

#[derive(Debug)]
struct State {
    disk: SimDisk,
    /// Operations so far, reads included.
    operations: u64,
    fault: Option<Fault>,
    /// Set by a crash fault: nothing works until the next `power_cut` or `kill`.
    dead: bool,
    locked: BTreeSet<PathBuf>,
    /// Counts restarts, so that a lock of a dead process frees nothing of the next.
    boot: u64,
}

impl SimFs {
    /// An empty disk whose behaviour under faults follows from `seed`.
    pub fn new(seed: u64) -> Self {
        let state = State {
            disk: SimDisk::new(seed),
            operations: 0,
            fault: None,
            dead: false,
            locked: BTreeSet::new(),
            boot: 0,
        };
        Self {
            state: Arc::new(Mutex::new(state)),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock()
    }

    /// Operations so far; faults are placed by this count.
    pub fn operations(&self) -> u64 {
        self.state().operations
    }

    /// Arms a fault, replacing an armed one.
    pub fn arm(&self, fault: Fault) {
        self.state().fault = Some(fault);
    }

    /// Removes an armed fault that has not fired, or a lasting one.
    pub fn disarm(&self) {
        self.state().fault = None;
    }

    /// Whether a crash fault has fired.
    pub fn is_dead(&self) -> bool {
        self.state().dead
    }

    /// Nothing works any more until `kill` or `power_cut`: lets a store be dropped without a trace.
    pub fn halt(&self) {
        self.state().dead = true;
    }

    /// The process dies, the machine lives: what was written stays readable and stays unsynced.
    pub fn kill(&self) {
        let mut state = self.state();
        state.restart();
    }

    /// The machine dies: what was not synced is lost, torn or kept, at random.
    pub fn power_cut(&self) {
        let mut state = self.state();
        state.disk.power_cut();
        state.restart();
    }

    /// Paths of all files, for tests that damage them.
    pub fn files(&self) -> Vec<PathBuf> {
        self.state().disk.files()
    }

    /// Replaces a file's content durably, as damage does.
    pub fn damage(&self, path: &Path, content: Vec<u8>) {
        self.state().disk.replace(path, content);
    }

    /// A separate disk with the same durable and pending state.
    pub fn fork(&self, seed: u64) -> Self {
        let disk = self.state().disk.fork(seed);
        let fork = Self::new(seed);
        fork.state().disk = disk;
        fork
    }
}

impl State {
    fn restart(&mut self) {
        self.dead = false;
        self.fault = None;
        self.locked.clear();
        self.boot += 1;
    }

    /// Counts an operation; the fault that hits it, if any.
    fn step(&mut self) -> io::Result<Option<FaultKind>> {
        if self.dead {
            return Err(io::Error::other("the simulated machine is down"));
        }
        let now = self.operations;
        self.operations += 1;
        let Some(fault) = self.fault else {
            return Ok(None);
        };
        let hit = if fault.lasting {
            now >= fault.operation
        } else {
            now == fault.operation
        };
        if !hit {
            return Ok(None);
        }
        if !fault.lasting {
            self.fault = None;
        }
        self.dead = fault.kind == FaultKind::Crash;
        Ok(Some(fault.kind))
    }

    /// Counts an operation that has no partial outcome.
    fn step_whole(&mut self, reading: bool) -> io::Result<()> {
        match self.step()? {
            // A full disk does not hinder reading.
            Some(FaultKind::NoSpace) if reading => Ok(()),
            Some(kind) => Err(kind.error()),
            None => Ok(()),
        }
    }
}

impl FileSystem for SimFs {
    fn create_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_whole(false)?;
        state.disk.create_dir(dir)
    }

    fn remove_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_whole(true)?;
        state.disk.remove_dir(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut state = self.state();
        state.step_whole(true)?;
        Ok(state.disk.exists(path))
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut state = self.state();
        state.step_whole(true)?;
        state.disk.list(dir)
    }

    fn create(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        state.step_whole(false)?;
        let inode = state.disk.create(path)?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            inode,
            boot: state.boot,
        }))
    }

    fn open(&self, path: &Path) -> io::Result<Box<dyn File>> {
        let mut state = self.state();
        state.step_whole(true)?;
        let inode = state.disk.lookup(path)?;
        Ok(Box::new(SimFile {
            fs: self.clone(),
            inode,
            boot: state.boot,
        }))
    }

    fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let mut state = self.state();
        state.step_whole(true)?;
        state.disk.read(path)
    }

    fn map(&self, path: &Path) -> io::Result<Mapping> {
        Ok(Mapping::of_bytes(self.read(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_whole(false)?;
        state.disk.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.step_whole(true)?;
        state.disk.remove(path)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        match state.step()? {
            None => state.disk.sync_dir(dir),
            Some(FaultKind::Crash) => Err(FaultKind::Crash.error()),
            Some(kind) => {
                state.disk.fail_sync_dir(dir)?;
                Err(kind.error())
            }
        }
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Lock>> {
        let mut state = self.state();
        state.step_whole(false)?;
        if !state.disk.exists(path) {
            state.disk.create(path)?;
        }
        if !state.locked.insert(path.to_path_buf()) {
            return Err(io::ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(SimLock {
            fs: self.clone(),
            path: path.to_path_buf(),
            boot: state.boot,
        }))
    }
}

#[derive(Debug)]
struct SimFile {
    fs: SimFs,
    inode: InodeId,
    boot: u64,
}

impl SimFile {
    fn state(&self) -> io::Result<MutexGuard<'_, State>> {
        let state = self.fs.state();
        if state.boot != self.boot {
            return Err(io::Error::other(
                "the process that opened this file is dead",
            ));
        }
        Ok(state)
    }
}

impl File for SimFile {
    fn write_at(&self, offset: u64, bytes: &[u8]) -> io::Result<()> {
        let mut state = self.state()?;
        match state.step()? {
            None => state.disk.write(self.inode, offset, bytes),
            Some(kind) => {
                state.disk.write_part(self.inode, offset, bytes);
                return Err(kind.error());
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        let mut state = self.state()?;
        match state.step()? {
            None => state.disk.sync(self.inode),
            Some(FaultKind::Crash) => return Err(FaultKind::Crash.error()),
            Some(kind) => {
                state.disk.fail_sync(self.inode);
                return Err(kind.error());
            }
        }
        Ok(())
    }

    fn set_len(&self, length: u64) -> io::Result<()> {
        let mut state = self.state()?;
        state.step_whole(true)?;
        state.disk.set_len(self.inode, length);
        Ok(())
    }
}

#[derive(Debug)]
struct SimLock {
    fs: SimFs,
    path: PathBuf,
    boot: u64,
}

impl Lock for SimLock {}

impl Drop for SimLock {
    fn drop(&mut self) {
        let mut state = self.fs.state();
        if state.boot == self.boot {
            state.locked.remove(&self.path);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;

    fn path(name: &str) -> PathBuf {
        Path::new("/db").join(name)
    }

    fn disk(seed: u64) -> SimFs {
        let fs = SimFs::new(seed);
        fs.create_dir(Path::new("/db")).unwrap();
        fs.sync_dir(Path::new("/")).unwrap();
        fs
    }

    #[test]
    fn synced_content_under_a_synced_name_survives_any_power_cut() {
        for seed in 0..50 {
            let fs = disk(seed);
            let file = fs.create(&path("a")).unwrap();
            file.write_at(0, &[7; 5000]).unwrap();
            file.sync().unwrap();
            fs.sync_dir(Path::new("/db")).unwrap();
            fs.power_cut();
            assert_eq!(fs.read(&path("a")).unwrap(), vec![7; 5000]);
        }
    }

    #[test]
    fn unsynced_content_is_sometimes_torn_and_unsynced_names_sometimes_lost() {
        let (mut lost, mut torn, mut whole) = (0, 0, 0);
        for seed in 0..200 {
            let fs = disk(seed);
            let file = fs.create(&path("a")).unwrap();
            file.write_at(0, &[7; 5000]).unwrap();
            fs.power_cut();
            match fs.read(&path("a")) {
                Err(_) => lost += 1,
                Ok(content) if content == vec![7; 5000] => whole += 1,
                Ok(_) => torn += 1,
            }
        }
        assert!(
            lost > 10 && torn > 10 && whole > 10,
            "{lost} {torn} {whole}"
        );
    }

    #[test]
    fn content_of_a_failed_sync_is_readable_and_may_vanish_after_a_later_sync() {
        let mut vanished = 0;
        for seed in 0..100 {
            let fs = disk(seed);
            let file = fs.create(&path("a")).unwrap();
            fs.sync_dir(Path::new("/db")).unwrap();
            file.write_at(0, &[7; 100]).unwrap();
            fs.arm(Fault::once(fs.operations(), FaultKind::Io));
            assert!(file.sync().is_err());
            assert_eq!(fs.read(&path("a")).unwrap(), vec![7; 100]);
            file.sync().unwrap();
            fs.power_cut();
            vanished += u32::from(fs.read(&path("a")).unwrap() != vec![7; 100]);
        }
        assert!(vanished > 20);
    }

    #[test]
    fn a_rename_is_whole_or_absent() {
        for seed in 0..50 {
            let fs = disk(seed);
            for (name, byte) in [("a", 1), ("b", 2)] {
                let file = fs.create(&path(name)).unwrap();
                file.write_at(0, &[byte]).unwrap();
                file.sync().unwrap();
            }
            fs.sync_dir(Path::new("/db")).unwrap();
            fs.rename(&path("b"), &path("a")).unwrap();
            fs.power_cut();
            let (a, b) = (fs.read(&path("a")).unwrap(), fs.exists(&path("b")).unwrap());
            assert!((a == [1] && b) || (a == [2] && !b), "{a:?} {b}");
        }
    }
}
