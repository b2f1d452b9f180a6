//! One backup from its mark to its manifest.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{TimeDelta, Utc};
use object_store::PutPayload;
use object_store::path::Path;
use sha2::{Digest, Sha256};
use tokio::runtime::Handle;

use super::manifest::{BackupHeader, FORMAT, FileEntry, Manifest, Piece, hex};
use super::prune::PRUNE_MARK;
use super::{BackedUp, BackupSpec, Backups, SourceFile};
use crate::cancel::Cancel;
use crate::error::{BoxError, Result, TransferError};
use crate::export::Progress;
use crate::export::upload::{Sender, Upload};

/// Manifests that are asked which files are there. A file of an older one only is read once more.
const ASKED: usize = 3;

/// Copies what is not there yet. It must be polled to its end: to stop it, set `cancel`.
///
/// # Errors
/// After one there is no new backup. Files that never change may have come, and are not sent again.
pub async fn backup(spec: BackupSpec, progress: Arc<Progress>, cancel: Cancel) -> Result<BackedUp> {
    let backups = Backups::new(spec.place.clone());
    let random = uuid::Uuid::new_v4().simple().to_string();
    let random = random.get(..8).unwrap_or_default();
    let id = format!("{}-{random}", spec.moment.format("%Y%m%dT%H%M%S%.3fZ"));
    let mark = backups.running_path(&id);
    // What is sent is waited for: a mark or a list that comes after it was removed would stay.
    cancel.check()?;
    backups.mark(&mark).await?;
    let done = run(&backups, &id, spec, progress, &cancel).await;
    if done.is_err() {
        let own = backups.path(&format!("backups/{id}"));
        if let Ok(left) = backups.place.files(own.as_ref()).await {
            let manifest = backups.manifest_path(&id);
            // The manifest goes first, should its answer alone have been lost.
            backups.unmark(&manifest).await;
            for found in left.iter().filter(|f| f.path != mark && f.path != manifest) {
                backups.unmark(&found.path).await;
            }
        }
    }
    backups.unmark(&mark).await;
    done
}

async fn run(
    backups: &Backups,
    id: &str,
    spec: BackupSpec,
    progress: Arc<Progress>,
    cancel: &Cancel,
) -> Result<BackedUp> {
    cancel.or(refuse_while_pruning(backups)).await??;
    let there = cancel.or(There::find(backups)).await??;
    let header = header(id, &spec);
    let work = Work::new(backups.clone(), id, Arc::new(there), progress);
    let (files, new) = copy_all(work, spec.files, spec.threads, cancel).await?;
    publish(backups, &Manifest { header, files }, &new, cancel).await
}

/// The mark of the one who asks is there already.
pub(super) async fn refuse_while_pruning(backups: &Backups) -> Result<()> {
    let pruned = backups.marked(&backups.prune_path()).await?;
    if pruned.is_some_and(|began| is_fresh(began, PRUNE_MARK)) {
        let why = "old backups are being removed there; try again later".into();
        let place = backups.place.url();
        return Err(TransferError::Place { place, why });
    }
    Ok(())
}

pub(super) fn header(id: &str, spec: &BackupSpec) -> BackupHeader {
    BackupHeader {
        format: FORMAT,
        id: id.into(),
        title: spec.title.clone(),
        database: format!("{:016x}", spec.database),
        sequence: spec.sequence,
        moment: spec.moment,
        version: spec.version.clone(),
        writer: None,
    }
}

/// Writes the list: from now on the backup is there. `new`: sizes of what had to be sent.
async fn publish(
    backups: &Backups,
    manifest: &Manifest,
    new: &[u64],
    cancel: &Cancel,
) -> Result<BackedUp> {
    let path = backups.manifest_path(&manifest.header.id);
    let text = PutPayload::from(manifest.encode()?);
    cancel.check()?;
    backups.place.put(&path, text).await?;
    backups.place.make_durable(std::slice::from_ref(&path))?;
    Ok(backed_up(backups, manifest, new))
}

