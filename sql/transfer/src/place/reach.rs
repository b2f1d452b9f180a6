//! Which servers may be reached: an allow-list of endpoints, and a check of every address that a name
//! resolves to before it is connected to.
//!
//! INVARIANT: a connection is made only to an endpoint on the list, and only to an address that the entry
//! permits; a redirect is never followed.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use object_store::client::{
    ClientOptions, HttpClient, HttpConnector, HttpError, HttpErrorKind, HttpRequest, HttpResponse,
    HttpService,
};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::Patience;
use super::lenders::is_lender;
use crate::error::{BoxError, Result, TransferError};

/// The providers' own endpoints, which need no entry.
const PROVIDERS: [&str; 4] = [
    "https://*.amazonaws.com",
    "https://*.amazonaws.com.cn",
    "https://*.googleapis.com",
    "https://*.core.windows.net",
];

/// What the configuration permits.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reach {
    pub endpoints: Vec<Endpoint>,
    /// Statements without credentials use those of the server's environment.
    pub ambient: bool,
}

/// One entry: `https://host[:port]`, `http://host:port` or `https://*.domain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    encrypted: bool,
    /// Without the `*`, with the dot behind it.
    host: String,
    any_below: bool,
    port: u16,
}

impl std::str::FromStr for Endpoint {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let (encrypted, rest) = match text.split_once("://") {
            Some(("https", rest)) => (true, rest),
            Some(("http", rest)) => (false, rest),
            Some(_) => return Err(format!("'{text}' begins with neither https:// nor http://")),
            None => (true, text),
        };
        let rest = rest.trim_end_matches('/').to_ascii_lowercase();
        let (host, port) = split_port(&rest, encrypted)
            .ok_or_else(|| format!("'{text}' is not https://host or http://host:port"))?;
        let (host, any_below) = match host.strip_prefix('*') {
            Some(below) if below.starts_with('.') && below.len() > 2 => (below, true),
            Some(_) => return Err(format!("'{text}': a star stands for names below a domain")),
            None => (host, false),
        };
        let is_name = |b: u8| b.is_ascii_alphanumeric() || b"-._:".contains(&b);
        if host.is_empty() || !host.bytes().all(is_name) {
            return Err(format!("'{text}' is not https://host or http://host:port"));
        }
        Ok(Self {
            encrypted,
            host: host.into(),
            any_below,
            port,
        })
    }
}

/// Host and port; `[::1]:9000` loses its brackets.
fn split_port(text: &str, encrypted: bool) -> Option<(&str, u16)> {
    let default = if encrypted { 443 } else { 80 };
    if let Some(rest) = text.strip_prefix('[') {
        let (host, rest) = rest.split_once(']')?;
        return match rest.strip_prefix(':') {
            Some(port) => Some((host, port.parse().ok()?)),
            None if rest.is_empty() => Some((host, default)),
            None => None,
        };
    }
    match text.split_once(':') {
        Some((host, port)) => Some((host, port.parse().ok()?)),
        None => Some((text, default)),
    }
}

impl Endpoint {
    fn permits(&self, encrypted: bool, host: &str, port: u16) -> bool {
        let named = match self.any_below {
            true => host.ends_with(&self.host) && host.len() > self.host.len(),
            // The bucket may stand before the name.
            false => {
                host == self.host
                    || (host.parse::<IpAddr>().is_err()
                        && host
                            .strip_suffix(&self.host)
                            .is_some_and(|bucket| bucket.ends_with('.') && bucket.len() > 1))
            }
        };
        named && port == self.port && encrypted == self.encrypted
    }

    /// Named by the configuration itself, so that it may be in this network or on this machine.
    fn is_named(&self) -> bool {
        !self.any_below
    }
}

impl Reach {
    /// Whether this endpoint may be used, and if so, whether its address may be one of this network.
    fn entry(&self, encrypted: bool, host: &str, port: u16) -> Option<bool> {
        let host = host.to_ascii_lowercase();
        let own = self.endpoints.iter();
        if let Some(entry) = own
            .filter(|entry| entry.permits(encrypted, &host, port))
            .max_by_key(|entry| entry.is_named())
        {
            return Some(entry.is_named());
        }
        let provided = PROVIDERS.iter().filter_map(|text| text.parse().ok());
        let mut provided =
            provided.filter(|entry: &Endpoint| entry.permits(encrypted, &host, port));
        provided.next().map(|_| false)
    }

