//! What is asked of a place, with errors in words that may be shown.

use bytes::Bytes;
use object_store::path::Path;
use object_store::{Error, MultipartUpload, ObjectStoreExt, PutPayload};

use super::list::blocking;
use super::local::is_staged;
use super::{Kind, Place};
use crate::error::{Result, TransferError};

/// Longest answer of a server that is passed on.
const WORDS_MAX: usize = 300;

/// A file that is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    pub path: Path,
    pub bytes: u64,
    /// What is known of its content, which who reads it compares.
    pub said: Said,
}

/// What a manifest says of a file's content, if it does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Said {
    pub rows: Option<u64>,
    /// SHA-256 of the file, in hexadecimal digits.
    pub sha256: Option<String>,
}

impl Found {
    /// A file of which nothing is said.
    pub fn new(path: Path, bytes: u64) -> Self {
        Self {
            path,
            bytes,
            said: Said::default(),
        }
    }
}

impl Place {
    pub(crate) async fn put(&self, path: &Path, content: PutPayload) -> Result<()> {
        self.check(path).await?;
        let put = self.store.put(path, content).await;
        put.map(|_| ()).map_err(|e| self.error("writing", path, &e))
    }

    pub(crate) async fn put_multipart(&self, path: &Path) -> Result<Box<dyn MultipartUpload>> {
        self.check(path).await?;
        let begun = self.store.put_multipart(path).await;
        begun.map_err(|e| self.error("writing", path, &e))
    }

    /// # Errors
    /// `Missing`, `Store`
    pub async fn size(&self, path: &Path) -> Result<u64> {
        self.check(path).await?;
        let meta = self.store.head(path).await;
        meta.map(|meta| meta.size)
            .map_err(|e| self.error("reading", path, &e))
    }

    /// Removes a file; one that is not there is no error.
    ///
    /// # Errors
    /// `Store`
    pub async fn remove(&self, path: &Path) -> Result<()> {
        self.check(path).await?;
        if let Kind::Local(root) = &self.kind
            && is_staged(path)
        {
            // The store hides such files, and does not touch them.
            let (root, path) = (root.clone(), path.clone());
            return blocking(move || root.remove(&path)).await;
        }
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
        self.check(path).await?;
        let failed = |e: Error| self.error("reading", path, &e);
        let got = self.store.get(path).await.map_err(failed)?;
        got.bytes().await.map_err(failed)
    }

    pub(crate) async fn read_range(
        &self,
        path: &Path,
        range: std::ops::Range<u64>,
    ) -> Result<Bytes> {
        self.check(path).await?;
        let got = self.store.get_range(path, range).await;
        got.map_err(|e| self.error("reading", path, &e))
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
            .map(|meta| Found::new(meta.location, meta.size))
            .collect();
        files.sort_by(|a, b| a.path.cmp(&b.path));
        Ok(files)
    }

    /// Whether a file that was not finished leaves nothing, also after a power cut: in stores, but not in a
    /// directory of this machine.
    pub(crate) fn is_atomic(&self) -> bool {
        matches!(self.kind, Kind::Store(_))
    }

    /// That no link leads elsewhere than it may.
    pub(super) async fn check(&self, path: &Path) -> Result<()> {
        match &self.kind {
            Kind::Local(root) if root.is_confined() => {
                let (root, file) = (root.clone(), root.file(path.as_ref()));
                blocking(move || root.check(&file)).await
            }
            _ => Ok(()),
        }
    }

    /// Makes files of this machine durable, and their names; a store has done so when it answered. Blocking.
    ///
    /// # Errors
    /// `Io`
    pub(crate) fn make_durable(&self, paths: &[Path]) -> Result<()> {
        let Kind::Local(root) = &self.kind else {
            return Ok(());
        };
        let root = root.directory();
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

    pub(crate) fn error(
        &self,
        what: &'static str,
        path: impl AsRef<str>,
        error: &Error,
    ) -> TransferError {
        let name = format!("{}{}", self.base, path.as_ref());
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
        let shown = place.error("writing", "a", &error).to_string();
        assert!(shown.ends_with("Nope bad key ***"), "{shown}");
    }
}
