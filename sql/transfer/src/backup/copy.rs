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
    cancel.or(backups.mark(&mark)).await??;
    let done = run(&backups, &id, spec, progress, &cancel).await;
    if done.is_err() {
        let own = backups.path(&format!("backups/{id}"));
        if let Ok(left) = backups.place.files(&own, true).await {
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
    let pruned = cancel.or(backups.marked(&backups.prune_path())).await??;
    if pruned.is_some_and(|began| is_fresh(began, PRUNE_MARK)) {
        let why = "old backups are being removed there; try again later".into();
        let place = backups.place.url();
        return Err(TransferError::Place { place, why });
    }
    let there = cancel.or(There::find(backups)).await??;
    let header = BackupHeader {
        format: FORMAT,
        id: id.into(),
        title: spec.title,
        database: format!("{:016x}", spec.database),
        sequence: spec.sequence,
        moment: spec.moment,
        version: spec.version,
    };
    let work = Work {
        backups: backups.clone(),
        id: id.into(),
        there,
        sender: Sender {
            place: backups.place.clone(),
            handle: Handle::current(),
            // What fails in one thread stops the others, not what the caller's flag belongs to.
            cancel: Cancel::default(),
            progress,
        },
    };
    let (files, new) = copy_all(work, spec.files, spec.threads, cancel).await?;
    let manifest = Manifest { header, files };
    let path = backups.manifest_path(id);
    let text = manifest.encode()?;
    cancel
        .or(backups.place.put(&path, PutPayload::from(text)))
        .await??;
    backups.place.make_durable(std::slice::from_ref(&path))?;
    Ok(BackedUp {
        id: id.into(),
        files: manifest.files.len() as u64,
        bytes: manifest.bytes(),
        new_files: new.len() as u64,
        new_bytes: new.iter().sum(),
        manifest: backups.place.url_of(&path),
    })
}

/// Files that never change and are there.
struct There {
    sizes: HashMap<Path, u64>,
    /// SHA-256 of those that backups name.
    known: HashMap<String, String>,
}

impl There {
    async fn find(backups: &Backups) -> Result<Self> {
        let files = backups.place.files(&backups.path("files"), true).await?;
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

struct Work {
    backups: Backups,
    id: String,
    there: There,
    sender: Sender,
}

/// Copies files on several threads; their entries, and the sizes of the new ones.
async fn copy_all(
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
    /// Brings a file there, if it is not; whether it had to.
    fn copy(&self, file: &dyn SourceFile) -> Result<(FileEntry, bool)> {
        self.sender.cancel.check()?;
        let (name, bytes) = (file.name(), file.bytes());
        let object = match file.identity() {
            Some(identity) => {
                let (number, kind) = name.rsplit_once('.').unwrap_or((name, "file"));
                format!("files/{number}-{identity}.{kind}")
            }
            None => format!("backups/{}/{name}", self.id),
        };
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
                self.read(file, &mut |piece| {
                    sha256.update(piece);
                    self.sender.cancel.check()
                })?;
                return Ok((entry(hex(&sha256.finalize())), false));
            }
        }
        let mut upload = Upload::new(self.sender.clone(), path.clone(), bytes);
        let sent = self.read(file, &mut |piece| upload.write(piece));
        let handle = &self.sender.handle;
        let arrived = sent.and_then(|()| handle.block_on(upload.finish()));
        let arrived = match arrived {
            Ok(arrived) if arrived.bytes == bytes => arrived,
            Ok(arrived) => {
                let why = format!("{} bytes were read of {bytes}", arrived.bytes);
                return Err(TransferError::content(name, why));
            }
            Err(error) => {
                if let Err(error) = handle.block_on(upload.abort()) {
                    tracing::warn!(%error, "an upload could not be given up");
                }
                return Err(error);
            }
        };
        self.backups.place.make_durable(&[path])?;
        Ok((entry(arrived.sha256), true))
    }

    fn read(&self, file: &dyn SourceFile, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<()> {
        file.read(take)
            .map_err(|error: BoxError| match error.downcast::<TransferError>() {
                Ok(own) => *own,
                Err(other) => TransferError::Source(other),
            })
    }
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
