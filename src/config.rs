//! Settings: what they are, and which of flag, environment, file and default decides each.
//!
//! A flag wins over an environment variable, that over the file, that over the default. Every key
//! is the same word in all places: `data_dir` in the file, `STORNO_DATA_DIR`, `--data-dir`.

mod environment;
mod file;
mod listen;
mod stores;

use std::path::{Path, PathBuf};

use serde::Deserialize;

use crate::cli::CommonArgs;
use crate::error::Result;

pub use listen::Listen;
pub use stores::StoreEndpoint;

/// Every setting, each with its value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    pub data_dir: PathBuf,
    /// `None`: 127.0.0.1:3306, or the next free port.
    pub listen: Option<Listen>,
    /// Where rows are taken over HTTP. `None`: nowhere.
    pub http_listen: Option<Listen>,
    /// Filter for the log on standard error, as `tracing` reads it. `None`: "info", in the demo
    /// "warn".
    pub log: Option<String>,
    /// Connections above this are refused with error 1040.
    pub max_connections: u32,
    /// Bytes of rows held in memory before they are written as a segment.
    pub memtable_bytes: usize,
    /// Rows of a full segment.
    pub segment_rows: usize,
    /// Threads that execute queries. `None`: one per core.
    pub threads: Option<usize>,
    /// Bytes that all running queries together may take. `None`: the engine's default.
    pub memory_bytes: Option<usize>,
    /// Whether clients may send files for LOAD DATA LOCAL. `None`: as last set with SET PERSIST, or not.
    pub local_infile: Option<bool>,
    /// Directory of the server's files that LOAD DATA INFILE may read; empty: all. `None`: none.
    pub secure_file_priv: Option<String>,
    /// Servers that exports and imports may reach besides the cloud providers' own.
    pub store_endpoints: Vec<StoreEndpoint>,
    /// Whether statements without credentials use those of the server's environment.
    pub store_ambient_credentials: bool,
    /// Where a backup is kept that follows the server. `None`: nowhere.
    pub backup_to: Option<String>,
    /// Seconds between its rounds.
    pub backup_every: u32,
    /// Region and endpoint of that place, as JSON.
    pub backup_config: Option<String>,
    /// File with the keys for that place, as JSON. `None`: those of the environment.
    pub backup_credentials: Option<PathBuf>,
    /// Whether clients may encrypt: with the certificate of `certificate`, or one of the server's own.
    pub tls: bool,
    /// Certificate and key for TLS, given by whoever runs the server.
    pub certificate: Option<(PathBuf, PathBuf)>,
    /// Refuse clients that do not encrypt.
    pub require_secure_transport: bool,
}

impl Default for Settings {
    fn default() -> Self {
        let storage = storno_storage::Options::new("storno-data");
        Self {
            data_dir: storage.dir,
            listen: None,
            http_listen: None,
            log: None,
            max_connections: 4096,
            memtable_bytes: storage.memtable_bytes,
            segment_rows: storage.segment_rows,
            threads: None,
            memory_bytes: None,
            local_infile: None,
            secure_file_priv: None,
            store_endpoints: Vec::new(),
            store_ambient_credentials: false,
            backup_to: None,
            backup_every: 10,
            backup_config: None,
            backup_credentials: None,
            tls: true,
            certificate: None,
            require_secure_transport: false,
        }
    }
}

/// One source's say: the keys it names. Also the shape of the file.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layer {
    data_dir: Option<PathBuf>,
    listen: Option<Listen>,
    http_listen: Option<Listen>,
    log: Option<String>,
    max_connections: Option<u32>,
    memtable_bytes: Option<usize>,
    segment_rows: Option<usize>,
    threads: Option<usize>,
    memory_bytes: Option<usize>,
    local_infile: Option<bool>,
    secure_file_priv: Option<String>,
    store_endpoints: Option<Vec<StoreEndpoint>>,
    store_ambient_credentials: Option<bool>,
    backup_to: Option<String>,
    backup_every: Option<u32>,
    backup_config: Option<String>,
    backup_credentials: Option<PathBuf>,
    tls_cert: Option<PathBuf>,
    tls_key: Option<PathBuf>,
    tls: Option<bool>,
    require_secure_transport: Option<bool>,
}

impl Layer {
    fn from_flags(args: &CommonArgs) -> Self {
        Self {
            data_dir: args.data_dir.clone(),
            listen: args.listen,
            http_listen: args.http_listen,
            log: args.log.clone(),
            require_secure_transport: args.require_secure_transport.then_some(true),
            ..Self::default()
        }
    }

