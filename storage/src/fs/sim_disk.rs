//! What the simulated disk remembers: per file and directory the durable state and the operations
//! since, of which a power cut keeps a random part. Sectors are 512 bytes and are written whole.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

const SECTOR: u64 = 512;

/// A fault to inject at the `operation`-th operation (counted from 0).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Fault {
    pub operation: u64,
    pub kind: FaultKind,
    /// Every later operation fails as well.
    pub lasting: bool,
}

impl Fault {
    pub fn once(operation: u64, kind: FaultKind) -> Self {
        Self {
            operation,
            kind,
            lasting: false,
        }
    }

    pub fn lasting(operation: u64, kind: FaultKind) -> Self {
        Self {
            operation,
            kind,
            lasting: true,
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FaultKind {
    /// The operation fails with EIO, a write or sync after doing a part of its work.
    Io,
    /// Writing fails with ENOSPC; reading, removing and shrinking still work.
    NoSpace,
    /// The machine stops within the operation.
    Crash,
}

impl FaultKind {
    pub(super) fn error(self) -> io::Error {
        match self {
            Self::Io => io::Error::other("injected input/output error"),
            Self::NoSpace => io::ErrorKind::StorageFull.into(),
            Self::Crash => io::Error::other("injected crash"),
        }
    }
}

pub(super) type InodeId = usize;

#[derive(Debug, Clone, Default)]
struct Inode {
    /// What reads see.
    current: Vec<u8>,
    durable: Vec<u8>,
    pending: Vec<Change>,
}

#[derive(Debug, Clone)]
enum Change {
    Write(u64, Vec<u8>),
    SetLen(u64),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Entry {
    File(InodeId),
    Dir,
}

#[derive(Debug, Clone, Default)]
struct Dir {
    current: BTreeMap<String, Entry>,
    durable: BTreeMap<String, Entry>,
    pending: Vec<Relink>,
}

/// A change of names that happens as a whole or not at all.
#[derive(Debug, Clone)]
struct Relink {
    remove: Option<String>,
    insert: Option<(String, Entry)>,
}

#[derive(Debug, Clone)]
pub(super) struct SimDisk {
    inodes: Vec<Inode>,
    dirs: BTreeMap<PathBuf, Dir>,
    random: u64,
}

/// How much of the unsynced state one power cut keeps.
#[derive(Clone, Copy)]
enum Keep {
    Nothing,
    Everything,
    /// Each sector and each entry by the toss of a coin: tears and reorders.
    Some,
}

impl SimDisk {
    pub(super) fn new(seed: u64) -> Self {
        let dirs = BTreeMap::from([(PathBuf::from("/"), Dir::default())]);
        Self {
            inodes: Vec::new(),
            dirs,
            random: seed,
        }
    }

    pub(super) fn fork(&self, seed: u64) -> Self {
        Self {
            random: seed,
            ..self.clone()
        }
    }

    fn random(&mut self) -> u64 {
        splitmix(&mut self.random)
    }

    fn dir(&mut self, path: &Path) -> io::Result<&mut Dir> {
        self.dirs
            .get_mut(path)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn parent(&mut self, path: &Path) -> io::Result<(&mut Dir, String)> {
        let name = path.file_name().map(|n| n.to_string_lossy().into_owned());
        let name = name.ok_or(io::ErrorKind::InvalidInput)?;
        Ok((
            self.dir(path.parent().ok_or(io::ErrorKind::InvalidInput)?)?,
            name,
        ))
    }

    fn entry(&self, path: &Path) -> Option<Entry> {
        let name = path.file_name()?.to_string_lossy();
        self.dirs
            .get(path.parent()?)?
            .current
            .get(name.as_ref())
            .copied()
    }

    pub(super) fn lookup(&self, path: &Path) -> io::Result<InodeId> {
        match self.entry(path) {
            Some(Entry::File(inode)) => Ok(inode),
            _ => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn exists(&self, path: &Path) -> bool {
        self.dirs.contains_key(path) || self.entry(path).is_some()
    }

    pub(super) fn list(&mut self, dir: &Path) -> io::Result<Vec<String>> {
        Ok(self.dir(dir)?.current.keys().cloned().collect())
    }

    pub(super) fn files(&self) -> Vec<PathBuf> {
        let all = self.dirs.iter().flat_map(|(path, dir)| {
            dir.current
                .iter()
                .map(|(name, entry)| (path.join(name), *entry))
        });
        all.filter(|(_, entry)| *entry != Entry::Dir)
            .map(|(path, _)| path)
            .collect()
    }

    fn relink(dir: &mut Dir, change: Relink) {
        apply_relink(&mut dir.current, &change);
        dir.pending.push(change);
    }

    pub(super) fn create_dir(&mut self, path: &Path) -> io::Result<()> {
        if self.exists(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let (dir, name) = self.parent(path)?;
        Self::relink(
            dir,
            Relink {
                remove: None,
                insert: Some((name, Entry::Dir)),
            },
        );
        self.dirs.insert(path.to_path_buf(), Dir::default());
        Ok(())
    }

    pub(super) fn remove_dir(&mut self, path: &Path) -> io::Result<()> {
        if !self.dir(path)?.current.is_empty() {
            return Err(io::ErrorKind::DirectoryNotEmpty.into());
        }
        let (dir, name) = self.parent(path)?;
        let remove = Some(name);
        let insert = None;
        Self::relink(dir, Relink { remove, insert });
        self.dirs.remove(path);
        Ok(())
    }

    pub(super) fn create(&mut self, path: &Path) -> io::Result<InodeId> {
        let inode = self.inodes.len();
        let (dir, name) = self.parent(path)?;
        Self::relink(
            dir,
            Relink {
                remove: None,
                insert: Some((name, Entry::File(inode))),
            },
        );
        self.inodes.push(Inode::default());
        Ok(inode)
    }

    pub(super) fn read(&self, path: &Path) -> io::Result<Vec<u8>> {
        let inode = self.lookup(path)?;
        Ok(self
            .inodes
            .get(inode)
            .map(|i| i.current.clone())
            .unwrap_or_default())
    }

    pub(super) fn replace(&mut self, path: &Path, content: Vec<u8>) {
        let inode = self.lookup(path).ok();
        if let Some(inode) = inode.and_then(|i| self.inodes.get_mut(i)) {
            *inode = Inode {
                current: content.clone(),
                durable: content,
                pending: Vec::new(),
            };
        }
    }

    pub(super) fn rename(&mut self, from: &Path, to: &Path) -> io::Result<()> {
        let inode = self.lookup(from)?;
        let (_, target) = self.parent(to)?;
        let (dir, source) = self.parent(from)?;
        let insert = Some((target, Entry::File(inode)));
        Self::relink(
            dir,
            Relink {
                remove: Some(source),
                insert,
            },
        );
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &Path) -> io::Result<()> {
        self.lookup(path)?;
        let (dir, name) = self.parent(path)?;
        Self::relink(
            dir,
            Relink {
                remove: Some(name),
                insert: None,
            },
        );
        Ok(())
    }

    pub(super) fn write(&mut self, inode: InodeId, offset: u64, bytes: &[u8]) {
        self.change(inode, Change::Write(offset, bytes.to_vec()));
    }

    /// Writes a prefix that is shorter than the whole.
    pub(super) fn write_part(&mut self, inode: InodeId, offset: u64, bytes: &[u8]) {
        let length = self.random() % bytes.len().max(1) as u64;
        let part = bytes.get(..length as usize).unwrap_or_default();
        self.write(inode, offset, part);
    }

    pub(super) fn set_len(&mut self, inode: InodeId, length: u64) {
        self.change(inode, Change::SetLen(length));
    }

    fn change(&mut self, inode: InodeId, change: Change) {
        if let Some(inode) = self.inodes.get_mut(inode) {
            apply(&mut inode.current, &change);
            inode.pending.push(change);
        }
    }

    pub(super) fn sync(&mut self, inode: InodeId) {
        if let Some(inode) = self.inodes.get_mut(inode) {
            for change in std::mem::take(&mut inode.pending) {
                apply(&mut inode.durable, &change);
            }
        }
    }

    /// A failed sync: some of the pending changes reach the disk, the rest is never tried again,
    /// though reads go on seeing it.
    pub(super) fn fail_sync(&mut self, inode: InodeId) {
        let mut random = self.random();
        if let Some(inode) = self.inodes.get_mut(inode) {
            let pending = std::mem::take(&mut inode.pending);
            settle(&mut inode.durable, &pending, Keep::Some, &mut random);
        }
    }

    pub(super) fn sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let dir = self.dir(dir)?;
        for change in std::mem::take(&mut dir.pending) {
            apply_relink(&mut dir.durable, &change);
        }
        Ok(())
    }

    pub(super) fn fail_sync_dir(&mut self, dir: &Path) -> io::Result<()> {
        let mut random = self.random();
        let dir = self.dir(dir)?;
        let pending = std::mem::take(&mut dir.pending);
        settle_dir(&mut dir.durable, &pending, Keep::Some, &mut random);
        Ok(())
    }

    /// Directories whose removal was lost are there again. They were empty.
    fn restore_removed_dirs(&mut self) {
        let entries = self.dirs.iter().flat_map(|(path, dir)| {
            let dirs = dir
                .current
                .iter()
                .filter(|(_, entry)| **entry == Entry::Dir);
            dirs.map(|(name, _)| path.join(name))
        });
        let lost: Vec<PathBuf> = entries.filter(|p| !self.dirs.contains_key(p)).collect();
        let empty = lost.into_iter().map(|path| (path, Dir::default()));
        self.dirs.extend(empty);
    }

    pub(super) fn power_cut(&mut self) {
        let mut random = self.random();
        let keep = match random % 4 {
            0 => Keep::Nothing,
            1 => Keep::Everything,
            _ => Keep::Some,
        };
        for inode in &mut self.inodes {
            let pending = std::mem::take(&mut inode.pending);
            settle(&mut inode.durable, &pending, keep, &mut random);
            inode.current.clone_from(&inode.durable);
        }
        for dir in self.dirs.values_mut() {
            let pending = std::mem::take(&mut dir.pending);
            settle_dir(&mut dir.durable, &pending, keep, &mut random);
            dir.current.clone_from(&dir.durable);
        }
        let paths: Vec<PathBuf> = self.dirs.keys().cloned().collect();
        for path in paths {
            let linked = path.parent().is_none() || self.entry(&path) == Some(Entry::Dir);
            if !linked {
                self.dirs.remove(&path);
            }
        }
        self.restore_removed_dirs();
    }
}

fn splitmix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9E37_79B9_7F4A_7C15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

impl Keep {
    fn keeps(self, random: &mut u64) -> bool {
        match self {
            Self::Nothing => false,
            Self::Everything => true,
            Self::Some => splitmix(random).is_multiple_of(2),
        }
    }
}

fn settle(content: &mut Vec<u8>, pending: &[Change], keep: Keep, random: &mut u64) {
    for change in pending {
        match change {
            Change::SetLen(_) if keep.keeps(random) => apply(content, change),
            Change::SetLen(_) => {}
            Change::Write(offset, bytes) => {
                for (at, piece) in sectors(*offset, bytes) {
                    if keep.keeps(random) {
                        apply(content, &Change::Write(at, piece.to_vec()));
                    }
                }
            }
        }
    }
}

/// Cuts a write at the sector boundaries of the file.
fn sectors(mut offset: u64, mut bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut pieces = Vec::new();
    while !bytes.is_empty() {
        let room = (SECTOR - offset % SECTOR) as usize;
        let (piece, rest) = bytes.split_at(room.min(bytes.len()));
        pieces.push((offset, piece));
        offset += piece.len() as u64;
        bytes = rest;
    }
    pieces
}

fn settle_dir(
    entries: &mut BTreeMap<String, Entry>,
    pending: &[Relink],
    keep: Keep,
    random: &mut u64,
) {
    for change in pending {
        if keep.keeps(random) {
            apply_relink(entries, change);
        }
    }
}

fn apply(content: &mut Vec<u8>, change: &Change) {
    match change {
        Change::SetLen(length) => content.resize(*length as usize, 0),
        Change::Write(offset, bytes) => {
            let (start, end) = (*offset as usize, *offset as usize + bytes.len());
            if content.len() < end {
                content.resize(end, 0);
            }
            if let Some(target) = content.get_mut(start..end) {
                target.copy_from_slice(bytes);
            }
        }
    }
}

fn apply_relink(entries: &mut BTreeMap<String, Entry>, change: &Relink) {
    if let Some(name) = &change.remove {
        entries.remove(name);
    }
    if let Some((name, entry)) = &change.insert {
        entries.insert(name.clone(), *entry);
    }
}
