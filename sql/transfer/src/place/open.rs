//! From a location to a store that can be asked.

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder, AmazonS3ConfigKey};
use object_store::azure::{AzureConfigKey, MicrosoftAzure, MicrosoftAzureBuilder};
use object_store::gcp::{GoogleCloudStorage, GoogleCloudStorageBuilder};
use object_store::list::PaginatedListStore;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::local::Root;
use super::reach::Guard;
use super::{Credentials, Kind, Location, Patience, Place, Reach, Scheme, Site};
use crate::error::{Result, TransferError};

/// Google's endpoint for clients that speak S3.
const GOOGLE_S3: &str = "https://storage.googleapis.com";

pub(super) fn open(
    location: &Location,
    credentials: &Credentials,
    reach: &Reach,
    patience: Patience,
) -> Result<Place> {
    let lent = credentials.is_empty();
    if lent && !reach.ambient {
        let text = "the statement has no credentials, and the server lends none: \
                    give CREDENTIALS or a link";
        return Err(TransferError::Credentials(text.into()));
    }
    check_whole(location.scheme, credentials)?;
    let guard = reach.connector(patience, lent)?;
    let hmac = location.scheme == Scheme::Gcs && credentials.secret.is_some();
    let ((store, kind), site) = match location.scheme {
        Scheme::Gcs if !hmac => {
            let store = google(location, credentials, (guard, patience))?;
            (both(store), Site::google(&location.bucket))
        }
        Scheme::Azure => {
            let (store, site) = azure(location, credentials, reach, (guard, patience))?;
            (both(store), site)
        }
        _ => {
            let (store, site) = s3(location, credentials, reach, (guard, patience))?;
            (both(store), site)
        }
    };
    Ok(Place {
        store,
        base: location.base().into(),
        path: parse_path(&location.path)?,
        prefix: prefix_of(&location.path).into(),
        secrets: credentials.secrets().into(),
        kind,
        site,
    })
}

/// What is given must be enough: for what is missing, builders look in the server's environment.
fn check_whole(scheme: Scheme, given: &Credentials) -> Result<()> {
    let pair = given.id.is_some() && given.secret.is_some();
    let (is_whole, needed) = match scheme {
        _ if given.is_empty() => return Ok(()),
        Scheme::S3 => (pair, "both an access key id and a secret access key"),
        Scheme::Gcs => (
            pair || given.secret.is_none() && given.service_account.is_some(),
            "both access_id and secret_key, or service_account",
        ),
        Scheme::Azure => (
            given.id.is_some() && (given.secret.is_some() || given.token.is_some()),
            "account_name, and account_key or sas_token",
        ),
    };
    match is_whole {
        true => Ok(()),
        false => Err(TransferError::Credentials(format!(
            "CREDENTIALS needs {needed}"
        ))),
    }
}

fn both<S: ObjectStore + PaginatedListStore>(store: S) -> (Arc<dyn ObjectStore>, Kind) {
    let store = Arc::new(store);
    (
        Arc::clone(&store) as Arc<dyn ObjectStore>,
        Kind::Store(store),
    )
}

fn failed(location: &Location) -> impl Fn(object_store::Error) -> TransferError {
    let place = location.base().to_owned();
    move |e| TransferError::Place {
        place: place.clone(),
        why: first_words(&e),
    }
}

fn google(
    location: &Location,
    credentials: &Credentials,
    (guard, patience): (Guard, Patience),
) -> Result<GoogleCloudStorage> {
    let mut builder = match &credentials.service_account {
        Some(json) => GoogleCloudStorageBuilder::new().with_service_account_key(json),
        None => GoogleCloudStorageBuilder::from_env(),
    };
    builder = builder
        .with_bucket_name(&location.bucket)
        .with_retry(retries(patience))
        .with_http_connector(guard);
    builder.build().map_err(failed(location))
}