    /// # Errors
    /// `Refused`
    pub(super) fn check_endpoint(&self, url: &str) -> Result<()> {
        let refused = || {
            TransferError::Refused(format!(
                "the endpoint {url} is not on the server's list of allowed endpoints"
            ))
        };
        let parsed: reqwest::Url = url.parse().map_err(|_| refused())?;
        let (encrypted, host, port) = parts(&parsed).ok_or_else(refused)?;
        let near = self.entry(encrypted, &host, port).ok_or_else(refused)?;
        match host.parse::<IpAddr>() {
            Ok(address) if !may_connect(address, near) => Err(refused()),
            _ => Ok(()),
        }
    }

    /// The client for all requests of one place. `lent`: it uses credentials of the server.
    pub(super) fn connector(&self, patience: Patience, lent: bool) -> Result<Guard> {
        let reach = Arc::new(self.clone());
        let resolver = Arc::new(Resolver(Arc::clone(&reach)));
        let client = reqwest::Client::builder()
            .dns_resolver(resolver)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .http1_only()
            .connect_timeout(patience.request.min(std::time::Duration::from_secs(10)))
            .read_timeout(patience.request)
            .timeout(patience.request * 5)
            .pool_max_idle_per_host(32)
            .build();
        let client = client.map_err(|e| TransferError::Refused(e.to_string()))?;
        Ok(Guard {
            reach,
            lent,
            client,
        })
    }
}

