//! Backups into a store that fails, is cancelled and pruned: what is listed as whole is whole.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use storno_transfer::{
    BackedUp, BackupSpec, Backups, BoxError, Cancel, Place, Progress, Result, Shipper, SinkFile,
    SourceFile, TransferError, backup, prune, restore,
};

use crate::s3::S3Server;
use crate::setting::place;

type Files = BTreeMap<String, Vec<u8>>;

/// A file of a directory that does not exist.
struct Made {
    name: String,
    content: Vec<u8>,
    changes: bool,
}

impl SourceFile for Made {
    fn name(&self) -> &str {
        &self.name
    }

    fn identity(&self) -> Option<String> {
        // As good as a checksum: the content follows from the name.
        (!self.changes).then(|| format!("{:016x}", self.content.len()))
    }

    fn bytes(&self) -> u64 {
        self.content.len() as u64
    }

    fn grows(&self) -> bool {
        self.name.starts_with("wal/")
    }

    fn read(&self, from: u64, take: &mut dyn FnMut(&[u8]) -> Result<()>) -> Result<(), BoxError> {
        for piece in self.content[from as usize..].chunks(100_000) {
            take(piece)?;
        }
        Ok(())
    }
}

/// The state number `n` of a directory: files come and go, the manifest is always another.
fn state(n: u64) -> Files {
    let segments = (n..n + 12).map(|number| {
        // One of some megabytes, which takes a multipart upload.
        let length = if number % 10 == 3 {
            9 << 20
        } else {
            1000 * number as usize + 1
        };
        let content = (0..length).map(|i| (i as u64 * number % 251) as u8);
        (format!("{number:016x}.seg"), content.collect())
    });
    let mut files: Files = segments.collect();
    files.insert("MANIFEST".into(), format!("state {n}").into_bytes());
    files.insert(format!("wal/{n:016x}.wal"), vec![n as u8; 3000]);
    files
}

fn spec(place: &Place, n: u64) -> BackupSpec {
    let made = |(name, content): (String, Vec<u8>)| -> Box<dyn SourceFile> {
        let changes = !name.ends_with(".seg");
        Box::new(Made {
            name,
            content,
            changes,
        })
    };
    BackupSpec {
        place: place.clone(),
        title: "ALL".into(),
        database: 7,
        sequence: n,
        moment: DateTime::UNIX_EPOCH + TimeDelta::seconds(n as i64),
        version: "test".into(),
        files: state(n).into_iter().map(made).collect(),
        threads: 3,
    }
}

async fn back_up(place: &Place, n: u64) -> Result<BackedUp> {
    backup(spec(place, n), Arc::default(), Cancel::default()).await
}

struct Kept(String, Vec<u8>, Arc<Mutex<Files>>);

