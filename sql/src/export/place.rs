//! Which files a statement means: in a store, behind a link, or of this machine.

use std::path::{Component, Path, PathBuf};

use storno_storage::Store;
use storno_transfer::{Credentials, Location, Patience, Place, Reach, Scheme};

use super::link::{Links, scheme_of};
use super::options::{Config, StoreOptions};
use crate::error::{Result, SqlError};

/// A place as a statement names it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Where {
    Url(String),
    Link { name: String, path: String },
}

/// Opens what a statement means. Files of this machine are below `secure_file_priv`.
pub(crate) fn open_store(
    place: &Where,
    options: &StoreOptions,
    store: &Store,
    (reach, secure_file_priv): (&Reach, &str),
) -> Result<Place> {
    let (url, kept) = match place {
        Where::Url(url) => match local_name(url) {
            Some(name) => return local(name, secure_file_priv),
            None => (url.clone(), None),
        },
        Where::Link { name, path } => {
            let links = Links::read(store)?;
            let link = links.get(name)?;
            (
                linked_url(scheme_of(&link.kind)?, path)?,
                Some(link.clone()),
            )
        }
    };
    let mut location = Location::parse(&url)?;
    let config = match (&options.config, &kept) {
        (Some(config), _) => Config::parse(Some(config))?,
        (None, Some(link)) => Config::parse(Some(&link.config))?,
        (None, None) => Config::default(),
    };
    // A statement must not send a link's keys elsewhere than the link says.
    if kept.is_some() && options.config.is_some() {
        return Err(SqlError::not_supported("CONFIG beside a link"));
    }
    if location.endpoint.is_none() {
        location.endpoint = config.endpoint;
        location.virtual_hosted = config.virtual_hosted;
    }
    location.region = location.region.or(config.region);
    let credentials = match (&options.credentials, kept) {
        (Some(json), _) => Credentials::from_json(location.scheme, json)?,
        (None, Some(link)) => link.credentials,
        (None, None) => Credentials::default(),
    };
    Ok(Place::open(
        &location,
        &credentials,
        reach,
        Patience::default(),
    )?)
}

/// The name of a file of this machine; `None`: it is a URL of a store.
fn local_name(url: &str) -> Option<&str> {
    match url.strip_prefix("file://") {
        Some(path) => Some(path),
        None => (!url.contains("://")).then_some(url),
    }
}

/// A link's path begins with the bucket; a URL must be of the link's kind.
fn linked_url(scheme: Scheme, path: &str) -> Result<String> {
    let word = match scheme {
        Scheme::S3 => "s3",
        Scheme::Gcs => "gs",
        Scheme::Azure => "az",
    };
    match path.split_once("://") {
        None => Ok(format!("{word}://{path}")),
        Some((given, _)) if given == word => Ok(path.into()),
        Some(_) => Err(SqlError::wrong_value("LINK path", path)),
    }
}

fn local(name: &str, secure_file_priv: &str) -> Result<Place> {
    let (directory, mut file) = local_target(name, secure_file_priv)?;
    if name.ends_with('/') {
        file.push('/');
    }
    let place = Place::local(&directory, &file)?;
    Ok(match permitted(secure_file_priv)? {
        Some(directory) => place.confined_to(&directory),
        None => place,
    })
}

/// The directory out of which no name may lead; `None`: there is none.
fn permitted(secure_file_priv: &str) -> Result<Option<PathBuf>> {
    let resolved = match secure_file_priv {
        "" => return Ok(None),
        directory => Path::new(directory).canonicalize(),
    };
    resolved.map(Some).map_err(|_| SqlError::secure_file_priv())
}

/// The directory, which is there, and the name in it of a file that may be written; 1290, 29.
///
/// The directory is resolved, so that no link leads out of the permitted one.
pub(crate) fn local_target(name: &str, secure_file_priv: &str) -> Result<(PathBuf, String)> {
    let refused = SqlError::secure_file_priv;
    if secure_file_priv.eq_ignore_ascii_case("NULL") {
        return Err(refused());
    }
    let path = Path::new(name);
    let permitted = permitted(secure_file_priv)?;
    let path = match &permitted {
        Some(directory) => directory.join(path),
        None => path.to_path_buf(),
    };
    if !path.is_absolute() {
        return Err(refused());
    }
    let climbs = path.components().any(|c| c == Component::ParentDir);
    let file = path.file_name().and_then(|name| name.to_str());
    let (Some(parent), Some(file), false) = (path.parent(), file, climbs) else {
        return Err(refused());
    };
    let resolved = parent.canonicalize();
    let is_inside = |directory: &Path| permitted.as_ref().is_none_or(|p| directory.starts_with(p));
    match resolved {
        Ok(directory) if !is_inside(&directory) => Err(refused()),
        // What is there under the name may be a link that leads elsewhere.
        Ok(directory) if directory.join(file).is_symlink() => Err(refused()),
        Ok(directory) => Ok((directory, file.into())),
        Err(_) if !is_inside(parent) => Err(refused()),
        Err(error) => Err(SqlError::file_not_found(&path, &error)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_are_written_below_the_directory_only() {
        let dir = tempfile::tempdir().expect("a directory");
        let inside = dir.path().join("in");
        std::fs::create_dir_all(inside.join("sub")).expect("made");
        #[cfg(unix)]
        {
            std::os::unix::fs::symlink(dir.path(), inside.join("out")).expect("linked");
            std::os::unix::fs::symlink(dir.path().join("x"), inside.join("l")).expect("linked");
        }
        let permitted = inside.to_str().expect("UTF-8");
        let code = |name: &str| local_target(name, permitted).err().map(|e| e.code);
        assert_eq!(code("a.csv"), None);
        assert_eq!(code("sub/a.csv"), None);
        assert_eq!(code(inside.join("a.csv").to_str().expect("UTF-8")), None);
        for name in [
            "../a.csv",
            "sub/../../a.csv",
            "/tmp/a.csv",
            "..",
            "",
            "out/a.csv",
            "l",
        ] {
            assert_eq!(code(name), Some(1290), "{name}");
        }
        assert_eq!(code("missing/a.csv"), Some(29));
        assert!(local_target("/tmp/x", "NULL").is_err());
        assert!(local_target("/tmp/x", "").is_ok());
    }

    #[test]
    fn a_link_leads_only_to_its_kind_of_store() {
        assert_eq!(linked_url(Scheme::S3, "b/p"), Ok("s3://b/p".into()));
        assert_eq!(linked_url(Scheme::S3, "s3://b/p"), Ok("s3://b/p".into()));
        assert!(linked_url(Scheme::S3, "https://evil.example/b/p").is_err());
        assert!(linked_url(Scheme::S3, "gs://b/p").is_err());
    }
}