fn parts(url: &reqwest::Url) -> Option<(bool, String, u16)> {
    let encrypted = match url.scheme() {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let host = url.host_str()?;
    let host = host.trim_start_matches('[').trim_end_matches(']');
    Some((encrypted, host.to_owned(), url.port_or_known_default()?))
}

/// Whether an address may be connected to; `near`: also one of this network or machine.
fn may_connect(address: IpAddr, near: bool) -> bool {
    let address = address.to_canonical();
    let never = match address {
        // 100.100.100.200 and 192.0.0.192 are metadata services outside the link-local block.
        IpAddr::V4(v4) => {
            v4.is_unspecified()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_multicast()
                || v4.octets() == [100, 100, 100, 200]
                || v4.octets() == [192, 0, 0, 192]
                || v4.octets()[0] == 0
        }
        IpAddr::V6(v6) => {
            v6.is_unspecified()
                || v6.is_multicast()
                || v6.is_unicast_link_local()
                || v6.segments()[..2] == [0xfd00, 0xec2]
                || embeds_v4(v6.segments())
        }
    };
    let is_near = match address {
        IpAddr::V4(v4) => {
            let [a, b, ..] = v4.octets();
            v4.is_loopback() || v4.is_private() || (a == 100 && (64..128).contains(&b)) || a >= 240
        }
        IpAddr::V6(v6) => v6.is_loopback() || v6.is_unique_local(),
    };
    !never && (near || !is_near)
}

/// 6to4 and NAT64 carry an IPv4 address that the check of IPv4 would not see.
fn embeds_v4(segments: [u16; 8]) -> bool {
    segments[0] == 0x2002
        || segments[..2] == [0x64, 0xff9b]
        || segments[..6] == [0; 6] && segments[6..] != [0, 1]
}

/// Resolves names and passes on permitted addresses alone.
#[derive(Debug)]
struct Resolver(Arc<Reach>);

impl Resolve for Resolver {
    fn resolve(&self, name: Name) -> Resolving {
        let host = name.as_str().to_ascii_lowercase();
        // The port and the encryption were checked with the URL; here only where the name leads.
        let near = self
            .0
            .endpoints
            .iter()
            .any(|entry| entry.is_named() && entry.permits(entry.encrypted, &host, entry.port));
        Box::pin(async move {
            let found = tokio::net::lookup_host((host.as_str(), 0)).await?;
            let found: Vec<SocketAddr> = found.collect();
            if found.iter().any(|at| !may_connect(at.ip(), near)) {
                let text = format!("{host} leads to an address that may not be connected to");
                return Err(BoxError::from(io::Error::other(text)));
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

/// Makes clients that check each request's URL.
#[derive(Debug, Clone)]
pub(super) struct Guard {
    reach: Arc<Reach>,
    lent: bool,
    client: reqwest::Client,
}

impl HttpConnector for Guard {
    fn connect(&self, _options: &ClientOptions) -> object_store::Result<HttpClient> {
        Ok(HttpClient::new(self.clone()))
    }
}

impl Guard {
    pub(super) fn may_call(&self, uri: &str) -> bool {
        if self.reach.check_endpoint(uri).is_ok() {
            return true;
        }
        // Only where the server chooses all of the URL: credentials of a statement may have an address in them.
        self.lent && is_lender(uri)
    }
}

#[async_trait]
impl HttpService for Guard {
    async fn call(&self, request: HttpRequest) -> std::result::Result<HttpResponse, HttpError> {
        if !self.may_call(&request.uri().to_string()) {
            let host = request.uri().host().unwrap_or_default();
            let text = format!("{host} is not on the server's list of allowed endpoints");
            return Err(HttpError::new(
                HttpErrorKind::Unknown,
                io::Error::other(text),
            ));
        }
        self.client.call(request).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(entries: &[&str]) -> Reach {
        let endpoints = entries.iter().map(|e| e.parse().expect("an endpoint"));
        Reach {
            endpoints: endpoints.collect(),
            ambient: false,
        }
    }

    #[test]
    fn only_listed_endpoints_are_reached() {
        let reach = reach(&["http://127.0.0.1:9000", "https://minio.example"]);
        for url in [
            "http://127.0.0.1:9000",
            "https://minio.example/bucket",
            "https://bucket.minio.example",
            "https://s3.eu-west-1.amazonaws.com",
            "https://storage.googleapis.com",
        ] {
            assert!(reach.check_endpoint(url).is_ok(), "{url}");
        }
        for url in [
            "https://127.0.0.1:9000",
            "http://127.0.0.1:9001",
            "http://127.0.0.1",
            "http://2130706433:9000.example",
            "http://localhost:9000",
            "http://[::1]:9000",
            "http://169.254.169.254",
            "http://minio.example",
            "https://minio.example.evil.example",
            "https://evilminio.example",
            "https://amazonaws.com.evil.example",
            "http://s3.amazonaws.com",
            "https://s3.amazonaws.com:8443",
            "https://evil.example",
            "file:///etc/passwd",
            "https://amazonaws.com@evil.example",
        ] {
            assert!(reach.check_endpoint(url).is_err(), "{url}");
        }
    }

    #[test]
    fn metadata_addresses_are_never_connected_to() {
        let reach = reach(&["http://169.254.169.254", "http://[fd00:ec2::254]"]);
        assert!(
            reach
                .check_endpoint("http://169.254.169.254/latest")
                .is_err()
        );
        assert!(
            reach
                .check_endpoint("http://[fd00:ec2::254]/latest")
                .is_err()
        );
        for address in [
            "169.254.169.254",
            "::ffff:169.254.169.254",
            "fe80::1",
            "fd00:ec2::254",
            "0.0.0.0",
            "::",
            "100.100.100.200",
            "64:ff9b::a9fe:a9fe",
            "2002:a9fe:a9fe::1",
            "::169.254.169.254",
        ] {
            assert!(
                !may_connect(address.parse().expect("address"), true),
                "{address}"
            );
        }
    }

    #[test]
    fn this_network_is_reached_by_name_only() {
        for address in [
            "127.0.0.1",
            "::1",
            "10.1.2.3",
            "192.168.0.9",
            "100.64.0.1",
            "fd01::1",
        ] {
            let address = address.parse().expect("address");
            assert!(
                may_connect(address, true) && !may_connect(address, false),
                "{address}"
            );
        }
        assert!(may_connect("52.95.1.1".parse().expect("address"), false));
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_refused_unless_it_is_listed() {
        let resolve = async |entries: &[&str], name: &str| {
            let resolver = Resolver(Arc::new(reach(entries)));
            let name = name.parse().expect("a name");
            resolver
                .resolve(name)
                .await
                .map(|found| found.count())
                .is_ok()
        };
        assert!(resolve(&["http://localhost:9000"], "localhost").await);
        assert!(!resolve(&["https://*.example"], "localhost").await);
        assert!(!resolve(&[], "localhost").await);
    }

    #[test]
    fn entries_that_mean_nothing_are_refused() {
        for entry in [
            "",
            "*",
            "https://*",
            "ftp://x",
            "https://a/b",
            "http://h:x",
            "https://*x",
        ] {
            assert!(entry.parse::<Endpoint>().is_err(), "{entry}");
        }
    }
}
