//! A backup that is renewed all the time: files that never change are sent once, files that grow in pieces, and
//! the list of files, which is the backup, takes the place of the one before.
//!
//! Objects that the list does not name any more stay for an hour: who reads one finds its files, for so long as it
//! takes to fetch them, if they are fetched first.
//!
//! A copy of a server that was restored has the same number, and would renew the same backup. So each shipper writes
//! a random word into its lists, looks for it before each round, and replaces only the list that it has looked at
//! (`owner`). Before its first list it takes over one whose state its own has gone on from, as a server does that was
//! restarted. Of two servers that were given one place the copy stops at once, or, if it came before the other had
//! gone on, the other does when it goes on: each of them says so, and no list mixes the two.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::UpdateVersion;
use sha2::{Digest, Sha256};

use super::copy::{There, Work, backed_up, copy_all, header, object_of, refuse_while_pruning};
use super::manifest::{FileEntry, Manifest, Piece, hex};
use super::owner::Owner;
use super::places::CONTINUOUS;
use super::{BackedUp, BackupSpec, Backups, SourceFile};
use crate::cancel::Cancel;
use crate::error::{Result, TransferError};
use crate::export::Progress;
use crate::place::Place;

/// How long objects stay that lists do not name any more.
const KEPT: Duration = Duration::from_secs(60 * 60);

/// Renews one backup.
pub struct Shipper {
    backups: Backups,
    id: String,
    owner: Owner,
    /// Tells objects of this process from those that an earlier one has left.
    run: String,
    round: u64,
    /// Files of the last list; `None` before the first.
    there: Option<Arc<There>>,
    growing: HashMap<String, Grown>,
    /// Objects of its own that the last list names.
    named: HashSet<String>,
    /// Those that it does not name any more, and since when.
    old: VecDeque<(Instant, String)>,
    kept: Duration,
    /// Whether it knows what earlier processes have left.
    has_looked: bool,
}

/// A growing file as far as it has been sent.
#[derive(Clone, Default)]
struct Grown {
    bytes: u64,
    sha256: Sha256,
    pieces: Vec<Piece>,
}

impl std::fmt::Debug for Shipper {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Shipper").field(&self.id).finish()
    }
}

impl Shipper {
    /// Of the database with this number.
    pub fn new(place: Place, database: u64) -> Self {
        let run = uuid::Uuid::new_v4().simple().to_string();
        let (backups, id) = (Backups::new(place), format!("{CONTINUOUS}{database:016x}"));
        Self {
            owner: Owner::new(backups.clone(), &id, &run),
            backups,
            id,
            run: run.get(..8).unwrap_or_default().to_owned(),
            round: 0,
            there: None,
            growing: HashMap::new(),
            named: HashSet::new(),
            old: VecDeque::new(),
            kept: KEPT,
            has_looked: false,
        }
    }

    /// With another time than an hour for objects that no list names any more.
    #[must_use]
    pub fn keeping(self, kept: Duration) -> Self {
        Self { kept, ..self }
    }

    /// Brings a newer state there. After an error the backup is the one before, and the next call goes on.
    ///
    /// # Errors
    /// What the place says, and `Place` while old backups are being removed there, or when the backup is another
    /// server's.
    pub async fn ship(
        &mut self,
        mut spec: BackupSpec,
        progress: Arc<Progress>,
        cancel: &Cancel,
    ) -> Result<BackedUp> {
        let list = cancel.or(self.owner.look(&mut spec)).await??;
        if self.owner.has_lost(&list) {
            self.forget();
        }
        let seen = self.owner.replaceable(list)?;
        let there = self.there.clone().unwrap_or_default();
        let is_new = |file: &dyn SourceFile| object_of(file).is_some_and(|o| !there.has(&o));
        let brings_files = spec.files.iter().any(|file| is_new(&**file));
        // Only what others may count on, too, must not meet pruning.
        if !brings_files && self.there.is_some() {
            return self.renew((spec, seen), there, progress, cancel).await;
        }
        let mark = self.backups.running_path(&self.id);
        cancel.check()?;
        self.backups.mark(&mark).await?;
        let done = self.with_mark((spec, seen), progress, cancel).await;
        self.backups.unmark(&mark).await;
        done
    }

    /// What it has sent may be removed by who has taken its place.
    fn forget(&mut self) {
        self.there = None;
        self.growing.clear();
        self.has_looked = false;
    }

    async fn with_mark(
        &mut self,
        state: (BackupSpec, Option<UpdateVersion>),
        progress: Arc<Progress>,
        cancel: &Cancel,
    ) -> Result<BackedUp> {
        cancel.or(refuse_while_pruning(&self.backups)).await??;
        let there = match &self.there {
            Some(there) => Arc::clone(there),
            None => Arc::new(cancel.or(There::find(&self.backups)).await??),
        };
        self.renew(state, there, progress, cancel).await
    }

