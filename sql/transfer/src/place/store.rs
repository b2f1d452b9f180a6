//! What is asked of a place, with errors in words that may be shown.

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStoreExt, PutPayload};

use super::Place;
use crate::error::{Result, TransferError};

/// Longest answer of a server that is passed on.
const WORDS_MAX: usize = 300;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: Path,
    pub bytes: u64,
}

impl Place {
    pub(crate) async fn put(&self, path: &Path, content: PutPayload) -> Result<()> {
        let put = self.store.put(path, content).await;
        put.map(|_| ()).map_err(|e| self.error("writing", path, &e))
    }

    pub(crate) async fn put_multipart(&self, path: &Path) -> Result<Box<dyn MultipartUpload>> {
        let begun = self.store.put_multipart(path).await;
        begun.map_err(|e| self.error("writing", path, &e))
    }

    /// # Errors
    /// `Missing`, `Store`
    pub async fn size(&self, path: &Path) -> Result<u64> {
        let meta = self.store.head(path).await;
        meta.map(|meta| meta.size)
            .map_err(|e| self.error("reading", path, &e))
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// `Store`
    pub async fn remove(&self, path: &Path) -> Result<()> {
        match self.store.delete(path).await {
            Ok(()) | Err(Error::NotFound { .. }) => Ok(()),
            Err(e) => Err(self.error("removing", path, &e)),
        }
    }

    /// A whole file, which is known to be small.
    ///
    /// # Errors
    /// `Missing`, `Store`
    pub async fn read(&self, path: &Path) -> Result<Bytes> {
        let failed = |e: Error| self.error("reading", path, &e);
        let got = self.store.get(path).await.map_err(failed)?;
        got.bytes().await.map_err(failed)
    }

    pub(crate) async fn read_range(
        &self,
        path: &Path,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes> {
        let got = self.store.get_range(path, range).await;
        got.map_err(|e| self.error("reading", path, &e))
    }

    /// The files in the directory of `path` whose names begin as `path` ends, and, with `below`, those in
    /// the directory `path`. By name.
    ///
    /// # Errors
    /// `Store`
    pub async fn files(&self, path: &Path, below: bool) -> Result<Vec<Found>> {
        let failed = |e: Error| self.error("listing", path, &e);
        let text = path.as_ref();
        let (parent, name) = text.rsplit_once('/').unwrap_or(("", text));
        let parent = Path::parse(parent).ok().filter(|_| !parent.is_empty());
        let beside = self.store.list_with_delimiter(parent.as_ref()).await;
        let beside = match beside {
            Ok(found) => found.objects,
            Err(Error::NotFound { .. }) => Vec::new(),
            Err(e) => return Err(failed(e)),
        };
        let mut files: Vec<Found> = beside
            .into_iter()
            .filter(|meta| {
                meta.location
                    .filename()
                    .is_some_and(|f| f.starts_with(name))
            })
            .map(|meta| Found {
                path: meta.location,
                bytes: meta.size,
            })
            .collect();
        if below {
            let inside: Vec<_> = match self.store.list(Some(path)).try_collect().await {
                Ok(inside) => inside,
                Err(Error::NotFound { .. }) => Vec::new(),
                Err(e) => return Err(failed(e)),
            };
            files.extend(inside.into_iter().map(|meta| Found {
                path: meta.location,
                bytes: meta.size,
            }));
        }
        files.sort_by(|a, b| a.path.cmp(&b.path));
        files.dedup();
        Ok(files)
    }

    /// The files directly in a directory, by name.
    ///
    /// # Errors
    /// `Store`
    pub(crate) async fn inside(&self, directory: &Path) -> Result<Vec<Found>> {
        let listed = self.store.list_with_delimiter(Some(directory)).await;
        let objects = match listed {
            Ok(found) => found.objects,
            Err(Error::NotFound { .. }) => Vec::new(),
            Err(e) => return Err(self.error("listing", directory, &e)),
        };
        let mut files: Vec<Found> = objects
            .into_iter()
            .map(|meta| Found {
                path: meta.location,
                bytes: meta.size,
            })
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Whether a file that was not finished leaves nothing, also after a power cut: in stores, but not in a
    /// directory of this machine.
    pub(crate) fn is_atomic(&self) -> bool {
        self.local.is_none()
    }

    /// Makes files of this machine durable, and their names; a store has done so when it answered. Blocking.
    ///
    /// # Errors
    /// `Io`
    pub(crate) fn make_durable(&self, paths: &[Path]) -> Result<()> {
        let Some(root) = &self.local else {
            return Ok(());
        };
        let mut directories = std::collections::BTreeSet::new();
        for path in paths {
            let file = root.join(path.as_ref());
            std::fs::File::open(&file)?.sync_all()?;
            let above = file.ancestors().skip(1).map(std::path::Path::to_path_buf);
            directories.extend(above.take_while(|directory| directory.starts_with(root)));
        }
        for directory in directories {
            std::fs::File::open(directory)?.sync_all()?;
        }
        Ok(())
    }

    pub(crate) fn error(&self, what: &'static str, path: &Path, error: &Error) -> TransferError {
        let name = self.url_of(path);
        match error {
            Error::NotFound { .. } => TransferError::Missing(name),
            Error::AlreadyExists { .. } => TransferError::Exists(name),
            other => TransferError::Store {
                what,
                name,
                why: self.shown(&words(other)),
            },
        }
    }

    /// Text without the secrets that are in use.
    fn shown(&self, text: &str) -> String {
        let mut text = text.to_owned();
        for secret in self.secrets.iter() {
            text = text.replace(secret.as_str(), "***");
        }
        text
    }
}

/// The cause at the end of the chain, or the code and the message of a server's XML.
fn words(error: &Error) -> String {
    let whole = error.to_string();
    let tag = |name: &str| {
        let (_, rest) = whole.split_once(&format!("<{name}>"))?;
        let (text, _) = rest.split_once('<')?;
        Some(text.to_owned())
    };
    if let Some(code) = tag("Code") {
        let message = tag("Message").unwrap_or_default();
        return cut(format!("{code} {message}").trim());
    }
    let mut cause: &dyn std::error::Error = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cut(&cause.to_string())
}

fn cut(text: &str) -> String {
    let printable = text.chars().map(|c| if c.is_control() { ' ' } else { c });
    printable.take(WORDS_MAX).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_that_a_server_repeats_is_blotted_out() {
        let mut place = Place::local(&std::env::temp_dir(), "x").expect("opens");
        place.secrets = ["CANARY-KEY".to_owned()].into();
        let source = "<Code>Nope</Code><Message>bad key CANARY-KEY\r\n</Message>";
        let error = Error::Generic {
            store: "S3",
            source: source.into(),
        };
        let shown = place.error("writing", &Path::from("a"), &error).to_string();
        assert!(shown.ends_with("Nope bad key ***"), "{shown}");
    }

    #[tokio::test]
    async fn files_beside_and_below_are_told_apart() {
        let dir = tempfile::tempdir().expect("directory");
        let place = Place::local(dir.path(), "a/p").expect("opens");
        for name in ["a/p.part_0", "a/p.manifest", "a/q", "a/p/x=1/f", "a/pq/f"] {
            let path = Path::from(name);
            place
                .put(&path, PutPayload::from_static(b"1"))
                .await
                .expect("written");
        }
        let names = async |below| {
            let files = place.files(place.path(), below).await.expect("lists");
            let names = files.iter().map(|f| f.path.to_string());
            names.collect::<Vec<_>>()
        };
        assert_eq!(names(false).await, ["a/p.manifest", "a/p.part_0"]);
        let all = ["a/p.manifest", "a/p.part_0", "a/p/x=1/f"];
        assert_eq!(names(true).await, all);
    }
}