    /// What this layer leaves open is taken from `below`.
    fn over(self, below: Self) -> Self {
        Self {
            data_dir: self.data_dir.or(below.data_dir),
            listen: self.listen.or(below.listen),
            http_listen: self.http_listen.or(below.http_listen),
            log: self.log.or(below.log),
            max_connections: self.max_connections.or(below.max_connections),
            memtable_bytes: self.memtable_bytes.or(below.memtable_bytes),
            segment_rows: self.segment_rows.or(below.segment_rows),
            threads: self.threads.or(below.threads),
            memory_bytes: self.memory_bytes.or(below.memory_bytes),
            local_infile: self.local_infile.or(below.local_infile),
            secure_file_priv: self.secure_file_priv.or(below.secure_file_priv),
            store_endpoints: self.store_endpoints.or(below.store_endpoints),
            store_ambient_credentials: self
                .store_ambient_credentials
                .or(below.store_ambient_credentials),
            backup_to: self.backup_to.or(below.backup_to),
            backup_every: self.backup_every.or(below.backup_every),
            backup_config: self.backup_config.or(below.backup_config),
            backup_credentials: self.backup_credentials.or(below.backup_credentials),
            tls_cert: self.tls_cert.or(below.tls_cert),
            tls_key: self.tls_key.or(below.tls_key),
            tls: self.tls.or(below.tls),
            require_secure_transport: self
                .require_secure_transport
                .or(below.require_secure_transport),
        }
    }
}

/// Settings, and what is worth a warning once there is a log to write it to.
#[derive(Debug)]
pub struct Loaded {
    pub settings: Settings,
    pub warnings: Vec<String>,
}

