//! Where things are in a place of backups, and what is there.

use std::collections::BTreeSet;

use chrono::{DateTime, Utc};
use futures::{StreamExt, stream};
use object_store::PutPayload;
use object_store::path::Path;
use serde_json::json;

use super::manifest::{BackupHeader, Manifest};
use crate::error::{Result, TransferError};
use crate::place::{Found, Place};

/// What the id of a backup begins with that is renewed all the time. Behind all dates.
pub(super) const CONTINUOUS: &str = "continuous-";
/// The title of what is of everything.
const ALL: &str = "ALL";
const MANIFEST: &str = ".manifest";
pub(super) const RUNNING: &str = ".running";
/// Manifests read at once.
const AT_ONCE: usize = 8;

/// A place of backups.
#[derive(Debug, Clone)]
pub struct Backups {
    pub(super) place: Place,
}

/// A backup that is there.
#[derive(Debug, Clone)]
pub struct Listed {
    pub id: String,
    /// Header, files and bytes of a whole one; what is wrong with another.
    pub state: Result<(BackupHeader, u64, u64), String>,
}

impl Backups {
    /// `place`: its path is the directory of all backups.
    pub fn new(place: Place) -> Self {
        Self { place }
    }

    /// A path in it.
    pub(super) fn path(&self, below: &str) -> Path {
        let parts = below.split('/');
        parts.fold(self.place.path().clone(), |path, part| path.join(part))
    }

    /// The files below a directory in it.
    pub(super) async fn below(&self, directory: &str) -> Result<Vec<Found>> {
        self.place
            .files(&format!("{}/", self.path(directory)))
            .await
    }

    /// What writing below a directory has left that was killed.
    pub(super) async fn unfinished(&self, directory: &str) -> Result<Vec<Path>> {
        let directory = format!("{}/", self.path(directory));
        self.place.unfinished(&directory).await
    }

    pub(super) fn manifest_path(&self, id: &str) -> Path {
        self.path(&format!("backups/{id}{MANIFEST}"))
    }

    pub(super) fn running_path(&self, id: &str) -> Path {
        self.path(&format!("backups/{id}{RUNNING}"))
    }

    pub(super) fn prune_path(&self) -> Path {
        self.path("prune.running")
    }

    /// Ids of what has manifests, and of what is or was under way; oldest first.
    pub(super) async fn ids(&self) -> Result<(Vec<String>, Vec<String>)> {
        let found = self.place.inside(&self.path("backups")).await?;
        let with = |end: &str| -> Vec<String> {
            let names = found.iter().filter_map(|found| found.path.filename());
            let ids = names.filter_map(|name| name.strip_suffix(end));
            ids.map(str::to_owned).collect()
        };
        Ok((with(MANIFEST), with(RUNNING)))
    }

    pub(super) async fn manifest(&self, id: &str) -> Result<Manifest> {
        let path = self.manifest_path(id);
        let text = self.place.read(&path).await?;
        let manifest = Manifest::decode(&self.place.url_of(&path), &text)?;
        match manifest.header.id == id {
            true => Ok(manifest),
            false => Err(TransferError::content(
                self.place.url_of(&path),
                "the list is of another backup",
            )),
        }
    }

    /// All backups, oldest first: the whole ones, damaged ones, and those that were begun only.
    ///
    /// # Errors
    /// `Store`
    pub async fn list(&self) -> Result<Vec<Listed>> {
        let (ids, running) = self.ids().await?;
        let read = stream::iter(&ids).map(|id| async move {
            let state = match self.manifest(id).await {
                Ok(manifest) => {
                    let (files, bytes) = (manifest.files.len() as u64, manifest.bytes());
                    Ok((manifest.header, files, bytes))
                }
                Err(error @ TransferError::Content { .. }) => Err(error.to_string()),
                Err(error) => return Err(error),
            };
            let id = id.clone();
            Ok(Listed { id, state })
        });
        let listed: Vec<Result<Listed>> = read.buffered(AT_ONCE).collect().await;
        let mut listed = listed.into_iter().collect::<Result<Vec<_>>>()?;
        let unfinished = running.into_iter().filter(|id| !ids.contains(id));
        listed.extend(unfinished.map(|id| Listed {
            id,
            state: Err("under way, or given up".into()),
        }));
        listed.sort_by(|a, b| a.id.cmp(&b.id));
        Ok(listed)
    }

    /// What a backup is.
    ///
    /// # Errors
    /// `Missing`, `Content`, `Store`
    pub async fn header(&self, id: &str) -> Result<BackupHeader> {
        Ok(self.manifest(id).await?.header)
    }

    /// The newest whole backup, or the newest of a moment or before: of everything, or of what `of` names. Where
    /// there is none of everything and nothing is named, all must be of one database.
    ///
    /// # Errors
    /// `Place` where there is none, or it is not clear what is meant; `Store`
    pub async fn newest(
        &self,
        of: Option<&str>,
        at: Option<DateTime<Utc>>,
    ) -> Result<BackupHeader> {
        let whole = self.list().await?.into_iter().filter_map(|b| b.state.ok());
        let mut headers: Vec<BackupHeader> = whole.map(|(header, ..)| header).collect();
        let titles: BTreeSet<String> = headers.iter().map(|h| h.title.clone()).collect();
        let of = of.or_else(|| titles.contains(ALL).then_some(ALL));
        if of.is_none() && titles.len() > 1 {
            let titles: Vec<String> = titles.into_iter().collect();
            let why = format!("backups of {}: which one is meant?", titles.join(", "));
            let place = self.place.url();
            return Err(TransferError::Place { place, why });
        }
        headers.retain(|header| of.is_none_or(|of| header.title == of));
        headers.retain(|header| at.is_none_or(|at| header.moment <= at));
        let newest = headers
            .into_iter()
            .max_by_key(|header| (header.moment, header.sequence));
        newest.ok_or_else(|| {
            let of = of.map(|of| format!(" of {of}")).unwrap_or_default();
            let when = at
                .map(|at| format!(" at {at} or before"))
                .unwrap_or_default();
            let why = format!("no whole backup{of}{when} is there");
            let place = self.place.url();
            TransferError::Place { place, why }
        })
    }

    /// Says that something is under way.
    pub(super) async fn mark(&self, path: &Path) -> Result<()> {
        let text = json!({ "began": Utc::now().to_rfc3339(), "process": std::process::id() });
        let text = PutPayload::from(text.to_string().into_bytes());
        self.place.put(path, text).await
    }

    /// When it began, if it is under way; a mark that cannot be read is as old as can be.
    pub(super) async fn marked(&self, path: &Path) -> Result<Option<DateTime<Utc>>> {
        let text = match self.place.read(path).await {
            Err(TransferError::Missing(_)) => return Ok(None),
            text => text?,
        };
        let json: serde_json::Value = serde_json::from_slice(&text).unwrap_or_default();
        let began = json.get("began").and_then(|began| began.as_str());
        let began = began.and_then(|began| began.parse().ok());
        Ok(Some(began.unwrap_or(DateTime::UNIX_EPOCH)))
    }

    /// What is not there any more needs no mark. A mark that stays is an old one some day.
    pub(super) async fn unmark(&self, path: &Path) {
        if let Err(error) = self.place.remove(path).await {
            tracing::warn!(%error, "the mark of a backup could not be removed");
        }
    }
}