fn azure(
    location: &Location,
    credentials: &Credentials,
    reach: &Reach,
    (guard, patience): (Guard, Patience),
) -> Result<(MicrosoftAzure, Site)> {
    let mut builder = match credentials.is_empty() {
        true => MicrosoftAzureBuilder::from_env(),
        false => MicrosoftAzureBuilder::new(),
    };
    builder = builder
        .with_container_name(&location.bucket)
        .with_retry(retries(patience))
        .with_http_connector(guard);
    if let Some(account) = &credentials.id {
        builder = builder.with_account(account);
    }
    if let Some(key) = &credentials.secret {
        builder = builder.with_access_key(key);
    }
    if let Some(sas) = &credentials.token {
        builder = builder.with_config(AzureConfigKey::SasKey, sas.trim_start_matches('?'));
    }
    if let Some(endpoint) = &location.endpoint {
        reach.check_endpoint(endpoint)?;
        builder = builder
            .with_endpoint(endpoint.clone())
            .with_allow_http(true);
    }
    let endpoint = builder.get_config_value(&AzureConfigKey::Endpoint);
    let account = builder.get_config_value(&AzureConfigKey::AccountName);
    let site = Site::azure(endpoint.as_deref(), account.as_deref(), &location.bucket);
    let store = builder.build().map_err(failed(location))?;
    Ok((store, site))
}

fn s3(
    location: &Location,
    credentials: &Credentials,
    reach: &Reach,
    (guard, patience): (Guard, Patience),
) -> Result<(AmazonS3, Site)> {
    let mut builder = match credentials.is_empty() {
        true => AmazonS3Builder::from_env(),
        false => AmazonS3Builder::new(),
    };
    builder = builder
        .with_bucket_name(&location.bucket)
        .with_retry(retries(patience))
        .with_http_connector(guard);
    if let Some(region) = &location.region {
        builder = builder.with_region(region);
    }
    let google = (location.scheme == Scheme::Gcs).then(|| GOOGLE_S3.to_owned());
    let endpoint = location.endpoint.clone().or(google);
    // The environment may name one, if the credentials come from there: it is used in this order.
    let used = builder.get_config_value(&AmazonS3ConfigKey::S3Endpoint);
    let used = used.or_else(|| endpoint.clone());
    let used = used.or_else(|| builder.get_config_value(&AmazonS3ConfigKey::Endpoint));
    let region = builder.get_config_value(&AmazonS3ConfigKey::Region);
    let site = Site::s3(used.as_deref(), region.as_deref(), &location.bucket);
    if let Some(endpoint) = endpoint {
        reach.check_endpoint(&endpoint)?;
        let hosted = location.virtual_hosted;
        let endpoint = match (hosted, endpoint.split_once("://")) {
            (true, Some((scheme, host))) => format!("{scheme}://{}.{host}", location.bucket),
            _ => endpoint,
        };
        builder = builder
            .with_endpoint(endpoint)
            .with_virtual_hosted_style_request(hosted)
            .with_allow_http(true);
    }
    if let (Some(id), Some(secret)) = (&credentials.id, &credentials.secret) {
        builder = builder
            .with_access_key_id(id)
            .with_secret_access_key(secret);
    }
    if let Some(token) = &credentials.token {
        builder = builder.with_token(token);
    }
    let store = builder.build().map_err(failed(location))?;
    Ok((store, site))
}

fn retries(patience: Patience) -> RetryConfig {
    RetryConfig {
        backoff: BackoffConfig {
            init_backoff: patience.first_wait,
            max_backoff: patience.longest_wait,
            base: 2.0,
        },
        max_retries: patience.retries,
        retry_timeout: patience.total,
    }
}

pub(super) fn local(directory: &std::path::Path, path: &str) -> Result<Place> {
    let fail = |why: String| TransferError::Place {
        place: directory.display().to_string(),
        why,
    };
    let directory = directory.canonicalize().map_err(|e| fail(e.to_string()))?;
    let store = LocalFileSystem::new_with_prefix(&directory);
    let store = store.map_err(|e| fail(first_words(&e)))?;
    Ok(Place {
        store: Arc::new(store),
        base: format!("{}/", directory.display()),
        path: parse_path(path)?,
        prefix: prefix_of(path).into(),
        secrets: Arc::default(),
        kind: Kind::Local(Root::new(&directory)),
        site: Site::Here,
    })
}

fn parse_path(path: &str) -> Result<Path> {
    Path::parse(path.trim_end_matches('/')).map_err(|e| TransferError::Place {
        place: path.into(),
        why: e.to_string(),
    })
}

