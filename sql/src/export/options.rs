//! What a statement says of a store beside its URL: CONFIG, CREDENTIALS, a link.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;

use crate::error::{Result, SqlError};
use crate::load::ClauseReader;

/// CONFIG and CREDENTIALS as they were written.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct StoreOptions {
    pub(crate) config: Option<String>,
    pub(crate) credentials: Option<String>,
}

impl fmt::Debug for StoreOptions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StoreOptions(..)")
    }
}

impl StoreOptions {
    /// Takes a clause of its own; false: there is none here.
    pub(crate) fn read(&mut self, reader: &mut ClauseReader<'_>) -> Result<bool> {
        let place = if reader.take(&["CONFIG"]) {
            &mut self.config
        } else if reader.take(&["CREDENTIALS"]) {
            &mut self.credentials
        } else {
            return Ok(false);
        };
        reader.take(&["="]);
        *place = Some(reader.text()?);
        Ok(true)
    }
}

/// CONFIG, with SingleStore's names.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Config {
    pub(crate) region: Option<String>,
    pub(crate) endpoint: Option<String>,
    pub(crate) virtual_hosted: bool,
}

impl Config {
    pub(crate) fn parse(json: Option<&str>) -> Result<Self> {
        let mut config = Self::default();
        let Some(json) = json.filter(|json| !json.trim().is_empty()) else {
            return Ok(config);
        };
        let map: BTreeMap<String, Value> = serde_json::from_str(json)
            .map_err(|_| SqlError::wrong_value("CONFIG", "not a JSON object"))?;
        for (key, value) in map {
            match (key.as_str(), value) {
                ("region", Value::String(region)) => config.region = Some(region),
                ("endpoint_url" | "endpoint", Value::String(endpoint)) => {
                    config.endpoint = Some(endpoint.trim_end_matches('/').to_owned());
                }
                ("s3_force_path_style" | "force_path_style", Value::Bool(path)) => {
                    config.virtual_hosted = !path;
                }
                // Accepted without effect: how SingleStore's own client talks.
                ("compatibility_mode" | "verify_ssl" | "disable_gunzip", _) => {}
                (key, _) => return Err(SqlError::wrong_value("CONFIG", key)),
            }
        }
        Ok(config)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn config_is_read_and_what_is_unknown_is_named() {
        let config = r#"{"region": "eu-west-1", "endpoint_url": "http://127.0.0.1:9000/"}"#;
        let config = Config::parse(Some(config)).expect("reads");
        assert_eq!(config.endpoint.as_deref(), Some("http://127.0.0.1:9000"));
        assert_eq!(Config::parse(Some(" ")), Ok(Config::default()));
        assert!(Config::parse(Some(r#"{"proxy": "x"}"#)).is_err());
        assert!(Config::parse(Some("[]")).is_err());
    }
}
