//! A directory of this machine: what is found in it, and where its names lead.
//!
//! Links are followed, but for a place that is confined to a directory only as far as they stay in it.

use std::collections::HashSet;
use std::io::{self, ErrorKind};
use std::path::{Path as OsPath, PathBuf};
use std::sync::Arc;

use object_store::path::Path;

use super::Found;
use crate::error::{Result, TransferError};

/// Where a place of this machine is. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Root {
    /// Resolved.
    directory: Arc<OsPath>,
    /// What no name may lead out of; resolved.
    permitted: Option<Arc<OsPath>>,
}

/// What a path of this machine is.
pub(super) enum Entry {
    File(Found),
    /// What writing has left that was not finished.
    Staged(Path),
}

/// Whether it is the name of a file under way: `name#1`.
pub(super) fn is_staged(path: &Path) -> bool {
    target_of(path.as_ref()).is_some()
}

/// The name that a file under way is to have.
pub(crate) fn target_of(path: &str) -> Option<&str> {
    let (target, number) = path.rsplit_once('#')?;
    let is_number = !number.is_empty() && number.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some(target)
}

impl Root {
    pub(super) fn new(directory: &OsPath) -> Self {
        Self {
            directory: directory.into(),
            permitted: None,
        }
    }

    pub(super) fn confined_to(self, permitted: &OsPath) -> Self {
        Self {
            permitted: Some(permitted.into()),
            ..self
        }
    }

    pub(super) fn directory(&self) -> &OsPath {
        &self.directory
    }

    pub(super) fn is_confined(&self) -> bool {
        self.permitted.is_some()
    }

    pub(super) fn file(&self, path: &str) -> PathBuf {
        match path.is_empty() {
            true => self.directory.to_path_buf(),
            false => self.directory.join(path),
        }
    }

    /// Whether a file is, or will be, where it may be. Blocking.
    ///
    /// # Errors
    /// `Refused`
    pub(super) fn check(&self, file: &OsPath) -> Result<()> {
        let Some(permitted) = &self.permitted else {
            return Ok(());
        };
        for above in file.ancestors() {
            match above.canonicalize() {
                Ok(resolved) if resolved.starts_with(permitted) => return Ok(()),
                Ok(_) => break,
                Err(_) if above.is_symlink() => break,
                // What is not there yet is made in the nearest directory that is.
                Err(_) => {}
            }
        }
        let text = format!("'{}' leads out of the permitted directory", file.display());
        Err(TransferError::Refused(text))
    }