/// A path as the beginning of names: one slash at its end means something.
fn prefix_of(path: &str) -> String {
    let whole = path.trim_end_matches('/');
    match path.ends_with('/') && !whole.is_empty() {
        true => format!("{whole}/"),
        false => whole.to_owned(),
    }
}

/// A builder's error in one line; none of them quotes a secret, but some quote what they were given.
fn first_words(error: &object_store::Error) -> String {
    match error {
        object_store::Error::Generic { .. } => {
            let text = error.to_string();
            let line = text.lines().next().unwrap_or_default();
            // A service account that is no JSON is quoted by its parser.
            match line.contains('{') || line.contains("key") {
                true => "the store cannot be opened with these credentials".into(),
                false => line.to_owned(),
            }
        }
        other => other.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn opened(url: &str, json: &str, ambient: bool) -> Result<Place> {
        let location = Location::parse(url).expect("a URL");
        let credentials = match json {
            "" => Credentials::default(),
            json => Credentials::from_json(location.scheme, json).expect("credentials"),
        };
        let reach = Reach {
            ambient,
            ..Reach::default()
        };
        open(&location, &credentials, &reach, Patience::default())
    }

    #[test]
    fn half_of_the_credentials_borrows_nothing_of_the_server() {
        for (url, json, is_whole) in [
            ("gs://b/p", r#"{"access_id": "x"}"#, false),
            ("gs://b/p", r#"{"secret_key": "x"}"#, false),
            ("gs://b/p", r#"{"access_id": "x", "secret_key": "y"}"#, true),
            ("az://b/p", r#"{"account_name": "x"}"#, false),
            ("az://b/p", r#"{"sas_token": "x=y"}"#, false),
            (
                "az://b/p",
                r#"{"account_name": "x", "account_key": "eA=="}"#,
                true,
            ),
            (
                "az://b/p",
                r#"{"account_name": "x", "sas_token": "x=y"}"#,
                true,
            ),
            ("s3://b/p", r#"{"aws_access_key_id": "x"}"#, false),
            ("s3://b/p", r#"{"aws_session_token": "x"}"#, false),
        ] {
            for ambient in [false, true] {
                let place = opened(url, json, ambient);
                match place {
                    Ok(_) => assert!(is_whole, "{json}"),
                    Err(TransferError::Credentials(_)) => assert!(!is_whole, "{json}"),
                    Err(other) => panic!("{json}: {other}"),
                }
            }
        }
    }

    /// Whether `child` passes in another process with this environment.
    fn passes_with(variables: &[(&str, &str)]) -> bool {
        let own = std::env::current_exe().expect("a path");
        let run = std::process::Command::new(own)
            .args(["--exact", "place::open::tests::child", "--ignored"])
            .envs(variables.iter().copied())
            .output();
        run.expect("runs").status.success()
    }

    #[test]
    #[ignore = "run by another test, with an environment"]
    fn child() {
        assert!(opened("az://b/p", "", true).is_ok());
        let google = opened("gs://b/p", "", true).expect_err("its file is missing");
        assert!(matches!(google, TransferError::Place { .. }), "{google}");
    }

    #[test]
    fn what_is_lent_is_taken_from_the_environment() {
        assert!(opened("az://b/p", "", false).is_err());
        assert!(opened("gs://b/p", "", false).is_err());
        let account = ("AZURE_STORAGE_ACCOUNT_NAME", "x");
        let missing = ("GOOGLE_SERVICE_ACCOUNT", "/missing/file");
        assert!(passes_with(&[account, missing]));
        assert!(!passes_with(&[account]) && !passes_with(&[missing]));
    }

    #[test]
    fn one_slash_at_the_end_is_kept() {
        for (path, prefix) in [
            ("a/b", "a/b"),
            ("a/b/", "a/b/"),
            ("a//", "a/"),
            ("/", ""),
            ("", ""),
        ] {
            assert_eq!(prefix_of(path), prefix);
        }
        let place = opened(
            "s3://b/a/",
            r#"{"aws_access_key_id": "x", "aws_secret_access_key": "y"}"#,
            false,
        );
        let place = place.expect("opens");
        assert_eq!((place.path().as_ref(), place.prefix()), ("a", "a/"));
        assert_eq!(place.url(), "s3://b/a/");
    }
}