    /// `seen`: the list that is to be replaced.
    async fn renew(
        &mut self,
        (mut spec, seen): (BackupSpec, Option<UpdateVersion>),
        there: Arc<There>,
        progress: Arc<Progress>,
        cancel: &Cancel,
    ) -> Result<BackedUp> {
        self.round += 1;
        let header = self.owner.signed(header(&self.id, &spec));
        let files = std::mem::take(&mut spec.files);
        let (fixed, own): (Vec<_>, Vec<_>) = files
            .into_iter()
            .partition(|file| file.identity().is_some());
        let work = || {
            let backups = self.backups.clone();
            Work::new(backups, &self.id, Arc::clone(&there), Arc::clone(&progress))
        };
        let (mut entries, mut new) = copy_all(work(), fixed, spec.threads, cancel).await?;
        let work = work();
        let (stop, outer) = (work.cancel().clone(), cancel.clone());
        let watch = tokio::spawn(async move {
            outer.cancelled().await;
            stop.cancel();
        });
        let sender = Own {
            id: self.id.clone(),
            run: self.run.clone(),
            round: self.round,
            growing: std::mem::take(&mut self.growing),
        };
        let sent = tokio::task::spawn_blocking(move || sender.send(&work, &own)).await;
        watch.abort();
        let (growing, sent) = sent.map_err(|e| TransferError::Internal(e.to_string()))?;
        self.growing = growing;
        for (entry, bytes) in sent? {
            entries.push(entry);
            new.push(bytes);
        }
        entries.sort_by(|a, b| a.name.cmp(&b.name));
        let manifest = Manifest {
            header,
            files: entries,
        };
        self.owner.publish(&manifest, seen, cancel).await?;
        let done = backed_up(&self.backups, &manifest, &new);
        self.there = Some(Arc::new(There::named(&self.backups, &manifest.files)));
        self.clean_up(&manifest).await;
        Ok(done)
    }

    /// Removes what lists have not named for a while. An earlier process may have left objects, too.
    async fn clean_up(&mut self, manifest: &Manifest) {
        let own = format!("backups/{}", self.id);
        let objects = manifest.files.iter().flat_map(|file| &file.objects);
        let objects = objects.map(|object| object.path.clone());
        let named = objects.filter(|path| path.starts_with(&format!("{own}/")));
        let before = std::mem::replace(&mut self.named, named.collect());
        let names: HashSet<String> = manifest.files.iter().map(|f| f.name.clone()).collect();
        self.growing.retain(|name, _| names.contains(name));
        let mut gone: Vec<String> = before.into_iter().collect();
        if !std::mem::replace(&mut self.has_looked, true) {
            gone.extend(self.left_behind(&own).await);
        }
        let now = Instant::now();
        gone.retain(|path| !self.named.contains(path));
        self.old.extend(gone.into_iter().map(|path| (now, path)));
        while let Some((since, path)) = self.old.front() {
            if now - *since < self.kept {
                break;
            }
            self.backups.unmark(&self.backups.path(path)).await;
            self.old.pop_front();
        }
    }

    /// Objects of earlier processes. What they were killed in the middle of is of no use at once.
    async fn left_behind(&self, own: &str) -> Vec<String> {
        for path in self.backups.unfinished(own).await.unwrap_or_default() {
            self.backups.unmark(&path).await;
        }
        let directory = format!("{}/", self.backups.path(own));
        let found = self.backups.below(own).await.unwrap_or_default();
        let below = found.iter().filter_map(|found| {
            let name = found.path.as_ref().strip_prefix(&directory)?;
            Some(format!("{own}/{name}"))
        });
        below.collect()
    }
}

/// Sends the files of one state that are not for ever. Blocking.
struct Own {
    id: String,
    run: String,
    round: u64,
    growing: HashMap<String, Grown>,
}

/// Entries of files, and what was sent of each.
type Sent = Vec<(FileEntry, u64)>;

impl Own {
    /// What has grown is known also after an error.
    fn send(
        mut self,
        work: &Work,
        files: &[Box<dyn SourceFile>],
    ) -> (HashMap<String, Grown>, Result<Sent>) {
        let sent = files.iter().map(|file| self.send_one(work, &**file));
        let sent = sent.collect();
        (self.growing, sent)
    }

    fn send_one(&mut self, work: &Work, file: &dyn SourceFile) -> Result<(FileEntry, u64)> {
        let (name, bytes) = (file.name(), file.bytes());
        let (id, run, round) = (&self.id, &self.run, self.round);
        if !file.grows() {
            let object = format!("backups/{id}/{name}-{run}-{round}");
            let sha256 = work.send(work.path(&object), file, 0, &mut |_| ())?;
            let objects = vec![Piece {
                path: object,
                bytes,
            }];
            return Ok((entry(name, bytes, sha256, objects), bytes));
        }
        let grown = self.growing.entry(name.to_owned()).or_default();
        if grown.bytes > bytes {
            let why = format!(
                "{} bytes of it were there before, and are {bytes}",
                grown.bytes
            );
            return Err(TransferError::content(name, why));
        }
        let from = grown.bytes;
        if bytes > from {
            let object = format!("backups/{id}/{name}-{run}-{from:016x}-{round}");
            let mut sha256 = grown.sha256.clone();
            work.send(work.path(&object), file, from, &mut |piece| {
                sha256.update(piece)
            })?;
            (grown.bytes, grown.sha256) = (bytes, sha256);
            grown.pieces.push(Piece {
                path: object,
                bytes: bytes - from,
            });
        }
        let digest = hex(&grown.sha256.clone().finalize());
        let pieces = grown.pieces.clone();
        Ok((entry(name, bytes, digest, pieces), bytes - from))
    }
}

fn entry(name: &str, bytes: u64, sha256: String, objects: Vec<Piece>) -> FileEntry {
    FileEntry {
        name: name.into(),
        bytes,
        sha256,
        objects,
    }
}
