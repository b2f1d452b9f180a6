//! What a place really is, however it is spelled: who has the bucket, and which one it is.
//!
//! `s3://b`, `s3-us-east-1://b`, `https://s3.us-east-1.amazonaws.com/b` and a link to it are one bucket: Amazon's
//! names are nobody else's in any region. The same name at two endpoints of one's own is two buckets.

use super::{Location, Scheme};

/// Google's host, under which its buckets are reached by clients that speak S3, too.
const GOOGLE: &str = "storage.googleapis.com";
/// What the hosts of Azure's accounts end with.
const AZURE: &str = ".blob.core.windows.net";

/// A bucket, or this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Site {
    Bucket {
        server: Server,
        bucket: String,
    },
    /// Paths are whole.
    Here,
}

/// Who has a bucket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Server {
    /// One of the parts of Amazon's cloud, each with names of its own.
    Amazon(&'static str),
    Google,
    /// An account of Azure, and its host if that is not Azure's own.
    Azure(String),
    /// A host, and a port if it is not the usual one.
    Other(String),
}

impl Site {
    /// What speaks S3: `endpoint` and `region` as they are used in the end.
    pub(super) fn s3(endpoint: Option<&str>, region: Option<&str>, bucket: &str) -> Self {
        let server = match endpoint {
            Some(endpoint) => server_of(endpoint),
            None => Server::Amazon(part_of(region.unwrap_or_default())),
        };
        Self::of(server, bucket)
    }

    pub(super) fn google(bucket: &str) -> Self {
        Self::of(Server::Google, bucket)
    }

    pub(super) fn azure(endpoint: Option<&str>, account: Option<&str>, bucket: &str) -> Self {
        let account = account.unwrap_or_default().to_ascii_lowercase();
        let host = endpoint.map(host_of);
        let server = match host {
            // All accounts of an emulator are behind one host.
            Some(host) if !host.ends_with(AZURE) => Server::Azure(format!("{account}@{host}")),
            _ => Server::Azure(account),
        };
        Self::of(server, bucket)
    }

    fn of(server: Server, bucket: &str) -> Self {
        Self::Bucket {
            server,
            bucket: bucket.into(),
        }
    }

    /// Whether a URL that is found in a file of this bucket means the same bucket. One that names no server means
    /// the one that it was found at: a link's endpoint is in none of its URLs.
    pub(super) fn is_meant_by(&self, location: &Location) -> bool {
        let Self::Bucket { server, bucket } = self else {
            return false;
        };
        if *bucket != location.bucket {
            return false;
        }
        if let Some(endpoint) = &location.endpoint {
            return server_of(endpoint) == *server;
        }
        match (location.scheme, server) {
            (Scheme::S3, Server::Amazon(part)) => {
                let region = location.region.as_deref();
                region.is_none_or(|region| part_of(region) == *part)
            }
            (Scheme::S3 | Scheme::Gcs, Server::Google | Server::Other(_)) => true,
            (Scheme::Azure, Server::Azure(_)) => true,
            _ => false,
        }
    }
}

fn server_of(endpoint: &str) -> Server {
    let host = host_of(endpoint);
    match amazon_of(&host) {
        Some(part) => Server::Amazon(part),
        None if host == GOOGLE => Server::Google,
        None => Server::Other(host),
    }
}

/// The part of Amazon's cloud whose S3 has this host: `s3.region..`, `s3-region..` and the like.
fn amazon_of(host: &str) -> Option<&'static str> {
    let name = host.split('.').next().unwrap_or_default();
    if name != "s3" && !name.starts_with("s3-") {
        return None;
    }
    if host.ends_with(".amazonaws.com.cn") {
        return Some(part_of("cn-"));
    }
    let is_governments = host.contains("us-gov-");
    let region = if is_governments { "us-gov-" } else { "" };
    host.ends_with(".amazonaws.com").then(|| part_of(region))
}

/// Host and port of an endpoint, without the port that is the usual one.
fn host_of(endpoint: &str) -> String {
    let endpoint = endpoint.to_ascii_lowercase();
    let (scheme, host) = endpoint
        .split_once("://")
        .unwrap_or(("https", endpoint.as_str()));
    let host = host.trim_end_matches('/');
    let usual = if scheme == "http" { ":80" } else { ":443" };
    host.strip_suffix(usual).unwrap_or(host).to_owned()
}

/// The part of Amazon's cloud that a region is in.
fn part_of(region: &str) -> &'static str {
    match region {
        china if china.starts_with("cn-") => "aws-cn",
        gov if gov.starts_with("us-gov-") => "aws-us-gov",
        _ => "aws",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(endpoint: &str) -> Site {
        Site::s3(Some(endpoint), None, "b")
    }

    #[test]
    fn one_bucket_is_one_however_it_is_spelled() {
        let amazon = Site::s3(None, None, "b");
        for same in [
            Site::s3(None, Some("us-east-1"), "b"),
            s3("https://s3.amazonaws.com"),
            s3("https://S3.us-east-2.amazonaws.com:443/"),
            s3("http://s3-us-west-2.amazonaws.com"),
        ] {
            assert_eq!(same, amazon);
        }
        for other in [
            Site::s3(None, None, "c"),
            Site::s3(None, Some("cn-north-1"), "b"),
            s3("https://s3.us-gov-west-1.amazonaws.com"),
            s3("https://s3.example"),
            s3("https://s3.amazonaws.com.evil.example"),
            Site::google("b"),
            Site::Here,
        ] {
            assert_ne!(other, amazon);
        }
        assert_eq!(s3("https://storage.googleapis.com"), Site::google("b"));
        assert_eq!(s3("http://Store:80/"), s3("http://store"));
        assert_ne!(s3("http://store:9000"), s3("http://store:9001"));
        let azure = |endpoint| Site::azure(endpoint, Some("Acc"), "b");
        assert_eq!(
            azure(None),
            azure(Some("https://acc.blob.core.windows.net"))
        );
        assert_ne!(azure(None), azure(Some("http://127.0.0.1:10000")));
        assert_ne!(azure(None), Site::azure(None, Some("acc2"), "b"));
    }

    #[test]
    fn a_url_means_the_bucket_it_was_found_in_or_another() {
        let amazon = Site::s3(None, None, "b");
        let own = s3("http://127.0.0.1:9000");
        for (url, of_amazon, of_own) in [
            ("s3://b/x", true, true),
            ("s3-us-east-2://b/x", true, true),
            ("s3-cn-north-1://b/x", false, true),
            ("https://s3.us-east-2.amazonaws.com/b/x", true, false),
            ("http://127.0.0.1:9000/b/x", false, true),
            ("http://127.0.0.1:9001/b/x", false, false),
            ("s3://c/x", false, false),
            ("http://127.0.0.1:9000/c/x", false, false),
            ("az://b/x", false, false),
        ] {
            let location = Location::parse(url).expect("a URL");
            assert_eq!(amazon.is_meant_by(&location), of_amazon, "{url}");
            assert_eq!(own.is_meant_by(&location), of_own, "{url}");
            assert!(!Site::Here.is_meant_by(&location), "{url}");
        }
    }
}
