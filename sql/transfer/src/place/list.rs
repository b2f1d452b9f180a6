//! What is there under names that begin so: page by page, so that who looks for little holds little.

use std::borrow::Cow;

use object_store::list::PaginatedListOptions;
use object_store::path::Path;

use super::local::{Entry, Root};
use super::{Found, Kind, Place};
use crate::error::{Result, TransferError};

impl Place {
    /// The files whose paths begin so, whatever stands behind it; by name.
    ///
    /// # Errors
    /// `Store`, `Refused`
    pub async fn files(&self, prefix: &str) -> Result<Vec<Found>> {
        let mut files = Vec::new();
        let take = |found| {
            files.push(found);
            true
        };
        self.each(prefix, take).await?;
        files.sort_by(|a: &Found, b| a.path.cmp(&b.path));
        let is_mark: Vec<bool> = files.iter().map(|file| is_mark(file, &files)).collect();
        let mut is_mark = is_mark.into_iter();
        files.retain(|_| !is_mark.next().unwrap_or(false));
        Ok(files)
    }

    /// Hands over the files whose paths begin so, in no order, until `take` wants no more.
    pub(crate) async fn each(
        &self,
        prefix: &str,
        mut take: impl FnMut(Found) -> bool,
    ) -> Result<()> {
        let lister = match &self.kind {
            Kind::Store(lister) => lister,
            Kind::Local(root) => {
                for entry in walk(root, prefix).await? {
                    if let Entry::File(found) = entry
                        && !take(found)
                    {
                        break;
                    }
                }
                return Ok(());
            }
        };
        let mut page_token = None;
        loop {
            let options = PaginatedListOptions {
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = lister.list_paginated(asked(prefix), options).await;
            let page = match page {
                Err(object_store::Error::NotFound { .. }) => return Ok(()),
                page => page.map_err(|e| self.error("listing", prefix, &e))?,
            };
            for meta in page.result.objects {
                let found = Found::new(meta.location, meta.size);
                // The mark of the directory `prefix/`, which has lost its slash.
                if found.path.as_ref().starts_with(prefix) && !take(found) {
                    return Ok(());
                }
            }
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(());
            }
        }
    }

    /// Names of the directories in a directory, whose name ends with a slash.
    pub(crate) async fn directories(&self, directory: &str) -> Result<Vec<String>> {
        let lister = match &self.kind {
            Kind::Store(lister) => lister,
            Kind::Local(root) => {
                let (root, directory) = (root.clone(), directory.to_owned());
                return blocking(move || root.directories(&directory)).await;
            }
        };
        let (mut names, mut page_token) = (Vec::new(), None);
        loop {
            let options = PaginatedListOptions {
                delimiter: Some(Cow::Borrowed("/")),
                page_token,
                ..PaginatedListOptions::default()
            };
            let page = lister.list_paginated(asked(directory), options).await;
            let page = match page {
                Err(object_store::Error::NotFound { .. }) => return Ok(names),
                page => page.map_err(|e| self.error("listing", directory, &e))?,
            };
            let found = page.result.common_prefixes.iter();
            names.extend(found.filter_map(|path| path.filename().map(str::to_owned)));
            page_token = page.page_token;
            if page_token.is_none() {
                return Ok(names);
            }
        }
    }

    /// What writing has left under names that begin so because it was killed: on this machine only, a store
    /// removes such by itself.
    pub(crate) async fn unfinished(&self, prefix: &str) -> Result<Vec<Path>> {
        let Kind::Local(root) = &self.kind else {
            return Ok(Vec::new());
        };
        let entries = walk(root, prefix).await?.into_iter();
        let staged = entries.filter_map(|entry| match entry {
            Entry::Staged(path) => Some(path),
            Entry::File(_) => None,
        });
        Ok(staged.collect())
    }
}