    /// Removes a file; one that is not there is no error. Blocking.
    pub(super) fn remove(&self, path: &Path) -> Result<()> {
        match std::fs::remove_file(self.file(path.as_ref())) {
            Err(error) if error.kind() != ErrorKind::NotFound => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Everything whose path begins so. Blocking. A directory that several links lead to is walked once
    /// for all of them, so that links in a ring have an end.
    pub(super) fn walk(&self, prefix: &str) -> Result<Vec<Entry>> {
        let (parent, begin) = prefix.rsplit_once('/').unwrap_or(("", prefix));
        let mut waiting = vec![(parent.to_owned(), begin)];
        let (mut linked, mut found) = (HashSet::new(), Vec::new());
        while let Some((directory, begin)) = waiting.pop() {
            for (name, metadata) in self.entries(&directory, begin)? {
                let path = match directory.is_empty() {
                    true => name,
                    false => format!("{directory}/{name}"),
                };
                let file = self.file(&path);
                let is_link = file.is_symlink();
                if is_link {
                    self.check(&file)?;
                }
                if metadata.is_dir() {
                    if !is_link || linked.insert(file.canonicalize()?) {
                        waiting.push((path, ""));
                    }
                } else if metadata.is_file() {
                    found.push(entry(&path, metadata.len())?);
                }
            }
        }
        Ok(found)
    }

    /// Names of the directories in a directory. Blocking.
    pub(super) fn directories(&self, directory: &str) -> Result<Vec<String>> {
        let entries = self.entries(directory.trim_end_matches('/'), "")?;
        let directories = entries
            .into_iter()
            .filter(|(_, metadata)| metadata.is_dir());
        Ok(directories.map(|(name, _)| name).collect())
    }

    /// What is in a directory under names that begin so. A directory that is not there is empty.
    fn entries(&self, directory: &str, begin: &str) -> Result<Vec<(String, std::fs::Metadata)>> {
        let directory = self.file(directory);
        self.check(&directory)?;
        let listed = match std::fs::read_dir(&directory) {
            Err(e) if matches!(e.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) => {
                return Ok(Vec::new());
            }
            listed => listed?,
        };
        let mut entries = Vec::new();
        for entry in listed {
            let entry = entry?;
            let name = entry.file_name();
            if !name.to_string_lossy().starts_with(begin) {
                continue;
            }
            // A link that leads nowhere, or what has just been removed.
            let metadata = match std::fs::metadata(entry.path()) {
                Err(e) if e.kind() == ErrorKind::NotFound => continue,
                metadata => metadata?,
            };
            let name = name.into_string().map_err(|name| {
                let text = format!("the name {name:?} is not UTF-8");
                io::Error::new(ErrorKind::InvalidData, text)
            })?;
            entries.push((name, metadata));
        }
        Ok(entries)
    }
}

fn entry(path: &str, bytes: u64) -> Result<Entry> {
    let path = Path::parse(path).map_err(|e| TransferError::Place {
        place: path.into(),
        why: e.to_string(),
    })?;
    Ok(match is_staged(&path) {
        true => Entry::Staged(path),
        false => Entry::File(Found::new(path, bytes)),
    })
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::place::Place;

    #[tokio::test]
    async fn no_link_leads_out_of_the_permitted_directory() {
        let dir = tempfile::tempdir().expect("a directory");
        let dir = dir.path().canonicalize().expect("resolves");
        let (inside, outside) = (dir.join("in"), dir.join("out"));
        for directory in [inside.join("p/real"), outside.clone()] {
            std::fs::create_dir_all(directory).expect("made");
        }
        std::fs::write(outside.join("secret"), "s").expect("written");
        std::fs::write(inside.join("p/real/a"), "a").expect("written");
        let place = || Place::local(&inside, "p/").expect("opens");
        let confined = || place().confined_to(&inside);
        // A link that stays inside, and a ring of links.
        symlink(inside.join("p/real"), inside.join("near")).expect("linked");
        symlink(&inside, inside.join("p/real/ring")).expect("linked");
        let path = |name: &str| Path::parse(name).expect("a path");
        assert!(confined().read(&path("near/a")).await.is_ok());
        let names = async |place: Place| {
            let files = place.files(place.prefix()).await?;
            Ok::<_, TransferError>(
                files
                    .into_iter()
                    .map(|f| f.path.to_string())
                    .collect::<Vec<_>>(),
            )
        };
        assert!(
            names(confined())
                .await
                .expect("lists")
                .contains(&"p/real/a".into())
        );
        symlink(&outside, inside.join("p/x=1")).expect("linked");
        symlink(outside.join("secret"), inside.join("p/file")).expect("linked");
        symlink(outside.join("missing"), inside.join("p/nowhere")).expect("linked");
        assert!(
            names(place())
                .await
                .expect("lists")
                .contains(&"p/x=1/secret".into())
        );
        let refused = |error: TransferError| matches!(error, TransferError::Refused(_));
        assert!(refused(names(confined()).await.expect_err("refused")));
        for name in ["p/x=1/secret", "p/file"] {
            assert!(place().read(&path(name)).await.is_ok(), "{name}");
            assert!(refused(confined().read(&path(name)).await.expect_err(name)));
            assert!(refused(confined().size(&path(name)).await.expect_err(name)));
            assert!(refused(
                confined().remove(&path(name)).await.expect_err(name)
            ));
        }
        for name in ["p/x=1/new", "p/x=1/y=2/new", "p/nowhere"] {
            let put = confined().put(&path(name), "x".into()).await;
            assert!(refused(put.expect_err(name)), "{name}");
            let begun = confined().put_multipart(&path(name)).await;
            assert!(refused(begun.map(drop).expect_err(name)), "{name}");
        }
        assert_eq!(std::fs::read_dir(&outside).expect("lists").count(), 1);
        confined()
            .put(&path("p/x=2/new"), "x".into())
            .await
            .expect("written");
    }

    #[test]
    fn files_under_way_are_told_from_others() {
        for (name, expected) in [
            ("a#1", true),
            ("a#", false),
            ("a", false),
            ("a#1.csv", false),
        ] {
            assert_eq!(
                is_staged(&Path::parse(name).expect("a path")),
                expected,
                "{name}"
            );
        }
    }
}
