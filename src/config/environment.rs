//! Settings from environment variables: `STORNO_` and the key in capitals.

use std::path::PathBuf;
use std::str::FromStr;

use super::Layer;
use crate::error::{Error, Result};

/// What the environment says.
pub(super) struct Environment {
    pub(super) layer: Layer,
    /// `STORNO_CONFIG`, the one variable that is not a key of the file.
    pub(super) config: Option<PathBuf>,
    pub(super) warnings: Vec<String>,
}

/// Reads the variables that begin with `STORNO_`. An unknown one is a warning, not an error:
/// orchestrators invent such names (Kubernetes sets STORNO_PORT for a service called storno).
pub(super) fn read(variables: impl IntoIterator<Item = (String, String)>) -> Result<Environment> {
    let mut layer = Layer::default();
    let mut config = None;
    let mut warnings = Vec::new();
    for (name, value) in variables {
        let Some(key) = name.strip_prefix("STORNO_") else {
            continue;
        };
        match key {
            "CONFIG" => config = Some(PathBuf::from(value)),
            "DATA_DIR" => layer.data_dir = Some(PathBuf::from(value)),
            "LISTEN" => layer.listen = Some(parse(&name, &value)?),
            "HTTP_LISTEN" => layer.http_listen = Some(parse(&name, &value)?),
            "LOG" => layer.log = Some(value),
            "MAX_CONNECTIONS" => layer.max_connections = Some(parse(&name, &value)?),
            "MEMTABLE_BYTES" => layer.memtable_bytes = Some(parse(&name, &value)?),
            "SEGMENT_ROWS" => layer.segment_rows = Some(parse(&name, &value)?),
            "THREADS" => layer.threads = Some(parse(&name, &value)?),
            "MEMORY_BYTES" => layer.memory_bytes = Some(parse(&name, &value)?),
            "LOCAL_INFILE" => layer.local_infile = Some(parse(&name, &value)?),
            "SECURE_FILE_PRIV" => layer.secure_file_priv = Some(value),
            "STORE_ENDPOINTS" => {
                let entries = value
                    .split(',')
                    .map(str::trim)
                    .filter(|entry| !entry.is_empty());
                let entries = entries.map(|entry| parse(&name, entry));
                layer.store_endpoints = Some(entries.collect::<Result<_>>()?);
            }
            "STORE_AMBIENT_CREDENTIALS" => {
                layer.store_ambient_credentials = Some(parse(&name, &value)?);
            }
            "BACKUP_TO" => layer.backup_to = Some(value),
            "BACKUP_EVERY" => layer.backup_every = Some(parse(&name, &value)?),
            "BACKUP_CONFIG" => layer.backup_config = Some(value),
            "BACKUP_CREDENTIALS" => layer.backup_credentials = Some(PathBuf::from(value)),
            "TLS_CERT" => layer.tls_cert = Some(PathBuf::from(value)),
            "TLS_KEY" => layer.tls_key = Some(PathBuf::from(value)),
            "TLS" => layer.tls = Some(parse(&name, &value)?),
            "REQUIRE_SECURE_TRANSPORT" => {
                layer.require_secure_transport = Some(parse(&name, &value)?);
            }
            _ => warnings.push(format!(
                "environment variable {name} is not a setting of Storno"
            )),
        }
    }
    Ok(Environment {
        layer,
        config,
        warnings,
    })
}

fn parse<T>(name: &str, value: &str) -> Result<T>
where
    T: FromStr,
    T::Err: std::fmt::Display,
{
    value.parse().map_err(|why| {
        Error::Config(format!(
            "environment variable {name}: cannot use '{value}': {why}"
        ))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_one(name: &str, value: &str) -> Result<Environment> {
        read([(name.to_string(), value.to_string())])
    }

    #[test]
    fn a_bad_value_names_the_variable() {
        let error = read_one("STORNO_MAX_CONNECTIONS", "many").err().unwrap();
        assert!(
            error.to_string().contains("STORNO_MAX_CONNECTIONS"),
            "{error}"
        );
        assert!(error.to_string().contains("many"), "{error}");
    }

    #[test]
    fn an_unknown_storno_variable_is_a_warning_and_others_are_none_of_our_business() {
        assert_eq!(
            read_one("STORNO_PORT", "tcp://10.0.0.1:3306")
                .unwrap()
                .warnings
                .len(),
            1
        );
        assert!(read_one("PATH", "/bin").unwrap().warnings.is_empty());
    }
}
