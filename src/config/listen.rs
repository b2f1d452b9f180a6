//! The address to serve on, as written by a person.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::str::FromStr;

use serde::Deserialize;

/// An address and port chosen by the user. Port 0 lets the system choose.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Listen(pub SocketAddr);

impl FromStr for Listen {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
        let address = match text.strip_prefix("localhost:") {
            Some(port) => port.parse().ok().map(|port| SocketAddr::new(local, port)),
            None => text.parse().ok(),
        };
        address.map(Self).ok_or_else(|| {
            format!("'{text}' is not ADDR:PORT, such as 127.0.0.1:3306, 0.0.0.0:3306 or [::1]:3306")
        })
    }
}

impl TryFrom<String> for Listen {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn accepts_v4_v6_and_localhost_only_with_a_port() {
        for good in [
            "127.0.0.1:3306",
            "0.0.0.0:0",
            "[::1]:3307",
            "localhost:3306",
        ] {
            good.parse::<Listen>().unwrap();
        }
        for bad in [
            "",
            "3306",
            "127.0.0.1",
            "localhost",
            "::1:3306x",
            "127.0.0.1:70000",
            "db:3306",
        ] {
            assert!(
                bad.parse::<Listen>().unwrap_err().contains("ADDR:PORT"),
                "{bad}"
            );
        }
    }
}
