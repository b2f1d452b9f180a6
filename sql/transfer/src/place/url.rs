//! URLs of places: `s3://bucket/path`, `s3-eu-west-1://bucket/path`, `gs://`, `az://`, `https://host/bucket/path`.
//!
//! Which files of this machine may be named is the caller's business.

use crate::error::{Result, TransferError};

/// What speaks at a place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    /// S3 and what is compatible with it.
    S3,
    Gcs,
    Azure,
}

/// A URL taken apart, and what the statement or a link says beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Location {
    pub scheme: Scheme,
    pub bucket: String,
    /// Without a slash at its beginning.
    pub path: String,
    pub region: Option<String>,
    /// `https://host[:port]`; `None`: the provider's own.
    pub endpoint: Option<String>,
    /// The bucket is a part of the host's name; not with an endpoint of one's own, unless asked for.
    pub virtual_hosted: bool,
    /// As it stood in the URL, before the bucket.
    base: String,
}

impl Location {
    /// # Errors
    /// `Place`
    pub fn parse(url: &str) -> Result<Self> {
        let fail = |why: &str| TransferError::Place {
            place: url.into(),
            why: why.into(),
        };
        let (scheme, rest) = url
            .split_once("://")
            .ok_or_else(|| fail("not a URL: expected s3://bucket/path"))?;
        let scheme = scheme.to_ascii_lowercase();
        if rest.contains(['?', '#', '@']) || rest.chars().any(char::is_control) {
            return Err(fail("a URL takes no user, query or fragment here"));
        }
        if scheme == "https" || scheme == "http" {
            return Self::of_host(&scheme, rest).ok_or_else(|| {
                fail("expected https://host/bucket/path, a bucket of a server that speaks S3")
            });
        }
        let (kind, region) = match scheme.as_str() {
            "s3" => (Scheme::S3, None),
            "gs" | "gcs" => (Scheme::Gcs, None),
            "az" | "azure" => (Scheme::Azure, None),
            other => match other.strip_prefix("s3-") {
                Some(region) if is_region(region) => (Scheme::S3, Some(region.to_owned())),
                _ => {
                    return Err(fail(
                        "expected s3://, s3-REGION://, gs://, az:// or https://",
                    ));
                }
            },
        };
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if !is_bucket(bucket) {
            return Err(fail("the bucket's name is missing or not valid"));
        }
        Ok(Self {
            scheme: kind,
            bucket: bucket.into(),
            path: path.trim_start_matches('/').into(),
            region,
            endpoint: None,
            virtual_hosted: false,
            base: format!("{scheme}://{bucket}/"),
        })
    }

    fn of_host(scheme: &str, rest: &str) -> Option<Self> {
        let (host, rest) = rest.split_once('/')?;
        let (bucket, path) = rest.split_once('/').unwrap_or((rest, ""));
        if host.is_empty() || !is_bucket(bucket) {
            return None;
        }
        let endpoint = format!("{scheme}://{host}");
        Some(Self {
            scheme: Scheme::S3,
            bucket: bucket.into(),
            path: path.trim_start_matches('/').into(),
            region: None,
            base: format!("{endpoint}/{bucket}/"),
            endpoint: Some(endpoint),
            virtual_hosted: false,
        })
    }

    /// What stands before a path in a URL of this store.
    pub fn base(&self) -> &str {
        &self.base
    }
}

fn is_region(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}

/// The characters of all providers' bucket names. They become part of a host's name or of a path.
fn is_bucket(text: &str) -> bool {
    (1..=255).contains(&text.len())
        && !text.contains("..")
        && !text.starts_with(['.', '-'])
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn urls_of_all_providers_are_read() {
        let s3 = Location::parse("s3://b/a/b c.csv").expect("reads");
        assert_eq!((s3.scheme, s3.path.as_str()), (Scheme::S3, "a/b c.csv"));
        let east = Location::parse("S3-us-east-2://b/p").expect("reads");
        assert_eq!(east.region.as_deref(), Some("us-east-2"));
        assert_eq!(east.base(), "s3-us-east-2://b/");
        let gs = Location::parse("gs://b").expect("reads");
        assert_eq!((gs.scheme, gs.path.as_str()), (Scheme::Gcs, ""));
        let own = Location::parse("http://127.0.0.1:9000/b/p").expect("reads");
        assert_eq!(own.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
    }

    #[test]
    fn what_could_lead_elsewhere_is_refused() {
        for url in [
            "",
            "bucket/path",
            "file:///etc/passwd",
            "s3://",
            "s3:///path",
            "s3://a@b/p",
            "s3://b/p?x=1",
            "s3://b/p#x",
            "s3://a..b/p",
            "s3://.b/p",
            "s3://b:80/p",
            "s3-a.b://b/p",
            "s3-://b/p",
            "s3://b/\r\nHost: x",
            "https://host",
            "ftp://b/p",
        ] {
            assert!(Location::parse(url).is_err(), "{url}");
        }
    }
}