/// What a list that is there makes whole.
pub(super) fn backed_up(backups: &Backups, manifest: &Manifest, new: &[u64]) -> BackedUp {
    let id = &manifest.header.id;
    BackedUp {
        id: id.clone(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        new_files: new.len() as u64,
        new_bytes: new.iter().sum(),
        manifest: backups.place.url_of(&backups.manifest_path(id)),
    }
}

/// Files that never change and are there.
#[derive(Debug, Default)]
pub(super) struct There {
    sizes: HashMap<Path, u64>,
    /// SHA-256 of those that backups name.
    known: HashMap<String, String>,
}

impl There {
    /// Those that a list names which has just been written.
    pub(super) fn named(backups: &Backups, files: &[FileEntry]) -> Self {
        let single = files
            .iter()
            .filter_map(|file| match file.objects.as_slice() {
                [object] => Some((object, &file.sha256)),
                _ => None,
            });
        let mut there = Self::default();
        for (object, sha256) in single {
            there.sizes.insert(backups.path(&object.path), object.bytes);
            there.known.insert(object.path.clone(), sha256.clone());
        }
        there
    }

    /// Whether a file need not be sent.
    pub(super) fn has(&self, object: &str) -> bool {
        self.known.contains_key(object)
    }

    pub(super) async fn find(backups: &Backups) -> Result<Self> {
        let files = backups.below("files").await?;
        let sizes = files.into_iter().map(|found| (found.path, found.bytes));
        let mut known = HashMap::new();
        let (ids, _) = backups.ids().await?;
        for id in ids.iter().rev().take(ASKED) {
            match backups.manifest(id).await {
                Ok(manifest) => known.extend(manifest.files.into_iter().filter_map(|file| {
                    let [object] = file.objects.as_slice() else {
                        return None;
                    };
                    Some((object.path.clone(), file.sha256))
                })),
                Err(TransferError::Content { why, name }) => {
                    tracing::warn!(name, why, "a backup is damaged");
                }
                Err(error) => return Err(error),
            }
        }
        Ok(Self {
            sizes: sizes.collect(),
            known,
        })
    }
}

pub(super) struct Work {
    backups: Backups,
    id: String,
    there: Arc<There>,
    sender: Sender,
}

/// The object that a file is which never changes.
pub(super) fn object_of(file: &dyn SourceFile) -> Option<String> {
    let (name, identity) = (file.name(), file.identity()?);
    let (number, kind) = name.rsplit_once('.').unwrap_or((name, "file"));
    Some(format!("files/{number}-{identity}.{kind}"))
}

/// Copies files on several threads; their entries, and the sizes of the new ones.
pub(super) async fn copy_all(
    work: Work,
    files: Vec<Box<dyn SourceFile>>,
    threads: usize,
    cancel: &Cancel,
) -> Result<(Vec<FileEntry>, Vec<u64>)> {
    let (inner, outer) = (work.sender.cancel.clone(), cancel.clone());
    let stop = inner.clone();
    let watch = tokio::spawn(async move {
        outer.cancelled().await;
        stop.cancel();
    });
    let work = Arc::new(work);
    let queue = Arc::new(Mutex::new(files.into_iter()));
    let threads = (0..threads.max(1)).map(|_| {
        let (work, queue) = (Arc::clone(&work), Arc::clone(&queue));
        tokio::task::spawn_blocking(move || {
            let mut done = Vec::new();
            loop {
                let next = queue.lock().unwrap_or_else(PoisonError::into_inner).next();
                let Some(file) = next else { return Ok(done) };
                match work.copy(&*file) {
                    Ok(copied) => done.push(copied),
                    Err(error) => {
                        work.sender.cancel.cancel();
                        return Err(error);
                    }
                }
            }
        })
    });
    let threads: Vec<_> = threads.collect();
    let (mut entries, mut new, mut failed) = (Vec::new(), Vec::new(), None);
    for thread in threads {
        match thread
            .await
            .map_err(|e| TransferError::Internal(e.to_string()))
        {
            Ok(Ok(copied)) => {
                for (entry, is_new) in copied {
                    new.extend(is_new.then_some(entry.bytes));
                    entries.push(entry);
                }
            }
            // The first that is not "cancelled" says why.
            Ok(Err(error)) | Err(error) => match failed {
                None | Some(TransferError::Cancelled) => failed = Some(error),
                Some(_) => {}
            },
        }
    }
    watch.abort();
    match failed {
        Some(error) => Err(error),
        None => {
            entries.sort_by(|a, b| a.name.cmp(&b.name));
            Ok((entries, new))
        }
    }
}

impl Work {
    /// On a runtime that waits for sockets.
    pub(super) fn new(
        backups: Backups,
        id: &str,
        there: Arc<There>,
        progress: Arc<Progress>,
    ) -> Self {
        let sender = Sender {
            place: backups.place.clone(),
            handle: Handle::current(),
            // What fails in one thread stops the others, not what the caller's flag belongs to.
            cancel: Cancel::default(),
            progress,
        };
        Self {
            backups,
            id: id.into(),
            there,
            sender,
        }
    }

    /// Brings a file there, if it is not; whether it had to.
    fn copy(&self, file: &dyn SourceFile) -> Result<(FileEntry, bool)> {
        self.sender.cancel.check()?;
        let (name, bytes) = (file.name(), file.bytes());
        let object = object_of(file);
        let object = object.unwrap_or_else(|| format!("backups/{}/{name}", self.id));
        let path = self.backups.path(&object);
        let entry = |sha256| FileEntry {
            name: name.into(),
            bytes,
            sha256,
            objects: vec![Piece {
                path: object.clone(),
                bytes,
            }],
        };
        if self.there.sizes.get(&path) == Some(&bytes) {
            if let Some(sha256) = self.there.known.get(&object) {
                return Ok((entry(sha256.clone()), false));
            }
            // Of a backup that was not finished: whole, since it is there at all.
            if self.backups.place.is_atomic() {
                let mut sha256 = Sha256::new();
                read(file, 0, &mut |piece| {
                    sha256.update(piece);
                    self.sender.cancel.check()
                })?;
                return Ok((entry(hex(&sha256.finalize())), false));
            }
        }
        let sha256 = self.send(path, file, 0, &mut |_| ())?;
        Ok((entry(sha256), true))
    }

    /// Sends a file from an offset on; its SHA-256. `see` is shown all bytes.
    pub(super) fn send(
        &self,
        path: Path,
        file: &dyn SourceFile,
        from: u64,
        see: &mut dyn FnMut(&[u8]),
    ) -> Result<String> {
        let bytes = file.bytes().saturating_sub(from);
        let mut upload = Upload::new(self.sender.clone(), path.clone(), bytes);
        let sent = read(file, from, &mut |piece| {
            see(piece);
            upload.write(piece)
        });
        let handle = &self.sender.handle;
        let arrived = sent.and_then(|()| handle.block_on(upload.finish()));
        match arrived {
            Ok(arrived) if arrived.bytes == bytes => {
                self.backups.place.make_durable(&[path])?;
                Ok(arrived.sha256)
            }
            Ok(arrived) => {
                let why = format!("{} bytes were read of {bytes}", arrived.bytes);
                Err(TransferError::content(file.name(), why))
            }
            Err(error) => {
                if let Err(error) = handle.block_on(upload.abort()) {
                    tracing::warn!(%error, "an upload could not be given up");
                }
                Err(error)
            }
        }
    }

    /// Where a file of this backup only is.
    pub(super) fn path(&self, object: &str) -> Path {
        self.backups.path(object)
    }

    pub(super) fn cancel(&self) -> &Cancel {
        &self.sender.cancel
    }
}

/// Hands over a file's bytes from an offset on.
pub(super) fn read(
    file: &dyn SourceFile,
    from: u64,
    take: &mut dyn FnMut(&[u8]) -> Result<()>,
) -> Result<()> {
    let read = file.read(from, take);
    read.map_err(|error: BoxError| match error.downcast::<TransferError>() {
        Ok(own) => *own,
        Err(other) => TransferError::Source(other),
    })
}

/// Objects that manifests name.
pub(super) fn named(manifests: &[Manifest]) -> HashSet<String> {
    let files = manifests.iter().flat_map(|manifest| &manifest.files);
    let objects = files.flat_map(|file| &file.objects);
    objects.map(|object| object.path.clone()).collect()
}

/// How long after its beginning a mark counts.
pub(super) fn is_fresh(began: chrono::DateTime<Utc>, for_so_long: TimeDelta) -> bool {
    Utc::now() - began < for_so_long
}
