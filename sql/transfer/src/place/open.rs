//! From a location to a store that can be asked.

use std::sync::Arc;

use object_store::aws::{AmazonS3, AmazonS3Builder};
use object_store::azure::MicrosoftAzureBuilder;
use object_store::gcp::GoogleCloudStorageBuilder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{BackoffConfig, ObjectStore, RetryConfig};

use super::reach::Guard;
use super::{Credentials, Location, Patience, Place, Reach, Scheme};
use crate::error::{Result, TransferError};

/// Google's endpoint for clients that speak S3.
const GOOGLE_S3: &str = "https://storage.googleapis.com";

pub(super) fn open(
    location: &Location,
    credentials: &Credentials,
    reach: &Reach,
    patience: Patience,
) -> Result<Place> {
    if credentials.is_empty() && !reach.ambient {
        let text = "the statement has no credentials, and the server lends none: \
                    give CREDENTIALS or a link";
        return Err(TransferError::Credentials(text.into()));
    }
    let fail = |e: object_store::Error| TransferError::Place {
        place: location.base().into(),
        why: first_words(&e),
    };
    let guard = reach.connector(patience)?;
    let hmac = location.scheme == Scheme::Gcs && credentials.secret.is_some();
    let store: Arc<dyn ObjectStore> = match location.scheme {
        Scheme::Gcs if !hmac => {
            let builder = GoogleCloudStorageBuilder::new()
                .with_bucket_name(&location.bucket)
                .with_retry(retries(patience))
                .with_http_connector(guard);
            let builder = match &credentials.service_account {
                Some(json) => builder.with_service_account_key(json),
                None => builder,
            };
            Arc::new(builder.build().map_err(fail)?)
        }
        Scheme::Azure => {
            let mut builder = MicrosoftAzureBuilder::new()
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
                let key = object_store::azure::AzureConfigKey::SasKey;
                builder = builder.with_config(key, sas.trim_start_matches('?'));
            }
            if let Some(endpoint) = &location.endpoint {
                reach.check_endpoint(endpoint)?;
                builder = builder
                    .with_endpoint(endpoint.clone())
                    .with_allow_http(true);
            }
            Arc::new(builder.build().map_err(fail)?)
        }
        _ => Arc::new(s3(location, credentials, reach, (guard, patience))?),
    };
    Ok(Place {
        store,
        base: location.base().into(),
        path: parse_path(&location.path)?,
        secrets: credentials.secrets().into(),
        local: None,
    })
}

fn s3(
    location: &Location,
    credentials: &Credentials,
    reach: &Reach,
    (guard, patience): (Guard, Patience),
) -> Result<AmazonS3> {
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
    if let Some(endpoint) = location.endpoint.clone().or(google) {
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
    } else if !credentials.is_empty() {
        let text = "CREDENTIALS needs both an access key id and a secret access key";
        return Err(TransferError::Credentials(text.into()));
    }
    if let Some(token) = &credentials.token {
        builder = builder.with_token(token);
    }
    builder.build().map_err(|e| TransferError::Place {
        place: location.base().into(),
        why: first_words(&e),
    })
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
        secrets: Arc::default(),
        local: Some(directory.into()),
    })
}

fn parse_path(path: &str) -> Result<Path> {
    Path::parse(path.trim_end_matches('/')).map_err(|e| TransferError::Place {
        place: path.into(),
        why: e.to_string(),
    })
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
