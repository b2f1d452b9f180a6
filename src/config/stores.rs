//! Servers of files that may be reached: `https://host[:port]`, `http://host:port`, `https://*.domain`.

use std::str::FromStr;

use serde::{Deserialize, Deserializer};
use storno_sql::transfer::Endpoint;

/// One entry of `store_endpoints`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreEndpoint(pub Endpoint);

impl FromStr for StoreEndpoint {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        text.parse().map(Self)
    }
}

impl<'de> Deserialize<'de> for StoreEndpoint {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}
