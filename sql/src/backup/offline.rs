//! What the command line does with places of backups, without a server.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use chrono::{DateTime, Utc};
use storno_storage::fs::Disk;
use storno_transfer::{
    BackupHeader, Backups, BoxError, Cancel, Credentials, Listed, Location, Patience, Progress,
    Pruned, Reach, Restored, SinkFile, prune,
};

use crate::error::{Result, SqlError};
use crate::export::Config;

pub use storno_transfer::Place;

/// How a place may be reached. Whoever has the command line may reach what they name.
#[derive(Debug, Clone, Default)]
pub struct Access {
    /// JSON, as a statement's CONFIG.
    pub config: Option<String>,
    /// JSON, as a statement's CREDENTIALS; `None`: those of the environment.
    pub credentials: Option<String>,
    /// Servers that the configuration lists.
    pub reach: Reach,
}

/// Which of the backups.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Choice {
    /// The newest, of this moment or before.
    Newest {
        /// A database; `None`: everything, or the one database there are backups of.
        of: Option<String>,
        at: Option<DateTime<Utc>>,
    },
    Id(String),
}

/// Opens a URL or a directory of this machine.
///
/// # Errors
/// What is wrong with the URL, the configuration or the credentials.
pub fn open_place(url: &str, access: &Access) -> Result<Place> {
    let local = match url.strip_prefix("file://") {
        Some(path) => Some(path),
        None => (!url.contains("://")).then_some(url),
    };
    if let Some(path) = local {
        return Ok(Place::local(Path::new(path), "")?);
    }
    let mut location = Location::parse(url)?;
    let config = Config::parse(access.config.as_deref())?;
    if location.endpoint.is_none() {
        location.endpoint = config.endpoint;
        location.virtual_hosted = config.virtual_hosted;
    }
    location.region = location.region.or(config.region);
    let mut reach = access.reach.clone();
    reach.ambient = true;
    if let Some(endpoint) = &location.endpoint {
        let endpoint = endpoint.parse();
        reach
            .endpoints
            .push(endpoint.map_err(|why: String| SqlError::wrong_value("endpoint_url", &why))?);
    }
    let credentials = match &access.credentials {
        Some(json) => Credentials::from_json(location.scheme, json)?,
        None => Credentials::default(),
    };
    Ok(Place::open(
        &location,
        &credentials,
        &reach,
        Patience::default(),
    )?)
}

/// All backups of a place, oldest first.
///
/// # Errors
/// What the place says.
pub async fn list(place: &Place) -> Result<Vec<Listed>> {
    Ok(Backups::new(place.clone()).list().await?)
}

/// Removes all but the newest `keep` backups, and what belongs to none.
///
/// # Errors
/// What the place says, and that a backup is under way there, unless `force` says that none is.
pub async fn prune_old(place: Place, keep: usize, force: bool) -> Result<Pruned> {
    Ok(prune(place, keep, force).await?)
}

/// Makes a data directory of a backup. `dir` is missing or empty, or a restore into it was not finished.
///
/// # Errors
/// What the place or the disk says, and which file is not what was backed up. The directory does not open
/// then, and may be restored into again.
pub async fn restore(
    place: Place,
    choice: Choice,
    dir: &Path,
    progress: Arc<Progress>,
) -> Result<Restored> {
    let backups = Backups::new(place.clone());
    let header: BackupHeader = match choice {
        Choice::Newest { of, at } => backups.newest(of.as_deref(), at).await?,
        Choice::Id(id) => backups.header(&id).await?,
    };
    let begun = storno_storage::Restore::begin(Arc::new(Disk), dir).map_err(told)?;
    let begun = Arc::new(Mutex::new(begun));
    let files = Arc::clone(&begun);
    let create = move |name: &str| -> std::result::Result<Box<dyn SinkFile>, BoxError> {
        let mut files = files.lock().unwrap_or_else(PoisonError::into_inner);
        let file = files
            .create(name)
            .map_err(|error| BoxError::from(told(error)))?;
        Ok(Box::new(Written(file)))
    };
    let cancel = Cancel::default();
    let restored =
        storno_transfer::restore(place, &header.id, Box::new(create), progress, cancel).await?;
    let begun = Arc::into_inner(begun).ok_or_else(SqlError::interrupted)?;
    let begun = begun.into_inner().unwrap_or_else(PoisonError::into_inner);
    begun.finish().map_err(told)?;
    Ok(restored)
}

/// Who restores is told everything: paths, too.
fn told(error: storno_storage::Error) -> SqlError {
    SqlError::internal(error.to_string())
}

struct Written(storno_storage::RestoreFile);

impl SinkFile for Written {
    fn write(&mut self, bytes: &[u8]) -> std::result::Result<(), BoxError> {
        self.0.write(bytes).map_err(|error| told(error).into())
    }

    fn finish(self: Box<Self>) -> std::result::Result<(), BoxError> {
        self.0.finish().map_err(|error| told(error).into())
    }
}
