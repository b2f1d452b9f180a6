//! Writing where others may write, too: only if nothing is there, or if what is there is what was seen before.
//!
//! A store decides that itself, and so does a directory for a file that is not there. Where that is not to be had,
//! what is there is looked at right before it is written. Between the two somebody may still come: it is the best
//! there is.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{
    Error, GetOptions, GetRange, ObjectMeta, ObjectStoreExt, PutMode, PutPayload, UpdateVersion,
};

use super::Place;
use crate::error::{Result, TransferError};

impl Place {
    /// The beginning of a file, and which one it is; `None`: it is not there.
    pub(crate) async fn look(
        &self,
        path: &Path,
        bytes: u64,
    ) -> Result<Option<(Bytes, UpdateVersion)>> {
        self.check(path).await?;
        let options = GetOptions {
            range: Some(GetRange::Bounded(0..bytes)),
            ..GetOptions::default()
        };
        let failed = |e: Error| self.error("reading", path, &e);
        let got = match self.store.get_opts(path, options).await {
            Ok(got) => got,
            Err(Error::NotFound { .. }) => return Ok(None),
            Err(error) => {
                // An empty file, as after a power cut, has no beginning.
                return match self.store.head(path).await {
                    Ok(meta) if meta.size == 0 => Ok(Some((Bytes::new(), seen(&meta)))),
                    _ => Err(failed(error)),
                };
            }
        };
        let version = seen(&got.meta);
        Ok(Some((got.bytes().await.map_err(failed)?, version)))
    }

    /// Writes a file that is not there. `Exists` when there is one.
    pub(crate) async fn create(&self, path: &Path, content: PutPayload) -> Result<()> {
        self.replace(path, content, None).await
    }

    /// Writes a file in the place of the one that was seen; `None`: of none. `Exists` when there is another.
    pub(crate) async fn replace(
        &self,
        path: &Path,
        content: PutPayload,
        old: Option<&UpdateVersion>,
    ) -> Result<()> {
        self.check(path).await?;
        let exists = || TransferError::Exists(self.url_of(path));
        let failed = |e: Error| self.error("writing", path, &e);
        let mode = old.map_or(PutMode::Create, |old| PutMode::Update(old.clone()));
        match self
            .store
            .put_opts(path, content.clone(), mode.into())
            .await
        {
            Ok(_) => return Ok(()),
            Err(error) if is_unsupported(&error) => {}
            Err(
                Error::AlreadyExists { .. }
                | Error::Precondition { .. }
                | Error::NotModified { .. },
            ) => return Err(exists()),
            Err(error) => return Err(failed(error)),
        }
        let there = match self.store.head(path).await {
            Ok(meta) => Some(seen(&meta)),
            Err(Error::NotFound { .. }) => None,
            Err(error) => return Err(failed(error)),
        };
        match there.as_ref() == old {
            true => self.put(path, content).await,
            false => Err(exists()),
        }
    }
}

fn seen(meta: &ObjectMeta) -> UpdateVersion {
    UpdateVersion {
        e_tag: meta.e_tag.clone(),
        version: meta.version.clone(),
    }
}

/// Whether the condition is what was refused: by the client, by a server in S3's words, or by a file system that
/// has no hard links, with which a file is made that must not be there.
fn is_unsupported(error: &Error) -> bool {
    if matches!(
        error,
        Error::NotImplemented { .. } | Error::NotSupported { .. }
    ) {
        return true;
    }
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(error) = cause {
        let io = error.downcast_ref::<std::io::Error>();
        let kind = io.map(std::io::Error::kind);
        if let Some(std::io::ErrorKind::Unsupported | std::io::ErrorKind::PermissionDenied) = kind {
            return true;
        }
        cause = error.source();
    }
    error.to_string().contains("<Code>NotImplemented</Code>")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::place::fake::Fake;

    /// Stores with and without conditions, and a directory.
    fn places(dir: &std::path::Path) -> [Place; 3] {
        let plain = Fake::default();
        plain.without_conditions();
        let local = Place::local(dir, "").expect("opens");
        [Fake::default().place(""), plain.place(""), local]
    }

    #[tokio::test]
    async fn what_is_there_is_replaced_only_if_it_is_what_was_seen() {
        let dir = tempfile::tempdir().expect("a directory");
        for place in places(dir.path()) {
            let path = Path::from("a/b");
            assert!(place.look(&path, 9).await.expect("looks").is_none());
            place.create(&path, "one".into()).await.expect("written");
            let error = place.create(&path, "two".into()).await;
            let error = error.expect_err("it is there");
            assert!(matches!(error, TransferError::Exists(_)), "{error}");
            let looked = place.look(&path, 2).await.expect("looks");
            let (begin, first) = looked.expect("there");
            assert_eq!(begin, "on");
            let put = place.replace(&path, "three".into(), Some(&first)).await;
            put.expect("written");
            let error = place.replace(&path, "four".into(), Some(&first)).await;
            let error = error.expect_err("it is another one");
            assert!(matches!(error, TransferError::Exists(_)), "{error}");
            assert_eq!(place.read(&path).await.expect("reads"), "three");
            place.remove(&path).await.expect("removed");
            let gone = place.replace(&path, "five".into(), Some(&first)).await;
            assert!(gone.is_err(), "what was seen is gone");
            place.create(&path, "".into()).await.expect("written");
            let looked = place.look(&path, 2).await.expect("looks");
            let (begin, empty) = looked.expect("there");
            assert!(begin.is_empty());
            let put = place.replace(&path, "six".into(), Some(&empty)).await;
            put.expect("written");
        }
    }
}
