//! The last step, and the way back: the manifest when all files are whole, nothing when one is not.
//!
//! INVARIANT: while a manifest is there, so are all the files it names. It is written after them. What was
//! there before stays until all that takes its place is there: OVERWRITE of an export that fails changes
//! nothing.

use std::collections::BTreeSet;

use futures::{StreamExt, stream};
use object_store::PutPayload;
use object_store::path::Path;
use serde_json::json;

use super::spec::{ExportSpec, PartFile};
use super::{Layout, delta};
use crate::error::{Result, TransferError};

/// Requests at once.
const AT_ONCE: usize = 16;
/// Times that removing is tried, each with the retries of a request.
const ROUNDS: usize = 3;

/// What was there under an export's name before it.
#[derive(Debug, Default)]
pub(super) struct Before(BTreeSet<Path>);

impl Before {
    /// `Exists` when there is something and it is not to be overwritten.
    pub(super) async fn look(spec: &ExportSpec) -> Result<Self> {
        let place = &spec.place;
        let below = !matches!(spec.layout, Layout::Single);
        let there = place.files(place.path(), below).await?;
        let owned = there.into_iter().map(|found| found.path);
        let owned = owned.filter(|p| spec.layout.owns(place.path(), p));
        let before = Self(owned.collect());
        match before.0.first() {
            Some(first) if !spec.overwrite => Err(TransferError::Exists(place.url_of(first))),
            _ => Ok(before),
        }
    }

    pub(super) fn has(&self, path: &Path) -> bool {
        self.0.contains(path)
    }

    /// Removes it, but for what the new export has put in its place. What may still be there is named.
    pub(super) async fn remove(&self, spec: &ExportSpec, files: &[PartFile]) -> Vec<String> {
        let mut old = self.0.clone();
        for file in files {
            old.remove(&file.path);
        }
        if let Some(manifest) = spec.layout.manifest(spec.place.path()) {
            old.remove(&manifest);
        }
        named(spec, remove_all(spec, old.into_iter().collect()).await)
    }

    /// Entries of a table's log that would go on behind the new first one.
    fn later_entries(&self, spec: &ExportSpec, manifest: &Path) -> Vec<Path> {
        let log = format!("{}/_delta_log/", spec.place.path());
        let later = |path: &&Path| path.to_string().starts_with(&log) && *path != manifest;
        match spec.layout {
            Layout::Delta => self.0.iter().filter(later).cloned().collect(),
            _ => Vec::new(),
        }
    }
}

/// What an export has put, or begun to.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) files: Vec<Path>,
    /// Its manifest may be there.
    pub(super) manifest: bool,
}

/// Writes the manifest; where it is. `begun`: called before it may be there, with true, and with false when
/// it is known not to be.
pub(super) async fn publish(
    spec: &ExportSpec,
    files: &[PartFile],
    before: &Before,
    begun: impl Fn(bool),
) -> Result<Option<String>> {
    let place = &spec.place;
    let Some(path) = spec.layout.manifest(place.path()) else {
        return Ok(None);
    };
    let text = match spec.layout {
        Layout::Delta => delta::log(spec, files)?,
        _ => manifest(spec, files),
    };
    let later = remove_all(spec, before.later_entries(spec, &path)).await;
    if let Some(left) = later.first() {
        return Err(TransferError::Exists(place.url_of(left)));
    }
    begun(true);
    let content = PutPayload::from(text.clone().into_bytes());
    if let Err(error) = place.put(&path, content).await {
        // The answer may have been lost, and not what was sent.
        match place.read(&path).await {
            Ok(there) if there == text.as_bytes() => {}
            Ok(_) => {
                begun(false);
                return Err(error);
            }
            Err(_) => return Err(error),
        }
    }
    Ok(Some(place.url_of(&path)))
}

/// As Aurora and Redshift read it.
fn manifest(spec: &ExportSpec, files: &[PartFile]) -> String {
    let entries = files.iter().map(|file| {
        json!({
            "url": spec.place.url_of(&file.path),
            "meta": {
                "content_length": file.bytes,
                "record_count": file.rows,
                "sha256": file.sha256,
            },
        })
    });
    json!({ "entries": entries.collect::<Vec<_>>() }).to_string()
}

/// Removes what a failed export has left. What may still be there is named.
pub(super) async fn clean_up(spec: &ExportSpec, before: &Before, begun: Begun) -> Vec<String> {
    let files = begun.files.into_iter();
    let files: Vec<Path> = files.filter(|path| !before.has(path)).collect();
    let manifest = spec.layout.manifest(spec.place.path());
    if let Some(manifest) = manifest.filter(|_| begun.manifest) {
        let left = match before.has(&manifest) {
            // The old one or the new one: whichever it is, what it names must stay.
            true => vec![manifest],
            false => remove_all(spec, vec![manifest]).await,
        };
        if !left.is_empty() {
            return named(spec, left.into_iter().chain(files).collect());
        }
    }
    named(spec, remove_all(spec, files).await)
}

fn named(spec: &ExportSpec, paths: Vec<Path>) -> Vec<String> {
    let paths = paths.iter();
    paths.map(|path| spec.place.url_of(path)).collect()
}

/// Those that could not be removed.
async fn remove_all(spec: &ExportSpec, mut paths: Vec<Path>) -> Vec<Path> {
    for _ in 0..ROUNDS {
        let removals = stream::iter(paths).map(|path| async move {
            let removed = spec.place.remove(&path).await;
            (path, removed)
        });
        let results: Vec<_> = removals.buffer_unordered(AT_ONCE).collect().await;
        let failed = results.into_iter().filter_map(|(path, removed)| {
            let error = removed.err()?;
            tracing::warn!(%error, "a file of an export could not be removed");
            Some(path)
        });
        paths = failed.collect();
        if paths.is_empty() {
            break;
        }
    }
    paths
}
