//! Removing old backups, and files that no backup names any more.
//!
//! A backup under way counts on files that it has found. So it is marked before it looks, and pruning, which is
//! marked as well, stops when it sees such a mark: of two that begin at once, at least one sees the other.

use std::time::{Duration, Instant};

use chrono::TimeDelta;
use object_store::path::Path;

use super::Backups;
use super::copy::{is_fresh, named};
use super::places::{CONTINUOUS, RUNNING};
use crate::error::{Result, TransferError};
use crate::place::{Found, Place};

/// Longest time for removing files. What is left goes next time.
const PRUNE_MAX: Duration = Duration::from_secs(30 * 60);
/// The mark of pruning counts for so long.
pub(super) const PRUNE_MARK: TimeDelta = TimeDelta::hours(1);
/// A backup's mark counts for so long, unless it is said that none is under way.
const BACKUP_MAX: TimeDelta = TimeDelta::days(7);

/// What was removed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Pruned {
    /// Ids of backups.
    pub backups: Vec<String>,
    pub files: u64,
    pub bytes: u64,
}

/// Removes all but the newest `keep` whole backups, and all files that belong to none of those. `force`: no
/// backup is under way there, whatever marks say.
///
/// # Errors
/// `Place` when a backup is under way; `Content` when one is damaged: what its files are is not known then.
pub async fn prune(place: Place, keep: usize, force: bool) -> Result<Pruned> {
    let backups = Backups::new(place);
    let mark = backups.prune_path();
    let other = backups.marked(&mark).await?;
    if !force && other.is_some_and(|began| is_fresh(began, PRUNE_MARK)) {
        let why =
            "old backups are being removed there, or that was killed: if so, use --force".into();
        let place = backups.place.url();
        return Err(TransferError::Place { place, why });
    }
    backups.mark(&mark).await?;
    let pruned = run(&backups, keep, force).await;
    backups.unmark(&mark).await;
    pruned
}

async fn run(backups: &Backups, keep: usize, force: bool) -> Result<Pruned> {
    let began = Instant::now();
    let place = &backups.place;
    let (_, running) = backups.ids().await?;
    let mut stale = Vec::new();
    for id in running {
        let mark = backups.running_path(&id);
        let began = backups.marked(&mark).await?;
        if !force && began.is_some_and(|began| is_fresh(began, BACKUP_MAX)) {
            let why = format!("backup {id} is under way there, or was killed: if so, use --force");
            let place = place.url();
            return Err(TransferError::Place { place, why });
        }
        stale.extend(began.map(|_| mark));
    }
    // One of those may have ended meanwhile; what begins from now on sees the mark of this.
    let (ids, _) = backups.ids().await?;
    // Those that are renewed are always wanted, and clean up behind themselves.
    let (renewed, ids): (Vec<_>, Vec<_>) =
        ids.into_iter().partition(|id| id.starts_with(CONTINUOUS));
    let mut kept = Vec::new();
    for id in &renewed {
        kept.push(backups.manifest(id).await?);
    }
    for id in ids.iter().rev().take(keep.max(1)) {
        kept.push(backups.manifest(id).await?);
    }
    let mut pruned = Pruned::default();
    for id in ids.iter().rev().skip(keep.max(1)) {
        place.remove(&backups.manifest_path(id)).await?;
        pruned.backups.push(id.clone());
    }
    for mark in &stale {
        backups.unmark(mark).await;
    }
    let named: std::collections::HashSet<Path> =
        named(&kept).iter().map(|path| backups.path(path)).collect();
    let manifests: Vec<Path> = kept
        .iter()
        .map(|manifest| backups.manifest_path(&manifest.header.id))
        .collect();
    for directory in ["files", "backups"] {
        let unfinished = backups.unfinished(directory).await?.into_iter();
        let unfinished = unfinished.map(|path| Found::new(path, 0));
        for found in backups
            .below(directory)
            .await?
            .into_iter()
            .chain(unfinished)
        {
            // A mark that has come since says that a backup has begun, which will look for this one's.
            if found.path.as_ref().ends_with(RUNNING)
                || is_of_renewed(&found.path, backups)
                || named.contains(&found.path)
                || manifests.contains(&found.path)
            {
                continue;
            }
            if began.elapsed() > PRUNE_MAX {
                return Ok(pruned);
            }
            place.remove(&found.path).await?;
            pruned.files += 1;
            pruned.bytes += found.bytes;
        }
    }
    Ok(pruned)
}

/// Whether a file belongs to a backup that is renewed, which may have sent it before its manifest names it.
fn is_of_renewed(path: &Path, backups: &Backups) -> bool {
    let below = path.prefix_match(&backups.path("backups"));
    let own = below.and_then(|mut parts| parts.next());
    own.is_some_and(|part| part.as_ref().starts_with(CONTINUOUS))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::backup::BackupHeader;
    use crate::backup::manifest::{FORMAT, FileEntry, Manifest, Piece};
    use crate::place::fake::{Fake, Fate};

    /// A backup of one file of its own.
    fn manifest(id: &str) -> Vec<u8> {
        let header = BackupHeader {
            format: FORMAT,
            id: id.into(),
            title: "ALL".into(),
            database: "0".into(),
            sequence: 1,
            moment: chrono::DateTime::UNIX_EPOCH,
            version: "test".into(),
            writer: None,
        };
        let file = FileEntry {
            name: "MANIFEST".into(),
            bytes: 1,
            sha256: String::new(),
            objects: vec![Piece {
                path: format!("backups/{id}/MANIFEST"),
                bytes: 1,
            }],
        };
        let files = vec![file];
        Manifest { header, files }.encode().expect("writes")
    }

    fn add(fake: &Fake, id: &str) {
        fake.insert(&format!("backups/{id}/MANIFEST"), "1");
        let text = manifest(id);
        let text = String::from_utf8(text).expect("text");
        fake.insert(&format!("backups/{id}.manifest"), &text);
    }

    fn mark() -> String {
        format!("{{\"began\": \"{}\"}}", chrono::Utc::now().to_rfc3339())
    }

    #[tokio::test]
    async fn a_backup_that_ends_while_it_is_looked_at_is_whole() {
        let fake = Fake::default();
        add(&fake, "1");
        fake.insert("backups/2.running", &mark());
        fake.insert("backups/2/MANIFEST", "1");
        let own = fake.clone();
        fake.rule(move |request| {
            if request == "get backups/2.running" {
                add(&own, "2");
                own.take_away("backups/2.running");
            }
            Fate::Done
        });
        let pruned = prune(fake.place(""), 1, false).await.expect("pruned");
        assert_eq!(pruned.backups, ["1"]);
        assert_eq!(
            fake.keys().await,
            ["backups/2.manifest", "backups/2/MANIFEST"]
        );
    }

    #[tokio::test]
    async fn the_mark_of_a_backup_that_begins_meanwhile_stays() {
        let fake = Fake::default();
        add(&fake, "1");
        add(&fake, "2");
        let own = fake.clone();
        fake.rule(move |request| {
            if request == "delete backups/1.manifest" {
                own.insert("backups/3.running", &mark());
            }
            Fate::Done
        });
        let pruned = prune(fake.place(""), 1, false).await.expect("pruned");
        assert_eq!(pruned.backups, ["1"]);
        assert!(fake.keys().await.contains(&"backups/3.running".into()));
    }
}
