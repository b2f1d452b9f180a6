//! Where files are: a store, a path in it, and how it may be reached.
//!
//! A [`Place`] is made from a URL, credentials and the configuration's [`Reach`]. All requests of a place
//! go through one guarded client.

mod credentials;
#[cfg(test)]
pub(crate) mod fake;
mod lenders;
mod list;
mod local;
mod open;
mod reach;
mod replace;
mod site;
mod store;
mod url;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use object_store::ObjectStore;
use object_store::list::PaginatedListStore;
use object_store::path::Path;

use local::Root;

pub use credentials::Credentials;
pub use reach::{Endpoint, Reach};
pub use store::{Found, Said};
pub use url::{Location, Scheme};

pub(crate) use local::target_of;
pub(crate) use site::Site;

/// How often, and how long, a request is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Patience {
    pub retries: usize,
    pub first_wait: Duration,
    pub longest_wait: Duration,
    /// From the first try of a request to its last.
    pub total: Duration,
    /// Of one try, connecting included.
    pub request: Duration,
}

impl Default for Patience {
    fn default() -> Self {
        Self {
            retries: 8,
            first_wait: Duration::from_millis(100),
            longest_wait: Duration::from_secs(8),
            total: Duration::from_secs(90),
            request: Duration::from_secs(60),
        }
    }
}

/// A path in a store. Cheap to clone.
#[derive(Clone)]
pub struct Place {
    store: Arc<dyn ObjectStore>,
    /// What stands before a path in a URL: `s3://bucket/`.
    base: String,
    /// The path that was given: a file, or the beginning of the names of several.
    path: Path,
    /// The same as it was given: a slash at its end is kept.
    prefix: Arc<str>,
    /// Blotted out of everything that is told.
    secrets: Arc<[String]>,
    kind: Kind,
    /// What all this is, however it is spelled.
    site: Site,
}

#[derive(Clone)]
enum Kind {
    /// The same store; it lists what begins with any letters, not with whole names of directories alone.
    Store(Arc<dyn PaginatedListStore>),
    /// Files of this machine.
    Local(Root),
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Place").field(&self.url()).finish()
    }
}

impl Place {
    /// Opens a location. Nothing is sent yet.
    ///
    /// # Errors
    /// `Refused` by `reach`, `Credentials` that are missing or wrong in kind, `Place`.
    pub fn open(
        location: &Location,
        credentials: &Credentials,
        reach: &Reach,
        patience: Patience,
    ) -> crate::Result<Self> {
        open::open(location, credentials, reach, patience)
    }

    /// A directory of this machine, which is there, and a path in it. The caller has checked that it may
    /// be used.
    ///
    /// # Errors
    /// `Place`
    pub fn local(directory: &std::path::Path, path: &str) -> crate::Result<Self> {
        open::local(directory, path)
    }

    /// A place of this machine out of whose directory no link leads: `permitted` is above the place's own.
    /// What a link does lead out of it is `Refused`.
    #[must_use]
    pub fn confined_to(mut self, permitted: &std::path::Path) -> Self {
        if let Kind::Local(root) = self.kind {
            self.kind = Kind::Local(root.confined_to(permitted));
        }
        self
    }

    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What names begin with, of which there are several: the path, and a slash if one was given behind it.
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// The same store, another path.
    pub fn at(&self, path: Path) -> Self {
        Self {
            prefix: path.as_ref().into(),
            path,
            ..self.clone()
        }
    }

    /// A path as it is told to people and written into manifests.
    pub fn url_of(&self, path: &Path) -> String {
        format!("{}{path}", self.base)
    }

    pub fn url(&self) -> String {
        format!("{}{}", self.base, self.prefix)
    }

    /// What is addressed, the same for all spellings: the bucket or this machine, and the path there.
    pub(crate) fn address(&self) -> (Site, String) {
        let path = match &self.site {
            Site::Here => self.url(),
            Site::Bucket { .. } => self.prefix.as_ref().to_owned(),
        };
        (self.site.clone(), path)
    }

    /// The path that a URL of this same store means, whether it is spelled as this place's own or otherwise;
    /// `None` for another store's.
    pub fn path_of(&self, url: &str) -> Option<Path> {
        if let Some(path) = url.strip_prefix(&self.base) {
            return Path::parse(path).ok();
        }
        let location = Location::parse(url).ok()?;
        let is_same = self.site.is_meant_by(&location);
        is_same.then(|| Path::parse(&location.path).ok()).flatten()
    }
}