async fn walk(root: &Root, prefix: &str) -> Result<Vec<Entry>> {
    let (root, prefix) = (root.clone(), prefix.to_owned());
    blocking(move || root.walk(&prefix)).await
}

/// Work that waits for a disk.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|e| TransferError::Internal(e.to_string()))?
}

fn asked(prefix: &str) -> Option<&str> {
    (!prefix.is_empty()).then_some(prefix)
}

/// Whether it is an object that consoles make for a directory, `name/`: it is read without its slash, and there
/// is no such file.
fn is_mark(file: &Found, sorted: &[Found]) -> bool {
    if file.bytes > 0 {
        return false;
    }
    let directory = format!("{}/", file.path);
    let behind = sorted.partition_point(|other| other.path.as_ref() < directory.as_str());
    let first = sorted.get(behind);
    first.is_some_and(|other| other.path.as_ref().starts_with(&directory))
}

#[cfg(test)]
mod tests {
    use object_store::PutPayload;

    use super::*;
    use crate::place::fake::Fake;

    async fn put(place: &Place, names: &[&str]) {
        for name in names {
            let path = Path::parse(name).expect("a path");
            let put = place.put(&path, PutPayload::from_static(b"1")).await;
            put.expect("written");
        }
    }

    async fn names(place: &Place, prefix: &str) -> Vec<String> {
        let files = place.files(prefix).await.expect("lists");
        files.iter().map(|f| f.path.to_string()).collect()
    }

    #[tokio::test]
    async fn a_prefix_is_the_beginning_of_a_key() {
        let dir = tempfile::tempdir().expect("directory");
        let local = Place::local(dir.path(), "").expect("opens");
        for place in [local, Fake::default().place("")] {
            let all = [
                "a/p.part_0",
                "a/pq/f",
                "a/p/x=1/f",
                "a/p/x=1/y/f",
                "a/q",
                "b",
            ];
            put(&place, &all).await;
            assert_eq!(names(&place, "a/p/").await, ["a/p/x=1/f", "a/p/x=1/y/f"]);
            let begin = ["a/p.part_0", "a/p/x=1/f", "a/p/x=1/y/f", "a/pq/f"];
            assert_eq!(names(&place, "a/p").await, begin);
            assert_eq!(names(&place, "a/p/x=").await.len(), 2);
            assert_eq!(names(&place, "").await.len(), all.len());
            assert_eq!(names(&place, "none/").await.len(), 0);
            let mut directories = place.directories("a/").await.expect("lists");
            directories.sort();
            assert_eq!(directories, ["p", "pq"]);
            let mut seen = 0;
            let take = |_| {
                seen += 1;
                false
            };
            place.each("a/", take).await.expect("lists");
            assert_eq!(seen, 1, "the first was enough");
        }
    }

    #[tokio::test]
    async fn what_was_not_finished_is_no_file() {
        let dir = tempfile::tempdir().expect("directory");
        let place = Place::local(dir.path(), "").expect("opens");
        put(&place, &["p.csv"]).await;
        std::fs::write(dir.path().join("p.csv#1"), "half").expect("written");
        assert_eq!(names(&place, "p").await, ["p.csv"]);
        let left = place.unfinished("p").await.expect("lists");
        assert_eq!(left, [Path::parse("p.csv#1").expect("a path")]);
        place.remove(&left[0]).await.expect("removed");
        assert!(!dir.path().join("p.csv#1").exists());
    }

    #[test]
    fn marks_of_directories_are_no_files() {
        let found = |name: &str, bytes| Found::new(Path::parse(name).expect("a path"), bytes);
        let mut files = vec![
            found("l", 0),
            found("l-old", 0),
            found("l/a", 1),
            found("m", 0),
        ];
        files.sort_by(|a, b| a.path.cmp(&b.path));
        let marks: Vec<bool> = files.iter().map(|file| is_mark(file, &files)).collect();
        assert_eq!(marks, [true, false, false, false]);
    }
}
