//! The last step, and the way back: the manifest when all files are whole, nothing when one is not.
//!
//! INVARIANT: while a manifest is there, so are all the files it names. It is written after them, and
//! removed before them.

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

/// What is in the way of an export. With OVERWRITE it is removed, its manifest first.
pub(super) async fn make_room(spec: &ExportSpec) -> Result<()> {
    let place = &spec.place;
    let below = !matches!(spec.layout, Layout::Single);
    let there = place.files(place.path(), below).await?;
    let owned = there.into_iter().map(|found| found.path);
    let owned: Vec<Path> = owned
        .filter(|p| spec.layout.owns(place.path(), p))
        .collect();
    match owned.first() {
        None => return Ok(()),
        Some(first) if !spec.overwrite => return Err(TransferError::Exists(place.url_of(first))),
        Some(_) => {}
    }
    if let Some(manifest) = spec.layout.manifest(place.path()) {
        place.remove(&manifest).await?;
    }
    match remove_all(spec, owned).await.first() {
        None => Ok(()),
        Some(left) => Err(TransferError::Exists(place.url_of(left))),
    }
}

/// Writes the manifest; where it is.
pub(super) async fn publish(spec: &ExportSpec, files: &[PartFile]) -> Result<Option<String>> {
    let place = &spec.place;
    let Some(path) = spec.layout.manifest(place.path()) else {
        return Ok(None);
    };
    let text = match spec.layout {
        Layout::Delta => delta::log(spec, files)?,
        _ => manifest(spec, files),
    };
    place
        .put(&path, PutPayload::from(text.into_bytes()))
        .await?;
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
pub(super) async fn clean_up(spec: &ExportSpec, started: Vec<Path>) -> Vec<String> {
    let place = &spec.place;
    let named = |paths: Vec<Path>| paths.iter().map(|path| place.url_of(path)).collect();
    if let Some(manifest) = spec.layout.manifest(place.path()) {
        let left = remove_all(spec, vec![manifest]).await;
        if !left.is_empty() {
            // It may be there, so what it names must stay.
            let all = left.into_iter().chain(started);
            return named(all.collect());
        }
    }
    named(remove_all(spec, started).await)
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
