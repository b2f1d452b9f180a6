//! The last step, and the way back: the manifest when all files are whole, nothing when one is not.
//!
//! INVARIANT: while a manifest is there, so are all the files it names. It is written after them, and removed
//! before them. What was there before stays until all that takes its place is there: OVERWRITE of an export that
//! fails changes nothing.

use futures::{StreamExt, stream};
use object_store::PutPayload;
use object_store::path::Path;
use serde_json::json;

use super::before::Before;
use super::commit::commit;
use super::spec::{ExportSpec, PartFile};
use super::{Layout, delta};
use crate::error::{Result, TransferError};

/// Requests at once.
const AT_ONCE: usize = 16;
/// Times that removing is tried, each with the retries of a request.
const ROUNDS: usize = 3;

/// What an export has put, or begun to.
#[derive(Debug, Default)]
pub(super) struct Begun {
    pub(super) files: Vec<Path>,
    /// Its manifest may be there.
    pub(super) manifest: bool,
    /// Files whose uploads may not be given up.
    pub(super) hanging: Vec<Path>,
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
    let Some(path) = before.next_manifest(spec)? else {
        return retire_manifest(spec, before).await.map(|()| None);
    };
    if matches!(spec.layout, Layout::Delta) {
        let text = delta::log(spec, files, before.table())?;
        begun(true);
        commit(spec, before.table(), (&path, text.as_str()), begun).await?;
        return Ok(Some(place.url_of(&path)));
    }
    let text = manifest(spec, files);
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

/// Takes a manifest away in whose place no new one comes: alone, and before any file that it names.
async fn retire_manifest(spec: &ExportSpec, before: &Before) -> Result<()> {
    let Some(manifest) = before.manifest(spec) else {
        return Ok(());
    };
    match remove_all(spec, vec![manifest]).await.first() {
        Some(left) => Err(TransferError::Exists(spec.place.url_of(left))),
        None => Ok(()),
    }
}

/// Removes what was there before, but for what the new export has put in its place. What may still be there is
/// named.
pub(super) async fn remove_old(
    spec: &ExportSpec,
    before: &Before,
    files: &[PartFile],
) -> Vec<String> {
    named(spec, remove_all(spec, before.gone(spec, files)).await)
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
    let manifest = before.next_manifest(spec).ok().flatten();
    let left = match manifest.filter(|_| begun.manifest) {
        // A version of a log that could not be read may be another's.
        Some(manifest) if matches!(spec.layout, Layout::Delta) => {
            std::iter::once(manifest).chain(files).collect()
        }
        // While a manifest may be there, so are its files.
        Some(manifest) => match remove_all(spec, vec![manifest]).await {
            left if left.is_empty() => remove_all(spec, files).await,
            left => left.into_iter().chain(files).collect(),
        },
        None => remove_all(spec, files).await,
    };
    let hanging = begun.hanging.into_iter();
    let hanging: Vec<Path> = hanging.filter(|path| !left.contains(path)).collect();
    named(spec, left.into_iter().chain(hanging).collect())
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

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cancel::Cancel;
    use crate::export::Encoding;
    use crate::export::testing::{rows, run, spec};
    use crate::place::fake::{Fake, Fate};

    fn without_manifest(fake: &Fake) -> ExportSpec {
        ExportSpec {
            layout: Layout::Parts {
                manifest: false,
                extension: String::new(),
            },
            overwrite: true,
            ..spec(fake.place("p"))
        }
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_manifest_goes_before_the_files_that_it_names() {
        let fake = Fake::default();
        let content = || vec![rows(&[b"a"])];
        let first = run(spec(fake.place("p")), content(), Cancel::default()).await;
        first.result.expect("exported");
        fake.rule(|request| match request {
            "delete p.manifest" => Fate::Fails,
            _ => Fate::Done,
        });
        let refused = run(without_manifest(&fake), content(), Cancel::default()).await;
        refused.result.expect_err("the manifest cannot be removed");
        assert_eq!(refused.left, Vec::<String>::new());
        assert_eq!(fake.keys().await, ["p.manifest", "p.part_00000"]);
        fake.rule(|_| Fate::Done);
        let again = run(without_manifest(&fake), content(), Cancel::default()).await;
        again.result.expect("exported");
        assert_eq!(fake.keys().await, ["p.part_00001"]);
        let done = fake.done();
        let place = |name: &str| done.iter().position(|done| done == name).expect("done");
        assert!(
            place("delete p.manifest") < place("delete p.part_00000"),
            "{done:?}"
        );
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn a_log_that_cannot_be_written_leaves_the_table_that_was_there() {
        let fake = Fake::default();
        let delta = || ExportSpec {
            layout: Layout::Delta,
            encoding: Encoding::Parquet,
            overwrite: true,
            ..spec(fake.place("t"))
        };
        let once = async || run(delta(), vec![rows(&[b"a"])], Cancel::default()).await;
        once().await.result.expect("exported");
        // Another engine has gone on with it.
        for name in ["01.json", "01.checkpoint.parquet"] {
            let path = Path::from(format!("t/_delta_log/000000000000000000{name}"));
            let put = fake.place("").put(&path, "{}".into()).await;
            put.expect("written");
        }
        let (before, done) = (fake.keys().await, fake.done().len());
        let next = "put t/_delta_log/00000000000000000002.json";
        fake.rule(move |request| match request == next {
            true => Fate::Fails,
            false => Fate::Done,
        });
        let delivery = once().await;
        delivery.result.expect_err("the log cannot be written");
        assert_eq!(delivery.left, Vec::<String>::new());
        assert_eq!(fake.keys().await, before);
        // Not even for a moment.
        let done = fake.done().split_off(done);
        let [put, removed] = done.as_slice() else {
            panic!("{done:?}")
        };
        let name = put.strip_prefix("put ").expect("it is sent");
        assert!(name.starts_with("t/part_00000."), "{name}");
        assert_eq!(*removed, format!("delete {name}"));
        fake.rule(|_| Fate::Done);
        fake.place("")
            .remove(&Path::from("t/_delta_log/00000000000000000000.json"))
            .await
            .expect("removed");
        let error = once().await.result.expect_err("the log was cut");
        assert!(error.to_string().contains("version 0"), "{error}");
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn an_upload_that_hangs_is_told_of() {
        let fake = Fake::default();
        fake.rule(|request| match request.split_once(' ') {
            Some(("complete" | "abort", _)) => Fate::Fails,
            _ => Fate::Done,
        });
        let large = vec![7; 9 << 20];
        let delivery = run(
            spec(fake.place("p")),
            vec![rows(&[&large])],
            Cancel::default(),
        )
        .await;
        delivery.result.expect_err("it cannot be completed");
        assert_eq!(delivery.left, ["fake://p.part_00000"]);
    }

    #[tokio::test(flavor = "multi_thread")]
    async fn what_arrives_behind_a_cancel_is_removed() {
        for (request, bytes) in [("put", 9), ("begin", 9 << 20), ("complete", 9 << 20)] {
            let fake = Fake::default();
            fake.rule(move |asked| match asked.starts_with(request) {
                true => Fate::Late(Duration::from_millis(400)),
                false => Fate::Done,
            });
            let cancel = Cancel::default();
            let later = cancel.clone();
            tokio::spawn(async move {
                tokio::time::sleep(Duration::from_millis(200)).await;
                later.cancel();
            });
            let content = vec![rows(&[&vec![7; bytes]])];
            let delivery = run(spec(fake.place("p")), content, cancel).await;
            delivery.result.expect_err("cancelled");
            assert_eq!(delivery.left, Vec::<String>::new(), "{request}");
            tokio::time::sleep(Duration::from_millis(500)).await;
            assert_eq!(fake.keys().await, Vec::<String>::new(), "{request}");
            assert_eq!(fake.open_uploads(), 0, "{request}");
        }
    }
}