/// Reads every source. `environment` is the process's variables, passed in so that tests can set
/// it.
pub fn load(
    args: &CommonArgs,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Loaded> {
    let environment = environment::read(environment)?;
    let file = args.config.clone().or(environment.config);
    let file = match &file {
        Some(path) => file::read(path)?,
        None => Layer::default(),
    };
    let chosen = Layer::from_flags(args).over(environment.layer).over(file);
    check(&chosen)?;
    let default = Settings::default();
    let settings = Settings {
        data_dir: chosen.data_dir.unwrap_or(default.data_dir),
        listen: chosen.listen,
        http_listen: chosen.http_listen,
        log: chosen.log,
        max_connections: chosen.max_connections.unwrap_or(default.max_connections),
        memtable_bytes: chosen.memtable_bytes.unwrap_or(default.memtable_bytes),
        segment_rows: chosen.segment_rows.unwrap_or(default.segment_rows),
        threads: chosen.threads,
        memory_bytes: chosen.memory_bytes,
        local_infile: chosen.local_infile,
        secure_file_priv: chosen.secure_file_priv,
        store_endpoints: chosen.store_endpoints.unwrap_or_default(),
        store_ambient_credentials: chosen.store_ambient_credentials.unwrap_or(false),
        backup_to: chosen.backup_to,
        backup_every: chosen.backup_every.unwrap_or(default.backup_every),
        backup_config: chosen.backup_config,
        backup_credentials: chosen.backup_credentials,
        tls: chosen.tls.unwrap_or(default.tls),
        certificate: chosen.tls_cert.zip(chosen.tls_key),
        require_secure_transport: chosen.require_secure_transport.unwrap_or(false),
    };
    Ok(Loaded {
        settings,
        warnings: environment.warnings,
    })
}

/// Bounds that hold whatever the source.
fn check(layer: &Layer) -> Result<()> {
    use crate::error::Error::Config;
    let refuse = |key: &str, rule: &str| Err(Config(format!("{key} must be {rule}")));
    if layer
        .data_dir
        .as_deref()
        .is_some_and(|dir| dir == Path::new(""))
    {
        return refuse("data_dir", "a directory, not empty");
    }
    if layer
        .max_connections
        .is_some_and(|n| !(1..=100_000).contains(&n))
    {
        return refuse("max_connections", "from 1 to 100000");
    }
    if layer.memtable_bytes.is_some_and(|n| n < 1 << 12) {
        return refuse("memtable_bytes", "4096 or more");
    }
    if layer
        .segment_rows
        .is_some_and(|n| !(1024..=1 << 26).contains(&n))
    {
        return refuse("segment_rows", "from 1024 to 67108864");
    }
    if layer.threads.is_some_and(|n| !(1..=1024).contains(&n)) {
        return refuse("threads", "from 1 to 1024");
    }
    if layer
        .backup_every
        .is_some_and(|n| !(1..=86_400).contains(&n))
    {
        return refuse("backup_every", "from 1 to 86400 seconds");
    }
    if layer.tls_cert.is_some() != layer.tls_key.is_some() {
        return refuse("tls_cert", "given together with tls_key");
    }
    if layer.require_secure_transport == Some(true) && layer.tls == Some(false) {
        return refuse("require_secure_transport", "false without tls");
    }
    if layer.memory_bytes.is_some_and(|n| n < 64 << 20) {
        return refuse("memory_bytes", "67108864 (64 MiB) or more");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn env(pairs: &[(&str, &str)]) -> Vec<(String, String)> {
        pairs
            .iter()
            .map(|(k, v)| (k.to_string(), v.to_string()))
            .collect()
    }

    #[test]
    fn flag_wins_over_environment_over_file_over_default() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("storno.toml");
        let text = "data_dir = '/file'\nlog = 'debug'\nmax_connections = 7\nsegment_rows = 5000\n";
        std::fs::write(&path, text).unwrap();
        let args = CommonArgs {
            data_dir: Some("/flag".into()),
            config: Some(path),
            ..CommonArgs::default()
        };
        let vars = env(&[
            ("STORNO_DATA_DIR", "/env"),
            ("STORNO_LOG", "info"),
            ("STORNO_SEGMENT_ROWS", "6000"),
        ]);
        let loaded = load(&args, vars).unwrap();
        let settings = loaded.settings;
        assert_eq!(settings.data_dir, PathBuf::from("/flag"));
        assert_eq!(settings.log.as_deref(), Some("info"));
        assert_eq!(settings.segment_rows, 6000);
        assert_eq!(settings.max_connections, 7);
        assert_eq!(settings.memtable_bytes, Settings::default().memtable_bytes);
    }

    #[test]
    fn nothing_given_means_the_documented_defaults() {
        let loaded = load(&CommonArgs::default(), env(&[])).unwrap();
        assert_eq!(loaded.settings, Settings::default());
        assert_eq!(loaded.settings.data_dir, PathBuf::from("storno-data"));
        assert!(loaded.warnings.is_empty());
    }

    #[test]
    fn the_file_may_be_named_by_the_environment() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("s.toml");
        std::fs::write(&path, "max_connections = 9\n").unwrap();
        let vars = env(&[("STORNO_CONFIG", path.to_str().unwrap())]);
        let loaded = load(&CommonArgs::default(), vars).unwrap();
        assert_eq!(loaded.settings.max_connections, 9);
    }

    #[test]
    fn values_out_of_bounds_are_refused_with_their_key() {
        for (key, value) in [
            ("STORNO_MAX_CONNECTIONS", "0"),
            ("STORNO_MEMTABLE_BYTES", "1000"),
            ("STORNO_SEGMENT_ROWS", "3"),
            ("STORNO_THREADS", "0"),
            ("STORNO_BACKUP_EVERY", "0"),
            ("STORNO_MEMORY_BYTES", "65536"),
            ("STORNO_TLS_CERT", "cert.pem"),
        ] {
            let error = load(&CommonArgs::default(), env(&[(key, value)])).unwrap_err();
            let name = key.trim_start_matches("STORNO_").to_lowercase();
            assert!(error.to_string().starts_with(&name), "{error}");
            assert_eq!(error.exit_code(), 3);
        }
    }

    #[test]
    fn encryption_is_offered_and_demanded_only_when_asked_for() {
        let settings = |vars: &[(&str, &str)]| load(&CommonArgs::default(), env(vars));
        let default = settings(&[]).unwrap().settings;
        assert!(default.tls && default.certificate.is_none() && !default.require_secure_transport);
        let vars = [("STORNO_TLS_CERT", "c.pem"), ("STORNO_TLS_KEY", "k.pem")];
        let given = settings(&vars).unwrap().settings;
        assert_eq!(given.certificate, Some(("c.pem".into(), "k.pem".into())));
        let vars = [
            ("STORNO_TLS", "false"),
            ("STORNO_REQUIRE_SECURE_TRANSPORT", "true"),
        ];
        assert_eq!(settings(&vars).unwrap_err().exit_code(), 3);
    }
}