impl SinkFile for Kept {
    fn write(&mut self, bytes: &[u8]) -> Result<(), BoxError> {
        self.1.extend_from_slice(bytes);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Result<(), BoxError> {
        self.2.lock().unwrap().insert(self.0, self.1);
        Ok(())
    }
}

async fn bring_back(place: &Place, id: &str) -> Result<Files> {
    let files: Arc<Mutex<Files>> = Arc::default();
    let all = Arc::clone(&files);
    let create = move |name: &str| -> Result<Box<dyn SinkFile>, BoxError> {
        Ok(Box::new(Kept(name.into(), Vec::new(), Arc::clone(&all))))
    };
    let progress = Arc::<Progress>::default();
    restore(
        place.clone(),
        id,
        Box::new(create),
        progress,
        Cancel::default(),
    )
    .await?;
    let files = std::mem::take(&mut *files.lock().unwrap());
    Ok(files)
}

/// Restores everything that is listed as whole; how much that is.
async fn all_are_whole(place: &Place) -> usize {
    let listed = Backups::new(place.clone()).list().await.expect("lists");
    let whole: Vec<_> = listed
        .into_iter()
        .filter_map(|one| one.state.ok())
        .collect();
    for (header, files, bytes) in &whole {
        let found = bring_back(place, &header.id).await.expect("restores");
        assert_eq!(found, state(header.sequence), "{}", header.id);
        let length: usize = found.values().map(Vec::len).sum();
        assert_eq!((*files, *bytes), (found.len() as u64, length as u64));
    }
    whole.len()
}

#[tokio::test(flavor = "multi_thread")]
async fn the_second_sends_only_what_is_new_and_each_is_whole() {
    let server = S3Server::start();
    let place = place(&server, "b");
    let first = back_up(&place, 4).await.expect("done");
    assert_eq!((first.files, first.new_files), (14, 14));
    let second = back_up(&place, 5).await.expect("done");
    // One segment has come and one has gone; manifest and log are always new.
    assert_eq!((second.files, second.new_files), (14, 3));
    assert!(second.new_bytes < 20_000, "{second:?}");
    assert_eq!(all_are_whole(&place).await, 2);
    let newest = Backups::new(place.clone())
        .newest(None, None)
        .await
        .expect("found");
    assert_eq!(newest.sequence, 5);
    let before = DateTime::UNIX_EPOCH + TimeDelta::milliseconds(4_900);
    let older = Backups::new(place.clone())
        .newest(None, Some(before))
        .await
        .expect("found");
    assert_eq!(older.sequence, 4);
    let none = Backups::new(place.clone())
        .newest(Some("ALL"), Some(DateTime::UNIX_EPOCH))
        .await;
    assert!(matches!(none, Err(TransferError::Place { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn with_faults_and_cancels_what_is_listed_is_whole() {
    let server = S3Server::start();
    let place = place(&server, "deep/er/b");
    let asked = std::env::var("STORNO_EXPORT_FAULT_RUNS").ok();
    let runs = asked.and_then(|runs| runs.parse().ok()).unwrap_or(24);
    let (mut done, mut failed) = (0, 0);
    for seed in 0..runs {
        server.faults.seed(seed + 1);
        let per_mille = [50, 200, 400, 650][seed as usize % 4];
        server.faults.per_mille.store(per_mille, Ordering::Relaxed);
        let cancel = Cancel::default();
        let later = cancel.clone();
        let stopper = tokio::spawn(async move {
            let wait = if seed % 3 == 0 {
                5 * (seed % 40)
            } else {
                60_000
            };
            tokio::time::sleep(Duration::from_millis(wait)).await;
            later.cancel();
        });
        let result = backup(spec(&place, seed), Arc::default(), cancel).await;
        stopper.abort();
        server.faults.per_mille.store(0, Ordering::Relaxed);
        match result {
            Ok(_) => done += 1,
            Err(_) => failed += 1,
        }
        if seed % 8 == 7 {
            // One that could not say so may have been done, and could not be taken back.
            let whole = all_are_whole(&place).await;
            assert!(whole >= done, "run {seed}: {whole} of {done}");
        }
    }
    assert!(done > 0 && failed > 0, "{done} done, {failed} failed");
    assert_eq!(server.open_uploads(), Vec::<String>::new());
    let pruned = prune(place.clone(), 2, true).await.expect("pruned");
    assert!(pruned.backups.len() >= done - 2, "{pruned:?}");
    assert_eq!(all_are_whole(&place).await, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn pruning_and_backups_at_once_hurt_nothing() {
    let server = S3Server::start();
    let place = place(&server, "b");
    back_up(&place, 0).await.expect("done");
    let pruner = place.clone();
    let [pruned, refused, stop] = [(); 3].map(|()| Arc::new(AtomicUsize::new(0)));
    let counts = [&pruned, &refused, &stop].map(Arc::clone);
    let running = tokio::spawn(async move {
        let [pruned, refused, stop] = counts;
        while stop.load(Ordering::Relaxed) == 0 {
            match prune(pruner.clone(), 1, false).await {
                Ok(_) => pruned.fetch_add(1, Ordering::Relaxed),
                Err(TransferError::Place { .. }) => refused.fetch_add(1, Ordering::Relaxed),
                Err(other) => panic!("{other}"),
            };
            tokio::time::sleep(Duration::from_millis(7)).await;
        }
    });
    // As often as it takes for each to have met the other, which is for the machine to say.
    let mut taken = 0;
    for n in 1.. {
        match back_up(&place, n).await {
            Ok(_) => taken += 1,
            Err(TransferError::Place { .. }) => {}
            Err(other) => panic!("{other}"),
        }
        let [pruned, refused] = [&pruned, &refused].map(|count| count.load(Ordering::Relaxed));
        if n >= 25 && taken > 0 && pruned > 0 && refused > 0 {
            break;
        }
        assert!(n < 2000, "{pruned} {refused} {taken}");
    }
    stop.store(1, Ordering::Relaxed);
    running.await.expect("pruned");
    assert!(all_are_whole(&place).await >= 1);
    // A mark of somebody who was killed long ago is none.
    let old = (Utc::now() - TimeDelta::days(8)).to_rfc3339();
    let mark = server.file("b/backups/00000000T000000.000Z-00000000.running");
    std::fs::write(&mark, format!("{{\"began\": \"{old}\"}}")).expect("written");
    prune(place.clone(), 1, false).await.expect("pruned");
    assert!(!mark.exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_is_a_place_like_a_store() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::local(dir.path(), "some where").expect("opens");
    for n in 1..4 {
        back_up(&place, n).await.expect("done");
    }
    assert_eq!(all_are_whole(&place).await, 3);
    // A file that is there by half, as after a power cut, is written again.
    let named = |path: std::path::PathBuf| path.to_string_lossy().ends_with(".seg").then_some(path);
    let files = std::fs::read_dir(dir.path().join("some where/files")).expect("lists");
    let files: Vec<_> = files
        .flatten()
        .filter_map(|entry| named(entry.path()))
        .collect();
    assert!(files.len() > 12, "{files:?}");
    let below = place.clone();
    prune(below.clone(), 1, false).await.expect("pruned");
    assert_eq!(all_are_whole(&place).await, 1);
    let list = std::fs::read_dir(dir.path().join("some where/backups")).expect("lists");
    for entry in list.flatten().filter(|entry| entry.path().is_file()) {
        std::fs::remove_file(entry.path()).expect("removed");
    }
    for entry in std::fs::read_dir(dir.path().join("some where/files"))
        .expect("lists")
        .flatten()
    {
        let length = entry.metadata().expect("there").len();
        std::fs::write(entry.path(), vec![0; length as usize]).expect("written");
    }
    back_up(&place, 3).await.expect("done");
    assert_eq!(all_are_whole(&place).await, 1);
}

#[tokio::test]
async fn pruning_leaves_what_a_renewed_backup_has_just_sent() {
    for path in ["", "some where"] {
        let dir = tempfile::tempdir().expect("a directory");
        let place = Place::local(dir.path(), path).expect("opens");
        back_up(&place, 1).await.expect("done");
        let backups = dir.path().join(path).join("backups");
        let (own, other) = (backups.join("continuous-0a"), backups.join("elsewhere"));
        for below in [&own, &other] {
            std::fs::create_dir_all(below).expect("made");
            std::fs::write(below.join("wal-0"), "sent").expect("written");
        }
        prune(place, 1, false).await.expect("pruned");
        assert!(own.join("wal-0").exists(), "{path:?}");
        assert!(!other.join("wal-0").exists(), "{path:?}");
    }
}

/// State `n` with a log that grows, until another takes its place.
fn growing(n: u64) -> Files {
    let mut files = state(n / 4);
    files.retain(|name, _| !name.starts_with("wal/"));
    let log = (0..50 * (n % 9) + 7).map(|i| i as u8).collect();
    files.insert(format!("wal/{:016x}.wal", n / 9), log);
    files
}

#[tokio::test(flavor = "multi_thread")]
async fn a_renewed_backup_is_always_the_last_state_that_was_shipped() {
    let server = S3Server::start();
    let place = place(&server, "b");
    let new = || Shipper::new(place.clone(), 9).keeping(Duration::ZERO);
    let (mut shipper, mut last, mut failed) = (new(), None, 0);
    for n in 0..40 {
        if n % 25 == 24 {
            // Another process.
            shipper = new();
        }
        server.faults.seed(n + 1);
        let per_mille = [0, 100, 300, 50][n as usize % 4];
        server.faults.per_mille.store(per_mille, Ordering::Relaxed);
        let mut spec = spec(&place, n);
        spec.files = growing(n)
            .into_iter()
            .map(|(name, content)| {
                let changes = !name.ends_with(".seg");
                Box::new(Made {
                    name,
                    content,
                    changes,
                }) as Box<dyn SourceFile>
            })
            .collect();
        // The store goes away in the middle of it, for longer than is tried.
        let faults = Arc::clone(&server.faults);
        let death = tokio::spawn(async move {
            if n % 4 == 3 {
                tokio::time::sleep(Duration::from_millis(n % 13 * 3)).await;
                faults.dead.store(true, Ordering::Relaxed);
            }
        });
        let cancel = Cancel::default();
        let shipped = shipper.ship(spec, Arc::default(), &cancel).await;
        death.abort();
        let _ = death.await;
        server.faults.dead.store(false, Ordering::Relaxed);
        server.faults.per_mille.store(0, Ordering::Relaxed);
        match shipped {
            Ok(done) => {
                last = Some((n, done.id));
                if n % 7 == 6 {
                    prune(place.clone(), 1, true).await.expect("pruned");
                }
            }
            Err(_) => failed += 1,
        }
        let Some((n_last, id)) = &last else { continue };
        let header = Backups::new(place.clone()).header(id).await.expect("there");
        // A list whose answer was lost may be there.
        assert!(header.sequence == *n_last || header.sequence == n, "{n}");
        let found = bring_back(&place, id).await.expect("restores");
        assert_eq!(found, growing(header.sequence), "round {n}");
    }
    assert!(failed > 0, "no round failed");
    // Little is left behind: pieces of two logs, a few manifests.
    let own = server
        .keys()
        .into_iter()
        .filter(|key| key.contains("/continuous-"));
    let own: Vec<String> = own.collect();
    assert!(own.len() < 40, "{own:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn who_restores_slowly_finds_what_has_been_superseded() {
    let server = S3Server::start();
    let place = place(&server, "b");
    let ship = async |shipper: &mut Shipper, n| {
        let shipped = shipper
            .ship(spec(&place, n), Arc::default(), &Cancel::default())
            .await;
        shipped.expect("shipped").id
    };
    let own = || -> Vec<String> {
        let keys = server.keys().into_iter();
        keys.filter(|key| key.contains("/continuous-") && !key.ends_with(".manifest"))
            .collect()
    };
    let mut shipper = Shipper::new(place.clone(), 9);
    ship(&mut shipper, 1).await;
    let first = own();
    assert_eq!(first.len(), 2, "{first:?}");
    for n in 2..8 {
        ship(&mut shipper, n).await;
    }
    // So do those that come after a restart of the server.
    let mut shipper = Shipper::new(place.clone(), 9);
    for n in 8..11 {
        ship(&mut shipper, n).await;
    }
    assert!(
        first.iter().all(|key| server.file(key).exists()),
        "{:?}",
        own()
    );
    let mut shipper = Shipper::new(place.clone(), 9).keeping(Duration::ZERO);
    ship(&mut shipper, 11).await;
    ship(&mut shipper, 12).await;
    assert_eq!(own().len(), 2, "{:?}", own());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_may_go_soon_is_restored_first() {
    let server = S3Server::start();
    let place = place(&server, "b");
    let id = back_up(&place, 1).await.expect("done").id;
    let names: Arc<Mutex<Vec<String>>> = Arc::default();
    let (begun, files) = (Arc::clone(&names), Arc::default());
    let create = move |name: &str| -> Result<Box<dyn SinkFile>, BoxError> {
        begun.lock().unwrap().push(name.into());
        Ok(Box::new(Kept(name.into(), Vec::new(), Arc::clone(&files))))
    };
    let restored = restore(
        place,
        &id,
        Box::new(create),
        Arc::default(),
        Cancel::default(),
    )
    .await;
    assert_eq!(restored.expect("restored").files, 14);
    // Four at once.
    let names = names.lock().unwrap();
    let own = names.iter().take(4).filter(|name| !name.ends_with(".seg"));
    assert_eq!(own.count(), 2, "{names:?}");
}

#[tokio::test]
async fn files_of_a_killed_backup_that_are_there_by_half_are_pruned() {
    let dir = tempfile::tempdir().expect("a directory");
    let place = Place::local(dir.path(), "").expect("opens");
    back_up(&place, 1).await.expect("done");
    let own = dir.path().join("backups/continuous-0a");
    std::fs::create_dir_all(&own).expect("made");
    let half = [
        dir.path().join("files/x.seg#1"),
        dir.path().join("backups/y.manifest#1"),
    ];
    for file in half.iter().chain([&own.join("wal#1")]) {
        std::fs::write(file, "half").expect("written");
    }
    prune(place.clone(), 1, false).await.expect("pruned");
    assert!(!half.iter().any(|file| file.exists()));
    assert!(own.join("wal#1").exists(), "it may be under way");
    assert_eq!(all_are_whole(&place).await, 1);
}
